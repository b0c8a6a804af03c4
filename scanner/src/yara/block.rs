//! Blocks: memory as yara-x gets it. Where a block begins and ends depends on the bytes and their
//! place in the region alone, never on the windows that they came in.
//!
//! No match crosses the end of a block, so each block goes on for [`OVERLAP`] beyond its own part.
//! It is cut between bytes that are no part of a word: a `fullword` string at the edge is judged by
//! its true neighbours then.

/// Bytes of a region that a block owns.
pub(super) const BLOCK: usize = 1 << 20;

/// Bytes that it holds beyond them: the longest match that is certain to be found.
pub(super) const OVERLAP: usize = 64 << 10;

/// How far back a better place to cut is looked for.
const SLACK: usize = 4 << 10;

/// Collects the bytes of one region after the other, and gives blocks.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    bytes: Vec<u8>,
    /// Address of the first of `bytes`.
    base: u64,
    /// First address of the region.
    region: u64,
    /// Bytes of `bytes` that lie before the part that the next block owns.
    before: usize,
    /// Whether bytes of a region are waiting.
    open: bool,
}

impl Blocks {
    /// Takes the bytes at `at`, in the order of addresses. What does not follow on the bytes before
    /// it, or belongs to another region, begins a new run of blocks.
    pub(super) fn feed(
        &mut self,
        region: u64,
        at: u64,
        bytes: &[u8],
        block: &mut dyn FnMut(u64, &[u8]),
    ) {
        let end = self.base.saturating_add(self.bytes.len() as u64);
        if self.open && (self.region != region || end != at) {
            self.finish(block);
        }
        if !self.open {
            (self.base, self.region, self.before, self.open) = (at, region, 0, true);
        }
        let mut rest = bytes;
        loop {
            let whole = self.before.saturating_add(BLOCK + OVERLAP);
            let (now, later) =
                rest.split_at(rest.len().min(whole.saturating_sub(self.bytes.len())));
            self.bytes.extend_from_slice(now);
            rest = later;
            if self.bytes.len() < whole {
                return;
            }
            let end = cut(&self.bytes, whole);
            block(self.base, self.bytes.get(..end).unwrap_or_default());
            let owned = self.before.saturating_add(BLOCK);
            let next = cut(&self.bytes, owned);
            self.bytes.drain(..next);
            self.base = self.base.saturating_add(next as u64);
            self.before = owned.saturating_sub(next);
        }
    }

    /// Gives what is left of the last region.
    pub(super) fn finish(&mut self, block: &mut dyn FnMut(u64, &[u8])) {
        if self.open && !self.bytes.is_empty() {
            block(self.base, &self.bytes);
        }
        self.bytes.clear();
        self.open = false;
    }
}

/// The last place at or a little before `at` with two bytes on each side that are no part of a word.
fn cut(bytes: &[u8], at: usize) -> usize {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let is_gap = |at: usize| {
        let around = bytes.get(at.saturating_sub(2)..at.saturating_add(2)).unwrap_or_default();
        around.len() == 4 && !around.iter().any(is_word)
    };
    (at.saturating_sub(SLACK).max(2)..at).rev().find(|place| is_gap(*place)).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(data: &[u8], start: u64, chunk: usize) -> Vec<(u64, Vec<u8>)> {
        let mut all = Vec::new();
        let mut blocks = Blocks::default();
        let mut take = |base: u64, bytes: &[u8]| all.push((base, bytes.to_vec()));
        for (index, part) in data.chunks(chunk).enumerate() {
            blocks.feed(start, start + (index * chunk) as u64, part, &mut take);
        }
        blocks.finish(&mut take);
        all
    }

    fn data(len: usize) -> Vec<u8> {
        let mut state = 7u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        };
        (0..len).map(|_| next()).collect()
    }

    #[test]
    fn blocks_do_not_depend_on_how_the_bytes_come() {
        let data = data(3 * BLOCK + OVERLAP + 4321);
        let whole = blocks(&data, 0x7000, data.len());
        assert!(whole.len() >= 4);
        for chunk in [4096, 64 << 10, BLOCK, BLOCK + OVERLAP, 2 * BLOCK + 1] {
            assert!(blocks(&data, 0x7000, chunk) == whole, "{chunk}");
        }
    }

    #[test]
    fn every_match_that_is_not_longer_than_the_overlap_lies_in_one_block() {
        for data in [data(3 * BLOCK), vec![b'a'; 3 * BLOCK + 7]] {
            let blocks = blocks(&data, 0, data.len());
            let longest = OVERLAP - SLACK;
            for start in (0..data.len()).step_by(1021) {
                let end = (start + longest).min(data.len()) as u64;
                let holds = |(base, bytes): &(u64, Vec<u8>)| {
                    *base <= start as u64 && end <= base + bytes.len() as u64
                };
                assert!(blocks.iter().any(holds), "{start}");
            }
            for (base, bytes) in &blocks {
                let from = usize::try_from(*base).unwrap();
                assert!(data[from..from + bytes.len()] == **bytes);
            }
        }
    }

    #[test]
    fn what_are_no_neighbours_are_no_block() {
        let mut all = Vec::new();
        let mut blocks = Blocks::default();
        let mut take = |base: u64, bytes: &[u8]| all.push((base, bytes.to_vec()));
        blocks.feed(0x1000, 0x1000, b"ab", &mut take);
        blocks.feed(0x1000, 0x1002, b"cd", &mut take);
        // A hole that could not be read, and a region of its own right behind.
        blocks.feed(0x1000, 0x1008, b"ef", &mut take);
        blocks.feed(0x100a, 0x100a, b"gh", &mut take);
        blocks.finish(&mut take);
        blocks.finish(&mut take);
        let expected: [(u64, &[u8]); 3] = [(0x1000, b"abcd"), (0x1008, b"ef"), (0x100a, b"gh")];
        let found: Vec<(u64, &[u8])> = all.iter().map(|(at, bytes)| (*at, &**bytes)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_block_is_cut_between_words() {
        let mut text = vec![b'x'; 8192];
        text[5000..5004].fill(0);
        assert_eq!(cut(&text, 8000), 5002);
        assert_eq!(cut(&vec![b'x'; 8192], 8000), 8000);
    }
}
