//! The escapes of JSON strings (RFC 8259 §7), which many languages share: documents inside of
//! documents, keys with `\n` for the ends of their lines, `\u003d`, `\/`.

use super::{Encoding, Island, Run, SHORTEST, SpanMap, WHOLE, digit, escapes};
use crate::check::Notation;
use crate::matching::prefilter::Marks;

pub(super) const ENCODING: Encoding =
    Encoding { notations: &[Notation::Escaped], find, decode, add_text: None, is_whole: false };

/// Strings with an escape in them, not only at their end: from one quote, control character or end of a
/// line to the next.
fn find(bytes: &[u8], marks: &Marks, found: &mut dyn FnMut(Run)) {
    let mut done = 0;
    for at in escapes(b'\\', bytes, marks) {
        if at < done || escape(bytes.get(at..).unwrap_or_default()).is_none() {
            continue;
        }
        let start = start(bytes, at, done);
        let mut end = at;
        while let Some(byte) = bytes.get(end).filter(|byte| **byte >= b' ' && **byte != b'"') {
            if *byte == b'\\' {
                // Whatever is escaped is no end.
                end += if bytes.get(end + 1).is_some_and(|next| *next >= b' ') { 2 } else { 1 };
            } else {
                end += 1;
            }
        }
        done = end;
        // The end of a line, or a quote, that ends the string changes nothing in it.
        let is_end = end <= at + 2
            && bytes.get(at + 1).is_some_and(|kind| matches!(kind, b'n' | b'r' | b't' | b'"'));
        if end - start >= SHORTEST && !is_end {
            found(Run { notation: Notation::Escaped, range: start..end });
        }
    }
}

/// Where the string with the escape at `at` begins.
fn start(bytes: &[u8], at: usize, done: usize) -> usize {
    let mut start = at;
    while start > done {
        let Some(byte) = bytes.get(start - 1) else { break };
        let before = bytes.get(done..start - 1).unwrap_or_default();
        let is_escaped = || before.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1;
        if *byte < b' ' || (*byte == b'"' && !is_escaped()) {
            break;
        }
        start -= 1;
    }
    start
}

/// The character that an escape stands for, and its length.
fn escape(text: &[u8]) -> Option<(char, usize)> {
    let [b'\\', kind, rest @ ..] = text else { return None };
    let one = match kind {
        b'"' | b'\\' | b'/' => char::from(*kind),
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => {
            let unit = unit(rest)?;
            if let Some(one) = char::from_u32(unit) {
                return Some((one, 6));
            }
            let low = rest.get(4..)?.strip_prefix(b"\\u").and_then(self::unit)?;
            let pair = [u16::try_from(unit).ok()?, u16::try_from(low).ok()?];
            let one = char::decode_utf16(pair).next()?.ok()?;
            return Some((one, 12));
        }
        _ => return None,
    };
    Some((one, 2))
}

/// Four hexadecimal digits.
fn unit(text: &[u8]) -> Option<u32> {
    let digits = text.get(..4)?;
    digits.iter().try_fold(0, |value, byte| Some(value << 4 | u32::from(digit(*byte)?)))
}

fn decode(bytes: &[u8], run: &Run, _: usize, found: &mut dyn FnMut(Island)) {
    let encoded = bytes.get(run.range.clone()).unwrap_or_default();
    let mut text = Vec::with_capacity(encoded.len());
    let mut map = SpanMap::default();
    let mut at = 0;
    while let Some(rest) = encoded.get(at..).filter(|rest| !rest.is_empty()) {
        let raw = run.range.start + at;
        if let Some((one, width)) = escape(rest) {
            let mut utf8 = [0; 4];
            map.put_together(text.len(), raw, width);
            text.extend_from_slice(one.encode_utf8(&mut utf8).as_bytes());
            at += width;
        } else {
            let plain = memchr::memchr(b'\\', rest.get(1..).unwrap_or_default());
            let len = plain.map_or(rest.len(), |next| next + 1);
            map.put(text.len(), raw, 1);
            text.extend_from_slice(rest.get(..len).unwrap_or_default());
            at += len;
        }
    }
    found(Island { notation: Notation::Escaped, text, map, cut: WHOLE });
}
