//! Projects: what an admin describes ⇄ a checked process and its variables.

use std::collections::BTreeMap;

use shared::{
    limits,
    plan::{
        Action, Asks, Condition, File, OnFailure, Process, Retries, Script, Shell, Source, Start, Step, VariableKey,
        VariableKind, Waits, check_name,
    },
    reason::{Fault, Reason},
    scope::Scope,
};

mod aws;

use self::aws::aws_from_wire;
pub use self::aws::aws_rest;
use super::{duration_from_wire, duration_to_wire};
use crate::deployment as wire;

/// A project as an admin describes it; everything in it was checked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Described {
    /// Unique name.
    pub name: String,
    /// What it does.
    pub description: String,
    /// Its steps and files.
    pub process: Process,
    /// Its variables, in order of the file.
    pub variables: Vec<Declared>,
    /// Projects whose variables count, too; of equally specific values the one named last counts.
    pub variables_from: Vec<String>,
}

/// A variable as a project file declares it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Declared {
    /// Its name, kind and scope.
    pub key: VariableKey,
    /// Its value; never of a sensitive one, which does not belong into a file.
    pub value: Option<String>,
    /// What whoever deploys is asked for it; empty asks nobody.
    pub prompt: String,
}

impl TryFrom<&wire::Project> for Described {
    type Error = Fault;

    /// One fault with every sentence there is to say about it.
    fn try_from(project: &wire::Project) -> Result<Self, Fault> {
        let mut faults = Vec::new();
        if let Err(why) = check_name(&project.name, limits::NAME_CHARS) {
            faults.push(format!("The project's name {why}."));
        }
        let steps = each(&project.steps, step_from_wire, &mut faults);
        let files = each(&project.files, file_from_wire, &mut faults);
        let variables = each(&project.variables, declared_from_wire, &mut faults);
        let process = Process { steps, files };
        // Half a process would be blamed for what is missing of it.
        if faults.is_empty() {
            faults.extend(process.faults());
        }
        if process.steps.is_empty() && variables.is_empty() {
            faults.push("The project has neither steps nor variables: add at least one of them.".into());
        }
        faults.extend(variables_faults(&variables));
        faults.extend(variables_from_faults(project));
        faults.extend(variables.iter().filter_map(|declared| stray_step(&declared.key, &process)));
        if !faults.is_empty() {
            return Err(Fault::new(Reason::InvalidProject, faults.join("\n")));
        }
        let (name, description) = (project.name.clone(), project.description.clone());
        Ok(Self { name, description, process, variables, variables_from: project.variables_from.clone() })
    }
}

impl From<&Described> for wire::Project {
    fn from(described: &Described) -> Self {
        Self {
            name: described.name.clone(),
            description: described.description.clone(),
            steps: described.process.steps.iter().map(Into::into).collect(),
            variables: described.variables.iter().map(Into::into).collect(),
            files: described.process.files.iter().map(Into::into).collect(),
            variables_from: described.variables_from.clone(),
            revision: 0,
            update_time: None,
        }
    }
}

impl From<&Declared> for wire::Variable {
    fn from(declared: &Declared) -> Self {
        Self {
            name: declared.key.name.clone(),
            r#type: wire_kind(declared.key.kind) as i32,
            value: declared.value.clone(),
            environments: declared.key.scope.environments.iter().cloned().collect(),
            steps: declared.key.scope.steps.iter().cloned().collect(),
            pools: declared.key.scope.pools.iter().cloned().collect(),
            is_set: declared.value.is_some(),
            from_file: true,
            prompt: declared.prompt.clone(),
        }
    }
}

impl From<&File> for wire::ProjectFile {
    fn from(file: &File) -> Self {
        Self {
            path: file.path.clone(),
            sha256: file.sha256.clone(),
            size: i64::try_from(file.size).unwrap_or(i64::MAX),
            executable: file.executable,
        }
    }
}

