//! The loops for any processor: what each byte may be a part of is read from a table, and what eight of them
//! have in each bit is turned into eight bits of a mask.

use std::ops::Range;

use super::{BEHIND, BLOCK, CLASSES, FIRST_TEXT, Tables, Tile, WIDTH, hash, lowest};

impl Tile {
    pub(super) fn marks_scalar<const NAMES: bool>(
        &mut self,
        tables: &Tables,
        bytes: &[u8],
        blocks: Range<usize>,
    ) {
        for block in blocks {
            let at = block * BLOCK;
            let Some(bytes) = bytes.get(at..).and_then(<[u8]>::first_chunk::<{ BLOCK + BEHIND }>)
            else {
                return;
            };
            let Ok(first) = u16::try_from(at) else { return };
            let mut left = fingerprints(tables, bytes);
            while left != 0 {
                let Some(slot) = self.positions.get_mut(self.found) else { return };
                *slot = first | lowest(left);
                self.found += 1;
                left &= left - 1;
            }
            let (own, behind) = bytes.split_at(BLOCK);
            let mut rows = [0; BLOCK / 8];
            for (row, eight) in rows.iter_mut().zip(own.as_chunks::<8>().0) {
                let mut classes = [0; 8];
                for (class, byte) in classes.iter_mut().zip(eight) {
                    *class = BYTE_CLASSES[usize::from(*byte)];
                }
                *row = transposed(u64::from_le_bytes(classes));
            }
            // By the bits of the classes, from the lowest on.
            let [tokens, letters, escapes, streams, words, marks, texts, zeros] = columns(rows);
            self.tokens[block] = tokens;
            self.letters[block] = letters;
            self.marks[block] = marks;
            self.escapes[block] = escapes;
            self.streams[block] = streams;
            self.texts[block] = texts;
            self.zeros[block] = zeros >> 1 | u64::from(behind.first() == Some(&0)) << 63;
            if NAMES {
                let are = |wanted| {
                    let each = own.iter().enumerate();
                    each.fold(0, |mask, (at, byte)| mask | u64::from(*byte == wanted) << at)
                };
                self.words[block] = words;
                self.dots[block] = are(b'.');
                self.colons[block] = are(b':');
            }
        }
    }
}

/// The positions in a block at which four bytes stand that have the hash of a fingerprint.
#[inline]
fn fingerprints(tables: &Tables, bytes: &[u8; BLOCK + BEHIND]) -> u64 {
    let mut hashes = [[0; 8]; BLOCK / 8];
    for (from, eight) in (0..BLOCK).step_by(8).zip(&mut hashes) {
        let Some(some) = bytes.get(from..).and_then(<[u8]>::first_chunk::<{ 8 + BEHIND }>) else {
            break;
        };
        for (slot, four) in eight.iter_mut().zip(some.windows(WIDTH)) {
            let Some(four) = four.first_chunk::<WIDTH>() else { break };
            *slot = hash(*four);
        }
    }
    tables.mask(&hashes)
}

/// Eight bytes of eight bits, with rows and columns exchanged: byte `n` has bit `n` of each.
fn transposed(bits: u64) -> u64 {
    // Squares of one, two and four bits a side change places with those on the other side of the diagonal.
    let swap = |bits: u64, by: u32, upper: u64| {
        let changed = (bits ^ bits >> by) & upper;
        bits ^ changed ^ changed << by
    };
    let bits = swap(bits, 7, 0x00aa_00aa_00aa_00aa);
    let bits = swap(bits, 14, 0x0000_cccc_0000_cccc);
    swap(bits, 28, 0x0000_0000_f0f0_f0f0)
}

/// Words made of the first bytes of all, of the second ones, and so on.
#[inline]
fn columns(mut rows: [u64; 8]) -> [u64; 8] {
    for (side, lower) in
        [(4, 0x0000_0000_ffff_ffff), (2, 0x0000_ffff_0000_ffff), (1, 0x00ff_00ff_00ff_00ff)]
    {
        for first in (0..8).filter(|row| row & side == 0) {
            let (above, below) = (rows[first], rows[first + side]);
            let changed = (above >> (8 * side) ^ below) & lower;
            rows[first] = above ^ changed << (8 * side);
            rows[first + side] = below ^ changed;
        }
    }
    rows
}

/// The highest two bits of [`BYTE_CLASSES`]; the others are those of [`CLASSES`]. What kinds of text use.
const IS_TEXT: u8 = 64;
/// A zero.
const IS_ZERO: u8 = 128;

/// [`CLASSES`] for every byte, with what other kernels compare.
const BYTE_CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 128 {
        let is_text = byte >= FIRST_TEXT as usize;
        classes[byte] =
            CLASSES[byte] | ((is_text as u8) * IS_TEXT) | (((byte == 0) as u8) * IS_ZERO);
        byte += 1;
    }
    classes
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matching::kernel::{BLOCKS, GROUPS, Kernel, Processor, TILE};

    #[test]
    fn masks_of_any_processor_say_what_each_byte_is() {
        let bytes: Vec<u8> =
            (0..TILE + BEHIND).map(|at| ((at * 37) ^ (at >> 5)).to_le_bytes()[0]).collect();
        let tables =
            Tables::new(&[[[0; 256]; WIDTH]; GROUPS], 0, &[[0; 256]; 2], std::iter::empty());
        let mut tile = Tile::default();
        let whole = 0..BLOCKS;
        tile.read::<true>(Kernel(Processor::Scalar), &tables, &bytes, &[whole]);
        assert!(tile.positions().is_empty());
        for (at, two) in bytes.windows(2).take(TILE).enumerate() {
            let (byte, next) = (two[0], two[1]);
            let is_word = byte.is_ascii_alphanumeric();
            for (masks, expected) in [
                (&tile.tokens, is_word || b"+/-_".contains(&byte)),
                (&tile.letters, byte.is_ascii_lowercase()),
                (&tile.marks, b" \n,\"".contains(&byte)),
                (&tile.escapes, b"%\\".contains(&byte)),
                (&tile.streams, b"\x1f\x78".contains(&byte)),
                (&tile.texts, (b'\t'..0x80).contains(&byte)),
                (&tile.zeros, next == 0),
                (&tile.words, is_word || byte == b'_'),
                (&tile.dots, byte == b'.'),
                (&tile.colons, byte == b':'),
            ] {
                assert_eq!(masks[at / BLOCK] >> (at % BLOCK) & 1 != 0, expected, "{at}: {two:x?}");
            }
        }
    }
}
