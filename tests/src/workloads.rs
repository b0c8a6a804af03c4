//! Bytes whose cost is counted: what ordinary memory is made of, memory full of tokens, and bytes made to be slow.

use crate::builder::Mapping;
use crate::random::Random;
use crate::values;

/// A name, and bytes.
pub type Workload = (&'static str, Vec<u8>);

const BASE62: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const BASE64: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Each character with a zero behind it.
fn wide(text: &str) -> String {
    text.chars().flat_map(|letter| [letter, '\0']).collect()
}

/// Pieces one after the other, until they are `len` bytes.
fn fill(len: usize, seed: u64, mut piece: impl FnMut(&mut Random) -> String) -> Vec<u8> {
    let (mut bytes, mut random) = (Vec::with_capacity(len + 4096), Random::new(seed));
    while bytes.len() < len {
        bytes.extend(piece(&mut random).into_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// What ordinary memory is made of, `len` bytes of each.
pub fn ordinary(len: usize, seed: u64) -> Vec<Workload> {
    let lines = |random: &mut Random| {
        let (uuid, at) = (values::uuid(random), random.below(86_400));
        match random.below(5) {
            0 => format!(
                "GET /api/v1/orders/{uuid}?page={at} HTTP/1.1\r\nHost: shop.example.com\r\n"
            ),
            1 => format!("{at} INFO order {uuid} is stored, took {} ms\n", random.below(900)),
            2 => {
                format!("{{\"id\":\"{uuid}\",\"created\":{at},\"items\":[],\"owner\":\"anna\"}}\0")
            }
            3 => format!("digest sha256:{}\0", random.text(b"0123456789abcdef", 64)),
            _ => format!("org.example.shop.{}Service\0", random.text(b"etaoinshrdlu", 9)),
        }
    };
    let fill = |piece: fn(&mut Random) -> String| fill(len, seed, piece);
    vec![
        ("a heap", Mapping::noise(0, len, seed).content().to_vec()),
        ("random bytes", Random::new(seed).bytes(len)),
        ("digests", fill(|random| random.text(b"0123456789abcdef", 40) + "\n")),
        ("random base64", fill(|random| random.text(BASE64, 4096) + "\0")),
        ("UTF-16", fill(|random| wide(&random.text(b"etaoin shrdlu", 40)) + "\0\0\0")),
        ("text of a service", fill(lines)),
    ]
}

/// Memory in which every other string is a token, in text of a known form.
pub fn tokens(len: usize, seed: u64) -> Workload {
    let tokens = |random: &mut Random| match random.below(4) {
        0 => format!("password={}\0", values::password(16, random)),
        1 => format!("Authorization: Bearer {}\r\n", random.text(BASE62, 40)),
        2 => format!(
            "{{\"token\":\"{}\",\"session\":\"{}\"}}",
            values::github_token(random),
            values::uuid(random)
        ),
        _ => format!("{}\0", random.text(b"etaoin shrdlu", 400)),
    };
    ("tokens", fill(len, seed, tokens))
}

/// Bytes made to be slow, `len` of each, in which nothing is to be found.
pub fn hostile(len: usize, seed: u64) -> Vec<Workload> {
    let fill = |piece: fn(&mut Random) -> String| fill(len, seed, piece);
    vec![
        ("all A", fill(|_| "A".repeat(4096))),
        ("eyJ", fill(|_| "eyJ".repeat(1024))),
        ("password", fill(|_| "password".repeat(512))),
        ("a token every 8 bytes", fill(|random| format!("token={}", random.text(BASE62, 2)))),
        (
            "heads of PEM",
            fill(|_| ["-----", "BEGIN RSA PRIVATE KEY", "-----\n"].concat().repeat(100)),
        ),
        ("near misses", fill(|random| format!("ghp_{}\n", random.text(BASE62, 35)))),
        ("URIs without an end", fill(|_| "jdbc:mysql://".repeat(300))),
    ]
}
