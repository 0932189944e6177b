//! Whose AWS credentials a step has.

use shared::{limits, plan};

use super::{
    super::{
        fault::{Fault, Place},
        format,
    },
    step::fault,
};

/// The identity of a step.
pub(super) fn aws(step: &format::Step) -> Result<plan::Aws, Fault> {
    let aws = &step.aws;
    let identity = match (aws.identity, &aws.account) {
        (format::Identity::Account, Some(account)) => plan::Identity::Account(account.value.clone()),
        (format::Identity::Account, None) => {
            return Err(fault(step, "`aws.identity` is account, so `aws.account` must name an account variable."));
        }
        // An account beside another identity would look as if it were used.
        (_, Some(account)) => {
            return Err(Fault::at(
                Place::of(account.referenced),
                format!(
                    "Step \"{}\": `aws.account` counts only with `identity: account`; write that, or remove it.",
                    step.name.value
                ),
            ));
        }
        (format::Identity::None, None) => plan::Identity::None,
        (format::Identity::WorkerRole, None) => plan::Identity::WorkerRole,
    };
    let expect = plan::Expect {
        account: aws.expect.account.clone(),
        role: aws.expect.role.clone(),
        region: aws.expect.region.clone(),
    };
    if identity == plan::Identity::None && expect != plan::Expect::default() {
        return Err(fault(step, "`aws.expect` demands an identity, and the step has none: set `aws.identity`."));
    }
    let assume = aws.assume_role.iter().map(assume_role).collect();
    Ok(plan::Aws { identity, region: aws.region.clone(), expect, assume, require_isolation: aws.require_isolation })
}

fn assume_role(role: &format::AssumeRole) -> plan::AssumeRole {
    plan::AssumeRole {
        role_arn: role.arn.clone(),
        session_name: role.session_name.clone(),
        external_id: role.external_id.clone(),
        duration: role.duration.map_or(limits::SESSION, |span| span.0),
        policy: role.policy.clone(),
        session_tags: role.session_tags,
    }
}
