//! `cryoscan rules`: what is looked for, and what to do about it.

use std::collections::BTreeSet;
use std::io::{self, ErrorKind, Write};

use anyhow::{anyhow, bail};
use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;

use super::nearest::hint;
use super::user_rules::{self, FilesArgs, SelectArgs};
use super::value::severity;
use crate::check::Severity;
use crate::report::Style;
use crate::rule::{RuleSet, UserRules};

mod check;
mod stats;
mod test;
mod text;
mod view;

use view::RuleView;

/// Name and version of what the JSON means; it changes only when a reader must change.
const SCHEMA: &str = "cryoscan-rules/1";

pub(super) const EXAMPLES: &str = "\
Examples:
  cryoscan rules list --severity high     what is worth waking somebody for
  cryoscan rules list 'github-*'          rules by name
  cryoscan rules show github-pat-classic  all about one of them
  cryoscan rules check my-rules.toml      what is wrong with own rules, by line
  cryoscan rules test my-rules.toml       do they find their examples in memory
  cryoscan rules stats checkpoint.tar     what each costs and finds there";

const LIST_EXAMPLES: &str = "\
Examples:
  cryoscan rules list                                   one line a rule
  cryoscan rules list --family aws --severity high      those of a family that do much harm
  cryoscan rules list 'github-*' '*-key'                by name
  cryoscan rules list --rules my.toml tag:my            those of an own file
  cryoscan rules list -f json | jq -r '.rules[].id'     for programs";

const SHOW_EXAMPLES: &str = "\
Examples:
  cryoscan rules show github-pat-classic                what it finds, and what to do
  cryoscan rules show github-pat-classic -f json        the same for programs";

#[derive(Debug, Subcommand)]
pub(super) enum RulesCommand {
    /// List rules, one a line
    #[command(max_term_width = 100, after_long_help = LIST_EXAMPLES)]
    List(ListArgs),
    /// Show all about one rule: what it finds, where it looks, what to do
    #[command(max_term_width = 100, after_long_help = SHOW_EXAMPLES)]
    Show(ShowArgs),
    /// Say what is wrong with rule files, what of them cannot be done here, and what could be better
    ///
    /// Takes our own TOML, TOML of gitleaks or betterleaks, and YAML of noseyparker or kingfisher, told
    /// by their content. Every remark names file, line and column. The exit code is 0 if all rules can
    /// be used, and 2 if one cannot; with --strict it is 1 for any other remark.
    #[command(max_term_width = 100, after_long_help = check::EXAMPLES)]
    Check(check::CheckArgs),
    /// Try rules on their examples, in every encoding and between the neighbours that memory has
    ///
    /// Without files the built-in rules are tried; examples that need a key or a structure are left to the
    /// project's own tests, and counted. The exit code is 1 if an example is not found or a
    /// counterexample is.
    #[command(max_term_width = 100, after_long_help = test::EXAMPLES)]
    Test(test::TestArgs),
    /// Scan a target, and show what each rule costs and finds there
    ///
    /// For each rule: the CPU time that it took, at how many places it was tried, how often its pattern matched,
    /// how much of that was refused (by checks, as values of documentation, as part of something longer), how
    /// many values it reported with how many copies, and what it is found by. No value is
    /// shown.
    #[command(max_term_width = 100, after_long_help = stats::EXAMPLES)]
    Stats(stats::StatsArgs),
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Only rules with such an id, in which `*` stands for any text, or with such a tag (`tag:aws`)
    #[arg(value_name = "RULE")]
    ids: Vec<String>,

    /// Only rules of this family
    #[arg(long, value_name = "FAMILY", env = "CRYOSCAN_RULES_FAMILY", hide_env_values = true)]
    family: Option<String>,

    /// Only rules of at least this severity
    #[arg(
        long, value_name = "SEVERITY", value_parser = severity,
        env = "CRYOSCAN_RULES_SEVERITY", hide_env_values = true
    )]
    severity: Option<Severity>,

    #[command(flatten)]
    format: FormatArgs,

    #[command(flatten)]
    files: FilesArgs,
}

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// The id of the rule, as reports and `rules list` show it
    #[arg(value_name = "ID")]
    id: String,

    #[command(flatten)]
    format: FormatArgs,

    #[command(flatten)]
    files: FilesArgs,
}

#[derive(Debug, Clone, Copy, Args)]
struct FormatArgs {
    /// What goes to standard output
    #[arg(
        short,
        long,
        value_name = "FORMAT",
        default_value = "text",
        env = "CRYOSCAN_RULES_FORMAT",
        hide_env_values = true
    )]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// All rules as one object.
