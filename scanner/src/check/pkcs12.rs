//! PKCS #12 stores (RFC 7292), whose outer structure is not encrypted.

use super::{Attributes, Outcome, Subject, Verdict};
use crate::secret::SecretBytes;

// Identifiers, as they are encoded.
const DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1];
const ENCRYPTED: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 6];
/// What the types of bags begin with (§4.2): 1 a key, 2 an encrypted key, 3 a certificate, 5 a secret.
const BAG: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 0x0c, 0x0a, 1];
const SEQUENCE: u8 = 0x30;
const OCTETS: u8 = 0x04;
const IDENTIFIER: u8 = 0x06;
const CONTEXT: u8 = 0xa0;

/// Checks a store where the span begins: version 3, its parts, and the bags in those that are not
/// encrypted, as keys are (on their own). Its own length gives the end.
///
/// Unavailable: it is longer than what is there of it. Weak: so it is, and no key was seen yet.
/// Fail: no key has a bag of its own, as in a store of certificates. Tools encrypt keys one by one,
/// and certificates all together.
pub(super) fn run(subject: &Subject<'_>) -> Verdict {
    let value = subject.value();
    let Some(store) = parse(value) else { return Verdict::of(Outcome::Fail, subject) };
    let keys = store.keys.saturating_add(store.bare);
    let outcome = match (store.is_whole, keys) {
        (true, 0) => return Verdict::of(Outcome::Fail, subject),
        (true, _) => Outcome::Pass,
        (false, 0) => Outcome::Weak,
        (false, _) => Outcome::Unavailable,
    };
    let mut attributes = Attributes::from([
        ("keystore.encrypted-parts", store.encrypted.to_string()),
        ("keystore.private-keys", keys.to_string()),
        ("keystore.type", "PKCS12".to_owned()),
        ("keystore.whole", store.is_whole.to_string()),
    ]);
    if store.bare > 0 {
        attributes.insert("keystore.keys-without-password", store.bare.to_string());
    }
    let bytes = value.get(..store.len).unwrap_or(value);
    let span = subject.part(0..bytes.len());
    let canonical = Some(SecretBytes::new(bytes));
    Verdict { outcome, span, attributes, canonical, plain: None }
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Store {
    /// Encrypted keys and secrets.
    keys: u32,
    /// Keys that are not encrypted.
    bare: u32,
    /// Parts that are encrypted.
    encrypted: u32,
    /// Bytes that it has by its own length.
    len: usize,
    is_whole: bool,
}

/// Reads the store that `bytes` begin with; `None` where they are none, as far as they go.
fn parse(bytes: &[u8]) -> Option<Store> {
    let outer = element(bytes)?;
    let mut rest = outer.expect(SEQUENCE)?;
    rest = rest.strip_prefix(&[2, 1, 3])?;
    let content = element(rest)?;
    let mut store = Store { len: outer.len, is_whole: !outer.is_cut, ..Store::default() };
    let info = content.expect(SEQUENCE)?;
    let kind = element(info)?;
    if kind.expect(IDENTIFIER)? != DATA {
        // Public-key integrity: the parts are within a signature.
        return None;
    }
    let octets = element(element(info.get(kind.len..)?)?.expect(CONTEXT)?)?;
    let mut parts = element(octets.expect(OCTETS)?)?.expect(SEQUENCE)?;
    while let Some(part) = element(parts) {
        count(&mut store, part.expect(SEQUENCE)?);
        parts = parts.get(part.len..).unwrap_or_default();
    }
    if store.is_whole {
        let behind = rest.get(content.len..)?;
        // MacData, or nothing.
        let is_sound = behind.is_empty()
            || element(behind).is_some_and(|mac| mac.tag == SEQUENCE && mac.len == behind.len());
        is_sound.then_some(())?;
    }
    Some(store)
}

/// Counts what a part holds.
fn count(store: &mut Store, info: &[u8]) -> Option<()> {
    let kind = element(info)?;
    match kind.expect(IDENTIFIER)? {
        ENCRYPTED => store.encrypted = store.encrypted.saturating_add(1),
        DATA => {
            let octets = element(element(info.get(kind.len..)?)?.expect(CONTEXT)?)?;
            let mut bags = element(octets.expect(OCTETS)?)?.expect(SEQUENCE)?;
            while let Some(bag) = element(bags) {
                let id = element(bag.expect(SEQUENCE)?)?;
                match id.expect(IDENTIFIER)?.strip_prefix(BAG) {
                    Some([1]) => store.bare = store.bare.saturating_add(1),
                    Some([2 | 5]) => store.keys = store.keys.saturating_add(1),
                    _ => {}
                }
                bags = bags.get(bag.len..).unwrap_or_default();
            }
        }
        _ => {}
    }
    Some(())
}

/// An element of DER, as far as it is there.
struct Element<'a> {
    tag: u8,
    content: &'a [u8],
    /// Bytes of all of it, header included.
    len: usize,
    is_cut: bool,
}

