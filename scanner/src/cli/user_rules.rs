//! The options for rules of the user, and for which rules run.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{anyhow, bail};
use clap::Args;
use clap::builder::BoolishValueParser;

use super::nearest::hint;
use super::output::{complain, explain};
use crate::diagnostic::Diagnostic;
use crate::report::{escape, number};
use crate::rule::{Cost, Fault, RuleFile, RuleSet, UserRules};
use crate::scan::ChosenRules;

// Rule files of the user. (No doc comment: clap would print it.)
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Rules")]
pub(super) struct FilesArgs {
    /// Load the rules of this file or folder too: our own TOML, TOML of gitleaks or betterleaks, YAML of
    /// noseyparker or kingfisher; may be given more than once
    #[arg(long, value_name = "FILE|DIR", env = "CRYOSCAN_RULES", hide_env_values = true)]
    pub(super) rules: Vec<PathBuf>,

    /// Leave out rules, and lines of lists, that are wrong, and load the others
    #[arg(
        long, value_parser = BoolishValueParser::new(),
        env = "CRYOSCAN_RULES_LENIENT", hide_env_values = true
    )]
    pub(super) rules_lenient: bool,
}

// Which rules run.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Rules")]
pub(super) struct SelectArgs {
    /// Only rules of this id, in which `*` stands for any text, or `tag:` and a family or tag; may be given
    /// more than once
    #[arg(
        long,
        value_name = "RULE",
        value_delimiter = ',',
        env = "CRYOSCAN_RULE",
        hide_env_values = true
    )]
    pub(super) rule: Vec<String>,

    /// No rules of this id or tag; may be given more than once
    #[arg(
        long,
        value_name = "RULE",
        value_delimiter = ',',
        env = "CRYOSCAN_EXCLUDE_RULE",
        hide_env_values = true
    )]
    pub(super) exclude_rule: Vec<String>,
}

/// Faults that are shown before the rest is only counted.
const SHOWN: usize = 20;

/// The rules of a scan; `None` for those that come with the program.
pub(super) fn chosen(
    files: &FilesArgs,
    select: &SelectArgs,
) -> anyhow::Result<Option<Arc<ChosenRules>>> {
    if files.rules.is_empty() && select.rule.is_empty() && select.exclude_rule.is_empty() {
        return Ok(None);
    }
    let mut loaded = load(files)?;
    choose(&mut loaded.set, select)?;
    Ok(Some(Arc::new(ChosenRules {
        set: loaded.set,
        notes: notes(&loaded.faults),
        files: loaded.files,
        only: select.rule.clone(),
        without: select.exclude_rule.clone(),
    })))
}

/// Keeps the rules that are chosen.
pub(super) fn choose(set: &mut RuleSet, select: &SelectArgs) -> anyhow::Result<()> {
    set.select(&select.rule, &select.exclude_rule).map_err(|unknown| {
        let hint = hint(&unknown.selector, unknown.names.iter().map(String::as_str));
        let (what, name) = match unknown.selector.strip_prefix("tag:") {
            Some(tag) => ("tag or family", tag),
            None => ("id", unknown.selector.as_str()),
        };
        anyhow!("no rule has the {what} {name}{hint}; `cryoscan rules list` lists all")
    })
}

/// The built-in rules and those of the files; says what is wrong with them.
pub(super) fn load(args: &FilesArgs) -> anyhow::Result<UserRules> {
    let files = RuleFile::read(&args.rules)?;
    let loaded = UserRules::load(RuleSet::builtin()?, &files);
    let wrong: Vec<&Fault> =
        loaded.faults.iter().filter(|fault| fault.cost == Cost::Wrong).collect();
    if !wrong.is_empty() && !args.rules_lenient {
        for fault in wrong.iter().take(SHOWN) {
            complain(&escape(&fault.headline()));
            fault.marked().lines().for_each(|line| explain(&escape(line)));
        }
        let more = wrong.len().saturating_sub(SHOWN);
        let more = if more > 0 { format!(" ({more} more are not shown)") } else { String::new() };
        let count = number(u64::try_from(wrong.len()).unwrap_or(u64::MAX), "error", "errors");
        bail!("{count} in the rule files{more}; --rules-lenient leaves such rules out");
    }
    for fault in &wrong {
        tracing::warn!("{}; left out", escape(&fault.headline()));
    }
    for file in &loaded.files {
        let count = |cost| {
            loaded.faults.iter().filter(|fault| fault.cost == cost && fault.file == *file).count()
        };
        let (left_out, ignored) = (count(Cost::LeftOut), count(Cost::Ignored));
        if left_out + ignored > 0 {
            let file = escape(file);
            tracing::warn!(
                "{file}: {left_out} of its rules cannot be run here, {ignored} of its keys mean less \
                 here: `cryoscan rules check {file}` lists them"
            );
        }
    }
    Ok(loaded)
}

/// What is said of rule files in a report: what is the same for many rules is one note.
fn notes(faults: &[Fault]) -> Vec<Diagnostic> {
    let mut groups: BTreeMap<(&str, Cost, &str, &str), Vec<&Fault>> = BTreeMap::new();
    for fault in faults.iter().filter(|fault| fault.cost != Cost::Advice) {
        let key = (fault.file.as_str(), fault.cost, fault.key.as_str(), fault.problem.as_str());
        groups.entry(key).or_default().push(fault);
    }
    let note = |group: &Vec<&Fault>| {
        let mut note = group.first()?.diagnostic();
        if group.len() > 1 {
            let more = (group.len() - 1).to_string();
            note.message.extend([" (and so for ", &more, " more)"]);
        }
        Some(note)
    };
    groups.values().filter_map(note).collect()
}
