//! Credentials of SASL's mechanism PLAIN, as clients of mail servers send them.

use data_encoding::BASE64;
use zeroize::Zeroizing;

use super::{Outcome, Placeholder, Subject, Verdict, placeholder, user_attribute};

/// Checks that base64 holds `identity NUL user NUL password` (RFC 4616), in text without other
/// control characters. Reads off the user. Weak: a default password.
pub(super) fn plain(subject: &Subject<'_>) -> Verdict {
    let fail = Verdict::of(Outcome::Fail, subject);
    let Some(text) = BASE64.decode(subject.value()).ok().map(Zeroizing::new) else { return fail };
    let Ok(text) = std::str::from_utf8(&text) else { return fail };
    let mut parts = text.split('\0').skip(1);
    let (Some(user), Some(password), None) = (parts.next(), parts.next(), parts.next()) else {
        return fail;
    };
    if user.is_empty() || password.is_empty() || text.chars().any(|c| c != '\0' && c.is_control()) {
        return fail;
    }
    let mut verdict = Verdict::of(Outcome::Pass, subject);
    match placeholder(password.as_bytes()) {
        Placeholder::No => {}
        Placeholder::Yes => return fail,
        Placeholder::WeakDefault => {
            verdict.outcome = Outcome::Weak;
            verdict.attributes.insert("password.weak", "true".to_owned());
        }
    }
    if let Some(user) = user_attribute(user, password) {
        verdict.attributes.insert("sasl.user", user);
    }
    verdict
}

#[cfg(test)]
mod tests {
    use super::super::tests::whole;
    use super::*;

    fn outcome(text: &str) -> Outcome {
        plain(&whole(BASE64.encode(text.as_bytes()).as_bytes())).outcome
    }

    #[test]
    fn user_and_password_stand_between_zeros() {
        // RFC 4616 §4; its password is a word, so another one here.
        let text = BASE64.encode(b"\0tim\0tanst8-aftanstaf");
        let verdict = plain(&whole(text.as_bytes()));
        assert_eq!((verdict.outcome, verdict.span), (Outcome::Pass, 0..text.len()));
        assert_eq!(verdict.attributes["sasl.user"], "tim");
        assert_eq!(outcome("Ursel\0Kurt\0xipj3-plmq"), Outcome::Pass);
        assert_eq!(outcome("\0tim\0changeme"), Outcome::Weak);
        for wrong in ["\0tim\0", "\0\0pw-8Gk3", "tim\0pw-8Gk3", "\0a\0b\0c", "\0tim\0p\x01w-8Gk3"] {
            assert_eq!(outcome(wrong), Outcome::Fail, "{wrong:?}");
        }
        assert_eq!(outcome("\0tim\0<password>"), Outcome::Fail);
        assert_eq!(plain(&whole(b"AHRpbQ")).outcome, Outcome::Fail);
    }
}
