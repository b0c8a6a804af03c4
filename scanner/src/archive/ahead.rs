//! Decoding ahead: of a compressed file in many frames or members, those that follow are decoded by other
//! threads while what is before them is read. (Of an archive with compressed files in it: `scout`.)
//!
//! Only what is sound is taken from them. A part that does not decode to its end, exactly, within its bound
//! is left to the decoder that goes byte by byte, so that bytes and errors are the same either way.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::sync::{Arc, Mutex, PoisonError};

use super::input::{Input, count};
use super::scout::Scouted;
use super::source::Extent;

/// Something to do for another thread.
pub type Task = Box<dyn FnOnce() + Send>;

/// Who decodes ahead, and how many bytes.
pub struct Helpers {
    run: Box<dyn Fn(Task)>,
    pub(super) most: u64,
    /// Tasks that may wait.
    tasks: usize,
    pub(super) scouted: RefCell<Scouted>,
}

impl std::fmt::Debug for Helpers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Helpers").field("most", &self.most).finish_non_exhaustive()
    }
}

impl Helpers {
    /// `run` has tasks done by so many other threads, in any order, or drops them, and does not wait; at most `most` decoded
    /// bytes wait to be read, and one part of a quarter of that is being read.
    pub fn new(most: u64, threads: usize, run: impl Fn(Task) + 'static) -> Self {
        let tasks = threads.saturating_add(1).saturating_mul(2);
        Self { run: Box::new(run), most, tasks, scouted: RefCell::default() }
    }

