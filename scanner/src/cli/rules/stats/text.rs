//! The table of costs, for people.

use std::io::{self, Write};

use super::{FoundBy, Row, Stats, bytes};
use crate::report::{Line, Style, number, paragraph, safe};

/// Rules that are shown unless all are asked for.
const SHOWN: usize = 30;

/// Literals of a rule that are shown unless all are asked for.
const LITERALS: usize = 3;

/// Columns that are numbers.
const FIGURES: usize = 7;

/// What the columns are called.
const HEADINGS: [&str; FIGURES + 2] =
    ["ms", "share", "candidates", "matched", "refused", "values", "copies", "rule", "found by"];

/// A table of the rules, the most expensive first, and what all of them took.
pub(super) fn page(stats: &Stats<'_>, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    let is_busy = |row: &&Row<'_>| row.candidates > 0 || row.values > 0 || row.ns > 0;
    let busy: Vec<&Row<'_>> = stats.rules.iter().filter(is_busy).collect();
    let most = if style.verbose { usize::MAX } else { SHOWN };
    let (shown, rest) = busy.split_at(busy.len().min(most));
    let mut rows = vec![HEADINGS.map(str::to_owned)];
    rows.extend(shown.iter().map(|row| cells(row, stats.rules_ns, style)));
    let mut all = total(&busy, stats.rules_ns);
    if busy.len() > shown.len() {
        let more = total(rest, stats.rules_ns);
        rows.push(with_name(more, &format!("({} more; -v shows them)", rest.len())));
    }
    all = with_name(all, "all of them");
    rows.push(all);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..HEADINGS.len()).map(width).collect();
    for (index, row) in rows.iter().enumerate() {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            if column < FIGURES { format!("{cell:>width$}") } else { format!("{cell:width$}") }
        });
        let text = cells.collect::<Vec<_>>().join("  ").trim_end().to_owned();
        let line = if index == 0 { Line::painted(text, "1") } else { Line::new(text) };
        line.write(out, style.color)?;
    }
    writeln!(out)?;
    for line in closing(stats, busy.len()) {
        for line in paragraph(style, 0, &line) {
            line.write(out, style.color)?;
        }
    }
    Ok(())
}

/// What stands below the table.
fn closing(stats: &Stats<'_>, busy: usize) -> Vec<String> {
    let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    let idle = count(stats.rules.len().saturating_sub(busy));
    let rules = number(count(stats.rules.len()), "rule", "rules");
    let mut lines = vec![format!(
        "{} scanned with {rules}, of which {idle} met nothing. Matching took {} ms of CPU time: \
         {} ms in the rules above, the rest in what they share (finding the literals, text runs, \
         decoding).",
        bytes(stats.scanned_bytes),
        millis(stats.matching_ns),
        millis(stats.rules_ns),
    )];
    let wide: Vec<&str> =
        stats.rules.iter().filter(|row| !row.narrowed).map(|row| row.id).collect();
    if !wide.is_empty() {
        lines.push(format!(
            "* Nothing narrows where these are tried, so each goes over all that is scanned: {}.",
            wide.join(", ")
        ));
    }
    lines
}

type Cells = [String; FIGURES + 2];

fn cells(row: &Row<'_>, all: u64, style: &Style) -> Cells {
    let mark = if row.narrowed { "" } else { " *" };
    let found_by = found_by(&row.found_by, style);
    let figures = figures(&[row], all);
    let mut cells = with_name(figures, row.id);
    if let Some(last) = cells.last_mut() {
        *last = format!("{found_by}{mark}");
    }
    cells
}

fn total(rows: &[&Row<'_>], all: u64) -> Cells {
    figures(rows, all)
}

fn with_name(mut cells: Cells, name: &str) -> Cells {
    if let Some(cell) = cells.get_mut(FIGURES) {
        name.clone_into(cell);
    }
    cells
}

/// The figures of rules, added up; no name.
fn figures(rows: &[&Row<'_>], all: u64) -> Cells {
    let sum =
        |of: fn(&Row<'_>) -> u64| rows.iter().fold(0u64, |sum, row| sum.saturating_add(of(row)));
    let ns = sum(|row| row.ns);
    let refused = |row: &Row<'_>| {
        row.refused.check.saturating_add(row.refused.known).saturating_add(row.refused.edge)
    };
    let tenths = ns.saturating_mul(1000).checked_div(all).unwrap_or_default();
    [
        millis(ns),
        format!("{}.{} %", tenths / 10, tenths % 10),
        sum(|row| row.candidates).to_string(),
        sum(|row| row.matched).to_string(),
        sum(refused).to_string(),
        sum(|row| row.values).to_string(),
        sum(|row| row.count).to_string(),
        String::new(),
        String::new(),
    ]
}

/// Nanoseconds as milliseconds with two digits behind the point.
fn millis(ns: u64) -> String {
    let hundredths = ns.saturating_add(5_000) / 10_000;
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

fn found_by(found_by: &FoundBy, style: &Style) -> String {
    let most = if style.verbose { usize::MAX } else { LITERALS };
    let shown = found_by.literals.iter().zip(&found_by.looked_for).take(most);
    let shown = shown.map(|(literal, bytes)| {
        let all = style.verbose && bytes != literal;
        if all { safe(style, &format!("{literal} ({bytes})")) } else { safe(style, literal) }
    });
    let mut words: Vec<String> = shown.collect();
    let more = found_by.literals.len().saturating_sub(words.len());
    if more > 0 {
        words.push(format!("and {more} more"));
    }
    let kind = match found_by.kind {
        "literal" => return words.join(", "),
        "keyword" => return format!("{} in any case", words.join(", ")),
        "run" => "runs of its characters",
        "word" => "strings of its length",
        "number" => "numbers",
        "words" => "words of a list",
        "label" => "arguments and environments",
        "path" => "paths of files",
        _ => "all text",
    };
    kind.to_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::stats;
    use super::*;
    use crate::matching::{Costs, RuleCost};
    use crate::rule::RuleSet;

    /// Six rules, each found in another way, with a cost each but for the last.
    fn shown(style: &Style) -> String {
        let mut set = RuleSet::default();
        for pattern in ["demo_[0-9]{8}", "(?:one|two|three|four|five)-[a-z]+", "[a-z]+", "rare"] {
            set.add_grep(pattern).unwrap();
        }
        let cost = |candidates: u64, matched: u64, refused: u64, nanos: u64| RuleCost {
            candidates,
            matched,
            refused_by_check: refused / 3,
            refused_as_known: refused / 3,
            refused_at_edge: refused - refused / 3 * 2,
            accepted: matched - refused,
            nanos,
        };
        let rules = vec![
            cost(1_200_000, 40, 30, 1_500_000),
            cost(7, 5, 0, 10_000),
            cost(90, 90, 90, 6_000_000),
        ];
        let costs = Costs { rules, nanos: 20_000_000 };
        let found = BTreeMap::from([(set.rules()[0].id.clone(), (3, 10))]);
        let mut stats = stats(&set, &costs, &found);
        stats.scanned_bytes = 1 << 20;
        let mut out = Vec::new();
        page(&stats, style, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_table_of_costs() {
        insta::assert_snapshot!("stats", shown(&Style::default()));
        insta::assert_snapshot!(
            "stats_verbose",
            shown(&Style { verbose: true, ..Style::default() })
        );
    }

    #[test]
    fn times_are_rounded_to_hundredths_of_milliseconds() {
        for (ns, shown) in [(0, "0.00"), (4_999, "0.00"), (5_000, "0.01"), (12_345_678, "12.35")] {
            assert_eq!(millis(ns), shown);
        }
    }
}
