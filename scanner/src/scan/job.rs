//! Jobs: windows of regions, with their bytes or the ranges where the bytes lie.

use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;

use super::pieces::{self, Bad};
use super::pool::Buffer;
use crate::archive::Extent;
use crate::checkpoint::Scope;
use crate::region::{REACH, Space};
use crate::secret::SecretBytes;

/// Where the bytes of a window come from.
#[derive(Debug)]
pub(super) enum Input {
    /// A pages image or file that the worker reads itself.
    Extent(Extent),
    /// The pages images of the dumps of a chain.
    Layers(Arc<Layers>),
    /// Bytes from a stream; the first lies at this address. Some of them may be of bad blocks.
    Bytes(u64, Buffer, Vec<Bad>),
}

/// The pages image of one dump.
#[derive(Debug)]
pub(super) struct Layer {
    /// Its path.
    pub member: Arc<str>,
    /// Its bytes.
    pub extent: Extent,
}

/// The pages images of the dumps of a chain, and how the memory was later.
#[derive(Debug)]
pub(super) struct Layers {
    /// The images, the newest first.
    pub images: Arc<[Layer]>,
    /// The layouts when later dumps were made; none for the newest.
    pub later: Vec<Arc<Space>>,
}

/// Bytes around a value that was superseded. Where they and the value are the same later on, it is the
/// same evidence.
const SURROUNDINGS: u64 = 64;

impl Input {
    /// Whether what lies in a range is there later on too, with what surrounds it; `bytes` are those
    /// of `seen`, which the range is in.
    pub(super) fn is_there_later(
        &self,
        range: &Range<u64>,
        bytes: &[u8],
        seen: &Range<u64>,
    ) -> bool {
        let Self::Layers(layers) = self else { return false };
        let start = range.start.saturating_sub(SURROUNDINGS).max(seen.start);
        let end = range.end.saturating_add(SURROUNDINGS).min(seen.end);
        let at = |address: u64| {
            usize::try_from(address.saturating_sub(seen.start)).unwrap_or(usize::MAX)
        };
        let bytes = bytes.get(at(start)..at(end)).unwrap_or_default();
        let mut same = vec![0; bytes.len()];
        let is_same = layers.later.iter().any(|space| {
            let (got, ..) = pieces::read(space, self, start, &mut same);
            got == bytes.len() && same == bytes
        });
        // What was read may be secret.
        drop(SecretBytes::from(same));
        is_same
    }

    /// What the worker reads of a layer.
    pub(super) fn extent(&self, layer: u16) -> Option<&Extent> {
        match self {
            Self::Extent(extent) => Some(extent),
            Self::Layers(layers) => {
                layers.images.get(usize::from(layer)).map(|layer| &layer.extent)
            }
            Self::Bytes(..) => None,
        }
    }
}

impl Job {
    /// Path of the image that the bytes of a layer are from.
    pub(super) fn member_of(&self, layer: u16) -> &str {
        match &self.input {
            Input::Layers(layers) => {
                layers.images.get(usize::from(layer)).map_or(&self.member, |layer| &layer.member)
            }
            Input::Extent(_) | Input::Bytes(..) => &self.member,
        }
    }
}

/// One window.
#[derive(Debug)]
pub(super) struct Job {
    /// The layout it is a part of.
    pub space: Arc<Space>,
    /// Path in reports; empty for memory.
    pub name: Arc<str>,
    /// Path of the file or image that the bytes are from.
    pub member: Arc<str>,
    /// Number of the folder or archive whose ledger it counts in.
    pub unit: u64,
    /// The whole region.
    pub region: Range<u64>,
    /// The part that belongs to this window.
    pub own: Range<u64>,
    /// What of the holder is looked at.
    pub scope: Scope,
    /// Its bytes.
    pub input: Input,
    /// Whether decoding made the bytes, so that they are no part of the checkpoint's stored size.
    pub decoded: bool,
}

/// The parts of a region (or of a part of it, from cell to cell) that its windows own; `window` gives
/// the bytes of the next one.
pub(super) fn windows(
    region: Range<u64>,
    window: impl Fn() -> u64,
) -> impl Iterator<Item = Range<u64>> {
    let end = region.end;
    let mut start = region.start;
    std::iter::from_fn(move || {
        (start < end).then(|| {
            let own = start..start.saturating_add(window()).min(end);
            start = own.end;
            own
        })
    })
}

