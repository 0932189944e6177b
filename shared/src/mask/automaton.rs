//! Finds needles in a stream of bytes, in time linear to its length whatever they are.
//!
//! An automaton after Aho and Corasick, kept as a tree with a failure link per node instead of a table: 13 bytes a node,
//! where a dense table of some thousand derived needles would take tens of megabytes in every process that masks. It is
//! seldom walked: every needle has at least [`GRAM`] bytes, and a filter tells where the first of them cannot stand.

use std::{collections::VecDeque, ops::Range};

use super::needle::GRAM;

/// A place in the tree. The default is the root: nothing of any needle was seen.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Node(u32);

const ROOT: Node = Node(0);

/// Nodes are numbered by depth, so that the children of a node are neighbours and shallow nodes have low numbers.
pub(super) struct Automaton {
    /// The byte that leads to each node.
    byte: Vec<u8>,
    /// Where each node's children begin; they end where the next node's begin.
    first_child: Vec<u32>,
    /// The longest proper suffix of each node that is a node.
    fallback: Vec<Node>,
    /// Length of each node, which is the longest needle's beginning that the bytes so far end with.
    depth: Vec<u16>,
    /// Length of the longest needle that each node ends with; 0 for none.
    needle: Vec<u16>,
    /// The root's children by byte; [`ROOT`] for none.
    from_root: Box<[Node; 256]>,
    /// The first node of depth [`GRAM`].
    deep: u32,
    filter: Filter,
}

impl Automaton {
    /// Of needles in order, no two alike, each of [`GRAM`] to [`NEEDLE_BYTES`](crate::limits::NEEDLE_BYTES) bytes.
    pub(super) fn new(needles: &[Vec<u8>]) -> Self {
        debug_assert!(needles.is_sorted() && needles.iter().all(|needle| needle.len() >= GRAM));
        let mut automaton = Self {
            byte: vec![0],
            first_child: Vec::new(),
            fallback: vec![ROOT],
            depth: vec![0],
            needle: vec![0],
            from_root: Box::new([ROOT; 256]),
            deep: 0,
            filter: Filter::new(needles),
        };
        let parent = automaton.plant(needles);
        for child in automaton.child_numbers(ROOT) {
            automaton.from_root[usize::from(automaton.byte[child])] = Node(child as u32);
        }
        automaton.deep = automaton.depth.partition_point(|&depth| usize::from(depth) < GRAM) as u32;
        automaton.link(&parent);
        automaton
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.len() <= 1
    }

    /// Number of nodes.
    pub(super) const fn len(&self) -> usize {
        self.byte.len()
    }

    pub(super) fn depth(&self, node: Node) -> usize {
        usize::from(self.depth[node.at()])
    }

    /// Walks on from a node, and tells of the longest needle at every byte that ends one: (bytes of `input` up to its end,
    /// its length). It may have begun before `input`.
    pub(super) fn scan(&self, mut node: Node, input: &[u8], mut hit: impl FnMut(usize, usize)) -> Node {
        let mut at = 0;
        loop {
            if node.0 < self.deep && self.depth(node) <= at {
                // The few bytes that led here are all in `input`: look at them again, through the filter.
                match self.seek(input, at - self.depth(node)) {
                    Some(found) => (at, node) = found,
                    None => return self.tail(input, at - self.depth(node)),
                }
            } else if let Some(&byte) = input.get(at) {
                node = self.step(node, byte);
                at += 1;
            } else {
                return node;
            }
            let length = usize::from(self.needle[node.at()]);
            if length > 0 {
                hit(at, length);
            }
        }
    }

    /// The first place at or after `from` where the first [`GRAM`] bytes of a needle stand: its end, and its node.
    fn seek(&self, input: &[u8], from: usize) -> Option<(usize, Node)> {
        input[from..].windows(GRAM).enumerate().find_map(|(offset, gram)| {
            let node = self.filter.may_begin(gram).then(|| self.descend(gram))??;
            Some((from + offset + GRAM, node))
        })
    }

