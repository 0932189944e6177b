//! How records lie in the file. A frame is `length u32 | crc32c u32 | synced u64 | record as JSON`, little-endian; the
//! checksum covers length, synced and record. `synced` is the offset up to which the file was durable when the frame was
//! written: it tells a tail torn by a crash (nothing after it counted on it) from damage (something did).

use std::io;

use worker_core::{Memory, Record};

/// Bytes before a frame's record.
const FRAME: usize = 16;
/// First bytes of every journal; the number is the format's.
const MAGIC: &[u8; 8] = b"LSJRNL1\n";
/// Magic, id, checksum over both.
pub(super) const HEADER: usize = 8 + 32 + 4;

/// How a journal ends.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(super) enum Tail {
    /// With its last record.
    Clean,
    /// With bytes of a batch that never became durable.
    Torn,
    /// A record that was durable is unreadable.
    Damaged {
        /// Where, in bytes from the start.
        at: usize,
    },
}

/// A journal as it was found.
#[derive(Debug)]
pub(super) struct Replay {
    pub(super) id: String,
    pub(super) memory: Memory,
    pub(super) tail: Tail,
}

pub(super) fn header(id: &str) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(id.as_bytes());
    let sum = crc32c::crc32c(&bytes);
    bytes.extend_from_slice(&sum.to_le_bytes());
    bytes
}

/// Appends a record's frame.
pub(super) fn encode(frames: &mut Vec<u8>, synced: u64, record: &Record) -> io::Result<()> {
    let payload = serde_json::to_vec(record)?;
    let length = u32::try_from(payload.len()).map_err(io::Error::other)?;
    frames.extend_from_slice(&length.to_le_bytes());
    frames.extend_from_slice(&checksum(length, synced, &payload).to_le_bytes());
    frames.extend_from_slice(&synced.to_le_bytes());
    frames.extend_from_slice(&payload);
    Ok(())
}

/// Reads a whole journal; none if not even its header is sound.
pub(super) fn replay(bytes: &[u8]) -> Option<Replay> {
    let id = read_header(bytes)?;
    let mut memory = Memory::default();
    let mut at = HEADER;
    while let Some(frame) = Frame::read(bytes, at)
        && let Ok(record) = serde_json::from_slice(frame.payload)
    {
        memory.apply(record);
        at = frame.end;
    }
    Some(Replay { id, memory, tail: tail(bytes, at) })
}

fn read_header(bytes: &[u8]) -> Option<String> {
    let (covered, sum) = bytes.get(..HEADER)?.split_at(HEADER - 4);
    let sound = covered.starts_with(MAGIC) && crc32c::crc32c(covered).to_le_bytes() == sum;
    sound.then(|| String::from_utf8(covered[MAGIC.len()..].to_vec()).ok())?
}

fn tail(bytes: &[u8], end: usize) -> Tail {
    let rest = bytes.get(end..).unwrap_or_default();
    if rest.iter().all(|byte| *byte == 0) {
        return Tail::Clean;
    }
    // A sound frame further on that was written when this place was durable already.
    let counted_on =
        (end + 1..bytes.len()).any(|at| Frame::read(bytes, at).is_some_and(|frame| frame.synced > end as u64));
    if counted_on { Tail::Damaged { at: end } } else { Tail::Torn }
}

struct Frame<'a> {
    payload: &'a [u8],
    synced: u64,
    end: usize,
}

impl<'a> Frame<'a> {
    fn read(bytes: &'a [u8], at: usize) -> Option<Self> {
        let length = u32::from_le_bytes(array(bytes, at)?);
        let sum = u32::from_le_bytes(array(bytes, at + 4)?);
        let synced = u64::from_le_bytes(array(bytes, at + 8)?);
        // Cheap checks first: a search tries every offset.
        if length == 0 || synced > at as u64 {
            return None;
        }
        let end = (at + FRAME).checked_add(length as usize)?;
        let payload = bytes.get(at + FRAME..end)?;
        (checksum(length, synced, payload) == sum).then_some(Self { payload, synced, end })
    }
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

fn checksum(length: u32, synced: u64, payload: &[u8]) -> u32 {
    let sum = crc32c::crc32c(&length.to_le_bytes());
    crc32c::crc32c_append(crc32c::crc32c_append(sum, &synced.to_le_bytes()), payload)
}
