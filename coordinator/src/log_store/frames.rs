//! Length-delimited frames in a row, and the digest that chains them.

use std::ops::Range;

use aws_lc_rs::digest::{Context, SHA256};
use prost::encoding::decode_varint;

/// The bytes do not end where their frames do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the bytes are not whole length-delimited frames")]
pub(super) struct Malformed;

/// Where each frame is: the range of its own bytes, without its length before it.
pub(super) struct Frames<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Frames<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    fn advance(&mut self) -> Result<Range<usize>, Malformed> {
        let mut rest = self.bytes.get(self.at..).ok_or(Malformed)?;
        let length = decode_varint(&mut rest).map_err(|_| Malformed)?;
        let start = self.bytes.len() - rest.len();
        let length = usize::try_from(length).map_err(|_| Malformed)?;
        let end = start.checked_add(length).filter(|end| *end <= self.bytes.len()).ok_or(Malformed)?;
        self.at = end;
        Ok(start..end)
    }
}

impl Iterator for Frames<'_> {
    type Item = Result<Range<usize>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at == self.bytes.len() {
            return None;
        }
        let frame = self.advance();
        if frame.is_err() {
            // Nothing after it can be told apart.
            self.at = self.bytes.len();
        }
        Some(frame)
    }
}

/// How many frames there are.
pub(super) fn count(bytes: &[u8]) -> Result<u64, Malformed> {
    Frames::of(bytes).try_fold(0, |count, frame| frame.map(|_| count + 1))
}

/// Where the frame after the first `skipped` begins, with its length.
pub(super) fn offset_after(bytes: &[u8], skipped: u64) -> Result<usize, Malformed> {
    let mut frames = Frames::of(bytes);
    for _ in 0..skipped {
        frames.next().ok_or(Malformed)??;
    }
    Ok(frames.at)
}

/// The digest before the first frame.
pub(super) const EMPTY: [u8; 32] = [0; 32];

/// The digest after one more frame.
pub(super) fn chain(before: &[u8; 32], frame: &[u8]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    context.update(before);
    context.update(frame);
    let mut after = EMPTY;
    after.copy_from_slice(context.finish().as_ref());
    after
}
