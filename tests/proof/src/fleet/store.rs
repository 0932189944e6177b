//! What the coordinator has stored: facts, in order, and what follows from them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, mpsc::Sender},
};

use coordinator_core::{
    Coordinator, Decision, Mono, Patience, Stored,
    fact::{Created, DeploymentFact, Fact},
    input::{Wish, WorkerRecord},
};
use shared::{
    attempt::{AttemptEvent, AttemptState},
    bug::{Bug, is_seeded},
    id::{AssignSeq, DeploymentId, ExecutionId, SessionEpoch, WorkerId},
    outcome::OutcomeKind,
};

use crate::{ledger::Ledger, scenario::Scenario};

/// The store.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    workers: BTreeMap<WorkerId, WorkerRecord>,
    deployments: BTreeMap<DeploymentId, Vec<Arc<DeploymentFact>>>,
    attempts: BTreeMap<ExecutionId, AttemptState>,
    pub(crate) is_on_hold: bool,
    restores: u32,
    /// Who wants to hear of every change.
    witness: Option<Sender<Change>>,
}

/// A change of what is stored.
#[derive(Clone, Debug)]
pub enum Change {
    /// What there is at first.
    Begun(Box<Stored>),
    /// A fact was stored.
    Stored(Box<Fact>),
    /// A backup was made.
    BackedUp,
    /// The backup took the place of the store.
    Restored,
}

impl Store {
    pub(crate) fn new(scenario: &Scenario, witness: Option<Sender<Change>>) -> Self {
        let created = |process| {
            vec![Arc::new(DeploymentFact::Created(Created {
                project: String::new(),
                environment: String::new(),
                number: 1,
                revision: 1,
                by: "token a".into(),
                retry_of: None,
                carried: Vec::new(),
                process,
            }))]
        };
        let store = Self {
            workers: scenario.worker_ids().map(|worker| (worker, record(worker))).collect(),
            deployments: scenario.processes().into_iter().map(|(id, process)| (id, created(process))).collect(),
            attempts: BTreeMap::new(),
            is_on_hold: false,
            restores: 0,
            witness,
        };
        store.tell(|| Change::Begun(Box::new(store.stored())));
        store
    }

    /// Nobody hears of what follows.
    pub(crate) fn go_unheard(&mut self) {
        self.witness = None;
    }

    /// Somebody may keep the same elsewhere.
    pub(crate) fn tell(&self, change: impl FnOnce() -> Change) {
        if let Some(witness) = &self.witness {
            // Whoever does not listen any more does not mind.
            let _ = witness.send(change());
        }
    }

    pub(crate) fn commit(&mut self, fact: Fact, ledger: &mut Ledger) {
        self.tell(|| Change::Stored(Box::new(fact.clone())));
        match fact {
            Fact::SessionOpened(opened) => {
                if let Some(worker) = self.workers.get_mut(&opened.worker) {
                    worker.epoch = opened.epoch;
                    worker.journal_id = opened.journal_id;
                    worker.boot_id = opened.boot_id;
                    worker.assign_seq = worker.assign_seq.max(opened.assign_hwm);
                }
            }
            Fact::HoldBegan { .. } => self.hold(),
            Fact::HoldLifted { .. } => self.is_on_hold = false,
            Fact::Deployment(id, fact) => {
                self.commit_attempt(id, &fact, ledger);
                self.deployments.entry(id).or_default().push(Arc::new(fact));
            }
        }
    }

    fn commit_attempt(&mut self, id: DeploymentId, fact: &DeploymentFact, ledger: &mut Ledger) {
        match fact {
            DeploymentFact::AttemptOffered(offered) => {
                if let Some(worker) = self.workers.get_mut(&offered.worker) {
                    worker.assign_seq = worker.assign_seq.max(offered.assign_seq);
                }
                ledger.attempts.entry((id, offered.step)).or_default().insert(offered.execution);
                if self.attempts.insert(offered.execution, AttemptState::Offered).is_some() {
                    ledger.broken.insert(("I1", "an attempt's id was used twice".into()));
                }
            }
            DeploymentFact::AttemptMoved(moved) => {
                let before = self.attempts.get(&moved.execution).copied();
                match before.map(|state| state.apply(moved.event)) {
                    Some(Ok(state)) => {
                        self.attempts.insert(moved.execution, state);
                    }
                    refused => {
                        ledger.broken.insert(("I17", format!("the store would refuse a fact: {refused:?}")));
                    }
                }
                match moved.event {
                    AttemptEvent::Granted => ledger.granted.insert(moved.execution),
                    AttemptEvent::Exited(OutcomeKind::Failed | OutcomeKind::TimedOut) => {
                        ledger.failed.insert(moved.execution)
                    }
                    _ => false,
                };
            }
            _ => {}
        }
    }

    /// What the command that restores a backup writes into it.
    pub(crate) fn hold(&mut self) {
        self.is_on_hold = !is_seeded(Bug::NoHold);
        self.restores += 1;
    }

    /// The coordinator that comes of what is stored.
    pub(crate) fn recover(&self, now: Mono) -> (Coordinator, Decision) {
        Coordinator::recover(now, Patience::default(), self.stored())
    }

    /// What a coordinator begins with.
    pub(crate) fn stored(&self) -> Stored {
        let is_open = |facts: &&Vec<Arc<DeploymentFact>>| {
            !matches!(facts.last().map(|fact| &**fact), Some(DeploymentFact::Ended { .. }))
        };
        let open = self.deployments.iter().filter(|(_, facts)| is_open(facts));
        let open = open.map(|(id, facts)| (*id, facts.iter().map(|fact| (**fact).clone()).collect()));
        Stored {
            workers: self.workers.values().cloned().collect(),
            deployments: open.collect(),
            restores: self.restores,
            is_on_hold: self.is_on_hold,
        }
    }

    pub(crate) fn state(&self, execution: ExecutionId) -> Option<AttemptState> {
        self.attempts.get(&execution).copied()
    }

    pub(crate) fn states(&self) -> &BTreeMap<ExecutionId, AttemptState> {
        &self.attempts
    }

    /// What a step locks, by its plan.
    pub(crate) fn locks(&self, deployment: DeploymentId, step: usize) -> BTreeSet<String> {
        let first = self.deployments.get(&deployment).and_then(|facts| facts.first());
        match first.map(|fact| &**fact) {
            Some(DeploymentFact::Created(created)) => created.process.steps[step].locks.iter().cloned().collect(),
            _ => BTreeSet::new(),
        }
    }
}

fn record(id: WorkerId) -> WorkerRecord {
    WorkerRecord {
        id,
        name: format!("worker {id}"),
        pool: "default".into(),
        labels: BTreeMap::new(),
        wish: Wish::Active,
        epoch: SessionEpoch(0),
        assign_seq: AssignSeq(0),
        journal_id: String::new(),
        boot_id: String::new(),
    }
}
