//! Decoding ahead: of a compressed file in many frames or members, those that follow are decoded by other
//! threads while what is before them is read.
//!
//! Only what is sound is taken from them. A part that does not decode to its end, exactly, within its bound
//! is left to the decoder that goes byte by byte, so that bytes and errors are the same either way.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};

use super::input::{Input, count};
use super::source::Extent;

/// Something to do for another thread.
pub type Task = Box<dyn FnOnce() + Send>;

/// Who decodes ahead, and how many bytes.
pub struct Helpers {
    run: Box<dyn Fn(Task)>,
    most: u64,
}

impl std::fmt::Debug for Helpers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Helpers").field("most", &self.most).finish_non_exhaustive()
    }
}

impl Helpers {
    /// `run` has tasks done by other threads, in any order, or drops them; at most `most` decoded bytes
    /// wait to be read, and one part of a quarter of that is being read.
    pub fn new(most: u64, run: impl Fn(Task) + 'static) -> Self {
        Self { run: Box::new(run), most }
    }
}

/// A part of a compressed file that can be decoded by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    /// Its stored bytes.
    pub range: Range<u64>,
    /// Decoded bytes that it has at most.
    pub most: u64,
}

/// How the parts of a format are found and decoded.
pub(super) struct Parts {
    /// The part that begins at an offset, by its headers alone, if it makes at most so many bytes.
    pub find: fn(&Extent, u64, u64) -> Option<Part>,
    /// Decodes the stored bytes of one or more parts; gives how many bytes they make, or `None` when they
    /// are not exactly such parts, or make more than there is room for.
    pub decode: fn(&[u8], &mut [u8]) -> Option<usize>,
}

/// Parts with fewer stored bytes are decoded together: a task costs some microseconds.
const TOGETHER: u64 = 256 << 10;

/// Buffers that were used and can be again.
type Spare = Arc<Mutex<Vec<Vec<u8>>>>;

/// What was made of a part: a buffer and how much of it.
type Made = Option<(Vec<u8>, usize)>;

/// The parts of one file that are being decoded.
pub(super) struct Ahead<'a> {
    helpers: &'a Helpers,
    extent: Extent,
    parts: &'static Parts,
    waiting: VecDeque<(Part, Receiver<Made>)>,
    /// Where the part behind those begins.
    next: u64,
    /// Decoded bytes of those at most.
    bytes: u64,
    /// The end of a part that others could not decode.
    unsound: u64,
    spare: Spare,
    ready: Vec<u8>,
    read: usize,
    end: usize,
}

impl<'a> Ahead<'a> {
    /// For an input that can be read at any offset and has more than one part.
    pub(super) fn of(
        input: &Input<'_>,
        helpers: Option<&'a Helpers>,
        parts: &'static Parts,
    ) -> Option<Self> {
        let extent = input.extent().filter(|extent| !extent.has_holes())?.clone();
        let helpers = helpers?;
        let first = (parts.find)(&extent, 0, helpers.most >> 2)?;
        (first.range.end < extent.len()).then(|| Self {
            helpers,
            extent,
            parts,
            waiting: VecDeque::new(),
            next: 0,
            bytes: 0,
            unsound: 0,
            spare: Spare::default(),
            ready: Vec::new(),
            read: 0,
            end: 0,
        })
    }

    /// Bytes of the parts before that are not yet read.
    pub(super) fn read(&mut self, out: &mut [u8]) -> usize {
        let unread = self.ready.get(self.read..self.end).unwrap_or_default();
        let len = unread.len().min(out.len());
        if let (Some(to), Some(from)) = (out.get_mut(..len), unread.get(..len)) {
            to.copy_from_slice(from);
        }
        self.read = self.read.saturating_add(len);
        len
    }

    /// Takes the part that begins at an offset, to be read; gives its stored length, or `None` when there
    /// is none that others could decode.
    pub(super) fn take(&mut self, at: u64) -> Option<u64> {
        self.give_back();
        if at < self.unsound {
            return None;
        }
        if self.waiting.front().is_none_or(|(part, _)| part.range.start != at) {
            self.waiting.clear();
            (self.next, self.bytes) = (at, 0);
        }
        self.fill();
        let (part, made) = self.waiting.pop_front()?;
        self.bytes = self.bytes.saturating_sub(part.most);
        let Ok(Some((buffer, len))) = made.recv() else {
            // What is behind it is not tried before it was gone through: else the same would be decoded again
            // and again.
            self.unsound = part.range.end;
            return None;
        };
        (self.ready, self.read, self.end) = (buffer, 0, len);
        Some(part.range.end.saturating_sub(part.range.start))
    }

    fn give_back(&mut self) {
        if !self.ready.is_empty() {
            let ready = std::mem::take(&mut self.ready);
            self.spare.lock().unwrap_or_else(PoisonError::into_inner).push(ready);
        }
        (self.read, self.end) = (0, 0);
    }

    /// Has as many parts decoded as may wait.
    fn fill(&mut self) {
        let most = self.helpers.most >> 2;
        while self.bytes < self.helpers.most.saturating_sub(most) {
            let Some(mut part) = (self.parts.find)(&self.extent, self.next, most) else { return };
            while part.range.end.saturating_sub(part.range.start) < TOGETHER {
                let room = most.saturating_sub(part.most);
                let Some(next) = (self.parts.find)(&self.extent, part.range.end, room) else {
                    break;
                };
                part.range.end = next.range.end;
                part.most = part.most.saturating_add(next.most);
            }
            self.next = part.range.end;
            self.bytes = self.bytes.saturating_add(part.most);
            let (sender, made) = channel();
            let (extent, decode) = (self.extent.sub(part.range.clone()), self.parts.decode);
            let (most, spare) = (part.most, Arc::clone(&self.spare));
            (self.helpers.run)(Box::new(move || {
                // Whoever waits for it may be gone.
                sender.send(decoded(&extent, most, decode, &spare)).unwrap_or_default();
            }));
            self.waiting.push_back((part, made));
        }
    }
}

/// Reads and decodes a part.
fn decoded(
    extent: &Extent,
    most: u64,
    decode: fn(&[u8], &mut [u8]) -> Option<usize>,
    spare: &Spare,
) -> Made {
    let take = || spare.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
    let give = |buffer| spare.lock().unwrap_or_else(PoisonError::into_inner).push(buffer);
    let mut stored = vec![0; usize::try_from(extent.len()).ok()?];
    if !read_exactly(extent, 0, &mut stored) {
        return None;
    }
    let most = usize::try_from(most).ok()?;
    let mut buffer = take();
    if buffer.len() < most {
        buffer.reserve_exact(most.saturating_sub(buffer.len()));
        buffer.resize(most, 0);
    }
    // A frame that makes more than its headers allow is no such frame.
    let made = buffer.get_mut(..most).and_then(|out| decode(&stored, out));
    if made.is_none() {
        give(buffer);
        return None;
    }
    made.map(|made| (buffer, made))
}

/// Fills `out` with the bytes from an offset on; `false` when there are fewer.
pub(super) fn read_exactly(extent: &Extent, at: u64, out: &mut [u8]) -> bool {
    read_some(extent, at, out) == out.len()
}

/// Fills `out` with the bytes from an offset on, as far as there are any.
pub(super) fn read_some(extent: &Extent, at: u64, out: &mut [u8]) -> usize {
    let mut filled = 0_usize;
    while let Some(rest @ [_, ..]) = out.get_mut(filled..) {
        match extent.read_at(at.saturating_add(count(filled)), rest) {
            Ok(read @ 1..) => filled = filled.saturating_add(read),
            Ok(0) | Err(_) => break,
        }
    }
    filled
}
