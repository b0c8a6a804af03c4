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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::criu::sample::read;
    use prost::Message;

    #[test]
    fn the_tree_keeps_its_order() {
        let entry = |pid, ppid, threads| PstreeEntry {
            pid: Some(pid),
            ppid: Some(ppid),
            pgid: Some(1),
            sid: Some(1),
            threads,
        };
        let root = entry(1, 0, vec![1, 9, 10]);
        let child = entry(7, 1, vec![7]);
        let records = read("pstree.img", &[root.encode_to_vec(), child.encode_to_vec()]);
        let item = |pid, ppid, threads| TreeItem { pid, ppid, pgid: 1, sid: 1, threads };
        assert_eq!(records.tree, [item(1, 0, vec![1, 9, 10]), item(7, 1, vec![7])]);
    }
}
