//! Rules of other scanners as rules of ours.

use std::ops::Range;
use std::sync::Arc;

use cryoscan_rules::facts;
use regex_syntax::hir::{Capture, Class, ClassBytes, ClassBytesRange, Hir, HirKind, Repetition};

use super::fault::{self, Cost, Fault, Place};
use super::file::{self, Example};
use super::model::{Anchor, Class as Kind, Edge, Encodings, Near, Places, Report, Rule, View};
use super::pattern::Pattern;
use super::terms::{Allowed, Terms};
use super::{MAX_MATCH, border, literals};
use crate::check::{Confidence, Severity};

pub(super) mod gitleaks;
pub(super) mod keys;
pub(super) mod kingfisher;

/// Characters of a match of a pattern that has no longest one.
const BOUND: usize = 4 << 10;

/// Bytes of a keyword that is searched for.
const LEAST_KEYWORD: usize = 3;

/// Characters between a keyword and a value whose pattern has no literal.
const FAR: u32 = 64;

/// A string of a rule file and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Text {
    pub text: String,
    pub at: Range<usize>,
}

/// Which part of a match is the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// This group.
    Group(usize),
    /// The first group that takes part, or all of it.
    First,
    /// The group `TOKEN`, or the last without a name, or all of it.
    Token,
}

/// A rule of another scanner, read.
#[derive(Debug, Clone)]
pub(super) struct Foreign {
    pub id: String,
    /// Where it begins.
    pub at: usize,
    pub name: String,
    pub description: String,
    pub regex: Option<Text>,
    pub path: Option<Text>,
    pub part: Part,
    pub keywords: Vec<Text>,
    pub tags: Vec<String>,
    pub terms: Terms,
    pub confidence: Option<Confidence>,
    /// A partner, and how far away it may be.
    pub near: Option<(Text, u64)>,
    /// Whether it is there for others only.
    pub is_hidden: bool,
    pub references: Vec<String>,
    pub examples: Vec<Example>,
    pub counterexamples: Vec<Example>,
    /// What of the program's own rules it changes, where it has no pattern: what it adds to them.
    pub adds_to: bool,
    /// Which of the files that were read for this one it stands in.
    pub origin: usize,
}

/// What a file of another scanner holds.
#[derive(Debug, Default)]
pub(super) struct Pack {
    pub rules: Vec<Foreign>,
    /// Whether the program's own rules are named as what it builds on.
    pub extends_builtin: bool,
    /// Rules that it builds on and that shall not run.
    pub disabled: Vec<Text>,
    /// What is allowed for every rule, its own and those it builds on.
    pub allowed: Vec<Arc<Allowed>>,
}

