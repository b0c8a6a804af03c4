//! A private key and the certificate made for it: the key opens what the certificate says, from the names in
//! it to the day it ends.

use std::collections::BTreeMap;

use super::{Kept, Proof, Proven, Value, kept};
use crate::check::public_half::Half;
use crate::check::{Attributes, Severity};
use crate::rule::RuleSet;
use crate::tally::{Shelf, Vault};

pub(super) const KEY_CERTIFICATE: Proof = Proof { name: "key-certificate", prove };

/// The rules that find public keys.
const RSA_PUBLIC: &str = "rsa-public-key";
const CURVE_PUBLIC: &str = "curve-public-key";
const CERTIFICATE_PEM: &str = "certificate-pem";
pub(super) const PUBLIC: [&str; 3] = [RSA_PUBLIC, CURVE_PUBLIC, CERTIFICATE_PEM];

/// What is told of a certificate.
pub(super) const CERTIFICATE: [&str; 3] =
    ["certificate.names", "certificate.not-after", "certificate.subject"];

/// Pairs of a private number and a point that are calculated, a millisecond each.
const CALCULATED: usize = 1_000;

fn prove(values: &[Value<'_>], _rules: &RuleSet, vault: &Vault) -> Vec<Proven> {
    let halves: Vec<_> = kept(values, vault, Shelf::PrivateKey)
        .filter_map(|kept| Some((kept.index, Half::of(kept.bytes)?)))
        .collect();
    if halves.is_empty() {
        return Vec::new();
    }
    // A public key that is in no certificate says nothing.
    let certified = |it: &Kept<'_>| CERTIFICATE.iter().any(|name| it.attribute(name).is_some());
    let publics = kept(values, vault, Shelf::Number).filter(certified);
    let publics: BTreeMap<&[u8], Kept<'_>> = publics.map(|it| (it.bytes, it)).collect();
    let on_curves = publics.values().filter_map(|it| Some((it.attribute("key.curve")?, it)));
    let on_curves: Vec<_> = on_curves.collect();
    let (mut left, mut proven) = (CALCULATED, Vec::new());
    for (index, half) in &halves {
        let mut is_cut = false;
        let found = match half {
            Half::Modulus(bytes) | Half::Curve(_, _, Some(bytes)) => {
                let same = publics.get(bytes.as_slice());
                same.filter(|it| half.fits(it.attribute("key.curve"), it.bytes))
            }
            Half::Curve(_, _, None) | Half::Seed(_) => {
                let could_be = on_curves.iter().filter(|(curve, _)| half.may_fit(curve));
                let mut could_be = could_be.take_while(|_| {
                    is_cut = left == 0;
                    left = left.saturating_sub(1);
                    !is_cut
                });
                let fits = could_be.find(|(curve, it)| half.fits(Some(curve), it.bytes));
                fits.map(|(_, it)| *it)
            }
        };
        if let Some(public) = found {
            let facts = CERTIFICATE.iter();
            let facts = facts.filter_map(|name| Some((*name, public.attribute(name)?.to_owned())));
            let attributes: Attributes = facts.collect();
            proven.push(Proven::confirmed(*index, Severity::Info, attributes));
        } else if is_cut || !vault.holds_all(Shelf::Number) {
            proven.push(Proven::unavailable(*index));
        }
    }
    proven
}
