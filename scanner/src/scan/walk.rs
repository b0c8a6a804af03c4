//! The walk: opens a target, offers every member once to the builder, and cuts what it wants
//! matched into jobs.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::atomic::Ordering;

use super::chain::Dumps;
use super::collection::Collection;
use super::content::drain;
use super::kernel::Waiting;
use super::memory::Plan;
use super::pages::Held;
use super::parents::Parents;
use super::pool::{Buffer, Dispatcher};
use super::raw::{self, Cores};
use super::{Progress, ScanError, Settings, Target};
use crate::archive::{
    self, Body, Container, ContainerError, Content, Extent, Flow, Helpers, Member, MemberKind,
    Opening, Problem, Source, Sparse, Stream, Visitor, container_of, name,
};
use crate::checkpoint::{Builder, Checkpoint, Scope, Want, path_id};
use crate::coverage::{Coverage, Reason};
use crate::diagnostic::{Code, Diagnostic, Level};
use crate::limits::Budget;
use crate::region::{Holder, RegionKind};
use crate::tally::Partial;

/// Folders and archives with a ledger of their own.
const UNITS: usize = 1 << 16;

/// What walk and work have made of one target.
#[derive(Debug)]
pub(super) struct Scanned {
    /// The target's name in reports.
    pub target: String,
    /// Whether other parts of it are targets of their own.
    pub is_part: bool,
    /// Its outermost compression: `none`, `gzip`, `zstd`.
    pub compression: &'static str,
    /// Its checkpoints, by the path of their images.
    pub checkpoints: Vec<Checkpoint>,
    /// What the work has found.
    pub partial: Partial,
    /// Paths of the folders and archives that the ledger counts in, by number.
    pub units: BTreeMap<u64, String>,
    /// Files beside the images, by number of their folder or archive.
    pub files: BTreeMap<u64, u64>,
}

/// What the walk shares with those who made it.
pub(super) struct Shared<'a> {
    pub settings: &'a Settings,
    pub progress: &'a Progress,
    pub plan: Plan,
    /// Who decodes ahead; the workers end when nobody asks them any more.
    pub helpers: Option<Rc<Helpers>>,
}

/// Walks one target and sends its windows to the workers; of a folder without the files of those
/// paths.
pub(super) fn walk(
    (target, without): (&Target, &BTreeSet<String>),
    Shared { settings, progress, plan, helpers }: Shared<'_>,
    dispatcher: Dispatcher,
    parents: &Parents,
    stdin: &mut dyn Read,
) -> Result<Scanned, ScanError> {
    let unreadable = ScanError::Unreadable;
    let location = match target {
        Target::Path(path) => {
            let full = path.canonicalize().unwrap_or_else(|_| path.clone());
            full.to_string_lossy().into_owned()
        }
        Target::Stdin => String::new(),
    };
    let budget = RefCell::new(Budget::new(settings.limits.clone()));
    let mut walk = Walk {
        settings,
        progress,
        without,
        budget: &budget,
        builder: Builder::new(&location, settings.limits.clone()),
        dispatcher,
        plan,
        helpers,
        partial: Partial::default(),
        units: BTreeMap::new(),
        files: BTreeMap::new(),
        ordinals: BTreeMap::new(),
        frames: Vec::new(),
        held: Vec::new(),
        held_bytes: 0,
        waiting: Vec::new(),
        beside: Vec::new(),
        apart: Vec::new(),
        later: BTreeSet::new(),
        second: false,
        compression: None,
        again: matches!(target, Target::Path(_)),
        kind: String::new(),
        own_name: raw::name_of(target),
        cores: BTreeMap::new(),
        scopes: BTreeMap::new(),
    };
    match target {
        Target::Stdin => walk.target(Body::Stream(Stream::new(stdin))).map_err(unreadable)?,
        Target::Path(path) => {
            walk.open(path).map_err(unreadable)?;
            if !walk.later.is_empty() {
                walk.second = true;
                walk.budget.replace(Budget::new(settings.limits.clone()));
                walk.open(path).map_err(unreadable)?;
            }
        }
    }
    walk.waiting_objects();
    let lent = match target {
        Target::Path(path) => walk.find_parents(path, parents),
        Target::Stdin => Dumps::new(),
    };
    walk.held_pages(lent);
    walk.missing_pages();
    let found = walk.kind.clone();
    let scanned = walk.finish(target);
    if scanned.checkpoints.is_empty() {
        // What went wrong while reading says more than that nothing was found.
        let worst =
            scanned.partial.notes.values().flatten().find(|note| note.level == Level::Error);
        let found = match worst {
            Some(note) if note.member.is_empty() => {
                format!("{found}, damaged at byte {}: {}", note.offset, note.message)
            }
            Some(note) => {
                format!("{found}; {} at byte {}: {}", note.member, note.offset, note.message)
            }
            None => found,
        };
        return Err(ScanError::NotACheckpoint(found));
    }
    Ok(scanned)
}

