//! The agent on a host: holds a session with the coordinator, writes down what it was asked to do, and starts one shim
//! per attempt. The shim owns the step's processes, log and end, so the agent may be killed or replaced at any time.

pub mod action;
pub mod agent;
pub mod command;
pub mod config;
pub mod credentials;
pub mod driver;
pub mod endpoint;
pub mod environment;
pub mod examine;
pub mod exec_dir;
pub mod failure;
pub mod home;
pub mod host;
pub mod identity;
pub mod invitation;
pub mod isolation;
pub mod join;
pub mod journal;
pub mod outbox;
pub mod preparation;
pub mod process;
pub mod random;
pub mod result;
pub mod script;
pub mod session;
pub mod shim;
pub mod step_users;
pub mod tools;
pub mod uploads;
pub mod watch;
pub mod wire;
