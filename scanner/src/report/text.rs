//! What a responder reads: the verdict first, then the worst findings with where they are, why they
//! are believed and what to do, then what was not scanned. One screen, unless all is asked for.

use std::cmp::Reverse;
use std::io::{self, Write};

use super::plain::{Line, bytes, number, paragraph, safe, wrap};
use super::record::{CheckpointRecord, CoverageRecord, Record, Run, SeverityCounts, Summary};
use super::{Format, Report, Style};
use crate::check::{Confidence, Severity};
use crate::coverage::Coverage;
use crate::diagnostic::Code;
#[cfg(feature = "cli")]
use crate::diagnostic::Diagnostic;
use crate::finding::Finding;

mod entry;
mod gap;

/// For people at a terminal.
pub(super) const FORMAT: Format = Format {
    name: "text",
    help: "a page for people, worst first",
    make: |out, style| Box::new(Text::new(out, *style)),
};

/// Lines of a report that is not verbose.
const SCREEN: usize = 40;
/// Lines of it about checkpoints.
const HEAD: usize = 6;
/// Lines of it about what was not scanned.
const TAIL: usize = 8;
/// Findings shown in detail where not all of them fit.
const DETAILED: usize = 2;
/// Columns before the text of a finding: the longest severity and two blanks.
const MARGIN: usize = 10;

const BOLD: &str = "1";
const RED: &str = "1;31";
const YELLOW: &str = "33";
const GREEN: &str = "32";

struct Text {
    out: Box<dyn Write + Send>,
    style: Style,
    run: Option<Run>,
    /// The first ones, or all; `checkpoint_count` knows how many there are.
    checkpoints: Vec<CheckpointRecord>,
    checkpoint_count: u64,
    /// The worst ones, or all; `counts` knows how many there are.
    findings: Vec<Finding>,
    counts: SeverityCounts,
    problems: gap::Problems,
    coverage: Coverage,
    notes: Vec<String>,
    summary: Option<Summary>,
}

impl Report for Text {
    fn record(&mut self, record: &Record) -> io::Result<()> {
        match record {
            Record::Run(run) => self.run = Some(run.clone()),
            Record::Checkpoint(checkpoint) => {
                self.checkpoint_count += 1;
                if self.style.verbose || self.checkpoints.len() < HEAD {
                    self.checkpoints.push(checkpoint.clone());
                }
            }
            Record::Finding(finding) => self.keep(finding),
            Record::Diagnostic(record) => {
                let problem = &record.diagnostic;
                let (count, kept) = self.problems.entry((problem.level, problem.code)).or_default();
                *count += 1;
                // Each target that failed has its own name to give.
                let most = if problem.code == Code::TargetFailed { TAIL } else { 1 };
                if self.style.verbose || kept.len() < most {
                    kept.push(problem.clone());
                }
            }
            Record::Coverage(CoverageRecord { coverage, notes, .. }) => {
                self.coverage.merge(coverage);
                self.notes.extend(notes.iter().cloned());
            }
            Record::Summary(summary) => self.summary = Some(summary.clone()),
        }
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        self.findings.sort_by_key(rank);
        let mut page = self.verdict();
        page.extend(self.checkpoints());
        let tail = self.not_scanned();
        let room = SCREEN.saturating_sub(page.len() + tail.len() + 2);
        for part in [self.findings(room), tail] {
            if !part.is_empty() {
                page.push(Line::new(""));
                page.extend(part);
            }
        }
        for line in page {
            line.write(&mut self.out, self.style.color)?;
        }
        self.out.flush()
    }
}

/// A place in one line, with image and offset.
#[cfg(feature = "cli")]
pub(crate) fn describe_place(style: &Style, place: &crate::finding::Place) -> String {
    entry::place(&Style { verbose: true, ..*style }, place)
}

/// The diagnostics as the page shows them: of each kind the first one unless all are asked for.
#[cfg(feature = "cli")]
pub(crate) fn diagnostics(style: &Style, all: &[Diagnostic]) -> Vec<Line> {
    let mut problems = gap::Problems::new();
    for problem in all {
        let (count, kept) = problems.entry((problem.level, problem.code)).or_default();
        *count += 1;
        if style.verbose || kept.is_empty() {
            kept.push(problem.clone());
        }
    }
    gap::problems(style, &problems)
}

/// Worst first; what is equal stays in the order of the records.
fn rank(finding: &Finding) -> (Reverse<Severity>, Reverse<Confidence>) {
    (Reverse(finding.severity), Reverse(finding.confidence))
}

