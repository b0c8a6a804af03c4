//! `cryoscan explain`: why a finding was reported, what to do, and how to see its bytes.

use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use anyhow::{Context, anyhow, bail};
use clap::Args;
use clap::builder::BoolishValueParser;
use serde::Deserialize;

use super::nearest::hint;
use super::user_rules::{self, FilesArgs};
use crate::finding::Finding;
use crate::report::{Record, SCHEMA, Style, escape};
use crate::rule::RuleSet;
use crate::scan::{self, ChosenRules, Progress, Settings, Target};

mod command;
mod text;

pub(super) const EXAMPLES: &str = "\
Examples:
  cryoscan x.tar -f jsonl > x.jsonl; cryoscan explain c1-0007 x.jsonl
  cryoscan explain c1-0007 x.tar             the same, scanned once more
  cryoscan explain 3fa94c11 x.jsonl          by the first digits of a fingerprint
  cryoscan explain c1-0007 x.jsonl --rules my.toml    a finding of own rules";

pub(super) const HELP: &str = "\
Exit codes:
  0  the finding was explained
  2  no finding has that id, more than one has, or the report or target could not be read";

/// Fewest digits of a fingerprint that stand for all of it.
const DIGITS: usize = 4;

#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// The finding: its id (`c1-0007`), or the first digits of its fingerprint
    #[arg(value_name = "ID")]
    id: String,

    /// The report in JSON Lines it stands in, or the checkpoint, which is then scanned again; `-` is
    /// a report on standard input
    #[arg(value_name = "REPORT|TARGET")]
    from: PathBuf,

    /// Scan what is no checkpoint as well, as plain bytes
    #[arg(
        long, value_parser = BoolishValueParser::new(),
        env = "CRYOSCAN_RAW", hide_env_values = true
    )]
    raw: bool,

    /// Show the value itself; of a report only if that shows it
    #[arg(
        long, value_parser = BoolishValueParser::new(),
        env = "CRYOSCAN_SHOW_SECRETS", hide_env_values = true
    )]
    show_secrets: bool,

    #[command(flatten)]
    rules: FilesArgs,
}

/// A finding, and where to look for its bytes.
#[derive(Debug)]
struct Found {
    finding: Finding,
    /// The target of its checkpoint, as the report names it.
    target: String,
    /// The user's rule files with which it was found.
    files: Vec<String>,
}

/// The rules of which something can be said.
#[derive(Debug)]
struct Known {
    rules: RuleSet,
    /// Whether the user has named files.
    has_files: bool,
}

/// Explains a finding, and gives the exit code.
pub(super) fn run(args: &ExplainArgs, style: &Style) -> anyhow::Result<u8> {
    let name = escape(&args.from.display().to_string());
    let known = Known {
        rules: user_rules::load(&args.rules)?.set,
        has_files: !args.rules.rules.is_empty(),
    };
    let is_report = args.from.as_os_str() == "-"
        || (!args.raw && is_report(&args.from).with_context(|| name.clone())?);
    let all = findings(args, is_report, &known).with_context(|| name.clone())?;
    let chosen = choose(&args.id, &all).map_err(|error| match (is_report, known.has_files) {
        (false, false) => {
            anyhow!("{error:#}; was it found by rules of your own? Give the same --rules here")
        }
        _ => error,
    });
    let mut found = chosen.with_context(|| name)?.clone_parts();
    if !args.show_secrets {
        hide(&mut found.finding);
    }
    let mut page = Vec::new();
    for line in text::page(style, &found, &known) {
        line.write(&mut page, style.color)?;
    }
    match io::stdout().write_all(&page) {
        // A reader that has gone away has seen enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(0),
        written => Ok(written.map(|()| 0)?),
    }
}

impl Found {
    fn clone_parts(&self) -> Self {
        let Self { finding, target, files } = self;
        Self { finding: finding.clone(), target: target.clone(), files: files.clone() }
    }
}

/// Takes the value out, which a report made with `--show-secrets` holds.
fn hide(finding: &mut Finding) {
    for excerpt in finding.secret.iter_mut().chain(finding.matched.iter_mut()) {
        excerpt.value = None;
        excerpt.value_b64 = None;
    }
}

