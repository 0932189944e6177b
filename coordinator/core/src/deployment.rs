//! An unfinished deployment, its steps and their open attempts.

use std::collections::BTreeSet;

use shared::{
    attempt::AttemptState,
    id::{AssignSeq, DeploymentId, ExecutionId, WorkerId},
    plan::{Start, Step},
};
use uuid::Uuid;

use crate::{
    Mono,
    asking::Question,
    fact::{Asked, Created, StepEnd},
    input::Prepared,
};

#[derive(Clone, Debug)]
pub(crate) struct Deployment {
    pub(crate) created: Created,
    pub(crate) steps: Vec<StepRun>,
    pub(crate) cancel_requested: bool,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct StepRun {
    pub(crate) state: StepState,
    /// Offered so far.
    pub(crate) attempts: u32,
    /// Of these, how many used up the retry budget.
    pub(crate) failures: u32,
    /// Of these, how many were lost and decided about.
    pub(crate) lost: u32,
    pub(crate) open: Option<Attempt>,
    /// Not a fact: evaluated anew after a restart.
    pub(crate) prepared: Option<Prepared>,
    /// The wait before the next attempt, until the timer fired. Starts afresh after a restart.
    pub(crate) waits: Option<std::time::Duration>,
    /// Since when it waits for a worker. Starts afresh after a restart.
    pub(crate) queued_at: Option<Mono>,
    /// What it asked last.
    pub(crate) asked: Option<Asked>,
    /// Since when it asks. Starts afresh after a restart.
    pub(crate) asked_at: Option<Mono>,
    pub(crate) approved: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum StepState {
    /// Steps before it have not settled.
    #[default]
    Pending,
    /// Waits for preparation, for its retry, or for a worker.
    Queued,
    /// Has an open attempt.
    Open,
    /// Waits for a person's answer.
    Asking,
    /// Ended for good.
    Settled(StepEnd),
}

#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) execution: ExecutionId,
    pub(crate) number: u32,
    pub(crate) worker: WorkerId,
    pub(crate) assign_seq: AssignSeq,
    pub(crate) state: AttemptState,
    pub(crate) locks: BTreeSet<String>,
}

impl Deployment {
    pub(crate) fn new(created: Created) -> Self {
        let mut steps: Vec<StepRun> = created.process.steps.iter().map(|_| StepRun::default()).collect();
        for carried in &created.carried {
            if let Some(run) = steps.get_mut(carried.step) {
                run.state = StepState::Settled(StepEnd::Succeeded);
            }
        }
        Self { created, steps, cancel_requested: false }
    }

    pub(crate) fn plan(&self, step: usize) -> &Step {
        &self.created.process.steps[step]
    }

    /// The steps that start together, in order: each range begins with a step that waits for the one before it.
    pub(crate) fn groups(&self) -> Vec<std::ops::Range<usize>> {
        let mut groups: Vec<std::ops::Range<usize>> = Vec::new();
        for (index, step) in self.created.process.steps.iter().enumerate() {
            match groups.last_mut() {
                Some(group) if step.start == Start::WithPrevious => group.end = index + 1,
                _ => groups.push(index..index + 1),
            }
        }
        groups
    }

    /// Deployments with the same one run one after the other.
    pub(crate) fn turn(&self) -> (String, String) {
        (self.created.project.clone(), self.created.environment.clone())
    }

    /// Whether a step of it waits for a worker, was ever offered to one, or may go there at any moment.
    pub(crate) fn has_begun(&self) -> bool {
        self.steps.iter().any(|step| {
            step.attempts > 0 || step.state == StepState::Queued || step.question() == Some(Question::Failure)
        })
    }

    /// Whether a step of it waits for its approval.
    pub(crate) fn awaits_approval(&self) -> bool {
        self.steps.iter().any(|step| step.question() == Some(Question::Approval))
    }

    pub(crate) fn has_failed(&self, steps: std::ops::Range<usize>) -> bool {
        self.steps[steps]
            .iter()
            .any(|step| matches!(step.state, StepState::Settled(StepEnd::Failed | StepEnd::Cancelled)))
    }
}

impl StepRun {
    pub(crate) fn is_settled(&self) -> bool {
        matches!(self.state, StepState::Settled(_))
    }

    /// What it asks now.
    pub(crate) fn question(&self) -> Option<Question> {
        self.asked.as_ref().filter(|_| self.state == StepState::Asking).map(|asked| asked.question)
    }
}

/// The id of an attempt follows from what it is an attempt of: no two can be alike, and asking twice gives the same.
/// A store that went back in time would give the same number twice: how often it did is part of it.
pub(crate) fn execution_id(deployment: DeploymentId, step: usize, number: u32, restores: u32) -> ExecutionId {
    let name = if restores == 0 { format!("{step}/{number}") } else { format!("{step}/{number}/{restores}") };
    ExecutionId(Uuid::new_v5(&deployment.0, name.as_bytes()))
}
