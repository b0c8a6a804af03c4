//! Other notations of a value: percent-encoding, escapes of JSON, base64.

use data_encoding::{BASE64, BASE64_NOPAD};
use zeroize::Zeroizing;

use super::{Notation, Plain};
use crate::secret::SecretBytes;

/// The characters of base64 text that stands in a URL or a JSON string, and how they were written.
///
/// Undone are `%2B` and its like, `\u002b` and `\/`: what encoders write for `+`, `/` and `=`.
pub(super) fn unescaped(text: &[u8]) -> (Zeroizing<Vec<u8>>, Option<Notation>) {
    let mut out = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut notation = None;
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        let (byte, found, tail) = match (first, after) {
            (b'%', [a, b, tail @ ..]) => (hex(*a, *b), Notation::Percent, tail),
            (b'\\', [b'u', b'0', b'0', a, b, tail @ ..]) => (hex(*a, *b), Notation::Escaped, tail),
            (b'\\', [b'/', tail @ ..]) => (Some(b'/'), Notation::Escaped, tail),
            _ => (None, Notation::Percent, after),
        };
        if let Some(byte) = byte {
            out.push(byte);
            notation = Some(found);
            rest = tail;
        } else {
            out.push(first);
            rest = after;
        }
    }
    (out, notation)
}

/// The value of a verdict whose span holds it in `notation`; nothing where it lies plainly.
pub(super) fn plain(value: &[u8], notation: Option<Notation>) -> Option<Plain> {
    notation.map(|notation| Plain { notation, value: SecretBytes::new(value) })
}

/// What base64 text holds, with its padding or without.
pub(super) fn base64(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let encoding = if text.ends_with(b"=") { &BASE64 } else { &BASE64_NOPAD };
    encoding.decode(text).ok().map(Zeroizing::new)
}

fn hex(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
    Some((digit(high)? << 4) | digit(low)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_undone_and_told() {
        let cases: [(&str, &str, Option<Notation>); 7] = [
            ("a+b/c==", "a+b/c==", None),
            ("a%2Bb%2fc%3D%3D", "a+b/c==", Some(Notation::Percent)),
            ("a\\u002Bb\\/c\\u003d=", "a+b/c==", Some(Notation::Escaped)),
            ("a%", "a%", None),
            ("a%2", "a%2", None),
            ("a%zz\\u00", "a%zz\\u00", None),
            ("", "", None),
        ];
        for (text, expected, notation) in cases {
            let (plain, found) = unescaped(text.as_bytes());
            assert_eq!((plain.as_slice(), found), (expected.as_bytes(), notation), "{text}");
        }
    }

    #[test]
    fn base64_with_and_without_padding() {
        assert_eq!(base64(b"eDo=").unwrap().as_slice(), b"x:");
        assert_eq!(base64(b"eDo").unwrap().as_slice(), b"x:");
        assert!(base64(b"eDp=").is_none(), "spare bits");
        assert!(base64(b"eD o").is_none());
    }
}
