//! What a rule of another scanner asks of a value beyond its pattern: entropy, kinds of characters,
//! words, a checksum, lists of what is allowed. All of it is judged on the text around the value.

use std::ops::Range;
use std::sync::Arc;

use regex_automata::{Anchored, Input};

use super::pattern::Pattern;
use super::template::Template;
use crate::check::entropy;

/// Characters on each side of a match in which one of [`Terms::words`] counts as near.
const NEAR: usize = 64;

/// Characters on each side of a match that belong to its line at most.
const LINE: usize = 256;

/// All that a value must fulfil.
#[derive(Debug, Clone, Default)]
pub struct Terms {
    /// Entropy in thousandths of a bit per byte; a value that has no more is none.
    pub(super) entropy: Option<u32>,
    /// How many characters of a kind there must be.
    pub(super) least: Least,
    /// Lower-case words that the value must not hold.
    pub(super) without: Vec<String>,
    /// Lower-case words of which one must stand in the match or near it.
    pub(super) words: Vec<String>,
    /// What the value's own checksum must be.
    pub(super) checksum: Option<Checksum>,
    /// What is allowed, so that it is no finding.
    pub(super) allowed: Vec<Arc<Allowed>>,
}

/// How many characters of each kind a value must have.
#[derive(Debug, Clone, Default)]
pub(super) struct Least {
    pub digits: usize,
    pub upper: usize,
    pub lower: usize,
    pub special: usize,
    /// The characters that are special.
    pub specials: String,
}

/// Two texts made of a match that must be the same.
#[derive(Debug, Clone)]
pub(super) struct Checksum {
    pub actual: Template,
    pub expected: Template,
    /// A group that must take part.
    pub group: Option<String>,
    /// Whether a match without that group stays.
    pub may_miss: bool,
}

/// A list of what is no finding.
#[derive(Debug, Default)]
pub(super) struct Allowed {
    /// Whether all of its kinds of entries must hold; otherwise any.
    pub all: bool,
    /// Patterns on the path of the file.
    pub paths: Vec<Pattern>,
    /// Patterns on what `target` says.
    pub regexes: Vec<Pattern>,
    pub target: Target,
    /// Lower-case words in the value.
    pub stopwords: Vec<String>,
}

/// What the patterns of an [`Allowed`] are about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Target {
    /// The value.
    #[default]
    Secret,
    /// All that the rule's pattern matched.
    Match,
    /// The line it stands on.
    Line,
}

/// A match as the terms see it.
#[derive(Debug, Clone)]
pub(crate) struct Seen<'a> {
    /// The text around it.
    pub text: &'a [u8],
    /// Where all of the match is in that.
    pub whole: Range<usize>,
    /// Where the value is.
    pub value: Range<usize>,
    /// The path of the file it stands in; empty in memory.
    pub path: &'a str,
    /// The pattern that matched.
    pub pattern: &'a Pattern,
}

/// What the terms say of a match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It is none.
    No,
    /// Nothing speaks against it.
    Yes,
    /// Its checksum is right.
    Proven,
}

impl Terms {
    /// Whether nothing is asked.
    pub(super) fn is_empty(&self) -> bool {
        let Least { digits, upper, lower, special, .. } = self.least;
        self.entropy.is_none()
            && digits.max(upper).max(lower).max(special) == 0
            && self.without.is_empty()
            && self.words.is_empty()
            && self.checksum.is_none()
            && self.allowed.is_empty()
    }

    /// Judges a match.
    pub(crate) fn judge(&self, seen: &Seen<'_>) -> Answer {
        let value = seen.text.get(seen.value.clone()).unwrap_or_default();
        let is_none = self.entropy.is_some_and(|least| entropy::shannon(value) <= least)
            || !self.least.holds(value)
            || holds_any(value, &self.without)
            || !(self.words.is_empty() || holds_any(around(seen, NEAR), &self.words))
            || self.allowed.iter().any(|allowed| allowed.holds(seen, value));
        if is_none {
            return Answer::No;
        }
        match &self.checksum {
            None => Answer::Yes,
            Some(checksum) => checksum.judge(seen, value),
        }
    }
}

