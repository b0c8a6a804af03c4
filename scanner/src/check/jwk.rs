//! JSON Web Keys with a secret in them (RFC 7517, 7518 §6, 8037), and encrypted tokens (RFC 7516).

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::key::{bits, is_product};
use super::{Attributes, Outcome, Subject, Verdict, attribute, curve, entropy, known};

/// Bytes around a value in which its object is looked for.
const OBJECT: usize = 8 << 10;
/// Objects that are tried, from the innermost on.
const TRIES: usize = 4;

/// Checks the member `d` or `k` of a key: the object around it is one, and its numbers are as long as
/// its curve or modulus asks for. Of RSA the modulus is the product of the primes, of P-256, P-384 and
/// secp256k1 the point is that of the number.
///
/// Weak: they do not belong together.
/// Fail: no such object, a key of documentation.
pub(super) fn private(subject: &Subject<'_>) -> Verdict {
    let fail = Verdict::of(Outcome::Fail, subject);
    if known::is_documentation_value(subject.value()) {
        return fail;
    }
    let Some(judged) = object(subject).and_then(|object| judge(&object, subject.value())) else {
        return fail;
    };
    let (outcome, attributes) = judged;
    Verdict { outcome, attributes, ..fail }
}

/// The object in which the value stands.
fn object(subject: &Subject<'_>) -> Option<Map<String, Value>> {
    let from = subject.span.start.saturating_sub(OBJECT);
    let before = subject.text.get(from..subject.span.start)?;
    let starts = before.iter().enumerate().rev().filter(|(_, byte)| **byte == b'{');
    starts.take(TRIES).find_map(|(at, _)| {
        let start = from.checked_add(at)?;
        let text = subject.text.get(start..)?;
        let text = text.get(..text.len().min(OBJECT))?;
        let mut objects = serde_json::Deserializer::from_slice(text).into_iter::<Map<_, _>>();
        let object = objects.next()?.ok()?;
        let end = start.checked_add(objects.byte_offset())?;
        (end >= subject.span.end).then_some(object)
    })
}

fn judge(object: &Map<String, Value>, value: &[u8]) -> Option<(Outcome, Attributes)> {
    let text = |name: &str| object.get(name).and_then(Value::as_str);
    let bytes = |name: &str| {
        let bytes = BASE64URL_NOPAD.decode(text(name)?.as_bytes()).ok()?;
        Some(Zeroizing::new(bytes))
    };
    let kind = text("kty")?;
    let secret = if kind == "oct" { "k" } else { "d" };
    let key = bytes(secret).filter(|_| text(secret).map(str::as_bytes) == Some(value))?;
    let mut attributes = Attributes::from([("key.type", attribute(kind))]);
    let mut is_right = entropy::shannon(&key) >= 3_000;
    match kind {
        "RSA" => {
            let (n, e) = (bytes("n")?, bytes("e")?);
            attributes.insert("key.bits", bits(&n).to_string());
            is_right &= e.len() <= 8 && key.len() <= n.len() && n.len() >= 64;
            if let (Some(p), Some(q)) = (bytes("p"), bytes("q")) {
                is_right &= is_product(&n, &p, &q);
            }
        }
        "EC" => {
            let name = text("crv")?;
            let size = match name {
                "P-256" | "secp256k1" => 32,
                "P-384" => 48,
                "P-521" => 66,
                _ => return None,
            };
            let (x, y) = (bytes("x")?, bytes("y")?);
            let point = [&[4], x.as_slice(), y.as_slice()].concat();
            attributes.insert("key.curve", attribute(name));
            is_right &= key.len() == size && curve::is_pair(name, &key, &point) != Some(false);
        }
        "OKP" => {
            let name = text("crv")?;
            let size = match name {
                "Ed25519" | "X25519" => 32,
                "X448" => 56,
                "Ed448" => 57,
                _ => return None,
            };
            attributes.insert("key.curve", attribute(name));
            is_right &= key.len() == size && bytes("x").is_some_and(|x| x.len() == size);
        }
        "oct" => {
            attributes.insert("key.bits", key.len().saturating_mul(8).to_string());
            is_right &= key.len() >= 16;
        }
        _ => return None,
    }
    for (name, member) in [("jwk.kid", "kid"), ("jwk.use", "use"), ("jwk.alg", "alg")] {
        if let Some(text) = text(member) {
            attributes.insert(name, attribute(text));
        }
    }
    Some((if is_right { Outcome::Pass } else { Outcome::Weak }, attributes))
}

