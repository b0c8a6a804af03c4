//! How much of an address space the checkpoint holds.

use crate::checkpoint::VmaInfo;
use crate::region::Space;

/// How many bytes of a range of addresses are in the checkpoint, answered without walking the range.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// First address, bytes, and bytes of all pieces before, by address.
    pieces: Vec<(u64, u64, u64)>,
}

impl Held {
    pub(super) fn of(space: &Space) -> Self {
        let mut before = 0u64;
        let mut pieces = Vec::with_capacity(space.pieces.len());
        for piece in &space.pieces {
            pieces.push((piece.at, piece.len, before));
            before = before.saturating_add(piece.len);
        }
        Self { pieces }
    }

    pub(super) fn total(&self) -> u64 {
        self.pieces.last().map_or(0, |(_, len, before)| before.saturating_add(*len))
    }

    /// Bytes at addresses below this one.
    fn below(&self, address: u64) -> u64 {
        let after = self.pieces.partition_point(|(at, ..)| *at <= address);
        let last = after.checked_sub(1).and_then(|index| self.pieces.get(index));
        last.map_or(0, |(at, len, before)| {
            before.saturating_add(address.saturating_sub(*at).min(*len))
        })
    }

    pub(super) fn within(&self, start: u64, end: u64) -> u64 {
        self.below(end).saturating_sub(self.below(start))
    }

    /// Bytes in mappings, which are sorted by their start; what two of them cover counts once.
    pub(super) fn covered(&self, vmas: &[VmaInfo]) -> u64 {
        let mut reached = 0;
        let mut bytes = 0u64;
        for vma in vmas {
            bytes = bytes.saturating_add(self.within(vma.start.max(reached), vma.end));
            reached = reached.max(vma.end);
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::VmaKind;
    use crate::region::{Form, Holder, HolderKind, Piece, RegionKind};

    fn held(pieces: &[(u64, u64)]) -> Held {
        let holder = Holder { set: 0, kind: HolderKind::Memory, id: 1, ordinal: 0 };
        let mut space = Space::file(holder, RegionKind::Memory, 0);
        let piece = |&(at, len)| Piece { at, len, layer: 0, image: 1, offset: 0, form: Form::Raw };
        space.pieces = pieces.iter().map(piece).collect();
        Held::of(&space)
    }

    fn vma(start: u64, end: u64) -> VmaInfo {
        let kind = VmaKind::Anonymous;
        VmaInfo { start, end, kind, prot: "rw-p".to_owned(), offset: 0, path: None }
    }

    #[test]
    fn bytes_of_a_range_are_those_of_its_pieces() {
        let held = held(&[(0x1000, 0x1000), (0x2000, 0x1000), (0x8000, 0x800)]);
        assert_eq!(held.total(), 0x2800);
        for (start, end, expected) in [
            (0, u64::MAX, 0x2800),
            (0x1000, 0x3000, 0x2000),
            (0x1800, 0x2800, 0x1000),
            (0x3000, 0x8000, 0),
            (0x8400, 0x9000, 0x400),
            (0x9000, 0x1000, 0),
        ] {
            assert_eq!(held.within(start, end), expected, "{start:#x}-{end:#x}");
        }
    }

    #[test]
    fn what_two_mappings_cover_counts_once() {
        let held = held(&[(0x1000, 0x3000)]);
        let vmas = [vma(0x1000, 0x3000), vma(0x1000, 0x2000), vma(0x2000, 0x3800)];
        assert_eq!(held.covered(&vmas), 0x2800);
        assert_eq!(held.covered(&[vma(0x3000, 0x1000), vma(0, u64::MAX)]), 0x3000);
        assert_eq!(Held::default().covered(&vmas), 0);
    }
}
