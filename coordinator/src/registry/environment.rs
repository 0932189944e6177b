//! Environments.

use rusqlite::{Connection, OptionalExtension, Row as SqlRow, params};
use shared::reason::{Fault, Reason};

use crate::store::{Stored, is_duplicate};

/// An environment as it is stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// Unique.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Milliseconds since 1970.
    pub created_at: i64,
}

/// # Errors
/// [`Reason::AlreadyExists`] when the name is taken; those of the store.
pub fn insert(connection: &Connection, row: &Row) -> Result<(), Fault> {
    let inserted = connection.execute(
        "INSERT INTO environment (name, description, created_at) VALUES (?1, ?2, ?3)",
        params![row.name, row.description, row.created_at],
    );
    match inserted {
        Err(error) if is_duplicate(&error) => {
            Err(Fault::new(Reason::AlreadyExists, format!("There is an environment named \"{}\" already.", row.name)))
        }
        other => other.stored("writing a environment").map(drop),
    }
}

/// # Errors
/// [`Reason::EnvironmentNotFound`]; those of the store.
pub fn get(connection: &Connection, name: &str) -> Result<Row, Fault> {
    connection
        .prepare_cached("SELECT name, description, created_at FROM environment WHERE name = ?1")
        .and_then(|mut query| query.query_row([name], read).optional())
        .stored("reading a environment")?
        .ok_or_else(|| not_found(name))
}

/// All, by name.
///
/// # Errors
/// Those of the store.
pub fn list(connection: &Connection) -> Result<Vec<Row>, Fault> {
    let mut query = connection
        .prepare_cached("SELECT name, description, created_at FROM environment ORDER BY name")
        .stored("reading the environments")?;
    let rows = query.query_map([], read).stored("reading the environments")?;
    rows.collect::<Result<_, _>>().stored("reading the environments")
}

/// Removes one that no unfinished deployment goes to and no variable has a value for.
///
/// # Errors
/// [`Reason::EnvironmentNotFound`], [`Reason::InUse`]; those of the store.
pub fn delete(connection: &Connection, name: &str) -> Result<(), Fault> {
    get(connection, name)?;
    let open: Option<String> = connection
        .query_row("SELECT id FROM deployment WHERE ended_at IS NULL AND environment = ?1 LIMIT 1", [name], |row| {
            row.get(0)
        })
        .optional()
        .stored("looking for deployments")?;
    if let Some(deployment) = open {
        return Err(Fault::new(
            Reason::InUse,
            format!(
                "The environment \"{name}\" is in use: deployment {deployment} to it has not ended. Wait for it, or cancel it."
            ),
        ));
    }
    let scoped: Option<(String, String)> = connection
        .query_row(
            "SELECT project, name FROM variable WHERE EXISTS (SELECT 1 FROM json_each(environments) WHERE value = ?1)
             ORDER BY project, name_key LIMIT 1",
            [name],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()
        .stored("looking for variables")?;
    if let Some((project, variable)) = scoped {
        return Err(Fault::new(
            Reason::InUse,
            format!(
                "The environment \"{name}\" is in use: variable \"{variable}\" of project \"{project}\" has a value for it. Take \
                 the value out of the project first."
            ),
        ));
    }
    connection.execute("DELETE FROM environment WHERE name = ?1", [name]).stored("removing an environment").map(drop)
}

fn not_found(name: &str) -> Fault {
    Fault::new(
        Reason::EnvironmentNotFound,
        format!("There is no environment named \"{name}\": `longshore environment list` shows those there are."),
    )
}

fn read(row: &SqlRow<'_>) -> rusqlite::Result<Row> {
    Ok(Row { name: row.get(0)?, description: row.get(1)?, created_at: row.get(2)? })
}

#[cfg(test)]
mod tests {
    use shared::{
        plan::{VariableKey, VariableKind},
        scope::Scope,
    };

    use super::*;
    use crate::{
        registry::{project, variable},
        store::Store,
    };

    #[test]
    fn an_environment_stays_while_a_variable_has_a_value_for_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(folder.path()).expect("a store");
        let deleted = store.write_blocking(|tx| {
            for name in ["staging", "production"] {
                insert(tx, &Row { name: name.into(), description: String::new(), created_at: 0 })?;
            }
            let process = Default::default();
            let description = String::new();
            let name = "shop".into();
            let variables_from = Vec::new();
            project::put(
                tx,
                &project::Row {
                    name,
                    description,
                    revision: 1,
                    process,
                    variables_from,
                    next_number: 1,
                    updated_at: 0,
                },
            )?;
            let key = VariableKey {
                name: "Region".into(),
                kind: VariableKind::Text,
                scope: Scope::of_environments(["staging"]),
            };
            variable::put(tx, "shop", &variable::Row::new(key, true))?;
            delete(tx, "production")?;
            Ok(delete(tx, "staging"))
        });
        let fault = deleted.expect("written").expect_err("in use");
        assert_eq!(fault.reason, Reason::InUse);
        assert!(fault.sentence.contains("\"Region\"") && fault.sentence.contains("\"shop\""), "{fault}");
    }
}
