//! The two halves of an AWS key pair in one process: on a heap they are objects apart, so the
//! secret half is told by its shape and by an access key id anywhere in the same memory.

use std::collections::BTreeSet;

use super::{Proof, Proven, Value, Vault};
use crate::check::{Attributes, Confidence, Outcome, Severity};
use crate::region::Holder;
use crate::rule::RuleSet;
use crate::tally::Part;

pub(super) const AWS_PAIR: Proof = Proof { name: "aws-pair", prove };

fn prove(values: &[Value<'_>], rules: &RuleSet, _vault: &Vault) -> Vec<Proven> {
    let found_by = |value: &Value<'_>, ids: &[&str]| -> BTreeSet<Holder> {
        let mut holders = BTreeSet::new();
        for Part { holder, tally, .. } in value.found.parts.iter().copied() {
            if tally.rules.iter().any(|rule| ids.contains(&rules.get(*rule).id.as_str())) {
                holders.insert(*holder);
            }
        }
        holders
    };
    let ids: BTreeSet<Holder> =
        values.iter().flat_map(|value| found_by(value, &["aws-access-key-id"])).collect();
    let mut proven = Vec::new();
    if ids.is_empty() {
        return proven;
    }
    for (index, value) in values.iter().enumerate() {
        let named = !found_by(value, &["aws-secret-key"]).is_disjoint(&ids);
        let alone = !found_by(value, &["aws-secret-key-alone"]).is_disjoint(&ids);
        if named || alone {
            let confidence = if named { Confidence::High } else { Confidence::Medium };
            proven.push(Proven {
                index,
                outcome: Outcome::Pass,
                confidence,
                severity: Severity::Info,
                attributes: Attributes::new(),
            });
        }
    }
    proven
}
