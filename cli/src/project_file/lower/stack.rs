//! CloudFormation stacks.

use std::{collections::BTreeMap, time::Duration};

use serde_saphyr::Spanned;
use shared::plan::{
    Action,
    stack::{
        ApplyChangeSet, ChangeSetMode, ContinueRollback, DeleteStack, DeployStack, OnFailure, RollbackTriggers,
        StackParameter, StackTemplate, Staging,
    },
};

use super::{
    super::{
        fault::{Fault, Place},
        files::{Supply, Written, policy_of, template_of},
        format,
    },
    step::fault,
};

/// What a step does to a stack.
///
/// # Errors
/// It does nothing, or more than one thing.
pub(super) fn action(
    step: &format::Step,
    it: &format::CloudFormation,
    supply: &Supply,
    faults: &mut Vec<Fault>,
) -> Result<Action, Fault> {
    match (&it.deploy, &it.apply_change_set, &it.delete) {
        (Some(it), None, None) => Ok(Action::DeployStack(Box::new(deploy(it, supply, faults)))),
        (None, Some(it), None) => Ok(Action::ApplyChangeSet(apply(it))),
        (None, None, Some(it)) => Ok(Action::DeleteStack(delete(it))),
        (None, None, None) => {
            Err(fault(step, "its `cloudformation` does nothing: give it `deploy`, `apply_change_set` or `delete`."))
        }
        _ => Err(fault(
            step,
            "its `cloudformation` has more than one of `deploy`, `apply_change_set` and `delete`: make a step of each.",
        )),
    }
}

fn deploy(it: &format::DeployStack, supply: &Supply, faults: &mut Vec<Fault>) -> DeployStack {
    DeployStack {
        stack: it.stack.clone(),
        template: match template_of(&it.template.value) {
            Written::Text(text) => StackTemplate::Body(text.to_owned()),
            Written::Path(path) => StackTemplate::File(path.to_owned()),
            Written::Address(url) => StackTemplate::Url(url.to_owned()),
        },
        substitute: it.substitute,
        parameters: parameters(it, supply, faults),
        capabilities: it.capabilities.iter().map(|it| capability(*it).to_owned()).collect(),
        tags: tags(&it.tags, faults),
        role_arn: it.role_arn.clone(),
        policy: it.stack_policy.as_ref().map(|policy| policy_of(&policy.value)),
        termination_protection: it.termination_protection,
        notification_arns: it.notification_arns.clone(),
        rollback: it.rollback_triggers.as_ref().map(|it| RollbackTriggers {
            alarms: it.alarms.clone(),
            monitoring: whole_minutes("monitoring", it.monitoring.as_ref(), faults).unwrap_or_default(),
        }),
        on_failure: on_failure(it.on_failure),
        creation_timeout: whole_minutes("creation_timeout", it.creation_timeout.as_ref(), faults),
        change_set: change_set(it.change_set),
        replace_failed: it.replace_failed,
        continue_rollback: it.continue_rollback.as_ref().map(|it| ContinueRollback { skip: it.skip.clone() }),
        sensitive_outputs: it.sensitive_outputs.clone(),
        staging: it.staging.as_ref().map(staging),
        artifacts: supply.artifacts.clone(),
    }
}

fn apply(it: &format::ApplyChangeSet) -> ApplyChangeSet {
    ApplyChangeSet {
        stack: it.stack.clone(),
        change_set: it.change_set.clone(),
        digest: it.digest.clone(),
        sensitive_outputs: it.sensitive_outputs.clone(),
    }
}

fn delete(it: &format::DeleteStack) -> DeleteStack {
    DeleteStack { stack: it.stack.clone(), retain: it.retain.clone(), role_arn: it.role_arn.clone() }
}

fn staging(it: &format::Staging) -> Staging {
    Staging { bucket: it.bucket.clone(), prefix: it.prefix.clone(), create: it.create, kms_key: it.kms_key.clone() }
}

