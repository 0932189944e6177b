//! Where a step's credentials come from, now and later.

use std::{fmt, sync::Arc, time::Duration};

use proto::worker::{Credentials, FetchCredentialsRequest};
use shared::id::ExecutionId;
use tonic::Code;

use super::{Access, client, persist};
use crate::{
    credentials::{refresh::Source, refusal},
    exec_dir::Refusal,
    host::Host,
};

/// 60 seconds for the coordinator to hand out an account's credentials.
const PATIENCE: Duration = Duration::from_secs(60);
/// Names of the sources in the file by which a restarted agent knows them.
const ROLE: &[u8] = b"worker-role";
const ACCOUNT: &[u8] = b"account";

/// Where an attempt's credentials come from.
#[derive(Clone)]
pub enum CredentialSource {
    /// The coordinator, for an account.
    Account {
        /// The way to the coordinator.
        access: Access,
        /// For which attempt.
        execution: ExecutionId,
    },
    /// The source of the worker's own role.
    WorkerRole(Arc<Host>),
}

impl CredentialSource {
    /// File in the runtime folder that names the source; holds no secret.
    pub const FILE: &str = "credential-source";

    /// How [`Self::FILE`] names it.
    #[must_use]
    pub fn name(&self) -> &'static [u8] {
        match self {
            Self::Account { .. } => ACCOUNT,
            Self::WorkerRole(_) => ROLE,
        }
    }

    /// The source that an earlier agent named; none for a step without AWS credentials.
    #[must_use]
    pub fn named(host: &Arc<Host>, access: &Access, execution: ExecutionId) -> Option<Self> {
        let name = std::fs::read(host.home.runtime(execution).path().join(Self::FILE)).ok()?;
        match name.as_slice() {
            ROLE => Some(Self::WorkerRole(host.clone())),
            ACCOUNT => Some(Self::Account { access: access.clone(), execution }),
            _ => None,
        }
    }

    /// As [`Source::fetch`], and waits for a session and for a coordinator that cannot hand them out at once.
    ///
    /// # Errors
    /// A refusal when they cannot be had within a minute.
    pub(super) async fn patiently(&self) -> Result<Credentials, Refusal> {
        let (access, execution) = match self {
            Self::WorkerRole(host) => return host.aws.role_credentials().await,
            Self::Account { access, execution } => (access, execution),
        };
        let request = FetchCredentialsRequest { execution_id: execution.to_string() };
        let mut access = access.clone();
        let ask = |mut client: super::Client| {
            let request = request.clone();
            async move { client.fetch_credentials(request).await.map(tonic::Response::into_inner) }
        };
        match tokio::time::timeout(PATIENCE, persist(&mut access, ask)).await {
            Ok(answer) => answer.map_err(|status| refused(&status)),
            Err(_) => Err(refusal(
                "CREDENTIALS_UNAVAILABLE",
                "The coordinator did not hand out the account's credentials within a minute. Nothing was started.",
            )),
        }
    }
}

impl Source for CredentialSource {
    async fn fetch(&self) -> Result<Credentials, Refusal> {
        match self {
            Self::WorkerRole(host) => host.aws.fresh_role_credentials().await,
            Self::Account { access, execution } => {
                let request = FetchCredentialsRequest { execution_id: execution.to_string() };
                let mut client = client(&mut access.clone()).await.map_err(|status| refused(&status))?;
                client
                    .fetch_credentials(request)
                    .await
                    .map(tonic::Response::into_inner)
                    .map_err(|status| refused(&status))
            }
        }
    }
}

impl fmt::Debug for CredentialSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Account { .. } => "Account",
            Self::WorkerRole(_) => "WorkerRole",
        })
    }
}

fn refused(status: &tonic::Status) -> Refusal {
    let reason = match status.code() {
        Code::Unavailable => "CREDENTIALS_UNAVAILABLE",
        _ => "CREDENTIALS_REFUSED",
    };
    refusal(reason, format!("The coordinator does not hand out the account's credentials: {}", status.message()))
}
