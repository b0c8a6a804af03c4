//! How random a value looks: integers only, so that every machine computes the same.

use super::{Outcome, Subject, Verdict, known};

/// Shannon entropy per byte, in thousandths of a bit (0 to 8000). Empty: 0.
///
/// # Examples
/// ```
/// use cryoscan::check::entropy::shannon;
/// assert_eq!(shannon(b"aaaa"), 0);
/// assert_eq!(shannon(b"0123456789abcdef"), 4000);
/// ```
pub fn shannon(value: &[u8]) -> u32 {
    let Ok(len) = u32::try_from(value.len()) else { return 0 };
    // H = log2(n) - (sum of c * log2(c)) / n.
    let sum = if value.len() < SUMMANDS.len() { sum_of_few(value) } else { sum(value) };
    let mean = sum.checked_div(u64::from(len)).unwrap_or(0);
    let logarithm = LOGARITHMS.get(value.len()).copied().unwrap_or_else(|| log2(len));
    let bits = logarithm.saturating_sub(mean);
    u32::try_from(bits.saturating_mul(1000).saturating_add(1 << (FRACTION - 1)) >> FRACTION)
        .unwrap_or(0)
}

/// The sum of c * log2(c) over the counts of all bytes.
fn sum(value: &[u8]) -> u64 {
    let mut counts = [0_u32; 256];
    for &byte in value {
        if let Some(count) = counts.get_mut(usize::from(byte)) {
            *count = count.saturating_add(1);
        }
    }
    counts
        .iter()
        .fold(0_u64, |sum, &count| sum.saturating_add(u64::from(count).saturating_mul(log2(count))))
}

/// The same for so many bytes as a table goes to: each byte adds what its count adds to the sum.
fn sum_of_few(value: &[u8]) -> u64 {
    let mut counts = [0_u16; 256];
    let mut sum = 0_u64;
    for &byte in value {
        if let Some(count) = counts.get_mut(usize::from(byte)) {
            sum = sum.saturating_add(SUMMANDS.get(usize::from(*count)).copied().unwrap_or(0));
            *count = count.saturating_add(1);
        }
    }
    sum
}

/// Logarithms of small numbers, and what one more adds to c * log2(c).
static LOGARITHMS: [u64; 1024] = LOGARITHMS_AND_SUMMANDS.0;
static SUMMANDS: [u64; 1024] = LOGARITHMS_AND_SUMMANDS.1;
const LOGARITHMS_AND_SUMMANDS: ([u64; 1024], [u64; 1024]) = {
    let (mut logarithms, mut summands) = ([0; 1024], [0; 1024]);
    let (mut number, mut before) = (0_u32, 0_u64);
    let (mut rest, mut more): (&mut [u64], &mut [u64]) = (&mut logarithms, &mut summands);
    while let (Some((logarithm, after)), Some((summand, behind))) =
        (rest.split_first_mut(), more.split_first_mut())
    {
        *logarithm = log2(number);
        number = number.saturating_add(1);
        let sum = log2(number).saturating_mul(widen(number));
        *summand = sum.saturating_sub(before);
        before = sum;
        (rest, more) = (after, behind);
    }
    (logarithms, summands)
};

/// Bits after the point of a logarithm.
const FRACTION: u32 = 24;

#[expect(clippy::as_conversions, reason = "`From` is not for constants")]
const fn widen(number: u32) -> u64 {
    number as u64
}

/// log2 as a fixed-point number; 0 for 0. Each squaring of the mantissa yields one more bit.
const fn log2(number: u32) -> u64 {
    let Some(whole) = number.checked_ilog2() else { return 0 };
    // The mantissa, between 1 and 2, with 31 bits after the point.
    let mut mantissa = widen(number) << 31_u32.saturating_sub(whole);
    let mut result = widen(whole) << FRACTION;
    let mut bit = FRACTION;
    while let Some(next) = bit.checked_sub(1) {
        bit = next;
        mantissa = mantissa.saturating_mul(mantissa) >> 31;
        if mantissa >= 1 << 32 {
            mantissa >>= 1;
            result |= 1 << bit;
        }
    }
    result
}

/// How many bytes of each class a value has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Classes {
    /// A to Z.
    pub upper: usize,
    /// a to z.
    pub lower: usize,
    /// 0 to 9.
    pub digits: usize,
    /// Anything else.
    pub other: usize,
}

/// Counts the classes of a value's bytes.
pub fn classes(value: &[u8]) -> Classes {
    let upper = value.iter().filter(|byte| byte.is_ascii_uppercase()).count();
    let lower = value.iter().filter(|byte| byte.is_ascii_lowercase()).count();
    let digits = value.iter().filter(|byte| byte.is_ascii_digit()).count();
    let named = upper.saturating_add(lower).saturating_add(digits);
    Classes { upper, lower, digits, other: value.len().saturating_sub(named) }
}

/// Thousandths of a bit per hex digit that random values reach: 64 digits have 3.83 on average
/// with a deviation of 0.06, 256 digits 3.96.
const RANDOM_HEX: u32 = 3_300;

