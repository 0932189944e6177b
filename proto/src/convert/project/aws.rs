//! A step's AWS identity ⇄ what a project describes.

use shared::{
    limits,
    plan::{AssumeRole, Aws, Expect, Identity},
};

use super::{duration_from_wire, duration_to_wire};
use crate::deployment as wire;

impl From<&Aws> for wire::Aws {
    fn from(aws: &Aws) -> Self {
        use wire::aws::Identity as W;
        let (identity, account) = match &aws.identity {
            Identity::None => (W::None, ""),
            Identity::Account(name) | Identity::NamedAccount(name) => (W::Account, name.as_str()),
            Identity::WorkerRole => (W::WorkerRole, ""),
        };
        let Expect { account: expected, role, region } = aws.expect.clone();
        let is_expecting = aws.expect != Expect::default();
        Self {
            identity: identity as i32,
            account: account.into(),
            region: aws.region.clone(),
            expect: is_expecting.then_some(wire::ExpectIdentity { account: expected, role, region }),
            assume_roles: aws.assume.iter().map(Into::into).collect(),
            require_isolation: aws.require_isolation,
        }
    }
}

impl From<&AssumeRole> for wire::AssumeRole {
    fn from(role: &AssumeRole) -> Self {
        Self {
            role_arn: role.role_arn.clone(),
            session_name: role.session_name.clone(),
            external_id: role.external_id.clone(),
            duration: duration_to_wire(role.duration),
            policy: role.policy.clone(),
            omit_session_tags: !role.session_tags,
        }
    }
}

/// All of an AWS identity but the one word.
///
/// # Errors
/// The end of a sentence that begins with the step.
pub fn aws_rest(aws: &wire::Aws) -> Result<Aws, &'static str> {
    let expect = aws.expect.clone().unwrap_or_default();
    Ok(Aws {
        identity: Identity::None,
        region: aws.region.clone(),
        expect: Expect { account: expect.account, role: expect.role, region: expect.region },
        assume: aws.assume_roles.iter().map(assume_role_from_wire).collect::<Result<_, _>>()?,
        require_isolation: aws.require_isolation,
    })
}

pub(super) fn aws_from_wire(aws: Option<&wire::Aws>) -> Result<Aws, &'static str> {
    use wire::aws::Identity as W;
    let Some(aws) = aws else { return Ok(Aws::default()) };
    let identity = match W::try_from(aws.identity) {
        Ok(W::Account) => Identity::Account(aws.account.clone()),
        // An account beside another word is a mistake about whose rights it runs with.
        Ok(_) if !aws.account.is_empty() => return Err("`aws.account` is named, but `aws.identity` is not account"),
        Ok(W::Unspecified | W::None) => Identity::None,
        Ok(W::WorkerRole) => Identity::WorkerRole,
        Err(_) => return Err("its `aws.identity` is not known to this version"),
    };
    let rest = aws_rest(aws)?;
    if identity == Identity::None && rest.expect != Expect::default() {
        return Err("it expects an AWS identity, but `aws.identity` is none");
    }
    Ok(Aws { identity, ..rest })
}

fn assume_role_from_wire(role: &wire::AssumeRole) -> Result<AssumeRole, &'static str> {
    Ok(AssumeRole {
        role_arn: role.role_arn.clone(),
        session_name: role.session_name.clone(),
        external_id: role.external_id.clone(),
        duration: duration_from_wire(role.duration, limits::SESSION)
            .ok_or("its `assume_role.duration` is not a length of time")?,
        policy: role.policy.clone(),
        session_tags: !role.omit_session_tags,
    })
}
