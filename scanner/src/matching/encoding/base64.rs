//! Base64 of both alphabets (RFC 4648 §4 and §5), in every phase, also in lines.
//!
//! Text shows in one phase only. What decodes to no text is looked at if it begins like a stream or a
//! key.

use super::{BLOCK, Encoding, Island, Run, SpanMap, WHOLE, deflate};
use super::{begins_binary, is_text_block, stretches};
use crate::check::Notation;
use crate::matching::prefilter::Marks;
use crate::matching::text_run::are_text;

pub(super) const ENCODING: Encoding = Encoding {
    notations: &[Notation::Base64, Notation::Base64Url],
    find,
    decode,
    add_text: None,
    is_whole: false,
};

/// Characters of a line after which another one may follow; groups of four are not broken.
const LINE: std::ops::RangeInclusive<usize> = 40..=128;

/// Most blanks before a line.
const INDENT: usize = 24;

/// Characters of a block.
const CHARACTERS: usize = BLOCK / 3 * 4;

const NONE: u8 = 0xff;

/// By byte: its six bits in either alphabet.
const SEXTETS: [u8; 256] = {
    let mut table = [NONE; 256];
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut index = 0u8;
    while index < 64 {
        table[alphabet[index as usize] as usize] = index;
        index += 1;
    }
    table[b'-' as usize] = 62;
    table[b'_' as usize] = 63;
    table
};

/// By byte: whether it is a character of either alphabet.
pub(super) const CLASS: [bool; 256] = {
    let mut class = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        class[byte] = SEXTETS[byte] != NONE;
        byte += 1;
    }
    class
};

fn is_character(byte: u8) -> bool {
    CLASS[usize::from(byte)]
}

/// Runs of characters with the lines that follow them. What is all hexadecimal is left to that.
fn find(bytes: &[u8], marks: &Marks, found: &mut dyn FnMut(Run)) {
    let mut done = 0;
    for first in &marks.tokens {
        if first.start < done {
            continue;
        }
        let mut all = first.clone();
        let mut line = first.clone();
        while let Some(next) = next_line(bytes, &line) {
            all.end = next.end;
            line = next;
        }
        done = all.end;
        let characters = bytes.get(all.clone()).unwrap_or_default();
        if !says_nothing(characters) && !characters.iter().all(u8::is_ascii_hexdigit) {
            found(Run { notation: Notation::Base64, range: all });
        }
    }
}

/// Whether one short line decodes to no island: most long names in programs do not.
fn says_nothing(line: &[u8]) -> bool {
    let mut room = [0; SHORT];
    let Some(sextets) = room.get_mut(..line.len()) else { return false };
    for (to, byte) in sextets.iter_mut().zip(line) {
        *to = SEXTETS[usize::from(*byte)];
    }
    let is_one_line = sextets.iter().all(|sextet| *sextet != NONE);
    let mut starts = (0..sextets.len()).filter(|start| start % CHARACTERS < 4);
    let may_show = |start: usize| sextets.get(start..start + CHARACTERS).is_some_and(could_be_text);
    let first = bytes_of(sextets).next();
    is_one_line
        && !starts.any(may_show)
        && !first.is_some_and(super::may_begin_binary)
        && memchr::memmem::find(sextets, &GZIP).is_none()
}

/// Characters of a line that is looked at before anything is kept of it, and that are read together.
const SHORT: usize = 128;

/// Whether no more than one of the bytes of a block has its highest bit set, as in text.
fn could_be_text(sextets: &[u8]) -> bool {
    // By character of a group: the bit that is the highest of a byte.
    const HIGHEST: u128 = u128::from_le_bytes([
        0x20, 0x08, 0x02, 0, 0x20, 0x08, 0x02, 0, 0x20, 0x08, 0x02, 0, 0x20, 0x08, 0x02, 0,
    ]);
    let all = sextets.first_chunk().map(|all| u128::from_le_bytes(*all));
    all.is_none_or(|all| {
        let set = all & HIGHEST;
        // No bit is left without the lowest.
        set & set.wrapping_sub(1) == 0
    })
}

const _: () = assert!(CHARACTERS == size_of::<u128>(), "a block is one number");

