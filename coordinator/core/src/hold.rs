//! On hold: the store may have gone back in time, by a restored backup or a snapshot of the disk. What was decided since then is
//! lost here, and workers act on it all the same. Until a person lifts the hold nothing is offered or granted, no offer is taken
//! back (it may have been granted in the part that was lost), and every worker is asked for all it remembers: attempts that the
//! store has never heard of are taken up, and what cannot be told stays in doubt.

use std::collections::{BTreeMap, BTreeSet};

use shared::{
    attempt::{AttemptEvent, AttemptState},
    bug::{Bug, is_seeded},
    id::{AssignSeq, DeploymentId, ExecutionId, WorkerId},
};

use crate::{
    Coordinator, Mono,
    action::Action,
    deployment::{Attempt, StepState, execution_id},
    fact::{DeploymentFact, Fact, Offered},
    input::{Fate, Memories, Prepared, Remembered, Wish},
};

/// What is known since the hold began.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hold {
    /// Workers that have told all they did.
    heard: BTreeSet<WorkerId>,
    /// Attempts to take up, as soon as it is known what their steps lock.
    adoptions: BTreeMap<(DeploymentId, usize), (WorkerId, Remembered)>,
    /// Attempts of deployments that the store has never heard of.
    orphans: BTreeMap<ExecutionId, WorkerId>,
    adopted: BTreeSet<ExecutionId>,
}

/// How a hold stands, for people.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct HoldView {
    /// Workers that have told all they did.
    pub heard: Vec<WorkerId>,
    /// Workers that may have run something that nobody tells: they were not heard, or their journal is not the one that the store
    /// knows.
    pub awaited: Vec<WorkerId>,
    /// Attempts that the store had never heard of, taken up since this coordinator was started.
    pub adopted: Vec<ExecutionId>,
    /// Attempts of deployments that the store has never heard of, and who has or had them.
    pub orphans: Vec<(ExecutionId, WorkerId)>,
    /// Steps whose outcome is unknown: a person must decide.
    pub doubtful: Vec<(DeploymentId, usize)>,
}

impl Coordinator {
    /// How the hold stands; `None` when there is none.
    #[must_use]
    pub fn hold(&self) -> Option<HoldView> {
        let hold = self.hold.as_ref()?;
        let may_have_run = self.workers.iter().filter(|(_, worker)| worker.wish != Wish::Revoked).map(|(id, _)| *id);
        let (heard, awaited) = may_have_run.partition(|worker| hold.heard.contains(worker));
        let doubtful = self.executions.iter().filter(|(_, (id, step))| self.needs_decision(*id, *step));
        Some(HoldView {
            heard,
            awaited,
            adopted: hold.adopted.iter().copied().collect(),
            orphans: hold.orphans.iter().map(|(execution, worker)| (*execution, *worker)).collect(),
            doubtful: doubtful.map(|(_, place)| *place).collect(),
        })
    }

    pub(crate) fn is_on_hold(&self) -> bool {
        self.hold.is_some()
    }

    /// A worker knows what the store does not. Every worker is asked anew.
    pub(crate) fn begin_hold(&mut self, why: String) {
        if self.is_on_hold() || is_seeded(Bug::NoHold) {
            return;
        }
        self.hold = Some(Hold::default());
        self.restores += 1;
        self.decision.facts.push(Fact::HoldBegan { why });
        self.end_all_sessions();
    }

    /// A person takes it on. Offers to workers that were not heard may have been granted: they are in doubt from now on.
    pub(crate) fn lift_hold(&mut self, now: Mono, by: String, reason: String) {
        let Some(hold) = self.hold.take() else { return };
        self.decision.facts.push(Fact::HoldLifted { by, reason });
        let unheard: Vec<ExecutionId> = self
            .workers
            .iter()
            .filter(|(id, _)| !hold.heard.contains(id))
            .flat_map(|(_, worker)| worker.open.iter().copied())
            .collect();
        for execution in unheard {
            self.doubt_offer(execution, "Its worker was not heard while the coordinator was on hold.");
        }
        // Whoever connects again is told how it goes on.
        self.end_all_sessions();
        let cancelled: Vec<(DeploymentId, usize)> = self
            .deployments
            .iter()
            .filter(|(_, deployment)| deployment.cancel_requested)
            .flat_map(|(id, deployment)| (0..deployment.steps.len()).map(|step| (*id, step)))
            .collect();
        for (id, step) in cancelled {
            self.cancel_step(id, step);
        }
        self.resume(now);
    }

