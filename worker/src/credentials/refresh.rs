//! Keeps the credentials of a running step fresh, in the file that its shim reads at each request.

use std::time::{Duration, SystemTime};

use proto::worker::Credentials;
use service::backoff::Backoff;
use tracing::{debug, warn};

use super::{metadata::ENOUGH, time_left};
use crate::{
    exec_dir::{Refusal, RuntimeDir},
    random,
};

/// Asking is repeated after 5 seconds, then ever more seldom up to 5 minutes.
const FIRST_WAIT: Duration = Duration::from_secs(5);
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// Where fresh credentials come from.
pub trait Source: Send + Sync + 'static {
    /// Asks for credentials now.
    fn fetch(&self) -> impl Future<Output = Result<Credentials, Refusal>> + Send;
}

/// Replaces the credentials whenever less than 25 minutes are left, until the task is aborted. What there is stays while
/// no newer can be had.
pub async fn keep_fresh(source: impl Source, runtime: RuntimeDir, current: Credentials) {
    refresh(&source, &runtime, current, Backoff::new(FIRST_WAIT, LONGEST_WAIT)).await;
}

async fn refresh(source: &impl Source, runtime: &RuntimeDir, mut current: Credentials, mut backoff: Backoff) {
    // Long-lived keys never end.
    while let Some(left) = time_left(&current, SystemTime::now()) {
        if left > ENOUGH {
            backoff.reset();
            tokio::time::sleep(left - ENOUGH).await;
        }
        match source.fetch().await {
            Ok(fresh) if fresh.expires_at > current.expires_at => {
                if let Err(error) = runtime.write_credentials(&fresh) {
                    // The shim has removed the folder: the step has ended.
                    debug!(%error, "fresh credentials have no reader any more");
                    return;
                }
                current = fresh;
            }
            // The service may have none newer yet.
            Ok(_) => {}
            Err(refusal) => warn!(error = refusal.detail, "credentials of a running step cannot be refreshed now"),
        }
        tokio::time::sleep(backoff.next(random::fraction())).await;
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        time::UNIX_EPOCH,
    };

    use super::*;

    fn ending_in(seconds: u64) -> Credentials {
        let ends = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs() + seconds;
        Credentials { access_key_id: format!("ASIA{seconds}"), expires_at: ends as i64, ..Credentials::default() }
    }

    /// Fails, then has newer ones, then fresh ones that last.
    struct InTheEnd(AtomicUsize);

    impl Source for InTheEnd {
        async fn fetch(&self) -> Result<Credentials, Refusal> {
            match self.0.fetch_add(1, Ordering::Relaxed) {
                0 => Err(Refusal::default()),
                1 => Ok(ending_in(700)),
                _ => Ok(Credentials { expires_at: 0, ..ending_in(3600) }),
            }
        }
    }

    #[tokio::test]
    async fn what_there_is_stays_until_newer_credentials_come() {
        let folder = tempfile::tempdir().expect("a folder");
        let runtime = RuntimeDir::new(folder.path());
        let first = ending_in(600);
        runtime.write_credentials(&first).expect("written");
        let source = InTheEnd(AtomicUsize::new(0));
        let at_once = Backoff::new(Duration::from_millis(1), Duration::from_millis(1));
        let refreshing = refresh(&source, &runtime, first, at_once);
        // It never ends by itself: it is looked at while it runs.
        tokio::select! {
            () = refreshing => panic!("it ended"),
            () = async {
                while source.0.load(Ordering::Relaxed) < 3 {
                    tokio::task::yield_now().await;
                }
            } => {}
        }
        let found = runtime.read_credentials().expect("readable").expect("some");
        assert_eq!(found.access_key_id, "ASIA700", "neither a failure nor older credentials replace what there is");
    }

    #[tokio::test]
    async fn long_lived_keys_are_never_refreshed() {
        let folder = tempfile::tempdir().expect("a folder");
        let source = InTheEnd(AtomicUsize::new(0));
        let backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        refresh(&source, &RuntimeDir::new(folder.path()), Credentials::default(), backoff).await;
        assert_eq!(source.0.load(Ordering::Relaxed), 0);
    }
}
