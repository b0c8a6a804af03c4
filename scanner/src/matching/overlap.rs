//! Which of two matches on the same bytes stays: the more specific one. An indicator and a secret
//! say different things and both stay.

use std::cmp::Reverse;

use super::engine::{Candidate, WIDEST};
use crate::rule::{Class, RuleSet};
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
        let unit = if found.utf16 { 2 } else { 1 };
        let offset = |address: u64| {
            usize::try_from(address.saturating_sub(found.start) / unit).unwrap_or(usize::MAX)
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

/// Marks every match that another one, which contains it or lies inside it, outranks.
///
/// A match loses against any stronger one, whether that one stays or not: so the answer depends
/// on the two of them only, and never on how far the window reaches.
pub(super) fn suppress(rules: &RuleSet, matches: &mut [Candidate]) {
    matches.sort_by_key(|found| (found.start, Reverse(found.end)));
    let strength = |found: &Candidate| {
        let rule = rules.get(found.rule);
        let literal = rule.literals.iter().map(Vec::len).max().unwrap_or_default();
        (found.confirmed.rank, literal, Reverse(found.rule))
    };
    let mut lost = vec![false; matches.len()];
    for (index, first) in matches.iter().enumerate() {
        let class = rules.get(first.rule).class;
        if class == Class::Grep {
            continue;
        }
        for (offset, second) in matches.iter().enumerate().skip(index + 1) {
            if second.start >= first.end {
                break;
            }
            // Sorted so, only the first can contain the second.
            if second.end > first.end || rules.get(second.rule).class != class {
                continue;
            }
            // One rule twice on nested spans: the longer one says more.
            let weaker = if first.rule == second.rule || strength(first) >= strength(second) {
                offset
            } else {
                index
            };
            if let Some(lost) = lost.get_mut(weaker) {
                *lost = true;
            }
        }
    }
    for (found, lost) in matches.iter_mut().zip(lost) {
        found.lost = lost;
    }
}
