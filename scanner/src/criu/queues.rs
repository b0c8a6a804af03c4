//! pipes-data.img, fifo-data.img, sk-queues.img, tcp-stream-INO.img and tty-data.img: what processes
//! had written and nobody had read.

use cryoscan_proto::{PipeDataEntry, SkPacketEntry, TcpStreamEntry, TtyDataEntry};

use super::contents::{Contained, Object, field};
use super::{ImageError, Key, Records};

pub(super) const TCP_STREAM: u32 = 0x5146_5506;
pub(super) const SK_QUEUES: u32 = 0x5626_4026;
pub(super) const PIPES_DATA: u32 = 0x5645_3709;
pub(super) const FIFO_DATA: u32 = 0x5933_3054;
pub(super) const TTY_DATA: u32 = 0x5941_3026;

/// Bytes in the queues of a TCP connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TcpQueues {
    /// Received, and not read by the program.
    pub received: u32,
    /// Written by the program, and not acknowledged by the other side.
    pub sent: u32,
}

pub(super) fn pipes(
    image: &mut Contained<'_>,
    _: Key,
    records: &mut Records,
) -> Result<(), ImageError> {
    pipes_of(image, Object::Pipe, records)
}

pub(super) fn fifos(
    image: &mut Contained<'_>,
    _: Key,
    records: &mut Records,
) -> Result<(), ImageError> {
    pipes_of(image, Object::Fifo, records)
}

fn pipes_of(
    image: &mut Contained<'_>,
    object: fn(u32) -> Object,
    records: &mut Records,
) -> Result<(), ImageError> {
    while let Some(entry) = image.record::<PipeDataEntry>()? {
        let bytes = u64::from(entry.bytes());
        image.take_next(object(entry.pipe_id()), None, bytes, 0)?;
        records.pipe_bytes.entry(entry.pipe_id()).or_insert(bytes);
    }
    Ok(())
}

pub(super) fn packets(
    image: &mut Contained<'_>,
    _: Key,
    records: &mut Records,
) -> Result<(), ImageError> {
    // A second image of this name adds nothing.
    let known = std::mem::take(&mut records.unix_queues);
    let result = packets_of(image, records);
    records.unix_queues.extend(known);
    result
}

fn packets_of(image: &mut Contained<'_>, records: &mut Records) -> Result<(), ImageError> {
    while let Some(packet) = image.record::<SkPacketEntry>()? {
        let bytes = u64::from(packet.length());
        image.take_next(Object::UnixQueue(packet.id_for()), None, bytes, 0)?;
        let count = records.unix_queues.entry(packet.id_for()).or_default();
        *count = count.saturating_add(bytes);
    }
    Ok(())
}

/// Only the record at its beginning is looked at, so that of a long queue the rest may pass by.
pub(super) fn connection(
    image: &mut Contained<'_>,
    inode: Key,
    records: &mut Records,
) -> Result<(), ImageError> {
    let entry: TcpStreamEntry = image.required()?;
    let queues = TcpQueues { received: entry.inq_len(), sent: entry.outq_len() };
    records.tcp_queues.entry(inode).or_insert(queues);
    let at = image.offset();
    let at = image.take(Object::TcpReceived(inode), None, at, queues.received.into())?;
    image.take(Object::TcpSent(inode), None, at, queues.sent.into()).map(drop)
}

