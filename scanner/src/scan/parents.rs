//! Parent dumps outside of the target: beside a folder of images, or in another target of the run.
//!
//! An engine that is asked for a dump and, later, for another that builds on it writes two archives
//! (podman's `--pre-checkpoint` and `--with-previous`). CRIU writes two folders.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use super::Target;
use super::chain::{Dumps, HeldDump};
use super::walk::Walk;
use crate::archive::{
    self, Body, Extent, Flow, Member, MemberKind, Opening, Problem, Source, Visitor, container_of,
    name,
};
use crate::checkpoint::{Builder, Want};
use crate::diagnostic::{Code, Diagnostic, Level};
use crate::limits::{Budget, Limits};

/// The targets of a run, any of which may hold the parent of another.
#[derive(Debug, Default)]
pub(super) struct Parents {
    targets: RefCell<Vec<PathBuf>>,
    /// What was seen of them, of those that were looked at.
    seen: RefCell<BTreeMap<PathBuf, Rc<Survey>>>,
}

impl Parents {
    /// The targets as the user named them.
    pub(super) fn of(targets: &[Target]) -> Self {
        let this = Self::default();
        this.add(targets);
        this
    }

    /// Adds the archives of a folder.
    pub(super) fn add(&self, targets: &[Target]) {
        let paths = targets.iter().filter_map(|target| match target {
            Target::Path(path) => Some(path.clone()),
            Target::Stdin => None,
        });
        self.targets.borrow_mut().extend(paths);
    }

    /// The other targets, sorted, each looked at once.
    fn others(&self, own: &Path, limits: &Limits) -> Vec<Rc<Survey>> {
        let paths: BTreeSet<PathBuf> = self.targets.borrow().iter().cloned().collect();
        let same = own.canonicalize().ok();
        let others =
            paths.into_iter().filter(|path| path != own && path.canonicalize().ok() != same);
        let mut seen = self.seen.borrow_mut();
        let look = |path: PathBuf| {
            let survey = seen.entry(path.clone());
            Rc::clone(survey.or_insert_with(|| Rc::new(Survey::of(&path, limits, None))))
        };
        others.map(look).collect()
    }
}

/// What another target holds of memory.
#[derive(Debug)]
struct Survey {
    path: PathBuf,
    builder: Builder,
    /// Pages images that can be read at any time.
    extents: BTreeMap<String, Extent>,
}

impl Survey {
    /// Walks a target; of pages images that pass once those in `wanted` are held, up to a limit.
    fn of(path: &Path, limits: &Limits, wanted: Option<&BTreeSet<String>>) -> Self {
        let budget = RefCell::new(Budget::new(limits.clone()));
        let mut surveyor = Surveyor {
            limits,
            budget: &budget,
            builder: Builder::new("", limits.clone()),
            extents: BTreeMap::new(),
            frames: vec![String::new()],
            wanted,
            room: limits.chain_pages_bytes,
        };
        // Whatever is wrong with it is told when it is scanned itself.
        if path.is_dir() {
            let mut opening =
                Opening { budget: &budget, visitor: &mut surveyor, depth: 1, helpers: None };
            archive::folder(path, &mut opening).map(drop).unwrap_or_default();
        } else if let Ok(source) = Source::file(path) {
            surveyor.open("", Body::At(Extent::all(source))).map(drop).unwrap_or_default();
        }
        let Surveyor { builder, extents, .. } = surveyor;
        Self { path: path.to_owned(), builder, extents }
    }

