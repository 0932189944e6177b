//! A record of a segment: a header, then the frames of one append.
//!
//! ```text
//! u32 crc32c of the header's rest | u32 crc32c of the frames | 16 execution | u64 first_seq | u32 count | u32 length | frames
//! ```
//! All little-endian. The header has a checksum of its own, so that a segment can be walked without reading the frames.

use shared::id::ExecutionId;
use uuid::Uuid;

/// Bytes of a header.
pub(super) const HEADER: usize = 40;

/// 16 MiB: more than any message; a longer length is damage.
const LONGEST: u32 = 16 << 20;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Header {
    pub(super) execution: ExecutionId,
    pub(super) first_seq: u64,
    pub(super) count: u32,
    /// Bytes of its frames.
    pub(super) length: u32,
    /// Of its frames.
    pub(super) crc: u32,
}

impl Header {
    pub(super) fn encode(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[4..8].copy_from_slice(&self.crc.to_le_bytes());
        bytes[8..24].copy_from_slice(self.execution.0.as_bytes());
        bytes[24..32].copy_from_slice(&self.first_seq.to_le_bytes());
        bytes[32..36].copy_from_slice(&self.count.to_le_bytes());
        bytes[36..40].copy_from_slice(&self.length.to_le_bytes());
        let own = crc32c::crc32c(&bytes[4..]);
        bytes[..4].copy_from_slice(&own.to_le_bytes());
        bytes
    }

    /// None when the bytes are not a header.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (own, rest) = bytes.get(..HEADER)?.split_first_chunk()?;
        if u32::from_le_bytes(*own) != crc32c::crc32c(rest) {
            return None;
        }
        let (crc, rest) = rest.split_first_chunk()?;
        let (execution, rest) = rest.split_first_chunk()?;
        let (first_seq, rest) = rest.split_first_chunk()?;
        let (count, rest) = rest.split_first_chunk()?;
        let length = u32::from_le_bytes(*rest.first_chunk()?);
        (length <= LONGEST).then_some(Self {
            execution: ExecutionId(Uuid::from_bytes(*execution)),
            first_seq: u64::from_le_bytes(*first_seq),
            count: u32::from_le_bytes(*count),
            length,
            crc: u32::from_le_bytes(*crc),
        })
    }

    /// Bytes of the whole record.
    pub(super) const fn record_bytes(&self) -> u64 {
        HEADER as u64 + self.length as u64
    }

    pub(super) const fn end_seq(&self) -> u64 {
        self.first_seq + self.count as u64
    }
}
