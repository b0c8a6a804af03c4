//! The layout of a holder: which addresses lie at which offsets of which image.

use std::ops::Range;

use super::{Holder, RegionKind};

/// How the bytes of a piece are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// As they are.
    Raw,
    /// Blocks of LZ4, one after the other: see [`Space::blocks_of`].
    Lz4 {
        /// Index in [`Space::blocks`] of the first one.
        first: u32,
        /// Bytes that each of them expands to; the last one may have fewer.
        block: u32,
        /// Bytes of the blocks before the first byte of the piece, where it begins inside of them.
        before: u32,
        /// Bytes of the blocks behind its last byte.
        after: u32,
    },
    /// Nowhere: zeros that the image leaves out. `offset` says where they would be.
    Zero,
}

/// A block of compressed bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The addresses of its bytes.
    pub range: Range<u64>,
    /// Where it is stored in the image.
    pub offset: u64,
    /// Its stored bytes: none for zeros, as many as `range` has when it is stored as it is.
    pub stored: u32,
}

/// A stretch of neighbouring addresses whose bytes are neighbours in one image too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Piece {
    /// First address.
    pub at: u64,
    /// Bytes.
    pub len: u64,
    /// Which dump of an incremental chain: 0 is the newest.
    pub layer: u16,
    /// Number of the pages image (`pages-N.img`); 0 for files.
    pub image: u32,
    /// Offset of the first byte in that image.
    pub offset: u64,
    /// How it is stored.
    pub form: Form,
}

impl Piece {
    /// First address behind it.
    pub fn end(&self) -> u64 {
        self.at.saturating_add(self.len)
    }

    /// What of it lies in a range of addresses.
    pub fn part(&self, range: &Range<u64>) -> Option<Self> {
        let start = range.start.max(self.at);
        let end = range.end.min(self.end());
        let len = end.checked_sub(start).filter(|len| *len > 0)?;
        let (skipped, left) = (start.saturating_sub(self.at), self.end().saturating_sub(end));
        let (offset, form) = match self.form {
            Form::Raw | Form::Zero => (self.offset.saturating_add(skipped), self.form),
            // Its blocks can only be counted from the first one on.
            Form::Lz4 { first, block, before, after } => {
                let more = |bytes: u32, more: u64| {
                    bytes.saturating_add(u32::try_from(more).unwrap_or(u32::MAX))
                };
                let (before, after) = (more(before, skipped), more(after, left));
                (self.offset, Form::Lz4 { first, block, before, after })
            }
        };
        Some(Self { at: start, len, offset, form, ..*self })
    }
}

/// What a label says about the addresses it covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LabelKind {
    /// Arguments of the process, NUL-separated.
    Argv,
    /// Environment of the process, NUL-separated.
    Environ,
}

/// A range of addresses with a meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// The addresses.
    pub range: Range<u64>,
    /// What they are.
    pub kind: LabelKind,
}

/// A maximal run of neighbouring bytes of one holder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    /// The addresses.
    pub range: Range<u64>,
    /// The pieces of [`Space::pieces`] that make it up.
    pub pieces: Range<usize>,
}

/// The layout of one holder: numbers only, so it can be kept and written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Space {
    /// Who holds the bytes.
    pub holder: Holder,
    /// Kind of region of all that no label covers.
    pub kind: RegionKind,
    /// Bytes of a page of the dumping host; 0 for files.
    pub page_size: u32,
    /// Sorted by address, without overlap.
    pub pieces: Vec<Piece>,
    /// Stored bytes of every compressed block, in the order of the pieces.
    pub blocks: Vec<u32>,
    /// Ranges of special meaning.
    pub labels: Vec<Label>,
    /// Whether the ends of regions are cut (memory) or true ends (files, messages).
    pub cut: bool,
    /// What of it is to be scanned, sorted, where that is not all: the rest only surrounds it, since
    /// another layout has the same bytes.
    pub only: Option<Vec<Range<u64>>>,
    /// The first layer whose bytes are in the ledger of another checkpoint.
    pub foreign: u16,
}

impl Space {
    /// A file of `len` bytes.
    pub fn file(holder: Holder, kind: RegionKind, len: u64) -> Self {
        let piece = Piece { at: 0, len, layer: 0, image: 0, offset: 0, form: Form::Raw };
        let (pieces, blocks, labels) = (vec![piece], Vec::new(), Vec::new());
        let (cut, only, foreign) = (false, None, u16::MAX);
        Self { holder, kind, page_size: 0, pieces, blocks, labels, cut, only, foreign }
    }

