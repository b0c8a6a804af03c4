//! Reference tokens of the JFrog platform.

use data_encoding::BASE64;

use super::random_text::is_random;
use super::{Outcome, Subject, Verdict, attribute};

/// What the decoded text of a token begins with.
const PREFIX: &[u8] = b"reftkn:";
/// Characters of the shortest secret.
const SECRET: usize = 16;

/// Checks base64 of `reftkn:`, a version, the time it expires (seconds since 1970, 0 for never) and a
/// secret that could be random, parted by colons. Tells the time (`jfrog.expires`).
///
/// Unavailable: other printable text behind the prefix.
pub(super) fn reference_token(subject: &Subject<'_>) -> Verdict {
    let fail = Verdict::of(Outcome::Fail, subject);
    let Ok(decoded) = BASE64.decode(subject.value()) else { return fail };
    let Some(text) = decoded.strip_prefix(PREFIX) else { return fail };
    let secret = text.rsplit(|&byte| byte == b':').next().unwrap_or_default();
    if !text.iter().all(u8::is_ascii_graphic) || secret.len() < SECRET || !is_random(secret) {
        return fail;
    }
    let mut verdict = Verdict::of(Outcome::Unavailable, subject);
    let mut fields = text.split(|&byte| byte == b':');
    let (version, expires) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
    let is_number = |field: &[u8]| !field.is_empty() && field.iter().all(u8::is_ascii_digit);
    if is_number(version) && is_number(expires) && fields.count() == 1 {
        verdict.outcome = Outcome::Pass;
        verdict.attributes.insert("jfrog.expires", date(expires));
    }
    verdict
}

/// Seconds since 1970 as RFC 3339.
fn date(seconds: &[u8]) -> String {
    let text = String::from_utf8_lossy(seconds);
    match text.parse::<i64>() {
        Ok(0) => "never".to_owned(),
        Ok(seconds) => jiff::Timestamp::from_second(seconds)
            .map_or_else(|_| attribute(&text), |time| time.to_string()),
        Err(_) => attribute(&text),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::whole;
    use super::*;
    use data_encoding::HEXLOWER;
    use sha2::{Digest, Sha256};

    fn judge(text: &str) -> Verdict {
        reference_token(&whole(BASE64.encode(text.as_bytes()).as_bytes()))
    }

    #[test]
    fn what_is_inside_tells() {
        let digest = Sha256::digest(b"a secret");
        let secret = HEXLOWER.encode(digest.get(..13).unwrap_or_default());
        let verdict = judge(&format!("reftkn:01:1767225600:{secret}"));
        assert_eq!(verdict.outcome, Outcome::Pass);
        assert_eq!(verdict.attributes["jfrog.expires"], "2026-01-01T00:00:00Z");
        let never = judge(&format!("reftkn:01:0000000000:{secret}"));
        assert_eq!(never.attributes["jfrog.expires"], "never");
        let unknown = judge(&format!("reftkn:v9-{secret}"));
        assert_eq!((unknown.outcome, unknown.attributes.len()), (Outcome::Unavailable, 0));
        for (text, why) in [
            (format!("reftkm:01:0000000000:{secret}"), "another prefix"),
            (format!("reftkn:01:0000000000:{}", "x".repeat(27)), "filler"),
            (format!("reftkn:01:0000000000 {secret}"), "a blank"),
            ("reftkn:01:0000000000:abc".to_owned(), "short"),
        ] {
            assert_eq!(judge(&text).outcome, Outcome::Fail, "{why}");
        }
        assert_eq!(reference_token(&whole(b"cmVmdGtu!")).outcome, Outcome::Fail, "no base64");
    }
}
