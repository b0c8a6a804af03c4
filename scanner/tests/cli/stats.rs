//! `cryoscan rules stats`: what it counts is what there is, and what a scan reports.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;

use super::{cryoscan, fixture, folder, stderr, stdout};

/// Of random bytes, so that no check for placeholders takes it for one.
fn token(number: usize) -> String {
    let hex = blake3::hash(&number.to_le_bytes()).to_hex();
    format!("acme_{}", hex.chars().take(24).collect::<String>())
}

/// A rule with a check that weeds out, and edges that count.
const RULES: &str = r#"
[[rules]]
id = "acme-token"
name = "Acme token"
description = "A token."
regex = 'acme_[0-9a-z]{24}'
checks = ["not-placeholder"]
edge = "hard"
severity = "high"
confidence = "medium"
remediation = "Revoke it."
cwe = []
attack = []
examples = []
"#;

fn stats(args: &[&str]) -> Value {
    let output = cryoscan(&[&["rules", "stats", "-f", "json"], args].concat());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    serde_json::from_str(&stdout(&output)).unwrap()
}

fn row<'a>(stats: &'a Value, id: &str) -> &'a Value {
    stats["rules"].as_array().unwrap().iter().find(|row| row["id"] == id).unwrap()
}

#[test]
fn candidates_matches_and_refusals_are_counted() {
    let folder = folder("stats-counts");
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let (target, rules) = (path("heap.bin"), path("acme.toml"));
    fs::write(&rules, RULES).unwrap();
    // Two values, one of them twice; one within a longer text; one of blanks to fill in; one with a sign in its
    // middle; and the literal alone, twice, which shows by where it ends.
    let (one, other) = (token(1), token(2));
    let longer = format!("{}abcdef", token(3));
    let filler = format!("acme_{}", "x".repeat(24));
    let mut broken = token(4);
    broken.replace_range(14..15, "!");
    let texts = [&one, &other, &one, &longer, &filler, &broken, "acme_", "the acme_ prefix"];
    fs::write(&target, texts.join("\0")).unwrap();

    let args = [target.as_str(), "--raw", "--rules", &rules, "--rule", "acme-token"];
    let all = stats(&args);
    assert_eq!(all["schema"], "cryoscan-rules-stats/1");
    assert_eq!(all["complete"], true);
    assert_eq!(all["scanned_bytes"], fs::metadata(&target).unwrap().len());
    assert_eq!(all["rules"].as_array().unwrap().len(), 1);
    let acme = row(&all, "acme-token");
    assert_eq!(acme["found_by"]["kind"], "literal");
    assert_eq!(acme["found_by"]["literals"], serde_json::json!(["acme_"]));
    // Four bytes of it, whichever were chosen.
    let four = acme["found_by"]["looked_for"][0].as_str().unwrap();
    assert!(four.len() == 4 && "acme_".contains(four), "{four}");
    assert_eq!(acme["narrowed"], true);
    assert_eq!(acme["candidates"], 6);
    assert_eq!(acme["matched"], 5);
    assert_eq!(acme["refused"], serde_json::json!({ "check": 1, "known": 0, "edge": 1 }));
    assert_eq!(
        (&acme["accepted"], &acme["values"], &acme["count"]),
        (&3.into(), &2.into(), &3.into())
    );
    // The clock is finer than six looks at a text.
    let ns = acme["ns"].as_u64().unwrap();
    assert!(ns > 0 && all["matching_ns"].as_u64().unwrap() >= ns, "{all}");
    assert_eq!(all["rules_ns"], ns);

    let page = cryoscan(&[&["rules", "stats"], &args[..]].concat());
    let page = stdout(&page);
    let lines: Vec<Vec<&str>> =
        page.lines().map(|line| line.split_whitespace().collect()).collect();
    let line = lines.iter().find(|cells| cells.contains(&"acme-token")).unwrap();
    assert_eq!(line[2..], ["%", "6", "5", "2", "2", "3", "acme-token", "acme_"]);
    for value in texts.iter().filter(|text| text.len() > 20) {
        assert!(!page.contains(*value), "{page}");
    }
}

#[test]
fn a_rule_that_had_too_many_candidates_takes_none_from_another_of_its_literal() {
    let target = folder("stats-flood").join("heap.bin");
    fs::write(&target, "long-shelf-number:x\0".repeat(2000) + "long-shelf-number:7").unwrap();
    let target = target.to_str().unwrap();
    let args =
        [target, "--raw", "--grep", "long-shelf-number:[a-z]", "--grep", "long-shelf-number:[0-9]"];
    let all = stats(&args);
    let found: Vec<u64> = all["rules"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| row["id"].as_str().unwrap().starts_with("grep"))
        .map(|row| row["count"].as_u64().unwrap())
        .collect();
    assert!(found.contains(&1), "{found:?}");
    assert!(found.iter().any(|count| (100..2000).contains(count)), "{found:?}");
}

