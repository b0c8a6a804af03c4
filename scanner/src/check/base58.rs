//! Base58Check: private keys and wallets of Bitcoin and of the coins made after it.

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{Attributes, Outcome, Subject, Verdict, known};

const ALPHABET: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
/// Characters of the longest text that is decoded.
const LONGEST: usize = 128;
/// Bytes of the checksum.
const CHECKSUM: usize = 4;
/// The order of the group of secp256k1 (SEC 2 §2.4.1): private keys are smaller.
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe,
    0xba, 0xae, 0xdc, 0xe6, 0xaf, 0x48, 0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36, 0x41, 0x41,
];

/// Versions of private keys in wallet import format: the first byte, whose it is, and whether coins
/// there are worth something.
const WIF: [(u8, &str, bool); 5] = [
    (0x80, "bitcoin", true),
    (0xb0, "litecoin", true),
    (0x9e, "dogecoin", true),
    (0xcc, "dash", true),
    (0xef, "testnet", false),
];

/// Versions of extended private keys (BIP-32, SLIP-132).
const EXTENDED: [([u8; 4], &str, bool); 13] = [
    ([0x04, 0x88, 0xad, 0xe4], "bitcoin", true),
    ([0x04, 0x9d, 0x78, 0x78], "bitcoin", true),
    ([0x04, 0xb2, 0x43, 0x0c], "bitcoin", true),
    ([0x02, 0x95, 0xb0, 0x05], "bitcoin", true),
    ([0x02, 0xaa, 0x7a, 0x99], "bitcoin", true),
    ([0x04, 0x35, 0x83, 0x94], "testnet", false),
    ([0x04, 0x4a, 0x4e, 0x28], "testnet", false),
    ([0x04, 0x5f, 0x18, 0xbc], "testnet", false),
    ([0x02, 0x42, 0x85, 0xb5], "testnet", false),
    ([0x02, 0x57, 0x50, 0x48], "testnet", false),
    ([0x01, 0x9d, 0x9c, 0xfe], "litecoin", true),
    ([0x01, 0xb2, 0x67, 0x92], "litecoin", true),
    ([0x02, 0xfa, 0xc3, 0x98], "dogecoin", true),
];
/// Characters of an extended key.
const EXTENDED_LENGTHS: [usize; 2] = [111, 112];

/// Checks a private key in wallet import format: version, a number below the order of the curve,
/// and a checksum of SHA-256 twice.
///
/// Weak: of a test network. Source: Bitcoin's `base58.cpp` and `chainparams.cpp`.
pub(super) fn private_key(subject: &Subject<'_>) -> Verdict {
    let judged = payload(subject.value()).and_then(|payload| {
        let (version, key) = payload.split_first()?;
        let (key, form) = match key {
            [key @ .., 1] if key.len() == ORDER.len() => (key, "compressed"),
            _ => (key, "uncompressed"),
        };
        let (_, network, worth) = WIF.iter().find(|(known, ..)| known == version)?;
        is_private(key).then_some((*network, *worth, form))
    });
    let Some((network, worth, form)) = judged else { return Verdict::of(Outcome::Fail, subject) };
    let mut verdict = Verdict::of(if worth { Outcome::Pass } else { Outcome::Weak }, subject);
    verdict.attributes = Attributes::from([
        ("wallet.network", network.to_owned()),
        ("wallet.public-key", form.to_owned()),
    ]);
    verdict
}

/// Checks an extended private key (BIP-32): version, a number below the order of the curve behind a
/// zero, and the checksum, which also tells where it ends.
///
/// Weak: of a test network. Fail: a test vector of BIP-32.
pub(super) fn extended_key(subject: &Subject<'_>) -> Verdict {
    let value = subject.value();
    let judged = EXTENDED_LENGTHS.iter().find_map(|&len| {
        let text = value.get(..len)?;
        let payload = payload(text)?;
        let (version, rest) = payload.split_first_chunk::<4>()?;
        let (depth, rest) = rest.split_first()?;
        // The parent's fingerprint, the child's number, the chain code.
        let key = rest.get(40..)?.strip_prefix(&[0])?;
        let (_, network, worth) = EXTENDED.iter().find(|(known, ..)| known == version)?;
        (is_private(key) && !known::is_documentation_value(text))
            .then_some((len, *network, *worth, *depth))
    });
    let Some((len, network, worth, depth)) = judged else {
        return Verdict::of(Outcome::Fail, subject);
    };
    let mut verdict = Verdict::of(if worth { Outcome::Pass } else { Outcome::Weak }, subject);
    verdict.span = subject.part(0..len);
    verdict.attributes = Attributes::from([
        ("wallet.depth", depth.to_string()),
        ("wallet.network", network.to_owned()),
    ]);
    verdict
}

