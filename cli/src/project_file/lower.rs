//! From what people write to what a coordinator plans with.

use std::collections::BTreeMap;

use proto::{
    convert::project::{Declared, Described},
    deployment as d,
};
use shared::{plan, scope::Scope};

use super::{
    fault::{Fault, Place},
    files::Supplies,
    format::{self, ProjectFile},
};

mod aws;
mod stack;
mod step;
mod upload;

/// The project. What cannot be lowered is a fault, and is left out.
pub(super) fn project(file: &ProjectFile, supplies: &Supplies, faults: &mut Vec<Fault>) -> Described {
    duplicate_names(file, faults);
    tied_values(file, faults);
    let mut steps = Vec::new();
    for (step, supply) in file.steps.iter().zip(&supplies.by_step) {
        match step::step(step, &file.scripts, supply, faults) {
            Ok(step) => steps.push(step),
            Err(fault) => faults.push(fault),
        }
    }
    let variables = file.variables.iter().map(variable);
    let variables = variables.filter_map(|it| it.map_err(|fault| faults.push(fault)).ok()).collect();
    let files = supplies.attachments.iter().map(|attachment| attachment.file.clone()).collect();
    Described {
        name: file.project.value.clone(),
        description: file.description.clone(),
        process: plan::Process { steps, files },
        variables,
        variables_from: file.variables_from.clone(),
    }
}

/// What the coordinator would warn of.
///
/// # Errors
/// What it would refuse. Both are in its own words, at the place they are about.
pub(super) fn checked(file: &ProjectFile, project: &d::Project) -> Result<Vec<Fault>, Vec<Fault>> {
    let placed = |sentence: &str| Fault::at(place_of(file, sentence), sentence);
    match Described::try_from(project) {
        Ok(described) => Ok(described.process.warnings().iter().map(|sentence| placed(sentence)).collect()),
        Err(refusal) => Err(refusal.sentence.lines().map(placed).collect()),
    }
}

/// Where the thing stands that a sentence begins with.
fn place_of(file: &ProjectFile, sentence: &str) -> Option<Place> {
    let names = |kind: &str, name: &str| sentence.starts_with(&format!("{kind} \"{name}\""));
    let step = file.steps.iter().map(|step| &step.name).find(|name| names("Step", &name.value));
    let variable = || file.variables.iter().map(|variable| &variable.name).find(|name| names("Variable", &name.value));
    let project = || sentence.starts_with("The project's name").then_some(&file.project);
    step.or_else(variable).or_else(project).and_then(|name| Place::of(name.referenced))
}

fn duplicate_names(file: &ProjectFile, faults: &mut Vec<Fault>) {
    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    for step in &file.steps {
        let line = step.name.referenced.line();
        if let Some(first) = seen.insert(step.name.value.to_lowercase(), line) {
            faults.push(Fault::at(
                Place::of(step.name.referenced),
                format!(
                    "There is a step called \"{}\" in line {first} already: step names must be unique (case does not \
                     matter), because outputs are read by them.",
                    step.name.value
                ),
            ));
        }
    }
}

/// Two values of one variable of which nobody could say which one counts.
fn tied_values(file: &ProjectFile, faults: &mut Vec<Fault>) {
    let mut seen: BTreeMap<String, Vec<(Scope, u64)>> = BTreeMap::new();
    for variable in &file.variables {
        let (name, scope) = (&variable.name, variable.scope());
        let values = seen.entry(name.value.to_lowercase()).or_default();
        if let Some((tied, line)) = values.iter().find(|(other, _)| scope.ties_with(other)) {
            faults.push(Fault::at(
                Place::of(name.referenced),
                format!(
                    "Variable \"{}\" has a value for {tied} in line {line} already, and nobody could say which of them counts.",
                    name.value
                ),
            ));
        }
        values.push((scope, name.referenced.line()));
    }
}

fn variable(variable: &format::Variable) -> Result<Declared, Fault> {
    if let (format::VariableType::Sensitive, Some(value)) = (variable.r#type, &variable.value) {
        return Err(Fault::at(
            Place::of(value.referenced),
            format!(
                "Variable \"{}\" is sensitive, so its value must not stand here: remove it, and set it with `longshore \
                 variable set`.",
                variable.name.value
            ),
        ));
    }
    let kind = match variable.r#type {
        format::VariableType::Text => plan::VariableKind::Text,
        format::VariableType::Sensitive => plan::VariableKind::Sensitive,
        format::VariableType::AwsAccount => plan::VariableKind::AwsAccount,
    };
    let key = plan::VariableKey { name: variable.name.value.clone(), kind, scope: variable.scope() };
    let value = variable.value.as_ref().map(|value| value.value.clone());
    Ok(Declared { key, value, prompt: variable.prompt.clone() })
}
