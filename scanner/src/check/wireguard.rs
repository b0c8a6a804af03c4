//! Private keys of WireGuard.

use data_encoding::BASE64;
use zeroize::Zeroizing;

use super::{Outcome, Subject, Verdict, known};

/// Bytes of a key.
const KEY: usize = 32;

/// Checks 32 bytes in base64 that are clamped as RFC 7748 §5 asks of X25519: the three lowest bits
/// clear, of the two highest only the lower set. `wg genkey` writes them so; of random keys one in
/// 32 is so too.
///
/// Weak: not clamped, which other tools may leave to the kernel.
/// Fail: a filling, the key of the manual's examples.
pub(super) fn run(subject: &Subject<'_>) -> Verdict {
    if known::is_documentation_value(subject.value()) {
        return Verdict::of(Outcome::Fail, subject);
    }
    let key = BASE64.decode(subject.value()).map(Zeroizing::new);
    let outcome = match key.as_ref().map(|key| key.as_slice()) {
        Ok([first, .., last]) if key.as_ref().is_ok_and(|key| is_key(key)) => {
            let is_clamped = first.trailing_zeros() >= 3 && last & 0xc0 == 0x40;
            if is_clamped { Outcome::Pass } else { Outcome::Weak }
        }
        _ => Outcome::Fail,
    };
    Verdict::of(outcome, subject)
}

/// Whether bytes could be a key: as many as it has, and not a filling.
fn is_key(bytes: &[u8]) -> bool {
    let mut kinds = bytes.to_vec();
    kinds.sort_unstable();
    kinds.dedup();
    bytes.len() == KEY && kinds.len() > KEY / 4
}

#[cfg(test)]
mod tests {
    use super::super::tests::whole;
    use super::*;

    fn check(parts: &[&str]) -> Outcome {
        run(&whole(parts.concat().as_bytes())).outcome
    }

    #[test]
    fn clamped_keys_pass() {
        // Synthetic: the first clamped, the second not.
        assert_eq!(check(&["EDT1nY6uRZV2N3+rCq8HCMLz", "BeWXHzJeGSdzbxBZL24="]), Outcome::Pass);
        assert_eq!(check(&["AzB8mt+m2FeAFkETMLs6WuV+", "+Ue7A909XUKRYfqHyG0="]), Outcome::Weak);
    }

    #[test]
    fn the_key_of_the_manual_fails() {
        assert_eq!(check(&["yAnz5TF+lXXJte14tji3zlMN", "q+hd2rYUIgJBgB3fBmk="]), Outcome::Fail);
    }

    #[test]
    fn fillings_and_other_lengths_fail() {
        assert_eq!(check(&[&"A".repeat(43), "="]), Outcome::Fail);
        assert_eq!(check(&["EDT1nY6uRZV2N3+rCq8HCMLz"]), Outcome::Fail);
        assert_eq!(check(&[]), Outcome::Fail);
    }
}
