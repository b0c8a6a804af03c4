//! Where names and addresses may end, read off the masks of a tile while it is near; and what of the user's
//! lists stands there.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::confirm::Confirmed;
use super::engine::{Candidate, Engine, Scratch, WIDEST};
use super::kernel::{BLOCK, Tile};
use super::search::Haystack;
use crate::check::{Attributes, Confidence};
use crate::indicator::{Hit, Indicators};
use crate::region::{CELL, Decoded, Window};
use crate::secret::SecretBytes;
use crate::tally::Grounds;

/// Distinct indicators in one cell, or in what was decoded, from which on it is a list itself that stands there.
const LIST: usize = 64;

/// How specific an indicator of a list is: the user has named it.
const RANK: u8 = 64;

/// Adds where in a tile names and addresses of lists may end. The tile begins at `first` in `text`; what lies
/// beyond its ends may be anything.
pub(super) fn read(
    tile: &Tile,
    last: usize,
    text: &[u8],
    first: usize,
    indicators: &Indicators,
    names: &mut Vec<u32>,
    addresses: &mut Vec<u32>,
) {
    let mut name = |at: usize| {
        let end = indicators.name_end(text, (first + at).min(text.len()));
        names.extend(end.and_then(|end| u32::try_from(end).ok()));
    };
    each_name(&tile.words, &tile.dots, last, &mut name);
    if indicators.has_v6() {
        let mut address = |at: usize| {
            let end = indicators.v6_end(text, (first + at).min(text.len()));
            addresses.extend(end.and_then(|end| u32::try_from(end).ok()));
        };
        each_address(&tile.words, &tile.colons, last, &mut address);
    }
}

/// Gives where the last word of a row of words ends that are joined by dots, or the tile before it.
fn each_name(words: &[u64], dots: &[u64], last: usize, found: &mut impl FnMut(usize)) {
    let (mut before, mut starts, mut open) = (1, 0, 0);
    for block in 0..last {
        let (word, dot) = (at(words, block), at(dots, block));
        let behind = if block + 1 < last { at(words, block + 1) & 1 } else { 1 };
        // Dots between two words, and the words that begin behind them.
        let joints = dot & (word << 1 | before) & (word >> 1 | behind << 63);
        let begun = (joints << 1 | starts) & word;
        before = word >> 63;
        starts = joints >> 63;
        if begun == 0 && open == 0 {
            continue;
        }
        // Where a word has begun, the sum carries on to what is behind its end.
        let (sum, first) = word.overflowing_add(begun);
        let (sum, second) = sum.overflowing_add(open);
        open = u64::from(first | second);
        each_bit(sum & !word & !joints, block, found);
    }
    if starts | open != 0 {
        found(last * BLOCK);
    }
}

/// Gives where a row of words ends that colons stand in, or the tile before it.
fn each_address(words: &[u64], colons: &[u64], last: usize, found: &mut impl FnMut(usize)) {
    let (mut before, mut open) = (1, 0);
    for block in 0..last {
        let (word, colon) = (at(words, block), at(colons, block));
        let begun = (colon << 1 | before) & word;
        let part = word | colon;
        let behind =
            if block + 1 < last { (at(words, block + 1) | at(colons, block + 1)) & 1 } else { 1 };
        let goes_on = part >> 1 | behind << 63;
        // `2001:db8::` ends with two colons.
        let double = colon & (colon << 1 | before) & !goes_on;
        before = colon >> 63;
        each_bit(double, block, &mut |at| found(at + 1));
        if begun == 0 && open == 0 {
            continue;
        }
        let (sum, first) = word.overflowing_add(begun);
        let (sum, second) = sum.overflowing_add(open);
        open = u64::from(first | second);
        each_bit(sum & !word & !(colon & goes_on), block, found);
    }
    if before | open != 0 {
        found(last * BLOCK);
    }
}

fn at(masks: &[u64], block: usize) -> u64 {
    masks.get(block).copied().unwrap_or_default()
}

fn each_bit(mut mask: u64, block: usize, found: &mut impl FnMut(usize)) {
    while mask != 0 {
        found(block * BLOCK + usize::try_from(mask.trailing_zeros()).unwrap_or_default());
        mask &= mask - 1;
    }
}

impl Engine {
    /// Candidates that are indicators of lists.
    pub(super) fn listed(
        &self,
        window: &Window<'_>,
        haystack: Haystack<'_>,
        scratch: &mut Scratch,
    ) {
        let Some(indicators) = self.rules.indicators() else { return };
        let marks = haystack.marks;
        let hits = indicators.find(haystack.text, &marks.names, &marks.addresses, &marks.tokens);
        let cell = |hit: &Hit| match haystack.from {
            Some(from) => from.cell,
            None => haystack.address(hit.start).saturating_sub(window.region_start) / CELL,
        };
        for hits in hits.chunk_by(|one, other| cell(one) == cell(other)) {
            let (hits, is_list) = without_list(hits);
            if is_list && let Some(first) = hits.first() {
                let start = cell(first).saturating_mul(CELL);
                scratch.lists.push(window.region_start.saturating_add(start));
            }
            for hit in hits {
                self.listed_one(indicators, &hit, is_list, window, haystack, scratch);
            }
        }
    }

    /// A candidate that is an indicator; one in a list says little.
    fn listed_one(
        &self,
        indicators: &Indicators,
        hit: &Hit,
        is_in_list: bool,
        window: &Window<'_>,
        haystack: Haystack<'_>,
        scratch: &mut Scratch,
    ) {
        let Some(id) = self.rules.listed(hit.kind) else { return };
        let rule = self.rules.get(id);
        let own = if haystack.from.is_some() { 0..u64::MAX } else { window.own.clone() };
        let search = self.search(window, id, &haystack);
        let start = haystack.address(hit.start);
        if start >= own.end.saturating_add(WIDEST)
            || !search.is_wanted(scratch)
            || !search.is_allowed(hit.start, scratch)
        {
            return;
        }
        let kind = haystack.from.map_or_else(|| window.space.kind_at(start), |from| from.kind);
        let Some(listed) = indicators.of(hit).filter(|_| rule.places.holds(kind)) else { return };
        let value = SecretBytes::from(listed.text.into_bytes());
        let is_vague = listed.is_range || is_in_list;
        let confidence = if is_vague { Confidence::Low } else { rule.confidence };
        let line = listed.line.to_string();
        let attributes = Attributes::from([("list", listed.list.to_owned()), ("list.line", line)]);
        scratch.meter.candidate(id);
        scratch.candidates.push(Candidate {
            rule: id,
            start,
            end: haystack.address(hit.end),
            decoded: Decoded::PLAIN,
            island: 0,
            kind,
            confirmed: Confirmed {
                span: hit.span(),
                confidence,
                rank: RANK,
                grounds: Arc::new(Grounds { attributes, ..Grounds::default() }),
                canonical: None,
                plain: None,
            },
            value,
            lost: false,
        });
    }
}

/// The hits of a cell, and whether a list stands there: then the first of each of the first indicators.
fn without_list(hits: &[Hit]) -> (Vec<Hit>, bool) {
    let distinct = || hits.iter().map(Hit::which).collect::<BTreeSet<_>>().len();
    if hits.len() <= LIST || distinct() <= LIST {
        return (hits.to_vec(), false);
    }
    let mut seen = BTreeSet::new();
    let is_new = |hit: &&Hit| seen.insert(hit.which());
    (hits.iter().filter(is_new).take(LIST).cloned().collect(), true)
}

#[cfg(test)]
#[path = "names_tests.rs"]
mod tests;
