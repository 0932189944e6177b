//! The `longshore-coordinator` program.

use std::process::ExitCode;

use clap::{Parser, error::ErrorKind};
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

use crate::command::Program;

mod command;

fn main() -> ExitCode {
    let program = match Program::try_parse() {
        Ok(program) => program,
        Err(error) => {
            // Clap writes help to stdout and faults to stderr; if neither can be written, the code says enough.
            let _ = error.print();
            let is_answer = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            return ExitCode::from(if is_answer { 0 } else { 64 });
        }
    };
    service::tls::install_provider();
    keep_memory_private();
    match program.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(exit) => {
            command::complain(&exit.sentence);
            ExitCode::from(exit.code)
        }
    }
}

/// Opened secrets are in memory: no core file, and no other process of this user looks into it.
fn keep_memory_private() {
    // Where the system refuses, everything else still protects them.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}
