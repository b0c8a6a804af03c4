//! One folder of images: what its metadata say of its pages.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::address_space::{self, Layout};
use super::member::split;
use super::{Shared, path_id};
use crate::criu::{Pagemap, PagemapKey, Records};
use crate::region::{Holder, HolderKind, RegionKind, Space};

/// What is known of one folder of images.
#[derive(Debug, Default)]
pub(super) struct ImageSet {
    pub records: Records,
    /// Member path and stored length of the pages images, by number.
    pub pages: BTreeMap<u32, (String, u64)>,
    /// Member paths of the pagemaps.
    pub pagemaps: BTreeMap<PagemapKey, String>,
    /// Whose pages an image holds, by its number.
    pub owners: BTreeMap<u32, PagemapKey>,
    /// What kernel objects held.
    pub objects: BTreeMap<Holder, Arc<Space>>,
    /// Its shared segments, as far as they were asked for.
    pub segments: OnceCell<BTreeMap<u32, Shared>>,
    /// When the inventory was written, in seconds since 1970.
    pub written: Option<i64>,
    /// Whether it is a part of another target.
    pub foreign: bool,
    /// Whether its pages passed before its chain was known.
    pub apart: bool,
}

impl ImageSet {
    /// The pagemap that names a pages image; if several do, the first in the order of their keys.
    pub(super) fn owner(&self, pages_id: u32) -> Option<(PagemapKey, &Pagemap)> {
        let key = self.owners.get(&pages_id)?;
        Some((*key, self.records.pagemaps.get(key)?))
    }

    /// Whether the set in that folder is a pre-dump: memory only. Of podman's the folder's name says it.
    pub(super) fn is_pre_dump(&self, folder: &str) -> bool {
        let said = self.records.inventory.as_ref().is_some_and(|inventory| inventory.pre_dump);
        said || split(folder).1 == "pre-checkpoint"
    }

    /// The layout of its own pages; `page_size` is that of other sets.
    pub(super) fn layout(
        &self,
        folder: &str,
        key: PagemapKey,
        page_size: Option<u32>,
        image_len: u64,
    ) -> Option<Layout> {
        let map = self.records.pagemaps.get(&key)?;
        let set = path_id(folder);
        let (kind, id, mm) = match key {
            PagemapKey::Task(pid) => (HolderKind::Memory, pid, self.records.mms.get(&pid)),
            PagemapKey::Shmem(id) => (HolderKind::Shared, id, None),
        };
        let holder = Holder { set, kind, id: id.into(), ordinal: 0 };
        let own = mm
            .and_then(|mm| mm.page_size)
            .or_else(|| self.records.mms.values().find_map(|mm| mm.page_size));
        let member = self.pagemaps.get(&key).map_or("", String::as_str);
        let sizes = (own, page_size);
        let mut layout = address_space::lay_out(holder, map, mm, sizes, image_len, member);
        if kind == HolderKind::Shared {
            layout.space.kind = RegionKind::SharedMemory;
        }
        Some(layout)
    }

    /// Whether nothing but memory is in it.
    pub(super) fn is_memory_only(&self, folder: &str) -> bool {
        let records = &self.records;
        let has_tasks = !records.tree.is_empty() || !records.cores.is_empty();
        self.is_pre_dump(folder) || (!has_tasks && records.mms.is_empty())
    }
}

/// Whose pagemap an image of that name is.
pub(super) fn pagemap_key(name: &str) -> Option<PagemapKey> {
    let number = name.strip_prefix("pagemap-")?.strip_suffix(".img")?;
    match number.strip_prefix("shmem-") {
        Some(id) => id.parse().ok().map(PagemapKey::Shmem),
        None => number.parse().ok().map(PagemapKey::Task),
    }
}
