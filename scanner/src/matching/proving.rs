//! Rules put to the test: a text with a value in it, laid into memory between the neighbours that memory
//! has, in every encoding, and scanned.

use std::collections::BTreeSet;
use std::fmt;
use std::io::Write as _;
use std::ops::Range;

use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER};
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};

use super::{Engine, Scratch};
use crate::check::Notation;
use crate::region::{CELL, Cut, Form, Holder, HolderKind, Piece, RegionKind, Space, Window};
use crate::rule::{Anchor, Edge, Rule, RuleSet, View};

/// Text of any of the alphabets that values have.
const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// Notations that a value is tried in; several from the outermost on.
const WRITTEN: [&[Notation]; 12] = [
    &[Notation::Utf16Le],
    &[Notation::Utf16Be],
    &[Notation::Utf32Le],
    &[Notation::Base64],
    &[Notation::Base64Url],
    &[Notation::Hex],
    &[Notation::Percent],
    &[Notation::Escaped],
    &[Notation::Base64, Notation::Utf16Le],
    &[Notation::Base64, Notation::Base64],
    &[Notation::Gzip],
    &[Notation::Zlib],
];

/// A text with a value in it, where a rule should find it, or should not.
#[derive(Debug, Clone)]
pub struct Case<'a> {
    /// The rule.
    pub rule: &'a Rule,
    /// The text; for rules on bytes each character stands for the byte of its number.
    pub text: String,
    /// Where in it the value is.
    pub value: Range<usize>,
    /// The path of the file it stands in.
    pub path: String,
    /// Whether the value's end can be told although text goes on directly behind it.
    pub has_end: bool,
}

/// What stands before a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Before {
    /// The first byte of the region, which is cut off there.
    Nothing,
    /// Zeros.
    Nul,
    /// What is left of a longer string.
    Stale,
}

/// What stands behind a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// Zeros.
    Nul,
    /// An address of which the first byte is no text.
    Pointer,
    /// An address of which the first byte is a letter.
    LetterPointer,
    /// What is left of a longer string.
    Stale,
}

/// What address the middle of the value has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// No special one.
    Anywhere,
    /// One page ends and the next begins in it.
    PageEdge,
    /// One cell of the grid ends and the next begins in it.
    CellBorder,
}

/// What stands around a value, and where.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// The kind of region.
    pub kind: RegionKind,
    /// How the text is written, from the outermost notation on; empty: as it is.
    pub written: &'static [Notation],
    /// What stands before it.
    pub before: Before,
    /// What stands behind it.
    pub after: After,
    /// Where the value lies.
    pub position: Position,
    /// Whether the first byte of the text has an odd address.
    pub odd: bool,
    /// What the neighbours are made from.
    pub seed: u64,
}

/// What the engine says: rule, address, bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hit {
    /// Id of the rule.
    pub rule: String,
    /// Address of the first byte.
    pub at: u64,
    /// Bytes.
    pub len: u64,
    /// A hash of the value.
    pub key: [u8; 16],
}

/// What a scan gave.
#[derive(Debug)]
pub struct Tried {
    /// Where the value lies.
    pub expected: Hit,
    /// What was found.
    pub hits: Vec<Hit>,
    /// Whether a rule met more candidates than its budget.
    pub throttled: bool,
}

/// An engine for texts.
#[derive(Debug)]
pub struct Bench {
    engine: Engine,
    scratch: Scratch,
}

impl Hit {
    /// Whether another one lies inside of it.
    pub fn covers(&self, other: &Self) -> bool {
        self.at <= other.at && self.at + self.len >= other.at + other.len
    }
}

impl fmt::Display for Setting {
    /// In words: `base64, pointer behind it`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.written.is_empty() {
            f.write_str("as it is")?;
        }
        for (index, notation) in self.written.iter().enumerate() {
            write!(f, "{}{}", if index == 0 { "" } else { " of " }, notation.name())?;
        }
        f.write_str(match self.before {
            Before::Nothing => ", nothing before it",
            Before::Nul => "",
            Before::Stale => ", other text before it",
        })?;
        f.write_str(match self.after {
            After::Nul => "",
            After::Pointer => ", a pointer behind it",
            After::LetterPointer => ", a pointer that begins with a letter behind it",
            After::Stale => ", other text behind it",
        })?;
        f.write_str(match self.position {
            Position::Anywhere => "",
            Position::PageEdge => ", on two pages",
            Position::CellBorder => ", on a border of the grid",
        })
    }
}

