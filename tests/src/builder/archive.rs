//! Members in a tar, in any order and with its oddities; compressed, or unpacked on disk.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use super::Checkpoint;
use super::kernel::gzip;
use super::sparse::{Holes, push_sparse};
use crate::random::Random;

/// Names up to here fit into a plain header.
const SHORT_NAME: usize = 100;
/// Bytes of a block of a tar.
pub const BLOCK: usize = 512;
/// When every member was written, in seconds since 1970.
const WRITTEN: u64 = 1_767_323_045;

/// Order of the members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// As added: a producer's own order.
    AsWritten,
    /// Last first: pages before their pagemaps, metadata at the other end.
    Reversed,
    /// Any, by a seed.
    Shuffled(u64),
}

#[derive(Debug, Clone)]
enum Body {
    File(Vec<u8>),
    Link(String),
}

/// Members of an archive.
#[derive(Debug, Clone)]
pub struct Archive {
    members: Vec<(String, Body)>,
    order: Order,
    dotted: bool,
    cut: Option<(String, usize)>,
    tail: Vec<u8>,
    holes: Option<Holes>,
}

impl Default for Archive {
    fn default() -> Self {
        let (order, tail) = (Order::AsWritten, Vec::new());
        Self { members: Vec::new(), order, dotted: false, cut: None, tail, holes: None }
    }
}

impl Archive {
    /// Adds a file. A name added twice is in the archive twice.
    #[must_use]
    pub fn member(mut self, name: &str, bytes: impl Into<Vec<u8>>) -> Self {
        self.members.push((name.to_owned(), Body::File(bytes.into())));
        self
    }

    /// Adds a symbolic link: `checkpoint/parent` to `../pre-checkpoint`.
    #[must_use]
    pub fn link(mut self, name: &str, target: &str) -> Self {
        self.members.push((name.to_owned(), Body::Link(target.to_owned())));
        self
    }

    /// Adds an image set under a folder (with its slash, or empty), sorted by name.
    #[must_use]
    pub fn images(mut self, at: &str, checkpoint: &Checkpoint) -> Self {
        for (name, bytes) in checkpoint.image_set() {
            self = self.member(&format!("{at}{name}"), bytes);
        }
        self
    }

    /// Adds `rootfs-diff.tar` with these files; containerd compresses it under the same name.
    #[must_use]
    pub fn rootfs_diff(self, files: &[(&str, &[u8])], compressed: bool) -> Self {
        let mut inner = Self::default();
        for (path, content) in files {
            inner = inner.member(path, *content);
        }
        self.member("rootfs-diff.tar", if compressed { inner.gzip() } else { inner.tar() })
    }

    /// Puts the members into another order.
    #[must_use]
    pub fn order(mut self, order: Order) -> Self {
        self.order = order;
        self
    }

    /// Writes `./` before every name.
    #[must_use]
    pub fn dotted(mut self) -> Self {
        self.dotted = true;
        self
    }

    /// Ends the archive inside of a member: its header tells the whole size, the body has the
    /// first `keep` bytes, and nothing follows.
    #[must_use]
    pub fn cut_in(mut self, name: &str, keep: usize) -> Self {
        self.cut = Some((name.to_owned(), keep));
        self
    }

    /// Writes bytes behind the end mark: the rest of an older, longer file.
    #[must_use]
    pub fn stale_tail(mut self, bytes: &[u8]) -> Self {
        self.tail = bytes.to_vec();
        self
    }

    /// Leaves out the holes of files: see [`Holes`].
    #[must_use]
    pub fn sparse(mut self, form: Holes) -> Self {
        self.holes = Some(form);
        self
    }

