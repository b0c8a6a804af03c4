//! Seed words of wallets (BIP-39). The word list is that of the standard, as the crate `bip39` of
//! rust-bitcoin publishes it (CC0-1.0).

use std::sync::LazyLock;

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{Outcome, Subject, Verdict, known};
use crate::secret::SecretBytes;

/// The list, sorted: the number of a word is its place.
static WORDS: LazyLock<Vec<&'static [u8]>> = LazyLock::new(|| {
    let lines = include_bytes!("bip39/english.txt").split(|byte| *byte == b'\n');
    lines.filter(|line| !line.is_empty()).collect()
});

/// Letters of the shortest and of the longest word.
pub(crate) const LETTERS: std::ops::RangeInclusive<usize> = 3..=8;
/// Words of a phrase: of 128, 160, 192, 224 and 256 bits.
pub(crate) const LENGTHS: [usize; 5] = [12, 15, 18, 21, 24];
/// Words that differ, at least: fewer are test vectors.
const DISTINCT: usize = 8;
/// Bits of a word.
const BITS: usize = 11;

/// Whether `word` is on the list.
pub(crate) fn is_word(word: &[u8]) -> bool {
    index(word).is_some()
}

/// Checks seed words: 12 to 24 words of the list, the checksum of the entropy in the last ones.
/// Of random words of the list one row in 16 (12 words) to 256 (24 words) has it.
///
/// Fail: fewer than eight different words, words in the order of the list, a published phrase.
pub(super) fn run(subject: &Subject<'_>) -> Verdict {
    let value = subject.value();
    let words: Vec<&[u8]> = value
        .split(|byte| !byte.is_ascii_lowercase())
        .filter(|word| !word.is_empty())
        .take(LENGTHS.last().copied().unwrap_or_default().saturating_add(1))
        .collect();
    let phrase = Zeroizing::new(words.join(&b' '));
    if !is_phrase(&words) || known::is_documentation_value(&phrase) {
        return Verdict::of(Outcome::Fail, subject);
    }
    let mut verdict = Verdict::of(Outcome::Pass, subject);
    verdict.attributes.insert("wallet.words", words.len().to_string());
    verdict.canonical = Some(SecretBytes::new(&phrase));
    verdict
}

fn is_phrase(words: &[&[u8]]) -> bool {
    let Some(numbers) = words.iter().map(|word| index(word)).collect::<Option<Vec<_>>>() else {
        return false;
    };
    let mut distinct = numbers.clone();
    distinct.sort_unstable();
    distinct.dedup();
    LENGTHS.contains(&numbers.len())
        && distinct.len() >= DISTINCT
        && !numbers.is_sorted()
        && has_checksum(&numbers)
}

/// Whether the last bits, one of 33, are the first of the SHA-256 of those before.
fn has_checksum(numbers: &[u16]) -> bool {
    let bits: Zeroizing<Vec<bool>> = Zeroizing::new(
        numbers.iter().flat_map(|n| (0..BITS).rev().map(move |bit| n >> bit & 1 == 1)).collect(),
    );
    let checksum = bits.len() / 33;
    let Some((entropy, sum)) = bits.split_at_checked(bits.len().saturating_sub(checksum)) else {
        return false;
    };
    let byte = |bits: &[bool]| bits.iter().fold(0_u8, |byte, bit| byte << 1 | u8::from(*bit));
    let entropy: Zeroizing<Vec<u8>> = Zeroizing::new(entropy.chunks(8).map(byte).collect());
    let digest = Sha256::digest(&entropy);
    let expected = digest.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1 == 1));
    sum.iter().copied().eq(expected.take(checksum))
}

fn index(word: &[u8]) -> Option<u16> {
    if !LETTERS.contains(&word.len()) {
        return None;
    }
    let (first, count) = *FIRST.get(pair(word)?)?;
    let (first, count) = (usize::from(first), usize::from(count));
    let words = WORDS.get(first..first.saturating_add(count))?;
    let at = words.iter().position(|it| *it == word)?;
    u16::try_from(first.saturating_add(at)).ok()
}

