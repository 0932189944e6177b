//! Workers.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row as SqlRow, params};
use serde::{Deserialize, Serialize};
use shared::{
    id::WorkerId,
    reason::{Fault, Reason},
};

use crate::{pki::WorkerCertificate, store::Stored};

/// What an admin wants of a worker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// Takes steps.
    Active,
    /// Finishes what it has and takes nothing new.
    Draining,
    /// Offered nothing until resumed.
    Disabled,
    /// May not connect again, ever.
    Revoked,
}

impl State {
    /// Its name in the store.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Draining => "draining",
            Self::Disabled => "disabled",
            Self::Revoked => "revoked",
        }
    }

    fn named(name: &str) -> Self {
        match name {
            "active" => Self::Active,
            "draining" => Self::Draining,
            "disabled" => Self::Disabled,
            // The schema's check allows no other word; were there one, it must not connect.
            _ => Self::Revoked,
        }
    }
}

/// A worker as it is stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// As in its certificate.
    pub id: WorkerId,
    /// Unique, given by the invitation.
    pub name: String,
    /// Given by the invitation.
    pub pool: String,
    /// Given by the invitation.
    pub labels: BTreeMap<String, String>,
    /// What an admin wants of it.
    pub state: State,
    /// Milliseconds since 1970.
    pub created_at: i64,
    /// SHA-256 of the key it uses.
    pub spki_current: Option<Vec<u8>>,
    /// Number of the certificate it uses.
    pub serial_current: Option<Vec<u8>>,
    /// Number of the certificate it was given last and did not use yet.
    pub serial_next: Option<Vec<u8>>,
    /// Milliseconds since 1970: the end of its newest certificate.
    pub not_after: i64,
    /// Of its newest session.
    pub session_epoch: i64,
    /// As it said last; empty if never.
    pub journal_id: String,
    /// As it said last; empty if never.
    pub boot_id: String,
    /// Of its program, as it said last.
    pub version: String,
    /// Steps it may run at once, as it said last.
    pub slots: i64,
    /// Milliseconds since 1970; absent if never.
    pub last_seen_at: Option<i64>,
    /// Milliseconds its clock is ahead.
    pub clock_offset: i64,
    /// Its own AWS identity, as it said last.
    pub identity: Option<Identity>,
}

/// What a worker says of itself: its own AWS identity, and whether its steps are kept from the instance's metadata.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Identity {
    /// 12 digits; empty when it has none.
    pub account: String,
    /// Full ARN; empty when it has none.
    pub arn: String,
    /// Region of the host; may be empty.
    #[serde(default)]
    pub region: String,
    /// Where it came from.
    #[serde(default)]
    pub source: String,
    /// `aws`, `aws-cn`, `aws-us-gov`.
    #[serde(default)]
    pub partition: String,
    /// When the worker got these credentials, seconds since 1970.
    #[serde(default)]
    pub obtained_at: i64,
    /// When they end, seconds since 1970.
    #[serde(default)]
    pub expires_at: i64,
    /// Stable code of why it has no identity; empty when it has one.
    #[serde(default)]
    pub reason: String,
    /// That, in a sentence.
    #[serde(default)]
    pub problem: String,
    /// Whether its steps cannot reach the instance's metadata.
    #[serde(default)]
    pub isolated: bool,
    /// Why they can, in a sentence.
    #[serde(default)]
    pub isolation_detail: String,
}

/// # Errors
/// [`Reason::AlreadyExists`] when the name is taken; those of the store.
pub fn ensure_name_is_free(connection: &Connection, name: &str) -> Result<(), Fault> {
    match find(connection, name)? {
        None => Ok(()),
        Some(_) => Err(Fault::new(
            Reason::AlreadyExists,
            format!(
                "There is a worker named \"{name}\" already: choose another name, or revoke and delete that one first."
            ),
        )),
    }
}

/// Adds a worker with its first certificate.
///
/// # Errors
/// Those of the store.
pub fn insert(
    connection: &Connection,
    (id, name, pool, labels): (WorkerId, &str, &str, &str),
    certificate: &WorkerCertificate,
    at: i64,
) -> Result<(), Fault> {
    connection
        .execute(
            "INSERT INTO worker (id, name, pool, labels, state, created_at, spki_current, serial_current, not_after)
             VALUES (?1, ?2, ?3, ?4, 'active', ?5, ?6, ?7, ?8)",
            params![
                id.to_string(),
                name,
                pool,
                labels,
                at,
                certificate.spki,
                certificate.serial,
                certificate.not_after
            ],
        )
        .stored("writing a worker")
        .map(drop)
}

