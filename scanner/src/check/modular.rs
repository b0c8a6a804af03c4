//! Arithmetic modulo an odd number, after Montgomery ("Modular multiplication without trial
//! division", Mathematics of Computation 44, 1985). Numbers are limbs of 64 bits, the least
//! significant first. Nothing here takes the same time for all numbers: a dump does not answer.

/// An odd number of a fixed number of limbs, to divide by.
#[derive(Debug)]
pub(crate) struct Divisor {
    limbs: Vec<u64>,
    /// -1/limbs modulo 2^64.
    inverse: u64,
}

/// An odd modulus of a fixed number of limbs.
#[derive(Debug)]
pub(crate) struct Modulus {
    divisor: Divisor,
    /// R and R² modulo the number, where R is 2^64 to the number of limbs.
    one: Vec<u64>,
    square: Vec<u64>,
}

impl Divisor {
    /// `None` for an even number, for 1, and for one whose last limb is zero.
    pub(crate) fn new(limbs: &[u64]) -> Option<Self> {
        let first = *limbs.first()?;
        if first.is_multiple_of(2) || limbs == [1] || limbs.last().is_none_or(|last| *last == 0) {
            return None;
        }
        // Newton: each step doubles the number of right bits, of which an odd number has three.
        let inverse = (0..5).fold(first, |inverse: u64, _| {
            inverse.wrapping_mul(2u64.wrapping_sub(first.wrapping_mul(inverse)))
        });
        Some(Self { limbs: limbs.to_vec(), inverse: inverse.wrapping_neg() })
    }

    /// `wide` / R, for a number below R times this one, of twice as many limbs.
    fn reduce(&self, mut wide: Vec<u64>) -> Vec<u64> {
        let len = self.limbs.len();
        let mut over = 0u64;
        for at in 0..len {
            let factor = wide.get(at).copied().unwrap_or(0).wrapping_mul(self.inverse);
            let carry = add_product(wide.get_mut(at..).unwrap_or_default(), &self.limbs, factor);
            if let Some(top) = wide.get_mut(at.saturating_add(len)) {
                let (sum, first) = top.overflowing_add(carry);
                let (sum, second) = sum.overflowing_add(over);
                *top = sum;
                over = u64::from(first | second);
            }
        }
        let mut rest = wide.split_off(len);
        if over > 0 || !is_below(&rest, &self.limbs) {
            subtract(&mut rest, &self.limbs);
        }
        rest
    }

    /// Whether it divides a number of at most twice its limbs that is below R times it.
    pub(crate) fn divides(&self, number: &[u64]) -> bool {
        let mut wide = number.to_vec();
        wide.resize(self.limbs.len().saturating_mul(2), 0);
        number.len() <= wide.len() && self.reduce(wide).iter().all(|limb| *limb == 0)
    }
}

impl Modulus {
    /// `None` for an even number, for 1, and for one whose last limb is zero.
    pub(crate) fn new(limbs: &[u64]) -> Option<Self> {
        let divisor = Divisor::new(limbs)?;
        let mut modulus = Self { divisor, one: Vec::new(), square: Vec::new() };
        let bits = limbs.len().saturating_mul(64);
        // From the highest power of two below the modulus, doubled until it is R.
        let top = limbs.last().map_or(0, |last| u64::BITS.saturating_sub(last.leading_zeros()));
        let top = usize::try_from(top).unwrap_or(0).saturating_sub(1);
        let mut value = vec![0; limbs.len()];
        *value.last_mut()? = 1u64.checked_shl(u32::try_from(top).ok()?)?;
        let have = bits.saturating_sub(64).saturating_add(top);
        for _ in have..bits {
            modulus.double(&mut value);
        }
        modulus.one.clone_from(&value);
        for _ in 0..64 {
            modulus.double(&mut value);
        }
        // 2^64 to the number of limbs is R once more: square and multiply.
        let word = value.clone();
        let mut power = modulus.one.clone();
        for bit in (0..usize::BITS).rev() {
            power = modulus.product(&power, &power);
            if limbs.len().checked_shr(bit).unwrap_or(0) % 2 == 1 {
                power = modulus.product(&power, &word);
            }
        }
        modulus.square = power;
        Some(modulus)
    }

    /// R modulo the number: one, as [`Self::product`] wants it.
    pub(crate) fn one(&self) -> &[u64] {
        &self.one
    }

    /// a · R.
    pub(crate) fn of(&self, a: &[u64]) -> Vec<u64> {
        self.product(a, &self.square)
    }

    /// a · b / R; both below R, and one of them below the modulus.
    pub(crate) fn product(&self, a: &[u64], b: &[u64]) -> Vec<u64> {
        let mut wide = vec![0u64; a.len().saturating_add(b.len())];
        for (at, limb) in a.iter().enumerate() {
            let carry = add_product(wide.get_mut(at..).unwrap_or_default(), b, *limb);
            if let Some(top) = wide.get_mut(at.saturating_add(b.len())) {
                *top = carry;
            }
        }
        wide.resize(self.divisor.limbs.len().saturating_mul(2), 0);
        self.divisor.reduce(wide)
    }

    /// (a + b), both below the modulus.
    pub(crate) fn sum(&self, a: &[u64], b: &[u64]) -> Vec<u64> {
        let mut sum = a.to_vec();
        let over = add_product(&mut sum, b, 1);
        if over > 0 || !is_below(&sum, &self.divisor.limbs) {
            subtract(&mut sum, &self.divisor.limbs);
        }
        sum
    }

