//! What a step does to a CloudFormation stack. Texts marked *template* may hold `#{…}`.

use std::{collections::BTreeMap, fmt, time::Duration};

use serde::{Deserialize, Serialize};

use super::{Identity, Process, Source, Step};
use crate::limits;

/// A stack to create or to update.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct DeployStack {
    /// Template. Name of the stack.
    pub stack: String,
    /// What it is to be.
    pub template: StackTemplate,
    /// Whether `#{…}` in the template's text is substituted; otherwise it is sent as it is.
    #[serde(default)]
    pub substitute: bool,
    /// By name.
    pub parameters: BTreeMap<String, StackParameter>,
    /// E.g. `CAPABILITY_IAM`.
    pub capabilities: Vec<String>,
    /// Values are templates.
    pub tags: BTreeMap<String, String>,
    /// Template. Role that CloudFormation assumes for the operation; empty for the step's own identity.
    #[serde(default)]
    pub role_arn: String,
    /// Stack policy, JSON, sent as it is.
    #[serde(default)]
    pub policy: Option<Source>,
    /// Whether deletion is to be refused by AWS; none leaves it as it is.
    #[serde(default)]
    pub termination_protection: Option<bool>,
    /// Templates. SNS topics that are told of its events.
    #[serde(default)]
    pub notification_arns: Vec<String>,
    /// Alarms that roll an operation back.
    #[serde(default)]
    pub rollback: Option<RollbackTriggers>,
    /// What becomes of a stack that cannot be created.
    #[serde(default)]
    pub on_failure: OnFailure,
    /// How long its creation may take in AWS, in whole minutes.
    #[serde(default)]
    pub creation_timeout: Option<Duration>,
    /// Whether changes are shown before they are made, and whether they are made.
    #[serde(default)]
    pub change_set: ChangeSetMode,
    /// Whether a stack that was never healthy is deleted and created anew; none: only if a project of ours created it.
    #[serde(default)]
    pub replace_failed: Option<bool>,
    /// What to do with a stack whose update could not be rolled back; none: nothing, the step fails.
    #[serde(default)]
    pub continue_rollback: Option<ContinueRollback>,
    /// Names of outputs that are secrets; `*` and `?` stand for any characters, case does not matter.
    #[serde(default)]
    pub sensitive_outputs: Vec<String>,
    /// Where large templates and local artifacts are uploaded.
    #[serde(default)]
    pub staging: Option<Staging>,
    /// Files of the project that the template names, and those that nested templates name: code, templates, definitions.
    #[serde(default)]
    pub artifacts: Vec<String>,
}

/// Where a stack's template is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StackTemplate {
    /// The text itself.
    Body(String),
    /// A file of the project.
    File(String),
    /// Template. An object in S3, by its `https://` or `s3://` address.
    Url(String),
}

impl Default for StackTemplate {
    fn default() -> Self {
        Self::Body(String::new())
    }
}

/// The value of a stack's parameter.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StackParameter {
    /// Template. Empty with `use_previous`.
    pub value: String,
    /// Whether it keeps the value that the stack has.
    pub use_previous: bool,
    /// Whether it is a secret, whatever the template says.
    pub no_echo: bool,
}

impl fmt::Debug for StackParameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StackParameter").field("use_previous", &self.use_previous).finish_non_exhaustive()
    }
}

/// Alarms that CloudFormation watches while it works, and for a while afterwards.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct RollbackTriggers {
    /// Templates. ARNs of CloudWatch alarms, at most 5.
    pub alarms: Vec<String>,
    /// How long they are watched after all resources are there, in whole minutes, at most 180.
    pub monitoring: Duration,
}

/// What becomes of a stack that cannot be created.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// What was made is removed, the stack is kept for its events.
    #[default]
    Rollback,
    /// The stack is deleted.
    Delete,
    /// Everything is left as it is.
    DoNothing,
}

/// Whether changes are shown before they are made, and whether they are made.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeSetMode {
    /// A change set is made, shown and applied.
    #[default]
    Execute,
    /// A change set is made and shown; another step applies it.
    Review,
    /// The stack is created or updated without one.
    Direct,
}

/// A rollback that failed is tried again.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ContinueRollback {
    /// Logical ids of resources that are left as they are; `NestedStack.Resource` for one in a nested stack.
    pub skip: Vec<String>,
}

/// Where large templates and local artifacts are uploaded.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Staging {
    /// Template. Name of the bucket.
    pub bucket: String,
    /// Template. Before every key, e.g. `longshore/`.
    pub prefix: String,
    /// Whether the bucket may be made when it is not there: encrypted, versioned, closed to the public.
    pub create: bool,
    /// Template. KMS key for what is uploaded; empty for the bucket's own encryption.
    pub kms_key: String,
}

