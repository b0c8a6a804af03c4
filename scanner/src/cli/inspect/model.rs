//! What `inspect` shows, as plain data: the JSON is this, and the text is made of it.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use serde::Serialize;

use crate::checkpoint::{self, VmaInfo, path_id};
use crate::region::{Holder, HolderKind, RegionKind, Space};
use crate::report::{Container, Pod};

/// Name and version of what the keys mean; it changes only when a reader must change.
pub const SCHEMA: &str = "cryoscan-inspect/1";

/// What a target holds. The order of the fields is the order of the keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "dev", derive(schemars::JsonSchema))]
pub struct Inspection {
    /// Always `cryoscan-inspect/1`.
    pub schema: &'static str,
    /// Its checkpoints, in the order of `images`.
    pub checkpoints: Vec<Checkpoint>,
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
    /// When the checkpoint was made, RFC 3339.
    pub checkpointed: Option<String>,
    /// Version of CRIU that made it.
    pub criu: Option<String>,
    /// Whether it is a pre-dump: memory only, taken while the processes ran on.
    pub pre_dump: bool,
    /// Whether it is encrypted: of its memory nothing is known.
    pub encrypted: bool,
    /// Bytes of memory pages it holds.
    pub memory_bytes: u64,
    /// Where the descriptors 0, 1 and 2 of the container led, as docker, runc and crun write it;
    /// empty for others.
    pub descriptors: Vec<String>,
    /// The processes, by pid.
    pub processes: Vec<Process>,
    /// The shared segments, by number.
    pub shared: Vec<Shared>,
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
    /// Bytes of its private memory that the checkpoint holds.
    pub memory_bytes: u64,
    /// Those of them that lie in no mapping.
    pub unmapped_bytes: u64,
    /// Its mappings, by address.
    pub vmas: Vec<Vma>,
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

impl Inspection {
    /// Takes what is shown from checkpoints whose secrets are masked.
    pub fn new(checkpoints: &[checkpoint::Checkpoint]) -> Self {
        Self { schema: SCHEMA, checkpoints: checkpoints.iter().map(checkpoint).collect() }
    }

