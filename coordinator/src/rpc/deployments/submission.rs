//! A deployment begins to exist: its row, its sealed variables, its request id and its audit line in one transaction.

use coordinator_core::{
    fact::{Carried, Created},
    input::Input,
};
use prost::Message;
use rusqlite::Connection;
use shared::{id::DeploymentId, reason::Fault};
use uuid::Uuid;

use super::Deployments;
use crate::{audit, clock, prepare::plan::Plan, registry::request_id::RequestId, store::facts};

/// A deployment that was checked and does not exist yet.
pub(super) struct Submission {
    pub(super) plan: Plan,
    /// Project's revision; 0 for an ad-hoc command.
    pub(super) revision: i64,
    pub(super) origin: Origin,
    pub(super) request_id: RequestId,
    /// None when whoever asks writes a line of its own.
    pub(super) audit: Option<audit::Entry>,
}

/// What a deployment goes on from; nothing when it begins anew.
#[derive(Default)]
pub(super) struct Origin {
    /// The earlier deployment.
    pub(super) retry_of: Option<DeploymentId>,
    /// The steps that have done their work there.
    pub(super) carried: Vec<Carried>,
}

/// What a request asks for, in an order that does not change from call to call as that of a map does.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Content {
    #[prost(string, repeated, tag = "1")]
    pub(super) parts: Vec<String>,
}

/// An id that sorts by time.
pub(super) fn new_id() -> DeploymentId {
    DeploymentId(Uuid::now_v7())
}

impl Deployments {
    /// The deployment that an earlier call with this request id made.
    pub(super) async fn made_before(&self, request_id: &RequestId) -> Result<Option<DeploymentId>, Fault> {
        let request_id = request_id.clone();
        let made = self.store.read(move |connection| request_id.made_before(connection)).await?;
        Ok(made.and_then(|id| id.parse().ok()))
    }

    /// Starts it, together with what else must happen at that moment. When the same call was made twice at once, answers the
    /// deployment that the other one made.
    pub(super) async fn start(
        &self,
        submission: Submission,
        also: impl FnOnce(&Connection) -> Result<(), Fault> + Send + 'static,
    ) -> Result<DeploymentId, Fault> {
        let Submission { plan, revision, origin, request_id, audit } = submission;
        let id = plan.id;
        let sealed = plan.snapshot.seal(&self.seal, id)?;
        let created = Created {
            project: plan.project.clone(),
            environment: plan.environment.clone(),
            number: plan.number,
            revision,
            by: plan.created_by.clone(),
            retry_of: origin.retry_of,
            carried: origin.carried,
            process: plan.process.clone(),
        };
        self.preparer.keep(plan);
        let remembered = request_id.clone();
        let beside = move |tx: &Connection| {
            let at = clock::now();
            also(tx)?;
            facts::keep_variables(tx, id, &sealed)?;
            remembered.remember(tx, &id.to_string(), at)?;
            audit.map_or(Ok(()), |audit| audit::record(tx, at, &audit))
        };
        match self.driver.submit(Input::Submitted { deployment: id, created }, Some(Box::new(beside))).await {
            Ok(()) => Ok(id),
            Err(fault) => {
                self.preparer.release(id);
                self.made_before(&request_id).await?.ok_or(fault)
            }
        }
    }
}
