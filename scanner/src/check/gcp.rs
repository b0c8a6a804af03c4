//! Tokens of Google, and keys of Google Cloud service accounts.

use super::{Outcome, Subject, Verdict, attribute, random_text};

/// Checks an OAuth access token, `ya29.` and random characters; those of service accounts may end in
/// a row of dots. Nothing tells the end: a lone dot is taken for the end of a sentence, and a token
/// that memory's end cuts fails.
pub(super) fn access_token(subject: &Subject<'_>) -> Verdict {
    let value = subject.value();
    let len = match value {
        [.., b'.', b'.'] => value.len(),
        [rest @ .., b'.'] => rest.len(),
        _ => value.len(),
    };
    let dots = value.iter().rev().take_while(|b| **b == b'.').count();
    let token = value.get(..value.len().saturating_sub(dots)).unwrap_or_default();
    let is_token = random_text::is_random(token) && !subject.is_cut_at(len);
    let mut verdict = Verdict::of(if is_token { Outcome::Pass } else { Outcome::Fail }, subject);
    verdict.span = subject.part(0..len);
    verdict
}

/// Looks for the type and the client's secret of a user's credentials in the file around a refresh
/// token. Without them the file may be cut: unavailable.
pub(super) fn user_credentials(subject: &Subject<'_>) -> Verdict {
    let has = |part: &[u8]| memchr::memmem::find(subject.text, part).is_some();
    let is_file = has(b"authorized_user") && has(b"client_secret");
    Verdict::of(if is_file { Outcome::Pass } else { Outcome::Unavailable }, subject)
}

/// What the address of every service account ends in.
const DOMAIN: &[u8] = b"gserviceaccount.com";
/// Bytes of the longest address.
const ADDRESS: usize = 128;

/// Looks for the address of a service account in the file around a private key, and reads it off
/// (`gcp.service_account`). Without one the file may be cut: unavailable.
pub(super) fn service_account(subject: &Subject<'_>) -> Verdict {
    let address = memchr::memmem::find_iter(subject.text, DOMAIN)
        .find_map(|at| address(subject.text, at.saturating_add(DOMAIN.len())));
    let outcome = if address.is_some() { Outcome::Pass } else { Outcome::Unavailable };
    let mut verdict = Verdict::of(outcome, subject);
    if let Some(address) = address {
        verdict.attributes.insert("gcp.service_account", attribute(&address.replace("%40", "@")));
    }
    verdict
}

/// The address that ends at `end`.
fn address(text: &[u8], end: usize) -> Option<String> {
    let before = text.get(end.saturating_sub(ADDRESS)..end)?;
    let is_part = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'@');
    let len = before.iter().rev().take_while(|b| is_part(b)).count();
    let address = before.get(before.len().saturating_sub(len)..)?;
    let address = std::str::from_utf8(address).ok()?;
    address.split_once('@').filter(|(name, _)| !name.is_empty()).map(|_| address.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::Digest;

    #[test]
    fn access_tokens() {
        let body = data_encoding::BASE64URL_NOPAD.encode(&sha2::Sha512::digest(b"a token"));
        let token = format!("ya29.{body}");
        let judge = |text: &str, cut| {
            let verdict =
                access_token(&Subject { text: text.as_bytes(), span: 0..text.len(), cut });
            (verdict.outcome, verdict.span.end)
        };
        assert_eq!(judge(&token, false), (Outcome::Pass, token.len()));
        assert_eq!(judge(&format!("{token}."), false), (Outcome::Pass, token.len()));
        assert_eq!(judge(&format!("{token}...."), false), (Outcome::Pass, token.len() + 4));
        assert_eq!(judge(&token, true).0, Outcome::Fail, "cut");
        assert_eq!(judge("ya29.xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", false).0, Outcome::Fail);
    }

    #[test]
    fn a_users_file_says_what_it_is() {
        let judge = |text: &str| {
            user_credentials(&Subject { text: text.as_bytes(), span: 0..3, cut: false }).outcome
        };
        assert_eq!(judge("KEY, \"client_secret\": 1, type=authorized_user"), Outcome::Pass);
        assert_eq!(judge("KEY, type=authorized_user"), Outcome::Unavailable);
        assert_eq!(judge(""), Outcome::Unavailable);
    }

    fn judge(text: &str) -> Verdict {
        service_account(&Subject { text: text.as_bytes(), span: 0..4, cut: false })
    }

    #[test]
    fn the_account_is_read_off_the_file() {
        let verdict =
            judge("KEY, \"client_email\": \"ci@shop-1.iam.gserviceaccount.com\", \"x\": 1");
        let account = verdict.attributes["gcp.service_account"].as_str();
        assert_eq!(
            (verdict.outcome, account),
            (Outcome::Pass, "ci@shop-1.iam.gserviceaccount.com")
        );
    }

    #[test]
    fn a_file_without_an_account_proves_nothing() {
        for text in ["KEY", "KEY iam.gserviceaccount.com", "KEY @gserviceaccount.com"] {
            assert_eq!(judge(text).outcome, Outcome::Unavailable, "{text}");
        }
    }
}
