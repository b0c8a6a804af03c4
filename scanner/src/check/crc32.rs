//! Tokens that end in a CRC-32 of themselves: GitHub's classic family, npm.

use super::{Outcome, Subject, Verdict};

/// Base62 digits in the order of the checksum.
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Characters of the checksum.
const CHECKSUM: usize = 6;
/// Characters of the random part of the shortest tokens.
const BODY: usize = 30;

/// Characters of GitHub's prefixes and of npm's.
const PREFIX: usize = 4;

/// Checks `prefix_` + body + checksum: the last six characters are the CRC-32 (IEEE) of the body's
/// ASCII bytes, prefix left out, in base62 (`0-9A-Za-z`, most significant digit first, padded with
/// `0`). The pattern has fixed the length (30 + 6 for most kinds, 70 + 6 for refresh tokens).
///
/// Source: GitHub's announcement of the format of 2021, npm's of the same year; reproduced on
/// published samples.
pub(super) fn run(subject: &Subject<'_>) -> Verdict {
    let value = subject.value();
    // Refresh tokens come in two lengths: what follows a short one may look like more of it.
    let short = value.get(..PREFIX + BODY + CHECKSUM).filter(|short| is_valid(short));
    let len = if is_valid(value) { Some(value.len()) } else { short.map(<[u8]>::len) };
    let Some(len) = len else { return Verdict::of(Outcome::Fail, subject) };
    let mut verdict = Verdict::of(Outcome::Pass, subject);
    verdict.span = subject.part(0..len);
    verdict
}

fn is_valid(value: &[u8]) -> bool {
    let Some(underscore) = value.iter().rposition(|&b| b == b'_') else { return false };
    let rest = value.get(underscore.saturating_add(1)..).unwrap_or_default();
    let Some((body, checksum)) = rest.split_last_chunk::<CHECKSUM>() else { return false };
    body.len() >= BODY
        && body.iter().all(u8::is_ascii_alphanumeric)
        && *checksum == base62(crc32fast::hash(body))
}

/// A number in base62; the six digits hold any 32 bits.
pub(super) fn base62(mut number: u32) -> [u8; CHECKSUM] {
    let mut text = [b'0'; CHECKSUM];
    for digit in text.iter_mut().rev() {
        let value = usize::try_from(number % 62).unwrap_or(0);
        *digit = DIGITS.get(value).copied().unwrap_or(b'0');
        number /= 62;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::tests::whole;
    use super::*;

    /// Synthetic, made with zlib's crc32; the second shows the padding.
    const VECTORS: [(&str, &str, &str); 4] = [
        ("ghp_", "8HlrwYMfvea9lkxwkkMxzwwM5hpA6e", "336DbE"),
        ("gho_", "jlx8Wi8exBTKoS8LxS7aI84Bm8oEwf", "001sfK"),
        ("npm_", "EfujfoRnxa6wHW35PBbnm3NliqNT1N", "2PwLgZ"),
        ("vcp_", "POCcBEF8m5GkOXhiY5ydVCQkdbDovoNqOthD9TgBsaL5yjXhn5", "0KaXZO"),
    ];

    #[test]
    fn the_checksum_decides() {
        for (prefix, body, checksum) in VECTORS {
            let token = [prefix, body, checksum].concat();
            assert_eq!(run(&whole(token.as_bytes())).outcome, Outcome::Pass, "{prefix}");
        }
    }

    #[test]
    fn any_changed_character_fails() {
        let (prefix, body, checksum) = VECTORS[0];
        let token = [prefix, body, checksum].concat().into_bytes();
        for at in prefix.len()..token.len() {
            let mut changed = token.clone();
            changed[at] = if changed[at] == b'a' { b'b' } else { b'a' };
            assert_eq!(run(&whole(&changed)).outcome, Outcome::Fail, "byte {at}");
        }
    }

    #[test]
    fn a_short_token_is_found_in_what_could_be_a_long_one() {
        let (_, body, checksum) = VECTORS[0];
        let token = ["ghr_", body, checksum].concat();
        let text = [token.as_str(), &"Stale".repeat(8)].concat();
        let verdict = run(&whole(text.as_bytes()));
        assert_eq!((verdict.outcome, verdict.span), (Outcome::Pass, 0..token.len()));
    }

    #[test]
    fn any_truncation_fails() {
        let token = [VECTORS[0].0, VECTORS[0].1, VECTORS[0].2].concat();
        for len in 0..token.len() {
            assert_eq!(run(&whole(&token.as_bytes()[..len])).outcome, Outcome::Fail, "{len} bytes");
        }
    }
}
