//! The instance metadata service, version 2: region, role and its credentials.

use std::{
    sync::Mutex,
    sync::PoisonError,
    time::{Duration, Instant, SystemTime},
};

use aws_config::{
    imds::{Client, client::error::ImdsError},
    provider_config::ProviderConfig,
};
use aws_smithy_http_client::{Builder, Connector};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use proto::worker::Credentials;
use serde::Deserialize;
use tokio::sync::OnceCell;

use super::{refusal, time_left};
use crate::exec_dir::Refusal;

/// Where the role's name is, and below it its credentials.
const ROLE: &str = "/latest/meta-data/iam/security-credentials/";
/// Where the region is.
const REGION: &str = "/latest/meta-data/placement/region";
/// The service answers in milliseconds or not at all.
const TIMEOUT: Duration = Duration::from_secs(1);
/// Tries of each call.
const ATTEMPTS: u32 = 2;
/// 60 seconds: steps that start together ask once.
const KEEP: Duration = Duration::from_secs(60);
/// 25 minutes: what a step's credentials should have left, since SDKs ask anew below 15.
pub(super) const ENOUGH: Duration = Duration::from_secs(25 * 60);

/// The service, and what it said lately.
#[derive(Debug)]
pub(super) struct Metadata {
    endpoint: Option<String>,
    client: OnceCell<Client>,
    credentials: Mutex<Option<(Instant, Credentials)>>,
    region: OnceCell<String>,
}

/// A role's credentials as the service writes them.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RoleCredentials {
    code: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    access_key_id: String,
    #[serde(default)]
    secret_access_key: String,
    #[serde(default)]
    token: String,
    expiration: Option<jiff::Timestamp>,
}

impl Metadata {
    pub(super) fn new(endpoint: Option<&str>) -> Self {
        Self {
            endpoint: endpoint.map(Into::into),
            client: OnceCell::new(),
            credentials: Mutex::new(None),
            region: OnceCell::new(),
        }
    }

    pub(super) async fn region(&self) -> Result<String, Refusal> {
        let asked = self.region.get_or_try_init(async || self.get(REGION).await).await;
        asked.cloned().map_err(|error| match error {
            ImdsError::ErrorResponse(_) => refusal(
                "NO_REGION",
                "The step names no region, the worker is configured with none, and the instance metadata service does not tell \
                 it: set `aws.region` in the step or `--region` on the worker.",
            ),
            other => refusal(
                "NO_REGION",
                format!(
                    "The step names no region, the worker is configured with none, and {} Set `aws.region` in the step or \
                     `--region` on the worker.",
                    self.unreachable(&other)
                ),
            ),
        })
    }

    pub(super) async fn credentials(&self) -> Result<Credentials, Refusal> {
        if let Some(kept) = self.kept() {
            return Ok(kept);
        }
        let fresh = self.ask_credentials().await?;
        *self.credentials.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), fresh.clone()));
        Ok(fresh)
    }

    fn kept(&self) -> Option<Credentials> {
        let kept = self.credentials.lock().unwrap_or_else(PoisonError::into_inner);
        let (asked, credentials) = kept.as_ref()?;
        let is_good = time_left(credentials, SystemTime::now()).is_none_or(|left| left > ENOUGH);
        (asked.elapsed() < KEEP && is_good).then(|| credentials.clone())
    }

    async fn ask_credentials(&self) -> Result<Credentials, Refusal> {
        let role = self.get(ROLE).await.map_err(|error| self.no_role(&error))?;
        let role = role.lines().next().unwrap_or_default().trim().to_owned();
        let json = self.get(&format!("{ROLE}{role}")).await.map_err(|error| self.no_role(&error))?;
        let found: RoleCredentials = serde_json::from_str(&json).map_err(|_| {
            // The text holds secrets, so it is not shown.
            refusal("CREDENTIALS_REFUSED", "The instance metadata service answered something that is no credentials.")
        })?;
        if found.code != "Success" {
            return Err(refusal(
                "CREDENTIALS_REFUSED",
                format!(
                    "The instance metadata service has no credentials for the role \"{role}\": {} {}. Check the role's trust \
                     policy: it must let ec2.amazonaws.com assume it.",
                    found.code, found.message
                ),
            ));
        }
        Ok(Credentials {
            access_key_id: found.access_key_id,
            secret_access_key: found.secret_access_key,
            session_token: found.token,
            expires_at: found.expiration.map_or(0, jiff::Timestamp::as_second),
        })
    }

    async fn get(&self, path: &str) -> Result<String, ImdsError> {
        let client = self.client.get_or_init(async || client(self.endpoint.as_deref())).await;
        client.get(path).await.map(|answer| answer.as_ref().to_owned())
    }

    fn no_role(&self, error: &ImdsError) -> Refusal {
        match error {
            ImdsError::ErrorResponse(answer) if answer.response().status().as_u16() == 404 => refusal(
                "NO_INSTANCE_ROLE",
                "No role is attached to the worker's instance: attach an instance profile with a role to it, or give the step an \
                 account.",
            ),
            other => refusal(
                "NO_INSTANCE_METADATA",
                format!(
                    "The step takes the worker's own role, and {} Run it on a worker on EC2, or give the step an account.",
                    self.unreachable(other)
                ),
            ),
        }
    }

    fn unreachable(&self, error: &ImdsError) -> String {
        let endpoint = self.endpoint.as_deref().unwrap_or("http://169.254.169.254");
        match error {
            ImdsError::ErrorResponse(answer) => {
                format!(
                    "the instance metadata service at {endpoint} answers with status {}.",
                    answer.response().status().as_u16()
                )
            }
            ImdsError::FailedToLoadToken(_) => format!(
                "the instance metadata service at {endpoint} gives no session token: there is none here, or it is switched off, or \
                 its hop limit is too low for a container."
            ),
            _ => format!("the instance metadata service at {endpoint} cannot be reached."),
        }
    }
}

fn client(endpoint: Option<&str>) -> Client {
    // Always plain HTTP, so no certificates need to be loaded for it.
    let http: SharedHttpClient = Builder::new().build_with_connector_fn(|settings, components| {
        let mut connector = Connector::builder();
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(|components| components.sleep_impl()));
        connector.build_http()
    });
    let provider = ProviderConfig::without_region().with_http_client(http);
    let builder = Client::builder()
        .configure(&provider)
        .connect_timeout(TIMEOUT)
        .read_timeout(TIMEOUT)
        .operation_attempt_timeout(TIMEOUT)
        .operation_timeout(TIMEOUT * 2 * ATTEMPTS)
        .max_attempts(ATTEMPTS);
    // Explicit even for the default, so that no environment variable or profile decides it.
    match builder.endpoint(endpoint.unwrap_or("http://169.254.169.254")) {
        Ok(builder) => builder.build(),
        // The configuration made sure that it is a URL.
        Err(_) => Client::builder().configure(&provider).build(),
    }
}

#[cfg(test)]
mod tests;