/// Makes a rule of ours. What of it cannot be done is added to `faults`.
pub(super) fn rule(
    foreign: &Foreign,
    family: &str,
    place: Place<'_>,
    faults: &mut Vec<Fault>,
) -> Result<Rule, Box<Fault>> {
    let id = foreign.id.as_str();
    let key = if foreign.part == Part::Token { "pattern" } else { "regex" };
    let mut say = |cost, at, key: &str, problem: String| {
        faults.push(place.fault(cost, at, (id, key), problem));
    };
    let Some(regex) = &foreign.regex else {
        let problem = "it has no pattern and only names files: cryoscan reports values, so it does \
                       not run";
        let at = foreign.path.as_ref().map_or(foreign.at, |path| path.at.start);
        return Err(Box::new(place.fault(Cost::LeftOut, at, (id, "path"), problem)));
    };
    let wrong =
        |problem: String| Box::new(place.fault(Cost::Wrong, regex.at.start, (id, key), problem));
    let (source, written) = parse(regex, place, (id, key))?;
    if written.properties().minimum_len().is_none_or(|len| len == 0) {
        return Err(wrong("the pattern matches nothing at all, everywhere".to_owned()));
    }
    let (value, any_group, is_one_of) = value_group(&written, foreign.part).map_err(wrong)?;
    if is_one_of {
        let problem = "several groups: the last one is taken for the value".to_owned();
        say(Cost::Ignored, regex.at.start, key, problem);
    }
    let relaxed = border::relax(&written, value);
    let mut hir = relaxed.hir;
    let mut group = match (relaxed.is_whole, relaxed.has_group, value) {
        (true, ..) => 0,
        (false, true, _) => 1,
        (false, false, Some(value)) => usize::try_from(value).unwrap_or(0),
        (false, false, None) => usize::from(any_group),
    };
    let anchored = anchor(&hir, &foreign.keywords);
    let (anchor, literals, before, words) = match anchored {
        Ok(found) => found,
        Err(keywords) if !keywords.is_empty() => {
            // Near, and never somewhere in the file.
            let problem = format!(
                "every match holds a keyword at most {FAR} characters before the value: the pattern \
                 has no literal of its own"
            );
            say(Cost::Ignored, regex.at.start, "keywords", problem);
            if group == 0 {
                // Printed, it becomes the first group.
                hir = Hir::capture(Capture { index: 1, name: None, sub: Box::new(hir) });
                group = 1;
            }
            hir = Hir::concat(vec![any_of(&keywords), gap(), hir]);
            let found = facts::prefixes(&hir);
            let found = found.ok_or_else(|| wrong("the keywords are too many".to_owned()))?;
            (Anchor::Prefix, found, 0, Vec::new())
        }
        Err(_) => {
            return Err(wrong(format!(
                "no literal of {LEAST_KEYWORD} bytes or more stands in every match, and there are no \
                 keywords of such a length: it would be tried at every byte of memory"
            )));
        }
    };
    let max_len = match hir.properties().maximum_len() {
        Some(len) if len <= MAX_MATCH => len,
        longest => {
            let most = longest.map_or(BOUND, |_| MAX_MATCH);
            let problem = format!(
                "the pattern has no bound, or a wide one: a match is no longer than \
                                   {most} characters here"
            );
            say(Cost::Ignored, regex.at.start, key, problem);
            most
        }
    };
    let path = match &foreign.path {
        None => None,
        Some(path) => Some(Pattern::new(parse(path, place, (id, "path"))?.0)),
    };
    let is_telling = !relaxed.is_bordered && anchor == Anchor::Prefix && group == 0;
    let mut terms = foreign.terms.clone();
    terms.words = words;
    let lengths = hir.properties();
    let pattern = Pattern::relaxed(source, hir.to_string());
    let has_literals = anchor.has_literals();
    let runs = pattern.hir().filter(|_| has_literals);
    let followers = runs.map(|hir| facts::followers(&hir, &literals, before == 0));
    let rule = Rule {
        id: id.to_owned(),
        name: foreign.name.clone(),
        description: foreign.description.clone(),
        family: family.to_owned(),
        tags: foreign.tags.clone(),
        class: Kind::Secret,
        indicator: String::new(),
        severity: Severity::High,
        confidence: foreign.confidence.unwrap_or(if is_telling {
            Confidence::Medium
        } else {
            Confidence::Low
        }),
        group,
        any_group,
        name_group: None,
        items: None,
        view: View::Text,
        fixed_len: lengths.minimum_len().is_some()
            && lengths.minimum_len() == lengths.maximum_len(),
        pattern,
        anchor,
        literals,
        followers: followers.unwrap_or_default(),
        before: before.min(max_len),
        max_len,
        checks: Vec::new(),
        encodings: Encodings::ALL,
        places: Places::ALL,
        path,
        edge: if relaxed.is_bordered { Edge::Checked } else { Edge::Soft },
        report: if foreign.is_hidden { Report::Proven } else { Report::Always },
        guessable: !is_telling,
        generic: false,
        terms: (!terms.is_empty()).then(|| Box::new(terms)),
        near: foreign
            .near
            .as_ref()
            .map(|(rule, within)| Near { rule: rule.text.clone(), within: *within }),
        prefix: String::new(),
        remediation:
            "Revoke the value where it was issued, or change it, and find out who used it."
                .to_owned(),
        references: foreign.references.clone(),
        cwe: vec!["CWE-522".to_owned()],
        attack: vec!["T1552".to_owned()],
    };
    rule.compile().map_err(wrong)?;
    advise(foreign, &rule, &hir, place, faults);
    Ok(rule)
}

