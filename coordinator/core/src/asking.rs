//! A step that asks a person: for its approval before it begins, or what to do after it failed. While it asks it has no worker, no
//! lock, and, if nothing of its deployment has run yet, no turn either.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use shared::{id::DeploymentId, plan::OnFailure, reason::Reason};

use crate::{
    Coordinator, Mono,
    deployment::{Deployment, StepState},
    fact::{Answered, Asked, DeploymentFact, StepEnd},
    input::Answer,
    timer::Timer,
};

/// What a step asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// Whether it may begin.
    Approval,
    /// What becomes of it, now that it failed.
    Failure,
}

impl Question {
    /// Whether that is an answer to it.
    #[must_use]
    pub fn takes(self, answer: Answer) -> bool {
        match self {
            Self::Approval => matches!(answer, Answer::Approve | Answer::Reject),
            Self::Failure => matches!(answer, Answer::Retry | Answer::Ignore | Answer::Abort),
        }
    }
}

impl Coordinator {
    /// The step failed, and no attempt is left: it has failed, unless a person is to be asked.
    pub(crate) fn fail(&mut self, id: DeploymentId, step: usize, reason: &str, detail: &str) {
        let Some(deployment) = self.deployments.get(&id) else { return };
        if deployment.plan(step).asks.on_failure == OnFailure::Ask && !deployment.cancel_requested {
            return self.ask(id, step, Question::Failure, reason, detail);
        }
        self.settle(id, step, StepEnd::Failed, reason, detail);
    }

    pub(crate) fn ask(&mut self, id: DeploymentId, step: usize, question: Question, reason: &str, detail: &str) {
        let asked = Asked { step, question, reason: reason.into(), detail: detail.into() };
        self.record(id, DeploymentFact::StepAsked(asked));
        self.await_answer(id, step);
    }

    /// Begins afresh after a restart.
    pub(crate) fn await_answer(&mut self, id: DeploymentId, step: usize) {
        let now = self.now;
        let Some(timeout) = self.deployments.get(&id).map(|deployment| deployment.plan(step).asks.timeout()) else {
            return;
        };
        let Some(run) = self.step_mut(id, step) else { return };
        run.asked_at = Some(now);
        self.timers.arm(now.after(timeout), Timer::Answer(id, step));
    }

    /// Nobody has answered in time.
    pub(crate) fn answer_due(&mut self, now: Mono, id: DeploymentId, step: usize) {
        let Some(deployment) = self.deployments.get(&id) else { return };
        let timeout = deployment.plan(step).asks.timeout();
        let run = &deployment.steps[step];
        if run.state != StepState::Asking || run.asked_at.is_none_or(|since| now < since.after(timeout)) {
            return;
        }
        let Some(asked) = run.asked.clone() else { return };
        let late = format!("Nobody answered within {}.", in_words(timeout));
        match asked.question {
            Question::Approval => self.settle(id, step, StepEnd::Failed, Reason::AnswerTimeout.code(), &late),
            Question::Failure => {
                let detail = format!("{} {late}", asked.detail);
                self.settle(id, step, StepEnd::Failed, &asked.reason, &detail);
            }
        }
    }

    /// A person answered. What is no answer to what the step asks changes nothing.
    pub(crate) fn step_answered(&mut self, id: DeploymentId, step: usize, answer: Answer, by: &str, reason: &str) {
        if self.is_on_hold() {
            return;
        }
        let Some(asked) = self.asked(id, step).filter(|asked| asked.question.takes(answer)).cloned() else { return };
        let answered = Answered { step, answer, by: by.into(), reason: reason.into() };
        self.record(id, DeploymentFact::StepAnswered(answered));
        let said = |what: &str| {
            if reason.is_empty() { format!("{what} by {by}.") } else { format!("{what} by {by}: {reason}") }
        };
        match answer {
            Answer::Approve => self.advance(id),
            Answer::Reject => self.settle(id, step, StepEnd::Failed, Reason::Rejected.code(), &said("Rejected")),
            Answer::Retry => self.queue_again(self.now, id, step, Duration::ZERO),
            Answer::Ignore => {
                let detail = format!("It failed: {} {}", asked.detail, said("Passed over"));
                self.settle(id, step, StepEnd::Succeeded, Reason::Ignored.code(), &detail);
            }
            Answer::Abort => {
                let detail = format!("{} {}", asked.detail, said("Given up"));
                self.settle(id, step, StepEnd::Failed, &asked.reason, &detail);
            }
        }
    }

    /// What a step asks now.
    #[must_use]
    pub fn asked(&self, id: DeploymentId, step: usize) -> Option<&Asked> {
        let run = self.deployments.get(&id)?.steps.get(step)?;
        run.asked.as_ref().filter(|_| run.state == StepState::Asking)
    }

    /// Whose turn it is among the deployments of a project to an environment: the first that has begun, or else the first that does
    /// not only wait for its approval.
    pub(crate) fn whose_turn(&self, key: &(String, String)) -> Option<DeploymentId> {
        let turn = self.turns.get(key)?;
        let of = |id: &DeploymentId| self.deployments.get(id);
        let begun = turn.iter().find(|(_, id)| of(id).is_some_and(Deployment::has_begun));
        begun
            .or_else(|| turn.iter().find(|(_, id)| !of(id).is_some_and(Deployment::awaits_approval)))
            .map(|(_, id)| *id)
    }
}

/// Whole units: nobody waits a day to the millisecond.
fn in_words(span: Duration) -> String {
    match span.as_secs() {
        seconds if seconds >= 2 * 86_400 && seconds % 86_400 == 0 => format!("{} days", seconds / 86_400),
        seconds if seconds >= 2 * 3600 && seconds % 3600 == 0 => format!("{} hours", seconds / 3600),
        seconds if seconds >= 120 && seconds % 60 == 0 => format!("{} minutes", seconds / 60),
        seconds => format!("{seconds} s"),
    }
}
