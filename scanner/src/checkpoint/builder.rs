//! The builder: takes members as they come, in any order, and says what becomes of each.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::address_space::{self, Layout};
use super::container::Metadata;
use super::oci::{self, Layouts};
use super::process::{self, Process};
use super::{Checkpoint, Filter, Mapping, Scope, Shared, VmaKind, path_id, producer};
use crate::coverage::Reason;
use crate::criu::{self, FileEntry, Pagemap, PagemapKey, Records, Role, status};
use crate::diagnostic::{Code, Diagnostic, Level};
use crate::limits::Limits;
use crate::region::{Holder, HolderKind, RegionKind};

/// What becomes of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// An image: read it whole and give it to [`Builder::image`].
    Decode,
    /// The pages image of this number in its image set.
    Pages(u32),
    /// Metadata: read it whole, give it to [`Builder::metadata`], and match it too.
    Keep,
    /// Match its bytes, or open it if it is an archive.
    Scan(RegionKind),
    /// Neither.
    Skip(Reason),
}

/// What is known of one folder of images.
#[derive(Debug, Default)]
struct ImageSet {
    records: Records,
    /// Member path and stored length of the pages images, by number.
    pages: BTreeMap<u32, (String, u64)>,
    /// Member paths of the pagemaps.
    pagemaps: BTreeMap<PagemapKey, String>,
    /// Whose pages an image holds, by its number.
    owners: BTreeMap<u32, PagemapKey>,
    /// When the inventory was written, in seconds since 1970.
    written: Option<i64>,
}

/// Assembles checkpoints from the members of one target.
#[derive(Debug)]
pub struct Builder {
    location: String,
    limits: Limits,
    sets: BTreeMap<String, ImageSet>,
    metadata: BTreeMap<String, Metadata>,
    layouts: Layouts,
}

/// Metadata that engines put beside the images or the root file system.
const METADATA: &[&str] = &[
    "config.dump",
    "spec.dump",
    "status.dump",
    "status",
    "network.status",
    "bind.mounts",
    "deleted.files",
    "descriptors.json",
    "config.v2.json",
    "hostconfig.json",
    "index.json",
    "oci-layout",
    "manifest.json",
    "pod.options",
    "checkpoint-manifest.json",
    "pod-config.json",
];

/// Folder and last component of a path chain. The folder of a member at the top of a nested
/// archive ends in `!`.
fn split(path: &str) -> (&str, &str) {
    match path.rfind(['/', '!']) {
        None => ("", path),
        Some(at) => {
            let (folder, name) = path.split_at(at);
            if name.starts_with('!') {
                (path.get(..at.saturating_add(1)).unwrap_or_default(), name.get(1..).unwrap_or(""))
            } else {
                (folder, name.get(1..).unwrap_or(""))
            }
        }
    }
}

/// The folder of a container's metadata, told from the folder of its images.
fn root_of(set: &str) -> &str {
    let (parent, last) = split(set);
    if matches!(last, "checkpoint" | "pre-checkpoint") { parent } else { set }
}

/// The kind of region of a file that the container's processes wrote or could see; `None` for
/// files of the checkpoint itself. What the container wrote never counts as an image, whatever
/// its name.
fn content(path: &str) -> Option<RegionKind> {
    let (archive, _) = path.rsplit_once('!')?;
    let inside = |name: &str| archive.split('!').any(|part| split(part).1 == name || part == name);
    if archive.split('!').any(|part| part.as_bytes().ends_with(b".tar.gz.img"))
        || inside("devshm-checkpoint.tar")
    {
        Some(RegionKind::TmpfsFile)
    } else if inside("rootfs-diff.tar") {
        Some(RegionKind::File)
    } else if archive.split('!').any(|part| split(part).0.split('/').next_back() == Some("volumes"))
    {
        Some(RegionKind::VolumeFile)
    } else {
        None
    }
}

