//! How often somebody may try. The clock is an argument.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// 10,000 keys: with more than that at once, all begin anew; whoever has so many addresses is not held up by this anyway.
const KEYS: usize = 10_000;

/// Counts tries of each key in windows of a fixed length.
#[derive(Debug)]
pub struct RateLimit<K> {
    most: u32,
    window: Duration,
    windows: Mutex<HashMap<K, (Instant, u32)>>,
}

impl<K: Eq + Hash> RateLimit<K> {
    /// At most `most` tries a key in each window.
    #[must_use]
    pub fn new(most: u32, window: Duration) -> Self {
        Self { most, window, windows: Mutex::new(HashMap::new()) }
    }

    /// Counts a try, and says whether it may go on.
    pub fn allows(&self, key: K, now: Instant) -> bool {
        self.count(key, now) <= self.most
    }

    /// Whether the key has none left in this window; counts nothing.
    pub fn is_spent(&self, key: &K, now: Instant) -> bool {
        let windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        windows.get(key).is_some_and(|(begun, count)| now.duration_since(*begun) < self.window && *count >= self.most)
    }

    /// Counts one; how many there are in this window.
    pub fn count(&self, key: K, now: Instant) -> u32 {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        if windows.len() >= KEYS {
            windows.retain(|_, (begun, _)| now.duration_since(*begun) < self.window);
            if windows.len() >= KEYS {
                windows.clear();
            }
        }
        let (begun, count) = windows.entry(key).or_insert((now, 0));
        if now.duration_since(*begun) >= self.window {
            (*begun, *count) = (now, 0);
        }
        *count = count.saturating_add(1);
        *count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_eleventh_try_in_a_minute_is_one_too_many_and_the_next_minute_is_new() {
        let limit = RateLimit::new(10, Duration::from_secs(60));
        let start = Instant::now();
        assert!((0..10).all(|_| limit.allows("here", start)));
        assert!(!limit.allows("here", start + Duration::from_secs(59)));
        assert!(limit.allows("elsewhere", start));
        assert!(limit.is_spent(&"here", start + Duration::from_secs(59)) && !limit.is_spent(&"elsewhere", start));
        assert!(limit.allows("here", start + Duration::from_secs(60)));
    }
}
