//! Kernel objects: the layout of what they held, and what they are and who has them open.

use std::collections::BTreeMap;

use crate::criu::{Contents, FileEntry, InetSocket, Object, Records, Remap, UnixSocket, status};
use crate::region::{Form, Holder, HolderKind, Piece, RegionKind, Space};

use super::process::text;

/// Who has one object open, and as what; more are not told.
pub(super) const OPENERS: usize = 1024;
/// The same of all objects of a checkpoint: processes that share a table have it open once each.
pub(super) const ALL_OPENERS: usize = 1 << 18;

/// What a kernel object is, and who has it open.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KernelObject {
    /// Path of a FIFO, a terminal or a deleted file, as the container sees it.
    pub path: Option<String>,
    /// What a socket connects.
    pub connection: Option<Connection>,
    /// Who has it open, by pid and end.
    pub open_by: Vec<Opener>,
}

/// What a socket connects: addresses with ports, or names of unix sockets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// `tcp` or `unix`.
    pub protocol: &'static str,
    /// Its own side.
    pub local: Option<String>,
    /// The other side.
    pub remote: Option<String>,
}

/// A process that has an object open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Opener {
    /// The process.
    pub pid: u32,
    /// Which end of a pipe or FIFO it has.
    pub end: Option<End>,
    /// Its lowest descriptor of it; `None` where it maps or executes it only.
    pub fd: Option<u32>,
}

/// An end of a pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// For reading.
    Read,
    /// For writing.
    Write,
    /// For both.
    Both,
}

impl End {
    /// By the access mode of open(2), which is the same on all architectures.
    fn of(flags: u32) -> Self {
        match flags & 3 {
            0 => Self::Read,
            1 => Self::Write,
            _ => Self::Both,
        }
    }
}

/// Holder and kind of region of an object; `ordinal` numbers images of the same name.
fn holder_of(object: Object, set: u64, ordinal: u32) -> (Holder, RegionKind) {
    use HolderKind as Kind;
    let (kind, id, region) = match object {
        Object::Pipe(id) => (Kind::Pipe, id.into(), RegionKind::Pipe),
        Object::Fifo(id) => (Kind::Fifo, id.into(), RegionKind::Fifo),
        Object::UnixQueue(id) => (Kind::UnixQueue, id.into(), RegionKind::SocketQueue),
        Object::TcpReceived(id) => (Kind::TcpReceived, id.into(), RegionKind::TcpQueue),
        Object::TcpSent(id) => (Kind::TcpSent, id.into(), RegionKind::TcpQueue),
        Object::Tty(id) => (Kind::Tty, id.into(), RegionKind::Tty),
        Object::Messages(ns, id) => {
            let id = u64::from(ns) << 32 | u64::from(id);
            (Kind::SysvMessages, id, RegionKind::SysvMessage)
        }
        Object::Segment(id) => (Kind::Segment, id.into(), RegionKind::SysvShm),
        Object::BpfMap(id) => (Kind::BpfMap, id.into(), RegionKind::BpfMap),
        Object::Ghost(id) => (Kind::Ghost, id.into(), RegionKind::GhostFile),
    };
    (Holder { set, kind, id, ordinal }, region)
}

/// Whether what an object holds is one stream, in whatever pieces it came.
fn is_stream(object: Object, records: &Records) -> bool {
    const STREAM: u32 = 1;
    let Object::UnixQueue(id) = object else { return false };
    let socket = records.files.get(&id);
    matches!(socket, Some(FileEntry::Unix(socket)) if socket.socket_type == STREAM)
}

/// Lays out the contents of an image, an object a space. Messages stay apart, packets of a stream are
/// neighbours.
pub(super) fn lay_out(
    contents: &Contents,
    set: u64,
    ordinal: u32,
    records: &Records,
) -> Vec<Space> {
    let mut spaces: BTreeMap<Holder, Space> = BTreeMap::new();
    for content in &contents.contents {
        let (holder, kind) = holder_of(content.object, set, ordinal);
        let space = spaces.entry(holder).or_insert_with(|| {
            let mut space = Space::file(holder, kind, 0);
            space.pieces.clear();
            space
        });
        let last = space.pieces.last().map_or(0, |piece| piece.at.saturating_add(piece.len));
        let at = if is_stream(content.object, records) {
            last
        } else {
            // In the image a record lies between any two of them.
            content.at.unwrap_or(content.offset)
        };
        // Two segments under one number: what comes later lies behind the other, and apart.
        let at = if at < last { last.saturating_add(1) } else { at };
        let (len, offset) = (content.len, content.offset);
        space.pieces.push(Piece { at, len, layer: 0, image: 0, offset, form: Form::Raw });
    }
    spaces.into_values().collect()
}

