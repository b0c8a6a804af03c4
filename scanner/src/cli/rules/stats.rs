//! `cryoscan rules stats`: what each rule costs and finds on a target.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use clap::Args;
use clap::builder::BoolishValueParser;
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

use super::{Format, FormatArgs, json, print};
use crate::cli::user_rules::{self, FilesArgs, SelectArgs};
use crate::matching::{Costs, Kernel, LookedFor, RuleCost, Statistics, looked_for};
use crate::report::{Record, Style, bytes};
use crate::rule::{Anchor, Rule, RuleSet};
use crate::scan::{self, ChosenRules, Progress, Settings, Target};

mod text;

pub(super) const EXAMPLES: &str = "\
Examples:
  cryoscan rules stats checkpoint.tar                          what costs most, and what it finds
  cryoscan rules stats checkpoint.tar --rules my.toml --rule tag:my    own rules alone
  cryoscan rules stats checkpoint.tar -f json | jq '.rules[0]' for programs";

/// Name and version of what the JSON means; it changes only when a reader must change.
const SCHEMA: &str = "cryoscan-rules-stats/1";

#[derive(Debug, Args)]
pub(in crate::cli) struct StatsArgs {
    /// A checkpoint archive or a folder
    #[arg(value_name = "TARGET")]
    target: PathBuf,

    /// Scan what is no checkpoint as well, as plain bytes
    #[arg(
        long, value_parser = BoolishValueParser::new(),
        env = "CRYOSCAN_RAW", hide_env_values = true
    )]
    raw: bool,

    /// Run this regular expression as a rule too; may be given more than once
    #[arg(long, value_name = "REGEX", env = "CRYOSCAN_GREP", hide_env_values = true)]
    grep: Vec<String>,

    #[command(flatten)]
    format: FormatArgs,

    #[command(flatten)]
    files: FilesArgs,

    #[command(flatten)]
    select: SelectArgs,
}

/// All that was measured.
#[derive(Debug, Serialize)]
struct Stats<'a> {
    schema: &'static str,
    target: String,
    /// Whether all of the target was scanned.
    complete: bool,
    /// Bytes that the rules have seen.
    scanned_bytes: u64,
    /// Hash over the rules, as in the `run` record of a report.
    hash: &'a str,
    /// CPU time of all of matching, of all threads together.
    matching_ns: u64,
    /// What the rules took of it; the rest is what they share.
    rules_ns: u64,
    /// The most expensive first.
    rules: Vec<Row<'a>>,
}

/// What a rule costs and finds.
#[derive(Debug, Serialize)]
struct Row<'a> {
    id: &'a str,
    found_by: FoundBy,
    /// Whether it is tried only where a literal, a place or a path says so, not at every byte.
    narrowed: bool,
    candidates: u64,
    matched: u64,
    refused: Refused,
    accepted: u64,
    /// Findings.
    values: u64,
    /// Their copies.
    count: u64,
    ns: u64,
}

/// What was no value after all, by reason.
#[derive(Debug, Serialize)]
struct Refused {
    check: u64,
    known: u64,
    edge: u64,
}

/// Where candidates of a rule arise.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct FoundBy {
    /// `literal`, `keyword` (in letters of any case), or what it is instead.
    kind: &'static str,
    /// What is searched for; bytes that are no printable ASCII are escaped.
    literals: Vec<String>,
    /// The four bytes of each that are searched for first: `oken`, or where a literal has three, `abc` and how
    /// many bytes may follow.
    looked_for: Vec<String>,
}

