//! A thread that answers questions, each on one unchanging state of the store.

use std::sync::Mutex;

use rusqlite::Connection;
use shared::reason::Fault;
use tokio::sync::mpsc;

use super::{error::Stored, job::Job, lock};

/// Answers until the queue closes. The lock is held only while waiting: it is the turn to take the next question.
pub(super) fn run(connection: &Connection, queue: &Mutex<mpsc::Receiver<Box<dyn Job>>>) {
    while let Some(job) = next(queue) {
        answer(connection, job);
    }
}

fn next(queue: &Mutex<mpsc::Receiver<Box<dyn Job>>>) -> Option<Box<dyn Job>> {
    lock(queue).blocking_recv()
}

fn answer(connection: &Connection, mut job: Box<dyn Job>) {
    // One transaction, so that several statements of one question see the same state.
    let begun = run_sql(connection, "BEGIN");
    if let Err(fault) = begun {
        return job.answer(Some(fault));
    }
    // Its own fault is in its answer.
    let _ = job.run(connection);
    let ended = run_sql(connection, "ROLLBACK");
    job.answer(ended.err());
}

fn run_sql(connection: &Connection, sql: &str) -> Result<(), Fault> {
    connection.prepare_cached(sql).and_then(|mut statement| statement.execute([])).map(drop).stored("reading")
}
