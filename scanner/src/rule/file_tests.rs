//! What the author of a rule is told.

use super::*;
use crate::rule::Beside;

/// A rule file with one rule, in which `from` stands as `to`.
fn changed(from: &str, to: &str) -> String {
    let rule = r#"[[rules]]
id = "demo-token"
name = "Demo token"
description = "A token of a service that there is not."
regex = 'demo_[0-9a-z]{20}'
severity = "high"
confidence = "medium"
remediation = "Revoke it."
cwe = ["CWE-522"]
attack = ["T1552.001"]
examples = [{ gen = "demo_{base62:20}" }]
"#;
    assert!(rule.contains(from), "{from}");
    rule.replacen(from, to, 1)
}

fn error_of(text: &str) -> String {
    RuleSet::from_files(&[("demo.toml", text)]).unwrap_err().to_string()
}

#[test]
fn a_rule_has_the_defaults_that_the_documentation_promises() {
    let text = changed("", "");
    let set = RuleSet::from_files(&[("demo.toml", &text)]).unwrap();
    let [rule] = set.rules() else { panic!("one rule") };
    assert_eq!((rule.family.as_str(), rule.group, rule.max_len), ("demo", 0, 25));
    assert_eq!(rule.literals, [b"demo_".to_vec()]);
    assert_eq!(
        (&rule.anchor, rule.edge, rule.report),
        (&Anchor::Prefix, Edge::Soft, Report::Always)
    );
    assert!(rule.encodings == Encodings::ALL && rule.fixed_len && !rule.guessable);
    assert!(rule.places.holds(RegionKind::Memory) && rule.places.holds(RegionKind::Log));
}

#[test]
fn a_misspelt_key_is_named_with_its_line_and_column() {
    for (from, to, line, column, word) in [
        ("severity", "severty", 6, 1, "severty"),
        ("gen =", "gem =", 11, 15, "gem"),
        (
            "regex = 'demo_[0-9a-z]{20}'",
            "regex = 'demo_[0-9a-z]{20}'\nedge = \"sharp\"",
            6,
            8,
            "sharp",
        ),
        ("\"high\"", "\"hot\"", 6, 12, "hot"),
    ] {
        let message = error_of(&changed(from, to));
        assert!(message.starts_with("demo.toml: "), "{message}");
        assert!(message.contains(&format!("line {line}, column {column}")), "{message}");
        assert!(message.contains(&format!("`{word}`, expected")), "{message}");
    }
}

#[test]
fn a_missing_key_is_named() {
    let message = error_of(&changed("remediation = \"Revoke it.\"\n", ""));
    assert!(message.contains("demo.toml") && message.contains("`remediation`"), "{message}");
}

/// The change, and what follows "demo.toml: rule demo-token: " in the message.
#[test]
fn a_rule_that_cannot_be_used_is_told_why() {
    let regex = "regex = 'demo_[0-9a-z]{20}'";
    let cases = [
        (
            "regex = 'demo_[0-9a-z'",
            "regex parse error:\n    demo_[0-9a-z\n         ^\nerror: unclosed character class",
        ),
        ("regex = 'demo_(?=x)'", "regex parse error"),
        ("regex = '(.)\\1'", "regex parse error"),
        (
            "regex = '[0-9a-z]{20}'",
            "matches begin with no literal of 3 bytes or more: give keywords",
        ),
        ("regex = 'a[0-9]{20}'", "matches begin with no literal of 3 bytes or more: give keywords"),
        ("regex = '[0-9]{20}'\nkeywords = [\"ab\"]", "keyword \"ab\" is shorter than 3 bytes"),
        ("regex = 'demo_[0-9a-z]+'", "the pattern has no longest match: give max_len"),
        (
            "regex = 'demo_[0-9a-z]{9000}'",
            "matches up to 9005 characters, 8192 at most: bound its repetitions or give max_len",
        ),
        ("regex = 'demo_[0-9a-z]+'\nmax_len = 9000", "matches up to 9000 characters, 8192 at most"),
        (
            "regex = 'demo_([0-9a-z]{20})'\nsecretGroup = 2",
            "secretGroup 2: the pattern has 1 groups",
        ),
        ("regex = 'demo_[0-9a-z]{20}'\nitems = '(a'", "items: "),
        (
            "regex = 'demo_[0-9a-z]{20}'\nitems = '[a-z]{4}'\nsecretGroup = 1",
            "secretGroup 1: the pattern has 0 groups",
        ),
        ("regex = 'demo_[0-9a-z]{20}'\nchecks = [\"crc\"]", "no check crc; there are a"),
        (
            "regex = 'demo_[0-9a-z]{20}'\nprefix = \"demo_12\"",
            "prefix: 6 characters at most may be shown",
        ),
        (
            "regex = '(?:demo|test)_[0-9a-z]{20}'\nprefix = \"demo_\"",
            "prefix demo_: a match may begin with test_",
        ),
        (
            "regex = 'demo_[0-9a-z]{20}'\nnear = { rule = \"other\", within = 9 }",
            "near: no rule has the id other",
        ),
        (
            "regex = 'demo_[0-9a-z]{20}'\nnear = { rule = \"demo-token\", within = 4096 }",
            "near: within may be 1024 bytes at most",
        ),
        ("regex = 'demo_[0-9a-z]{20}'\nanchor = \"path\"", "anchor path asks for the key path"),
        ("regex = 'demo_[0-9a-z]{20}'\npath = '('", "path: "),
        ("regex = 'demo_[0-9a-z]{20}'\nanchor = \"run\"", "anchors run and word ask for one class"),
    ];
    for (to, problem) in cases {
        let message = error_of(&changed(regex, to));
        let expected = format!("demo.toml: rule demo-token: {problem}");
        assert!(message.starts_with(&expected), "{to}\n{message}");
    }
}

