//! How often rules are tried, and how often in vain: counts that are the same on every machine, for times that
//! are not. A literal that stops being rare, or a rule that lost the one it had, shows here before a release.
//!
//! The bounds are what speed affords, for whole MiB. Ordinary memory is to be scanned at 3,000 MB a second: a
//! third of a millisecond a MB. A place where a rule is tried costs 20 to 100 ns, so a thousand of them are a tenth
//! to a third of it, and a tenth of that is what bytes that are no text may come to.

use std::sync::Arc;

use cryoscan::matching::Statistics;
use cryoscan::scan::Settings;
use cryoscan_tests::scanned;
use cryoscan_tests::workloads;

/// Bytes of a case. The counts of a MiB would be four times as high.
const LENGTH: usize = 256 << 10;
const PER_MIB: u64 = 4;

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

#[test]
fn ordinary_memory_has_few_candidates() {
    for (name, bytes) in workloads::ordinary(LENGTH, 13) {
        let most = match name {
            "random base64" | "UTF-16" => 1000,
            // Nothing but text, and words that stand before secrets (`api`, `account`) in most lines: a quarter of a
            // heap is, so four times as much is affordable, and it may be tried five times at each such line.
            "text of a service" => 20_000,
            _ => 100,
        };
        let work = work(&bytes);
        assert!(work.candidates * PER_MIB <= most, "{name}: {work:?}");
    }
}

#[test]
fn memory_full_of_tokens_has_no_more_than_they_are() {
    let work = work(&workloads::tokens(LENGTH, 13).1);
    // Each is text of a known form, some by two rules; words and rules that share a prefix come on top.
    let findings = work.findings as u64;
    assert!(findings > 500, "{work:?}");
    assert!(work.matched <= 2 * findings && work.candidates <= 10 * findings, "{work:?}");
}

#[test]
fn hostile_bytes_are_tried_no_oftener_than_affordable() {
    for (name, bytes) in workloads::hostile(LENGTH / 4, 13) {
        let work = work(&bytes);
        assert_eq!(work.findings, 0, "{name}: {work:?}");
        // Budgets, and not the bytes, say how often: on average no byte begins more than one attempt.
        assert!(work.candidates <= bytes.len() as u64, "{name}: {work:?}");
        assert!(work.matched <= bytes.len() as u64 / 16, "{name}: {work:?}");
    }
}
