//! Stretches of bytes to mask.

use std::ops::Range;

/// Stretches that share no byte, in order. Offsets from wherever the owner counts.
#[derive(Default)]
pub(super) struct Stretches(Vec<Range<usize>>);

impl Stretches {
    /// Adds a hit that ends no earlier than any before it. What it shares a byte with becomes one stretch with it.
    pub(super) fn add(&mut self, mut hit: Range<usize>) {
        while let Some(last) = self.0.pop_if(|last| last.end > hit.start) {
            hit.start = hit.start.min(last.start);
        }
        self.0.push(hit);
    }

    /// Adds hits in any order.
    pub(super) fn merge(&mut self, other: Self) {
        let mut all: Vec<_> = self.0.drain(..).chain(other.0).collect();
        all.sort_by_key(|stretch| stretch.end);
        for stretch in all {
            self.add(stretch);
        }
    }

    /// Forgets what lies before an offset, and counts from there.
    pub(super) fn shift(&mut self, offset: usize) {
        self.0.retain_mut(|stretch| {
            *stretch = stretch.start.saturating_sub(offset)..stretch.end.saturating_sub(offset);
            stretch.end > 0
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Range<usize>> {
        self.0.iter().cloned()
    }
}
