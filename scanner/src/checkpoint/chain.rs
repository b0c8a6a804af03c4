//! The dumps of an incremental chain as layers: which page of which dump was in memory when.

use std::ops::Range;

use crate::region::{CELL, Form, Piece};

/// What the images of one dump hold of a process or shared segment.
#[derive(Debug, Clone, Default)]
pub struct Dump {
    /// Its own pages, sorted by address; `layer` is not looked at.
    pub pieces: Vec<Piece>,
    /// Stored bytes of compressed blocks, as `pieces` number them.
    pub blocks: Vec<u32>,
    /// Addresses whose bytes are those of its parent, sorted.
    pub inherited: Vec<Range<u64>>,
    /// Addresses that its pagemap names in any way, sorted.
    pub named: Vec<Range<u64>>,
}

/// The memory as it was when one dump was made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Moment {
    /// The pages, sorted by address, with the dumps that hold them as layers.
    pub pieces: Vec<Piece>,
    /// Stored bytes of compressed blocks.
    pub blocks: Vec<u32>,
    /// What the next newer dump did not have any more; `None` of the newest one. Pages far from
    /// these are left out of `pieces`, as the next newer moment has them.
    pub only: Option<Vec<Range<u64>>>,
    /// Bytes that are named as the parent's, and that the parent neither has nor names.
    pub missing: u64,
}

/// Lays the dumps of a chain, the newest first, over each other: one moment for each of the first
/// `owned`, which are those that belong to one checkpoint. What later dumps lack is told by them.
pub fn merge(dumps: &[Dump], owned: usize) -> Vec<Moment> {
    let mut moments = vec![Moment::default(); owned.min(dumps.len())];
    // The memory at the dump before, from the oldest on.
    let mut before: Vec<Piece> = Vec::new();
    for (layer, dump) in dumps.iter().enumerate().rev() {
        let older = layer.saturating_add(1);
        if let Some(moment) = moments.get_mut(older) {
            let only = minus(&covered(&before), &dump.inherited);
            let near = widened(&only, CELL.saturating_mul(3));
            *moment =
                Moment { missing: moment.missing, ..moment_of(within(&before, &near), dumps) };
            moment.only = Some(only);
        }
        if let Some(moment) = moments.get_mut(layer) {
            let there = match dumps.get(older) {
                Some(parent) if older < owned => parent.named.clone(),
                _ => covered(&before),
            };
            moment.missing = sum(&minus(&dump.inherited, &there));
        }
        let mut pieces = within(&before, &dump.inherited);
        let layer = u16::try_from(layer).unwrap_or(u16::MAX);
        pieces.extend(dump.pieces.iter().map(|piece| Piece { layer, ..*piece }));
        pieces.sort_by_key(|piece| piece.at);
        before = pieces;
    }
    if let Some(newest) = moments.first_mut() {
        *newest = Moment { missing: newest.missing, ..moment_of(before, dumps) };
    }
    moments
}

/// Gives each compressed piece its own list of blocks.
fn moment_of(mut pieces: Vec<Piece>, dumps: &[Dump]) -> Moment {
    let mut blocks = Vec::new();
    for piece in &mut pieces {
        let Form::Lz4 { first, block, before, after } = piece.form else { continue };
        let len = piece.len.saturating_add(before.into()).saturating_add(after.into());
        let count = usize::try_from(len.div_ceil(u64::from(block).max(1))).unwrap_or(usize::MAX);
        let from = usize::try_from(first).unwrap_or(usize::MAX);
        let sizes = dumps.get(usize::from(piece.layer)).map_or(&[][..], |dump| &dump.blocks);
        let first = u32::try_from(blocks.len()).unwrap_or(u32::MAX);
        blocks.extend(sizes.get(from..).unwrap_or_default().iter().take(count));
        piece.form = Form::Lz4 { first, block, before, after };
    }
    Moment { pieces, blocks, only: None, missing: 0 }
}

/// Adds a range behind the others, joined with the last one where they touch.
pub(super) fn push(ranges: &mut Vec<Range<u64>>, range: Range<u64>) {
    match ranges.last_mut() {
        Some(last) if last.end >= range.start => last.end = last.end.max(range.end),
        _ if range.is_empty() => {}
        _ => ranges.push(range),
    }
}