/// What characters stand for. What is left of a group at the end counts as far as it goes.
fn bytes_of(sextets: &[u8]) -> impl Iterator<Item = u8> {
    sextets.chunks(4).flat_map(|group| {
        let [first, second, third] = group_of(group);
        [first, second, third].into_iter().take(group.len() - 1)
    })
}

/// The same, added to a text, up to so many bytes.
fn add_bytes(sextets: &[u8], most: usize, text: &mut Vec<u8>) {
    let whole = sextets.get(..(most / 3 * 4).min(sextets.len())).unwrap_or_default();
    let (groups, _) = whole.as_chunks::<4>();
    let (first, done) = (text.len(), groups.len());
    text.resize(first + 3 * done, 0);
    let (to, _) = text.get_mut(first..).unwrap_or_default().as_chunks_mut::<3>();
    to.iter_mut().zip(groups).for_each(|(to, group)| *to = group_of(group));
    let rest = sextets.get(4 * done..).unwrap_or_default();
    text.extend(bytes_of(rest).take(most - 3 * done));
}

fn group_of(group: &[u8]) -> [u8; 3] {
    let bits = group.iter().fold(0u32, |bits, sextet| bits << 6 | u32::from(*sextet));
    let [_, bytes @ ..] = (bits << (6 * (4 - group.len()))).to_be_bytes();
    bytes
}

/// The line that goes on after `line`, if that one is as long as lines are.
fn next_line(bytes: &[u8], line: &std::ops::Range<usize>) -> Option<std::ops::Range<usize>> {
    if !LINE.contains(&line.len()) || !line.len().is_multiple_of(4) {
        return None;
    }
    let rest = bytes.get(line.end..)?;
    let end = match rest {
        [b'\r', b'\n', ..] => 2,
        [b'\n', ..] => 1,
        _ => return None,
    };
    let blanks = rest.iter().skip(end).take(INDENT);
    let indent = blanks.take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let start = line.end + end + indent;
    let rest = bytes.get(start..)?;
    let len = rest.iter().take_while(|byte| is_character(**byte)).count();
    (len > 0).then_some(start..start + len)
}

/// The characters of a run, without the ends of its lines.
struct Characters {
    sextets: Vec<u8>,
    /// Stretches of characters that stand side by side: number of the first, and where it stands.
    at: Vec<(usize, usize)>,
}

impl Characters {
    fn of(bytes: &[u8], run: &Run) -> Self {
        let all = bytes.get(run.range.clone()).unwrap_or_default();
        let mut this = Self { sextets: Vec::with_capacity(all.len()), at: Vec::new() };
        let (mut offset, mut is_new) = (0, true);
        while offset < all.len() {
            let part = all.get(offset..all.len().min(offset + SHORT)).unwrap_or_default();
            let first = this.sextets.len();
            this.sextets.extend(part.iter().map(|byte| SEXTETS[usize::from(*byte)]));
            let row = this.sextets.get(first..).unwrap_or_default();
            let len = memchr::memchr(NONE, row).unwrap_or(part.len());
            this.sextets.truncate(first + len);
            if is_new && len > 0 {
                this.at.push((first, run.range.start + offset));
            }
            is_new = len < part.len();
            let others = part.get(len..).unwrap_or_default().iter();
            offset += len + others.take_while(|byte| !is_character(**byte)).count();
        }
        this
    }

    /// The bytes in a range of characters.
    fn bytes(&self, characters: std::ops::Range<usize>) -> impl Iterator<Item = u8> {
        bytes_of(self.sextets.get(characters).unwrap_or_default())
    }

    /// Whether a block is text.
    fn is_text(&self, block: std::ops::Range<usize>) -> bool {
        let sextets = self.sextets.get(block).unwrap_or_default();
        if sextets.len() < CHARACTERS || !could_be_text(sextets) {
            return false;
        }
        let (groups, _) = sextets.as_chunks::<4>();
        let mut bytes = [[0; 3]; CHARACTERS / 4];
        bytes.iter_mut().zip(groups).for_each(|(to, group)| *to = group_of(group));
        let bytes = bytes.as_flattened();
        let is_plain = bytes.first_chunk::<BLOCK>().is_some_and(are_text);
        is_plain || is_text_block(bytes.iter().copied())
    }

