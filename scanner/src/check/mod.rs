//! Offline validators: they look at a candidate in its surroundings and give outcome, true span
//! and attributes. Pure functions; one file per family.
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::secret::SecretBytes;

/// How sure it is that a finding is what its rule says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "dev", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Confidence {
    /// It has the shape; much else has it too.
    Low,
    /// The shape is rare, or its surroundings speak for it.
    Medium,
    /// The shape is of this kind only.
    High,
    /// A checksum or a cryptographic relation proves it.
    Confirmed,
}

impl Confidence {
    /// The name in reports and rules.
    pub fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Confirmed => "confirmed",
        }
    }
}

/// The harm that a finding does if it is true.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "dev", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Opens little, or helps only together with other things.
    Low,
    /// Opens one service, within bounds.
    Medium,
    /// Opens a service or an account.
    High,
    /// Opens an infrastructure, or lets others be impersonated.
    Critical,
}

impl Severity {
    /// The name in reports and rules.
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// What a check sees of a candidate.
#[derive(Debug, Clone)]
pub struct Subject<'a> {
    /// The text run around the candidate, narrow (UTF-16 folded).
    pub text: &'a [u8],
    /// Where in `text` the rule's pattern says the value lies.
    pub span: Range<usize>,
    /// Whether `text` ends where memory ends, so that the value may go on beyond it.
    pub cut: bool,
}

impl Subject<'_> {
    /// The bytes of the value as the pattern found it.
    pub fn value(&self) -> &[u8] {
        self.text.get(self.span.clone()).unwrap_or_default()
    }
}

/// What a check has to say about a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(feature = "dev", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It is what the rule says.
    Pass,
    /// It looks like it and is damaged, cut or doubtful: the finding stays, with low confidence.
    Weak,
    /// It is not: the candidate is dropped.
    Fail,
    /// The check could not be made here; nothing changes.
    Unavailable,
}

/// Facts that a check reads off a value: `jwt.alg` → `RS256`. Never secret.
pub type Attributes = BTreeMap<&'static str, String>;

/// The answer of a check.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// Whether the candidate is what it seems.
    pub outcome: Outcome,
    /// The true span of the value in `Subject::text`: a stale tail is cut off, never added.
    pub span: Range<usize>,
    /// Facts read off the value.
    pub attributes: Attributes,
    /// The value without accidents of notation (armour without line ends); `None`: as it lies.
    pub canonical: Option<SecretBytes>,
}

impl Verdict {
    /// An answer about the span as it was found, without attributes.
    pub fn of(outcome: Outcome, subject: &Subject<'_>) -> Self {
        Self { outcome, span: subject.span.clone(), attributes: Attributes::new(), canonical: None }
    }
}
