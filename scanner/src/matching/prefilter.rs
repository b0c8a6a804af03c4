//! Where in raw bytes the literals of the rules occur, and which blocks may hold something encoded.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, LazyLock, OnceLock};

use super::fingerprint::{Bytes, Shape, Sign, tables};
use super::kernel::{self, BEHIND, BLOCK, BLOCKS, Kernel, TILE, Tables, Tile, index};
use super::{encoding, environment, names, number, runs};
use crate::indicator::Indicators;
use crate::rule::{Anchor, Beside, Keyword, Neighbours, Opening, Rule, RuleId, RuleSet, View};

/// Bytes that are skipped together where they are zeros.
const PAGE: usize = 4 << 10;

/// A set of literals, each with the rules it is a candidate of.
#[derive(Debug)]
pub(super) struct Prefilter {
    kernel: Kernel,
    tables: Tables,
    literals: Vec<Literal>,
    /// By number of the hash of a fingerprint, where its entries begin; they end where the next one's do.
    starts: Vec<u32>,
    entries: Vec<Entry>,
    /// By the same number, which of many entries may stand where.
    sieves: Vec<Box<[Sieve]>>,
    /// By the same number, what stands around such a fingerprint wherever it is that of a literal.
    around: Vec<Around>,
    /// By literal of any case, what may stand on both sides of it.
    neighbours: Vec<Neighbours>,
    /// Whether a literal is made of zeros only.
    finds_zeros: bool,
    /// Whether in decoded text rules find nothing but where something is marked.
    marks_all: bool,
    /// The literal that stands in every environment.
    environment: u32,
    /// What names and addresses are looked up in.
    indicators: Option<Arc<Indicators>>,
}

/// A literal and its rules.
#[derive(Debug)]
struct Literal {
    bytes: Vec<u8>,
    /// Whether letters of any case are meant.
    any_case: bool,
    /// What may follow; of a literal of three bytes only.
    follows: Bytes,
    rules: Vec<RuleId>,
    /// The same by what their matches begin with.
    openings: OnceLock<Openings>,
    /// Of rules for assignments: the keywords that have this literal.
    keywords: Vec<Word>,
}

/// A keyword with a literal.
#[derive(Debug)]
struct Word {
    keyword: Keyword,
    /// What may stand beside the literal where the keyword stands.
    neighbours: Neighbours,
    rules: Vec<RuleId>,
}

/// That a rule has a literal.
#[derive(Debug, Clone, Copy)]
struct Use<'a> {
    bytes: &'a [u8],
    /// Whether letters of any case are meant.
    any_case: bool,
    follows: Bytes,
    rule: Option<RuleId>,
}

impl Use<'_> {
    fn literal(&self) -> (&[u8], bool) {
        (self.bytes, self.any_case)
    }
}

/// What the matches of some rules begin with.
#[derive(Debug)]
struct Openings {
    all: Vec<(Opening, Vec<RuleId>)>,
    /// The longest row of letters, digits, `-` and `_` at the start of any match, if that is known.
    longest_row: Option<usize>,
}