impl Builder {
    /// A builder for the target at `location` (a path, for producers that only a path tells).
    pub fn new(location: &str, limits: Limits) -> Self {
        let location = location.trim_end_matches('/').to_owned();
        let (sets, metadata, layouts) = Default::default();
        Self { location, limits, sets, metadata, layouts }
    }

    /// Says what becomes of the member at `path`, of that stored size, whose first bytes are `head`.
    pub fn offer(&mut self, path: &str, size: Option<u64>, head: &[u8]) -> Want {
        self.layouts.see(path);
        if let Some(kind) = content(path) {
            return Want::Scan(kind);
        }
        let name = split(path).1;
        match criu::role_of(name.as_bytes()) {
            Role::Decoded => return Want::Decode,
            Role::Pages => {
                if let Some(id) = criu::pages_id(name.as_bytes()) {
                    return Want::Pages(id);
                }
            }
            Role::Payload => return Want::Scan(payload_kind(name)),
            Role::Archive => return Want::Scan(RegionKind::TmpfsFile),
            Role::Ignored => return Want::Skip(Reason::NotContent),
            Role::Text | Role::Unknown => {}
        }
        if METADATA.contains(&name) || oci::is_document(path, size, head) {
            Want::Keep
        } else if name.as_bytes().ends_with(b".log") || name == "io.kubernetes.cri-o.LogPath" {
            Want::Scan(RegionKind::Log)
        } else if self.is_unknown_image(path) {
            Want::Scan(RegionKind::RawImage)
        } else {
            Want::Scan(RegionKind::File)
        }
    }

    /// Whether the container's processes wrote the member at `path` or could see it: no image of
    /// CRIU lies there.
    pub fn is_of_container(path: &str) -> bool {
        content(path).is_some()
    }

    /// Whether a member has the name of an image of no known kind.
    pub fn is_unknown_image(&self, path: &str) -> bool {
        let name = split(path).1;
        content(path).is_none()
            && name.as_bytes().ends_with(b".img")
            && criu::role_of(name.as_bytes()) == Role::Unknown
    }

    /// Number of the image set that the member at `path` belongs to.
    pub fn set_id(path: &str) -> u64 {
        path_id(split(path).0)
    }

    /// Decodes an image. What was decoded before a fault is kept.
    ///
    /// # Errors
    /// When the image is damaged: what was expected where, and what was found.
    pub fn image(&mut self, path: &str, data: &[u8], mtime: Option<i64>) -> Result<(), Diagnostic> {
        let (folder, name) = split(path);
        let set = self.sets.entry(folder.to_owned()).or_default();
        let result = criu::decode(path, name.as_bytes(), data, &self.limits, &mut set.records);
        if let Some(key) = pagemap_key(name)
            && let Some(map) = set.records.pagemaps.get(&key)
        {
            set.pagemaps.entry(key).or_insert_with(|| path.to_owned());
            // If several pagemaps name one pages image, it is the first one's.
            let owner = set.owners.entry(map.pages_id).or_insert(key);
            *owner = key.min(*owner);
        }
        if name == "inventory.img" {
            set.written = mtime;
        }
        result.map_err(Diagnostic::from)
    }

    /// Counts what an image of kernel buffers holds. `data` is the whole image; of a tcp-stream its
    /// beginning is enough.
    ///
    /// # Errors
    /// When the image is damaged. Its bytes are content, which is matched all the same.
    pub fn payload(&mut self, path: &str, data: &[u8]) -> Result<(), Diagnostic> {
        let (folder, name) = split(path);
        let records = &mut self.sets.entry(folder.to_owned()).or_default().records;
        criu::held(path, name.as_bytes(), data, &self.limits, records).map_err(|error| {
            let mut diagnostic = Diagnostic::from(error);
            diagnostic.level = Level::Warning;
            diagnostic.message.push_str("; scanned as raw bytes");
            diagnostic
        })
    }

