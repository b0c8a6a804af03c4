//! xz (The .xz File Format 1.2.1): one file, in streams with zeros between them.

use std::io::{self, BufRead as _, Read as _};

use lzma_rust2::XzReader;

use super::error::{Cause, ContainerError};
use super::input::Input;
use super::packed::{self, Decoder, Stream};
use super::{Body, Consumed, Opening};

/// Header Magic Bytes (§2.1.1.1), and the zero that the stream flags begin with.
const MAGIC: &[u8] = b"\xfd7zXZ\0\0";
/// Bytes of the largest dictionary: what `xz -9` asks for.
const DICTIONARY: u64 = 64 << 20;
/// The same in KiB, with the rest that the decoder needs.
const MEMORY_KIB: u32 = (64 << 10) + 256;

pub(super) fn is(head: &[u8]) -> bool {
    head.starts_with(MAGIC)
}

pub(super) fn open(body: Body<'_>, opening: &mut Opening<'_>) -> Result<Consumed, ContainerError> {
    packed::open("xz", Xz::new(Input::new(body)), None, opening)
}

pub(super) struct Xz<'a> {
    /// One stream; the next is begun by us, as what is no stream is no error of this one.
    reader: XzReader<Input<'a>>,
}

impl<'a> Xz<'a> {
    pub(super) fn new(input: Input<'a>) -> Self {
        Self { reader: XzReader::new_mem_limit(input, false, MEMORY_KIB) }
    }

    /// Goes to the next stream, if there is one. Between two are zeros in groups of four (§2.2).
    fn next_stream(&mut self) -> bool {
        let input = self.reader.inner_mut();
        while input.look(4) == [0; 4] {
            input.consume(4);
        }
        if !is(input.look(MAGIC.len())) {
            return false;
        }
        let input = std::mem::replace(input, Input::empty());
        self.reader = XzReader::new_mem_limit(input, false, MEMORY_KIB);
        true
    }
}

impl Decoder for Xz<'_> {
    fn decode(&mut self, out: &mut [u8]) -> Result<usize, Cause> {
        loop {
            match self.reader.read(out) {
                Ok(0) if self.next_stream() => {}
                Ok(n) => return Ok(n),
                Err(error) => return Err(cause(self.reader.inner_mut(), &error)),
            }
        }
    }

    fn pos(&self) -> u64 {
        self.reader.inner().pos()
    }
}

impl<'a> Stream<'a> for Xz<'a> {
    fn input(&mut self) -> &mut Input<'a> {
        self.reader.inner_mut()
    }
}

fn cause(input: &mut Input<'_>, error: &io::Error) -> Cause {
    let kind = error.kind();
    if kind == io::ErrorKind::UnexpectedEof {
        return input.cut(1, 0);
    }
    if kind == io::ErrorKind::OutOfMemory {
        let (what, limit) = ("bytes of the dictionary", DICTIONARY);
        return Cause::Limit { what, limit, found: limit.saturating_add(1) };
    }
    Cause::Malformed { expected: "compressed data".to_owned(), found: error.to_string() }
}
