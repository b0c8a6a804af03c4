//! What was scanned before and had nothing in it: the same memory is dumped again and again.
//!
//! What is found in a cell of the grid depends on its bytes, on those within [`REACH`] of it, and on what its
//! region is: so a cell is known by a hash of all that. Only cells in which nothing at all was found are kept.
//! What has findings is scanned wherever it lies, so that each of its places is told; and where nothing was
//! found there is nothing to tell but how many bytes were decoded, which is kept too. A report never shows
//! whether there was a cache.
//!
//! Hashes are under a key drawn for each cache: whoever writes the memory cannot make two cells that look the
//! same, and of the memory nothing can be read from the hashes.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, Read, Write};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::cell_hash::CellHash;
use super::memory;
use crate::matching::{Engine, Scanned, Scratch};
use crate::region::{CELL, Cut, REACH, Window};
use crate::tally::Match;

/// The first bytes of a file, with the version of its format.
const MAGIC: [u8; 16] = *b"cryoscan cache 1";

/// Bytes of one entry in a file: a key, and how many bytes were decoded.
const ENTRY: usize = 20;

/// Entries that are written or read at once.
const BLOCK: usize = 1 << 12;

/// Bytes of memory of one entry, with its part of nodes that are not full.
const ENTRY_MEMORY: u64 = 48;

/// Known cells between two that are not: scanning them again costs no more than what has to be seen around both.
const BRIDGED: usize = 2;

const _: () = assert!(CELL == REACH, "the neighbours of a cell are all that it depends on");

/// Scans a window of a region that ends at `end`, but for what is known to have nothing in it.
pub(super) fn scan(
    engine: &Engine,
    cache: Option<&Cache>,
    window: &Window<'_>,
    end: u64,
    scratch: &mut Scratch,
    mut take: impl FnMut(Match),
) -> Scanned {
    let Some(mut cells) = cache.and_then(|cache| cache.cells(window, end)) else {
        return engine.scan(window, scratch, take);
    };
    let (unknown, decoded) = cells.unknown();
    let mut all = Scanned { decoded, ..Scanned::default() };
    for own in unknown {
        let mut scanned = engine.scan(&window.part(own), scratch, |found| {
            cells.found(found.locus.at);
            take(found);
        });
        let throttled = scanned.throttled.iter().map(|throttled| throttled.cell);
        throttled.chain(scanned.lists.iter().copied()).for_each(|cell| cells.found(cell));
        scanned.decoded_cells.iter().for_each(|(cell, bytes)| cells.decoded(*cell, *bytes));
        all.throttled.append(&mut scanned.throttled);
        all.lists.append(&mut scanned.lists);
        all.decoded = all.decoded.saturating_add(scanned.decoded);
    }
    cells.learn();
    all
}

/// Which program with which rules has made a cache: of another one nothing can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity(pub(super) [u8; 32]);

/// Why a file is no cache that can be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CacheFault {
    /// It is something else.
    #[error("expected a cache of cryoscan, found something else")]
    NoCache,
    /// It is of another version.
    #[error("no cache of this version of cryoscan")]
    Foreign,
    /// Another build of cryoscan or other rules made it.
    #[error("made by another build of cryoscan, or with other rules, patterns or lists")]
    Other,
    /// It ends early.
    #[error("cut short")]
    Truncated,
    /// Its checksum does not hold.
    #[error("damaged: its checksum does not hold")]
    Damaged,
    /// It could not be read.
    #[error("{0}")]
    Unreadable(io::Error),
}

impl From<io::Error> for CacheFault {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            Self::Truncated
        } else {
            Self::Unreadable(error)
        }
    }
}

/// A cell with all that its findings depend on.
type Key = [u8; 16];

#[derive(Debug, Clone, Copy)]
struct Entry {
    /// Bytes that were made by decoding what begins in the cell.
    decoded: u32,
    /// Whether it was met in this run.
    is_met: bool,
}

/// Cells that were scanned and had nothing in them.
#[derive(Debug)]
pub struct Cache {
    identity: Identity,
    hash: CellHash,
    most: usize,
    known: Mutex<BTreeMap<Key, Entry>>,
    /// Whether all that is known was met in this run, and there is no room for more.
    is_full: AtomicBool,
    asked: AtomicU64,
    met: AtomicU64,
}