/// By name or id.
///
/// # Errors
/// [`Reason::WorkerNotFound`]; those of the store.
pub fn get(connection: &Connection, worker: &str) -> Result<Row, Fault> {
    find(connection, worker)?.ok_or_else(|| {
        Fault::new(
            Reason::WorkerNotFound,
            format!(
                "There is no worker with the name or id \"{worker}\": `longshore worker list` shows those there are."
            ),
        )
    })
}

/// By name or id.
///
/// # Errors
/// Those of the store.
pub fn find(connection: &Connection, worker: &str) -> Result<Option<Row>, Fault> {
    connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM worker WHERE name = ?1 OR id = ?1 ORDER BY name = ?1 DESC LIMIT 1"
        ))
        .and_then(|mut query| query.query_row([worker], read).optional())
        .stored("reading a worker")
}

/// All, or those of a pool, by name.
///
/// # Errors
/// Those of the store.
pub fn list(connection: &Connection, pool: Option<&str>) -> Result<Vec<Row>, Fault> {
    let mut query = connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM worker WHERE ?1 IS NULL OR pool = ?1 ORDER BY name"))
        .stored("reading the workers")?;
    let rows = query.query_map([pool], read).stored("reading the workers")?;
    rows.collect::<Result<_, _>>().stored("reading the workers")
}

/// Whether a key belongs to some worker already.
///
/// # Errors
/// Those of the store.
pub fn is_key_known(connection: &Connection, spki: &[u8]) -> Result<bool, Fault> {
    connection
        .query_row("SELECT EXISTS (SELECT 1 FROM issued_certificate WHERE spki = ?1)", [spki], |row| row.get(0))
        .stored("looking for a key")
}

/// What an admin wants of it from now on.
///
/// # Errors
/// [`Reason::WorkerRevoked`] when it was revoked; those of the store.
pub fn set_state(connection: &Connection, row: &Row, state: State) -> Result<(), Fault> {
    if row.state == State::Revoked {
        return Err(revoked(&row.name));
    }
    connection
        .execute("UPDATE worker SET state = ?2 WHERE id = ?1", params![row.id.to_string(), state.name()])
        .stored("writing a worker")
        .map(drop)
}

/// Ends its right to connect. Repeatable.
///
/// # Errors
/// Those of the store.
pub fn revoke(connection: &Connection, id: WorkerId) -> Result<(), Fault> {
    connection
        .execute(
            "UPDATE worker SET state = 'revoked', serial_current = NULL, serial_next = NULL, spki_current = NULL,
             spki_next = NULL WHERE id = ?1",
            [id.to_string()],
        )
        .stored("revoking a worker")
        .map(drop)
}

/// Forgets a worker that was revoked or never seen.
///
/// # Errors
/// [`Reason::InUse`] while it is neither, or an attempt of it has not settled; those of the store.
pub fn delete(connection: &Connection, row: &Row) -> Result<(), Fault> {
    if row.state != State::Revoked && row.last_seen_at.is_some() {
        return Err(Fault::new(
            Reason::InUse,
            format!("The worker \"{}\" may still connect: revoke it first (`longshore worker revoke`).", row.name),
        ));
    }
    let open: bool = connection
        .query_row(
            "SELECT EXISTS (SELECT 1 FROM attempt WHERE worker_id = ?1
             AND state IN ('OFFERED', 'GRANTED', 'RUNNING', 'UNKNOWN', 'INTERRUPTED'))",
            [row.id.to_string()],
            |found| found.get(0),
        )
        .stored("looking for attempts")?;
    if open {
        return Err(Fault::new(
            Reason::InUse,
            format!(
                "A step on the worker \"{}\" has not settled: cancel its deployment, or decide about it first.",
                row.name
            ),
        ));
    }
    connection
        .execute("UPDATE invitation SET redeemed_by = NULL WHERE redeemed_by = ?1", [row.id.to_string()])
        .stored("forgetting a worker")?;
    connection.execute("DELETE FROM worker WHERE id = ?1", [row.id.to_string()]).stored("forgetting a worker").map(drop)
}

/// Notes the certificate it may use next; an unused one from before is no good any more.
///
/// # Errors
/// Those of the store.
pub fn set_next(connection: &Connection, id: WorkerId, certificate: &WorkerCertificate) -> Result<(), Fault> {
    connection
        .execute(
            "UPDATE worker SET serial_next = ?2, spki_next = ?3, not_after = ?4 WHERE id = ?1",
            params![id.to_string(), certificate.serial, certificate.spki, certificate.not_after],
        )
        .stored("noting a certificate")
        .map(drop)
}

