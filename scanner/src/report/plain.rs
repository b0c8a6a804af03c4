//! Text for a terminal: hostile strings made harmless, numbers made short, lines broken.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::Style;

/// Characters of a string from a target where the report is not verbose.
const CLIP: usize = 160;

/// One line, of which the first `painted` bytes are in the colour `sgr` (the parameters of ECMA-48's
/// SELECT GRAPHIC RENDITION).
pub(crate) struct Line {
    pub(crate) text: String,
    pub(crate) painted: usize,
    pub(crate) sgr: &'static str,
}

impl Line {
    /// A line without colour.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), painted: 0, sgr: "" }
    }

    /// A line in one colour.
    pub(crate) fn painted(text: String, sgr: &'static str) -> Self {
        Self { painted: text.len(), text, sgr }
    }

    /// Writes the line and its end.
    pub(crate) fn write(&self, out: &mut dyn Write, color: bool) -> io::Result<()> {
        match self.text.split_at_checked(self.painted) {
            Some((painted, rest)) if color && !painted.is_empty() => {
                writeln!(out, "\x1b[{}m{painted}\x1b[0m{rest}", self.sgr)
            }
            _ => writeln!(out, "{}", self.text),
        }
    }
}

/// A paragraph behind a margin.
pub(crate) fn paragraph(style: &Style, margin: usize, text: &str) -> Vec<Line> {
    let blank = " ".repeat(margin);
    let lines = wrap(text, style.width.saturating_sub(margin));
    lines.into_iter().map(|line| Line::new(format!("{blank}{line}"))).collect()
}

/// A string from a target, harmless, and short where the report is short.
pub(crate) fn safe(style: &Style, text: &str) -> String {
    if style.verbose { escape(text) } else { clip(text, CLIP) }
}

/// Makes a string from a target harmless for a terminal and for the logs of CI systems.
///
/// Control characters, and characters that reorder or hide what follows them (Unicode bidi controls,
/// zero-width and tag characters), become `\u{…}`. So does a colon that would start a workflow
/// command (`::error …`): runners of GitHub look for one behind any white space.
pub fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    let mut word_start = true;
    while let Some(char) = chars.next() {
        let command = char == ':' && word_start && chars.peek() == Some(&':');
        if command || is_harmful(char) {
            let code = u32::from(char);
            // Writing to a `String` cannot fail.
            write!(safe, "\\u{{{code:x}}}").unwrap_or_default();
        } else {
            safe.push(char);
        }
        word_start = char.is_whitespace();
    }
    safe
}

/// Whether a character moves the cursor, or reorders or hides what follows it.
pub(crate) fn is_harmful(char: char) -> bool {
    char.is_control()
        || matches!(char,
            '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

/// The same, cut to a number of characters with an ellipsis.
pub(super) fn clip(text: &str, max: usize) -> String {
    let safe = escape(text);
    match safe.char_indices().nth(max) {
        None => safe,
        Some((end, _)) => format!("{}…", safe.get(..end).unwrap_or_default()),
    }
}

/// Bytes in words: `17 bytes`, `1.2 GiB`. Rounded down, so that it never says more than there is.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if count < 1024 {
        return number(count, "byte", "bytes");
    }
    let mut unit = 0;
    while unit + 1 < UNITS.len() && count >> (10 * (unit + 2)) > 0 {
        unit += 1;
    }
    let tenths = u128::from(count) * 10 / (1u128 << (10 * (unit + 1)));
    let name = UNITS.get(unit).copied().unwrap_or_default();
    format!("{}.{} {name}", tenths / 10, tenths % 10)
}

/// A number and its noun: `1 file`, `3 processes`.
pub(crate) fn number(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// Breaks a text at blanks into lines of at most `width` characters. A longer word, such as a path,
/// stays in one piece: it is there to be copied.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut columns = 0;
    for word in text.split(' ') {
        let length = word.chars().count();
        if columns > 0 && columns + 1 + length > width {
            lines.push(std::mem::take(&mut line));
            columns = 0;
        }
        if columns > 0 {
            line.push(' ');
            columns += 1;
        }
        line.push_str(word);
        columns += length;
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_moves_the_cursor_or_the_eye_is_escaped() {
        let cases = [
            ("plain, ünïcode, 漢字", "plain, ünïcode, 漢字"),
            ("\x1b]0;title\x07", "\\u{1b}]0;title\\u{7}"),
            ("a\r\nb\u{9b}31m", "a\\u{d}\\u{a}b\\u{9b}31m"),
            ("user\u{202e}gpj.exe", "user\\u{202e}gpj.exe"),
            ("zero\u{200b}width", "zero\\u{200b}width"),
            ("::set-output name=x", "\\u{3a}:set-output name=x"),
            ("x ::error::", "x \\u{3a}:error::"),
            ("std::io", "std::io"),
        ];
        for (text, expected) in cases {
            assert_eq!(escape(text), expected);
        }
    }

    #[test]
    fn bytes_are_rounded_down() {
        let cases = [
            (0, "0 bytes"),
            (1, "1 byte"),
            (1023, "1023 bytes"),
            (1024, "1.0 KiB"),
            ((1 << 20) - 1, "1023.9 KiB"),
            (1 << 20, "1.0 MiB"),
            (1_288_490_188, "1.1 GiB"),
            (u64::MAX, "15.9 EiB"),
        ];
        for (count, expected) in cases {
            assert_eq!(bytes(count), expected);
        }
    }

    #[test]
    fn long_words_stay_whole() {
        assert_eq!(wrap("in /a/very/long/path here", 8), ["in", "/a/very/long/path", "here"]);
        assert_eq!(clip("abcdef", 3), "abc…");
        assert_eq!(clip("abc", 3), "abc");
    }

    proptest! {
        #[test]
        fn wrapping_keeps_the_words(text in "[a-z ]{0,80}", width in 0usize..20) {
            let kept: String = wrap(&text, width).concat().replace(' ', "");
            prop_assert_eq!(kept, text.replace(' ', ""));
        }

        #[test]
        fn escaped_text_has_no_control_character(text in "\\PC*|.*") {
            prop_assert!(!escape(&text).chars().any(is_harmful));
        }
    }
}