impl Cache {
    /// An empty one, which takes a part of the memory that a scan may have.
    pub fn new(identity: Identity, memory: u64) -> Self {
        let random = RandomState::new();
        let words: Vec<u8> = (0..4).flat_map(|word| random.hash_one(word).to_le_bytes()).collect();
        Self::with_key(blake3::derive_key("cryoscan 2026 key of a cache", &words), identity, memory)
    }

    fn with_key(key: [u8; 32], identity: Identity, memory: u64) -> Self {
        let most = usize::try_from(memory::of_cache(memory) / ENTRY_MEMORY).unwrap_or(usize::MAX);
        let (asked, met) = (AtomicU64::new(0), AtomicU64::new(0));
        let is_full = AtomicBool::new(false);
        Self {
            identity,
            hash: CellHash::new(key),
            most,
            known: Mutex::default(),
            is_full,
            asked,
            met,
        }
    }

    /// Reads what [`Self::write`] has written, as far as the memory is enough for it.
    ///
    /// # Errors
    /// When it is no such thing, of another program or other rules, damaged, or cannot be read.
    pub fn read(from: &mut dyn Read, identity: Identity, memory: u64) -> Result<Self, CacheFault> {
        let mut magic = [0; MAGIC.len()];
        let mut got = 0;
        while let Some(rest @ [_, ..]) = magic.get_mut(got..) {
            match from.read(rest) {
                Ok(0) => break,
                Ok(read) => got = got.saturating_add(read),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        // The last character is the version.
        let name = got.min(MAGIC.len() - 1);
        if magic.get(..name) != MAGIC.get(..name) {
            return Err(CacheFault::NoCache);
        }
        if got < MAGIC.len() {
            return Err(CacheFault::Truncated);
        }
        if magic != MAGIC {
            return Err(CacheFault::Foreign);
        }
        let mut hasher = blake3::Hasher::new();
        hasher.update(&magic);
        let mut take = |bytes: &mut [u8]| -> io::Result<()> {
            from.read_exact(bytes)?;
            hasher.update(bytes);
            Ok(())
        };
        let (mut made_by, mut key, mut count) = ([0; 32], [0; 32], [0; 8]);
        take(&mut made_by)?;
        if made_by != identity.0 {
            return Err(CacheFault::Other);
        }
        take(&mut key)?;
        take(&mut count)?;
        let cache = Self::with_key(key, identity, memory);
        let mut left = u64::from_le_bytes(count);
        let mut block = vec![0; BLOCK * ENTRY];
        let mut known = cache.known();
        while left > 0 {
            let entries = usize::try_from(left).unwrap_or(usize::MAX).min(BLOCK);
            left = left.saturating_sub(entries as u64);
            let bytes = block.get_mut(..entries.saturating_mul(ENTRY)).unwrap_or_default();
            take(bytes)?;
            for entry in bytes.chunks_exact(ENTRY).take(cache.most.saturating_sub(known.len())) {
                if let Some((key, decoded)) = entry.split_first_chunk::<16>()
                    && let Some(decoded) = decoded.first_chunk()
                {
                    let decoded = u32::from_le_bytes(*decoded);
                    known.insert(*key, Entry { decoded, is_met: false });
                }
            }
        }
        let mut sum = [0; 32];
        from.read_exact(&mut sum)?;
        if hasher.finalize() != sum || from.read(&mut [0])? > 0 {
            return Err(CacheFault::Damaged);
        }
        drop(known);
        Ok(cache)
    }

    /// Writes it, so that [`Self::read`] gives the same.
    ///
    /// # Errors
    /// From `to`.
    pub fn write(&self, to: &mut dyn Write) -> io::Result<()> {
        let known = self.known();
        let mut hasher = blake3::Hasher::new();
        let mut put = |bytes: &[u8]| {
            hasher.update(bytes);
            to.write_all(bytes)
        };
        put(&MAGIC)?;
        put(&self.identity.0)?;
        put(self.hash.key())?;
        put(&(known.len() as u64).to_le_bytes())?;
        let mut block = Vec::with_capacity(BLOCK * ENTRY);
        for (key, entry) in known.iter() {
            block.extend_from_slice(key);
            block.extend_from_slice(&entry.decoded.to_le_bytes());
            if block.len() == BLOCK * ENTRY {
                put(&block)?;
                block.clear();
            }
        }
        put(&block)?;
        to.write_all(hasher.finalize().as_bytes())?;
        to.flush()
    }

    /// Bytes of memory whose cells were looked up, and those that were known and not scanned again.
    pub fn used(&self) -> (u64, u64) {
        (self.asked.load(Ordering::Relaxed), self.met.load(Ordering::Relaxed))
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<Key, Entry>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What of a window is known; `None` where that is never asked. The region ends at `end`.
    ///
    /// Rules look at the names of files, which are hardly ever the same again; their windows are scanned.
    fn cells(&self, window: &Window<'_>, end: u64) -> Option<Cells<'_>> {
        let own = window.own.clone();
        let is_on_grid = own.start.checked_sub(window.region_start)?.is_multiple_of(CELL);
        if !window.name.is_empty() || !is_on_grid || own.is_empty() {
            return None;
        }
        let keys = Keys::of(&self.hash, window, end);
        let mut cells: Vec<Cell> = Vec::new();
        let mut start = own.start;
        while start < own.end {
            let next = start.saturating_add(CELL).min(own.end);
            cells.push(Cell { key: keys.key(start, next), ..Cell::of(start..next) });
            start = next;
        }
        let mut known = self.known();
        for cell in &mut cells {
            let entry = cell.key.and_then(|key| known.get_mut(&key));
            cell.known = entry.map(|entry| {
                entry.is_met = true;
                entry.decoded
            });
        }
        drop(known);
        Some(Cells { cache: self, cells })
    }

    fn learn(&self, cells: impl Iterator<Item = (Key, u32)>) {
        if self.is_full.load(Ordering::Relaxed) {
            return;
        }
        let mut known = self.known();
        for (key, decoded) in cells {
            if known.len() >= self.most {
                // What this run has not met so far is the least likely to be met again.
                known.retain(|_, entry| entry.is_met);
                if known.len() >= self.most {
                    self.is_full.store(true, Ordering::Relaxed);
                    return;
                }
            }
            known.insert(key, Entry { decoded, is_met: true });
        }
    }
}

/// A cell of a window.
#[derive(Debug)]
struct Cell {
    range: Range<u64>,
    /// None where what surrounds it is not there, or not all that counts.
    key: Option<Key>,
    /// Bytes decoded when it was scanned and had nothing in it.
    known: Option<u32>,
    has_something: bool,
    decoded: u64,
}

impl Cell {
    fn of(range: Range<u64>) -> Self {
        Self { range, key: None, known: None, has_something: false, decoded: 0 }
    }
}

/// The cells that a window owns.
#[derive(Debug)]
struct Cells<'a> {
    cache: &'a Cache,
    cells: Vec<Cell>,
}

impl Cells<'_> {
    /// The stretches that have to be scanned, and how many bytes were decoded when the rest was.
    fn unknown(&self) -> (Vec<Range<u64>>, u64) {
        let mut stretches: Vec<Range<u64>> = Vec::new();
        let mut between: Vec<&Cell> = Vec::new();
        let (mut decoded, mut met) = (0, 0);
        let mut leave = |between: &mut Vec<&Cell>| {
            for cell in between.drain(..) {
                decoded += cell.known.map_or(0, u64::from);
                met += cell.range.end.saturating_sub(cell.range.start);
            }
        };
        for cell in &self.cells {
            if cell.known.is_some() {
                between.push(cell);
                continue;
            }
            let near = between.len() <= BRIDGED;
            if let Some(last) = stretches.last_mut().filter(|_| near) {
                between.clear();
                last.end = cell.range.end;
            } else {
                leave(&mut between);
                stretches.push(cell.range.clone());
            }
        }
        leave(&mut between);
        let all = self.cells.iter().map(|cell| cell.range.end.saturating_sub(cell.range.start));
        self.cache.asked.fetch_add(all.sum(), Ordering::Relaxed);
        self.cache.met.fetch_add(met, Ordering::Relaxed);
        (stretches, decoded)
    }

    fn at(&mut self, address: u64) -> Option<&mut Cell> {
        let after = self.cells.partition_point(|cell| cell.range.start <= address);
        self.cells.get_mut(after.checked_sub(1)?)
    }

    /// Something was found in the cell of an address: whatever a report would show.
    fn found(&mut self, address: u64) {
        if let Some(cell) = self.at(address) {
            cell.has_something = true;
        }
    }

    /// So many bytes were decoded for the cell of an address.
    fn decoded(&mut self, address: u64, bytes: u64) {
        if let Some(cell) = self.at(address) {
            cell.decoded = cell.decoded.saturating_add(bytes);
        }
    }

    /// All of it was scanned: remembers what had nothing in it.
    fn learn(&self) {
        let new = self.cells.iter().filter(|cell| cell.known.is_none() && !cell.has_something);
        let new = new.filter_map(|cell| Some((cell.key?, u32::try_from(cell.decoded).ok()?)));
        self.cache.learn(new);
    }
}

/// Hashes of the cells that a window sees.
struct Keys<'a> {
    hash: &'a CellHash,
    window: &'a Window<'a>,
    /// Where the region ends.
    end: u64,
    /// Address of the first cell that has a hash, and the hashes from there on.
    first: u64,
    hashes: Vec<[u8; 32]>,
}

impl<'a> Keys<'a> {
    fn of(hash: &'a CellHash, window: &'a Window<'a>, end: u64) -> Self {
        let before = window.own.start.saturating_sub(CELL).max(window.region_start);
        let first = if before < window.base { window.own.start } else { before };
        let seen = window.base.saturating_add(window.bytes.len() as u64);
        let last = window.own.end.checked_next_multiple_of(CELL).unwrap_or(u64::MAX);
        let last = last.saturating_add(CELL).min(seen);
        let offset =
            |at: u64| usize::try_from(at.saturating_sub(window.base)).unwrap_or(usize::MAX);
        let bytes = window.bytes.get(offset(first)..offset(last)).unwrap_or_default();
        let cell = usize::try_from(CELL).unwrap_or(usize::MAX);
        let hashes = bytes.chunks(cell).map(|cell| hash.of(cell)).collect();
        Self { hash, window, end, first, hashes }
    }