/// What could be better about a rule that runs.
fn advise(foreign: &Foreign, rule: &Rule, hir: &Hir, place: Place<'_>, faults: &mut Vec<Fault>) {
    let mut say = |at, key: &str, problem: String| {
        faults.push(place.fault(Cost::Advice, at, (&foreign.id, key), problem));
    };
    if let Some(short) = rule.literals.iter().find(|literal| literal.len() == LEAST_KEYWORD) {
        let problem = format!(
            "slow: candidates arise at every {}, and three bytes stand everywhere",
            short.escape_ascii()
        );
        say(foreign.at, "", problem);
    }
    for keyword in &foreign.keywords {
        if !may_hold(hir, &keyword.text)
            && !matches!(&rule.terms, Some(terms) if !terms.words.is_empty())
        {
            let problem =
                format!("the keyword {:?} can stand in no match and is of no use", keyword.text);
            say(keyword.at.start, "keywords", problem);
        }
    }
    if foreign.examples.is_empty() {
        say(foreign.at, "examples", "there are none, so nothing shows that it finds".to_owned());
    }
}

/// Whether a pattern's own literals, in any case, could be or begin a keyword or have it in them.
fn may_hold(hir: &Hir, keyword: &str) -> bool {
    let keyword = keyword.to_ascii_lowercase();
    let pattern = hir.to_string().to_ascii_lowercase();
    // Case-insensitive letters are printed as classes of two: take them for one.
    let mut plain = String::new();
    let mut rest = pattern.as_str();
    while let Some(c) = rest.chars().next() {
        let pair = rest.strip_prefix("(?-u:[").and_then(|rest| rest.split_once("])"));
        match pair {
            Some((class, behind)) if class.len() == 2 => {
                plain.push_str(class.get(..1).unwrap_or_default());
                rest = behind;
            }
            _ => {
                plain.push(c);
                rest = rest.get(c.len_utf8()..).unwrap_or_default();
            }
        }
    }
    let plain = plain.replace('\\', "");
    plain.contains(&keyword) || keyword.chars().any(|c| !c.is_ascii_alphanumeric() && c != '_')
}

/// The pattern in a syntax that is ours, and what it means.
pub(super) fn parse(
    text: &Text,
    place: Place<'_>,
    about: (&str, &str),
) -> Result<(String, Hir), Box<Fault>> {
    let first = match facts::parse(&text.text) {
        Ok(hir) => return Ok((text.text.clone(), hir)),
        Err(error) => error,
    };
    let changed = border::in_our_syntax(&text.text);
    if let Ok(hir) = facts::parse(&changed) {
        return Ok((changed, hir));
    }
    let (offset, problem) = fault::of_pattern(&first);
    let at = place.inside(&text.at, &text.text, offset);
    Err(Box::new(place.fault(Cost::Wrong, at, about, problem)))
}

/// The group that is the value, whether it is whichever takes part, and whether others might be it.
fn value_group(hir: &Hir, part: Part) -> Result<(Option<u32>, bool, bool), String> {
    let most = hir.properties().explicit_captures_len();
    match part {
        Part::Group(0) => Ok((None, false, false)),
        Part::Group(group) if group > most => {
            Err(format!("secretGroup {group}: the pattern has {most} groups"))
        }
        Part::Group(group) => Ok((u32::try_from(group).ok(), false, false)),
        Part::First => Ok(((most == 1).then_some(1), most > 1, false)),
        Part::Token => {
            let mut groups = Vec::new();
            outer_groups(hir, &mut groups);
            let token = groups.iter().find(|(_, name)| name.eq_ignore_ascii_case("token"));
            let unnamed: Vec<u32> = groups
                .iter()
                .filter(|(_, name)| name.is_empty())
                .map(|(index, _)| *index)
                .collect();
            let value = token.map(|(index, _)| *index).or(unnamed.last().copied());
            Ok((value, false, token.is_none() && unnamed.len() > 1))
        }
    }
}

