//! What happens at the fold: values become findings, in words.

mod earlier;
mod fingerprint;
mod kernel;
mod model;
mod place;
mod proof;
mod severity;
mod yara;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::check::{Confidence, Outcome, Severity};
use crate::checkpoint::Checkpoint;
use crate::region::{Holder, HolderKind, Locus, RegionKind};
use crate::rule::{self, Report, RuleSet};
use crate::secret::SecretBytes;
use crate::tally::{self, LineFeeds, Part, ValueKey, Vault};
use crate::yara::RuleInfo;
use proof::Proven;

pub use earlier::Earlier;
pub use fingerprint::Fingerprints;
pub use model::{
    Address, Class, Evidence, Excerpt, Finding, Indicator, PipeEnd, Place, Queue, RuleName, Socket,
    Status, Vma,
};
pub use proof::{PROOFS, Proof, shelf};
pub use yara::Holds;

/// What a finding is made from, beside its own tallies.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The checkpoint.
    pub checkpoint: &'a Checkpoint,
    /// Its name in the report (`c1`).
    pub name: &'a str,
    /// The rules.
    pub rules: &'a RuleSet,
    /// The YARA rules.
    pub yara: &'a [RuleInfo],
    /// Paths of files.
    pub names: &'a BTreeMap<Holder, Arc<str>>,
    /// Line feeds of whole windows of files.
    pub line_feeds: &'a BTreeMap<(Holder, u64), LineFeeds>,
    /// Values, where the user asked to see them, and indicators.
    pub kept: &'a BTreeMap<ValueKey, SecretBytes>,
    /// Values that proofs look into; never shown for that.
    pub vault: &'a Vault,
    /// Values of the checkpoints before this one.
    pub earlier: &'a Earlier,
    /// How values are named across reports.
    pub fingerprints: &'a Fingerprints,
    /// Places shown of one finding.
    pub max_places: usize,
}

/// The matches of one value in one checkpoint.
#[derive(Debug, Default)]
pub struct Found<'a> {
    /// Its matches in the lowest holders.
    pub parts: Vec<&'a Part>,
    /// Distinct spans, exactly.
    pub count: u64,
    /// All holders; in order, each once.
    pub holders: Vec<Holder>,
}

impl Found<'_> {
    /// Puts the holders in order, each once.
    pub fn settle(&mut self) {
        if !self.holders.is_sorted_by(|one, next| one < next) {
            self.holders.sort_unstable();
            self.holders.dedup();
        }
    }
}

/// One value in one checkpoint.
#[derive(Debug)]
pub struct Value<'a> {
    /// Its hash.
    pub key: ValueKey,
    /// Its matches.
    pub found: Found<'a>,
    /// What was proven of it at the fold.
    proven: Vec<(&'static str, Proven)>,
}

impl Value<'_> {
    /// The best judgement over all holders, and where it was made.
    fn best(&self) -> Option<(&tally::Judgement, Holder, RegionKind, Locus)> {
        let order = |part: &Part| (tally::order(&part.tally.best), part.holder);
        let best = self.found.parts.iter().min_by(|a, b| order(a).cmp(&order(b)))?;
        let Part { holder, kind, tally } = best;
        Some((&tally.best.0, *holder, *kind, tally.best.1))
    }

    /// Whether any rule that found it reports without a proof.
    fn is_reported(&self, rules: &RuleSet) -> bool {
        let rules_of = self.found.parts.iter().flat_map(|part| &part.tally.rules);
        self.proven.iter().any(|(_, proven)| proven.outcome == Outcome::Pass)
            || rules_of.into_iter().any(|id| rules.get(*id).report == Report::Always)
    }
}

