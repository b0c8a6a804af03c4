//! Private keys in DER: PKCS#1 (RFC 8017), PKCS#8 (RFC 5958), SEC1 (RFC 5915), and DSA's own form.

use der::asn1::{AnyRef, ObjectIdentifier, UintRef};
use der::{Decode, Reader, SliceReader, Tag};

use super::{Attributes, attribute, curve as curves, entropy};

/// Why bytes are no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The outermost element is longer than the bytes.
    Truncated,
    /// It is something else, or damaged.
    Malformed,
}

/// What the structure of a key says. `label` is the one of its armour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) label: &'static str,
    /// `RSA`, `EC`, `Ed25519`…; an object identifier where we have no name.
    kind: String,
    /// Bits of the modulus or prime.
    bits: Option<usize>,
    curve: Option<&'static str>,
    is_encrypted: bool,
    /// RSA: whether the modulus is the product of the primes. EC: whether the public point, where it
    /// is there, is that of the private number.
    pub(super) is_consistent: Option<bool>,
    /// Kinds of RFC 8410, whose octets nothing ties together: whether they could be random.
    pub(super) is_random: Option<bool>,
    /// Bytes of the whole element.
    pub(super) len: usize,
}

impl Key {
    pub(super) fn attributes(&self) -> Attributes {
        let mut attributes = Attributes::from([
            ("key.encrypted", self.is_encrypted.to_string()),
            ("key.type", attribute(&self.kind)),
        ]);
        if let Some(bits) = self.bits {
            attributes.insert("key.bits", bits.to_string());
        }
        if let Some(curve) = self.curve {
            attributes.insert("key.curve", curve.to_owned());
        }
        if let Some(is_consistent) = self.is_consistent {
            attributes.insert("key.consistent", is_consistent.to_string());
        }
        attributes
    }
}

/// Reads the private key that `der` begins with; its label is not asked, as programs get it wrong.
///
/// # Errors
/// When there is no such key, or not all of it.
pub(super) fn parse(der: &[u8]) -> Result<Key, Fault> {
    let mut reader = SliceReader::new(der).map_err(|_| Fault::Malformed)?;
    let header = der::Header::peek(&reader).map_err(|error| fault(&error))?;
    if header.tag() != Tag::Sequence {
        return Err(Fault::Malformed);
    }
    let len = reader.tlv_bytes().map_err(|error| fault(&error))?.len();
    let element = der.get(..len).ok_or(Fault::Truncated)?;
    private_key(element, len).ok_or(Fault::Malformed)
}

fn fault(error: &der::Error) -> Fault {
    let is_cut = matches!(error.kind(), der::ErrorKind::Incomplete { .. });
    if is_cut { Fault::Truncated } else { Fault::Malformed }
}

fn private_key(element: &[u8], len: usize) -> Option<Key> {
    let fields = children(AnyRef::from_der(element).ok()?)?;
    let tags: Vec<Tag> = fields.iter().map(|field| field.header().tag()).collect();
    let key = match tags.as_slice() {
        [Tag::Sequence, Tag::OctetString] => encrypted(&fields)?,
        [Tag::Integer, Tag::Sequence, Tag::OctetString, ..] => pkcs8(&fields)?,
        [Tag::Integer, Tag::OctetString, ..] => sec1(&fields, None)?,
        [Tag::Integer, Tag::Integer, ..] if tags.len() == 6 => dsa(&fields)?,
        [Tag::Integer, Tag::Integer, ..] => pkcs1(&fields)?,
        _ => return None,
    };
    Some(Key { len, ..key })
}

fn key(label: &'static str, kind: &str) -> Key {
    Key {
        label,
        kind: kind.to_owned(),
        bits: None,
        curve: None,
        is_encrypted: false,
        is_consistent: None,
        is_random: None,
        len: 0,
    }
}

