//! Maximal runs of one class of bytes with an exact length: values without any literal.

use std::ops::Range;

use super::encoding::{TOKEN, is_token};

/// Bytes of a token that are told together.
const GROUP: usize = 8;

/// Classes of bytes of which each has a bit.
#[derive(Debug)]
pub(super) struct Classes {
    /// By byte, those that hold it.
    of: Box<[u16; 256]>,
    known: Vec<[bool; 256]>,
}

impl Default for Classes {
    fn default() -> Self {
        Self { of: Box::new([0; 256]), known: Vec::new() }
    }
}

impl Classes {
    /// The bit of a class; none if there are too many.
    pub(super) fn bit(&mut self, class: &[bool; 256]) -> Option<u16> {
        let number = self.known.iter().position(|known| known == class).unwrap_or_else(|| {
            self.known.push(*class);
            self.known.len() - 1
        });
        let bit = 1_u16.checked_shl(u32::try_from(number).ok()?)?;
        self.of.iter_mut().zip(class).filter(|(_, is)| **is).for_each(|(of, _)| *of |= bit);
        Some(bit)
    }
}

/// Which classes hold all bytes of each eight of some tokens, from the start of each token on.
#[derive(Debug, Default)]
pub(super) struct Groups {
    of_eights: Vec<u16>,
    /// By token, those that hold any eight of it: most classes hold none of most tokens.
    of_tokens: Vec<u16>,
}

impl Groups {
    /// Reads the tokens of a text.
    pub(super) fn read(&mut self, bytes: &[u8], tokens: &[Range<usize>], classes: &Classes) {
        self.of_eights.clear();
        self.of_tokens.clear();
        for token in tokens {
            let (groups, _) = bytes.get(token.clone()).unwrap_or_default().as_chunks::<GROUP>();
            let of = |byte: &u8| classes.of[usize::from(*byte)];
            let first = self.of_eights.len();
            self.of_eights.extend(
                groups.iter().map(|group| group.iter().fold(u16::MAX, |all, byte| all & of(byte))),
            );
            let eights = self.of_eights.get(first..).unwrap_or_default();
            self.of_tokens.push(eights.iter().fold(0, |any, eight| any | eight));
        }
    }

    /// Gives the start of every maximal run of exactly `len` bytes of the class with that bit, where these tokens
    /// were read.
    pub(super) fn each(
        &self,
        bytes: &[u8],
        tokens: &[Range<usize>],
        (classes, bit): (&Classes, u16),
        len: usize,
        mut found: impl FnMut(usize),
    ) {
        // So many groups lie in a run wherever it begins, and no more.
        let (least, most) = ((len + 1) / GROUP - 1, len / GROUP);
        let holds = |byte: &u8| classes.of[usize::from(*byte)] & bit != 0;
        let mut rest = self.of_eights.as_slice();
        for (token, any) in tokens.iter().zip(&self.of_tokens) {
            let (groups, behind) = rest.split_at((token.len() / GROUP).min(rest.len()));
            rest = behind;
            if token.len() < len || any & bit == 0 {
                continue;
            }
            let is_in = |group: &&u16| **group & bit != 0;
            // Of so many groups in a row one stands at every place that is looked at.
            let mut at = least - 1;
            while let Some(group) = groups.get(at) {
                if !is_in(&group) {
                    at += least;
                    continue;
                }
                let (before, behind) = groups.split_at(at);
                let first = at - before.iter().rev().take_while(is_in).count();
                let end = at + behind.iter().take_while(is_in).count();
                if (least..=most).contains(&(end - first)) {
                    let inner = token.start + first * GROUP..token.start + end * GROUP;
                    let before = bytes.get(token.start..inner.start).unwrap_or_default();
                    let behind = bytes.get(inner.end..token.end).unwrap_or_default();
                    let before = before.iter().rev().take_while(|byte| holds(byte)).count();
                    let behind = behind.iter().take_while(|byte| holds(byte)).count();
                    if before + inner.len() + behind == len {
                        found(inner.start - before);
                    }
                }
                at = end + least;
            }
        }
    }
}

/// Whether runs of a class with that length are parts of tokens.
pub(super) fn is_of_tokens(class: &[bool; 256], len: usize) -> bool {
    len >= TOKEN && (0..=u8::MAX).zip(class).all(|(byte, is)| !is || is_token(byte))
}

/// Gives the start of every maximal run of exactly `len` bytes of `class`.
///
/// One covers an offset divisible by `len`, so only those are looked at first, and of what is
/// longer only the end.
pub(super) fn each(bytes: &[u8], class: &[bool; 256], len: usize, mut found: impl FnMut(usize)) {
    let holds = |byte: &u8| class[usize::from(*byte)];
    let mut at = 0;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        if !rest.first().is_some_and(holds) {
            at += len;
            continue;
        }
        let before = bytes.get(at.saturating_sub(len)..at).unwrap_or_default();
        let start = at - before.iter().rev().take_while(|byte| holds(byte)).count();
        let end = at + rest.iter().take_while(|byte| holds(byte)).count();
        if end - start == len {
            found(start);
        }
        at = (end + 1).next_multiple_of(len);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_runs_of_the_exact_length_at_any_alignment() {
        let mut class = [false; 256];
        for byte in b"0123456789abcdef" {
            class[usize::from(*byte)] = true;
        }
        for pad in 0..40 {
            for (len, expected) in [(15, false), (16, true), (17, false), (32, false)] {
                let mut bytes = vec![b'.'; pad];
                bytes.extend(std::iter::repeat_n(b'a', len));
                bytes.extend([b'.'; 20]);
                let mut found = Vec::new();
                each(&bytes, &class, 16, |at| found.push(at));
                assert_eq!(found, if expected { vec![pad] } else { vec![] }, "{pad} {len}");
            }
        }
    }

    proptest! {
        #[test]
        fn by_groups_they_are_those_of_each_token(
            text in prop::collection::vec(prop::sample::select(b"00aaaffzz.".to_vec()), 0..400),
            len in TOKEN..40,
        ) {
            let (hex, word): (Vec<bool>, Vec<bool>) = (0..=u8::MAX)
                .map(|byte| (byte.is_ascii_hexdigit(), byte.is_ascii_alphanumeric()))
                .unzip();
            let mut tokens = Vec::new();
            let mut start = 0;
            for part in text.split_inclusive(|byte| *byte == b'.') {
                let token = start..start + part.len() - usize::from(part.ends_with(b"."));
                start += part.len();
                if token.len() >= TOKEN {
                    tokens.push(token);
                }
            }
            let mut classes = Classes::default();
            let all = [hex, word].map(|class| <[bool; 256]>::try_from(class).unwrap());
            let bits = all.map(|class| classes.bit(&class).unwrap());
            let mut groups = Groups::default();
            groups.read(&text, &tokens, &classes);
            for (class, bit) in all.iter().zip(bits) {
                let (mut expected, mut found) = (Vec::new(), Vec::new());
                each(&text, class, len, |at| expected.push(at));
                groups.each(&text, &tokens, (&classes, bit), len, |at| found.push(at));
                prop_assert_eq!(found, expected);
            }
        }
    }
}