/// The findings of a checkpoint, in the order of the report, numbered. Each is put into words when it is
/// asked for: tens of thousands of them at once would take more memory than the scan. Values come in order.
pub fn findings<'a>(
    values: Vec<(ValueKey, Found<'a>)>,
    holds: &BTreeMap<u32, Holds<'_>>,
    context: &'a Context<'a>,
) -> impl Iterator<Item = Finding> + use<'a> {
    let mut values: Vec<Value<'a>> = values
        .into_iter()
        .filter(|(_, found)| !found.parts.is_empty())
        .map(|(key, found)| Value { key, found, proven: Vec::new() })
        .collect();
    for proof in PROOFS {
        let proven = (proof.prove)(&values, context.rules, context.vault);
        for proven in proven {
            if let Some(value) = values.get_mut(proven.index) {
                value.proven.push((proof.name, proven));
            }
        }
    }
    let mut rows: Vec<Row<'a>> = values
        .into_iter()
        .filter(|value| value.is_reported(context.rules))
        .filter_map(|value| Row::of(value, context))
        .chain(holds.iter().filter_map(|(rule, held)| {
            let finding = yara::finding(*rule, held, context)?;
            let order = (
                Reverse(finding.severity),
                Reverse(finding.confidence),
                context.yara.get(usize::try_from(*rule).ok()?)?.id.as_str(),
                finding.fingerprint.clone(),
            );
            Some(Row { order, what: What::Rule(Box::new(finding)) })
        }))
        .collect();
    rows.sort_by(|a, b| a.order.cmp(&b.order));
    // Values that must not enter a fingerprint may share one: then the lowest place is first.
    for same in rows.chunk_by_mut(|a, b| a.order == b.order).filter(|same| same.len() > 1) {
        same.sort_by_cached_key(|row| {
            let lowest = match &row.what {
                What::Value(value, _) => place::places(value, context).shown.into_iter().next(),
                What::Rule(finding) => finding.places.first().cloned(),
            };
            lowest.map(|it| (it.region, it.pid, it.address, it.path, it.offset))
        });
    }
    let findings = rows.into_iter().filter_map(|row| match row.what {
        What::Value(value, of_place) => finding(&value, (row.order.3, of_place), context),
        What::Rule(finding) => Some(*finding),
    });
    findings.zip(1_u64..).map(|(mut finding, number)| {
        finding.id = format!("{}-{number:04}", context.name);
        finding
    })
}

/// What becomes a finding, and where it stands in the report.
struct Row<'a> {
    /// The worst and surest first; then by rule and fingerprint.
    order: (Reverse<Severity>, Reverse<Confidence>, &'a str, String),
    what: What<'a>,
}

enum What<'a> {
    /// With its place fingerprint.
    Value(Value<'a>, String),
    Rule(Box<Finding>),
}

impl<'a> Row<'a> {
    fn of(value: Value<'a>, context: &Context<'a>) -> Option<Self> {
        let (judgement, ..) = value.best()?;
        let rule = context.rules.get(judgement.rule);
        let (severity, confidence, _) = grade(&value, judgement, rule, context);
        let (fingerprint, of_place) = context.fingerprints.of(&value, rule, context);
        let order = (Reverse(severity), Reverse(confidence), rule.id.as_str(), fingerprint);
        Some(Self { order, what: What::Value(value, of_place) })
    }
}

/// How bad and how sure it is, and what lessens the harm.
fn grade(
    value: &Value<'_>,
    judgement: &tally::Judgement,
    rule: &rule::Rule,
    context: &Context<'_>,
) -> (Severity, Confidence, Option<severity::Mitigation>) {
    let (mut confidence, mut severity) =
        (judgement.confidence, severity::of(rule.severity, &judgement.grounds.attributes));
    for (_, proven) in &value.proven {
        confidence = confidence.max(proven.confidence);
        severity = severity.max(proven.severity);
    }
    let mitigation = severity::mitigation(&judgement.grounds.attributes, context.checkpoint);
    let severity = mitigation.map_or(severity, |lower| lower.lower(severity));
    (severity, confidence, mitigation)
}

