//! The end of a target: what the builder has taken, put together as checkpoints.

use std::collections::BTreeMap;

use super::builder::Builder;
use super::container::Metadata;
use super::image_set::ImageSet;
use super::kernel;
use super::member::{join, root_of, split};
use super::parents::Chain;
use super::pod;
use super::process::{self, Process};
use super::shared::shared;
use super::{Checkpoint, path_id, producer};
use crate::criu::{self, PagemapKey, Records};
use crate::diagnostic::{Code, Diagnostic, Level};

impl Builder {
    /// The checkpoints, by the path of their images, and what is wrong with their processes.
    pub fn finish(mut self) -> (Vec<Checkpoint>, Vec<Diagnostic>) {
        let mut notes = self.layouts.missing();
        if self.deletions.overflow {
            let text = "more removed files than are listed; those that come first in the order of \
                        paths are";
            notes.push(Diagnostic::new(Level::Warning, Code::LimitReached, "", text));
        }
        let chains = self.chains();
        let mut checkpoints: Vec<Checkpoint> =
            chains.iter().map(|chain| self.checkpoint(chain, &mut notes)).collect();
        for checkpoint in &mut checkpoints {
            let set = self.sets.remove(&checkpoint.set).unwrap_or_default();
            checkpoint.records = set.records;
            checkpoint.records.pagemaps.clear();
            checkpoint.records.mms.clear();
        }
        (checkpoints, notes)
    }

    fn checkpoint(&self, chain: &Chain, notes: &mut Vec<Diagnostic>) -> Checkpoint {
        let folder = chain.folders.first().map_or("", String::as_str);
        let none = ImageSet::default();
        let set = self.sets.get(folder).unwrap_or(&none);
        let records = &set.records;
        if records.encrypted {
            // Also where a stream gave the pages before it said so, and their noise was searched.
            let text = "the image set is encrypted; nothing is known of its memory";
            notes.push(Diagnostic::new(Level::Error, Code::Encrypted, folder, text));
        }
        let mut processes: BTreeMap<u32, Process> = BTreeMap::new();
        for item in &records.tree {
            processes.entry(item.pid).or_insert_with(|| process::process(item, records));
        }
        // A task that the tree does not name still has its memory.
        for key in records.pagemaps.keys() {
            if let PagemapKey::Task(pid) = key
                && !processes.contains_key(pid)
            {
                let threads = if records.cores.contains_key(pid) { vec![*pid] } else { Vec::new() };
                let item = criu::TreeItem { pid: *pid, ppid: 0, pgid: 0, sid: 0, threads };
                processes.insert(*pid, process::process(&item, records));
                if !set.is_pre_dump(folder) {
                    let member = set.pagemaps.get(key).map_or("", String::as_str);
                    notes.push(Diagnostic::new(
                        Level::Warning,
                        Code::ProcessIncomplete,
                        member,
                        format!("process {pid} is in no pstree.img; its parent is not known"),
                    ));
                }
            }
        }
        for process in processes.values() {
            let lacks = |what: &str| {
                let folder = if folder.is_empty() { String::new() } else { format!("{folder}/") };
                let member = format!("{folder}{what}-{}.img", process.pid);
                let message = format!("process {} has no {what} image that decodes", process.pid);
                Diagnostic::new(Level::Warning, Code::ProcessIncomplete, &member, message)
            };
            if process.state == "zombie" || set.is_pre_dump(folder) {
                continue;
            }
            if !records.cores.contains_key(&process.pid) {
                notes.push(lacks("core"));
            }
            if !records.mms.contains_key(&process.pid) {
                notes.push(lacks("mm"));
            }
        }
        let mut spaces = self.spaces(chain);
        let set_id = path_id(folder);
        let current = spaces.keys().filter(|holder| holder.ordinal == 0 && holder.set == set_id);
        let current = current.filter_map(|holder| spaces.get(holder));
        let pieces = current.flat_map(|space| &space.pieces);
        let memory_bytes = pieces.fold(0u64, |sum, piece| sum.saturating_add(piece.len));
        spaces.extend(set.objects.clone());
        let (objects, is_all) = kernel::describe(set.objects.keys(), records);
        let (shared, is_all_shared) = shared(records);
        if !(is_all && is_all_shared) {
            let text = "so many processes have pipes, sockets, shared memory or deleted files open \
                        that not all of them are told";
            notes.push(Diagnostic::new(Level::Warning, Code::LimitReached, folder, text));
        }
        // Archives made to be reproducible have no times: 0.
        let written = set.written.filter(|seconds| *seconds > 0);
        let written = written.and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
        let mut checkpoint = Checkpoint {
            outer: String::new(),
            root: root_of(folder).to_owned(),
            set: folder.to_owned(),
            producer: "criu",
            container: super::Container::default(),
            pod: None,
            host: records.hostname().map(process::text),
            annotations: BTreeMap::new(),
            spec_mounts: Vec::new(),
            created: None,
            started: None,
            restored: None,
            node: None,
            kernel: None,
            addresses: Vec::new(),
            reference: None,
            deleted: Vec::new(),
            parts: Vec::new(),
            checkpointed: written.map(|time| time.to_string()),
            criu: None,
            descriptors: Vec::new(),
            processes,
            shared,
            objects,
            earlier: chain.folders.get(1..chain.owned).unwrap_or_default().to_vec(),
            pages: self.pages_of(chain),
            spaces,
            memory_bytes,
            encrypted: records.encrypted,
            pre_dump: set.is_pre_dump(folder),
            records: Records::default(),
        };
        let (metadata, parts) = self.metadata_of(folder);
        checkpoint.parts = parts;
        checkpoint.deleted = self.deleted(&metadata, folder);
        let location = if folder.is_empty() {
            self.location.clone()
        } else {
            format!("{}/{folder}", self.location)
        };
        producer::describe(&metadata, &location, &mut checkpoint);
        if let Some(spec) = metadata.spec {
            checkpoint.annotations = spec.annotations;
            checkpoint.spec_mounts = spec.mounts.unwrap_or_default();
        }
        checkpoint
    }

