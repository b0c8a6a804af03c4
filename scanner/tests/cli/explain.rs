//! `cryoscan explain`, on a report and on a target, and the commands that it prints.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{cryoscan, fixture, folder, stderr, stdout};

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A report in a file.
fn report(folder: &Path, args: &[&str]) -> PathBuf {
    let output = cryoscan(&[&["scan", "-f", "jsonl", "--no-measured"], args].concat());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let path = folder.join("report.jsonl");
    fs::write(&path, &output.stdout).unwrap();
    path
}

fn explain(args: &[&str]) -> String {
    let output = cryoscan(&[&["explain"], args].concat());
    assert_eq!(output.status.code(), Some(0), "{args:?}: {}", stderr(&output));
    stdout(&output)
}

/// The findings of a report.
fn findings(report: &Path) -> Vec<serde_json::Value> {
    let lines = fs::read_to_string(report).unwrap();
    let records = lines.lines().map(|line| serde_json::from_str(line).unwrap());
    records.filter(|it: &serde_json::Value| it["type"] == "finding").collect()
}

#[test]
fn a_report_and_its_target_say_the_same_of_every_finding() {
    let folder = folder("explain-same");
    let target = fixture("docker");
    let report = report(&folder, &[&target]);
    let findings = findings(&report);
    assert!(!findings.is_empty());
    for finding in findings.iter().take(3) {
        let id = finding["id"].as_str().unwrap();
        let page = explain(&[id, text(&report)]);
        assert_eq!(explain(&[id, &target]), page);
        assert_eq!(explain(&[finding["fingerprint"].as_str().unwrap(), text(&report)]), page);
        for part in ["What it is", "Why it was reported", "Where it lies", "What to do", id] {
            assert!(page.contains(part), "{part}: {page}");
        }
        let rule = finding["rule"]["id"].as_str().unwrap();
        assert!(page.contains(&format!("cryoscan rules show {rule}")), "{page}");
    }
}

#[test]
fn the_commands_print_the_bytes_of_the_finding() {
    let folder = folder("explain-commands");
    let files = folder.join("a folder");
    fs::create_dir(&files).unwrap();
    let noise = "nothing to see here\n".repeat(500);
    let found = "a needle-in-a-haystack, and more";
    fs::write(files.join("it's.txt"), format!("{noise}{found}{noise}")).unwrap();
    let mut archive = tar::Builder::new(fs::File::create(folder.join("x.tar")).unwrap());
    archive.append_dir_all("some", &files).unwrap();
    archive.into_inner().unwrap();
    for name in ["a folder", "x.tar"] {
        let target = folder.join(name);
        let args = ["--raw", "--show-secrets", "--grep", "needle-[a-z-]+", text(&target)];
        let report = report(&folder, &args);
        let grep = findings(&report).into_iter().find(|it| it["class"] == "grep").unwrap();
        let page = explain(&[grep["id"].as_str().unwrap(), text(&report)]);
        assert!(!page.contains("needle"), "{page}");
        let command = page.lines().find(|line| line.ends_with(" | xxd")).unwrap();
        let command = command.trim().strip_suffix(" | xxd").unwrap();
        // tar, tail and head are those of the system, whatever the PATH of the test.
        let mut shell = Command::new("/bin/sh");
        let shown = shell.args(["-c", command]).env("PATH", "/usr/bin:/bin").output().unwrap();
        let shown = String::from_utf8(shown.stdout).unwrap();
        assert_eq!(shown, "needle-in-a-haystack", "{command}");
    }
}

#[test]
fn a_value_is_shown_where_the_user_asks_for_it_only() {
    let folder = folder("explain-silent");
    let file = folder.join("x.txt");
    fs::write(&file, "a needle-in-a-haystack, and more").unwrap();
    let args = ["--raw", "--grep", "needle-[a-z-]+", text(&file)];
    let shown = report(&folder, &[&["--show-secrets"], &args[..]].concat());
    assert!(!explain(&["c1-0001", text(&shown)]).contains("needle"));
    assert!(explain(&["c1-0001", text(&shown), "--show-secrets"]).contains("needle-in-a-haystack"));
    let silent = report(&folder, &args);
    assert!(!explain(&["c1-0001", text(&silent), "--show-secrets"]).contains("needle-in"));
}

