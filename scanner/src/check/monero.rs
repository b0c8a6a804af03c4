//! Addresses of Monero: base58 in blocks, with a checksum of Keccak-256.

use sha3::{Digest, Keccak256};

use super::{Outcome, Subject, Verdict};

const ALPHABET: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
/// Characters of a whole block.
const BLOCK: usize = 11;
/// Bytes of a block, by the number of its characters.
const BYTES: [Option<usize>; 12] = [
    Some(0),
    None,
    Some(1),
    Some(2),
    None,
    Some(3),
    Some(4),
    Some(5),
    None,
    Some(6),
    Some(7),
    Some(8),
];
/// Bytes of the checksum.
const CHECKSUM: usize = 4;

/// Checks an address of the main network: standard, integrated (with a payment's number) or of a
/// subaddress. The last four bytes are the start of the Keccak-256 of the rest.
///
/// Source: monero-project/monero, `src/common/base58.cpp` and `src/cryptonote_config.h`; reproduced on
/// the project's donation address.
pub(super) fn address(subject: &Subject<'_>) -> Verdict {
    let kind = decode(subject.value()).and_then(|bytes| kind(&bytes));
    let Some(kind) = kind else { return Verdict::of(Outcome::Fail, subject) };
    let mut verdict = Verdict::of(Outcome::Pass, subject);
    verdict.attributes.insert("monero.address", kind.to_owned());
    verdict
}

fn kind(bytes: &[u8]) -> Option<&'static str> {
    let (body, checksum) = bytes.split_last_chunk::<CHECKSUM>()?;
    let kind = match (bytes.first()?, bytes.len()) {
        (0x12, 69) => "standard",
        (0x2a, 69) => "subaddress",
        (0x13, 77) => "integrated",
        _ => return None,
    };
    Keccak256::digest(body).starts_with(checksum).then_some(kind)
}

fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for block in text.chunks(BLOCK) {
        let size = (*BYTES.get(block.len())?)?;
        let number = block.iter().try_fold(0_u128, |number, byte| {
            let digit = ALPHABET.iter().position(|known| known == byte)?;
            number.checked_mul(58)?.checked_add(u128::try_from(digit).ok()?)
        })?;
        let all = number.to_be_bytes();
        let (high, low) = all.split_at_checked(all.len().checked_sub(size)?)?;
        if high.iter().any(|&byte| byte != 0) {
            return None;
        }
        bytes.extend_from_slice(low);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::super::tests::whole;
    use super::*;
    use data_encoding::HEXLOWER;

    /// Synthetic, from random keys.
    const ADDRESS: &str = concat!(
        "46U3iKu5pjs24uq4acxJMt7K9c5do4qiGEABqKtqYG1pGtKdyd33",
        "MRcHSjC4LqFjwXFWgGxxjb8rR3uKwF7GZf25HKquxPm",
    );

    #[test]
    fn keccak_is_not_sha3() {
        // Of nothing: the Keccak submission, §"KeccakKAT".
        let expected = "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470";
        assert_eq!(HEXLOWER.encode(&Keccak256::digest(b"")), expected);
    }

    #[test]
    fn the_checksum_decides() {
        let verdict = address(&whole(ADDRESS.as_bytes()));
        assert_eq!(verdict.outcome, Outcome::Pass);
        assert_eq!(verdict.attributes.get("monero.address").map(String::as_str), Some("standard"));
        for at in 0..ADDRESS.len() {
            let mut changed = ADDRESS.as_bytes().to_vec();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(address(&whole(&changed)).outcome, Outcome::Fail, "character {at}");
        }
        for text in ["", "4", ADDRESS.get(..94).unwrap(), &[ADDRESS, "1"].concat(), &"z".repeat(95)]
        {
            assert_eq!(address(&whole(text.as_bytes())).outcome, Outcome::Fail, "{text}");
        }
    }
}
