//! Whose AWS credentials a step has: decided by one word, and an error when that word cannot be kept.

use std::collections::BTreeMap;

use coordinator_core::{
    input::Refusal,
    report::{Expectation, ISOLATED},
};
use proto::worker::{AwsSpec, aws_spec::Source};
use shared::{
    aws::{Partition, RoleArn, is_region},
    plan::{
        Action, AssumeRole, Aws, Identity, VariableKind, check_external_id, check_session_name, check_session_policy,
    },
    reason::Reason,
};

use super::{Ready, surroundings::Known};
use crate::accounts::{Base, Recipe, Wanted};

/// A step's AWS identity, with everything about it that is known before a worker is asked.
pub(super) struct Resolved {
    pub(super) source: Source,
    /// Name of the account; empty for the worker's own role.
    pub(super) account: String,
    /// Roles that the step has on top.
    pub(super) assume: Vec<AssumeRole>,
    /// Empty: the worker's.
    pub(super) region: String,
    pub(super) expect: Expectation,
    require_isolation: bool,
    /// Whether the worker's own role is all there is.
    is_bare_role: bool,
}

/// The name of an account variable, also when it was written as `#{Name}`.
pub(super) fn variable_name(text: &str) -> &str {
    let text = text.trim();
    text.strip_prefix("#{").and_then(|rest| rest.strip_suffix('}')).map_or(text, str::trim)
}

/// Who the step is; nobody for a step without credentials.
///
/// # Errors
/// `ACCOUNT_UNRESOLVED`; what evaluating its texts refuses; `PARTITION_MISMATCH`; `EXPECTATION_NOT_MET` for a role or region that
/// is known to be another one.
pub(super) fn resolve(ready: &Ready) -> Result<Option<Resolved>, Refusal> {
    let aws = &ready.step().aws;
    let (source, account) = match &aws.identity {
        Identity::None => return Ok(None),
        // A worker that knows nothing of roles on top must not take it for its own role alone.
        Identity::WorkerRole if !aws.assume.is_empty() => (Source::RoleOnWorkerRole, None),
        Identity::WorkerRole => (Source::WorkerRole, None),
        Identity::Account(variable) => (Source::Account, Some(by_variable(ready, variable_name(variable))?)),
        Identity::NamedAccount(name) => (Source::Account, Some(by_name(ready, name.trim())?)),
    };
    let recipe = account.map_or_else(Recipe::worker_role, |known| known.recipe.clone());
    let assume = aws.assume.iter().map(|role| hop(ready, role)).collect::<Result<Vec<_>, _>>()?;
    let is_bare_role = matches!(recipe.base, Base::WorkerRole) && recipe.hops.is_empty() && assume.is_empty();
    let recipe = recipe.on_top(assume.clone());
    let region = region(ready, &recipe)?;
    ensure_one_partition(ready, &recipe, &region)?;
    let expect = expectation(ready, aws)?;
    ensure_expected(ready, &recipe, &region, &expect)?;
    Ok(Some(Resolved {
        source,
        account: account.map(|known| known.opened.row.name.clone()).unwrap_or_default(),
        assume,
        region,
        expect,
        require_isolation: aws.require_isolation,
        is_bare_role,
    }))
}

impl Resolved {
    /// What the worker is told.
    pub(super) fn spec(&self) -> AwsSpec {
        AwsSpec {
            source: self.source.into(),
            region: self.region.clone(),
            account_name: self.account.clone(),
            expect_account: self.expect.account.clone(),
            expect_role: self.expect.role.clone(),
            expect_region: self.expect.region.clone(),
            require_isolation: self.require_isolation,
        }
    }

    /// What a worker's own role must be for the step to be offered to it.
    pub(super) fn expected_of_worker(&self) -> Expectation {
        if !self.is_bare_role {
            return Expectation::default();
        }
        let region = if self.region.is_empty() { self.expect.region.clone() } else { String::new() };
        Expectation { region, ..self.expect.clone() }
    }

    /// How an attempt becomes it.
    pub(super) fn wanted(&self, ready: &Ready, attempt: u32, worker: String) -> Wanted {
        Wanted {
            account: Some(self.account.clone()).filter(|name| !name.is_empty()),
            assume: self.assume.clone(),
            region: self.region.clone(),
            purpose: ready.purpose(attempt, worker),
            subject: ready.subject(&self.account),
        }
    }
}

/// What a step demands of its worker because of its `aws`, as labels.
pub(super) fn demands(aws: &Aws) -> BTreeMap<String, String> {
    let isolated = aws.require_isolation.then(|| (ISOLATED.to_owned(), "true".to_owned()));
    isolated.into_iter().collect()
}

fn region(ready: &Ready, recipe: &Recipe) -> Result<String, Refusal> {
    let named = ready.texts().public("region", &ready.step().aws.region)?;
    if is_region(&named) {
        return Ok(named);
    }
    if !named.is_empty() {
        let fault = format!("its region is \"{named}\", which is not an AWS region, such as eu-west-1.");
        return Err(ready.texts().refuse(Reason::InvalidArgument, &fault));
    }
    // Who somebody is, is the same in every region of a partition: to ask, none needs to be configured.
    if recipe.region.is_empty() && ready.step().action == Action::CheckIdentity {
        let partition = recipe.role().map_or_else(|| Partition::of_region(""), |role| role.partition);
        return Ok(partition.home_region.to_owned());
    }
    Ok(recipe.region.clone())
}

