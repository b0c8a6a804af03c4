//! Which pages were seen, and which trees the schema names.

use std::collections::BTreeMap;

use super::page::{Encoding, varint};

/// A set of pages.
#[derive(Debug)]
pub(super) struct Pages {
    words: Vec<u64>,
    last: u64,
}

impl Pages {
    /// An empty set of pages up to `last`.
    pub(super) fn new(last: u64) -> Self {
        let words = usize::try_from(last >> 6).unwrap_or_default().saturating_add(1);
        Self { words: vec![0; words], last }
    }

    fn place(number: u64) -> (usize, u64) {
        let bit = u32::try_from(number & 63).unwrap_or_default();
        (usize::try_from(number >> 6).unwrap_or(usize::MAX), 1_u64.rotate_left(bit))
    }

    pub(super) fn holds(&self, number: u64) -> bool {
        let (word, bit) = Self::place(number);
        self.words.get(word).is_some_and(|word| word & bit != 0)
    }

    /// Adds a page; `false` if it was there or cannot be.
    pub(super) fn add(&mut self, number: u64) -> bool {
        let (word, bit) = Self::place(number);
        match self.words.get_mut(word) {
            Some(word) if number > 0 && number <= self.last && *word & bit == 0 => {
                *word |= bit;
                true
            }
            _ => false,
        }
    }
}

/// Names and first pages of tables and indexes.
#[derive(Debug, Default)]
pub(super) struct Tables {
    found: BTreeMap<u32, String>,
    is_closed: bool,
}

/// Tables and indexes; the pages of others are looked at as those of none.
const TABLES: usize = 10_000;
/// Bytes of a name, after which it is cut.
const NAME: usize = 200;

impl Tables {
    /// Takes none.
    pub(super) fn closed() -> Self {
        Self { is_closed: true, ..Self::default() }
    }

    /// All of them, by their first page.
    pub(super) fn take(self) -> impl Iterator<Item = (String, u32)> {
        self.found.into_iter().map(|(root, name)| (name, root))
    }

    /// Reads a row of the schema: type, name, table, first page, statement.
    pub(super) fn add(&mut self, row: &[u8], encoding: Encoding) {
        if self.is_closed || self.found.len() >= TABLES {
            return;
        }
        if let Some((root, name)) = named(row, encoding) {
            self.found.entry(root).or_insert(name);
        }
    }
}

fn named(row: &[u8], encoding: Encoding) -> Option<(u32, String)> {
    let mut at = 0;
    let header = usize::try_from(varint(row, &mut at)?).ok()?;
    let mut content = header;
    let mut name = None;
    for column in 0..4 {
        let serial = varint(row, &mut at)?;
        // Record format (§2.1): text has odd numbers from 13 on, integers 1 to 6.
        let len = match serial {
            0 | 8 | 9 => 0,
            1..=4 => serial,
            5 => 6,
            6 | 7 => 8,
            _ => serial.checked_sub(12)? >> 1,
        };
        let len = usize::try_from(len).ok()?;
        let value = row.get(content..)?;
        let value = value.get(..len)?;
        content = content.checked_add(len)?;
        if column == 1 {
            name = Some(text(value.get(..NAME).unwrap_or(value), encoding));
        }
        if column == 3 {
            let root = match serial {
                9 => 1,
                1..=4 => value.iter().fold(0_u32, |number, byte| number << 8 | u32::from(*byte)),
                // Views and triggers have none.
                _ => return None,
            };
            return (root > 1).then_some((root, name?));
        }
    }
    None
}

fn text(bytes: &[u8], encoding: Encoding) -> String {
    let units = |read: fn([u8; 2]) -> u16| -> String {
        let units = bytes.as_chunks().0.iter().map(|pair| read(*pair));
        char::decode_utf16(units).map(|char| char.unwrap_or('\u{fffd}')).collect()
    };
    match encoding {
        Encoding::Utf8 => String::from_utf8_lossy(bytes).into_owned(),
        Encoding::Utf16Le => units(u16::from_le_bytes),
        Encoding::Utf16Be => units(u16::from_be_bytes),
    }
}