impl Literal {
    /// That of all of these, which come by rule.
    fn new(uses: &[Use<'_>], set: &RuleSet) -> Option<Self> {
        let Use { bytes, any_case, .. } = *uses.first()?;
        let follows = uses.iter().fold(Bytes::default(), |all, one| all.with(one.follows));
        let mut rules: Vec<RuleId> = uses.iter().filter_map(|one| one.rule).collect();
        rules.dedup();
        let mut keywords: Vec<Word> = Vec::new();
        for id in rules.iter().filter(|_| any_case) {
            let Anchor::Assignment(words) = &set.get(*id).anchor else { continue };
            for word in words.at(bytes, 0).iter().filter(|word| word.literal() == bytes) {
                let (keyword, neighbours) = (word.clone(), word.neighbours());
                match keywords.iter_mut().find(|known| known.keyword.is_same_word(word)) {
                    Some(Word { rules, .. }) if rules.last() == Some(id) => {}
                    Some(Word { rules, .. }) => rules.push(*id),
                    None => keywords.push(Word { keyword, neighbours, rules: vec![*id] }),
                }
            }
        }
        let openings = OnceLock::new();
        Some(Self { bytes: bytes.to_vec(), any_case, follows, rules, openings, keywords })
    }

    /// What may stand beside it, where one of its keywords does.
    fn neighbours(&self) -> Neighbours {
        self.keywords.iter().map(|word| word.neighbours).fold(Neighbours::default(), Neighbours::or)
    }

    /// Its rules by what their matches begin with, from the literal on.
    fn openings(&self, set: &RuleSet) -> &Openings {
        self.openings.get_or_init(|| {
            let mut openings: Vec<(Opening, Vec<RuleId>)> = Vec::new();
            for id in &self.rules {
                let rule = set.get(*id);
                let begins_here = rule.anchor == Anchor::Prefix && rule.view == View::Text;
                let opening = if begins_here {
                    rule.pattern.opening(self.bytes.len())
                } else {
                    Opening::default()
                };
                match openings.iter_mut().find(|(known, _)| *known == opening) {
                    Some((_, of)) => of.push(*id),
                    None => openings.push((opening, vec![*id])),
                }
            }
            let mut rows = openings.iter().map(|(opening, _)| opening.longest_row());
            let longest_row = rows.try_fold(0, |longest, row| Some(row?.max(longest)));
            Openings { longest_row, all: openings }
        })
    }
}

/// A literal with a fingerprint of some hash.
#[derive(Debug)]
struct Entry {
    literal: u32,
    /// Where in the literal the fingerprint begins.
    offset: u8,
    /// Whether what is compared around the fingerprint is all of it, whatever follows.
    is_whole: bool,
    /// Whether letters of any case are meant.
    any_case: bool,
    /// Bytes of the literal.
    len: u32,
    around: Around,
}

/// A byte of a literal and those of its bits that count: not that of its case, where any is meant.
fn bits(byte: u8, any_case: bool) -> [u8; 2] {
    let mask = if any_case && byte.is_ascii_alphabetic() { !0x20 } else { 0xff };
    [byte & mask, mask]
}

/// What stands around a fingerprint, to be compared at once.
#[derive(Debug, Clone, Copy)]
struct Around {
    value: u128,
    /// The bits that count.
    mask: u128,
}

impl Around {
    /// Bytes before the fingerprint, and from there on.
    const BEFORE: usize = 6;
    const BEHIND: usize = size_of::<u128>() - Self::BEFORE;

    /// Around a fingerprint at `offset` in a literal.
    fn of(literal: &[u8], any_case: bool, offset: usize) -> Self {
        let mut bytes = [[0; size_of::<u128>()]; 2];
        let [values, masks] = &mut bytes;
        for (index, (to_value, to_mask)) in values.iter_mut().zip(masks).enumerate() {
            let at = (offset + index).checked_sub(Self::BEFORE);
            let Some(byte) = at.and_then(|at| literal.get(at)) else { continue };
            let [value, mask] = bits(*byte, any_case);
            (*to_value, *to_mask) = (value, mask);
        }
        let [value, mask] = bytes.map(u128::from_le_bytes);
        Self { value, mask }
    }

    /// What both say.
    fn common(self, other: Self) -> Self {
        let mask = self.mask & other.mask & !(self.value ^ other.value);
        Self { value: self.value & mask, mask }
    }

    /// What is compared of a place; none near the ends of the text.
    fn read(bytes: &[u8], at: usize) -> Option<u128> {
        let from = at.checked_sub(Self::BEFORE).and_then(|start| bytes.get(start..));
        from.and_then(<[u8]>::first_chunk).map(|all| u128::from_le_bytes(*all))
    }

    /// Whether it may be so where that was read.
    fn may_be(self, read: Option<u128>) -> bool {
        read.is_none_or(|read| read & self.mask == self.value)
    }
}

/// Which of the entries of a hash may stand at a place, by single bytes of what stands around it: dozens have the
/// fingerprint of `token`, and at most places all but one or two are ruled out by what stands before and behind.
#[derive(Debug)]
struct Sieve {
    /// The bytes that tell the entries apart best: which of those that are compared, and by its lower five bits, which
    /// are those of letters of any case, the entries that may have it there, a bit each.
    bytes: [(usize, [u64; 1 << Self::BITS]); 3],
}

impl Sieve {
    const BITS: u32 = 5;
    /// Entries that it tells apart.
    const MOST: usize = 64;

    /// Entries that are compared as fast as they are sifted.
    const FEW: usize = 8;

    /// Those of the entries of a hash, one for as many as it has bits; none if they are few.
    fn all(entries: &[Entry]) -> Box<[Self]> {
        let entries = if entries.len() > Self::FEW { entries } else { &[] };
        entries.chunks(Self::MOST).map(Self::new).collect()
    }

