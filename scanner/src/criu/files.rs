//! files.img and the images it replaced, fdinfo-N.img, fs-PID.img, remap-fpath.img: open files.

use cryoscan_proto as proto;
use cryoscan_proto::{FdinfoEntry, FsEntry, RemapFilePathEntry};
use prost::Message;

use super::sockets::{InetSocket, NetlinkSocket, PacketSocket, UnixSocket};
use super::{Image, ImageError, Key, Records};

/// Numbers of file types (criu/images/fdinfo.proto, `fd_types`).
pub mod file_type {
    #![expect(missing_docs, reason = "the names are the documentation")]
    pub const REGULAR: u32 = 1;
    pub const PIPE: u32 = 2;
    pub const FIFO: u32 = 3;
    pub const INET_SOCKET: u32 = 4;
    pub const UNIX_SOCKET: u32 = 5;
    pub const EVENTFD: u32 = 6;
    pub const EPOLL: u32 = 7;
    pub const INOTIFY: u32 = 8;
    pub const SIGNALFD: u32 = 9;
    pub const PACKET_SOCKET: u32 = 10;
    pub const TTY: u32 = 11;
    pub const FANOTIFY: u32 = 12;
    pub const NETLINK_SOCKET: u32 = 13;
    pub const NAMESPACE: u32 = 14;
    pub const TUN: u32 = 15;
    pub const EXTERNAL: u32 = 16;
    pub const TIMERFD: u32 = 17;
    pub const MEMFD: u32 = 18;
    pub const BPF_MAP: u32 = 19;
    pub const PIDFD: u32 = 20;
}

/// An open file; several descriptors, also of several processes, may share it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileEntry {
    /// A file with a path.
    Regular(Regular),
    /// One end of a pipe.
    Pipe {
        /// Same for both ends.
        pipe_id: u32,
        /// Flags of open(2); bit 0 is the end for writing.
        flags: u32,
    },
    /// A named pipe.
    Fifo {
        /// Same for all who have it open.
        pipe_id: u32,
        /// File id of its path.
        path_id: Option<u32>,
    },
    /// An IPv4 or IPv6 socket.
    Inet(InetSocket),
    /// A unix socket.
    Unix(UnixSocket),
    /// A socket to the kernel.
    Netlink(NetlinkSocket),
    /// A socket below IP.
    Packet(PacketSocket),
    /// A memfd, or shared memory without a name.
    Memfd {
        /// Key into [`Records::memfds`].
        inode_id: u64,
        /// Flags of open(2).
        flags: u32,
        /// Offset of the next read or write.
        pos: u64,
    },
    /// A terminal.
    Tty {
        /// Number that tty-data.img refers to.
        info_id: u32,
        /// Flags of open(2).
        flags: u32,
        /// File id of its path.
        path_id: Option<u32>,
    },
    /// A BPF map.
    BpfMap {
        /// Its number in the kernel, which bpfmap-data.img refers to.
        map_id: u32,
    },
    /// Anything else; also a file whose description is missing.
    Other {
        /// A number of [`file_type`], or one that is newer.
        file_type: u32,
    },
}

/// A file with a path: also a directory or device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Regular {
    /// Path as the container sees it. A deleted file has one too, see [`Records::remaps`].
    pub path: Vec<u8>,
    /// Type and permissions, as `st_mode` of stat(2).
    pub mode: Option<u32>,
    /// Bytes.
    pub size: Option<u64>,
    /// Mount it lies in; -1: not known.
    pub mnt_id: i32,
    /// Offset of the next read or write.
    pub pos: u64,
    /// Flags of open(2), as numbered on the dumping architecture; the low two bits are the access
    /// mode everywhere.
    pub flags: u32,
}

/// A descriptor of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fd {
    /// Its number.
    pub fd: u32,
    /// Key into [`Records::files`].
    pub file_id: u32,
    /// A number of [`file_type`].
    pub file_type: u32,
    /// Whether exec closes it.
    pub close_on_exec: bool,
}

/// Where a process stands in the file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FsInfo {
    /// File id of the working directory.
    pub cwd_id: u32,
    /// File id of the root.
    pub root_id: u32,
}

/// How an open file without a path is brought back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remap {
    /// Deleted: its content is ghost-file-ID.img, in hex.
    Ghost(u32),
    /// Deleted: CRIU gave it a new path, that of this file id.
    Linked(u32),
    /// A file of /proc of the process with this pid.
    Procfs(u32),
}

