//! gzip (RFC 1952): one file, in one or more members of the format.

use std::io::{self, Read};

use flate2::bufread::GzDecoder;

use super::ahead::{Ahead, Part, Parts, read_exactly, read_some};
use super::error::{Cause, ContainerError};
use super::input::{Input, count};
use super::packed::{self, Decoder, Stream};
use super::source::Extent;
use super::sparse::first;
use super::{Body, Consumed, Opening};

/// ID1, ID2, and the only method there is (RFC 1952 §2.3.1).
const MAGIC: [u8; 3] = [0x1f, 0x8b, 8];

pub(super) fn is(head: &[u8]) -> bool {
    head.starts_with(&MAGIC)
}

pub(super) fn open(body: Body<'_>, opening: &mut Opening<'_>) -> Result<Consumed, ContainerError> {
    let mut input = Input::new(body);
    // Inside the target what is made is held against what is stored, which has to be known at each step.
    let helpers = opening.helpers.filter(|_| opening.depth == 1);
    let ahead = Ahead::of(&input, helpers, &PARTS);
    // Of other members the first is most often the only one.
    let is_blocks = block_len(input.look(BLOCK_HEAD)).is_some();
    let is_split = is_blocks && ahead.as_ref().is_some_and(Ahead::is_split);
    let mut mtime = 0;
    let gzip = if is_split {
        if let [_, _, _, _, time @ ..] = input.look(8) {
            mtime = time.iter().rev().fold(0, |all, byte| all << 8 | i64::from(*byte));
        }
        Gzip { decoder: GzDecoder::new(Input::empty()), next: Some(input), ahead }
    } else {
        let decoder = GzDecoder::new(input);
        mtime = decoder.header().map_or(0, |header| i64::from(header.mtime()));
        Gzip { decoder, next: None, ahead }
    };
    // 0 is "no time stamp is available".
    packed::open("gzip", gzip, Some(mtime).filter(|time| *time != 0), opening)
}

struct Gzip<'a, 'h> {
    decoder: GzDecoder<Input<'a>>,
    /// The input, where it stands between members.
    next: Option<Input<'a>>,
    /// Decodes the members that follow.
    ahead: Option<Ahead<'h>>,
}

impl Decoder for Gzip<'_, '_> {
    fn decode(&mut self, out: &mut [u8]) -> Result<usize, Cause> {
        loop {
            if let Some(input) = &mut self.next {
                if let Some(ahead) = &mut self.ahead {
                    match ahead.read(out) {
                        0 => {}
                        made => return Ok(made),
                    }
                    if let Some(len) = ahead.take(input.pos()) {
                        input.skip(len);
                        continue;
                    }
                }
                input.top_up();
                if input.look(MAGIC.len()) != MAGIC {
                    return Ok(0);
                }
                // The decoder keeps its tables.
                if let Some(input) = self.next.take() {
                    self.decoder.reset(input);
                }
            }
            match self.decoder.read(out) {
                Ok(0) if self.decoder.get_mut().look(MAGIC.len()) == MAGIC => {
                    self.next = Some(self.decoder.reset(Input::empty()));
                }
                Ok(n) => return Ok(n),
                Err(error) => return Err(cause(self.decoder.get_mut(), &error)),
            }
        }
    }

    fn pos(&self) -> u64 {
        self.next.as_ref().unwrap_or(self.decoder.get_ref()).pos()
    }
}

impl<'a> Stream<'a> for Gzip<'a, '_> {
    fn input(&mut self) -> &mut Input<'a> {
        match &mut self.next {
            Some(input) => input,
            None => self.decoder.get_mut(),
        }
    }
}

/// Members. Those of bgzip tell how long they are. Where others end is known only when they are decoded, but
/// the next one shows by its header, which other bytes can look like: such a guess is proven by decoding, as
/// all that is between two of them has to be whole members.
static PARTS: Parts = Parts { find: part, decode: decode_members };

/// Bytes that a block of bgzip makes at most (SAM specification §4.1).
const BLOCK_BYTES: u64 = 64 << 10;
/// The beginning of such a block: header of gzip with one extra field of 6 bytes, `BC` and its size.
const BLOCK_HEAD: usize = 18;

/// Stored bytes of the block that begins so.
fn block_len(head: &[u8]) -> Option<usize> {
    let &[0x1f, 0x8b, 8, 4, _, _, _, _, _, _, 6, 0, b'B', b'C', 2, 0, low, high, ..] = head else {
        return None;
    };
    Some(usize::from(u16::from_le_bytes([low, high])).saturating_add(1))
}

