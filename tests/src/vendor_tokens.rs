//! Tokens of vendors with a structure or a checksum, made after the vendors' descriptions and by
//! code of its own: nothing here is the scanner's.

use data_encoding::{BASE64, BASE64URL_NOPAD};

use crate::random::Random;
use crate::{cloud_tokens, keys, saas_tokens, values};

/// The text of a class of this module; `None` if it is none, or its argument makes no sense.
pub(crate) fn fill(class: &str, argument: &str, random: &mut Random) -> Option<String> {
    let number = || argument.parse::<usize>().ok().filter(|number| *number <= 6000);
    match class {
        "base36" => Some(random.text(b"abcdefghijklmnopqrstuvwxyz0123456789", number()?)),
        "base64-bytes" => Some(BASE64.encode(&random.bytes(number()?))),
        "base64url-bytes" => Some(BASE64URL_NOPAD.encode(&random.bytes(number()?))),
        "base64-password" => {
            Some(BASE64.encode(values::strong_password(number()?, random)?.as_bytes()))
        }
        "base64-login" => {
            let password = values::strong_password(number()?, random)?;
            Some(BASE64.encode(format!("ci-robot:{password}").as_bytes()))
        }
        "base64-key" if argument == "1" => {
            Some(BASE64.encode(values::pem_private_key(random).as_bytes()))
        }
        "json-key" if argument == "1" => Some(keys::ed25519(random).replace('\n', "\\n")),
        "gitlab-routable" => Some(gitlab_routable(argument, random)),
        "vault-service" => Some(vault_service(random)),
        "aws-session" => {
            let bytes = [b"!\n\torigin_ec\x10", random.bytes(number()?).as_slice()].concat();
            Some(BASE64.encode(&bytes))
        }
        "azure-storage" => Some(azure_key(64, *b"Default0", "+ASt", random)),
        "azure-bus" => Some(azure_key(32, *b"Send0000", "+ASb", random)),
        "azure-client" => Some(azure_client_secret(random)),
        "azure-sas" => azure_sas(argument, random),
        "azure-cask" => Some(azure_cask(random)),
        _ => cloud_tokens::fill(class, argument, random)
            .or_else(|| saas_tokens::fill(class, argument, random)),
    }
}

/// GitLab, `lib/authn/token_field/generator/routable_token.rb`.
fn gitlab_routable(prefix: &str, random: &mut Random) -> String {
    let routing = format!("o:1\nu:{}", random.text(b"0123456789abcdefghijklmnopqrstuvwxyz", 4));
    let length = u8::try_from(routing.len()).unwrap_or_default();
    let payload = [&random.bytes(16), routing.as_bytes(), &[length]].concat();
    let payload = BASE64URL_NOPAD.encode(&payload);
    let signed = format!("{prefix}-{payload}.01.{}", in_base(36, payload.len() as u64, 2));
    let checksum = in_base(36, crc32fast::hash(signed.as_bytes()).into(), 7);
    signed + &checksum
}

/// Vault, `SignedToken` of `sdk/helper/tokens`: version, HMAC, and the token in a message of its own.
fn vault_service(random: &mut Random) -> String {
    let token = format!("hvs.{}", random.text(values::BASE62, 24));
    let inner = [&[0x0a, 28], token.as_bytes()].concat();
    let message = [&[0x08, 1, 0x12, 32], &random.bytes(32)[..], &[0x1a, 30], &inner].concat();
    format!("hvs.{}", BASE64URL_NOPAD.encode(&message))
}

/// Microsoft, `security-utilities`: the marker before the last six characters, which hold the
/// checksum.
pub(crate) fn azure_key(bytes: usize, seed: [u8; 8], marker: &str, random: &mut Random) -> String {
    let mut text = BASE64.encode(&random.bytes(bytes));
    let at = text.trim_end_matches('=').len() - 10;
    text.replace_range(at..at + 4, marker);
    // The bits between marker and checksum are zero.
    text.replace_range(at + 4..at + 5, "A");
    let mut key = BASE64.decode(text.as_bytes()).unwrap_or_default();
    if let Some((body, sum)) = key.split_last_chunk_mut::<4>() {
        *sum = marvin(body, seed).to_le_bytes();
    }
    BASE64.encode(&key)
}

fn azure_client_secret(random: &mut Random) -> String {
    const DIGITS: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ1234567890.-_~";
    let head = random.text(values::BASE62, 3);
    let body = format!("{head}8Q~{}", random.text(DIGITS, 31));
    let mut rest = u64::from(marvin(body.as_bytes(), *b"AadPwd00"));
    let mut sum = [b'a'; 6];
    for digit in sum.iter_mut().rev() {
        *digit = DIGITS[usize::try_from(rest % 66).unwrap_or_default()];
        rest /= 66;
    }
    body + &sum[..3].iter().copied().map(char::from).collect::<String>()
}