#[test]
fn an_id_in_two_files_names_both() {
    let text = changed("", "");
    let error = RuleSet::from_files(&[("a.toml", &text), ("b.toml", &text)]).unwrap_err();
    let expected = "b.toml: rule demo-token: the id is taken by a rule of a.toml: choose another";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_pattern_of_the_user_is_named_as_such() {
    let error = RuleSet::default().add_grep("x(").unwrap_err().to_string();
    assert!(error.starts_with("--grep: rule grep:") && error.contains("unclosed group"), "{error}");
}

#[test]
fn the_built_in_rules_load_and_say_what_reports_need() {
    let set = RuleSet::builtin().unwrap();
    assert!(set.rules().is_sorted_by(|a, b| a.id < b.id));
    let examples = RuleSet::examples(cryoscan_rules::SECRETS).unwrap();
    assert_eq!(examples.len(), set.rules().len());
    for rule in set.rules() {
        let id = &rule.id;
        assert!(id.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-')), "{id}");
        assert!(!rule.name.is_empty() && rule.description.ends_with('.'), "{id}");
        assert!(rule.remediation.ends_with('.'), "{id}");
        assert!(rule.references.iter().all(|url| url.starts_with("https://")), "{id}");
        assert!(!rule.references.is_empty(), "{id}");
        assert!(!rule.cwe.is_empty() && rule.cwe.iter().all(|cwe| cwe.starts_with("CWE-")), "{id}");
        let techniques = rule.attack.iter();
        assert!(!rule.attack.is_empty() && techniques.clone().all(|t| t.starts_with('T')), "{id}");
    }
    for (id, examples, counterexamples) in examples {
        assert!(!examples.is_empty() && !counterexamples.is_empty(), "{id}");
    }
}

#[test]
fn every_built_in_pattern_compiles() {
    for rule in RuleSet::builtin().unwrap().rules() {
        assert_eq!(rule.compile(), Ok(()), "{}", rule.id);
    }
}

#[test]
fn a_pattern_that_is_too_large_is_refused_with_its_key() {
    let large = "(?:(?:[0-9a-f]{3}|[g-z]{5}){200}){200}";
    for (from, to, key) in [
        ("[0-9a-z]{20}'", format!("[0-9a-z]{{20}}{large}'\nmax_len = 99"), "regex"),
        ("severity", format!("items = 'x{large}'\nseverity"), "items"),
        ("severity", format!("path = '{large}'\nseverity"), "path"),
    ] {
        let message = error_of(&changed(from, &to));
        let start = format!("demo.toml: rule demo-token: {key}: ");
        assert!(message.starts_with(&start) && message.contains("repeat less"), "{message}");
    }
}

#[test]
fn the_group_that_names_the_value_is_found_wherever_it_stands() {
    let to = r"'(?:demo_(?P<name>[a-z]{3})|demo__(x){20})=([0-9a-z]{20})'";
    let text = changed("'demo_[0-9a-z]{20}'", &format!("{to}\nsecretGroup = 3"));
    let set = RuleSet::from_files(&[("demo.toml", &text)]).unwrap();
    assert_eq!((set.rules()[0].name_group, set.rules()[0].group), (Some(1), 3));
    let message = error_of(&text.replace("secretGroup = 3", "secretGroup = 4"));
    assert!(message.contains("secretGroup 4: the pattern has 3 groups"), "{message}");
}

#[test]
fn the_rules_are_those_of_the_files_however_they_are_read() {
    let (fast, slow) =
        (RuleSet::builtin().unwrap(), RuleSet::from_files(cryoscan_rules::SECRETS).unwrap());
    assert_eq!(fast.hash(), slow.hash());
    // What is compiled lazily is written as it is in the file.
    let shown = |rule: &Rule| {
        let sources = [Some(&rule.pattern), rule.items.as_ref(), rule.path.as_ref()];
        let sources = sources.map(|pattern| pattern.map(|it| it.source().to_owned()));
        let (pattern, none) = (Pattern::new(String::new()), None);
        let rest = Rule { pattern, items: none.clone(), path: none, ..rule.clone() };
        format!("{sources:?} {rest:?}")
    };
    let all = |set: &RuleSet| set.rules().iter().map(shown).collect::<Vec<_>>();
    assert_eq!(all(&fast), all(&slow));
}

#[test]
fn what_the_patterns_of_built_in_rules_say_is_known_and_true() {
    for line in cryoscan_rules::SECRETS_JSON.lines() {
        let (file, entry, known): Named<'_> = serde_json::from_str(line).unwrap();
        let found = facts_of(&entry).unwrap();
        assert_eq!(known, Some(found), "{file}: {}", entry.id);
    }
}

#[test]
fn a_joint_at_the_start_of_a_keyword_may_lack_where_the_text_begins() {
    let word = Keyword::new("_secret").unwrap();
    for (text, at, start) in
        [("secret", 0, 0), ("\0secret", 1, 1), ("_secret", 1, 0), ("a.secret", 2, 1)]
    {
        let found = word.find(text.as_bytes(), at).unwrap();
        assert_eq!(found, start..text.len(), "{text:?}");
    }
    assert_eq!(Keyword::new("abc\0_secret"), None, "no name is written so");
}

#[test]
fn joints_of_a_keyword_may_stand_for_nothing() {
    let word = Keyword::new("a__secret").unwrap();
    for (text, at) in [("asecret", 1), ("xa_secret", 3), ("a-_secret", 3), ("A.secret", 2)] {
        assert!(word.find(text.as_bytes(), at).is_some_and(|found| found.end == at + 6), "{text}");
    }
    for (text, at) in [("secret", 0), ("bsecret", 1), ("a-+secret", 3), ("a_secre", 2)] {
        assert_eq!(word.find(text.as_bytes(), at), None, "{text}");
    }
}

#[test]
fn a_keyword_stands_only_where_its_neighbours_may_be() {
    let beside = ["", "a", "a_", "b", "_", "__", "-.", " a", "a a", "+", "9", "\0"];
    for name in ["secret", "a_secret", "a__secret", "secret_a", "a_secret_9", "_secret", "secret_"]
    {
        let word = Keyword::new(name).unwrap();
        for (before, behind) in beside.iter().flat_map(|one| beside.map(|other| (*one, other))) {
            let text = format!("{before}Secret{behind}");
            let at = before.len();
            let stands = word.find_around(text.as_bytes(), at).is_some();
            let may_be = word.neighbours().may_be(Beside::of(text.as_bytes(), at..at + 6));
            assert!(may_be || !stands, "{name} {text}");
        }
    }
    for (name, text) in [("a_secret", "b secret"), ("secret_a", "secret."), ("secret_a", "secret+")]
    {
        let at = text.find("secret").unwrap();
        let neighbours = Keyword::new(name).unwrap().neighbours();
        assert!(!neighbours.may_be(Beside::of(text.as_bytes(), at..at + 6)), "{name} {text}");
    }
}
