//! The event streams of attempts. Streams that still grow share one append-only log on disk, and all that waits shares one
//! sync; a stream that is whole moves to a compressed object of its own. A frame is accepted only at exactly its place, and
//! answered only when it is on disk. Knows nothing of deployments, and of frames only how long they are.
//!
//! ```text
//! <data>/log/000001.seg            records of all streams, in order of arrival
//! <data>/log/archive/ab/<id>.zst   one whole stream
//! ```

use std::{path::Path, sync::Arc, thread};

use prost::bytes::Bytes;
use shared::{
    id::ExecutionId,
    reason::{Fault, Reason},
};
use tokio::sync::{mpsc, oneshot, watch};

use self::{
    archive::Archive,
    archivist::{Archivist, Seal},
    reader::Reader,
    writer::{Append, Writer},
};

mod archive;
mod archivist;
mod error;
mod frames;
mod index;
mod reader;
mod record;
mod segment;
mod writer;

/// 32 batches of at most 1 MiB: what may wait here in memory, and what one sync may carry.
const WAITING_APPENDS: usize = 32;

/// 256 attempts: how many may end before the first of them is archived; the next waits in its own task.
const WAITING_SEALS: usize = 256;

/// The log store. Clones share it; dropping the last one waits until what was accepted is on disk.
#[derive(Clone)]
pub struct LogStore {
    reader: Arc<Reader>,
    threads: Arc<Threads>,
}

/// Where a stream stands after an append.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Appended {
    /// The first frame that is lacking; everything before it is on disk.
    pub next_seq: u64,
}

/// What became of a wish to seal a stream.
#[must_use = "a stream that misses frames was not sealed"]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sealed {
    /// It is whole, agrees with its digest, and is archived.
    Complete,
    /// Frames are still to come.
    Missing {
        /// The first one.
        next_seq: u64,
    },
}

impl LogStore {
    /// Opens the log of a data folder, or makes one. A tail that a crash tore is cut off; it was never acknowledged.
    ///
    /// # Errors
    /// [`Reason::StoreUnavailable`] when the files cannot be read or written.
    pub fn open(data_dir: &Path) -> Result<Self, Fault> {
        let dir = data_dir.join("log");
        let archive = Archive::open(&dir)?;
        let recovered = segment::recover(&dir, &archive)?;
        let index = Arc::new(recovered.index);
        let reader = Arc::new(Reader::new(dir.clone(), Arc::clone(&index), archive.clone()));
        let writer = Writer::new(dir.clone(), Arc::clone(&index), Arc::clone(&reader), recovered.last);
        let archivist = Archivist::new(dir, index, Arc::clone(&reader), archive);
        Ok(Self { reader, threads: Arc::new(Threads::start(writer, archivist)?) })
    }

    /// Appends `count` length-delimited frames, the first of which has sequence `first_seq`, and answers when they are on
    /// disk. Frames that are there already are compared and dropped; when frames before `first_seq` are lacking, nothing is
    /// stored and the answer says where to begin.
    ///
    /// # Errors
    /// [`Reason::InvalidArgument`] when `frames` does not hold `count` frames; [`Reason::Internal`] when a frame differs from
    /// the one stored in its place; [`Reason::StoreUnavailable`] when the disk is full or failing, and then nothing of
    /// `frames` is stored; [`Reason::ShuttingDown`].
    pub async fn append(
        &self,
        execution: ExecutionId,
        first_seq: u64,
        count: u32,
        frames: Bytes,
    ) -> Result<Appended, Fault> {
        let (caller, answer) = oneshot::channel();
        let append = Append { execution, first_seq, count, frames, caller };
        self.threads.appends.send(append).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }

    /// The first frame of a stream that is lacking; 0 for one nobody heard of. Looks on disk when the stream is archived.
    ///
    /// # Errors
    /// [`Reason::Internal`] or [`Reason::StoreUnavailable`] when an archived stream cannot be read.
    pub fn next_seq(&self, execution: ExecutionId) -> Result<u64, Fault> {
        self.reader.next_seq(execution)
    }

    /// Frames of a stream from `from_seq` on, in order and without gaps, each with its sequence, as encoded
    /// `proto::worker::Frame`: at least one if there is one, and no more once `max_bytes` are reached.
    ///
    /// # Errors
    /// [`Reason::Internal`] when what is on disk is damaged: the sentence names file and place;
    /// [`Reason::StoreUnavailable`] when it cannot be read.
    pub async fn read(
        &self,
        execution: ExecutionId,
        from_seq: u64,
        max_bytes: usize,
    ) -> Result<Vec<(u64, Bytes)>, Fault> {
        let reader = Arc::clone(&self.reader);
        tokio::task::spawn_blocking(move || reader.read(execution, from_seq, max_bytes)).await.map_err(|_| closed())?
    }

    /// Follows a stream: the receiver holds [`LogStore::next_seq`], and is closed once the stream is whole and archived.
    ///
    /// # Errors
    /// As [`LogStore::next_seq`].
    pub fn subscribe(&self, execution: ExecutionId) -> Result<watch::Receiver<u64>, Fault> {
        self.reader.subscribe(execution)
    }

    /// Says that a stream has `final_seq` frames with this chain digest: d(0) is 32 zero bytes, d(n+1) is
    /// SHA-256(d(n) ‖ frame). Without a digest, as of an attempt whose shim was killed, only the count is checked. When all
    /// are here and agree, the stream is archived, and this answers when the archive is on disk. Repeatable.
    ///
    /// # Errors
    /// [`Reason::Internal`] when the stored frames do not agree with digest or count; [`Reason::StoreUnavailable`] when the
    /// disk is full or failing, and then the stream is as it was; [`Reason::ShuttingDown`].
    pub async fn seal(
        &self,
        execution: ExecutionId,
        final_seq: u64,
        digest: impl Into<Option<[u8; 32]>>,
    ) -> Result<Sealed, Fault> {
        let (caller, answer) = oneshot::channel();
        let seal = Seal { execution, final_seq, digest: digest.into(), caller };
        self.threads.seals.send(seal).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }
}

fn closed() -> Fault {
    Fault::new(
        Reason::ShuttingDown,
        "The coordinator's log is closed: the coordinator is stopping. Ask again in a moment.",
    )
}

/// The threads that write. They end when their queues close.
struct Threads {
    appends: mpsc::Sender<Append>,
    seals: mpsc::Sender<Seal>,
    running: Vec<thread::JoinHandle<()>>,
}

impl Threads {
    fn start(writer: Writer, archivist: Archivist) -> Result<Self, Fault> {
        let (appends, append_queue) = mpsc::channel(WAITING_APPENDS);
        let (seals, seal_queue) = mpsc::channel(WAITING_SEALS);
        let running = vec![
            spawn("log-writer", move || writer.run(append_queue))?,
            spawn("log-archivist", move || archivist.run(seal_queue))?,
        ];
        Ok(Self { appends, seals, running })
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        // Replacing the senders closes both queues; the threads drain what is in them first.
        self.appends = mpsc::channel(1).0;
        self.seals = mpsc::channel(1).0;
        for thread in self.running.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the log store panicked");
            }
        }
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<thread::JoinHandle<()>, Fault> {
    thread::Builder::new().name(name.into()).spawn(run).map_err(|error| {
        Fault::new(
            Reason::StoreUnavailable,
            format!(
                "A thread for the log could not be started: {error}. Raise the limit of processes and start again."
            ),
        )
    })
}

#[cfg(test)]
mod tests;