/// RSAPrivateKey: version, n, e, d, p, q, dp, dq, qi; version 1 adds further primes.
fn pkcs1(fields: &[AnyRef<'_>]) -> Option<Key> {
    let numbers: Vec<&[u8]> = fields.iter().map_while(|field| uint(*field)).collect();
    let [version, modulus, exponent, private, p, q, _dp, _dq, _qi] = numbers.as_slice() else {
        return None;
    };
    let is_multi_prime = match (fields.len(), *version) {
        (9, [0]) => false,
        (10, [1]) => true,
        _ => return None,
    };
    let is_odd = |number: &[u8]| number.last().is_some_and(|last| last % 2 == 1);
    if !is_odd(modulus) || !is_odd(exponent) || private.is_empty() {
        return None;
    }
    let is_consistent = (!is_multi_prime).then(|| is_product(modulus, p, q));
    Some(Key { bits: Some(bits(modulus)), is_consistent, ..key("RSA PRIVATE KEY", "RSA") })
}

/// version 0, p, q, g, public, private.
fn dsa(fields: &[AnyRef<'_>]) -> Option<Key> {
    let numbers: Vec<&[u8]> = fields.iter().map_while(|field| uint(*field)).collect();
    let [[0], p, q, _g, _public, private] = numbers.as_slice() else { return None };
    let is_plausible = bits(p) >= 512 && bits(q) >= 160 && bits(private) <= bits(q);
    is_plausible.then(|| Key { bits: Some(bits(p)), ..key("DSA PRIVATE KEY", "DSA") })
}

/// ECPrivateKey: version 1, octets of the size of the curve, [0] curve, [1] public point.
fn sec1(fields: &[AnyRef<'_>], outer_curve: Option<Curve>) -> Option<Key> {
    let (version, rest) = fields.split_first()?;
    let (scalar, rest) = rest.split_first()?;
    if uint(*version)? != [1] || scalar.header().tag() != Tag::OctetString {
        return None;
    }
    let scalar = scalar.value();
    let mut curve = outer_curve;
    let mut is_whole = scalar.iter().any(|&byte| byte != 0);
    let mut public = None;
    for field in rest {
        match (field.header().tag(), children(*field)?.as_slice()) {
            (tag, [inner]) if is_context(tag, 0) => {
                if inner.header().tag() == Tag::ObjectIdentifier {
                    curve = find_curve(object_identifier(*inner)?);
                }
            }
            (tag, [point]) if is_context(tag, 1) && point.header().tag() == Tag::BitString => {
                is_whole &= is_point(point.value(), scalar.len());
                public = point.value().get(1..);
            }
            _ => return None,
        }
    }
    is_whole &= match curve {
        Some(curve) => scalar.len() == curve.size,
        None => CURVES.iter().any(|known| known.size == scalar.len()),
    };
    let name = curve.map(|curve| curve.name);
    is_whole.then(|| {
        let is_consistent =
            public.zip(name).and_then(|(public, name)| curves::is_pair(name, scalar, public));
        Key { curve: name, is_consistent, ..key("EC PRIVATE KEY", "EC") }
    })
}

/// A point of SEC1 §2.3.3 in a bit string without unused bits.
fn is_point(bits: &[u8], size: usize) -> bool {
    let full = size.saturating_mul(2);
    match bits {
        [0, 4, rest @ ..] => rest.len() == full,
        [0, 2 | 3, rest @ ..] => rest.len() == size,
        _ => false,
    }
}

/// OneAsymmetricKey: version, algorithm, octets that hold the key, attributes.
fn pkcs8(fields: &[AnyRef<'_>]) -> Option<Key> {
    let [version, algorithm, octets, ..] = fields else { return None };
    let algorithm = children(*algorithm)?;
    let (identifier, parameters) = algorithm.split_first()?;
    let identifier = object_identifier(*identifier)?;
    let private = octets.value();
    if !matches!(uint(*version)?, [0 | 1]) || private.is_empty() {
        return None;
    }
    let name = identifier.to_string();
    let key = match name.as_str() {
        "1.2.840.113549.1.1.1" | "1.2.840.113549.1.1.10" => pkcs1(&inner(private)?)?,
        "1.2.840.10045.2.1" => {
            let curve = parameters.first().copied().and_then(object_identifier);
            sec1(&inner(private)?, curve.and_then(find_curve))?
        }
        "1.2.840.10040.4.1" => {
            let domain = children(*parameters.first()?)?;
            let prime = uint(*domain.first()?)?;
            uint(AnyRef::from_der(private).ok()?)?;
            Key { bits: Some(bits(prime)), ..key("", "DSA") }
        }
        other => match EDWARDS.iter().find(|(id, _, _)| *id == other) {
            // CurvePrivateKey of RFC 8410 §7: octets in octets.
            Some((_, kind, size)) => {
                let private = AnyRef::from_der(private).ok()?;
                let secret = private.value();
                let is_whole = private.header().tag() == Tag::OctetString && secret.len() == *size;
                is_whole.then(|| Key { is_random: Some(is_random(secret)), ..key("", kind) })?
            }
            None => key("", other),
        },
    };
    Some(Key { label: "PRIVATE KEY", ..key })
}

/// Thousandths of a bit per byte that 32 random bytes reach: mostly 4800 to 5000.
const RANDOM_OCTETS: u32 = 4_300;

/// Whether octets could be a key: neither a filling nor text.
fn is_random(secret: &[u8]) -> bool {
    entropy::shannon(secret) >= RANDOM_OCTETS && !secret.is_ascii()
}

/// EncryptedPrivateKeyInfo: a password-based scheme (PKCS#5 or PKCS#12), octets.
fn encrypted(fields: &[AnyRef<'_>]) -> Option<Key> {
    let [scheme, octets] = fields else { return None };
    let scheme = children(*scheme)?;
    let name = object_identifier(*scheme.first()?)?.to_string();
    let is_scheme =
        name.starts_with("1.2.840.113549.1.5.") || name.starts_with("1.2.840.113549.1.12.1.");
    (is_scheme && octets.value().len() >= 16)
        .then(|| Key { is_encrypted: true, ..key("ENCRYPTED PRIVATE KEY", "encrypted") })
}

/// The elements inside an element of this encoding.
pub(super) fn inner(der: &[u8]) -> Option<Vec<AnyRef<'_>>> {
    children(AnyRef::from_der(der).ok()?)
}

/// Elements of a structure, after which it is none of ours.
const MAX_FIELDS: usize = 16;

pub(super) fn children(element: AnyRef<'_>) -> Option<Vec<AnyRef<'_>>> {
    let mut fields = Vec::new();
    if element.value().is_empty() {
        return Some(fields);
    }
    let mut reader = SliceReader::new(element.value()).ok()?;
    while !reader.is_finished() {
        if fields.len() == MAX_FIELDS {
            return None;
        }
        fields.push(AnyRef::decode(&mut reader).ok()?);
    }
    Some(fields)
}

/// A number that is not negative, without leading zeros.
pub(super) fn uint(element: AnyRef<'_>) -> Option<&[u8]> {
    element.decode_as::<UintRef<'_>>().ok().map(|number| number.as_bytes())
}

pub(super) fn object_identifier(element: AnyRef<'_>) -> Option<ObjectIdentifier> {
    element.decode_as::<ObjectIdentifier>().ok()
}

pub(super) fn is_context(tag: Tag, expected: u32) -> bool {
    matches!(tag, Tag::ContextSpecific { number, .. } if number.value() == expected)
}

#[derive(Clone, Copy)]
pub(super) struct Curve {
    id: &'static str,
    pub(super) name: &'static str,
    /// Bytes of a scalar.
    size: usize,
}

const fn curve(id: &'static str, name: &'static str, size: usize) -> Curve {
    Curve { id, name, size }
}

/// SEC 2, RFC 5639, GM/T 0006.
const CURVES: &[Curve] = &[
    curve("1.2.840.10045.3.1.7", "P-256", 32),
    curve("1.3.132.0.34", "P-384", 48),
    curve("1.3.132.0.35", "P-521", 66),
    curve("1.3.132.0.10", "secp256k1", 32),
    curve("1.3.132.0.33", "P-224", 28),
    curve("1.2.840.10045.3.1.1", "P-192", 24),
    curve("1.3.36.3.3.2.8.1.1.7", "brainpoolP256r1", 32),
    curve("1.3.36.3.3.2.8.1.1.11", "brainpoolP384r1", 48),
    curve("1.3.36.3.3.2.8.1.1.13", "brainpoolP512r1", 64),
    curve("1.2.156.10197.1.301", "SM2", 32),
];

pub(super) fn find_curve(id: ObjectIdentifier) -> Option<Curve> {
    let id = id.to_string();
    CURVES.iter().copied().find(|curve| curve.id == id)
}

/// RFC 8410: identifier, name, bytes of the key.
const EDWARDS: &[(&str, &str, usize)] = &[
    ("1.3.101.110", "X25519", 32),
    ("1.3.101.111", "X448", 56),
    ("1.3.101.112", "Ed25519", 32),
    ("1.3.101.113", "Ed448", 57),
];

/// Length of a big-endian number in bits.
pub(super) fn bits(number: &[u8]) -> usize {
    let significant = number.iter().skip_while(|&&byte| byte == 0);
    let zeros = significant.clone().next().map_or(0, |byte| byte.leading_zeros());
    let zeros = usize::try_from(zeros).unwrap_or(0);
    significant.count().saturating_mul(8).saturating_sub(zeros)
}

/// The two largest primes below 2^61.
const MODULI: [u64; 2] = [(1 << 61) - 1, (1 << 61) - 31];

/// Whether n = p * q, for big-endian numbers, tested modulo two primes of 61 bits: a wrong answer
/// for numbers that nobody chose for it has a chance of 2^-121.
pub(super) fn is_product(n: &[u8], p: &[u8], q: &[u8]) -> bool {
    let is_factor = |number: &[u8]| bits(number) > 1;
    is_factor(p)
        && is_factor(q)
        && MODULI.iter().all(|&modulus| {
            let product =
                u128::from(remainder(p, modulus)).saturating_mul(u128::from(remainder(q, modulus)));
            product.checked_rem(u128::from(modulus)) == Some(u128::from(remainder(n, modulus)))
        })
}

/// A big-endian number modulo a number below 2^61, seven bytes at a time.
fn remainder(number: &[u8], modulus: u64) -> u64 {
    number.chunks(7).fold(0, |rest, chunk| {
        let value = chunk
            .iter()
            .fold(u128::from(rest), |value, &byte| value.wrapping_shl(8) | u128::from(byte));
        value.checked_rem(u128::from(modulus)).and_then(|r| u64::try_from(r).ok()).unwrap_or(0)
    })
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "lengths of test data")]
pub(super) mod tests {
    use super::*;
    use sha2::{Digest, Sha256};

    /// One element: the tag, its length in DER, the parts.
    pub(in crate::check) fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        let body = parts.concat();
        let len = u16::try_from(body.len()).unwrap().to_be_bytes();
        let length = match body.len() {
            0..=127 => vec![len[1]],
            128..=255 => vec![0x81, len[1]],
            _ => vec![0x82, len[0], len[1]],
        };
        [&[tag], &length[..], &body].concat()
    }

    fn integer(number: &[u8]) -> Vec<u8> {
        let number: Vec<u8> = number.iter().copied().skip_while(|&b| b == 0).collect();
        match number.first() {
            Some(0x80..) | None => tlv(2, &[&[0], &number]),
            Some(_) => tlv(2, &[&number]),
        }
    }

    /// An RSA key whose modulus is p * q + `error`. Small, and its other numbers are made up.
    pub(in crate::check) fn rsa(p: u64, q: u64, error: u128) -> Vec<u8> {
        let n = u128::from(p) * u128::from(q) + error;
        let filler = integer(&[0x5a; 200]);
        let numbers = [
            integer(&[0]),
            integer(&n.to_be_bytes()),
            integer(&[1, 0, 1]),
            filler.clone(),
            integer(&p.to_be_bytes()),
            integer(&q.to_be_bytes()),
            filler.clone(),
            filler.clone(),
            filler,
        ];
        tlv(0x30, &[&numbers.concat()])
    }

    /// Primes just below 2^64 and 2^61.
    pub(in crate::check) const P: u64 = u64::MAX - 58;
    pub(in crate::check) const Q: u64 = (1 << 61) - 1;

    fn oid(text: &str) -> Vec<u8> {
        tlv(6, &[ObjectIdentifier::new_unwrap(text).as_bytes()])
    }

    /// PKCS#8 around the bytes of a key.
    pub(in crate::check) fn wrap(algorithm: &str, parameters: &[u8], private: &[u8]) -> Vec<u8> {
        let algorithm = tlv(0x30, &[&oid(algorithm), parameters]);
        tlv(0x30, &[&integer(&[0]), &algorithm, &tlv(4, &[private])])
    }

    pub(in crate::check) fn ec(size: usize, curve: Option<&str>) -> Vec<u8> {
        let parameters = curve.map_or(Vec::new(), |curve| tlv(0xa0, &[&oid(curve)]));
        let (scalar, point) = match curve {
            Some(P256) if size == 32 => curves::smallest("P-256"),
            _ => (vec![7; size], [vec![4], vec![9; 2 * size]].concat()),
        };
        let point = tlv(0xa1, &[&tlv(3, &[&[0], &point])]);
        tlv(0x30, &[&integer(&[1]), &tlv(4, &[&scalar]), &parameters, &point])
    }

    const RSA: &str = "1.2.840.113549.1.1.1";
    const EC: &str = "1.2.840.10045.2.1";
    const ED25519: &str = "1.3.101.112";
    const P256: &str = "1.2.840.10045.3.1.7";

    pub(in crate::check) fn ed25519() -> Vec<u8> {
        ed25519_of(&Sha256::digest(b"an Ed25519 key"))
    }

    pub(in crate::check) fn ed25519_of(secret: &[u8]) -> Vec<u8> {
        wrap(ED25519, &[], &tlv(4, &[secret]))
    }

    pub(in crate::check) fn pbes2() -> Vec<u8> {
        let scheme = tlv(0x30, &[&oid("1.2.840.113549.1.5.13"), &tlv(0x30, &[])]);
        tlv(0x30, &[&scheme, &tlv(4, &[&[7; 48]])])
    }

    fn dsa() -> Vec<u8> {
        let numbers = [&[0][..], &[0x7a; 128], &[0xfb; 20], &[3; 128], &[5; 128], &[6; 20]];
        tlv(0x30, &[&numbers.map(integer).concat()])
    }

    /// Encoding, label, and what must be read off it.
    type Case = (Vec<u8>, &'static str, Vec<(&'static str, &'static str)>);

    fn keys() -> Vec<Case> {
        let null = [5, 0];
        let rsa_facts = vec![
            ("key.bits", "125"),
            ("key.consistent", "true"),
            ("key.encrypted", "false"),
            ("key.type", "RSA"),
        ];
        let ec_facts =
            |curve| vec![("key.curve", curve), ("key.encrypted", "false"), ("key.type", "EC")];
        let plain = |kind| vec![("key.encrypted", "false"), ("key.type", kind)];
        vec![
            (rsa(P, Q, 0), "RSA PRIVATE KEY", rsa_facts.clone()),
            (wrap(RSA, &null, &rsa(P, Q, 0)), "PRIVATE KEY", rsa_facts),
            (
                ec(32, Some(P256)),
                "EC PRIVATE KEY",
                vec![
                    ("key.consistent", "true"),
                    ("key.curve", "P-256"),
                    ("key.encrypted", "false"),
                    ("key.type", "EC"),
                ],
            ),
            (ec(48, None), "EC PRIVATE KEY", plain("EC")),
            (wrap(EC, &oid("1.3.132.0.35"), &ec(66, None)), "PRIVATE KEY", ec_facts("P-521")),
            (ed25519(), "PRIVATE KEY", plain("Ed25519")),
            (wrap("1.3.101.111", &[], &tlv(4, &[&[7; 56]])), "PRIVATE KEY", plain("X448")),
            (
                wrap("2.16.840.1.101.3.4.3.17", &[], &[7; 32]),
                "PRIVATE KEY",
                plain("2.16.840.1.101.3.4.3.17"),
            ),
            (
                pbes2(),
                "ENCRYPTED PRIVATE KEY",
                vec![("key.encrypted", "true"), ("key.type", "encrypted")],
            ),
            (
                dsa(),
                "DSA PRIVATE KEY",
                vec![("key.bits", "1023"), ("key.encrypted", "false"), ("key.type", "DSA")],
            ),
        ]
    }

    #[test]
    fn every_form_is_read_and_its_end_found() {
        for (der, label, facts) in keys() {
            let text = [&der[..], b"stale bytes"].concat();
            let key = parse(&text).unwrap_or_else(|fault| panic!("{label} {facts:?}: {fault:?}"));
            assert_eq!((key.label, key.len), (label, der.len()));
            let attributes = key.attributes();
            let found = attributes.iter().map(|(name, value)| (name, value.as_str()));
            assert!(found.eq(facts.iter().copied()), "{label}: {attributes:?}");
        }
    }

    #[test]
    fn every_truncation_is_noticed() {
        for (der, label, _) in keys() {
            for len in 0..der.len() {
                assert!(parse(&der[..len]).is_err(), "{label}: {len} bytes");
                if len > 8 {
                    assert_eq!(parse(&der[..len]), Err(Fault::Truncated), "{label}: {len} bytes");
                }
            }
        }
    }

    #[test]
    fn what_is_no_key() {
        let certificate_head = tlv(0x30, &[&tlv(0x30, &[&integer(&[2]), &oid(RSA)])]);
        let public = tlv(0x30, &[&integer(&[0x7f; 64]), &integer(&[1, 0, 1])]);
        let indefinite = [&[0x30, 0x80], &rsa(P, Q, 0)[4..], &[0, 0]].concat();
        let zero_scalar = tlv(0x30, &[&integer(&[1]), &tlv(4, &[&[0; 32]])]);
        let cases = [
            (certificate_head, "certificate"),
            (public, "public key"),
            (indefinite, "indefinite length"),
            (zero_scalar, "scalar of zero"),
            (ec(31, Some(P256)), "scalar shorter than its curve"),
            (ec(31, None), "scalar of no curve"),
            (wrap(RSA, &[5, 0], &[7; 32]), "no RSA key inside"),
            (wrap(ED25519, &[], &tlv(4, &[&[7; 31]])), "31 bytes of Ed25519"),
            (tlv(0x31, &[&[2, 1, 0]]), "a set"),
            (tlv(0x30, &[]), "empty"),
            (tlv(0x30, &[&[2, 1, 0].repeat(40)]), "too many fields"),
        ];
        for (der, why) in cases {
            assert_eq!(parse(&der), Err(Fault::Malformed), "{why}");
        }
    }

    #[test]
    fn a_modulus_that_is_no_product_is_told() {
        assert_eq!(parse(&rsa(P, Q, 2)).unwrap().is_consistent, Some(false));
        assert!(is_product(&[0, 15], &[3], &[0, 5]));
        assert!(!is_product(&[15], &[15], &[1]));
        assert!(!is_product(&[16], &[3], &[5]));
        assert!(!is_product(&[], &[], &[]));
    }

    #[test]
    fn remainders_of_long_numbers() {
        // 2^1024 mod (2^61 - 1) = 2^(1024 mod 61) = 2^48.
        let mut number = vec![0; 129];
        number[0] = 1;
        assert_eq!(remainder(&number, MODULI[0]), 1 << 48);
        assert_eq!(bits(&number), 1025);
        assert_eq!(bits(&[0, 0]), 0);
    }
}
