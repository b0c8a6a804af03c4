//! The rule model.

use std::ops::Range;
use std::sync::Arc;

use cryoscan_rules::facts::Follows;

use super::names::says_secret;
use super::pattern::Pattern;
use super::terms::Terms;
use crate::check::{Check, Confidence, Notation, Severity};
use crate::indicator::Indicators;
use crate::region::RegionKind;

/// Index of a rule in its [`RuleSet`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId(pub u32);

/// What kind of finding a rule makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// A secret value.
    Secret,
    /// A sign of compromise: no secret, so that reports show it.
    Indicator,
    /// A pattern the user asked for by `--grep`.
    Grep,
    /// An indicator of a list of the user's (`--ioc`).
    Listed,
}

/// What a rule looks at around a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// The text it stands in.
    Text,
    /// Bytes, whatever they are.
    Bytes,
}

/// How candidates of a rule arise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Anchor {
    /// A literal with which every match begins.
    Prefix,
    /// A literal somewhere inside every match.
    Inside,
    /// A maximal run of one class of bytes with an exact length.
    Run {
        /// The bytes of the class.
        class: Box<[bool; 256]>,
        /// The length of the run.
        len: usize,
        /// Whether the length must stand before it, as in objects of HotSpot and V8: four bytes,
        /// little-endian.
        word: bool,
    },
    /// A word in the name that a value is assigned to, or shortly before such a name.
    Assignment(Keywords),
    /// A number in words of the machine, as programs hold the primes of RSA keys.
    Number,
    /// A row of words of the list of BIP-39, as many as a seed phrase has.
    Words,
    /// A string of the arguments or the environment of a process.
    Label,
    /// The content of a file whose path the rule names.
    Path,
    /// Every text run (patterns of the user that hold no literal).
    Text,
    /// An indicator of a list of the user's, as a whole token.
    Listed,
}

impl Anchor {
    /// Whether candidates arise where a literal of the rule stands.
    pub fn has_literals(&self) -> bool {
        matches!(self, Self::Prefix | Self::Inside | Self::Assignment(_))
    }
}

/// The keywords of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keywords {
    /// By the lower six bits of the first byte of their literals.
    all: Vec<Keyword>,
    /// Where those begin whose literals begin with a byte, by its lower six bits, and those behind it.
    first: Box<[usize; Self::GROUPS + 1]>,
}

impl Keywords {
    const GROUPS: usize = 64;

    pub(crate) fn new(mut all: Vec<Keyword>) -> Self {
        all.sort_by_key(|word| word.literal().first().copied().map(Self::group));
        let mut first = Box::new([0; Self::GROUPS + 1]);
        for (group, first) in first.iter_mut().enumerate() {
            let is_before = |word: &Keyword| {
                word.literal().first().is_none_or(|byte| Self::group(*byte) < group)
            };
            *first = all.partition_point(is_before);
        }
        Self { all, first }
    }

    fn group(byte: u8) -> usize {
        usize::from(byte.to_ascii_lowercase()) % Self::GROUPS
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Keyword> {
        self.all.iter()
    }

    /// Those whose literals may stand at `at` in `text`: of many keywords mostly one or none.
    pub fn at(&self, text: &[u8], at: usize) -> &[Keyword] {
        let group = text.get(at).map(|byte| Self::group(*byte));
        let range = group.and_then(|group| {
            Some(*self.first.get(group)?..*self.first.get(group.saturating_add(1))?)
        });
        range.and_then(|range| self.all.get(range)).unwrap_or_default()
    }
}

/// A word in the name of what a value is assigned to, in letters of any case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keyword {
    /// The word in small letters; `_` is one of `_`, `-`, `.`, a blank, or nothing.
    word: Vec<u8>,
    /// The part of it that is searched for: the longest one without `_`.
    part: Range<usize>,
    /// Whether the word itself says that the value is secret.
    pub says_secret: bool,
    /// Whether the name must be that of a flag: dashes stand before it.
    pub is_flag: bool,
}

impl Keyword {
    /// Bytes of the longest.
    pub const LONGEST: usize = 64;

