//! Where in raw bytes the literals of the rules occur.

use aho_corasick::{AhoCorasick, Input, MatchKind};

use crate::rule::{Anchor, RuleId, RuleSet};

/// A set of literals, each with the rules it is a candidate of.
#[derive(Debug)]
pub(super) struct Prefilter {
    automaton: Option<AhoCorasick>,
    /// By pattern of the automaton: the rules of that literal and of every literal it begins with.
    rules: Vec<Vec<RuleId>>,
}

impl Prefilter {
    /// The literals of all rules that have some.
    pub(super) fn new(set: &RuleSet) -> Self {
        let mut literals: Vec<(&[u8], RuleId)> = Vec::new();
        for (id, rule) in (0..).map(RuleId).zip(set.rules()) {
            if matches!(rule.anchor, Anchor::Prefix | Anchor::Inside) {
                literals.extend(rule.literals.iter().map(|literal| (literal.as_slice(), id)));
            }
        }
        let mut patterns: Vec<&[u8]> = literals.iter().map(|(literal, _)| *literal).collect();
        patterns.sort_unstable();
        patterns.dedup();
        // Only the longest literal at a place is reported; it stands for the shorter ones too.
        let rules = patterns
            .iter()
            .map(|pattern| {
                let mut ids: Vec<RuleId> = literals
                    .iter()
                    .filter(|(literal, _)| pattern.starts_with(literal))
                    .map(|(_, id)| *id)
                    .collect();
                ids.sort_unstable();
                ids.dedup();
                ids
            })
            .collect();
        // Building fails only beyond the automaton's own limits, which loading is far below; no
        // automaton then means no candidates, which the tests of the rules would show.
        let automaton = if patterns.is_empty() {
            None
        } else {
            AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&patterns).ok()
        };
        Self { automaton, rules }
    }

    /// Gives every occurrence in `bytes` that starts at `from` or later, in order.
    pub(super) fn each(&self, bytes: &[u8], from: usize, mut found: impl FnMut(usize, &[RuleId])) {
        let Some(automaton) = &self.automaton else { return };
        let mut at = from;
        while at < bytes.len() {
            let Some(hit) = automaton.find(Input::new(bytes).range(at..)) else { return };
            found(hit.start(), self.rules.get(hit.pattern().as_usize()).map_or(&[], Vec::as_slice));
            at = hit.start() + 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(literals: &[&str]) -> RuleSet {
        let mut set = RuleSet::default();
        for literal in literals {
            set.add_grep(literal).unwrap();
        }
        set
    }

    #[test]
    fn a_literal_inside_another_and_one_that_begins_it_are_found() {
        let set = set(&["abcdef", "abc", "cde"]);
        let mut found = Vec::new();
        Prefilter::new(&set).each(b"..abcdef.abcx", 0, |at, rules| {
            found.extend(rules.iter().map(|rule| (at, set.get(*rule).pattern.source().to_owned())));
        });
        found.sort();
        let expected =
            [(2, "abc"), (2, "abcdef"), (4, "cde"), (9, "abc")].map(|(at, s)| (at, s.to_owned()));
        assert_eq!(found, expected);
    }
}