    /// Has something done.
    pub(super) fn run(&self, task: Task) {
        (self.run)(task);
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

impl Part {
    fn stored(&self) -> u64 {
        self.range.end.saturating_sub(self.range.start)
    }

    /// Bytes that it may take in memory, before it is decoded or after that.
    fn cost(&self) -> u64 {
        self.most.max(self.stored())
    }
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

/// A part that another thread was asked for.
struct Begun {
    part: Part,
    made: Receiver<Made>,
    claim: Claim,
    /// What was made of it here, while another one was waited for.
    own: Option<Made>,
}

/// Who does a task: the first who asks. One that was begun by nobody when it is needed is done by who needs it,
/// and one that nobody needs any more is left.
#[derive(Default)]
pub(super) struct Claim(Arc<AtomicBool>);

impl Claim {
    pub(super) fn take(&self) -> bool {
        !self.0.swap(true, Ordering::Relaxed)
    }

    pub(super) fn is_free(&self) -> bool {
        !self.0.load(Ordering::Relaxed)
    }

    /// For another thread.
    pub(super) fn share(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// Stored bytes behind a part that was none, in which no other is looked for. Each one in a row doubles them:
/// what looks like parts and is not may cost a share of the whole only.
const DISTRUST: u64 = 512 << 10;

/// The parts of one file that are being decoded.
pub(super) struct Ahead<'a> {
    helpers: &'a Helpers,
    extent: Extent,
    parts: &'static Parts,
    waiting: VecDeque<Begun>,
    /// Where the part behind those begins.
    next: u64,
    /// Decoded bytes of those at most.
    bytes: u64,
    /// Where no part was found.
    none_at: Option<u64>,
    /// Before this, others could not decode a part.
    unsound: u64,
    distrust: u64,
    spare: Spare,
    ready: Vec<u8>,
    read: usize,
    end: usize,
}

impl<'a> Ahead<'a> {
    /// For an input that can be read at any offset.
    pub(super) fn of(
        input: &Input<'_>,
        helpers: Option<&'a Helpers>,
        parts: &'static Parts,
    ) -> Option<Self> {
        Some(Self {
            helpers: helpers?,
            extent: input.extent().filter(|extent| !extent.has_holes())?.clone(),
            parts,
            waiting: VecDeque::new(),
            next: 0,
            bytes: 0,
            none_at: None,
            unsound: 0,
            distrust: DISTRUST,
            spare: Spare::default(),
            ready: Vec::new(),
            read: 0,
            end: 0,
        })
    }

    /// Whether it begins with a part that is not all of it.
    pub(super) fn is_split(&self) -> bool {
        let first = (self.parts.find)(&self.extent, 0, self.helpers.most >> 2);
        first.is_some_and(|first| first.range.end < self.extent.len())
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
        if self.waiting.front().is_none_or(|begun| begun.part.range.start != at) {
            self.leave();
            self.next = at;
        }
        self.fill();
        let Begun { part, made, claim, own } = self.waiting.pop_front()?;
        self.bytes = self.bytes.saturating_sub(part.cost());
        let made = match own {
            Some(own) => own,
            None if claim.take() => self.decode(&part),
            None => self.wait(&made),
        };
        let Some((buffer, len)) = made else {
            // What is behind it is not tried before it was gone through: else the same would be decoded again
            // and again.
            self.unsound = part.range.end.saturating_add(self.distrust);
            self.distrust = self.distrust.saturating_mul(2);
            self.leave();
            return None;
        };
        self.distrust = (self.distrust >> 1).max(DISTRUST);
        (self.ready, self.read, self.end) = (buffer, 0, len);
        Some(part.stored())
    }

    fn decode(&self, part: &Part) -> Made {
        decoded(&self.extent.sub(part.range.clone()), part.most, self.parts.decode, &self.spare)
    }

    /// Waits for what another thread makes, and decodes what follows meanwhile.
    fn wait(&mut self, made: &Receiver<Made>) -> Made {
        loop {
            match made.try_recv() {
                Ok(made) => return made,
                Err(TryRecvError::Disconnected) => return None,
                Err(TryRecvError::Empty) => {}
            }
            let Some(next) = self.waiting.iter().position(|begun| begun.claim.take()) else {
                return made.recv().ok().flatten();
            };
            let part = self.waiting.get(next).map(|begun| begun.part.clone());
            let own = part.map(|part| self.decode(&part));
            if let Some(begun) = self.waiting.get_mut(next) {
                begun.own = own;
            }
        }
    }

    /// Leaves what waits.
    fn leave(&mut self) {
        for begun in self.waiting.drain(..) {
            begun.claim.take();
        }
        self.bytes = 0;
    }

    /// The part that begins at an offset, if it has at most `stored` bytes and makes at most `most`.
    fn find(&self, at: u64, most: u64, stored: u64) -> Option<Part> {
        (self.parts.find)(&self.extent, at, most).filter(|part| part.stored() <= stored)
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
        while self.bytes < self.helpers.most.saturating_sub(most)
            && self.waiting.len() < self.helpers.tasks
            && self.none_at != Some(self.next)
        {
            let Some(mut part) = self.find(self.next, most, most) else {
                self.none_at = Some(self.next);
                return;
            };
            while part.stored() < TOGETHER {
                let room = most.saturating_sub(part.most);
                let stored = most.saturating_sub(part.stored());
                let Some(next) = self.find(part.range.end, room, stored) else { break };
                part.range.end = next.range.end;
                part.most = part.most.saturating_add(next.most);
            }
            self.next = part.range.end;
            self.bytes = self.bytes.saturating_add(part.cost());
            let (sender, made) = channel();
            let claim = Claim::default();
            let free = claim.share();
            let (extent, decode) = (self.extent.sub(part.range.clone()), self.parts.decode);
            let (most, spare) = (part.most, Arc::clone(&self.spare));
            self.helpers.run(Box::new(move || {
                if free.take() {
                    // Whoever waits for it may be gone.
                    sender.send(decoded(&extent, most, decode, &spare)).unwrap_or_default();
                }
            }));
            self.waiting.push_back(Begun { part, made, claim, own: None });
        }
    }
}

impl Drop for Ahead<'_> {
    fn drop(&mut self) {
        self.leave();
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