    /// The keyword of a rule file; `None` if no part of it has three letters, if it is too long, or if it is no
    /// text.
    pub(crate) fn new(word: &str) -> Option<Self> {
        let lower = word.to_ascii_lowercase();
        let (is_flag, word) = lower.strip_prefix('-').map_or((false, &*lower), |word| (true, word));
        if word.contains(|character: char| character.is_control()) {
            return None;
        }
        let word = word.as_bytes().to_vec();
        let mut part = 0..0;
        let mut start = 0;
        for piece in word.split(|byte| *byte == b'_') {
            let end = start + piece.len();
            if piece.len() > part.len() {
                part = start..end;
            }
            start = end + 1;
        }
        let says_secret = says_secret(&word);
        (part.len() >= 3 && word.len() <= Self::LONGEST).then_some(Self {
            word,
            part,
            says_secret,
            is_flag,
        })
    }

    /// The part of it that is searched for.
    pub fn literal(&self) -> &[u8] {
        self.word.get(self.part.clone()).unwrap_or_default()
    }

    /// Letters and digits that it has at least.
    pub fn letters(&self) -> usize {
        self.word.iter().filter(|byte| **byte != b'_').count()
    }

    /// Whether it stands where `other` does.
    pub fn is_same_word(&self, other: &Self) -> bool {
        self.word == other.word
    }

    /// What may stand beside its literal where it stands.
    pub fn neighbours(&self) -> Neighbours {
        let before = self.word.get(..self.part.start).unwrap_or_default();
        let behind = self.word.get(self.part.end..).unwrap_or_default();
        Neighbours { before: Side::of(before.iter().rev()), behind: Side::of(behind.iter()) }
    }

    /// Where the keyword stands in `text`, whose [`Self::literal`] might stand at `at`.
    pub fn find(&self, text: &[u8], at: usize) -> Option<Range<usize>> {
        let there = text.get(at..at + self.part.len())?;
        self.find_around(text, at).filter(|_| there.eq_ignore_ascii_case(self.literal()))
    }

    /// The same where its literal is known to stand.
    pub fn find_around(&self, text: &[u8], at: usize) -> Option<Range<usize>> {
        let is_joint = |byte: Option<&u8>| matches!(byte, Some(b'_' | b'-' | b'.' | b' '));
        let is =
            |at: usize, byte: u8| text.get(at).is_some_and(|it| it.to_ascii_lowercase() == byte);
        let mut end = at + self.part.len();
        for byte in self.word.get(self.part.end..)? {
            if *byte == b'_' {
                end += usize::from(is_joint(text.get(end)));
            } else if is(end, *byte) {
                end += 1;
            } else {
                return None;
            }
        }
        let mut start = at;
        for byte in self.word.get(..self.part.start)?.iter().rev() {
            let before = start.checked_sub(1);
            let is_there = |before: &usize| {
                if *byte == b'_' { is_joint(text.get(*before)) } else { is(*before, *byte) }
            };
            if let Some(before) = before.filter(is_there) {
                start = before;
            } else if *byte != b'_' {
                return None;
            }
        }
        Some(start..end)
    }
}

/// What may stand on both sides of the literals of some keywords: of the places where the literals stand this
/// refuses most.
#[derive(Debug, Clone, Copy, Default)]
pub struct Neighbours {
    before: Side,
    behind: Side,
}

/// Classes of bytes, one bit each: of the next byte, and of the one beyond it where that is a joint.
#[derive(Debug, Clone, Copy, Default)]
struct Side {
    next: u32,
    beyond: u32,
}

/// Numbers of classes: each letter has one, of either case.
const DIGIT: u8 = 26;
const JOINT: u8 = 27;
const OTHER: u8 = 28;

/// By byte, its class.
const CLASSES: [u8; 256] = {
    let mut classes = [OTHER; 256];
    let mut byte = 0u8;
    while byte < 128 {
        classes[byte as usize] = match byte {
            b'a'..=b'z' => byte - b'a',
            b'A'..=b'Z' => byte - b'A',
            b'0'..=b'9' => DIGIT,
            b'_' | b'-' | b'.' | b' ' => JOINT,
            _ => OTHER,
        };
        byte += 1;
    }
    classes
};

