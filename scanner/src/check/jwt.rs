//! JSON Web Tokens: the compact form of a JWS (RFC 7515 §7.1).

use std::fmt;

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::{Attributes, Outcome, Subject, Verdict, attribute, known};

/// A JSON object of a token.
pub(super) type Object = Map<String, Value>;

/// Checks three base64url parts: a JSON object with a string `alg`, a JSON object, and a signature
/// of the length that `alg` asks for. That length gives the true end where stale text of the same
/// alphabet follows. A token holds no checksum: a pass means well formed, no more.
///
/// Weak: the signature is shorter than asked for, its spare bits are not zero (so that no encoder
/// wrote it), or `alg` is unknown. Fail: also a token that memory's end cuts.
pub(super) fn run(subject: &Subject<'_>) -> Verdict {
    read(subject).map_or_else(|| Verdict::of(Outcome::Fail, subject), |(verdict, _)| verdict)
}

/// Checks a JWT behind a vendor's prefix (`ghs_123_eyJ…`, `glcbt-eyJ…`) as [`run`] does.
pub(super) fn prefixed(subject: &Subject<'_>) -> Verdict {
    let fail = Verdict::of(Outcome::Fail, subject);
    let Some(prefix) = memchr::memmem::find(subject.value(), b"eyJ") else { return fail };
    let start = subject.span.start.saturating_add(prefix);
    let mut verdict =
        run(&Subject { text: subject.text, span: start..subject.span.end, cut: subject.cut });
    verdict.span.start = subject.span.start;
    verdict
}

/// What a token claims, decoded and not read.
pub struct Claims(Option<Zeroizing<Vec<u8>>>);

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Claims(…)")
    }
}

impl Claims {
    /// Those of the token that `text` begins with, if it does.
    pub fn of(text: &[u8]) -> Self {
        let payload = split(text).and_then(|(_, rest)| split(rest));
        let claims = payload.and_then(|(payload, _)| BASE64URL_NOPAD.decode(payload).ok());
        Self(claims.map(Zeroizing::new))
    }

    /// Whether one of some texts could stand in them; `finds` says whether one stands in bytes as it is.
    pub fn may_hold(&self, finds: impl FnOnce(&[u8]) -> bool) -> bool {
        // With an escape a text may be written in other ways.
        self.0.as_ref().is_some_and(|it| memchr::memchr(b'\\', it).is_some() || finds(it))
    }
}

/// What [`read`] gives, of a token in whose claims one of `texts` stands: most are refused without being read.
pub(super) fn read_if(subject: &Subject<'_>, texts: &[&str]) -> Option<(Verdict, Object)> {
    let finds = |claims: &[u8]| {
        texts.iter().any(|text| memchr::memmem::find(claims, text.as_bytes()).is_some())
    };
    Claims::of(subject.value()).may_hold(finds).then(|| read(subject)).flatten()
}

/// The judged token and its claims; `None` if it is no token.
pub(super) fn read(subject: &Subject<'_>) -> Option<(Verdict, Object)> {
    let value = subject.value();
    let (header, rest) = split(value)?;
    let (payload, rest) = split(rest)?;
    let header = object(header)?;
    let Some(Value::String(algorithm)) = header.get("alg") else { return None };
    let claims = object(payload)?;
    if is_sample(&claims) {
        return None;
    }

    let run = rest.iter().take_while(|b| is_base64url(**b)).count();
    let run = rest.get(..run)?;
    let signed = value.len().checked_sub(rest.len())?;
    let (signature, outcome) = match lengths(algorithm) {
        Some(lengths) => match signature(run, lengths) {
            Some(length) => (length, Outcome::Pass),
            None => (lengths.first().copied()?.min(run.len()), Outcome::Weak),
        },
        None => (run.len(), Outcome::Weak),
    };
    let end = signed.checked_add(signature)?;
    if outcome == Outcome::Weak && subject.is_cut_at(end)
        || known::is_documentation_value(value.get(..end)?)
    {
        return None;
    }

    let mut verdict = Verdict::of(outcome, subject);
    verdict.span = subject.part(0..end);
    verdict.attributes = attributes(algorithm, &header, &claims);
    Some((verdict, claims))
}

/// The part before the next dot, and what follows the dot.
fn split(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let dot = memchr::memchr(b'.', text)?;
    let (part, rest) = text.split_at_checked(dot)?;
    Some((part, rest.get(1..)?))
}

fn object(part: &[u8]) -> Option<Object> {
    serde_json::from_slice(&BASE64URL_NOPAD.decode(part).ok()?).ok()
}

fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// The payload that jwt.io shows, under whatever key it was signed.
fn is_sample(claims: &Object) -> bool {
    let is = |key: &str, value: &str| claims.get(key).and_then(Value::as_str) == Some(value);
    is("sub", "1234567890") && is("name", "John Doe")
}

/// Characters that a signature may have, the likeliest first: RFC 7518 §3.1, RFC 8037 §3.1,
/// RFC 8812 §3.2, RFC 9864 §2.2. RSA: keys of 2048, 4096, 3072 and 1024 bits.
fn lengths(algorithm: &str) -> Option<&'static [usize]> {
    Some(match algorithm {
        "HS256" => &[43],
        "HS384" => &[64],
        "HS512" => &[86],
        "RS256" | "RS384" | "RS512" | "PS256" | "PS384" | "PS512" => &[342, 683, 512, 171],
        "ES256" | "ES256K" | "Ed25519" => &[86],
        "ES384" => &[128],
        "ES512" => &[176],
        "EdDSA" => &[86, 152],
        "Ed448" => &[152],
        "none" => &[0],
        _ => return None,
    })
}

/// How much of a run is the signature: all of it if its length is one of those possible, else the
/// first of them that fits. A base64url text of `length` characters leaves spare bits in its last
/// character that an encoder sets to zero; where they are not, the text goes on.
fn signature(run: &[u8], lengths: &[usize]) -> Option<usize> {
    let fits = |length: &usize| {
        run.get(..*length).is_some_and(|text| BASE64URL_NOPAD.decode(text).is_ok())
    };
    let exact = lengths.iter().find(|&&length| length == run.len());
    exact.into_iter().chain(lengths).copied().find(fits)
}

fn attributes(algorithm: &str, header: &Object, claims: &Object) -> Attributes {
    let mut attributes = Attributes::from([("jwt.alg", attribute(algorithm))]);
    let mut text = |name, value: Option<&Value>| {
        if let Some(Value::String(value)) = value {
            attributes.insert(name, attribute(value));
        }
    };
    text("jwt.kid", header.get("kid"));
    text("jwt.iss", claims.get("iss"));
    text("jwt.sub", claims.get("sub"));
    text("jwt.aud", claims.get("aud"));
    if let Some(Value::Array(audiences)) = claims.get("aud") {
        let names: Vec<_> = audiences.iter().filter_map(Value::as_str).collect();
        attributes.insert("jwt.aud", attribute(&names.join(" ")));
    }
    for (name, claim) in [("jwt.exp", "exp"), ("jwt.iat", "iat")] {
        if let Some(Value::Number(number)) = claims.get(claim) {
            attributes.insert(name, date(number));
        }
    }
    attributes
}

