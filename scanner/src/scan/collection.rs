//! A folder of archives, such as the one where a kubelet puts its checkpoints: each archive in it
//! is a target of its own, with its own limits, and one that is damaged costs the others nothing.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::{ScanError, Settings, Target};
use crate::archive::{
    self, Flow, Member, MemberKind, Opening, Problem, Visitor, container_of, name,
};
use crate::checkpoint::{Builder, Want};
use crate::diagnostic::{Code, Diagnostic, Level};
use crate::limits::{Budget, Limits};
use crate::tally::Partial;

/// What a folder of archives holds.
#[derive(Debug, Default)]
pub(super) struct Collection {
    folder: PathBuf,
    /// Names of its archives, sorted.
    archives: Vec<Vec<u8>>,
    /// What is not complete yet, of which nothing is read.
    without: BTreeSet<String>,
    /// Whether unpacked checkpoints lie beside the archives.
    has_unpacked: bool,
    /// Whether that is told by more than names that other programs use as well.
    is_sure: bool,
    /// What else is in it.
    notes: Partial,
}

impl Collection {
    /// The archives in a folder, at any depth, that belong to no checkpoint unpacked there; no
    /// archives in a folder where there is nothing to scan. `None` when the target is to be taken as
    /// it is: a file, the folder of a checkpoint, a folder of other files, one that fails to list.
    pub(super) fn of(target: &Target, settings: &Settings) -> Option<Self> {
        let Target::Path(folder) = target else { return None };
        if !folder.is_dir() {
            return None;
        }
        let limits = &settings.limits;
        let mut sorter = Sorter {
            folder,
            limits,
            builder: Builder::new("", limits.clone()),
            archives: Vec::new(),
            hidden: Vec::new(),
            roots: BTreeSet::new(),
            notes: Partial::default(),
            has_others: false,
            is_sure: false,
        };
        let budget = RefCell::new(Budget::new(limits.clone()));
        let mut opening =
            Opening { budget: &budget, visitor: &mut sorter, depth: 1, helpers: None };
        archive::folder(folder, &mut opening).ok()?;
        sorter.sorted()
    }

    /// Gives `one` each archive, and then the folder without them where unpacked checkpoints lie beside
    /// them, with the paths that are left out of it. An archive that is no checkpoint is among what
    /// remains. Gives what is to be said of the folder.
    ///
    /// # Errors
    /// Those of `one`; that a target cannot be read is none, but what `one` gives.
    pub(super) fn each<E>(
        self,
        limits: &Limits,
        mut one: impl FnMut(&Target, &BTreeSet<String>) -> Result<Option<ScanError>, E>,
    ) -> Result<Partial, E> {
        let Self { folder, archives, mut without, has_unpacked, is_sure, mut notes } = self;
        let none = BTreeSet::new();
        let mut failed = Vec::new();
        for name in archives {
            let archive = Target::Path(folder.join(OsStr::from_bytes(&name)));
            match one(&archive, &none)? {
                None => drop(without.insert(name::chain("", &name))),
                Some(error) => failed.push((archive.name(), error)),
            }
        }
        if has_unpacked {
            let rest = Target::Path(folder);
            match one(&rest, &without)? {
                None => failed.clear(),
                Some(error) => {
                    let level = if is_sure { Level::Error } else { Level::Warning };
                    let text = format!("what lies beside the archives: {error}");
                    let note = Diagnostic::new(level, Code::LeftOut, &rest.name(), text);
                    notes.note(note, limits);
                }
            }
        }
        for (name, error) in failed {
            let note = Diagnostic::new(Level::Error, Code::LeftOut, &name, error.to_string());
            notes.note(note, limits);
        }
        Ok(notes)
    }

    /// Its archives, sorted.
    pub(super) fn targets(&self) -> Vec<Target> {
        let names = self.archives.iter();
        names.map(|name| Target::Path(self.folder.join(OsStr::from_bytes(name)))).collect()
    }

    /// Why it gives no checkpoint, if it gives none.
    pub(super) fn why_none(&self) -> &'static str {
        let is_empty = self.archives.is_empty() && !self.has_unpacked;
        if is_empty { "it is empty" } else { "no archive in it is one" }
    }
}

