//! What was judged before: a heap holds the same text again and again, and the same text is judged the same.
//!
//! A judgement is a pure function of the rule, the text that it sees, where the candidate is in it, which of
//! the text's ends are cut, and the path of the file. All of them are the key, so that an answer from here is
//! the one that would be given anew, whatever was seen before. Of text there is a hash of 128 bits, under keys
//! that each engine draws for itself: no value is kept, nor what only its value is made of.

use std::hash::{BuildHasher, DefaultHasher, Hash, Hasher, RandomState};
use std::ops::Range;
use std::sync::Arc;

use super::confirm::{Confirmed, Judged, Refused, Run};
use super::length_word::Layout;
use crate::check::Confidence;
use crate::region::Cut;
use crate::rule::RuleId;
use crate::tally::{Evidence, Grounds};

/// Answers at first and at most; the number grows as they come.
const FEWEST: usize = 1 << 10;
const MOST: usize = 1 << 17;

/// Answers that may lie in the place of any of them.
const WAYS: usize = 4;

/// Bytes of the grounds of all answers together, about, for one answer that may be kept.
const HELD: usize = 64;

/// Bytes that all answers of one worker take at most, about.
pub(super) const MOST_ANSWERED: u64 = (MOST * (size_of::<Option<Slot>>() + HELD)) as u64;

/// Bytes of the longest text whose answers are kept: longer ones are hardly the same again.
const LONGEST: usize = 2 << 10;

/// Different grounds: many values are judged by the same.
const GROUNDS: usize = 1 << 10;

/// Bits that tell where an answer may be, and bytes behind a candidate that they are told by.
const MARKS: usize = 1 << 18;
const MARKED: usize = 16;

/// Words that may be hashed at once.
const WORDS: usize = 512;

/// Words in front of those: two that tell what is hashed, for each of two of them a key.
const HEAD: usize = 2;

/// The secret keys of an engine's hashes.
#[derive(Debug, Clone)]
pub(super) struct Keys(Arc<[u64]>);

impl Default for Keys {
    fn default() -> Self {
        let random = RandomState::new();
        Self((0..WORDS + HEAD).map(|index| random.hash_one(index)).collect())
    }
}

impl Keys {
    /// NH of RFC 4418 §5.2 on words of 64 bits: under keys that nobody knows, two inputs that differ hash to
    /// the same with a probability of 2^-64 at most. `head` tells what is hashed, and how long that is.
    fn hash(&self, head: [u64; HEAD], words: impl Iterator<Item = [u64; 2]>) -> [u64; 2] {
        let pairs = std::iter::once(head).chain(words);
        let sum = pairs.zip(self.0.chunks_exact(2)).fold(0_u128, |sum, (words, keys)| {
            let [a, b] = words;
            let [of_a, of_b] = [keys[0], keys[1]];
            let product = u128::from(a.wrapping_add(of_a)) * u128::from(b.wrapping_add(of_b));
            sum.wrapping_add(product)
        });
        halves(&sum.to_le_bytes())
    }

    /// The hash of so many numbers at most as there are keys for; `None` of more.
    pub(super) fn of_numbers(&self, numbers: impl ExactSizeIterator<Item = u64>) -> Option<u64> {
        let len = numbers.len();
        let mut numbers = numbers;
        let pairs = std::iter::from_fn(|| {
            numbers.next().map(|first| [first, numbers.next().unwrap_or_default()])
        });
        let [low, high] = self.hash([u64::MAX, len as u64], pairs);
        (len <= WORDS).then_some(low ^ high)
    }

    /// The hash of a text of no more bytes than there are keys for, in a file.
    fn of_text(&self, path: u64, text: &[u8]) -> [u64; 2] {
        let (whole, rest) = text.as_chunks::<MARKED>();
        let mut last = [0; MARKED];
        last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        let last = (!rest.is_empty()).then(|| halves(&last));
        self.hash([path, text.len() as u64], whole.iter().map(halves).chain(last))
    }
}

/// What an answer is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Key {
    text: [u64; 2],
    rule: RuleId,
    len: u32,
    at: u32,
    cut: Cut,
    layout: Option<Layout>,
}

impl Key {
    /// The first of the slots that it may lie in.
    fn slot(&self, slots: usize) -> usize {
        (self.mixed() >> 32) as usize & slots.saturating_sub(1) & !(WAYS - 1)
    }

    /// What tells answers in one place apart at a glance; never that of an empty slot.
    fn tag(&self) -> u16 {
        let [_, _, low, high, ..] = self.mixed().to_le_bytes();
        u16::from_le_bytes([low, high]) | 1
    }