/// Bytes in ranges.
pub(super) fn sum(ranges: &[Range<u64>]) -> u64 {
    let len = |range: &Range<u64>| range.end.saturating_sub(range.start);
    ranges.iter().fold(0, |sum, range| sum.saturating_add(len(range)))
}

/// The addresses of pieces.
fn covered(pieces: &[Piece]) -> Vec<Range<u64>> {
    let mut ranges = Vec::new();
    for piece in pieces {
        push(&mut ranges, piece.at..piece.end());
    }
    ranges
}

/// What is in `from` and not in `other`.
fn minus(from: &[Range<u64>], other: &[Range<u64>]) -> Vec<Range<u64>> {
    let mut left = Vec::new();
    let mut next = 0;
    for range in from {
        let mut at = range.start;
        while let Some(taken) = other.get(next).filter(|taken| taken.start < range.end) {
            push(&mut left, at..taken.start.max(at));
            at = at.max(taken.end);
            if taken.end > range.end {
                break;
            }
            next = next.saturating_add(1);
        }
        push(&mut left, at..range.end.max(at));
    }
    left
}

/// Ranges that are longer on both ends.
fn widened(ranges: &[Range<u64>], by: u64) -> Vec<Range<u64>> {
    let mut wide = Vec::new();
    for range in ranges {
        push(&mut wide, range.start.saturating_sub(by)..range.end.saturating_add(by));
    }
    wide
}

/// The parts of pieces that lie in ranges; both are sorted.
fn within(pieces: &[Piece], ranges: &[Range<u64>]) -> Vec<Piece> {
    let mut parts = Vec::new();
    let mut next = 0;
    for piece in pieces {
        while ranges.get(next).is_some_and(|range| range.end <= piece.at) {
            next = next.saturating_add(1);
        }
        let ranges = ranges.get(next..).unwrap_or_default().iter();
        let ranges = ranges.take_while(|range| range.start < piece.end());
        parts.extend(ranges.filter_map(|range| piece.part(range)));
    }
    parts
}

