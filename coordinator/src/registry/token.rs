//! API tokens.

use rusqlite::{Connection, OptionalExtension, Row as SqlRow, params};
use shared::reason::{Fault, Reason};

use crate::{
    store::{Stored, is_duplicate},
    token::Role,
};

/// A token as it is stored; the digest says nothing about its secret.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// Public part.
    pub id: String,
    /// For people and the audit log.
    pub name: String,
    /// What its holder may do.
    pub role: Role,
    /// Keyed digest of its secret.
    pub digest: Vec<u8>,
    /// Milliseconds since 1970.
    pub created_at: i64,
    /// Milliseconds since 1970; never, if absent.
    pub expires_at: Option<i64>,
    /// Milliseconds since 1970; it is no good any more.
    pub revoked_at: Option<i64>,
}

const COLUMNS: &str = "id, name, role, secret_hmac, created_at, expires_at, revoked_at";

/// # Errors
/// [`Reason::AlreadyExists`] when another token has the name; those of the store.
pub fn insert(connection: &Connection, row: &Row) -> Result<(), Fault> {
    let inserted = connection.execute(
        "INSERT INTO api_token (id, name, role, secret_hmac, created_at, expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![row.id, row.name, row.role.name(), row.digest, row.created_at, row.expires_at],
    );
    match inserted {
        Err(error) if is_duplicate(&error) => Err(Fault::new(
            Reason::AlreadyExists,
            format!(
                "There is a token named \"{}\" already: choose another name, since the audit log tells them apart by it.",
                row.name
            ),
        )),
        other => other.stored("writing a token").map(drop),
    }
}

/// # Errors
/// Those of the store.
pub fn find(connection: &Connection, id: &str) -> Result<Option<Row>, Fault> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM api_token WHERE id = ?1"))
        .and_then(|mut query| query.query_row([id], read).optional())
        .stored("reading a token")
}

/// All of them, oldest first.
///
/// # Errors
/// Those of the store.
pub fn list(connection: &Connection) -> Result<Vec<Row>, Fault> {
    let mut query = connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM api_token ORDER BY created_at, id"))
        .stored("reading the tokens")?;
    let rows = query.query_map([], read).stored("reading the tokens")?;
    rows.collect::<Result<_, _>>().stored("reading the tokens")
}

/// Ends a token.
///
/// # Errors
/// [`Reason::TokenNotFound`] when none in use has the name; those of the store.
pub fn revoke(connection: &Connection, name: &str, at: i64) -> Result<(), Fault> {
    let revoked = connection
        .execute("UPDATE api_token SET revoked_at = ?2 WHERE name = ?1 AND revoked_at IS NULL", params![name, at])
        .stored("revoking a token")?;
    if revoked == 0 {
        return Err(Fault::new(
            Reason::TokenNotFound,
            format!(
                "There is no token named \"{name}\" in use: `longshore-coordinator admin-token list` shows them all."
            ),
        ));
    }
    Ok(())
}

fn read(row: &SqlRow<'_>) -> rusqlite::Result<Row> {
    let role: String = row.get(2)?;
    Ok(Row {
        id: row.get(0)?,
        name: row.get(1)?,
        // The schema's check allows no other word; were there one, it may do the least.
        role: Role::named(&role).unwrap_or(Role::Viewer),
        digest: row.get(3)?,
        created_at: row.get(4)?,
        expires_at: row.get(5)?,
        revoked_at: row.get(6)?,
    })
}