/// Says of each object in `holders` what it is and who has it open, and whether that is all.
pub(super) fn describe<'a>(
    holders: impl Iterator<Item = &'a Holder>,
    records: &Records,
) -> (BTreeMap<Holder, KernelObject>, bool) {
    let mut objects: BTreeMap<Holder, KernelObject> = holders
        .filter(|holder| holder.kind.is_kernel())
        .map(|holder| (*holder, KernelObject::default()))
        .collect();
    let mut by_id: BTreeMap<(HolderKind, u64), Vec<Holder>> = BTreeMap::new();
    for holder in objects.keys() {
        by_id.entry((holder.kind, holder.id)).or_default().push(*holder);
    }
    let mut files: BTreeMap<u32, Vec<(Holder, Option<End>)>> = BTreeMap::new();
    let names = Names::of(records);
    for (file_id, file) in &records.files {
        for (kind, id, end, path, connection) in names.objects(*file_id, file) {
            for holder in by_id.get(&(kind, id)).into_iter().flatten() {
                files.entry(*file_id).or_default().push((*holder, end));
                if let Some(object) = objects.get_mut(holder) {
                    // The first file that leads to it names it.
                    object.path = object.path.take().or_else(|| path.clone());
                    object.connection = object.connection.take().or_else(|| connection.clone());
                }
            }
        }
    }
    let is_all = openers(&files, records, &mut objects);
    for object in objects.values_mut() {
        object.open_by.sort_unstable();
    }
    (objects, is_all)
}

/// An object that a file leads to: kind, id, which end of it, its path, what it connects.
type Named = (HolderKind, u64, Option<End>, Option<String>, Option<Connection>);

/// What names files.
struct Names<'a> {
    records: &'a Records,
    /// Unix sockets by inode, which is how they name the other end.
    unix: BTreeMap<u32, &'a UnixSocket>,
}

impl<'a> Names<'a> {
    fn of(records: &'a Records) -> Self {
        let unix = records.files.values().filter_map(|file| {
            if let FileEntry::Unix(socket) = file { Some((socket.ino, socket)) } else { None }
        });
        Self { records, unix: unix.collect() }
    }

    fn objects(&self, file_id: u32, file: &FileEntry) -> Vec<Named> {
        let path = |id: &Option<u32>| {
            let file = self.records.files.get(&(*id)?)?;
            let FileEntry::Regular(file) = file else { return None };
            Some((text(&file.path), file.flags))
        };
        let mut objects: Vec<Named> = match file {
            FileEntry::Pipe { pipe_id, flags } => {
                vec![(HolderKind::Pipe, (*pipe_id).into(), Some(End::of(*flags)), None, None)]
            }
            FileEntry::Fifo { pipe_id, path_id } => {
                let (path, end) = match path(path_id) {
                    Some((path, flags)) => (Some(path), Some(End::of(flags))),
                    None => (None, None),
                };
                vec![(HolderKind::Fifo, (*pipe_id).into(), end, path, None)]
            }
            FileEntry::Unix(socket) => {
                let connection = Some(self.unix(socket));
                vec![(HolderKind::UnixQueue, socket.id.into(), None, None, connection)]
            }
            FileEntry::Inet(socket) => {
                let of = |kind| (kind, socket.ino.into(), None, None, Some(tcp(socket)));
                vec![of(HolderKind::TcpReceived), of(HolderKind::TcpSent)]
            }
            FileEntry::Tty { info_id, path_id, .. } => {
                let path = path(path_id).map(|(path, _)| path);
                vec![(HolderKind::Tty, (*info_id).into(), None, path, None)]
            }
            FileEntry::BpfMap { map_id } => {
                vec![(HolderKind::BpfMap, (*map_id).into(), None, None, None)]
            }
            FileEntry::Regular(_)
            | FileEntry::Netlink(_)
            | FileEntry::Packet(_)
            | FileEntry::Memfd { .. }
            | FileEntry::Other { .. } => Vec::new(),
        };
        if let Some(Remap::Ghost(ghost)) = self.records.remaps.get(&file_id) {
            let path = path(&Some(file_id)).map(|(path, _)| path);
            objects.push((HolderKind::Ghost, (*ghost).into(), None, path, None));
        }
        objects
    }

