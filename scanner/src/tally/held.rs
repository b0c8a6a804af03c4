//! Rules that hold on a holder as a whole (YARA), and where their strings lie.

use std::collections::{BTreeMap, BTreeSet};

use super::PLACES_KEPT;
use crate::region::{Holder, Locus, RegionKind};
use crate::secret::SecretBytes;

/// One rule on one holder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Held {
    /// Distinct spans of its strings, as far as they are counted.
    pub hits: u64,
    /// How often each of its strings was found.
    pub strings: BTreeMap<String, u64>,
    /// The places that are shown, with line and column in a file.
    pub lowest: BTreeMap<Locus, (RegionKind, Option<(u64, u64)>)>,
    /// The lowest span and its bytes, where the user asked to see them.
    pub value: Option<(Locus, SecretBytes)>,
}

impl Held {
    /// Adds what was found on another part of the same holder.
    fn merge(&mut self, other: Self) {
        self.hits = self.hits.saturating_add(other.hits);
        for (string, count) in other.strings {
            let sum = self.strings.entry(string).or_default();
            *sum = sum.saturating_add(count);
        }
        self.lowest.extend(other.lowest);
        self.trim();
        self.value = match (self.value.take(), other.value) {
            (Some(one), Some(two)) => Some(if two < one { two } else { one }),
            (one, two) => one.or(two),
        };
    }

    /// Keeps the lowest places.
    pub fn trim(&mut self) {
        while self.lowest.len() > PLACES_KEPT {
            self.lowest.pop_last();
        }
    }
}

/// Rules, by their index, and the holders they hold on. Counts are exact; details are kept of the
/// lowest holders.
#[derive(Debug, Clone, Default)]
pub struct Holding {
    /// Details by rule and holder.
    pub by: BTreeMap<(u32, Holder), Held>,
    /// Every rule and holder.
    pub holders: BTreeSet<(u32, Holder)>,
    /// Spans by rule and set of holders.
    pub hits: BTreeMap<(u32, u64), u64>,
}

impl Holding {
    /// Adds a rule that holds; details are kept of at most `most` holders.
    pub(super) fn add(&mut self, rule: u32, holder: Holder, held: Held, most: usize) {
        let hits = self.hits.entry((rule, holder.set)).or_default();
        *hits = hits.saturating_add(held.hits);
        self.holders.insert((rule, holder));
        self.keep(rule, holder, held, most);
    }

    /// Adds another part. Associative and commutative.
    pub(super) fn merge(&mut self, other: Self, most: usize) {
        for ((rule, holder), held) in other.by {
            self.keep(rule, holder, held, most);
        }
        self.holders.extend(other.holders);
        for (key, hits) in other.hits {
            let sum = self.hits.entry(key).or_default();
            *sum = sum.saturating_add(hits);
        }
    }

    fn keep(&mut self, rule: u32, holder: Holder, held: Held, most: usize) {
        if let Some(present) = self.by.get_mut(&(rule, holder)) {
            present.merge(held);
            return;
        }
        self.by.insert((rule, holder), held);
        let of_rule = self.by.range((rule, Holder::FIRST)..);
        let mut keys = of_rule.take_while(|((of, _), _)| *of == rule).map(|(key, _)| *key);
        if let Some(first_too_many) = keys.nth(most) {
            let last = keys.last().unwrap_or(first_too_many);
            self.by.remove(&last);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::region::{Decoded, HolderKind};

    fn held(at: u64) -> Held {
        let locus = Locus { at, len: 3, decoded: Decoded::PLAIN };
        Held {
            hits: 1,
            strings: BTreeMap::from([("$a".to_owned(), 1)]),
            lowest: BTreeMap::from([(locus, (RegionKind::Memory, None))]),
            value: Some((locus, SecretBytes::new(b"abc"))),
        }
    }

    fn parts() -> Vec<Holding> {
        let part = |(rule, id, at): (u32, u64, u64)| {
            let mut part = Holding::default();
            let holder = Holder { set: id % 2, kind: HolderKind::Memory, id, ordinal: 0 };
            part.add(rule, holder, held(at), 2);
            part
        };
        let all = [(1, 5, 7), (1, 1, 9), (2, 1, 3), (1, 3, 2), (1, 2, 2), (1, 1, 4), (2, 9, 9)];
        all.into_iter().map(part).collect()
    }

    #[test]
    fn any_order_of_merging_gives_the_same() {
        let mut forth = Holding::default();
        let mut back = Holding::default();
        for part in parts() {
            forth.merge(part, 2);
        }
        let (left, right) = (parts(), parts());
        let mut tail = Holding::default();
        for part in left.into_iter().skip(3).rev() {
            tail.merge(part, 2);
        }
        back.merge(tail, 2);
        for part in right.into_iter().take(3) {
            back.merge(part, 2);
        }
        assert_eq!(forth.by, back.by);
        assert_eq!((&forth.holders, &forth.hits), (&back.holders, &back.hits));
    }

    #[test]
    fn counts_are_exact_and_the_lowest_holders_are_kept() {
        let mut whole = Holding::default();
        for part in parts() {
            whole.merge(part, 2);
        }
        let kept: Vec<(u32, u64)> = whole.by.keys().map(|(rule, it)| (*rule, it.id)).collect();
        assert_eq!(kept, [(1, 2), (1, 1), (2, 1), (2, 9)]);
        assert_eq!(whole.holders.len(), 6);
        assert_eq!(whole.hits, BTreeMap::from([((1, 0), 1), ((1, 1), 4), ((2, 1), 2)]));
    }
}