impl Text {
    fn new(out: Box<dyn Write + Send>, style: Style) -> Self {
        Self {
            out,
            style,
            run: None,
            checkpoints: Vec::new(),
            checkpoint_count: 0,
            findings: Vec::new(),
            counts: SeverityCounts::default(),
            problems: gap::Problems::new(),
            coverage: Coverage::default(),
            notes: Vec::new(),
            summary: None,
        }
    }

    /// Keeps a finding, and of many only those that can be shown.
    fn keep(&mut self, finding: &Finding) {
        self.counts.add(finding.severity, 1);
        self.findings.push(finding.clone());
        if !self.style.verbose && self.findings.len() > 2 * SCREEN {
            self.findings.sort_by_key(rank);
            self.findings.truncate(SCREEN);
        }
    }

    fn verdict(&self) -> Vec<Line> {
        let what = match self.run.as_ref().map(|run| run.targets.as_slice()) {
            Some([target]) => safe(&self.style, target),
            _ => number(self.checkpoint_count, "checkpoint", "checkpoints"),
        };
        let whole = self.summary.as_ref().is_some_and(|summary| summary.complete);
        let worst = self.counts.by_severity().into_iter().find(|(_, count)| *count > 0);
        let (text, sgr) = match (worst, whole) {
            (Some((severity, _)), _) => {
                let found = number(self.counts.total(), "finding", "findings");
                let by = counts(&self.counts);
                let scanned = if whole { "Everything" } else { "NOT everything" };
                (format!("{found} in {what}: {by}. {scanned} was scanned."), color(severity))
            }
            (None, true) => {
                let scanned = bytes(self.coverage.scanned);
                (format!("Nothing found in {what}: everything was scanned, {scanned}."), GREEN)
            }
            (None, false) if self.checkpoint_count == 0 => {
                ("Nothing was scanned: there is no checkpoint that can be read.".to_owned(), RED)
            }
            (None, false) => {
                (format!("Nothing found in {what}, but NOT everything was scanned."), RED)
            }
        };
        let lines = wrap(&text, self.style.width);
        lines.into_iter().map(|line| Line::painted(line, sgr)).collect()
    }

    fn checkpoints(&self) -> Vec<Line> {
        let mut lines = Vec::new();
        let mut hidden = self.checkpoint_count;
        for checkpoint in &self.checkpoints {
            let more = paragraph(&self.style, 2, &self.checkpoint(checkpoint));
            if !self.style.verbose && lines.len() + more.len() >= HEAD {
                break;
            }
            lines.extend(more);
            hidden = hidden.saturating_sub(1);
        }
        if hidden > 0 {
            let more = number(hidden, "more checkpoint", "more checkpoints");
            lines.push(Line::new(format!("  and {more}")));
        }
        lines
    }

    fn checkpoint(&self, record: &CheckpointRecord) -> String {
        let safe = |text: &str| safe(&self.style, text);
        let name = record.container.name.as_ref().or(record.container.id.as_ref());
        let pod = record.pod.as_ref().map(|pod| {
            let names = [&pod.namespace, &pod.name];
            let names: Vec<&str> = names.into_iter().flatten().map(String::as_str).collect();
            format!("of pod {}", safe(&names.join("/")))
        });
        let mut who = vec![safe(&record.producer)];
        who.extend(name.map(|name| format!("container {}", safe(name))));
        who.extend(pod);
        who.extend(record.host.as_ref().map(|host| format!("on {}", safe(host))));
        let time = record.checkpointed.as_ref().map(|time| format!(", frozen {}", safe(time)));
        let mut text = format!(
            "{} {}: {}{}",
            record.checkpoint,
            safe(&record.target),
            who.join(" "),
            time.unwrap_or_default()
        );
        if self.style.verbose || self.checkpoint_count == 1 {
            let processes = number(record.processes, "process", "processes");
            let files = number(record.files, "file", "files");
            let memory = bytes(record.memory_bytes);
            text = format!("{text}; {processes}, {memory} of memory, {files}");
        }
        text
    }

