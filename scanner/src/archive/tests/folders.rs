use std::cell::RefCell;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use super::Walk;
use crate::archive::{
    Cause, Extent, Flow, Member, MemberKind, Opening, Problem, Source, Visitor, folder,
};
use crate::diagnostic::Code;
use crate::limits::{Budget, Limits};

/// A folder of its own, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("cryoscan-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn walk_folder(path: &Path, limits: Limits, look: impl FnOnce(&Walk<'_>, Result<u64, Cause>)) {
    let budget = RefCell::new(Budget::new(limits));
    let mut walk = Walk::new(&budget);
    let done =
        folder(path, &mut Opening { budget: &budget, visitor: &mut walk, depth: 1, helpers: None });
    look(&walk, done.map(|consumed| consumed.bytes).map_err(|error| error.cause));
}

#[test]
fn members_are_sorted_and_links_are_not_followed() {
    let scratch = Scratch::new("walk");
    let root = &scratch.0;
    fs::create_dir_all(root.join("b/inner")).unwrap();
    fs::write(root.join("b/inner/pages-1.img"), b"pages").unwrap();
    fs::write(root.join("b-file"), b"1").unwrap();
    fs::write(root.join("a"), super::tar_of(&[("in", b"2")])).unwrap();
    symlink("..", root.join("b/loop")).unwrap();
    symlink("../1", root.join("parent")).unwrap();
    let fifo = root.join("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0)
        .unwrap();
    fs::set_permissions(root.join("b"), fs::Permissions::from_mode(0o700)).unwrap();

    walk_folder(root, Limits::default(), |walk, done| {
        assert_eq!(
            walk.names(),
            ["a!in", "b", "b/inner", "b/inner/pages-1.img", "b/loop", "b-file", "fifo", "parent"]
        );
        assert_eq!(walk.seen[4].kind, MemberKind::Symlink(b"..".to_vec()));
        assert_eq!(walk.seen[6].kind, MemberKind::Other);
        assert_eq!(walk.seen[7].kind, MemberKind::Symlink(b"../1".to_vec()));
        assert_eq!((walk.seen[3].size, walk.seen[3].bytes.as_slice()), (Some(5), &b"pages"[..]));
        assert!(walk.seen[3].mtime.is_some());
        assert_eq!((walk.problems.len(), done.unwrap()), (0, 2048 + 5 + 1));
    });
    let limits = Limits { members: 3, ..Limits::default() };
    walk_folder(root, limits, |_, done| {
        assert!(matches!(done.unwrap_err(), Cause::Limit { limit: 3, .. }));
    });
}

#[test]
fn what_vanishes_or_changes_is_a_problem_or_an_error_never_other_bytes() {
    /// Removes and replaces files while the folder is walked.
    struct Meddler {
        root: PathBuf,
        kept: Vec<Extent>,
        problems: Vec<Problem>,
    }
    impl Visitor for Meddler {
        fn member(&mut self, member: Member<'_>) -> std::io::Result<Flow> {
            if member.name == b"a" {
                // Root reads what has no permission to be read, but not what is not there.
                fs::remove_file(self.root.join("b"))?;
                fs::remove_file(self.root.join("c"))?;
                symlink("a", self.root.join("c"))?;
                fs::write(self.root.join("d"), b"longer than before")?;
            }
            if let super::Body::At(extent) = member.body {
                self.kept.push(extent);
            }
            Ok(Flow::Continue)
        }
        fn problem(&mut self, problem: Problem) {
            self.problems.push(problem);
        }
    }
    let scratch = Scratch::new("change");
    for name in ["a", "b", "c", "d", "e"] {
        fs::write(scratch.0.join(name), name).unwrap();
    }
    let budget = RefCell::new(Budget::new(Limits::default()));
    let mut meddler = Meddler { root: scratch.0.clone(), kept: Vec::new(), problems: Vec::new() };
    let opening = &mut Opening { budget: &budget, visitor: &mut meddler, depth: 1, helpers: None };
    assert_eq!(folder(&scratch.0, opening).unwrap().bytes, 5);
    let problems: Vec<_> = meddler
        .problems
        .iter()
        .map(|problem| (problem.code, problem.member.as_slice(), problem.lost))
        .collect();
    let unreadable = |name| (Code::MemberUnreadable, name, 1);
    assert_eq!(problems, [unreadable(&b"b"[..]), unreadable(b"c"), unreadable(b"d")]);
    assert!(meddler.problems[2].message.contains("of 1 bytes, found inode"));

    // What was kept is opened again, and is refused when it is another file by then.
    let mut byte = [0; 1];
    let [a, e] = meddler.kept.try_into().unwrap();
    assert_eq!((a.read_at(0, &mut byte).unwrap(), byte), (1, *b"a"));
    fs::write(scratch.0.join("e"), b"").unwrap();
    let error = e.read_at(0, &mut byte).unwrap_err();
    assert!(error.to_string().starts_with("file changed since it was listed"), "{error}");
}

#[test]
fn a_folder_that_is_none_is_an_error() {
    let scratch = Scratch::new("none");
    walk_folder(&scratch.0.join("missing"), Limits::default(), |_, done| {
        assert!(matches!(done.unwrap_err(), Cause::Io(_)));
    });
}

#[test]
fn sources_are_regular_files() {
    let scratch = Scratch::new("source");
    assert!(Source::file(&scratch.0).is_err());
    fs::write(scratch.0.join("f"), b"0123456789").unwrap();
    let source = Source::file(&scratch.0.join("f")).unwrap();
    let extent = Extent::all(source).sub(2..7).sub(1..100);
    assert_eq!((extent.stored(), extent.len()), (4, 4));
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut extent.reader(), &mut bytes).unwrap();
    assert_eq!(bytes, b"3456");
    fs::write(scratch.0.join("f"), b"0123").unwrap();
    let error = std::io::Read::read_to_end(&mut extent.reader(), &mut bytes).unwrap_err();
    assert_eq!(error.to_string(), "file shrank: expected 3 more bytes, found its end");
}
