//! Streams of gzip (RFC 1952) and zlib (RFC 1950) that lie in memory.
//!
//! A byte in them cannot be led back to its own bits: whatever is found has the span of the stream, as
//! far as it was read.

use flate2::{Decompress, FlushDecompress, Status};

use super::{Encoding, Island, Run, SpanMap};
use crate::check::Notation;
use crate::matching::prefilter::Marks;
use crate::region::{Cut, REACH};

pub(super) const ENCODING: Encoding = Encoding {
    notations: &[Notation::Gzip, Notation::Zlib],
    find,
    decode,
    add_text: None,
    is_whole: true,
};

/// Bytes that one stream may give.
const MOST: usize = 1 << 20;

/// Decoded bytes for one of the stream, beyond [`FLOOR`]: more is no text.
const RATIO: usize = 64;

/// Decoded bytes that are never held against [`RATIO`].
const FLOOR: usize = 64 << 10;

/// Fewest bytes that a stream must give, for one that does not end.
const FEWEST: usize = 64;

/// Bytes decoded at once.
const CHUNK: usize = 16 << 10;

/// What streams begin with: gzip with the only method there is; zlib with a window of 32 KiB and no
/// dictionary, at each of its four levels.
const HEADS: [(Notation, &[u8]); 5] = [
    (Notation::Gzip, b"\x1f\x8b\x08"),
    (Notation::Zlib, b"\x78\x01"),
    (Notation::Zlib, b"\x78\x5e"),
    (Notation::Zlib, b"\x78\x9c"),
    (Notation::Zlib, b"\x78\xda"),
];

/// Whether a text begins with a stream.
pub(super) fn begins(text: &[u8]) -> bool {
    stream(text).is_some()
}

/// Where streams may begin: their header, and that of their first block, are sound.
fn find(bytes: &[u8], marks: &Marks, found: &mut dyn FnMut(Run)) {
    let longest = usize::try_from(REACH).unwrap_or(usize::MAX);
    for at in marks.streams() {
        let end = at.saturating_add(longest).min(bytes.len());
        if let Some(notation) = stream(bytes.get(at..end).unwrap_or_default()) {
            found(Run { notation, range: at..end });
        }
    }
}

/// What stream bytes begin with.
fn stream(bytes: &[u8]) -> Option<Notation> {
    if !matches!(bytes.first(), Some(0x1f | 0x78)) {
        return None;
    }
    let (notation, _) = HEADS.into_iter().find(|(_, head)| bytes.starts_with(head))?;
    payload(bytes, notation).map(|_| notation)
}

/// Where the blocks of a stream begin.
fn payload(stream: &[u8], notation: Notation) -> Option<usize> {
    let at = if notation == Notation::Gzip { gzip_header(stream)? } else { 2 };
    is_block(stream.get(at..)?).then_some(at)
}

/// Length of the header of gzip.
fn gzip_header(stream: &[u8]) -> Option<usize> {
    const LONGEST: usize = 4 << 10;
    let [0x1f, 0x8b, 8, flags, _, _, _, _, extra, _, ..] = stream else { return None };
    // The reserved flags are zero; the compressor says how hard it tried, or nothing.
    if flags & 0xe0 != 0 || !matches!(extra, 0 | 2 | 4) {
        return None;
    }
    let mut at = 10;
    if flags & 4 != 0 {
        let len = stream.get(at..at + 2)?;
        at += 2 + usize::from(u16::from_le_bytes([*len.first()?, *len.last()?]));
    }
    for flag in [8, 16] {
        if flags & flag != 0 {
            let rest = stream.get(at..)?;
            let name = rest.get(..LONGEST.min(rest.len()))?;
            at += memchr::memchr(0, name)? + 1;
        }
    }
    if flags & 2 != 0 {
        at += 2;
    }
    Some(at)
}

/// Whether bytes begin with the header of a block (RFC 1951 §3.2) that could be one.
fn is_block(bytes: &[u8]) -> bool {
    let Some(first) = bytes.first() else { return false };
    match first >> 1 & 3 {
        0 => matches!(bytes, [_, a, b, c, d, ..] if (*a, *b) == (!c, !d) && (*a, *b) != (0, 0)),
        1 => true,
        2 => has_code(bytes),
        _ => false,
    }
}

/// Whether the code for the lengths of codes is complete, as every compressor makes it.
fn has_code(bytes: &[u8]) -> bool {
    let bits = |at: usize, count: usize| {
        (0..count).try_fold(0usize, |value, bit| {
            let byte = bytes.get((at + bit) / 8)?;
            Some(value | usize::from(byte >> ((at + bit) % 8) & 1) << bit)
        })
    };
    let (Some(literals), Some(distances), Some(codes)) = (bits(3, 5), bits(8, 5), bits(13, 4))
    else {
        return false;
    };
    let sum = (0..codes + 4).try_fold(0, |sum, code| {
        Some(sum + bits(17 + 3 * code, 3).map(|len| if len == 0 { 0 } else { 128 >> len })?)
    });
    literals < 30 && distances < 30 && sum == Some(128)
}

/// Inflates a stream: within [`REACH`] of it, up to `most` and [`MOST`] bytes, and not beyond
/// [`RATIO`].
fn decode(bytes: &[u8], run: &Run, most: usize, found: &mut dyn FnMut(Island)) {
    let stream = bytes.get(run.range.clone()).unwrap_or_default();
    let Some(at) = payload(stream, run.notation) else { return };
    let blocks = stream.get(at..).unwrap_or_default();
    let most = most.min(MOST);
    let mut inflate = Decompress::new(false);
    let mut text = Vec::new();
    let mut is_ended = false;
    while text.len() < most {
        let read = usize::try_from(inflate.total_in()).unwrap_or(usize::MAX);
        if text.len() > FLOOR && text.len() / RATIO > read {
            break;
        }
        let len = text.len();
        text.reserve(CHUNK);
        let rest = blocks.get(read..).unwrap_or_default();
        let status = inflate.decompress_vec(rest, &mut text, FlushDecompress::None);
        is_ended = matches!(status, Ok(Status::StreamEnd));
        let has_moved = text.len() > len || inflate.total_in() > read as u64;
        if is_ended || status.is_err() || !has_moved {
            break;
        }
    }
    text.truncate(most);
    if text.is_empty() || (!is_ended && text.len() < FEWEST) {
        return;
    }
    let read = usize::try_from(inflate.total_in()).unwrap_or(usize::MAX);
    let trailer = match (is_ended, run.notation) {
        (false, _) => 0,
        (true, Notation::Gzip) => 8,
        (true, _) => 4,
    };
    let len = at.saturating_add(read).saturating_add(trailer).min(stream.len());
    let map = SpanMap::whole(run.range.start..run.range.start + len);
    let cut = Cut { start: false, end: !is_ended };
    found(Island { notation: run.notation, text, map, cut });
}
