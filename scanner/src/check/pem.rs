//! Private keys in armour (`-----BEGIN … PRIVATE KEY-----`), and the same keys as bare DER.

use data_encoding::BASE64;

use super::armour::{self, Armour};
use super::key::{self, Fault};
use super::{Attributes, Outcome, Subject, Verdict, attribute, entropy, known, openssh};
use crate::secret::SecretBytes;

/// Characters of a body that are worth keeping although they do not decode to a whole key.
const WORTHWHILE: usize = 64;
/// Thousandths of a bit per character that a random body of that length has.
const RANDOM_BODY: u32 = 4_500;

/// Checks armour and the key in it: RSA (the modulus is the product of the primes), EC (the size
/// of the curve), EdDSA, DSA, encrypted forms, OpenSSH. The pattern takes everything up to the
/// last line, or as far as the text goes; where there is no last line the key's own length gives
/// the end.
///
/// Weak: a damaged or cut body, a modulus that is no product, a published test key.
/// Fail: a template or placeholder, any other label.
pub(super) fn run(subject: &Subject<'_>) -> Verdict {
    let judged = armour::read(subject.value()).and_then(|armour| match armour.label.as_str() {
        "OPENSSH PRIVATE KEY" => openssh::armoured(subject, &armour),
        label if label.ends_with("PRIVATE KEY") => armoured(subject, &armour),
        _ => None,
    });
    judged.unwrap_or_else(|| Verdict::of(Outcome::Fail, subject))
}

/// Checks a key in DER where the span begins. The key's own length gives the end. The canonical
/// value is that of the same key in armour.
///
/// Unavailable: of Ed25519, X25519, Ed448 and X448 any octets behind a constant header are a key.
/// Fail: such octets that are a filling or text.
pub(super) fn der(subject: &Subject<'_>) -> Verdict {
    let Ok(key) = key::parse(subject.value()) else { return Verdict::of(Outcome::Fail, subject) };
    let bytes = subject.value().get(..key.len).unwrap_or_default();
    let (judged, attributes) = judge(&key, bytes);
    let outcome = match (key.is_random, judged) {
        (Some(false), _) => return Verdict::of(Outcome::Fail, subject),
        (Some(true), Outcome::Pass) => Outcome::Unavailable,
        _ => judged,
    };
    Verdict {
        outcome,
        span: subject.part(0..key.len),
        attributes,
        canonical: Some(canonical(key.label, bytes)),
        plain: None,
    }
}

fn armoured(subject: &Subject<'_>, armour: &Armour) -> Option<Verdict> {
    if armour.header("DEK-Info").is_some() {
        return legacy_encrypted(subject, armour);
    }
    let decoded = armour.decode();
    let Ok(key) = key::parse(&decoded) else { return damaged(subject, armour) };
    let bytes = decoded.get(..key.len)?;
    let (mut outcome, attributes) = judge(&key, bytes);
    // Nothing follows the key in well-formed armour.
    if armour.is_closed && decoded.len() != key.len {
        outcome = Outcome::Weak;
    }
    Some(Verdict {
        outcome,
        span: subject.part(armour.span.start..armour.end_of(key.len)),
        attributes,
        canonical: Some(canonical(key.label, bytes)),
        plain: None,
    })
}

fn judge(key: &key::Key, bytes: &[u8]) -> (Outcome, Attributes) {
    let mut attributes = key.attributes();
    let is_public = known::is_public_key(bytes);
    if is_public {
        attributes.insert("key.known-public", "true".to_owned());
    }
    let is_sound = !is_public && key.is_consistent != Some(false);
    (if is_sound { Outcome::Pass } else { Outcome::Weak }, attributes)
}

/// RFC 1421 headers: the body is cipher text, so that only its form can be looked at.
fn legacy_encrypted(subject: &Subject<'_>, armour: &Armour) -> Option<Verdict> {
    let (cipher, vector) = armour.header("DEK-Info")?.split_once(',')?;
    let decoded = armour.decode();
    let is_whole = armour.is_closed
        && armour.header("Proc-Type").is_some_and(|header| header.ends_with("ENCRYPTED"))
        && vector.len() >= 16
        && vector.bytes().all(|b| b.is_ascii_hexdigit())
        && decoded.len() >= 48
        && decoded.len().is_multiple_of(8)
        && decoded.len() == armour.body.len().saturating_mul(3) / 4;
    if !is_whole && (armour.is_template || armour.body.len() < WORTHWHILE) {
        return None;
    }
    let mut verdict = damaged_or_whole(subject, armour, is_whole);
    verdict.attributes = Attributes::from([
        ("key.cipher", attribute(cipher)),
        ("key.encrypted", "true".to_owned()),
        ("key.type", attribute(armour.label.split(' ').next().unwrap_or_default())),
    ]);
    Some(verdict)
}

