//! The ledger: every byte of a checkpoint is scanned, or skipped for a reason.

use std::collections::BTreeMap;

use serde::Serialize;

/// Why bytes were not matched against the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(feature = "dev", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// A whole page of zeros.
    ZeroPage,
    /// The page lies in a parent dump that is not part of the target.
    ParentMissing,
    /// The page was left on a page server.
    Lazy,
    /// The image set is encrypted.
    Encrypted,
    /// A limit against hostile input.
    Limit,
    /// A rule met too many candidates there.
    Throttled,
    /// The bytes could not be read, or are missing at the end of a truncated file.
    Unreadable,
    /// Left out by the user.
    Excluded,
    /// Headers, padding, and images that were decoded instead of matched.
    NotContent,
}

impl Reason {
    /// Whether the bytes could have held something: a zero page and a header could not.
    pub fn is_gap(self) -> bool {
        !matches!(self, Self::ZeroPage | Self::NotContent)
    }
}

/// Bytes of one checkpoint by what became of them. `merge` is associative and commutative.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "dev", derive(schemars::JsonSchema))]
pub struct Coverage {
    /// Stored bytes of every member, counted when its header was read.
    pub total: u64,
    /// Bytes that the rules have seen.
    pub scanned: u64,
    /// Bytes that they have not seen.
    pub skipped: BTreeMap<Reason, u64>,
    /// Bytes that decoding made and the rules have seen; no part of `total`.
    pub decoded: u64,
}

impl Coverage {
    /// Adds skipped bytes.
    pub fn skip(&mut self, reason: Reason, bytes: u64) {
        if bytes > 0 {
            let sum = self.skipped.entry(reason).or_default();
            *sum = sum.saturating_add(bytes);
        }
    }

    /// Adds another ledger to this one.
    pub fn merge(&mut self, other: &Self) {
        self.total = self.total.saturating_add(other.total);
        self.scanned = self.scanned.saturating_add(other.scanned);
        self.decoded = self.decoded.saturating_add(other.decoded);
        for (&reason, &bytes) in &other.skipped {
            self.skip(reason, bytes);
        }
    }

    /// Bytes that are scanned or skipped.
    pub fn accounted(&self) -> u64 {
        self.skipped.values().fold(self.scanned, |sum, bytes| sum.saturating_add(*bytes))
    }
}
