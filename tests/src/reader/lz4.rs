//! Compressed pages: the block format of LZ4, read after its specification, and the images made of it.

use std::collections::BTreeMap;
use std::ops::Range;

use super::{Fields, Value, messages, number, page_count, varint};

const PE_PRESENT: u64 = 4;

/// A pages image as it would be without compression.
#[derive(Debug, Default)]
pub(super) struct Expanded {
    pub(super) bytes: Vec<u8>,
    /// Where the block that is stored at an offset has gone.
    pub(super) blocks: BTreeMap<usize, Range<usize>>,
}

/// The images of a set that have compressed pages, by name.
pub(super) fn expanded(
    images: &BTreeMap<String, Vec<u8>>,
    page_size: u64,
) -> BTreeMap<String, Expanded> {
    let mut all = BTreeMap::new();
    for (_, image) in images.iter().filter(|(name, _)| name.starts_with("pagemap-")) {
        let messages = messages(image);
        let Some((head, entries)) = messages.split_first() else { continue };
        if entries.iter().all(|entry| sizes(entry).is_empty()) {
            continue;
        }
        let name = format!("pages-{}.img", number(head, 1).unwrap_or(0));
        let stored = images.get(&name).map(Vec::as_slice).unwrap_or_default();
        if let Some(image) = expand(stored, entries, page_size) {
            all.insert(name, image);
        }
    }
    all
}

fn expand(stored: &[u8], entries: &[Fields], page_size: u64) -> Option<Expanded> {
    let mut image = Expanded::default();
    let mut at = 0;
    for entry in entries.iter().filter(|entry| number(entry, 4).unwrap_or(0) & PE_PRESENT != 0) {
        let length = usize::try_from(page_count(entry) * page_size).ok()?;
        let sizes = sizes(entry);
        if sizes.is_empty() {
            image.bytes.extend(stored.get(at..at + length)?);
            at += length;
        }
        let block = usize::try_from(number(entry, 8).unwrap_or(1) * page_size).ok()?;
        let end = image.bytes.len() + length;
        for size in sizes {
            let from = stored.get(at..at + size)?;
            let start = image.bytes.len();
            let length = block.min(end - start);
            match size {
                0 => image.bytes.resize(start + length, 0),
                size if size == length => image.bytes.extend(from),
                _ => image.bytes.extend(block_of(from)?),
            }
            image.blocks.insert(at, start..image.bytes.len());
            at += size;
        }
    }
    Some(image)
}

/// Stored bytes of each block: field 6, packed.
fn sizes(entry: &Fields) -> Vec<usize> {
    let packed = entry.iter().filter(|(field, _)| *field == 6);
    let mut sizes = Vec::new();
    for (_, value) in packed {
        if let Value::Bytes(bytes) = value {
            let mut rest = bytes.as_slice();
            while let Ok(size) = varint(&mut rest) {
                sizes.push(usize::try_from(size).unwrap_or(usize::MAX));
            }
        }
    }
    sizes
}

/// One block: sequences of literals and a copy of what came before.
fn block_of(mut from: &[u8]) -> Option<Vec<u8>> {
    let mut out: Vec<u8> = Vec::new();
    loop {
        let (token, rest) = from.split_first()?;
        from = rest;
        let literals = length(usize::from(token >> 4), &mut from)?;
        let (copied, rest) = from.split_at_checked(literals)?;
        out.extend(copied);
        from = rest;
        if from.is_empty() {
            return Some(out);
        }
        let (distance, rest) = from.split_at_checked(2)?;
        from = rest;
        let distance = usize::from(u16::from_le_bytes(distance.try_into().ok()?));
        let length = length(usize::from(token & 15), &mut from)? + 4;
        for _ in 0..length {
            out.push(*out.get(out.len().checked_sub(distance)?)?);
        }
    }
}

/// A length of four bits, or that and the bytes that follow, up to one that is not 255.
fn length(short: usize, from: &mut &[u8]) -> Option<usize> {
    let mut length = short;
    if short == 15 {
        loop {
            let (more, rest) = from.split_first()?;
            *from = rest;
            length += usize::from(*more);
            if *more < 255 {
                break;
            }
        }
    }
    Some(length)
}