    /// Takes a metadata file.
    ///
    /// # Errors
    /// When it should be JSON of a known shape and is not.
    pub fn metadata(&mut self, path: &str, data: &[u8]) -> Result<(), Diagnostic> {
        let (folder, name) = split(path);
        let is_layout = matches!(name, "index.json" | "manifest.json");
        let result = if is_layout || !METADATA.contains(&name) {
            let root = path.strip_suffix(name).unwrap_or_default();
            if self.layouts.take(path, root, data) || !is_layout {
                return Ok(());
            }
            serde_json::from_slice::<serde::de::IgnoredAny>(data).map(drop)
        } else {
            self.metadata.entry(folder.to_owned()).or_default().take(name, data)
        };
        result.map_err(|error| {
            // Its text would quote the value.
            let place = format!("line {}, column {}", error.line(), error.column());
            let message = format!("not the JSON that engines write ({place}); scanned as text");
            Diagnostic::new(Level::Warning, Code::MetadataMalformed, path, message)
        })
    }

    /// Remembers that the target holds a pages image of `len` bytes.
    pub fn pages(&mut self, path: &str, id: u32, len: u64) {
        let set = self.sets.entry(split(path).0.to_owned()).or_default();
        set.pages.entry(id).or_insert((path.to_owned(), len));
    }

    /// Whether the target has shown a pages image of this number in the same folder.
    pub fn has_pages(&self, path: &str, id: u32) -> bool {
        self.sets.get(split(path).0).is_some_and(|set| set.pages.contains_key(&id))
    }

    /// Whether the image set of the member at `path` is encrypted.
    pub fn is_encrypted(&self, path: &str) -> bool {
        self.sets.get(split(path).0).is_some_and(|set| set.records.encrypted)
    }

    /// Whether all is known that the memory in a pages image needs to be laid out.
    pub fn is_ready(&self, path: &str, id: u32) -> bool {
        let Some(set) = self.sets.get(split(path).0) else { return false };
        let pre_dump = set.records.inventory.as_ref().is_some_and(|inventory| inventory.pre_dump);
        match set.owner(id) {
            Some((PagemapKey::Task(pid), _)) => pre_dump || set.records.mms.contains_key(&pid),
            // The page size is that of the processes.
            Some((PagemapKey::Shmem(_), _)) => pre_dump || !set.records.mms.is_empty(),
            None => false,
        }
    }

    /// Whether all is known that the filter asks for of the memory in a pages image.
    pub fn can_filter(&self, path: &str, id: u32, filter: &Filter) -> bool {
        let Some(set) = self.sets.get(split(path).0) else { return false };
        // Who maps a segment is known when the last process is.
        let Some((PagemapKey::Task(pid), _)) = set.owner(id) else { return false };
        let records = &set.records;
        let has_name = records.cores.contains_key(&pid) && !records.files.is_empty();
        // Which threads a process has, and so which mappings are stacks, is in the tree.
        let of_threads = |kind: &VmaKind| matches!(kind, VmaKind::Stack | VmaKind::Anonymous);
        let has_threads = records.tree.iter().any(|item| item.pid == pid);
        (filter.names.is_empty() || has_name)
            && (has_threads || !filter.kinds.iter().any(of_threads))
    }

    /// What of a process's memory or of a shared segment the filter lets through.
    pub fn scope(&self, holder: Holder, filter: &Filter) -> Scope {
        let mut sets = self.sets.iter();
        let found = sets.find(|(folder, _)| path_id(folder) == holder.set);
        let (Some((_, set)), Ok(id)) = (found, u32::try_from(holder.id)) else {
            return Scope::none();
        };
        let process = |pid: u32| {
            let records = &set.records;
            let item = records.tree.iter().find(|item| item.pid == pid).cloned();
            let alone = || criu::TreeItem { pid, ppid: 0, pgid: 0, sid: 0, threads: vec![pid] };
            process::process(&item.unwrap_or_else(alone), records)
        };
        if holder.kind == HolderKind::Memory {
            return filter.of_memory(&process(id));
        }
        let Some(segment) = shared(&set.records).remove(&id) else { return Scope::none() };
        let pids = segment.mappings.iter().map(|mapping| &mapping.pid).chain(&segment.open_by);
        let processes = pids.map(|pid| (*pid, process(*pid))).collect();
        filter.of_shared(&segment, &processes)
    }

