//! pstree.img: the tree of processes.

use cryoscan_proto::PstreeEntry;

use super::{Image, ImageError, Key, Records};

/// One process. Numbers are those of the pid namespace that the tree was dumped in: the container's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeItem {
    /// Process id.
    pub pid: u32,
    /// Its parent; 0 for the root of the dump.
    pub ppid: u32,
    /// Process group.
    pub pgid: u32,
    /// Session.
    pub sid: u32,
    /// Thread ids, the leader first.
    pub threads: Vec<u32>,
}

pub(super) fn decode(
    image: &mut Image<'_>,
    _: Key,
    records: &mut Records,
) -> Result<(), ImageError> {
    let mut tree = Vec::new();
    let result = image.each(|entry: PstreeEntry| {
        let (pid, ppid, pgid, sid) = (entry.pid(), entry.ppid(), entry.pgid(), entry.sid());
        tree.push(TreeItem { pid, ppid, pgid, sid, threads: entry.threads });
    });
    if records.tree.is_empty() {
        records.tree = tree;
    }
    result
}
