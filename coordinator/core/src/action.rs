//! Everything the coordinator can ask its shell for, in the imperative.

use std::time::Duration;

use shared::id::{AssignSeq, DeploymentId, ExecutionId, SessionEpoch, WorkerId};

/// Something to do, once the facts beside it are stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// Evaluate what a queued step needs, and answer with `Input::StepPrepared`.
    Prepare { deployment: DeploymentId, step: usize },
    /// Answer a Hello.
    Welcome { worker: WorkerId, epoch: SessionEpoch, directives: Vec<(ExecutionId, Directive)> },
    /// Offer an attempt.
    Offer(Offer),
    /// Let an accepted attempt start.
    Grant { worker: WorkerId, epoch: SessionEpoch, execution: ExecutionId, assign_seq: AssignSeq },
    /// Take an offer back.
    Revoke { worker: WorkerId, epoch: SessionEpoch, execution: ExecutionId, assign_seq: AssignSeq },
    /// Stop an attempt, which has this long to end by itself.
    Cancel { worker: WorkerId, epoch: SessionEpoch, execution: ExecutionId, grace: Duration },
    /// Tell a worker that its result is stored.
    AcknowledgeResult { worker: WorkerId, epoch: SessionEpoch, execution: ExecutionId },
    /// Tell a worker that an attempt which never started is settled: its files may go.
    Forget { worker: WorkerId, epoch: SessionEpoch, execution: ExecutionId },
    /// Ask a worker for all it remembers, and answer with `Said::Remembered`.
    Recall { worker: WorkerId, epoch: SessionEpoch },
    /// End a session that another one, or a revocation, replaced.
    CloseSession { worker: WorkerId, epoch: SessionEpoch },
    /// A worker said something that cannot be, or too late: tell people.
    Alarm { worker: WorkerId, execution: ExecutionId, what: &'static str },
    /// A deployment has ended: whatever the shell keeps for it may go.
    Release { deployment: DeploymentId },
}

/// An attempt to offer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Offer {
    /// To whom.
    pub worker: WorkerId,
    /// Its worker's name.
    pub worker_name: String,
    /// In which session.
    pub epoch: SessionEpoch,
    /// Which attempt.
    pub execution: ExecutionId,
    /// Its order number at the worker.
    pub assign_seq: AssignSeq,
    /// Of which deployment.
    pub deployment: DeploymentId,
    /// Of which step.
    pub step: usize,
    /// From 1.
    pub number: u32,
    /// Longest run.
    pub timeout: Duration,
    /// How long it has to end by itself after that.
    pub grace: Duration,
}

/// What a worker shall do with an attempt it holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Directive {
    /// Go on.
    Keep,
    /// Stop it.
    Cancel,
    /// Kill it at once: nobody waits for it any more, and what it does elsewhere may be another attempt's now.
    Kill,
    /// Do not start it, ever.
    Void,
    /// It never started, and the coordinator has stored that: its files may go.
    Forget,
}