/// By the first two letters of a word, the number of the first word with them, and how many there are.
static FIRST: LazyLock<Vec<(u16, u16)>> = LazyLock::new(|| {
    let mut first = vec![(0_u16, 0_u16); 26 * 26];
    for (number, word) in (0..).zip(WORDS.iter()) {
        if let Some((at, count)) = pair(word).and_then(|pair| first.get_mut(pair)) {
            if *count == 0 {
                *at = number;
            }
            *count = count.saturating_add(1);
        }
    }
    first
});

/// Number of the first two letters of a word.
fn pair(word: &[u8]) -> Option<usize> {
    let letter = |byte: u8| byte.is_ascii_lowercase().then(|| usize::from(byte.wrapping_sub(b'a')));
    let [first, second, ..] = word else { return None };
    Some(letter(*first)?.saturating_mul(26).saturating_add(letter(*second)?))
}

#[cfg(test)]
mod tests {
    use super::super::tests::whole;
    use super::*;
    use data_encoding::HEXLOWER;

    fn check(text: &str) -> Outcome {
        run(&whole(text.as_bytes())).outcome
    }

    /// Synthetic.
    const PHRASE: &str =
        "special happy clinic prevent glue tomorrow skull shell where pumpkin release reunion";

    #[test]
    fn the_list_is_that_of_the_standard() {
        // SHA-256 of english.txt of BIP-39.
        let expected = "2f5eed53a4727b4bf8880d8f3f199efc90e58503646d9ff8eff3a2ed3b24dbda";
        assert_eq!(HEXLOWER.encode(&Sha256::digest(include_bytes!("bip39/english.txt"))), expected);
        assert!(WORDS.is_sorted());
        assert_eq!(WORDS.iter().filter(|word| is_word(word)).count(), 2048);
    }

    #[test]
    fn phrases_have_their_checksum() {
        assert_eq!(check(PHRASE), Outcome::Pass);
        let listed = PHRASE.replace(' ', "\",\"");
        let verdict = run(&whole(listed.as_bytes()));
        assert_eq!(verdict.outcome, Outcome::Pass);
        assert_eq!(verdict.attributes["wallet.words"], "12");
        assert_eq!(verdict.canonical.unwrap().expose(), PHRASE.as_bytes());
        let words: Vec<&str> = PHRASE.split(' ').collect();
        let passed = (0..12).filter(|at| {
            let mut changed = words.clone();
            changed[*at] = "zebra";
            check(&changed.join(" ")) == Outcome::Pass
        });
        assert!(passed.count() <= 4);
        assert_eq!(check(&PHRASE.replace("special", "specially")), Outcome::Fail);
        assert_eq!(check(&words[1..].join(" ")), Outcome::Fail);
        assert_eq!(check(""), Outcome::Fail);
    }

    #[test]
    fn published_phrases_fail() {
        let abandon = ["abandon "; 11].concat() + "about";
        let hardhat = ["test "; 11].concat() + "junk";
        // Test vectors of BIP-39.
        let vector = "legal winner thank year wave sausage worth useful legal winner thank yellow";
        for phrase in [abandon.as_str(), &hardhat, vector] {
            let words: Vec<&[u8]> = phrase.split(' ').map(str::as_bytes).collect();
            let numbers: Vec<u16> = words.iter().filter_map(|word| index(word)).collect();
            assert!(has_checksum(&numbers), "{phrase}");
            assert_eq!(check(phrase), Outcome::Fail, "{phrase}");
        }
    }

    #[test]
    fn a_part_of_the_list_is_no_phrase() {
        for from in 0..500 {
            let words: Vec<&[u8]> = WORDS[from..from + 12].to_vec();
            assert!(!is_phrase(&words), "{from}");
        }
    }
}
