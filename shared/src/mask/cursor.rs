//! Secrets with something in between that nobody sees: the colours of a terminal, or the end of a line where a long text was
//! wrapped.

use std::ops::Range;

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

/// Where the automaton would stand, had a secret that began not been interrupted.
pub(super) struct Cursor {
    node: Node,
    /// What was left out, in order, counted from where the owner counts.
    skipped: Vec<Range<usize>>,
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
    /// With an empty list to begin with.
    pub(super) fn new(node: Node, skipped: Vec<Range<usize>>) -> Self {
        Self { node, skipped }
    }

    /// Its list, emptied.
    pub(super) fn retired(mut self) -> Vec<Range<usize>> {
        self.skipped.clear();
        self.skipped
    }

    /// Goes on after an interruption. Answers whether the cursor is still of use: not when too much was left out already.
    pub(super) fn interrupted(&mut self, interruption: Interruption) -> bool {
        let Interruption::Within(place) = interruption else { return false };
        self.skipped.push(place);
        self.skipped.iter().map(ExactSizeIterator::len).sum::<usize>() <= limits::INTERRUPTION_BYTES
    }

    /// Walks through a text, and tells what ends in it. Answers whether the cursor is still of use.
    pub(super) fn follow(&mut self, automaton: &Automaton, text: &[u8], begins: usize, found: &mut Stretches) -> bool {
        for (offset, &byte) in text.iter().enumerate() {
            self.node = automaton.step(self.node, byte);
            let end = begins + offset + 1;
            self.forget_before(self.start(automaton, end));
            if self.skipped.is_empty() {
                return false;
            }
            let length = automaton.needle(self.node);
            if length > 0 {
                found.add(self.back(end, length)..end);
            }
        }
        true
    }

    /// Where what the cursor has seen of a secret begins.
    pub(super) fn start(&self, automaton: &Automaton, end: usize) -> usize {
        self.back(end, automaton.depth(self.node))
    }

    pub(super) fn shift(&mut self, offset: usize) {
        for skipped in &mut self.skipped {
            *skipped = skipped.start.saturating_sub(offset)..skipped.end.saturating_sub(offset);
        }
    }

    /// So many bytes back from a place, without those that were left out.
    fn back(&self, end: usize, mut length: usize) -> usize {
        let mut at = end;
        for skipped in self.skipped.iter().rev() {
            // One that is going on has no text behind it yet.
            let after = at.saturating_sub(skipped.end);
            if length <= after {
                break;
            }
            length -= after;
            at = skipped.start;
        }
        at.saturating_sub(length)
    }

    fn forget_before(&mut self, start: usize) {
        self.skipped.retain(|skipped| skipped.start > start);
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

    /// Where the one that is open begins.
    pub(super) fn begin(&self) -> Option<usize> {
        self.open.as_ref().map(|open| open.begin)
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
