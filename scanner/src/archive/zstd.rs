//! zstd (RFC 8878): one file, in frames; skippable frames hold nothing of it.

use std::io::{self, BufRead as _};

use ::zstd::stream::raw::{DParameter, Decoder as Frames, Operation};

use super::error::{Cause, ContainerError};
use super::input::Input;
use super::packed::{self, Decoder, Stream};
use super::{Body, Consumed, Opening};

/// RFC 8878 §3.1.1, little-endian.
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// log2 of the largest window, 128 MiB: what `zstd --long` and `--ultra -22` ask for.
const WINDOW_LOG: u32 = 27;
/// The longest beginning of a frame that tells its window: magic, descriptor, window or
/// dictionary id, content size.
const FRAME_HEAD: usize = 18;

pub(super) fn is(head: &[u8]) -> bool {
    // 0x184d2a50 to 0x184d2a5f begin a skippable frame (RFC 8878 §3.1.2).
    head.starts_with(&MAGIC) || matches!(head, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}

pub(super) fn open(body: Body<'_>, opening: &mut Opening<'_>) -> Result<Consumed, ContainerError> {
    let zstd = Zstd::new(Input::new(body)).map_err(|error| ContainerError {
        container: "zstd",
        offset: 0,
        consumed: 0,
        cause: Cause::Io(error),
    })?;
    packed::open("zstd", zstd, None, opening)
}

pub(super) struct Zstd<'a> {
    input: Input<'a>,
    frames: Frames<'static>,
    /// Within a frame, so that the end of the input is no end.
    inside: bool,
}

impl<'a> Zstd<'a> {
    /// # Errors
    /// When the library cannot be set up.
    pub(super) fn new(input: Input<'a>) -> io::Result<Self> {
        let mut frames = Frames::new()?;
        frames.set_parameter(DParameter::WindowLogMax(WINDOW_LOG))?;
        Ok(Self { input, frames, inside: false })
    }
}

impl Decoder for Zstd<'_> {
    fn decode(&mut self, out: &mut [u8]) -> Result<usize, Cause> {
        let bad = |error: io::Error| Cause::Malformed {
            expected: "compressed data".to_owned(),
            found: error.to_string(),
        };
        loop {
            if !self.inside {
                let head = self.input.look(FRAME_HEAD);
                if !is(head) {
                    return Ok(0);
                }
                check_window(head)?;
                self.frames.reinit().map_err(bad)?;
                self.inside = true;
            }
            let stored = self.input.next_bytes();
            let at_end = stored.is_empty();
            let status = self.frames.run_on_buffers(stored, out).map_err(bad)?;
            self.input.consume(status.bytes_read);
            self.inside = status.remaining != 0;
            if status.bytes_written > 0 {
                return Ok(status.bytes_written);
            }
            if self.inside && at_end {
                return Err(self.input.cut(1, 0));
            }
        }
    }

    fn pos(&self) -> u64 {
        self.input.pos()
    }
}

impl<'a> Stream<'a> for Zstd<'a> {
    fn input(&mut self) -> &mut Input<'a> {
        &mut self.input
    }
}

/// Refuses a frame whose window is too large, in words: the library's own error has no numbers.
/// RFC 8878 §3.1.1.1.
fn check_window(head: &[u8]) -> Result<(), Cause> {
    let Some((&descriptor, rest)) = head.strip_prefix(&MAGIC).and_then(<[u8]>::split_first) else {
        return Ok(());
    };
    let window = if descriptor & 0x20 == 0 {
        let byte = u64::from(rest.first().copied().unwrap_or_default());
        // At most 2^41 and 7/8 of it more.
        let base = 1_u64 << (10_u64.saturating_add(byte >> 3));
        base.saturating_add((base >> 3).saturating_mul(byte & 7))
    } else {
        // A single segment: the window is the content, whose size stands behind the dictionary id.
        let dictionary_id = match descriptor & 3 {
            3 => 4,
            bytes => usize::from(bytes),
        };
        let content = match descriptor >> 6 {
            0 => 1,
            1 => 2,
            2 => 4,
            _ => 8,
        };
        let mut word = [0_u8; 8];
        let field = rest.get(dictionary_id..).and_then(|field| field.get(..content));
        for (to, from) in word.iter_mut().zip(field.unwrap_or_default()) {
            *to = *from;
        }
        u64::from_le_bytes(word)
    };
    let limit = 1_u64 << WINDOW_LOG;
    if window > limit {
        return Err(Cause::Limit { what: "bytes of the window", limit, found: window });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::check_window;
    use crate::archive::Cause;

    #[test]
    fn windows() {
        let magic = [0x28, 0xb5, 0x2f, 0xfd];
        let frame = |rest: &[u8]| [&magic[..], rest].concat();
        // Window descriptor: exponent in the upper five bits, added to 10; eighths below.
        assert!(check_window(&frame(&[0, 17 << 3])).is_ok());
        for (frame, window) in [
            (frame(&[0, 17 << 3 | 1]), (1 << 27) + (1 << 24)),
            (frame(&[0, 0xff]), (1_u64 << 41) / 8 * 15),
            (frame(&[0xe0, 0, 0, 0, 0, 1, 0, 0, 0]), 1 << 32),
            (frame(&[0xa1, 7, 0, 0, 0, 9]), 9 << 24),
        ] {
            match check_window(&frame) {
                Err(Cause::Limit { limit: 0x800_0000, found, .. }) => assert_eq!(found, window),
                other => panic!("expected a limit, found {other:?}"),
            }
        }
    }
}