    /// Leaves these processes only, what they share, and the checkpoints that hold them.
    ///
    /// # Errors
    /// With the first pid that no checkpoint has.
    pub fn keep(&mut self, pids: &[u32]) -> Result<(), u32> {
        let has = |pid: &u32| {
            let mut processes = self.checkpoints.iter().flat_map(|it| &it.processes);
            processes.any(|process| process.pid == *pid)
        };
        if let Some(missing) = pids.iter().find(|pid| !has(pid)) {
            return Err(*missing);
        }
        for checkpoint in &mut self.checkpoints {
            checkpoint.processes.retain(|process| pids.contains(&process.pid));
            checkpoint.shared.retain(|segment| {
                let mut users = segment.mappings.iter().map(|it| &it.pid).chain(&segment.open_by);
                users.any(|pid| pids.contains(pid))
            });
        }
        self.checkpoints.retain(|checkpoint| !checkpoint.processes.is_empty());
        Ok(())
    }
}

fn checkpoint(from: &checkpoint::Checkpoint) -> Checkpoint {
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
    let processes = from.processes.values().map(|process| {
        let held = holder(HolderKind::Memory, process.pid).map(|space| Held::of(space));
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
                path: vma.path.clone(),
                dumped_bytes: both.min(vma.end.saturating_sub(vma.start)),
            }
        });
        Process {
            pid: process.pid,
            parent: Some(process.parent).filter(|parent| *parent != 0),
            comm: Some(process.comm.clone()).filter(|comm| !comm.is_empty()),
            exe: process.exe.clone(),
            uid: process.uid,
            state: process.state,
            threads: Some(process.threads as u64).filter(|threads| *threads > 0),
            cmdline: is_held(&process.argv).then(|| {
                let arguments = process.cmdline.iter();
                arguments.map(|it| String::from_utf8_lossy(it.expose()).into_owned()).collect()
            }),
            environ_names: is_held(&process.environ).then(|| process.environ_names.clone()),
            memory_bytes: held.total(),
            unmapped_bytes: held.total().saturating_sub(held.covered(&process.vmas)),
            vmas: vmas.collect(),
        }
    });
    Checkpoint {
        images: from.set.clone(),
        producer: from.producer.to_owned(),
        container: Container {
            id: container.id.clone(),
            name: container.name.clone(),
            image: container.image.clone(),
            runtime: container.runtime.clone(),
            engine_version: container.engine_version.clone(),
        },
        pod: from.pod.as_ref().map(|pod| Pod {
            name: pod.name.clone(),
            namespace: pod.namespace.clone(),
            uid: pod.uid.clone(),
        }),
        host: from.host.clone(),
        created: from.created.clone(),
        checkpointed: from.checkpointed.clone(),
        criu: from.criu.clone(),
        pre_dump: from.pre_dump,
        encrypted: from.encrypted,
        memory_bytes: from.memory_bytes,
        descriptors: from.descriptors.clone(),
        processes: processes.collect(),
        shared: shared(from, &segments),
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
        let mut open_by = segment.open_by.clone();
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

/// How many bytes of a range of addresses are in the checkpoint, answered without walking the range.
#[derive(Debug, Default)]
struct Held {
    /// First address, bytes, and bytes of all pieces before, by address.
    pieces: Vec<(u64, u64, u64)>,
}

impl Held {
    fn of(space: &Space) -> Self {
        let mut before = 0u64;
        let mut pieces = Vec::with_capacity(space.pieces.len());
        for piece in &space.pieces {
            pieces.push((piece.at, piece.len, before));
            before = before.saturating_add(piece.len);
        }
        Self { pieces }
    }

    fn total(&self) -> u64 {
        self.pieces.last().map_or(0, |(_, len, before)| before.saturating_add(*len))
    }

    /// Bytes at addresses below this one.
    fn below(&self, address: u64) -> u64 {
        let after = self.pieces.partition_point(|(at, ..)| *at <= address);
        let last = after.checked_sub(1).and_then(|index| self.pieces.get(index));
        last.map_or(0, |(at, len, before)| {
            before.saturating_add(address.saturating_sub(*at).min(*len))
        })
    }

    fn within(&self, start: u64, end: u64) -> u64 {
        self.below(end).saturating_sub(self.below(start))
    }

    /// Bytes in mappings, which are sorted by their start; what two of them cover counts once.
    fn covered(&self, vmas: &[VmaInfo]) -> u64 {
        let mut reached = 0;
        let mut bytes = 0u64;
        for vma in vmas {
            bytes = bytes.saturating_add(self.within(vma.start.max(reached), vma.end));
            reached = reached.max(vma.end);
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::region::{Form, Piece};

    fn held(pieces: &[(u64, u64)]) -> Held {
        let holder = Holder { set: 0, kind: HolderKind::Memory, id: 1, ordinal: 0 };
        let mut space = Space::file(holder, RegionKind::Memory, 0);
        let piece = |&(at, len)| Piece { at, len, layer: 0, image: 1, offset: 0, form: Form::Raw };
        space.pieces = pieces.iter().map(piece).collect();
        Held::of(&space)
    }

    fn vma(start: u64, end: u64) -> VmaInfo {
        let kind = checkpoint::VmaKind::Anonymous;
        VmaInfo { start, end, kind, prot: "rw-p".to_owned(), path: None }
    }

    #[test]
    fn bytes_of_a_range_are_those_of_its_pieces() {
        let held = held(&[(0x1000, 0x1000), (0x2000, 0x1000), (0x8000, 0x800)]);
        assert_eq!(held.total(), 0x2800);
        for (start, end, expected) in [
            (0, u64::MAX, 0x2800),
            (0x1000, 0x3000, 0x2000),
            (0x1800, 0x2800, 0x1000),
            (0x3000, 0x8000, 0),
            (0x8400, 0x9000, 0x400),
            (0x9000, 0x1000, 0),
        ] {
            assert_eq!(held.within(start, end), expected, "{start:#x}-{end:#x}");
        }
    }

    #[test]
    fn what_two_mappings_cover_counts_once() {
        let held = held(&[(0x1000, 0x3000)]);
        let vmas = [vma(0x1000, 0x3000), vma(0x1000, 0x2000), vma(0x2000, 0x3800)];
        assert_eq!(held.covered(&vmas), 0x2800);
        assert_eq!(held.covered(&[vma(0x3000, 0x1000), vma(0, u64::MAX)]), 0x3000);
        assert_eq!(Held::default().covered(&vmas), 0);
    }
}