    /// The image set in it that a link in `folder` of another target leads to, if that is sure: the
    /// folder itself, or the pre-dump of the same container in a folder of the same name.
    fn find(&self, own: &Path, builder: &Builder, folder: &str, link: &[u8]) -> Option<String> {
        let is_top = self.builder.is_image_set() && folder.is_empty() && own.is_dir();
        if is_top
            && own.join(OsStr::from_bytes(link)).canonicalize().ok()
                == self.path.canonicalize().ok()
        {
            return Some(String::new());
        }
        let link = name::display(&name::normal(link, usize::MAX));
        let last = |path: &str| path.rsplit(['/', '!']).next().map(str::to_owned);
        let container = builder.container_of(folder)?;
        let found = self.builder.pre_dumps_of(container);
        found.into_iter().find(|it| last(it) == last(&link)).map(str::to_owned)
    }
}

struct Surveyor<'a> {
    limits: &'a Limits,
    budget: &'a RefCell<Budget>,
    builder: Builder,
    extents: BTreeMap<String, Extent>,
    frames: Vec<String>,
    wanted: Option<&'a BTreeSet<String>>,
    room: u64,
}

impl Surveyor<'_> {
    /// Opens what is a container; gives whether it is one.
    fn open(&mut self, path: &str, body: Body<'_>) -> io::Result<bool> {
        let (head, mut peek) = body.peek()?;
        let Some(container) = container_of(head.bytes()) else { return Ok(false) };
        self.frames.push(path.to_owned());
        let depth = u32::try_from(self.frames.len()).unwrap_or(u32::MAX).saturating_sub(1);
        let budget = self.budget;
        let mut opening = Opening { budget, visitor: self, depth, helpers: None };
        container.open(peek.body(), &mut opening).map(drop).unwrap_or_default();
        self.frames.pop();
        Ok(true)
    }

    #[expect(clippy::disallowed_methods, reason = "bounded by take")]
    fn whole(&self, body: Body<'_>) -> io::Result<Vec<u8>> {
        let mut data = Vec::new();
        body.reader().take(self.limits.kept_member_bytes).read_to_end(&mut data)?;
        let kept = self.budget.borrow_mut().keep(data.len() as u64);
        Ok(if kept.is_ok() { data } else { Vec::new() })
    }
}

impl Visitor for Surveyor<'_> {
    fn member(&mut self, member: Member<'_>) -> io::Result<Flow> {
        let Member { name, kind, size, mtime, body } = member;
        let outer = self.frames.last().map_or("", String::as_str);
        let path = name::chain(outer, &name);
        match kind {
            MemberKind::Symlink(target) => self.builder.parent_link(&path, &target),
            MemberKind::File if name.is_empty() => drop(self.open(&path, body)?),
            MemberKind::File => match self.builder.offer(&path, size, &[]) {
                Want::Decode if is_of_memory(&name) => {
                    let data = self.whole(body)?;
                    // Told when it is scanned itself.
                    self.builder.image(&path, &data, mtime).unwrap_or_default();
                }
                Want::Keep if name.ends_with(b"config.dump") => {
                    let data = self.whole(body)?;
                    self.builder.metadata(&path, &data).unwrap_or_default();
                }
                Want::Pages(id) => match body {
                    Body::At(extent) => {
                        self.builder.pages(&path, id, extent.len());
                        self.extents.entry(path).or_insert(extent);
                    }
                    Body::Stream(stream) => {
                        let len = size.unwrap_or(u64::MAX);
                        self.builder.pages(&path, id, len);
                        let is_wanted = self.wanted.is_some_and(|wanted| wanted.contains(&path));
                        if is_wanted && len <= self.room {
                            self.room = self.room.saturating_sub(len);
                            let (mut data, map) = (Vec::new(), stream.map().cloned());
                            io::copy(&mut stream.stored_bytes(), &mut data)?;
                            let extent = Extent::all(Source::bytes(data));
                            let extent = map.iter().fold(extent, |it, map| it.with_holes(map));
                            self.extents.entry(path).or_insert(extent);
                        }
                    }
                },
                Want::Decode | Want::Objects | Want::Keep | Want::Scan(_) | Want::Skip(_) => {}
            },
            MemberKind::Folder
            | MemberKind::Hardlink(_)
            | MemberKind::Sparse
            | MemberKind::Other => {}
        }
        Ok(Flow::Continue)
    }

    fn problem(&mut self, _: Problem) {}
}

