//! Rows of words of the list of BIP-39: a wallet's seed phrase has no literal of its own.

use std::ops::Range;

use super::kernel;
use super::prefilter::Marks;

use crate::check::bip39::{LENGTHS, LETTERS, is_word};

/// Letters and marks of the shortest phrase.
const SHORTEST: usize = kernel::PHRASE as usize;

const _: () = assert!(
    *LETTERS.start() == kernel::WORD_LETTERS.0 as usize
        && *LETTERS.end() == kernel::WORD_LETTERS.1 as usize,
    "blocks are marked for words of these lengths"
);

/// What may stand between two words: one of these, the same throughout.
const MARKS: [&[u8]; 6] = [b" ", b"\n", b",", b", ", b"\",\"", b"\", \""];

/// Words of the longest row that is walked, to one side.
const MOST: usize = 25;

/// Gives each longest row of listed words that has as many as a phrase may have.
///
/// Any phrase covers an offset that `SHORTEST` divides, in a word or behind one: only what stands there
/// is looked at.
pub(super) fn each(bytes: &[u8], marks: &Marks, mut found: impl FnMut(Range<usize>)) {
    let mut last = 0..0;
    // Of a phrase that reaches beyond a block, no more than half of the shortest stands where none is marked.
    let stretches = marks.stretches(kernel::WORDS, SHORTEST / 2 + 1, bytes.len());
    let first = |stretch: Range<usize>| {
        (stretch.start.next_multiple_of(SHORTEST)..stretch.end).step_by(SHORTEST)
    };
    for at in stretches.flat_map(first) {
        let Some(word) = word_before(bytes, at) else { continue };
        // In prose few words are listed, and in few rows of it all words are of the right length.
        if !bytes.get(word.clone()).is_some_and(is_word) {
            continue;
        }
        let marks = MARKS.into_iter().filter(|mark| could_be_phrase(bytes, &word, mark));
        for row in marks.filter_map(|mark| row(bytes, &word, mark)) {
            if row != last {
                last = row.clone();
                found(row);
            }
        }
    }
}

/// The word that an offset is in, or behind with no more than a mark between.
fn word_before(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    const MARK: usize = 4;
    let is_letter = |at: &usize| bytes.get(*at).is_some_and(u8::is_ascii_lowercase);
    let inside = (at.saturating_sub(MARK)..=at).rev().find(is_letter)?;
    let longest = *LETTERS.end();
    let start = inside
        - (1..=longest)
            .take_while(|back| inside.checked_sub(*back).is_some_and(|at| is_letter(&at)))
            .count();
    let end = inside + (0..=longest).take_while(|on| is_letter(&(inside + on))).count();
    let word = start..end;
    (LETTERS.contains(&word.len()) && is_apart(bytes, &word)).then_some(word)
}

/// Whether a stretch of letters is a word of the list, and no letter or digit touches it.
fn is_listed(bytes: &[u8], word: Range<usize>) -> bool {
    LETTERS.contains(&word.len()) && is_apart(bytes, &word) && bytes.get(word).is_some_and(is_word)
}

/// Whether no letter or digit touches a stretch.
fn is_apart(bytes: &[u8], word: &Range<usize>) -> bool {
    let touches = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    !touches(word.start.checked_sub(1).and_then(|at| bytes.get(at)))
        && !touches(bytes.get(word.end))
}

/// Whether enough words of the right length stand around one, whatever they are: to look all of them up takes
/// longer.
fn could_be_phrase(bytes: &[u8], word: &Range<usize>, mark: &[u8]) -> bool {
    let fewest = LENGTHS.first().copied().unwrap_or_default();
    let is_letter = |byte: &&u8| byte.is_ascii_lowercase();
    let most = LETTERS.end() + 1;
    let mut words = 1;
    let mut rest = bytes.get(word.end..).unwrap_or_default();
    while let Some(behind) = rest.strip_prefix(mark).filter(|_| words < fewest) {
        let letters = behind.iter().take(most).take_while(is_letter).count();
        if !LETTERS.contains(&letters) {
            break;
        }
        rest = behind.get(letters..).unwrap_or_default();
        words += 1;
    }
    let mut rest = bytes.get(..word.start).unwrap_or_default();
    while let Some(before) = rest.strip_suffix(mark).filter(|_| words < fewest) {
        let letters = before.iter().rev().take(most).take_while(is_letter).count();
        if !LETTERS.contains(&letters) {
            break;
        }
        rest = before.get(..before.len() - letters).unwrap_or_default();
        words += 1;
    }
    words >= fewest
}

/// The row around a word in which each is followed by `mark`, if it is as long as a phrase may be.
fn row(bytes: &[u8], word: &Range<usize>, mark: &[u8]) -> Option<Range<usize>> {
    let is_letter = |byte: &&u8| byte.is_ascii_lowercase();
    let (mut start, mut end, mut words) = (word.start, word.end, 1);
    while let Some(before) = bytes.get(..start).and_then(|text| text.strip_suffix(mark)) {
        let letters = before.iter().rev().take(LETTERS.end() + 1).take_while(is_letter).count();
        let first = before.len() - letters;
        if !is_listed(bytes, first..before.len()) {
            break;
        }
        start = first;
        words += 1;
        if words > MOST {
            return None;
        }
    }
    while let Some(behind) = bytes.get(end..).and_then(|text| text.strip_prefix(mark)) {
        let letters = behind.iter().take(LETTERS.end() + 1).take_while(is_letter).count();
        let first = bytes.len() - behind.len();
        if !is_listed(bytes, first..first + letters) {
            break;
        }
        end = first + letters;
        words += 1;
        if words > MOST {
            return None;
        }
    }
    LENGTHS.contains(&words).then_some(start..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: [&str; 12] = [
        "special", "happy", "clinic", "prevent", "glue", "tomorrow", "skull", "shell", "where",
        "pumpkin", "release", "reunion",
    ];

    fn all(text: &str) -> Vec<String> {
        let mut found = Vec::new();
        let marks = Marks::of(text.as_bytes());
        each(text.as_bytes(), &marks, |range| found.push(text.get(range).unwrap().to_owned()));
        found
    }

    #[test]
    fn rows_are_found_at_any_place_with_any_mark() {
        for mark in [" ", "\n", ",", "\",\""] {
            let row = WORDS.join(mark);
            for pad in 0..100 {
                let text = format!("{}=\"{row}\"{}", "#".repeat(pad), "#".repeat(100));
                assert_eq!(all(&text), [row.as_str()], "{pad}");
            }
        }
    }

    #[test]
    fn rows_end_at_other_words_and_marks() {
        let row = WORDS.join(" ");
        assert_eq!(all(&format!("the phrase is: {row}\nand {row}. End")), [row.as_str(), &row]);
        assert_eq!(all(&format!("see the {row} and then")), [row.as_str()]);
        assert!(all(&row.replacen(' ', "\n", 1)).is_empty());
        assert!(all(&row.replacen(' ', "  ", 1)).is_empty());
        assert!(all(&row.replace("glue", "glues")).is_empty());
        assert!(all(&format!("x{row}")).is_empty());
        assert!(all(&format!("{row}7")).is_empty());
        // Thirteen words are none, nor eleven.
        assert!(all(&format!("{row} zebra")).is_empty());
        assert!(all(&WORDS[1..].join(" ")).is_empty());
        assert!(all(&"zebra ".repeat(1000)).is_empty());
    }
}
