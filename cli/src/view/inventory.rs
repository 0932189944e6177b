//! Environments, pools and invitations.

use std::collections::BTreeMap;

use jiff::Timestamp;
use proto::deployment as d;
use serde::Serialize;

use super::{View, labels, short, time};

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
    requires: BTreeMap<String, String>,
}

impl From<d::Pool> for PoolView {
    fn from(it: d::Pool) -> Self {
        Self {
            name: it.name,
            description: it.description,
            create_time: time(it.create_time),
            workers: it.workers,
            connected: it.connected,
            requires: it.requires.into_iter().collect(),
        }
    }
}

impl View for PoolView {
    const MANY: &'static str = "pools";
    const COLUMNS: &'static [&'static str] = &["name", "workers", "connected", "requires", "description"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.name.clone(),
            self.workers.to_string(),
            self.connected.to_string(),
            labels(&self.requires),
            self.description.clone(),
        ]
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
