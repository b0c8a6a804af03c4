//! The primes of an RSA key as words in memory, and the public key they belong to: a worker of nginx
//! keeps nothing else of its key. A prime that divides the modulus of a certificate is the private key.

use super::key_certificate::{CERTIFICATE, PUBLIC};
use super::{Kept, Proof, Proven, Value, kept};
use crate::check::{Attributes, Severity, prime};
use crate::rule::RuleSet;
use crate::tally::{Shelf, Vault};

pub(super) const RSA_FACTOR: Proof = Proof { name: "rsa-factor", prove };

/// The rule whose values are tried.
pub(super) const PRIMES: &str = "rsa-prime-words";

fn prove(values: &[Value<'_>], rules: &RuleSet, vault: &Vault) -> Vec<Proven> {
    let numbers = || kept(values, vault, Shelf::Number);
    let is_public = |it: &Kept<'_>| PUBLIC.iter().any(|id| it.is_of(rules, id));
    let public = numbers().filter(is_public);
    let moduli: Vec<_> = public.map(|it| (prime::PublicModulus::new(it.bytes), it)).collect();
    let mut proven = Vec::new();
    for words in numbers().filter(|it| it.is_of(rules, PRIMES) && !moduli.is_empty()) {
        let factor = prime::Factor::new(words.bytes);
        let mut owners =
            moduli.iter().filter_map(|(modulus, it)| Some((it, factor.divides(modulus)?)));
        let Some((public, order)) = owners.next() else { continue };
        let facts = CERTIFICATE.iter();
        let facts = facts.filter_map(|name| Some((*name, public.attribute(name)?.to_owned())));
        let mut attributes: Attributes = facts.collect();
        attributes.insert("number.words", order.to_owned());
        proven.push(Proven::confirmed(words.index, Severity::Info, attributes));
    }
    proven
}
