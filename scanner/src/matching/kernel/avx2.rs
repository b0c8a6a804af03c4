//! The loops for AVX2: 32 bytes at a time, with tables of the halves of a byte. What is text is looked for only in
//! blocks that a row of text touches (`docs/decisions/0020-text-only-where-text-stands.md`).

use std::arch::x86_64::{
    __m256i, _mm256_and_si256, _mm256_cmpeq_epi8, _mm256_cmpgt_epi8, _mm256_movemask_epi8,
    _mm256_mullo_epi32, _mm256_or_si256, _mm256_permute2x128_si256, _mm256_set1_epi8,
    _mm256_set1_epi32, _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_srli_epi16,
    _mm256_srli_epi32, _mm256_unpackhi_epi8, _mm256_unpackhi_epi16, _mm256_unpacklo_epi8,
    _mm256_unpacklo_epi16,
};
use std::ops::Range;

use super::{
    BEHIND, BLOCK, BLOCKS, CLASSES, FACTOR, FIRST_TEXT, FOLD, GROUPS, HASH_BITS, Halves, IS_LETTER,
    IS_MARK, IS_TOKEN, STREAM_BITS, STREAM_SECONDS, Tables, Tile, WIDTH, halves, load_half, lowest,
    store,
};

impl Tile {
    #[target_feature(enable = "avx2,bmi1,bmi2,popcnt,lzcnt")]
    pub(super) fn avx2<const NAMES: bool>(
        &mut self,
        tables: &Tables,
        bytes: &[u8],
        blocks: &[Range<usize>],
        last: usize,
    ) {
        for range in blocks {
            self.marks_avx2(tables, bytes, range.clone());
        }
        let last = last.min(BLOCKS);
        let mut blocks = [0; BLOCKS];
        let mut rows = [0; BLOCKS];
        let count = self.blocks_of_text::<NAMES>(last, &mut blocks, &mut rows);
        let blocks = blocks.get(..count).unwrap_or_default();
        self.texts_avx2::<NAMES>(tables, bytes, blocks, &rows, last);
        self.judge(last);
        self.positions_avx2(tables, bytes, last);
    }

    /// What every block is looked through for.
    #[inline]
    #[target_feature(enable = "avx2,bmi1,bmi2,popcnt,lzcnt")]
    fn marks_avx2(&mut self, tables: &Tables, bytes: &[u8], blocks: Range<usize>) {
        let [first, second] = &tables.heads;
        let (first, second) = (halves(first), halves(second));
        let zero = _mm256_setzero_si256();
        let flag = |bit: u8| _mm256_set1_epi8(bit.cast_signed());
        let (before_text, before_printable) = (flag(FIRST_TEXT - 1), flag(b' ' - 1));
        let line_feed = flag(b'\n');
        let (percent, backslash) = (flag(b'%'), flag(b'\\'));
        let (is_stream, is_rare) = (flag(GZIP | ZLIB), flag(RARE));
        for block in blocks {
            let at = block * BLOCK;
            let Some(bytes) = bytes.get(at..).and_then(<[u8]>::first_chunk::<{ BLOCK + BEHIND }>)
            else {
                return;
            };
            let mut masks = [[0; 6]; 2];
            for (half, masks) in masks.iter_mut().enumerate() {
                let Some(bytes) =
                    bytes.get(half * 32..).and_then(<[u8]>::first_chunk::<{ 32 + BEHIND }>)
                else {
                    return;
                };
                let (v0, v1) = (load_half::<0>(bytes), load_half::<1>(bytes));
                let heads = _mm256_and_si256(
                    look_up_half(&first, split(v0)),
                    look_up_half(&second, split(v1)),
                );
                let no_stream = _mm256_cmpeq_epi8(_mm256_and_si256(heads, is_stream), zero);
                let no_rare = _mm256_cmpeq_epi8(_mm256_and_si256(heads, is_rare), zero);
                let escape = _mm256_or_si256(
                    _mm256_cmpeq_epi8(v0, percent),
                    _mm256_cmpeq_epi8(v0, backslash),
                );
                let printable = _mm256_or_si256(
                    _mm256_cmpgt_epi8(v0, before_printable),
                    _mm256_cmpeq_epi8(v0, line_feed),
                );
                let text = _mm256_cmpgt_epi8(v0, before_text);
                let next_is_zero = _mm256_cmpeq_epi8(v1, zero);
                let all = [no_rare, no_stream, escape, printable, text, next_is_zero];
                for (mask, bytes) in masks.iter_mut().zip(all) {
                    *mask = _mm256_movemask_epi8(bytes).cast_unsigned();
                }
            }
            let [no_rare, no_stream, escapes, printable, texts, zeros] = joined(masks);
            self.literals[block] = !no_rare;
            self.streams[block] = !no_stream;
            self.escapes[block] = escapes;
            self.printable[block + 1] = printable;
            self.texts[block] = texts;
            self.zeros[block] = zeros;
        }
    }

