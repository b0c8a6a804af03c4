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

/// Words that are looked at on each side of one, for the longest size and what stands before it.
const LONGEST: usize = SIZES[2] + 1;

/// Gives the stretches of `bytes`, which begin at the address `base`, that could hold a prime.
///
/// Memory is full of small words: sizes, counts, zeros, addresses. In a random number of 1024 bits
/// one word of 65,536 is as small, so that a number is a row of large words, and one of the two ends
/// of the row is an end of the number: what follows it is small, or what precedes it is the size that
/// the allocator of glibc keeps before each of its chunks (`secret` numbers of OpenSSL have a chunk
/// each). The addresses of numbers are multiples of eight.
pub(super) fn each(bytes: &[u8], base: u64, mut found: impl FnMut(Range<usize>)) {
    let to = |unit: u64| usize::try_from(base.wrapping_neg() % unit).unwrap_or(0);
    let first = to(WORD as u64);
    let words = Words(bytes.get(first..).unwrap_or_default());
    // Looked at are addresses that divide by the step, whatever the window.
    let mut at = (to((STEP * WORD) as u64) - first) / WORD;
    while let Some(word) = words.get(at) {
        if is_large(word) && !words.is_text_around(at) {
            words.around(at, |number| {
                let number = first + number.start * WORD..first + number.end * WORD;
                if bytes.get(number.clone()).is_some_and(prime::is_worth_testing) {
                    found(number);
                }
            });
        }
        at += STEP;
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

    /// Whether a word and both its neighbours are text: of a number two of them would have to be.
    fn is_text_around(&self, at: usize) -> bool {
        self.is(Some(at), is_text)
            && self.is(at.checked_sub(1), is_text)
            && self.is(Some(at + 1), is_text)
    }

    /// Gives the words that could be a number, of the row of large words in which `at` stands. What
    /// other words of the same row lead to is theirs.
    fn around(&self, at: usize, mut found: impl FnMut(Range<usize>)) {
        let large = |at: Option<usize>| self.is(at, is_large);
        let start = (at.saturating_sub(LONGEST)..at).rev().find(|at| !large(Some(*at)));
        let end = (at + 1..at + 1 + LONGEST).find(|at| !large(Some(*at)));
        let starts_at = |first: usize| {
            start.map_or(first >= at.saturating_sub(LONGEST), |before| before < first)
        };
        // The last word looked at before the end has found all numbers that end there.
        if let Some(end) = end.filter(|end| end - at <= STEP && self.get(*end).is_some()) {
            for size in SIZES {
                if let Some(first) = end.checked_sub(size).filter(|first| starts_at(*first)) {
                    found(first..end);
                }
            }
        }
        let Some(before) = start.filter(|before| at - before <= STEP) else { return };
        for size in SIZES {
            let last = before + 1 + size;
            let is_known = end.is_some_and(|end| end <= last);
            if !is_known && self.get(before).is_some_and(|word| is_chunk_of(word, size * WORD)) {
                found(before + 1..last);
            }
        }
    }
}

/// Whether a word is the size of glibc's chunk for so many bytes: with eight for itself, a multiple
/// of 16; the lowest bits are flags.
fn is_chunk_of(word: u64, bytes: usize) -> bool {
    usize::try_from(word & !7).is_ok_and(|size| size == (bytes + 8).next_multiple_of(16))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(words: &[u64], at: usize) -> Vec<Range<usize>> {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let mut all = Vec::new();
        Words(&bytes).around(at, |range| all.push(range));
        all
    }

    const BIG: u64 = 0x9123_4567_89ab_cdef;

    #[test]
    fn a_row_that_ends_is_taken_from_its_end() {
        let row = |large: usize, after: u64| {
            let mut words = vec![0; 8];
            words.extend(vec![BIG; large]);
            words.extend([after, BIG, BIG]);
            words
        };
        assert_eq!(ranges(&row(16, 1), 10), [8..24]);
        assert_eq!(ranges(&row(16, 0x7fff_1234_5678), 23), [8..24], "an address follows");
        assert_eq!(ranges(&row(17, 1), 24), [9..25], "the header of a Java array before it");
        assert_eq!(ranges(&row(26, 1), 20), [18..34, 10..34]);
        assert_eq!(ranges(&row(26, 1), 9), Vec::<Range<usize>>::new(), "another word finds it");
        assert_eq!(ranges(&row(15, 1), 10), Vec::<Range<usize>>::new());
    }

    #[test]
    fn a_chunk_of_its_size_needs_no_end() {
        for (header, size) in [(0x91, 16), (0xd1, 24), (0x111, 32), (0x95, 16)] {
            let mut words = vec![0, header];
            words.extend(vec![BIG; 60]);
            assert_eq!(ranges(&words, 3), [2..2 + size]);
            words[1] = 0xa1;
            assert_eq!(ranges(&words, 3), Vec::<Range<usize>>::new());
        }
    }
}
