//! Which four bytes of a literal are looked for, and in which bucket.
//!
//! A vector register holds eight buckets for each byte, so that hundreds of literals share one. What a
//! bucket takes is the product of the bytes that its literals have at each of four positions; how often
//! memory has that is estimated from how often one byte follows another there.

#[expect(
    clippy::disallowed_types,
    reason = "looked up, never walked; half of the time of a tree"
)]
use std::collections::HashMap;

use super::kernel::{GROUPS, Kernel, Tables, WIDTH, hash};

/// By pair of bytes, eight times the negative logarithm to the base of two of its share in the memory of
/// programs of many kinds (`tests/benign/pairs`).
const PAIRS: &[u8; 256 * 256] = include_bytes!("pairs.bin");

/// Buckets.
const BUCKETS: usize = GROUPS * 8;

/// The bucket of fingerprints that take bytes that are no ASCII, in tables of 128 bytes.
const HIGH: usize = BUCKETS - 1;

/// Bytes, one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(super) struct Bytes([u64; 4]);

impl Bytes {
    /// Every byte.
    pub(super) const ALL: Self = Self([u64::MAX; 4]);

    /// A byte, and where it is a letter of any case the other one too.
    fn one(byte: u8, any_case: bool) -> Self {
        let mut this = Self::default();
        this.insert(byte);
        if any_case {
            this.insert(byte.to_ascii_lowercase());
            this.insert(byte.to_ascii_uppercase());
        }
        this
    }

    /// Those of a table.
    pub(super) fn of(table: &[bool; 256]) -> Self {
        let mut this = Self::default();
        for (byte, _) in (0..=u8::MAX).zip(table).filter(|(_, is)| **is) {
            this.insert(byte);
        }
        this
    }

    fn insert(&mut self, byte: u8) {
        self.0[usize::from(byte >> 6)] |= 1 << (byte & 63);
    }

    pub(super) fn len(&self) -> usize {
        self.iter().count()
    }

    pub(super) fn has(&self, byte: u8) -> bool {
        self.0[usize::from(byte >> 6)] >> (byte & 63) & 1 != 0
    }

    pub(super) fn with(self, other: Self) -> Self {
        Self(std::array::from_fn(|word| self.0[word] | other.0[word]))
    }

    fn iter(&self) -> impl Iterator<Item = u8> {
        (0u8..4).zip(self.0).flat_map(|(index, word)| {
            let mut left = word;
            std::iter::from_fn(move || {
                let bit = u8::try_from(left.trailing_zeros()).ok().filter(|bit| *bit < 64)?;
                left &= left - 1;
                Some(index << 6 | bit)
            })
        })
    }
}

/// A literal, as fingerprints are made of it.
#[derive(Debug)]
pub(super) struct Shape<'a> {
    /// Its bytes, three at least.
    pub bytes: &'a [u8],
    /// Whether letters of any case are meant.
    pub any_case: bool,
    /// Which bytes may follow it.
    pub follows: Bytes,
}

/// Four bytes of a literal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Fingerprint {
    /// Offset of the first in the literal.
    pub offset: u8,
    /// What may stand at each position.
    sets: [Bytes; WIDTH],
}