impl From<&Step> for wire::Step {
    fn from(step: &Step) -> Self {
        Self {
            name: step.name.clone(),
            pool: step.pool.clone(),
            requires: step.requires.clone().into_iter().collect(),
            condition: match &step.condition {
                Condition::Success => "success".into(),
                Condition::Failure => "failure".into(),
                Condition::Always => "always".into(),
                Condition::Expression(text) => text.clone(),
            },
            start: match step.start {
                Start::AfterPrevious => wire::step::Start::AfterPrevious,
                Start::WithPrevious => wire::step::Start::WithPrevious,
            } as i32,
            environments: step.environments.clone(),
            timeout: duration_to_wire(step.timeout),
            queue_timeout: step.waits.queue_timeout.and_then(duration_to_wire),
            no_output_timeout: step.waits.no_output_timeout.and_then(duration_to_wire),
            cancel_grace: step.waits.cancel_grace.and_then(duration_to_wire),
            approval: step.asks.approval.clone().unwrap_or_default(),
            on_failure: match step.asks.on_failure {
                OnFailure::Fail => wire::step::OnFailure::Fail,
                OnFailure::Ask => wire::step::OnFailure::Ask,
            } as i32,
            answer_timeout: step.asks.timeout.and_then(duration_to_wire),
            retries: Some(wire::Retries {
                count: i32::try_from(step.retries.count).unwrap_or(i32::MAX),
                backoff: duration_to_wire(step.retries.backoff),
                exit_codes: step.retries.exit_codes.iter().copied().collect(),
            }),
            retry_safe: step.retry_safe,
            locks: step.locks.clone(),
            aws: Some((&step.aws).into()),
            action: action_to_wire(&step.action),
        }
    }
}

/// The kind of a variable, as it travels.
#[must_use]
pub fn wire_kind(kind: VariableKind) -> wire::variable::Type {
    match kind {
        VariableKind::Text => wire::variable::Type::Text,
        VariableKind::Sensitive => wire::variable::Type::Sensitive,
        VariableKind::AwsAccount => wire::variable::Type::AwsAccount,
    }
}

/// Name, kind and scope of a variable that travelled.
///
/// # Errors
/// What is wrong with it, in a sentence that names it.
pub fn variable_key(variable: &wire::Variable) -> Result<VariableKey, String> {
    let name = &variable.name;
    let say = |what: String| Err(format!("Variable \"{name}\": {what}."));
    if let Err(why) = check_name(name, limits::NAME_CHARS) {
        return say(format!("its name {why}"));
    }
    if name.contains(['#', '{', '}', '|']) {
        return say("its name holds one of # { } |, so #{…} could not name it".into());
    }
    let kind = match wire::variable::Type::try_from(variable.r#type) {
        Ok(wire::variable::Type::Unspecified | wire::variable::Type::Text) => VariableKind::Text,
        Ok(wire::variable::Type::Sensitive) => VariableKind::Sensitive,
        Ok(wire::variable::Type::AwsAccount) => VariableKind::AwsAccount,
        Err(_) => return say("its type is not known to this version".into()),
    };
    if let Some(value) = &variable.value
        && value.len() > limits::VARIABLE_BYTES
    {
        return say(format!("its value has {} bytes; at most {} are allowed", value.len(), limits::VARIABLE_BYTES));
    }
    if let Some(environment) = variable.environments.iter().find(|name| check_name(name, limits::NAME_CHARS).is_err()) {
        return say(format!("\"{environment}\" cannot be the name of an environment"));
    }
    let pool = variable.pools.iter().find(|name| check_name(name, limits::NAME_CHARS).is_err());
    if let Some(pool) = pool {
        return say(format!("\"{pool}\" cannot be the name of a pool"));
    }
    let scope = scope(&variable.environments, &variable.steps, &variable.pools);
    Ok(VariableKey { name: name.clone(), kind, scope })
}

/// A scope that travelled.
#[must_use]
pub fn scope(environments: &[String], steps: &[String], pools: &[String]) -> Scope {
    let set = |names: &[String]| names.iter().cloned().collect();
    Scope { environments: set(environments), steps: set(steps), pools: set(pools) }
}

fn declared_from_wire(variable: &wire::Variable) -> Result<Declared, String> {
    let key = variable_key(variable)?;
    if key.kind == VariableKind::Sensitive && variable.value.is_some() {
        return Err(format!(
            "Variable \"{}\" is sensitive and has a value in the project file: take it out, and set it with `longshore variable set`.",
            key.name
        ));
    }
    if let Some(fault) = prompt_fault(&key, &variable.prompt) {
        return Err(format!("Variable \"{}\": {fault}.", key.name));
    }
    Ok(Declared { key, value: variable.value.clone(), prompt: variable.prompt.clone() })
}

