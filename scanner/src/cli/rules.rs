//! `cryoscan rules`: what is looked for, and what to do about it.

use std::io::{self, ErrorKind, Write};

use anyhow::{anyhow, bail};
use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;

use super::nearest::hint;
use super::value::severity;
use crate::check::Severity;
use crate::report::Style;
use crate::rule::RuleSet;

mod text;
mod view;

use view::RuleView;

/// Name and version of what the JSON means; it changes only when a reader must change.
const SCHEMA: &str = "cryoscan-rules/1";

pub(super) const EXAMPLES: &str = "\
Examples:
  cryoscan rules list --severity high     what is worth waking somebody for
  cryoscan rules list 'github-*'          rules by name
  cryoscan rules show github-pat-classic  all about one of them";

const LIST_EXAMPLES: &str = "\
Examples:
  cryoscan rules list                                   one line a rule
  cryoscan rules list --family aws --severity high      those of a family that do much harm
  cryoscan rules list 'github-*' '*-key'                by name
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
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Only rules with such an id; `*` stands for any text
    #[arg(value_name = "ID")]
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
}

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// The id of the rule, as reports and `rules list` show it
    #[arg(value_name = "ID")]
    id: String,

    #[command(flatten)]
    format: FormatArgs,
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
    let set = RuleSet::builtin()?;
    let examples = RuleSet::examples(cryoscan_rules::SECRETS)?;
    let views = view::views(&set, &examples);
    let mut page = Vec::new();
    match command {
        RulesCommand::List(args) => {
            let rules = chosen(&views, args)?;
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
    }
    match io::stdout().write_all(&page) {
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
fn chosen<'a>(views: &'a [RuleView<'a>], args: &ListArgs) -> anyhow::Result<Vec<&'a RuleView<'a>>> {
    if let Some(family) = &args.family
        && views.iter().all(|rule| rule.family != family)
    {
        let hint = hint(family, views.iter().map(|rule| rule.family));
        bail!("no rule is of the family {family}{hint}");
    }
    for id in &args.ids {
        if !views.iter().any(|rule| matches(id, rule.id)) {
            bail!("no rule has the id {id}{}", hint(id, views.iter().map(|rule| rule.id)));
        }
    }
    let is_chosen = |rule: &&RuleView<'_>| {
        (args.ids.is_empty() || args.ids.iter().any(|id| matches(id, rule.id)))
            && args.family.as_ref().is_none_or(|family| rule.family == family)
            && args.severity.is_none_or(|least| rule.severity >= least)
    };
    Ok(views.iter().filter(is_chosen).collect())
}

/// Whether a name is what a pattern says, in which `*` stands for any text.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut name) = name.strip_prefix(start) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    // What stands between stars is taken where it comes first; only the end has to be the end.
    let end = parts.pop().unwrap_or_default();
    for part in parts {
        match name.split_once(part) {
            Some((_, after)) => name = after,
            None => return false,
        }
    }
    name.ends_with(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, name, expected) in [
            ("a-key", "a-key", true),
            ("a", "a-key", false),
            ("*", "a-key", true),
            ("a*", "a-key", true),
            ("*key", "a-key", true),
            ("*-*", "a-key", true),
            ("a*y*", "a-key", true),
            ("*a*a*", "a-key", false),
            ("a-key*key", "a-key", false),
            ("a*b*c", "a-bc-c", true),
            ("**", "", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn rules_are_chosen_by_name_family_and_severity() {
        let set = RuleSet::builtin().unwrap();
        let views = view::views(&set, &[]);
        let with = |ids: &[&str], family: Option<&str>, severity| {
            let ids = ids.iter().map(|&id| id.to_owned()).collect();
            let family = family.map(str::to_owned);
            let format = FormatArgs { format: Format::Text };
            chosen(&views, &ListArgs { ids, family, severity, format })
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
