//! A new certificate at half-life, with a new key each time.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use proto::worker::RenewCertificateRequest;
use service::{backoff::Backoff, channel};
use shared::limits;
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

/// Half of a certificate's life. Counted from its end: its beginning is set back for hosts whose clock is behind.
const HALF: Duration = Duration::from_secs(limits::WORKER_CERTIFICATE_TTL.as_secs() / 2);
/// A tenth of its life between two renewals, even where the clock is so far ahead that every certificate looks old.
const LEAST: Duration = Duration::from_secs(limits::WORKER_CERTIFICATE_TTL.as_secs() / 10);

/// Renews the certificate whenever half of its life is over, and makes the session anew with it.
pub async fn renew_for_ever(host: Arc<Host>, mut access: Access, reconnect: Arc<Notify>) {
    let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
    let mut wait = until_half(host.identity.certificate_ends(), SystemTime::now());
    loop {
        // Up to a tenth later, so that workers that joined together do not renew together.
        tokio::time::sleep(wait + wait.mul_f64(random::fraction() / 10.0)).await;
        match renew(&host, &mut access).await {
            Ok(()) => {
                info!("certificate renewed");
                backoff.reset();
                reconnect.notify_one();
                wait = until_half(host.identity.certificate_ends(), SystemTime::now()).max(LEAST);
            }
            Err(failure) => {
                warn!(error = failure.sentence, "certificate cannot be renewed now");
                wait = backoff.next(random::fraction());
            }
        }
    }
}

/// Nothing left means now.
fn until_half(ends: SystemTime, now: SystemTime) -> Duration {
    ends.duration_since(now).unwrap_or_default().saturating_sub(HALF)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_renewed_at_half_of_its_life_and_at_once_when_that_is_over() {
        let now = SystemTime::now();
        assert_eq!(until_half(now + limits::WORKER_CERTIFICATE_TTL, now), HALF);
        assert_eq!(until_half(now + HALF, now), Duration::ZERO);
        assert_eq!(until_half(now - HALF, now), Duration::ZERO);
    }
}
