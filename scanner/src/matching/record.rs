//! What is assigned to a name in binary records, where name and value lie behind each other and each says
//! how long it is: hashes of Redis, BSON, MessagePack, CBOR.
//!
//! Every byte that tells a length must agree on both sides, so that text is never taken for a record.

use std::collections::VecDeque;
use std::ops::Range;

use zeroize::Zeroizing;

use super::assignment::{self, Value};
use super::confirm::{self, Confirmed, Run};
use super::search::WHOLE;
use crate::check::{Confidence, Outcome};
use crate::rule::{Anchor, Keywords, Rule};

/// Bytes before a pair in which its map may begin.
const MAP: usize = 512;

/// Items of a map that are stepped over on the way to a pair.
const ITEMS: usize = 64;

/// Bytes of a value that is looked at: every window shows as much behind a name, and the look at it is short.
const LONGEST: usize = 32 << 10;

/// A name and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pair {
    name: Range<usize>,
    value: Range<usize>,
    layout: &'static str,
}

/// Where the name that starts at an offset ends, and where its value lies.
type Form = fn(&[u8], usize) -> Option<(usize, Range<usize>)>;

/// Sources: Redis, `src/listpack.c` and `src/ziplist.c`; bsonspec.org, version 1.1; the specification of
/// MessagePack. CBOR (RFC 8949) is told by its map only.
const FORMS: &[(&str, Form)] = &[LISTPACK, ZIPLIST, BSON, MESSAGE_PACK];
const LISTPACK: (&str, Form) = ("redis listpack", listpack);
const ZIPLIST: (&str, Form) = ("redis ziplist", ziplist);
const BSON: (&str, Form) = ("bson", bson);
const MESSAGE_PACK: (&str, Form) = ("messagepack", message_pack);

/// The match of `rule` in one of `pairs`, in whose name a keyword's literal stands at `at`. The span is that
/// in `bytes`.
pub(super) fn judge(
    rule: &Rule,
    bytes: &[u8],
    pairs: &[Pair],
    at: usize,
    path: &str,
) -> Option<Confirmed> {
    let Anchor::Assignment(keywords) = &rule.anchor else { return None };
    find(bytes, pairs, at, keywords, |pair| {
        let value = bytes.get(pair.value.clone()).filter(|value| value.len() <= rule.max_len)?;
        // Checks ask for quotes where a value is known to be all of a string.
        let text = Zeroizing::new([b"\"", value, b"\""].concat());
        let run = Run { text: &text, cut: WHOLE, path };
        let value = Value { span: 1..text.len() - 1, is_bounded: true };
        let name = bytes.get(pair.name.clone())?;
        let found = confirm::assigned(rule, run, &value, name)?;
        let mut confirmed = confirm::judge(rule, run, found).ok()?;
        let span = &confirmed.span;
        confirmed.span = pair.value.start + span.start - 1..pair.value.start + span.end - 1;
        if confirmed.grounds.evidence.iter().all(|evidence| evidence.outcome != Outcome::Weak) {
            confirmed.confidence = confirmed.confidence.max(Confidence::Medium);
        }
        confirmed.add_layout(pair.layout);
        Some(confirmed)
    })
}

/// Where maps of CBOR may begin shortly before the places that are looked at, which come in order.
#[derive(Debug, Default)]
pub(super) struct Maps {
    starts: VecDeque<usize>,
    seen: usize,
}

impl Maps {
    /// Looks at what is before `at`.
    pub(super) fn see(&mut self, bytes: &[u8], at: usize) {
        let least = at.saturating_sub(MAP + assignment::NAME);
        while self.starts.pop_front_if(|start| *start < least).is_some() {}
        let from = self.seen.max(least);
        let new = bytes.get(from..at).unwrap_or_default();
        let is_head = |byte: u8| matches!(byte, 0xa1..=0xb8 | 0xbf);
        for (bytes, at) in new.chunks(32).zip((from..).step_by(32)) {
            // A fold without an early end is what compilers make vectors of: nearly all text is ASCII.
            if bytes.iter().fold(false, |any, byte| any | is_head(*byte)) {
                let heads = bytes.iter().zip(at..).filter(|(byte, _)| is_head(**byte));
                self.starts.extend(heads.map(|(_, at)| at));
            }
        }
        self.seen = self.seen.max(at);
    }

