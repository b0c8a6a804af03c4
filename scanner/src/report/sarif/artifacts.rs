//! The table of artifacts: target → member → member → mapping.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use serde_sarif::sarif::{Artifact, ArtifactLocation};

use super::uri;
use super::words::{bag, index, int};
use crate::archive::name;
use crate::finding::Vma;

/// What part an artifact plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    /// What the user named.
    Target,
    /// It holds memory.
    Memory,
    /// Something was found in it.
    Found,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Self::Target => "analysisTarget",
            Self::Memory => "memoryContents",
            Self::Found => "resultFile",
        }
    }
}

/// The artifacts that the report speaks of, each once.
#[derive(Debug, Default)]
pub(super) struct Artifacts {
    all: Vec<Entry>,
    known: BTreeMap<(Option<usize>, String), usize>,
}

#[derive(Debug)]
struct Entry {
    parent: Option<usize>,
    uri: String,
    roles: BTreeSet<Role>,
    mapping: Option<Vma>,
}

impl Artifacts {
    /// What the user named.
    pub(super) fn target(&mut self, name: &str) -> usize {
        let index = self.add(None, uri::target(name));
        self.mark(index, Role::Target);
        index
    }

    /// The member that a path chain leads to, and all that it lies in.
    pub(super) fn member(&mut self, target: usize, chain: &str) -> usize {
        let links = chain.split('!').filter(|link| !link.is_empty());
        links.fold(target, |parent, link| self.add(Some(parent), uri::path(&name::bytes(link))))
    }

    /// A mapping of a process, inside the image that holds its pages.
    pub(super) fn mapping(&mut self, image: usize, pid: u32, vma: &Vma) -> usize {
        let file = vma.path.as_deref().and_then(|path| path.rsplit('/').next());
        let name = file.filter(|name| !name.is_empty()).unwrap_or(&vma.kind);
        let uri = format!("{pid}/{}@{:x}", uri::segment(name), vma.start.0);
        let index = self.add(Some(image), uri);
        if let Some(entry) = self.all.get_mut(index) {
            entry.mapping.get_or_insert_with(|| vma.clone());
        }
        self.mark(index, Role::Memory);
        index
    }

    pub(super) fn mark(&mut self, index: usize, role: Role) {
        if let Some(entry) = self.all.get_mut(index) {
            entry.roles.insert(role);
        }
    }

    /// How results refer to it.
    pub(super) fn location(&self, at: usize) -> ArtifactLocation {
        let uri = self.all.get(at).map(|entry| entry.uri.clone());
        ArtifactLocation { uri, index: index(at), ..ArtifactLocation::default() }
    }

    /// The table.
    pub(super) fn table(&self) -> impl Iterator<Item = Artifact> {
        self.all.iter().map(|entry| {
            let uri = Some(entry.uri.clone());
            let roles: Vec<Value> =
                entry.roles.iter().map(|role| Value::from(role.name())).collect();
            let properties = entry.mapping.as_ref().map(|vma| {
                bag([
                    ("start", Value::from(vma.start.to_string())),
                    ("end", Value::from(vma.end.to_string())),
                    ("kind", Value::from(vma.kind.clone())),
                    ("prot", Value::from(vma.prot.clone())),
                    ("path", Value::from(vma.path.clone())),
                ])
            });
            let size = |vma: &Vma| int(vma.end.0.saturating_sub(vma.start.0));
            Artifact {
                location: Some(ArtifactLocation { uri, ..ArtifactLocation::default() }),
                parent_index: entry.parent.and_then(index),
                roles: Some(roles).filter(|roles| !roles.is_empty()),
                length: entry.mapping.as_ref().and_then(size),
                properties,
                ..Artifact::default()
            }
        })
    }

    fn add(&mut self, parent: Option<usize>, uri: String) -> usize {
        if let Some(&index) = self.known.get(&(parent, uri.clone())) {
            return index;
        }
        let index = self.all.len();
        self.known.insert((parent, uri.clone()), index);
        self.all.push(Entry { parent, uri, roles: BTreeSet::new(), mapping: None });
        index
    }
}
