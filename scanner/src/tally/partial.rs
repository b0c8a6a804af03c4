//! What a part of the work has found; parts merge in any order to the same whole.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::values::Most;
use super::{Held, Holding, Match, Shelf, ValueKey, Values, Vault};
use crate::coverage::Coverage;
use crate::diagnostic::{Code, Diagnostic};
use crate::limits::Limits;
use crate::region::{Holder, LabelKind};
use crate::secret::SecretBytes;

/// Line feeds in the part of a file that one window owns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LineFeeds {
    /// How many.
    pub count: u64,
    /// Offset of the last one in the file.
    pub last: Option<u64>,
}

/// Among which values a match counts, so that many of one sort leave room for the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// Of a rule that reports what it finds.
    Found,
    /// Of a rule that reports only what is proven.
    Unproven,
    /// Of a list of indicators.
    Listed,
}

/// What a part of the work has found.
#[derive(Debug, Clone, Default)]
pub struct Partial {
    /// Values that are findings.
    pub found: Values,
    /// Values of rules that report only what is proven.
    pub unproven: Values,
    /// Indicators of lists.
    pub listed: Values,
    /// Rules that hold on a holder as a whole.
    pub holding: Holding,
    /// Values that the user needs to see.
    pub kept: BTreeMap<ValueKey, SecretBytes>,
    /// Values that proofs look into.
    pub vault: Vault,
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
    /// Adds a match; `keep` says whether its value is kept for the report.
    pub fn add(&mut self, found: Match, name: &Arc<str>, sort: Sort, keep: bool, limits: &Limits) {
        let key = (found.key, found.holder, found.kind);
        if !name.is_empty() {
            self.names.entry(found.holder).or_insert_with(|| Arc::clone(name));
        }
        if keep {
            keep_lowest(&mut self.kept, found.key, found.value);
        }
        let place = (found.locus, found.lines);
        match sort {
            Sort::Found => {
                self.found.add(key, found.judgement, place, Most::found(limits));
            }
            Sort::Unproven => {
                self.unproven.add(key, found.judgement, place, Most::unproven(limits));
            }
            Sort::Listed => {
                let dropped = self.listed.add(key, found.judgement, place, Most::listed(limits));
                self.forget(dropped.as_slice());
            }
        }
    }

    /// Drops the texts of indicators that are too many.
    fn forget(&mut self, dropped: &[ValueKey]) {
        for key in dropped {
            self.kept.remove(key);
        }
    }

    /// Keeps the value of a match that a proof looks into.
    pub fn keep_for_proof(&mut self, shelf: Shelf, found: &Match) {
        self.vault.keep(shelf, found.key, &found.value);
    }

    /// Adds a rule, by its index, that holds on a holder as a whole.
    pub fn hold(
        &mut self,
        rule: u32,
        holder: Holder,
        held: Held,
        name: &Arc<str>,
        limits: &Limits,
    ) {
        if !name.is_empty() {
            self.names.entry(holder).or_insert_with(|| Arc::clone(name));
        }
        self.holding.add(rule, holder, held, limits.holders_per_value);
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
        self.found.merge(other.found, Most::found(limits));
        self.vault.merge(other.vault);
        self.unproven.merge(other.unproven, Most::unproven(limits));
        let dropped = self.listed.merge(other.listed, Most::listed(limits));
        self.holding.merge(other.holding, limits.holders_per_value);
        for (key, value) in other.kept {
            keep_lowest(&mut self.kept, key, value);
        }
        self.forget(&dropped);
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
