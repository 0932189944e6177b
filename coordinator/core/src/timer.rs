//! What is due when. A timer is a reminder to look again; whether anything is due is decided when it fires.

use std::collections::BTreeSet;

use shared::id::{DeploymentId, WorkerId};

use crate::Mono;

/// A reminder.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Timer {
    /// Is the worker still in contact?
    Contact(WorkerId),
    /// Is the step's wait before its next attempt over?
    Retry(DeploymentId, usize),
    /// Has the step waited too long for a worker?
    Queue(DeploymentId, usize),
    /// Has the step waited too long for an answer?
    Answer(DeploymentId, usize),
    /// May the worker be offered something again?
    Reopen(WorkerId),
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Timers {
    due: BTreeSet<(Mono, Timer)>,
}

impl Timers {
    pub(crate) fn arm(&mut self, at: Mono, timer: Timer) {
        self.due.insert((at, timer));
    }

    pub(crate) fn next(&self) -> Option<Mono> {
        self.due.first().map(|(at, _)| *at)
    }

    pub(crate) fn pop_due(&mut self, now: Mono) -> Option<Timer> {
        let (at, _) = self.due.first()?;
        if *at > now {
            return None;
        }
        self.due.pop_first().map(|(_, timer)| timer)
    }
}
