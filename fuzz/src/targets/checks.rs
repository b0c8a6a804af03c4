//! Every check, on any text. The first line names it, then two numbers say where the value is.

use cryoscan::check::{CHECKS, Subject, check};
use cryoscan::rule::RuleSet;

use super::examples;
use crate::Target;

pub(crate) const TARGET: Target = Target {
    name: "checks",
    about: "every check on any text: its span stays inside of the one it was given",
    run,
    seeds,
    rounds: 5000,
};

fn run(data: &[u8]) {
    let line = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (name, rest) = data.split_at(line);
    let Some((head, text)) = rest.get(1..).and_then(|rest| rest.split_first_chunk::<5>()) else {
        return;
    };
    let [cut, a, b, c, d] = *head;
    let [start, end] = [[a, b], [c, d]].map(u16::from_le_bytes).map(usize::from);
    let end = end.min(text.len());
    let subject = Subject { text, span: start.min(end)..end, cut: cut % 2 == 1 };
    let named = std::str::from_utf8(name).ok().and_then(check);
    for check in named.map_or(CHECKS, std::slice::from_ref) {
        let verdict = (check.run)(&subject);
        let span = verdict.span;
        assert!(span.start <= span.end, "{}: {span:?}", check.name);
        assert!(subject.span.start <= span.start && span.end <= end, "{}: {span:?}", check.name);
        let again = (check.run)(&subject);
        assert_eq!((again.outcome, again.span), (verdict.outcome, span), "{}", check.name);
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let rules = RuleSet::builtin().expect("the built-in rules load");
    let subject = |check: &str, text: &str, start: usize, end: usize| {
        let [start, end] = [start, end].map(|at| u16::try_from(at).unwrap_or(u16::MAX));
        let head = [&[0][..], &start.to_le_bytes(), &end.to_le_bytes()].concat();
        [check.as_bytes(), b"\n", &head, text.as_bytes()].concat()
    };
    let mut seeds = Vec::new();
    for (id, text, span) in examples() {
        let rule = rules.rules().iter().find(|rule| rule.id == id);
        for check in rule.into_iter().flat_map(|rule| &rule.checks) {
            seeds.push(subject(check.name, &text, span.start, span.end));
        }
    }
    for check in CHECKS {
        seeds.push(subject(check.name, "a=0123456789abcdef", 2, 18));
    }
    seeds
}
