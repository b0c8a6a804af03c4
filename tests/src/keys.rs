//! Private keys made from a seed, as the files that programs write.

use data_encoding::BASE64;

use crate::random::Random;
use crate::rsa;

const INTEGER: u8 = 0x02;
const BITS: u8 = 0x03;
const OCTETS: u8 = 0x04;
const NULL: u8 = 0x05;
const IDENTIFIER: u8 = 0x06;
const SEQUENCE: u8 = 0x30;

/// An RSA key (PKCS #1, RFC 8017 A.1.2) of so many bits, a multiple of 128.
pub fn rsa(bits: usize, random: &mut Random) -> String {
    let numbers = rsa::key(bits, random).map(|number| integer(&number));
    armour("RSA PRIVATE KEY", &element(SEQUENCE, &[&integer(&[0])[..], &numbers.concat()].concat()))
}

/// A prime of so many bits, a multiple of 64, as the words in which OpenSSL keeps it on this machine's
/// like: little-endian.
pub fn prime_words(bits: usize, random: &mut Random) -> Vec<u8> {
    rsa::prime(bits, random).iter().flat_map(|limb| limb.to_le_bytes()).collect()
}

/// An RSA key of so many bits, a multiple of 128: its two primes as little-endian words, and its public
/// key as certificates hold it (SubjectPublicKeyInfo, RFC 5280 §4.1).
pub fn rsa_words(bits: usize, random: &mut Random) -> ([Vec<u8>; 2], Vec<u8>) {
    let [modulus, exponent, _, p, q, ..] = rsa::key(bits, random);
    let little = |number: Vec<u8>| number.into_iter().rev().collect();
    let numbers = element(SEQUENCE, &[integer(&modulus), integer(&exponent)].concat());
    let identifier = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
    let algorithm = [element(IDENTIFIER, &identifier), element(NULL, &[])].concat();
    let algorithm = element(SEQUENCE, &algorithm);
    let bits = element(BITS, &[&[0][..], &numbers].concat());
    ([little(p), little(q)], element(SEQUENCE, &[algorithm, bits].concat()))
}

/// An RSA key of so many bits, a multiple of 128, in DER: the private one (PKCS #1) and the public one
/// (SubjectPublicKeyInfo, RFC 5280 §4.1).
pub fn rsa_pair(bits: usize, random: &mut Random) -> [Vec<u8>; 2] {
    let numbers = rsa::key(bits, random).map(|number| integer(&number));
    let [modulus, exponent, ..] = &numbers;
    let public = element(SEQUENCE, &[&modulus[..], exponent].concat());
    let identifier = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
    let algorithm = [element(IDENTIFIER, &identifier), element(NULL, &[])].concat();
    let public = element(BITS, &[&[0][..], &public].concat());
    let public = element(SEQUENCE, &[element(SEQUENCE, &algorithm), public].concat());
    [element(SEQUENCE, &[&integer(&[0])[..], &numbers.concat()].concat()), public]
}

