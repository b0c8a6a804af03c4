//! The builder: takes members as they come, in any order, and says what becomes of each.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::address_space::Layout;
use super::container::{self, Metadata};
use super::deletions::Deletions;
use super::dump_log::DumpLog;
use super::image_set::{ImageSet, pagemap_key};
use super::member::{METADATA, content, root_of, split};
use super::oci::{self, Layouts};
use super::parents::Parents;
use super::{kernel, path_id};
use crate::coverage::Reason;
use crate::criu::{self, Contents, PagemapKey, Role};
use crate::diagnostic::{Code, Diagnostic, Level};
use crate::limits::Limits;
use crate::region::{RegionKind, Space};

/// What becomes of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// An image: read it whole and give it to [`Builder::image`].
    Decode,
    /// The pages image of this number in its image set.
    Pages(u32),
    /// An image of kernel objects: ask [`Builder::contents`] what of it is content.
    Objects,
    /// Metadata: read it whole, give it to [`Builder::metadata`], and match it too.
    Keep,
    /// Match its bytes, or open it if it is an archive.
    Scan(RegionKind),
    /// Neither.
    Skip(Reason),
}

/// Assembles checkpoints from the members of one target.
#[derive(Debug)]
pub struct Builder {
    pub(super) location: String,
    limits: Limits,
    pub(super) sets: BTreeMap<String, ImageSet>,
    pub(super) metadata: BTreeMap<String, Metadata>,
    pub(super) layouts: Layouts,
    pub(super) parents: Parents,
    pub(super) deletions: Deletions,
}

impl Builder {
    /// A builder for the target at `location` (a path, for producers that only a path tells).
    pub fn new(location: &str, limits: Limits) -> Self {
        let location = location.trim_end_matches('/').to_owned();
        let (sets, metadata, layouts, parents, deletions) = Default::default();
        Self { location, limits, sets, metadata, layouts, parents, deletions }
    }

    /// Says what becomes of the member at `path`, of that stored size, whose first bytes are `head`.
    pub fn offer(&mut self, path: &str, size: Option<u64>, head: &[u8]) -> Want {
        self.layouts.see(path, size);
        if path.contains('!') {
            self.deletions.see(path);
        }
        if let Some(kind) = content(path) {
            return Want::Scan(kind);
        }
        let (folder, name) = split(path);
        if name == "dump.log" {
            let log = DumpLog::of(head);
            if log != DumpLog::default() {
                self.metadata.entry(folder.to_owned()).or_default().log = log;
            }
        }
        match criu::role_of(name.as_bytes()) {
            Role::Decoded => return Want::Decode,
            Role::Pages => {
                if let Some(id) = criu::pages_id(name.as_bytes()) {
                    return Want::Pages(id);
                }
            }
            Role::Payload => return Want::Objects,
            Role::Raw => return Want::Scan(RegionKind::RawImage),
            Role::Archive => return Want::Scan(RegionKind::TmpfsFile),
            Role::Ignored => return Want::Skip(Reason::NotContent),
            Role::Text if name.as_bytes().ends_with(b".img") => {
                return Want::Scan(RegionKind::Metadata);
            }
            Role::Text | Role::Unknown => {}
        }
        let is_config = name == "config.json" && is_engine_config(size, head);
        if METADATA.contains(&name) || is_config || oci::is_document(path, size, head) {
            Want::Keep
        } else if name.as_bytes().ends_with(b".log") || name == "io.kubernetes.cri-o.LogPath" {
            Want::Scan(RegionKind::Log)
        } else if self.is_unknown_image(path) {
            Want::Scan(RegionKind::RawImage)
        } else {
            Want::Scan(RegionKind::File)
        }
    }

    /// Remembers a symbolic link of the target.
    pub fn link(&mut self, path: &str, to: &str) {
        self.layouts.link(path, to);
    }

    /// The SHA-256 that the member at `path` has by its name: that of a blob in an OCI layout.
    pub fn digest(path: &str) -> Option<&str> {
        Layouts::digest(path)
    }

    /// The folder of the container that the member at `path` belongs to, if it is an image or metadata.
    pub fn root(path: &str) -> &str {
        root_of(split(path).0)
    }

    /// Whether a member has the name of an image of no known kind.
    pub fn is_unknown_image(&self, path: &str) -> bool {
        let name = split(path).1;
        content(path).is_none()
            && name.as_bytes().ends_with(b".img")
            && criu::role_of(name.as_bytes()) == Role::Unknown
    }

    /// Number of the image set that the member at `path` belongs to.
    pub fn set_id(path: &str) -> u64 {
        path_id(split(path).0)
    }

