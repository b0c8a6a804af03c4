//! `cryoscan gate`: what reports made earlier mean.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use clap::Args;

use super::exit::{Exit, Policy};
use super::output::complain;
use crate::report::{Line, Style, bytes, escape, number, safe};
use crate::scan::{Outcome, ScanError};

mod report;

use report::{Earlier, Entry};

pub(super) const EXAMPLES: &str = "\
Examples:
  cryoscan scan x.tar -f jsonl > x.jsonl; cryoscan gate x.jsonl --fail-on high
  cryoscan gate *.jsonl --fail-on high:confirmed    several reports, one exit code
  zcat x.jsonl.gz | cryoscan gate - --fail-on high  from standard input";

/// How the help page explains exit codes.
pub(super) const HELP: &str = "\
Exit codes:
  0  the gate passed; without --fail-on findings do not fail it
  1  it failed: findings at or above --fail-on (another number: --findings-exit-code)
  2  a report could not be read, was cut short, or tells of a target that could not be scanned
  3  it passed, but not everything was scanned (--strict makes it 1, --allow-incomplete 0)";

/// Findings of a report, and targets that failed, that are shown unless all are asked for.
const SHOWN: usize = 10;

#[derive(Debug, Args)]
pub(super) struct GateArgs {
    /// Reports in JSON Lines (`-f jsonl`), or `-` for standard input
    #[arg(value_name = "REPORT", required = true)]
    pub(super) reports: Vec<PathBuf>,

    #[command(flatten)]
    pub(super) policy: Policy,
}

/// Judges the reports, says why, and gives the exit code.
pub(super) fn run(args: &GateArgs, style: &Style) -> anyhow::Result<u8> {
    let policy = args.policy;
    let mut all = Outcome { complete: true, ..Outcome::default() };
    let mut lines = Vec::new();
    for path in &args.reports {
        let name = path.display().to_string();
        match read(path) {
            Ok(reports) => {
                for report in &reports {
                    let outcome = outcome(report);
                    lines.extend(verdict(style, &name, report, &outcome, policy));
                    add(&mut all, outcome);
                }
            }
            Err(error) => {
                complain(&escape(&format!("{name}: {error}")));
                all.failed.push((name, ScanError::Unreadable(error)));
            }
        }
    }
    let mut out = io::stdout().lock();
    let written = lines.iter().try_for_each(|line| line.write(&mut out, style.color));
    match written {
        // A reader that has gone away does not change what the exit code says.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(policy.code(policy.judge(&all))),
    }
}

/// How many whole reports an input holds, read as `cryoscan gate` does.
///
/// # Errors
/// When it cannot be read, or is not made of whole reports of this schema.
pub fn count_reports(input: &mut dyn BufRead) -> io::Result<usize> {
    report::read(input).map(|reports| reports.len())
}

fn read(path: &Path) -> io::Result<Vec<Earlier>> {
    let mut input: Box<dyn BufRead> = if path.as_os_str() == "-" {
        Box::new(io::stdin().lock())
    } else {
        Box::new(BufReader::new(File::open(path)?))
    };
    report::read(&mut input)
}

/// The report as the scan that made it would have ended.
fn outcome(report: &Earlier) -> Outcome {
    let mut outcome = Outcome { complete: report.complete, ..Outcome::default() };
    for finding in report.counted() {
        let count = outcome.findings.entry((finding.severity, finding.confidence)).or_default();
        *count = count.saturating_add(1);
    }
    let error = |message: &String| ScanError::Unreadable(io::Error::other(message.clone()));
    let failed = report.failed.iter();
    outcome.failed = failed.map(|(target, message)| (target.clone(), error(message))).collect();
    outcome
}

fn add(all: &mut Outcome, one: Outcome) {
    for (row, more) in one.findings {
        let count = all.findings.entry(row).or_default();
        *count = count.saturating_add(more);
    }
    all.complete &= one.complete;
    all.failed.extend(one.failed);
}

/// What a report means, and the findings that fail it, worst first.
fn verdict(
    style: &Style,
    name: &str,
    report: &Earlier,
    outcome: &Outcome,
    policy: Policy,
) -> Vec<Line> {
    let exit = policy.judge(outcome);
    let (word, sgr) = match exit {
        Exit::Passed => ("passed", "32"),
        Exit::GateFailed => ("FAILED", "1;31"),
        Exit::CouldNotRun => ("NOT SCANNED", "1;31"),
        Exit::Incomplete => ("INCOMPLETE", "1;33"),
    };
    let fails = |finding: &&Entry| {
        policy.gate.is_some_and(|gate| gate.fails(finding.severity, finding.confidence))
    };
    let mut failing: Vec<&Entry> = report.counted().filter(fails).collect();
    failing.sort_by(|a, b| {
        let worst = |it: &Entry| (it.severity, it.confidence);
        worst(b).cmp(&worst(a)).then_with(|| (&a.rule.id, &a.id).cmp(&(&b.rule.id, &b.id)))
    });

    let text = format!("{word}: {}: {}", safe(style, name), reasons(report, failing.len(), policy));
    let mut lines = vec![Line { text, painted: word.len(), sgr }];
    let failing = failing.into_iter().map(|finding| entry(style, finding));
    lines.extend(some(style, failing.collect()));
    let failed = report.failed.iter().map(|(target, message)| {
        format!("  not scanned: {}: {}", safe(style, target), safe(style, message))
    });
    lines.extend(some(style, failed.collect()));
    lines
}

