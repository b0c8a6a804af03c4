//! From a candidate to a judged match: the pattern, then the checks, then the borders.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use super::assignment;
use super::reading::Reading;
use crate::check::{Attributes, Confidence, Outcome, Plain, Subject, known};
use crate::region::Cut;
use crate::rule::{Anchor, Answer, Class, Edge, Groups, Keywords, Report, Rule, Seen, View};
use crate::secret::SecretBytes;
use crate::tally::{Evidence, Grounds};

/// The text around a candidate.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run<'a> {
    /// The text.
    pub text: &'a [u8],
    /// Which ends are no true ends: of memory that was cut, or clipped to a bound.
    pub cut: Cut,
    /// The path of the file it stands in; empty in memory.
    pub path: &'a str,
}

/// A candidate that is a match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Confirmed {
    /// The value in the text.
    pub span: Range<usize>,
    /// How sure it is.
    pub confidence: Confidence,
    /// How specific the rule is for it.
    pub rank: u8,
    /// What names it, what the checks said, and what was read off it.
    pub grounds: Arc<Grounds>,
    /// The value without accidents of notation, where a check knows them.
    pub canonical: Option<SecretBytes>,
    /// The value itself, where it lies in another notation.
    pub plain: Option<Plain>,
}

impl Confirmed {
    /// Adds what speaks for it beside its checks.
    pub(super) fn add_evidence(&mut self, check: impl Into<Cow<'static, str>>) {
        let evidence = Evidence { check: check.into(), outcome: Outcome::Pass };
        Arc::make_mut(&mut self.grounds).evidence.push(evidence);
    }

    /// Adds that a string in memory, of that layout, ends where it does.
    pub(super) fn add_layout(&mut self, layout: &str) {
        self.add_evidence("length-word");
        let attributes = &mut Arc::make_mut(&mut self.grounds).attributes;
        attributes.insert("string.layout", layout.to_owned());
    }
}

/// Where a pattern matches, and what that is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Judged {
    /// Where the pattern says the value is.
    pub found: Range<usize>,
    /// What it is.
    pub answer: Result<Confirmed, Refused>,
}

/// Why what a pattern matched is no match after all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// A check, or what a rule of another scanner asks of its values, says no.
    Check,
    /// It is a value of documentation.
    Known,
    /// It is cut off, or part of something longer.
    Edge,
}

/// Where a pattern matches.
#[derive(Debug, Clone)]
pub(super) struct Found {
    span: Range<usize>,
    /// All that the pattern matched.
    whole: Range<usize>,
    name: Option<String>,
}

impl Found {
    /// A value without a name.
    pub(super) fn of(span: Range<usize>) -> Self {
        Self { whole: span.clone(), span, name: None }
    }
}

/// The match of `rule` that the candidate at `at` leads to.
fn find(rule: &Rule, run: Run<'_>, at: usize, reading: &mut Reading) -> Option<Found> {
    match &rule.anchor {
        Anchor::Run { len, .. } => Some(Found::of(at..at + len)),
        Anchor::Prefix => {
            let all = at..run.text.len();
            if rule.items.is_none() && rule.group == 0 && rule.name_group.is_none() {
                return whole(rule, at..rule.pattern.end_near(run.text, all, &mut reading.reach)?);
            }
            let groups = rule.pattern.groups_at(run.text, all)?;
            found(rule, run.text, &groups)
        }
        // Without a pattern.
        Anchor::Listed => None,
        Anchor::Number | Anchor::Words | Anchor::Label | Anchor::Path | Anchor::Text => {
            search(rule, run.text, at)
        }
        // Of a rule without items, see `find_all`.
        Anchor::Assignment(keywords) => {
            all_assigned(rule, run, at, keywords, reading).into_iter().next()
        }
        Anchor::Inside => {
            // The leftmost match that covers the literal.
            let mut from = 0;
            loop {
                let groups = rule.pattern.find_until(run.text, from..run.text.len(), at)?;
                let hit = groups.get(0)?;
                if hit.end > at {
                    return found(rule, run.text, &groups);
                }
                from = hit.end.max(from + 1);
            }
        }
    }
}

