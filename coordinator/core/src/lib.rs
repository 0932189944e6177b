//! The coordinator's brain: decides which worker is offered which step, and what every word of a worker means.
//!
//! [`Coordinator::handle`] takes what happened and answers with [`Decision`]: facts to store, and actions to perform once they
//! are stored. Knows nothing of gRPC, SQL, disks, clocks, randomness or secrets.

pub mod fact;
