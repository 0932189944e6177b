//! A new certificate at half-life, with a new key each time.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use proto::worker::RenewCertificateRequest;
use service::{backoff::Backoff, channel};
use tokio::sync::Notify;
use tracing::{info, warn};

use crate::{
    failure::{Exit, Failure},
    host::Host,
    identity::Request,
    preparation::Access,
    random,
};

/// After a failure: 5 seconds, then ever longer up to 5 minutes.
const FIRST_WAIT: Duration = Duration::from_secs(5);
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// Renews the certificate whenever half of its life is over, and makes the session anew with it.
pub async fn renew_for_ever(host: Arc<Host>, mut access: Access, reconnect: Arc<Notify>) {
    let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
    loop {
        // Up to a tenth later, so that workers that joined together do not renew together.
        let half = host.identity.validity().until_half(SystemTime::now());
        tokio::time::sleep(half + half.mul_f64(random::fraction() / 10.0)).await;
        match renew(&host, &mut access).await {
            Ok(()) => {
                info!("certificate renewed");
                backoff.reset();
                reconnect.notify_one();
            }
            Err(failure) => {
                warn!(error = failure.sentence, "certificate cannot be renewed now");
                tokio::time::sleep(backoff.next(random::fraction())).await;
            }
        }
    }
}

async fn renew(host: &Host, access: &mut Access) -> Result<(), Failure> {
    let stopping = || Failure::new(Exit::Internal, "The agent is stopping.");
    let standing = access.wait_for(Option::is_some).await.map_err(|_| stopping())?.clone();
    let mut client = standing.ok_or_else(stopping)?;
    let request = Request::new()?;
    let answer = client
        .renew_certificate(RenewCertificateRequest { csr_der: request.csr_der.clone() })
        .await
        .map_err(|status| Failure::new(Exit::Unavailable, channel::explain(&status)))?;
    let answer = answer.into_inner();
    host.identity.renew(&request, &answer.certificate_der, &answer.coordinator_cas_der)
}