fn search(rule: &Rule, text: &[u8], from: usize) -> Option<Found> {
    found(rule, text, &rule.pattern.find(text, from..text.len())?)
}

/// What a match of the rule's pattern leads to: the value, or what its items stand in.
fn found(rule: &Rule, text: &[u8], groups: &Groups) -> Option<Found> {
    if rule.items.is_none() {
        return value(rule, text, groups);
    }
    let span = groups.get(0)?;
    (span.len() <= rule.max_len).then_some(Found::of(span))
}

/// The values in what `rule` matches around the candidate at `at`, judged. `reading` is of the text that `run` is
/// a part of.
pub(super) fn judge_all(
    rule: &Rule,
    run: Run<'_>,
    at: usize,
    reading: &mut Reading,
) -> Vec<Judged> {
    let judged =
        |found: Found| Judged { found: found.span.clone(), answer: judge(rule, run, found) };
    if rule.items.is_none() && !matches!(rule.anchor, Anchor::Assignment(_)) {
        return find(rule, run, at, reading).map(judged).into_iter().collect();
    }
    let all = find_all(rule, run, at, reading);
    if all.is_empty() { Vec::new() } else { all.into_iter().map(judged).collect() }
}

/// The values in what `rule` matches around the candidate at `at`: one, or those of its items.
pub(super) fn find_all(rule: &Rule, run: Run<'_>, at: usize, reading: &mut Reading) -> Vec<Found> {
    if let Anchor::Assignment(keywords) = &rule.anchor {
        return all_assigned(rule, run, at, keywords, reading);
    }
    let found = find(rule, run, at, reading);
    let Some(items) = &rule.items else { return found.into_iter().collect() };
    let Some(whole) = found else { return Vec::new() };
    let mut found = Vec::new();
    for Range { start, end } in holders(rule, run, whole.span) {
        let mut from = start;
        while found.len() < ITEMS && from < end {
            let Some(groups) = items.find(run.text, from..end) else { break };
            let Some(item) = value(rule, run.text, &groups) else { break };
            // In text the pattern says where a value ends, in bytes a check does.
            let next = if rule.view == View::Bytes { item.span.start } else { item.span.end };
            from = next.max(from + 1);
            found.push(item);
        }
    }
    found
}

/// What `rule` finds in the values that are assigned to a name with one of its keywords in it.
fn all_assigned(
    rule: &Rule,
    run: Run<'_>,
    at: usize,
    keywords: &Keywords,
    reading: &mut Reading,
) -> Vec<Found> {
    let take = |value: &assignment::Value| matched(rule, run, value);
    let found = assignment::find(run.text, at, keywords, rule.max_len, reading, take);
    let Some((spans, name)) = found else { return Vec::new() };
    let name = run.text.get(name).and_then(shown);
    let of = |span: Range<usize>| Found { whole: span.clone(), span, name: name.clone() };
    spans.into_iter().map(of).collect()
}

/// Where in a match the items stand: in the groups of the pattern, or anywhere if it has none.
fn holders(rule: &Rule, run: Run<'_>, whole: Range<usize>) -> Vec<Range<usize>> {
    if rule.pattern.groups() <= 1 {
        return vec![whole];
    }
    let groups = rule.pattern.groups_at(run.text, whole);
    groups.iter().flat_map(Groups::iter).skip(1).flatten().collect()
}

/// Most values of one match.
const ITEMS: usize = 64;

/// A match that is the value.
fn whole(rule: &Rule, mut span: Range<usize>) -> Option<Found> {
    if rule.class == Class::Grep {
        span.end = span.end.min(span.start + rule.max_len);
    }
    (span.len() <= rule.max_len).then_some(Found::of(span))
}