    /// The blocks that a row of text touches, four bytes long or perhaps so across the start of a block, with `NAMES` of
    /// any length; gives how many there are. `rows` are the places of a block at which three bytes of text begin. Of
    /// blocks without a row those are all that may begin a fingerprint of text.
    #[inline]
    #[target_feature(enable = "avx2,bmi1,bmi2,popcnt,lzcnt")]
    fn blocks_of_text<const NAMES: bool>(
        &mut self,
        last: usize,
        blocks: &mut [u16; BLOCKS],
        rows: &mut [u64; BLOCKS],
    ) -> usize {
        // Beside the tile there may be anything.
        (self.printable[0], self.printable[last + 1]) = (u64::MAX, u64::MAX);
        let mut touched = [0; BLOCKS];
        let around = self.printable.array_windows().take(last);
        let of_block = rows.iter_mut().zip(&mut touched).zip(&mut self.literals);
        for (((rows, touched), literals), [before, here, behind]) in of_block.zip(around) {
            let three = here & (here >> 1 | behind << 63) & (here >> 2 | behind << 62);
            let four = three & (here >> 3 | behind << 61);
            *rows = three;
            *touched = if NAMES { *here } else { four | before >> 63 & here };
            *literals |= if *touched == 0 { three } else { 0 };
        }
        let mut count = 0;
        for (block, touched) in (0..last).zip(touched) {
            let Some(slot) = blocks.get_mut(count) else { break };
            *slot = u16::try_from(block).unwrap_or_default();
            count += usize::from(touched != 0);
        }
        count
    }

    /// What blocks with rows of text are looked through for.
    #[inline]
    #[target_feature(enable = "avx2,bmi1,bmi2,popcnt,lzcnt")]
    fn texts_avx2<const NAMES: bool>(
        &mut self,
        tables: &Tables,
        bytes: &[u8],
        blocks: &[u16],
        rows: &[u64; BLOCKS],
        last: usize,
    ) {
        let [[a0, a1, a2, a3], [b0, b1, b2, b3], [c0, c1, c2, c3]] = &tables.halves;
        let first = [halves(a0), halves(a1), halves(a2), halves(a3)];
        let second = [halves(b0), halves(b1), halves(b2), halves(b3)];
        let third = [halves(c0), halves(c1), halves(c2), halves(c3)];
        let classes = halves(&CLASS_HALVES);
        let zero = _mm256_setzero_si256();
        let flag = |bit: u8| _mm256_set1_epi8(bit.cast_signed());
        let is_token = flag(TOKEN_ROWS);
        let (is_letter, is_mark) = (flag(LETTER_ROWS), flag(MARK_ROWS));
        let (dot, colon) = (flag(b'.'), flag(b':'));
        let others = [b'+', b'-', b'/', 0x7f].map(flag);
        for masks in [&mut self.tokens, &mut self.letters, &mut self.marks] {
            masks[..last].fill(0);
        }
        if NAMES {
            for masks in [&mut self.words, &mut self.dots, &mut self.colons] {
                masks[..last].fill(0);
            }
        }
        for block in blocks {
            let block = usize::from(*block) % BLOCKS;
            let at = block * BLOCK;
            let Some(bytes) = bytes.get(at..).and_then(<[u8]>::first_chunk::<{ BLOCK + BEHIND }>)
            else {
                return;
            };
            let mut masks = [[0; 7]; 2];
            for (half, masks) in masks.iter_mut().enumerate() {
                let Some(bytes) =
                    bytes.get(half * 32..).and_then(<[u8]>::first_chunk::<{ 32 + BEHIND }>)
                else {
                    return;
                };
                let v = [
                    load_half::<0>(bytes),
                    load_half::<1>(bytes),
                    load_half::<2>(bytes),
                    load_half::<3>(bytes),
                ];
                let mut a = [flag(0xff); GROUPS];
                for position in 0..WIDTH {
                    let parts = split(v[position]);
                    a[0] = _mm256_and_si256(a[0], look_up_half(&first[position], parts));
                    a[1] = _mm256_and_si256(a[1], look_up_half(&second[position], parts));
                    a[2] = _mm256_and_si256(a[2], look_up_half(&third[position], parts));
                }
                let buckets = _mm256_or_si256(_mm256_or_si256(a[0], a[1]), a[2]);
                let [v0, ..] = v;
                let class = look_up_half(&classes, split(v0));
                let no_token = _mm256_cmpeq_epi8(_mm256_and_si256(class, is_token), zero);
                let mut all = [
                    _mm256_cmpeq_epi8(buckets, zero),
                    no_token,
                    _mm256_cmpeq_epi8(_mm256_and_si256(class, is_letter), zero),
                    _mm256_cmpeq_epi8(_mm256_and_si256(class, is_mark), zero),
                    zero,
                    zero,
                    zero,
                ];
                if NAMES {
                    // Of the characters of base64 all but three, and not what counts as one.
                    let is_other = others.map(|other| _mm256_cmpeq_epi8(v0, other));
                    let other = is_other.into_iter().fold(zero, |all, is| _mm256_or_si256(all, is));
                    all[4] = _mm256_or_si256(no_token, other);
                    all[5] = _mm256_cmpeq_epi8(v0, dot);
                    all[6] = _mm256_cmpeq_epi8(v0, colon);
                }
                for (mask, bytes) in masks.iter_mut().zip(all) {
                    *mask = _mm256_movemask_epi8(bytes).cast_unsigned();
                }
            }
            let [none, no_token, no_letter, no_mark, no_word, dots, colons] = joined(masks);
            self.literals[block] |= !none & rows[block];
            self.tokens[block] = !no_token;
            self.letters[block] = !no_letter;
            self.marks[block] = !no_mark;
            if NAMES {
                self.words[block] = !no_word;
                self.dots[block] = dots;
                self.colons[block] = colons;
            }
        }
    }

