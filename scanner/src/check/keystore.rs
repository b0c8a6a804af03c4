//! Java keystores: JKS and JCEKS (`sun.security.provider.JavaKeyStore`,
//! `com.sun.crypto.provider.JceKeyStore` of OpenJDK).

use sha1::{Digest as _, Sha1};

use super::{Attributes, Outcome, Subject, Verdict};
use crate::secret::SecretBytes;

const JKS: &[u8] = &[0xfe, 0xed, 0xfe, 0xed];
const JCEKS: &[u8] = &[0xce, 0xce, 0xce, 0xce];
/// Entries, certificates of one chain: more is no keystore that anybody wrote.
const MOST: u32 = 10_000;
/// What stands between the password and the store in the sum at its end.
const SALT: &[u8] = b"Mighty Aphrodite";
/// Passwords that tools set or guides show.
const KNOWN: [&str; 4] = ["changeit", "changeme", "password", ""];
/// Bytes of the sum at the end.
const SUM: usize = 20;

/// Checks a keystore where the span begins: its entries, up to the sum behind the last one, and
/// whether a well-known password opens it.
///
/// Unavailable: it is longer than what is there of it, or holds a secret key, whose length nothing
/// tells; the span ends there.
/// Fail: it holds nothing but certificates.
pub(super) fn run(subject: &Subject<'_>) -> Verdict {
    let value = subject.value();
    let Some(store) = parse(value) else { return Verdict::of(Outcome::Fail, subject) };
    if store.private == 0 && store.secret == 0 {
        return Verdict::of(Outcome::Fail, subject);
    }
    let kind = if value.starts_with(JKS) { "JKS" } else { "JCEKS" };
    let mut attributes = Attributes::from([
        ("keystore.certificates", store.trusted.to_string()),
        ("keystore.entries", store.entries.to_string()),
        ("keystore.private-keys", store.private.to_string()),
        ("keystore.type", kind.to_owned()),
        ("keystore.whole", store.is_whole.to_string()),
    ]);
    if store.secret > 0 {
        attributes.insert("keystore.secret-keys", store.secret.to_string());
    }
    let bytes = value.get(..store.len).unwrap_or(value);
    if store.is_whole {
        attributes.insert("keystore.known-password", opens(bytes).to_string());
    }
    let outcome = if store.is_whole { Outcome::Pass } else { Outcome::Unavailable };
    let span = subject.part(0..store.len);
    let canonical = Some(SecretBytes::new(bytes));
    Verdict { outcome, span, attributes, canonical, plain: None }
}

/// Whether the sum is that of a well-known password.
fn opens(store: &[u8]) -> bool {
    let Some((content, sum)) = store.split_last_chunk::<SUM>() else { return false };
    KNOWN.iter().any(|password| {
        let mut hash = Sha1::new();
        for unit in password.encode_utf16() {
            hash.update(unit.to_be_bytes());
        }
        hash.update(SALT);
        hash.update(content);
        hash.finalize().as_slice() == sum
    })
}

/// What the entries say.
#[derive(Debug, Default, PartialEq, Eq)]
struct Store {
    /// As the header says.
    entries: u32,
    private: u32,
    trusted: u32,
    secret: u32,
    /// Bytes up to its end, or as far as it could be walked.
    len: usize,
    is_whole: bool,
}

/// Reads the store that `bytes` begin with; `None` where they are none.
fn parse(bytes: &[u8]) -> Option<Store> {
    let rest = bytes.strip_prefix(JKS).or_else(|| bytes.strip_prefix(JCEKS))?;
    let is_jceks = bytes.starts_with(JCEKS);
    let mut reader = Reader(rest);
    let version = reader.u32()?;
    let entries = reader.u32()?;
    if !matches!(version, 1 | 2) || entries == 0 || entries > MOST {
        return None;
    }
    let mut store = Store { entries, ..Store::default() };
    for _ in 0..entries {
        let before = reader.0.len();
        match entry(&mut reader, &mut store, version, is_jceks) {
            Walked::Whole => {}
            Walked::Malformed => return None,
            Walked::Cut => {
                store.len = bytes.len();
                return Some(store);
            }
            Walked::Opaque => {
                // A serialized object of Java: the header of its entry is all that is known.
                store.len = bytes.len().saturating_sub(before.min(reader.0.len()));
                return Some(store);
            }
        }
    }
    store.is_whole = reader.take(SUM).is_some();
    store.len = bytes.len().saturating_sub(reader.0.len());
    Some(store)
}

enum Walked {
    Whole,
    /// The bytes end before the entry does.
    Cut,
    /// It has no length.
    Opaque,
    Malformed,
}

