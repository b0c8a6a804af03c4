//! Pages images: memory is laid out and cut into windows as soon as all is known that explains it.

use std::io::{self, Read};
use std::sync::Arc;

use super::job::{self, Input, Job};
use super::walk::{Walk, unit_of};
use crate::archive::{Body, Extent, Source};
use crate::checkpoint::{Layout, Shortfall, path_id};
use crate::coverage::Reason;
use crate::diagnostic::{Code, Diagnostic, Level};
use crate::region::{Holder, HolderKind, Piece, RegionKind, Space};

/// A pages image that can be read at any time.
#[derive(Debug)]
pub(super) struct Held {
    path: String,
    id: u32,
    extent: Extent,
    /// Bytes that its header promises and that are not there.
    lacking: u64,
    /// Whether decoding made it.
    decoded: bool,
}

impl Walk<'_> {
    /// A pages image: laid out now, or when all is known that explains it.
    pub(super) fn pages(
        &mut self,
        path: &str,
        id: u32,
        size: Option<u64>,
        body: Body<'_>,
    ) -> io::Result<()> {
        if self.builder.has_pages(path, id) || (!self.second && self.later.contains(path)) {
            return self.duplicate_pages(path, size, body);
        }
        match body {
            Body::At(extent) => {
                self.hold(path, id, size, extent);
                Ok(())
            }
            Body::Stream(stream) => {
                // A stream's length is known from its header only.
                let len = size.unwrap_or(u64::MAX);
                if self.builder.is_ready(path, id) || self.second {
                    self.builder.pages(path, id, len);
                    return self.stream_pages(path, id, size, stream);
                }
                if self.again {
                    self.later.insert(path.to_owned());
                    return Ok(());
                }
                self.early_pages(path, id, len, stream)
            }
        }
    }

    /// A second pages image of the same name: the first one is the memory, this is searched too.
    fn duplicate_pages(&mut self, path: &str, size: Option<u64>, body: Body<'_>) -> io::Result<()> {
        let text = "a second pages image of this name; it was scanned as raw bytes";
        self.note(Diagnostic::new(Level::Note, Code::DuplicateMember, path, text));
        let got = match body {
            Body::At(extent) => {
                self.unowned_extent(path, 0, &extent, self.decoded());
                extent.len()
            }
            Body::Stream(stream) => self.unowned_stream(path, 0, stream)?,
        };
        self.count(&unit_of(path), size, got);
        Ok(())
    }

    /// Keeps pages until all metadata are known. What is lacking of them is counted then, as their
    /// pagemap may name it too.
    fn hold(&mut self, path: &str, id: u32, size: Option<u64>, extent: Extent) {
        let got = extent.len();
        self.builder.pages(path, id, got);
        self.count(&unit_of(path), Some(got), got);
        let lacking = size.filter(|_| self.adds_to_total()).unwrap_or(got).saturating_sub(got);
        let decoded = self.decoded();
        self.held.push(Held { path: path.to_owned(), id, extent, lacking, decoded });
    }

    /// Pages from a pipe before what explains them: held up to a limit, else scanned as raw bytes.
    fn early_pages(
        &mut self,
        path: &str,
        id: u32,
        len: u64,
        stream: &mut dyn Read,
    ) -> io::Result<()> {
        let unit = unit_of(path);
        let room = self.settings.limits.late_pages_bytes.saturating_sub(self.held_bytes);
        if len <= room {
            let mut data = Vec::new();
            io::copy(stream, &mut data)?;
            let got = data.len() as u64;
            self.held_bytes = self.held_bytes.saturating_add(got);
            self.hold(path, id, Some(len), Extent::all(Source::bytes(data)));
            return Ok(());
        }
        self.builder.pages(path, id, len);
        let text = "pages came before their pagemap and were too many to hold back; scanned as \
                    raw bytes, without addresses";
        self.note(
            Diagnostic::new(Level::Error, Code::LateMetadata, path, text)
                .expected(format!("at most {room} bytes"), format!("{len} bytes")),
        );
        let got = self.raw_stream(path, 0, u64::MAX, stream)?;
        self.count(&unit, Some(len), got);
        Ok(())
    }

    fn stream_pages(
        &mut self,
        path: &str,
        id: u32,
        size: Option<u64>,
        stream: &mut dyn Read,
    ) -> io::Result<()> {
        let unit = unit_of(path);
        let len = size.unwrap_or(u64::MAX);
        if self.builder.is_encrypted(path) {
            let got = io::copy(stream, &mut io::sink())?;
            self.encrypted(path, got);
            self.count(&unit, size, got);
            return Ok(());
        }
        let Some(layout) = self.builder.layout(path, id, len) else {
            let got = self.unowned_stream(path, 0, stream)?;
            self.count(&unit, size, got);
            return Ok(());
        };
        let explained = layout.explained;
        let space = self.laid_out(path, layout);
        let mut at = 0u64;
        let mut short = 0u64;
        for region in space.regions() {
            // Pieces of a region may leave gaps in the image between them.
            let pieces = space.pieces.get(region.pieces.clone()).unwrap_or_default();
            let mut reader = PieceReader { stream, pieces, at, left: None };
            let bytes = self.cut(&space, "", &unit, region.range.clone(), &mut reader, true)?;
            at = reader.at;
            let wanted = region.range.end.saturating_sub(region.range.start);
            short = short.saturating_add(wanted.saturating_sub(bytes));
        }
        if short > 0 {
            self.truncated(path, short, at);
        }
        let rest = explained.saturating_sub(at);
        let mut got = at.saturating_add(io::copy(&mut stream.take(rest), &mut io::sink())?);
        if explained < len {
            got = got.saturating_add(self.unowned_stream(path, explained, stream)?);
        }
        self.count(&unit, size, got);
        Ok(())
    }

    /// Takes what a layout says beside the layout itself.
    fn laid_out(&mut self, path: &str, layout: Layout) -> Arc<Space> {
        let short = layout.beyond_the_end();
        if short > 0 {
            self.truncated(path, short, layout.explained);
        }
        for note in layout.notes {
            self.note(note);
        }
        self.shortfalls(path, &layout.shortfalls);
        Arc::new(layout.space)
    }

    fn truncated(&mut self, path: &str, short: u64, at: u64) {
        let text = format!("ends early; {short} bytes of memory were not scanned");
        let note = Diagnostic::new(Level::Error, Code::PagesTruncated, path, text).at(at);
        let expected = format!("{} bytes", at.saturating_add(short));
        self.note(note.expected(expected, format!("{at} bytes")));
    }

    /// Counts bytes that a header promises and that are not there.
    fn lost(&mut self, unit: &str, bytes: u64) {
        let ledger = self.ledger(unit);
        ledger.total = ledger.total.saturating_add(bytes);
        ledger.skip(Reason::Unreadable, bytes);
    }

    /// Counts bytes that a pagemap names and no image of the target has.
    fn shortfalls(&mut self, path: &str, shortfalls: &[Shortfall]) {
        let unit = unit_of(path);
        for shortfall in shortfalls {
            let ledger = self.ledger(&unit);
            if !shortfall.stored {
                ledger.total = ledger.total.saturating_add(shortfall.bytes);
            }
            ledger.skip(shortfall.reason, shortfall.bytes);
        }
        let elsewhere = [
            (Reason::ParentMissing, Code::ParentMissing, "are in the parent dump"),
            (Reason::Lazy, Code::PagesMissing, "were left on a page server"),
        ];
        for (reason, code, text) in elsewhere {
            let of_reason = shortfalls.iter().filter(|shortfall| shortfall.reason == reason);
            let bytes = of_reason.fold(0u64, |sum, shortfall| sum.saturating_add(shortfall.bytes));
            if bytes > 0 {
                let text = format!("{bytes} bytes of memory {text}; not scanned");
                self.note(Diagnostic::new(Level::Error, code, path, text));
            }
        }
    }

    fn encrypted(&mut self, path: &str, bytes: u64) {
        self.skip(&unit_of(path), Reason::Encrypted, bytes);
        let text = format!("{bytes} bytes of pages are encrypted; not scanned");
        self.note(Diagnostic::new(Level::Error, Code::Encrypted, path, text));
    }

    /// Pages that can be read at any time, now that all metadata are known.
    pub(super) fn held_pages(&mut self) {
        for Held { path, id, extent, lacking, decoded } in std::mem::take(&mut self.held) {
            let unit = unit_of(&path);
            let len = extent.len();
            if self.builder.is_encrypted(&path) {
                self.encrypted(&path, len);
                self.lost(&unit, lacking);
                continue;
            }
            let Some(layout) = self.builder.layout(&path, id, len) else {
                self.unowned_extent(&path, 0, &extent, decoded);
                self.lost(&unit, lacking);
                continue;
            };
            self.lost(&unit, lacking.saturating_sub(layout.beyond_the_end()));
            let explained = layout.explained;
            let space = self.laid_out(&path, layout);
            for region in space.regions() {
                for own in job::windows(region.range.clone(), self.window) {
                    self.dispatcher.send(Job {
                        space: Arc::clone(&space),
                        name: Arc::from(""),
                        unit: path_id(&unit),
                        region: region.range.clone(),
                        own,
                        input: Input::Extent(extent.clone()),
                        decoded,
                    });
                }
            }
            if explained < len {
                self.unowned_extent(&path, explained, &extent, decoded);
            }
        }
    }

    /// Pagemaps whose pages image is not there.
    pub(super) fn missing_pages(&mut self) {
        for (path, layout) in self.builder.missing_pages() {
            let missing: u64 = layout
                .shortfalls
                .iter()
                .filter(|short| short.reason == Reason::Unreadable)
                .fold(0, |sum, short| sum.saturating_add(short.bytes));
            if missing > 0 {
                let text = format!("its pages image is missing; {missing} bytes were not scanned");
                self.note(Diagnostic::new(Level::Error, Code::PagesMissing, &path, text));
            }
            self.shortfalls(&path, &layout.shortfalls);
        }
    }

    /// Pages that no pagemap explains: each is searched for itself, as its neighbours in the file
    /// are no neighbours in memory.
    fn unowned_extent(&mut self, path: &str, from: u64, extent: &Extent, decoded: bool) {
        let unit = unit_of(path);
        self.unowned_note(path, from, extent.len().saturating_sub(from));
        let (space, region) = raw_space(path, extent.len());
        for own in job::windows(from..region.end, RAW_PAGE) {
            self.dispatcher.send(Job {
                space: Arc::clone(&space),
                name: Arc::from(path),
                unit: path_id(&unit),
                region: own.clone(),
                own,
                input: Input::Extent(extent.clone()),
                decoded,
            });
        }
    }

    fn unowned_stream(&mut self, path: &str, from: u64, stream: &mut dyn Read) -> io::Result<u64> {
        let got = self.raw_stream(path, from, u64::MAX, stream)?;
        if got > 0 {
            self.unowned_note(path, from, got);
        }
        Ok(got)
    }

    fn unowned_note(&mut self, path: &str, from: u64, bytes: u64) {
        if bytes > 0 {
            let text = format!("no pagemap names these {bytes} bytes; scanned as raw bytes");
            self.note(Diagnostic::new(Level::Warning, Code::PagesUnowned, path, text).at(from));
        }
    }

    /// Searches a stream page by page, without addresses; gives its length.
    #[expect(clippy::disallowed_methods, reason = "bounded by take")]
    fn raw_stream(
        &mut self,
        path: &str,
        from: u64,
        len: u64,
        stream: &mut dyn Read,
    ) -> io::Result<u64> {
        let unit = unit_of(path);
        let (space, _) = raw_space(path, len);
        let mut at = from;
        loop {
            let mut bytes = self.dispatcher.buffer();
            stream.take(RAW_PAGE).read_to_end(&mut bytes)?;
            if bytes.is_empty() {
                return Ok(at.saturating_sub(from));
            }
            let end = at.saturating_add(bytes.len() as u64);
            self.units.entry(path_id(&unit)).or_insert_with(|| unit.clone());
            self.dispatcher.send(Job {
                space: Arc::clone(&space),
                name: Arc::from(path),
                unit: path_id(&unit),
                region: at..end,
                own: at..end,
                input: Input::Bytes(at, bytes),
                decoded: self.decoded(),
            });
            at = end;
        }
    }
}

