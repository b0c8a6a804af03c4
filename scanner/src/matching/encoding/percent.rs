//! Percent-encoding (RFC 3986 §2.1), as in URLs and the bodies of forms.

use super::{Encoding, Island, Run, SHORTEST, SpanMap, WHOLE, digit, escapes};
use crate::check::Notation;
use crate::matching::prefilter::Marks;
use crate::matching::text_run::is_text;

pub(super) const ENCODING: Encoding =
    Encoding { notations: &[Notation::Percent], find, decode, add_text: None, is_whole: false };

/// Whether a byte may stand in a URL or a form.
fn may_stand(byte: u8) -> bool {
    byte.is_ascii_graphic()
        && !matches!(byte, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'}')
}

/// The byte that three characters stand for, if it may be one of a text.
fn escaped(text: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = text else { return None };
    let byte = digit(*high)? << 4 | digit(*low)?;
    (is_text(byte) || byte >= 0x80).then_some(byte)
}

/// Words with an escape in them. A bare `&` ends a field of a form, whose own `&` are escaped.
fn find(bytes: &[u8], marks: &Marks, found: &mut dyn FnMut(Run)) {
    let mut done = 0;
    let is_field = |byte: &&u8| may_stand(**byte) && **byte != b'&';
    for at in escapes(b'%', bytes, marks) {
        if at < done || escaped(bytes.get(at..).unwrap_or_default()).is_none() {
            continue;
        }
        let before = bytes.get(done..at).unwrap_or_default();
        let start = at - before.iter().rev().take_while(is_field).count();
        let after = bytes.get(at..).unwrap_or_default();
        let end = at + after.iter().take_while(is_field).count();
        done = end;
        if end - start >= SHORTEST {
            found(Run { notation: Notation::Percent, range: start..end });
        }
    }
}

fn decode(bytes: &[u8], run: &Run, _: usize, found: &mut dyn FnMut(Island)) {
    let encoded = bytes.get(run.range.clone()).unwrap_or_default();
    let mut text = Vec::with_capacity(encoded.len());
    let mut map = SpanMap::default();
    let mut at = 0;
    while let Some(rest) = encoded.get(at..).filter(|rest| !rest.is_empty()) {
        let (byte, width) = escaped(rest).map_or((rest[0], 1), |byte| (byte, 3));
        map.put(text.len(), run.range.start + at, width);
        text.push(byte);
        at += width;
    }
    found(Island { notation: Notation::Percent, text, map, cut: WHOLE });
}
