//! Bytes in, members out, at every depth: folders, archives and compressed streams.
//!
//! A container is opened over a [`Body`] and hands its members to a [`Visitor`], one after another;
//! nothing is collected and nothing is written to disk. Where the body is a range of a [`Source`],
//! members that are stored as they are come as ranges too; where it is a stream, they are streams.
//! Members, names and problems are the same both ways.
//!
//! # What a visitor can rely on
//! - The body of a member ends early rather than fail when the container under it is truncated,
//!   corrupt or over a limit; the container says why, as its [`ContainerError`], after the visit.
//!   (Only the bytes of a [`Body::At`] can fail to be read: a disk error, a file that changed.)
//! - It reads as much of a body as it wants; the container skips the rest.
//! - `Member::size` is there exactly when the body is stored as it is: a body of fewer (stored)
//!   bytes than that was cut.
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions, clippy::indexing_slicing)]

use std::cell::RefCell;
use std::io;

use crate::limits::{Budget, Limits};

mod ahead;
mod body;
mod bzip2;
mod error;
mod folder;
mod git;
mod gzip;
mod inflate;
mod input;
pub mod name;
mod packed;
mod scout;
mod source;
mod sparse;
mod sqlite;
mod stream;
mod tar;
#[cfg(test)]
mod tests;
mod xz;
mod zip;
mod zlib;
mod zstd;

pub use ahead::{Helpers, Task};
pub use body::{Body, Head, Peek};
pub use error::{Cause, ContainerError, Problem};
pub use folder::{flat_folder, folder};
pub use source::{Extent, Source};
pub use sparse::Sparse;
pub use stream::Stream;

/// What a member of a container is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemberKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link, with its target as it is stored. Never followed.
    Symlink(Vec<u8>),
    /// A second name of an earlier member, whose name (in normal form) it holds.
    Hardlink(Vec<u8>),
    /// A file with holes whose map is broken: the body is what is stored of it, so bytes that are
    /// neighbours in it may be no neighbours in the file.
    Sparse,
    /// A device, a FIFO, a socket, a label.
    Other,
}

/// One member of a container.
#[derive(Debug)]
pub struct Member<'a> {
    /// Name in normal form ([`name::normal`]); empty for the content of a transparent container.
    pub name: Vec<u8>,
    /// What it is.
    pub kind: MemberKind,
    /// Bytes that the container stores for it, as they are and without holes; `None` when the body is
    /// decompressed, so that its length is known only after reading it.
    pub size: Option<u64>,
    /// Time of the last change, in seconds since 1970 (UTC).
    pub mtime: Option<i64>,
    /// Its bytes; holes are zeros, which a hostile map can make exabytes of ([`Body::map`]).
    pub body: Body<'a>,
}

/// Whether a container goes on with its next member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// The next member, please.
    Continue,
    /// Enough: the container is left where it stands.
    Stop,
}

/// Takes the members of a container, and what is wrong with it.
pub trait Visitor {
    /// Takes one member.
    ///
    /// # Errors
    /// What went wrong on the visitor's own side; the container is then left with
    /// [`Cause::Visitor`].
    fn member(&mut self, member: Member<'_>) -> io::Result<Flow>;

    /// Takes a problem after which the container goes on.
    fn problem(&mut self, problem: Problem);
}

/// What opening a container needs.
pub struct Opening<'a> {
    /// What the target may still cost. In a cell, since a member's body is charged while it is
    /// read by the visitor, who may be opening a container inside it.
    pub budget: &'a RefCell<Budget>,
    /// Takes the members.
    pub visitor: &'a mut dyn Visitor,
    /// Containers down to this one: 1 is the target itself.
    pub depth: u32,
    /// Who decodes ahead of what is read, where the target itself is compressed.
    pub helpers: Option<&'a Helpers>,
}

impl std::fmt::Debug for Opening<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opening").field("depth", &self.depth).finish_non_exhaustive()
    }
}

