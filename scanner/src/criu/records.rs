//! What the images of one set say, in plain values.

use std::collections::BTreeMap;

use super::core::{Core, Ids};
use super::files::{Fd, FileEntry, FsInfo, Remap};
use super::inventory::Inventory;
use super::ipc::SysvShm;
use super::mm::Mm;
use super::mounts::Mount;
use super::namespaces::Cgroup;
use super::pagemap::{Pagemap, PagemapKey};
use super::pstree::TreeItem;
use super::queues::TcpQueues;
use super::shared::MemfdInode;

/// What the images of one set say. Paths, names and options are bytes, as in Linux.
///
/// Nothing here is checked against anything else: a number may lead nowhere, a range may be
/// reversed. Where images give two values for one key, the first stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Records {
    /// Head of the set.
    pub inventory: Option<Inventory>,
    /// The processes, in the order of pstree.img: parents before children.
    pub tree: Vec<TreeItem>,
    /// Threads, by thread id.
    pub cores: BTreeMap<u32, Core>,
    /// Kernel objects of processes, by pid.
    pub ids: BTreeMap<u32, Ids>,
    /// Address spaces, by pid.
    pub mms: BTreeMap<u32, Mm>,
    /// Which pages are stored where.
    pub pagemaps: BTreeMap<PagemapKey, Pagemap>,
    /// Open files of every type, by file id.
    pub files: BTreeMap<u32, FileEntry>,
    /// Descriptor tables, by [`Ids::files_id`].
    pub fdinfo: BTreeMap<u32, Vec<Fd>>,
    /// Working directory and root, by pid.
    pub fs: BTreeMap<u32, FsInfo>,
    /// How files without a path are brought back, by file id.
    pub remaps: BTreeMap<u32, Remap>,
    /// Memfds and anonymous shared memory, by inode id.
    pub memfds: BTreeMap<u64, MemfdInode>,
    /// Mounts of every mount namespace.
    pub mounts: Vec<Mount>,
    /// Host names, by id of the uts namespace.
    pub hostnames: BTreeMap<u32, Vec<u8>>,
    /// System V shared segments.
    pub sysv_shm: Vec<SysvShm>,
    /// Places in cgroup hierarchies, by [`Core::cgroup_set`].
    pub cgroups: BTreeMap<u32, Vec<Cgroup>>,
    /// Bytes in the queues of TCP connections, by [`super::InetSocket::ino`].
    pub tcp_queues: BTreeMap<u32, TcpQueues>,
    /// Bytes that waited in unix sockets, by [`super::UnixSocket::id`].
    pub unix_queues: BTreeMap<u32, u64>,
    /// Bytes that waited in pipes and fifos, by their `pipe_id`.
    pub pipe_bytes: BTreeMap<u32, u64>,
    /// Pages that CRIU counted when it wrote them, private and shared: stats-dump.
    pub pages_written: Option<u64>,
    /// Whether the set is encrypted, so that its pages are noise.
    pub encrypted: bool,
}

impl Records {
    /// The host name of the container: that of the first uts namespace.
    pub fn hostname(&self) -> Option<&[u8]> {
        self.hostnames.values().next().map(Vec::as_slice)
    }
}
