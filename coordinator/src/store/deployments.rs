//! Questions about deployments.

use std::collections::BTreeMap;

use coordinator_core::fact::{Output, OutputValue};
use rusqlite::{Connection, OptionalExtension, Params, Row, ToSql, params};
use shared::{
    attempt::AttemptState,
    id::{AssignSeq, DeploymentId, ExecutionId, WorkerId},
    plan::Process,
    reason::{Fault, Reason},
};

use super::{
    column,
    error::Stored,
    facts,
    view::{
        AttemptLog, AttemptRow, AttemptView, Cursor, DeploymentFilter, DeploymentPage, DeploymentRow, DeploymentView,
        EventRow, Page, StepOutputs, StepState, StepView,
    },
};

/// 6 characters: fewer of a UUID that begins with the time would name every deployment of a day.
const SHORTEST_PREFIX: usize = 6;

const DEPLOYMENT_COLUMNS: &str = "id, project, environment, number, revision, state, cancel_requested, created_by, \
                                  created_at, ended_at, retry_of, \
                                  (SELECT coalesce(max(seq), 0) FROM event WHERE deployment_id = id) AS last_event";

const ATTEMPT_COLUMNS: &str = "execution_id, deployment_id, step_idx, number, worker_id, assign_seq, state, log_frames, \
                               log_digest, log_complete";

/// The deployment whose id begins with `prefix`.
///
/// # Errors
/// [`Reason::InvalidArgument`] for a prefix that is too short, is no part of an id or names several;
/// [`Reason::DeploymentNotFound`].
pub fn find_deployment(connection: &Connection, prefix: &str) -> Result<DeploymentId, Fault> {
    let prefix = prefix.to_ascii_lowercase();
    if prefix.len() < SHORTEST_PREFIX || !prefix.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-') {
        return Err(Fault::new(
            Reason::InvalidArgument,
            format!(
                "\"{prefix}\" is not a deployment's id: give the whole UUID, or at least its first {SHORTEST_PREFIX} characters."
            ),
        ));
    }
    // Everything that continues the prefix sorts before 'g'.
    let found: Vec<DeploymentId> = rows(
        connection,
        "SELECT id FROM deployment WHERE id >= ?1 AND id < ?1 || 'g' LIMIT 2",
        [&prefix],
        |row| column::parsed(row, "id"),
        "finding a deployment",
    )?;
    match found[..] {
        [id] => Ok(id),
        [] => Err(not_found(&prefix)),
        _ => Err(Fault::new(
            Reason::InvalidArgument,
            format!("Several deployments begin with \"{prefix}\": give more characters of the id."),
        )),
    }
}

/// A deployment without its steps.
///
/// # Errors
/// [`Reason::DeploymentNotFound`].
pub fn deployment_row(connection: &Connection, id: DeploymentId) -> Result<DeploymentRow, Fault> {
    connection
        .prepare_cached(&format!("SELECT {DEPLOYMENT_COLUMNS} FROM deployment WHERE id = ?1"))
        .and_then(|mut select| select.query_row([id.to_string()], deployment).optional())
        .stored("reading a deployment")?
        .ok_or_else(|| not_found(&id.to_string()))
}

/// A deployment with its steps, attempts and outputs.
///
/// # Errors
/// [`Reason::DeploymentNotFound`].
pub fn deployment_view(connection: &Connection, id: DeploymentId) -> Result<DeploymentView, Fault> {
    let deployment = deployment_row(connection, id)?;
    let mut attempts = attempts_by_step(connection, id)?;
    let mut outputs: BTreeMap<usize, Vec<Output>> =
        outputs_of_deployment(connection, id)?.into_iter().map(|step| (step.step, step.outputs)).collect();
    let steps = rows(
        connection,
        "SELECT idx, name, state, reason, detail, with_previous, begun_at, ended_at FROM step_run WHERE deployment_id = ?1 ORDER BY idx",
        [id.to_string()],
        |row| {
            let idx = column::count(row, "idx")?;
            Ok(StepView {
                name: row.get("name")?,
                state: row.get("state")?,
                reason: row.get("reason")?,
                detail: row.get("detail")?,
                with_previous: row.get("with_previous")?,
                begun_at: row.get("begun_at")?,
                ended_at: row.get("ended_at")?,
                attempts: attempts.remove(&idx).unwrap_or_default(),
                outputs: outputs.remove(&idx).unwrap_or_default(),
            })
        },
        "reading the steps of a deployment",
    )?;
    Ok(DeploymentView { deployment, steps })
}

