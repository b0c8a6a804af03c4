//! Rule files of the user: real scans of bytes as they lie in memory.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{cryoscan, folder, stderr, stdout};

/// Characters that look random, the same for the same number.
fn random(number: usize, len: usize) -> String {
    let hash = blake3::hash(&number.to_le_bytes());
    let alphabet = b"abcdefghijkmnpqrstuvwxyz0123456789";
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(hash.as_bytes()).finalize_xof().fill(&mut bytes);
    bytes.iter().map(|byte| char::from(alphabet[usize::from(*byte) % alphabet.len()])).collect()
}

fn token(number: usize) -> String {
    format!("acme_{}", random(number, 24))
}

struct Bench {
    folder: PathBuf,
}

impl Bench {
    fn new(name: &str) -> Self {
        Self { folder: folder(&format!("user-rules-{name}")) }
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

fn report(target: &str, options: &[&str]) -> Vec<Value> {
    let args = ["--raw", target, "-f", "jsonl", "--show-secrets", "--no-progress"];
    let output = cryoscan(&[&args, options].concat());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    stdout(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The findings of a scan with options: rule and value.
fn findings(target: &str, options: &[&str]) -> Vec<(String, String)> {
    let records = report(target, options);
    let findings = records.iter().filter(|record| record["type"] == "finding");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut found: Vec<_> =
        findings.map(|it| (text(&it["rule"]["id"]), text(&it["secret"]["value"]))).collect();
    found.sort();
    found
}

fn pair(rule: &str, value: &str) -> (String, String) {
    (rule.to_owned(), value.to_owned())
}

/// One rule for the same kind, in every dialect, with the borders that are usual there.
fn dialects() -> [(&'static str, String); 4] {
    [
        (
            "ours.toml",
            "[[rules]]\nid = 'acme-token'\nname = 'Acme token'\ndescription = 'A token.'\n\
             regex = 'acme_[0-9a-z]{24}'\nseverity = 'high'\nconfidence = 'medium'\n\
             remediation = 'Revoke it.'\ncwe = []\nattack = []\ntags = ['mine']\nexamples = []\n"
                .to_owned(),
        ),
        (
            "gitleaks.toml",
            "title = 'mine'\n[[rules]]\nid = 'acme-token'\ndescription = 'Acme token'\n\
             regex = '''\\b(acme_[0-9a-z]{24})(?:[\\x60'\"\\s;]|\\\\[nr]|$)'''\nentropy = 2\n\
             keywords = ['acme_']\ntags = ['mine']\n"
                .to_owned(),
        ),
        (
            "noseyparker.yml",
            "rules:\n- name: Acme token\n  id: acme-token\n  pattern: |\n    (?x)\n    \\b\n    (acme_ \
             [0-9a-z]{24})  (?# the token )\n    (?:[^0-9a-z] | $)\n  references: []\n  tags: [mine]\n"
                .to_owned(),
        ),
        (
            "kingfisher.yaml",
            "---\nrules:\n  - name: Acme token\n    id: acme-token\n    pattern: |\n      (?xi)\n      \
             \\b\n      (acme_[0-9a-z]{24})\n      \\b\n    min_entropy: 2.0\n    confidence: medium\n    \
             tags: [mine]\n    pattern_requirements:\n      min_digits: 1\n"
                .to_owned(),
        ),
    ]
}

/// What stands around a value in memory: before, behind.
fn surroundings() -> Vec<(Vec<u8>, Vec<u8>)> {
    let pointer = [0x90, 0x1f, 0xe4, 0xf7, 0xff, 0x7f, 0, 0];
    let letter = [b'V', 0x9c, 0xe4, 0xf7, 0xff, 0x7f, 0, 0];
    let mut all = Vec::new();
    for before in [&b"\0\0\0"[..], b"export TOKEN=", b"\x07stale", &pointer] {
        for after in [&b"\0\0"[..], b"\"\n", &pointer, &letter, b"leftOver.\0"] {
            all.push((before.to_vec(), after.to_vec()));
        }
    }
    all
}

/// A rule of any dialect finds its value between all that memory puts beside it, narrow and wide.
#[test]
fn rules_of_every_dialect_find_in_memory() {
    let bench = Bench::new("dialects");
    let (mut memory, mut expected) = (Vec::new(), Vec::new());
    for (number, (before, after)) in surroundings().into_iter().enumerate() {
        let value = token(number);
        memory.extend([vec![0; 64], before, value.clone().into_bytes(), after].concat());
        expected.push(pair("acme-token", &value));
    }
    let wide = token(1000);
    memory.extend([0; 64]);
    memory.extend(wide.encode_utf16().flat_map(u16::to_le_bytes));
    memory.extend([0; 64]);
    expected.push(pair("acme-token", &wide));
    expected.sort();
    let target = bench.file("memory", memory);
    for (name, text) in dialects() {
        let rules = bench.file(name, text);
        for select in ["acme-token", "acme-*", "tag:mine"] {
            let found = findings(&target, &["--rules", &rules, "--rule", select]);
            assert_eq!(found, expected, "{name} {select}");
        }
        let none = findings(&target, &["--rules", &rules, "--exclude-rule", "tag:mine"]);
        assert_eq!(none.iter().filter(|(rule, _)| rule == "acme-token").count(), 0, "{name}");
    }
}

#[test]
fn terms_of_gitleaks_are_kept() {
    let bench = Bench::new("gitleaks");
    let rules = bench.file(
        "rules.toml",
        r#"
[extend]
path = "base.toml"
disabledRules = ["acme-off"]

[[rules]]
id = "acme-key"
description = "Acme key"
regex = '''(?i)acme[\w .-]{0,20}[=:]\s*["']?([0-9a-z]{32})(?:["'\s;]|$)'''
entropy = 3.0
keywords = ["acme"]
[[rules.allowlists]]
regexTarget = "match"
regexes = ['''public''']
[[rules.allowlists]]
condition = "AND"
paths = ['''(^|/)samples/''']
stopwords = ["zz"]

[[rules]]
id = "acme-hash"
description = "Known by its neighbour only"
regex = '''\b[0-9a-f]{40}\b'''
keywords = ["acmehash"]

[[allowlists]]
stopwords = ["dummy"]
"#,
    );
    bench.file(
        "base.toml",
        "[[rules]]\nid = 'acme-base'\nregex = 'acmebase-[0-9]{12}'\n\
         [[rules]]\nid = 'acme-off'\nregex = 'acmeoff-[0-9]{12}'\n",
    );
    let (good, low, word) = (random(1, 32), "a1".repeat(16), format!("dummy{}", random(2, 27)));
    let (public, hash) = (random(3, 32), "0123456789abcdef0123456789abcdef01234567");
    let text = format!(
        "acme_key = {good}\nacme key: {low}\nACME={word}\nacme-public-key={public}\n\
         {hash}\nacmebase-123456789012 acmeoff-123456789012\n"
    );
    let target = bench.file("text", &text);
    let found = findings(&target, &["--rules", &rules, "--rule", "acme-*"]);
    assert_eq!(found, [pair("acme-base", "acmebase-123456789012"), pair("acme-key", &good)]);
    let near = bench.file("near", format!("acmehash {hash} and far away {}", " ".repeat(200)));
    let found = findings(&near, &["--rules", &rules, "--rule", "acme-hash"]);
    assert_eq!(found, [pair("acme-hash", hash)]);
    // Both conditions: the path and the word.
    let stopped = format!("zz{}", random(4, 30));
    let line = format!("acme={stopped}\n");
    let [inside, outside] =
        ["folder/samples/a.txt", "other/a.txt"].map(|name| bench.file(name, &line));
    let of = |file: &str| {
        let folder = Path::new(file).ancestors().nth(if file == inside { 2 } else { 1 }).unwrap();
        findings(folder.to_str().unwrap(), &["--rules", &rules, "--rule", "acme-key"])
    };
    assert_eq!(of(&inside), []);
    assert_eq!(of(&outside), [pair("acme-key", &stopped)]);
}

#[test]
fn terms_of_kingfisher_are_kept() {
    let bench = Bench::new("kingfisher");
    let rules = bench.file(
        "rules.yml",
        r#"
rules:
  - name: Acme token with a checksum
    id: custom.acme.1
    pattern: |
      (?x)
      \b(ack_(?P<body>[0-9a-z]{20})(?P<checksum>[0-9a-f]{8}))\b
    min_entropy: 2.5
    pattern_requirements:
      min_digits: 1
      ignore_if_contains: [sample]
      checksum:
        actual: { template: "{{ MATCH | suffix: 8 }}", requires_capture: checksum }
        expected: "{{ BODY | crc32_hex: 8 }}"
    depends_on_rule:
      - { rule_id: custom.acme.2, variable: ID, within: 2L }
  - name: Acme account
    id: custom.acme.2
    pattern: \b(acct-[0-9]{8})\b
    visible: false
"#,
    );
    let body = random(7, 20);
    let sum = format!("{:08x}", crc32fast::hash(body.as_bytes()));
    let (good, bad) = (format!("ack_{body}{sum}"), format!("ack_{body}00000000"));
    let text = format!("\0\0{good}\0\0{bad}\0 acct-12345678\0");
    let target = bench.file("memory", text);
    let records = report(&target, &["--rules", &rules, "--rule", "custom.*"]);
    let findings: Vec<&Value> = records.iter().filter(|it| it["type"] == "finding").collect();
    assert_eq!(findings.len(), 1, "the account is there for others only: {findings:?}");
    assert_eq!(findings[0]["secret"]["value"], good);
    assert_eq!(findings[0]["confidence"], "high");
    let evidence = findings[0]["evidence"].to_string();
    assert!(evidence.contains("checksum") && evidence.contains("near custom.acme.2"), "{evidence}");
}

/// What a file has and we have not is told in the report and on the page of `rules check`.
#[test]
fn what_cannot_be_done_is_told() {
    let bench = Bench::new("told");
    let rules = bench.file(
        "g.toml",
        "[[rules]]\nid = 'acme-token'\nregex = 'acme_[0-9a-z]+'\nvalidate = 'x'\nnonsense = 1\n\
         [[rules]]\nid = 'names-only'\npath = '\\.p12$'\n",
    );
    let target = bench.file("text", "nothing");
    let records = report(&target, &["--rules", &rules]);
    let codes: Vec<(&str, &str)> = records
        .iter()
        .filter(|it| it["type"] == "diagnostic")
        .map(|it| (it["code"].as_str().unwrap(), it["message"].as_str().unwrap()))
        .collect();
    let has = |code: &str, text: &str| codes.iter().any(|(c, t)| *c == code && t.contains(text));
    assert!(has("rule-left-out", "line 8, column 8: rule names-only: path: "), "{codes:?}");
    assert!(has("rule-key-ignored", "line 4, column 1: rule acme-token: validate: "), "{codes:?}");
    assert!(has("rule-key-ignored", "line 5, column 1: rule acme-token: nonsense: "), "{codes:?}");
    assert!(has("rule-key-ignored", "no longer than 4096 characters"), "{codes:?}");
    let run = &records[0]["rules"];
    assert_eq!(run["files"], serde_json::json!([rules]));
    let chosen = report(&target, &["--rules", &rules, "--rule", "acme-token,jwt"]);
    assert_eq!(chosen[0]["rules"]["count"], 2);
    assert_eq!(chosen[0]["rules"]["only"], serde_json::json!(["acme-token", "jwt"]));
    assert_ne!(chosen[0]["rules"]["hash"], run["hash"]);
    let page = cryoscan(&["rules", "check", &rules]);
    assert_eq!(page.status.code(), Some(0), "{}", stderr(&page));
    for text in ["g.toml:8:8: left out: ", "g.toml:5:1: ignored: ", "1 rule in 1 file can be used"]
    {
        assert!(stdout(&page).contains(text), "{text}: {}", stdout(&page));
    }
    assert_eq!(cryoscan(&["rules", "check", "--strict", &rules]).status.code(), Some(1));
}

/// A rule that is wrong ends the run with its line and a mark; `--rules-lenient` leaves it out.
#[test]
fn wrong_rules_end_the_run_unless_they_may_be_left_out() {
    let bench = Bench::new("wrong");
    let good = dialects()[0].1.clone();
    let in_ours = |from: &str, to: &str| {
        assert!(good.contains(from));
        format!("{good}\n{}", good.replace("acme-token", "acme-wrong").replace(from, to))
    };
    let gitleaks =
        |rule: &str| format!("{}\n[[rules]]\nid = 'acme-wrong'\n{rule}\n", dialects()[1].1);
    let yaml = |pattern: &str| {
        format!("{}- name: x\n  id: acme-wrong\n  pattern: {pattern}\n", dialects()[2].1)
    };
    let cases = [
        ("a.toml", in_ours("{24}'", "{24}('"), ":18:27: rule acme-wrong: regex: unclosed group"),
        ("b.toml", in_ours("severity = 'high'", "severty = 'high'"), ":19:1: rule acme-wrong: "),
        ("c.toml", in_ours("acme_[0", "[0"), "no literal of 3 bytes"),
        ("d.toml", gitleaks("regex = 'acme_(x'"), ":12:15: rule acme-wrong: regex: unclosed group"),
        ("e.toml", gitleaks("regex = '[0-9a-z]{3,40}'"), "tried at every byte of memory"),
        ("f.toml", gitleaks("regex = 'a*'"), "matches nothing at all"),
        (
            "g.toml",
            gitleaks("regex = 'acme_(?:(?:[0-9a-f]{3}|[g-z]{5}){200}){200}'"),
            "repeat less",
        ),
        ("h.toml", gitleaks("regex = '(?=acme)acme_x'"), "look-around"),
        ("i.toml", gitleaks("regex = 'acme_x'\nsecretGroup = 2"), "secretGroup 2"),
        (
            "j.yml",
            yaml("'acme_[0-9'"),
            ":13:18: rule acme-wrong: pattern: unclosed character class",
        ),
        ("k.yml", yaml("5: 6: 7"), ":13:"),
        ("l.toml", format!("{good}\n{good}"), "the id is taken by a rule of"),
    ];
    let value = token(1);
    let target = bench.file("text", format!("\0{value}\0"));
    for (name, text, message) in cases {
        let rules = bench.file(name, text);
        let output = cryoscan(&["--raw", &target, "--rules", &rules, "--no-progress"]);
        assert_eq!(output.status.code(), Some(2), "{name}");
        assert!(stdout(&output).is_empty(), "{name}");
        let said = stderr(&output);
        assert!(said.contains(message), "{name}: {said}");
        assert!(
            said.lines().any(|line| line.contains(" | ") && line.ends_with('^')),
            "{name}: {said}"
        );
        assert_eq!(cryoscan(&["rules", "check", &rules]).status.code(), Some(2), "{name}");
        if name == "k.yml" {
            continue;
        }
        let options = ["--rules", &rules, "--rules-lenient", "--rule", "acme-token"];
        assert_eq!(findings(&target, &options), [pair("acme-token", &value)], "{name}");
    }
    let missing = cryoscan(&["--raw", &target, "--rules", "no-such.toml"]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(stderr(&missing).contains("no-such.toml"));
}

#[test]
fn a_selector_that_nothing_has_is_told_what_is_near() {
    let bench = Bench::new("selectors");
    let target = bench.file("text", "nothing");
    for (option, word, hint) in [
        ("--rule", "github-pat-clasic", "did you mean github-pat-classic"),
        ("--exclude-rule", "tag:githbu", "did you mean tag:github"),
        ("--rule", "no-such-*", "no rule has the id no-such-*"),
    ] {
        let output = cryoscan(&["--raw", &target, option, word]);
        assert_eq!(output.status.code(), Some(2), "{word}");
        assert!(stderr(&output).contains(hint), "{}", stderr(&output));
    }
    let config = bench
        .file("cryoscan.toml", "[scan]\nrule = ['jwt', 'tag:aws']\nexclude-rule = ['aws-*']\n");
    let records = report(&target, &["--config", &config]);
    assert_eq!(records[0]["rules"]["count"], 1);
}

#[test]
fn own_rules_are_listed_and_shown() {
    let bench = Bench::new("listed");
    let [(_, ours), (_, gitleaks), ..] = dialects();
    bench.file("rules/one.toml", ours);
    bench.file("rules/two/second.toml", gitleaks.replace("acme-token", "acme-second"));
    let rules = bench.folder.join("rules");
    let list = cryoscan(&["rules", "list", "--rules", rules.to_str().unwrap(), "tag:mine"]);
    let list = stdout(&list);
    assert!(list.contains("acme-token") && list.contains("acme-second"), "{list}");
    assert_eq!(list.lines().count(), 3, "{list}");
    let show = cryoscan(&["rules", "show", "acme-second", "--rules", rules.to_str().unwrap()]);
    assert!(stdout(&show).contains("family       second"), "{}", stdout(&show));
}

/// A file of gitleaks that builds on its default rules builds on ours.
#[test]
fn a_file_may_build_on_the_built_in_rules() {
    let bench = Bench::new("builtin");
    let rules = bench.file(
        "g.toml",
        "[extend]\nuseDefault = true\ndisabledRules = ['gcp-api-key', 'no-such-rule']\n\
         [allowlist]\nstopwords = ['forbidden']\n\
         [[rules]]\nid = 'jwt'\nregex = 'acmejwt-[0-9]{20}'\n",
    );
    let key = |word: &str| format!("AIza{word}{}", random(9, 35 - word.len()));
    let target = bench.file("text", format!("{}\nacmejwt-{}\n", key(""), "1".repeat(20)));
    let plain = findings(&target, &[]);
    let found = findings(&target, &["--rules", &rules]);
    assert!(plain.iter().any(|(rule, _)| rule == "gcp-api-key"), "{plain:?}");
    assert!(!found.iter().any(|(rule, _)| rule == "gcp-api-key"), "{found:?}");
    assert!(found.contains(&pair("g-jwt", &format!("acmejwt-{}", "1".repeat(20)))), "{found:?}");
}

/// Examples of every dialect are tried where memory puts them; what fails is a row.
#[test]
fn examples_of_own_rules_are_tried_in_memory() {
    let bench = Bench::new("test");
    let examples = |example: &str| {
        dialects()[0].1.replace("examples = []", &format!("examples = [{{ gen = {example:?} }}]"))
    };
    let good = bench.file(
        "good.toml",
        examples("key={base62:3} acme_{hex:24}").replace(
            "examples = [{ gen = \"key={base62:3} acme_{hex:24}\" }]",
            "examples = [{ gen = \"key={base62:3} acme_{hex:24}\", value = \"acme_{hex:24}\" }]",
        ),
    );
    let output = cryoscan(&["rules", "test", &good]);
    assert_eq!(output.status.code(), Some(0), "{}{}", stdout(&output), stderr(&output));
    assert!(stdout(&output).contains("all as they should be"), "{}", stdout(&output));
    let yaml = format!(
        "{}    examples:\n    - 'token = {}'\n    negative_examples:\n    - acme_short\n",
        dialects()[3].1,
        token(5)
    );
    let yaml = bench.file("good.yaml", yaml);
    let output = cryoscan(&["rules", "test", &yaml]);
    assert_eq!(output.status.code(), Some(0), "{}{}", stdout(&output), stderr(&output));
    let bad = bench.file("bad.toml", examples("acme_{hex:23}"));
    let output = cryoscan(&["rules", "test", &bad]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stdout(&output).contains("acme-token  acme_"), "{}", stdout(&output));
    assert!(stdout(&output).contains("2 failed"), "{}", stdout(&output));
}
