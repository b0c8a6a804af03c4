//! The walk over containers, at every depth.
#![expect(clippy::disallowed_methods, reason = "small files of our own, or bounded by take")]

use std::cell::RefCell;
use std::io::{self, Read, Write};

use cryoscan::archive::{
    Body, Container, Extent, Flow, Member, Opening, Source, Stream, Visitor, container_of, name,
};
use cryoscan::limits::Budget;
use cryoscan_tests::builder::{Archive, Holes};
use cryoscan_tests::git::{Pack, delta, loose};
use cryoscan_tests::samples;
use cryoscan_tests::sqlite::Database;
use lzma_rust2::{XzOptions, XzWriter};

use crate::Target;
use crate::scanning::limits;

pub(crate) const TARGET: Target = Target {
    name: "members",
    about: "containers inside containers: a range and a stream of the same bytes give the same",
    run,
    seeds,
    rounds: 1500,
};

/// Bytes read of one member.
const READ: u64 = 1 << 20;

fn run(data: &[u8]) {
    let Some(container) = container_of(data) else { return };
    let source = Source::bytes(data.to_vec());
    let stored = Walk::over(container, Body::At(Extent::all(source)));
    let mut stream = data;
    let streamed = Walk::over(container, Body::Stream(Stream::new(&mut stream)));
    assert_eq!(stored, streamed);
}

struct Walk<'b> {
    budget: &'b RefCell<Budget>,
    chain: String,
    depth: u32,
    seen: Vec<String>,
}

impl Walk<'_> {
    fn over(container: &Container, body: Body<'_>) -> Vec<String> {
        let budget = RefCell::new(Budget::new(limits()));
        let mut walk = Walk { budget: &budget, chain: String::new(), depth: 1, seen: Vec::new() };
        walk.open(container, body);
        walk.seen
    }

    fn open(&mut self, container: &Container, body: Body<'_>) {
        let (budget, depth) = (self.budget, self.depth);
        let done =
            container.open(body, &mut Opening { budget, visitor: self, depth, helpers: None });
        self.seen.push(match done {
            Ok(consumed) => format!("{}: {} bytes", self.chain, consumed.bytes),
            Err(error) => format!("{}: {error}", self.chain),
        });
    }
}

impl Visitor for Walk<'_> {
    fn member(&mut self, member: Member<'_>) -> io::Result<Flow> {
        let Member { name, kind, size, mtime, body } = member;
        let chain = name::chain(&self.chain, &name);
        let (head, mut peek) = body.peek()?;
        if let Some(container) = container_of(head.bytes()) {
            let outer = std::mem::replace(&mut self.chain, chain);
            self.depth += 1;
            self.open(container, peek.body());
            self.depth -= 1;
            self.chain = outer;
            return Ok(Flow::Continue);
        }
        let mut bytes = Vec::new();
        peek.body().reader().take(READ).read_to_end(&mut bytes)?;
        let sum = bytes.iter().fold(0_u64, |sum, byte| {
            sum.rotate_left(5).wrapping_add(u64::from(*byte)).wrapping_mul(31)
        });
        let (len, name) = (bytes.len(), chain);
        self.seen.push(format!("{name}: {kind:?} {size:?} {mtime:?} {len} bytes, sum {sum:x}"));
        Ok(Flow::Continue)
    }

    fn problem(&mut self, problem: cryoscan::archive::Problem) {
        self.seen.push(format!("{}: {problem:?}", self.chain));
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let mut small = Archive::default().member("etc/a.conf", "name = 1\n").link("b", "../c");
    small = small.member(&"long/".repeat(30), "long").member("empty", "");
    let tar = small.tar();
    let line = b"one line\n";
    let best = flate2::Compression::best();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), best);
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), best);
    let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::best());
    let mut xz = XzWriter::new(Vec::new(), XzOptions::with_preset(1)).expect("writing to memory");
    let writers: [&mut dyn Write; 4] = [&mut gzip, &mut zlib, &mut bzip2, &mut xz];
    for writer in writers {
        writer.write_all(line).expect("writing to memory");
    }
    let packed = [gzip.finish(), zlib.finish(), bzip2.finish(), xz.finish()];
    let packed = packed.map(|made| made.expect("writing to memory"));
    let mut git = Pack::default();
    let base = git.blob(line);
    git.ofs_delta(base, &delta(line, b"one line, changed\n"));
    let rows = [(1, b"a row".to_vec()), (2, vec![b'r'; 900])];
    let database = Database::new(512).table("t", &rows).dropped(&rows).bytes();
    let holes = Archive::default().member("holes", [vec![b'x'; 512], vec![0; 8192]].concat());
    let nested = small.clone().member("in.tar.gz", small.gzip()).member("in.tar", tar.clone());
    let nested = nested.member("in.zip", zip());
    let mut seeds = vec![tar, small.gzip(), small.zstd(), zip(), nested.tar(), nested.gzip()];
    seeds.extend(packed);
    seeds.extend([git.bytes(), loose("blob", line), database]);
    for form in Holes::ALL {
        seeds.push(holes.clone().sparse(form).tar());
    }
    seeds.push(samples::small().archive.zstd());
    seeds
}

/// A zip of a stored file and a deflated one, as any tool writes it.
pub(crate) fn zip() -> Vec<u8> {
    let content = b"key = value\n".repeat(9);
    let mut deflate = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
    deflate.write_all(&content).expect("writing to memory");
    let packed = deflate.finish().expect("writing to memory");
    let (mut out, mut central) = (Vec::new(), Vec::new());
    for (name, method, stored) in [("a.txt", 0_u16, &content), ("b.txt", 8, &packed)] {
        let mut crc = flate2::Crc::new();
        crc.update(&content);
        let offset = u32::try_from(out.len()).unwrap_or(0);
        let mut fields = Vec::new();
        fields.extend([20_u16, 0, method, 0, 0x21].into_iter().flat_map(u16::to_le_bytes));
        let sizes = [stored.len(), content.len()].map(|len| u32::try_from(len).unwrap_or(0));
        fields.extend([crc.sum(), sizes[0], sizes[1]].into_iter().flat_map(u32::to_le_bytes));
        fields.extend([5_u16, 0].into_iter().flat_map(u16::to_le_bytes));
        out.extend(b"PK\x03\x04");
        out.extend(&fields);
        out.extend(name.as_bytes());
        out.extend(stored);
        central.extend(b"PK\x01\x02\x14\0");
        central.extend(&fields);
        central.extend([0; 10]);
        central.extend(offset.to_le_bytes());
        central.extend(name.as_bytes());
    }
    let (at, len) = (out.len(), central.len());
    out.extend(central);
    out.extend(b"PK\x05\x06\0\0\0\0\x02\0\x02\0");
    out.extend([len, at].map(|it| u32::try_from(it).unwrap_or(0)).map(u32::to_le_bytes).concat());
    out.extend([0, 0]);
    out
}
