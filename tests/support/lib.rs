//! Starts the real parts that the demo and the end-to-end tests run against, each on a free port and in a folder of its
//! own, and stops them by their own ids, whatever happened in between. Everything here blocks; nothing is mocked but the
//! instance metadata service, of which no strict one exists to install.

pub mod bucket;
pub mod canary;
pub mod cli;
pub mod coordinator;
pub mod emulator;
pub mod fault;
pub mod http;
pub mod imds;
pub mod network;
pub mod parts;
pub mod port;
pub mod process;
pub mod sigv4;
mod skip;
pub mod stacks;
pub mod tap;
pub mod trust;
pub mod wait;
pub mod worker_host;
pub mod world;

pub use bucket::Bucket;
pub use cli::{Answer, Cli, Watch};
pub use coordinator::Coordinator;
pub use emulator::{AccessKey, Emulator};
pub use fault::{Fault, Trouble};
pub use imds::{Imds, Instance, Mode};
pub use network::HostNetwork;
pub use process::Process;
pub use skip::skip;
pub use stacks::Stacks;
pub use wait::until;
pub use worker_host::WorkerHost;
pub use world::World;