    fn end_all_sessions(&mut self) {
        let workers: Vec<WorkerId> = self.workers.keys().copied().collect();
        for worker in workers {
            self.end_session(worker);
            self.refresh(worker);
        }
    }

    /// An offer of which nobody can say any more whether it was granted.
    pub(crate) fn doubt_offer(&mut self, execution: ExecutionId, why: &str) {
        let Some((id, step)) = self.executions.get(&execution).copied() else { return };
        let Some(attempt) = self.attempt(id, step).filter(|a| a.state == AttemptState::Offered) else { return };
        self.move_attempt(
            id,
            step,
            &attempt,
            AttemptEvent::Granted,
            "It may have been granted in what the store lost.",
        );
        self.lose(id, step, &attempt, why);
    }

    /// The grant of an offer that a worker has acted on is in the part that was lost. Whether it may be taken for granted.
    pub(crate) fn admit_grant(&mut self, id: DeploymentId, step: usize, attempt: &Attempt) -> bool {
        if attempt.state != AttemptState::Offered {
            return true;
        }
        if self.is_on_hold() {
            let lost = "It was granted in what the store lost: its worker has started it.";
            self.move_attempt(id, step, attempt, AttemptEvent::Granted, lost);
            return true;
        }
        self.never_granted(id, step, attempt);
        false
    }

    /// What a worker remembers of all it was ever offered.
    pub(crate) fn remembered(&mut self, worker: WorkerId, memories: Memories) {
        if !self.is_on_hold() {
            return;
        }
        let told: BTreeSet<ExecutionId> = memories.attempts.iter().map(|memory| memory.execution).collect();
        let strangers = self.strangers(&memories);
        for memory in &memories.attempts {
            self.recall_open(worker, memory);
        }
        for execution in self.worker_open(worker) {
            if !told.contains(&execution) {
                self.recall_nothing(worker, execution, memories.since);
            }
        }
        for (place, memory) in strangers {
            match place {
                Some((id, step)) => self.prepare_adoption(worker, id, step, memory),
                None => self.orphan(worker, &memory),
            }
        }
        self.note_heard(worker);
    }

    /// It has told all, unless something of it is still to be taken up.
    fn note_heard(&mut self, worker: WorkerId) {
        let accounts_for_all = self.workers.get(&worker).is_some_and(|worker| worker.accounts_for_all);
        if let Some(hold) = &mut self.hold
            && accounts_for_all
            && hold.adoptions.values().all(|(whose, _)| *whose != worker)
        {
            hold.heard.insert(worker);
        }
    }

    fn worker_open(&self, worker: WorkerId) -> Vec<ExecutionId> {
        self.workers.get(&worker).map(|worker| worker.open.iter().copied().collect()).unwrap_or_default()
    }

    /// Attempts that the store has never heard of: with the step they belong to, if that is there and has not settled.
    fn strangers(&self, memories: &Memories) -> Vec<(Option<(DeploymentId, usize)>, Remembered)> {
        let numbers: BTreeSet<u32> = memories.attempts.iter().map(|memory| memory.number).collect();
        let mut places = BTreeMap::new();
        for (id, deployment) in &self.deployments {
            for (step, run) in deployment.steps.iter().enumerate().filter(|(_, run)| !run.is_settled()) {
                for number in numbers.range(run.attempts + 1..) {
                    for restores in 0..=self.restores {
                        places.insert(execution_id(*id, step, *number, restores), (*id, step));
                    }
                }
            }
        }
        let mut strangers: Vec<_> = memories
            .attempts
            .iter()
            .map(|memory| (places.get(&memory.execution).copied(), memory.clone()))
            .filter(|(place, memory)| place.is_some() || !memory.is_stored)
            .collect();
        strangers.sort_by_key(|(_, memory)| memory.number);
        strangers
    }

    /// An attempt that is open here, of which the worker has only a memory.
    fn recall_open(&mut self, worker: WorkerId, memory: &Remembered) {
        let Some((id, step, attempt)) = self.open_attempt(worker, memory.execution) else { return };
        match memory.fate {
            Fate::Accepted => {}
            // Its Hello tells more.
            Fate::Started => {
                self.admit_grant(id, step, &attempt);
            }
            Fate::Void => self.voided(worker, memory.execution, "The worker remembers that it never started."),
            Fate::Ended | Fate::Interrupted => {
                if self.admit_grant(id, step, &attempt) {
                    self.found_dead(worker, memory.execution, gone(memory.fate));
                }
            }
        }
    }

