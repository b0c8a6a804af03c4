//! Texts made from templates: what the examples of rules are written in.
//!
//! A template is text with parts in braces, `{class:length}`. Everything else, a lone brace too,
//! stands for itself. Equal seeds give equal texts.

use std::collections::BTreeMap;

use cryoscan::rule::{Piece, alphabet, pieces};
use data_encoding::BASE64;

use crate::random::Random;
use crate::values::{self, Algorithm};
use crate::{crypto, forge_tokens, keys, keystores, vendor_tokens};

/// A template that cannot be filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateError {
    rule: String,
    template: String,
    problem: String,
}

impl std::fmt::Display for TemplateError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "rule {}: template {:?}: {}", self.rule, self.template, self.problem)
    }
}

impl std::error::Error for TemplateError {}

/// A text, and the value in it that a rule should report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generated {
    /// The whole text.
    pub text: String,
    /// The value, which occurs in the text once.
    pub value: String,
}

impl Generated {
    /// Where the value begins in the text.
    pub fn offset(&self) -> usize {
        self.text.find(&self.value).unwrap_or_default()
    }
}

/// Fills in the template of an example of `rule`. `value` is a template too: each of its parts
/// stands for the text of the same part of `template`, the i-th of equal ones for the i-th.
/// Without it the whole text is the value.
///
/// # Errors
/// When a class is unknown or its length makes no sense, a part of `value` is none of `template`,
/// or the value is not in the text exactly once.
pub fn generate(
    rule: &str,
    template: &str,
    value: Option<&str>,
    seed: u64,
) -> Result<Generated, TemplateError> {
    let error = |template: &str, problem: String| TemplateError {
        rule: rule.to_owned(),
        template: template.to_owned(),
        problem,
    };
    let mut random = Random::new(seed);
    let mut made: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut text = String::new();
    for piece in pieces(template) {
        match piece {
            Piece::Text(literal) => text.push_str(literal),
            Piece::Part(part) => {
                let filled = fill(part, &text, &mut random).ok_or_else(|| {
                    error(template, format!("unknown class or length {{{part}}}"))
                })?;
                text.push_str(&filled);
                made.entry(part).or_default().push(filled);
            }
        }
    }
    let Some(value) = value else { return Ok(Generated { value: text.clone(), text }) };
    let mut wanted = String::new();
    let mut used: BTreeMap<&str, usize> = BTreeMap::new();
    for piece in pieces(value) {
        match piece {
            Piece::Text(literal) => wanted.push_str(literal),
            Piece::Part(part) => {
                let index = used.entry(part).or_default();
                let filled = made.get(part).and_then(|filled| filled.get(*index));
                wanted.push_str(filled.ok_or_else(|| {
                    error(value, format!("{{{part}}} is no part of {template:?}"))
                })?);
                *index += 1;
            }
        }
    }
    match text.matches(&wanted).count() {
        1 => Ok(Generated { text, value: wanted }),
        count => Err(error(value, format!("occurs {count} times in {template:?}, not once"))),
    }
}

