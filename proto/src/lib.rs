//! The contract: what travels between CLI, coordinator and worker, generated from `longshore/**.proto`, and the
//! conversions between it and the words of `shared`. Knows nothing of sockets, disks or clocks.

#[allow(missing_docs, clippy::all, rust_2018_idioms, unreachable_pub)]
pub mod longshore {
    pub mod action {
        pub mod v1 {
            tonic::include_proto!("longshore.action.v1");
        }
    }
    pub mod deployment {
        pub mod v1 {
            tonic::include_proto!("longshore.deployment.v1");
        }
    }
    pub mod worker {
        pub mod v1 {
            tonic::include_proto!("longshore.worker.v1");
        }
    }
}

pub mod convert;
pub mod join_string;
mod redact;
pub mod status;

pub use longshore::{action::v1 as action, deployment::v1 as deployment, worker::v1 as worker};

/// All descriptors, encoded: for gRPC reflection and for the walk over the authorisation table.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// The one protocol version there is so far; both sides offer a range and take the highest common one.
pub const PROTOCOL_VERSION: i32 = 1;