/// A change set that was made before, to be applied.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ApplyChangeSet {
    /// Template. Name of the stack.
    pub stack: String,
    /// Template. ARN of the change set: the output `AwsOutputs[ChangesetId]` of the step that made it.
    pub change_set: String,
    /// Template. What was approved: the output `AwsOutputs[ChangesDigest]` of that step.
    pub digest: String,
    /// As in [`DeployStack`].
    pub sensitive_outputs: Vec<String>,
}

/// A stack to delete.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct DeleteStack {
    /// Template. Name of the stack.
    pub stack: String,
    /// Logical ids of resources that are kept; only of those whose deletion failed before.
    pub retain: Vec<String>,
    /// Template. Role that CloudFormation assumes for it; empty for the step's own identity.
    pub role_arn: String,
}

impl Process {
    pub(super) fn deploy_faults(&self, step: &Step, stack: &DeployStack, say: &mut impl FnMut(String)) {
        common_faults(step, &stack.stack, "it deploys a stack", say);
        match &stack.template {
            StackTemplate::Body(text) => {
                self.source_faults(&Source::Body(text.clone()), "template", limits::STAGED_TEMPLATE_BYTES, say);
            }
            StackTemplate::File(path) => {
                self.source_faults(&Source::File(path.clone()), "template", limits::STAGED_TEMPLATE_BYTES, say);
            }
            StackTemplate::Url(url) => url_faults(url, stack.substitute, say),
        }
        if let Some(policy) = &stack.policy {
            self.source_faults(policy, "stack policy", limits::STACK_POLICY_BYTES, say);
        }
        for path in stack.artifacts.iter().filter(|path| !self.files.iter().any(|file| &file.path == *path)) {
            say(format!("its template names \"{path}\", which is not among the project's files."));
        }
        count_faults(stack, say);
        for (name, parameter) in &stack.parameters {
            if parameter.use_previous && !parameter.value.is_empty() {
                say(format!("parameter \"{name}\" has a value and `use_previous`: keep one of them."));
            }
        }
        time_faults(stack, say);
        if stack.change_set == ChangeSetMode::Review && stack.policy.is_some() {
            say("`stack_policy` is set when the change set is applied, and a review applies none: set it in a step that deploys.".into());
        }
        let has_no_bucket = stack.staging.as_ref().is_some_and(|staging| staging.bucket.trim().is_empty());
        if has_no_bucket {
            say("`staging.bucket` is empty.".into());
        }
    }
}

pub(super) fn apply_faults(step: &Step, apply: &ApplyChangeSet, say: &mut impl FnMut(String)) {
    common_faults(step, &apply.stack, "it applies a change set", say);
    if apply.change_set.trim().is_empty() {
        say("`change_set` is empty: it takes the output AwsOutputs[ChangesetId] of the step that made it.".into());
    }
    if apply.digest.trim().is_empty() {
        say("`digest` is empty: it takes the output AwsOutputs[ChangesDigest] of the step that made the change set, so that exactly \
             what was shown is applied."
            .into());
    }
}

pub(super) fn delete_faults(step: &Step, delete: &DeleteStack, say: &mut impl FnMut(String)) {
    common_faults(step, &delete.stack, "it deletes a stack", say);
}

fn common_faults(step: &Step, stack: &str, does: &str, say: &mut impl FnMut(String)) {
    if step.aws.identity == Identity::None {
        say(format!("{does} without credentials: set `aws.identity` to account or worker-role."));
    }
    let name = stack.trim();
    if name.is_empty() {
        say("`stack` is empty.".into());
    } else if !name.contains("#{") && !is_stack_name(name) {
        say(format!(
            "`stack` is \"{name}\", and CloudFormation takes letters, digits and dashes, a letter first, at most {} in all.",
            limits::STACK_NAME_CHARS
        ));
    }
}

/// Whether CloudFormation takes it for the name of a stack (AWS CloudFormation API, CreateStack, StackName).
#[must_use]
pub fn is_stack_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.len() <= limits::STACK_NAME_CHARS
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn url_faults(url: &str, substitute: bool, say: &mut impl FnMut(String)) {
    if !url.starts_with("https://")
        && !url.starts_with("s3://")
        && !url.starts_with("http://")
        && !url.starts_with("#{")
    {
        say(format!("its template is at \"{url}\": write an object in S3 as https://… or s3://bucket/key."));
    }
    if substitute {
        say("`substitute` is about a template of the project; AWS reads one in S3 as it is.".into());
    }
}

