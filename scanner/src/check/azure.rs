//! Keys and secrets of Azure that carry a checksum: Marvin32 of what stands before it.

use super::notation::{base64, plain, unescaped};
use super::{Outcome, Subject, Verdict, entropy, known, random_text};

/// Characters of the payload of a key of the common format (60 bytes), before its checksum.
const CASK: usize = 80;
/// Characters of a client secret, and of its checksum.
const SECRET: usize = 40;
const SECRET_CHECKSUM: usize = 3;
/// Digits that the checksum of a client secret is written in.
const BASE66: &[u8; 66] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ1234567890.-_~";
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Seed of storage keys and of the common format.
const DEFAULT: u64 = u64::from_be_bytes(*b"Default0");
/// Seed of client secrets.
const CLIENT_SECRET: u64 = u64::from_be_bytes(*b"AadPwd00");
/// Seeds of all keys that stand in connection strings: storage; Cosmos DB (primary and secondary,
/// read-only, system); Service Bus, Event Hubs and Relay (send, manage, listen); IoT.
const ACCOUNTS: [&[u8; 8]; 14] = [
    b"Default0",
    b"MastRW00",
    b"MastRO00",
    b"SystRW00",
    b"SystRO00",
    b"SysAll00",
    b"Resour00",
    b"Encryp00",
    b"Send0000",
    b"Manage00",
    b"Listen00",
    b"IoTHub00",
    b"DpsKey00",
    b"Device00",
];

/// Checks a storage account key with the marker `+ASt`: 64 bytes in base64 of which the last four
/// are the checksum of the others. It may stand in a URL or in a JSON string.
///
/// Source: `security-utilities` of Microsoft, `IdentifiableSecrets`.
pub(super) fn storage_key(subject: &Subject<'_>) -> Verdict {
    let (key, notation) = unescaped(subject.value());
    let is_valid = base64(&key)
        .is_some_and(|bytes| bytes.len() == 64 && has_checksum(&bytes, DEFAULT))
        && !known::is_documentation_value(&key);
    let mut verdict = Verdict::of(if is_valid { Outcome::Pass } else { Outcome::Fail }, subject);
    verdict.plain = plain(&key, notation);
    verdict
}

/// Checks the key in a connection string: base64 of 32 bytes or more that look random. One with the
/// marker of a newer kind (`+ASt`, `+ASb`, `ACDb`, …) must have its checksum too. Fail: the keys of
/// the emulators, placeholders.
pub(super) fn account_key(subject: &Subject<'_>) -> Verdict {
    let (key, notation) = unescaped(subject.value());
    let is_key = is_common_key(&key)
        || base64(&key).is_some_and(|bytes| {
            bytes.len() >= 32
                && entropy::shannon(&bytes) >= 4_000
                && (!is_marked(&key)
                    || ACCOUNTS.iter().any(|s| has_checksum(&bytes, u64::from_be_bytes(**s))))
        });
    let is_valid = is_key && random_text::is_random(&key);
    let mut verdict = Verdict::of(if is_valid { Outcome::Pass } else { Outcome::Fail }, subject);
    verdict.plain = plain(&key, notation);
    verdict
}

/// Checks a key of the common format (`JQQJ9`): the pattern knows signature, date and provider; the
/// checksum is that of the first 60 bytes, in base62 or in base64. Some services write another one
/// there: unavailable.
pub(super) fn common_key(subject: &Subject<'_>) -> Verdict {
    let key = subject.value();
    let outcome = match key.get(..CASK).and_then(base64) {
        _ if !random_text::is_random(key) => Outcome::Fail,
        Some(bytes) if key.get(CASK..).is_some_and(|sum| is_common_sum(&bytes, sum)) => {
            Outcome::Pass
        }
        _ => Outcome::Unavailable,
    };
    Verdict::of(outcome, subject)
}

/// Checks an Entra client secret with the marker `8Q~`: its last three characters are those of the
/// checksum of the others in base 66.
pub(super) fn client_secret(subject: &Subject<'_>) -> Verdict {
    let value = subject.value();
    let is_valid = value.len() == SECRET
        && value
            .split_last_chunk::<SECRET_CHECKSUM>()
            .is_some_and(|(text, sum)| base66(marvin(text, CLIENT_SECRET)).starts_with(sum));
    Verdict::of(if is_valid { Outcome::Pass } else { Outcome::Fail }, subject)
}

