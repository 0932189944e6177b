//! The one way to AWS, for the coordinator and the worker alike: one HTTP client on the one TLS provider, explicit credentials,
//! and a sentence for everything that AWS, or whoever stands before it, can answer.
//!
//! Knows nothing of Longshore's own wire, files and accounts. Nothing is ever looked up in the environment, in profiles or in
//! metadata behind our back: what is not in [`Settings`] or an argument does not take part.

mod clock;
mod connection;
mod credentials;
mod explain;
mod patience;
mod permission;
mod probe;
mod proxy;
mod refusal;
mod roots;
mod settings;
mod sts;

use std::{sync::Arc, time::Duration};

use aws_config::{BehaviorVersion, Region, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use shared::{aws::Partition, reason::Fault};

use connection::Http;
use patience::FIRST_WAIT;

pub use credentials::Credentials;
pub use explain::{explain, may_pass};
pub use patience::Answer;
pub use permission::{Permission, encoded_authorization};
pub use proxy::{ALWAYS_DIRECT, Proxy, without_password};
pub use settings::{Settings, service_endpoint};
pub use sts::{Assumption, Caller};

/// 5 seconds to connect, TLS and proxy included: AWS is near, or not there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// 30 seconds for one try of one call of an action.
const ACTION_ATTEMPT: Duration = Duration::from_secs(30);
/// 5 tries of one call of an action, with the SDK's own back-off between them.
const ACTION_TRIES: u32 = 5;

/// The way to AWS. Clones share its connections and the authorities it trusts, both of which are made when they are first
/// needed: whoever never asks AWS does not pay for them.
#[derive(Clone, Debug)]
pub struct Aws {
    settings: Arc<Settings>,
    http: Http,
    first_wait: Duration,
}

impl Aws {
    /// Knows the way; goes none of it.
    ///
    /// # Errors
    /// As [`Settings::check`].
    pub fn new(settings: &Settings) -> Result<Self, Fault> {
        settings.check()?;
        let settings = Arc::new(settings.clone());
        Ok(Self { http: Http::new(Arc::clone(&settings)), settings, first_wait: FIRST_WAIT })
    }

    /// What it was made with.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Where a service is, if not where AWS says it is. `service` is its id in lower case, with _ for blanks: `sts`,
    /// `cloudwatch_logs`.
    #[must_use]
    pub fn endpoint(&self, service: &str) -> Option<&str> {
        self.settings.endpoint(service)
    }

    /// Settings for a client of any service; `service` is its id, as in [`Aws::endpoint`]. The SDK repeats a call itself, 5 tries
    /// in all. An empty region is none.
    #[must_use]
    pub fn sdk_config(&self, credentials: SharedCredentialsProvider, region: &str, service: &str) -> SdkConfig {
        let timeouts =
            TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).operation_attempt_timeout(ACTION_ATTEMPT).build();
        let mut config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .credentials_provider(credentials)
            .region(Some(region).filter(|region| !region.is_empty()).map(|region| Region::new(region.to_owned())))
            .retry_config(RetryConfig::standard().with_max_attempts(ACTION_TRIES))
            .timeout_config(timeouts)
            .http_client(self.http.client());
        config.set_endpoint_url(self.endpoint(service).map(str::to_owned));
        config.build()
    }

    /// Every authority that is trusted for AWS, as one PEM text: those compiled in, the host's, and the configured ones. For
    /// programs whose `AWS_CA_BUNDLE` replaces their own. Reads files: it blocks.
    ///
    /// # Errors
    /// When the configured bundle cannot be read.
    pub fn bundle_pem(&self) -> Result<String, Fault> {
        roots::pem(self.settings.ca_bundle.as_deref())
    }
}

/// Where STS is, for sentences.
fn sts_url(endpoint: Option<&str>, region: &str) -> String {
    let suffix = Partition::of_region(region).dns_suffix;
    endpoint.map_or_else(|| format!("https://sts.{region}.{suffix}"), str::to_owned)
}

#[cfg(test)]
mod tests;
