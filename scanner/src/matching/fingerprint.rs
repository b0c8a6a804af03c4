//! Which four bytes of a literal are looked for, and in which bucket.
//!
//! A vector register holds eight buckets for each byte, so that hundreds of literals share one. What a
//! bucket takes is the product of the bytes that its literals have at each of four positions; how often
//! memory has that is estimated from how often text and other memory have each byte, and how often the
//! four of a literal stand somewhere from how often one byte follows another.

use super::kernel::{GROUPS, LooksUp, RARE_BUCKETS, Tables, WIDTH, hash, index, is_printable};

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

    fn is_text(&self) -> bool {
        self.bytes.iter().all(|byte| is_printable(*byte))
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
}

/// Two kinds of memory, where bytes come each by itself: text, and all else. A byte of text mostly stands among others
/// of its kind, so that what all memory has of each of four letters says little of how often it has the four.
type ByKind = [f32; 2];

/// How often bytes and pairs of them occur.
struct Model {
    /// Share of each byte.
    bytes: [f32; 256],
    /// Share of each byte in each kind.
    by_kind: [ByKind; 256],
    /// By what [`PAIRS`] says of a pair, its share.
    shares: [f32; 256],
    /// Share of each kind in all memory.
    kinds: ByKind,
    /// By upper half of a byte, and by the first or the last eight of lower halves, a bit each, the share of
    /// those bytes in each kind.
    rows: Vec<[[ByKind; 256]; 2]>,
}

impl Model {
    fn new() -> Self {
        let mut shares = [0.0; 256];
        for (rarity, share) in (0..=u8::MAX).zip(&mut shares) {
            *share = (-f32::from(rarity) / 8.0).exp2();
        }
        let is_text =
            |byte: u8| byte == b' ' || byte.is_ascii_graphic() || byte.is_ascii_whitespace();
        let mut of_kinds = [[0.0; 2]; 256];
        for ((first, of_kind), row) in (0..=u8::MAX).zip(&mut of_kinds).zip(PAIRS.chunks(256)) {
            for (second, rarity) in (0..=u8::MAX).zip(row) {
                let kind = usize::from(!(is_text(first) && is_text(second)));
                of_kind[kind] += shares[usize::from(*rarity)];
            }
        }
        let bytes = of_kinds.map(|[text, other]| text + other);
        let kinds = of_kinds.iter().fold([0.0; 2], |all, one| [all[0] + one[0], all[1] + one[1]]);
        let by_kind = of_kinds.map(|of| [of[0] / kinds[0], of[1] / kinds[1]]);
        let mut rows = vec![[[[0.0; 2]; 256]; 2]; 16];
        for (number, row) in rows.as_flattened_mut().iter_mut().enumerate() {
            for lower in 1..row.len() {
                // One bit more than a number that is known.
                let byte = 8 * number + index(lower.ilog2());
                let known = row[lower & !(1 << lower.ilog2())];
                row[lower] = [0, 1].map(|kind| known[kind] + by_kind[byte][kind]);
            }
        }
        Self { bytes, by_kind, shares, kinds, rows }
    }

    fn pair(&self, first: u8, second: u8) -> f32 {
        let rarity = PAIRS[usize::from(first) << 8 | usize::from(second)];
        self.shares[usize::from(rarity)]
    }

    /// Share of the bytes of each kind that tables by halves take for such halves of bytes.
    fn of_halves(&self, halves: u32) -> ByKind {
        let [low, high, upper @ ..] = halves.to_le_bytes();
        let mut left = u16::from_le_bytes(upper);
        let mut share = [0.0; 2];
        while let Some(row) = self.rows.get(usize::try_from(left.trailing_zeros()).unwrap_or(16)) {
            let (first, last) = (row[0][usize::from(low)], row[1][usize::from(high)]);
            share = [share[0] + first[0] + last[0], share[1] + first[1] + last[1]];
            left &= left - 1;
        }
        share
    }

