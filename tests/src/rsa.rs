//! RSA keys of any size: two random primes and what PKCS #1 makes of them. For tests only: nothing
//! here is done in constant time.

use std::cmp::Ordering;

use crate::random::Random;

/// The public exponent, a prime.
const EXPONENT: u64 = 65537;

/// The numbers of a key, big-endian, in the order of RFC 8017 A.1.2: modulus, public exponent,
/// private exponent, p, q, d mod (p-1), d mod (q-1), 1/q mod p.
pub(crate) fn key(bits: usize, random: &mut Random) -> [Vec<u8>; 8] {
    let mut primes = [prime(bits / 2, random), prime(bits / 2, random)];
    primes.sort_by(|a, b| order(b, a));
    let [p, q] = &primes;
    let below = |prime: &Number| minus(prime, &[1]);
    let (p1, q1) = (below(p), below(q));
    let private = inverse_of_exponent(&times(&p1, &q1));
    // By Fermat, q^(p-2) is 1/q modulo p.
    let coefficient = Modulus::new(p).power(q, &minus(p, &[2]));
    let numbers = [
        times(p, q),
        vec![EXPONENT],
        private,
        p.clone(),
        q.clone(),
        inverse_of_exponent(&p1),
        inverse_of_exponent(&q1),
        coefficient,
    ];
    numbers.map(|number| number.iter().rev().flat_map(|limb| limb.to_be_bytes()).collect())
}

/// Limbs, the least significant first.
type Number = Vec<u64>;

/// A prime with its two highest bits set, so that a product of two has twice its bits. `bits` is a
/// multiple of 64.
pub(crate) fn prime(bits: usize, random: &mut Random) -> Number {
    loop {
        let mut number: Number = (0..bits / 64).map(|_| random.next_word()).collect();
        number[0] |= 1;
        number[bits / 64 - 1] |= 3 << 62;
        let has_small_factor = (3..2000).step_by(2).any(|small| remainder(&number, small) == 0);
        if has_small_factor || remainder(&number, EXPONENT) == 1 {
            continue;
        }
        // Random numbers that pass the test of Fermat and are no primes are rarer than faults of
        // the machine.
        let two = padded(&[2], number.len());
        let one = padded(&[1], number.len());
        if Modulus::new(&number).power(&two, &minus(&number, &[1])) == one {
            return number;
        }
    }
}

/// The number d below `modulus` with d · [`EXPONENT`] = 1 modulo `modulus`.
fn inverse_of_exponent(modulus: &Number) -> Number {
    // (k · modulus + 1) / exponent, where k makes the division come out even.
    let mut inverse = 1;
    let (mut power, mut rest) = (remainder(modulus, EXPONENT), EXPONENT - 2);
    while rest > 0 {
        if rest & 1 == 1 {
            inverse = inverse * power % EXPONENT;
        }
        power = power * power % EXPONENT;
        rest >>= 1;
    }
    let mut number = times(modulus, &[EXPONENT - inverse]);
    number[0] |= 1; // The modulus is even.
    let mut carry = 0;
    for limb in number.iter_mut().rev() {
        let wide = (u128::from(carry) << 64) | u128::from(*limb);
        *limb = low(wide / u128::from(EXPONENT));
        carry = low(wide % u128::from(EXPONENT));
    }
    number
}

fn padded(number: &[u64], limbs: usize) -> Number {
    let mut number = number.to_vec();
    number.resize(limbs, 0);
    number
}

/// Compares numbers of the same length.
fn order(a: &[u64], b: &[u64]) -> Ordering {
    a.iter().rev().cmp(b.iter().rev())
}

fn remainder(number: &[u64], modulus: u64) -> u64 {
    number.iter().rev().fold(0, |rest, limb| {
        low(((u128::from(rest) << 64) | u128::from(*limb)) % u128::from(modulus))
    })
}

fn minus(a: &[u64], b: &[u64]) -> Number {
    let mut borrow = false;
    let digits = b.iter().copied().chain(std::iter::repeat(0));
    a.iter()
        .zip(digits)
        .map(|(a, b)| {
            let (difference, first) = a.overflowing_sub(b);
            let (difference, second) = difference.overflowing_sub(borrow.into());
            borrow = first || second;
            difference
        })
        .collect()
}

fn times(a: &[u64], b: &[u64]) -> Number {
    let mut product = vec![0; a.len() + b.len()];
    for (at, limb) in b.iter().enumerate() {
        let carry = add_product(&mut product[at..], a, *limb);
        product[at + a.len()] = carry;
    }
    product
}

/// Adds `a` times `by` to the limbs from the start of `sum`; gives what is carried over.
fn add_product(sum: &mut [u64], a: &[u64], by: u64) -> u64 {
    let mut carry = 0;
    for (sum, a) in sum.iter_mut().zip(a) {
        let wide = u128::from(*sum) + u128::from(*a) * u128::from(by) + u128::from(carry);
        (*sum, carry) = (low(wide), low(wide >> 64));
    }
    carry
}

