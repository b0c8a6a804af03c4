//! Rows of words of the list of BIP-39: a wallet's seed phrase has no literal of its own.

use std::ops::Range;

use crate::check::bip39::{LENGTHS, LETTERS, is_word};

/// Letters and marks of the shortest phrase: twelve words of three letters, and a mark behind each but
/// the last.
const SHORTEST: usize = 12 * 3 + 11;

/// What may stand between two words: one of these, the same throughout.
const MARKS: [&[u8]; 6] = [b" ", b"\n", b",", b", ", b"\",\"", b"\", \""];

/// Gives each longest row of listed words that has as many as a phrase may have.
///
/// Any phrase covers an offset that `SHORTEST` divides, with nothing but small letters and marks
/// around: nearly all of memory is passed over there.
pub(super) fn each(bytes: &[u8], mut found: impl FnMut(Range<usize>)) {
    let mut at = 0;
    let mut done = 0;
    while at < bytes.len() {
        if at >= done && is_in_row(bytes, at) {
            let stretch = stretch(bytes, at);
            done = stretch.end;
            if stretch.len() >= SHORTEST {
                rows(bytes, stretch, &mut found);
            }
        }
        at += SHORTEST;
    }
}

fn is_in_row(bytes: &[u8], at: usize) -> bool {
    bytes.get(at).is_some_and(|byte| byte.is_ascii_lowercase() || b" \n,\"".contains(byte))
}

/// The small letters and marks around an offset, as many as could matter to it: three times what
/// the longest phrase has.
fn stretch(bytes: &[u8], at: usize) -> Range<usize> {
    const MOST: usize = 24 * 12 * 3;
    let mut start = at;
    while start > 0 && at - start < MOST && is_in_row(bytes, start - 1) {
        start -= 1;
    }
    let mut end = at;
    while end - at < MOST && is_in_row(bytes, end) {
        end += 1;
    }
    start..end
}

/// The rows of listed words in a stretch.
fn rows(bytes: &[u8], stretch: Range<usize>, found: &mut impl FnMut(Range<usize>)) {
    let mut row: Option<Row> = None;
    let mut at = stretch.start;
    while at < stretch.end {
        let is_letter = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_lowercase);
        let mut end = at;
        while end < stretch.end && is_letter(end) {
            end += 1;
        }
        if end == at {
            at += 1;
            continue;
        }
        // A word that goes on in other letters or digits is not one.
        let touches = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        let is_whole = !touches(at.checked_sub(1).and_then(|at| bytes.get(at)))
            && !touches(bytes.get(end));
        let is_listed = is_whole
            && LETTERS.contains(&(end - at))
            && bytes.get(at..end).is_some_and(is_word);
        row = match row.take() {
            Some(mut row) if is_listed && row.goes_on(bytes, at) => {
                row.words += 1;
                row.end = end;
                Some(row)
            }
            other => {
                other.inspect(|row| row.give(found));
                is_listed.then_some(Row { start: at, end, words: 1, mark: None })
            }
        };
        at = end;
    }
    row.inspect(|row| row.give(found));
}

struct Row {
    start: usize,
    end: usize,
    words: usize,
    /// What stands between its words.
    mark: Option<&'static [u8]>,
}

impl Row {
    /// Whether the word at `at` follows by the mark of the row.
    fn goes_on(&mut self, bytes: &[u8], at: usize) -> bool {
        let between = bytes.get(self.end..at).unwrap_or_default();
        let mark = MARKS.into_iter().find(|mark| *mark == between);
        let is_same = mark.is_some() && self.mark.is_none_or(|known| Some(known) == mark);
        self.mark = mark;
        is_same
    }

    fn give(&self, found: &mut impl FnMut(Range<usize>)) {
        if LENGTHS.contains(&self.words) {
            found(self.start..self.end);
        }
    }
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
        each(text.as_bytes(), |range| found.push(text[range].to_owned()));
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
        assert_eq!(all(&format!("the phrase is: {row}\nand {row}. End")), [&row, &row]);
        assert_eq!(all(&format!("see the {row} and then")), [row.as_str()]);
        assert!(all(&row.replacen(' ', "\n", 1)).is_empty());
        assert!(all(&row.replace("glue", "glues")).is_empty());
        assert!(all(&format!("x{row}")).is_empty());
        assert!(all(&format!("{row}7")).is_empty());
        // Thirteen words are none, nor eleven.
        assert!(all(&format!("{row} zebra")).is_empty());
        assert!(all(&WORDS[1..].join(" ")).is_empty());
        assert!(all(&"zebra ".repeat(1000)).is_empty());
    }
}