/// The value in a match that has the groups of `rule`.
fn value(rule: &Rule, text: &[u8], groups: &Groups) -> Option<Found> {
    let all = groups.get(0)?;
    if rule.group == 0 && rule.name_group.is_none() {
        return whole(rule, all);
    }
    let any = || groups.iter().skip(1).flatten().find(|group| !group.is_empty());
    let span = groups.get(rule.group).filter(|group| !rule.any_group || !group.is_empty());
    let span = span.or_else(|| any().filter(|_| rule.any_group))?;
    let name = rule.name_group.and_then(|group| groups.get(group));
    let name = name.and_then(|name| shown(text.get(name)?));
    (all.len() <= rule.max_len).then_some(Found { span, whole: all, name })
}

/// Hex digits more than a value has, from which on they are no accident.
const LONGER: usize = 16;

/// What `rule` finds in a value that is assigned to `name`.
pub(super) fn assigned(
    rule: &Rule,
    run: Run<'_>,
    value: &assignment::Value,
    name: &[u8],
) -> Option<Found> {
    let span = matched(rule, run, value)?;
    Some(Found { whole: span.clone(), span, name: shown(name) })
}

/// The secret in an assigned value: all of it must match, or if the rule knows how long it is, as much as
/// that where nothing but the end of the text run tells where the value ends.
fn matched(rule: &Rule, run: Run<'_>, value: &assignment::Value) -> Option<Range<usize>> {
    let whole = value.span.clone();
    // Hex digits throughout are one longer value, and no stale text behind a shorter one.
    let is_longer = run.text.get(whole.clone()).is_some_and(|text| {
        text.len() >= rule.max_len.saturating_add(LONGER) && text.iter().all(u8::is_ascii_hexdigit)
    });
    let may_be_longer =
        rule.fixed_len && rule.edge != Edge::Hard && !value.is_bounded && !is_longer;
    let first = may_be_longer.then(|| whole.start..whole.end.min(whole.start + rule.max_len));
    [Some(whole), first].into_iter().flatten().find_map(|span| {
        if span.len() > rule.max_len {
            return None;
        }
        let text = run.text.get(span.clone())?;
        // The pattern begins and ends with the text.
        let all = 0..text.len();
        let secret = if rule.group == 0 {
            0..rule.pattern.end_at(text, all)?
        } else {
            rule.pattern.groups_at(text, all)?.get(rule.group)?
        };
        Some(span.start + secret.start..span.start + secret.end)
    })
}

/// The name of a value, for a report.
fn shown(name: &[u8]) -> Option<String> {
    may_be_shown(name).then(|| name.escape_ascii().to_string())
}

/// Whether the name of a value may stand in a report: a heap may have put anything before it.
fn may_be_shown(name: &[u8]) -> bool {
    const LONGEST: usize = 64;
    const LONGEST_WORD: usize = 16;
    let words = name.split(|byte| matches!(byte, b'_' | b'-' | b'.'));
    let random = |word: &[u8]| word.len() >= LONGEST_WORD && word.iter().any(u8::is_ascii_digit);
    name.len() <= LONGEST && !words.into_iter().any(random)
}

