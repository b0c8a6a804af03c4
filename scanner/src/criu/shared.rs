//! memfd.img: shared memory objects. Their pages have pagemaps of their own.

use cryoscan_proto::MemfdInodeEntry;

use super::{Image, ImageError, Key, Records};

/// A memfd, or shared memory without a name, which CRIU dumps as a memfd called `/dev/zero`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemfdInode {
    /// Name, chosen by the program.
    pub name: Vec<u8>,
    /// Bytes; the last page is stored whole.
    pub size: u64,
    /// N of pagemap-shmem-N.img.
    pub shmid: u32,
    /// Owner.
    pub uid: u32,
}

pub(super) fn memfds(
    image: &mut Image<'_>,
    _: Key,
    records: &mut Records,
) -> Result<(), ImageError> {
    image.each(|entry: MemfdInodeEntry| {
        let (size, shmid, uid) = (entry.size(), entry.shmid(), entry.uid());
        let key = entry.inode_id();
        let inode = MemfdInode { size, shmid, uid, name: entry.name.unwrap_or_default() };
        records.memfds.entry(key).or_insert(inode);
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::criu::sample::single;

    #[test]
    fn a_memfd() {
        let entry = MemfdInodeEntry {
            name: Some(b"vault".to_vec()),
            size: Some(16384),
            shmid: Some(1347),
            inode_id: Some(1),
            ..Default::default()
        };
        let inode = MemfdInode { name: b"vault".to_vec(), size: 16384, shmid: 1347, uid: 0 };
        assert_eq!(single("memfd.img", &entry).memfds[&1], inode);
    }
}
