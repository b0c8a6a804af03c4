//! Open files in words.

use serde::Serialize;

use crate::checkpoint::file_path;
use crate::criu::{Fd, FileEntry, Records, Regular, Remap, file_type};

/// One descriptor of a process.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "dev", derive(schemars::JsonSchema))]
pub struct OpenFile {
    /// Its number.
    pub fd: u32,
    /// `regular`, `directory`, `character-device`, `block-device`, `symlink`, `fifo`, `pipe`, `tty`,
    /// `socket`, `memfd`, `eventfd`, `epoll`, `inotify`, `fanotify`, `signalfd`, `timerfd`, `pidfd`,
    /// `namespace`, `tun`, `external`, `bpf-map`, `unknown`.
    pub kind: &'static str,
    /// Path as the process sees it; of a memfd `memfd:` and its name; `null` for what has none.
    pub path: Option<String>,
    /// Whether the path is gone: the content is in the checkpoint, or in a link that CRIU made.
    pub deleted: bool,
    /// Flags of open(2) by name, the access mode first; empty if not known. Of MIPS only the access
    /// mode is known.
    pub flags: Vec<&'static str>,
    /// Offset of the next read or write.
    pub position: Option<u64>,
    /// Type and permissions as ls(1) shows them: `-rw-r--r--`.
    pub mode: Option<String>,
    /// Bytes of the file; of a pipe or fifo those that wait in it.
    pub size: Option<u64>,
    /// Inode of a pipe, fifo or socket: the same for both ends of a pipe, and that of a socket in
    /// `sockets`.
    pub inode: Option<u32>,
    /// The mount it lies in: an `id` of `mounts`.
    pub mount: Option<u32>,
    /// Whether exec closes it.
    pub close_on_exec: bool,
}

/// What a descriptor leads to.
pub(super) fn open_file(records: &Records, fd: &Fd, machine: u32) -> OpenFile {
    let flags = |bits| flags(bits, machine);
    let mut file = OpenFile {
        fd: fd.fd,
        kind: kind(fd.file_type),
        close_on_exec: fd.close_on_exec,
        ..OpenFile::default()
    };
    let entry = records.files.get(&fd.file_id);
    // A fifo and a terminal have their path from a file of their own.
    let own = match entry {
        Some(FileEntry::Regular(_)) => Some(fd.file_id),
        Some(FileEntry::Fifo { path_id, .. } | FileEntry::Tty { path_id, .. }) => *path_id,
        _ => None,
    };
    if let Some((id, own)) = own.and_then(|id| Some((id, regular(records, id)?))) {
        file.path = file_path(id, records);
        file.deleted = is_deleted(records, id);
        file.mode = own.mode.map(mode);
        file.mount = u32::try_from(own.mnt_id).ok();
        file.flags = flags(own.flags);
    }
    match entry {
        Some(FileEntry::Regular(own)) => {
            file.kind = own.mode.map_or("regular", kind_of_mode);
            file.position = Some(own.pos);
            file.size = own.size;
        }
        Some(FileEntry::Pipe { pipe_id, flags: bits }) => {
            file.flags = flags(*bits);
            file.inode = Some(*pipe_id);
            file.size = records.pipe_bytes.get(pipe_id).copied();
        }
        Some(FileEntry::Fifo { pipe_id, .. }) => {
            file.inode = Some(*pipe_id);
            file.size = records.pipe_bytes.get(pipe_id).copied();
        }
        Some(FileEntry::Inet(socket)) => file.inode = Some(socket.ino),
        Some(FileEntry::Unix(socket)) => file.inode = Some(socket.ino),
        Some(FileEntry::Netlink(socket)) => file.inode = Some(socket.ino),
        Some(FileEntry::Tty { flags: bits, .. }) => file.flags = flags(*bits),
        Some(FileEntry::Memfd { inode_id, flags: bits, pos }) => {
            file.flags = flags(*bits);
            file.position = Some(*pos);
            file.path = file_path(fd.file_id, records);
            file.size = records.memfds.get(inode_id).map(|inode| inode.size);
        }
        Some(FileEntry::Packet(_) | FileEntry::BpfMap { .. } | FileEntry::Other { .. }) | None => {}
    }
    file
}

/// Bytes of Linux as text: what is no UTF-8 is shown as replacement characters.
pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn regular(records: &Records, file_id: u32) -> Option<&Regular> {
    if let FileEntry::Regular(file) = records.files.get(&file_id)? { Some(file) } else { None }
}

fn is_deleted(records: &Records, file_id: u32) -> bool {
    matches!(records.remaps.get(&file_id), Some(Remap::Ghost(_) | Remap::Linked(_)))
}

