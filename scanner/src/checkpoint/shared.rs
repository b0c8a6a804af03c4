//! Shared segments: joined from the mappings and the descriptors of all processes.

use std::collections::BTreeMap;

use super::kernel::{ALL_OPENERS, OPENERS};
use super::{Mapping, Shared, process};
use crate::criu::{FileEntry, Records, status};
use crate::region::RegionKind;

/// The shared segments: what they are, who maps them and who has them open; and whether that is all
/// who have them open.
pub(super) fn shared(records: &Records) -> (BTreeMap<u32, Shared>, bool) {
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
    let (mut left, mut is_all) = (ALL_OPENERS, true);
    for (pid, ids) in &records.ids {
        let open = tables.entry(ids.files_id).or_insert_with(|| {
            let table = records.fdinfo.get(&ids.files_id).into_iter().flatten();
            let mut open: BTreeMap<u32, (RegionKind, Option<String>, u32)> = BTreeMap::new();
            for (fd, (id, kind, name)) in table.filter_map(|fd| Some((fd.fd, memfd(fd.file_id)?))) {
                let (_, _, lowest) = open.entry(id).or_insert((kind, name, fd));
                *lowest = fd.min(*lowest);
            }
            open
        });
        for (id, (kind, name, fd)) in open {
            let segment = segments.entry(*id).or_insert_with(|| new(*kind, name.clone()));
            match left.checked_sub(1).filter(|_| segment.open_by.len() < OPENERS) {
                Some(fewer) => {
                    left = fewer;
                    segment.open_by.push((*pid, *fd));
                }
                None => is_all = false,
            }
            if left == 0 {
                break;
            }
        }
    }
    (segments, is_all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::criu::{Fd, Ids, MemfdInode};

    #[test]
    fn a_table_that_many_share_is_told_within_bounds() {
        let mut records = Records::default();
        for id in 0..1000u32 {
            let inode = MemfdInode { name: b"m".to_vec(), size: 0, shmid: id, uid: 0 };
            records.memfds.insert(id.into(), inode);
            let memfd = FileEntry::Memfd { inode_id: id.into(), flags: 0, pos: 0 };
            records.files.insert(id, memfd);
            let fd = Fd { fd: id, file_id: id, file_type: 0, close_on_exec: false };
            records.fdinfo.entry(5).or_default().push(fd);
        }
        let share = |records: &mut Records, pids: std::ops::Range<u32>| {
            for pid in pids {
                records.ids.insert(pid, Ids { files_id: 5, ..Ids::default() });
            }
        };
        share(&mut records, 1..3);
        let (segments, is_all) = shared(&records);
        let open = [(1, 7), (2, 7)];
        assert_eq!((segments[&7].open_by.as_slice(), is_all), (&open[..], true));
        share(&mut records, 3..3000);
        let (segments, is_all) = shared(&records);
        let told: usize = segments.values().map(|it| it.open_by.len()).sum();
        assert_eq!((told, is_all), (ALL_OPENERS, false));
    }
}
