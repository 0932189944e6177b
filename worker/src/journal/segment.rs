//! The journal's file: filled with zeros beforehand so that appending needs no new block, replaced as a whole by a
//! snapshot when it is full. A reserve file gives its space back when the disk is full, so that a snapshot still fits.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Write},
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use tracing::warn;
use uuid::Uuid;
use worker_core::{Memory, Record};

use super::format::{self, HEADER, Replay, Tail};

/// 4 MiB: tens of thousands of records between two snapshots.
pub(super) const CAPACITY: u64 = 4 << 20;
/// 8 MiB: a new segment and what the file system needs beside it.
const RESERVE: u64 = 8 << 20;

const FILE: &str = "journal";
const NEW: &str = "journal.new";
const DAMAGED: &str = "journal.damaged";
const RESERVE_FILE: &str = "reserve";

/// What was found in a folder.
pub(super) struct Found {
    pub(super) id: String,
    pub(super) memory: Memory,
    pub(super) lost: Option<String>,
}

/// Reads the journal of a folder; a missing one is new, a damaged one is set aside and keeps only what is certain.
pub(super) fn read(folder: &Path) -> io::Result<Found> {
    let path = folder.join(FILE);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Ok(Found { id: new_id(), memory: Memory::default(), lost: None });
        }
        Err(error) => return Err(error),
    };
    let (memory, why) = match format::replay(&bytes) {
        Some(Replay { id, memory, tail: Tail::Clean | Tail::Torn }) => return Ok(Found { id, memory, lost: None }),
        Some(Replay { memory, tail: Tail::Damaged { at }, .. }) => {
            (memory, format!("a record at byte {at} is unreadable"))
        }
        None => (Memory::default(), "its header is unreadable".into()),
    };
    fs::copy(&path, folder.join(DAMAGED))?;
    Ok(Found { id: new_id(), memory, lost: Some(why) })
}

pub(super) fn new_id() -> String {
    Uuid::new_v4().simple().to_string()
}

/// The file being appended to.
pub(super) struct Segment {
    folder: PathBuf,
    id: String,
    file: File,
    /// Bytes there are.
    capacity: u64,
    /// Where the next frame goes.
    end: u64,
    /// Up to where it is durable.
    synced: u64,
}

impl Segment {
    /// Makes a segment that begins with a snapshot, durable, in place of the one before.
    pub(super) fn create(folder: &Path, id: &str, memory: &Memory) -> io::Result<Self> {
        let segment = match Self::try_create(folder, id, memory) {
            Err(error) if error.kind() == ErrorKind::StorageFull => {
                warn!(%error, "disk full; the journal takes its reserve");
                let _ = fs::remove_file(folder.join(RESERVE_FILE));
                return Self::try_create(folder, id, memory);
            }
            other => other?,
        };
        keep_reserve(folder);
        Ok(segment)
    }

    fn try_create(folder: &Path, id: &str, memory: &Memory) -> io::Result<Self> {
        let mut bytes = format::header(id);
        format::encode(&mut bytes, HEADER as u64, &Record::Snapshot(memory.clone()))?;
        let end = bytes.len() as u64;
        let capacity = CAPACITY.max(end * 2);
        let path = folder.join(NEW);
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
        fill(&file, capacity)?;
        file.write_all_at(&bytes, 0)?;
        file.sync_all()?;
        fs::rename(&path, folder.join(FILE))?;
        File::open(folder)?.sync_all()?;
        Ok(Self { folder: folder.into(), id: id.into(), file, capacity, end, synced: end })
    }

    pub(super) fn synced(&self) -> u64 {
        self.synced
    }

    pub(super) fn has_room(&self, bytes: usize) -> bool {
        self.end + bytes as u64 <= self.capacity
    }

    pub(super) fn append(&mut self, frames: &[u8]) -> io::Result<()> {
        self.file.write_all_at(frames, self.end)?;
        self.end += frames.len() as u64;
        Ok(())
    }

    /// Begins anew with a snapshot of everything so far.
    pub(super) fn replace(&mut self, memory: &Memory) -> io::Result<()> {
        *self = Self::create(&self.folder, &self.id, memory)?;
        Ok(())
    }

    /// Makes everything appended durable. After an error the kernel may have dropped the pages: never call it again.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if self.synced < self.end {
            self.file.sync_data()?;
            self.synced = self.end;
        }
        Ok(())
    }
}

/// Real zeros, not a hole: appending over them needs neither space nor metadata.
fn fill(file: &File, bytes: u64) -> io::Result<()> {
    let zeros = [0; 64 << 10];
    let mut out = file;
    let mut left = bytes;
    while left > 0 {
        let now = zeros.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        out.write_all(&zeros[..now])?;
        left -= now as u64;
    }
    Ok(())
}

/// Holds space back for the next snapshot; without it the worker goes on, less safe against a full disk.
fn keep_reserve(folder: &Path) {
    let path = folder.join(RESERVE_FILE);
    if fs::metadata(&path).is_ok_and(|found| found.len() == RESERVE) {
        return;
    }
    let made = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&path)
        .and_then(|file| fill(&file, RESERVE));
    if let Err(error) = made {
        warn!(%error, "no space for the journal's reserve");
        let _ = fs::remove_file(path);
    }
}
