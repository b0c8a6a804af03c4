//! Personal access tokens of Azure DevOps as made until 2024.

use data_encoding::BASE32_NOPAD;

use super::{Outcome, Subject, Verdict};

/// Bytes of a token, which are 52 characters of base32.
const TOKEN: usize = 32;
/// Where in them the bytes of the checksum stand, the lowest first.
const CHECKSUM: [usize; 4] = [22, 8, 7, 2];
/// What the checksum is mixed with, by whom the token was made for.
const KINDS: [(u32, &str); 2] = [(0xE0B9_692D, "user"), (0x1019_F92E, "application")];

/// Checks 52 characters of base32 in lower case: four of its 32 bytes are the CRC-32 (IEEE) of the
/// others, mixed with a number that tells tokens of users from those of applications.
///
/// Source: `microsoft/security-utilities`, `AzureDevOpsLegacyPat`.
pub(super) fn run(subject: &Subject<'_>) -> Verdict {
    let fail = Verdict::of(Outcome::Fail, subject);
    let text = subject.value();
    if text.iter().any(u8::is_ascii_uppercase) {
        return fail;
    }
    let Ok(bytes) = BASE32_NOPAD.decode(&text.to_ascii_uppercase()) else { return fail };
    if bytes.len() != TOKEN {
        return fail;
    }
    let sum = u32::from_le_bytes(CHECKSUM.map(|at| bytes.get(at).copied().unwrap_or_default()));
    let body: Vec<u8> = bytes
        .iter()
        .enumerate()
        .filter(|(at, _)| !CHECKSUM.contains(at))
        .map(|(_, byte)| *byte)
        .collect();
    let expected = crc32fast::hash(&body);
    let Some((_, kind)) = KINDS.iter().find(|(mix, _)| expected ^ mix == sum) else { return fail };
    let mut verdict = Verdict::of(Outcome::Pass, subject);
    verdict.attributes.insert("azure-devops.issued-to", (*kind).to_owned());
    verdict
}

#[cfg(test)]
mod tests {
    use super::super::tests::whole;
    use super::*;

    /// Synthetic, made after Microsoft's source: a token of a user.
    fn vector() -> String {
        ["yoqpbu6q3cuc4fotfplzihcpowpyzemv", "usywzkus675kvsycfdka"].concat()
    }

    #[test]
    fn the_checksum_decides() {
        let verdict = run(&whole(vector().as_bytes()));
        assert_eq!(verdict.outcome, Outcome::Pass);
        assert_eq!(verdict.attributes["azure-devops.issued-to"], "user");
    }

    #[test]
    fn any_changed_character_any_truncation_and_capitals_fail() {
        let token = vector().into_bytes();
        for at in 0..token.len() {
            let mut changed = token.clone();
            changed[at] = if changed[at] == b'a' { b'b' } else { b'a' };
            assert_eq!(run(&whole(&changed)).outcome, Outcome::Fail, "character {at}");
            assert_eq!(run(&whole(&token[..at])).outcome, Outcome::Fail, "{at} characters");
        }
        assert_eq!(run(&whole(&token.to_ascii_uppercase())).outcome, Outcome::Fail);
        assert_eq!(run(&whole(&[b'a'; 52])).outcome, Outcome::Fail);
    }
}
