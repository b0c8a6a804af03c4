//! Tokens of a vendor's prefix and random characters, without any checksum.

use super::entropy::{is_periodic, is_sequence, shannon};
use super::{Outcome, Placeholder, Subject, Verdict, placeholder};

/// Checks that a token could be random: enough different characters, no sequence, no period, no
/// word that stands for one, no example of a vendor's documentation. A pass proves nothing.
pub(super) fn run(subject: &Subject<'_>) -> Verdict {
    let outcome = if is_random(subject.value()) { Outcome::Pass } else { Outcome::Fail };
    Verdict::of(outcome, subject)
}

/// Fewest thousandths of a bit per character. 20 random characters of 64 have 4,000 on average with
/// a deviation of 120, 32 random hex digits 3,650 with one of 110.
const FLOOR: u32 = 2_900;

/// Whether a value looks as if it had been drawn by lot.
pub(super) fn is_random(value: &[u8]) -> bool {
    // Long texts are judged by their head: sequences and fillers begin there.
    let head = value.get(..512).unwrap_or(value);
    head.len() >= 16
        && shannon(head) >= FLOOR
        && !is_sequence(head)
        && !is_periodic(head)
        && placeholder(head) == Placeholder::No
}

#[cfg(test)]
#[expect(clippy::string_slice, reason = "ASCII of our own making")]
mod tests {
    use super::super::tests::whole;
    use super::*;
    use data_encoding::BASE64URL;
    use sha2::{Digest, Sha256};

    #[test]
    fn random_characters_pass() {
        for i in 0..=255_u8 {
            let digest = BASE64URL.encode(&Sha256::digest([i]));
            for len in [20, 27, 32, 43] {
                let value = format!("glpat-{}", &digest[..len]);
                assert_eq!(run(&whole(value.as_bytes())).outcome, Outcome::Pass, "{value}");
            }
        }
    }

    #[test]
    fn fillers_fail() {
        let fails = [
            "glpat-xxxxxxxxxxxxxxxxxxxx".to_owned(),
            "glpat-XXXXXXXX-your-token-x".to_owned(),
            "glpat-abcdefghijklmnopqrst".to_owned(),
            "glpat-01234567890123456789".to_owned(),
            format!("AIza{}", "Sy".repeat(17) + "x"),
            format!("sha256~{}", "A1b2".repeat(11)),
            format!("dckr_pat_{}", "example-token-for-the-docs"),
            String::new(),
            "short".to_owned(),
        ];
        for value in fails {
            assert_eq!(run(&whole(value.as_bytes())).outcome, Outcome::Fail, "{value}");
        }
    }
}
