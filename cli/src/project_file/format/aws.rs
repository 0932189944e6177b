//! Whose AWS credentials a step has.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de};
use serde_saphyr::Spanned;

use super::span::Span;

/// AWS identity of a step.
#[derive(Deserialize, JsonSchema, Debug, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct Aws {
    /// The one word that decides whose credentials the step has.
    #[serde(default)]
    pub(crate) identity: Identity,
    /// Name of the account variable, with identity `account`.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(crate) account: Option<Spanned<String>>,
    /// Region; the account's, then the worker's, when absent.
    #[serde(default)]
    pub(crate) region: String,
    /// What AWS must say on the worker before the step starts.
    #[serde(default)]
    pub(crate) expect: Expect,
    /// A role assumed on top of the identity, or a list of them, each with the credentials of the one before.
    #[serde(default, deserialize_with = "one_or_more")]
    #[schemars(with = "OneOrMore")]
    pub(crate) assume_role: Vec<AssumeRole>,
    /// Only on workers whose steps cannot reach the instance's metadata.
    #[serde(default)]
    pub(crate) require_isolation: bool,
}

/// A role to assume; every text may hold #{Name}.
#[derive(Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
pub(crate) struct AssumeRole {
    /// ARN of the role, e.g. arn:aws:iam::123456789012:role/deployer.
    pub(crate) arn: String,
    /// Name of its sessions, as CloudTrail shows it; made of deployment, step, attempt and worker when absent.
    #[serde(default)]
    pub(crate) session_name: String,
    /// How long a session lasts before it is renewed, e.g. `1h`; from 15m to 12h, and never more than 1h where a role assumes a role.
    #[serde(default)]
    pub(crate) duration: Option<Span>,
    /// What the role's trust policy demands as sts:ExternalId.
    #[serde(default)]
    pub(crate) external_id: String,
    /// Session policy, JSON: the session may do what both it and the role allow.
    #[serde(default)]
    pub(crate) policy: String,
    /// Whether its sessions carry tags and a source identity; true when absent. The role must trust sts:TagSession and
    /// sts:SetSourceIdentity then.
    #[serde(default = "yes")]
    pub(crate) session_tags: bool,
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
pub(crate) enum Identity {
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
pub(crate) struct Expect {
    /// AWS account, 12 digits in quotes.
    #[serde(default)]
    pub(crate) account: String,
    /// Name of the role.
    #[serde(default)]
    pub(crate) role: String,
    /// Region.
    #[serde(default)]
    pub(crate) region: String,
}

fn yes() -> bool {
    true
}
