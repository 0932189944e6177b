//! What these services need from whoever runs the workers' sessions.

use proto::{deployment::CallerIdentity, worker::Equipment};
use shared::{id::WorkerId, reason::Fault};

use crate::authorization::Caller;

/// Is told what admins change, and knows how workers stand now.
#[tonic::async_trait]
pub trait Fleet: Send + Sync + 'static {
    /// A worker is new, or what an admin wants of it is different; the change is committed.
    async fn worker_changed(&self, worker: WorkerId);
    /// A worker is no more; the change is committed.
    async fn worker_deleted(&self, worker: WorkerId);
    /// How these stand, in the same order. One that has never been heard has the default.
    async fn pulses(&self, workers: &[WorkerId]) -> Vec<Pulse>;
}

/// How a worker stands now.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Pulse {
    /// Whether it has a session.
    pub connected: bool,
    /// Steps it is running.
    pub running: u32,
    /// Bytes free in its data folder, as it said last.
    pub disk_free_bytes: u64,
    /// Milliseconds since 1970: when it was heard last since this coordinator began.
    pub last_heard_at: Option<i64>,
    /// What it has for steps, as it said last since this coordinator began.
    pub equipment: Option<Equipment>,
}

/// Asks AWS from a worker who an account is.
#[tonic::async_trait]
pub trait AskWorker: Send + Sync + 'static {
    /// Runs the question as a step, on each worker of the place; the account exists. In order of the workers' names; one answer
    /// without a worker when there is none to ask.
    ///
    /// # Errors
    /// When no worker could be asked at all: unknown pool or worker, store, stopping.
    async fn ask(&self, caller: &Caller, account: &str, whom: Whom) -> Result<Vec<Asked>, Fault>;
}

/// Which worker is asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Whom {
    /// Every one of this pool that is connected.
    Pool(String),
    /// This one, by name or id.
    Worker(String),
}

/// Why nobody knows who an account is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refused {
    /// Stable code.
    pub reason: String,
    /// For people.
    pub sentence: String,
}

/// What came of it.
#[derive(Clone, PartialEq, Debug)]
pub struct Asked {
    /// Who AWS says it is, or why that could not be learnt.
    pub answer: Result<CallerIdentity, Refused>,
    /// Name of the worker; empty when none could be found.
    pub worker: String,
    /// Milliseconds until AWS had answered.
    pub latency_ms: i64,
}