impl<'a> Element<'a> {
    fn expect(&self, tag: u8) -> Option<&'a [u8]> {
        (self.tag == tag).then_some(self.content)
    }
}

/// The element that `bytes` begin with; `None` without a header of a definite length.
fn element(bytes: &[u8]) -> Option<Element<'_>> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (len, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (number, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (number.iter().fold(0, |len, byte| len << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let header = bytes.len().saturating_sub(rest.len());
    let content = rest.get(..len).unwrap_or(rest);
    let is_cut = content.len() < len;
    Some(Element { tag, content, len: header.saturating_add(len), is_cut })
}

#[cfg(test)]
mod tests {
    use super::super::tests::whole;
    use super::*;

    fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
        let len = u16::try_from(content.len()).unwrap().to_be_bytes();
        [&[tag, 0x82][..], &len, content].concat()
    }

    fn data(content: &[u8]) -> Vec<u8> {
        let octets = tlv(CONTEXT, &tlv(OCTETS, content));
        tlv(SEQUENCE, &[tlv(IDENTIFIER, DATA), octets].concat())
    }

    fn bag(kind: u8) -> Vec<u8> {
        let id = tlv(IDENTIFIER, &[BAG, &[kind]].concat());
        tlv(SEQUENCE, &[id, tlv(CONTEXT, &[7; 60])].concat())
    }

    fn store(parts: &[Vec<u8>]) -> Vec<u8> {
        let mac = tlv(SEQUENCE, &[9; 50]);
        let parts = data(&tlv(SEQUENCE, &parts.concat()));
        tlv(SEQUENCE, &[vec![2, 1, 3], parts, mac].concat())
    }

    fn encrypted() -> Vec<u8> {
        tlv(SEQUENCE, &[tlv(IDENTIFIER, ENCRYPTED), tlv(CONTEXT, &[1; 90])].concat())
    }

    fn bags(kinds: &[u8]) -> Vec<u8> {
        let bags: Vec<u8> = kinds.iter().flat_map(|kind| bag(*kind)).collect();
        data(&tlv(SEQUENCE, &bags))
    }

    #[test]
    fn a_store_tells_its_keys_and_its_end() {
        let bytes = store(&[encrypted(), bags(&[2, 1, 3])]);
        let longer = [&bytes[..], b"what follows"].concat();
        let verdict = run(&whole(&longer));
        assert_eq!((verdict.outcome, verdict.span), (Outcome::Pass, 0..bytes.len()));
        assert_eq!(verdict.attributes["keystore.private-keys"], "2");
        assert_eq!(verdict.attributes["keystore.keys-without-password"], "1");
        assert_eq!(verdict.attributes["keystore.encrypted-parts"], "1");
        for cut in 0..bytes.len() {
            let verdict = run(&whole(&bytes[..cut]));
            assert_ne!(verdict.outcome, Outcome::Pass, "{cut}");
            assert!(verdict.span.end <= cut);
        }
        let most = &bytes[..bytes.len() - 1];
        assert_eq!(run(&whole(most)).outcome, Outcome::Unavailable, "keys were seen");
        assert_eq!(run(&whole(&bytes[..100])).outcome, Outcome::Weak, "none yet");
    }

    #[test]
    fn what_holds_no_key_is_told() {
        assert_eq!(run(&whole(&store(&[encrypted()]))).outcome, Outcome::Fail);
        assert_eq!(run(&whole(&store(&[bags(&[3, 3])]))).outcome, Outcome::Fail);
        assert_eq!(run(&whole(&store(&[]))).outcome, Outcome::Fail);
        let mut other = store(&[bags(&[2])]);
        other[6] = 4;
        assert_eq!(run(&whole(&other)).outcome, Outcome::Fail, "another version");
    }
}
