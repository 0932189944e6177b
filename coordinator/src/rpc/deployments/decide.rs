//! What people decide about a deployment that runs: its end, and what an unknown step counts as.

use coordinator_core::{
    asking::Question,
    input::{Answer, Decision, Input},
    view::Doubt,
};
use proto::deployment::{
    AnswerStepRequest, CancelDeploymentRequest, Deployment, ResolveStepRequest, answer_step_request,
    resolve_step_request,
};
use shared::{
    id::DeploymentId,
    reason::{Fault, Reason},
};

use super::Deployments;
use crate::{
    audit,
    authorization::Caller,
    clock,
    driver::Also,
    store::{deployments, view::StepState},
};

/// 1,000 characters: a reason is a few sentences.
const REASON_CHARS: usize = 1000;

impl Deployments {
    /// # Errors
    /// [`Reason::DeploymentEnded`] when there is nothing to end.
    pub(super) async fn cancel(&self, caller: Caller, request: CancelDeploymentRequest) -> Result<Deployment, Fault> {
        check_reason(&request.reason)?;
        let id = self.find(&request.id).await?;
        let row = self.store.read(move |connection| deployments::deployment_row(connection, id)).await?;
        if row.ended_at.is_some() {
            return Err(ended(id));
        }
        if !row.cancel_requested {
            let audit = caller.did(id.to_string(), request.reason.clone());
            let input = Input::CancelRequested { deployment: id, by: caller.actor(), reason: request.reason };
            self.driver.submit(input, Some(line(audit))).await?;
        }
        self.show(id).await
    }

    /// # Errors
    /// [`Reason::NothingToDecide`] when the step's outcome is not unknown; [`Reason::ConfirmationRequired`] when both runs may
    /// be alive.
    pub(super) async fn resolve(&self, caller: Caller, request: ResolveStepRequest) -> Result<Deployment, Fault> {
        let choice = Choice::of(request.decision())?;
        if request.reason.trim().is_empty() && choice != Choice::Probe {
            let sentence = "`reason` is missing: say what the decision rests on; it goes to the audit log.";
            return Err(Fault::new(Reason::InvalidArgument, sentence));
        }
        check_reason(&request.reason)?;
        let id = self.find(&request.deployment_id).await?;
        let (step, name) = self.step(id, &request.step).await?;
        let doubt = self.driver.view(move |core, _| core.doubt(id, step)).await?;
        let Some(doubt) = doubt else { return Err(nothing_to_decide(id, &name)) };
        if choice == Choice::Decide(Decision::RunAgain) && doubt == Doubt::MayBeAlive && request.confirm != name {
            return Err(unconfirmed(id, &name));
        }
        if choice == Choice::Decide(Decision::Dead) && doubt == Doubt::Dead {
            let sentence = format!(
                "The attempt of step \"{name}\" is known to be dead; what it did is open. Decide what the step counts as, or run it again."
            );
            return Err(Fault::new(Reason::NothingToDecide, sentence));
        }
        let why = if request.reason.is_empty() { String::new() } else { format!(": {}", request.reason) };
        let audit = caller.did(format!("{id}/{name}"), format!("{}{why}", choice.words(doubt)));
        let input = match choice {
            Choice::Probe => Input::ProbeRequested { deployment: id, step },
            Choice::Decide(decision) => {
                Input::StepDecided { deployment: id, step, decision, by: caller.actor(), reason: request.reason }
            }
        };
        self.driver.submit(input, Some(line(audit))).await?;
        self.show(id).await
    }

    /// # Errors
    /// [`Reason::NothingAsked`] when the step asks nothing, or something else.
    pub(super) async fn answer(&self, caller: Caller, request: AnswerStepRequest) -> Result<Deployment, Fault> {
        let answer = answer(request.answer())?;
        check_reason(&request.reason)?;
        let id = self.find(&request.deployment_id).await?;
        let (step, name) =
            if request.step.is_empty() { self.one_that_asks(id).await? } else { self.step(id, &request.step).await? };
        match self.driver.view(move |core, _| core.asked(id, step).map(|asked| asked.question)).await? {
            Some(question) if question.takes(answer) => {}
            Some(question) => return Err(no_answer(id, &name, question)),
            None => {
                let sentence = format!(
                    "Step \"{name}\" of deployment {id} asks nothing. `longshore deployment show {id}` says how it stands."
                );
                return Err(Fault::new(Reason::NothingAsked, sentence));
            }
        }
        if self.driver.view(|core, _| core.hold().is_some()).await? {
            let sentence = "The coordinator is on hold: nobody knows yet whether the step was answered in what its store lost. Lift the \
                            hold first (`longshore hold show`).";
            return Err(Fault::new(Reason::OnHold, sentence));
        }
        let said = request.answer().as_str_name().trim_start_matches("ANSWER_").to_ascii_lowercase();
        let why = if request.reason.is_empty() { String::new() } else { format!(": {}", request.reason) };
        let audit = caller.did(format!("{id}/{name}"), format!("{said}{why}"));
        let input = Input::StepAnswered { deployment: id, step, answer, by: caller.actor(), reason: request.reason };
        self.driver.submit(input, Some(line(audit))).await?;
        self.show(id).await
    }

