//! Where in raw bytes the literals of the rules occur.

use std::collections::BTreeMap;

use aho_corasick::{AhoCorasick, Input, MatchKind};

use crate::rule::{Anchor, RuleId, RuleSet};

/// A set of literals, each with the rules it is a candidate of.
///
/// The automaton knows no capitals; where it finds something, the literals are compared as they are
/// written, unless their rule takes letters of any case.
#[derive(Debug)]
pub(super) struct Prefilter {
    automaton: Option<AhoCorasick>,
    /// By pattern of the automaton: its literals and every literal that one of them begins with.
    literals: Vec<Vec<Literal>>,
}

/// A literal and its rules.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Literal {
    bytes: Vec<u8>,
    /// Whether letters of any case are meant.
    any_case: bool,
    rules: Vec<RuleId>,
}

impl Prefilter {
    /// The literals of all rules that have some.
    pub(super) fn new(set: &RuleSet) -> Self {
        let mut rules: BTreeMap<(Vec<u8>, bool), Vec<RuleId>> = BTreeMap::new();
        for (id, rule) in (0..).map(RuleId).zip(set.rules()) {
            let any_case = matches!(rule.anchor, Anchor::Assignment(_));
            for literal in rule.literals.iter().filter(|_| rule.anchor.has_literals()) {
                rules.entry((literal.clone(), any_case)).or_default().push(id);
            }
        }
        let mut patterns: Vec<Vec<u8>> =
            rules.keys().map(|(literal, _)| literal.to_ascii_lowercase()).collect();
        patterns.sort_unstable();
        patterns.dedup();
        // Only the longest literal at a place is reported; it stands for the shorter ones too.
        let mut literals: Vec<Vec<Literal>> = patterns.iter().map(|_| Vec::new()).collect();
        for ((bytes, any_case), rules) in &rules {
            let lower = bytes.to_ascii_lowercase();
            let first = patterns.partition_point(|pattern| *pattern < lower);
            let longer = patterns.iter().zip(&mut literals).skip(first);
            for (_, of) in longer.take_while(|(pattern, _)| pattern.starts_with(&lower)) {
                let (bytes, any_case) = (bytes.clone(), *any_case);
                of.push(Literal { bytes, any_case, rules: rules.clone() });
            }
        }
        // Building fails only beyond the automaton's own limits, which loading is far below; no
        // automaton then means no candidates, which the tests of the rules would show.
        let automaton = if patterns.is_empty() {
            None
        } else {
            AhoCorasick::builder()
                .match_kind(MatchKind::LeftmostLongest)
                .ascii_case_insensitive(true)
                .build(&patterns)
                .ok()
        };
        Self { automaton, literals }
    }

    /// Gives every occurrence in `bytes` that starts at `from` or later, in order.
    pub(super) fn each(&self, bytes: &[u8], from: usize, mut found: impl FnMut(usize, &[RuleId])) {
        let Some(automaton) = &self.automaton else { return };
        let mut at = from;
        let mut all = Vec::new();
        while at < bytes.len() {
            let Some(hit) = automaton.find(Input::new(bytes).range(at..)) else { return };
            at = hit.start();
            let rest = bytes.get(at..).unwrap_or_default();
            let literals =
                self.literals.get(hit.pattern().as_usize()).map_or(&[][..], Vec::as_slice);
            let is_here = |it: &&Literal| it.any_case || rest.starts_with(&it.bytes);
            let mut here = literals.iter().filter(is_here);
            match (here.next(), here.next()) {
                (None, _) => {}
                (Some(only), None) => found(at, &only.rules),
                (Some(first), Some(second)) => {
                    // A rule may have several literals of which one begins with another.
                    all.clear();
                    for literal in [first, second].into_iter().chain(here) {
                        all.extend_from_slice(&literal.rules);
                    }
                    all.sort_unstable();
                    all.dedup();
                    found(at, &all);
                }
            }
            at += 1;
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

    #[test]
    fn capitals_count() {
        let set = set(&["AbcD", "abcd", "abc"]);
        let mut found = Vec::new();
        Prefilter::new(&set).each(b"ABCD AbcD abcD", 0, |at, rules| {
            found.extend(rules.iter().map(|rule| (at, set.get(*rule).pattern.source().to_owned())));
        });
        assert_eq!(found, [(5, "AbcD".to_owned()), (10, "abc".to_owned())]);
    }
}
