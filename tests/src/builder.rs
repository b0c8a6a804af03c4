//! Builds checkpoints: valid CRIU image sets and the archives of their producers, in memory, the
//! same bytes every time; and the same with what goes wrong in the field or is put there on purpose.
//!
//! ```
//! use cryoscan_tests::builder::{Archive, Checkpoint, Mapping, Producer, Process};
//!
//! let heap = Mapping::noise(0x7f00_0000_0000, 0x4000, 1).put(0x7f00_0000_0ff8, b"across two pages");
//! let java = Process::new(1, "java").argv(&["java", "-jar", "app.jar"]).map(heap);
//! let checkpoint = Checkpoint::new().process(java);
//! let tar = Archive::of(Producer::Podman, &checkpoint).tar();
//! # assert!(tar.len() > 0x4000);
//! ```

#![expect(clippy::panic, clippy::expect_used, reason = "misuse by a test is a panic")]

mod archive;
mod images;
pub mod kernel;
mod layouts;
mod mapping;
mod metadata;
mod process;
mod sparse;

use std::collections::BTreeMap;

use cryoscan_proto as proto;

pub use archive::BLOCK;
pub(crate) use archive::header;
pub use archive::{Archive, Folder, Order};
pub use layouts::Image;
pub use mapping::{Kind, Mapping};
pub use metadata::Producer;
pub use process::{ARGUMENTS, Layout, Process, STACK};
pub use sparse::Holes;

use crate::builder::images::{Files, Framing, Magic};

/// Where the count of a pagemap entry stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageCount {
    /// Field 5, with field 2 zero: CRIU 4.2 and later.
    Field5,
    /// Field 2 only: CRIU before 4.2.
    Field2,
}

/// A shared memory object: its content is in the set once, whoever maps it.
#[derive(Debug, Clone)]
pub struct Segment {
    id: u32,
    name: Option<Vec<u8>>,
    sysv: bool,
    content: Mapping,
}

impl Segment {
    /// A memfd. Anonymous shared memory is one named `/dev/zero`. The content's addresses are
    /// offsets in the object; `id` is the number in `pagemap-shmem-ID.img`.
    pub fn memfd(id: u32, name: &str, content: Mapping) -> Self {
        Self { id, name: Some(name.as_bytes().to_vec()), sysv: false, content }
    }

    /// Anonymous shared memory as written before CRIU 3.14, without a memfd.
    pub fn anonymous(id: u32, content: Mapping) -> Self {
        Self { id, name: None, sysv: false, content }
    }

    /// A System V segment.
    pub fn sysv(id: u32, content: Mapping) -> Self {
        Self { id, name: None, sysv: true, content }
    }
}

/// One image set: what CRIU writes into one folder.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    processes: Vec<Process>,
    segments: Vec<Segment>,
    page_size: u64,
    entry_pages: u64,
    page_count: PageCount,
    block_pages: Option<u32>,
    framing: Framing,
    extra_entries: Vec<(u32, proto::PagemapEntry)>,
    files: BTreeMap<String, Vec<u8>>,
    cuts: BTreeMap<String, usize>,
    missing: Vec<String>,
    pre_dump: bool,
}

impl Default for Checkpoint {
    fn default() -> Self {
        Self::new()
    }
}

impl Checkpoint {
    /// No process yet; written as CRIU 4.2 does on x86-64.
    pub fn new() -> Self {
        Self {
            processes: Vec::new(),
            segments: Vec::new(),
            page_size: 4096,
            entry_pages: 256,
            page_count: PageCount::Field5,
            block_pages: None,
            framing: Framing::Common,
            extra_entries: Vec::new(),
            files: BTreeMap::new(),
            cuts: BTreeMap::new(),
            missing: Vec::new(),
            pre_dump: false,
        }
    }

    /// Makes it a pre-dump: memory only, taken while the processes ran on.
    #[must_use]
    pub fn pre_dump(mut self) -> Self {
        self.pre_dump = true;
        self
    }

    /// Adds a process.
    #[must_use]
    pub fn process(mut self, process: Process) -> Self {
        self.processes.push(process);
        self
    }

    /// Adds a shared segment; processes map it by [`Process::map_shared`].
    #[must_use]
    pub fn segment(mut self, segment: Segment) -> Self {
        self.segments.push(segment);
        self
    }

