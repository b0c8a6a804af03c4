//! Numbers of RSA as programs hold them once they have read a key: words without any header of
//! their own, told by where a row of large words ends.

use std::ops::Range;

use crate::check::prime;

/// Words of 64 bits of a prime of an RSA key of 2048, 3072 and 4096 bits.
const SIZES: [usize; 3] = [16, 24, 32];

/// Bytes of a word.
const WORD: usize = 8;

/// Words from one that is looked at first to the next: a number of the shortest size covers one.
const STEP: usize = SIZES[0];

/// Words of a row that are looked at, for the longest size and what stands behind it.
const LONGEST: usize = SIZES[2] + 1;

/// As how many numbers of the shortest size one of so many bytes counts: the time that dividing by it takes
/// grows so.
pub(super) fn cost(len: usize) -> usize {
    len.pow(2) / (SIZES[0] * WORD).pow(2)
}

/// Bytes from one word that is looked at first to the next.
const STRIDE: usize = STEP * WORD;

/// Marks the words in a part of `bytes` that are looked at first where addresses divide by [`STRIDE`] from the
/// start of `bytes` on, if they may be a part of a number.
pub(super) fn mark(bytes: &[u8], part: Range<usize>, marked: &mut Vec<u32>) {
    let words = Words(bytes);
    let part = part.start.next_multiple_of(STRIDE) / WORD..part.end / WORD;
    let may_be = part.step_by(STEP).filter(|at| words.may_be_of_number(*at));
    marked.extend(may_be.filter_map(|at| u32::try_from(at).ok()));
}

/// Gives the stretches of `bytes`, which begin at the address `base` and in which these words are marked, that
/// could hold a prime.
///
/// Memory is full of small words: sizes, counts, zeros, addresses. In a random number of 1024 bits
/// one word of 65,536 is as small, so that a number is a row of large words. It begins where the row
/// does, and what stands before it is the size that the allocator of glibc keeps before each of its
/// chunks (numbers of OpenSSL have a chunk each) or the length of a Java array; or it is all of the row
/// (numbers of Go, which have room behind them). The addresses of numbers are multiples of eight.
pub(super) fn each(bytes: &[u8], base: u64, marked: &[u32], mut found: impl FnMut(Range<usize>)) {
    let to = |unit: usize| usize::try_from(base.wrapping_neg() % unit as u64).unwrap_or(0);
    let first = to(WORD);
    let words = Words(bytes.get(first..).unwrap_or_default());
    let mut look = |at: usize| {
        words.around(at, |number, is_java| {
            let number = first + number.start * WORD..first + number.end * WORD;
            let bytes = bytes.get(number.clone());
            if bytes.is_some_and(|bytes| prime::could_be_prime(bytes, is_java)) {
                found(number);
            }
        });
    };
    // Looked at are addresses that divide by the stride, whatever the window.
    if to(STRIDE) == 0 {
        for at in marked {
            look(*at as usize);
        }
    } else {
        let all = ((to(STRIDE) - first) / WORD..bytes.len() / WORD).step_by(STEP);
        all.filter(|at| words.may_be_of_number(*at)).for_each(look);
    }
}

/// Neither a count nor an address of a program.
fn is_large(word: u64) -> bool {
    word >> 48 != 0
}

fn is_text(word: u64) -> bool {
    word & 0x8080_8080_8080_8080 == 0
}

struct Words<'a>(&'a [u8]);

