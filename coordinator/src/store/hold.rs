//! Whether the store may have gone back in time.

use rusqlite::{Connection, params};
use shared::reason::Fault;

use super::error::Stored;

/// The hold as it is stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HoldRow {
    /// Since when, milliseconds since 1970.
    pub since: i64,
    /// Why, in a sentence.
    pub why: String,
}

/// How often the store went back in time.
///
/// # Errors
/// Those of the store.
pub fn restores(connection: &Connection) -> Result<u32, Fault> {
    connection
        .query_row("SELECT restores FROM store_meta", [], |row| row.get(0))
        .stored("reading how often the store was restored")
}

/// The hold, if there is one.
///
/// # Errors
/// Those of the store.
pub fn hold(connection: &Connection) -> Result<Option<HoldRow>, Fault> {
    connection
        .query_row("SELECT held_since, held_why FROM store_meta", [], |row| {
            let since: Option<i64> = row.get(0)?;
            let why = row.get(1)?;
            Ok(since.map(|since| HoldRow { since, why }))
        })
        .stored("reading the hold")
}

/// Puts the store on hold: it went back in time, or seems to.
///
/// # Errors
/// Those of the store.
pub fn begin(tx: &Connection, at_ms: i64, why: &str) -> Result<(), Fault> {
    tx.execute("UPDATE store_meta SET restores = restores + 1, held_since = ?1, held_why = ?2", params![at_ms, why])
        .map(|_| ())
        .stored("beginning the hold")
}

/// Somebody takes on what it may have lost.
///
/// # Errors
/// Those of the store.
pub fn lift(tx: &Connection) -> Result<(), Fault> {
    tx.execute("UPDATE store_meta SET held_since = NULL, held_why = ''", []).map(|_| ()).stored("lifting the hold")
}
