//! What `inspect` shows, as plain data: the JSON is this, and the text is made of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;

use serde::Serialize;

use self::held::Held;
use self::table::{Room, Tables};
use super::mask;
use crate::checkpoint::{self, Filter, VmaInfo, VmaKind, is_named, path_id};
use crate::diagnostic::{Code, Diagnostic, Level};
use crate::region::{Holder, HolderKind, RegionKind};
use crate::report::{Container, Pod};
use crate::scan::Described;

mod access;
mod files;
mod held;
mod mounts;
mod sockets;
mod table;

pub(super) use access::ALL_CAPABILITIES;
pub use access::{Capabilities, Credentials, Namespace, ResourceLimit};
pub use files::OpenFile;
pub use mounts::Mount;
pub use sockets::{Endpoint, Opener, Socket};

/// Name and version of what the keys mean; it changes only when a reader must change.
pub const SCHEMA: &str = "cryoscan-inspect/1";

/// Bytes that lists of open files, sockets and mounts of a target may take.
const ROOM: usize = 256 << 20;

/// What a target holds. The order of the fields is the order of the keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "dev", derive(schemars::JsonSchema))]
pub struct Inspection {
    /// Always `cryoscan-inspect/1`.
    pub schema: &'static str,
    /// Its checkpoints, in the order of `images`.
    pub checkpoints: Vec<Checkpoint>,
    /// What could not be read, worst first. Empty: all of it was.
    pub diagnostics: Vec<Diagnostic>,
}

/// A container's frozen state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "dev", derive(schemars::JsonSchema))]
pub struct Checkpoint {
    /// Path in the target of the folder with its images; empty: the target itself.
    pub images: String,
    /// Who wrote it: `podman`, `cri-o`, `containerd-cri` …
    pub producer: String,
    /// The container; what is not known of it is `null`.
    pub container: Container,
    /// Its pod; `null` outside Kubernetes.
    pub pod: Option<Pod>,
    /// The machine it ran on: the host name that the container saw.
    pub host: Option<String>,
    /// When the container was made, RFC 3339.
    pub created: Option<String>,
    /// When its first process was started, RFC 3339.
    pub started: Option<String>,
    /// When it had last been restored from a checkpoint, RFC 3339.
    pub restored: Option<String>,
    /// When the checkpoint was made, RFC 3339.
    pub checkpointed: Option<String>,
    /// Version of CRIU that made it.
    pub criu: Option<String>,
    /// Name of the machine that CRIU ran on, from its log: the node.
    pub node: Option<String>,
    /// Release of the kernel there.
    pub kernel: Option<String>,
    /// Addresses of the container, as its engine says.
    pub addresses: Vec<String>,
    /// Name of the image that carries the checkpoint, where it is one.
    pub reference: Option<String>,
    /// Annotations of the container that say how it was run, by name.
    pub annotations: BTreeMap<String, String>,
    /// Whether it is a pre-dump: memory only, taken while the processes ran on.
    pub pre_dump: bool,
    /// Whether it is encrypted: of its memory nothing is known.
    pub encrypted: bool,
    /// Bytes of memory pages it holds.
    pub memory_bytes: u64,
    /// Where the descriptors 0, 1 and 2 of the container led, as runc and crun write it;
    /// empty where they did not.
    pub descriptors: Vec<String>,
    /// The processes, by pid.
    pub processes: Vec<Process>,
    /// The shared segments, by number.
    pub shared: Vec<Shared>,
    /// The sockets, listening ones first.
    pub sockets: Vec<Socket>,
    /// The mounts, by mount namespace and mount point.
    pub mounts: Vec<Mount>,
    /// What the container has removed of its image, by path; one that ends in `/` is a folder that it
    /// has emptied.
    pub deleted: Vec<String>,
}

/// One process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "dev", derive(schemars::JsonSchema))]
pub struct Process {
    /// Its pid inside the container.
    pub pid: u32,
    /// Pid of its parent; `null` for the root of the tree and where it is not known.
    pub parent: Option<u32>,
    /// Its name, which the program may have chosen; `null` if the checkpoint has none.
    pub comm: Option<String>,
    /// Path of the program.
    pub exe: Option<String>,
    /// Effective user.
    pub uid: Option<u32>,
    /// Working directory.
    pub cwd: Option<String>,
    /// Root directory.
    pub root: Option<String>,
    /// `alive`, `zombie`, `stopped` or `unknown`.
    pub state: &'static str,
    /// Number of threads; `null` if not known.
    pub threads: Option<u64>,
    /// The arguments, or the title that replaced them; `null` if the checkpoint does not hold them.
    /// Stars cover what a rule calls a secret.
    pub cmdline: Option<Vec<String>>,
    /// Names of the variables of the environment, in its order; `null` if the checkpoint does not
    /// hold them.
    pub environ_names: Option<Vec<String>>,
    /// Who it runs as and what it may do; `null` if the checkpoint does not say.
    pub credentials: Option<Credentials>,
    /// The namespaces it is in.
    pub namespaces: Vec<Namespace>,
    /// Its resource limits; empty if the checkpoint has none.
    pub limits: Vec<ResourceLimit>,
    /// Its open files, by descriptor; `null` if the checkpoint does not hold them.
    pub files: Option<Vec<OpenFile>>,
    /// Bytes of its private memory that the checkpoint holds.
    pub memory_bytes: u64,
    /// Those of them that lie in no mapping.
    pub unmapped_bytes: u64,
    /// Its memory by kind of mapping, the kind with most of it in the checkpoint first.
    pub memory: Vec<KindOfMemory>,
    /// Its mappings, by address.
    pub vmas: Vec<Vma>,
}

