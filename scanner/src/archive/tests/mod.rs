//! Whole containers: what is seen of them as a range and as a stream, cut, damaged and hostile.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::disallowed_methods,
    reason = "small inputs of our own"
)]

use std::cell::RefCell;
use std::io::{self, Read, Write as _};
use std::rc::Rc;

use super::{
    Body, Cause, Consumed, Container, ContainerError, Extent, Flow, Helpers, Member, MemberKind,
    Opening, Problem, Source, Stream, Visitor, container_of,
};
use crate::diagnostic::Code;
use crate::limits::{Budget, Limits};

mod folders;
mod packed;
mod properties;
mod scouts;
mod sparse;
mod tars;
mod zips;

/// A member with what was read of it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    name: String,
    kind: MemberKind,
    size: Option<u64>,
    mtime: Option<i64>,
    bytes: Vec<u8>,
}

/// Reads every member and opens every container, as a scan does.
struct Walk<'b> {
    budget: &'b RefCell<Budget>,
    chain: String,
    depth: u32,
    seen: Vec<Seen>,
    problems: Vec<Problem>,
    /// Errors of containers inside, as diagnostics.
    inside: Vec<String>,
    ranges: usize,
    /// Bytes of a body to read; the rest is left to the container.
    most: u64,
    /// Who decodes ahead.
    helpers: Option<Rc<Helpers>>,
}

impl<'b> Walk<'b> {
    fn new(budget: &'b RefCell<Budget>) -> Self {
        Self {
            budget,
            chain: String::new(),
            depth: 1,
            seen: Vec::new(),
            problems: Vec::new(),
            inside: Vec::new(),
            ranges: 0,
            most: u64::MAX,
            helpers: None,
        }
    }

    fn names(&self) -> Vec<&str> {
        self.seen.iter().map(|seen| seen.name.as_str()).collect()
    }

    fn codes(&self) -> Vec<Code> {
        self.problems.iter().map(|problem| problem.code).collect()
    }

    fn open(&mut self, container: &Container, body: Body<'_>) -> Result<Consumed, ContainerError> {
        let (budget, depth) = (self.budget, self.depth);
        let helpers = self.helpers.clone();
        let helpers = helpers.as_deref();
        container.open(body, &mut Opening { budget, visitor: self, depth, helpers })
    }
}

impl Visitor for Walk<'_> {
    fn member(&mut self, member: Member<'_>) -> io::Result<Flow> {
        self.ranges += usize::from(matches!(member.body, Body::At(_)));
        let (head, mut peek) = member.body.peek()?;
        let chain = super::name::chain(&self.chain, &member.name);
        if let Some(container) = container_of(head.bytes()).filter(|_| self.most == u64::MAX) {
            let outer = std::mem::replace(&mut self.chain, chain);
            self.depth += 1;
            if let Err(error) = self.open(container, peek.body()) {
                self.inside.push(format!("{}: {error}", self.chain));
            }
            self.depth -= 1;
            self.chain = outer;
            return Ok(Flow::Continue);
        }
        let mut bytes = Vec::new();
        // A hostile map may make exabytes of zeros.
        let most = self.most.min(16 << 20);
        peek.body().reader().take(most).read_to_end(&mut bytes)?;
        let Member { kind, size, mtime, .. } = member;
        self.seen.push(Seen { name: chain, kind, size, mtime, bytes });
        Ok(Flow::Continue)
    }

    fn problem(&mut self, problem: Problem) {
        self.problems.push(problem);
    }
}

/// A pipe that gives its bytes in pieces.
struct Pipe<'a> {
    bytes: &'a [u8],
    piece: usize,
}

impl Read for Pipe<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.piece.min(out.len());
        self.piece = self.piece % 1009 + 1;
        self.bytes.read(&mut out[..n])
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    At,
    Stream,
    /// As a range, with parts decoded ahead.
    Ahead,
}

