//! Many indicators in little memory: eight bytes in a table for each, and its text or digest once.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use super::Kind;
use super::parse::Indicator;
use super::table::{Bloom, Table};

/// The indicators of all lists, ready to be looked up.
#[derive(Debug, Default)]
pub struct Indicators {
    lists: Vec<Info>,
    kinds: BTreeSet<Kind>,
    /// By bits in common, the networks with their lines.
    pub(super) v4: BTreeMap<u8, Table>,
    pub(super) v6: BTreeMap<u8, Vec<(u128, u32)>>,
    pub(super) names: Names,
    digests: Digests,
    /// Hashes of the last labels of all names.
    tops: Bits,
    /// Most labels of a name.
    pub(super) most_labels: usize,
    /// Whether an address stands in an indicator of some kind.
    pub(super) has_v4: bool,
    /// The same of IPv6.
    pub(super) has_v6: bool,
}

/// A list that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// The file.
    pub name: String,
    /// Indicators in it.
    pub count: u64,
    /// `blake3:…` of its bytes.
    pub hash: String,
    /// Lines of the lists before it.
    pub(super) lines_before: u32,
}

/// An indicator as its list has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed<'a> {
    /// What it is.
    pub kind: Kind,
    /// The indicator: small letters where they do not matter, and nothing defanged.
    pub text: String,
    /// Whether it stands for many: a range.
    pub is_range: bool,
    /// The file.
    pub list: &'a str,
    /// The line of it, from 1.
    pub line: u32,
}

/// Where an indicator is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Entry {
    V4 {
        network: u32,
        bits: u8,
        line: u32,
    },
    /// Its number among those with so many bits in common: there may be many hits, and they are short.
    V6 {
        bits: u8,
        row: u32,
    },
    Name(u32),
    Digest(u32),
}

/// Names and URLs, found by their host.
#[derive(Debug, Default)]
pub(super) struct Names {
    table: Table,
    bloom: Bloom,
    /// For each: its line, length, and where its host begins and how long it is, then its text.
    bytes: Vec<u8>,
}

/// A name or URL.
#[derive(Debug, Clone, Copy)]
pub(super) struct Name<'a> {
    line: u32,
    pub(super) text: &'a [u8],
    /// Offset and length of the host.
    host: (u8, u8),
}

impl<'a> Name<'a> {
    pub(super) fn host(self) -> &'a [u8] {
        let (start, len) = self.host;
        self.text.get(usize::from(start)..usize::from(start) + usize::from(len)).unwrap_or_default()
    }

    /// The scheme, without what follows it.
    pub(super) fn scheme(self) -> Option<&'a [u8]> {
        usize::from(self.host.0).checked_sub(3).and_then(|len| self.text.get(..len))
    }

    /// What follows the host.
    pub(super) fn rest(self) -> &'a [u8] {
        self.text.get(usize::from(self.host.0) + usize::from(self.host.1)..).unwrap_or_default()
    }

    /// Whether it is no more than a name.
    pub(super) fn is_domain(self) -> bool {
        usize::from(self.host.1) == self.text.len()
    }
}

/// Bytes of what stands before the text of a name.
const HEAD: usize = 8;

impl Names {
    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Those whose host has this hash, in the order of the lists.
    pub(super) fn of(&self, hash: u32) -> impl Iterator<Item = (u32, Name<'_>)> {
        let is_there = !self.is_empty() && self.bloom.may_have(hash);
        let offsets = is_there.then(|| self.table.of(hash)).into_iter().flatten();
        offsets.filter_map(|offset| Some((offset, self.at(offset)?)))
    }

    fn at(&self, offset: u32) -> Option<Name<'_>> {
        let rest = self.bytes.get(usize::try_from(offset).ok()?..)?;
        let [first, second, third, fourth, low, high, start, host] = *rest.first_chunk::<HEAD>()?;
        let len = usize::from(u16::from_le_bytes([low, high]));
        let text = rest.get(HEAD..HEAD + len)?;
        let line = u32::from_le_bytes([first, second, third, fourth]);
        Some(Name { line, text, host: (start, host) })
    }
}

/// Hashes, found by their first four bytes.
#[derive(Debug, Default)]
struct Digests {
    table: Table,
    /// For each: its line, length and bytes.
    bytes: Vec<u8>,
}

impl Digests {
    fn at(&self, offset: u32) -> Option<(u32, &[u8])> {
        let rest = self.bytes.get(usize::try_from(offset).ok()?..)?;
        let [a, b, c, d, len] = *rest.first_chunk::<5>()?;
        Some((u32::from_le_bytes([a, b, c, d]), rest.get(5..5 + usize::from(len))?))
    }
}

/// A set of numbers of sixteen bits.
struct Bits(Box<[u64; 1 << 10]>);

impl Default for Bits {
    fn default() -> Self {
        Self(Box::new([0; 1 << 10]))
    }
}

