//! Patterns of other scanners, made fit for memory.
//!
//! They were written for source code and ask for a quote, a blank or the end of a line beside a
//! value. In memory a NUL or a pointer stands there: the text that a rule sees just ends. So what
//! closes or opens a pattern may also be the end of that text. And where a value begins with a
//! literal of its own and has one length, what stands beside it decides nothing: the borders are
//! left out, and a neighbour of the same alphabet lowers the confidence, as for our own rules.

use std::ops::RangeInclusive;

use regex_syntax::hir::{
    Capture, Class, ClassBytesRange, ClassUnicodeRange, Hir, HirKind, Look, Repetition,
};

use cryoscan_rules::facts;

/// Bytes of the literal at the start of a value that needs no border.
const TELLING: usize = 4;

/// A pattern with its borders relaxed.
#[derive(Debug)]
pub(super) struct Relaxed {
    pub hir: Hir,
    /// Whether the value is a group that was put around the pattern, the only one in it.
    pub has_group: bool,
    /// Whether the value is all of the match now.
    pub is_whole: bool,
    /// Whether borders of the pattern still decide.
    pub is_bordered: bool,
}

/// Relaxes the borders of a pattern whose value is the group `value`, or all of it.
pub(super) fn relax(hir: &Hir, value: Option<u32>) -> Relaxed {
    let parts = parts(hir);
    let is_edge = |part: &&Hir| is_border(part, value);
    let tail = parts.iter().rev().take_while(is_edge).count();
    let head = parts.iter().take_while(is_edge).count();
    if head == parts.len() {
        return plain(hir.clone());
    }
    let (before, rest) = parts.split_at(head);
    let (core, after) = rest.split_at(rest.len().saturating_sub(tail));
    let has_groups = hir.properties().explicit_captures_len() > 0;
    let inner = match core {
        [one] => unwrap(one, value),
        _ => None,
    };
    let body = inner.cloned().unwrap_or_else(|| Hir::concat(core.to_vec()));
    // The value is all that stands between the borders.
    let is_all = inner.is_some() || is_group(core, value) || value.is_none();
    let starts = facts::prefixes(&body).filter(|_| is_all);
    let is_telling = starts.is_some_and(|all| all.iter().all(|literal| literal.len() >= TELLING));
    let lengths = body.properties();
    let is_fixed =
        lengths.minimum_len().is_some() && lengths.minimum_len() == lengths.maximum_len();
    let is_whole = inner.is_some() || !has_groups;
    if is_telling && (is_fixed || after.is_empty()) {
        return Relaxed { hir: body, has_group: false, is_whole, is_bordered: false };
    }
    let start = if is_telling { Hir::empty() } else { opened(before) };
    let is_bordered = !after.is_empty();
    if is_whole {
        let is_text = before.iter().chain(after).any(|part| !is_zero_width(part));
        // Borders that are characters are no part of the value.
        let body = if is_text {
            Hir::capture(Capture { index: 1, name: None, sub: Box::new(body) })
        } else {
            body
        };
        let hir = Hir::concat(vec![start, body, closed(after)]);
        return Relaxed { hir, has_group: is_text, is_whole: !is_text, is_bordered };
    }
    let core = match core {
        // Borders in each branch.
        [one] => branches(one, value),
        _ => Hir::concat(core.to_vec()),
    };
    let hir = Hir::concat(vec![start, core, closed(after)]);
    Relaxed { hir, has_group: false, is_whole: false, is_bordered }
}

fn plain(hir: Hir) -> Relaxed {
    Relaxed { hir, has_group: false, is_whole: false, is_bordered: true }
}