impl Words<'_> {
    fn get(&self, at: usize) -> Option<u64> {
        let at = at * WORD;
        let word = self.0.get(at..at + WORD)?;
        <[u8; WORD]>::try_from(word).ok().map(u64::from_le_bytes)
    }

    fn is(&self, at: Option<usize>, is: impl Fn(u64) -> bool) -> bool {
        at.and_then(|at| self.get(at)).is_some_and(is)
    }

    /// Whether a word may be a part of a number whose row of large words begins no more than a step before it.
    fn may_be_of_number(&self, at: usize) -> bool {
        let large = |at: usize| self.is(Some(at), is_large);
        // Half of the shortest stands before the word or behind it.
        let half = STEP / 2;
        let goes_on =
            || (at + 1..=at + half).all(large) || at >= half && (at - half..at).rev().all(large);
        large(at)
            && !self.is_text_around(at)
            && goes_on()
            && !(at.saturating_sub(STEP)..at).all(large)
    }

    /// Whether a word and both its neighbours are text: of a number two of them would have to be.
    fn is_text_around(&self, at: usize) -> bool {
        self.is(Some(at), is_text)
            && self.is(at.checked_sub(1), is_text)
            && self.is(Some(at + 1), is_text)
    }

    /// Gives the words that could be a number with which the row of large words begins in which `at`
    /// stands, and whether it lies in a Java array. The first word looked at in a row finds them.
    fn around(&self, at: usize, mut found: impl FnMut(Range<usize>, bool)) {
        let large = |at: usize| self.is(Some(at), is_large);
        let least = at.saturating_sub(STEP);
        let Some(before) = (least..at).rev().find(|at| !large(*at)) else { return };
        let Some(header) = self.get(before) else { return };
        let start = before + 1;
        let end = (at + 1..=start + LONGEST).find(|at| !large(*at));
        for size in SIZES {
            let is_java = is_array_of(header, size * WORD);
            let is_whole = end == Some(start + size) && self.get(start + size).is_some();
            let is_headed = is_java || is_chunk_of(header, size * WORD);
            if is_whole || is_headed && end.is_none_or(|end| end >= start + size) {
                found(start..start + size, is_java);
            }
        }
    }
}

/// Whether a word is the class and the length of a Java array of 32-bit numbers, so many bytes long.
fn is_array_of(word: u64, bytes: usize) -> bool {
    usize::try_from(word >> 32).is_ok_and(|len| len * 4 == bytes)
}

/// Whether a word is the size of glibc's chunk for so many bytes: with eight for itself, a multiple
/// of 16; the lowest bits are flags.
fn is_chunk_of(word: u64, bytes: usize) -> bool {
    usize::try_from(word & !7).is_ok_and(|size| size == (bytes + 8).next_multiple_of(16))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(words: &[u64], at: usize) -> Vec<(Range<usize>, bool)> {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let mut all = Vec::new();
        Words(&bytes).around(at, |range, is_java| all.push((range, is_java)));
        all
    }

    const BIG: u64 = 0x9123_4567_89ab_cdef;

    #[test]
    fn longer_numbers_count_more() {
        assert_eq!(SIZES.map(|words| cost(words * WORD)), [1, 2, 4]);
    }

    #[test]
    fn a_row_of_its_length() {
        let row = |before: u64, large: usize, after: u64| {
            let mut words = vec![0; 7];
            words.push(before);
            words.extend(vec![BIG; large]);
            words.extend([after, BIG, BIG]);
            words
        };
        for at in [8, 10, 23] {
            assert_eq!(ranges(&row(0, 16, 1), at), [(8..24, false)]);
        }
        assert_eq!(
            ranges(&row(0, 16, 0x7fff_1234_5678), 10),
            [(8..24, false)],
            "an address follows"
        );
        assert_eq!(ranges(&row(0x20_0080_1234, 16, 1), 10), [(8..24, true)]);
        assert_eq!(ranges(&row(0, 32, 1), 10), [(8..40, false)]);
        assert_eq!(ranges(&row(0, 32, 1), 30), [], "the word before has found it");
        assert_eq!(ranges(&row(0, 15, 1), 10), []);
        assert_eq!(ranges(&row(0, 17, 1), 10), []);
    }

    #[test]
    fn a_chunk_of_its_size_needs_no_end() {
        for (header, size) in [(0x91, 16), (0xd1, 24), (0x111, 32), (0x95, 16)] {
            let mut words = vec![0, header];
            words.extend(vec![BIG; 60]);
            assert_eq!(ranges(&words, 3), [(2..2 + size, false)]);
            words[1 + size] = 0;
            assert_eq!(ranges(&words, 3), [], "too short");
            words[1] = 0xa1;
            assert_eq!(ranges(&words, 3), []);
        }
    }
}
