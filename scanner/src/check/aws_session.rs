//! Session tokens of AWS.

use super::notation::{base64, plain, unescaped};
use super::{Outcome, Subject, Verdict, random_text};

/// Checks a session token: base64 of an opaque structure that names its origin (`origin_ec`, `aws`)
/// after a byte or two. It holds no checksum. Where no padding shows the end, and the characters are
/// no whole number of bytes, the tail may be stale: unavailable.
pub(super) fn run(subject: &Subject<'_>) -> Verdict {
    let fail = Verdict::of(Outcome::Fail, subject);
    let (text, notation) = unescaped(subject.value());
    let is_padded = text.ends_with(b"=");
    let kept = if is_padded { text.len() } else { text.len().saturating_sub(text.len() % 4) };
    let Some(bytes) = text.get(..kept).and_then(base64) else { return fail };
    let head = bytes.get(..16).unwrap_or_default();
    let is_token = [&b"origin_"[..], b"aws"]
        .iter()
        .any(|name| memchr::memmem::find(head, name).is_some_and(|at| at <= 6));
    if !is_token || subject.cut && subject.span.end >= subject.text.len() && !is_padded {
        return fail;
    }
    if !random_text::is_random(text.get(16..).unwrap_or_default()) {
        return fail;
    }
    let is_whole = kept == text.len();
    let outcome = if is_whole { Outcome::Pass } else { Outcome::Unavailable };
    let mut verdict = Verdict::of(outcome, subject);
    verdict.plain = plain(&text, notation);
    verdict
}

#[cfg(test)]
#[expect(clippy::string_slice, reason = "ASCII of our own making")]
mod tests {
    use super::super::tests::whole;
    use super::super::{Notation, Subject};
    use super::*;
    use data_encoding::BASE64;
    use sha2::{Digest, Sha512};

    fn token(head: &[u8], body: usize) -> String {
        let random: Vec<u8> = (0..9_u8).flat_map(|i| Sha512::digest([i])).collect();
        BASE64.encode(&[head, &random[..body]].concat())
    }

    #[test]
    fn tokens_name_their_origin() {
        for head in [&b"!\n\torigin_ec\x10\x16"[..], b"\x17\n\x06er/aws\x10", b"\x15\n\x03aws\x10"]
        {
            for body in [300, 301, 302] {
                let token = token(head, body);
                assert_eq!(run(&whole(token.as_bytes())).outcome, Outcome::Pass, "{token}");
            }
        }
        let other = token(b"something else", 300);
        assert_eq!(run(&whole(other.as_bytes())).outcome, Outcome::Fail);
        let filler = format!("{}{}", &token(b"!\n\torigin_ec", 3)[..16], "A".repeat(400));
        assert_eq!(run(&whole(filler.as_bytes())).outcome, Outcome::Fail);
    }

    #[test]
    fn an_end_that_nothing_shows() {
        let token = token(b"!\n\torigin_ec\x10\x16", 298);
        assert!(!token.ends_with('='));
        assert_eq!(run(&whole(token.as_bytes())).outcome, Outcome::Pass);
        let stale = format!("{token}Q");
        assert_eq!(run(&whole(stale.as_bytes())).outcome, Outcome::Unavailable);
        let cut = Subject { text: token.as_bytes(), span: 0..token.len(), cut: true };
        assert_eq!(run(&cut).outcome, Outcome::Fail);
    }

    #[test]
    fn in_a_url() {
        let token = token(b"!\n\torigin_ec\x10\x16", 300);
        let escaped = token.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
        let verdict = run(&whole(escaped.as_bytes()));
        let plain = verdict.plain.unwrap();
        assert_eq!((verdict.outcome, plain.notation), (Outcome::Pass, Notation::Percent));
        assert_eq!(plain.value.expose(), token.as_bytes());
    }
}
