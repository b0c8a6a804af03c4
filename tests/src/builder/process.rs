//! A process: its tree entry, memory layout, arguments, files.

use std::ops::Range;

use cryoscan_proto as proto;

use super::images::{Files, REGULAR, record};
use super::{Kind, Mapping, Segment};

/// First address of every process's stack.
pub const STACK: u64 = 0x7ffd_0000_0000;
/// Where the arguments begin on the stack; the environment follows directly.
pub const ARGUMENTS: u64 = STACK + 0x1_0000;

const AT_PAGESZ: u64 = 6;
const REGULAR_VMA: u32 = 0x1;
const HEAP: u32 = 0x20;
const FILE_PRIVATE: u32 = 0x40;
const FILE_SHARED: u32 = 0x80;
const ANON_SHARED: u32 = 0x100;
const ANON_PRIVATE: u32 = 0x200;
const SYSVIPC: u32 = 0x400;
const MEMFD: u32 = 0x4000;
const MAP_SHARED: u32 = 0x1;
const MAP_PRIVATE: u32 = 0x2;
const MAP_ANONYMOUS: u32 = 0x20;

/// Where a process that has a stack of its own among its mappings keeps things.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layout {
    /// Of its code.
    pub code: Range<u64>,
    /// Of its data.
    pub data: Range<u64>,
    /// Of the heap that `brk` moves.
    pub brk: Range<u64>,
    /// Stack pointer when it began.
    pub stack: u64,
    /// Of its arguments.
    pub arguments: Range<u64>,
    /// Of its environment.
    pub environment: Range<u64>,
}

/// A process of one thread.
#[derive(Debug, Clone)]
pub struct Process {
    pub(super) pid: u32,
    parent: u32,
    comm: String,
    exe: String,
    pub(super) argv: Vec<String>,
    pub(super) environ: Vec<String>,
    mappings: Vec<Mapping>,
    shared: Vec<SharedMapping>,
    open: Vec<(u32, String)>,
    descriptors: Vec<(u32, proto::FileEntry)>,
    creds: proto::CredsEntry,
    vectors: Vec<u8>,
    layout: Option<Layout>,
}

#[derive(Debug, Clone)]
struct SharedMapping {
    address: u64,
    segment: u32,
    offset: u64,
    length: u64,
}

impl Process {
    /// The root of the tree unless [`parent`](Self::parent) is told.
    pub fn new(pid: u32, comm: &str) -> Self {
        Self {
            pid,
            parent: 0,
            comm: comm.to_owned(),
            exe: format!("/usr/bin/{comm}"),
            argv: vec![comm.to_owned()],
            environ: Vec::new(),
            mappings: Vec::new(),
            shared: Vec::new(),
            open: Vec::new(),
            descriptors: Vec::new(),
            creds: proto::CredsEntry {
                uid: Some(0),
                gid: Some(0),
                euid: Some(0),
                egid: Some(0),
                ..proto::CredsEntry::default()
            },
            vectors: Vec::new(),
            layout: None,
        }
    }

    /// Pid of the parent; 0 for the root.
    #[must_use]
    pub fn parent(mut self, pid: u32) -> Self {
        self.parent = pid;
        self
    }

    /// Path of the executable: `/usr/bin/COMM` unless told.
    #[must_use]
    pub fn exe(mut self, path: &str) -> Self {
        path.clone_into(&mut self.exe);
        self
    }

    /// Arguments, the program's name first.
    #[must_use]
    pub fn argv(mut self, argv: &[&str]) -> Self {
        self.argv = argv.iter().map(|&text| text.to_owned()).collect();
        self
    }

    /// Environment at exec, as `NAME=value`.
    #[must_use]
    pub fn environ(mut self, environ: &[&str]) -> Self {
        self.environ = environ.iter().map(|&text| text.to_owned()).collect();
        self
    }

    /// Adds memory. Mappings that touch are neighbours in the address space.
    #[must_use]
    pub fn map(mut self, mapping: Mapping) -> Self {
        self.mappings.push(mapping);
        self
    }

    /// Maps a part of a shared segment.
    #[must_use]
    pub fn map_shared(mut self, address: u64, segment: u32, offset: u64, length: u64) -> Self {
        self.shared.push(SharedMapping { address, segment, offset, length });
        self
    }

