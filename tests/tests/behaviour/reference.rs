//! The engine against a slow matcher that knows no literals: every pattern by itself, at every offset
//! of every run of text.
//!
//! What a pattern matches is well-defined where it begins with a literal, for then each place is a
//! candidate of its own. Checks, borders and what outranks what are left out on both sides: the patterns of the
//! built-in rules are run as patterns of the user.
#![expect(clippy::unwrap_used, reason = "a test that cannot run fails")]
#![expect(clippy::disallowed_methods, reason = "reads its own fixtures")]

use std::collections::BTreeSet;
use std::io::Read;
use std::ops::Range;

use cryoscan::matching::{Engine, Kernel, Scratch};
use cryoscan::region::Decoded;
use cryoscan::rule::{Anchor, Rule, RuleSet};
use cryoscan_tests::fixtures;
use cryoscan_tests::generate::generate;
use cryoscan_tests::random::Random;
use regex_automata::{Anchored, Input};

/// Rule, first byte, byte behind the last.
type Found = BTreeSet<(String, usize, usize)>;

/// Bytes around a match that a pattern may look at.
const SURROUNDINGS: usize = 64;

/// The patterns of all rules that begin with a literal, as patterns of the user.
fn patterns() -> RuleSet {
    let mut set = RuleSet::default();
    for rule in RuleSet::builtin().unwrap().rules() {
        let source = rule.pattern.source();
        let mut alone = RuleSet::default();
        // Some are for short values and would match nothing, everywhere.
        let is_usable = alone.add_grep(source).is_ok();
        if is_usable && alone.rules().iter().all(|rule| rule.anchor == Anchor::Prefix) {
            set.add_grep(source).unwrap();
        }
    }
    set
}

/// The runs of text: characters of UTF-8 without control characters, but for tab and the ends of lines.
fn text_runs(bytes: &[u8]) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    let mut at = 0;
    for chunk in bytes.utf8_chunks() {
        let mut end = None;
        for (offset, c) in chunk.valid().char_indices() {
            let range = at + offset..at + offset + c.len_utf8();
            if c.is_ascii_control() && !"\t\r\n".contains(c) {
                continue;
            }
            match runs.last_mut().filter(|_| end == Some(range.start)) {
                Some(last) => last.end = range.end,
                None => runs.push(range.clone()),
            }
            end = Some(range.end);
        }
        at += chunk.valid().len() + chunk.invalid().len();
    }
    runs
}

/// Every place at which the pattern of a rule matches.
fn slowly(rule: &Rule, bytes: &[u8], runs: &[Range<usize>], found: &mut Found) {
    let regex = rule.pattern.regex().unwrap();
    for run in runs {
        for at in run.clone() {
            let end = run.end.min(at + rule.max_len + SURROUNDINGS);
            let text = &bytes[run.start..end];
            let input = Input::new(text).range(at - run.start..).anchored(Anchored::Yes);
            if let Some(hit) = regex.search(&input) {
                let end = run.start + hit.end().min(hit.start() + rule.max_len);
                found.insert((rule.id.clone(), at, end));
            }
        }
    }
}

/// What the engine finds as it lies, and the rules that it did not follow everywhere.
fn by_engine(engine: &Engine, bytes: &[u8]) -> (Found, BTreeSet<String>) {
    let mut found = Found::new();
    let id = |rule| engine.rules().get(rule).id.clone();
    let scanned = engine.scan_file("dump", bytes, &mut Scratch::default(), |hit| {
        if hit.locus.decoded == Decoded::PLAIN {
            let at = usize::try_from(hit.locus.at).unwrap();
            let len = usize::try_from(hit.locus.len).unwrap();
            found.insert((id(hit.judgement.rule), at, at + len));
        }
    });
    (found, scanned.throttled.iter().filter_map(|it| it.rule).map(id).collect())
}

/// Compares every kernel with the slow matcher; gives the number of matches.
fn compare(engines: &[(Kernel, Engine)], bytes: &[u8]) -> usize {
    let runs = text_runs(bytes);
    let mut expected = Found::new();
    let (_, engine) = engines.first().unwrap();
    for rule in engine.rules().rules() {
        slowly(rule, bytes, &runs, &mut expected);
    }
    for (kernel, engine) in engines {
        let (found, throttled) = by_engine(engine, bytes);
        let differ = |it: &&(String, usize, usize)| !throttled.contains(&it.0);
        let lost: Vec<_> = expected.difference(&found).filter(differ).take(5).collect();
        // Where a string is also read without its escapes, it may end earlier there.
        let is_elsewhere = |(id, at, _): &&(String, usize, usize)| {
            let same_start = (id.clone(), *at, 0)..=(id.clone(), *at, usize::MAX);
            expected.range(same_start).next().is_none()
        };
        let more = found.difference(&expected).filter(differ).filter(is_elsewhere);
        let more: Vec<_> = more.take(5).collect();
        let source = lost.iter().chain(&more).next().and_then(|(id, ..)| {
            let mut rules = engine.rules().rules().iter();
            rules.find(|rule| rule.id == *id).map(|rule| rule.pattern.source())
        });
        let name = kernel.name();
        assert!(source.is_none(), "{name}: lost {lost:?}, has {more:?}, {source:?}");
        assert!(throttled.len() < 20, "{name}: {throttled:?}");
    }
    expected.len()
}

fn engines() -> Vec<(Kernel, Engine)> {
    let engine = |kernel| (kernel, Engine::on(kernel, patterns(), [7; 32]));
    Kernel::available().into_iter().map(engine).collect()
}

#[test]
fn examples_of_all_rules_are_matched_as_by_each_pattern_alone() {
    let engines = engines();
    let mut random = Random::new(13);
    let mut bytes = Vec::new();
    for (id, examples, counterexamples) in RuleSet::examples(cryoscan_rules::SECRETS).unwrap() {
        for (seed, example) in (0..).zip(examples.iter().chain(&counterexamples)) {
            let made = generate(&id, &example.r#gen, example.value.as_deref(), seed);
            let between: &[&[u8]] = &[b"\0", b"\n", b" ", b"\"", b"x7", b"\xff", "ß".as_bytes()];
            bytes.extend(made.unwrap().text.as_bytes());
            bytes.extend(between[random.below(between.len())]);
        }
    }
    let rules = engines.first().unwrap().1.rules().rules().len();
    let count = compare(&engines, &bytes);
    assert!(rules > 200 && count > rules, "{rules} rules, {count} matches");
}

#[test]
fn real_memory_is_matched_as_by_each_pattern_alone() {
    const PART: u64 = 64 << 10;
    let engines = engines();
    let mut count = 0;
    for fixture in fixtures::load(&fixtures::folder()).unwrap() {
        let file = std::fs::File::open(&fixture.archive).unwrap();
        let mut decoder = zstd::stream::read::Decoder::new(file).unwrap();
        let mut given = 0;
        loop {
            let mut part = Vec::new();
            (&mut decoder).take(PART).read_to_end(&mut part).unwrap();
            if part.is_empty() || given == 2 {
                break;
            }
            // What the fast one finds nothing in would be looked at in vain too often.
            if by_engine(&engines[0].1, &part).0.len() > 1 {
                given += 1;
                count += compare(&engines, &part);
            }
        }
    }
    assert!(count > 50, "{count}");
}
