//! What kernel objects held: images that carry bytes of processes beside or inside their records.
//! [`contents`] says which bytes of the image are content, and whose.

use std::ops::Range;

use prost::Message;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

use super::name::key_of;
use super::{Image, ImageError, ImageErrorKind, Key, Records, bpf, ghost, ipc, queues};
use crate::limits::Limits;

/// Contents of one image. Each is a region of its own, so a hostile image of 64 MiB could ask for
/// millions; what comes after these is searched as raw bytes.
const CONTENTS: u64 = 1 << 17;

/// What bytes belong to, by CRIU's number of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Object {
    /// A pipe, by its `pipe_id`.
    Pipe(u32),
    /// A named pipe, by its `pipe_id`.
    Fifo(u32),
    /// A unix socket that has received them, by [`super::UnixSocket::id`].
    UnixQueue(u32),
    /// A TCP connection that has received them, by [`super::InetSocket::ino`].
    TcpReceived(u32),
    /// A TCP connection that has sent them, by the same.
    TcpSent(u32),
    /// A terminal, by its `tty_info_id`.
    Tty(u32),
    /// A queue of System V messages, by IPC namespace and id.
    Messages(Key, u32),
    /// A System V shared segment, by its id (before CRIU 3.0).
    Segment(u32),
    /// A BPF map, by its id.
    BpfMap(u32),
    /// A deleted file, by the number of its image.
    Ghost(Key),
}

/// Neighbouring bytes of an object that are neighbours in the image too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Content {
    /// Whose they are.
    pub object: Object,
    /// Offset in the object, where it has such: a deleted file, a shared segment.
    pub at: Option<u64>,
    /// Offset in the image of the first one.
    pub offset: u64,
    /// How many there are.
    pub len: u64,
}

/// What of an image is content.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Contents {
    /// In the order of the image; none is empty, none overlaps another.
    pub contents: Vec<Content>,
    /// Bytes of the image that were understood: content, records and padding.
    pub end: u64,
    /// What is wrong behind them, or with the last content.
    pub fault: Option<ImageError>,
}

/// A record as a message and as bytes, with their offset in the image.
type Body<'a, M> = (M, &'a [u8], u64);

type Take = fn(&mut Contained<'_>, Key, &mut Records) -> Result<(), ImageError>;

/// Says what of an image is content, and adds to `records` how much there is. Any other file has none.
///
/// `data` are the image's first bytes and `len` is its length. `None`: the beginning says too
/// little, all of the image is needed. Contents before a fault stay.
pub fn contents(
    name: &str,
    file_name: &[u8],
    data: &[u8],
    len: u64,
    limits: &Limits,
    records: &mut Records,
) -> Option<Contents> {
    let key = key_of(file_name).unwrap_or(0);
    let has = |prefix: &str| file_name.starts_with(prefix.as_bytes());
    let is_whole = u64::try_from(data.len()).is_ok_and(|held| held >= len);
    let (magic, take, needs_all): (u32, Take, bool) = match file_name {
        b"pipes-data.img" => (queues::PIPES_DATA, queues::pipes, true),
        b"fifo-data.img" => (queues::FIFO_DATA, queues::fifos, true),
        b"sk-queues.img" => (queues::SK_QUEUES, queues::packets, true),
        b"tty-data.img" => (queues::TTY_DATA, queues::terminals, true),
        b"bpfmap-data.img" => (bpf::BPFMAP_DATA, bpf::maps, true),
        _ if has("tcp-stream-") => (queues::TCP_STREAM, queues::connection, false),
        _ if has("ghost-file-") => (ghost::GHOST_FILE, ghost::file, ghost::is_chunked(data)),
        _ if has("ipcns-msg-") => (ipc::IPCNS_MSG, ipc::messages, true),
        _ if has("ipcns-shm-") => (ipc::IPCNS_SHM, ipc::segments, true),
        _ => return Some(Contents { end: len, ..Contents::default() }),
    };
    if needs_all && !is_whole {
        return None;
    }
    let limits = Limits { records: limits.records.min(CONTENTS), ..limits.clone() };
    let image = match Image::new(name, data, magic, &limits) {
        Ok(image) => image,
        Err(_) if !is_whole => return None,
        Err(fault) => return Some(Contents { fault: Some(fault), ..Contents::default() }),
    };
    let mut found = Contained { image, len, end: 0, contents: Vec::new() };
    let fault = take(&mut found, key, records).err();
    if fault.is_some() && !is_whole {
        // What lies behind the beginning may be what is missing.
        return None;
    }
    let end = if fault.is_some() { found.end } else { found.end.max(found.image.offset()) };
    Some(Contents { contents: found.contents, end, fault })
}

/// An image whose contents are being found.
pub(super) struct Contained<'a> {
    image: Image<'a>,
    /// Bytes of the whole image.
    len: u64,
    /// Bytes that were understood.
    end: u64,
    contents: Vec<Content>,
}

