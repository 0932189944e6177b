//! The shim as the real program, with real processes: what a step's script may do to it, and what is left on disk.

mod disk;
mod ending;
mod endpoint;
mod environment;
mod helpers;
mod messages;
mod stage;
mod streams;
mod unhappy;
