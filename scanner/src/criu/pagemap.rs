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

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::criu::sample::{decoded, read};

    #[test]
    fn images_of_both_ways_to_count_pages() {
        // pagemap-shmem-1045.img of CRIU 4.2, and the same as CRIU 4.1 writes it.
        let new = b"\x19\x43\x56\x54\x25\x40\x08\x56\x02\0\0\0\x08\x02\x08\0\0\0\x08\0\x10\0\x20\x04\x28\x03";
        let old =
            b"\x19\x43\x56\x54\x25\x40\x08\x56\x02\0\0\0\x08\x02\x06\0\0\0\x08\0\x10\x03\x20\x04";
        for data in [&new[..], old] {
            let records = decoded("pagemap-shmem-1045.img", data).expect("a good image");
            let map = &records.pagemaps[&PagemapKey::Shmem(1045)];
            let entry = PagemapEntry { vaddr: 0, pages: 3, flags: PRESENT, compressed: None };
            assert_eq!(*map, Pagemap { pages_id: 2, entries: vec![entry] });
        }
    }

    #[test]
    fn flags_of_every_age() {
        let cases = [
            (None, None, PRESENT),
            (Some(false), None, PRESENT),
            (Some(true), None, PARENT),
            (Some(true), Some(LAZY), PARENT | LAZY),
            (None, Some(0), 0),
            (None, Some(LAZY | PRESENT), LAZY | PRESENT),
        ];
        for (in_parent, flags, expected) in cases {
            let entry = proto::PagemapEntry { in_parent, flags, ..Default::default() };
            assert_eq!(PagemapEntry::from(entry).flags, expected, "{in_parent:?} {flags:?}");
        }
        let flagged = |flags| PagemapEntry { vaddr: 0, pages: 1, flags, compressed: None };
        assert!(flagged(LAZY).is_lazy() && !flagged(LAZY | PRESENT).is_lazy());
        assert!(flagged(PRESENT | ALIGNED).is_aligned() && flagged(PARENT).is_parent());
    }

    #[test]
    fn compressed_pages_have_blocks() {
        let head = proto::PagemapHead { pages_id: Some(1) };
        let entry = proto::PagemapEntry {
            vaddr: Some(4096),
            flags: Some(PRESENT),
            nr_pages: Some(3),
            compressed_size: vec![0, 4096, 77],
            total_compressed_size: Some(4173),
            ..Default::default()
        };
        let records = read("pagemap-7.img", &[head.encode_to_vec(), entry.encode_to_vec()]);
        let entry = &records.pagemaps[&PagemapKey::Task(7)].entries[0];
        let expected = Compressed { sizes: vec![0, 4096, 77], total: Some(4173), block_pages: 1 };
        assert_eq!(entry.compressed.as_deref(), Some(&expected));
    }

    #[test]
    fn entries_before_a_fault_stay() {
        let head = proto::PagemapHead { pages_id: Some(1) }.encode_to_vec();
        let entry = proto::PagemapEntry { nr_pages: Some(5), ..Default::default() }.encode_to_vec();
        let bad = vec![0x0b]; // A group that does not end.
        let mut data = crate::criu::sample::framed(0x5608_4025, &[head, entry, bad]);
        data.push(0);
        let mut records = Records::default();
        let limits = crate::limits::Limits::default();
        let error = crate::criu::decode("x", b"pagemap-7.img", &data, &limits, &mut records);
        assert_eq!(error.map_err(|error| error.offset), Err(20));
        let map = &records.pagemaps[&PagemapKey::Task(7)];
        assert_eq!((map.pages_id, map.entries.len(), map.entries[0].pages), (1, 1, 5));
    }
}