/// Checks an encrypted token: a header with `alg` and `enc`, a vector and a tag of the length that
/// `enc` asks for. The tag's length gives the end.
pub(super) fn encrypted(subject: &Subject<'_>) -> Verdict {
    let fail = Verdict::of(Outcome::Fail, subject);
    let value = subject.value();
    let mut parts = value.splitn(5, |byte| *byte == b'.');
    let [Some(header), Some(key), Some(vector), Some(text), Some(tag)] =
        std::array::from_fn(|_| parts.next())
    else {
        return fail;
    };
    let header = BASE64URL_NOPAD.decode(header).ok();
    let header = header.and_then(|it| serde_json::from_slice::<Map<String, Value>>(&it).ok());
    let member = |name: &str| header.as_ref()?.get(name)?.as_str();
    let (Some(algorithm), Some(encryption)) = (member("alg"), member("enc")) else { return fail };
    // Bytes of the vector, characters of the tag.
    let (vector_len, tag_len) = match encryption {
        "A128GCM" | "A192GCM" | "A256GCM" => (12, 22),
        "A128CBC-HS256" => (16, 22),
        "A192CBC-HS384" => (16, 32),
        "A256CBC-HS512" => (16, 43),
        _ => return fail,
    };
    let decode = |part: &[u8]| BASE64URL_NOPAD.decode(part).ok();
    let is_whole = decode(vector).is_some_and(|it| it.len() == vector_len)
        && decode(key).is_some_and(|it| {
            it.len() >= 16 || algorithm == "dir" && it.is_empty() || algorithm == "ECDH-ES"
        })
        && decode(text).is_some_and(|it| !it.is_empty())
        && tag.get(..tag_len).and_then(decode).is_some();
    if !is_whole {
        return fail;
    }
    let end = value.len().saturating_sub(tag.len()).saturating_add(tag_len);
    Verdict {
        outcome: Outcome::Pass,
        span: subject.part(0..end),
        attributes: Attributes::from([
            ("jwe.alg", attribute(algorithm)),
            ("jwe.enc", attribute(encryption)),
        ]),
        ..fail
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::whole;
    use super::*;
    use sha2::{Digest as _, Sha256, Sha512};

    fn check(text: &str, value: &str) -> Verdict {
        let start = text.find(value).unwrap();
        let span = start..start.checked_add(value.len()).unwrap();
        private(&Subject { text: text.as_bytes(), span, cut: false })
    }

    fn random(seed: &[u8]) -> String {
        BASE64URL_NOPAD.encode(&Sha256::digest(seed))
    }

    #[test]
    fn a_curve_has_a_number_of_its_length() {
        let (d, x) = (random(b"d"), random(b"x"));
        let key = format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}","kid":"k1","d":"{d}"}}"#);
        let verdict = check(&format!(r#"..{{"keys":[{key}]}}.."#), &d);
        assert_eq!(verdict.outcome, Outcome::Pass);
        assert_eq!(verdict.attributes["key.curve"], "Ed25519");
        assert_eq!(verdict.attributes["jwk.kid"], "k1");
        let short = d.get(..40).unwrap();
        assert_eq!(check(&key.replace(&d, short), short).outcome, Outcome::Weak);
        assert_eq!(check(&key.replace("Ed25519", "other"), &d).outcome, Outcome::Fail);
        assert_eq!(check(&key.replace("kty", "typ"), &d).outcome, Outcome::Fail);
        assert_eq!(check(&format!("\"d\":\"{d}\""), &d).outcome, Outcome::Fail);
        assert_eq!(check(&key, &x).outcome, Outcome::Fail);
    }

    #[test]
    fn points_belong_to_their_numbers() {
        let (d, point) = curve::smallest("P-256");
        let of = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
        let (x, y) = point[1..].split_at(32);
        let key = |d: &str| {
            format!(r#"{{"kty":"EC","crv":"P-256","x":"{}","y":"{}","d":"{d}"}}"#, of(x), of(y))
        };
        // The number one is not random, so that this key is weak too.
        assert_eq!(check(&key(&of(&d)), &of(&d)).outcome, Outcome::Weak);
        let other = random(b"other");
        assert_eq!(check(&key(&other), &other).outcome, Outcome::Weak);
    }

    #[test]
    fn a_pair_passes_and_documentation_does_not() {
        // Made with OpenSSL for this test.
        let hex = |digits: &str| data_encoding::HEXLOWER.decode(digits.as_bytes()).unwrap();
        let of = |digits: &str| BASE64URL_NOPAD.encode(&hex(digits));
        let x = of("94ac813c0314e10ccb10c7fe639adc34598bc3136a4391deed284d00ac937813");
        let y = of("a0fb8b9824afa6828aed32ed591c2daafbddf2aae7b9e2aad1150c8179ac0f3f");
        let d = of("7605fc0bb79a4321ed44402ff942a392310f443e0db07cbc4abde43648d56b50");
        let key =
            format!(r#"{{"kty":"EC","crv":"P-256","x":"{x}","y":"{y}","d":"{d}","use":"enc"}}"#);
        let verdict = check(&key, &d);
        assert_eq!(verdict.outcome, Outcome::Pass);
        assert_eq!(verdict.attributes["jwk.use"], "enc");
        // RFC 7517, Appendix A.2.
        let published = ["870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4", "Bk43bVdj3eAE"].concat();
        assert_eq!(check(&key.replace(&d, &published), &published).outcome, Outcome::Fail);
    }

    #[test]
    fn symmetric_keys_have_sixteen_bytes() {
        let k = random(b"k");
        let key = format!(r#"{{"kty":"oct","k":"{k}","alg":"HS256"}}"#);
        assert_eq!(check(&key, &k).outcome, Outcome::Pass);
        assert_eq!(check(&key, &k).attributes["key.bits"], "256");
    }

    #[test]
    fn encrypted_tokens_end_with_their_tag() {
        let header = BASE64URL_NOPAD.encode(br#"{"alg":"dir","enc":"A256GCM"}"#);
        let digest = Sha512::digest(b"text");
        let of = |range: std::ops::Range<usize>| BASE64URL_NOPAD.encode(&digest[range]);
        let token = format!("{header}..{}.{}.{}", of(0..12), of(0..40), of(0..16));
        let longer = format!("{token}AAAA");
        let verdict = encrypted(&whole(longer.as_bytes()));
        assert_eq!((verdict.outcome, verdict.span), (Outcome::Pass, 0..token.len()));
        for (from, to) in [("..", "."), (header.as_str(), "e30")] {
            let changed = token.replacen(from, to, 1);
            assert_eq!(encrypted(&whole(changed.as_bytes())).outcome, Outcome::Fail, "{from}");
        }
        assert_eq!(encrypted(&whole(b"a.b.c")).outcome, Outcome::Fail);
    }
}
