//! The agent on a host: holds a session with the coordinator, writes down what it was asked to do, and starts one shim
//! per attempt. The shim owns the step's processes, log and end, so the agent may be killed or replaced at any time.

pub mod action;
pub mod aws;
pub mod command;
pub mod endpoint;
pub mod exec_dir;
pub mod process;
pub mod script;
pub mod shim;
