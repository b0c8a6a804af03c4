//! Bech32 (BIP-173) and bech32m (BIP-350): identities of age, addresses of Bitcoin.

use super::{Outcome, Subject, Verdict};

const CHARSET: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
const GENERATORS: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
/// What the checksum leaves: in bech32, in bech32m.
const BECH32: u32 = 1;
const BECH32M: u32 = 0x2bc8_30a3;
/// Characters of the checksum.
const CHECKSUM: usize = 6;
/// Characters of the longest text that is looked at.
const LONGEST: usize = 200;

/// Checks an identity of age: one case, and the checksum of BIP-173.
///
/// Source: FiloSottile/age, `internal/bech32`; `AGE-SECRET-KEY-PQ-` are its hybrid keys.
pub(super) fn age_identity(subject: &Subject<'_>) -> Verdict {
    let kind = decode(subject.value()).and_then(|text| match (text.prefix.as_slice(), text.left) {
        (b"age-secret-key-", BECH32) => Some("X25519"),
        (b"age-secret-key-pq-", BECH32) => Some("ML-KEM-768 and X25519"),
        _ => None,
    });
    let Some(kind) = kind else { return Verdict::of(Outcome::Fail, subject) };
    let mut verdict = Verdict::of(Outcome::Pass, subject);
    verdict.attributes.insert("key.type", kind.to_owned());
    verdict
}

/// Checks an address of Bitcoin's main network that names a witness program (BIP-173, BIP-350): its
/// version, the length that this has, and the checksum, which also tells where it ends.
pub(super) fn bitcoin_address(subject: &Subject<'_>) -> Verdict {
    let value = subject.value();
    // Programs of 20 and of 32 bytes.
    let found = [62, 42].into_iter().find_map(|len| {
        let text = decode(value.get(..len)?)?;
        let (version, program) = text.values.split_first()?;
        let kind = match (version, program.len(), text.left) {
            (0, 32, BECH32) => "key hash",
            (0, 52, BECH32) => "script hash",
            (1, 52, BECH32M) => "taproot",
            _ => return None,
        };
        (text.prefix == b"bc").then_some((len, kind))
    });
    let Some((len, kind)) = found else { return Verdict::of(Outcome::Fail, subject) };
    let mut verdict = Verdict::of(Outcome::Pass, subject);
    verdict.span = subject.part(0..len);
    verdict.attributes.insert("bitcoin.address", kind.to_owned());
    verdict
}

struct Text {
    /// In small letters.
    prefix: Vec<u8>,
    /// Five bits each, without the checksum.
    values: Vec<u8>,
    /// What is left by the checksum.
    left: u32,
}

fn decode(text: &[u8]) -> Option<Text> {
    let has = |test: fn(&u8) -> bool| text.iter().any(test);
    if text.len() > LONGEST || has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase) {
        return None;
    }
    let lower = text.to_ascii_lowercase();
    let (prefix, data) = lower.split_at_checked(lower.iter().rposition(|byte| *byte == b'1')?)?;
    let value = |byte: &u8| {
        let at = CHARSET.iter().position(|known| known == byte)?;
        u8::try_from(at).ok()
    };
    let mut values: Vec<u8> = data.get(1..)?.iter().map(value).collect::<Option<_>>()?;
    let high = prefix.iter().map(|byte| byte >> 5);
    let low = prefix.iter().map(|byte| byte & 31);
    let left =
        high.chain([0]).chain(low).chain(values.iter().copied()).fold(1_u32, |sum, value| {
            let top = sum >> 25;
            let sum = (sum & 0x01ff_ffff) << 5 ^ u32::from(value);
            let used = GENERATORS.iter().enumerate().filter(|(bit, _)| top >> bit & 1 == 1);
            used.fold(sum, |sum, (_, generator)| sum ^ generator)
        });
    values.truncate(values.len().checked_sub(CHECKSUM)?);
    Some(Text { prefix: prefix.to_vec(), values, left })
}

#[cfg(test)]
mod tests {
    use super::super::tests::whole;
    use super::*;

    #[test]
    fn vectors_of_the_standards() {
        // BIP-173 and BIP-350, "Test vectors".
        for text in
            ["A12UEL5L", "a12uel5l", "split1checkupstagehandshakeupstreamerranterredcaperred2y9e3w"]
        {
            assert_eq!(decode(text.as_bytes()).map(|text| text.left), Some(BECH32), "{text}");
        }
        for text in ["A1LQFN3A", "abcdef1l7aum6echk45nj3s0wdvt2fg8x9yrzpqzd3ryx"] {
            assert_eq!(decode(text.as_bytes()).map(|text| text.left), Some(BECH32M), "{text}");
        }
        for text in ["A12uEL5L", "x1b4n0q5v", "10a06t8", "1qzzfhee"] {
            let left = decode(text.as_bytes()).map(|text| text.left);
            assert!(left != Some(BECH32) || text.starts_with('1'), "{text}");
        }
    }

    /// Synthetic.
    const IDENTITY: [&str; 2] =
        ["AGE-SECRET-KEY-1", "TP9YCQSXM87Z6HZECM4NRTGGHJ9RUKD29LVYQF6ZWJMFKMF085WQ73PV49"];

    #[test]
    fn identities_have_their_checksum() {
        let text = IDENTITY.concat();
        assert_eq!(age_identity(&whole(text.as_bytes())).outcome, Outcome::Pass);
        for at in 16..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'Q' { b'P' } else { b'Q' };
            assert_eq!(age_identity(&whole(&changed)).outcome, Outcome::Fail, "{at}");
        }
        for text in ["", "AGE-SECRET-KEY-1", "AGE-SECRET-KEY-1QQQQQQQQ"] {
            assert_eq!(age_identity(&whole(text.as_bytes())).outcome, Outcome::Fail, "{text}");
        }
    }

    #[test]
    fn addresses_end_where_their_checksum_fits() {
        // Synthetic.
        let key = ["bc1q", "hkgrelq77ar2deljk7lk4mq9fr75sat6zfcs4y"].concat();
        let taproot =
            ["bc1p", "yw0l4gpx356eceedcgqq36h96ltpp8h3tga4mxlccpdejykvupyqdful34"].concat();
        for (address, kind) in [(key, "key hash"), (taproot, "taproot")] {
            let longer = format!("{address}zzz");
            let verdict = bitcoin_address(&whole(longer.as_bytes()));
            assert_eq!((verdict.outcome, verdict.span), (Outcome::Pass, 0..address.len()));
            assert_eq!(verdict.attributes["bitcoin.address"], kind);
            let changed = address.replacen('y', "z", 1);
            assert_eq!(bitcoin_address(&whole(changed.as_bytes())).outcome, Outcome::Fail);
        }
    }
}
