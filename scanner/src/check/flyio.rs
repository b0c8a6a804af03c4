//! Access tokens of Fly.io: macaroons in MessagePack.

use super::base64_json::{characters, head};
use super::{Outcome, Subject, Verdict, random_text};

/// Values inside of a macaroon, above which it is none.
const VALUES: usize = 4_096;

/// What stands before tokens in a header and in the variable of the command line tool.
const SCHEME: &[u8] = b"FlyV1 ";

/// Checks tokens with a comma between them, each `fm2_` (or `fm1r_`, `fm1a_`) and base64 of an array of
/// four: nonce, location, caveats, tail. The lengths inside show the end. Unavailable: one of them is
/// random but no such array.
///
/// Source: `macaroon-thought.md` and `macaroon.go` of superfly/macaroon.
pub(super) fn run(subject: &Subject<'_>) -> Verdict {
    let value = subject.value();
    let mut at = if value.starts_with(SCHEME) { SCHEME.len() } else { 0 };
    let mut found: Option<(usize, Outcome)> = None;
    while let Some((len, outcome)) = value.get(at..).and_then(token) {
        at = at.saturating_add(len);
        let worst = match found {
            Some((_, Outcome::Unavailable)) => Outcome::Unavailable,
            _ => outcome,
        };
        found = Some((at, worst));
        if value.get(at) != Some(&b',') {
            break;
        }
        at = at.saturating_add(1);
    }
    let Some((end, outcome)) = found else { return Verdict::of(Outcome::Fail, subject) };
    Verdict { span: subject.part(0..end), ..Verdict::of(outcome, subject) }
}

/// The length of the token that text begins with, and whether it is what it seems.
fn token(text: &[u8]) -> Option<(usize, Outcome)> {
    let prefix = memchr::memchr(b'_', text.get(..8)?)?.checked_add(1)?;
    let body = text.get(prefix..)?;
    let bytes = head(body).filter(|_| random_text::is_random(body))?;
    let is_array = bytes.first() == Some(&0x94);
    let (len, outcome) = match value_len(&bytes).filter(|_| is_array) {
        Some(len) => (characters(body, len), Outcome::Pass),
        None => (memchr::memchr(b',', body).unwrap_or(body.len()), Outcome::Unavailable),
    };
    Some((prefix.checked_add(len)?, outcome))
}

/// Bytes of the MessagePack value that `bytes` begin with.
fn value_len(bytes: &[u8]) -> Option<usize> {
    let mut at = 0_usize;
    let mut left = 1_usize;
    for _ in 0..VALUES {
        if left == 0 {
            return Some(at);
        }
        let kind = *bytes.get(at)?;
        at = at.checked_add(1)?;
        // Bytes of the number that follows, and what it or the kind itself says: bytes, values.
        let mut number = |width: usize| -> Option<usize> {
            let digits = bytes.get(at..at.checked_add(width)?)?;
            at = at.checked_add(width)?;
            digits.iter().try_fold(0_usize, |sum, digit| {
                sum.checked_mul(256)?.checked_add(usize::from(*digit))
            })
        };
        let (skip, values) = match kind {
            0x00..=0x7f | 0xe0.. | 0xc0 | 0xc2 | 0xc3 => (0, 0),
            0x80..=0x8f => (0, usize::from(kind & 0x0f).checked_mul(2)?),
            0x90..=0x9f => (0, usize::from(kind & 0x0f)),
            0xa0..=0xbf => (usize::from(kind & 0x1f), 0),
            0xc1 => return None,
            0xc4 | 0xd9 => (number(1)?, 0),
            0xc5 | 0xda => (number(2)?, 0),
            0xc6 | 0xdb => (number(4)?, 0),
            0xc7 => (number(1)?.checked_add(1)?, 0),
            0xc8 => (number(2)?.checked_add(1)?, 0),
            0xc9 => (number(4)?.checked_add(1)?, 0),
            0xcc | 0xd0 => (1, 0),
            0xcd | 0xd1 | 0xd4 => (2, 0),
            0xd5 => (3, 0),
            0xca | 0xce | 0xd2 => (4, 0),
            0xd6 => (5, 0),
            0xcb | 0xcf | 0xd3 => (8, 0),
            0xd7 => (9, 0),
            0xd8 => (17, 0),
            0xdc => (0, number(2)?),
            0xdd => (0, number(4)?),
            0xde => (0, number(2)?.checked_mul(2)?),
            0xdf => (0, number(4)?.checked_mul(2)?),
        };
        at = at.checked_add(skip)?;
        left = left.checked_sub(1)?.checked_add(values)?;
        if at > bytes.len() {
            return None;
        }
    }
    None
}

