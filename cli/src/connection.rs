//! The way to a coordinator: one channel, the token on every call, and a sentence for every way it fails.

use std::{error::Error, future::Future, pin::pin, time::Duration};

use proto::{
    deployment::{
        account_service_client::AccountServiceClient, audit_service_client::AuditServiceClient,
        coordinator_service_client::CoordinatorServiceClient, deployment_service_client::DeploymentServiceClient,
        environment_service_client::EnvironmentServiceClient, pool_service_client::PoolServiceClient,
        project_service_client::ProjectServiceClient, worker_service_client::WorkerServiceClient,
    },
    status::reason_of,
};
use service::channel::{self, ConnectError};
use shared::reason::Reason;
use tonic::{
    Code, Request, Response, Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::Channel,
};

use crate::{
    failure::{Exit, Failure},
    profile::Profile,
};

/// 60 seconds: longer than AWS and a worker take to answer an account test.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);

/// A channel that carries the caller's token.
pub(crate) type Authorized = InterceptedService<Channel, Bearer>;

/// A coordinator, connected to when first asked.
#[derive(Clone)]
pub(crate) struct Connection {
    coordinator: String,
    channel: Authorized,
}

/// Puts the token on every call.
#[derive(Clone)]
pub(crate) struct Bearer(MetadataValue<Ascii>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

macro_rules! clients {
    ($($name:ident: $client:ident,)*) => {
        $(pub(crate) fn $name(&self) -> $client<Authorized> {
            $client::new(self.channel.clone())
        })*
    };
}

impl Connection {
    /// To the coordinator that environment and profile name.
    ///
    /// # Errors
    /// When they name none, or something in them is of the wrong shape.
    pub(crate) fn open() -> Result<Self, Failure> {
        Self::with(&Profile::load()?)
    }

    /// To the coordinator of this profile.
    ///
    /// # Errors
    /// When something in it is of the wrong shape.
    pub(crate) fn with(profile: &Profile) -> Result<Self, Failure> {
        let roots = service::tls::roots_from_pem(&profile.authorities()?)
            .map_err(|error| Failure::usage(format!("The coordinator's CA cannot be used. {error}")))?;
        let config = service::tls::client_config(roots, None).map_err(|error| Failure::usage(error.to_string()))?;
        let channel =
            channel::channel(&profile.coordinator, config).map_err(|error| Failure::usage(error.to_string()))?;
        let mut bearer: MetadataValue<Ascii> = format!("Bearer {}", profile.token.expose())
            .parse()
            .map_err(|_| Failure::usage("The token holds a character that no token has: copy it again."))?;
        bearer.set_sensitive(true);
        Ok(Self { coordinator: profile.coordinator.clone(), channel: InterceptedService::new(channel, Bearer(bearer)) })
    }

    /// Without TLS, for a coordinator that a test plays.
    #[cfg(test)]
    pub(crate) fn plain(url: &str) -> Self {
        let endpoint = tonic::transport::Endpoint::from_shared(url.to_owned()).expect("a URL");
        let bearer = Bearer(MetadataValue::from_static("Bearer x"));
        Self { coordinator: url.to_owned(), channel: InterceptedService::new(endpoint.connect_lazy(), bearer) }
    }

    clients! {
        accounts: AccountServiceClient,
        audit: AuditServiceClient,
        coordinators: CoordinatorServiceClient,
        deployments: DeploymentServiceClient,
        environments: EnvironmentServiceClient,
        pools: PoolServiceClient,
        projects: ProjectServiceClient,
        workers: WorkerServiceClient,
    }

    /// Waits for one answer.
    ///
    /// # Errors
    /// What the coordinator refused, or why it could not be asked, with the exit code for it.
    pub(crate) async fn answer<T>(
        &self,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, Failure> {
        self.answer_while(call, || 0).await
    }

    /// Waits for one answer as long as the call gets on, by a number that grows then.
    ///
    /// # Errors
    /// As [`Connection::answer`].
    pub(crate) async fn answer_while<T>(
        &self,
        call: impl Future<Output = Result<Response<T>, Status>>,
        progress: impl Fn() -> u64,
    ) -> Result<T, Failure> {
        let mut call = pin!(call);
        loop {
            let before = progress();
            match tokio::time::timeout(CALL_TIMEOUT, &mut call).await {
                Ok(Ok(response)) => return Ok(response.into_inner()),
                Ok(Err(status)) => return Err(self.failure(&status)),
                Err(_) if progress() > before => {}
                Err(_) => return Err(self.silence()),
            }
        }
    }

    fn silence(&self) -> Failure {
        Failure::new(
            Exit::Unreachable,
            format!("The coordinator {} did not answer within {} s.", self.coordinator, CALL_TIMEOUT.as_secs()),
        )
    }

    /// What a failed call means for the person and for the exit code.
    pub(crate) fn failure(&self, status: &Status) -> Failure {
        if is_out_of_reach(status) {
            let hint = if is_untrusted(status) {
                " Give this coordinator's CA (ca.pem in its data folder) with `longshore login --ca-file FILE` or \
                 LONGSHORE_CA_FILE."
            } else {
                ""
            };
            let why = channel::explain(status);
            return Failure::new(
                Exit::Unreachable,
                format!("The coordinator {} could not be reached. {why}{hint}", self.coordinator),
            );
        }
        let exit = match status.code() {
            Code::Unauthenticated | Code::PermissionDenied => Exit::Refused,
            Code::NotFound => Exit::NotFound,
            Code::InvalidArgument => Exit::Usage,
            _ => Exit::Failed,
        };
        Failure::new(exit, sentence(status, &self.coordinator))
    }
}

/// Whether trying again later may help: the network failed, or the coordinator is stopping.
pub(crate) fn is_out_of_reach(status: &Status) -> bool {
    match reason_of(status) {
        Some(reason) => reason == Reason::ShuttingDown.code(),
        None => matches!(status.code(), Code::Unavailable | Code::Unknown | Code::Cancelled | Code::DeadlineExceeded),
    }
}

fn is_untrusted(status: &Status) -> bool {
    let mut next: Option<&(dyn Error + 'static)> = status.source();
    while let Some(error) = next {
        if matches!(error.downcast_ref(), Some(ConnectError::NotTrusted { .. })) {
            return true;
        }
        next = error.source();
    }
    false
}

fn sentence(status: &Status, coordinator: &str) -> String {
    match (status.code(), status.message()) {
        (Code::Unimplemented, _) => {
            format!("The coordinator {coordinator} does not know this call: it is of another version than this tool.")
        }
        (code, "") => format!("The coordinator {coordinator} refused without a word ({code:?})."),
        (_, message) => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proto::status::to_status;
    use shared::reason::{Blame, Fault};

    use super::*;

    fn connection() -> Connection {
        Connection::plain("http://localhost:7300")
    }

    #[tokio::test]
    async fn every_reason_ends_with_the_exit_code_of_its_blame() {
        for &reason in Reason::ALL {
            let failure = connection().failure(&to_status(&Fault::new(reason, "A sentence.")));
            let expected = match reason.blame() {
                Blame::Invalid => Exit::Usage,
                Blame::NotFound => Exit::NotFound,
                Blame::Unauthenticated | Blame::Denied => Exit::Refused,
                _ if reason == Reason::ShuttingDown => Exit::Unreachable,
                _ => Exit::Failed,
            };
            assert_eq!(failure.exit, expected, "{}", reason.code());
            assert!(failure.sentence.contains("A sentence."), "{}", failure.sentence);
        }
    }

    #[tokio::test]
    async fn a_broken_connection_is_no_refusal() {
        assert_eq!(connection().failure(&Status::unavailable("")).exit, Exit::Unreachable);
        assert_eq!(connection().failure(&Status::unknown("transport error")).exit, Exit::Unreachable);
    }
}
