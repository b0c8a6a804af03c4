//! Rules that need more than bytes around them: arguments, environments, paths, metadata, and what
//! only two places of a checkpoint prove together. Whole scans of built checkpoints.
#![expect(clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;

use cryoscan::finding::{Finding, Place};
use cryoscan::region::RegionKind;
use cryoscan::report::Record;
use cryoscan::rule::{Anchor, Report, Rule, RuleSet, View};
use cryoscan::scan::{Progress, Settings, Target, scan_from};
use cryoscan_tests::builder::{ARGUMENTS, Archive, Checkpoint, Mapping, Process, Producer};
use cryoscan_tests::generate::{Generated, generate};
use cryoscan_tests::random::Random;
use cryoscan_tests::values;

const HEAP: u64 = 0x7f00_0000_0000;

/// The findings in an archive.
fn scan(tar: &[u8]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let settings = Settings::default();
    let outcome =
        scan_from(&[Target::Stdin], &settings, &Progress::default(), &mut { tar }, &mut |record| {
            if let Record::Finding(finding) = record {
                findings.push(finding);
            }
            Ok(())
        });
    let outcome = outcome.expect("a scan");
    assert!(outcome.complete && outcome.failed.is_empty(), "{outcome:?}");
    findings
}

fn of_processes(processes: impl IntoIterator<Item = Process>) -> Archive {
    let checkpoint = processes.into_iter().fold(Checkpoint::new(), Checkpoint::process);
    Archive::of(Producer::Criu, &checkpoint)
}

/// A process whose heap holds the texts, far apart.
fn holding(pid: u32, texts: &[&str]) -> Process {
    let mut heap = Mapping::zero(HEAP, 0x10_0000);
    for (at, text) in (HEAP + 0x4010..).step_by(0x2_0000).zip(texts) {
        heap = heap.put(at, text);
    }
    Process::new(pid, "app").map(heap)
}

/// An example or counterexample of a rule, filled in.
struct Case {
    rule: usize,
    made: Generated,
    path: Option<String>,
    /// Whether the rule must find it, or must not.
    wanted: bool,
}

