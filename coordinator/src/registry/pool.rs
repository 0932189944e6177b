//! Pools.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row as SqlRow, params};
use shared::reason::{Fault, Reason};

use crate::store::{Stored, is_duplicate};

/// The pool that is there from the start.
pub const DEFAULT: &str = "default";

/// A pool as it is stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// Unique.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// What a worker must carry besides to get its steps.
    pub requires: BTreeMap<String, String>,
    /// Milliseconds since 1970.
    pub created_at: i64,
}

/// # Errors
/// [`Reason::AlreadyExists`] when the name is taken; those of the store.
pub fn insert(connection: &Connection, row: &Row) -> Result<(), Fault> {
    let inserted = connection.execute(
        "INSERT INTO pool (name, description, created_at, requires) VALUES (?1, ?2, ?3, ?4)",
        params![row.name, row.description, row.created_at, serde_json::json!(row.requires).to_string()],
    );
    match inserted {
        Err(error) if is_duplicate(&error) => {
            Err(Fault::new(Reason::AlreadyExists, format!("There is a pool named \"{}\" already.", row.name)))
        }
        other => other.stored("writing a pool").map(drop),
    }
}

/// # Errors
/// [`Reason::PoolNotFound`]; those of the store.
pub fn get(connection: &Connection, name: &str) -> Result<Row, Fault> {
    connection
        .prepare_cached("SELECT name, description, created_at, requires FROM pool WHERE name = ?1")
        .and_then(|mut query| query.query_row([name], read).optional())
        .stored("reading a pool")?
        .ok_or_else(|| not_found(name))
}

/// All, by name.
///
/// # Errors
/// Those of the store.
pub fn list(connection: &Connection) -> Result<Vec<Row>, Fault> {
    let mut query = connection
        .prepare_cached("SELECT name, description, created_at, requires FROM pool ORDER BY name")
        .stored("reading the pools")?;
    let rows = query.query_map([], read).stored("reading the pools")?;
    rows.collect::<Result<_, _>>().stored("reading the pools")
}

/// Makes the pool that steps use which name none, unless it is there.
///
/// # Errors
/// Those of the store.
pub fn ensure_default(connection: &Connection, at: i64) -> Result<(), Fault> {
    connection
        .execute(
            "INSERT INTO pool (name, description, created_at) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
            params![DEFAULT, "Runs the steps that name no pool.", at],
        )
        .stored("making the default pool")
        .map(drop)
}

/// Removes a pool without workers.
///
/// # Errors
/// [`Reason::PoolNotFound`], [`Reason::InUse`]; those of the store.
pub fn delete(connection: &Connection, name: &str) -> Result<(), Fault> {
    get(connection, name)?;
    let in_use = |why: String| Err(Fault::new(Reason::InUse, why));
    if name == DEFAULT {
        return in_use(format!("The pool \"{name}\" stays: steps that name no pool run in it."));
    }
    let workers: i64 = connection
        .query_row("SELECT COUNT(*) FROM worker WHERE pool = ?1", [name], |row| row.get(0))
        .stored("counting workers")?;
    if workers > 0 {
        return in_use(format!(
            "The pool \"{name}\" is in use: {workers} workers belong to it. Revoke and delete them first."
        ));
    }
    // A join string that was not used would make a worker of a pool that is gone.
    connection.execute("DELETE FROM invitation WHERE pool = ?1", [name]).stored("removing invitations")?;
    connection.execute("DELETE FROM pool WHERE name = ?1", [name]).stored("removing a pool").map(drop)
}

fn not_found(name: &str) -> Fault {
    Fault::new(
        Reason::PoolNotFound,
        format!("There is no pool named \"{name}\": `longshore pool list` shows those there are."),
    )
}

fn read(row: &SqlRow<'_>) -> rusqlite::Result<Row> {
    let requires: String = row.get(3)?;
    let requires = serde_json::from_str(&requires)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(3, rusqlite::types::Type::Text, Box::new(error)))?;
    Ok(Row { name: row.get(0)?, description: row.get(1)?, created_at: row.get(2)?, requires })
}
