//! Keys of wallets, of OpenPGP, SSH and Kerberos, stored passwords: values for the examples of rules.

use data_encoding::{BASE32_NOPAD, BASE64, BASE64_NOPAD, BASE64URL_NOPAD, HEXLOWER};
use sha1::Sha1;
use sha2::digest::Digest;
use sha2::{Sha256, Sha512};
use sha3::{Keccak256, Sha3_256};

use crate::random::Random;
use crate::values::BASE58;

/// The word list of BIP-39.
const WORDS: &str = include_str!("../../scanner/src/check/bip39/english.txt");

const BECH32: &[u8] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";

/// The text of a class of this file.
pub(crate) fn fill(class: &str, argument: &str, random: &mut Random) -> Option<String> {
    let number = || argument.parse::<usize>().ok();
    let binary = |bytes: &[u8]| bytes.iter().copied().map(char::from).collect::<String>();
    Some(match class {
        "bytes64" => BASE64_NOPAD.encode(&random.bytes(number()?)),
        "bytes64-padded" => BASE64.encode(&random.bytes(number()?)),
        "bytes64url" => BASE64URL_NOPAD.encode(&random.bytes(number()?)),
        "json64url" => BASE64URL_NOPAD.encode(json(argument, random)?.as_bytes()),
        "age" => {
            let prefix = if argument == "2" { "age-secret-key-pq-" } else { "age-secret-key-" };
            bech32(prefix, &random.bytes(32), 1).to_uppercase()
        }
        "segwit" => segwit(argument, random)?,
        "wif" => wif(argument, random)?,
        "xprv" => xprv(random),
        "mnemonic" => mnemonic(number()?, " ", random),
        "mnemonic-list" => mnemonic(number()?, "\",\"", random),
        "eth-address" => eth_address(random),
        "onion" => onion(random),
        "onion-key" => binary(&onion_key(random)),
        "pgp" => pgp_armour(&pgp_packet(argument == "1", random)),
        "pgp-packet" => binary(&pgp_packet(argument == "1", random)),
        "gnupg" => binary(&gnupg(random)),
        "gnupg-text" => gnupg_text(random),
        "ppk" => ppk(argument, random)?,
        "minisign" => BASE64.encode(&[b"EdScB2", &random.bytes(152)[..]].concat()),
        "signify" => BASE64.encode(&signify(random)),
        "kdbx" => binary(&kdbx(random)),
        "ccache" => binary(&ccache(argument == "1", random)),
        "openvpn" => openvpn(number()?, random),
        "ansible" => ansible(number()?, random),
        "openssh-blob" => {
            let armour = crate::keys::openssh(random);
            let body: String = armour.lines().filter(|line| !line.starts_with('-')).collect();
            binary(&BASE64.decode(body.as_bytes()).ok()?)
        }
        "key-pair58" => base58(&random.bytes(64)),
        "dsa" => dsa(random),
        "key-pair" => {
            let numbers: Vec<String> = random.bytes(64).iter().map(u8::to_string).collect();
            format!("[{}]", numbers.join(","))
        }
        _ => return None,
    })
}

/// A key of DSA in armour: version, p, q, g, and the public and the private number.
fn dsa(random: &mut Random) -> String {
    let mut numbers = vec![vec![2, 1, 0]];
    for size in [128, 21, 127, 127, 20] {
        let mut number = random.bytes(size);
        number[0] = number[0] & 0x7f | 0x40;
        number[size - 1] |= 1;
        let len = u8::try_from(size).unwrap_or_default();
        let head = if len < 128 { vec![2, len] } else { vec![2, 0x81, len] };
        numbers.push([head, number].concat());
    }
    let body = numbers.concat();
    let len = u16::try_from(body.len()).unwrap_or_default().to_be_bytes();
    let mut text = "-----BEGIN DSA PRIVATE KEY-----\n".to_owned();
    for line in BASE64.encode(&[&[0x30, 0x82], &len[..], &body].concat()).as_bytes().chunks(64) {
        text.extend(line.iter().copied().map(char::from));
        text.push('\n');
    }
    text + "-----END DSA PRIVATE KEY-----"
}

