//! A program finds what the automaton finds, groups and all.

use proptest::prelude::*;
use regex_automata::Input;
use regex_syntax::hir::Hir;

use super::*;
use crate::rule::pattern::{build, byte_syntax};

fn hir(pattern: &str) -> Hir {
    regex_automata::util::syntax::parse_with(pattern, &byte_syntax()).unwrap()
}

fn by_regex(pattern: &str, input: &Input<'_>) -> Option<Groups> {
    let regex = build(pattern).unwrap();
    let mut captures = regex.create_captures();
    regex.search_captures(input, &mut captures);
    let groups = captures.iter().map(|group| group.map(|group| group.range()));
    captures.is_match().then(|| Groups::of(groups.collect::<Vec<_>>().into_iter()))
}

/// Patterns of all that patterns are made of.
fn pattern() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        3 => prop::sample::select(vec!["a", "b", "ab", "abc", "-", "=", "c=a"]).prop_map(str::to_owned),
        4 => prop::sample::select(vec!["[ab]", "[^a]", "[^\n]", "[a-c-]", r"\s", "[bc]", "[=]", "[^=]"]).prop_map(str::to_owned),
        1 => prop::sample::select(vec![r"\b", r"\B", "^", "$", r"\A", r"\z", "(?m:^)", "(?m:$)", ""])
            .prop_map(str::to_owned),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        let times = prop::sample::select(vec![
            "?", "*", "+", "??", "*?", "+?", "{2}", "{1,3}", "{0,2}?", "{2,}", "{1,3}?",
        ]);
        prop_oneof![
            3 => prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| parts.concat()),
            2 => prop::collection::vec(inner.clone(), 2..9)
                .prop_map(|parts| format!("(?:{})", parts.join("|"))),
            3 => (inner.clone(), times).prop_map(|(part, times)| format!("(?:{part}){times}")),
            2 => inner.prop_map(|part| format!("({part})")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_the_automaton_finds(
        pattern in pattern(),
        text in prop::collection::vec(prop::sample::select(b"aabbc-= \n".to_vec()), 0..16),
        from in 0..4_usize,
        cut in 0..3_usize,
        last in 0..16_usize,
    ) {
        let Some(program) = Program::new(&hir(&pattern)) else { return Ok(()) };
        let range = from.min(text.len())..text.len().saturating_sub(cut).max(from.min(text.len()));
        let input = Input::new(&text).range(range.clone());
        if let Ok(found) = program.find(&text, range.clone(), usize::MAX) {
            prop_assert_eq!(&found, &by_regex(&pattern, &input), "{}", pattern);
        }
        if let Ok(found) = program.find(&text, range.clone(), last) {
            let begins = |all: &Groups| all.get(0).is_some_and(|all| all.start <= last);
            let expected = by_regex(&pattern, &input).filter(begins);
            prop_assert_eq!(&found, &expected, "{} until {}", pattern, last);
        }
        let input = input.anchored(regex_automata::Anchored::Yes);
        if let Ok(found) = program.groups_at(&text, range.clone()) {
            prop_assert_eq!(&found, &by_regex(&pattern, &input), "{} at the start", pattern);
            let end = found.and_then(|found| found.get(0)).map(|all| all.end);
            prop_assert_eq!(program.end_at(&text, range), Ok(end));
        }
    }
}

#[test]
fn patterns_of_secrets_have_programs() {
    for pattern in [
        r"ghp_[0-9A-Za-z]{36}",
        r"eyJ[0-9A-Za-z_-]{2,4000}\.eyJ[0-9A-Za-z_-]{2,4000}\.[0-9A-Za-z_-]{2,4000}",
        r"(?i:acme|emca)[\w.-]{0,20}\s{0,3}(?:=|>|:=)\s{0,5}([a-z0-9]{32})(?:[;\s]|$)",
        r"\b(?P<one>a{2,4})\.(?P<two>b+?)\b",
    ] {
        assert!(Program::new(&hir(pattern)).is_some(), "{pattern}");
    }
    for pattern in [r"(?:a?){3}", r"(?:(?:ab){100}c){100}"] {
        assert!(Program::new(&hir(pattern)).is_none(), "{pattern}");
    }
}

#[test]
fn a_search_that_goes_back_too_often_gives_up() {
    let program = Program::new(&hir("(?:a+b?)+c")).unwrap();
    let text = vec![b'a'; 200];
    assert_eq!(program.end_at(&text, 0..text.len()), Err(GaveUp));
    assert_eq!(program.find(&text, 0..text.len(), usize::MAX), Err(GaveUp));
    // Where nothing can be given back, nothing is.
    let program = Program::new(&hir("[a-z]{2,}-[a-z]{2,}!")).unwrap();
    assert_eq!(program.end_at(&text, 0..text.len()), Ok(None));
}

proptest! {
    #[test]
    fn what_is_known_of_a_text_changes_nothing(
        pattern in prop::sample::select(vec![
            "a[ab]{0,400}c", "a[ab]+", "[ab]*[^b]{1,300}", "(?:a[^-]{2,}|b[ab]{0,300})c?",
        ]),
        text in prop::collection::vec(prop::sample::select([b"ab".repeat(99), b"c-".to_vec()].concat()), 900),
        places in prop::collection::vec((0_usize..900, 0_usize..40, 200_usize..900), 1..40),
    ) {
        let program = Program::new(&hir(pattern)).unwrap();
        let mut reach = Reach::default();
        for (at, before, len) in places {
            let base = at.saturating_sub(before);
            let part = &text[base..text.len().min(base + len)];
            let range = (at - base).min(part.len())..part.len();
            reach.begin(base, 7);
            let known = program.end_near(part, range.clone(), &mut reach);
            prop_assert_eq!(known, program.end_at(part, range), "{} at {}", pattern, at);
        }
    }
}

#[test]
fn a_match_runs_through_its_gate() {
    for (pattern, text, starts) in [
        (r"[A-Z]+_?KEY=\w+", &b"OF UPPER_KEY=x LETTERS"[..], Some(3..13)),
        (r"[a-z]+://\S+@\w+", b"at noon ftp://you@there", Some(8..12)),
        (r#""?(?:id|key)s?"?\s*[:=]"#, b"key: ids =", None),
        (r"key|token", b"a token", Some(2..5)),
        (r"a=b|c:d", b"a=b", None),
        (r"\w+(?:=\w+)?", b"a=b", None),
        (r"\w+(?:=\w+)+", b"a b=c", Some(2..4)),
        (r".{1,9}=b", b"a\nc=d=b", Some(2..4)),
        (r"[ab]+c", b"b-abcc", Some(2..5)),
    ] {
        let program = Program::new(&hir(pattern)).unwrap();
        let gate = Gate::of(&program);
        assert_eq!(
            gate.map(|gate| gate.next(text, 0..text.len(), text.len()).unwrap()),
            starts,
            "{pattern}"
        );
    }
}
