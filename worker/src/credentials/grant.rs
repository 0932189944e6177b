//! Becomes who a grant says: what it begins with, then role after role.

use std::{collections::BTreeMap, time::Duration};

use aws::{Answer, Assumption};
use proto::worker::{self as wire, CredentialGrant, Credentials, credential_grant::Base};
use shared::{
    aws::RoleArn,
    reason::{Fault, Reason},
};
use zeroize::Zeroizing;

use super::{Aws, refusal};
use crate::exec_dir::Refusal;

/// Credentials, and how they were come by.
#[derive(Clone, Debug)]
pub struct Had {
    /// What calls are signed with.
    pub credentials: Credentials,
    /// How the log calls where they come from, e.g. `account shop on worker-role (imds) > role deployer`.
    pub source: String,
    /// How often AWS asked for fewer calls on the way.
    pub throttled: u32,
}

/// Which credentials of the worker's own role a grant is made with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Those that are there, if they are still good.
    Kept,
    /// Those that its source gives now: why there are none is what a step's log must say.
    Fresh,
}

impl Aws {
    /// Credentials of a grant; STS is asked in its region, else in the step's.
    ///
    /// # Errors
    /// What the worker's own role lacks, or AWS's refusal in a sentence.
    pub async fn of_grant(&self, grant: &CredentialGrant, region: &str, role: Role) -> Result<Had, Refusal> {
        let region = if grant.region.is_empty() { region } else { &grant.region };
        let mut had = self.base_of(grant, region, role).await?;
        had.throttled += grant.throttled;
        for assumption in &grant.assumptions {
            let whom = had.source.clone();
            let session = self.way.assume_role(&whom, &for_aws(&had.credentials), region, &wish(assumption)?).await;
            let session = session.map_err(refused)?;
            had.source = format!("{} > role {}", had.source, role_name(&assumption.role_arn));
            had.take(session);
        }
        Ok(had)
    }

    async fn base_of(&self, grant: &CredentialGrant, region: &str, role: Role) -> Result<Had, Refusal> {
        match &grant.base {
            Some(Base::Credentials(credentials)) => {
                Ok(Had { credentials: credentials.clone(), source: grant.source.clone(), throttled: 0 })
            }
            Some(Base::WorkerRole(_)) => {
                let credentials = match role {
                    Role::Kept => self.role_credentials().await?,
                    Role::Fresh => self.fresh_role_credentials().await?,
                };
                let source = match grant.source.as_str() {
                    "" => self.role_name(),
                    account => format!("{account} on {}", self.role_name()),
                };
                Ok(Had { credentials, source, throttled: 0 })
            }
            Some(Base::WebIdentity(identity)) => {
                let mut had = Had { credentials: Credentials::default(), source: grant.source.clone(), throttled: 0 };
                had.take(self.by_web_identity(&grant.source, identity, region).await.map_err(refused)?);
                Ok(had)
            }
            None => Err(refusal(
                Reason::UnknownIdentity.code(),
                "The coordinator lets the step be somebody in a way that this worker does not know: upgrade it. Nothing was started.",
            )),
        }
    }

    async fn by_web_identity(
        &self,
        whom: &str,
        identity: &wire::WebIdentity,
        region: &str,
    ) -> Result<Answer<aws::Credentials>, Fault> {
        let wire::WebIdentity { token, role_arn, session_name, duration_seconds } = identity;
        let duration = seconds(*duration_seconds);
        self.way.assume_role_with_web_identity(whom, region, token, role_arn, session_name, duration, "").await
    }
}

impl Had {
    fn take(&mut self, session: Answer<aws::Credentials>) {
        self.throttled += session.throttled;
        self.credentials = from_aws(&session.value);
    }
}

fn wish(assumption: &wire::Assumption) -> Result<Assumption, Refusal> {
    let unfit = || refusal(Reason::UnknownIdentity.code(), "The coordinator names a role to assume without its ARN.");
    if assumption.role_arn.is_empty() {
        return Err(unfit());
    }
    let tags: BTreeMap<_, _> = assumption.tags.clone().into_iter().collect();
    Ok(Assumption {
        role_arn: assumption.role_arn.clone(),
        session_name: assumption.session_name.clone(),
        external_id: assumption.external_id.clone(),
        duration: seconds(assumption.duration_seconds),
        policy: assumption.policy.clone(),
        policy_arns: Vec::new(),
        tags: tags.into_iter().collect(),
        transitive: true,
        source_identity: assumption.source_identity.clone(),
    })
}

/// Credentials as our way to AWS has them.
pub(super) fn for_aws(credentials: &Credentials) -> aws::Credentials {
    aws::Credentials {
        access_key_id: credentials.access_key_id.clone(),
        secret_access_key: Zeroizing::new(credentials.secret_access_key.clone()),
        session_token: Zeroizing::new(credentials.session_token.clone()),
        expires_at: Some(credentials.expires_at).filter(|ends| *ends > 0),
    }
}

/// Credentials as they lie in files and travel.
pub(super) fn from_aws(credentials: &aws::Credentials) -> Credentials {
    Credentials {
        access_key_id: credentials.access_key_id.clone(),
        secret_access_key: credentials.secret_access_key.to_string(),
        session_token: credentials.session_token.to_string(),
        expires_at: credentials.expires_at.unwrap_or(0),
    }
}

fn refused(fault: Fault) -> Refusal {
    refusal(fault.reason.code(), fault.sentence)
}

fn role_name(arn: &str) -> String {
    arn.parse::<RoleArn>().map_or_else(|_| arn.to_owned(), |arn| arn.name)
}

fn seconds(seconds: i64) -> Duration {
    Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}