    /// The layout of the memory in the pages image at `path`; `None` when no pagemap names it.
    pub fn layout(&self, path: &str, id: u32, image_len: u64) -> Option<Layout> {
        let (folder, _) = split(path);
        let set = self.sets.get(folder)?;
        let (key, map) = set.owner(id)?;
        Some(set.layout(folder, key, map, image_len))
    }

    /// Layouts whose pages image is not in the target, with the path of their pagemap.
    pub fn missing_pages(&self) -> Vec<(String, Layout)> {
        let mut missing = Vec::new();
        for (folder, set) in &self.sets {
            for (key, map) in &set.records.pagemaps {
                let owned = set.owner(map.pages_id).is_some_and(|(owner, _)| owner == *key);
                if owned && set.pages.contains_key(&map.pages_id) {
                    continue;
                }
                let layout = set.layout(folder, *key, map, 0);
                if !layout.shortfalls.is_empty() {
                    missing.push((set.pagemaps.get(key).cloned().unwrap_or_default(), layout));
                }
            }
        }
        missing
    }

    /// The checkpoints, by the path of their images, and what is wrong with their processes.
    pub fn finish(mut self) -> (Vec<Checkpoint>, Vec<Diagnostic>) {
        let mut notes = self.layouts.missing();
        let mut checkpoints = Vec::new();
        for (folder, set) in std::mem::take(&mut self.sets) {
            if set.records.inventory.is_none() && set.records.pagemaps.is_empty() {
                continue;
            }
            let mut checkpoint = self.checkpoint(&folder, &set, &mut notes);
            checkpoint.records = set.records;
            checkpoint.records.pagemaps.clear();
            checkpoint.records.mms.clear();
            checkpoints.push(checkpoint);
        }
        (checkpoints, notes)
    }

