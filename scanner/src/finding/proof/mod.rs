//! Proofs: what can be known of a value only from more than one place of a checkpoint.

mod aws_pair;

use super::Value;
use crate::check::Confidence;
use crate::rule::RuleSet;

/// A proof, run once over all values of a checkpoint.
#[derive(Debug, Clone, Copy)]
pub struct Proof {
    /// Its name in evidence.
    pub name: &'static str,
    /// Gives the indexes of the values it proves, and how sure that makes each.
    pub(super) prove: Prove,
}

/// Looks at all values of a checkpoint.
type Prove = fn(&[Value<'_>], &RuleSet) -> Vec<(usize, Confidence)>;

/// Every proof, in the order in which they run.
pub const PROOFS: &[Proof] = &[aws_pair::AWS_PAIR];
