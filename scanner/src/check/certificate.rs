//! Public keys in X.509 (RFC 5280 §4.1), and what a certificate around one says of its owner.

use std::ops::Range;

use super::{Attributes, Notation, Outcome, Plain, Subject, Verdict, armour, attribute, prime};
use crate::secret::SecretBytes;

/// The tag of the element at an offset, and where its content lies (X.690 §8.1, lengths below 64 KiB).
pub(super) fn element(der: &[u8], at: usize) -> Option<(u8, Range<usize>)> {
    let (tag, rest) = der.get(at..)?.split_first()?;
    let (len, head) = match rest {
        [0x82, high, low, ..] => (usize::from(u16::from_be_bytes([*high, *low])), 4),
        [0x81, len, ..] => (usize::from(*len), 3),
        [len @ 0..=0x7f, ..] => (usize::from(*len), 2),
        _ => return None,
    };
    let start = at.checked_add(head)?;
    let end = start.checked_add(len)?;
    (end <= der.len()).then_some((*tag, start..end))
}

/// The content of the element of that tag at an offset.
pub(super) fn content(der: &[u8], at: usize, tag: u8) -> Option<Range<usize>> {
    element(der, at).filter(|(found, _)| *found == tag).map(|(_, content)| content)
}

const SEQUENCE: u8 = 0x30;

/// Checks a certificate in armour (RFC 7468 §5). The value of the answer is the modulus or the point of its
/// public key, as where that lies plainly.
pub(super) fn armoured(subject: &Subject<'_>) -> Verdict {
    let public = armour::read(subject.value()).and_then(|armour| {
        let is_certificate = armour.label.ends_with("CERTIFICATE") && armour.is_closed;
        let der = is_certificate.then(|| armour.decode())?;
        let key = public_key(&der)?;
        let within = Subject { text: &der, span: key..der.len(), cut: false };
        let judged = [prime::public_key(&within), curve_public_key(&within)];
        let passed = judged.into_iter().find(|it| it.outcome == Outcome::Pass)?;
        let value = SecretBytes::new(der.get(passed.span)?);
        Some((armour.span, passed.attributes, value))
    });
    let Some((span, attributes, value)) = public else {
        return Verdict::of(Outcome::Fail, subject);
    };
    Verdict {
        outcome: Outcome::Pass,
        span: subject.part(span),
        attributes,
        canonical: None,
        plain: Some(Plain { notation: Notation::Base64, value }),
    }
}

/// Where the public key lies in a certificate: behind version, serial number, algorithm, issuer, validity
/// and subject.
fn public_key(der: &[u8]) -> Option<usize> {
    let certificate = content(der, 0, SEQUENCE)?;
    let mut at = content(der, certificate.start, SEQUENCE)?.start;
    let (tag, version) = element(der, at)?;
    if tag == 0xa0 {
        at = version.end;
    }
    for _ in 0..5 {
        at = element(der, at)?.1.end;
    }
    Some(at)
}

/// Checks a public key of P-256, P-384, P-521 or Ed25519 (SubjectPublicKeyInfo, RFC 5480 and RFC 8410),
/// alone or in a certificate. The span of the answer is the point.
pub(super) fn curve_public_key(subject: &Subject<'_>) -> Verdict {
    let fail = Verdict::of(Outcome::Fail, subject);
    let value = subject.value();
    let Some((curve, point)) = point(value) else { return fail };
    let bytes = value.get(point.clone()).unwrap_or_default();
    // A template, or the middle of nowhere.
    let first = bytes.get(1);
    if bytes.iter().skip(1).all(|byte| Some(byte) == first) {
        return fail;
    }
    let mut verdict = Verdict::of(Outcome::Pass, subject);
    verdict.attributes = facts(subject);
    verdict.attributes.insert("key.curve", curve.to_owned());
    verdict.span = subject.part(point);
    verdict
}

