//! The loops over every byte, for each kind of processor: which positions may begin a literal, and
//! which blocks may hold something encoded.
//!
//! A kernel may mark too much, never too little: what it marks is looked at again. So all kernels
//! lead to the same matches. This is the only file with `unsafe` code: loads from arrays, and calls of
//! functions that need a feature of the processor, which [`Kernel::available`] has seen there.

#![expect(unsafe_code, reason = "vector loads and calls of functions for some processors")]

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{
    __m256i, __m512i, _mm_loadu_si128, _mm256_broadcastsi128_si256, _mm256_loadu_si256,
    _mm256_storeu_si256, _mm512_add_epi16, _mm512_and_si512, _mm512_castsi512_si256,
    _mm512_cmpeq_epi8_mask, _mm512_cmplt_epu8_mask, _mm512_cvtepu8_epi16,
    _mm512_extracti64x4_epi64, _mm512_loadu_si512, _mm512_maskz_compress_epi8, _mm512_movepi8_mask,
    _mm512_or_si512, _mm512_permutex2var_epi8, _mm512_set1_epi8, _mm512_set1_epi16,
    _mm512_storeu_si512, _mm512_sub_epi8, _mm512_ternarylogic_epi64, _mm512_test_epi8_mask,
    _mm512_testn_epi8_mask,
};
use std::ops::Range;

#[cfg(target_arch = "x86_64")]
mod avx2;
mod scalar;

/// Bytes of a block: one bit of a word for each.
pub(super) const BLOCK: usize = 64;

/// Bytes of a tile: what stays in the fastest cache while it is worked on.
pub(super) const TILE: usize = 16 << 10;

/// Blocks of a tile.
pub(super) const BLOCKS: usize = TILE / BLOCK;

/// Bytes behind a block that are looked at with it.
pub(super) const BEHIND: usize = 3;

/// Positions of a fingerprint.
pub(super) const WIDTH: usize = 4;

/// Groups of eight buckets each.
pub(super) const GROUPS: usize = 3;

/// Bits of the hash of a fingerprint.
const HASH_BITS: u32 = 17;

/// Flag of a block: text of two or four bytes a character may stand in it.
pub(super) const WIDE: u8 = 1;
/// Flag of a block: a row of 24 characters of base64 stands in it, or twelve of one that reaches beyond it.
pub(super) const TOKEN: u8 = 2;
/// Flag of a block: an escape of percent-encoding or of a string stands in it.
pub(super) const ESCAPE: u8 = 4;
/// Flag of a block: a compressed stream may begin in it.
pub(super) const STREAM: u8 = 8;
/// Flag of a block: as many words of small letters in a row as the shortest seed phrase has, or half of them
/// where the row reaches beyond the block.
pub(super) const WORDS: u8 = 16;

/// Letters of the shortest and the longest word of a phrase.
pub(super) const WORD_LETTERS: (u32, u32) = (3, 8);

/// Bytes of the shortest phrase: twelve words of three letters, and a mark behind each but the last.
pub(super) const PHRASE: u32 = 12 * WORD_LETTERS.0 + 11;

/// Characters of base64 in a row at the edge of a block that make it one with a token, and half of those that do
/// inside of it: of a run of 24 that reaches beyond a block, half stand in one of two.
pub(super) const TOKEN_ROW: u32 = 12;

/// For which processor the loops are written: one that this machine can run, for nothing but
/// [`Kernel::available`] makes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kernel(Processor);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Processor {
    /// Any.
    Scalar,
    /// x86-64 with AVX2.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// x86-64 with AVX-512 VBMI and VBMI2.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

/// A kernel that is not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no kernel {name:?} on this processor; there is {}", names(.available))]
pub struct NoKernel {
    /// What was asked for.
    pub name: String,
    /// What there is, the fastest first.
    pub available: Vec<Kernel>,
}

/// Names in a row.
fn names(kernels: &[Kernel]) -> String {
    kernels.iter().map(|kernel| kernel.name()).collect::<Vec<_>>().join(", ")
}

