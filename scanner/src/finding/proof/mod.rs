//! Proofs: what can be known of a value only from more than one place of a checkpoint.

mod aws_pair;
mod rsa_factor;

use std::collections::BTreeMap;

use super::Value;
use crate::check::{Attributes, Confidence};
use crate::rule::{Rule, RuleSet};
use crate::secret::SecretBytes;
use crate::tally::ValueKey;

/// A proof, run once over all values of a checkpoint.
#[derive(Debug, Clone, Copy)]
pub struct Proof {
    /// Its name in evidence.
    pub name: &'static str,
    /// What it proves.
    pub(super) prove: Prove,
}

/// Looks at all values of a checkpoint, and into those it has asked for ([`needs_value`]).
type Prove = fn(&[Value<'_>], &RuleSet, &Vault) -> Vec<Proven>;

/// Values that proofs look into.
pub type Vault = BTreeMap<ValueKey, SecretBytes>;

/// A value that was proven.
#[derive(Debug)]
pub(super) struct Proven {
    /// Its index among the values.
    pub(super) index: usize,
    /// How sure that makes it.
    pub(super) confidence: Confidence,
    /// What else is known of it then.
    pub(super) attributes: Attributes,
}

/// Every proof, in the order in which they run.
pub const PROOFS: &[Proof] = &[aws_pair::AWS_PAIR, rsa_factor::RSA_FACTOR];

/// Whether a proof looks into the values of a rule, so that they are kept until the fold.
pub fn needs_value(rule: &Rule) -> bool {
    [rsa_factor::PRIMES, rsa_factor::MODULI].contains(&rule.id.as_str())
}
