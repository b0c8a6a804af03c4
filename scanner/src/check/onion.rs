//! Onion services of Tor, version 3 (rend-spec-v3).

use data_encoding::BASE32_NOPAD;
use sha3::{Digest, Sha3_256};

use super::{Outcome, Subject, Verdict, entropy};

const SUFFIX: &[u8] = b".onion";
/// What the file `hs_ed25519_secret_key` begins with, zeros included.
const HEAD: &[u8] = b"== ed25519v1-secret: type0 ==\0\0\0";
/// Bytes of an expanded key of Ed25519.
const KEY: usize = 64;

/// Checks an address: the public key, two bytes of the SHA3-256 over it, and the version.
///
/// Source: rend-spec-v3, "Encoding onion addresses".
pub(super) fn address(subject: &Subject<'_>) -> Verdict {
    let value = subject.value().to_ascii_uppercase();
    let text = value.strip_suffix(SUFFIX.to_ascii_uppercase().as_slice());
    let bytes = text.and_then(|text| BASE32_NOPAD.decode(text).ok());
    let is_address = bytes.is_some_and(|bytes| match bytes.split_last_chunk::<3>() {
        Some((key, [first, second, version @ 3])) if key.len() == 32 => {
            let sum = Sha3_256::new_with_prefix(b".onion checksum")
                .chain_update(key)
                .chain_update([*version])
                .finalize();
            sum.starts_with(&[*first, *second])
        }
        _ => false,
    });
    Verdict::of(if is_address { Outcome::Pass } else { Outcome::Fail }, subject)
}

/// Checks the file of an onion service's key: its head, and an expanded key of Ed25519, which is
/// clamped (RFC 8032 §5.1.5) and random.
pub(super) fn key(subject: &Subject<'_>) -> Verdict {
    let value = subject.value();
    let key = value.strip_prefix(HEAD).and_then(|key| key.get(..KEY));
    let is_key = key.is_some_and(|key| {
        let (scalar, _) = key.split_at_checked(32).unwrap_or_default();
        let is_clamped = matches!(scalar, [first, .., last]
            if first.trailing_zeros() >= 3 && last & 0xc0 == 0x40);
        is_clamped && entropy::shannon(key) >= 5_000
    });
    if !is_key {
        return Verdict::of(Outcome::Fail, subject);
    }
    let mut verdict = Verdict::of(Outcome::Pass, subject);
    verdict.span = subject.part(0..HEAD.len().saturating_add(KEY));
    verdict
}

#[cfg(test)]
mod tests {
    use super::super::tests::whole;
    use super::*;
    use sha2::Sha512;

    #[test]
    fn addresses_have_their_checksum() {
        // Of the Tor Project, as its site names it in the header Onion-Location; and a synthetic one.
        for address in [
            "2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid",
            "cxll7tcebncccyelbdqzi7a2wz2j3qvpjpsl7dozpw76qakpkeflsaid",
        ] {
            let text = format!("{address}.onion");
            assert_eq!(super::address(&whole(text.as_bytes())).outcome, Outcome::Pass, "{text}");
            for at in 0..address.len() {
                let mut changed = text.clone().into_bytes();
                changed[at] = if changed[at] == b'a' { b'b' } else { b'a' };
                assert_eq!(super::address(&whole(&changed)).outcome, Outcome::Fail, "{at}");
            }
        }
        for text in
            ["", ".onion", "abc.onion", "cxll7tcebncccyelbdqzi7a2wz2j3qvpjpsl7dozpw76qakpkeflsaid"]
        {
            assert_eq!(address(&whole(text.as_bytes())).outcome, Outcome::Fail, "{text}");
        }
    }

    #[test]
    fn keys_are_clamped_and_random() {
        let mut key = Sha512::digest(b"a service").to_vec();
        key[0] &= 0xf8;
        key[31] = key[31] & 0x3f | 0x40;
        let file = [HEAD, &key, b"rest"].concat();
        let verdict = super::key(&whole(&file));
        assert_eq!((verdict.outcome, verdict.span), (Outcome::Pass, 0..96));
        let mut other = file.clone();
        other[32] |= 1;
        assert_eq!(super::key(&whole(&other)).outcome, Outcome::Fail);
        assert_eq!(super::key(&whole(&file[..95])).outcome, Outcome::Fail);
        assert_eq!(super::key(&whole(&[HEAD, &[0x40; 64]].concat())).outcome, Outcome::Fail);
    }
}
