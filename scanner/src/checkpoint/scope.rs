//! What a filter lets through, told from what is known of a target so far.

use super::builder::Builder;
use super::filter::{Filter, Scope};
use super::member::{METADATA, content, split};
use super::process;
use super::shared::shared;
use super::{VmaKind, path_id};
use crate::criu::{self, PagemapKey};
use crate::region::{Holder, HolderKind};

impl Builder {
    /// Whether the container's processes wrote the member at `path` or could see it: no image of
    /// CRIU lies there.
    pub fn is_of_container(path: &str) -> bool {
        content(path).is_some()
    }

    /// Whether the member at `path` has the name of a file that engines put beside the images.
    pub fn is_of_engine(path: &str) -> bool {
        let name = split(path).1;
        content(path).is_none() && (METADATA.contains(&name) || name.as_bytes().ends_with(b".log"))
    }

    /// Whether all is known that the filter asks for of the memory in a pages image.
    pub fn can_filter(&self, path: &str, id: u32, filter: &Filter) -> bool {
        let Some(set) = self.sets.get(split(path).0) else { return false };
        // Who maps a segment is known when the last process is.
        let Some((PagemapKey::Task(pid), _)) = set.owner(id) else { return false };
        let records = &set.records;
        let has_name = records.cores.contains_key(&pid) && !records.files.is_empty();
        // Which threads a process has, and so which mappings are stacks, is in the tree.
        let of_threads = |kind: &VmaKind| matches!(kind, VmaKind::Stack | VmaKind::Anonymous);
        let has_threads = records.tree.iter().any(|item| item.pid == pid);
        (filter.names.is_empty() || has_name)
            && (has_threads || !filter.kinds.iter().any(of_threads))
    }

    /// What of a process's memory or of a shared segment the filter lets through.
    pub fn scope(&self, holder: Holder, filter: &Filter) -> Scope {
        let mut sets = self.sets.iter();
        let found = sets.find(|(folder, _)| path_id(folder) == holder.set);
        let (Some((_, set)), Ok(id)) = (found, u32::try_from(holder.id)) else {
            return Scope::none();
        };
        let process = |pid: u32| {
            let records = &set.records;
            let item = records.tree.iter().find(|item| item.pid == pid).cloned();
            let alone = || criu::TreeItem { pid, ppid: 0, pgid: 0, sid: 0, threads: vec![pid] };
            process::process(&item.unwrap_or_else(alone), records)
        };
        if holder.kind == HolderKind::Memory {
            return filter.of_memory(&process(id));
        }
        // Once for all segments: to find one, all mappings are looked at.
        let segments = set.segments.get_or_init(|| shared(&set.records).0);
        let Some(segment) = segments.get(&id) else { return Scope::none() };
        let open_by = segment.open_by.iter().map(|(pid, _)| *pid);
        let pids = segment.mappings.iter().map(|mapping| mapping.pid).chain(open_by);
        let processes = pids.map(|pid| (pid, process(pid))).collect();
        filter.of_shared(segment, &processes)
    }
}
