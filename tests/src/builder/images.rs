//! Framing of images, and the tables that several processes share.

use std::collections::BTreeMap;

use cryoscan_proto as proto;
use prost::Message;

/// IMG_COMMON, before the magic of every image but the inventory's since CRIU 1.6.
const COMMON: u32 = 0x5456_4319;

/// First words of images, as CRIU's `magic.h` numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Magic {
    Inventory = 0x5831_3116,
    Pstree = 0x5027_3030,
    Core = 0x5505_3847,
    Ids = 0x5443_2030,
    Mm = 0x5749_2820,
    Pagemap = 0x5608_4025,
    Fs = 0x5140_3912,
    Fdinfo = 0x5621_3732,
    Files = 0x5630_3138,
    MemfdInode = 0x4845_3499,
    RemapFpath = 0x5913_3954,
    GhostFile = 0x5258_3605,
    PipesData = 0x5645_3709,
    FifoData = 0x5933_3054,
    BpfmapData = 0x6432_4033,
    IpcnsMsg = 0x5545_3737,
    IpcnsShm = 0x4628_3044,
    SkQueues = 0x5626_4026,
    TcpStream = 0x5146_5506,
    TtyData = 0x5941_3026,
    Cipher = 0x5003_4653,
}

/// How images begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// One word: CRIU before 1.6.
    V1,
    /// IMG_COMMON and a word.
    Common,
}

/// An image of messages, each with its size before it.
pub(super) fn image<R: AsRef<[u8]>>(
    magic: Magic,
    framing: Framing,
    records: impl IntoIterator<Item = R>,
) -> Vec<u8> {
    let mut image = Vec::new();
    if framing == Framing::Common && magic != Magic::Inventory {
        image.extend(COMMON.to_le_bytes());
    }
    image.extend((magic as u32).to_le_bytes());
    for record in records {
        push(&mut image, record.as_ref());
    }
    image
}

/// Appends a message with its size before it.
pub(super) fn push(image: &mut Vec<u8>, record: &[u8]) {
    let size = u32::try_from(record.len()).expect("a message under 4 GiB");
    image.extend(size.to_le_bytes());
    image.extend(record);
}

/// A message's bytes.
pub(super) fn record(message: &impl Message) -> Vec<u8> {
    message.encode_to_vec()
}

pub(super) fn inventory(framing: Framing, block_pages: Option<u32>, pre_dump: bool) -> Vec<u8> {
    let version = match (framing, block_pages) {
        (_, Some(_)) => 3,
        (Framing::V1, None) => 1,
        (Framing::Common, None) => 2,
    };
    let message = proto::InventoryEntry {
        img_version: Some(version),
        compress: block_pages.map(|pages| if pages > 1 { 2 } else { 1 }),
        compress_region_size: block_pages.filter(|pages| *pages > 1).map(|pages| pages * 4096),
        fdinfo_per_id: Some(true),
        ns_per_id: Some(true),
        pre_dump_mode: pre_dump.then_some(1),
        ..proto::InventoryEntry::default()
    };
    image(Magic::Inventory, framing, [record(&message)])
}

pub(super) fn memfd_inode(name: &[u8], shmid: u32, inode: u32, size: u64) -> Vec<u8> {
    record(&proto::MemfdInodeEntry {
        name: Some(name.to_vec()),
        uid: Some(0),
        gid: Some(0),
        size: Some(size),
        shmid: Some(shmid),
        seals: Some(0),
        inode_id: Some(inode.into()),
        ..proto::MemfdInodeEntry::default()
    })
}

/// The open files of all processes: files.img.
#[derive(Debug, Default)]
pub(super) struct Files {
    regular: BTreeMap<String, u32>,
    memfds: BTreeMap<u32, u32>,
    records: Vec<Vec<u8>>,
}

/// FileEntry.type.
pub(super) const REGULAR: u32 = 1;
const MEMFD: u32 = 18;

impl Files {
    /// The id of a regular file or folder, the same for the same path.
    pub(super) fn regular(&mut self, path: &str) -> u32 {
        if let Some(id) = self.regular.get(path) {
            return *id;
        }
        let id = self.next_id();
        self.regular.insert(path.to_owned(), id);
        let file = proto::RegFileEntry {
            id: Some(id),
            flags: Some(0o100_000),
            pos: Some(0),
            name: Some(path.as_bytes().to_vec()),
            mode: Some(0o100_644),
            ..proto::RegFileEntry::default()
        };
        let entry = proto::FileEntry { reg: Some(file), ..Self::entry(REGULAR, id) };
        self.records.push(record(&entry));
        id
    }

    /// Adds a file of any type, under its own id.
    pub(super) fn add(&mut self, file: &proto::FileEntry) {
        self.records.push(record(file));
    }

    /// Adds the memfd of a segment and gives its inode's id.
    pub(super) fn memfd(&mut self, segment: u32) -> u32 {
        let id = self.next_id();
        self.memfds.insert(segment, id);
        let inode = 100 + id;
        let file = proto::MemfdFileEntry {
            id: Some(id),
            flags: Some(2),
            pos: Some(0),
            inode_id: Some(inode),
        };
        let entry = proto::FileEntry { memfd: Some(file), ..Self::entry(MEMFD, id) };
        self.records.push(record(&entry));
        inode
    }

    /// The id of the memfd of a segment, if it has one.
    pub(super) fn memfd_of(&self, segment: u32) -> Option<u32> {
        self.memfds.get(&segment).copied()
    }

    /// The messages of files.img.
    pub(super) fn records(self) -> Vec<Vec<u8>> {
        self.records
    }

    fn next_id(&self) -> u32 {
        u32::try_from(self.records.len()).expect("few files") + 1
    }

    fn entry(kind: u32, id: u32) -> proto::FileEntry {
        proto::FileEntry { r#type: Some(kind), id: Some(id), ..proto::FileEntry::default() }
    }
}
