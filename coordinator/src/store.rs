//! What the coordinator must not forget, in one SQLite file. One thread writes, and what waits for it shares one commit: a
//! write is answered only when it is on disk. Knows nothing of gRPC or of what a deployment should do next.

use std::{
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
};

use rusqlite::Connection;
use shared::reason::{Fault, Reason};
use tokio::sync::{mpsc, oneshot};

pub use self::error::{Stored, is_duplicate};
use self::job::{Job, Question};

pub mod deployments;
pub mod facts;
pub mod hold;
pub mod view;

mod column;
mod connection;
mod error;
mod job;
mod migration;
mod reader;
mod writer;

/// File of the store in the data folder.
pub const FILE: &str = "longshore.db";

/// Two: a slow list of deployments does not hold up a quick question, and more would not run at once on two cores.
const READERS: usize = 2;

/// 1,024 waiting operations, four full commits: whoever comes later waits in its own task instead of in memory here.
const WAITING: usize = 1024;

/// The store. Clones share it; dropping the last one waits until what was accepted is written.
#[derive(Clone)]
pub struct Store {
    threads: Arc<Threads>,
}

impl Store {
    /// Opens the store in a data folder, makes it at the first start and brings an older one up to date.
    ///
    /// # Errors
    /// [`Reason::StoreTooNew`] when a newer Longshore wrote it, [`Reason::StoreUnavailable`] when the file cannot be opened,
    /// read or written.
    pub fn open(data_dir: &Path) -> Result<Self, Fault> {
        let path = data_dir.join(FILE);
        let mut connection = connection::open(&path)?;
        migration::migrate(&mut connection, &path)?;
        let readers = (0..READERS).map(|_| connection::open_for_reading(&path)).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { threads: Arc::new(Threads::start(&path, connection, readers)?) })
    }

    /// Runs `op` in a transaction and answers when it is durable. Operations that wait share one commit, and yet stand
    /// alone: an `Err` takes back what this one did and nothing else. Once this was polled, `op` runs even if the caller
    /// goes away.
    ///
    /// # Errors
    /// Those of `op`; [`Reason::StoreUnavailable`] when nothing could be written, and then nothing was;
    /// [`Reason::ShuttingDown`] when the store is closed.
    pub async fn write<T: Send + 'static>(
        &self,
        op: impl FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let (job, answer) = Question::ask(op);
        self.threads.writes.send(job).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }

    /// Runs `op` on one unchanging state of the store; it sees every write that was answered before.
    ///
    /// # Errors
    /// Those of `op`; [`Reason::StoreUnavailable`] when the file cannot be read; [`Reason::ShuttingDown`].
    pub async fn read<T: Send + 'static>(
        &self,
        op: impl FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let (job, answer) = Question::ask(op);
        self.threads.reads.send(job).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }

    /// [`Store::write`] for start-up and plain threads; panics inside an async task, where it would block a runtime.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub fn write_blocking<T: Send + 'static>(
        &self,
        op: impl FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        ask(&self.threads.writes, op)
    }

    /// [`Store::read`] for start-up and plain threads; panics inside an async task, where it would block a runtime.
    ///
    /// # Errors
    /// As [`Store::read`].
    pub fn read_blocking<T: Send + 'static>(
        &self,
        op: impl FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        ask(&self.threads.reads, op)
    }

    /// Copies the store of a data folder, as it is at this moment, into a new file; whoever serves it goes on. Blocks.
    ///
    /// # Errors
    /// [`Reason::StoreUnavailable`] when one of the files cannot be read or written.
    pub fn copy(data_dir: &Path, into: &Path) -> Result<(), Fault> {
        let connection = connection::open(&data_dir.join(FILE))?;
        connection
            .execute("VACUUM INTO ?1", [into.to_string_lossy()])
            .map(|_| ())
            .map_err(|error| connection::unavailable(into, &error))
    }

    /// Transactions committed since it was opened: beside the number of writes it says how well they share.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.threads.commits.load(Ordering::Relaxed)
    }
}

fn ask<T: Send + 'static>(
    queue: &mpsc::Sender<Box<dyn Job>>,
    op: impl FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    let (job, answer) = Question::ask(op);
    queue.blocking_send(job).map_err(|_| closed())?;
    answer.blocking_recv().map_err(|_: oneshot::error::RecvError| closed())?
}

fn closed() -> Fault {
    Fault::new(
        Reason::ShuttingDown,
        "The coordinator's store is closed: the coordinator is stopping. Ask again in a moment.",
    )
}

/// The threads that own the connections. They end when their queues close.
struct Threads {
    writes: mpsc::Sender<Box<dyn Job>>,
    reads: mpsc::Sender<Box<dyn Job>>,
    commits: Arc<AtomicU64>,
    running: Vec<JoinHandle<()>>,
}

impl Threads {
    fn start(path: &Path, connection: Connection, readers: Vec<Connection>) -> Result<Self, Fault> {
        let (writes, write_queue) = mpsc::channel(WAITING);
        let (reads, read_queue) = mpsc::channel(WAITING);
        let commits = Arc::new(AtomicU64::new(0));
        let writer = writer::Writer::new(connection, path.to_owned(), Arc::clone(&commits));
        let mut running = vec![spawn("store-writer", move || writer.run(write_queue))?];
        let read_queue = Arc::new(Mutex::new(read_queue));
        for connection in readers {
            let queue = Arc::clone(&read_queue);
            running.push(spawn("store-reader", move || reader::run(&connection, &queue))?);
        }
        Ok(Self { writes, reads, commits, running })
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        // Replacing the senders closes both queues; the threads drain what is in them first.
        self.writes = mpsc::channel(1).0;
        self.reads = mpsc::channel(1).0;
        let this = thread::current().id();
        for thread in self.running.drain(..) {
            // An operation may hold the last clone: its thread cannot wait for itself.
            if thread.thread().id() != this && thread.join().is_err() {
                tracing::error!("a thread of the store panicked");
            }
        }
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, Fault> {
    thread::Builder::new().name(name.into()).spawn(run).map_err(|error| {
        Fault::new(
            Reason::StoreUnavailable,
            format!(
                "A thread for the store could not be started: {error}. Raise the limit of processes and start again."
            ),
        )
    })
}

/// A lock that a panicking thread left behind: what these locks guard is whole at every step.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