/// How the bytes of a container's members count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ledger {
    /// They are members of the target: each adds to the total.
    Members,
    /// They are a part of a member that the total has already.
    Part,
    /// Decoding made them.
    Decoded,
}

/// A container that is being walked.
#[derive(Debug)]
struct Frame {
    /// Path chain of the container; empty: the target.
    path: String,
    /// How its members count.
    ledger: Ledger,
    /// Bytes of its members so far.
    inner: u64,
}

/// The walk over one target.
pub(super) struct Walk<'a> {
    pub(super) settings: &'a Settings,
    pub(super) progress: &'a Progress,
    /// Files that are left out: targets of their own.
    without: &'a BTreeSet<String>,
    pub(super) budget: &'a RefCell<Budget>,
    pub(super) builder: Builder,
    pub(super) dispatcher: Dispatcher,
    plan: Plan,
    helpers: Option<Rc<Helpers>>,
    pub(super) partial: Partial,
    pub(super) units: BTreeMap<u64, String>,
    pub(super) files: BTreeMap<u64, u64>,
    pub(super) ordinals: BTreeMap<u64, u32>,
    frames: Vec<Frame>,
    /// Pages images that can be read at any time, until all metadata are known.
    pub(super) held: Vec<Held>,
    pub(super) held_bytes: u64,
    /// Images of kernel objects that can be laid out when all metadata are known.
    pub(super) waiting: Vec<Waiting>,
    /// What to tell of pages images that passed before it was known whether another dump builds on them.
    pub(super) apart: Vec<(u32, Diagnostic)>,
    /// Folders beside the target that hold parent dumps of it.
    pub(super) beside: Vec<PathBuf>,
    /// Pages images of a stream that came before what explains them.
    pub(super) later: BTreeSet<String>,
    /// Whether this is the second opening, for `later`.
    pub(super) second: bool,
    pub(super) compression: Option<&'static str>,
    /// Whether the target can be opened again.
    pub(super) again: bool,
    /// What the target is, in words.
    pub(super) kind: String,
    /// Last part of the target's path, for what has no other name.
    pub(super) own_name: String,
    /// ELF cores by path, where the target is raw.
    pub(super) cores: Cores,
    /// What the filter lets through of the memory that was met.
    pub(super) scopes: BTreeMap<Holder, Scope>,
}

impl Visitor for Walk<'_> {
    fn member(&mut self, member: Member<'_>) -> io::Result<Flow> {
        let frame = self.frames.last();
        let outer = frame.map_or("", |frame| frame.path.as_str());
        let path = if member.name.is_empty() {
            outer.to_owned()
        } else {
            name::chain(outer, &member.name)
        };
        if !self.without.contains(&path) {
            self.take(&path, member)?;
        }
        Ok(Flow::Continue)
    }

    fn problem(&mut self, problem: Problem) {
        if self.second {
            return;
        }
        let path = self.frames.last().map(|frame| frame.path.clone()).unwrap_or_default();
        self.note(problem.diagnostic(&path));
    }
}

