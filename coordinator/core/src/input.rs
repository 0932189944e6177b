//! Everything that can happen to the coordinator, in the past tense.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use shared::id::{AssignSeq, DeploymentId, ExecutionId, SessionEpoch, WorkerId};

use crate::{
    fact::{Created, ExitResult},
    report::{Expectation, Report},
};

/// Something happened.
#[derive(Clone, PartialEq, Debug)]
pub enum Input {
    /// A deployment was asked for; everything about it was checked, and its `Created` fact is stored.
    Submitted { deployment: DeploymentId, created: Created },
    /// The shell evaluated what a queued step needs.
    StepPrepared { deployment: DeploymentId, step: usize, prepared: Result<Prepared, Refusal> },
    /// What an offered attempt needs could not be rendered.
    OfferFailed { execution: ExecutionId, refusal: Refusal },
    /// Somebody asked for a deployment's end.
    CancelRequested { deployment: DeploymentId, by: String, reason: String },
    /// A person decided about a step whose outcome is unknown.
    StepDecided { deployment: DeploymentId, step: usize, decision: Decision, by: String, reason: String },
    /// A person asked for another look at a step whose outcome is unknown.
    ProbeRequested { deployment: DeploymentId, step: usize },
    /// A person answered what a step asks.
    StepAnswered { deployment: DeploymentId, step: usize, answer: Answer, by: String, reason: String },
    /// A worker was registered, or an admin changed it.
    WorkerChanged(WorkerRecord),
    /// A worker was forgotten.
    WorkerDeleted(WorkerId),
    /// A worker said Hello on a new session.
    SessionOpened(Hello),
    /// A session's stream ended.
    SessionClosed { worker: WorkerId, epoch: SessionEpoch },
    /// A worker said something in its session.
    WorkerSaid { worker: WorkerId, epoch: SessionEpoch, said: Said },
    /// A person takes on what the store may have lost: things go on.
    HoldLifted { by: String, reason: String },
    /// The time that `next_wakeup` named has come.
    Woke,
}

/// What a person answers to a step that asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It may begin.
    Approve,
    /// It may not.
    Reject,
    /// It is tried once more.
    Retry,
    /// It counts as succeeded.
    Ignore,
    /// It has failed.
    Abort,
}

/// What a person decides about a step whose outcome is unknown.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Decision {
    /// It counts as succeeded.
    Succeeded,
    /// It counts as failed.
    Failed,
    /// No process of it is alive; what it did is still open.
    Dead,
    /// It is run again. While its attempt may be alive, both may run at once: that is on record.
    RunAgain,
    /// It counts as failed, and the rest of the deployment is cancelled.
    Abort,
}

/// What a step needs, evaluated.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Prepared {
    /// Pool whose workers may run it.
    pub pool: String,
    /// Labels that a worker must carry; the names of [`crate::report`] are what it reports of itself.
    pub requires: BTreeMap<String, String>,
    /// What the worker's own role must be: a worker that reports another one is not offered the step.
    pub expect: Expectation,
    /// Only this worker, if set.
    pub only_worker: Option<WorkerId>,
    /// Names held while it runs.
    pub locks: BTreeSet<String>,
    /// What its condition's expression came to; true when it has none.
    pub condition: bool,
}

/// Why something cannot run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// Stable code.
    pub reason: String,
    /// In a sentence.
    pub detail: String,
}

/// A worker as the registry and the store know it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WorkerRecord {
    /// As in its certificate.
    pub id: WorkerId,
    /// For people.
    pub name: String,
    /// Its pool.
    pub pool: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// What an admin wants of it.
    pub wish: Wish,
    /// Of its newest session.
    pub epoch: SessionEpoch,
    /// Highest it was ever given, or has said to have seen.
    pub assign_seq: AssignSeq,
    /// As it said last; empty if never.
    pub journal_id: String,
    /// As it said last; empty if never.
    pub boot_id: String,
}

/// What an admin wants of a worker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wish {
    /// Takes steps.
    Active,
    /// Finishes what it has.
    Draining,
    /// Offered nothing.
    Disabled,
    /// May not connect, ever.
    Revoked,
}

/// How a worker introduces itself.
#[derive(Clone, PartialEq, Debug)]
pub struct Hello {
    /// From its certificate.
    pub worker: WorkerId,
    /// Made with its journal.
    pub journal_id: String,
    /// Of its kernel.
    pub boot_id: String,
    /// Steps it may run at once.
    pub slots: u32,
    /// Highest assign_seq it ever saw.
    pub assign_hwm: AssignSeq,
    /// What it holds.
    pub held: BTreeMap<ExecutionId, Held>,
    /// Of these, what is not in the store at all.
    pub unheard_of: BTreeSet<ExecutionId>,
    /// Whether it has too little disk for a new step.
    pub disk_low: bool,
}

/// An attempt as a worker's journal knows it.
#[derive(Clone, PartialEq, Debug)]
pub enum Held {
    /// Waits for its grant.
    Accepted,
    /// Being started, or running.
    Running,
    /// Ended, with its exit record.
    Ended(Box<ExitResult>),
    /// Recorded that it will never start.
    Void,
    /// Dead without an exit record.
    Interrupted(String),
}

/// What a worker says in its session.
#[derive(Clone, PartialEq, Debug)]
pub enum Said {
    /// The offer is journalled.
    Accepted { execution: ExecutionId },
    /// The attempt will not run.
    Rejected { execution: ExecutionId, kind: Rejection, detail: String },
    /// The process started.
    Started { execution: ExecutionId },
    /// The process ended, with its exit record.
    Ended { execution: ExecutionId, result: Box<ExitResult> },
    /// The process is dead without an exit record.
    Interrupted { execution: ExecutionId, evidence: String },
    /// A cancel found it not started: it never will.
    CancelledBeforeStart { execution: ExecutionId },
    /// Proof of life, and what it knows of itself.
    Heartbeat { disk_low: bool, report: Report },
    /// All it remembers, as it was asked while the coordinator is on hold.
    Remembered(Memories),
    /// It leaves on purpose.
    Goodbye,
}

/// All that a worker remembers of the attempts it was offered.
#[derive(Clone, PartialEq, Debug)]
pub struct Memories {
    /// Those it holds, and those whose files it has removed.
    pub attempts: Vec<Remembered>,
    /// Of all attempts that it took with this order number or a higher one, none is left out.
    pub since: AssignSeq,
}

/// An attempt in a worker's memory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Remembered {
    /// Which.
    pub execution: ExecutionId,
    /// Of its offer.
    pub seq: AssignSeq,
    /// Number of the attempt.
    pub number: u32,
    /// What became of it.
    pub fate: Fate,
    /// Whether the store has it.
    pub is_stored: bool,
}

/// What became of an attempt that a worker remembers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Fate {
    /// It is held and waits for its grant.
    Accepted,
    /// It is held and was granted: it was started, or may be at any moment.
    Started,
    /// It never started and never will.
    Void,
    /// It ended, and its files are gone.
    Ended,
    /// It died without an exit record, and its files are gone.
    Interrupted,
}

/// Why a worker will not run an attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rejection {
    /// Recorded that it will never start.
    Void,
    /// Below its high-water mark, and nothing is known of it any more.
    Stale,
    /// No slot is free.
    Busy,
    /// Too little disk.
    DiskLow,
    /// It cannot run such an action.
    Unsupported,
}
