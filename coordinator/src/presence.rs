//! What connected workers say of themselves with every heartbeat: kept in memory, and in the store only when it changes.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use proto::worker::Equipment;
use shared::id::WorkerId;

use crate::registry::worker::Identity;

/// A worker as it was heard last.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Heard {
    /// Milliseconds since 1970 by the coordinator's clock.
    pub at: i64,
    /// Bytes free in its data folder.
    pub disk_free: i64,
    /// Its own AWS identity.
    pub identity: Option<Identity>,
    /// What it has for steps.
    pub equipment: Option<Equipment>,
}

/// All workers heard since the coordinator began. Clones share it.
#[derive(Clone, Default)]
pub struct Presence(Arc<Mutex<HashMap<WorkerId, Heard>>>);

impl Presence {
    /// A worker was heard. Returns whether its identity is another one than before.
    pub fn hear(&self, worker: WorkerId, heard: Heard) -> bool {
        let mut all = self.lock();
        let before = all.insert(worker, heard.clone());
        before.is_none_or(|before| before.identity != heard.identity)
    }

    /// What it said last.
    #[must_use]
    pub fn of(&self, worker: WorkerId) -> Option<Heard> {
        self.lock().get(&worker).cloned()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<WorkerId, Heard>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