/// Whether bytes are a private key of secp256k1.
pub(super) fn is_private(key: &[u8]) -> bool {
    // Keys of one digit are those of examples.
    key.len() == ORDER.len()
        && key < ORDER.as_slice()
        && key.iter().rev().skip(2).any(|byte| *byte != 0)
}

/// What the text holds before its checksum, if that is right.
fn payload(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut bytes = decode(text)?;
    let (body, checksum) = bytes.split_last_chunk::<CHECKSUM>()?;
    if !Sha256::digest(Sha256::digest(body)).starts_with(checksum) {
        return None;
    }
    let len = body.len();
    bytes.truncate(len);
    Some(bytes)
}

/// A number in base58, big-endian; each leading `1` is a zero byte.
pub(super) fn decode(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    if text.len() > LONGEST {
        return None;
    }
    // The least significant byte first.
    let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST));
    for character in text {
        let digit = ALPHABET.iter().position(|known| known == character)?;
        let mut carry = u32::try_from(digit).ok()?;
        for byte in bytes.iter_mut() {
            carry = carry.wrapping_add(u32::from(*byte).wrapping_mul(58));
            [*byte, ..] = carry.to_le_bytes();
            carry >>= 8;
        }
        if carry > 0 {
            bytes.push(u8::try_from(carry).ok()?);
        }
    }
    bytes.extend(text.iter().take_while(|character| **character == b'1').map(|_| 0));
    bytes.reverse();
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::super::tests::whole;
    use super::*;

    fn key(parts: &[&str]) -> Verdict {
        private_key(&whole(parts.concat().as_bytes()))
    }

    fn extended(parts: &[&str]) -> Verdict {
        extended_key(&whole(parts.concat().as_bytes()))
    }

    /// Synthetic.
    const KEY: [&str; 2] = ["KyN7JbkwpgwesooatcPnSBDcethfJsb3boXS", "DJ3mnLhRjAuKLwpA"];
    const EXTENDED_KEY: [&str; 2] = [
        "xprv9s21ZrQH143K2Cb5fwYq5PojjRkEKqnHDDK7sty2DPnsbS5mvJz11wjpptp6JFG89GsvhB2sTrxvnpjnUS4Q",
        "wEozrzDXWBkgg8CSRRXMheK",
    ];

    #[test]
    fn the_first_address_decodes() {
        // The address of Bitcoin's first block, which is public.
        let address = b"1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa";
        assert_eq!(payload(address).map(|it| (it.len(), it.first().copied())), Some((21, Some(0))));
        for address in ["1Ap45dp2uSWut3T9FEYC7Kpu6LyNXJtzDy", "3A5F4oDfFSCyi1e1PycsEB33gUvQCbN7Mw"]
        {
            assert!(payload(address.as_bytes()).is_some(), "{address}");
            assert!(payload(address.replacen('5', "6", 1).as_bytes()).is_none(), "{address}");
        }
    }

    #[test]
    fn the_checksum_decides() {
        let verdict = key(&KEY);
        assert_eq!(verdict.outcome, Outcome::Pass);
        assert_eq!(verdict.attributes["wallet.network"], "bitcoin");
        assert_eq!(verdict.attributes["wallet.public-key"], "compressed");
        let text = KEY.concat();
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(private_key(&whole(&changed)).outcome, Outcome::Fail, "{at}");
        }
        for text in ["", "K", "0OIl", &"K".repeat(52), &"1".repeat(52)] {
            assert_eq!(key(&[text]).outcome, Outcome::Fail, "{text}");
        }
    }

    #[test]
    fn an_extended_key_ends_where_its_checksum_fits() {
        let verdict = extended(&EXTENDED_KEY);
        assert_eq!((verdict.outcome, verdict.span.clone()), (Outcome::Pass, 0..111));
        assert_eq!(verdict.attributes["wallet.depth"], "0");
        let longer = [EXTENDED_KEY[0], EXTENDED_KEY[1], "abc"];
        assert_eq!((extended(&longer).outcome, extended(&longer).span), (Outcome::Pass, 0..111));
        let changed = EXTENDED_KEY.concat().replacen("5f", "6f", 1);
        assert_eq!(extended(&[&changed]).outcome, Outcome::Fail);
        assert_eq!(extended(&["xprv"]).outcome, Outcome::Fail);
    }

    #[test]
    fn the_vector_of_the_standard_fails() {
        // BIP-32, test vector 1, the master key.
        let vector = [
            "xprv9s21ZrQH143K3QTDL4LXw2F7HEK3wJUD2nW2nRk4stbPy6cq3jPPq",
            "jiChkVvvNKmPGJxWUtg6LnF5kejMRNNU3TGtRBeJgk33yuGBxrMPHi",
        ];
        assert_eq!(extended(&vector).outcome, Outcome::Fail);
    }
}
