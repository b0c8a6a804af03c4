//! Tokens of GitLab: the routable ones carry a checksum, the older ones do not.

use data_encoding::BASE64URL_NOPAD;

use super::{Outcome, Subject, Verdict, attribute, random_text};

/// Characters of the checksum of a routable token.
const CHECKSUM: usize = 7;
/// Characters of the length of its payload.
const LENGTH: usize = 2;
/// The version of newer ones, between two dots.
const VERSION: &[u8] = b".01";
/// Random bytes at the start of the payload.
const RANDOM: usize = 16;
/// Letters and numbers of base 36.
const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
/// Characters after which a text counts as the payload of a routable token.
const PAYLOAD: usize = 27;

/// Checks PREFIX payload `.01.` length checksum (or, older, PREFIX payload `.` length checksum):
/// the length is that of the payload in base 36, the checksum the CRC-32 (IEEE) of all before it in
/// base 36, lower case, padded with `0` to seven digits. The payload ends in lines of routing data
/// and one byte with their length.
///
/// An instance may put a word of its own before the prefix (`acme-glpat-`), which the checksum
/// covers: the pattern takes what could be one, and the checksum tells where the token begins.
///
/// Source: `lib/authn/token_field/generator/routable_token.rb` of GitLab.
pub(super) fn routable(subject: &Subject<'_>) -> Verdict {
    let fail = Verdict::of(Outcome::Fail, subject);
    let value = subject.value();
    let Some((signed, checksum)) = value.split_last_chunk::<CHECKSUM>() else { return fail };
    let Some(head) = payload_end(signed) else { return fail };
    // The prefix is the last `gl…-` before the payload: random characters may look like one too.
    let starts = memchr::memmem::find_iter(head, b"gl").filter(|&at| {
        let name = head.get(at..).unwrap_or_default();
        name.iter().position(|&b| b == b'-').is_some_and(|dash| (4..=9).contains(&dash))
    });
    for at in starts {
        let Some(token) = head.get(at..) else { continue };
        let Some(organization) = organization(token, signed) else { continue };
        let begin = (0..=at).find(|&begin| {
            signed.get(begin..).is_some_and(|text| base36(crc32fast::hash(text)) == *checksum)
        });
        let Some(begin) = begin else { continue };
        let mut verdict = Verdict::of(Outcome::Pass, subject);
        verdict.span = subject.part(begin..value.len());
        verdict.attributes.insert("gitlab.organization", attribute(&organization));
        return verdict;
    }
    fail
}

/// What stands before the version and the length.
fn payload_end(signed: &[u8]) -> Option<&[u8]> {
    let (head, _) = signed.split_at_checked(signed.len().checked_sub(LENGTH)?)?;
    let head = head.strip_suffix(b".")?;
    Some(head.strip_suffix(VERSION).unwrap_or(head))
}

/// The organization that a token of this `prefix-payload` belongs to; `None` if it is no token.
fn organization(token: &[u8], signed: &[u8]) -> Option<String> {
    let dash = token.iter().position(|&b| b == b'-')?;
    let mut payload = token.get(dash.checked_add(1)?..)?;
    // Runners: `glrt-t1_`.
    if let [b't', digit, b'_', rest @ ..] = payload
        && digit.is_ascii_digit()
    {
        payload = rest;
    }
    let length = signed.last_chunk::<LENGTH>()?;
    let told = length.iter().try_fold(0_usize, |sum, digit| {
        let value = DIGITS.iter().position(|known| known == digit)?;
        sum.checked_mul(36)?.checked_add(value)
    });
    if told? != payload.len() {
        return None;
    }
    let bytes = BASE64URL_NOPAD.decode(payload).ok()?;
    let (&routing, rest) = bytes.split_last()?;
    let routing = rest.get(rest.len().checked_sub(usize::from(routing))?..)?;
    if rest.len() != RANDOM.checked_add(routing.len())? {
        return None;
    }
    let lines: Option<Vec<(&str, &str)>> =
        std::str::from_utf8(routing).ok()?.lines().map(|line| line.split_once(':')).collect();
    let lines = lines?;
    let is_known = |(key, _): &(&str, &str)| matches!(*key, "c" | "g" | "o" | "p" | "t" | "u");
    if !lines.iter().all(is_known) {
        return None;
    }
    let (_, number) = lines.into_iter().find(|(key, _)| *key == "o")?;
    Some(u64::from_str_radix(number, 36).ok()?.to_string())
}

fn base36(mut number: u32) -> [u8; CHECKSUM] {
    let mut text = [b'0'; CHECKSUM];
    for digit in text.iter_mut().rev() {
        let value = usize::try_from(number % 36).unwrap_or(0);
        *digit = DIGITS.get(value).copied().unwrap_or(b'0');
        number /= 36;
    }
    text
}

