//! A project's deployment.

use std::collections::{BTreeMap, BTreeSet};

use proto::deployment::{CreateDeploymentRequest, Deployment};
use rusqlite::Connection;
use shared::reason::{Fault, Reason};

use super::{
    Deployments,
    submission::{Content, Origin, Submission, new_id},
};
use crate::{
    authorization::Caller,
    prepare::{
        plan::Plan,
        snapshot::{Declared, Given, Snapshot, Target},
    },
    registry::{environment, pool, project, request_id::RequestId, variable},
    seal::Seal,
};

/// 3: a project is applied or deployed by somebody else in the same moment once, hardly twice.
const TRIES: u32 = 3;

impl Deployments {
    /// # Errors
    /// Those of the proto's CreateDeployment.
    pub(super) async fn create(&self, caller: Caller, request: CreateDeploymentRequest) -> Result<Deployment, Fault> {
        let request_id = RequestId::new(&request.request_id, caller.action, &content(&request))?;
        let _turn = self.creating.lock().await;
        let mut tries = 0;
        let id = loop {
            if let Some(made) = self.made_before(&request_id).await? {
                break made;
            }
            tries += 1;
            match self.create_once(&caller, &request, request_id.clone()).await {
                Ok(id) => break id,
                // The project changed between reading and writing.
                Err(fault) if fault.reason == Reason::InUse && tries < TRIES => {}
                Err(fault) => return Err(fault),
            }
        };
        self.show(id).await
    }

    async fn create_once(
        &self,
        caller: &Caller,
        request: &CreateDeploymentRequest,
        request_id: RequestId,
    ) -> Result<shared::id::DeploymentId, Fault> {
        let Ordered { row, declared, pools } = self.ordered(request).await?;
        if row.process.steps.is_empty() {
            let sentence =
                format!("Project \"{}\" has no steps: it is there for others to take variables from.", row.name);
            return Err(Fault::new(Reason::NothingToDeploy, sentence));
        }
        let given = Given::of(request);
        let target = Target { project: &row.name, environment: &request.environment, process: &row.process };
        let snapshot = Snapshot::resolve(target, declared, &given)?;
        let (name, number, revision) = (row.name.clone(), row.next_number, row.revision);
        let plan = Plan {
            id: new_id(),
            project: row.name,
            environment: request.environment.clone(),
            number,
            created_by: caller.actor(),
            process: row.process,
            snapshot,
        };
        plan.check(pools)?;
        let detail = format!("Project \"{name}\" #{number} to environment \"{}\".", plan.environment);
        let audit = Some(caller.did(plan.id.to_string(), detail));
        let submission = Submission { plan, revision, origin: Origin::default(), request_id, audit };
        self.start(submission, move |tx| {
            let unchanged = project::get(tx, &name)?.revision == revision;
            if unchanged && project::take_number(tx, &name, number)? {
                return Ok(());
            }
            let sentence =
                format!("Project \"{name}\" was changed or deployed by somebody else in this moment. Try again.");
            Err(Fault::new(Reason::InUse, sentence))
        })
        .await
    }

    async fn ordered(&self, request: &CreateDeploymentRequest) -> Result<Ordered, Fault> {
        let (name, environment) = (request.project.clone(), request.environment.clone());
        let seal = self.seal.clone();
        self.store
            .read(move |connection| {
                let row = project::get(connection, &name)?;
                environment::get(connection, &environment)?;
                let declared = declared(connection, &seal, &row)?;
                let pools = pool::list(connection)?.into_iter().map(|pool| (pool.name, pool.requires)).collect();
                Ok(Ordered { row, declared, pools })
            })
            .await
    }
}

/// What a deployment is made of, as it is stored now.
struct Ordered {
    row: project::Row,
    declared: Vec<Declared>,
    /// All pools, and what each demands of its workers.
    pools: BTreeMap<String, BTreeMap<String, String>>,
}

/// The variables that count in a project as they are stored now, with their values in clear: its own come last.
///
/// # Errors
/// Those of the store and of [`Seal::open`].
pub(super) fn declared(connection: &Connection, seal: &Seal, row: &project::Row) -> Result<Vec<Declared>, Fault> {
    let open = |row: variable::Row| {
        let value = row.open(seal)?;
        Ok(Declared { name: row.key.name, kind: row.key.kind, scope: row.key.scope, value, prompt: row.prompt })
    };
    let mut declared = Vec::new();
    for project in row.variables_from.iter().chain([&row.name]) {
        for value in variable::list(connection, project)? {
            declared.push(open(value)?);
        }
    }
    Ok(declared)
}

fn content(request: &CreateDeploymentRequest) -> Content {
    let mut parts = vec![request.project.clone(), request.environment.clone()];
    let variables: BTreeMap<&String, &String> = request.variables.iter().collect();
    parts.extend(variables.into_iter().flat_map(|(name, value)| [name.clone(), value.clone()]));
    // What is secret is not remembered, not even its digest.
    parts.extend(request.secret_variables.keys().collect::<BTreeSet<_>>().into_iter().cloned());
    Content { parts }
}
