//! Tokens that are base64 of a JSON object: Grafana Cloud, older Grafana, Sentry.

use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::{Outcome, Subject, Verdict, attribute, random_text::is_random};

/// Bytes of the secret part behind an organization token of Sentry.
const SENTRY_SECRET: usize = 43;

/// The object in a token of Grafana: `{"o":"1","n":"name","k":"…","m":{"r":"eu"}}` of the cloud,
/// `{"k":"…","n":"name","id":1}` of a server.
#[derive(Deserialize)]
struct Grafana {
    k: String,
    n: String,
    o: Option<String>,
    id: Option<u64>,
}

impl Drop for Grafana {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.k);
    }
}

/// The object in a token of Sentry, which is followed by `_` and the secret part.
#[derive(Deserialize)]
struct Sentry {
    #[serde(rename = "iat")]
    _issued: f64,
    region_url: Option<String>,
    org: String,
}

/// Checks that the base64 of a token of Grafana is a JSON object with the members that its kind has,
/// which also gives the end; reads off who it belongs to.
///
/// Source: `pkg/components/apikeygen` of Grafana, and the vendor's Terraform provider for the cloud.
pub(super) fn grafana(subject: &Subject<'_>) -> Verdict {
    let fail = Verdict::of(Outcome::Fail, subject);
    let prefix = if subject.value().starts_with(b"glc_") { 4 } else { 0 };
    let Some((token, len)) = object::<Grafana>(subject.value(), prefix) else { return fail };
    let is_kind = if prefix == 0 { token.id.is_some() } else { token.o.is_some() };
    if !is_kind || !is_random(token.k.as_bytes()) {
        return fail;
    }
    let mut verdict = Verdict::of(Outcome::Pass, subject);
    verdict.span = subject.part(0..len);
    verdict.attributes.insert("grafana.name", attribute(&token.n));
    if let Some(organization) = &token.o {
        verdict.attributes.insert("grafana.organization", attribute(organization));
    }
    verdict
}

/// Checks an organization token of Sentry: `sntrys_`, base64 of an object, `_`, and 43 characters of
/// base64, which are 32 bytes. Weak: fewer characters.
///
/// Source: `src/sentry/utils/security/orgauthtoken_token.py` of Sentry.
pub(super) fn sentry(subject: &Subject<'_>) -> Verdict {
    const PREFIX: &[u8] = b"sntrys_";
    let value = subject.value();
    let fail = Verdict::of(Outcome::Fail, subject);
    if !value.starts_with(PREFIX) {
        return fail;
    }
    let Some((token, len)) = object::<Sentry>(value, PREFIX.len()) else { return fail };
    let rest = value.get(len..).unwrap_or_default();
    let Some(secret) = rest.strip_prefix(b"_") else { return fail };
    let secret = secret.get(..SENTRY_SECRET).unwrap_or(secret);
    if !is_random(secret) {
        return fail;
    }
    let is_whole = secret.len() == SENTRY_SECRET;
    let mut verdict = Verdict::of(if is_whole { Outcome::Pass } else { Outcome::Weak }, subject);
    verdict.span = subject.part(0..len.saturating_add(1).saturating_add(secret.len()));
    verdict.attributes.insert("sentry.organization", attribute(&token.org));
    if let Some(region) = &token.region_url {
        verdict.attributes.insert("sentry.region", attribute(region));
    }
    verdict
}

/// The object whose base64 begins at `from` in `value`, and where that ends, padding included.
fn object<T: for<'de> Deserialize<'de>>(value: &[u8], from: usize) -> Option<(T, usize)> {
    let text = value.get(from..)?;
    let is_base64 = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'-');
    let run = text.iter().take_while(|b| is_base64(b)).count();
    let run = text.get(..run)?;
    let whole = run.get(..run.len().saturating_sub(run.len() % 4))?;
    // The last group may have fewer characters; behind it may stand others that are not part of it.
    let json = [run, whole].iter().find_map(|text| {
        let json = BASE64_NOPAD.decode(text).or_else(|_| BASE64URL_NOPAD.decode(text)).ok()?;
        Some(Zeroizing::new(json))
    })?;
    let mut stream = serde_json::Deserializer::from_slice(&json).into_iter::<T>();
    let object = stream.next()?.ok()?;
    // Three bytes are four characters, what is left of them one more than its bytes.
    let bytes = stream.byte_offset();
    let len = (bytes / 3).checked_mul(4)?;
    let left = bytes % 3;
    let len = len.checked_add(if left == 0 { 0 } else { left.checked_add(1)? })?;
    let wanted = if left == 0 { 0 } else { 3_usize.checked_sub(left)? };
    let behind = text.get(len..).unwrap_or_default();
    let pads = behind.iter().take(wanted).take_while(|b| **b == b'=').count();
    let pads = if pads == wanted { pads } else { 0 };
    Some((object, from.checked_add(len)?.checked_add(pads)?))
}