impl Least {
    fn holds(&self, value: &[u8]) -> bool {
        let count = |is: &dyn Fn(&u8) -> bool| value.iter().filter(|byte| is(byte)).count();
        count(&u8::is_ascii_digit) >= self.digits
            && count(&u8::is_ascii_uppercase) >= self.upper
            && count(&u8::is_ascii_lowercase) >= self.lower
            && count(&|byte| self.specials.as_bytes().contains(byte)) >= self.special
    }
}

impl Allowed {
    fn holds(&self, seen: &Seen<'_>, value: &[u8]) -> bool {
        let any = |patterns: &[Pattern], text: &[u8]| {
            patterns.iter().any(|one| one.regex().is_some_and(|regex| regex.is_match(text)))
        };
        let target = match self.target {
            Target::Secret => value,
            Target::Match => seen.text.get(seen.whole.clone()).unwrap_or_default(),
            Target::Line => line(seen),
        };
        let kinds = [
            (!self.paths.is_empty()).then(|| any(&self.paths, seen.path.as_bytes())),
            (!self.regexes.is_empty()).then(|| any(&self.regexes, target)),
            (!self.stopwords.is_empty()).then(|| holds_any(value, &self.stopwords)),
        ];
        let mut kinds = kinds.into_iter().flatten().peekable();
        if self.all { kinds.peek().is_some() && kinds.all(|it| it) } else { kinds.any(|it| it) }
    }
}

impl Checksum {
    fn judge(&self, seen: &Seen<'_>, value: &[u8]) -> Answer {
        let missing = if self.may_miss { Answer::Yes } else { Answer::No };
        let Some(regex) = seen.pattern.regex() else { return missing };
        let mut captures = regex.create_captures();
        let input = Input::new(seen.text).range(seen.whole.clone()).anchored(Anchored::Yes);
        regex.search_captures(&input, &mut captures);
        let group = |name: &str| {
            let index = captures.group_info().pattern_names(regex_automata::PatternID::ZERO);
            let index = index.enumerate().find_map(|(index, found)| {
                found.filter(|found| found.eq_ignore_ascii_case(name)).map(|_| index)
            })?;
            seen.text.get(captures.get_group(index)?.range())
        };
        if self.group.as_deref().is_some_and(|name| group(name).is_none()) {
            return missing;
        }
        let variable = |name: &str| match name {
            "MATCH" | "TOKEN" => Some(value),
            "FULL_MATCH" => seen.text.get(seen.whole.clone()),
            name => group(name),
        };
        match (self.actual.fill(&variable), self.expected.fill(&variable)) {
            (Some(actual), Some(expected)) if actual == expected => Answer::Proven,
            (Some(_), Some(_)) => Answer::No,
            _ => missing,
        }
    }
}

/// The match and so many characters on each side.
fn around<'a>(seen: &Seen<'a>, more: usize) -> &'a [u8] {
    let end = seen.whole.end.saturating_add(more).min(seen.text.len());
    seen.text.get(seen.whole.start.saturating_sub(more)..end).unwrap_or_default()
}

/// The line or lines on which the match stands.
fn line<'a>(seen: &Seen<'a>) -> &'a [u8] {
    let before = seen.text.get(..seen.whole.start).unwrap_or_default();
    let after = seen.text.get(seen.whole.end..).unwrap_or_default();
    let start = memchr::memrchr(b'\n', before).map_or(0, |feed| feed.saturating_add(1));
    let end = memchr::memchr(b'\n', after).unwrap_or(after.len());
    let start = start.max(seen.whole.start.saturating_sub(LINE));
    seen.text.get(start..seen.whole.end.saturating_add(end.min(LINE))).unwrap_or_default()
}

