//! One attempt's stream on its way: what was sent, what was acknowledged.

use std::{collections::VecDeque, io, path::PathBuf};

use prost::{bytes::Bytes, encoding::encode_varint};
use proto::worker::EventBatch;
use shared::{id::ExecutionId, limits};

use crate::exec_dir::EventReader;

/// Reads one event file forward, at most 1 MiB ahead of what is acknowledged.
#[derive(Debug)]
pub(super) struct Tail {
    execution: ExecutionId,
    path: PathBuf,
    /// Opened at the first batch; none again after the coordinator asked for earlier frames.
    reader: Option<EventReader>,
    /// A frame that was read and did not fit its batch any more.
    left_over: Option<Vec<u8>>,
    next: u64,
    acknowledged: u64,
    in_flight: VecDeque<InFlight>,
    unacknowledged: usize,
    /// Whether there may be more in the file.
    may_have_more: bool,
    turns: u64,
}

#[derive(Debug)]
struct InFlight {
    end: u64,
    bytes: usize,
}

impl Tail {
    pub(super) fn new(execution: ExecutionId, path: PathBuf, from: u64) -> Self {
        Self {
            execution,
            path,
            reader: None,
            left_over: None,
            next: from,
            acknowledged: from,
            in_flight: VecDeque::new(),
            unacknowledged: 0,
            may_have_more: true,
            turns: 0,
        }
    }

    pub(super) fn execution(&self) -> ExecutionId {
        self.execution
    }

    /// How often it sent: the one that sent less is next.
    pub(super) fn turns(&self) -> u64 {
        self.turns
    }

    pub(super) fn may_send(&self) -> bool {
        self.may_have_more && self.unacknowledged + limits::BATCH_BYTES <= limits::UNACKED_BYTES
    }

    pub(super) fn grown(&mut self) {
        self.may_have_more = true;
    }

    /// The next frames, at most 512 KiB of them; none when there are no more for now.
    pub(super) fn next_batch(&mut self) -> io::Result<Option<EventBatch>> {
        // Looked for again only when the file grows.
        self.may_have_more = false;
        self.open()?;
        let Some(reader) = &mut self.reader else { return Ok(None) };
        let mut frames = Vec::new();
        let mut count = 0;
        if let Some(frame) = self.left_over.take() {
            append(&mut frames, &frame);
            count += 1;
        }
        while let Some(frame) = reader.read()? {
            if count > 0 && frames.len() + frame.len() > limits::BATCH_BYTES {
                self.left_over = Some(frame.to_vec());
                self.may_have_more = true;
                break;
            }
            append(&mut frames, frame);
            count += 1;
        }
        if count == 0 {
            return Ok(None);
        }
        Ok(Some(self.sent(frames, count)))
    }

    /// The coordinator lacks `next` and what follows it.
    pub(super) fn acknowledge(&mut self, next: u64) {
        if next > self.next {
            // Of a stream before this one; what is in flight will be answered too.
            return;
        }
        let is_progress = next > self.acknowledged;
        if !is_progress && !self.in_flight.is_empty() {
            return self.rewind(next);
        }
        self.acknowledged = next;
        while let Some(first) = self.in_flight.front()
            && first.end <= next
        {
            self.unacknowledged -= first.bytes;
            self.in_flight.pop_front();
        }
    }

    /// Sends from here: what was sent after it did not arrive.
    fn rewind(&mut self, next: u64) {
        let fresh = Self::new(self.execution, std::mem::take(&mut self.path), next);
        *self = Self { turns: self.turns, ..fresh };
    }

    fn open(&mut self) -> io::Result<()> {
        if self.reader.is_none() {
            let mut reader = EventReader::open(&self.path)?;
            if !reader.skip_to(self.next)? {
                // The coordinator has more than the file: there is nothing to send yet.
                return Ok(());
            }
            self.reader = Some(reader);
        }
        Ok(())
    }

    fn sent(&mut self, frames: Vec<u8>, count: u64) -> EventBatch {
        let first = self.next;
        self.next += count;
        self.turns += 1;
        self.unacknowledged += frames.len();
        self.in_flight.push_back(InFlight { end: self.next, bytes: frames.len() });
        EventBatch {
            execution_id: self.execution.to_string(),
            first_seq: i64::try_from(first).unwrap_or(i64::MAX),
            count: i32::try_from(count).unwrap_or(i32::MAX),
            crc32c: crc32c::crc32c(&frames),
            frames: Bytes::from(frames),
        }
    }
}

