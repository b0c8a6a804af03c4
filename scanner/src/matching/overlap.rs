//! Which of two matches on the same bytes stays: the more specific one. An indicator and a secret
//! say different things and both stay.

use std::cmp::Reverse;

use super::engine::{Candidate, WIDEST};
use crate::check::Notation;
use crate::region::CELL;
use crate::rule::{Anchor, Class, RuleSet};
use crate::secret::SecretBytes;

/// Puts stars over what a rule for secrets found inside of an indicator, which reports show. The
/// matches are sorted by their start.
pub(super) fn hide_secrets(rules: &RuleSet, matches: &mut [Candidate]) {
    let is = |found: &Candidate, class| rules.get(found.rule).class == class;
    if !matches.iter().any(|found| is(found, Class::Indicator)) {
        return;
    }
    let secrets = matches.iter().filter(|found| is(found, Class::Secret));
    let secrets: Vec<(u64, u64)> = secrets.map(|found| (found.start, found.end)).collect();
    for found in matches.iter_mut().filter(|found| is(found, Class::Indicator)) {
        let offset = |address: u64| {
            usize::try_from(address.saturating_sub(found.start)).unwrap_or(usize::MAX)
        };
        let first =
            secrets.partition_point(|(start, _)| start.saturating_add(WIDEST) < found.start);
        let near = secrets.iter().skip(first).take_while(|(start, _)| *start < found.end);
        let mut value = found.value.expose().to_vec();
        for (start, end) in near.filter(|(_, end)| *end > found.start) {
            let to = offset(*end).min(value.len());
            value.get_mut(offset(*start)..to).unwrap_or_default().fill(b'*');
        }
        found.value = SecretBytes::from(value);
    }
}

/// The order of matches: by start, the longer one first, what lies plainly first.
pub(super) fn order(found: &Candidate) -> impl Ord + use<> {
    (found.start, Reverse(found.end), found.decoded)
}

/// How strong a match is against another one on the same bytes: what checks show, what no bytes were made
/// for, the longer literal, the exact range of a label, the lower id; of one rule the longer match says more.
///
/// One order for all pairs, so that of any matches on the same bytes one stays.
fn strength(rules: &RuleSet, found: &Candidate) -> impl Ord + use<> {
    let rule = rules.get(found.rule);
    // Words of a name are found anywhere.
    let is_name = matches!(rule.anchor, Anchor::Assignment(_));
    let literals = rule.literals.iter().filter(|_| !is_name);
    let literal = literals.map(Vec::len).max().unwrap_or_default();
    let is_label = rule.anchor == Anchor::Label;
    let made = found.decoded.steps().filter(|step| !step.keeps_characters()).count();
    let len = found.end.saturating_sub(found.start);
    let last = (Reverse(found.rule), len, Reverse(found.decoded));
    (found.confirmed.rank, Reverse(made), literal, is_label, last)
}

/// Whether the first of two matches, in their order, is the weaker one on bytes that the second one
/// has too; `None` if both stay.
fn is_first_weaker(rules: &RuleSet, first: &Candidate, second: &Candidate) -> Option<bool> {
    let class = rules.get(first.rule).class;
    // Sorted so, only the first can contain the second.
    if class == Class::Grep || second.end > first.end || rules.get(second.rule).class != class {
        return None;
    }
    // Two indicators of lists are two findings; one of them, seen twice, is one.
    if class == Class::Listed && first.value != second.value {
        return None;
    }
    Some(strength(rules, first) < strength(rules, second))
}

/// Marks every match that another one, which contains it or lies inside it, outranks.
///
/// A match loses against any stronger one, whether that one stays or not: so the answer depends
/// on the two of them only, and never on how far the window reaches.
pub(super) fn suppress(rules: &RuleSet, matches: &mut [Candidate]) {
    matches.sort_by_key(order);
    settle(rules, matches, |_, _| true);
}

