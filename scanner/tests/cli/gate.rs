//! `cryoscan gate`, on reports of real checkpoints.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::{command, cryoscan, fixture, folder, stderr, stdout};

/// A report of a real checkpoint, in a file.
fn report(folder: &Path, name: &str, more: &[&str]) -> PathBuf {
    let path = folder.join(format!("{name}.jsonl"));
    scan(&fixture(name), &path, more);
    path
}

fn scan(target: &str, report: &Path, more: &[&str]) {
    let output = cryoscan(&[&["scan", target, "-f", "jsonl", "--no-measured"], more].concat());
    assert!(matches!(output.status.code(), Some(0 | 3)), "{target}: {}", stderr(&output));
    fs::write(report, &output.stdout).unwrap();
}

/// A real checkpoint of which the end is missing.
fn cut(folder: &Path) -> String {
    let whole = fs::read(fixture("docker")).unwrap();
    let path = folder.join("cut.tar.zst");
    fs::write(&path, &whole[..whole.len() / 10 * 9]).unwrap();
    text(&path).to_owned()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_report_is_judged_as_the_scan_itself() {
    let folder = folder("gate-same");
    let policies: [&[&str]; 10] = [
        &[],
        &["--fail-on", "critical:confirmed"],
        &["--fail-on", "high"],
        &["--fail-on", "info:low"],
        &["--fail-on", "high", "--findings-exit-code", "42"],
        &["--strict"],
        &["--strict", "--findings-exit-code=7"],
        &["--allow-incomplete"],
        &["--strict", "--allow-incomplete"],
        &["--fail-on=critical:confirmed", "--allow-incomplete"],
    ];
    let mut codes = Vec::new();
    for target in [fixture("nginx"), cut(&folder)] {
        let report = folder.join("report.jsonl");
        scan(&target, &report, &[]);
        for policy in policies {
            let direct = cryoscan(&[&["scan", &target], policy].concat());
            let gate = cryoscan(&[&["gate", text(&report)], policy].concat());
            assert_eq!(gate.status.code(), direct.status.code(), "{target} {policy:?}");
            assert!(stderr(&gate).is_empty(), "{}", stderr(&gate));
            codes.extend(gate.status.code());
        }
    }
    for expected in [0, 1, 3, 7, 42] {
        assert!(codes.contains(&expected), "{expected} is not shown by these: {codes:?}");
    }
}

#[test]
fn the_findings_that_fail_it_are_shown_worst_first() {
    let folder = folder("gate-page");
    report(&folder, "docker", &[]);
    report(&folder, "nginx", &[]);
    let args = ["gate", "docker.jsonl", "nginx.jsonl", "--fail-on", "high"];
    let output = command(&args).current_dir(&folder).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let page = stdout(&output);
    let verdicts: Vec<&str> = page.lines().filter(|line| !line.starts_with(' ')).collect();
    assert_eq!(verdicts.len(), 2, "{page}");
    assert!(verdicts[0].starts_with("FAILED: docker.jsonl: "), "{page}");
    assert!(verdicts[1].starts_with("FAILED: nginx.jsonl: "), "{page}");
    assert!(verdicts.iter().all(|line| line.contains(" at or above high:medium, of ")), "{page}");
    for of_report in page.split("FAILED: ").skip(1) {
        let shown = of_report.lines().skip(1).map(|line| line.split_whitespace().next().unwrap());
        let shown: Vec<&str> = shown.collect();
        assert!(shown.contains(&"critical"), "{page}");
        assert!(shown.is_sorted() && !shown.contains(&"low"), "worst first: {page}");
    }
}

#[test]
fn several_reports_make_one_exit_code() {
    let folder = folder("gate-several");
    let (one, other) = (report(&folder, "docker", &[]), report(&folder, "nginx", &[]));
    let missing = folder.join("missing.jsonl");
    let code = |paths: &[&Path], more: &[&str]| {
        let paths: Vec<&str> = paths.iter().map(|path| text(path)).collect();
        let output = cryoscan(&[&["gate"], paths.as_slice(), more].concat());
        (output.status.code().unwrap(), stdout(&output), stderr(&output))
    };
    assert_eq!(code(&[&one, &other], &["--fail-on", "critical"]).0, 1);
    let (exit, said, error) = code(&[&missing, &one], &["--fail-on", "critical"]);
    assert_eq!(exit, 2, "a report that is not there wins over findings");
    assert!(said.starts_with("FAILED: "), "the other one is judged: {said}");
    assert!(error.starts_with("cryoscan: ") && error.contains("missing.jsonl"), "{error}");
    // One after the other in one input.
    let both = [fs::read(&one).unwrap(), fs::read(&other).unwrap()].concat();
    let joined = folder.join("joined.jsonl");
    fs::write(&joined, both).unwrap();
    let (exit, said, _) = code(&[&joined], &["--fail-on", "critical"]);
    assert_eq!(exit, 1);
    assert_eq!(said.lines().filter(|line| line.contains("joined.jsonl")).count(), 2, "{said}");
}

#[test]
fn standard_input_is_a_report_too() {
    let folder = folder("gate-stdin");
    let report = fs::read(report(&folder, "docker", &[])).unwrap();
    let mut gate = command(&["gate", "-", "--fail-on", "high"]);
    let mut gate = gate.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    gate.stdin.take().unwrap().write_all(&report).unwrap();
    let output = gate.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).starts_with("FAILED: -: "), "{}", stdout(&output));
}

