//! Dumps that build on each other: the memory is searched as it was when the newest was made, and of
//! the dumps before what they alone have.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use super::job::{self, Input, Job, Layer, Layers};
use super::pieces;
use super::walk::Walk;
use crate::archive::{Extent, Source, Stream};
use crate::checkpoint::{Chain, Dump, Shortfall, parts, path_id};
use crate::coverage::Reason;
use crate::criu::PagemapKey;
use crate::diagnostic::{Code, Diagnostic, Level};
use crate::region::Space;

/// What one dump holds of a process or segment, and where it can be read at any time.
#[derive(Debug)]
pub(super) struct HeldDump {
    pub space: Arc<Space>,
    pub extent: Extent,
    pub path: String,
    pub decoded: bool,
}

/// The dumps of a target that are parts of chains, by folder.
pub(super) type Dumps = BTreeMap<(String, PagemapKey), HeldDump>;

impl Walk<'_> {
    /// Pages of a dump that refers to another one, or may be referred to, as a stream: held up to a
    /// limit, else searched by themselves.
    pub(super) fn chained_pages(
        &mut self,
        path: &str,
        id: u32,
        size: Option<u64>,
        stream: Stream<'_>,
    ) -> io::Result<()> {
        let room = self.settings.limits.chain_pages_bytes.saturating_sub(self.held_bytes);
        let len = size.unwrap_or(u64::MAX);
        if len <= room {
            return self.hold_stream(path, id, len, stream);
        }
        self.builder.pages(path, id, stream.map().map_or(len, |map| map.size()));
        self.builder.passed_apart(path);
        let text = "pages of an incremental dump in a compressed archive are too many to hold back; \
                    they were scanned by themselves, and what lies half in them and half in another \
                    dump was not found: decompress the archive first";
        let found = size.map_or_else(|| "more".to_owned(), |len| format!("{len} bytes"));
        let note = Diagnostic::new(Level::Error, Code::LateMetadata, path, text);
        let note = note.expected(format!("at most {room} bytes"), found);
        if self.builder.has_parent(path, id) {
            self.note(note);
        } else {
            // Nothing is lost unless another dump builds on it, which is known at the end.
            self.apart.push((id, note));
        }
        self.stream_pages(path, id, size, stream)
    }

    /// Searches the memory of all chains, of which `dumps` are held.
    pub(super) fn chains(&mut self, chains: &[Chain], dumps: &Dumps) {
        let parts = parts(chains);
        for (id, note) in std::mem::take(&mut self.apart) {
            let owner = self.builder.pages_owner(&note.member, id);
            if owner.is_some_and(|(folder, _)| parts.contains(folder)) {
                self.note(note);
            }
        }
        for chain in chains {
            for key in self.builder.keys(chain) {
                self.chain(chain, key, dumps);
            }
        }
    }

    fn chain(&mut self, chain: &Chain, key: PagemapKey, held: &Dumps) {
        let (mut dumps, mut layers, mut decoded) = (Vec::new(), Vec::new(), false);
        for folder in &chain.folders {
            let mut dump: Dump = self.builder.without_pages(folder, key);
            let found = held.get(&(folder.clone(), key));
            if let Some(found) = found {
                dump.pieces.clone_from(&found.space.pieces);
                dump.blocks.clone_from(&found.space.blocks);
                decoded |= found.decoded;
            }
            dumps.push(dump);
            let nothing = || Extent::all(Source::bytes(Vec::new()));
            layers.push(Layer {
                member: found.map_or("", |found| found.path.as_str()).into(),
                extent: found.map_or_else(nothing, |found| found.extent.clone()),
            });
        }
        let is_empty = |dump: &Dump| dump.pieces.is_empty() && dump.inherited.is_empty();
        if dumps.iter().all(is_empty) {
            return;
        }
        let layers: Arc<[Layer]> = layers.into();
        let memory = self.builder.memory(chain, key, &dumps);
        let unit = chain.folders.first().map_or("", String::as_str);
        let mut later = Vec::new();
        for space in memory.spaces {
            let space = Arc::new(space);
            let input = Layers { images: Arc::clone(&layers), later: later.clone() };
            self.send_layers(&space, unit, &Arc::new(input), decoded);
            later.push(space);
        }
        for (layer, bytes) in memory.missing.iter().enumerate().filter(|(_, bytes)| **bytes > 0) {
            let folder = chain.folders.get(layer).map_or("", String::as_str);
            let path = self.builder.pages_path(folder, key).to_owned();
            let is_last = layer.saturating_add(1) == chain.folders.len();
            let words = if is_last {
                chain.end.words()
            } else {
                "in the parent dump, which does not hold them".to_owned()
            };
            let text = format!("{bytes} bytes of memory are {words}; not scanned");
            self.note(Diagnostic::new(Level::Error, Code::ParentMissing, &path, text));
            let (reason, bytes) = (Reason::ParentMissing, *bytes);
            self.shortfalls(&path, &[Shortfall { reason, bytes, stored: false }], false);
        }
    }

    /// Cuts a layout over several images into jobs.
    fn send_layers(&mut self, space: &Arc<Space>, unit: &str, layers: &Arc<Layers>, decoded: bool) {
        let id = path_id(unit);
        self.units.entry(id).or_insert_with(|| unit.to_owned());
        let name: Arc<str> = Arc::from("");
        let newest = layers.images.first();
        let member = newest.map_or_else(|| Arc::clone(&name), |newest| Arc::clone(&newest.member));
        let scope = self.scope(space);
        for region in space.regions() {
            for part in pieces::parts(space, &region) {
                for own in job::windows(part, || self.window()) {
                    self.dispatcher.send(Job {
                        space: Arc::clone(space),
                        name: Arc::clone(&name),
                        member: Arc::clone(&member),
                        unit: id,
                        region: region.range.clone(),
                        own,
                        scope: scope.clone(),
                        input: Input::Layers(Arc::clone(layers)),
                        decoded,
                    });
                }
            }
        }
    }
}