/// The cases of the rules that `pick` picks.
fn cases(rules: &RuleSet, seeds: u64, pick: impl Fn(&Rule) -> bool) -> Vec<Case> {
    let all = RuleSet::examples(cryoscan_rules::SECRETS).expect("the built-in rules load");
    let mut cases = Vec::new();
    for (id, examples, counterexamples) in &all {
        let rule = rules.rules().iter().position(|rule| rule.id == *id).expect("a rule");
        if !rules.rules().get(rule).is_some_and(&pick) {
            continue;
        }
        let wanted = examples.iter().map(|example| (example, true));
        let unwanted = counterexamples.iter().map(|example| (example, false));
        for (example, wanted) in wanted.chain(unwanted) {
            for _ in 0..seeds {
                // No value twice: one value is one finding, whatever found it where.
                let seed = cases.len() as u64;
                let made = generate(id, &example.r#gen, example.value.as_deref(), seed);
                let made = made.unwrap_or_else(|error| panic!("{error}"));
                cases.push(Case { rule, made, path: example.path.clone(), wanted });
            }
        }
    }
    assert!(!cases.is_empty(), "no case");
    cases
}

/// The rules that report each place, by what `of` makes of the place.
fn by_place<K: Ord>(
    findings: &[Finding],
    of: impl Fn(&Place) -> Option<K>,
) -> BTreeMap<K, Vec<&str>> {
    let mut map: BTreeMap<K, Vec<&str>> = BTreeMap::new();
    for finding in findings {
        for key in finding.places.iter().filter_map(&of) {
            map.entry(key).or_default().push(&finding.rule.id);
        }
    }
    map
}

/// Every string of arguments and environments has its exact place there, and its own rule, or one
/// that says more.
#[test]
fn arguments_and_environments() {
    let rules = RuleSet::builtin().unwrap();
    for (word, kind) in [("argv", RegionKind::Argv), ("environ", RegionKind::Environ)] {
        let cases = cases(&rules, 3, |r| r.anchor == Anchor::Label && r.places.holds(kind));
        let process = |(pid, case): (u32, &Case)| {
            let process = Process::new(pid, "app");
            let text = case.made.text.as_str();
            if kind == RegionKind::Environ {
                return process.environ(&["LANG=C", text, "HOME=/root"]);
            }
            let program = text.starts_with('-').then_some("app");
            let argv: Vec<&str> =
                program.into_iter().chain(text.split('\0')).chain(["--last"]).collect();
            process.argv(&argv)
        };
        let findings = scan(&of_processes((1..).zip(&cases).map(process)).tar());
        let found = by_place(&findings, |place| {
            (place.region == kind).then_some((place.pid?, place.address?.0, place.length))
        });
        for (pid, case) in (1..).zip(&cases) {
            let id = &rules.rules()[case.rule].id;
            let is_flag = case.made.text.starts_with('-');
            let before = if kind == RegionKind::Environ { "app\0LANG=C\0" } else { "app\0" };
            let before = if kind == RegionKind::Argv && !is_flag { "" } else { before };
            let address = ARGUMENTS + (before.len() + case.made.offset()) as u64;
            let by = found.get(&(pid, address, case.made.value.len() as u64));
            let by = by.cloned().unwrap_or_default();
            if case.wanted {
                let others: Vec<_> = found.range((pid, 0, 0)..(pid + 1, 0, 0)).collect();
                assert!(!by.is_empty(), "{id} in {word}: {:?}: {others:x?}", case.made.text);
                for other in by.iter().filter(|by| *by != id) {
                    println!("{id} in {word}: reported by {other}, which outranks it");
                }
            } else {
                let mine = found
                    .range((pid, 0, 0)..(pid + 1, 0, 0))
                    .any(|(_, by)| by.contains(&id.as_str()));
                assert!(!mine, "{id} in {word}: {:?}", case.made.text);
            }
        }
    }
}

#[test]
fn files_with_a_path_of_their_own() {
    let rules = RuleSet::builtin().unwrap();
    for case in cases(&rules, 2, |rule| rule.anchor == Anchor::Path) {
        let path = case.path.as_deref().expect("a rule that asks for a path gives one");
        let inner = path.strip_prefix("rootfs-diff.tar!").expect("a path in the difference");
        // Bytes of any value are written as the characters of that number.
        let is_binary = rules.rules()[case.rule].view == View::Bytes;
        let bytes = |text: &str| -> Vec<u8> {
            if is_binary {
                return text.chars().map(|c| u8::try_from(c).expect("a byte")).collect();
            }
            text.as_bytes().to_vec()
        };
        let text = bytes(&case.made.text);
        let file = [(inner, text.as_slice())];
        let tar = of_processes([Process::new(1, "app")]).rootfs_diff(&file, false).tar();
        let findings = scan(&tar);
        let found =
            by_place(&findings, |place| Some((place.path.clone()?, place.offset?, place.length)));
        let key =
            (path.to_owned(), case.made.offset() as u64, bytes(&case.made.value).len() as u64);
        let id = rules.rules()[case.rule].id.as_str();
        let by = found.get(&key).cloned().unwrap_or_default();
        assert_eq!(by.contains(&id), case.wanted, "{id} in {path}: {found:?}");
    }
}

/// What containers were started with stands in the engine's own files.
#[test]
fn metadata() {
    let rules = RuleSet::builtin().unwrap();
    let only_there = |rule: &Rule| {
        rule.places.holds(RegionKind::Metadata) && !rule.places.holds(RegionKind::Memory)
    };
    for case in cases(&rules, 2, only_there) {
        let id = rules.rules()[case.rule].id.as_str();
        let config = format!(r#"{{"id": "c0ffee", {}}}"#, case.made.text);
        let offset = config.find(&case.made.value).expect("the value") as u64;
        let checkpoint = Checkpoint::new().process(Process::new(1, "app"));
        let archive = Archive::default().images("checkpoint/", &checkpoint);
        let findings = scan(&archive.member("config.dump", config).tar());
        let found = by_place(&findings, |place| {
            let there = place.region == RegionKind::Metadata;
            there.then_some((place.path.clone()?, place.offset?, place.length))
        });
        let key = ("config.dump".to_owned(), offset, case.made.value.len() as u64);
        let by = found.get(&key).cloned().unwrap_or_default();
        assert_eq!(by.contains(&id), case.wanted, "{id}: {}: {found:?}", case.made.text);
    }
}

/// The ids of the rules that report something at a heap address.
fn on_heap(findings: &[Finding], address: u64) -> Vec<&str> {
    let found =
        by_place(findings, |place| Some((place.region == RegionKind::Memory, place.address?.0)));
    found.get(&(true, address)).cloned().unwrap_or_default()
}

#[test]
fn half_an_aws_pair_is_reported_where_the_other_half_is() {
    let (id, secret) = values::aws_pair(123_456_789_012, &mut Random::new(7));
    let at = HEAP + 0x4010;
    let alone = scan(&of_processes([holding(1, &[&secret])]).tar());
    assert!(alone.is_empty(), "{alone:?}");

    let elsewhere = scan(&of_processes([holding(1, &[&secret]), holding(2, &[&id])]).tar());
    assert_eq!(on_heap(&elsewhere, at), ["aws-access-key-id"], "process 2 holds the id there");

    let pair = scan(&of_processes([holding(1, &[&secret, &id])]).tar());
    assert_eq!(on_heap(&pair, at), ["aws-secret-key-alone"]);
}

#[test]
fn a_copy_of_the_jenkins_key_is_reported_where_its_file_is() {
    let mut random = Random::new(8);
    let (key, digest) = (values::hex_key(32, &mut random), values::hex_key(32, &mut random));
    // Java keeps the length of an array before its bytes.
    let array = |text: &str| format!("\u{1}\0\0\0\0\0\0\0HK\0\0{}\0\0\0{text}", '\u{40}');
    let java = || of_processes([holding(1, &[&array(&key), &array(&digest)])]);
    let at = HEAP + 0x4020;
    let alone = scan(&java().tar());
    assert!(alone.is_empty(), "{alone:?}");

    let file = [("var/jenkins_home/secret.key", key.as_bytes())];
    let findings = scan(&java().rootfs_diff(&file, false).tar());
    assert_eq!(on_heap(&findings, at), ["jenkins-secret-key"]);
    assert!(on_heap(&findings, at + 0x2_0000).is_empty(), "a digest like any other");
    assert_eq!((findings.len(), findings[0].files, findings[0].processes), (1, 1, 1));

    let other = values::hex_key(32, &mut random);
    let file = [("var/jenkins_home/secret.key", other.as_bytes())];
    let findings = scan(&java().rootfs_diff(&file, false).tar());
    assert!(on_heap(&findings, at).is_empty(), "the key of another instance");
}

/// A rule that waits for a proof has a test of that proof above.
#[test]
fn every_rule_that_waits_for_a_proof_has_its_test() {
    let rules = RuleSet::builtin().unwrap();
    let waiting = rules.rules().iter().filter(|rule| rule.report == Report::Proven);
    let ids: Vec<&str> = waiting.map(|rule| rule.id.as_str()).collect();
    // Those of RSA stand in `rsa_words.rs`, of certificates and sessions in `proofs.rs`.
    let tested = [
        "aws-secret-key-alone",
        "certificate-pem",
        "curve-public-key",
        "jenkins-secret-key-copy",
        "rsa-prime-words",
        "rsa-public-key",
        "session-express",
        "session-laravel",
        "session-rails",
        "session-signed",
    ];
    assert_eq!(ids, tested);
}

/// A program that writes a title over its arguments keeps its environment on the heap.
#[test]
fn the_copy_of_an_environment_is_read_as_one() {
    let rules = RuleSet::builtin().unwrap();
    let only_there =
        |rule: &Rule| rule.anchor == Anchor::Label && rule.places.holds(RegionKind::Environ);
    let cases = cases(&rules, 1, only_there);
    let before = "\0LANG=C\0HOME=/root\0";
    let process = |(pid, case): (u32, &Case)| {
        let block = [before, &case.made.text, "\0PATH=/usr/bin:/bin\0TERM=xterm\0"].concat();
        let heap = Mapping::zero(HEAP, 0x4000).put(HEAP + 0x1010, &block);
        Process::new(pid, "app").argv(&["app: idle"]).map(heap)
    };
    let findings = scan(&of_processes((1..).zip(&cases).map(process)).tar());
    let found = by_place(&findings, |place| {
        (place.region == RegionKind::Memory).then_some((place.pid?, place.address?.0))
    });
    for (pid, case) in (1..).zip(&cases) {
        let id = rules.rules()[case.rule].id.as_str();
        let at = HEAP + 0x1010 + (before.len() + case.made.offset()) as u64;
        let by = found.get(&(pid, at)).cloned().unwrap_or_default();
        if case.wanted {
            assert!(!by.is_empty(), "{id}: {:?}", case.made.text);
        } else {
            assert!(!by.contains(&id), "{id}: {:?}", case.made.text);
        }
    }
}