#[test]
fn what_is_no_whole_report_exits_with_2() {
    let folder = folder("gate-broken");
    let whole = fs::read_to_string(report(&folder, "docker", &[])).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    let without = |kind: &str| {
        let kept: Vec<&str> = lines.iter().filter(|line| !line.contains(kind)).copied().collect();
        kept.join("\n")
    };
    let cases = [
        ("empty", String::new(), "it is empty"),
        ("cut", without(r#""type":"summary""#), "ends without a `summary` record"),
        ("half", whole.trim_end_matches("}\n").to_owned(), "a record was cut short"),
        ("clean", without(r#""type":"finding""#), "lines were taken out"),
        ("tail", without(r#""type":"run""#), "line 1: no report begins here"),
        ("newer", whole.replace("cryoscan/1", "cryoscan/2"), "line 1: a report of another schema"),
        ("page", "Nothing was found".to_owned(), "line 1: no JSON"),
        ("sarif", r#"{"version":"2.1.0","runs":[]}"#.to_owned(), "line 1: no record of cryoscan/1"),
    ];
    for (name, text, expected) in cases {
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        let output = cryoscan(&["gate", path.to_str().unwrap(), "--allow-incomplete"]);
        assert_eq!(output.status.code(), Some(2), "{name}");
        assert!(output.stdout.is_empty(), "{name}: {}", stdout(&output));
        assert!(stderr(&output).contains(expected), "{name}: {}", stderr(&output));
        assert_eq!(stderr(&output).lines().count(), 1, "{name}: {}", stderr(&output));
    }
    let folder = folder.to_str().unwrap();
    assert_eq!(cryoscan(&["gate", folder]).status.code(), Some(2));
}

#[test]
fn a_report_that_shows_secrets_is_judged_without_them() {
    let folder = folder("gate-shown");
    let report = report(&folder, "docker", &["--show-secrets"]);
    let lines = fs::read_to_string(&report).unwrap();
    let values: Vec<String> = lines
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .filter_map(|line| Some(line["secret"]["value"].as_str()?.to_owned()))
        .collect();
    assert!(!values.is_empty());
    let output = cryoscan(&["gate", text(&report), "--fail-on", "info:low", "-v"]);
    assert_eq!(output.status.code(), Some(1));
    for value in values {
        assert!(!stdout(&output).contains(&value));
    }
}

#[test]
#[cfg(unix)]
fn a_reader_that_goes_away_does_not_change_the_exit_code() {
    let report = report(&folder("gate-pipe"), "docker", &[]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut gate = command(&["gate", text(&report), "--fail-on", "high"]);
    assert_eq!(gate.stdout(writer).status().unwrap().code(), Some(1));
}