#[cfg(test)]
#[expect(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "small numbers of a test"
)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const PAGE: u64 = 0x1000;

    /// What a pagemap says of a page.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Entry {
        Nothing,
        Present,
        Parent,
        Lost,
    }

    fn dump(entries: &[Entry]) -> Dump {
        let mut dump = Dump::default();
        let mut offset = 0;
        for (page, entry) in (0..).zip(entries) {
            let range = page * PAGE..(page + 1) * PAGE;
            if *entry != Entry::Nothing {
                push(&mut dump.named, range.clone());
            }
            match entry {
                Entry::Nothing | Entry::Lost => {}
                Entry::Parent => push(&mut dump.inherited, range),
                Entry::Present => {
                    match dump.pieces.last_mut().filter(|piece| piece.end() == range.start) {
                        Some(piece) => piece.len += PAGE,
                        None => dump.pieces.push(Piece {
                            at: range.start,
                            len: PAGE,
                            layer: 9,
                            image: 1,
                            offset,
                            form: Form::Raw,
                        }),
                    }
                    offset += PAGE;
                }
            }
        }
        dump
    }

    /// Where the page lies: dump, and which of its stored pages; by the rule that CRIU restores by.
    fn naive(dumps: &[Vec<Entry>], from: usize, page: usize) -> Option<(usize, u64)> {
        let entries = dumps.get(from)?;
        match entries[page] {
            Entry::Nothing | Entry::Lost => None,
            Entry::Parent => naive(dumps, from + 1, page),
            Entry::Present => {
                let before = entries[..page].iter().filter(|it| **it == Entry::Present).count();
                Some((from, before as u64 * PAGE))
            }
        }
    }

    fn pages(moment: &Moment) -> BTreeMap<u64, (usize, u64)> {
        let mut pages = BTreeMap::new();
        for piece in &moment.pieces {
            for at in (0..piece.len).step_by(0x1000) {
                let stored = (usize::from(piece.layer), piece.offset + at);
                assert!(pages.insert((piece.at + at) / PAGE, stored).is_none(), "one page twice");
            }
        }
        pages
    }

    fn entries() -> impl Strategy<Value = Vec<Vec<Entry>>> {
        let entry = prop_oneof![
            1 => Just(Entry::Nothing),
            3 => Just(Entry::Present),
            3 => Just(Entry::Parent),
            1 => Just(Entry::Lost),
        ];
        (1usize..20).prop_flat_map(move |pages| {
            prop::collection::vec(prop::collection::vec(entry.clone(), pages), 1..5)
        })
    }

    proptest! {
        #[test]
        fn every_page_is_where_a_walk_page_by_page_finds_it(dumps in entries()) {
            let layers: Vec<Dump> = dumps.iter().map(|entries| dump(entries)).collect();
            let moments = merge(&layers, layers.len());
            let mut scanned = BTreeMap::new();
            for (time, moment) in moments.iter().enumerate() {
                let found = pages(moment);
                for page in 0..dumps[0].len() {
                    let expected = naive(&dumps, time, page);
                    // All of them are near enough to what was superseded to be kept, if any was.
                    let is_kept = moment.only.as_ref().is_none_or(|only| !only.is_empty());
                    let kept = expected.filter(|_| is_kept);
                    prop_assert_eq!(found.get(&(page as u64)).copied(), kept, "{} {}", time, page);
                    let at = page as u64 * PAGE;
                    let only = moment.only.as_deref();
                    let is_own = only.is_none_or(|only| only.iter().any(|own| own.contains(&at)));
                    if let Some(stored) = expected.filter(|_| is_own) {
                        let times: &mut u32 = scanned.entry(stored).or_default();
                        *times += 1;
                    }
                    let newer = time.checked_sub(1).and_then(|newer| naive(&dumps, newer, page));
                    prop_assert_eq!(
                        is_own && expected.is_some(),
                        expected.is_some() && (time == 0 || newer != expected)
                    );
                }
                let lacks = |page: &usize| {
                    let parent = dumps.get(time + 1).map_or(Entry::Nothing, |it| it[*page]);
                    dumps[time][*page] == Entry::Parent && parent == Entry::Nothing
                };
                let missing = (0..dumps[0].len()).filter(lacks).count() as u64 * PAGE;
                prop_assert_eq!(moment.missing, missing);
            }
            // Each stored page is scanned once, whoever refers to it.
            let stored = dumps.iter().flatten().filter(|entry| **entry == Entry::Present).count();
            prop_assert_eq!(scanned.len(), stored);
            prop_assert!(scanned.values().all(|times| *times == 1));
        }

        #[test]
        fn only_the_dumps_of_the_checkpoint_itself_are_given(dumps in entries(), owned in 1usize..5) {
            let layers: Vec<Dump> = dumps.iter().map(|entries| dump(entries)).collect();
            let (all, some) = (merge(&layers, layers.len()), merge(&layers, owned));
            prop_assert_eq!(some.len(), owned.min(layers.len()));
            for (all, some) in all.iter().zip(&some) {
                prop_assert_eq!(&all.pieces, &some.pieces);
            }
        }
    }

    #[test]
    fn pages_far_from_what_was_superseded_are_left_out() {
        let raw = |at, len, offset| Piece { at, len, layer: 0, image: 1, offset, form: Form::Raw };
        let old = Dump { pieces: vec![raw(0, 100 * CELL, 0)], ..Dump::default() };
        let page = 50 * CELL..50 * CELL + PAGE;
        let new = Dump {
            pieces: vec![raw(page.start, PAGE, 0)],
            inherited: vec![0..page.start, page.end..100 * CELL],
            ..Dump::default()
        };
        let moments = merge(&[new, old], 2);
        assert_eq!(moments[1].only, Some(vec![page]));
        let kept = Piece { layer: 1, ..raw(47 * CELL, 6 * CELL + PAGE, 47 * CELL) };
        assert_eq!(moments[1].pieces, [kept]);
        assert_eq!(moments[0].pieces.len(), 3);
    }
}