/// Digits of the longest key that is looked at.
const LONGEST_KEY: usize = 1024;

/// Checks that hex digits (of a 32-byte or 128-byte key) could be random: one case, letters and
/// digits, no period, no sequence. A digest passes as well, so that a pass proves nothing.
pub(super) fn hex(subject: &Subject<'_>) -> Verdict {
    let outcome = if is_random_hex(subject.value()) { Outcome::Pass } else { Outcome::Fail };
    Verdict::of(outcome, subject)
}

pub(super) fn is_random_hex(value: &[u8]) -> bool {
    let Classes { upper, lower, digits, other } = classes(value);
    let one_case = (upper == 0) != (lower == 0);
    value.len() <= LONGEST_KEY
        && one_case
        && other == 0
        && digits > 0
        && value.iter().all(u8::is_ascii_hexdigit)
        && shannon(value) >= RANDOM_HEX
        && !is_periodic(value)
        && !is_sequence(value)
        && !known::is_documentation_value(value)
}

/// Whether the value is a shorter text, over and over.
pub(super) fn is_periodic(value: &[u8]) -> bool {
    let ends = value.first().zip(value.last());
    (1..=value.len() / 2).any(|period| {
        // Both ends first: a comparison of texts takes longer.
        let mirrored = value.len().checked_sub(period.saturating_add(1));
        ends == value.get(period).zip(mirrored.and_then(|at| value.get(at)))
            && value.get(period..).is_some_and(|shifted| value.starts_with(shifted))
    })
}

/// Whether more than half of the neighbours differ by one, up or down.
pub(super) fn is_sequence(value: &[u8]) -> bool {
    let rank = |b: u8| match b {
        b'0'..=b'9' => b.wrapping_sub(b'0'),
        // Hex digits count on after 9.
        b'a'..=b'z' => b.wrapping_sub(b'a').wrapping_add(10),
        b'A'..=b'Z' => b.wrapping_sub(b'A').wrapping_add(10),
        _ => b,
    };
    let (mut up, mut down) = (0_usize, 0_usize);
    let mut ranks = value.iter().map(|byte| rank(*byte));
    let Some(mut before) = ranks.next() else { return false };
    for rank in ranks {
        up = up.saturating_add(usize::from(before.wrapping_add(1) == rank));
        down = down.saturating_add(usize::from(rank.wrapping_add(1) == before));
        before = rank;
    }
    up.max(down).saturating_mul(2) > value.len()
}

#[cfg(test)]
mod tests {
    use super::super::tests::whole;
    use super::*;
    use data_encoding::{HEXLOWER, HEXUPPER};
    use sha2::{Digest, Sha256};

    #[test]
    fn entropy_of_known_distributions() {
        assert_eq!(shannon(b""), 0);
        assert_eq!(shannon(b"ab"), 1000);
        assert_eq!(shannon(b"aab"), 918); // log2(3) - 2/3 = 0.9183
        assert_eq!(shannon(b"aaab"), 811); // 0.8113
        let every: Vec<u8> = (0..=255).collect();
        assert_eq!(shannon(&every), 8000);
    }

    #[test]
    fn classes_are_counted() {
        let expected = Classes { upper: 1, lower: 2, digits: 3, other: 4 };
        assert_eq!(classes(b"Abc123-+\xff "), expected);
    }

    fn random_hex() -> String {
        HEXLOWER.encode(&Sha256::digest(b"a key of a test"))
    }

    #[test]
    fn random_digits_pass() {
        assert_eq!(hex(&whole(random_hex().as_bytes())).outcome, Outcome::Pass);
        assert_eq!(hex(&whole(random_hex().to_uppercase().as_bytes())).outcome, Outcome::Pass);
        let long: String = (0..4_u8).map(|i| HEXLOWER.encode(&Sha256::digest([i]))).collect();
        assert_eq!(hex(&whole(long.as_bytes())).outcome, Outcome::Pass);
    }

    #[test]
    fn patterns_fail() {
        let half = HEXLOWER.encode(&Sha256::digest(b"half")[..16]);
        let counting: Vec<u8> = (0..32).collect();
        let fails = [
            ("0123456789abcdef".repeat(4), "sequence"),
            ("fedcba9876543210".repeat(16), "sequence down"),
            (half.repeat(2), "period"),
            ("0".repeat(64), "one digit"),
            ("1".repeat(60) + "abcd", "low entropy"),
            (random_hex().replacen('a', "A", 1), "two cases"),
            (random_hex().replacen('a', "g", 1), "not hex"),
            ("1234567890".repeat(6) + "7351", "no letters"),
            (HEXLOWER.encode(&counting), "bytes that count up"),
            (HEXUPPER.encode(&Sha256::digest(b"")).to_lowercase(), "digest of nothing"),
            (String::new(), "empty"),
        ];
        for (value, why) in fails {
            assert_eq!(hex(&whole(value.as_bytes())).outcome, Outcome::Fail, "{why}");
        }
    }
}
