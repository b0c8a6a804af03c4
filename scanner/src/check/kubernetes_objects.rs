//! Secrets of Kubernetes and OpenShift that are no JWT: bootstrap and OAuth tokens, the data of
//! Secret objects, the keys of a kubeconfig.

use data_encoding::BASE64URL_NOPAD;

use super::notation::base64;
use super::{Notation, Outcome, Placeholder, Plain, Subject, Verdict};
use super::{entropy, known, pem, placeholder, random_text};
use crate::secret::SecretBytes;

/// Characters of the public half of a bootstrap token, and of its secret half.
const TOKEN_ID: usize = 6;
const TOKEN_SECRET: usize = 16;
/// Characters before an OpenShift token, and after that.
const SHA256: usize = 7;
const OAUTH: usize = 43;

/// Checks a bootstrap token, `[a-z0-9]{6}.[a-z0-9]{16}`, or its secret half: random characters, with
/// a digit among them, and none of the documentation's.
///
/// Source: `staging/src/k8s.io/cluster-bootstrap/token` of Kubernetes.
pub(super) fn bootstrap_token(subject: &Subject<'_>) -> Verdict {
    let value = subject.value();
    let secret = value.get(TOKEN_ID.saturating_add(1)..).unwrap_or_default();
    let is_token = secret.len() == TOKEN_SECRET
        && value.iter().any(u8::is_ascii_digit)
        && entropy::shannon(secret) >= 2_700
        && !entropy::is_sequence(secret)
        && !entropy::is_periodic(secret)
        && !known::is_documentation_value(value)
        && placeholder(value) == Placeholder::No;
    Verdict::of(if is_token { Outcome::Pass } else { Outcome::Fail }, subject)
}

/// Checks an OAuth token of OpenShift: `sha256~` and 32 bytes in base64url. The API object of a token
/// is named in the same way after the token's hash, which is no secret: fail where it stands in a
/// path or under `name`.
pub(super) fn openshift_token(subject: &Subject<'_>) -> Verdict {
    let before = subject.text.get(..subject.span.start).unwrap_or_default();
    let is_name = key_before(before) == b"name"
        || [&b"oauthaccesstokens/"[..], b"oauthauthorizetokens/"]
            .iter()
            .any(|path| before.ends_with(path));
    let token = subject.value().get(SHA256..).unwrap_or_default();
    let is_token = token.len() == OAUTH
        && BASE64URL_NOPAD.decode(token).is_ok()
        && random_text::is_random(token)
        && !is_name;
    Verdict::of(if is_token { Outcome::Pass } else { Outcome::Fail }, subject)
}

/// Checks a private key in base64, as in `client-key-data`: what it holds is judged as `pem` does.
pub(super) fn key_data(subject: &Subject<'_>) -> Verdict {
    base64(subject.value())
        .and_then(|text| in_base64(subject, &text))
        .unwrap_or_else(|| Verdict::of(Outcome::Fail, subject))
}

/// The verdict on armour that lies in base64; `None` if it is no key.
fn in_base64(subject: &Subject<'_>, text: &[u8]) -> Option<Verdict> {
    let inner = pem::run(&Subject { text, span: 0..text.len(), cut: false });
    if inner.outcome == Outcome::Fail {
        return None;
    }
    let value = SecretBytes::new(text.get(inner.span)?);
    let mut verdict = Verdict::of(inner.outcome, subject);
    verdict.attributes = inner.attributes;
    verdict.canonical = inner.canonical;
    verdict.plain = Some(Plain { notation: Notation::Base64, value });
    Some(verdict)
}

/// Keys of Secret objects under which no secret stands, in lower case; those of the object itself
/// among them.
const PUBLIC: &str = "\
    ca.crt ca.pem ca-bundle.crt service-ca.crt tls.crt cert cert.pem certificate client.crt \
    server.crt namespace username user admin-user login email host hostname port database dbname \
    db name type endpoint region bucket public-key publickey id_rsa.pub known_hosts token-id \
    kind apiversion uid resourceversion app usage-bootstrap-authentication usage-bootstrap-signing auth-extra-groups description \
    expiration";

