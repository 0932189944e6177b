//! An ad-hoc command: a deployment of one step that belongs to no project.

use std::{collections::BTreeMap, time::Duration};

use prost::Message;
use proto::{
    convert::project::aws_rest,
    deployment::{self as wire, Deployment, RunCommandRequest, aws, script},
};
use shared::{
    limits,
    plan::{Action, Asks, Aws, Condition, Identity, Process, Retries, Script, Shell, Source, Start, Step, Waits},
    reason::{Fault, Reason},
};

use super::{
    Deployments,
    submission::{Content, Origin, Submission, new_id},
};
use crate::{
    authorization::Caller,
    prepare::{plan::Plan, snapshot::Snapshot},
    registry::{account, pool, request_id::RequestId},
};

/// Name of the one step.
pub(super) const STEP: &str = "run";

impl Deployments {
    /// # Errors
    /// Those of the proto's RunCommand.
    pub(super) async fn run(&self, caller: Caller, request: RunCommandRequest) -> Result<Deployment, Fault> {
        let request_id = RequestId::new(&request.request_id, caller.action, &content(&request))?;
        if let Some(made) = self.made_before(&request_id).await? {
            return self.show(made).await;
        }
        let step = step(request)?;
        self.check_names(&step).await?;
        let detail = format!("In pool \"{}\".", step.pool);
        let plan = command(&caller, step, Snapshot::default())?;
        let audit = Some(caller.did(plan.id.to_string(), detail));
        let id = self
            .start(Submission { plan, revision: 0, origin: Origin::default(), request_id, audit }, |_| Ok(()))
            .await?;
        self.show(id).await
    }

    /// Whether pool and account exist.
    pub(super) async fn check_names(&self, step: &Step) -> Result<(), Fault> {
        let pool = step.pool.clone();
        let account = match &step.aws.identity {
            Identity::NamedAccount(name) => Some(name.clone()),
            _ => None,
        };
        self.store
            .read(move |connection| {
                pool::get(connection, &pool)?;
                account.map_or(Ok(()), |name| account::get(connection, &name).map(drop))
            })
            .await
    }
}

/// A deployment of one step.
///
/// # Errors
/// [`Reason::InvalidArgument`] naming what is wrong with the step.
pub(super) fn command(caller: &Caller, step: Step, snapshot: Snapshot) -> Result<Plan, Fault> {
    let process = Process { steps: vec![step], files: Vec::new() };
    let faults = process.faults();
    if !faults.is_empty() {
        return Err(Fault::new(Reason::InvalidArgument, faults.join(" ")));
    }
    Ok(Plan {
        id: new_id(),
        project: String::new(),
        environment: String::new(),
        number: 0,
        created_by: caller.actor(),
        process,
        snapshot,
    })
}

/// A step with nothing but a name, a place and an action.
pub(super) fn plain_step(name: &str, pool: String, aws: Aws, action: Action) -> Step {
    Step {
        name: name.into(),
        pool,
        requires: BTreeMap::new(),
        condition: Condition::Success,
        start: Start::AfterPrevious,
        environments: Vec::new(),
        timeout: limits::DEFAULT_TIMEOUT,
        waits: Waits::default(),
        asks: Asks::default(),
        retries: Retries::default(),
        retry_safe: false,
        locks: Vec::new(),
        aws,
        action,
    }
}

fn step(request: RunCommandRequest) -> Result<Step, Fault> {
    let invalid = |sentence: &str| Fault::new(Reason::InvalidArgument, sentence);
    let script = request.script.ok_or_else(|| invalid("`script` is missing: say what to run."))?;
    let shell = match script.shell() {
        script::Shell::Bash => Shell::Bash,
        script::Shell::Python => Shell::Python,
        script::Shell::Powershell => Shell::PowerShell,
        script::Shell::Unspecified => {
            return Err(invalid("`script.shell` is missing: say bash, python or powershell."));
        }
    };
    let strict = script.strict();
    let body = match script.source {
        Some(script::Source::Body(body)) => body,
        Some(script::Source::File(_)) => {
            return Err(invalid("`script.file` belongs to projects: give the text in `script.body`."));
        }
        None => return Err(invalid("`script.body` is missing: say what to run.")),
    };
    let pool = if request.pool.is_empty() { pool::DEFAULT.into() } else { request.pool };
    let action = Action::Script(Script { shell, source: Source::Body(body), substitute: false, strict });
    Ok(Step {
        requires: request.requires.into_iter().collect(),
        timeout: request.timeout.map_or(Ok(limits::DEFAULT_TIMEOUT), timeout)?,
        ..plain_step(STEP, pool, request.aws.map_or_else(|| Ok(Aws::default()), identity)?, action)
    })
}

fn timeout(given: prost_types::Duration) -> Result<Duration, Fault> {
    Duration::try_from(given).map_err(|_| {
        Fault::new(Reason::InvalidArgument, "`timeout` is negative or too long; it is more than 0 and at most 7d.")
    })
}

/// Accounts of ad-hoc commands go by their own names: there is no project whose variables could name them.
fn identity(aws: wire::Aws) -> Result<Aws, Fault> {
    let rest = aws_rest(&aws).map_err(|why| Fault::new(Reason::InvalidArgument, format!("The command: {why}.")))?;
    let identity = match aws.identity() {
        aws::Identity::Account => Identity::NamedAccount(aws.account),
        aws::Identity::WorkerRole => Identity::WorkerRole,
        aws::Identity::None | aws::Identity::Unspecified => Identity::None,
    };
    Ok(Aws { identity, ..rest })
}

fn content(request: &RunCommandRequest) -> Content {
    let mut parts = vec![request.pool.clone()];
    let requires: BTreeMap<&String, &String> = request.requires.iter().collect();
    parts.extend(requires.into_iter().flat_map(|(name, value)| [name.clone(), value.clone()]));
    let rest = RunCommandRequest {
        aws: request.aws.clone(),
        script: request.script.clone(),
        timeout: request.timeout,
        ..RunCommandRequest::default()
    };
    parts.extend(rest.encode_to_vec().iter().map(|byte| format!("{byte:02x}")).reduce(|text, byte| text + &byte));
    Content { parts }
}
