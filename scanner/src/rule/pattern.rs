//! Regular expressions of rules: compiled when first needed, each as far as it is needed.

use std::ops::{Range, RangeInclusive};
use std::sync::{Arc, OnceLock};

use cryoscan_rules::facts;
use regex_automata::meta::Regex;
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input};
use regex_syntax::hir::{Class, Hir, HirKind};

use super::literals;
use super::program::{Groups, Program, Reach};

/// Bytes of the largest automaton.
const NFA_SIZE: usize = 16 << 20;

/// Bytes of the states that a thread keeps of an automaton.
const CACHE: usize = 2 << 20;

/// A regular expression over bytes, compiled when first needed.
#[derive(Debug, Clone)]
pub struct Pattern {
    source: String,
    /// What is compiled, where that is not what was written.
    relaxed: Option<String>,
    program: OnceLock<Option<Arc<Program>>>,
    regex: OnceLock<Regex>,
    word: OnceLock<Option<Word>>,
}

/// How a match begins: with a row of letters, digits, `-` and `_`, and a byte that ends it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Word {
    /// Bytes of the row.
    len: RangeInclusive<usize>,
    /// What may stand behind it.
    next: Box<[bool; 256]>,
}

/// Whether a byte is a letter, a digit, `-` or `_`: what the first parts of tokens are made of.
pub fn is_of_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
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

impl Pattern {
    fn made(source: String, relaxed: Option<String>) -> Self {
        let (program, regex, word) = (OnceLock::new(), OnceLock::new(), OnceLock::new());
        Self { source, relaxed, program, regex, word }
    }

    pub(super) fn new(source: String) -> Self {
        Self::made(source, None)
    }

    /// A pattern that is written as `source` and runs as `relaxed`.
    pub(super) fn relaxed(source: String, relaxed: String) -> Self {
        Self::made(source, Some(relaxed))
    }

    /// Whether what runs is not what was written.
    pub fn is_relaxed(&self) -> bool {
        self.relaxed.is_some()
    }

    /// The pattern as written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The compiled automaton; `None` when it does not compile, which loading has ruled out.
    pub fn regex(&self) -> Option<&Regex> {
        if let Some(regex) = self.regex.get() {
            return Some(regex);
        }
        self.compile().ok()
    }

    fn program(&self) -> Option<&Program> {
        let made = || self.hir().and_then(|hir| Program::new(&hir)).map(Arc::new);
        self.program.get_or_init(made).as_deref()
    }

    /// Where the match ends that begins at the start of `range`, if there is one.
    pub fn end_at(&self, text: &[u8], range: Range<usize>) -> Option<usize> {
        if let Some(Ok(end)) = self.program().map(|program| program.end_at(text, range.clone())) {
            return end;
        }
        let input = Input::new(text).range(range).anchored(Anchored::Yes);
        self.regex()?.search_half(&input).map(|found| found.offset())
    }

    /// The same, with what is known of the text.
    pub fn end_near(&self, text: &[u8], range: Range<usize>, reach: &mut Reach) -> Option<usize> {
        let by_program = self.program().map(|it| it.end_near(text, range.clone(), reach));
        if let Some(Ok(end)) = by_program { end } else { self.end_at(text, range) }
    }

    /// The match that begins at the start of `range`, with its groups.
    pub fn groups_at(&self, text: &[u8], range: Range<usize>) -> Option<Groups> {
        let by_program = self.program().map(|program| program.groups_at(text, range.clone()));
        if let Some(Ok(found)) = by_program {
            return found;
        }
        self.groups_by_regex(&Input::new(text).range(range).anchored(Anchored::Yes))
    }

    /// The leftmost match in `range`, with its groups.
    pub fn find(&self, text: &[u8], range: Range<usize>) -> Option<Groups> {
        self.find_until(text, range, usize::MAX)
    }

    /// The same if it begins at `last` at the latest.
    pub fn find_until(&self, text: &[u8], range: Range<usize>, last: usize) -> Option<Groups> {
        let by_program = self.program().map(|program| program.find(text, range.clone(), last));
        if let Some(Ok(found)) = by_program {
            return found;
        }
        let found = self.groups_by_regex(&Input::new(text).range(range));
        found.filter(|groups| groups.get(0).is_some_and(|all| all.start <= last))
    }

