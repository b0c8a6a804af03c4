//! Requests to AWS that are signed in advance, and credentials that are such a request, or an object,
//! in base64.

use super::base64_json::{characters, head, object};
use super::uri::percent_decoded;
use super::{Attributes, Outcome, Subject, Verdict, attribute, aws, random_text};

/// Characters of a signature: HMAC-SHA-256 in hex.
const SIGNATURE: usize = 64;
/// What parts the parameters of a query, as it stands in a URL, in XML, in JSON.
const SEPARATORS: [&[u8]; 3] = [b"&amp;", b"\\u0026", b"&"];

/// Checks a query that is signed with version 4: credential (key id, date, region, service), date and
/// signature. Reads off account, region, service and `aws.expires`. The keys of the documentation fail.
///
/// Source: "Authenticating requests: using query parameters" of Amazon S3.
pub(super) fn presigned(subject: &Subject<'_>) -> Verdict {
    let found = attributes(subject.value());
    let outcome = if found.is_some() { Outcome::Pass } else { Outcome::Fail };
    Verdict { attributes: found.unwrap_or_default(), ..Verdict::of(outcome, subject) }
}

fn attributes(query: &[u8]) -> Option<Attributes> {
    let of = |name: &str| parameter(query, name);
    let signature = of("X-Amz-Signature")?;
    let credential = of("X-Amz-Credential")?;
    let credential = String::from_utf8(percent_decoded(credential).to_vec()).ok()?;
    let parts: [&str; 5] = credential.split('/').collect::<Vec<_>>().try_into().ok()?;
    let [id, day, region, service, "aws4_request"] = parts else { return None };
    let is_day = day.len() == 8 && day.bytes().all(|b| b.is_ascii_digit());
    if !is_day || signature.len() != SIGNATURE || !random_text::is_random(signature) {
        return None;
    }
    let mut found =
        Attributes::from([("aws.region", attribute(region)), ("aws.service", attribute(service))]);
    found.extend(aws::id_attributes(id.as_bytes())?);
    if let Some(time) = expires(of("X-Amz-Date")?, of("X-Amz-Expires")) {
        found.insert("aws.expires", time);
    }
    Some(found)
}

fn parameter<'a>(query: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let at = memchr::memmem::find(query, format!("{name}=").as_bytes())?;
    let rest = query.get(at.checked_add(name.len())?.checked_add(1)?..)?;
    let ends = SEPARATORS.iter().filter_map(|separator| memchr::memmem::find(rest, separator));
    rest.get(..ends.min().unwrap_or(rest.len()))
}

/// `20260102T030405Z` and a number of seconds.
fn expires(date: &[u8], seconds: Option<&[u8]>) -> Option<String> {
    let date = std::str::from_utf8(date).ok()?;
    let start: jiff::Timestamp = date.parse().ok()?;
    let seconds: i64 = std::str::from_utf8(seconds?).ok()?.parse().ok()?;
    Some(start.checked_add(jiff::SignedDuration::from_secs(seconds)).ok()?.to_string())
}

const LONG: &[u8] = b"ABSK";
const SHORT: &[u8] = b"bedrock-api-key-";

/// Checks an API key of Bedrock. A long-lived one is base64 of `BedrockAPIKey-…-at-ACCOUNT:SECRET`; a
/// short-lived one is base64 of a signed request, which ends in `&Version=1`. Unavailable: nothing
/// shows where a long-lived one ends.
///
/// Source: the User Guide of Amazon Bedrock, and `aws-bedrock-token-generator`.
pub(super) fn bedrock(subject: &Subject<'_>) -> Verdict {
    let value = subject.value();
    let found = match (value.strip_prefix(LONG), value.strip_prefix(SHORT)) {
        (Some(body), _) => long(body).map(|(end, found, outcome)| (end, found, outcome, LONG)),
        (_, Some(body)) => short(body).map(|(end, found)| (end, found, Outcome::Pass, SHORT)),
        _ => None,
    };
    let Some((end, attributes, outcome, prefix)) = found else {
        return Verdict::of(Outcome::Fail, subject);
    };
    let span = subject.part(0..end.saturating_add(prefix.len()));
    Verdict { span, attributes, ..Verdict::of(outcome, subject) }
}

