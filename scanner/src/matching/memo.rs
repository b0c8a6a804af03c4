//! What was judged before: a heap holds the same text again and again, and the same text is judged the same.
//!
//! A judgement is a pure function of the rule, the text that it sees, where the candidate is in it, which of
//! the text's ends are cut, and the path of the file. All of them are the key, so that an answer from here is
//! the one that would be given anew, whatever was seen before. Of text there is a hash of 128 bits, under keys
//! that each engine draws for itself: neither values nor anything that they could be guessed from are kept.

use std::hash::{BuildHasher, DefaultHasher, Hash, Hasher, RandomState};
use std::ops::Range;
use std::sync::Arc;

use super::confirm::{Judged, Run};
use super::length_word::Layout;
use crate::region::Cut;
use crate::rule::RuleId;
use crate::tally::Grounds;

/// Answers at first and at most; the number grows as they come.
const FEWEST: usize = 1 << 10;
const MOST: usize = 1 << 16;

/// Bytes of all answers together, about.
const HELD: usize = 8 << 20;

/// Bytes of the longest text whose answers are kept: longer ones are hardly the same again, and take longer to
/// hash than most rules take to judge them.
const LONGEST: usize = 2 << 10;

/// Values of one text.
const VALUES: usize = 4;

/// Different grounds: many values are judged by the same.
const GROUNDS: usize = 1 << 10;

/// Bits that tell where an answer may be, and bytes behind a candidate that they are told by.
const MARKS: usize = 1 << 18;
const MARKED: usize = 16;

/// The secret keys of an engine's hashes.
#[derive(Debug, Clone, Default)]
pub(super) struct Keys([RandomState; 2]);

/// What an answer is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Key {
    text: [u64; 2],
    rule: RuleId,
    len: usize,
    at: usize,
    cut: Cut,
    layout: Option<Layout>,
}

impl Key {
    fn slot(&self, slots: usize) -> usize {
        let place = (self.at as u64) << 32 ^ u64::from(self.rule.0) << 8;
        let place = place ^ self.layout.map_or(0, |layout| layout as u64 + 1);
        let mixed = (self.text[0] ^ place.wrapping_mul(ODD)).wrapping_mul(ODD);
        (mixed >> 32) as usize & (slots - 1)
    }
}

/// An odd number without a pattern: the golden ratio in 64 bits.
const ODD: u64 = 0x9e37_79b9_7f4a_7c15;

#[derive(Debug)]
struct Slot {
    key: Key,
    answers: Arc<[Judged]>,
    /// Bytes that are held.
    size: usize,
}

/// The answers of one worker.
#[derive(Debug, Default)]
pub(super) struct Memo {
    keys: Keys,
    path: u64,
    /// The text that was hashed last, by where it stands.
    last: Option<(Range<usize>, [u64; 2])>,
    slots: Vec<Option<Slot>>,
    put: usize,
    held: usize,
    marks: Vec<u64>,
    grounds: Vec<Option<Arc<Grounds>>>,
    /// Whether nothing is found here, for comparison.
    #[cfg(test)]
    pub(super) is_off: bool,
}

impl Memo {
    /// Prepares for texts of one haystack, which stands in a file of that path, or in memory.
    pub(super) fn begin(&mut self, keys: &Keys, path: &str) {
        self.keys = keys.clone();
        self.path = self.keys.0[0].hash_one(path);
        self.last = None;
    }

    /// Whether there may be an answer for a candidate: a few nanoseconds where there is none, which is nearly
    /// everywhere.
    pub(super) fn may_hold(&self, rule: RuleId, text: &[u8], at: usize) -> bool {
        #[cfg(test)]
        if self.is_off {
            return false;
        }
        let (word, bit) = mark(rule, text, at);
        self.marks.get(word).is_some_and(|word| word & bit != 0)
    }

    /// The answers for a candidate in a text that starts at `start` in the haystack.
    pub(super) fn get(
        &mut self,
        rule: RuleId,
        run: Run<'_>,
        start: usize,
        at: usize,
        layout: Option<Layout>,
    ) -> Option<Arc<[Judged]>> {
        let key = self.key(rule, run, start, at, layout)?;
        let slot = self.slots.get(key.slot(self.slots.len()))?.as_ref()?;
        (slot.key == key).then(|| Arc::clone(&slot.answers))
    }

