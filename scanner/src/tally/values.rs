//! Values and where they were found.

use std::collections::{BTreeMap, BTreeSet};

use super::{Judgement, LineFeeds, Tally, ValueKey};
use crate::limits::Limits;
use crate::region::{Holder, Locus, RegionKind};

/// Values and where they were found. Counts are exact; details are kept of the lowest holders.
#[derive(Debug, Clone, Default)]
pub struct Values {
    by_key: BTreeMap<ValueKey, Spread>,
    /// Whether values were left out because there were too many.
    pub overflow: bool,
}

/// Where one value was found.
#[derive(Debug, Clone, Default)]
pub struct Spread {
    /// Its matches in the lowest holders, in order. There is mostly one of these.
    pub parts: Vec<Part>,
    /// Exact figures, where there are more holders, by kind of region, than details are kept of.
    rest: Option<Box<Figures>>,
}

/// The matches of a value in one holder and kind of region.
#[derive(Debug, Clone)]
pub struct Part {
    /// Who holds it.
    pub holder: Holder,
    /// The kind of region.
    pub kind: RegionKind,
    /// Its matches there.
    pub tally: Tally,
}

/// What is known of all holders of a value.
#[derive(Debug, Clone, Default)]
struct Figures {
    /// Matches by the set of their holders.
    counts: BTreeMap<u64, u64>,
    holders: BTreeSet<Holder>,
}

/// How many values, and of each how many holders in detail: no value crowds out the others.
#[derive(Debug, Clone, Copy)]
pub(super) struct Most {
    values: usize,
    holders: usize,
}

impl Most {
    pub(super) fn found(limits: &Limits) -> Self {
        Self { values: limits.findings, holders: limits.holders_per_value }
    }

    pub(super) fn unproven(limits: &Limits) -> Self {
        Self { values: limits.unproven, holders: limits.holders_per_value }
    }

    pub(super) fn listed(limits: &Limits) -> Self {
        Self { values: limits.listed, holders: limits.holders_per_value }
    }
}

impl Values {
    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = (ValueKey, &Spread)> {
        self.by_key.iter().map(|(key, spread)| (*key, spread))
    }

    /// Adds a match. Gives the value that was left out for it, if one was.
    pub(super) fn add(
        &mut self,
        (value, holder, kind): (ValueKey, Holder, RegionKind),
        judgement: Judgement,
        (locus, lines): (Locus, Option<LineFeeds>),
        most: Most,
    ) -> Option<ValueKey> {
        let spread = self.by_key.entry(value).or_default();
        spread.count(holder, 1);
        match spread.find(holder, kind) {
            Ok(index) => {
                if let Some(part) = spread.parts.get_mut(index) {
                    part.tally.add(judgement, locus, lines);
                }
                // Nothing else is new.
                return None;
            }
            Err(index) => {
                let tally = Tally::of(judgement, locus, lines);
                spread.keep(index, Part { holder, kind, tally }, most);
            }
        }
        self.trim(most)
    }

    /// Adds those of another part. Gives the values that were left out.
    pub(super) fn merge(&mut self, other: Self, most: Most) -> Vec<ValueKey> {
        if self.by_key.is_empty() && !self.overflow {
            *self = other;
            return Vec::new();
        }
        for (value, spread) in other.by_key {
            self.by_key.entry(value).or_default().merge(spread, most);
        }
        self.overflow |= other.overflow;
        std::iter::from_fn(|| self.trim(most)).collect()
    }

    /// Drops the highest value, if there are too many: which ones are kept never depends on the order of the
    /// work, nor does it whether any were left out.
    fn trim(&mut self, most: Most) -> Option<ValueKey> {
        if self.by_key.len() <= most.values {
            return None;
        }
        let (value, _) = self.by_key.pop_last()?;
        self.overflow = true;
        Some(value)
    }
}

impl Spread {
    /// Matches by the set of their holders.
    pub fn counts(&self) -> impl Iterator<Item = (u64, u64)> {
        let rest =
            self.rest.iter().flat_map(|rest| &rest.counts).map(|(set, count)| (*set, *count));
        let parts = self.parts.iter().filter(|_| self.rest.is_none());
        rest.chain(parts.map(|part| (part.holder.set, part.tally.count)))
    }

    /// All holders, in order; one of several kinds of region may come once for each.
    pub fn holders(&self) -> impl Iterator<Item = Holder> {
        let rest = self.rest.iter().flat_map(|rest| &rest.holders).copied();
        let parts = self.parts.iter().filter(|_| self.rest.is_none());
        rest.chain(parts.map(|part| part.holder))
    }

    /// Whether details are kept of all matches.
    pub fn is_whole(&self) -> bool {
        self.rest.is_none()
    }

    /// Where the matches of a holder and kind of region are, or would be.
    fn find(&self, holder: Holder, kind: RegionKind) -> Result<usize, usize> {
        self.parts.binary_search_by(|part| (part.holder, part.kind).cmp(&(holder, kind)))
    }

    /// Counts matches, where that is not told by the details.
    fn count(&mut self, holder: Holder, matches: u64) {
        if let Some(rest) = &mut self.rest {
            rest.add(holder, matches);
        }
    }

    /// Keeps matches at their place, as long as they are among the lowest.
    fn keep(&mut self, index: usize, part: Part, most: Most) {
        if self.parts.is_empty() {
            self.parts.reserve_exact(1);
        }
        let new = (part.holder, part.tally.count);
        if self.parts.len() < most.holders {
            self.parts.insert(index, part);
            return;
        }
        if self.rest.is_none() {
            let mut rest = Figures::default();
            let known = self.parts.iter().map(|part| (part.holder, part.tally.count));
            for (holder, matches) in known.chain([new]) {
                rest.add(holder, matches);
            }
            self.rest = Some(Box::new(rest));
        }
        if index < self.parts.len() {
            self.parts.pop();
            self.parts.insert(index, part);
        }
    }

    fn merge(&mut self, other: Self, most: Most) {
        let Self { parts, rest } = other;
        let is_counted = rest.is_some();
        if let Some(rest) = rest {
            if let Some(present) = &mut self.rest {
                present.merge(*rest);
            } else {
                let mut all = rest;
                for part in &self.parts {
                    all.add(part.holder, part.tally.count);
                }
                self.rest = Some(all);
            }
        }
        for part in parts {
            if !is_counted {
                self.count(part.holder, part.tally.count);
            }
            match self.find(part.holder, part.kind) {
                Ok(index) => {
                    if let Some(present) = self.parts.get_mut(index) {
                        present.tally.merge(part.tally);
                    }
                }
                Err(index) => self.keep(index, part, most),
            }
        }
    }
}

impl Figures {
    fn add(&mut self, holder: Holder, matches: u64) {
        let count = self.counts.entry(holder.set).or_default();
        *count = count.saturating_add(matches);
        self.holders.insert(holder);
    }

    fn merge(&mut self, other: Self) {
        for (set, matches) in other.counts {
            let count = self.counts.entry(set).or_default();
            *count = count.saturating_add(matches);
        }
        self.holders.extend(other.holders);
    }
}
