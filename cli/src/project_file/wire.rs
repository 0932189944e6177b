//! From the plan to the contract.

use std::{collections::BTreeMap, time::Duration};

use proto::deployment as d;
use shared::plan;

use super::format::ProjectFile;

/// The project as the coordinator is asked to have it.
pub(super) fn project(
    file: &ProjectFile,
    process: plan::Process,
    variables: Vec<(plan::VariableKey, Option<String>)>,
) -> d::Project {
    d::Project {
        name: file.project.value.clone(),
        description: file.description.clone(),
        steps: process.steps.into_iter().map(step).collect(),
        variables: variables.into_iter().map(variable).collect(),
        files: process.files.into_iter().map(project_file).collect(),
        ..Default::default()
    }
}

fn step(step: plan::Step) -> d::Step {
    let start = match step.start {
        plan::Start::AfterPrevious => d::step::Start::AfterPrevious,
        plan::Start::WithPrevious => d::step::Start::WithPrevious,
    };
    d::Step {
        name: step.name,
        pool: step.pool,
        requires: step.requires.into_iter().collect(),
        condition: match step.condition {
            plan::Condition::Success => "success".into(),
            plan::Condition::Failure => "failure".into(),
            plan::Condition::Always => "always".into(),
            plan::Condition::Expression(text) => text,
        },
        start: start.into(),
        environments: step.environments,
        timeout: Some(duration(step.timeout)),
        retries: Some(d::Retries {
            // At most 10, as the plan's own checks demand.
            count: i32::try_from(step.retries.count).unwrap_or(i32::MAX),
            backoff: Some(duration(step.retries.backoff)),
        }),
        retry_safe: step.retry_safe,
        locks: step.locks,
        aws: Some(aws(step.aws)),
        action: action(step.action),
    }
}

fn aws(aws: plan::Aws) -> d::Aws {
    let (identity, account) = match aws.identity {
        plan::Identity::None => (d::aws::Identity::None, String::new()),
        plan::Identity::Account(name) | plan::Identity::NamedAccount(name) => (d::aws::Identity::Account, name),
        plan::Identity::WorkerRole => (d::aws::Identity::WorkerRole, String::new()),
    };
    let expect = d::ExpectIdentity { account: aws.expect.account, role: aws.expect.role, region: aws.expect.region };
    d::Aws { identity: identity.into(), account, region: aws.region, expect: Some(expect) }
}

/// Absent for what only a coordinator asks of itself.
fn action(action: plan::Action) -> Option<d::step::Action> {
    match action {
        plan::Action::Script(it) => Some(d::step::Action::Script(script(it))),
        plan::Action::DeployStack(it) => Some(d::step::Action::DeployStack(deploy_stack(it))),
        plan::Action::CheckIdentity => None,
    }
}

fn script(script: plan::Script) -> d::Script {
    let shell = match script.shell {
        plan::Shell::Bash => d::script::Shell::Bash,
        plan::Shell::Python => d::script::Shell::Python,
    };
    let source = match script.source {
        plan::Source::Body(text) => d::script::Source::Body(text),
        plan::Source::File(path) => d::script::Source::File(path),
    };
    d::Script { shell: shell.into(), source: Some(source) }
}

fn deploy_stack(stack: plan::DeployStack) -> d::DeployStack {
    let map = |map: BTreeMap<String, String>| map.into_iter().collect();
    d::DeployStack {
        stack: stack.stack,
        template: Some(match stack.template {
            plan::Source::Body(text) => d::deploy_stack::Template::Body(text),
            plan::Source::File(path) => d::deploy_stack::Template::File(path),
        }),
        parameters: map(stack.parameters),
        capabilities: stack.capabilities,
        tags: map(stack.tags),
    }
}

fn variable((key, value): (plan::VariableKey, Option<String>)) -> d::Variable {
    let r#type = match key.kind {
        plan::VariableKind::Text => d::variable::Type::Text,
        plan::VariableKind::Sensitive => d::variable::Type::Sensitive,
        plan::VariableKind::AwsAccount => d::variable::Type::AwsAccount,
    };
    d::Variable {
        name: key.name,
        r#type: r#type.into(),
        value,
        environments: key.environments.into_iter().collect(),
        ..Default::default()
    }
}

fn project_file(file: plan::File) -> d::ProjectFile {
    d::ProjectFile {
        path: file.path,
        sha256: file.sha256,
        // At most 64 MiB, as the plan's own checks demand.
        size: i64::try_from(file.size).unwrap_or(i64::MAX),
        executable: file.executable,
    }
}

fn duration(duration: Duration) -> prost_types::Duration {
    // At most 7 days, as the plan's own checks demand.
    prost_types::Duration::try_from(duration).unwrap_or_default()
}
