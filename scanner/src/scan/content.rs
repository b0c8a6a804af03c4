//! The bytes of members: read whole where they are decoded, else laid out and cut into jobs.

use std::cell::RefCell;
use std::io::{self, Read};
use std::rc::Rc;
use std::sync::Arc;

use super::job::{self, Input, Job, Streamed};
use super::pieces::{self, Bad, Pieces};
use super::walk::{Walk, unit_of};
use crate::archive::{Body, Extent, Source, Sparse};
use crate::checkpoint::path_id;
use crate::coverage::Reason;
use crate::diagnostic::{Code, Diagnostic, Level};
use crate::region::{Holder, HolderKind, Region, RegionKind, Space};

/// The bytes of a member, and what of them is stored if not all.
type Whole = (Vec<u8>, Option<Sparse>);

impl Walk<'_> {
    /// Reads a member whole, within the limits, and says what of it is stored if not all; what lies
    /// beyond the limits is told and left out.
    pub(super) fn whole(
        &mut self,
        path: &str,
        size: Option<u64>,
        body: Body<'_>,
    ) -> io::Result<Whole> {
        let limit = self.settings.limits.kept_member_bytes;
        let unit = self.unit(path);
        let map = body.map().map(|map| Sparse::clone(map));
        // Holes cost memory only once they are filled: asked for before that.
        let left_out = map.as_ref().map(Sparse::size).and_then(|filled| {
            let note = |text: &str| Diagnostic::new(Level::Error, Code::LimitReached, path, text);
            if filled > limit {
                let text = "longer than a file that is decoded in memory may be; it was left out";
                let (most, found) = (format!("at most {limit} bytes"), format!("{filled} bytes"));
                return Some(note(text).expected(most, found));
            }
            let charge = self.budget.borrow_mut().keep(filled);
            charge.err().map(|exceeded| note(&exceeded.to_string()))
        });
        if let Some(note) = left_out {
            let got = drain(body)?;
            self.count(&unit, size, got);
            self.skip(&unit, Reason::Limit, got);
            self.note(note);
            return Ok((Vec::new(), None));
        }
        let (data, got) = match body {
            Body::At(extent) => (read_at_most(&mut extent.reader(), limit)?, extent.stored()),
            Body::Stream(mut stream) => {
                let data = read_at_most(&mut stream, limit)?;
                stream.pass(u64::MAX)?;
                (data, stream.taken())
            }
        };
        let kept = data.len() as u64;
        let charge = if map.is_some() { Ok(()) } else { self.budget.borrow_mut().keep(kept) };
        self.count(&unit, size, got);
        if let Err(exceeded) = charge {
            self.skip(&unit, Reason::Limit, got);
            let note =
                Diagnostic::new(Level::Error, Code::LimitReached, path, exceeded.to_string());
            self.note(note);
            return Ok((Vec::new(), None));
        }
        if map.is_none() && got > kept {
            self.skip(&unit, Reason::Limit, got - kept);
            let text = "longer than a file that is decoded in memory may be; the rest was left out";
            let note = Diagnostic::new(Level::Error, Code::LimitReached, path, text)
                .at(kept)
                .expected(format!("at most {limit} bytes"), format!("{got} bytes"));
            self.note(note);
        }
        Ok((data, map.map(|map| map.cut(got))))
    }

    pub(super) fn image(
        &mut self,
        path: &str,
        size: Option<u64>,
        mtime: Option<i64>,
        body: Body<'_>,
    ) -> io::Result<()> {
        let (data, map) = self.whole(path, size, body)?;
        match self.builder.image(path, &data, mtime) {
            Ok(()) => {
                let bytes = map.map_or(data.len() as u64, |map| map.stored());
                let unit = self.unit(path);
                self.skip(&unit, Reason::NotContent, bytes);
                if self.settings.registers {
                    self.registers(path, &data);
                }
            }
            Err(note) => {
                // What does not decode may still hold something.
                self.note(note);
                self.bytes(path, RegionKind::RawImage, data, map.as_ref());
            }
        }
        Ok(())
    }

    /// Counts a file.
    pub(super) fn new_file(&mut self, path: &str) {
        let unit = path_id(&self.unit(path));
        let files = self.files.entry(unit).or_default();
        *files = files.saturating_add(1);
    }

    pub(super) fn holder(&mut self, path: &str) -> Holder {
        let id = path_id(path);
        let ordinal = self.ordinals.entry(id).or_default();
        let this = *ordinal;
        *ordinal = ordinal.saturating_add(1);
        if this > 0 {
            let text = "a second member of this name; both were scanned";
            self.note(Diagnostic::new(Level::Note, Code::DuplicateMember, path, text));
        }
        let set = path_id(&unit_of(path));
        Holder { set, kind: HolderKind::File, id, ordinal: this }
    }

    pub(super) fn file(
        &mut self,
        path: &str,
        kind: RegionKind,
        size: Option<u64>,
        body: Body<'_>,
    ) -> io::Result<()> {
        let unit = self.unit(path);
        let holder = self.holder(path);
        let map = body.map().cloned();
        let space = |len: u64| {
            let mut space = Space::file(holder, kind, len);
            if let Some(map) = &map {
                space.leave_holes(map.data());
            }
            Arc::new(space)
        };
        match body {
            Body::At(extent) => {
                self.count(&unit, size, extent.stored());
                self.send(&space(extent.len()), path, path, &unit, &extent, self.decoded());
            }
            Body::Stream(stream) => {
                let len = map.as_ref().map(|map| map.size()).or(size).unwrap_or(u64::MAX);
                let space = space(len);
                let bad = Rc::default();
                let mut pieces = Pieces::new(Arc::clone(&space), stream, Rc::clone(&bad));
                for region in space.regions() {
                    self.cut(&space, path, path, &unit, &region, &mut pieces, &bad)?;
                }
                let mut stream = pieces.into_stream();
                stream.pass(u64::MAX)?;
                self.count(&unit, size, stream.taken());
            }
        }
        Ok(())
    }

    /// Matches bytes that were read whole, of which `map` says what is stored.
    pub(super) fn bytes(
        &mut self,
        path: &str,
        kind: RegionKind,
        data: Vec<u8>,
        map: Option<&Sparse>,
    ) {
        let holder = self.holder(path);
        let unit = self.unit(path);
        let extent = Extent::all(Source::bytes(data));
        let mut space = Space::file(holder, kind, extent.len());
        if let Some(map) = map {
            space.leave_holes(map.data());
        }
        self.send(&Arc::new(space), path, path, &unit, &extent, self.decoded());
    }

    /// Cuts a layout whose image can be read at any time into jobs.
    pub(super) fn send(
        &mut self,
        space: &Arc<Space>,
        name: &str,
        member: &str,
        unit: &str,
        extent: &Extent,
        decoded: bool,
    ) {
        self.units.entry(path_id(unit)).or_insert_with(|| unit.to_owned());
        let (name, member): (Arc<str>, Arc<str>) = (Arc::from(name), Arc::from(member));
        let scope = self.scope(space);
        for region in space.regions() {
            for part in pieces::parts(space, &region) {
                for own in job::windows(part, || self.window()) {
                    self.dispatcher.send(Job {
                        space: Arc::clone(space),
                        name: Arc::clone(&name),
                        member: Arc::clone(&member),
                        unit: path_id(unit),
                        region: region.range.clone(),
                        own,
                        scope: scope.clone(),
                        input: Input::Extent(extent.clone()),
                        decoded,
                    });
                }
            }
        }
    }

    /// Cuts a region whose bytes pass once into jobs.
    #[expect(clippy::too_many_arguments, reason = "a job has as many parts")]
    pub(super) fn cut(
        &mut self,
        space: &Arc<Space>,
        name: &str,
        member: &str,
        unit: &str,
        region: &Region,
        pieces: &mut Pieces<'_>,
        bad: &RefCell<Vec<Bad>>,
    ) -> io::Result<()> {
        let id = path_id(unit);
        self.units.entry(id).or_insert_with(|| unit.to_owned());
        let (name, member): (Arc<str>, Arc<str>) = (Arc::from(name), Arc::from(member));
        let decoded = self.decoded();
        let scope = self.scope(space);
        let this = &*self;
        for part in pieces::parts(space, region) {
            let wanted = pieces.go_to(&part, &region.range);
            let (first, last) = (wanted.start, wanted.end);
            let buffer = || this.buffer();
            let window = || this.window();
            job::cut_stream(pieces, (first, part.start), window, buffer, |streamed| {
                let Streamed { own, base, bytes, end } = streamed;
                // A region that ends early ends where its bytes end.
                let region_end = end.filter(|end| *end < last).unwrap_or(region.range.end);
                let seen = base..base.saturating_add(bytes.len() as u64);
                let mut known = bad.borrow_mut();
                known.retain(|bad| bad.range.end > base);
                let bad = known.iter().filter(|bad| bad.range.start < seen.end).cloned().collect();
                this.dispatcher.send(Job {
                    space: Arc::clone(space),
                    name: Arc::clone(&name),
                    member: Arc::clone(&member),
                    unit: id,
                    region: region.range.start..region_end,
                    own,
                    scope: scope.clone(),
                    input: Input::Bytes(base, bytes, bad),
                    decoded,
                });
            })?;
        }
        Ok(())
    }
}

#[expect(clippy::disallowed_methods, reason = "bounded by take")]
fn read_at_most(from: &mut dyn Read, limit: u64) -> io::Result<Vec<u8>> {
    let mut data = Vec::new();
    from.take(limit).read_to_end(&mut data)?;
    Ok(data)
}

/// Leaves out a member that was not read; gives how many bytes of it are stored.
pub(super) fn drain(body: Body<'_>) -> io::Result<u64> {
    match body {
        Body::At(extent) => Ok(extent.stored()),
        Body::Stream(stream) => io::copy(&mut stream.stored_bytes(), &mut io::sink()),
    }
}
