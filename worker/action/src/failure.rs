//! Why an action failed.

use shared::reason::{Fault, Reason};

/// A stable code and a sentence: the last line of the log, and the reason of the step's outcome.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// Stable code.
    pub reason: Reason,
    /// Names the thing, what was wrong with it and what to do. Its last line is what a person must see.
    pub sentence: String,
}

impl Failure {
    /// A failure.
    pub fn new(reason: Reason, sentence: impl Into<String>) -> Self {
        Self { reason, sentence: sentence.into() }
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self { reason: fault.reason, sentence: fault.sentence }
    }
}