fn kind(number: u32) -> &'static str {
    match number {
        file_type::REGULAR => "regular",
        file_type::PIPE => "pipe",
        file_type::FIFO => "fifo",
        file_type::INET_SOCKET
        | file_type::UNIX_SOCKET
        | file_type::PACKET_SOCKET
        | file_type::NETLINK_SOCKET => "socket",
        file_type::EVENTFD => "eventfd",
        file_type::EPOLL => "epoll",
        file_type::INOTIFY => "inotify",
        file_type::SIGNALFD => "signalfd",
        file_type::TTY => "tty",
        file_type::FANOTIFY => "fanotify",
        file_type::NAMESPACE => "namespace",
        file_type::TUN => "tun",
        file_type::EXTERNAL => "external",
        file_type::TIMERFD => "timerfd",
        file_type::MEMFD => "memfd",
        file_type::BPF_MAP => "bpf-map",
        file_type::PIDFD => "pidfd",
        _ => "unknown",
    }
}

/// The type in `st_mode`, as stat(2) numbers it: its name and the letter of ls(1).
fn type_of_mode(mode: u32) -> (&'static str, char) {
    match mode & 0o170_000 {
        0o040_000 => ("directory", 'd'),
        0o020_000 => ("character-device", 'c'),
        0o060_000 => ("block-device", 'b'),
        0o010_000 => ("fifo", 'p'),
        0o120_000 => ("symlink", 'l'),
        0o140_000 => ("socket", 's'),
        _ => ("regular", '-'),
    }
}

fn kind_of_mode(mode: u32) -> &'static str {
    type_of_mode(mode).0
}

/// As ls(1): set-user-ID, set-group-ID and sticky take the place of the `x` they stand over.
fn mode(mode: u32) -> String {
    let mut text = String::from(type_of_mode(mode).1);
    for (shift, special, letter) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let bits = mode >> shift;
        text.push(if bits & 4 != 0 { 'r' } else { '-' });
        text.push(if bits & 2 != 0 { 'w' } else { '-' });
        text.push(match (bits & 1 != 0, mode & special != 0) {
            (true, true) => letter,
            (false, true) => letter.to_ascii_uppercase(),
            (true, false) => 'x',
            (false, false) => '-',
        });
    }
    text
}

/// Flags of open(2) in asm-generic/fcntl.h.
const GENERIC: &[(u32, &str)] = &[
    (0o100, "O_CREAT"),
    (0o200, "O_EXCL"),
    (0o400, "O_NOCTTY"),
    (0o1000, "O_TRUNC"),
    (0o2000, "O_APPEND"),
    (0o4000, "O_NONBLOCK"),
    (0o10000, "O_DSYNC"),
    (0o20000, "O_ASYNC"),
    (0o1_000_000, "O_NOATIME"),
    (0o2_000_000, "O_CLOEXEC"),
    (0o4_000_000, "O_SYNC"),
    (0o10_000_000, "O_PATH"),
    (0o20_000_000, "O_TMPFILE"),
];
/// Those that x86, s390, RISC-V and LoongArch number so.
const X86: &[(u32, &str)] = &[
    (0o40_000, "O_DIRECT"),
    (0o100_000, "O_LARGEFILE"),
    (0o200_000, "O_DIRECTORY"),
    (0o400_000, "O_NOFOLLOW"),
];
/// The same of ARM and PowerPC.
const ARM: &[(u32, &str)] = &[
    (0o40_000, "O_DIRECTORY"),
    (0o100_000, "O_NOFOLLOW"),
    (0o200_000, "O_DIRECT"),
    (0o400_000, "O_LARGEFILE"),
];

/// Names of open(2)'s flags; `machine` is a number of [`crate::criu::Core`].
fn flags(bits: u32, machine: u32) -> Vec<&'static str> {
    let access = match bits & 3 {
        0 => "O_RDONLY",
        1 => "O_WRONLY",
        2 => "O_RDWR",
        _ => "O_ACCMODE",
    };
    let (common, own): (&[_], &[_]) = match machine {
        2..=4 => (GENERIC, ARM),
        6 => (&[], &[]),
        _ => (GENERIC, X86),
    };
    let mut names: Vec<(u32, &str)> =
        common.iter().chain(own).filter(|(bit, _)| bits & bit != 0).copied().collect();
    names.sort_unstable();
    std::iter::once(access).chain(names.into_iter().map(|(_, name)| name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_as_ls_shows_them() {
        let cases = [
            (0o100_644, "-rw-r--r--"),
            (0o104_755, "-rwsr-xr-x"),
            (0o102_644, "-rw-r-Sr--"),
            (0o041_777, "drwxrwxrwt"),
            (0o020_620, "crw--w----"),
        ];
        for (bits, expected) in cases {
            assert_eq!(mode(bits), expected);
        }
    }

    #[test]
    fn flags_are_those_of_the_architecture() {
        assert_eq!(flags(0o102_001, 1), ["O_WRONLY", "O_APPEND", "O_LARGEFILE"]);
        assert_eq!(flags(0o240_000, 1), ["O_RDONLY", "O_DIRECT", "O_DIRECTORY"]);
        assert_eq!(flags(0o240_000, 3), ["O_RDONLY", "O_DIRECTORY", "O_DIRECT"]);
        assert_eq!(flags(0o240_002, 6), ["O_RDWR"]);
    }
}