/// All findings of the report, or of a scan of the target.
fn findings(args: &ExplainArgs, is_report: bool, known: &Known) -> anyhow::Result<Vec<Found>> {
    if args.from.as_os_str() == "-" {
        return read(&mut io::stdin().lock()).map_err(Into::into);
    }
    if is_report {
        return read(&mut BufReader::new(File::open(&args.from)?)).map_err(Into::into);
    }
    let settings = Settings {
        threads: thread::available_parallelism().map_or(1, usize::from),
        show_secrets: args.show_secrets,
        raw: args.raw,
        rules: known.has_files.then(|| {
            let set = known.rules.clone();
            Arc::new(ChosenRules { set, ..ChosenRules::default() })
        }),
        ..Settings::default()
    };
    let (mut found, mut target) = (Vec::new(), String::new());
    let targets: [Target; 1] = [super::target(args.from.clone())];
    let outcome = scan::scan(&targets, &settings, &Progress::default(), &mut |record| {
        match record {
            Record::Checkpoint(checkpoint) => target = checkpoint.target,
            Record::Finding(finding) => {
                found.push(Found { finding, target: target.clone(), files: Vec::new() });
            }
            Record::Run(_) | Record::Diagnostic(_) | Record::Coverage(_) | Record::Summary(_) => {}
        }
        Ok(())
    })?;
    match outcome.failed.into_iter().next() {
        Some((_, error)) => Err(error.into()),
        None => Ok(found),
    }
}

/// Whether a file begins as reports do.
fn is_report(path: &Path) -> io::Result<bool> {
    const HEAD: &[u8] = b"{\"type\":\"run\",";
    if !path.is_file() {
        return Ok(false);
    }
    let mut head = [0; HEAD.len()];
    let mut filled = 0;
    let mut file = File::open(path)?;
    while let Some(rest) = head.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read(rest)? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(head == HEAD)
}

/// A record of a report, as far as it is asked for here.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum Line {
    Run { schema: String, rules: Ran },
    Checkpoint { checkpoint: String, target: String },
    Finding(Box<Finding>),
    Diagnostic {},
    Coverage {},
    Summary {},
}

/// The rules of a report, as far as it is asked for them here.
#[derive(Deserialize)]
struct Ran {
    #[serde(default)]
    files: Vec<String>,
}

/// The findings of a report. Errors quote nothing of it: it may show secrets.
fn read(input: &mut dyn BufRead) -> io::Result<Vec<Found>> {
    /// Most bytes of a line.
    const LINE: u64 = 64 << 20;
    let mut found = Vec::new();
    let (mut last, mut target, mut files) = (String::new(), String::new(), Vec::new());
    let (mut line, mut number, mut is_begun) = (Vec::new(), 0u64, false);
    loop {
        line.clear();
        number = number.saturating_add(1);
        if input.take(LINE).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        let wrong = |what: &str| io::Error::other(format!("line {number}: {what}"));
        let record = serde_json::from_slice(&line).map_err(|error| {
            wrong(&format!("no record of {SCHEMA}, at column {}", error.column()))
        })?;
        match record {
            Line::Run { schema, rules } if schema == SCHEMA => {
                (is_begun, files) = (true, rules.files);
            }
            Line::Run { .. } => {
                return Err(wrong(&format!("a report of another schema; expected {SCHEMA}")));
            }
            _ if !is_begun => return Err(wrong("no report begins here: it has no `run` record")),
            Line::Checkpoint { checkpoint, target: of } => (last, target) = (checkpoint, of),
            Line::Finding(finding) => {
                let is_of = finding.checkpoint == last;
                let target = if is_of { target.clone() } else { String::new() };
                found.push(Found { finding: *finding, target, files: files.clone() });
            }
            Line::Diagnostic {} | Line::Coverage {} | Line::Summary {} => {}
        }
    }
    if !is_begun {
        return Err(io::Error::other("no report: it is empty"));
    }
    Ok(found)
}