    #[inline]
    #[target_feature(enable = "avx2,bmi1,bmi2,popcnt,lzcnt")]
    fn positions_avx2(&mut self, tables: &Tables, bytes: &[u8], last: usize) {
        /// Positions of a block that are stored without looking how many there are.
        const FEW: usize = 6;
        /// Positions of a block beyond which hashing all of it costs less than hashing them one by one.
        const MANY: u32 = 16;
        let mut full = [0u16; BLOCKS + 1];
        let mut count = 0;
        for block in 0..last.min(BLOCKS) {
            full[count] = u16::try_from(block).unwrap_or_default();
            count += usize::from(self.literals[block] != 0);
        }
        for block in full.get(..count).unwrap_or_default() {
            let mut left = self.literals[usize::from(*block)];
            let first = block * 64;
            if left.count_ones() > MANY
                && let Some(bytes) = bytes.get(usize::from(first)..)
                && let Some(bytes) = bytes.first_chunk::<{ BLOCK + BEHIND }>()
            {
                left &= fingerprints_avx2(tables, bytes);
            }
            let Some(room) = self.positions.get_mut(self.found..self.found + BLOCK) else { return };
            let count = left.count_ones() as usize;
            for slot in room.iter_mut().take(FEW) {
                *slot = first.wrapping_add(lowest(left));
                left &= left.wrapping_sub(1);
            }
            for slot in room.iter_mut().take(count).skip(FEW) {
                *slot = first.wrapping_add(lowest(left));
                left &= left.wrapping_sub(1);
            }
            self.found += count;
        }
    }
}

/// The halves of each byte.
#[inline]
#[target_feature(enable = "avx2")]
fn split(bytes: __m256i) -> (__m256i, __m256i) {
    let half = _mm256_set1_epi8(15);
    (_mm256_and_si256(bytes, half), _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), half))
}

/// Masks of a block, from those of its halves.
#[inline(always)]
#[expect(clippy::inline_always, reason = "compiled for the processor of its caller")]
fn joined<const LEN: usize>([first, second]: [[u32; LEN]; 2]) -> [u64; LEN] {
    std::array::from_fn(|mask| u64::from(first[mask]) | u64::from(second[mask]) << 32)
}

