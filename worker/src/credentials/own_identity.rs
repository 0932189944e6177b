//! Who the worker itself is in AWS, watched for as long as the agent lives.

use std::time::{Duration, Instant, UNIX_EPOCH};

use proto::worker::{AwsSpec, OwnRole, StepIdentity};
use shared::aws::partition_of;
use tracing::info;

use super::{Aws, metadata::Instance, role_source::Session};
use crate::exec_dir::Refusal;

/// 20 seconds between looks: a role that is exchanged is seen within a minute.
const LOOK_AGAIN: Duration = Duration::from_secs(20);
/// 60 seconds where there is nobody to ask.
const LOOK_SELDOM: Duration = Duration::from_secs(60);
/// 1 hour after which AWS is asked again who the same access key is.
const TRUST: Duration = Duration::from_secs(3600);

/// Who the worker's own role is, as far as it is known now.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct OwnIdentity {
    /// Who AWS says it is.
    pub identity: Option<StepIdentity>,
    /// When its session ends, in seconds since 1970; 0 when there is none.
    pub expires_at: i64,
    /// When the source gave that session, in seconds since 1970; 0 when there is none.
    pub obtained_at: i64,
    /// The instance that the worker is on, where it is on one.
    pub instance: Option<Instance>,
    /// Why there is no identity; beside an identity, why its session cannot be refreshed.
    pub problem: Option<Refusal>,
}

/// Looks again and again, and remembers what was seen.
#[derive(Debug, Default)]
pub struct Watch {
    asked: Option<Asked>,
    seen: Option<OwnIdentity>,
}

/// What AWS answered, and about whom.
#[derive(Debug)]
struct Asked {
    role: String,
    access_key_id: String,
    at: Instant,
    identity: StepIdentity,
}

impl Watch {
    /// Asks the role's source, and AWS when it names another role or access key than before. A change is logged.
    pub async fn look(&mut self, aws: &Aws) -> OwnIdentity {
        let found = aws.role.look().await;
        let mut seen = OwnIdentity { problem: found.problem, ..OwnIdentity::default() };
        if let Some(session) = found.session {
            seen.expires_at = session.credentials.expires_at;
            seen.obtained_at = session.obtained_at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64);
            match self.identify(aws, session).await {
                Ok(identity) => seen.identity = Some(identity),
                Err(refusal) => seen.problem = Some(refusal),
            }
        }
        if aws.role.is_of_an_instance().await {
            seen.instance = aws.metadata.instance().await;
        }
        if self.seen.as_ref().is_none_or(|before| before.is_another(&seen)) {
            seen.log();
        }
        self.seen = Some(seen.clone());
        seen
    }

    /// How long until the next look.
    #[must_use]
    pub fn patience(&self) -> Duration {
        let nobody = self
            .seen
            .as_ref()
            .and_then(|seen| seen.problem.as_ref())
            .is_some_and(|problem| problem.reason == shared::reason::Reason::NotOnEc2.code());
        if nobody { LOOK_SELDOM } else { LOOK_AGAIN }
    }

    async fn identify(&mut self, aws: &Aws, session: Session) -> Result<StepIdentity, Refusal> {
        let Session { role, credentials, .. } = session;
        if let Some(asked) = self.asked.as_ref().filter(|asked| asked.is_about(&role, &credentials.access_key_id)) {
            return Ok(asked.identity.clone());
        }
        self.asked = None;
        let region = aws.region(&AwsSpec::default()).await?;
        let (identity, _) = aws.identify(&credentials, &region, aws.role_name()).await?;
        let access_key_id = credentials.access_key_id;
        self.asked = Some(Asked { role, access_key_id, at: Instant::now(), identity: identity.clone() });
        Ok(identity)
    }
}

impl Asked {
    fn is_about(&self, role: &str, access_key_id: &str) -> bool {
        self.role == role && self.access_key_id == access_key_id && self.at.elapsed() < TRUST
    }
}

impl OwnIdentity {
    /// As the coordinator is told; `region` is the one that the worker was configured with, if any.
    #[must_use]
    pub fn to_wire(&self, region: &str) -> OwnRole {
        let of_identity = self.identity.as_ref().map(|identity| identity.region.clone());
        let problem = self.problem.clone().filter(|_| self.identity.is_none());
        let arn = self.identity.as_ref().map_or("", |identity| identity.arn.as_str());
        let problem = problem.unwrap_or_else(|| Refusal { reason: String::new(), detail: String::new() });
        OwnRole {
            identity: self.identity.clone().map(|identity| StepIdentity { expires_at: self.expires_at, ..identity }),
            partition: partition_of(arn).into(),
            obtained_at: self.obtained_at,
            reason: problem.reason,
            problem: problem.detail,
            region: of_identity.unwrap_or_else(|| region.into()),
        }
    }

    /// Whether something else is to be said than of the one before; a fresh session of the same role is none.
    fn is_another(&self, now: &Self) -> bool {
        let who = |seen: &Self| {
            seen.identity.as_ref().map(|found| (found.account.clone(), found.arn.clone(), found.region.clone()))
        };
        who(self) != who(now) || self.problem != now.problem
    }

    fn log(&self) {
        let instance = self.instance.as_ref();
        let (id, partition) = (instance.map(|found| found.id.as_str()), instance.map(|found| found.partition.as_str()));
        if let Some(StepIdentity { account, arn, region, source, .. }) = &self.identity {
            let role = shared::aws::role_of_session(arn);
            info!(account, role, arn, region, source, instance = id, partition, "the worker's own role is known");
        }
        if let Some(Refusal { reason, detail }) = &self.problem {
            info!(reason, error = detail, instance = id, "the worker's own role has a problem");
        }
    }
}

#[cfg(test)]
mod tests;
