//! Writes facts: each becomes an event of its deployment and changes the rows that are read, in one transaction. Every change
//! names the state it expects to find: a fact that does not fit is refused, whatever the program believes.

use coordinator_core::{
    fact::{
        Answered, Carried, Created, DeploymentEnd, DeploymentFact, ExitResult, Fact, Moved, Offered, Output,
        OutputValue, SessionOpened, Settled,
    },
    input::Answer,
};
use rusqlite::{Connection, Params, Row, named_params, params};
use serde::{Deserialize, Serialize};
use shared::{
    attempt::{AttemptEvent, AttemptState},
    id::{DeploymentId, ExecutionId},
    plan::Start,
    reason::{Fault, Reason},
};

use super::{
    column,
    error::Stored,
    hold,
    view::{DeploymentState, EventRow, StepState},
};

/// Writes a fact that happened at `at_ms`, milliseconds since 1970. Answers the sequence of its event within the deployment;
/// 0 for a fact about a worker or the store, which has no events.
///
/// # Errors
/// [`Reason::Internal`] when the fact does not fit what is stored; the caller's operation must fail with it.
pub fn apply(tx: &Connection, at_ms: i64, fact: &Fact) -> Result<i64, Fault> {
    match fact {
        Fact::SessionOpened(opened) => open_session(tx, at_ms, opened).map(|()| 0),
        Fact::HoldBegan { why } => hold::begin(tx, at_ms, why).map(|()| 0),
        Fact::HoldLifted { .. } => hold::lift(tx).map(|()| 0),
        Fact::Deployment(id, fact) => {
            let rows = Rows { tx, at_ms, id: *id };
            rows.project(fact)?;
            rows.append_event(fact)
        }
    }
}

/// Keeps the sealed variables of a deployment: once, in the transaction of its `Created`.
///
/// # Errors
/// [`Reason::Internal`] when there is no such deployment or it has its variables.
pub fn keep_variables(tx: &Connection, id: DeploymentId, sealed: &[u8]) -> Result<(), Fault> {
    change(
        tx,
        "UPDATE deployment SET sealed_variables = ?2 WHERE id = ?1 AND length(sealed_variables) = 0",
        params![id.to_string(), sealed],
        &format!("keeping the variables of deployment {id}"),
    )
}

/// Records that an attempt's log is stored whole.
///
/// # Errors
/// [`Reason::Internal`] when nobody has said yet how long its log is.
pub fn set_log_complete(tx: &Connection, execution: ExecutionId) -> Result<(), Fault> {
    change(
        tx,
        "UPDATE attempt SET log_complete = 1 WHERE execution_id = ?1 AND log_frames IS NOT NULL",
        params![execution.to_string()],
        &format!("completing the log of attempt {execution}"),
    )
}

/// The unfinished deployments, oldest first, each with all its facts in order: what the core recovers from. Outputs are not
/// in them; the core does not need them.
///
/// # Errors
/// [`Reason::Internal`] when a row cannot be read.
pub fn open_deployments(connection: &Connection) -> Result<Vec<(DeploymentId, Vec<DeploymentFact>)>, Fault> {
    let doing = "reading the unfinished deployments";
    let mut deployments = connection
        .prepare_cached("SELECT id, process FROM deployment WHERE ended_at IS NULL ORDER BY created_at, id")
        .stored(doing)?;
    let open = deployments
        .query_map([], |row| Ok((column::parsed::<DeploymentId>(row, "id")?, column::json(row, "process")?)))
        .and_then(Iterator::collect::<rusqlite::Result<Vec<_>>>)
        .stored(doing)?;
    let mut events = connection
        .prepare_cached("SELECT seq, at, payload FROM event WHERE deployment_id = ?1 ORDER BY seq")
        .stored(doing)?;
    open.into_iter()
        .map(|(id, process)| {
            let mut facts = events
                .query_map([id.to_string()], |row| Ok(event(row)?.fact))
                .and_then(Iterator::collect::<rusqlite::Result<Vec<_>>>)
                .stored(doing)?;
            if let (Some(DeploymentFact::Created(created)), Some(process)) = (facts.first_mut(), process) {
                created.process = process;
            }
            Ok((id, facts))
        })
        .collect()
}

/// A row of `event`.
pub(super) fn event(row: &Row<'_>) -> rusqlite::Result<EventRow> {
    let Event { fact, deployment_state } =
        column::json(row, "payload")?.ok_or(rusqlite::Error::InvalidColumnName("payload".into()))?;
    let step_state = StepState::after(&fact).map(|(_, state)| state);
    Ok(EventRow { seq: row.get("seq")?, at: row.get("at")?, fact, step_state, deployment_state })
}