/// The text of a part; `before` is what the template has made so far.
fn fill(part: &str, before: &str, random: &mut Random) -> Option<String> {
    let (class, argument) = part.split_once(':').unwrap_or((part, ""));
    if let Some(alphabet) = alphabet(class) {
        return Some(random.text(&alphabet, argument.parse().ok()?));
    }
    match class {
        "bytes" => Some(characters(&random.bytes(argument.parse().ok()?))),
        "base58" => Some(random.text(values::BASE58, argument.parse().ok()?)),
        "port" => port(argument, random),
        "basic" => Some(values::basic_credentials(argument.parse().ok()?, random)),
        "crypt" => values::crypt_hash(argument, random),
        "monero" => values::monero_address(argument.parse().ok()?, random),
        "pypi" => values::pypi_token(argument, random),
        "wireguard" if argument == "1" => Some(values::wireguard_key(random)),
        "password" => values::strong_password(argument.parse().ok()?, random),
        "crc32" if argument.is_empty() => {
            let body = before.as_bytes().last_chunk::<30>()?;
            Some(values::base62_checksum(body))
        }
        "jwt" => {
            let claims = user_claims(random);
            Some(values::jwt(algorithm(argument)?, &random.bytes(32), &claims, random))
        }
        "jwt-kubernetes" => {
            let claims = service_account_claims(random);
            Some(values::jwt(algorithm(argument)?, &[], &claims, random))
        }
        "jenkins-cipher" => jenkins_cipher(argument.parse().ok()?, random),
        "pem-rsa" => match argument.parse().ok()? {
            bits @ (512 | 768 | 1024 | 2048) => Some(keys::rsa(bits, random)),
            _ => None,
        },
        "pem-ec" if argument == "256" => Some(keys::ec_p256(random)),
        "pem-ed25519" if argument == "1" => Some(keys::ed25519(random)),
        "pem-encrypted" => Some(keys::encrypted(argument.parse().ok()?, random)),
        "openssh" if argument == "1" => Some(keys::openssh(random)),
        "der-rsa" => der(&keys::rsa(1024, random), argument),
        "prime-words" => Some(characters(&keys::prime_words(argument.parse().ok()?, random))),
        "modulus" => {
            let mut number = random.bytes(argument.parse::<usize>().ok()? / 8);
            *number.first_mut()? |= 0x80;
            *number.last_mut()? |= 1;
            Some(characters(&number))
        }
        "certificate" if argument == "1" => {
            let [_, public] = keys::rsa_pair(1024, random);
            Some(BASE64.encode(&keys::certificate(&public, random)))
        }
        "der-ec" => der(&keys::ec_p256(random), argument),
        "der-ed25519" => der(&keys::ed25519(random), argument),
        "jks" => Some(binary(&keystores::jks(argument == "1", random))),
        "pkcs12" => Some(binary(&keystores::pkcs12(argument == "1", random))),
        "keytab" => Some(binary(&keystores::keytab(argument == "1", random))),
        _ => crypto::fill(class, argument, random)
            .or_else(|| vendor_tokens::fill(class, argument, random))
            .or_else(|| forge_tokens::fill(class, argument, random)),
    }
}

