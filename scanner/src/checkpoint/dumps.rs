//! What the builder knows of several dumps of one container: chains, and the memory over them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::image_set::ImageSet;
use super::member::{content, root_of, split};
use super::parents::{Chain, Set};
use super::{Builder, Dump, Layout, merge, path_id};
use crate::criu::{PagemapEntry, PagemapKey};
use crate::region::{Holder, Space};

/// The memory of one process or shared segment over a chain.
#[derive(Debug)]
pub struct Memory {
    /// Its layout when the newest dump was made, with ordinal 0, and what of that of each dump before
    /// was superseded, with the number of the dump as ordinal.
    pub spaces: Vec<Space>,
    /// Bytes that the dumps name as their parent's and that are not there, by dump.
    pub missing: Vec<u64>,
}

impl Builder {
    /// Takes a symbolic link; of those in folders of images `parent` leads to the dump before.
    pub fn parent_link(&mut self, path: &str, target: &[u8]) {
        if let (folder, "parent") = split(path)
            && content(path).is_none()
        {
            self.parents.take(folder, target);
        }
    }

    /// The chains of the target, by folder of the newest dump; most are of one dump.
    pub fn chains(&self) -> Vec<Chain> {
        let known = self
            .sets
            .iter()
            .filter(|(_, set)| set.records.inventory.is_some() || !set.records.pagemaps.is_empty());
        let sets = known.map(|(folder, set)| {
            (folder.as_str(), Set { memory_only: set.is_memory_only(folder), foreign: set.foreign })
        });
        self.parents.chains(&sets.collect())
    }

    /// Whether the pages in an image may be a part of a chain, so that their layout has to wait until
    /// all dumps are known.
    pub fn is_chained(&self, path: &str, id: u32) -> bool {
        let folder = split(path).0;
        let is_pre_dump = |set: &ImageSet| set.is_pre_dump(folder);
        self.sets.get(folder).is_some_and(is_pre_dump) || self.has_parent(path, id)
    }

    /// Whether the memory in a pages image goes on in a parent dump.
    pub fn has_parent(&self, path: &str, id: u32) -> bool {
        let owner = self.sets.get(split(path).0).and_then(|set| set.owner(id));
        owner.is_some_and(|(_, map)| map.entries.iter().any(PagemapEntry::is_parent))
    }

    /// Remembers that the pages of a set passed before its chain was known.
    pub fn passed_apart(&mut self, path: &str) {
        self.sets.entry(split(path).0.to_owned()).or_default().apart = true;
    }

