//! The strings of arguments and environments: exact ranges, NUL-separated.

use std::ops::Range;

use crate::region::{LabelKind, Window};

/// Gives the strings of every label that the window can see: the label's kind and the text's
/// offsets in the window's bytes. For arguments the text goes on over the string that follows,
/// so that a flag is seen together with its value, and over all of them for the program's name.
pub(super) fn each(window: &Window<'_>, mut found: impl FnMut(LabelKind, Range<usize>)) {
    let len = u64::try_from(window.bytes.len()).unwrap_or(u64::MAX);
    let seen = window.base..window.base.saturating_add(len);
    for label in &window.space.labels {
        let start = label.range.start.max(seen.start);
        let end = label.range.end.min(seen.end);
        let (Some(mut at), Some(end)) = (offset(window, start), offset(window, end)) else {
            continue;
        };
        if at >= end {
            continue;
        }
        // A string that began before the window's bytes belongs to an earlier window.
        if label.range.start < seen.start {
            at = string_end(window.bytes, at, end) + 1;
        }
        let begins = at;
        while at < end {
            let first = string_end(window.bytes, at, end);
            let is_program = at == begins && label.range.start >= seen.start;
            let text_end = match label.kind {
                LabelKind::Environ => first,
                LabelKind::Argv if is_program => end,
                LabelKind::Argv => string_end(window.bytes, (first + 1).min(end), end),
            };
            found(label.kind, at..text_end);
            at = first + 1;
        }
    }
}

fn offset(window: &Window<'_>, address: u64) -> Option<usize> {
    usize::try_from(address.checked_sub(window.base)?).ok()
}

/// The offset of the NUL that ends the string at `at`, or `end`.
fn string_end(bytes: &[u8], at: usize, end: usize) -> usize {
    let string = bytes.get(at..end).unwrap_or_default();
    memchr::memchr(0, string).map_or(end, |len| at + len)
}