/// A window of a stream: the part it owns, the address of its first byte, its bytes, and where
/// the region ends if that is known.
pub(super) struct Streamed {
    pub own: Range<u64>,
    pub base: u64,
    pub bytes: Buffer,
    pub end: Option<u64>,
}

/// Cuts a region that comes as a stream into windows with [`REACH`] bytes around them. Gives the
/// bytes that there were; the region ends where the stream does.
///
/// The stream begins at `base`; the windows own what follows `start`, at most [`REACH`] behind it.
/// `window` gives the bytes of the next one, `buffer` an empty buffer, `take` takes a window.
pub(super) fn cut_stream(
    stream: &mut dyn Read,
    (first, start): (u64, u64),
    window: impl Fn() -> u64,
    mut buffer: impl FnMut() -> Buffer,
    mut take: impl FnMut(Streamed),
) -> io::Result<u64> {
    let mut own_start = start;
    let mut base = first;
    let mut carry: Vec<u8> = Vec::new();
    loop {
        let mut bytes = buffer();
        let own_end = own_start.saturating_add(window());
        let want = own_end.saturating_add(REACH).saturating_sub(base);
        let missing = want.saturating_sub(carry.len() as u64);
        let read = bytes.fill(&carry, stream, usize::try_from(want).unwrap_or(usize::MAX))?;
        let end = base.saturating_add(bytes.len() as u64);
        if (read as u64) < missing {
            // The last window may have got more than it owns: then one more follows it.
            if end > own_end {
                keep_tail(&mut carry, &bytes, base, own_end);
                let next = own_end.saturating_sub(REACH).max(first);
                take(Streamed { own: own_start..own_end, base, bytes, end: Some(end) });
                let mut last = buffer();
                last.fill(&carry, &mut io::empty(), carry.len())?;
                take(Streamed { own: own_end..end, base: next, bytes: last, end: Some(end) });
            } else {
                take(Streamed { own: own_start..end, base, bytes, end: Some(end) });
            }
            return Ok(end.saturating_sub(first));
        }
        keep_tail(&mut carry, &bytes, base, own_end);
        let next = own_end.saturating_sub(REACH).max(first);
        take(Streamed { own: own_start..own_end, base, bytes, end: None });
        (own_start, base) = (own_end, next);
    }
}

/// Keeps the bytes that the next window, which owns what follows `own_end`, needs again.
fn keep_tail(carry: &mut Vec<u8>, bytes: &[u8], base: u64, own_end: u64) {
    let keep = own_end.saturating_sub(base).saturating_sub(REACH);
    carry.clear();
    let tail = bytes.get(usize::try_from(keep).unwrap_or(usize::MAX)..).unwrap_or_default();
    carry.extend_from_slice(tail);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_gives_the_same_windows_as_a_range() {
        let window = 2 * REACH;
        for len in [0, 1, REACH, window - 1, window, window + 1, window + REACH, 5 * window + 7] {
            let data: Vec<u8> = (0..len).map(|at| (at % 251) as u8).collect();
            let start = 0x1000;
            let mut got = Vec::new();
            let read = cut_stream(
                &mut data.as_slice(),
                (start, start),
                || window,
                Buffer::new,
                |streamed| {
                    let from = usize::try_from(streamed.base - start).unwrap();
                    assert_eq!(*streamed.bytes, data[from..from + streamed.bytes.len()]);
                    let seen = streamed.base + streamed.bytes.len() as u64;
                    let wanted = (streamed.own.end + REACH).min(start + len);
                    assert!(seen >= wanted, "{len}: sees {seen:#x} of {wanted:#x}");
                    assert_eq!(streamed.base, streamed.own.start.saturating_sub(REACH).max(start));
                    got.push(streamed.own);
                },
            );
            assert_eq!(read.unwrap(), len);
            let expected: Vec<_> = windows(start..start + len, || window).collect();
            got.retain(|own| !own.is_empty());
            assert_eq!(got, expected, "{len}");
        }
    }
}