pub(super) fn terminals(
    image: &mut Contained<'_>,
    _: Key,
    _: &mut Records,
) -> Result<(), ImageError> {
    // The bytes are a field of the record.
    const DATA: u32 = 2;
    while let Some((entry, body, offset)) = image.body::<TtyDataEntry>()? {
        for data in field(body, DATA) {
            let len = data.end.saturating_sub(data.start);
            let at = offset.saturating_add(data.start);
            image.take(Object::Tty(entry.tty_id()), None, at, len)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::criu::contents::{Content, contents};
    use crate::criu::sample::{size, with_payload};
    use crate::limits::Limits;

    fn found(name: &str, data: &[u8]) -> (Records, Vec<Content>) {
        let mut records = Records::default();
        let len = u64::try_from(data.len()).expect("small");
        let limits = Limits::default();
        let found = contents(name, name.as_bytes(), data, len, &limits, &mut records);
        (records, found.expect("all of it").contents)
    }

    fn bytes(count: u32) -> Vec<u8> {
        vec![b'x'; usize::try_from(count).expect("small")]
    }

    #[test]
    fn pipes_and_fifos_by_their_number() {
        let entry = |pipe_id, count| {
            let entry = PipeDataEntry { pipe_id: Some(pipe_id), bytes: Some(count), size: None };
            (entry.encode_to_vec(), bytes(count))
        };
        for (name, magic) in [("pipes-data.img", PIPES_DATA), ("fifo-data.img", FIFO_DATA)] {
            let data = with_payload(magic, &[entry(7, 22), entry(8, 0), entry(9, 5)]);
            let (records, contents) = found(name, &data);
            assert_eq!(records.pipe_bytes, [(7, 22), (8, 0), (9, 5)].into());
            let at: Vec<_> = contents.iter().map(|it| (it.offset, it.len)).collect();
            assert_eq!(at, [(16, 22), (size(&data) - 5, 5)]);
            let (records, contents) = found(name, &data[..data.len() - 1]);
            assert_eq!(records.pipe_bytes, [(7, 22), (8, 0)].into());
            assert_eq!(contents.last().map(|it| it.len), Some(4));
        }
    }

    #[test]
    fn packets_of_one_socket_add_up() {
        let entry = |id_for, count| {
            let entry =
                SkPacketEntry { id_for: Some(id_for), length: Some(count), ..Default::default() };
            (entry.encode_to_vec(), bytes(count))
        };
        let data = with_payload(SK_QUEUES, &[entry(3, 10), entry(4, 1), entry(3, 5)]);
        let (mut records, contents) = found("sk-queues.img", &data);
        assert_eq!(records.unix_queues, [(3, 15), (4, 1)].into());
        let whose: Vec<_> = contents.iter().map(|it| (it.object, it.len)).collect();
        let queue = Object::UnixQueue;
        assert_eq!(whose, [(queue(3), 10), (queue(4), 1), (queue(3), 5)]);
        let len = size(&data);
        super::super::contents("", b"sk-queues.img", &data, len, &Limits::default(), &mut records);
        assert_eq!(records.unix_queues, [(3, 15), (4, 1)].into());
    }

    #[test]
    fn the_first_bytes_of_a_connection_are_enough() {
        let entry = TcpStreamEntry { inq_len: Some(9000), outq_len: Some(5), ..Default::default() };
        let data = with_payload(TCP_STREAM, &[(entry.encode_to_vec(), bytes(100))]);
        let mut records = Records::default();
        let name = "tcp-stream-1f.img";
        let limits = Limits::default();
        let start = u64::try_from(data.len()).expect("small") - 100;
        let full = start + 9005;
        let whole = contents(name, name.as_bytes(), &data, full, &limits, &mut records);
        let at = |object, offset, len| Content { object, at: None, offset, len };
        let (received, sent) = (Object::TcpReceived(0x1f), Object::TcpSent(0x1f));
        let expected = vec![at(received, start, 9000), at(sent, start + 9000, 5)];
        assert_eq!(whole.expect("enough").contents, expected);
        assert_eq!(records.tcp_queues, [(0x1f, TcpQueues { received: 9000, sent: 5 })].into());
        // Cut in the first queue: what is there is received.
        assert_eq!(found(name, &data).1, [at(received, start, 100)]);
    }

    #[test]
    fn terminals_of_criu_4_2() {
        let data = b"\x19\x43\x56\x54\x26\x30\x41\x59\x13\0\0\0\x08\x01\x12\x0ftyped, not read\
                     \x0f\0\0\0\x08\0\x12\x0boutput here";
        let at = |id, offset, len| Content { object: Object::Tty(id), at: None, offset, len };
        assert_eq!(found("tty-data.img", data).1, [at(1, 16, 15), at(0, 39, 11)]);
    }
}
