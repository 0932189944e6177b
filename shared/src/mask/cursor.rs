//! Secrets with something in between that nobody sees: the colours of a terminal, or the end of a line where a long text was
//! wrapped.

use std::{collections::VecDeque, ops::Range};

use super::{
    automaton::{Automaton, Node},
    stretches::Stretches,
};
use crate::limits;

/// 8 bytes of a secret must stand before the end of a line, so that it counts as wrapped there.
const WRAPPED: usize = 8;
/// 32 bytes: the longest sequence of a terminal that is taken for a colour.
const SEQUENCE_BYTES: usize = 32;
const ESCAPE: u8 = 0x1b;

/// Where the automaton would stand, had a secret that began not been interrupted. Each byte and each interruption is looked at a fixed
/// number of times, however many there are.
pub(super) struct Cursor {
    node: Node,
    /// Where what it has seen of a secret begins, counted from where the owner counts.
    start: usize,
    /// What was left out since, in order.
    skipped: VecDeque<Range<usize>>,
    /// How many bytes that is.
    left_out: usize,
}

/// What bytes that may interrupt a secret turned out to be.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Interruption {
    /// They are no part of a secret, and may stand in it.
    Within(Range<usize>),
    /// No secret goes on over them: an empty line, or no sequence of a terminal.
    End,
}

/// Finds where an interruption ends.
#[derive(Default)]
pub(super) struct Interruptions {
    open: Option<Open>,
    /// Where the last end of a line ended.
    line: Option<usize>,
}

struct Open {
    begin: usize,
    length: usize,
    kind: Kind,
    done: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A carriage return, a line feed.
    LineEnd,
    /// After an escape.
    Escape,
    /// After an escape and `[`.
    Sequence,
    /// No interruption after all.
    None,
}

impl Cursor {
    /// At the end of so much of a secret, with an empty list to begin with.
    pub(super) fn new(node: Node, start: usize, skipped: VecDeque<Range<usize>>) -> Self {
        Self { node, start, skipped, left_out: 0 }
    }

    /// Its list, emptied.
    pub(super) fn retired(mut self) -> VecDeque<Range<usize>> {
        self.skipped.clear();
        self.skipped
    }

    /// Where what it has seen of a secret begins.
    pub(super) fn start(&self) -> usize {
        self.start
    }

    /// Goes on after an interruption. Answers whether the cursor is still of use: not when too much was left out already.
    pub(super) fn interrupted(&mut self, interruption: Interruption) -> bool {
        let Interruption::Within(place) = interruption else { return false };
        self.left_out += place.len();
        self.skipped.push_back(place);
        self.left_out <= limits::INTERRUPTION_BYTES
    }

    /// Walks through a text, and tells what ends in it. Answers whether the cursor is still of use.
    pub(super) fn follow(&mut self, automaton: &Automaton, text: &[u8], begins: usize, found: &mut Stretches) -> bool {
        for (offset, &byte) in text.iter().enumerate() {
            let before = automaton.depth(self.node);
            self.node = automaton.step(self.node, byte);
            let depth = automaton.depth(self.node);
            self.forget(before + 1 - depth);
            if self.skipped.is_empty() {
                return false;
            }
            let (end, length) = (begins + offset + 1, automaton.needle(self.node));
            if length > 0 {
                found.add(if length == depth { self.start } else { self.back(end, length) }..end);
            }
        }
        true
    }

    pub(super) fn shift(&mut self, offset: usize) {
        self.start = self.start.saturating_sub(offset);
        for skipped in &mut self.skipped {
            *skipped = skipped.start.saturating_sub(offset)..skipped.end.saturating_sub(offset);
        }
    }

    /// So many bytes at the beginning are no part of a secret any more, nor what was left out among them.
    fn forget(&mut self, mut bytes: usize) {
        while let Some(skipped) = self.skipped.front() {
            let text = skipped.start - self.start;
            if bytes < text {
                break;
            }
            bytes -= text;
            self.start = skipped.end;
            self.left_out -= skipped.len();
            self.skipped.pop_front();
        }
        self.start += bytes;
    }

    /// So many bytes back from a place, without those that were left out.
    fn back(&self, end: usize, mut length: usize) -> usize {
        let mut at = end;
        for skipped in self.skipped.iter().rev() {
            let after = at - skipped.end;
            if length <= after {
                break;
            }
            length -= after;
            at = skipped.start;
        }
        at - length
    }
}

/// How much of a secret must stand before a byte, so that it may interrupt it.
pub(super) fn least(byte: u8) -> usize {
    if byte == ESCAPE { 1 } else { WRAPPED }
}

impl Interruptions {
    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    pub(super) fn open(&mut self, byte: u8, at: usize) {
        let kind = if byte == ESCAPE { Kind::Escape } else { Kind::LineEnd };
        self.open = Some(Open { begin: at, length: 0, kind, done: false });
    }

    /// How many of these bytes belong to it.
    pub(super) fn go_on(&mut self, input: &[u8]) -> usize {
        let Some(open) = &mut self.open else { return 0 };
        let mut taken = 0;
        while taken < input.len() && !open.done {
            if open.take(input[taken]) {
                taken += 1;
            }
        }
        taken
    }

    /// What it was, if it has ended before a place.
    pub(super) fn close(&mut self, at: usize) -> Option<Interruption> {
        let open = self.open.take_if(|open| open.done)?;
        let is_line_end = open.kind == Kind::LineEnd;
        // Floods of empty lines hold nothing back.
        let is_empty_line = is_line_end && self.line == Some(open.begin);
        self.line = is_line_end.then_some(at);
        let is_none = open.kind == Kind::None || is_empty_line;
        Some(if is_none { Interruption::End } else { Interruption::Within(open.begin..at) })
    }

    pub(super) fn shift(&mut self, offset: usize) {
        if let Some(open) = &mut self.open {
            open.begin = open.begin.saturating_sub(offset);
        }
        self.line = self.line.and_then(|line| line.checked_sub(offset));
    }
}

impl Open {
    /// Takes a byte, or ends before it.
    fn take(&mut self, byte: u8) -> bool {
        let (kind, belongs, done) = match (self.kind, self.length, byte) {
            (Kind::LineEnd, 0, b'\n') => (Kind::LineEnd, true, true),
            (Kind::LineEnd, 0, _) => (Kind::LineEnd, true, false),
            (Kind::LineEnd, _, b'\n') => (Kind::LineEnd, true, true),
            (Kind::LineEnd, ..) => (Kind::LineEnd, false, true),
            (Kind::Escape, 0, _) => (Kind::Escape, true, false),
            (Kind::Escape, 1, b'[') => (Kind::Sequence, true, false),
            (Kind::Escape, _, b' '..=b'/') => (Kind::Escape, true, false),
            (Kind::Escape, _, b'0'..=b'~') => (Kind::Escape, true, true),
            (Kind::Sequence, _, b' '..=b'?') => (Kind::Sequence, true, false),
            (Kind::Sequence, _, b'@'..=b'~') => (Kind::Sequence, true, true),
            _ => (Kind::None, false, true),
        };
        self.length += usize::from(belongs);
        self.kind = if self.length > SEQUENCE_BYTES { Kind::None } else { kind };
        self.done = done || self.kind == Kind::None;
        belongs
    }
}
