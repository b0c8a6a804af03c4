//! `cryoscan rules`.

use super::{cryoscan, stderr, stdout};

#[test]
fn every_rule_is_listed_and_shown() {
    let list = cryoscan(&["rules", "list", "-f", "json"]);
    assert_eq!(list.status.code(), Some(0), "{}", stderr(&list));
    let list: serde_json::Value = serde_json::from_str(&stdout(&list)).unwrap();
    assert_eq!(list["schema"], "cryoscan-rules/1");
    let rules = list["rules"].as_array().unwrap();
    assert_eq!(list["count"], rules.len());
    let table = stdout(&cryoscan(&["rules", "list"]));
    assert_eq!(table.lines().count(), rules.len() + 1, "{table}");
    for rule in rules {
        let id = rule["id"].as_str().unwrap();
        assert!(table.contains(&format!(" {id} ")), "{id}");
        // All that is to be said of a rule is said of every rule.
        for key in ["name", "description", "family", "regex", "remediation"] {
            assert!(!rule[key].as_str().unwrap().is_empty(), "{id}: {key}");
        }
        for key in ["encodings", "where", "cwe", "attack", "examples"] {
            assert!(!rule[key].as_array().unwrap().is_empty(), "{id}: {key}");
        }
    }
    let first = rules[0]["id"].as_str().unwrap();
    let shown = cryoscan(&["rules", "show", first, "-f", "json"]);
    let shown: serde_json::Value = serde_json::from_str(&stdout(&shown)).unwrap();
    assert_eq!(shown, rules[0]);
    let page = stdout(&cryoscan(&["rules", "show", first]));
    assert!(page.starts_with(&format!("{first}: ")), "{page}");
    assert!(page.contains("\nto do  ") && page.contains("\nfinds  "), "{page}");
}

#[test]
fn the_hash_is_that_of_a_report() {
    let report = stdout(&cryoscan(&["missing.tar", "-f", "jsonl"]));
    let run: serde_json::Value = serde_json::from_str(report.lines().next().unwrap()).unwrap();
    let list = stdout(&cryoscan(&["rules", "list", "-f", "json"]));
    let list: serde_json::Value = serde_json::from_str(&list).unwrap();
    assert_eq!(list["hash"], run["rules"]["hash"]);
    assert_eq!(list["count"], run["rules"]["count"]);
}

#[test]
fn a_rule_that_is_not_there_exits_with_2_and_the_nearest() {
    let cases: [(&[&str], &str); 5] = [
        (&["show", "github-pat-clasic"], "did you mean github-pat-classic?"),
        (&["show", "xyzzy"], "`cryoscan rules list` lists all"),
        (&["list", "xyzzy-*"], "no rule has the id xyzzy-*"),
        (&["list", "--family", "githbu"], "did you mean github?"),
        (&["list", "--severity", "highest"], "expected one of info, low, medium, high, critical"),
    ];
    for (args, expected) in cases {
        let output = cryoscan(&[&["rules"], args].concat());
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(output.stdout.is_empty(), "{args:?}");
        assert!(stderr(&output).contains(expected), "{args:?}: {}", stderr(&output));
    }
}
