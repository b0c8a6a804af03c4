//! Secret keys of signify (OpenBSD) and minisign.

use data_encoding::BASE64;
use sha2::{Digest, Sha512};
use zeroize::Zeroizing;

use super::{Attributes, Outcome, Subject, Verdict, entropy};

/// Bytes of a key of minisign, of one of signify.
const MINISIGN: usize = 158;
const SIGNIFY: usize = 104;

/// Checks a secret key: its algorithms, its derivation from a password, and that the rest is random;
/// of signify without a password also the sum over the key.
///
/// Source: jedisct1/minisign, "Secret key format"; OpenBSD, `signify.c`, `struct enckey`.
pub(super) fn run(subject: &Subject<'_>) -> Verdict {
    let value = subject.value();
    let decoded = [(MINISIGN, 212), (SIGNIFY, 140)].into_iter().find_map(|(size, len)| {
        let bytes = Zeroizing::new(BASE64.decode(value.get(..len)?).ok()?);
        (bytes.len() == size).then_some((bytes, len))
    });
    let judged = decoded.and_then(|(bytes, len)| Some((judge(&bytes)?, len)));
    let Some(((tool, is_encrypted), len)) = judged else {
        return Verdict::of(Outcome::Fail, subject);
    };
    Verdict {
        span: subject.part(0..len),
        attributes: Attributes::from([
            ("key.encrypted", is_encrypted.to_string()),
            ("key.tool", tool.to_owned()),
        ]),
        ..Verdict::of(Outcome::Pass, subject)
    }
}

/// Which tool's it is, and whether a password protects it.
fn judge(bytes: &[u8]) -> Option<(&'static str, bool)> {
    // Ed25519.
    let rest = bytes.strip_prefix(b"Ed")?;
    let is_random = |bytes: &[u8]| entropy::shannon(bytes) >= 4_500;
    if bytes.len() == MINISIGN {
        // scrypt or nothing, and the sum of Blake2b.
        let (derivation, rest) = rest.split_first_chunk::<2>()?;
        let key = rest.strip_prefix(b"B2")?.get(48..)?;
        let is_encrypted = match derivation {
            b"Sc" => true,
            [0, 0] => false,
            _ => return None,
        };
        return is_random(key).then_some(("minisign", is_encrypted));
    }
    // bcrypt, rounds, salt, sum, number of the key, key.
    let (rounds, rest) = rest.strip_prefix(b"BK")?.split_first_chunk::<4>()?;
    let (sum, rest) = rest.get(16..)?.split_first_chunk::<8>()?;
    let key = rest.get(8..)?;
    match u32::from_be_bytes(*rounds) {
        0 => Sha512::digest(key).starts_with(sum).then_some(("signify", false)),
        1..=10_000 => is_random(key).then_some(("signify", true)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::whole;
    use super::*;

    fn check(bytes: &[u8]) -> Verdict {
        run(&whole((BASE64.encode(bytes) + "abc").as_bytes()))
    }

    fn random(len: usize) -> Vec<u8> {
        (0..4_u8).flat_map(|seed| Sha512::digest([seed])).take(len).collect()
    }

    #[test]
    fn keys_of_minisign() {
        for (derivation, is_encrypted) in [(b"Sc", "true"), (&[0, 0], "false")] {
            let key = [&b"Ed"[..], derivation, b"B2", &random(152)].concat();
            let verdict = check(&key);
            assert_eq!((verdict.outcome, verdict.span), (Outcome::Pass, 0..212));
            assert_eq!(verdict.attributes["key.encrypted"], is_encrypted);
        }
        assert_eq!(check(&[&b"EdScB2"[..], &[7; 152]].concat()).outcome, Outcome::Fail);
        assert_eq!(check(&[&b"EdXXB2"[..], &random(152)].concat()).outcome, Outcome::Fail);
        assert_eq!(check(b"EdScB2").outcome, Outcome::Fail);
    }

    #[test]
    fn keys_of_signify() {
        let key = random(64);
        let of = |rounds: u32, sum: &[u8]| {
            let rounds = rounds.to_be_bytes();
            [b"EdBK", &rounds[..], &random(16), &sum[..8], &random(8), &key].concat()
        };
        let sum = Sha512::digest(&key);
        let verdict = check(&of(0, &sum));
        assert_eq!((verdict.outcome, verdict.span), (Outcome::Pass, 0..140));
        assert_eq!(verdict.attributes["key.encrypted"], "false");
        assert_eq!(check(&of(42, &random(8))).attributes["key.encrypted"], "true");
        assert_eq!(check(&of(0, &random(8))).outcome, Outcome::Fail);
        assert_eq!(check(&of(u32::MAX, &sum)).outcome, Outcome::Fail);
    }
}