/// The mappings of one kind of a process, or of all processes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "dev", derive(schemars::JsonSchema))]
pub struct KindOfMemory {
    /// `heap`, `stack`, `anonymous`, `file`, `shared`, `vdso`, `vvar`, `other`.
    pub kind: &'static str,
    /// How many mappings.
    pub mappings: u64,
    /// Their bytes.
    pub mapped_bytes: u64,
    /// Bytes of them that the checkpoint holds: what was resident or swapped out and cannot be read
    /// from a file. Images do not say which of the two.
    pub dumped_bytes: u64,
}

/// One mapping of a process, as in `/proc/PID/maps`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "dev", derive(schemars::JsonSchema))]
pub struct Vma {
    /// First address.
    pub start: Address,
    /// First address behind it.
    pub end: Address,
    /// Protection: `rw-p`.
    pub prot: String,
    /// `heap`, `stack`, `anonymous`, `file`, `shared`, `vdso`, `vvar`, `other`.
    pub kind: &'static str,
    /// Offset in the mapped file or segment of the first byte.
    pub offset: u64,
    /// The mapped file or object.
    pub path: Option<String>,
    /// Bytes of it that the checkpoint holds; for a shared segment, those of the part that is mapped here.
    pub dumped_bytes: u64,
}

/// A segment that processes share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "dev", derive(schemars::JsonSchema))]
pub struct Shared {
    /// Its number: N of `pagemap-shmem-N.img`.
    pub id: u32,
    /// `shared-memory`, `memfd` or `sysv-shm`.
    pub kind: RegionKind,
    /// Name of a memfd, which the program has chosen.
    pub name: Option<String>,
    /// Bytes of it that the checkpoint holds.
    pub dumped_bytes: u64,
    /// Who maps it, by pid and address.
    pub mappings: Vec<SharedMapping>,
    /// Processes that have it open, by pid.
    pub open_by: Vec<u32>,
}

/// One mapping of a shared segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "dev", derive(schemars::JsonSchema))]
pub struct SharedMapping {
    /// The process.
    pub pid: u32,
    /// First address.
    pub start: Address,
    /// First address behind it.
    pub end: Address,
    /// Offset in the segment of the first byte.
    pub offset: u64,
}

/// An address, written as `0x7f…`: JSON numbers end at 2^53 in many readers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(into = "String")]
#[cfg_attr(
    feature = "dev",
    derive(schemars::JsonSchema),
    schemars(extend("pattern" = "^0x[0-9a-f]{1,16}$"))
)]
pub struct Address(pub u64);

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.to_string()
    }
}

/// A process that was asked for and is not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages name them")]
pub enum Missing {
    #[error("no process has pid {0}")]
    Pid(u32),
    #[error("no process has the name {0}, and no program")]
    Name(String),
    #[error("no mapping fits {0}")]
    Mapping(String),
}

impl Inspection {
    /// Takes what is shown from checkpoints whose secrets are masked.
    pub fn new(described: &Described) -> Self {
        let mut room = Room::new(ROOM);
        let checkpoints = &described.checkpoints;
        let checkpoints = checkpoints.iter().map(|it| checkpoint(it, &mut room)).collect();
        let mut diagnostics = described.diagnostics.clone();
        if room.is_full() {
            let text = "more open files, sockets and mounts than are listed; some were left out";
            let diagnostic = Diagnostic::new(Level::Error, Code::LimitReached, "", text);
            diagnostics.push(diagnostic.expected(format!("at most {ROOM} bytes of them"), "more"));
        }
        diagnostics.sort();
        Self { schema: SCHEMA, checkpoints, diagnostics }
    }

    /// Whether all of the target could be read.
    pub fn is_complete(&self) -> bool {
        self.diagnostics.iter().all(|diagnostic| diagnostic.level != Level::Error)
    }

