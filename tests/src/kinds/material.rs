//! Keys and files of keys.

use data_encoding::{BASE64, HEXLOWER, HEXUPPER};
use sha1::{Digest as _, Sha1};
use sha2::Sha256;

use super::{CLOSE, OPEN};
use crate::random::Random;
use crate::values::{self, BASE58};
use crate::{keys, rsa};

/// The text of a class of this module; bytes as the characters of their numbers.
pub(super) fn fill(class: &str, argument: &str, random: &mut Random) -> Option<String> {
    match class {
        "age" => Some(age(random)),
        "xprv" => {
            let mut bytes = vec![0x04, 0x88, 0xad, 0xe4, 3];
            bytes.extend(random.bytes(4 + 4 + 32));
            bytes.push(0);
            bytes.extend(random.bytes(32));
            Some(base58_check(&bytes))
        }
        "wif" => {
            let mut key = random.bytes(32);
            key[0] &= 0x7f;
            let end: &[u8] = if argument == "c" { &[1] } else { &[] };
            Some(base58_check(&[&[0x80], &key[..], end].concat()))
        }
        "openvpn" => {
            let lines: Vec<String> = (0..16).map(|_| HEXLOWER.encode(&random.bytes(16))).collect();
            let name = "OpenVPN Static key V1";
            Some(format!("-----BEGIN {name}-----\n{}\n-----END {name}-----", lines.join("\n")))
        }
        "pem-legacy" => {
            let iv = HEXUPPER.encode(&random.bytes(16));
            let head = format!("Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,{iv}\n\n");
            Some(armour("RSA PRIVATE KEY", &head, &random.bytes(1200), ""))
        }
        "pem-dsa" => {
            let number = |bytes: usize, random: &mut Random| {
                let mut number = random.bytes(bytes);
                number[0] |= 0x80;
                number[bytes - 1] |= 1;
                der(2, &[&[0], &number[..]].concat())
            };
            let mut numbers = der(2, &[0]);
            for bytes in [256, 32, 256, 256] {
                numbers.extend(number(bytes, random));
            }
            let mut secret = random.bytes(32);
            secret[0] = secret[0] & 0x3f | 1;
            numbers.extend(der(2, &secret));
            Some(armour("DSA PRIVATE KEY", "", &der(0x30, &numbers), ""))
        }
        "pgp" => Some(pgp(random)),
        "ppk" => Some(ppk(random)),
        "openssh-raw" => {
            let armoured = keys::openssh(random);
            let body: String = armoured.lines().filter(|line| !line.starts_with('-')).collect();
            Some(characters(&BASE64.decode(body.as_bytes()).ok()?))
        }
        "der-line" => {
            let armoured = match argument {
                "rsa" => keys::rsa(2048, random),
                "ec" => keys::ec_p256(random),
                _ => keys::ed25519(random),
            };
            Some(armoured.lines().filter(|line| !line.starts_with('-')).collect())
        }
        "rsa-words" => {
            let ([p, q], public) = keys::rsa_words(argument.parse().ok()?, random);
            // Chunks of malloc, as OpenSSL has them, and the key that certificates show.
            let chunk = 0x91_u64.to_le_bytes();
            let rest = [&[0; 8][..], &chunk, &q, &[0; 24], &public, &[0; 8]].concat();
            let (chunk, p, rest) = (characters(&chunk), characters(&p), characters(&rest));
            Some(format!("{chunk}{OPEN}{p}{CLOSE}{rest}"))
        }
        "gnupg" => Some(characters(&gnupg(random))),
        "aes-schedule" => Some(characters(&aes_schedule(&random.bytes(32)))),
        "tor-key" => {
            let head = b"== ed25519v1-secret: type0 ==\0\0\0";
            // An expanded key: its scalar is clamped (RFC 8032 §5.1.5).
            let mut key = random.bytes(64);
            key[0] &= 0xf8;
            key[31] = key[31] & 0x3f | 0x40;
            Some(characters(&[&head[..], &key].concat()))
        }
        "ansible-lines" => {
            // Salt, sum and cipher text in hex, a line each, and all of it in hex again.
            let inner = [32, 32, argument.parse().ok()?];
            let inner = inner.map(|bytes| HEXLOWER.encode(&random.bytes(bytes))).join("\n");
            let digits = HEXLOWER.encode(inner.as_bytes());
            let lines: Vec<&str> =
                digits.as_bytes().chunks(80).filter_map(|line| str::from_utf8(line).ok()).collect();
            Some(lines.join("\n"))
        }
        "solana-pair" => Some(base58(&random.bytes(64))),
        "ccache" => Some(characters(&credential_cache(random))),
        "jceks" => Some(characters(&jceks(random))),
        "k8s-head" => Some(characters(&secret_message(18)?.0)),
        "k8s-tail" => Some(characters(&secret_message(18)?.1)),
        _ => None,
    }
}

