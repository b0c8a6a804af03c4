//! gzip (RFC 1952): one file, in one or more members of the format.

use std::io::{self, Read};

use flate2::bufread::GzDecoder;

use super::error::{Cause, ContainerError};
use super::input::Input;
use super::packed::{self, Decoder, Stream};
use super::{Body, Consumed, Opening};

/// ID1, ID2, and the only method there is (RFC 1952 §2.3.1).
const MAGIC: [u8; 3] = [0x1f, 0x8b, 8];

pub(super) fn is(head: &[u8]) -> bool {
    head.starts_with(&MAGIC)
}

pub(super) fn open(body: Body<'_>, opening: &mut Opening<'_>) -> Result<Consumed, ContainerError> {
    let gzip = GzDecoder::new(Input::new(body));
    // 0 is "no time stamp is available".
    let mtime = gzip.header().map(|header| i64::from(header.mtime())).filter(|time| *time != 0);
    packed::open("gzip", Gzip(gzip), mtime, opening)
}

struct Gzip<'a>(GzDecoder<Input<'a>>);

impl Decoder for Gzip<'_> {
    fn decode(&mut self, out: &mut [u8]) -> Result<usize, Cause> {
        loop {
            match self.0.read(out) {
                Ok(0) if self.0.get_mut().look(MAGIC.len()) == MAGIC => {
                    // The next member; the decoder keeps its tables.
                    let input = self.0.reset(Input::empty());
                    self.0.reset(input);
                }
                Ok(n) => return Ok(n),
                Err(error) => return Err(cause(self.0.get_mut(), &error)),
            }
        }
    }

    fn pos(&self) -> u64 {
        self.0.get_ref().pos()
    }
}

impl<'a> Stream<'a> for Gzip<'a> {
    fn input(&mut self) -> &mut Input<'a> {
        self.0.get_mut()
    }
}

/// What an error of the decompressor means: the input's own fault, its end, or bad data.
pub(super) fn cause(input: &mut Input<'_>, error: &io::Error) -> Cause {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return input.cut(1, 0);
    }
    Cause::Malformed { expected: "compressed data".to_owned(), found: error.to_string() }
}
