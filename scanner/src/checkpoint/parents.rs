//! Parent dumps: where the link `parent` of an image set leads, and what chain that makes.

use std::collections::{BTreeMap, BTreeSet};

use crate::archive::name;

/// Dumps in a chain, as CRIU's readers allow for.
const DEPTH: usize = 64;

/// Links of one target that are remembered.
const LINKS: usize = 1 << 16;

/// Why a chain ends although its last dump refers to a parent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lost {
    /// No link says where the parent is.
    NoLink,
    /// The link, in words, is absolute, and so leads out of the target.
    Absolute(String),
    /// The link leads out of the target, or to what is no image set of it.
    NotThere(String),
    /// The link leads back to a dump of the chain.
    Loop(String),
    /// There are more dumps than a chain may have.
    TooDeep,
}

impl Lost {
    /// What there is to say, and to do.
    pub fn words(&self) -> String {
        match self {
            Self::NoLink => "in a parent dump, and no link says where that is".to_owned(),
            Self::Absolute(link) => format!(
                "in the parent dump; its link {link} is absolute and was not followed: give the \
                 folder that holds both dumps"
            ),
            Self::NotThere(link) if link.ends_with("pre-checkpoint") => format!(
                "in the parent dump {link}, which is not in the target; give the archive of the \
                 pre-checkpoint too: cryoscan scan PRE CHECKPOINT"
            ),
            Self::NotThere(link) => format!(
                "in the parent dump {link}, which is not in the target; give the folder or the \
                 archive that holds both dumps"
            ),
            Self::Loop(link) => {
                format!("in a parent dump, but the link {link} leads back to a later dump")
            }
            Self::TooDeep => format!("in a parent dump, behind more than {DEPTH} others"),
        }
    }
}

/// A checkpoint and the dumps it builds on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// Folders of the image sets, the checkpoint's own first, then its parent, and so on.
    pub folders: Vec<String>,
    /// How many of them are a part of this checkpoint; the others are of a checkpoint of their own.
    pub owned: usize,
    /// Why it does not go on.
    pub end: Lost,
}

/// What a folder of images is to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Set {
    /// It holds memory only: a pre-dump.
    pub memory_only: bool,
    /// It is a part of another target.
    pub foreign: bool,
}

/// The links of a target.
#[derive(Debug, Default)]
pub(super) struct Parents {
    /// What the links hold, by the folder they lie in.
    links: BTreeMap<String, Vec<u8>>,
    /// Folders that links out of the target were found to lead to.
    found: BTreeMap<String, String>,
}

impl Parents {
    /// Takes a symbolic link `parent` in a folder.
    pub(super) fn take(&mut self, folder: &str, target: &[u8]) {
        if self.links.len() < LINKS {
            self.links.entry(folder.to_owned()).or_insert_with(|| target.to_vec());
        }
    }

    /// What the link in a folder holds.
    pub(super) fn link(&self, folder: &str) -> Option<&[u8]> {
        self.links.get(folder).map(Vec::as_slice)
    }

    /// Lets the link in a folder lead to an image set that was found elsewhere.
    pub(super) fn found(&mut self, folder: &str, to: &str) {
        self.found.insert(folder.to_owned(), to.to_owned());
    }

    fn parent(&self, folder: &str) -> Result<String, Lost> {
        if let Some(found) = self.found.get(folder) {
            return Ok(found.clone());
        }
        let link = self.link(folder).ok_or(Lost::NoLink)?;
        if link.starts_with(b"/") {
            return Err(Lost::Absolute(name::display(link)));
        }
        resolve(folder, link).ok_or_else(|| Lost::NotThere(name::display(link)))
    }

    /// The chain that begins with a folder.
    fn chain(&self, folder: &str, sets: &BTreeMap<&str, Set>) -> Chain {
        let mut folders = vec![folder.to_owned()];
        let end = loop {
            let last = folders.last().map_or("", String::as_str);
            let link = || name::display(self.link(last).unwrap_or_default());
            match self.parent(last) {
                Err(lost) => break lost,
                Ok(parent) if folders.contains(&parent) => break Lost::Loop(link()),
                Ok(parent) if !sets.contains_key(parent.as_str()) => break Lost::NotThere(link()),
                Ok(_) if folders.len() >= DEPTH => break Lost::TooDeep,
                Ok(parent) => folders.push(parent),
            }
        };
        Chain { folders, owned: 1, end }
    }

    /// The chains of a target: each of its image sets is the first of one, or a part of one.
    pub(super) fn chains(&self, sets: &BTreeMap<&str, Set>) -> Vec<Chain> {
        let own: Vec<&str> =
            sets.iter().filter(|(_, set)| !set.foreign).map(|(folder, _)| *folder).collect();
        let parent: BTreeMap<&str, String> =
            own.iter().filter_map(|folder| Some((*folder, self.parent(folder).ok()?))).collect();
        let mut taken: BTreeSet<String> = BTreeSet::new();
        let mut chains = Vec::new();
        loop {
            let left: Vec<&str> =
                own.iter().copied().filter(|folder| !taken.contains(*folder)).collect();
            if left.is_empty() {
                break;
            }
            let parents: BTreeSet<&String> =
                left.iter().filter_map(|folder| parent.get(folder)).collect();
            let is_part = |folder: &&str| {
                parents.contains(&(*folder).to_owned())
                    && sets.get(*folder).is_some_and(|set| set.memory_only)
            };
            let (parts, firsts): (Vec<&str>, Vec<&str>) = left.into_iter().partition(is_part);
            // Dumps that lead in a circle have no first one: the lowest by name is.
            for folder in if firsts.is_empty() { parts } else { firsts } {
                if taken.contains(folder) {
                    continue;
                }
                let mut chain = self.chain(folder, sets);
                taken.insert(folder.to_owned());
                for parent in chain.folders.iter().skip(1) {
                    let set = sets.get(parent.as_str());
                    if set.is_none_or(|set| set.foreign || !set.memory_only)
                        || !taken.insert(parent.clone())
                    {
                        break;
                    }
                    chain.owned = chain.owned.saturating_add(1);
                }
                chains.push(chain);
            }
        }
        chains.sort_by(|a, b| a.folders.cmp(&b.folders));
        chains
    }
}