/// The groups that stand in no other, with their names.
fn outer_groups(hir: &Hir, groups: &mut Vec<(u32, String)>) {
    match hir.kind() {
        HirKind::Capture(capture) => {
            groups.push((capture.index, capture.name.as_deref().unwrap_or_default().to_owned()));
        }
        HirKind::Repetition(repetition) => outer_groups(&repetition.sub, groups),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            for part in parts {
                outer_groups(part, groups);
            }
        }
        HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) | HirKind::Look(_) => {}
    }
}

/// How candidates arise: anchor, literals, characters before them, and words that must be near.
type Anchored = (Anchor, Vec<Vec<u8>>, usize, Vec<String>);

/// How candidates of a pattern arise.
///
/// # Errors
/// The keywords that could help, where the pattern has no literal.
fn anchor(hir: &Hir, keywords: &[Text]) -> Result<Anchored, Vec<String>> {
    let words = keywords.iter().map(|keyword| keyword.text.to_ascii_lowercase());
    let words: Vec<String> = words.filter(|word| !word.is_empty()).collect();
    let found = facts::prefixes(hir).map(|found| (Anchor::Prefix, found, 0));
    let inside = || literals::inside(hir).map(|(found, before)| (Anchor::Inside, found, before));
    if let Some((anchor, found, before)) = found.or_else(inside) {
        // A literal that is or begins a keyword stands for it.
        let stands_for = |literal: &Vec<u8>| {
            let literal = String::from_utf8_lossy(literal).to_ascii_lowercase();
            words.iter().any(|word| literal.contains(word) || word.starts_with(&literal))
        };
        let is_known = words.is_empty() || found.iter().all(stands_for);
        let words = if is_known { Vec::new() } else { words };
        return Ok((anchor, found, before, words));
    }
    if let Some((class, len)) = facts::exact_run(hir).filter(|_| words.is_empty()) {
        return Ok((
            Anchor::Run { class: file::table(&class), len, word: false },
            Vec::new(),
            0,
            words,
        ));
    }
    Err(words.into_iter().filter(|word| word.len() >= LEAST_KEYWORD).collect())
}

/// One of some words, in any case.
fn any_of(words: &[String]) -> Hir {
    let words = words.iter().map(|word| {
        let letters = word.bytes().map(|byte| {
            let cases = [byte.to_ascii_lowercase(), byte.to_ascii_uppercase()];
            Hir::class(Class::Bytes(ClassBytes::new(
                cases.map(|byte| ClassBytesRange::new(byte, byte)),
            )))
        });
        Hir::concat(letters.collect())
    });
    Hir::alternation(words.collect())
}

/// What may stand between a keyword and a value.
fn gap() -> Hir {
    let any = ClassBytes::new([ClassBytesRange::new(0, 0xff)]);
    Hir::repetition(Repetition {
        min: 0,
        max: Some(FAR),
        greedy: false,
        sub: Box::new(Hir::class(Class::Bytes(any))),
    })
}

/// An id as reports can show it.
pub(super) fn id(text: &str) -> String {
    let keep = |c: char| c.is_ascii_alphanumeric() || "-_.:/".contains(c);
    text.trim().chars().take(100).map(|c| if keep(c) { c } else { '-' }).collect()
}

/// A title: what a rule says of itself if that is short, or its id.
pub(super) fn title(description: &str, id: &str) -> String {
    let line = description.lines().next().unwrap_or_default().trim().trim_end_matches('.');
    if line.is_empty() || line.chars().count() > 60 { id.to_owned() } else { line.to_owned() }
}
