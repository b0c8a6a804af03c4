//! Which four bytes of a literal are looked for, and in which bucket.
//!
//! A vector register holds eight buckets for each byte, so that hundreds of literals share one. What a
//! bucket takes is the product of the bytes that its literals have at each of four positions; how often
//! memory has that is estimated from how often one byte follows another there.

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

    /// Those of some ranges.
    pub(super) fn of(ranges: &[(u8, u8)]) -> Self {
        let mut this = Self::default();
        for byte in ranges.iter().flat_map(|(first, last)| *first..=*last) {
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

/// Number of a set of bytes.
type Set = u16;

/// Four bytes of a literal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Fingerprint {
    /// Offset of the first in the literal.
    offset: u8,
    /// What may stand at each position.
    sets: [Set; WIDTH],
}

/// The sets of bytes that fingerprints have: each byte, then letters of any case, then what may follow literals.
struct Sets(Vec<Members>);

/// A set of bytes.
struct Members {
    set: Bytes,
    bytes: Vec<u8>,
    /// Lower and upper halves of the bytes, a bit each.
    halves: u32,
}

impl Members {
    fn of(set: Bytes) -> Self {
        let bytes: Vec<u8> = set.iter().collect();
        let halves =
            bytes.iter().fold(0, |all, byte| all | 1 << (byte & 15) | 1 << (16 + (byte >> 4)));
        Self { set, bytes, halves }
    }

    fn is_ascii(&self) -> bool {
        self.bytes.iter().all(u8::is_ascii)
    }
}

impl Sets {
    fn new() -> Self {
        let bytes = |any_case| (0..=u8::MAX).map(move |byte| Bytes::one(byte, any_case));
        Self(bytes(false).chain(bytes(true)).map(Members::of).collect())
    }

    fn get(&self, set: Set) -> &Members {
        &self.0[usize::from(set)]
    }

    /// The set of one byte of a literal.
    fn of_byte(byte: u8, any_case: bool) -> Set {
        if any_case && byte.is_ascii_alphabetic() {
            return 256 + Set::from(byte.to_ascii_lowercase());
        }
        Set::from(byte)
    }

    /// The set of what follows a literal.
    fn of_followers(&mut self, set: Bytes) -> Set {
        let known = self.0.iter().position(|it| it.set == set);
        let index = known.unwrap_or_else(|| {
            self.0.push(Members::of(set));
            self.0.len() - 1
        });
        Set::try_from(index).unwrap_or_default()
    }

    /// Puts down the hashes of all that a fingerprint takes.
    fn hashes(&self, fingerprint: &Fingerprint, all: &mut Vec<u32>) {
        let [one, two, three, last] = fingerprint.sets.map(|set| self.get(set));
        let first = |set: &Members| set.bytes.first().copied().unwrap_or_default();
        // Bytes that differ in their case only have the same hash; only the last set may hold others.
        let head = [first(one), first(two), first(three)];
        let hash = |byte: &u8| hash([head[0], head[1], head[2], *byte]);
        all.clear();
        all.extend(last.bytes.iter().map(hash));
        all.sort_unstable();
        all.dedup();
    }

    fn is_ascii(&self, fingerprint: &Fingerprint) -> bool {
        let [first @ .., last] = fingerprint.sets.map(|set| self.get(set));
        // The last position may be anything: kernels look at the first three.
        first.into_iter().all(Members::is_ascii) && (last.set == Bytes::ALL || last.is_ascii())
    }
}

/// How often bytes and pairs of them occur.
struct Model {
    /// Share of each byte.
    bytes: [f32; 256],
    /// By what [`PAIRS`] says of a pair, its share.
    shares: [f32; 256],
    /// By upper half of a byte, and by the first or the last eight of lower halves, a bit each, the share of
    /// those bytes.
    rows: Vec<[[f32; 256]; 2]>,
}

impl Model {
    fn new() -> Self {
        let mut shares = [0.0; 256];
        for (rarity, share) in (0..=u8::MAX).zip(&mut shares) {
            *share = (-f32::from(rarity) / 8.0).exp2();
        }
        let mut bytes = [0.0; 256];
        for (byte, row) in bytes.iter_mut().zip(PAIRS.chunks(256)) {
            *byte = row.iter().map(|rarity| shares[usize::from(*rarity)]).sum();
        }
        let mut rows = vec![[[0.0; 256]; 2]; 16];
        for (index, row) in rows.as_flattened_mut().iter_mut().enumerate() {
            for (lower, share) in row.iter_mut().enumerate() {
                let of = |bit: &usize| lower >> bit & 1 != 0;
                *share = (0..8).filter(of).map(|bit| bytes[8 * index + bit]).sum();
            }
        }
        Self { bytes, shares, rows }
    }

    fn pair(&self, first: u8, second: u8) -> f32 {
        let rarity = PAIRS[usize::from(first) << 8 | usize::from(second)];
        self.shares[usize::from(rarity)]
    }

    /// Share of the bytes that tables by halves take for such halves of bytes.
    fn of_halves(&self, halves: u32) -> f32 {
        let [low, high, upper @ ..] = halves.to_le_bytes();
        let mut left = u16::from_le_bytes(upper);
        let mut share = 0.0;
        while let Some(row) = self.rows.get(usize::try_from(left.trailing_zeros()).unwrap_or(16)) {
            share += row[0][usize::from(low)] + row[1][usize::from(high)];
            left &= left - 1;
        }
        share
    }

    /// Share of the positions of memory at which a fingerprint stands.
    fn share(&self, sets: [&Members; WIDTH]) -> f32 {
        let one = |set: &Members| -> f32 {
            set.bytes.iter().map(|byte| self.bytes[usize::from(*byte)]).sum()
        };
        let pair = |first: &Members, second: &Members| -> f32 {
            if second.set == Bytes::ALL {
                return one(first);
            }
            let of_one =
                |one: &u8| second.bytes.iter().map(|two| self.pair(*one, *two)).sum::<f32>();
            first.bytes.iter().map(of_one).sum()
        };
        let [a, b, c, d] = sets;
        // A byte that stands four times in a row is the rule where it stands twice: fillings, bars, base64 of
        // zeros.
        if sets.iter().all(|set| set.set == a.set) {
            return pair(a, b);
        }
        let given = |first: &Members, second: &Members| {
            pair(first, second) / one(first).max(f32::MIN_POSITIVE)
        };
        pair(a, b) * given(b, c) * given(c, d)
    }
}

/// The fingerprint of each literal: the rarest, where several are as good one that others have too.
fn choose(literals: &[Shape<'_>], sets: &mut Sets, model: &Model) -> Vec<Fingerprint> {
    let most = literals.iter().map(|literal| literal.bytes.len()).sum();
    let mut all: Vec<(Fingerprint, u32)> = Vec::with_capacity(most);
    for (number, literal) in (0..).zip(literals) {
        all.extend(fingerprints(literal, sets).map(|it| (it, number)));
    }
    // As a number they are compared at once.
    let key = |it: &Fingerprint| it.sets.iter().fold(0, |key, set| key << 16 | u64::from(*set));
    all.sort_unstable_by_key(|(it, _)| key(it));
    let mut least: Vec<Option<(f32, Fingerprint)>> = vec![None; literals.len()];
    for same in all.chunk_by(|(one, _), (other, _)| one.sets == other.sets) {
        let Some((first, _)) = same.first() else { continue };
        let share = model.share(first.sets.map(|set| sets.get(set)));
        let cost = share / f32::from(u16::try_from(same.len()).unwrap_or(u16::MAX));
        for (fingerprint, number) in same {
            let is_less = |(known, of): (f32, Fingerprint)| {
                cost.total_cmp(&known).then(fingerprint.offset.cmp(&of.offset)).is_lt()
            };
            let Some(least) = usize::try_from(*number).ok().and_then(|it| least.get_mut(it)) else {
                continue;
            };
            if least.is_none_or(is_less) {
                *least = Some((cost, *fingerprint));
            }
        }
    }
    least.into_iter().flatten().map(|(_, fingerprint)| fingerprint).collect()
}

/// Every four bytes of a literal, and what may follow where it has fewer.
fn fingerprints(literal: &Shape<'_>, sets: &mut Sets) -> impl Iterator<Item = Fingerprint> {
    /// Bytes of a literal of which fingerprints are made.
    const MOST: usize = 64;
    let bytes = literal.bytes.get(..MOST).unwrap_or(literal.bytes);
    let mut all = [0; MOST];
    for (set, byte) in all.iter_mut().zip(bytes) {
        *set = Sets::of_byte(*byte, literal.any_case);
    }
    if let Some(behind) = all.get_mut(bytes.len()..WIDTH).filter(|behind| !behind.is_empty()) {
        behind.fill(sets.of_followers(literal.follows));
    }
    let last = bytes.len().saturating_sub(WIDTH);
    let sets = move |at| Some(*all.get(at..)?.first_chunk()?);
    (0..=u8::MAX)
        .zip(0..=last)
        .filter_map(move |(offset, at)| Some(Fingerprint { offset, sets: sets(at)? }))
}

/// The bucket of each of some fingerprints, in tables that take each byte by itself: that which takes the least of
/// memory more for it, of those that `may` have it.
fn exact_buckets(
    all: &[[&Members; WIDTH]],
    model: &Model,
    may: impl Fn(usize, usize) -> bool,
) -> Vec<usize> {
    // By position and byte, the buckets that take it there, a bit each.
    let mut takes = Box::new([[0u32; 256]; WIDTH]);
    let mut passes = [[0.0f32; BUCKETS]; WIDTH];
    let share = |passes: &[[f32; BUCKETS]; WIDTH], bucket: usize| -> f64 {
        passes.iter().map(|of| f64::from(of[bucket])).product()
    };
    let mut buckets = Vec::with_capacity(all.len());
    for (index, sets) in all.iter().enumerate() {
        let mut with = passes;
        for ((with, takes), set) in with.iter_mut().zip(takes.iter()).zip(sets) {
            for byte in &set.bytes {
                let share = model.bytes[usize::from(*byte)];
                let takes = takes[usize::from(*byte)];
                for (bucket, with) in with.iter_mut().enumerate() {
                    *with += if takes >> bucket & 1 == 0 { share } else { 0.0 };
                }
            }
        }
        let cost = |bucket: usize| share(&with, bucket) - share(&passes, bucket);
        let costs = (0..BUCKETS).filter(|bucket| may(index, *bucket)).map(|it| (cost(it), it));
        let best = costs.min_by(|one, other| one.0.total_cmp(&other.0));
        let bucket = best.map_or(HIGH, |(_, bucket)| bucket);
        for ((passes, with), (takes, set)) in
            passes.iter_mut().zip(with).zip(takes.iter_mut().zip(sets))
        {
            passes[bucket] = with[bucket];
            for byte in &set.bytes {
                takes[usize::from(*byte)] |= 1 << bucket;
            }
        }
        buckets.push(bucket);
    }
    buckets
}

/// The same in tables by halves of a byte. Once all are known each is looked at again: the first ones did not
/// know with which others they would be.
fn buckets_by_halves(all: &[[&Members; WIDTH]], model: &Model) -> Vec<usize> {
    const ROUNDS: usize = 2;
    let mut buckets = vec![Halves::default(); BUCKETS];
    let mut homes = vec![None; all.len()];
    for (home, sets) in (0..ROUNDS).flat_map(|_| 0..all.len()).map(|index| (index, all[index])) {
        if let Some(bucket) = homes[home] {
            let bucket: &mut Halves = &mut buckets[bucket];
            bucket.change(sets, model, |count| count - 1);
        }
        let costs = buckets.iter().map(|bucket| bucket.share_with(sets, model) - bucket.share());
        let best = costs.enumerate().min_by(|(_, one), (_, other)| one.total_cmp(other));
        let best = best.map_or(0, |(bucket, _)| bucket);
        buckets[best].change(sets, model, |count| count + 1);
        homes[home] = Some(best);
    }
    homes.into_iter().flatten().collect()
}

/// The halves of bytes that the fingerprints of a bucket take.
#[derive(Debug, Clone, Default)]
struct Halves {
    /// By position and half, how many of them take it there.
    counts: [[u16; 32]; WIDTH],
    /// Those that any takes, a bit each.
    taken: [u32; WIDTH],
    /// Share of memory that passes each position.
    passes: [f32; WIDTH],
}

impl Halves {
    fn change(&mut self, sets: [&Members; WIDTH], model: &Model, change: impl Fn(u16) -> u16) {
        for ((counts, taken), set) in self.counts.iter_mut().zip(&mut self.taken).zip(sets) {
            for (half, count) in (0..).zip(counts) {
                if set.halves >> half & 1 != 0 {
                    *count = change(*count);
                    *taken = *taken & !(1 << half) | u32::from(*count > 0) << half;
                }
            }
        }
        self.passes = self.taken.map(|taken| model.of_halves(taken));
    }

    /// Share of memory that passes all.
    fn share(&self) -> f64 {
        self.passes.into_iter().map(f64::from).product()
    }

    /// What it would be with one fingerprint more.
    fn share_with(&self, sets: [&Members; WIDTH], model: &Model) -> f64 {
        let passes = |position: usize| {
            let (taken, new) = (self.taken[position], sets[position].halves);
            let is_known = new & !taken == 0;
            if is_known { self.passes[position] } else { model.of_halves(taken | new) }
        };
        (0..WIDTH).map(|position| f64::from(passes(position))).product()
    }
}

/// By group and position, the buckets of the group that take a byte there.
fn groups(all: &[[&Members; WIDTH]], buckets: &[usize]) -> Box<[[[u8; 256]; WIDTH]; GROUPS]> {
    let mut groups = Box::new([[[0; 256]; WIDTH]; GROUPS]);
    for (sets, bucket) in all.iter().zip(buckets) {
        for (takes, set) in groups[bucket / 8].iter_mut().zip(sets) {
            for byte in &set.bytes {
                takes[usize::from(*byte)] |= 1 << (bucket % 8);
            }
        }
    }
    groups
}

/// Where to look whether a literal stands there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sign {
    /// Number of the literal.
    pub literal: u32,
    /// Where its fingerprint begins in it.
    pub offset: u8,
    /// The hash of bytes that the fingerprint takes.
    pub hash: u32,
}

/// The signs of each literal, those of its fingerprint, and the tables that take all of them.
pub(super) fn tables(kernel: Kernel, literals: &[Shape<'_>]) -> (Vec<Sign>, Tables) {
    let exact = kernel.is_exact();
    let model = Model::new();
    let mut sets = Sets::new();
    let chosen = choose(literals, &mut sets, &model);
    let sets = &sets;
    let members = |fingerprint: &Fingerprint| fingerprint.sets.map(|set| sets.get(set));
    let mut distinct: Vec<Fingerprint> = chosen.clone();
    distinct.sort_unstable_by_key(|it| it.sets);
    distinct.dedup_by_key(|it| it.sets);
    // The most frequent first: it weighs most where it goes.
    let mut distinct: Vec<(f32, Fingerprint)> =
        distinct.into_iter().map(|it| (model.share(members(&it)), it)).collect();
    distinct.sort_by(|one, other| other.0.total_cmp(&one.0));
    let all: Vec<[&Members; WIDTH]> = distinct.iter().map(|(_, it)| members(it)).collect();
    let buckets = if exact {
        let is_ascii: Vec<bool> = distinct.iter().map(|(_, it)| sets.is_ascii(it)).collect();
        exact_buckets(&all, &model, |index, bucket| is_ascii[index] || bucket == HIGH)
    } else {
        buckets_by_halves(&all, &model)
    };
    let mut signs = Vec::with_capacity(chosen.len());
    let mut hashes = Vec::new();
    for (literal, fingerprint) in (0..).zip(&chosen) {
        let offset = fingerprint.offset;
        sets.hashes(fingerprint, &mut hashes);
        signs.extend(hashes.iter().map(|hash| Sign { literal, offset, hash: *hash }));
    }
    let hashes = signs.iter().map(|sign| sign.hash);
    let tables = Tables::new(&groups(&all, &buckets), 1 << (HIGH % 8), hashes);
    (signs, tables)
}
