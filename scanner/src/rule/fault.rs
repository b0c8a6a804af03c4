//! What there is to say of a user's rule file: file, line, column, rule, key, and what happens now.

use std::fmt;
use std::ops::Range;

use crate::diagnostic::{Code, Diagnostic, Level};

/// How much of a file a [`Fault`] costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cost {
    /// A rule cannot be used as it is written, or the whole file.
    Wrong,
    /// A rule is not one that can be run here; the others are.
    LeftOut,
    /// A key of a rule means nothing here, or less than elsewhere; the rule runs.
    Ignored,
    /// The rule runs as it is written, and could be better.
    Advice,
}

/// Something in a rule file that is wrong or cannot be done here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// How much it costs.
    pub cost: Cost,
    /// The file.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// Id of the rule; empty if it is about the whole file.
    pub rule: String,
    /// What it is about (`regex`); empty if that is the whole rule.
    pub key: String,
    /// What is wrong, and what happens now.
    pub problem: String,
    /// The text of the line.
    excerpt: String,
    /// Bytes from the start of the file.
    offset: usize,
}

/// A place in a file that is complained about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub file: &'a str,
    pub text: &'a str,
}

/// Characters of a line that are shown before and behind the fault.
const SHOWN: usize = 60;

impl Place<'_> {
    /// What there is to say of the bytes `at`.
    pub(super) fn fault(
        self,
        cost: Cost,
        at: usize,
        (rule, key): (&str, &str),
        problem: impl Into<String>,
    ) -> Fault {
        let at = floor(self.text, at);
        let before = self.text.get(..at).unwrap_or_default();
        let start = before.rfind('\n').map_or(0, |feed| feed.saturating_add(1));
        let line = self.text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
        Fault {
            cost,
            file: self.file.to_owned(),
            line: before.matches('\n').count().saturating_add(1),
            column: before.get(start..).unwrap_or_default().chars().count().saturating_add(1),
            rule: rule.to_owned(),
            key: key.to_owned(),
            problem: problem.into(),
            excerpt: line.to_owned(),
            offset: at,
        }
    }

    /// Where in the file a byte of a string stands that was read from the bytes `at`: exact unless
    /// escapes were taken out of it.
    pub(super) fn inside(self, at: &Range<usize>, value: &str, offset: usize) -> usize {
        let raw = self.text.get(at.clone()).unwrap_or_default();
        let offset = floor(value, offset);
        let before = value.get(..offset).unwrap_or_default();
        let start = before.rfind('\n').map_or(0, |feed| feed.saturating_add(1));
        // Line by line: YAML takes the indentation away.
        let mut cursor = 0_usize;
        for line in value.get(..start).unwrap_or_default().lines().map(str::trim) {
            let rest = raw.get(cursor..).unwrap_or_default();
            let Some(found) = rest.find(line) else { return at.start };
            cursor = cursor.saturating_add(found).saturating_add(line.len());
        }
        let line = value.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
        let rest = raw.get(cursor..).unwrap_or_default();
        let Some(found) = rest.find(line) else { return at.start };
        let within = offset.saturating_sub(start);
        at.start.saturating_add(cursor).saturating_add(found).saturating_add(within)
    }
}

/// The start of the character at an offset.
fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at = at.saturating_sub(1);
    }
    at
}

impl Fault {
    /// Where and what, in one line.
    pub fn headline(&self) -> String {
        let Self { file, line, column, .. } = self;
        format!("{file}:{line}:{column}: {}", self.words())
    }

    fn words(&self) -> String {
        let rule =
            if self.rule.is_empty() { String::new() } else { format!("rule {}: ", self.rule) };
        let key = if self.key.is_empty() { String::new() } else { format!("{}: ", self.key) };
        format!("{rule}{key}{}", self.problem)
    }

    /// The line with a mark below what is meant.
    pub fn marked(&self) -> String {
        let skip = self.column.saturating_sub(1).saturating_sub(SHOWN);
        let shown: String = self.excerpt.chars().skip(skip).take(2 * SHOWN).collect();
        let shown = shown.replace(|c: char| c.is_control(), " ");
        let before = if skip > 0 { "…" } else { "" };
        let blanks = self.column.saturating_sub(1).saturating_sub(skip);
        let line = self.line.to_string();
        let margin = " ".repeat(line.len());
        let pad = " ".repeat(blanks.saturating_add(before.chars().count()));
        format!("  {line} | {before}{shown}\n  {margin} | {pad}^")
    }

    /// The same as data for a report.
    pub fn diagnostic(&self) -> Diagnostic {
        let (level, code) = match self.cost {
            Cost::Wrong | Cost::LeftOut => (Level::Warning, Code::RuleLeftOut),
            Cost::Ignored | Cost::Advice => (Level::Note, Code::RuleKeyIgnored),
        };
        let text = format!("line {}, column {}: {}", self.line, self.column, self.words());
        let text = text.replace(|c: char| c.is_control(), " ");
        Diagnostic::new(level, code, &self.file, text).at(self.offset as u64)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}", self.headline(), self.marked())
    }
}

/// What is wrong with a pattern: where in it, and in a few words.
pub(super) fn of_pattern(error: &regex_syntax::Error) -> (usize, String) {
    match error {
        regex_syntax::Error::Parse(error) => (error.span().start.offset, error.kind().to_string()),
        regex_syntax::Error::Translate(error) => {
            (error.span().start.offset, error.kind().to_string())
        }
        _ => (0, error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_shows_the_sign_that_is_meant() {
        let text = "rules:\n  - pattern: |\n      (?x)\n      größe(\n";
        let place = Place { file: "a.yml", text };
        let value = "(?x)\ngröße(\n";
        let at = text.find('|').unwrap()..text.len();
        let offset = place.inside(&at, value, value.rfind('(').unwrap());
        assert_eq!(text.get(offset..=offset), Some("("));
        let fault = place.fault(Cost::Wrong, offset, ("acme", "pattern"), "unclosed group");
        let shown = "a.yml:4:12: rule acme: pattern: unclosed group\n  4 |       größe(\n    |            ^";
        assert_eq!(fault.to_string(), shown);
        let diagnostic = fault.diagnostic();
        let said = "line 4, column 12: rule acme: pattern: unclosed group";
        assert_eq!((diagnostic.message.as_str(), diagnostic.offset), (said, offset as u64));
    }

    #[test]
    fn places_outside_of_a_text_do_no_harm() {
        let place = Place { file: "a", text: "ä" };
        for at in [0, 1, 2, 9] {
            assert_eq!(place.fault(Cost::Ignored, at, ("", ""), "x").line, 1);
        }
        assert_eq!(place.inside(&(0..9), "x\ny", 7), 0);
        let long = format!("{}(", "x".repeat(500));
        let fault = Place { file: "a", text: &long }.fault(Cost::Wrong, 500, ("", ""), "p");
        assert!(fault.marked().lines().all(|line| line.chars().count() < 140));
    }
}