fn capability(it: format::Capability) -> &'static str {
    match it {
        format::Capability::Iam => "CAPABILITY_IAM",
        format::Capability::NamedIam => "CAPABILITY_NAMED_IAM",
        format::Capability::AutoExpand => "CAPABILITY_AUTO_EXPAND",
    }
}

fn on_failure(it: format::OnFailure) -> OnFailure {
    match it {
        format::OnFailure::Rollback => OnFailure::Rollback,
        format::OnFailure::Delete => OnFailure::Delete,
        format::OnFailure::DoNothing => OnFailure::DoNothing,
    }
}

fn change_set(it: format::ChangeSet) -> ChangeSetMode {
    match it {
        format::ChangeSet::Execute => ChangeSetMode::Execute,
        format::ChangeSet::Review => ChangeSetMode::Review,
        format::ChangeSet::Direct => ChangeSetMode::Direct,
    }
}

fn parameters(it: &format::DeployStack, supply: &Supply, faults: &mut Vec<Fault>) -> BTreeMap<String, StackParameter> {
    let (written, source) = match &it.parameters {
        format::Parameters::Here(here) => (here, None),
        format::Parameters::File(path) => (&supply.parameters, Some(path)),
    };
    let mut parameters = BTreeMap::new();
    let mut lines = BTreeMap::new();
    for parameter in written {
        let name = &parameter.name;
        let mut say = |what: String| faults.push(in_source(source, name, &what));
        if let Some(first) = lines.insert(name.value.as_str(), name.referenced.line()) {
            say(format!("parameter \"{}\" has a value in line {first} already: keep one of them.", name.value));
        }
        if name.value.trim().is_empty() {
            say("a parameter has no name.".into());
        }
        if matches!(parameter.value, format::Value::Absent) && !parameter.use_previous {
            say(format!("parameter \"{}\" has no value: give it one, or let it use the previous one.", name.value));
        }
        parameters.insert(
            name.value.clone(),
            StackParameter {
                value: parameter.text().to_owned(),
                use_previous: parameter.use_previous,
                no_echo: parameter.no_echo,
            },
        );
    }
    parameters
}

/// A fault at a thing of the project file, or of a file that it names.
fn in_source(source: Option<&Spanned<String>>, thing: &Spanned<String>, what: &str) -> Fault {
    match source {
        None => Fault::at(Place::of(thing.referenced), capital(what)),
        Some(path) => {
            let at = thing.referenced;
            let sentence = format!("In {}:{}:{}, {what}", path.value, at.line(), at.column());
            Fault::at(Place::of(path.referenced), sentence)
        }
    }
}

fn capital(sentence: &str) -> String {
    let mut chars = sentence.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

fn tags(written: &format::Tags, faults: &mut Vec<Fault>) -> BTreeMap<String, String> {
    let mut lines = BTreeMap::new();
    for (key, _) in &written.0 {
        if let Some(first) = lines.insert(key.value.as_str(), key.referenced.line()) {
            let sentence = format!("The tag \"{}\" has a value in line {first} already: keep one of them.", key.value);
            faults.push(Fault::at(Place::of(key.referenced), sentence));
        }
    }
    written.0.iter().map(|(key, value)| (key.value.clone(), value.clone())).collect()
}

/// A length of time that AWS takes in minutes.
fn whole_minutes(key: &str, span: Option<&Spanned<format::Span>>, faults: &mut Vec<Fault>) -> Option<Duration> {
    let span = span?;
    let duration = span.value.0;
    if duration.as_secs() % 60 != 0 || duration.subsec_nanos() != 0 {
        let sentence = format!(
            "`{key}` is {}, and CloudFormation counts it in whole minutes: write e.g. {}m.",
            humantime::format_duration(duration),
            duration.as_secs().div_ceil(60)
        );
        faults.push(Fault::at(Place::of(span.referenced), sentence));
    }
    Some(duration)
}