/// Identifiers of the algorithm with that of the curve, and bytes of a point.
const CURVES: [(&str, &[u8], usize); 4] = [
    ("P-256", b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07", 65),
    ("P-384", b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22", 97),
    ("P-521", b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x23", 133),
    ("Ed25519", b"\x06\x03\x2b\x65\x70", 32),
];

/// The curve of a public key, and where its point lies.
fn point(der: &[u8]) -> Option<(&'static str, Range<usize>)> {
    let info = content(der, 0, SEQUENCE)?;
    let algorithm = content(der, info.start, SEQUENCE)?;
    let bits = content(der, algorithm.end, 0x03)?;
    let named = der.get(algorithm)?;
    let (name, _, len) = CURVES.iter().find(|(_, identifier, _)| *identifier == named)?;
    let point = bits.start.checked_add(1)?..bits.end;
    let is_whole = point.len() == *len && der.get(bits.start) == Some(&0) && bits.end == info.end;
    let is_plain = *name == "Ed25519" || der.get(point.start) == Some(&4);
    (is_whole && is_plain).then_some((*name, point))
}

/// What the certificate says around the public key that the subject's span begins with; nothing if there
/// is none.
pub(super) fn facts(subject: &Subject<'_>) -> Attributes {
    let mut facts = Attributes::new();
    let before = subject.text.get(..subject.span.start).unwrap_or_default();
    let Some(name) = name_at_end(before) else { return facts };
    if let Some(common) = before.get(name.clone()).and_then(common_name) {
        facts.insert("certificate.subject", common);
    }
    if let Some(time) = before.get(..name.start).and_then(not_after) {
        facts.insert("certificate.not-after", time);
    }
    let names = content(subject.value(), 0, SEQUENCE)
        .and_then(|key| alternative_names(subject.value(), key.end));
    facts.extend(names.map(|names| ("certificate.names", names)));
    facts
}

/// Bytes of the longest name that is looked for.
const NAME: usize = 500;

/// The element, its head included, of the name with which the bytes before a public key end.
fn name_at_end(before: &[u8]) -> Option<Range<usize>> {
    let from = before.len().saturating_sub(NAME);
    (from..before.len()).rev().find_map(|at| {
        let name = content(before, at, SEQUENCE)?;
        let is_name = name.end == before.len() && before.get(name.start) == Some(&0x31);
        is_name.then_some(at..name.end)
    })
}

/// The common name in a name.
fn common_name(name: &[u8]) -> Option<String> {
    // id-at-commonName, 2.5.4.3.
    let at = memchr::memmem::rfind(name, b"\x06\x03\x55\x04\x03")?;
    let (_, text) = element(name, at.checked_add(5)?)?;
    std::str::from_utf8(name.get(text)?).ok().map(attribute)
}

/// The end of the validity with which the bytes before the subject end.
fn not_after(before: &[u8]) -> Option<String> {
    // Two times of 13 or 15 characters with their heads.
    let mut starts = [32, 34, 36].into_iter().filter_map(|len| before.len().checked_sub(len));
    starts.find_map(|at| {
        let validity = content(before, at, SEQUENCE).filter(|it| it.end == before.len())?;
        let (_, start) = element(before, validity.start)?;
        let (tag, end) = element(before, start.end)?;
        let text = std::str::from_utf8(before.get(end)?).ok()?;
        let (year, rest) = text.split_at_checked(if tag == 0x17 { 2 } else { 4 })?;
        // RFC 5280 §4.1.2.5.1: from 1950 to 2049.
        let century = match (tag, year.parse::<u16>().ok()?) {
            (0x17, 50..) => "19",
            (0x17, _) => "20",
            _ => "",
        };
        let part = |at: usize| rest.get(at..at.checked_add(2)?);
        let is_whole = rest.len() == 11 && rest.ends_with('Z');
        let [month, day, hour, minute, second] = [part(0)?, part(2)?, part(4)?, part(6)?, part(8)?];
        let time = format!("{century}{year}-{month}-{day}T{hour}:{minute}:{second}Z");
        (is_whole && time.parse::<jiff::Timestamp>().is_ok()).then_some(time)
    })
}

/// Names in a certificate that are told, at most.
const NAMES: usize = 8;

/// The alternative names in the extensions behind a public key.
fn alternative_names(der: &[u8], mut at: usize) -> Option<String> {
    let extensions = loop {
        let (tag, inner) = element(der, at)?;
        match tag {
            // Unique identifiers, which nobody uses.
            0x81 | 0x82 => at = inner.end,
            0xa3 => break content(der, inner.start, SEQUENCE)?,
            _ => return None,
        }
    };
    // id-ce-subjectAltName, 2.5.29.17; in octets, and not critical where there is a subject.
    let text = der.get(extensions)?;
    let found = memchr::memmem::find(text, b"\x06\x03\x55\x1d\x11")?.checked_add(5)?;
    let found = element(text, found).map(|(tag, it)| if tag == 0x01 { it.end } else { found })?;
    let octets = text.get(content(text, found, 0x04)?)?;
    let list = octets.get(content(octets, 0, SEQUENCE)?)?;
    let (mut names, mut at) = (Vec::new(), 0);
    while let Some((tag, name)) = element(list, at).filter(|_| names.len() < NAMES) {
        at = name.end;
        let bytes = list.get(name)?;
        match (tag, bytes) {
            (0x81 | 0x82 | 0x86, text) => names.extend(String::from_utf8(text.to_vec()).ok()),
            (0x87, [a, b, c, d]) => names.push(format!("{a}.{b}.{c}.{d}")),
            _ => {}
        }
    }
    (!names.is_empty()).then(|| attribute(&names.join(" ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
        let len = u8::try_from(content.len()).unwrap();
        let head = if len < 0x80 { vec![tag, len] } else { vec![tag, 0x81, len] };
        [&head, content].concat()
    }

    /// The part of a certificate from the validity on, and where its public key begins.
    fn certificate(curve: usize) -> (Vec<u8>, usize) {
        let (_, identifier, len) = CURVES[curve];
        let times = [tlv(0x17, b"250102030405Z"), tlv(0x17, b"350102030405Z")].concat();
        let common = [tlv(0x06, b"\x55\x04\x03"), tlv(0x0c, b"shop.test")].concat();
        let subject = tlv(0x30, &tlv(0x31, &tlv(0x30, &common)));
        let names =
            [tlv(0x82, b"shop.test"), tlv(0x82, b"www.shop.test"), tlv(0x87, &[10, 0, 0, 7])];
        let names = tlv(0x04, &tlv(0x30, &names.concat()));
        let extension = tlv(0x30, &[tlv(0x06, b"\x55\x1d\x11"), names].concat());
        let mut point: Vec<u8> = (0..len).map(|it| u8::try_from(it).unwrap()).collect();
        point[0] = 4;
        let key = tlv(0x03, &[&[0][..], &point].concat());
        let key = tlv(0x30, &[tlv(0x30, identifier), key].concat());
        let before = [&b"\x00noise"[..], &tlv(0x30, &times), &subject].concat();
        let at = before.len();
        let rest = [key, tlv(0xa3, &tlv(0x30, &extension)), b"noise".to_vec()].concat();
        ([before, rest].concat(), at)
    }

    #[test]
    fn a_certificate_says_whose_key_it_is() {
        for (index, (curve, _, len)) in CURVES.iter().enumerate() {
            let (text, at) = certificate(index);
            let subject = Subject { text: &text, span: at..text.len(), cut: false };
            let verdict = curve_public_key(&subject);
            assert_eq!(verdict.outcome, Outcome::Pass, "{curve}");
            assert_eq!(verdict.span.len(), *len);
            assert_eq!(text[verdict.span.start], 4);
            let expected = Attributes::from([
                ("certificate.names", "shop.test www.shop.test 10.0.0.7".to_owned()),
                ("certificate.not-after", "2035-01-02T03:04:05Z".to_owned()),
                ("certificate.subject", "shop.test".to_owned()),
                ("key.curve", (*curve).to_owned()),
            ]);
            assert_eq!(verdict.attributes, expected);
            // Alone it has no owner.
            let bare = curve_public_key(&Subject {
                text: &text[at..],
                span: 0..text.len() - at,
                cut: false,
            });
            assert!(!bare.attributes.contains_key("certificate.subject"));
        }
    }

    #[test]
    fn every_truncation_is_taken() {
        let (text, at) = certificate(0);
        for len in at..text.len() {
            let subject = Subject { text: &text[..len], span: at..len, cut: false };
            let verdict = curve_public_key(&subject);
            let is_whole = len >= at + 91;
            assert_eq!(verdict.outcome == Outcome::Pass, is_whole, "{len}");
        }
        for from in 0..at {
            let part = &text[from..];
            let subject = Subject { text: part, span: at - from..part.len(), cut: false };
            assert_eq!(curve_public_key(&subject).outcome, Outcome::Pass);
        }
    }
}
