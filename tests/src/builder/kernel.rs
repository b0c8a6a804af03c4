//! Bytes that the kernel held for the processes: pipes, queues, terminals, deleted files.

use std::io::Write;

use cryoscan_proto as proto;

use super::images::{Framing, Magic, image, push, record};
use super::{Archive, Checkpoint};

impl Checkpoint {
    /// Bytes waiting in pipes: (pipe id, content).
    #[must_use]
    pub fn pipes(self, pipes: &[(u32, &[u8])]) -> Self {
        let mut bytes = image(Magic::PipesData, Framing::Common, [[]; 0]);
        for (id, content) in pipes {
            let head = proto::PipeDataEntry {
                pipe_id: Some(*id),
                bytes: Some(length(content)),
                size: Some(65536),
            };
            push(&mut bytes, &record(&head));
            bytes.extend(*content);
        }
        self.file("pipes-data.img", bytes)
    }

    /// Packets waiting in unix sockets: (id of the receiver, content), in the order of arrival.
    #[must_use]
    pub fn socket_queues(self, packets: &[(u32, &[u8])]) -> Self {
        let mut bytes = image(Magic::SkQueues, Framing::Common, [[]; 0]);
        for (id, content) in packets {
            let head = proto::SkPacketEntry {
                id_for: Some(*id),
                length: Some(length(content)),
                ..proto::SkPacketEntry::default()
            };
            push(&mut bytes, &record(&head));
            bytes.extend(*content);
        }
        self.file("sk-queues.img", bytes)
    }

    /// The queues of a TCP connection: received and not read, sent and not acknowledged.
    #[must_use]
    pub fn tcp_stream(self, inode: u32, received: &[u8], sent: &[u8]) -> Self {
        let head = proto::TcpStreamEntry {
            inq_len: Some(length(received)),
            inq_seq: Some(1),
            outq_len: Some(length(sent)),
            outq_seq: Some(1),
            ..proto::TcpStreamEntry::default()
        };
        let mut bytes = image(Magic::TcpStream, Framing::Common, [record(&head)]);
        bytes.extend([received, sent].concat());
        self.file(&format!("tcp-stream-{inode:x}.img"), bytes)
    }

    /// What was typed into a terminal and not read.
    #[must_use]
    pub fn terminal(self, id: u32, content: &[u8]) -> Self {
        let entry = proto::TtyDataEntry { tty_id: Some(id), data: Some(content.to_vec()) };
        self.file("tty-data.img", image(Magic::TtyData, Framing::Common, [record(&entry)]))
    }

    /// A deleted file that is still open, stored whole; `file` is its id in files.img.
    #[must_use]
    pub fn ghost(self, ghost: u32, file: u32, content: &[u8]) -> Self {
        let remap = proto::RemapFilePathEntry {
            orig_id: Some(file),
            remap_id: Some(ghost),
            remap_type: Some(1),
        };
        let head = proto::GhostFileEntry {
            uid: Some(0),
            gid: Some(0),
            mode: Some(0o100_600),
            size: Some(content.len() as u64),
            ..proto::GhostFileEntry::default()
        };
        let mut bytes = image(Magic::GhostFile, Framing::Common, [record(&head)]);
        bytes.extend(content);
        self.file("remap-fpath.img", image(Magic::RemapFpath, Framing::Common, [record(&remap)]))
            .file(&format!("ghost-file-{ghost:x}.img"), bytes)
    }

    /// The files of a tmpfs mount, by path in it.
    #[must_use]
    pub fn tmpfs(self, device: u32, files: &[(&str, &[u8])]) -> Self {
        let mut archive = Archive::default().dotted();
        for (path, content) in files {
            archive = archive.member(path, *content);
        }
        let name = format!("tmpfs-dev-{device}.tar.gz.img");
        self.file(&name, gzip(&archive.tar()))
    }
}

fn length(content: &[u8]) -> u32 {
    u32::try_from(content.len()).expect("a short message")
}

/// Compresses with gzip.
pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("writing to memory");
    encoder.finish().expect("writing to memory")
}