    fn new(entries: &[Entry]) -> Self {
        let mut bytes: [_; size_of::<u128>()] = std::array::from_fn(|position| {
            let mut may = [0u64; 1 << Self::BITS];
            for (bit, entry) in entries.iter().enumerate() {
                let [value, mask] =
                    [entry.around.value, entry.around.mask].map(|all| all.to_le_bytes()[position]);
                for (lower, may) in (0u8..).zip(&mut may) {
                    let differs = (lower ^ value) & mask & (u8::MAX >> (8 - Self::BITS));
                    *may |= u64::from(differs == 0) << bit;
                }
            }
            (position, may)
        });
        // What all have, like the fingerprint itself, tells none apart.
        bytes.sort_by_key(|(_, may)| may.iter().map(|may| may.count_ones()).max());
        let [first, second, third, ..] = bytes;
        Self { bytes: [first, second, third] }
    }

    /// The entries that may stand where that was read, a bit each.
    fn may_be(&self, read: u128) -> u64 {
        let read = read.to_le_bytes();
        let of_byte = |(position, may): &(usize, [u64; 1 << Self::BITS])| {
            may[usize::from(read[position % read.len()]) % may.len()]
        };
        self.bytes.iter().map(of_byte).fold(u64::MAX, |all, may| all & may)
    }
}

/// What of a literal is looked for, and the literal is compared only where that stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookedFor {
    /// Four bytes of it, or all three that it has.
    pub bytes: Vec<u8>,
    /// How many different bytes may follow them as the fourth.
    pub followers: Option<usize>,
}

/// What is looked for, by rule and literal of the rule.
pub fn looked_for(set: &RuleSet, kernel: Kernel) -> Vec<Vec<LookedFor>> {
    let prefilter = Prefilter::new(set, kernel);
    let offsets: BTreeMap<usize, usize> = prefilter
        .entries
        .iter()
        .map(|entry| (offset(entry.literal), usize::from(entry.offset)))
        .collect();
    let of = |bytes: &Vec<u8>, any_case: bool| {
        let is = |it: &Literal| it.bytes == *bytes && it.any_case == any_case;
        let index = prefilter.literals.iter().position(is)?;
        let four = bytes.iter().skip(*offsets.get(&index)?).take(kernel::WIDTH);
        let follows = prefilter.literals.get(index)?.follows.len();
        let four: Vec<u8> = four.copied().collect();
        let followers = (four.len() < kernel::WIDTH).then_some(follows);
        Some(LookedFor { bytes: four, followers })
    };
    let rules = set.rules().iter().map(|rule| {
        let any_case = matches!(rule.anchor, Anchor::Assignment(_));
        let literals = rule.literals.iter().filter(|_| rule.anchor.has_literals());
        literals.filter_map(|bytes| of(bytes, any_case)).collect()
    });
    rules.collect()
}

/// A literal that occurs, and if it is that of keywords, where one of them may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Hit {
    /// Offset of its first byte.
    pub at: u32,
    /// Which one.
    pub(super) literal: u32,
}

/// What a place ends with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ends {
    /// The end of its text run; none beyond the place if it stands in none.
    pub run: usize,
    /// The end of its row of letters, digits, `-` and `_`.
    pub row: usize,
}

impl Hit {
    /// Number of the literal.
    pub(super) fn literal(self) -> usize {
        offset(self.literal)
    }
}

/// What stands out in a text.
#[derive(Debug, Default)]
pub(super) struct Marks {
    /// The literals that occur, in order; those of keywords only where one of them may stand.
    pub hits: Vec<Hit>,
    /// Blocks with flags, in order: the offset, and the flags.
    pub blocks: Vec<(u32, u8)>,
    /// The longest rows of characters of base64, of 24 and more.
    pub tokens: Vec<Range<usize>>,
    /// Blocks with what begins an escape, in order: the offset, and a bit for each byte.
    escapes: Vec<(u32, u64)>,
    /// The same of what may begin a compressed stream.
    streams: Vec<(u32, u64)>,
    /// Where a name or address of a list may end, in order.
    pub names: Vec<u32>,
    /// The same of addresses with colons.
    pub addresses: Vec<u32>,
    /// Words that may be a part of a number, as [`number::mark`] gives them.
    pub numbers: Vec<u32>,
    /// Whether, if this is decoded text, rules find nothing in it but where something is marked.
    pub is_all: bool,
    /// Where in the tile that is looked at literals may stand, and the numbers of the hashes there.
    near: Vec<(usize, usize)>,
    tile: Box<Tile>,
}