/// What a kernel looks up in its tables of buckets.
#[cfg_attr(
    all(not(test), not(target_arch = "x86_64")),
    expect(dead_code, reason = "kernels of other processors have no tables")
)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LooksUp {
    /// It has none, and hashes the four bytes at every position.
    Nothing,
    /// Each byte.
    Bytes,
    /// Each half of a byte: what passes is the cross product of both. Of text only where a row of it stands; of a
    /// fingerprint that is none, the first two bytes.
    Halves,
}

/// Buckets for the first two bytes of fingerprints that are no text, of [`LooksUp::Halves`].
pub(super) const RARE_BUCKETS: usize = 8 - STREAM_BITS;

/// Bits of the tables of heads that are those of streams.
const STREAM_BITS: usize = 3;

/// Whether a byte is text, as fingerprints of text have it in their first three bytes: most blocks of memory have no
/// four of these in a row.
pub(super) fn is_printable(byte: u8) -> bool {
    matches!(byte, b'\n' | b' '..=0x7f)
}

impl Kernel {
    /// Those that this machine can run, the fastest first; the last one runs everywhere.
    pub fn available() -> Vec<Self> {
        let mut all = vec![Self(Processor::Scalar)];
        #[cfg(target_arch = "x86_64")]
        {
            let counts = is_x86_feature_detected!("popcnt");
            let is_half = is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("bmi1")
                && is_x86_feature_detected!("bmi2")
                && is_x86_feature_detected!("lzcnt");
            if is_half && counts {
                all.insert(0, Self(Processor::Avx2));
            }
            let is_wide = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512vbmi")
                && is_x86_feature_detected!("avx512vbmi2");
            if is_wide && counts {
                all.insert(0, Self(Processor::Avx512));
            }
        }
        all
    }

    /// The fastest of this machine.
    pub fn best() -> Self {
        Self::available().first().copied().unwrap_or(Self(Processor::Scalar))
    }

    /// The one of that name.
    ///
    /// # Errors
    /// When there is none, or this machine cannot run it.
    pub fn named(name: &str) -> Result<Self, NoKernel> {
        let available = Self::available();
        let found = available.iter().find(|kernel| kernel.name() == name).copied();
        found.ok_or_else(|| NoKernel { name: name.to_owned(), available })
    }