    /// Whether any of these bytes are to be scanned.
    pub fn is_own(&self, range: &Range<u64>) -> bool {
        let Some(only) = &self.only else { return true };
        let first = only.partition_point(|own| own.end <= range.start);
        only.get(first).is_some_and(|own| own.start < range.end)
    }

    /// The parts of a range that are to be scanned.
    pub fn own_of(&self, range: &Range<u64>) -> Vec<Range<u64>> {
        let Some(only) = &self.only else { return vec![range.clone()] };
        let first = only.partition_point(|own| own.end <= range.start);
        let own = only.get(first..).unwrap_or_default().iter();
        own.take_while(|own| own.start < range.end)
            .map(|own| own.start.max(range.start)..own.end.min(range.end))
            .collect()
    }

    /// The maximal runs of neighbouring addresses, in order.
    pub fn regions(&self) -> Vec<Region> {
        let mut regions: Vec<Region> = Vec::new();
        for (index, piece) in self.pieces.iter().enumerate() {
            let end = piece.at.saturating_add(piece.len);
            let next = index.saturating_add(1);
            match regions.last_mut() {
                Some(last) if last.range.end == piece.at => {
                    last.range.end = end;
                    last.pieces.end = next;
                }
                _ => regions.push(Region { range: piece.at..end, pieces: index..next }),
            }
        }
        regions
    }

    /// The piece that holds `address`.
    pub fn piece_at(&self, address: u64) -> Option<&Piece> {
        let after = self.pieces.partition_point(|piece| piece.at <= address);
        let piece = self.pieces.get(after.checked_sub(1)?)?;
        (address.checked_sub(piece.at)? < piece.len).then_some(piece)
    }

