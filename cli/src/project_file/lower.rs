//! From what people write to what a coordinator plans with.

use std::collections::{BTreeMap, BTreeSet};

use proto::{
    convert::project::{Declared, Described},
    deployment as d,
};
use shared::{limits, plan};

use super::{
    fault::{Fault, Place},
    files::{Attachment, is_inline},
    format::{self, ProjectFile},
};

/// The project. What cannot be lowered is a fault, and is left out.
pub(super) fn project(file: &ProjectFile, attachments: &[Attachment], faults: &mut Vec<Fault>) -> Described {
    duplicate_names(file, faults);
    overlapping_values(file, faults);
    let files = attachments.iter().map(|attachment| attachment.file.clone()).collect();
    Described {
        name: file.project.value.clone(),
        description: file.description.clone(),
        process: plan::Process { steps: each(&file.steps, step, faults), files },
        variables: each(&file.variables, variable, faults),
    }
}

fn each<W, P>(written: &[W], lower: fn(&W) -> Result<P, Fault>, faults: &mut Vec<Fault>) -> Vec<P> {
    written.iter().filter_map(|it| lower(it).map_err(|fault| faults.push(fault)).ok()).collect()
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

/// Two values of one variable for the same environment: nobody could say which one counts.
fn overlapping_values(file: &ProjectFile, faults: &mut Vec<Fault>) {
    let mut seen: BTreeMap<(String, Option<&str>), u64> = BTreeMap::new();
    for variable in &file.variables {
        let name = &variable.name;
        let scopes: Vec<Option<&str>> = match variable.environments.as_slice() {
            [] => vec![None],
            some => some.iter().map(|environment| Some(environment.as_str())).collect(),
        };
        for scope in scopes {
            if let Some(first) = seen.insert((name.value.to_lowercase(), scope), name.referenced.line()) {
                let place =
                    scope.map_or("all other environments".to_owned(), |scope| format!("environment \"{scope}\""));
                faults.push(Fault::at(
                    Place::of(name.referenced),
                    format!("Variable \"{}\" has a value for {place} in line {first} already.", name.value),
                ));
            }
        }
    }
}

fn step(step: &format::Step) -> Result<plan::Step, Fault> {
    let retries = plan::Retries::default();
    Ok(plan::Step {
        name: step.name.value.clone(),
        pool: step.pool.clone(),
        requires: step.requires.clone(),
        condition: condition(&step.condition),
        start: match step.start {
            format::Start::AfterPrevious => plan::Start::AfterPrevious,
            format::Start::WithPrevious => plan::Start::WithPrevious,
        },
        environments: step.environments.clone(),
        timeout: step.timeout.map_or(limits::DEFAULT_TIMEOUT, |span| span.0),
        retries: step.retries.as_ref().map_or(retries, |it| plan::Retries {
            count: it.count,
            backoff: it.backoff.map_or(retries.backoff, |span| span.0),
        }),
        retry_safe: step.retry_safe,
        locks: step.locks.clone(),
        aws: aws(step)?,
        action: action(step)?,
    })
}

fn condition(text: &str) -> plan::Condition {
    match text.trim() {
        "success" => plan::Condition::Success,
        "failure" => plan::Condition::Failure,
        "always" => plan::Condition::Always,
        expression => plan::Condition::Expression(expression.to_owned()),
    }
}

fn aws(step: &format::Step) -> Result<plan::Aws, Fault> {
    let aws = &step.aws;
    let identity = match (aws.identity, &aws.account) {
        (format::Identity::Account, Some(account)) => plan::Identity::Account(account.value.clone()),
        (format::Identity::Account, None) => {
            return Err(fault(step, "`aws.identity` is account, so `aws.account` must name an account variable."));
        }
        // An account beside another identity would look as if it were used.
        (_, Some(account)) => {
            return Err(Fault::at(
                Place::of(account.referenced),
                format!(
                    "Step \"{}\": `aws.account` counts only with `identity: account`; write that, or remove it.",
                    step.name.value
                ),
            ));
        }
        (format::Identity::None, None) => plan::Identity::None,
        (format::Identity::WorkerRole, None) => plan::Identity::WorkerRole,
    };
    let expect = plan::Expect {
        account: aws.expect.account.clone(),
        role: aws.expect.role.clone(),
        region: aws.expect.region.clone(),
    };
    if identity == plan::Identity::None && expect != plan::Expect::default() {
        return Err(fault(step, "`aws.expect` demands an identity, and the step has none: set `aws.identity`."));
    }
    let assume = aws.assume_role.iter().map(assume_role).collect();
    Ok(plan::Aws { identity, region: aws.region.clone(), expect, assume, require_isolation: aws.require_isolation })
}

fn assume_role(role: &format::AssumeRole) -> plan::AssumeRole {
    plan::AssumeRole {
        role_arn: role.arn.clone(),
        session_name: role.session_name.clone(),
        external_id: role.external_id.clone(),
        duration: role.duration.map_or(limits::SESSION, |span| span.0),
        policy: role.policy.clone(),
        session_tags: role.session_tags,
    }
}

fn action(step: &format::Step) -> Result<plan::Action, Fault> {
    match (&step.script, &step.cloudformation) {
        (Some(it), None) => script(step, it).map(plan::Action::Script),
        (None, Some(it)) => Ok(plan::Action::DeployStack(deploy_stack(&it.deploy))),
        (None, None) => Err(fault(step, "it does nothing: give it `script` or `cloudformation`.")),
        (Some(_), Some(_)) => Err(fault(step, "it has both `script` and `cloudformation`: make two steps of it.")),
    }
}

fn script(step: &format::Step, script: &format::Script) -> Result<plan::Script, Fault> {
    let source = match (&script.body, &script.file) {
        (Some(body), None) => plan::Source::Body(body.clone()),
        (None, Some(file)) => plan::Source::File(file.value.clone()),
        (None, None) => return Err(fault(step, "its script has no text: give it `body` or `file`.")),
        (Some(_), Some(_)) => return Err(fault(step, "its script has both `body` and `file`: keep one of them.")),
    };
    let shell = match script.shell {
        format::Shell::Bash => plan::Shell::Bash,
        format::Shell::Python => plan::Shell::Python,
    };
    Ok(plan::Script { shell, source, substitute: true })
}

fn deploy_stack(stack: &format::DeployStack) -> plan::DeployStack {
    let template = stack.template.value.clone();
    plan::DeployStack {
        stack: stack.stack.clone(),
        template: if is_inline(&template) { plan::Source::Body(template) } else { plan::Source::File(template) },
        parameters: stack.parameters.clone(),
        capabilities: stack.capabilities.clone(),
        tags: stack.tags.clone(),
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
    let environments: BTreeSet<_> = variable.environments.iter().cloned().collect();
    let key = plan::VariableKey { name: variable.name.value.clone(), kind, environments };
    Ok(Declared { key, value: variable.value.as_ref().map(|value| value.value.clone()) })
}

fn fault(step: &format::Step, what: &str) -> Fault {
    Fault::at(Place::of(step.name.referenced), format!("Step \"{}\": {what}", step.name.value))
}
