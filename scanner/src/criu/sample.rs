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

/// Bytes of an image.
pub(super) fn size(data: &[u8]) -> u64 {
    u64::try_from(data.len()).expect("small")
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
        "mountpoints-%u.img" => vec![vec![8, 5, 58, 1, b'/']; 2],
        // All others are lists whose records begin with a number.
        _ => vec![vec![8, 1], vec![8, 2]],
    };
    (kind.pattern.replace("%u", "7"), framed(kind.magic, &records))
}

/// An image of records, each with bytes behind it.
pub(super) fn with_payload(magic: u32, entries: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let mut data = framed(magic, &[]);
    for (record, payload) in entries {
        data.extend(u32::try_from(record.len()).expect("small").to_le_bytes());
        data.extend(record);
        data.extend(payload);
    }
    data
}

/// A good image of every kind that has content.
pub(super) fn payloads() -> Vec<(String, Vec<u8>)> {
    use super::{bpf, ghost, ipc, queues};
    let record = |bytes: &[u8]| bytes.to_vec();
    let image = |name: &str, magic, entries: &[(&[u8], &[u8])]| {
        let entries: Vec<_> = entries.iter().map(|(a, b)| (record(a), record(b))).collect();
        (name.to_owned(), with_payload(magic, &entries))
    };
    let pipes: &[(&[u8], &[u8])] = &[(&[8, 1, 16, 5], b"first"), (&[8, 2, 16, 6], b"second")];
    let chunked: &[(&[u8], &[u8])] =
        &[(&[72, 1, 80, 64], b""), (&[8, 5, 16, 0], b"first"), (&[8, 6, 16, 32], b"second")];
    vec![
        image("pipes-data.img", queues::PIPES_DATA, pipes),
        image("fifo-data.img", queues::FIFO_DATA, pipes),
        image("sk-queues.img", queues::SK_QUEUES, pipes),
        image("tcp-stream-1f.img", queues::TCP_STREAM, &[(&[8, 5, 24, 6], b"firstsecond")]),
        image("tty-data.img", queues::TTY_DATA, &[(b"\x08\x01\x12\x05first", b"")]),
        image("bpfmap-data.img", bpf::BPFMAP_DATA, &[(&[8, 1, 16, 5, 24, 6], b"firstsecond")]),
        image("ghost-file-1.img", ghost::GHOST_FILE, &[(&[24, 1], b"content")]),
        image("ghost-file-2.img", ghost::GHOST_FILE, chunked),
        image(
            "ipcns-msg-1.img",
            ipc::IPCNS_MSG,
            &[(&[24, 2], b""), (&[8, 1, 16, 5], b"first\0\0\0"), (&[8, 1, 16, 8], b"messages")],
        ),
        image("ipcns-shm-1.img", ipc::IPCNS_SHM, &[(&[16, 5], b"first\0\0\0")]),
    ]
}
