//! The layout of a holder: which addresses lie at which offsets of which image.

use std::ops::Range;

use super::{Holder, RegionKind};

/// How the bytes of a piece are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// As they are.
    Raw,
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
    /// Ranges of special meaning.
    pub labels: Vec<Label>,
    /// Whether the ends of regions are cut (memory) or true ends (files, messages).
    pub cut: bool,
}

impl Space {
    /// A file of `len` bytes.
    pub fn file(holder: Holder, kind: RegionKind, len: u64) -> Self {
        let piece = Piece { at: 0, len, layer: 0, image: 0, offset: 0, form: Form::Raw };
        Self { holder, kind, page_size: 0, pieces: vec![piece], labels: Vec::new(), cut: false }
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

    /// The image and the offset in it of the byte at `address`.
    pub fn image_offset(&self, address: u64) -> Option<(u32, u64)> {
        let piece = self.piece_at(address)?;
        let within = address.checked_sub(piece.at)?;
        Some((piece.image, piece.offset.saturating_add(within)))
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
