//! CloudFormation stacks.

use std::{collections::BTreeMap, fmt};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de};
use serde_saphyr::Spanned;

use super::{
    parameters::{Parameters, ParametersForm},
    span::Span,
};

/// Work on a CloudFormation stack: `deploy`, `apply_change_set` or `delete`.
#[derive(Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
pub(crate) struct CloudFormation {
    /// Creates or updates a stack and waits for it.
    #[serde(default)]
    pub(crate) deploy: Option<DeployStack>,
    /// Applies a change set that a step with `change_set: review` made, and waits.
    #[serde(default)]
    pub(crate) apply_change_set: Option<ApplyChangeSet>,
    /// Deletes a stack and waits; one that is not there is no fault.
    #[serde(default)]
    pub(crate) delete: Option<DeleteStack>,
}

/// A stack to create or to update.
#[derive(Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeployStack {
    /// Name of the stack; may hold #{Name}.
    pub(crate) stack: String,
    /// Path of a template beside the project file, JSON or YAML; or the template itself (more than one line); or an object in S3,
    /// as https://… or s3://bucket/key. Local files that the template names, as `aws cloudformation package` knows them, are
    /// uploaded to the bucket of `staging`.
    #[schemars(with = "String")]
    pub(crate) template: Spanned<String>,
    /// Whether #{Name} in the template's text is substituted; false when absent, and the text is sent as it is.
    #[serde(default)]
    pub(crate) substitute: bool,
    /// Values of the template's parameters: by name, as AWS's list, or the path of a file with either.
    #[serde(default)]
    #[schemars(with = "ParametersForm")]
    pub(crate) parameters: Parameters,
    /// What the template may do: changes of IAM, and macros.
    #[serde(default)]
    pub(crate) capabilities: Vec<Capability>,
    /// Tags of the stack, by key, or as AWS's list of Key and Value. Values may hold #{Name}.
    #[serde(default)]
    #[schemars(with = "TagsForm")]
    pub(crate) tags: Tags,
    /// Role that CloudFormation assumes for the operation; the step's own identity when absent.
    #[serde(default)]
    pub(crate) role_arn: String,
    /// Path of a stack policy beside the project file, or the policy itself, JSON. It is sent as it is.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(crate) stack_policy: Option<Spanned<String>>,
    /// Whether AWS is to refuse to delete the stack; left as it is when absent.
    #[serde(default)]
    pub(crate) termination_protection: Option<bool>,
    /// ARNs of SNS topics that are told of its events, at most 5.
    #[serde(default)]
    #[schemars(length(max = 5))]
    pub(crate) notification_arns: Vec<String>,
    /// Alarms that roll an operation back.
    #[serde(default)]
    pub(crate) rollback_triggers: Option<RollbackTriggers>,
    /// What becomes of a stack that cannot be created.
    #[serde(default)]
    pub(crate) on_failure: OnFailure,
    /// How long its creation may take in AWS, in whole minutes, e.g. `30m`.
    #[serde(default)]
    #[schemars(with = "Option<Span>")]
    pub(crate) creation_timeout: Option<Spanned<Span>>,
    /// Whether changes are shown before they are made, and whether they are made.
    #[serde(default)]
    pub(crate) change_set: ChangeSet,
    /// Whether a stack that was never healthy is deleted and created anew; when absent, only if a project of Longshore created it.
    #[serde(default)]
    pub(crate) replace_failed: Option<bool>,
    /// Tries a rollback again that failed before, so that the stack can be updated; when absent, the step fails.
    #[serde(default)]
    pub(crate) continue_rollback: Option<ContinueRollback>,
    /// Names of outputs that are secrets; * and ? stand for any characters.
    #[serde(default)]
    pub(crate) sensitive_outputs: Vec<String>,
    /// Where templates of more than 51,200 bytes and local files that the template names are uploaded.
    #[serde(default)]
    pub(crate) staging: Option<Staging>,
}

/// What a template may do.
#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Capability {
    /// Make IAM resources.
    #[serde(rename = "CAPABILITY_IAM")]
    Iam,
    /// Make IAM resources with names of their own.
    #[serde(rename = "CAPABILITY_NAMED_IAM")]
    NamedIam,
    /// Use macros, such as that of SAM.
    #[serde(rename = "CAPABILITY_AUTO_EXPAND")]
    AutoExpand,
}

