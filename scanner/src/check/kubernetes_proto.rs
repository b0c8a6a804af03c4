//! Secret objects of Kubernetes in protobuf, as the API server stores and sends them:
//! `k8s\0`, then `runtime.Unknown` (`staging/src/k8s.io/apimachinery/pkg/runtime/generated.proto`)
//! around a `Secret` (`staging/src/k8s.io/api/core/v1/generated.proto`).

use std::ops::Range;

use super::kubernetes_objects::worth;
use super::{Attributes, Outcome, Subject, Verdict, attribute, pem};

/// What every such object begins with.
const MAGIC: &[u8] = b"k8s\0";

/// Fields of a message that are looked at; a Secret has one for each of its values.
const FIELDS: usize = 128;

/// A field: its number, and where its content lies; nothing for numbers.
type Field = (u64, Range<usize>);

/// Checks that the value begins where an entry of `data` or `stringData` of a Secret has its value; the
/// entry's own length gives the end. Certificates, placeholders and values under keys that name
/// something public fail, and so does what is cut.
pub(super) fn run(subject: &Subject<'_>) -> Verdict {
    let fail = Verdict::of(Outcome::Fail, subject);
    let before = subject.text.get(..subject.span.start).unwrap_or_default();
    let Some(start) = memchr::memmem::rfind(before, MAGIC) else { return fail };
    let Some(entry) = entry(subject.text, start, subject.span.start) else { return fail };
    let Some(value) = subject.text.get(entry.value.clone()) else { return fail };
    if value.starts_with(b"-----BEGIN ") {
        let span = entry.value.clone();
        let mut verdict = pem::run(&Subject { text: subject.text, span, cut: false });
        verdict.attributes.extend(entry.attributes);
        return verdict;
    }
    let Some(outcome) = worth(entry.key, value) else { return fail };
    let mut verdict = Verdict::of(outcome, subject);
    let lead = value.len().saturating_sub(value.trim_ascii_start().len());
    let start = entry.value.start.saturating_add(lead);
    verdict.span = start..start.saturating_add(value.trim_ascii().len());
    verdict.attributes = entry.attributes;
    verdict
}

struct Entry<'a> {
    key: &'a [u8],
    value: Range<usize>,
    attributes: Attributes,
}

/// The entry whose value begins at `at`, of the object whose magic stands at `start`.
fn entry(bytes: &[u8], start: usize, at: usize) -> Option<Entry<'_>> {
    let content = start.checked_add(MAGIC.len())?;
    let mut fields = fields(bytes, content..bytes.len());
    let kind = fields.next().filter(|(number, _)| *number == 1)?.1;
    let is_secret = self::fields(bytes, kind)
        .any(|(number, text)| number == 2 && bytes.get(text) == Some(b"Secret"));
    let object = fields.next().filter(|(number, _)| is_secret && *number == 2)?.1;
    let text = |range: Range<usize>| {
        bytes.get(range).and_then(|text| std::str::from_utf8(text).ok()).map(attribute)
    };
    let mut found = None;
    let mut attributes = Attributes::new();
    for (number, content) in self::fields(bytes, object).take(FIELDS) {
        match number {
            // ObjectMeta: 1 name, 3 namespace.
            1 => {
                for (number, content) in self::fields(bytes, content).take(FIELDS) {
                    let name = match number {
                        1 => "kubernetes.secret",
                        3 => "kubernetes.namespace",
                        _ => continue,
                    };
                    attributes.extend(text(content).map(|text| (name, text)));
                }
            }
            // An entry of `data` or `stringData`: 1 key, 2 value.
            2 | 4 => {
                let mut key = None;
                for (number, content) in self::fields(bytes, content).take(2) {
                    match number {
                        1 => key = bytes.get(content),
                        2 if content.start == at => found = key.map(|key| (key, content)),
                        _ => {}
                    }
                }
            }
            3 => attributes.extend(text(content).map(|text| ("kubernetes.type", text))),
            _ => {}
        }
    }
    let (key, value) = found?;
    Some(Entry { key, value, attributes })
}

/// The fields of a message, up to what is none. A message that goes on beyond the bytes is read as far
/// as they go.
fn fields(bytes: &[u8], message: Range<usize>) -> impl Iterator<Item = Field> + '_ {
    let (mut at, end) = (message.start, message.end.min(bytes.len()));
    std::iter::from_fn(move || {
        let (tag, next) = varint(bytes, at, end)?;
        let number = tag.checked_shr(3)?;
        let (value, next) = varint(bytes, next, end)?;
        let content = match tag & 7 {
            0 => next..next,
            2 => next..next.checked_add(usize::try_from(value).ok()?)?,
            _ => return None,
        };
        at = content.end;
        (number > 0).then_some((number, content))
    })
}

