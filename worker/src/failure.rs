//! How a command ends badly: one sentence for people, one exit code for programs.

use std::{fmt, io, path::Path};

/// Exit codes, as in sysexits.h.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Exit {
    /// Wrong usage or configuration.
    Usage = 64,
    /// The coordinator cannot be reached.
    Unavailable = 69,
    /// A fault of Longshore's own.
    Internal = 70,
    /// The data folder cannot be used, or another agent uses it.
    Data = 73,
    /// The coordinator refused.
    Refused = 77,
}

/// A sentence and its exit code.
#[derive(Debug)]
pub struct Failure {
    /// For programs.
    pub exit: Exit,
    /// For people.
    pub sentence: String,
}

impl Failure {
    /// A failure with its sentence.
    pub fn new(exit: Exit, sentence: impl Into<String>) -> Self {
        Self { exit, sentence: sentence.into() }
    }

    /// A file or folder of the data folder that cannot be used.
    pub fn data(path: &Path, error: &io::Error) -> Self {
        Self::new(
            Exit::Data,
            format!("{} cannot be used: {error}. Check its owner, mode and free space.", path.display()),
        )
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

impl std::error::Error for Failure {}
