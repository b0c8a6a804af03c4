//! Key pairs of Solana: 64 bytes, the seed of an Ed25519 key and its public key.

use zeroize::Zeroizing;

use super::{Outcome, Subject, Verdict, base58, entropy, pem};

/// Bytes of a key pair.
const PAIR: usize = 64;

/// Checks a key pair, as a list of numbers or in base58: 64 random bytes, the halves of which differ.
/// That the second half is the public key of the first is not calculated.
///
/// Source: the manual of the Solana command line, "File System Wallet".
pub(super) fn run(subject: &Subject<'_>) -> Verdict {
    let value = subject.value().trim_ascii();
    let bytes = if value.starts_with(b"[") {
        serde_json::from_slice::<Vec<u8>>(value).ok().map(Zeroizing::new)
    } else {
        base58::decode(value)
    };
    match bytes {
        Some(bytes) if bytes.len() == PAIR && is_pair(&bytes) => Verdict {
            canonical: Some(pem::canonical("solana", &bytes)),
            ..Verdict::of(Outcome::Pass, subject)
        },
        _ => Verdict::of(Outcome::Fail, subject),
    }
}

fn is_pair(bytes: &[u8]) -> bool {
    let (seed, public) = bytes.split_at_checked(PAIR / 2).unwrap_or_default();
    // Of 32 random bytes nearly all differ: log2(32) is 5.
    [seed, public].iter().all(|half| entropy::shannon(half) >= 4_400) && seed != public
}

#[cfg(test)]
mod tests {
    use super::super::tests::whole;
    use super::*;
    use sha2::{Digest as _, Sha512};

    #[test]
    fn pairs_in_both_forms() {
        let bytes = Sha512::digest(b"a wallet");
        let list = serde_json::to_string(&bytes.to_vec()).unwrap();
        assert_eq!(run(&whole(list.as_bytes())).outcome, Outcome::Pass);
        let short = serde_json::to_string(&bytes[..63].to_vec()).unwrap();
        assert_eq!(run(&whole(short.as_bytes())).outcome, Outcome::Fail);
        let counting: Vec<u8> = (0..32).chain(0..32).collect();
        let counting = serde_json::to_string(&counting).unwrap();
        for text in [counting.as_str(), "[]", "[256]", "[", "", "abc", &"1".repeat(64)] {
            assert_eq!(run(&whole(text.as_bytes())).outcome, Outcome::Fail, "{text}");
        }
    }
}
