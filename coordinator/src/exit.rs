//! How the program ends when it cannot go on: a code for programs (sysexits.h), a sentence for people.

use std::fmt;

use shared::reason::{Blame, Fault, Reason};

/// The end of the program, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Exit {
    /// Exit code.
    pub code: u8,
    /// What is wrong, and what to do.
    pub sentence: String,
}

impl Exit {
    /// 64: wrong flags, configuration or ports.
    pub fn usage(sentence: impl Into<String>) -> Self {
        Self { code: 64, sentence: sentence.into() }
    }

    /// 73: the data folder cannot be used.
    pub fn data_folder(sentence: impl Into<String>) -> Self {
        Self { code: 73, sentence: sentence.into() }
    }

    /// 70: a fault of Longshore's own, or a store of a newer one.
    pub fn software(sentence: impl Into<String>) -> Self {
        Self { code: 70, sentence: sentence.into() }
    }
}

impl From<Fault> for Exit {
    fn from(fault: Fault) -> Self {
        let code = match (fault.reason, fault.reason.blame()) {
            (Reason::StoreTooNew, _) => 70,
            // The configuration is at fault: the wrong key file.
            (Reason::MasterKey, _) => 78,
            (_, Blame::Unavailable) => 74,
            (_, Blame::Broken) => 70,
            _ => 64,
        };
        Self { code, sentence: fault.sentence }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

impl std::error::Error for Exit {}
