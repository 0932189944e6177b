//! What is in memory about the streams that are not archived: where their records are, and who follows them.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use shared::id::ExecutionId;
use tokio::sync::watch;

use super::record::{HEADER, Header};

/// 64 KiB: records of a stream closer together than that share one entry, however small they are. What is read in vain for
/// that costs less than an entry for each line of a chatty script would.
const SPAN_BYTES: u32 = 64 << 10;

#[derive(Default)]
pub(super) struct Index {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    streams: HashMap<ExecutionId, Stream>,
    /// How many live streams have records in each segment; one more for one that must stay.
    segments: BTreeMap<u32, usize>,
}

struct Stream {
    spans: Vec<Span>,
    next: watch::Sender<u64>,
}

/// A piece of a segment with records of one stream; records of others may lie between them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Span {
    pub(super) segment: u32,
    pub(super) offset: u32,
    pub(super) length: u32,
    pub(super) first_seq: u64,
}

impl Index {
    /// A segment is there, with or without records.
    pub(super) fn add_segment(&self, segment: u32) {
        self.lock().segments.entry(segment).or_default();
    }

    /// A segment stays, even when no stream needs it.
    pub(super) fn keep_segment(&self, segment: u32) {
        *self.lock().segments.entry(segment).or_default() += 1;
    }

    /// A record is on disk. Followers learn of it.
    pub(super) fn add_record(&self, segment: u32, offset: u32, header: &Header) {
        let mut inner = self.lock();
        let Inner { streams, segments } = &mut *inner;
        let stream = streams.entry(header.execution).or_default();
        if stream.has(header) {
            return;
        }
        if stream.spans.last().is_none_or(|last| last.segment != segment) {
            *segments.entry(segment).or_default() += 1;
        }
        stream.add(segment, offset, header);
    }

    /// None for a stream that has no records here.
    pub(super) fn next_seq(&self, execution: ExecutionId) -> Option<u64> {
        self.lock()
            .streams
            .get(&execution)
            .filter(|stream| !stream.spans.is_empty())
            .map(|stream| *stream.next.borrow())
    }

    /// The pieces to read for the frames from `from_seq` on, until they make up `max_bytes`; and where the stream ends.
    pub(super) fn spans(&self, execution: ExecutionId, from_seq: u64, max_bytes: usize) -> Option<(Vec<Span>, u64)> {
        let inner = self.lock();
        let stream = inner.streams.get(&execution).filter(|stream| !stream.spans.is_empty())?;
        let first = stream.spans.partition_point(|span| span.first_seq <= from_seq).saturating_sub(1);
        let mut bytes = 0;
        let spans = stream.spans[first..].iter().copied().take_while(|span| {
            let wanted = bytes <= max_bytes;
            bytes += span.length as usize;
            wanted
        });
        Some((spans.collect(), *stream.next.borrow()))
    }

    /// Follows a stream, also one that has not begun.
    pub(super) fn subscribe(&self, execution: ExecutionId) -> watch::Receiver<u64> {
        let mut inner = self.lock();
        if !inner.streams.contains_key(&execution) {
            // Streams that were followed and never began would otherwise stay for ever.
            inner.streams.retain(|_, stream| !stream.is_idle());
        }
        inner.streams.entry(execution).or_default().next.subscribe()
    }

    /// Forgets a stream, which closes it for its followers. Answers with the segments that nobody needs any more, except
    /// the newest, which is being written.
    pub(super) fn remove(&self, execution: ExecutionId) -> Vec<u32> {
        let mut inner = self.lock();
        let Some(stream) = inner.streams.remove(&execution) else { return Vec::new() };
        let mut touched: Vec<u32> = stream.spans.iter().map(|span| span.segment).collect();
        touched.dedup();
        for segment in touched {
            if let Some(live) = inner.segments.get_mut(&segment) {
                *live = live.saturating_sub(1);
            }
        }
        inner.take_dead_segments()
    }

    /// Forgets the segments that nobody needs, except the newest.
    pub(super) fn take_dead_segments(&self) -> Vec<u32> {
        self.lock().take_dead_segments()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every change is whole before anything in it can panic.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn take_dead_segments(&mut self) -> Vec<u32> {
        let Some(newest) = self.segments.keys().next_back().copied() else { return Vec::new() };
        let dead: Vec<u32> =
            self.segments.iter().filter(|(number, live)| **number != newest && **live == 0).map(|(n, _)| *n).collect();
        for segment in &dead {
            self.segments.remove(segment);
        }
        dead
    }
}

impl Stream {
    fn add(&mut self, segment: u32, offset: u32, header: &Header) {
        let length = header.length + HEADER as u32;
        let near =
            self.spans.last_mut().filter(|last| last.segment == segment && offset + length - last.offset <= SPAN_BYTES);
        match near {
            Some(last) => last.length = offset + length - last.offset,
            // A record may begin with frames that are known; spans stay in order.
            None => {
                let first_seq = header.first_seq.max(*self.next.borrow());
                self.spans.push(Span { segment, offset, length, first_seq });
            }
        }
        self.next.send_replace(header.end_seq());
    }

    /// Whether all of a record is known: a sync that failed may leave records that were written again elsewhere.
    fn has(&self, header: &Header) -> bool {
        header.end_seq() <= *self.next.borrow()
    }

    fn is_idle(&self) -> bool {
        self.spans.is_empty() && self.next.receiver_count() == 0
    }
}

impl Default for Stream {
    fn default() -> Self {
        Self { spans: Vec::new(), next: watch::Sender::new(0) }
    }
}
