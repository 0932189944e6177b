//! The shim as the real program, with real processes: what a step's script may do to it, and what is left on disk.

// All of it is tests, also what is not marked as one.
#![allow(clippy::unwrap_used)]

mod artifacts;
mod disk;
mod ending;
mod endpoint;
mod environment;
mod helpers;
mod messages;
mod powershell;
mod stage;
mod streams;
mod unhappy;
mod users;
mod zoo;