    /// What it looks up in tables before it hashes.
    pub(super) fn looks_up(self) -> LooksUp {
        match self.0 {
            Processor::Scalar => LooksUp::Nothing,
            #[cfg(target_arch = "x86_64")]
            Processor::Avx2 => LooksUp::Halves,
            #[cfg(target_arch = "x86_64")]
            Processor::Avx512 => LooksUp::Bytes,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self.0 {
            Processor::Scalar => "scalar",
            #[cfg(target_arch = "x86_64")]
            Processor::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Processor::Avx512 => "avx512",
        }
    }
}

/// A number of 32 bits as an index.
#[expect(clippy::as_conversions, reason = "32 bits fit")]
pub(super) fn index(number: u32) -> usize {
    number as usize
}

/// A table by the lower and one by the upper half of a byte.
#[cfg(target_arch = "x86_64")]
type Halves = ([u8; 16], [u8; 16]);

/// The fingerprints of all literals, as the kernels look them up.
#[derive(Debug)]
pub(super) struct Tables {
    /// By group, position and half of a byte, the lower and the upper one: the buckets with a fingerprint
    /// that takes such a byte there. Takes all of their cross product.
    #[cfg(target_arch = "x86_64")]
    halves: [[Halves; WIDTH]; GROUPS],
    /// What begins a stream, and what begins a fingerprint that is no text: two bytes by their halves, as
    /// [`avx2::STREAM_HALVES`].
    #[cfg(target_arch = "x86_64")]
    heads: [Halves; 2],
    /// The same by the lower seven bits of the byte.
    #[cfg(target_arch = "x86_64")]
    lower: Box<[[[u8; 128]; WIDTH]; GROUPS]>,
    /// Buckets of the last group that take bytes that are no ASCII.
    #[cfg(target_arch = "x86_64")]
    high: u8,
    /// A bit for the hash of every fingerprint.
    hashes: Box<[u64; 1 << (HASH_BITS - 6)]>,
    /// How many bits are set before each word of them.
    before: Box<[u32; 1 << (HASH_BITS - 6)]>,
}

/// The hash of four bytes, the same for letters of any case.
pub(super) fn hash(bytes: [u8; WIDTH]) -> u32 {
    let folded = u32::from_le_bytes(bytes) | FOLD;
    folded.wrapping_mul(FACTOR) >> (u32::BITS - HASH_BITS)
}

/// Makes letters of any case the same.
const FOLD: u32 = 0x2020_2020;
/// Brings what is in all bits to the highest ones.
const FACTOR: u32 = 0x9e37_79b1;

impl Tables {
    /// Tables that take the given bytes by group and position, each with a bit for each bucket, and
    /// fingerprints of the given hashes; `high` are the buckets of the last group that may take bytes that
    /// are no ASCII. `rare` are the first two bytes of fingerprints of which no group has anything.
    pub(super) fn new(
        bytes: &[[[u8; 256]; WIDTH]; GROUPS],
        high: u8,
        rare: &[[u8; 256]; 2],
        hashes: impl Iterator<Item = u32>,
    ) -> Self {
        let mut bits = Box::new([0u64; 1 << (HASH_BITS - 6)]);
        for hash in hashes {
            bits[index(hash) >> 6] |= 1 << (hash & 63);
        }
        let mut before = Box::new([0; 1 << (HASH_BITS - 6)]);
        let mut count = 0;
        for (before, word) in before.iter_mut().zip(bits.iter()) {
            *before = count;
            count += word.count_ones();
        }
        #[cfg(target_arch = "x86_64")]
        let (halves, lower, heads) = {
            let mut halves = [[([0; 16], [0; 16]); WIDTH]; GROUPS];
            let mut lower = Box::new([[[0; 128]; WIDTH]; GROUPS]);
            for group in 0..GROUPS {
                for position in 0..WIDTH {
                    for (byte, buckets) in bytes[group][position].iter().enumerate() {
                        halves[group][position].0[byte & 15] |= buckets;
                        halves[group][position].1[byte >> 4] |= buckets;
                        lower[group][position][byte & 127] |= buckets;
                    }
                }
            }
            let mut heads = avx2::STREAM_HALVES;
            for ((low, high), bytes) in heads.iter_mut().zip(rare) {
                for (byte, buckets) in bytes.iter().enumerate() {
                    low[byte & 15] |= buckets << STREAM_BITS;
                    high[byte >> 4] |= buckets << STREAM_BITS;
                }
            }
            (halves, lower, heads)
        };
        #[cfg(not(target_arch = "x86_64"))]
        let _ = (high, rare);
        Self {
            #[cfg(target_arch = "x86_64")]
            halves,
            #[cfg(target_arch = "x86_64")]
            heads,
            #[cfg(target_arch = "x86_64")]
            lower,
            #[cfg(target_arch = "x86_64")]
            high,
            hashes: bits,
            before,
        }
    }

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "compiled for the processor of its caller")]
    fn has_hash(&self, hash: u32) -> bool {
        // The remainder is the number itself, which the compiler does not know.
        self.hashes[index(hash >> 6) % self.hashes.len()] >> (hash & 63) & 1 != 0
    }

    /// Which of the hashes of a block's positions a fingerprint has, by bit.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "compiled for the processor of its caller")]
    fn mask(&self, hashes: &[[u32; 8]; BLOCK / 8]) -> u64 {
        let mut mask = 0;
        for eight in hashes.iter().rev() {
            let mut bits = 0;
            for (at, hash) in eight.iter().enumerate() {
                bits |= u64::from(self.has_hash(*hash)) << at;
            }
            mask = mask << 8 | bits;
        }
        mask
    }

    /// How many hashes fingerprints have.
    pub(super) fn hash_count(&self) -> usize {
        self.hashes.iter().map(|word| index(word.count_ones())).sum()
    }

    /// The number of a hash that a fingerprint has, among all that fingerprints have.
    pub(super) fn number(&self, hash: u32) -> usize {
        let word = index(hash) >> 6;
        let below = self.hashes[word] & ((1 << (hash & 63)) - 1);
        index(self.before[word] + below.count_ones())
    }
}

