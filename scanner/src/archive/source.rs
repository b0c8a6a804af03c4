//! Where bytes come from: ranges of regular files and of memory.
//!
//! Files are read, not mapped: one that another process truncates gives an error, not a signal.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{Mode, OFlags};

use super::sparse::{Sparse, Spot, first, zeros};

/// Bytes that can be read at any offset, by any thread.
#[derive(Debug)]
pub struct Source(Origin);

#[derive(Debug)]
enum Origin {
    File { file: File, len: u64 },
    Reopened { path: PathBuf, stamp: Stamp, open: Mutex<Option<Arc<File>>> },
    Bytes(Vec<u8>),
}

/// Which file it was when a folder was listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) device: u64,
    pub(super) inode: u64,
    pub(super) len: u64,
}

impl Source {
    /// A regular file, held open.
    ///
    /// # Errors
    /// When it cannot be opened or is no regular file.
    pub fn file(path: &Path) -> io::Result<Arc<Self>> {
        // A FIFO must not block the open.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        Ok(Arc::new(Self(Origin::File { file, len: metadata.len() })))
    }

    /// Bytes in memory.
    pub fn bytes(bytes: Vec<u8>) -> Arc<Self> {
        Arc::new(Self(Origin::Bytes(bytes)))
    }

    /// A file of a folder: opened now, to know that it can be, and again by path for each read
    /// after [`Self::close`], so that a folder of a million files needs one descriptor.
    pub(super) fn reopened(path: PathBuf, stamp: Stamp) -> io::Result<Arc<Self>> {
        let open = Mutex::new(Some(Arc::new(open_same(&path, stamp)?)));
        Ok(Arc::new(Self(Origin::Reopened { path, stamp, open })))
    }

    /// Gives the descriptor back; see [`Self::reopened`].
    pub(super) fn close(&self) {
        if let Origin::Reopened { open, .. } = &self.0 {
            *open.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }

    /// Bytes, as the file had when it was first seen.
    pub fn len(&self) -> u64 {
        match &self.0 {
            Origin::File { len, .. } => *len,
            Origin::Reopened { stamp, .. } => stamp.len,
            Origin::Bytes(bytes) => u64::try_from(bytes.len()).unwrap_or(u64::MAX),
        }
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads from `offset` on; fewer bytes than asked for are no sign of the end, none is.
    ///
    /// # Errors
    /// From the operating system; also when a file of a folder is not the one that was listed.
    pub fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        match &self.0 {
            Origin::File { file, .. } => file.read_at(buf, offset),
            Origin::Reopened { path, stamp, open } => {
                let held = open.lock().unwrap_or_else(PoisonError::into_inner).clone();
                match held {
                    Some(file) => file.read_at(buf, offset),
                    None => open_same(path, *stamp)?.read_at(buf, offset),
                }
            }
            Origin::Bytes(bytes) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX);
                let mut rest = bytes.get(start..).unwrap_or_default();
                rest.read(buf)
            }
        }
    }
}

/// Opens the file that was listed, and no other that took its place.
fn open_same(path: &Path, stamp: Stamp) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    let metadata = file.metadata()?;
    let found = Stamp { device: metadata.dev(), inode: metadata.ino(), len: metadata.len() };
    if !metadata.is_file() || found != stamp {
        let text = format!(
            "file changed since it was listed: expected inode {} of {} bytes, found inode {} of {} bytes",
            stamp.inode, stamp.len, found.inode, found.len
        );
        return Err(io::Error::other(text));
    }
    Ok(file)
}

/// One contiguous range of a source, or a sparse file whose stored parts are one.
#[derive(Debug, Clone)]
pub struct Extent {
    source: Arc<Source>,
    offset: u64,
    len: u64,
    /// The holes, and how far from the start of the file this begins.
    sparse: Option<(Arc<Sparse>, u64)>,
}

impl Extent {
    /// All of a source.
    pub fn all(source: Arc<Source>) -> Self {
        let len = source.len();
        Self { source, offset: 0, len, sparse: None }
    }

    /// The sparse file whose stored parts these are, as far as they go.
    #[must_use]
    pub fn with_holes(self, sparse: &Sparse) -> Self {
        let sparse = sparse.cut(self.len);
        Self { len: sparse.size(), sparse: Some((Arc::new(sparse), 0)), ..self }
    }

    /// What of it is stored, where it is a whole sparse file; `None` for all of it.
    pub fn map(&self) -> Option<&Arc<Sparse>> {
        let (sparse, start) = self.sparse.as_ref()?;
        (*start == 0 && self.len == sparse.size()).then_some(sparse)
    }

    /// Whether bytes of it may be stored nowhere.
    pub(super) fn has_holes(&self) -> bool {
        self.sparse.is_some()
    }

    /// Whether both are the same bytes of the same source.
    pub(super) fn is(&self, other: &Self) -> bool {
        let has_holes = self.has_holes() || other.has_holes();
        Arc::ptr_eq(&self.source, &other.source)
            && (self.offset, self.len) == (other.offset, other.len)
            && !has_holes
    }

    /// Whether it begins before an offset of another one, in the same source.
    pub(super) fn is_before(&self, other: &Self, at: u64) -> bool {
        Arc::ptr_eq(&self.source, &other.source) && self.offset < other.offset.saturating_add(at)
    }

    /// Bytes in it.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Bytes of it that are stored.
    pub fn stored(&self) -> u64 {
        self.map().map_or(self.len, |sparse| sparse.stored())
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// A part of it, cut to what there is.
    #[must_use]
    pub fn sub(&self, range: Range<u64>) -> Self {
        let start = range.start.min(self.len);
        let end = range.end.clamp(start, self.len);
        let (offset, sparse) = match &self.sparse {
            None => (self.offset.saturating_add(start), None),
            Some((sparse, from)) => {
                (self.offset, Some((Arc::clone(sparse), from.saturating_add(start))))
            }
        };
        let len = end.saturating_sub(start);
        Self { source: Arc::clone(&self.source), offset, len, sparse }
    }

    /// Reads from `offset` bytes after its start on; nothing is read only at its end.
    ///
    /// # Errors
    /// As [`Source::read_at`], and when the source ends before the extent: a file that shrank.
    pub fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let left = self.len.saturating_sub(offset);
        let mut buf = first(buf, left);
        if buf.is_empty() {
            return Ok(0);
        }
        let mut at = self.offset.saturating_add(offset);
        if let Some((sparse, start)) = &self.sparse {
            match sparse.spot(start.saturating_add(offset)) {
                Spot::Zeros(len) => return Ok(zeros(buf, len)),
                Spot::Data { before, len } => {
                    at = self.offset.saturating_add(before);
                    buf = first(buf, len);
                }
            }
        }
        match self.source.read_at(at, buf)? {
            0 => {
                let text = format!("file shrank: expected {left} more bytes, found its end");
                Err(io::Error::new(io::ErrorKind::UnexpectedEof, text))
            }
            n => Ok(n),
        }
    }

    /// Reads it from its start to its end.
    pub fn reader(&self) -> impl Read + use<> {
        Reader { extent: self.clone(), at: 0 }
    }
}

struct Reader {
    extent: Extent,
    at: u64,
}

impl Read for Reader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.extent.read_at(self.at, buf)?;
        self.at = self.at.saturating_add(u64::try_from(n).unwrap_or(u64::MAX));
        Ok(n)
    }
}