    fn unix(&self, socket: &UnixSocket) -> Connection {
        let peer = self.unix.get(&socket.peer).filter(|_| socket.peer != 0);
        Connection {
            protocol: "unix",
            local: unix_name(socket),
            remote: peer.and_then(|peer| unix_name(peer)),
        }
    }
}

fn tcp(socket: &InetSocket) -> Connection {
    Connection {
        protocol: "tcp",
        local: socket.local.map(|address| address.to_string()),
        remote: socket.remote.map(|address| address.to_string()),
    }
}

/// The name of a unix socket, with `@` for the NUL that begins an abstract one.
fn unix_name(socket: &UnixSocket) -> Option<String> {
    match socket.name.split_first()? {
        (0, name) => Some(format!("@{}", text(name))),
        _ => Some(text(&socket.name)),
    }
}

/// Adds who has the objects open, maps or executes them; gives whether there was room for all.
fn openers(
    files: &BTreeMap<u32, Vec<(Holder, Option<End>)>>,
    records: &Records,
    objects: &mut BTreeMap<Holder, KernelObject>,
) -> bool {
    let per_id = records.inventory.as_ref().is_none_or(|inventory| inventory.fdinfo_per_id);
    let mut tables: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    let tasks = records.tree.iter().map(|item| item.pid).chain(records.ids.keys().copied());
    for pid in tasks.collect::<std::collections::BTreeSet<u32>>() {
        let ids = records.ids.get(&pid).filter(|_| per_id);
        tables.entry(ids.map_or(pid, |ids| ids.files_id)).or_default().push(pid);
    }
    let mut room = Room { left: ALL_OPENERS, is_all: true };
    for (table, pids) in tables {
        let mut open: BTreeMap<(Holder, Option<End>), u32> = BTreeMap::new();
        for fd in records.fdinfo.get(&table).into_iter().flatten() {
            for key in files.get(&fd.file_id).into_iter().flatten() {
                let lowest = open.entry(*key).or_insert(fd.fd);
                *lowest = fd.fd.min(*lowest);
            }
        }
        for ((holder, end), fd) in open {
            for pid in &pids {
                if !room.add(objects, holder, Opener { pid: *pid, end, fd: Some(fd) }) {
                    break;
                }
            }
        }
    }
    for (pid, mm) in &records.mms {
        let mapped = mm
            .vmas
            .iter()
            .filter(|vma| vma.status & (status::FILE_PRIVATE | status::FILE_SHARED) != 0);
        let mapped = mapped.filter_map(|vma| u32::try_from(vma.shmid).ok());
        let mut seen = std::collections::BTreeSet::new();
        for file in mapped.chain(mm.exe_file_id) {
            for (holder, _) in files.get(&file).into_iter().flatten() {
                let is_open =
                    |object: &KernelObject| object.open_by.iter().any(|it| it.pid == *pid);
                if seen.insert(*holder) && !objects.get(holder).is_some_and(is_open) {
                    room.add(objects, *holder, Opener { pid: *pid, end: None, fd: None });
                }
            }
        }
    }
    room.is_all
}

/// How many openers may be told.
struct Room {
    left: usize,
    is_all: bool,
}