/// What is in an event's payload: the fact, and what a watcher shows beside it.
#[derive(Serialize, Deserialize)]
struct Event<F> {
    #[serde(flatten)]
    fact: F,
    deployment_state: DeploymentState,
}

/// The rows of one deployment, at one moment.
struct Rows<'a> {
    tx: &'a Connection,
    at_ms: i64,
    id: DeploymentId,
}

impl Rows<'_> {
    fn project(&self, fact: &DeploymentFact) -> Result<(), Fault> {
        match fact {
            DeploymentFact::Created(created) => self.create(created),
            DeploymentFact::StepQueued { step } => self.begin_step(*step, StepState::Queued),
            DeploymentFact::StepRetried { step, .. } => self.move_step(*step, "'queued', 'asking'", StepState::Queued),
            DeploymentFact::StepAsked(asked) => self.begin_step(asked.step, StepState::Asking),
            DeploymentFact::StepAnswered(answered) => self.answer_step(answered),
            DeploymentFact::AttemptOffered(offered) => self.offer(offered),
            DeploymentFact::AttemptMoved(moved) => self.move_attempt(moved),
            DeploymentFact::StepSettled(settled) => self.settle_step(settled),
            DeploymentFact::CancelRequested { .. } => self.request_cancel(),
            DeploymentFact::Ended { state } => self.end(*state),
        }
    }

    /// After the rows, since it carries the state they came to.
    fn append_event(&self, fact: &DeploymentFact) -> Result<i64, Fault> {
        let doing = format!("writing an event of deployment {}", self.id);
        let id = self.id.to_string();
        let (seq, deployment_state): (i64, _) = self
            .tx
            .prepare_cached(
                "SELECT coalesce((SELECT max(seq) FROM event WHERE deployment_id = ?1), 0) + 1, state
                 FROM deployment WHERE id = ?1",
            )
            .and_then(|mut select| select.query_row([&id], |row| Ok((row.get(0)?, row.get(1)?))))
            .stored(&doing)?;
        let payload = serde_json::to_string(&Event { fact, deployment_state })
            .map_err(|error| Fault::new(Reason::Internal, format!("Failed {doing}: {error}.")))?;
        change(
            self.tx,
            "INSERT INTO event (deployment_id, seq, at, payload) VALUES (?1, ?2, ?3, ?4)",
            params![id, seq, self.at_ms, payload],
            &doing,
        )?;
        Ok(seq)
    }

    fn create(&self, created: &Created) -> Result<(), Fault> {
        let doing = format!("creating deployment {}", self.id);
        let process = serde_json::to_string(&created.process)
            .map_err(|error| Fault::new(Reason::Internal, format!("Failed {doing}: {error}.")))?;
        change(
            self.tx,
            "INSERT INTO deployment (id, project, environment, number, revision, state, cancel_requested, created_by,
                                     created_at, process, sealed_variables, retry_of)
             VALUES (:id, :project, :environment, :number, :revision, 'running', 0, :by, :at, :process, x'', :retry_of)",
            named_params! {
                ":id": self.id.to_string(),
                ":project": created.project,
                ":environment": created.environment,
                ":number": created.number,
                ":revision": created.revision,
                ":process": process,
                ":by": created.by,
                ":at": self.at_ms,
                ":retry_of": created.retry_of.map(|id| id.to_string()),
            },
            &doing,
        )?;
        for (idx, step) in created.process.steps.iter().enumerate() {
            change(
                self.tx,
                "INSERT INTO step_run (deployment_id, idx, name, state, reason, detail, with_previous)
                 VALUES (?1, ?2, ?3, 'pending', '', '', ?4)",
                params![self.id.to_string(), idx as i64, step.name, step.start == Start::WithPrevious],
                &doing,
            )?;
        }
        created.carried.iter().try_for_each(|carried| self.carry_step(created, *carried))
    }

    /// It has done its work in an earlier deployment.
    fn carry_step(&self, created: &Created, Carried { step, attempt }: Carried) -> Result<(), Fault> {
        let before = created.retry_of.map(|id| id.to_string()).unwrap_or_default();
        change(
            self.tx,
            "UPDATE step_run SET state = 'succeeded', reason = ?3, detail = ?4, carried = ?5
             WHERE deployment_id = ?1 AND idx = ?2 AND state = 'pending'",
            params![
                self.id.to_string(),
                step as i64,
                Reason::Carried.code(),
                format!("It did its work in deployment {before}."),
                attempt.map(|attempt| attempt.to_string()),
            ],
            &format!("carrying step {step} into deployment {}", self.id),
        )
    }

    fn offer(&self, offered: &Offered) -> Result<(), Fault> {
        change(
            self.tx,
            "INSERT INTO attempt (execution_id, deployment_id, step_idx, number, worker_id, worker_name, assign_seq, state,
                                  offered_at)
             VALUES (:execution, :deployment, :step, :number, :worker,
                     coalesce((SELECT name FROM worker WHERE id = :worker), :worker), :assign_seq, 'OFFERED', :at)",
            named_params! {
                ":execution": offered.execution.to_string(),
                ":deployment": self.id.to_string(),
                ":step": offered.step as i64,
                ":number": offered.number,
                ":worker": offered.worker.to_string(),
                ":assign_seq": offered.assign_seq.0,
                ":at": self.at_ms,
            },
            &format!("offering attempt {}", offered.execution),
        )?;
        self.move_step(offered.step, "'queued'", StepState::Running)
    }

    fn move_attempt(&self, moved: &Moved) -> Result<(), Fault> {
        let before = self.attempt_state(moved.execution)?;
        let after = before.apply(moved.event).map_err(|error| {
            Fault::new(
                Reason::Internal,
                format!("Attempt {} cannot move: {error}; nothing was changed.", moved.execution),
            )
        })?;
        self.update_attempt(moved, before, after)?;
        if let Some(result) = &moved.result {
            self.keep_result(moved.execution, result)?;
        }
        self.move_step(moved.step, "'running', 'unknown'", moved.event.into())?;
        if is_unclear(before) != is_unclear(after) {
            self.review_state()?;
        }
        Ok(())
    }

    fn attempt_state(&self, execution: ExecutionId) -> Result<AttemptState, Fault> {
        self.tx
            .prepare_cached("SELECT state FROM attempt WHERE execution_id = ?1 AND deployment_id = ?2")
            .and_then(|mut select| {
                select
                    .query_row([execution.to_string(), self.id.to_string()], |row| column::attempt_state(row, "state"))
            })
            .stored(&format!("reading the state of attempt {execution}"))
    }

    fn update_attempt(&self, moved: &Moved, before: AttemptState, after: AttemptState) -> Result<(), Fault> {
        let started = (moved.event == AttemptEvent::Alive).then_some(self.at_ms);
        let ended = (after.is_settled() || after == AttemptState::Interrupted).then_some(self.at_ms);
        // What never started has no log, and all of it is here.
        let frames = (after == AttemptState::NotStarted).then_some(0_i64);
        change(
            self.tx,
            "UPDATE attempt
             SET state = :after,
                 started_at = coalesce(started_at, :started),
                 ended_at = coalesce(ended_at, :ended),
                 evidence = CASE :evidence WHEN '' THEN evidence ELSE :evidence END,
                 log_frames = coalesce(:frames, log_frames),
                 log_complete = CASE WHEN :frames = 0 THEN 1 ELSE log_complete END
             WHERE execution_id = :execution AND state = :before AND step_idx = :step",
            named_params! {
                ":after": after.name(),
                ":started": started,
                ":ended": ended,
                ":evidence": moved.evidence,
                ":frames": frames,
                ":execution": moved.execution.to_string(),
                ":before": before.name(),
                ":step": moved.step as i64,
            },
            &format!("moving attempt {}", moved.execution),
        )
    }

    fn keep_result(&self, execution: ExecutionId, result: &ExitResult) -> Result<(), Fault> {
        let doing = format!("keeping the result of attempt {execution}");
        let unwritable = |error| Fault::new(Reason::Internal, format!("Failed {doing}: {error}."));
        let outcome = serde_json::to_string(&result.outcome).map_err(unwritable)?;
        let identity = result.identity.as_ref().map(serde_json::to_string).transpose().map_err(unwritable)?;
        change(
            self.tx,
            "UPDATE attempt SET outcome = :outcome, identity = :identity, log_frames = :frames, log_digest = :digest
             WHERE execution_id = :execution AND outcome IS NULL",
            named_params! {
                ":outcome": outcome,
                ":identity": identity,
                ":frames": result.final_seq as i64,
                ":digest": result.digest,
                ":execution": execution.to_string(),
            },
            &doing,
        )?;
        result.outputs.iter().try_for_each(|output| self.keep_output(execution, output))
    }

    /// The last value of a name counts.
    fn keep_output(&self, execution: ExecutionId, output: &Output) -> Result<(), Fault> {
        let (plain, sealed) = match &output.value {
            OutputValue::Plain(value) => (Some(value), None),
            OutputValue::Sealed(value) => (None, Some(value)),
        };
        change(
            self.tx,
            "INSERT INTO output (execution_id, name, value, sealed_value) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (execution_id, name) DO UPDATE SET value = excluded.value, sealed_value = excluded.sealed_value",
            params![execution.to_string(), output.name, plain, sealed],
            &format!("keeping the outputs of attempt {execution}"),
        )
    }

    /// `from` is a list of SQL texts: the states in which the step may be found.
    fn move_step(&self, step: usize, from: &'static str, to: StepState) -> Result<(), Fault> {
        change(
            self.tx,
            &format!("UPDATE step_run SET state = ?3 WHERE deployment_id = ?1 AND idx = ?2 AND state IN ({from})"),
            params![self.id.to_string(), step as i64, to.name()],
            &format!("moving step {step} of deployment {} to {}", self.id, to.name()),
        )
    }

    /// Its turn has come: it waits for a worker, or for an answer, or asks after it failed.
    fn begin_step(&self, step: usize, to: StepState) -> Result<(), Fault> {
        change(
            self.tx,
            "UPDATE step_run SET state = ?3, begun_at = coalesce(begun_at, ?4)
             WHERE deployment_id = ?1 AND idx = ?2 AND (state = 'pending' OR (state = 'queued' AND ?3 = 'asking'))",
            params![self.id.to_string(), step as i64, to.name(), self.at_ms],
            &format!("moving step {step} of deployment {} to {}", self.id, to.name()),
        )
    }

    /// What becomes of it after another answer than an approval is the next fact.
    fn answer_step(&self, answered: &Answered) -> Result<(), Fault> {
        match answered.answer {
            Answer::Approve => self.move_step(answered.step, "'asking'", StepState::Pending),
            Answer::Reject | Answer::Retry | Answer::Ignore | Answer::Abort => Ok(()),
        }
    }

    fn settle_step(&self, settled: &Settled) -> Result<(), Fault> {
        change(
            self.tx,
            "UPDATE step_run SET state = ?3, reason = ?4, detail = ?5, ended_at = ?6
             WHERE deployment_id = ?1 AND idx = ?2 AND state IN ('pending', 'queued', 'asking')",
            params![
                self.id.to_string(),
                settled.step as i64,
                settled.end.name(),
                settled.reason,
                settled.detail,
                self.at_ms,
            ],
            &format!("settling step {} of deployment {}", settled.step, self.id),
        )
    }

    /// A deployment is unknown as long as one of its steps is.
    fn review_state(&self) -> Result<(), Fault> {
        change(
            self.tx,
            "UPDATE deployment
             SET state = CASE WHEN EXISTS (SELECT 1 FROM step_run WHERE deployment_id = ?1 AND state = 'unknown')
                         THEN 'unknown' ELSE 'running' END
             WHERE id = ?1 AND ended_at IS NULL",
            params![self.id.to_string()],
            &format!("reviewing the state of deployment {}", self.id),
        )
    }

    fn request_cancel(&self) -> Result<(), Fault> {
        change(
            self.tx,
            "UPDATE deployment SET cancel_requested = 1 WHERE id = ?1 AND cancel_requested = 0 AND ended_at IS NULL",
            params![self.id.to_string()],
            &format!("asking for the end of deployment {}", self.id),
        )
    }

    fn end(&self, state: DeploymentEnd) -> Result<(), Fault> {
        change(
            self.tx,
            "UPDATE deployment SET state = ?2, ended_at = ?3 WHERE id = ?1 AND ended_at IS NULL",
            params![self.id.to_string(), DeploymentState::from(state).name(), self.at_ms],
            &format!("ending deployment {}", self.id),
        )
    }
}