impl Bench {
    /// An engine with these rules.
    pub fn new(rules: RuleSet) -> Self {
        Self { engine: Engine::new(rules, [7; 32]), scratch: Scratch::default() }
    }

    /// Puts the text there and scans.
    pub fn scan(&mut self, case: &Case<'_>, setting: Setting) -> Tried {
        let mut random = Random::new(setting.seed);
        let (text, value) = written(case, setting.written);
        // What is left of a longer string is of the same width.
        let is_wide = setting.written == [Notation::Utf16Le];
        let widen = |text: Vec<u8>| -> Vec<u8> {
            if is_wide { text.into_iter().flat_map(|byte| [byte, 0]).collect() } else { text }
        };
        let mut bytes = match setting.before {
            Before::Nothing => Vec::new(),
            Before::Nul => [random.bytes(16), vec![0; 8]].concat(),
            Before::Stale => [vec![0; 8], widen(random.text(17))].concat(),
        };
        let text_at = bytes.len() as u64;
        let value_at = text_at + value.start as u64;
        let value_len = value.len() as u64;
        bytes.extend(text);
        bytes.extend(match setting.after {
            After::Nul => vec![0, 0],
            After::Pointer => vec![0x90, 0x1f, 0xe4, 0xf7, 0xff, 0x7f, 0, 0],
            After::LetterPointer => vec![b'V', 0x9c, 0xe4, 0xf7, 0xff, 0x7f, 0, 0],
            After::Stale => widen(random.text(23)),
        });
        bytes.extend([0; 24]);

        // The first byte of `bytes` has the address `base`, in a region that starts at `start`.
        let is_file = !matches!(setting.kind, RegionKind::Memory | RegionKind::Pipe);
        let start = if is_file { 0 } else { 0x7f3a_1540_0000 };
        let middle = value_at + value_len / 2;
        let base = match (setting.before, setting.position) {
            (Before::Nothing, _) => start,
            (_, Position::Anywhere) => start + 0x200 - text_at % 2 + u64::from(setting.odd),
            (_, Position::PageEdge) => {
                (start + 0x3000).checked_sub(middle).unwrap_or(start + 0x200)
            }
            (_, Position::CellBorder) => {
                (start + 2 * CELL).checked_sub(middle).unwrap_or(start + 0x200)
            }
        };
        let end = base + bytes.len() as u64;
        let space = Space {
            holder: Holder { set: 1, kind: HolderKind::Memory, id: 1, ordinal: 0 },
            kind: setting.kind,
            page_size: 4096,
            pieces: vec![Piece {
                at: start,
                len: end - start,
                layer: 0,
                image: 1,
                offset: 0,
                form: Form::Raw,
            }],
            blocks: Vec::new(),
            labels: Vec::new(),
            cut: !is_file,
            only: None,
            foreign: u16::MAX,
        };
        // Windows end at cells. What lies before `base` is as if it held no text.
        let mut borders = BTreeSet::from([start, end]);
        if setting.position == Position::CellBorder && end > start + 2 * CELL {
            borders.insert(start + 2 * CELL);
        }
        let mut tried = Tried {
            expected: Hit {
                rule: case.rule.id.clone(),
                at: base + value_at,
                len: value_len,
                key: [0; 16],
            },
            hits: Vec::new(),
            throttled: false,
        };
        for (from, to) in borders.iter().zip(borders.iter().skip(1)) {
            let window = Window {
                space: &space,
                name: &case.path,
                region_start: start,
                base,
                own: *from..*to,
                bytes: &bytes,
                cut: Cut { start: space.cut && base == start, end: space.cut },
            };
            let scanned = self.engine.scan(&window, &mut self.scratch, |found| {
                tried.hits.push(Hit {
                    rule: self.engine.rules().get(found.judgement.rule).id.clone(),
                    at: found.locus.at,
                    len: found.locus.len.into(),
                    key: found.key.0,
                });
            });
            tried.throttled |= !scanned.throttled.is_empty();
        }
        tried.hits.sort();
        tried
    }
}