pub(super) fn has_checksum(bytes: &[u8], seed: u64) -> bool {
    bytes
        .split_last_chunk::<4>()
        .is_some_and(|(body, sum)| marvin(body, seed).to_le_bytes() == *sum)
}

/// Whether a marker stands before the last six characters of base64.
fn is_marked(key: &[u8]) -> bool {
    let text = key.trim_ascii_end();
    let text = text.strip_suffix(b"==").or_else(|| text.strip_suffix(b"=")).unwrap_or(text);
    let marker = text.len().checked_sub(10).and_then(|at| text.get(at..at.saturating_add(4)));
    matches!(marker, Some(b"+ASt" | b"ACDb" | b"+ASb" | b"+AEh" | b"+ARm" | b"AIoT"))
}

fn is_common_key(key: &[u8]) -> bool {
    matches!(key.len(), 84 | 88) && key.get(52..57) == Some(b"JQQJ9")
}

fn is_common_sum(bytes: &[u8], sum: &[u8]) -> bool {
    let hash = marvin(bytes, DEFAULT).to_le_bytes();
    let mut number = u32::from_be_bytes(hash);
    let mut digits = Vec::new();
    while number > 0 {
        let digit = usize::try_from(number % 62).unwrap_or(0);
        digits.push(BASE62.get(digit).copied().unwrap_or(b'0'));
        number /= 62;
    }
    digits.reverse();
    digits.resize(6, b'0');
    let encoded = data_encoding::BASE64.encode(&hash);
    let Some(sum) = sum.get(..4) else { return false };
    digits.starts_with(sum) || encoded.as_bytes().starts_with(sum)
}

/// A number in base 66; the six digits hold any 32 bits.
fn base66(mut number: u32) -> [u8; 6] {
    let mut text = [b'a'; 6];
    for digit in text.iter_mut().rev() {
        let value = usize::try_from(number % 66).unwrap_or(0);
        *digit = BASE66.get(value).copied().unwrap_or(b'a');
        number /= 66;
    }
    text
}

/// Marvin32: the 64-bit state, folded to 32 bits.
fn marvin(data: &[u8], seed: u64) -> u32 {
    let [low, high] = marvin_state(data, seed);
    low ^ high
}

fn marvin_state(data: &[u8], seed: u64) -> [u32; 2] {
    let half = |at: u32| u32::try_from((seed >> at) & 0xffff_ffff).unwrap_or(0);
    let mut state = [half(0), half(32)];
    let (words, rest) = data.as_chunks::<4>();
    for word in words {
        state = mix(state, u32::from_le_bytes(*word));
    }
    let mut last = [0; 4];
    for (to, from) in last.iter_mut().zip(rest.iter().chain(&[0x80])) {
        *to = *from;
    }
    mix(mix(state, u32::from_le_bytes(last)), 0)
}

/// Adds a word, then mixes.
fn mix([low, high]: [u32; 2], word: u32) -> [u32; 2] {
    let low = low.wrapping_add(word);
    let high = high ^ low;
    let low = low.rotate_left(20).wrapping_add(high);
    let high = high.rotate_left(9) ^ low;
    let low = low.rotate_left(27).wrapping_add(high);
    [low, high.rotate_left(19)]
}

#[cfg(test)]
#[expect(clippy::string_slice, reason = "ASCII of our own making")]
mod tests {
    use super::super::Notation;
    use super::super::tests::whole;
    use super::*;
    use data_encoding::BASE64;
    use sha2::{Digest, Sha512};

    #[test]
    fn marvin_gives_the_published_results() {
        let letters: Vec<u8> = (b'a'..=b'z').collect();
        let cases: [(&[u8], u64, [u32; 2]); 2] = [
            (b"abc", 0xd53c_d9ce_cd08_93b7, [0x4927_69bf, 0x22c7_4339]),
            (&letters, 0x0ddd_deee_efff_f000, [0x7260_aca2, 0xa128_eb7e]),
        ];
        for (data, seed, expected) in cases {
            assert_eq!(marvin_state(data, seed), expected, "{seed:x}");
        }
    }