/// Bytes, each as the character of that number.
fn characters(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

/// The key inside of armour, each byte as the character of that number; its first half for `0`.
fn der(armour: &str, argument: &str) -> Option<String> {
    let body: String = armour.lines().filter(|line| !line.starts_with('-')).collect();
    let bytes = BASE64.decode(body.as_bytes()).ok()?;
    let len = if argument == "0" { bytes.len() / 2 } else { bytes.len() };
    Some(bytes.into_iter().take(len).map(char::from).collect())
}

/// Each byte as the character of that number.
fn binary(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

/// The number of a port with so many digits.
fn port(digits: &str, random: &mut Random) -> Option<String> {
    let (least, most) = match digits {
        "4" => (1000, 9999),
        "5" => (10_000, 65_535),
        _ => return None,
    };
    Some((least + random.below(most - least)).to_string())
}

fn algorithm(name: &str) -> Option<Algorithm> {
    match name {
        "HS256" => Some(Algorithm::Hs256),
        "HS512" => Some(Algorithm::Hs512),
        "RS256" => Some(Algorithm::Rs256),
        "ES256" => Some(Algorithm::Es256),
        _ => None,
    }
}

/// What a web service puts into the token of a session.
fn user_claims(random: &mut Random) -> String {
    let user = values::uuid(random);
    let issued = 1_767_225_600 + random.below(10_000_000);
    let expires = issued + 3600;
    format!(
        r#"{{"iss":"https://login.shop.test/","sub":"{user}","aud":"orders","iat":{issued},"exp":{expires},"scope":"read write"}}"#
    )
}

/// The claims of a token bound to a pod (Kubernetes, `pkg/serviceaccount/claims.go`).
fn service_account_claims(random: &mut Random) -> String {
    let (pod, account) = (values::uuid(random), values::uuid(random));
    let issued = 1_767_225_600 + random.below(10_000_000);
    let expires = issued + 31_536_000;
    format!(
        r#"{{"aud":["https://kubernetes.default.svc.cluster.local"],"exp":{expires},"iat":{issued},"iss":"https://kubernetes.default.svc.cluster.local","kubernetes.io":{{"namespace":"shop","pod":{{"name":"cart-0","uid":"{pod}"}},"serviceaccount":{{"name":"cart","uid":"{account}"}}}},"nbf":{issued},"sub":"system:serviceaccount:shop:cart"}}"#
    )
}

/// So many bytes of cipher text, a multiple of 16, as `hudson.util.Secret` of Jenkins writes them:
/// version, lengths of the initialisation vector and of the data, both of them.
fn jenkins_cipher(bytes: u32, random: &mut Random) -> Option<String> {
    let data = random.bytes(usize::try_from(bytes).ok()?);
    let lengths = [16u32.to_be_bytes(), bytes.to_be_bytes()].concat();
    let payload = [&[1], &lengths[..], &random.bytes(16), &data].concat();
    Some(format!("{{{}}}", BASE64.encode(&payload)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(template: &str) -> String {
        generate("r", template, None, 1).unwrap().text
    }

    #[test]
    fn classes_have_their_alphabet_and_length() {
        type Member = fn(char) -> bool;
        let cases: [(&str, Member); 9] = [
            ("base62", |c| c.is_ascii_alphanumeric()),
            ("base64", |c| c.is_ascii_alphanumeric() || "+/".contains(c)),
            ("base64url", |c| c.is_ascii_alphanumeric() || "-_".contains(c)),
            ("hex", |c| matches!(c, '0'..='9' | 'a'..='f')),
            ("digits", |c| c.is_ascii_digit()),
            ("word", |c| c.is_ascii_lowercase()),
            ("letters", |c| c.is_ascii_alphabetic()),
            ("base58", |c| c.is_ascii_alphanumeric() && !"0OIl".contains(c)),
            ("aws-id", |c| matches!(c, 'A'..='Z' | '2'..='7')),
        ];
        for (class, member) in cases {
            let text = text(&format!("{{{class}:300}}"));
            assert_eq!(text.len(), 300, "{class}");
            assert!(text.chars().all(member), "{class}: {text}");
        }
    }

    #[test]
    fn passwords_have_both_cases_a_digit_and_a_mark() {
        for seed in 0..200 {
            let password = generate("r", "{password:8}", None, seed).unwrap().text;
            assert_eq!(password.len(), 8);
            let has = |test: fn(&u8) -> bool| password.bytes().any(|b| test(&b));
            assert!(has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase), "{password}");
            assert!(has(u8::is_ascii_digit) && has(u8::is_ascii_punctuation), "{password}");
            assert!(password.starts_with(|c: char| c.is_ascii_alphabetic()), "{password}");
        }
    }

    #[test]
    fn the_checksum_is_that_of_the_thirty_characters_before() {
        let token = text("npm_{base62:30}{crc32}");
        let (body, checksum) = token.split_at(34);
        let (_, body) = body.split_at(4);
        assert_eq!(checksum, values::base62_checksum(body.as_bytes()));
    }

    #[test]
    fn braces_that_are_no_part_stand_for_themselves() {
        for literal in ["{", "}", "a{B}{", "{\"k\":{\"x\":1}}", "{AQAAA}", "${NAME}", "{}", "{:1}"]
        {
            assert_eq!(text(literal), literal);
        }
        let mixed = text("{AQ{hex:4}}");
        assert!(mixed.starts_with("{AQ") && mixed.ends_with('}') && mixed.len() == 8, "{mixed}");
    }

    #[test]
    fn a_value_is_made_of_the_same_parts() {
        let made = generate("r", "a={hex:9};b={hex:9};", Some("{hex:9}"), 3).unwrap();
        assert!(made.text.starts_with(&format!("a={};b=", made.value)));
        assert_eq!(made.offset(), 2);
        let second = generate("r", "{hex:9}:{hex:9}", Some("{hex:9}:{hex:9}"), 3).unwrap();
        assert_eq!(second.text, second.value);
    }

    #[test]
    fn equal_seeds_give_equal_texts() {
        let of = |seed| generate("r", "{password:20}{pem-rsa:512}", None, seed).unwrap();
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }

    #[test]
    fn errors_name_rule_and_template() {
        let failure = |template: &str, value: Option<&str>| {
            generate("my-rule", template, value, 1).unwrap_err().to_string()
        };
        let unknown = r#"rule my-rule: template "x{base63:4}": unknown class or length {base63:4}"#;
        assert_eq!(failure("x{base63:4}", None), unknown);
        for template in ["{base62:x}", "{jwt:XS256}", "{crc32}", "{pem-rsa:500}", "{base62}"] {
            assert!(failure(template, None).contains("unknown class or length"), "{template}");
        }
        let foreign = failure("{hex:8}", Some("{hex:9}"));
        assert!(foreign.contains("is no part of"), "{foreign}");
        let twice = failure("{hex:8}aa", Some("a"));
        assert!(twice.contains("not once"), "{twice}");
    }
}
