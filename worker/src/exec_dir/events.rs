//! The event stream of an attempt on disk: `u32 LE length | u32 LE crc32c | frame`, one after the other. A frame's
//! sequence is its position.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::Path,
};

use aws_lc_rs::digest;
use prost::Message;
use proto::worker::Frame;

/// Length and CRC-32C, little-endian.
const HEADER_BYTES: usize = 8;
/// 1 MiB: no writer makes a frame this long, so a longer one is damage.
const LONGEST_FRAME: usize = 1 << 20;
/// 256 KiB: what a reader asks the kernel for at once.
const READ_BYTES: usize = 256 << 10;
/// SHA-256.
const DIGEST_BYTES: usize = 32;

/// Appends frames; the only writer of its file.
#[derive(Debug)]
pub struct EventWriter {
    file: File,
    /// Bytes of whole frames in the file.
    length: u64,
    /// Frames encoded and not yet written.
    pending: Vec<u8>,
    /// Of all frames, written or pending.
    sequence: u64,
    digest: [u8; DIGEST_BYTES],
    unsynced: u64,
}

impl EventWriter {
    /// Makes the file, empty.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn create(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(path)?;
        Ok(Self { file, length: 0, pending: Vec::new(), sequence: 0, digest: [0; DIGEST_BYTES], unsynced: 0 })
    }

    /// Adds a frame to what the next [`Self::flush`] writes.
    pub fn push(&mut self, frame: &Frame) {
        let length = frame.encoded_len();
        self.pending.reserve(HEADER_BYTES + length);
        self.pending.extend_from_slice(&(length as u32).to_le_bytes());
        let crc_at = self.pending.len();
        self.pending.extend_from_slice(&[0; 4]);
        frame.encode_raw(&mut self.pending);
        let bytes = &self.pending[crc_at + 4..];
        self.digest = chain(&self.digest, bytes);
        let crc = crc32c::crc32c(bytes).to_le_bytes();
        self.pending[crc_at..crc_at + 4].copy_from_slice(&crc);
        self.sequence += 1;
    }

    /// Writes what is pending; afterwards it is in the file and may not be durable.
    ///
    /// # Errors
    /// Whatever the file system says. The file then ends with a whole frame, everything is still pending, and the call
    /// may be repeated, e.g. when the disk has space again.
    pub fn flush(&mut self) -> io::Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        if let Err(error) = self.file.write_all_at(&self.pending, self.length) {
            self.file.set_len(self.length)?;
            return Err(error);
        }
        self.length += self.pending.len() as u64;
        self.unsynced += self.pending.len() as u64;
        self.pending.clear();
        Ok(())
    }

    /// Makes what was flushed durable.
    ///
    /// # Errors
    /// Whatever the file system says; a sync that failed must not be repeated, since the kernel may have dropped the data.
    pub fn sync(&mut self) -> io::Result<()> {
        if self.unsynced > 0 {
            self.file.sync_data()?;
            self.unsynced = 0;
        }
        Ok(())
    }

    /// Bytes flushed and not yet durable.
    #[must_use]
    pub fn unsynced(&self) -> u64 {
        self.unsynced
    }

    /// Bytes not yet flushed.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Frames so far; the sequence of the next one.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Chain digest over all frames so far, 64 hex digits.
    #[must_use]
    pub fn digest(&self) -> String {
        self.digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Reads frames, also while the writer is still adding some.
#[derive(Debug)]
pub struct EventReader {
    file: File,
    /// Where the buffer begins in the file.
    offset: u64,
    buffer: Vec<u8>,
    /// What of the buffer was handed out.
    consumed: usize,
    sequence: u64,
}

impl EventReader {
    /// Opens the file at its first frame.
    ///
    /// # Errors
    /// `NotFound` when no shim made it yet; otherwise whatever the file system says.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { file: File::open(path)?, offset: 0, buffer: Vec::new(), consumed: 0, sequence: 0 })
    }

    /// The next frame as it was encoded. `None` when there is no further whole frame now: with a live shim one may follow,
    /// after its death what remains is a torn tail, and the exit record says how many frames there must be.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn read(&mut self) -> io::Result<Option<&[u8]>> {
        let frame = match self.whole_frame() {
            Some(frame) => frame,
            None => {
                self.fill()?;
                let Some(frame) = self.whole_frame() else { return Ok(None) };
                frame
            }
        };
        self.consumed = frame.end;
        self.sequence += 1;
        Ok(Some(&self.buffer[frame]))
    }

    /// Passes over frames until `sequence` is next; answers whether it got there.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn skip_to(&mut self, sequence: u64) -> io::Result<bool> {
        while self.sequence < sequence {
            if self.read()?.is_none() {
                return Ok(false);
            }
        }
        Ok(self.sequence == sequence)
    }

    /// Sequence of the next frame.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    fn whole_frame(&self) -> Option<std::ops::Range<usize>> {
        let (header, rest) = self.buffer[self.consumed..].split_at_checked(HEADER_BYTES)?;
        let length = u32::from_le_bytes(header[..4].try_into().ok()?) as usize;
        let crc = u32::from_le_bytes(header[4..].try_into().ok()?);
        let bytes = rest.get(..length).filter(|bytes| !bytes.is_empty())?;
        let start = self.consumed + HEADER_BYTES;
        (crc32c::crc32c(bytes) == crc).then(|| start..start + length)
    }

    fn fill(&mut self) -> io::Result<()> {
        self.buffer.drain(..self.consumed);
        self.offset += self.consumed as u64;
        self.consumed = 0;
        loop {
            let held = self.buffer.len();
            self.buffer.resize(held + READ_BYTES, 0);
            let read = self.file.read_at(&mut self.buffer[held..], self.offset + held as u64);
            self.buffer.truncate(held + *read.as_ref().unwrap_or(&0));
            if read? == 0 || self.whole_frame().is_some() || self.buffer.len() > LONGEST_FRAME + HEADER_BYTES {
                break;
            }
        }
        // What is not whole is read again next time: the writer may have been in the middle of it.
        if self.whole_frame().is_none() {
            self.buffer.clear();
        }
        Ok(())
    }
}

/// Frames of a file whose writer is dead and the digest over them, all of it made durable.
///
/// # Errors
/// Whatever the file system says.
pub(super) fn end(path: &Path) -> io::Result<(u64, String)> {
    let mut reader = EventReader::open(path)?;
    let mut digest = [0; DIGEST_BYTES];
    while let Some(frame) = reader.read()? {
        digest = chain(&digest, frame);
    }
    reader.file.sync_data()?;
    Ok((reader.sequence(), digest.iter().map(|byte| format!("{byte:02x}")).collect()))
}

fn chain(previous: &[u8; DIGEST_BYTES], frame: &[u8]) -> [u8; DIGEST_BYTES] {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(previous);
    context.update(frame);
    let mut next = [0; DIGEST_BYTES];
    next.copy_from_slice(context.finish().as_ref());
    next
}
