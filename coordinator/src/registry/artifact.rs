//! Artifacts: what is known of the files that steps left behind.

use rusqlite::{Connection, OptionalExtension, Params, Row as SqlRow, params, types::Type};
use shared::{
    id::{DeploymentId, ExecutionId},
    reason::Fault,
};

use crate::store::Stored;

/// Where an artifact is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// On its way.
    Arriving,
    /// Its bytes are in the store of contents.
    Stored,
    /// It is not taken.
    Refused,
    /// It was kept long enough.
    Expired,
}

/// An artifact as its worker tells of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Told {
    /// The attempt that left it.
    pub execution: ExecutionId,
    /// From 1, within the attempt.
    pub number: u32,
    /// What people call it.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256 of its bytes, hex.
    pub sha256: String,
}

/// An artifact as it is stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// What its worker told.
    pub told: Told,
    /// Name of the step.
    pub step: String,
    /// Number of the attempt.
    pub attempt: i32,
    /// Where it is.
    pub state: State,
    /// Stable code of why it is not taken; empty when it is.
    pub reason: String,
    /// That, in a sentence.
    pub detail: String,
    /// When it was heard of, in milliseconds since 1970.
    pub created_at: i64,
}

const SELECT: &str = "SELECT artifact.execution_id, artifact.number, artifact.name, size, sha256, artifact.state, artifact.reason,
                             artifact.detail, artifact.created_at, attempt.number AS attempt, step_run.name AS step
                      FROM artifact JOIN attempt USING (execution_id)
                      JOIN step_run ON step_run.deployment_id = artifact.deployment_id AND step_run.idx = attempt.step_idx";

impl State {
    const fn name(self) -> &'static str {
        match self {
            Self::Arriving => "arriving",
            Self::Stored => "stored",
            Self::Refused => "refused",
            Self::Expired => "expired",
        }
    }

    fn named(name: &str) -> Self {
        match name {
            "arriving" => Self::Arriving,
            "stored" => Self::Stored,
            "refused" => Self::Refused,
            // The schema's check allows no other word; were there one, nothing may be read of it.
            _ => Self::Expired,
        }
    }
}

/// Writes down one that was never heard of, as arriving; answers whether it was one.
///
/// # Errors
/// Those of the store.
pub fn insert(connection: &Connection, now: i64, told: &Told) -> Result<bool, Fault> {
    let inserted = connection.execute(
        "INSERT OR IGNORE INTO artifact (execution_id, number, deployment_id, name, size, sha256, state, created_at)
         SELECT execution_id, ?2, deployment_id, ?3, ?4, ?5, 'arriving', ?6 FROM attempt WHERE execution_id = ?1",
        params![told.execution.to_string(), told.number, told.name, told.size.cast_signed(), told.sha256, now],
    );
    inserted.stored("writing an artifact").map(|rows| rows > 0)
}

/// Writes down where one is now.
///
/// # Errors
/// Those of the store.
pub fn set_state(connection: &Connection, told: &Told, state: State, reason: &str, detail: &str) -> Result<(), Fault> {
    connection
        .execute(
            "UPDATE artifact SET state = ?3, reason = ?4, detail = ?5 WHERE execution_id = ?1 AND number = ?2",
            params![told.execution.to_string(), told.number, state.name(), reason, detail],
        )
        .stored("writing what became of an artifact")
        .map(drop)
}

/// One, if it was heard of.
///
/// # Errors
/// Those of the store.
pub fn get(connection: &Connection, execution: ExecutionId, number: u32) -> Result<Option<Row>, Fault> {
    connection
        .prepare_cached(&format!("{SELECT} WHERE artifact.execution_id = ?1 AND artifact.number = ?2"))
        .and_then(|mut query| query.query_row(params![execution.to_string(), number], read).optional())
        .stored("reading an artifact")
}

/// Those of a deployment, in order of the process, then of attempts, then as they were made.
///
/// # Errors
/// Those of the store.
pub fn list(connection: &Connection, deployment: DeploymentId) -> Result<Vec<Row>, Fault> {
    let order = "WHERE artifact.deployment_id = ?1 ORDER BY attempt.step_idx, attempt.number, artifact.number";
    all(connection, &format!("{SELECT} {order}"), [deployment.to_string()])
}

/// How many a deployment has.
///
/// # Errors
/// Those of the store.
pub fn count(connection: &Connection, deployment: DeploymentId) -> Result<i32, Fault> {
    connection
        .prepare_cached("SELECT count(*) FROM artifact WHERE deployment_id = ?1")
        .and_then(|mut query| query.query_row([deployment.to_string()], |row| row.get(0)))
        .stored("counting the artifacts of a deployment")
}

/// Those that are stored and whose deployment ended before a time, the longest ago first.
///
/// # Errors
/// Those of the store.
pub fn ended_before(connection: &Connection, at: i64) -> Result<Vec<Row>, Fault> {
    let order = "JOIN deployment ON deployment.id = artifact.deployment_id
                 WHERE artifact.state = 'stored' AND deployment.ended_at < ?1 ORDER BY deployment.ended_at LIMIT 1000";
    all(connection, &format!("{SELECT} {order}"), [at])
}

/// Bytes of all that are stored or on their way.
///
/// # Errors
/// Those of the store.
pub fn bytes(connection: &Connection) -> Result<u64, Fault> {
    connection
        .query_row("SELECT coalesce(sum(size), 0) FROM artifact WHERE state IN ('arriving', 'stored')", [], |row| {
            row.get::<_, i64>(0)
        })
        .stored("counting the bytes of artifacts")
        .map(|bytes| bytes.max(0).cast_unsigned())
}

/// Whether some artifact has this content.
///
/// # Errors
/// Those of the store.
pub fn uses(connection: &Connection, sha256: &str) -> Result<bool, Fault> {
    connection
        .query_row("SELECT EXISTS (SELECT 1 FROM artifact WHERE sha256 = ?1 AND state = 'stored')", [sha256], |row| {
            row.get(0)
        })
        .stored("looking for a content")
}

fn all(connection: &Connection, query: &str, parameters: impl Params) -> Result<Vec<Row>, Fault> {
    let mut query = connection.prepare_cached(query).stored("reading artifacts")?;
    let rows = query.query_map(parameters, read).stored("reading artifacts")?;
    rows.collect::<Result<_, _>>().stored("reading artifacts")
}

fn id(row: &SqlRow<'_>, column: &str) -> rusqlite::Result<ExecutionId> {
    let text = row.get_ref(column)?.as_str()?;
    text.parse().map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(error)))
}

fn read(row: &SqlRow<'_>) -> rusqlite::Result<Row> {
    Ok(Row {
        told: Told {
            execution: id(row, "execution_id")?,
            number: row.get("number")?,
            name: row.get("name")?,
            size: row.get::<_, i64>("size")?.max(0).cast_unsigned(),
            sha256: row.get("sha256")?,
        },
        step: row.get("step")?,
        attempt: row.get("attempt")?,
        state: State::named(row.get_ref("state")?.as_str()?),
        reason: row.get("reason")?,
        detail: row.get("detail")?,
        created_at: row.get("created_at")?,
    })
}