fn json(kind: &str, random: &mut Random) -> Option<String> {
    Some(match kind {
        "jwe" => r#"{"alg":"RSA-OAEP-256","enc":"A256GCM"}"#.to_owned(),
        "op" => format!(
            r#"{{"signInAddress":"shop.1password.com","userAuth":{{"method":"SRPg-4096","iterations":650000}},"email":"x@1passwordserviceaccounts.com","secretKey":"{}","muk":"{}"}}"#,
            random.text(b"ABCDEFGHJKLMNPQRSTVWXYZ23456789", 34),
            BASE64URL_NOPAD.encode(&random.bytes(32)),
        ),
        _ => return None,
    })
}

/// Bech32 (BIP-173) of bytes behind a prefix; `constant` tells bech32m.
fn bech32(prefix: &str, bytes: &[u8], constant: u32) -> String {
    let bits: Vec<u8> =
        bytes.iter().flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1)).collect();
    let fives = bits.chunks(5).map(|five| {
        let value = five.iter().fold(0, |value, bit| value << 1 | bit);
        value << (5 - five.len())
    });
    bech32_of(prefix, fives.collect(), constant)
}

fn bech32_of(prefix: &str, mut values: Vec<u8>, constant: u32) -> String {
    let step = |sum: u32, value: u8| {
        let high = sum >> 25;
        let mut sum = (sum & 0x01ff_ffff) << 5 ^ u32::from(value);
        for (bit, generator) in
            [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3_u32].iter().enumerate()
        {
            if high >> bit & 1 == 1 {
                sum ^= generator;
            }
        }
        sum
    };
    let head = prefix.bytes().map(|b| b >> 5).chain([0]).chain(prefix.bytes().map(|b| b & 31));
    let sum = head.chain(values.iter().copied()).chain([0; 6]).fold(1, step) ^ constant;
    values.extend((0..6).rev().map(|at| (sum >> (5 * at) & 31) as u8));
    let text: String = values.iter().map(|value| char::from(BECH32[usize::from(*value)])).collect();
    format!("{prefix}1{text}")
}

fn segwit(kind: &str, random: &mut Random) -> Option<String> {
    let (version, len, constant) = match kind {
        "0" => (0, 32, 1),
        "1" => (1, 52, 0x2bc8_30a3),
        _ => return None,
    };
    let program = random.bytes(len).into_iter().map(|byte| byte & 31);
    Some(bech32_of("bc", std::iter::once(version).chain(program).collect(), constant))
}

fn base58_check(payload: &[u8]) -> String {
    let sum = Sha256::digest(Sha256::digest(payload));
    base58(&[payload, &sum[..4]].concat())
}

/// Base58 of bytes of which the first is not zero.
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
    digits.iter().rev().map(|digit| char::from(BASE58[*digit])).collect()
}

/// A number below the order of secp256k1.
fn scalar(random: &mut Random) -> Vec<u8> {
    let mut key = random.bytes(32);
    key[0] &= 0x7f;
    key
}

fn wif(kind: &str, random: &mut Random) -> Option<String> {
    let mut payload = [vec![0x80], scalar(random)].concat();
    match kind {
        "51" => {}
        "52" => payload.push(1),
        _ => return None,
    }
    Some(base58_check(&payload))
}

