//! How often rules are tried, and how often in vain: counts that are the same on every machine, for times that
//! are not. A literal that stops being rare, or a rule that lost the one it had, shows here before a release.
//!
//! The bounds are what speed affords, for whole MiB. Ordinary memory is to be scanned at 3,000 MB a second: a
//! third of a millisecond a MB. A place where a rule is tried costs 20 to 100 ns, so a thousand of them are a tenth
//! to a third of it, and a tenth of that is what bytes that are no text may come to.

use std::sync::Arc;

use cryoscan::matching::Statistics;
use cryoscan::scan::Settings;
use cryoscan_tests::builder::Mapping;
use cryoscan_tests::random::Random;
use cryoscan_tests::scanned;
use cryoscan_tests::values;

/// Bytes of a case. The counts of a MiB would be four times as high.
const LENGTH: usize = 256 << 10;
const PER_MIB: u64 = 4;
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

/// Each character with a zero behind it.
fn wide(text: &str) -> String {
    text.chars().flat_map(|letter| [letter, '\0']).collect()
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
    let cases = [
        ("a heap", 100, Mapping::noise(0, LENGTH, 13).content().to_vec()),
        ("random bytes", 100, Random::new(13).bytes(LENGTH)),
        ("digests", 100, fill(|random| random.text(b"0123456789abcdef", 40) + "\n")),
        ("random base64", 1000, fill(|random| random.text(BASE64, 4096) + "\0")),
        ("UTF-16", 1000, fill(|random| wide(&random.text(b"etaoin shrdlu", 40)) + "\0\0\0")),
        // Nothing but text, and words that stand before secrets (`api`, `account`) in most lines: a quarter of a
        // heap is, so four times as much is affordable, and it may be tried five times at each such line.
        ("text of a service", 20_000, fill(lines)),
    ];
    for (name, most, bytes) in cases {
        let work = work(&bytes);
        assert!(work.candidates * PER_MIB <= most, "{name}: {work:?}");
    }
}

#[test]
fn memory_full_of_tokens_has_no_more_than_they_are() {
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
    let work = work(&fill(tokens));
    // Each is text of a known form, some by two rules; words and rules that share a prefix come on top.
    let findings = work.findings as u64;
    assert!(findings > 500, "{work:?}");
    assert!(work.matched <= 2 * findings && work.candidates <= 10 * findings, "{work:?}");
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
        let bytes = &bytes[..LENGTH / 4];
        let work = work(bytes);
        assert_eq!(work.findings, 0, "{name}: {work:?}");
        // Budgets, and not the bytes, say how often: on average no byte begins more than one attempt.
        assert!(work.candidates <= bytes.len() as u64, "{name}: {work:?}");
        assert!(work.matched <= bytes.len() as u64 / 16, "{name}: {work:?}");
    }
}