/// Bytes of a page where no pagemap says where pages are: no page is smaller.
const RAW_PAGE: u64 = 4096;

/// The bytes of a pages image without addresses.
fn raw_space(path: &str, len: u64) -> (Arc<Space>, std::ops::Range<u64>) {
    let set = path_id(&unit_of(path));
    let holder = Holder { set, kind: HolderKind::RawImage, id: path_id(path), ordinal: 0 };
    let mut space = Space::file(holder, RegionKind::RawImage, len);
    space.cut = true;
    space.page_size = u32::try_from(RAW_PAGE).unwrap_or_default();
    (Arc::new(space), 0..len)
}

/// The bytes of a region's pieces, from a stream of the image they lie in.
struct PieceReader<'a, 'b> {
    stream: &'a mut dyn Read,
    pieces: &'b [Piece],
    /// Offset in the image of the next byte of the stream.
    at: u64,
    /// Bytes left of the first of `pieces`, once it was begun.
    left: Option<u64>,
}

impl Read for PieceReader<'_, '_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            let Some((piece, rest)) = self.pieces.split_first() else { return Ok(0) };
            let left = if let Some(left) = self.left {
                left
            } else {
                let gap = piece.offset.saturating_sub(self.at);
                let skipped = io::copy(&mut self.stream.take(gap), &mut io::sink())?;
                self.at = self.at.saturating_add(skipped);
                piece.len
            };
            if left == 0 {
                (self.pieces, self.left) = (rest, None);
                continue;
            }
            let want = usize::try_from(left).unwrap_or(usize::MAX).min(buf.len());
            let read = self.stream.read(buf.get_mut(..want).unwrap_or_default())?;
            self.at = self.at.saturating_add(read as u64);
            self.left = Some(left.saturating_sub(read as u64));
            return Ok(read);
        }
    }
}
