//! A project's variables: one row for each value.

use std::collections::BTreeSet;

use rusqlite::{Connection, Row as SqlRow, params};
use shared::{
    plan::{VariableKey, VariableKind},
    reason::{Fault, Reason},
    scope::Scope,
};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{
    registry::account,
    seal::{Place, Seal},
    store::Stored,
};

/// A value of a variable, as it is stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// UUID: where a sealed value belongs.
    pub id: String,
    /// Name, kind and scope.
    pub key: VariableKey,
    /// Whether the value comes from the project file; otherwise from SetVariable.
    pub from_file: bool,
    /// The value, unless it is sensitive or not set.
    pub value: Option<String>,
    /// The value of a sensitive one, sealed.
    pub sealed_value: Option<Vec<u8>>,
    /// Grows with each new value.
    pub version: i64,
    /// What whoever deploys is asked for it; empty asks nobody.
    pub prompt: String,
}

impl Row {
    /// A value that is not stored yet.
    #[must_use]
    pub fn new(key: VariableKey, from_file: bool) -> Self {
        let prompt = String::new();
        Self { id: Uuid::now_v7().to_string(), key, from_file, value: None, sealed_value: None, version: 0, prompt }
    }

    /// Whether it has a value.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.value.is_some() || self.sealed_value.is_some()
    }

    /// Takes a value, sealing it when it is sensitive.
    ///
    /// # Errors
    /// Those of [`Seal::seal`].
    pub fn set(&mut self, seal: &Seal, value: &str) -> Result<(), Fault> {
        self.version += 1;
        if self.key.kind == VariableKind::Sensitive {
            self.sealed_value = Some(seal.seal(self.place(), value.as_bytes())?);
            self.value = None;
        } else {
            self.sealed_value = None;
            self.value = Some(value.to_owned());
        }
        Ok(())
    }

    /// Its value, opened; `None` when it has none.
    ///
    /// # Errors
    /// Those of [`Seal::open`].
    pub fn open(&self, seal: &Seal) -> Result<Option<Zeroizing<String>>, Fault> {
        match &self.sealed_value {
            Some(sealed) => seal.open_text(self.place(), sealed).map(Some),
            None => Ok(self.value.clone().map(Zeroizing::new)),
        }
    }

    /// Whether it is the value of that name in exactly that scope.
    #[must_use]
    pub fn is_for(&self, name: &str, scope: &Scope) -> bool {
        self.key.name.to_lowercase() == name.to_lowercase() && self.key.scope == *scope
    }

    fn place(&self) -> Place<'_> {
        Place { kind: "variable", id: &self.id, field: "value", version: self.version }
    }
}

/// All values of a project's variables, by name, then scope.
///
/// # Errors
/// Those of the store.
pub fn list(connection: &Connection, project: &str) -> Result<Vec<Row>, Fault> {
    let mut query = connection
        .prepare_cached(
            "SELECT id, name, kind, environments, steps, pools, from_file, value, sealed_value, version, prompt FROM variable
             WHERE project = ?1 ORDER BY name_key, environments, steps, pools",
        )
        .stored("reading variables")?;
    let rows = query.query_map([project], read).stored("reading variables")?;
    rows.collect::<Result<_, _>>().stored("reading variables")
}

/// Writes a value: a new one, or another one of a row that is there.
///
/// # Errors
/// Those of the store.
pub fn put(connection: &Connection, project: &str, row: &Row) -> Result<(), Fault> {
    let names = |names: &BTreeSet<String>| {
        serde_json::to_string(names).map_err(|error| {
            Fault::new(Reason::Internal, format!("The variable \"{}\" cannot be written: {error}.", row.key.name))
        })
    };
    let scope = &row.key.scope;
    let (environments, steps, pools) = (names(&scope.environments)?, names(&scope.steps)?, names(&scope.pools)?);
    connection
        .prepare_cached(
            "INSERT INTO variable (id, project, name, name_key, kind, environments, from_file, value, sealed_value, version, steps, pools, prompt)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
             ON CONFLICT (id) DO UPDATE SET name = ?3, kind = ?5, from_file = ?7, value = ?8, sealed_value = ?9, version = ?10, prompt = ?13",
        )
        .and_then(|mut put| {
            put.execute(params![
                row.id,
                project,
                row.key.name,
                row.key.name.to_lowercase(),
                kind_name(row.key.kind),
                environments,
                row.from_file,
                row.value,
                row.sealed_value,
                row.version,
                steps,
                pools,
                row.prompt,
            ])
        })
        .stored("writing a variable")
        .map(drop)
}

/// Removes a value.
///
/// # Errors
/// Those of the store.
pub fn delete(connection: &Connection, id: &str) -> Result<(), Fault> {
    connection.execute("DELETE FROM variable WHERE id = ?1", [id]).stored("removing a variable").map(drop)
}

/// What is wrong with a project's variables taken together: two values of which nobody could say which counts, or an account that is
/// not there.
///
/// # Errors
/// Those of the store.
pub fn faults(connection: &Connection, rows: &[Row]) -> Result<Vec<String>, Fault> {
    let mut faults = overlaps(rows);
    for row in rows.iter().filter(|row| row.key.kind == VariableKind::AwsAccount) {
        let Some(name) = &row.value else { continue };
        match account::get(connection, name) {
            Err(fault) if fault.reason == Reason::AccountNotFound => {
                faults.push(format!(
                    "Variable \"{}\" names the account \"{name}\", which does not exist: mend the name, or make it with `longshore \
                     account create`.",
                    row.key.name
                ));
            }
            other => drop(other?),
        }
    }
    Ok(faults)
}

fn overlaps(rows: &[Row]) -> Vec<String> {
    let mut faults = Vec::new();
    for (at, row) in rows.iter().enumerate() {
        // Rows of one name stand together.
        let same_name = |other: &&Row| other.key.name.to_lowercase() == row.key.name.to_lowercase();
        for other in rows[at + 1..].iter().take_while(same_name) {
            if row.key.scope.ties_with(&other.key.scope) {
                faults.push(format!(
                    "Variable \"{}\" has two values of the same rank: the one for {} and the one for {}. Make one of them more specific, or \
                     take it away.",
                    row.key.name, row.key.scope, other.key.scope
                ));
            }
        }
    }
    faults
}

const fn kind_name(kind: VariableKind) -> &'static str {
    match kind {
        VariableKind::Text => "text",
        VariableKind::Sensitive => "sensitive",
        VariableKind::AwsAccount => "aws_account",
    }
}

fn read(row: &SqlRow<'_>) -> rusqlite::Result<Row> {
    let kind: String = row.get(2)?;
    let kind = match kind.as_str() {
        "text" => VariableKind::Text,
        "aws_account" => VariableKind::AwsAccount,
        // The schema's check allows no other word; were there one, it is not shown.
        _ => VariableKind::Sensitive,
    };
    let names = |column: usize| {
        let text: String = row.get(column)?;
        serde_json::from_str(&text).map_err(|error| {
            rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
        })
    };
    let scope = Scope { environments: names(3)?, steps: names(4)?, pools: names(5)? };
    Ok(Row {
        id: row.get(0)?,
        key: VariableKey { name: row.get(1)?, kind, scope },
        from_file: row.get(6)?,
        value: row.get(7)?,
        sealed_value: row.get(8)?,
        version: row.get(9)?,
        prompt: row.get(10)?,
    })
}
