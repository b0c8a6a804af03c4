//! Files of keys, made from a seed: Java keystores, PKCS #12, keytabs of Kerberos.

use sha1::{Digest as _, Sha1};

use crate::random::Random;

/// A keystore of Java (JKS): with a private key, or with nothing but a certificate.
pub fn jks(with_key: bool, random: &mut Random) -> Vec<u8> {
    let long = |bytes: &[u8]| [&length(bytes)[..], bytes].concat();
    let certificate = [&b"\0\x05X.509"[..], &long(&random.bytes(300))].concat();
    let tag = if with_key { 1_u32 } else { 2 };
    let mut store =
        [&[0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2, 0, 0, 0, 1][..], &tag.to_be_bytes()].concat();
    store.extend(b"\0\x03web");
    store.extend(1_767_225_600_000_u64.to_be_bytes());
    if with_key {
        let key = [&[0x30, 0x82, 0x01, 0x00][..], &random.bytes(256)].concat();
        store.extend(long(&key));
        store.extend(1_u32.to_be_bytes());
    }
    store.extend(certificate);
    let mut sum = Sha1::new();
    sum.update(random.bytes(16));
    sum.update(&store);
    store.extend(sum.finalize());
    store
}

/// A PKCS #12 store (RFC 7292): with an encrypted key, or with nothing but certificates.
pub fn pkcs12(with_key: bool, random: &mut Random) -> Vec<u8> {
    let pkcs =
        |rest: &[u8]| der(0x06, &[&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1][..], rest].concat());
    let data =
        |content: &[u8]| der(0x30, &[pkcs(&[7, 1]), der(0xa0, &der(0x04, content))].concat());
    let kind = if with_key { 2 } else { 3 };
    let bag = [pkcs(&[0x0c, 0x0a, 1, kind]), der(0xa0, &der(0x30, &random.bytes(400)))].concat();
    let bags = data(&der(0x30, &der(0x30, &bag)));
    let mac = der(0x30, &[der(0x30, &random.bytes(49)), der(0x04, &random.bytes(20))].concat());
    der(0x30, &[vec![2, 1, 3], data(&der(0x30, &bags)), mac].concat())
}

/// A keytab with keys of two types, or of lengths that no type has.
pub fn keytab(is_sound: bool, random: &mut Random) -> Vec<u8> {
    let string = |bytes: &[u8]| {
        let len = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
        [&len.to_be_bytes()[..], bytes].concat()
    };
    let mut keytab = vec![5, 2];
    for (kind, size) in [(18_u16, 32), (17, 16)] {
        let size = if is_sound { size } else { size - 1 };
        let entry = [
            &[0, 2][..],
            &string(b"SHOP.TEST"),
            &string(b"HTTP"),
            &string(b"cart.shop.test"),
            &[0, 0, 0, 1, 0x69, 0x55, 0, 0, 3],
            &kind.to_be_bytes(),
            &string(&random.bytes(size)),
            &[0, 0, 0, 3],
        ]
        .concat();
        keytab.extend(length(&entry));
        keytab.extend(entry);
    }
    keytab
}

fn length(bytes: &[u8]) -> [u8; 4] {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes()
}

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut element = vec![tag];
    match u8::try_from(content.len()) {
        Ok(len @ 0..=0x7f) => element.push(len),
        Ok(len) => element.extend([0x81, len]),
        Err(_) => {
            element.push(0x82);
            element.extend(u16::try_from(content.len()).unwrap_or(u16::MAX).to_be_bytes());
        }
    }
    element.extend(content);
    element
}
