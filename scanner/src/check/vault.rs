//! Service tokens of HashiCorp Vault and OpenBao.

use data_encoding::BASE64URL_NOPAD;

use super::{Outcome, Subject, Verdict, random_text};

/// Characters of the prefix, `hvs.`.
const PREFIX: usize = 4;
/// Characters of a token that is random only.
const SHORT: usize = 24;
/// Bytes of an HMAC.
const HMAC: usize = 32;

/// Checks a service token. Most are base64url of a protobuf message, `SignedToken`: version (field
/// 1), an HMAC of 32 bytes (2), the token (3), of which the first field is text; the lengths inside
/// give the true end. Others are 24 random characters.
///
/// Source: `vault/token_store.go` and `sdk/helper/tokens` of Vault.
pub(super) fn service_token(subject: &Subject<'_>) -> Verdict {
    let fail = Verdict::of(Outcome::Fail, subject);
    let Some(body) = subject.value().get(PREFIX..) else { return fail };
    let is_signed = body.starts_with(b"CAES");
    let Some(len) = (if is_signed { signed(body) } else { short(body) }) else { return fail };
    let end = len.saturating_add(PREFIX);
    let mut verdict = Verdict::of(Outcome::Pass, subject);
    verdict.span = subject.part(0..end);
    let next = subject.text.get(verdict.span.end);
    if !is_signed && next.is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')) {
        verdict.outcome = Outcome::Weak;
    }
    verdict
}

fn short(body: &[u8]) -> Option<usize> {
    let value = body.get(..SHORT)?;
    random_text::is_random(value).then_some(SHORT)
}

/// Characters of a signed token, without what follows it.
fn signed(body: &[u8]) -> Option<usize> {
    // Two bytes of tag and length, and as many again for the token: enough to know the length.
    let bytes = decoded(body);
    let rest = bytes.strip_prefix(&[0x08])?;
    let (&version, rest) = rest.split_first()?;
    let rest = rest.strip_prefix(&[0x12, u8::try_from(HMAC).ok()?])?;
    let rest = rest.get(HMAC..)?.strip_prefix(&[0x1a])?;
    let (&len, token) = rest.split_first()?;
    let token = token.get(..usize::from(len))?;
    let (&text, random) = token.strip_prefix(&[0x0a])?.split_first()?;
    let text = random.get(..usize::from(text))?;
    let is_text = text.len() >= SHORT && text.iter().all(u8::is_ascii_graphic);
    let behind = rest.len().checked_sub(1)?.checked_sub(token.len())?;
    let bytes = bytes.len().checked_sub(behind)?;
    let characters = bytes.checked_mul(4)?.div_ceil(3);
    let is_exact = BASE64URL_NOPAD.decode(body.get(..characters)?).is_ok();
    (version < 0x80 && len < 0x80 && is_text && is_exact).then_some(characters)
}

/// The bytes of the longest part of a text that decodes.
fn decoded(body: &[u8]) -> Vec<u8> {
    let whole = body.len().saturating_sub(body.len() % 4);
    let tail = body.get(whole..).unwrap_or_default();
    let mut bytes =
        BASE64URL_NOPAD.decode(body.get(..whole).unwrap_or_default()).unwrap_or_default();
    // The spare bits of a last character may belong to what follows it.
    let mut last = tail.to_vec();
    if last.len() > 1 {
        last.resize(4, b'A');
        let kept = tail.len().saturating_sub(1);
        let tail = BASE64URL_NOPAD.decode(&last).unwrap_or_default();
        bytes.extend(tail.get(..kept).unwrap_or_default());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::super::tests::whole;
    use super::*;
    use sha2::{Digest, Sha256};

    /// What stands in the message, with an end as tokens have it.
    const RANDOM: &[u8] = b"AbCdEfGh1234567890ijKLmnOp";

    /// A token made after Vault's source.
    fn token(random: &[u8]) -> Vec<u8> {
        let inner = [b"\x0a", &[u8::try_from(random.len()).unwrap()][..], random].concat();
        let message = [
            &[0x08, 0x01, 0x12, 0x20],
            &Sha256::digest(random)[..],
            &[0x1a, u8::try_from(inner.len()).unwrap()],
            &inner,
        ]
        .concat();
        [b"hvs.", BASE64URL_NOPAD.encode(&message).as_bytes()].concat()
    }

    #[test]
    fn the_lengths_inside_give_the_end() {
        for random in [RANDOM, &[RANDOM, b".ns01x"].concat()[..]] {
            let token = token(random);
            for tail in ["", "A", "AB", "ABC", "stale_letters-"] {
                let text = [&token, tail.as_bytes()].concat();
                let verdict = service_token(&whole(&text));
                assert_eq!(
                    (verdict.outcome, verdict.span),
                    (Outcome::Pass, 0..token.len()),
                    "{tail}"
                );
            }
            for len in 0..token.len() {
                assert_eq!(service_token(&whole(&token[..len])).outcome, Outcome::Fail, "{len}");
            }
        }
    }

    #[test]
    fn other_messages_fail() {
        let token = token(RANDOM);
        for at in 4..9 {
            let mut changed = token.clone();
            changed[at] = b'_';
            assert_ne!(service_token(&whole(&changed)).outcome, Outcome::Pass, "byte {at}");
        }
    }

    #[test]
    fn short_tokens() {
        let good = [b"hvs.", &b"x7Qm2LkP0vTzR9sWbN4cYd8H"[..]].concat();
        assert_eq!(service_token(&whole(&good)).outcome, Outcome::Pass);
        let long = [&good[..], b"Stale"].concat();
        let subject = Subject { text: &long, span: 0..28, cut: false };
        assert_eq!(service_token(&subject).outcome, Outcome::Weak);
        let filler = [b"hvs.", &b"x".repeat(24)[..]].concat();
        assert_eq!(service_token(&whole(&filler)).outcome, Outcome::Fail);
    }
}
