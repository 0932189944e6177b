//! A deployment that goes on from one that did not succeed.

use std::collections::BTreeMap;

use coordinator_core::fact::Carried;
use proto::deployment::{Deployment, RetryDeploymentRequest};
use shared::{
    id::DeploymentId,
    plan::{Process, Start},
    reason::{Fault, Reason},
};

use super::{
    Deployments,
    submission::{Content, Origin, Submission, new_id},
};
use crate::{
    authorization::Caller,
    prepare::{
        plan::Plan,
        snapshot::{Snapshot, Target},
    },
    registry::{pool, project, request_id::RequestId},
    store::{
        deployments::{self, StepEnded},
        view::{DeploymentRow, DeploymentState, StepState},
    },
};

impl Deployments {
    /// # Errors
    /// Those of the proto's RetryDeployment.
    pub(super) async fn retry(&self, caller: Caller, request: RetryDeploymentRequest) -> Result<Deployment, Fault> {
        let before = self.find(&request.id).await?;
        let update = request.update_variables;
        let content = Content { parts: vec![before.to_string(), update.to_string()] };
        let request_id = RequestId::new(&request.request_id, caller.action, &content)?;
        let _turn = self.creating.lock().await;
        let id = match self.made_before(&request_id).await? {
            Some(made) => made,
            None => self.retry_once(&caller, before, update, request_id).await?,
        };
        self.show(id).await
    }

    async fn retry_once(
        &self,
        caller: &Caller,
        before: DeploymentId,
        update: bool,
        request_id: RequestId,
    ) -> Result<DeploymentId, Fault> {
        let Earlier { row, plan, carried, pools, number } = self.earlier(before, update).await?;
        let plan = Plan { id: new_id(), number, created_by: caller.actor(), ..plan };
        plan.check(pools)?;
        let (name, revision) = (plan.project.clone(), row.revision);
        let detail = format!("Project \"{name}\" #{number} goes on from #{}, deployment {before}.", row.number);
        let audit = Some(caller.did(plan.id.to_string(), detail));
        let submission =
            Submission { plan, revision, origin: Origin { retry_of: Some(before), carried }, request_id, audit };
        self.start(submission, move |tx| {
            if project::take_number(tx, &name, number)? {
                return Ok(());
            }
            let sentence = format!("Project \"{name}\" was deployed by somebody else in this moment. Try again.");
            Err(Fault::new(Reason::InUse, sentence))
        })
        .await
    }

    async fn earlier(&self, id: DeploymentId, update: bool) -> Result<Earlier, Fault> {
        let seal = self.seal.clone();
        self.store
            .read(move |connection| {
                let row = deployments::deployment_row(connection, id)?;
                check(&row)?;
                let (mut plan, _) = Plan::read(connection, &seal, id)?;
                let project = project::get(connection, &row.project)?;
                if update {
                    let declared = super::create::declared(connection, &seal, &project)?;
                    let target =
                        Target { project: &row.project, environment: &row.environment, process: &plan.process };
                    plan.snapshot = Snapshot::resolve(target, declared, &plan.snapshot.given())?;
                }
                let carried = carried(&plan.process, &deployments::step_ends(connection, id)?);
                let pools = pool::list(connection)?.into_iter().map(|pool| (pool.name, pool.requires)).collect();
                Ok(Earlier { row, plan, carried, pools, number: project.next_number })
            })
            .await
    }
}

/// What a deployment goes on from.
struct Earlier {
    row: DeploymentRow,
    plan: Plan,
    /// The steps that have done their work.
    carried: Vec<Carried>,
    /// All pools, and what each demands of its workers.
    pools: BTreeMap<String, BTreeMap<String, String>>,
    /// Of the project's next deployment.
    number: i64,
}

fn check(row: &DeploymentRow) -> Result<(), Fault> {
    let id = row.id;
    let sentence = match row.state {
        _ if row.project.is_empty() => format!("Deployment {id} is a single command: run it again."),
        DeploymentState::Running | DeploymentState::Unknown => {
            format!("Deployment {id} has not ended: wait for it, or cancel it, and then retry it.")
        }
        DeploymentState::Succeeded => format!("Deployment {id} succeeded: there is nothing to retry."),
        DeploymentState::Failed | DeploymentState::Cancelled => return Ok(()),
    };
    Err(Fault::new(Reason::NothingToRetry, sentence))
}

/// The steps that succeeded, up to the first that did not and those that started together with it.
fn carried(process: &Process, ends: &[StepEnded]) -> Vec<Carried> {
    let broken = |state| matches!(state, StepState::Failed | StepState::Cancelled);
    let first = ends.iter().position(|end| broken(end.state)).unwrap_or(ends.len());
    let waits = |step: &shared::plan::Step| step.start == Start::AfterPrevious;
    let end = process.steps.iter().skip(first + 1).position(waits).map_or(ends.len(), |after| first + 1 + after);
    let done = ends[..end.min(ends.len())].iter().enumerate().filter(|(_, end)| end.state == StepState::Succeeded);
    done.map(|(step, end)| Carried { step, attempt: end.attempt }).collect()
}