    /// Leaves the processes and mappings only that a filter lets through, what these processes share,
    /// and the checkpoints that hold them. A name is that of the process or the last part of its
    /// program's path.
    ///
    /// # Errors
    /// With the first pid or name that no checkpoint has, or when no mapping fits.
    pub fn keep(&mut self, filter: &Filter) -> Result<(), Missing> {
        let all = || self.checkpoints.iter().flat_map(|it| &it.processes);
        if let Some(missing) = filter.pids.iter().find(|pid| all().all(|it| it.pid != **pid)) {
            return Err(Missing::Pid(*missing));
        }
        let has_name =
            |it: &Process, name: &str| is_named(it.comm.as_deref(), it.exe.as_deref(), name);
        if let Some(missing) = filter.names.iter().find(|name| !all().any(|it| has_name(it, name)))
        {
            return Err(Missing::Name(missing.clone()));
        }
        for checkpoint in &mut self.checkpoints {
            checkpoint.processes.retain_mut(|process| {
                let (comm, exe) = (process.comm.as_deref(), process.exe.as_deref());
                let fits = filter.has_process(process.pid, comm, exe);
                if filter.is_of_processes() {
                    return fits;
                }
                process.vmas.retain(|vma| vma.fits(filter));
                fits && !process.vmas.is_empty()
            });
            let kept: BTreeSet<u32> = checkpoint.processes.iter().map(|it| it.pid).collect();
            checkpoint.shared.retain(|segment| {
                let mut users = segment.mappings.iter().map(|it| &it.pid).chain(&segment.open_by);
                users.any(|pid| kept.contains(pid))
            });
            checkpoint.sockets.retain(|it| it.open_by.iter().any(|it| kept.contains(&it.pid)));
        }
        self.checkpoints.retain(|checkpoint| !checkpoint.processes.is_empty());
        if self.checkpoints.is_empty() {
            return Err(Missing::Mapping(filter.to_string()));
        }
        Ok(())
    }
}

impl Vma {
    fn fits(&self, filter: &Filter) -> bool {
        let kind = VmaKind::ALL.iter().find(|kind| kind.name() == self.kind);
        kind.is_some_and(|kind| filter.has_mapping(*kind, &self.prot))
            && filter.has_address(&(self.start.0..self.end.0))
    }
}

/// Mappings summed up by kind.
pub(super) fn by_kind<'a>(vmas: impl Iterator<Item = &'a Vma>) -> Vec<KindOfMemory> {
    let mut kinds: BTreeMap<&'static str, KindOfMemory> = BTreeMap::new();
    for vma in vmas {
        let new = KindOfMemory { kind: vma.kind, mappings: 0, mapped_bytes: 0, dumped_bytes: 0 };
        let sum = kinds.entry(vma.kind).or_insert(new);
        let mapped = vma.end.0.saturating_sub(vma.start.0);
        sum.mappings = sum.mappings.saturating_add(1);
        sum.mapped_bytes = sum.mapped_bytes.saturating_add(mapped);
        sum.dumped_bytes = sum.dumped_bytes.saturating_add(vma.dumped_bytes);
    }
    let mut kinds: Vec<KindOfMemory> = kinds.into_values().collect();
    kinds.sort_by_key(|sum| std::cmp::Reverse(sum.dumped_bytes));
    kinds
}