    /// Decodes an image. What was decoded before a fault is kept.
    ///
    /// # Errors
    /// When the image is damaged: what was expected where, and what was found.
    pub fn image(&mut self, path: &str, data: &[u8], mtime: Option<i64>) -> Result<(), Diagnostic> {
        let (folder, name) = split(path);
        let set = self.sets.entry(folder.to_owned()).or_default();
        let result = criu::decode(path, name.as_bytes(), data, &self.limits, &mut set.records);
        set.segments.take();
        if let Some(key) = pagemap_key(name)
            && let Some(map) = set.records.pagemaps.get(&key)
        {
            set.pagemaps.entry(key).or_insert_with(|| path.to_owned());
            // If several pagemaps name one pages image, it is the first one's.
            let owner = set.owners.entry(map.pages_id).or_insert(key);
            *owner = key.min(*owner);
        }
        if name == "inventory.img" {
            set.written = mtime;
        }
        result.map_err(Diagnostic::from)
    }

    /// Says what of an image of kernel objects is content. `data` are its first bytes, `len` is its
    /// length; `None`: all of it is needed.
    pub fn contents(&mut self, path: &str, data: &[u8], len: u64) -> Option<Contents> {
        let (folder, name) = split(path);
        let records = &mut self.sets.entry(folder.to_owned()).or_default().records;
        criu::contents(path, name.as_bytes(), data, len, &self.limits, records)
    }

    /// Lays out the contents of an image of kernel objects, one space an object. `ordinal` counts the
    /// images of this path. What a unix socket held can be laid out when files.img is known.
    pub fn objects(&mut self, path: &str, ordinal: u32, contents: &Contents) -> Vec<Arc<Space>> {
        let folder = split(path).0;
        let set = self.sets.entry(folder.to_owned()).or_default();
        let spaces = kernel::lay_out(contents, path_id(folder), ordinal, &set.records);
        let spaces: Vec<_> = spaces.into_iter().map(Arc::new).collect();
        set.objects.extend(spaces.iter().map(|space| (space.holder, Arc::clone(space))));
        spaces
    }

    /// Takes a metadata file.
    ///
    /// # Errors
    /// When it should be JSON of a known shape and is not.
    pub fn metadata(&mut self, path: &str, data: &[u8]) -> Result<(), Diagnostic> {
        let (folder, name) = split(path);
        let is_layout = matches!(name, "index.json" | "manifest.json");
        let is_known = METADATA.contains(&name) || name == "config.json";
        let result = if is_layout || !is_known {
            let root = path.strip_suffix(name).unwrap_or_default();
            if self.layouts.take(path, root, data) || !is_layout {
                return Ok(());
            }
            serde_json::from_slice::<serde::de::IgnoredAny>(data).map(drop)
        } else {
            self.metadata.entry(folder.to_owned()).or_default().take(name, data)
        };
        result.map_err(|error| {
            // Its text would quote the value.
            let place = format!("line {}, column {}", error.line(), error.column());
            let message = format!("not the JSON that engines write ({place}); scanned as text");
            Diagnostic::new(Level::Warning, Code::MetadataMalformed, path, message)
        })
    }

    /// Remembers that the target holds a pages image of `len` bytes.
    pub fn pages(&mut self, path: &str, id: u32, len: u64) {
        let set = self.sets.entry(split(path).0.to_owned()).or_default();
        set.pages.entry(id).or_insert((path.to_owned(), len));
    }

    /// Whether the target has shown a pages image of this number in the same folder.
    pub fn has_pages(&self, path: &str, id: u32) -> bool {
        self.sets.get(split(path).0).is_some_and(|set| set.pages.contains_key(&id))
    }

    /// Whether the image set of the member at `path` is encrypted.
    pub fn is_encrypted(&self, path: &str) -> bool {
        self.sets.get(split(path).0).is_some_and(|set| set.records.encrypted)
    }

    /// Whether all is known that the memory in a pages image needs to be laid out.
    pub fn is_ready(&self, path: &str, id: u32) -> bool {
        let Some(set) = self.sets.get(split(path).0) else { return false };
        let pre_dump = set.is_pre_dump(split(path).0);
        match set.owner(id) {
            Some((PagemapKey::Task(pid), _)) => pre_dump || set.records.mms.contains_key(&pid),
            // The page size is that of the processes.
            Some((PagemapKey::Shmem(_), _)) => pre_dump || !set.records.mms.is_empty(),
            None => false,
        }
    }

    /// The layout of the memory in the pages image at `path`; `None` when no pagemap names it.
    pub fn layout(&self, path: &str, id: u32, image_len: u64) -> Option<Layout> {
        let (folder, _) = split(path);
        let (key, _) = self.sets.get(folder)?.owner(id)?;
        self.layout_of(folder, key, image_len)
    }
}

/// Bytes of a `config.json` that is taken for an engine's.
const CONFIG_BYTES: u64 = 4 << 20;

/// Whether a `config.json` that begins so is a bundle's, or docker 17's note on a checkpoint.
fn is_engine_config(size: Option<u64>, head: &[u8]) -> bool {
    let is_note = || head.starts_with(b"{\"created\":");
    size.is_some_and(|size| size <= CONFIG_BYTES) && (container::is_spec(head) || is_note())
}
