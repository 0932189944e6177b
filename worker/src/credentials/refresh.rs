//! Keeps the credentials of a running step fresh, in the file that its shim reads at each request.

use std::{
    io::ErrorKind,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use proto::worker::Credentials;
use service::backoff::Backoff;
use tracing::{debug, warn};

use super::time_left;
use crate::{
    exec_dir::{Refusal, RuntimeDir},
    random,
};

/// 25 minutes: what a step's credentials should have left, since SDKs ask anew below 15. Sessions that are short to begin with
/// are refreshed at half of their time.
const ENOUGH: Duration = Duration::from_secs(25 * 60);
/// A tenth of the margin earlier at most, so that a hundred steps that began together do not ask together.
const SPREAD: f64 = 0.1;
/// Asking is repeated after 5 seconds, then ever more seldom up to 5 minutes.
const FIRST_WAIT: Duration = Duration::from_secs(5);
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// 1 second: however little is left, nobody is asked more often.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);
/// 20 seconds between tries once credentials have ended: the step's calls fail until somebody answers again.
const WAIT_WITHOUT: Duration = Duration::from_secs(20);
/// 20 seconds for one question: the next one comes soon.
const ONE_QUESTION: Duration = Duration::from_secs(20);

/// Where fresh credentials come from.
pub trait Source: Send + Sync + 'static {
    /// Asks for credentials now. Whoever else must be asked first is waited for no longer than `patience`.
    fn fetch(&self, patience: Duration) -> impl Future<Output = Result<Credentials, Refusal>> + Send;
}

/// A step's credentials, and since when it has them.
#[derive(Clone, Debug)]
pub struct Held {
    /// What the shim hands out.
    pub credentials: Credentials,
    /// When they were written for it.
    pub since: SystemTime,
}

/// Replaces the credentials when less than 25 minutes, or less than half of their time, is left, until the task is aborted.
/// What there is stays while no newer can be had; why not is left beside it, for the shim to say.
pub async fn keep_fresh(source: impl Source, runtime: RuntimeDir, held: Held) {
    let mut keeper = Keeper { source, runtime, held, backoff: Backoff::new(FIRST_WAIT, LONGEST_WAIT) };
    // Long-lived keys never end.
    while let Some(wait) = until_due(&keeper.held.credentials, keeper.held.since, SystemTime::now(), random::fraction())
    {
        tokio::time::sleep(wait).await;
        if !keeper.refresh().await {
            return;
        }
    }
}

/// Whether credentials that were had since `since` should be replaced; `random`, from 0 up to 1, spreads it.
pub(super) fn is_due(credentials: &Credentials, since: SystemTime, now: SystemTime, random: f64) -> bool {
    until_due(credentials, since, now, random).is_some_and(|wait| wait.is_zero())
}

/// How long until they should be replaced; none for long-lived keys.
fn until_due(credentials: &Credentials, since: SystemTime, now: SystemTime, random: f64) -> Option<Duration> {
    let ends = end(credentials)?;
    let lifetime = ends.duration_since(since).unwrap_or_default();
    let margin = (lifetime / 2).min(ENOUGH);
    let left = ends.duration_since(now).unwrap_or_default();
    Some(left.saturating_sub(margin + margin.mul_f64(SPREAD * random.clamp(0.0, 1.0))))
}

/// How much of `wait` there is time for, be it for an answer or until another try: never more than a third of what is left.
fn in_time(wait: Duration, left: Duration) -> Duration {
    wait.min(if left.is_zero() { WAIT_WITHOUT } else { (left / 3).max(SHORTEST_WAIT) })
}

fn end(credentials: &Credentials) -> Option<SystemTime> {
    let ends = u64::try_from(credentials.expires_at).ok().filter(|ends| *ends > 0)?;
    Some(UNIX_EPOCH + Duration::from_secs(ends))
}

struct Keeper<S> {
    source: S,
    runtime: RuntimeDir,
    held: Held,
    backoff: Backoff,
}

impl<S: Source> Keeper<S> {
    /// Asks until newer credentials are there; answers whether anybody still wants them.
    async fn refresh(&mut self) -> bool {
        self.backoff.reset();
        loop {
            let patience = in_time(ONE_QUESTION, self.left());
            let problem = match self.source.fetch(patience).await {
                Ok(fresh) if fresh.expires_at > self.held.credentials.expires_at => {
                    match self.runtime.write_credentials(&fresh) {
                        Ok(()) => {
                            self.held = Held { credentials: fresh, since: SystemTime::now() };
                            return self.tell(None);
                        }
                        Err(error) => Some(format!("the worker cannot write them into its runtime folder: {error}.")),
                    }
                }
                // Programs that were told of sessions cannot use a key.
                Ok(fresh) if fresh.expires_at == 0 => Some(
                    "the step began with a session, and its account hands out its key itself now, which a running step is not given."
                        .into(),
                ),
                // The source may have none newer yet.
                Ok(_) => None,
                Err(refusal) => Some(refusal.detail),
            };
            if let Some(problem) = &problem {
                warn!(error = problem, "credentials of a running step cannot be refreshed now");
            }
            if !self.tell(problem.as_deref()) {
                return false;
            }
            tokio::time::sleep(in_time(self.backoff.next(random::fraction()), self.left())).await;
        }
    }

    fn left(&self) -> Duration {
        time_left(&self.held.credentials, SystemTime::now()).unwrap_or_default()
    }

    /// Leaves the problem for the shim; answers whether there still is one. Without the folder the step has ended.
    fn tell(&self, problem: Option<&str>) -> bool {
        match self.runtime.write_credentials_problem(problem) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                debug!("fresh credentials have no reader any more");
                false
            }
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests;
