//! The hash that a cell is known by, at the speed of memory.
//!
//! Each 4 KiB by NH of RFC 4418 §5.2 on words of 64 bits, twice under shifted keys (§5.2.2 there): two texts of
//! one length that differ come to the same with a probability of 2^-128, whatever they are, for whoever has
//! not seen the keys. What that comes to is hashed by BLAKE3 under a key.

/// Bytes that are hashed at once.
const PAGE: usize = 4096;

/// Keys of one cache's hashes.
#[derive(Debug)]
pub(super) struct CellHash {
    key: [u8; 32],
    /// For two words their keys, and those of the second time.
    words: Vec<[u64; 4]>,
}

impl CellHash {
    /// Under a key from which all others are made.
    pub(super) fn new(key: [u8; 32]) -> Self {
        let mut bytes = vec![0; PAGE + 16];
        let mut all = blake3::Hasher::new_keyed(&key);
        all.update(b"words of NH").finalize_xof().fill(&mut bytes);
        let (words, _) = bytes.as_chunks();
        let (pairs, _) = words.as_chunks();
        let both = pairs.iter().zip(pairs.iter().skip(1));
        let words = both.map(|([a, b], [c, d])| [*a, *b, *c, *d].map(u64::from_le_bytes));
        Self { key, words: words.collect() }
    }

    /// The key that it was made with.
    pub(super) fn key(&self) -> &[u8; 32] {
        &self.key
    }

    /// The hash of some bytes; that of zeros, of which there are many, is none.
    pub(super) fn of(&self, bytes: &[u8]) -> [u8; 32] {
        let is_zero = bytes.iter().take(64).all(|byte| *byte == 0)
            && bytes.iter().fold(0, |all, byte| all | byte) == 0;
        if is_zero {
            return [0; 32];
        }
        let mut all = blake3::Hasher::new_keyed(&self.key);
        let (pages, rest) = bytes.as_chunks();
        for page in pages {
            all.update(&self.page(page));
        }
        if !rest.is_empty() {
            let mut page = [0; PAGE];
            page.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
            all.update(&self.page(&page));
        }
        *all.update(&bytes.len().to_le_bytes()).finalize().as_bytes()
    }

    fn page(&self, page: &[u8; PAGE]) -> [u8; 32] {
        let (words, _) = page.as_chunks();
        let (pairs, _) = words.as_chunks();
        let (mut one, mut two) = (0_u128, 0_u128);
        for ([a, b], [of_a, of_b, again_a, again_b]) in pairs.iter().zip(&self.words) {
            let (a, b) = (u64::from_le_bytes(*a), u64::from_le_bytes(*b));
            let product = |of_a: u64, of_b: u64| {
                u128::from(a.wrapping_add(of_a)) * u128::from(b.wrapping_add(of_b))
            };
            one = one.wrapping_add(product(*of_a, *of_b));
            two = two.wrapping_add(product(*again_a, *again_b));
        }
        let mut both = [0; 32];
        let (halves, _) = both.as_chunks_mut();
        for (to, sum) in halves.iter_mut().zip([one, two]) {
            *to = sum.to_le_bytes();
        }
        both
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_sum_is_that_of_the_definition() {
        let hash = CellHash::new([3; 32]);
        let mut keys = vec![0; PAGE + 16];
        let mut all = blake3::Hasher::new_keyed(&[3; 32]);
        all.update(b"words of NH").finalize_xof().fill(&mut keys);
        let word = |bytes: &[u8], at: usize| {
            u128::from(u64::from_le_bytes(bytes[8 * at..8 * at + 8].try_into().unwrap()))
        };
        let mut page = [0; PAGE];
        blake3::Hasher::new().finalize_xof().fill(&mut page);
        // Mod 2^64 within a factor, mod 2^128 over all: the definition, word by word.
        let sum = |shift: usize| {
            (0..PAGE / 16).fold(0_u128, |sum, pair| {
                let at = 2 * pair;
                let factor = |at: usize| (word(&page, at) + word(&keys, at + shift)) % (1 << 64);
                sum.wrapping_add(factor(at) * factor(at + 1))
            })
        };
        assert_eq!(hash.page(&page), *[sum(0).to_le_bytes(), sum(2).to_le_bytes()].concat());
    }

    #[test]
    fn bytes_that_differ_hash_differently() {
        let hash = CellHash::new([3; 32]);
        let mut all = BTreeSet::from([hash.of(&[0; 9])]);
        let mut count = 1;
        let one = |bytes: &[u8]| hash.of(bytes);
        for len in [1, 7, 8, 15, 16, 17, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE] {
            let bytes = vec![7; len];
            all.insert(one(&bytes));
            count += 1;
            for at in (0..len).step_by(1 + len / 64) {
                let mut bytes = bytes.clone();
                bytes[at] ^= 1 << (at % 8);
                all.insert(one(&bytes));
                count += 1;
            }
            // Words that change places.
            if len >= 16 {
                let mut bytes = bytes.clone();
                bytes[0] = 1;
                all.insert(one(&bytes));
                bytes.swap(0, 8);
                all.insert(one(&bytes));
                count += 2;
            }
        }
        assert_eq!(all.len(), count);
        assert_ne!(CellHash::new([4; 32]).of(&[7; PAGE]), hash.of(&[7; PAGE]));
        assert_eq!(hash.of(&[0; PAGE]), [0; 32]);
    }
}
