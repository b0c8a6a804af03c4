//! gzip (RFC 1952): one file, in one or more members of the format.

use std::io::{self, Read};

use flate2::bufread::GzDecoder;

use super::ahead::{Ahead, Part, Parts, read_exactly};
use super::error::{Cause, ContainerError};
use super::input::{Input, count};
use super::packed::{self, Decoder, Stream};
use super::source::Extent;
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
    let mut mtime = 0;
    let gzip = if ahead.is_some() {
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

/// Members that tell how long they are, as bgzip writes them: at most 64 KiB of content each. Where others
/// end is known only when they are decoded.
static PARTS: Parts = Parts { find: block, decode: decode_blocks };

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

fn block(extent: &Extent, at: u64, most: u64) -> Option<Part> {
    let mut head = [0_u8; BLOCK_HEAD];
    if most < BLOCK_BYTES || !read_exactly(extent, at, &mut head) {
        return None;
    }
    let end = at.saturating_add(count(block_len(&head)?));
    (end <= extent.len()).then_some(Part { range: at..end, most: BLOCK_BYTES })
}

/// Decodes whole blocks.
fn decode_blocks(mut stored: &[u8], out: &mut [u8]) -> Option<usize> {
    let mut made = 0_usize;
    let mut gzip = GzDecoder::new(&[][..]);
    while !stored.is_empty() {
        let (block, rest) = stored.split_at_checked(block_len(stored)?)?;
        gzip.reset(block);
        loop {
            // One byte more than fits shows whether it ends here.
            let mut beyond = [0_u8];
            let room = out.get_mut(made..).filter(|room| !room.is_empty());
            match (gzip.read(room.unwrap_or(&mut beyond)).ok()?, made < out.len()) {
                (0, _) => break,
                (read, true) => made = made.saturating_add(read),
                (_, false) => return None,
            }
        }
        if !gzip.get_ref().is_empty() {
            return None;
        }
        stored = rest;
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