/// Whether it is a mark of checkpoint-restore-operator beside an archive that must not be deleted.
fn is_mark(name: &[u8]) -> bool {
    name.ends_with(b".keep") || name.ends_with(b".keep.tmp")
}

/// Whether a part of the path begins with a dot, as names of files do that are still being copied.
fn is_hidden(name: &[u8]) -> bool {
    name.split(|byte| *byte == b'/').any(|part| part.starts_with(b"."))
}

struct Sorter<'a> {
    folder: &'a Path,
    limits: &'a Limits,
    builder: Builder,
    archives: Vec<Vec<u8>>,
    /// Files of which a part of the path begins with a dot.
    hidden: Vec<Vec<u8>>,
    /// Folders that hold what only the folder of a checkpoint holds.
    roots: BTreeSet<String>,
    notes: Partial,
    /// Something was met that is no archive, or that could not be read.
    has_others: bool,
    /// Something was met that only engines write.
    is_sure: bool,
}

impl Sorter<'_> {
    fn note(&mut self, level: Level, code: Code, name: &[u8], message: impl Into<String>) {
        let path = Target::Path(self.folder.join(OsStr::from_bytes(name))).name();
        self.notes.note(Diagnostic::new(level, code, &path, message), self.limits);
    }

    /// Whether a file lies in the folder of a checkpoint, as far as they are known.
    fn is_owned(&self, name: &[u8]) -> bool {
        let path = name::chain("", name);
        let above = path.match_indices('/').filter_map(|(at, _)| path.get(..at));
        !self.roots.is_empty() && std::iter::once("").chain(above).any(|it| self.roots.contains(it))
    }

    fn sorted(mut self) -> Option<Collection> {
        let mut archives = std::mem::take(&mut self.archives);
        archives.retain(|name| !self.is_owned(name));
        archives.sort();
        let mut hidden = std::mem::take(&mut self.hidden);
        hidden.retain(|name| !self.is_owned(name));
        let has_unpacked = !self.roots.is_empty();
        let as_it_is = if has_unpacked { archives.is_empty() } else { self.has_others };
        if archives.is_empty() && as_it_is {
            return None;
        }
        if has_unpacked {
            // All but the archives is scanned with them.
            self.notes = Partial::default();
        }
        for name in &hidden {
            let why = "left out: a part of its path begins with a dot";
            self.note(Level::Note, Code::LeftOut, name, why);
        }
        Some(Collection {
            folder: self.folder.to_owned(),
            archives,
            without: hidden.iter().map(|name| name::chain("", name)).collect(),
            has_unpacked,
            is_sure: self.is_sure,
            notes: self.notes,
        })
    }
}

impl Visitor for Sorter<'_> {
    fn member(&mut self, member: Member<'_>) -> io::Result<Flow> {
        let Member { name, kind, body, .. } = member;
        if kind != MemberKind::File || self.is_owned(&name) {
            return Ok(Flow::Continue);
        }
        let path = name::chain("", &name);
        let offered = self.builder.offer(&path, None, &[]);
        if matches!(offered, Want::Decode | Want::Pages(_) | Want::Keep) {
            let file = name.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
            self.is_sure |= !matches!(file, b"status" | b"manifest.json" | b"index.json");
            let root = Builder::root(&path).to_owned();
            let is_all = root.is_empty();
            self.roots.insert(root);
            return Ok(if is_all { Flow::Stop } else { Flow::Continue });
        }
        if is_mark(&name) {
            return Ok(Flow::Continue);
        }
        if is_hidden(&name) {
            self.hidden.push(name);
            return Ok(Flow::Continue);
        }
        match body.peek() {
            Ok((head, _)) if container_of(head.bytes()).is_some() => self.archives.push(name),
            Ok(_) => {
                self.has_others = true;
                self.note(Level::Warning, Code::LeftOut, &name, "no archive, not scanned");
            }
            Err(error) => {
                self.has_others = true;
                let text = format!("could not be read and was left out: {error}");
                self.note(Level::Error, Code::MemberUnreadable, &name, text);
            }
        }
        Ok(Flow::Continue)
    }

    fn problem(&mut self, problem: Problem) {
        self.has_others = true;
        let mut note = problem.diagnostic("");
        note.member = format!("{}/{}", Target::Path(self.folder.to_owned()).name(), note.member);
        self.notes.note(note, self.limits);
    }
}
