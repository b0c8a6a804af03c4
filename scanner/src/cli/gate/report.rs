//! Reports in JSON Lines, as far as a gate needs them.
//!
//! A gate must not pass what it does not understand: whatever is missing, cut, of another schema
//! or of an unknown kind is an error. Errors quote nothing of a report: it may show secrets.

use std::io::{self, BufRead, Read};

use serde::Deserialize;
use serde_json::error::Category;

use crate::check::{Confidence, Severity};
use crate::report::SCHEMA;

/// Most bytes of a line.
const LINE: u64 = 64 << 20;

/// A report made earlier.
#[derive(Debug)]
pub(super) struct Earlier {
    pub(super) findings: Vec<Entry>,
    /// Whether everything was scanned.
    pub(super) complete: bool,
    /// Diagnostics of level `error`.
    pub(super) errors: u64,
    /// Targets that could not be scanned, and why.
    pub(super) failed: Vec<(String, String)>,
}

impl Earlier {
    /// The findings that are not suppressed.
    pub(super) fn counted(&self) -> impl Iterator<Item = &Entry> {
        self.findings.iter().filter(|finding| !finding.is_suppressed())
    }
}

/// A finding.
#[derive(Debug, Deserialize)]
pub(super) struct Entry {
    pub(super) id: String,
    pub(super) rule: Rule,
    pub(super) severity: Severity,
    pub(super) confidence: Confidence,
    pub(super) title: String,
    pub(super) secret: Option<Excerpt>,
    #[serde(rename = "match")]
    pub(super) matched: Option<Excerpt>,
    status: Option<String>,
}

