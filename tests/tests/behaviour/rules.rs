//! Every built-in rule finds its examples, in every encoding and between the neighbours that memory
//! has, at exactly their bytes, and never its counterexamples.
#![expect(clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::ops::Range;

use cryoscan::matching::proving::{Bench, Case, Hit, Setting, is_seen_plainly, kinds, settings};
use cryoscan::matching::{Engine, Scratch};
use cryoscan::rule::{Edge, Example, Rule, RuleSet};
use cryoscan_tests::generate::{Generated, generate};

const SEEDS: Range<u64> = 1..3;

/// Checks that tell by themselves where a value ends, whatever follows it.
const FIND_THE_END: &[&str] = &[
    "aws-access-key-id",
    "aws-ecr-password",
    "azure-account-key",
    "azure-cask-key",
    "azure-client-secret",
    "azure-storage-key",
    "cloudflare-tunnel",
    "certificate",
    "bip32-key",
    "bitcoin-address",
    "crypt-hash",
    "curve-public-key",
    "der-private-key",
    "flyio-macaroon",
    "github-crc32",
    "gitlab-routable",
    "jenkins-ciphertext",
    "jwe",
    "jwt",
    "kubernetes-key-data",
    "kubernetes-secret-proto",
    "kubernetes-service-account",
    "npm-crc32",
    "onepassword-token",
    "openai-key",
    "openpgp-packet",
    "openssh",
    "pem",
    "prefixed-jwt",
    "pypi-macaroon",
    "rsa-public-key",
    "signify-key",
    "slack-token",
    "stripe-key",
    "vault-token",
    "vercel-crc32",
];

/// What went wrong: by rule and text, in how many settings, and what the first of them was.
#[derive(Default)]
struct Faults(BTreeMap<(String, String), (u64, String)>);

impl Faults {
    fn add(&mut self, case: &Case<'_>, setting: Setting, about: &Hit, hits: &[Hit]) {
        let key = (case.rule.id.clone(), case.text.clone());
        let first = || (0, format!("{about:x?} {setting:?}\n    found {hits:x?}"));
        self.0.entry(key).or_insert_with(first).0 += 1;
    }
}

impl std::fmt::Display for Faults {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|((rule, text), (count, first))| {
            writeln!(f, "{rule}: {text:?} in {count} settings; the first: {first}")
        })
    }
}

/// All examples or counterexamples, each from several seeds.
fn cases(rules: &RuleSet, pick: fn(&cryoscan::rule::RuleExamples) -> &[Example]) -> Vec<Case<'_>> {
    let all = RuleSet::examples(cryoscan_rules::SECRETS).expect("the built-in rules load");
    let mut cases = Vec::new();
    for entry in &all {
        let rule = rules.rules().iter().find(|rule| rule.id == entry.0).expect("a rule");
        for (example, seed) in pick(entry).iter().flat_map(|e| SEEDS.map(move |seed| (e, seed))) {
            let made = generate(&rule.id, &example.r#gen, example.value.as_deref(), seed)
                .unwrap_or_else(|error| panic!("{error}"));
            let path = example.path.clone().unwrap_or_default();
            let value = made.offset()..made.offset() + made.value.len();
            let has_end = has_end(rule, &made);
            cases.push(Case { rule, text: made.text, value, path, has_end });
        }
    }
    assert!(!cases.is_empty());
    cases
}

/// Whether the value's end can be told although text goes on behind it.
fn has_end(rule: &Rule, made: &Generated) -> bool {
    let is_inside = made.offset() + made.value.len() < made.text.len();
    is_inside
        || (rule.edge != Edge::Hard && rule.fixed_len)
        || rule.checks.iter().any(|check| FIND_THE_END.contains(&check.name))
}

/// The built-in rules, ready to be tried.
fn bench() -> Bench {
    Bench::new(RuleSet::builtin().expect("the built-in rules load"))
}

/// Scans a text in a setting; gives where the value is, and what was found.
fn scan(bench: &mut Bench, case: &Case<'_>, setting: Setting) -> (Hit, Vec<Hit>) {
    let tried = bench.scan(case, setting);
    assert!(!tried.throttled, "{}: {setting:?}", case.rule.id);
    (tried.expected, tried.hits)
}

