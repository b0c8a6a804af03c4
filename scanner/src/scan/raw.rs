//! Raw targets: what is no checkpoint, scanned as plain bytes. An ELF core has addresses.

use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use super::owners::is_within;
use super::pieces::Pieces;
use super::walk::Walk;
use crate::archive::{Body, Extent, Stream, name};
use crate::checkpoint::elf_core::{self, CoreHeader, CoreLayout, Segment};
use crate::checkpoint::{Checkpoint, Process, path_id};
use crate::coverage::Reason;
use crate::diagnostic::{Code, Diagnostic, Level};
use crate::region::{Holder, HolderKind, Region, RegionKind, Space};

/// The name that the content of a target has, whose path inside the target is empty.
pub(super) fn name_of(target: &super::Target) -> String {
    match target {
        super::Target::Stdin => "-".to_owned(),
        super::Target::Path(path) => {
            let last = path.file_name().or_else(|| path.parent().and_then(Path::file_name));
            let last = last.unwrap_or(path.as_os_str());
            name::display(last.as_encoded_bytes())
        }
    }
}

/// Bytes without an address are `file` where they are text, so that places have lines, and
/// `raw-image` where they are not.
fn kind_of(head: &[u8]) -> RegionKind {
    let marked = [&b"\xff\xfe"[..], b"\xfe\xff"].iter().any(|mark| head.starts_with(mark));
    if marked || memchr::memchr(0, head).is_none() {
        RegionKind::File
    } else {
        RegionKind::RawImage
    }
}

/// What there is of a core before its memory is laid out.
pub(super) struct Core {
    header: CoreHeader,
    segments: Vec<Segment>,
    /// Number of its memory as a holder: the pid, as far as it was known when the memory came.
    id: u32,
    process: Process,
}

impl Core {
    /// The layout of a file of `len` bytes, as spaces: of memory, and of all else.
    fn spaces(&self, path: &str, len: u64) -> (CoreLayout, Arc<Space>, Arc<Space>) {
        let set = path_id(path);
        let holder = |kind, id| Holder { set, kind, id, ordinal: 0 };
        let layout = self.header.lay_out(&self.segments, len);
        let memory = holder(HolderKind::Memory, self.id.into());
        let memory = elf_core::memory(memory, &layout);
        let rest = elf_core::rest(holder(HolderKind::File, set), &layout);
        (layout, Arc::new(memory), Arc::new(rest))
    }
}

