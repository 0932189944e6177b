//! CloudFormation stacks.

use std::time::Duration;

use shared::plan::{
    Source,
    stack::{
        ApplyChangeSet, ChangeSetMode, ContinueRollback, DeleteStack, DeployStack, OnFailure, RollbackTriggers,
        StackParameter, StackTemplate, Staging,
    },
};

use crate::{
    action as wire,
    action::deploy_stack::{ChangeSet, OnFailure as OnFailureWord, Policy, Template},
    convert::{duration_from_wire, duration_to_wire},
};

impl From<&DeployStack> for wire::DeployStack {
    fn from(stack: &DeployStack) -> Self {
        Self {
            stack: stack.stack.clone(),
            template: Some(match stack.template.clone() {
                StackTemplate::Body(text) => Template::Body(text),
                StackTemplate::File(path) => Template::File(path),
                StackTemplate::Url(url) => Template::Url(url),
            }),
            parameters: stack.parameters.iter().map(|(name, value)| (name.clone(), value.into())).collect(),
            capabilities: stack.capabilities.clone(),
            tags: stack.tags.clone().into_iter().collect(),
            substitute: stack.substitute,
            role_arn: stack.role_arn.clone(),
            policy: stack.policy.clone().map(|policy| match policy {
                Source::Body(text) => Policy::PolicyBody(text),
                Source::File(path) => Policy::PolicyFile(path),
            }),
            termination_protection: stack.termination_protection,
            notification_arns: stack.notification_arns.clone(),
            rollback_triggers: stack.rollback.as_ref().map(Into::into),
            on_failure: on_failure(stack.on_failure) as i32,
            creation_timeout: stack.creation_timeout.and_then(duration_to_wire),
            change_set: change_set(stack.change_set) as i32,
            replace_failed: stack.replace_failed,
            continue_rollback: stack.continue_rollback.clone().map(|it| wire::ContinueRollback { skip: it.skip }),
            sensitive_outputs: stack.sensitive_outputs.clone(),
            staging: stack.staging.as_ref().map(Into::into),
            artifacts: stack.artifacts.clone(),
        }
    }
}

impl TryFrom<&wire::DeployStack> for DeployStack {
    type Error = &'static str;

    fn try_from(stack: &wire::DeployStack) -> Result<Self, &'static str> {
        let template = match stack.template.clone().ok_or("its stack has no `template`")? {
            Template::Body(text) => StackTemplate::Body(text),
            Template::File(path) => StackTemplate::File(path),
            Template::Url(url) => StackTemplate::Url(url),
        };
        let creation_timeout = duration_from_wire(stack.creation_timeout, Duration::ZERO)
            .ok_or("its `creation_timeout` is not a length of time")?;
        Ok(Self {
            stack: stack.stack.clone(),
            template,
            substitute: stack.substitute,
            parameters: stack.parameters.iter().map(|(name, value)| (name.clone(), value.into())).collect(),
            capabilities: stack.capabilities.clone(),
            tags: stack.tags.clone().into_iter().collect(),
            role_arn: stack.role_arn.clone(),
            policy: stack.policy.clone().map(|policy| match policy {
                Policy::PolicyBody(text) => Source::Body(text),
                Policy::PolicyFile(path) => Source::File(path),
            }),
            termination_protection: stack.termination_protection,
            notification_arns: stack.notification_arns.clone(),
            rollback: stack.rollback_triggers.as_ref().map(TryInto::try_into).transpose()?,
            on_failure: on_failure_from(stack.on_failure)?,
            creation_timeout: stack.creation_timeout.map(|_| creation_timeout),
            change_set: change_set_from(stack.change_set)?,
            replace_failed: stack.replace_failed,
            continue_rollback: stack.continue_rollback.clone().map(|it| ContinueRollback { skip: it.skip }),
            sensitive_outputs: stack.sensitive_outputs.clone(),
            staging: stack.staging.as_ref().map(Into::into),
            artifacts: stack.artifacts.clone(),
        })
    }
}