/// Judges what the pattern found.
pub(super) fn judge(rule: &Rule, run: Run<'_>, found: Found) -> Result<Confirmed, Refused> {
    let Found { mut span, whole, name } = found;
    // A literal at the start of the value says that nothing is cut off there.
    let has_start = rule.anchor == Anchor::Prefix && rule.group == 0;
    let touches = |span: &Range<usize>| {
        (run.cut.start && span.start == 0 && !has_start)
            || (run.cut.end && span.end == run.text.len())
    };
    let mut confidence = rule.confidence;
    let mut evidence = Vec::new();
    let mut attributes = Attributes::new();
    let (mut canonical, mut plain) = (None, None);
    let mut passes = 0u8;
    let mut doubtful = false;
    for check in &rule.checks {
        let subject = Subject { text: run.text, span: span.clone(), cut: run.cut.end };
        let verdict = (check.run)(&subject);
        match verdict.outcome {
            Outcome::Fail => return Err(Refused::Check),
            Outcome::Weak => doubtful = true,
            Outcome::Pass => {
                // A check that only weeds out proves nothing by a pass.
                passes = passes.saturating_add(u8::from(check.on_pass > Confidence::Low));
                confidence = confidence.max(check.on_pass);
            }
            Outcome::Unavailable => {}
        }
        span = verdict.span;
        attributes.extend(verdict.attributes);
        canonical = verdict.canonical.or(canonical);
        plain = verdict.plain.or(plain);
        evidence.push(Evidence { check: check.name.into(), outcome: verdict.outcome });
    }
    if let Some(terms) = &rule.terms {
        let (text, value, path) = (run.text, span.clone(), run.path);
        match terms.judge(&Seen { text, whole, value, path, pattern: &rule.pattern }) {
            Answer::No => return Err(Refused::Check),
            Answer::Yes => {}
            Answer::Proven => {
                passes = passes.saturating_add(1);
                confidence = confidence.max(Confidence::High);
                evidence.push(Evidence { check: "checksum".into(), outcome: Outcome::Pass });
            }
        }
    }
    if doubtful {
        confidence = Confidence::Low;
    }
    let value =
        run.text.get(span.clone()).filter(|value| !value.is_empty()).ok_or(Refused::Check)?;
    let text = plain.as_ref().map_or(value, |plain: &Plain| plain.value.expose());
    if rule.class == Class::Secret && known::is_documentation_value(text) {
        return Err(Refused::Known);
    }
    // What lies in binary tells its length itself.
    let is_bounded = rule.fixed_len || rule.view == View::Bytes;
    // Half a secret is none; a sign of compromise remains one.
    if rule.class == Class::Secret && touches(&span) && passes == 0 && !is_bounded {
        return Err(Refused::Edge);
    }
    if rule.edge != Edge::Checked && confidence < Confidence::Confirmed {
        let before = span.start.checked_sub(1).and_then(|at| run.text.get(at));
        let after = run.text.get(span.end);
        let ends = |edge: Option<&u8>| edge.is_some_and(|byte| is_token(*byte));
        let is_escaped = ends_with_escape(run.text.get(..span.start).unwrap_or_default());
        let grows =
            (ends(before) && !is_escaped && value.first().is_some_and(|byte| is_token(*byte)))
                || (ends(after) && value.last().is_some_and(|byte| is_token(*byte)));
        if grows {
            if rule.edge == Edge::Hard {
                return Err(Refused::Edge);
            }
            confidence = lower(confidence);
            evidence.push(Evidence { check: "border".into(), outcome: Outcome::Weak });
        }
    }
    let kind: u8 = match (rule.report, &rule.anchor) {
        (Report::Proven, _) => 0,
        _ if rule.generic => 1,
        _ if confidence == Confidence::Confirmed => 4,
        // A file that is there for this value says more than the value's shape.
        (_, Anchor::Path) => 4,
        // Words before the value are its context, not a part of it.
        (_, Anchor::Prefix) if rule.group == 0 => 3,
        _ if passes > 0 => 3,
        _ => 2,
    };
    let rank = kind * 16 + passes.min(15);
    let grounds = Arc::new(Grounds { name, evidence, attributes });
    Ok(Confirmed { span, confidence, rank, grounds, canonical, plain })
}

/// Whether text ends with an escape that stands for another character: `%3D`, `\n`, `\u003d`.
fn ends_with_escape(text: &[u8]) -> bool {
    let is_hex = |digits: &[u8]| digits.iter().all(u8::is_ascii_hexdigit);
    let tail = |len: usize| text.len().checked_sub(len).and_then(|at| text.get(at..));
    let escape =
        |len, head: &[u8]| tail(len).and_then(|tail| tail.strip_prefix(head)).is_some_and(is_hex);
    escape(3, b"%") || escape(6, b"\\u") || matches!(text, [.., b'\\', b'n' | b'r' | b't'])
}

/// Whether a byte could go on a token.
pub(super) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

fn lower(confidence: Confidence) -> Confidence {
    match confidence {
        Confidence::Confirmed => Confidence::High,
        Confidence::High => Confidence::Medium,
        Confidence::Medium | Confidence::Low => Confidence::Low,
    }
}
