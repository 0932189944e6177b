//! Masking of a stream that comes in pieces.

use std::{collections::VecDeque, fmt, mem, ops::Range, sync::Arc};

use memchr::memchr3;

use super::{
    MASK, Masker,
    automaton::{Automaton, Node},
    cursor::{Cursor, Interruptions, least},
    stretches::Stretches,
};

/// One stream on its way through a [`Masker`]. Bytes are held back only while they may be the beginning of a secret,
/// at most [`limits::NEEDLE_BYTES`](crate::limits::NEEDLE_BYTES) and [`limits::INTERRUPTION_BYTES`](crate::limits::INTERRUPTION_BYTES),
/// and for as long as that takes: letting them go after a while would print a secret that is written in two halves.
pub struct MaskStream {
    masker: Arc<Masker>,
    pending: Pending,
}

impl MaskStream {
    /// A stream from its beginning.
    #[must_use]
    pub fn new(masker: Arc<Masker>) -> Self {
        Self { masker, pending: Pending::default() }
    }

    /// Takes the next piece, and appends to `out` what is certain.
    pub fn push(&mut self, input: &[u8], out: &mut Vec<u8>) {
        self.pending.push(&self.masker, input, out);
    }

    /// The stream ended: appends what was held back. The next piece begins a new stream.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        self.pending.finish(out);
    }

    /// Number of bytes held back.
    #[must_use]
    pub fn held(&self) -> usize {
        self.pending.held.len()
    }

    /// Goes on with another masker, for instance because a secret was added. The bytes held back are looked at again
    /// with its eyes; what was found in them stays found.
    pub fn switch(&mut self, masker: Arc<Masker>) {
        self.pending.replay(&masker);
        self.masker = masker;
    }
}

impl fmt::Debug for MaskStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MaskStream").field("masker", &self.masker).field("held", &self.held()).finish_non_exhaustive()
    }
}

/// How many bytes go by before one that may interrupt a secret.
fn uninterrupted(input: &[u8]) -> usize {
    memchr3(0x1b, b'\n', b'\r', input).unwrap_or(input.len())
}

/// What is between the bytes that came in and those that may go out.
#[derive(Default)]
pub(super) struct Pending {
    /// Where the automaton stands after the last byte.
    node: Node,
    /// Where it would stand without the interruptions of a secret that may be going on.
    cursor: Option<Cursor>,
    /// What the next cursor begins with: its memory is asked for once.
    spare: VecDeque<Range<usize>>,
    interruptions: Interruptions,
    /// The bytes not let go yet.
    held: Vec<u8>,
    /// What was found in them, counted from their beginning.
    hits: Stretches,
    /// Whether the first hit began earlier, so that its mask is out already.
    open: bool,
}

impl Pending {
    pub(super) fn push(&mut self, masker: &Masker, input: &[u8], out: &mut Vec<u8>) {
        if masker.is_empty() && self.held.is_empty() {
            out.extend_from_slice(input);
            return;
        }
        self.scan(&masker.automaton, input);
        // A hit to come begins within the automaton's depth, or the cursor's: everything before that is certain.
        let end = self.held.len() + input.len();
        let begun = self.cursor.as_ref().map_or(end, Cursor::start);
        let certain = begun.min(end - masker.automaton.depth(self.node));
        self.release(certain, input, out);
    }

    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        self.release(self.held.len(), &[], out);
        *self = Self::default();
    }

    fn replay(&mut self, masker: &Masker) {
        let found = mem::take(&mut self.hits);
        let held = mem::take(&mut self.held);
        (self.node, self.cursor, self.interruptions) = Default::default();
        self.scan(&masker.automaton, &held);
        self.hits.merge(found);
        self.held = held;
    }

    /// From one byte that may interrupt a secret to the next.
    fn scan(&mut self, automaton: &Automaton, input: &[u8]) {
        let before = self.held.len();
        let mut at = 0;
        while at < input.len() {
            if self.interruptions.is_open() {
                let length = self.interruptions.go_on(&input[at..]);
                self.walk(automaton, &input[at..at + length], before + at);
                at += length;
                self.interrupted(before + at);
                continue;
            }
            let text = at..at + uninterrupted(&input[at..]);
            self.walk(automaton, &input[text.clone()], before + text.start);
            self.follow(automaton, &input[text.clone()], before + text.start);
            at = text.end;
            if let Some(&byte) = input.get(at) {
                at += self.begin(automaton, byte, before + at, &input[at..]);
            }
        }
    }

    fn walk(&mut self, automaton: &Automaton, text: &[u8], begins: usize) {
        self.node = automaton.scan(self.node, text, |end, length| {
            self.hits.add(begins + end - length..begins + end);
        });
    }

    /// Leads the cursor on through a text that interrupts nothing.
    fn follow(&mut self, automaton: &Automaton, text: &[u8], begins: usize) {
        let Some(cursor) = &mut self.cursor else { return };
        let mut found = Stretches::default();
        if !cursor.follow(automaton, text, begins, &mut found) {
            self.retire();
        }
        if !found.is_empty() {
            self.hits.merge(found);
        }
    }

    /// Bytes that may interrupt a secret: what was seen of one is remembered. Where there is none, they are text; answers how many
    /// of them are.
    fn begin(&mut self, automaton: &Automaton, byte: u8, at: usize, rest: &[u8]) -> usize {
        if self.cursor.is_none() {
            if automaton.depth(self.node) < least(byte) {
                let text = rest.iter().take_while(|next| **next == byte).count();
                self.walk(automaton, &rest[..text], at);
                return text;
            }
            let start = at - automaton.depth(self.node);
            self.cursor = Some(Cursor::new(self.node, start, mem::take(&mut self.spare)));
        }
        self.interruptions.open(byte, at);
        0
    }

    fn interrupted(&mut self, at: usize) {
        let Some(interruption) = self.interruptions.close(at) else { return };
        if let Some(cursor) = &mut self.cursor
            && !cursor.interrupted(interruption)
        {
            self.retire();
        }
    }

    fn retire(&mut self) {
        self.spare = self.cursor.take().map(Cursor::retired).unwrap_or_default();
    }

    /// Lets the first `certain` bytes of what is held and `input` go, and holds the rest.
    fn release(&mut self, certain: usize, input: &[u8], out: &mut Vec<u8>) {
        let mut at = 0;
        for hit in self.hits.iter().take_while(|hit| hit.start < certain) {
            self.copy(at..hit.start, input, out);
            if !mem::take(&mut self.open) {
                out.extend_from_slice(MASK.as_bytes());
            }
            self.open = hit.end > certain;
            at = hit.end.min(certain);
        }
        self.copy(at..certain, input, out);

        self.hits.shift(certain);
        self.interruptions.shift(certain);
        if let Some(cursor) = &mut self.cursor {
            cursor.shift(certain);
        }
        let from_held = certain.min(self.held.len());
        let from_input = certain - from_held;
        self.held.drain(..from_held);
        self.held.extend_from_slice(&input[from_input..]);
    }

    fn copy(&self, range: Range<usize>, input: &[u8], out: &mut Vec<u8>) {
        let border = self.held.len();
        out.extend_from_slice(&self.held[range.start.min(border)..range.end.min(border)]);
        out.extend_from_slice(&input[range.start.saturating_sub(border)..range.end.saturating_sub(border)]);
    }
}
