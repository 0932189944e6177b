//! What people decide about a deployment that runs: its end, and what an unknown step counts as.

use coordinator_core::input::Input;
use proto::deployment::{CancelDeploymentRequest, Deployment, ResolveStepRequest, resolve_step_request::Decision};
use shared::{
    id::DeploymentId,
    reason::{Fault, Reason},
};

use super::Deployments;
use crate::{audit, authorization::Caller, clock, driver::Also, store::deployments};

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
    /// [`Reason::NothingToDecide`] when the step's outcome is not unknown.
    pub(super) async fn resolve(&self, caller: Caller, request: ResolveStepRequest) -> Result<Deployment, Fault> {
        let succeeded = match request.decision() {
            Decision::Succeeded => true,
            Decision::Failed => false,
            Decision::Unspecified => {
                let sentence = "`decision` is missing: say whether the step counts as succeeded or failed.";
                return Err(Fault::new(Reason::InvalidArgument, sentence));
            }
        };
        if request.reason.trim().is_empty() {
            let sentence = "`reason` is missing: say what the decision rests on; it goes to the audit log.";
            return Err(Fault::new(Reason::InvalidArgument, sentence));
        }
        check_reason(&request.reason)?;
        let id = self.find(&request.deployment_id).await?;
        let (step, name) = self.step(id, &request.step).await?;
        if !self.driver.view(move |core, _| core.needs_decision(id, step)).await? {
            return Err(Fault::new(
                Reason::NothingToDecide,
                format!(
                    "Step \"{name}\" of deployment {id} waits for no decision: its outcome is not unknown. `longshore deployment \
                     show {id}` says how it stands."
                ),
            ));
        }
        let word = if succeeded { "succeeded" } else { "failed" };
        let audit = caller.did(format!("{id}/{name}"), format!("Counts as {word}: {}", request.reason));
        let input = Input::StepDecided { deployment: id, step, succeeded, by: caller.actor(), reason: request.reason };
        self.driver.submit(input, Some(line(audit))).await?;
        self.show(id).await
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
