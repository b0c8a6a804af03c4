//! memfd.img and ipcns-shm-NS.img: shared memory objects. Their pages have pagemaps of their own.

use cryoscan_proto::{IpcShmEntry, MemfdInodeEntry};

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

/// A System V shared segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SysvShm {
    /// Its id, also N of pagemap-shmem-N.img.
    pub id: u32,
    /// Its key, chosen by the program.
    pub key: u32,
    /// Bytes.
    pub size: u64,
    /// Whether its bytes are pages; before CRIU 3.0 they are in ipcns-shm-NS.img.
    pub in_pagemaps: bool,
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

pub(super) fn segments(
    image: &mut Image<'_>,
    _: Key,
    records: &mut Records,
) -> Result<(), ImageError> {
    while let Some(entry) = image.record::<IpcShmEntry>()? {
        let (size, in_pagemaps) = (entry.size(), entry.in_pagemaps());
        let desc = entry.desc.unwrap_or_default();
        records.sysv_shm.push(SysvShm { id: desc.id(), key: desc.key(), size, in_pagemaps });
        if !in_pagemaps {
            image.payload(size.checked_next_multiple_of(4).unwrap_or(u64::MAX))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use cryoscan_proto::IpcDescEntry;
    use prost::Message;

    use super::*;
    use crate::criu::sample::{decoded, framed, single};

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

    #[test]
    fn segments_with_and_without_their_bytes() {
        let entry = |id, in_pagemaps| {
            let desc = IpcDescEntry { id: Some(id), key: Some(77), ..Default::default() };
            let entry = IpcShmEntry { desc: Some(desc), size: Some(6), in_pagemaps };
            framed(0x4628_3044, &[entry.encode_to_vec()])
        };
        let old = entry(0, None);
        let new = entry(5, Some(true));
        // The bytes of an old segment come after it, padded to 4; then the next record.
        let image = [&old[..], &[1; 6], &[0; 2], &new[8..]].concat();
        let records = decoded("ipcns-shm-11.img", &image).expect("a good image");
        let segment = |id, in_pagemaps| SysvShm { id, key: 77, size: 6, in_pagemaps };
        assert_eq!(records.sysv_shm, [segment(0, false), segment(5, true)]);
        let cut = decoded("ipcns-shm-11.img", &image[..old.len() + 7]).expect_err("cut payload");
        assert_eq!(cut.offset, u64::try_from(old.len()).expect("small"));
    }
}