    /// Where the automaton stands at the end of `input`, when no needle's first [`GRAM`] bytes stand at or after `from`.
    fn tail(&self, input: &[u8], from: usize) -> Node {
        let from = from.max((input.len() + 1).saturating_sub(GRAM));
        input[from..].iter().fold(ROOT, |node, &byte| self.step(node, byte))
    }

    fn descend(&self, path: &[u8]) -> Option<Node> {
        path.iter().try_fold(ROOT, |node, &byte| self.child(node, byte))
    }

    /// Length of the longest needle that ends at a node; 0 for none.
    pub(super) fn needle(&self, node: Node) -> usize {
        usize::from(self.needle[node.at()])
    }

    pub(super) fn step(&self, mut node: Node, byte: u8) -> Node {
        while node != ROOT {
            if let Some(child) = self.child(node, byte) {
                return child;
            }
            node = self.fallback[node.at()];
        }
        self.from_root[usize::from(byte)]
    }

    fn child(&self, node: Node, byte: u8) -> Option<Node> {
        if node == ROOT {
            return Some(self.from_root[usize::from(byte)]).filter(|&child| child != ROOT);
        }
        let Range { start, end } = self.child_numbers(node);
        self.byte[start..end].binary_search(&byte).ok().map(|offset| Node((start + offset) as u32))
    }

    fn child_numbers(&self, node: Node) -> Range<usize> {
        self.first_child[node.at()] as usize..self.first_child[node.at() + 1] as usize
    }

    /// Grows the tree, one depth after the other. Returns the parent of each node.
    fn plant(&mut self, needles: &[Vec<u8>]) -> Vec<Node> {
        // For each node without children yet, the needles that begin with it: neighbours, since they are in order.
        let mut open = VecDeque::from([needles]);
        let mut parent = vec![ROOT];
        while let Some(below) = open.pop_front() {
            let at = self.first_child.len();
            let depth = usize::from(self.depth[at]);
            self.first_child.push(self.byte.len() as u32);
            let ended = usize::from(below.first().is_some_and(|needle| needle.len() == depth));
            if ended > 0 {
                self.needle[at] = self.depth[at];
            }
            for group in below[ended..].chunk_by(|one, next| one[depth] == next[depth]) {
                open.push_back(group);
                parent.push(Node(at as u32));
                self.byte.push(group[0][depth]);
                self.depth.push(self.depth[at] + 1);
                self.needle.push(0);
            }
        }
        self.first_child.push(self.byte.len() as u32);
        parent
    }

    /// Links each node to its longest suffix, shallow nodes first, since deep ones build on them.
    fn link(&mut self, parent: &[Node]) {
        self.fallback.resize(self.len(), ROOT);
        for (at, &parent) in parent.iter().enumerate().filter(|(_, parent)| **parent != ROOT) {
            let fallback = self.step(self.fallback[parent.at()], self.byte[at]);
            self.fallback[at] = fallback;
            self.needle[at] = self.needle[at].max(self.needle[fallback.at()]);
        }
    }
}

impl Node {
    const fn at(self) -> usize {
        self.0 as usize
    }
}

/// Tells where no needle begins, by the first [`GRAM`] bytes; is wrong about a few places, and only says "may" of them.
struct Filter {
    /// 8 KiB: stays in the first-level cache, and a thousand needles make it wrong at one place in sixty.
    bits: Box<[u64; Self::BITS / 64]>,
}

impl Filter {
    const BITS: usize = 1 << 16;

    fn new(needles: &[Vec<u8>]) -> Self {
        let mut bits = Box::new([0; Self::BITS / 64]);
        for needle in needles {
            let place = Self::place(&needle[..GRAM]);
            bits[place / 64] |= 1 << (place % 64);
        }
        Self { bits }
    }

    fn may_begin(&self, gram: &[u8]) -> bool {
        let place = Self::place(gram);
        self.bits[place / 64] >> (place % 64) & 1 == 1
    }

    fn place(gram: &[u8]) -> usize {
        let number = u32::from_le_bytes([gram[0], gram[1], gram[2], gram[3]]);
        // The upper half of a product with a large odd number depends on all four bytes.
        (number.wrapping_mul(0x9E37_79B1) >> 16) as usize
    }
}