/// Opens bytes as the container that they are, and hands the walk and its result to `look`.
fn walk_as<T>(
    bytes: &[u8],
    how: How,
    limits: Limits,
    look: impl FnOnce(&Walk<'_>, Result<Consumed, ContainerError>) -> T,
) -> T {
    let budget = RefCell::new(Budget::new(limits));
    let mut walk = Walk::new(&budget);
    if how == How::Ahead {
        // Some parts are too long for it, and only some wait.
        walk.helpers = Some(Rc::new(Helpers::new(4 << 17, 2, |task| task())));
    }
    let container = container_of(bytes).expect("a container");
    let done = match how {
        How::At | How::Ahead => {
            walk.open(container, Body::At(Extent::all(Source::bytes(bytes.to_vec()))))
        }
        How::Stream => {
            walk.open(container, Body::Stream(Stream::new(&mut Pipe { bytes, piece: 7 })))
        }
    };
    look(&walk, done)
}

/// Opens bytes in all ways, which must agree; gives members, problems and the error.
fn walk(bytes: &[u8]) -> (Vec<Seen>, Vec<Problem>, Option<String>) {
    let [at, stream, ahead] = [How::At, How::Stream, How::Ahead].map(|how| {
        walk_as(bytes, how, Limits::default(), |walk, done| {
            if let Ok(consumed) = &done {
                assert_eq!(consumed.bytes, bytes.len() as u64, "{how:?}");
            }
            let error = done.err().map(|error| {
                assert!(error.consumed <= bytes.len() as u64);
                error.to_string()
            });
            let errors = walk.inside.iter().cloned().chain(error).collect::<Vec<_>>();
            let error = (!errors.is_empty()).then(|| errors.join("; "));
            (walk.seen.clone(), walk.problems.clone(), error)
        })
    });
    assert_eq!(at, stream);
    assert_eq!(at, ahead);
    at
}

/// Bytes without a pattern, the same each time.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2) | 1;
    let step = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..len).map(step).collect()
}

/// A tar as the tar crate writes it.
fn tar_of(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = ::tar::Builder::new(Vec::new());
    for (name, bytes) in members {
        let mut header = ::tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o600);
        header.set_mtime(1_700_000_000);
        tar.append_data(&mut header, name, *bytes).unwrap();
    }
    tar.into_inner().unwrap()
}

