//! Processes: what the images of one task say, joined.

use crate::criu::{Core, FileEntry, Mm, Records, Remap, TaskState, TreeItem, Vma, status};
use crate::secret::SecretBytes;

/// What a mapping is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VmaKind {
    /// The heap of brk(2).
    Heap,
    /// The stack of a thread.
    Stack,
    /// Private memory without a file.
    Anonymous,
    /// A file.
    File,
    /// Memory that processes share.
    Shared,
    /// The object that the kernel maps into every process.
    Vdso,
    /// Variables of the kernel.
    Vvar,
    /// Anything else.
    Other,
}

impl VmaKind {
    /// Every kind.
    pub const ALL: &'static [Self] = &[
        Self::Heap,
        Self::Stack,
        Self::Anonymous,
        Self::File,
        Self::Shared,
        Self::Vdso,
        Self::Vvar,
        Self::Other,
    ];

    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Heap => "heap",
            Self::Stack => "stack",
            Self::Anonymous => "anonymous",
            Self::File => "file",
            Self::Shared => "shared",
            Self::Vdso => "vdso",
            Self::Vvar => "vvar",
            Self::Other => "other",
        }
    }
}

/// One mapping of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VmaInfo {
    /// First address.
    pub start: u64,
    /// First address behind it.
    pub end: u64,
    /// What it is.
    pub kind: VmaKind,
    /// Protection as in `/proc/PID/maps`: `rw-p`.
    pub prot: String,
    /// Offset in the mapped file or segment of the first byte.
    pub offset: u64,
    /// The mapped file or object.
    pub path: Option<String>,
}

/// One process.
#[derive(Debug, Clone)]
pub struct Process {
    /// Its pid inside the container.
    pub pid: u32,
    /// Its parent; 0 for the root of the tree.
    pub parent: u32,
    /// Its name, which the program may have chosen.
    pub comm: String,
    /// The program.
    pub exe: Option<String>,
    /// Effective user.
    pub uid: Option<u32>,
    /// `alive`, `zombie`, `stopped`.
    pub state: &'static str,
    /// Number of threads; 0 if not known.
    pub threads: usize,
    /// Its mappings, by address.
    pub vmas: Vec<VmaInfo>,
    /// Addresses of arguments and environment.
    pub argv: std::ops::Range<u64>,
    /// Addresses of the environment.
    pub environ: std::ops::Range<u64>,
    /// The arguments, or the title that replaced them. They may hold secrets.
    pub cmdline: Vec<SecretBytes>,
    /// Names of the variables of the environment.
    pub environ_names: Vec<String>,
}

impl Process {
    /// The mapping that holds `address`.
    pub fn vma_at(&self, address: u64) -> Option<&VmaInfo> {
        let after = self.vmas.partition_point(|vma| vma.start <= address);
        let vma = self.vmas.get(after.checked_sub(1)?)?;
        (address < vma.end).then_some(vma)
    }

    /// Takes arguments and environment from the bytes of their ranges, as far as they were in
    /// the dump.
    ///
    /// The kernel's rule for titles (Linux `fs/proc/base.c`): when the last byte of the
    /// arguments is not NUL, the program overwrote them, and its title is the string from their
    /// start to the first NUL, which may reach into the environment.
    pub fn set_strings(&mut self, argv: &[u8], environ: &[u8]) {
        let strings = |bytes: &[u8]| -> Vec<SecretBytes> {
            bytes
                .split(|byte| *byte == 0)
                .filter(|string| !string.is_empty())
                .map(SecretBytes::new)
                .collect()
        };
        let mut environ = environ;
        if argv.last().is_some_and(|last| *last != 0) {
            let title = SecretBytes::from([argv, environ].concat());
            let len = memchr::memchr(0, title.expose()).unwrap_or(title.len());
            let over = len.saturating_sub(argv.len());
            environ = environ.get(over..).unwrap_or_default();
            if len >= argv.len() {
                // What follows the title is the end of a variable: a part of its value.
                let rest = environ.get(1..).unwrap_or_default();
                let end = memchr::memchr(0, rest).unwrap_or(rest.len());
                environ = rest.get(end..).unwrap_or_default();
            }
            self.cmdline = title.expose().get(..len).map(SecretBytes::new).into_iter().collect();
        } else {
            self.cmdline = strings(argv);
        }
        self.environ_names = environ
            .split(|byte| *byte == 0)
            .filter_map(|string| {
                let name = string.get(..memchr::memchr(b'=', string)?)?;
                let word = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.-".contains(byte);
                (!name.is_empty() && name.iter().all(word))
                    .then(|| String::from_utf8_lossy(name).into_owned())
            })
            .collect();
    }
}

/// Joins what the images say of the task `item`.
pub(super) fn process(item: &TreeItem, records: &Records) -> Process {
    let core = records.cores.get(&item.pid);
    let mm = records.mms.get(&item.pid);
    let stacks: Vec<u64> = item
        .threads
        .iter()
        .filter_map(|thread| records.cores.get(thread).and_then(|core| core.stack_pointer))
        .collect();
    let mut vmas: Vec<VmaInfo> = mm
        .map(|mm| mm.vmas.iter().map(|vma| vma_info(vma, mm, &stacks, records)).collect())
        .unwrap_or_default();
    vmas.sort_by_key(|vma| (vma.start, vma.end));
    Process {
        pid: item.pid,
        parent: item.ppid,
        comm: core.map(|core| text(&core.comm)).unwrap_or_default(),
        exe: mm.and_then(|mm| mm.exe_file_id).and_then(|id| path(id, records)),
        uid: core.and_then(|core| core.creds.as_ref()).map(|creds| creds.euid),
        state: state(core),
        threads: item.threads.len(),
        vmas,
        argv: mm.map(|mm| mm.argv.clone()).unwrap_or_default(),
        environ: mm.map(|mm| mm.environ.clone()).unwrap_or_default(),
        cmdline: Vec::new(),
        environ_names: Vec::new(),
    }
}

