//! CRIU's images: from the bytes of one file to plain values. No I/O, nothing beside the bytes.
//!
//! [`role_of`] says by its name what a file of an image set is; [`decode`] reads those that are
//! [`Role::Decoded`] into [`Records`], and [`contents`] finds what is content in those that are
//! [`Role::Payload`]. To add an image, write its `decode` and a line in [`IMAGES`].
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions, clippy::indexing_slicing)]

mod bpf;
mod contents;
mod core;
mod files;
mod ghost;
mod image;
mod inventory;
mod ipc;
mod mm;
mod mounts;
mod name;
mod namespaces;
mod pagemap;
mod pstree;
mod queues;
mod records;
mod registers;
#[cfg(test)]
mod sample;
mod shared;
mod sockets;

pub use self::contents::{Content, Contents, Object, contents};
pub use self::core::{Core, Creds, Ids, TaskState};
pub use files::{Fd, FileEntry, FsInfo, Regular, Remap, file_type};
pub use image::{Image, ImageError, ImageErrorKind};
pub use inventory::Inventory;
pub use ipc::SysvShm;
pub use mm::{Mm, Vma, status};
pub use mounts::Mount;
pub use name::{Key, OTHERS, Role, is_ghost, key_of, kind_of, pages_id, role_of};
pub use namespaces::Cgroup;
pub use pagemap::{Compressed, Pagemap, PagemapEntry, PagemapKey};
pub use pstree::TreeItem;
pub use queues::TcpQueues;
pub use records::Records;
pub use registers::registers;
pub use shared::MemfdInode;
pub use sockets::{InetSocket, NetlinkSocket, PacketSocket, UnixSocket, state_name};

use cryoscan_proto as proto;

use crate::limits::Limits;

