//! Severity: that of the rule, less where the value itself says that it does less harm.

use crate::check::{Attributes, Severity};
use crate::checkpoint::Checkpoint;

/// The harm of one value in one checkpoint.
pub(super) fn severity(
    rule: Severity,
    attributes: &Attributes,
    checkpoint: &Checkpoint,
) -> Severity {
    let is = |name: &str| attributes.get(name).is_some_and(|value| value == "true");
    let time = |text: &str| text.parse::<jiff::Timestamp>().ok();
    // A token that had expired when the checkpoint was made; never judged by today's clock.
    let expired = attributes
        .get("jwt.exp")
        .and_then(|expiry| time(expiry))
        .zip(checkpoint.checkpointed.as_deref().and_then(time))
        .is_some_and(|(expiry, dumped)| expiry < dumped);
    if expired {
        return rule.min(Severity::Low);
    }
    if is("key.encrypted") || is("key.known-public") {
        return rule.min(Severity::Medium);
    }
    rule
}