impl Walk<'_> {
    /// A file that is no part of a checkpoint.
    pub(super) fn plain(
        &mut self,
        path: &str,
        size: Option<u64>,
        head: &[u8],
        body: Body<'_>,
    ) -> io::Result<()> {
        let own = self.own_name.clone();
        let path = if path.is_empty() { own.as_str() } else { path };
        let mut why = None;
        match elf_core::recognise(head) {
            None => {}
            Some(Err(text)) => why = Some(text),
            Some(Ok(_)) if body.map().is_some() && matches!(body, Body::Stream(_)) => {
                why = Some("an ELF core with holes in a stream");
            }
            Some(Ok(_)) if self.cores.contains_key(path) => {
                why = Some("a second core of this name");
            }
            Some(Ok(header)) => {
                let charged = self.budget.borrow_mut().keep(header.end());
                match charged {
                    Ok(()) => return self.core(path, header, size, body),
                    Err(_) => why = Some("an ELF core with too many program headers"),
                }
            }
        }
        if let Some(text) = why {
            let text = format!("{text}; scanned as plain bytes, without addresses");
            self.note(Diagnostic::new(Level::Warning, Code::CoreUnmapped, path, text));
        }
        self.new_file(path);
        self.file(path, kind_of(head), size, body)
    }

    /// An ELF core: a checkpoint of one process.
    fn core(
        &mut self,
        path: &str,
        header: CoreHeader,
        size: Option<u64>,
        body: Body<'_>,
    ) -> io::Result<()> {
        let id = path_id(path);
        self.units.entry(id).or_insert_with(|| path.to_owned());
        let files = self.files.entry(id).or_default();
        *files = files.saturating_add(1);
        match body {
            Body::At(extent) => self.core_at(path, header, size, &extent),
            Body::Stream(stream) => self.core_stream(path, header, size, stream),
        }
    }

    fn core_at(
        &mut self,
        path: &str,
        header: CoreHeader,
        size: Option<u64>,
        extent: &Extent,
    ) -> io::Result<()> {
        let table = read_at_most(&mut extent.sub(0..header.end()).reader(), header.end())?;
        let segments = header.segments(&table);
        let mut notes = Vec::new();
        for note in segments.iter().filter(|segment| segment.is_note) {
            let part = extent.sub(note.range());
            if self.may_keep(path, part.len()) {
                notes.push(read_at_most(&mut part.reader(), part.len())?);
            }
        }
        let process = header.process(&segments, &notes);
        let core = Core { header, segments, id: process.pid, process };
        let (mut layout, memory, rest) = core.spaces(path, extent.len());
        let (mut memory, mut rest) = (Space::clone(&memory), Space::clone(&rest));
        if let Some(map) = extent.map() {
            // Holes are in the ledger of no member; those of the padding are nowhere.
            memory.leave_holes(map.data());
            rest.leave_holes(map.data());
            let stored = |space: &Space| -> u64 {
                let pieces =
                    space.pieces.iter().filter(|piece| piece.form == crate::region::Form::Raw);
                pieces.fold(0, |sum, piece| sum.saturating_add(piece.len))
            };
            let both = stored(&memory).saturating_add(stored(&rest));
            layout.padding = extent.stored().saturating_sub(both);
        }
        let (memory, rest) = (Arc::new(memory), Arc::new(rest));
        let decoded = self.decoded();
        self.know(path, core, &memory);
        self.send(&memory, "", path, path, extent, decoded);
        self.send(&rest, path, path, path, extent, decoded);
        self.settle(path, size, extent.stored(), &layout);
        Ok(())
    }

    /// As [`Self::core_at`], of bytes that pass once: notes are read where they come before memory.
    fn core_stream(
        &mut self,
        path: &str,
        header: CoreHeader,
        size: Option<u64>,
        mut stream: Stream<'_>,
    ) -> io::Result<()> {
        let mut prefix = read_at_most(&mut stream, header.end())?;
        let segments = header.segments(&prefix);
        let layout = header.lay_out(&segments, u64::MAX);
        let memory = layout.pieces.first().map_or(u64::MAX, |piece| piece.offset);
        let ranges = segments.iter().filter(|it| it.is_note).map(Segment::range);
        let (early, late): (Vec<_>, Vec<_>) = ranges.partition(|range| range.end <= memory);
        let end = early.iter().map(|range| range.end).max().unwrap_or_default();
        let more = end.saturating_sub(prefix.len() as u64);
        if self.may_keep(path, more) {
            prefix.append(&mut read_at_most(&mut stream, more)?);
        }
        if !late.is_empty() && !self.settings.filter.is_empty() {
            let text = "its notes follow on its memory, which came as a stream: no filter can tell what \
                        fits; decompress it";
            self.note(Diagnostic::new(Level::Error, Code::CoreUnmapped, path, text));
        }
        let late = late.into_iter().filter(|range| {
            self.may_keep(path, range.end.saturating_sub(range.start).min(MOST_LATE))
        });
        let late = late.map(|range| (range, Vec::new())).collect();
        let notes = early.iter().map(|range| {
            let at = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(prefix.len());
            prefix.get(at(range.start)..at(range.end)).unwrap_or_default().to_vec()
        });
        let mut notes: Vec<Vec<u8>> = notes.collect();
        let process = header.process(&segments, &notes);
        let core = Core { header, segments, id: process.pid, process };
        let (_, memory, rest) = core.spaces(path, size.unwrap_or(u64::MAX));
        self.know(path, core, &memory);

        // All regions in the order of the file.
        let mut all: Vec<(u64, &Arc<Space>, &str, Region)> = Vec::new();
        for (space, name) in [(&memory, ""), (&rest, path)] {
            for region in space.regions() {
                let first = space.pieces.get(region.pieces.start);
                all.push((first.map_or(0, |piece| piece.offset), space, name, region));
            }
        }
        all.sort_by_key(|(offset, ..)| *offset);
        let again = io::Cursor::new(prefix).chain(&mut stream);
        let mut watched = Watched { inner: again, at: 0, wanted: late };
        let mut rest = Stream::new(&mut watched);
        for (_, space, name, region) in all {
            let (bad, at) = (Rc::default(), rest.taken());
            let mut pieces = Pieces::new(Arc::clone(space), rest, Rc::clone(&bad));
            pieces.offset = at;
            self.cut(space, name, path, path, &region, &mut pieces, &bad)?;
            rest = pieces.into_stream();
        }
        rest.pass(u64::MAX)?;
        let got = rest.taken();
        // The ledger and the places are those of a file as long as this one was.
        notes.extend(watched.wanted.into_iter().map(|(_, bytes)| bytes));
        if let Some((mut core, _)) = self.cores.remove(path) {
            core.process = core.header.process(&core.segments, &notes);
            let (layout, memory, _) = core.spaces(path, got);
            self.know(path, core, &memory);
            self.settle(path, size, got, &layout);
        }
        Ok(())
    }

    fn may_keep(&mut self, path: &str, bytes: u64) -> bool {
        let charged = self.budget.borrow_mut().keep(bytes);
        let Err(exceeded) = charged else { return true };
        let text = format!("{exceeded}; what its notes say was not used");
        self.note(Diagnostic::new(Level::Warning, Code::CoreUnmapped, path, text));
        false
    }

    fn know(&mut self, path: &str, core: Core, memory: &Arc<Space>) {
        self.cores.insert(path.to_owned(), (core, Arc::clone(memory)));
    }

    /// Puts a core that was cut into windows into the ledger.
    fn settle(&mut self, path: &str, size: Option<u64>, got: u64, layout: &CoreLayout) {
        self.count(path, Some(got), got);
        let lacking = size.filter(|_| self.adds_to_total()).unwrap_or(got).saturating_sub(got);
        self.lost(path, lacking.max(layout.beyond));
        self.skip(path, Reason::NotContent, layout.padding);
        if layout.beyond > 0 {
            let text = format!("ends early; {} bytes of memory are missing", layout.beyond);
            let note = Diagnostic::new(Level::Error, Code::CoreTruncated, path, text).at(got);
            let whole = got.saturating_add(layout.beyond);
            let expected = format!("{whole} bytes");
            self.note(note.expected(expected, format!("{got} bytes")));
        }
        if layout.refused > 0 {
            let count = layout.refused;
            let text = format!(
                "{count} of its segments overlap others or are not in their order; scanned as plain \
                 bytes, without addresses"
            );
            self.note(Diagnostic::new(Level::Warning, Code::CoreUnmapped, path, text));
        }
    }

    /// The process whose memory a core holds.
    pub(super) fn core_process(&self, holder: Holder) -> Option<&Process> {
        let of_set = |path: &&String| path_id(path) == holder.set;
        let path = self.cores.keys().find(of_set)?;
        self.cores.get(path).map(|(core, _)| &core.process)
    }
}

