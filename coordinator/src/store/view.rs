//! Deployments as they are read: plain data, in the store's words.

use coordinator_core::{
    fact::{DeploymentEnd, DeploymentFact, Moved, Output, RunIdentity, StepEnd},
    input::Answer,
};
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ValueRef};
use serde::{Deserialize, Serialize};
use shared::{
    attempt::{AttemptEvent, AttemptState},
    id::{AssignSeq, DeploymentId, ExecutionId, WorkerId},
    outcome::Outcome,
};

use super::column::UnknownName;

/// A deployment without its steps. Times are milliseconds since 1970 by the coordinator's clock.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeploymentRow {
    /// Of this deployment.
    pub id: DeploymentId,
    /// Empty for an ad-hoc command.
    pub project: String,
    /// Empty for an ad-hoc command.
    pub environment: String,
    /// Number within its project.
    pub number: i64,
    /// Project's revision.
    pub revision: i64,
    /// Where it stands.
    pub state: DeploymentState,
    /// Whether its end was asked for.
    pub cancel_requested: bool,
    /// Who asked for it.
    pub created_by: String,
    /// When.
    pub created_at: i64,
    /// When it ended.
    pub ended_at: Option<i64>,
    /// The deployment it goes on from.
    pub retry_of: Option<DeploymentId>,
    /// Sequence of its newest event.
    pub last_event: i64,
}

/// A deployment with all there is to show.
#[derive(Clone, PartialEq, Debug)]
pub struct DeploymentView {
    /// The deployment itself.
    pub deployment: DeploymentRow,
    /// In order of the process.
    pub steps: Vec<StepView>,
}

/// A step of a deployment.
#[derive(Clone, PartialEq, Debug)]
pub struct StepView {
    /// Name.
    pub name: String,
    /// Where it stands.
    pub state: StepState,
    /// Stable code for how it ended; empty until then.
    pub reason: String,
    /// How it ended, in a sentence; empty until then.
    pub detail: String,
    /// Whether it starts together with the step before it.
    pub with_previous: bool,
    /// When its turn came.
    pub begun_at: Option<i64>,
    /// When it ended.
    pub ended_at: Option<i64>,
    /// Oldest first.
    pub attempts: Vec<AttemptView>,
    /// Of its newest settled attempt, in order of name.
    pub outputs: Vec<Output>,
}

/// An attempt with all there is to show. Times are milliseconds since 1970 by the coordinator's clock.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AttemptView {
    /// Of this attempt.
    pub execution: ExecutionId,
    /// From 1.
    pub number: u32,
    /// Where it stands.
    pub state: AttemptState,
    /// Its worker.
    pub worker: WorkerId,
    /// Its worker's name when it was offered, also when the worker is gone.
    pub worker_name: String,
    /// When it was offered.
    pub offered_at: i64,
    /// When its process started.
    pub started_at: Option<i64>,
    /// When it ended.
    pub ended_at: Option<i64>,
    /// How its process ended, when its worker said so.
    pub outcome: Option<Outcome>,
    /// What its state rests on, in a sentence.
    pub evidence: String,
    /// AWS identity it ran as.
    pub identity: Option<RunIdentity>,
    /// Its log.
    pub log: AttemptLog,
}

/// What is known about an attempt's event stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AttemptLog {
    /// Frames it has in all, once its worker said so.
    pub frames: Option<u64>,
    /// Chain digest over all of them, once its worker said so.
    pub digest: Option<[u8; 32]>,
    /// Whether all of them are stored.
    pub complete: bool,
}

/// An attempt as the session and the log need it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AttemptRow {
    /// Of this attempt.
    pub execution: ExecutionId,
    /// Whose.
    pub deployment: DeploymentId,
    /// Position in the process.
    pub step: usize,
    /// From 1.
    pub number: u32,
    /// Its worker.
    pub worker: WorkerId,
    /// Order number it had for its worker.
    pub assign_seq: AssignSeq,
    /// Where it stands.
    pub state: AttemptState,
    /// Its log.
    pub log: AttemptLog,
}

/// What a step put out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StepOutputs {
    /// Position in the process.
    pub step: usize,
    /// Name of the step.
    pub name: String,
    /// The attempt: sealed values open with its key.
    pub execution: ExecutionId,
    /// In order of name.
    pub outputs: Vec<Output>,
}

/// An event of a deployment.
#[derive(Clone, PartialEq, Debug)]
pub struct EventRow {
    /// From 1 within the deployment.
    pub seq: i64,
    /// Milliseconds since 1970 by the coordinator's clock.
    pub at: i64,
    /// What happened; without process and outputs, which are not kept in events.
    pub fact: DeploymentFact,
    /// State of the step after it, if it is about one.
    pub step_state: Option<StepState>,
    /// State of the deployment after it.
    pub deployment_state: DeploymentState,
}

