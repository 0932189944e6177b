//! The coordinator's shell: listeners, trust, storage and the composition of it all. What happens next is decided in
//! `coordinator-core`.


pub mod store;