    /// Opens a regular file.
    #[must_use]
    pub fn open(mut self, descriptor: u32, path: &str) -> Self {
        self.open.push((descriptor, path.to_owned()));
        self
    }

    /// Opens a file of any type, under the id in its entry: 1000 or more, so that it is no other's.
    #[must_use]
    pub fn descriptor(mut self, descriptor: u32, file: proto::FileEntry) -> Self {
        self.descriptors.push((descriptor, file));
        self
    }

    /// Says where things are in its mappings; no stack is made for it then.
    #[must_use]
    pub fn layout(mut self, layout: Layout) -> Self {
        self.layout = Some(layout);
        self
    }

    /// What its vector registers hold, 16 bytes in each of 16.
    #[must_use]
    pub fn vectors(mut self, bytes: &[u8]) -> Self {
        self.vectors = bytes.to_vec();
        self.vectors.resize(16 * 16, 0);
        self
    }

    /// Credentials: root without capabilities unless told.
    #[must_use]
    pub fn creds(mut self, creds: proto::CredsEntry) -> Self {
        self.creds = creds;
        self
    }

    /// Arguments and environment as the kernel lays them out: strings with NUL at their ends.
    fn strings(list: &[String]) -> Vec<u8> {
        list.iter().flat_map(|text| text.bytes().chain([0])).collect()
    }

    /// The mappings, with a stack that holds arguments and environment.
    pub(super) fn with_stack(&self, page_size: u64) -> Vec<Mapping> {
        if self.layout.is_some() {
            return self.mappings.clone();
        }
        let strings = [Self::strings(&self.argv), Self::strings(&self.environ)].concat();
        let end = (ARGUMENTS + strings.len() as u64 + 1).next_multiple_of(page_size);
        let start = (ARGUMENTS - 0x1000) / page_size * page_size;
        let length = usize::try_from(end - start).expect("a small stack");
        let stack = Mapping::noise(start, length, self.pid.into()).kind(Kind::Stack);
        let mut mappings = self.mappings.clone();
        mappings.push(stack.put(ARGUMENTS, [strings, vec![0]].concat()));
        mappings
    }

    /// The layout with the stack that was made for it.
    fn made_layout(&self, mappings: &[Mapping]) -> Layout {
        let heap = mappings.iter().find(|mapping| mapping.kind == Kind::Heap);
        let environ = ARGUMENTS + Self::strings(&self.argv).len() as u64;
        Layout {
            code: 0x40_0000..0x40_0000,
            data: 0x60_0000..0x60_0000,
            brk: heap.map_or(0..0, |heap| heap.start..heap.end()),
            stack: ARGUMENTS - 0x80,
            arguments: ARGUMENTS..environ,
            environment: environ..environ + Self::strings(&self.environ).len() as u64,
        }
    }

    pub(super) fn tree_entry(&self) -> Vec<u8> {
        record(&proto::PstreeEntry {
            pid: Some(self.pid),
            ppid: Some(self.parent),
            pgid: Some(self.pid),
            sid: Some(self.pid),
            threads: vec![self.pid],
        })
    }

    pub(super) fn core(&self) -> Vec<u8> {
        let gpregs = proto::UserX86RegsEntry {
            ip: Some(0x40_1000),
            sp: Some(ARGUMENTS - 0x80),
            ..proto::UserX86RegsEntry::default()
        };
        let words = self.vectors.chunks_exact(4);
        let words = words.map(|it| u32::from_le_bytes([it[0], it[1], it[2], it[3]]));
        let fpregs = proto::UserX86FpregsEntry {
            xmm_space: words.collect(),
            ..proto::UserX86FpregsEntry::default()
        };
        record(&proto::CoreEntry {
            mtype: Some(1),
            thread_info: Some(proto::ThreadInfoX86 { gpregs: Some(gpregs), fpregs: Some(fpregs) }),
            tc: Some(proto::TaskCoreEntry {
                task_state: Some(1),
                exit_code: Some(0),
                personality: Some(0),
                flags: Some(0),
                blk_sigset: Some(0),
                comm: Some(self.comm.as_bytes().to_vec()),
                ..proto::TaskCoreEntry::default()
            }),
            thread_core: Some(proto::ThreadCoreEntry {
                futex_rla: Some(0),
                futex_rla_len: Some(0),
                creds: Some(self.creds.clone()),
                comm: Some(self.comm.as_bytes().to_vec()),
                ..proto::ThreadCoreEntry::default()
            }),
            ..proto::CoreEntry::default()
        })
    }

