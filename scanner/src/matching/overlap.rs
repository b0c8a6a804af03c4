//! Which of two matches on the same bytes stays: the more specific one. An indicator and a secret
//! say different things and both stay.

use std::cmp::Reverse;

use super::engine::Candidate;
use crate::rule::{Class, RuleSet};

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
