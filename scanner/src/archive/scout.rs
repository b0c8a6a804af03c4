//! What is compressed in an archive, decoded by other threads before the walk comes to it.
//!
//! Nothing is decided here. What was made comes with how far its decoder had come at each step, so that what
//! the walk is charged for, its limits, problems and offsets are those of decoding it there and then. What did
//! not decode to its end, cleanly and within its bound, is left to the walk.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::sync::{Arc, Mutex, PoisonError};

use super::ahead::{Claim, Helpers};
use super::source::Extent;
use super::{Body, Container, Flow, Member, Opening, Problem, Visitor};
use crate::limits::{Budget, Limits, Trail};

/// What was made of a compressed member.
#[derive(Debug)]
pub(super) struct Made {
    pub mtime: Option<i64>,
    pub trail: Trail,
    /// All that was decoded with it.
    all: Arc<Buffer>,
    range: Range<usize>,
}

impl Made {
    pub(super) fn bytes(&self) -> &[u8] {
        self.all.bytes.get(self.range.clone()).unwrap_or_default()
    }
}

/// A buffer that is used again.
#[derive(Debug)]
struct Buffer {
    bytes: Vec<u8>,
    spare: Spare,
}

/// Buffers without use.
type Spare = Arc<Mutex<Vec<Vec<u8>>>>;
/// So many are kept.
const SPARE: usize = 2;

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < SPARE {
            spare.push(std::mem::take(&mut self.bytes));
        }
    }
}

/// Compressed members that others were asked to decode.
#[derive(Default)]
pub(super) struct Scouted {
    waiting: VecDeque<Begun>,
    /// Decoded bytes of those at most.
    bytes: u64,
    /// Members that were decoded and wanted, and those that were not.
    wanted: u64,
    unwanted: u64,
    spare: Spare,
}

struct Begun {
    made: Receiver<Option<Vec<Made>>>,
    work: Arc<Work>,
}

/// A member that is to be decoded.
struct Work {
    container: &'static Container,
    extent: Extent,
    limits: Limits,
    room: u64,
    spare: Spare,
    claim: Claim,
    sender: Sender<Option<Vec<Made>>>,
}

/// Stored bytes below which a member is decoded sooner than handed on.
const LEAST: u64 = 4 << 10;
/// Decoded bytes for one that is stored, and besides: what makes more is left to the walk.
const EXPANSION: u64 = 16;
const BESIDES: u64 = 256 << 10;
/// Members that may be decoded in vain, beside as many as were not: some are skipped, or read otherwise.
const TRUST: u64 = 8;

impl Helpers {
    /// Whether more may be decoded before it is needed.
    pub(super) fn can_scout(&self) -> bool {
        let scouted = self.scouted.borrow();
        scouted.bytes < self.most.saturating_sub(self.most >> 2)
            && scouted.unwanted <= scouted.wanted.saturating_add(TRUST)
    }

    /// Has a member decoded that the walk will come to.
    pub(super) fn scout(&self, container: &'static Container, extent: Extent, limits: Limits) {
        let stored = extent.len();
        let most = self.most >> 2;
        let is_known =
            || self.scouted.borrow().waiting.iter().any(|one| one.work.extent.is(&extent));
        if !(LEAST..=most).contains(&stored) || !container.is_compressed() || is_known() {
            return;
        }
        let room = stored.saturating_mul(EXPANSION).saturating_add(BESIDES).min(most);
        let (sender, made) = channel();
        let spare = Arc::clone(&self.scouted.borrow().spare);
        let claim = Claim::default();
        let work = Arc::new(Work { container, extent, limits, room, spare, claim, sender });
        let task = Arc::clone(&work);
        self.run(Box::new(move || task.run()));
        let mut scouted = self.scouted.borrow_mut();
        scouted.bytes = scouted.bytes.saturating_add(room);
        scouted.waiting.push_back(Begun { made, work });
    }