/// How far a step has come.
pub struct StepProgress {
    /// Its name.
    pub name: String,
    /// As [`StepView::state`].
    pub state: String,
    /// In a sentence; empty while it has not ended.
    pub detail: String,
}

/// How the steps before a position have gone, in their order.
///
/// # Errors
/// When the store cannot be read.
pub fn progress_before(connection: &Connection, id: DeploymentId, step: usize) -> Result<Vec<StepProgress>, Fault> {
    rows(
        connection,
        "SELECT name, state, detail FROM step_run WHERE deployment_id = ?1 AND idx < ?2 ORDER BY idx",
        params![id.to_string(), step as i64],
        |row| Ok(StepProgress { name: row.get("name")?, state: row.get("state")?, detail: row.get("detail")? }),
        "reading how the steps of a deployment have gone",
    )
}

/// How a step ended, and the attempt whose outputs count.
pub struct StepEnded {
    /// Where it stands.
    pub state: StepState,
    /// Its newest attempt that ended, or the one in an earlier deployment that did its work.
    pub attempt: Option<ExecutionId>,
}

/// How the steps of a deployment ended, in order of the process.
///
/// # Errors
/// [`Reason::Internal`] when a row cannot be read.
pub fn step_ends(connection: &Connection, id: DeploymentId) -> Result<Vec<StepEnded>, Fault> {
    rows(
        connection,
        "SELECT s.state, coalesce(s.carried,
           (SELECT a.execution_id FROM attempt a
            WHERE a.deployment_id = s.deployment_id AND a.step_idx = s.idx AND a.outcome IS NOT NULL
            ORDER BY a.number DESC LIMIT 1)) AS attempt
         FROM step_run s WHERE s.deployment_id = ?1 ORDER BY s.idx",
        [id.to_string()],
        |row| {
            let attempt: Option<String> = row.get("attempt")?;
            let attempt = attempt.map(|_| column::parsed(row, "attempt")).transpose()?;
            Ok(StepEnded { state: row.get("state")?, attempt })
        },
        "reading how the steps of a deployment ended",
    )
}

/// A page of deployments, newest first.
///
/// # Errors
/// [`Reason::Internal`] when a row cannot be read.
pub fn list_deployments(
    connection: &Connection,
    filter: &DeploymentFilter,
    page: Page,
) -> Result<DeploymentPage, Fault> {
    let (before, id) = page.after.map_or((i64::MAX, String::new()), |after| (after.created_at, after.id.to_string()));
    // One more than asked for tells whether another page follows.
    let limit = page.size as i64 + 1;
    let mut conditions = vec!["(created_at, id) < (:before, :id)"];
    let mut values: Vec<(&str, &dyn ToSql)> = vec![(":before", &before), (":id", &id), (":limit", &limit)];
    // Only the conditions that are wanted, so that SQLite can take the index that fits.
    if !filter.project.is_empty() {
        conditions.push("project = :project");
        values.push((":project", &filter.project));
    }
    if !filter.environment.is_empty() {
        conditions.push("environment = :environment");
        values.push((":environment", &filter.environment));
    }
    let sql = format!(
        "SELECT {DEPLOYMENT_COLUMNS} FROM deployment WHERE {} ORDER BY created_at DESC, id DESC LIMIT :limit",
        conditions.join(" AND ")
    );
    let mut deployments = rows(connection, &sql, values.as_slice(), deployment, "listing deployments")?;
    let more = deployments.len() > page.size;
    deployments.truncate(page.size);
    let next = deployments.last().filter(|_| more).map(|last| Cursor { created_at: last.created_at, id: last.id });
    Ok(DeploymentPage { deployments, next })
}

/// At most `limit` events of a deployment after `seq`, in order.
///
/// # Errors
/// [`Reason::Internal`] when a row cannot be read.
pub fn events_after(connection: &Connection, id: DeploymentId, seq: i64, limit: usize) -> Result<Vec<EventRow>, Fault> {
    rows(
        connection,
        "SELECT seq, at, payload FROM event WHERE deployment_id = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3",
        params![id.to_string(), seq, limit as i64],
        facts::event,
        "reading the events of a deployment",
    )
}

/// What a deployment runs, and its sealed variables.
///
/// # Errors
/// [`Reason::DeploymentNotFound`].
pub fn plan_of_deployment(connection: &Connection, id: DeploymentId) -> Result<(Process, Vec<u8>), Fault> {
    connection
        .prepare_cached("SELECT process, sealed_variables FROM deployment WHERE id = ?1")
        .and_then(|mut select| {
            select
                .query_row([id.to_string()], |row| {
                    Ok((column::json(row, "process")?.unwrap_or_default(), row.get("sealed_variables")?))
                })
                .optional()
        })
        .stored("reading what a deployment runs")?
        .ok_or_else(|| not_found(&id.to_string()))
}

