//! Whose AWS credentials a step has: decided by one word, and an error when that word cannot be kept.

use coordinator_core::input::Refusal;
use proto::worker::{AwsSpec, aws_spec::Source};
use shared::{
    plan::{Action, Identity, VariableKind},
    reason::Reason,
};

use super::Ready;
use crate::{aws, registry::account::Keys};

/// The name of an account variable, also when it was written as `#{Name}`.
pub(super) fn variable_name(text: &str) -> &str {
    let text = text.trim();
    text.strip_prefix("#{").and_then(|rest| rest.strip_suffix('}')).map_or(text, str::trim)
}

/// What the worker is told; nothing for a step without credentials.
///
/// # Errors
/// `ACCOUNT_UNRESOLVED`, and what evaluating region and expectations refuses.
pub(super) fn spec(ready: &Ready) -> Result<Option<AwsSpec>, Refusal> {
    let aws = &ready.step().aws;
    let (source, account) = match &aws.identity {
        Identity::None => return Ok(None),
        Identity::WorkerRole => (Source::WorkerRole, None),
        Identity::Account(variable) => (Source::Account, Some(by_variable(ready, variable_name(variable))?)),
        Identity::NamedAccount(name) => (Source::Account, Some(by_name(ready, name.trim())?)),
    };
    let texts = ready.texts();
    let named = texts.public("region", &aws.region)?;
    let region = match account {
        Some((_, keys)) if named.is_empty() => keys.region.clone(),
        _ => named,
    };
    // Who somebody is, is the same everywhere: to ask, no region needs to be configured.
    let region = match &ready.step().action {
        Action::CheckIdentity if region.is_empty() => aws::REGION.to_owned(),
        _ => region,
    };
    Ok(Some(AwsSpec {
        source: source.into(),
        region,
        account_name: account.map(|(name, _)| name.to_owned()).unwrap_or_default(),
        expect_account: texts.public("expected account", &aws.expect.account)?,
        expect_role: texts.public("expected role", &aws.expect.role)?,
        expect_region: texts.public("expected region", &aws.expect.region)?,
    }))
}

fn by_variable<'a>(ready: &'a Ready, name: &str) -> Result<(&'a str, &'a Keys), Refusal> {
    let texts = ready.texts();
    let unresolved = |why: String| {
        let fault = format!("account variable \"{name}\" {why}; it never falls back to the worker's role.");
        texts.refuse(Reason::AccountUnresolved, &fault)
    };
    let variable = ready.plan.snapshot.find(name);
    match variable {
        Some(variable) if variable.kind != VariableKind::AwsAccount => {
            Err(unresolved("is no account variable: declare it with `type: aws-account`".into()))
        }
        Some(variable) if !variable.value.trim().is_empty() => {
            let account = variable.value.trim();
            let keys = ready.around.accounts.get(account);
            keys.map(|keys| (account, keys)).ok_or_else(|| {
                unresolved(format!("names account \"{account}\" {}, and there is no such account", texts.scope()))
            })
        }
        _ => Err(unresolved(format!("has no value {}: give it one in the project file", texts.scope()))),
    }
}

fn by_name<'a>(ready: &'a Ready, name: &'a str) -> Result<(&'a str, &'a Keys), Refusal> {
    ready.around.accounts.get(name).map(|keys| (name, keys)).ok_or_else(|| {
        let fault = format!("there is no account named \"{name}\"; it never falls back to the worker's role.");
        ready.texts().refuse(Reason::AccountUnresolved, &fault)
    })
}