/// Scans the target, shows what that took, and gives the exit code.
pub(super) fn run(args: &StatsArgs, style: &Style) -> anyhow::Result<u8> {
    let mut set = user_rules::load(&args.files)?.set;
    user_rules::choose(&mut set, &args.select)?;
    for pattern in &args.grep {
        set.add_grep(pattern)?;
    }
    let rules = Arc::new(ChosenRules { set, ..ChosenRules::default() });
    let statistics = Arc::new(Statistics::new(cpu_time));
    let settings = Settings {
        threads: thread::available_parallelism().map_or(1, usize::from),
        raw: args.raw,
        rules: Some(Arc::clone(&rules)),
        statistics: Some(Arc::clone(&statistics)),
        ..Settings::default()
    };
    let target: Target = crate::cli::target(args.target.clone());
    let name = target.name();
    let mut found = BTreeMap::<String, (u64, u64)>::new();
    let outcome = scan::scan(&[target], &settings, &Progress::default(), &mut |record| {
        if let Record::Finding(finding) = record {
            let (values, count) = found.entry(finding.rule.id).or_default();
            *values = values.saturating_add(1);
            *count = count.saturating_add(finding.count);
        }
        Ok(())
    })?;
    if let Some((_, error)) = outcome.failed.into_iter().next() {
        return Err(anyhow::Error::from(error).context(name));
    }
    if !outcome.complete {
        tracing::warn!("{name}: not all of it was scanned; `cryoscan scan` says why");
    }
    let mut stats = stats(&rules.set, &statistics.costs(), &found);
    (stats.target, stats.complete) = (name, outcome.complete);
    stats.scanned_bytes = outcome.scanned_bytes;
    let mut page = Vec::new();
    match args.format.format {
        Format::Json => json(&stats, &mut page)?,
        Format::Text => text::page(&stats, style, &mut page)?,
    }
    print(&page)
}

/// CPU time of this thread, in nanoseconds: what else the machine does is not charged to a rule.
fn cpu_time() -> u64 {
    let time = Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default();
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// The costs with the names of the rules and with what they found, of which the values and copies are
/// given by id.
fn stats<'a>(set: &'a RuleSet, costs: &Costs, found: &BTreeMap<String, (u64, u64)>) -> Stats<'a> {
    let none = RuleCost::default();
    let costs_of = costs.rules.iter().chain(std::iter::repeat(&none));
    let looked_for = looked_for(set, Kernel::best());
    let row = |((rule, cost), looked_for): ((&'a Rule, &RuleCost), &Vec<LookedFor>)| {
        let (values, count) = found.get(&rule.id).copied().unwrap_or_default();
        Row {
            id: &rule.id,
            found_by: found_by(rule, looked_for),
            narrowed: is_narrowed(&rule.anchor),
            candidates: cost.candidates,
            matched: cost.matched,
            refused: Refused {
                check: cost.refused_by_check,
                known: cost.refused_as_known,
                edge: cost.refused_at_edge,
            },
            accepted: cost.accepted,
            values,
            count,
            ns: cost.nanos,
        }
    };
    let mut rules: Vec<Row<'_>> =
        set.rules().iter().zip(costs_of).zip(&looked_for).map(row).collect();
    rules.sort_by(|a, b| b.ns.cmp(&a.ns).then_with(|| a.id.cmp(b.id)));
    Stats {
        schema: SCHEMA,
        target: String::new(),
        complete: true,
        scanned_bytes: 0,
        hash: set.hash(),
        matching_ns: costs.nanos,
        rules_ns: rules.iter().fold(0, |sum, row| sum.saturating_add(row.ns)),
        rules,
    }
}

fn is_narrowed(anchor: &Anchor) -> bool {
    match anchor {
        Anchor::Prefix | Anchor::Inside | Anchor::Assignment(_) => true,
        Anchor::Label | Anchor::Path => true,
        Anchor::Run { .. } | Anchor::Number | Anchor::Words | Anchor::Text | Anchor::Listed => {
            false
        }
    }
}

fn found_by(rule: &Rule, looked_for: &[LookedFor]) -> FoundBy {
    let kind = match rule.anchor {
        Anchor::Prefix | Anchor::Inside => "literal",
        Anchor::Assignment(_) => "keyword",
        Anchor::Run { word: false, .. } => "run",
        Anchor::Run { word: true, .. } => "word",
        Anchor::Number => "number",
        Anchor::Words => "words",
        Anchor::Listed => "list",
        Anchor::Label => "label",
        Anchor::Path => "path",
        Anchor::Text => "text",
    };
    let literals = rule.literals.iter().filter(|_| rule.anchor.has_literals());
    let literals = literals.map(|literal| literal.escape_ascii().to_string()).collect();
    let looked_for = looked_for.iter().map(|it| match it.followers {
        None => it.bytes.escape_ascii().to_string(),
        Some(count) => format!("{} and one of {count}", it.bytes.escape_ascii()),
    });
    FoundBy { kind, literals, looked_for: looked_for.collect() }
}