/// A role as the step names it, with every text evaluated and looked at.
fn hop(ready: &Ready, role: &AssumeRole) -> Result<AssumeRole, Refusal> {
    let texts = ready.texts();
    let refuse = |what: &str, why: String| {
        texts.refuse(
            Reason::InvalidArgument,
            &format!("its `assume_role.{what}` came out as what AWS does not take: it {why}."),
        )
    };
    let hop = AssumeRole {
        role_arn: texts.public("role to assume", &role.role_arn)?,
        session_name: texts.public("name of a session", &role.session_name)?,
        external_id: texts.whole("external id", &role.external_id)?.text.trim().to_owned(),
        duration: role.duration,
        policy: texts.public("session policy", &role.policy)?,
        session_tags: role.session_tags,
    };
    if let Err(why) = hop.role_arn.parse::<RoleArn>() {
        return Err(texts.refuse(Reason::InvalidArgument, &format!("its role to assume \"{}\" {why}.", hop.role_arn)));
    }
    let filled = |text: &str, check: fn(&str) -> Result<(), String>| if text.is_empty() { Ok(()) } else { check(text) };
    filled(&hop.session_name, check_session_name).map_err(|why| refuse("session_name", why))?;
    filled(&hop.external_id, check_external_id).map_err(|why| refuse("external_id", why))?;
    filled(&hop.policy, check_session_policy).map_err(|why| refuse("policy", why))?;
    Ok(hop)
}

/// Partitions know nothing of each other: what mixes them would be refused by AWS as an unknown key.
fn ensure_one_partition(ready: &Ready, recipe: &Recipe, region: &str) -> Result<(), Refusal> {
    let mut first: Option<(Partition, String)> =
        (!region.is_empty()).then(|| (Partition::of_region(region), format!("its region {region}")));
    for role in recipe.roles().filter_map(|arn| arn.parse::<RoleArn>().ok()) {
        match &first {
            Some((partition, whose)) if *partition != role.partition => {
                let fault = format!(
                    "the role {role} is in the AWS partition {}, and {whose} is in {}: they know nothing of each other.",
                    role.partition.id, partition.id
                );
                return Err(ready.texts().refuse(Reason::PartitionMismatch, &fault));
            }
            Some(_) => {}
            None => first = Some((role.partition, format!("the role {role}"))),
        }
    }
    Ok(())
}

fn expectation(ready: &Ready, aws: &Aws) -> Result<Expectation, Refusal> {
    let texts = ready.texts();
    Ok(Expectation {
        account: texts.public("expected account", &aws.expect.account)?,
        role: texts.public("expected role", &aws.expect.role)?,
        region: texts.public("expected region", &aws.expect.region)?,
    })
}

/// What can be known to be another role or region, before any worker is asked. The worker asks AWS once more.
fn ensure_expected(ready: &Ready, recipe: &Recipe, region: &str, expect: &Expectation) -> Result<(), Refusal> {
    let role = recipe.role();
    let known = [
        ("AWS account", &expect.account, role.as_ref().map(|role| role.account.as_str())),
        ("role", &expect.role, role.as_ref().map(|role| role.name.as_str())),
        ("region", &expect.region, Some(region).filter(|region| !region.is_empty())),
    ];
    for (what, expected, is) in known {
        if let Some(is) = is.filter(|is| !expected.is_empty() && is != expected) {
            let fault =
                format!("it expects the {what} {expected}, and would run with the {what} {is}. Nothing was started.");
            return Err(ready.texts().refuse(Reason::ExpectationNotMet, &fault));
        }
    }
    Ok(())
}

fn by_variable<'a>(ready: &'a Ready, name: &str) -> Result<&'a Known, Refusal> {
    let texts = ready.texts();
    let unresolved = |why: String| {
        let fault = format!("account variable \"{name}\" {why}; it never falls back to the worker's role.");
        texts.refuse(Reason::AccountUnresolved, &fault)
    };
    let variable = ready.snapshot.find(name);
    match variable {
        Some(variable) if variable.kind != VariableKind::AwsAccount => {
            Err(unresolved("is no account variable: declare it with `type: aws-account`".into()))
        }
        Some(variable) if !variable.value.trim().is_empty() => {
            let account = variable.value.trim();
            ready.around.accounts.get(account).ok_or_else(|| {
                unresolved(format!("names account \"{account}\" {}, and there is no such account", texts.scope()))
            })
        }
        _ => Err(unresolved(format!("has no value {}: give it one in the project file", texts.scope()))),
    }
}

fn by_name<'a>(ready: &'a Ready, name: &'a str) -> Result<&'a Known, Refusal> {
    ready.around.accounts.get(name).ok_or_else(|| {
        let fault = format!("there is no account named \"{name}\"; it never falls back to the worker's role.");
        ready.texts().refuse(Reason::AccountUnresolved, &fault)
    })
}
