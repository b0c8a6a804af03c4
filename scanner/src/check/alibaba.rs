//! Session tokens of Alibaba Cloud.

use super::base64_json::{characters, head};
use super::kubernetes_proto::varint;
use super::{Outcome, Subject, Verdict, random_text};

/// Fewest bytes of what a token encloses.
const BYTES: usize = 100;

/// Checks a token of the security token service: base64 of a protobuf message that begins with the
/// number 2 (field 1) and encrypted bytes (field 2). Where all of it is fields with their lengths, it is
/// a pass. Unavailable otherwise: the vendor describes no format.
pub(super) fn session_token(subject: &Subject<'_>) -> Verdict {
    let value = subject.value();
    let body = value.strip_suffix(b"==").or_else(|| value.strip_suffix(b"=")).unwrap_or(value);
    let bytes = head(body).filter(|_| random_text::is_random(value));
    let Some(bytes) = bytes.filter(|bytes| bytes.starts_with(&[0x08, 0x02, 0x12])) else {
        return Verdict::of(Outcome::Fail, subject);
    };
    let is_all = characters(body, bytes.len()) == body.len();
    let outcome = match fields(&bytes) {
        Some(first) if first < BYTES => Outcome::Fail,
        Some(_) if is_all => Outcome::Pass,
        Some(_) | None => Outcome::Unavailable,
    };
    Verdict::of(outcome, subject)
}

/// Checks the id of temporary credentials, `STS.` and random characters with a digit among them, which
/// names in programs (`STS.AssumeRole`) seldom have. A pass proves nothing. Of true ids of 24 characters
/// one in 66 has none.
pub(super) fn temporary_id(subject: &Subject<'_>) -> Verdict {
    let body = subject.value().get(4..).unwrap_or_default();
    let is_id = body.iter().any(u8::is_ascii_digit) && random_text::is_random(body);
    Verdict::of(if is_id { Outcome::Pass } else { Outcome::Fail }, subject)
}

/// Walks the fields up to the end; gives the length of the first that holds bytes.
fn fields(bytes: &[u8]) -> Option<usize> {
    let end = bytes.len();
    let (mut at, mut first) = (0_usize, None);
    while at < end {
        let (tag, next) = varint(bytes, at, end)?;
        let (number, next) = varint(bytes, next, end)?;
        at = match tag & 7 {
            0 => next,
            2 => {
                let len = usize::try_from(number).ok()?;
                first = first.or(Some(len));
                next.checked_add(len)?
            }
            _ => return None,
        };
    }
    first.filter(|_| at == end)
}

#[cfg(test)]
#[expect(clippy::string_slice, reason = "ASCII of our own making")]
mod tests {
    use super::super::tests::whole;
    use super::*;
    use data_encoding::BASE64;
    use sha2::{Digest, Sha512};

    fn token(head: &[u8], sizes: &[usize]) -> String {
        let random: Vec<u8> = (0..9_u8).flat_map(|i| Sha512::digest([i])).collect();
        let mut bytes = head.to_vec();
        for (field, size) in (2_u8..).zip(sizes) {
            let [low, high] = [size % 128, size / 128].map(|part| u8::try_from(part).unwrap());
            bytes.extend([field << 3 | 2, low | 0x80, high]);
            bytes.extend(&random[..*size]);
        }
        BASE64.encode(&bytes)
    }

    fn judge(text: &str) -> Outcome {
        session_token(&whole(text.as_bytes())).outcome
    }

    #[test]
    fn ids_have_a_digit() {
        let of = |text: &str| temporary_id(&whole(text.as_bytes())).outcome;
        assert_eq!(of(&["STS.", "NUgYrLnoC37mZZCN", "nAbezKq2"].concat()), Outcome::Pass);
        assert_eq!(of("STS.AssumeRoleWithWebIdentity"), Outcome::Fail);
        assert_eq!(of("STS"), Outcome::Fail);
    }

    #[test]
    fn fields_fill_the_token() {
        for sizes in [&[327][..], &[263, 128], &[264, 128], &[265, 128]] {
            let token = token(&[8, 2], sizes);
            assert!(token.starts_with("CAIS"));
            assert_eq!(judge(&token), Outcome::Pass, "{sizes:?}");
            let more = format!("{}StaleText", token.trim_end_matches('='));
            assert_ne!(judge(&more), Outcome::Pass, "{sizes:?} and stale text");
        }
        assert_eq!(judge(&token(&[8, 2], &[327])[..300]), Outcome::Unavailable, "cut");
        assert_eq!(judge(&token(&[8, 3], &[327])), Outcome::Fail, "another number");
        assert_eq!(judge(&["CAIS", &"A".repeat(400)].concat()), Outcome::Fail);
        assert_eq!(judge("CAIS"), Outcome::Fail);
    }
}
