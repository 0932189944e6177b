//! Where a step's credentials come from, now and later.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use prost::Message;
use proto::{
    status::reason_of,
    worker::{CredentialGrant, Credentials, FetchCredentialsRequest, StepIdentity, credential_grant::Base},
};
use shared::{aws::role_of_session, id::ExecutionId, reason::Reason};
use tonic::{Code, Status};

use super::{Access, client, is_passing, persist};
use crate::{
    credentials::{Had, Role, refresh::Source, refusal},
    exec_dir::Refusal,
    host::Host,
};

/// 60 seconds for the coordinator to say how a step becomes who it shall be.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where an attempt's credentials come from, and whose they must be from the first to the last: the coordinator is asked each time
/// how the attempt becomes who it shall be, also for the worker's own role, so that each release is in its audit log.
#[derive(Clone)]
pub struct CredentialSource {
    host: Arc<Host>,
    /// The way to the coordinator.
    access: Access,
    execution: ExecutionId,
    /// Of the step.
    region: String,
    /// The newest grant that begins with the worker's own role: it holds no secret, and serves while contact is lost.
    last: Arc<Mutex<Option<CredentialGrant>>>,
    /// Who the step is; nobody before AWS has said it.
    who: Option<StepIdentity>,
}

/// What an agent that comes back must know of a source; lies in the runtime folder and holds no secret.
#[derive(Clone, PartialEq, prost::Message)]
struct Note {
    #[prost(message, optional, tag = "1")]
    last: Option<CredentialGrant>,
    #[prost(message, optional, tag = "2")]
    who: Option<StepIdentity>,
}

impl CredentialSource {
    /// File in the runtime folder by which a restarted agent knows the source.
    pub const FILE: &str = "credential-source";

    /// For an attempt whose step is in this region.
    #[must_use]
    pub fn new(host: &Arc<Host>, access: &Access, execution: ExecutionId, region: &str) -> Self {
        Self {
            host: host.clone(),
            access: access.clone(),
            execution,
            region: region.into(),
            last: Arc::default(),
            who: None,
        }
    }

    /// From now on, only credentials of this identity are taken.
    #[must_use]
    pub fn bound_to(self, who: &StepIdentity) -> Self {
        Self { who: Some(who.clone()), ..self }
    }

    /// What [`Self::FILE`] holds.
    #[must_use]
    pub fn note(&self) -> Vec<u8> {
        Note { last: self.last(), who: self.who.clone() }.encode_to_vec()
    }

    /// The source that an earlier agent noted; none for a step without AWS credentials.
    #[must_use]
    pub fn noted(host: &Arc<Host>, access: &Access, execution: ExecutionId) -> Option<Self> {
        let note = std::fs::read(host.home.runtime(execution).path().join(Self::FILE)).ok()?;
        let Note { last, who } = Note::decode(note.as_slice()).ok()?;
        let who = who?;
        let source = Self::new(host, access, execution, &who.region);
        Some(Self { last: Arc::new(Mutex::new(last)), ..source }.bound_to(&who))
    }

    /// Waits for a session and for a coordinator that cannot say it at once.
    ///
    /// # Errors
    /// A refusal when they cannot be had within a minute.
    pub(super) async fn patiently(&self) -> Result<Had, Refusal> {
        let request = FetchCredentialsRequest { execution_id: self.execution.to_string() };
        let mut access = self.access.clone();
        let ask = |mut client: super::Client| {
            let request = request.clone();
            async move { client.fetch_credentials(request).await.map(tonic::Response::into_inner) }
        };
        let grant = match tokio::time::timeout(PATIENCE, persist(&mut access, ask)).await {
            Ok(answer) => answer.map_err(|status| refused(&status))?,
            Err(_) => {
                return Err(refusal(
                    Reason::CredentialsUnavailable.code(),
                    "The coordinator did not hand out the step's AWS credentials within a minute. Nothing was started.",
                ));
            }
        };
        self.host.aws.of_grant(&self.noting(grant), &self.region, Role::Kept).await
    }

