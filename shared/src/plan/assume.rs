//! Roles that a step assumes on top of its identity.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Aws, Identity};
use crate::{
    aws::{Partition, RoleArn, session_word},
    limits,
};

/// A role assumed on top of an identity.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AssumeRole {
    /// Template. ARN of the role.
    pub role_arn: String,
    /// Template. Empty: made of deployment, step, attempt and worker.
    pub session_name: String,
    /// Template. What the role's trust policy demands; empty for none.
    pub external_id: String,
    /// How long its sessions last before they are renewed.
    pub duration: Duration,
    /// Template. Session policy, JSON; empty for none.
    pub policy: String,
    /// Whether its sessions carry tags and a source identity.
    pub session_tags: bool,
}

/// What is wrong with the roles that a step assumes.
pub(super) fn faults(aws: &Aws, say: &mut impl FnMut(String)) {
    if aws.identity == Identity::None && !aws.assume.is_empty() {
        say("it assumes a role without credentials to do so: set `aws.identity` to account or worker-role.".into());
    }
    if aws.assume.len() > limits::ASSUMED_ROLES {
        say(format!("it assumes {} roles; at most {} are allowed.", aws.assume.len(), limits::ASSUMED_ROLES));
    }
    let mut partition: Option<(Partition, String)> = known(&aws.region)
        .filter(|region| !region.is_empty())
        .map(|region| (Partition::of_region(region), format!("region {region}")));
    for role in &aws.assume {
        role_faults(role, say);
        let Some(Ok(arn)) = known(&role.role_arn).map(str::parse::<RoleArn>) else { continue };
        match &partition {
            Some((first, whose)) if *first != arn.partition => say(format!(
                "the role {arn} is in the AWS partition {}, and {whose} is in {}: they know nothing of each other.",
                arn.partition.id, first.id
            )),
            _ => partition = Some((arn.partition, format!("role {arn}"))),
        }
    }
}

fn role_faults(role: &AssumeRole, say: &mut impl FnMut(String)) {
    if let Some(Err(why)) = known(&role.role_arn).map(str::parse::<RoleArn>) {
        say(format!("the role to assume \"{}\" {why}.", role.role_arn));
    }
    if let Err(why) = check_session_duration(role.duration) {
        say(format!("`assume_role.duration` {why}."));
    }
    if let Some(Err(why)) = known(&role.session_name).filter(|name| !name.is_empty()).map(check_session_name) {
        say(format!("`assume_role.session_name` \"{}\" {why}.", role.session_name));
    }
    if let Some(Err(why)) = known(&role.external_id).filter(|id| !id.is_empty()).map(check_external_id) {
        say(format!("`assume_role.external_id` {why}."));
    }
    if let Some(Err(why)) = known(&role.policy).filter(|policy| !policy.is_empty()).map(check_session_policy) {
        say(format!("`assume_role.policy` {why}."));
    }
}

/// A text that is what it will be: nothing in it is substituted.
pub(super) fn known(text: &str) -> Option<&str> {
    (!text.contains("#{")).then(|| text.trim())
}

/// Why a session cannot last that long, as the end of a sentence.
///
/// # Errors
/// The end of that sentence.
pub fn check_session_duration(duration: Duration) -> Result<(), String> {
    let range = limits::SESSION_SHORTEST..=limits::SESSION_LONGEST;
    if range.contains(&duration) {
        return Ok(());
    }
    Err(format!("is {} seconds: a session lasts from 15 minutes to 12 hours", duration.as_secs()))
}

/// Why STS would not take the name of a session, as the end of a sentence.
///
/// # Errors
/// The end of that sentence.
pub fn check_session_name(name: &str) -> Result<(), String> {
    if (2..=64).contains(&name.len()) && session_word(name) == name {
        return Ok(());
    }
    Err("is no name of a session: 2 to 64 letters, digits and +=,.@_- are allowed".into())
}

/// Why STS would not take an external id, as the end of a sentence.
///
/// # Errors
/// The end of that sentence.
pub fn check_external_id(id: &str) -> Result<(), String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"+=,.@:/_-".contains(&byte);
    if (2..=1224).contains(&id.len()) && id.bytes().all(allowed) {
        return Ok(());
    }
    Err("is no external id: 2 to 1,224 letters, digits and +=,.@:/_- are allowed".into())
}

