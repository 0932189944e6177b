//! Completes logs: an attempt's log is whole when every frame its worker counted is stored and the digest over them agrees.
//! Only then may the worker let go of its files.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use proto::worker::{Forget, coordinator_message::Message};
use service::task;
use shared::{
    id::{ExecutionId, WorkerId},
    reason::Fault,
};

use crate::{
    driver::routes::Routes,
    log_store::LogStore,
    store::{Store, facts},
};

/// How long an attempt's log will be, as its worker said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Expected {
    /// Frames in all.
    pub frames: u64,
    /// Chain digest over them; none when the process was killed together with its shim.
    pub digest: Option<[u8; 32]>,
}

/// Waits for the rest of the logs of ended attempts. Clones share it.
#[derive(Clone)]
pub struct Drain {
    store: Store,
    logs: LogStore,
    routes: Routes,
    expected: Arc<Mutex<HashMap<ExecutionId, Expected>>>,
}

impl Drain {
    /// One over a store and its logs.
    #[must_use]
    pub fn new(store: Store, logs: LogStore, routes: Routes) -> Self {
        Self { store, logs, routes, expected: Arc::default() }
    }

    /// The attempt has ended, and its log will be so long.
    pub fn expect(&self, execution: ExecutionId, expected: Expected) {
        self.lock().insert(execution, expected);
    }

    /// Completes the attempt's log if all of it is there.
    pub fn look(&self, worker: WorkerId, execution: ExecutionId) {
        let mut all = self.lock();
        let Some(expected) = all.get(&execution).copied() else { return };
        if self.logs.next_seq(execution) < expected.frames {
            return;
        }
        all.remove(&execution);
        let this = self.clone();
        task::spawn("drain", async move { this.complete(worker, execution, expected).await });
    }

    async fn complete(&self, worker: WorkerId, execution: ExecutionId, expected: Expected) {
        match self.seal(execution, expected).await {
            Ok(()) => self.routes.send_now(worker, Message::Forget(Forget { execution_id: execution.to_string() })),
            Err(error) => {
                // The worker keeps its files; its next session brings us here again.
                tracing::error!(execution = %execution, error = %error, "a log could not be completed");
            }
        }
    }

    async fn seal(&self, execution: ExecutionId, expected: Expected) -> Result<(), Fault> {
        let Some(digest) = expected.digest else { return Ok(()) };
        self.logs.seal(execution, expected.frames, digest).await?;
        self.store.write(move |tx| facts::set_log_complete(tx, execution)).await
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<ExecutionId, Expected>> {
        self.expected.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