/// What a kernel makes of a tile.
#[derive(Debug)]
pub(super) struct Tile {
    /// By block, a bit for each position at which a literal's fingerprint may stand.
    #[cfg(target_arch = "x86_64")]
    literals: [u64; BLOCKS],
    /// By block, behind one that may hold anything, which bytes are printable.
    #[cfg(target_arch = "x86_64")]
    printable: [u64; BLOCKS + 2],
    tokens: [u64; BLOCKS],
    letters: [u64; BLOCKS],
    marks: [u64; BLOCKS],
    /// By block, what begins an escape, and what may begin a compressed stream.
    pub escapes: [u64; BLOCKS],
    pub streams: [u64; BLOCKS],
    texts: [u64; BLOCKS],
    zeros: [u64; BLOCKS],
    /// By block, letters, digits and `_`; this and the next two only where they are asked for.
    pub words: [u64; BLOCKS],
    pub dots: [u64; BLOCKS],
    pub colons: [u64; BLOCKS],
    /// By block, which flags it has.
    pub flags: [u8; BLOCKS],
    /// Room for all positions, and for what is stored without looking.
    positions: Box<[u16; TILE + BLOCK]>,
    found: usize,
    /// Those of them whose hash is that of a fingerprint.
    narrowed: Box<[u16; TILE + BLOCK]>,
    kept: usize,
}

impl Default for Tile {
    #[expect(clippy::large_stack_arrays, reason = "33 KB, for a few of these a thread")]
    fn default() -> Self {
        let none = [0; BLOCKS];
        Self {
            #[cfg(target_arch = "x86_64")]
            literals: none,
            #[cfg(target_arch = "x86_64")]
            printable: [0; BLOCKS + 2],
            tokens: none,
            letters: none,
            marks: none,
            escapes: none,
            streams: none,
            texts: none,
            zeros: none,
            words: none,
            dots: none,
            colons: none,
            flags: [0; BLOCKS],
            positions: Box::new([0; TILE + BLOCK]),
            found: 0,
            narrowed: Box::new([0; TILE + BLOCK]),
            kept: 0,
        }
    }
}