/// Why STS would not take a session policy, as the end of a sentence.
///
/// # Errors
/// The end of that sentence.
pub fn check_session_policy(policy: &str) -> Result<(), String> {
    if policy.len() > limits::SESSION_POLICY_CHARS {
        return Err(format!("has {} characters; AWS allows {}", policy.len(), limits::SESSION_POLICY_CHARS));
    }
    match serde_json::from_str::<serde_json::Value>(policy) {
        Ok(value) if value.get("Statement").is_some() => Ok(()),
        Ok(_) => Err("is JSON, and no IAM policy: it has no `Statement`".into()),
        Err(error) => Err(format!("is not JSON: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Process;
    use crate::plan::faults::tests::{faults_after, step};

    fn assume(role_arn: &str) -> AssumeRole {
        AssumeRole {
            role_arn: role_arn.into(),
            session_name: String::new(),
            external_id: String::new(),
            duration: limits::CHAINED_SESSION,
            policy: String::new(),
            session_tags: true,
        }
    }

    const DEPLOYER: &str = "arn:aws:iam::123456789012:role/deployer";

    #[test]
    fn a_role_to_assume_is_looked_at_before_anything_runs() {
        let fault = |change: &dyn Fn(&mut AssumeRole)| {
            let mut role = assume(DEPLOYER);
            change(&mut role);
            faults_after(|step| {
                step.aws = Aws { identity: Identity::WorkerRole, assume: vec![role], ..Aws::default() };
            })
            .join("\n")
        };
        assert_eq!(fault(&|_| {}), "");
        assert_eq!(fault(&|role| role.role_arn = "#{Role}".into()), "", "nobody knows yet what it will be");
        for (change, part) in [
            (
                &(|role: &mut AssumeRole| role.role_arn = "deployer".into()) as &dyn Fn(&mut AssumeRole),
                "no ARN of a role",
            ),
            (&|role| role.duration = Duration::from_secs(899), "from 15 minutes to 12 hours"),
            (&|role| role.duration = Duration::from_secs(43_201), "from 15 minutes to 12 hours"),
            (&|role| role.session_name = "a b".into(), "no name of a session"),
            (&|role| role.external_id = "x".into(), "no external id"),
            (&|role| role.policy = "{".into(), "not JSON"),
            (&|role| role.policy = "{}".into(), "no `Statement`"),
            (&|role| role.policy = "x".repeat(2049), "2048"),
        ] {
            assert!(fault(change).contains(part), "{part}: {}", fault(change));
        }
    }

    #[test]
    fn roles_are_assumed_on_top_of_something_and_within_one_partition() {
        let faults = |aws: Aws| faults_after(|step| step.aws = aws).join("\n");
        let without = Aws { assume: vec![assume(DEPLOYER)], ..Aws::default() };
        assert!(faults(without).contains("without credentials"));
        let many = Aws { identity: Identity::WorkerRole, assume: vec![assume(DEPLOYER); 5], ..Aws::default() };
        assert!(faults(many).contains("assumes 5 roles"));
        let chinese = assume("arn:aws-cn:iam::123456789012:role/deployer");
        let regional = Aws {
            identity: Identity::WorkerRole,
            region: "eu-west-1".into(),
            assume: vec![chinese.clone()],
            ..Aws::default()
        };
        assert!(faults(regional).contains("region eu-west-1 is in aws"));
        let mixed = Aws { identity: Identity::WorkerRole, assume: vec![assume(DEPLOYER), chinese], ..Aws::default() };
        assert!(faults(mixed).contains("partition aws-cn"));
    }

    #[test]
    fn a_session_that_cannot_last_as_long_as_it_says_is_a_warning() {
        let warnings = |identity: Identity, roles: usize| {
            let long = AssumeRole { duration: Duration::from_secs(7200), ..assume(DEPLOYER) };
            let mut only = step("Build");
            only.aws = Aws { identity, assume: vec![long; roles], ..Aws::default() };
            Process { steps: vec![only], files: Vec::new() }.warnings().len()
        };
        assert_eq!(warnings(Identity::WorkerRole, 1), 1);
        assert_eq!(warnings(Identity::Account("A".into()), 1), 0, "a user's key may have more");
        assert_eq!(warnings(Identity::Account("A".into()), 2), 1);
    }
}
