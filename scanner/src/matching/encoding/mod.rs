//! Encodings: text that does not lie plainly. Each finds where its characters stand in bytes, and
//! decodes them into islands of text with the way back to the bytes.
//!
//! Whether a run is found depends on a few bytes around it only, so that a part of a region that is
//! cut anywhere shows the same runs.

mod base64;
mod deflate;
mod hex;
mod json;
mod percent;
mod span_map;
mod wide;

use std::ops::Range;

use super::kernel;
use super::prefilter::Marks;
use super::text_run::is_text;
use crate::check::Notation;
use crate::region::Cut;

pub use span_map::SpanMap;

/// Bytes that may be written in an encoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Which one.
    pub notation: Notation,
    /// Where they stand.
    pub range: Range<usize>,
}

/// What a run holds, or a part of it.
#[derive(Debug)]
pub struct Island {
    /// What it is written in.
    pub notation: Notation,
    /// What it says.
    pub text: Vec<u8>,
    /// From offsets in the text to offsets in the bytes that hold the run.
    pub map: SpanMap,
    /// Which ends are no true ends, whatever follows in the bytes.
    pub cut: Cut,
}

/// Decodes a run in bytes, or a part of one.
pub type Decode = fn(&[u8], &Run, usize, &mut dyn FnMut(Island));

/// Adds what a run in bytes says to a text.
pub(super) type AddText = fn(&[u8], &Run, &mut Vec<u8>);

/// A way to write text, or several that are found together.
#[derive(Debug)]
pub struct Encoding {
    /// What it finds.
    pub notations: &'static [Notation],
    /// Gives every run in bytes, of which marks say what stands out, in order.
    pub(super) find: fn(&[u8], &Marks, &mut dyn FnMut(Run)),
    /// Decodes a run or a part of one; an island has at most the given number of bytes, or no more than
    /// the run.
    pub decode: Decode,
    /// Adds to a text what a run says, where that is one island as long as its characters.
    pub(super) add_text: Option<AddText>,
    /// Whether a run cannot be read from the middle on.
    pub is_whole: bool,
}

/// All encodings, in the order in which they share the budget of a cell.
pub const ENCODINGS: [&Encoding; 6] = [
    &wide::ENCODING,
    &base64::ENCODING,
    &hex::ENCODING,
    &percent::ENCODING,
    &json::ENCODING,
    &deflate::ENCODING,
];

/// Fewest bytes in which anything but a stream is looked for.
pub(super) const SHORTEST: usize = 16;

/// Bytes of a block, of which nine in ten must be text.
const BLOCK: usize = 12;

const WHOLE: Cut = Cut { start: false, end: false };

/// Whether a block is text, or text of two bytes a character.
fn is_text_block(block: impl Iterator<Item = u8>) -> bool {
    let (mut other, mut zeros) = (0, [0, 0]);
    for (index, byte) in block.enumerate() {
        if is_text(byte) {
            continue;
        }
        if byte == 0 {
            zeros[index % 2] += 1;
        } else {
            other += 1;
        }
        if other > 1 || zeros[0].min(zeros[1]) > 0 {
            return false;
        }
    }
    let zeros = zeros[0] + zeros[1];
    other + zeros <= 1 || (other == 0 && zeros == BLOCK / 2)
}

/// The stretches of text among `blocks` blocks, each with one block more on both sides: there the text
/// begins and ends. The last block may be short.
fn stretches(blocks: usize, is_text: impl Fn(usize) -> bool) -> Vec<Range<usize>> {
    let mut all: Vec<Range<usize>> = Vec::new();
    for block in (0..blocks).filter(|block| is_text(*block)) {
        let (start, end) = (block.saturating_sub(1), (block + 2).min(blocks));
        match all.last_mut() {
            Some(last) if last.end >= start => last.end = end,
            _ => all.push(start..end),
        }
    }
    all
}

/// Whether bytes begin like a stream, a key in DER, or a file that holds keys or Secrets.
fn begins_binary(bytes: impl Iterator<Item = u8>) -> bool {
    let mut head = [0; 48];
    for (to, byte) in head.iter_mut().zip(bytes) {
        *to = byte;
    }
    let in_sequence: &[u8] = match &head {
        // Of up to 127, 255, 65,535 bytes.
        [0x30, 0..=0x7f, rest @ ..] => rest,
        [0x30, 0x81, _, rest @ ..] => rest,
        [0x30, 0x82, _, _, rest @ ..] => rest,
        _ => &[],
    };
    // A version: of a private key, of PKCS #12; or the name of an algorithm: of a public key.
    let is_der = matches!(in_sequence, [0x02, 0x01, 0 | 1 | 3, ..] | [0x30, _, 0x06, ..]);
    // A secret key of OpenPGP, up to 255 and 65,535 bytes long.
    let is_openpgp = matches!(head, [0x94, _, 4, ..] | [0x95, _, _, 4, ..]);
    is_der
        || is_openpgp
        || HEADS.iter().any(|magic| head.starts_with(magic))
        || deflate::begins(&head)
}

