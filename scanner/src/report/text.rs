//! What a responder reads: the verdict first, then the worst findings with where they are, why they
//! are believed and what to do, then what was not scanned. One screen, unless all is asked for.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io::{self, Write};

use super::plain::{bytes, clip, escape, number, wrap};
use super::record::{CheckpointRecord, CoverageRecord, Record, Run, SeverityCounts, Summary};
use super::{Format, Report, Style};
use crate::check::{Confidence, Outcome, Severity};
use crate::coverage::{Coverage, Reason};
use crate::diagnostic::{Code, Diagnostic, Level};
use crate::finding::{Excerpt, Finding, Place};
use crate::region::RegionKind;

/// For people at a terminal.
pub(super) const FORMAT: Format = Format {
    name: "text",
    help: "a page for people, worst first",
    make: |out, style| Box::new(Text::new(out, *style)),
};

/// Lines of a report that is not verbose.
const SCREEN: usize = 40;
/// Lines of it about checkpoints, and about what was not scanned.
const HEAD: usize = 6;
const TAIL: usize = 8;
/// Findings shown in detail where not all of them fit.
const DETAILED: usize = 2;
/// Characters of a string from a target where the report is not verbose.
const CLIP: usize = 160;
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
    checkpoints: Vec<CheckpointRecord>,
    checkpoint_count: u64,
    /// The worst ones, or all; `counts` knows how many there are.
    findings: Vec<Finding>,
    counts: SeverityCounts,
    diagnostics: BTreeMap<(Level, Code), (u64, Vec<Diagnostic>)>,
    coverage: Coverage,
    notes: Vec<String>,
    summary: Option<Summary>,
}

/// One line, of which the first `painted` bytes are in the colour `sgr`.
struct Line {
    text: String,
    painted: usize,
    sgr: &'static str,
}

