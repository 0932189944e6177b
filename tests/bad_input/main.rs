//! What is wrong, and what it gets: a sentence, an exit code, and nothing changed.

mod accounts;
mod disk;
mod places;
mod project_files;
mod scripts;
