//! The loopback credential endpoint of a step.

use std::process::ExitCode;

/// Prints the step's credentials for `credential_process`.
#[must_use]
pub fn print_credentials() -> ExitCode {
    ExitCode::FAILURE
}
