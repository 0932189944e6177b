//! Read-only pictures for people: why a step waits, and how a worker stands.

use shared::{
    attempt::AttemptState,
    id::{DeploymentId, ExecutionId, WorkerId},
    reason::Reason,
};

use crate::{
    Coordinator, Mono,
    asking::Question,
    deployment::StepState,
    fact::Asked,
    input::{Prepared, Wish},
    report::{ISOLATED, TOOL, is_reported},
    worker::Worker,
};

/// Why a queued step does not run yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct QueueReason {
    /// Stable code.
    pub code: &'static str,
    /// In a sentence.
    pub sentence: String,
}

/// How a worker stands now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pulse {
    /// Whether it has a session.
    pub connected: bool,
    /// Attempts it has open.
    pub running: usize,
}

/// Why a step waits for a person's decision.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Doubt {
    /// Its attempt may be alive, and nobody knows.
    MayBeAlive,
    /// Its attempt is dead, and nobody knows what it did.
    Dead,
}

/// An attempt that is not settled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OpenAttempt {
    /// Of which deployment.
    pub deployment: DeploymentId,
    /// Of which step.
    pub step: usize,
    /// From 1.
    pub number: u32,
    /// On which worker.
    pub worker: WorkerId,
    /// Where it stands.
    pub state: AttemptState,
}

impl Coordinator {
    /// How a worker stands; `None` when it is not registered.
    #[must_use]
    pub fn pulse(&self, worker: WorkerId) -> Option<Pulse> {
        let worker = self.workers.get(&worker)?;
        Some(Pulse { connected: worker.session.is_some(), running: worker.open.len() })
    }

    /// Whether an attempt's worker was not heard for so long that it may have lost contact.
    #[must_use]
    pub fn contact_lost_now(&self, now: Mono, execution: ExecutionId) -> bool {
        let Some((id, step)) = self.executions.get(&execution).copied() else { return false };
        let Some(attempt) = self.attempt(id, step) else { return false };
        let Some(worker) = self.workers.get(&attempt.worker) else { return true };
        now.0.saturating_sub(worker.heard_at.0) >= self.patience.contact_lost_after
    }

    /// An open attempt; `None` when it is settled or unknown here.
    #[must_use]
    pub fn open_execution(&self, execution: ExecutionId) -> Option<OpenAttempt> {
        let (deployment, step) = self.executions.get(&execution).copied()?;
        let attempt = self.attempt(deployment, step)?;
        Some(OpenAttempt { deployment, step, number: attempt.number, worker: attempt.worker, state: attempt.state })
    }

    /// Whether the deployment is unfinished.
    #[must_use]
    pub fn is_open(&self, deployment: DeploymentId) -> bool {
        self.deployments.contains_key(&deployment)
    }

    /// Whether a step's attempt waits for a person's decision.
    #[must_use]
    pub fn needs_decision(&self, deployment: DeploymentId, step: usize) -> bool {
        self.doubt(deployment, step).is_some()
    }

    /// Why a step waits for a person's decision; `None` when it does not.
    #[must_use]
    pub fn doubt(&self, deployment: DeploymentId, step: usize) -> Option<Doubt> {
        match self.attempt(deployment, step)?.state {
            AttemptState::Unknown => Some(Doubt::MayBeAlive),
            AttemptState::Interrupted => Some(Doubt::Dead),
            _ => None,
        }
    }

    /// Why a step does not run yet; `None` when it is not waiting.
    #[must_use]
    pub fn queue_reason(&self, id: DeploymentId, step: usize) -> Option<QueueReason> {
        let deployment = self.deployments.get(&id)?;
        let run = deployment.steps.get(step)?;
        if self.is_on_hold() && matches!(run.state, StepState::Pending | StepState::Queued | StepState::Asking) {
            let sentence = "The coordinator is on hold: its store may have gone back in time. `longshore hold show` says what is known.";
            return Some(reason(Reason::OnHold.code(), sentence.to_owned()));
        }
        match run.state {
            StepState::Pending => (!self.has_turn(id)).then(|| self.turn_reason(id)),
            StepState::Queued => Some(match (&run.prepared, run.waits) {
                (_, Some(wait)) => reason("RETRY_WAIT", format!("Waits {} s before its next attempt.", wait.as_secs())),
                (Some(prepared), None) => self.pool_reason(prepared),
                (None, None) => reason("PREPARING", "Its variables are being evaluated."),
            }),
            StepState::Asking => run.asked.as_ref().map(|asked| asking_reason(id, asked)),
            StepState::Open | StepState::Settled(_) => None,
        }
    }

