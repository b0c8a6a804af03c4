//! `cryoscan rules check`: what there is to say of rule files.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use clap::builder::BoolishValueParser;
use serde::Serialize;

use super::{Format, FormatArgs, json, print};
use crate::report::{Style, escape, number};
use crate::rule::{Cost, Fault, RuleFile, RuleSet, UserRules};

pub(super) const EXAMPLES: &str = "\
Examples:
  cryoscan rules check my-rules.toml                    what is wrong, line by line
  cryoscan rules check --strict rules/                  1 for whatever there is to say, for CI
  cryoscan rules check gitleaks.toml -f json | jq .     the same for programs";

/// Name and version of what the JSON means; it changes only when a reader must change.
const SCHEMA: &str = "cryoscan-rules-check/1";

#[derive(Debug, Args)]
pub(in crate::cli) struct CheckArgs {
    /// Rule files, or folders of them
    #[arg(value_name = "FILE|DIR", required = true)]
    files: Vec<PathBuf>,

    /// Exit with 1 if there is anything to say
    #[arg(
        long, value_parser = BoolishValueParser::new(),
        env = "CRYOSCAN_RULES_STRICT", hide_env_values = true
    )]
    strict: bool,

    #[command(flatten)]
    format: FormatArgs,
}

/// What was checked, and what there is to say.
#[derive(Serialize)]
struct Checked<'a> {
    schema: &'static str,
    files: &'a [String],
    /// Rules that can be used.
    rules: usize,
    remarks: Vec<Remark<'a>>,
}

#[derive(Serialize)]
struct Remark<'a> {
    level: &'static str,
    file: &'a str,
    line: usize,
    column: usize,
    rule: &'a str,
    key: &'a str,
    problem: &'a str,
}

fn remark(fault: &Fault) -> Remark<'_> {
    let Fault { cost, file, line, column, rule, key, problem, .. } = fault;
    Remark { level: level(*cost), file, line: *line, column: *column, rule, key, problem }
}

/// What a remark is called.
fn level(cost: Cost) -> &'static str {
    match cost {
        Cost::Wrong => "error",
        Cost::LeftOut => "left out",
        Cost::Ignored => "ignored",
        Cost::Advice => "advice",
    }
}

/// Checks files, and gives the exit code.
pub(super) fn run(args: &CheckArgs, style: &Style) -> anyhow::Result<u8> {
    let files = RuleFile::read(&args.files)?;
    let loaded = UserRules::load(RuleSet::builtin()?, &files);
    let mut faults = loaded.faults.clone();
    faults.extend(loaded.overlaps(&files));
    faults.sort_by(|a, b| {
        (&a.file, a.line, a.column, a.cost).cmp(&(&b.file, b.line, b.column, b.cost))
    });
    let mut page = Vec::new();
    match args.format.format {
        Format::Json => {
            let remarks = faults.iter().map(remark).collect();
            let rules = loaded.places.len();
            json(&Checked { schema: SCHEMA, files: &loaded.files, rules, remarks }, &mut page)?;
        }
        Format::Text => page.extend(text(&loaded, &faults, style).bytes()),
    }
    print(&page)?;
    let is_wrong = faults.iter().any(|fault| fault.cost == Cost::Wrong);
    Ok(if is_wrong { 2 } else { u8::from(args.strict && !faults.is_empty()) })
}

fn text(loaded: &UserRules, faults: &[Fault], style: &Style) -> String {
    let mut page = String::new();
    let mut counts: BTreeMap<Cost, u64> = BTreeMap::new();
    for fault in faults {
        *counts.entry(fault.cost).or_default() += 1;
        let Fault { file, line, column, .. } = fault;
        let place = format!("{file}:{line}:{column}: ");
        let headline = fault.headline();
        let rest = headline.strip_prefix(&place).unwrap_or_default();
        let painted = match (style.color, fault.cost) {
            (true, Cost::Wrong) => "\u{1b}[1;31merror\u{1b}[0m".to_owned(),
            (true, Cost::LeftOut) => "\u{1b}[33mleft out\u{1b}[0m".to_owned(),
            (_, cost) => level(cost).to_owned(),
        };
        page.extend([escape(&place), painted, ": ".to_owned(), escape(rest), "\n".to_owned()]);
        for line in fault.marked().lines() {
            page.extend([escape(line).as_str(), "\n"]);
        }
    }
    let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    let rules = number(count(loaded.places.len()), "rule", "rules");
    let files = number(count(loaded.files.len()), "file", "files");
    page.extend([rules.as_str(), " in ", &files, " can be used"]);
    for (cost, count) in counts {
        let text = match cost {
            Cost::Wrong => number(count, "error", "errors"),
            Cost::LeftOut => format!("{count} left out"),
            Cost::Ignored => number(count, "key ignored", "keys ignored"),
            Cost::Advice => number(count, "piece of advice", "pieces of advice"),
        };
        page.extend(["; ", &text]);
    }
    page.push('\n');
    page
}