/// The branches of an alternation, each with its borders relaxed.
fn branches(hir: &Hir, value: Option<u32>) -> Hir {
    let HirKind::Alternation(all) = hir.kind() else { return hir.clone() };
    Hir::alternation(
        all.iter()
            .map(|branch| {
                let parts = parts(branch);
                let is_edge = |part: &&Hir| is_border(part, value);
                let tail = parts.iter().rev().take_while(is_edge).count();
                let head = parts.iter().take_while(is_edge).count();
                if head == parts.len() {
                    return branch.clone();
                }
                let (before, rest) = parts.split_at(head);
                let (core, after) = rest.split_at(rest.len().saturating_sub(tail));
                Hir::concat(vec![opened(before), Hir::concat(core.to_vec()), closed(after)])
            })
            .collect(),
    )
}

/// Whether some parts are the group of the value and nothing else.
fn is_group(parts: &[Hir], value: Option<u32>) -> bool {
    let [one] = parts else { return false };
    matches!(one.kind(), HirKind::Capture(capture) if Some(capture.index) == value)
}

/// The parts of a pattern in their order.
pub(super) fn parts(hir: &Hir) -> Vec<Hir> {
    if let HirKind::Concat(parts) = hir.kind() { parts.clone() } else { vec![hir.clone()] }
}

/// What is in the group of the value, if `hir` is that and holds no others.
fn unwrap(hir: &Hir, value: Option<u32>) -> Option<&Hir> {
    let HirKind::Capture(capture) = hir.kind() else { return None };
    let is_value = value.is_some_and(|value| value == capture.index);
    let is_only = capture.sub.properties().explicit_captures_len() == 0;
    (is_value && is_only).then_some(&capture.sub)
}

/// What opens a match, or the start of the text.
fn opened(parts: &[Hir]) -> Hir {
    if parts.is_empty() {
        return Hir::empty();
    }
    or(Hir::concat(parts.to_vec()), Look::Start)
}

/// What closes a match, or the end of the text.
fn closed(parts: &[Hir]) -> Hir {
    if parts.is_empty() {
        return Hir::empty();
    }
    or(Hir::concat(parts.to_vec()), Look::End)
}

fn or(border: Hir, look: Look) -> Hir {
    Hir::alternation(vec![border, Hir::look(look)])
}

fn is_zero_width(hir: &Hir) -> bool {
    hir.properties().maximum_len() == Some(0)
}

/// Whether a part of a pattern only says what stands beside a value: assertions, and characters that
/// are in no token.
fn is_border(hir: &Hir, value: Option<u32>) -> bool {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => true,
        HirKind::Class(Class::Bytes(class)) => {
            let range = |range: &ClassBytesRange| range.start().into()..=range.end().into();
            is_border_class(&class.iter().map(range).collect::<Vec<_>>())
        }
        HirKind::Class(Class::Unicode(class)) => {
            let range = |range: &ClassUnicodeRange| range.start().into()..=range.end().into();
            is_border_class(&class.iter().map(range).collect::<Vec<_>>())
        }
        HirKind::Literal(literal) => {
            literal.0.iter().copied().all(is_outside) && literal.0.len() == 1
        }
        HirKind::Repetition(Repetition { sub, .. }) => is_border(sub, value),
        HirKind::Capture(capture) => value != Some(capture.index) && is_border(&capture.sub, value),
        HirKind::Alternation(all) => all.iter().all(|one| is_border(one, value) || is_escape(one)),
        HirKind::Concat(all) => all.iter().all(|one| is_border(one, value)),
    }
}

/// Whether a class holds characters that can be in no token, and no digits, which nearly all tokens
/// may have.
fn is_border_class(ranges: &[RangeInclusive<u32>]) -> bool {
    let has = |wanted: fn(u8) -> bool| {
        let mut bytes = (0..=u8::MAX).filter(|byte| wanted(*byte)).map(u32::from);
        bytes.any(|byte| ranges.iter().any(|range| range.contains(&byte)))
    };
    has(is_outside) && !has(|byte| byte.is_ascii_digit())
}

/// Whether a byte can be in no token.
fn is_outside(byte: u8) -> bool {
    !(byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'+' | b'/' | b'='))
}

