//! Numbers of RSA: primes as programs keep them, in words of the machine, and the moduli of public
//! keys, which say to whom a prime belongs.

use std::sync::LazyLock;

use super::certificate::{self, content};
use super::modular::{self, Divisor};
use super::{Attributes, Outcome, Subject, Verdict};

/// How the words of a number lie in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Words {
    /// The least significant first, of 64 or 32 bits: OpenSSL, Go, GMP.
    Little,
    /// Of 32 bits, the most significant first, each in the order of the machine: `BigInteger` of Java.
    JavaMag,
}

const READINGS: [Words; 2] = [Words::Little, Words::JavaMag];

impl Words {
    fn name(self) -> &'static str {
        match self {
            Self::Little => "little-endian",
            Self::JavaMag => "32-bit words, highest first",
        }
    }

    /// Whether bytes could be a prime of RSA: odd, of full length, and none that is known to all (those
    /// of Diffie-Hellman groups begin with 64 bits of ones, RFC 7919 and RFC 3526).
    fn could_be_prime(self, bytes: &[u8]) -> bool {
        let word = |at: Option<usize>, len| {
            at.and_then(|at| bytes.get(at..)?.get(..len)).unwrap_or_default()
        };
        let (lowest, highest) = match self {
            Self::Little => (bytes.first(), word(bytes.len().checked_sub(8), 8)),
            Self::JavaMag => (word(bytes.len().checked_sub(4), 4).first(), word(Some(0), 8)),
        };
        let top = match self {
            Self::Little => highest.last(),
            Self::JavaMag => highest.get(3),
        };
        lowest.is_some_and(|byte| byte % 2 == 1)
            && top.is_some_and(|byte| *byte >= 0x80)
            && highest.iter().any(|byte| *byte != 0xff)
    }

    fn limbs(self, bytes: &[u8]) -> Vec<u64> {
        match self {
            Self::Little => modular::from_little(bytes),
            Self::JavaMag => modular::from_little(&bytes.rchunks(4).collect::<Vec<_>>().concat()),
        }
    }
}

/// Different bytes that random ones of the shortest prime have at least: of 128 mostly 95 to 107.
const DIFFERENT: usize = 80;

/// The readings of bytes in which they could be a prime of RSA.
fn readings(bytes: &[u8]) -> impl Iterator<Item = (Words, Vec<u64>)> + '_ {
    let could_be = READINGS.into_iter().filter(|words| words.could_be_prime(bytes));
    could_be.map(|words| (words, words.limbs(bytes)))
}

/// Products of all odd primes below 200, below 2^32 each.
const SMALL: [u32; 9] = [
    3 * 5 * 7 * 11 * 13 * 17 * 19 * 23 * 29,
    31 * 37 * 41 * 43 * 47,
    53 * 59 * 61 * 67 * 71,
    73 * 79 * 83 * 89 * 97,
    101 * 103 * 107 * 109,
    113 * 127 * 131 * 137,
    139 * 149 * 151 * 157,
    163 * 167 * 173 * 179,
    181 * 191 * 193 * 197,
];

fn has_small_factor(limbs: &[u64]) -> bool {
    has_factor_of(limbs, &SMALL) || has_factor_of(limbs, &LARGER)
}

fn has_factor_of(limbs: &[u64], products: &[u32]) -> bool {
    products.iter().any(|product| {
        let (mut a, mut b) = (*product, modular::remainder(limbs, *product));
        while b != 0 {
            (a, b) = (b, a.checked_rem(b).unwrap_or(0));
        }
        a > 1
    })
}

/// Products of the primes from 200 to [`LARGEST`], below 2^32 each. What has none of them as a factor is
/// worth a test that takes as long as a hundred of these divisions.
static LARGER: LazyLock<Vec<u32>> = LazyLock::new(|| {
    let is_prime = |number: &u32| (2..46).all(|factor| !number.is_multiple_of(factor));
    let mut products = vec![1_u32];
    for prime in (200..LARGEST).filter(is_prime) {
        match products.last_mut().and_then(|last| Some((last.checked_mul(prime)?, last))) {
            Some((product, last)) => *last = product,
            None => products.push(prime),
        }
    }
    products
});

/// The square of 46, below which a number without smaller factors is prime.
const LARGEST: u32 = 46 * 46;

/// Whether bytes look random.
fn is_random(bytes: &[u8]) -> bool {
    let mut seen = [false; 256];
    for byte in bytes {
        if let Some(seen) = seen.get_mut(usize::from(*byte)) {
            *seen = true;
        }
    }
    seen.iter().filter(|seen| **seen).count() >= DIFFERENT
}

