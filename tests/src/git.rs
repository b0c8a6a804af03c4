//! Writes packs of git (gitformat-pack(5)) and loose objects.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use sha1::{Digest as _, Sha1};

/// A pack in the making.
#[derive(Debug, Clone, Default)]
pub struct Pack {
    /// What comes behind the header.
    entries: Vec<u8>,
    count: u32,
}

/// Bytes of a pack's header.
const HEADER: u64 = 12;

impl Pack {
    /// Adds an object of a type (1 commit, 2 tree, 3 blob, 4 tag); gives its offset.
    pub fn whole(&mut self, kind: u8, bytes: &[u8]) -> u64 {
        self.entry(kind, &[], bytes, bytes.len())
    }

    /// Adds a blob.
    pub fn blob(&mut self, bytes: &[u8]) -> u64 {
        self.whole(3, bytes)
    }

    /// Adds an object as what changes the one at offset `base`.
    pub fn ofs_delta(&mut self, base: u64, delta: &[u8]) -> u64 {
        let back = HEADER + self.entries.len() as u64 - base;
        let mut bytes = vec![u8::try_from(back & 0x7f).unwrap_or_default()];
        let mut rest = back >> 7;
        while rest > 0 {
            rest -= 1;
            bytes.push(0x80 | u8::try_from(rest & 0x7f).unwrap_or_default());
            rest >>= 7;
        }
        bytes.reverse();
        self.entry(6, &bytes, delta, delta.len())
    }

    /// Adds an object as what changes the one of this id.
    pub fn ref_delta(&mut self, base: [u8; 20], delta: &[u8]) -> u64 {
        self.entry(7, &base, delta, delta.len())
    }

    /// Adds a blob whose header says another size.
    pub fn lying_blob(&mut self, bytes: &[u8], size: usize) -> u64 {
        self.entry(3, &[], bytes, size)
    }

    fn entry(&mut self, kind: u8, base: &[u8], bytes: &[u8], size: usize) -> u64 {
        let at = HEADER + self.entries.len() as u64;
        let mut rest = size >> 4;
        let mut byte = kind << 4 | u8::try_from(size & 0x0f).unwrap_or_default();
        while rest > 0 {
            self.entries.push(byte | 0x80);
            byte = u8::try_from(rest & 0x7f).unwrap_or_default();
            rest >>= 7;
        }
        self.entries.push(byte);
        self.entries.extend(base);
        self.entries.extend(zlib(bytes));
        self.count += 1;
        at
    }

    /// The file.
    pub fn bytes(&self) -> Vec<u8> {
        let count = self.count.to_be_bytes();
        let mut pack = [b"PACK", &[0, 0, 0, 2][..], &count[..], &self.entries].concat();
        let sum = Sha1::digest(&pack);
        pack.extend(sum);
        pack
    }
}

/// The id of a blob.
pub fn blob_id(bytes: &[u8]) -> [u8; 20] {
    Sha1::digest(object("blob", bytes)).into()
}

/// A loose object of a type.
pub fn loose(kind: &str, bytes: &[u8]) -> Vec<u8> {
    zlib(&object(kind, bytes))
}

fn object(kind: &str, bytes: &[u8]) -> Vec<u8> {
    [format!("{kind} {}\0", bytes.len()).as_bytes(), bytes].concat()
}

/// What turns `base` into `target`: both ends that they share, and what is new between.
pub fn delta(base: &[u8], target: &[u8]) -> Vec<u8> {
    let most = base.len().min(target.len());
    let head = base.iter().zip(target).take_while(|(a, b)| a == b).count();
    let tail = base.iter().rev().zip(target.iter().rev()).take_while(|(a, b)| a == b).count();
    let tail = tail.min(most - head);
    let mut delta = [number(base.len()), number(target.len())].concat();
    copy(&mut delta, 0, head);
    for part in target[head..target.len() - tail].chunks(0x7f) {
        delta.push(u8::try_from(part.len()).unwrap_or_default());
        delta.extend(part);
    }
    copy(&mut delta, base.len() - tail, tail);
    delta
}

fn copy(delta: &mut Vec<u8>, mut offset: usize, len: usize) {
    let mut left = len;
    while left > 0 {
        let size = left.min(0xff_ffff);
        let number = [&offset.to_le_bytes()[..4], &size.to_le_bytes()[..3]].concat();
        let flags = number.iter().enumerate().filter(|(_, byte)| **byte != 0);
        delta.push(flags.fold(0x80, |flags, (index, _)| flags | 1 << index));
        delta.extend(number.iter().filter(|byte| **byte != 0));
        offset += size;
        left -= size;
    }
}

fn number(number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = number;
    while rest > 0x7f {
        bytes.push(0x80 | u8::try_from(rest & 0x7f).unwrap_or_default());
        rest >>= 7;
    }
    bytes.push(u8::try_from(rest).unwrap_or_default());
    bytes
}

#[expect(clippy::expect_used, reason = "writing to memory does not fail")]
fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
    zlib.write_all(bytes).expect("memory");
    zlib.finish().expect("memory")
}