/// The first of many lines, and how many there are more.
fn some(style: &Style, mut texts: Vec<String>) -> Vec<Line> {
    let more = texts.len().saturating_sub(SHOWN);
    if more > 0 && !style.verbose {
        texts.truncate(SHOWN);
        texts.push(format!("  and {more} more: -v shows all"));
    }
    texts.into_iter().map(Line::new).collect()
}

/// `2 findings at or above high:medium, of 7; not everything was scanned`.
fn reasons(report: &Earlier, failing: usize, policy: Policy) -> String {
    let count =
        |count: usize| number(u64::try_from(count).unwrap_or(u64::MAX), "finding", "findings");
    let all = report.counted().count();
    let mut text = match policy.gate {
        None if all == 0 => "no findings".to_owned(),
        None => format!("{}, which fail nothing without --fail-on", count(all)),
        Some(gate) => {
            let (severity, confidence) = (gate.severity.name(), gate.confidence.name());
            let failing = if failing == 0 { "no findings".to_owned() } else { count(failing) };
            format!("{failing} at or above {severity}:{confidence}, of {all}")
        }
    };
    let suppressed = report.findings.len().saturating_sub(all);
    if suppressed > 0 {
        text = format!("{text} ({suppressed} more suppressed)");
    }
    if report.complete {
        return text;
    }
    let errors = number(report.errors, "error", "errors");
    format!("{text}; not everything was scanned ({errors} in the report)")
}

/// One finding in a line. The report holds no value unless it was made to; it is not read here.
fn entry(style: &Style, finding: &Entry) -> String {
    let (severity, confidence) = (finding.severity.name(), finding.confidence.name());
    let shown =
        finding.secret.as_ref().or(finding.matched.as_ref()).map(|excerpt| {
            format!("; {} ({})", safe(style, &excerpt.preview), bytes(excerpt.length))
        });
    let [id, rule, title] = [&finding.id, &finding.rule.id, &finding.title];
    let [id, rule, title] = [id, rule, title].map(|text| safe(style, text));
    let shown = shown.unwrap_or_default();
    format!("  {severity:8} {confidence:9} {rule}: {title}{shown}; {id}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::value;
    use crate::report::sample;

    /// The lines that the gate prints for a report, and the exit code.
    fn judged(records: &[crate::report::Record], policy: Policy, verbose: bool) -> (String, u8) {
        let lines: Vec<String> =
            records.iter().map(|record| serde_json::to_string(record).unwrap()).collect();
        let reports = report::read(&mut lines.join("\n").as_bytes()).unwrap();
        assert_eq!(reports.len(), 1);
        let outcome = outcome(&reports[0]);
        let style = Style { verbose, ..Style::default() };
        let mut out = Vec::new();
        for line in verdict(&style, "r.jsonl", &reports[0], &outcome, policy) {
            line.write(&mut out, false).unwrap();
        }
        (String::from_utf8(out).unwrap(), policy.code(policy.judge(&outcome)))
    }

    fn policy(gate: &str) -> Policy {
        let gate = (!gate.is_empty()).then(|| value::gate(gate).unwrap());
        Policy { gate, strict: false, allow_incomplete: false, findings_code: 1 }
    }

    #[test]
    fn findings_that_fail_come_worst_first() {
        let (text, code) = judged(&sample::findings(), policy("medium:low"), false);
        assert_eq!(code, 1);
        insta::assert_snapshot!(text);
        let (text, code) = judged(&sample::findings(), policy("critical:confirmed"), false);
        assert_eq!((text.lines().count(), code), (2, 1), "{text}");
    }

    #[test]
    fn a_gate_that_passes_says_what_it_has_seen() {
        assert_eq!(
            judged(&sample::clean(), policy("low:low"), false),
            ("passed: r.jsonl: no findings at or above low:low, of 0\n".to_owned(), 0)
        );
        let (text, code) = judged(&sample::findings(), policy(""), false);
        let expected = "INCOMPLETE: r.jsonl: 4 findings, which fail nothing without --fail-on; not \
                        everything was scanned (3 errors in the report)\n";
        assert_eq!((text.as_str(), code), (expected, 3));
    }

    #[test]
    fn many_findings_fit_on_a_screen() {
        let (text, _) = judged(&sample::many(), policy("info:low"), false);
        assert!(text.lines().count() < 25, "{text}");
        assert_eq!(text.matches(" more: -v shows all\n").count(), 2, "findings, targets: {text}");
        let (all, _) = judged(&sample::many(), policy("info:low"), true);
        assert!(all.lines().count() > 20 && !all.contains("-v shows all"), "{all}");
    }

    #[test]
    fn an_incomplete_scan_is_judged_as_the_scan_judges_it() {
        let gate = policy("");
        for (policy, expected) in [
            (gate, 3),
            (Policy { strict: true, ..gate }, 1),
            (Policy { strict: true, findings_code: 9, ..gate }, 9),
            (Policy { allow_incomplete: true, ..gate }, 0),
        ] {
            let (text, code) = judged(&sample::findings(), policy, false);
            assert_eq!(code, expected, "{text}");
            assert!(text.contains("not everything was scanned"), "{text}");
        }
        // A target of which nothing could be said, whatever else is asked for.
        let lenient = Policy { allow_incomplete: true, findings_code: 9, ..gate };
        let (text, code) = judged(&sample::incomplete(), lenient, false);
        assert_eq!(code, 2);
        assert!(text.contains("\n  not scanned: notes.txt: not a checkpoint\n"), "{text}");
    }

    #[test]
    fn what_a_checkpoint_says_cannot_move_the_cursor() {
        let (text, _) = judged(&sample::hostile(), policy("info:low"), true);
        let harmful = |c: char| c != '\n' && crate::report::is_harmful(c);
        assert!(!text.chars().any(harmful), "{text:?}");
    }
}
