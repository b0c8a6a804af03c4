//! Names that an attacker chose: a normal form to compare and join, and a form to show.

use std::fmt::Write as _;

/// The normal form of a member's name: its parts joined by single slashes, without empty, `.` and
/// `..` parts, so that it never leads out of its container; `.` when nothing is left.
///
/// It is a label, not a path to open. What is longer than `limit` bytes is cut.
pub fn normal(raw: &[u8], limit: usize) -> Vec<u8> {
    let mut name = Vec::new();
    for part in raw.split(|byte| *byte == b'/') {
        if matches!(part, b"" | b"." | b"..") {
            continue;
        }
        if !name.is_empty() {
            name.push(b'/');
        }
        name.extend_from_slice(part);
        if name.len() >= limit {
            name.truncate(limit);
            break;
        }
    }
    if name.is_empty() {
        name.push(b'.');
    }
    name
}

/// A name that is safe in a terminal and tells every byte apart: control characters, characters
/// that are invisible or turn the direction of text, and bytes that are no UTF-8 are escaped
/// (`\x1b`, `\u{202e}`), as is the backslash itself.
pub fn display(name: &[u8]) -> String {
    let mut text = String::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        for char in chunk.valid().chars() {
            match char {
                '\\' => text.push_str("\\\\"),
                '\0'..='\x1f' | '\x7f' => escape_byte(&mut text, u32::from(char)),
                _ if hidden(char) => text.extend(char.escape_unicode()),
                _ => text.push(char),
            }
        }
        for byte in chunk.invalid() {
            escape_byte(&mut text, u32::from(*byte));
        }
    }
    text
}

/// The bytes of a name that was shown by [`display`]; what is no escape of its making stands for itself.
pub fn bytes(shown: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(shown.len());
    let mut rest = shown;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        bytes.extend_from_slice(before.as_bytes());
        let behind = escape.get(1..).unwrap_or_default();
        rest = unescape(behind, &mut bytes).unwrap_or_else(|| {
            bytes.push(b'\\');
            behind
        });
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

/// The path chain of a member: `rootfs-diff.tar!root/.netrc`. `outer` is the chain of its
/// container in display form, empty for the target; `name` is empty in a transparent container.
pub fn chain(outer: &str, name: &[u8]) -> String {
    match (outer.is_empty(), name.is_empty()) {
        (true, _) => display(name),
        (false, true) => outer.to_owned(),
        (false, false) => format!("{outer}!{}", display(name)),
    }
}

/// Adds what an escape stands for, and gives what follows it. `text` begins behind its backslash.
fn unescape<'a>(text: &'a str, bytes: &mut Vec<u8>) -> Option<&'a str> {
    if let Some(rest) = text.strip_prefix('\\') {
        bytes.push(b'\\');
        return Some(rest);
    }
    if let Some(rest) = text.strip_prefix("u{") {
        let (digits, rest) = rest.split_once('}')?;
        let char = char::from_u32(u32::from_str_radix(digits, 16).ok()?)?;
        bytes.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
        return Some(rest);
    }
    let (digits, rest) = text.strip_prefix('x')?.split_at_checked(2)?;
    bytes.push(u8::from_str_radix(digits, 16).ok()?);
    Some(rest)
}

fn escape_byte(text: &mut String, byte: u32) {
    // Writing to a String cannot fail.
    write!(text, "\\x{byte:02x}").unwrap_or_default();
}

/// C1 controls, separators, and what Unicode calls format characters (general category Cf) with
/// an effect on the text around them: directions, joiners, tags, byte order mark.
fn hidden(char: char) -> bool {
    matches!(char,
        '\u{80}'..='\u{9f}' | '\u{ad}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{180e}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{3164}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{bytes, chain, display, normal};

    proptest! {
        #[test]
        fn a_shown_name_leads_back_to_its_bytes(
            name in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b'\\'), Just(b'u')], 0..40),
            text in "\\PC*|.*",
        ) {
            prop_assert_eq!(bytes(&display(&name)), name);
            prop_assert_eq!(bytes(&display(text.as_bytes())), text.as_bytes());
        }

        #[test]
        fn text_that_was_not_shown_is_read_as_well(text in "[\\\\xu{}0-9a-f]{0,20}") {
            prop_assert!(bytes(&text).len() <= text.len());
        }
    }

    #[test]
    fn what_is_no_escape_stands_for_itself() {
        for text in ["\\", "\\x4", "\\xé0", "\\u{110000}", "\\u{41", "\\n"] {
            assert_eq!(bytes(text), text.as_bytes(), "{text}");
        }
    }

    #[test]
    fn normal_form() {
        let cases: [(&[u8], &[u8]); 9] = [
            (b"./checkpoint/pages-1.img", b"checkpoint/pages-1.img"),
            (b"checkpoint/", b"checkpoint"),
            (b"/etc//shadow", b"etc/shadow"),
            (b"../../etc/passwd", b"etc/passwd"),
            (b"a/../b", b"a/b"),
            (b"a/...", b"a/..."),
            (b"./", b"."),
            (b"", b"."),
            (b"123456789", b"12345678"),
        ];
        for (raw, expected) in cases {
            assert_eq!(normal(raw, if raw == b"123456789" { 8 } else { 4096 }), expected);
        }
    }

    #[test]
    fn hostile_names_are_shown_as_escapes() {
        let cases: [(&[u8], &str); 8] = [
            (b"plain name!.txt", "plain name!.txt"),
            ("größe.txt".as_bytes(), "größe.txt"),
            (b"\x1b]0;title\x07", "\\x1b]0;title\\x07"),
            ("exe\u{202e}gpj".as_bytes(), "exe\\u{202e}gpj"),
            ("c1\u{9b}31m".as_bytes(), "c1\\u{9b}31m"),
            (b"bad\xff\xc3", "bad\\xff\\xc3"),
            (b"a\nb\0", "a\\x0ab\\x00"),
            (b"a\\x0a", "a\\\\x0a"),
        ];
        for (name, expected) in cases {
            assert_eq!(display(name), expected);
        }
    }

    #[test]
    fn chains() {
        assert_eq!(chain("", b"rootfs-diff.tar"), "rootfs-diff.tar");
        assert_eq!(chain("rootfs-diff.tar", b"root/.netrc"), "rootfs-diff.tar!root/.netrc");
        assert_eq!(chain("a.tar.gz", b""), "a.tar.gz");
    }
}