fn count_faults(stack: &DeployStack, say: &mut impl FnMut(String)) {
    let alarms = stack.rollback.as_ref().map_or(0, |rollback| rollback.alarms.len());
    for (what, count, max) in [
        ("parameters", stack.parameters.len(), limits::STACK_PARAMETERS),
        ("tags", stack.tags.len(), limits::STACK_TAGS),
        ("notification ARNs", stack.notification_arns.len(), limits::NOTIFICATION_ARNS),
        ("alarms", alarms, limits::ROLLBACK_ALARMS),
    ] {
        if count > max {
            say(format!("its stack has {count} {what}; CloudFormation takes at most {max}."));
        }
    }
}

fn time_faults(stack: &DeployStack, say: &mut impl FnMut(String)) {
    let minute = Duration::from_secs(60);
    if stack.creation_timeout.is_some_and(|timeout| timeout < minute) {
        say("`creation_timeout` is shorter than a minute, which is the least that CloudFormation knows.".into());
    }
    if stack.rollback.as_ref().is_some_and(|rollback| rollback.monitoring > limits::ROLLBACK_MONITORING) {
        say("`rollback_triggers.monitoring` is longer than 3h.".into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Action, faults::tests::faults_after};

    fn stack() -> DeployStack {
        let template = StackTemplate::Body("Resources: {}".into());
        DeployStack { stack: "shop-network".into(), template, ..DeployStack::default() }
    }

    fn deploy_faults(change: impl FnOnce(&mut DeployStack)) -> Vec<String> {
        let mut stack = stack();
        change(&mut stack);
        faults_after(|step| {
            step.aws.identity = Identity::WorkerRole;
            step.action = Action::DeployStack(Box::new(stack));
        })
    }

    #[test]
    fn a_good_stack_has_no_faults() {
        assert_eq!(deploy_faults(|_| {}), [""; 0]);
        assert_eq!(deploy_faults(|stack| stack.stack = "shop-#{Octopus.Environment.Name}".into()), [""; 0]);
        assert_eq!(deploy_faults(|stack| stack.template = StackTemplate::Url("s3://b/k.yaml".into())), [""; 0]);
    }

    #[test]
    fn a_stack_needs_credentials_a_name_and_a_template_that_cloudformation_takes() {
        let template = StackTemplate::Body("x".repeat(limits::STAGED_TEMPLATE_BYTES + 1));
        let faults = faults_after(|step| {
            step.action = Action::DeployStack(Box::new(DeployStack { stack: " ".into(), template, ..stack() }));
        });
        assert_eq!(
            faults,
            [
                "Step \"Build\": it deploys a stack without credentials: set `aws.identity` to account or worker-role.",
                "Step \"Build\": `stack` is empty.",
                "Step \"Build\": its template has 1000001 bytes; at most 1000000 are allowed.",
            ]
        );
    }

    #[test]
    fn what_cloudformation_would_refuse_is_told_before_it_is_asked() {
        let fault = |change: fn(&mut DeployStack)| deploy_faults(change).join("\n");
        assert!(fault(|stack| stack.stack = "shop_network".into()).contains("letters, digits and dashes"));
        assert!(fault(|stack| stack.template = StackTemplate::Url("ftp://x".into())).contains("s3://bucket/key"));
        assert!(fault(|stack| stack.notification_arns = vec!["arn".into(); 6]).contains("6 notification ARNs"));
        assert!(
            fault(|stack| stack.creation_timeout = Some(Duration::from_secs(59))).contains("shorter than a minute")
        );
        assert!(fault(|stack| stack.staging = Some(Staging::default())).contains("`staging.bucket` is empty"));
        let both = |stack: &mut DeployStack| {
            let parameter = StackParameter { value: "x".into(), use_previous: true, no_echo: false };
            stack.parameters.insert("Size".into(), parameter);
        };
        assert!(fault(both).contains("parameter \"Size\" has a value and `use_previous`"));
        let watched = |stack: &mut DeployStack| {
            let monitoring = limits::ROLLBACK_MONITORING + Duration::from_secs(60);
            stack.rollback = Some(RollbackTriggers { alarms: vec!["a".into(); 6], monitoring });
        };
        assert!(fault(watched).contains("6 alarms") && fault(watched).contains("longer than 3h"));
    }

    #[test]
    fn a_change_set_is_applied_only_with_its_name_and_its_digest() {
        let faults = faults_after(|step| {
            step.aws.identity = Identity::WorkerRole;
            step.action = Action::ApplyChangeSet(ApplyChangeSet { stack: "shop".into(), ..ApplyChangeSet::default() });
        });
        assert!(faults[0].contains("ChangesetId") && faults[1].contains("ChangesDigest"), "{faults:?}");
    }
}
