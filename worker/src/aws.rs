//! The one way to AWS: one HTTP client on the one TLS provider, and explicit credentials. Nothing is ever looked up in the
//! environment, in profiles or in metadata behind our back.

use std::{env, error::Error, fs, time::Duration};

use aws_config::{BehaviorVersion, Region, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::{http::SharedHttpClient, result::SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

/// 5 seconds to connect: AWS is near, or not there.
const CONNECT: Duration = Duration::from_secs(5);
/// 30 seconds for one try of one call.
const ATTEMPT: Duration = Duration::from_secs(30);
/// 5 tries, with the SDK's own back-off between them.
const TRIES: u32 = 5;

/// Settings for every AWS client. `endpoint_url` is for an AWS that is not where AWS says it is; `None` is the real one.
#[must_use]
pub fn sdk_config(credentials: SharedCredentialsProvider, region: &str, endpoint_url: Option<&str>) -> SdkConfig {
    let timeouts = TimeoutConfig::builder().connect_timeout(CONNECT).operation_attempt_timeout(ATTEMPT).build();
    let mut config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .credentials_provider(credentials)
        .region(Some(region).filter(|region| !region.is_empty()).map(|region| Region::new(region.to_owned())))
        .retry_config(RetryConfig::standard().with_max_attempts(TRIES))
        .timeout_config(timeouts)
        .http_client(http_client());
    config.set_endpoint_url(endpoint_url.map(str::to_owned));
    config.build()
}

/// An HTTP client that trusts the host's certificate authorities, and those in the file that `AWS_CA_BUNDLE` names.
#[must_use]
pub fn http_client() -> SharedHttpClient {
    let mut trust = TrustStore::default();
    if let Some(pem) = env::var_os("AWS_CA_BUNDLE").and_then(|bundle| fs::read(bundle).ok()) {
        trust = trust.with_pem_certificate(pem);
    }
    let builder = Builder::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc));
    match TlsContext::builder().with_trust_store(trust).build() {
        Ok(context) => builder.tls_context(context).build_https(),
        Err(_) => builder.build_https(),
    }
}

/// Why a call failed, in a sentence: what AWS answered, or why it could not be asked.
pub fn explain<E, R>(call: &str, error: &SdkError<E, R>) -> String
where
    E: ProvideErrorMetadata + Error + 'static,
    R: std::fmt::Debug + 'static,
{
    match error {
        SdkError::ServiceError(answer) => {
            let code = answer.err().code().unwrap_or("an error without code");
            let message = answer.err().message().unwrap_or("no message").trim_end_matches('.');
            format!("AWS refused {call} with {code}: {message}.")
        }
        SdkError::TimeoutError(_) => {
            format!("AWS did not answer {call} in time. Check the worker's way to AWS: routes, proxy, VPC endpoints.")
        }
        SdkError::DispatchFailure(failure) => {
            let cause = failure.as_connector_error().map(|error| root_cause(error)).unwrap_or_default();
            format!(
                "AWS could not be reached for {call}: {cause}. Check the worker's way to AWS, and AWS_CA_BUNDLE if a proxy stands in between."
            )
        }
        other => format!("AWS could not be asked for {call}: {}.", root_cause(other)),
    }
}

/// Whether the same call may succeed later without anybody changing anything.
pub fn may_pass<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> bool {
    const PASSING: [&str; 6] = [
        "Throttling",
        "ThrottlingException",
        "RequestLimitExceeded",
        "TooManyRequestsException",
        "ServiceUnavailable",
        "InternalFailure",
    ];
    match error {
        SdkError::ServiceError(answer) => answer.err().code().is_some_and(|code| PASSING.contains(&code)),
        SdkError::ConstructionFailure(_) => false,
        _ => true,
    }
}

fn root_cause(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string().trim_end_matches('.').to_owned()
}
