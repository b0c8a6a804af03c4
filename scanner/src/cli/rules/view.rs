//! A rule as users see it. The order of the fields is the order of the keys.

use serde::Serialize;

use crate::check::{Confidence, Severity};
use crate::matching::ENCODINGS;
use crate::rule::{Anchor, Class, Edge, Report, Rule, RuleExamples, RuleSet, View};

/// All about a rule. Words are those of `docs/rules.md`.
#[derive(Debug, Serialize)]
pub(super) struct RuleView<'a> {
    pub(super) id: &'a str,
    pub(super) name: &'a str,
    pub(super) description: &'a str,
    pub(super) family: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub(super) tags: &'a [String],
    pub(super) class: &'static str,
    pub(super) severity: Severity,
    /// Before any check.
    pub(super) confidence: Confidence,
    pub(super) checks: Vec<CheckView>,
    pub(super) encodings: Vec<&'static str>,
    /// Kinds of place.
    #[serde(rename = "where")]
    pub(super) places: Vec<&'static str>,
    pub(super) regex: &'a str,
    /// Only in files whose path matches.
    pub(super) path: Option<&'a str>,
    pub(super) anchor: &'static str,
    /// Characters of the longest match.
    pub(super) max_len: usize,
    pub(super) edge: &'static str,
    pub(super) report: &'static str,
    /// Whether values could be guessed.
    pub(super) guessable: bool,
    /// The rule whose finding nearby raises the confidence.
    pub(super) near: Option<&'a str>,
    /// What previews show of a value.
    pub(super) prefix: &'a str,
    pub(super) remediation: &'a str,
    pub(super) references: &'a [String],
    pub(super) cwe: &'a [String],
    pub(super) attack: &'a [String],
    /// Templates of texts that it finds.
    pub(super) examples: Vec<&'a str>,
    /// Templates of texts that it does not.
    pub(super) counterexamples: Vec<&'a str>,
}

/// A check of a rule.
#[derive(Debug, Serialize)]
pub(super) struct CheckView {
    pub(super) name: &'static str,
    /// The confidence of a finding that passes it; `low` if it only weeds out what is none.
    pub(super) on_pass: Confidence,
}

/// The rules of a set, by id.
pub(super) fn views<'a>(set: &'a RuleSet, examples: &'a [RuleExamples]) -> Vec<RuleView<'a>> {
    set.rules().iter().map(|rule| view(rule, examples)).collect()
}

/// In what a rule's text or bytes may be written.
fn encodings(rule: &Rule) -> Vec<&'static str> {
    let (plain, is_text) = match rule.view {
        View::Bytes => ("bytes", false),
        View::Text => ("ascii", true),
    };
    let all = ENCODINGS.iter().flat_map(|encoding| encoding.notations);
    let read = all
        .filter(|it| rule.encodings.holds(**it) && (is_text || it.holds_bytes()))
        .map(|notation| notation.name());
    std::iter::once(plain).chain(read).collect()
}

fn view<'a>(rule: &'a Rule, examples: &'a [RuleExamples]) -> RuleView<'a> {
    let own = examples.iter().find(|(id, ..)| *id == rule.id);
    let (examples, counterexamples) = own
        .map(|(_, examples, counterexamples)| {
            let templates = |list: &'a [crate::rule::Example]| {
                list.iter().map(|example| example.r#gen.as_str()).collect()
            };
            (templates(examples), templates(counterexamples))
        })
        .unwrap_or_default();
    let checks = rule.checks.iter();
    RuleView {
        id: &rule.id,
        name: &rule.name,
        description: &rule.description,
        family: &rule.family,
        tags: &rule.tags,
        class: match rule.class {
            Class::Secret => "secret",
            Class::Indicator | Class::Listed => "indicator",
            Class::Grep => "grep",
        },
        severity: rule.severity,
        confidence: rule.confidence,
        checks: checks
            .map(|check| CheckView { name: check.name, on_pass: check.on_pass })
            .collect(),
        encodings: encodings(rule),
        places: rule.places.words(),
        regex: rule.pattern.source(),
        path: rule.path.as_ref().map(crate::rule::Pattern::source),
        anchor: match rule.anchor {
            Anchor::Prefix | Anchor::Inside | Anchor::Text => "literal",
            Anchor::Run { word: false, .. } => "run",
            Anchor::Run { word: true, .. } => "word",
            Anchor::Assignment(_) => "assignment",
            Anchor::Number => "number",
            Anchor::Words => "words",
            Anchor::Listed => "list",
            Anchor::Label => "label",
            Anchor::Path => "path",
        },
        max_len: rule.max_len,
        edge: match rule.edge {
            Edge::Checked => "checked",
            Edge::Soft => "soft",
            Edge::Hard => "hard",
        },
        report: match rule.report {
            Report::Always => "always",
            Report::Proven => "proven",
        },
        guessable: rule.guessable,
        near: rule.near.as_ref().map(|near| near.rule.as_str()),
        prefix: &rule.prefix,
        remediation: &rule.remediation,
        references: &rule.references,
        cwe: &rule.cwe,
        attack: &rule.attack,
        examples,
        counterexamples,
    }
}