    /// What was made of a member, if another thread has begun with it. While that is busy, others are decoded
    /// here.
    pub(super) fn made(&self, extent: &Extent) -> Option<Vec<Made>> {
        let Begun { made, work } = {
            let mut scouted = self.scouted.borrow_mut();
            let at = scouted.waiting.iter().position(|begun| begun.work.extent.is(extent))?;
            let begun = scouted.waiting.remove(at)?;
            scouted.bytes = scouted.bytes.saturating_sub(begun.work.room);
            scouted.wanted = scouted.wanted.saturating_add(1);
            begun
        };
        if work.claim.take() {
            return None;
        }
        // Whoever does it has the only sender then, and the wait ends whatever becomes of it.
        drop(work);
        loop {
            match made.try_recv() {
                Ok(made) => return made,
                Err(TryRecvError::Disconnected) => return None,
                Err(TryRecvError::Empty) => {}
            }
            if !self.help() {
                return made.recv().ok().flatten();
            }
        }
    }

    /// Decodes a member that no thread has begun with; `false` when there is none.
    pub fn help(&self) -> bool {
        let next = {
            let scouted = self.scouted.borrow();
            let mut waiting = scouted.waiting.iter();
            waiting.find(|one| one.work.claim.is_free()).map(|one| Arc::clone(&one.work))
        };
        next.inspect(|work| work.run()).is_some()
    }

    /// Leaves what stands before an offset of an archive: the walk has gone by.
    pub(super) fn pass(&self, archive: &Extent, at: u64) {
        let mut scouted = self.scouted.borrow_mut();
        let Scouted { waiting, bytes, unwanted, .. } = &mut *scouted;
        waiting.retain(|begun| {
            let is_before = begun.work.extent.is_before(archive, at);
            if is_before {
                *bytes = bytes.saturating_sub(begun.work.room);
                *unwanted = unwanted.saturating_add(u64::from(!begun.work.claim.take()));
            }
            !is_before
        });
    }
}

impl Drop for Scouted {
    fn drop(&mut self) {
        for begun in &self.waiting {
            begun.work.claim.take();
        }
    }
}

impl Work {
    fn run(&self) {
        if self.claim.take() {
            // Whoever waits for it may be gone.
            self.sender.send(self.decoded()).unwrap_or_default();
        }
    }

    /// Decodes what the container holds compressed.
    fn decoded(&self) -> Option<Vec<Made>> {
        let buffer = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut all = Buffer { bytes: buffer.unwrap_or_default(), spare: Arc::clone(&self.spare) };
        all.bytes.clear();
        // All at once: what grows step by step is copied.
        all.bytes.reserve_exact(usize::try_from(self.room).ok()?);
        let budget = RefCell::new(Budget::with_trails(self.limits.clone()));
        let mut recorder = Recorder { room: self.room, all, members: Vec::new(), is_clean: true };
        let mut opening =
            Opening { budget: &budget, visitor: &mut recorder, depth: 2, helpers: None };
        let done = (self.container.open)(Body::At(self.extent.clone()), &mut opening);
        let trails = budget.into_inner().trails();
        let Recorder { all, members, is_clean, .. } = recorder;
        if done.is_err() || !is_clean || trails.len() != members.len() {
            return None;
        }
        let all = Arc::new(all);
        let members = members.into_iter().zip(trails);
        let made = |((mtime, range), trail)| Made { mtime, trail, all: Arc::clone(&all), range };
        Some(members.map(made).collect())
    }
}

/// What a member costs beside its bytes, about.
const MEMBER: u64 = 256;

/// Reads what is decoded.
struct Recorder {
    /// Bytes that there is room for.
    room: u64,
    all: Buffer,
    members: Vec<(Option<i64>, Range<usize>)>,
    is_clean: bool,
}

impl Visitor for Recorder {
    fn member(&mut self, member: Member<'_>) -> io::Result<Flow> {
        let Body::Stream(stream) = member.body else { return Ok(Flow::Continue) };
        let start = self.all.bytes.len();
        let mut stream = io::Read::take(stream, self.room.saturating_add(1));
        let read = io::copy(&mut stream, &mut self.all.bytes)?;
        let Some(room) = self.room.checked_sub(read.saturating_add(MEMBER)) else {
            return Err(io::Error::other("too long to wait in memory"));
        };
        self.room = room;
        self.members.push((member.mtime, start..self.all.bytes.len()));
        Ok(Flow::Continue)
    }

    fn problem(&mut self, _: Problem) {
        self.is_clean = false;
    }
}
