//! The primes of an RSA key as words in memory, and the public key they belong to: a worker of nginx
//! keeps nothing else of its key. A prime that divides the modulus of a certificate is the private key.

use super::{Proof, Proven, Value, Vault};
use crate::check::{Attributes, Confidence, prime};
use crate::rule::RuleSet;
use crate::secret::SecretBytes;

pub(super) const RSA_FACTOR: Proof = Proof { name: "rsa-factor", prove };

/// The rules whose values are put together.
pub(super) const PRIMES: &str = "rsa-prime-words";
pub(super) const MODULI: &str = "rsa-public-key";

fn prove(values: &[Value<'_>], rules: &RuleSet, vault: &Vault) -> Vec<Proven> {
    let of = |id: &'static str| {
        values.iter().enumerate().filter_map(move |(index, value)| {
            let found = |rule: &_| rules.get(*rule).id == id;
            let is_of = value.found.tallies.iter().any(|(.., tally)| tally.rules.iter().any(found));
            let bytes = vault.get(&value.key).filter(|_| is_of).map(SecretBytes::expose)?;
            Some((index, value, bytes))
        })
    };
    let moduli: Vec<_> = of(MODULI).collect();
    let mut proven = Vec::new();
    for (index, _, words) in of(PRIMES) {
        let owner = moduli.iter().find(|(_, _, modulus)| prime::is_factor(words, modulus));
        let Some((_, public, _)) = owner else { continue };
        let subject =
            public.found.tallies.iter().find_map(|(.., tally)| {
                tally.best.0.attributes.get("certificate.subject").cloned()
            });
        let attributes: Attributes =
            subject.into_iter().map(|subject| ("certificate.subject", subject)).collect();
        proven.push(Proven { index, confidence: Confidence::Confirmed, attributes });
    }
    proven
}