impl fmt::Debug for Bits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bits")
    }
}

/// The hash of a name, made from its end to its beginning in small letters: so one walk gives that of every
/// domain that it lies in.
#[derive(Debug, Clone, Copy)]
pub(super) struct FromEnd(u64);

impl FromEnd {
    pub(super) fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    pub(super) fn push(&mut self, byte: u8) {
        self.0 = (self.0 ^ u64::from(byte.to_ascii_lowercase())).wrapping_mul(0x0100_0000_01b3);
    }

    pub(super) fn hash(self) -> u32 {
        let mixed = (self.0 ^ self.0 >> 29).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        u32::try_from(mixed >> 32).unwrap_or_default()
    }

    /// The hash of a whole text.
    pub(super) fn of(text: &[u8]) -> u32 {
        let mut this = Self::new();
        text.iter().rev().for_each(|byte| this.push(*byte));
        this.hash()
    }
}

impl Indicators {
    /// The lists.
    pub fn lists(&self) -> &[Info] {
        &self.lists
    }

    /// The kinds of which there are some.
    pub fn kinds(&self) -> impl Iterator<Item = Kind> + '_ {
        self.kinds.iter().copied()
    }

    /// Hash over all lists.
    pub fn hash(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for list in &self.lists {
            hasher.update(list.hash.as_bytes());
        }
        format!("blake3:{}", hasher.finalize().to_hex())
    }

    /// Whether a name may end with a label of this hash.
    pub(super) fn may_end_with(&self, label: u32) -> bool {
        let word = usize::try_from(label >> 22).unwrap_or_default();
        self.tops.0.get(word).is_some_and(|word| word >> (label >> 16 & 63) & 1 != 0)
    }

    /// Whether there are hashes.
    pub(super) fn has_digests(&self) -> bool {
        !self.digests.bytes.is_empty()
    }

    /// Where a digest is kept.
    pub(super) fn digest(&self, digest: &[u8]) -> Option<Entry> {
        let first = u32::from_be_bytes(*digest.first_chunk::<4>()?);
        let is = |offset: &u32| self.digests.at(*offset).is_some_and(|(_, bytes)| bytes == digest);
        self.digests.table.of(first).find(is).map(Entry::Digest)
    }

    /// The narrowest range that an address lies in.
    pub(super) fn v4(&self, address: u32) -> Option<Entry> {
        self.v4.iter().rev().find_map(|(bits, table)| {
            let network = address & u32::MAX.checked_shl(32 - u32::from(*bits)).unwrap_or_default();
            let line = table.of(network).next()?;
            Some(Entry::V4 { network, bits: *bits, line })
        })
    }

    /// The same.
    pub(super) fn v6(&self, address: u128) -> Option<Entry> {
        self.v6.iter().rev().find_map(|(bits, rows)| {
            let network =
                address & u128::MAX.checked_shl(128 - u32::from(*bits)).unwrap_or_default();
            let first = rows.partition_point(|(other, _)| *other < network);
            rows.get(first).filter(|(other, _)| *other == network)?;
            Some(Entry::V6 { bits: *bits, row: u32::try_from(first).ok()? })
        })
    }

    /// What kind of thing is kept there.
    pub(super) fn kind(&self, entry: Entry) -> Option<Kind> {
        match entry {
            Entry::V4 { .. } => Some(Kind::Ipv4),
            Entry::V6 { .. } => Some(Kind::Ipv6),
            Entry::Name(offset) => {
                let name = self.names.at(offset)?;
                Some(if name.is_domain() { Kind::Domain } else { Kind::Url })
            }
            Entry::Digest(offset) => Kind::of_digest(self.digests.at(offset)?.1.len()),
        }
    }

    /// The indicator that is kept there.
    pub(super) fn listed(&self, entry: Entry) -> Option<Listed<'_>> {
        let range = |address: String, bits: u8, most: u8| {
            if bits == most { address } else { format!("{address}/{bits}") }
        };
        let (text, line) = match entry {
            Entry::V4 { network, bits, line } => {
                (range(Ipv4Addr::from_bits(network).to_string(), bits, 32), line)
            }
            Entry::V6 { bits, row } => {
                let (network, line) = *self.v6.get(&bits)?.get(usize::try_from(row).ok()?)?;
                (range(Ipv6Addr::from_bits(network).to_string(), bits, 128), line)
            }
            Entry::Name(offset) => {
                let name = self.names.at(offset)?;
                (String::from_utf8_lossy(name.text).into_owned(), name.line)
            }
            Entry::Digest(offset) => {
                let (line, bytes) = self.digests.at(offset)?;
                (data_encoding::HEXLOWER.encode(bytes), line)
            }
        };
        let list = self.lists.iter().rev().find(|list| list.lines_before < line)?;
        let is_range =
            matches!(entry, Entry::V4 { bits: ..32, .. } | Entry::V6 { bits: ..128, .. });
        let line = line - list.lines_before;
        Some(Listed { kind: self.kind(entry)?, text, is_range, list: &list.name, line })
    }
}

