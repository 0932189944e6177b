//! What a step asks people, and how long it waits for an answer.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::limits;

/// When a step asks a person before it goes on. While it asks, it holds no worker and no lock.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Asks {
    /// Before it begins: what whoever approves should know. Not a template.
    pub approval: Option<String>,
    /// After it failed, and no attempt is left.
    pub on_failure: OnFailure,
    /// How long it waits for an answer; [`limits::ANSWER_TIMEOUT`] when absent.
    pub timeout: Option<Duration>,
}

/// What becomes of a step that failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// It has failed.
    #[default]
    Fail,
    /// A person says whether it is tried again, passed over, or has failed.
    Ask,
}

impl Asks {
    /// How long it waits for an answer.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.timeout.unwrap_or(limits::ANSWER_TIMEOUT)
    }
}

/// Says what is wrong, each in a sentence without the step's name.
pub(super) fn faults(asks: &Asks, say: &mut impl FnMut(String)) {
    if let Some(text) = &asks.approval {
        let chars = text.chars().count();
        if text.trim().is_empty() || chars > limits::APPROVAL_CHARS {
            say(format!(
                "`approval` has {chars} characters; say in 1 to {} what whoever approves should know.",
                limits::APPROVAL_CHARS
            ));
        }
    }
    match asks.timeout {
        Some(_) if asks.approval.is_none() && asks.on_failure == OnFailure::Fail => {
            say("`answer_timeout` is of no use: the step has neither `approval` nor `on_failure: ask`.".into());
        }
        Some(span) if span.is_zero() || span > limits::LONGEST_ANSWER_TIMEOUT => {
            say("`answer_timeout` must be more than 0 and at most 30d.".into());
        }
        _ => {}
    }
}