pub(super) fn files(
    image: &mut Image<'_>,
    _: Key,
    records: &mut Records,
) -> Result<(), ImageError> {
    image.each(|entry: proto::FileEntry| {
        let (id, file_type) = (entry.id(), entry.r#type());
        let file = match file_type {
            file_type::REGULAR => entry.reg.map(FileEntry::from),
            file_type::PIPE => entry.pipe.map(FileEntry::from),
            file_type::FIFO => entry.fifo.map(FileEntry::from),
            file_type::INET_SOCKET => entry.isk.map(FileEntry::from),
            file_type::UNIX_SOCKET => entry.usk.map(FileEntry::from),
            file_type::NETLINK_SOCKET => entry.nlsk.map(FileEntry::from),
            file_type::PACKET_SOCKET => entry.psk.map(FileEntry::from),
            file_type::MEMFD => entry.memfd.map(FileEntry::from),
            file_type::TTY => entry.tty.map(FileEntry::from),
            file_type::BPF_MAP => entry.bpf.map(FileEntry::from),
            _ => None,
        };
        records.files.entry(id).or_insert(file.unwrap_or(FileEntry::Other { file_type }));
    })
}

/// An image of one type of files: reg-files.img, inetsk.img and others before CRIU 3.4.
pub(super) fn of_type<M: Message + Default + Described>(
    image: &mut Image<'_>,
    _: Key,
    records: &mut Records,
) -> Result<(), ImageError> {
    image.each(|entry: M| {
        records.files.entry(entry.file_id()).or_insert_with(|| entry.into());
    })
}

/// An image of files of a type that we know no more of than its number.
pub(super) fn other<const FILE_TYPE: u32>(
    image: &mut Image<'_>,
    _: Key,
    records: &mut Records,
) -> Result<(), ImageError> {
    image.each(|entry: proto::FileIdEntry| {
        let file = FileEntry::Other { file_type: FILE_TYPE };
        records.files.entry(entry.id()).or_insert(file);
    })
}

pub(super) fn fdinfo(
    image: &mut Image<'_>,
    id: Key,
    records: &mut Records,
) -> Result<(), ImageError> {
    let mut table = Vec::new();
    let result = image.each(|entry: FdinfoEntry| {
        let (fd, file_id, file_type) = (entry.fd(), entry.id(), entry.r#type());
        table.push(Fd { fd, file_id, file_type, close_on_exec: entry.flags() & 1 != 0 });
    });
    records.fdinfo.entry(id).or_insert(table);
    result
}

pub(super) fn fs(image: &mut Image<'_>, pid: Key, records: &mut Records) -> Result<(), ImageError> {
    let entry: FsEntry = image.required()?;
    let info = FsInfo { cwd_id: entry.cwd_id(), root_id: entry.root_id() };
    records.fs.entry(pid).or_insert(info);
    Ok(())
}

pub(super) fn remaps(
    image: &mut Image<'_>,
    _: Key,
    records: &mut Records,
) -> Result<(), ImageError> {
    /// Marks a ghost in images that give no type.
    const GHOST: u32 = 1 << 31;
    image.each(|entry: RemapFilePathEntry| {
        let id = entry.remap_id();
        let remap = match entry.remap_type {
            None if id & GHOST != 0 => Remap::Ghost(id & !GHOST),
            None | Some(0) => Remap::Linked(id),
            Some(1) => Remap::Ghost(id),
            Some(2) => Remap::Procfs(id),
            Some(_) => return,
        };
        records.remaps.entry(entry.orig_id()).or_insert(remap);
    })
}

/// A message that describes a file.
pub(super) trait Described: Into<FileEntry> {
    /// Key into [`Records::files`].
    fn file_id(&self) -> u32;
}

macro_rules! described {
    ($($message:ident),*) => {
        $(impl Described for proto::$message {
            fn file_id(&self) -> u32 {
                self.id()
            }
        })*
    };
}
described!(RegFileEntry, PipeEntry, FifoEntry, TtyFileEntry, BpfmapFileEntry);
described!(InetSkEntry, UnixSkEntry, NetlinkSkEntry, PacketSockEntry);

impl From<proto::RegFileEntry> for FileEntry {
    fn from(entry: proto::RegFileEntry) -> Self {
        Self::Regular(Regular {
            mode: entry.mode,
            size: entry.size,
            mnt_id: entry.mnt_id(),
            pos: entry.pos(),
            flags: entry.flags(),
            path: entry.name.unwrap_or_default(),
        })
    }
}

impl From<proto::PipeEntry> for FileEntry {
    fn from(entry: proto::PipeEntry) -> Self {
        Self::Pipe { pipe_id: entry.pipe_id(), flags: entry.flags() }
    }
}

impl From<proto::FifoEntry> for FileEntry {
    fn from(entry: proto::FifoEntry) -> Self {
        Self::Fifo { pipe_id: entry.pipe_id(), path_id: entry.regf_id }
    }
}

impl From<proto::InetSkEntry> for FileEntry {
    fn from(entry: proto::InetSkEntry) -> Self {
        Self::Inet(InetSocket::from(&entry))
    }
}

impl From<proto::UnixSkEntry> for FileEntry {
    fn from(entry: proto::UnixSkEntry) -> Self {
        Self::Unix(entry.into())
    }
}

impl From<proto::NetlinkSkEntry> for FileEntry {
    fn from(entry: proto::NetlinkSkEntry) -> Self {
        Self::Netlink(entry.into())
    }
}

impl From<proto::PacketSockEntry> for FileEntry {
    fn from(entry: proto::PacketSockEntry) -> Self {
        Self::Packet(entry.into())
    }
}

impl From<proto::MemfdFileEntry> for FileEntry {
    fn from(entry: proto::MemfdFileEntry) -> Self {
        let inode_id = entry.inode_id().into();
        Self::Memfd { inode_id, flags: entry.flags(), pos: entry.pos() }
    }
}

impl From<proto::BpfmapFileEntry> for FileEntry {
    fn from(entry: proto::BpfmapFileEntry) -> Self {
        Self::BpfMap { map_id: entry.map_id() }
    }
}

impl From<proto::TtyFileEntry> for FileEntry {
    fn from(entry: proto::TtyFileEntry) -> Self {
        let info_id = entry.tty_info_id();
        Self::Tty { info_id, flags: entry.flags(), path_id: entry.regf_id }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::criu::sample::{decoded, read, single};

    fn regular(id: u32) -> proto::RegFileEntry {
        proto::RegFileEntry {
            id: Some(id),
            name: Some(b"/srv/caf\xe9".to_vec()), // Latin-1: a path need not be UTF-8.
            mode: Some(0o100_600),
            size: Some(12),
            ..Default::default()
        }
    }

    #[test]
    fn one_union_or_an_image_for_each_type() {
        let fifo = proto::FifoEntry { id: Some(2), pipe_id: Some(9), regf_id: Some(1) };
        let of = |file_type, id| proto::FileEntry {
            r#type: Some(file_type),
            id: Some(id),
            ..Default::default()
        };
        let union = [
            proto::FileEntry { reg: Some(regular(1)), ..of(file_type::REGULAR, 1) },
            proto::FileEntry { fifo: Some(fifo), ..of(file_type::FIFO, 2) },
            of(file_type::EVENTFD, 3),
        ];
        let new = read("files.img", &union.map(|entry| entry.encode_to_vec()));

        let mut old = read("reg-files.img", &[regular(1).encode_to_vec()]).files;
        old.append(&mut read("fifo.img", &[fifo.encode_to_vec()]).files);
        let id = proto::FileIdEntry { id: Some(3) };
        old.append(&mut read("eventfd.img", &[id.encode_to_vec()]).files);
        assert_eq!(new.files, old);

        let FileEntry::Regular(file) = &new.files[&1] else { panic!("a regular file") };
        assert_eq!((file.path.as_slice(), file.mnt_id), (&b"/srv/caf\xe9"[..], -1));
        assert_eq!(new.files[&2], FileEntry::Fifo { pipe_id: 9, path_id: Some(1) });
        assert_eq!(new.files[&3], FileEntry::Other { file_type: file_type::EVENTFD });
    }

    #[test]
    fn the_first_of_two_files_of_one_id_stays() {
        let pipe = |pipe_id| proto::PipeEntry { id: Some(1), pipe_id: Some(pipe_id), flags: None };
        let records = read("pipes.img", &[pipe(5).encode_to_vec(), pipe(6).encode_to_vec()]);
        assert_eq!(records.files[&1], FileEntry::Pipe { pipe_id: 5, flags: 0 });
    }

    #[test]
    fn a_type_without_its_description() {
        let memfd = proto::FileEntry { r#type: Some(18), id: Some(1), ..Default::default() };
        let records = single("files.img", &memfd);
        assert_eq!(records.files[&1], FileEntry::Other { file_type: file_type::MEMFD });
    }

    #[test]
    fn descriptors_and_folders() {
        let entry = FdinfoEntry { id: Some(51), flags: Some(1), r#type: Some(2), fd: Some(3) };
        let fd = Fd { fd: 3, file_id: 51, file_type: file_type::PIPE, close_on_exec: true };
        assert_eq!(single("fdinfo-2.img", &entry).fdinfo[&2], [fd]);
        let entry = FsEntry { cwd_id: Some(5), root_id: Some(6), umask: None };
        assert_eq!(single("fs-1.img", &entry).fs[&1], FsInfo { cwd_id: 5, root_id: 6 });
    }

    #[test]
    fn remaps_of_every_age() {
        // The head of a remap-fpath.img of CRIU 4.2: file 51 is ghost-file-1.img.
        let data = b"\x19\x43\x56\x54\x54\x39\x13\x59\x06\0\0\0\x08\x33\x10\x01\x18\x01";
        let records = decoded("remap-fpath.img", data).expect("a good image");
        assert_eq!(records.remaps[&51], Remap::Ghost(1));
        let cases = [
            (None, 7, Some(Remap::Linked(7))),
            (None, 1 << 31 | 7, Some(Remap::Ghost(7))),
            (Some(0), 7, Some(Remap::Linked(7))),
            (Some(2), 7, Some(Remap::Procfs(7))),
            (Some(9), 7, None),
        ];
        for (remap_type, remap_id, expected) in cases {
            let entry =
                RemapFilePathEntry { orig_id: Some(1), remap_id: Some(remap_id), remap_type };
            assert_eq!(single("remap-fpath.img", &entry).remaps.get(&1), expected.as_ref());
        }
    }
}
