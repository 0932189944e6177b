//! The thread that appends. It takes everything that waits, writes it to the newest segment and syncs once.

use std::{
    collections::{HashMap, VecDeque},
    io::IoSlice,
    path::PathBuf,
    sync::Arc,
};

use prost::bytes::Bytes;
use shared::{
    id::ExecutionId,
    limits,
    reason::{Fault, Reason},
};
use tokio::sync::{mpsc, oneshot};

use super::{
    Appended, WAITING_APPENDS, frames,
    index::Index,
    reader::Reader,
    record::{HEADER, Header},
    segment::{self, SEGMENT_BYTES, Segment},
};

/// 1 MiB of stored frames at a time, when an overlap is compared.
const COMPARED_BYTES: usize = 1 << 20;

/// Frames of one stream, and who waits for them.
pub(super) struct Append {
    pub(super) execution: ExecutionId,
    pub(super) first_seq: u64,
    pub(super) count: u32,
    pub(super) frames: Bytes,
    pub(super) caller: oneshot::Sender<Result<Appended, Fault>>,
}

pub(super) struct Writer {
    dir: PathBuf,
    index: Arc<Index>,
    reader: Arc<Reader>,
    /// None until the first append, and after a failed sync.
    segment: Option<Segment>,
    newest: u32,
}

/// What one sync carries.
#[derive(Default)]
struct Round {
    records: Vec<Record>,
    /// Where the streams of `records` will stand.
    next: HashMap<ExecutionId, u64>,
    answers: Vec<(oneshot::Sender<Result<Appended, Fault>>, u64)>,
}

struct Record {
    header: Header,
    encoded: [u8; HEADER],
    frames: Bytes,
}

/// What is to be done with an append.
enum Place {
    /// Store the frames from this offset on, the first of which is next.
    Store { next_seq: u64, offset: usize, count: u32 },
    /// Nothing of it is new, or frames before it are lacking.
    Drop { next_seq: u64 },
    /// It overlaps what this round has not written yet.
    Later,
}

impl Writer {
    pub(super) fn new(dir: PathBuf, index: Arc<Index>, reader: Arc<Reader>, segment: Option<Segment>) -> Self {
        let newest = segment.as_ref().map_or(0, |segment| segment.number);
        Self { dir, index, reader, segment, newest }
    }

    /// Appends until the queue closes.
    pub(super) fn run(mut self, mut queue: mpsc::Receiver<Append>) {
        let mut waiting = Vec::with_capacity(WAITING_APPENDS);
        while queue.blocking_recv_many(&mut waiting, WAITING_APPENDS) > 0 {
            let mut waiting: VecDeque<Append> = waiting.drain(..).collect();
            while !waiting.is_empty() {
                let round = self.plan(&mut waiting);
                self.perform(round);
            }
        }
    }

    /// Takes from the front what can share a sync.
    fn plan(&self, waiting: &mut VecDeque<Append>) -> Round {
        let mut round = Round::default();
        while let Some(append) = waiting.pop_front() {
            match self.place(&round, &append) {
                Ok(Place::Later) => {
                    waiting.push_front(append);
                    break;
                }
                Ok(Place::Drop { next_seq }) => round.answers.push((append.caller, next_seq)),
                Ok(Place::Store { next_seq, offset, count }) => round.add(append, next_seq, offset, count),
                // Its caller may be gone.
                Err(fault) => drop(append.caller.send(Err(fault))),
            }
        }
        round
    }

    fn place(&self, round: &Round, append: &Append) -> Result<Place, Fault> {
        if append.frames.len() > limits::MESSAGE_BYTES {
            return Err(append.invalid("it is larger than a message may be"));
        }
        let count = frames::count(&append.frames).map_err(|error| append.invalid(&error.to_string()))?;
        if count != u64::from(append.count) {
            return Err(append.invalid(&format!("it holds {count} frames")));
        }
        let end_seq = append.first_seq.checked_add(count).ok_or_else(|| append.invalid("its sequence has no end"))?;
        let pending = round.next.get(&append.execution).copied();
        let next_seq = pending.map_or_else(|| self.reader.next_seq(append.execution), Ok)?;
        if append.first_seq > next_seq {
            return Ok(Place::Drop { next_seq });
        }
        if append.first_seq == next_seq {
            return self.place_new(append, next_seq, 0);
        }
        if pending.is_some() {
            return Ok(Place::Later);
        }
        let known = end_seq.min(next_seq) - append.first_seq;
        self.compare(append, known)?;
        let offset = frames::offset_after(&append.frames, known).map_err(|error| append.invalid(&error.to_string()))?;
        self.place_new(append, next_seq, offset)
    }