impl Neighbours {
    /// What either says.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self { before: self.before.or(other.before), behind: self.behind.or(other.behind) }
    }

    /// Whether a keyword may stand around its literal, by what stands beside it.
    pub fn may_be(&self, beside: Beside) -> bool {
        self.behind.may_be(beside.behind) && self.before.may_be(beside.before)
    }
}

/// What stands on both sides of a literal.
#[derive(Debug, Clone, Copy)]
pub struct Beside {
    /// The classes of the two bytes before it, the nearest first.
    before: [u8; 2],
    /// The same behind it.
    behind: [u8; 2],
}

impl Beside {
    /// That of a literal in `text`.
    pub fn of(text: &[u8], literal: Range<usize>) -> Self {
        let before =
            |back: usize| class(literal.start.checked_sub(back).and_then(|at| text.get(at)));
        let behind = |more: usize| class(text.get(literal.end.saturating_add(more)));
        Self { before: [before(1), before(2)], behind: [behind(0), behind(1)] }
    }
}

impl Side {
    const ANY: Self = Self { next: u32::MAX, beyond: u32::MAX };

    /// Where a keyword goes on with such bytes, the nearest first.
    fn of<'a>(mut bytes: impl Iterator<Item = &'a u8>) -> Self {
        let is_joint = |byte: &u8| class(Some(byte)) == JOINT;
        let (next, beyond) = match (bytes.next(), bytes.next()) {
            (Some(b'_'), Some(byte)) if !is_joint(byte) => (byte, 1 << class(Some(byte))),
            (Some(byte), _) if !is_joint(byte) => (byte, 0),
            _ => return Self::ANY,
        };
        Self { next: 1 << class(Some(next)), beyond }
    }

    fn or(self, other: Self) -> Self {
        Self { next: self.next | other.next, beyond: self.beyond | other.beyond }
    }

    /// Whether it may go on with bytes of such classes, the nearest first.
    fn may_be(self, [next, beyond]: [u8; 2]) -> bool {
        let (set, class) = if next == JOINT { (self.beyond, beyond) } else { (self.next, next) };
        set >> class & 1 == 1
    }
}

/// The class of a byte, or of none.
fn class(byte: Option<&u8>) -> u8 {
    byte.and_then(|byte| CLASSES.get(usize::from(*byte))).copied().unwrap_or(OTHER)
}

/// What a neighbour of the value's own alphabet means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    /// Nothing: a check decides.
    Checked,
    /// It lowers the confidence.
    Soft,
    /// It refuses the match.
    Hard,
}

/// When a match becomes a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Report {
    /// Always.
    Always,
    /// When a proof, or another rule that found the same value, says so.
    Proven,
}

/// A partner whose nearness raises the confidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Near {
    /// Id of the partner rule.
    pub rule: String,
    /// Bytes between the two values at most.
    pub within: u64,
}

/// The kinds of region in which a rule looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Places(u32);

impl Places {
    /// All kinds of region.
    pub const ALL: Self = Self(u32::MAX);

    /// No kind of region.
    pub const NONE: Self = Self(0);

    /// These and one kind more.
    #[must_use]
    pub fn with(self, kind: RegionKind) -> Self {
        Self(self.0 | 1 << u32::from(kind as u8))
    }

    /// Whether a rule looks there.
    pub fn holds(self, kind: RegionKind) -> bool {
        self.0 & (1 << u32::from(kind as u8)) != 0
    }
}

/// The notations whose text a rule looks into, beside what lies plainly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encodings(u16);

impl Encodings {
    /// All notations.
    pub const ALL: Self = Self(u16::MAX);

    /// Only what lies plainly.
    pub const NONE: Self = Self(0);

    /// These and one more.
    #[must_use]
    pub fn with(self, notation: Notation) -> Self {
        Self(self.0 | 1 << u32::from(notation as u8))
    }

    /// Whether a rule looks into text that is written so.
    pub fn holds(self, notation: Notation) -> bool {
        self.0 & (1 << u32::from(notation as u8)) != 0
    }
}

