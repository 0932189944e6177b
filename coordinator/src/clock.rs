//! The wall clock, as the store and the wire have it. Decisions that depend on time get it as an argument.

use prost_types::Timestamp;

/// Milliseconds since 1970.
#[must_use]
pub fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// Milliseconds since 1970 as they travel.
#[must_use]
pub fn timestamp(at: i64) -> Timestamp {
    Timestamp { seconds: at.div_euclid(1000), nanos: (at.rem_euclid(1000) * 1_000_000) as i32 }
}