    fn groups_by_regex(&self, input: &Input<'_>) -> Option<Groups> {
        let regex = self.regex()?;
        let mut captures = regex.create_captures();
        regex.search_captures(input, &mut captures);
        captures
            .is_match()
            .then(|| Groups::of(captures.iter().map(|group| group.map(|group| group.range()))))
    }

    /// How many groups a match has, itself among them.
    pub fn groups(&self) -> usize {
        let by_regex = || self.regex().map_or(1, Regex::captures_len);
        self.program().map_or_else(by_regex, Program::groups)
    }

    /// Whether a match may begin at `at` where the row of letters, digits, `-` and `_` ends at `end`: most
    /// candidates of tokens of several parts are refused by it, without a walk along the row.
    pub fn may_begin(&self, text: &[u8], at: usize, end: usize) -> bool {
        let word = self.word.get_or_init(|| self.hir().and_then(|hir| Word::of(&hir)));
        end == at
            || word.as_ref().is_none_or(|word| {
                let next = text.get(end);
                word.len.contains(&end.saturating_sub(at))
                    && next.is_some_and(|byte| word.next[usize::from(*byte)])
            })
    }

    /// What runs.
    fn runs(&self) -> &str {
        self.relaxed.as_deref().unwrap_or(&self.source)
    }

    /// The syntax tree of what runs.
    pub(super) fn hir(&self) -> Option<Hir> {
        facts::parse(self.runs()).ok()
    }

    pub(super) fn compile(&self) -> Result<&Regex, Box<regex_automata::meta::BuildError>> {
        let built = build(self.runs())?;
        Ok(self.regex.get_or_init(|| built))
    }
}

/// Compiles a pattern over bytes; linear time, bounded memory.
pub(super) fn build(source: &str) -> Result<Regex, Box<regex_automata::meta::BuildError>> {
    Regex::builder()
        .configure(
            Regex::config()
                .utf8_empty(false)
                .nfa_size_limit(Some(NFA_SIZE))
                .hybrid_cache_capacity(CACHE)
                .onepass(false)
                .dfa(false),
        )
        .syntax(byte_syntax())
        .build(source)
        .map_err(Box::new)
}

/// Patterns match bytes, `.` means any byte but a line feed.
pub(super) fn byte_syntax() -> syntax::Config {
    syntax::Config::new().unicode(false).utf8(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PATTERNS: [&str; 5] = [
        r"eyJ[0-9A-Za-z_-]{2,9}\.[0-9A-Za-z_-]{1,9}",
        r"(?:eyJ|\.eJ)[0-9A-Za-z_-]{2,9}={0,2}(?:\.[a-z]|:[a-z])",
        r"(?:ab|abc[x-z]?)(?:\.|:)x",
        r"ab[a-z]{0,3}c?[a-z.]x",
        r"ab-c\.d|abx",
    ];

    #[test]
    fn how_a_match_begins() {
        let of = |pattern: &str| Word::of(&Pattern::new(pattern.to_owned()).hir().unwrap());
        let next = |word: &Word| {
            let bytes = (0..=u8::MAX).filter(|byte| word.next[usize::from(*byte)]);
            bytes.map(char::from).collect::<String>()
        };
        let word = of(PATTERNS[0]).unwrap();
        assert_eq!((word.len.clone(), next(&word).as_str()), (5..=12, "."));
        let word = of(PATTERNS[1]).unwrap();
        assert_eq!((word.len.clone(), next(&word).as_str()), (5..=12, ".:="));
        let word = of(PATTERNS[2]).unwrap();
        assert_eq!((word.len.clone(), next(&word).as_str()), (2..=4, ".:"));
        assert_eq!(of(PATTERNS[3]), None, "what ends the row may be a part of it");
        assert_eq!(of(PATTERNS[4]), None);
    }

    proptest! {
        #[test]
        fn nothing_that_matches_is_refused(
            text in prop::collection::vec(prop::sample::select(b"eyJabcx.:=-".to_vec()), 0..40),
        ) {
            for pattern in PATTERNS.map(|it| Pattern::new(it.to_owned())) {
                for at in 0..text.len() {
                    let end = at + text[at..].iter().take_while(|it| is_of_word(**it)).count();
                    if pattern.end_at(&text, at..text.len()).is_some() {
                        prop_assert!(pattern.may_begin(&text, at, end), "{} at {at}", pattern.source());
                    }
                }
            }
        }
    }
}
