//! Credentials in HTTP's `Authorization` header: Basic (RFC 7617) and opaque Bearer tokens (RFC 6750).

use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD};
use zeroize::Zeroizing;

use super::random_text::is_random;
use super::{Outcome, Placeholder, Subject, Verdict, known, placeholder, user_attribute};

/// Characters of the shortest credentials worth a look: `a:bcd`.
const SHORTEST: usize = 8;

/// Checks that base64 holds `user:password` in printable text, and finds where it ends: at its
/// padding, at the last whole group of four, or where what it decodes to stops being text. The
/// user's name is read off, unless it is a token itself.
///
/// Weak: a default password; a blob cut by stale text, whose end is a guess.
/// Unavailable: no padding, and the text ends with it or goes on: it may be the start of a longer one.
/// Fail: no credentials, a placeholder, an example of the specifications.
pub(super) fn basic(subject: &Subject<'_>) -> Verdict {
    let value = subject.value();
    let body = value.split(|&byte| byte == b'=').next().unwrap_or_default();
    let padding = value.len().saturating_sub(body.len());
    let wanted = match body.len() % 4 {
        2 => 2,
        3 => 1,
        _ => 0,
    };
    let is_padded = wanted > 0 && padding >= wanted;
    // Without padding the last group is whole, and what is left over is something else.
    let whole = if is_padded { body.len() } else { body.len().saturating_sub(body.len() % 4) };
    let mut len = whole;
    while len >= SHORTEST {
        let blob = body.get(..len).unwrap_or_default();
        if let Some(text) = text(blob) {
            let Some(mut verdict) = credentials(subject, &text) else { break };
            let pads = if len == whole && is_padded { wanted } else { 0 };
            let end = len.saturating_add(pads);
            verdict.span = subject.part(0..end);
            let ends_with_text = subject.span.start.saturating_add(end) >= subject.text.len();
            let over = body.len().saturating_sub(whole);
            if verdict.outcome == Outcome::Pass {
                verdict.outcome = match pads {
                    _ if len < whole || over > 1 || subject.is_cut_at(end) => Outcome::Weak,
                    // Neither padding nor a character behind it shows that this is all.
                    0 if over > 0 || ends_with_text => Outcome::Unavailable,
                    _ => Outcome::Pass,
                };
            }
            if value.get(..end).is_some_and(known::is_documentation_value) {
                break;
            }
            return verdict;
        }
        // The last group, or what there is of it.
        len = len.saturating_sub(1);
        len = len.saturating_sub(len % 4);
    }
    Verdict::of(Outcome::Fail, subject)
}

/// What base64 holds, if it is text.
fn text(blob: &[u8]) -> Option<Zeroizing<String>> {
    let text = Zeroizing::new(String::from_utf8(BASE64_NOPAD.decode(blob).ok()?).ok()?);
    (!text.chars().any(char::is_control)).then_some(text)
}

fn credentials(subject: &Subject<'_>, text: &str) -> Option<Verdict> {
    let (user, password) = text.split_once(':')?;
    if placeholder(text.as_bytes()) == Placeholder::Yes {
        return None;
    }
    let mut verdict = Verdict::of(Outcome::Pass, subject);
    // Some services take a token for the user and no password.
    if password.is_empty() {
        return is_random(user.as_bytes()).then_some(verdict);
    }
    match placeholder(password.as_bytes()) {
        Placeholder::No => {}
        Placeholder::Yes => return None,
        Placeholder::WeakDefault => {
            verdict.outcome = Outcome::Weak;
            verdict.attributes.insert("password.weak", "true".to_owned());
        }
    }
    if let Some(user) = user_attribute(user, password) {
        verdict.attributes.insert("http.user", user);
    }
    Some(verdict)
}

/// Checks that a Bearer token is opaque and could be random. JSON Web Tokens have a check of their
/// own, and what is left of one is none. A pass proves nothing.
pub(super) fn bearer(subject: &Subject<'_>) -> Verdict {
    let value = subject.value();
    let is_token = (!value.starts_with(b"eyJ") || is_object(value)) && is_random(value);
    Verdict::of(if is_token { Outcome::Pass } else { Outcome::Fail }, subject)
}

/// Whether base64 holds a JSON object to its end.
fn is_object(value: &[u8]) -> bool {
    let body = value.split(|&byte| byte == b'=').next().unwrap_or_default();
    let decoded = BASE64URL_NOPAD.decode(body).or_else(|_| BASE64_NOPAD.decode(body));
    decoded.is_ok_and(|json| Zeroizing::new(json).ends_with(b"}"))
}

