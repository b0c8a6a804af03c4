//! Deflate (RFC 1951), as it is in zip and within zlib (RFC 1950), which tells its own end.

use std::io::BufRead as _;

use flate2::{Decompress, FlushDecompress, Status};

use super::error::Cause;
use super::input::Input;
use super::packed::Decoder;

/// Deflated bytes of an input, up to their end.
pub(super) struct Inflate<'i, 'a> {
    pub(super) input: &'i mut Input<'a>,
    /// Stored bytes that may still be taken.
    pub(super) left: u64,
    /// Whether there is a zlib header is its matter; reset.
    pub(super) raw: &'i mut Decompress,
    pub(super) ended: bool,
}

impl<'i, 'a> Inflate<'i, 'a> {
    /// Takes `raw` for its tables.
    pub(super) fn new(
        input: &'i mut Input<'a>,
        left: u64,
        raw: &'i mut Decompress,
        zlib: bool,
    ) -> Self {
        raw.reset(zlib);
        Self { input, left, raw, ended: false }
    }
}

impl Decoder for Inflate<'_, '_> {
    fn decode(&mut self, out: &mut [u8]) -> Result<usize, Cause> {
        if self.ended {
            return Ok(0);
        }
        let made = step(self.input, &mut self.left, self.raw, &mut self.ended, out)?;
        Ok(made)
    }

    fn pos(&self) -> u64 {
        self.input.pos()
    }
}

/// Inflates some of `input`, at most `left` bytes of it; nothing is made at the end only.
pub(super) fn step(
    input: &mut Input<'_>,
    left: &mut u64,
    raw: &mut Decompress,
    ended: &mut bool,
    out: &mut [u8],
) -> Result<usize, Cause> {
    let bad = |found: String| Cause::Malformed { expected: "deflated data".to_owned(), found };
    while !*ended {
        let most = usize::try_from(*left).unwrap_or(usize::MAX);
        let stored = input.next_bytes();
        let stored = stored.get(..most).unwrap_or(stored);
        let at_end = stored.is_empty();
        let (before_in, before_out) = (raw.total_in(), raw.total_out());
        let status = raw.decompress(stored, out, FlushDecompress::None);
        let status = status.map_err(|error| bad(error.to_string()))?;
        let used = raw.total_in().saturating_sub(before_in);
        let made = raw.total_out().saturating_sub(before_out);
        input.consume(usize::try_from(used).unwrap_or(usize::MAX));
        *left = left.saturating_sub(used);
        *ended = status == Status::StreamEnd;
        if made > 0 {
            return Ok(usize::try_from(made).unwrap_or(usize::MAX));
        }
        if used == 0 && !*ended {
            return Err(if at_end && *left > 0 {
                input.cut(1, 0)
            } else {
                bad("its end".to_owned())
            });
        }
    }
    Ok(0)
}

/// Whether bytes begin with a header of zlib.
pub(super) fn has_header(head: &[u8]) -> bool {
    // CM 8, CINFO 7, a check of both bytes, and no dictionary (RFC 1950 §2.2).
    let &[0x78, flags, ..] = head else { return false };
    let header = 0x7800_u16 | u16::from(flags);
    header.is_multiple_of(31) && flags & 0x20 == 0
}

/// What the beginning of a zlib stream gives: at most `out.len()` bytes and whether it ended;
/// `None` when it is none. `head` is all there is when it has fewer than 512 bytes.
pub(super) fn glance<'o>(head: &[u8], out: &'o mut [u8]) -> Option<(&'o [u8], bool)> {
    if !has_header(head) {
        return None;
    }
    let mut raw = Decompress::new(true);
    let status = raw.decompress(head, out, FlushDecompress::None).ok()?;
    let made = usize::try_from(raw.total_out()).ok()?;
    Some((out.get(..made)?, status == Status::StreamEnd))
}