impl Marks {
    /// What stands out in bytes beside literals.
    pub(super) fn of(bytes: &[u8]) -> Self {
        static NO_RULES: LazyLock<Prefilter> =
            LazyLock::new(|| Prefilter::new(&RuleSet::default(), Kernel::best()));
        let mut marks = Self::default();
        NO_RULES.read(bytes, &mut marks);
        marks
    }

    /// Where what begins an escape stands.
    pub(super) fn escapes(&self) -> impl Iterator<Item = usize> {
        positions(&self.escapes)
    }

    /// Where a compressed stream may begin.
    pub(super) fn streams(&self) -> impl Iterator<Item = usize> {
        positions(&self.streams)
    }

    /// Gives all places and stretches that are marked, each kind in order.
    pub(super) fn each_place(&self, mut give: impl FnMut(Range<usize>)) {
        let hits = self.hits.iter().map(|hit| offset(hit.at));
        hits.chain(self.escapes()).chain(self.streams()).for_each(|at| give(at..at + 1));
        self.tokens.iter().cloned().for_each(&mut give);
        self.stretches(kernel::WIDE | kernel::WORDS, 0, usize::MAX).for_each(give);
    }

    /// The stretches of blocks with one of these flags, with `around` bytes more on both sides; they do not
    /// overlap.
    pub(super) fn stretches(
        &self,
        flags: u8,
        around: usize,
        len: usize,
    ) -> impl Iterator<Item = Range<usize>> {
        let mut blocks = self.blocks.iter().filter(move |(_, of)| of & flags != 0).peekable();
        let mut done = 0;
        std::iter::from_fn(move || {
            let (first, _) = blocks.next()?;
            let start = offset(*first).saturating_sub(around).max(done);
            let mut end = offset(*first) + BLOCK + around;
            while let Some((next, _)) = blocks.next_if(|(next, _)| offset(*next) <= end + around) {
                end = offset(*next) + BLOCK + around;
            }
            done = end.min(len);
            Some(start.min(len)..done)
        })
    }
}

/// Where the bytes are that some blocks have a bit for.
fn positions(blocks: &[(u32, u64)]) -> impl Iterator<Item = usize> {
    blocks.iter().flat_map(|(first, bits)| {
        let mut left = *bits;
        std::iter::from_fn(move || {
            let at = (left != 0).then(|| offset(*first) + offset(left.trailing_zeros()))?;
            left &= left - 1;
            Some(at)
        })
    })
}

fn offset(at: u32) -> usize {
    usize::try_from(at).unwrap_or(usize::MAX)
}

impl Prefilter {
    /// The literals of all rules that have some, for a kernel.
    pub(super) fn new(set: &RuleSet, kernel: Kernel) -> Self {
        let mut all = vec![Use {
            bytes: environment::ANCHOR,
            any_case: false,
            follows: Bytes::default(),
            rule: None,
        }];
        for (id, rule) in (0..).map(RuleId).zip(set.rules()) {
            let any_case = matches!(rule.anchor, Anchor::Assignment(_));
            for bytes in rule.literals.iter().filter(|_| rule.anchor.has_literals()) {
                let known = rule.followers.iter().find(|(of, _)| of == bytes);
                let follows = known.map_or(Bytes::ALL, |(_, bytes)| Bytes::of(bytes));
                all.push(Use { bytes, any_case, follows, rule: Some(id) });
            }
        }
        all.sort_by(|one, other| one.literal().cmp(&other.literal()));
        let literals: Vec<Literal> = all
            .chunk_by(|one, other| one.literal() == other.literal())
            .filter_map(|uses| Literal::new(uses, set))
            .collect();
        let shapes: Vec<Shape<'_>> = literals
            .iter()
            .map(|Literal { bytes, any_case, follows, .. }| Shape {
                bytes,
                any_case: *any_case,
                follows: *follows,
            })
            .collect();
        let (signs, tables) = tables(kernel.looks_up(), &shapes);
        let finds_zeros = literals.iter().any(|it| it.bytes.iter().all(|byte| *byte == 0));
        let environment = literals.iter().position(|it| it.bytes == environment::ANCHOR);
        let environment = environment.and_then(|at| u32::try_from(at).ok()).unwrap_or(u32::MAX);
        let mut this = Self {
            environment,
            indicators: set.indicators().map(Arc::clone),
            kernel,
            tables,
            literals,
            starts: Vec::new(),
            entries: Vec::new(),
            sieves: Vec::new(),
            around: Vec::new(),
            neighbours: Vec::new(),
            finds_zeros,
            marks_all: set.indicators().is_none() && set.rules().iter().all(is_marked),
        };
        let mut entries: Vec<(usize, Entry)> = Vec::with_capacity(signs.len());
        let mut around_all = vec![None; this.tables.hash_count()];
        for Sign { literal, offset, hash } in signs {
            let Literal { bytes, any_case, .. } = &this.literals[self::offset(literal)];
            let before = usize::from(offset);
            let around = Around::of(bytes, *any_case, before);
            let is_whole = bytes.len() >= kernel::WIDTH
                && before <= Around::BEFORE
                && bytes.len() <= before + Around::BEHIND;
            let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            let entry = Entry { literal, offset, is_whole, any_case: *any_case, len, around };
            let number = this.tables.number(hash);
            match around_all.get_mut(number) {
                Some(Some(known)) => *known = around.common(*known),
                Some(none) => *none = Some(around),
                None => {}
            }
            entries.push((number, entry));
        }
        entries.sort_by_key(|(number, entry)| (*number, entry.offset));
        this.starts = (0..=this.tables.hash_count())
            .map(|number| entries.partition_point(|(of, _)| *of < number))
            .map(|start| u32::try_from(start).unwrap_or(u32::MAX))
            .collect();
        this.entries = entries.into_iter().map(|(_, entry)| entry).collect();
        this.sieves =
            (0..this.tables.hash_count()).map(|number| Sieve::all(this.of_hash(number))).collect();
        // Every number is that of some entry.
        this.around = around_all.into_iter().flatten().collect();
        this.neighbours = this.literals.iter().map(Literal::neighbours).collect();
        this
    }