    /// Whether one of them has a key there.
    fn have_key(&self, bytes: &[u8], key: usize) -> bool {
        let near = key.saturating_sub(MAP)..key;
        let mut starts = self.starts.iter().rev().filter(|start| near.contains(start));
        starts.any(|start| has_key(bytes, *start, key))
    }
}

/// Adds every pair whose name covers `at`, where a row of letters, digits, `-` and `_` stands that begins at
/// `row` or before the name. Nearly everywhere there is none, whatever the rule.
pub(super) fn pairs(bytes: &[u8], at: usize, row: usize, maps: &Maps, pairs: &mut Vec<Pair>) {
    let least = at.saturating_sub(assignment::NAME);
    let row = row.clamp(least, at);
    let before = bytes.get(least..row).unwrap_or_default().iter().rev();
    let first = row - before.take_while(|byte| assignment::is_name(**byte)).count();
    let mut put = |start: usize, end: usize, value: Range<usize>, layout| {
        if end > at && value.len() <= LONGEST && is_text(bytes, &value) {
            pairs.push(Pair { name: start..end, value, layout });
        }
    };
    let is_named = |name: Range<usize>| {
        bytes.get(name).is_some_and(|name| name.iter().all(|byte| assignment::is_name(*byte)))
    };
    let may_be_map = !maps.starts.is_empty();
    // Without a byte that may tell a length in its middle, a name begins where its characters do.
    let here = bytes.get(first..at).unwrap_or_default();
    let is_length = |byte: u8| matches!(byte, b'0'..=b'9' | b'-' | b'.');
    let may_be_inside = here.iter().fold(false, |any, byte| any | is_length(*byte));
    let last = if may_be_map || may_be_inside { at } else { at.min(first + 1) };
    // A byte before the name that tells its length may be of a name too.
    for start in (first..=last).rev() {
        for (layout, form) in forms(bytes, start) {
            if let Some((end, value)) = form(bytes, start) {
                put(start, end, value, layout);
            }
        }
        if may_be_map
            && let Some((key, end, value)) = cbor(bytes, start)
            && end > at
            && maps.have_key(bytes, key)
            && is_named(at..end)
            && is_text(bytes, &value)
        {
            put(start, end, value, "cbor");
        }
    }
}

/// The forms that a name which starts there may have: told by the bytes before it, of which few are of names.
fn forms(bytes: &[u8], start: usize) -> &'static [(&'static str, Form)] {
    match (back(bytes, start, 2), back(bytes, start, 1)) {
        (Some(0xd9), _) => FORMS,
        (_, Some(2)) => &[ZIPLIST, BSON],
        (_, Some(1..0x40)) => &[ZIPLIST],
        (_, Some(0x80..0xa0)) => &[LISTPACK],
        (_, Some(0xa0..0xc0)) => &[LISTPACK, MESSAGE_PACK],
        _ => &[],
    }
}

/// The first pair that `take` wants of those whose name holds one of `keywords`, with its literal at `at`.
fn find<T>(
    bytes: &[u8],
    pairs: &[Pair],
    at: usize,
    keywords: &Keywords,
    mut take: impl FnMut(&Pair) -> Option<T>,
) -> Option<T> {
    for keyword in keywords.at(bytes, at).iter().filter(|keyword| !keyword.is_flag) {
        let Some(word) = keyword.find(bytes, at) else { continue };
        for pair in pairs {
            if pair.name.start <= word.start
                && pair.name.end >= word.end
                && assignment::is_named(bytes, keyword, &word, &pair.name)
                && let Some(taken) = take(pair)
            {
                return Some(taken);
            }
        }
    }
    None
}

