//! Actions that are not scripts.

use std::{path::Path, process::ExitCode};

/// Runs the action of a file.
#[must_use]
pub fn main(_file: &Path) -> ExitCode {
    ExitCode::FAILURE
}