/// Whether words in memory could be a prime, in words that lie as `is_java` says.
pub(crate) fn could_be_prime(bytes: &[u8], is_java: bool) -> bool {
    let is_asked = |words: &Words| is_java || *words == Words::Little;
    READINGS.iter().filter(|words| is_asked(words)).any(|words| {
        words.could_be_prime(bytes) && is_random(bytes) && !has_small_factor(&words.limbs(bytes))
    })
}

/// Checks that words could be a prime of RSA: odd, of full length, without a factor below [`LARGEST`]. One
/// in seven odd numbers has none. Whether it is one is not asked: to divide the modulus of a certificate
/// is a proof, which takes a hundredth of the time of a test for being prime.
pub(super) fn run(subject: &Subject<'_>) -> Verdict {
    let could_be = readings(subject.value()).find(|(_, limbs)| !has_small_factor(limbs));
    let Some((_, limbs)) = could_be else { return Verdict::of(Outcome::Fail, subject) };
    let mut verdict = Verdict::of(Outcome::Pass, subject);
    let bits = limbs.len().saturating_mul(128);
    verdict.attributes =
        Attributes::from([("key.bits", bits.to_string()), ("key.type", "RSA".to_owned())]);
    verdict
}

/// Words in memory as a factor of numbers.
#[derive(Debug)]
pub(crate) struct Factor {
    len: usize,
    readings: Vec<(Words, Divisor)>,
}

impl Factor {
    /// All readings of words.
    pub(crate) fn new(words: &[u8]) -> Self {
        let readings = readings(words);
        let readings = readings.filter_map(|(words, limbs)| Some((words, Divisor::new(&limbs)?)));
        Self { len: words.len(), readings: readings.collect() }
    }

    /// How the words lie that divide a modulus, which is twice as long.
    pub(crate) fn divides(&self, modulus: &PublicModulus) -> Option<&'static str> {
        if self.len.saturating_mul(2) != modulus.len {
            return None;
        }
        let mut readings = self.readings.iter();
        readings.find(|(_, prime)| prime.divides(&modulus.limbs)).map(|(words, _)| words.name())
    }
}

/// The modulus of a public key.
#[derive(Debug)]
pub(crate) struct PublicModulus {
    /// In bytes.
    len: usize,
    limbs: Vec<u64>,
}

impl PublicModulus {
    /// From the bytes of a key, which are big-endian.
    pub(crate) fn new(bytes: &[u8]) -> Self {
        Self { len: bytes.len(), limbs: modular::from_big(bytes) }
    }
}

/// Checks an RSA public key (SubjectPublicKeyInfo, RFC 5280 §4.1 and RFC 8017 A.1.1), alone or in a
/// certificate, which says whose it is. The span of the answer is the modulus.
pub(super) fn public_key(subject: &Subject<'_>) -> Verdict {
    let fail = Verdict::of(Outcome::Fail, subject);
    let value = subject.value();
    let Some(modulus) = modulus(value) else { return fail };
    let number = value.get(modulus.clone()).unwrap_or_default();
    if !is_random(number) {
        return fail;
    }
    let mut verdict = Verdict::of(Outcome::Pass, subject);
    let bits = number.len().saturating_mul(8);
    verdict.attributes = certificate::facts(subject);
    verdict.attributes.insert("key.bits", bits.to_string());
    verdict.span = subject.part(modulus);
    verdict
}

/// Where the modulus lies in a public key: odd, of full length, a multiple of 64 bits.
fn modulus(der: &[u8]) -> Option<std::ops::Range<usize>> {
    let info = content(der, 0, 0x30)?;
    let algorithm = content(der, info.start, 0x30)?;
    let bits = content(der, algorithm.end, 0x03)?;
    let key = content(der, bits.start.checked_add(1)?, 0x30)?;
    let number = content(der, key.start, 0x02)?;
    let exponent = content(der, number.end, 0x02)?;
    let is_whole = exponent.end == key.end && key.end == bits.end && bits.end == info.end;
    let [0, digits @ ..] = der.get(number.clone())? else { return None };
    let is_modulus = digits.first()? >= &0x80
        && digits.last()? % 2 == 1
        && digits.len().is_multiple_of(16)
        && (64..=1024).contains(&digits.len())
        && exponent.len() <= 5;
    (is_whole && is_modulus).then_some(number.start.checked_add(1)?..number.end)
}

#[cfg(test)]
mod tests {
    use super::super::tests::whole;
    use super::*;
    use sha2::{Digest, Sha256};

