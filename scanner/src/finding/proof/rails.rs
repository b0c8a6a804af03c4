//! What Rails signs or encrypts under keys that it makes of its `secret_key_base`.
//!
//! Source: `ActiveSupport::KeyGenerator`, `MessageVerifier` and `MessageEncryptor`.

use aes::Aes256;
use aes::cipher::{Array, BlockCipherEncrypt};
use data_encoding::{BASE64, HEXLOWER};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::Sha256;
use zeroize::Zeroizing;

/// A message of Rails.
pub(super) enum Message<'a> {
    /// The text, `--`, and hex digits of its HMAC: signed cookies, and encrypted ones before Rails 5.2.
    Signed { text: &'a [u8], mac: Vec<u8> },
    /// Cipher text, vector and tag of AES-256-GCM in base64, with `--` between.
    Sealed { data: Vec<u8>, vector: [u8; 12], tag: [u8; 16] },
}

/// Rounds of PBKDF2 of the key generator.
const ROUNDS: u32 = 1000;
/// Digits of the shortest secret that is tried: `bin/rails secret` makes 128.
const SHORTEST: usize = 64;
/// Signed cookies, encrypted cookies, attachments.
const SIGNED: [&str; 3] = ["signed cookie", "signed encrypted cookie", "ActiveStorage"];
const SEALED: &str = "authenticated encrypted cookie";

impl<'a> Message<'a> {
    pub(super) fn of(text: &'a [u8]) -> Option<Self> {
        let at = dashes(text)?;
        let (before, last) = (text.get(..at)?, text.get(at.checked_add(2)?..)?);
        if [40, 64].contains(&last.len())
            && let Ok(mac) = HEXLOWER.decode(last)
        {
            let is_base64 = before.len() >= 16 && before.iter().all(|byte| is_base64(*byte));
            return is_base64.then_some(Self::Signed { text: before, mac });
        }
        let at = dashes(before)?;
        let (data, vector) = (before.get(..at)?, before.get(at.checked_add(2)?..)?);
        let decode = |text| BASE64.decode(text).ok();
        let (data, vector, tag) = (decode(data)?, decode(vector)?, decode(last)?);
        Some(Self::Sealed { data, vector: vector.try_into().ok()?, tag: tag.try_into().ok()? })
    }

    /// Bytes that are hashed to try a secret.
    pub(super) fn cost(&self, key: &[u8]) -> usize {
        if !is_plausible(key) {
            return 0;
        }
        // Two hashes of two blocks a round.
        let round = 256usize.saturating_mul(usize::try_from(ROUNDS).unwrap_or(usize::MAX));
        match self {
            // 64 bytes of key: 4 blocks of SHA-1, 2 of SHA-256.
            Self::Signed { text, .. } => {
                round.saturating_mul(6).saturating_add(text.len()).saturating_mul(SIGNED.len())
            }
            Self::Sealed { data, .. } => {
                round.saturating_mul(3).saturating_add(data.len().saturating_mul(16))
            }
        }
    }

    /// Whether it was made with a secret.
    pub(super) fn is_made_with(&self, secret: &[u8]) -> bool {
        if !is_plausible(secret) {
            return false;
        }
        match self {
            Self::Signed { text, mac } => SIGNED.iter().any(|salt| {
                let keys = [
                    derive::<Hmac<Sha1>>(secret, salt.as_bytes(), 64),
                    derive::<Hmac<Sha256>>(secret, salt.as_bytes(), 64),
                ];
                keys.iter().any(|key| match mac.len() {
                    20 => is_mac::<Hmac<Sha1>>(key, text, mac),
                    _ => is_mac::<Hmac<Sha256>>(key, text, mac),
                })
            }),
            Self::Sealed { data, vector, tag } => {
                let keys = [
                    derive::<Hmac<Sha1>>(secret, SEALED.as_bytes(), 32),
                    derive::<Hmac<Sha256>>(secret, SEALED.as_bytes(), 32),
                ];
                let is_tag = |key: &Zeroizing<Vec<u8>>| {
                    self::tag(key, vector, data).is_some_and(|found| found == *tag)
                };
                keys.iter().any(is_tag)
            }
        }
    }
}

/// Whether a secret is one that Rails makes: keys are derived by thousands of hashes, so that not all can
/// be tried.
fn is_plausible(secret: &[u8]) -> bool {
    secret.len() >= SHORTEST && secret.iter().all(u8::is_ascii_hexdigit)
}