    fn checkpoint(&self, folder: &str, set: &ImageSet, notes: &mut Vec<Diagnostic>) -> Checkpoint {
        let records = &set.records;
        if records.encrypted {
            // Also where a stream gave the pages before it said so, and their noise was searched.
            let text = "the image set is encrypted; nothing is known of its memory";
            notes.push(Diagnostic::new(Level::Error, Code::Encrypted, folder, text));
        }
        let mut processes: BTreeMap<u32, Process> = BTreeMap::new();
        for item in &records.tree {
            processes.entry(item.pid).or_insert_with(|| process::process(item, records));
        }
        // A task that the tree does not name still has its memory.
        for key in records.pagemaps.keys() {
            if let PagemapKey::Task(pid) = key
                && !processes.contains_key(pid)
            {
                let threads = if records.cores.contains_key(pid) { vec![*pid] } else { Vec::new() };
                let item = criu::TreeItem { pid: *pid, ppid: 0, pgid: 0, sid: 0, threads };
                processes.insert(*pid, process::process(&item, records));
                if records.inventory.as_ref().is_none_or(|inventory| !inventory.pre_dump) {
                    let member = set.pagemaps.get(key).map_or("", String::as_str);
                    notes.push(Diagnostic::new(
                        Level::Warning,
                        Code::ProcessIncomplete,
                        member,
                        format!("process {pid} is in no pstree.img; its parent is not known"),
                    ));
                }
            }
        }
        for process in processes.values() {
            let lacks = |what: &str| {
                let folder = if folder.is_empty() { String::new() } else { format!("{folder}/") };
                let member = format!("{folder}{what}-{}.img", process.pid);
                let message = format!("process {} has no {what} image that decodes", process.pid);
                Diagnostic::new(Level::Warning, Code::ProcessIncomplete, &member, message)
            };
            let pre_dump = records.inventory.as_ref().is_some_and(|inventory| inventory.pre_dump);
            if process.state == "zombie" || pre_dump {
                continue;
            }
            if !records.cores.contains_key(&process.pid) {
                notes.push(lacks("core"));
            }
            if !records.mms.contains_key(&process.pid) {
                notes.push(lacks("mm"));
            }
        }
        let mut spaces = BTreeMap::new();
        let mut memory_bytes = 0u64;
        for (key, map) in &records.pagemaps {
            let len = set.pages.get(&map.pages_id).map_or(0, |(_, len)| *len);
            let space = set.layout(folder, *key, map, len).space;
            let bytes = space.pieces.iter().fold(0u64, |sum, piece| sum.saturating_add(piece.len));
            memory_bytes = memory_bytes.saturating_add(bytes);
            spaces.insert(space.holder, Arc::new(space));
        }
        // Archives made to be reproducible have no times: 0.
        let written = set.written.filter(|seconds| *seconds > 0);
        let written = written.and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
        let mut checkpoint = Checkpoint {
            root: root_of(folder).to_owned(),
            set: folder.to_owned(),
            producer: "criu",
            container: super::Container::default(),
            pod: None,
            host: records.hostname().map(process::text),
            annotations: BTreeMap::new(),
            spec_mounts: Vec::new(),
            created: None,
            checkpointed: written.map(|time| time.to_string()),
            criu: None,
            descriptors: Vec::new(),
            processes,
            shared: shared(records),
            pages: set.pages.iter().map(|(id, (path, _))| (*id, path.clone())).collect(),
            spaces,
            memory_bytes,
            encrypted: records.encrypted,
            pre_dump: records.inventory.as_ref().is_some_and(|inventory| inventory.pre_dump),
            records: Records::default(),
        };
        let mut metadata = self.metadata.get(root_of(folder)).cloned().unwrap_or_default();
        if let Some(beside) = self.metadata.get(folder) {
            metadata.descriptors = metadata.descriptors.or_else(|| beside.descriptors.clone());
        }
        // docker keeps checkpoints in a folder of the container's own: ID/checkpoints/NAME.
        if let (above, "checkpoints") = split(split(folder).0)
            && let Some(container) = self.metadata.get(above)
        {
            metadata.docker.clone_from(&container.docker);
            metadata.docker_host.clone_from(&container.docker_host);
        }
        metadata.origin = self.layouts.origin(folder).unwrap_or_default();
        if metadata.spec.is_none() {
            metadata.spec = metadata.origin.spec.take();
        }
        let location = if folder.is_empty() {
            self.location.clone()
        } else {
            format!("{}/{folder}", self.location)
        };
        producer::describe(&metadata, &location, &mut checkpoint);
        if let Some(spec) = metadata.spec {
            checkpoint.annotations = spec.annotations;
            checkpoint.spec_mounts = spec.mounts.unwrap_or_default();
        }
        checkpoint
    }
}

impl ImageSet {
    /// The pagemap that names a pages image; if several do, the first in the order of their keys.
    fn owner(&self, pages_id: u32) -> Option<(PagemapKey, &Pagemap)> {
        let key = self.owners.get(&pages_id)?;
        Some((*key, self.records.pagemaps.get(key)?))
    }

    fn layout(&self, folder: &str, key: PagemapKey, map: &Pagemap, image_len: u64) -> Layout {
        let set = path_id(folder);
        let (kind, id, mm) = match key {
            PagemapKey::Task(pid) => (HolderKind::Memory, pid, self.records.mms.get(&pid)),
            PagemapKey::Shmem(id) => (HolderKind::Shared, id, None),
        };
        let holder = Holder { set, kind, id: id.into(), ordinal: 0 };
        let page_size = mm
            .and_then(|mm| mm.page_size)
            .or_else(|| self.records.mms.values().find_map(|mm| mm.page_size));
        let member = self.pagemaps.get(&key).map_or("", String::as_str);
        let mut layout = address_space::lay_out(holder, map, mm, page_size, image_len, member);
        if kind == HolderKind::Shared {
            layout.space.kind = RegionKind::SharedMemory;
        }
        layout
    }
}