fn state(core: Option<&Core>) -> &'static str {
    match core.and_then(|core| core.state) {
        Some(TaskState::Alive) => "alive",
        Some(TaskState::Zombie) => "zombie",
        Some(TaskState::Stopped) => "stopped",
        Some(TaskState::Other(_)) | None => "unknown",
    }
}

/// Bytes of Linux as text: what is no UTF-8 is shown as replacement characters.
pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Path of an open file, with what Linux adds for deleted ones.
pub(super) fn path(file_id: u32, records: &Records) -> Option<String> {
    let is_ghost = matches!(records.remaps.get(&file_id), Some(Remap::Ghost(_)));
    Some(file_path(file_id, records)? + if is_ghost { " (deleted)" } else { "" })
}

/// Path of an open file as CRIU names it, or `memfd:` and its name.
pub fn file_path(file_id: u32, records: &Records) -> Option<String> {
    match records.files.get(&file_id)? {
        FileEntry::Regular(file) => Some(text(&file.path)),
        FileEntry::Memfd { inode_id, .. } => {
            let inode = records.memfds.get(inode_id)?;
            Some(format!("memfd:{}", text(&inode.name)))
        }
        FileEntry::Pipe { .. }
        | FileEntry::Fifo { .. }
        | FileEntry::Inet(_)
        | FileEntry::Unix(_)
        | FileEntry::Netlink(_)
        | FileEntry::Packet(_)
        | FileEntry::Tty { .. }
        | FileEntry::BpfMap { .. }
        | FileEntry::Other { .. } => None,
    }
}

fn vma_info(vma: &Vma, mm: &Mm, stacks: &[u64], records: &Records) -> VmaInfo {
    let has = |bits: u32| vma.status & bits != 0;
    let file = || u32::try_from(vma.shmid).ok().and_then(|id| path(id, records));
    let holds = |address: u64| vma.start <= address && address < vma.end;
    let (kind, path) = if has(status::HEAP)
        || (vma.start < mm.brk.end && mm.brk.start < vma.end && mm.brk.start < mm.brk.end)
    {
        (VmaKind::Heap, None)
    } else if holds(mm.stack_start) {
        (VmaKind::Stack, None)
    } else if has(status::VDSO) {
        (VmaKind::Vdso, None)
    } else if has(status::VVAR) {
        (VmaKind::Vvar, None)
    } else if has(status::SYSVIPC) {
        (VmaKind::Shared, Some(format!("sysv:{}", vma.shmid)))
    } else if has(status::MEMFD) {
        (VmaKind::Shared, file())
    } else if has(status::FILE_PRIVATE | status::FILE_SHARED) {
        (VmaKind::File, file())
    } else if has(status::ANON_SHARED) {
        (VmaKind::Shared, Some(format!("shmem:{}", vma.shmid)))
    } else if stacks.iter().any(|pointer| holds(*pointer)) {
        (VmaKind::Stack, None)
    } else if has(status::ANON_PRIVATE) {
        (VmaKind::Anonymous, None)
    } else {
        (VmaKind::Other, None)
    };
    let bit = |bit: u32, letter| if vma.prot & bit != 0 { letter } else { '-' };
    let shared = if vma.flags & 1 != 0 { 's' } else { 'p' };
    let prot = [bit(1, 'r'), bit(2, 'w'), bit(4, 'x'), shared].into_iter().collect();
    let offset = vma.pgoff_bytes;
    VmaInfo { start: vma.start, end: vma.end, kind, prot, offset, path }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(argv: &[u8], environ: &[u8]) -> (Vec<String>, Vec<String>) {
        let item = TreeItem { pid: 1, ppid: 0, pgid: 0, sid: 0, threads: vec![1] };
        let mut process = process(&item, &Records::default());
        process.set_strings(argv, environ);
        let cmdline = process.cmdline.iter().map(|it| text(it.expose())).collect();
        (cmdline, process.environ_names)
    }

    fn found(cmdline: &[&str], names: &[&str]) -> (Vec<String>, Vec<String>) {
        let [cmdline, names] =
            [cmdline, names].map(|list| list.iter().map(|it| (*it).to_owned()).collect());
        (cmdline, names)
    }

    #[test]
    fn arguments_end_in_nul() {
        let strings = strings(b"sh\0-c\0a b\0", b"A=1\0B.C=x=y\0no name\0=z\0D=");
        assert_eq!(strings, found(&["sh", "-c", "a b"], &["A", "B.C", "D"]));
    }

    #[test]
    fn a_title_replaces_the_arguments() {
        assert_eq!(strings(b"nginx: x\0aster", b"A=1\0"), found(&["nginx: x"], &["A"]));
        assert_eq!(strings(b"app: idle", b" now\0"), found(&["app: idle now"], &[]));
    }

    #[test]
    fn the_end_of_a_value_that_a_title_cut_is_no_name() {
        // Before: KEY=c2VjcmV0Cg== and B=2.
        assert_eq!(strings(b"app: idle", b"it\0jcmV0Cg==\0B=2\0"), found(&["app: idleit"], &["B"]));
        assert_eq!(strings(b"app: idle", b"\0EY=c2Vj==\0B=2\0"), found(&["app: idle"], &["B"]));
    }
}