/// Where the last `--` of a text is: most have not even one dash.
fn dashes(text: &[u8]) -> Option<usize> {
    let before = |at: usize| at.checked_sub(1).filter(|before| text.get(*before) == Some(&b'-'));
    memchr::memrchr_iter(b'-', text).find_map(before)
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'-' | b'_')
}

fn is_mac<M: Mac + KeyInit>(key: &[u8], text: &[u8], mac: &[u8]) -> bool {
    <M as KeyInit>::new_from_slice(key)
        .is_ok_and(|it| it.chain_update(text).verify_slice(mac).is_ok())
}

/// PBKDF2 (RFC 8018 §5.2).
fn derive<M: Mac + KeyInit + Clone>(secret: &[u8], salt: &[u8], len: usize) -> Zeroizing<Vec<u8>> {
    let mut key = Zeroizing::new(Vec::with_capacity(len.saturating_add(32)));
    let Ok(keyed) = <M as KeyInit>::new_from_slice(secret) else { return key };
    let mut number = 1u32;
    while key.len() < len {
        let mut last = keyed
            .clone()
            .chain_update(salt)
            .chain_update(number.to_be_bytes())
            .finalize()
            .into_bytes();
        let mut block = last.clone();
        for _ in 1..ROUNDS {
            last = keyed.clone().chain_update(&last).finalize().into_bytes();
            for (sum, byte) in block.iter_mut().zip(&last) {
                *sum ^= byte;
            }
        }
        key.extend_from_slice(&block);
        number = number.saturating_add(1);
    }
    key.truncate(len);
    key
}

/// The tag of AES-256-GCM over cipher text, without additional data (NIST SP 800-38D §7.1).
fn tag(key: &[u8], vector: &[u8; 12], data: &[u8]) -> Option<[u8; 16]> {
    let cipher = Aes256::new(&Array::from(<[u8; 32]>::try_from(key).ok()?));
    let encrypt = |bytes: [u8; 16]| -> u128 {
        let mut block = Array::from(bytes);
        cipher.encrypt_block(&mut block);
        u128::from_be_bytes(block.into())
    };
    let hash_key = encrypt([0; 16]);
    let mut sum = 0u128;
    for chunk in data.chunks(16) {
        let mut block = [0; 16];
        for (byte, other) in block.iter_mut().zip(chunk) {
            *byte = *other;
        }
        sum = multiply(sum ^ u128::from_be_bytes(block), hash_key);
    }
    let bits = u128::try_from(data.len()).ok()?.checked_mul(8)?;
    sum = multiply(sum ^ bits, hash_key);
    let mut counter = [0; 16];
    for (byte, other) in counter.iter_mut().zip(vector.iter().chain(&[0, 0, 0, 1])) {
        *byte = *other;
    }
    Some((sum ^ encrypt(counter)).to_be_bytes())
}

/// The product in the field of GHASH (NIST SP 800-38D §6.3).
fn multiply(x: u128, y: u128) -> u128 {
    const REDUCTION: u128 = 0xe1 << 120;
    let (mut product, mut shifted) = (0u128, y);
    for bit in (0..128).rev() {
        if x >> bit & 1 == 1 {
            product ^= shifted;
        }
        let carry = shifted & 1 == 1;
        shifted >>= 1;
        if carry {
            shifted ^= REDUCTION;
        }
    }
    product
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pbkdf2_as_known_to_all() {
        // The salt and the password of RFC 6070, with the rounds of Rails; reproduced with Python's hashlib.
        let key = derive::<Hmac<Sha1>>(b"password", b"salt", 20);
        assert_eq!(HEXLOWER.encode(&key), PBKDF2_SHA1);
    }

    #[test]
    fn gcm_as_the_standard_has_it() {
        // Test cases 13 and 14 of the submission of GCM to NIST: zeros under a key of zeros.
        let empty = tag(&[0; 32], &[0; 12], &[]).unwrap();
        assert_eq!(HEXLOWER.encode(&empty), "530f8afbc74536b9a963b4f1c4cb738b");
        let data = HEXLOWER.decode(b"cea7403d4d606b6e074ec5d3baf39d18").unwrap();
        let one = tag(&[0; 32], &[0; 12], &data).unwrap();
        assert_eq!(HEXLOWER.encode(&one), "d0d1c8a799996bf0265b98b5d48ab919");
    }

    const PBKDF2_SHA1: &str = "6e88be8bad7eae9d9e10aa061224034fed48d03f";
}