#[test]
fn examples_are_found_at_their_exact_bytes_in_every_surrounding() {
    let mut bench = bench();
    let rules = RuleSet::builtin().unwrap();
    let mut outranked: BTreeMap<(String, String), u64> = BTreeMap::new();
    let (mut faults, mut tried) = (Faults::default(), 0);
    for (index, case) in cases(&rules, |(_, examples, _)| examples).iter().enumerate() {
        for setting in settings(case, index as u64) {
            let (expected, hits) = scan(&mut bench, case, setting);
            tried += 1;
            let there: Vec<&Hit> = hits
                .iter()
                .filter(|hit| (hit.at, hit.len) == (expected.at, expected.len))
                .collect();
            match there.as_slice() {
                hits if hits.iter().any(|hit| hit.rule == expected.rule) && !is_twice(hits) => {}
                [hit, ..] => *outranked.entry((expected.rule, hit.rule.clone())).or_default() += 1,
                // A stream may hold a value as it lies.
                [] if hits.iter().any(|hit| hit.rule == expected.rule && expected.covers(hit)) => {}
                _ => faults.add(case, setting, &expected, &hits),
            }
        }
    }
    for ((rule, by), count) in &outranked {
        println!("{rule}: {count} examples are reported by {by}, which outranks it");
    }
    assert!(faults.0.is_empty(), "not found, in {tried} settings:\n{faults}");
    assert!(tried > 5000, "{tried}");
}

/// Whether one rule found one span twice. In a stream all values have the same one.
fn is_twice(hits: &[&Hit]) -> bool {
    let mut values: Vec<&Hit> = hits.to_vec();
    values.sort();
    values.dedup();
    values.len() < hits.len()
}

#[test]
fn counterexamples_are_never_found() {
    let mut bench = bench();
    let rules = RuleSet::builtin().unwrap();
    let mut faults = Faults::default();
    for (index, case) in cases(&rules, |(_, _, none)| none).iter().enumerate() {
        let settings = settings(case, index as u64);
        for setting in settings.into_iter().filter(|setting| !is_seen_plainly(setting)) {
            let (unwanted, hits) = scan(&mut bench, case, setting);
            if hits.iter().any(|hit| hit.rule == unwanted.rule) {
                faults.add(case, setting, &unwanted, &hits);
            }
        }
    }
    assert!(faults.0.is_empty(), "found:\n{faults}");
}

#[test]
fn rules_look_where_they_say_and_nowhere_else() {
    let mut bench = bench();
    let rules = RuleSet::builtin().unwrap();
    for case in cases(&rules, |(_, examples, _)| examples) {
        let plain = settings(&case, 1).into_iter().next();
        for (kind, looks) in plain.iter().flat_map(|_| kinds(case.rule)) {
            let setting = Setting { kind, ..plain.expect("a setting") };
            let (expected, hits) = scan(&mut bench, &case, setting);
            let by_it = hits.iter().any(|hit| hit.rule == expected.rule);
            let there = hits.iter().any(|hit| (hit.at, hit.len) == (expected.at, expected.len));
            let is_right = if looks { there } else { !by_it };
            assert!(is_right, "{expected:x?} {kind:?}: found {hits:x?}");
        }
    }
}

#[test]
fn a_secret_inside_of_an_indicator_is_not_shown() {
    let made = generate(
        "r",
        "python3 -c 'import socket,os,pty;k=\"ghp_{base62:30}{crc32}\";os.dup2(3,0);pty.spawn(\"/bin/sh\")'",
        None,
        1,
    )
    .expect("a text");
    let bytes = [b"$ ", made.text.as_bytes(), b"\n"].concat();
    let engine = Engine::new(RuleSet::builtin().expect("the built-in rules load"), [7; 32]);
    let mut shown = Vec::new();
    engine.scan_file("root/.bash_history", &bytes, &mut Scratch::default(), |found| {
        let rule = engine.rules().get(found.judgement.rule);
        shown.push((rule.id.clone(), String::from_utf8_lossy(found.value.expose()).into_owned()));
    });
    let of = |id: &str| shown.iter().find(|(rule, _)| rule == id).map(|(_, value)| value.as_str());
    let token = of("github-pat-classic").expect("the token");
    let command = of("reverse-shell-cmd").expect("the command");
    assert_eq!(command, made.text.trim_end_matches('\'').replace(token, &"*".repeat(token.len())));
}