/// The positions in a block at which four bytes stand that have the hash of a fingerprint.
#[target_feature(enable = "avx2,bmi1,bmi2,popcnt,lzcnt")]
fn fingerprints_avx2(tables: &Tables, bytes: &[u8; BLOCK + BEHIND]) -> u64 {
    let fold = _mm256_set1_epi32(FOLD.cast_signed());
    let factor = _mm256_set1_epi32(FACTOR.cast_signed());
    let mut hashes = [[0; 8]; BLOCK / 8];
    for (half, hashes) in hashes.as_chunks_mut::<4>().0.iter_mut().enumerate() {
        let bytes = bytes.get(half * 32..).and_then(<[u8]>::first_chunk::<{ 32 + BEHIND }>);
        let Some(bytes) = bytes else { break };
        let (first, second) = (load_half::<0>(bytes), load_half::<1>(bytes));
        let (third, last) = (load_half::<2>(bytes), load_half::<3>(bytes));
        let twos = (_mm256_unpacklo_epi8(first, second), _mm256_unpackhi_epi8(first, second));
        let next = (_mm256_unpacklo_epi8(third, last), _mm256_unpackhi_epi8(third, last));
        // Each has the bytes from four positions on in its lower half, and from sixteen behind them in the upper.
        let fours = [
            _mm256_unpacklo_epi16(twos.0, next.0),
            _mm256_unpackhi_epi16(twos.0, next.0),
            _mm256_unpacklo_epi16(twos.1, next.1),
            _mm256_unpackhi_epi16(twos.1, next.1),
        ];
        let [a, b, c, d] = fours.map(|fours| {
            let mixed = _mm256_mullo_epi32(_mm256_or_si256(fours, fold), factor);
            _mm256_srli_epi32::<{ (u32::BITS - HASH_BITS).cast_signed() }>(mixed)
        });
        hashes[0] = store(_mm256_permute2x128_si256::<0x20>(a, b));
        hashes[1] = store(_mm256_permute2x128_si256::<0x20>(c, d));
        hashes[2] = store(_mm256_permute2x128_si256::<0x31>(a, b));
        hashes[3] = store(_mm256_permute2x128_si256::<0x31>(c, d));
    }
    tables.mask(&hashes)
}

/// Rows of sixteen bytes of [`CLASS_HALVES`] whose bits are for tokens, for small letters, and for what stands
/// between words.
const TOKEN_ROWS: u8 = 0x0f;
const LETTER_ROWS: u8 = 0xc0;
const MARK_ROWS: u8 = 0x30;

/// Tokens, letters and marks by halves of a byte, exactly: one bit for each kind of row that they have.
const CLASS_HALVES: Halves = {
    // Rows 2 (signs), 3 (digits), 4 and 6 (letters from A on), 5 and 7 (letters from P on, `_` in row 5
    // only: `DEL` counts as one, which is too much, never too little).
    let mut low = [0; 16];
    let mut high = [0; 16];
    let rows = [(2u8, 1u8), (3, 2), (4, 4), (5, 8), (6, 4), (7, 8)];
    let letters = [(0u8, 16u8), (2, 32), (6, 64), (7, 128)];
    let mut row = 0;
    while row < rows.len() {
        let (number, bit) = rows[row];
        high[number as usize] |= bit;
        let mut column = 0u8;
        while column < 16 {
            if CLASSES[(number << 4 | column) as usize] & IS_TOKEN != 0 {
                low[column as usize] |= bit;
            }
            column += 1;
        }
        row += 1;
    }
    let mut row = 0;
    while row < letters.len() {
        let (number, bit) = letters[row];
        high[number as usize] |= bit;
        let mut column = 0u8;
        while column < 16 {
            if CLASSES[(number << 4 | column) as usize] & (IS_LETTER | IS_MARK) != 0 {
                low[column as usize] |= bit;
            }
            column += 1;
        }
        row += 1;
    }
    (low, high)
};

/// Bits of the tables of heads: the first two bytes of a stream of gzip and of zlib, and of a fingerprint that is no
/// text.
const GZIP: u8 = 1;
const ZLIB: u8 = 2 | 4;
const RARE: u8 = u8::MAX << STREAM_BITS;

/// First and second bytes of streams by halves of a byte. Of zlib four more second bytes are taken.
pub(super) const STREAM_HALVES: [Halves; 2] = {
    let mut all = [([0; 16], [0; 16]); 2];
    let mut index = 0;
    while index < STREAM_SECONDS.len() {
        let (first, bit) = match index {
            0 => (0x1f, GZIP),
            1 | 2 => (0x78, ZLIB & 2),
            _ => (0x78, ZLIB & 4),
        };
        let bytes: [u8; 2] = [first, STREAM_SECONDS[index]];
        let mut position = 0;
        while position < 2 {
            all[position].0[(bytes[position] & 15) as usize] |= bit;
            all[position].1[(bytes[position] >> 4) as usize] |= bit;
            position += 1;
        }
        index += 1;
    }
    all
};

/// What tables have for the lower and the upper half of each byte.
#[inline]
#[target_feature(enable = "avx2")]
fn look_up_half(tables: &(__m256i, __m256i), (low, high): (__m256i, __m256i)) -> __m256i {
    _mm256_and_si256(_mm256_shuffle_epi8(tables.0, low), _mm256_shuffle_epi8(tables.1, high))
}