    /// An attempt that is open here, and that the worker neither holds nor remembers.
    fn recall_nothing(&mut self, worker: WorkerId, execution: ExecutionId, since: AssignSeq) {
        let Some((id, step, attempt)) = self.open_attempt(worker, execution) else { return };
        let never_arrived = self.workers.get(&worker).is_some_and(|known| attempt.assign_seq > known.hwm);
        match attempt.state {
            AttemptState::Offered if is_seeded(Bug::OfferTakenBackOnHold) => {
                self.withdrawn(id, step, &attempt, "The worker knows nothing of it.");
            }
            AttemptState::Offered if never_arrived => {}
            AttemptState::Offered if attempt.assign_seq >= since => {
                self.withdrawn(id, step, &attempt, "The worker remembers all it took since, and never took this.");
            }
            AttemptState::Offered => self.doubt_offer(execution, "Its worker knows nothing of it any more."),
            AttemptState::Granted | AttemptState::Running => {
                self.lose(id, step, &attempt, "The worker knows nothing of it any more.");
            }
            _ => {}
        }
    }

    fn orphan(&mut self, worker: WorkerId, memory: &Remembered) {
        let execution = memory.execution;
        if let Some(hold) = &mut self.hold
            && hold.orphans.insert(execution, worker).is_none()
        {
            self.act(Action::Alarm {
                worker,
                execution,
                what: "has an attempt of a deployment that is not in the store",
            });
        }
    }

    /// What the attempt locks is asked for first.
    fn prepare_adoption(&mut self, worker: WorkerId, id: DeploymentId, step: usize, memory: Remembered) {
        let Some(hold) = &mut self.hold else { return };
        let known = hold.adoptions.get(&(id, step));
        // The later attempt stands for the earlier ones: they had settled before it was made.
        if known.is_none_or(|(_, other)| other.number < memory.number) {
            hold.adoptions.insert((id, step), (worker, memory));
            self.act(Action::Prepare { deployment: id, step });
        }
    }

    /// Takes up an attempt that the store has never heard of. One that is open here had settled before that one was made. A step that
    /// its worker would never have been offered is not its own to tell of.
    pub(crate) fn adopt(&mut self, id: DeploymentId, step: usize, prepared: Option<Prepared>) {
        let Some((worker, memory)) = self.hold.as_mut().and_then(|hold| hold.adoptions.remove(&(id, step))) else {
            return;
        };
        let pool = self.workers.get(&worker).map(|worker| worker.pool.clone()).unwrap_or_default();
        let may_be = |it: &Prepared| it.pool == pool && it.only_worker.is_none_or(|only| only == worker);
        let Some(Prepared { locks, .. }) = prepared.filter(may_be) else {
            self.orphan(worker, &memory);
            return self.note_heard(worker);
        };
        let Some(run) = self.step_mut(id, step) else { return };
        if run.is_settled() || run.attempts >= memory.number {
            return;
        }
        let state = run.state;
        if let Some(attempt) = run.open.clone() {
            self.supersede(id, step, &attempt);
        } else if state != StepState::Queued {
            self.record(id, DeploymentFact::StepQueued { step });
        }
        let Remembered { execution, seq: assign_seq, number, fate, .. } = memory;
        self.record(id, DeploymentFact::AttemptOffered(Offered { step, execution, number, worker, assign_seq, locks }));
        if let Some(hold) = &mut self.hold {
            hold.adopted.insert(execution);
        }
        let Some(attempt) = self.attempt(id, step) else { return };
        match fate {
            Fate::Accepted => {}
            Fate::Void => self.voided(worker, execution, "The worker remembers that it never started."),
            Fate::Started | Fate::Ended | Fate::Interrupted => {
                self.admit_grant(id, step, &attempt);
                if fate != Fate::Started {
                    self.found_dead(worker, execution, gone(fate));
                }
            }
        }
        // With its next Hello the worker tells how what it holds stands.
        self.end_session(worker);
        self.refresh(worker);
    }

    fn supersede(&mut self, id: DeploymentId, step: usize, attempt: &Attempt) {
        let since = "A later attempt was made in what the store lost: this one had been settled.";
        if attempt.state == AttemptState::Offered {
            self.move_attempt(id, step, attempt, AttemptEvent::Granted, since);
        }
        if !matches!(attempt.state, AttemptState::Unknown | AttemptState::Interrupted) {
            self.move_attempt(id, step, attempt, AttemptEvent::ContactLost, since);
        }
        self.move_attempt(id, step, attempt, AttemptEvent::Decided, since);
    }
}

/// What is left of an attempt whose files its worker has removed.
fn gone(fate: Fate) -> &'static str {
    match fate {
        Fate::Interrupted => "It died without an exit record; its log was lost with the store.",
        _ => "It has ended, and its result, log and outputs were lost with the store.",
    }
}
