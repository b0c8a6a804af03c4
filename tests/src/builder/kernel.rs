//! Bytes that the kernel held for the processes: pipes, queues, terminals, deleted files.

use std::io::Write;

use cryoscan_proto as proto;

use super::images::{Framing, Magic, image, push, record};
use super::{Archive, Checkpoint};

impl Checkpoint {
    /// Bytes waiting in pipes: (pipe id, content).
    #[must_use]
    pub fn pipes(self, pipes: &[(u32, &[u8])]) -> Self {
        self.pipes_of("pipes-data.img", Magic::PipesData, pipes)
    }

    /// Bytes waiting in named pipes: (pipe id, content).
    #[must_use]
    pub fn fifos(self, fifos: &[(u32, &[u8])]) -> Self {
        self.pipes_of("fifo-data.img", Magic::FifoData, fifos)
    }

    fn pipes_of(self, name: &str, magic: Magic, pipes: &[(u32, &[u8])]) -> Self {
        let mut bytes = image(magic, Framing::Common, [[]; 0]);
        for (id, content) in pipes {
            let head = proto::PipeDataEntry {
                pipe_id: Some(*id),
                bytes: Some(length(content)),
                size: Some(65536),
            };
            push(&mut bytes, &record(&head));
            bytes.extend(*content);
        }
        self.file(name, bytes)
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

    /// What was typed into terminals and not read: (`tty_info_id`, content).
    #[must_use]
    pub fn terminals(self, terminals: &[(u32, &[u8])]) -> Self {
        let records = terminals.iter().map(|(id, content)| {
            record(&proto::TtyDataEntry { tty_id: Some(*id), data: Some(content.to_vec()) })
        });
        self.file("tty-data.img", image(Magic::TtyData, Framing::Common, records))
    }

    /// System V messages in the IPC namespace 11: (id of the queue, its messages).
    #[must_use]
    pub fn messages(self, queues: &[(u32, &[&[u8]])]) -> Self {
        let mut bytes = image(Magic::IpcnsMsg, Framing::Common, [[]; 0]);
        for (id, messages) in queues {
            let desc = proto::IpcDescEntry { id: Some(*id), ..proto::IpcDescEntry::default() };
            let qnum = u32::try_from(messages.len()).ok();
            let queue =
                proto::IpcMsgEntry { desc: Some(desc), qnum, ..proto::IpcMsgEntry::default() };
            push(&mut bytes, &record(&queue));
            for content in *messages {
                let head = proto::IpcMsg { mtype: Some(1), msize: Some(length(content)) };
                push(&mut bytes, &record(&head));
                bytes.extend(*content);
                bytes.resize(bytes.len() + content.len().next_multiple_of(8) - content.len(), 0);
            }
        }
        self.file("ipcns-msg-11.img", bytes)
    }

    /// A System V segment whose bytes are not in pages: CRIU before 3.0.
    #[must_use]
    pub fn inline_segment(self, id: u32, content: &[u8]) -> Self {
        let desc = proto::IpcDescEntry { id: Some(id), ..proto::IpcDescEntry::default() };
        let entry = proto::IpcShmEntry {
            desc: Some(desc),
            size: Some(content.len() as u64),
            in_pagemaps: None,
        };
        let mut bytes = image(Magic::IpcnsShm, Framing::Common, [record(&entry)]);
        bytes.extend(content);
        bytes.resize(bytes.len() + content.len().next_multiple_of(4) - content.len(), 0);
        self.file("ipcns-shm-11.img", bytes)
    }

    /// The arrays of keys and values of a BPF map.
    #[must_use]
    pub fn bpf_map(self, id: u32, keys: &[u8], values: &[u8]) -> Self {
        let head = proto::BpfmapDataEntry {
            map_id: Some(id),
            keys_bytes: Some(length(keys)),
            values_bytes: Some(length(values)),
            count: Some(1),
        };
        let mut bytes = image(Magic::BpfmapData, Framing::Common, [record(&head)]);
        bytes.extend([keys, values].concat());
        self.file("bpfmap-data.img", bytes)
    }

    /// A deleted file that is still open, stored in chunks: (offset, content).
    #[must_use]
    pub fn sparse_ghost(self, ghost: u32, file: u32, size: u64, chunks: &[(u64, &[u8])]) -> Self {
        let head = proto::GhostFileEntry {
            mode: Some(0o100_600),
            chunks: Some(true),
            size: Some(size),
            ..proto::GhostFileEntry::default()
        };
        let mut bytes = image(Magic::GhostFile, Framing::Common, [record(&head)]);
        for (offset, content) in chunks {
            let len = Some(content.len() as u64);
            push(&mut bytes, &record(&proto::GhostChunkEntry { len, off: Some(*offset) }));
            bytes.extend(*content);
        }
        self.file("remap-fpath.img", remap(ghost, file))
            .file(&format!("ghost-file-{ghost:x}.img"), bytes)
    }

    /// A deleted file that is still open, stored whole; `file` is its id in files.img.
    #[must_use]
    pub fn ghost(self, ghost: u32, file: u32, content: &[u8]) -> Self {
        let head = proto::GhostFileEntry {
            uid: Some(0),
            gid: Some(0),
            mode: Some(0o100_600),
            size: Some(content.len() as u64),
            ..proto::GhostFileEntry::default()
        };
        let mut bytes = image(Magic::GhostFile, Framing::Common, [record(&head)]);
        bytes.extend(content);
        self.file("remap-fpath.img", remap(ghost, file))
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

/// An end of a pipe, under the id of its file; `flags` is 1 for writing.
pub fn pipe(id: u32, pipe_id: u32, flags: u32) -> proto::FileEntry {
    let pipe = proto::PipeEntry { id: Some(id), pipe_id: Some(pipe_id), flags: Some(flags) };
    proto::FileEntry { pipe: Some(pipe), ..entry(2, id) }
}

/// A named pipe; its path is the regular file `path`.
pub fn fifo(id: u32, pipe_id: u32, path: u32) -> proto::FileEntry {
    let fifo = proto::FifoEntry { id: Some(id), pipe_id: Some(pipe_id), regf_id: Some(path) };
    proto::FileEntry { fifo: Some(fifo), ..entry(3, id) }
}

/// A regular file, also the one that gives a FIFO or a terminal its path.
pub fn regular(id: u32, path: &str, flags: u32) -> proto::FileEntry {
    let reg = proto::RegFileEntry {
        id: Some(id),
        flags: Some(flags),
        name: Some(path.as_bytes().to_vec()),
        ..proto::RegFileEntry::default()
    };
    proto::FileEntry { reg: Some(reg), ..entry(1, id) }
}

/// A unix socket, whose inode is its id: `socket_type` is 1 for a stream, 2 for datagrams, 5 for
/// sequential packets.
pub fn unix(id: u32, socket_type: u32, name: &str, peer: u32) -> proto::FileEntry {
    let socket = proto::UnixSkEntry {
        id: Some(id),
        ino: Some(id),
        r#type: Some(socket_type),
        state: Some(1),
        peer: Some(peer),
        name: Some(name.as_bytes().to_vec()),
        ..proto::UnixSkEntry::default()
    };
    proto::FileEntry { usk: Some(socket), ..entry(5, id) }
}

/// A TCP connection of 10.0.0.7 with 10.0.0.9.
pub fn tcp(id: u32, inode: u32, local: u32, remote: u32) -> proto::FileEntry {
    let socket = proto::InetSkEntry {
        id: Some(id),
        ino: Some(inode),
        family: Some(2),
        r#type: Some(1),
        proto: Some(6),
        state: Some(1),
        src_port: Some(local),
        dst_port: Some(remote),
        src_addr: vec![u32::from_le_bytes([10, 0, 0, 7])],
        dst_addr: vec![u32::from_le_bytes([10, 0, 0, 9])],
        ..proto::InetSkEntry::default()
    };
    proto::FileEntry { isk: Some(socket), ..entry(4, id) }
}

/// A terminal; its path is the regular file `path`.
pub fn terminal(id: u32, info: u32, path: u32) -> proto::FileEntry {
    let tty = proto::TtyFileEntry {
        id: Some(id),
        tty_info_id: Some(info),
        flags: Some(2),
        regf_id: Some(path),
    };
    proto::FileEntry { tty: Some(tty), ..entry(11, id) }
}

/// A BPF map.
pub fn bpf_map(id: u32, map_id: u32) -> proto::FileEntry {
    let map = proto::BpfmapFileEntry { id: Some(id), map_id: Some(map_id) };
    proto::FileEntry { bpf: Some(map), ..entry(19, id) }
}

fn entry(kind: u32, id: u32) -> proto::FileEntry {
    proto::FileEntry { r#type: Some(kind), id: Some(id), ..proto::FileEntry::default() }
}

/// remap-fpath.img for one deleted file.
fn remap(ghost: u32, file: u32) -> Vec<u8> {
    let remap = proto::RemapFilePathEntry {
        orig_id: Some(file),
        remap_id: Some(ghost),
        remap_type: Some(1),
    };
    image(Magic::RemapFpath, Framing::Common, [record(&remap)])
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
