//! What a part of the work has found; parts merge in any order to the same whole.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Match, Tally, ValueKey};
use crate::coverage::Coverage;
use crate::diagnostic::{Code, Diagnostic};
use crate::limits::Limits;
use crate::region::{Holder, LabelKind, RegionKind};
use crate::secret::SecretBytes;

/// Line feeds in the part of a file that one window owns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LineFeeds {
    /// How many.
    pub count: u64,
    /// Offset of the last one in the file.
    pub last: Option<u64>,
}

/// Matches by value, holder and kind of region.
pub type Tallies = BTreeMap<(ValueKey, Holder, RegionKind), Tally>;

/// What a part of the work has found.
#[derive(Debug, Clone, Default)]
pub struct Partial {
    /// Matches that are findings.
    pub tallies: Tallies,
    /// Matches of rules that report only what is proven.
    pub unproven: Tallies,
    /// Whether values were left out of either because there were too many.
    pub overflow: bool,
    /// Values that a proof or the user needs to see.
    pub kept: BTreeMap<ValueKey, SecretBytes>,
    /// Paths of the files that hold a match.
    pub names: BTreeMap<Holder, Arc<str>>,
    /// Line feeds of whole windows: by holder and first offset of the window.
    pub line_feeds: BTreeMap<(Holder, u64), LineFeeds>,
    /// Bytes of arguments and environments, by process and address.
    pub labels: BTreeMap<(Holder, LabelKind, u64), SecretBytes>,
    /// Bytes by what became of them, by number of the folder or archive they lie in.
    pub coverage: BTreeMap<u64, Coverage>,
    /// Problems, lowest first.
    pub notes: BTreeMap<Code, BTreeSet<Diagnostic>>,
    /// How many problems there were of each code.
    pub note_counts: BTreeMap<Code, u64>,
}

impl Partial {
    /// Adds a match; `proven` says whether its rule reports only what is proven.
    pub fn add(
        &mut self,
        found: Match,
        name: &Arc<str>,
        proven: bool,
        keep: bool,
        limits: &Limits,
    ) {
        let key = (found.key, found.holder, found.kind);
        if !name.is_empty() {
            self.names.entry(found.holder).or_insert_with(|| Arc::clone(name));
        }
        if keep {
            keep_lowest(&mut self.kept, found.key, found.value);
        }
        let tallies = if proven { &mut self.unproven } else { &mut self.tallies };
        tally(tallies, key, Tally::of(found.judgement, found.locus, found.lines));
        self.trim(limits);
    }

    /// Adds a problem; of one code the lowest are kept and all are counted.
    pub fn note(&mut self, diagnostic: Diagnostic, limits: &Limits) {
        let code = diagnostic.code;
        let count = self.note_counts.entry(code).or_default();
        *count = count.saturating_add(1);
        let notes = self.notes.entry(code).or_default();
        notes.insert(diagnostic);
        while notes.len() > limits.diagnostics_per_code {
            notes.pop_last();
        }
    }

    /// Adds another part. Associative and commutative.
    pub fn merge(&mut self, other: Self, limits: &Limits) {
        for (key, added) in other.tallies {
            tally(&mut self.tallies, key, added);
        }
        for (key, added) in other.unproven {
            tally(&mut self.unproven, key, added);
        }
        self.overflow |= other.overflow;
        for (key, value) in other.kept {
            keep_lowest(&mut self.kept, key, value);
        }
        self.names.extend(other.names);
        self.line_feeds.extend(other.line_feeds);
        self.labels.extend(other.labels);
        for (unit, coverage) in &other.coverage {
            self.coverage.entry(*unit).or_default().merge(coverage);
        }
        for (code, notes) in other.notes {
            let present = self.notes.entry(code).or_default();
            present.extend(notes);
            while present.len() > limits.diagnostics_per_code {
                present.pop_last();
            }
        }
        for (code, count) in other.note_counts {
            let sum = self.note_counts.entry(code).or_default();
            *sum = sum.saturating_add(count);
        }
        self.trim(limits);
    }

    /// Keeps the lowest keys: which ones never depends on the order of the work, nor does it
    /// whether any were left out.
    fn trim(&mut self, limits: &Limits) {
        while self.tallies.len() > limits.findings {
            self.tallies.pop_last();
            self.overflow = true;
        }
        while self.unproven.len() > limits.unproven {
            self.unproven.pop_last();
            self.overflow = true;
        }
    }

    /// Forgets what belongs to no match any more: values and places of those that were left out.
    pub fn tidy(&mut self) {
        let keys: BTreeSet<ValueKey> =
            self.tallies.keys().chain(self.unproven.keys()).map(|(key, ..)| *key).collect();
        self.kept.retain(|key, _| keys.contains(key));
    }
}

fn tally(tallies: &mut Tallies, key: (ValueKey, Holder, RegionKind), added: Tally) {
    match tallies.get_mut(&key) {
        Some(present) => present.merge(added),
        None => {
            tallies.insert(key, added);
        }
    }
}

/// Of two notations of one value, the lower one is kept.
fn keep_lowest(kept: &mut BTreeMap<ValueKey, SecretBytes>, key: ValueKey, value: SecretBytes) {
    match kept.get_mut(&key) {
        Some(present) if *present <= value => {}
        Some(present) => *present = value,
        None => {
            kept.insert(key, value);
        }
    }
}