/// The finding that the user means.
fn choose<'a>(id: &str, all: &'a [Found]) -> anyhow::Result<&'a Found> {
    let is_prefix = |fingerprint: &str| {
        let digits = fingerprint.rsplit(':').next().unwrap_or_default();
        fingerprint == id || (id.len() >= DIGITS && digits.starts_with(id))
    };
    let named = all.iter().filter(|it| it.finding.id == id);
    let fits = |it: &&Found| {
        is_prefix(&it.finding.fingerprint) || is_prefix(&it.finding.place_fingerprint)
    };
    let mut chosen: Vec<&Found> = named.collect();
    if chosen.is_empty() {
        chosen = all.iter().filter(fits).collect();
    }
    match chosen.as_slice() {
        [one] => Ok(one),
        [] if all.is_empty() => bail!("there are no findings"),
        [] => {
            let hint = hint(id, all.iter().map(|it| it.finding.id.as_str()));
            Err(anyhow!(
                "no finding has the id or fingerprint {}{hint}; there are {} to {}",
                escape(id),
                all.first().map_or("", |it| it.finding.id.as_str()),
                all.last().map_or("", |it| it.finding.id.as_str()),
            ))
        }
        several => {
            let ids: Vec<&str> = several.iter().take(8).map(|it| it.finding.id.as_str()).collect();
            let more = if several.len() > 8 { " …" } else { "" };
            Err(anyhow!("{} stands for several findings: {}{more}", escape(id), ids.join(" ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn report() -> String {
        let lines: Vec<String> =
            sample::findings().iter().map(|it| serde_json::to_string(it).unwrap()).collect();
        lines.join("\n")
    }

    fn builtin() -> Known {
        Known { rules: RuleSet::builtin().unwrap(), has_files: false }
    }

    fn explained(id: &str, style: &Style) -> String {
        let all = read(&mut report().as_bytes()).unwrap();
        let mut found = choose(id, &all).unwrap().clone_parts();
        hide(&mut found.finding);
        let mut page = Vec::new();
        for line in text::page(style, &found, &builtin()) {
            line.write(&mut page, false).unwrap();
        }
        String::from_utf8(page).unwrap()
    }

    #[test]
    fn findings_are_read_back_whole() {
        let findings = sample::findings().into_iter().filter_map(|record| {
            if let Record::Finding(finding) = record { Some(finding) } else { None }
        });
        let read = read(&mut report().as_bytes()).unwrap();
        let read: Vec<Finding> = read.into_iter().map(|it| it.finding).collect();
        assert_eq!(read, findings.collect::<Vec<_>>());
        assert!(!read.is_empty());
    }

    #[test]
    fn pages() {
        let all = read(&mut report().as_bytes()).unwrap();
        for found in &all {
            insta::assert_snapshot!(
                format!("page_{}", found.finding.id),
                explained(&found.finding.id, &Style::default())
            );
        }
    }

    #[test]
    fn a_finding_is_named_by_its_id_or_fingerprint() {
        let mut all = read(&mut report().as_bytes()).unwrap();
        let digits = "0123456789abcdef0123456789abcdef";
        all[0].finding.fingerprint = format!("v1:builtin:{digits}");
        let first = &all[0].finding;
        for id in [&first.id, &first.fingerprint, digits, digits.split_at(8).0] {
            assert_eq!(choose(id, &all).unwrap().finding.id, first.id, "{id}");
        }
        let error = choose("c1-9999", &all).unwrap_err().to_string();
        assert!(error.starts_with("no finding has the id or fingerprint c1-9999"), "{error}");
        assert!(choose(digits.split_at(3).0, &all).is_err(), "too short");
        assert_eq!(choose("c1-0001", &[]).unwrap_err().to_string(), "there are no findings");
    }

    #[test]
    fn what_is_no_report_is_an_error_that_quotes_nothing() {
        let said = |text: &str| read(&mut text.as_bytes()).unwrap_err().to_string();
        assert_eq!(said(""), "no report: it is empty");
        let line = r#"{"type":"finding","id":"wandering"}"#;
        let error = said(line);
        assert!(error.starts_with("line 1: no record") && !error.contains("wandering"), "{error}");
        let error = said("{\"type\":\"run\",\"schema\":\"cryoscan/2\",\"rules\":{}}");
        assert_eq!(error, "line 1: a report of another schema; expected cryoscan/1");
        assert_eq!(
            said("{\"type\":\"summary\"}"),
            "line 1: no report begins here: it has no `run` record"
        );
    }
}
