//! AWS access key ids and secret access keys.

use std::ops::Range;

use data_encoding::BASE32;

use super::{Attributes, Outcome, Subject, Verdict, attribute, entropy, known};

/// Characters of the prefix: `AKIA`, `ASIA`, `ABIA`, `ACCA`, or `A3T` and one more.
const PREFIX: usize = 4;
/// Characters of an access key id.
const ID: usize = 20;
/// Characters of a secret access key.
const SECRET: usize = 40;

/// Checks a prefix and 16 characters of base32, and reads the account off ids made since about
/// 2019: of the ten bytes that the 16 characters encode, the first six, big-endian, hold it in
/// bits 7 to 46; ids of that kind have the highest bit set.
///
/// Source: published research on the layout (reproduced on its sample); ids that end in `EXAMPLE`
/// are AWS's own documentation. Weak: it is a part of a longer word in capitals.
pub(super) fn access_key_id(subject: &Subject<'_>) -> Verdict {
    let id = subject.value().get(..ID);
    let Some(attributes) = id.and_then(id_attributes) else {
        return Verdict::of(Outcome::Fail, subject);
    };
    let mut verdict = Verdict::of(Outcome::Pass, subject);
    verdict.span = subject.part(0..ID);
    verdict.attributes = attributes;
    if is_word(subject, &verdict.span) {
        verdict.outcome = Outcome::Weak;
    }
    verdict
}

/// Whether an id is a part of capital letters that go on, as in a list of words in capitals. Of random
/// ids 4 % have no digit.
fn is_word(subject: &Subject<'_>, span: &Range<usize>) -> bool {
    let is_letter = |at: Option<usize>| {
        at.and_then(|at| subject.text.get(at)).is_some_and(u8::is_ascii_uppercase)
    };
    let letters = subject.text.get(span.clone()).unwrap_or_default();
    letters.iter().all(u8::is_ascii_uppercase)
        && (is_letter(span.start.checked_sub(1)) || is_letter(Some(span.end)))
}

/// Checks the id of a user, a role or another thing in IAM: 16 or 17 characters of base32 behind the
/// prefix, the account in them as in [`access_key_id`]. It is no secret, so that a pass proves nothing.
pub(super) fn unique_id(subject: &Subject<'_>) -> Verdict {
    let value = subject.value();
    let found = value.get(..ID).filter(|_| !value.ends_with(b"EXAMPLE")).and_then(id_attributes);
    let outcome = if found.is_some() { Outcome::Pass } else { Outcome::Fail };
    Verdict { attributes: found.unwrap_or_default(), ..Verdict::of(outcome, subject) }
}

/// The account, if an id of 20 characters tells it; `None` if it is no id, or one of the documentation.
pub(super) fn id_attributes(id: &[u8]) -> Option<Attributes> {
    let body = id.get(PREFIX..).filter(|_| id.len() == ID)?;
    let decoded = BASE32.decode(body).ok()?;
    let doubtful = id.ends_with(b"EXAMPLE")
        || known::is_documentation_value(id)
        || entropy::shannon(body) < 2_000
        || entropy::is_sequence(body);
    let account = account(&decoded).map(|account| attribute(&format!("{account:012}")));
    (!doubtful).then(|| account.map(|account| ("aws.account", account)).into_iter().collect())
}

fn account(decoded: &[u8]) -> Option<u64> {
    let head = decoded.first_chunk::<6>()?;
    let number = head.iter().fold(0_u64, |number, &byte| (number << 8) | u64::from(byte));
    (number >> 47 == 1).then_some((number & 0x7fff_ffff_ff80) >> 7)
}

/// Fewest changes between upper case, lower case and others in 40 random characters.
const CLASS_CHANGES: usize = 15;

/// Checks 40 characters of base64 that look random. Shape and context stay all the proof.
///
/// Of a million random keys, 1,100 have no digit, and 1,500 more are taken for a path or for words.
pub(super) fn secret_key(subject: &Subject<'_>) -> Verdict {
    let value = subject.value();
    let classes = entropy::classes(value);
    let is_base64 = value.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/'));
    let slashes = memchr::memchr_iter(b'/', value).count();
    let longest_word =
        value.split(|b| !b.is_ascii_lowercase()).map(<[u8]>::len).max().unwrap_or_default();
    // In random characters two neighbours are of two classes 25 times, give or take 3; in names of
    // programs (`sun/util/cldr/CLDRLocale…`) about half as often.
    let class = |byte: &u8| (byte.is_ascii_lowercase(), byte.is_ascii_uppercase());
    let changes = value.windows(2).filter(|pair| pair.first().map(class) != pair.last().map(class));
    let passes = value.len() == SECRET
        && changes.count() >= CLASS_CHANGES
        && is_base64
        && classes.upper > 0
        && classes.lower > 0
        && classes.digits > 0
        && slashes <= 4 // a path
        && longest_word < 12 // words
        && entropy::shannon(value) >= 4_200
        && !value.iter().all(u8::is_ascii_hexdigit)
        && !entropy::is_sequence(value)
        && !value.ends_with(b"EXAMPLEKEY")
        && !known::is_documentation_value(value);
    Verdict::of(if passes { Outcome::Pass } else { Outcome::Fail }, subject)
}

