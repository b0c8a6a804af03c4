//! A finding as the report tells it, and what it has to do with a planted value.

use anyhow::{Context, Result};
use data_encoding::{BASE64, HEXLOWER, HEXLOWER_PERMISSIVE};
use serde::Deserialize;
use serde_json::Value;

use crate::fixtures::Planted;
use crate::reader::Reader;

/// Shorter parts of a decoy say nothing.
const PART_MIN: usize = 6;

/// A line of type `finding`, with the keys that are compared.
#[derive(Debug, Deserialize)]
pub(super) struct Finding {
    pub(super) rule: Rule,
    confidence: String,
    #[serde(default)]
    secret: Shown,
    #[serde(default)]
    attributes: Value,
    #[serde(default)]
    pub(super) places: Vec<Place>,
    #[serde(default)]
    pub(super) places_omitted: u64,
}

#[derive(Debug, Deserialize)]
pub(super) struct Rule {
    pub(super) id: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Shown {
    value: Option<String>,
    value_b64: Option<String>,
}

impl std::fmt::Debug for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shown(…)")
    }
}

/// A place of a finding, with the keys that are compared.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Place {
    region: String,
    pub(super) pid: Option<u32>,
    address: Option<String>,
    length: usize,
    image: Option<String>,
    offset: Option<u64>,
    path: Option<String>,
    decoded: Vec<String>,
}

/// A place outside of private memory that is known to hold a value.
#[derive(Debug, Clone, Copy)]
pub(super) enum Other<'a> {
    /// A file or queue: its path, as the truth writes it.
    Item(&'a str),
    /// A mapping of a shared segment, and where the value lies in its pages image.
    Mapped(u32, Option<u64>, &'a str, u64),
}

/// Items of one value that are asked for: a log may have it hundreds of times.
const ITEMS: usize = 6;

/// The places of a value outside of private memory where it lies plainly.
pub(super) fn others(planted: &Planted) -> impl Iterator<Item = Other<'_>> {
    let items = planted.items.iter().filter(|item| item.encoding == "plain");
    let items = items.take(ITEMS).map(|item| Other::Item(&item.item));
    let mapped = planted.occurrences.iter().flat_map(|occurrence| {
        occurrence.mapped_by.iter().map(|mapped| {
            let address = parse_address(&mapped.address);
            Other::Mapped(mapped.pid, address, &occurrence.image, occurrence.offset)
        })
    });
    items.chain(mapped)
}

impl std::fmt::Display for Other<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Item(item) => f.write_str(item),
            Self::Mapped(pid, _, image, offset) => {
                write!(f, "shared memory of process {pid}, {image} at {offset:#x}")
            }
        }
    }
}

impl Other<'_> {
    /// Whether a place leads there.
    pub(super) fn is_at(&self, place: &Place) -> bool {
        match *self {
            Self::Mapped(pid, address, image, offset) => {
                let mapped = place.pid == Some(pid) && address == place.address();
                let named = place.image.as_ref().is_some_and(|it| it.ends_with(image));
                mapped || (named && place.offset == Some(offset))
            }
            Self::Item(item) => {
                let file = item.split_once('#').map_or(item, |(file, _)| file);
                let file = file.trim_end_matches("!gz").trim_end_matches("!zst");
                let leaf = file.rsplit(['/', '!']).find(|part| !part.is_empty()).unwrap_or(file);
                let says = |text: &Option<String>| text.as_ref().is_some_and(|t| t.contains(leaf));
                region(item).is_none_or(|region| place.region == region)
                    && (says(&place.path) || says(&place.image))
            }
        }
    }
}

/// The kind of region that an item of an image set is.
pub(super) fn region(item: &str) -> Option<&'static str> {
    let at = item.find('!').unwrap_or(item.len());
    let name = item.get(..at)?.rsplit('/').next()?;
    [
        ("pipes-data", "pipe"),
        ("fifo-data", "fifo"),
        ("sk-queues", "socket-queue"),
        ("tcp-stream-", "tcp-queue"),
        ("ghost-file-", "ghost-file"),
        ("ipcns-msg-", "sysv-message"),
        ("tty-data", "tty"),
        ("bpfmap-data", "bpf-map"),
        ("tmpfs-", "tmpfs-file"),
        ("devshm-checkpoint.tar", "tmpfs-file"),
    ]
    .into_iter()
    .find_map(|(prefix, region)| name.starts_with(prefix).then_some(region))
}