/// The kinds of region to try a rule in, and whether it looks there. Labels are for whole scans.
pub fn kinds(rule: &Rule) -> impl Iterator<Item = (RegionKind, bool)> {
    use RegionKind::{File, Memory, Metadata, Pipe};
    [Memory, Pipe, File, Metadata].into_iter().map(|kind| (kind, rule.places.holds(kind)))
}

/// Whether the rule bears text directly before its own.
fn has_start(rule: &Rule) -> bool {
    let decides =
        rule.edge == Edge::Hard || (rule.edge == Edge::Checked && rule.pattern.is_relaxed());
    !decides && matches!(rule.anchor, Anchor::Prefix | Anchor::Inside)
}

/// Every setting that the rule of an example promises to bear.
pub fn settings(case: &Case<'_>, seed: u64) -> Vec<Setting> {
    let Some((kind, _)) = kinds(case.rule).find(|(_, looks)| *looks) else { return Vec::new() };
    let plain = Setting {
        kind,
        written: &[],
        before: Before::Nothing,
        after: After::Nul,
        position: Position::Anywhere,
        odd: false,
        seed,
    };
    if case.rule.anchor == Anchor::Path {
        return vec![plain];
    }
    // Numbers stand at addresses that eight divides.
    if case.rule.anchor == Anchor::Number {
        return vec![Setting { before: Before::Nul, ..plain }];
    }
    let mut all = Vec::new();
    let (near, other) = WRITTEN.split_at(1);
    for written in std::iter::once(&[][..]).chain(near.iter().copied()) {
        if !is_read(case, written) {
            continue;
        }
        for after in [After::Nul, After::Pointer, After::LetterPointer, After::Stale] {
            if matches!(after, After::LetterPointer | After::Stale) && !case.has_end {
                // In UTF-16 half a character of an address is none.
                if after == After::Stale || written.is_empty() {
                    continue;
                }
            }
            all.push(Setting { written, after, ..plain });
            for before in [Before::Nul, Before::Stale] {
                if before == Before::Stale && !has_start(case.rule) {
                    continue;
                }
                for position in [Position::Anywhere, Position::PageEdge, Position::CellBorder] {
                    for odd in [false, true] {
                        all.push(Setting { written, before, after, position, odd, ..plain });
                    }
                }
            }
        }
    }
    for written in other.iter().copied() {
        if !is_read(case, written) {
            continue;
        }
        for after in [After::Nul, After::Pointer] {
            // Between zeros the order of the bytes does not show.
            if after == After::Nul && written == [Notation::Utf16Be] {
                continue;
            }
            all.push(Setting { written, after, ..plain });
            for position in [Position::Anywhere, Position::CellBorder] {
                all.push(Setting { written, before: Before::Nul, after, position, ..plain });
            }
        }
    }
    all
}

/// Whether the rule of a case looks into text that is written so.
fn is_read(case: &Case<'_>, written: &[Notation]) -> bool {
    let has_length_word = matches!(case.rule.anchor, Anchor::Run { word: true, .. });
    let is_binary = case.rule.view == View::Bytes;
    written.is_empty()
        || (!has_length_word
            && written.iter().all(|notation| case.rule.encodings.holds(*notation))
            && (!is_binary || written.iter().all(|notation| notation.holds_bytes())))
}

/// Whether what is encoded so is found as it lies too, with other characters beside it than the
/// text itself has.
pub fn is_seen_plainly(setting: &Setting) -> bool {
    matches!(setting.written, [Notation::Percent | Notation::Escaped | Notation::Utf16Be])
}

