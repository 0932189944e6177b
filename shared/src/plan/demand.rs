//! What a step or a pool demands of the worker's own role, and a step of whom it becomes: said by AWS account, role and region.

use std::collections::BTreeMap;

use super::{Aws, assume::known};
use crate::tool;

/// Label of the AWS account of the worker's own role.
pub const ACCOUNT: &str = "aws.account";
/// Label of the worker's own role, by name.
pub const ROLE: &str = "aws.role";
/// Label of the region of the worker.
pub const REGION: &str = "aws.region";
/// Label that is `true` where steps cannot reach the instance's metadata.
pub const ISOLATED: &str = "aws.imds_isolated";

/// What stands where others have a label: its value demands tools, see [`crate::tool::demands`].
pub const TOOL: &str = "tool";

/// Whether a label is reported by the worker itself, and may not be given to it by anybody else.
#[must_use]
pub fn is_reported(label: &str) -> bool {
    label.starts_with("aws.") || label == TOOL
}

/// Why no worker can ever carry this label with this value, as the end of a sentence.
///
/// # Errors
/// The end of that sentence.
pub fn check_demand(label: &str, value: &str) -> Result<(), String> {
    check_label(label)?;
    match label {
        ACCOUNT => check_account(value),
        ROLE => check_role(value),
        TOOL => tool::demands(value).map(drop),
        ISOLATED if value != "true" && value != "false" => Err("is neither true nor false".into()),
        _ => Ok(()),
    }
}

/// What is wrong with the labels that a step requires.
pub(super) fn label_faults(requires: &BTreeMap<String, String>, say: &mut impl FnMut(String)) {
    for (label, value) in requires {
        let checked = known(value).map_or_else(|| check_label(label), |value| check_demand(label, value));
        if let Err(why) = checked {
            say(format!("`requires` has {label}={value}, which {why}."));
        }
    }
}

/// What is wrong with whom a step expects to be.
pub(super) fn expectation_faults(aws: &Aws, say: &mut impl FnMut(String)) {
    let filled = |text| known(text).filter(|text| !text.is_empty());
    if let Some(Err(why)) = filled(&aws.expect.account).map(check_account) {
        say(format!("`aws.expect.account` is \"{}\", which {why}.", aws.expect.account));
    }
    if let Some(Err(why)) = filled(&aws.expect.role).map(check_role) {
        say(format!("`aws.expect.role` is \"{}\", which {why}.", aws.expect.role));
    }
}

fn check_label(label: &str) -> Result<(), String> {
    if !is_reported(label) || [ACCOUNT, ROLE, REGION, ISOLATED, TOOL].contains(&label) {
        return Ok(());
    }
    Err(format!("is nothing that a worker reports: {ACCOUNT}, {ROLE}, {REGION} and {ISOLATED} are"))
}

fn check_account(text: &str) -> Result<(), String> {
    if text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(());
    }
    Err("is no AWS account: one has 12 digits".into())
}

fn check_role(text: &str) -> Result<(), String> {
    let name = text.rsplit(['/', ':']).next().unwrap_or_default();
    if name == text {
        return Ok(());
    }
    Err(format!("is not the name of a role alone: write {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Identity, faults::tests::faults_after};

    #[test]
    fn a_demand_that_no_worker_can_ever_meet_is_at_fault() {
        let fault = |label: &str, value: &str| {
            faults_after(|step| drop(step.requires.insert(label.into(), value.into()))).pop().unwrap_or_default()
        };
        for (label, value) in [
            ("disk", "arn:anything"),
            (ACCOUNT, "123456789012"),
            (ACCOUNT, "#{Account}"),
            (ROLE, "deployer"),
            (REGION, "eu-west-1"),
            (ISOLATED, "true"),
            (TOOL, "aws>=2, jq"),
            (TOOL, "aws>=#{Version}"),
        ] {
            assert_eq!(fault(label, value), "", "{label}={value}");
        }
        let unknown = "is nothing that a worker reports: aws.account, aws.role, aws.region and aws.imds_isolated are.";
        assert!(fault("aws.acount", "123456789012").ends_with(unknown));
        assert!(fault("aws.acount", "#{Account}").ends_with(unknown));
        assert!(fault(ACCOUNT, "1234").ends_with("has aws.account=1234, which is no AWS account: one has 12 digits."));
        assert!(fault(ROLE, "arn:aws:iam::123456789012:role/teams/deployer").ends_with("alone: write deployer."));
        assert!(fault(TOOL, "aws>=new").contains("has tool=aws>=new, which has \"new\" for a version of aws"));
        assert!(fault(TOOL, "ffmpeg").contains("which names \"ffmpeg\", for which no worker looks"));
        assert!(fault(ISOLATED, "yes").ends_with("which is neither true nor false."));
    }

    #[test]
    fn an_expectation_that_aws_can_never_meet_is_at_fault() {
        let fault = |account: &str, role: &str| {
            let faults = faults_after(|step| {
                step.aws.identity = Identity::WorkerRole;
                (step.aws.expect.account, step.aws.expect.role) = (account.into(), role.into());
            });
            faults.join(" ")
        };
        for (account, role) in [("", ""), ("123456789012", "deployer"), ("#{Account}", "#{Role}"), ("#{A}12", "x:#{B}")]
        {
            assert_eq!(fault(account, role), "", "{account} {role}");
        }
        assert!(fault("123", "").contains("`aws.expect.account` is \"123\", which is no AWS account"));
        let arn = fault("", "arn:aws:iam::123456789012:role/deployer");
        assert!(
            arn.contains("`aws.expect.role` is \"arn:aws:iam::123456789012:role/deployer\", which is not the name"),
            "{arn}"
        );
        assert!(arn.ends_with("write deployer."), "{arn}");
    }
}
