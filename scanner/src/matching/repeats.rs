//! Runs of text that were met before, and which of their candidates came to nothing: on a heap full of copies
//! nearly all do.
//!
//! That a rule finds nothing at a candidate is told by the run that the candidate stands in, and by which of
//! its ends are cut. So what is skipped is what would have been looked at in vain, whatever was seen before.

use std::ops::Range;
use std::sync::Arc;

use super::memo::Memo;
use super::prefilter::Hit;
use crate::region::Cut;

/// Runs that are known at a time, most and least, and those that may lie in the place of any of them.
const SLOTS: usize = 1 << 15;
const FEWEST: usize = 1 << 10;
const WAYS: usize = 4;

/// Bytes of what is known of the candidates of all runs together, about, for one run that may be kept.
const HELD: usize = 48;

/// Bytes that one takes.
const SLOT: usize = size_of::<Known>() + HELD;

/// Bytes that the allocation of a list takes beside it, with the counts of those who hold it.
const ALLOCATION: usize = 32;

/// Bytes that all of them take at most, about.
pub(super) const MOST_REPEATED: u64 = (SLOTS * SLOT) as u64;

/// Bytes of the longest run, and candidates in one.
const LONGEST: usize = 4 << 10;
const CANDIDATES: usize = 1 << 12;

/// Bits that tell whether a run was met; they are cleared when an eighth of them are set.
const MET: usize = 1 << 18;

/// What a run that was met before weighs against those that were not, and the most that either can weigh
/// together: where hardly any run comes again, only such as do are kept.
const AGAIN: i32 = 8;
const BALANCE: Range<i32> = -64..1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Key {
    text: [u64; 2],
    len: u32,
    cut: Cut,
    /// Hash of the literals in it.
    hits: u64,
}

/// What is known of a run: the candidates that came to nothing.
type Known = Option<(Key, Arc<[u64]>)>;

/// Runs of one worker.
#[derive(Debug)]
pub(super) struct Repeats {
    /// By key.
    slots: Vec<Known>,
    /// How many there may be.
    most: usize,
    /// Bytes of what is known of their candidates.
    held: usize,
    put: usize,
    met: Vec<u64>,
    set: usize,
    balance: i32,
}

/// Bytes of what is known of a run's candidates.
fn size(nothing: &[u64]) -> usize {
    ALLOCATION + size_of_val(nothing)
}

/// A run whose candidates are looked at, one after the other.
#[derive(Debug, Default)]
pub(super) struct Visit {
    run: Range<usize>,
    /// Candidates that there may be before the place that is looked at.
    passed: usize,
    known: Option<Arc<[u64]>>,
    new: Option<(Key, Vec<u64>)>,
}

impl Visit {
    /// Whether a place is in the run.
    pub(super) fn covers(&self, at: usize) -> bool {
        self.run.contains(&at)
    }

    /// Whether anything is known or noted of its candidates.
    pub(super) fn counts(&self) -> bool {
        self.known.is_some() || self.new.is_some()
    }

    /// Passes a place with so many candidates at most, whether or not they are looked at; gives the number of
    /// the first of them.
    pub(super) fn pass(&mut self, most: usize) -> usize {
        let first = self.passed;
        self.passed += most;
        first
    }

    /// Whether that candidate is known to come to nothing.
    pub(super) fn is_nothing(&self, candidate: usize) -> bool {
        let known = self.known.as_ref().and_then(|known| known.get(candidate / 64));
        known.is_some_and(|known| known >> (candidate % 64) & 1 == 1)
    }

    /// Notes that it came to nothing.
    pub(super) fn note_nothing(&mut self, candidate: usize) {
        let Some((_, nothing)) = &mut self.new else { return };
        let word = candidate / 64;
        if candidate < CANDIDATES {
            if nothing.len() <= word {
                nothing.resize(word + 1, 0);
            }
            if let Some(word) = nothing.get_mut(word) {
                *word |= 1 << (candidate % 64);
            }
        }
    }
}

impl Default for Repeats {
    fn default() -> Self {
        Self::of(MOST_REPEATED)
    }
}

impl Repeats {
    /// One that takes so many bytes at most, about, or the least that it can.
    pub(super) fn of(bytes: u64) -> Self {
        let most = usize::try_from(bytes).unwrap_or(usize::MAX) / SLOT;
        let most = 1 << most.clamp(FEWEST, SLOTS).ilog2();
        Self { slots: Vec::new(), most, held: 0, put: 0, met: Vec::new(), set: 0, balance: 0 }
    }

