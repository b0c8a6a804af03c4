//! Cookies that stand for a user who has logged in.

use super::random_text::is_random;
use super::{Outcome, Placeholder, Subject, Verdict, entropy, placeholder};

/// Characters of a session's id that say by themselves that nobody may guess it: 80 bits in hex.
const LONG: usize = 20;

/// Characters behind a value in which a server may say that it is gone.
const ATTRIBUTES: usize = 200;

/// Checks that the value of a session's cookie could be one that is in use. A pass proves nothing.
///
/// Weak: short, or the text ends with it, as it does in copies of a header that was made bit by bit.
/// Fail: a placeholder, words, a JSON Web Token (which has a check of its own), or a cookie that the server
/// deletes (`Max-Age=0`, an end in 1970).
pub(super) fn run(subject: &Subject<'_>) -> Verdict {
    let value = subject.value();
    let is_varied = value.iter().any(u8::is_ascii_digit) && entropy::shannon(value) >= 2_500;
    // What base64url makes of an object that begins with `alg`, `typ` or `kid`.
    let is_jwt =
        [&b"eyJhbGci"[..], b"eyJ0eXAi", b"eyJraWQi"].iter().any(|it| value.starts_with(it));
    let is_none = is_jwt || placeholder(value) != Placeholder::No || is_deleted(subject);
    let is_whole = subject.span.end < subject.text.len();
    let outcome = match () {
        () if is_none || !is_varied || !is_random(value) => Outcome::Fail,
        () if value.len() >= LONG && is_whole => Outcome::Pass,
        () => Outcome::Weak,
    };
    Verdict::of(outcome, subject)
}

/// Whether the attributes behind the value end the cookie's life.
fn is_deleted(subject: &Subject<'_>) -> bool {
    let behind = subject.text.get(subject.span.end..).unwrap_or_default();
    let line = behind.iter().take(ATTRIBUTES).take_while(|byte| !matches!(byte, b'\r' | b'\n'));
    let line: Vec<u8> = line.map(u8::to_ascii_lowercase).collect();
    let attributes = line.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    attributes.into_iter().any(|attribute| {
        let name = |name: &[u8]| attribute.strip_prefix(name);
        name(b"max-age=").is_some_and(|age| age.first().is_some_and(|it| matches!(it, b'0' | b'-')))
            || name(b"expires=").is_some_and(|date| memchr::memmem::find(date, b"1970").is_some())
    })
}

#[cfg(test)]
mod tests {
    use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
    use sha2::{Digest, Sha256};

    use super::*;

    /// The outcome for the first cookie of a header.
    fn of(value: &str, behind: &str) -> Outcome {
        let text = format!("sid={value}{behind}");
        let span = 4..text.len().saturating_sub(behind.len());
        run(&Subject { text: text.as_bytes(), span, cut: false }).outcome
    }

    #[test]
    fn random_ids_pass_and_short_ones_are_weak() {
        let mut refused = 0;
        for seed in 0..200_u32 {
            let digest = Sha256::digest(seed.to_le_bytes());
            for id in [HEXLOWER.encode(&digest[..16]), BASE64URL_NOPAD.encode(&digest[..24])] {
                refused += usize::from(of(&id, "; theme=dark\r\n") != Outcome::Pass);
            }
            let short = HEXLOWER.encode(&digest[..8]);
            assert_ne!(of(&short, "; theme=dark\r\n"), Outcome::Pass, "{short}");
        }
        assert!(refused <= 20, "{refused} of 400");
        assert_eq!(of(&HEXLOWER.encode(&Sha256::digest(b"id")[..9]), "; a=b"), Outcome::Weak);
        assert_eq!(of(&HEXLOWER.encode(&Sha256::digest(b"id")[..16]), ""), Outcome::Weak);
    }

    #[test]
    fn words_and_placeholders_are_refused() {
        for value in [
            "deleted",
            "your-session-id-goes-here",
            "xxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            "anonymous-visitors",
        ] {
            assert_eq!(of(value, "; Path=/"), Outcome::Fail, "{value}");
        }
    }

    #[test]
    fn a_cookie_that_is_deleted_is_none() {
        let id = HEXLOWER.encode(&Sha256::digest(b"gone")[..16]);
        for gone in [
            "; Path=/; Max-Age=0",
            "; max-age=-1; HttpOnly",
            "; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/",
        ] {
            assert_eq!(of(&id, gone), Outcome::Fail, "{gone}");
        }
        for alive in [
            "; Max-Age=3600",
            "; expires=Thu, 01 Jan 2099 00:00:00 GMT",
            "; y=1970",
            "\r\nX: ; max-age=0",
        ] {
            assert_eq!(of(&id, alive), Outcome::Pass, "{alive}");
        }
    }
}
