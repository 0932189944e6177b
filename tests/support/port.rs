//! Ports that nobody uses.

use std::{
    net::{Ipv4Addr, TcpListener},
    process,
    sync::atomic::{AtomicU16, Ordering},
};

/// Below the range from which Linux takes ports for outgoing connections (32768 and up), so that a port stays free between
/// being chosen here and being bound by the program it is for.
const FIRST: u16 = 10_000;
const COUNT: u16 = 20_000;

/// A TCP port on which nobody listens, and which this process has not handed out before. Two test processes begin at
/// different places.
///
/// # Panics
/// When every port of the range is taken.
#[must_use]
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = (process::id().wrapping_mul(37) % u32::from(COUNT)) as u16;
    for _ in 0..COUNT {
        let offset = NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
        let port = FIRST + (start + offset) % COUNT;
        if TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok() {
            return port;
        }
    }
    panic!("no TCP port between {FIRST} and {} is free", FIRST + COUNT)
}
