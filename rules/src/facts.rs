//! What the patterns of a rule say before any of them runs: with which literals matches begin, how long they are.
//!
//! A pattern is parsed for it. For the built-in rules that is done when this crate is built, because to parse
//! all of their patterns takes longer than to scan a small checkpoint; for the rules of users when they are read.

use regex_syntax::hir::literal::{ExtractKind, Extractor};
use regex_syntax::hir::{Class, Hir, HirKind};
use serde::{Deserialize, Serialize};

/// Shortest literal that is worth a look at every place it occurs.
pub const MIN_LITERAL: usize = 3;

/// Most literals of one rule.
const MAX_LITERALS: usize = 64;

/// Longest part of a literal that is searched for.
const LITERAL_LEN: usize = 16;

/// Shortest run that is a rule's.
const MIN_RUN: usize = 16;

/// Some bytes: ranges in their order, first and last byte of each.
pub type Ranges = Vec<(u8, u8)>;

/// A rule as it is written, as far as its patterns are meant.
#[derive(Debug, Clone)]
pub struct Written<'a> {
    /// The pattern of matches.
    pub regex: &'a str,
    /// The pattern of each value in one.
    pub items: Option<&'a str>,
    /// The pattern of paths.
    pub path: Option<&'a str>,
    /// Its keywords.
    pub keywords: Vec<&'a str>,
    /// Whether they are hexadecimal digits.
    pub is_hex: bool,
    /// What may stand before a keyword, in characters.
    pub before: Option<usize>,
    /// Whether it is a literal that it is looked for by.
    pub has_literals: bool,
}

/// What the patterns of a rule say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Characters of the shortest match, if one is known.
    pub shortest: Option<usize>,
    /// Characters of the longest match, if there is one.
    pub longest: Option<usize>,
    /// How many groups the pattern of values has.
    pub groups: usize,
    /// The number of its group `name`.
    pub name_group: Option<usize>,
    /// The literals that it is looked for by: its keywords, or those with one of which every match begins.
    #[serde(with = "letters")]
    pub literals: Option<Vec<Vec<u8>>>,
    /// Which bytes may follow those literals that are as short as may be; of one that is not here, any.
    pub followers: Vec<Follows>,
    /// Where matches are a class that is repeated an exact number of times, its bytes and how often.
    pub run: Option<(Ranges, usize)>,
}

/// A literal, and what may follow it.
pub type Follows = (Vec<u8>, Ranges);