/// What becomes of a stack that cannot be created.
#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq, Eq, Debug, Default)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum OnFailure {
    /// What was made is removed, the stack is kept for its events.
    #[default]
    Rollback,
    /// The stack is deleted.
    Delete,
    /// Everything is left as it is.
    DoNothing,
}

/// Whether changes are shown before they are made, and whether they are made.
#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq, Eq, Debug, Default)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ChangeSet {
    /// A change set is made, shown and applied.
    #[default]
    Execute,
    /// A change set is made and shown; another step applies it.
    Review,
    /// The stack is created or updated without one.
    Direct,
}

/// Alarms that CloudFormation watches while it works, and for a while afterwards.
#[derive(Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
pub(crate) struct RollbackTriggers {
    /// ARNs of CloudWatch alarms, at most 5.
    #[schemars(length(max = 5))]
    pub(crate) alarms: Vec<String>,
    /// How long they are watched after all resources are there, in whole minutes, at most `3h`; not at all when absent.
    #[serde(default)]
    #[schemars(with = "Option<Span>")]
    pub(crate) monitoring: Option<Spanned<Span>>,
}

/// A rollback that failed is tried again.
#[derive(Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
pub(crate) struct ContinueRollback {
    /// Logical ids of resources that are left as they are; NestedStack.Resource for one in a nested stack.
    #[serde(default)]
    pub(crate) skip: Vec<String>,
}

/// Where large templates and local files that a template names are uploaded.
#[derive(Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
pub(crate) struct Staging {
    /// Name of the bucket; may hold #{Name}.
    pub(crate) bucket: String,
    /// Before every key, e.g. `longshore/`.
    #[serde(default)]
    pub(crate) prefix: String,
    /// Whether the bucket may be made when it is not there: encrypted, versioned, closed to the public.
    #[serde(default)]
    pub(crate) create: bool,
    /// KMS key for what is uploaded; the bucket's own encryption when absent.
    #[serde(default)]
    pub(crate) kms_key: String,
}

/// A change set that was made before, to be applied.
#[derive(Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApplyChangeSet {
    /// Name of the stack; may hold #{Name}.
    pub(crate) stack: String,
    /// The output AwsOutputs[ChangesetId] of the step that made it.
    pub(crate) change_set: String,
    /// The output AwsOutputs[ChangesDigest] of that step: exactly what was shown is applied.
    pub(crate) digest: String,
    /// Names of outputs that are secrets; * and ? stand for any characters.
    #[serde(default)]
    pub(crate) sensitive_outputs: Vec<String>,
}

/// A stack to delete.
#[derive(Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeleteStack {
    /// Name of the stack; may hold #{Name}.
    pub(crate) stack: String,
    /// Logical ids of resources that are kept, of those whose deletion failed before.
    #[serde(default)]
    pub(crate) retain: Vec<String>,
    /// Role that CloudFormation assumes for it; the step's own identity when absent.
    #[serde(default)]
    pub(crate) role_arn: String,
}

/// Tags in the order in which they are written, duplicates included.
#[derive(Debug, Default)]
pub(crate) struct Tags(pub(crate) Vec<(Spanned<String>, String)>);

/// Tags by key, or AWS's list.
#[derive(JsonSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "only its schema is used")]
enum TagsForm {
    ByKey(BTreeMap<String, String>),
    Listed(Vec<Tag>),
}

/// A tag as AWS lists it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Tag {
    /// Its key.
    #[schemars(with = "String")]
    key: Spanned<String>,
    /// Its value.
    value: String,
}

impl<'de> Deserialize<'de> for Tags {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Form;
        impl<'de> de::Visitor<'de> for Form {
            type Value = Tags;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("tags by key or AWS's list of them")
            }
            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Tags, A::Error> {
                let mut tags = Vec::new();
                while let Some(tag) = map.next_entry()? {
                    tags.push(tag);
                }
                Ok(Tags(tags))
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, seq: A) -> Result<Tags, A::Error> {
                let tags: Vec<Tag> = Vec::deserialize(de::value::SeqAccessDeserializer::new(seq))?;
                Ok(Tags(tags.into_iter().map(|tag| (tag.key, tag.value)).collect()))
            }
        }
        deserializer.deserialize_any(Form)
    }
}