#[expect(clippy::cast_possible_truncation, reason = "the lower half is asked for")]
fn low(wide: u128) -> u64 {
    wide as u64
}

/// An odd modulus, with what multiplication after Montgomery ("Modular multiplication without
/// trial division", 1985) needs of it.
struct Modulus<'a> {
    number: &'a [u64],
    /// -1/number modulo 2^64.
    inverse: u64,
    /// 2^(64 limbs) and 2^(128 limbs) modulo the number.
    one: Number,
    square: Number,
}

impl<'a> Modulus<'a> {
    fn new(number: &'a [u64]) -> Self {
        // Newton: each step doubles the number of right bits, of which an odd number has three.
        let inverse = (0..5).fold(number[0], |inverse: u64, _| {
            inverse.wrapping_mul(2u64.wrapping_sub(number[0].wrapping_mul(inverse)))
        });
        let bits = 64 * number.len();
        let mut modulus =
            Self { number, inverse: inverse.wrapping_neg(), one: Vec::new(), square: Vec::new() };
        let mut value = padded(&[1], number.len());
        for step in 1..=2 * bits {
            value = modulus.doubled(&value);
            if step == bits {
                modulus.one.clone_from(&value);
            }
        }
        modulus.square = value;
        modulus
    }

    fn doubled(&self, value: &[u64]) -> Number {
        let mut double = padded(value, value.len() + 1);
        add_product(&mut double, &padded(value, value.len() + 1), 1);
        self.reduced(double)
    }

    /// A number of one limb more than the modulus, less than twice it.
    fn reduced(&self, mut value: Number) -> Number {
        let limbs = self.number.len();
        if value[limbs] > 0 || order(&value[..limbs], self.number) != Ordering::Less {
            value = minus(&value, self.number);
        }
        value.truncate(limbs);
        value
    }

    /// a · b / 2^(64 limbs).
    fn product(&self, a: &[u64], b: &[u64]) -> Number {
        let limbs = self.number.len();
        let mut sum = vec![0; limbs + 1];
        for limb in b {
            let mut carry = u128::from(add_product(&mut sum[..limbs], a, *limb));
            let factor = sum[0].wrapping_mul(self.inverse);
            carry += u128::from(add_product(&mut sum[..limbs], self.number, factor));
            let top = u128::from(sum[limbs]) + carry;
            sum.remove(0);
            sum[limbs - 1] = low(top);
            sum.push(low(top >> 64));
        }
        self.reduced(sum)
    }

    /// base^exponent; the base is less than the modulus and has as many limbs.
    fn power(&self, base: &[u64], exponent: &[u64]) -> Number {
        let base = self.product(base, &self.square);
        let mut power = self.one.clone();
        for limb in exponent.iter().rev() {
            for bit in (0..64).rev() {
                power = self.product(&power, &power);
                if limb >> bit & 1 == 1 {
                    power = self.product(&power, &base);
                }
            }
        }
        self.product(&power, &padded(&[1], self.number.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_agree_with_plain_arithmetic() {
        let plain = |base: u64, exponent: u64, modulus: u64| {
            (0..exponent).fold(1u128, |power, _| power * u128::from(base) % u128::from(modulus))
        };
        for (base, exponent, modulus) in
            [(2, 10, 1_000_003), (7, 999, u64::MAX), (u64::MAX - 58, 65, u64::MAX - 4)]
        {
            let power = Modulus::new(&[modulus]).power(&[base], &[exponent]);
            assert_eq!(u128::from(power[0]), plain(base, exponent, modulus), "{base}^{exponent}");
        }
    }

    /// RFC 8017 §5.1: decryption undoes encryption, also with the numbers of §5.1.2 2b.
    #[test]
    fn a_key_decrypts_what_it_encrypted() {
        let limbs = |bytes: &[u8]| -> Number {
            bytes.rchunks(8).map(|limb| u64::from_be_bytes(limb.try_into().unwrap())).collect()
        };
        for seed in 0..4 {
            let numbers = key(512, &mut Random::new(seed));
            let [modulus, public, private, primes @ ..] =
                numbers.each_ref().map(|bytes| limbs(bytes));
            assert_eq!(modulus[7] >> 63, 1, "512 bits");
            let message = padded(&[42, 43], modulus.len());
            let ring = Modulus::new(&modulus);
            let encrypted = ring.power(&message, &public);
            assert_ne!(encrypted, message);
            assert_eq!(ring.power(&encrypted, &private), message);

            let [p, q, in_p, in_q, coefficient] = primes;
            let small = padded(&[42], p.len());
            for (prime, private) in [(&p, &in_p), (&q, &in_q)] {
                let ring = Modulus::new(prime);
                assert_eq!(ring.power(&ring.power(&small, &public), private), small);
            }
            let ring = Modulus::new(&p);
            let product = ring.product(&ring.product(&q, &ring.square), &coefficient);
            assert_eq!(product, padded(&[1], p.len()));
        }
    }
}