#[cfg(test)]
#[expect(clippy::string_slice, reason = "ASCII of our own making")]
mod tests {
    use super::super::tests::whole;
    use super::*;
    use data_encoding::BASE64;
    use sha2::{Digest, Sha256, Sha512};

    #[test]
    fn lengths_of_messagepack() {
        // From the specification of MessagePack: one of each form.
        let cases: [(&[u8], usize); 14] = [
            (b"\x07", 1),
            (b"\xff", 1),
            (b"\xc0", 1),
            (b"\xa3abc", 4),
            (b"\xd9\x03abc", 5),
            (b"\xda\x00\x03abc", 6),
            (b"\xc4\x02ab", 4),
            (b"\x92\x01\x93\x02\x03\x04", 6),
            (b"\x81\xa1k\xcd\x01\x02", 6),
            (b"\xdc\x00\x02\x01\x02", 5),
            (b"\xde\x00\x01\x01\x02", 5),
            (b"\xcb12345678", 9),
            (b"\xd6\x01abcd", 6),
            (b"\xc7\x02\x01ab", 5),
        ];
        for (bytes, len) in cases {
            assert_eq!(value_len(bytes), Some(len), "{bytes:x?}");
            assert_eq!(value_len(&[bytes, b"stale"].concat()), Some(len), "{bytes:x?}");
            assert_eq!(value_len(&bytes[..len - 1]), None, "{bytes:x?} cut");
        }
        assert_eq!(value_len(b"\xdd\xff\xff\xff\xff"), None);
        assert_eq!(value_len(&[0x91; 10_000]), None, "deep");
        assert_eq!(value_len(b"\xc1"), None);
    }

    fn token() -> String {
        let key = Sha512::digest(b"a key");
        let tail = Sha256::digest(b"a tail");
        let bytes = [
            b"\x94\x93\xc4\x10".as_slice(),
            &key[..16],
            b"\xc4\x10",
            &key[16..32],
            b"\xc3\xb9https://api.fly.io/aaa/v1\x92\x04\xc4\x20",
            &key[32..],
            b"\xc4\x20",
            &tail,
        ]
        .concat();
        ["fm2_", &BASE64.encode(&bytes)].concat()
    }

    #[test]
    fn the_array_shows_the_end() {
        let token = token();
        let verdict = run(&whole(token.as_bytes()));
        assert_eq!((verdict.outcome, verdict.span), (Outcome::Pass, 0..token.len()));
        let bare = token.trim_end_matches('=');
        let stale = format!("{bare}StaleText");
        assert_eq!(run(&whole(stale.as_bytes())).span, 0..bare.len());
        for less in 20..24 {
            let cut = &token[..token.len() - less];
            let verdict = run(&whole(cut.as_bytes()));
            assert_eq!((verdict.outcome, verdict.span), (Outcome::Unavailable, 0..cut.len()));
        }
        let cut = &token[..token.len() - 20];
        let list = ["FlyV1 ", &token, ",", bare].concat();
        for (text, len) in [(list.clone(), list.len()), (list.clone() + "Stale", list.len())] {
            let verdict = run(&whole(text.as_bytes()));
            assert_eq!((verdict.outcome, verdict.span), (Outcome::Pass, 0..len), "{text}");
        }
        let mixed = ["FlyV1 ", cut, ",", &token].concat();
        assert_eq!(run(&whole(mixed.as_bytes())).outcome, Outcome::Unavailable);
        assert_eq!(run(&whole(b"FlyV1 fm2_")).outcome, Outcome::Fail);
        let filler = ["fm2_", "lJPE", &"A".repeat(200)].concat();
        assert_eq!(run(&whole(filler.as_bytes())).outcome, Outcome::Fail);
    }
}