impl Room {
    /// Adds an opener; `false` when the object has no room for more.
    fn add(
        &mut self,
        objects: &mut BTreeMap<Holder, KernelObject>,
        holder: Holder,
        opener: Opener,
    ) -> bool {
        let Some(object) = objects.get_mut(&holder) else { return false };
        let left = self.left.checked_sub(1).filter(|_| object.open_by.len() < OPENERS);
        match left {
            Some(left) => {
                self.left = left;
                object.open_by.push(opener);
            }
            None => self.is_all = false,
        }
        left.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::criu::{Content, Fd, Ids, file_type};

    fn unix(id: u32, socket_type: u32, peer: u32, name: &[u8]) -> FileEntry {
        FileEntry::Unix(UnixSocket {
            id,
            ino: id,
            socket_type,
            state: 1,
            peer,
            name: name.to_vec(),
            folder: None,
            deleted: false,
            net_ns: None,
        })
    }

    fn contents(list: &[(Object, Option<u64>, u64, u64)]) -> Contents {
        let content = |&(object, at, offset, len)| Content { object, at, offset, len };
        Contents { contents: list.iter().map(content).collect(), end: 0, fault: None }
    }

    fn regions(space: &Space) -> Vec<std::ops::Range<u64>> {
        space.regions().into_iter().map(|region| region.range).collect()
    }

    #[test]
    fn packets_of_a_stream_are_one_region_and_datagrams_are_not() {
        let mut records = Records::default();
        for (id, socket_type) in [(1, 1), (2, 2), (3, 5)] {
            records.files.insert(id, unix(id, socket_type, 0, b""));
        }
        // In turns, as packets of two sockets may come; nothing is known of socket 4.
        let list: Vec<_> = (1..=4)
            .chain(1..=4)
            .zip(0..)
            .map(|(id, at)| (Object::UnixQueue(id), None, 20 + at * 20, 10))
            .collect();
        let spaces = lay_out(&contents(&list), 9, 0, &records);
        let counts: Vec<_> =
            spaces.iter().map(|space| (space.holder.id, regions(space).len())).collect();
        assert_eq!(counts, [(1, 1), (2, 2), (3, 2), (4, 2)]);
        assert_eq!(regions(&spaces[0]).first(), Some(&(0..20)));
        // The second packet lies where it lies.
        assert_eq!(spaces[0].image_offset(12), Some(((0, 0), 20 + 4 * 20 + 2, None)));
    }

    #[test]
    fn pipes_of_one_number_in_two_images_are_two_holders() {
        let list = contents(&[(Object::Pipe(7), None, 20, 5), (Object::Pipe(7), None, 40, 5)]);
        let first = lay_out(&list, 9, 0, &Records::default());
        let second = lay_out(&list, 9, 1, &Records::default());
        assert_eq!(regions(&first[0]), [20..25, 40..45]);
        assert_ne!(first[0].holder, second[0].holder);
    }

    fn records() -> Records {
        let mut records = Records::default();
        let fd = |fd, file_id| Fd { fd, file_id, file_type: file_type::PIPE, close_on_exec: false };
        records.files.insert(1, FileEntry::Pipe { pipe_id: 7, flags: 0 });
        records.files.insert(2, FileEntry::Pipe { pipe_id: 7, flags: 1 });
        records.files.insert(3, unix(3, 1, 4, b"\0bus"));
        records.files.insert(4, unix(4, 1, 3, b"/run/bus.sock"));
        records.fdinfo.insert(5, vec![fd(9, 2), fd(8, 2), fd(3, 1)]);
        records.fdinfo.insert(6, vec![fd(4, 3)]);
        for (pid, files_id) in [(10, 5), (11, 5), (12, 6)] {
            records.ids.insert(pid, Ids { files_id, ..Ids::default() });
        }
        records
    }

    fn holder(kind: HolderKind, id: u64) -> Holder {
        Holder { set: 9, kind, id, ordinal: 0 }
    }

    #[test]
    fn an_object_knows_who_has_which_end_open() {
        let pipe = holder(HolderKind::Pipe, 7);
        let (objects, is_all) = describe([pipe].iter(), &records());
        let open: Vec<_> =
            objects[&pipe].open_by.iter().map(|it| (it.pid, it.end, it.fd)).collect();
        let (read, write) = (Some(End::Read), Some(End::Write));
        assert_eq!(
            open,
            [(10, read, Some(3)), (10, write, Some(8)), (11, read, Some(3)), (11, write, Some(8))]
        );
        assert!(is_all);
    }

    #[test]
    fn a_queue_knows_both_ends_by_name() {
        let queue = holder(HolderKind::UnixQueue, 3);
        let (objects, _) = describe([queue].iter(), &records());
        let (local, remote) = (Some("@bus".to_owned()), Some("/run/bus.sock".to_owned()));
        let connection = Connection { protocol: "unix", local, remote };
        assert_eq!(objects[&queue].connection, Some(connection));
        assert_eq!(objects[&queue].open_by.iter().map(|it| it.pid).collect::<Vec<_>>(), [12]);
    }

    #[test]
    fn a_table_that_many_share_is_told_within_bounds() {
        let mut records = records();
        for pid in 100..3000 {
            records.ids.insert(pid, Ids { files_id: 5, ..Ids::default() });
        }
        let pipe = holder(HolderKind::Pipe, 7);
        let (objects, is_all) = describe([pipe].iter(), &records);
        assert_eq!((objects[&pipe].open_by.len(), is_all), (OPENERS, false));
    }
}
