//! What was read around the place that is looked at, and where values behind it end: it is the same for every
//! rule that is asked there, and of values for the places before and behind it too.

use std::cell::OnceCell;
use std::ops::Range;

use super::assignment::{self, Start};
use super::text_run;
use crate::rule::{Keyword, Reach, RuleId, keeps_meaning, says_open, says_secret};

/// Bytes behind a place that what is read of its names and of how values are assigned to them depends on, at
/// most.
const BEHIND: usize = 512;

/// A part of a text that is looked at, by offsets in what it is a part of.
type Part = (usize, usize, usize);

/// What is known; a new text begins with [`Reading::clear`].
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// Where the text that a rule is given begins in all of it.
    base: usize,
    /// Which place of which text the names are of.
    of: Option<Part>,
    names: Vec<Name>,
    /// Where values end, by the kinds of bytes that may end them.
    ends: Vec<End>,
    /// How far runs of patterns go.
    pub(super) reach: Reach,
}

/// A name that a word stands in.
#[derive(Debug, Clone)]
struct Name {
    word: Range<usize>,
    /// Where it is; none if it is too long for one.
    span: Option<Range<usize>>,
    begins_word: Option<bool>,
    keeps_meaning: Option<bool>,
    says_open: Option<bool>,
    says_secret: Option<bool>,
    start: OnceCell<Option<Start>>,
    /// How far names behind it were looked for, and which of them say secret, by their numbers.
    followers: Option<((usize, usize), Range<usize>)>,
}

/// No byte of `span`, in all of the text, is of one of these kinds; if `is_known`, the one behind it is.
#[derive(Debug, Clone)]
struct End {
    kinds: u16,
    span: Range<usize>,
    is_known: bool,
}

/// The number of a name that was read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Number(usize);

impl Reading {
    /// Forgets the text.
    pub(super) fn clear(&mut self) {
        self.of = None;
        self.ends.clear();
        self.reach.clear();
    }

    /// Begins with a rule at a place in `text`, which begins at `base` in all of the text.
    pub(super) fn begin(&mut self, rule: RuleId, base: usize, text: &[u8], at: usize) {
        self.base = base;
        self.reach.begin(base, rule.0);
        let shown = text.len().min(at.saturating_add(BEHIND));
        let of = Some((base, at, shown));
        if self.of != of {
            self.of = of;
            self.names.clear();
        }
    }

    /// The name that a keyword stands in at the place.
    pub(super) fn name(
        &mut self,
        text: &[u8],
        word: &Range<usize>,
    ) -> Option<(Number, Range<usize>)> {
        let known = self.names.iter().position(|name| name.word == *word);
        let number = known.unwrap_or_else(|| {
            self.names.push(Name::new(word.clone(), assignment::name_around(text, word)));
            self.names.len() - 1
        });
        let name = self.names.get(number)?.span.clone()?;
        Some((Number(number), name))
    }

    /// Whether a name with a keyword in it may be that of a secret.
    pub(super) fn is_named(&mut self, number: Number, text: &[u8], keyword: &Keyword) -> bool {
        let Some(known) = self.names.get_mut(number.0) else { return false };
        let Some(name) = known.span.clone() else { return false };
        let (name_text, tail) = (text.get(name), known.tail(text));
        let (Some(name_text), Some(tail)) = (name_text, tail) else { return false };
        let keeps = *known.keeps_meaning.get_or_insert_with(|| keeps_meaning(tail));
        let says_it = if keyword.says_secret {
            keeps && !*known.says_open.get_or_insert_with(|| says_open(name_text))
        } else {
            keeps || *known.says_secret.get_or_insert_with(|| says_secret(name_text))
        };
        says_it && (keyword.letters() >= assignment::LONG || self.begins_word(number, text))
    }

    /// Whether a word begins in its name where the keyword does.
    pub(super) fn begins_word(&mut self, number: Number, text: &[u8]) -> bool {
        let Some(known) = self.names.get_mut(number.0) else { return false };
        let Some(name) = &known.span else { return false };
        let at = known.word.start;
        *known.begins_word.get_or_insert_with(|| assignment::begins_word(text, name, at))
    }

