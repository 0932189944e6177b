//! Repeats what broke off on the way, after the SDK has given up: long transfers meet more than short calls do.

use std::{error::Error, time::Duration};

use aws_sdk_s3::{
    config::{Builder, timeout::TimeoutConfig},
    error::{ProvideErrorMetadata, SdkError},
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use backon::{ExponentialBuilder, Retryable};

/// 2 repetitions after 2 and 4 seconds and up to as much again by chance; before each the SDK tried 5 times.
const REPETITIONS: usize = 2;
const FIRST_WAIT: Duration = Duration::from_secs(2);
/// 30 seconds for an answer, besides what its bytes need on the way.
const ANSWER: Duration = Duration::from_secs(30);
/// 64 KiB a second: with less each way is taken for broken.
const SLOWEST_BYTES: u64 = 64 << 10;

/// How long one try of a request may take that carries so many bytes.
pub(crate) fn time_for(bytes: u64) -> Builder {
    let attempt = ANSWER + Duration::from_secs(bytes / SLOWEST_BYTES);
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(attempt).build();
    aws_sdk_s3::Config::builder().timeout_config(timeouts)
}

/// Asks until there is an answer, or no hope.
pub(crate) async fn persistently<T, E, Asking>(ask: impl Fn() -> Asking) -> Result<T, SdkError<E, HttpResponse>>
where
    E: ProvideErrorMetadata + Error,
    Asking: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
{
    let waits = ExponentialBuilder::default()
        .with_min_delay(FIRST_WAIT)
        .with_factor(2.0)
        .with_max_times(REPETITIONS)
        .with_jitter();
    ask.retry(waits).sleep(tokio::time::sleep).when(is_passing).await
}

/// Whether it may have been the way, and not the request.
fn is_passing<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    const DAMAGED: [&str; 5] =
        ["BadDigest", "IncompleteBody", "RequestTimeout", "OperationAborted", "XAmzContentChecksumMismatch"];
    aws::may_pass(error)
        || error.as_service_error().and_then(|error| error.code()).is_some_and(|code| DAMAGED.contains(&code))
}