/// A certificate in DER (RFC 5280 §4.1) around a public key: of `shop.test`, also `www.shop.test`, until
/// 2036-01-02, with a signature of nobody.
pub fn certificate(public: &[u8], random: &mut Random) -> Vec<u8> {
    let name = |text: &str| {
        let common = [element(IDENTIFIER, b"\x55\x04\x03"), element(0x0c, text.as_bytes())];
        element(SEQUENCE, &element(0x31, &element(SEQUENCE, &common.concat())))
    };
    let algorithm = [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
    let algorithm = element(SEQUENCE, &element(IDENTIFIER, &algorithm));
    let times = [element(0x17, b"260102030405Z"), element(0x17, b"360102030405Z")].concat();
    let names = element(SEQUENCE, &element(0x82, b"www.shop.test"));
    let extension = [element(IDENTIFIER, b"\x55\x1d\x11"), element(OCTETS, &names)].concat();
    let parts = [
        element(0xa0, &integer(&[2])),
        integer(&random.bytes(12)),
        algorithm.clone(),
        name("Shop CA"),
        element(SEQUENCE, &times),
        name("shop.test"),
        public.to_vec(),
        element(0xa3, &element(SEQUENCE, &element(SEQUENCE, &extension))),
    ];
    let signature = element(BITS, &[&[0][..], &random.bytes(70)].concat());
    element(SEQUENCE, &[element(SEQUENCE, &parts.concat()), algorithm, signature].concat())
}

/// A key of the curve P-256 (SEC 1, RFC 5915 §3), without the public half, which it may leave out.
pub fn ec_p256(random: &mut Random) -> String {
    let mut scalar = random.bytes(32);
    scalar[0] &= 0x7f; // Below the order of the curve.
    let curve = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
    let parts =
        [integer(&[1]), element(OCTETS, &scalar), element(0xa0, &element(IDENTIFIER, &curve))];
    armour("EC PRIVATE KEY", &element(SEQUENCE, &parts.concat()))
}

/// An Ed25519 key in PKCS #8 (RFC 8410 §7).
pub fn ed25519(random: &mut Random) -> String {
    let algorithm = element(SEQUENCE, &element(IDENTIFIER, &[0x2b, 0x65, 0x70]));
    let private = element(OCTETS, &element(OCTETS, &random.bytes(32)));
    armour("PRIVATE KEY", &element(SEQUENCE, &[integer(&[0]), algorithm, private].concat()))
}

/// So many bytes, a multiple of 16, encrypted by PBES2 with PBKDF2 and AES-256-CBC (RFC 8018
/// A.4) in PKCS #8: nobody can tell what is inside.
pub fn encrypted(bytes: usize, random: &mut Random) -> String {
    let of_rsa = |rest: &[u8]| {
        element(IDENTIFIER, &[&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d][..], rest].concat())
    };
    let hash = element(SEQUENCE, &[of_rsa(&[2, 9]), element(NULL, &[])].concat());
    let derivation =
        [element(OCTETS, &random.bytes(16)), integer(&2048u16.to_be_bytes()), hash].concat();
    let derivation = [of_rsa(&[1, 5, 12]), element(SEQUENCE, &derivation)].concat();
    let aes = [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x2a];
    let cipher = [element(IDENTIFIER, &aes), element(OCTETS, &random.bytes(16))].concat();
    let parameters = [element(SEQUENCE, &derivation), element(SEQUENCE, &cipher)].concat();
    let scheme = [of_rsa(&[1, 5, 13]), element(SEQUENCE, &parameters)].concat();
    let parts = [element(SEQUENCE, &scheme), element(OCTETS, &random.bytes(bytes))];
    armour("ENCRYPTED PRIVATE KEY", &element(SEQUENCE, &parts.concat()))
}

/// An Ed25519 key as `ssh-keygen` writes it without a passphrase (`PROTOCOL.key` of OpenSSH). Its
/// public half is random.
pub fn openssh(random: &mut Random) -> String {
    let string = |bytes: &[u8]| {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        [&length.to_be_bytes()[..], bytes].concat()
    };
    let public = random.bytes(32);
    let check = random.bytes(4);
    let pair = [&random.bytes(32)[..], &public].concat();
    let head = [string(b"ssh-ed25519"), string(&public)].concat();
    let mut private = [&check[..], &check, &head, &string(&pair), &string(b"deploy@ci")].concat();
    private.extend((1..).take(private.len().next_multiple_of(8) - private.len()));
    let parts = [
        b"openssh-key-v1\0".to_vec(),
        string(b"none"),
        string(b"none"),
        string(b""),
        1u32.to_be_bytes().to_vec(),
        string(&head),
        string(&private),
    ];
    armour("OPENSSH PRIVATE KEY", &parts.concat())
}

/// DER: the tag, the length in as few bytes as possible, the content.
fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let significant: Vec<u8> = length.iter().copied().skip_while(|byte| *byte == 0).collect();
    let mut out = vec![tag];
    if content.len() > 127 {
        out.push(0x80 | u8::try_from(significant.len()).unwrap_or(0));
        out.extend(significant);
    } else {
        out.push(length[length.len() - 1]);
    }
    out.extend(content);
    out
}

/// A number that is not negative, big-endian.
fn integer(number: &[u8]) -> Vec<u8> {
    let mut digits: Vec<u8> = number.iter().copied().skip_while(|byte| *byte == 0).collect();
    if digits.first().is_none_or(|first| *first > 0x7f) {
        digits.insert(0, 0);
    }
    element(INTEGER, &digits)
}

/// RFC 7468 §2: lines of 64 characters. No line end behind the last one.
fn armour(label: &str, der: &[u8]) -> String {
    let body = BASE64.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    for (at, character) in body.chars().enumerate() {
        if at > 0 && at.is_multiple_of(64) {
            text.push('\n');
        }
        text.push(character);
    }
    format!("{text}\n-----END {label}-----")
}