/// Bytes of notes that are kept while they pass.
const MOST_LATE: u64 = 64 << 20;

/// A stream of which some ranges are kept.
struct Watched<R> {
    inner: R,
    /// Offset of the next byte.
    at: u64,
    wanted: Vec<(Range<u64>, Vec<u8>)>,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(out)?;
        let end = self.at.saturating_add(read as u64);
        for (range, kept) in &mut self.wanted {
            let (start, end) = (range.start.max(self.at), range.end.min(end));
            let within =
                |at: u64| usize::try_from(at.saturating_sub(self.at)).unwrap_or(usize::MAX);
            if start < end && (kept.len() as u64) < MOST_LATE {
                kept.extend_from_slice(out.get(within(start)..within(end)).unwrap_or_default());
            }
        }
        self.at = end;
        Ok(read)
    }
}

/// Cores of a target, by path.
pub(super) type Cores = std::collections::BTreeMap<String, (Core, Arc<Space>)>;

/// Adds the cores to the checkpoints of a target, and a checkpoint of everything that belongs to none.
pub(super) fn add(
    checkpoints: &mut Vec<Checkpoint>,
    cores: Cores,
    units: &std::collections::BTreeMap<u64, String>,
    is_mixed: impl FnOnce() -> bool,
) {
    let has_images = !checkpoints.is_empty();
    for (path, (core, memory)) in cores {
        let mut checkpoint = Checkpoint::raw("elf-core", &path);
        checkpoint.pages.insert((0, 0), path);
        checkpoint.memory_bytes =
            memory.pieces.iter().fold(0, |sum, piece| sum.saturating_add(piece.len));
        checkpoint.spaces.insert(memory.holder, memory);
        checkpoint.processes.insert(core.id, core.process);
        checkpoints.push(checkpoint);
    }
    let owned = |unit: &String| {
        let mut folders =
            checkpoints.iter().flat_map(|it| [&it.root, &it.set].into_iter().chain(&it.parts));
        folders.any(|folder| is_within(unit, folder))
    };
    if (!has_images || is_mixed()) && !units.values().all(owned) {
        checkpoints.push(Checkpoint::raw("raw", ""));
    }
    checkpoints.sort_by(|a, b| a.set.cmp(&b.set));
}

#[expect(clippy::disallowed_methods, reason = "bounded by take")]
fn read_at_most(from: &mut dyn Read, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_a_file_and_all_else_is_raw() {
        assert_eq!(kind_of(b"a line\n"), RegionKind::File);
        assert_eq!(kind_of(b""), RegionKind::File);
        assert_eq!(kind_of(b"\xff\xfea\0"), RegionKind::File);
        assert_eq!(kind_of(b"EMiL\x01\0\0\0"), RegionKind::RawImage);
    }
}
