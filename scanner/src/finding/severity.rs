//! Severity: that of the rule, less where the value itself says that it does less harm.

use crate::check::{Attributes, Severity};
use crate::checkpoint::Checkpoint;

/// Why a value does less harm than others of its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mitigation {
    /// It had expired when the checkpoint was made.
    Expired,
    /// It is of no use without a passphrase, or known to everybody.
    Protected,
}

impl Mitigation {
    /// The severity that is left of `rule`'s.
    pub(super) fn lower(self, rule: Severity) -> Severity {
        match self {
            Self::Expired => rule.min(Severity::Low),
            Self::Protected => rule.min(Severity::Medium),
        }
    }
}

/// The severity of a value whose rule says `rule`: a token of a service account that never expires opens
/// the cluster for good.
pub(super) fn of(rule: Severity, attributes: &Attributes) -> Severity {
    let is_service_account = attributes.contains_key("kubernetes.serviceaccount");
    let is_endless = attributes.get("jwt.exp").is_some_and(|expiry| expiry == "never");
    if is_service_account && is_endless { rule.max(Severity::Critical) } else { rule }
}

/// What lessens the harm of one value in one checkpoint.
pub(super) fn mitigation(attributes: &Attributes, checkpoint: &Checkpoint) -> Option<Mitigation> {
    let is = |name: &str| attributes.get(name).is_some_and(|value| value == "true");
    let time = |text: &str| text.parse::<jiff::Timestamp>().ok();
    // A token that had expired when the checkpoint was made; never judged by today's clock.
    let expired = attributes
        .get("jwt.exp")
        .and_then(|expiry| time(expiry))
        .zip(checkpoint.checkpointed.as_deref().and_then(time))
        .is_some_and(|(expiry, dumped)| expiry < dumped);
    if expired {
        return Some(Mitigation::Expired);
    }
    (is("key.encrypted") || is("key.known-public")).then_some(Mitigation::Protected)
}
