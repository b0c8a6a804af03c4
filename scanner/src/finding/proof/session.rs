//! The key of a web framework's sessions: a secret of the same checkpoint, or a word that everybody knows,
//! with which the signature of a cookie comes out. Whoever has it makes sessions of any user.

use std::borrow::Cow;
use std::collections::BTreeMap;

use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL_NOPAD, HEXLOWER, HEXLOWER_PERMISSIVE};
use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::keys::{self, Candidate};
use super::{Proof, Proven, Value, Work, kept, rails};
use crate::check::{Attributes, Severity};
use crate::rule::RuleSet;
use crate::tally::{Shelf, Vault};

pub(super) const SESSION_SIGNATURE: Proof = Proof { name: "session-signature", prove };

/// A signed text of a framework.
enum Signed<'a> {
    /// itsdangerous: payload, time and signature between dots. Flask, Starlette, FastAPI.
    ItsDangerous { text: &'a [u8], mac: Vec<u8> },
    /// `django.core.signing`: the same between colons.
    Django { text: &'a [u8], mac: Vec<u8> },
    /// `Illuminate\Encryption\Encrypter`: a MAC over the vector and the cipher text, both in base64.
    Laravel { text: String, mac: Vec<u8> },
    /// `cookie-signature` of Express: the text, a dot, base64 without padding.
    Express { text: &'a [u8], mac: Vec<u8> },
    /// `ActiveSupport::MessageVerifier` and `MessageEncryptor`.
    Rails(rails::Message<'a>),
}

#[derive(Deserialize)]
struct Laravel {
    iv: String,
    value: String,
    mac: String,
}

/// Whether a text has the shape of one that a framework has signed.
pub(super) fn is_signed(text: &[u8]) -> bool {
    Signed::of(&without_percent(text)).is_some()
}

/// Text without the percent signs with which browsers write cookies (RFC 3986 §2.1).
fn without_percent(text: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'%', text).is_none() {
        return Cow::Borrowed(text);
    }
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        let digits = after.first_chunk::<2>().filter(|_| *first == b'%');
        let byte = digits.and_then(|digits| HEXLOWER_PERMISSIVE.decode(digits).ok());
        if let Some([byte]) = byte.as_deref() {
            plain.push(*byte);
            rest = after.get(2..).unwrap_or_default();
        } else {
            plain.push(*first);
            rest = after;
        }
    }
    Cow::Owned(plain)
}

impl<'a> Signed<'a> {
    fn of(text: &'a [u8]) -> Option<Self> {
        if let Some(rest) = text.strip_prefix(b"s:") {
            let (text, mac) = split(rest, b'.')?;
            let mac = BASE64_NOPAD.decode(mac).ok().filter(|mac| mac.len() == 32)?;
            return Some(Self::Express { text, mac });
        }
        if text.starts_with(b"eyJpdiI6") {
            let json = BASE64.decode(text).or_else(|_| BASE64_NOPAD.decode(text)).ok()?;
            let Laravel { iv, value, mac } = serde_json::from_slice(&json).ok()?;
            let mac = HEXLOWER.decode(mac.as_bytes()).ok().filter(|mac| mac.len() == 32)?;
            return Some(Self::Laravel { text: iv + &value, mac });
        }
        if let Some(message) = rails::Message::of(text) {
            return Some(Self::Rails(message));
        }
        if !(text.starts_with(b"eyJ") || text.starts_with(b".eJ")) {
            return None;
        }
        let decode = |mac| BASE64URL_NOPAD.decode(mac).ok();
        if let Some((text, mac)) = split(text, b':') {
            let mac = decode(mac).filter(|mac| [20, 32].contains(&mac.len()))?;
            return (split(text, b':')?.1.len() <= 7).then_some(Self::Django { text, mac });
        }
        let (text, mac) = split(text, b'.')?;
        let mac = decode(mac).filter(|mac| mac.len() == 20)?;
        (split(text, b'.')?.1.len() <= 7).then_some(Self::ItsDangerous { text, mac })
    }

    /// What a report calls it.
    fn framework(&self) -> &'static str {
        match self {
            Self::ItsDangerous { .. } => "itsdangerous (Flask, Starlette)",
            Self::Django { .. } => "Django",
            Self::Laravel { .. } => "Laravel",
            Self::Express { .. } => "Express",
            Self::Rails(_) => "Rails",
        }
    }

    /// Bytes that are hashed to try a key.
    fn cost(&self, key: &[u8]) -> usize {
        let (len, times) = match self {
            Self::ItsDangerous { text, .. } => (text.len(), ITSDANGEROUS.len()),
            Self::Django { text, .. } => (text.len(), DJANGO.len()),
            Self::Laravel { text, .. } => (text.len(), 1),
            Self::Express { text, .. } => (text.len(), 1),
            Self::Rails(message) => return message.cost(key),
        };
        len.saturating_add(key.len()).saturating_add(512).saturating_mul(times)
    }

    fn is_signed_by(&self, key: &[u8]) -> bool {
        match self {
            Self::ItsDangerous { text, mac } => ITSDANGEROUS.iter().any(|(salt, derivation)| {
                let key = match derivation {
                    Derivation::Hmac => hmac::<Hmac<Sha1>>(key, salt),
                    Derivation::Hash => Sha1::digest([salt, &b"signer"[..], key].concat()).to_vec(),
                };
                is_mac::<Hmac<Sha1>>(&key, text, mac)
            }),
            Self::Django { text, mac } => DJANGO.iter().any(|salt| {
                let key = [salt.as_bytes(), b"signer", key].concat();
                if mac.len() == 32 {
                    is_mac::<Hmac<Sha256>>(&Sha256::digest(key), text, mac)
                } else {
                    is_mac::<Hmac<Sha1>>(&Sha1::digest(key), text, mac)
                }
            }),
            Self::Laravel { text, mac } => is_mac::<Hmac<Sha256>>(key, text.as_bytes(), mac),
            Self::Express { text, mac } => is_mac::<Hmac<Sha256>>(key, text, mac),
            Self::Rails(message) => message.is_made_with(key),
        }
    }
}

