//! Values that Jenkins encrypts in its XML files.

use data_encoding::BASE64;

use super::{Outcome, Subject, Verdict, entropy};

/// Bytes of an AES block.
const BLOCK: usize = 16;

/// Checks `{` base64 `}` of: version 1, length of the initialisation vector (u32, big-endian, 16),
/// length of the data (u32, a multiple of 16), vector, data; and that nothing else is there.
///
/// Source: `hudson.util.Secret` and `HistoricalSecrets` of Jenkins.
pub(super) fn ciphertext(subject: &Subject<'_>) -> Verdict {
    let fail = Verdict::of(Outcome::Fail, subject);
    let value = subject.value();
    let Some(close) = value.iter().position(|&b| b == b'}') else { return fail };
    let Some(inner) = value.get(..close).and_then(|v| v.strip_prefix(b"{")) else { return fail };
    let Ok(payload) = BASE64.decode(inner) else { return fail };
    if !is_payload(&payload) {
        return fail;
    }
    let mut verdict = Verdict::of(Outcome::Pass, subject);
    verdict.span = subject.part(0..close.saturating_add(1));
    verdict
}

/// What API tokens begin with since their second version, before 32 hex digits.
const TOKEN_VERSION: &[u8] = b"11";
/// Digits of a token without its version.
const TOKEN: usize = 32;

/// Checks an API token: the version `11` and 32 random hex digits; older ones are the digits alone,
/// which only the context tells from a digest.
///
/// Source: `jenkins.security.apitoken.ApiTokenStore` of Jenkins.
pub(super) fn api_token(subject: &Subject<'_>) -> Verdict {
    let value = subject.value();
    let digits = match value.split_last_chunk::<TOKEN>() {
        Some((version, digits)) if version.is_empty() || version == TOKEN_VERSION => &digits[..],
        _ => &[],
    };
    let is_token = digits.len() == TOKEN
        && digits.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        && !digits.iter().all(u8::is_ascii_digit)
        && entropy::shannon(digits) >= 2_900
        && !entropy::is_periodic(digits)
        && !entropy::is_sequence(digits);
    Verdict::of(if is_token { Outcome::Pass } else { Outcome::Fail }, subject)
}

fn is_payload(payload: &[u8]) -> bool {
    let Some(([version, lengths @ ..], rest)) = payload.split_first_chunk::<9>() else {
        return false;
    };
    let Some((vector, data)) = rest.split_at_checked(BLOCK) else { return false };
    let expected = |length: usize| u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    *version == 1
        && lengths.starts_with(&expected(vector.len()))
        && lengths.ends_with(&expected(data.len()))
        && !data.is_empty()
        && data.len().is_multiple_of(BLOCK)
}

#[cfg(test)]
#[expect(clippy::string_slice, reason = "ASCII of our own making")]
mod tests {
    use super::super::tests::whole;
    use super::*;

    #[test]
    fn api_tokens() {
        let judge = |text: &str| api_token(&whole(text.as_bytes())).outcome;
        let digits = ["8f3c09d1", "5be27a46", "c0917ed3", "62fa84b5"].concat();
        assert_eq!(judge(&format!("11{digits}")), Outcome::Pass);
        assert_eq!(judge(&digits), Outcome::Pass);
        for fails in [
            format!("12{digits}"),
            format!("11{}", &digits[1..]),
            format!("11{}", "0123456789abcdef".repeat(2)),
            "11".repeat(17),
        ] {
            assert_eq!(judge(&fails), Outcome::Fail, "{fails}");
        }
    }

    fn wrap(payload: &[u8]) -> Vec<u8> {
        [b"{", BASE64.encode(payload).as_bytes(), b"}"].concat()
    }

    fn payload(version: u8, vector: u32, data: u32, bytes: usize) -> Vec<u8> {
        [&[version], &vector.to_be_bytes()[..], &data.to_be_bytes(), &vec![0x5a; bytes]].concat()
    }

    #[test]
    fn a_published_layout_passes_and_its_end_is_found() {
        // Synthetic: vector of 16 times 0x11, `synthetic-password` under a key of 00..0f.
        let value = [
            "{",
            "AQAAABAAAAAgEREREREREREREREREREREWFnJlfCX9Of+jLuBG/kNg9NLHdynVj1hY82rBT2a9Ft",
            "}",
        ]
        .concat();
        assert_eq!(ciphertext(&whole(value.as_bytes())).outcome, Outcome::Pass);
        let followed = format!("{value}</password>");
        let verdict = ciphertext(&whole(followed.as_bytes()));
        assert_eq!((verdict.outcome, verdict.span), (Outcome::Pass, 0..value.len()));
    }

    #[test]
    fn other_layouts_fail() {
        assert_eq!(ciphertext(&whole(&wrap(&payload(1, 16, 32, 48)))).outcome, Outcome::Pass);
        let fails = [
            (payload(2, 16, 32, 48), "version"),
            (payload(1, 12, 32, 48), "length of the vector"),
            (payload(1, 16, 31, 47), "half a block"),
            (payload(1, 16, 32, 64), "data longer than told"),
            (payload(1, 16, 48, 48), "data shorter than told"),
            (payload(1, 16, 0, 16), "no data"),
            (payload(1, 16, 0, 3), "no vector"),
            (Vec::new(), "nothing"),
        ];
        for (payload, why) in fails {
            assert_eq!(ciphertext(&whole(&wrap(&payload))).outcome, Outcome::Fail, "{why}");
        }
    }

    #[test]
    fn every_truncation_fails() {
        let value = wrap(&payload(1, 16, 32, 48));
        for len in 0..value.len() {
            assert_eq!(ciphertext(&whole(&value[..len])).outcome, Outcome::Fail, "{len} bytes");
        }
    }
}