    fn mixed(&self) -> u64 {
        let place = u64::from(self.at) << 32 ^ u64::from(self.rule.0) << 8;
        let place = place ^ self.layout.map_or(0, |layout| layout as u64 + 1);
        (self.text[0] ^ self.text[1] ^ place.wrapping_mul(ODD)).wrapping_mul(ODD)
    }
}

/// The numbers in the two halves of some bytes.
fn halves(bytes: &[u8; MARKED]) -> [u64; 2] {
    let [low, high] = [0, 8].map(|at| bytes.get(at..).and_then(<[u8]>::first_chunk));
    [low, high].map(|half| half.copied().map_or(0, u64::from_le_bytes))
}

/// An odd number without a pattern: the golden ratio in 64 bits.
const ODD: u64 = 0x9e37_79b9_7f4a_7c15;

/// A range in a text that is not long.
type Span = [u32; 2];

fn span(range: &Range<usize>) -> Option<Span> {
    Some([u32::try_from(range.start).ok()?, u32::try_from(range.end).ok()?])
}

fn range([start, end]: Span) -> Range<usize> {
    start as usize..end as usize
}

/// An answer that is kept.
#[derive(Debug)]
enum Kept {
    Refused(Refused),
    Confirmed {
        span: Span,
        confidence: Confidence,
        rank: u8,
        /// Bytes that are held, about.
        size: u32,
        grounds: Arc<Grounds>,
    },
}

#[derive(Debug)]
struct Slot {
    key: Key,
    found: Span,
    kept: Kept,
}

impl Slot {
    fn size(&self) -> usize {
        match &self.kept {
            Kept::Refused(_) => 0,
            Kept::Confirmed { size, .. } => *size as usize,
        }
    }
}

/// The answers of one worker.
#[derive(Debug)]
pub(super) struct Memo {
    pub(super) keys: Keys,
    path: u64,
    /// The text that was hashed last, by where it stands.
    last: Option<(Range<usize>, [u64; 2])>,
    slots: Vec<Option<Slot>>,
    /// How many there may be.
    most: usize,
    /// By slot, the tag of its answer: they are near where slots are far apart.
    tags: Vec<u16>,
    put: usize,
    held: usize,
    marks: Vec<u64>,
    grounds: Vec<Option<Arc<Grounds>>>,
    /// Whether nothing is found here, for comparison.
    #[cfg(test)]
    pub(super) is_off: bool,
}

impl Default for Memo {
    fn default() -> Self {
        Self::of(MOST_ANSWERED)
    }
}

impl Memo {
    /// One that takes so many bytes at most, about, or the least that it can.
    pub(super) fn of(bytes: u64) -> Self {
        let each = size_of::<Option<Slot>>() + HELD;
        let most = usize::try_from(bytes).unwrap_or(usize::MAX) / each;
        let most = most.clamp(FEWEST, MOST);
        Self {
            keys: Keys::default(),
            path: 0,
            last: None,
            slots: Vec::new(),
            most: 1 << most.ilog2(),
            tags: Vec::new(),
            put: 0,
            held: 0,
            marks: Vec::new(),
            grounds: Vec::new(),
            #[cfg(test)]
            is_off: false,
        }
    }

