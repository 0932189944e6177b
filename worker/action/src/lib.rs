//! What all actions have in common: where they work and as whom, how they speak, and how they fail.
//!
//! An action runs as the process of its step, under a shim that masks, times and logs it like any script. Knows nothing of
//! Longshore's wire, of gRPC and of disks.

mod failure;
mod scene;
mod speech;

pub use failure::Failure;
pub use scene::Scene;
pub use speech::Speech;