    pub(super) fn ids(tables: u32) -> Vec<u8> {
        record(&proto::TaskKobjIdsEntry {
            vm_id: Some(tables),
            files_id: Some(tables),
            fs_id: Some(tables),
            sighand_id: Some(tables),
            ..proto::TaskKobjIdsEntry::default()
        })
    }

    pub(super) fn working_folder(files: &mut Files) -> Vec<u8> {
        let root = files.regular("/");
        record(&proto::FsEntry { cwd_id: Some(root), root_id: Some(root), umask: Some(0o22) })
    }

    pub(super) fn descriptors(&self, files: &mut Files) -> Vec<Vec<u8>> {
        let entry = |fd: &u32, id, kind| {
            let (id, kind, fd) = (Some(id), Some(kind), Some(*fd));
            record(&proto::FdinfoEntry { id, flags: Some(0), r#type: kind, fd })
        };
        let regular = self.open.iter().map(|(fd, path)| entry(fd, files.regular(path), REGULAR));
        let mut table: Vec<Vec<u8>> = regular.collect();
        for (fd, file) in &self.descriptors {
            files.add(file);
            table.push(entry(fd, file.id(), file.r#type()));
        }
        table
    }

    pub(super) fn mm(&self, page_size: u64, files: &mut Files, segments: &[Segment]) -> Vec<u8> {
        let mappings = self.with_stack(page_size);
        let layout = self.layout.clone().unwrap_or_else(|| self.made_layout(&mappings));
        let mut vmas: Vec<proto::VmaEntry> =
            mappings.iter().map(|mapping| private_vma(mapping, files)).collect();
        vmas.extend(self.shared.iter().map(|shared| shared_vma(shared, files, segments)));
        vmas.sort_by_key(|vma| vma.start);
        record(&proto::MmEntry {
            mm_start_code: Some(layout.code.start),
            mm_end_code: Some(layout.code.end),
            mm_start_data: Some(layout.data.start),
            mm_end_data: Some(layout.data.end),
            mm_start_stack: Some(layout.stack),
            mm_start_brk: Some(layout.brk.start),
            mm_brk: Some(layout.brk.end),
            mm_arg_start: Some(layout.arguments.start),
            mm_arg_end: Some(layout.arguments.end),
            mm_env_start: Some(layout.environment.start),
            mm_env_end: Some(layout.environment.end),
            exe_file_id: Some(files.regular(&self.exe)),
            mm_saved_auxv: vec![AT_PAGESZ, page_size, 0, 0],
            vmas,
            dumpable: Some(1),
        })
    }
}

fn private_vma(mapping: &Mapping, files: &mut Files) -> proto::VmaEntry {
    let (status, file) = match &mapping.kind {
        Kind::Anonymous | Kind::Stack => (ANON_PRIVATE, 0),
        Kind::Heap => (HEAP | ANON_PRIVATE, 0),
        Kind::File(path) => (FILE_PRIVATE, files.regular(path)),
    };
    let anonymous = if file == 0 { MAP_ANONYMOUS } else { 0 };
    proto::VmaEntry {
        start: Some(mapping.start),
        end: Some(mapping.end()),
        pgoff: Some(0),
        shmid: Some(file.into()),
        prot: Some(mapping.prot),
        flags: Some(MAP_PRIVATE | anonymous),
        status: Some(REGULAR_VMA | status),
        fd: Some(-1),
        madv: None,
    }
}

fn shared_vma(shared: &SharedMapping, files: &Files, segments: &[Segment]) -> proto::VmaEntry {
    let segment = segments.iter().find(|segment| segment.id == shared.segment);
    let segment = segment.expect("a segment of that number");
    let memfd = files.memfd_of(segment.id);
    let status = match memfd {
        Some(_) => MEMFD | FILE_SHARED,
        None if segment.sysv => ANON_SHARED | SYSVIPC,
        None => ANON_SHARED,
    };
    proto::VmaEntry {
        start: Some(shared.address),
        end: Some(shared.address + shared.length),
        pgoff: Some(shared.offset),
        shmid: Some(memfd.unwrap_or(segment.id).into()),
        prot: Some(3),
        flags: Some(MAP_SHARED),
        status: Some(REGULAR_VMA | status),
        fd: Some(-1),
        madv: None,
    }
}