    /// The names that say secret among those that begin behind a name and before `last`.
    pub(super) fn followers(
        &mut self,
        number: Number,
        text: &[u8],
        last: usize,
    ) -> impl Iterator<Item = Number> + use<> {
        // What is read far behind the place depends on where the text ends.
        let at = self.of.map_or(0, |(_, at, _)| at);
        let is_near = last.saturating_add(BEHIND / 2) <= at.saturating_add(BEHIND);
        let key = (last, if is_near { 0 } else { text.len() });
        let known = self.names.get(number.0);
        let followers = known.and_then(|name| name.followers.clone());
        if let Some((_, followers)) = followers.filter(|(of, _)| *of == key) {
            return followers.map(Number);
        }
        let mut from = known.and_then(|name| name.span.as_ref()).map_or(last, |name| name.end);
        let first = self.names.len();
        while let Some(name) = assignment::next_name(text, from, last) {
            from = name.end.max(from + 1);
            if text.get(name.clone()).is_some_and(says_secret) {
                self.names.push(Name::new(name.clone(), Some(name)));
            }
        }
        let followers = first..self.names.len();
        if let Some(name) = self.names.get_mut(number.0) {
            name.followers = Some((key, followers.clone()));
        }
        followers.map(Number)
    }

    /// Where a name is.
    pub(super) fn span(&self, number: Number) -> Option<Range<usize>> {
        self.names.get(number.0)?.span.clone()
    }

    /// Where the value begins that is assigned to a name.
    pub(super) fn value_at(&mut self, number: Number, text: &[u8]) -> Option<Start> {
        let known = self.names.get(number.0)?;
        let name = known.span.as_ref()?;
        *known.start.get_or_init(|| assignment::value_at(text, name))
    }

    /// The first byte from `at` on that is of one of these kinds, or where the text run ends, or what may be
    /// looked at.
    pub(super) fn until(&mut self, text: &[u8], at: usize, most: usize, kinds: u16) -> usize {
        let limit = at.saturating_add(most).min(text.len());
        if at >= limit {
            return at;
        }
        let kinds = kinds | assignment::CONTROL | assignment::FOREIGN;
        let known = self.ends.iter().position(|end| end.kinds == kinds);
        let number = known.unwrap_or_else(|| {
            self.ends.push(End { kinds, span: 0..0, is_known: false });
            self.ends.len() - 1
        });
        let Some(end) = self.ends.get_mut(number) else { return at };
        let here = self.base + at;
        if !(end.span.start..=end.span.end).contains(&here) {
            (end.span, end.is_known) = (here..here, false);
        }
        if !end.is_known && end.span.end < self.base + limit {
            let rest = text.get(end.span.end - self.base..limit).unwrap_or_default();
            let len = rest.iter().position(|byte| assignment::is_one(*byte, kinds));
            end.is_known = len.is_some();
            end.span.end += len.unwrap_or(rest.len());
        }
        let found = end.span.end - self.base;
        if found >= limit {
            return limit;
        }
        if text.get(found).is_some_and(u8::is_ascii) {
            return found;
        }
        // Bytes of other alphabets are characters, or the end of the text.
        let kinds = kinds & !assignment::FOREIGN;
        let rest = text.get(found..limit).unwrap_or_default();
        let len = rest.iter().take_while(|byte| !assignment::is_one(**byte, kinds)).count();
        text_run::end(text, at, found + len - at)
    }
}

impl Name {
    fn new(word: Range<usize>, span: Option<Range<usize>>) -> Self {
        Self {
            word,
            span,
            begins_word: None,
            keeps_meaning: None,
            says_open: None,
            says_secret: None,
            start: OnceCell::new(),
            followers: None,
        }
    }

    /// What stands behind the word in its name.
    fn tail<'a>(&self, text: &'a [u8]) -> Option<&'a [u8]> {
        text.get(self.word.end..self.span.as_ref()?.end)
    }
}