    fn map(&self, from: usize) -> SpanMap {
        let mut map = SpanMap::sextets();
        let first = self.at.partition_point(|(number, _)| *number <= from).saturating_sub(1);
        for (number, raw) in self.at.get(first..).unwrap_or_default() {
            let skip = from.saturating_sub(*number);
            map.put((number + skip) - from, raw + skip, 1);
        }
        map
    }
}

/// The islands of all phases.
fn decode(bytes: &[u8], run: &Run, most: usize, found: &mut dyn FnMut(Island)) {
    let all = Characters::of(bytes, run);
    let len = all.sextets.len();
    // Streams may begin everywhere: all islands together are no more than may be looked at.
    let mut left = most;
    let mut put = |characters: std::ops::Range<usize>| {
        if left == 0 {
            return;
        }
        let map = all.map(characters.start);
        let mut text = Vec::with_capacity((characters.len() / 4 * 3 + 2).min(left));
        add_bytes(all.sextets.get(characters).unwrap_or_default(), left, &mut text);
        left = left.saturating_sub(text.len());
        found(Island { notation: Notation::Base64, text, map, cut: WHOLE });
    };
    for phase in 0..4.min(len) {
        let at = |block: usize| (phase + block * CHARACTERS).min(len);
        let blocks = (len - phase).div_ceil(CHARACTERS);
        let is_text = |block: usize| all.is_text(at(block)..at(block + 1));
        for stretch in stretches(blocks, is_text) {
            put(at(stretch.start)..at(stretch.end));
        }
    }
    if begins_binary(all.bytes(0..64)) {
        put(0..len);
    }
    // A stream that begins behind other characters.
    let mut streams = 0;
    for at in memchr::memmem::find_iter(&all.sextets, &GZIP).filter(|at| *at > 0) {
        let head: Vec<u8> = all.bytes(at..(at + HEAD).min(len)).collect();
        if streams < STREAMS && deflate::begins(&head) {
            put(at..len);
            streams += 1;
        }
    }
}

/// Streams behind other characters that are looked at in one run or part of it.
const STREAMS: usize = 8;

/// Characters in which the header of a stream ends: a name of a file stands in it.
const HEAD: usize = 512;

/// `H4sI`: the magic of gzip and the method.
const GZIP: [u8; 4] = [7, 56, 44, 8];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Rows of characters: any, such as names are made of, and what texts, keys and streams look like.
    fn line() -> impl Strategy<Value = Vec<u8>> {
        let character =
            prop::sample::select((0..=u8::MAX).filter(|it| is_character(*it)).collect::<Vec<_>>());
        let any = prop::collection::vec(character, 24..140);
        let name = "[A-Z][a-z]{5,12}[A-Z][a-z]{5,12}[A-Z][a-z]{5,20}_?[a-z0-9]{4,80}"
            .prop_map(String::into_bytes);
        let text =
            ("[A-Za-z]{0,9}", prop::collection::vec(0..=u8::MAX, 0..9), "[ -~]{4,60}", 0usize..4)
                .prop_map(|(before, other, text, start)| {
                    let bytes = [other.as_slice(), text.as_bytes()].concat();
                    let line = before + data_encoding::BASE64_NOPAD.encode(&bytes).as_str();
                    line.into_bytes().split_off(start)
                });
        let head = (
            prop::sample::select(vec![
                &[0x30, 0x82, 1, 2, 2, 1, 0][..],
                b"\x1f\x8b\x08",
                b"openssh-key-v1\0",
            ]),
            prop::collection::vec(0..=u8::MAX, 18..60),
            "[A-Za-z]{0,5}",
        )
            .prop_map(|(head, rest, before)| {
                let line = data_encoding::BASE64_NOPAD.encode(&[head, &rest].concat());
                (before + line.as_str()).into_bytes()
            });
        prop_oneof![any, name, text, head]
    }

    proptest! {
        #[test]
        fn what_says_nothing_holds_no_island(line in line()) {
            let run = Run { notation: Notation::Base64, range: 0..line.len() };
            let mut islands = 0;
            decode(&line, &run, 1 << 20, &mut |_| islands += 1);
            prop_assert!(!says_nothing(&line) || islands == 0);
        }
    }

    #[test]
    fn long_names_say_nothing() {
        for name in ["getTypeOfPropertyOfContextualType", "createDiagnosticForNodeInSourceFile"] {
            assert!(says_nothing(name.as_bytes()), "{name}");
        }
    }
}