/// One kind of thing to look for.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Unique, kebab-case, never reused.
    pub id: String,
    /// What it finds, in a few words.
    pub name: String,
    /// What it is and why it matters, in a sentence or two.
    pub description: String,
    /// The group of rules it belongs to (`github`).
    pub family: String,
    /// Words by which it can be chosen, beside its family.
    pub tags: Vec<String>,
    /// What kind of finding it makes.
    pub class: Class,
    /// What kind of thing an indicator is (`url`); empty for other classes.
    pub indicator: String,
    /// The harm if it is true.
    pub severity: Severity,
    /// How sure it is before any check.
    pub confidence: Confidence,
    /// The pattern of the value.
    pub pattern: Pattern,
    /// Group of the pattern that is the value: 0 is all of it.
    pub group: usize,
    /// Whether the value is the first group that takes part, where `group` does not.
    pub any_group: bool,
    /// Group of the pattern that names the value (a variable, a flag).
    pub name_group: Option<usize>,
    /// The pattern of each value in a match of `pattern`, which then is what holds them (in its
    /// groups, if it has any); `group` and `name_group` are groups of this one.
    pub items: Option<Pattern>,
    /// What it looks at around a candidate.
    pub view: View,
    /// How candidates arise.
    pub anchor: Anchor,
    /// The literals of `anchor`.
    pub literals: Vec<Vec<u8>>,
    /// Which bytes may follow a literal of three bytes, as ranges; any, where nothing is known.
    pub followers: Vec<Follows>,
    /// Bytes that may stand between the start of a match and its literal.
    pub before: usize,
    /// Longest match, in characters.
    pub max_len: usize,
    /// Whether every match has the same length.
    pub fixed_len: bool,
    /// The checks a candidate must pass, in order.
    pub checks: Vec<&'static Check>,
    /// What of text that does not lie plainly is searched too.
    pub encodings: Encodings,
    /// Kinds of region in which it looks.
    pub places: Places,
    /// Only files whose path matches.
    pub path: Option<Pattern>,
    /// What a neighbour of the same alphabet means.
    pub edge: Edge,
    /// When a match becomes a finding.
    pub report: Report,
    /// Whether values could be guessed (passwords): their hash alone is not given away.
    pub guessable: bool,
    /// What a rule of another scanner asks of its values.
    pub terms: Option<Box<Terms>>,
    /// Whether it only says that something is secret: any rule that knows what takes its place.
    pub generic: bool,
    /// Partner whose nearness raises the confidence.
    pub near: Option<Near>,
    /// Public first characters that a preview may show.
    pub prefix: String,
    /// What to do.
    pub remediation: String,
    /// Where to read more.
    pub references: Vec<String>,
    /// Weakness ids (`CWE-798`).
    pub cwe: Vec<String>,
    /// ATT&CK technique ids (`T1552.001`).
    pub attack: Vec<String>,
}

/// All rules of a run.
#[derive(Debug, Default, Clone)]
pub struct RuleSet {
    pub(super) rules: Vec<Rule>,
    pub(super) hash: String,
    /// The user's lists of indicators.
    pub(super) indicators: Option<Arc<Indicators>>,
}

impl Rule {
    /// Compiles its patterns now.
    ///
    /// # Errors
    /// Which one is too large, in words.
    pub fn compile(&self) -> Result<(), String> {
        let pattern = |key: &str, pattern: Option<&Pattern>| {
            let built = pattern.map_or(Ok(()), |pattern| pattern.compile().map(|_| ()));
            built.map_err(|error| match error.size_limit() {
                Some(most) => format!(
                    "{key}: the pattern takes more than {most} bytes when compiled: repeat less"
                ),
                None => format!("{key}: {error}"),
            })
        };
        pattern("regex", Some(&self.pattern))?;
        pattern("items", self.items.as_ref())?;
        pattern("path", self.path.as_ref())
    }
}

impl RuleSet {
    /// The rules, in the order of their ids ([`RuleId`] counts along it).
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The rules, to be changed by a test.
    #[cfg(test)]
    pub(crate) fn rules_mut(&mut self) -> &mut [Rule] {
        &mut self.rules
    }

    /// The rule of an id.
    ///
    /// # Panics
    /// When the id comes from another rule set.
    #[expect(clippy::indexing_slicing, clippy::as_conversions, reason = "ids index their own set")]
    pub fn get(&self, id: RuleId) -> &Rule {
        &self.rules[id.0 as usize]
    }

    /// `blake3:…` over all rule texts, so that two reports can be compared.
    pub fn hash(&self) -> &str {
        &self.hash
    }
}
