//! Passwords as applications and directories store them: PHC strings, phpass, frameworks, LDAP.

use data_encoding::{BASE64, BASE64_NOPAD};

use super::random_text::is_random;
use super::{Outcome, Subject, Verdict, entropy};

/// Checks a stored password: its parameters are numbers, and its salt and its hash are random and of
/// the length of a digest.
///
/// Source: the PHC string format; the manuals of Django, Werkzeug, passlib and phpass; RFC 2307 and
/// OpenLDAP's administration guide; RFC 5803 for SCRAM.
pub(super) fn run(subject: &Subject<'_>) -> Verdict {
    let scheme = std::str::from_utf8(subject.value()).ok().and_then(scheme);
    let Some(scheme) = scheme else { return Verdict::of(Outcome::Fail, subject) };
    let mut verdict = Verdict::of(Outcome::Pass, subject);
    verdict.attributes.insert("hash.scheme", scheme.to_owned());
    verdict
}

/// The name of the scheme, if the parts are as it asks.
fn scheme(value: &str) -> Option<&'static str> {
    if value.starts_with('{') {
        return ldap(value);
    }
    let parts: Vec<&str> = value.split('$').collect();
    let name =
        |list: &[&'static str], name: &str| list.iter().find(|known| **known == name).copied();
    match parts.as_slice() {
        ["", kind, version, parameters, salt, hash] if version.starts_with("v=") => {
            let kind = name(&["argon2id", "argon2i", "argon2d"], kind)?;
            (are_numbers(parameters) && is_salt(salt) && is_digest(hash)).then_some(kind)
        }
        ["", kind, parameters, salt, hash] => {
            let kind = name(&["scrypt", "pbkdf2", "pbkdf2-sha256", "pbkdf2-sha512"], kind)?;
            // passlib writes a dot for the plus.
            let plain = |text: &str| text.replace('.', "+");
            (are_numbers(parameters) && is_salt(&plain(salt)) && is_digest(&plain(hash)))
                .then_some(kind)
        }
        // Drupal 7: phpass with SHA-512.
        ["", "S", rest] => (rest.len() == 52 && is_random(rest.as_bytes())).then_some("drupal7"),
        ["", "P" | "H", rest] => {
            let hash = rest.as_bytes();
            (hash.len() == 31 && is_random(hash)).then_some("phpass")
        }
        [kind @ ("pbkdf2_sha256" | "pbkdf2_sha1"), rounds, salt, hash] => {
            let kind = name(&["pbkdf2_sha256", "pbkdf2_sha1"], kind)?;
            (are_numbers(rounds) && is_salt(salt) && is_digest(hash)).then_some(kind)
        }
        [method, salt, hash] => {
            let mut words = method.split(':');
            let kind = match words.next()? {
                "scrypt" => "scrypt",
                "pbkdf2" => {
                    words.next().filter(|hash| hash.starts_with("sha")).map(|_| "pbkdf2")?
                }
                _ => return None,
            };
            let hex = matches!(hash.len(), 40 | 64 | 128)
                && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
            (words.all(are_numbers) && salt.len() >= 8 && hex && is_random(hash.as_bytes()))
                .then_some(kind)
        }
        _ => None,
    }
}

/// `{SSHA}` and its like: a digest, and the salt behind it.
fn ldap(value: &str) -> Option<&'static str> {
    let (kind, text) = value.strip_prefix('{')?.split_once('}')?;
    let bytes = BASE64.decode(text.as_bytes()).ok()?;
    let kinds = [
        ("SHA", 20, false),
        ("SHA256", 32, false),
        ("SHA384", 48, false),
        ("SHA512", 64, false),
        ("SMD5", 16, true),
        ("SSHA", 20, true),
        ("SSHA256", 32, true),
        ("SSHA384", 48, true),
        ("SSHA512", 64, true),
    ];
    let (kind, size, is_salted) = kinds.into_iter().find(|(known, ..)| *known == kind)?;
    let salt = bytes.len().checked_sub(size)?;
    let is_right = if is_salted { (4..=32).contains(&salt) } else { salt == 0 };
    (is_right && entropy::shannon(&bytes) >= 3_500).then_some(kind)
}

/// `m=65536,t=3,p=4`, `600000`.
fn are_numbers(text: &str) -> bool {
    let is_number = |part: &str| {
        let number = part.split_once('=').map_or(part, |(_, number)| number);
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    };
    text.split(',').all(is_number)
}

fn is_salt(text: &str) -> bool {
    let salt = text.as_bytes();
    (8..=86).contains(&salt.len()) && !entropy::is_periodic(salt) && entropy::shannon(salt) >= 2_000
}

/// Base64, with or without padding, of a digest.
fn is_digest(text: &str) -> bool {
    let bytes = BASE64_NOPAD.decode(text.trim_end_matches('=').as_bytes());
    bytes.is_ok_and(|bytes| {
        matches!(bytes.len(), 16 | 20 | 24 | 32 | 48 | 64) && entropy::shannon(&bytes) >= 3_000
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::whole;
    use super::*;
    use data_encoding::HEXLOWER;
    use sha2::{Digest as _, Sha256, Sha512};

    fn check(text: &str) -> Option<String> {
        let verdict = run(&whole(text.as_bytes()));
        (verdict.outcome == Outcome::Pass).then(|| verdict.attributes["hash.scheme"].clone())
    }

    #[test]
    fn of_a_specification() {
        // The reference implementation of Argon2, README: `echo -n password | argon2 somesalt …`.
        let argon =
            ["$argon2i$", "v=19$m=65536,t=2,p=4$c29tZXNhbHQ$", "RdescudvJCsgt3ub+b4dWRWJTmaaJObG"];
        assert_eq!(check(&argon.concat()).as_deref(), Some("argon2i"));
    }

    #[test]
    fn schemes_have_their_lengths() {
        let digest = Sha256::digest(b"password");
        let hash = BASE64.encode(&digest);
        let bare = hash.trim_end_matches('=');
        let hex = HEXLOWER.encode(&Sha512::digest(b"password"));
        let salted = BASE64.encode(&[&digest[..20], b"Saltsalt"].concat());
        let cases = [
            (
                format!("$argon2id$v=19$m=65536,t=3,p=4$uYx1bG9jc2FsdDE$ {bare}").replace(' ', ""),
                "argon2id",
            ),
            (format!("$pbkdf2-sha256$29000$N2YMIWQsBWBMae09x1jrPQ${bare}"), "pbkdf2-sha256"),
            (format!("pbkdf2_sha256$870000$uYx1bGq9jc2sdD${hash}"), "pbkdf2_sha256"),
            (format!("scrypt:32768:8:1$uYx1bGq9jc2sdDE1${hex}"), "scrypt"),
            (format!("pbkdf2:sha256:600000$uYx1bGq9${}", hex.split_at(64).0), "pbkdf2"),
            (format!("{{SSHA}}{salted}"), "SSHA"),
            (format!("{{SHA}}{}", BASE64.encode(&digest[..20])), "SHA"),
            (["$P$", "B2qzLnM8u7xTGkb4RvwQy5Wd.Ke0Fh/"].concat(), "phpass"),
        ];
        for (text, scheme) in cases {
            assert_eq!(check(&text).as_deref(), Some(scheme), "{text}");
            assert_eq!(check(text.split_at(text.len() - 3).0), None, "{text}");
        }
        for text in ["", "$", "$$$$$", "{SSHA}", "pbkdf2_sha256$x$salt$hash", "scrypt:a$b$c"] {
            assert_eq!(check(text), None, "{text}");
        }
    }
}
