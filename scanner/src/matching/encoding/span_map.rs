//! The way back from decoded text to the bytes that encode it.

use std::ops::Range;

/// From offsets in decoded text to the spans that encode it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SpanMap {
    pieces: Vec<Piece>,
    /// Whether the pieces are of characters of six bits each rather than of bytes.
    sextets: bool,
}

/// Decoded bytes (or characters of six bits) that are encoded alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Piece {
    /// The first of them.
    at: usize,
    /// Where that one is encoded.
    raw: usize,
    /// How much farther each of the others is.
    step: usize,
    /// In how many bytes each of them is encoded.
    width: usize,
}

impl SpanMap {
    /// Text of which every byte is encoded in `width` bytes, from `raw` on.
    pub(super) fn even(raw: usize, width: usize) -> Self {
        let mut map = Self::default();
        map.put(0, raw, width);
        map
    }

    /// Text that is encoded as a whole only.
    pub(super) fn whole(raw: Range<usize>) -> Self {
        let piece = Piece { at: 0, raw: raw.start, step: 0, width: raw.len() };
        Self { pieces: vec![piece], sextets: false }
    }

    /// Text whose bits stand in characters of six; the pieces are to be of those.
    pub(super) fn sextets() -> Self {
        Self { pieces: Vec::new(), sextets: true }
    }

    /// From the byte `at` on each one is encoded in `width` bytes, the first of them at `raw`.
    pub(super) fn put(&mut self, at: usize, raw: usize, width: usize) {
        let goes_on = self.pieces.last().is_some_and(|last| {
            (last.step, last.width) == (width, width) && last.raw + (at - last.at) * width == raw
        });
        if !goes_on {
            self.pieces.push(Piece { at, raw, step: width, width });
        }
    }

    /// The bytes from `at` on are encoded in the same `width` bytes at `raw`.
    pub(super) fn put_together(&mut self, at: usize, raw: usize, width: usize) {
        self.pieces.push(Piece { at, raw, step: 0, width });
    }

    /// The smallest span that encodes all of a range of decoded bytes.
    pub fn span(&self, decoded: Range<usize>) -> Range<usize> {
        let last = decoded.end.saturating_sub(1).max(decoded.start);
        let (first, last) = match self.sextets {
            true => (decoded.start * 8 / 6, (last * 8 + 7) / 6),
            false => (decoded.start, last),
        };
        self.unit(first).start..self.unit(last).end
    }

    fn unit(&self, at: usize) -> Range<usize> {
        let after = self.pieces.partition_point(|piece| piece.at <= at);
        let Some(piece) = after.checked_sub(1).and_then(|index| self.pieces.get(index)) else {
            return 0..0;
        };
        let start = piece.raw + (at - piece.at) * piece.step;
        start..start + piece.width
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_of_all_kinds_of_pieces() {
        let wide = SpanMap::even(7, 2);
        assert_eq!(wide.span(0..1), 7..9);
        assert_eq!(wide.span(3..5), 13..17);
        assert_eq!(SpanMap::whole(4..90).span(11..12), 4..90);
        // a%2Bé: three bytes for one, six for two together.
        let mut mixed = SpanMap::default();
        mixed.put(0, 10, 1);
        mixed.put(1, 11, 3);
        mixed.put_together(2, 14, 6);
        mixed.put(4, 20, 1);
        assert_eq!(mixed.span(0..2), 10..14);
        assert_eq!(mixed.span(3..5), 14..21);
        // Three bytes in four characters, with a line feed in the middle of them.
        let mut map = SpanMap::sextets();
        map.put(0, 100, 1);
        map.put(2, 103, 1);
        assert_eq!(map.span(0..1), 100..102);
        assert_eq!(map.span(1..2), 101..104);
        assert_eq!(map.span(2..3), 103..105);
        assert_eq!(map.span(3..4), 105..107);
    }
}