impl Fingerprint {
    /// The hashes of all that it takes.
    pub(super) fn hashes(&self) -> Vec<u32> {
        let first = |set: &Bytes| set.iter().next().unwrap_or_default();
        // Bytes that differ in their case only have the same hash; only the last set may hold others.
        let [one, two, three, last] = &self.sets;
        let head = [first(one), first(two), first(three)];
        let mut all: Vec<u32> =
            last.iter().map(|byte| hash([head[0], head[1], head[2], byte])).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    fn is_ascii(&self) -> bool {
        // The last position may be anything: kernels look at the first three.
        self.sets.iter().take(WIDTH - 1).all(|set| set.iter().all(|byte| byte.is_ascii()))
            && (self.sets[WIDTH - 1] == Bytes::ALL
                || self.sets[WIDTH - 1].iter().all(|byte| byte.is_ascii()))
    }
}

/// How often bytes and pairs of them occur.
struct Model {
    /// Share of each byte.
    bytes: [f32; 256],
    pairs: Vec<f32>,
}

impl Model {
    fn new() -> Self {
        let shares: Vec<f32> =
            (0..=u8::MAX).map(|rarity| (-f32::from(rarity) / 8.0).exp2()).collect();
        let pairs: Vec<f32> = PAIRS.iter().map(|rarity| shares[usize::from(*rarity)]).collect();
        let mut bytes = [0.0; 256];
        for (byte, row) in bytes.iter_mut().zip(pairs.chunks(256)) {
            *byte = row.iter().sum();
        }
        Self { bytes, pairs }
    }