    /// How many literals there are.
    pub(super) fn len(&self) -> usize {
        self.literals.len()
    }

    /// Adds the rules that some hits at one place are of, each once and in order, but for those that find nothing
    /// there by the first look: for assignments one of their keywords must stand there as a whole, of others the
    /// pattern must be able to begin. `ends` are those of the place.
    pub(super) fn rules(
        &self,
        set: &RuleSet,
        text: &[u8],
        hits: &[Hit],
        mut ends: impl FnMut() -> Ends,
        rules: &mut Vec<RuleId>,
    ) {
        let mut lists = 0;
        for hit in hits {
            let Some(literal) = self.literals.get(offset(hit.literal)) else { continue };
            let at = offset(hit.at);
            if !literal.any_case {
                let Openings { longest_row, all } = literal.openings(set);
                let is_longer = |longest: usize| ends().row.saturating_sub(at) > longest;
                let all = if longest_row.is_some_and(is_longer) { &[][..] } else { all };
                for (opening, of) in all {
                    let may_stand = opening.says_nothing() || {
                        let Ends { run, row } = ends();
                        opening.may_stand(text, at..run, row)
                    };
                    if may_stand {
                        rules.extend_from_slice(of);
                        lists += 1;
                    }
                }
            }
            if literal.keywords.is_empty() {
                continue;
            }
            let beside = Beside::of(text, at..at + literal.bytes.len());
            for Word { keyword, neighbours, rules: of } in &literal.keywords {
                if neighbours.may_be(beside) && keyword.find_around(text, at).is_some() {
                    rules.extend_from_slice(of);
                    lists += 1;
                }
            }
        }
        if lists > 1 {
            rules.sort_unstable();
            rules.dedup();
        }
    }

    /// All rules that a hit may be of.
    pub(super) fn rules_of(&self, hit: Hit) -> &[RuleId] {
        self.literals.get(hit.literal()).map_or(&[], |literal| &literal.rules)
    }

    /// Where an environment may be, among what has been marked.
    pub(super) fn environments(&self, marks: &Marks) -> impl Iterator<Item = usize> {
        let hits = marks.hits.iter().filter(|hit| hit.literal == self.environment);
        hits.map(|hit| offset(hit.at))
    }

