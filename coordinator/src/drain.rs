//! Completes logs: an attempt's log is whole when every frame its worker counted is stored and the digest over them agrees.
//! Only then may the worker let go of its files.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use proto::worker::{Forget, coordinator_message::Message};
use service::task;
use shared::{
    id::{ExecutionId, WorkerId},
    reason::{Fault, Reason},
};

use crate::{
    driver::routes::Routes,
    log_store::{LogStore, Sealed},
    store::{Store, facts},
};

/// 5 seconds until a full disk is tried again.
const AGAIN: Duration = Duration::from_secs(5);

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
        match self.logs.next_seq(execution) {
            Ok(next) if next >= expected.frames => {}
            Ok(_) => return,
            Err(error) => return tracing::error!(execution = %execution, error = %error, "a log cannot be read"),
        }
        all.remove(&execution);
        let this = self.clone();
        task::spawn("drain", async move { this.complete(worker, execution, expected).await });
    }

    async fn complete(&self, worker: WorkerId, execution: ExecutionId, expected: Expected) {
        match self.seal(execution, expected).await {
            Ok(Sealed::Complete) => {
                self.routes.send_now(worker, Message::Forget(Forget { execution_id: execution.to_string() }));
            }
            Ok(Sealed::Missing { .. }) => self.expect(execution, expected),
            Err(error) if error.reason == Reason::StoreUnavailable => {
                tracing::warn!(execution = %execution, error = %error, "a log cannot be completed yet");
                tokio::time::sleep(AGAIN).await;
                self.expect(execution, expected);
                self.look(worker, execution);
            }
            Err(error) => {
                // The worker keeps its files; its next session brings us here again.
                tracing::error!(execution = %execution, error = %error, "a log could not be completed");
            }
        }
    }

    /// A log whose digest nobody could compute is kept as far as it was saved, and never counts as complete.
    async fn seal(&self, execution: ExecutionId, expected: Expected) -> Result<Sealed, Fault> {
        // What arrived may be more than the worker's disk kept: frames are sent before they are synced there.
        let frames = match expected.digest {
            Some(_) => expected.frames,
            None => self.logs.next_seq(execution)?.max(expected.frames),
        };
        let sealed = self.logs.seal(execution, frames, expected.digest).await?;
        if sealed == Sealed::Complete && expected.digest.is_some() {
            self.store.write(move |tx| facts::set_log_complete(tx, execution)).await?;
        }
        Ok(sealed)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<ExecutionId, Expected>> {
        self.expected.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
