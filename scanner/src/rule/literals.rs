//! The literals with which candidates are found, taken from a rule's pattern.

use regex_syntax::hir::literal::{ExtractKind, Extractor};
use regex_syntax::hir::{Class, Hir, HirKind};

use super::model::{Anchor, Rule};

/// Shortest literal that is worth a look at every place it occurs.
const MIN_LITERAL: usize = 3;

/// Most literals of one rule.
const MAX_LITERALS: usize = 64;

/// Most characters of a match before the literal that is searched for.
const MOST_BEFORE: usize = 1 << 10;

/// Longest part of a literal that is searched for.
const LITERAL_LEN: usize = 16;

/// Literals with one of which every match begins; `None` when there is no usable set.
pub(super) fn prefixes(hir: &Hir) -> Option<Vec<Vec<u8>>> {
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

/// Literals of which one stands in every match, and the most characters before it: those with the
/// longest literals, of the parts of the pattern that stand in a row. `None` if there are none so
/// near to the start that a search can begin there.
pub(super) fn inside(hir: &Hir) -> Option<(Vec<Vec<u8>>, usize)> {
    let HirKind::Concat(parts) = hir.kind() else { return None };
    let mut before = 0_usize;
    let mut best: Option<(usize, Vec<Vec<u8>>, usize)> = None;
    for (index, part) in parts.iter().enumerate() {
        let rest = Hir::concat(parts.get(index..).unwrap_or_default().to_vec());
        if let Some(found) = prefixes(&rest) {
            let shortest = found.iter().map(Vec::len).min().unwrap_or_default();
            if best.as_ref().is_none_or(|(len, ..)| shortest > *len) {
                best = Some((shortest, found, before));
            }
        }
        let Some(longest) = part.properties().maximum_len() else { break };
        before = before.saturating_add(longest);
        if before > MOST_BEFORE {
            break;
        }
    }
    best.map(|(_, found, before)| (found, before))
}

/// For each literal of a rule that is no longer than [`MIN_LITERAL`], which bytes may follow it; a literal
/// that any byte may follow is left out.
pub(crate) fn followers(rule: &Rule) -> Vec<(&[u8], [bool; 256])> {
    let is_short = |literal: &&Vec<u8>| literal.len() == MIN_LITERAL;
    let is_in_pattern = matches!(rule.anchor, Anchor::Prefix | Anchor::Inside);
    if !is_in_pattern || !rule.literals.iter().any(|literal| is_short(&literal)) {
        return Vec::new();
    }
    let hir = rule.pattern.hir();
    let from =
        if rule.before == 0 { hir } else { hir.and_then(|hir| begins_at(hir, &rule.literals)) };
    let Some(from) = from else {
        return Vec::new();
    };
    let short = rule.literals.iter().filter(is_short);
    short.filter_map(|literal| Some((literal.as_slice(), follow(&from, literal)?))).collect()
}

/// Which bytes may follow `literal`, with which matches of `hir` begin; `None` if a match may end there.
fn follow(hir: &Hir, literal: &[u8]) -> Option<[bool; 256]> {
    let mut following = [false; 256];
    let ends = walk(hir, literal, 1, &mut following);
    // Where nothing follows, the literal is not what matches begin with: nothing is known then.
    let is_known = ends >> literal.len() & 1 == 0 && following.contains(&true);
    is_known.then_some(following)
}

/// With which bytes matches of `hir` may begin; `None` if a match may be empty.
pub(super) fn first_bytes(hir: &Hir) -> Option<[bool; 256]> {
    follow(hir, &[])
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
fn begins_at(hir: Hir, literals: &[Vec<u8>]) -> Option<Hir> {
    let is = |hir: &Hir| prefixes(hir).is_some_and(|found| found == literals);
    if is(&hir) {
        return Some(hir);
    }
    let HirKind::Concat(parts) = hir.kind() else { return None };
    let mut rests =
        (1..parts.len()).map(|from| Hir::concat(parts.iter().skip(from).cloned().collect()));
    rests.find(is)
}

/// Number of the group of that name.
pub(super) fn group(hir: &Hir, name: &str) -> Option<usize> {
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
pub(super) fn exact_run(hir: &Hir) -> Option<([bool; 256], usize)> {
    let HirKind::Repetition(repetition) = hir.kind() else { return None };
    let len = usize::try_from(repetition.min).ok()?;
    if repetition.max != Some(repetition.min) || len < 16 {
        return None;
    }
    let HirKind::Class(Class::Bytes(class)) = repetition.sub.kind() else { return None };
    let mut table = [false; 256];
    for range in class.iter() {
        for byte in range.start()..=range.end() {
            table[usize::from(byte)] = true;
        }
    }
    Some((table, len))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_follow_a_literal() {
        let follow = |pattern: &str| {
            let syntax = super::super::pattern::byte_syntax();
            let hir = regex_automata::util::syntax::parse_with(pattern, &syntax).unwrap();
            let following = follow(&hir, b"abc")?;
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
