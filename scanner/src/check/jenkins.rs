//! Values that Jenkins encrypts in its XML files.

use data_encoding::BASE64;

use super::{Attributes, Outcome, Subject, Verdict, attribute, entropy};

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
    verdict.attributes = credential(subject.text.get(..subject.span.start).unwrap_or_default());
    verdict
}

/// Bytes of XML before a value in which its credential is looked for.
const XML: usize = 1500;
/// Characters of the longest id and the longest name of an element.
const ID: usize = 200;

/// Which credential an encrypted value belongs to, and which field of it it is, by the XML before it:
/// `<id>deploy</id> … <password>`.
fn credential(before: &[u8]) -> Attributes {
    let mut attributes = Attributes::new();
    let before = before.get(before.len().saturating_sub(XML)..).unwrap_or_default();
    let is_name = |name: &&str| {
        !name.is_empty()
            && name.len() <= ID
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
    };
    let field = before.strip_suffix(b">").and_then(|before| {
        let at = memchr::memrchr(b'<', before)?.checked_add(1)?;
        std::str::from_utf8(before.get(at..)?).ok().filter(is_name)
    });
    let Some(field) = field else { return attributes };
    attributes.insert("jenkins.field", attribute(field));
    let id = memchr::memmem::rfind(before, b"<id>").and_then(|at| {
        let rest = before.get(at.checked_add(4)?..)?;
        let end = memchr::memmem::find(rest, b"</id>")?;
        // The elements of credentials are named after classes: behind the end of one begins another.
        let is_same = !ends_class(rest.get(end.checked_add(5)?..)?);
        std::str::from_utf8(rest.get(..end)?).ok().filter(is_name).filter(|_| is_same)
    });
    attributes.extend(id.map(|id| ("jenkins.credential", attribute(id))));
    attributes
}

/// Whether an element whose name has a dot ends in XML.
fn ends_class(xml: &[u8]) -> bool {
    memchr::memmem::find_iter(xml, b"</").any(|at| {
        let name = xml.get(at..).unwrap_or_default();
        let name = name.get(..memchr::memchr(b'>', name).unwrap_or(name.len())).unwrap_or_default();
        name.contains(&b'.')
    })
}

/// Thousandths of a bit per byte that 256 random bytes have at least: mostly 7100 to 7250.
const RANDOM_KEY: u32 = 6_600;

/// Checks the bytes of a confidential key, encrypted or not: whole blocks that could be random.
///
/// Source: `jenkins.security.DefaultConfidentialStore`.
pub(super) fn confidential_key(subject: &Subject<'_>) -> Verdict {
    let value = subject.value();
    let is_key = value.len() >= 256
        && value.len().is_multiple_of(BLOCK)
        && entropy::shannon(value) >= RANDOM_KEY;
    Verdict::of(if is_key { Outcome::Pass } else { Outcome::Fail }, subject)
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
    fn the_xml_before_a_value_names_its_credential() {
        let of = |before: &str| {
            let value = [before.as_bytes(), &wrap(&payload(1, 16, 32, 48))].concat();
            let subject = Subject { text: &value, span: before.len()..value.len(), cut: false };
            let verdict = ciphertext(&subject);
            assert_eq!(verdict.outcome, Outcome::Pass);
            let get = |name| verdict.attributes.get(name).cloned().unwrap_or_default();
            (get("jenkins.credential"), get("jenkins.field"))
        };
        let is = |id: &str, field: &str| (id.to_owned(), field.to_owned());
        let xml =
            "<a.B plugin=\"x\">\n<scope>GLOBAL</scope>\n<id>deploy</id>\n<username>u</username>\n";
        assert_eq!(of(&format!("{xml}<password>")), is("deploy", "password"));
        assert_eq!(of(&format!("{xml}</a.B>\n<a.C>\n<secret>")), is("", "secret"));
        assert_eq!(of("<id>no end <password>"), is("", "password"));
        assert_eq!(of("<password> "), is("", ""));
        assert_eq!(of(""), is("", ""));
    }

    #[test]
    fn keys_are_whole_blocks_that_could_be_random() {
        use sha2::{Digest, Sha256};
        let random: Vec<u8> = (0..9u8).flat_map(|it| Sha256::digest([it])).collect();
        let judge = |bytes: &[u8]| confidential_key(&whole(bytes)).outcome;
        assert_eq!(judge(&random[..256]), Outcome::Pass);
        assert_eq!(judge(&random[..272]), Outcome::Pass);
        assert_eq!(judge(&random[..271]), Outcome::Fail, "half a block");
        assert_eq!(judge(&random[..240]), Outcome::Fail, "too short");
        assert_eq!(judge(&[0; 272]), Outcome::Fail);
        assert_eq!(judge(&b"the quick brown fox jumps over it".repeat(8)[..256]), Outcome::Fail);
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