/// Three forms: in a URL, in XML, of Service Bus.
fn azure_sas(form: &str, random: &mut Random) -> Option<String> {
    let sig = BASE64.encode(&random.bytes(32));
    let sig = sig.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    let times = "st=2026-01-01T00:00:00Z&se=2026-12-31T00:00:00Z";
    let account = format!("sv=2022-11-02&ss=b&srt=sco&sp=rl&{times}&spr=https&sig={sig}");
    match form {
        "1" => Some(account),
        "2" => Some(account.replace('&', "&amp;")),
        "3" => Some(format!("sr=shop.servicebus.windows.net&sig={sig}&se=1767225600&skn=send")),
        _ => None,
    }
}

fn azure_cask(random: &mut Random) -> String {
    let head = random.text(values::BASE62, 52);
    let data = random.text(values::BASE62, 16);
    let key = format!("{head}JQQJ99BC{data}ACOG");
    let bytes = BASE64.decode(key.as_bytes()).unwrap_or_default();
    let sum = u32::from_be_bytes(marvin(&bytes, *b"Default0").to_le_bytes());
    let digits = in_base(62, sum.into(), 1);
    let padded = format!("{digits:0<6}");
    key + &padded.chars().take(4).collect::<String>()
}

/// A number with digits `0-9`, then letters: `a-z` in base 36, `A-Za-z` in base 62.
pub(crate) fn in_base(base: u64, mut number: u64, least: usize) -> String {
    let mut digits = Vec::new();
    while number > 0 || digits.len() < least {
        let digit = values::BASE62[usize::try_from(number % base).unwrap_or_default()];
        digits.push(if base == 36 { digit.to_ascii_lowercase() } else { digit });
        number /= base;
    }
    digits.iter().rev().copied().map(char::from).collect()
}

/// Marvin32 over 64 bits of state, as words of Microsoft's description.
pub(crate) fn marvin(data: &[u8], seed: [u8; 8]) -> u32 {
    let seed = u64::from_be_bytes(seed).to_le_bytes();
    let word =
        |bytes: &[u8]| bytes.iter().rev().fold(0_u32, |word, byte| word << 8 | u32::from(*byte));
    let (mut low, mut high) = (word(&seed[..4]), word(&seed[4..]));
    let mut padded = data.to_vec();
    padded.push(0x80);
    padded.resize(padded.len().next_multiple_of(4), 0);
    padded.extend([0; 4]);
    for chunk in padded.chunks(4) {
        low = low.wrapping_add(word(chunk));
        high ^= low;
        low = low.rotate_left(20).wrapping_add(high);
        high = high.rotate_left(9) ^ low;
        low = low.rotate_left(27).wrapping_add(high);
        high = high.rotate_left(19);
    }
    low ^ high
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;

    #[test]
    fn checksums_hold_for_the_values_of_the_fixtures() {
        let mut seen = 0;
        for fixture in fixtures::load(&fixtures::folder()).unwrap() {
            for planted in fixture.truth.values.iter().filter(|planted| !planted.decoy) {
                let value = planted.bytes().unwrap();
                match planted.kind.as_str() {
                    "gitlab-pat-routable" => {
                        let (signed, sum) = value.split_at(value.len() - 7);
                        let expected = in_base(36, crc32fast::hash(signed).into(), 7);
                        assert_eq!(sum, expected.as_bytes(), "{}", planted.id);
                    }
                    "azure-storage-key" => {
                        let key = BASE64.decode(&value).unwrap();
                        let (body, sum) = key.split_at(60);
                        assert_eq!(marvin(body, *b"Default0").to_le_bytes(), sum, "{}", planted.id);
                    }
                    _ => continue,
                }
                seen += 1;
            }
        }
        assert!(seen > 4, "{seen}");
    }

    #[test]
    fn shapes() {
        let mut random = Random::new(3);
        let mut make = |class: &str, argument: &str| fill(class, argument, &mut random).unwrap();
        assert_eq!(make("azure-storage", "").len(), 88);
        assert_eq!(make("azure-bus", "").len(), 44);
        assert_eq!(make("azure-client", "").len(), 40);
        assert_eq!(make("azure-cask", "").len(), 84);
        assert_eq!(make("base36", "16").len(), 16);
        assert!(make("gitlab-routable", "glrt").starts_with("glrt-"));
        assert!(make("vault-service", "").starts_with("hvs.CAES"));
        assert!(make("aws-session", "300").starts_with("IQoJb3JpZ2luX2Vj"));
        assert!(fill("base36", "x", &mut Random::new(1)).is_none());
        assert!(fill("no-such-class", "1", &mut Random::new(1)).is_none());
    }
}
