//! How the matches of a pattern begin: a look at a few bytes refuses nearly all places where its literal stands.

use std::ops::{Range, RangeInclusive};

use regex_syntax::hir::{Class, Hir, HirKind};

use super::MAX_MATCH;
use super::literals;
use super::program::set_of;

/// A byte set.
type Set = [bool; 256];

/// Bytes from the start of a match that are told apart.
const LONGEST: usize = 128;

/// Bytes of a row that every window shows to its end; no match is as long.
const LONGEST_ROW: usize = 2 * MAX_MATCH;

/// What every match begins with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Opening {
    word: Option<Word>,
    /// What stands at some places behind the start.
    probes: Vec<(usize, Box<Set>)>,
}

/// A row of letters, digits, `-` and `_`, and a byte that ends it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Word {
    /// Bytes of the row.
    len: RangeInclusive<usize>,
    /// What may stand behind it.
    next: Box<Set>,
}

/// Whether a byte is a letter, a digit, `-` or `_`: what the first parts of tokens are made of.
pub fn is_of_word(byte: u8) -> bool {
    static OF_WORD: Set = {
        let mut set = [false; 256];
        let mut byte = 0u8;
        while byte < 128 {
            set[byte as usize] = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
            byte += 1;
        }
        set
    };
    OF_WORD[usize::from(byte)]
}

impl Opening {
    /// That of a pattern whose matches begin with `literal` bytes that are looked for.
    pub(super) fn of(hir: &Hir, literal: usize) -> Self {
        let mut sets = Vec::new();
        begin(hir, &mut sets);
        let count = |set: &Set| set.iter().filter(|is| **is).count();
        let behind =
            || (literal..sets.len()).filter(|at| sets.get(*at).is_some_and(|set| count(set) < 256));
        // The last, since rows of anything end early, the one with the fewest bytes, and the first.
        let rarest = behind().min_by_key(|at| sets.get(*at).map_or(256, count));
        let places = [behind().next(), rarest, behind().next_back()];
        let mut places: Vec<usize> = places.into_iter().flatten().collect();
        places.sort_unstable();
        places.dedup();
        let probe = |at: usize| Some((at, Box::new(*sets.get(at)?)));
        Self { word: Word::of(hir), probes: places.into_iter().filter_map(probe).collect() }
    }

    /// Whether a match may begin anywhere.
    pub fn says_nothing(&self) -> bool {
        self.probes.is_empty() && self.word.is_none()
    }

    /// The longest row of letters, digits, `-` and `_` that a match may begin with, if that is known.
    pub fn longest_row(&self) -> Option<usize> {
        self.word.as_ref().map(|word| LONGEST_ROW.min(*word.len.end()))
    }

    /// Whether a match may begin at the start of `range`, which is of `text` and ends where matches must;
    /// the row of letters, digits, `-` and `_` there ends at `row_end`.
    pub fn may_stand(&self, text: &[u8], range: Range<usize>, row_end: usize) -> bool {
        let rest = text.get(range.clone()).unwrap_or_default();
        let has = |(at, set): &(usize, Box<Set>)| {
            rest.get(*at).is_some_and(|byte| set[usize::from(*byte)])
        };
        self.probes.iter().all(has)
            && self.word.as_ref().is_none_or(|word| {
                let row = row_end.saturating_sub(range.start);
                let next = rest.get(row);
                row == 0
                    || (word.len.contains(&row)
                        && row <= LONGEST_ROW
                        && next.is_some_and(|byte| word.next[usize::from(*byte)]))
            })
    }
}

/// Adds what may stand at each place from the start of a match on, as far as the places are the same in all
/// matches; gives whether that holds behind them too.
fn begin(hir: &Hir, sets: &mut Vec<Set>) -> bool {
    if sets.len() >= LONGEST {
        return false;
    }
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => true,
        HirKind::Literal(literal) => {
            sets.extend(literal.0.iter().map(|byte| {
                let mut set = [false; 256];
                set[usize::from(*byte)] = true;
                set
            }));
            true
        }
        HirKind::Class(class) => {
            let set = set_of(class);
            sets.extend(set);
            set.is_some()
        }
        HirKind::Capture(capture) => begin(&capture.sub, sets),
        HirKind::Concat(parts) => parts.iter().all(|part| begin(part, sets)),
        HirKind::Repetition(repetition) => {
            let least = (0..repetition.min).all(|_| begin(&repetition.sub, sets));
            least && repetition.max == Some(repetition.min)
        }
        HirKind::Alternation(parts) => {
            let mut ways = parts.iter().map(|part| {
                let mut way = Vec::new();
                (begin(part, &mut way), way)
            });
            let Some((mut is_same, mut all)) = ways.next() else { return false };
            for (goes_on, way) in ways {
                is_same &= goes_on && way.len() == all.len();
                all.truncate(way.len());
                for (set, other) in all.iter_mut().zip(&way) {
                    set.iter_mut().zip(other).for_each(|(is, other)| *is |= other);
                }
            }
            sets.append(&mut all);
            is_same
        }
    }
}