    /// The files in it, by name, as they were added.
    pub fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.members.iter().filter_map(|(name, body)| match body {
            Body::File(bytes) => Some((name.as_str(), bytes.as_slice())),
            Body::Link(_) => None,
        })
    }

    /// The tar. Names over 100 bytes have a PAX header.
    ///
    /// # Panics
    /// When the member to cut is not there.
    pub fn tar(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut cut = self.cut.as_ref();
        for (name, body) in self.ordered() {
            let name = if self.dotted { format!("./{name}") } else { name.clone() };
            let (kind, content, link) = match body {
                Body::File(bytes) => (tar::EntryType::Regular, bytes.as_slice(), None),
                Body::Link(target) => (tar::EntryType::Symlink, [].as_slice(), Some(target)),
            };
            if name.len() > SHORT_NAME {
                let pax = pax_record("path", &name);
                push(&mut out, &header("PaxHeaders/0", tar::EntryType::XHeader, pax.len()), &pax);
            }
            let short = name.get(..SHORT_NAME.min(name.len())).expect("a name in ASCII");
            let mut head = header(short, kind, content.len());
            if let Some(target) = link {
                head.set_link_name(target).expect("a short target");
                head.set_cksum();
            }
            if let Some((_, keep)) = cut.take_if(|(at, _)| name.trim_start_matches("./") == at) {
                out.extend(head.as_bytes());
                out.extend(content.iter().take(*keep));
                return out;
            }
            match self.holes {
                Some(form) if link.is_none() && name.len() <= SHORT_NAME => {
                    push_sparse(&mut out, &name, content, form);
                }
                _ => push(&mut out, &head, content),
            }
        }
        assert!(cut.is_none(), "no member to cut: {cut:?}");
        out.extend([0; 2 * BLOCK]);
        out.extend(&self.tail);
        out
    }

    /// The tar in gzip.
    pub fn gzip(&self) -> Vec<u8> {
        gzip(&self.tar())
    }

    /// The tar in zstd.
    pub fn zstd(&self) -> Vec<u8> {
        zstd::encode_all(self.tar().as_slice(), 1).expect("writing to memory")
    }

    /// The members on disk, in a folder of its own that is removed on drop.
    ///
    /// # Panics
    /// When the folder cannot be written.
    pub fn folder(&self) -> Folder {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("cryoscan-tests-{}-{number}", std::process::id());
        let folder = Folder { path: std::env::temp_dir().join(name) };
        std::fs::create_dir(&folder.path).expect("a new folder");
        for (name, body) in self.ordered() {
            let path = folder.path.join(name);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            match body {
                Body::File(bytes) => {
                    std::fs::write(&path, bytes).expect("a file");
                    let file = std::fs::File::options().write(true).open(path).expect("a file");
                    let written = UNIX_EPOCH + Duration::from_secs(WRITTEN);
                    file.set_modified(written).expect("a time");
                }
                Body::Link(target) => std::os::unix::fs::symlink(target, path).expect("a link"),
            }
        }
        folder
    }

    fn ordered(&self) -> Vec<&(String, Body)> {
        let mut members: Vec<&(String, Body)> = self.members.iter().collect();
        match self.order {
            Order::AsWritten => {}
            Order::Reversed => members.reverse(),
            Order::Shuffled(seed) => Random::new(seed).shuffle(&mut members),
        }
        members
    }
}

pub(crate) fn header(name: &str, kind: tar::EntryType, size: usize) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_size(size as u64);
    header.set_mode(0o600);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(WRITTEN);
    header.set_cksum();
    header
}

pub(super) fn push(out: &mut Vec<u8>, header: &tar::Header, content: &[u8]) {
    out.extend(header.as_bytes());
    out.extend(content);
    out.resize(out.len().next_multiple_of(BLOCK), 0);
}

/// `LENGTH key=value\n`, where the length counts itself.
pub(super) fn pax_record(key: &str, value: &str) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let length = rest + (rest + 3).to_string().len();
    format!("{length} {key}={value}\n").into_bytes()
}

/// A folder that is removed on drop.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What remains lies in the system's temporary folder.
        std::fs::remove_dir_all(&self.path).unwrap_or_default();
    }
}