    /// Asks once; with contact lost, what was granted before serves as far as this worker can be that by itself.
    async fn now(&self, patience: Duration) -> Result<Credentials, Refusal> {
        let asked = tokio::time::timeout(patience, self.ask()).await;
        let asked = asked.unwrap_or_else(|_| Err(Status::unavailable("it does not answer")));
        let grant = match asked {
            Ok(grant) => self.noting(grant),
            Err(status) => self.last().filter(|_| is_passing(&status)).ok_or_else(|| refused(&status))?,
        };
        self.host.aws.of_grant(&grant, &self.region, Role::Fresh).await.map(|had| had.credentials)
    }

    async fn ask(&self) -> Result<CredentialGrant, Status> {
        let request = FetchCredentialsRequest { execution_id: self.execution.to_string() };
        let mut client = client(&mut self.access.clone()).await?;
        client.fetch_credentials(request).await.map(tonic::Response::into_inner)
    }

    /// Keeps a grant that holds no secret.
    fn noting(&self, grant: CredentialGrant) -> CredentialGrant {
        if matches!(grant.base, Some(Base::WorkerRole(_))) {
            *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(grant.clone());
        }
        grant
    }

    fn last(&self) -> Option<CredentialGrant> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A role may be exchanged and an account changed while a step runs: then the step keeps what it has, to its end.
    async fn ensure_unchanged(&self, fresh: &Credentials) -> Result<(), Refusal> {
        let Some(who) = &self.who else { return Ok(()) };
        let (now, _) = self.host.aws.identify(fresh, &who.region, who.source.clone()).await?;
        if is_same(who, &now) {
            return Ok(());
        }
        Err(refusal(
            Reason::ExpectationNotMet.code(),
            format!(
                "the step began as {}, and newer credentials would make it {}; it is not given those.",
                who.arn, now.arn
            ),
        ))
    }
}

/// Two sessions of one role are the same.
fn is_same(a: &StepIdentity, b: &StepIdentity) -> bool {
    let who = |identity: &StepIdentity| match role_of_session(&identity.arn) {
        "" => identity.arn.clone(),
        role => role.to_owned(),
    };
    a.account == b.account && who(a) == who(b)
}

impl Source for CredentialSource {
    async fn fetch(&self, patience: Duration) -> Result<Credentials, Refusal> {
        let fresh = self.now(patience).await?;
        self.ensure_unchanged(&fresh).await?;
        Ok(fresh)
    }
}

impl fmt::Debug for CredentialSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CredentialSource").field("who", &self.who).finish_non_exhaustive()
    }
}

/// The coordinator's refusal, in its own words and with its own code where it has one.
fn refused(status: &Status) -> Refusal {
    let why = status.message();
    match reason_of(status) {
        Some(reason) => refusal(&reason, why),
        None if status.code() == Code::Unavailable => refusal(
            Reason::CredentialsUnavailable.code(),
            format!("The coordinator cannot be asked for the step's AWS credentials: {why}."),
        ),
        None => refusal(
            Reason::CredentialsRefused.code(),
            format!("The coordinator does not hand out the step's AWS credentials: {why}."),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(account: &str, arn: &str) -> StepIdentity {
        StepIdentity { account: account.into(), arn: arn.into(), ..StepIdentity::default() }
    }

    #[test]
    fn a_step_stays_who_it_is_through_every_session() {
        let role = |name: &str, session: &str| who("1", &format!("arn:aws:sts::1:assumed-role/{name}/{session}"));
        let user = |name: &str| who("1", &format!("arn:aws:iam::1:user/{name}"));
        assert!(is_same(&role("shop", "i-1"), &role("shop", "i-2")));
        assert!(!is_same(&role("shop", "i-1"), &role("admin", "i-1")));
        assert!(is_same(&user("ci"), &user("ci")) && !is_same(&user("ci"), &user("root")));
        assert!(!is_same(&user("shop"), &role("shop", "i-1")));
        let elsewhere = who("2", "arn:aws:sts::1:assumed-role/shop/i-1");
        assert!(!is_same(&role("shop", "i-1"), &elsewhere));
    }
}
