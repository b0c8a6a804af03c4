//! The page that explains a finding.

use std::collections::BTreeMap;

use super::{Found, Known, command};
use crate::check::Outcome;
use crate::finding::{Class, Finding, Place};
use crate::report::{Line, Style, bytes, describe_place, number, paragraph, safe};
use crate::rule::Report;

/// Columns before the text of a section.
const MARGIN: usize = 2;
/// Places for which a command is shown, unless all are asked for.
const SHOWN: usize = 3;

/// What every check and proof shows, in the words of the manual, which a test compares with the program.
const MANUAL: &str = include_str!("../../../../docs/formats.md");

/// Why it was reported, where it lies, what to do, and how to see it.
pub(super) fn page(style: &Style, found: &Found, known: &Known) -> Vec<Line> {
    let finding = &found.finding;
    let mut lines = paragraph(style, 0, &safe(style, &finding.title));
    if let Some(first) = lines.first_mut() {
        first.painted = first.text.len();
        first.sgr = "1";
    }
    let about = format!(
        "{}, severity {}, confidence {}; fingerprint {}",
        finding.id,
        finding.severity.name(),
        finding.confidence.name(),
        safe(style, &finding.fingerprint)
    );
    lines.extend(paragraph(style, 0, &about));
    section(style, &mut lines, "What it is", &what(style, found, known));
    section(style, &mut lines, "Why it was reported", &why(style, finding));
    let facts = finding.attributes.iter();
    let facts = facts.map(|(name, value)| safe(style, &format!("{name}: {value}")));
    section(style, &mut lines, "What is known of it", &facts.collect::<Vec<_>>());
    section(style, &mut lines, "Where it lies", &places(style, finding));
    section(style, &mut lines, "What to do", &todo(style, finding));
    lines.extend(commands(style, finding, &found.target));
    lines
}

fn section(style: &Style, lines: &mut Vec<Line>, title: &str, texts: &[String]) {
    if texts.is_empty() {
        return;
    }
    lines.push(Line::new(""));
    lines.push(Line::painted(title.to_owned(), "1"));
    lines.extend(texts.iter().flat_map(|text| paragraph(style, MARGIN, text)));
}

/// The rule in its own words, and the value as far as it may be shown.
fn what(style: &Style, found: &Found, known: &Known) -> Vec<String> {
    let finding = &found.finding;
    let rule = known.rules.rules().iter().find(|rule| rule.id == finding.rule.id);
    let mut texts = Vec::new();
    if let Some(rule) = rule {
        texts.push(safe(style, &rule.description));
    }
    let id = safe(style, &finding.rule.id);
    let is_proven = rule.is_some_and(|rule| rule.report == Report::Proven);
    texts.push(match (rule, finding.class) {
        (Some(_), _) if is_proven => {
            format!("Found by the rule {id}, which reports only what is proven.")
        }
        (Some(_), _) if known.has_files => format!(
            "Found by the rule {id}: `cryoscan rules show {id}`, with the same --rules, shows all of it."
        ),
        (Some(_), _) => format!("Found by the rule {id}: `cryoscan rules show {id}`."),
        (None, Class::Grep) => "Found by a pattern of --grep.".to_owned(),
        (None, Class::Indicator) if finding.attributes.contains_key("list") => {
            let of = |name: &str| finding.attributes.get(name).map(|text| safe(style, text));
            let (line, list) = (of("list.line").unwrap_or_default(), of("list").unwrap_or_default());
            format!("Found by line {line} of {list}, a list of indicators given with --ioc.")
        }
        (None, Class::Yara) => format!("Found by the YARA rule {id}."),
        (None, _) => unknown(style, found, known),
    });
    if let Some(excerpt) = finding.secret.as_ref().or(finding.matched.as_ref()) {
        let value = excerpt.value.as_ref().or(excerpt.value_b64.as_ref());
        let shown = value.unwrap_or(&excerpt.preview);
        texts.push(format!("The value: {} ({})", safe(style, shown), bytes(excerpt.length)));
    }
    if let Some(indicator) = &finding.indicator {
        texts.push(format!("{}: {}", safe(style, &indicator.kind), safe(style, &indicator.value)));
    }
    texts
}

/// What to do about a rule of which nothing is known.
fn unknown(style: &Style, found: &Found, known: &Known) -> String {
    let id = safe(style, &found.finding.rule.id);
    let others = if known.has_files { " nor of the files given with --rules" } else { "" };
    let files: Vec<String> = found.files.iter().map(|file| safe(style, file)).collect();
    let advice = if files.is_empty() {
        "no rule files were in use when it was found, so another version of cryoscan has made this report: \
         that version can say more of the rule"
            .to_owned()
    } else {
        let options: Vec<String> = files.iter().map(|file| format!("--rules {file}")).collect();
        format!(
            "give the rule files with which it was found, and what the rule looks for is said here: `{}`",
            options.join(" ")
        )
    };
    format!("Found by the rule {id}, which is none of this version's own{others}; {advice}.")
}

/// Each step of the evidence in words.
fn why(style: &Style, finding: &Finding) -> Vec<String> {
    let manual = manual();
    let mut texts: Vec<String> = Vec::new();
    for made in &finding.evidence {
        let (check, result) = (safe(style, &made.check), outcome(made.result));
        let shows = manual.get(&*made.check).map(|text| format!(": {text}"));
        let shows = shows.unwrap_or_else(|| other(&made.check));
        texts.push(format!("{check} {result}{shows}"));
    }
    if texts.is_empty() {
        texts.push(
            "No check could be made: its shape and its surroundings speak for it.".to_owned(),
        );
    }
    if let Some(also) = finding.attributes.get("also") {
        texts.push(format!("Other rules found the same value: {}", safe(style, also)));
    }
    texts
}