fn part(extent: &Extent, at: u64, most: u64) -> Option<Part> {
    let mut head = [0_u8; BLOCK_HEAD];
    if !read_exactly(extent, at, &mut head) {
        return None;
    }
    let Some(len) = block_len(&head) else { return guessed(extent, at, most, &head) };
    let end = at.saturating_add(count(len));
    let fits = most >= BLOCK_BYTES && end <= extent.len();
    fits.then_some(Part { range: at..end, most: BLOCK_BYTES })
}

/// Bytes of a header without optional fields (RFC 1952 §2.3).
const HEAD: usize = 10;
/// What stands before a member that follows another one: checksum and length of that.
const TRAILER: usize = 8;
/// What an empty member takes.
const LEAST: u64 = 20;
/// Bytes that deflate makes of one at most.
const EXPANSION: u64 = 1032;
/// Bytes that are decoded at once.
const STEP: usize = 64 << 10;
/// Bytes that are searched at once.
const SEARCHED: usize = 64 << 10;

/// Whether a member may begin so: known flags, and what deflate and programs write as level and system.
fn may_begin(head: &[u8]) -> bool {
    let [0x1f, 0x8b, 8, flags, _, _, _, _, level, system, ..] = head else { return false };
    flags & 0xe0 == 0 && matches!(level, 0 | 2 | 4) && matches!(system, 0..=13 | 255)
}

/// What lies between the beginning of a member and what looks like that of the next one, or the end; if it
/// makes at most `most` bytes, as stands before that.
fn guessed(extent: &Extent, at: u64, most: u64, head: &[u8]) -> Option<Part> {
    if !may_begin(head) {
        return None;
    }
    let part = |end: u64, length: [u8; 4]| {
        let makes = u64::from(u32::from_le_bytes(length));
        let stored = end.saturating_sub(at);
        (makes <= stored.saturating_mul(EXPANSION)).then_some(Part { range: at..end, most: makes })
    };
    let mut bytes = vec![0_u8; SEARCHED];
    // Each piece begins with the last bytes of the one before.
    let mut start = at.saturating_add(LEAST).saturating_sub(count(TRAILER));
    // Few members are longer than what they make.
    while start.saturating_sub(at) < most {
        let len = read_some(extent, start, &mut bytes);
        let piece = bytes.get(..len)?;
        for found in memchr::memmem::find_iter(piece, &MAGIC) {
            let Some((before, head)) = piece.split_at_checked(found) else { continue };
            let Some(length) = before.last_chunk().copied().filter(|_| may_begin(head)) else {
                continue;
            };
            if let Some(part) = part(start.saturating_add(count(found)), length) {
                // One that is too long is no guess that decoding could prove.
                return Some(part).filter(|part| part.most <= most);
            }
        }
        if len < bytes.len() {
            let end = start.saturating_add(count(len));
            let length = piece.last_chunk().copied()?;
            return part(end, length).filter(|part| part.most <= most);
        }
        start = start.saturating_add(count(len.saturating_sub(HEAD.saturating_add(TRAILER))));
    }
    None
}

/// Decodes whole members.
fn decode_members(mut stored: &[u8], out: &mut [u8]) -> Option<usize> {
    let mut made = 0_usize;
    let mut gzip = GzDecoder::new(&[][..]);
    while !stored.is_empty() {
        gzip.reset(stored);
        loop {
            // One byte more than fits shows whether it ends here.
            let mut beyond = [0_u8];
            let room = out.get_mut(made..).filter(|room| !room.is_empty());
            // In steps, so that the checksum is made of bytes that lie in the cache.
            let room = room.map(|room| first(room, count(STEP)));
            match (gzip.read(room.unwrap_or(&mut beyond)).ok()?, made < out.len()) {
                (0, _) => break,
                (read, true) => made = made.saturating_add(read),
                (_, false) => return None,
            }
        }
        stored = *gzip.get_ref();
    }
    Some(made)
}

/// What an error of the decompressor means: the input's own fault, its end, or bad data.
pub(super) fn cause(input: &mut Input<'_>, error: &io::Error) -> Cause {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return input.cut(1, 0);
    }
    Cause::Malformed { expected: "compressed data".to_owned(), found: error.to_string() }
}