/// The same between the matches of an island and those of the islands in it, which are settled among
/// themselves. They are sorted.
pub(super) fn settle_islands(rules: &RuleSet, matches: &mut [Candidate]) {
    settle(rules, matches, |first, second| first.island != second.island);
}

/// The same between what was decoded for the cell that starts at `cell` and what stands in the window.
/// What starts in the cell is added to `all`.
///
/// Of what stands in the window, only what starts in the cell can lose: other cells may not be seen.
pub(super) fn settle_cell(
    rules: &RuleSet,
    plain: &mut [Candidate],
    mut decoded: Vec<Candidate>,
    cell: u64,
    all: &mut Vec<Candidate>,
) {
    let own = cell..cell.saturating_add(CELL);
    decoded.sort_by_key(order);
    settle_islands(rules, &mut decoded);
    let last = decoded.iter().map(|found| found.end).max().unwrap_or_default();
    for found in &mut decoded {
        let first = plain.partition_point(|other| other.start.saturating_add(WIDEST) < found.start);
        let end = found.end.min(found.start.saturating_add(WIDEST));
        for other in plain.iter_mut().skip(first).take_while(|other| other.start < end) {
            let is_other_weaker = if is_accident(other, found) {
                Some(true)
            } else if order(other) <= order(found) {
                is_first_weaker(rules, other, found)
            } else {
                is_first_weaker(rules, found, other).map(|weaker| !weaker)
            };
            match is_other_weaker {
                Some(true) if own.contains(&other.start) => other.lost = true,
                Some(true) | None => {}
                Some(false) => found.lost = true,
            }
        }
    }
    let first = plain.partition_point(|other| other.start < own.start);
    for shown in plain.iter_mut().skip(first).take_while(|shown| own.contains(&shown.start)) {
        if rules.get(shown.rule).class == Class::Indicator && shown.start < last {
            hide_in(rules, shown, &decoded);
        }
    }
    all.extend(decoded.into_iter().filter(|found| own.contains(&found.start)));
}

/// Whether a match is of characters in the middle of those that encode another one.
fn is_accident(plain: &Candidate, decoded: &Candidate) -> bool {
    let is_inside = plain.start > decoded.start && plain.end < decoded.end;
    is_inside
        && decoded.decoded.steps().next().is_some_and(|outer| {
            !outer.keeps_characters() && !matches!(outer, Notation::Gzip | Notation::Zlib)
        })
}

/// Puts stars over what is encoded in an indicator.
fn hide_in(rules: &RuleSet, shown: &mut Candidate, decoded: &[Candidate]) {
    let mut value = shown.value.expose().to_vec();
    let secrets = decoded.iter().filter(|found| rules.get(found.rule).class == Class::Secret);
    for found in secrets.filter(|found| found.end > shown.start) {
        let offset = |address: u64| {
            usize::try_from(address.saturating_sub(shown.start)).unwrap_or(usize::MAX)
        };
        let to = offset(found.end).min(value.len());
        value.get_mut(offset(found.start)..to).unwrap_or_default().fill(b'*');
    }
    shown.value = SecretBytes::from(value);
}

fn settle(
    rules: &RuleSet,
    matches: &mut [Candidate],
    may_meet: impl Fn(&Candidate, &Candidate) -> bool,
) {
    let mut lost = vec![false; matches.len()];
    for (index, first) in matches.iter().enumerate() {
        for (offset, second) in matches.iter().enumerate().skip(index + 1) {
            if second.start >= first.end {
                break;
            }
            if !may_meet(first, second) {
                continue;
            }
            let Some(is_first) = is_first_weaker(rules, first, second) else { continue };
            let weaker = if is_first { index } else { offset };
            if let Some(lost) = lost.get_mut(weaker) {
                *lost = true;
            }
        }
    }
    for (found, lost) in matches.iter_mut().zip(lost) {
        found.lost |= lost;
    }
}
