//! Asks AWS who an account's keys are, from the coordinator. Nothing of the coordinator's own environment, profile or role
//! takes part.

use std::{error::Error, time::Duration};

use aws_sdk_sts::{
    Client, Config,
    config::{BehaviorVersion, Credentials, Region, SharedHttpClient, retry::RetryConfig, timeout::TimeoutConfig},
    error::{DisplayErrorContext, ProvideErrorMetadata, SdkError},
    operation::get_caller_identity::GetCallerIdentityError,
};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};
use proto::deployment::CallerIdentity;

use crate::registry::account::Keys;

/// Any region knows any key of its partition; this one is always there.
pub(crate) const REGION: &str = "us-east-1";
/// 5 seconds until a connection is there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// 15 seconds for all tries together: somebody waits before a screen.
const TIMEOUT: Duration = Duration::from_secs(15);
/// 2: one more for a connection that broke.
const TRIES: u32 = 2;

/// The way to AWS STS. Clones share its connections.
#[derive(Clone, Debug)]
pub struct Sts {
    http: SharedHttpClient,
    endpoint_url: Option<String>,
}

impl Sts {
    /// Asks AWS itself, or whoever answers at `endpoint_url`.
    #[must_use]
    pub fn new(endpoint_url: Option<String>) -> Self {
        let http = Builder::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).build_https();
        Self { http, endpoint_url }
    }

    /// Who AWS says these keys are.
    ///
    /// # Errors
    /// The refusal, in a sentence that says who refused and what to check; never with a secret in it.
    pub async fn identity(&self, keys: &Keys) -> Result<CallerIdentity, String> {
        let region = if keys.region.is_empty() { REGION } else { &keys.region };
        match self.client(keys, region).get_caller_identity().send().await {
            Ok(who) => Ok(CallerIdentity {
                account: who.account.unwrap_or_default(),
                arn: who.arn.unwrap_or_default(),
                user_id: who.user_id.unwrap_or_default(),
            }),
            Err(error) => {
                tracing::info!(access_key_id = keys.access_key_id, error = %DisplayErrorContext(&error), "AWS refused an account");
                Err(self.sentence(&error, keys, region))
            }
        }
    }

    fn client(&self, keys: &Keys, region: &str) -> Client {
        let secret = keys.secret_access_key.as_str();
        let credentials = Credentials::new(keys.access_key_id.as_str(), secret, None, None, "account");
        let timeouts = TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).operation_timeout(TIMEOUT).build();
        let mut config = Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .http_client(self.http.clone())
            .region(Region::new(region.to_owned()))
            .credentials_provider(credentials)
            .retry_config(RetryConfig::standard().with_max_attempts(TRIES))
            .timeout_config(timeouts);
        config.set_endpoint_url(self.endpoint_url.clone());
        Client::from_conf(config.build())
    }

    fn sentence(&self, error: &SdkError<GetCallerIdentityError>, keys: &Keys, region: &str) -> String {
        let endpoint = self.endpoint_url.clone().unwrap_or_else(|| format!("https://sts.{region}.amazonaws.com"));
        let id = &keys.access_key_id;
        match error {
            SdkError::ServiceError(refused) => {
                let answer = refused.err();
                refusal(answer.code().unwrap_or("an error"), answer.message().unwrap_or(""), id)
            }
            SdkError::TimeoutError(_) => format!(
                "AWS could not be reached: {endpoint} did not answer in time. Check the coordinator's way to it (network, proxy, firewall)."
            ),
            SdkError::DispatchFailure(failure) if is_about_certificates(failure.as_connector_error()) => format!(
                "The certificate of {endpoint} is not trusted on the coordinator's host: a proxy may be in the way, or the host lacks \
                 the root certificates (package ca-certificates)."
            ),
            SdkError::DispatchFailure(_) => format!(
                "AWS could not be reached: there is no connection to {endpoint}. Check the region \"{region}\" and the coordinator's \
                 way to it (DNS, network, proxy, firewall)."
            ),
            _ => format!(
                "{endpoint} answered, but not as AWS STS does: check --aws-endpoint-url, and whether a proxy is in the way."
            ),
        }
    }
}

fn refusal(code: &str, message: &str, id: &str) -> String {
    match code {
        "InvalidClientTokenId" | "UnrecognizedClientException" => format!(
            "AWS does not know access key {id}: it is mistyped, was deleted or deactivated, or belongs to another partition \
             (AWS China, GovCloud)."
        ),
        "SignatureDoesNotMatch" | "RequestExpired" | "RequestTimeTooSkewed" if is_about_time(code, message) => {
            "AWS refused the request's time: the clock of the coordinator's host is wrong. Set it (NTP), then test again.".into()
        }
        "SignatureDoesNotMatch" | "IncompleteSignature" => format!(
            "AWS knows access key {id}, but the secret key does not belong to it: enter the secret key again, without blanks."
        ),
        "AccessDenied" | "AccessDeniedException" => {
            format!("AWS knows access key {id}, but a policy of its organisation forbids sts:GetCallerIdentity: {message}")
        }
        "RegionDisabledException" => format!("AWS STS is not active in this account's region: {message}"),
        _ => format!("AWS refused access key {id} with {code}: {message}"),
    }
}

fn is_about_time(code: &str, message: &str) -> bool {
    code != "SignatureDoesNotMatch" || message.contains("Signature expired") || message.contains("not yet current")
}

fn is_about_certificates(error: Option<&aws_smithy_runtime_api::client::result::ConnectorError>) -> bool {
    let mut next = error.map(|error| error as &(dyn Error + 'static));
    while let Some(error) = next {
        let text = error.to_string();
        if text.contains("certificate") || text.contains("UnknownIssuer") {
            return true;
        }
        next = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    #[test]
    fn each_refusal_says_who_refused_and_what_to_check() {
        let id = "AKIAEXAMPLE00000";
        for (code, message, part) in [
            ("InvalidClientTokenId", "", "does not know access key AKIAEXAMPLE00000"),
            (
                "SignatureDoesNotMatch",
                "The request signature we calculated does not match",
                "secret key does not belong",
            ),
            (
                "SignatureDoesNotMatch",
                "Signature expired: 20261123T000000Z is now earlier",
                "clock of the coordinator's host",
            ),
            ("Throttling", "slow down", "Throttling: slow down"),
        ] {
            let sentence = refusal(code, message, id);
            assert!(sentence.contains(part), "{code}: {sentence}");
        }
    }

    #[tokio::test]
    async fn an_endpoint_where_nobody_listens_is_named() {
        service::tls::install_provider();
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|bound| bound.local_addr())
            .expect("a free port")
            .port();
        let url = format!("http://127.0.0.1:{port}");
        let keys = Keys {
            access_key_id: "AKIAEXAMPLE00000".into(),
            secret_access_key: Zeroizing::new("canary-secret".into()),
            region: String::new(),
        };
        let refusal = Sts::new(Some(url.clone())).identity(&keys).await.expect_err("nobody listens");
        assert!(refusal.contains(&url) && !refusal.contains("canary"), "{refusal}");
    }
}
