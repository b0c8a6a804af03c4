//! Credentials of container registries.

use super::notation::base64;
use super::{Notation, Outcome, Placeholder, Plain, Subject, Verdict, placeholder, user_attribute};
use crate::secret::SecretBytes;

/// Checks the field `auth` of a registry's configuration: base64 of user, colon and password, in
/// printable text. The password is the value; the user is told (`docker.user`), unless it is a token
/// itself.
pub(super) fn auth(subject: &Subject<'_>) -> Verdict {
    let fail = Verdict::of(Outcome::Fail, subject);
    let Some(decoded) = base64(subject.value()) else { return fail };
    let Ok(text) = std::str::from_utf8(&decoded) else { return fail };
    // Docker itself pads the password with a NUL in some versions.
    let text = text.trim_end_matches('\0');
    let Some((user, password)) = text.split_once(':') else { return fail };
    if user.is_empty() || password.is_empty() || text.contains(char::is_control) {
        return fail;
    }
    let outcome = match placeholder(password.as_bytes()) {
        Placeholder::No => Outcome::Pass,
        Placeholder::WeakDefault => Outcome::Weak,
        Placeholder::Yes => return fail,
    };
    let mut verdict = Verdict::of(outcome, subject);
    if let Some(user) = user_attribute(user, password) {
        verdict.attributes.insert("docker.user", user);
    }
    let value = SecretBytes::new(password.as_bytes());
    verdict.plain = Some(Plain { notation: Notation::Base64, value });
    verdict
}

#[cfg(test)]
mod tests {
    use super::super::tests::whole;
    use super::*;
    use data_encoding::{BASE64, HEXLOWER};
    use sha2::{Digest, Sha256};

    fn judge(text: &str) -> Verdict {
        auth(&whole(BASE64.encode(text.as_bytes()).as_bytes()))
    }

    #[test]
    fn user_and_password() {
        for (text, password) in
            [("ci:f9j4tvyedJJS", "f9j4tvyedJJS"), ("a:b:c9%Zq7:\0", "b:c9%Zq7:")]
        {
            let verdict = judge(text);
            let plain = verdict.plain.unwrap();
            assert_eq!((verdict.outcome, plain.notation), (Outcome::Pass, Notation::Base64));
            assert_eq!(plain.value.expose(), password.as_bytes());
            assert_eq!(verdict.attributes["docker.user"], text.split(':').next().unwrap());
        }
        assert_eq!(judge("ci:changeme").outcome, Outcome::Weak);
    }

    #[test]
    fn a_token_for_a_user_is_not_shown() {
        let token = HEXLOWER.encode(&Sha256::digest(b"token"));
        for text in [
            format!("{token}:{token}"),
            format!("{token}:f9j4tvyedJJS"),
            "f9j4tvyedJJS:f9j4tvyedJJS".to_owned(),
        ] {
            let verdict = judge(&text);
            assert_eq!((verdict.outcome, verdict.attributes.len()), (Outcome::Pass, 0), "{text}");
        }
    }

    #[test]
    fn other_fields_fail() {
        for text in ["no colon", ":password", "user:", "user:<password>", "a\u{1}b:f9j4tvyed", ""] {
            assert_eq!(judge(text).outcome, Outcome::Fail, "{text}");
        }
        assert_eq!(auth(&whole(b"Y2k6=x")).outcome, Outcome::Fail);
        assert_eq!(auth(&whole(b"/////w==")).outcome, Outcome::Fail);
    }
}