impl Opening<'_> {
    /// Counts a member and hands it over.
    fn member(&mut self, member: Member<'_>) -> Result<Flow, Cause> {
        self.budget.borrow_mut().member()?;
        self.visitor.member(member).map_err(Cause::Visitor)
    }

    fn problem(&mut self, problem: Problem) {
        self.visitor.problem(problem);
    }

    fn limit<T>(&self, read: impl FnOnce(&Limits) -> T) -> T {
        read(self.budget.borrow().limits())
    }

    /// What others have made of a compressed member, inside the target.
    fn made(&self, extent: &Extent) -> Option<Vec<scout::Made>> {
        self.helpers.filter(|_| self.depth > 1)?.made(extent)
    }

    /// The name of a member in normal form.
    fn name(&self, raw: &[u8]) -> Vec<u8> {
        name::normal(raw, self.limit(|limits| limits.name_bytes))
    }
}

/// A container that was walked to its end, or as far as the visitor wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Consumed {
    /// Stored bytes from its start: all of them, unless the visitor stopped it.
    pub bytes: u64,
}

/// What the members of a container are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Bytes that stand in it as they are.
    Stored,
    /// Bytes made by decoding its own, which say nothing else.
    Decoded,
    /// Bytes that stand in it in pieces. Between them is more that may be worth reading, so that
    /// the container is a file as well.
    Pieces,
}

/// A format that holds members.
#[derive(Debug)]
pub struct Container {
    /// Name in reports.
    pub name: &'static str,
    /// It compresses one file, which keeps the name that the container has.
    pub transparent: bool,
    /// What its members are made of.
    pub content: Content,
    is: fn(&[u8]) -> bool,
    open: fn(Body<'_>, &mut Opening<'_>) -> Result<Consumed, ContainerError>,
}

impl Container {
    /// Whether bytes with this beginning (512 of them suffice) are such a container.
    pub fn is(&self, head: &[u8]) -> bool {
        (self.is)(head)
    }

    /// Whether it is more than a way to put files together.
    fn is_compressed(&self) -> bool {
        self.transparent || self.name == "zip"
    }

    /// Walks the members of a container.
    ///
    /// # Errors
    /// Why it could not be walked to its end; what came before was visited.
    pub fn open(
        &self,
        body: Body<'_>,
        opening: &mut Opening<'_>,
    ) -> Result<Consumed, ContainerError> {
        let nesting = opening.limit(|limits| limits.nesting);
        if opening.depth > nesting {
            let (limit, found) = (u64::from(nesting), u64::from(opening.depth));
            let cause = Cause::Limit { what: "containers inside containers", limit, found };
            return Err(ContainerError { container: self.name, offset: 0, consumed: 0, cause });
        }
        let outer = opening.budget.borrow_mut().open(opening.depth, self.transparent);
        let made = match &body {
            Body::At(extent) if self.transparent => opening.made(extent),
            Body::At(_) | Body::Stream(_) => None,
        };
        let result = match made.and_then(|mut made| made.pop()) {
            Some(made) => packed::again(self.name, body, made, opening),
            None => (self.open)(body, opening),
        };
        opening.budget.borrow_mut().close(outer);
        result
    }
}

const fn packed(
    name: &'static str,
    is: fn(&[u8]) -> bool,
    open: fn(Body<'_>, &mut Opening<'_>) -> Result<Consumed, ContainerError>,
) -> Container {
    Container { name, transparent: true, content: Content::Decoded, is, open }
}

const fn holding(
    name: &'static str,
    content: Content,
    is: fn(&[u8]) -> bool,
    open: fn(Body<'_>, &mut Opening<'_>) -> Result<Consumed, ContainerError>,
) -> Container {
    Container { name, transparent: false, content, is, open }
}

/// Every container format, none of which is told by its name. The first that fits is taken.
pub static CONTAINERS: &[Container] = &[
    packed("gzip", gzip::is, gzip::open),
    packed("zstd", zstd::is, zstd::open),
    packed("bzip2", bzip2::is, bzip2::open),
    packed("xz", xz::is, xz::open),
    holding("zip", Content::Decoded, zip::is, zip::open),
    holding("sqlite", Content::Pieces, sqlite::is, sqlite::open),
    holding("git-pack", Content::Decoded, git::pack::is, git::pack::open),
    holding("git-object", Content::Decoded, git::loose::is, git::loose::open),
    packed("zlib", zlib::is, zlib::open),
    holding("tar", Content::Stored, tar::is, tar::open),
];

/// The format of bytes that begin so (512 bytes suffice).
pub fn container_of(head: &[u8]) -> Option<&'static Container> {
    CONTAINERS.iter().find(|container| container.is(head))
}
