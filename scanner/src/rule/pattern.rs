//! Regular expressions of rules: compiled when first needed, each as far as it is needed.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use regex_automata::meta::Regex;
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input};
use regex_syntax::hir::Hir;

use super::opening::Opening;
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
}

impl Pattern {
    fn made(source: String, relaxed: Option<String>) -> Self {
        let (program, regex) = (OnceLock::new(), OnceLock::new());
        Self { source, relaxed, program, regex }
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

    /// What matches begin with, behind `literal` bytes that are looked for.
    pub fn opening(&self, literal: usize) -> Opening {
        self.hir().map(|hir| Opening::of(&hir, literal)).unwrap_or_default()
    }

    /// What runs.
    fn runs(&self) -> &str {
        self.relaxed.as_deref().unwrap_or(&self.source)
    }

    /// The syntax tree of what runs.
    pub(super) fn hir(&self) -> Option<Hir> {
        syntax::parse_with(self.runs(), &byte_syntax()).ok()
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