/// The folder that a link in `folder` leads to, by names alone; `None` where that is outside of the
/// archive or target that the folder is in.
fn resolve(folder: &str, link: &[u8]) -> Option<String> {
    let inside = folder.rfind('!').map_or(0, |at| at.saturating_add(1));
    let (archive, inner) = folder.split_at_checked(inside)?;
    let mut parts: Vec<String> =
        inner.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
    for part in link.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()?),
            name => parts.push(name::display(name)),
        }
    }
    Some(format!("{archive}{}", parts.join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_to_folders_of_the_same_archive() {
        for (folder, link, expected) in [
            ("images/2", "../1", Some("images/1")),
            ("images/2", "./../1/", Some("images/1")),
            ("checkpoint", "../pre-checkpoint", Some("pre-checkpoint")),
            ("2", "..", Some("")),
            ("a.tar!checkpoint", "../pre", Some("a.tar!pre")),
            ("a.tar!checkpoint", "..", Some("a.tar!")),
            ("a.tar!", "old", Some("a.tar!old")),
            ("a.tar!checkpoint", "../../pre", None),
            ("", "../1", None),
            ("", "1", Some("1")),
        ] {
            assert_eq!(resolve(folder, link.as_bytes()).as_deref(), expected, "{folder} {link}");
        }
    }

    fn chains(links: &[(&str, &str)], sets: &[(&str, bool)]) -> Vec<Chain> {
        let mut parents = Parents::default();
        for (folder, link) in links {
            parents.take(folder, link.as_bytes());
        }
        let set = |memory_only| Set { memory_only, foreign: false };
        parents.chains(&sets.iter().map(|(name, only)| (*name, set(*only))).collect())
    }

    fn chain(folders: &[&str], owned: usize, end: Lost) -> Chain {
        Chain { folders: folders.iter().map(|it| (*it).to_owned()).collect(), owned, end }
    }

    #[test]
    fn pre_dumps_are_parts_of_the_dump_that_builds_on_them() {
        let found =
            chains(&[("3", "../2"), ("2", "../1")], &[("1", true), ("2", true), ("3", false)]);
        assert_eq!(found, [chain(&["3", "2", "1"], 3, Lost::NoLink)]);
        // A whole dump is a checkpoint, also where another builds on it.
        let found =
            chains(&[("3", "../2"), ("2", "../1")], &[("1", true), ("2", false), ("3", false)]);
        assert_eq!(
            found,
            [chain(&["2", "1"], 2, Lost::NoLink), chain(&["3", "2", "1"], 1, Lost::NoLink)]
        );
        // Of two that build on one pre-dump it is a part of the first.
        let found =
            chains(&[("2", "../1"), ("3", "../1")], &[("1", true), ("2", false), ("3", false)]);
        assert_eq!(
            found,
            [chain(&["2", "1"], 2, Lost::NoLink), chain(&["3", "1"], 1, Lost::NoLink)]
        );
    }

    #[test]
    fn chains_that_lead_nowhere_end_with_the_reason() {
        let found = chains(&[("1", "../2"), ("2", "../1")], &[("1", true), ("2", true)]);
        assert_eq!(found, [chain(&["1", "2"], 2, Lost::Loop("../1".into()))]);
        let found = chains(&[("1", ".")], &[("1", true)]);
        assert_eq!(found, [chain(&["1"], 1, Lost::Loop(".".into()))]);
        let found = chains(&[("1", "/var/lib/pre")], &[("1", false)]);
        assert_eq!(found, [chain(&["1"], 1, Lost::Absolute("/var/lib/pre".into()))]);
        for link in ["../pre", "../../etc"] {
            let found = chains(&[("1", link)], &[("1", false)]);
            assert_eq!(found, [chain(&["1"], 1, Lost::NotThere(link.into()))]);
        }
    }

    #[test]
    fn chains_are_bounded() {
        let names: Vec<String> = (0..100).map(|it| format!("{it:03}")).collect();
        let links: Vec<String> = (0..100).map(|it| format!("../{:03}", it + 1)).collect();
        let links: Vec<(&str, &str)> =
            names.iter().zip(&links).map(|(name, link)| (name.as_str(), link.as_str())).collect();
        let sets: Vec<(&str, bool)> = names.iter().map(|name| (name.as_str(), true)).collect();
        let found = chains(&links, &sets);
        assert_eq!((found[0].folders.len(), found[0].end.clone()), (DEPTH, Lost::TooDeep));
        assert_eq!((found[1].folders.len(), found.len()), (100 - DEPTH, 2));
    }
}
