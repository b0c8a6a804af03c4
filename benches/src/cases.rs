//! Bytes of a few kinds, the same on every machine.

use cryoscan_tests::random::Random;
use cryoscan_tests::values;

pub(crate) const BASE62: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Pieces one after the other, until there are enough.
pub(crate) fn fill(length: usize, mut piece: impl FnMut(&mut Random) -> String) -> Vec<u8> {
    let (mut bytes, mut random) = (Vec::with_capacity(length + 4096), Random::new(13));
    while bytes.len() < length {
        bytes.extend(piece(&mut random).into_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// What a service holds beside secrets: requests, log, JSON, digests, names.
pub(crate) fn lines(random: &mut Random) -> String {
    let (uuid, at) = (values::uuid(random), random.below(86_400));
    match random.below(5) {
        0 => format!("GET /api/v1/orders/{uuid}?page={at} HTTP/1.1\r\nHost: shop.example.com\r\n"),
        1 => format!("{at} INFO order {uuid} is stored, took {} ms\n", random.below(900)),
        2 => format!("{{\"id\":\"{uuid}\",\"created\":{at},\"items\":[],\"owner\":\"anna\"}}\0"),
        3 => format!("digest sha256:{}\0", random.text(b"0123456789abcdef", 64)),
        _ => format!("org.example.shop.{}Service\0", random.text(b"etaoinshrdlu", 9)),
    }
}

/// Tokens and passwords among a little text.
pub(crate) fn tokens(random: &mut Random) -> String {
    match random.below(4) {
        0 => format!("password={}\0", values::password(16, random)),
        1 => format!("Authorization: Bearer {}\r\n", random.text(BASE62, 40)),
        2 => format!(
            "{{\"token\":\"{}\",\"session\":\"{}\"}}",
            values::github_token(random),
            values::uuid(random)
        ),
        _ => format!("{}\0", random.text(b"etaoin shrdlu", 400)),
    }
}