impl From<String> for Line {
    fn from(text: String) -> Self {
        Self { text, painted: 0, sgr: "" }
    }
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
                let (count, kept) =
                    self.diagnostics.entry((problem.level, problem.code)).or_default();
                *count += 1;
                if self.style.verbose || kept.is_empty() {
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
        let mut head = self.verdict();
        head.extend(self.checkpoints());
        let mut tail = self.not_scanned();
        if !self.style.verbose && tail.len() > TAIL {
            tail.truncate(TAIL - 1);
            tail.push("  and more: -v shows all".to_owned().into());
        }
        let room = SCREEN.saturating_sub(head.len() + tail.len() + 2);
        let mut page = head;
        for part in [self.findings(room), tail] {
            if !part.is_empty() {
                page.push(String::new().into());
                page.extend(part);
            }
        }
        for line in page {
            self.write(&line)?;
        }
        self.out.flush()
    }
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
            diagnostics: BTreeMap::new(),
            coverage: Coverage::default(),
            notes: Vec::new(),
            summary: None,
        }
    }

    /// Keeps a finding, and of many only those that can be shown.
    fn keep(&mut self, finding: &Finding) {
        self.counts.add(finding.severity);
        self.findings.push(finding.clone());
        if !self.style.verbose && self.findings.len() > 2 * SCREEN {
            self.findings.sort_by_key(rank);
            self.findings.truncate(SCREEN);
        }
    }

    fn write(&mut self, line: &Line) -> io::Result<()> {
        match line.text.split_at_checked(line.painted) {
            Some((painted, rest)) if self.style.color && !painted.is_empty() => {
                writeln!(self.out, "\x1b[{}m{painted}\x1b[0m{rest}", line.sgr)
            }
            _ => writeln!(self.out, "{}", line.text),
        }
    }

    /// A string from a target, harmless, and short where the report is short.
    fn safe(&self, text: &str) -> String {
        if self.style.verbose { escape(text) } else { clip(text, CLIP) }
    }

    /// A paragraph behind a margin.
    fn indented(&self, margin: usize, text: &str) -> Vec<Line> {
        let blank = " ".repeat(margin);
        let lines = wrap(text, self.style.width.saturating_sub(margin));
        lines.into_iter().map(|line| format!("{blank}{line}").into()).collect()
    }

    fn verdict(&self) -> Vec<Line> {
        let what = match self.run.as_ref().map(|run| run.targets.as_slice()) {
            Some([target]) => self.safe(target),
            _ => number(self.checkpoint_count, "checkpoint", "checkpoints"),
        };
        let whole = self.summary.as_ref().is_some_and(|summary| summary.complete);
        let worst = self.counts.by_severity().into_iter().find(|(_, count)| *count > 0);
        let (text, sgr) = match (worst, whole) {
            (Some((severity, _)), _) => {
                let found = number(self.counts.total(), "finding", "findings");
                let rest = if whole { "Everything" } else { "NOT everything" };
                let by = counts(&self.counts);
                (format!("{found} in {what}: {by}. {rest} was scanned."), color(severity))
            }
            (None, true) => {
                let scanned = bytes(self.coverage.scanned);
                (format!("Nothing found in {what}: everything was scanned, {scanned}."), GREEN)
            }
            (None, false) => {
                (format!("Nothing found in {what}, but NOT everything was scanned."), RED)
            }
        };
        let lines = wrap(&text, self.style.width);
        lines.into_iter().map(|text| Line { painted: text.len(), text, sgr }).collect()
    }

    fn checkpoints(&self) -> Vec<Line> {
        let mut lines = Vec::new();
        let mut shown = 0;
        for checkpoint in &self.checkpoints {
            let more = self.indented(2, &self.checkpoint(checkpoint));
            if !self.style.verbose && lines.len() + more.len() >= HEAD {
                break;
            }
            lines.extend(more);
            shown += 1;
        }
        let hidden = self.checkpoint_count.saturating_sub(shown);
        if hidden > 0 {
            lines.push(format!("  and {}", number(hidden, "checkpoint", "checkpoints")).into());
        }
        lines
    }

    fn checkpoint(&self, record: &CheckpointRecord) -> String {
        let mut text = format!("{} {}: ", record.checkpoint, self.safe(&record.target));
        text.push_str(&self.safe(&record.producer));
        if let Some(name) = record.container.name.as_ref().or(record.container.id.as_ref()) {
            text.push_str(&format!(" container {}", self.safe(name)));
        }
        if let Some(pod) = &record.pod {
            let names = [&pod.namespace, &pod.name];
            let names: Vec<&str> = names.into_iter().flatten().map(String::as_str).collect();
            text.push_str(&format!(" of pod {}", self.safe(&names.join("/"))));
        }
        if let Some(host) = &record.host {
            text.push_str(&format!(" on {}", self.safe(host)));
        }
        if let Some(time) = &record.checkpointed {
            text.push_str(&format!(", frozen {}", self.safe(time)));
        }
        if !self.style.verbose && self.checkpoint_count > 1 {
            return text;
        }
        let processes = number(record.processes, "process", "processes");
        let files = number(record.files, "file", "files");
        format!("{text}; {processes}, {} of memory, {files}", bytes(record.memory_bytes))
    }

    /// Findings in at most `room` lines: all in detail if they fit, else the worst, then one line each.
    fn findings(&self, room: usize) -> Vec<Line> {
        let detailed: Vec<Vec<Line>> =
            self.findings.iter().map(|finding| self.finding(finding)).collect();
        let total = self.counts.total();
        let lines: usize = detailed.iter().map(Vec::len).sum();
        if self.style.verbose || (lines <= room && total == self.findings.len() as u64) {
            return detailed.into_iter().flatten().collect();
        }
        let mut page: Vec<Line> = Vec::new();
        let mut left = self.counts;
        for (index, (finding, detail)) in self.findings.iter().zip(detailed).enumerate() {
            let part = if index < DETAILED { detail } else { self.one_line(finding) };
            // One line stays for what is not shown.
            if page.len() + part.len() + 1 > room {
                break;
            }
            page.extend(part);
            left.remove(finding.severity);
        }
        if left.total() > 0 {
            let more = number(left.total(), "more finding", "more findings");
            page.push(
                format!("{more} ({}): -v shows all, -f jsonl is for programs", counts(&left))
                    .into(),
            );
        }
        page
    }

    fn finding(&self, finding: &Finding) -> Vec<Line> {
        let mut lines = self.heading(finding, &self.safe(&finding.title));
        let mut facts = self.value(finding);
        facts.push_str(&format!("confidence {}", finding.confidence.name()));
        for (index, evidence) in finding.evidence.iter().enumerate() {
            facts.push_str(if index == 0 { ": " } else { ", " });
            facts.push_str(&format!("{} {}", self.safe(&evidence.check), outcome(evidence.result)));
        }
        facts.push_str(&format!("; rule {}, {}", self.safe(&finding.rule.id), finding.id));
        let mut body = vec![facts, extent(finding)];
        body.extend(self.best(&finding.places).into_iter().map(|place| self.place(place)));
        if self.style.verbose {
            if finding.places_omitted > 0 {
                body.push(format!("and {}", number(finding.places_omitted, "place", "places")));
            }
            for (name, value) in &finding.attributes {
                body.push(format!("{} = {}", escape(name), escape(value)));
            }
        }
        if let Some(reason) = &finding.suppression {
            body.push(format!("suppressed: {}", self.safe(reason)));
        }
        if !finding.remediation.is_empty() {
            body.push(format!("to do: {}", self.safe(&finding.remediation)));
        }
        if self.style.verbose {
            body.extend(finding.references.iter().map(|page| format!("see {}", escape(page))));
        }
        for text in body {
            lines.extend(self.indented(MARGIN, &text));
        }
        lines
    }

    fn one_line(&self, finding: &Finding) -> Vec<Line> {
        let title = clip(&finding.title, CLIP / 2);
        let text = format!("{title}; {}; {}", extent(finding), finding.id);
        self.heading(finding, &text)
    }

    fn heading(&self, finding: &Finding, text: &str) -> Vec<Line> {
        let mut lines = self.indented(MARGIN, text);
        if let Some(first) = lines.first_mut() {
            let name = finding.severity.name().to_uppercase();
            first.painted = name.len();
            first.sgr = color(finding.severity);
            first.text = format!("{name:MARGIN$}{}", first.text.trim_start());
        }
        lines
    }

    fn value(&self, finding: &Finding) -> String {
        if let Some(Excerpt { preview, length, value, value_b64 }) =
            finding.secret.as_ref().or(finding.matched.as_ref())
        {
            let shown = value.as_ref().or(value_b64.as_ref()).unwrap_or(preview);
            return format!("{} ({}); ", self.safe(shown), bytes(*length));
        }
        match &finding.indicator {
            Some(indicator) => {
                format!("{} {}; ", self.safe(&indicator.kind), self.safe(&indicator.value))
            }
            None => String::new(),
        }
    }

    /// All places, or the first and one of another kind.
    fn best<'a>(&self, places: &'a [Place]) -> Vec<&'a Place> {
        let Some(first) = places.first() else { return Vec::new() };
        if self.style.verbose {
            return places.iter().collect();
        }
        let other = places.iter().find(|place| place.region != first.region).or(places.get(1));
        std::iter::once(first).chain(other).collect()
    }

    fn place(&self, place: &Place) -> String {
        let comm = place.comm.as_ref().map(|comm| self.safe(comm));
        let process = match (comm, place.pid) {
            (Some(comm), Some(pid)) => Some(format!("{comm} ({pid})")),
            (None, Some(pid)) => Some(format!("process {pid}")),
            (comm, None) => comm,
        };
        let mut parts = Vec::new();
        match (process, place.region) {
            (Some(process), RegionKind::Memory) => parts.push(process),
            (Some(process), region) => parts.push(format!("{} of {process}", region_name(region))),
            (None, RegionKind::File) => {}
            (None, region) => parts.push(region_name(region)),
        }
        if let Some(address) = place.address {
            let mut text = format!("at {address}");
            if let Some(vma) = &place.vma {
                let path = vma.path.as_ref().map(|path| format!(" {}", self.safe(path)));
                text.push_str(&format!(
                    " in {} {}-{} {}{}",
                    self.safe(&vma.kind),
                    vma.start,
                    vma.end,
                    self.safe(&vma.prot),
                    path.unwrap_or_default()
                ));
            }
            parts.push(text);
        }
        parts.extend(place.path.as_ref().map(|path| self.safe(path)));
        match (place.line, place.column) {
            (Some(line), Some(column)) => parts.push(format!("line {line}, column {column}")),
            (Some(line), None) => parts.push(format!("line {line}")),
            (None, _) => {
                if place.address.is_none() || self.style.verbose {
                    parts.extend(place.image.as_ref().map(|image| self.safe(image)));
                    parts.extend(place.offset.map(|offset| format!("offset {offset}")));
                }
            }
        }
        if !place.decoded.is_empty() {
            parts.push(format!("as {}", self.safe(&place.decoded.join(", "))));
        }
        if place.superseded {
            parts.push("replaced by a later dump".to_owned());
        }
        parts.join(", ")
    }

    /// What was not scanned, and what else went wrong.
    fn not_scanned(&self) -> Vec<Line> {
        let mut lines: Vec<Line> = Vec::new();
        let gaps = self.coverage.skipped.iter().filter(|(reason, _)| reason.is_gap());
        let missing = gaps.clone().fold(0u64, |sum, (_, count)| sum.saturating_add(*count));
        if missing > 0 {
            let text = format!("Not scanned: {} of {}", bytes(missing), bytes(self.coverage.total));
            lines.push(Line { painted: text.len(), text, sgr: BOLD });
            for (reason, count) in gaps {
                lines.extend(
                    self.indented(2, &format!("{}: {}", bytes(*count), reason_text(*reason))),
                );
            }
        }
        for note in &self.notes {
            lines.extend(self.indented(2, &self.safe(note)));
        }
        for ((level, code), (count, kept)) in &self.diagnostics {
            if *level == Level::Note && !self.style.verbose {
                continue;
            }
            for (index, problem) in kept.iter().enumerate() {
                let times = if index == 0 && *count > 1 {
                    format!(" ({count} times)")
                } else {
                    String::new()
                };
                lines.extend(self.problem(*level, *code, &times, problem));
            }
        }
        lines
    }

    fn problem(&self, level: Level, code: Code, times: &str, problem: &Diagnostic) -> Vec<Line> {
        let (name, sgr) = match level {
            Level::Error => ("error", RED),
            Level::Warning => ("warning", YELLOW),
            Level::Note => ("note", ""),
        };
        let mut text = format!("{name}: {}{times}: {}", code.name(), self.safe(&problem.member));
        if problem.offset > 0 {
            text.push_str(&format!(" at byte {}", problem.offset));
        }
        text.push_str(&format!(": {}", self.safe(&problem.message)));
        if let (Some(expected), Some(found)) = (&problem.expected, &problem.found) {
            text.push_str(&format!(
                "; expected {}, found {}",
                self.safe(expected),
                self.safe(found)
            ));
        }
        let mut lines = self.indented(2, &text);
        if let Some(first) = lines.first_mut() {
            first.painted = 2 + name.len();
            first.sgr = sgr;
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

/// `17 copies in 3 processes and 1 file`.
fn extent(finding: &Finding) -> String {
    let mut holders = Vec::new();
    if finding.processes > 0 {
        holders.push(number(finding.processes, "process", "processes"));
    }
    if finding.files > 0 {
        holders.push(number(finding.files, "file", "files"));
    }
    let copies = number(finding.count, "copy", "copies");
    if holders.is_empty() { copies } else { format!("{copies} in {}", holders.join(" and ")) }
}

fn outcome(result: Outcome) -> &'static str {
    match result {
        Outcome::Pass => "passed",
        Outcome::Weak => "doubtful",
        Outcome::Fail => "failed",
        Outcome::Unavailable => "could not be made",
    }
}

fn region_name(region: RegionKind) -> String {
    let name = match region {
        RegionKind::Memory => "memory",
        RegionKind::SharedMemory => "shared memory",
        RegionKind::Argv => "arguments",
        RegionKind::Environ => "environment",
        RegionKind::Pipe => "pipe",
        RegionKind::Fifo => "FIFO",
        RegionKind::SocketQueue => "socket queue",
        RegionKind::TcpQueue => "TCP queue",
        RegionKind::GhostFile => "deleted file",
        RegionKind::Memfd => "memfd",
        RegionKind::SysvMessage => "SysV message",
        RegionKind::SysvShm => "SysV shared memory",
        RegionKind::Tty => "terminal",
        RegionKind::TmpfsFile => "tmpfs file",
        RegionKind::File => "file",
        RegionKind::VolumeFile => "volume file",
        RegionKind::Log => "log",
        RegionKind::Metadata => "metadata",
        RegionKind::BpfMap => "BPF map",
        RegionKind::Registers => "registers",
        RegionKind::RawImage => "pages without addresses",
    };
    name.to_owned()
}

fn reason_text(reason: Reason) -> &'static str {
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
    fn a_report_without_summary_is_not_complete() {
        let mut records = sample::clean();
        records.pop();
        assert!(page(&records).starts_with("Nothing found in web.tar.zst, but NOT everything"));
    }
}