    /// (a - b), both below the modulus.
    pub(crate) fn difference(&self, a: &[u64], b: &[u64]) -> Vec<u64> {
        let mut difference = a.to_vec();
        if subtract(&mut difference, b) {
            add_product(&mut difference, &self.divisor.limbs, 1);
        }
        difference
    }

    fn double(&self, value: &mut Vec<u64>) {
        *value = self.sum(value, &value.clone());
    }
}

/// Little-endian bytes as limbs.
pub(crate) fn from_little(bytes: &[u8]) -> Vec<u64> {
    let limb = |chunk: &[u8]| chunk.iter().rev().fold(0u64, |limb, byte| push(limb, *byte));
    bytes.chunks(8).map(limb).collect()
}

/// Big-endian bytes as limbs.
pub(crate) fn from_big(bytes: &[u8]) -> Vec<u64> {
    let limb = |chunk: &[u8]| chunk.iter().fold(0u64, |limb, byte| push(limb, *byte));
    bytes.rchunks(8).map(limb).collect()
}

fn push(limb: u64, byte: u8) -> u64 {
    limb.wrapping_shl(8) | u64::from(byte)
}

/// The rest of a division by a small number.
pub(crate) fn remainder(number: &[u64], by: u32) -> u32 {
    let by = u64::from(by.max(1));
    let rest = number.iter().rev().fold(0u64, |rest, limb| {
        let half =
            |rest: u64, half: u64| (rest.wrapping_shl(32) | half).checked_rem(by).unwrap_or(0);
        half(half(rest, limb.wrapping_shr(32)), limb & u64::from(u32::MAX))
    });
    u32::try_from(rest).unwrap_or(0)
}

/// Compares numbers of the same number of limbs.
pub(crate) fn is_below(a: &[u64], b: &[u64]) -> bool {
    a.iter().rev().lt(b.iter().rev())
}

/// Adds `a` times `by` to the limbs from the start of `sum`; gives what is carried out of as many
/// limbs as `a` has.
fn add_product(sum: &mut [u64], a: &[u64], by: u64) -> u64 {
    let mut carry = 0u64;
    for (sum, a) in sum.iter_mut().zip(a) {
        // At most (2^64 - 1)² + 2 (2^64 - 1), which is below 2^128.
        let wide = u128::from(*a)
            .wrapping_mul(u128::from(by))
            .wrapping_add(u128::from(*sum))
            .wrapping_add(u128::from(carry));
        *sum = low(wide);
        carry = low(wide.wrapping_shr(64));
    }
    carry
}

/// Subtracts in place, modulo R; gives whether `b` was the larger one.
fn subtract(a: &mut [u64], b: &[u64]) -> bool {
    let mut borrow = false;
    for (a, b) in a.iter_mut().zip(b.iter().copied().chain(std::iter::repeat(0))) {
        let (difference, first) = a.overflowing_sub(b);
        let (difference, second) = difference.overflowing_sub(u64::from(borrow));
        *a = difference;
        borrow = first | second;
    }
    borrow
}

#[expect(clippy::as_conversions, clippy::cast_possible_truncation, reason = "the lower half")]
fn low(wide: u128) -> u64 {
    wide as u64
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "numbers of a test")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn even_numbers_and_none_are_no_modulus() {
        assert!(Modulus::new(&[4]).is_none());
        assert!(Modulus::new(&[]).is_none());
        assert!(Modulus::new(&[5, 0]).is_none());
    }

    proptest! {
        #[test]
        fn as_plain_arithmetic(a: u64, b: u64, m in 1u64..) {
            let m = m | 1;
            prop_assume!(m > 1);
            let (a, b) = (a % m, b % m);
            let modulus = Modulus::new(&[m]).unwrap();
            let wide = u128::from(m);
            let product = modulus.product(&modulus.of(&[a]), &[b]);
            prop_assert_eq!(u128::from(product[0]), u128::from(a) * u128::from(b) % wide);
            prop_assert_eq!(u128::from(modulus.sum(&[a], &[b])[0]), (u128::from(a) + u128::from(b)) % wide);
            let difference = (wide + u128::from(a) - u128::from(b)) % wide;
            prop_assert_eq!(u128::from(modulus.difference(&[a], &[b])[0]), difference);
        }

        #[test]
        fn a_product_is_divided_by_its_factors_only(
            p in prop::collection::vec(any::<u64>(), 4),
            q in prop::collection::vec(any::<u64>(), 4),
            add in 1u64..1000,
        ) {
            let (mut p, mut q) = (p, q);
            for number in [&mut p, &mut q] {
                number[0] |= 1;
                number[3] |= 1 << 63;
            }
            let mut n = vec![0; 8];
            for (at, limb) in p.iter().enumerate() {
                n[at + 4] = add_product(&mut n[at..], &q, *limb);
            }
            let divisor = Divisor::new(&p).unwrap();
            prop_assert!(divisor.divides(&n));
            n[0] ^= add;
            prop_assert!(!divisor.divides(&n), "the difference is smaller than the factor");
            let bytes: Vec<u8> = n.iter().flat_map(|limb| limb.to_le_bytes()).collect();
            prop_assert_eq!(from_little(&bytes), n.clone());
            let reversed: Vec<u8> = bytes.iter().rev().copied().collect();
            prop_assert_eq!(from_big(&reversed), n.clone());
            let by = 65_537;
            let rest = n.iter().rev().fold(0u128, |rest, limb| ((rest << 64) | u128::from(*limb)) % by);
            prop_assert_eq!(u128::from(remainder(&n, 65_537)), rest);
        }
    }
}