/// Whether an image is one of those that a pre-dump has, its pages aside.
fn is_of_memory(name: &[u8]) -> bool {
    let name = name.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    name == b"inventory.img" || (name.starts_with(b"pagemap-") && name.ends_with(b".img"))
}

/// A folder of images beside the target, as a part of it.
struct Beside<'a, 'b> {
    walk: &'a mut Walk<'b>,
    /// The name of the folder in the target.
    prefix: &'a str,
    /// Whether it is only looked at.
    has: Option<(bool, bool)>,
}

impl Visitor for Beside<'_, '_> {
    fn member(&mut self, mut member: Member<'_>) -> io::Result<Flow> {
        let is_file = member.kind == MemberKind::File;
        if let Some((inventory, pagemap)) = &mut self.has {
            *inventory |= is_file && member.name == b"inventory.img";
            *pagemap |= is_file && member.name.starts_with(b"pagemap-");
            return Ok(Flow::Continue);
        }
        let is_pages = crate::criu::pages_id(&member.name).is_some();
        let is_link = matches!(member.kind, MemberKind::Symlink(_)) && member.name == b"parent";
        if is_link || (is_file && (is_pages || is_of_memory(&member.name))) {
            member.name = [self.prefix.as_bytes(), b"/", &member.name].concat();
            return self.walk.member(member);
        }
        Ok(Flow::Continue)
    }

    fn problem(&mut self, problem: Problem) {
        self.walk.problem(problem);
    }
}

/// The name of a folder beside another, if a link in that leads to no other place.
fn sibling(link: &[u8]) -> Option<&OsStr> {
    let mut parts = link.split(|byte| *byte == b'/').filter(|part| !matches!(*part, b"" | b"."));
    let (up, name, end) = (parts.next()?, parts.next()?, parts.next());
    let is_beside = !link.starts_with(b"/") && up == b".." && name != b".." && end.is_none();
    is_beside.then(|| OsStr::from_bytes(name))
}