/// What [`Indicators`] are made of, as they are read.
#[derive(Debug, Default)]
pub(super) struct Builder {
    v4: BTreeMap<u8, Vec<(u32, u32)>>,
    v6: BTreeMap<u8, Vec<(u128, u32)>>,
    names: Vec<(u32, u32)>,
    name_bytes: Vec<u8>,
    digests: Vec<(u32, u32)>,
    digest_bytes: Vec<u8>,
    made: Indicators,
}

/// There is no room for more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full;

impl Builder {
    /// Adds an indicator that stands in a line, counted over all lists from 1.
    pub(super) fn add(&mut self, indicator: Indicator, line: u32) -> Result<(), Full> {
        let kind = match indicator {
            Indicator::Ipv4(network, bits) => {
                self.v4.entry(bits).or_default().push((network, line));
                self.made.has_v4 = true;
                Kind::Ipv4
            }
            Indicator::Ipv6(network, bits) => {
                self.v6.entry(bits).or_default().push((network, line));
                self.made.has_v6 = true;
                Kind::Ipv6
            }
            Indicator::Domain(text) => {
                self.name(&text, 0..text.len(), line)?;
                Kind::Domain
            }
            Indicator::Url { text, host, host_len } => {
                self.name(&text, host..host.saturating_add(host_len), line)?;
                Kind::Url
            }
            Indicator::Digest(bytes) => {
                let offset = u32::try_from(self.digest_bytes.len()).map_err(|_| Full)?;
                let first = bytes.first_chunk().map_or(0, |first| u32::from_be_bytes(*first));
                let len = u8::try_from(bytes.len()).map_err(|_| Full)?;
                let kind = Kind::of_digest(bytes.len()).ok_or(Full)?;
                self.digest_bytes.extend_from_slice(&line.to_le_bytes());
                self.digest_bytes.push(len);
                self.digest_bytes.extend_from_slice(&bytes);
                self.digests.push((first, offset));
                kind
            }
        };
        self.made.kinds.insert(kind);
        Ok(())
    }

    fn name(&mut self, text: &str, host: Range<usize>, line: u32) -> Result<(), Full> {
        let offset = u32::try_from(self.name_bytes.len()).map_err(|_| Full)?;
        let byte = |number: usize| u8::try_from(number).map_err(|_| Full);
        let len = u16::try_from(text.len()).map_err(|_| Full)?.to_le_bytes();
        let (start, host_len) = (byte(host.start)?, byte(host.len())?);
        let host = text.as_bytes().get(host).unwrap_or_default();
        self.name_bytes.extend_from_slice(&line.to_le_bytes());
        self.name_bytes.extend_from_slice(&len);
        self.name_bytes.extend_from_slice(&[start, host_len]);
        self.name_bytes.extend_from_slice(text.as_bytes());
        self.names.push((FromEnd::of(host), offset));
        if host.first() == Some(&b'[') {
            self.made.has_v6 = true;
        } else if host.last().is_some_and(u8::is_ascii_digit) && is_address(host) {
            self.made.has_v4 = true;
        } else {
            let mut labels = host.split(|byte| *byte == b'.');
            self.made.most_labels = self.made.most_labels.max(labels.clone().count());
            let top = labels.next_back().unwrap_or_default();
            let hash = FromEnd::of(top);
            let word = usize::try_from(hash >> 22).unwrap_or_default();
            if let Some(word) = self.made.tops.0.get_mut(word) {
                *word |= 1 << (hash >> 16 & 63);
            }
        }
        Ok(())
    }

    /// Sorts all of them.
    pub(super) fn build(mut self, lists: Vec<Info>) -> Indicators {
        self.name_bytes.shrink_to_fit();
        self.digest_bytes.shrink_to_fit();
        let v4 = self.v4.into_iter().map(|(bits, rows)| (bits, Table::new(rows)));
        let v6 = self.v6.into_iter().map(|(bits, mut rows)| {
            rows.sort_unstable();
            rows.dedup_by_key(|(network, _)| *network);
            rows.shrink_to_fit();
            (bits, rows)
        });
        let bloom = Bloom::new(self.names.iter().map(|(hash, _)| *hash));
        Indicators {
            lists,
            v4: v4.collect(),
            v6: v6.collect(),
            names: Names { table: Table::new(self.names), bloom, bytes: self.name_bytes },
            digests: Digests { table: Table::new(self.digests), bytes: self.digest_bytes },
            ..self.made
        }
    }
}

fn is_address(host: &[u8]) -> bool {
    std::str::from_utf8(host).is_ok_and(|host| host.parse::<Ipv4Addr>().is_ok())
}
