//! The open sessions: where a message for a worker goes out. A message for an older session goes nowhere.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use proto::worker::{CoordinatorMessage, Welcome, coordinator_message::Message};
use shared::id::{ExecutionId, SessionEpoch, WorkerId};
use tokio::sync::mpsc;

/// 1,024 messages: several for each attempt a worker may hold. A session that does not read them is closed.
pub const SESSION_MESSAGES: usize = 1024;

/// One session's way out.
pub struct Route {
    /// What the worker reads.
    pub out: mpsc::Sender<CoordinatorMessage>,
    /// The Welcome as far as the store knows it, with a directive for each held attempt that is settled.
    pub welcome: Welcome,
    /// First frame that is missing, per held attempt.
    pub next_seq: BTreeMap<ExecutionId, i64>,
}

/// All open sessions.
#[derive(Clone, Default)]
pub struct Routes(Arc<Mutex<HashMap<WorkerId, (SessionEpoch, Route)>>>);

impl Routes {
    /// A session begins; the worker's older one ends.
    pub fn open(&self, worker: WorkerId, epoch: SessionEpoch, route: Route) {
        self.lock().insert(worker, (epoch, route));
    }

    /// A session ends: its stream closes as its sender goes.
    pub fn close(&self, worker: WorkerId, epoch: SessionEpoch) {
        let mut routes = self.lock();
        if routes.get(&worker).is_some_and(|(open, _)| *open == epoch) {
            routes.remove(&worker);
        }
    }

    /// All sessions end.
    pub fn close_all(&self) {
        self.lock().clear();
    }

    /// Sends a message in a session, if it is still open.
    pub fn send(&self, worker: WorkerId, epoch: SessionEpoch, message: Message) {
        let mut routes = self.lock();
        let Some((_, route)) = routes.get(&worker).filter(|(open, _)| *open == epoch) else { return };
        let message = CoordinatorMessage { session_epoch: epoch.0, message: Some(message) };
        if route.out.try_send(message).is_err() {
            tracing::warn!(worker = %worker, "a worker does not read its session; closing it");
            routes.remove(&worker);
        }
    }

    /// Sends a message in whatever session the worker has open.
    pub fn send_now(&self, worker: WorkerId, message: Message) {
        let epoch = self.lock().get(&worker).map(|(epoch, _)| *epoch);
        if let Some(epoch) = epoch {
            self.send(worker, epoch, message);
        }
    }

    /// The Welcome that a session begins with, and where each held attempt's stream goes on.
    pub(super) fn take_welcome(&self, worker: WorkerId, epoch: SessionEpoch) -> (Welcome, BTreeMap<ExecutionId, i64>) {
        let mut routes = self.lock();
        match routes.get_mut(&worker).filter(|(open, _)| *open == epoch) {
            Some((_, route)) => (std::mem::take(&mut route.welcome), std::mem::take(&mut route.next_seq)),
            None => Default::default(),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<WorkerId, (SessionEpoch, Route)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