fn checkpoint(from: &checkpoint::Checkpoint, room: &mut Room) -> Checkpoint {
    let mut tables = Tables::new(&from.records);
    let container = &from.container;
    let holder = |kind, id: u32| {
        let set = path_id(&from.set);
        from.spaces.get(&Holder { set, kind, id: id.into(), ordinal: 0 })
    };
    let segments: BTreeMap<u32, Held> = from
        .spaces
        .iter()
        .filter(|(holder, _)| holder.kind == HolderKind::Shared)
        .filter_map(|(holder, space)| Some((u32::try_from(holder.id).ok()?, Held::of(space))))
        .collect();
    // Where a mapping begins in its segment.
    let mut mapped: BTreeMap<(u32, u64), (u32, u64)> = BTreeMap::new();
    for (id, segment) in &from.shared {
        for mapping in &segment.mappings {
            mapped.insert((mapping.pid, mapping.start), (*id, mapping.offset));
        }
    }
    let processes = from.processes.iter().map(|(id, process)| {
        let held = holder(HolderKind::Memory, *id).map(|space| Held::of(space));
        let held = held.unwrap_or_default();
        let shared = |vma: &VmaInfo| {
            let (id, offset) = mapped.get(&(process.pid, vma.start))?;
            let length = vma.end.saturating_sub(vma.start);
            Some(segments.get(id)?.within(*offset, offset.saturating_add(length)))
        };
        let is_held = |range: &Range<u64>| {
            let known = !process.vmas.is_empty();
            if range.is_empty() { known } else { held.within(range.start, range.end) > 0 }
        };
        let vmas = process.vmas.iter().map(|vma| {
            let own = held.within(vma.start, vma.end);
            let both = own.saturating_add(shared(vma).unwrap_or_default());
            Vma {
                start: Address(vma.start),
                end: Address(vma.end),
                prot: vma.prot.clone(),
                kind: vma.kind.name(),
                offset: vma.offset,
                path: vma.path.clone(),
                dumped_bytes: both.min(vma.end.saturating_sub(vma.start)),
            }
        });
        let vmas: Vec<Vma> = vmas.collect();
        Process {
            pid: process.pid,
            parent: Some(process.parent).filter(|parent| *parent != 0),
            comm: Some(process.comm.clone()).filter(|comm| !comm.is_empty()),
            exe: process.exe.clone(),
            uid: process.uid,
            cwd: tables.folder(process.pid, |fs| fs.cwd_id),
            root: tables.folder(process.pid, |fs| fs.root_id),
            state: process.state,
            threads: Some(process.threads as u64).filter(|threads| *threads > 0),
            cmdline: is_held(&process.argv).then(|| {
                let arguments = process.cmdline.iter();
                arguments.map(|it| mask::title(&String::from_utf8_lossy(it.expose()))).collect()
            }),
            environ_names: is_held(&process.environ).then(|| process.environ_names.clone()),
            credentials: access::credentials(&from.records, process.pid),
            namespaces: access::namespaces(&from.records, process.pid),
            limits: access::limits(&from.records, process.pid),
            files: tables.files(process.pid, room),
            memory_bytes: held.total(),
            unmapped_bytes: held.total().saturating_sub(held.covered(&process.vmas)),
            memory: by_kind(vmas.iter()),
            vmas,
        }
    });
    let processes: Vec<Process> = processes.collect();
    Checkpoint {
        images: match (from.outer.is_empty(), from.set.is_empty()) {
            (true, _) => from.set.clone(),
            (false, true) => from.outer.clone(),
            (false, false) => format!("{}!{}", from.outer, from.set),
        },
        producer: from.producer.to_owned(),
        container: Container {
            id: container.id.clone(),
            name: container.name.clone(),
            image: container.image.clone(),
            image_id: container.image_id.clone(),
            runtime: container.runtime.clone(),
            engine_version: container.engine_version.clone(),
        },
        pod: from.pod.as_ref().map(|pod| Pod {
            name: pod.name.clone(),
            namespace: pod.namespace.clone(),
            uid: pod.uid.clone(),
            id: pod.id.clone(),
        }),
        host: from.host.clone(),
        created: from.created.clone(),
        started: from.started.clone(),
        restored: from.restored.clone(),
        checkpointed: from.checkpointed.clone(),
        criu: from.criu.clone(),
        node: from.node.clone(),
        kernel: from.kernel.clone(),
        addresses: from.addresses.clone(),
        reference: from.reference.clone(),
        annotations: mask::annotations(&from.annotations),
        pre_dump: from.pre_dump,
        encrypted: from.encrypted,
        memory_bytes: from.memory_bytes,
        descriptors: from.descriptors.clone(),
        shared: shared(from, &segments),
        sockets: sockets::sockets(&from.records, &mut tables, room),
        mounts: mounts::mounts(&from.records.mounts, &from.spec_mounts, room),
        deleted: from.deleted.clone(),
        processes,
    }
}

/// The segments that processes use, and those that only have pages.
fn shared(from: &checkpoint::Checkpoint, segments: &BTreeMap<u32, Held>) -> Vec<Shared> {
    let mut shared: BTreeMap<u32, Shared> = BTreeMap::new();
    for (id, segment) in &from.shared {
        let mut mappings: Vec<SharedMapping> = segment
            .mappings
            .iter()
            .map(|mapping| SharedMapping {
                pid: mapping.pid,
                start: Address(mapping.start),
                end: Address(mapping.end),
                offset: mapping.offset,
            })
            .collect();
        mappings.sort_by_key(|mapping| (mapping.pid, mapping.start));
        let mut open_by: Vec<u32> = segment.open_by.iter().map(|(pid, _)| *pid).collect();
        open_by.sort_unstable();
        let (kind, name) = (segment.kind, segment.name.clone());
        let segment = Shared { id: *id, kind, name, dumped_bytes: 0, mappings, open_by };
        shared.insert(*id, segment);
    }
    for (id, held) in segments {
        let unused = || Shared {
            id: *id,
            kind: RegionKind::SharedMemory,
            name: None,
            dumped_bytes: 0,
            mappings: Vec::new(),
            open_by: Vec::new(),
        };
        shared.entry(*id).or_insert_with(unused).dumped_bytes = held.total();
    }
    shared.into_values().collect()
}
