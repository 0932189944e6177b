//! Brings a store of any earlier version up to this program's, in one transaction.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use shared::reason::{Fault, Reason};
use uuid::Uuid;

use super::connection::unavailable;

/// What makes version n+1 out of version n, in order; a new store goes through all of them. One that was released is never edited.
const MIGRATIONS: [&str; 8] = [
    include_str!("schema.sql"),
    include_str!("migrations/2-oidc-key.sql"),
    include_str!("migrations/3-accounts-and-pools.sql"),
    include_str!("migrations/4-scopes.sql"),
    include_str!("migrations/5-asking.sql"),
    include_str!("migrations/6-shared-variables.sql"),
    include_str!("migrations/7-artifacts.sql"),
    include_str!("migrations/8-hold.sql"),
];

/// The version this program writes.
const VERSION: i64 = MIGRATIONS.len() as i64;

pub(super) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), Fault> {
    let found = version(connection).map_err(|error| unavailable(path, &error))?;
    if found > VERSION {
        return Err(too_new(path, found));
    }
    if found < VERSION {
        apply(connection, found).map_err(|error| unavailable(path, &error))?;
    }
    Ok(())
}

/// 0 for a file that was just made.
fn version(connection: &Connection) -> rusqlite::Result<i64> {
    let known = connection
        .query_row("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'store_meta'", [], |_| Ok(()))
        .optional()?;
    if known.is_none() {
        return Ok(0);
    }
    connection.query_row("SELECT schema_version FROM store_meta", [], |row| row.get(0))
}

fn apply(connection: &mut Connection, found: i64) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Exclusive)?;
    for migration in MIGRATIONS.iter().skip(found as usize) {
        transaction.execute_batch(migration)?;
    }
    if found == 0 {
        transaction.execute(
            "INSERT INTO store_meta (one, store_id, schema_version, created_at) VALUES (1, ?1, ?2, ?3)",
            params![Uuid::now_v7().to_string(), VERSION, jiff::Timestamp::now().as_millisecond()],
        )?;
    } else {
        transaction.execute("UPDATE store_meta SET schema_version = ?1", params![VERSION])?;
    }
    transaction.commit()
}

fn too_new(path: &Path, found: i64) -> Fault {
    Fault::new(
        Reason::StoreTooNew,
        format!(
            "The store {} has version {found}; this program knows versions up to {VERSION}. Start the Longshore that wrote it, or a newer one.",
            path.display(),
        ),
    )
}
