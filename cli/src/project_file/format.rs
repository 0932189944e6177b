//! What may stand in a project file: the types that read it, and the JSON Schema made from the same types.

use std::{collections::BTreeMap, fmt, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};
use serde_saphyr::{Error, Spanned};

use super::{
    fault::{Fault, Place},
    suggest::nearest,
};

/// Keys and words of the format that this version does not know yet: not typing errors.
const NOT_YET: [&str; 7] =
    ["powershell", "s3_upload", "change_set", "run_as", "apply_change_set", "delete", "artifacts"];

/// A Longshore project: the steps of a process and the variables they use.
#[derive(Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Longshore project file")]
pub(super) struct ProjectFile {
    /// Unique name of the project, 1 to 128 characters.
    #[schemars(with = "String", length(min = 1, max = 128))]
    pub(super) project: Spanned<String>,
    /// What the project does.
    #[serde(default)]
    pub(super) description: String,
    /// Variables; one entry for each value.
    #[serde(default)]
    pub(super) variables: Vec<Variable>,
    /// The steps, in order.
    pub(super) steps: Vec<Step>,
}

/// A variable and one of its values.
#[derive(Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct Variable {
    /// Name; case does not matter.
    #[schemars(with = "String")]
    pub(super) name: Spanned<String>,
    /// Kind of value.
    #[serde(default)]
    pub(super) r#type: VariableType,
    /// The value; #{Name} in it is substituted. Sensitive values are set with `longshore variable set`.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(super) value: Option<Spanned<String>>,
    /// Environments in which the variable has this value; none means all that no other value names.
    #[serde(default)]
    pub(super) environments: Vec<String>,
}

/// Kind of a variable's value.
#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq, Eq, Debug, Default)]
#[serde(rename_all = "kebab-case")]
pub(super) enum VariableType {
    /// Text that may hold #{Name}.
    #[default]
    Text,
    /// Text that is kept encrypted and masked in logs.
    Sensitive,
    /// Name of an account.
    AwsAccount,
}

/// One step: the unit of ordering.
#[derive(Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct Step {
    /// Unique in the project, 1 to 200 characters.
    #[schemars(with = "String", length(min = 1, max = 200))]
    pub(super) name: Spanned<String>,
    /// Pool whose workers may run it.
    #[serde(default = "default_pool")]
    pub(super) pool: String,
    /// Labels that a worker must carry; `aws.account`, `aws.role` and `aws.region` are those of its own AWS identity.
    #[serde(default)]
    pub(super) requires: BTreeMap<String, String>,
    /// `success` (the default), `failure`, `always`, or an expression with #{…} that is true or false.
    #[serde(default = "default_condition")]
    pub(super) condition: String,
    /// Whether it waits for the step before it.
    #[serde(default)]
    pub(super) start: Start,
    /// Only in these environments; none means all.
    #[serde(default)]
    pub(super) environments: Vec<String>,
    /// Longest run of one attempt, e.g. `45m`; 1 hour when absent, at most 7 days.
    #[serde(default)]
    pub(super) timeout: Option<Span>,
    /// Further attempts after one that failed or timed out.
    #[serde(default)]
    pub(super) retries: Option<Retries>,
    /// Declares that running it twice does no harm: a lost attempt is replaced without a person's decision.
    #[serde(default)]
    pub(super) retry_safe: bool,
    /// Names held while it runs; one holder each.
    #[serde(default)]
    pub(super) locks: Vec<String>,
    /// Whose AWS credentials it has.
    #[serde(default)]
    pub(super) aws: Aws,
    /// Runs a script.
    #[serde(default)]
    pub(super) script: Option<Script>,
    /// Works on a CloudFormation stack.
    #[serde(default)]
    pub(super) cloudformation: Option<CloudFormation>,
}

/// Whether a step waits for the one before it.
#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq, Eq, Debug, Default)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Start {
    /// When the step before it has ended.
    #[default]
    AfterPrevious,
    /// Together with the step before it.
    WithPrevious,
}