/// Checks a token without checksum: random characters, which are not the head of a routable token.
/// Fail: also what may be half of one, at the end of memory.
pub(super) fn plain(subject: &Subject<'_>) -> Verdict {
    let value = subject.value();
    let after = subject.text.get(subject.span.end..).unwrap_or_default();
    let more = after.iter().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    let more = more.count();
    let body =
        value.iter().position(|&b| b == b'-').map_or(0, |dash| value.len().saturating_sub(dash));
    let rest = after.get(more..).unwrap_or_default();
    let is_head = more > 0
        && (rest.is_empty() && subject.cut
            || body.saturating_add(more) >= PAYLOAD && is_routing(rest));
    let outcome =
        if random_text::is_random(value) && !is_head { Outcome::Pass } else { Outcome::Fail };
    Verdict::of(outcome, subject)
}

/// Whether a text begins as what stands behind the payload of a routable token.
fn is_routing(text: &[u8]) -> bool {
    let Some(text) = text.strip_prefix(b".") else { return false };
    let text = text.strip_prefix(b"01.").unwrap_or(text);
    let digits = text.iter().take_while(|b| b.is_ascii_digit() || b.is_ascii_lowercase()).count();
    digits >= LENGTH + CHECKSUM
}

#[cfg(test)]
#[expect(clippy::string_slice, reason = "ASCII of our own making")]
mod tests {
    use super::super::tests::whole;
    use super::*;

    /// Synthetic, made after GitLab's generator: a personal token, a runner's.
    const VECTORS: [[&str; 4]; 2] = [
        ["glpat-", "JPtM5iA6Vpb_-L1xT--K3G86MQp1OjNlOAk", ".01.0z", "0eunudo"],
        ["glrt-t1_", "iYvnCeyaL377e_n8GmiaCWM6MQpvOjEKcDoybjljCnQ6MQp1OjF6Fw", ".01.1i", "0zye69n"],
    ];

    #[test]
    fn the_checksum_decides() {
        for vector in VECTORS {
            let token = vector.concat();
            let verdict = routable(&whole(token.as_bytes()));
            assert_eq!((verdict.outcome, verdict.span), (Outcome::Pass, 0..token.len()), "{token}");
            assert_eq!(verdict.attributes["gitlab.organization"], "1");
        }
    }

    #[test]
    fn any_changed_character_and_any_truncation_fails() {
        let token = VECTORS[0].concat().into_bytes();
        for at in 0..token.len() {
            let mut changed = token.clone();
            changed[at] = if changed[at] == b'1' { b'2' } else { b'1' };
            assert_eq!(routable(&whole(&changed)).outcome, Outcome::Fail, "byte {at}");
            assert_eq!(routable(&whole(&token[..at])).outcome, Outcome::Fail, "{at} bytes");
        }
    }

    #[test]
    fn a_word_of_the_instance_belongs_to_the_token_if_the_checksum_says_so() {
        let signed = ["acme-", VECTORS[0][0], VECTORS[0][1], VECTORS[0][2]].concat();
        let checksum = base36(crc32fast::hash(signed.as_bytes()));
        let token = [signed.as_bytes(), &checksum].concat();
        assert_eq!(routable(&whole(&token)).span, 0..token.len());
        let stale = [b"Xy-", VECTORS[0].concat().as_bytes()].concat();
        assert_eq!(routable(&whole(&stale)).span, 3..stale.len());
    }

    #[test]
    fn the_form_without_version() {
        let signed = [VECTORS[0][0], VECTORS[0][1], ".0z"].concat();
        let checksum = base36(crc32fast::hash(signed.as_bytes()));
        let token = [signed.as_bytes(), &checksum].concat();
        assert_eq!(routable(&whole(&token)).outcome, Outcome::Pass);
    }

    #[test]
    fn the_head_of_a_routable_token_is_no_plain_one() {
        let token = VECTORS[0].concat();
        let head = |text: &str, cut| {
            let subject = Subject { text: text.as_bytes(), span: 0..26, cut };
            plain(&subject).outcome
        };
        assert_eq!(head(&token[..26], false), Outcome::Pass);
        assert_eq!(head(&token, false), Outcome::Fail);
        assert_eq!(head(&token.replace(".01.", "."), false), Outcome::Fail);
        assert_eq!(head(&token[..30], true), Outcome::Fail, "cut by the end of memory");
        assert_eq!(head(&token[..30], false), Outcome::Pass, "stale letters");
        assert_eq!(head("glpat-xxxxxxxxxxxxxxxxxxxx", false), Outcome::Fail);
    }
}