/// How a finding shows a planted value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Hit {
    /// The part that matters, or an open end that runs on.
    Part,
    /// Byte for byte.
    Exact,
}

/// Whether a place is true; `None` where it does not say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Judged {
    pub(super) address: Option<bool>,
    pub(super) offset: Option<bool>,
}

/// The findings of a report.
pub(super) fn parse(report: &str) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for (index, line) in report.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let at = || format!("line {} of the report", index + 1);
        let value: Value = serde_json::from_str(line).with_context(at)?;
        if value["type"] == "finding" {
            findings.push(serde_json::from_value(value).with_context(at)?);
        }
    }
    Ok(findings)
}

/// A value without blanks at its ends; armoured keys without any line ends, also escaped ones.
pub fn canonical(value: &[u8]) -> Vec<u8> {
    let value = value.trim_ascii();
    if !value.starts_with(b"-----BEGIN") {
        return value.to_vec();
    }
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((first, tail)) = rest.split_first() {
        let line_end = rest.strip_prefix(b"\\r\\n").or_else(|| rest.strip_prefix(b"\\n"));
        if line_end.is_none() && !first.is_ascii_whitespace() {
            out.push(*first);
        }
        rest = line_end.unwrap_or(tail);
    }
    out
}

impl Finding {
    /// The reported value, and its clear text attributes.
    fn values(&self) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
        let mut own: Vec<Vec<u8>> = Vec::new();
        own.extend(self.secret.value.as_ref().map(|text| text.clone().into_bytes()));
        let decoded = self.secret.value_b64.as_ref();
        own.extend(decoded.and_then(|text| BASE64.decode(text.as_bytes()).ok()));
        let mut attributes = Vec::new();
        for value in self.attributes.as_object().into_iter().flat_map(|map| map.values()) {
            let texts = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
            let texts = texts.iter().filter_map(Value::as_str);
            attributes.extend(texts.map(|text| text.as_bytes().to_vec()));
        }
        (own, attributes)
    }

    /// How this finding shows `planted`, if it does.
    pub(super) fn hit(&self, planted: &Planted) -> Result<Option<Hit>> {
        let value = planted.bytes()?;
        let mut exact = vec![canonical(&value)];
        if planted.is_binary() {
            exact.push(BASE64.encode(&value).into_bytes());
            exact.push(HEXLOWER.encode(&value).into_bytes());
        }
        let parts = parts(planted, &value);
        let (own, attributes) = self.values();
        let judge = |shown: &Vec<u8>| {
            let shown_canonical = canonical(shown);
            if exact.contains(&shown_canonical) || exact.contains(shown) {
                Some(Hit::Exact)
            } else if parts.contains(shown)
                || parts.contains(&shown_canonical)
                || (planted.open_end && shown.starts_with(&value))
            {
                Some(Hit::Part)
            } else {
                None
            }
        };
        let by_value = own.iter().chain(&attributes).filter_map(judge).max();
        Ok(by_value.or_else(|| self.has_span_of(planted).then_some(Hit::Exact)))
    }

    fn has_span_of(&self, planted: &Planted) -> bool {
        planted.occurrences.iter().filter(|o| o.pid.is_some()).any(|occurrence| {
            let address = occurrence.address.as_deref().and_then(parse_address);
            self.places.iter().any(|place| {
                place.pid == occurrence.pid
                    && place.address() == address
                    && place.length as u64 == occurrence.length
            })
        })
    }

    /// Whether this finding shows a decoy or a part of it, and not another planted value by right.
    pub(super) fn shows_decoy(&self, decoy: &[u8], soft: bool, others: &[Vec<u8>]) -> bool {
        if soft && !matches!(self.confidence.as_str(), "high" | "confirmed") {
            return false;
        }
        let own: Vec<Vec<u8>> = self.values().0.iter().map(|value| canonical(value)).collect();
        let shows = |value: &Vec<u8>| {
            value == decoy
                || (value.len() >= PART_MIN && (contains(value, decoy) || contains(decoy, value)))
        };
        own.iter().any(shows) && !own.iter().any(|value| others.contains(value))
    }
}

