//! ipcns-msg-NS.img and ipcns-shm-NS.img: System V messages and shared segments.

use cryoscan_proto::{IpcMsg, IpcMsgEntry, IpcShmEntry};

use super::contents::{Contained, Object};
use super::{ImageError, Key, Records};

pub(super) const IPCNS_MSG: u32 = 0x5545_3737;
pub(super) const IPCNS_SHM: u32 = 0x4628_3044;

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

pub(super) fn messages(
    image: &mut Contained<'_>,
    ns: Key,
    _: &mut Records,
) -> Result<(), ImageError> {
    while let Some(queue) = image.record::<IpcMsgEntry>()? {
        let id = queue.desc.map(|desc| desc.id()).unwrap_or_default();
        for _ in 0..queue.qnum() {
            let bytes = u64::from(image.required::<IpcMsg>()?.msize());
            let padding = padding(bytes, 8);
            image.take_next(Object::Messages(ns, id), None, bytes, padding)?;
        }
    }
    Ok(())
}

pub(super) fn segments(
    image: &mut Contained<'_>,
    _: Key,
    records: &mut Records,
) -> Result<(), ImageError> {
    while let Some(entry) = image.record::<IpcShmEntry>()? {
        let (size, in_pagemaps) = (entry.size(), entry.in_pagemaps());
        let desc = entry.desc.unwrap_or_default();
        let id = desc.id();
        records.sysv_shm.push(SysvShm { id, key: desc.key(), size, in_pagemaps });
        if !in_pagemaps {
            image.take_next(Object::Segment(id), Some(0), size, padding(size, 4))?;
        }
    }
    Ok(())
}

/// What is missing of a multiple of `of`. Content and padding together are such.
fn padding(bytes: u64, of: u64) -> u64 {
    bytes.checked_next_multiple_of(of).unwrap_or(u64::MAX).saturating_sub(bytes)
}

#[cfg(test)]
mod tests {
    use cryoscan_proto::IpcDescEntry;
    use prost::Message;

    use super::*;
    use crate::criu::contents::{Content, contents};
    use crate::criu::sample::{size, with_payload};
    use crate::limits::Limits;

    fn found(name: &str, data: &[u8]) -> (Records, Vec<Content>, u64) {
        let (mut records, len) = (Records::default(), size(data));
        let limits = Limits::default();
        let found = contents(name, name.as_bytes(), data, len, &limits, &mut records);
        let found = found.expect("all of it");
        (records, found.contents, found.end)
    }

    fn desc(id: u32) -> IpcDescEntry {
        IpcDescEntry { id: Some(id), key: Some(77), ..Default::default() }
    }

    #[test]
    fn messages_without_their_padding() {
        let queue = |id, qnum| {
            let entry =
                IpcMsgEntry { desc: Some(desc(id)), qnum: Some(qnum), ..Default::default() };
            (entry.encode_to_vec(), Vec::new())
        };
        let message = |bytes: &[u8], padding| {
            let msize = u32::try_from(bytes.len()).ok();
            let entry = IpcMsg { mtype: Some(7), msize };
            (entry.encode_to_vec(), [bytes, &vec![0; padding]].concat())
        };
        let entries =
            [queue(0, 2), message(b"fifteen bytes !", 1), message(b"m2", 6), queue(3, u32::MAX)];
        let data = with_payload(IPCNS_MSG, &entries);
        let (_, contents, end) = found("ipcns-msg-11.img", &data);
        let texts: Vec<_> = contents
            .iter()
            .map(|it| {
                let at = usize::try_from(it.offset).expect("small");
                (it.object, &data[at..at + usize::try_from(it.len).expect("small")])
            })
            .collect();
        let of = Object::Messages(11, 0);
        assert_eq!(texts, [(of, &b"fifteen bytes !"[..]), (of, b"m2")]);
        assert_eq!(end, size(&data), "the queue that promises more ends with the image");
    }

    #[test]
    fn segments_with_and_without_their_bytes() {
        let entry = |id, in_pagemaps, bytes: &[u8]| {
            let entry = IpcShmEntry { desc: Some(desc(id)), size: Some(6), in_pagemaps };
            (entry.encode_to_vec(), bytes.to_vec())
        };
        let segment = |id, in_pagemaps| SysvShm { id, key: 77, size: 6, in_pagemaps };
        // The bytes of an old segment come after it, padded to 4; then the next record.
        let data =
            with_payload(IPCNS_SHM, &[entry(0, None, b"sixbyt\0\0"), entry(5, Some(true), b"")]);
        let (records, contents, end) = found("ipcns-shm-11.img", &data);
        assert_eq!(records.sysv_shm, [segment(0, false), segment(5, true)]);
        let offset = size(&with_payload(IPCNS_SHM, &[entry(0, None, b"")]));
        let object = Object::Segment(0);
        assert_eq!(contents, [Content { object, at: Some(0), offset, len: 6 }]);
        assert_eq!(end, size(&data));
    }
}