    fn hash_at(&self, at: u64) -> Option<&[u8; 32]> {
        let index = at.checked_sub(self.first)? / CELL;
        self.hashes.get(usize::try_from(index).ok()?)
    }

    /// The key of a cell: its bytes and those of its neighbours, as far as the region goes, and what else
    /// rules look at. None where a neighbour is not seen whole, or argv or environ lie near.
    fn key(&self, start: u64, end: u64) -> Option<Key> {
        let Self { window, .. } = self;
        let seen = window.base.saturating_add(window.bytes.len() as u64);
        // A region that ends is seen to its end.
        let whole = start.saturating_add(CELL).min(self.end);
        let next = end.saturating_add(CELL).min(self.end);
        let is_first = start == window.region_start;
        let previous = if is_first { start } else { start.checked_sub(CELL)? };
        // The first bytes of a holder are special.
        if start == 0 || end != whole || next > seen || previous < self.first.min(start) {
            return None;
        }
        let is_labelled =
            |range: &Range<u64>| range.start < next && previous < range.end.max(range.start + 1);
        if window.space.labels.iter().any(|label| is_labelled(&label.range)) {
            return None;
        }
        let none = [0; 32];
        let before = if is_first { &none } else { self.hash_at(previous)? };
        let after = if next > end { self.hash_at(end)? } else { &none };
        let cut =
            Cut { start: is_first && window.space.cut, end: next == self.end && window.space.cut };
        let mut hasher = blake3::Hasher::new_keyed(self.hash.key());
        hasher.update(before).update(self.hash_at(start)?).update(after);
        let flags = [
            window.space.kind as u8,
            is_first.into(),
            cut.start.into(),
            cut.end.into(),
            window.space.cut.into(),
            // Rules for arguments run where a process has any.
            window.space.labels.is_empty().into(),
        ];
        hasher.update(&flags);
        for len in [end.saturating_sub(start), next.saturating_sub(end)] {
            hasher.update(&len.to_le_bytes());
        }
        // Objects and numbers lie at multiples of their size.
        let within_page = window.region_start % 4096;
        hasher.update(&within_page.to_le_bytes());
        hasher.finalize().as_bytes().first_chunk().copied()
    }
}

#[cfg(test)]
#[path = "cache_tests.rs"]
mod tests;
