//! The text of one of the child's streams: masked, cut into frames at newlines, and never kept waiting for long.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use proto::deployment::log_frame::{Level, Source};
use shared::{
    limits,
    mask::{MaskStream, Masker},
};

use super::log::Log;

/// A frame's text, so that the frame with its other fields is within [`limits::FRAME_BYTES`].
const LONGEST: usize = limits::FRAME_BYTES - 64;

/// 200 ms: a prompt or a row of dots shows up although its line has not ended.
const IDLE: Duration = Duration::from_millis(200);

/// One stream of text.
pub(super) struct Text {
    source: Source,
    level: Level,
    mask: MaskStream,
    /// Masked and not yet in a frame: the beginning of a line.
    line: Vec<u8>,
    /// When bytes came last.
    last: Option<Instant>,
}

impl Text {
    pub(super) fn new(source: Source, level: Level, masker: &Arc<Masker>) -> Self {
        Self { source, level, mask: MaskStream::new(Arc::clone(masker)), line: Vec::new(), last: None }
    }

    /// Takes bytes; frames of whole lines go to the log.
    pub(super) fn push(&mut self, bytes: &[u8], log: &mut Log) {
        self.mask.push(bytes, &mut self.line);
        self.last = Some(Instant::now());
        self.cut(log, false);
    }

    /// Puts the beginning of a line into a frame when nothing came for a while. What may be the beginning of a secret
    /// stays: a secret written in two halves must not get out by its slowness.
    pub(super) fn flush_idle(&mut self, now: Instant, log: &mut Log) {
        if self.idle_deadline().is_some_and(|deadline| now >= deadline) {
            self.cut(log, true);
        }
    }

    /// When [`Self::flush_idle`] has something to do.
    pub(super) fn idle_deadline(&self) -> Option<Instant> {
        self.last.filter(|_| !self.line.is_empty()).map(|last| last + IDLE)
    }

    /// What follows is of another level.
    pub(super) fn set_level(&mut self, level: Level, log: &mut Log) {
        if self.level != level {
            self.finish(log);
            self.level = level;
        }
    }

    /// What follows, and what is held back, is masked by another masker.
    pub(super) fn set_masker(&mut self, masker: &Arc<Masker>) {
        self.mask.switch(Arc::clone(masker));
    }

    /// Everything that is here goes to the log.
    pub(super) fn finish(&mut self, log: &mut Log) {
        self.mask.finish(&mut self.line);
        self.cut(log, true);
    }

    fn cut(&mut self, log: &mut Log, partial: bool) {
        let mut at = 0;
        while let Some(length) = next_frame(&self.line[at..], partial) {
            log.text(self.source, self.level, &self.line[at..at + length]);
            at += length;
        }
        self.line.drain(..at);
    }
}

/// Length of the next frame: as many whole lines as fit, or a piece of a line that does not.
fn next_frame(text: &[u8], partial: bool) -> Option<usize> {
    let window = &text[..text.len().min(LONGEST)];
    if let Some(newline) = memchr::memrchr(b'\n', window) {
        return Some(newline + 1);
    }
    if text.len() > LONGEST {
        return Some(before_broken_character(window));
    }
    (partial && !text.is_empty()).then_some(text.len())
}

/// Not through the middle of a UTF-8 character, if these are UTF-8 characters.
fn before_broken_character(window: &[u8]) -> usize {
    let is_continuation = |byte: &u8| byte & 0xC0 == 0x80;
    let tail = window.iter().rev().take_while(|byte| is_continuation(byte)).count();
    let start = window.len().saturating_sub(tail + 1);
    if tail < 4 && start > 0 && window[start] >= 0xC0 { start } else { window.len() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_whole_lines_and_long_lines_are_cut_between_characters() {
        assert_eq!(next_frame(b"one\ntwo\nthr", false), Some(8));
        assert_eq!(next_frame(b"thr", false), None);
        assert_eq!(next_frame(b"thr", true), Some(3));
        assert_eq!(next_frame(b"", true), None);
        let mut long = vec![b'x'; LONGEST - 1];
        long.extend("é and more".bytes());
        assert_eq!(next_frame(&long, false), Some(LONGEST - 1));
        assert_eq!(next_frame(&vec![0x80; LONGEST + 1], false), Some(LONGEST), "no UTF-8: cut anywhere");
    }
}
