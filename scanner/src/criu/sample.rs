//! Images made for tests.

use cryoscan_proto as proto;
use prost::Message;

use super::{ImageError, ImageKind, Records, decode, kind_of};
use crate::limits::Limits;

/// An image as CRIU 1.6 and later write it.
pub(super) fn framed(magic: u32, records: &[Vec<u8>]) -> Vec<u8> {
    let mut data = [0x5456_4319_u32, magic].map(u32::to_le_bytes).concat();
    for record in records {
        data.extend(u32::try_from(record.len()).expect("small").to_le_bytes());
        data.extend(record);
    }
    data
}

/// What an image says, from nothing.
pub(super) fn decoded(file_name: &str, data: &[u8]) -> Result<Records, ImageError> {
    let mut records = Records::default();
    decode(file_name, file_name.as_bytes(), data, &Limits::default(), &mut records)?;
    Ok(records)
}

/// What a good image of these records says.
pub(super) fn read(file_name: &str, records: &[Vec<u8>]) -> Records {
    let (kind, _) = kind_of(file_name.as_bytes()).expect("a known name");
    decoded(file_name, &framed(kind.magic, records)).expect("a good image")
}

/// What a good image of one record says.
pub(super) fn single(file_name: &str, message: &impl Message) -> Records {
    read(file_name, &[message.encode_to_vec()])
}

/// A good image of a kind, with nested messages and two records where it may have several.
pub(super) fn image_of(kind: &ImageKind) -> (String, Vec<u8>) {
    let file = |id| proto::FileEntry {
        r#type: Some(1),
        id: Some(id),
        reg: Some(proto::RegFileEntry { name: Some(b"/a".to_vec()), ..Default::default() }),
        ..Default::default()
    };
    let records = match kind.pattern {
        "inventory.img" => vec![vec![8, 2]],
        "ids-%u.img" | "fs-%u.img" => vec![vec![8, 1, 16, 2]],
        "cipher.img" => vec![], // That it is there says all.
        "core-%u.img" => {
            let tc = proto::TaskCoreEntry { comm: Some(b"sh".to_vec()), ..Default::default() };
            vec![proto::CoreEntry { tc: Some(tc), ..Default::default() }.encode_to_vec()]
        }
        "mm-%u.img" => {
            let vma = proto::VmaEntry { start: Some(4096), ..Default::default() };
            let mm_saved_auxv = vec![6, 4096, 0, 0];
            vec![
                proto::MmEntry { vmas: vec![vma; 2], mm_saved_auxv, ..Default::default() }
                    .encode_to_vec(),
            ]
        }
        "files.img" => vec![file(1).encode_to_vec(), file(2).encode_to_vec()],
        "utsns-%u.img" => vec![vec![10, 2, b'h', b'1']],
        "cgroup.img" => vec![vec![10, 8, 8, 1, 18, 4, 18, 2, b'/', b'x']],
        "stats-dump" => vec![vec![10, 2, 56, 9]],
        "memfd.img" => vec![vec![10, 1, b'm', 56, 1], vec![10, 1, b'n', 56, 2]],
        "ipcns-shm-%u.img" => vec![vec![16, 9, 24, 1]; 2],
        "mountpoints-%u.img" => vec![vec![8, 5, 58, 1, b'/']; 2],
        // All others are lists whose records begin with a number.
        _ => vec![vec![8, 1], vec![8, 2]],
    };
    (kind.pattern.replace("%u", "7"), framed(kind.magic, &records))
}
