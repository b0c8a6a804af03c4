//! Rule files of any content, and what they load to.

use cryoscan::matching::Engine;
use cryoscan::rule::RuleSet;

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
    // An error of this one is as good.
    drop(RuleSet::examples(&[("fuzz.toml", &text)]));
    let pattern = text.lines().next().unwrap_or_default();
    let mut rules = RuleSet::default();
    if rules.add_grep(pattern).is_ok() {
        drop(Engine::new(rules, [0; 32]));
    }
}

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
    for pattern in ["(?i)api[_-]?key=([a-z0-9]{16,64})", "[", "(a|b){0,1000}", "\\bx\\b", ""] {
        seeds.push(pattern.as_bytes().to_vec());
    }
    seeds
}