fn prompt_fault(key: &VariableKey, prompt: &str) -> Option<String> {
    if prompt.is_empty() {
        return None;
    }
    if key.kind == VariableKind::AwsAccount {
        return Some(
            "it names an account and has a `prompt`: whose credentials a step has is the project's to say".into(),
        );
    }
    if key.scope != Scope::default() {
        return Some(
            "it has a `prompt` and is only for some environments, steps or pools: what is given counts everywhere"
                .into(),
        );
    }
    (prompt.chars().count() > limits::PROMPT_CHARS || prompt.trim().is_empty())
        .then(|| format!("`prompt` has 1 to {} characters", limits::PROMPT_CHARS))
}

fn variables_from_faults(project: &wire::Project) -> Vec<String> {
    let names = &project.variables_from;
    let mut faults = Vec::new();
    if names.len() > limits::VARIABLES_FROM {
        faults.push(format!(
            "`variables_from` names {} projects; at most {} are allowed.",
            names.len(),
            limits::VARIABLES_FROM
        ));
    }
    for (at, name) in names.iter().enumerate() {
        if *name == project.name {
            faults.push("`variables_from` names the project itself: its own variables count anyway.".into());
        } else if names[..at].contains(name) {
            faults.push(format!("`variables_from` names \"{name}\" twice."));
        }
    }
    faults
}

fn variables_faults(variables: &[Declared]) -> Vec<String> {
    let mut faults = Vec::new();
    if variables.len() > limits::VARIABLES {
        faults.push(format!(
            "The project has {} variables; at most {} are allowed.",
            variables.len(),
            limits::VARIABLES
        ));
    }
    let mut seen = BTreeMap::new();
    for Declared { key, .. } in variables {
        if seen.insert((key.name.to_lowercase(), &key.scope), ()).is_some() {
            faults.push(format!("Variable \"{}\" is declared twice for the same scope.", key.name));
        }
    }
    faults
}

/// A value for a step that the project does not have counts nowhere: a typing error.
fn stray_step(key: &VariableKey, process: &Process) -> Option<String> {
    // Others that take variables from a project without steps have their own.
    if process.steps.is_empty() {
        return None;
    }
    let is_there = |name: &&String| process.steps.iter().any(|step| step.name.to_lowercase() == name.to_lowercase());
    let stray = key.scope.steps.iter().find(|name| !is_there(name))?;
    Some(format!("Variable \"{}\" has a value for step \"{stray}\", which the project does not have.", key.name))
}

fn step_from_wire(step: &wire::Step) -> Result<Step, String> {
    let say = |what: &str| format!("Step \"{}\": {what}.", step.name);
    let start = match wire::step::Start::try_from(step.start) {
        Ok(wire::step::Start::Unspecified | wire::step::Start::AfterPrevious) => Start::AfterPrevious,
        Ok(wire::step::Start::WithPrevious) => Start::WithPrevious,
        Err(_) => return Err(say("its `start` is not known to this version")),
    };
    Ok(Step {
        name: step.name.clone(),
        pool: step.pool.clone(),
        requires: step.requires.clone().into_iter().collect(),
        condition: match step.condition.as_str() {
            "" | "success" => Condition::Success,
            "failure" => Condition::Failure,
            "always" => Condition::Always,
            text => Condition::Expression(text.into()),
        },
        start,
        environments: step.environments.clone(),
        timeout: duration_from_wire(step.timeout, limits::DEFAULT_TIMEOUT)
            .ok_or_else(|| say("its `timeout` is not a length of time"))?,
        waits: waits_from_wire(step).map_err(say)?,
        asks: asks_from_wire(step).map_err(say)?,
        retries: retries_from_wire(step.retries.as_ref()).map_err(say)?,
        retry_safe: step.retry_safe,
        locks: step.locks.clone(),
        aws: aws_from_wire(step.aws.as_ref()).map_err(say)?,
        action: action_from_wire(step.action.as_ref()).map_err(say)?,
    })
}

fn waits_from_wire(step: &wire::Step) -> Result<Waits, &'static str> {
    Ok(Waits {
        queue_timeout: span(step.queue_timeout, "its `queue_timeout` is not a length of time")?,
        no_output_timeout: span(step.no_output_timeout, "its `no_output_timeout` is not a length of time")?,
        cancel_grace: span(step.cancel_grace, "its `cancel_grace` is not a length of time")?,
    })
}

