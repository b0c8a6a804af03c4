//! Text of two or four bytes a character: UTF-16 of either order, and UTF-32 as CPython keeps strings
//! with an emoji in them. Found by its zero bytes.
//!
//! Only characters of ASCII count: a character of another script ends a run, as a border would.

use super::{Encoding, Island, Run, SpanMap, WHOLE};
use crate::check::Notation;
use crate::matching::kernel;
use crate::matching::prefilter::Marks;
use crate::matching::text_run::{are_text, is_text};

pub(super) const ENCODING: Encoding = Encoding {
    notations: &[Notation::Utf16Le, Notation::Utf16Be, Notation::Utf32Le],
    find,
    decode,
    add_text: Some(add_text),
    is_whole: false,
};

/// Fewest characters of a run.
const MIN_UNITS: usize = 8;

/// Bytes of big-endian text before its end that are read.
const BIG_ENDIAN: usize = 16 << 10;

/// Bytes that are looked at together.
const WORD: usize = 8;

/// Every other byte, beginning with the second.
const ODD: u64 = 0xff00_ff00_ff00_ff00;

/// All bytes but the first and the fifth.
const THREE: u64 = 0xffff_ff00_ffff_ff00;

/// The maximal runs of each.
///
/// Between zeros both orders of UTF-16 give the same characters, one byte apart: these are little-endian.
/// Big-endian is what begins at an even offset and whose last character another byte than zero follows.
fn find(bytes: &[u8], marks: &Marks, found: &mut dyn FnMut(Run)) {
    // The end of the last run of either phase, so that no run is given twice.
    let mut done = [0usize; 2];
    let mut done_of_four = 0;
    let stretches = marks.stretches(kernel::WIDE, WORD, bytes.len());
    for at in stretches.flat_map(|stretch| stretch.step_by(WORD)) {
        // Sixteen bytes of a run hold at least one aligned word of four zero and four text bytes, in a
        // block that is marked or next to it.
        let Some(word) = bytes.get(at..).and_then(<[u8]>::first_chunk::<WORD>) else { continue };
        let first = at;
        let word = *word;
        let value = u64::from_le_bytes(word);
        let phase = match value {
            0 => continue,
            even if even & ODD == 0 => 0,
            odd if odd & !ODD == 0 => 1,
            _ => continue,
        };
        let at = first + phase;
        let of_four = (0..4).find(|shift| value & THREE.rotate_left(8 * shift) == 0);
        if let Some(shift) = of_four {
            let at = first + shift as usize;
            if at >= done_of_four {
                done_of_four = four(bytes, at, done_of_four, found);
            }
            continue;
        }
        if at < done[phase] || !word.iter().skip(phase).step_by(2).all(|byte| is_text(*byte)) {
            continue;
        }
        let unit = |at: usize| {
            bytes.get(at).is_some_and(|byte| is_text(*byte)) && bytes.get(at + 1) == Some(&0)
        };
        let mut start = at;
        while start >= done[phase] + WORD && are_units(bytes, start - WORD) {
            start -= WORD;
        }
        while start >= 2 && start - 2 >= done[phase] && unit(start - 2) {
            start -= 2;
        }
        let mut end = at;
        while are_units(bytes, end) {
            end += WORD;
        }
        while unit(end) {
            end += 2;
        }
        done[phase] = end.max(at + 8);
        if end - start >= 2 * MIN_UNITS {
            found(Run { notation: Notation::Utf16Le, range: start..end });
        }
        let ends = matches!(bytes.get(end..end + 2), Some([last, 1..=255]) if is_text(*last));
        if start % 2 == 1 && ends {
            let has_first = start.checked_sub(1).and_then(|at| bytes.get(at)) == Some(&0);
            let start = if has_first { start - 1 } else { start + 1 };
            // Where it ends is not seen from everywhere in a longer one.
            let start = start.max((end + 1).saturating_sub(BIG_ENDIAN));
            if end + 1 - start >= 2 * MIN_UNITS {
                found(Run { notation: Notation::Utf16Be, range: start..end + 1 });
            }
        }
    }
}

/// Whether four characters of two bytes stand at `at`.
fn are_units(bytes: &[u8], at: usize) -> bool {
    let Some(word) = bytes.get(at..).and_then(<[u8]>::first_chunk::<WORD>) else { return false };
    let value = u64::from_le_bytes(*word);
    value & ODD == 0 && are_text(&(value | (ODD & BLANKS)).to_le_bytes())
}

/// A blank in each byte.
const BLANKS: u64 = 0x2020_2020_2020_2020;

/// The run of characters of four bytes around `at`, if there is one; gives where the last one ends.
fn four(bytes: &[u8], at: usize, done: usize, found: &mut dyn FnMut(Run)) -> usize {
    let unit = |at: usize| {
        bytes.get(at..at + 4).is_some_and(|unit| is_text(unit[0]) && unit[1..] == [0, 0, 0])
    };
    if !unit(at) {
        return done;
    }
    let mut start = at;
    while start >= done + 4 && unit(start - 4) {
        start -= 4;
    }
    let mut end = start;
    while unit(end) {
        end += 4;
    }
    if end - start >= 4 * MIN_UNITS {
        found(Run { notation: Notation::Utf32Le, range: start..end });
    }
    end
}

/// Folds the characters to one byte each, from the first whole one on.
fn decode(bytes: &[u8], run: &Run, _: usize, found: &mut dyn FnMut(Island)) {
    let Some((start, width, _)) = units(bytes, run) else { return };
    let mut text = Vec::with_capacity(run.range.len() / width);
    add_text(bytes, run, &mut text);
    found(Island { notation: run.notation, text, map: SpanMap::even(start, width), cut: WHOLE });
}

fn add_text(bytes: &[u8], run: &Run, text: &mut Vec<u8>) {
    let Some((_, _, units)) = units(bytes, run) else { return };
    if run.notation == Notation::Utf32Le {
        text.extend(units.as_chunks().0.iter().map(|[byte, _, _, _]| *byte));
    } else if run.notation == Notation::Utf16Be {
        text.extend(units.as_chunks().0.iter().map(|[_, byte]| *byte));
    } else {
        text.extend(units.as_chunks().0.iter().map(|[byte, _]| *byte));
    }
}

/// Where the first whole character of a run begins, how many bytes each has, and what stands from there on.
fn units<'a>(bytes: &'a [u8], run: &Run) -> Option<(usize, usize, &'a [u8])> {
    let width = if run.notation == Notation::Utf32Le { 4 } else { 2 };
    let at = usize::from(run.notation == Notation::Utf16Be);
    let all = bytes.get(run.range.clone())?;
    let is_unit = |unit: &[u8]| {
        let mut bytes = unit.iter().enumerate();
        bytes.all(|(index, byte)| if index == at { is_text(*byte) } else { *byte == 0 })
    };
    let skip = all.windows(width).position(is_unit)?;
    Some((run.range.start + skip, width, all.get(skip..)?))
}