impl Tile {
    /// Looks at the blocks of a tile, of which `bytes` holds [`BEHIND`] more than they are long. Blocks
    /// outside of `blocks` are as if they were empty. With `NAMES`, marks what names are made of.
    pub(super) fn read<const NAMES: bool>(
        &mut self,
        kernel: Kernel,
        tables: &Tables,
        bytes: &[u8],
        blocks: &[Range<usize>],
    ) {
        let last = blocks.last().map_or(0, |range| range.end);
        if blocks.iter().map(Range::len).sum::<usize>() < last {
            for masks in [
                #[cfg(target_arch = "x86_64")]
                &mut self.literals,
                &mut self.tokens,
                &mut self.letters,
                &mut self.marks,
                &mut self.escapes,
                &mut self.streams,
                &mut self.texts,
                &mut self.zeros,
                &mut self.words,
                &mut self.dots,
                &mut self.colons,
            ] {
                masks[..last].fill(0);
            }
            #[cfg(target_arch = "x86_64")]
            self.printable[1..=last].fill(0);
        }
        self.found = 0;
        match kernel.0 {
            Processor::Scalar => {
                for range in blocks {
                    self.marks_scalar::<NAMES>(tables, bytes, range.clone());
                }
                self.judge(last);
            }
            #[cfg(target_arch = "x86_64")]
            // SAFETY: only `Kernel::available` makes it, where the processor has all of these features.
            Processor::Avx2 => unsafe { self.avx2::<NAMES>(tables, bytes, blocks, last) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: only `Kernel::available` makes it, where the processor has all of these features.
            Processor::Avx512 => unsafe { self.avx512::<NAMES>(tables, bytes, blocks, last) },
        }
        self.narrow(tables, bytes);
    }

    /// The positions, in order, at which four bytes stand that have the hash of a fingerprint.
    pub(super) fn positions(&self) -> &[u16] {
        self.narrowed.get(..self.kept).unwrap_or_default()
    }

    /// Keeps the positions whose hash is that of a fingerprint.
    // By itself it keeps everything in registers.
    #[inline(never)]
    fn narrow(&mut self, tables: &Tables, bytes: &[u8]) {
        let mut kept = 0;
        let found = self.positions.get(..self.found).unwrap_or_default();
        for (index, at) in found.iter().enumerate() {
            let Some(four) = bytes.get(usize::from(*at)..).and_then(<[u8]>::first_chunk::<WIDTH>)
            else {
                break;
            };
            // No more have been kept than looked at.
            let Some(room) = self.narrowed.get_mut(kept.min(index)) else { break };
            *room = *at;
            kept += usize::from(tables.has_hash(hash(*four)));
        }
        self.kept = kept;
    }

    /// The blocks of the first `last` that have a flag.
    pub(super) fn flagged(&self, last: usize) -> impl Iterator<Item = usize> {
        let eights = self.flags.as_chunks::<8>().0.iter().take(last.div_ceil(8)).enumerate();
        let flagged = eights.flat_map(|(number, eight)| {
            let mut left = u64::from_le_bytes(*eight);
            std::iter::from_fn(move || {
                let lane = (left != 0).then(|| index(left.trailing_zeros() / 8))?;
                left &= !(0xff << (8 * lane));
                Some(8 * number + lane)
            })
        });
        flagged.take_while(move |block| *block < last)
    }

    /// Whether a row of 24 characters of base64 may stand in a block of those that were read, or reach
    /// into one.
    pub(super) fn has_token(&self, block: usize, last: usize) -> bool {
        let at =
            |block: Option<usize>| block.filter(|block| *block < last).map(|it| self.tokens[it]);
        // What lies outside of the tile may be anything.
        let here = u128::from(self.tokens[block]);
        let before = u128::from(at(block.checked_sub(1)).unwrap_or(u64::MAX));
        let behind = u128::from(at(Some(block + 1)).unwrap_or(u64::MAX));
        let has_row = |masks: u128| {
            let two = masks & masks >> 1;
            let four = two & two >> 2;
            let eight = four & four >> 4;
            let sixteen = eight & eight >> 8;
            sixteen & eight >> 16 != 0
        };
        has_row(before | here << 64) || has_row(here | behind << 64)
    }

    /// Flags from masks; compilers make vectors of it.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "compiled for the processor of its caller")]
    fn judge(&mut self, last: usize) {
        let last = last.min(BLOCKS);
        for block in 0..last {
            let (texts, zeros) = (self.texts[block], self.zeros[block]);
            // Bit n of `zeros` is for the byte behind position n.
            let unit = texts & zeros;
            let two = unit & unit >> 2;
            let two = two & two >> 4;
            let four = unit & zeros >> 1 & zeros >> 2;
            let four = four & four >> 4 & four >> 8;
            let has_token = has_row::<{ 2 * TOKEN_ROW }>(self.tokens[block]);
            // What breaks a row of words: one of nine letters, the mark before one of one or two.
            let (letters, marks) = (self.letters[block], self.marks[block]);
            let long = rows_of::<{ WORD_LETTERS.1 + 1 }>(letters);
            let before = marks & letters >> 1;
            let short = before & (marks >> 2 | letters >> 2 & marks >> 3);
            let has_words = has_row::<PHRASE>((letters | marks) & !long & !short);
            self.flags[block] = (u8::from((two | four) != 0) * WIDE)
                | (u8::from(has_token) * TOKEN)
                | (u8::from(self.escapes[block] != 0) * ESCAPE)
                | (u8::from(self.streams[block] != 0) * STREAM)
                | (u8::from(has_words) * WORDS);
        }
    }
}

/// Where so many bits in a row begin.
#[inline(always)]
#[expect(clippy::inline_always, reason = "compiled for the processor of its caller")]
fn rows_of<const LEN: u32>(bits: u64) -> u64 {
    let (mut rows, mut len) = (bits, 1);
    while 2 * len <= LEN {
        rows &= rows >> len;
        len *= 2;
    }
    if len < LEN { rows & rows >> (LEN - len) } else { rows }
}

/// Whether a block shows that a row of `LEN` bits may lie in it, or half of one that reaches beyond it.
#[inline(always)]
#[expect(clippy::inline_always, reason = "compiled for the processor of its caller")]
fn has_row<const LEN: u32>(bits: u64) -> bool {
    let half = LEN / 2;
    let (first, last) = (u64::MAX >> (64 - half), u64::MAX << (64 - half));
    rows_of::<LEN>(bits) != 0 || bits & first == first || bits & last == last
}

/// Bit of [`CLASSES`]: a character of either alphabet of base64.
const IS_TOKEN: u8 = 1;
/// Bit of [`CLASSES`]: a small letter.
const IS_LETTER: u8 = 2;
/// Bit of [`CLASSES`]: the first character of an escape.
const IS_ESCAPE: u8 = 4;
/// Bit of [`CLASSES`] and [`SECONDS`]: the first and the second byte of a stream.
const IS_STREAM: u8 = 8;
/// Bit of [`CLASSES`]: a letter, a digit or `_`.
const IS_WORD: u8 = 16;
/// Bit of [`CLASSES`]: what may stand between two words.
const IS_MARK: u8 = 32;

/// By byte of ASCII: what it may be a part of.
const CLASSES: [u8; 128] = {
    let mut classes = [0; 128];
    let mut byte = 0u8;
    while byte < 128 {
        let is_token = byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_');
        classes[byte as usize] = ((is_token as u8) * IS_TOKEN)
            | ((byte.is_ascii_lowercase() as u8) * IS_LETTER)
            | ((matches!(byte, b' ' | b'\n' | b',' | b'"') as u8) * IS_MARK)
            | ((matches!(byte, b'%' | b'\\') as u8) * IS_ESCAPE)
            | ((matches!(byte, 0x1f | 0x78) as u8) * IS_STREAM)
            | (((byte.is_ascii_alphanumeric() || byte == b'_') as u8) * IS_WORD);
        byte += 1;
    }
    classes
};

/// Second bytes of streams of gzip and zlib.
const STREAM_SECONDS: [u8; 5] = [0x8b, 0x01, 0x5e, 0x9c, 0xda];

/// What kinds of text use, as [`Tile::judge`] wants it: nothing but tab and what follows it in ASCII.
const FIRST_TEXT: u8 = b'\t';

/// Loops of 64 bytes, with tables of 128 bytes in two registers each.
#[cfg(target_arch = "x86_64")]
impl Tile {
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2,popcnt")]
    fn avx512<const NAMES: bool>(
        &mut self,
        tables: &Tables,
        bytes: &[u8],
        blocks: &[Range<usize>],
        last: usize,
    ) {
        for range in blocks {
            self.marks_avx512::<NAMES>(tables, bytes, range.clone());
        }
        self.judge(last);
        self.positions_avx512(last);
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2")]
    fn marks_avx512<const NAMES: bool>(
        &mut self,
        tables: &Tables,
        bytes: &[u8],
        blocks: Range<usize>,
    ) {
        let [[a0, a1, a2, a3], [b0, b1, b2, b3], [c0, c1, c2, c3]] = &*tables.lower;
        let first = [pair(a0), pair(a1), pair(a2), pair(a3)];
        let second = [pair(b0), pair(b1), pair(b2), pair(b3)];
        let third = [pair(c0), pair(c1), pair(c2), pair(c3)];
        let classes = pair(&CLASSES);
        let seconds = pair(&SECONDS);
        let not_high = _mm512_set1_epi8(!tables.high.cast_signed());
        let high = _mm512_set1_epi8(tables.high.cast_signed());
        let flag = |bit: u8| _mm512_set1_epi8(bit.cast_signed());
        let (is_token, is_letter, is_mark) = (flag(IS_TOKEN), flag(IS_LETTER), flag(IS_MARK));
        let (is_escape, is_stream) = (flag(IS_ESCAPE), flag(IS_STREAM));
        let (least, count) = (flag(FIRST_TEXT), flag(0x80 - FIRST_TEXT));
        let (is_word, dot, colon) = (flag(IS_WORD), flag(b'.'), flag(b':'));
        for block in blocks {
            let at = block * BLOCK;
            let Some(bytes) = bytes.get(at..).and_then(<[u8]>::first_chunk::<{ BLOCK + BEHIND }>)
            else {
                return;
            };
            let [v0, v1, v2, v3] =
                [load::<0>(bytes), load::<1>(bytes), load::<2>(bytes), load::<3>(bytes)];
            let buckets = |[p0, p1, p2, p3]: &[(__m512i, __m512i); WIDTH]| {
                let two = _mm512_and_si512(look_up(p0, v0), look_up(p1, v1));
                // All three of them.
                _mm512_ternarylogic_epi64::<0x80>(two, look_up(p2, v2), look_up(p3, v3))
            };
            let (a, b, c) = (buckets(&first), buckets(&second), buckets(&third));
            // One of the last and not high, or of any other.
            let low = _mm512_ternarylogic_epi64::<0xf8>(_mm512_or_si512(a, b), c, not_high);
            let signs = _mm512_movepi8_mask(_mm512_ternarylogic_epi64::<0xfe>(v0, v1, v2));
            self.literals[block] =
                _mm512_test_epi8_mask(low, low) & !signs | _mm512_test_epi8_mask(c, high);
            let is_ascii = !_mm512_movepi8_mask(v0);
            let class = look_up(&classes, v0);
            self.tokens[block] = _mm512_test_epi8_mask(class, is_token) & is_ascii;
            self.letters[block] = _mm512_test_epi8_mask(class, is_letter) & is_ascii;
            self.marks[block] = _mm512_test_epi8_mask(class, is_mark) & is_ascii;
            self.escapes[block] = _mm512_test_epi8_mask(class, is_escape) & is_ascii;
            let stream = _mm512_and_si512(class, look_up(&seconds, v1));
            self.streams[block] = _mm512_test_epi8_mask(stream, is_stream) & is_ascii;
            self.texts[block] = _mm512_cmplt_epu8_mask(_mm512_sub_epi8(v0, least), count);
            self.zeros[block] = _mm512_testn_epi8_mask(v1, v1);
            if NAMES {
                self.words[block] = _mm512_test_epi8_mask(class, is_word) & is_ascii;
                self.dots[block] = _mm512_cmpeq_epi8_mask(v0, dot);
                self.colons[block] = _mm512_cmpeq_epi8_mask(v0, colon);
            }
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2,popcnt")]
    fn positions_avx512(&mut self, last: usize) {
        const EACH: [u8; 64] = {
            let mut each = [0; 64];
            let mut index = 0u8;
            while index < 64 {
                each[index as usize] = index;
                index += 1;
            }
            each
        };
        // SAFETY: the array has 64 bytes.
        let each = unsafe { _mm512_loadu_si512(EACH.as_ptr().cast()) };
        for block in 0..last.min(BLOCKS) {
            let marks = self.literals[block];
            let Some(room) = self.positions.get_mut(self.found..self.found + BLOCK) else { return };
            let Some(room) = room.first_chunk_mut::<BLOCK>() else { return };
            let packed = _mm512_maskz_compress_epi8(marks, each);
            let first = i16::try_from(block * BLOCK).unwrap_or(i16::MAX);
            let first = _mm512_set1_epi16(first);
            let low = _mm512_cvtepu8_epi16(_mm512_castsi512_si256(packed));
            let low = _mm512_add_epi16(first, low);
            // SAFETY: the array has room for 64 positions, of which these are the first 32.
            unsafe { _mm512_storeu_si512(room.as_mut_ptr().cast(), low) };
            let count = marks.count_ones() as usize;
            if count > BLOCK / 2 {
                let high = _mm512_cvtepu8_epi16(_mm512_extracti64x4_epi64::<1>(packed));
                let high = _mm512_add_epi16(first, high);
                let Some(room) = room.get_mut(BLOCK / 2..) else { return };
                // SAFETY: the slice has room for 32 positions.
                unsafe { _mm512_storeu_si512(room.as_mut_ptr().cast(), high) };
            }
            self.found += count;
        }
    }
}

/// Second bytes of streams, by their lower seven bits.
#[cfg(target_arch = "x86_64")]
const SECONDS: [u8; 128] = {
    let mut seconds = [0; 128];
    let mut index = 0;
    while index < STREAM_SECONDS.len() {
        seconds[(STREAM_SECONDS[index] & 127) as usize] = IS_STREAM;
        index += 1;
    }
    seconds
};

/// The 64 bytes from `AT` on.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx512f")]
fn load<const AT: usize>(bytes: &[u8; BLOCK + BEHIND]) -> __m512i {
    const { assert!(AT <= BEHIND, "64 bytes are left") };
    // SAFETY: 64 bytes from there on are in the array.
    let from = unsafe { bytes.as_ptr().add(AT) };
    // SAFETY: the same.
    unsafe { _mm512_loadu_si512(from.cast()) }
}

/// A table of 128 bytes.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx512f")]
fn pair(table: &[u8; 128]) -> (__m512i, __m512i) {
    // SAFETY: the array has 64 bytes from there on.
    let low = unsafe { _mm512_loadu_si512(table.as_ptr().cast()) };
    // SAFETY: the array has 128 bytes.
    let upper = unsafe { table.as_ptr().add(64) };
    // SAFETY: 64 bytes are left.
    (low, unsafe { _mm512_loadu_si512(upper.cast()) })
}

/// What a table has for the lower seven bits of each byte.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn look_up(table: &(__m512i, __m512i), bytes: __m512i) -> __m512i {
    _mm512_permutex2var_epi8(table.0, bytes, table.1)
}

/// The numbers in a register.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx2")]
fn store(eight: __m256i) -> [u32; 8] {
    let mut numbers = [0; 8];
    // SAFETY: the array has 32 bytes.
    unsafe { _mm256_storeu_si256(numbers.as_mut_ptr().cast(), eight) };
    numbers
}

/// The number of the lowest bit; 64 if there is none.
#[inline(always)]
#[expect(clippy::inline_always, reason = "compiled for the processor of its caller")]
#[expect(clippy::cast_possible_truncation, reason = "no more than 64")]
fn lowest(mask: u64) -> u16 {
    mask.trailing_zeros() as u16
}

/// The 32 bytes from `AT` on.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx2")]
fn load_half<const AT: usize>(bytes: &[u8; 32 + BEHIND]) -> __m256i {
    const { assert!(AT <= BEHIND, "32 bytes are left") };
    // SAFETY: 32 bytes from there on are in the array.
    let from = unsafe { bytes.as_ptr().add(AT) };
    // SAFETY: the same.
    unsafe { _mm256_loadu_si256(from.cast()) }
}

/// Two tables of 16 bytes, for each half of a register.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx2")]
fn halves((low, high): &Halves) -> (__m256i, __m256i) {
    // SAFETY: the array has 16 bytes.
    let low = unsafe { _mm_loadu_si128(low.as_ptr().cast()) };
    // SAFETY: the same.
    let high = unsafe { _mm_loadu_si128(high.as_ptr().cast()) };
    (_mm256_broadcastsi128_si256(low), _mm256_broadcastsi128_si256(high))
}