impl Walk<'_> {
    fn open(&mut self, path: &Path) -> io::Result<()> {
        if std::fs::metadata(path)?.is_dir() {
            "a folder without CRIU images".clone_into(&mut self.kind);
            let budget = self.budget;
            self.framed(|walk| {
                let mut opening = Opening { budget, visitor: walk, depth: 1, helpers: None };
                archive::folder(path, &mut opening).map(drop)
            });
            Ok(())
        } else {
            let extent = Extent::all(Source::file(path)?);
            self.progress.total.fetch_add(extent.len(), Ordering::Relaxed);
            self.target(Body::At(extent))
        }
    }

    /// Walks a folder whose files are members of the target.
    pub(super) fn framed(&mut self, open: impl FnOnce(&mut Self) -> Result<(), ContainerError>) {
        self.frames.push(Frame { path: String::new(), ledger: Ledger::Members, inner: 0 });
        let result = open(self);
        self.frames.pop();
        if let Err(error) = result {
            self.container_error("", &error);
        }
    }

    /// Walks the container that the target is, through its compression.
    fn target(&mut self, body: Body<'_>) -> io::Result<()> {
        let (head, mut peek) = body.peek()?;
        match container_of(head.bytes()) {
            Some(container) if !(self.settings.raw && container.content == Content::Pieces) => {
                self.kind = format!("{} without CRIU images", container.name);
                self.nested("", container, peek.body(), Ledger::Members);
            }
            container if self.settings.raw => {
                let body = peek.body();
                let size = match &body {
                    Body::At(extent) => Some(extent.stored()),
                    Body::Stream(_) => None,
                };
                self.frames.push(Frame { path: String::new(), ledger: Ledger::Members, inner: 0 });
                let done = match container {
                    // What stands in it in pieces is found besides; the file is scanned itself.
                    Some(container) => {
                        let path = self.own_name.clone();
                        self.file_and_pieces(&path, RegionKind::File, container, size, body)
                    }
                    None => self.plain("", size, head.bytes(), body),
                };
                self.frames.pop();
                done?;
            }
            _ if head.bytes().is_empty() => "empty".clone_into(&mut self.kind),
            _ => "no archive and no CRIU image folder".clone_into(&mut self.kind),
        }
        Ok(())
    }

    /// Walks a container; gives the stored bytes it took and those of its members.
    pub(super) fn nested(
        &mut self,
        path: &str,
        container: &'static Container,
        body: Body<'_>,
        ledger: Ledger,
    ) -> (u64, u64) {
        if path.is_empty() && container.transparent {
            self.compression.get_or_insert(container.name);
        }
        self.frames.push(Frame { path: path.to_owned(), ledger, inner: 0 });
        let depth = u32::try_from(self.frames.len()).unwrap_or(u32::MAX);
        let budget = self.budget;
        let helpers = self.helpers.clone();
        let mut opening = Opening { budget, visitor: self, depth, helpers: helpers.as_deref() };
        let result = container.open(body, &mut opening);
        let inner = self.frames.pop().map_or(0, |frame| frame.inner);
        match result {
            Ok(consumed) => (consumed.bytes, inner),
            Err(error) => {
                self.container_error(path, &error);
                (error.consumed, inner)
            }
        }
    }

    fn container_error(&mut self, path: &str, error: &ContainerError) {
        if !self.second {
            self.note(error.diagnostic(path));
        }
    }

    /// Bytes of the next window.
    pub(super) fn window(&self) -> u64 {
        self.plan.window(self.progress)
    }

    /// An empty buffer; while workers have them all, the walk decodes what lies ahead.
    pub(super) fn buffer(&self) -> Buffer {
        self.dispatcher.buffer(|| self.helpers.as_ref().is_some_and(|helpers| helpers.help()))
    }

    pub(super) fn note(&mut self, note: Diagnostic) {
        self.partial.note(note, &self.settings.limits);
    }

    /// The ledger of the folder or archive of that path.
    pub(super) fn ledger(&mut self, unit: &str) -> &mut Coverage {
        let id = path_id(unit);
        self.units.entry(id).or_insert_with(|| unit.to_owned());
        self.partial.coverage.entry(id).or_default()
    }

    /// The folder or archive whose ledger a member counts in. Beyond [`UNITS`] it is the target's own:
    /// each member may lie in a folder of its own.
    pub(super) fn unit(&self, path: &str) -> String {
        self.known_unit(unit_of(path))
    }

    fn known_unit(&self, unit: String) -> String {
        let is_known = self.units.len() < UNITS || self.units.contains_key(&path_id(&unit));
        if is_known { unit } else { String::new() }
    }

    /// Counts a member of which `got` bytes are there; `size` is what its header says.
    pub(super) fn count(&mut self, unit: &str, size: Option<u64>, got: u64) {
        match self.frames.last_mut() {
            Some(frame) if frame.ledger == Ledger::Part => {
                frame.inner = frame.inner.saturating_add(got);
                // Taken off the container's own total when it ends: a member may be of another
                // checkpoint than what it stands in.
                let ledger = self.ledger(unit);
                ledger.total = ledger.total.saturating_add(got);
            }
            Some(frame) if frame.ledger == Ledger::Members => {
                let size = size.unwrap_or(got).max(got);
                let ledger = self.ledger(unit);
                ledger.total = ledger.total.saturating_add(size);
                ledger.skip(Reason::Unreadable, size.saturating_sub(got));
            }
            Some(_) | None => {}
        }
    }

    /// Whether the current container's members add to the total.
    pub(super) fn adds_to_total(&self) -> bool {
        self.frames.last().is_some_and(|frame| frame.ledger == Ledger::Members)
    }

    /// Whether the bytes of the current container's members were made by decoding.
    pub(super) fn decoded(&self) -> bool {
        self.frames.last().is_some_and(|frame| frame.ledger == Ledger::Decoded)
    }

    /// Puts bytes of the current member into the ledger, unless decoding made them.
    pub(super) fn skip(&mut self, unit: &str, reason: Reason, bytes: u64) {
        if !self.decoded() {
            self.ledger(unit).skip(reason, bytes);
        }
    }

    fn take(&mut self, path: &str, member: Member<'_>) -> io::Result<()> {
        let Member { kind, size, mtime, body, .. } = member;
        match kind {
            MemberKind::File => {}
            MemberKind::Sparse => {
                if !self.second {
                    self.new_file(path);
                    self.file(path, RegionKind::RawImage, size, body)?;
                }
                return Ok(());
            }
            MemberKind::Symlink(to) => {
                self.builder.parent_link(path, &to);
                self.builder.link(path, &name::display(&to));
                return Ok(());
            }
            MemberKind::Folder | MemberKind::Hardlink(_) | MemberKind::Other => return Ok(()),
        }
        let (head, mut peek) = body.peek()?;
        let body = peek.body();
        if self.second {
            return self.take_again(path, size, head.bytes(), body);
        }
        let mut want = self.builder.offer(path, size, head.bytes());
        // A deleted file that was compressed: what is inside of it has no name of its own.
        if want == Want::Objects && self.frames.last().is_some_and(|frame| frame.path == path) {
            want = Want::Scan(RegionKind::GhostFile);
        }
        match want {
            Want::Decode => self.image(path, size, mtime, body),
            Want::Pages(id) => self.pages(path, id, size, body),
            Want::Objects => self.objects(path, size, head.bytes(), body),
            Want::Keep => {
                self.new_file(path);
                let (data, map) = self.whole(path, size, body)?;
                self.check_document(path, size, &data);
                if let Err(note) = self.builder.metadata(path, &data) {
                    self.note(note);
                }
                self.bytes(path, RegionKind::Metadata, data, map.as_ref());
                Ok(())
            }
            Want::Skip(reason) => {
                let got = drain(body)?;
                let unit = self.unit(path);
                self.count(&unit, size, got);
                self.skip(&unit, reason, got);
                Ok(())
            }
            Want::Scan(_) if self.leaves_out(path) => {
                self.new_file(path);
                let got = drain(body)?;
                let unit = self.unit(path);
                self.count(&unit, size, got);
                self.skip(&unit, Reason::Excluded, got);
                Ok(())
            }
            Want::Scan(kind) => {
                let opens = matches!(
                    kind,
                    RegionKind::File
                        | RegionKind::TmpfsFile
                        | RegionKind::VolumeFile
                        | RegionKind::GhostFile
                        | RegionKind::Log
                );
                let container = container_of(head.bytes()).filter(|_| opens);
                if let Some(container) = container
                    && self.may_open(path, &body)
                {
                    if container.content == Content::Pieces {
                        let own = self.own_name.clone();
                        let path = if path.is_empty() { own.as_str() } else { path };
                        return self.file_and_pieces(path, kind, container, size, body);
                    }
                    self.archive(path, container, size, body);
                    return Ok(());
                }
                if self.settings.raw && kind == RegionKind::File && !Builder::is_of_container(path)
                {
                    return self.plain(path, size, head.bytes(), body);
                }
                if self.builder.is_unknown_image(path) {
                    let text = "no image that cryoscan knows; scanned as raw bytes";
                    self.note(Diagnostic::new(Level::Note, Code::ImageUnknown, path, text));
                }
                self.new_file(path);
                self.file(path, kind, size, body)
            }
        }
    }

    /// Whether a member is left out unseen: of a container's files no filter lets anything through,
    /// and none of them can hold memory.
    fn leaves_out(&self, path: &str) -> bool {
        !self.settings.filter.is_empty() && Builder::is_of_container(path)
    }

    /// A member in the second opening: only pages that came too early are wanted.
    fn take_again(
        &mut self,
        path: &str,
        size: Option<u64>,
        head: &[u8],
        body: Body<'_>,
    ) -> io::Result<()> {
        if self.later.remove(path) {
            let Want::Pages(id) = self.builder.offer(path, size, head) else { return Ok(()) };
            return self.pages(path, id, size, body);
        }
        let inside = |later: &String| later.starts_with(path);
        if let Some(container) = container_of(head).filter(|it| it.content != Content::Pieces)
            && self.later.iter().any(inside)
            && body.map().is_none_or(|map| self.is_dense(map))
        {
            let decoded = self.decoded() || is_packed(container, &body);
            let members = self.adds_to_total();
            let ledger = match (path.is_empty(), decoded) {
                (true, _) if members => Ledger::Members,
                (_, true) => Ledger::Decoded,
                (_, false) => Ledger::Part,
            };
            self.nested(path, container, body, ledger);
        }
        Ok(())
    }

    /// Whether a sparse file holds no more zeros than compression may make.
    fn is_dense(&self, map: &Sparse) -> bool {
        let limits = &self.settings.limits;
        let most = map.stored().saturating_mul(limits.expansion_ratio);
        map.size() <= most.max(limits.expansion_floor)
    }

    /// Whether an archive may be opened; one that is nearly all holes is told, and scanned as a file.
    pub(super) fn may_open(&mut self, path: &str, body: &Body<'_>) -> bool {
        let Some(map) = body.map().filter(|map| !self.is_dense(map)) else { return true };
        let text = "an archive that is nearly all holes was not opened; what is stored was scanned";
        let note = Diagnostic::new(Level::Error, Code::LimitReached, path, text);
        let ratio = self.settings.limits.expansion_ratio;
        let expected = format!("at most {ratio} bytes for each that is stored");
        let found = format!("{} bytes, {} of them stored", map.size(), map.stored());
        self.note(note.expected(expected, found));
        false
    }

    /// Opens an archive inside the target.
    pub(super) fn archive(
        &mut self,
        path: &str,
        container: &'static Container,
        size: Option<u64>,
        body: Body<'_>,
    ) {
        // What an archive holds counts with it, not with the folder that it lies in.
        let unit = self.known_unit(format!("{path}!"));
        let members = self.adds_to_total();
        if path.is_empty() && members {
            // The archive inside the target's own compression is the target.
            self.nested(path, container, body, Ledger::Members);
            return;
        }
        let packed = is_packed(container, &body);
        let ledger = if packed || self.decoded() { Ledger::Decoded } else { Ledger::Part };
        let map = body.map().cloned();
        let is_blob = container.transparent && map.is_none() && Builder::digest(path).is_some();
        let (there, (consumed, inner)) = match body {
            Body::At(extent) if is_blob => {
                let there = extent.stored();
                (there, self.blob(path, container, size, &mut extent.reader(), ledger))
            }
            Body::At(extent) => {
                let there = extent.stored();
                (there, self.nested(path, container, Body::At(extent), ledger))
            }
            Body::Stream(mut stream) => {
                let walked = if is_blob {
                    self.blob(path, container, size, &mut stream, ledger)
                } else {
                    let inside = Body::Stream(Stream::new(&mut stream));
                    self.nested(path, container, inside, ledger)
                };
                // What the container did not take is there all the same.
                stream.pass(u64::MAX).unwrap_or_default();
                (stream.taken(), walked)
            }
        };
        let consumed = map.map_or(consumed, |map| map.stored_before(consumed));
        self.count(&unit, size, there);
        if self.decoded() {
            return;
        }
        let consumed = consumed.min(there);
        let own = self.ledger(&unit);
        own.skip(Reason::Unreadable, there.saturating_sub(consumed));
        if packed {
            own.scanned = own.scanned.saturating_add(consumed);
        } else {
            own.total = own.total.saturating_sub(inner.min(consumed));
            own.skip(Reason::NotContent, consumed.saturating_sub(inner));
        }
    }

    /// Scans a file, and what stands in it in pieces.
    fn file_and_pieces(
        &mut self,
        path: &str,
        kind: RegionKind,
        container: &'static Container,
        size: Option<u64>,
        body: Body<'_>,
    ) -> io::Result<()> {
        self.new_file(path);
        match self.hold_file(path, body)? {
            Body::At(extent) => {
                self.file(path, kind, size, Body::At(extent.clone()))?;
                self.nested(path, container, Body::At(extent), Ledger::Decoded);
                Ok(())
            }
            stream @ Body::Stream(_) => self.file(path, kind, size, stream),
        }
    }

    /// Holds a file that is read out of order; one that is too long stays a stream, which is told.
    pub(super) fn hold_file<'b>(&mut self, path: &str, body: Body<'b>) -> io::Result<Body<'b>> {
        let most = self.settings.limits.held_bytes;
        let body = body.hold(most)?;
        if let Body::Stream(_) = body {
            let text = "too long to be read out of order from a stream: values that lie in several pieces were not put together";
            let note = Diagnostic::new(Level::Error, Code::LimitReached, path, text);
            self.note(note.expected(format!("at most {most} bytes"), "more"));
        }
        Ok(body)
    }

    fn finish(self, target: &Target) -> Scanned {
        let mut partial = self.partial;
        let (mut checkpoints, notes) = self.builder.finish();
        if self.settings.raw {
            // A folder of archives and other files, which without `raw` would be as many targets.
            let is_mixed = || Collection::of(target, self.settings).is_some();
            raw::add(&mut checkpoints, self.cores, &self.units, is_mixed);
        }
        for note in notes {
            partial.note(note, &self.settings.limits);
        }
        Scanned {
            target: target.name(),
            is_part: !self.without.is_empty(),
            compression: self.compression.unwrap_or("none"),
            checkpoints,
            partial,
            units: self.units,
            files: self.files,
        }
    }
}

/// The folder or archive whose ledger a member counts in: its image set, where it has one.
pub(super) fn unit_of(path: &str) -> String {
    let folder = path
        .rfind(['/', '!'])
        .map_or(0, |at| at + usize::from(path.as_bytes().get(at) == Some(&b'!')));
    // Folders inside an archive inside the target count with that archive, but for image sets and
    // what engines put beside them: an archive may hold several checkpoints.
    let is_of_set = path.as_bytes().ends_with(b".img") || Builder::is_of_engine(path);
    let end = match path.rfind('!') {
        Some(archive) if !is_of_set => archive + 1,
        _ => folder,
    };
    path.get(..end).unwrap_or_default().to_owned()
}

/// Whether a container's bytes are not those of its members.
fn is_packed(container: &Container, body: &Body<'_>) -> bool {
    container.content == Content::Decoded || body.map().is_some()
}