/// Which deployments to list; an empty text leaves the choice open.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DeploymentFilter {
    /// Only this project's.
    pub project: String,
    /// Only to this environment.
    pub environment: String,
}

/// Which part of a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Page {
    /// At most so many.
    pub size: usize,
    /// Only what comes after this.
    pub after: Option<Cursor>,
}

/// A place in the list of deployments, newest first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cursor {
    /// Of the deployment there.
    pub created_at: i64,
    /// Of the deployment there.
    pub id: DeploymentId,
}

/// A part of a list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeploymentPage {
    /// Newest first.
    pub deployments: Vec<DeploymentRow>,
    /// Where the next page begins; none on the last one.
    pub next: Option<Cursor>,
}

macro_rules! states {
    ($(#[$doc:meta])* $state:ident { $($(#[$variant_doc:meta])* $variant:ident = $name:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $state { $($(#[$variant_doc])* $variant,)* }

        impl $state {
            /// Its name in the store.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }

        impl FromSql for $state {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                match value.as_str()? {
                    $($name => Ok(Self::$variant),)*
                    other => Err(FromSqlError::Other(Box::new(UnknownName(other.into())))),
                }
            }
        }
    };
}

states! {
    /// Where a deployment stands.
    DeploymentState {
        /// Not all steps have settled.
        Running = "running",
        /// No step failed.
        Succeeded = "succeeded",
        /// A step failed.
        Failed = "failed",
        /// Somebody asked for its end.
        Cancelled = "cancelled",
        /// A step's outcome is not known and needs a decision.
        Unknown = "unknown",
    }
}

states! {
    /// Where a step stands.
    StepState {
        /// Steps before it have not settled.
        Pending = "pending",
        /// Waits for a worker, or for what is decided next.
        Queued = "queued",
        /// Has an open attempt.
        Running = "running",
        /// Waits for a person's answer.
        Asking = "asking",
        /// Ended well.
        Succeeded = "succeeded",
        /// Ended badly.
        Failed = "failed",
        /// Left out.
        Skipped = "skipped",
        /// Ended by request.
        Cancelled = "cancelled",
        /// What its attempt did is not known.
        Unknown = "unknown",
    }
}

impl StepState {
    /// The step a fact is about, and its state after it.
    #[must_use]
    pub fn after(fact: &DeploymentFact) -> Option<(usize, Self)> {
        use DeploymentFact as F;
        match fact {
            F::StepQueued { step } | F::StepRetried { step, .. } => Some((*step, Self::Queued)),
            F::AttemptOffered(offered) => Some((offered.step, Self::Running)),
            // What becomes of a step whose process has ended is the next fact: until then, it has not gone back to the queue.
            F::AttemptMoved(Moved { step, event: AttemptEvent::Exited(_), .. }) => Some((*step, Self::Running)),
            F::AttemptMoved(moved) => Some((moved.step, moved.event.into())),
            F::StepAsked(asked) => Some((asked.step, Self::Asking)),
            F::StepAnswered(answered) if answered.answer == Answer::Approve => Some((answered.step, Self::Pending)),
            // What becomes of it is the next fact.
            F::StepAnswered(answered) => Some((answered.step, Self::Asking)),
            F::StepSettled(settled) => Some((settled.step, settled.end.into())),
            F::Created(_) | F::CancelRequested { .. } | F::Ended { .. } => None,
        }
    }
}

impl From<AttemptEvent> for StepState {
    fn from(event: AttemptEvent) -> Self {
        match event {
            AttemptEvent::Granted | AttemptEvent::Alive => Self::Running,
            AttemptEvent::FoundDead | AttemptEvent::ContactLost => Self::Unknown,
            // The attempt is over: what becomes of the step is the next fact.
            AttemptEvent::Withdrawn | AttemptEvent::Voided | AttemptEvent::Exited(_) | AttemptEvent::Decided => {
                Self::Queued
            }
        }
    }
}

impl From<StepEnd> for StepState {
    fn from(end: StepEnd) -> Self {
        match end {
            StepEnd::Succeeded => Self::Succeeded,
            StepEnd::Failed => Self::Failed,
            StepEnd::Skipped => Self::Skipped,
            StepEnd::Cancelled => Self::Cancelled,
        }
    }
}

impl From<DeploymentEnd> for DeploymentState {
    fn from(end: DeploymentEnd) -> Self {
        match end {
            DeploymentEnd::Succeeded => Self::Succeeded,
            DeploymentEnd::Failed => Self::Failed,
            DeploymentEnd::Cancelled => Self::Cancelled,
        }
    }
}
