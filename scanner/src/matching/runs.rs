//! Maximal runs of one class of bytes with an exact length: values without any literal.

use std::ops::Range;

use super::encoding::{TOKEN, is_token};

/// Gives the start of every maximal run of exactly `len` bytes of `class`.
///
/// With `tokens`, only what is a part of one.
pub(super) fn each(
    bytes: &[u8],
    tokens: Option<&[Range<usize>]>,
    class: &[bool; 256],
    len: usize,
    mut found: impl FnMut(usize),
) {
    let Some(tokens) = tokens else { return in_part(bytes, class, len, &mut found) };
    for token in tokens.iter().filter(|token| token.len() >= len) {
        let part = bytes.get(token.clone()).unwrap_or_default();
        in_part(part, class, len, &mut |at| found(token.start + at));
    }
}

/// Whether runs of a class with that length are parts of tokens.
pub(super) fn is_of_tokens(class: &[bool; 256], len: usize) -> bool {
    len >= TOKEN && (0..=u8::MAX).zip(class).all(|(byte, is)| !is || is_token(byte))
}

/// A run of `len` bytes covers an offset divisible by `len`, so only those are looked at first, and of what is
/// longer only the end.
fn in_part(bytes: &[u8], class: &[bool; 256], len: usize, found: &mut impl FnMut(usize)) {
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
                in_part(&bytes, &class, 16, &mut |at| found.push(at));
                assert_eq!(found, if expected { vec![pad] } else { vec![] }, "{pad} {len}");
            }
        }
    }
}
