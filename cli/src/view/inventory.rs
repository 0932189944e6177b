//! Environments, pools, workers and invitations.

use std::collections::BTreeMap;

use jiff::Timestamp;
use proto::deployment as d;
use serde::Serialize;

use super::{View, short, time, word};
use crate::screen;

/// Where deployments go to.
#[derive(Serialize)]
pub(crate) struct EnvironmentView {
    name: String,
    description: String,
    create_time: Option<Timestamp>,
}

impl From<d::Environment> for EnvironmentView {
    fn from(it: d::Environment) -> Self {
        Self { name: it.name, description: it.description, create_time: time(it.create_time) }
    }
}

impl View for EnvironmentView {
    const MANY: &'static str = "environments";
    const COLUMNS: &'static [&'static str] = &["name", "created", "description"];

    fn cells(&self) -> Vec<String> {
        vec![self.name.clone(), short(self.create_time), self.description.clone()]
    }
}

/// A group of workers.
#[derive(Serialize)]
pub(crate) struct PoolView {
    name: String,
    description: String,
    create_time: Option<Timestamp>,
    workers: i32,
    connected: i32,
}

impl From<d::Pool> for PoolView {
    fn from(it: d::Pool) -> Self {
        Self {
            name: it.name,
            description: it.description,
            create_time: time(it.create_time),
            workers: it.workers,
            connected: it.connected,
        }
    }
}

impl View for PoolView {
    const MANY: &'static str = "pools";
    const COLUMNS: &'static [&'static str] = &["name", "workers", "connected", "description"];

    fn cells(&self) -> Vec<String> {
        vec![self.name.clone(), self.workers.to_string(), self.connected.to_string(), self.description.clone()]
    }
}

/// A host that runs steps.
#[derive(Serialize)]
pub(crate) struct WorkerView {
    id: String,
    name: String,
    pool: String,
    labels: BTreeMap<String, String>,
    state: String,
    connected: bool,
    last_seen_time: Option<Timestamp>,
    version: String,
    slots: i32,
    running: i32,
    identity: Option<Identity>,
    certificate_expire_time: Option<Timestamp>,
    create_time: Option<Timestamp>,
    disk_free_bytes: i64,
    clock_offset_ms: i64,
}

/// A worker's own AWS identity.
#[derive(Serialize)]
struct Identity {
    account: String,
    arn: String,
    region: String,
    source: String,
}

impl From<d::Worker> for WorkerView {
    fn from(it: d::Worker) -> Self {
        Self {
            state: word(it.state().as_str_name(), "STATE_"),
            id: it.id,
            name: it.name,
            pool: it.pool,
            labels: it.labels.into_iter().collect(),
            connected: it.connected,
            last_seen_time: time(it.last_seen_time),
            version: it.version,
            slots: it.slots,
            running: it.running,
            identity: it.identity.map(|it| Identity {
                account: it.account,
                arn: it.arn,
                region: it.region,
                source: it.source,
            }),
            certificate_expire_time: time(it.certificate_expire_time),
            create_time: time(it.create_time),
            disk_free_bytes: it.disk_free_bytes,
            clock_offset_ms: it.clock_offset_ms,
        }
    }
}

impl WorkerView {
    fn identity(&self) -> String {
        self.identity.as_ref().map_or_else(|| "none".to_owned(), |it| it.arn.clone())
    }

    fn labels(&self) -> String {
        self.labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
    }
}

impl View for WorkerView {
    const MANY: &'static str = "workers";
    const COLUMNS: &'static [&'static str] =
        &["name", "pool", "state", "connected", "running", "own identity", "labels", "last seen"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.name.clone(),
            self.pool.clone(),
            self.state.clone(),
            if self.connected { "yes" } else { "no" }.to_owned(),
            format!("{}/{}", self.running, self.slots),
            self.identity(),
            self.labels(),
            short(self.last_seen_time),
        ]
    }

    fn page(&self) -> String {
        /// Bytes in a MiB.
        const MIB: i64 = 1 << 20;
        screen::facts(&[
            ("name", self.name.clone()),
            ("id", self.id.clone()),
            ("pool", self.pool.clone()),
            ("labels", self.labels()),
            ("state", self.state.clone()),
            ("connected", if self.connected { "yes" } else { "no" }.to_owned()),
            ("last seen", short(self.last_seen_time)),
            ("running", format!("{} of {}", self.running, self.slots)),
            ("own identity", self.identity()),
            ("region", self.identity.as_ref().map(|it| it.region.clone()).unwrap_or_default()),
            ("version", self.version.clone()),
            ("certificate until", short(self.certificate_expire_time)),
            ("disk free", format!("{} MiB", self.disk_free_bytes / MIB)),
            ("clock ahead", format!("{} ms", self.clock_offset_ms)),
            ("registered", short(self.create_time)),
        ])
    }
}

/// A join string: a secret, shown once because somebody asked for it.
#[derive(Serialize)]
pub(crate) struct InvitationView {
    /// The string itself.
    pub(crate) join_string: String,
    /// Name the worker will have.
    pub(crate) worker_name: String,
    /// When the string ends.
    pub(crate) expire_time: Option<Timestamp>,
}

impl From<d::InviteWorkerResponse> for InvitationView {
    fn from(it: d::InviteWorkerResponse) -> Self {
        Self { join_string: it.join_string, worker_name: it.worker_name, expire_time: time(it.expire_time) }
    }
}