/// Whose pagemap an image of that name is.
fn pagemap_key(name: &str) -> Option<PagemapKey> {
    let number = name.strip_prefix("pagemap-")?.strip_suffix(".img")?;
    match number.strip_prefix("shmem-") {
        Some(id) => id.parse().ok().map(PagemapKey::Shmem),
        None => number.parse().ok().map(PagemapKey::Task),
    }
}

/// The shared segments: what they are, who maps them and who has them open.
fn shared(records: &Records) -> BTreeMap<u32, Shared> {
    let mut segments: BTreeMap<u32, Shared> = BTreeMap::new();
    let memfd = |file_id: u32| match records.files.get(&file_id) {
        Some(FileEntry::Memfd { inode_id, .. }) => records.memfds.get(inode_id).map(|inode| {
            let unnamed = inode.name.starts_with(b"/dev/zero");
            let kind = if unnamed { RegionKind::SharedMemory } else { RegionKind::Memfd };
            (inode.shmid, kind, (!unnamed).then(|| process::text(&inode.name)))
        }),
        _ => None,
    };
    let new = |kind, name| Shared { kind, name, mappings: Vec::new(), open_by: Vec::new() };
    for (pid, mm) in &records.mms {
        for vma in &mm.vmas {
            let has = |bits: u32| vma.status & bits != 0;
            let id = u32::try_from(vma.shmid).ok();
            let segment = if has(status::MEMFD) {
                id.and_then(memfd)
            } else if has(status::SYSVIPC) {
                id.map(|id| (id, RegionKind::SysvShm, None))
            } else if has(status::ANON_SHARED) {
                id.map(|id| (id, RegionKind::SharedMemory, None))
            } else {
                None
            };
            if let Some((id, kind, name)) = segment {
                let (start, end, offset) = (vma.start, vma.end, vma.pgoff_bytes);
                let mapping = Mapping { pid: *pid, start, end, offset };
                let segment = segments.entry(id).or_insert_with(|| new(kind, name));
                segment.mappings.push(mapping);
            }
        }
    }
    // A table once, however many processes share it.
    let mut tables = BTreeMap::new();
    for (pid, ids) in &records.ids {
        let open = tables.entry(ids.files_id).or_insert_with(|| {
            let table = records.fdinfo.get(&ids.files_id).into_iter().flatten();
            let open = table.filter_map(|fd| memfd(fd.file_id));
            open.map(|(id, kind, name)| (id, (kind, name))).collect::<BTreeMap<_, _>>()
        });
        for (id, (kind, name)) in open {
            let segment = segments.entry(*id).or_insert_with(|| new(*kind, name.clone()));
            segment.open_by.push(*pid);
        }
    }
    segments
}

/// The kind of region of an image that carries bytes of processes.
fn payload_kind(name: &str) -> RegionKind {
    match name.split_once('.').map_or(name, |(stem, _)| stem) {
        "pipes-data" => RegionKind::Pipe,
        "fifo-data" => RegionKind::Fifo,
        "sk-queues" => RegionKind::SocketQueue,
        "tty-data" => RegionKind::Tty,
        "bpfmap-data" => RegionKind::BpfMap,
        stem if stem.starts_with("tcp-stream-") => RegionKind::TcpQueue,
        stem if stem.starts_with("ghost-file-") => RegionKind::GhostFile,
        stem if stem.starts_with("ipcns-msg-") => RegionKind::SysvMessage,
        _ => RegionKind::RawImage,
    }
}