/// A NumericDate (RFC 7519 §2, seconds) as RFC 3339; as it stands where it is no date.
fn date(number: &serde_json::Number) -> String {
    number
        .as_i64()
        .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok())
        .map_or_else(|| attribute(&number.to_string()), |time| time.to_string())
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::tests::whole;
    use super::*;

    /// RFC 7515 §7.1, so that no token stands in the source.
    pub(in crate::check) fn compact(header: &str, payload: &str, signature: &[u8]) -> Vec<u8> {
        let parts = [header.as_bytes(), payload.as_bytes(), signature];
        parts.map(|part| BASE64URL_NOPAD.encode(part)).join(".").into_bytes()
    }

    fn outcome(value: &[u8]) -> Outcome {
        run(&whole(value)).outcome
    }

    const CLAIMS: &str = r#"{"iss":"joe","sub":"s","aud":["a","b"],"exp":1300819380,"iat":1}"#;

    #[test]
    fn shapes() {
        let hs256 = "{\"typ\":\"JWT\",\r\n \"alg\":\"HS256\"}"; // RFC 7515 A.1.1, with its line end.
        let cases = [
            (compact(hs256, CLAIMS, &[7; 32]), Outcome::Pass, "RFC 7515 A.1"),
            (compact(r#"{"alg":"none"}"#, CLAIMS, b""), Outcome::Pass, "unsigned"),
            (compact(r#"{"alg":"X9"}"#, CLAIMS, &[7; 9]), Outcome::Weak, "unknown alg"),
            (compact(hs256, CLAIMS, &[7; 31]), Outcome::Weak, "short signature"),
            (compact(r#"{"typ":"JWT"}"#, CLAIMS, &[7; 32]), Outcome::Fail, "no alg"),
            (compact(r#"{"alg":7}"#, CLAIMS, &[7; 32]), Outcome::Fail, "alg is no string"),
            (compact(hs256, "[]", &[7; 32]), Outcome::Fail, "payload is no object"),
            (compact("alg", CLAIMS, &[7; 32]), Outcome::Fail, "header is no JSON"),
            (b"a.b.c.d.e".to_vec(), Outcome::Fail, "five parts"),
            (b"eyJ".to_vec(), Outcome::Fail, "one part"),
            (Vec::new(), Outcome::Fail, "nothing"),
        ];
        for (value, expected, why) in cases {
            assert_eq!(outcome(&value), expected, "{why}");
        }
    }

    #[test]
    fn the_end_is_where_the_algorithm_says() {
        let cases = [
            ("HS256", 32),
            ("HS384", 48),
            ("HS512", 64),
            ("RS256", 256),
            ("PS512", 256),
            ("RS256", 384),
            ("RS256", 512),
            ("ES256", 64),
            ("ES384", 96),
            ("ES512", 132),
            ("EdDSA", 64),
            ("EdDSA", 114),
            ("none", 0),
        ];
        for (algorithm, bytes) in cases {
            // 0xff: the character at every shorter length has spare bits that are set.
            let token = compact(&format!(r#"{{"alg":"{algorithm}"}}"#), CLAIMS, &vec![0xff; bytes]);
            let alone = run(&whole(&token));
            assert_eq!((alone.outcome, alone.span), (Outcome::Pass, 0..token.len()), "{algorithm}");
            for tail in ["A", "stale_letters-", ".next", "."] {
                let text = [&token, tail.as_bytes()].concat();
                let verdict = run(&whole(&text));
                assert_eq!(verdict.outcome, Outcome::Pass, "{algorithm} {tail}");
                assert_eq!(verdict.span, 0..token.len(), "{algorithm} {bytes} {tail}");
            }
        }
    }

    #[test]
    fn a_token_that_memory_cuts_is_none() {
        let token = compact(r#"{"alg":"HS256"}"#, CLAIMS, &[7; 32]);
        for len in 0..token.len() {
            let subject = Subject { text: &token[..len], span: 0..len, cut: true };
            assert_eq!(run(&subject).outcome, Outcome::Fail, "{len} bytes");
        }
        let subject = Subject { text: &token, span: 0..token.len(), cut: true };
        assert_eq!(run(&subject).outcome, Outcome::Pass);
    }

    #[test]
    fn a_changed_character_is_noticed_where_structure_can_tell() {
        let token = compact(r#"{"alg":"HS256"}"#, "{}", &[7; 32]);
        let signature = token.len() - 43;
        for at in 0..signature {
            let mut changed = token.clone();
            changed[at] = b'!';
            assert_eq!(outcome(&changed), Outcome::Fail, "byte {at}");
        }
        let mut changed = token;
        *changed.last_mut().unwrap() = b'B'; // Spare bits 01.
        assert_eq!(outcome(&changed), Outcome::Weak);
    }

    #[test]
    fn behind_a_prefix() {
        let token = compact(r#"{"alg":"HS256"}"#, CLAIMS, &[0xff; 32]);
        let text = [b"ghs_12345_", &token[..], b"stale"].concat();
        let verdict = prefixed(&whole(&text));
        assert_eq!((verdict.outcome, verdict.span), (Outcome::Pass, 0..text.len() - 5));
        assert_eq!(prefixed(&whole(b"ghs_12345_")).outcome, Outcome::Fail);
    }

    #[test]
    fn the_sample_of_jwt_io_is_none() {
        let sample = r#"{"sub":"1234567890","name":"John Doe","iat":1516239022}"#;
        assert_eq!(outcome(&compact(r#"{"alg":"HS256"}"#, sample, &[7; 32])), Outcome::Fail);
        let other = r#"{"sub":"1234567890","name":"Jane Doe","iat":1516239022}"#;
        assert_eq!(outcome(&compact(r#"{"alg":"HS256"}"#, other, &[7; 32])), Outcome::Pass);
    }

    #[test]
    fn claims_become_attributes() {
        let token = compact(r#"{"alg":"HS256","kid":"k\u0007"}"#, CLAIMS, &[7; 32]);
        let expected = [
            ("jwt.alg", "HS256"),
            ("jwt.aud", "a b"),
            ("jwt.exp", "2011-03-22T18:43:00Z"), // RFC 7515 A.1's.
            ("jwt.iat", "1970-01-01T00:00:01Z"),
            ("jwt.iss", "joe"),
            ("jwt.kid", "k\\u{7}"),
            ("jwt.sub", "s"),
        ];
        let attributes = run(&whole(&token)).attributes;
        assert!(attributes.iter().map(|(k, v)| (k, v.as_str())).eq(expected), "{attributes:?}");
    }
}
