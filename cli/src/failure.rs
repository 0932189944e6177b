//! How the tool ends: an exit code that never changes its meaning, and a sentence.

use std::{io, process::ExitCode};

/// What the exit code says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Exit {
    /// Done.
    Ok = 0,
    /// The deployment or the test failed, or the coordinator would not do it as things stand.
    Failed = 1,
    /// The command line, a file it names, or what it asks for has the wrong shape.
    Usage = 2,
    /// The coordinator could not be reached.
    Unreachable = 3,
    /// Who asks is not known, or may not.
    Refused = 4,
    /// A step's outcome is unknown and waits for a decision.
    Unknown = 5,
    /// There is no such thing.
    NotFound = 6,
    /// Ctrl-C; the deployment goes on.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// An end that is not the wanted one, with the sentence for people; never a secret in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Failure {
    /// For programs.
    pub(crate) exit: Exit,
    /// For people; empty when there is nobody to tell.
    pub(crate) sentence: String,
}

impl Failure {
    /// An end with its sentence.
    pub(crate) fn new(exit: Exit, sentence: impl Into<String>) -> Self {
        Self { exit, sentence: sentence.into() }
    }

    /// The caller gave something of the wrong shape.
    pub(crate) fn usage(sentence: impl Into<String>) -> Self {
        Self::new(Exit::Usage, sentence)
    }
}

/// Failing to write the answer. A reader that has gone (`| head`) is not worth a word.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::new(Exit::Ok, ""),
            _ => Self::new(Exit::Failed, format!("The answer could not be written: {error}.")),
        }
    }
}