/// Whether that may be so of bytes of which this is the first.
fn may_begin_binary(first: u8) -> bool {
    const FIRST: [bool; 256] = {
        let mut first = [false; 256];
        // DER, OpenPGP, gzip and zlib.
        let mut others: &[u8] = &[0x30, 0x94, 0x95, 0x1f, 0x78];
        while let [byte, rest @ ..] = others {
            first[*byte as usize] = true;
            others = rest;
        }
        let mut index = 0;
        while index < HEADS.len() {
            first[HEADS[index][0] as usize] = true;
            index += 1;
        }
        first
    };
    FIRST[usize::from(first)]
}

/// What else is binary and may hold a secret begins with: Java keystores, keytabs and caches of Kerberos,
/// objects of Kubernetes, databases of KeePass, keys of OpenSSH, GnuPG and onion services.
const HEADS: [&[u8]; 12] = [
    &[0xfe, 0xed, 0xfe, 0xed],
    &[0xce; 4],
    &[5, 2, 0, 0],
    &[5, 3, 0, 0, 0],
    &[5, 4, 0, 0, 0],
    &[5, 4, 0, 12, 0, 1],
    b"k8s\0",
    &[0x03, 0xd9, 0xa2, 0x9a],
    b"openssh-key-v1\0",
    b"(11:private-key(",
    b"(21:protected-private-key(",
    b"== ed25519v1-secret",
];

/// The value of a hexadecimal digit.
fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// Whether a byte is a character of either alphabet of base64.
pub(super) fn is_token(byte: u8) -> bool {
    base64::CLASS[usize::from(byte)]
}

/// The same of bytes that are looked at together: compilers make vectors of it.
#[expect(clippy::needless_bitwise_bool, reason = "a branch for each byte would cost more")]
fn are_tokens<const LEN: usize>(row: &[u8; LEN]) -> bool {
    row.iter().fold(true, |all, byte| {
        let is_letter = (byte | 0x20).wrapping_sub(b'a') <= b'z' - b'a';
        let is_digit = byte.wrapping_sub(b'0') <= 9;
        let is_sign = (*byte == b'+') | (*byte == b'/') | (*byte == b'-') | (*byte == b'_');
        all & (is_letter | is_digit | is_sign)
    })
}

/// Where an escape with this first character may stand.
fn escapes(first: u8, bytes: &[u8], marks: &Marks) -> impl Iterator<Item = usize> {
    marks.escapes().filter(move |at| bytes.get(*at) == Some(&first))
}

/// Fewest characters of a token.
pub(super) const TOKEN: usize = 24;

/// Gives every longest row of characters of either alphabet of base64, if it has [`TOKEN`] or more.
pub(super) fn tokens(bytes: &[u8], marks: &Marks, mut found: impl FnMut(Range<usize>)) {
    /// Bytes between two that are looked at first.
    const STEP: usize = 16;
    let holds = is_token;
    let mut done = 0;
    for stretch in marks.stretches(kernel::TOKEN, STEP, bytes.len()) {
        // Of 24 bytes nine from a multiple of sixteen on are in.
        for at in (stretch.start.next_multiple_of(STEP)..stretch.end).step_by(STEP) {
            let probe = |offset: usize| bytes.get(at + offset).is_some_and(|byte| holds(*byte));
            if at < done || !probe(0) || !probe(8) || !probe(4) {
                continue;
            }
            let before = bytes.get(done..at).unwrap_or_default();
            let start = at - before.iter().rev().take_while(|byte| holds(**byte)).count();
            let mut end = at;
            while let Some(row) = bytes.get(end..).and_then(<[u8]>::first_chunk::<STEP>)
                && are_tokens(row)
            {
                end += STEP;
            }
            let after = bytes.get(end..).unwrap_or_default();
            end += after.iter().take_while(|byte| holds(**byte)).count();
            done = end;
            if end - start >= TOKEN {
                found(start..end);
            }
        }
    }
}

const _: () =
    assert!(TOKEN == 2 * kernel::TOKEN_ROW as usize, "half of a token stands in a marked block");

#[cfg(test)]
mod tests;
