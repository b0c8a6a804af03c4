//! Joins descriptors to files, within a bound: processes that share a table list it once each, and a
//! path may be long, so a small hostile image could ask for very long lists.

use std::collections::BTreeMap;

use super::files::{self, OpenFile};
use super::sockets::Opener;
use crate::checkpoint::file_path;
use crate::criu::{FsInfo, Records};

/// Bytes that lists of a target may take, counted roughly.
#[derive(Debug)]
pub(super) struct Room {
    left: usize,
    is_full: bool,
}

impl Room {
    pub(super) fn new(bytes: usize) -> Self {
        Self { left: bytes, is_full: false }
    }

    /// Takes room for a value and a string of it; `None` when no room is left.
    pub(super) fn take<T>(&mut self, string: usize) -> Option<()> {
        let left = self.left.checked_sub(size_of::<T>().saturating_add(string));
        match left {
            Some(left) => self.left = left,
            None => self.is_full = true,
        }
        left.map(drop)
    }

    /// Whether something was left out.
    pub(super) fn is_full(&self) -> bool {
        self.is_full
    }
}

/// The descriptor tables of a checkpoint.
#[derive(Debug)]
pub(super) struct Tables<'a> {
    records: &'a Records,
    /// As [`crate::criu::Core::machine`].
    machine: u32,
    /// Who has the sockets open that were listed, by file id.
    openers: BTreeMap<u32, Vec<Opener>>,
}

impl<'a> Tables<'a> {
    pub(super) fn new(records: &'a Records) -> Self {
        let machine = records.cores.values().map(|core| core.machine).find(|it| *it != 0);
        Self { records, machine: machine.unwrap_or(0), openers: BTreeMap::new() }
    }

    /// A folder of a process.
    pub(super) fn folder(&self, pid: u32, which: fn(&FsInfo) -> u32) -> Option<String> {
        file_path(which(self.records.fs.get(&pid)?), self.records)
    }

    /// The open files of a process, by descriptor; `None` if the checkpoint does not hold its table,
    /// or there is no room for it.
    pub(super) fn files(&mut self, pid: u32, room: &mut Room) -> Option<Vec<OpenFile>> {
        let per_id = self.records.inventory.as_ref().is_none_or(|it| it.fdinfo_per_id);
        let ids = self.records.ids.get(&pid).filter(|_| per_id);
        let table = self.records.fdinfo.get(&ids.map_or(pid, |ids| ids.files_id))?;
        let mut list = Vec::new();
        for fd in table {
            let file = files::open_file(self.records, fd, self.machine);
            room.take::<OpenFile>(file.path.as_ref().map_or(0, String::len))?;
            if file.kind == "socket" {
                let opener = Opener { pid, fd: fd.fd };
                self.openers.entry(fd.file_id).or_default().push(opener);
            }
            list.push(file);
        }
        list.sort_by_key(|file| file.fd);
        Some(list)
    }

    /// Who has a socket open, by pid and descriptor, among the processes whose files were listed.
    pub(super) fn openers(&mut self, file_id: u32) -> Vec<Opener> {
        let mut openers = self.openers.remove(&file_id).unwrap_or_default();
        openers.sort_unstable();
        openers
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::criu::{Fd, FileEntry, Ids, Regular, file_type};

    #[test]
    fn a_table_that_many_share_is_listed_within_bounds() {
        let mut records = Records::default();
        let path = vec![b'x'; 1000];
        records.files.insert(1, FileEntry::Regular(Regular { path, ..Regular::default() }));
        let fd = |fd| Fd { fd, file_id: 1, file_type: file_type::REGULAR, close_on_exec: false };
        records.fdinfo.insert(5, (0..100).rev().map(fd).collect());
        for pid in 1..=1000 {
            records.ids.insert(pid, Ids { files_id: 5, ..Ids::default() });
        }
        let mut room = Room::new(1 << 20);
        let mut tables = Tables::new(&records);
        let lists: Vec<_> = (1..=1000).map(|pid| tables.files(pid, &mut room)).collect();
        let listed = lists.iter().flatten().count();
        assert!((1..20).contains(&listed), "{listed}");
        assert!(room.is_full());
        let fds: Vec<u32> = lists[0].iter().flatten().map(|file| file.fd).collect();
        assert_eq!(fds, (0..100).collect::<Vec<u32>>());
        assert_eq!(Tables::new(&records).files(1001, &mut Room::new(1 << 20)), None);
    }
}