fn is_text(bytes: &[u8], value: &Range<usize>) -> bool {
    let text = bytes.get(value.clone()).and_then(|value| std::str::from_utf8(value).ok());
    text.is_some_and(|text| !text.is_empty() && !text.chars().any(char::is_control))
}

fn byte(bytes: &[u8], at: usize) -> Option<u8> {
    bytes.get(at).copied()
}

/// The byte so far before `at`.
fn back(bytes: &[u8], at: usize, by: usize) -> Option<u8> {
    byte(bytes, at.checked_sub(by)?)
}

/// The number in some bytes, the highest first.
fn big(bytes: &[u8], at: usize, len: usize) -> Option<usize> {
    let mut number = bytes.get(at..at.checked_add(len)?)?.iter();
    number.try_fold(0_usize, |number, byte| Some(number.checked_mul(256)? + usize::from(*byte)))
}

/// The number in four bytes, the lowest first.
fn little(bytes: &[u8], at: usize) -> Option<usize> {
    let word: [u8; 4] = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
    usize::try_from(u32::from_le_bytes(word)).ok()
}

/// The string of so many bytes behind a head of so many.
fn string(at: usize, head: usize, len: usize) -> Option<Range<usize>> {
    let start = at.checked_add(head)?;
    Some(start..start.checked_add(len)?)
}

/// Entries that say their length in front, by kind of encoding, and behind, for the way back.
fn listpack(bytes: &[u8], start: usize) -> Option<(usize, Range<usize>)> {
    let head = back(bytes, start, 1).filter(|head| head & 0xc0 == 0x80)?;
    let end = start + usize::from(head & 0x3f);
    if usize::from(byte(bytes, end)?) != end - start + 1 {
        return None;
    }
    let at = end + 1;
    let head = byte(bytes, at)?;
    let value = match head {
        0x80..=0xbf => string(at, 1, usize::from(head & 0x3f)),
        0xe0..=0xef => string(at, 2, big(bytes, at, 2)? & 0xfff),
        0xf0 => string(at, 5, little(bytes, at + 1)?),
        _ => None,
    }?;
    // Seven bits a byte, the highest first, all but the first marked.
    let entry = value.end - at;
    let groups = [entry >> 14, entry >> 7, entry];
    let skipped = groups.iter().take(2).take_while(|group| **group == 0).count();
    let is_told = groups.iter().skip(skipped).enumerate().all(|(index, group)| {
        let mark = if index == 0 { 0 } else { 0x80 };
        byte(bytes, value.end + index).map(usize::from) == Some(group & 0x7f | mark)
    });
    (is_told && entry >> 21 == 0).then_some((end, value))
}

/// Entries that say the length of the one before, and their own.
fn ziplist(bytes: &[u8], start: usize) -> Option<(usize, Range<usize>)> {
    let head = back(bytes, start, 1).filter(|head| (1..0x40).contains(head))?;
    let end = start + usize::from(head);
    // The name's own entry says the length of what is before it in one byte or in five.
    let before = byte(bytes, end).map(usize::from)?;
    let is_wide = back(bytes, start, 6) == Some(0xfe) && before == end - start + 6;
    if !is_wide && before != end - start + 2 {
        return None;
    }
    let at = end + 1;
    let head = byte(bytes, at)?;
    let value = match head >> 6 {
        0 => string(at, 1, usize::from(head)),
        1 => string(at, 2, big(bytes, at, 2)? & 0x3fff),
        _ if head == 0x80 => string(at, 5, big(bytes, at + 1, 4)?),
        _ => None,
    }?;
    let entry = value.end - end;
    let is_last = byte(bytes, value.end)? == 0xff;
    let is_told = if entry < 0xfe {
        big(bytes, value.end, 1)? == entry
    } else {
        byte(bytes, value.end)? == 0xfe && little(bytes, value.end + 1)? == entry
    };
    (is_last || is_told).then_some((end, value))
}

