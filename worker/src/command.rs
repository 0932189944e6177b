//! What people type: `run`, `join`, `status`, `reset`.

use std::process::ExitCode;

/// Runs the command of the arguments.
#[must_use]
pub fn main() -> ExitCode {
    ExitCode::from(64)
}