    /// Marks what stands out in `bytes`.
    pub(super) fn read(&self, bytes: &[u8], marks: &mut Marks) {
        #[cfg(test)]
        if kernel_tests::is_replaced(bytes, marks) {
            return;
        }
        let Marks { hits, blocks, escapes, streams, tile, names, addresses, near, numbers, .. } =
            marks;
        hits.clear();
        blocks.clear();
        escapes.clear();
        streams.clear();
        names.clear();
        addresses.clear();
        numbers.clear();
        marks.is_all = self.marks_all;
        let mut put = |first: usize, with_rest: &[u8], full: &[Range<usize>]| {
            if let Some(indicators) = self.indicators.as_deref() {
                tile.read::<true>(self.kernel, &self.tables, with_rest, full);
                let last = full.last().map_or(0, |range| range.end);
                names::read(tile, last, bytes, first, indicators, names, addresses);
            } else {
                tile.read::<false>(self.kernel, &self.tables, with_rest, full);
            }
            for range in full {
                number::mark(
                    bytes,
                    first + range.start * BLOCK..first + range.end * BLOCK,
                    numbers,
                );
            }
            self.near(bytes, first, tile.positions(), near);
            for (at, number) in near.iter() {
                self.confirm(bytes, *at, *number, hits);
            }
            let last = full.last().map_or(0, |range| range.end);
            for index in tile.flagged(last) {
                let at = u32::try_from(first + index * BLOCK).unwrap_or(u32::MAX);
                let mut flags = tile.flags[index];
                if flags & kernel::TOKEN != 0 && !tile.has_token(index, last) {
                    flags &= !kernel::TOKEN;
                }
                if flags & kernel::ESCAPE != 0 {
                    escapes.push((at, tile.escapes[index]));
                }
                if flags & kernel::STREAM != 0 {
                    streams.push((at, tile.streams[index]));
                }
                if flags & !(kernel::ESCAPE | kernel::STREAM) != 0 {
                    blocks.push((at, flags));
                }
            }
        };
        // Whole blocks with what is looked at behind them; the rest is looked at in a copy.
        let whole = bytes.len().saturating_sub(BEHIND) / BLOCK * BLOCK;
        let mut ranges = Vec::with_capacity(TILE / PAGE + 1);
        for first in (0..whole).step_by(TILE) {
            let end = (first + TILE).min(whole);
            let full = bytes.get(first..end + BEHIND).unwrap_or_default();
            self.full(full, (end - first) / BLOCK, &mut ranges);
            put(first, full, &ranges);
        }
        let rest = bytes.get(whole..).unwrap_or_default();
        if !rest.is_empty() {
            let blocks = if self.finds_zeros { 2 } else { rest.len().div_ceil(BLOCK) };
            let mut copy = [0; 2 * BLOCK + BEHIND];
            if let Some(to) = copy.get_mut(..rest.len()) {
                to.copy_from_slice(rest);
            }
            put(whole, &copy, std::slice::from_ref(&(0..blocks)));
        }
        let mut tokens = std::mem::take(&mut marks.tokens);
        tokens.clear();
        encoding::tokens(bytes, marks, |token| tokens.push(token));
        marks.tokens = tokens;
    }

    /// The blocks of a tile without those that lie deep in pages of zeros.
    fn full(&self, tile: &[u8], count: usize, ranges: &mut Vec<Range<usize>>) {
        const PER_PAGE: usize = PAGE / BLOCK;
        ranges.clear();
        if self.finds_zeros {
            ranges.push(0..count);
            return;
        }
        for first in (0..count).step_by(PER_PAGE) {
            let mut start = first;
            let end = (first + PER_PAGE).min(count);
            let page = tile.get(first * BLOCK..end * BLOCK).unwrap_or_default();
            if end == first + PER_PAGE && is_zeros(page) {
                // A literal may begin in the last one.
                start = end - 1;
            }
            match ranges.last_mut() {
                Some(last) if last.end == start => last.end = end,
                _ => ranges.push(start..end),
            }
        }
    }

    /// Of positions in a tile that begins at `first`, keeps those around which a literal may stand. Hardly half of
    /// them are, and without a pattern: nothing here waits for the answer.
    fn near(&self, bytes: &[u8], first: usize, positions: &[u16], near: &mut Vec<(usize, usize)>) {
        if near.len() < positions.len() {
            near.resize(positions.len(), (0, 0));
        }
        let mut kept = 0;
        for position in positions {
            let at = first + usize::from(*position);
            let behind = bytes.get(at..).unwrap_or_default();
            let four = behind.first_chunk().copied().unwrap_or_else(|| {
                // A literal of three bytes at the end.
                let mut four = [0; kernel::WIDTH];
                four.iter_mut().zip(behind).for_each(|(to, byte)| *to = *byte);
                four
            });
            let number = self.tables.number(kernel::hash(four));
            let Some(around) = self.around.get(number) else { continue };
            let Some(room) = near.get_mut(kept) else { break };
            *room = (at, number);
            kept += usize::from(around.may_be(Around::read(bytes, at)));
        }
        near.truncate(kept);
    }