/// How itsdangerous makes a key of a secret and a salt.
enum Derivation {
    /// HMAC of the salt under the secret (`hmac`).
    Hmac,
    /// Hash of salt, `signer` and secret (`django-concat`).
    Hash,
}

/// Sessions of Flask; of Starlette; what an application signs by itself.
const ITSDANGEROUS: [(&[u8], Derivation); 3] = [
    (b"cookie-session", Derivation::Hmac),
    (b"itsdangerous.Signer", Derivation::Hash),
    (b"itsdangerous", Derivation::Hash),
];

/// Sessions in cookies; in the database, a file or the cache; messages; what an application signs by itself.
const DJANGO: [&str; 4] = [
    "django.contrib.sessions.backends.signed_cookies",
    "django.contrib.sessions.SessionStore",
    "django.contrib.messages",
    "django.core.signing",
];

/// Both sides of the last such byte.
fn split(text: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let (before, after) = text.split_at_checked(memchr::memrchr(at, text)?)?;
    Some((before, after.get(1..)?))
}

fn hmac<M: Mac + KeyInit>(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mac = <M as KeyInit>::new_from_slice(key).ok();
    mac.map(|it| it.chain_update(text).finalize().into_bytes().to_vec()).unwrap_or_default()
}

fn is_mac<M: Mac + KeyInit>(key: &[u8], text: &[u8], mac: &[u8]) -> bool {
    <M as KeyInit>::new_from_slice(key)
        .is_ok_and(|it| it.chain_update(text).verify_slice(mac).is_ok())
}

