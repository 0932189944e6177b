//! Wire ⇄ domain, one file per message family; a `TryFrom` into the domain checks everything.

pub mod action;
pub mod project;

use std::time::Duration;

fn duration_to_wire(duration: Duration) -> Option<prost_types::Duration> {
    prost_types::Duration::try_from(duration).ok()
}

fn duration_from_wire(duration: Option<prost_types::Duration>, default: Duration) -> Option<Duration> {
    duration.map_or(Some(default), |duration| Duration::try_from(duration).ok())
}
