//! A folder as a container: what a directory of images or an unpacked archive is.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};

use super::error::{Cause, ContainerError, Problem};
use super::source::{Extent, Source, Stamp};
use super::{Body, Consumed, Flow, Member, MemberKind, Opening};
use crate::diagnostic::Code;

/// Walks a folder and all below it: entries sorted by name (as bytes), those of a folder behind
/// it. Symbolic links are members and are not followed. What cannot be read is a problem with
/// `Code::MemberUnreadable`, and the walk goes on.
///
/// # Errors
/// When the folder itself cannot be read, a limit is reached, or the visitor fails.
pub fn folder(path: &Path, opening: &mut Opening<'_>) -> Result<Consumed, ContainerError> {
    walk(path, true, opening)
}

/// Walks what lies in a folder itself, and not in the folders below it. A symbolic link in the place
/// of the folder is not followed.
///
/// # Errors
/// As [`folder`].
pub fn flat_folder(path: &Path, opening: &mut Opening<'_>) -> Result<Consumed, ContainerError> {
    walk(path, false, opening)
}

fn walk(path: &Path, deep: bool, opening: &mut Opening<'_>) -> Result<Consumed, ContainerError> {
    let mut walk = Walk { bytes: 0, deep };
    let done = walk.run(path, opening);
    match done {
        Ok(()) => Ok(Consumed { bytes: walk.bytes }),
        Err(cause) => {
            Err(ContainerError { container: "folder", offset: 0, consumed: walk.bytes, cause })
        }
    }
}

struct Walk {
    /// Of all files so far.
    bytes: u64,
    /// Whether folders in the folder are walked too.
    deep: bool,
}

/// A listed folder.
struct Listed {
    path: PathBuf,
    /// Its name from the target on, with a slash behind it; empty for the target.
    prefix: Vec<u8>,
    entries: std::vec::IntoIter<Entry>,
}

struct Entry {
    name: Vec<u8>,
    /// What it is, and the target of a link.
    found: rustix::io::Result<(Stat, Vec<u8>)>,
}

impl Walk {
    fn run(&mut self, path: &Path, opening: &mut Opening<'_>) -> Result<(), Cause> {
        let limit = opening.limit(|limits| limits.members);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let follow = if self.deep { OFlags::empty() } else { OFlags::NOFOLLOW };
        let root = rustix::fs::open(path, flags | follow, Mode::empty())
            .and_then(|fd| list(&fd, limit))
            .map_err(|error| Cause::Io(error.into()))?;
        // Folders that are being walked, the outermost first. The kernel bounds the length of a
        // path, and so how many there are.
        let mut folders =
            vec![Listed { path: path.to_owned(), prefix: Vec::new(), entries: root.into_iter() }];
        while let Some(folder) = folders.last_mut() {
            let Some(entry) = folder.entries.next() else {
                folders.pop();
                continue;
            };
            let path = folder.path.join(OsStr::from_bytes(&entry.name));
            let raw = [folder.prefix.as_slice(), &entry.name].concat();
            let name = opening.name(&raw);
            let (stat, link) = match entry.found {
                Ok(found) => found,
                Err(error) => {
                    opening.problem(unreadable(&name, &error.into(), 0));
                    continue;
                }
            };
            if self.entry(&path, &name, &stat, link, opening)? == Flow::Stop {
                return Ok(());
            }
            if self.deep && FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
                let flags = flags | OFlags::NOFOLLOW;
                let opened = rustix::fs::open(&path, flags, Mode::empty());
                match opened.and_then(|fd| list_same(&fd, &stat, limit)) {
                    Ok(entries) => {
                        let prefix = [raw.as_slice(), b"/"].concat();
                        folders.push(Listed { path, prefix, entries: entries.into_iter() });
                    }
                    Err(error) => opening.problem(unreadable(&name, &error.into(), 0)),
                }
            }
        }
        Ok(())
    }

    fn entry(
        &mut self,
        path: &Path,
        name: &[u8],
        stat: &Stat,
        link: Vec<u8>,
        opening: &mut Opening<'_>,
    ) -> Result<Flow, Cause> {
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => MemberKind::File,
            FileType::Directory => MemberKind::Folder,
            FileType::Symlink => MemberKind::Symlink(link),
            FileType::Fifo
            | FileType::Socket
            | FileType::CharacterDevice
            | FileType::BlockDevice
            | FileType::Unknown => MemberKind::Other,
        };
        let source = if kind == MemberKind::File {
            let stamp = stamp(stat);
            self.bytes = self.bytes.saturating_add(stamp.len);
            match Source::reopened(path.to_owned(), stamp) {
                Ok(source) => source,
                Err(error) => {
                    opening.problem(unreadable(name, &error, stamp.len));
                    return Ok(Flow::Continue);
                }
            }
        } else {
            Source::bytes(Vec::new())
        };
        let flow = opening.member(Member {
            name: name.to_vec(),
            kind,
            size: Some(source.len()),
            mtime: Some(stat.st_mtime),
            body: Body::At(Extent::all(Arc::clone(&source))),
        });
        source.close();
        flow
    }
}

fn stamp(stat: &Stat) -> Stamp {
    let len = u64::try_from(stat.st_size).unwrap_or_default();
    Stamp { device: stat.st_dev, inode: stat.st_ino, len }
}

fn unreadable(name: &[u8], error: &std::io::Error, lost: u64) -> Problem {
    let text = format!("could not be read and was left out: {error}");
    Problem::of(name, Code::MemberUnreadable, text).lost(lost)
}

/// Lists a folder, if it is the one that was seen in the folder above it.
fn list_same(fd: &OwnedFd, seen: &Stat, limit: u64) -> rustix::io::Result<Vec<Entry>> {
    let found = rustix::fs::fstat(fd)?;
    if (found.st_dev, found.st_ino) != (seen.st_dev, seen.st_ino) {
        return Err(rustix::io::Errno::STALE);
    }
    list(fd, limit)
}

/// The entries of a folder, sorted; at most one more than the target may have members.
fn list(fd: &OwnedFd, limit: u64) -> rustix::io::Result<Vec<Entry>> {
    let most = usize::try_from(limit).unwrap_or(usize::MAX).saturating_add(1);
    let mut entries = Vec::new();
    for entry in Dir::read_from(fd)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        if entries.len() >= most {
            break;
        }
        let found = rustix::fs::statat(fd, name, AtFlags::SYMLINK_NOFOLLOW).and_then(|stat| {
            let link = if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink {
                rustix::fs::readlinkat(fd.as_fd(), name, Vec::new())?.into_bytes()
            } else {
                Vec::new()
            };
            Ok((stat, link))
        });
        entries.push(Entry { name: name.to_bytes().to_vec(), found });
    }
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
}
