//! Reads streams, wherever they are.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use prost::bytes::Bytes;
use shared::{id::ExecutionId, reason::Fault};
use tokio::sync::watch;

use super::{
    archive::Archive,
    error::{damaged, unreadable},
    frames::Frames,
    index::{Index, Span},
    record::{HEADER, Header},
    segment,
};

pub(super) struct Reader {
    dir: PathBuf,
    index: Arc<Index>,
    archive: Archive,
}

/// Frames with their sequences, and when to stop.
pub(super) struct Page {
    pub(super) frames: Vec<(u64, Bytes)>,
    /// The next frame wanted.
    pub(super) next_seq: u64,
    bytes_left: usize,
}

impl Reader {
    pub(super) fn new(dir: PathBuf, index: Arc<Index>, archive: Archive) -> Self {
        Self { dir, index, archive }
    }

    pub(super) fn next_seq(&self, execution: ExecutionId) -> Result<u64, Fault> {
        if let Some(next_seq) = self.index.next_seq(execution) {
            return Ok(next_seq);
        }
        // A stream leaves the index only after its archive is there, so it is never in neither.
        Ok(self.archive.find(execution)?.map_or(0, |object| object.final_seq()))
    }

    pub(super) fn is_archived(&self, execution: ExecutionId) -> Result<bool, Fault> {
        Ok(self.archive.find(execution)?.is_some())
    }

    pub(super) fn subscribe(&self, execution: ExecutionId) -> Result<watch::Receiver<u64>, Fault> {
        if self.index.next_seq(execution).is_none()
            && let Some(object) = self.archive.find(execution)?
        {
            // Without its sender the receiver is closed, which says that no more comes.
            return Ok(watch::Sender::new(object.final_seq()).subscribe());
        }
        Ok(self.index.subscribe(execution))
    }

    pub(super) fn read(
        &self,
        execution: ExecutionId,
        from_seq: u64,
        max_bytes: usize,
    ) -> Result<Vec<(u64, Bytes)>, Fault> {
        let mut page = Page { frames: Vec::new(), next_seq: from_seq, bytes_left: max_bytes.max(1) };
        if let Some((spans, end_seq)) = self.index.spans(execution, from_seq, max_bytes)
            && self.read_spans(execution, &spans, end_seq, &mut page)?
        {
            return Ok(page.frames);
        }
        if let Some(object) = self.archive.find(execution)? {
            object.read(&mut page)?;
        }
        Ok(page.frames)
    }

    /// False when a segment is gone: the stream was archived meanwhile.
    fn read_spans(&self, execution: ExecutionId, spans: &[Span], end_seq: u64, page: &mut Page) -> Result<bool, Fault> {
        let mut open: Option<(u32, PathBuf, File)> = None;
        for span in spans {
            if page.is_full() || page.next_seq >= end_seq {
                break;
            }
            if open.as_ref().is_none_or(|(number, ..)| *number != span.segment) {
                let path = segment::path(&self.dir, span.segment);
                match File::open(&path) {
                    Ok(file) => open = Some((span.segment, path, file)),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
                    Err(error) => return Err(unreadable(&path, &error)),
                }
            }
            if let Some((_, path, file)) = &open {
                read_span(execution, file, path, span, page)?;
            }
        }
        if page.frames.is_empty() && page.next_seq < end_seq {
            let what = format!("frame {} of attempt {execution} is in none of its files", page.next_seq);
            return Err(damaged(&self.dir, &what));
        }
        Ok(true)
    }
}

fn read_span(execution: ExecutionId, file: &File, path: &Path, span: &Span, page: &mut Page) -> Result<(), Fault> {
    let mut bytes = vec![0; span.length as usize];
    file.read_exact_at(&mut bytes, u64::from(span.offset)).map_err(|error| unreadable(path, &error))?;
    let bytes = Bytes::from(bytes);
    let mut at = 0;
    while at < bytes.len() && !page.is_full() {
        let place = u64::from(span.offset) + at as u64;
        let header =
            Header::decode(&bytes[at..]).ok_or_else(|| damaged(path, &format!("no record begins at byte {place}")))?;
        let start = at + HEADER;
        at = start + header.length as usize;
        if header.execution != execution || header.end_seq() <= page.next_seq {
            continue;
        }
        let frames =
            bytes.get(start..at).ok_or_else(|| damaged(path, &format!("the record at byte {place} is cut off")))?;
        if crc32c::crc32c(frames) != header.crc {
            return Err(damaged(path, &format!("the record at byte {place} has another checksum")));
        }
        page.take(path, header.first_seq, &bytes.slice(start..at))?;
    }
    Ok(())
}

impl Page {
    /// Everything there is.
    pub(super) fn is_full(&self) -> bool {
        self.bytes_left == 0
    }

    /// Takes the wanted ones of frames that stand in a row, the first of which has `first_seq`.
    pub(super) fn take(&mut self, path: &Path, first_seq: u64, frames: &Bytes) -> Result<(), Fault> {
        if first_seq > self.next_seq {
            let last = first_seq - 1;
            return Err(damaged(
                path,
                &format!("frames {} to {last} of a stream are missing before it", self.next_seq),
            ));
        }
        for (seq, place) in (first_seq..).zip(Frames::of(frames)) {
            let place = place.map_err(|error| damaged(path, &error.to_string()))?;
            if seq < self.next_seq {
                continue;
            }
            if self.is_full() {
                break;
            }
            self.bytes_left = self.bytes_left.saturating_sub(place.len().max(1));
            self.frames.push((seq, frames.slice(place)));
            self.next_seq = seq + 1;
        }
        Ok(())
    }
}
