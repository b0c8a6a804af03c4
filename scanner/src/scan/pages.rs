//! Pages images: memory is laid out and cut into windows as soon as all is known that explains it.

use std::io;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use super::chain::{Dumps, HeldDump};
use super::job::{self, Input, Job};
use super::pieces::Pieces;
use super::walk::{Walk, unit_of};
use crate::archive::{Body, Extent, Source, Sparse, Stream};
use crate::checkpoint::{Layout, Shortfall, parts, path_id};
use crate::coverage::Reason;
use crate::diagnostic::{Code, Diagnostic, Level};
use crate::region::{Holder, HolderKind, RegionKind, Space};

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
                let map = stream.map();
                let len = map.map(|map| map.size()).or(size).unwrap_or(u64::MAX);
                let is_ready = self.is_ready(path, id) || self.second;
                let is_chained =
                    self.builder.is_chained(path, id) || self.second && self.is_in_chain(path, id);
                if is_ready && is_chained {
                    return self.chained_pages(path, id, size, stream);
                }
                if is_ready {
                    self.builder.pages(path, id, len);
                    return self.stream_pages(path, id, size, stream);
                }
                if self.again {
                    self.later.insert(path.to_owned());
                    return Ok(());
                }
                self.early_pages(path, id, size.unwrap_or(u64::MAX), stream)
            }
        }
    }

    /// Whether all is known that pages need to be laid out, and to be looked at or left out.
    fn is_ready(&self, path: &str, id: u32) -> bool {
        let filter = &self.settings.filter;
        self.builder.is_ready(path, id)
            && (filter.is_empty() || self.builder.can_filter(path, id, filter))
    }

    /// A second pages image of the same name: the first one is the memory, this is searched too.
    fn duplicate_pages(&mut self, path: &str, size: Option<u64>, body: Body<'_>) -> io::Result<()> {
        let text = "a second pages image of this name; it was scanned as raw bytes";
        self.note(Diagnostic::new(Level::Note, Code::DuplicateMember, path, text));
        let got = match body {
            Body::At(extent) => {
                self.unowned_extent(path, 0, &extent, self.decoded());
                extent.stored()
            }
            Body::Stream(stream) => self.unowned_stream(path, 0, stream)?,
        };
        self.count(&unit_of(path), size, got);
        Ok(())
    }

    /// Keeps pages until all metadata are known. What is lacking of them is counted then, as their
    /// pagemap may name it too.
    fn hold(&mut self, path: &str, id: u32, size: Option<u64>, extent: Extent) {
        let got = extent.stored();
        self.builder.pages(path, id, extent.len());
        self.count(&unit_of(path), Some(got), got);
        let lacking = size.filter(|_| self.adds_to_total()).unwrap_or(got).saturating_sub(got);
        let decoded = self.decoded();
        self.held.push(Held { path: path.to_owned(), id, extent, lacking, decoded });
    }

    /// Whether the dump of a pages image is a part of a chain, as is known in the second opening.
    fn is_in_chain(&self, path: &str, id: u32) -> bool {
        let owner = self.builder.pages_owner(path, id);
        owner.is_some_and(|(folder, _)| parts(&self.builder.chains()).contains(folder))
    }

    /// Bytes of pages that may still be held in memory.
    pub(super) fn room(&self) -> u64 {
        self.settings.limits.late_pages_bytes.saturating_sub(self.held_bytes)
    }

    /// Holds the stored bytes of a stream in memory until all metadata are known.
    pub(super) fn hold_stream(
        &mut self,
        path: &str,
        id: u32,
        len: u64,
        stream: Stream<'_>,
    ) -> io::Result<()> {
        let mut data = Vec::new();
        let map = stream.map().cloned();
        io::copy(&mut stream.stored_bytes(), &mut data)?;
        self.held_bytes = self.held_bytes.saturating_add(data.len() as u64);
        let extent = Extent::all(Source::bytes(data));
        let extent = map.iter().fold(extent, |extent, map| extent.with_holes(map));
        self.hold(path, id, Some(len), extent);
        Ok(())
    }

    /// Pages from a pipe before what explains them: held up to a limit, else scanned as raw bytes.
    fn early_pages(&mut self, path: &str, id: u32, len: u64, stream: Stream<'_>) -> io::Result<()> {
        let unit = unit_of(path);
        let room = self.room();
        if len <= room {
            return self.hold_stream(path, id, len, stream);
        }
        self.builder.pages(path, id, stream.map().map_or(len, |map| map.size()));
        let text = "pages came before their pagemap and were too many to hold back; scanned as \
                    raw bytes, without addresses";
        self.note(
            Diagnostic::new(Level::Error, Code::LateMetadata, path, text)
                .expected(format!("at most {room} bytes"), format!("{len} bytes")),
        );
        let got = self.raw_stream(path, 0, stream)?;
        self.count(&unit, Some(len), got);
        Ok(())
    }

    pub(super) fn stream_pages(
        &mut self,
        path: &str,
        id: u32,
        size: Option<u64>,
        stream: Stream<'_>,
    ) -> io::Result<()> {
        let unit = unit_of(path);
        let map = stream.map().cloned();
        let len = map.as_ref().map(|map| map.size()).or(size).unwrap_or(u64::MAX);
        if self.builder.is_encrypted(path) {
            let got = io::copy(&mut stream.stored_bytes(), &mut io::sink())?;
            self.has_len(path, id, map.map_or(got, |map| map.cut(got).size()));
            self.encrypted(path, got, self.decoded());
            self.count(&unit, size, got);
            return Ok(());
        }
        let Some(mut layout) = self.builder.layout(path, id, len) else {
            let got = self.unowned_stream(path, 0, stream)?;
            self.count(&unit, size, got);
            return Ok(());
        };
        let expands = self.may_expand(path, &layout);
        if !expands {
            layout.leave_compressed();
        }
        let explained = layout.explained;
        if let Some(map) = &map {
            layout.space.leave_holes(map.data());
        }
        let space = Arc::new(layout.space);
        let bad = Rc::default();
        let mut pieces = Pieces::new(Arc::clone(&space), stream, Rc::clone(&bad));
        for region in space.regions() {
            self.cut(&space, "", path, &unit, &region, &mut pieces, &bad)?;
        }
        let at = pieces.offset;
        let mut stream = pieces.into_stream();
        stream.pass(explained.saturating_sub(at))?;
        let got = if explained < len {
            self.unowned_stream(path, explained, stream)?
        } else {
            stream.taken()
        };
        // The ledger is that of an image as long as this one was.
        let map = map.map(|map| map.cut(got));
        let there = map.as_ref().map_or(got, Sparse::size);
        self.has_len(path, id, there);
        if let Some(mut layout) = self.builder.layout(path, id, there) {
            if !expands {
                layout.leave_compressed();
            }
            self.count(&unit, Some(got), got);
            let lacking = self.lacking(size, got);
            self.lost(&unit, lacking.saturating_sub(layout.beyond_the_end()));
            self.laid_out(path, layout, map.as_ref(), self.decoded());
        }
        Ok(())
    }

    /// Tells how long a pages image of a stream was, which may be less than its header says.
    fn has_len(&mut self, path: &str, id: u32, len: u64) {
        if let Some((folder, _)) = self.builder.pages_owner(path, id) {
            self.builder.pages_of_len(folder, id, len);
        }
    }

    /// Bytes that a header promises and that are not there, where they count.
    fn lacking(&self, size: Option<u64>, got: u64) -> u64 {
        size.filter(|_| self.adds_to_total()).unwrap_or(got).saturating_sub(got)
    }

    /// Takes what a layout says beside the layout itself; `map` says what of its image is stored.
    fn laid_out(
        &mut self,
        path: &str,
        layout: Layout,
        map: Option<&Sparse>,
        decoded: bool,
    ) -> Arc<Space> {
        let short = layout.beyond_the_end();
        if short > 0 {
            self.truncated(path, short, layout.explained);
        }
        for note in layout.notes {
            self.note(note);
        }
        self.shortfalls(path, &layout.shortfalls, decoded);
        let mut space = layout.space;
        let mut more = layout.grown;
        if let Some(map) = map {
            // Of the holes, those in memory are no part of the stored size; all others were counted
            // as if they were stored.
            let holes = layout.explained.saturating_sub(map.stored_before(layout.explained));
            let in_memory = space.leave_holes(map.data());
            more = more.saturating_add(holes.saturating_sub(in_memory));
        }
        if !decoded {
            let ledger = self.ledger(&unit_of(path));
            ledger.total = ledger.total.saturating_add(more);
        }
        Arc::new(space)
    }

    /// Whether the budget allows to expand what is compressed.
    pub(super) fn may_expand(&mut self, path: &str, layout: &Layout) -> bool {
        let charged = self.budget.borrow_mut().decoded(layout.compressed());
        let Err(exceeded) = charged else { return true };
        let text = format!("{exceeded}; its compressed pages were not scanned");
        self.note(Diagnostic::new(Level::Error, Code::LimitReached, path, text));
        false
    }

    fn truncated(&mut self, path: &str, short: u64, at: u64) {
        let text = format!("ends early; {short} bytes of memory were not scanned");
        let note = Diagnostic::new(Level::Error, Code::PagesTruncated, path, text).at(at);
        let expected = format!("{} bytes", at.saturating_add(short));
        self.note(note.expected(expected, format!("{at} bytes")));
    }

    /// Counts bytes that a header promises and that are not there.
    pub(super) fn lost(&mut self, unit: &str, bytes: u64) {
        let ledger = self.ledger(unit);
        ledger.total = ledger.total.saturating_add(bytes);
        ledger.skip(Reason::Unreadable, bytes);
    }

    /// Counts bytes that a pagemap names and no image of the target has.
    pub(super) fn shortfalls(&mut self, path: &str, shortfalls: &[Shortfall], decoded: bool) {
        let unit = unit_of(path);
        // What decoding made is in no total.
        for shortfall in shortfalls.iter().filter(|short| !short.stored || !decoded) {
            let ledger = self.ledger(&unit);
            if !shortfall.stored {
                ledger.total = ledger.total.saturating_add(shortfall.bytes);
            }
            ledger.skip(shortfall.reason, shortfall.bytes);
        }
        let lazy = shortfalls.iter().filter(|shortfall| shortfall.reason == Reason::Lazy);
        let bytes = lazy.fold(0u64, |sum, shortfall| sum.saturating_add(shortfall.bytes));
        if bytes > 0 {
            let text = format!("{bytes} bytes of memory were left on a page server; not scanned");
            self.note(Diagnostic::new(Level::Error, Code::PagesMissing, path, text));
        }
    }

    fn encrypted(&mut self, path: &str, bytes: u64, decoded: bool) {
        // What decoding made is in no total.
        if !decoded {
            self.ledger(&unit_of(path)).skip(Reason::Encrypted, bytes);
        }
        let text = format!("{bytes} bytes of pages are encrypted; not scanned");
        self.note(Diagnostic::new(Level::Error, Code::Encrypted, path, text));
    }

    /// Pages that can be read at any time, now that all metadata are known; with those that other
    /// targets lend.
    pub(super) fn held_pages(&mut self, lent: Dumps) {
        let chains = self.builder.chains();
        let parts = parts(&chains);
        let mut dumps = lent;
        for Held { path, id, extent, lacking, decoded } in std::mem::take(&mut self.held) {
            let unit = unit_of(&path);
            let len = extent.len();
            if self.builder.is_encrypted(&path) {
                self.encrypted(&path, extent.stored(), decoded);
                self.lost(&unit, lacking);
                continue;
            }
            let Some(mut layout) = self.builder.layout(&path, id, len) else {
                self.unowned_extent(&path, 0, &extent, decoded);
                self.lost(&unit, lacking);
                continue;
            };
            if !self.may_expand(&path, &layout) {
                layout.leave_compressed();
            }
            self.lost(&unit, lacking.saturating_sub(layout.beyond_the_end()));
            let explained = layout.explained;
            let space = self.laid_out(&path, layout, extent.map().map(|map| &**map), decoded);
            match self.builder.pages_owner(&path, id) {
                Some((folder, key)) if parts.contains(folder) => {
                    let dump =
                        HeldDump { space, extent: extent.clone(), path: path.clone(), decoded };
                    dumps.insert((folder.to_owned(), key), dump);
                }
                _ => self.send(&space, "", &path, &unit, &extent, decoded),
            }
            if explained < len {
                self.unowned_extent(&path, explained, &extent, decoded);
            }
        }
        self.chains(&chains, &dumps);
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
            self.shortfalls(&path, &layout.shortfalls, false);
        }
    }

    /// Pages that no pagemap explains: each is searched for itself, as its neighbours in the file
    /// are no neighbours in memory.
    fn unowned_extent(&mut self, path: &str, from: u64, extent: &Extent, decoded: bool) {
        let unit = unit_of(path);
        let before = extent.map().map_or(from, |map| map.stored_before(from));
        self.unowned_note(path, from, extent.stored().saturating_sub(before));
        let (space, parts) = raw_space(path, from, extent.len(), extent.map().map(|map| &**map));
        let (name, member): (Arc<str>, Arc<str>) = (Arc::from(path), Arc::from(path));
        let scope = self.scope(&space);
        for own in parts.into_iter().flat_map(|part| job::windows(part, || RAW_PAGE)) {
            self.dispatcher.send(Job {
                space: Arc::clone(&space),
                name: Arc::clone(&name),
                member: Arc::clone(&member),
                unit: path_id(&unit),
                region: own.clone(),
                own,
                scope: scope.clone(),
                input: Input::Extent(extent.clone()),
                decoded,
            });
        }
    }

    /// The same of a stream, which stands at `from`; gives the stored bytes of all of it.
    fn unowned_stream(&mut self, path: &str, from: u64, stream: Stream<'_>) -> io::Result<u64> {
        let before = stream.taken();
        let got = self.raw_stream(path, from, stream)?;
        self.unowned_note(path, from, got.saturating_sub(before));
        Ok(got)
    }

    fn unowned_note(&mut self, path: &str, from: u64, bytes: u64) {
        if bytes > 0 {
            let text = format!("no pagemap names these {bytes} bytes; scanned as raw bytes");
            self.note(Diagnostic::new(Level::Warning, Code::PagesUnowned, path, text).at(from));
        }
    }

    /// Searches a stream page by page, without addresses; gives the stored bytes of all of it.
    fn raw_stream(&mut self, path: &str, from: u64, mut stream: Stream<'_>) -> io::Result<u64> {
        let unit = unit_of(path);
        let map = stream.map().cloned();
        let len = map.as_ref().map_or(u64::MAX, |map| map.size());
        let (space, parts) = raw_space(path, from, len, map.as_deref());
        let (name, member): (Arc<str>, Arc<str>) = (Arc::from(path), Arc::from(path));
        self.units.entry(path_id(&unit)).or_insert_with(|| unit.clone());
        let scope = self.scope(&space);
        let mut at = from;
        for own in parts.into_iter().flat_map(|part| job::windows(part, || RAW_PAGE)) {
            stream.pass(own.start.saturating_sub(at))?;
            let mut bytes = self.buffer();
            let size = own.end.saturating_sub(own.start);
            bytes.fill(&[], &mut stream, usize::try_from(size).unwrap_or(usize::MAX))?;
            at = own.start.saturating_add(bytes.len() as u64);
            if bytes.is_empty() {
                break;
            }
            self.dispatcher.send(Job {
                space: Arc::clone(&space),
                name: Arc::clone(&name),
                member: Arc::clone(&member),
                unit: path_id(&unit),
                region: own.start..at,
                own: own.start..at,
                scope: scope.clone(),
                input: Input::Bytes(own.start, bytes, Vec::new()),
                decoded: self.decoded(),
            });
        }
        Ok(stream.taken())
    }
}