fn asks_from_wire(step: &wire::Step) -> Result<Asks, &'static str> {
    use wire::step::OnFailure as W;
    Ok(Asks {
        approval: Some(step.approval.clone()).filter(|text| !text.is_empty()),
        on_failure: match W::try_from(step.on_failure) {
            Ok(W::Unspecified | W::Fail) => OnFailure::Fail,
            Ok(W::Ask) => OnFailure::Ask,
            Err(_) => return Err("its `on_failure` is not known to this version"),
        },
        timeout: span(step.answer_timeout, "its `answer_timeout` is not a length of time")?,
    })
}

fn span(
    given: Option<prost_types::Duration>,
    fault: &'static str,
) -> Result<Option<std::time::Duration>, &'static str> {
    given.map(|it| it.try_into().map_err(|_| fault)).transpose()
}

fn retries_from_wire(retries: Option<&wire::Retries>) -> Result<Retries, &'static str> {
    let Some(retries) = retries else { return Ok(Retries::default()) };
    Ok(Retries {
        count: u32::try_from(retries.count).map_err(|_| "its `retries.count` is negative")?,
        backoff: duration_from_wire(retries.backoff, Retries::default().backoff)
            .ok_or("its `retries.backoff` is not a length of time")?,
        exit_codes: retries.exit_codes.iter().copied().collect(),
    })
}

fn action_from_wire(action: Option<&wire::step::Action>) -> Result<Action, &'static str> {
    match action {
        None => Err("it does nothing: give it a `script`, or a `cloudformation`"),
        Some(wire::step::Action::Script(script)) => script_from_wire(script).map(Action::Script),
        Some(wire::step::Action::DeployStack(stack)) => Ok(Action::DeployStack(Box::new(stack.try_into()?))),
        Some(wire::step::Action::ApplyChangeSet(apply)) => Ok(Action::ApplyChangeSet(apply.into())),
        Some(wire::step::Action::DeleteStack(delete)) => Ok(Action::DeleteStack(delete.into())),
        Some(wire::step::Action::UploadToS3(upload)) => Ok(Action::UploadToS3(Box::new(upload.into()))),
    }
}

fn script_from_wire(script: &wire::Script) -> Result<Script, &'static str> {
    use wire::script::{Shell as S, Source as W};
    let shell = match S::try_from(script.shell) {
        Ok(S::Bash) => Shell::Bash,
        Ok(S::Python) => Shell::Python,
        Ok(S::Powershell) => Shell::PowerShell,
        Ok(S::Unspecified) => return Err("its `script.shell` is missing: write bash, python or powershell"),
        Err(_) => return Err("its `script.shell` is not known to this version"),
    };
    let source = match &script.source {
        Some(W::Body(text)) => Source::Body(text.clone()),
        Some(W::File(path)) => Source::File(path.clone()),
        None => return Err("its script has neither `body` nor `file`"),
    };
    Ok(Script { shell, source, substitute: true, strict: script.strict.unwrap_or(true) })
}

fn action_to_wire(action: &Action) -> Option<wire::step::Action> {
    use wire::script;
    Some(match action {
        Action::Script(script) => wire::step::Action::Script(wire::Script {
            shell: match script.shell {
                Shell::Bash => script::Shell::Bash,
                Shell::Python => script::Shell::Python,
                Shell::PowerShell => script::Shell::Powershell,
            } as i32,
            source: Some(match &script.source {
                Source::Body(text) => script::Source::Body(text.clone()),
                Source::File(path) => script::Source::File(path.clone()),
            }),
            strict: Some(script.strict),
        }),
        Action::DeployStack(stack) => wire::step::Action::DeployStack((&**stack).into()),
        Action::ApplyChangeSet(apply) => wire::step::Action::ApplyChangeSet(apply.into()),
        Action::DeleteStack(delete) => wire::step::Action::DeleteStack(delete.into()),
        Action::UploadToS3(upload) => wire::step::Action::UploadToS3((&**upload).into()),
        // Never part of a project: an account test makes it.
        Action::CheckIdentity => return None,
    })
}

fn file_from_wire(file: &wire::ProjectFile) -> Result<File, String> {
    let size = u64::try_from(file.size).map_err(|_| format!("File \"{}\": its size is negative.", file.path))?;
    Ok(File { path: file.path.clone(), sha256: file.sha256.clone(), size, executable: file.executable })
}

fn each<W, D>(wire: &[W], convert: impl Fn(&W) -> Result<D, String>, faults: &mut Vec<String>) -> Vec<D> {
    let convert = |item| convert(item).map_err(|fault| faults.push(fault)).ok();
    wire.iter().filter_map(convert).collect()
}

#[cfg(test)]
mod tests;