impl Place {
    fn address(&self) -> Option<u64> {
        parse_address(self.address.as_deref()?)
    }
}

/// Reads the bytes of a place in the rebuilt memory and in the image.
pub(super) fn judge(place: &Place, planted: &Planted, reader: &Reader) -> Result<Judged> {
    let value = planted.bytes()?;
    let in_memory = matches!(place.region.as_str(), "memory" | "argv" | "environ");
    let (pid, address) = (place.pid, place.address());
    let held = pid.zip(address).map(|(pid, at)| reader.memory(pid, at, place.length));
    let address = held.as_ref().filter(|_| in_memory);
    let address =
        address.map(|held| held.as_ref().is_some_and(|b| holds(b, place, planted, &value)));
    let offset = match (&held, &place.image, place.offset) {
        (Some(Some(bytes)), Some(image), Some(offset)) if in_memory => {
            // The rest of a span may lie elsewhere: with the next page, in a parent's image.
            let length = bytes.len().min(16).min(rest_of_page(offset));
            let stored = reader.image(image, offset, length);
            Some(stored.is_some_and(|stored| bytes.starts_with(stored)))
        }
        _ => None,
    };
    Ok(Judged { address, offset })
}

fn rest_of_page(offset: u64) -> usize {
    4096 - usize::try_from(offset % 4096).unwrap_or(0)
}

/// Whether the bytes of a place are the value, plain or as the place says they were decoded.
fn holds(bytes: &[u8], place: &Place, planted: &Planted, value: &[u8]) -> bool {
    let mut readings = parts(planted, value);
    readings.push(value.to_vec());
    let plain = readings.contains(&bytes.to_vec())
        || canonical(bytes) == canonical(value)
        || (planted.open_end && bytes.starts_with(value));
    match place.decoded.as_slice() {
        [] => plain,
        [one] if one.starts_with("utf-16") => {
            let narrow: Vec<u8> = bytes.iter().copied().filter(|byte| *byte != 0).collect();
            bytes.len() == narrow.len() * 2
                && (readings.contains(&narrow) || canonical(&narrow) == canonical(value))
        }
        // Other encodings have no second decoder here: that the bytes are there must do.
        _ => !bytes.is_empty(),
    }
}

/// Readings of a planted value that count as found: the part of it that matters, or more.
fn parts(planted: &Planted, value: &[u8]) -> Vec<Vec<u8>> {
    let mut parts: Vec<Vec<u8>> =
        planted.alternatives.iter().map(|text| text.clone().into_bytes()).collect();
    if let Some(clear) = &planted.clear {
        parts.push(clear.clone().into_bytes());
        parts.extend(clear.split_once(':').map(|(_, password)| password.as_bytes().to_vec()));
        parts.push([b"Basic ", value].concat());
    }
    if let Some(password) = std::str::from_utf8(value).ok().and_then(password_of_uri) {
        parts.push(percent_decoded(password));
        parts.push(password.as_bytes().to_vec());
    }
    parts.extend([b"Bearer ".as_slice(), b"token "].map(|scheme| [scheme, value].concat()));
    parts
}

/// `postgres://user:PASSWORD@host/db`, also after `jdbc:`.
fn password_of_uri(uri: &str) -> Option<&str> {
    let (_, rest) = uri.split_once("://")?;
    let (user, rest) = rest.split_once(':')?;
    let (password, _) = rest.split_once('@')?;
    (!user.contains(['/', '@']) && !password.is_empty()).then_some(password)
}

fn percent_decoded(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let digits = tail.get(..2).filter(|_| *first == b'%');
        let byte = digits.and_then(|digits| HEXLOWER_PERMISSIVE.decode(digits).ok());
        rest = if byte.is_some() { &tail[2..] } else { tail };
        out.extend(byte.unwrap_or_else(|| vec![*first]));
    }
    out
}

fn parse_address(text: &str) -> Option<u64> {
    u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len().max(1)).any(|window| window == needle)
}