fn outcome(result: Outcome) -> &'static str {
    match result {
        Outcome::Pass => "passed",
        Outcome::Weak => "was doubtful",
        Outcome::Fail => "failed",
        Outcome::Unavailable => "could not be made",
    }
}

/// Lines of evidence that are no check and no proof.
fn other(name: &str) -> String {
    match name {
        "border" => ": a neighbour of the value's own alphabet lowered the confidence".to_owned(),
        "length-word" => ": the object in memory that holds it says where it ends".to_owned(),
        "environment-copy" => {
            ": it stands in a copy of the environment, as a variable does".to_owned()
        }
        name if name.starts_with("near ") => ": a match of that rule stands close by".to_owned(),
        _ => String::new(),
    }
}

/// By name, what a pass of each check and proof shows: the tables of the manual.
fn manual() -> BTreeMap<&'static str, String> {
    let mut texts = BTreeMap::new();
    let mut column = None;
    for line in MANUAL.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            column = match heading {
                "Checks" => Some(3),
                "Proofs" => Some(2),
                _ => None,
            };
        }
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let name = cells.get(1).and_then(|cell| cell.strip_prefix('`')?.strip_suffix('`'));
        let text = column.and_then(|column: usize| cells.get(column));
        if let (Some(name), Some(text)) = (name, text) {
            texts.insert(name, text.replace('`', ""));
        }
    }
    texts
}

fn places(style: &Style, finding: &Finding) -> Vec<String> {
    let mut extent = number(finding.count, "copy", "copies");
    let holders = [
        (finding.processes, number(finding.processes, "process", "processes")),
        (finding.files, number(finding.files, "file", "files")),
    ];
    let holders = holders.into_iter().filter(|(count, _)| *count > 0).map(|(_, text)| text);
    let holders: Vec<String> = holders.collect();
    if !holders.is_empty() {
        extent = format!("{extent} in {}", holders.join(" and "));
    }
    let shown = finding.places.iter().map(|place| describe_place(style, place));
    let mut texts: Vec<String> = std::iter::once(extent).chain(shown).collect();
    if finding.places_omitted > 0 {
        let more = number(finding.places_omitted, "more place", "more places");
        texts.push(format!("and {more} that the report does not show"));
    }
    texts
}

fn todo(style: &Style, finding: &Finding) -> Vec<String> {
    let mut texts = Vec::new();
    if !finding.remediation.is_empty() {
        texts.push(safe(style, &finding.remediation));
    }
    texts.extend(finding.references.iter().map(|page| format!("see {}", safe(style, page))));
    let names: Vec<String> =
        finding.cwe.iter().chain(&finding.attack).map(|name| safe(style, name)).collect();
    if !names.is_empty() {
        texts.push(names.join(", "));
    }
    if let Some(why) = &finding.suppression {
        texts.push(format!("suppressed: {}", safe(style, why)));
    }
    texts
}

/// How to see the bytes with other tools. Each command is one line, to be copied.
fn commands(style: &Style, finding: &Finding, target: &str) -> Vec<Line> {
    let most = if style.verbose { usize::MAX } else { SHOWN };
    let mut lines = Vec::new();
    for place in &finding.places {
        let Some(command) = command::show(target, place) else { continue };
        // A name that cannot be shown as it is cannot be copied either.
        if crate::report::escape(&command) != command || lines.contains(&command) {
            continue;
        }
        lines.push(command);
        if lines.len() == most {
            break;
        }
    }
    let title = Line::painted("How to see the bytes".to_owned(), "1");
    let mut page = vec![Line::new(""), title];
    if lines.is_empty() {
        let text = "No ordinary tool shows these bytes: they come from standard input, are compressed \
                    pages, or lie in an object that only cryoscan opens.";
        page.extend(paragraph(style, MARGIN, text));
        return page;
    }
    let text = "These commands show the value to whoever runs them.";
    page.extend(paragraph(style, MARGIN, text));
    page.extend(lines.into_iter().map(|line| Line::new(format!("  {line}"))));
    let is_memory = |it: &&Place| it.image.is_some() && it.address.is_some();
    let place = finding.places.iter().find(is_memory).filter(|_| command::is_archive(target));
    if let Some((pid, address)) = place.and_then(|it| Some((it.pid?, it.address?))) {
        let text = format!(
            "checkpointctl memparse --pid {pid} prints the memory of the process, where {address} is the address."
        );
        page.extend(paragraph(style, MARGIN, &text));
    }
    if finding.places.iter().any(|place| !place.decoded.is_empty()) {
        let text = "Where a place says `as`, the bytes are the encoded form of the value.";
        page.extend(paragraph(style, MARGIN, text));
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::CHECKS;
    use crate::finding::PROOFS;

    #[test]
    fn the_manual_has_a_word_for_every_check_and_proof() {
        let manual = manual();
        let names = CHECKS.iter().map(|it| it.name).chain(PROOFS.iter().map(|it| it.name));
        for name in names {
            assert!(manual.get(name).is_some_and(|text| text.len() > 20), "{name}");
        }
    }
}