/// Further attempts.
#[derive(Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct Retries {
    /// How many, at most 10.
    #[schemars(range(max = 10))]
    pub(super) count: u32,
    /// Wait before the first, doubled each time; 10 seconds when absent, at most 1 hour.
    #[serde(default)]
    pub(super) backoff: Option<Span>,
}

/// AWS identity of a step.
#[derive(Deserialize, JsonSchema, Debug, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct Aws {
    /// The one word that decides whose credentials the step has.
    #[serde(default)]
    pub(super) identity: Identity,
    /// Name of the account variable, with identity `account`.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(super) account: Option<Spanned<String>>,
    /// Region; the account's, then the worker's, when absent.
    #[serde(default)]
    pub(super) region: String,
    /// What AWS must say on the worker before the step starts.
    #[serde(default)]
    pub(super) expect: Expect,
    /// A role assumed on top of the identity, or a list of them, each with the credentials of the one before.
    #[serde(default, deserialize_with = "one_or_more")]
    #[schemars(with = "OneOrMore")]
    pub(super) assume_role: Vec<AssumeRole>,
    /// Only on workers whose steps cannot reach the instance's metadata.
    #[serde(default)]
    pub(super) require_isolation: bool,
}

/// A role to assume; every text may hold #{Name}.
#[derive(Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct AssumeRole {
    /// ARN of the role, e.g. arn:aws:iam::123456789012:role/deployer.
    pub(super) arn: String,
    /// Name of its sessions, as CloudTrail shows it; made of deployment, step, attempt and worker when absent.
    #[serde(default)]
    pub(super) session_name: String,
    /// How long a session lasts before it is renewed, e.g. `1h`; from 15m to 12h, and never more than 1h where a role assumes a role.
    #[serde(default)]
    pub(super) duration: Option<Span>,
    /// What the role's trust policy demands as sts:ExternalId.
    #[serde(default)]
    pub(super) external_id: String,
    /// Session policy, JSON: the session may do what both it and the role allow.
    #[serde(default)]
    pub(super) policy: String,
    /// Whether its sessions carry tags and a source identity; true when absent. The role must trust sts:TagSession and
    /// sts:SetSourceIdentity then.
    #[serde(default = "yes")]
    pub(super) session_tags: bool,
}

/// One role, or a list of roles.
#[derive(JsonSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "only its schema is used")]
enum OneOrMore {
    One(AssumeRole),
    More(Vec<AssumeRole>),
}

fn one_or_more<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<AssumeRole>, D::Error> {
    struct Roles;
    impl<'de> de::Visitor<'de> for Roles {
        type Value = Vec<AssumeRole>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a role with its `arn` or a list of them")
        }
        fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
            AssumeRole::deserialize(de::value::MapAccessDeserializer::new(map)).map(|role| vec![role])
        }
        fn visit_seq<A: de::SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
            Vec::deserialize(de::value::SeqAccessDeserializer::new(seq))
        }
    }
    deserializer.deserialize_any(Roles)
}

/// Whose AWS credentials a step has.
#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq, Eq, Debug, Default)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Identity {
    /// No AWS credentials at all.
    #[default]
    None,
    /// Credentials of an account, sent with the step.
    Account,
    /// The worker's own instance role.
    WorkerRole,
}

/// What a step demands of its identity.
#[derive(Deserialize, JsonSchema, Debug, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct Expect {
    /// AWS account, 12 digits in quotes.
    #[serde(default)]
    pub(super) account: String,
    /// Name of the role.
    #[serde(default)]
    pub(super) role: String,
    /// Region.
    #[serde(default)]
    pub(super) region: String,
}

/// A script: `body` or `file`.
#[derive(Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct Script {
    /// Which program reads it.
    pub(super) shell: Shell,
    /// The text itself; #{Name} in it is substituted.
    #[serde(default)]
    pub(super) body: Option<String>,
    /// Path of a file beside the project file; #{Name} in it is substituted.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(super) file: Option<Spanned<String>>,
}

/// Which program reads a script.
#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Shell {
    /// GNU bash.
    Bash,
    /// Python 3.
    Python,
}

/// Work on a CloudFormation stack.
#[derive(Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct CloudFormation {
    /// Creates a stack and waits for it.
    pub(super) deploy: DeployStack,
}

