//! A folder of archives, such as the one where a kubelet puts its checkpoints: each archive in it
//! is a target of its own, with its own limits, and one that is damaged costs the others nothing.

use std::cell::RefCell;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::{Settings, Target};
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
    /// Its archives, sorted by path.
    pub archives: Vec<Target>,
    /// What else is in it.
    pub notes: Partial,
}

impl Collection {
    /// The archives in a folder that is no checkpoint itself, at any depth; no archives in a folder
    /// where there is nothing to scan. `None` when the target is to be taken as it is: a file, a
    /// folder with images or an engine's metadata, a folder of other files, one that fails to list.
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
            found: Self::default(),
            is_checkpoint: false,
            has_others: false,
        };
        let budget = RefCell::new(Budget::new(limits.clone()));
        let mut opening = Opening { budget: &budget, visitor: &mut sorter, depth: 1 };
        archive::folder(folder, &mut opening).ok()?;
        let Sorter { found, is_checkpoint, has_others, .. } = sorter;
        (!is_checkpoint && (!found.archives.is_empty() || !has_others)).then_some(found)
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
    found: Collection,
    /// A file was met that only the folder of a checkpoint holds.
    is_checkpoint: bool,
    /// Something was met that is no archive, or that could not be read.
    has_others: bool,
}

impl Sorter<'_> {
    fn path(&self, name: &[u8]) -> PathBuf {
        self.folder.join(OsStr::from_bytes(name))
    }

    fn note(&mut self, level: Level, code: Code, name: &[u8], message: impl Into<String>) {
        let path = Target::Path(self.path(name)).name();
        self.found.notes.note(Diagnostic::new(level, code, &path, message), self.limits);
    }
}

impl Visitor for Sorter<'_> {
    fn member(&mut self, member: Member<'_>) -> io::Result<Flow> {
        let Member { name, kind, body, .. } = member;
        if kind != MemberKind::File {
            return Ok(Flow::Continue);
        }
        let offered = self.builder.offer(&name::chain("", &name), None, &[]);
        if matches!(offered, Want::Decode | Want::Pages(_) | Want::Keep) {
            self.is_checkpoint = true;
            return Ok(Flow::Stop);
        }
        if is_mark(&name) {
            return Ok(Flow::Continue);
        }
        if is_hidden(&name) {
            let why = "left out: a part of its path begins with a dot";
            self.note(Level::Note, Code::LeftOut, &name, why);
            return Ok(Flow::Continue);
        }
        match body.peek() {
            Ok((head, _)) if container_of(head.bytes()).is_some() => {
                self.found.archives.push(Target::Path(self.path(&name)));
            }
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
        self.found.notes.note(note, self.limits);
    }
}
