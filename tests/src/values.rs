//! Valid secrets made from a seed: the repository holds no string that a scanner would flag.

use data_encoding::{BASE32_NOPAD, BASE64, BASE64URL_NOPAD, HEXLOWER};
use sha2::digest::Digest;
use sha2::{Sha256, Sha512};
use sha3::Keccak256;

use crate::keys;
use crate::random::Random;

pub(crate) const BASE62: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
pub(crate) const BASE58: &[u8] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
const BASE64_ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const PASSWORD: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789!*-_=+.~";

/// A classic GitHub personal access token: `ghp_`, 30 characters, CRC-32 of them in base62.
pub fn github_token(random: &mut Random) -> String {
    checksummed("ghp_", random)
}

/// An npm access token, built like GitHub's.
pub fn npm_token(random: &mut Random) -> String {
    checksummed("npm_", random)
}

/// `token` with its last character changed, so that its checksum no longer holds.
pub fn with_wrong_checksum(token: &str) -> String {
    let mut bytes = token.as_bytes().to_vec();
    if let Some(last) = bytes.last_mut() {
        *last = if *last == b'0' { b'1' } else { b'0' };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn checksummed(prefix: &str, random: &mut Random) -> String {
    let body = random.text(BASE62, 30);
    let checksum = base62_checksum(body.as_bytes());
    format!("{prefix}{body}{checksum}")
}

/// CRC-32 as six digits of base62, most significant first, digits before letters, upper case first.
pub(crate) fn base62_checksum(body: &[u8]) -> String {
    let mut rest = crc32fast::hash(body) as usize;
    let mut digits = [b'0'; 6];
    for digit in digits.iter_mut().rev() {
        *digit = BASE62[rest % 62];
        rest /= 62;
    }
    digits.map(char::from).iter().collect()
}

/// An AWS access key id with the account in it, and its secret access key.
pub fn aws_pair(account: u64, random: &mut Random) -> (String, String) {
    // Ten bytes in base32; the account are the 40 bits after the first, which newer keys set.
    let head = (1 << 47) | (account << 7) | u64::from(random.bytes(1)[0] & 0x7f);
    let bytes = [&head.to_be_bytes()[2..], &random.bytes(4)].concat();
    let id = format!("AKIA{}", BASE32_NOPAD.encode(&bytes));
    (id, random.text(BASE64_ALPHABET, 40))
}

/// How a JSON Web Token is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// HMAC with SHA-256: the signature is true.
    Hs256,
    /// HMAC with SHA-512: the signature is true.
    Hs512,
    /// RSA: a signature of 256 random bytes.
    Rs256,
    /// P-256: a signature of 64 random bytes.
    Es256,
}

/// A JSON Web Token over claims in JSON. `key` signs HS256 and HS512; the others do not use it.
pub fn jwt(algorithm: Algorithm, key: &[u8], claims: &str, random: &mut Random) -> String {
    let name = match algorithm {
        Algorithm::Hs256 => "HS256",
        Algorithm::Hs512 => "HS512",
        Algorithm::Rs256 => "RS256",
        Algorithm::Es256 => "ES256",
    };
    let header = format!(r#"{{"alg":"{name}","typ":"JWT"}}"#);
    let encode = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
    let signed = format!("{}.{}", encode(header.as_bytes()), encode(claims.as_bytes()));
    let signature = match algorithm {
        Algorithm::Hs256 => hmac::<Sha256>(64, key, signed.as_bytes()),
        Algorithm::Hs512 => hmac::<Sha512>(128, key, signed.as_bytes()),
        Algorithm::Rs256 => random.bytes(256),
        Algorithm::Es256 => random.bytes(64),
    };
    format!("{signed}.{}", encode(&signature))
}

/// HMAC (RFC 2104) with a hash of `block` bytes a block.
pub fn hmac<H: Digest>(block: usize, key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut padded = if key.len() > block { H::digest(key).to_vec() } else { key.to_vec() };
    padded.resize(block, 0);
    let pad = |with: u8| padded.iter().map(|byte| byte ^ with).collect::<Vec<u8>>();
    let inner = H::new().chain_update(pad(0x36)).chain_update(message).finalize();
    H::new().chain_update(pad(0x5c)).chain_update(inner).finalize().to_vec()
}

/// An Ed25519 private key in PKCS #8 (RFC 8410 §7), as PEM with line feeds and one at the end.
pub fn pem_private_key(random: &mut Random) -> String {
    format!("{}\n", keys::ed25519(random))
}

/// A key of so many bytes in lower-case hex.
pub fn hex_key(bytes: usize, random: &mut Random) -> String {
    HEXLOWER.encode(&random.bytes(bytes))
}

/// A password of mixed characters, none of which needs escaping in JSON, TOML, XML, a URI or a
/// shell's quotes.
pub fn password(length: usize, random: &mut Random) -> String {
    random.text(PASSWORD, length)
}

/// A [`password`] as rules for good ones ask for it: a letter first, both cases, a digit and a
/// mark. `None` for a length below 4, where that is not possible.
pub fn strong_password(length: usize, random: &mut Random) -> Option<String> {
    if length < 4 {
        return None;
    }
    loop {
        let password = password(length, random);
        let has = |test: fn(&u8) -> bool| password.bytes().any(|byte| test(&byte));
        if password.starts_with(|c: char| c.is_ascii_alphabetic())
            && has(u8::is_ascii_uppercase)
            && has(u8::is_ascii_lowercase)
            && has(u8::is_ascii_digit)
            && has(u8::is_ascii_punctuation)
        {
            return Some(password);
        }
    }
}

/// `ana:` and a password of so many characters, in base64 (RFC 7617).
pub(crate) fn basic_credentials(length: usize, random: &mut Random) -> String {
    let password = password(length, random);
    BASE64.encode(format!("ana:{password}").as_bytes())
}

/// A hash of crypt(5), with the last character of a digest of its length, and a random salt.
pub(crate) fn crypt_hash(scheme: &str, random: &mut Random) -> Option<String> {
    const ALPHABET: &[u8] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let (parameters, salt, hash, last): (&str, usize, usize, &[u8]) = match scheme {
        "1" => ("", 8, 22, b"./01"),
        "5" => ("rounds=5000$", 16, 43, b"./0123456789ABCD"),
        "6" => ("", 16, 86, b"./01"),
        "7" => ("CU..../....", 22, 43, b"./0123456789ABCD"),
        "y" => ("j9T$", 22, 43, b"./0123456789ABCD"),
        "2b" => ("12$", 22, 31, b".CGKOSWaeimquy26"),
        _ => return None,
    };
    let salt = random.text(ALPHABET, salt);
    let dollar = if scheme == "2b" { "" } else { "$" };
    let hash = random.text(ALPHABET, hash - 1) + &random.text(last, 1);
    Some(format!("${scheme}${parameters}{salt}{dollar}{hash}"))
}

/// A token of the Python package index (`org`) or its test instance (`test`): a macaroon of version 2
/// with one caveat and a random signature.
pub(crate) fn pypi_token(index: &str, random: &mut Random) -> Option<String> {
    let location = match index {
        "org" => "pypi.org",
        "test" => "test.pypi.org",
        _ => return None,
    };
    let field = |kind: u8, bytes: &[u8]| {
        let length = u8::try_from(bytes.len()).unwrap_or(u8::MAX);
        [&[kind, length], bytes].concat()
    };
    let caveat = format!("[3,\"{}\"]", uuid(random));
    let parts = [
        vec![2],
        field(1, location.as_bytes()),
        field(2, uuid(random).as_bytes()),
        vec![0],
        field(2, caveat.as_bytes()),
        vec![0, 0],
        field(6, &random.bytes(32)),
    ];
    Some(format!("pypi-{}", BASE64URL_NOPAD.encode(&parts.concat())))
}

/// A private key of WireGuard, clamped (RFC 7748 §5).
pub(crate) fn wireguard_key(random: &mut Random) -> String {
    let mut key = random.bytes(32);
    key[0] &= 0xf8;
    key[31] = key[31] & 0x3f | 0x40;
    BASE64.encode(&key)
}

/// An address of Monero: standard with 95 characters, integrated with 106.
pub(crate) fn monero_address(characters: usize, random: &mut Random) -> Option<String> {
    let (network, payload) = match characters {
        95 => (0x12, 64),
        106 => (0x13, 72),
        _ => return None,
    };
    let mut bytes = [vec![network], random.bytes(payload)].concat();
    bytes.extend_from_slice(&Keccak256::digest(&bytes)[..4]);
    // Eight bytes are eleven digits; the five left over are seven.
    let blocks = bytes.chunks(8).map(|block| {
        let digits = if block.len() == 8 { 11 } else { 7 };
        let mut number = block.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        let mut text = vec![b'1'; digits];
        for digit in text.iter_mut().rev() {
            *digit = BASE58[usize::try_from(number % 58).unwrap_or_default()];
            number /= 58;
        }
        text
    });
    String::from_utf8(blocks.flatten().collect()).ok()
}

/// A random UUID (RFC 9562 §5.4).
pub fn uuid(random: &mut Random) -> String {
    let mut bytes = random.bytes(16);
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = HEXLOWER.encode(&bytes);
    let mut text = String::new();
    for (at, digit) in hex.chars().enumerate() {
        if matches!(at, 8 | 12 | 16 | 20) {
            text.push('-');
        }
        text.push(digit);
    }
    text
}

/// A connection string, and the password in it.
pub fn connection_string(scheme: &str, random: &mut Random) -> (String, String) {
    let password = random.text(BASE62, 20);
    (format!("{scheme}://app:{password}@db.internal:5432/orders"), password)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;

    #[test]
    fn checksum_holds_for_every_github_and_npm_token_of_the_fixtures() {
        let mut seen = 0;
        for fixture in fixtures::load(&fixtures::folder()).unwrap() {
            let mut kinds = fixture.truth.values;
            kinds.retain(|p| !p.decoy && matches!(p.kind.as_str(), "github-pat" | "npm-token"));
            for planted in kinds {
                let token = planted.bytes().unwrap();
                let (body, checksum) = token[4..].split_at(30);
                assert_eq!(base62_checksum(body).as_bytes(), checksum, "{}", planted.id);
                seen += 1;
            }
        }
        assert!(seen > 20);
    }

    #[test]
    fn tokens_have_their_shape_and_a_changed_one_fails() {
        let token = github_token(&mut Random::new(1));
        assert_eq!((token.len(), token.get(..4)), (40, Some("ghp_")));
        assert!(token.ends_with(&base62_checksum(&token.as_bytes()[4..34])));
        let wrong = with_wrong_checksum(&token);
        assert!(!wrong.ends_with(&base62_checksum(&wrong.as_bytes()[4..34])));
        assert_ne!(npm_token(&mut Random::new(2)), npm_token(&mut Random::new(3)));
    }

    #[test]
    fn hmac_gives_the_published_results() {
        // RFC 4231 §4.3, test case 2; §4.7, test case 6: a key longer than a block.
        let message = b"what do ya want for nothing?";
        let sha256 = HEXLOWER.encode(&hmac::<Sha256>(64, b"Jefe", message));
        assert_eq!(sha256, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        let message = b"Test Using Larger Than Block-Size Key - Hash Key First";
        let sha256 = HEXLOWER.encode(&hmac::<Sha256>(64, &[0xaa; 131], message));
        assert_eq!(sha256, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    }

    #[test]
    fn jwt_parts_decode_and_have_their_lengths() {
        for (algorithm, length) in [
            (Algorithm::Hs256, 32),
            (Algorithm::Hs512, 64),
            (Algorithm::Rs256, 256),
            (Algorithm::Es256, 64),
        ] {
            let token = jwt(algorithm, b"key", r#"{"sub":"1"}"#, &mut Random::new(4));
            let parts = token.split('.').map(|p| BASE64URL_NOPAD.decode(p.as_bytes()).unwrap());
            let parts: Vec<Vec<u8>> = parts.collect();
            assert!(serde_json::from_slice::<serde_json::Value>(&parts[0]).is_ok());
            assert_eq!(parts[1], br#"{"sub":"1"}"#);
            assert_eq!(parts[2].len(), length);
        }
    }

    #[test]
    fn the_account_can_be_read_from_the_key_id() {
        let (id, secret) = aws_pair(123_456_789_012, &mut Random::new(5));
        assert_eq!((id.len(), secret.len()), (20, 40));
        let bytes = BASE32_NOPAD.decode(&id.as_bytes()[4..]).unwrap();
        let head = bytes[..6].iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        assert_eq!((head & 0x7fff_ffff_ff80) >> 7, 123_456_789_012);
    }

    #[test]
    fn connection_strings_hold_their_password() {
        let (uri, password) = connection_string("postgres", &mut Random::new(6));
        assert!(uri.contains(&format!(":{password}@")));
    }
}
