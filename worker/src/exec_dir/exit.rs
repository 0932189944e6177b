//! How an attempt ended, in a file that was given its space before the attempt began: a full disk cannot lose it.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::Path,
};

use rustix::fs::{FallocateFlags, fallocate};
use serde::{Deserialize, Serialize};
use shared::outcome::Outcome;

/// 4 KiB: one page, which a file system overwrites in place.
pub const EXIT_SLOT_BYTES: usize = 4096;

/// CRC-32C and length, little-endian.
const HEADER_BYTES: usize = 8;

/// The end of an attempt, as its shim saw it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ExitRecord {
    /// How its process ended.
    pub outcome: Outcome,
    /// Frames in its event stream.
    pub final_seq: u64,
    /// Chain digest over all frames, 64 hex digits.
    pub digest: String,
}

/// The file, open for its record.
#[derive(Debug)]
pub struct ExitSlot {
    file: File,
}

impl ExitSlot {
    /// Makes the file with all its space, all zero.
    ///
    /// # Errors
    /// Whatever the file system says, above all when the disk is full.
    pub fn create(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(path)?;
        match fallocate(&file, FallocateFlags::empty(), 0, EXIT_SLOT_BYTES as u64) {
            Ok(()) => {}
            // Not every file system can; zeros written out claim the space as well.
            Err(rustix::io::Errno::OPNOTSUPP) => file.write_all_at(&[0; EXIT_SLOT_BYTES], 0)?,
            Err(error) => return Err(error.into()),
        }
        Ok(Self { file })
    }

    /// Opens the file of an attempt that has ended, to write its record anew.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { file: OpenOptions::new().write(true).open(path)? })
    }

    /// Writes the record durably. A long detail is cut so that it fits.
    ///
    /// # Errors
    /// Whatever the file system says; then the attempt has no end that anyone may rely on.
    pub fn write(&self, record: &ExitRecord) -> io::Result<()> {
        let json = fitting_json(record)?;
        let mut slot = Vec::with_capacity(EXIT_SLOT_BYTES);
        slot.extend_from_slice(&crc32c::crc32c(&json).to_le_bytes());
        slot.extend_from_slice(&(json.len() as u32).to_le_bytes());
        slot.extend_from_slice(&json);
        slot.resize(EXIT_SLOT_BYTES, 0);
        self.file.write_all_at(&slot, 0)?;
        self.file.sync_data()
    }

    /// The record of a file; `None` when there is no file, or no whole record in it.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn read(path: &Path) -> io::Result<Option<ExitRecord>> {
        match fs::read(path) {
            Ok(slot) => Ok(parse(&slot)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn parse(slot: &[u8]) -> Option<ExitRecord> {
    let (header, rest) = slot.split_at_checked(HEADER_BYTES)?;
    let crc = u32::from_le_bytes(header[..4].try_into().ok()?);
    let length = u32::from_le_bytes(header[4..].try_into().ok()?) as usize;
    let json = rest.get(..length)?;
    // All zero is a valid CRC of nothing: an attempt that has not ended.
    if json.is_empty() || crc32c::crc32c(json) != crc {
        return None;
    }
    serde_json::from_slice(json).ok()
}

fn fitting_json(record: &ExitRecord) -> io::Result<Vec<u8>> {
    let mut record = record.clone();
    loop {
        let json = serde_json::to_vec(&record)?;
        let excess = json.len().saturating_sub(EXIT_SLOT_BYTES - HEADER_BYTES);
        if excess == 0 {
            return Ok(json);
        }
        shorten(&mut record.outcome.detail, excess);
    }
}

/// Cuts `excess` bytes, but never more than half: JSON writes one byte as up to six, so `excess` may be far too much.
fn shorten(text: &mut String, excess: usize) {
    const MARK: &str = "…";
    let kept = text.trim_end_matches(MARK).len();
    let wanted = kept - (excess + MARK.len()).min(kept.div_ceil(2));
    text.truncate(text.floor_char_boundary(wanted));
    text.push_str(MARK);
}
