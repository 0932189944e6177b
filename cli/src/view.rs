//! What answers look like: one type a resource, its fields named as in the contract, enums as short lower-case words,
//! times as RFC 3339, durations with units. Programs read these; they never lose or rename a field.

mod account;
mod account_test;
mod artifact;
mod audit;
mod coordinator;
mod deployment;
mod hold;
mod inventory;
mod project;
mod worker;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

pub(crate) use account::{AccountView, kind_of};
pub(crate) use account_test::AccountTests;
pub(crate) use artifact::{ArtifactView, DownloadView};
pub(crate) use audit::AuditEventView;
pub(crate) use coordinator::CoordinatorView;
pub(crate) use deployment::{DeploymentView, EventView, LogFrameView, RunView, deployment_word, step_word};
pub(crate) use hold::HoldView;
pub(crate) use inventory::{EnvironmentView, InvitationView, PoolView};
pub(crate) use project::{ProjectView, VariableView};
pub(crate) use worker::WorkerView;

use crate::screen;

/// Something that can be listed and shown.
pub(crate) trait View: Serialize {
    /// What many of them are called.
    const MANY: &'static str;
    /// Heads of the columns of a list.
    const COLUMNS: &'static [&'static str];

    /// One row of a list.
    fn cells(&self) -> Vec<String>;

    /// What `show` prints for people: the row upright, unless there is more to say.
    fn page(&self) -> String {
        let facts: Vec<_> = Self::COLUMNS.iter().copied().zip(self.cells()).collect();
        screen::facts(&facts)
    }
}

/// The word of an enum value: its name in the contract without the prefix, in lower case.
pub(crate) fn word(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix).unwrap_or(name).to_ascii_lowercase()
}

/// A point in time; absent when the contract has none, or none that a calendar knows.
pub(crate) fn time(time: Option<prost_types::Timestamp>) -> Option<Timestamp> {
    let time = time?;
    Timestamp::new(time.seconds, time.nanos).ok()
}

/// A point in time for people: to the second.
pub(crate) fn short(time: Option<Timestamp>) -> String {
    time.and_then(|time| Timestamp::from_second(time.as_second()).ok()).map(|time| time.to_string()).unwrap_or_default()
}

/// Labels as they are typed.
pub(crate) fn labels(labels: &BTreeMap<String, String>) -> String {
    labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
}

/// A duration with units, e.g. `1h 30m`.
pub(crate) fn duration(duration: Option<prost_types::Duration>) -> Option<String> {
    let duration = std::time::Duration::try_from(duration?).ok()?;
    Some(humantime::format_duration(duration).to_string())
}

/// How long something took, as short as it can be read: `0.4s`, `42s`, `3m12s`, `2h05m`.
pub(crate) fn took(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().max(0);
    match seconds {
        0..10 => format!("{:.1}s", duration.as_secs_f64().max(0.0)),
        10..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_short() {
        let shown: Vec<_> =
            [0.44, 9.96, 42.0, 192.0, 7500.0].map(|s| took(SignedDuration::from_secs_f64(s))).into_iter().collect();
        assert_eq!(shown, ["0.4s", "10.0s", "42s", "3m12s", "2h05m"]);
    }

    #[test]
    fn enum_words_lose_their_prefix() {
        assert_eq!(word("STATE_SUCCEEDED", "STATE_"), "succeeded");
    }

    #[test]
    fn times_and_durations_have_the_form_that_programs_read() {
        let at = prost_types::Timestamp { seconds: 1_790_000_000, nanos: 500_000_000 };
        assert_eq!(time(Some(at)).map(|time| time.to_string()).as_deref(), Some("2026-09-21T14:13:20.5Z"));
        assert_eq!(duration(Some(prost_types::Duration { seconds: 30, nanos: 0 })).as_deref(), Some("30s"));
    }
}
