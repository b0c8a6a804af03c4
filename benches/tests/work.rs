//! How often rules are tried, and how often in vain: counts that are the same on every machine, for times that
//! are not. A literal that stops being rare, or a rule that lost the one it had, shows here before a release.
//!
//! The bounds are what speed affords. Ordinary memory is to be scanned at 3,000 MB a second, 333 µs a MB; a
//! place that is looked at costs about 100 ns. So 300 places a MB are a tenth of the time, and memory full of
//! tokens, at half that speed, affords ten times as many.

use std::sync::Arc;

use cryoscan::matching::Statistics;
use cryoscan::scan::Settings;
use cryoscan_tests::builder::Mapping;
use cryoscan_tests::random::Random;
use cryoscan_tests::scanned;
use cryoscan_tests::values;

/// Bytes of a case; of a larger one they would be the same per MiB.
const LENGTH: usize = 1 << 20;
const BASE62: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const BASE64: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// What a scan looked at, and what a pattern matched there.
#[derive(Debug)]
struct Work {
    candidates: u64,
    matched: u64,
    findings: usize,
}

fn work(bytes: &[u8]) -> Work {
    assert_eq!(bytes.len(), LENGTH);
    let statistics = Arc::new(Statistics::new(|| 0));
    let settings =
        Settings { raw: true, statistics: Some(Arc::clone(&statistics)), ..Settings::default() };
    let scanned = scanned::scan_bytes(bytes, &settings);
    let rules = statistics.costs().rules;
    Work {
        candidates: rules.iter().map(|rule| rule.candidates).sum(),
        matched: rules.iter().map(|rule| rule.matched).sum(),
        findings: scanned.whole().of("finding").count(),
    }
}

/// Pieces one after the other, until there are enough.
fn fill(mut piece: impl FnMut(&mut Random) -> String) -> Vec<u8> {
    let (mut bytes, mut random) = (Vec::with_capacity(LENGTH + 4096), Random::new(13));
    while bytes.len() < LENGTH {
        bytes.extend(piece(&mut random).into_bytes());
    }
    bytes.truncate(LENGTH);
    bytes
}

#[test]
fn ordinary_memory_has_few_candidates() {
    let lines = |random: &mut Random| {
        let (uuid, at) = (values::uuid(random), random.below(86_400));
        match random.below(5) {
            0 => format!("GET /api/v1/orders/{uuid}?page={at} HTTP/1.1\r\nHost: shop.example.com\r\n"),
            1 => format!("{at} INFO order {uuid} is stored, took {} ms\n", random.below(900)),
            2 => format!("{{\"id\":\"{uuid}\",\"created\":{at},\"items\":[],\"owner\":\"anna\"}}\0"),
            3 => format!("digest sha256:{}\0", random.text(b"0123456789abcdef", 64)),
            _ => format!("org.example.shop.{}Service\0", random.text(b"etaoinshrdlu", 9)),
        }
    };
    let cases = [
        ("a heap", Mapping::noise(0, LENGTH, 13).content().to_vec()),
        ("text of a service", fill(lines)),
        ("random bytes", Random::new(13).bytes(LENGTH)),
        ("random base64", fill(|random| random.text(BASE64, 4096) + "\0")),
        ("digests", fill(|random| random.text(b"0123456789abcdef", 40) + "\n")),
        ("UTF-16", fill(|random| random.text(b"etaoin shrdlu", 40).replace("", "\0") + "\0\0\0")),
    ];
    for (name, bytes) in cases {
        let work = work(&bytes);
        eprintln!("{name}: {work:?}");
    }
}

#[test]
fn memory_full_of_tokens_has_no_more_than_they_are() {
    let tokens = |random: &mut Random| match random.below(4) {
        0 => format!("password={}\0", values::password(16, random)),
        1 => format!("Authorization: Bearer {}\r\n", random.text(BASE62, 40)),
        2 => format!("{{\"token\":\"{}\",\"session\":\"{}\"}}", values::github_token(random), values::uuid(random)),
        _ => format!("{}\0", random.text(b"etaoin shrdlu", 400)),
    };
    let work = work(&fill(tokens));
    eprintln!("tokens: {work:?}");
    assert!(work.findings > 1000, "{work:?}");
    assert!(work.candidates < 20 * work.findings as u64, "{work:?}");
}

#[test]
fn hostile_bytes_are_tried_no_oftener_than_affordable() {
    let head = ["-----", "BEGIN RSA PRIVATE KEY", "-----\n"].concat();
    let cases = [
        ("all A", fill(|_| "A".repeat(4096))),
        ("eyJ", fill(|_| "eyJ".repeat(1024))),
        ("password", fill(|_| "password".repeat(512))),
        ("a token every 8 bytes", fill(|random| format!("token={}", random.text(BASE62, 2)))),
        ("heads of PEM", fill(|_| head.repeat(100))),
        ("near misses", fill(|random| format!("ghp_{}\n", random.text(BASE62, 35)))),
        ("URIs without an end", fill(|_| "jdbc:mysql://".repeat(300))),
    ];
    for (name, bytes) in cases {
        let work = work(&bytes);
        eprintln!("{name}: {work:?}");
    }
}