fn xprv(random: &mut Random) -> String {
    let head = [0x04, 0x88, 0xad, 0xe4, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    base58_check(&[&head[..], &random.bytes(32), &[0], &scalar(random)].concat())
}

fn mnemonic(words: usize, mark: &str, random: &mut Random) -> String {
    let list: Vec<&str> = WORDS.lines().collect();
    loop {
        let entropy = random.bytes(words * 4 / 3);
        let bytes = [&entropy[..], &Sha256::digest(&entropy)[..1]].concat();
        let bit = |at: usize| usize::from(bytes[at / 8] >> (7 - at % 8) & 1);
        let number = |word: usize| (0..11).fold(0, |number, at| number << 1 | bit(word * 11 + at));
        let numbers: Vec<usize> = (0..words).map(number).collect();
        let mut distinct = numbers.clone();
        distinct.sort_unstable();
        distinct.dedup();
        if distinct.len() >= 10 {
            return numbers.iter().map(|number| list[*number]).collect::<Vec<_>>().join(mark);
        }
    }
}

fn eth_address(random: &mut Random) -> String {
    loop {
        let digits = HEXLOWER.encode(&random.bytes(20));
        let hash = HEXLOWER.encode(&Keccak256::digest(digits.as_bytes()));
        let cased: String = digits
            .chars()
            .zip(hash.bytes())
            .map(|(digit, nibble)| if nibble >= b'8' { digit.to_ascii_uppercase() } else { digit })
            .collect();
        let has = |test: fn(char) -> bool| cased.contains(test);
        if has(|c| c.is_ascii_lowercase()) && has(|c| c.is_ascii_uppercase()) {
            return format!("0x{cased}");
        }
    }
}

fn onion(random: &mut Random) -> String {
    let key = random.bytes(32);
    let sum = Sha3_256::digest([b".onion checksum", &key[..], &[3]].concat());
    let address = BASE32_NOPAD.encode(&[&key[..], &sum[..2], &[3]].concat());
    format!("{}.onion", address.to_lowercase())
}

fn onion_key(random: &mut Random) -> Vec<u8> {
    let mut key = random.bytes(64);
    key[0] &= 0xf8;
    key[31] = key[31] & 0x3f | 0x40;
    [&b"== ed25519v1-secret: type0 ==\0\0\0"[..], &key].concat()
}

/// A secret key of Ed25519, as GnuPG writes them; or one with a wrong sum.
fn pgp_packet(is_sound: bool, random: &mut Random) -> Vec<u8> {
    let number = |bits: u16, bytes: &[u8]| [&bits.to_be_bytes()[..], bytes].concat();
    let mut public = random.bytes(33);
    public[0] = 0x40;
    let mut secret = random.bytes(32);
    secret[0] |= 0x80;
    let secret = number(256, &secret);
    let sum = secret.iter().fold(0_u16, |sum, byte| sum.wrapping_add(u16::from(*byte)));
    let sum = if is_sound { sum } else { !sum };
    let body = [
        &[4, 0x69, 0x55, 0x12, 0x34, 22, 9, 0x2b, 6, 1, 4, 1, 0xda, 0x47, 0x0f, 1][..],
        &number(263, &public),
        &[0],
        &secret,
        &sum.to_be_bytes(),
    ]
    .concat();
    let len = u8::try_from(body.len()).unwrap_or_default();
    [&[0x94, len][..], &body].concat()
}

fn pgp_armour(packet: &[u8]) -> String {
    let user = b"ana <ana@shop.test>";
    let len = u8::try_from(user.len()).unwrap_or_default();
    let bytes = [packet, &[0xb4, len], user].concat();
    let mut sum = 0x00b7_04ce_u32;
    for byte in &bytes {
        sum ^= u32::from(*byte) << 16;
        for _ in 0..8 {
            sum <<= 1;
            if sum & 0x0100_0000 != 0 {
                sum ^= 0x0186_4cfb;
            }
        }
    }
    let name = "PGP PRIVATE KEY BLOCK";
    let mut text = format!("-----BEGIN {name}-----\n\n");
    for line in BASE64.encode(&bytes).as_bytes().chunks(64) {
        text.extend(line.iter().copied().map(char::from));
        text.push('\n');
    }
    format!("{text}={}\n-----END {name}-----", BASE64.encode(&sum.to_be_bytes()[1..]))
}

fn gnupg(random: &mut Random) -> Vec<u8> {
    [
        &b"(11:private-key(3:ecc(5:curve7:Ed25519)(5:flags5:eddsa)(1:q33:@"[..],
        &random.bytes(32),
        b")(1:d32:",
        &random.bytes(32),
        b")))",
    ]
    .concat()
}

fn gnupg_text(random: &mut Random) -> String {
    let hex = |bytes: &[u8]| HEXLOWER.encode(bytes).to_uppercase();
    let (q, d) = (hex(&random.bytes(32)), hex(&random.bytes(32)));
    format!("(private-key (ecc (curve Ed25519)(flags eddsa)(q\n  #40{q}#)\n (d #{d}#)\n ))")
}

fn ppk(version: &str, random: &mut Random) -> Option<String> {
    let (public, private) = (random.bytes(51), random.bytes(36));
    let mut signed = Vec::new();
    for part in [&b"ssh-ed25519"[..], b"none", b"ana@shop", &public, &private] {
        signed.extend(u32::try_from(part.len()).unwrap_or_default().to_be_bytes());
        signed.extend(part);
    }
    let sum = match version {
        "2" => {
            let key = Sha1::digest(b"putty-private-key-file-mac-key");
            crate::values::hmac::<Sha1>(64, &key, &signed)
        }
        "3" => crate::values::hmac::<Sha256>(64, b"", &signed),
        _ => return None,
    };
    Some(format!(
        "PuTTY-User-Key-File-{version}: ssh-ed25519\r\nEncryption: none\r\nComment: ana@shop\r\n\
         Public-Lines: 2\r\n{}\r\n{}\r\nPrivate-Lines: 1\r\n{}\r\nPrivate-MAC: {}",
        BASE64.encode(&public[..48]),
        BASE64.encode(&public[48..]),
        BASE64.encode(&private),
        HEXLOWER.encode(&sum),
    ))
}

fn signify(random: &mut Random) -> Vec<u8> {
    let key = random.bytes(64);
    let sum = Sha512::digest(&key);
    [b"EdBK", &[0; 4], &random.bytes(16)[..], &sum[..8], &random.bytes(8), &key].concat()
}

fn kdbx(random: &mut Random) -> Vec<u8> {
    let field = |number: u8, bytes: &[u8]| {
        let len = u32::try_from(bytes.len()).unwrap_or_default().to_le_bytes();
        [&[number], &len[..], bytes].concat()
    };
    let cipher = [
        0x31, 0xc1, 0xf2, 0xe6, 0xbf, 0x71, 0x43, 0x50, 0xbe, 0x58, 0x05, 0x21, 0x6a, 0xfc, 0x5a,
        0xff,
    ];
    [
        vec![0x03, 0xd9, 0xa2, 0x9a, 0x67, 0xfb, 0x4b, 0xb5, 0, 0, 4, 0],
        field(2, &cipher),
        field(3, &[1, 0, 0, 0]),
        field(4, &random.bytes(32)),
        field(7, &random.bytes(16)),
        field(0, b"\r\n\r\n"),
    ]
    .concat()
}

fn ccache(is_sound: bool, random: &mut Random) -> Vec<u8> {
    let long = |bytes: &[u8]| {
        [&u32::try_from(bytes.len()).unwrap_or_default().to_be_bytes()[..], bytes].concat()
    };
    let principal = |parts: &[&str]| {
        let count = u32::try_from(parts.len()).unwrap_or_default().to_be_bytes();
        let parts: Vec<u8> = parts.iter().flat_map(|part| long(part.as_bytes())).collect();
        [&[0, 0, 0, 1], &count[..], &long(b"SHOP.TEST"), &parts].concat()
    };
    let key = random.bytes(if is_sound { 32 } else { 31 });
    [
        vec![5, 4, 0, 12, 0, 1, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0],
        principal(&["ana"]),
        principal(&["ana"]),
        principal(&["krbtgt", "SHOP.TEST"]),
        vec![0, 18],
        long(&key),
        [[0x69, 0x55, 0, 0], [0x69, 0x55, 0, 0], [0x69, 0x55, 0x8c, 0xa0], [0; 4]].concat(),
        vec![0, 0x40, 0xe1, 0, 0],
        vec![0; 8],
        long(&[&[0x61, 0x82, 1, 0], &random.bytes(256)[..]].concat()),
        long(b""),
    ]
    .concat()
}

fn openvpn(bytes: usize, random: &mut Random) -> String {
    let name = "OpenVPN Static key V1";
    let mut text = format!("-----BEGIN {name}-----\n");
    for line in random.bytes(bytes).chunks(16) {
        text.push_str(&HEXLOWER.encode(line));
        text.push('\n');
    }
    format!("{text}-----END {name}-----")
}

fn ansible(bytes: usize, random: &mut Random) -> String {
    let parts = [random.bytes(32), random.bytes(32), random.bytes(bytes)];
    let lines: Vec<String> = parts.iter().map(|part| HEXLOWER.encode(part)).collect();
    let body = HEXLOWER.encode(lines.join("\n").as_bytes());
    let body: Vec<&str> =
        body.as_bytes().chunks(80).filter_map(|it| str::from_utf8(it).ok()).collect();
    format!("$ANSIBLE_VAULT;1.1;AES256\n{}", body.join("\n"))
}