#[test]
fn what_nothing_narrows_is_marked() {
    let target = folder("stats-slow").join("heap.bin");
    fs::write(&target, "one AB1234CD two\0three").unwrap();
    let args = [target.to_str().unwrap(), "--raw", "--grep", "[A-Z]{2}[0-9]{4}[A-Z]{2}"];
    let all = stats(&args);
    let is_wide = |row: &&Value| row["narrowed"] == false;
    let wide: Vec<&Value> = all["rules"].as_array().unwrap().iter().filter(is_wide).collect();
    let own = wide.iter().find(|row| row["found_by"]["kind"] == "text").unwrap();
    assert_eq!((&own["matched"], &own["values"]), (&1.into(), &1.into()));
    // A hash of so many digits, for one, is looked for everywhere too.
    assert!(wide.iter().any(|row| row["found_by"]["kind"] == "run"), "{wide:?}");
    assert!(wide.iter().all(|row| row["found_by"]["literals"] == serde_json::json!([])));
    assert!(wide.len() * 10 < all["rules"].as_array().unwrap().len(), "{wide:?}");

    let page = stdout(&cryoscan(&[&["rules", "stats", "-v"], &args[..]].concat()));
    assert!(page.contains("all text *"), "{page}");
    let note = page.lines().skip_while(|line| !line.starts_with("* "));
    let note = note.collect::<Vec<_>>().join(" ");
    for row in wide {
        assert!(note.contains(row["id"].as_str().unwrap()), "{note}");
    }
}

#[test]
fn what_it_finds_in_a_checkpoint_is_what_a_scan_reports() {
    let target = fixture("docker");
    let report = stdout(&cryoscan(&["scan", &target, "-f", "jsonl", "--no-measured"]));
    let mut expected = BTreeMap::<String, (u64, u64)>::new();
    let records = report.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    for finding in records.filter(|record| record["type"] == "finding") {
        let rule = finding["rule"]["id"].as_str().unwrap().to_owned();
        let sum = expected.entry(rule).or_default();
        *sum = (sum.0 + 1, sum.1 + finding["count"].as_u64().unwrap());
    }
    assert!(!expected.is_empty());
    let all = stats(&[&target]);
    let run: Value = serde_json::from_str(report.lines().next().unwrap()).unwrap();
    assert_eq!(all["hash"], run["rules"]["hash"]);
    let rows = all["rules"].as_array().unwrap();
    assert_eq!(run["rules"]["count"], rows.len());
    let number = |value: &Value| value.as_u64().unwrap();
    let mut found = BTreeMap::new();
    for row in rows {
        let (id, refused) = (row["id"].as_str().unwrap(), &row["refused"]);
        let refused = ["check", "known", "edge"].iter().map(|why| number(&refused[why]));
        assert_eq!(
            number(&row["matched"]),
            number(&row["accepted"]) + refused.sum::<u64>(),
            "{id}"
        );
        if number(&row["values"]) > 0 {
            found.insert(id.to_owned(), (number(&row["values"]), number(&row["count"])));
        }
    }
    assert_eq!(found, expected);
    let times: Vec<u64> = rows.iter().map(|row| number(&row["ns"])).collect();
    assert!(times.is_sorted_by(|a, b| a >= b) && times[0] > 0, "{times:?}");
    assert_eq!(number(&all["rules_ns"]), times.iter().sum::<u64>());
    assert!(number(&all["matching_ns"]) >= number(&all["rules_ns"]));

    // Which thread takes what, and when, changes no count.
    let counts = |stats: &Value| {
        let mut rows = stats["rules"].as_array().unwrap().clone();
        for row in &mut rows {
            row["ns"] = Value::Null;
        }
        rows.sort_by_key(|row| row["id"].as_str().unwrap().to_owned());
        rows
    };
    assert_eq!(counts(&stats(&[&target])), counts(&all));
}

#[test]
fn what_cannot_be_scanned_is_an_error() {
    let folder = folder("stats-errors");
    let text = folder.join("notes.txt");
    fs::write(&text, "no checkpoint").unwrap();
    for (args, said) in [
        (&["missing.tar"][..], "missing.tar"),
        (&[text.to_str().unwrap()], "notes.txt: not a checkpoint"),
        (&["x.tar", "--rule", "xyzzy"], "no rule has the id xyzzy"),
        (&["x.tar", "--rules", "missing.toml"], "missing.toml"),
    ] {
        let output = cryoscan(&[&["rules", "stats"], args].concat());
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(output.stdout.is_empty(), "{args:?}");
        assert!(stderr(&output).contains(said), "{args:?}: {}", stderr(&output));
    }
}