/// A stack to create.
#[derive(Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct DeployStack {
    /// Name of the stack.
    pub(super) stack: String,
    /// Path of a template beside the project file, or the template itself (more than one line). It is sent as it is.
    #[schemars(with = "String")]
    pub(super) template: Spanned<String>,
    /// Parameters of the template.
    #[serde(default)]
    pub(super) parameters: BTreeMap<String, String>,
    /// Capabilities it needs, e.g. CAPABILITY_IAM.
    #[serde(default)]
    pub(super) capabilities: Vec<String>,
    /// Tags of the stack.
    #[serde(default)]
    pub(super) tags: BTreeMap<String, String>,
}

/// A duration with units, e.g. `45m` or `1h 30m`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Span(pub(super) Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl de::Visitor<'_> for Text {
            type Value = Span;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration with units, like 45m")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Span, E> {
                humantime::parse_duration(text).map(Span).map_err(|_| {
                    E::custom(format!("\"{text}\" is no duration: write it with units, like 30s, 45m or 2h."))
                })
            }
        }
        deserializer.deserialize_str(Text)
    }
}

impl JsonSchema for Span {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A duration with units, e.g. 30s, 45m, 1h 30m.",
            "pattern": r"^\s*(\d+\s*[a-zA-Zµ]+\s*)+$",
        })
    }
}

/// The JSON Schema of a project file.
pub(crate) fn schema() -> Schema {
    schemars::schema_for!(ProjectFile)
}

/// Reads the text of a project file.
///
/// # Errors
/// The first fault, with its place.
pub(super) fn parse(text: &str) -> Result<ProjectFile, Fault> {
    serde_saphyr::from_str(text).map_err(|error| {
        let place = error.location().and_then(Place::of);
        Fault::at(place, sentence(error.without_snippet()))
    })
}

fn default_pool() -> String {
    "default".into()
}

fn yes() -> bool {
    true
}

fn default_condition() -> String {
    "success".into()
}

fn sentence(error: &Error) -> String {
    match error {
        Error::SerdeUnknownField { field, expected, .. } => unknown("key", field, expected),
        Error::SerdeUnknownVariant { variant, expected, .. } => unknown("word", variant, expected),
        Error::SerdeMissingField { field, .. } => format!("The key `{field}` is missing."),
        Error::DuplicateMappingKey { key: Some(key), .. } => {
            format!("The key `{key}` stands here twice: remove one of them.")
        }
        Error::NullIntoString { .. } => {
            "There is no value here; write \"\" for an empty text, or quote the word.".to_owned()
        }
        Error::SerdeInvalidType { unexpected, expected, .. }
        | Error::SerdeInvalidValue { unexpected, expected, .. } => {
            format!("Here stands {unexpected}, where {expected} is needed.")
        }
        Error::Unexpected { expected: "mapping start", .. } => "Keys with values are needed here.".to_owned(),
        Error::Unexpected { expected: "sequence start", .. } => "A list is needed here.".to_owned(),
        Error::Unexpected { expected: "string scalar", .. } => "A single value is needed here.".to_owned(),
        Error::Message { msg, .. } => capital(msg),
        other => capital(&without_place(&other.to_string())),
    }
}

fn unknown(what: &str, written: &str, expected: &[&'static str]) -> String {
    if NOT_YET.contains(&written) {
        return format!("`{written}` is not supported by this version.");
    }
    match nearest(written, expected) {
        Some(near) => format!("Unknown {what} `{written}`: did you mean `{near}`?"),
        None => format!("Unknown {what} `{written}`: here may stand {}.", expected.join(", ")),
    }
}

/// The parser says the place at the end of its messages; it stands at their beginning already.
fn without_place(message: &str) -> String {
    let cut = message.find(" at line ").unwrap_or(message.len());
    message[..cut].to_owned()
}

/// A sentence: begins with a capital and ends with a full stop.
fn capital(message: &str) -> String {
    let mut chars = message.trim().chars();
    let first = chars.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    let end = if message.trim_end().ends_with(['.', '?', '!']) { "" } else { "." };
    format!("{first}{}{end}", chars.as_str())
}
