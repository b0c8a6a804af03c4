//! What a part of the work has found; parts merge in any order to the same whole.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Match, Tally, ValueKey};
use crate::coverage::Coverage;
use crate::diagnostic::{Code, Diagnostic};
use crate::region::{Holder, LabelKind, RegionKind};
use crate::secret::SecretBytes;

/// Line feeds in the part of a file that one window owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineFeeds {
    /// How many.
    pub count: u64,
    /// Offset of the last one in the file.
    pub last: Option<u64>,
}

/// What a part of the work has found.
#[derive(Debug, Clone, Default)]
pub struct Partial {
    /// Matches by value, holder and kind of region.
    pub tallies: BTreeMap<(ValueKey, Holder, RegionKind), Tally>,
    /// Values that a proof or the user needs to see.
    pub kept: BTreeMap<ValueKey, SecretBytes>,
    /// Paths of the files that hold a match.
    pub names: BTreeMap<Holder, Arc<str>>,
    /// Line feeds before each place in a file: by holder and offset of the place.
    pub lines: BTreeMap<(Holder, u64), LineFeeds>,
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
    /// Adds a match.
    pub fn add(&mut self, found: Match, name: &Arc<str>, keep_value: bool, limit: usize) {
        let key = (found.key, found.holder, found.kind);
        if !name.is_empty() {
            self.names.entry(found.holder).or_insert_with(|| Arc::clone(name));
        }
        if keep_value {
            keep_lowest(&mut self.kept, found.key, found.value);
        }
        let tally = Tally::of(found.judgement, found.locus);
        match self.tallies.get_mut(&key) {
            Some(present) => present.merge(tally),
            None => {
                self.tallies.insert(key, tally);
            }
        }
        self.trim(limit);
    }

    /// Adds a problem; of one code the lowest are kept and all are counted.
    pub fn note(&mut self, diagnostic: Diagnostic, limit: usize) {
        let code = diagnostic.code;
        let count = self.note_counts.entry(code).or_default();
        *count = count.saturating_add(1);
        let notes = self.notes.entry(code).or_default();
        notes.insert(diagnostic);
        while notes.len() > limit {
            notes.pop_last();
        }
    }

    /// Adds another part. Associative and commutative.
    pub fn merge(&mut self, other: Self, findings: usize, diagnostics: usize) {
        for (key, tally) in other.tallies {
            match self.tallies.get_mut(&key) {
                Some(present) => present.merge(tally),
                None => {
                    self.tallies.insert(key, tally);
                }
            }
        }
        for (key, value) in other.kept {
            keep_lowest(&mut self.kept, key, value);
        }
        self.names.extend(other.names);
        self.lines.extend(other.lines);
        self.line_feeds.extend(other.line_feeds);
        self.labels.extend(other.labels);
        for (unit, coverage) in &other.coverage {
            self.coverage.entry(*unit).or_default().merge(coverage);
        }
        for (code, notes) in other.notes {
            let present = self.notes.entry(code).or_default();
            present.extend(notes);
            while present.len() > diagnostics {
                present.pop_last();
            }
        }
        for (code, count) in other.note_counts {
            let sum = self.note_counts.entry(code).or_default();
            *sum = sum.saturating_add(count);
        }
        self.trim(findings);
    }

    /// Keeps the lowest `limit` entries: which ones never depends on the order of the work.
    fn trim(&mut self, limit: usize) {
        while self.tallies.len() > limit {
            let Some(((key, ..), _)) = self.tallies.pop_last() else { return };
            let held = self.tallies.last_key_value().is_some_and(|((last, ..), _)| *last == key);
            if !held {
                self.kept.remove(&key);
            }
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
