//! How much the kernel held for processes: the records of tcp-stream-INO.img, sk-queues.img,
//! pipes-data.img and fifo-data.img, without the bytes behind them.

use std::collections::BTreeMap;

use cryoscan_proto::{PipeDataEntry, SkPacketEntry, TcpStreamEntry};
use prost::Message;

use super::name::key_of;
use super::{Image, ImageError, Key, Records};
use crate::limits::Limits;

const TCP_STREAM: u32 = 0x5146_5506;
const SK_QUEUES: u32 = 0x5626_4026;
const PIPES_DATA: u32 = 0x5645_3709;
const FIFO_DATA: u32 = 0x5933_3054;

/// Bytes in the queues of a TCP connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TcpQueues {
    /// Received, and not read by the program.
    pub received: u32,
    /// Written by the program, and not acknowledged by the other side.
    pub sent: u32,
}

/// Counts what an image of kernel buffers holds; any other file is left alone. `data` is the whole
/// image; of a tcp-stream the first 512 bytes are enough.
///
/// # Errors
/// When the image ends early, is over a limit or does not decode. What was counted before stays.
pub fn held(
    name: &str,
    file_name: &[u8],
    data: &[u8],
    limits: &Limits,
    records: &mut Records,
) -> Result<(), ImageError> {
    let open = |magic| Image::new(name, data, magic, limits);
    let (result, counted, counts) = match (file_name, key_of(file_name)) {
        (b"pipes-data.img" | b"fifo-data.img", _) => {
            let magic = if file_name == b"pipes-data.img" { PIPES_DATA } else { FIFO_DATA };
            let (result, counted) =
                count(open(magic)?, |entry: &PipeDataEntry| (entry.pipe_id(), entry.bytes()));
            (result, counted, &mut records.pipe_bytes)
        }
        (b"sk-queues.img", _) => {
            let (result, counted) = count(open(SK_QUEUES)?, |packet: &SkPacketEntry| {
                (packet.id_for(), packet.length())
            });
            (result, counted, &mut records.unix_queues)
        }
        (_, Some(inode)) if file_name.starts_with(b"tcp-stream-") => {
            return tcp(&mut open(TCP_STREAM)?, inode, records);
        }
        _ => return Ok(()),
    };
    for (id, bytes) in counted {
        counts.entry(id).or_insert(bytes);
    }
    result
}

fn tcp(image: &mut Image<'_>, inode: Key, records: &mut Records) -> Result<(), ImageError> {
    let entry: TcpStreamEntry = image.required()?;
    let queues = TcpQueues { received: entry.inq_len(), sent: entry.outq_len() };
    records.tcp_queues.entry(inode).or_insert(queues);
    Ok(())
}

/// Bytes behind the records of an image, by what they belong to; `of` says what, and how many.
fn count<M: Message + Default>(
    mut image: Image<'_>,
    of: fn(&M) -> (u32, u32),
) -> (Result<(), ImageError>, BTreeMap<u32, u64>) {
    let mut counts: BTreeMap<u32, u64> = BTreeMap::new();
    let mut walk = || {
        while let Some(entry) = image.record::<M>()? {
            let (id, bytes) = of(&entry);
            image.payload(bytes.into())?;
            let count = counts.entry(id).or_default();
            *count = count.saturating_add(bytes.into());
        }
        Ok(())
    };
    (walk(), counts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::criu::sample::framed;

    fn counted(name: &str, data: &[u8]) -> (Records, Result<(), ImageError>) {
        let mut records = Records::default();
        let result = held(name, name.as_bytes(), data, &Limits::default(), &mut records);
        (records, result)
    }

    /// Records of an image, each with so many bytes behind it.
    fn image(magic: u32, entries: &[(Vec<u8>, usize)]) -> Vec<u8> {
        let mut data = framed(magic, &[]);
        for (entry, bytes) in entries {
            data.extend_from_slice(&framed(magic, std::slice::from_ref(entry))[8..]);
            data.extend(std::iter::repeat_n(b'x', *bytes));
        }
        data
    }

    #[test]
    fn pipes_and_fifos_by_their_number() {
        let entry = |pipe_id, bytes| {
            let entry = PipeDataEntry { pipe_id: Some(pipe_id), bytes: Some(bytes), size: None };
            (entry.encode_to_vec(), usize::try_from(bytes).expect("small"))
        };
        for (name, magic) in [("pipes-data.img", PIPES_DATA), ("fifo-data.img", FIFO_DATA)] {
            let data = image(magic, &[entry(7, 22), entry(8, 0), entry(9, 5)]);
            let (records, result) = counted(name, &data);
            assert_eq!((result, records.pipe_bytes), (Ok(()), [(7, 22), (8, 0), (9, 5)].into()));
            let (records, result) = counted(name, &data[..data.len() - 1]);
            assert!(result.is_err());
            assert_eq!(records.pipe_bytes, [(7, 22), (8, 0)].into());
        }
    }

    #[test]
    fn packets_of_one_socket_add_up() {
        let entry = |id_for, length| {
            let entry =
                SkPacketEntry { id_for: Some(id_for), length: Some(length), ..Default::default() };
            (entry.encode_to_vec(), usize::try_from(length).expect("small"))
        };
        let data = image(SK_QUEUES, &[entry(3, 10), entry(4, 1), entry(3, 5)]);
        let (mut records, _) = counted("sk-queues.img", &data);
        assert_eq!(records.unix_queues, [(3, 15), (4, 1)].into());
        // A second image of the same name adds nothing.
        held("", b"sk-queues.img", &data, &Limits::default(), &mut records).expect("a good image");
        assert_eq!(records.unix_queues, [(3, 15), (4, 1)].into());
    }

    #[test]
    fn the_first_bytes_of_a_connection_are_enough() {
        let entry = TcpStreamEntry { inq_len: Some(9000), outq_len: Some(5), ..Default::default() };
        let data = image(TCP_STREAM, &[(entry.encode_to_vec(), 100)]);
        let (records, result) = counted("tcp-stream-1f.img", &data);
        assert_eq!(result, Ok(()));
        assert_eq!(records.tcp_queues, [(0x1f, TcpQueues { received: 9000, sent: 5 })].into());
        assert!(counted("tcp-stream-1f.img", &data[..10]).1.is_err());
        assert_eq!(counted("ghost-file-1.img", &data), (Records::default(), Ok(())));
    }
}