/// What is left of a key whose body is cut or overwritten; `None` if it never was one.
pub(super) fn damaged(subject: &Subject<'_>, armour: &Armour) -> Option<Verdict> {
    let body = armour.body.as_slice();
    let decoded = armour.decode();
    // A key that is cut, or an armour that is whole around something random.
    let was_key = key::parse(&decoded) == Err(Fault::Truncated) && body.starts_with(b"M")
        || body.starts_with(openssh::HEAD)
        || armour.is_closed && entropy::shannon(body) >= RANDOM_BODY;
    (was_key && !armour.is_template && body.len() >= WORTHWHILE)
        .then(|| damaged_or_whole(subject, armour, false))
}

fn damaged_or_whole(subject: &Subject<'_>, armour: &Armour, is_whole: bool) -> Verdict {
    let canonical = [armour.label.as_bytes(), b"\n", &armour.body].concat();
    Verdict {
        outcome: if is_whole { Outcome::Pass } else { Outcome::Weak },
        span: subject.part(armour.span.clone()),
        attributes: Attributes::new(),
        canonical: Some(SecretBytes::from(canonical)),
        plain: None,
    }
}

/// The label, a line feed, and the base64 body without white space, so that one key has one
/// fingerprint in every notation.
pub(super) fn canonical(label: &str, bytes: &[u8]) -> SecretBytes {
    let mut text = Vec::with_capacity(label.len().saturating_add(bytes.len().saturating_mul(2)));
    text.extend_from_slice(label.as_bytes());
    text.push(b'\n');
    let body = zeroize::Zeroizing::new(BASE64.encode(bytes));
    text.extend_from_slice(body.as_bytes());
    SecretBytes::from(text)
}

#[cfg(test)]
#[expect(clippy::string_slice, reason = "ASCII of our own making")]
pub(super) mod tests {
    use super::super::key::tests::{P, Q, ec, ed25519, ed25519_of, pbes2, rsa};
    use super::super::tests::whole;
    use super::*;
    use sha2::{Digest, Sha256};