fn characters(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

fn string(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    [&length.to_be_bytes()[..], bytes].concat()
}

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let head = match length {
        0..128 => vec![tag, u8::try_from(length).unwrap_or(0)],
        128..256 => vec![tag, 0x81, u8::try_from(length).unwrap_or(0)],
        _ => {
            let length = u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes();
            vec![tag, 0x82, length[0], length[1]]
        }
    };
    [head, content.to_vec()].concat()
}

fn lines(bytes: &[u8]) -> Vec<String> {
    let body = BASE64.encode(bytes);
    body.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line).into_owned()).collect()
}

fn armour(label: &str, head: &str, bytes: &[u8], sum: &str) -> String {
    let body = lines(bytes).join("\n");
    format!("-----BEGIN {label}-----\n{head}{body}{sum}\n-----END {label}-----")
}

/// BIP 173, in upper case.
fn age(random: &mut Random) -> String {
    const DIGITS: &[u8] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    const GENERATORS: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
    let name = b"age-secret-key-";
    let mut data = Vec::new();
    let (mut held, mut bits) = (0_u32, 0);
    for byte in random.bytes(32) {
        held = held << 8 | u32::from(byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            data.push(u8::try_from(held >> bits & 31).unwrap_or(0));
        }
    }
    data.push(u8::try_from(held << (5 - bits) & 31).unwrap_or(0));
    let expanded = name.iter().map(|byte| byte >> 5).chain([0]);
    let expanded = expanded.chain(name.iter().map(|byte| byte & 31));
    let sum = expanded.chain(data.iter().copied()).chain([0; 6]).fold(1_u32, |sum, value| {
        let shifted = (sum & 0x01ff_ffff) << 5 ^ u32::from(value);
        let top = sum >> 25;
        (0..5).filter(|bit| top >> bit & 1 == 1).fold(shifted, |sum, bit| sum ^ GENERATORS[bit])
    }) ^ 1;
    data.extend((0..6).map(|at| u8::try_from(sum >> (5 * (5 - at)) & 31).unwrap_or(0)));
    let text: String = data.iter().map(|digit| char::from(DIGITS[usize::from(*digit)])).collect();
    format!("{}1{text}", String::from_utf8_lossy(name)).to_ascii_uppercase()
}

fn base58_check(payload: &[u8]) -> String {
    let sum = Sha256::digest(Sha256::digest(payload));
    base58(&[payload, &sum[..4]].concat())
}

fn base58(bytes: &[u8]) -> String {
    let mut digits: Vec<usize> = Vec::new();
    for byte in bytes {
        let mut carry = usize::from(*byte);
        for digit in &mut digits {
            carry += *digit << 8;
            *digit = carry % 58;
            carry /= 58;
        }
        while carry > 0 {
            digits.push(carry % 58);
            carry /= 58;
        }
    }
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    digits.extend(vec![0; zeros]);
    digits.iter().rev().map(|digit| char::from(BASE58[*digit])).collect()
}

