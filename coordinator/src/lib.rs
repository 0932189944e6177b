//! The coordinator's shell: listeners, trust, storage and the composition of it all. What happens next is decided in
//! `coordinator-core`.

pub mod audit;
pub mod authorization;
pub mod clock;
pub mod enrolment;
pub mod files;
pub mod listener;
pub mod log_store;
pub mod pki;
pub mod prepare;
pub mod rate;
pub mod registry;
pub mod seal;
pub mod standing;
pub mod store;
pub mod token;
