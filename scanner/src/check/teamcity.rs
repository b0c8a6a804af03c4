//! Access tokens of TeamCity.

use data_encoding::BASE64URL_NOPAD;

use super::random_text::is_random;
use super::{Outcome, Subject, Verdict};

/// Characters of a UUID as text.
const UUID: usize = 36;

/// Checks `header.secret.id`, parts in base64url: the secret could be random, and the last part is the
/// text of a UUID.
///
/// Unavailable: the last part is something else, as in tokens of versions that are not known.
pub(super) fn run(subject: &Subject<'_>) -> Verdict {
    let fail = Verdict::of(Outcome::Fail, subject);
    let mut parts = subject.value().split(|&byte| byte == b'.').skip(1);
    let (Some(secret), Some(id), None) = (parts.next(), parts.next(), parts.next()) else {
        return fail;
    };
    let (Ok(_), Ok(id)) = (BASE64URL_NOPAD.decode(secret), BASE64URL_NOPAD.decode(id)) else {
        return fail;
    };
    match is_random(secret) {
        true if is_uuid(&id) => Verdict::of(Outcome::Pass, subject),
        true => Verdict::of(Outcome::Unavailable, subject),
        false => fail,
    }
}

fn is_uuid(text: &[u8]) -> bool {
    text.len() == UUID
        && text.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::super::tests::whole;
    use super::*;
    use sha2::{Digest, Sha256};

    fn token(secret: &str, id: &str) -> String {
        ["eyJ0eXAiOiAiVENWMiJ9", secret, id].join(".")
    }

    fn outcome(text: &str) -> Outcome {
        run(&whole(text.as_bytes())).outcome
    }

    #[test]
    fn the_header_is_the_one_of_tokens() {
        let header = BASE64URL_NOPAD.encode(br#"{"typ": "TCV2"}"#);
        assert!(token("", "").starts_with(&header));
    }

    #[test]
    fn the_last_part_is_a_uuid() {
        let secret = BASE64URL_NOPAD.encode(&Sha256::digest(b"secret")[..27]);
        let id = BASE64URL_NOPAD.encode(b"e4c81f70-27b3-4a59-9d16-0c5fa8b2e937");
        assert_eq!(outcome(&token(&secret, &id)), Outcome::Pass);
        let other =
            BASE64URL_NOPAD.encode(&[Sha256::digest(b"other").as_slice(), b"more"].concat());
        assert_eq!(outcome(&token(&secret, &other)), Outcome::Unavailable);
        assert_eq!(outcome(&token(&"x".repeat(36), &id)), Outcome::Fail, "filler");
        assert_eq!(outcome(&token(&secret, "!")), Outcome::Fail, "no base64url");
        assert_eq!(outcome(&secret), Outcome::Fail, "one part");
        assert_eq!(outcome(&(token(&secret, &id) + ".x")), Outcome::Fail, "four parts");
    }
}