#[cfg(test)]
mod tests {
    use super::super::tests::whole;
    use super::*;
    use data_encoding::BASE64;
    use sha2::{Digest, Sha256};

    fn id(prefix: &str, body: &str) -> Vec<u8> {
        [prefix, body].concat().into_bytes()
    }

    #[test]
    fn the_account_is_read_off_the_id() {
        let cases = [
            (id("ASIA", "QNZGKIQY56JQ7WML"), Some("029608264753")), // Published with the research.
            (id("AKIA", "RZPUZDIKNUKTZQSA"), Some("123456789012")), // Synthetic.
            (id("AKIA", "IT5PUZDIKNUKTZQS"), None),                 // Older ids carry none.
        ];
        for (value, account) in cases {
            let verdict = access_key_id(&whole(&value));
            assert_eq!(verdict.outcome, Outcome::Pass);
            assert_eq!(verdict.attributes.get("aws.account").map(String::as_str), account);
        }
    }

    #[test]
    fn ids_that_are_none_fail() {
        let fails = [
            (id("AKIA", "RZPUZDIKNUKTZQS1"), "1 is not base32"),
            (id("AKIA", "RZPUZDIKNUKTZQS0"), "0 is not base32"),
            (id("AKIA", "RZPUZDIKNUKTZQSa"), "lower case"),
            (id("AKIA", "RZPUZDIKNUKTZQS"), "one short"),
            (id("AKIA", "RZPUZDIKNEXAMPLE"), "documentation"),
            (id("AKIA", "XXXXXXXXXXXXXXXX"), "filler"),
            (id("AKIA", "ABCDEFGHIJKLMNOP"), "alphabet"),
        ];
        for (value, why) in fails {
            assert_eq!(access_key_id(&whole(&value)).outcome, Outcome::Fail, "{why}");
        }
    }

    #[test]
    fn a_part_of_words_in_capitals_is_doubtful() {
        // Names of characters in Unicode, as libunistring holds them.
        let words = ["CIRCLED", "ASIANABUNDANCEACCORD", "ING"].concat();
        let judge = |text: &str, span: Range<usize>| {
            access_key_id(&Subject { text: text.as_bytes(), span, cut: false }).outcome
        };
        assert_eq!(judge(&words, 7..27), Outcome::Weak);
        let alone = words.get(7..27).unwrap();
        assert_eq!(judge(alone, 0..20), Outcome::Pass);
        let with_digit = ["STALE", "ASIA", "QNZGKIQY56JQ7WML"].concat();
        assert_eq!(judge(&with_digit, 5..25), Outcome::Pass);
    }

    #[test]
    fn ids_that_are_no_keys() {
        for (value, expected) in [
            (id("AROA", "RZPUZDIKNUKTZQSAB"), Outcome::Pass),
            (id("AIDA", "RZPUZDIKNUKTZQSA"), Outcome::Pass),
            (id("AROA", "DBQP57FF2AEXAMPLE"), Outcome::Fail), // As the documentation writes them.
            (id("AIDA", "RZPUZDIKNUKTZQS1"), Outcome::Fail),
        ] {
            let verdict = unique_id(&whole(&value));
            assert_eq!((verdict.outcome, verdict.span), (expected, 0..value.len()));
        }
        let verdict = unique_id(&whole(&id("AROA", "RZPUZDIKNUKTZQSAB")));
        assert_eq!(verdict.attributes["aws.account"], "123456789012");
    }

    #[test]
    fn a_stale_tail_is_cut() {
        let mut value = id("AKIA", "RZPUZDIKNUKTZQSA");
        value.extend_from_slice(b"TALE");
        assert_eq!(access_key_id(&whole(&value)).span, 0..20);
    }

    #[test]
    fn random_secrets_pass() {
        for i in 0..50_u8 {
            let value = BASE64.encode(&Sha256::digest([i])[..30]);
            assert_eq!(secret_key(&whole(value.as_bytes())).outcome, Outcome::Pass, "{i}");
        }
    }

    #[test]
    fn secrets_that_are_none_fail() {
        let good = BASE64.encode(&Sha256::digest([1])[..30]);
        let fails = [
            (good.chars().skip(1).collect(), "39 characters"),
            (good.chars().skip(1).chain(['=']).collect(), "padding"),
            (data_encoding::HEXLOWER.encode(&Sha256::digest([1])[..20]), "a git hash"),
            ("com/example/Some/Path/of/A/Class1/Main2x".to_owned(), "a path"),
            ("ThisIsJustSomeDocumentationAbout4KeysXYZ".to_owned(), "words"),
            ("Ab1".repeat(13) + "x", "low entropy"),
            (good.to_lowercase(), "no upper case"),
        ];
        for (value, why) in fails {
            assert_eq!(secret_key(&whole(value.as_bytes())).outcome, Outcome::Fail, "{why}");
        }
    }
}
