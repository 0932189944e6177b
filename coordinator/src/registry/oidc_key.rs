//! Keys that sign the tokens for AWS.

use rusqlite::{Connection, params};
use shared::reason::Fault;

use crate::{issuer::rotation::KeyTimes, store::Stored};

/// A key as it is stored.
pub struct Row {
    /// Its name and times.
    pub times: KeyTimes,
    /// PKCS #8, sealed.
    pub sealed_key: Vec<u8>,
}

/// All of them, in the order in which they sign.
///
/// # Errors
/// Those of the store.
pub fn list(connection: &Connection) -> Result<Vec<Row>, Fault> {
    connection
        .prepare_cached("SELECT kid, sealed_key, published_at, signs_from FROM oidc_key ORDER BY signs_from, kid")
        .and_then(|mut query| {
            query
                .query_map([], |row| {
                    let times = KeyTimes { kid: row.get(0)?, published_at: row.get(2)?, signs_from: row.get(3)? };
                    Ok(Row { times, sealed_key: row.get(1)? })
                })?
                .collect()
        })
        .stored("reading the keys that sign tokens")
}

/// # Errors
/// Those of the store.
pub fn insert(connection: &Connection, row: &Row) -> Result<(), Fault> {
    connection
        .execute(
            "INSERT INTO oidc_key (kid, sealed_key, published_at, signs_from) VALUES (?1, ?2, ?3, ?4)",
            params![row.times.kid, row.sealed_key, row.times.published_at, row.times.signs_from],
        )
        .stored("writing a key that signs tokens")
        .map(drop)
}

/// It signs from another time on.
///
/// # Errors
/// Those of the store.
pub fn sign_from(connection: &Connection, kid: &str, at: i64) -> Result<(), Fault> {
    connection
        .execute("UPDATE oidc_key SET signs_from = ?2 WHERE kid = ?1", params![kid, at])
        .stored("changing a key that signs tokens")
        .map(drop)
}

/// # Errors
/// Those of the store.
pub fn delete(connection: &Connection, kid: &str) -> Result<(), Fault> {
    connection
        .execute("DELETE FROM oidc_key WHERE kid = ?1", [kid])
        .stored("removing a key that signs tokens")
        .map(drop)
}