    /// Page size of the dumping host: 4096 unless told.
    #[must_use]
    pub fn page_size(mut self, bytes: u64) -> Self {
        self.page_size = bytes;
        self
    }

    /// Pages in a pagemap entry at most: 256 unless told.
    #[must_use]
    pub fn entry_pages(mut self, pages: u64) -> Self {
        self.entry_pages = pages;
        self
    }

    /// Where page counts stand: field 5 unless told.
    #[must_use]
    pub fn page_count(mut self, place: PageCount) -> Self {
        self.page_count = place;
        self
    }

    /// Compresses pages in blocks of so many, as CRIU does with `--compress` (1) and
    /// `--compress-region`: image version 3.
    #[must_use]
    pub fn compressed(mut self, block_pages: u32) -> Self {
        self.block_pages = Some(block_pages);
        self
    }

    /// Images without the common magic: CRIU before 1.6.
    #[must_use]
    pub fn framed_v1(mut self) -> Self {
        self.framing = Framing::V1;
        self
    }

    /// Appends an entry to a process's pagemap as it is: see [`hostile`].
    #[must_use]
    pub fn pagemap_entry(mut self, pid: u32, entry: proto::PagemapEntry) -> Self {
        self.extra_entries.push((pid, entry));
        self
    }

    /// Adds a file to the set, or replaces one: an image of your own, `dump.log`, a stray file.
    #[must_use]
    pub fn file(mut self, name: &str, bytes: impl Into<Vec<u8>>) -> Self {
        self.files.insert(name.to_owned(), bytes.into());
        self
    }

