//! Who did what, and who was refused what. What was done is written in the transaction that did it; refusals go through a
//! bounded writer of their own, so that strangers cannot stall the coordinator.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use rusqlite::{Connection, params};
use shared::reason::{Fault, Reason};
use tokio::sync::mpsc;

use crate::{
    clock,
    store::{Store, Stored},
};

/// 1,024 refusals wait to be written; more are counted and the count is written instead.
const WAITING: usize = 1024;

/// One line of the audit log, before it has its number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Who: `token NAME`, `worker NAME`, `coordinator`, or `unknown`.
    pub actor: String,
    /// Address of the caller; empty for the coordinator itself.
    pub address: String,
    /// What, e.g. `account.create`.
    pub action: &'static str,
    /// To which thing.
    pub target: String,
    /// Why not; `None` when it was done.
    pub refusal: Option<Reason>,
    /// More, in a sentence; never a secret.
    pub detail: String,
}

/// A line of the audit log, as it is stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// Grows by one.
    pub sequence: i64,
    /// Milliseconds since 1970.
    pub at: i64,
    /// As [`Entry::actor`].
    pub actor: String,
    /// As [`Entry::address`].
    pub address: String,
    /// As [`Entry::action`].
    pub action: String,
    /// As [`Entry::target`].
    pub target: String,
    /// Whether it was done.
    pub allowed: bool,
    /// Code of the refusal; empty when done.
    pub reason: String,
    /// As [`Entry::detail`].
    pub detail: String,
}

/// Writes a line in the caller's transaction.
///
/// # Errors
/// Those of the store.
pub fn record(connection: &Connection, at: i64, entry: &Entry) -> Result<(), Fault> {
    connection
        .prepare_cached(
            "INSERT INTO audit (at, actor, address, action, target, allowed, reason, detail) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )
        .and_then(|mut insert| {
            insert.execute(params![
                at,
                entry.actor,
                entry.address,
                entry.action,
                entry.target,
                entry.refusal.is_none(),
                entry.refusal.map_or("", Reason::code),
                entry.detail,
            ])
        })
        .stored("writing the audit log")
        .map(drop)
}

/// At most `limit` lines, newest first; with `before`, only those with a smaller number; with `account`, only those about the
/// account of that name and its credentials.
///
/// # Errors
/// Those of the store.
pub fn list(
    connection: &Connection,
    before: Option<i64>,
    account: Option<&str>,
    limit: usize,
) -> Result<Vec<Line>, Fault> {
    let mut query = connection
        .prepare_cached(
            "SELECT seq, at, actor, address, action, target, allowed, reason, detail FROM audit WHERE seq < ?1
             AND (?2 IS NULL OR (target = ?2 AND (action LIKE 'account.%' OR action = 'credentials.release')))
             ORDER BY seq DESC LIMIT ?3",
        )
        .stored("reading the audit log")?;
    let lines = query
        .query_map(params![before.unwrap_or(i64::MAX), account, limit as i64], |row| {
            Ok(Line {
                sequence: row.get(0)?,
                at: row.get(1)?,
                actor: row.get(2)?,
                address: row.get(3)?,
                action: row.get(4)?,
                target: row.get(5)?,
                allowed: row.get(6)?,
                reason: row.get(7)?,
                detail: row.get(8)?,
            })
        })
        .stored("reading the audit log")?;
    lines.collect::<Result<_, _>>().stored("reading the audit log")
}

/// Takes refusals without ever waiting.
#[derive(Clone, Debug)]
pub struct Refusals {
    queue: mpsc::Sender<Entry>,
    lost: Arc<AtomicU64>,
}

impl Refusals {
    /// Starts the task that writes them; it ends when the last clone is dropped.
    #[must_use]
    pub fn start(store: Store) -> Self {
        let (queue, waiting) = mpsc::channel(WAITING);
        let lost = Arc::new(AtomicU64::new(0));
        service::task::spawn("refusals", write(store, waiting, lost.clone()));
        Self { queue, lost }
    }

    /// Writes a refusal, if there is room; else counts it.
    pub fn record(&self, entry: Entry) {
        if self.queue.try_send(entry).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

async fn write(store: Store, mut waiting: mpsc::Receiver<Entry>, lost: Arc<AtomicU64>) {
    let mut batch = Vec::new();
    while waiting.recv_many(&mut batch, WAITING).await > 0 {
        let entries = std::mem::take(&mut batch);
        let missing = lost.swap(0, Ordering::Relaxed);
        let written = store.write(move |connection| record_all(connection, &entries, missing)).await;
        if let Err(error) = written {
            tracing::error!(%error, "refusals are missing from the audit log");
        }
    }
}

fn record_all(connection: &Connection, entries: &[Entry], missing: u64) -> Result<(), Fault> {
    let at = clock::now();
    for entry in entries {
        record(connection, at, entry)?;
    }
    if missing == 0 {
        return Ok(());
    }
    let flood = Entry {
        actor: "coordinator".into(),
        address: String::new(),
        action: "audit.flood",
        target: String::new(),
        refusal: Some(Reason::TooManyRequests),
        detail: format!("{missing} further refusals came faster than they could be written."),
    };
    record(connection, at, &flood)
}
