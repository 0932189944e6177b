//! The variables of a deployment, resolved for its environment when it was made: what changes in the project afterwards does
//! not reach it. Kept sealed as a whole.

use std::collections::{BTreeMap, BTreeSet};

use proto::deployment::CreateDeploymentRequest;
use serde::{Deserialize, Serialize};
use shared::{
    id::{DeploymentId, WorkerId},
    plan::{Identity, Process, Step, VariableKind},
    reason::{Fault, Reason},
    scope::{self, Place as Where, Scope},
    template::{TemplateError, Variables},
};
use zeroize::{Zeroize, Zeroizing};

use super::identity::variable_name;
use crate::{
    registry::pool,
    seal::{Place, Seal},
};

/// What a deployment carries besides its process.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    /// By name: the value for all steps, and those for some of them.
    pub(crate) variables: Vec<Variable>,
    /// Only this worker may run it, if set: how an account is tested from one.
    pub(crate) only_worker: Option<WorkerId>,
}

/// A variable and one of its values.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Variable {
    pub(crate) name: String,
    pub(crate) kind: VariableKind,
    pub(crate) value: String,
    #[serde(default)]
    pub(crate) scope: Scope,
    /// Whether it was given with the deployment.
    #[serde(default)]
    pub(crate) given: bool,
}

/// A variable of a project as it is declared: one of these a scope.
pub(crate) struct Declared {
    pub(crate) name: String,
    pub(crate) kind: VariableKind,
    pub(crate) scope: Scope,
    /// None when it was never set.
    pub(crate) value: Option<Zeroizing<String>>,
    /// What whoever deploys is asked for it; empty asks nobody.
    pub(crate) prompt: String,
}

/// What is given with a deployment, by name.
#[derive(Default)]
pub(crate) struct Given {
    values: BTreeMap<String, Zeroizing<String>>,
    /// Those of them that nobody may see.
    secret: BTreeSet<String>,
}

impl Given {
    /// What a request gives; a name that is given openly and in secret counts as given twice.
    pub(crate) fn of(request: &CreateDeploymentRequest) -> Self {
        let all = request.variables.iter().chain(&request.secret_variables);
        Self {
            values: all.map(|(name, value)| (name.clone(), Zeroizing::new(value.clone()))).collect(),
            secret: request.secret_variables.keys().cloned().collect(),
        }
    }
}

/// For which deployment variables are resolved.
#[derive(Clone, Copy)]
pub(crate) struct Target<'a> {
    pub(crate) project: &'a str,
    pub(crate) environment: &'a str,
    pub(crate) process: &'a Process,
}

impl Snapshot {
    /// The most specific value wins, and what was asked for with the deployment over all of them.
    ///
    /// # Errors
    /// [`Reason::VariableUnset`] naming every variable that has no value; [`Reason::VariableNotGiven`] naming every one that must be given; [`Reason::AccountUnresolved`] naming every account
    /// variable that a step of this environment needs and that names no account; [`Reason::InvalidArgument`] for a given variable that is unknown or may not be given;
    /// [`Reason::VariableCycle`] with the chain.
    pub(crate) fn resolve(target: Target<'_>, declared: Vec<Declared>, given: &Given) -> Result<Self, Fault> {
        let mut by_name: BTreeMap<String, Vec<Declared>> = BTreeMap::new();
        for variable in declared {
            by_name.entry(variable.name.to_lowercase()).or_default().push(variable);
        }
        let given = accept(target, &by_name, given)?;
        let (mut variables, mut unset, mut missing) = (Vec::new(), Vec::new(), Vec::new());
        for (key, values) in by_name {
            match choose(target.environment, values, given.get(&key).copied()) {
                Ok(chosen) => variables.extend(chosen),
                Err(Unset { name, prompt }) if prompt.is_empty() => unset.push(format!("\"{name}\"")),
                Err(asked) => missing.push(asked),
            }
        }
        if !missing.is_empty() {
            return Err(missing_fault(target, &missing));
        }
        if !unset.is_empty() {
            return Err(unset_fault(target, &unset));
        }
        let snapshot = Self { variables, only_worker: None };
        snapshot.check_accounts(target)?;
        snapshot.check_circles(target)?;
        Ok(snapshot)
    }

    /// As one step sees it: one value a name. While the step's pool is not known, values for pools do not count.
    pub(crate) fn seen_from(&self, place: Where<'_>) -> Self {
        let mut by_name: BTreeMap<String, Vec<&Variable>> = BTreeMap::new();
        for variable in &self.variables {
            by_name.entry(variable.name.to_lowercase()).or_default().push(variable);
        }
        let chosen = by_name
            .into_values()
            .filter_map(|values| scope::choose(values, |variable| &variable.scope, place).cloned());
        Self { variables: chosen.collect(), only_worker: self.only_worker }
    }

    /// What was given with the deployment.
    pub(crate) fn given(&self) -> Given {
        let given = self.variables.iter().filter(|variable| variable.given);
        let secret = given.clone().filter(|variable| variable.kind == VariableKind::Sensitive);
        Given {
            secret: secret.map(|variable| variable.name.clone()).collect(),
            values: given.map(|it| (it.name.clone(), Zeroizing::new(it.value.clone()))).collect(),
        }
    }