    /// Findings in at most `room` lines: all in detail if they fit, else the worst, then one line each.
    fn findings(&self, room: usize) -> Vec<Line> {
        let details: Vec<Vec<Line>> =
            self.findings.iter().map(|finding| entry::detailed(&self.style, finding)).collect();
        let lines: usize = details.iter().map(Vec::len).sum();
        let all = self.findings.len() as u64 == self.counts.total();
        if self.style.verbose || (all && lines <= room) {
            return details.into_iter().flatten().collect();
        }
        let mut page: Vec<Line> = Vec::new();
        let mut left = self.counts;
        for (index, (finding, detail)) in self.findings.iter().zip(details).enumerate() {
            let lines = if index < DETAILED { detail } else { entry::short(&self.style, finding) };
            // One line stays for what is not shown.
            if page.len() + lines.len() + 1 > room {
                break;
            }
            page.extend(lines);
            left.remove(finding.severity);
        }
        if left.total() > 0 {
            let more = number(left.total(), "more finding", "more findings");
            let by = counts(&left);
            page.push(Line::new(format!("{more} ({by}): -v shows all, -f jsonl is for programs")));
        }
        page
    }

    fn not_scanned(&self) -> Vec<Line> {
        let mut lines = gap::gaps(&self.style, &self.coverage);
        for note in &self.notes {
            lines.extend(paragraph(&self.style, 2, &safe(&self.style, note)));
        }
        lines.extend(gap::problems(&self.style, &self.problems));
        if !self.style.verbose && lines.len() > TAIL {
            lines.truncate(TAIL - 1);
            lines.push(Line::new("  and more: -v shows all"));
        }
        lines
    }
}

fn color(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => RED,
        Severity::Medium | Severity::Low => YELLOW,
        Severity::Info => BOLD,
    }
}

/// `1 critical, 2 medium`.
fn counts(counts: &SeverityCounts) -> String {
    let some = counts.by_severity().into_iter().filter(|(_, count)| *count > 0);
    let words: Vec<String> =
        some.map(|(severity, count)| format!("{count} {}", severity.name())).collect();
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::{sample, tests::written};
    use super::*;

    fn page(records: &[Record]) -> String {
        written(&FORMAT, &Style::default(), records)
    }

    #[test]
    fn findings_come_worst_first_then_what_was_not_scanned() {
        insta::assert_snapshot!(page(&sample::findings()));
    }

    #[test]
    fn verbose_shows_every_place() {
        let style = Style { verbose: true, ..Style::default() };
        insta::assert_snapshot!(written(&FORMAT, &style, &sample::findings()));
    }

    #[test]
    fn nothing_found_is_said_plainly() {
        insta::assert_snapshot!(page(&sample::clean()));
    }

    #[test]
    fn what_is_not_scanned_is_never_called_clean() {
        insta::assert_snapshot!(page(&sample::incomplete()));
    }

    #[test]
    fn a_long_report_fits_on_a_screen_and_counts_the_rest() {
        let text = page(&sample::many());
        assert!(text.lines().count() <= SCREEN, "{} lines", text.lines().count());
        insta::assert_snapshot!(text);
    }

    #[test]
    fn a_narrow_terminal_still_gets_one_screen_of_records() {
        let style = Style { width: 20, ..Style::default() };
        for records in [sample::many(), sample::findings(), sample::hostile()] {
            let text = written(&FORMAT, &style, &records);
            assert!(text.lines().count() <= SCREEN, "{text}");
        }
    }

    #[test]
    fn nothing_that_a_target_says_reaches_the_terminal_as_a_command() {
        for verbose in [false, true] {
            let style = Style { verbose, ..Style::default() };
            let text = written(&FORMAT, &style, &sample::hostile());
            assert!(!text.contains(['\u{1b}', '\r', '\u{202e}']), "{text}");
            assert!(text.lines().all(|line| !line.trim_start().starts_with("::")), "{text}");
        }
    }

    #[test]
    fn colour_changes_nothing_but_colour() {
        let style = Style { color: true, ..Style::default() };
        let mut painted = written(&FORMAT, &style, &sample::findings());
        assert!(painted.contains("\x1b[1;31mCRITICAL\x1b[0m  GitHub"), "{painted}");
        for code in [BOLD, RED, YELLOW, GREEN, "0"] {
            painted = painted.replace(&format!("\x1b[{code}m"), "");
        }
        assert_eq!(painted, page(&sample::findings()));
    }

    #[test]
    fn without_a_checkpoint_nothing_was_scanned() {
        let mut records = sample::incomplete();
        records.retain(|record| !matches!(record, Record::Checkpoint(_) | Record::Coverage(_)));
        assert!(page(&records).starts_with("Nothing was scanned"));
    }

    #[test]
    fn a_report_without_summary_is_not_complete() {
        let mut records = sample::clean();
        records.pop();
        assert!(page(&records).starts_with("Nothing found in web.tar.zst, but NOT everything"));
    }
}