/// The text of a case as it is written, and where in it the value is encoded.
fn written(case: &Case<'_>, notations: &[Notation]) -> (Vec<u8>, Range<usize>) {
    // Bytes of any value are written as the characters of that number.
    let bytes = |text: &str| -> Vec<u8> {
        match case.rule.view {
            View::Bytes => text.chars().filter_map(|c| u8::try_from(c).ok()).collect(),
            View::Text => text.as_bytes().to_vec(),
        }
    };
    let part = |range: Range<usize>| bytes(case.text.get(range).unwrap_or_default()).len();
    let at = part(0..case.value.start);
    let plain = (bytes(&case.text), at..at + part(case.value.clone()));
    notations.iter().rev().fold(plain, |(text, value), notation| encode(*notation, &text, value))
}

/// Encodes a text: what it becomes, and where a part of it is then.
fn encode(notation: Notation, text: &[u8], part: Range<usize>) -> (Vec<u8>, Range<usize>) {
    let even = |width: usize| part.start * width..part.end * width;
    let sextets = part.start * 8 / 6..(part.end * 8).saturating_sub(1) / 6 + 1;
    let units = || String::from_utf8_lossy(text).into_owned().encode_utf16().collect::<Vec<_>>();
    let each = |escape: &dyn Fn(u8) -> Option<String>| {
        let escaped = |text: &[u8]| -> Vec<u8> {
            let byte = |byte: &u8| escape(*byte).map_or(vec![*byte], String::into_bytes);
            text.iter().flat_map(byte).collect()
        };
        let start = escaped(text.get(..part.start).unwrap_or_default()).len();
        let len = escaped(text.get(part.clone()).unwrap_or_default()).len();
        (escaped(text), start..start + len)
    };
    match notation {
        Notation::Utf16Le => (units().into_iter().flat_map(u16::to_le_bytes).collect(), even(2)),
        Notation::Utf16Be => (units().into_iter().flat_map(u16::to_be_bytes).collect(), even(2)),
        Notation::Utf32Le => {
            let units = units().into_iter().map(u32::from);
            (units.flat_map(u32::to_le_bytes).collect(), even(4))
        }
        Notation::Base64 => (BASE64.encode(text).into_bytes(), sextets),
        Notation::Base64Url => (BASE64URL_NOPAD.encode(text).into_bytes(), sextets),
        Notation::Hex => (HEXLOWER.encode(text).into_bytes(), even(2)),
        Notation::Percent => each(&|byte| {
            (!byte.is_ascii_alphanumeric() && !b"-_.~".contains(&byte))
                .then(|| format!("%{byte:02X}"))
        }),
        Notation::Escaped => each(&|byte| match byte {
            b'\n' => Some("\\n".to_owned()),
            b'\r' => Some("\\r".to_owned()),
            b'\t' => Some("\\t".to_owned()),
            b'"' | b'\\' | b'/' => Some(format!("\\{}", char::from(byte))),
            b'=' | b'&' => Some(format!("\\u{byte:04x}")),
            _ => None,
        }),
        // A vector takes all.
        Notation::Gzip => {
            let mut packer = GzEncoder::new(Vec::new(), Compression::default());
            packer.write_all(text).unwrap_or_default();
            let packed = packer.finish().unwrap_or_default();
            (packed.clone(), 0..packed.len())
        }
        Notation::Zlib => {
            let mut packer = ZlibEncoder::new(Vec::new(), Compression::default());
            packer.write_all(text).unwrap_or_default();
            let packed = packer.finish().unwrap_or_default();
            (packed.clone(), 0..packed.len())
        }
    }
}

/// Bytes that look random, the same for the same seed.
#[derive(Debug)]
pub struct Random(blake3::OutputReader);

impl Random {
    /// A row of them.
    pub fn new(seed: u64) -> Self {
        Self(blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof())
    }

    /// So many bytes of any value.
    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.0.fill(&mut bytes);
        bytes
    }

    /// So many letters and digits.
    fn text(&mut self, len: usize) -> Vec<u8> {
        self.of(ALPHABET, len)
    }

    /// So many characters of an alphabet.
    pub fn of(&mut self, alphabet: &[u8], len: usize) -> Vec<u8> {
        let pick = |byte: u8| usize::from(byte).checked_rem(alphabet.len());
        let bytes = self.bytes(len).into_iter();
        bytes.filter_map(|byte| alphabet.get(pick(byte)?).copied()).collect()
    }
}
