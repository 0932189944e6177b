//! What a project wants done. A [`Process`] without [`Process::faults`] is valid everywhere behind that door.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{limits, scope::Scope};

mod asks;
mod assume;
pub mod demand;
mod faults;
pub mod files;
pub mod stack;
pub mod texts;
pub mod upload;

pub use self::asks::{Asks, OnFailure};
pub use self::assume::{
    AssumeRole, check_external_id, check_session_duration, check_session_name, check_session_policy,
};
pub use self::faults::{check_name, is_relative_path};
use self::{
    stack::{ApplyChangeSet, DeleteStack, DeployStack},
    upload::UploadToS3,
};

/// The steps of a project, in order.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Process {
    /// In order.
    pub steps: Vec<Step>,
    /// Files that the steps use.
    pub files: Vec<File>,
}

/// A file beside the project file, known by its content.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct File {
    /// Relative, `/` between parts, without `..`.
    pub path: String,
    /// SHA-256, 64 lower-case hex digits.
    pub sha256: String,
    /// Bytes.
    pub size: u64,
    /// Whether its owner may execute it.
    pub executable: bool,
}

/// One step: the unit of ordering. Texts marked *template* may hold `#{…}`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Step {
    /// Unique within the process.
    pub name: String,
    /// Template. Pool whose workers may run it.
    pub pool: String,
    /// Labels that a worker must carry; values are templates.
    pub requires: BTreeMap<String, String>,
    /// When it runs at all.
    pub condition: Condition,
    /// Whether it waits for the step before it.
    pub start: Start,
    /// Only in these environments; empty means all.
    pub environments: Vec<String>,
    /// Longest run of one attempt.
    pub timeout: Duration,
    /// How long it waits, and is waited for, besides that.
    #[serde(default)]
    pub waits: Waits,
    /// When it asks a person before it goes on.
    #[serde(default)]
    pub asks: Asks,
    /// Further attempts.
    pub retries: Retries,
    /// Declares that running it twice does no harm.
    pub retry_safe: bool,
    /// Templates. Names held while it runs.
    pub locks: Vec<String>,
    /// Whose AWS credentials it has.
    pub aws: Aws,
    /// What it does.
    pub action: Action,
}

impl Step {
    /// How long it has to end by itself when it is cancelled or its time is over.
    #[must_use]
    pub fn grace(&self) -> Duration {
        self.waits.cancel_grace.unwrap_or_else(|| self.action.grace())
    }
}

impl Retries {
    /// Whether an attempt that ended with this exit code, or with none, is followed by another one.
    #[must_use]
    pub fn follow(&self, exit_code: Option<i32>) -> bool {
        self.exit_codes.is_empty() || exit_code.is_some_and(|code| self.exit_codes.contains(&code))
    }
}

/// When a step runs at all, decided when the steps before it have settled.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// No step before it failed.
    Success,
    /// A step before it failed.
    Failure,
    /// In any case.
    Always,
    /// Template that is true or false, and decides alone, also after a step failed.
    Expression(String),
}

/// Whether a step waits for the one before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// It waits.
    AfterPrevious,
    /// It starts together with the one before it.
    WithPrevious,
}

/// How long a step waits, and is waited for; what is absent has no bound of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Waits {
    /// Until a worker has taken it.
    pub queue_timeout: Option<Duration>,
    /// Until it says something again, while it runs.
    pub no_output_timeout: Option<Duration>,
    /// Until its processes have ended by themselves after they were told to; of a script only.
    pub cancel_grace: Option<Duration>,
}

/// Further attempts after one that failed or timed out.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Retries {
    /// How many.
    pub count: u32,
    /// Before the first; doubled each time, at most an hour.
    pub backoff: Duration,
    /// Only after one that ended with one of these; empty: after any.
    #[serde(default)]
    pub exit_codes: BTreeSet<i32>,
}

/// AWS identity of a step.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Aws {
    /// The one word that decides.
    pub identity: Identity,
    /// Template. Empty: the account's region, then the worker's.
    pub region: String,
    /// What STS must say; templates, empty ones demand nothing.
    pub expect: Expect,
    /// Roles assumed on top, each with the credentials of the one before.
    #[serde(default)]
    pub assume: Vec<AssumeRole>,
    /// Only where steps cannot reach the instance's metadata.
    #[serde(default)]
    pub require_isolation: bool,
}

/// The one word that decides whose credentials a step has.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Identity {
    /// No AWS credentials at all.
    None,
    /// Those of the account that this variable names.
    Account(String),
    /// Those of an account by its own name: ad-hoc commands and account tests.
    NamedAccount(String),
    /// The worker's own instance role.
    WorkerRole,
}

/// What a step demands of its identity.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Expect {
    /// 12 digits.
    pub account: String,
    /// Name of the role.
    pub role: String,
    /// Region.
    pub region: String,
}

/// What a step does.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Runs a script.
    Script(Script),
    /// Creates or updates a CloudFormation stack and waits for it.
    DeployStack(Box<DeployStack>),
    /// Applies a change set that was made before, and waits.
    ApplyChangeSet(ApplyChangeSet),
    /// Deletes a CloudFormation stack and waits.
    DeleteStack(DeleteStack),
    /// Puts files into an S3 bucket.
    UploadToS3(Box<UploadToS3>),
    /// Only says who it is; how an account is tested from a worker.
    CheckIdentity,
}

impl Action {
    /// Whether a further attempt finds what an earlier one began and goes on with that, so that running it twice is doing it once.
    #[must_use]
    pub fn continues(&self) -> bool {
        matches!(self, Self::DeployStack(_) | Self::ApplyChangeSet(_) | Self::DeleteStack(_))
    }

    /// How long it has to end by itself, unless its step says otherwise.
    #[must_use]
    fn grace(&self) -> Duration {
        match self {
            Self::Script(_) | Self::CheckIdentity => limits::KILL_GRACE,
            Self::DeployStack(_) | Self::ApplyChangeSet(_) | Self::DeleteStack(_) => limits::STACK_GRACE,
            Self::UploadToS3(_) => limits::UPLOAD_GRACE,
        }
    }
}

/// A script.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Script {
    /// Which program reads it.
    pub shell: Shell,
    /// Where its text is.
    pub source: Source,
    /// Whether `#{…}` in it is substituted; an ad-hoc command is run as typed.
    pub substitute: bool,
    /// Whether it ends at the first command that fails.
    #[serde(default)]
    pub strict: bool,
}

/// Which program reads a script.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shell {
    /// GNU bash.
    Bash,
    /// Python 3.
    Python,
    /// PowerShell 7.
    #[serde(rename = "powershell")]
    PowerShell,
}

/// Where a text is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Here.
    Body(String),
    /// In a file of the project.
    File(String),
}

/// A variable of a project and one of its values.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct VariableKey {
    /// As written; case does not matter when it is looked up.
    pub name: String,
    /// Kind of value.
    pub kind: VariableKind,
    /// Where this value counts.
    pub scope: Scope,
}

/// What kind of value a variable has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VariableKind {
    /// Text that may hold `#{…}`.
    Text,
    /// Text that is kept encrypted and masked.
    Sensitive,
    /// Name of an account.
    AwsAccount,
}

impl Default for Aws {
    fn default() -> Self {
        Self {
            identity: Identity::None,
            region: String::new(),
            expect: Expect::default(),
            assume: Vec::new(),
            require_isolation: false,
        }
    }
}

impl Default for Retries {
    fn default() -> Self {
        Self { count: 0, backoff: Duration::from_secs(10), exit_codes: BTreeSet::new() }
    }
}
