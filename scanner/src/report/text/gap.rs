//! What was not scanned, and what else went wrong.

use std::collections::BTreeMap;

use super::super::Style;
use super::super::plain::{Line, bytes, paragraph, safe};
use super::{BOLD, RED, YELLOW};
use crate::coverage::{Coverage, Reason};
use crate::diagnostic::{Code, Diagnostic, Level};

/// Diagnostics of one kind: how many, and those that are shown.
pub(super) type Problems = BTreeMap<(Level, Code), (u64, Vec<Diagnostic>)>;

/// The bytes that nobody looked at, by reason.
pub(super) fn gaps(style: &Style, coverage: &Coverage) -> Vec<Line> {
    let gaps = coverage.skipped.iter().filter(|(reason, _)| reason.is_gap());
    let missing = gaps.clone().fold(0u64, |sum, (_, count)| sum.saturating_add(*count));
    if missing == 0 {
        return Vec::new();
    }
    let text = format!("Not scanned: {} of {}", bytes(missing), bytes(coverage.total));
    let mut lines = vec![Line::painted(text, BOLD)];
    for (reason, count) in gaps {
        lines.extend(paragraph(style, 2, &format!("{}: {}", bytes(*count), words(*reason))));
    }
    lines
}

/// The diagnostics, worst first, of each kind the first one unless all are asked for.
pub(super) fn problems(style: &Style, problems: &Problems) -> Vec<Line> {
    let mut lines = Vec::new();
    for ((level, _), (count, kept)) in problems {
        if *level == Level::Note && !style.verbose {
            continue;
        }
        // Those that are not shown are counted on the first one.
        let mut hidden = count.saturating_sub(kept.len() as u64);
        for problem in kept {
            lines.extend(one(style, problem, std::mem::take(&mut hidden)));
        }
    }
    lines
}

fn one(style: &Style, problem: &Diagnostic, more: u64) -> Vec<Line> {
    let (name, sgr) = match problem.level {
        Level::Error => ("error", RED),
        Level::Warning => ("warning", YELLOW),
        Level::Note => ("note", BOLD),
    };
    let more = if more > 0 { format!(" (and {more} more)") } else { String::new() };
    let at =
        if problem.offset > 0 { format!(" at byte {}", problem.offset) } else { String::new() };
    let difference = match (&problem.expected, &problem.found) {
        (Some(expected), Some(found)) => {
            format!("; expected {}, found {}", safe(style, expected), safe(style, found))
        }
        _ => String::new(),
    };
    let (member, message) = (safe(style, &problem.member), safe(style, &problem.message));
    let code = problem.code.name();
    let text = format!("{name}: {code}{more}: {member}{at}: {message}{difference}");
    let mut lines = paragraph(style, 2, &text);
    if let Some(first) = lines.first_mut() {
        first.painted = 2 + name.len();
        first.sgr = sgr;
    }
    lines
}

fn words(reason: Reason) -> &'static str {
    match reason {
        Reason::ZeroPage => "pages of zeros",
        Reason::ParentMissing => {
            "pages in a parent dump that is not here; scan it together with this one"
        }
        Reason::Lazy => "pages left on a page server",
        Reason::Encrypted => "encrypted pages",
        Reason::Limit => "beyond a limit against hostile input",
        Reason::Throttled => "where a rule met too many candidates",
        Reason::Unreadable => "unreadable, or missing at the end of a truncated file",
        Reason::Excluded => "excluded by an option",
        Reason::NotContent => "headers and padding",
    }
}
