//! Mappings and what is in their pages, and the pagemap made of them.

use std::collections::BTreeMap;

use cryoscan_proto::PagemapEntry;

use crate::random::Random;

const PE_PARENT: u32 = 1;
const PE_LAZY: u32 = 2;
const PE_PRESENT: u32 = 4;

/// What a mapping is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Private anonymous memory.
    Anonymous,
    /// The heap that `brk` moves.
    Heap,
    /// The main thread's stack.
    Stack,
    /// A private mapping of a file, written to.
    File(String),
}

/// Neighbouring addresses of one mapping, with their content.
#[derive(Debug, Clone)]
pub struct Mapping {
    pub(super) start: u64,
    pub(super) kind: Kind,
    pub(super) prot: u32,
    bytes: Vec<u8>,
    /// Bytes of address space behind `bytes`.
    reserved: u64,
    /// Flags of pagemap entries other than PE_PRESENT, by an address in the page.
    flags: BTreeMap<u64, u32>,
}

impl Mapping {
    /// Anonymous memory that looks like a heap in use: pointers, small numbers, stale text, NULs.
    pub fn noise(start: u64, length: usize, seed: u64) -> Self {
        let mut random = Random::new(seed ^ start);
        let mut bytes = Vec::with_capacity(length + 64);
        while bytes.len() < length {
            match random.below(8) {
                0 | 1 => bytes.extend((0x7f00_0000_0000 | random.next_word() >> 26).to_le_bytes()),
                2 => bytes.extend((random.below(4096) as u64).to_le_bytes()),
                3 => bytes.extend(random.bytes(16)),
                4 => {
                    let length = random.below(24) + 4;
                    bytes.extend(random.text(b"etaoin shrdlu", length).into_bytes());
                    bytes.resize(bytes.len().next_multiple_of(8), 0);
                }
                _ => bytes.extend([0; 16]),
            }
        }
        bytes.truncate(length);
        Self { bytes, ..Self::zero(start, length) }
    }

    /// Anonymous memory of zero bytes that were written: the dump has their pages.
    pub fn zero(start: u64, length: usize) -> Self {
        let (kind, bytes, flags) = (Kind::Anonymous, vec![0; length], BTreeMap::new());
        Self { start, kind, prot: 3, bytes, reserved: 0, flags }
    }

    /// Puts a value at an address, over what is there.
    ///
    /// # Panics
    /// When it does not fit into the mapping.
    #[must_use]
    pub fn put(mut self, address: u64, value: impl AsRef<[u8]>) -> Self {
        let value = value.as_ref();
        let at = address.checked_sub(self.start).and_then(|at| usize::try_from(at).ok());
        let place = at.and_then(|at| self.bytes.get_mut(at..)?.get_mut(..value.len()));
        place.expect("a value inside its mapping").copy_from_slice(value);
        self
    }

    /// Puts a text in UTF-16LE at an address, as [`put`](Self::put) does.
    #[must_use]
    pub fn put_utf16(self, address: u64, text: &str) -> Self {
        let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        self.put(address, wide)
    }

    /// Says what the mapping is: anonymous unless told.
    #[must_use]
    pub fn kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// Protection: 1 read, 2 write, 4 execute; 3 unless told.
    #[must_use]
    pub fn prot(mut self, prot: u32) -> Self {
        self.prot = prot;
        self
    }

    /// Leaves the page of this address out of the dump, as if it had never been touched. Its
    /// neighbours become neighbours in the pages image, not in memory.
    #[must_use]
    pub fn absent(mut self, address: u64) -> Self {
        self.flags.insert(address, 0);
        self
    }

    /// Refers to the parent's dump for the page of this address.
    #[must_use]
    pub fn in_parent(mut self, address: u64) -> Self {
        self.flags.insert(address, PE_PARENT);
        self
    }

    /// Refers to the parent's dump for every page that is there as it was before, as CRIU does.
    #[must_use]
    pub fn since(mut self, before: &Self) -> Self {
        const PAGE: usize = 4096;
        for (at, page) in (self.start..).step_by(PAGE).zip(self.bytes.chunks(PAGE)) {
            let old = at.checked_sub(before.start).and_then(|at| usize::try_from(at).ok());
            let old = old.and_then(|at| before.bytes.get(at..)?.get(..page.len()));
            if old == Some(page) {
                self.flags.entry(at).or_insert(PE_PARENT);
            }
        }
        self
    }