    /// The entries of a hash, by its number.
    fn of_hash(&self, number: usize) -> &[Entry] {
        let Some([start, end]) = self.starts.get(number..number + 2) else { return &[] };
        self.entries.get(offset(*start)..offset(*end)).unwrap_or_default()
    }

    /// Keeps the literals whose fingerprint stands at `at`, in order, each once.
    fn confirm(&self, bytes: &[u8], at: usize, number: usize, hits: &mut Vec<Hit>) {
        let of_hash = self.of_hash(number);
        let read = Around::read(bytes, at);
        let mut confirm = |entry: &Entry| {
            if !entry.around.may_be(read) {
                return;
            }
            let Some(start) = at.checked_sub(usize::from(entry.offset)) else { return };
            let is_sure = entry.is_whole && read.is_some();
            if (is_sure || self.stands(entry.literal, bytes, start))
                && (!entry.any_case || self.may_be_word(entry, bytes, start))
            {
                let at = u32::try_from(start).unwrap_or(u32::MAX);
                add(Hit { at, literal: entry.literal }, hits);
            }
        };
        let sieves = self.sieves.get(number).map(|all| &**all).unwrap_or_default();
        let Some(read) = read.filter(|_| !sieves.is_empty()) else {
            of_hash.iter().for_each(confirm);
            return;
        };
        for (sieve, of_sieve) in sieves.iter().zip(of_hash.chunks(Sieve::MOST)) {
            let mut left = sieve.may_be(read);
            while left != 0 {
                of_sieve.get(index(left.trailing_zeros())).into_iter().for_each(&mut confirm);
                left &= left - 1;
            }
        }
    }

    /// Whether a keyword may stand where its literal does, by what stands on both sides.
    fn may_be_word(&self, entry: &Entry, bytes: &[u8], start: usize) -> bool {
        let neighbours = self.neighbours.get(offset(entry.literal));
        neighbours
            .is_some_and(|all| all.may_be(Beside::of(bytes, start..start + offset(entry.len))))
    }

    /// Whether a literal stands at `start`, with what must follow it.
    fn stands(&self, literal: u32, bytes: &[u8], start: usize) -> bool {
        let Some(literal) = self.literals.get(offset(literal)) else { return false };
        let end = start + literal.bytes.len();
        let Some(text) = bytes.get(start..end) else { return false };
        let is_same = if literal.any_case {
            text.eq_ignore_ascii_case(&literal.bytes)
        } else {
            text == literal.bytes
        };
        is_same
            && (literal.bytes.len() >= kernel::WIDTH
                || literal.follows.has(bytes.get(end).copied().unwrap_or_default()))
    }
}

/// Whether matches of a rule in decoded text stand only where something is marked.
fn is_marked(rule: &Rule) -> bool {
    match &rule.anchor {
        Anchor::Prefix | Anchor::Inside | Anchor::Assignment(_) | Anchor::Words => true,
        Anchor::Run { class, len, .. } => runs::is_of_tokens(class, *len),
        // Nothing that is decoded is one.
        Anchor::Label | Anchor::Path | Anchor::Number => true,
        Anchor::Text | Anchor::Listed => false,
    }
}

/// Adds a hit where it belongs, once. Fingerprints come in order, and lie a few bytes into their literals.
fn add(hit: Hit, hits: &mut Vec<Hit>) {
    if hits.last().is_none_or(|last| *last < hit) {
        hits.push(hit);
        return;
    }
    let before = hits.iter().rposition(|other| *other <= hit);
    if before.and_then(|before| hits.get(before)) != Some(&hit) {
        hits.insert(before.map_or(0, |before| before + 1), hit);
    }
}

/// Whether bytes are all zero, as fast as memory can be read.
pub(super) fn is_zeros(bytes: &[u8]) -> bool {
    let (first, rest) = bytes.split_at(bytes.len().min(BLOCK));
    // A fold without an early end is what compilers make vectors of.
    first.iter().all(|byte| *byte == 0)
        && rest.chunks(1024).all(|chunk| chunk.iter().fold(0, |all, byte| all | byte) == 0)
}

const _: () =
    assert!(BLOCKS * BLOCK == TILE && TILE.is_multiple_of(PAGE), "pages are whole in tiles");

#[cfg(test)]
mod kernel_tests;

#[cfg(test)]
mod tests {
    use super::*;

    fn set(literals: &[impl AsRef<str>]) -> RuleSet {
        let mut set = RuleSet::default();
        for literal in literals {
            set.add_grep(literal.as_ref()).unwrap();
        }
        set
    }