fn open_session(tx: &Connection, at_ms: i64, opened: &SessionOpened) -> Result<(), Fault> {
    change(
        tx,
        "UPDATE worker SET session_epoch = :epoch, journal_id = :journal, boot_id = :boot, last_seen_at = :at,
                assign_hwm = max(assign_hwm, :hwm)
         WHERE id = :worker AND session_epoch = :epoch - 1",
        named_params! {
            ":epoch": opened.epoch.0,
            ":journal": opened.journal_id,
            ":boot": opened.boot_id,
            ":hwm": opened.assign_hwm.0,
            ":at": at_ms,
            ":worker": opened.worker.to_string(),
        },
        &format!("opening session {} of worker {}", opened.epoch.0, opened.worker),
    )
}

/// Whether nobody knows what the attempt did.
const fn is_unclear(state: AttemptState) -> bool {
    matches!(state, AttemptState::Unknown | AttemptState::Interrupted)
}

/// Runs a statement that must change exactly one row: no row means that the store is not in the state the fact expects.
fn change(tx: &Connection, sql: &str, values: impl Params, doing: &str) -> Result<(), Fault> {
    let changed = tx.prepare_cached(sql).and_then(|mut statement| statement.execute(values)).stored(doing)?;
    if changed == 1 {
        return Ok(());
    }
    Err(Fault::new(
        Reason::Internal,
        format!(
            "The store failed while {doing}: it is not there, or not in the state that was expected; nothing was changed."
        ),
    ))
}

#[cfg(test)]
mod tests;