fn long(body: &[u8]) -> Option<(usize, Attributes, Outcome)> {
    let bytes = head(body)?;
    let text = bytes.strip_prefix(b"BedrockAPIKey-")?;
    let colon = memchr::memchr(b':', text)?;
    let (name, secret) = text.split_at_checked(colon)?;
    if !random_text::is_random(secret.get(1..)?) {
        return None;
    }
    let mut found = Attributes::new();
    let name = std::str::from_utf8(name).ok()?;
    if let Some((_, account)) = name.rsplit_once("-at-")
        && account.bytes().all(|b| b.is_ascii_digit())
    {
        found.insert("aws.account", attribute(account));
    }
    // Behind the secret, which is text, stale characters would be any bytes.
    let end = characters(body, bytes.len());
    let is_whole = body.ends_with(b"=") && end == body.len() && secret.is_ascii();
    Some((end, found, if is_whole { Outcome::Pass } else { Outcome::Unavailable }))
}

fn short(body: &[u8]) -> Option<(usize, Attributes)> {
    const LAST: &[u8] = b"&Version=1";
    let bytes = head(body)?;
    let last = memchr::memmem::find(&bytes, LAST).map(|at| at.saturating_add(LAST.len()));
    let request = bytes.get(..last.unwrap_or(bytes.len()))?;
    memchr::memmem::find(request, b"Action=CallWithBearerToken")?;
    let found = attributes(request)?;
    Some((characters(body, request.len()), found))
}

/// Checks the password of a registry of ECR: base64 of an object with a payload, a data key and the
/// time when it expires (`aws.expires`). The object shows the end.
pub(super) fn ecr(subject: &Subject<'_>) -> Verdict {
    let fail = Verdict::of(Outcome::Fail, subject);
    let Some((token, end)) = object(subject.value()) else { return fail };
    let text = |key: &str| token.get(key).and_then(serde_json::Value::as_str);
    let is_token = text("type") == Some("DATA_KEY")
        && text("datakey").is_some_and(|key| !key.is_empty())
        && text("payload").is_some_and(|payload| random_text::is_random(payload.as_bytes()));
    if !is_token {
        return fail;
    }
    let mut verdict = Verdict::of(Outcome::Pass, subject);
    verdict.span = subject.part(0..end);
    let expires = token.get("expiration").and_then(serde_json::Value::as_i64);
    if let Some(time) = expires.and_then(|seconds| jiff::Timestamp::from_second(seconds).ok()) {
        verdict.attributes.insert("aws.expires", time.to_string());
    }
    verdict
}

#[cfg(test)]
#[expect(clippy::string_slice, reason = "ASCII of our own making")]
mod tests {
    use super::super::tests::whole;
    use super::*;
    use data_encoding::{BASE64, HEXLOWER};
    use sha2::{Digest, Sha256, Sha512};

    fn query(id: &str, separator: &str) -> String {
        [
            "X-Amz-Algorithm=AWS4-HMAC-SHA256".to_owned(),
            format!("X-Amz-Credential={id}%2F20260102%2Feu-west-1%2Fs3%2Faws4_request"),
            "X-Amz-Date=20260102T030405Z".to_owned(),
            "X-Amz-Expires=3600".to_owned(),
            "X-Amz-SignedHeaders=host".to_owned(),
            format!("X-Amz-Signature={}", HEXLOWER.encode(&Sha256::digest(b"a request"))),
        ]
        .join(separator)
    }

    fn id() -> String {
        ["AKIA", "RZPUZDIKNUKTZQSA"].concat()
    }