#[derive(Serialize)]
struct List<'a> {
    schema: &'static str,
    /// As in the `run` record of a report.
    hash: &'a str,
    count: usize,
    rules: Vec<&'a RuleView<'a>>,
}

/// Shows rules, and gives the exit code.
pub(super) fn run(command: &RulesCommand, style: &Style) -> anyhow::Result<u8> {
    let files = match command {
        RulesCommand::List(ListArgs { files, .. }) | RulesCommand::Show(ShowArgs { files, .. }) => {
            files
        }
        RulesCommand::Check(args) => return check::run(args, style),
        RulesCommand::Test(args) => return test::run(args),
        RulesCommand::Stats(args) => return stats::run(args, style),
    };
    let UserRules { set, examples: own, .. } = user_rules::load(files)?;
    let mut examples = RuleSet::examples(cryoscan_rules::SECRETS)?;
    examples.extend(own);
    let views = view::views(&set, &examples);
    let mut page = Vec::new();
    match command {
        RulesCommand::List(args) => {
            let rules = chosen(&set, &views, args)?;
            match args.format.format {
                Format::Text => text::list(&rules, style, &mut page)?,
                Format::Json => {
                    let count = rules.len();
                    json(&List { schema: SCHEMA, hash: set.hash(), count, rules }, &mut page)?;
                }
            }
        }
        RulesCommand::Show(args) => {
            let rule = views.iter().find(|rule| rule.id == args.id).ok_or_else(|| {
                let hint = hint(&args.id, views.iter().map(|rule| rule.id));
                anyhow!("no rule has the id {}{hint}; `cryoscan rules list` lists all", args.id)
            })?;
            match args.format.format {
                Format::Text => text::show(rule, style, &mut page)?,
                Format::Json => json(rule, &mut page)?,
            }
        }
        RulesCommand::Check(_) | RulesCommand::Test(_) | RulesCommand::Stats(_) => {}
    }
    print(&page)
}

fn print(page: &[u8]) -> anyhow::Result<u8> {
    match io::stdout().write_all(page) {
        // A reader that has gone away has seen enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(0),
        written => Ok(written.map(|()| 0)?),
    }
}

fn json(value: &impl Serialize, page: &mut Vec<u8>) -> anyhow::Result<()> {
    serde_json::to_writer_pretty(&mut *page, value)?;
    page.push(b'\n');
    Ok(())
}

/// The rules that are asked for; to ask for what no rule has is an error, not an empty list.
fn chosen<'a>(
    set: &RuleSet,
    views: &'a [RuleView<'a>],
    args: &ListArgs,
) -> anyhow::Result<Vec<&'a RuleView<'a>>> {
    if let Some(family) = &args.family
        && views.iter().all(|rule| rule.family != family)
    {
        let hint = hint(family, views.iter().map(|rule| rule.family));
        bail!("no rule is of the family {family}{hint}");
    }
    let mut kept = set.clone();
    user_rules::choose(&mut kept, &SelectArgs { rule: args.ids.clone(), ..SelectArgs::default() })?;
    let ids: BTreeSet<&str> = kept.rules().iter().map(|rule| rule.id.as_str()).collect();
    let is_chosen = |rule: &&RuleView<'_>| {
        ids.contains(rule.id)
            && args.family.as_ref().is_none_or(|family| rule.family == family)
            && args.severity.is_none_or(|least| rule.severity >= least)
    };
    Ok(views.iter().filter(is_chosen).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_chosen_by_name_family_and_severity() {
        let set = RuleSet::builtin().unwrap();
        let views = view::views(&set, &[]);
        let with = |ids: &[&str], family: Option<&str>, severity| {
            let ids = ids.iter().map(|&id| id.to_owned()).collect();
            let family = family.map(str::to_owned);
            let format = FormatArgs { format: Format::Text };
            let files = FilesArgs::default();
            chosen(&set, &views, &ListArgs { ids, family, severity, format, files })
        };
        assert_eq!(with(&[], None, None).unwrap().len(), set.rules().len());
        let github = with(&["github-*"], Some("github"), Some(Severity::Critical)).unwrap();
        assert!(!github.is_empty());
        assert!(github.iter().all(|rule| rule.severity == Severity::Critical));
        assert!(with(&["github-*"], Some("aws"), None).unwrap().is_empty());
        let error = with(&[], Some("githbu"), None).unwrap_err().to_string();
        assert_eq!(error, "no rule is of the family githbu; did you mean github?");
        assert!(with(&["*-nothing"], None, None).is_err());
    }
}
