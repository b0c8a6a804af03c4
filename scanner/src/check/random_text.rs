//! Tokens without a checksum: whether their characters could be random.

use super::entropy::{self, Classes};
use super::{Outcome, Placeholder, Subject, Verdict, placeholder};

/// Thousandths of a bit per character that random tokens of 16 characters and more reach.
const RANDOM: u32 = 2_900;

/// Checks that a token without a structure looks random. A pass proves nothing.
pub(super) fn run(subject: &Subject<'_>) -> Verdict {
    let outcome = if is_random(subject.value()) { Outcome::Pass } else { Outcome::Fail };
    Verdict::of(outcome, subject)
}

/// Checks the same of a token of base62 or base64url of 30 characters or more, of which hardly one in
/// a hundred has no digit, and none no capital or small letter. Names in programs seldom have all three.
pub(super) fn mixed(subject: &Subject<'_>) -> Verdict {
    let Classes { upper, lower, digits, .. } = entropy::classes(subject.value());
    let is_mixed = upper > 0 && lower > 0 && digits > 0 && is_random(subject.value());
    Verdict::of(if is_mixed { Outcome::Pass } else { Outcome::Fail }, subject)
}

/// Checks that the longest part of a token looks random: what stands between marks other than letters
/// and digits. Numbers and words in the other parts say nothing of it. A pass proves nothing.
pub(super) fn part(subject: &Subject<'_>) -> Verdict {
    let value = subject.value();
    let parts = value.split(|byte| !byte.is_ascii_alphanumeric());
    // Of several equal ones the last, which is the secret in all formats.
    let longest = parts.max_by_key(|part| part.len()).unwrap_or_default();
    let is_token = is_random(longest) && placeholder(value) == Placeholder::No;
    Verdict::of(if is_token { Outcome::Pass } else { Outcome::Fail }, subject)
}

/// Whether text looks like characters drawn at random and is no placeholder.
///
/// Of neighbours in random hex digits 47 % are of two classes (small letter, capital, digit), in base32
/// 30 %, in base62 62 %; text without digits has as many capitals as small letters, which names in
/// programs have not.
pub(super) fn is_random(value: &[u8]) -> bool {
    is_varied(value) && placeholder(value) == Placeholder::No
}

/// The same of what is known to be no placeholder.
pub(super) fn is_varied(value: &[u8]) -> bool {
    let class = |byte: u8| match byte {
        b'a'..=b'z' => Some(0),
        b'A'..=b'Z' => Some(1),
        b'0'..=b'9' => Some(2),
        _ => None,
    };
    let (mut pairs, mut changes) = (0_usize, 0_usize);
    for (first, second) in value.iter().zip(value.iter().skip(1)) {
        if let (Some(first), Some(second)) = (class(*first), class(*second)) {
            pairs = pairs.saturating_add(1);
            changes = changes.saturating_add(usize::from(first != second));
        }
    }
    let counts = entropy::classes(value);
    let letters = counts.upper.saturating_add(counts.lower);
    let is_balanced = counts.upper.min(counts.lower).saturating_mul(4) >= letters;
    changes.saturating_mul(7) >= pairs
        && (counts.digits > 0 || is_balanced)
        && entropy::shannon(value) >= RANDOM
}

#[cfg(test)]
mod tests {
    use super::*;
    use data_encoding::{BASE32_NOPAD, BASE64, HEXLOWER};
    use sha2::{Digest, Sha256};

    #[test]
    fn few_random_tokens_are_refused() {
        let mut refused = 0;
        for seed in 0..500_u32 {
            let digest = Sha256::digest(seed.to_le_bytes());
            let letters: String = BASE64
                .encode(&Sha256::digest(digest))
                .chars()
                .filter(char::is_ascii_alphabetic)
                .collect();
            let tokens = [
                HEXLOWER.encode(&digest),
                BASE64.encode(&digest[..18]),
                BASE32_NOPAD.encode(&digest[..20]).to_lowercase(),
                letters.chars().take(30).collect(),
            ];
            refused += tokens.iter().filter(|token| !is_random(token.as_bytes())).count();
        }
        assert!(refused <= 40, "{refused} of 2000");
    }

    #[test]
    fn long_tokens_are_mixed() {
        let of = |value: &str| mixed(&super::super::tests::whole(value.as_bytes())).outcome;
        let token = BASE64.encode(&Sha256::digest(b"a token"));
        assert_eq!(of(&token), Outcome::Pass);
        assert_eq!(of(&token.to_lowercase()), Outcome::Fail);
        assert_eq!(of("r8_set7bitmacaddrtomacaddr8macaddr8tomac"), Outcome::Fail);
        assert_eq!(of("xxxxxxxxXXXXXXXX11111111"), Outcome::Fail);
    }

    #[test]
    fn the_longest_part_decides() {
        let key = HEXLOWER.encode(&Sha256::digest(b"a part"));
        let judge = |text: String| part(&super::super::tests::whole(text.as_bytes())).outcome;
        assert_eq!(judge(format!("kind-222222222222-111111111111-{key}")), Outcome::Pass);
        assert_eq!(judge(format!("https://hooks.shop.test/in/{key}")), Outcome::Pass);
        assert_eq!(judge(format!("kind-123456789012-{}", "x".repeat(32))), Outcome::Fail);
        assert_eq!(judge(format!("{key:.12}-authentication")), Outcome::Fail);
        assert_eq!(judge(String::new()), Outcome::Fail);
    }

    #[test]
    fn words_fillers_and_numbers_are_refused() {
        for value in [
            "authentication-credentials",
            "getElementsByClassNameAndMore",
            "xxxxxxxxxxxxxxxxxxxxxxxx",
            "000000000000-000000000000",
            "0123456789abcdef0123456789abcdef",
            "1234567812345678",
            "your-access-token-goes-here",
            "<access-token>",
            "",
        ] {
            assert!(!is_random(value.as_bytes()), "{value}");
        }
    }
}
