//! The event stream of the attempt, as the shim writes it: in order, durable soon, and patient with a full disk.

use std::{
    io,
    path::Path,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use proto::{
    deployment::log_frame::{Level, Source},
    worker::{self, Frame, frame::Body},
};
use rustix::io::Errno;

use crate::exec_dir::EventWriter;

/// 200 ms: what a crash of the whole host may take of a log.
const SYNC_AFTER: Duration = Duration::from_millis(200);
/// 1 MiB: a fast log is synced in pieces that a disk takes well.
const SYNC_BYTES: u64 = 1 << 20;
/// 200 ms between tries to write to a full disk.
const RETRY: Duration = Duration::from_millis(200);

/// The event stream, open for writing.
pub(super) struct Log {
    writer: EventWriter,
    /// When the oldest byte that is not durable was written.
    unsynced_since: Option<Instant>,
    /// Since when the disk is full.
    full_since: Option<Instant>,
}

impl Log {
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        Ok(Self { writer: EventWriter::create(path)?, unsynced_since: None, full_since: None })
    }

    /// Adds bytes of the log, masked.
    pub(super) fn text(&mut self, source: Source, level: Level, data: &[u8]) {
        let log = worker::Log { source: source as i32, level: level as i32, data: data.to_vec().into() };
        self.push(Body::Log(log));
    }

    /// Adds a line of our own, masked.
    pub(super) fn line(&mut self, level: Level, text: &str) {
        self.text(Source::System, level, format!("{text}\n").as_bytes());
    }

    /// Adds a frame.
    pub(super) fn push(&mut self, body: Body) {
        self.writer.push(&Frame { time_ms: now_ms(), body: Some(body) });
    }

    /// Writes what was added, and makes it durable when that is due. On a full disk it stays in memory, the child's output
    /// must wait until [`Self::is_full`] says otherwise, and the next call tries again.
    ///
    /// # Errors
    /// Whatever the file system says besides that it is full: then nothing may be said about this attempt any more.
    pub(super) fn commit(&mut self, now: Instant) -> io::Result<()> {
        while self.writer.pending() > 0 {
            match self.writer.flush() {
                Ok(()) => self.note_space(now),
                Err(error) if is_full_disk(&error) => {
                    self.full_since.get_or_insert(now);
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        if self.writer.unsynced() > 0 {
            let since = *self.unsynced_since.get_or_insert(now);
            if self.writer.unsynced() >= SYNC_BYTES || now >= since + SYNC_AFTER {
                self.sync()?;
            }
        }
        Ok(())
    }

    /// Writes everything and makes it durable, waiting for a full disk as long as that takes.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub(super) fn seal(&mut self) -> io::Result<()> {
        loop {
            self.commit(Instant::now())?;
            if !self.is_full() {
                return self.sync();
            }
            std::thread::sleep(RETRY);
        }
    }

    /// Whether the disk is full.
    pub(super) fn is_full(&self) -> bool {
        self.full_since.is_some()
    }

    /// When [`Self::commit`] has something to do by itself.
    pub(super) fn deadline(&self, now: Instant) -> Option<Instant> {
        if self.is_full() { Some(now + RETRY) } else { self.unsynced_since.map(|since| since + SYNC_AFTER) }
    }

    /// Frames, and the digest over them.
    pub(super) fn end(&self) -> (u64, String) {
        (self.writer.sequence(), self.writer.digest())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.unsynced_since = None;
        self.writer.sync()
    }

    fn note_space(&mut self, now: Instant) {
        if let Some(since) = self.full_since.take() {
            let seconds = now.duration_since(since).as_secs_f32();
            self.line(
                Level::Warning,
                &format!(
                    "The worker's disk was full for {seconds:.1} s; the step was held up for that long, and its log is whole."
                ),
            );
        }
    }
}

/// By the worker's clock; shown to people only.
fn now_ms() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}

fn is_full_disk(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::NOSPC | Errno::DQUOT))
}