    /// Prepares for texts of one haystack, which stands in a file of that path, or in memory.
    pub(super) fn begin(&mut self, keys: &Keys, path: &str) {
        self.keys = keys.clone();
        // The path is known to whoever reads the report: it needs no key.
        let mut hasher = DefaultHasher::new();
        path.hash(&mut hasher);
        self.path = hasher.finish();
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

    /// The answer for a candidate in a text that starts at `start` in the haystack.
    pub(super) fn get(
        &mut self,
        rule: RuleId,
        run: Run<'_>,
        start: usize,
        at: usize,
        layout: Option<Layout>,
    ) -> Option<Judged> {
        let key = self.key(rule, run, start, at, layout)?;
        let first = key.slot(self.slots.len());
        let (tag, tags) = (key.tag(), self.tags.get(first..first + WAYS)?);
        let slot =
            tags.iter().zip(first..).filter(|(of, _)| **of == tag).find_map(|(_, index)| {
                self.slots.get(index)?.as_ref().filter(|slot| slot.key == key)
            })?;
        let answer = match &slot.kept {
            Kept::Refused(refused) => Err(*refused),
            Kept::Confirmed { span, confidence, rank, grounds, .. } => Ok(Confirmed {
                span: range(*span),
                confidence: *confidence,
                rank: *rank,
                grounds: Arc::clone(grounds),
                canonical: None,
                plain: None,
            }),
        };
        Some(Judged { found: range(slot.found), answer })
    }

    /// Keeps an answer, unless it holds what a value is made of.
    pub(super) fn put(
        &mut self,
        rule: RuleId,
        run: Run<'_>,
        start: usize,
        at: usize,
        layout: Option<Layout>,
        judged: &mut Judged,
    ) {
        let Some(key) = self.key(rule, run, start, at, layout) else { return };
        let Some(found) = span(&judged.found) else { return };
        let kept = match &mut judged.answer {
            Err(refused) => Kept::Refused(*refused),
            Ok(confirmed) => {
                if confirmed.canonical.is_some() || confirmed.plain.is_some() {
                    return;
                }
                let size = self.share(&mut confirmed.grounds);
                let Some(span) = span(&confirmed.span) else { return };
                let Confirmed { confidence, rank, .. } = *confirmed;
                let grounds = Arc::clone(&confirmed.grounds);
                Kept::Confirmed { span, confidence, rank, size, grounds }
            }
        };
        let new = Slot { key, found, kept };
        self.grow();
        let first = new.key.slot(self.slots.len());
        let ways = self.slots.get_mut(first..first + WAYS).unwrap_or_default();
        let free = ways.iter().position(|slot| slot.as_ref().is_none_or(|it| it.key == key));
        let way = free.unwrap_or(self.put % WAYS);
        let Some(slot) = ways.get_mut(way) else { return };
        let held = self.held - slot.as_ref().map_or(0, Slot::size) + new.size();
        if held > self.most * HELD {
            return;
        }
        self.held = held;
        *slot = Some(new);
        if let Some(of) = self.tags.get_mut(first + way) {
            *of = key.tag();
        }
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
        let [len, at] = span(&(len..at))?;
        Some(Key { text, rule, len, at, cut: run.cut, layout })
    }

    /// The hash of what stands in the haystack at `span`, of no more bytes than there are keys for.
    pub(super) fn hash(&mut self, span: Range<usize>, text: &[u8]) -> [u64; 2] {
        if let Some((_, hash)) = self.last.as_ref().filter(|(last, _)| *last == span) {
            return *hash;
        }
        let hash = self.keys.of_text(self.path, text);
        self.last = Some((span, hash));
        hash
    }

    /// Makes room, when answers have come for half of what there is.
    fn grow(&mut self) {
        self.put += 1;
        let slots = self.slots.len();
        // In a table that is full to the half, hardly an answer has to give way to another.
        if 2 * self.put <= slots || slots == self.most {
            return;
        }
        if self.marks.is_empty() {
            self.marks.resize(MARKS / 64, 0);
        }
        let old = std::mem::take(&mut self.slots);
        self.slots.resize_with((2 * slots).clamp(FEWEST, self.most), || None);
        self.tags.clear();
        self.tags.resize(self.slots.len(), 0);
        for slot in old.into_iter().flatten() {
            let first = slot.key.slot(self.slots.len());
            let ways = self.slots.get_mut(first..first + WAYS).unwrap_or_default();
            let Some(way) = ways.iter().position(Option::is_none) else {
                self.held -= slot.size();
                continue;
            };
            if let Some(of) = self.tags.get_mut(first + way) {
                *of = slot.key.tag();
            }
            if let Some(free) = ways.get_mut(way) {
                *free = Some(slot);
            }
        }
    }

    /// Puts grounds that are there already in the place of equal ones; gives the bytes of what is new, about.
    fn share(&mut self, grounds: &mut Arc<Grounds>) -> u32 {
        /// A name, and where its text is, with what an allocation takes.
        const FACT: usize = 64;
        if self.grounds.is_empty() {
            self.grounds.resize(GROUNDS, None);
        }
        let mut hasher = DefaultHasher::new();
        grounds.hash(&mut hasher);
        let index = usize::try_from(hasher.finish() >> 32).unwrap_or_default() % GROUNDS;
        let Some(known) = self.grounds.get_mut(index) else { return 0 };
        if let Some(known) = known.as_ref().filter(|known| *known == grounds) {
            *grounds = Arc::clone(known);
            return 0;
        }
        *known = Some(Arc::clone(grounds));
        let fact = |(_, text): (_, &String)| FACT + text.len();
        let attributes = grounds.attributes.iter().map(fact).sum::<usize>();
        let evidence = grounds.evidence.len() * size_of::<Evidence>();
        u32::try_from(size_of::<Grounds>() + attributes + evidence).unwrap_or(u32::MAX)
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
    let [low, high] = halves(&bytes);
    let mixed = (low ^ u64::from(rule.0)).wrapping_mul(ODD).rotate_left(32) ^ high;
    let bit = (mixed.wrapping_mul(ODD) >> 40) as usize % MARKS;
    (bit / 64, 1 << (bit % 64))
}

#[cfg(test)]
#[path = "memo_tests.rs"]
mod tests;