    /// What begins at `offset` is next in its stream.
    fn place_new(&self, append: &Append, next_seq: u64, offset: usize) -> Result<Place, Fault> {
        if offset == append.frames.len() {
            return Ok(Place::Drop { next_seq });
        }
        if next_seq > 0
            && self.index.next_seq(append.execution).is_none()
            && self.reader.is_archived(append.execution)?
        {
            return Err(append.contradicts("its stream was complete, and now it goes on"));
        }
        let skipped = next_seq - append.first_seq;
        Ok(Place::Store { next_seq, offset, count: append.count - skipped as u32 })
    }

    /// The first `known` frames are stored already: they must be the same.
    fn compare(&self, append: &Append, known: u64) -> Result<(), Fault> {
        let mut sent = frames::Frames::of(&append.frames);
        let mut seq = append.first_seq;
        let end = append.first_seq + known;
        while seq < end {
            let stored = self.reader.read(append.execution, seq, COMPARED_BYTES)?;
            if stored.is_empty() {
                return Err(append.contradicts("frames that were acknowledged are not there"));
            }
            for (_, frame) in stored.into_iter().take((end - seq) as usize) {
                let place = sent.next().and_then(Result::ok).unwrap_or_default();
                if append.frames[place] != frame {
                    return Err(append.contradicts(&format!("frame {seq} is stored with other bytes")));
                }
                seq += 1;
            }
        }
        Ok(())
    }

    fn perform(&mut self, round: Round) {
        let written = self.write(&round.records);
        for (caller, next_seq) in round.answers {
            // Its caller may be gone; what is stored stays stored.
            let _ = caller.send(written.clone().map(|()| Appended { next_seq }));
        }
    }

    fn write(&mut self, records: &[Record]) -> Result<(), Fault> {
        if records.is_empty() {
            return Ok(());
        }
        let segment = self.segment_with_room()?;
        let (number, mut offset) = (segment.number, segment.length);
        let mut pieces: Vec<IoSlice<'_>> =
            records.iter().flat_map(|record| [IoSlice::new(&record.encoded), IoSlice::new(&record.frames)]).collect();
        if let Err(failed) = segment.append(&mut pieces) {
            tracing::error!(error = %failed.fault, "the log could not be written");
            if !failed.usable {
                self.segment = None;
            }
            return Err(failed.fault);
        }
        for record in records {
            self.index.add_record(number, offset as u32, &record.header);
            offset += record.header.record_bytes();
        }
        Ok(())
    }

    fn segment_with_room(&mut self) -> Result<&mut Segment, Fault> {
        let segment = match self.segment.take().filter(|segment| segment.length < SEGMENT_BYTES) {
            Some(segment) => segment,
            None => self.begin_segment()?,
        };
        Ok(self.segment.insert(segment))
    }

    fn begin_segment(&mut self) -> Result<Segment, Fault> {
        // A number is never used twice, not even after a failure.
        self.newest += 1;
        let segment = Segment::create(&self.dir, self.newest)?;
        self.index.add_segment(segment.number);
        for dead in self.index.take_dead_segments() {
            segment::delete(&self.dir, dead);
        }
        Ok(segment)
    }
}

impl Round {
    fn add(&mut self, append: Append, next_seq: u64, offset: usize, count: u32) {
        let frames = append.frames.slice(offset..);
        let header = Header {
            execution: append.execution,
            first_seq: next_seq,
            count,
            length: frames.len() as u32,
            crc: crc32c::crc32c(&frames),
        };
        self.next.insert(append.execution, header.end_seq());
        self.answers.push((append.caller, header.end_seq()));
        self.records.push(Record { header, encoded: header.encode(), frames });
    }
}

impl Append {
    fn invalid(&self, why: &str) -> Fault {
        Fault::new(
            Reason::InvalidArgument,
            format!("A batch of {} frames of attempt {} was refused: {why}.", self.count, self.execution),
        )
    }

    fn contradicts(&self, why: &str) -> Fault {
        let fault = Fault::new(
            Reason::Internal,
            format!(
                "The log of attempt {} does not agree with what its worker sends from frame {} on: {why}. Nothing was changed; keep the worker's folder of this attempt and compare.",
                self.execution, self.first_seq
            ),
        );
        tracing::error!(error = %fault, execution = %self.execution, "a worker's log contradicts the stored one");
        fault
    }
}