    /// Leaves an image out.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.missing.push(name.to_owned());
        self
    }

    /// Keeps the first bytes of an image only.
    #[must_use]
    pub fn truncated(mut self, name: &str, keep: usize) -> Self {
        self.cuts.insert(name.to_owned(), keep);
        self
    }

    /// Adds a `cipher.img`: the pages count as encrypted.
    #[must_use]
    pub fn encrypted(self) -> Self {
        // The format is not released; readers go by the name and the magic.
        let image = images::image(Magic::Cipher, Framing::Common, [[].as_slice()]);
        self.file("cipher.img", image)
    }

    /// The files of the set, by name.
    ///
    /// # Panics
    /// When mappings are no whole pages, overlap, or name a segment that is not there; when a file
    /// to cut or leave out is not there.
    pub fn image_set(&self) -> Vec<(String, Vec<u8>)> {
        let mut set = BTreeMap::new();
        let mut files = Files::default();
        let mut pages_id = 1;
        let image = |magic, records: Vec<Vec<u8>>| images::image(magic, self.framing, records);
        set.insert(
            "inventory.img".to_owned(),
            images::inventory(self.framing, self.block_pages, self.pre_dump),
        );
        let tree = self.processes.iter().map(Process::tree_entry).collect();
        set.insert("pstree.img".to_owned(), image(Magic::Pstree, tree));
        self.add_segments(&mut set, &mut files, &mut pages_id);
        for (index, process) in self.processes.iter().enumerate() {
            let pid = process.pid;
            let tables = u32::try_from(index).expect("few processes") + 1;
            let mm = process.mm(self.page_size, &mut files, &self.segments);
            set.insert(format!("core-{pid}.img"), image(Magic::Core, vec![process.core()]));
            set.insert(format!("ids-{pid}.img"), image(Magic::Ids, vec![Process::ids(tables)]));
            set.insert(format!("mm-{pid}.img"), image(Magic::Mm, vec![mm]));
            let fs = Process::working_folder(&mut files);
            set.insert(format!("fs-{pid}.img"), image(Magic::Fs, vec![fs]));
            let descriptors = process.descriptors(&mut files);
            set.insert(format!("fdinfo-{tables}.img"), image(Magic::Fdinfo, descriptors));
            let mappings = process.with_stack(self.page_size);
            let extra = self.extra_entries.iter().filter(|(of, _)| *of == pid);
            let extra = extra.map(|(_, entry)| entry.clone()).collect();
            self.add_memory(&mut set, &pid.to_string(), &mappings, &mut pages_id, extra);
        }
        set.insert("files.img".to_owned(), image(Magic::Files, files.records()));
        if self.pre_dump {
            let is_memory = |name: &str| name.starts_with("page") || name == "inventory.img";
            set.retain(|name, _| is_memory(name));
        }
        set.extend(self.files.clone());
        for name in &self.missing {
            assert!(set.remove(name).is_some(), "no {name} to leave out");
        }
        for (name, keep) in &self.cuts {
            let file = set.get_mut(name);
            file.unwrap_or_else(|| panic!("no {name} to cut")).truncate(*keep);
        }
        set.into_iter().collect()
    }

    /// The environment of the first process: what its container's metadata repeat.
    fn environ(&self) -> Vec<String> {
        self.processes.first().map(|process| process.environ.clone()).unwrap_or_default()
    }

    fn argv(&self) -> Vec<String> {
        self.processes.first().map(|process| process.argv.clone()).unwrap_or_default()
    }

    fn add_segments(
        &self,
        set: &mut BTreeMap<String, Vec<u8>>,
        files: &mut Files,
        pages_id: &mut u32,
    ) {
        let mut inodes = Vec::new();
        for segment in &self.segments {
            if let Some(name) = &segment.name {
                let inode = files.memfd(segment.id);
                inodes.push(images::memfd_inode(name, segment.id, inode, segment.content.len()));
            }
            let name = format!("shmem-{}", segment.id);
            self.add_memory(set, &name, std::slice::from_ref(&segment.content), pages_id, vec![]);
        }
        if !inodes.is_empty() {
            let image = images::image(Magic::MemfdInode, self.framing, inodes);
            set.insert("memfd.img".to_owned(), image);
        }
    }

    fn add_memory(
        &self,
        set: &mut BTreeMap<String, Vec<u8>>,
        name: &str,
        mappings: &[Mapping],
        pages_id: &mut u32,
        extra: Vec<proto::PagemapEntry>,
    ) {
        let (mut entries, mut pages) = mapping::pagemap(mappings, self.page_size, self.entry_pages);
        for entry in &mut entries {
            if self.page_count == PageCount::Field2 {
                let count = entry.nr_pages.take().and_then(|count| u32::try_from(count).ok());
                entry.compat_nr_pages = count;
            }
        }
        if let Some(block_pages) = self.block_pages {
            pages = mapping::compress(&mut entries, &pages, self.page_size, block_pages);
        }
        entries.extend(extra);
        let head = proto::PagemapHead { pages_id: Some(*pages_id) };
        let mut records = vec![images::record(&head)];
        records.extend(entries.iter().map(images::record));
        let image = images::image(Magic::Pagemap, self.framing, records);
        set.insert(format!("pagemap-{name}.img"), image);
        set.insert(format!("pages-{pages_id}.img"), pages);
        *pages_id += 1;
    }
}

/// An entry for so many pages at `vaddr` that are in the pages image.
pub fn present(vaddr: u64, pages: u64) -> proto::PagemapEntry {
    const PE_PRESENT: u32 = 4;
    proto::PagemapEntry {
        vaddr: Some(vaddr),
        compat_nr_pages: Some(0),
        flags: Some(PE_PRESENT),
        nr_pages: Some(pages),
        ..proto::PagemapEntry::default()
    }
}

/// Pagemap entries that no CRIU writes.
pub mod hostile {
    use cryoscan_proto::PagemapEntry;

    use super::present as entry;

    /// 2⁶⁰ pages: their size in bytes does not fit in 64 bits.
    pub fn huge_count(vaddr: u64) -> PagemapEntry {
        entry(vaddr, 1 << 60)
    }

    /// Four pages of which the last two lie beyond the end of the address space.
    pub fn address_overflow() -> PagemapEntry {
        entry(0_u64.wrapping_sub(0x2000), 4)
    }

    /// One page at `vaddr`, which another entry holds already.
    pub fn overlapping(vaddr: u64) -> PagemapEntry {
        entry(vaddr, 1)
    }

    /// One page at an address that is no multiple of the page size.
    pub fn unaligned(vaddr: u64) -> PagemapEntry {
        entry(vaddr | 0x123, 1)
    }
}

#[cfg(test)]
mod tests;