impl<'a> Contained<'a> {
    /// The next record; `None` at a clean end of the image.
    pub(super) fn record<M: Message + Default>(&mut self) -> Result<Option<M>, ImageError> {
        self.end = self.image.offset();
        self.image.record()
    }

    /// The next record, which must be there.
    pub(super) fn required<M: Message + Default>(&mut self) -> Result<M, ImageError> {
        self.end = self.image.offset();
        self.image.required()
    }

    /// The next record as a message and as bytes, with their offset.
    pub(super) fn body<M: Message + Default>(&mut self) -> Result<Option<Body<'a, M>>, ImageError> {
        self.end = self.image.offset();
        let Some(body) = self.image.body()? else { return Ok(None) };
        let len = u64::try_from(body.len()).unwrap_or(u64::MAX);
        let message = self.image.message(self.end, body)?;
        Ok(Some((message, body, self.image.offset().saturating_sub(len))))
    }

    /// Where the next bytes lie.
    pub(super) fn offset(&self) -> u64 {
        self.image.offset()
    }

    /// Bytes from an offset to the end of the image.
    pub(super) fn rest(&self, offset: u64) -> u64 {
        self.len.saturating_sub(offset)
    }

    /// Takes `bytes` at an offset of the image as content; gives where they end. Of content that is
    /// cut what is there is taken.
    ///
    /// # Errors
    /// When the image ends before.
    pub(super) fn take(
        &mut self,
        object: Object,
        at: Option<u64>,
        offset: u64,
        bytes: u64,
    ) -> Result<u64, ImageError> {
        let held = bytes.min(self.rest(offset));
        if held > 0 {
            self.contents.push(Content { object, at, offset, len: held });
        }
        self.end = self.end.max(offset.saturating_add(held));
        if held < bytes {
            let kind = ImageErrorKind::Truncated { expected: bytes, found: held };
            return Err(self.image.error(offset, kind));
        }
        Ok(offset.saturating_add(bytes))
    }

    /// Takes the next `bytes` of the image as content, and leaves out so many bytes of padding.
    ///
    /// # Errors
    /// When the image ends before.
    pub(super) fn take_next(
        &mut self,
        object: Object,
        at: Option<u64>,
        bytes: u64,
        padding: u64,
    ) -> Result<(), ImageError> {
        self.take(object, at, self.image.offset(), bytes)?;
        self.image.payload(bytes)?;
        // Padding that is cut was nothing.
        let padding = padding.min(self.rest(self.image.offset()));
        self.image.payload(padding)?;
        self.end = self.image.offset();
        Ok(())
    }

    /// An error in the record at hand.
    pub(super) fn fault(&self, kind: ImageErrorKind) -> ImageError {
        self.image.error(self.end, kind)
    }
}

