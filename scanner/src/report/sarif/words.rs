//! Texts, numbers and names as the readers of SARIF can bear them.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_sarif::sarif::{Message, MultiformatMessageString, PropertyBag};

use super::super::plain::escape;

/// Largest number that is written as one: the reader that most others are built on (Microsoft's SDK)
/// keeps all of them in 32 bits and refuses a whole file for one that is larger.
pub(super) const MOST: i64 = 0x7fff_ffff;

/// A number where the standard has one; `None` if it is too large.
pub(super) fn int(count: u64) -> Option<i64> {
    i64::try_from(count).ok().filter(|count| *count <= MOST)
}

/// An index into a table of the report.
pub(super) fn index(at: usize) -> Option<i64> {
    int(u64::try_from(at).unwrap_or(u64::MAX))
}

/// A number in a property bag: a string of decimal digits if it is too large.
pub(super) fn number(count: u64) -> Value {
    int(count).map_or_else(|| Value::from(count.to_string()), Value::from)
}

/// Text for people, at most `max` characters. Braces would be placeholders, and `](` a link: readers
/// show the escapes that the standard has for them, so they are replaced.
pub(super) fn clean(text: &str, max: usize) -> String {
    let safe = escape(text).replace('{', "(").replace('}', ")").replace("](", "] (");
    match safe.char_indices().nth(max.saturating_sub(1)) {
        Some((end, _)) if safe.chars().count() > max => {
            format!("{}…", safe.get(..end).unwrap_or_default())
        }
        _ => safe,
    }
}

/// A message of plain text.
pub(super) fn message(text: impl Into<String>) -> Message {
    Message { text: Some(text.into()), ..Message::default() }
}

/// A description of plain text.
pub(super) fn described(text: String) -> MultiformatMessageString {
    MultiformatMessageString { text, markdown: None, properties: None }
}

/// A property bag.
pub(super) fn bag<const N: usize>(properties: [(&str, Value); N]) -> PropertyBag {
    let named = properties.into_iter().map(|(name, value)| (name.to_owned(), value));
    let named = named.filter(|(_, value)| !value.is_null());
    PropertyBag { tags: None, additional_properties: named.collect::<BTreeMap<_, _>>() }
}

/// `GitHub personal access token` → `GitHubPersonalAccessToken`.
pub(super) fn pascal(name: &str) -> String {
    let words = name.split(|char: char| !char.is_ascii_alphanumeric());
    let mut joined = String::new();
    for word in words {
        let mut chars = word.chars();
        joined.extend(chars.next().map(|first| first.to_ascii_uppercase()));
        joined.push_str(chars.as_str());
    }
    joined.truncate(255);
    if joined.is_empty() { "Rule".to_owned() } else { joined }
}

/// A GUID that the parts determine. The schema takes versions 1 to 5 only: it has the form of version
/// 5, whose hash is another one.
pub(super) fn guid(parts: &[&str]) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        // Lengths keep the parts apart.
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    let mut bytes = [0; 16];
    hasher.finalize_xof().fill(&mut bytes);
    let bits = u128::from_be_bytes(bytes) & !(0xf << 76) & !(0x3 << 62) | 0x5 << 76 | 0x2 << 62;
    let hex = format!("{bits:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn large_numbers_are_strings() {
        assert_eq!(number(0x7fff_ffff), Value::from(0x7fff_ffff));
        assert_eq!(number(0x8000_0000), Value::from("2147483648"));
        assert_eq!(int(u64::MAX), None);
    }

    #[test]
    fn names_are_in_pascal_case() {
        assert_eq!(pascal("GitHub personal access token"), "GitHubPersonalAccessToken");
        assert_eq!(pascal("Private key (PKCS#8)"), "PrivateKeyPKCS8");
        assert_eq!(pascal("ключ"), "Rule");
    }

    #[test]
    fn a_guid_has_version_and_variant_and_depends_on_every_part() {
        let one = guid(&["a", "bc"]);
        assert_eq!((one.len(), one.as_bytes()[14]), (36, b'5'));
        assert!(b"89ab".contains(&one.as_bytes()[19]), "{one}");
        assert_eq!(one, guid(&["a", "bc"]));
        assert_ne!(one, guid(&["ab", "c"]));
    }

    proptest! {
        #[test]
        fn clean_text_has_neither_placeholder_nor_link(text in "\\PC*|.*|[\\[\\](){}]*", max in 1usize..40) {
            let clean = clean(&text, max);
            prop_assert!(!clean.contains(['{', '}']) && !clean.contains("]("), "{}", clean);
            prop_assert!(clean.chars().count() <= max);
        }
    }
}