    /// The blocks that the bytes of a compressed piece lie in, by address; nothing for others.
    pub fn blocks_of(&self, piece: &Piece) -> impl Iterator<Item = Block> + '_ {
        let (first, block, before, after) = match piece.form {
            Form::Lz4 { first, block, before, after } => {
                (usize::try_from(first).unwrap_or(usize::MAX), block, before, after)
            }
            Form::Raw | Form::Zero => (usize::MAX, 0, 0, 0),
        };
        let own = piece.at..piece.end();
        let end = own.end.saturating_add(after.into());
        let (mut at, mut offset) = (own.start.saturating_sub(before.into()), piece.offset);
        let sizes = self.blocks.get(first..).unwrap_or_default();
        let blocks = sizes.iter().map_while(move |stored| {
            let next = at.saturating_add(block.into()).min(end);
            let this = Block { range: at..next, offset, stored: *stored };
            (at, offset) = (next, offset.saturating_add(u64::from(*stored)));
            (!this.range.is_empty()).then_some(this)
        });
        blocks
            .skip_while(move |block| block.range.end <= own.start)
            .take_while(move |block| block.range.start < own.end)
    }

    /// The layer and the image, and the offset in it of the byte at `address`; for a byte in a
    /// compressed block the offset of the block, and that of the byte in what the block expands to.
    pub fn image_offset(&self, address: u64) -> Option<((u16, u32), u64, Option<u64>)> {
        let piece = self.piece_at(address)?;
        let image = (piece.layer, piece.image);
        if let Form::Lz4 { .. } = piece.form {
            let block = self.blocks_of(piece).find(|block| block.range.contains(&address))?;
            let within = address.checked_sub(block.range.start)?;
            let is_raw =
                u64::from(block.stored) == block.range.end.checked_sub(block.range.start)?;
            let (offset, block_offset) = if is_raw {
                (block.offset.saturating_add(within), None)
            } else {
                (block.offset, Some(within))
            };
            return Some((image, offset, block_offset));
        }
        let within = address.checked_sub(piece.at)?;
        Some((image, piece.offset.saturating_add(within), None))
    }

    /// Leaves out what is no data: `data` are the ranges of the image's offsets that are stored,
    /// sorted, and everything between them is zeros. Gives how many bytes of memory these are.
    pub fn leave_holes(&mut self, data: &[Range<u64>]) -> u64 {
        let mut pieces = Vec::with_capacity(self.pieces.len());
        let mut zeros = 0u64;
        for piece in &self.pieces {
            if piece.form != Form::Raw {
                pieces.push(*piece);
                continue;
            }
            let end = piece.offset.saturating_add(piece.len);
            let mut put = |from: u64, to: u64, form: Form| {
                let at = piece.at.saturating_add(from.saturating_sub(piece.offset));
                let len = to.saturating_sub(from);
                if len > 0 {
                    pieces.push(Piece { at, len, offset: from, form, ..*piece });
                }
            };
            let mut from = piece.offset;
            let first = data.partition_point(|range| range.end <= from);
            let stored = data.get(first..).unwrap_or_default().iter();
            for range in stored.take_while(|range| range.start < end) {
                let start = range.start.max(from);
                zeros = zeros.saturating_add(start.saturating_sub(from));
                put(from, start, Form::Zero);
                from = range.end.min(end);
                put(start, from, Form::Raw);
            }
            zeros = zeros.saturating_add(end.saturating_sub(from));
            put(from, end, Form::Zero);
        }
        self.pieces = pieces;
        zeros
    }

    /// The kind of region at `address`.
    pub fn kind_at(&self, address: u64) -> RegionKind {
        // A process may have laid one range over the other: what is in both is environment.
        let mut labels = self.labels.iter().filter(|label| label.range.contains(&address));
        let label = labels.clone().find(|label| label.kind == LabelKind::Environ);
        label.or_else(|| labels.next()).map_or(self.kind, |label| match label.kind {
            LabelKind::Argv => RegionKind::Argv,
            LabelKind::Environ => RegionKind::Environ,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::region::HolderKind;

    fn space(pieces: Vec<Piece>, blocks: Vec<u32>) -> Space {
        let holder = Holder { set: 0, kind: HolderKind::Memory, id: 1, ordinal: 0 };
        Space { pieces, blocks, ..Space::file(holder, RegionKind::Memory, 0) }
    }

    fn piece(at: u64, len: u64, offset: u64, form: Form) -> Piece {
        Piece { at, len, layer: 0, image: 3, offset, form }
    }

    #[test]
    fn a_byte_of_a_block_has_the_offset_of_the_block_and_its_own() {
        let form = Form::Lz4 { first: 1, block: 0x2000, before: 0, after: 0 };
        let space = space(vec![piece(0x5000, 0x5000, 0x100, form)], vec![9, 70, 0x2000, 33, 9]);
        let blocks: Vec<_> = space.blocks_of(&space.pieces[0]).map(|it| it.range).collect();
        assert_eq!(blocks, [0x5000..0x7000, 0x7000..0x9000, 0x9000..0xa000]);
        assert_eq!(space.image_offset(0x5008), Some(((0, 3), 0x100, Some(8))));
        assert_eq!(space.image_offset(0x7008), Some(((0, 3), 0x100 + 70 + 8, None)));
        assert_eq!(space.image_offset(0x9fff), Some(((0, 3), 0x100 + 70 + 0x2000, Some(0xfff))));
        assert_eq!(space.image_offset(0xa000), None);
        // A part that begins and ends inside of blocks leads to the same bytes.
        let part = space.pieces[0].part(&(0x8000..0x9800)).unwrap();
        let space = Space { pieces: vec![part], ..space };
        let blocks: Vec<_> = space.blocks_of(&part).map(|it| it.range).collect();
        assert_eq!(blocks, [0x7000..0x9000, 0x9000..0xa000]);
        assert_eq!(space.image_offset(0x8008), Some(((0, 3), 0x100 + 70 + 0x1008, None)));
        assert_eq!(space.image_offset(0x97ff), Some(((0, 3), 0x100 + 70 + 0x2000, Some(0x7ff))));
        assert_eq!((space.image_offset(0x7fff), space.image_offset(0x9800)), (None, None));
    }

    #[test]
    fn holes_are_zeros_and_all_else_stays_where_it_is() {
        let mut space = space(
            vec![piece(0x1000, 0x3000, 0, Form::Raw), piece(0x9000, 0x1000, 0x3000, Form::Raw)],
            Vec::new(),
        );
        assert_eq!(space.leave_holes(&[0x800..0x1000, 0x2000..0x3200]), 0x800 + 0x1000 + 0xe00);
        assert_eq!(
            space.pieces,
            [
                piece(0x1000, 0x800, 0, Form::Zero),
                piece(0x1800, 0x800, 0x800, Form::Raw),
                piece(0x2000, 0x1000, 0x1000, Form::Zero),
                piece(0x3000, 0x1000, 0x2000, Form::Raw),
                piece(0x9000, 0x200, 0x3000, Form::Raw),
                piece(0x9200, 0xe00, 0x3200, Form::Zero),
            ]
        );
        assert_eq!(space.regions().len(), 2);
        assert_eq!(space.image_offset(0x1808), Some(((0, 3), 0x808, None)));
    }
}
