//! Invitations: what a join string is good for.

use rusqlite::{Connection, OptionalExtension, params};
use shared::{id::WorkerId, reason::Fault};

use crate::store::Stored;

/// An invitation as it is stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// 10 random bytes.
    pub id: Vec<u8>,
    /// Keyed digest of its secret.
    pub digest: Vec<u8>,
    /// Pool of the worker it makes.
    pub pool: String,
    /// Name of the worker it makes.
    pub worker_name: String,
    /// Labels of the worker it makes, as JSON.
    pub labels: String,
    /// Who made it.
    pub created_by: String,
    /// Milliseconds since 1970.
    pub created_at: i64,
    /// Milliseconds since 1970.
    pub expires_at: i64,
    /// Workers it may still make.
    pub uses_left: i64,
    /// Digest of the key that used it.
    pub redeemed_spki: Option<Vec<u8>>,
    /// The worker it made.
    pub redeemed_by: Option<WorkerId>,
    /// Milliseconds since 1970.
    pub redeemed_at: Option<i64>,
}

/// # Errors
/// Those of the store.
pub fn insert(connection: &Connection, row: &Row) -> Result<(), Fault> {
    connection
        .execute(
            "INSERT INTO invitation (id, secret_hmac, pool, worker_name, labels, created_by, created_at, expires_at, uses_left)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            params![
                row.id,
                row.digest,
                row.pool,
                row.worker_name,
                row.labels,
                row.created_by,
                row.created_at,
                row.expires_at,
                row.uses_left
            ],
        )
        .stored("writing an invitation")
        .map(drop)
}

/// # Errors
/// Those of the store.
pub fn find(connection: &Connection, id: &[u8]) -> Result<Option<Row>, Fault> {
    connection
        .query_row(
            "SELECT id, secret_hmac, pool, worker_name, labels, created_by, created_at, expires_at, uses_left, redeemed_spki,
             redeemed_by, redeemed_at FROM invitation WHERE id = ?1",
            [id],
            |row| {
                Ok(Row {
                    id: row.get(0)?,
                    digest: row.get(1)?,
                    pool: row.get(2)?,
                    worker_name: row.get(3)?,
                    labels: row.get(4)?,
                    created_by: row.get(5)?,
                    created_at: row.get(6)?,
                    expires_at: row.get(7)?,
                    uses_left: row.get(8)?,
                    redeemed_spki: row.get(9)?,
                    redeemed_by: row.get::<_, Option<String>>(10)?.and_then(|id| id.parse().ok()),
                    redeemed_at: row.get(11)?,
                })
            },
        )
        .optional()
        .stored("reading an invitation")
}

/// Uses it up, in one statement: of many who try at once, one gets `true`.
///
/// # Errors
/// Those of the store.
pub fn redeem(connection: &Connection, id: &[u8], spki: &[u8], worker: WorkerId, at: i64) -> Result<bool, Fault> {
    connection
        .execute(
            "UPDATE invitation SET uses_left = uses_left - 1, redeemed_spki = ?2, redeemed_by = ?3, redeemed_at = ?4
             WHERE id = ?1 AND uses_left > 0 AND expires_at > ?4",
            params![id, spki, worker.to_string(), at],
        )
        .stored("redeeming an invitation")
        .map(|redeemed| redeemed == 1)
}
