//! `status`: reads the data folder; asks nobody.

use std::path::Path;

use jiff::Timestamp;
use serde::Serialize;

use super::print;
use crate::{
    failure::{Exit, Failure},
    home::{HomeLock, executions},
    identity::{Membership, certificate_end},
};

/// What there is to say.
#[derive(Serialize, Debug)]
struct Status {
    joined: bool,
    worker_id: Option<String>,
    worker_name: Option<String>,
    pool: Option<String>,
    coordinator: Vec<String>,
    certificate_ends: Option<String>,
    agent_pid: Option<String>,
    attempts: usize,
}

/// Prints who this worker is and whether its agent runs.
pub(super) fn show(data: &Path, json: bool) -> Result<(), Failure> {
    let status = Status::read(data)?;
    if !json {
        return print(&text(&status));
    }
    let json = serde_json::to_string_pretty(&status)
        .map_err(|error| Failure::new(Exit::Internal, format!("The status cannot be shown: {error}.")))?;
    print(&format!("{json}\n"))
}

impl Status {
    fn read(data: &Path) -> Result<Self, Failure> {
        let folder = data.join("id");
        let membership = Membership::read(&folder)?;
        let ends = certificate_end(&folder).and_then(|ends| Timestamp::try_from(ends).ok());
        Ok(Self {
            joined: membership.is_some(),
            worker_id: membership.as_ref().map(|membership| membership.worker_id.clone()),
            worker_name: membership.as_ref().map(|membership| membership.worker_name.clone()),
            pool: membership.as_ref().map(|membership| membership.pool.clone()),
            coordinator: membership.map(|membership| membership.worker_urls).unwrap_or_default(),
            certificate_ends: ends.map(|ends| ends.to_string()),
            agent_pid: HomeLock::holder(data),
            // A folder that is not there yet has none.
            attempts: executions(data).unwrap_or_default().len(),
        })
    }
}

fn text(status: &Status) -> String {
    let none = || "-".to_owned();
    let lines = [
        ("worker", status.worker_name.clone().unwrap_or_else(|| "has not joined".into())),
        ("id", status.worker_id.clone().unwrap_or_else(none)),
        ("pool", status.pool.clone().unwrap_or_else(none)),
        ("coordinator", if status.coordinator.is_empty() { none() } else { status.coordinator.join(", ") }),
        ("certificate", status.certificate_ends.as_ref().map_or_else(none, |ends| format!("until {ends}"))),
        ("agent", status.agent_pid.as_ref().map_or_else(|| "does not run".into(), |pid| format!("runs, pid {pid}"))),
        ("attempts", status.attempts.to_string()),
    ];
    lines.iter().map(|(name, value)| format!("{name:<12} {value}\n")).collect()
}