/// Literals as strings with a letter for each byte: of numbers they would be a quarter of all that is read at the
/// start.
mod letters {
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    #[expect(clippy::ref_option, reason = "as serde calls it")]
    pub(super) fn serialize<S: Serializer>(
        literals: &Option<Vec<Vec<u8>>>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        let text = |bytes: &Vec<u8>| bytes.iter().copied().map(char::from).collect::<String>();
        let literals = literals.as_ref().map(|all| all.iter().map(text).collect::<Vec<_>>());
        literals.serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Vec<Vec<u8>>>, D::Error> {
        let literals: Option<Vec<String>> = Option::deserialize(from)?;
        let bytes = |text: String| {
            // Nearly all are plain text.
            if text.is_ascii() {
                return Ok(text.into_bytes());
            }
            text.chars().map(u8::try_from).collect::<Result<_, _>>().map_err(D::Error::custom)
        };
        literals.map(|all| all.into_iter().map(bytes).collect()).transpose()
    }
}

/// A pattern that is none.
#[derive(Debug, Clone)]
pub struct Fault {
    /// The key that it stands at.
    pub key: &'static str,
    /// What is wrong with it.
    pub error: Box<regex_syntax::Error>,
}

impl Facts {
    /// Those of a rule.
    ///
    /// # Errors
    /// When one of its patterns does not parse.
    pub fn of(rule: &Written<'_>) -> Result<Self, Fault> {
        let parsed = |key, pattern: &str| parse(pattern).map_err(|error| Fault { key, error });
        let hir = parsed("regex", rule.regex)?;
        let items = rule.items.map(|items| parsed("items", items)).transpose()?;
        rule.path.map(|path| parsed("path", path)).transpose()?;
        let with_groups = items.as_ref().unwrap_or(&hir);
        let literals = match (rule.has_literals, rule.keywords.as_slice()) {
            (false, _) => None,
            (true, []) => prefixes(&hir),
            (true, words) if rule.is_hex => words.iter().map(|word| bytes_of(word)).collect(),
            (true, words) => Some(words.iter().map(|word| word.as_bytes().to_vec()).collect()),
        };
        let is_at_start = rule.keywords.is_empty() || rule.before == Some(0);
        let found = literals.as_deref().unwrap_or_default();
        Ok(Self {
            shortest: hir.properties().minimum_len(),
            longest: hir.properties().maximum_len(),
            groups: with_groups.properties().explicit_captures_len(),
            name_group: group(with_groups, "name"),
            followers: followers(&hir, found, is_at_start),
            run: exact_run(&hir),
            literals,
        })
    }
}

/// The bytes that lower-case hexadecimal digits stand for.
fn bytes_of(digits: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = digits.as_bytes().as_chunks();
    let byte = |[high, low]: &[u8; 2]| Some(digit(*high)? << 4 | digit(*low)?);
    if rest.is_empty() { pairs.iter().map(byte).collect() } else { None }
}

/// What a pattern means: it matches bytes, and `.` is any of them but a line feed.
///
/// # Errors
/// When it is none.
pub fn parse(pattern: &str) -> Result<Hir, Box<regex_syntax::Error>> {
    let mut syntax = regex_syntax::ParserBuilder::new();
    syntax.unicode(false).utf8(false).build().parse(pattern).map_err(Box::new)
}

/// Literals with one of which every match begins; `None` when there is no usable set.
pub fn prefixes(hir: &Hir) -> Option<Vec<Vec<u8>>> {
    let mut extractor = Extractor::new();
    extractor.kind(ExtractKind::Prefix).limit_total(MAX_LITERALS).limit_literal_len(LITERAL_LEN);
    let mut seq = extractor.extract(hir);
    seq.minimize_by_preference();
    let literals = seq.literals()?;
    let usable = !literals.is_empty()
        && literals.len() <= MAX_LITERALS
        && literals.iter().all(|literal| literal.as_bytes().len() >= MIN_LITERAL);
    usable.then(|| {
        let mut found: Vec<Vec<u8>> =
            literals.iter().map(|literal| literal.as_bytes().to_vec()).collect();
        found.sort();
        found.dedup();
        found
    })
}

/// For each literal no longer than [`MIN_LITERAL`], which bytes may follow it; a literal that any byte may
/// follow is left out. Unless matches begin with the literals, they are those of a later part of the pattern.
pub fn followers(hir: &Hir, literals: &[Vec<u8>], is_at_start: bool) -> Vec<Follows> {
    let is_short = |literal: &&Vec<u8>| literal.len() == MIN_LITERAL;
    if !literals.iter().any(|literal| is_short(&literal)) {
        return Vec::new();
    }
    let from = if is_at_start { Some(hir.clone()) } else { begins_at(hir, literals) };
    let Some(from) = from else {
        return Vec::new();
    };
    let short = literals.iter().filter(is_short);
    short.filter_map(|it| Some((it.clone(), ranges(&follow(&from, it)?)))).collect()
}

/// The bytes of a table.
fn ranges(table: &[bool; 256]) -> Ranges {
    let mut ranges: Ranges = Vec::new();
    for (byte, _) in (0..=u8::MAX).zip(table).filter(|(_, is)| **is) {
        match ranges.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(byte) => *last = byte,
            _ => ranges.push((byte, byte)),
        }
    }
    ranges
}

/// Which bytes may follow `literal`, with which matches of `hir` begin; `None` if a match may end there.
pub fn follow(hir: &Hir, literal: &[u8]) -> Option<[bool; 256]> {
    let mut following = [false; 256];
    let ends = walk(hir, literal, 1, &mut following);
    // Where nothing follows, the literal is not what matches begin with: nothing is known then.
    let is_known = ends >> literal.len() & 1 == 0 && following.contains(&true);
    is_known.then_some(following)
}