/// Where in a message the bytes of a field lie; an own message gives it once.
pub(super) fn field(body: &[u8], number: u32) -> Vec<Range<u64>> {
    let mut found = Vec::new();
    let mut rest = body;
    let at = |rest: &[u8]| u64::try_from(body.len().saturating_sub(rest.len())).unwrap_or(0);
    while let Ok((tag, wire)) = decode_key(&mut rest) {
        if tag == number && wire == WireType::LengthDelimited {
            let mut ahead = rest;
            if let Ok(len) = decode_varint(&mut ahead) {
                let start = at(ahead);
                found.push(start..start.saturating_add(len));
            }
        }
        if skip_field(wire, tag, &mut rest, DecodeContext::default()).is_err() {
            break;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::criu::sample::{framed, payloads, size};

    /// The contents of a whole image, which are inside it, in order, and apart.
    pub(crate) fn of(name: &str, data: &[u8]) -> Contents {
        let len = u64::try_from(data.len()).expect("small");
        let mut records = Records::default();
        let limits = Limits::default();
        let found = contents(name, name.as_bytes(), data, len, &limits, &mut records);
        let found = found.expect("all of it is there");
        let mut last = 0;
        for content in &found.contents {
            assert!(content.offset >= last && content.len > 0, "{name}: {content:?}");
            last = content.offset.saturating_add(content.len);
        }
        assert!(last <= found.end && found.end <= len, "{name}: {found:?}");
        found
    }

    #[test]
    fn an_image_cut_at_any_byte_keeps_what_was_there() {
        for (name, data) in payloads() {
            let whole = of(&name, &data);
            assert_eq!((&whole.fault, whole.end), (&None, size(&data)), "{name}");
            let bytes = |found: &Contents| found.contents.iter().map(|it| it.len).sum::<u64>();
            let mut most = 0;
            for end in 0..data.len() {
                let cut = of(&name, &data[..end]);
                assert!(bytes(&cut) >= most && bytes(&cut) <= bytes(&whole), "{name} at {end}");
                most = bytes(&cut);
            }
        }
    }

    #[test]
    fn the_beginning_is_enough_or_asked_again() {
        for (name, data) in payloads() {
            let len = size(&data);
            let part = |end: usize| {
                let (mut records, limits) = (Records::default(), Limits::default());
                contents(&name, name.as_bytes(), &data[..end], len, &limits, &mut records)
            };
            for end in 0..data.len() {
                if let Some(found) = part(end) {
                    assert_eq!(found, of(&name, &data), "{name} from its first {end} bytes");
                }
            }
            let from_head = name.starts_with("tcp-") || name == "ghost-file-1.img";
            assert_eq!(part(data.len() - 1).is_some(), from_head, "{name}");
        }
    }

    #[test]
    fn another_image_under_the_name_is_a_fault_at_its_start() {
        for (name, data) in payloads() {
            let foreign = [&data[..4], &[0; 4], &data[8..]].concat();
            let found = of(&name, &foreign);
            assert_eq!((found.contents.len(), found.end), (0, 0), "{name}");
            assert!(found.fault.is_some(), "{name}");
        }
    }

    #[test]
    fn other_files_have_no_content() {
        let found = of("core-1.img", b"anything");
        assert_eq!(found, Contents { end: 8, ..Contents::default() });
    }

    #[test]
    fn more_contents_than_anyone_has_are_left_to_the_raw_search() {
        let record = vec![8, 1, 16, 1]; // One byte for pipe 1.
        let one = [&4u32.to_le_bytes()[..], &record, b"x"].concat();
        let most = usize::try_from(CONTENTS).expect("small");
        let data = [framed(queues::PIPES_DATA, &[]), one.repeat(most + 1)].concat();
        let found = of("pipes-data.img", &data);
        assert_eq!(found.contents.len(), most);
        assert_eq!(found.end, size(&data) - size(&one));
        assert!(matches!(found.fault.map(|it| it.kind), Some(ImageErrorKind::TooMany { .. })));
    }

    proptest! {
        #[test]
        fn never_panics_on_damage(
            which in 0..payloads().len(),
            damage in vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        ) {
            let (name, mut data) = payloads().swap_remove(which);
            for (at, byte) in damage {
                let at = at.index(data.len());
                data[at] = byte;
            }
            of(&name, &data);
        }

        #[test]
        fn never_panics_on_any_bytes(
            which in 0..payloads().len(),
            records in vec(vec(any::<u8>(), 0..40), 0..4),
            tail in vec(any::<u8>(), 0..80),
        ) {
            let (name, data) = payloads().swap_remove(which);
            let mut image = framed(0, &records);
            image[..8].copy_from_slice(&data[..8]);
            image.extend(tail);
            of(&name, &image);
        }
    }
}
