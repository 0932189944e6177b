//! What really happened, as nobody in the system knows it: the ground truth that the promises are held against.

use std::collections::{BTreeMap, BTreeSet};

use shared::{
    attempt::AttemptState,
    id::{DeploymentId, ExecutionId},
};

/// Ground truth. Outlives every fault.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Ledger {
    /// How often each attempt's child was started.
    pub starts: BTreeMap<ExecutionId, u32>,
    /// Attempts whose grant was ever stored.
    pub granted: BTreeSet<ExecutionId>,
    /// Attempts whose shim wrote an exit record.
    pub exits: BTreeSet<ExecutionId>,
    /// Attempts whose bad end was ever stored.
    pub failed: BTreeSet<ExecutionId>,
    /// Attempts that a person decided about, on record.
    pub decided: BTreeSet<ExecutionId>,
    /// Which attempts each step ever had.
    pub attempts: BTreeMap<(DeploymentId, usize), BTreeSet<ExecutionId>>,
    /// What was wrong at the moment when something was done: the promise, and a sentence.
    pub broken: BTreeSet<(&'static str, String)>,
}

impl Ledger {
    /// The other attempts of an attempt's step.
    pub(crate) fn siblings(&self, execution: ExecutionId) -> Vec<ExecutionId> {
        let own = self.attempts.values().filter(|attempts| attempts.contains(&execution));
        own.flatten().copied().filter(|other| *other != execution).collect()
    }

    /// A child is started.
    pub fn start(&mut self, execution: ExecutionId, others: &[(ExecutionId, Option<AttemptState>, bool)]) {
        *self.starts.entry(execution).or_default() += 1;
        if !self.granted.contains(&execution) {
            self.broken.insert(("I10", "a child was started whose grant was never stored".into()));
        }
        for (other, state, is_alive) in others {
            if self.starts.contains_key(other) {
                // Whoever has one run again while it may be alive has both on record.
                let is_decided = self.decided.contains(other) || self.decided.contains(&execution);
                let is_allowed = is_decided || (self.failed.contains(other) && !is_alive);
                self.second_start(*state, *is_alive, is_allowed);
            }
        }
    }

    /// Another attempt of the same step was started before.
    fn second_start(&mut self, state: Option<AttemptState>, is_alive: bool, is_allowed: bool) {
        if !is_allowed {
            let alive = if is_alive { "alive" } else { "dead" };
            self.broken.insert(("I2", format!("a step ran again while its first attempt was {alive} and {state:?}")));
        }
    }
}
