//! The process that owns one attempt.

use std::{path::Path, process::ExitCode};

/// Runs the attempt of an exec directory.
#[must_use]
pub fn main(_exec_dir: &Path, _runtime_dir: &Path) -> ExitCode {
    ExitCode::FAILURE
}