impl Entry {
    fn is_suppressed(&self) -> bool {
        self.status.as_deref() == Some("suppressed")
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Rule {
    pub(super) id: String,
}

/// What may be shown of a value.
#[derive(Debug, Deserialize)]
pub(super) struct Excerpt {
    pub(super) preview: String,
    pub(super) length: u64,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum Record {
    Run { schema: String },
    Checkpoint {},
    Finding(Entry),
    Diagnostic { level: String, code: String, member: Option<String>, message: Option<String> },
    Coverage {},
    Summary { findings: Counts, complete: bool },
}

/// Findings by severity, as the summary counts them.
#[derive(Deserialize)]
struct Counts {
    critical: u64,
    high: u64,
    medium: u64,
    low: u64,
    info: u64,
}

/// Every report of an input, at least one: reports may stand one after the other.
///
/// # Errors
/// When the input cannot be read, or is not made of whole reports of this schema: the line, and
/// what is wrong with it.
pub(super) fn read(input: &mut dyn BufRead) -> io::Result<Vec<Earlier>> {
    let mut reports = Vec::new();
    let mut open: Option<Earlier> = None;
    let mut line = Vec::new();
    let mut number = 0u64;
    loop {
        line.clear();
        number = number.saturating_add(1);
        let wrong = |what: &str| io::Error::other(format!("line {number}: {what}"));
        if input.take(LINE).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        if u64::try_from(line.len()).is_ok_and(|len| len == LINE) {
            return Err(wrong("no record: it is longer than 64 MiB"));
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        let record = record(&line).map_err(|what| wrong(&what))?;
        let Some(report) = &mut open else {
            match record {
                Record::Run { schema } if schema == SCHEMA => open = Some(empty()),
                Record::Run { .. } => {
                    return Err(wrong(&format!("a report of another schema; expected {SCHEMA}")));
                }
                Record::Checkpoint {}
                | Record::Finding(_)
                | Record::Diagnostic { .. }
                | Record::Coverage {}
                | Record::Summary { .. } => {
                    return Err(wrong("no report begins here: expected a `run` record"));
                }
            }
            continue;
        };
        match record {
            Record::Run { .. } => {
                return Err(wrong(
                    "a report begins before the one above has ended: it was cut short, there is no \
                     `summary` record",
                ));
            }
            Record::Checkpoint {} | Record::Coverage {} => {}
            Record::Finding(finding) => report.findings.push(finding),
            Record::Diagnostic { level, code, member, message } => {
                report.errors = report.errors.saturating_add(u64::from(level == "error"));
                if code == "target-failed" {
                    let text = |text: Option<String>| text.unwrap_or_default();
                    report.failed.push((text(member), text(message)));
                }
            }
            Record::Summary { findings, complete } => {
                report.complete = complete;
                compare(report, &findings).map_err(|what| wrong(&what))?;
                reports.extend(open.take());
            }
        }
    }
    if open.is_some() {
        let what = "the report was cut short: it ends without a `summary` record";
        return Err(io::Error::other(what));
    }
    if reports.is_empty() {
        return Err(io::Error::other("no report: it is empty"));
    }
    Ok(reports)
}

fn empty() -> Earlier {
    Earlier { findings: Vec::new(), complete: false, errors: 0, failed: Vec::new() }
}

fn record(line: &[u8]) -> Result<Record, String> {
    serde_json::from_slice(line).map_err(|error| {
        let column = error.column();
        match error.classify() {
            Category::Eof => "a record was cut short".to_owned(),
            Category::Syntax | Category::Io => {
                format!("no JSON, at column {column}; expected a report made by `-f jsonl`")
            }
            Category::Data => format!("no record of {SCHEMA}, at column {column}"),
        }
    })
}

/// Whether findings have been taken out of the report, or put into it.
fn compare(report: &Earlier, summary: &Counts) -> Result<(), String> {
    for (severity, said) in [
        (Severity::Critical, summary.critical),
        (Severity::High, summary.high),
        (Severity::Medium, summary.medium),
        (Severity::Low, summary.low),
        (Severity::Info, summary.info),
    ] {
        let of = |it: &&Entry| it.severity == severity;
        let all = report.findings.iter().filter(of).count();
        let counted = report.counted().filter(of).count();
        // Whether a summary counts what is suppressed is its own affair.
        let fits = (counted..=all).any(|count| u64::try_from(count).is_ok_and(|it| it == said));
        if !fits {
            let name = severity.name();
            return Err(format!(
                "the summary counts {said} findings of severity {name}, the report holds {all}: \
                 lines were taken out or put in"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn lines() -> Vec<String> {
        let records = sample::findings();
        records.iter().map(|record| serde_json::to_string(record).unwrap()).collect()
    }

    fn error(lines: &[String]) -> String {
        read(&mut lines.join("\n").as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn a_report_is_read_back() {
        let lines = lines();
        let found = read(&mut lines.join("\n").as_bytes()).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].findings.len(), found[0].errors, found[0].complete), (4, 3, false));
        // One after the other, with blank lines between.
        let twice = format!("{}\r\n\n{}\n", lines.join("\r\n"), lines.join("\n"));
        assert_eq!(read(&mut twice.as_bytes()).unwrap().len(), 2);
    }

    #[test]
    fn what_is_cut_is_no_report_wherever_it_is_cut() {
        let lines = lines();
        for kept in 0..lines.len() {
            let said = error(&lines[..kept]);
            let expected = if kept == 0 { "empty" } else { "cut short" };
            assert!(said.contains(expected), "{kept}: {said}");
        }
        let text = lines.join("\n");
        let mut cut = &text.as_bytes()[..text.len() - 5];
        let said = read(&mut cut).unwrap_err().to_string();
        assert_eq!(said, "line 13: a record was cut short");
        let mut two = lines[..3].to_vec();
        two.extend(self::lines());
        assert!(error(&two).starts_with("line 4: a report begins"), "{}", error(&two));
    }

    #[test]
    fn a_missing_finding_is_noticed() {
        for (index, line) in lines().iter().enumerate() {
            if line.contains(r#""type":"finding""#) {
                let mut less = lines();
                less.remove(index);
                assert!(error(&less).contains("were taken out"), "{}", error(&less));
            }
        }
    }

    #[test]
    fn what_is_suppressed_does_not_count_whatever_the_summary_counts() {
        let mut lines = lines();
        let index = lines.iter().position(|line| line.contains("\"critical\"")).unwrap();
        lines[index] = lines[index].replace("\"status\":null", "\"status\":\"suppressed\"");
        for counts in ["\"critical\":1", "\"critical\":0"] {
            let last = lines.last_mut().unwrap();
            *last = last.replace("\"critical\":1", counts);
            let found = read(&mut lines.join("\n").as_bytes()).unwrap();
            assert_eq!((found[0].findings.len(), found[0].counted().count()), (4, 3));
        }
    }

    #[test]
    fn other_files_are_no_reports() {
        let other = ["{\"type\":\"run\",\"schema\":\"cryoscan/2\"}".to_owned()];
        assert_eq!(error(&other), "line 1: a report of another schema; expected cryoscan/1");
        let sarif = ["{\"version\":\"2.1.0\",\"runs\":[]}".to_owned()];
        assert!(error(&sarif).starts_with("line 1: no record of cryoscan/1"), "{}", error(&sarif));
        let pretty = ["{".to_owned(), "}".to_owned()];
        assert_eq!(error(&pretty), "line 1: a record was cut short");
        assert!(error(&["findings: none".to_owned()]).starts_with("line 1: no JSON"));
        assert!(error(&lines()[1..]).starts_with("line 1: no report begins here"));
        let mut unknown = lines();
        unknown.insert(2, "{\"type\":\"novelty\"}".to_owned());
        assert!(error(&unknown).starts_with("line 3: no record"), "{}", error(&unknown));
    }

    #[test]
    fn errors_quote_nothing() {
        for field in ["\"severity\":\"critical\"", "\"length\":40"] {
            let mut lines = lines();
            let index = lines.iter().position(|line| line.contains(field)).unwrap();
            let (name, _) = field.split_once(':').unwrap();
            lines[index] = lines[index].replace(field, &format!("{name}:\"wandering\""));
            let said = error(&lines);
            assert!(said.starts_with("line ") && !said.contains("wandering"), "{said}");
        }
    }
}
