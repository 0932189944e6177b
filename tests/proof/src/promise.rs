//! The promises, each a check with a name that every level of the proof uses. What holds at the moment of a deed is written
//! down by the ledger; what holds at all times is looked up here.

use shared::attempt::AttemptState;

use crate::fleet::Fleet;

/// A promise that is broken, and how.
pub type Breach = (&'static str, String);

/// The promises that are looked at, with what they say.
pub const PROMISES: &[(&str, &str)] = &[
    ("I1", "an attempt's process is started at most once"),
    ("I2", "a step runs again only when its first attempt ended and its file allows it, or a person decided"),
    ("I4", "what counts as not started never ran"),
    ("I5", "a result that is stored is a shim's exit record"),
    ("I9", "of those who want a lock, one may be alive"),
    ("I10", "a child is started only after its grant was stored"),
    ("I11", "of what counts as cancelled, no process is alive"),
    ("I15", "on hold nothing is offered or granted"),
    ("I17", "what the coordinator believes is what comes of its store"),
];

/// What is broken now.
#[must_use]
pub fn breaches(fleet: &Fleet) -> Vec<Breach> {
    let mut breaches: Vec<Breach> = fleet.ledger.broken.iter().cloned().collect();
    for (execution, state) in fleet.store.states() {
        let starts = fleet.ledger.starts.get(execution).copied().unwrap_or_default();
        let is_alive = fleet.runs(*execution);
        let mut breach = |name, is_broken, what: &str| {
            if is_broken {
                breaches.push((name, format!("{what}: {execution} is {state:?}, started {starts} times")));
            }
        };
        breach("I1", starts > 1, "an attempt was started twice");
        breach("I4", *state == AttemptState::NotStarted && starts > 0, "what counts as not started has run");
        let is_result = matches!(state, AttemptState::Succeeded | AttemptState::Failed | AttemptState::Cancelled);
        let is_recorded = fleet.ledger.exits.contains(execution);
        breach("I5", is_result && !is_recorded, "a result without an exit record");
        breach("I11", *state == AttemptState::Cancelled && is_alive, "what counts as cancelled is alive");
    }
    breaches.extend(fleet.lock_breach());
    breaches.extend(fleet.belief_breach());
    breaches
}

impl Fleet {
    fn lock_breach(&self) -> Option<Breach> {
        let mut holders = Vec::new();
        for ((deployment, step), attempts) in &self.ledger.attempts {
            // What a person decided about lets go of its locks, on record.
            let undecided = attempts.iter().filter(|execution| !self.ledger.decided.contains(execution));
            let alive = undecided.into_iter().any(|execution| self.runs(*execution));
            if alive {
                holders.extend(self.store.locks(*deployment, *step));
            }
        }
        holders.sort();
        let twice = holders.windows(2).find(|pair| pair[0] == pair[1])?;
        Some(("I9", format!("lock {} has two living holders", twice[0])))
    }

    fn belief_breach(&self) -> Option<Breach> {
        let core = self.coordinator.as_ref()?;
        let (recovered, _) = self.store.recover(coordinator_core::Mono::default());
        let states = self.store.states().keys();
        let differs =
            states.clone().find(|execution| recovered.open_execution(**execution) != core.open_execution(**execution));
        let ends = self
            .deployments()
            .into_iter()
            .find(|deployment| recovered.is_open(*deployment) != core.is_open(*deployment));
        match (differs, ends) {
            (None, None) => None,
            (execution, deployment) => {
                Some(("I17", format!("belief and store differ about {execution:?} {deployment:?}")))
            }
        }
    }
}
