//! Facts as people follow them: a type for programs, a sentence for people.

use coordinator_core::{
    asking::Question,
    fact::{Asked, DeploymentEnd, DeploymentFact as Fact, Moved, StepEnd},
    input::Answer,
};
use proto::deployment::{DeploymentEvent, step_run};
use shared::{attempt::AttemptEvent, id::ExecutionId};

use super::show::{deployment_state, step_state};
use crate::{clock, store::view::EventRow};

/// An event on the wire. `step` and `worker` are names, empty where there is none.
pub(super) fn event(row: EventRow, step: &str, worker: &str) -> DeploymentEvent {
    let told = tell(&row.fact, step, worker);
    DeploymentEvent {
        sequence: row.seq,
        time: Some(clock::timestamp(row.at)),
        r#type: told.kind.into(),
        step: step.into(),
        execution_id: attempt_of(&row.fact).map(|id| id.to_string()).unwrap_or_default(),
        worker: worker.into(),
        message: told.message,
        reason: told.reason,
        step_state: row.step_state.map_or(step_run::State::Unspecified, step_state).into(),
        deployment_state: deployment_state(row.deployment_state).into(),
    }
}

/// Position of the step that a fact is about.
pub(super) fn step_of(fact: &Fact) -> Option<usize> {
    match fact {
        Fact::StepQueued { step } | Fact::StepRetried { step, .. } => Some(*step),
        Fact::AttemptOffered(offered) => Some(offered.step),
        Fact::AttemptMoved(moved) => Some(moved.step),
        Fact::StepAsked(asked) => Some(asked.step),
        Fact::StepAnswered(answered) => Some(answered.step),
        Fact::StepSettled(settled) => Some(settled.step),
        Fact::Created(_) | Fact::CancelRequested { .. } | Fact::Ended { .. } => None,
    }
}

/// The attempt that a fact is about.
pub(super) fn attempt_of(fact: &Fact) -> Option<ExecutionId> {
    match fact {
        Fact::AttemptOffered(offered) => Some(offered.execution),
        Fact::AttemptMoved(moved) => Some(moved.execution),
        _ => None,
    }
}

struct Told {
    kind: &'static str,
    message: String,
    reason: String,
}

fn told(kind: &'static str, message: impl Into<String>) -> Told {
    Told { kind, message: message.into(), reason: String::new() }
}

fn tell(fact: &Fact, step: &str, worker: &str) -> Told {
    match fact {
        Fact::Created(created) if created.project.is_empty() => {
            told("deployment_created", format!("{} asked for a command.", created.by))
        }
        Fact::Created(created) => {
            let message = format!(
                "{} asked for deployment #{} of \"{}\" to \"{}\".",
                created.by, created.number, created.project, created.environment
            );
            told("deployment_created", message)
        }
        Fact::StepQueued { .. } => told("step_queued", format!("Step \"{step}\" waits for a worker.")),
        Fact::AttemptOffered(offered) => {
            let message = format!("Attempt {} of step \"{step}\" was offered to worker \"{worker}\".", offered.number);
            told("attempt_offered", message)
        }
        Fact::AttemptMoved(moved) => tell_move(moved, step, worker),
        Fact::StepRetried { after, .. } => {
            let wait = humantime::format_duration(*after);
            told("step_retried", format!("Step \"{step}\" will be tried again in {wait}."))
        }
        Fact::StepAsked(asked) => tell_question(asked, step),
        Fact::StepAnswered(answered) => {
            let word = match answered.answer {
                Answer::Approve => "approved",
                Answer::Reject => "rejected",
                Answer::Retry => "has another attempt made of",
                Answer::Ignore => "passed over",
                Answer::Abort => "gave up",
            };
            told("step_answered", with_detail(format!("{} {word} step \"{step}\"", answered.by), &answered.reason))
        }
        Fact::StepSettled(settled) => {
            let (kind, word) = match settled.end {
                StepEnd::Succeeded => ("step_succeeded", "succeeded"),
                StepEnd::Failed => ("step_failed", "failed"),
                StepEnd::Skipped => ("step_skipped", "was left out"),
                StepEnd::Cancelled => ("step_cancelled", "was cancelled"),
            };
            let message = with_detail(format!("Step \"{step}\" {word}"), &settled.detail);
            Told { kind, message, reason: settled.reason.clone() }
        }
        Fact::CancelRequested { by, reason } => {
            told("cancel_requested", with_detail(format!("{by} asked for the end"), reason))
        }
        Fact::Ended { state } => {
            let word = match state {
                DeploymentEnd::Succeeded => "succeeded",
                DeploymentEnd::Failed => "failed",
                DeploymentEnd::Cancelled => "was cancelled",
            };
            told("deployment_ended", format!("The deployment {word}."))
        }
    }
}

fn tell_question(asked: &Asked, step: &str) -> Told {
    let what = match asked.question {
        Question::Approval => format!("Step \"{step}\" asks for approval"),
        Question::Failure => format!("Step \"{step}\" failed, and asks what becomes of it"),
    };
    Told { kind: "step_asked", message: with_detail(what, &asked.detail), reason: asked.reason.clone() }
}

fn tell_move(moved: &Moved, step: &str, worker: &str) -> Told {
    let detail = moved.result.as_ref().map_or(moved.evidence.as_str(), |result| result.outcome.detail.as_str());
    let (kind, what) = match moved.event {
        AttemptEvent::Granted => ("attempt_granted", format!("Worker \"{worker}\" took step \"{step}\"")),
        AttemptEvent::Withdrawn => {
            ("attempt_withdrawn", format!("The offer of step \"{step}\" to worker \"{worker}\" was taken back"))
        }
        AttemptEvent::Alive => ("attempt_started", format!("Step \"{step}\" runs on worker \"{worker}\"")),
        AttemptEvent::Voided => {
            ("attempt_not_started", format!("Worker \"{worker}\" did not start step \"{step}\" and never will"))
        }
        AttemptEvent::Exited(_) => ("attempt_ended", format!("Step \"{step}\" ended on worker \"{worker}\"")),
        AttemptEvent::FoundDead => {
            ("attempt_interrupted", format!("Step \"{step}\" died on worker \"{worker}\"; what it did is not known"))
        }
        AttemptEvent::ContactLost => {
            ("attempt_unknown", format!("It is not known whether step \"{step}\" still runs on worker \"{worker}\""))
        }
        AttemptEvent::Decided => {
            ("attempt_decided", format!("It was decided about step \"{step}\" on worker \"{worker}\""))
        }
    };
    let reason = moved.result.as_ref().map(|result| result.outcome.reason.clone()).unwrap_or_default();
    Told { kind, message: with_detail(what, detail), reason }
}

/// One sentence, or two.
fn with_detail(what: String, detail: &str) -> String {
    if detail.is_empty() { format!("{what}.") } else { format!("{what}: {detail}") }
}