#[test]
fn what_cannot_be_explained_is_an_error() {
    let folder = folder("explain-errors");
    let report = report(&folder, &[&fixture("docker")]);
    let missing = folder.join("missing.jsonl");
    let broken = folder.join("broken.jsonl");
    let first = fs::read_to_string(&report).unwrap().lines().next().unwrap().to_owned();
    fs::write(&broken, format!("{first}\nno record\n")).unwrap();
    for (id, from, said) in [
        ("c9-0001", &report, "no finding has the id or fingerprint c9-0001"),
        ("c1-0001", &missing, "missing.jsonl"),
        ("c1-0001", &broken, "line 2: no record of cryoscan/1"),
    ] {
        let output = cryoscan(&["explain", id, text(from)]);
        assert_eq!(output.status.code(), Some(2), "{id}");
        assert!(output.stdout.is_empty());
        assert!(stderr(&output).contains(said), "{}", stderr(&output));
    }
}

/// A rule of the user, of which the program itself knows nothing.
const RULES: &str = r#"
[[rules]]
id = "acme-badge"
name = "Acme badge"
description = "The number of a badge, which opens the doors of the office."
regex = 'badge [0-9]{4}-[a-z]{4}'
severity = "high"
confidence = "medium"
remediation = "Block the badge."
cwe = []
attack = []
examples = []
"#;

#[test]
fn a_finding_of_own_rules_is_explained_with_them() {
    let folder = folder("explain-own-rules");
    let (rules, file) = (folder.join("acme.toml"), folder.join("x.txt"));
    fs::write(&rules, RULES).unwrap();
    fs::write(&file, "his badge 4711-oslo was lost").unwrap();
    let own = ["--rules", text(&rules)];
    let report = report(&folder, &[&["--raw", text(&file)], &own[..]].concat());
    let explained = |from: &Path, more: &[&str]| {
        explain(&[&["c1-0001", text(from)], more].concat()).replace("\n  ", " ")
    };
    let says = "which opens the doors of the office.";

    let page = explained(&report, &own);
    assert!(page.contains(says) && page.contains("`cryoscan rules show acme-badge`"), "{page}");
    assert_eq!(explained(&file, &["--raw", "--rules", text(&rules)]), page);

    // Without them: what to do about it, in full, and all that the report says itself.
    let page = explained(&report, &[]);
    assert!(!page.contains(says), "{page}");
    for part in ["the rule acme-badge, which is none of this version's own", "Block the badge."] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(page.replace(' ', "").contains(&format!("`--rules{}`", text(&rules))), "{page}");

    // With others.
    let other = folder.join("other.toml");
    fs::write(&other, RULES.replace("acme-badge", "other-badge")).unwrap();
    let page = explained(&report, &["--rules", text(&other)]);
    assert!(
        page.contains("none of this version's own nor of the files given with --rules"),
        "{page}"
    );

    // A scan once more cannot find it without them.
    let output = cryoscan(&["explain", "c1-0001", text(&file), "--raw"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("Give the same --rules here"), "{}", stderr(&output));

    // A report of another version names no files.
    let whole = fs::read_to_string(&report).unwrap();
    let files = format!(",\"files\":[{}]", serde_json::to_string(text(&rules)).unwrap());
    assert!(whole.contains(&files), "{whole}");
    let older = folder.join("older.jsonl");
    fs::write(&older, whole.replacen(&files, "", 1)).unwrap();
    let page = explained(&older, &[]);
    assert!(page.contains("another version of cryoscan has made this report"), "{page}");
}
