//! Values that Jenkins encrypts in its XML files.

use data_encoding::BASE64;

use super::{Outcome, Subject, Verdict};

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
mod tests {
    use super::super::tests::whole;
    use super::*;

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