    #[test]
    fn signed_queries() {
        for separator in ["&", "&amp;", "\\u0026"] {
            let verdict = presigned(&whole(query(&id(), separator).as_bytes()));
            assert_eq!(verdict.outcome, Outcome::Pass, "{separator}");
            let of = |name: &str| verdict.attributes.get(name).map(String::as_str);
            assert_eq!(of("aws.account"), Some("123456789012"));
            assert_eq!(of("aws.expires"), Some("2026-01-02T04:04:05Z"));
            assert_eq!((of("aws.region"), of("aws.service")), (Some("eu-west-1"), Some("s3")));
        }
    }

    #[test]
    fn queries_that_are_none() {
        let good = query(&id(), "&");
        let documentation = ["AKIA", "IOSFODNN7", "EXAMPLE"].concat();
        for bad in [
            query(&documentation, "&"),
            good.replace("aws4_request", "aws5_request"),
            good.replace("2F20260102", "2FYYYYMMDD"),
            good.replace("X-Amz-Date", "Date"),
            good.get(..good.len() - 1).unwrap().to_owned(),
            good.get(..good.len() - 64).unwrap().to_owned() + &"0".repeat(64),
        ] {
            assert_eq!(presigned(&whole(bad.as_bytes())).outcome, Outcome::Fail, "{bad}");
        }
    }

    fn judge(run: fn(&Subject<'_>) -> Verdict, text: &str) -> (Outcome, usize) {
        let verdict = run(&whole(text.as_bytes()));
        (verdict.outcome, verdict.span.end)
    }

    #[test]
    fn keys_of_bedrock() {
        let secret = BASE64.encode(&Sha512::digest(b"a secret")[..33]);
        for name in ["BedrockAPIKey-ab1c-at-123456789012", "BedrockAPIKey-ab1-at-123456789012"] {
            let body = BASE64.encode(format!("{name}:{secret}").as_bytes());
            let key = ["ABSK", &body].concat();
            let expected = if key.ends_with('=') { Outcome::Pass } else { Outcome::Unavailable };
            assert_eq!(judge(bedrock, &key), (expected, key.len()), "{name}");
            let verdict = bedrock(&whole(key.as_bytes()));
            assert_eq!(verdict.attributes["aws.account"], "123456789012");
        }
        let request = format!(
            "bedrock.amazonaws.com/?Action=CallWithBearerToken&{}&Version=1",
            query(&id(), "&")
        );
        let key = [&b"bedrock-api-key-"[..], BASE64.encode(request.as_bytes()).as_bytes()].concat();
        let key = String::from_utf8(key).unwrap();
        assert_eq!(judge(bedrock, &key), (Outcome::Pass, key.len()));
        let stale = format!("{}StaleText", key.trim_end_matches('='));
        assert_eq!(judge(bedrock, &stale), (Outcome::Pass, key.trim_end_matches('=').len()));
        for other in ["ABSKQUJD".to_owned(), ["ABSK", &BASE64.encode(b"BedrockAPIKey-x")].concat()]
        {
            assert_eq!(judge(bedrock, &other).0, Outcome::Fail, "{other}");
        }
    }

    #[test]
    fn passwords_of_registries() {
        let payload = BASE64.encode(&Sha512::digest(b"a payload"));
        let object = format!(
            r#"{{"payload":"{payload}","datakey":"AQEBAHh","version":"2","type":"DATA_KEY","expiration":1767225600}}"#
        );
        let token = BASE64.encode(object.as_bytes());
        assert_eq!(judge(ecr, &token), (Outcome::Pass, token.len()));
        let verdict = ecr(&whole(token.as_bytes()));
        assert_eq!(verdict.attributes["aws.expires"], "2026-01-01T00:00:00Z");
        let bare = token.trim_end_matches('=');
        assert_eq!(judge(ecr, &format!("{bare}Stale")), (Outcome::Pass, bare.len()));
        for other in [object.replace("DATA_KEY", "KEY"), object.replace(&payload, "xxxxxxxxxxxx")] {
            let token = BASE64.encode(other.as_bytes());
            assert_eq!(judge(ecr, &token).0, Outcome::Fail, "{other}");
        }
        assert_eq!(judge(ecr, &token[..token.len() - 40]).0, Outcome::Fail, "cut");
    }
}
