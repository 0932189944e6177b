//! How long to go on trying to reach a coordinator that was reached before.

use std::time::Duration;

use service::backoff::Backoff;
use tokio::time::Instant;

/// 0.5 s before the second try.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// 10 s: the longest a person should wait after the coordinator is back.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// 15 minutes out of reach: longer than a restart or an upgrade of a coordinator takes.
const GIVE_UP_AFTER: Duration = Duration::from_secs(15 * 60);

/// Begins full, and is renewed by every success.
pub(crate) struct Patience {
    backoff: Backoff,
    since: Instant,
}

impl Patience {
    pub(crate) fn new() -> Self {
        Self { backoff: Backoff::new(FIRST_WAIT, LONGEST_WAIT), since: Instant::now() }
    }

    /// It worked.
    pub(crate) fn renew(&mut self) {
        self.backoff.reset();
        self.since = Instant::now();
    }

    pub(crate) fn is_over(&self) -> bool {
        self.since.elapsed() > GIVE_UP_AFTER
    }

    /// How long to wait before another try.
    pub(crate) fn next(&mut self) -> Duration {
        // The low half of a version 4 UUID is random but for its first two bits.
        let random = uuid::Uuid::new_v4().as_u128() as u32;
        self.backoff.next(f64::from(random) / f64::from(u32::MAX))
    }
}