    fn turn_reason(&self, id: DeploymentId) -> QueueReason {
        let created = self.deployments.get(&id).map(|d| &d.created);
        let (project, environment) = created.map_or(("", ""), |c| (c.project.as_str(), c.environment.as_str()));
        let first = self.whose_turn(&(project.into(), environment.into())).and_then(|id| self.deployments.get(&id));
        let number = first.map_or(0, |deployment| deployment.created.number);
        let asks = first.is_some_and(|deployment| deployment.steps.iter().any(|step| step.question().is_some()));
        let has = if asks { "waits for a person's answer" } else { "has not ended" };
        reason(
            "WAITING_FOR_TURN",
            format!("Deployment #{number} of \"{project}\" to \"{environment}\" {has}: they run one after the other."),
        )
    }

    fn pool_reason(&self, prepared: &Prepared) -> QueueReason {
        let pool = &prepared.pool;
        let members: Vec<(&WorkerId, &Worker)> = self
            .workers
            .iter()
            .filter(|(id, worker)| &worker.pool == pool && prepared.only_worker.is_none_or(|only| only == **id))
            .collect();
        if members.is_empty() {
            return reason(
                "NO_WORKER",
                format!("Pool \"{pool}\" has no worker: invite one with `longshore worker invite --pool {pool}`."),
            );
        }
        let fitting: Vec<&Worker> = members.iter().map(|(_, w)| *w).filter(|w| w.carries(&prepared.requires)).collect();
        if fitting.is_empty() {
            return no_fitting(pool, prepared, &members);
        }
        let willing: Vec<&Worker> = fitting.iter().copied().filter(|w| w.wish == Wish::Active).collect();
        if willing.is_empty() {
            return reason(
                "WORKERS_CLOSED",
                format!("{} of pool \"{pool}\" {} drained, disabled or revoked.", names(&fitting), are(&fitting)),
            );
        }
        let connected: Vec<&Worker> = willing.iter().copied().filter(|w| w.session.is_some()).collect();
        if connected.is_empty() {
            return reason(
                "NO_WORKER_CONNECTED",
                format!("{} of pool \"{pool}\" {} not connected.", names(&willing), are(&willing)),
            );
        }
        let right: Vec<&Worker> = connected.iter().copied().filter(|w| w.report.meets(&prepared.expect)).collect();
        if right.is_empty() {
            return nobody_expected(pool, prepared, &connected);
        }
        let connected = right;
        if connected.iter().all(|w| w.disk_low) {
            return reason(
                "DISK_LOW",
                format!(
                    "{} {} too little free disk to keep a log safe.",
                    names(&connected),
                    if connected.len() == 1 { "has" } else { "have" }
                ),
            );
        }
        if let Some((lock, (holder, step))) = prepared.locks.iter().find_map(|l| Some((l, self.locks.get(l)?.first()?)))
        {
            return reason("LOCK_HELD", format!("Lock \"{lock}\" is held by {}.", self.step_title(*holder, *step)));
        }
        reason("BUSY", format!("{} {} busy: no slot is free.", names(&connected), are(&connected)))
    }

    fn step_title(&self, id: DeploymentId, step: usize) -> String {
        match self.deployments.get(&id) {
            Some(deployment) => format!("step \"{}\" of deployment {id}", deployment.plan(step).name),
            None => format!("deployment {id}"),
        }
    }
}

/// What it asks, and how to answer.
fn asking_reason(id: DeploymentId, asked: &Asked) -> QueueReason {
    let (code, said, answers) = match asked.question {
        Question::Approval => ("APPROVAL_NEEDED", "Asks for approval:", "approve|reject"),
        Question::Failure => ("ANSWER_NEEDED", "Failed:", "retry|ignore|abort"),
    };
    reason(code, format!("{said} {} Answer with `longshore deployment answer {id} {answers}`.", asked.detail))
}