/// Bytes of a page where no pagemap says where pages are: no page is smaller.
const RAW_PAGE: u64 = 4096;

/// The bytes of a pages image without addresses, and the parts behind `from` that are searched, in
/// pages from there on.
fn raw_space(
    path: &str,
    from: u64,
    len: u64,
    map: Option<&Sparse>,
) -> (Arc<Space>, Vec<Range<u64>>) {
    let set = path_id(&unit_of(path));
    let holder = Holder { set, kind: HolderKind::RawImage, id: path_id(path), ordinal: 0 };
    let mut space = Space::file(holder, RegionKind::RawImage, len);
    space.cut = true;
    space.page_size = u32::try_from(RAW_PAGE).unwrap_or_default();
    let whole = Range { start: from, end: len };
    let Some(map) = map else { return (Arc::new(space), vec![whole]) };
    space.leave_holes(map.data());
    let page = |at: u64| at.saturating_sub(from) / RAW_PAGE * RAW_PAGE;
    let mut parts: Vec<Range<u64>> = Vec::new();
    for stored in map.data().iter().filter(|stored| stored.end > from) {
        let start = from.saturating_add(page(stored.start));
        let last = page(stored.end.saturating_sub(1)).saturating_add(RAW_PAGE);
        let end = from.saturating_add(last).min(len);
        match parts.last_mut() {
            Some(before) if before.end >= start => before.end = before.end.max(end),
            _ => parts.push(start..end),
        }
    }
    (Arc::new(space), parts)
}