impl Walk<'_> {
    /// Looks for parent dumps that the target does not hold; gives what is lent by other targets.
    pub(super) fn find_parents(&mut self, own: &Path, parents: &Parents) -> Dumps {
        let mut lent = Dumps::new();
        let mut tried = BTreeSet::new();
        loop {
            let mut found = false;
            // All of them at once: to find one, all chains are looked at.
            for (folder, link) in self.builder.orphans() {
                if !tried.insert(folder.clone()) {
                    continue;
                }
                found |= self.lend(own, parents, &folder, &link, &mut lent)
                    || (own.is_dir() && self.beside(own, &folder, &link));
            }
            if !found {
                break;
            }
        }
        lent
    }

    /// Finds the parent in another target.
    fn lend(
        &mut self,
        own: &Path,
        parents: &Parents,
        folder: &str,
        link: &[u8],
        lent: &mut Dumps,
    ) -> bool {
        let limits = self.settings.limits.clone();
        let others = parents.others(own, &limits);
        let find = |survey: &Rc<Survey>| survey.find(own, &self.builder, folder, link);
        let found = others.iter().find_map(|survey| Some((Rc::clone(survey), find(survey)?)));
        let Some((survey, there)) = found else { return false };
        let target = Target::Path(survey.path.clone()).name();
        let inside = if survey.path.is_dir() { '/' } else { '!' };
        let target = format!("{}{inside}", target.trim_end_matches('/'));
        let adopted = self.builder.adopt(&survey.builder, &there, &target);
        let Some((first, _)) = adopted.first() else { return false };
        self.builder.found_parent(folder, first);
        let images: Vec<(String, u32, String)> = adopted
            .iter()
            .flat_map(|(here, there)| {
                let images = survey.builder.images_of(there).into_iter();
                images.map(move |(id, path)| (here.clone(), id, path))
            })
            .collect();
        let passing: BTreeSet<String> = images
            .iter()
            .map(|(.., path)| path.clone())
            .filter(|it| !survey.extents.contains_key(it))
            .collect();
        let held = (!passing.is_empty()).then(|| Survey::of(&survey.path, &limits, Some(&passing)));
        for (here, id, path) in images {
            let extent = survey.extents.get(&path);
            let extent = extent.or_else(|| held.as_ref()?.extents.get(&path)).cloned();
            let shown = format!("{target}{path}");
            let Some(extent) = extent else {
                let text = "a parent dump in another, compressed target is too long to be held in \
                            memory; decompress that archive first";
                self.note(Diagnostic::new(Level::Error, Code::LateMetadata, &shown, text));
                continue;
            };
            self.builder.pages_of_len(&here, id, extent.len());
            let Some(key) = self.builder.owner_of(&here, id) else { continue };
            let Some(mut layout) = self.builder.layout_of(&here, key, extent.len()) else {
                continue;
            };
            if !self.may_expand(&shown, &layout) {
                layout.leave_compressed();
            }
            let mut space = layout.space;
            if let Some(map) = extent.map() {
                space.leave_holes(map.data());
            }
            let dump = HeldDump { space: Arc::new(space), extent, path: shown, decoded: false };
            lent.insert((here, key), dump);
        }
        true
    }

    /// Reads the folder of images beside the target that a link leads to; gives whether there is one.
    fn beside(&mut self, own: &Path, folder: &str, link: &[u8]) -> bool {
        // Only folders that were found so have names of this kind, and all lie beside the target.
        let is_top = folder.is_empty() || folder.split('/').all(|part| part == "parent");
        let Some(name) = sibling(link).filter(|_| is_top) else { return false };
        let path = own.join("..").join(name);
        let is_known = |it: &Path| it.canonicalize().ok() == path.canonicalize().ok();
        let newer = self.beside.iter().any(|it| is_known(it)) || is_known(own);
        if newer {
            let text = "the link leads back to a later dump; it was not followed";
            let member =
                if folder.is_empty() { "parent".to_owned() } else { format!("{folder}/parent") };
            self.note(Diagnostic::new(Level::Warning, Code::ParentFollowed, &member, text));
            return false;
        }
        let prefix =
            if folder.is_empty() { "parent".to_owned() } else { format!("{folder}/parent") };
        let budget = self.budget;
        let mut look = Beside { walk: self, prefix: &prefix, has: Some((false, false)) };
        let mut opening = Opening { budget, visitor: &mut look, depth: 1, helpers: None };
        let looked = archive::flat_folder(&path, &mut opening);
        if looked.is_err() || look.has != Some((true, true)) {
            return false;
        }
        let text = format!(
            "the folder of images {} beside the target was read as the parent dump",
            name::display(link)
        );
        self.note(Diagnostic::new(Level::Note, Code::ParentFollowed, &prefix, text));
        self.beside.push(path.clone());
        self.framed(|walk| {
            let mut beside = Beside { walk, prefix: &prefix, has: None };
            let mut opening = Opening { budget, visitor: &mut beside, depth: 1, helpers: None };
            archive::flat_folder(&path, &mut opening).map(drop)
        });
        self.builder.found_parent(folder, &prefix);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::sibling;

    #[test]
    fn links_to_a_folder_beside_lead_nowhere_else() {
        for (link, name) in [
            ("../1", Some("1")),
            ("./..//1/", Some("1")),
            ("../..", None),
            ("../../1", None),
            ("../1/2", None),
            ("1", None),
            ("..", None),
            ("/1", None),
            ("", None),
            ("1/..", None),
        ] {
            assert_eq!(sibling(link.as_bytes()).and_then(|name| name.to_str()), name, "{link}");
        }
    }
}