/// No worker carries all that is required. Of what workers report of themselves, it is said what they do.
fn no_fitting(pool: &str, prepared: &Prepared, members: &[(&WorkerId, &Worker)]) -> QueueReason {
    let unmet = prepared
        .requires
        .iter()
        .find(|(label, value)| is_reported(label) && !members.iter().any(|(_, w)| w.meets(label, value)));
    let Some((label, value)) = unmet else {
        let wanted: Vec<String> = prepared.requires.iter().map(|(k, v)| format!("{k}={v}")).collect();
        return reason("LABEL_MISSING", format!("No worker of pool \"{pool}\" carries {}.", wanted.join(", ")));
    };
    if label == TOOL {
        return no_tool(pool, value, members);
    }
    if label == ISOLATED && value == "true" {
        return not_isolated(pool, members);
    }
    let said = |worker: &Worker| match worker.label(label) {
        Some("") => format!("worker {} has none", worker.name),
        Some(other) => format!("worker {} says {other}", worker.name),
        None => format!("worker {} has not said yet", worker.name),
    };
    let said: Vec<String> = members.iter().take(5).map(|(_, worker)| said(worker)).collect();
    reason("IDENTITY_MISSING", format!("No worker of pool \"{pool}\" reports {label}={value}: {}.", said.join(", ")))
}

/// No worker has all the tools: of each it is said what it lacks first.
fn no_tool(pool: &str, wanted: &str, members: &[(&WorkerId, &Worker)]) -> QueueReason {
    let said = |worker: &Worker| {
        let name = &worker.name;
        let Some(tools) = &worker.report.tools else { return format!("worker {name} has not said yet") };
        match worker.report.unmet_tool(wanted) {
            Ok(None) => format!("worker {name} has them"),
            Ok(Some(lacks)) => match tools.get(lacks.tool).map(String::as_str) {
                None => format!("worker {name} has no {}", lacks.tool),
                Some("") => format!("worker {name} has {} of a version that it does not say", lacks.tool),
                Some(version) => format!("worker {name} has {} {version}", lacks.tool),
            },
            Err(why) => format!("the demand {why}"),
        }
    };
    let said: Vec<String> = members.iter().take(5).map(|(_, worker)| said(worker)).collect();
    reason("TOOL_MISSING", format!("No worker of pool \"{pool}\" has {wanted}: {}.", said.join(", ")))
}

/// Why each cannot is too long for here, and each says it itself.
fn not_isolated(pool: &str, members: &[(&WorkerId, &Worker)]) -> QueueReason {
    let members: Vec<&Worker> = members.iter().map(|(_, worker)| *worker).collect();
    reason(
        Reason::IsolationRequired.code(),
        format!(
            "No worker of pool \"{pool}\" keeps steps from its instance's metadata, and the step demands that: `longshore worker show \
             {}` says why.",
            members[0].name
        ),
    )
}

/// No worker that is there says that its own role is the one that the step expects.
fn nobody_expected(pool: &str, prepared: &Prepared, connected: &[&Worker]) -> QueueReason {
    let said = |worker: &&Worker| match worker.report.contradiction(&prepared.expect) {
        Some(found) => format!("worker {} {found}", worker.name),
        None => format!("worker {} has not said yet", worker.name),
    };
    let said: Vec<String> = connected.iter().take(5).map(said).collect();
    let sentence = format!(
        "The step expects {} of its worker's own role, and no worker of pool \"{pool}\" that is there has it: {}.",
        prepared.expect,
        said.join(", ")
    );
    reason("IDENTITY_MISSING", sentence)
}

fn reason(code: &'static str, sentence: impl Into<String>) -> QueueReason {
    QueueReason { code, sentence: sentence.into() }
}

/// 5 names: what fits a line.
fn names(workers: &[&Worker]) -> String {
    let mut names: Vec<&str> = workers.iter().take(5).map(|w| w.name.as_str()).collect();
    if workers.len() > 5 {
        names.push("…");
    }
    match names.len() {
        1 => format!("Worker {}", names[0]),
        _ => format!("Workers {}", names.join(", ")),
    }
}

fn are(workers: &[&Worker]) -> &'static str {
    if workers.len() == 1 { "is" } else { "are" }
}
