//! Databases of KeePass (`.kdbx`, `.kdb`): the head in front of the cipher text.

use super::{Attributes, Outcome, Subject, Verdict, entropy};
use crate::secret::SecretBytes;

const MAGIC: &[u8] = &[0x03, 0xd9, 0xa2, 0x9a];
const KDBX: &[u8] = &[0x67, 0xfb, 0x4b, 0xb5];
/// Fields of a head.
const FIELDS: usize = 32;
/// Numbers of the fields that are asked for.
const END: u8 = 0;
const CIPHER: u8 = 2;
const SEED: u8 = 4;
/// First bytes of the ciphers' identifiers.
const CIPHERS: [([u8; 4], &str); 3] = [
    ([0x31, 0xc1, 0xf2, 0xe6], "AES-256"),
    ([0xd6, 0x03, 0x8a, 0x2b], "ChaCha20"),
    ([0xad, 0x68, 0xf2, 0x9f], "Twofish"),
];

/// Checks the head of a database: version, cipher, a random seed, and the field that ends it. The span
/// is the head: cipher text, of which nothing tells the end, follows it.
///
/// Source: KeePass, `KdbxFile.cs`.
pub(super) fn run(subject: &Subject<'_>) -> Verdict {
    let value = subject.value();
    let Some((head, major)) = read(value) else { return Verdict::of(Outcome::Fail, subject) };
    Verdict {
        outcome: Outcome::Pass,
        span: subject.part(0..head.len),
        attributes: Attributes::from([
            ("key.cipher", head.cipher.to_owned()),
            ("keystore.version", major.to_string()),
        ]),
        canonical: value.get(..head.len).map(SecretBytes::new),
        plain: None,
    }
}

struct Head {
    cipher: &'static str,
    len: usize,
}

fn read(value: &[u8]) -> Option<(Head, u16)> {
    let rest = value.strip_prefix(MAGIC)?.strip_prefix(KDBX)?;
    let (_minor, rest) = rest.split_first_chunk::<2>()?;
    let (major, mut rest) = rest.split_first_chunk::<2>()?;
    let major = u16::from_le_bytes(*major);
    if !(2..=4).contains(&major) {
        return None;
    }
    let (mut cipher, mut has_seed) = (None, false);
    for _ in 0..FIELDS {
        let (number, after) = rest.split_first()?;
        let (len, after) = if major == 4 {
            let (len, after) = after.split_first_chunk::<4>()?;
            (usize::try_from(u32::from_le_bytes(*len)).ok()?, after)
        } else {
            let (len, after) = after.split_first_chunk::<2>()?;
            (usize::from(u16::from_le_bytes(*len)), after)
        };
        let (field, after) = after.split_at_checked(len)?;
        rest = after;
        match *number {
            CIPHER => {
                let known = CIPHERS.iter().find(|(head, _)| field.starts_with(head));
                cipher = known.map(|(_, name)| *name);
            }
            SEED => has_seed = len == 32 && entropy::shannon(field) >= 3_500,
            END if has_seed => {
                let len = value.len().checked_sub(rest.len())?;
                return Some((Head { cipher: cipher?, len }, major));
            }
            END => return None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::tests::whole;
    use super::*;
    use sha2::{Digest as _, Sha256};

    fn head(major: u16, seed: &[u8]) -> Vec<u8> {
        let field = |number: u8, bytes: &[u8]| {
            let len = u32::try_from(bytes.len()).unwrap().to_le_bytes();
            let len = if major == 4 { &len[..] } else { &len[..2] };
            [&[number], len, bytes].concat()
        };
        let cipher = [&[0x31, 0xc1, 0xf2, 0xe6][..], &[1; 12]].concat();
        let fields =
            [field(2, &cipher), field(3, &[1, 0, 0, 0]), field(4, seed), field(0, b"\r\n\r\n")];
        [MAGIC, KDBX, &[1, 0], &major.to_le_bytes(), &fields.concat()].concat()
    }

    #[test]
    fn heads_of_both_versions() {
        let seed = Sha256::digest(b"seed");
        for major in [3, 4] {
            let bytes = head(major, &seed);
            let longer = [&bytes[..], &[0xaa; 40]].concat();
            let verdict = run(&whole(&longer));
            assert_eq!((verdict.outcome, verdict.span), (Outcome::Pass, 0..bytes.len()));
            assert_eq!(verdict.attributes["key.cipher"], "AES-256");
            for cut in 0..bytes.len() {
                assert_eq!(run(&whole(&bytes[..cut])).outcome, Outcome::Fail, "{cut}");
            }
        }
        assert_eq!(run(&whole(&head(9, &seed))).outcome, Outcome::Fail);
        assert_eq!(run(&whole(&head(4, &[0; 32]))).outcome, Outcome::Fail);
        assert_eq!(run(&whole(&head(4, &seed[..31]))).outcome, Outcome::Fail);
    }
}