    /// Synthetic, made after Microsoft's library.
    fn storage() -> String {
        let body = "8Kk5TAg9f51y0FhsEPm1G86WMwrtvZmkeZ8EyX7OsQTDOak8xEKF8llFPkuKHZC6ro226faOPJr5";
        [body, "+ASt", "HeihBg=="].concat()
    }

    fn service_bus() -> String {
        ["SmnGuKLX9Kmd09evHW4QWRM/4qRc0Yd/u", "+ASb", "NjHCqc="].concat()
    }

    #[test]
    fn storage_keys() {
        let key = storage();
        assert_eq!(storage_key(&whole(key.as_bytes())).outcome, Outcome::Pass);
        for at in 0..86 {
            let mut changed = key.clone().into_bytes();
            changed[at] = if changed[at] == b'a' { b'b' } else { b'a' };
            assert_eq!(storage_key(&whole(&changed)).outcome, Outcome::Fail, "byte {at}");
        }
        let escaped = key.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
        let verdict = storage_key(&whole(escaped.as_bytes()));
        let plain = verdict.plain.unwrap();
        assert_eq!((verdict.outcome, plain.notation), (Outcome::Pass, Notation::Percent));
        assert_eq!(plain.value.expose(), key.as_bytes());
        assert!(storage_key(&whole(key.as_bytes())).plain.is_none());
    }

    #[test]
    fn keys_in_connection_strings() {
        let digest = Sha512::digest(b"a key of a test");
        let passes = [
            storage(),
            service_bus(),
            BASE64.encode(&digest),       // Older ones have no marker.
            BASE64.encode(&digest[..32]), // Service Bus.
        ];
        for key in passes {
            assert_eq!(account_key(&whole(key.as_bytes())).outcome, Outcome::Pass, "{key}");
        }
        let fails = [
            storage().replace("HeihBg", "HeihBw"),
            service_bus().replace("NjHCqc", "NjHCqd"),
            BASE64.encode(&[0; 64]),
            BASE64.encode(&digest[..16]),
            "<account key>".to_owned(),
            "your-account-key".to_owned(),
            String::new(),
        ];
        for key in fails {
            assert_eq!(account_key(&whole(key.as_bytes())).outcome, Outcome::Fail, "{key}");
        }
    }

    #[test]
    fn client_secrets() {
        // The first is published with the library.
        let vectors = [
            ["zzz8Q~", "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz", "blP"],
            ["RtL8Q~", "17RECaQqtkmhLBfXqdy2NGZZ3vdNpez", "bPO"],
        ];
        for vector in vectors {
            let secret = vector.concat();
            assert_eq!(client_secret(&whole(secret.as_bytes())).outcome, Outcome::Pass, "{secret}");
        }
        let secret = vectors[1].concat().into_bytes();
        for at in 0..secret.len() {
            let mut changed = secret.clone();
            changed[at] = if changed[at] == b'b' { b'c' } else { b'b' };
            assert_eq!(client_secret(&whole(&changed)).outcome, Outcome::Fail, "byte {at}");
            assert_eq!(client_secret(&whole(&secret[..at])).outcome, Outcome::Fail, "{at} bytes");
        }
    }

    #[test]
    fn keys_of_the_common_format() {
        let digest = BASE64.encode(&Sha512::digest(b"another key")).replace(['+', '/', '='], "x");
        let head = [&digest[..52], "JQQJ99", "BC", "ACYeBjFXJ3w3AAAB", "ACOG"].concat();
        let bytes = base64(head.as_bytes()).unwrap();
        let sum = marvin(&bytes, DEFAULT).to_le_bytes();
        let with = |sum: &str| [head.as_str(), sum].concat();
        let judge = |key: String| common_key(&whole(key.as_bytes())).outcome;
        assert_eq!(judge(with(&BASE64.encode(&sum)[..4])), Outcome::Pass);
        assert_eq!(judge(with(&BASE64.encode(&sum))), Outcome::Pass);
        assert_eq!(judge(with("!!!!")), Outcome::Unavailable);
        let filler = ["x".repeat(52).as_str(), "JQQJ99BC", &"A".repeat(16), "ACOGabcd"].concat();
        assert_eq!(judge(filler), Outcome::Fail);
    }
}