fn entry(reader: &mut Reader<'_>, store: &mut Store, version: u32, is_jceks: bool) -> Walked {
    let Some(tag) = reader.u32() else { return Walked::Cut };
    let Some(alias) = reader.short() else { return Walked::Cut };
    if !matches!(tag, 1..=3) || alias.contains(&0) || reader.take(8).is_none() {
        return if matches!(tag, 1..=3) && reader.0.is_empty() {
            Walked::Cut
        } else {
            Walked::Malformed
        };
    }
    match tag {
        1 => {
            // An encrypted key in DER.
            if !matches!(reader.0, [_, _, _, _, 0x30, ..]) {
                return if reader.0.len() < 5 { Walked::Cut } else { Walked::Malformed };
            }
            store.private = store.private.saturating_add(1);
            if reader.long().is_none() {
                return Walked::Cut;
            }
            let Some(chain) = reader.u32() else { return Walked::Cut };
            if chain > MOST {
                return Walked::Malformed;
            }
            (0..chain)
                .map(|_| certificate(reader, version))
                .find(|it| !matches!(it, Walked::Whole))
                .unwrap_or(Walked::Whole)
        }
        2 => {
            store.trusted = store.trusted.saturating_add(1);
            certificate(reader, version)
        }
        _ if is_jceks => {
            store.secret = store.secret.saturating_add(1);
            Walked::Opaque
        }
        _ => Walked::Malformed,
    }
}

fn certificate(reader: &mut Reader<'_>, version: u32) -> Walked {
    if version == 2 {
        match reader.short() {
            Some(kind) if kind.is_ascii() && !kind.is_empty() => {}
            Some(_) => return Walked::Malformed,
            None => return Walked::Cut,
        }
    }
    if reader.long().is_some() { Walked::Whole } else { Walked::Cut }
}

/// Big-endian numbers and strings.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.take(2)?.first_chunk().map(|bytes| u16::from_be_bytes(*bytes))
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.take(4)?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
    }

    /// Bytes behind their number in two bytes.
    pub(super) fn short(&mut self) -> Option<&'a [u8]> {
        let len = self.u16()?;
        self.take(len.into())
    }

    /// Bytes behind their number in four bytes.
    pub(super) fn long(&mut self) -> Option<&'a [u8]> {
        let len = self.u32()?;
        self.take(usize::try_from(len).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use sha1::{Digest as _, Sha1};

    use super::super::tests::whole;
    use super::*;

    fn entry_of(tag: u32, body: &[u8]) -> Vec<u8> {
        [&tag.to_be_bytes()[..], b"\0\x03web", &[0; 8], body].concat()
    }

    fn certificate_of(bytes: &[u8]) -> Vec<u8> {
        let len = u32::try_from(bytes.len()).unwrap().to_be_bytes();
        [&b"\0\x05X.509"[..], &len, bytes].concat()
    }

    fn key() -> Vec<u8> {
        let key = [&[0x30, 0x50][..], &[7; 0x50]].concat();
        let len = u32::try_from(key.len()).unwrap().to_be_bytes();
        [&len[..], &key, &[0, 0, 0, 1], &certificate_of(b"cert")].concat()
    }

    fn store(magic: &[u8], entries: &[Vec<u8>], password: &str) -> Vec<u8> {
        let count = u32::try_from(entries.len()).unwrap().to_be_bytes();
        let store = [magic, &[0, 0, 0, 2], &count[..], &entries.concat()].concat();
        let password: Vec<u8> = password.encode_utf16().flat_map(u16::to_be_bytes).collect();
        let sum = Sha1::digest([&password[..], SALT, &store].concat());
        [store, sum.to_vec()].concat()
    }

    #[test]
    fn a_store_ends_at_its_sum_and_tells_what_is_in_it() {
        for (password, known) in [("changeit", "true"), ("", "true"), ("other", "false")] {
            let entries = [entry_of(1, &key()), entry_of(2, &certificate_of(b"other"))];
            let bytes = store(JKS, &entries, password);
            let longer = [&bytes[..], b"what follows"].concat();
            let verdict = run(&whole(&longer));
            assert_eq!((verdict.outcome, verdict.span), (Outcome::Pass, 0..bytes.len()));
            let attributes = verdict.attributes;
            assert_eq!(attributes["keystore.known-password"], known, "{password:?}");
            assert_eq!(attributes["keystore.private-keys"], "1");
            assert_eq!(attributes["keystore.certificates"], "1");
        }
    }

    #[test]
    fn what_is_cut_or_has_no_length_ends_where_it_can_be_told() {
        let bytes = store(JKS, &[entry_of(1, &key())], "x");
        for cut in 0..bytes.len() {
            let verdict = run(&whole(&bytes[..cut]));
            // Magic, version, count; tag, alias, time; length of the key and its first byte.
            let expected = if cut < 12 + 17 + 5 { Outcome::Fail } else { Outcome::Unavailable };
            assert_eq!(verdict.outcome, expected, "{cut}");
        }
        let sealed = entry_of(3, &[0xac, 0xed, 0, 5, 0x73, 0x72]);
        let bytes = store(JCEKS, &[entry_of(1, &key()), sealed], "x");
        let verdict = run(&whole(&bytes));
        assert_eq!(verdict.outcome, Outcome::Unavailable);
        assert_eq!(verdict.span, 0..bytes.len() - 20 - 6);
        assert_eq!(verdict.attributes["keystore.secret-keys"], "1");
    }

    #[test]
    fn trust_stores_and_other_bytes_are_none() {
        let trust = store(JKS, &[entry_of(2, &certificate_of(b"cert"))], "changeit");
        let strange = store(JKS, &[entry_of(4, b"")], "changeit");
        let sealed = store(JKS, &[entry_of(3, b"no such entry")], "changeit");
        for bytes in [&trust, &strange, &sealed, &store(JKS, &[], ""), &b"text".to_vec()] {
            assert_eq!(run(&whole(bytes)).outcome, Outcome::Fail);
        }
    }
}
