//! zlib (RFC 1950): one stream, without a name.

use flate2::Decompress;

use super::error::{Cause, ContainerError};
use super::inflate::{glance, has_header, step};
use super::input::Input;
use super::packed::{self, Decoder, Stream};
use super::{Body, Consumed, Opening};

/// Bytes of a head that was cut; one that is shorter is all there is.
const HEAD: usize = 512;

/// The two bytes of its header say little: all of the head must inflate.
pub(super) fn is(head: &[u8]) -> bool {
    // Nearly everything is none: what follows costs more than the scan of a small file.
    if !has_header(head) {
        return false;
    }
    // Room for all that 512 bytes can make, so that none of them stays unread.
    let mut out = vec![0; HEAD.saturating_mul(1032)];
    glance(head, &mut out)
        .is_some_and(|(made, ended)| ended || (head.len() >= HEAD && !made.is_empty()))
}

pub(super) fn open(body: Body<'_>, opening: &mut Opening<'_>) -> Result<Consumed, ContainerError> {
    let raw = Decompress::new(true);
    let zlib = Zlib { input: Input::new(body), raw, left: u64::MAX, ended: false };
    packed::open("zlib", zlib, None, opening)
}

struct Zlib<'a> {
    input: Input<'a>,
    raw: Decompress,
    left: u64,
    ended: bool,
}

impl Decoder for Zlib<'_> {
    fn decode(&mut self, out: &mut [u8]) -> Result<usize, Cause> {
        step(&mut self.input, &mut self.left, &mut self.raw, &mut self.ended, out)
    }

    fn pos(&self) -> u64 {
        self.input.pos()
    }
}

impl<'a> Stream<'a> for Zlib<'a> {
    fn input(&mut self) -> &mut Input<'a> {
        &mut self.input
    }
}
