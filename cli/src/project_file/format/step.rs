//! Steps and scripts.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::{
    aws::Aws,
    span::Span,
    stack::{CloudFormation, DeployStack},
    upload::UploadToS3,
};

/// One step: the unit of ordering.
#[derive(Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    /// Unique in the project, 1 to 200 characters.
    #[schemars(with = "String", length(min = 1, max = 200))]
    pub(crate) name: Spanned<String>,
    /// Pool whose workers may run it.
    #[serde(default = "default_pool")]
    pub(crate) pool: String,
    /// Labels that a worker must carry; `aws.account`, `aws.role` and `aws.region` are those of its own AWS identity, and `tool`
    /// names tools that it must have, e.g. `aws>=2, jq`.
    #[serde(default)]
    pub(crate) requires: BTreeMap<String, String>,
    /// `success` (the default), `failure`, `always`, or an expression with #{…} that is true or false.
    #[serde(default = "default_condition")]
    pub(crate) condition: String,
    /// Whether it waits for the step before it.
    #[serde(default)]
    pub(crate) start: Start,
    /// Only in these environments; none means all.
    #[serde(default)]
    pub(crate) environments: Vec<String>,
    /// Longest run of one attempt, e.g. `45m`; 1 hour when absent, at most 7 days.
    #[serde(default)]
    pub(crate) timeout: Option<Span>,
    /// How long it may wait for a worker to take it, e.g. `30m`; for ever when absent.
    #[serde(default)]
    pub(crate) queue_timeout: Option<Span>,
    /// How long it may say nothing while it runs, e.g. `10m`; as long as it runs when absent.
    #[serde(default)]
    pub(crate) no_output_timeout: Option<Span>,
    /// How long a script has to end by itself when it is cancelled or its time is over; 10 seconds when absent, at most 1 hour.
    #[serde(default)]
    pub(crate) cancel_grace: Option<Span>,
    /// Before it begins, a person must approve it; says what they should know.
    #[serde(default)]
    #[schemars(length(min = 1, max = 2000))]
    pub(crate) approval: Option<String>,
    /// What becomes of it when it failed and no attempt is left.
    #[serde(default)]
    pub(crate) on_failure: StepOnFailure,
    /// How long it waits for an answer to `approval` or `on_failure: ask`; 24 hours when absent, at most 30 days.
    #[serde(default)]
    pub(crate) answer_timeout: Option<Span>,
    /// Further attempts after one that failed or timed out.
    #[serde(default)]
    pub(crate) retries: Option<Retries>,
    /// Declares that running it twice does no harm: a lost attempt is replaced without a person's decision.
    #[serde(default)]
    pub(crate) retry_safe: bool,
    /// Names held while it runs; one holder each.
    #[serde(default)]
    pub(crate) locks: Vec<String>,
    /// Whose AWS credentials it has.
    #[serde(default)]
    pub(crate) aws: Aws,
    /// Runs a script.
    #[serde(default)]
    pub(crate) script: Option<Script>,
    /// Works on a CloudFormation stack.
    #[serde(default)]
    pub(crate) cloudformation: Option<CloudFormation>,
    /// Puts files into an S3 bucket.
    #[serde(default)]
    pub(crate) s3_upload: Option<UploadToS3>,
}

impl Step {
    /// The stack that it deploys, if it does.
    pub(crate) fn deployed(&self) -> Option<&DeployStack> {
        self.cloudformation.as_ref()?.deploy.as_ref()
    }

    /// As [`Step::deployed`].
    pub(crate) fn deployed_mut(&mut self) -> Option<&mut DeployStack> {
        self.cloudformation.as_mut()?.deploy.as_mut()
    }
}

/// Whether a step waits for the one before it.
#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq, Eq, Debug, Default)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Start {
    /// When the step before it has ended.
    #[default]
    AfterPrevious,
    /// Together with the step before it.
    WithPrevious,
}

/// What becomes of a step that failed.
#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq, Eq, Debug, Default)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum StepOnFailure {
    /// It has failed.
    #[default]
    Fail,
    /// A person says whether it is tried again, passed over, or has failed.
    Ask,
}

/// Further attempts.
#[derive(Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
pub(crate) struct Retries {
    /// How many, at most 10.
    #[schemars(range(max = 10))]
    pub(crate) count: u32,
    /// Wait before the first, doubled each time; 10 seconds when absent, at most 1 hour.
    #[serde(default)]
    pub(crate) backoff: Option<Span>,
    /// Only after one that ended with one of these exit codes; after any failure when absent.
    #[serde(default)]
    pub(crate) exit_codes: Vec<i32>,
}

/// A script: `body` or `file`.
#[derive(Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
pub(crate) struct Script {
    /// Which program reads it.
    pub(crate) shell: Shell,
    /// The text itself; #{Name} in it is substituted.
    #[serde(default)]
    pub(crate) body: Option<String>,
    /// Path of a file beside the project file; #{Name} in it is substituted.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(crate) file: Option<Spanned<String>>,
    /// Whether it ends at the first command that fails; `scripts.strict` of the project when absent.
    #[serde(default)]
    pub(crate) strict: Option<bool>,
}

/// What holds for all scripts of a project that do not say otherwise.
#[derive(Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scripts {
    /// Whether they end at the first command that fails; true when absent.
    #[serde(default = "strict")]
    pub(crate) strict: bool,
}

impl Default for Scripts {
    fn default() -> Self {
        Self { strict: strict() }
    }
}

/// Which program reads a script.
#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Shell {
    /// GNU bash.
    Bash,
    /// Python 3.
    Python,
    /// PowerShell 7.
    Powershell,
}

fn strict() -> bool {
    true
}

fn default_pool() -> String {
    "default".into()
}

fn default_condition() -> String {
    "success".into()
}