/// Reads on in a literal, of which as many bytes have been read as `from` has bits for, by what a part of a
/// pattern takes; gives how many have been read then. What is taken behind its end is put down.
fn walk(hir: &Hir, literal: &[u8], from: u32, following: &mut [bool; 256]) -> u32 {
    let mut take = |read: u32, is_taken: &dyn Fn(u8) -> bool| {
        let mut next = 0;
        for at in (0..=literal.len()).filter(|at| read >> at & 1 != 0) {
            match literal.get(at) {
                Some(byte) if is_taken(*byte) => next |= 1 << (at + 1),
                Some(_) => {}
                None => {
                    for (byte, follows) in (0..=u8::MAX).zip(following.iter_mut()) {
                        *follows |= is_taken(byte);
                    }
                }
            }
        }
        next
    };
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => from,
        HirKind::Literal(bytes) => {
            bytes.0.iter().fold(from, |read, byte| take(read, &|other| other == *byte))
        }
        HirKind::Class(Class::Bytes(class)) => {
            let has = |byte| class.iter().any(|it| (it.start()..=it.end()).contains(&byte));
            take(from, &has)
        }
        // Alternatives of single characters are such a class too.
        HirKind::Class(Class::Unicode(class)) => {
            let is_ascii = class.maximum_len() == Some(1);
            let has = |byte| {
                let holds = |byte| class.iter().any(|it| (it.start()..=it.end()).contains(&byte));
                !is_ascii || holds(char::from(byte))
            };
            take(from, &has)
        }
        HirKind::Capture(capture) => walk(&capture.sub, literal, from, following),
        HirKind::Concat(parts) => {
            parts.iter().fold(from, |read, part| walk(part, literal, read, following))
        }
        HirKind::Alternation(parts) => {
            parts.iter().fold(0, |all, part| all | walk(part, literal, from, following))
        }
        HirKind::Repetition(repetition) => {
            // More often than the literal has bytes changes nothing.
            let most = u32::try_from(literal.len() + 1).unwrap_or(u32::MAX);
            let least = repetition.min.min(most);
            let mut read = from;
            let mut ends = if least == 0 { from } else { 0 };
            for time in 1..=repetition.max.unwrap_or(most).min(most) {
                read = walk(&repetition.sub, literal, read, following);
                ends |= if time >= least { read } else { 0 };
            }
            ends
        }
    }
}

/// The part of a pattern that begins with one of these literals, which were taken from it.
fn begins_at(hir: &Hir, literals: &[Vec<u8>]) -> Option<Hir> {
    let is = |hir: &Hir| prefixes(hir).is_some_and(|found| found == literals);
    if is(hir) {
        return Some(hir.clone());
    }
    let HirKind::Concat(parts) = hir.kind() else { return None };
    let mut rests =
        (1..parts.len()).map(|from| Hir::concat(parts.iter().skip(from).cloned().collect()));
    rests.find(is)
}

/// Number of the group of that name.
fn group(hir: &Hir, name: &str) -> Option<usize> {
    match hir.kind() {
        HirKind::Capture(capture) if capture.name.as_deref() == Some(name) => {
            usize::try_from(capture.index).ok()
        }
        HirKind::Capture(capture) => group(&capture.sub, name),
        HirKind::Repetition(repetition) => group(&repetition.sub, name),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().find_map(|part| group(part, name))
        }
        HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) | HirKind::Look(_) => None,
    }
}

/// Class and length of a pattern that is one class, repeated an exact number of times.
pub fn exact_run(hir: &Hir) -> Option<(Ranges, usize)> {
    let HirKind::Repetition(repetition) = hir.kind() else { return None };
    let len = usize::try_from(repetition.min).ok()?;
    if repetition.max != Some(repetition.min) || len < MIN_RUN {
        return None;
    }
    let HirKind::Class(Class::Bytes(class)) = repetition.sub.kind() else { return None };
    Some((class.iter().map(|range| (range.start(), range.end())).collect(), len))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_follow_a_literal() {
        let follow = |pattern: &str| {
            let following = follow(&parse(pattern).unwrap(), b"abc")?;
            let bytes = (0..=u8::MAX).filter(|byte| following[usize::from(*byte)]);
            Some(bytes.map(char::from).collect::<String>())
        };
        assert_eq!(follow("abc[xy]z").as_deref(), Some("xy"));
        assert_eq!(follow("(?:abc|abd)(?:x{2}|y?z)").as_deref(), Some("xyz"));
        assert_eq!(follow("a[bc]{2}x").as_deref(), Some("x"));
        assert_eq!(follow("abcx*"), None, "a match may end there");
        assert_eq!(follow("q=abcx"), None, "no match begins with it");
    }
}