    /// Whether a step's pool makes a difference.
    pub(crate) fn has_values_for_pools(&self) -> bool {
        self.variables.iter().any(|variable| !variable.scope.pools.is_empty())
    }

    /// The variable of that name, whatever the case.
    pub(crate) fn find(&self, name: &str) -> Option<&Variable> {
        let wanted = name.to_lowercase();
        self.variables.iter().find(|variable| variable.name.to_lowercase() == wanted)
    }

    /// # Errors
    /// Those of [`Seal::seal`].
    pub(crate) fn seal(&self, seal: &Seal, id: DeploymentId) -> Result<Vec<u8>, Fault> {
        let text = Zeroizing::new(serde_json::to_vec(self).map_err(|error| {
            Fault::new(Reason::Internal, format!("The variables of deployment {id} could not be written: {error}."))
        })?);
        seal.seal(place(&id.to_string()), &text)
    }

    /// # Errors
    /// Those of [`Seal::open`].
    pub(crate) fn open(seal: &Seal, id: DeploymentId, sealed: &[u8]) -> Result<Self, Fault> {
        let text = seal.open(place(&id.to_string()), sealed)?;
        // What serde says may quote what it read.
        serde_json::from_slice(&text).map_err(|_| {
            Fault::new(
                Reason::Internal,
                format!("The variables of deployment {id} are not readable: another version wrote them."),
            )
        })
    }

    /// A step that could only be refused later stops the deployment before it begins.
    fn check_accounts(&self, target: Target<'_>) -> Result<(), Fault> {
        let here = |environments: &[String]| {
            environments.is_empty() || environments.iter().any(|name| name == target.environment)
        };
        let faults: Vec<String> = target
            .process
            .steps
            .iter()
            .filter(|step| here(&step.environments))
            .filter_map(|step| match &step.aws.identity {
                Identity::Account(name) => {
                    let place = Where { environment: target.environment, step: &step.name, pool: known_pool(step) };
                    let seen = self.seen_from(place);
                    seen.account_fault(&step.name, variable_name(name), target.environment)
                }
                _ => None,
            })
            .collect();
        if faults.is_empty() {
            return Ok(());
        }
        Err(Fault::new(
            Reason::AccountUnresolved,
            format!(
                "Project \"{}\" cannot be deployed to environment \"{}\": {}. A step never falls back to its worker's role.",
                target.project,
                target.environment,
                faults.join("; "),
            ),
        ))
    }

    fn account_fault(&self, step: &str, variable: &str, environment: &str) -> Option<String> {
        let fault = match self.find(variable) {
            Some(found) if found.kind != VariableKind::AwsAccount => {
                "which is no account variable: declare it with `type: aws-account`".to_owned()
            }
            Some(found) if !found.value.trim().is_empty() => return None,
            _ => format!("which has no value in environment \"{environment}\": give it one there in the project file"),
        };
        Some(format!("step \"{step}\" needs account variable \"{variable}\", {fault}"))
    }

    /// As each step sees them. Pools that are evaluated are known only later, and their steps are refused then.
    fn check_circles(&self, target: Target<'_>) -> Result<(), Fault> {
        let seen_from = |step, pool| self.seen_from(Where { environment: target.environment, step, pool });
        self.check_circles_in(&seen_from("", None))?;
        if self.variables.iter().all(|variable| variable.scope.is_for_all_steps()) {
            return Ok(());
        }
        for step in &target.process.steps {
            self.check_circles_in(&seen_from(&step.name, known_pool(step)))?;
        }
        Ok(())
    }

    fn check_circles_in(&self, seen: &Self) -> Result<(), Fault> {
        let mut variables = Variables::new();
        seen.insert_into(&mut variables);
        for variable in &seen.variables {
            match variables.evaluate_variable(&variable.name) {
                Some(Err(error @ TemplateError::Cycle(_))) => {
                    return Err(Fault::new(Reason::VariableCycle, error.to_string()));
                }
                Some(Err(error)) => {
                    let sentence = format!("Variable \"{}\" cannot be evaluated: {error}", variable.name);
                    return Err(Fault::new(Reason::InvalidArgument, sentence));
                }
                Some(Ok(_)) | None => {}
            }
        }
        Ok(())
    }

    /// Account variables come with their account, which is read when a step needs it.
    pub(super) fn insert_into(&self, variables: &mut Variables) {
        for variable in &self.variables {
            match variable.kind {
                VariableKind::Text => variables.insert(&variable.name, &variable.value, false),
                VariableKind::Sensitive => variables.insert(&variable.name, &variable.value, true),
                VariableKind::AwsAccount => {}
            }
        }
    }
}

impl Drop for Variable {
    fn drop(&mut self) {
        if self.kind == VariableKind::Sensitive {
            self.value.zeroize();
        }
    }
}

/// It is declared here and has no value.
struct Unset {
    name: String,
    /// What whoever deploys is asked for it; empty when nobody is.
    prompt: String,
}