impl Word {
    /// That of the matches of a pattern that begin with a byte of one, if there is one.
    fn of(hir: &Hir) -> Option<Self> {
        let HirKind::Concat(parts) = hir.kind() else { return None };
        let mut len = (0_usize, 0_usize);
        for (index, part) in parts.iter().enumerate() {
            let part = if index == 0 { beginning_with_words(part) } else { part.clone() };
            if let HirKind::Literal(literal) = part.kind()
                && let Some(at) = literal.0.iter().position(|byte| !is_of_word(*byte))
            {
                let mut next = Box::new([false; 256]);
                next[usize::from(*literal.0.get(at)?)] = true;
                return Some(Self { len: len.0.checked_add(at)?..=len.1.saturating_add(at), next });
            }
            if !holds_words_only(&part) {
                let rest = Hir::concat(parts.get(index..)?.to_vec());
                let next = Box::new(literals::first_bytes(&rest)?);
                let ends = (0..=u8::MAX).zip(&*next).all(|(byte, is)| !is || !is_of_word(byte));
                return (ends && index > 0).then_some(Self { len: len.0..=len.1, next });
            }
            let least = part.properties().minimum_len()?;
            let most = part.properties().maximum_len().unwrap_or(usize::MAX);
            len = (len.0.checked_add(least)?, len.1.saturating_add(most));
        }
        None
    }
}

/// The alternatives of the first part of a pattern that begin with a byte of a [`Word`].
fn beginning_with_words(part: &Hir) -> Hir {
    let HirKind::Alternation(all) = part.kind() else { return part.clone() };
    let begins = |hir: &&Hir| {
        let HirKind::Literal(literal) = hir.kind() else { return true };
        literal.0.first().is_none_or(|byte| is_of_word(*byte))
    };
    Hir::alternation(all.iter().filter(begins).cloned().collect())
}

/// Whether all that a part of a pattern takes are bytes of a [`Word`].
fn holds_words_only(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Empty => true,
        HirKind::Literal(literal) => literal.0.iter().all(|byte| is_of_word(*byte)),
        HirKind::Class(Class::Bytes(class)) => {
            class.iter().all(|range| (range.start()..=range.end()).all(is_of_word))
        }
        HirKind::Class(Class::Unicode(_)) | HirKind::Look(_) => false,
        HirKind::Repetition(repetition) => holds_words_only(&repetition.sub),
        HirKind::Capture(capture) => holds_words_only(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().all(holds_words_only),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::Pattern;
    use proptest::prelude::*;

    const PATTERNS: [&str; 9] = [
        r"eyJ[0-9A-Za-z_-]{2,9}\.[0-9A-Za-z_-]{1,9}",
        r"(?:eyJ|\.eJ)[0-9A-Za-z_-]{2,9}={0,2}(?:\.[a-z]|:[a-z])",
        r"(?:ab|abc[x-z]?)(?:\.|:)x",
        r"ab[a-z]{0,3}c?[a-z.]x",
        r"ab-c\.d|abx",
        r"ab(?:c[xy]|:=)(x{2}){2,3}\.?",
        r"(?i)ab[:=]{3}\b[^:]{2}",
        r"ab\.(?:c|x|abc)?",
        r"abc",
    ];

    fn opening(pattern: &str) -> Opening {
        Pattern::new(pattern.to_owned()).opening(2)
    }

    fn shown(set: &Set) -> String {
        (0..=u8::MAX).filter(|byte| set[usize::from(*byte)]).map(char::from).collect()
    }

    #[test]
    fn the_row_that_a_match_begins_with() {
        let of = |pattern| {
            let word = opening(pattern).word;
            word.map(|word| (word.len.clone(), shown(&word.next)))
        };
        assert_eq!(of(PATTERNS[0]), Some((5..=12, ".".to_owned())));
        assert_eq!(of(PATTERNS[1]), Some((5..=12, ".:=".to_owned())));
        assert_eq!(of(PATTERNS[2]), Some((2..=4, ".:".to_owned())));
        assert_eq!(of(PATTERNS[3]), None, "what ends the row may be a part of it");
        assert_eq!(of(PATTERNS[4]), None);
    }

    #[test]
    fn what_stands_at_the_same_place_in_every_match() {
        let of = |pattern| -> Vec<(usize, String)> {
            let probes = opening(pattern).probes.into_iter();
            probes.map(|(at, set)| (at, shown(&set))).collect()
        };
        let known = |probes: &[(usize, &str)]| -> Vec<(usize, String)> {
            probes.iter().map(|(at, set)| (*at, (*set).to_owned())).collect()
        };
        assert_eq!(of(r"ab[x-z]{3}=="), known(&[(2, "xyz"), (5, "="), (6, "=")]));
        assert_eq!(of(PATTERNS[5]), known(&[(2, ":c"), (4, "x"), (7, "x")]));
        assert_eq!(of(r"ab(?:c|xy)z"), known(&[(2, "cx")]), "behind it they differ");
        assert_eq!(of(r"ab(?s-u:.)c*"), known(&[]), "any byte says nothing");
        assert_eq!(of("abc*"), known(&[]));
    }

    proptest! {
        #[test]
        fn nothing_that_matches_is_refused(
            text in prop::collection::vec(prop::sample::select(b"eyJaabbcx.:=-".to_vec()), 0..40),
        ) {
            for pattern in PATTERNS.map(|it| Pattern::new(it.to_owned())) {
                let opening = pattern.opening(2);
                for at in 0..text.len() {
                    let row_end = at + text[at..].iter().take_while(|it| is_of_word(**it)).count();
                    if let Some(end) = pattern.end_at(&text, at..text.len()) {
                        for end in [end, text.len()] {
                            let is_seen = opening.may_stand(&text, at..end, row_end);
                            prop_assert!(is_seen, "{} at {at}", pattern.source());
                        }
                    }
                }
            }
        }
    }
}
