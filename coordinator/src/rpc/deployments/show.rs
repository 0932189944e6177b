//! A deployment as people see it: what is stored, and why what waits is waiting.

use std::collections::{BTreeMap, BTreeSet};

use coordinator_core::{
    fact::{Output, OutputValue, RunIdentity},
    view::QueueReason,
};
use prost_types::Timestamp;
use proto::deployment::{self as wire, Deployment, deployment, step_run};
use shared::{
    id::{DeploymentId, ExecutionId},
    reason::Fault,
};

use super::Deployments;
use crate::{
    clock,
    log_store::LogStore,
    registry::artifact,
    store::{
        deployments,
        view::{AttemptView, DeploymentRow, DeploymentState, DeploymentView, StepState, StepView},
    },
};

impl Deployments {
    /// # Errors
    /// [`shared::reason::Reason::DeploymentNotFound`]; those of the store.
    pub(super) async fn show(&self, id: DeploymentId) -> Result<Deployment, Fault> {
        let read = self.store.read(move |connection| {
            Ok((deployments::deployment_view(connection, id)?, artifact::count(connection, id)?))
        });
        let (view, artifacts) = read.await?;
        let live = if view.deployment.ended_at.is_none() { self.live(&view).await? } else { Live::default() };
        Ok(Deployment { artifacts, ..deployment(view, &live, &self.logs) })
    }

    /// What only the core knows.
    async fn live(&self, view: &DeploymentView) -> Result<Live, Fault> {
        let (id, steps) = (view.deployment.id, view.steps.len());
        let open: Vec<ExecutionId> = view
            .steps
            .iter()
            .flat_map(|step| &step.attempts)
            .filter(|attempt| !attempt.state.is_settled())
            .map(|attempt| attempt.execution)
            .collect();
        self.driver
            .view(move |core, now| Live {
                waiting: (0..steps).filter_map(|step| Some((step, core.queue_reason(id, step)?))).collect(),
                lost: open.into_iter().filter(|execution| core.contact_lost_now(now, *execution)).collect(),
            })
            .await
    }
}

/// A deployment as it is listed.
pub(super) fn without_steps(row: DeploymentRow) -> Deployment {
    Deployment {
        id: row.id.to_string(),
        project: row.project,
        environment: row.environment,
        state: deployment_state(row.state).into(),
        steps: Vec::new(),
        create_time: Some(clock::timestamp(row.created_at)),
        end_time: row.ended_at.map(clock::timestamp),
        created_by: row.created_by,
        cancel_requested: row.cancel_requested,
        project_revision: row.revision,
        number: row.number,
        last_event_sequence: row.last_event,
        retry_of: row.retry_of.map(|id| id.to_string()).unwrap_or_default(),
        artifacts: 0,
    }
}

/// On the wire.
pub(super) fn deployment_state(state: DeploymentState) -> deployment::State {
    match state {
        DeploymentState::Running => deployment::State::Running,
        DeploymentState::Succeeded => deployment::State::Succeeded,
        DeploymentState::Failed => deployment::State::Failed,
        DeploymentState::Cancelled => deployment::State::Cancelled,
        DeploymentState::Unknown => deployment::State::Unknown,
    }
}

/// On the wire.
pub(super) fn step_state(state: StepState) -> step_run::State {
    match state {
        StepState::Pending => step_run::State::Pending,
        StepState::Queued => step_run::State::Queued,
        StepState::Running => step_run::State::Running,
        StepState::Asking => step_run::State::Asking,
        StepState::Succeeded => step_run::State::Succeeded,
        StepState::Failed => step_run::State::Failed,
        StepState::Skipped => step_run::State::Skipped,
        StepState::Cancelled => step_run::State::Cancelled,
        StepState::Unknown => step_run::State::Unknown,
    }
}

#[derive(Default)]
struct Live {
    /// Why steps wait, by position.
    waiting: BTreeMap<usize, QueueReason>,
    /// Attempts whose worker is not heard.
    lost: BTreeSet<ExecutionId>,
}

fn deployment(view: DeploymentView, live: &Live, logs: &LogStore) -> Deployment {
    let steps =
        view.steps.into_iter().enumerate().map(|(index, step)| step_run(step, live.waiting.get(&index), live, logs));
    Deployment { steps: steps.collect(), ..without_steps(view.deployment) }
}

fn step_run(step: StepView, waiting: Option<&QueueReason>, live: &Live, logs: &LogStore) -> wire::StepRun {
    let (reason, detail) = match (step.state, step.attempts.last()) {
        (StepState::Unknown, Some(attempt)) => ("NEEDS_DECISION".to_owned(), attempt.evidence.clone()),
        _ => (step.reason, step.detail),
    };
    // The core may be a moment ahead of what was read.
    let waiting = waiting.filter(|_| matches!(step.state, StepState::Pending | StepState::Queued | StepState::Asking));
    wire::StepRun {
        name: step.name,
        state: step_state(step.state).into(),
        queue_reason: waiting.map(|why| why.sentence.clone()).unwrap_or_default(),
        reason: waiting.map_or(reason, |why| why.code.to_owned()),
        detail,
        attempts: step.attempts.into_iter().map(|attempt| self::attempt(attempt, live, logs)).collect(),
        outputs: step.outputs.into_iter().map(output).collect(),
        begin_time: step.begun_at.map(clock::timestamp),
        end_time: step.ended_at.map(clock::timestamp),
        with_previous: step.with_previous,
    }
}

fn attempt(attempt: AttemptView, live: &Live, logs: &LogStore) -> wire::Attempt {
    let (exit_code, signal, reason, detail) = match attempt.outcome {
        Some(outcome) => (outcome.exit_code, outcome.signal, outcome.reason, outcome.detail),
        None => (None, None, String::new(), attempt.evidence),
    };
    wire::Attempt {
        execution_id: attempt.execution.to_string(),
        number: i32::try_from(attempt.number).unwrap_or(i32::MAX),
        state: attempt.state.name().into(),
        worker: attempt.worker_name,
        offer_time: Some(clock::timestamp(attempt.offered_at)),
        start_time: attempt.started_at.map(clock::timestamp),
        end_time: attempt.ended_at.map(clock::timestamp),
        exit_code,
        signal,
        reason,
        detail,
        identity: attempt.identity.map(identity),
        log_frames: log_frames(attempt.execution, attempt.log.frames.filter(|_| attempt.log.complete), logs),
        log_complete: attempt.log.complete,
        log_digest: attempt.log.digest.map(hex).unwrap_or_default(),
        contact_lost: live.lost.contains(&attempt.execution),
    }
}

/// Of a complete log the number is known; else it is what arrived so far.
fn log_frames(execution: ExecutionId, complete: Option<u64>, logs: &LogStore) -> i64 {
    let frames = complete.unwrap_or_else(|| {
        logs.next_seq(execution).unwrap_or_else(|error| {
            tracing::warn!(%execution, %error, "the length of a log is not readable");
            0
        })
    });
    i64::try_from(frames).unwrap_or(i64::MAX)
}

fn identity(identity: RunIdentity) -> wire::RunIdentity {
    wire::RunIdentity {
        account: identity.account,
        arn: identity.arn,
        region: identity.region,
        source: identity.source,
        expire_time: (identity.expires_at != 0).then_some(Timestamp { seconds: identity.expires_at, nanos: 0 }),
    }
}

fn output(output: Output) -> wire::Output {
    let (value, sensitive) = match output.value {
        OutputValue::Plain(value) => (Some(value), false),
        OutputValue::Sealed(_) => (None, true),
    };
    wire::Output { name: output.name, value, sensitive }
}

fn hex(digest: [u8; 32]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