    /// Marks the page of this address as lazy, and as left on the page server unless `present`.
    #[must_use]
    pub fn lazy(mut self, address: u64, present: bool) -> Self {
        self.flags.insert(address, if present { PE_LAZY | PE_PRESENT } else { PE_LAZY });
        self
    }

    /// Makes the mapping longer by address space without pages. A caller that writes the pages image
    /// itself names them by [`Checkpoint::pagemap_entry`](super::Checkpoint::pagemap_entry).
    #[must_use]
    pub fn reserve(mut self, bytes: u64) -> Self {
        self.reserved = bytes;
        self
    }

    /// The bytes of its pages.
    pub fn content(&self) -> &[u8] {
        &self.bytes
    }

    /// Length in bytes.
    pub(super) fn len(&self) -> u64 {
        self.bytes.len() as u64 + self.reserved
    }

    /// First address behind the mapping.
    pub(super) fn end(&self) -> u64 {
        self.start + self.len()
    }

    fn flags_of_page(&self, address: u64, page_size: u64) -> u32 {
        let in_page = self.flags.range(address..address + page_size);
        in_page.map(|(_, flags)| *flags).next().unwrap_or(PE_PRESENT)
    }
}

/// The entries and the pages image of mappings: pages in the order of their addresses, neighbours
/// with equal flags in one entry, across mappings too, up to `entry_pages`.
pub(super) fn pagemap(
    mappings: &[Mapping],
    page_size: u64,
    entry_pages: u64,
) -> (Vec<PagemapEntry>, Vec<u8>) {
    let mut sorted: Vec<&Mapping> = mappings.iter().collect();
    sorted.sort_by_key(|mapping| mapping.start);
    let overlap = sorted.windows(2).find(|pair| pair[0].end() > pair[1].start);
    assert!(overlap.is_none(), "mappings overlap: {:#x}", overlap.map_or(0, |pair| pair[1].start));
    let mut entries: Vec<(u64, u64, u32)> = Vec::new();
    let mut pages = Vec::new();
    for mapping in sorted {
        let whole = mapping.start % page_size == 0 && mapping.len() % page_size == 0;
        assert!(whole, "the mapping at {:#x} is no whole pages", mapping.start);
        let chunk = usize::try_from(page_size).expect("a page size");
        let addresses = (mapping.start..).step_by(chunk);
        for (address, page) in addresses.zip(mapping.bytes.chunks_exact(chunk)) {
            let flags = mapping.flags_of_page(address, page_size);
            if flags & PE_PRESENT != 0 {
                pages.extend(page);
            }
            match entries.last_mut() {
                _ if flags == 0 => {}
                Some((start, count, same))
                    if *start + *count * page_size == address
                        && *same == flags
                        && *count < entry_pages =>
                {
                    *count += 1;
                }
                _ => entries.push((address, 1, flags)),
            }
        }
    }
    let entries = entries.into_iter().map(|(start, count, flags)| PagemapEntry {
        vaddr: Some(start),
        compat_nr_pages: Some(0),
        flags: Some(flags),
        nr_pages: Some(count),
        ..PagemapEntry::default()
    });
    (entries.collect(), pages)
}

/// Compresses the pages of every entry in blocks, as CRIU does: what saves less than an eighth stays
/// as it is, zeros are not stored, and an entry without a compressed block has no list.
pub(super) fn compress(
    entries: &mut [PagemapEntry],
    pages: &[u8],
    page_size: u64,
    block_pages: u32,
) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = pages;
    for entry in entries.iter_mut().filter(|entry| entry.flags() & PE_PRESENT != 0) {
        let count = entry.nr_pages.unwrap_or_else(|| entry.compat_nr_pages().into());
        let bytes = usize::try_from(count * page_size).expect("a small entry");
        let (raw, after) = rest.split_at(bytes);
        rest = after;
        let block = usize::try_from(u64::from(block_pages) * page_size).expect("a small block");
        let mut sizes = Vec::new();
        let mut stored = Vec::new();
        for block in raw.chunks(block) {
            let packed = lz4_flex::block::compress(block);
            let before = stored.len();
            if packed.len() > block.len() - block.len() / 8 {
                stored.extend(block);
            } else if block.iter().any(|byte| *byte != 0) {
                stored.extend(packed);
            }
            sizes.push(u32::try_from(stored.len() - before).expect("a small block"));
        }
        if stored.len() < raw.len() {
            entry.total_compressed_size = Some(stored.len() as u64);
            entry.compressed_size = sizes;
            entry.region_pages = (block_pages > 1).then_some(block_pages);
        }
        out.extend(stored);
    }
    out
}
