//! The key of a JSON Web Token: a secret of the same checkpoint, or a word that everybody knows, with which
//! the token's HMAC comes out (RFC 7518 §3.2). Whoever has it makes tokens for any user.

use std::collections::BTreeMap;

use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Sha256, Sha384, Sha512};

use super::keys::{self, Candidate};
use super::{Kept, Proof, Proven, Value, Work, kept};
use crate::check::{Attributes, Severity};
use crate::rule::RuleSet;
use crate::tally::{Shelf, Vault};

pub(super) const JWT_HMAC: Proof = Proof { name: "jwt-hmac", prove };

/// A token, taken apart.
struct Token<'a> {
    algorithm: Algorithm,
    signed: &'a [u8],
    signature: Vec<u8>,
}

#[derive(Clone, Copy)]
enum Algorithm {
    Hs256,
    Hs384,
    Hs512,
}

impl<'a> Token<'a> {
    fn of(kept: &Kept<'a>) -> Option<Self> {
        let algorithm = match kept.attribute("jwt.alg")? {
            "HS256" => Algorithm::Hs256,
            "HS384" => Algorithm::Hs384,
            "HS512" => Algorithm::Hs512,
            _ => return None,
        };
        // Some vendors put a prefix before it.
        let start = memchr::memmem::find(kept.bytes, b"ey").unwrap_or(0);
        let token = kept.bytes.get(start..)?;
        let (signed, signature) = token.split_at_checked(memchr::memrchr(b'.', token)?)?;
        let signature = BASE64URL_NOPAD.decode(signature.get(1..)?).ok()?;
        Some(Self { algorithm, signed, signature })
    }

    fn is_signed_by(&self, key: &[u8]) -> bool {
        match self.algorithm {
            Algorithm::Hs256 => is_mac::<Hmac<Sha256>>(key, self.signed, &self.signature),
            Algorithm::Hs384 => is_mac::<Hmac<Sha384>>(key, self.signed, &self.signature),
            Algorithm::Hs512 => is_mac::<Hmac<Sha512>>(key, self.signed, &self.signature),
        }
    }
}

/// Whether a MAC comes out.
fn is_mac<M: Mac + KeyInit>(key: &[u8], text: &[u8], mac: &[u8]) -> bool {
    <M as KeyInit>::new_from_slice(key)
        .is_ok_and(|it| it.chain_update(text).verify_slice(mac).is_ok())
}

fn prove(values: &[Value<'_>], rules: &RuleSet, vault: &Vault) -> Vec<Proven> {
    let tokens: Vec<_> = kept(values, vault, Shelf::Signed)
        .filter_map(|kept| Token::of(&kept).map(|token| (kept, token)))
        .collect();
    if tokens.is_empty() {
        return Vec::new();
    }
    let keys = keys::candidates(values, vault);
    let (mut work, mut proven) = (Work::new(), Vec::new());
    let mut signs: BTreeMap<usize, usize> = BTreeMap::new();
    for (kept, token) in &tokens {
        match find(token, &keys, &mut work) {
            Ok(Some(key)) => {
                let attributes = Attributes::from([("signed-by", key.label(rules))]);
                proven.push(Proven::confirmed(kept.index, Severity::Info, attributes));
                if let Some(key) = &key.kept {
                    let count = signs.entry(key.index).or_default();
                    *count = count.saturating_add(1);
                }
            }
            Ok(None) if vault.holds_all(Shelf::Candidate) => {}
            Ok(None) | Err(()) => proven.push(Proven::unavailable(kept.index)),
        }
    }
    proven.extend(signs.into_iter().map(|(index, count)| {
        let attributes = Attributes::from([("signs.jwt", count.to_string())]);
        Proven::confirmed(index, Severity::Critical, attributes)
    }));
    proven
}

/// The key of a token; an error where that is too much work.
fn find<'k, 'v>(
    token: &Token<'_>,
    keys: &'k [Candidate<'v>],
    work: &mut Work,
) -> Result<Option<&'k Candidate<'v>>, ()> {
    for key in keys {
        for form in &key.forms {
            // Two blocks around the key, and the end of the inner hash.
            let cost = token.signed.len().saturating_add(form.len()).saturating_add(256);
            if !work.afford(cost) {
                return Err(());
            }
            if token.is_signed_by(form) {
                return Ok(Some(key));
            }
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vectors_of_rfc_7515_and_rfc_4231() {
        // RFC 7515 A.1: the key, the signing input of its two JSON texts, the signature.
        let key = [
            "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75",
            "aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
        ];
        let key = BASE64URL_NOPAD.decode(key.concat().as_bytes()).unwrap();
        let header = "{\"typ\":\"JWT\",\r\n \"alg\":\"HS256\"}";
        let claims =
            "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}";
        let signed = [header, claims].map(|it| BASE64URL_NOPAD.encode(it.as_bytes())).join(".");
        let signature = ["dBjftJeZ4CVP-mB92K27uhbUJU1p", "1r_wW1gFWFOEjXk"].concat();
        let mut token = Token {
            algorithm: Algorithm::Hs256,
            signed: signed.as_bytes(),
            signature: BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap(),
        };
        assert!(token.is_signed_by(&key));
        assert!(!token.is_signed_by(&key[1..]));
        token.signature[0] ^= 1;
        assert!(!token.is_signed_by(&key));
        token.signature.pop();
        assert!(!token.is_signed_by(&key), "a truncated signature");

        // RFC 4231 §4.3: the key `Jefe`.
        let text = b"what do ya want for nothing?";
        let of = |algorithm, mac: &str| Token {
            algorithm,
            signed: text,
            signature: data_encoding::HEXLOWER.decode(mac.as_bytes()).unwrap(),
        };
        let sha384 = "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649";
        let sha512 = "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737";
        assert!(of(Algorithm::Hs384, sha384).is_signed_by(b"Jefe"));
        assert!(of(Algorithm::Hs512, sha512).is_signed_by(b"Jefe"));
    }

    #[test]
    fn too_much_work_is_no_answer() {
        let token = Token { algorithm: Algorithm::Hs256, signed: b"x", signature: vec![0; 32] };
        let form = zeroize::Zeroizing::new(b"key".to_vec());
        let keys = [Candidate { kept: None, forms: vec![form; 3] }];
        assert!(matches!(find(&token, &keys, &mut Work::new()), Ok(None)));
        assert!(matches!(find(&token, &keys, &mut Work(600)), Err(())));
    }
}