/// What a name has in an environment: its value for all steps, if it has one, and the values for some of them.
fn choose(environment: &str, values: Vec<Declared>, given: Option<&str>) -> Result<Vec<Variable>, Unset> {
    if let (Some(value), Some(declared)) = (given, values.first()) {
        let (name, value) = (declared.name.clone(), value.to_owned());
        let is_secret = values.iter().any(|value| value.kind == VariableKind::Sensitive);
        let kind = if is_secret { VariableKind::Sensitive } else { VariableKind::Text };
        return Ok(vec![Variable { name, kind, value, scope: Scope::default(), given: true }]);
    }
    let here = values.into_iter().filter(|value| value.scope.covers_environment(environment));
    let (for_all, for_some): (Vec<_>, Vec<_>) = here.partition(|value| value.scope.is_for_all_steps());
    let widest = for_all.into_iter().max_by_key(|value| value.scope.rank());
    widest.into_iter().chain(for_some).map(Variable::of).collect()
}

impl Variable {
    fn of(declared: Declared) -> Result<Self, Unset> {
        let Declared { name, kind, scope, value, prompt } = declared;
        match value {
            Some(value) => Ok(Self { name, kind, value: value.as_str().to_owned(), scope, given: false }),
            None => Err(Unset { name, prompt }),
        }
    }
}

/// A step's pool, if it can be known before its variables are evaluated.
pub(super) fn known_pool(step: &Step) -> Option<&str> {
    let pool = step.pool.trim();
    match pool {
        "" => Some(pool::DEFAULT),
        _ if pool.contains("#{") => None,
        _ => Some(pool),
    }
}

/// What is given by lower-case name, if all of it may be.
fn accept<'g>(
    target: Target<'_>,
    declared: &BTreeMap<String, Vec<Declared>>,
    given: &'g Given,
) -> Result<BTreeMap<String, &'g str>, Fault> {
    let refuse = |sentence: String| Err(Fault::new(Reason::InvalidArgument, sentence));
    let mut accepted = BTreeMap::new();
    for (name, value) in &given.values {
        let key = name.to_lowercase();
        let Some(values) = declared.get(&key) else {
            return refuse(format!(
                "Project \"{}\" has no variable \"{name}\": `longshore variable list {0}` shows those it has.",
                target.project
            ));
        };
        if let Some(why) = refused(values, given.secret.contains(name)) {
            return refuse(format!("Variable \"{name}\" {why}."));
        }
        if value.len() > shared::limits::VARIABLE_BYTES {
            return refuse(format!(
                "Variable \"{name}\" has {} bytes; at most {} are allowed.",
                value.len(),
                shared::limits::VARIABLE_BYTES
            ));
        }
        if accepted.insert(key, value.as_str()).is_some() {
            return refuse(format!("Variable \"{name}\" is given twice: case does not matter in names."));
        }
    }
    Ok(accepted)
}

/// Why a variable may not be given, for the end of a sentence that begins with it.
fn refused(values: &[Declared], in_secret: bool) -> Option<&'static str> {
    let is = |kind| values.iter().any(|value| value.kind == kind);
    let is_asked = values.iter().any(|value| !value.prompt.is_empty());
    if is(VariableKind::AwsAccount) {
        return Some(
            "names an account and cannot be given with a deployment: whose credentials a step has is the project's to say",
        );
    }
    match (is(VariableKind::Sensitive), is_asked, in_secret) {
        (false, ..) | (true, true, true) => None,
        (true, false, _) => Some(
            "is sensitive and cannot be given with a deployment: set it with `longshore variable set`, or let it have a `prompt`",
        ),
        (true, true, false) => Some(
            "is sensitive: give it with `--variable-file NAME=FILE`, and change the value that you just typed, since others could see it",
        ),
    }
}

fn missing_fault(target: Target<'_>, missing: &[Unset]) -> Fault {
    let asked: Vec<String> = missing.iter().map(|it| format!("\"{}\" ({})", it.name, it.prompt)).collect();
    Fault::new(
        Reason::VariableNotGiven,
        format!(
            "Whoever deploys project \"{}\" must say {}: give it with `--variable NAME=VALUE`, or a secret with `--variable-file \
             NAME=FILE`.",
            target.project,
            asked.join(", ")
        ),
    )
}

fn unset_fault(target: Target<'_>, unset: &[String]) -> Fault {
    let (what, set, name) = match unset {
        [one] => ("Variable", "it", one.as_str()),
        _ => ("Variables", "each of them", "NAME"),
    };
    Fault::new(
        Reason::VariableUnset,
        format!(
            "{what} {} of project \"{}\" {} no value in environment \"{}\": set {set} with `longshore variable set {1} {name}`.",
            unset.join(", "),
            target.project,
            if unset.len() == 1 { "has" } else { "have" },
            target.environment,
        ),
    )
}

fn place(id: &str) -> Place<'_> {
    Place { kind: "deployment", id, field: "variables", version: 1 }
}

#[cfg(test)]
mod tests;
