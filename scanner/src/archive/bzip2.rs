//! bzip2: one file, in one or more streams. There is no specification; its reference is libbzip2.

use std::io::BufRead as _;

use ::bzip2::{Decompress, Status};

use super::error::{Cause, ContainerError};
use super::input::Input;
use super::packed::{self, Decoder, Stream};
use super::{Body, Consumed, Opening};

/// `BZh`, then the size of blocks in units of 100,000 bytes as a digit.
const MAGIC: &[u8] = b"BZh";
/// What the first block begins with, or the end of a stream without blocks: digits of pi and of
/// its root.
const BLOCK: &[u8] = &[0x31, 0x41, 0x59, 0x26, 0x53, 0x59];
const END: &[u8] = &[0x17, 0x72, 0x45, 0x38, 0x50, 0x90];
/// Bytes that tell a stream.
const HEAD: usize = 10;

pub(super) fn is(head: &[u8]) -> bool {
    let Some((b'1'..=b'9', rest)) = head.strip_prefix(MAGIC).and_then(<[u8]>::split_first) else {
        return false;
    };
    rest.starts_with(BLOCK) || rest.starts_with(END)
}

pub(super) fn open(body: Body<'_>, opening: &mut Opening<'_>) -> Result<Consumed, ContainerError> {
    packed::open("bzip2", Bzip2::new(Input::new(body)), None, opening)
}

/// Needs at most 3.7 MB, whatever the streams say.
pub(super) struct Bzip2<'a> {
    input: Input<'a>,
    /// Of the stream that is read; none between two.
    raw: Option<Decompress>,
}

impl<'a> Bzip2<'a> {
    pub(super) fn new(input: Input<'a>) -> Self {
        Self { input, raw: None }
    }
}

impl Decoder for Bzip2<'_> {
    fn decode(&mut self, out: &mut [u8]) -> Result<usize, Cause> {
        let bad = |found: &str| Cause::Malformed {
            expected: "compressed data".to_owned(),
            found: found.to_owned(),
        };
        loop {
            let raw = match &mut self.raw {
                Some(raw) => raw,
                None if is(self.input.look(HEAD)) => self.raw.insert(Decompress::new(false)),
                None => return Ok(0),
            };
            let stored = self.input.next_bytes();
            let at_end = stored.is_empty();
            let (before_in, before_out) = (raw.total_in(), raw.total_out());
            let status = raw.decompress(stored, out).map_err(|error| bad(&error.to_string()))?;
            let used = raw.total_in().saturating_sub(before_in);
            let made = raw.total_out().saturating_sub(before_out);
            self.input.consume(usize::try_from(used).unwrap_or(usize::MAX));
            let ended = match status {
                Status::StreamEnd => true,
                Status::MemNeeded => return Err(bad("more than its memory")),
                Status::Ok | Status::FlushOk | Status::RunOk | Status::FinishOk => false,
            };
            if ended {
                self.raw = None;
            }
            if made > 0 {
                return Ok(usize::try_from(made).unwrap_or(usize::MAX));
            }
            if used == 0 && !ended {
                return Err(if at_end { self.input.cut(1, 0) } else { bad("other bytes") });
            }
        }
    }

    fn pos(&self) -> u64 {
        self.input.pos()
    }
}

impl<'a> Stream<'a> for Bzip2<'a> {
    fn input(&mut self) -> &mut Input<'a> {
        &mut self.input
    }
}
