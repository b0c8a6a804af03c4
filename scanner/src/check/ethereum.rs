//! Ethereum: private keys, addresses with the checksum of ERC-55, keystores of version 3.

use data_encoding::HEXLOWER_PERMISSIVE;
use serde_json::Value;
use sha3::{Digest, Keccak256};

use super::base58::is_private;
use super::{Attributes, Outcome, Subject, Verdict, attribute, entropy};

/// Hex digits of an address, behind `0x`.
const ADDRESS: usize = 40;

/// Checks an address: a letter is a capital where the hex digit of the Keccak-256 of the address in
/// small letters at its place is 8 or more (ERC-55).
///
/// Fail: letters of one case, which have no checksum: other numbers are as long.
pub(super) fn address(subject: &Subject<'_>) -> Verdict {
    let is_address = subject.value().strip_prefix(b"0x").is_some_and(has_checksum);
    Verdict::of(if is_address { Outcome::Pass } else { Outcome::Fail }, subject)
}

/// Whether the letters are of both cases, as the checksum asks.
fn has_checksum(digits: &[u8]) -> bool {
    let counts = entropy::classes(digits);
    let hash = Keccak256::digest(digits.to_ascii_lowercase());
    let nibbles = hash.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let is_right = |(digit, nibble): (&u8, u8)| match digit {
        b'0'..=b'9' => true,
        b'A'..=b'F' => nibble >= 8,
        b'a'..=b'f' => nibble < 8,
        _ => false,
    };
    counts.upper > 0
        && counts.lower > 0
        && digits.len() == ADDRESS
        && digits.iter().zip(nibbles).all(is_right)
}

/// Checks a private key of secp256k1 in hex digits: a random number below the order of the curve. A
/// digest passes as well.
///
/// Fail: a key that the development nodes Hardhat and Anvil give to everybody.
pub(super) fn private_key(subject: &Subject<'_>) -> Verdict {
    let value = subject.value();
    let digits = value.strip_prefix(b"0x").unwrap_or(value);
    let key = HEXLOWER_PERMISSIVE.decode(digits).map(zeroize::Zeroizing::new);
    if !key.is_ok_and(|key| is_private(&key)) || !entropy::is_random_hex(digits) {
        return Verdict::of(Outcome::Fail, subject);
    }
    let mut verdict = Verdict::of(Outcome::Pass, subject);
    verdict.attributes.insert("key.curve", "secp256k1".to_owned());
    verdict
}

/// Checks the part `crypto` of a keystore of version 3: a known cipher, a derivation of the key from a
/// password, cipher text of a key and its sum.
///
/// Source: ethereum.org, "Web3 Secret Storage Definition".
pub(super) fn keystore(subject: &Subject<'_>) -> Verdict {
    let value = subject.value();
    let brace = value.iter().position(|&byte| byte == b'{');
    let object = brace.and_then(|at| value.get(at..)).and_then(|text| {
        let mut objects = serde_json::Deserializer::from_slice(text).into_iter::<Value>();
        objects.next()?.ok()
    });
    let Some(kdf) = object.as_ref().and_then(derivation) else {
        return Verdict::of(Outcome::Fail, subject);
    };
    let mut verdict = Verdict::of(Outcome::Pass, subject);
    verdict.attributes = Attributes::from([
        ("key.encrypted", "true".to_owned()),
        ("keystore.derivation", attribute(kdf)),
    ]);
    verdict
}

/// The name of the derivation, if the object is what it should be.
fn derivation(object: &Value) -> Option<&str> {
    let text = |path: &str| object.pointer(path).and_then(Value::as_str);
    let is_hex = |path: &str, digits: usize| {
        text(path).is_some_and(|text| {
            text.len() == digits
                && text.bytes().all(|b| b.is_ascii_hexdigit())
                && entropy::shannon(text.as_bytes()) >= 2_500
        })
    };
    let kdf = text("/kdf").filter(|kdf| matches!(*kdf, "scrypt" | "pbkdf2"))?;
    let is_it = text("/cipher").is_some_and(|cipher| cipher.starts_with("aes-128-"))
        && is_hex("/ciphertext", 64)
        && is_hex("/mac", 64)
        && is_hex("/cipherparams/iv", 32)
        && object.pointer("/kdfparams/salt").is_some();
    is_it.then_some(kdf)
}

#[cfg(test)]
mod tests {
    use super::super::tests::whole;
    use super::*;

    fn of(check: fn(&Subject<'_>) -> Verdict, text: &str) -> Outcome {
        check(&whole(text.as_bytes())).outcome
    }

    #[test]
    fn addresses_of_the_standard_pass() {
        // ERC-55, "Test Cases"; the last one is synthetic.
        for digits in [
            "5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
            "fB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
            "75E4e4bc8aac14e4C7933D3A27Aa3500ad938836",
        ] {
            let text = format!("0x{digits}");
            assert_eq!(of(address, &text), Outcome::Pass);
            assert_eq!(of(address, &text.replacen('b', "B", 1)), Outcome::Fail);
            assert_eq!(of(address, &text.to_lowercase()), Outcome::Fail);
            assert_eq!(of(address, text.split_at(41).0), Outcome::Fail);
        }
        assert_eq!(of(address, &format!("0x{}", "0".repeat(40))), Outcome::Fail);
        assert_eq!(of(address, ""), Outcome::Fail);
    }

    #[test]
    fn private_keys_are_random_numbers_of_the_curve() {
        let digits = data_encoding::HEXLOWER.encode(&sha2::Sha256::digest(b"a key"));
        assert_eq!(of(private_key, &digits), Outcome::Pass);
        assert_eq!(of(private_key, &format!("0x{digits}")), Outcome::Pass);
        assert_eq!(of(private_key, digits.split_at(62).0), Outcome::Fail);
        assert_eq!(of(private_key, &"f".repeat(64)), Outcome::Fail);
        assert_eq!(of(private_key, &format!("{:0>64}", "1")), Outcome::Fail);
        // The first account of Hardhat and Anvil.
        let first =
            ["ac0974bec39a17e36ba4a6b4d238ff94", "4bacb478cbed5efcae784d7bf4f2ff80"].concat();
        assert_eq!(of(private_key, &first), Outcome::Fail);
    }

    #[test]
    fn keystores_have_all_their_parts() {
        let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(&sha2::Sha256::digest(bytes));
        let (text, mac, iv) = (hex(b"a"), hex(b"b"), hex(b"c"));
        let iv = iv.split_at(32).0;
        let object = format!(
            "\"crypto\": {{\"cipher\":\"aes-128-ctr\",\"ciphertext\":\"{text}\",\
             \"cipherparams\":{{\"iv\":\"{iv}\"}},\"kdf\":\"scrypt\",\"kdfparams\":{{\"n\":262144,\
             \"salt\":\"{mac}\"}},\"mac\":\"{mac}\"}}"
        );
        assert_eq!(of(keystore, &object), Outcome::Pass);
        for (from, to) in [("scrypt", "md5"), ("\"mac\"", "\"mad\""), ("ctr\"", "ctr"), (iv, "")] {
            assert_eq!(of(keystore, &object.replace(from, to)), Outcome::Fail, "{from}");
        }
        assert_eq!(of(keystore, &object.replace(&text, &"0".repeat(64))), Outcome::Fail);
    }
}
