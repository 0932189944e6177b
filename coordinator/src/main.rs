//! The `longshore-coordinator` program.

use std::process::ExitCode;

use clap::{Parser, error::ErrorKind};

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
    match program.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(exit) => {
            command::complain(&exit.sentence);
            ExitCode::from(exit.code)
        }
    }
}
