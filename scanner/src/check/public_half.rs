//! The public half of a private key, to tell whose it is.

use der::asn1::AnyRef;
use der::{Decode, Tag};
use sha2::{Digest, Sha512};
use zeroize::Zeroizing;

use super::modular::{self, Modulus};
use super::{armour, curve, key};

/// What of a private key says which public key belongs to it.
pub(crate) enum Half {
    /// RSA: the modulus, big-endian.
    Modulus(Vec<u8>),
    /// A curve, the private number, and the public point where the key holds it.
    Curve(&'static str, Zeroizing<Vec<u8>>, Option<Vec<u8>>),
    /// Ed25519: the seed.
    Seed(Zeroizing<Vec<u8>>),
}

impl Half {
    /// That of a private key in DER or in armour; `None` if it is encrypted, damaged or of another kind.
    pub(crate) fn of(value: &[u8]) -> Option<Self> {
        let decoded;
        let der = match armour::read(value) {
            Some(armour) => {
                decoded = armour.decode();
                decoded.as_slice()
            }
            None => value,
        };
        let key = key::parse(der).ok()?;
        let fields = key::inner(der.get(..key.len)?)?;
        Self::of_fields(&fields)
    }

    fn of_fields(fields: &[AnyRef<'_>]) -> Option<Self> {
        let tags: Vec<Tag> = fields.iter().map(|field| field.header().tag()).collect();
        match tags.as_slice() {
            [Tag::Integer, Tag::Sequence, Tag::OctetString, ..] => {
                let [_, algorithm, octets, ..] = fields else { return None };
                let algorithm = key::children(*algorithm)?;
                let (identifier, parameters) = algorithm.split_first()?;
                match key::object_identifier(*identifier)?.to_string().as_str() {
                    "1.3.101.112" => {
                        let seed = AnyRef::from_der(octets.value()).ok()?.value();
                        (seed.len() == 32).then(|| Self::Seed(Zeroizing::new(seed.to_vec())))
                    }
                    "1.2.840.10045.2.1" => {
                        let curve = parameters.first().copied().and_then(key::object_identifier);
                        Self::of_curve(
                            &key::inner(octets.value())?,
                            curve.and_then(key::find_curve),
                        )
                    }
                    _ => Self::of_fields(&key::inner(octets.value())?),
                }
            }
            [Tag::Integer, Tag::OctetString, ..] => Self::of_curve(fields, None),
            [Tag::Integer, Tag::Integer, ..] if fields.len() >= 9 => {
                key::uint(*fields.get(1)?).map(|modulus| Self::Modulus(modulus.to_vec()))
            }
            _ => None,
        }
    }

    /// SEC 1: version, private number, [0] curve, [1] public point.
    fn of_curve(fields: &[AnyRef<'_>], outer: Option<key::Curve>) -> Option<Self> {
        let scalar = Zeroizing::new(fields.get(1)?.value().to_vec());
        let (mut curve, mut point) = (outer, None);
        for field in fields.iter().skip(2) {
            let tag = field.header().tag();
            let inner = key::children(*field)?.first().copied()?;
            if key::is_context(tag, 0) {
                curve = key::object_identifier(inner).and_then(key::find_curve).or(curve);
            } else if key::is_context(tag, 1) {
                point = inner.value().get(1..).map(<[u8]>::to_vec);
            }
        }
        Some(Self::Curve(curve?.name, scalar, point))
    }

    /// Whether a point on a curve of that name could be its public half.
    pub(crate) fn may_fit(&self, curve: &str) -> bool {
        match self {
            Self::Modulus(_) => false,
            Self::Curve(name, ..) => *name == curve,
            Self::Seed(_) => curve == "Ed25519",
        }
    }

    /// Whether a public key is this one's: the modulus, or the point on a curve of that name.
    pub(crate) fn fits(&self, curve: Option<&str>, public: &[u8]) -> bool {
        match (self, curve) {
            (Self::Modulus(modulus), None) => modulus == public,
            (Self::Curve(name, _, Some(point)), Some(curve)) => *name == curve && point == public,
            (Self::Curve(name, scalar, None), Some(curve)) => {
                *name == curve && curve::is_pair(name, scalar, public) == Some(true)
            }
            (Self::Seed(seed), Some("Ed25519")) => is_ed25519_pair(seed, public),
            _ => false,
        }
    }
}

/// Ed25519 (RFC 8032 §5.1): the prime, the constant of the curve, and its base point.
const PRIME: [u64; 4] = [u64::MAX - 18, u64::MAX, u64::MAX, u64::MAX >> 1];
const D: [u64; 4] =
    [0x75eb_4dca_1359_78a3, 0x0070_0a4d_4141_d8ab, 0x8cc7_4079_7779_e898, 0x5203_6cee_2b6f_fe73];
const BASE: [[u64; 4]; 2] = [
    [0xc956_2d60_8f25_d51a, 0x692c_c760_9525_a7b2, 0xc0a4_e231_fdd6_dc5c, 0x2169_36d3_cd6e_53fe],
    [0x6666_6666_6666_6658, 0x6666_6666_6666_6666, 0x6666_6666_6666_6666, 0x6666_6666_6666_6666],
];

/// Whether a public key is that of a seed; the sign of its x is not asked.
#[expect(clippy::many_single_char_names, reason = "the letters of RFC 8032")]
fn is_ed25519_pair(seed: &[u8], public: &[u8]) -> bool {
    let Some(field) = Modulus::new(&PRIME) else { return false };
    let hash = Zeroizing::new(Sha512::digest(seed).to_vec());
    let mut scalar = Zeroizing::new(hash.get(..32).unwrap_or_default().to_vec());
    if let [first, .., last] = scalar.as_mut_slice() {
        *first &= 0xf8;
        *last = *last & 0x3f | 0x40;
    }
    let mut expected = public.to_vec();
    let Some(last) = expected.last_mut() else { return false };
    *last &= 0x7f;
    let expected = modular::from_little(&expected);
    if expected.len() != PRIME.len() || !modular::is_below(&expected, &PRIME) {
        return false;
    }

    // Extended coordinates: x = X/Z, y = Y/Z, xy = T/Z (RFC 8032 §5.1.4).
    let twice_d = field.of(&D);
    let twice_d = field.sum(&twice_d, &twice_d);
    let zero = vec![0; PRIME.len()];
    let one = field.one().to_vec();
    let add = |a: &[Vec<u64>; 4], b: &[Vec<u64>; 4]| -> [Vec<u64>; 4] {
        let [x1, y1, z1, t1] = a;
        let [x2, y2, z2, t2] = b;
        let low = field.product(&field.difference(y1, x1), &field.difference(y2, x2));
        let high = field.product(&field.sum(y1, x1), &field.sum(y2, x2));
        let c = field.product(&field.product(t1, &twice_d), t2);
        let z = field.product(z1, z2);
        let z = field.sum(&z, &z);
        let (e, f) = (field.difference(&high, &low), field.difference(&z, &c));
        let (g, h) = (field.sum(&z, &c), field.sum(&high, &low));
        [field.product(&e, &f), field.product(&g, &h), field.product(&f, &g), field.product(&e, &h)]
    };
    let [x, y] = BASE.map(|number| field.of(&number));
    let t = field.product(&x, &y);
    let base = [x, y, one.clone(), t];
    let mut sum = [zero.clone(), one.clone(), one, zero];
    for byte in scalar.iter().rev() {
        for bit in [0x80, 0x40, 0x20, 0x10, 8, 4, 2, 1] {
            sum = add(&sum, &sum);
            if byte & bit != 0 {
                sum = add(&sum, &base);
            }
        }
    }
    let [_, y, z, _] = &sum;
    field.product(&field.of(&expected), z) == *y
}

#[cfg(test)]
mod tests {
    use super::super::key::tests::{P, Q, ec, ed25519_of, rsa};
    use super::super::pem::tests::armour;
    use super::*;
    use data_encoding::HEXLOWER;

    #[test]
    fn the_keys_of_rfc_8032() {
        // §7.1, tests 1 and 2.
        for (seed, public) in [
            (
                ["9d61b19deffd5a60ba844af492ec2cc4", "4449c5697b326919703bac031cae7f60"],
                ["d75a980182b10ab7d54bfed3c964073a", "0ee172f3daa62325af021a68f707511a"],
            ),
            (
                ["4ccd089b28ff96da9db6c346ec114e0f", "5b8a319f35aba624da8cf6ed4fb8a6fb"],
                ["3d4017c3e843895a92b70aa74d1b7ebc", "9c982ccf2ec4968cc0cd55f12af4660c"],
            ),
        ] {
            let [seed, mut public] =
                [seed, public].map(|it| HEXLOWER.decode(it.concat().as_bytes()).unwrap());
            for text in [ed25519_of(&seed), armour("PRIVATE KEY", &ed25519_of(&seed), "\n").into()]
            {
                let half = Half::of(&text).unwrap();
                assert!(half.fits(Some("Ed25519"), &public));
                assert!(!half.fits(Some("P-256"), &public));
                assert!(!half.fits(None, &public));
                assert!(!half.fits(Some("Ed25519"), &public[1..]));
            }
            public[7] ^= 1;
            assert!(!Half::of(&ed25519_of(&seed)).unwrap().fits(Some("Ed25519"), &public));
        }
    }

    #[test]
    fn the_modulus_of_rsa() {
        let Some(Half::Modulus(modulus)) = Half::of(&rsa(P, Q, 0)) else { panic!("no modulus") };
        let half = Half::of(armour("RSA PRIVATE KEY", &rsa(P, Q, 0), "\n").as_bytes()).unwrap();
        assert!(half.fits(None, &modulus));
        assert!(!half.fits(None, &modulus[1..]));
        assert!(!half.fits(Some("P-256"), &modulus));
        assert!(Half::of(b"no key").is_none());
        let curve = Half::of(&ec(32, Some("1.2.840.10045.3.1.7")));
        assert!(matches!(curve, Some(Half::Curve("P-256", ..))));
    }
}
