//! Copies of the environment on the heap: a program that writes a title over its arguments has moved it
//! there before, and the label of the original covers what is left of it only.

use std::ops::Range;

use crate::region::{LabelKind, Window};

/// A variable that every environment of a container has.
pub(super) const ANCHOR: &[u8] = b"\0PATH=/";

/// Bytes on each side of the anchor in which the others stand.
const FAR: usize = 16 << 10;

/// Fewest variables that are an environment.
const FEWEST: usize = 5;

/// Bytes between the NUL of one string and the next: strings with an allocation each have a header and a
/// few bytes that are left over.
const GAP: usize = 24;

/// Bytes of the longest name.
const NAME: usize = 128;

/// Gives the strings of every copy that the window can see, without their NUL: `NAME=value`, five or
/// more of them one after the other, `PATH` among them, which stands at one of `anchors`.
pub(super) fn each(
    window: &Window<'_>,
    anchors: impl Iterator<Item = usize>,
    mut found: impl FnMut(Range<usize>),
) {
    let bytes = window.bytes;
    for anchor in anchors {
        let anchor = anchor + 1;
        let address = window.base.saturating_add(anchor as u64);
        let is_labelled = window
            .space
            .labels
            .iter()
            .any(|label| label.kind == LabelKind::Environ && label.range.contains(&address));
        let Some(path) = variable(bytes, anchor).filter(|_| !is_labelled) else { continue };
        let mut all = vec![path.clone()];
        let mut first = path.start;
        while let Some(before) = before(bytes, first).filter(|it| it.start + FAR >= anchor) {
            first = before.start;
            all.push(before);
        }
        let mut last = path.end;
        while let Some(next) = after(bytes, last).filter(|it| it.end <= anchor + FAR) {
            last = next.end;
            all.push(next);
        }
        if all.len() >= FEWEST {
            all.into_iter().for_each(&mut found);
        }
    }
}

/// The variable that begins at an offset, up to its NUL.
fn variable(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let rest = bytes.get(at..)?;
    let name = memchr::memchr(b'=', rest.get(..rest.len().min(NAME))?)?;
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let name = rest.get(..name)?;
    if name.first().is_none_or(u8::is_ascii_digit) || !name.iter().all(is_word) {
        return None;
    }
    let len = memchr::memchr(0, rest.get(..rest.len().min(FAR))?)?;
    rest.get(..len)?.iter().all(|byte| is_character(*byte)).then_some(at..at + len)
}

fn is_character(byte: u8) -> bool {
    byte >= 0x20 && byte != 0x7f || matches!(byte, b'\t' | b'\r' | b'\n')
}

/// The variable behind the one that ends at an offset.
fn after(bytes: &[u8], end: usize) -> Option<Range<usize>> {
    (end + 1..=end + GAP).find_map(|at| {
        let begins = bytes.get(at - 1).is_some_and(|byte| !is_character(*byte));
        variable(bytes, at).filter(|_| begins)
    })
}

/// The variable before the one that begins at an offset.
fn before(bytes: &[u8], start: usize) -> Option<Range<usize>> {
    let least = start.saturating_sub(GAP);
    (least..start).rev().filter(|at| bytes.get(*at) == Some(&0)).find_map(|end| {
        let text = bytes.get(end.saturating_sub(FAR)..end)?;
        let len = text.iter().rev().take_while(|byte| is_character(**byte)).count();
        variable(bytes, end - len).filter(|it| len > 0 && it.end == end)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::region::{Cut, Holder, HolderKind, Label, RegionKind, Space};

    fn found(bytes: &[u8], labels: Vec<Label>) -> Vec<String> {
        let holder = Holder { set: 1, kind: HolderKind::Memory, id: 1, ordinal: 0 };
        let len = bytes.len() as u64;
        let space = Space { labels, ..Space::file(holder, RegionKind::Memory, len) };
        let window = Window {
            space: &space,
            name: "",
            region_start: 0,
            base: 0,
            own: 0..len,
            bytes,
            cut: Cut { start: true, end: true },
        };
        let mut all = Vec::new();
        let anchors = memchr::memmem::find_iter(bytes, ANCHOR);
        each(&window, anchors, |range| {
            all.push(String::from_utf8_lossy(&bytes[range]).into_owned());
        });
        all.sort();
        all
    }

    const STRINGS: [&str; 5] =
        ["A=", "HOME=/root", "KEY_1=x=y", "LANG=C.UTF-8", "PATH=/usr/bin:/bin"];

    #[test]
    fn one_block_or_an_allocation_each() {
        let block = [b"\x01\0\0", STRINGS.join("\0").as_bytes(), b"\0\0\x90\x12"].concat();
        assert_eq!(found(&block, Vec::new()), STRINGS);
        let mut chunks = vec![0; 8];
        for string in STRINGS {
            chunks.extend(0x21u64.to_le_bytes());
            chunks.extend(string.as_bytes());
            chunks.resize((chunks.len() + 1).next_multiple_of(8), 0);
        }
        assert_eq!(found(&chunks, Vec::new()), STRINGS);
    }

    #[test]
    fn a_few_strings_and_what_has_a_label_are_none() {
        let few = ["\0", &STRINGS[1..].join("\0"), "\0"].concat();
        assert_eq!(found(few.as_bytes(), Vec::new()), [""; 0]);
        let text = ["\0", &STRINGS.join("\n"), "\0"].concat();
        assert_eq!(found(text.as_bytes(), Vec::new()), [""; 0]);
        let block = ["\0", &STRINGS.join("\0"), "\0"].concat();
        let label = Label { range: 0..block.len() as u64, kind: LabelKind::Environ };
        assert_eq!(found(block.as_bytes(), vec![label]), [""; 0]);
        let cut = block.trim_end_matches('\0');
        assert_eq!(found(cut.as_bytes(), Vec::new()), [""; 0], "the end of memory");
    }
}
