//! The end of a target: what the builder has taken, put together as checkpoints.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::builder::Builder;
use super::image_set::ImageSet;
use super::member::{root_of, split};
use super::process::{self, Process};
use super::shared::shared;
use super::{Checkpoint, producer};
use crate::criu::{self, PagemapKey, Records};
use crate::diagnostic::{Code, Diagnostic, Level};

impl Builder {
    /// The checkpoints, by the path of their images, and what is wrong with their processes.
    pub fn finish(mut self) -> (Vec<Checkpoint>, Vec<Diagnostic>) {
        let mut notes = self.layouts.missing();
        let mut checkpoints = Vec::new();
        for (folder, set) in std::mem::take(&mut self.sets) {
            if set.records.inventory.is_none() && set.records.pagemaps.is_empty() {
                continue;
            }
            let mut checkpoint = self.checkpoint(&folder, &set, &mut notes);
            checkpoint.records = set.records;
            checkpoint.records.pagemaps.clear();
            checkpoint.records.mms.clear();
            checkpoints.push(checkpoint);
        }
        (checkpoints, notes)
    }

    fn checkpoint(&self, folder: &str, set: &ImageSet, notes: &mut Vec<Diagnostic>) -> Checkpoint {
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
                if records.inventory.as_ref().is_none_or(|inventory| !inventory.pre_dump) {
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
            let pre_dump = records.inventory.as_ref().is_some_and(|inventory| inventory.pre_dump);
            if process.state == "zombie" || pre_dump {
                continue;
            }
            if !records.cores.contains_key(&process.pid) {
                notes.push(lacks("core"));
            }
            if !records.mms.contains_key(&process.pid) {
                notes.push(lacks("mm"));
            }
        }
        let mut spaces = BTreeMap::new();
        let mut memory_bytes = 0u64;
        for (key, map) in &records.pagemaps {
            let len = set.pages.get(&map.pages_id).map_or(0, |(_, len)| *len);
            let space = set.layout(folder, *key, map, len).space;
            let bytes = space.pieces.iter().fold(0u64, |sum, piece| sum.saturating_add(piece.len));
            memory_bytes = memory_bytes.saturating_add(bytes);
            spaces.insert(space.holder, Arc::new(space));
        }
        // Archives made to be reproducible have no times: 0.
        let written = set.written.filter(|seconds| *seconds > 0);
        let written = written.and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
        let mut checkpoint = Checkpoint {
            root: root_of(folder).to_owned(),
            set: folder.to_owned(),
            producer: "criu",
            container: super::Container::default(),
            pod: None,
            host: records.hostname().map(process::text),
            annotations: BTreeMap::new(),
            spec_mounts: Vec::new(),
            created: None,
            checkpointed: written.map(|time| time.to_string()),
            criu: None,
            descriptors: Vec::new(),
            processes,
            shared: shared(records),
            pages: set.pages.iter().map(|(id, (path, _))| (*id, path.clone())).collect(),
            spaces,
            memory_bytes,
            encrypted: records.encrypted,
            pre_dump: records.inventory.as_ref().is_some_and(|inventory| inventory.pre_dump),
            records: Records::default(),
        };
        let mut metadata = self.metadata.get(root_of(folder)).cloned().unwrap_or_default();
        if let Some(beside) = self.metadata.get(folder) {
            metadata.descriptors = metadata.descriptors.or_else(|| beside.descriptors.clone());
        }
        // docker keeps checkpoints in a folder of the container's own: ID/checkpoints/NAME.
        if let (above, "checkpoints") = split(split(folder).0)
            && let Some(container) = self.metadata.get(above)
        {
            metadata.docker.clone_from(&container.docker);
            metadata.docker_host.clone_from(&container.docker_host);
        }
        metadata.origin = self.layouts.origin(folder).unwrap_or_default();
        if metadata.spec.is_none() {
            metadata.spec = metadata.origin.spec.take();
        }
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
}