    /// What lies around the images in a folder and says something of them, and the paths that belong
    /// to them beside that folder.
    fn metadata_of(&self, folder: &str) -> (Metadata, Vec<String>) {
        let root = root_of(folder);
        let mut parts = Vec::new();
        let mut metadata = self.metadata.get(root).cloned().unwrap_or_default();
        if let Some(beside) = self.metadata.get(folder) {
            metadata.descriptors = metadata.descriptors.or_else(|| beside.descriptors.clone());
            metadata.noted = metadata.noted.or_else(|| beside.noted.clone());
            metadata.log = metadata.log.or(&beside.log);
        }
        // docker 17 has CRIU's log in a folder of its own.
        if let Some(work) = self.metadata.get(&join(folder, "criu.work")) {
            metadata.log = metadata.log.or(&work.log);
        }
        // docker keeps checkpoints in a folder of the container's own: ID/checkpoints/NAME.
        if let (above, "checkpoints") = split(split(folder).0)
            && let Some(container) = self.metadata.get(above)
        {
            metadata.docker.clone_from(&container.docker);
            metadata.docker_host.clone_from(&container.docker_host);
            parts.push(above.to_owned());
        }
        metadata.origin = self.layouts.origin(folder).unwrap_or_default();
        parts.append(&mut metadata.origin.parts);
        if metadata.spec.is_none() {
            metadata.spec = metadata.origin.spec.take();
        }
        let files = |folder: &str| self.metadata.get(folder).map(|metadata| &metadata.pod);
        metadata.member = pod::around(root, files);
        for (key, value) in
            metadata.member.iter_mut().flat_map(|it| std::mem::take(&mut it.annotations))
        {
            metadata.origin.annotations.entry(key).or_insert(value);
        }
        (metadata, parts)
    }

    /// What the container has removed of its image.
    fn deleted(&self, metadata: &Metadata, folder: &str) -> Vec<String> {
        let diff = join(root_of(folder), "rootfs-diff.tar");
        let layers = std::iter::once(&diff).chain(&metadata.origin.layers);
        let mut deleted: Vec<String> = layers.flat_map(|layer| self.deletions.of(layer)).collect();
        deleted.extend(metadata.deleted.iter().cloned());
        deleted.sort();
        deleted.dedup();
        deleted
    }
}
