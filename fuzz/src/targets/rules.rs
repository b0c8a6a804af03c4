//! Rule files of any content, and what they load to.

use cryoscan::matching::Engine;
use cryoscan::rule::{RuleFile, RuleSet, UserRules};

use crate::Target;

pub(crate) const TARGET: Target = Target {
    name: "rules",
    about: "rule files and patterns of the user: an error, or rules that compile",
    run,
    seeds,
    rounds: 250,
};

/// Longer files only cost time: regular expressions take most of it.
const MOST: usize = 4 << 10;

fn run(data: &[u8]) {
    let data = data.get(..data.len().min(MOST)).unwrap_or_default();
    let text = String::from_utf8_lossy(data);
    match RuleSet::from_files(&[("fuzz.toml", &text)]) {
        Ok(rules) => drop(Engine::new(rules, [0; 32])),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    user(&text);
    // An error of this one is as good.
    drop(RuleSet::examples(&[("fuzz.toml", &text)]));
    let pattern = text.lines().next().unwrap_or_default();
    let mut rules = RuleSet::default();
    if rules.add_grep(pattern).is_ok() {
        drop(Engine::new(rules, [0; 32]));
    }
}

/// A file of the user, in whatever dialect it is: faults that can be shown, or rules that run.
fn user(text: &str) {
    let file = RuleFile { name: "fuzz".to_owned(), text: text.to_owned(), folder: None };
    let loaded = UserRules::load(RuleSet::default(), &[file]);
    for fault in &loaded.faults {
        assert!(fault.line > 0 && fault.column > 0 && !fault.to_string().is_empty());
        drop(fault.diagnostic());
    }
    for rule in loaded.set.rules() {
        assert_eq!(rule.compile(), Ok(()), "{}", rule.id);
    }
    drop(Engine::new(loaded.set, [0; 32]));
}

/// Rule files in the dialects of other scanners.
const OTHERS: [&str; 4] = [
    r#"[extend]
useDefault = true
disabledRules = ["a"]
[[rules]]
id = "a-token"
regex = """(?i)acme[\\w.-]{0,20}[=:]\\s*["']?([0-9a-z]{32})(?:[\\x60'"\\s;]|\\\\[nr]|$)"""
entropy = 3.5
secretGroup = 1
keywords = ["acme"]
path = '\.env$'
[[rules.allowlists]]
condition = "AND"
regexTarget = "line"
regexes = ['^\$(?:\d+|{\d+})$']
stopwords = ["sample"]
[[rules.required]]
id = "b"
withinLines = 2
[[allowlists]]
targetRules = ["b"]
paths = ["x"]
"#,
    r#"[[rules]]
id = "b-token"
regex = '[[a-z]&&b]{3}x{2'
components = [{ id = "a", within = "5L,12C" }]
filter = 'x'
skipReport = true
"#,
    r#"rules:
- name: Acme
  id: np.acme.1
  pattern: |
    (?x)
    \b ( acme_ [0-9a-z]{20} ) (?# a comment )
    (?: [^0-9a-z] | $ )
  examples:
  - 'acme_0'
  negative_examples: [x]
"#,
    r#"---
rules:
  - name: Ärger
    id: custom.x
    pattern: '(?i)key(?:.|[\n\r]){0,16}?(?P<TOKEN>(?P<body>[a-z]{4})(?P<sum>[0-9]{2}))\b'
    min_entropy: 3.3
    visible: false
    pattern_requirements:
      min_digits: 1
      special_chars: "$%"
      ignore_if_contains: [test]
      checksum:
        actual: { template: "{{ MATCH | suffix: 2 }}", requires_capture: sum }
        expected: "{{ BODY | crc32 | base62: 2 | append: 'x' | replace: 'a', 'b' }}"
        skip_if_missing: true
    depends_on_rule: [{ rule_id: custom.y, variable: Y, within: "+2L" }]
"#,
];

fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (_, text) in cryoscan_rules::SECRETS {
        // One rule each: a mutation shows only in the first that is wrong.
        for rule in text.split("[[rules]]").skip(1) {
            let rule = format!("[[rules]]{rule}");
            if rule.len() <= MOST {
                seeds.push(rule.into_bytes());
            }
        }
    }
    seeds.extend(OTHERS.map(|text| text.as_bytes().to_vec()));
    for pattern in ["(?i)api[_-]?key=([a-z0-9]{16,64})", "[", "(a|b){0,1000}", "\\bx\\b", ""] {
        seeds.push(pattern.as_bytes().to_vec());
    }
    seeds
}