/// Checks a value of a Secret object: base64 of a private key, or of anything else that could be a
/// secret, told by its key and by itself. Certificates and placeholders fail.
pub(super) fn secret_data(subject: &Subject<'_>) -> Verdict {
    let fail = Verdict::of(Outcome::Fail, subject);
    let value = subject.value();
    let key = key_before(subject.text.get(..subject.span.start).unwrap_or_default());
    if !value.len().is_multiple_of(4) {
        return fail;
    }
    let Some(decoded) = base64(value) else { return fail };
    if decoded.starts_with(b"-----BEGIN ") && !is_public(key) {
        return in_base64(subject, &decoded).unwrap_or(fail);
    }
    let Some(outcome) = worth(key, &decoded) else { return fail };
    let secret = decoded.trim_ascii();
    let mut verdict = Verdict::of(outcome, subject);
    if is_text(secret) {
        let value = SecretBytes::new(secret);
        verdict.plain = Some(Plain { notation: Notation::Base64, value });
    }
    verdict
}

/// Checks a value of a Secret object that stands plainly, as in `stringData`.
pub(super) fn string_data(subject: &Subject<'_>) -> Verdict {
    let key = key_before(subject.text.get(..subject.span.start).unwrap_or_default());
    let outcome = worth(key, subject.value()).unwrap_or(Outcome::Fail);
    Verdict::of(outcome, subject)
}

/// What a value of a Secret object is worth under its key; `None` for what is no secret.
pub(super) fn worth(key: &[u8], value: &[u8]) -> Option<Outcome> {
    let secret = value.trim_ascii();
    let is_text = is_text(secret);
    let judged = if is_text { placeholder(secret) } else { Placeholder::No };
    match judged {
        // A few bytes that are no text may be anything.
        _ if is_public(key) || secret.len() < if is_text { 4 } else { 16 } => None,
        Placeholder::Yes => None,
        Placeholder::WeakDefault => Some(Outcome::Weak),
        Placeholder::No => Some(Outcome::Pass),
    }
}

fn is_public(key: &[u8]) -> bool {
    PUBLIC.split(' ').any(|name| key.eq_ignore_ascii_case(name.as_bytes()))
}

fn is_text(value: &[u8]) -> bool {
    std::str::from_utf8(value)
        .is_ok_and(|text| !text.contains(|c: char| c.is_control() && !c.is_whitespace()))
}

/// The key that a text ends in: `… "password" : "`, `  password: `.
fn key_before(text: &[u8]) -> &[u8] {
    let is_around = |b: &u8| b.is_ascii_whitespace() || matches!(b, b'"' | b'\'' | b'\\' | b':');
    let is_name = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    let around = text.iter().rev().take_while(|b| is_around(b)).count();
    let text = text.get(..text.len().saturating_sub(around)).unwrap_or_default();
    let name = text.iter().rev().take_while(|b| is_name(b)).count();
    text.get(text.len().saturating_sub(name)..).unwrap_or_default()
}

#[cfg(test)]
#[expect(clippy::string_slice, reason = "ASCII of our own making")]
mod tests {
    use super::super::tests::whole;
    use super::*;
    use data_encoding::{BASE64, BASE64URL_NOPAD};
    use sha2::{Digest, Sha256};

    #[test]
    fn bootstrap_tokens() {
        let judge = |text: &str| bootstrap_token(&whole(text.as_bytes())).outcome;
        assert_eq!(judge(&["k7q2zd", ".", "p0r4xw9ls6mb1tfe"].concat()), Outcome::Pass);
        for fails in [
            ["abcdef", ".", "0123456789abcdef"].concat(), // The documentation's.
            ["k7q2zd", ".", "aaaaaaaaaaaaaaaa"].concat(),
            ["config", ".", "getbootstraptoke"].concat(), // Names of a program.
            ["k7q2zd", ".", "p0r4xw9ls6mb1tf"].concat(),
            String::new(),
        ] {
            assert_eq!(judge(&fails), Outcome::Fail, "{fails}");
        }
    }