    /// Share of the positions of memory at which a fingerprint stands.
    fn share(&self, sets: &[Bytes; WIDTH]) -> f32 {
        let pair = |first: &Bytes, second: &Bytes| -> f32 {
            if *second == Bytes::ALL {
                return first.iter().map(|byte| self.bytes[usize::from(byte)]).sum();
            }
            let of =
                |first: u8, second: u8| self.pairs[usize::from(first) << 8 | usize::from(second)];
            first.iter().map(|one| second.iter().map(|two| of(one, two)).sum::<f32>()).sum()
        };
        let one = |set: &Bytes| -> f32 {
            set.iter().map(|byte| self.bytes[usize::from(byte)]).sum::<f32>().max(f32::MIN_POSITIVE)
        };
        let [a, b, c, d] = sets;
        // A byte that stands four times in a row is the rule where it stands twice: fillings, bars, base64 of
        // zeros.
        if sets.iter().all(|set| set == a) {
            return pair(a, b);
        }
        pair(a, b) * (pair(b, c) / one(b)) * (pair(c, d) / one(c))
    }
}

/// The fingerprint of each literal: the rarest, where several are as good one that others have too.
#[expect(clippy::disallowed_types, reason = "as above")]
fn choose(literals: &[Shape<'_>], model: &Model) -> Vec<Fingerprint> {
    let mut shares: HashMap<[Bytes; WIDTH], (f32, u16)> = HashMap::new();
    let all: Vec<Vec<Fingerprint>> = literals.iter().map(fingerprints).collect();
    for fingerprint in all.iter().flatten() {
        let (_, count) =
            shares.entry(fingerprint.sets).or_insert_with(|| (model.share(&fingerprint.sets), 0));
        *count = count.saturating_add(1);
    }
    let cost = |fingerprint: &Fingerprint| {
        let (share, count) = shares.get(&fingerprint.sets).copied().unwrap_or((1.0, 1));
        share / f32::from(count)
    };
    let least = |of: Vec<Fingerprint>| {
        let costs = of.into_iter().map(|it| (cost(&it), it));
        costs.min_by(|one, other| one.0.total_cmp(&other.0)).map(|(_, least)| least)
    };
    all.into_iter().filter_map(least).collect()
}

/// Every four bytes of a literal, and what may follow where it has fewer.
fn fingerprints(literal: &Shape<'_>) -> Vec<Fingerprint> {
    /// Bytes of a literal of which fingerprints are made.
    const MOST: usize = 64;
    let set = |at: usize| {
        let byte = literal.bytes.get(at);
        byte.map_or(literal.follows, |byte| Bytes::one(*byte, literal.any_case))
    };
    let last = literal.bytes.len().min(MOST).saturating_sub(WIDTH);
    let offsets = (0..=last).filter_map(|offset| u8::try_from(offset).ok());
    offsets
        .map(|offset| Fingerprint {
            offset,
            sets: std::array::from_fn(|position| set(usize::from(offset) + position)),
        })
        .collect()
}

/// What the fingerprints of a bucket have at each position.
#[derive(Debug, Clone, Default)]
struct Bucket {
    sets: [Bytes; WIDTH],
    /// Lower and upper halves of those bytes.
    halves: [(u16, u16); WIDTH],
    /// Share of memory that passes each position.
    passes: [f32; WIDTH],
}

impl Bucket {
    /// What passes each position if a fingerprint is added, in tables that are exact, or by halves of a
    /// byte.
    fn passes_with(&self, fingerprint: &Fingerprint, exact: bool, model: &Model) -> [f32; WIDTH] {
        std::array::from_fn(|position| {
            let set = &fingerprint.sets[position];
            if exact {
                let new = set.iter().filter(|byte| !self.sets[position].has(*byte));
                return self.passes[position]
                    + new.map(|byte| model.bytes[usize::from(byte)]).sum::<f32>();
            }
            let (low, high) = with(self.halves[position], set);
            if (low, high) == self.halves[position] {
                return self.passes[position];
            }
            let mut share = 0.0;
            for upper in (0..16u8).filter(|bit| high >> bit & 1 != 0) {
                for lower in (0..16u8).filter(|bit| low >> bit & 1 != 0) {
                    share += model.bytes[usize::from(upper << 4 | lower)];
                }
            }
            share
        })
    }

    fn add(&mut self, fingerprint: &Fingerprint, passes: [f32; WIDTH]) {
        for position in 0..WIDTH {
            let set = &fingerprint.sets[position];
            self.halves[position] = with(self.halves[position], set);
            self.sets[position] = self.sets[position].with(*set);
        }
        self.passes = passes;
    }
}

fn with((mut low, mut high): (u16, u16), set: &Bytes) -> (u16, u16) {
    for byte in set.iter() {
        low |= 1 << (byte & 15);
        high |= 1 << (byte >> 4);
    }
    (low, high)
}

/// The fingerprint of each literal, and the tables that take all of them.
pub(super) fn tables(kernel: Kernel, literals: &[Shape<'_>]) -> (Vec<Fingerprint>, Tables) {
    let exact = kernel.is_exact();
    let model = Model::new();
    let chosen = choose(literals, &model);
    let mut distinct: Vec<Fingerprint> = chosen.clone();
    distinct.sort_unstable_by_key(|it| it.sets);
    distinct.dedup_by_key(|it| it.sets);
    // The most frequent first: it weighs most where it goes.
    let mut distinct: Vec<(f32, Fingerprint)> =
        distinct.into_iter().map(|it| (model.share(&it.sets), it)).collect();
    distinct.sort_by(|one, other| other.0.total_cmp(&one.0));
    let mut buckets = vec![Bucket::default(); BUCKETS];
    for (_, fingerprint) in &distinct {
        let is_ascii = fingerprint.is_ascii();
        let cost = |index: usize, bucket: &Bucket| {
            let passes = bucket.passes_with(fingerprint, exact, &model);
            let share = |of: [f32; WIDTH]| of.into_iter().map(f64::from).product::<f64>();
            let cost = share(passes) - share(bucket.passes);
            (cost, index, passes)
        };
        let best = buckets
            .iter()
            .enumerate()
            .filter(|(index, _)| !exact || is_ascii || *index == HIGH)
            .map(|(index, bucket)| cost(index, bucket))
            .min_by(|one, other| one.0.total_cmp(&other.0));
        if let Some((_, index, passes)) = best {
            buckets[index].add(fingerprint, passes);
        }
    }
    let mut bytes = Box::new([[[0u8; 256]; WIDTH]; GROUPS]);
    for (index, bucket) in buckets.iter().enumerate() {
        for (position, set) in bucket.sets.iter().enumerate() {
            for byte in set.iter() {
                bytes[index / 8][position][usize::from(byte)] |= 1 << (index % 8);
            }
        }
    }
    let hashes = distinct.iter().flat_map(|(_, fingerprint)| fingerprint.hashes());
    (chosen, Tables::new(&bytes, 1 << (HIGH % 8), hashes))
}
