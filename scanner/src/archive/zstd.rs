//! zstd (RFC 8878): one file, in frames; skippable frames hold nothing of it.

use std::io::{self, BufRead as _};

use ::zstd::stream::raw::{DParameter, Decoder as Library, Operation as _, Status};

use super::ahead::{Ahead, Part, Parts, read_some};
use super::error::{Cause, ContainerError};
use super::input::{Input, count};
use super::packed::{self, Decoder, Stream};
use super::source::Extent;
use super::{Body, Consumed, Opening};

/// RFC 8878 §3.1.1, little-endian.
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// log2 of the largest window, 128 MiB: what `zstd --long` and `--ultra -22` ask for.
const WINDOW_LOG: u32 = 27;
/// The longest header of a frame: magic, descriptor, window, dictionary id, content size.
const FRAME_HEAD: usize = 18;

pub(super) fn is(head: &[u8]) -> bool {
    // 0x184d2a50 to 0x184d2a5f begin a skippable frame (RFC 8878 §3.1.2).
    head.starts_with(&MAGIC) || matches!(head, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}

pub(super) fn open(body: Body<'_>, opening: &mut Opening<'_>) -> Result<Consumed, ContainerError> {
    let mut zstd = Zstd::new(Input::new(body)).map_err(|error| ContainerError {
        container: "zstd",
        offset: 0,
        consumed: 0,
        cause: Cause::Io(error),
    })?;
    // Inside the target what is made is held against what is stored, which has to be known at each step.
    let helpers = opening.helpers.filter(|_| opening.depth == 1);
    zstd.ahead = Ahead::of(&zstd.input, helpers, &PARTS).filter(Ahead::is_split);
    packed::open("zstd", zstd, None, opening)
}

pub(super) struct Zstd<'a, 'h> {
    input: Input<'a>,
    frames: Frames,
    /// Within a frame, so that the end of the input is no end.
    inside: bool,
    /// Decodes the frames that follow.
    ahead: Option<Ahead<'h>>,
}

impl<'a> Zstd<'a, '_> {
    /// # Errors
    /// When the library cannot be set up.
    pub(super) fn new(input: Input<'a>) -> io::Result<Self> {
        Ok(Self { input, frames: Frames::new()?, inside: false, ahead: None })
    }
}

