//! Waiting for what no event announces: the state of another process, seen from outside.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

/// 20 ms between two looks: short beside the start of a process, long beside the cost of a look.
const PAUSE: Duration = Duration::from_millis(20);

/// Looks until there is something to see, at most for `limit`.
///
/// # Errors
/// When `limit` passes; the sentence says what was waited for. An error of `look` ends the wait at once.
pub fn until<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(seen) = look()? {
            return Ok(seen);
        }
        if Instant::now() >= deadline {
            bail!("waited {limit:?} for {what}, in vain");
        }
        thread::sleep(PAUSE);
    }
}
