//! The same of the program: every command, its log, and a fault in it.
//!
//! These tests start themselves once more, as the program, so that all it writes is seen.
#![expect(clippy::disallowed_methods, reason = "reads what the program has written")]
#![expect(clippy::panic, reason = "provokes faults")]

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::{env, fs, panic, thread};

use cryoscan::cli;
use cryoscan::report::{FORMATS, Record};
use cryoscan::scan::{self, Progress, Settings, Target};
use cryoscan_tests::fixtures::{self, Fixture};
use cryoscan_tests::scanned::Files;

use super::{assert_silent, needles};

/// Arguments for [`the_program`], one a line.
const ARGS: &str = "SILENCE_ARGS";

/// A text for a fault after the run.
const FAULT: &str = "SILENCE_FAULT";

/// The program, if another test here has started it.
#[test]
fn the_program() {
    let Some(args) = env::var_os(ARGS) else { return };
    let args = args.into_string().unwrap();
    cli::run(["cryoscan"].into_iter().chain(args.lines()).map(Into::into));
    if let Some(text) = env::var_os(FAULT) {
        faults(&text.into_string().unwrap());
    }
}

/// Faults of every kind with a text in their message: caught, on a thread, and in the middle of a
/// scan.
fn faults(text: &str) {
    panic::catch_unwind(|| panic!("{text}")).unwrap_err();
    panic::catch_unwind(|| text.parse::<u32>().map_err(|_| text).unwrap()).unwrap_err();
    thread::scope(|scope| scope.spawn(|| panic!("{text}")).join().unwrap_err());
    let target = fixtures::folder().join("docker/checkpoint.tar.zst");
    let fault = panic::AssertUnwindSafe(|| {
        let mut emit = |record: Record| panic!("{text} {record:?}");
        scan::scan(&[Target::Path(target)], &Settings::default(), &Progress::default(), &mut emit)
    });
    panic::catch_unwind(fault).map(|_| ()).unwrap_err();
}

/// What the program writes to standard output and standard error.
fn run(args: &[&str], variables: &[(&str, &str)]) -> Vec<u8> {
    let mut program = Command::new(env::current_exe().unwrap());
    program.args(["--exact", "silence::commands::the_program", "--nocapture"]).stdin(Stdio::null());
    program.env_clear().env("NO_COLOR", "1").env(ARGS, args.join("\n"));
    let Output { stdout, stderr, status } =
        program.envs(variables.iter().copied()).output().unwrap();
    let all = [stdout, stderr].concat();
    assert!(status.success(), "{}", String::from_utf8_lossy(&all));
    all
}

fn assert_contains(output: &[u8], text: &str, what: &str) {
    let found = memchr::memmem::find(output, text.as_bytes()).is_some();
    assert!(found, "{what}: no {text:?} in {}", String::from_utf8_lossy(output));
}

/// Scans into a file of every format, and gives what the program and all of them say.
fn scan(fixture: &Fixture, folder: &Path, more: &[&str], variables: &[(&str, &str)]) -> Vec<u8> {
    let reports: Vec<_> = FORMATS.iter().map(|it| (it.name, folder.join(it.name))).collect();
    let outputs: Vec<String> =
        reports.iter().map(|(name, path)| format!("-o{name}={}", path.display())).collect();
    let mut args = vec!["scan", fixture.archive.to_str().unwrap()];
    args.extend(outputs.iter().map(String::as_str));
    let mut all = run(&[&args, more].concat(), variables);
    for (_, path) in &reports {
        all.extend(fs::read(path).unwrap());
    }
    all
}

/// Whatever is set, the log is as loud as it can be.
const TRACE: [(&str, &str); 1] = [("RUST_LOG", "trace")];

fn check(output: &[u8], fixture: &Fixture, what: &str, expected: &str) {
    let what = format!("{}: {what}", fixture.truth.name);
    assert_contains(output, expected, &what);
    assert_silent(output, fixture, &what);
}

#[test]
fn no_scan_and_no_gate_shows_a_planted_value() {
    for fixture in fixtures::load(&fixtures::folder()).unwrap() {
        let files = Files::new();
        let folder = files.add("mark", b"").parent().unwrap().to_owned();
        let cache = folder.join("cache");
        let more = ["-vvv", "--cache", cache.to_str().unwrap()];
        let mut said = scan(&fixture, &folder, &more, &TRACE);
        said.extend(fs::read(&cache).unwrap());
        check(&said, &fixture, "scan -vvv", r#"{"type":"finding""#);
        let report = folder.join("jsonl");
        let gate = ["gate", report.to_str().unwrap(), "--fail-on", "info:low", "-vvv"];
        check(&run(&gate, &TRACE), &fixture, "gate", "FAILED: ");
        // Of a report that shows its values, too.
        let shown = folder.join("shown.jsonl");
        let output = format!("-ojsonl={}", shown.display());
        run(&["scan", fixture.archive.to_str().unwrap(), &output, "--show-secrets", "-q"], &[]);
        let explain = ["explain", "c1-0001", shown.to_str().unwrap(), "-vvv"];
        check(&run(&explain, &TRACE), &fixture, "explain", "Why it was reported");
        let stats = ["rules", "stats", fixture.archive.to_str().unwrap(), "-vvv"];
        check(&run(&stats, &TRACE), &fixture, "rules stats", "Matching took");
    }
}

#[test]
fn inspect_shows_no_planted_value() {
    for fixture in fixtures::load(&fixtures::folder()).unwrap() {
        let inspect = ["inspect", fixture.archive.to_str().unwrap(), "-vvv", "-f"];
        let page = run(&[&inspect[..], &["text"]].concat(), &[]);
        check(&page, &fixture, "inspect -vvv", "Memory of");
        let object = run(&[&inspect[..], &["json"]].concat(), &TRACE);
        check(&object, &fixture, "inspect -f json", r#""processes""#);
    }
}

#[test]
fn no_rule_shows_a_planted_value() {
    let mut all = run(&["rules", "list"], &[]);
    all.extend(run(&["rules", "list", "-f", "json"], &[("RUST_LOG", "trace")]));
    assert_contains(&all, "github-pat-classic", "rules");
    for mut fixture in fixtures::load(&fixtures::folder()).unwrap() {
        // A decoy may be what a rule says that it does not find.
        fixture.truth.values.retain(|planted| !planted.decoy);
        assert_silent(&all, &fixture, "rules");
    }
}

#[test]
fn no_fault_shows_what_it_is_about() {
    let value: String = ["wandering", "albatross", "4711"].concat();
    let docker = fixtures::load(&fixtures::folder()).unwrap();
    let docker = docker.iter().find(|it| it.truth.name == "docker").unwrap();
    for trace in ["0", "full"] {
        let variables = [(FAULT, value.as_str()), ("RUST_BACKTRACE", trace), ("RUST_LOG", "trace")];
        let output = run(&["rules", "show", "jwt", "-vvv"], &variables);
        let text = String::from_utf8_lossy(&output);
        assert_eq!(text.matches("a fault in the program at ").count(), 4, "{text}");
        assert_contains(&output, "silence/commands.rs:", "the place is told");
        for (encoding, needle) in needles(value.as_bytes()) {
            let found = memchr::memmem::find(&output, &needle);
            assert!(found.is_none(), "shown in {encoding}: {text}");
        }
        assert_silent(&output, docker, "a fault in the middle of a scan");
    }
}
