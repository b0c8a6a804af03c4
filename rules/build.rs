//! Writes the rules once more as JSON, without what only tests need and with what their patterns say: that takes a
//! fraction of the time to read.

#![expect(clippy::disallowed_methods, reason = "reads the files that it is built from")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

use facts::{Facts, Written};
use toml::{Table, Value};

#[path = "src/facts.rs"]
#[expect(dead_code, unreachable_pub, reason = "the program uses more of it")]
mod facts;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=secrets");
    println!("cargo::rerun-if-changed=src/facts.rs");
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir("secrets")? {
        files.push(entry?.path());
    }
    files.sort();
    let mut all: Vec<(String, Table, Option<Facts>)> = Vec::new();
    for path in files.iter().filter(|path| path.extension().is_some_and(|it| it == "toml")) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // What is wrong with a file, the program and its tests tell better.
        let mut file: Table = toml::from_str(&fs::read_to_string(path)?).unwrap_or_default();
        let rules = file.get_mut("rules").and_then(Value::as_array_mut);
        for rule in rules.into_iter().flatten().filter_map(Value::as_table_mut) {
            for key in ["examples", "counterexamples"] {
                rule.insert(key.to_owned(), Value::Array(Vec::new()));
            }
            all.push((name.clone(), rule.clone(), facts(rule)));
        }
    }
    all.sort_by(|(_, one, _), (_, other, _)| text(one, "id").cmp(&text(other, "id")));
    let out = env::var_os("OUT_DIR").ok_or("cargo gives no OUT_DIR")?;
    let lines: Result<Vec<String>, _> = all.iter().map(serde_json::to_string).collect();
    fs::write(Path::new(&out).join("secrets.jsonl"), lines?.join("\n"))?;
    Ok(())
}

fn text<'a>(rule: &'a Table, key: &str) -> Option<&'a str> {
    rule.get(key).and_then(Value::as_str)
}

/// Those that the program finds when it reads the rule: a test compares them.
fn facts(rule: &Table) -> Option<Facts> {
    let keywords = rule.get("keywords").and_then(Value::as_array).into_iter().flatten();
    let before = rule.get("before").and_then(Value::as_integer);
    let written = Written {
        regex: text(rule, "regex")?,
        items: text(rule, "items"),
        path: text(rule, "path"),
        keywords: keywords.filter_map(Value::as_str).collect(),
        is_hex: text(rule, "view") == Some("bytes"),
        before: before.and_then(|before| usize::try_from(before).ok()),
        has_literals: text(rule, "anchor").is_none_or(|anchor| anchor == "literal"),
    };
    Facts::of(&written).ok()
}
