//! Makes a project as described, or says everything that is wrong with the description.

use std::collections::BTreeSet;

use proto::{
    convert::project::{Declared, Described},
    deployment::ApplyProjectResponse,
};
use rusqlite::Connection;
use shared::{
    plan::{Process, VariableKind},
    reason::{Fault, Reason},
};

use super::{refuse, to_wire};
use crate::{
    audit,
    authorization::Caller,
    files::Files,
    registry::{
        project::{self, Row},
        variable,
    },
    store::Stored,
};

/// # Errors
/// [`Reason::FileMissing`] naming every file that was not uploaded, [`Reason::InvalidProject`] for one of another size.
pub(super) fn ensure_uploaded(files: &Files, process: &Process) -> Result<(), Fault> {
    let mut missing = Vec::new();
    for file in &process.files {
        match files.size(&file.sha256) {
            None => missing.push(format!("\"{}\"", file.path)),
            Some(size) if size == file.size => {}
            Some(size) => {
                let sentence = format!("File \"{}\" is said to have {} bytes, but has {size}.", file.path, file.size);
                return Err(Fault::new(Reason::InvalidProject, sentence));
            }
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    Err(Fault::new(
        Reason::FileMissing,
        format!("Files of the project were not uploaded: {}. Upload them first.", missing.join(", ")),
    ))
}

/// # Errors
/// [`Reason::InvalidProject`]; those of the store.
pub(super) fn apply(
    connection: &Connection,
    caller: &Caller,
    described: &Described,
    validate_only: bool,
    at: i64,
) -> Result<ApplyProjectResponse, Fault> {
    if !validate_only {
        return make(connection, caller, described, at);
    }
    // The same work, taken back: what validates applies.
    run(connection, "SAVEPOINT validation")?;
    let made = make(connection, caller, described, at);
    run(connection, "ROLLBACK TO validation")?;
    run(connection, "RELEASE validation")?;
    made
}

fn make(
    connection: &Connection,
    caller: &Caller,
    described: &Described,
    at: i64,
) -> Result<ApplyProjectResponse, Fault> {
    let before = project::find(connection, &described.name)?;
    let (row, is_changed) = merged(before, described, at);
    refuse(Reason::InvalidProject, sharing_faults(connection, &row)?)?;
    // Variables refer to the project's row, so that one comes first.
    if is_changed {
        project::put(connection, &row)?;
    }
    let (variables, are_changed) = put_variables(connection, described)?;
    refuse(Reason::InvalidProject, variable::faults(connection, &variables)?)?;
    let changed = is_changed || are_changed;
    if changed {
        let detail = format!("Revision {}, {} steps.", row.revision, row.process.steps.len());
        audit::record(connection, at, &caller.did(row.name.as_str(), detail))?;
    }
    Ok(ApplyProjectResponse { project: Some(to_wire(&row, &variables)), changed })
}

/// What is wrong with the projects that it takes variables from.
fn sharing_faults(connection: &Connection, row: &Row) -> Result<Vec<String>, Fault> {
    let mut faults = Vec::new();
    for name in &row.variables_from {
        match project::find(connection, name)? {
            None => faults.push(format!(
                "`variables_from` names the project \"{name}\", which does not exist: mend the name, or apply that one first."
            )),
            Some(other) if !other.variables_from.is_empty() => faults.push(format!(
                "`variables_from` names the project \"{name}\", which takes variables from others itself: name those here, too, and \
                 nothing there."
            )),
            Some(_) => {}
        }
    }
    let user = project::list(connection)?.into_iter().find(|other| other.variables_from.contains(&row.name));
    if let (Some(user), false) = (user, row.variables_from.is_empty()) {
        faults.push(format!(
            "Project \"{}\" takes variables from this one, which can therefore not take any from others: name them there.",
            user.name
        ));
    }
    Ok(faults)
}

/// The project as it will be, and whether that is something else. The revision grows with the process only.
fn merged(before: Option<Row>, described: &Described, at: i64) -> (Row, bool) {
    let fresh = Row {
        name: described.name.clone(),
        description: described.description.clone(),
        process: described.process.clone(),
        variables_from: described.variables_from.clone(),
        revision: 1,
        next_number: 1,
        updated_at: at,
    };
    let Some(before) = before else { return (fresh, true) };
    let revision = before.revision + i64::from(before.process != fresh.process);
    let row = Row { revision, next_number: before.next_number, updated_at: before.updated_at, ..fresh };
    if row == before { (before, false) } else { (Row { updated_at: at, ..row }, true) }
}

/// The variables as they are afterwards, and whether any is different.
fn put_variables(connection: &Connection, described: &Described) -> Result<(Vec<variable::Row>, bool), Fault> {
    let before = variable::list(connection, &described.name)?;
    let mut kept = BTreeSet::new();
    let mut changed = false;
    for declared in &described.variables {
        let found = before.iter().find(|row| row.is_for(&declared.key.name, &declared.key.scope));
        let wanted = declared_row(found, declared);
        kept.insert(wanted.id.clone());
        if found != Some(&wanted) {
            variable::put(connection, &described.name, &wanted)?;
            changed = true;
        }
    }
    // What a person set stays until a person removes it.
    for row in before.iter().filter(|row| row.from_file && !kept.contains(&row.id)) {
        variable::delete(connection, &row.id)?;
        changed = true;
    }
    Ok((variable::list(connection, &described.name)?, changed))
}

/// A declared variable's row: with the file's value if it has one, else with the value that was set earlier.
fn declared_row(found: Option<&variable::Row>, declared: &Declared) -> variable::Row {
    let mut row = found.cloned().unwrap_or_else(|| variable::Row::new(declared.key.clone(), true));
    if row.key.kind != declared.key.kind {
        // A value of another kind must not be taken for one of this: a secret would be shown.
        row = variable::Row { value: None, sealed_value: None, from_file: true, ..row };
    }
    row.key = declared.key.clone();
    row.prompt = declared.prompt.clone();
    if let (Some(value), false) = (&declared.value, declared.key.kind == VariableKind::Sensitive) {
        row.version += i64::from(row.value.as_ref() != Some(value));
        row.value = Some(value.clone());
        row.from_file = true;
    }
    row
}

fn run(connection: &Connection, sql: &str) -> Result<(), Fault> {
    connection.execute_batch(sql).stored("checking a project")
}
