//! The journal: what this worker promised and did, durable before it acts on it. One file, appended by one thread; many
//! records share one fdatasync. Holds no secret. Its id is made with it: another id tells the coordinator that this
//! worker may have forgotten something.

mod format;
mod segment;
#[cfg(test)]
mod tests;

use std::{
    io,
    path::Path,
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use shared::id::ExecutionId;
use tokio::sync::watch;
use tracing::{error, info};
use worker_core::{Memory, Record};

use segment::{Found, Segment};

/// 1,024 records on their way to the disk: more than 64 slots can ask for while one sync runs.
const QUEUE: usize = 1024;
/// 1 second: how long a record that nobody waits for may stay unsynced.
const LAZY: Duration = Duration::from_secs(1);

/// The open journal.
#[derive(Debug)]
pub struct Journal {
    id: String,
    appended: u64,
    records: Option<SyncSender<Record>>,
    durability: watch::Receiver<Durability>,
    thread: Option<JoinHandle<()>>,
}

/// How far the journal is durable.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Durability {
    /// Every record up to this number.
    UpTo(u64),
    /// The disk failed; nothing more will be durable, and it must not be tried again.
    Broken(String),
}

/// What a journal says when it is opened.
#[derive(Debug)]
pub struct Opened {
    /// Open for more.
    pub journal: Journal,
    /// Everything recorded, added up.
    pub memory: Memory,
    /// Why its id is new, if records were lost.
    pub lost: Option<String>,
}

impl Journal {
    /// Opens or makes the journal in a folder, and writes down that an agent started under this boot id. An attempt in
    /// `started` that no record tells of proves that records are lost: it is taken up, under a new id.
    ///
    /// # Errors
    /// When the folder cannot be read or written.
    pub fn open(folder: &Path, boot_id: &str, started: &[ExecutionId]) -> io::Result<Opened> {
        std::fs::create_dir_all(folder)?;
        let Found { id, mut memory, lost } = adopt(segment::read(folder)?, started);
        match &lost {
            Some(why) => error!(error = why, "journal damaged; it begins anew under another id"),
            None => info!(journal_id = id, held = memory.held.len(), "journal read"),
        }
        memory.apply(Record::Session { boot_id: boot_id.into() });
        // Begun anew at each start: a torn tail is gone with it, and the file stays small.
        let segment = Segment::create(folder, &id, &memory)?;
        let (records, queue) = sync_channel(QUEUE);
        let (publish, durability) = watch::channel(Durability::UpTo(0));
        let writer = Writer { segment, memory: memory.clone(), written: 0, publish };
        let thread = std::thread::Builder::new().name("journal".into()).spawn(move || writer.run(&queue))?;
        let journal = Self { id, appended: 0, records: Some(records), durability, thread: Some(thread) };
        Ok(Opened { journal, memory, lost })
    }

    /// 32 hex digits made with the journal.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Appends a record and answers its number, counted from 1; durable when [`Self::durability`] has reached it. Waits
    /// when the disk is 1,024 records behind.
    pub fn append(&mut self, record: Record) -> u64 {
        self.appended += 1;
        // A writer that is gone has published why; the number is then never reached.
        if let Some(records) = &self.records {
            let _ = records.send(record);
        }
        self.appended
    }

    /// How far it is durable, as it grows.
    #[must_use]
    pub fn durability(&self) -> watch::Receiver<Durability> {
        self.durability.clone()
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.records = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Takes up what started and is in no record.
fn adopt(mut found: Found, started: &[ExecutionId]) -> Found {
    for execution in started {
        if !found.memory.knows(*execution) {
            found.memory.adopt(*execution);
            found.id = segment::new_id();
            found.lost.get_or_insert_with(|| format!("attempt {execution} has files and no record"));
        }
    }
    found
}

/// The thread that owns the file.
struct Writer {
    segment: Segment,
    /// For the next snapshot.
    memory: Memory,
    written: u64,
    publish: watch::Sender<Durability>,
}

impl Writer {
    fn run(mut self, queue: &Receiver<Record>) {
        if let Err(error) = self.write_until_closed(queue) {
            error!(%error, "journal cannot be written");
            self.publish.send_replace(Durability::Broken(error.to_string()));
        }
    }

    fn write_until_closed(&mut self, queue: &Receiver<Record>) -> io::Result<()> {
        let mut sync_by: Option<Instant> = None;
        loop {
            let first = match sync_by {
                None => queue.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(by) => queue.recv_timeout(by.saturating_duration_since(Instant::now())),
            };
            let (batch, closed) = match first {
                Ok(record) => drain(record, queue),
                Err(RecvTimeoutError::Timeout) => (Vec::new(), false),
                Err(RecvTimeoutError::Disconnected) => (Vec::new(), true),
            };
            let urgent = batch.iter().any(Record::is_urgent);
            self.write(batch)?;
            let due = sync_by.is_some_and(|by| by <= Instant::now());
            if urgent || due || closed {
                self.sync()?;
                sync_by = None;
            } else {
                sync_by = sync_by.or_else(|| Some(Instant::now() + LAZY));
            }
            if closed {
                return Ok(());
            }
        }
    }

    fn write(&mut self, batch: Vec<Record>) -> io::Result<()> {
        let mut frames = Vec::new();
        for record in batch {
            format::encode(&mut frames, self.segment.synced(), &record)?;
            self.memory.apply(record);
            self.written += 1;
        }
        if self.segment.has_room(frames.len()) {
            self.segment.append(&frames)
        } else {
            // The snapshot holds this batch too.
            self.segment.replace(&self.memory)
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        self.segment.sync()?;
        self.publish.send_replace(Durability::UpTo(self.written));
        Ok(())
    }
}

/// What waits now, and whether nobody will send more.
fn drain(first: Record, queue: &Receiver<Record>) -> (Vec<Record>, bool) {
    let mut batch = vec![first];
    while batch.len() < QUEUE {
        match queue.try_recv() {
            Ok(record) => batch.push(record),
            Err(TryRecvError::Empty) => break,
            Err(TryRecvError::Disconnected) => return (batch, true),
        }
    }
    (batch, false)
}
