//! Proofs: what can be known of a value only from more than one place of a checkpoint.
//!
//! A proof sees all values of a checkpoint, and the bytes of those that were kept for it: which, and how
//! many at most, says [`Shelf`]. What it may calculate is bounded too ([`Work`]): where the bound is
//! reached before an answer is, the evidence says that the proof could not be made.

mod aws_pair;
mod jenkins;
mod jwt_hmac;
mod key_certificate;
mod keys;
mod rails;
mod rsa_factor;
mod session;

use super::Value;
use crate::check::{Attributes, Confidence, Outcome, Severity};
use crate::rule::{Class, Rule, RuleSet};
use crate::tally::{Match, Shelf, Vault};

/// A proof, run once over all values of a checkpoint.
#[derive(Debug, Clone, Copy)]
pub struct Proof {
    /// Its name in evidence.
    pub name: &'static str,
    /// What it proves.
    pub(super) prove: Prove,
}

/// Looks at all values of a checkpoint, and into those that were kept for it ([`shelf`]).
type Prove = fn(&[Value<'_>], &RuleSet, &Vault) -> Vec<Proven>;

/// What was proven of a value.
#[derive(Debug)]
pub(super) struct Proven {
    /// Its index among the values.
    pub(super) index: usize,
    /// `Pass`; or `Unavailable` where a bound was reached before the answer.
    pub(super) outcome: Outcome,
    /// How sure that makes it.
    pub(super) confidence: Confidence,
    /// How bad that makes it at least.
    pub(super) severity: Severity,
    /// What else is known of it then.
    pub(super) attributes: Attributes,
}

impl Proven {
    /// A value of which nothing is left to doubt.
    fn confirmed(index: usize, severity: Severity, attributes: Attributes) -> Self {
        let (outcome, confidence) = (Outcome::Pass, Confidence::Confirmed);
        Self { index, outcome, confidence, severity, attributes }
    }

    /// A value of which the proof could not be made.
    fn unavailable(index: usize) -> Self {
        Self {
            index,
            outcome: Outcome::Unavailable,
            confidence: Confidence::Low,
            severity: Severity::Info,
            attributes: Attributes::new(),
        }
    }
}

/// Every proof, in the order in which they run.
pub const PROOFS: &[Proof] = &[
    aws_pair::AWS_PAIR,
    jenkins::JENKINS_CHAIN,
    jwt_hmac::JWT_HMAC,
    key_certificate::KEY_CERTIFICATE,
    rsa_factor::RSA_FACTOR,
    session::SESSION_SIGNATURE,
];

/// What proofs take a match for; `None` for those that are not kept until the fold.
pub fn shelf(rule: &Rule, found: &Match) -> Option<Shelf> {
    let id = rule.id.as_str();
    if id == rsa_factor::PRIMES || key_certificate::PUBLIC.contains(&id) {
        return Some(Shelf::Number);
    }
    if jenkins::RULES.contains(&id) {
        return Some(Shelf::Sealed);
    }
    if rule.class != Class::Secret {
        return None;
    }
    let is_by = |checks: &[&str]| rule.checks.iter().any(|it| checks.contains(&it.name));
    if is_by(&["pem", "der-private-key", "kubernetes-key-data"]) {
        return Some(Shelf::PrivateKey);
    }
    if let Some(algorithm) = found.judgement.grounds.attributes.get("jwt.alg") {
        return algorithm.starts_with("HS").then_some(Shelf::Signed);
    }
    if session::is_signed(found.value.expose()) {
        return Some(Shelf::Signed);
    }
    (found.value.len() <= Shelf::Candidate.longest()).then_some(Shelf::Candidate)
}

/// A value that was kept.
struct Kept<'a> {
    index: usize,
    value: &'a Value<'a>,
    bytes: &'a [u8],
}

impl Kept<'_> {
    /// Whether a rule of that id found it.
    fn is_of(&self, rules: &RuleSet, id: &str) -> bool {
        let mut of = self.value.found.parts.iter().flat_map(|part| &part.tally.rules);
        of.any(|rule| rules.get(*rule).id == id)
    }

    /// What a check has read off it, wherever that was.
    fn attribute(&self, name: &str) -> Option<&str> {
        let mut parts = self.value.found.parts.iter();
        let text = parts.find_map(|part| part.tally.best.0.grounds.attributes.get(name));
        text.map(String::as_str)
    }

    /// What a report may call it: its rule, and the variable that holds it.
    fn label(&self, rules: &RuleSet) -> String {
        let Some((judgement, ..)) = self.value.best() else { return String::new() };
        let id = &rules.get(judgement.rule).id;
        judgement.grounds.name.as_ref().map_or_else(|| id.clone(), |name| format!("{id} {name}"))
    }
}

/// The values that were kept as something, in the order of their hashes.
fn kept<'a>(
    values: &'a [Value<'a>],
    vault: &'a Vault,
    shelf: Shelf,
) -> impl Iterator<Item = Kept<'a>> {
    vault.of(shelf).filter_map(|(key, bytes)| {
        let index = values.binary_search_by_key(&key, |value| value.key).ok()?;
        Some(Kept { index, value: values.get(index)?, bytes })
    })
}

/// What one proof may calculate of one checkpoint, in bytes that are hashed or decrypted: about a second.
const WORK: u64 = 256 << 20;

/// What is left of it.
struct Work(u64);

impl Work {
    fn new() -> Self {
        Self(WORK)
    }

    /// Whether so many bytes may be worked on still.
    fn afford(&mut self, bytes: usize) -> bool {
        let left = u64::try_from(bytes).ok().and_then(|bytes| self.0.checked_sub(bytes));
        self.0 = left.unwrap_or(0);
        left.is_some()
    }
}
