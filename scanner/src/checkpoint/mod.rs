//! A container's frozen state, assembled from the members of a target: metadata, processes and
//! the layout of memory. The [`Builder`] says of each member what becomes of it.
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions, clippy::indexing_slicing)]

mod address_space;
mod assemble;
mod builder;
mod chain;
mod container;
mod deletions;
mod docker_archive;
mod dump_log;
mod dumps;
pub mod elf_core;
mod filter;
mod image_set;
mod kernel;
mod member;
mod oci;
mod parents;
mod pod;
mod process;
mod producer;
mod scope;
mod shared;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::criu::Records;
use crate::region::{Holder, RegionKind, Space};

pub use address_space::{Layout, Shortfall};
pub use builder::{Builder, Want};
pub use chain::{Dump, Moment, merge};
pub use container::{Container, Pod, SpecMount};
pub use dumps::{Memory, parts};
pub use filter::{Filter, Scope, is_named};
pub use kernel::{Connection, End, KernelObject, Opener};
pub use parents::{Chain, Lost};
pub use process::{Process, VmaInfo, VmaKind, file_path};
pub use producer::{PRODUCERS, Producer};

/// Number of a path: the same path has the same number in every run.
pub fn path_id(path: &str) -> u64 {
    let hash = blake3::hash(path.as_bytes());
    let mut id = [0; 8];
    for (to, from) in id.iter_mut().zip(hash.as_bytes()) {
        *to = *from;
    }
    u64::from_le_bytes(id)
}

/// A container's frozen state.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    /// Path of the archive in a folder of archives that the user named; empty: the target itself. The
    /// path chains below begin in it.
    pub outer: String,
    /// Path chain of the folder or archive with the container's metadata; empty: the target.
    pub root: String,
    /// Path chain of the folder with the images; empty: the target.
    pub set: String,
    /// Who wrote it.
    pub producer: &'static str,
    /// The container.
    pub container: Container,
    /// Its pod.
    pub pod: Option<Pod>,
    /// The machine it ran on.
    pub host: Option<String>,
    /// When the container was made, RFC 3339.
    pub created: Option<String>,
    /// When its first process was started, RFC 3339.
    pub started: Option<String>,
    /// When it had last been restored from a checkpoint, RFC 3339.
    pub restored: Option<String>,
    /// When the checkpoint was made, RFC 3339.
    pub checkpointed: Option<String>,
    /// Version of CRIU.
    pub criu: Option<String>,
    /// Name of the machine that CRIU ran on: the node.
    pub node: Option<String>,
    /// Release of its kernel.
    pub kernel: Option<String>,
    /// Addresses of the container, as its engine says.
    pub addresses: Vec<String>,
    /// Name of the image that carries the checkpoint.
    pub reference: Option<String>,
    /// What the container has removed of its image, sorted; a path that ends in `/` is a folder that
    /// it has emptied.
    pub deleted: Vec<String>,
    /// Path chains of what else in the target belongs to it: documents and blobs of an OCI layout,
    /// the folder of a docker container.
    pub parts: Vec<String>,
    /// Where the descriptors 0, 1 and 2 led, as runc and crun write it beside the images.
    pub descriptors: Vec<String>,
    /// Annotations of the runtime specification. They may hold anything, also secrets.
    pub annotations: BTreeMap<String, String>,
    /// Mounts of the runtime specification, in its order.
    pub spec_mounts: Vec<SpecMount>,
    /// The processes, by the number that their memory has as a holder: the pid, or 0 where that was known
    /// too late.
    pub processes: BTreeMap<u32, Process>,
    /// Shared segments, by N of `pagemap-shmem-N.img`.
    pub shared: BTreeMap<u32, Shared>,
    /// Kernel objects that held bytes: what they are, and who has them open.
    pub objects: BTreeMap<Holder, KernelObject>,
    /// Folders of the earlier dumps that are a part of it, the newest first.
    pub earlier: Vec<String>,
    /// Member paths of the pages images, by layer (0 is the newest dump) and N of `pages-N.img`.
    pub pages: BTreeMap<(u16, u32), String>,
    /// The layout of every process's memory, shared segment and kernel object; with the ordinal N also what
    /// the Nth dump before had and later ones have not.
    pub spaces: BTreeMap<Holder, Arc<Space>>,
    /// Bytes of memory pages in the set.
    pub memory_bytes: u64,
    /// Whether the set is encrypted.
    pub encrypted: bool,
    /// Whether the set is a pre-dump: memory only, taken while the processes ran on.
    pub pre_dump: bool,
    /// All else that the images say, of what the fields above do not: descriptors, files, sockets,
    /// mounts, credentials. Without page maps and address spaces.
    pub records: Records,
}

impl Checkpoint {
    /// What is no container's: the file or folder at `path`, of which nothing is known.
    pub fn raw(producer: &'static str, path: &str) -> Self {
        Self {
            outer: String::new(),
            root: path.to_owned(),
            set: path.to_owned(),
            producer,
            container: Container::default(),
            pod: None,
            host: None,
            created: None,
            started: None,
            restored: None,
            checkpointed: None,
            criu: None,
            node: None,
            kernel: None,
            addresses: Vec::new(),
            reference: None,
            deleted: Vec::new(),
            parts: Vec::new(),
            earlier: Vec::new(),
            descriptors: Vec::new(),
            annotations: BTreeMap::new(),
            spec_mounts: Vec::new(),
            processes: BTreeMap::new(),
            shared: BTreeMap::new(),
            objects: BTreeMap::new(),
            pages: BTreeMap::new(),
            spaces: BTreeMap::new(),
            memory_bytes: 0,
            encrypted: false,
            pre_dump: false,
            records: Records::default(),
        }
    }
}

/// A segment that processes share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shared {
    /// Shared memory, a memfd or a System V segment.
    pub kind: RegionKind,
    /// Name of a memfd.
    pub name: Option<String>,
    /// Who maps it, in the order of pid and address.
    pub mappings: Vec<Mapping>,
    /// Processes that have it open, each with its lowest descriptor of it.
    pub open_by: Vec<(u32, u32)>,
}

/// One mapping of a shared segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mapping {
    /// The process.
    pub pid: u32,
    /// First address.
    pub start: u64,
    /// First address behind it.
    pub end: u64,
    /// Offset in the segment of the first byte.
    pub offset: u64,
}