fn on_failure(on_failure: OnFailure) -> OnFailureWord {
    match on_failure {
        OnFailure::Rollback => OnFailureWord::Rollback,
        OnFailure::Delete => OnFailureWord::Delete,
        OnFailure::DoNothing => OnFailureWord::DoNothing,
    }
}

fn on_failure_from(word: i32) -> Result<OnFailure, &'static str> {
    match OnFailureWord::try_from(word) {
        Ok(OnFailureWord::Unspecified | OnFailureWord::Rollback) => Ok(OnFailure::Rollback),
        Ok(OnFailureWord::Delete) => Ok(OnFailure::Delete),
        Ok(OnFailureWord::DoNothing) => Ok(OnFailure::DoNothing),
        Err(_) => Err("its `on_failure` is not known to this version"),
    }
}

fn change_set(mode: ChangeSetMode) -> ChangeSet {
    match mode {
        ChangeSetMode::Execute => ChangeSet::Execute,
        ChangeSetMode::Review => ChangeSet::Review,
        ChangeSetMode::Direct => ChangeSet::Direct,
    }
}

fn change_set_from(word: i32) -> Result<ChangeSetMode, &'static str> {
    match ChangeSet::try_from(word) {
        Ok(ChangeSet::Unspecified | ChangeSet::Execute) => Ok(ChangeSetMode::Execute),
        Ok(ChangeSet::Review) => Ok(ChangeSetMode::Review),
        Ok(ChangeSet::Direct) => Ok(ChangeSetMode::Direct),
        Err(_) => Err("its `change_set` is not known to this version"),
    }
}

impl From<&StackParameter> for wire::StackParameter {
    fn from(it: &StackParameter) -> Self {
        Self { value: it.value.clone(), use_previous: it.use_previous, no_echo: it.no_echo }
    }
}

impl From<&wire::StackParameter> for StackParameter {
    fn from(it: &wire::StackParameter) -> Self {
        Self { value: it.value.clone(), use_previous: it.use_previous, no_echo: it.no_echo }
    }
}

impl From<&RollbackTriggers> for wire::RollbackTriggers {
    fn from(it: &RollbackTriggers) -> Self {
        Self { alarms: it.alarms.clone(), monitoring: duration_to_wire(it.monitoring) }
    }
}

impl TryFrom<&wire::RollbackTriggers> for RollbackTriggers {
    type Error = &'static str;

    fn try_from(it: &wire::RollbackTriggers) -> Result<Self, &'static str> {
        let monitoring = duration_from_wire(it.monitoring, Duration::ZERO)
            .ok_or("its `rollback_triggers.monitoring` is not a length of time")?;
        Ok(Self { alarms: it.alarms.clone(), monitoring })
    }
}

impl From<&Staging> for wire::Staging {
    fn from(it: &Staging) -> Self {
        let it = it.clone();
        Self { bucket: it.bucket, prefix: it.prefix, create: it.create, kms_key: it.kms_key }
    }
}

impl From<&wire::Staging> for Staging {
    fn from(it: &wire::Staging) -> Self {
        let it = it.clone();
        Self { bucket: it.bucket, prefix: it.prefix, create: it.create, kms_key: it.kms_key }
    }
}

impl From<&ApplyChangeSet> for wire::ApplyChangeSet {
    fn from(it: &ApplyChangeSet) -> Self {
        let it = it.clone();
        Self { stack: it.stack, change_set: it.change_set, digest: it.digest, sensitive_outputs: it.sensitive_outputs }
    }
}

impl From<&wire::ApplyChangeSet> for ApplyChangeSet {
    fn from(it: &wire::ApplyChangeSet) -> Self {
        let it = it.clone();
        Self { stack: it.stack, change_set: it.change_set, digest: it.digest, sensitive_outputs: it.sensitive_outputs }
    }
}

impl From<&DeleteStack> for wire::DeleteStack {
    fn from(it: &DeleteStack) -> Self {
        let it = it.clone();
        Self { stack: it.stack, retain: it.retain, role_arn: it.role_arn }
    }
}

impl From<&wire::DeleteStack> for DeleteStack {
    fn from(it: &wire::DeleteStack) -> Self {
        let it = it.clone();
        Self { stack: it.stack, retain: it.retain, role_arn: it.role_arn }
    }
}
