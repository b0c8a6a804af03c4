//! Base64 of both alphabets (RFC 4648 §4 and §5), in every phase, also in lines.
//!
//! Text shows in one phase only. What decodes to no text is looked at if it begins like a stream or a
//! key.

use super::{BLOCK, Encoding, Island, Run, SpanMap, WHOLE, deflate};
use super::{begins_binary, is_text_block, stretches};
use crate::check::Notation;
use crate::matching::prefilter::Marks;

pub(super) const ENCODING: Encoding =
    Encoding { notations: &[Notation::Base64, Notation::Base64Url], find, decode, is_whole: false };

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
        if !characters.iter().all(u8::is_ascii_hexdigit) {
            found(Run { notation: Notation::Base64, range: all });
        }
    }
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
        let mut is_new = true;
        for (offset, byte) in all.iter().enumerate() {
            let sextet = SEXTETS[usize::from(*byte)];
            if sextet == NONE {
                is_new = true;
                continue;
            }
            if is_new {
                this.at.push((this.sextets.len(), run.range.start + offset));
                is_new = false;
            }
            this.sextets.push(sextet);
        }
        this
    }

    /// The bytes in a range of characters. What is left of a group at its end counts as far as it goes.
    fn bytes(&self, characters: std::ops::Range<usize>) -> impl Iterator<Item = u8> {
        let characters = self.sextets.get(characters).unwrap_or_default();
        characters.chunks(4).flat_map(|group| {
            let bits = group.iter().fold(0u32, |bits, sextet| bits << 6 | u32::from(*sextet));
            let [_, first, second, third] = (bits << (6 * (4 - group.len()))).to_be_bytes();
            [first, second, third].into_iter().take(group.len() - 1)
        })
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
        text.extend(all.bytes(characters).take(left));
        left = left.saturating_sub(text.len());
        found(Island { notation: Notation::Base64, text, map, cut: WHOLE });
    };
    for phase in 0..4.min(len) {
        let at = |block: usize| (phase + block * CHARACTERS).min(len);
        let blocks = (len - phase).div_ceil(CHARACTERS);
        let is_text = |block: usize| {
            at(block) + CHARACTERS <= len && is_text_block(all.bytes(at(block)..at(block + 1)))
        };
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
