//! Keys and stores in text of their own: OpenVPN's static key, Ansible Vault, 1Password's tokens.

use data_encoding::HEXLOWER_PERMISSIVE;
use serde_json::Value;
use zeroize::Zeroizing;

use super::base64_json::object;
use super::{Attributes, Outcome, Subject, Verdict, attribute, entropy, pem};
use crate::secret::SecretBytes;

/// Bytes of a static key: two directions, a cipher's and a sum's key each.
const STATIC_KEY: usize = 256;

/// Checks a static key of OpenVPN: 256 random bytes in hex digits between its first and last line.
///
/// Source: openvpn(8), `--secret`, `--tls-auth`, `--tls-crypt`.
pub(super) fn openvpn(subject: &Subject<'_>) -> Verdict {
    let digits = hex_lines(subject.value(), |line| line.starts_with("-----"));
    let key = HEXLOWER_PERMISSIVE.decode(&digits).map(Zeroizing::new);
    match key {
        Ok(key) if key.len() == STATIC_KEY && entropy::shannon(&key) >= 6_500 => Verdict {
            canonical: Some(pem::canonical("OpenVPN Static key V1", &key)),
            ..Verdict::of(Outcome::Pass, subject)
        },
        _ => Verdict::of(Outcome::Fail, subject),
    }
}

/// The hex digits in all lines but those left out, whose line ends may be escaped.
fn hex_lines(text: &[u8], is_out: fn(&str) -> bool) -> Zeroizing<Vec<u8>> {
    let text = String::from_utf8_lossy(text).replace("\\r", "").replace("\\n", "\n");
    let lines = text.lines().map(str::trim).filter(|line| !is_out(line));
    let digits = lines.take_while(|line| line.bytes().all(|byte| byte.is_ascii_hexdigit()));
    Zeroizing::new(digits.collect::<String>().into_bytes())
}

/// Checks a vault of Ansible: hex digits of three lines of hex digits, which are salt, sum and cipher
/// text. The last of them gives the end.
///
/// Source: the documentation of Ansible, "Format of files encrypted with Ansible Vault".
pub(super) fn ansible(subject: &Subject<'_>) -> Verdict {
    let value = subject.value();
    let last = value.iter().rposition(u8::is_ascii_whitespace).unwrap_or(value.len());
    // What follows the last line may look like one more.
    [value.len(), last]
        .into_iter()
        .find_map(|len| {
            let text = vault(value.get(..len)?)?;
            let span = subject.part(0..len);
            Some(Verdict {
                span,
                canonical: Some(SecretBytes::from(text)),
                ..Verdict::of(Outcome::Pass, subject)
            })
        })
        .unwrap_or_else(|| Verdict::of(Outcome::Fail, subject))
}

/// The three lines of a vault.
fn vault(value: &[u8]) -> Option<Vec<u8>> {
    let digits = hex_lines(value, |line| line.starts_with("$ANSIBLE_VAULT;"));
    let text = HEXLOWER_PERMISSIVE.decode(&digits).ok()?;
    let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    let [salt, sum, cipher] = lines.as_slice() else { return None };
    let is_hex = |line: &[u8]| line.len() >= 32 && line.iter().all(u8::is_ascii_hexdigit);
    let is_vault = salt.len() == 64
        && sum.len() == 64
        && cipher.len().is_multiple_of(32)
        && [salt, sum, cipher].iter().all(|line| is_hex(line));
    is_vault.then_some(text)
}

/// Checks a token of a service account of 1Password: JSON in base64 of either alphabet that holds its
/// secret key. The JSON gives the end.
///
/// Source: the documentation of 1Password, "Service account security".
pub(super) fn onepassword(subject: &Subject<'_>) -> Verdict {
    let fail = Verdict::of(Outcome::Fail, subject);
    let Some(text) = subject.value().strip_prefix(b"ops_") else { return fail };
    let Some((object, len)) = object(text) else { return fail };
    let member = |name: &str| object.get(name).and_then(Value::as_str);
    if member("secretKey").is_none() && object.get("muk").is_none() {
        return fail;
    }
    let len = len.saturating_add(4);
    let mut attributes = Attributes::new();
    if let Some(address) = member("signInAddress") {
        attributes.insert("onepassword.address", attribute(address));
    }
    Verdict { span: subject.part(0..len), attributes, ..Verdict::of(Outcome::Pass, subject) }
}

#[cfg(test)]
mod tests {
    use super::super::tests::whole;
    use super::*;
    use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER};
    use sha2::{Digest as _, Sha512};

    fn of(check: fn(&Subject<'_>) -> Verdict, text: &str) -> Outcome {
        check(&whole(text.as_bytes())).outcome
    }

    fn lines(digits: &str, of: usize, end: &str) -> String {
        let lines = digits.as_bytes().chunks(of);
        lines.map(|line| [&String::from_utf8_lossy(line), end].concat()).collect()
    }

    #[test]
    fn static_keys_have_sixteen_random_lines() {
        let bytes: Vec<u8> = (0..4_u8).flat_map(|seed| Sha512::digest([seed])).collect();
        let file = |bytes: &[u8], end: &str| {
            let name = "OpenVPN Static key V1";
            let body = lines(&HEXLOWER.encode(bytes), 32, end);
            format!("-----BEGIN {name}-----{end}{body}-----END {name}-----")
        };
        for end in ["\n", "\r\n", "\\n"] {
            assert_eq!(of(openvpn, &file(&bytes, end)), Outcome::Pass, "{end:?}");
        }
        assert_eq!(of(openvpn, &file(&bytes[16..], "\n")), Outcome::Fail);
        assert_eq!(of(openvpn, &file(&[7; 256], "\n")), Outcome::Fail);
        assert_eq!(of(openvpn, ""), Outcome::Fail);
    }

    #[test]
    fn vaults_hold_three_lines() {
        let digest = |seed: u8| HEXLOWER.encode(&Sha512::digest([seed])[..32]);
        let vault = |parts: &[String]| {
            let body = HEXLOWER.encode(parts.join("\n").as_bytes());
            format!("$ANSIBLE_VAULT;1.1;AES256\n{}", lines(&body, 80, "\n"))
        };
        let parts = [digest(1), digest(2), digest(3)];
        assert_eq!(of(ansible, &vault(&parts)), Outcome::Pass);
        assert_eq!(of(ansible, &vault(&parts[1..])), Outcome::Fail);
        assert_eq!(of(ansible, &vault(&[digest(1), digest(2), "zz".repeat(32)])), Outcome::Fail);
        assert_eq!(of(ansible, "$ANSIBLE_VAULT;1.1;AES256\n"), Outcome::Fail);
    }

    #[test]
    fn tokens_end_with_their_json() {
        for padding in 0..3 {
            let json = format!(
                r#"{{"signInAddress":"shop.1password.com","secretKey":"{}"}}"#,
                "x".repeat(40 + padding)
            );
            for encoding in [BASE64URL_NOPAD, BASE64] {
                let token = format!("ops_{}", encoding.encode(json.as_bytes()));
                let verdict = onepassword(&whole(token.as_bytes()));
                assert_eq!((verdict.outcome, verdict.span), (Outcome::Pass, 0..token.len()));
                assert_eq!(verdict.attributes["onepassword.address"], "shop.1password.com");
            }
        }
        assert_eq!(of(onepassword, "ops_eyJhIjoxfQ"), Outcome::Fail);
        assert_eq!(of(onepassword, "ops_"), Outcome::Fail);
    }
}
