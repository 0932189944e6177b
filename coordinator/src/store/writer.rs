//! The thread that writes. It takes everything that waits and commits it once: a sync of the disk costs milliseconds, and
//! two hundred operations share one.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use rusqlite::Connection;
use shared::reason::{Fault, Reason};
use tokio::sync::mpsc;

use super::{error::is_failed_sync, job::Job};

/// 256 operations: beyond that a commit is no cheaper per operation, and the first of them waits longer.
const BATCH: usize = 256;

pub(super) struct Writer {
    connection: Connection,
    path: PathBuf,
    commits: Arc<AtomicU64>,
    /// Set when a sync failed: what is on disk is not known, so nothing more is promised until the store is opened again.
    broken: Option<Fault>,
}

/// The whole transaction is gone.
struct Lost(Fault);

impl Writer {
    pub(super) fn new(connection: Connection, path: PathBuf, commits: Arc<AtomicU64>) -> Self {
        Self { connection, path, commits, broken: None }
    }

    /// Writes until the queue closes.
    pub(super) fn run(mut self, mut queue: mpsc::Receiver<Box<dyn Job>>) {
        let mut batch = Vec::with_capacity(BATCH);
        while queue.blocking_recv_many(&mut batch, BATCH) > 0 {
            let instead = self.commit(&mut batch).err().map(|Lost(fault)| fault);
            for job in batch.drain(..) {
                job.answer(instead.clone());
            }
        }
    }

    /// Runs a batch in one transaction. On `Err` nothing of it is in the store.
    fn commit(&mut self, batch: &mut [Box<dyn Job>]) -> Result<(), Lost> {
        if let Some(fault) = &self.broken {
            return Err(Lost(fault.clone()));
        }
        let done = self.transact(batch);
        if done.is_err() && !self.connection.is_autocommit() {
            // Only fails when SQLite has rolled back by itself.
            let _ = self.execute("ROLLBACK");
        }
        done
    }

    fn transact(&mut self, batch: &mut [Box<dyn Job>]) -> Result<(), Lost> {
        self.execute("BEGIN IMMEDIATE").map_err(|error| self.lost(&error))?;
        let kept = match batch {
            [only] => usize::from(self.run_alone(only)?),
            several => self.run_each(several)?,
        };
        if kept == 0 {
            return self.execute("ROLLBACK").map_err(|error| self.lost(&error));
        }
        self.execute("COMMIT").map_err(|error| self.commit_failed(&error))?;
        self.commits.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Runs the only operation; whether there is something to commit.
    fn run_alone(&self, job: &mut Box<dyn Job>) -> Result<bool, Lost> {
        match job.run(&self.connection) {
            Ok(()) => Ok(true),
            Err(fault) => self.stands_alone(fault).map(|()| false),
        }
    }

    /// Runs each in a savepoint of its own; how many are to be committed.
    fn run_each(&self, batch: &mut [Box<dyn Job>]) -> Result<usize, Lost> {
        let mut kept = 0;
        for job in batch {
            self.execute("SAVEPOINT op").map_err(|error| self.lost(&error))?;
            match job.run(&self.connection) {
                Ok(()) => kept += 1,
                Err(fault) => {
                    self.stands_alone(fault)?;
                    self.execute("ROLLBACK TO op").map_err(|error| self.lost(&error))?;
                }
            }
            self.execute("RELEASE op").map_err(|error| self.lost(&error))?;
        }
        Ok(kept)
    }

    /// Whether the fault of one operation leaves the others whole. A full disk does not, nor does SQLite when it has taken
    /// back the whole transaction by itself.
    fn stands_alone(&self, fault: Fault) -> Result<(), Lost> {
        if fault.reason == Reason::StoreUnavailable || self.connection.is_autocommit() {
            return Err(Lost(self.unavailable(&fault.sentence)));
        }
        Ok(())
    }

    fn execute(&self, sql: &str) -> rusqlite::Result<()> {
        self.connection.prepare_cached(sql)?.execute([]).map(drop)
    }

    fn commit_failed(&mut self, error: &rusqlite::Error) -> Lost {
        tracing::error!(%error, store = %self.path.display(), "a commit failed");
        if !is_failed_sync(error) {
            return self.lost(error);
        }
        let fault = Fault::new(
            Reason::StoreUnavailable,
            format!(
                "The store {} cannot be written: {error}. Whether the last changes are on disk is only known when it is opened again: see that the disk is well and restart the coordinator.",
                self.path.display()
            ),
        );
        self.broken = Some(fault.clone());
        Lost(fault)
    }

    fn lost(&self, error: &rusqlite::Error) -> Lost {
        Lost(self.unavailable(&error.to_string()))
    }

    fn unavailable(&self, cause: &str) -> Fault {
        let cause = cause.trim_end_matches('.');
        Fault::new(
            Reason::StoreUnavailable,
            format!(
                "The store {} cannot be written: {cause}. Nothing was changed; make room on its disk and try again.",
                self.path.display()
            ),
        )
    }
}