    /// Share of all memory that passes at some positions, by what passes of each kind at each.
    fn of_passes<const LEN: usize>(&self, passes: [ByKind; LEN]) -> f32 {
        let [text, other] =
            passes.iter().fold(self.kinds, |all, one| [all[0] * one[0], all[1] * one[1]]);
        text + other
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

/// Four bytes that literals have.
struct Four<'a> {
    sets: [&'a Members; WIDTH],
    /// Share of memory.
    share: f32,
}

impl Four<'_> {
    /// Puts down the hashes of all that they take.
    fn hashes(&self, all: &mut Vec<u32>) {
        let [one, two, three, last] = self.sets;
        let first = |set: &Members| set.bytes.first().copied().unwrap_or_default();
        // Bytes that differ in their case only have the same hash; only the last set may hold others.
        let head = [first(one), first(two), first(three)];
        let hash = |byte: &u8| hash([head[0], head[1], head[2], *byte]);
        all.clear();
        all.extend(last.bytes.iter().map(hash));
        all.sort_unstable();
        all.dedup();
    }

    fn is_ascii(&self) -> bool {
        let [first @ .., last] = self.sets;
        // The last position may be anything: kernels look at the first three.
        first.into_iter().all(Members::is_ascii) && (last.set == Bytes::ALL || last.is_ascii())
    }

    /// Whether it stands only where three bytes of text do.
    fn is_text(&self) -> bool {
        let [first @ .., _] = self.sets;
        first.into_iter().all(Members::is_text)
    }
}

/// Where in a literal four bytes stand.
#[derive(Debug, Clone, Copy)]
struct Stand {
    offset: u8,
    /// Number of the four.
    four: usize,
}

/// How many of the four bytes of a literal may be its fingerprint.
const CHOICES: usize = 16;

/// The fingerprint of a literal, and its bucket.
#[derive(Debug, Clone, Copy)]
struct Home {
    stand: Stand,
    bucket: usize,
}

/// All four bytes that literals have, and by literal where they stand in it, the rarest first, [`CHOICES`] at most.
fn fours<'a>(
    all: &mut [(Fingerprint, u32)],
    literals: usize,
    sets: &'a Sets,
    model: &Model,
) -> (Vec<Four<'a>>, Vec<Vec<Stand>>) {
    // As a number they are compared at once.
    let key = |it: &Fingerprint| it.sets.iter().fold(0, |key, set| key << 16 | u64::from(*set));
    all.sort_unstable_by_key(|(it, literal)| (key(it), *literal, it.offset));
    let mut fours: Vec<Four<'_>> = Vec::with_capacity(all.len());
    let mut stands: Vec<Vec<Stand>> = vec![Vec::new(); literals];
    for same in all.chunk_by(|(one, _), (other, _)| one.sets == other.sets) {
        let Some((first, _)) = same.first() else { continue };
        let sets = first.sets.map(|set| sets.get(set));
        let four = fours.len();
        fours.push(Four { sets, share: model.share(sets) });
        for (fingerprint, literal) in same {
            let Some(stands) = usize::try_from(*literal).ok().and_then(|it| stands.get_mut(it))
            else {
                continue;
            };
            // Where the same stands again in a literal it is no other choice.
            if stands.last().is_some_and(|last| last.four == four) {
                continue;
            }
            stands.push(Stand { offset: fingerprint.offset, four });
        }
    }
    for stands in &mut stands {
        stands.sort_unstable_by(|one, other| {
            let share = |stand: &Stand| fours[stand.four].share;
            share(one).total_cmp(&share(other)).then(one.offset.cmp(&other.offset))
        });
        stands.truncate(CHOICES);
    }
    (fours, stands)
}

