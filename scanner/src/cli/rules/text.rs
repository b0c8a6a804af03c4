//! Rules for people.

use std::io::{self, Write};

use super::view::RuleView;
use crate::check::{Confidence, Severity};
use crate::report::{Line, Style, number, paragraph};

/// Columns of the names before the facts about a rule.
const MARGIN: usize = 13;

/// A table, one line a rule.
pub(super) fn list(rules: &[&RuleView<'_>], style: &Style, out: &mut dyn Write) -> io::Result<()> {
    let width = |cells: Vec<&str>| {
        cells.into_iter().map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let ids = width(rules.iter().map(|rule| rule.id).collect());
    let families = width(rules.iter().map(|rule| rule.family).collect());
    for rule in rules {
        let severity = rule.severity.name();
        let (confidence, id, family) = (rule.confidence.name(), rule.id, rule.family);
        let text =
            format!("{severity:8}  {confidence:6}  {id:ids$}  {family:families$}  {}", rule.name);
        Line { text, painted: severity.len(), sgr: sgr(rule.severity) }.write(out, style.color)?;
    }
    let count = number(u64::try_from(rules.len()).unwrap_or(u64::MAX), "rule", "rules");
    let help = if rules.is_empty() { "" } else { "; `cryoscan rules show ID` says more" };
    Line::new(format!("{count}{help}")).write(out, style.color)
}

fn sgr(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "1;31",
        Severity::High => "31",
        Severity::Medium => "33",
        Severity::Low => "36",
        Severity::Info => "2",
    }
}

/// All about one rule.
pub(super) fn show(rule: &RuleView<'_>, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    Line::painted(format!("{}: {}", rule.id, rule.name), "1").write(out, style.color)?;
    for line in paragraph(style, 0, rule.description) {
        line.write(out, style.color)?;
    }
    writeln!(out)?;
    for (name, value) in facts(rule) {
        for (index, mut line) in paragraph(style, MARGIN, &value).into_iter().enumerate() {
            if index == 0 {
                line.text = format!("{name:MARGIN$}{}", line.text.trim_start());
            }
            line.write(out, style.color)?;
        }
    }
    Ok(())
}

/// What is known of a rule, by name; what does not apply is left out.
fn facts(rule: &RuleView<'_>) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("family", rule.family.to_owned()),
        ("severity", rule.severity.name().to_owned()),
        ("confidence", format!("{} before any check", rule.confidence.name())),
    ];
    for check in &rule.checks {
        facts.push((
            "check",
            match check.on_pass {
                Confidence::Low => format!("{} (weeds out what is none)", check.name),
                passed @ (Confidence::Medium | Confidence::High | Confidence::Confirmed) => {
                    format!("{} (a pass: {})", check.name, passed.name())
                }
            },
        ));
    }
    if let Some(near) = rule.near {
        facts.push(("near", format!("{near} nearby raises the confidence")));
    }
    facts.push(("encodings", rule.encodings.join(", ")));
    facts.push(("looks in", rule.places.join(", ")));
    if let Some(path) = rule.path {
        facts.push(("path", path.to_owned()));
    }
    facts.push(("pattern", rule.regex.to_owned()));
    facts.push((
        "longest",
        number(u64::try_from(rule.max_len).unwrap_or(u64::MAX), "character", "characters"),
    ));
    if rule.report == "proven" {
        facts.push(("reported", "only if a proof or another rule says so".to_owned()));
    }
    facts.push((
        "previews",
        match rule.prefix {
            "" => "show the length only".to_owned(),
            prefix => format!("show {prefix}… and the length"),
        },
    ));
    facts.push(("to do", rule.remediation.to_owned()));
    let lists = [("see", rule.references), ("CWE", rule.cwe), ("ATT&CK", rule.attack)];
    for (name, list) in lists {
        facts.extend(list.iter().map(|one| (name, one.clone())));
    }
    facts.extend(rule.examples.iter().map(|text| ("finds", one_line(text))));
    facts.extend(rule.counterexamples.iter().map(|text| ("finds not", one_line(text))));
    facts
}

/// A template may have line ends in it.
fn one_line(text: &str) -> String {
    text.escape_debug().to_string().replace("\\\"", "\"").replace("\\'", "'")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::rules::view::views;
    use crate::rule::RuleSet;

    const RULES: &str = r#"
[[rules]]
id = "demo-token"
name = "Demo token"
description = "A token of the demonstration service, which acts as whoever made it on everything that the service holds."
regex = 'demo_[0-9A-Za-z]{36}'
checks = ["github-crc32", "not-placeholder"]
where = ["memory", "argv"]
encodings = ["ascii"]
near = { rule = "demo-user", within = 64 }
prefix = "demo_"
severity = "critical"
confidence = "medium"
remediation = "Delete the token."
references = ["https://demo.example/tokens"]
cwe = ["CWE-522"]
attack = ["T1552.001"]
examples = [{ gen = "demo_{base62:30}{crc32}" }]
counterexamples = [{ gen = "demo_\n{base62:30}\"" }]

[[rules]]
id = "demo-user"
name = "Demo user"
description = "A user."
family = "people"
regex = 'user-[0-9]{4}'
report = "proven"
severity = "info"
confidence = "low"
remediation = "None."
cwe = []
attack = []
examples = []
"#;

    fn page(of: fn(&[RuleView<'_>], &mut dyn Write) -> io::Result<()>) -> String {
        let files = [("demo.toml", RULES)];
        let set = RuleSet::from_files(&files).unwrap();
        let examples = RuleSet::examples(&files).unwrap();
        let mut out = Vec::new();
        of(&views(&set, &examples), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_table_and_a_page() {
        let style = Style::default();
        assert_eq!(style.width, 100);
        insta::assert_snapshot!(
            "list",
            page(|all, out| list(&all.iter().collect::<Vec<_>>(), &Style::default(), out))
        );
        insta::assert_snapshot!("show", page(|all, out| show(&all[0], &Style::default(), out)));
        insta::assert_snapshot!(
            "show_short",
            page(|all, out| show(&all[1], &Style::default(), out))
        );
        insta::assert_snapshot!(
            "json",
            page(|all, out| Ok(serde_json::to_writer_pretty(out, all)?))
        );
    }
}
