//! Tokens of Atlassian that end in a checksum.

use super::random_text::is_random;
use super::{Outcome, Subject, Verdict};

/// Characters of the checksum.
const CHECKSUM: usize = 8;

/// Checks `body=checksum`: eight capital hex digits of the CRC-32 (IEEE) of all before the `=`, prefix
/// included.
///
/// Unavailable: another sum, as the vendor publishes none and not every token may have it. Fail: a
/// body that is not random.
pub(super) fn run(subject: &Subject<'_>) -> Verdict {
    let fail = Verdict::of(Outcome::Fail, subject);
    let value = subject.value();
    let Some((head, sum)) = value.split_last_chunk::<CHECKSUM>() else { return fail };
    let Some(body) = head.strip_suffix(b"=").filter(|body| is_random(body)) else { return fail };
    let is_sum = format!("{:08X}", crc32fast::hash(body)).as_bytes() == sum;
    Verdict::of(if is_sum { Outcome::Pass } else { Outcome::Unavailable }, subject)
}

#[cfg(test)]
mod tests {
    use super::super::tests::whole;
    use super::*;

    /// Synthetic, made with zlib's crc32.
    fn vector() -> String {
        [
            "ATATT3xFfGF0UjYp7RNmxNyHaYV9NOd8r0q8C-mSiWMFGdfEv7o9_NMhH_jfNhzgBfezXDBvvMLIwko8IOA5DyH2n",
            "DbwFLCPJAXVhdrE3VJXjTCOGLgk37eI7O2pjVwp6sc-VEn2KnPoYLgTaHL_E9yTYL_9S4xDQNMAAL5QaDtpc6RzGK",
            "Xi5As",
            "=",
            "2780F32B",
        ]
        .concat()
    }

    fn outcome(text: &[u8]) -> Outcome {
        run(&whole(text)).outcome
    }

    #[test]
    fn the_checksum_lifts_and_another_one_does_not_refute() {
        let token = vector().into_bytes();
        assert_eq!(outcome(&token), Outcome::Pass);
        for at in 0..token.len() {
            let mut changed = token.clone();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            assert_ne!(outcome(&changed), Outcome::Pass, "character {at}");
            assert_ne!(outcome(&token[..at]), Outcome::Pass, "{at} characters");
        }
        let filler = ["ATCTT3xFfG", &"x".repeat(170), "=01234567"].concat();
        assert_eq!(outcome(filler.as_bytes()), Outcome::Fail);
        assert_eq!(outcome(b"=27B0F32B"), Outcome::Fail);
    }
}