/// An element of type 2: a name that ends with NUL, a length with the NUL in it, the text, NUL.
fn bson(bytes: &[u8], start: usize) -> Option<(usize, Range<usize>)> {
    if back(bytes, start, 1)? != 2 {
        return None;
    }
    let name = bytes.get(start..)?.iter().take(assignment::NAME);
    let end = start + name.take_while(|byte| **byte != 0).count();
    let value = string(end + 1, 4, little(bytes, end + 1)?.checked_sub(1)?)?;
    (byte(bytes, end)? == 0 && byte(bytes, value.end)? == 0).then_some((end, value))
}

/// A string or the bytes of one, with up to two bytes of length.
fn message_pack(bytes: &[u8], start: usize) -> Option<(usize, Range<usize>)> {
    let head = back(bytes, start, 1)?;
    let end = match head {
        0xa0..=0xbf => start + usize::from(head & 0x1f),
        _ if back(bytes, start, 2)? == 0xd9 => start + usize::from(head),
        _ => return None,
    };
    let head = byte(bytes, end)?;
    let value = match head {
        0xa0..=0xbf => string(end, 1, usize::from(head & 0x1f)),
        0xc4 | 0xd9 => string(end, 2, big(bytes, end + 1, 1)?),
        0xc5 | 0xda => string(end, 3, big(bytes, end + 1, 2)?),
        _ => None,
    }?;
    bytes.get(value.clone()).is_some().then_some((end, value))
}

/// Where the key that is the name begins, where the name ends, and the value. The bytes that say how long
/// they are are letters, so the map must be there too.
fn cbor(bytes: &[u8], start: usize) -> Option<(usize, usize, Range<usize>)> {
    let short = back(bytes, start, 1).filter(|head| (0x61..=0x77).contains(head));
    let (key, len) = match short {
        Some(head) => (start - 1, usize::from(head & 0x1f)),
        None if back(bytes, start, 2)? == 0x78 => (start - 2, usize::from(back(bytes, start, 1)?)),
        None => return None,
    };
    let end = start + len;
    let head = byte(bytes, end)?;
    let value = match head {
        0x41..=0x57 | 0x61..=0x77 => string(end, 1, usize::from(head & 0x1f)),
        0x58 | 0x78 => string(end, 2, big(bytes, end + 1, 1)?),
        0x59 | 0x79 => string(end, 3, big(bytes, end + 1, 2)?),
        _ => None,
    }?;
    bytes.get(value.clone()).map(|_| (key, end, value))
}

/// Whether the map of CBOR that begins at `map` has a key at `key`.
fn has_key(bytes: &[u8], map: usize, key: usize) -> bool {
    let (mut at, pairs) = match byte(bytes, map) {
        Some(head @ 0xa1..=0xb7) => (map + 1, usize::from(head & 0x1f)),
        Some(0xb8) => (map + 2, byte(bytes, map + 1).map_or(0, usize::from)),
        Some(0xbf) => (map + 1, ITEMS),
        _ => return false,
    };
    for _ in 0..pairs.min(ITEMS) {
        if at == key {
            return true;
        }
        // Other keys are text too.
        let value = byte(bytes, at).filter(|head| head >> 5 == 3).and(behind(bytes, at));
        match value.and_then(|value| behind(bytes, value)) {
            Some(next) if next <= key => at = next,
            _ => return false,
        }
    }
    false
}

/// Behind the item of CBOR at `at`, with all that is in it.
fn behind(bytes: &[u8], mut at: usize) -> Option<usize> {
    let mut left = 1_usize;
    while left > 0 {
        let head = byte(bytes, at)?;
        let size = match head & 0x1f {
            0..=23 => 0,
            24 => 1,
            25 => 2,
            26 => 4,
            27 => 8,
            _ => return None,
        };
        let number = if size == 0 { usize::from(head & 0x1f) } else { big(bytes, at + 1, size)? };
        at += 1 + size;
        left -= 1;
        match head >> 5 {
            2 | 3 => at = at.checked_add(number)?,
            4 => left = left.checked_add(number)?,
            5 => left = left.checked_add(number.checked_mul(2)?)?,
            6 => left += 1,
            _ => {}
        }
        if left > ITEMS {
            return None;
        }
    }
    Some(at)
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