/// How many attempts of a step before this one ended with a result; what was lost on the way does not count.
///
/// # Errors
/// [`Reason::Internal`] when a row cannot be read.
pub fn ended_attempts(connection: &Connection, id: DeploymentId, step: usize, before: u32) -> Result<u32, Fault> {
    let found = rows(
        connection,
        "SELECT count(*) AS ended FROM attempt
         WHERE deployment_id = ?1 AND step_idx = ?2 AND number < ?3
           AND state IN ('SUCCEEDED', 'FAILED', 'TIMED_OUT', 'CANCELLED')",
        (id.to_string(), i64::try_from(step).unwrap_or(i64::MAX), before),
        |row| column::count(row, "ended"),
        "counting the attempts of a step",
    )?;
    Ok(found.first().and_then(|ended| u32::try_from(*ended).ok()).unwrap_or(0))
}

/// What the steps of a deployment put out: of each step the outputs of its newest settled attempt, or of the one in an earlier
/// deployment that did its work, in order of the process. Steps without outputs are left out.
///
/// # Errors
/// [`Reason::Internal`] when a row cannot be read.
pub fn outputs_of_deployment(connection: &Connection, id: DeploymentId) -> Result<Vec<StepOutputs>, Fault> {
    let found = rows(
        connection,
        "SELECT s.idx, s.name AS step_name, o.execution_id, o.name, o.value, o.sealed_value
         FROM step_run s
         JOIN output o ON o.execution_id = coalesce(s.carried,
           (SELECT a.execution_id FROM attempt a
            WHERE a.deployment_id = s.deployment_id AND a.step_idx = s.idx
              AND a.state IN ('SUCCEEDED', 'FAILED', 'TIMED_OUT', 'CANCELLED', 'NOT_STARTED', 'RESOLVED')
            ORDER BY a.number DESC LIMIT 1))
         WHERE s.deployment_id = ?1
         ORDER BY s.idx, o.name",
        [id.to_string()],
        |row| {
            let output = Output { name: row.get("name")?, value: output_value(row)? };
            let step = StepOutputs {
                step: column::count(row, "idx")?,
                name: row.get("step_name")?,
                execution: column::parsed(row, "execution_id")?,
                outputs: Vec::new(),
            };
            Ok((step, output))
        },
        "reading the outputs of a deployment",
    )?;
    let mut steps: Vec<StepOutputs> = Vec::new();
    for (step, output) in found {
        if steps.last().is_none_or(|last| last.step != step.step) {
            steps.push(step);
        }
        if let Some(last) = steps.last_mut() {
            last.outputs.push(output);
        }
    }
    Ok(steps)
}

/// One attempt, if there is one of that id.
///
/// # Errors
/// [`Reason::Internal`] when the row cannot be read.
pub fn attempt_state(connection: &Connection, execution: ExecutionId) -> Result<Option<AttemptRow>, Fault> {
    connection
        .prepare_cached(&format!("SELECT {ATTEMPT_COLUMNS} FROM attempt WHERE execution_id = ?1"))
        .and_then(|mut select| select.query_row([execution.to_string()], attempt_row).optional())
        .stored("reading an attempt")
}

/// The name of the worker an attempt was offered to, if there is one of that id.
///
/// # Errors
/// [`Reason::Internal`] when the row cannot be read.
pub fn worker_of_attempt(connection: &Connection, execution: ExecutionId) -> Result<Option<String>, Fault> {
    connection
        .prepare_cached("SELECT worker_name FROM attempt WHERE execution_id = ?1")
        .and_then(|mut select| select.query_row([execution.to_string()], |row| row.get(0)).optional())
        .stored("reading the worker of an attempt")
}

/// A worker's attempts whose logs are not stored whole yet, in the order they were given to it.
///
/// # Errors
/// [`Reason::Internal`] when a row cannot be read.
pub fn undrained_attempts(connection: &Connection, worker: WorkerId) -> Result<Vec<AttemptRow>, Fault> {
    rows(
        connection,
        &format!("SELECT {ATTEMPT_COLUMNS} FROM attempt WHERE worker_id = ?1 AND log_complete = 0 ORDER BY assign_seq"),
        [worker.to_string()],
        attempt_row,
        "reading the open logs of a worker",
    )
}

