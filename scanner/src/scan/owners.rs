//! Which checkpoint of a target something belongs to, by its path.

use std::collections::BTreeMap;

use crate::checkpoint::{Checkpoint, path_id};

/// The checkpoints of a target.
pub(super) struct Owners {
    checkpoints: Vec<Owner>,
}

struct Owner {
    /// Numbers of the paths of the images, of its own and of earlier dumps.
    sets: Vec<u64>,
    /// Paths of the images, of the metadata, and of what else belongs to them.
    folders: Vec<String>,
}

impl Owners {
    pub(super) fn of(checkpoints: &[Checkpoint]) -> Self {
        let of = |checkpoint: &Checkpoint| {
            let own = [checkpoint.set.clone(), checkpoint.root.clone()];
            let others = checkpoint.parts.iter().chain(&checkpoint.earlier).cloned();
            let folders = own.into_iter().chain(others).collect();
            let sets = [&checkpoint.set].into_iter().chain(&checkpoint.earlier);
            Owner { sets: sets.map(|set| path_id(set)).collect(), folders }
        };
        Self { checkpoints: checkpoints.iter().map(of).collect() }
    }

    /// The checkpoint whose images or files lie at a path: the deepest folder that holds it. What
    /// lies in none is the first one's.
    pub(super) fn of_path(&self, path: &str) -> usize {
        let depth = |owner: &Owner| {
            owner.folders.iter().filter(|folder| is_within(path, folder)).map(String::len).max()
        };
        let deepest = self
            .checkpoints
            .iter()
            .enumerate()
            .filter_map(|(index, owner)| Some((depth(owner)?, index)))
            .max_by_key(|(depth, index)| (*depth, std::cmp::Reverse(*index)));
        deepest.map_or(0, |(_, index)| index)
    }

    /// The checkpoint of a set of holders: that of its images, or that of its files' folder.
    pub(super) fn of_set(&self, set: u64, units: &BTreeMap<u64, String>) -> usize {
        let of_unit = || self.of_path(units.get(&set).map_or("", String::as_str));
        self.checkpoints.iter().position(|owner| owner.sets.contains(&set)).unwrap_or_else(of_unit)
    }
}

/// Whether a path is that of a folder or archive, or of something in it.
pub(super) fn is_within(path: &str, folder: &str) -> bool {
    folder.is_empty()
        || path.strip_prefix(folder).is_some_and(|rest| {
            rest.is_empty() || folder.ends_with('!') || rest.starts_with(['/', '!'])
        })
}
