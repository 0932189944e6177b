//! What a deployment runs, with its variables in clear.

use rusqlite::Connection;
use shared::{id::DeploymentId, plan::Process, reason::Fault, scope::Place};

use super::snapshot::Snapshot;
use crate::{seal::Seal, store::deployments};

/// A deployment as its steps need it.
pub(crate) struct Plan {
    /// Of this deployment.
    pub(crate) id: DeploymentId,
    /// Empty for an ad-hoc command.
    pub(crate) project: String,
    /// Empty for an ad-hoc command.
    pub(crate) environment: String,
    /// Number within its project.
    pub(crate) number: i64,
    /// Who asked for it.
    pub(crate) created_by: String,
    /// What it runs.
    pub(crate) process: Process,
    /// Its variables as they were when it was made.
    pub(crate) snapshot: Snapshot,
}

impl Plan {
    /// Its variables as a step sees them, in a pool, or before that is known.
    pub(super) fn seen_from(&self, step: usize, pool: Option<&str>) -> Snapshot {
        let step = self.process.steps.get(step).map_or("", |step| step.name.as_str());
        self.snapshot.seen_from(Place { environment: &self.environment, step, pool })
    }

    /// Reads a deployment back, and whether it has ended.
    ///
    /// # Errors
    /// [`shared::reason::Reason::DeploymentNotFound`]; those of [`Seal::open`] and the store.
    pub(crate) fn read(connection: &Connection, seal: &Seal, id: DeploymentId) -> Result<(Self, bool), Fault> {
        let row = deployments::deployment_row(connection, id)?;
        let (process, sealed) = deployments::plan_of_deployment(connection, id)?;
        let plan = Self {
            id,
            project: row.project,
            environment: row.environment,
            number: row.number,
            created_by: row.created_by,
            process,
            snapshot: Snapshot::open(seal, id, &sealed)?,
        };
        Ok((plan, row.ended_at.is_some()))
    }
}