    fn found(set: &RuleSet, kernel: Kernel, bytes: &[u8]) -> Vec<(usize, String)> {
        let prefilter = Prefilter::new(set, kernel);
        let mut marks = Marks::default();
        prefilter.read(bytes, &mut marks);
        let mut found = Vec::new();
        for hit in &marks.hits {
            let mut rules = Vec::new();
            let ends = || Ends { run: bytes.len(), row: bytes.len() };
            prefilter.rules(set, bytes, &[*hit], ends, &mut rules);
            for rule in rules {
                found.push((offset(hit.at), set.get(rule).pattern.source().to_owned()));
            }
        }
        found.sort();
        found
    }

    #[test]
    fn a_literal_inside_another_and_one_that_begins_it_are_found() {
        let set = set(&["abcdef", "abc", "cde"]);
        for kernel in Kernel::available() {
            let found = found(&set, kernel, b"..abcdef.abcx");
            let expected = [(2, "abc"), (2, "abcdef"), (4, "cde"), (9, "abc")];
            assert_eq!(found, expected.map(|(at, s)| (at, s.to_owned())), "{}", kernel.name());
        }
    }

    #[test]
    fn literals_that_are_sifted_are_found_where_they_stand_and_nowhere_else() {
        // With one sieve, and with two.
        for (count, sieves) in [(40, 1), (90, 2)] {
            let literals: Vec<String> = (0..count)
                .map(|number| match number % 3 {
                    0 => format!("Xqzj{}", char::from(b'!' + number)),
                    1 => format!("{}Xqzj", char::from(b'!' + number)),
                    _ => format!("Xqzj={number}"),
                })
                .collect();
            let escape = |it: &String| regex_syntax::escape(it);
            let set = set(&literals.iter().map(escape).collect::<Vec<_>>());
            // The first and the last stand where less than what is compared is left of the text.
            let text = literals.join("..");
            for kernel in Kernel::available() {
                let most = Prefilter::new(&set, kernel).sieves.iter().map(|all| all.len()).max();
                assert_eq!(most, Some(sieves), "{}", kernel.name());
                let mut expected = Vec::new();
                for literal in &literals {
                    for (at, _) in text.match_indices(literal.as_str()) {
                        expected.push((at, escape(literal)));
                    }
                }
                expected.sort();
                assert_eq!(found(&set, kernel, text.as_bytes()), expected, "{}", kernel.name());
            }
        }
    }

    #[test]
    fn a_sieve_keeps_every_entry_that_may_stand() {
        let literals = [
            (&b"token"[..], true),
            (b"Token\"", false),
            (b"_auth_TOKEN", true),
            (b"\xfftoke\x80n", false),
            (b"tok", false),
            (b"a literal that is longer than what is compared around its token", true),
        ];
        let entries = |count: usize| -> Vec<Entry> {
            let all = literals.iter().cycle().zip([0usize, 1, 3, 6, 7, 20, 58].into_iter().cycle());
            let entry = |((bytes, any_case), offset): (&(&[u8], bool), usize)| Entry {
                literal: 0,
                offset: 0,
                is_whole: false,
                any_case: *any_case,
                len: 0,
                around: Around::of(bytes, *any_case, offset % bytes.len()),
            };
            all.take(count).map(entry).collect()
        };
        for count in [8, 9, 63, 64, 65, 128, 129] {
            let entries = entries(count);
            let sieves = Sieve::all(&entries);
            let expected = if count > Sieve::FEW { count.div_ceil(Sieve::MOST) } else { 0 };
            assert_eq!(sieves.len(), expected);
            // What an entry asks for, with either case and with every other byte where none is asked for.
            for asked in &entries {
                for other in 0..=u8::MAX {
                    let fill = u128::from_le_bytes([other; size_of::<u128>()]);
                    let read = asked.around.value | fill & !asked.around.mask;
                    for (sieve, entries) in sieves.iter().zip(entries.chunks(Sieve::MOST)) {
                        let left = sieve.may_be(read);
                        for (bit, entry) in entries.iter().enumerate() {
                            let is_kept = left >> bit & 1 != 0;
                            assert!(is_kept || !entry.around.may_be(Some(read)), "{entry:?}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn capitals_count() {
        let set = set(&["AbcD", "abcd", "abc"]);
        for kernel in Kernel::available() {
            let found = found(&set, kernel, b"ABCD AbcD abcD");
            assert_eq!(found, [(5, "AbcD".to_owned()), (10, "abc".to_owned())]);
        }
    }
}