#[cfg(test)]
mod tests {
    use super::super::tests::whole;
    use super::*;
    use data_encoding::{BASE64, HEXLOWER};
    use sha2::{Digest, Sha256};

    fn check(text: &str) -> (Outcome, usize) {
        let verdict = basic(&whole(text.as_bytes()));
        assert_eq!(verdict.span.start, 0);
        (verdict.outcome, verdict.span.end)
    }

    #[test]
    fn a_blob_is_decoded_and_ends_where_it_ends() {
        for credentials in
            ["anna:t7#Kpq!x", "anna:t7#Kpq!xy", "anna:t7#Kpq!xyz", "jürgen:ä7#Kpq!x€"]
        {
            let blob = BASE64.encode(credentials.as_bytes());
            let line = format!("{blob}\r\n");
            let subject = Subject { text: line.as_bytes(), span: 0..blob.len(), cut: false };
            let verdict = basic(&subject);
            assert_eq!((verdict.outcome, verdict.span), (Outcome::Pass, 0..blob.len()));
            let alone = if blob.ends_with('=') { Outcome::Pass } else { Outcome::Unavailable };
            assert_eq!(check(&blob), (alone, blob.len()), "{credentials}");
            if blob.ends_with('=') {
                assert_eq!(check(&format!("{blob}===")), (Outcome::Pass, blob.len()));
            }
        }
        let verdict = basic(&whole(BASE64.encode(b"anna:t7#Kpq!x").as_bytes()));
        assert_eq!(verdict.attributes.get("http.user").map(String::as_str), Some("anna"));
    }

    #[test]
    fn stale_text_is_cut_off() {
        let blob = BASE64.encode(b"anna:t7#Kpq!xyz");
        assert_eq!(check(&format!("{blob}V")), (Outcome::Unavailable, blob.len()));
        assert_eq!(check(&format!("{blob}Vst")), (Outcome::Weak, blob.len()));
        assert_eq!(check(&format!("{blob}////8888")), (Outcome::Weak, blob.len()), "no text");
    }

    #[test]
    fn a_token_for_a_user_is_not_shown() {
        let verdict = basic(&whole(BASE64.encode(b"q8Zr2LmX0vT5bN7wK1cDE:").as_bytes()));
        assert_eq!((verdict.outcome, verdict.attributes.len()), (Outcome::Pass, 0));
        for user in ["t7#Kpq!xyz".to_owned(), HEXLOWER.encode(&Sha256::digest(b"token"))] {
            let verdict =
                basic(&whole(BASE64.encode(format!("{user}:{user}").as_bytes()).as_bytes()));
            assert_ne!(verdict.outcome, Outcome::Fail, "{user}");
            assert!(verdict.attributes.is_empty(), "{user}");
        }
    }

    #[test]
    fn words_placeholders_and_examples_are_none() {
        let fails = [
            "authentication".to_owned(),
            "credentials".to_owned(),
            BASE64.encode(b"no colon here"),
            BASE64.encode(b"user:<password>"),
            BASE64.encode(b"user:${PASSWORD}"),
            BASE64.encode(b"\0binary:secret\x01"),
            // RFC 7617 §2 and RFC 2617 §2.
            BASE64.encode(&[b"Aladdin:", &b"open sesame"[..]].concat()),
            String::new(),
        ];
        for text in fails {
            assert_eq!(check(&text).0, Outcome::Fail, "{text}");
        }
        assert_eq!(check(&BASE64.encode(b"admin:changeme")).0, Outcome::Weak);
    }

    #[test]
    fn bearer_tokens_are_opaque_and_random() {
        let of = |text: &str| bearer(&whole(text.as_bytes())).outcome;
        assert_eq!(of("q8Zr2LmX0vT5bN7wK1cD"), Outcome::Pass);
        assert_eq!(of(&BASE64.encode(br#"{"k":"q8Zr2LmX0vT5bN7wK1cD","n":"ci"}"#)), Outcome::Pass);
        for none in [
            "eyJhbGciOiJIUzI1NiJ9.e30.x7",
            "eyJhbGciOiJIUzI1Ni",
            "authentication-token",
            "<token-goes-here>",
        ] {
            assert_eq!(of(none), Outcome::Fail, "{none}");
        }
    }
}