#[cfg(test)]
mod tests {
    use super::super::tests::whole;
    use super::*;
    use data_encoding::BASE64;
    use sha2::{Digest, Sha256};

    fn key(seed: &str) -> String {
        BASE64_NOPAD.encode(&Sha256::digest(seed)).replace(['+', '/'], "x")
    }

    fn check(run: fn(&Subject<'_>) -> Verdict, text: &str) -> (Outcome, usize) {
        let verdict = run(&whole(text.as_bytes()));
        assert_eq!(verdict.span.start, 0);
        (verdict.outcome, verdict.span.end)
    }

    #[test]
    fn tokens_of_grafana_end_with_their_object() {
        for name in ["ci", "deploy", "robot"] {
            let key = key(name);
            let cloud = format!(r#"{{"o":"123","n":"{name}","k":"{key}","m":{{"r":"eu"}}}}"#);
            let cloud = format!("glc_{}", BASE64.encode(cloud.as_bytes()));
            let server =
                BASE64.encode(format!(r#"{{"k":"{key}","n":"{name}","id":1}}"#).as_bytes());
            for token in [cloud, server] {
                assert_eq!(check(grafana, &token), (Outcome::Pass, token.len()), "{name}");
                let stale = format!("{token} and more");
                assert_eq!(check(grafana, &stale), (Outcome::Pass, token.len()), "{name}");
                let bare = token.trim_end_matches('=');
                assert_eq!(check(grafana, bare), (Outcome::Pass, bare.len()), "{name}");
                assert_eq!(check(grafana, token.get(..token.len() - 12).unwrap()).0, Outcome::Fail);
            }
        }
    }

    #[test]
    fn other_objects_are_no_tokens() {
        let of = |json: &str| BASE64.encode(json.as_bytes());
        let key = key("x");
        for json in [
            format!(r#"{{"k":"{key}","n":"x"}}"#),
            r#"{"k":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx","n":"x","id":1}"#.to_owned(),
            r#"{"id":1}"#.to_owned(),
            "[1]".to_owned(),
        ] {
            assert_eq!(check(grafana, &of(&json)).0, Outcome::Fail, "{json}");
            assert_eq!(check(grafana, &format!("glc_{}", of(&json))).0, Outcome::Fail, "{json}");
        }
    }

    #[test]
    fn tokens_of_sentry_have_an_object_and_a_secret() {
        let json = r#"{"iat":1700000000.5,"url":"https://sentry.test","region_url":"https://us.sentry.test","org":"shop"}"#;
        let head = format!("sntrys_{}_", BASE64_NOPAD.encode(json.as_bytes()));
        let token = format!("{head}{}", key("sentry"));
        assert_eq!(check(sentry, &token), (Outcome::Pass, token.len()));
        let padded = format!("sntrys_{}_{}", BASE64.encode(json.as_bytes()), key("sentry"));
        assert_eq!(check(sentry, &padded), (Outcome::Pass, padded.len()));
        assert_eq!(check(sentry, &format!("{token}Stale")), (Outcome::Pass, token.len()));
        assert_eq!(check(sentry, token.get(..token.len() - 9).unwrap()).0, Outcome::Weak);
        assert_eq!(check(sentry, &format!("{head}{}", "x".repeat(43))).0, Outcome::Fail);
        assert_eq!(check(sentry, &format!("sntrys_{}", key("x"))).0, Outcome::Fail);
        let verdict = run_attributes(&token);
        assert_eq!(verdict["sentry.organization"], "shop");
    }

    fn run_attributes(token: &str) -> super::super::Attributes {
        sentry(&whole(token.as_bytes())).attributes
    }
}
