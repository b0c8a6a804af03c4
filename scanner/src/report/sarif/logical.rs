//! The table of logical locations: namespace → pod → container → process → mapping.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::Value;
use serde_sarif::sarif::{LogicalLocation, PropertyBag};

use super::super::CheckpointRecord;
use super::super::plain::escape;
use super::words::{bag, index};
use crate::finding::Vma;

/// The logical locations that the report speaks of, each once.
#[derive(Debug, Default)]
pub(super) struct Logical {
    all: Vec<Entry>,
    known: BTreeMap<(&'static str, String), usize>,
    names: BTreeSet<String>,
}

#[derive(Debug)]
struct Entry {
    parent: Option<usize>,
    kind: &'static str,
    name: String,
    full: String,
    properties: Option<PropertyBag>,
}

impl Logical {
    /// The container of a checkpoint, inside its pod and namespace. Each checkpoint has its own: a
    /// second one of the same name carries the checkpoint's name behind it.
    pub(super) fn container(&mut self, record: &CheckpointRecord) -> usize {
        let pod = record.pod.as_ref();
        let mut parent = None;
        let above = [
            ("namespace", pod.and_then(|pod| pod.namespace.as_deref())),
            ("pod", pod.and_then(|pod| pod.name.as_deref())),
        ];
        for (kind, name) in above {
            if let Some(name) = name {
                parent = Some(self.add(parent, kind, &escape(name), None));
            }
        }
        let name = escape(&container_name(record));
        let mut full = self.full(parent, &name);
        if self.names.contains(&full) {
            full = format!("{full}@{}", record.checkpoint);
        }
        let text = |text: &Option<String>| Value::from(text.as_deref().map(escape));
        let properties = bag([
            ("checkpoint", Value::from(record.checkpoint.clone())),
            ("target", Value::from(escape(&record.target))),
            ("producer", Value::from(record.producer.clone())),
            ("id", text(&record.container.id)),
            ("image", text(&record.container.image)),
            ("runtime", text(&record.container.runtime)),
            ("host", text(&record.host)),
            ("checkpointed", text(&record.checkpointed)),
            ("criu", text(&record.criu)),
        ]);
        self.add_as(parent, "container", name, full, Some(properties))
    }

    /// A process of a container.
    pub(super) fn process(&mut self, container: usize, pid: u32, comm: &str) -> usize {
        let name = if comm.is_empty() { "process".to_owned() } else { escape(comm) };
        let full = self.full(Some(container), &format!("{name}({pid})"));
        self.add_as(Some(container), "process", name, full, None)
    }

    /// A mapping of a process.
    pub(super) fn mapping(&mut self, process: usize, vma: &Vma) -> usize {
        let name = mapping_name(vma);
        let full = self.full(Some(process), &format!("{name}@{:x}", vma.start.0));
        self.add_as(Some(process), "mapping", name, full, None)
    }

    /// The full name of an entry.
    pub(super) fn full_name(&self, at: usize) -> &str {
        self.all.get(at).map_or("", |entry| &entry.full)
    }

    /// How results refer to it.
    pub(super) fn location(&self, at: usize) -> LogicalLocation {
        LogicalLocation {
            index: index(at),
            fully_qualified_name: Some(self.full_name(at).to_owned()),
            ..LogicalLocation::default()
        }
    }

    /// The table.
    pub(super) fn table(&self) -> impl Iterator<Item = LogicalLocation> {
        self.all.iter().map(|entry| LogicalLocation {
            name: Some(entry.name.clone()),
            fully_qualified_name: Some(entry.full.clone()),
            kind: Some(entry.kind.to_owned()),
            parent_index: entry.parent.and_then(index),
            properties: entry.properties.clone(),
            ..LogicalLocation::default()
        })
    }

    fn full(&self, parent: Option<usize>, name: &str) -> String {
        parent.map_or_else(|| name.to_owned(), |at| format!("{}/{name}", self.full_name(at)))
    }

    fn add(
        &mut self,
        parent: Option<usize>,
        kind: &'static str,
        name: &str,
        properties: Option<PropertyBag>,
    ) -> usize {
        let full = self.full(parent, name);
        self.add_as(parent, kind, name.to_owned(), full, properties)
    }

    fn add_as(
        &mut self,
        parent: Option<usize>,
        kind: &'static str,
        name: String,
        mut full: String,
        properties: Option<PropertyBag>,
    ) -> usize {
        if let Some(&at) = self.known.get(&(kind, full.clone())) {
            return at;
        }
        let at = self.all.len();
        self.known.insert((kind, full.clone()), at);
        // Names are chosen by whoever made the container: two kinds of thing may share one.
        while !self.names.insert(full.clone()) {
            write!(full, "#{at}").unwrap_or_default(); // Writing to a `String` cannot fail.
        }
        self.all.push(Entry { parent, kind, name, full, properties });
        at
    }
}

/// What to call a container: its name, the start of its id, or the file it came in.
pub(super) fn container_name(record: &CheckpointRecord) -> String {
    let container = &record.container;
    let id = || container.id.as_ref().map(|id| id.chars().take(12).collect());
    let file = || {
        let file = record.target.rsplit(['/', '!']).find(|part| !part.is_empty());
        file.unwrap_or("checkpoint").to_owned()
    };
    let named = |name: &String| !name.is_empty();
    container.name.clone().filter(named).or_else(id).filter(named).unwrap_or_else(file)
}

/// `[heap]`, `/usr/lib/libc.so.6`, `anonymous`: as in `/proc/PID/maps`, with a word for no name.
pub(super) fn mapping_name(vma: &Vma) -> String {
    match (&vma.path, &*vma.kind) {
        (Some(path), _) if !path.is_empty() => escape(path),
        (_, kind @ ("heap" | "stack" | "vdso" | "vvar")) => format!("[{kind}]"),
        (_, kind) => kind.to_owned(),
    }
}