    fn judge(bytes: &[u8]) -> Outcome {
        run(&whole(bytes)).outcome
    }

    /// A prime of 1024 bits: a number without pattern, and the first two bytes that make it one.
    fn prime() -> Vec<u8> {
        let mut number: Vec<u8> =
            (0u8..4).flat_map(|at| Sha256::digest([at, 42]).to_vec()).collect();
        number[127] |= 0xc0;
        number[..2].copy_from_slice(&0x8275u16.to_le_bytes());
        number
    }

    #[test]
    fn a_prime_in_either_order_of_words() {
        let little = prime();
        assert!(could_be_prime(&little, false));
        let java = little.rchunks(4).collect::<Vec<_>>().concat();
        assert_eq!(judge(&java), Outcome::Pass);
        assert!(could_be_prime(&java, true));
        assert_eq!(run(&whole(&java)).attributes["key.bits"], "2048");
        // The prime, multiplied by 2^1024.
        let mut modulus: Vec<u8> = little.iter().rev().copied().collect();
        assert_eq!(judge(&modulus), Outcome::Fail, "bytes in network order");
        modulus.resize(256, 0);
        let divides =
            |words: &[u8], number: &[u8]| Factor::new(words).divides(&PublicModulus::new(number));
        assert_eq!(divides(&little, &modulus), Some("little-endian"));
        assert_eq!(divides(&java, &modulus), Some("32-bit words, highest first"));
        assert_eq!(divides(&little, &modulus[1..]), None);
        let mut other = little;
        other[0] ^= 4;
        assert_eq!(divides(&other, &modulus), None);
        // A multiple of 2,111, which is the last prime that is tried: the remainder is taken off.
        let limbs = modular::from_little(&other);
        let remainder = modular::remainder(&limbs, 2111);
        let head = u64::from_le_bytes(other[..8].try_into().unwrap()) - u64::from(remainder);
        other[..8].copy_from_slice(&head.to_le_bytes());
        if other[0].is_multiple_of(2) {
            other[..8].copy_from_slice(&(head - 2111).to_le_bytes());
        }
        assert_eq!(judge(&other), Outcome::Fail);
    }

    #[test]
    fn text_fillings_and_known_primes_are_not_worth_it() {
        for bytes in [vec![0xff; 128], vec![0; 128], b"Ab3".repeat(43)[..128].to_vec()] {
            assert!(!could_be_prime(&bytes, true));
        }
        let mut group = prime();
        group[120..].fill(0xff);
        assert!(!could_be_prime(&group, false));
        assert!(!could_be_prime(&[], true));
    }

    fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        super::super::key::tests::tlv(tag, parts)
    }

    fn spki(modulus: &[u8]) -> Vec<u8> {
        let numbers = tlv(0x30, &[&tlv(2, &[&[0], modulus]), &[2, 3, 1, 0, 1]]);
        let algorithm = b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";
        tlv(0x30, &[&algorithm[..], &tlv(3, &[&[0], &numbers])])
    }

    #[test]
    fn the_modulus_and_the_subject_of_a_certificate() {
        let modulus = [prime(), prime()].concat();
        let mut modulus: Vec<u8> = modulus.into_iter().rev().collect();
        modulus[255] |= 1;
        let name = |oid: &[u8], text: &[u8]| {
            tlv(0x31, &[&tlv(0x30, &[&tlv(6, &[oid]), &tlv(0x0c, &[text])])])
        };
        let subject =
            tlv(0x30, &[&name(&[0x55, 4, 10], b"Shop"), &name(&[0x55, 4, 3], b"shop.example")]);
        let key = spki(&modulus);
        let text = [b"\x17\x0d251231235959Z", &subject[..], &key, b"\xa3\x53\x30"].concat();
        let start = text.len() - key.len() - 3;
        let verdict = public_key(&Subject { text: &text, span: start..text.len(), cut: false });
        assert_eq!(verdict.outcome, Outcome::Pass);
        assert_eq!(text[verdict.span], modulus);
        assert_eq!(verdict.attributes["certificate.subject"], "shop.example");
        assert_eq!(verdict.attributes["key.bits"], "2048");

        let alone = public_key(&whole(&key));
        assert_eq!((alone.outcome, alone.attributes.len()), (Outcome::Pass, 1));
        for at in 0..key.len() {
            assert_eq!(public_key(&whole(&key[..at])).outcome, Outcome::Fail, "{at}");
        }
        assert_eq!(public_key(&whole(&spki(&[0x81; 256]))).outcome, Outcome::Fail);
    }
}
