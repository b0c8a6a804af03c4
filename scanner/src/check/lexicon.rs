//! Lists of words that values are held against, without a copy of the value.

/// Words, found in any case.
#[derive(Debug)]
pub(super) struct Lexicon {
    by_ends: Vec<Vec<&'static [u8]>>,
    longest: usize,
}

/// Words are told apart by their first and last two letters, nearly always.
const BUCKETS: usize = 2048;

fn bucket(word: &[u8]) -> usize {
    let small = |byte: Option<&u8>| usize::from(byte.copied().unwrap_or(0) | 0x20);
    let mixed = word
        .iter()
        .take(2)
        .chain(word.iter().rev().take(2))
        .fold(word.len(), |mixed, byte| mixed.wrapping_mul(31).wrapping_add(small(Some(byte))));
    mixed % BUCKETS
}

impl Lexicon {
    /// The words of a list, in lower case, parted by blanks.
    pub(super) fn of(list: &'static str) -> Self {
        let mut by_ends = vec![Vec::new(); BUCKETS];
        let mut longest = 0;
        for word in list.split_ascii_whitespace().map(str::as_bytes) {
            longest = word.len().max(longest);
            if let Some(bucket) = by_ends.get_mut(bucket(word)) {
                bucket.push(word);
            }
        }
        Self { by_ends, longest }
    }

    /// Whether `word` is one of the list.
    pub(super) fn has(&self, word: &[u8]) -> bool {
        let alike = self.by_ends.get(bucket(word)).filter(|_| word.len() <= self.longest);
        alike.is_some_and(|alike| alike.iter().any(|known| known.eq_ignore_ascii_case(word)))
    }
}

/// Short texts of two bytes or more, 32 of them at most, that are looked for together, in any case.
#[derive(Debug)]
pub(super) struct Parts {
    texts: Vec<&'static [u8]>,
    /// By byte, the parts that begin with it, and those whose second byte it is.
    first: [u32; 256],
    second: [u32; 256],
}

impl Parts {
    /// The parts of a list, in lower case.
    pub(super) fn of(texts: Vec<&'static [u8]>) -> Self {
        let (mut first, mut second) = ([0; 256], [0; 256]);
        for (bit, part) in (0_u32..32).zip(&texts) {
            for (set, byte) in [&mut first, &mut second].into_iter().zip(*part) {
                for byte in [byte.to_ascii_lowercase(), byte.to_ascii_uppercase()] {
                    if let Some(set) = set.get_mut(usize::from(byte)) {
                        *set |= 1 << bit;
                    }
                }
            }
        }
        Self { texts, first, second }
    }

    /// Whether one of them stands in `text`.
    pub(super) fn are_in(&self, text: &[u8]) -> bool {
        let set = |sets: &[u32; 256], byte: u8| sets.get(usize::from(byte)).copied().unwrap_or(0);
        let mut before = 0;
        text.iter().enumerate().any(|(at, byte)| {
            let both = before & set(&self.second, *byte);
            before = set(&self.first, *byte);
            both != 0 && self.is_one_at(text, at.saturating_sub(1), both)
        })
    }

    /// Whether one of the parts of a set stands at an offset.
    fn is_one_at(&self, text: &[u8], at: usize, set: u32) -> bool {
        let rest = text.get(at..).unwrap_or_default();
        (0_u32..32).zip(&self.texts).any(|(bit, part)| {
            set >> bit & 1 == 1
                && rest.get(..part.len()).is_some_and(|head| head.eq_ignore_ascii_case(part))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_are_found_in_any_case() {
        let list = "pass passwd password a n/a user";
        let lexicon = Lexicon::of(list);
        for word in list.split(' ') {
            assert!(lexicon.has(word.as_bytes()) && lexicon.has(word.to_uppercase().as_bytes()));
        }
        for word in ["", "pas", "passw", "userx", "passwords and more of them", "\u{e9}"] {
            assert!(!lexicon.has(word.as_bytes()), "{word}");
        }
    }

    proptest! {
        #[test]
        fn parts_are_found_as_one_by_one(text in "[aAbBcC.$é]{0,24}") {
            let all: Vec<&'static [u8]> = vec![b"ab", b"abc", b"$.", b"...", b"ccc", "é.".as_bytes()];
            let lower = text.to_ascii_lowercase();
            let expected = all.iter().any(|part| memchr::memmem::find(lower.as_bytes(), part).is_some());
            prop_assert_eq!(Parts::of(all).are_in(text.as_bytes()), expected);
        }
    }
}
