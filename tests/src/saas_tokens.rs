//! Tokens of services with a checksum or a structure, made after the vendors' descriptions and by
//! code of its own: nothing here is the scanner's.

use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL_NOPAD, HEXLOWER, HEXUPPER};

use crate::random::Random;
use crate::values::{self, BASE62};

/// The text of a class of this module; `None` if it is none, or its argument makes no sense.
pub(crate) fn fill(class: &str, argument: &str, random: &mut Random) -> Option<String> {
    let number = || argument.parse::<usize>().ok().filter(|number| *number <= 6000);
    match class {
        "base36-upper" => Some(random.text(&BASE62[..36], number()?)),
        "hex-upper" => Some(random.text(b"0123456789ABCDEF", number()?)),
        "card" => Some(card(argument, random)),
        "uuid" => Some(values::uuid(random)),
        "apify" => Some(with_sum("apify_api_", 30, true, random, |sum| swapped(&base62(sum)))),
        "atlassian" => Some(with_sum("ATATT3xFfGF0", number()?, true, random, |sum| {
            format!("={}", HEXUPPER.encode(&sum.to_be_bytes()))
        })),
        "canva" => Some(with_sum("cnvca", 43, true, random, |sum| format!("{sum:08x}"))),
        "confluent" => {
            Some(with_sum("cflt", 54, false, random, |sum| BASE64_NOPAD.encode(&sum.to_le_bytes())))
        }
        "grafana" => Some(with_sum("glsa_", 32, true, random, |sum| {
            format!("_{}", HEXLOWER.encode(&sum.to_le_bytes()))
        })),
        "salad" => {
            let prefix = format!("salad_cloud_{argument}_");
            Some(with_sum(&prefix, 44, false, random, base62))
        }
        "grafana-cloud" => {
            let (name, key) = (random.text(b"abcdefgh", number()?), random.text(BASE62, 32));
            let json = format!(r#"{{"o":"652992","n":"{name}","k":"{key}","m":{{"r":"eu"}}}}"#);
            Some(format!("glc_{}", BASE64.encode(json.as_bytes())))
        }
        "grafana-server" => {
            let (name, key) = (random.text(b"abcdefgh", number()?), random.text(BASE62, 32));
            let json = format!(r#"{{"k":"{key}","n":"{name}","id":1}}"#);
            Some(BASE64.encode(json.as_bytes()))
        }
        "sentry-org" => {
            let name = random.text(b"abcdefgh", number()?);
            let json = format!(
                r#"{{"iat":1767225600.123,"url":"https://sentry.shop.test","region_url":"https://eu.sentry.shop.test","org":"{name}"}}"#
            );
            let secret = BASE64_NOPAD.encode(&random.bytes(32));
            Some(format!("sntrys_{}_{secret}", BASE64.encode(json.as_bytes())))
        }
        "scram" => {
            let [salt, stored, server] = [number()?, 32, 32].map(|len| random.bytes(len));
            let [salt, stored, server] = [salt, stored, server].map(|part| BASE64.encode(&part));
            Some(format!("SCRAM-SHA-256$4096:{salt}${stored}:{server}"))
        }
        "discord" => {
            // So many digits of a number that begins with a time of 2016 to 2026.
            let rest = random.text(b"0123456789", number()?.checked_sub(2)?);
            let id = BASE64URL_NOPAD.encode(format!("12{rest}").as_bytes());
            let secret = BASE64URL_NOPAD.encode(&random.bytes(28));
            Some(format!("{id}.G{}.{secret}", random.text(BASE62, 5)))
        }
        "sasl-plain" => {
            let password = values::strong_password(number()?, random)?;
            Some(BASE64.encode(format!("\0robot@shop.test\0{password}").as_bytes()))
        }
        "elastic" => {
            let (id, secret) = (random.text(BASE62, 20), random.text(BASE62, number()?));
            Some(BASE64.encode(format!("{id}:{secret}").as_bytes()))
        }
        _ => None,
    }
}

/// A number of a payment card with its check digit, which makes Luhn's sum a multiple of ten.
fn card(issuer: &str, random: &mut Random) -> String {
    let head = if issuer == "visa" { "4" } else { "53" };
    let body = format!("{head}7180{}", random.text(b"0123456789", 10 - head.len() + 1));
    let sum: u32 = body
        .chars()
        .rev()
        .filter_map(|digit| digit.to_digit(10))
        .enumerate()
        .map(|(at, digit)| if at % 2 == 0 { digit / 5 + digit * 2 % 10 } else { digit })
        .sum();
    format!("{body}{}", (10 - sum % 10) % 10)
}

/// A prefix, so many random letters and digits, and what `spell` makes of the CRC-32 of both, or of
/// the second alone.
fn with_sum(
    prefix: &str,
    len: usize,
    over_prefix: bool,
    random: &mut Random,
    spell: impl Fn(u32) -> String,
) -> String {
    let body = random.text(BASE62, len);
    let head = format!("{prefix}{body}");
    let sum = crc32fast::hash(if over_prefix { head.as_bytes() } else { body.as_bytes() });
    head + &spell(sum)
}

/// Six digits, `0-9A-Za-z`.
fn base62(number: u32) -> String {
    let digit = |power: u32| BASE62[usize::try_from(number / 62_u32.pow(power) % 62).unwrap_or(0)];
    (0..6).rev().map(digit).map(char::from).collect()
}

/// Letters of the other case.
fn swapped(text: &str) -> String {
    let swap = |c: char| {
        if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }
    };
    text.chars().map(swap).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_digits_are_the_number() {
        let number = 0xcbf4_3926_u32;
        let value = base62(number).bytes().fold(0_u64, |sum, digit| {
            let digit = BASE62.iter().position(|known| *known == digit).unwrap_or_default();
            sum * 62 + digit as u64
        });
        assert_eq!(value, u64::from(number));
        assert_eq!(base62(0), "000000");
        assert_eq!(swapped("0aZ"), "0Az");
    }

    #[test]
    fn shapes() {
        let mut random = Random::new(3);
        let mut make = |class: &str, argument: &str| fill(class, argument, &mut random).unwrap();
        assert_eq!(make("grafana", "1").len(), 46);
        assert_eq!(make("confluent", "1").len(), 64);
        assert_eq!(make("apify", "1").len(), 46);
        assert_eq!(make("canva", "1").len(), 56);
        assert_eq!(make("atlassian", "171").len(), 192);
        assert_eq!(make("scram", "16").len(), 133);
        assert_eq!(make("elastic", "22").len(), 60);
        assert_eq!(make("discord", "19").len(), 72);
        assert!(make("sentry-org", "5").starts_with("sntrys_eyJpYXQiO"));
        assert!(make("grafana-server", "5").starts_with("eyJrIjoi"));
        assert!(fill("scram", "x", &mut Random::new(1)).is_none());
        assert!(fill("no-such-class", "1", &mut Random::new(1)).is_none());
    }
}
