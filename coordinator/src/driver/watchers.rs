//! Tells whoever follows a deployment that it has a new event.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use shared::id::DeploymentId;
use tokio::sync::watch;

#[derive(Clone, Default)]
pub(super) struct Watchers(Arc<Mutex<HashMap<DeploymentId, watch::Sender<i64>>>>);

impl Watchers {
    pub(super) fn subscribe(&self, deployment: DeploymentId) -> watch::Receiver<i64> {
        self.lock().entry(deployment).or_insert_with(|| watch::Sender::new(0)).subscribe()
    }

    pub(super) fn tell(&self, deployment: DeploymentId, seq: i64) {
        let mut watchers = self.lock();
        if let Some(sender) = watchers.get(&deployment)
            && sender.send(seq).is_err()
        {
            // Nobody follows it any more.
            watchers.remove(&deployment);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<DeploymentId, watch::Sender<i64>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