    /// RFC 7468: 64 characters a line.
    pub(in crate::check) fn armour(label: &str, der: &[u8], line_end: &str) -> String {
        let body = BASE64.encode(der);
        let lines = body.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap());
        let first = format!("-----BEGIN {label}-----");
        let last = format!("-----END {label}-----");
        let mut all = vec![first.as_str()];
        all.extend(lines);
        all.push(&last);
        all.join(line_end)
    }

    fn exposed(verdict: &Verdict) -> Vec<u8> {
        verdict.canonical.as_ref().unwrap().expose().to_vec()
    }

    #[test]
    fn one_key_has_one_canonical_value_in_every_notation() {
        for der in [rsa(P, Q, 0), ec(32, None), ed25519(), pbes2()] {
            let label = key::parse(&der).unwrap().label;
            let expected = format!("{label}\n{}", BASE64.encode(&der)).into_bytes();
            for line_end in
                ["\n", "\r\n", "\\n", "\\r\\n", "\\\\n", "\n  ", " ", "\",\n\"", "&#10;"]
            {
                let armoured = armour(label, &der, line_end);
                let text = format!("{armoured}\nstale");
                let verdict = run(&whole(text.as_bytes()));
                assert_eq!(verdict.outcome, Outcome::Pass, "{label} {line_end:?}");
                assert_eq!(verdict.span, 0..armoured.len(), "{label} {line_end:?}");
                assert_eq!(exposed(&verdict), expected);
            }
            let bare = self::der(&whole(&[&der[..], b"stale"].concat()));
            let proof = if der == ed25519() { Outcome::Unavailable } else { Outcome::Pass };
            assert_eq!((bare.outcome, bare.span.clone()), (proof, 0..der.len()));
            assert_eq!(exposed(&bare), expected);
        }
    }

    #[test]
    fn behind_a_constant_header_only_random_octets_are_a_key() {
        let outcome = |secret: &[u8]| der(&whole(&ed25519_of(secret))).outcome;
        assert_eq!(outcome(&Sha256::digest(b"random")), Outcome::Unavailable);
        assert_eq!(outcome(&[0; 32]), Outcome::Fail);
        assert_eq!(outcome(b"the parser reads a header, then t"[..32].as_ref()), Outcome::Fail);
        assert_eq!(outcome(b"0123456789abcdefghijklmnopqrstuv"), Outcome::Fail, "32 characters");
    }

    #[test]
    fn the_label_may_be_wrong() {
        let verdict = run(&whole(armour("RSA PRIVATE KEY", &ed25519(), "\n").as_bytes()));
        assert_eq!(verdict.outcome, Outcome::Pass);
        assert!(exposed(&verdict).starts_with(b"PRIVATE KEY\n"));
    }

    #[test]
    fn without_the_last_line_the_key_tells_its_end() {
        let text = armour("RSA PRIVATE KEY", &rsa(P, Q, 0), "\n");
        let body_end = text.find("-----END").unwrap() - 1;
        let stale = format!("{}\nSTALEletters\n", &text[..body_end]);
        let verdict = run(&whole(stale.as_bytes()));
        let padding = text[..body_end].bytes().rev().take_while(|&b| b == b'=').count();
        assert_eq!(verdict.outcome, Outcome::Pass);
        assert!((body_end - padding..=body_end).contains(&verdict.span.end));
    }

    #[test]
    fn a_cut_body_is_weak_and_too_little_of_it_nothing() {
        let text = armour("RSA PRIVATE KEY", &rsa(P, Q, 0), "\n");
        let body_end = text.find("-----END").unwrap() - 5;
        let body_start = text.find("MII").unwrap();
        for len in 0..body_end {
            let expected = if len > body_start + 64 { Outcome::Weak } else { Outcome::Fail };
            let verdict = run(&whole(&text.as_bytes()[..len]));
            if len != body_start + 64 {
                assert_eq!(verdict.outcome, expected, "{len} bytes");
            }
        }
    }

    #[test]
    fn damage_is_weak() {
        let good = armour("RSA PRIVATE KEY", &rsa(P, Q, 0), "\n");
        let last_line = good.rfind('\n').unwrap();
        let overwritten = format!("{}\u{1}{}", &good[..last_line - 5], &good[last_line - 4..]);
        let random: Vec<u8> = (0..4_u8).flat_map(|i| Sha256::digest([i])).collect();
        let longer = [&rsa(P, Q, 0)[..], &[1, 2, 3]].concat();
        let cases = [
            (overwritten, "a byte in the body"),
            (armour("RSA PRIVATE KEY", &rsa(P, Q, 2), "\n"), "no product"),
            (armour("PRIVATE KEY", &random, "\n"), "no key at all"),
            (armour("RSA PRIVATE KEY", &longer, "\n"), "more than a key"),
        ];
        for (text, why) in cases {
            assert_eq!(run(&whole(text.as_bytes())).outcome, Outcome::Weak, "{why}");
        }
    }

    #[test]
    fn what_is_no_key_fails() {
        let cases = [
            "-----BEGIN RSA PRIVATE KEY-----\n...\n-----END RSA PRIVATE KEY-----".to_owned(),
            "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----".to_owned(),
            "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg...\n-----END PRIVATE KEY-----".to_owned(),
            "-----BEGIN PRIVATE KEY-----\n<key>\n-----END PRIVATE KEY-----".to_owned(),
            "-----BEGIN %s PRIVATE KEY-----".to_owned(),
            "-----BEGIN PRIVATE KEY-----".to_owned(),
            "-----BEGIN PRIVATE KEY----- marks the first line of armoured keys".to_owned(),
            armour("RSA TESTING KEY", &rsa(P, Q, 0), "\n"),
            armour("PUBLIC KEY", &rsa(P, Q, 0), "\n"),
            armour("PRIVATE KEY", &[b'x'; 300], "\n"),
            String::new(),
        ];
        for text in cases {
            assert_eq!(run(&whole(text.as_bytes())).outcome, Outcome::Fail, "{text}");
        }
        assert_eq!(der(&whole(b"\x30\x03\x02\x01\x00")).outcome, Outcome::Fail);
    }

    #[test]
    fn legacy_encryption() {
        let body: Vec<u8> = (0..6_u8).flat_map(|i| Sha256::digest([i])).collect();
        let plain = armour("RSA PRIVATE KEY", &body, "\n");
        let headers = "KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF\n";
        let text = plain.replacen("KEY-----", headers, 1);
        let verdict = run(&whole(text.as_bytes()));
        assert_eq!((verdict.outcome, verdict.span), (Outcome::Pass, 0..text.len()));
        assert_eq!(verdict.attributes["key.cipher"], "AES-128-CBC");
        assert_eq!(verdict.attributes["key.encrypted"], "true");
        assert_eq!(verdict.attributes["key.type"], "RSA");

        let escaped = text.replace('\n', "\\n");
        assert_eq!(run(&whole(escaped.as_bytes())).outcome, Outcome::Pass);
        let cut = &text.as_bytes()[..text.len() - 40];
        assert_eq!(run(&whole(cut)).outcome, Outcome::Weak);
        let no_block = armour("RSA PRIVATE KEY", &body[1..], "\n").replacen("KEY-----", headers, 1);
        assert_eq!(run(&whole(no_block.as_bytes())).outcome, Outcome::Weak);
    }
}