/// Reads what is left of an image into records, under the key of its name.
pub type Decode = fn(&mut Image<'_>, Key, &mut Records) -> Result<(), ImageError>;

/// A kind of image that is decoded.
#[derive(Debug, Clone, Copy)]
pub struct ImageKind {
    /// File name, with the conversion `%u` (decimal) where it has a number.
    pub pattern: &'static str,
    /// Magic of criu/include/magic.h.
    pub magic: u32,
    /// Adds its records. Those before an error stay.
    pub decode: Decode,
}

const fn image(pattern: &'static str, magic: u32, decode: Decode) -> ImageKind {
    ImageKind { pattern, magic, decode }
}

/// Every kind of image that is decoded.
pub static IMAGES: &[ImageKind] = &[
    image("inventory.img", 0x5831_3116, inventory::decode),
    image("pstree.img", 0x5027_3030, pstree::decode),
    image("core-%u.img", 0x5505_3847, core::decode),
    image("ids-%u.img", 0x5443_2030, core::ids),
    image("mm-%u.img", 0x5749_2820, mm::decode),
    image("pagemap-%u.img", 0x5608_4025, pagemap::task),
    image("pagemap-shmem-%u.img", 0x5608_4025, pagemap::shmem),
    image("fs-%u.img", 0x5140_3912, files::fs),
    image("fdinfo-%u.img", 0x5621_3732, files::fdinfo),
    image("files.img", 0x5630_3138, files::files),
    image("remap-fpath.img", 0x5913_3954, files::remaps),
    image("memfd.img", 0x4845_3499, shared::memfds),
    image("mountpoints-%u.img", 0x5556_3928, mounts::decode),
    image("utsns-%u.img", 0x5447_3203, namespaces::hostname),
    image("cgroup.img", 0x5938_3330, namespaces::cgroups),
    image("stats-dump", 0x5709_3306, inventory::stats),
    image("cipher.img", 0x5003_4653, inventory::cipher),
    // One image for each type of file, before files.img (CRIU 3.4).
    image("reg-files.img", 0x5036_3636, files::of_type::<proto::RegFileEntry>),
    image("inetsk.img", 0x5644_3851, files::of_type::<proto::InetSkEntry>),
    image("unixsk.img", 0x5437_3943, files::of_type::<proto::UnixSkEntry>),
    image("pipes.img", 0x5651_3555, files::of_type::<proto::PipeEntry>),
    image("fifo.img", 0x5836_4939, files::of_type::<proto::FifoEntry>),
    image("tty.img", 0x5943_3025, files::of_type::<proto::TtyFileEntry>),
    image("packetsk.img", 0x6045_4618, files::of_type::<proto::PacketSockEntry>),
    image("netlinksk.img", 0x5800_5614, files::of_type::<proto::NetlinkSkEntry>),
    image("ns-files.img", 0x6139_4011, files::other::<{ file_type::NAMESPACE }>),
    image("ext-files.img", 0x5925_5641, files::other::<{ file_type::EXTERNAL }>),
    image("tunfile.img", 0x5714_3751, files::other::<{ file_type::TUN }>),
    image("timerfd.img", 0x5049_3712, files::other::<{ file_type::TIMERFD }>),
    image("signalfd.img", 0x5732_3820, files::other::<{ file_type::SIGNALFD }>),
    image("eventfd.img", 0x4452_3722, files::other::<{ file_type::EVENTFD }>),
    image("eventpoll.img", 0x4502_3858, files::other::<{ file_type::EPOLL }>),
    image("inotify.img", 0x4842_4431, files::other::<{ file_type::INOTIFY }>),
    image("fanotify.img", 0x5509_6122, files::other::<{ file_type::FANOTIFY }>),
    image("bpfmap-file.img", 0x5750_6142, files::of_type::<proto::BpfmapFileEntry>),
    image("pidfd.img", 0x5443_5556, files::other::<{ file_type::PIDFD }>),
];

/// Decodes one image into the records of its set; a file of any other role is left alone.
///
/// `name` is what errors call the image; `file_name` is the last component of its path and says
/// what kind it is.
///
/// # Errors
/// When the image ends early, is over a limit or does not decode. Records before the fault stay.
pub fn decode(
    name: &str,
    file_name: &[u8],
    data: &[u8],
    limits: &Limits,
    records: &mut Records,
) -> Result<(), ImageError> {
    let Some((kind, key)) = kind_of(file_name) else { return Ok(()) };
    let mut image = Image::new(name, data, kind.magic, limits)?;
    (kind.decode)(&mut image, key, records)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::sample::{decoded, framed, image_of};
    use super::*;

    #[test]
    fn every_truncation_is_an_error_or_a_shorter_list() {
        for kind in IMAGES {
            let (name, data) = image_of(kind);
            let whole = decoded(&name, &data).expect(kind.pattern);
            let mut ends = vec![8];
            while let Some(len) = data.get(ends[ends.len() - 1]..).and_then(<[u8]>::first_chunk) {
                let len = usize::try_from(u32::from_le_bytes(*len)).expect("small");
                ends.push(ends[ends.len() - 1] + 4 + len);
            }
            assert_eq!(ends.last(), Some(&data.len()));
            for end in 0..data.len() {
                match decoded(&name, &data[..end]) {
                    Ok(_) => assert!(ends.contains(&end), "{name} cut at {end}"),
                    Err(error) => {
                        let truncated = matches!(error.kind, ImageErrorKind::Truncated { .. });
                        assert!(truncated && error.offset <= u64::try_from(end).expect("small"));
                    }
                }
            }
            assert_ne!(whole, Records::default(), "{name} says nothing");
        }
    }

    #[test]
    fn an_image_under_the_name_of_another_is_refused() {
        for kind in IMAGES {
            let (name, data) = image_of(kind);
            for other in IMAGES.iter().filter(|other| other.magic != kind.magic) {
                let foreign = [&data[..4], &other.magic.to_le_bytes(), &data[8..]].concat();
                let error = decoded(&name, &foreign).expect_err("another magic");
                let expected = ImageErrorKind::Magic { expected: kind.magic, found: other.magic };
                assert_eq!((error.offset, error.kind), (4, expected));
            }
        }
    }

    #[test]
    fn other_files_are_left_alone() {
        for name in ["pages-1.img", "pipes-data.img", "dump.log", "unheard-of.img"] {
            assert_eq!(decoded(name, b"no image"), Ok(Records::default()));
        }
    }

    proptest! {
        #[test]
        fn never_panics_on_records_of_any_bytes(
            kind in 0..IMAGES.len(),
            records in vec(vec(any::<u8>(), 0..60), 0..4),
            tail in vec(any::<u8>(), 0..8),
        ) {
            let (name, _) = image_of(&IMAGES[kind]);
            let mut data = framed(IMAGES[kind].magic, &records);
            data.extend(tail);
            drop(decoded(&name, &data));
        }

        #[test]
        fn never_panics_on_damage(
            kind in 0..IMAGES.len(),
            damage in vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        ) {
            let (name, mut data) = image_of(&IMAGES[kind]);
            for (at, byte) in damage {
                let at = at.index(data.len());
                data[at] = byte;
            }
            drop(decoded(&name, &data));
        }
    }
}