/// A key of the edwards curve without a passphrase (RFC 9580 §5.5, version 4), with a user.
fn pgp(random: &mut Random) -> String {
    let mpi = |bits: u16, bytes: &[u8]| [&bits.to_be_bytes()[..], bytes].concat();
    let public = [&[0x40], &random.bytes(32)[..]].concat();
    let mut secret = random.bytes(32);
    secret[0] |= 0x80;
    let secret = mpi(256, &secret);
    let sum = secret.iter().fold(0_u16, |sum, byte| sum.wrapping_add(u16::from(*byte)));
    let curve = [9, 0x2b, 6, 1, 4, 1, 0xda, 0x47, 0x0f, 1];
    let body = [
        &[4][..],
        &1_767_225_600_u32.to_be_bytes(),
        &[22],
        &curve,
        &mpi(263, &public),
        &[0],
        &secret,
        &sum.to_be_bytes(),
    ]
    .concat();
    let packet = |tag: u8, body: &[u8]| {
        [&[0xc0 | tag, u8::try_from(body.len()).unwrap_or(0)][..], body].concat()
    };
    let bytes = [packet(5, &body), packet(13, b"Ana <ana@shop.test>")].concat();
    let crc = bytes.iter().fold(0x00b7_04ce_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte) << 16, |crc, _| {
            let shifted = crc << 1;
            if shifted & 0x0100_0000 == 0 { shifted } else { shifted ^ 0x0186_4cfb }
        }) & 0x00ff_ffff
    });
    let sum = format!("\n={}", BASE64.encode(&crc.to_be_bytes()[1..]));
    armour("PGP PRIVATE KEY BLOCK", "\n", &bytes, &sum)
}

/// Version 3 without a passphrase (PuTTY's manual, appendix C).
fn ppk(random: &mut Random) -> String {
    let (name, comment) = ("ssh-ed25519", "deploy@ci");
    let public = [string(name.as_bytes()), string(&random.bytes(32))].concat();
    let private = string(&random.bytes(32));
    let signed = [
        string(name.as_bytes()),
        string(b"none"),
        string(comment.as_bytes()),
        string(&public),
        string(&private),
    ];
    let mac = HEXLOWER.encode(&values::hmac::<Sha256>(64, b"", &signed.concat()));
    let (public, private) = (lines(&public), lines(&private));
    format!(
        "PuTTY-User-Key-File-3: {name}\nEncryption: none\nComment: {comment}\nPublic-Lines: {}\n{}\nPrivate-Lines: {}\n{}\nPrivate-MAC: {mac}",
        public.len(),
        public.join("\n"),
        private.len(),
        private.join("\n")
    )
}

/// A canonical S-expression of an RSA key (`agent/keyformat.txt` of GnuPG).
fn gnupg(random: &mut Random) -> Vec<u8> {
    let atom = |bytes: &[u8]| [bytes.len().to_string().as_bytes(), b":", bytes].concat();
    let [modulus, exponent, private, p, q, ..] = rsa::key(1024, random);
    let list = |name: &[u8], number: &[u8]| {
        let high = number.first().is_some_and(|first| *first > 0x7f);
        let number = if high { [&[0], number].concat() } else { number.to_vec() };
        [b"(", &atom(name)[..], &atom(&number), b")"].concat()
    };
    let inverse = random.bytes(64);
    [
        &b"(11:private-key(3:rsa"[..],
        &list(b"n", &modulus),
        &list(b"e", &exponent),
        &list(b"d", &private),
        &list(b"p", &p),
        &list(b"q", &q),
        &list(b"u", &inverse),
        b"))",
    ]
    .concat()
}

/// The key expansion of AES-256 (FIPS 197 §5.2).
fn aes_schedule(key: &[u8]) -> Vec<u8> {
    let times = |mut a: u8, mut b: u8| {
        let mut product = 0;
        while b > 0 {
            if b & 1 == 1 {
                product ^= a;
            }
            a = if a & 0x80 == 0 { a << 1 } else { a << 1 ^ 0x1b };
            b >>= 1;
        }
        product
    };
    let substitute = |byte: u8| {
        let inverse = (1..=255).find(|other| times(byte, *other) == 1).unwrap_or(0);
        (1..5).fold(inverse ^ 0x63, |sum, turn| sum ^ inverse.rotate_left(turn))
    };
    let mut words: Vec<[u8; 4]> =
        key.chunks_exact(4).map(|word| [word[0], word[1], word[2], word[3]]).collect();
    let mut constant = 1;
    for at in 8..60 {
        let mut word = words[at - 1];
        if at % 8 == 0 {
            word.rotate_left(1);
            word = word.map(substitute);
            word[0] ^= constant;
            constant = times(constant, 2);
        } else if at % 8 == 4 {
            word = word.map(substitute);
        }
        let before = words[at - 8];
        words.push(std::array::from_fn(|byte| word[byte] ^ before[byte]));
    }
    words.concat()
}

