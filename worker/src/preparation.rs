//! Getting together what a step needs, while its grant is still on its way: what to run, files, credentials, who AWS says
//! they are. What a person must mend becomes a refusal in the order, so that the step's own log says it.

mod files;
mod sources;

use std::{io, sync::Arc, time::Duration};

use proto::worker::{
    Credentials, FetchStepRequest, StepIdentity, StepSpec, aws_spec, session_service_client::SessionServiceClient,
};
use service::backoff::Backoff;
use shared::{id::ExecutionId, reason::Reason};
use tokio::sync::watch;
use tonic::{Code, Status, transport::Channel};
use worker_core::Terms;

use crate::{
    credentials::{self, refusal},
    exec_dir::{Refusal, ShimOrder},
    host::Host,
    random,
};

pub use sources::CredentialSource;

/// A client of the session that stands.
pub type Client = SessionServiceClient<Channel>;
/// The client of the moment; none while there is no session.
pub type Access = watch::Receiver<Option<Client>>;

/// Everything a shim needs.
#[derive(Debug)]
pub struct Prepared {
    /// What it is to do.
    pub order: ShimOrder,
    /// AWS credentials, and where fresh ones come from.
    pub credentials: Option<(Credentials, CredentialSource)>,
}

/// Why nothing can be prepared, not even a refusal in the step's log.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unpreparable(pub String);

/// What a preparation begins with.
#[derive(Debug)]
pub struct Wanted {
    /// Which attempt.
    pub execution: ExecutionId,
    /// On which terms.
    pub terms: Terms,
    /// What to run, if the offer said it.
    pub spec: Option<Box<StepSpec>>,
}

/// Prepares an attempt; waits for a session where it needs one.
///
/// # Errors
/// [`Unpreparable`] when the coordinator no longer tells what to run, or this program does not know the action.
pub async fn prepare(host: Arc<Host>, access: Access, wanted: Wanted) -> Result<Prepared, Unpreparable> {
    let Wanted { execution, terms, spec } = wanted;
    let spec = match spec {
        Some(spec) => *spec,
        None => fetch_step(access.clone(), execution).await?,
    };
    if spec.action.is_none() {
        return Err(Unpreparable("This worker does not know the step's action: upgrade it.".into()));
    }
    let mut order = ShimOrder {
        timeout_ms: millis(terms.timeout),
        grace_ms: millis(terms.grace),
        worker_name: host.identity.membership().worker_name.clone(),
        attempt_number: terms.number,
        step_key: terms.step_key,
        ..ShimOrder::default()
    }
    .reaching_aws(host.aws.for_steps());
    let needs = gather(&host, &access, execution, &spec).await;
    order.spec = Some(spec);
    let credentials = match needs {
        Ok(None) => None,
        Ok(Some(aws)) => {
            order.region.clone_from(&aws.identity.region);
            order.identity = Some(aws.identity);
            order.throttled = aws.throttled;
            Some((aws.credentials, aws.source))
        }
        Err(refusal) => {
            order.refusal = Some(refusal);
            None
        }
    };
    Ok(Prepared { order, credentials })
}

/// What an AWS step has besides.
struct AwsNeeds {
    credentials: Credentials,
    source: CredentialSource,
    identity: StepIdentity,
    /// How often AWS asked for fewer calls.
    throttled: u32,
}

/// Files and credentials at the same time.
async fn gather(
    host: &Arc<Host>,
    access: &Access,
    execution: ExecutionId,
    spec: &StepSpec,
) -> Result<Option<AwsNeeds>, Refusal> {
    make_folders(host, execution).map_err(|error| {
        refusal(
            "WORKER_DISK",
            format!("The worker cannot make the step's folders: {error}. Make room in its data folder."),
        )
    })?;
    let files = files::lay(access, execution, &spec.files, host.home.exec(execution).work());
    let aws = aws_needs(host, access, execution, spec);
    let ((), aws) = tokio::try_join!(files, aws)?;
    Ok(aws)
}

fn make_folders(host: &Host, execution: ExecutionId) -> io::Result<()> {
    host.home.exec(execution).create()?;
    host.home.runtime(execution).create()
}

