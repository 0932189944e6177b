//! Variables that refer to each other in a circle, or grow beyond the limits: found before a coordinator has to.

use std::collections::{BTreeMap, BTreeSet};

use shared::{
    scope::{self, Scope},
    template::{TemplateError, Variables},
};

use super::{
    fault::{Fault, Place},
    format::{ProjectFile, Variable},
};

/// Evaluates every variable in every environment that the file names, and in one that it does not. What only some steps see is
/// looked at by the coordinator, which knows their pools.
pub(super) fn find(file: &ProjectFile, faults: &mut Vec<Fault>) {
    let scoped: Vec<_> = file.variables.iter().map(|variable| (variable.scope(), variable)).collect();
    let named: BTreeSet<&str> = scoped.iter().flat_map(|(scope, _)| &scope.environments).map(String::as_str).collect();
    let mut told = BTreeSet::new();
    for environment in named.into_iter().chain([""]) {
        let seen = seen_in(environment, &scoped);
        let variables = values(&seen);
        for variable in seen {
            let Some(Err(error)) = variables.evaluate_variable(&variable.name.value) else { continue };
            // A circle is met again at each of its variables, and in each environment.
            if told.insert(members(&error)) {
                faults.push(Fault::at(Place::of(variable.name.referenced), error.to_string()));
            }
        }
    }
}

/// The value of each name in an environment, in order of the file.
fn seen_in<'f>(environment: &str, scoped: &[(Scope, &'f Variable)]) -> Vec<&'f Variable> {
    let place = scope::Place { environment, step: "", pool: None };
    let mut by_name: BTreeMap<String, Vec<&(Scope, &'f Variable)>> = BTreeMap::new();
    for value in scoped {
        by_name.entry(value.1.name.value.to_lowercase()).or_default().push(value);
    }
    let chosen = by_name.into_values().filter_map(|values| scope::choose(values, |(scope, _)| scope, place));
    let mut chosen: Vec<&Variable> = chosen.map(|(_, variable)| *variable).collect();
    chosen.sort_by_key(|variable| variable.name.referenced.line());
    chosen
}

fn values(seen: &[&Variable]) -> Variables {
    let mut variables = Variables::new();
    for variable in seen {
        let value = variable.value.as_ref().map(|value| value.value.clone()).unwrap_or_default();
        variables.insert(variable.name.value.clone(), value, false);
    }
    variables
}

fn members(error: &TemplateError) -> BTreeSet<String> {
    let (TemplateError::Cycle(names)
    | TemplateError::TooDeep(names)
    | TemplateError::TooLong(names)
    | TemplateError::TooMuch(names)) = error;
    names.iter().map(|name| name.to_lowercase()).collect()
}