/// A cache of Kerberos, version 4, with a ticket-granting ticket (MIT, `ccache_file_format`).
fn credential_cache(random: &mut Random) -> Vec<u8> {
    let principal = |kind: u32, names: &[&[u8]]| {
        let count = u32::try_from(names.len()).unwrap_or(0);
        let names: Vec<u8> = names.iter().flat_map(|name| string(name)).collect();
        [&kind.to_be_bytes()[..], &count.to_be_bytes(), &string(b"SHOP.TEST"), &names].concat()
    };
    let client = principal(1, &[b"ana"]);
    let server = principal(2, &[b"krbtgt", b"SHOP.TEST"]);
    let times: Vec<u8> = [1_767_225_600_u32, 1_767_225_600, 1_767_261_600, 1_767_830_400]
        .iter()
        .flat_map(|time| time.to_be_bytes())
        .collect();
    [
        &[5, 4, 0, 12, 0, 1, 0, 8, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0][..],
        &client,
        &client,
        &server,
        &[0, 18],
        &string(&random.bytes(32)),
        &times,
        &[0, 0x40, 0xe1, 0, 0],
        &[0; 8],
        &string(&[&[0x61, 0x82, 1, 0x2c][..], &random.bytes(300)].concat()),
        &string(b""),
    ]
    .concat()
}

/// A store with one sealed secret key; its digest is of a password that nobody knows.
fn jceks(random: &mut Random) -> Vec<u8> {
    let mut store = vec![0xce, 0xce, 0xce, 0xce, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 3, 0, 6];
    store.extend(b"orders");
    store.extend(1_767_225_600_000_u64.to_be_bytes());
    store.extend([0xac, 0xed, 0, 5, b's', b'r', 0, 51]);
    store.extend(b"com.sun.crypto.provider.SealedObjectForKeyProtector");
    store.extend(random.bytes(300));
    let mut sum = Sha1::new();
    sum.update(random.bytes(24));
    sum.update(&store);
    store.extend(sum.finalize());
    store
}

/// A Secret as the API server sends it to its clients: what stands before and behind a value of so many
/// bytes (`k8s.io/api/core/v1`).
fn secret_message(value: usize) -> Option<(Vec<u8>, Vec<u8>)> {
    let value = u8::try_from(value).ok()?;
    let field = |number: u8, bytes: &[u8]| {
        let length = u8::try_from(bytes.len()).unwrap_or(0);
        [&[number << 3 | 2, length], bytes].concat()
    };
    let metadata = field(1, &[field(1, b"db"), field(3, b"shop")].concat());
    let key = field(1, b"password");
    let entry = [2 << 3 | 2, u8::try_from(key.len()).ok()? + 2 + value];
    let before = [&metadata[..], &entry, &key, &[2 << 3 | 2, value]].concat();
    let kind = field(3, b"Opaque");
    let raw = u8::try_from(before.len() + usize::from(value) + kind.len()).ok()?;
    let meta = field(1, &[field(1, b"v1"), field(2, b"Secret")].concat());
    let head = [b"k8s\0", &meta[..], &[2 << 3 | 2, raw], &before].concat();
    Some((head, [&kind[..], &[0x1a, 0, 0x22, 0]].concat()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_expansion_is_that_of_the_standard() {
        // FIPS 197, A.3: the last word.
        let key = HEXLOWER
            .decode(b"603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4")
            .unwrap();
        let schedule = aes_schedule(&key);
        assert_eq!(
            (schedule.len(), HEXLOWER.encode(&schedule[236..])),
            (240, "706c631e".to_owned())
        );
    }

    #[test]
    fn base58_counts_leading_zeros() {
        // The payload of the first block's address.
        let hash = HEXLOWER.decode(b"0062e907b15cbf27d5425399ebf6f0fb50ebb88f18").unwrap();
        let address = base58_check(&hash);
        assert_eq!(address.len(), 34);
        assert!(address.starts_with("1A1zP1") && address.ends_with("vfNa"), "{address}");
    }

    #[test]
    fn shapes() {
        let mut random = Random::new(1);
        assert_eq!(age(&mut random).len(), 74);
        assert!(fill("xprv", "", &mut random).unwrap().starts_with("xprv"));
        assert!(fill("wif", "c", &mut random).unwrap().starts_with(['K', 'L']));
        assert!(fill("wif", "u", &mut random).unwrap().starts_with('5'));
    }
}
