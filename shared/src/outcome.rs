//! How the process of an attempt ended, as its shim recorded it.

use serde::{Deserialize, Serialize};

/// The end of a process, and why in a code and a sentence.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Outcome {
    /// In a word.
    pub kind: OutcomeKind,
    /// Exit code, if it exited.
    pub exit_code: Option<i32>,
    /// Signal, if one ended it.
    pub signal: Option<i32>,
    /// Stable code: `EXIT_ZERO`, `EXIT_CODE`, `SIGNAL`, `TIMED_OUT`, `CANCELLED`, `NOT_EXECUTABLE`, `CREDENTIALS_REFUSED`, …
    pub reason: String,
    /// In a sentence, masked.
    pub detail: String,
}

/// The end of a process in a word.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeKind {
    /// Exit code 0.
    Succeeded,
    /// Another exit code, a signal nobody asked for, or it could not be started.
    Failed,
    /// It ran longer than its timeout and was killed.
    TimedOut,
    /// It was killed by request.
    Cancelled,
}

impl Outcome {
    /// The process exited with a code.
    #[must_use]
    pub fn exited(code: i32) -> Self {
        let (kind, reason) =
            if code == 0 { (OutcomeKind::Succeeded, "EXIT_ZERO") } else { (OutcomeKind::Failed, "EXIT_CODE") };
        Self {
            kind,
            exit_code: Some(code),
            signal: None,
            reason: reason.into(),
            detail: format!("The process ended with exit code {code}."),
        }
    }

    /// A signal that nobody here sent ended the process.
    #[must_use]
    pub fn signalled(signal: i32) -> Self {
        Self {
            kind: OutcomeKind::Failed,
            exit_code: None,
            signal: Some(signal),
            reason: "SIGNAL".into(),
            detail: format!("The process was ended by signal {signal}."),
        }
    }

    /// No process was started, for a reason that a person must mend.
    #[must_use]
    pub fn refused(reason: &str, detail: impl Into<String>) -> Self {
        Self { kind: OutcomeKind::Failed, exit_code: None, signal: None, reason: reason.into(), detail: detail.into() }
    }
}