async fn aws_needs(
    host: &Arc<Host>,
    access: &Access,
    execution: ExecutionId,
    spec: &StepSpec,
) -> Result<Option<AwsNeeds>, Refusal> {
    let Some(aws) = &spec.aws else { return Ok(None) };
    if aws.require_isolation && !host.isolation.holds {
        return Err(not_isolated(host));
    }
    let region = host.aws.region(aws).await?;
    if aws.source() == aws_spec::Source::Unspecified {
        let sentence =
            "The step's AWS identity is of a kind that this worker does not know: upgrade it. Nothing was started.";
        return Err(refusal("UNKNOWN_IDENTITY", sentence));
    }
    let source = CredentialSource::new(host, access, execution, &region);
    let had = source.patiently().await?;
    let (identity, throttled) = host.aws.identify(&had.credentials, &region, had.source).await?;
    credentials::check_expectations(aws, &identity)?;
    let source = source.bound_to(&identity);
    Ok(Some(AwsNeeds { credentials: had.credentials, source, identity, throttled: had.throttled + throttled }))
}

fn not_isolated(host: &Host) -> Refusal {
    refusal(
        Reason::IsolationRequired.code(),
        format!(
            "The step demands that it cannot reach the instance's metadata, and on worker \"{}\" it could: {} Nothing was started.",
            host.identity.membership().worker_name,
            host.isolation.why
        ),
    )
}

async fn fetch_step(mut access: Access, execution: ExecutionId) -> Result<StepSpec, Unpreparable> {
    let request = FetchStepRequest { execution_id: execution.to_string() };
    let ask = |mut client: Client| {
        let request = request.clone();
        async move { client.fetch_step(request).await.map(tonic::Response::into_inner) }
    };
    persist(&mut access, ask)
        .await
        .map_err(|status| Unpreparable(format!("The coordinator does not tell what to run: {}", status.message())))
}

/// Asks until an answer comes that another try would not change.
async fn persist<T, Asking>(access: &mut Access, ask: impl Fn(Client) -> Asking) -> Result<T, Status>
where
    Asking: Future<Output = Result<T, Status>>,
{
    let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(10));
    loop {
        let client = client(access).await?;
        match ask(client).await {
            Err(status) if is_passing(&status) => tokio::time::sleep(backoff.next(random::fraction())).await,
            answer => return answer,
        }
    }
}

async fn client(access: &mut Access) -> Result<Client, Status> {
    let standing = access.wait_for(Option::is_some).await.map_err(|_| Status::cancelled("The agent is stopping."))?;
    standing.clone().ok_or_else(|| Status::internal("There is no session."))
}

/// Whether another try may go better: the connection broke, or the coordinator is busy or starting. Not when AWS is what the
/// coordinator lacks: it asked again by itself, as long as that helps.
fn is_passing(status: &Status) -> bool {
    const OF_AWS: [Reason; 3] = [Reason::AwsThrottled, Reason::AwsUnavailable, Reason::AwsCertificateNotTrusted];
    let said = proto::status::reason_of(status);
    if OF_AWS.iter().any(|reason| said.as_deref() == Some(reason.code())) {
        return false;
    }
    match status.code() {
        Code::Unavailable | Code::Cancelled | Code::Aborted | Code::DeadlineExceeded | Code::ResourceExhausted => true,
        // What tonic makes of a broken connection.
        Code::Unknown | Code::Internal => said.is_none(),
        _ => false,
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proto::status::to_status;
    use shared::reason::Fault;

    use super::*;

    #[test]
    fn what_aws_refused_the_coordinator_is_not_asked_again_and_a_broken_connection_is() {
        let of = |reason| to_status(&Fault::new(reason, "A sentence."));
        for passing in [
            Status::unavailable("connection reset"),
            Status::internal("stream broke"),
            of(Reason::StoreUnavailable),
            of(Reason::ShuttingDown),
        ] {
            assert!(is_passing(&passing), "{passing}");
        }
        for last in [
            Reason::AwsThrottled,
            Reason::AwsUnavailable,
            Reason::AwsCertificateNotTrusted,
            Reason::ClockSkew,
            Reason::Internal,
        ] {
            assert!(!is_passing(&of(last)), "{}", last.code());
        }
    }
}
