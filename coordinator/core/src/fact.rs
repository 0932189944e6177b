//! What happened. Facts are stored before anything is done about them, and a deployment is the fold of its facts: the live
//! core and a recovering one apply them through the same function.

use std::{collections::BTreeSet, time::Duration};

use serde::{Deserialize, Serialize};
use shared::{
    attempt::AttemptEvent,
    id::{AssignSeq, DeploymentId, ExecutionId, SessionEpoch, WorkerId},
    outcome::Outcome,
    plan::Process,
};

use crate::{asking::Question, input::Answer};

/// A fact: about a deployment, or about a worker's session.
#[expect(clippy::large_enum_variant, reason = "nearly every fact is about a deployment")]
#[derive(Clone, PartialEq, Debug)]
pub enum Fact {
    /// Something happened to a deployment; stored as an event of it.
    Deployment(DeploymentId, DeploymentFact),
    /// A worker opened a session: its older sessions are void.
    SessionOpened(SessionOpened),
    /// A worker knew what the store does not: nothing is offered or granted from now on.
    HoldBegan { why: String },
    /// A person took on what the store may have lost.
    HoldLifted { by: String, reason: String },
}

/// A worker's session began.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SessionOpened {
    /// Whose.
    pub worker: WorkerId,
    /// One more than the session before had.
    pub epoch: SessionEpoch,
    /// Of the worker's journal; another one than before means it forgot what it ran.
    pub journal_id: String,
    /// Of the worker's kernel; another one than before means every process of before is dead.
    pub boot_id: String,
    /// Highest order number it ever saw: no offer to it has this number or a lower one from now on.
    pub assign_hwm: AssignSeq,
}

/// Something that happened to a deployment. `step` is the position in its process.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum DeploymentFact {
    /// It was asked for.
    Created(Created),
    /// A step's turn has come: it waits for a worker.
    StepQueued { step: usize },
    /// A step offered itself to a worker.
    AttemptOffered(Offered),
    /// An attempt moved along the table of `shared::attempt`.
    AttemptMoved(Moved),
    /// A step will be tried again.
    StepRetried { step: usize, after: Duration },
    /// A step asks a person.
    StepAsked(Asked),
    /// A person answered.
    StepAnswered(Answered),
    /// A step ended for good.
    StepSettled(Settled),
    /// Somebody asked for the deployment's end.
    CancelRequested { by: String, reason: String },
    /// Every step has settled.
    Ended { state: DeploymentEnd },
}

/// A deployment was asked for.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Created {
    /// Empty for an ad-hoc command.
    pub project: String,
    /// Empty for an ad-hoc command.
    pub environment: String,
    /// Number within the project.
    pub number: i64,
    /// Project's revision.
    pub revision: i64,
    /// Who asked.
    pub by: String,
    /// The deployment it goes on from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_of: Option<DeploymentId>,
    /// The steps that have done their work there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub carried: Vec<Carried>,
    /// What it runs, whatever becomes of the project. Left out of the event, which the deployment's own row completes.
    #[serde(skip)]
    pub process: Process,
}

/// A step that has done its work in an earlier deployment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Carried {
    /// Position in the process.
    pub step: usize,
    /// The attempt whose outputs count; none when it never had one.
    pub attempt: Option<ExecutionId>,
}

/// An attempt was offered to a worker.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Offered {
    /// Position in the process.
    pub step: usize,
    /// Of this attempt.
    pub execution: ExecutionId,
    /// From 1.
    pub number: u32,
    /// To whom.
    pub worker: WorkerId,
    /// Grows within the worker, for ever.
    pub assign_seq: AssignSeq,
    /// Taken with it, in order of name.
    pub locks: BTreeSet<String>,
}

/// An attempt moved.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Moved {
    /// Position in the process.
    pub step: usize,
    /// Which attempt.
    pub execution: ExecutionId,
    /// By what.
    pub event: AttemptEvent,
    /// In a sentence: what it rests on.
    pub evidence: String,
    /// With [`AttemptEvent::Exited`] only.
    pub result: Option<ExitResult>,
}

/// What a worker says about an attempt that ended.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ExitResult {
    /// How.
    pub outcome: Outcome,
    /// Frames in its event stream.
    pub final_seq: u64,
    /// Chain digest over all frames.
    #[serde(with = "hex32")]
    pub digest: [u8; 32],
    /// AWS identity it ran as.
    pub identity: Option<RunIdentity>,
    /// Output variables; kept in their own table, not in the event.
    #[serde(skip)]
    pub outputs: Vec<Output>,
}

/// AWS identity an attempt ran as, as STS said on its worker.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RunIdentity {
    /// 12 digits.
    pub account: String,
    /// Full ARN.
    pub arn: String,
    /// Region.
    pub region: String,
    /// `account NAME` or `worker-role`.
    pub source: String,
    /// Seconds since 1970; 0 for long-lived keys.
    pub expires_at: i64,
}

/// An output variable.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Output {
    /// Name within the step.
    pub name: String,
    /// Its value.
    pub value: OutputValue,
}

/// An output variable's value.
#[derive(Clone, PartialEq, Eq)]
pub enum OutputValue {
    /// In clear.
    Plain(String),
    /// Sealed by the worker under the attempt's output key.
    Sealed(Vec<u8>),
}

/// A step asks a person.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Asked {
    /// Position in the process.
    pub step: usize,
    /// What.
    pub question: Question,
    /// Stable code of the failure; empty for an approval.
    pub reason: String,
    /// How it failed, or what whoever approves should know.
    pub detail: String,
}

/// A person answered a step.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Answered {
    /// Position in the process.
    pub step: usize,
    /// What.
    pub answer: Answer,
    /// Who.
    pub by: String,
    /// Why; may be empty.
    pub reason: String,
}

/// A step ended for good.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Settled {
    /// Position in the process.
    pub step: usize,
    /// How.
    pub end: StepEnd,
    /// Stable code.
    pub reason: String,
    /// In a sentence.
    pub detail: String,
}

/// How a step ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepEnd {
    /// Well.
    Succeeded,
    /// Badly.
    Failed,
    /// Its condition or environment left it out.
    Skipped,
    /// By request.
    Cancelled,
}

/// How a deployment ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeploymentEnd {
    /// No step failed.
    Succeeded,
    /// A step failed.
    Failed,
    /// Somebody asked for it.
    Cancelled,
}

impl std::fmt::Debug for OutputValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Plain(value) => write!(f, "Plain({} bytes)", value.len()),
            Self::Sealed(value) => write!(f, "Sealed({} bytes)", value.len()),
        }
    }
}

impl StepEnd {
    /// Its name in the store.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Cancelled => "cancelled",
        }
    }
}

impl DeploymentEnd {
    /// Its name in the store.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// 32 bytes as 64 hex digits.
mod hex32 {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8; 32], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&bytes.iter().map(|b| format!("{b:02x}")).collect::<String>())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<[u8; 32], D::Error> {
        let text = String::deserialize(from)?;
        let wrong = || D::Error::custom("a digest has 64 hex digits");
        if text.len() != 64 || !text.is_ascii() {
            return Err(wrong());
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| wrong())?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| wrong())?;
        }
        Ok(bytes)
    }
}