/// Every four bytes of each literal, and what may follow where it has fewer, with the number of the literal.
fn fingerprints(literals: &[Shape<'_>], sets: &mut Sets) -> Vec<(Fingerprint, u32)> {
    /// Bytes of a literal of which fingerprints are made.
    const MOST: usize = 64;
    let most = literals.iter().map(|literal| literal.bytes.len()).sum();
    let mut fingerprints = Vec::with_capacity(most);
    for (number, literal) in (0..).zip(literals) {
        let bytes = literal.bytes.get(..MOST).unwrap_or(literal.bytes);
        let mut all = [0; MOST];
        for (set, byte) in all.iter_mut().zip(bytes) {
            *set = Sets::of_byte(*byte, literal.any_case);
        }
        if let Some(behind) = all.get_mut(bytes.len()..WIDTH).filter(|behind| !behind.is_empty()) {
            behind.fill(sets.of_followers(literal.follows));
        }
        let last = bytes.len().saturating_sub(WIDTH);
        let sets = all.array_windows::<WIDTH>().take(last + 1);
        fingerprints.extend(
            (0..).zip(sets).map(|(offset, sets)| (Fingerprint { offset, sets: *sets }, number)),
        );
    }
    fingerprints
}

/// Tables, while fingerprints are put into their buckets.
trait Buckets {
    /// The bucket of those that may take these four bytes that would let the least of memory through more with
    /// them, and which share of it that is.
    fn cheapest(&self, four: &Four<'_>, model: &Model) -> (usize, f32);

    /// Puts four bytes into a bucket.
    fn put(&mut self, four: &Four<'_>, bucket: usize, model: &Model);
}

/// The home of each literal: the fingerprint and the bucket that together cost the least more, by what the tables let
/// through with them, and by how often the fingerprint stands where they look again.
fn homes(
    fours: &[Four<'_>],
    stands: &[Vec<Stand>],
    buckets: &mut impl Buckets,
    model: &Model,
) -> Vec<Option<Home>> {
    /// What it costs to compare literals where a fingerprint stands, if to look again at a place that the tables let
    /// through costs 1, by measurement: that includes how much rarer each is by the model than it is in text.
    const STANDS: f32 = 50.0;
    let mut order: Vec<usize> = (0..stands.len()).collect();
    // The most frequent first: it weighs most where it goes.
    let share = |literal: usize| stands[literal].first().map_or(0.0, |it| fours[it.four].share);
    order.sort_by(|one, other| share(*other).total_cmp(&share(*one)));
    let mut homes: Vec<Option<Home>> = vec![None; stands.len()];
    for literal in order {
        let mut best: Option<(f32, Home)> = None;
        for stand in &stands[literal] {
            let four = &fours[stand.four];
            let own = STANDS * four.share;
            if best.is_some_and(|(least, _)| least <= own) {
                break;
            }
            let (bucket, more) = buckets.cheapest(four, model);
            if best.is_none_or(|(least, _)| own + more < least) {
                best = Some((own + more, Home { stand: *stand, bucket }));
            }
        }
        let Some((_, home)) = best else { continue };
        buckets.put(&fours[home.stand.four], home.bucket, model);
        homes[literal] = Some(home);
    }
    homes
}

/// The first of those that cost the least.
fn least(costs: impl Iterator<Item = f32>) -> (usize, f32) {
    costs.enumerate().min_by(|(_, one), (_, other)| one.total_cmp(other)).unwrap_or_default()
}

/// No tables, which let everything through whatever is put where.
struct NoTables;

impl Buckets for NoTables {
    fn cheapest(&self, _four: &Four<'_>, _model: &Model) -> (usize, f32) {
        (0, 0.0)
    }

    fn put(&mut self, _four: &Four<'_>, _bucket: usize, _model: &Model) {}
}

/// Tables that take each byte by itself.
struct Exact {
    /// By position and byte, the buckets that take it there, a bit each.
    takes: Box<[[u32; 256]; WIDTH]>,
    /// By position, the share of each kind of memory that passes there, by bucket.
    passes: [[[f32; BUCKETS]; 2]; WIDTH],
    /// Share of all memory that passes everywhere, by bucket.
    shares: [f32; BUCKETS],
}

impl Default for Exact {
    fn default() -> Self {
        let takes = Box::new([[0; 256]; WIDTH]);
        Self { takes, passes: [[[0.0; BUCKETS]; 2]; WIDTH], shares: [0.0; BUCKETS] }
    }
}

impl Exact {
    /// What passes with four bytes more, for each bucket.
    fn with(&self, four: &Four<'_>, model: &Model) -> [[[f32; BUCKETS]; 2]; WIDTH] {
        let mut with = self.passes;
        for ((with, takes), set) in with.iter_mut().zip(self.takes.iter()).zip(four.sets) {
            for byte in &set.bytes {
                let takes = takes[usize::from(*byte)];
                for (with, share) in with.iter_mut().zip(model.by_kind[usize::from(*byte)]) {
                    for (bucket, with) in with.iter_mut().enumerate() {
                        *with += if takes >> bucket & 1 == 0 { share } else { 0.0 };
                    }
                }
            }
        }
        with
    }

    fn of_passes(passes: &[[[f32; BUCKETS]; 2]; WIDTH], model: &Model) -> [f32; BUCKETS] {
        std::array::from_fn(|bucket| {
            model.of_passes(passes.each_ref().map(|[text, other]| [text[bucket], other[bucket]]))
        })
    }
}

impl Buckets for Exact {
    fn cheapest(&self, four: &Four<'_>, model: &Model) -> (usize, f32) {
        let with = Self::of_passes(&self.with(four, model), model);
        let cost = |bucket: usize| with[bucket] - self.shares[bucket];
        if four.is_ascii() { least((0..BUCKETS).map(cost)) } else { (HIGH, cost(HIGH)) }
    }

    fn put(&mut self, four: &Four<'_>, bucket: usize, model: &Model) {
        let with = self.with(four, model);
        for (passes, with) in self.passes.as_flattened_mut().iter_mut().zip(with.as_flattened()) {
            passes[bucket] = with[bucket];
        }
        for (takes, set) in self.takes.iter_mut().zip(four.sets) {
            for byte in &set.bytes {
                takes[usize::from(*byte)] |= 1 << bucket;
            }
        }
        self.shares = Self::of_passes(&self.passes, model);
    }
}

/// Tables that take each half of a byte by itself.
#[derive(Default)]
struct ByHalves {
    /// By bucket, what it takes.
    texts: [Halves<WIDTH>; BUCKETS],
    /// What the buckets behind those take, which look at the first two bytes of what is no text.
    rare: [Halves<2>; RARE_BUCKETS],
}

impl Buckets for ByHalves {
    fn cheapest(&self, four: &Four<'_>, model: &Model) -> (usize, f32) {
        let halves = four.sets.map(|set| set.halves);
        if four.is_text() {
            return least(self.texts.iter().map(|bucket| bucket.cost(halves, model)));
        }
        let [first, second, ..] = halves;
        let (bucket, cost) =
            least(self.rare.iter().map(|bucket| bucket.cost([first, second], model)));
        (BUCKETS + bucket, cost)
    }

    fn put(&mut self, four: &Four<'_>, bucket: usize, model: &Model) {
        let halves = four.sets.map(|set| set.halves);
        let [first, second, ..] = halves;
        if let Some(texts) = self.texts.get_mut(bucket) {
            texts.put(halves, model);
        } else if let Some(rare) = self.rare.get_mut(bucket - BUCKETS) {
            rare.put([first, second], model);
        }
    }
}

/// The halves of bytes that the fingerprints of a bucket take.
#[derive(Debug)]
struct Halves<const LEN: usize> {
    positions: [Position; LEN],
    /// Share of all memory that passes all.
    share: f32,
}

impl<const LEN: usize> Default for Halves<LEN> {
    fn default() -> Self {
        Self { positions: std::array::from_fn(|_| Position::default()), share: 0.0 }
    }
}

impl<const LEN: usize> Halves<LEN> {
    /// What passes more with these.
    fn cost(&self, halves: [u32; LEN], model: &Model) -> f32 {
        if self.positions.iter().zip(halves).all(|(it, new)| new & !it.taken == 0) {
            return 0.0;
        }
        let with = |position: usize| self.positions[position].with(halves[position], model);
        model.of_passes::<LEN>(std::array::from_fn(with)) - self.share
    }

    fn put(&mut self, halves: [u32; LEN], model: &Model) {
        for (position, new) in self.positions.iter_mut().zip(halves) {
            if new & !position.taken != 0 {
                *position = Position::new(position.taken | new, model);
            }
        }
        self.share = model.of_passes(self.positions.each_ref().map(|it| it.passes));
    }
}

/// The same at one position.
#[derive(Debug, Default)]
struct Position {
    /// Those that are taken, a bit each.
    taken: u32,
    /// Share of each kind of memory that passes.
    passes: ByKind,
    /// By half, the share of the bytes with it whose other half is taken.
    beside: [ByKind; 16],
    above: [ByKind; 16],
}

impl Position {
    fn new(taken: u32, model: &Model) -> Self {
        let (lower, upper) = (taken & 0xffff, taken & 0xffff_0000);
        Self {
            taken,
            passes: model.of_halves(taken),
            beside: std::array::from_fn(|half| model.of_halves(1 << half | upper)),
            above: std::array::from_fn(|half| model.of_halves(lower | 1 << (16 + half))),
        }
    }

    /// What passes with these too.
    fn with(&self, halves: u32, model: &Model) -> ByKind {
        let new = halves & !self.taken;
        let lower = halves & 0xffff;
        if new == 0 {
            return self.passes;
        }
        if !lower.is_power_of_two() {
            return model.of_halves(self.taken | new);
        }
        // One lower half, as letters of any case have it: what stands in its column, and in each new row.
        let column = index(lower.trailing_zeros());
        let is_new = new & lower != 0;
        let mut passes = self.passes;
        let mut add = |share: ByKind| passes = [passes[0] + share[0], passes[1] + share[1]];
        if is_new {
            add(self.beside[column]);
        }
        let mut rows = new >> 16;
        while rows != 0 {
            let row = index(rows.trailing_zeros());
            add(self.above[row]);
            if is_new {
                add(model.by_kind[row << 4 | column]);
            }
            rows &= rows - 1;
        }
        passes
    }
}

/// By group and position, the buckets of the group that take a byte there, and behind the groups the rare ones.
fn groups<'a>(fours: &[Four<'_>], homes: impl Iterator<Item = &'a Home>) -> (Groups, Rare) {
    let mut groups = Box::new([[[0; 256]; WIDTH]; GROUPS]);
    let mut rare = Box::new([[0; 256]; 2]);
    for Home { stand, bucket } in homes {
        let takes = groups.get_mut(bucket / 8).map_or(rare.as_mut_slice(), |group| group);
        for (takes, set) in takes.iter_mut().zip(fours[stand.four].sets) {
            for byte in &set.bytes {
                takes[usize::from(*byte)] |= 1 << (bucket % 8);
            }
        }
    }
    (groups, rare)
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

/// By group, position and byte, the buckets of the group that take it there, a bit each.
type Groups = Box<[[[u8; 256]; WIDTH]; GROUPS]>;

/// The same of the first two bytes of what is no text.
type Rare = Box<[[u8; 256]; 2]>;

/// The signs of each literal, those of its fingerprint, and the tables that take all of them.
pub(super) fn tables(looks_up: LooksUp, literals: &[Shape<'_>]) -> (Vec<Sign>, Tables) {
    let (signs, (groups, rare)) = choose(looks_up, literals);
    let hashes = signs.iter().map(|sign| sign.hash);
    let tables = Tables::new(&groups, 1 << (HIGH % 8), &rare, hashes);
    (signs, tables)
}

fn choose(looks_up: LooksUp, literals: &[Shape<'_>]) -> (Vec<Sign>, (Groups, Rare)) {
    let model = Model::new();
    let mut sets = Sets::new();
    let mut all = fingerprints(literals, &mut sets);
    let (fours, stands) = fours(&mut all, literals.len(), &sets, &model);
    let homes = match looks_up {
        LooksUp::Nothing => homes(&fours, &stands, &mut NoTables, &model),
        LooksUp::Bytes => homes(&fours, &stands, &mut Exact::default(), &model),
        LooksUp::Halves => homes(&fours, &stands, &mut ByHalves::default(), &model),
    };
    let mut signs = Vec::with_capacity(homes.len());
    let mut hashes = Vec::new();
    for (literal, home) in (0..).zip(&homes) {
        let Some(Home { stand, .. }) = home else { continue };
        fours[stand.four].hashes(&mut hashes);
        signs.extend(hashes.iter().map(|hash| Sign { literal, offset: stand.offset, hash: *hash }));
    }
    (signs, groups(&fours, homes.iter().flatten()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::{Anchor, RuleSet};

    /// All four bytes that a fingerprint stands for.
    fn spelled(shape: &Shape<'_>, offset: usize) -> Vec<[u8; WIDTH]> {
        let sets: Vec<Vec<u8>> = (offset..offset + WIDTH)
            .map(|at| match shape.bytes.get(at) {
                Some(byte) => Bytes::one(*byte, shape.any_case).iter().collect(),
                None => shape.follows.iter().collect(),
            })
            .collect();
        let mut all = vec![[0; WIDTH]];
        for (position, set) in sets.iter().enumerate() {
            let with = |four: &[u8; WIDTH], byte: &u8| {
                let mut four = *four;
                four[position] = *byte;
                four
            };
            all =
                all.iter().flat_map(|four| set.iter().map(move |byte| with(four, byte))).collect();
        }
        all
    }

    #[test]
    fn tables_of_every_kind_take_the_fingerprint_of_every_literal() {
        let set = RuleSet::builtin().unwrap();
        let mut shapes = Vec::new();
        for rule in set.rules().iter().filter(|rule| rule.anchor.has_literals()) {
            for bytes in &rule.literals {
                let follows = rule.followers.iter().find(|(of, _)| of == bytes);
                shapes.push(Shape {
                    bytes,
                    any_case: matches!(rule.anchor, Anchor::Assignment(_)),
                    follows: follows.map_or(Bytes::ALL, |(_, bytes)| Bytes::of(bytes)),
                });
            }
        }
        assert!(shapes.len() > 300, "{}", shapes.len());
        let high = Bytes::of(&[(0x80, 0xff)]);
        for (bytes, follows) in [
            (&[0xff; 3][..], Bytes::ALL),
            (b"\xfe\xed\xfa\xce", Bytes::ALL),
            (b"q\0\x80\x7f\xff", Bytes::ALL),
            (b"\0\0\0", Bytes::one(1, false)),
            (b"abd", high),
        ] {
            shapes.push(Shape { bytes, any_case: false, follows });
        }
        for looks_up in [LooksUp::Nothing, LooksUp::Bytes, LooksUp::Halves] {
            let (signs, (groups, rare)) = choose(looks_up, &shapes);
            let mut of_literal = vec![(0, Vec::new()); shapes.len()];
            for Sign { literal, offset, hash } in signs {
                let (at, hashes): &mut (u8, Vec<u32>) = &mut of_literal[index(literal)];
                *at = offset;
                hashes.push(hash);
            }
            for (shape, (offset, hashes)) in shapes.iter().zip(of_literal) {
                for four in spelled(shape, usize::from(offset)) {
                    assert!(hashes.contains(&hash(four)), "{shape:?} {looks_up:?}");
                    let buckets = groups.iter().fold(0u32, |all, group| {
                        let takes =
                            |(position, byte): (usize, u8)| group[position][usize::from(byte)];
                        let takes = four.into_iter().enumerate().map(takes);
                        all << 8 | u32::from(takes.fold(0xff, |all, takes| all & takes))
                    });
                    // The last bucket of the last group is the lowest byte's highest bit. By bytes of ASCII nothing
                    // else is looked up for what is none.
                    let is_ascii = |byte: &u8| byte.is_ascii() || shape.follows == Bytes::ALL;
                    let only_high =
                        looks_up == LooksUp::Bytes && !(four[..3].is_ascii() && is_ascii(&four[3]));
                    let may = if only_high { 1 << 7 } else { u32::MAX };
                    let [first, second, ..] = four.map(usize::from);
                    let is_rare = rare[0][first] & rare[1][second] != 0;
                    let is_text = four[..3].iter().all(|byte| is_printable(*byte));
                    assert!(looks_up == LooksUp::Halves || !is_rare);
                    let is_found = buckets & may != 0 && (looks_up != LooksUp::Halves || is_text);
                    assert!(is_found || is_rare, "{shape:?} {looks_up:?} {four:?}");
                }
            }
        }
    }
}
