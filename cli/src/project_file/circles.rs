//! Variables that refer to each other in a circle, or grow beyond the limits: found before a coordinator has to.

use std::collections::BTreeSet;

use shared::template::{TemplateError, Variables};

use super::{
    fault::{Fault, Place},
    format::{ProjectFile, Variable},
};

/// Evaluates every variable in every environment that the file names, and in one that it does not.
pub(super) fn find(file: &ProjectFile, faults: &mut Vec<Fault>) {
    let named: BTreeSet<_> = file.variables.iter().flat_map(|variable| &variable.environments).collect();
    let mut told = BTreeSet::new();
    for environment in named.into_iter().map(|name| Some(name.as_str())).chain([None]) {
        let variables = values(file, environment);
        for variable in file.variables.iter().filter(|variable| counts(variable, environment)) {
            let Some(Err(error)) = variables.evaluate_variable(&variable.name.value) else { continue };
            // A circle is met again at each of its variables, and in each environment.
            if told.insert(members(&error)) {
                faults.push(Fault::at(Place::of(variable.name.referenced), error.to_string()));
            }
        }
    }
}

fn values(file: &ProjectFile, environment: Option<&str>) -> Variables {
    let mut variables = Variables::new();
    let (unscoped, scoped): (Vec<_>, Vec<_>) =
        file.variables.iter().partition(|variable| variable.environments.is_empty());
    // A value for the environment replaces the one for all others.
    for variable in unscoped.into_iter().chain(scoped).filter(|variable| counts(variable, environment)) {
        let value = variable.value.as_ref().map(|value| value.value.clone()).unwrap_or_default();
        variables.insert(variable.name.value.clone(), value, false);
    }
    variables
}

/// What only some steps see is looked at by the coordinator, which knows their pools.
fn counts(variable: &Variable, environment: Option<&str>) -> bool {
    if !variable.steps.is_empty() || !variable.pools.is_empty() {
        return false;
    }
    variable.environments.is_empty()
        || environment.is_some_and(|environment| variable.environments.iter().any(|name| name == environment))
}

fn members(error: &TemplateError) -> BTreeSet<String> {
    let (TemplateError::Cycle(names)
    | TemplateError::TooDeep(names)
    | TemplateError::TooLong(names)
    | TemplateError::TooMuch(names)) = error;
    names.iter().map(|name| name.to_lowercase()).collect()
}