impl Decoder for Zstd<'_, '_> {
    fn decode(&mut self, out: &mut [u8]) -> Result<usize, Cause> {
        let bad = |error: io::Error| Cause::Malformed {
            expected: "compressed data".to_owned(),
            found: error.to_string(),
        };
        loop {
            if !self.inside
                && let Some(ahead) = &mut self.ahead
            {
                match ahead.read(out) {
                    0 => {}
                    made => return Ok(made),
                }
                if let Some(len) = ahead.take(self.input.pos()) {
                    self.input.skip(len);
                    continue;
                }
            }
            if !self.inside {
                self.input.top_up();
                let head = self.input.look(FRAME_HEAD);
                if !is(head) {
                    return Ok(0);
                }
                if !head.starts_with(&MAGIC) {
                    // What is shorter than its header is cut in any case.
                    let len = skippable(head).unwrap_or(SKIPPABLE_HEAD);
                    if self.input.skip(len) < len {
                        return Err(self.input.cut(1, 0));
                    }
                    continue;
                }
                check_window(head)?;
                self.frames.begin(head).map_err(bad)?;
                self.inside = true;
            }
            let stored = self.input.next_bytes();
            let at_end = stored.is_empty();
            let status = self.frames.run(stored, out).map_err(bad)?;
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

impl<'a> Stream<'a> for Zstd<'a, '_> {
    fn input(&mut self) -> &mut Input<'a> {
        &mut self.input
    }
}

/// Frames: where they end is said by the headers of their blocks.
static PARTS: Parts = Parts { find: frame, decode: decode_frames };

/// Blocks of a frame, beyond which it is left to the decoder that goes through it anyway.
const MOST_BLOCKS: usize = 4096;
/// Bytes that a block makes at most. RFC 8878 §3.1.1.2.4.
const BLOCK_BYTES: u64 = 128 << 10;

/// The frame that begins at an offset, if it ends in time and makes at most `most` bytes.
fn frame(extent: &Extent, at: u64, most: u64) -> Option<Part> {
    let mut head = [0_u8; FRAME_HEAD];
    let len = read_some(extent, at, &mut head);
    let head = head.get(..len)?;
    if let Some(header) = Header::of(head) {
        check_window(head).ok()?;
        let Header { len, content, is_reserved, has_checksum, .. } = header;
        if content.is_some_and(|content| content > most) || is_reserved {
            return None;
        }
        let mut end = at.saturating_add(count(len));
        let mut made = 0_u64;
        let mut headers = Headers { start: 0, len: 0, bytes: [0; NEAR] };
        for _ in 0..MOST_BLOCKS {
            let header = headers.at(extent, end)?;
            let Block { is_last, stored, makes, is_reserved } = Block::of(header);
            if is_reserved {
                return None;
            }
            made = made.saturating_add(makes);
            if content.is_none() && made > most {
                return None;
            }
            end = end.saturating_add(3).saturating_add(stored);
            if is_last {
                let end = end.saturating_add(if has_checksum { 4 } else { 0 });
                let most = content.map_or(made, |content| content.min(made));
                return (end <= extent.len()).then_some(Part { range: at..end, most });
            }
        }
        return None;
    }
    // A skippable frame: its length, and that.
    let end = at.saturating_add(skippable(head)?);
    let is_whole = end <= extent.len();
    is_whole.then_some(Part { range: at..end, most: 0 })
}

/// Bytes that are read at once: of short blocks several.
const NEAR: usize = 1024;

/// Reads the headers of blocks, from the lowest on.
struct Headers {
    start: u64,
    len: usize,
    bytes: [u8; NEAR],
}

impl Headers {
    fn at(&mut self, extent: &Extent, at: u64) -> Option<u64> {
        let within = |start: u64| usize::try_from(at.saturating_sub(start)).unwrap_or(usize::MAX);
        if within(self.start).saturating_add(3) > self.len {
            (self.start, self.len) = (at, read_some(extent, at, &mut self.bytes));
        }
        let from = within(self.start);
        let end = from.saturating_add(3);
        (end <= self.len).then(|| little(&self.bytes, from, 3))
    }
}

/// A number of so many bytes, the lowest first; bytes that are not there are zeros.
fn little(bytes: &[u8], at: usize, len: usize) -> u64 {
    let mut word = [0_u8; 8];
    let field = bytes.get(at..at.saturating_add(len)).unwrap_or_default();
    for (to, from) in word.iter_mut().zip(field) {
        *to = *from;
    }
    u64::from_le_bytes(word)
}

/// Decodes whole frames.
fn decode_frames(mut stored: &[u8], out: &mut [u8]) -> Option<usize> {
    let mut frames = Frames::new().ok()?;
    let mut made = 0_usize;
    while !stored.is_empty() {
        if let Some(len) = skippable(stored) {
            stored = stored.get(usize::try_from(len).ok()?..)?;
            continue;
        }
        if !stored.starts_with(&MAGIC) {
            return None;
        }
        frames.begin(stored).ok()?;
        loop {
            let status = frames.run(stored, out.get_mut(made..)?).ok()?;
            stored = stored.get(status.bytes_read..)?;
            made = made.saturating_add(status.bytes_written);
            if status.remaining == 0 {
                break;
            }
            if status.bytes_read == 0 && status.bytes_written == 0 {
                return None;
            }
        }
    }
    Some(made)
}

/// Decodes frames, each as if it were the only one and in one way, so that of a bad one all is made that stands
/// before what is bad, and the same whatever stood before it and however much room there is.
struct Frames {
    library: Library<'static>,
    /// Window and size of the content of the frames that `library` has decoded. Its buffers stay as large as
    /// any of those needed, and with more room it goes further into a bad frame.
    decoded: Option<(u64, Option<u64>)>,
    has_checksum: bool,
    unit: Unit,
    /// Stored bytes of the unit to come.
    left: usize,
    /// There may be more decoded bytes than there was room for.
    is_full: bool,
}

/// What the library is given by itself. What it has decoded is lost when what it is given with that is bad; and
/// a frame that it sees whole, with room for all of it, it decodes without regard to the window.
enum Unit {
    /// The header of the frame, or whatever follows when that is cut or the frame is over.
    Header,
    /// The header of a block, and its bytes that came already.
    BlockHeader([u8; 3]),
    /// The content of a block, the last one or not.
    Block {
        is_last: bool,
    },
    Checksum,
}

impl Frames {
    fn new() -> io::Result<Self> {
        Ok(Self {
            library: library()?,
            decoded: None,
            has_checksum: false,
            unit: Unit::Header,
            left: 0,
            is_full: false,
        })
    }

    /// Begins with the frame whose first bytes are `head`.
    fn begin(&mut self, head: &[u8]) -> io::Result<()> {
        (self.unit, self.left, self.is_full) = (Unit::Header, usize::MAX, false);
        if let Some(Header { len, window, content, has_checksum, .. }) = Header::of(head) {
            (self.left, self.has_checksum) = (len, has_checksum);
            let decodes = Some((window, content));
            if self.decoded.is_some() && self.decoded != decodes {
                self.library = library()?;
            }
            self.decoded = decodes;
        }
        self.library.reinit()
    }

    /// Goes on with the next stored bytes.
    fn run(&mut self, stored: &[u8], out: &mut [u8]) -> io::Result<Status> {
        if self.is_full {
            let status = self.library.run_on_buffers(&[], out)?;
            self.is_full = status.bytes_written == out.len();
            if status.bytes_written > 0 {
                return Ok(status);
            }
        }
        let unit = stored.get(..self.left).unwrap_or(stored);
        let status = self.library.run_on_buffers(unit, out)?;
        self.is_full = status.bytes_written == out.len();
        self.go_on(unit.get(..status.bytes_read).unwrap_or_default());
        Ok(status)
    }

    /// Goes over stored bytes of the unit, and to the next one at its end.
    fn go_on(&mut self, read: &[u8]) {
        if let Unit::BlockHeader(header) = &mut self.unit {
            let at = header.len().saturating_sub(self.left);
            for (to, from) in header.iter_mut().skip(at).zip(read) {
                *to = *from;
            }
        }
        self.left = self.left.saturating_sub(read.len());
        while self.left == 0 {
            (self.unit, self.left) = match self.unit {
                Unit::BlockHeader(header) => {
                    let Block { is_last, stored, .. } = Block::of(little(&header, 0, 3));
                    let left = usize::try_from(stored).unwrap_or(usize::MAX);
                    (Unit::Block { is_last }, left)
                }
                Unit::Block { is_last: true } if self.has_checksum => (Unit::Checksum, 4),
                // The frame is over.
                Unit::Block { is_last: true } | Unit::Checksum => (Unit::Header, usize::MAX),
                Unit::Header | Unit::Block { is_last: false } => (Unit::BlockHeader([0; 3]), 3),
            };
        }
    }
}

fn library() -> io::Result<Library<'static>> {
    let mut library = Library::new()?;
    library.set_parameter(DParameter::WindowLogMax(WINDOW_LOG))?;
    Ok(library)
}

/// What the header of a block says. RFC 8878 §3.1.1.2.
struct Block {
    is_last: bool,
    /// Bytes of it behind the header, and those that it makes at most. Of a reserved type none: it is bad.
    stored: u64,
    makes: u64,
    is_reserved: bool,
}

impl Block {
    fn of(header: u64) -> Self {
        let (kind, size) = (header >> 1 & 3, header >> 3);
        let (stored, makes) = match kind {
            0 => (size, size),
            1 => (1, size),
            2 => (size, BLOCK_BYTES),
            _ => (0, 0),
        };
        Self { is_last: header & 1 == 1, stored, makes, is_reserved: kind == 3 }
    }
}

/// Bytes before the content of a skippable frame: magic and length. RFC 8878 §3.1.2.
const SKIPPABLE_HEAD: u64 = 8;

/// Bytes of the skippable frame that begins so; `None` if none does, or too little of it is there.
fn skippable(head: &[u8]) -> Option<u64> {
    let is_whole = is(head) && !head.starts_with(&MAGIC) && count(head.len()) >= SKIPPABLE_HEAD;
    is_whole.then(|| SKIPPABLE_HEAD.saturating_add(little(head, 4, 4)))
}

/// What the header of a frame says. RFC 8878 §3.1.1.1.
struct Header {
    /// Bytes of it, with the magic.
    len: usize,
    /// Bytes of the window: at most 2^41 and 7/8 of it more.
    window: u64,
    /// Bytes that the frame makes, where that is told.
    content: Option<u64>,
    /// A bit is set that has no meaning yet.
    is_reserved: bool,
    has_checksum: bool,
}

impl Header {
    /// Of the first bytes of a frame; those that are not there count as zeros. `None` if they begin no frame,
    /// or a skippable one.
    fn of(head: &[u8]) -> Option<Self> {
        let (&descriptor, rest) = head.strip_prefix(&MAGIC)?.split_first()?;
        let is_single_segment = descriptor & 0x20 != 0;
        let window = usize::from(!is_single_segment);
        let dictionary_id = match descriptor & 3 {
            3 => 4,
            bytes => usize::from(bytes),
        };
        let content = match descriptor >> 6 {
            0 => usize::from(is_single_segment),
            1 => 2,
            2 => 4,
            _ => 8,
        };
        let before = window.saturating_add(dictionary_id);
        let len = MAGIC.len().saturating_add(1).saturating_add(before).saturating_add(content);
        // A field of two bytes begins where one of one byte ends (§3.1.1.1.4).
        let offset = if content == 2 { 256 } else { 0 };
        let content = (content > 0).then(|| little(rest, before, content).saturating_add(offset));
        let window = if is_single_segment {
            content.unwrap_or_default()
        } else {
            let byte = little(rest, 0, 1);
            let base = 1_u64 << (10_u64.saturating_add(byte >> 3));
            base.saturating_add((base >> 3).saturating_mul(byte & 7))
        };
        let is_reserved = descriptor & 8 != 0;
        Some(Self { len, window, content, is_reserved, has_checksum: descriptor & 4 != 0 })
    }
}

/// Refuses a frame whose window is too large, in words: the library's own error has no numbers.
fn check_window(head: &[u8]) -> Result<(), Cause> {
    let limit = 1_u64 << WINDOW_LOG;
    match Header::of(head) {
        Some(Header { window, .. }) if window > limit => {
            Err(Cause::Limit { what: "bytes of the window", limit, found: window })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use super::{Ahead, Body, Input, PARTS, check_window};
    use crate::archive::{Cause, Extent, Helpers, Source};

    #[test]
    fn frames_that_make_nothing_wait_no_longer_than_others() {
        let len = 200_000_u32;
        let head = [&[0x50, 0x2a, 0x4d, 0x18][..], &len.to_le_bytes()].concat();
        let frame = [head, vec![1; 200_000]].concat();
        let input = Input::new(Body::At(Extent::all(Source::bytes(frame.repeat(40)))));
        let tasks = Rc::new(Cell::new(0));
        let counted = Rc::clone(&tasks);
        let helpers = Helpers::new(1 << 20, 2, move |_| counted.set(counted.get() + 1));
        let mut ahead = Ahead::of(&input, Some(&helpers), &PARTS).unwrap();
        assert_eq!(ahead.take(0), Some(200_008));
        assert!((1..=4).contains(&tasks.get()), "{}", tasks.get());
    }

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
