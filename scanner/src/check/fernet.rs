//! Tokens of Fernet, as Keystone of OpenStack hands them out.

use super::base64_json::head;
use super::{Outcome, Subject, Verdict, random_text};

/// Bytes of version, time, initialisation vector and HMAC.
const AROUND: usize = 1 + 8 + 16 + 32;
/// Bytes of a block of the cipher.
const BLOCK: usize = 16;
/// The years in which a token was made: Fernet was published in 2013.
const TIMES: std::ops::Range<u64> = 1_356_998_400..4_102_444_800;

/// Checks base64url of version 0x80, a time (`fernet.issued`), an initialisation vector, whole blocks
/// and an HMAC. Unavailable: the blocks are not whole, so that text behind the token may be stale.
///
/// Source: the specification of Fernet, "Token Format".
pub(super) fn run(subject: &Subject<'_>) -> Verdict {
    let fail = Verdict::of(Outcome::Fail, subject);
    let value = subject.value();
    let Some(bytes) = head(value).filter(|_| random_text::is_random(value)) else { return fail };
    let Some((0x80, rest)) = bytes.split_first().map(|(first, rest)| (*first, rest)) else {
        return fail;
    };
    let time = rest.first_chunk::<8>().map(|time| u64::from_be_bytes(*time));
    let Some(time) = time.filter(|time| TIMES.contains(time)) else { return fail };
    let Some(blocks) = bytes.len().checked_sub(AROUND).filter(|len| *len >= BLOCK) else {
        return fail;
    };
    let is_whole = blocks % BLOCK == 0;
    let outcome = if is_whole { Outcome::Pass } else { Outcome::Unavailable };
    let mut verdict = Verdict::of(outcome, subject);
    let issued = i64::try_from(time).ok().and_then(|time| jiff::Timestamp::from_second(time).ok());
    if let Some(issued) = issued {
        verdict.attributes.insert("fernet.issued", issued.to_string());
    }
    verdict
}

#[cfg(test)]
mod tests {
    use super::super::tests::whole;
    use super::*;
    use data_encoding::BASE64URL;
    use sha2::{Digest, Sha512};

    fn token(version: u8, time: u64, rest: usize) -> String {
        let random: Vec<u8> = (0..3_u8).flat_map(|i| Sha512::digest([i])).collect();
        BASE64URL.encode(&[&[version], &time.to_be_bytes()[..], &random[..rest]].concat())
    }

    #[test]
    fn version_time_and_whole_blocks() {
        let good = token(0x80, 1_700_000_000, 16 + 32 + 32);
        assert!(good.starts_with("gAAAAABlU_EA"), "the published head of that time");
        let verdict = run(&whole(good.as_bytes()));
        assert_eq!(verdict.outcome, Outcome::Pass);
        assert_eq!(verdict.attributes["fernet.issued"], "2023-11-14T22:13:20Z");
        let bare = good.trim_end_matches('=');
        assert_eq!(run(&whole(bare.as_bytes())).outcome, Outcome::Pass, "as Keystone writes it");
        for (text, expected) in [
            (token(0x80, 1_700_000_000, 16 + 33 + 32), Outcome::Unavailable),
            (token(0x80, 1_700_000_000, 16 + 32), Outcome::Fail),
            (token(0x80, 1_000_000_000, 16 + 32 + 32), Outcome::Fail),
            (token(0x80, u64::MAX, 16 + 32 + 32), Outcome::Fail),
            (token(0x81, 1_700_000_000, 16 + 32 + 32), Outcome::Fail),
        ] {
            assert_eq!(run(&whole(text.as_bytes())).outcome, expected, "{text}");
        }
    }
}