/// Whether a text holds one of some lower-case words, in any case.
fn holds_any(text: &[u8], words: &[String]) -> bool {
    if words.is_empty() {
        return false;
    }
    let lower = text.to_ascii_lowercase();
    words.iter().any(|word| memchr::memmem::find(&lower, word.as_bytes()).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "key: none\nacme key = \"abC1-demo\" # comment\nnext";

    fn judged(terms: &Terms, path: &str) -> Answer {
        let pattern = Pattern::new(r#"key = "(?P<body>[^"-]+)-(?P<sum>[a-z]+)""#.to_owned());
        let found = pattern.regex().unwrap().find(TEXT).unwrap();
        let start = TEXT.find("abC1").unwrap();
        terms.judge(&Seen {
            text: TEXT.as_bytes(),
            whole: found.range(),
            value: start..start + 9,
            path,
            pattern: &pattern,
        })
    }

    fn allowed(allowed: Allowed) -> Terms {
        Terms { allowed: vec![Arc::new(allowed)], ..Terms::default() }
    }

    fn patterns(list: &[&str]) -> Vec<Pattern> {
        list.iter().map(|one| Pattern::new((*one).to_owned())).collect()
    }

    #[test]
    fn each_term_can_refuse() {
        let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let least = |change: fn(&mut Least)| {
            let mut least = Least { specials: "-".to_owned(), ..Least::default() };
            change(&mut least);
            Terms { least, ..Terms::default() }
        };
        let cases = [
            (Terms::default(), true),
            (Terms { entropy: Some(2500), ..Terms::default() }, true),
            (Terms { entropy: Some(3500), ..Terms::default() }, false),
            (least(|it| it.digits = 1), true),
            (least(|it| it.digits = 2), false),
            (least(|it| it.upper = 2), false),
            (least(|it| it.lower = 7), false),
            (least(|it| it.special = 1), true),
            (least(|it| it.special = 2), false),
            (Terms { without: words(&["demo"]), ..Terms::default() }, false),
            (Terms { without: words(&["acme"]), ..Terms::default() }, true),
            (Terms { words: words(&["acme"]), ..Terms::default() }, true),
            (Terms { words: words(&["other"]), ..Terms::default() }, false),
        ];
        for (terms, expected) in cases {
            assert_eq!(judged(&terms, "") == Answer::Yes, expected, "{terms:?}");
        }
    }

    #[test]
    fn a_list_of_what_is_allowed_has_its_conditions_and_targets() {
        let regexes = |target, list: &[&str]| Allowed {
            target,
            regexes: patterns(list),
            ..Allowed::default()
        };
        let both = |all| Allowed {
            all,
            paths: patterns(&["^tests/"]),
            stopwords: vec!["demo".to_owned()],
            ..Allowed::default()
        };
        let cases = [
            (regexes(Target::Secret, &["^abC1-demo$"]), "", false),
            (regexes(Target::Secret, &["key"]), "", true),
            (regexes(Target::Match, &["^key = "]), "", false),
            (regexes(Target::Match, &["acme"]), "", true),
            (regexes(Target::Line, &["^acme.*# comment$"]), "", false),
            (regexes(Target::Line, &["none|next"]), "", true),
            (both(true), "tests/a", false),
            (both(true), "src/a", true),
            (both(false), "src/a", false),
            (Allowed { all: true, ..Allowed::default() }, "", true),
        ];
        for (list, path, expected) in cases {
            let terms = allowed(list);
            assert_eq!(judged(&terms, path) == Answer::Yes, expected, "{terms:?} {path}");
        }
    }

    #[test]
    fn a_checksum_proves_or_refuses() {
        let with = |actual: &str, expected: &str, group: Option<&str>, may_miss| {
            let template = |text: &str| Template::parse(text).unwrap();
            let checksum = Checksum {
                actual: template(actual),
                expected: template(expected),
                group: group.map(str::to_owned),
                may_miss,
            };
            judged(&Terms { checksum: Some(checksum), ..Terms::default() }, "")
        };
        assert_eq!(
            with("{{ SUM }}", "{{ MATCH | suffix: 4 }}", Some("sum"), false),
            Answer::Proven
        );
        assert_eq!(with("{{ sum }}", "{{ BODY }}", None, true), Answer::No);
        assert_eq!(with("{{ x }}", "{{ BODY }}", None, true), Answer::Yes);
        assert_eq!(with("{{ SUM }}", "{{ SUM }}", Some("x"), false), Answer::No);
    }
}