/// The finding that a value is, with its fingerprint and place fingerprint.
fn finding(
    value: &Value<'_>,
    (fingerprint, place_fingerprint): (String, String),
    context: &Context<'_>,
) -> Option<Finding> {
    let (judgement, holder, kind, locus) = value.best()?;
    let rule = context.rules.get(judgement.rule);
    let places = place::places(value, context);
    let made = &judgement.grounds.evidence;
    let mut evidence = Vec::with_capacity(made.len() + value.proven.len());
    for tally::Evidence { check, outcome } in made {
        evidence.push(Evidence { check: check.clone(), result: *outcome });
    }
    for (proof, proven) in &value.proven {
        evidence.push(Evidence { check: (*proof).into(), result: proven.outcome });
    }
    let (severity, confidence, mitigation) = grade(value, judgement, rule, context);
    let mut attributes = BTreeMap::new();
    let proven = value.proven.iter().flat_map(|(_, proven)| proven.attributes.iter());
    for (name, text) in judgement.grounds.attributes.iter().chain(proven) {
        attributes.insert(name.to_owned(), text.clone());
    }
    if let Some(name) = &judgement.grounds.name {
        attributes.insert("name".to_owned(), name.clone());
    }
    let also: BTreeSet<&str> = value
        .found
        .parts
        .iter()
        .flat_map(|part| &part.tally.rules)
        .filter(|id| **id != judgement.rule)
        .map(|id| context.rules.get(*id).id.as_str())
        .collect();
    if !also.is_empty() {
        attributes.insert("also".to_owned(), Vec::from_iter(also).join(" "));
    }
    let expired = mitigation == Some(severity::Mitigation::Expired);
    if expired {
        attributes.insert("expired".to_owned(), "true".to_owned());
    }
    if rule.class == rule::Class::Secret
        && let Some(names) = context.earlier.names(value.key)
    {
        attributes.insert("checkpoints.earlier".to_owned(), names);
    }
    let excerpt = excerpt(value.key, rule, judgement.length, context);
    let (secret, matched, indicator, class) = match rule.class {
        rule::Class::Secret => (Some(excerpt), None, None, Class::Secret),
        rule::Class::Grep => (None, Some(excerpt), None, Class::Grep),
        rule::Class::Indicator | rule::Class::Listed => {
            (None, None, Some(indicator(value.key, rule, context)), Class::Indicator)
        }
    };
    let named = judgement.grounds.name.as_ref().map(|name| format!(" {name}")).unwrap_or_default();
    let expiry = if expired { " (expired)" } else { "" };
    let place = place::holder_in_words(holder, kind, locus, context);
    let title = format!("{}{expiry}{named} {place}", rule.name);
    Some(Finding {
        id: String::new(),
        fingerprint,
        place_fingerprint,
        checkpoint: context.name.to_owned(),
        class,
        rule: RuleName {
            id: rule.id.clone(),
            name: rule.name.clone(),
            family: rule.family.clone(),
        },
        severity,
        confidence,
        title,
        secret,
        matched,
        indicator,
        evidence,
        attributes,
        count: value.found.count,
        processes: places.processes,
        files: count_files(value),
        places: places.shown,
        places_omitted: places.omitted,
        remediation: rule.remediation.clone(),
        references: rule.references.clone(),
        cwe: rule.cwe.clone(),
        attack: rule.attack.clone(),
        status: None,
        suppression: None,
    })
}

fn count_files(value: &Value<'_>) -> u64 {
    let is_file = |it: &&Holder| matches!(it.kind, HolderKind::File | HolderKind::Ghost);
    let files = value.found.holders.iter().filter(is_file);
    u64::try_from(files.count()).unwrap_or(u64::MAX)
}

/// What a report shows of an indicator: all of it. Arguments stand apart by NUL, here by a blank.
fn indicator(key: ValueKey, rule: &rule::Rule, context: &Context<'_>) -> Indicator {
    let value = context.kept.get(&key).map_or(&b""[..], SecretBytes::expose);
    let value = String::from_utf8_lossy(value).replace('\0', " ");
    Indicator { kind: rule.indicator.clone(), value }
}

/// Shortest value of which a public prefix may be shown.
const PREVIEW_MIN: u32 = 16;

/// What a report shows of a value: the rule's public prefix and the length, or all of it where
/// the user asked for that. The only place where a secret enters a record.
fn excerpt(key: ValueKey, rule: &rule::Rule, length: u32, context: &Context<'_>) -> Excerpt {
    let shown = if length < PREVIEW_MIN { "" } else { rule.prefix.as_str() };
    let value = context.kept.get(&key).map(SecretBytes::expose);
    let text = value.and_then(|value| std::str::from_utf8(value).ok());
    Excerpt {
        preview: format!("{shown}…"),
        length: value.map_or(u64::from(length), |value| value.len() as u64),
        value: text.map(str::to_owned),
        value_b64: value
            .filter(|_| text.is_none())
            .map(|value| data_encoding::BASE64.encode(value)),
    }
}