/// A backslash and a letter, as a line end is written in a string.
fn is_escape(hir: &Hir) -> bool {
    let HirKind::Concat(all) = hir.kind() else {
        return matches!(hir.kind(), HirKind::Literal(literal) if matches!(*literal.0, [b'\\', _]));
    };
    let [slash, letter] = all.as_slice() else { return false };
    let is_slash = matches!(slash.kind(), HirKind::Literal(literal) if *literal.0 == *b"\\");
    is_slash && letter.properties().maximum_len() == Some(1)
}

/// Takes what Go's patterns may have and Rust's may not: braces and brackets that stand for
/// themselves; and comments in groups, which hyperscan knows.
pub(super) fn in_our_syntax(pattern: &str) -> String {
    let mut made = String::with_capacity(pattern.len());
    let mut rest = pattern;
    let mut in_class = false;
    while let Some(c) = rest.chars().next() {
        let (sign, behind) = rest.split_at(c.len_utf8());
        if c == '\\' {
            let len = behind.chars().next().map_or(0, char::len_utf8);
            let (escaped, behind) = behind.split_at(len);
            made.push('\\');
            made.push_str(escaped);
            rest = behind;
            continue;
        }
        rest = behind;
        if in_class {
            let is_operator = matches!(c, '&' | '~' | '-') && behind.starts_with(c);
            if is_operator || (c == '[' && !behind.starts_with(':')) {
                made.push('\\');
            } else if c == '[' {
                let Some((name, behind)) = behind.split_once(":]") else { continue };
                made.push('[');
                made.push_str(name);
                made.push_str(":]");
                rest = behind;
                continue;
            }
            in_class = c != ']';
            made.push_str(sign);
        } else if c == '[' {
            in_class = true;
            made.push('[');
            // A bracket that comes first stands for itself.
            for first in ["^", "]"] {
                if let Some(behind) = rest.strip_prefix(first) {
                    made.push_str(if first == "]" { "\\]" } else { first });
                    rest = behind;
                }
            }
        } else if let Some(comment) = rest.strip_prefix("?#").filter(|_| c == '(') {
            rest = comment.split_once(')').map_or("", |(_, behind)| behind);
        } else {
            let is_count = behind.split_once('}').is_some_and(|(count, _)| {
                count.starts_with(|c: char| c.is_ascii_digit())
                    && count.chars().all(|c| c.is_ascii_digit() || c == ',')
            });
            if c == '{' && !is_count {
                made.push('\\');
            }
            made.push_str(sign);
        }
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::pattern;

    fn hir(pattern: &str) -> Hir {
        regex_automata::util::syntax::parse_with(pattern, &pattern::byte_syntax()).unwrap()
    }

    /// What the relaxed pattern finds in a text: all of the match, or its first group.
    fn found(pattern: &str, text: &str) -> Option<String> {
        let written = hir(pattern);
        let group = (written.properties().explicit_captures_len() > 0).then_some(1);
        let relaxed = relax(&written, group);
        let regex = pattern::build(&relaxed.hir.to_string()).unwrap();
        let mut captures = regex.create_captures();
        regex.captures(text, &mut captures);
        let index = usize::from(!relaxed.is_whole && (relaxed.has_group || group.is_some()));
        Some(text.get(captures.get_group(index)?.range()).unwrap().to_owned())
    }

    /// A closing or opening border may be the end of the text, of every form that scanners use.
    #[test]
    fn what_closes_a_pattern_may_be_the_end_of_the_text() {
        for closing in [
            "",
            r"\b",
            "$",
            r"[^0-9a-z]",
            r#"(?:['"\s;]|$)"#,
            r#"(?:[\x60'"\s;]|\\[nr]|$)"#,
            r#"['"\s\x60;]"#,
            r#"['|\"|\n|\r|\s|\x60|;]"#,
            r#"\s*["']"#,
            r#"(?:"|')"#,
            r"\s",
            r"[,;]?\b",
            ">",
        ] {
            for pattern in [
                format!("acme[=:]([0-9a-z]{{20,30}}){closing}"),
                format!("(?i)acme.{{0,9}}[=:]([0-9a-z]{{20}}){closing}"),
            ] {
                let value = "a1".repeat(10);
                let text = format!("acme={value}");
                assert_eq!(found(&pattern, &text).as_ref(), Some(&value), "{pattern}");
            }
        }
        for opening in [r"\b", "^", r#"["'\s]"#, r"(?:^|[^0-9a-z])", r"(?:\A|\W)"] {
            let pattern = format!("{opening}([0-9a-f]{{40}})@acme");
            let value = "a1".repeat(20);
            let text = format!("{value}@acme");
            assert_eq!(found(&pattern, &text), Some(value), "{pattern}");
        }
    }

    /// The border still decides in the middle of a text: a longer run of characters is no value.
    #[test]
    fn a_border_still_decides_inside_of_a_text() {
        for closing in [r"\b", r#"(?:['"\s;]|$)"#, r#"['"]"#, "[^0-9a-f]"] {
            let pattern = format!("acme[=:]([0-9a-f]{{32}}){closing}");
            let text = format!("acme={} x", "a1".repeat(32));
            assert_eq!(found(&pattern, &text), None, "{pattern}");
        }
        let pattern = r#"token = ([\w.=-]{10,150})(?:['"\s;]|$)"#;
        assert_eq!(found(pattern, "token = config.load(x)"), None, "a call is no value");
    }

    /// A value that begins with its own literal and has one length is found between any neighbours.
    #[test]
    fn a_value_that_tells_itself_needs_no_border() {
        let value = format!("acme_{}", "a1".repeat(10));
        for pattern in [
            r"\bacme_[0-9a-z]{20}\b",
            r"\b(acme_[0-9a-z]{20})\b",
            r#"(?:^|[\s"])(acme_[0-9a-z]{20})(?:["\s]|$)"#,
            r#"['"]acme_[0-9a-z]{20}['"]"#,
        ] {
            for text in [value.clone(), format!("x{value}Vx"), format!("\"{value}\"")] {
                assert_eq!(found(pattern, &text).as_ref(), Some(&value), "{pattern} {text}");
            }
        }
        let open = r"\b(acme_[0-9a-z]{20,40})\b";
        assert_eq!(found(open, &format!("x{value}")), Some(value.clone()), "its start is known");
        assert_eq!(found(open, &format!("{value}V.")), None, "its end is not");
    }

    #[test]
    fn borders_in_the_branches_of_an_alternation() {
        let pattern = r#"(?:"key":"([0-9]{9})"|key=([0-9]{9})[;,])"#;
        assert_eq!(found(pattern, "\"key\":\"123456789").as_deref(), Some("123456789"));
    }

    /// The value is what stands between the borders, not the quote behind it.
    #[test]
    fn a_border_is_no_part_of_a_value_without_a_group() {
        let pattern = r#"acme=[0-9a-z]{8,20}["\s]"#;
        assert_eq!(found(pattern, "acme=12345678\" x").as_deref(), Some("acme=12345678"));
    }

    #[test]
    fn what_go_takes_and_rust_does_not() {
        for (theirs, ours) in [
            (r"^\$(?:\d+|{\d+})$", r"^\$(?:\d+|\{\d+})$"),
            (r"a{2}b{2,}c{2,3}{x}", r"a{2}b{2,}c{2,3}\{x}"),
            (r"[[a-z][:]]", r"[\[a-z][:]]"),
            (r"[[:alnum:]_-]", r"[[:alnum:]_-]"),
            (r"[a&&b--c~~d]", r"[a\&&b\--c\~~d]"),
            (r"[]a]{3}", r"[\]a]{3}"),
            (r"[^]a]", r"[^\]a]"),
            (r"\[{\\{", r"\[\{\\\{"),
            ("ab(?# a comment )c", "abc"),
        ] {
            assert_eq!(in_our_syntax(theirs), ours, "{theirs}");
            hir(&in_our_syntax(theirs).replace("[:]]", "x]"));
        }
    }
}
