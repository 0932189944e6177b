//! Randomness for waits, not for secrets.

/// Somewhere from 0 up to 1.
#[must_use]
pub fn fraction() -> f64 {
    // The last 32 bits of a version 4 UUID are all random.
    let bits = uuid::Uuid::new_v4().as_u128() as u32;
    f64::from(bits) / f64::from(u32::MAX)
}
