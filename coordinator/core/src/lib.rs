//! The coordinator's brain: decides which worker is offered which step, and what every word of a worker means.
//!
//! [`Coordinator::handle`] takes what happened and answers with a [`Decision`]: facts to store, and actions to perform once they
//! are stored. Recovery applies the stored facts through the same function. Knows nothing of gRPC, SQL, disks, clocks, randomness
//! or secrets.

pub mod action;
pub mod asking;
pub mod fact;
pub mod hold;
pub mod input;
pub mod report;
pub mod view;

mod advance;
mod attempt;
mod deployment;
mod dispatch;
mod fold;
mod reconcile;
mod timer;
mod worker;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use shared::id::{AssignSeq, DeploymentId, ExecutionId, SessionEpoch, WorkerId};

use crate::{
    action::Action,
    deployment::Deployment,
    dispatch::Queue,
    fact::{DeploymentFact, Fact},
    hold::Hold,
    input::{Input, WorkerRecord},
    timer::{Timer, Timers},
    worker::Worker,
};

/// A point on the shell's monotonic clock, as time since it started.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Mono(pub Duration);

impl Mono {
    fn after(self, wait: Duration) -> Self {
        Self(self.0 + wait)
    }
}

/// What must be stored, and what is to be done once it is.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Decision {
    /// To be stored in one transaction, in this order.
    pub facts: Vec<Fact>,
    /// To be performed in this order, and only after the facts are stored.
    pub actions: Vec<Action>,
}

/// How long the coordinator waits for what. The defaults are the ones in `shared::limits`.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Without contact for so long, offers are taken back.
    pub contact_lost_after: Duration,
    /// Without contact for so long, granted attempts become unknown.
    pub unknown_after: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { contact_lost_after: shared::limits::CONTACT_LOST_AFTER, unknown_after: shared::limits::UNKNOWN_AFTER }
    }
}

/// What a coordinator begins with.
#[derive(Clone, Debug, Default)]
pub struct Stored {
    /// Every registered worker.
    pub workers: Vec<WorkerRecord>,
    /// Every deployment that has not ended, with its facts in order.
    pub deployments: Vec<(DeploymentId, Vec<DeploymentFact>)>,
    /// How often the store was restored from a backup, or found to have gone back in time.
    pub restores: u32,
    /// Whether nothing may be offered or granted until a person says so.
    pub is_on_hold: bool,
}

/// Everything the coordinator knows about unfinished deployments and registered workers.
#[derive(Clone, Debug, Default)]
pub struct Coordinator {
    patience: Patience,
    /// Of the input that is being handled.
    now: Mono,
    deployments: BTreeMap<DeploymentId, Deployment>,
    workers: BTreeMap<WorkerId, Worker>,
    /// Where an open attempt belongs.
    executions: BTreeMap<ExecutionId, (DeploymentId, usize)>,
    /// Who holds a lock: one, except that what is taken up on hold may have been given a lock that another had let go of.
    locks: BTreeMap<String, BTreeSet<(DeploymentId, usize)>>,
    /// Whose turn it is, per project and environment, in order: one of them runs, the others wait.
    turns: BTreeMap<(String, String), BTreeSet<(i64, DeploymentId)>>,
    queue: Queue,
    timers: Timers,
    /// Whether the store may have gone back in time.
    hold: Option<Hold>,
    /// How often it did: part of what makes an attempt's id, so that none is used twice.
    restores: u32,
    decision: Decision,
}

impl Coordinator {
    /// A coordinator as its store remembers it. The decision asks for the preparation of every step that waits.
    #[must_use]
    pub fn recover(
        now: Mono,
        patience: Patience,
        Stored { workers, deployments, restores, is_on_hold }: Stored,
    ) -> (Self, Decision) {
        let hold = is_on_hold.then(Hold::default);
        let mut this = Self { patience, now, restores, hold, ..Self::default() };
        for record in workers {
            this.worker_changed(now, record);
        }
        for (id, facts) in deployments {
            for fact in facts {
                this.fold(id, &fact);
            }
        }
        if !this.is_on_hold() {
            this.resume(now);
        }
        let decision = this.finish(now);
        (this, decision)
    }

    /// Takes what happened, and says what to store and what to do.
    pub fn handle(&mut self, now: Mono, input: Input) -> Decision {
        self.now = now;
        match input {
            Input::Submitted { deployment, created } => self.submitted(deployment, created),
            Input::StepPrepared { deployment, step, prepared } => self.step_prepared(deployment, step, prepared),
            Input::OfferFailed { execution, refusal } => self.offer_failed(execution, &refusal),
            Input::CancelRequested { deployment, by, reason } => self.cancel_requested(deployment, by, reason),
            Input::StepDecided { deployment, step, decision, by, reason } => {
                self.step_decided(deployment, step, decision, &by, &reason);
            }
            Input::ProbeRequested { deployment, step } => self.probe(deployment, step),
            Input::StepAnswered { deployment, step, answer, by, reason } => {
                self.step_answered(deployment, step, answer, &by, &reason);
            }
            Input::WorkerChanged(record) => self.worker_changed(now, record),
            Input::WorkerDeleted(worker) => self.worker_deleted(worker),
            Input::SessionOpened(hello) => self.session_opened(now, hello),
            Input::SessionClosed { worker, epoch } => self.session_closed(worker, epoch),
            Input::WorkerSaid { worker, epoch, said } => self.worker_said(now, worker, epoch, said),
            Input::HoldLifted { by, reason } => self.lift_hold(now, by, reason),
            Input::Woke => {}
        }
        self.finish(now)
    }

    /// When [`Input::Woke`] is due, if nothing happens before.
    #[must_use]
    pub fn next_wakeup(&self) -> Option<Mono> {
        self.timers.next()
    }

    /// What every input ends with: due timers, then whatever the queue allows now.
    fn finish(&mut self, now: Mono) -> Decision {
        while let Some(timer) = self.timers.pop_due(now) {
            self.timer_fired(now, timer);
        }
        self.dispatch(now);
        std::mem::take(&mut self.decision)
    }

    fn timer_fired(&mut self, now: Mono, timer: Timer) {
        match timer {
            // All of them are set anew when the hold is lifted.
            Timer::Retry(..) | Timer::Queue(..) | Timer::Answer(..) if self.is_on_hold() => {}
            Timer::Contact(worker) => self.contact_due(now, worker),
            Timer::Retry(deployment, step) => self.retry_due(deployment, step),
            Timer::Queue(deployment, step) => self.queue_due(now, deployment, step),
            Timer::Answer(deployment, step) => self.answer_due(now, deployment, step),
            Timer::Reopen(worker) => self.reopen_due(now, worker),
        }
    }

    /// Applies a fact and has it stored.
    fn record(&mut self, deployment: DeploymentId, fact: DeploymentFact) {
        self.fold(deployment, &fact);
        self.decision.facts.push(Fact::Deployment(deployment, fact));
    }

    fn act(&mut self, action: Action) {
        self.decision.actions.push(action);
    }

    /// The worker's open session, if it has one.
    fn epoch_of(&self, worker: WorkerId) -> Option<SessionEpoch> {
        self.workers.get(&worker).and_then(|w| w.session)
    }

    fn name_of(&self, worker: WorkerId) -> String {
        self.workers.get(&worker).map(|worker| worker.name.clone()).unwrap_or_default()
    }

    fn next_assign_seq(&self, worker: WorkerId) -> AssignSeq {
        AssignSeq(self.workers.get(&worker).map_or(0, |w| w.assign_seq.0) + 1)
    }
}