    /// Keeps answers, unless they are many or hold what a value is made of.
    pub(super) fn put(
        &mut self,
        rule: RuleId,
        run: Run<'_>,
        start: usize,
        at: usize,
        layout: Option<Layout>,
        answers: &Arc<[Judged]>,
    ) {
        let confirmed = || answers.iter().filter_map(|judged| judged.answer.as_ref().ok());
        let holds_value =
            confirmed().any(|answer| answer.canonical.is_some() || answer.plain.is_some());
        if answers.len() > VALUES || holds_value {
            return;
        }
        let Some(key) = self.key(rule, run, start, at, layout) else { return };
        let mut size = size_of_val(&**answers);
        let shared = answers.iter().map(|judged| {
            let mut answer = judged.answer.clone();
            if let Ok(confirmed) = &mut answer {
                size += self.share(&mut confirmed.grounds);
            }
            Judged { found: judged.found.clone(), answer }
        });
        let answers = shared.collect();
        self.grow();
        let index = key.slot(self.slots.len());
        let Some(slot) = self.slots.get_mut(index) else { return };
        let before = slot.as_ref().map_or(0, |slot| slot.size);
        if self.held - before + size > HELD {
            return;
        }
        self.held = self.held - before + size;
        *slot = Some(Slot { key, answers, size });
        let (word, bit) = mark(rule, run.text, at);
        if let Some(word) = self.marks.get_mut(word) {
            *word |= bit;
        }
    }

    /// The key of an answer, unless the text is too long.
    fn key(
        &mut self,
        rule: RuleId,
        run: Run<'_>,
        start: usize,
        at: usize,
        layout: Option<Layout>,
    ) -> Option<Key> {
        let len = run.text.len();
        if len > LONGEST {
            return None;
        }
        let text = self.hash(start..start + len, run.text);
        Some(Key { text, rule, len, at, cut: run.cut, layout })
    }

    /// The hash of what stands in the haystack at `span`.
    pub(super) fn hash(&mut self, span: Range<usize>, text: &[u8]) -> [u64; 2] {
        if let Some((_, hash)) = self.last.as_ref().filter(|(last, _)| *last == span) {
            return *hash;
        }
        let hash = self.keys.0.each_ref().map(|key| {
            let mut hasher = key.build_hasher();
            hasher.write_u64(self.path);
            hasher.write(text);
            hasher.finish()
        });
        self.last = Some((span, hash));
        hash
    }

    /// What hashes under a key of the engine.
    pub(super) fn hasher(&self) -> DefaultHasher {
        self.keys.0[1].build_hasher()
    }

    /// Makes room, when answers have come for all that there is.
    fn grow(&mut self) {
        self.put += 1;
        let slots = self.slots.len();
        if self.put <= slots || slots == MOST {
            return;
        }
        if self.marks.is_empty() {
            self.marks.resize(MARKS / 64, 0);
        }
        let old = std::mem::take(&mut self.slots);
        self.slots.resize_with((4 * slots).clamp(FEWEST, MOST), || None);
        for slot in old.into_iter().flatten() {
            let index = slot.key.slot(self.slots.len());
            if let Some(free) = self.slots.get_mut(index) {
                self.held -= free.as_ref().map_or(0, |slot| slot.size);
                *free = Some(slot);
            }
        }
    }

    /// Puts grounds that are there already in the place of equal ones; gives the bytes of what is new, about.
    fn share(&mut self, grounds: &mut Arc<Grounds>) -> usize {
        const NODE: usize = 512;
        if self.grounds.is_empty() {
            self.grounds.resize(GROUNDS, None);
        }
        let mut hasher = DefaultHasher::new();
        grounds.hash(&mut hasher);
        let index = hasher.finish() as usize % GROUNDS;
        let Some(known) = self.grounds.get_mut(index) else { return 0 };
        if let Some(known) = known.as_ref().filter(|known| *known == grounds) {
            *grounds = Arc::clone(known);
            return 0;
        }
        *known = Some(Arc::clone(grounds));
        let texts = grounds.attributes.values().map(String::len).sum::<usize>();
        size_of::<Grounds>() + NODE + texts + grounds.evidence.len() * 2 * size_of::<String>()
    }
}

/// The bit of a candidate, by the bytes behind it.
fn mark(rule: RuleId, text: &[u8], at: usize) -> (usize, u64) {
    let behind = text.get(at..).unwrap_or_default();
    let mut bytes = [0; MARKED];
    if let Some(chunk) = behind.first_chunk::<MARKED>() {
        bytes = *chunk;
    } else {
        bytes.iter_mut().zip(behind).for_each(|(to, from)| *to = *from);
    }
    let number = u128::from_le_bytes(bytes);
    let (low, high) = (number as u64, (number >> 64) as u64);
    let mixed = (low ^ u64::from(rule.0)).wrapping_mul(ODD).rotate_left(32) ^ high;
    let bit = (mixed.wrapping_mul(ODD) >> 40) as usize % MARKS;
    (bit / 64, 1 << (bit % 64))
}

#[cfg(test)]
#[path = "memo_tests.rs"]
mod tests;
