//! Where a step's credentials come from, now and later.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use proto::{
    status::reason_of,
    worker::{CredentialGrant, Credentials, FetchCredentialsRequest, credential_grant::Base},
};
use shared::{id::ExecutionId, reason::Reason};
use tonic::{Code, Status};

use super::{Access, client, is_passing, persist};
use crate::{
    credentials::{Had, refresh::Source, refusal},
    exec_dir::Refusal,
    host::Host,
};

/// 60 seconds for the coordinator to say how a step becomes who it shall be.
const PATIENCE: Duration = Duration::from_secs(60);
/// 20 seconds for one question while a step runs: the next one comes soon.
const ONE_QUESTION: Duration = Duration::from_secs(20);
/// Names of the sources in the file by which a restarted agent knows them.
const ROLE: &str = "worker-role";
const GRANT: &str = "grant ";

/// Where an attempt's credentials come from.
#[derive(Clone)]
pub enum CredentialSource {
    /// The source of the worker's own role.
    WorkerRole(Arc<Host>),
    /// The coordinator, which is asked each time how the attempt becomes who it shall be.
    Grant(Arc<Granted>),
}

/// What is granted to an attempt.
pub struct Granted {
    host: Arc<Host>,
    /// The way to the coordinator.
    access: Access,
    execution: ExecutionId,
    /// Of the step.
    region: String,
    /// The newest grant that begins with the worker's own role: it holds no secret, and serves while contact is lost.
    last: Mutex<Option<CredentialGrant>>,
}

impl CredentialSource {
    /// File in the runtime folder that names the source; holds no secret.
    pub const FILE: &str = "credential-source";

    /// What the coordinator grants to an attempt whose step is in this region.
    #[must_use]
    pub fn granted(host: &Arc<Host>, access: &Access, execution: ExecutionId, region: &str) -> Self {
        Self::Grant(Arc::new(Granted {
            host: host.clone(),
            access: access.clone(),
            execution,
            region: region.into(),
            last: Mutex::default(),
        }))
    }

    /// How [`Self::FILE`] names it.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::WorkerRole(_) => ROLE.into(),
            Self::Grant(granted) => format!("{GRANT}{}", granted.region),
        }
    }

    /// The source that an earlier agent named; none for a step without AWS credentials.
    #[must_use]
    pub fn named(host: &Arc<Host>, access: &Access, execution: ExecutionId) -> Option<Self> {
        let name = std::fs::read_to_string(host.home.runtime(execution).path().join(Self::FILE)).ok()?;
        if name == ROLE {
            return Some(Self::WorkerRole(host.clone()));
        }
        name.strip_prefix(GRANT).map(|region| Self::granted(host, access, execution, region))
    }

    /// Waits for a session and for a coordinator that cannot say it at once.
    ///
    /// # Errors
    /// A refusal when they cannot be had within a minute.
    pub(super) async fn patiently(&self) -> Result<Had, Refusal> {
        match self {
            Self::WorkerRole(host) => {
                let credentials = host.aws.role_credentials().await?;
                Ok(Had { credentials, source: host.aws.role_name(), throttled: 0 })
            }
            Self::Grant(granted) => granted.patiently().await,
        }
    }
}

impl Source for CredentialSource {
    async fn fetch(&self) -> Result<Credentials, Refusal> {
        match self {
            Self::WorkerRole(host) => host.aws.fresh_role_credentials().await,
            Self::Grant(granted) => granted.now().await,
        }
    }
}

impl Granted {
    async fn patiently(&self) -> Result<Had, Refusal> {
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
        self.take(grant).await
    }

    /// Asks once; with contact lost, what was granted before serves as far as this worker can be that by itself.
    async fn now(&self) -> Result<Credentials, Refusal> {
        let asked = tokio::time::timeout(ONE_QUESTION, self.ask()).await;
        let asked = asked.unwrap_or_else(|_| Err(Status::unavailable("it does not answer")));
        let had = match asked {
            Ok(grant) => self.take(grant).await?,
            Err(status) => match self.last().filter(|_| is_passing(&status)) {
                Some(grant) => self.host.aws.of_grant(&grant, &self.region).await?,
                None => return Err(refused(&status)),
            },
        };
        Ok(had.credentials)
    }

    async fn ask(&self) -> Result<CredentialGrant, Status> {
        let request = FetchCredentialsRequest { execution_id: self.execution.to_string() };
        let mut client = client(&mut self.access.clone()).await?;
        client.fetch_credentials(request).await.map(tonic::Response::into_inner)
    }

    async fn take(&self, grant: CredentialGrant) -> Result<Had, Refusal> {
        if matches!(grant.base, Some(Base::WorkerRole(_))) {
            *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(grant.clone());
        }
        self.host.aws.of_grant(&grant, &self.region).await
    }

    fn last(&self) -> Option<CredentialGrant> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl fmt::Debug for CredentialSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
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
