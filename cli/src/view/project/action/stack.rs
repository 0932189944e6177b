//! CloudFormation stacks.

use std::collections::BTreeMap;

use proto::action::{
    self as a,
    deploy_stack::{ChangeSet, Policy, Template},
};
use serde::Serialize;

use crate::view::{duration, word};

/// A stack that is deployed.
#[derive(Serialize)]
pub(crate) struct DeployStackView {
    stack: String,
    #[serde(flatten)]
    template: TemplateView,
    parameters: BTreeMap<String, StackParameterView>,
    capabilities: Vec<String>,
    tags: BTreeMap<String, String>,
    substitute: bool,
    role_arn: String,
    #[serde(flatten)]
    policy: Option<PolicyView>,
    termination_protection: Option<bool>,
    notification_arns: Vec<String>,
    rollback_triggers: Option<RollbackTriggersView>,
    on_failure: String,
    creation_timeout: Option<String>,
    change_set: String,
    replace_failed: Option<bool>,
    continue_rollback: Option<ContinueRollbackView>,
    sensitive_outputs: Vec<String>,
    staging: Option<StagingView>,
    artifacts: Vec<String>,
    #[serde(skip)]
    is_reviewed: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum TemplateView {
    Body(String),
    File(String),
    Url(String),
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum PolicyView {
    PolicyBody(String),
    PolicyFile(String),
}

#[derive(Serialize)]
struct StackParameterView {
    value: String,
    use_previous: bool,
    no_echo: bool,
}

#[derive(Serialize)]
struct RollbackTriggersView {
    alarms: Vec<String>,
    monitoring: Option<String>,
}

#[derive(Serialize)]
struct ContinueRollbackView {
    skip: Vec<String>,
}

#[derive(Serialize)]
struct StagingView {
    bucket: String,
    prefix: String,
    create: bool,
    kms_key: String,
}

/// A change set that is applied.
#[derive(Serialize)]
pub(crate) struct ApplyChangeSetView {
    pub(super) stack: String,
    change_set: String,
    digest: String,
    sensitive_outputs: Vec<String>,
}

/// A stack that is deleted.
#[derive(Serialize)]
pub(crate) struct DeleteStackView {
    pub(super) stack: String,
    retain: Vec<String>,
    role_arn: String,
}

impl DeployStackView {
    /// Absent when a newer coordinator sent a source that this version does not know.
    pub(super) fn read(it: a::DeployStack) -> Option<Self> {
        Some(Self {
            on_failure: word(it.on_failure().as_str_name(), "ON_FAILURE_").replace('_', "-"),
            change_set: word(it.change_set().as_str_name(), "CHANGE_SET_"),
            is_reviewed: it.change_set() == ChangeSet::Review,
            stack: it.stack,
            template: match it.template? {
                Template::Body(text) => TemplateView::Body(text),
                Template::File(path) => TemplateView::File(path),
                Template::Url(url) => TemplateView::Url(url),
            },
            parameters: it.parameters.into_iter().map(|(name, it)| (name, it.into())).collect(),
            capabilities: it.capabilities,
            tags: it.tags.into_iter().collect(),
            substitute: it.substitute,
            role_arn: it.role_arn,
            policy: it.policy.map(PolicyView::from),
            termination_protection: it.termination_protection,
            notification_arns: it.notification_arns,
            rollback_triggers: it
                .rollback_triggers
                .map(|it| RollbackTriggersView { alarms: it.alarms, monitoring: duration(it.monitoring) }),
            creation_timeout: duration(it.creation_timeout),
            replace_failed: it.replace_failed,
            continue_rollback: it.continue_rollback.map(|it| ContinueRollbackView { skip: it.skip }),
            sensitive_outputs: it.sensitive_outputs,
            staging: it.staging.map(StagingView::from),
            artifacts: it.artifacts,
        })
    }

    /// For a table.
    pub(super) fn in_a_word(&self) -> String {
        let what = if self.is_reviewed { "review of stack" } else { "stack" };
        format!("{what} {}", self.stack)
    }
}

impl From<Policy> for PolicyView {
    fn from(it: Policy) -> Self {
        match it {
            Policy::PolicyBody(text) => Self::PolicyBody(text),
            Policy::PolicyFile(path) => Self::PolicyFile(path),
        }
    }
}

impl From<a::StackParameter> for StackParameterView {
    fn from(it: a::StackParameter) -> Self {
        Self { value: it.value, use_previous: it.use_previous, no_echo: it.no_echo }
    }
}

impl From<a::Staging> for StagingView {
    fn from(it: a::Staging) -> Self {
        Self { bucket: it.bucket, prefix: it.prefix, create: it.create, kms_key: it.kms_key }
    }
}

impl From<a::ApplyChangeSet> for ApplyChangeSetView {
    fn from(it: a::ApplyChangeSet) -> Self {
        Self { stack: it.stack, change_set: it.change_set, digest: it.digest, sensitive_outputs: it.sensitive_outputs }
    }
}

impl From<a::DeleteStack> for DeleteStackView {
    fn from(it: a::DeleteStack) -> Self {
        Self { stack: it.stack, retain: it.retain, role_arn: it.role_arn }
    }
}