/// A number and where it ends.
pub(super) fn varint(bytes: &[u8], at: usize, end: usize) -> Option<(u64, usize)> {
    let mut value = 0u64;
    for (index, byte) in bytes.get(at..end)?.iter().take(10).enumerate() {
        let shift = u32::try_from(index).ok()?.checked_mul(7)?;
        value |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if *byte < 0x80 {
            return Some((value, at.checked_add(index)?.checked_add(1)?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use data_encoding::HEXLOWER;
    use sha2::{Digest, Sha256};

    fn message(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        let body = parts.concat();
        let len = u16::try_from(body.len()).unwrap();
        let low = u8::try_from(len & 0x7f).unwrap();
        let length = match len >> 7 {
            0 => vec![low],
            high => vec![low | 0x80, u8::try_from(high).unwrap()],
        };
        [&[tag], &length[..], &body].concat()
    }

    fn secret(kind: &[u8], entries: &[(&str, &[u8])]) -> Vec<u8> {
        let meta = message(0x0a, &[&message(0x0a, &[b"db"]), &message(0x1a, &[b"shop"])]);
        let entries: Vec<u8> = entries
            .iter()
            .flat_map(|(key, value)| {
                message(0x12, &[&message(0x0a, &[key.as_bytes()]), &message(0x12, &[value])])
            })
            .collect();
        let object = [meta, entries, message(0x1a, &[b"Opaque"])].concat();
        let kind = message(0x0a, &[&message(0x0a, &[b"v1"]), &message(0x12, &[kind])]);
        [MAGIC, &kind, &message(0x12, &[&object]), b"\x1a\x00\x22\x00"].concat()
    }

    fn judge(bytes: &[u8], value: &[u8]) -> Verdict {
        let start = memchr::memmem::find(bytes, value).unwrap();
        run(&Subject { text: bytes, span: start..bytes.len(), cut: false })
    }

    #[test]
    fn an_object_as_the_api_server_writes_it() {
        let bytes = "6b3873000a0c0a0276311206536563726574122a0a060a0464656d6f12180a0870617373776f7264120c\
                     73796e7468657469632d70771a064f70617175651a002200";
        let bytes = HEXLOWER.decode(bytes.as_bytes()).unwrap();
        let verdict = judge(&bytes, b"synthetic-pw");
        assert_eq!(verdict.outcome, Outcome::Pass);
        assert_eq!(&bytes[verdict.span], b"synthetic-pw");
        let found: Vec<_> = verdict.attributes.into_iter().collect();
        assert_eq!(
            found,
            [("kubernetes.secret", "demo".to_owned()), ("kubernetes.type", "Opaque".to_owned())]
        );
    }

    #[test]
    fn values_end_where_their_length_says() {
        let long: String = (0u8..4).map(|at| HEXLOWER.encode(&Sha256::digest([at]))).collect();
        let long = long.into_bytes();
        let entries: [(&str, &[u8]); 3] =
            [("username", b"f9j4tvyedJ"), ("password", b"q2w9dJx7\n"), ("key", &long)];
        let bytes = secret(b"Secret", &entries);
        let verdict = judge(&bytes, b"q2w9dJx7");
        assert_eq!((verdict.outcome, &bytes[verdict.span]), (Outcome::Pass, &b"q2w9dJx7"[..]));
        assert_eq!(verdict.attributes["kubernetes.namespace"], "shop");
        let verdict = judge(&bytes, &long);
        assert_eq!((verdict.outcome, &bytes[verdict.span]), (Outcome::Pass, &long[..]));
        assert_eq!(judge(&bytes, b"f9j4tvyedJ").outcome, Outcome::Fail, "a user's name");
        assert_eq!(judge(&bytes, b"2w9dJx7").outcome, Outcome::Fail, "no start of a value");
        assert_eq!(judge(&secret(b"ConfigMap", &entries), b"q2w9").outcome, Outcome::Fail);
        let cut = &bytes[..bytes.len() - 60];
        assert_eq!(judge(cut, &long[..9]).outcome, Outcome::Fail, "cut");
        assert_eq!(judge(cut, b"q2w9dJx7").outcome, Outcome::Pass, "what is whole counts");
    }
}