fn append(frames: &mut Vec<u8>, frame: &[u8]) {
    encode_varint(frame.len() as u64, frames);
    frames.extend_from_slice(frame);
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use proto::worker::{Frame, Log, frame::Body};
    use tempfile::TempDir;

    use super::*;
    use crate::exec_dir::EventWriter;

    fn push(writer: &mut EventWriter, numbers: std::ops::Range<u64>, size: usize) {
        for number in numbers {
            let data = format!("{number}:{}", "x".repeat(size)).into_bytes().into();
            writer.push(&Frame { time_ms: 1, body: Some(Body::Log(Log { source: 1, level: 2, data })) });
        }
        writer.flush().expect("written");
    }

    fn stream(size: usize, count: u64) -> (TempDir, EventWriter, Tail) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("events.log");
        let mut writer = EventWriter::create(&path).expect("a stream");
        push(&mut writer, 0..count, size);
        let tail = Tail::new(ExecutionId(uuid::Uuid::from_u128(1)), path, 0);
        (folder, writer, tail)
    }

    /// Numbers of the frames in a batch.
    fn numbers(batch: &EventBatch) -> Vec<u64> {
        let mut bytes = batch.frames.clone();
        assert_eq!(crc32c::crc32c(&bytes), batch.crc32c);
        let mut numbers = Vec::new();
        while !bytes.is_empty() {
            let Some(Body::Log(log)) = Frame::decode_length_delimited(&mut bytes).expect("a frame").body else {
                panic!("not a log frame")
            };
            let text = String::from_utf8_lossy(&log.data).into_owned();
            numbers.push(text.split(':').next().and_then(|number| number.parse().ok()).expect("a number"));
        }
        assert_eq!(numbers.len(), batch.count as usize);
        numbers
    }

    #[test]
    fn every_frame_is_sent_once_and_in_order_however_large() {
        let (_folder, _writer, mut tail) = stream(60_000, 100);
        let mut all = Vec::new();
        while tail.may_send() {
            let Some(batch) = tail.next_batch().expect("readable") else { break };
            assert_eq!(batch.first_seq as usize, all.len());
            assert!(batch.frames.len() <= limits::BATCH_BYTES + 60_100);
            all.extend(numbers(&batch));
            tail.acknowledge(all.len() as u64);
        }
        assert_eq!(all, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn no_more_than_a_mebibyte_is_on_its_way() {
        let (_folder, _writer, mut tail) = stream(60_000, 100);
        let mut sent = 0;
        while tail.may_send() {
            sent += tail.next_batch().expect("readable").expect("a batch").frames.len();
        }
        assert!(sent <= limits::UNACKED_BYTES + 60_100 && sent > limits::BATCH_BYTES, "{sent}");
    }

    #[test]
    fn what_did_not_arrive_is_sent_again_and_an_ordinary_acknowledgement_repeats_nothing() {
        let (_folder, _writer, mut tail) = stream(60_000, 16);
        let first = numbers(&tail.next_batch().expect("readable").expect("a batch"));
        let second = numbers(&tail.next_batch().expect("readable").expect("a batch"));
        tail.acknowledge(first.len() as u64);
        assert_eq!(tail.next, (first.len() + second.len()) as u64, "nothing is repeated");
        tail.acknowledge(first.len() as u64);
        assert_eq!(numbers(&tail.next_batch().expect("readable").expect("a batch"))[0], second[0]);
    }

    #[test]
    fn a_live_file_is_followed() {
        let (_folder, mut writer, mut tail) = stream(10, 3);
        assert_eq!(numbers(&tail.next_batch().expect("readable").expect("a batch")), [0, 1, 2]);
        assert!(!tail.may_send());
        push(&mut writer, 3..5, 10);
        tail.grown();
        assert!(tail.may_send());
        assert_eq!(numbers(&tail.next_batch().expect("readable").expect("a batch")), [3, 4]);
    }

    #[test]
    fn sending_begins_where_the_coordinator_says() {
        let (folder, _writer, _) = stream(10, 9);
        let mut tail = Tail::new(ExecutionId(uuid::Uuid::from_u128(1)), folder.path().join("events.log"), 7);
        assert_eq!(numbers(&tail.next_batch().expect("readable").expect("a batch")), [7, 8]);
    }
}
