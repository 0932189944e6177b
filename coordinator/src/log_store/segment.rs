//! The files that streams grow in, and what a start finds in them.

use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions},
    io::{self, BufReader, IoSlice, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use shared::{
    id::ExecutionId,
    reason::{Fault, Reason},
};

use super::{
    archive::Archive,
    error::{unreadable, unwritable},
    index::Index,
    record::{HEADER, Header},
};

/// 64 MiB: small enough to be freed soon, large enough that starting a new one costs nothing.
pub(super) const SEGMENT_BYTES: u64 = 64 << 20;

/// The segment that is written.
pub(super) struct Segment {
    pub(super) number: u32,
    pub(super) path: PathBuf,
    /// Bytes of it that are on disk and count.
    pub(super) length: u64,
    file: File,
}

/// What a start finds.
pub(super) struct Recovered {
    pub(super) index: Index,
    /// The newest segment, and whether it takes more; none at the first start.
    pub(super) last: Option<Segment>,
}

pub(super) fn path(dir: &Path, number: u32) -> PathBuf {
    dir.join(format!("{number:06}.seg"))
}

impl Segment {
    pub(super) fn create(dir: &Path, number: u32) -> Result<Self, Fault> {
        let path = path(dir, number);
        let create = || {
            let file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(&path)?;
            File::open(dir)?.sync_all()?;
            Ok(file)
        };
        let file = create().map_err(|error| unwritable(&path, &error))?;
        Ok(Self { number, path, length: 0, file })
    }

    /// Opens a segment of which `length` bytes are whole, and cuts off the rest.
    fn reopen(dir: &Path, number: u32, length: u64) -> Result<Self, Fault> {
        let path = path(dir, number);
        let reopen = || {
            let file = OpenOptions::new().append(true).open(&path)?;
            if file.metadata()?.len() != length {
                file.set_len(length)?;
                file.sync_all()?;
            }
            Ok(file)
        };
        let file = reopen().map_err(|error| unwritable(&path, &error))?;
        Ok(Self { number, path, length, file })
    }

    /// Appends pieces and syncs. On `Err` none of them counts.
    pub(super) fn append(&mut self, pieces: &mut [IoSlice<'_>]) -> Result<(), AppendError> {
        let added: u64 = pieces.iter().map(|piece| piece.len() as u64).sum();
        if let Err(error) = write_all(&mut self.file, pieces) {
            // What was written of it must not stand before the next record.
            let usable = self.file.set_len(self.length).is_ok();
            return Err(AppendError { fault: unwritable(&self.path, &error), usable });
        }
        if let Err(error) = self.file.sync_data() {
            // After a failed sync the kernel may call pages clean that are not on disk: this file takes no more.
            let _ = self.file.set_len(self.length);
            return Err(AppendError { fault: unwritable(&self.path, &error), usable: false });
        }
        self.length += added;
        Ok(())
    }
}

/// Nothing was appended.
pub(super) struct AppendError {
    pub(super) fault: Fault,
    /// Whether the segment can take the next append.
    pub(super) usable: bool,
}

/// 1,024 pieces: as many as the kernel takes in one call.
const PIECES: usize = 1024;

fn write_all(file: &mut File, mut pieces: &mut [IoSlice<'_>]) -> io::Result<()> {
    while !pieces.is_empty() {
        let at_once = pieces.len().min(PIECES);
        match file.write_vectored(&pieces[..at_once]) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut pieces, written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads all segments: of the newest every byte, since a crash may have torn its end; of the others the headers.
pub(super) fn recover(dir: &Path, archive: &Archive) -> Result<Recovered, Fault> {
    let numbers = numbers(dir).map_err(|error| unreadable(dir, &error))?;
    let mut recovery = Recovery { index: Index::default(), archive, archived: HashMap::new() };
    let mut last = None;
    for number in numbers.iter().copied() {
        let path = path(dir, number);
        let is_last = Some(&number) == numbers.last();
        let whole = recovery.walk(&path, number, is_last)?;
        let length = fs::metadata(&path).map_err(|error| unreadable(&path, &error))?.len();
        if is_last {
            if whole < length {
                tracing::warn!(file = %path.display(), cut_bytes = length - whole, "the end of the log was torn by a crash");
            }
            last = Some(Segment::reopen(dir, number, whole)?);
        } else if whole < length {
            // It is evidence, and what is lost may still be wanted out of it: it stays.
            recovery.index.keep_segment(number);
            tracing::error!(file = %path.display(), offset = whole, unread_bytes = length - whole, "stored log is damaged");
        }
    }
    for dead in recovery.index.take_dead_segments() {
        delete(dir, dead);
    }
    Ok(Recovered { index: recovery.index, last })
}

/// Removes a segment that nobody needs; one that cannot be removed only costs room, and the next start tries again.
pub(super) fn delete(dir: &Path, number: u32) {
    let path = path(dir, number);
    if let Err(error) = fs::remove_file(&path) {
        tracing::warn!(file = %path.display(), %error, "a log file that is no longer needed could not be removed");
    }
}

struct Recovery<'a> {
    index: Index,
    archive: &'a Archive,
    /// Whether a stream was archived: then its records are dead.
    archived: HashMap<ExecutionId, bool>,
}

impl Recovery<'_> {
    /// How many bytes of a segment are whole records.
    fn walk(&mut self, path: &Path, number: u32, check_frames: bool) -> Result<u64, Fault> {
        self.index.add_segment(number);
        let mut file =
            File::open(path).map(|file| BufReader::with_capacity(1 << 20, file)).map_err(|e| unreadable(path, &e))?;
        let mut offset = 0;
        while let Some(header) = next_record(&mut file, check_frames).map_err(|error| unreadable(path, &error))? {
            if !self.is_archived(header.execution)? {
                self.note_gap(path, &header);
                self.index.add_record(number, offset as u32, &header);
            }
            offset += header.record_bytes();
        }
        Ok(offset)
    }

    fn is_archived(&mut self, execution: ExecutionId) -> Result<bool, Fault> {
        if let Some(archived) = self.archived.get(&execution) {
            return Ok(*archived);
        }
        let archived = match self.archive.find(execution) {
            Ok(object) => object.is_some(),
            // It was reported; its records are still here, and better.
            Err(fault) if fault.reason == Reason::Internal => false,
            Err(fault) => return Err(fault),
        };
        self.archived.insert(execution, archived);
        Ok(archived)
    }

    fn note_gap(&self, path: &Path, header: &Header) {
        let expected = self.index.next_seq(header.execution).unwrap_or(0);
        if header.first_seq > expected {
            tracing::error!(
                file = %path.display(),
                execution = %header.execution,
                from_seq = expected,
                to_seq = header.first_seq,
                "frames of a stored log are missing"
            );
        }
    }
}

/// The next whole record's header; none at the end and at damage. Leaves the file after its frames.
fn next_record(file: &mut BufReader<File>, check_frames: bool) -> io::Result<Option<Header>> {
    let mut bytes = [0; HEADER];
    if !read_whole(file, &mut bytes)? {
        return Ok(None);
    }
    let Some(header) = Header::decode(&bytes) else { return Ok(None) };
    if check_frames {
        let mut frames = vec![0; header.length as usize];
        let whole = read_whole(file, &mut frames)? && crc32c::crc32c(&frames) == header.crc;
        return Ok(whole.then_some(header));
    }
    file.seek_relative(i64::from(header.length))?;
    Ok(Some(header))
}

/// Whether there were that many bytes.
fn read_whole(file: &mut impl Read, bytes: &mut [u8]) -> io::Result<bool> {
    match file.read_exact(bytes) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// In order.
fn numbers(dir: &Path) -> io::Result<Vec<u32>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        let number =
            name.to_str().and_then(|name| name.strip_suffix(".seg")).and_then(|number| number.parse::<u32>().ok());
        numbers.extend(number);
    }
    numbers.sort_unstable();
    Ok(numbers)
}