    #[test]
    fn openshift_tokens() {
        let token = format!("sha256~{}", BASE64URL_NOPAD.encode(&Sha256::digest(b"a token")));
        let judge = |text: &str, start: usize| {
            let span = start..text.len();
            openshift_token(&Subject { text: text.as_bytes(), span, cut: false }).outcome
        };
        assert_eq!(judge(&token, 0), Outcome::Pass);
        assert_eq!(judge(&token[..token.len() - 1], 0), Outcome::Fail, "one short");
        let spare = format!("{}_", &token[..token.len() - 1]);
        assert_eq!(judge(&spare, 0), Outcome::Fail, "spare bits");
        let name = format!("/apis/oauth.openshift.io/v1/oauthaccesstokens/{token}");
        assert_eq!(judge(&name, name.len() - token.len()), Outcome::Fail, "the name of an object");
        for before in ["{\"metadata\":{\"name\":\"", "{\\\"name\\\": \\\"", "metadata:\n  name: "] {
            let name = format!("{before}{token}");
            assert_eq!(judge(&name, before.len()), Outcome::Fail, "{before}");
        }
        let before = "{\"token\":\"";
        assert_eq!(judge(&format!("{before}{token}"), before.len()), Outcome::Pass);
    }

    #[test]
    fn keys_in_base64() {
        let der =
            [b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20", &[7; 32][..]];
        let armour = pem::tests::armour("PRIVATE KEY", &der.concat(), "\n");
        let text = BASE64.encode(armour.as_bytes());
        let verdict = key_data(&whole(text.as_bytes()));
        assert_eq!((verdict.outcome, verdict.span), (Outcome::Pass, 0..text.len()));
        let plain = verdict.plain.unwrap();
        assert_eq!(plain.value.expose(), armour.trim_end().as_bytes());
        assert_eq!(verdict.canonical, pem::run(&whole(armour.as_bytes())).canonical);
        let certificate = armour.replace("PRIVATE KEY", "CERTIFICATE");
        let certificate = BASE64.encode(certificate.as_bytes());
        assert_eq!(key_data(&whole(certificate.as_bytes())).outcome, Outcome::Fail);
        assert_eq!(secret_data(&whole(certificate.as_bytes())).outcome, Outcome::Fail);
        assert_eq!(secret_data(&whole(text.as_bytes())).outcome, Outcome::Pass);
    }

    #[test]
    fn data_of_secrets() {
        let judge = |key: &str, value: &[u8]| {
            let start = format!("{{\"{key}\": \"");
            let text = format!("{start}{}\"", BASE64.encode(value));
            let span = start.len()..text.len() - 1;
            let verdict = secret_data(&Subject { text: text.as_bytes(), span, cut: false });
            (verdict.outcome, verdict.plain.map(|plain| plain.value.expose().to_vec()))
        };
        let pass = |value: &[u8]| (Outcome::Pass, Some(value.to_vec()));
        assert_eq!(judge("password", b"f9j4tvyedJJS\n"), pass(b"f9j4tvyedJJS"));
        assert_eq!(judge("a.b_c-d", b"f9j4 tvyed"), pass(b"f9j4 tvyed"));
        assert_eq!(judge("key", &Sha256::digest(b"x")), (Outcome::Pass, None));
        assert_eq!(judge("password", b"changeme").0, Outcome::Weak);
        let fails: [(&str, &[u8]); 5] = [
            ("username", b"f9j4tvyed"),
            ("Namespace", b"shop"),
            ("password", b"<password>"),
            ("password", b""),
            ("key", b"\xff\xfe\x00"),
        ];
        for (key, value) in fails {
            assert_eq!(judge(key, value).0, Outcome::Fail, "{key}");
        }
    }
}
