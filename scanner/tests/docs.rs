//! The reference pages say what the program says: every list in them is compared with the program's
//! own, in both directions.
#![expect(clippy::disallowed_methods, reason = "reads the pages of this repository, not input")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot run fails")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use cryoscan::archive::CONTAINERS;
use cryoscan::check::{CHECKS, Confidence};
use cryoscan::checkpoint::PRODUCERS;
use cryoscan::criu::{IMAGES, OTHERS, Role};
use cryoscan::diagnostic::Code;
use cryoscan::finding::PROOFS;
use cryoscan::limits::Limits;
use cryoscan::matching::ENCODINGS;
use cryoscan::report::FORMATS;
use cryoscan::rule::{MAX_MATCH, RuleSet};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn page(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The lines of the table under a heading, without its head.
fn table<'a>(page: &'a str, heading: &str) -> Vec<&'a str> {
    let lines = page.lines().skip_while(|line| *line != heading).skip(1);
    let lines = lines.take_while(|line| !line.starts_with('#'));
    let rows = lines.skip_while(|line| !line.starts_with('|')).take_while(|l| l.starts_with('|'));
    let rows: Vec<&str> = rows.skip(2).collect();
    assert!(!rows.is_empty(), "no table under {heading}");
    rows
}

/// The cells of the table under a heading.
fn cells(page: &str, heading: &str) -> Vec<Vec<String>> {
    let split = |row: &str| {
        let row = row.strip_prefix('|').unwrap().strip_suffix('|').unwrap();
        row.split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    table(page, heading).into_iter().map(split).collect()
}

/// One column of the table under a heading.
fn column(page: &str, heading: &str, index: usize) -> Vec<String> {
    cells(page, heading).into_iter().map(|row| row[index].clone()).collect()
}

/// What stands between backticks.
fn quoted(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The names in the first column, one in each row.
fn names(page: &str, heading: &str) -> Vec<String> {
    let name = |cell: String| match quoted(&cell).as_slice() {
        [name] => name.clone(),
        _ => panic!("{heading}: one name, please: {cell}"),
    };
    column(page, heading, 0).into_iter().map(name).collect()
}

fn sorted(mut list: Vec<String>) -> Vec<String> {
    list.sort();
    list
}

/// Names of a type in the schema of the report.
fn in_schema(name: &str) -> Vec<String> {
    let schema: serde_json::Value =
        serde_json::from_str(&page("docs/generated/report.schema.json")).unwrap();
    let found = &schema["$defs"][name];
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    if let Some(fields) = found["properties"].as_object() {
        return fields.keys().cloned().collect();
    }
    if let Some(words) = found["enum"].as_array() {
        return words.iter().map(text).collect();
    }
    found["oneOf"].as_array().unwrap().iter().map(|one| text(&one["const"])).collect()
}

#[test]
fn every_diagnostic_is_explained() {
    let page = page("docs/diagnostics.md");
    let found: Vec<(String, String)> =
        names(&page, "## Codes").into_iter().zip(column(&page, "## Codes", 2)).collect();
    let codes = Code::ALL.iter();
    let expected: Vec<(String, String)> =
        codes.map(|code| (code.name().to_owned(), code.meaning().to_owned())).collect();
    assert_eq!(found, expected);
    for row in cells(&page, "## Codes") {
        let levels: Vec<&str> = row[1].split(", ").collect();
        assert!(levels.iter().all(|level| ["error", "warning", "note"].contains(level)), "{row:?}");
        assert!(!row[3].is_empty(), "{row:?}: what to do?");
    }
    let codes: Vec<String> = Code::ALL.iter().map(|code| code.name().to_owned()).collect();
    assert_eq!(in_schema("Code"), codes, "the schema is stale: run `cryoscan dev generate`");
}

#[test]
fn every_format_is_listed() {
    let page = page("docs/formats.md");
    let list = |names: &mut dyn Iterator<Item = &'static str>| {
        names.map(str::to_owned).collect::<Vec<String>>()
    };
    let producers = list(&mut PRODUCERS.iter().map(|producer| producer.name));
    assert_eq!(names(&page, "## Producers"), producers);
    let containers = list(&mut CONTAINERS.iter().map(|container| container.name));
    assert_eq!(names(&page, "## Containers"), containers);
    let notations = ENCODINGS.iter().flat_map(|encoding| encoding.notations);
    let mut encodings: Vec<&str> = notations.map(|notation| notation.name()).collect();
    encodings.insert(0, "ascii");
    assert_eq!(names(&page, "## Encodings"), encodings);
    let proofs = list(&mut PROOFS.iter().map(|proof| proof.name));
    assert_eq!(names(&page, "## Proofs"), proofs);
    let formats = FORMATS.iter().map(|format| (format.name.to_owned(), format.help.to_owned()));
    let found = names(&page, "## Report formats").into_iter();
    let found = found.zip(column(&page, "## Report formats", 1));
    assert_eq!(found.collect::<Vec<_>>(), formats.collect::<Vec<_>>());
}

#[test]
fn every_check_is_listed_with_what_it_proves() {
    let page = page("docs/formats.md");
    let found: Vec<(String, String)> =
        names(&page, "## Checks").into_iter().zip(column(&page, "## Checks", 1)).collect();
    let proves = |confidence: Confidence| match confidence {
        Confidence::Low => "nothing",
        Confidence::Medium | Confidence::High | Confidence::Confirmed => confidence.name(),
    };
    let checks = CHECKS.iter();
    let expected: Vec<(String, String)> =
        checks.map(|it| (it.name.to_owned(), proves(it.on_pass).to_owned())).collect();
    assert_eq!(found, expected);
}

#[test]
fn every_image_is_listed() {
    let page = page("docs/formats.md");
    let found = names(&page, "## Images").into_iter().zip(column(&page, "## Images", 1));
    let images = IMAGES.iter();
    let expected = images.map(|it| (it.pattern.to_owned(), format!("`{:#010x}`", it.magic)));
    assert_eq!(found.collect::<Vec<_>>(), expected.collect::<Vec<_>>());

    let heading = "### Other files of an image set";
    let mut found = BTreeSet::new();
    for (role, files) in names(&page, heading).into_iter().zip(column(&page, heading, 2)) {
        for file in quoted(&files) {
            assert!(found.insert((file.clone(), role.clone())), "{file} stands there twice");
        }
    }
    let role = |role: Role| format!("{role:?}").to_lowercase();
    let expected = OTHERS.iter().map(|(pattern, of)| ((*pattern).to_owned(), role(*of)));
    assert_eq!(found, expected.collect());
}

#[test]
fn limits_are_those_of_the_program() {
    let Limits {
        nesting,
        members,
        decoded_bytes,
        expansion_ratio,
        expansion_floor,
        kept_member_bytes,
        kept_bytes,
        held_bytes,
        delta_bytes,
        record_bytes,
        records,
        late_pages_bytes,
        chain_pages_bytes,
        findings,
        holders_per_value,
        unproven,
        listed,
        diagnostics_per_code,
        name_bytes: _, // A longer name is cut, nothing is lost.
        // Bounds of YARA stand in its own page.
        yara_file_bytes,
        yara_matches,
        yara_seconds,
        yara_timeouts,
    } = Limits::default();
    let mib = |bytes: u64| format!("{} MiB", bytes >> 20);
    let count = |count: u64| {
        let digits = count.to_string();
        let start = digits.len() % 3;
        let (first, rest) = digits.split_at(start);
        let threes = rest.as_bytes().chunks(3).map(|three| str::from_utf8(three).unwrap());
        Some(first)
            .into_iter()
            .filter(|first| !first.is_empty())
            .chain(threes)
            .collect::<Vec<_>>()
            .join(",")
    };
    let expected = [
        nesting.to_string(),
        count(members),
        format!("{} TiB", decoded_bytes >> 40),
        count(expansion_ratio),
        mib(kept_member_bytes),
        mib(kept_bytes),
        mib(held_bytes),
        mib(delta_bytes),
        mib(record_bytes.into()),
        count(records),
        mib(late_pages_bytes),
        mib(chain_pages_bytes),
        count(u64::try_from(findings).unwrap()),
        count(u64::try_from(holders_per_value).unwrap()),
        count(u64::try_from(unproven).unwrap()),
        count(u64::try_from(listed).unwrap()),
    ];
    let formats = page("docs/formats.md");
    assert_eq!(column(&formats, "## Limits", 1), expected);
    assert!(formats.contains(&format!("beyond {} ", mib(expansion_floor)).replace(" |", "")));
    let expected = [
        mib(yara_file_bytes),
        count(u64::try_from(yara_matches).unwrap()),
        format!("{yara_seconds} s and 1 s for every 4 MiB"),
        count(yara_timeouts),
    ];
    assert_eq!(column(&page("docs/yara.md"), "## Limits", 1), expected);
    let kept = format!("keeps {diagnostics_per_code} diagnostics");
    assert!(page("docs/diagnostics.md").contains(&kept), "{kept}");
}

/// A rule file with all that is required, and one more line.
fn rule_file(without: &str, more: &str) -> String {
    let lines = [
        "id = 'a-rule'",
        "name = 'A rule'",
        "description = 'A rule.'",
        "regex = 'abcd[0-9]{4}'",
        "severity = 'low'",
        "confidence = 'low'",
        "remediation = 'None.'",
        "cwe = []",
        "attack = []",
        "examples = []",
    ];
    let kept = lines.iter().filter(|line| !line.starts_with(&format!("{without} =")));
    let kept = kept.filter(|line| !more.starts_with(line.split_once('=').unwrap().0));
    let lines: Vec<&str> = kept.copied().collect();
    format!("[[rules]]\n{}\n{more}\n", lines.join("\n"))
}

/// What the loader has against a rule file; `None` if nothing.
fn complaint(without: &str, more: &str) -> Option<String> {
    let text = rule_file(without, more);
    RuleSet::from_files(&[("a.toml", &text)]).err().map(|error| error.to_string())
}

/// The words that the loader takes: it names them when it gets another one.
fn taken(more: &str) -> Vec<String> {
    let said = complaint("", more).unwrap();
    let (_, list) = said.split_once("expected ").unwrap_or_else(|| panic!("{said}"));
    sorted(quoted(list.lines().next().unwrap()))
}

#[test]
fn every_key_of_a_rule_is_explained() {
    assert_eq!(complaint("", ""), None);
    let page = page("docs/rules.md");
    let keys = names(&page, "## Keys");
    assert_eq!(sorted(keys.clone()), taken("no-such-key = 1"));
    for (key, default) in keys.into_iter().zip(column(&page, "## Keys", 2)) {
        let missing = complaint(&key, "").is_some_and(|said| said.contains("missing field"));
        assert_eq!(missing, default == "required", "{key}");
    }
}

#[test]
fn every_word_of_a_rule_is_explained() {
    let page = page("docs/rules.md");
    for (heading, line) in [
        ("### `anchor`: how candidates arise", "anchor = 'x'"),
        ("### `where`: kinds of place", "where = ['x']"),
        ("### `edge`: what stands beside the value", "edge = 'x'"),
    ] {
        assert_eq!(sorted(names(&page, heading)), taken(line), "{heading}");
    }
    let meaning = |key: &str| {
        let keys = cells(&page, "## Keys");
        keys.into_iter().find(|row| row[0] == format!("`{key}`")).unwrap()[1].clone()
    };
    for key in ["severity", "confidence", "encodings", "report"] {
        let value = if key == "encodings" { "['x']" } else { "'x'" };
        assert_eq!(sorted(quoted(&meaning(key))), taken(&format!("{key} = {value}")), "{key}");
    }
    let encodings = names(&self::page("docs/formats.md"), "## Encodings");
    assert_eq!(sorted(encodings), taken("encodings = ['x']"));
}

#[test]
fn bounds_of_a_rule_are_those_of_the_loader() {
    let page = page("docs/rules.md");
    let bounds = column(&page, "### Bounds", 1);
    let bounds: Vec<usize> = bounds.iter().map(|bound| bound.parse().unwrap()).collect();
    assert_eq!(bounds[0], MAX_MATCH);
    let x = |n: usize| "x".repeat(n);
    let max_len = |n| format!("regex = 'abcd.+'\nmax_len = {n}");
    let near = |n| format!("near = {{ rule = 'a-rule', within = {n} }}");
    let prefix = |n| format!("regex = '{}[0-9]{{4}}'\nprefix = '{}'", x(8), x(n));
    let keyword = |n| format!("keywords = ['{}']", x(n));
    let run = |n| format!("regex = '[0-9a-f]{{{n}}}'\nanchor = 'run'");
    for (taken, refused) in [
        (max_len(bounds[0]), max_len(bounds[0] + 1)),
        (near(bounds[1]), near(bounds[1] + 1)),
        (prefix(bounds[2]), prefix(bounds[2] + 1)),
        (keyword(bounds[3]), keyword(bounds[3] - 1)),
        (run(bounds[4]), run(bounds[4] - 1)),
    ] {
        assert_eq!(complaint("", &taken), None);
        assert!(complaint("", &refused).is_some(), "{refused}");
    }
}

#[test]
fn every_built_in_rule_is_listed() {
    let rules = RuleSet::builtin().unwrap();
    let rows: Vec<String> = rules
        .rules()
        .iter()
        .map(|rule| {
            let checks: Vec<String> =
                rule.checks.iter().map(|check| format!("`{}`", check.name)).collect();
            let (id, name, severity) = (&rule.id, &rule.name, rule.severity.name());
            format!("| `{id}` | {name} | {severity} | {} |", checks.join(", "))
        })
        .collect();
    let heading = "## The built-in rules";
    let mut page = page("docs/rules.md");
    if std::env::var_os("UPDATE").is_some() {
        let (before, table) = page.split_once(heading).unwrap();
        let head: Vec<&str> = table.lines().take_while(|line| !line.starts_with("| `")).collect();
        page = format!("{before}{heading}{}\n{}\n", head.join("\n"), rows.join("\n"));
        fs::write(root().join("docs/rules.md"), &page).unwrap();
    }
    assert_eq!(table(&page, heading), rows, "UPDATE=1 writes the table");
}

#[test]
fn every_word_of_a_report_is_explained() {
    let page = page("docs/reading-a-report.md");
    let words: BTreeSet<String> = quoted(&page).into_iter().collect();
    // `…Record` and names of several types stand under the name of the record they are in.
    for name in ["Finding", "Place", "Reason", "RegionKind", "Level", "Confidence", "Verdict"] {
        let of = if name == "Reason" { reasons() } else { in_schema(name) };
        let missing: Vec<String> = of.into_iter().filter(|word| !words.contains(word)).collect();
        assert!(missing.is_empty(), "{name}: {missing:?} not explained");
    }
    assert_eq!(sorted(names(&page, "## Coverage")), sorted(reasons()));
}

/// Why bytes are skipped: keys of a map, which the schema does not list.
fn reasons() -> Vec<String> {
    use cryoscan::coverage::Reason;
    let all = [
        Reason::ZeroPage,
        Reason::ParentMissing,
        Reason::Lazy,
        Reason::Encrypted,
        Reason::Limit,
        Reason::Throttled,
        Reason::Unreadable,
        Reason::Excluded,
        Reason::NotContent,
    ];
    let word = |reason: &Reason| {
        // A new reason has to be put into the list above.
        match reason {
            Reason::ZeroPage
            | Reason::ParentMissing
            | Reason::Lazy
            | Reason::Encrypted
            | Reason::Limit
            | Reason::Throttled
            | Reason::Unreadable
            | Reason::Excluded
            | Reason::NotContent => serde_json::to_value(reason).unwrap(),
        }
    };
    all.iter().map(|reason| word(reason).as_str().unwrap().to_owned()).collect()
}

#[test]
fn exit_codes_are_those_of_the_help_page() {
    let help = include_str!("ui/scan.txt");
    let (_, codes) = help.split_once("Exit codes:\n").unwrap();
    let codes: Vec<String> =
        codes.lines().filter_map(|line| Some(line.trim().split_once("  ")?.0.to_owned())).collect();
    assert_eq!(codes, ["0", "1", "2", "3"]);
    let gate = include_str!("ui/gate.txt");
    assert!(codes.iter().all(|code| gate.contains(&format!("\n  {code}  "))), "{gate}");
    assert_eq!(column(&page("docs/exit-codes.md"), "# Exit codes", 0), codes);
    assert_eq!(column(&page("README.md"), "## Use", 0), codes);
}

/// The options of `cryoscan config`, as rows of the table: the same option of several commands is one.
#[cfg(feature = "cli")]
fn option_rows() -> Vec<String> {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_cryoscan"))
        .arg("config")
        .env_clear()
        .output()
        .unwrap();
    let sample = String::from_utf8(output.stdout).unwrap();
    let mut rows: Vec<([String; 4], Vec<String>)> = Vec::new();
    let mut table = "top".to_owned();
    let mut about = None;
    for line in sample.lines() {
        if line.starts_with('[') {
            table = format!("`{line}`");
        } else if let Some(text) = line.strip_prefix("# ").and_then(|it| it.strip_suffix(']')) {
            about = text.rsplit_once(" [");
        } else if let (Some((meaning, variable)), Some((key, value))) =
            (about.take(), line.trim_start_matches('#').split_once(" = "))
        {
            // A placeholder is no default.
            let none = value.trim_matches(['[', ']']).trim_matches('"');
            let none = none.chars().all(|c| c.is_ascii_uppercase() || "[]:=".contains(c));
            let value = if none { String::new() } else { format!("`{}`", value.trim_matches('"')) };
            let row = [key, variable, meaning, &value].map(|cell| cell.replace('|', "\\|"));
            match rows.iter_mut().find(|(other, _)| *other == row) {
                Some((_, tables)) => tables.push(table.clone()),
                None => rows.push((row, vec![table.clone()])),
            }
        }
    }
    let row = |([key, variable, meaning, value], tables): &([String; 4], Vec<String>)| {
        format!("| `{key}` | {} | `{variable}` | {meaning} | {value} |", tables.join(", "))
    };
    rows.iter().map(row).collect()
}

#[test]
#[cfg(feature = "cli")]
fn every_option_is_listed() {
    let rows = option_rows();
    let heading = "## All options";
    let mut page = page("docs/configuration.md");
    if std::env::var_os("UPDATE").is_some() {
        let (before, rest) = page.split_once(heading).unwrap();
        let head: Vec<&str> = rest.lines().take_while(|line| !line.starts_with("| `")).collect();
        let head = head.join("\n");
        let head = head.split_once("\n## ").map_or(head.as_str(), |(head, _)| head).trim_end();
        let (_, after) = rest.split_once("\n## ").unwrap();
        page = format!("{before}{heading}{head}\n{}\n\n## {after}", rows.join("\n"));
        fs::write(root().join("docs/configuration.md"), &page).unwrap();
    }
    assert_eq!(table(&page, heading), rows, "UPDATE=1 writes the table");
    assert!(rows.len() > 15, "{rows:?}");
}

#[test]
#[cfg(feature = "cli")]
fn the_file_of_the_page_can_be_used() {
    let page = page("docs/configuration.md");
    let (_, file) = page.split_once("```toml\n").unwrap();
    let (file, _) = file.split_once("```").unwrap();
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("docs-configuration.toml");
    fs::write(&path, file).unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_cryoscan"))
        .args(["rules", "list", "--config", path.to_str().unwrap()])
        .env_clear()
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn links_between_pages_lead_somewhere() {
    let mut pages: Vec<PathBuf> = Vec::new();
    for folder in ["", "ci", "docs", "docs/decisions", "benches/records", "tests/fixtures"] {
        let entries = fs::read_dir(root().join(folder)).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        pages.extend(paths.filter(|path| path.extension().is_some_and(|it| it == "md")));
    }
    assert!(pages.len() > 10, "{pages:?}");
    for path in pages {
        let text = fs::read_to_string(&path).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.starts_with("http") {
                continue;
            }
            let (file, part) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { path.clone() } else { path.with_file_name(file) };
            assert!(target.exists(), "{}: {link}", path.display());
            let anchor = |line: &str| {
                let title = line.trim_start_matches('#').trim().to_lowercase();
                title
                    .replace(|c: char| !c.is_alphanumeric() && c != ' ' && c != '-', "")
                    .replace(' ', "-")
            };
            if !part.is_empty() {
                let text = fs::read_to_string(&target).unwrap();
                let mut headings = text.lines().filter(|line| line.starts_with('#'));
                assert!(headings.any(|line| anchor(line) == part), "{}: {link}", path.display());
            }
        }
    }
}

/// The README's first command and, as far as it is shown, what it prints.
#[test]
#[cfg(feature = "cli")]
fn the_readme_shows_what_its_first_command_prints() {
    let readme = page("README.md");
    let start = readme.lines().skip_while(|line| !line.starts_with("cargo run "));
    let mut lines = start;
    let command = lines.next().unwrap();
    let (_, args) = command.split_once(" -- ").unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_cryoscan"))
        .args(args.split(' '))
        .current_dir(root())
        .env_clear()
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let mut printed = printed.lines();
    let shown: Vec<&str> = lines
        .skip_while(|line| *line != "```text")
        .skip(1)
        .take_while(|line| *line != "```")
        .collect();
    assert!(shown.len() > 10, "{shown:?}");
    let mut skipping = false;
    for line in shown {
        if line.trim() == "…" {
            skipping = true;
        } else if std::mem::take(&mut skipping) {
            assert!(printed.any(|real| real == line), "not printed, or earlier: {line}");
        } else {
            assert_eq!(printed.next(), Some(line));
        }
    }
}
