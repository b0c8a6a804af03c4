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
}

impl Space {
    /// A file of `len` bytes.
    pub fn file(holder: Holder, kind: RegionKind, len: u64) -> Self {
        let piece = Piece { at: 0, len, layer: 0, image: 0, offset: 0, form: Form::Raw };
        let (pieces, blocks, labels) = (vec![piece], Vec::new(), Vec::new());
        Self { holder, kind, page_size: 0, pieces, blocks, labels, cut: false }
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

    /// The blocks of a compressed piece, by address; nothing for others.
    pub fn blocks_of(&self, piece: &Piece) -> impl Iterator<Item = Block> + '_ {
        let (first, block) = match piece.form {
            Form::Lz4 { first, block } => (usize::try_from(first).unwrap_or(usize::MAX), block),
            Form::Raw | Form::Zero => (usize::MAX, 0),
        };
        let end = piece.at.saturating_add(piece.len);
        let (mut at, mut offset) = (piece.at, piece.offset);
        let sizes = self.blocks.get(first..).unwrap_or_default();
        sizes.iter().map_while(move |stored| {
            let next = at.saturating_add(block.into()).min(end);
            let this = Block { range: at..next, offset, stored: *stored };
            (at, offset) = (next, offset.saturating_add(u64::from(*stored)));
            (!this.range.is_empty()).then_some(this)
        })
    }

    /// The image and the offset in it of the byte at `address`; for a byte in a compressed block the
    /// offset of the block, and that of the byte in what the block expands to.
    pub fn image_offset(&self, address: u64) -> Option<(u32, u64, Option<u64>)> {
        let piece = self.piece_at(address)?;
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
            return Some((piece.image, offset, block_offset));
        }
        let within = address.checked_sub(piece.at)?;
        Some((piece.image, piece.offset.saturating_add(within), None))
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
        let form = Form::Lz4 { first: 1, block: 0x2000 };
        let space = space(vec![piece(0x5000, 0x5000, 0x100, form)], vec![9, 70, 0x2000, 33, 9]);
        let blocks: Vec<_> = space.blocks_of(&space.pieces[0]).map(|it| it.range).collect();
        assert_eq!(blocks, [0x5000..0x7000, 0x7000..0x9000, 0x9000..0xa000]);
        assert_eq!(space.image_offset(0x5008), Some((3, 0x100, Some(8))));
        assert_eq!(space.image_offset(0x7008), Some((3, 0x100 + 70 + 8, None)));
        assert_eq!(space.image_offset(0x9fff), Some((3, 0x100 + 70 + 0x2000, Some(0xfff))));
        assert_eq!(space.image_offset(0xa000), None);
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
        assert_eq!(space.image_offset(0x1808), Some((3, 0x808, None)));
    }
}
