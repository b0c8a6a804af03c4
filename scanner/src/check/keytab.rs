//! Kerberos keytabs (MIT krb5, "Keytab file format", version 2).

use std::collections::BTreeSet;

use super::keystore::Reader;
use super::{Attributes, Outcome, Subject, Verdict};
use crate::secret::SecretBytes;

const MAGIC: &[u8] = &[5, 2];
/// Encryption types (IANA, "Kerberos Encryption Type Numbers") and the bytes of their keys.
pub(super) const TYPES: [(u16, usize, &str); 10] = [
    (1, 8, "des-cbc-crc"),
    (3, 8, "des-cbc-md5"),
    (16, 24, "des3-cbc-sha1"),
    (17, 16, "aes128-cts-hmac-sha1-96"),
    (18, 32, "aes256-cts-hmac-sha1-96"),
    (19, 16, "aes128-cts-hmac-sha256-128"),
    (20, 32, "aes256-cts-hmac-sha384-192"),
    (23, 16, "rc4-hmac"),
    (25, 16, "camellia128-cts-cmac"),
    (26, 32, "camellia256-cts-cmac"),
];
/// Components of a principal, entries of a keytab.
const COMPONENTS: u16 = 16;
const ENTRIES: usize = 1000;

/// Checks a keytab where the span begins: each entry is as long as it says, names a principal, and
/// holds a key of the length that its type has. The last such entry gives the end.
pub(super) fn run(subject: &Subject<'_>) -> Verdict {
    let value = subject.value();
    let Some(mut rest) = value.strip_prefix(MAGIC) else {
        return Verdict::of(Outcome::Fail, subject);
    };
    let mut types = BTreeSet::new();
    let mut keys = 0_usize;
    let mut len = MAGIC.len();
    while keys < ENTRIES {
        let Some((holes, behind)) = next(rest) else { break };
        if let Some(kind) = holes {
            keys = keys.saturating_add(1);
            types.insert(kind);
        }
        rest = behind;
        if holes.is_some() {
            len = value.len().saturating_sub(rest.len());
        }
    }
    if keys == 0 {
        return Verdict::of(Outcome::Fail, subject);
    }
    let types: Vec<&str> = types.into_iter().collect();
    let attributes =
        Attributes::from([("keytab.keys", keys.to_string()), ("keytab.types", types.join(","))]);
    let bytes = value.get(..len).unwrap_or_default();
    let canonical = Some(SecretBytes::new(bytes));
    let span = subject.part(0..len);
    Verdict { outcome: Outcome::Pass, span, attributes, canonical, plain: None }
}

/// The type of the next entry's key, or none where one was deleted, and what follows it.
fn next(bytes: &[u8]) -> Option<(Option<&'static str>, &[u8])> {
    let mut reader = Reader(bytes);
    let size = reader.u32()?.cast_signed();
    let entry = reader.take(usize::try_from(size.unsigned_abs()).ok()?)?;
    if size < 0 {
        return Some((None, reader.0));
    }
    Some((Some(kind(entry)?), reader.0))
}

fn kind(entry: &[u8]) -> Option<&'static str> {
    let mut reader = Reader(entry);
    let components = reader.u16()?;
    let realm = reader.short()?;
    if components == 0 || components > COMPONENTS || !is_name(realm) {
        return None;
    }
    for _ in 0..components {
        reader.short().filter(|name| is_name(name))?;
    }
    // Type of the name, time, version of the key.
    reader.take(9)?;
    let number = reader.u16()?;
    let key = reader.short()?;
    let (_, size, name) = TYPES.iter().find(|(known, ..)| *known == number)?;
    // A version of four bytes may follow.
    let is_whole = key.len() == *size && reader.0.len() <= 4 && key.iter().any(|byte| *byte != 0);
    is_whole.then_some(name)
}

fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(u8::is_ascii_graphic)
}

#[cfg(test)]
mod tests {
    use super::super::tests::whole;
    use super::*;

    fn entry(number: u16, key: &[u8]) -> Vec<u8> {
        let string =
            |text: &[u8]| [&u16::try_from(text.len()).unwrap().to_be_bytes()[..], text].concat();
        let body = [
            &[0, 2][..],
            &string(b"SHOP.TEST"),
            &string(b"HTTP"),
            &string(b"cart"),
            &[0, 0, 0, 1, 0x65, 0, 0, 0, 3],
            &number.to_be_bytes(),
            &string(key),
        ]
        .concat();
        [&u32::try_from(body.len()).unwrap().to_be_bytes()[..], &body].concat()
    }

    #[test]
    fn entries_are_walked_to_the_last() {
        let hole = [&(-6_i32).to_be_bytes()[..], &[0; 6]].concat();
        let entries = [entry(18, &[7; 32]), hole.clone(), entry(23, &[8; 16])];
        let bytes = [MAGIC, &entries.concat()].concat();
        let longer = [&bytes[..], &hole, &[0; 40]].concat();
        let verdict = run(&whole(&longer));
        assert_eq!((verdict.outcome, verdict.span), (Outcome::Pass, 0..bytes.len()));
        assert_eq!(verdict.attributes["keytab.keys"], "2");
        assert_eq!(verdict.attributes["keytab.types"], "aes256-cts-hmac-sha1-96,rc4-hmac");
        for cut in 0..bytes.len() {
            let verdict = run(&whole(&bytes[..cut]));
            let first = 2 + entries[0].len();
            let expected = if cut < first { Outcome::Fail } else { Outcome::Pass };
            assert_eq!(verdict.outcome, expected, "{cut}");
        }
    }

    #[test]
    fn keys_of_another_length_and_other_bytes_are_none() {
        for entry in [
            entry(18, &[7; 16]),
            entry(99, &[7; 16]),
            entry(18, &[0; 32]),
            vec![0; 40],
            vec![0xff; 40],
        ] {
            let bytes = [MAGIC, &entry].concat();
            assert_eq!(run(&whole(&bytes)).outcome, Outcome::Fail);
        }
    }
}