fn gzip_of(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

/// As bgzip writes it: members of at most 64 KiB that tell their length, and an empty one.
fn bgzip_of(bytes: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    for block in bytes.chunks(0xff00).chain([&[][..]]) {
        let mut deflate =
            flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
        deflate.write_all(block).unwrap();
        let packed = deflate.finish().unwrap();
        let size = u16::try_from(packed.len() + 25).unwrap();
        all.extend([0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff, 6, 0, b'B', b'C', 2, 0]);
        all.extend(size.to_le_bytes());
        all.extend(packed);
        all.extend(crc32fast::hash(block).to_le_bytes());
        all.extend(u32::try_from(block.len()).unwrap().to_le_bytes());
    }
    all
}

fn zstd_of(bytes: &[u8]) -> Vec<u8> {
    ::zstd::encode_all(bytes, 3).unwrap()
}

fn bzip2_of(bytes: &[u8]) -> Vec<u8> {
    let mut bzip2 = ::bzip2::write::BzEncoder::new(Vec::new(), ::bzip2::Compression::fast());
    bzip2.write_all(bytes).unwrap();
    bzip2.finish().unwrap()
}

fn xz_of(bytes: &[u8]) -> Vec<u8> {
    xz_with(lzma_rust2::XzOptions::with_preset(1), bytes)
}

fn xz_with(options: lzma_rust2::XzOptions, bytes: &[u8]) -> Vec<u8> {
    let mut xz = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
    xz.write_all(bytes).unwrap();
    xz.finish().unwrap()
}

fn zlib_of(bytes: &[u8]) -> Vec<u8> {
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    zlib.write_all(bytes).unwrap();
    zlib.finish().unwrap()
}

type Packer = (&'static str, fn(&[u8]) -> Vec<u8>);

/// What compresses one file.
const PACKERS: [Packer; 5] =
    [("gzip", gzip_of), ("zstd", zstd_of), ("bzip2", bzip2_of), ("xz", xz_of), ("zlib", zlib_of)];

#[test]
fn containers_are_told_by_their_bytes() {
    let name = |bytes: &[u8]| container_of(bytes).map(|container| container.name);
    let tar = tar_of(&[("a", b"x")]);
    assert_eq!(name(&tar), Some("tar"));
    assert_eq!(name(&tar[..511]), None);
    assert_eq!(name(&gzip_of(b"")), Some("gzip"));
    assert_eq!(name(&zstd_of(b"")), Some("zstd"));
    assert_eq!(name(&[0x5f, 0x2a, 0x4d, 0x18, 0, 0, 0, 0]), Some("zstd"));
    assert_eq!(name(b"PK\x03\x04"), Some("zip"));
    for (expected, pack) in PACKERS {
        for bytes in [&b""[..], b"text", &noise(1, 2000), &b"text ".repeat(9000)] {
            assert_eq!(name(&pack(bytes)), Some(expected), "{} bytes", bytes.len());
        }
        assert_eq!(name(&pack(&tar)), Some(expected));
    }
    // What begins like a zlib stream and is text, or is cut, is none.
    assert_eq!(name(b"x^2 + y^2"), None);
    assert_eq!(name(&[&b"x^"[..], &b"2 + 2 ".repeat(99)].concat()), None);
    assert_eq!(name(&zlib_of(b"text")[..9]), None);
    assert_eq!(name(&zlib_of(b"blob 4\0text")), Some("git-object"));
    assert_eq!(name(b"PACK\0\0\0\x02\0\0\0\0"), Some("git-pack"));
    assert_eq!(name(b"PACK my box"), None);
    assert_eq!(name(&[0; 512]), None);
    assert_eq!(name(&[b' '; 512]), None);
    assert_eq!(name(b""), None);
    let mut damaged = tar;
    damaged[0] ^= 1;
    assert_eq!(name(&damaged), None, "the checksum does not hold");
    let mut v7 = ::tar::Header::new_old();
    v7.set_path("old").unwrap();
    v7.set_size(3);
    v7.set_cksum();
    assert_eq!(name(v7.as_bytes()), Some("tar"));
}

#[test]
fn container_names_are_unique() {
    let names: std::collections::BTreeSet<_> =
        super::CONTAINERS.iter().map(|container| container.name).collect();
    assert_eq!(names.len(), super::CONTAINERS.len());
}

#[test]
fn nesting_is_bounded() {
    let mut bytes = tar_of(&[("inner", b"here")]);
    for _ in 0..7 {
        bytes = tar_of(&[("down", &bytes)]);
    }
    assert_eq!(walk(&bytes).0.len(), 1);
    let (seen, _, error) = walk(&tar_of(&[("down", &bytes)]));
    assert_eq!(seen, []);
    assert!(error.unwrap().contains("containers inside containers: limit of 8 reached, found 9"));
}

#[test]
fn members_are_bounded() {
    let limits = Limits { members: 2, ..Limits::default() };
    let tar = tar_of(&[("a", b""), ("b", b""), ("c", b"")]);
    walk_as(&tar, How::At, limits, |walk, done| {
        assert_eq!(walk.names(), ["a", "b"]);
        assert!(matches!(done.unwrap_err().cause, Cause::Limit { limit: 2, .. }));
    });
}

#[test]
fn a_visitor_may_stop_or_fail() {
    struct Picky(Vec<Vec<u8>>);
    impl Visitor for Picky {
        fn member(&mut self, member: Member<'_>) -> io::Result<Flow> {
            self.0.push(member.name);
            match self.0.len() {
                2 => Ok(Flow::Stop),
                3 => Err(io::Error::other("disk full")),
                _ => Ok(Flow::Continue),
            }
        }
        fn problem(&mut self, problem: Problem) {
            panic!("{problem:?}");
        }
    }
    let tar = tar_of(&[("a", b"1"), ("b", b"2"), ("c", b"3")]);
    let budget = RefCell::new(Budget::new(Limits::default()));
    let mut picky = Picky(Vec::new());
    let container = container_of(&tar).unwrap();
    let mut open = |bytes: &[u8]| {
        let visitor = &mut picky;
        container.open(
            Body::Stream(Stream::new(&mut &bytes[..])),
            &mut Opening { budget: &budget, visitor, depth: 1, helpers: None },
        )
    };
    assert!(open(&tar).is_ok());
    let error = open(&tar).unwrap_err();
    assert!(matches!(error.cause, Cause::Visitor(_)), "{error}");
    assert_eq!(picky.0, [b"a", b"b", b"a"]);
}

#[test]
fn an_input_that_fails_is_told_from_one_that_ends() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("bad sector"))
        }
    }
    let tar = tar_of(&[("a", &noise(1, 500_000))]);
    for bytes in [tar.clone(), gzip_of(&tar), zstd_of(&tar), bzip2_of(&tar), xz_of(&tar)] {
        let budget = RefCell::new(Budget::new(Limits::default()));
        let mut walk = Walk::new(&budget);
        let mut input = bytes[..300_000].chain(Broken);
        let error = walk
            .open(container_of(&bytes).unwrap(), Body::Stream(Stream::new(&mut input)))
            .unwrap_err();
        assert!(matches!(error.cause, Cause::Io(_)), "{error}");
        let diagnostic = error.diagnostic("a.tar");
        assert_eq!(diagnostic.code, Code::MemberUnreadable);
        assert!(diagnostic.message.ends_with("could not be read: bad sector"));
        assert_eq!(walk.names(), ["a"]);
    }
}