    /// Whose pages are in the pages image at `path`, and the folder of its set.
    pub fn pages_owner<'a>(&self, path: &'a str, id: u32) -> Option<(&'a str, PagemapKey)> {
        let (folder, _) = split(path);
        Some((folder, self.owner_of(folder, id)?))
    }

    /// The layout of what one dump itself holds of a process or segment, in an image of that length.
    pub fn layout_of(&self, folder: &str, key: PagemapKey, image_len: u64) -> Option<Layout> {
        let size = |set: &ImageSet| set.records.mms.values().find_map(|mm| mm.page_size);
        let set = self.sets.get(folder)?;
        set.layout(folder, key, self.sets.values().find_map(size), image_len)
    }

    /// The path of the pages image of a process or segment, or of its pagemap where there is none.
    pub fn pages_path(&self, folder: &str, key: PagemapKey) -> &str {
        let Some(set) = self.sets.get(folder) else { return "" };
        let id = set.records.pagemaps.get(&key).map(|map| map.pages_id);
        let pages = id.and_then(|id| set.pages.get(&id)).map(|(path, _)| path);
        pages.or_else(|| set.pagemaps.get(&key)).map_or("", String::as_str)
    }

    fn pages_len(&self, folder: &str, key: PagemapKey) -> u64 {
        let set = self.sets.get(folder);
        let len = set.and_then(|set| {
            let id = set.records.pagemaps.get(&key)?.pages_id;
            set.pages.get(&id).map(|(_, len)| *len)
        });
        len.unwrap_or(0)
    }

    /// Processes and segments that any dump of a chain knows of.
    pub fn keys(&self, chain: &Chain) -> BTreeSet<PagemapKey> {
        let owned = chain.folders.iter().take(chain.owned);
        let sets = owned.filter_map(|folder| self.sets.get(folder));
        sets.flat_map(|set| set.records.pagemaps.keys().copied()).collect()
    }

    /// What a pagemap says, without the pages.
    pub fn without_pages(&self, folder: &str, key: PagemapKey) -> Dump {
        let layout = self.layout_of(folder, key, self.pages_len(folder, key));
        layout.map_or_else(Dump::default, |layout| Dump {
            inherited: layout.inherited,
            named: layout.named,
            ..Dump::default()
        })
    }

    /// The memory of a process or segment, of which `dumps` are what each dump of the chain holds.
    pub fn memory(&self, chain: &Chain, key: PagemapKey, dumps: &[Dump]) -> Memory {
        let folder = chain.folders.first().map_or("", String::as_str);
        let of_any = |folder: &String| self.layout_of(folder, key, 0);
        let blank =
            self.layout_of(folder, key, 0).or_else(|| chain.folders.iter().find_map(of_any));
        let (mut spaces, mut missing) = (Vec::new(), Vec::new());
        let Some(blank) = blank.map(|layout| layout.space) else {
            return Memory { spaces, missing };
        };
        let holder = Holder { set: path_id(folder), ..blank.holder };
        let foreign = u16::try_from(chain.owned).unwrap_or(u16::MAX);
        for (ordinal, moment) in (0..).zip(merge(dumps, chain.owned)) {
            missing.push(moment.missing);
            spaces.push(Space {
                holder: Holder { ordinal, ..holder },
                pieces: moment.pieces,
                blocks: moment.blocks,
                only: moment.only,
                foreign,
                ..blank.clone()
            });
        }
        Memory { spaces, missing }
    }

    /// The layout of all memory of a checkpoint, by holder, as far as lengths are known.
    pub(super) fn spaces(&self, chain: &Chain) -> BTreeMap<Holder, Arc<Space>> {
        let dump = |folder: &str, key: PagemapKey| -> Option<(Dump, Space)> {
            let layout = self.layout_of(folder, key, self.pages_len(folder, key))?;
            let Layout { space, inherited, named, .. } = layout;
            let (pieces, blocks) = (space.pieces.clone(), space.blocks.clone());
            Some((Dump { pieces, blocks, inherited, named }, space))
        };
        let mut spaces = BTreeMap::new();
        for key in self.keys(chain) {
            let of = |folder: &String| dump(folder, key);
            if let [folder] = chain.folders.as_slice() {
                spaces.extend(of(folder).map(|(_, space)| (space.holder, Arc::new(space))));
                continue;
            }
            let mut dumps = Vec::new();
            for (layer, folder) in (0..).zip(&chain.folders) {
                let Some((dump, mut space)) = of(folder) else {
                    dumps.push(Dump::default());
                    continue;
                };
                if self.sets.get(folder).is_some_and(|set| set.apart) {
                    // Its pages were scanned under its own name.
                    space.pieces.iter_mut().for_each(|piece| piece.layer = layer);
                    spaces.entry(space.holder).or_insert_with(|| Arc::new(space));
                }
                dumps.push(dump);
            }
            for space in self.memory(chain, key, &dumps).spaces {
                spaces.insert(space.holder, Arc::new(space));
            }
        }
        spaces
    }

    /// Member paths of the pages images of a chain, by layer.
    pub(super) fn pages_of(&self, chain: &Chain) -> BTreeMap<(u16, u32), String> {
        let mut pages = BTreeMap::new();
        for (layer, folder) in (0u16..).zip(&chain.folders) {
            let of_set = self.sets.get(folder).into_iter().flat_map(|set| &set.pages);
            pages.extend(of_set.map(|(id, (path, _))| ((layer, *id), path.clone())));
        }
        pages
    }

    /// Layouts whose pages image is not in the target, with the path of their pagemap.
    pub fn missing_pages(&self) -> Vec<(String, Layout)> {
        let mut missing = Vec::new();
        for (folder, set) in self.sets.iter().filter(|(_, set)| !set.foreign) {
            for (key, map) in &set.records.pagemaps {
                let owned = set.owner(map.pages_id).is_some_and(|(owner, _)| owner == *key);
                if owned && set.pages.contains_key(&map.pages_id) {
                    continue;
                }
                let Some(layout) = self.layout_of(folder, *key, 0) else { continue };
                if !layout.shortfalls.is_empty() {
                    missing.push((set.pagemaps.get(key).cloned().unwrap_or_default(), layout));
                }
            }
        }
        missing
    }

    /// Dumps whose parent is not in the target although they refer to its pages: their folders, and
    /// what their links hold.
    pub fn orphans(&self) -> Vec<(String, Vec<u8>)> {
        let mut orphans = Vec::new();
        for chain in self.chains() {
            let Some(last) = chain.folders.last() else { continue };
            let Some(set) = self.sets.get(last).filter(|set| !set.foreign) else { continue };
            let mut entries = set.records.pagemaps.values().flat_map(|map| &map.entries);
            if let Some(link) = self.parents.link(last)
                && matches!(chain.end, super::parents::Lost::NotThere(_))
                && entries.any(PagemapEntry::is_parent)
            {
                orphans.push((last.clone(), link.to_vec()));
            }
        }
        orphans
    }

    /// Lets the link `parent` of a folder lead to another folder.
    pub fn found_parent(&mut self, folder: &str, to: &str) {
        self.parents.found(folder, to);
    }

    /// The container that the metadata beside an image set name.
    pub fn container_of(&self, folder: &str) -> Option<&str> {
        let config = self.metadata.get(root_of(folder))?.config.as_ref()?;
        config.id.as_deref().filter(|id| !id.is_empty())
    }

    /// Pre-dumps of a container, by folder.
    pub fn pre_dumps_of(&self, container: &str) -> Vec<&str> {
        let of = |(folder, set): &(&String, &ImageSet)| {
            set.is_memory_only(folder) && self.container_of(folder) == Some(container)
        };
        self.sets.iter().filter(of).map(|(folder, _)| folder.as_str()).collect()
    }

    /// Whether there is an image set at the top of the target.
    pub fn is_image_set(&self) -> bool {
        self.sets.get("").is_some_and(|set| !set.records.pagemaps.is_empty())
    }

    /// Takes over what another target's builder knows of the memory in a folder and in those its
    /// links lead to; `target` comes before its
    /// paths. Gives each folder as it is named here, and there.
    pub fn adopt(&mut self, other: &Self, folder: &str, target: &str) -> Vec<(String, String)> {
        // No member of this target has such a name.
        let here = |folder: &str| format!("\0{target}{folder}");
        let chains = other.chains();
        let holds = |chain: &&Chain| chain.folders.iter().any(|it| it == folder);
        let chain = chains.iter().find(holds).map_or(&[][..], |chain| &chain.folders);
        let dumps = chain.iter().skip_while(|it| *it != folder);
        let mut newer: Option<String> = None;
        let mut adopted = Vec::new();
        for folder in dumps {
            let Some(set) = other.sets.get(folder) else { break };
            let mut records = crate::criu::Records::default();
            records.pagemaps.clone_from(&set.records.pagemaps);
            records.inventory.clone_from(&set.records.inventory);
            let shown = |path: &String| format!("{target}{path}");
            let pages = set.pages.iter().map(|(id, (path, len))| (*id, (shown(path), *len)));
            let pagemaps = set.pagemaps.iter().map(|(key, path)| (*key, shown(path)));
            let set = ImageSet {
                records,
                pages: pages.collect(),
                pagemaps: pagemaps.collect(),
                owners: set.owners.clone(),
                foreign: true,
                ..ImageSet::default()
            };
            let name = here(folder);
            self.sets.insert(name.clone(), set);
            if let Some(newer) = newer.replace(name.clone()) {
                self.parents.found(&newer, &name);
            }
            adopted.push((name, folder.clone()));
        }
        adopted
    }

    /// Number and member path of the pages images of a set.
    pub fn images_of(&self, folder: &str) -> Vec<(u32, String)> {
        let set = self.sets.get(folder).into_iter();
        set.flat_map(|set| &set.pages).map(|(id, (path, _))| (*id, path.clone())).collect()
    }

    /// Corrects the length of a pages image that is now known.
    pub fn pages_of_len(&mut self, folder: &str, id: u32, len: u64) {
        if let Some((_, known)) = self.sets.get_mut(folder).and_then(|set| set.pages.get_mut(&id)) {
            *known = len;
        }
    }

    /// Whose pages are in a pages image of a set.
    pub fn owner_of(&self, folder: &str, id: u32) -> Option<PagemapKey> {
        self.sets.get(folder)?.owner(id).map(|(key, _)| key)
    }
}

/// The folders that are parts of chains of several dumps.
pub fn parts(chains: &[Chain]) -> BTreeSet<&str> {
    let several = chains.iter().filter(|chain| chain.folders.len() > 1);
    several.flat_map(|chain| &chain.folders).map(String::as_str).collect()
}