    /// Begins with a run of `text`; `hits` are the literals from its first one on.
    pub(super) fn enter(
        &mut self,
        memo: &mut Memo,
        text: &[u8],
        run: Range<usize>,
        cut: Cut,
        hits: &[Hit],
    ) -> Visit {
        let (all, bytes) = (text.len(), text.get(run.clone()).unwrap_or_default());
        let is_short = bytes.len() <= LONGEST;
        let is_known = is_short && self.meet(bytes);
        let (mut known, mut new) = (None, None);
        #[cfg(test)]
        let is_short = is_short && !memo.is_off;
        #[cfg(test)]
        let is_known = is_known && !memo.is_off;
        if is_known || is_short && self.balance > 0 {
            let end = hits.partition_point(|hit| (hit.at as usize) < run.end);
            let hits = hits
                .get(..end)
                .unwrap_or_default()
                .iter()
                .map(|hit| (hit.at as u64 - run.start as u64) << 32 | u64::from(hit.literal));
            let text = memo.hash(run.clone(), bytes);
            let cut = Cut { start: cut.start && run.start == 0, end: cut.end && run.end == all };
            if let Some(hits) = memo.keys.of_numbers(hits)
                && let Ok(len) = u32::try_from(bytes.len())
            {
                let key = Key { text, len, cut, hits };
                let first = self.place(&key);
                let mut ways = self.slots.get(first..first + WAYS).unwrap_or_default().iter();
                let same = ways.find_map(|slot| slot.as_ref().filter(|(of, _)| *of == key));
                known = same.map(|(_, nothing)| Arc::clone(nothing));
                new = known.is_none().then(|| (key, Vec::new()));
            }
        }
        Visit { run, passed: 0, known, new }
    }

    /// Keeps what was noted of a run.
    pub(super) fn leave(&mut self, visit: Visit) {
        let Some((key, nothing)) = visit.new else { return };
        if nothing.is_empty() {
            return;
        }
        if self.slots.is_empty() {
            self.slots.resize(self.most, None);
        }
        self.put += 1;
        let first = self.place(&key);
        let ways = self.slots.get_mut(first..first + WAYS).unwrap_or_default();
        let free = ways.iter().position(|slot| slot.as_ref().is_none_or(|(of, _)| *of == key));
        let Some(slot) = ways.get_mut(free.unwrap_or(self.put % WAYS)) else { return };
        let old = slot.as_ref().map_or(0, |(_, nothing)| size(nothing));
        let held = self.held - old + size(&nothing);
        if held <= self.most * HELD {
            self.held = held;
            *slot = Some((key, nothing.into()));
        }
    }

    /// Runs that are known, bytes of what is known of their candidates, and how many there may be.
    #[cfg(test)]
    pub(super) fn sizes(&self) -> (usize, usize, usize) {
        let known = self.slots.iter().flatten();
        let bytes = known.clone().map(|(_, nothing)| size(nothing)).sum();
        (known.count(), bytes, self.most * HELD)
    }

    /// Whether a run was met before, most likely, by a few of its bytes.
    fn meet(&mut self, run: &[u8]) -> bool {
        const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
        let eight = |at: usize| {
            let chunk = run.get(at..).and_then(<[u8]>::first_chunk);
            u64::from_le_bytes(chunk.copied().unwrap_or_default())
        };
        let places = [0, run.len() / 3, run.len() / 2, run.len().saturating_sub(8)];
        let mixed = places.into_iter().fold(run.len() as u64, |mixed, at| {
            (mixed.rotate_left(29) ^ eight(at)).wrapping_mul(ODD)
        });
        if self.met.is_empty() || self.set > MET / 8 {
            self.met.clear();
            self.met.resize(MET / 64, 0);
            self.set = 0;
        }
        let bit = (mixed >> 40) as usize % MET;
        let Some(word) = self.met.get_mut(bit / 64) else { return false };
        let is_met = *word >> (bit % 64) & 1 == 1;
        *word |= 1 << (bit % 64);
        self.set += usize::from(!is_met);
        let weight = if is_met { AGAIN } else { -1 };
        self.balance = (self.balance + weight).clamp(BALANCE.start, BALANCE.end);
        is_met
    }

    /// The first of the slots of a run.
    fn place(&self, key: &Key) -> usize {
        const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
        let mixed = (key.text[0] ^ key.text[1] ^ key.hits).wrapping_mul(ODD);
        (mixed >> 32) as usize % self.most / WAYS * WAYS
    }
}
