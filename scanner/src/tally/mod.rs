//! What work yields: matches tallied by value, holder and kind of region, and a [`Partial`] whose
//! merge is associative and commutative, so that no partition of the work changes the report.

mod held;
mod partial;
mod places;
#[cfg(test)]
mod tests;
mod values;
mod vault;

use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;

use crate::check::{Attributes, Confidence, Outcome};
use crate::region::{Holder, Locus, RegionKind};
use crate::rule::RuleId;
use crate::secret::SecretBytes;

pub use held::{Held, Holding};
pub use partial::{LineFeeds, Partial, Sort};
pub use places::{PLACES_KEPT, Places};
pub use values::{Part, Spread, Values};
pub use vault::{Shelf, Vault};

/// Keyed BLAKE3 hash of the canonical value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValueKey(pub [u8; 16]);

impl Ord for ValueKey {
    /// The order of the bytes, compared at once.
    fn cmp(&self, other: &Self) -> Ordering {
        u128::from_be_bytes(self.0).cmp(&u128::from_be_bytes(other.0))
    }
}

impl PartialOrd for ValueKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// What one check said.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Evidence {
    /// Name of the check.
    pub check: Cow<'static, str>,
    /// What it said.
    pub outcome: Outcome,
}

/// How a rule's candidate was judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// How sure it is.
    pub confidence: Confidence,
    /// How specific the rule is: of two rules on one value the higher names the finding.
    pub rank: u8,
    /// The rule.
    pub rule: RuleId,
    /// What it is judged by, which the matches of one text share.
    pub grounds: Arc<Grounds>,
    /// Characters of the value.
    pub length: u32,
}

/// What a candidate is judged by.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Grounds {
    /// Name of the variable or flag that holds the value.
    pub name: Option<String>,
    /// What the checks said, in their order.
    pub evidence: Vec<Evidence>,
    /// Facts read off the value.
    pub attributes: Attributes,
}

/// A rule's exact span, judged. The value is wiped when the match is dropped.
#[derive(Debug, Clone)]
pub struct Match {
    /// Who holds it.
    pub holder: Holder,
    /// The kind of region it lies in.
    pub kind: RegionKind,
    /// Where in the holder.
    pub locus: Locus,
    /// Hash of the value.
    pub key: ValueKey,
    /// How it was judged.
    pub judgement: Judgement,
    /// The value as it lies there, narrow.
    pub value: SecretBytes,
    /// Line feeds between the start of its window and it (files only).
    pub lines: Option<LineFeeds>,
}

/// The matches of one value in one holder and kind of region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    /// Matches, exactly.
    pub count: u64,
    /// The best judgement, and the lowest place it was made at.
    pub best: (Judgement, Locus),
    /// Every rule that found it, in order.
    pub rules: Vec<RuleId>,
    /// Where the lowest of them are.
    pub places: Places,
}

impl Tally {
    /// The tally of one match.
    pub fn of(judgement: Judgement, locus: Locus, lines: Option<LineFeeds>) -> Self {
        let rules = vec![judgement.rule];
        let places = Places::of(locus, lines);
        Self { count: 1, best: (judgement, locus), rules, places }
    }

    /// Adds one match, as merging its tally does.
    fn add(&mut self, judgement: Judgement, locus: Locus, lines: Option<LineFeeds>) {
        self.count = self.count.saturating_add(1);
        self.add_rule(judgement.rule);
        let added = (judgement, locus);
        if order(&added) < order(&self.best) {
            self.best = added;
        }
        self.places.add(locus, lines);
    }

    fn add_rule(&mut self, rule: RuleId) {
        if let Err(index) = self.rules.binary_search(&rule) {
            self.rules.insert(index, rule);
        }
    }

    /// Adds the matches of another tally of the same value, holder and kind of region.
    pub fn merge(&mut self, other: Self) {
        self.count = self.count.saturating_add(other.count);
        if order(&other.best) < order(&self.best) {
            self.best = other.best;
        }
        for rule in other.rules {
            self.add_rule(rule);
        }
        for (locus, lines) in other.places.iter() {
            self.places.add(locus, lines);
        }
    }
}

/// Sorts the best judgement first: the surest, then the most specific, then the lowest.
pub fn order(best: &(Judgement, Locus)) -> impl Ord + use<> {
    let (judgement, locus) = best;
    use std::cmp::Reverse;
    (Reverse(judgement.confidence), Reverse(judgement.rank), *locus, judgement.rule)
}