/// The highest order number a worker was ever given; 0 if none.
///
/// # Errors
/// [`Reason::Internal`] when it cannot be read.
pub fn highest_assign_seq(connection: &Connection, worker: WorkerId) -> Result<AssignSeq, Fault> {
    connection
        .prepare_cached(
            "SELECT max(coalesce((SELECT max(assign_seq) FROM attempt WHERE worker_id = ?1), 0),
                        coalesce((SELECT assign_hwm FROM worker WHERE id = ?1), 0))",
        )
        .and_then(|mut select| select.query_row([worker.to_string()], |row| row.get(0).map(AssignSeq)))
        .stored("reading what a worker was given")
}

fn attempts_by_step(connection: &Connection, id: DeploymentId) -> Result<BTreeMap<usize, Vec<AttemptView>>, Fault> {
    let attempts = rows(
        connection,
        "SELECT execution_id, step_idx, number, worker_id, worker_name, state, offered_at, started_at, ended_at,
                outcome, evidence, identity, log_frames, log_digest, log_complete
         FROM attempt WHERE deployment_id = ?1 ORDER BY step_idx, number",
        [id.to_string()],
        |row| Ok((column::count(row, "step_idx")?, attempt_view(row)?)),
        "reading the attempts of a deployment",
    )?;
    let mut by_step: BTreeMap<usize, Vec<AttemptView>> = BTreeMap::new();
    for (step, attempt) in attempts {
        by_step.entry(step).or_default().push(attempt);
    }
    Ok(by_step)
}

fn deployment(row: &Row<'_>) -> rusqlite::Result<DeploymentRow> {
    Ok(DeploymentRow {
        id: column::parsed(row, "id")?,
        project: row.get("project")?,
        environment: row.get("environment")?,
        number: row.get("number")?,
        revision: row.get("revision")?,
        state: row.get("state")?,
        cancel_requested: row.get("cancel_requested")?,
        created_by: row.get("created_by")?,
        created_at: row.get("created_at")?,
        ended_at: row.get("ended_at")?,
        retry_of: retry_of(row)?,
        last_event: row.get("last_event")?,
    })
}

fn retry_of(row: &Row<'_>) -> rusqlite::Result<Option<DeploymentId>> {
    let known: Option<String> = row.get("retry_of")?;
    known.map(|_| column::parsed(row, "retry_of")).transpose()
}

fn attempt_view(row: &Row<'_>) -> rusqlite::Result<AttemptView> {
    Ok(AttemptView {
        execution: column::parsed(row, "execution_id")?,
        number: row.get("number")?,
        state: column::attempt_state(row, "state")?,
        worker: column::parsed(row, "worker_id")?,
        worker_name: row.get("worker_name")?,
        offered_at: row.get("offered_at")?,
        started_at: row.get("started_at")?,
        ended_at: row.get("ended_at")?,
        outcome: column::json(row, "outcome")?,
        evidence: row.get("evidence")?,
        identity: column::json(row, "identity")?,
        log: attempt_log(row)?,
    })
}

fn attempt_row(row: &Row<'_>) -> rusqlite::Result<AttemptRow> {
    let state: AttemptState = column::attempt_state(row, "state")?;
    Ok(AttemptRow {
        execution: column::parsed(row, "execution_id")?,
        deployment: column::parsed(row, "deployment_id")?,
        step: column::count(row, "step_idx")?,
        number: row.get("number")?,
        worker: column::parsed(row, "worker_id")?,
        assign_seq: AssignSeq(row.get("assign_seq")?),
        state,
        log: attempt_log(row)?,
    })
}

fn attempt_log(row: &Row<'_>) -> rusqlite::Result<AttemptLog> {
    let frames: Option<i64> = row.get("log_frames")?;
    Ok(AttemptLog {
        frames: frames.map(i64::unsigned_abs),
        digest: row.get("log_digest")?,
        complete: row.get("log_complete")?,
    })
}

fn output_value(row: &Row<'_>) -> rusqlite::Result<OutputValue> {
    let plain: Option<String> = row.get("value")?;
    plain.map_or_else(|| row.get("sealed_value").map(OutputValue::Sealed), |value| Ok(OutputValue::Plain(value)))
}

fn rows<T>(
    connection: &Connection,
    sql: &str,
    values: impl Params,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    doing: &str,
) -> Result<Vec<T>, Fault> {
    connection.prepare_cached(sql).and_then(|mut select| select.query_map(values, read)?.collect()).stored(doing)
}

fn not_found(id: &str) -> Fault {
    Fault::new(
        Reason::DeploymentNotFound,
        format!("There is no deployment \"{id}\": `longshore deployment list` shows them."),
    )
}