/// Replaces the certificate it uses, for a join that is repeated because its answer was lost.
///
/// # Errors
/// Those of the store.
pub fn set_current(connection: &Connection, id: WorkerId, certificate: &WorkerCertificate) -> Result<(), Fault> {
    connection
        .execute(
            "UPDATE worker SET serial_current = ?2, spki_current = ?3, serial_next = NULL, spki_next = NULL, not_after = ?4
             WHERE id = ?1",
            params![id.to_string(), certificate.serial, certificate.spki, certificate.not_after],
        )
        .stored("noting a certificate")
        .map(drop)
}

/// It used its next certificate: that is its current one from now on. False when it is not the next one.
///
/// # Errors
/// Those of the store.
pub fn activate_next(connection: &Connection, id: WorkerId, serial: &[u8]) -> Result<bool, Fault> {
    connection
        .execute(
            "UPDATE worker SET serial_current = serial_next, spki_current = spki_next, serial_next = NULL, spki_next = NULL
             WHERE id = ?1 AND serial_next = ?2 AND state <> 'revoked'",
            params![id.to_string(), serial],
        )
        .stored("activating a certificate")
        .map(|changed| changed == 1)
}

/// On hold it shows a certificate that ends later than every one the store knows of it: that one was issued in what the store lost, and
/// is its current one. False when it is none such.
///
/// # Errors
/// Those of the store.
pub fn take_up_certificate(
    connection: &Connection,
    id: WorkerId,
    serial: &[u8],
    not_after: i64,
) -> Result<bool, Fault> {
    connection
        .execute(
            "UPDATE worker SET serial_current = ?2, spki_current = NULL, serial_next = NULL, spki_next = NULL, not_after = ?3
             WHERE id = ?1 AND not_after < ?3 AND state <> 'revoked'
                   AND EXISTS (SELECT 1 FROM store_meta WHERE held_since IS NOT NULL)",
            params![id.to_string(), serial, not_after],
        )
        .stored("taking up a certificate")
        .map(|changed| changed == 1)
}

/// What a worker says of itself at the beginning of a session. `ahead_ms`: how far its clock is ahead.
///
/// # Errors
/// Those of the store.
pub fn note_hello(
    connection: &Connection,
    id: WorkerId,
    (version, slots): (&str, i64),
    ahead_ms: i64,
    at: i64,
) -> Result<(), Fault> {
    connection
        .execute(
            "UPDATE worker SET version = ?2, slots = ?3, clock_offset = ?4, last_seen_at = ?5 WHERE id = ?1",
            params![id.to_string(), version, slots, ahead_ms, at],
        )
        .stored("noting a worker's session")
        .map(drop)
}

/// Whom AWS takes the worker's host for, as the worker said.
///
/// # Errors
/// Those of the store.
pub fn note_identity(connection: &Connection, id: WorkerId, identity: Option<&Identity>) -> Result<(), Fault> {
    let json = identity.map(|identity| serde_json::to_string(identity).unwrap_or_default());
    connection
        .execute("UPDATE worker SET identity = ?2 WHERE id = ?1", params![id.to_string(), json])
        .stored("noting a worker's identity")
        .map(drop)
}

/// What an admin gets who wants something of a revoked worker, and the worker itself.
#[must_use]
pub fn revoked(name: &str) -> Fault {
    Fault::new(
        Reason::WorkerRevoked,
        format!("The worker \"{name}\" was revoked, for ever: invite the host anew (`longshore worker invite`)."),
    )
}

const COLUMNS: &str = "id, name, pool, labels, state, created_at, serial_current, serial_next, not_after, session_epoch, journal_id, \
                       boot_id, version, slots, last_seen_at, clock_offset, identity, spki_current";

fn read(row: &SqlRow<'_>) -> rusqlite::Result<Row> {
    let (id, state): (String, String) = (row.get(0)?, row.get(4)?);
    Ok(Row {
        id: id.parse().map_err(|error| misread(0, error))?,
        name: row.get(1)?,
        pool: row.get(2)?,
        labels: json(row, 3)?,
        state: State::named(&state),
        created_at: row.get(5)?,
        spki_current: row.get(17)?,
        serial_current: row.get(6)?,
        serial_next: row.get(7)?,
        not_after: row.get(8)?,
        session_epoch: row.get(9)?,
        journal_id: row.get(10)?,
        boot_id: row.get(11)?,
        version: row.get(12)?,
        slots: row.get(13)?,
        last_seen_at: row.get(14)?,
        clock_offset: row.get(15)?,
        identity: row.get::<_, Option<String>>(16)?.and_then(|text| serde_json::from_str(&text).ok()),
    })
}

fn json<T: for<'de> Deserialize<'de>>(row: &SqlRow<'_>, column: usize) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|error| misread(column, error))
}

fn misread(column: usize, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
}