fn prove(values: &[Value<'_>], rules: &RuleSet, vault: &Vault) -> Vec<Proven> {
    let texts: Vec<_> = kept(values, vault, Shelf::Signed)
        .map(|kept| (without_percent(kept.bytes), kept))
        .collect();
    let sessions: Vec<_> = texts
        .iter()
        .filter_map(|(text, kept)| Signed::of(text).map(|signed| (kept, signed)))
        .collect();
    if sessions.is_empty() {
        return Vec::new();
    }
    let keys = keys::candidates(values, vault);
    let (mut work, mut proven) = (Work::new(), Vec::new());
    let mut signs: BTreeMap<usize, (&str, usize)> = BTreeMap::new();
    for (kept, signed) in &sessions {
        match find(signed, &keys, &mut work) {
            Ok(Some(key)) => {
                let framework = signed.framework();
                let attributes = Attributes::from([
                    ("session.framework", framework.to_owned()),
                    ("signed-by", key.label(rules)),
                ]);
                proven.push(Proven::confirmed(kept.index, Severity::Info, attributes));
                if let Some(key) = &key.kept {
                    let (_, count) = signs.entry(key.index).or_insert((framework, 0));
                    *count = count.saturating_add(1);
                }
            }
            Ok(None) if vault.holds_all(Shelf::Candidate) => {}
            Ok(None) | Err(()) => proven.push(Proven::unavailable(kept.index)),
        }
    }
    proven.extend(signs.into_iter().map(|(index, (framework, count))| {
        let attributes = Attributes::from([
            ("session.framework", framework.to_owned()),
            ("signs.sessions", count.to_string()),
        ]);
        Proven::confirmed(index, Severity::Critical, attributes)
    }));
    proven
}

/// The key of a session; an error where that is too much work.
fn find<'k, 'v>(
    signed: &Signed<'_>,
    keys: &'k [Candidate<'v>],
    work: &mut Work,
) -> Result<Option<&'k Candidate<'v>>, ()> {
    for key in keys {
        for form in &key.forms {
            if !work.afford(signed.cost(form)) {
                return Err(());
            }
            if signed.is_signed_by(form) {
                return Ok(Some(key));
            }
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Signed with `correct horse battery staple` by Django 5, Flask 3 and itsdangerous 2 at the time
    /// 1700000000; the others calculated after their sources.
    fn vectors() -> Vec<(&'static str, String, &'static [u8])> {
        const SECRET: &[u8] = b"correct horse battery staple";
        const LARAVEL: &[u8] = &[
            0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23,
            24, 25, 26, 27, 28, 29, 30, 31,
        ];
        const RAILS: &[u8] = b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\
            0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
        let django = "eyJfYXV0aF91c2VyX2lkIjoiMSJ9:1r31eq";
        let data = "InVzZXItNyIidXNlci03IiJ1c2VyLTci";
        let laravel = [
            "eyJpdiI6IkFBQUFBQUFBQUFBQUFBQUFBQUFBQUE9PSIsInZhbHVlIjoiQUFFQ0F3UUZCZ2NJQ1FvTERBME9E",
            "eEFSRWhNVUZSWVhHQmthR3h3ZEhoOGdJU0lqSkNVbUp5Z3BLaXNzTFM0diIsIm1hYyI6IjljYWIyNTdiY2U4",
            "OTA2NWE2N2UxMWFmOWJhN2NhZDczYTA5ZWYyYjdhNjFiY2Y3YmRkZDAyNjZiYTVhMmY1MTAiLCJ0YWciOiIifQ==",
        ];
        let parts: [(&str, &[&str], &[u8]); 11] = [
            ("Django", &[django, ":5kLJ1csv6jFKcKb8-", "bMz6dg4xvUlkTNP66L8mckrjpw"], SECRET),
            ("Django", &[django, ":chPshpcOM0WvL-N23", "gE2FBYezyuwVTBH_YjfTE73bak"], SECRET),
            ("Django", &[django, ":_HlPZkJTn-xJERVBE", "t7HxcDGVRO06-ZWTj8yQaLwK3g"], SECRET),
            (
                "Django",
                &[
                    ".eJyrVopPLC3JiC8tTi2Kz0xRslIyVNJRKgDSFcMEKNUCAF2bZmU:1r31eq:",
                    "wQgHGVfVQI_QGZnCjfpnVKfzd0yI6LL5azpk2xsOCWw",
                ],
                SECRET,
            ),
            (FLASK, &["eyJ1c2VyX2lkIjo3fQ.ZVPxAA.", "89Kv7Nz0LjOm2gI8J9Uyu9D_v1M"], SECRET),
            (FLASK, &["eyJ1IjogN30=.ZVPxAA.", "QOLn0IQvNqezKuo196CbZxwf65g"], SECRET),
            (FLASK, &["eyJ1Ijo3fQ.ZVPxAA.", "BTGI_bzpaG7bRkZR16Np_uJbnBw"], SECRET),
            (
                "Express",
                &[
                    "s:AbCdEfGhIjKlMnOpQrStUvWxYz012345.",
                    "oQBsfJEL3AQv+on1m4PWZSlBsIuQmZGhEMpXg4rqFX0",
                ],
                SECRET,
            ),
            ("Laravel", &laravel, LARAVEL),
            ("Rails", &[data, "--d946f6762b76d8ccc9eb", "1e975c634e960044829b"], RAILS),
            (
                "Rails",
                &[
                    "QJX+mVwmXA3d2toCSsuUbZr1GjMSuPmcwEBQsv4=",
                    "--AAECAwQFBgcICQoL--",
                    "eluk34lgCpD/IYQspZyRpQ==",
                ],
                RAILS,
            ),
        ];
        let sha256 =
            [data, "--74f41506b0b60377620d9e4796a7bd3a", "01e8b501d6e624307306d1052ef5a14d"];
        let last = ("Rails", sha256.concat(), RAILS);
        let parts = parts.into_iter().map(|(name, parts, key)| (name, parts.concat(), key));
        parts.chain([last]).collect()
    }

    const FLASK: &str = "itsdangerous (Flask, Starlette)";

    #[test]
    fn each_framework_s_own_signature_is_known() {
        for (framework, text, key) in vectors() {
            let signed = Signed::of(text.as_bytes()).unwrap_or_else(|| panic!("{framework}"));
            assert_eq!(signed.framework(), framework);
            assert!(signed.is_signed_by(key), "{framework}: {text}");
            assert!(!signed.is_signed_by(&key[1..]), "{framework}");
            assert!(!signed.is_signed_by(b""), "{framework}");
        }
    }

    #[test]
    fn percent_signs_of_a_browser_are_taken_out() {
        let cases = [("s%3Aab%2Fc%2b", "s:ab/c+"), ("100%", "100%"), ("%zz%4", "%zz%4"), ("", "")];
        for (text, plain) in cases {
            assert_eq!(without_percent(text.as_bytes()), plain.as_bytes(), "{text}");
        }
    }

    #[test]
    fn a_changed_text_is_not_signed() {
        for (framework, text, key) in vectors() {
            let mut text = text.into_bytes();
            // In the payload: not in what makes the shape, and for Laravel in its first vector.
            let at = if framework == "Express" { 5 } else { 12 };
            text[at] = if text[at] == b'A' { b'B' } else { b'A' };
            let is_signed = Signed::of(&text).is_some_and(|it| it.is_signed_by(key));
            assert!(!is_signed, "{framework}");
        }
    }

    #[test]
    fn other_texts_are_no_sessions() {
        for text in
            ["", "s:", "--", "eyJ", "eyJhIjoxfQ.x.y", "a--b--c", "s:a.b", "eyJpdiI6", ".eJ:a:b"]
        {
            assert!(!is_signed(text.as_bytes()), "{text}");
        }
        for (framework, text, _) in vectors() {
            for len in 0..text.len() {
                // Never a fault; what is shorter may be a text of another kind.
                let cut = Signed::of(&text.as_bytes()[..len]);
                assert!(cut.is_none_or(|it| !it.is_signed_by(b"key")), "{framework} {len}");
            }
        }
    }
}
