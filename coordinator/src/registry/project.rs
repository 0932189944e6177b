//! Projects.

use rusqlite::{Connection, OptionalExtension, Row as SqlRow, params};
use shared::{
    plan::Process,
    reason::{Fault, Reason},
};

use crate::store::Stored;

/// A project as it is stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// Unique.
    pub name: String,
    /// What it does.
    pub description: String,
    /// Grows with each change of the process.
    pub revision: i64,
    /// Its steps and files.
    pub process: Process,
    /// Projects whose variables count, too, in order.
    pub variables_from: Vec<String>,
    /// Number of its next deployment.
    pub next_number: i64,
    /// Milliseconds since 1970.
    pub updated_at: i64,
}

/// # Errors
/// [`Reason::ProjectNotFound`]; those of the store.
pub fn get(connection: &Connection, name: &str) -> Result<Row, Fault> {
    find(connection, name)?.ok_or_else(|| {
        Fault::new(
            Reason::ProjectNotFound,
            format!("There is no project named \"{name}\": `longshore project list` shows those there are."),
        )
    })
}

/// # Errors
/// Those of the store.
pub fn find(connection: &Connection, name: &str) -> Result<Option<Row>, Fault> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM project WHERE name = ?1"))
        .and_then(|mut query| query.query_row([name], read).optional())
        .stored("reading a project")
}

/// All, by name.
///
/// # Errors
/// Those of the store.
pub fn list(connection: &Connection) -> Result<Vec<Row>, Fault> {
    let mut query = connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM project ORDER BY name"))
        .stored("reading the projects")?;
    let rows = query.query_map([], read).stored("reading the projects")?;
    rows.collect::<Result<_, _>>().stored("reading the projects")
}

/// Adds a project, or replaces description and process of the one that is there.
///
/// # Errors
/// Those of the store.
pub fn put(connection: &Connection, row: &Row) -> Result<(), Fault> {
    let unwritable =
        |error| Fault::new(Reason::Internal, format!("The project \"{}\" cannot be written: {error}.", row.name));
    let process = serde_json::to_string(&row.process).map_err(unwritable)?;
    let variables_from = serde_json::to_string(&row.variables_from).map_err(unwritable)?;
    connection
        .execute(
            "INSERT INTO project (name, description, revision, process, next_number, updated_at, variables_from)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (name) DO UPDATE SET description = ?2, revision = ?3, process = ?4, updated_at = ?6, variables_from = ?7",
            params![row.name, row.description, row.revision, process, row.next_number, row.updated_at, variables_from],
        )
        .stored("writing a project")
        .map(drop)
}

/// Takes the number of its next deployment. False when another deployment took it meanwhile.
///
/// # Errors
/// Those of the store.
pub fn take_number(connection: &Connection, name: &str, number: i64) -> Result<bool, Fault> {
    connection
        .prepare_cached("UPDATE project SET next_number = next_number + 1 WHERE name = ?1 AND next_number = ?2")
        .and_then(|mut update| update.execute(params![name, number]))
        .stored("numbering a deployment")
        .map(|changed| changed == 1)
}

/// Removes a project with its variables, unless a deployment of it is unfinished or others take variables from it.
///
/// # Errors
/// [`Reason::ProjectNotFound`], [`Reason::InUse`]; those of the store.
pub fn delete(connection: &Connection, name: &str) -> Result<(), Fault> {
    get(connection, name)?;
    let open: Option<String> = connection
        .query_row("SELECT id FROM deployment WHERE ended_at IS NULL AND project = ?1 LIMIT 1", [name], |row| {
            row.get(0)
        })
        .optional()
        .stored("looking for deployments")?;
    if let Some(deployment) = open {
        return Err(Fault::new(
            Reason::InUse,
            format!(
                "The project \"{name}\" is in use: its deployment {deployment} has not ended. Wait for it, or cancel it."
            ),
        ));
    }
    if let Some(other) = list(connection)?.iter().find(|other| other.variables_from.iter().any(|from| from == name)) {
        return Err(Fault::new(
            Reason::InUse,
            format!(
                "The project \"{name}\" is in use: project \"{}\" takes variables from it. Take it out of `variables_from` there.",
                other.name
            ),
        ));
    }
    connection.execute("DELETE FROM project WHERE name = ?1", [name]).stored("removing a project").map(drop)
}

const COLUMNS: &str = "name, description, revision, process, next_number, updated_at, variables_from";

fn read(row: &SqlRow<'_>) -> rusqlite::Result<Row> {
    let unreadable = |column: usize, error| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
    };
    let (process, variables_from): (String, String) = (row.get(3)?, row.get(6)?);
    Ok(Row {
        name: row.get(0)?,
        description: row.get(1)?,
        revision: row.get(2)?,
        process: serde_json::from_str(&process).map_err(|error: serde_json::Error| unreadable(3, error))?,
        variables_from: serde_json::from_str(&variables_from).map_err(|error| unreadable(6, error))?,
        next_number: row.get(4)?,
        updated_at: row.get(5)?,
    })
}
