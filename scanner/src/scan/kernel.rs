//! Images of kernel objects: what of them is content is laid out and cut into windows.

use std::io;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use super::pieces::Pieces;
use super::walk::{Ledger, Walk};
use crate::archive::{Body, Container, Content, Extent, Source, Sparse, Stream, container_of};
use crate::checkpoint::Builder;
use crate::coverage::Reason;
use crate::criu::{self, Contents, Object};
use crate::diagnostic::{Code, Diagnostic, Level};
use crate::region::{Holder, HolderKind, RegionKind, Space};

/// An image of kernel objects that is laid out when all metadata are known.
#[derive(Debug)]
pub(super) struct Waiting {
    image: Image,
    contents: Contents,
    extent: Extent,
}

/// An image of kernel objects.
#[derive(Debug, Clone)]
struct Image {
    path: String,
    unit: String,
    /// Its holder as a file: what is not understood is searched as its bytes.
    file: Holder,
    /// Whether decoding made it.
    decoded: bool,
}

impl Walk<'_> {
    /// An image of kernel objects.
    pub(super) fn objects(
        &mut self,
        path: &str,
        size: Option<u64>,
        head: &[u8],
        body: Body<'_>,
    ) -> io::Result<()> {
        let len = match &body {
            Body::At(extent) => Some(extent.len()),
            Body::Stream(stream) => stream.map().map(|map| map.size()).or(size),
        };
        let is_plain = body.map().is_none();
        let known = len.filter(|_| is_plain).and_then(|len| self.builder.contents(path, head, len));
        // Long queues and deleted files need not be in memory.
        if let Some(contents) = known.as_ref().filter(|known| is_in_order(known)) {
            let image = self.object_image(path);
            return self.object_passes(&image, contents, size, body);
        }
        let fits = len.is_none_or(|len| self.budget.borrow().has_room(len));
        if !fits {
            let text = "too long to be taken apart; searched as raw bytes, without saying whose \
                        they are";
            let most = self.settings.limits.kept_member_bytes;
            let found = format!("{} bytes", len.unwrap_or(u64::MAX));
            let note = Diagnostic::new(Level::Warning, Code::LimitReached, path, text);
            self.note(note.expected(format!("at most {most} bytes"), found));
            return self.file(path, RegionKind::RawImage, size, body);
        }
        let image = self.object_image(path);
        let again = match &body {
            Body::At(extent) => Some(extent.clone()),
            Body::Stream(_) => None,
        };
        let (data, map) = self.whole(path, size, body)?;
        let len = u64::try_from(data.len()).unwrap_or(u64::MAX);
        let contents =
            known.or_else(|| self.builder.contents(path, &data, len)).unwrap_or_default();
        let extent = again.unwrap_or_else(|| {
            let extent = Extent::all(Source::bytes(data));
            map.iter().fold(extent, Extent::with_holes)
        });
        // Whether packets are one stream is in files.img; who maps a segment, for a filter, in mm.
        let needs_others = |content: &criu::Content| {
            matches!(content.object, Object::UnixQueue(_) | Object::Segment(_))
        };
        if contents.contents.iter().any(needs_others) {
            self.waiting.push(Waiting { image, contents, extent });
        } else {
            self.lay_out_objects(&image, &contents, &extent);
        }
        Ok(())
    }

    fn object_image(&mut self, path: &str) -> Image {
        let (unit, decoded) = (self.unit(path), self.decoded());
        Image { path: path.to_owned(), unit, file: self.holder(path), decoded }
    }

    /// Images that have waited for the metadata.
    pub(super) fn waiting_objects(&mut self) {
        for Waiting { image, contents, extent } in std::mem::take(&mut self.waiting) {
            self.lay_out_objects(&image, &contents, &extent);
        }
    }

    /// An image of which the beginning says all.
    fn object_passes(
        &mut self,
        image: &Image,
        contents: &Contents,
        size: Option<u64>,
        body: Body<'_>,
    ) -> io::Result<()> {
        // A deleted file that is an archive is opened as any other file.
        let ghost = match contents.contents.as_slice() {
            [content] if matches!(content.object, Object::Ghost(_)) => Some(content.offset),
            _ => None,
        };
        match body {
            Body::At(extent) => {
                let mut pieces = None;
                if let Some(start) = ghost {
                    let inside = extent.sub(start..extent.len());
                    let (head, _) = Body::At(inside.clone()).peek()?;
                    match container_of(head.bytes()) {
                        Some(container) if container.content == Content::Pieces => {
                            pieces = Some((container, inside));
                        }
                        Some(container) => {
                            self.ghost_archive(image, container, start, size, Body::At(inside));
                            return Ok(());
                        }
                        None => {}
                    }
                }
                self.count(&image.unit, size, extent.stored());
                self.lay_out_objects(image, contents, &extent);
                if let Some((container, inside)) = pieces {
                    self.nested(&image.path, container, Body::At(inside), Ledger::Decoded);
                }
                Ok(())
            }
            Body::Stream(mut stream) => {
                let mut start = 0;
                if let Some(offset) = ghost {
                    start = stream.pass(offset)?;
                }
                let (head, mut peek) = Body::Stream(Stream::new(&mut stream)).peek()?;
                let mut body = peek.body();
                let container = container_of(head.bytes()).filter(|_| ghost.is_some());
                match container {
                    Some(container) if container.content == Content::Pieces => {
                        body = self.hold_file(&image.path, body)?;
                    }
                    Some(container) => {
                        self.ghost_archive(image, container, start, size, body);
                        return Ok(());
                    }
                    None => {}
                }
                let len = size.unwrap_or(u64::MAX);
                let (mut held, mut inside) = (None, None);
                let stream = match body {
                    Body::Stream(stream) => stream,
                    Body::At(extent) => {
                        inside = container.map(|it| (it, extent.clone()));
                        Stream::new(held.insert(extent.reader()))
                    }
                };
                let got = self.stream_objects(image, contents, (start, len), stream)?;
                self.count(&image.unit, size, got);
                self.not_content(image, contents, got, None);
                self.object_note(image, contents, got);
                if let Some((container, inside)) = inside {
                    self.nested(&image.path, container, Body::At(inside), Ledger::Decoded);
                }
                Ok(())
            }
        }
    }

    /// A deleted file that is an archive; `start` bytes of its image lie before it.
    fn ghost_archive(
        &mut self,
        image: &Image,
        container: &'static Container,
        start: u64,
        size: Option<u64>,
        body: Body<'_>,
    ) {
        self.count(&image.unit, Some(start), start);
        self.skip(&image.unit, Reason::NotContent, start);
        let size = size.map(|size| size.saturating_sub(start));
        self.archive(&image.path, container, size, body);
    }

    /// Cuts the contents of an image that passes once, in their order, into windows. The stream's first
    /// byte is at `start` of the image, which is `len` bytes long. Gives how many bytes the image has.
    fn stream_objects(
        &mut self,
        image: &Image,
        contents: &Contents,
        (start, len): (u64, u64),
        mut stream: Stream<'_>,
    ) -> io::Result<u64> {
        let mut spaces = self.builder.objects(&image.path, image.file.ordinal, contents);
        spaces.sort_by_key(|space| space.pieces.first().map(|piece| piece.offset));
        spaces.extend(rest_space(image, contents.end, len));
        let mut offset = start;
        for space in spaces {
            let bad = Rc::default();
            let mut pieces = Pieces::new(Arc::clone(&space), stream, Rc::clone(&bad));
            pieces.offset = offset;
            for region in space.regions() {
                let Image { path, unit, .. } = image;
                self.cut(&space, path, path, unit, &region, &mut pieces, &bad)?;
            }
            offset = pieces.offset;
            stream = pieces.into_stream();
        }
        stream.pass(u64::MAX)?;
        Ok(start.saturating_add(stream.taken()))
    }

    /// Lays out an image that can be read at any time.
    fn lay_out_objects(&mut self, image: &Image, contents: &Contents, extent: &Extent) {
        let Image { path, unit, file, decoded } = image;
        let map = extent.map().map(|map| Sparse::clone(map));
        let mut spaces = self.builder.objects(path, file.ordinal, contents);
        spaces.extend(rest_space(image, contents.end, extent.len()));
        for space in spaces {
            let space = match &map {
                Some(map) => {
                    let mut space = Space::clone(&space);
                    space.leave_holes(map.data());
                    Arc::new(space)
                }
                None => space,
            };
            self.send(&space, path, path, unit, extent, *decoded);
        }
        self.not_content(image, contents, extent.len(), map.as_ref());
        self.object_note(image, contents, extent.len());
    }

    /// Counts records and padding.
    fn not_content(&mut self, image: &Image, contents: &Contents, len: u64, map: Option<&Sparse>) {
        let stored = |range: Range<u64>| {
            let before = |at| map.map_or(at, |map| map.stored_before(at));
            before(range.end.min(len)).saturating_sub(before(range.start.min(len)))
        };
        let content = contents.contents.iter().fold(0u64, |sum, content| {
            let end = content.offset.saturating_add(content.len);
            sum.saturating_add(stored(content.offset..end))
        });
        if !image.decoded {
            let bytes = stored(0..contents.end).saturating_sub(content);
            self.ledger(&image.unit).skip(Reason::NotContent, bytes);
        }
    }

    /// Tells what is wrong with an image.
    fn object_note(&mut self, image: &Image, contents: &Contents, len: u64) {
        let rest = len.saturating_sub(contents.end);
        let raw = format!("{rest} bytes from {} on were searched as raw bytes", contents.end);
        let note = match &contents.fault {
            Some(fault) => {
                let mut note = Diagnostic::from(fault.clone());
                if rest > 0 {
                    note.message = format!("{}; {raw}", note.message);
                }
                note
            }
            None if rest > 0 => {
                let text = format!("goes on behind its content; {raw}");
                Diagnostic::new(Level::Warning, Code::ImageMalformed, &image.path, text)
                    .at(contents.end)
            }
            None => return,
        };
        self.note(note);
    }

    /// Searches the registers of the thread in a core image.
    pub(super) fn registers(&mut self, path: &str, data: &[u8]) {
        let name = path.rsplit(['/', '!']).next().unwrap_or_default();
        let Some((thread, registers)) = criu::registers(name.as_bytes(), data) else { return };
        let (bytes, lens): (Vec<u8>, Vec<u64>) =
            registers.iter().fold((Vec::new(), Vec::new()), |(mut bytes, mut lens), file| {
                bytes.extend(file);
                lens.push(u64::try_from(file.len()).unwrap_or(u64::MAX));
                (bytes, lens)
            });
        let (set, kind) = (Builder::set_id(path), HolderKind::Registers);
        let holder = Holder { set, kind, id: thread.into(), ordinal: 0 };
        let mut space = Space::file(holder, RegionKind::Registers, 0);
        let piece = space.pieces.pop();
        let mut offset = 0u64;
        for (len, gap) in lens.into_iter().zip(0u64..) {
            // The files of registers are no neighbours.
            let at = offset.saturating_add(gap);
            space.pieces.extend(piece.map(|piece| crate::region::Piece {
                at,
                len,
                offset,
                ..piece
            }));
            offset = offset.saturating_add(len);
        }
        let extent = Extent::all(Source::bytes(bytes));
        self.send(&Arc::new(space), path, path, &self.unit(path), &extent, true);
    }
}

/// Whether each object of an image ends before the next one begins, and nothing else needs to be known.
fn is_in_order(contents: &Contents) -> bool {
    let known =
        |object| matches!(object, Object::TcpReceived(_) | Object::TcpSent(_) | Object::Ghost(_));
    contents.fault.is_none() && contents.contents.iter().all(|content| known(content.object))
}

/// What of an image was not understood, as bytes of a file.
fn rest_space(image: &Image, from: u64, len: u64) -> Option<Arc<Space>> {
    let mut space = Space::file(image.file, RegionKind::RawImage, len);
    for piece in &mut space.pieces {
        (piece.at, piece.offset) = (from, from);
        piece.len = len.saturating_sub(from);
    }
    space.pieces.retain(|piece| piece.len > 0);
    (!space.pieces.is_empty()).then(|| Arc::new(space))
}
