//! Repeats what AWS throttles, with growing waits, and says how often that was needed.

use std::time::{Duration, Instant};

use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use backon::{ExponentialBuilder, Retryable};

/// 0.4 seconds, doubled each time, and up to as much again by chance: 25 seconds for all waits at most.
pub(crate) const FIRST_WAIT: Duration = Duration::from_millis(400);
/// 5 repetitions: 6 tries in all.
const REPETITIONS: usize = 5;
/// 1: one more try after a connection that broke.
const BROKEN_REPETITIONS: u32 = 1;

/// What AWS answered, and what it took.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer<T> {
    /// The answer.
    pub value: T,
    /// From the last try's start to its answer.
    pub latency: Duration,
    /// How often AWS asked for fewer calls before it.
    pub throttled: u32,
}

/// What a call came to that had no answer in the end.
#[derive(Debug)]
pub(crate) struct Failed<E> {
    pub(crate) error: SdkError<E, HttpResponse>,
    /// How often AWS throttled; the last time included.
    pub(crate) throttled: u32,
    /// All tries and waits together.
    pub(crate) took: Duration,
}

pub(crate) async fn patiently<T, E, Asking>(
    first_wait: Duration,
    ask: impl Fn() -> Asking,
) -> Result<Answer<T>, Failed<E>>
where
    E: ProvideErrorMetadata,
    Asking: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
{
    let begun = Instant::now();
    let (mut throttled, mut broken) = (0, 0);
    let timed = || {
        let asking = ask();
        async move {
            let asked = Instant::now();
            asking.await.map(|value| (value, asked.elapsed()))
        }
    };
    let waits = ExponentialBuilder::default()
        .with_min_delay(first_wait)
        .with_max_times(REPETITIONS)
        .with_factor(2.0)
        .with_jitter();
    let asked = timed.retry(waits).sleep(tokio::time::sleep).when(|error| {
        if is_throttling(error) {
            throttled += 1;
            return true;
        }
        broken += 1;
        is_broken_connection(error) && broken <= BROKEN_REPETITIONS
    });
    match asked.await {
        Ok((value, latency)) => Ok(Answer { value, latency, throttled }),
        Err(error) => Err(Failed { error, throttled, took: begun.elapsed() }),
    }
}

/// Whether AWS asks for fewer calls.
pub(crate) fn is_throttling<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    const CODES: [&str; 9] = [
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestLimitExceeded",
        "TooManyRequestsException",
        "PriorRequestNotComplete",
        "SlowDown",
    ];
    let SdkError::ServiceError(answer) = error else { return false };
    answer.err().code().is_some_and(|code| CODES.contains(&code)) || answer.raw().status().as_u16() == 429
}

fn is_broken_connection<E>(error: &SdkError<E, HttpResponse>) -> bool {
    matches!(error, SdkError::DispatchFailure(failure) if failure.is_io() || failure.is_timeout())
}
