//! pagemap-PID.img and pagemap-shmem-ID.img: which addresses lie where in a pages image.

use cryoscan_proto as proto;

use super::{Image, ImageError, Key, Records};

/// Whose pages a pagemap is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PagemapKey {
    /// The private memory of the process with this pid; addresses are its own.
    Task(u32),
    /// The shared object of this number; addresses count from its start.
    Shmem(u32),
}

/// Which pages of a process or shared object are stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pagemap {
    /// N of pages-N.img.
    pub pages_id: u32,
    /// In the order of their bytes in the pages image; by address, unless the image is hostile.
    pub entries: Vec<PagemapEntry>,
}

/// Neighbouring pages of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PagemapEntry {
    /// First address, in bytes.
    pub vaddr: u64,
    /// Pages, of the size of the dumping host.
    pub pages: u64,
    /// Bits that the methods below read (criu/include/pagemap.h).
    pub flags: u32,
    /// How the pages are compressed; `None`: stored as they are.
    pub compressed: Option<Box<Compressed>>,
}

/// Blocks of LZ4, one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compressed {
    /// Stored bytes of each block: 0 for a block of zeros, as many as the block has when it is
    /// stored as it is, fewer when it is compressed.
    pub sizes: Vec<u32>,
    /// What the sum of `sizes` should be.
    pub total: Option<u64>,
    /// Pages of a block, at least 1; the last block may have fewer.
    pub block_pages: u32,
}

const PARENT: u32 = 1;
const LAZY: u32 = 2;
const PRESENT: u32 = 4;
const ALIGNED: u32 = 8;

impl PagemapEntry {
    /// Whether the bytes are in the pages image.
    pub fn is_present(&self) -> bool {
        self.flags & PRESENT != 0
    }

    /// Whether the bytes are those of the parent dump, at the same addresses.
    pub fn is_parent(&self) -> bool {
        self.flags & PARENT != 0
    }

    /// Whether the pages were left on a page server, so that no image has their bytes. The flag
    /// alone says less: CRIU sets it on ordinary memory too.
    pub fn is_lazy(&self) -> bool {
        self.flags & LAZY != 0 && !self.is_present()
    }

    /// Whether the pages image is padded to a page boundary before the bytes.
    pub fn is_aligned(&self) -> bool {
        self.flags & ALIGNED != 0
    }
}

pub(super) fn task(
    image: &mut Image<'_>,
    pid: Key,
    records: &mut Records,
) -> Result<(), ImageError> {
    decode(image, PagemapKey::Task(pid), records)
}

pub(super) fn shmem(
    image: &mut Image<'_>,
    id: Key,
    records: &mut Records,
) -> Result<(), ImageError> {
    decode(image, PagemapKey::Shmem(id), records)
}

fn decode(image: &mut Image<'_>, key: PagemapKey, records: &mut Records) -> Result<(), ImageError> {
    let head: proto::PagemapHead = image.required()?;
    let mut map = Pagemap { pages_id: head.pages_id(), entries: Vec::new() };
    let result = image.each(|entry: proto::PagemapEntry| map.entries.push(entry.into()));
    records.pagemaps.entry(key).or_insert(map);
    result
}

impl From<proto::PagemapEntry> for PagemapEntry {
    fn from(entry: proto::PagemapEntry) -> Self {
        // Before CRIU 3.5 there were no flags: pages are in the parent, or present.
        let flags = match (entry.in_parent(), entry.flags) {
            (true, flags) => flags.unwrap_or(0) | PARENT,
            (false, flags) => flags.unwrap_or(PRESENT),
        };
        // Since CRIU 4.2 the count is in field 5, and field 2, once required, is 0.
        let pages = entry.nr_pages.unwrap_or_else(|| entry.compat_nr_pages().into());
        let block_pages = entry.region_pages().max(1);
        let compressed = (!entry.compressed_size.is_empty()).then(|| {
            let total = entry.total_compressed_size;
            Box::new(Compressed { total, block_pages, sizes: entry.compressed_size })
        });
        Self { vaddr: entry.vaddr.unwrap_or(0), pages, flags, compressed }
    }
}