    /// Position and name of the step that asks, when no other does.
    async fn one_that_asks(&self, id: DeploymentId) -> Result<(usize, String), Fault> {
        let view = self.store.read(move |connection| deployments::deployment_view(connection, id)).await?;
        let asking: Vec<(usize, &str)> = view
            .steps
            .iter()
            .enumerate()
            .filter(|(_, step)| step.state == StepState::Asking)
            .map(|(index, step)| (index, step.name.as_str()))
            .collect();
        match asking[..] {
            [(index, name)] => Ok((index, name.to_owned())),
            [] => Err(Fault::new(
                Reason::NothingAsked,
                format!(
                    "No step of deployment {id} asks anything. `longshore deployment show {id}` says how they stand."
                ),
            )),
            _ => {
                let names: Vec<String> = asking.iter().map(|(_, name)| format!("\"{name}\"")).collect();
                let sentence =
                    format!("Several steps of deployment {id} ask: say which of {} you answer.", names.join(", "));
                Err(Fault::new(Reason::InvalidArgument, sentence))
            }
        }
    }

    /// Position and name of a step, whatever the case.
    pub(super) async fn step(&self, id: DeploymentId, name: &str) -> Result<(usize, String), Fault> {
        let view = self.store.read(move |connection| deployments::deployment_view(connection, id)).await?;
        let wanted = name.to_lowercase();
        let found = view.steps.iter().position(|step| step.name.to_lowercase() == wanted);
        found.map(|index| (index, view.steps[index].name.clone())).ok_or_else(|| {
            let names: Vec<String> = view.steps.iter().map(|step| format!("\"{}\"", step.name)).collect();
            let sentence = format!("Deployment {id} has no step \"{name}\"; its steps are {}.", names.join(", "));
            Fault::new(Reason::AttemptNotFound, sentence)
        })
    }
}

/// What a person chose of what can be done about an unknown outcome.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Choice {
    /// Another look.
    Probe,
    /// An end to the doubt.
    Decide(Decision),
}

impl Choice {
    fn of(decision: resolve_step_request::Decision) -> Result<Self, Fault> {
        use resolve_step_request::Decision as Wire;
        Ok(match decision {
            Wire::Probe => Self::Probe,
            Wire::Succeeded => Self::Decide(Decision::Succeeded),
            Wire::Failed => Self::Decide(Decision::Failed),
            Wire::Dead => Self::Decide(Decision::Dead),
            Wire::RunAgain => Self::Decide(Decision::RunAgain),
            Wire::Abort => Self::Decide(Decision::Abort),
            Wire::Unspecified => {
                let sentence = "`decision` is missing: say whether the step succeeded, failed, is dead, is to be looked at again, to be \
                                run again, or to be aborted.";
                return Err(Fault::new(Reason::InvalidArgument, sentence));
            }
        })
    }

    /// For the audit log.
    fn words(self, doubt: Doubt) -> &'static str {
        match (self, doubt) {
            (Self::Probe, _) => "Looked at again",
            (Self::Decide(Decision::Succeeded), _) => "Counts as succeeded",
            (Self::Decide(Decision::Failed), _) => "Counts as failed",
            (Self::Decide(Decision::Dead), _) => "No process of it is alive",
            (Self::Decide(Decision::RunAgain), Doubt::MayBeAlive) => "Run again although its last attempt may be alive",
            (Self::Decide(Decision::RunAgain), Doubt::Dead) => "Run again",
            (Self::Decide(Decision::Abort), _) => "Aborted with the rest of the deployment",
        }
    }
}

fn nothing_to_decide(id: DeploymentId, name: &str) -> Fault {
    Fault::new(
        Reason::NothingToDecide,
        format!(
            "Step \"{name}\" of deployment {id} waits for no decision: its outcome is not unknown. `longshore deployment show {id}` \
             says how it stands."
        ),
    )
}

fn unconfirmed(id: DeploymentId, name: &str) -> Fault {
    Fault::new(
        Reason::ConfirmationRequired,
        format!(
            "The last attempt of step \"{name}\" of deployment {id} may still be alive, and both may run at once. Stop its host and \
             resolve the step as dead first, or repeat the step's name as `confirm`."
        ),
    )
}

fn answer(answer: answer_step_request::Answer) -> Result<Answer, Fault> {
    use answer_step_request::Answer as Wire;
    match answer {
        Wire::Approve => Ok(Answer::Approve),
        Wire::Reject => Ok(Answer::Reject),
        Wire::Retry => Ok(Answer::Retry),
        Wire::Ignore => Ok(Answer::Ignore),
        Wire::Abort => Ok(Answer::Abort),
        Wire::Unspecified => {
            let sentence =
                "`answer` is missing: approve or reject an approval; retry, ignore or abort after a failure.";
            Err(Fault::new(Reason::InvalidArgument, sentence))
        }
    }
}

fn no_answer(id: DeploymentId, step: &str, question: Question) -> Fault {
    let (what, answers) = match question {
        Question::Approval => ("whether it may begin", "approve or reject"),
        Question::Failure => ("what becomes of it after it failed", "retry, ignore or abort"),
    };
    let sentence = format!("Step \"{step}\" of deployment {id} asks {what}: answer {answers}.");
    Fault::new(Reason::NothingAsked, sentence)
}

fn line(audit: audit::Entry) -> Also {
    Box::new(move |tx| audit::record(tx, clock::now(), &audit))
}

fn check_reason(reason: &str) -> Result<(), Fault> {
    if reason.chars().count() <= REASON_CHARS {
        return Ok(());
    }
    Err(Fault::new(
        Reason::InvalidArgument,
        format!("`reason` is longer than {REASON_CHARS} characters: put it in short."),
    ))
}

fn ended(id: DeploymentId) -> Fault {
    Fault::new(Reason::DeploymentEnded, format!("Deployment {id} has ended: there is nothing left to cancel."))
}
