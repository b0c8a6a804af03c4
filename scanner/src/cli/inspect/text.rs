//! The page for people: who it was, its process tree, shared memory, and on request files, sockets,
//! mounts, privileges, environments and maps.

use std::io::{self, Write};

use super::model::{Checkpoint, Inspection, KindOfMemory, Process, Shared, Vma, by_kind};
use crate::region::RegionKind;
use crate::report::{Line, Style, bytes, diagnostics, number, paragraph, safe};

mod access;
mod files;
mod mounts;
mod processes;
mod sockets;
mod table;

/// What the page shows beside the processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub struct Parts {
    /// The open files of every process.
    pub files: bool,
    /// The sockets.
    pub sockets: bool,
    /// The mounts.
    pub mounts: bool,
    /// Users, capabilities, namespaces and limits of every process.
    pub caps: bool,
    /// The mappings of every process.
    pub maps: bool,
    /// The names of the variables of every environment.
    pub environ: bool,
}

const BOLD: &str = "1";
/// Rows of one list where the page is not verbose: more than anyone reads, less than hostile input
/// can have.
const ROWS: usize = 1000;
/// Columns that a text gets at least, however far to the right it stands.
const NARROWEST: usize = 40;
/// Columns of names in front of their values.
const NAMES: usize = 14;

/// Writes the page.
///
/// # Errors
/// When it cannot be written.
pub fn text(
    inspection: &Inspection,
    parts: Parts,
    style: &Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    let several = inspection.checkpoints.len() > 1;
    for (index, checkpoint) in inspection.checkpoints.iter().enumerate() {
        let mut page = Page { style, out: &mut *out };
        if index > 0 {
            page.line("")?;
        }
        page.head(checkpoint, several)?;
        page.processes(checkpoint)?;
        page.shared(checkpoint)?;
        if parts.sockets {
            page.sockets(checkpoint)?;
        }
        if parts.mounts {
            page.mounts(checkpoint)?;
        }
        if parts.caps {
            page.privileges(checkpoint)?;
        }
        let sockets = files::sockets(checkpoint);
        for process in page.rows(&checkpoint.processes) {
            if parts.files {
                page.files(process, &sockets)?;
            }
            if parts.environ {
                page.environ(process)?;
            }
            if parts.maps && (!process.vmas.is_empty() || process.memory_bytes > 0) {
                page.maps(process)?;
            }
        }
        if parts.files {
            page.deleted(checkpoint)?;
        }
    }
    let problems = diagnostics(style, &inspection.diagnostics);
    if !problems.is_empty() {
        let title = if inspection.is_complete() {
            "Not all is as it should be"
        } else {
            "Not all of it could be read"
        };
        let page = [Line::new(""), Line::painted(title.to_owned(), BOLD)];
        for line in page.iter().chain(&problems) {
            line.write(out, style.color)?;
        }
    }
    Ok(())
}

struct Page<'a> {
    style: &'a Style,
    out: &'a mut dyn Write,
}

impl Page<'_> {
    fn line(&mut self, text: impl Into<String>) -> io::Result<()> {
        Line::new(text).write(self.out, false)
    }

    fn heading(&mut self, text: String) -> io::Result<()> {
        Line::painted(text, BOLD).write(self.out, self.style.color)
    }

    fn safe(&self, text: &str) -> String {
        safe(self.style, text)
    }

    /// A text whose first line stands behind `first` and the others behind as many columns of `next`.
    fn hanging(&mut self, first: &str, next: &str, text: &str) -> io::Result<()> {
        let margin = next.chars().count();
        let width = self.style.width.max(margin + NARROWEST);
        for (index, line) in
            paragraph(&Style { width, ..*self.style }, margin, text).iter().enumerate()
        {
            let stem = if index == 0 { first } else { next };
            self.line(format!("{stem}{}", line.text.trim_start()).trim_end())?;
        }
        Ok(())
    }

    /// The first rows, or all.
    fn rows<'b, T>(&self, all: &'b [T]) -> &'b [T] {
        let most = if self.style.verbose { all.len() } else { all.len().min(ROWS) };
        all.get(..most).unwrap_or(all)
    }

    fn omitted(&mut self, all: usize, one: &str, many: &str) -> io::Result<()> {
        match all.checked_sub(ROWS).filter(|more| *more > 0 && !self.style.verbose) {
            None => Ok(()),
            Some(more) => {
                let more = number(more as u64, one, many);
                self.line(format!("  and {more} (-v shows all)"))
            }
        }
    }

    fn head(&mut self, checkpoint: &Checkpoint, several: bool) -> io::Result<()> {
        let container = &checkpoint.container;
        let id = container.id.as_ref().map(|id| id.chars().take(12).collect::<String>());
        let name = container.name.as_ref().or(id.as_ref());
        let what = if checkpoint.pre_dump { "pre-dump" } else { "checkpoint" };
        let of = name.map(|name| format!(" of {}", self.safe(name))).unwrap_or_default();
        let images = Some(&checkpoint.images).filter(|images| several && !images.is_empty());
        let place = images.map(|images| format!(" in {}", self.safe(images))).unwrap_or_default();
        let title = format!("{} {what}{of}{place}", checkpoint.producer);
        self.heading(title)?;
        let pod = checkpoint.pod.as_ref().map(|pod| {
            let namespace = pod.namespace.as_ref().map(|it| format!("{it}/")).unwrap_or_default();
            let uid = pod.uid.as_ref().map(|uid| format!(", uid {uid}")).unwrap_or_default();
            format!("{namespace}{}{uid}", pod.name.as_deref().unwrap_or("unknown"))
        });
        let version = container.engine_version.as_ref();
        let engine = version.map(|version| format!("{} {version}", checkpoint.producer));
        let descriptors = Some(checkpoint.descriptors.join(", ")).filter(|all| !all.is_empty());
        let addresses = Some(checkpoint.addresses.join(", ")).filter(|all| !all.is_empty());
        let kernel =
            checkpoint.kernel.as_ref().map(|it| format!(", Linux {it}")).unwrap_or_default();
        let node = checkpoint.node.as_ref().map(|node| format!("{node}{kernel}"));
        let facts = [
            ("stored as", checkpoint.reference.clone()),
            ("id", id),
            ("image", container.image.clone()),
            ("image id", container.image_id.clone()),
            ("engine", engine),
            ("runtime", container.runtime.clone()),
            ("pod", pod),
            ("host name", checkpoint.host.clone()),
            ("addresses", addresses),
            ("node", node),
            ("created", checkpoint.created.clone()),
            ("started", checkpoint.started.clone()),
            ("restored", checkpoint.restored.clone()),
            ("checkpointed", checkpoint.checkpointed.clone()),
            ("CRIU", checkpoint.criu.clone()),
            ("descriptors", descriptors),
        ];
        for (name, value) in facts {
            if let Some(value) = value {
                let value = self.safe(&value);
                self.line(format!("  {name:NAMES$}{value}"))?;
            }
        }
        let memory = if checkpoint.encrypted {
            "encrypted: nothing is known of it".to_owned()
        } else {
            let total = bytes(checkpoint.memory_bytes);
            memory(checkpoint).map_or_else(|| total.clone(), |kinds| format!("{total}: {kinds}"))
        };
        self.line(format!("  {:NAMES$}{memory}", "memory"))?;
        let processes = checkpoint.processes.len();
        self.line(format!("  {:NAMES$}{processes}", "processes"))?;
        if let Some(counts) = counts(checkpoint) {
            self.line(format!("  {:NAMES$}{counts}", "open"))?;
        }
        if !checkpoint.deleted.is_empty() {
            let removed = number(checkpoint.deleted.len() as u64, "path", "paths");
            self.line(format!("  {:NAMES$}{removed} of the image", "removed"))?;
        }
        let nameless = |process: &Process| process.comm.is_none() && process.vmas.is_empty();
        let note = if checkpoint.pre_dump {
            "memory only, taken while the processes ran on; who they were is in the dump that followed"
        } else if !checkpoint.processes.is_empty() && checkpoint.processes.iter().all(nameless) {
            "memory only: a pre-dump, or the images that say who the processes were are missing"
        } else {
            return Ok(());
        };
        let name = format!("  {:NAMES$}", "note");
        self.hanging(&name, &" ".repeat(name.len()), note)
    }

    fn shared(&mut self, checkpoint: &Checkpoint) -> io::Result<()> {
        if checkpoint.shared.is_empty() {
            return Ok(());
        }
        self.line("")?;
        self.heading("  Shared memory".to_owned())?;
        for segment in self.rows(&checkpoint.shared) {
            let held = bytes(segment.dumped_bytes);
            let name = segment.name.as_deref().map(|name| format!(" {}", self.safe(name)));
            let what = format!(
                "{} {}{}, {held}; {}",
                kind(segment.kind),
                segment.id,
                name.unwrap_or_default(),
                self.users(segment, &checkpoint.processes)
            );
            self.hanging("    ", "      ", &what)?;
        }
        self.omitted(checkpoint.shared.len(), "more segment", "more segments")
    }

    /// `mapped by sh (1), nginx (7, 9); open in sh (1)`.
    fn users(&self, segment: &Shared, processes: &[Process]) -> String {
        let mapped: Vec<u32> = segment.mappings.iter().map(|mapping| mapping.pid).collect();
        let uses = [("mapped by", mapped), ("open in", segment.open_by.clone())];
        let uses: Vec<String> = uses
            .into_iter()
            .filter(|(_, pids)| !pids.is_empty())
            .map(|(how, mut pids)| {
                pids.dedup();
                format!("{how} {}", self.names(&pids, processes))
            })
            .collect();
        if uses.is_empty() { "no process uses it".to_owned() } else { uses.join("; ") }
    }

    /// Neighbours of one name are named once: `sh (1), nginx (7, 9)`.
    fn names(&self, pids: &[u32], processes: &[Process]) -> String {
        let comm = |pid: u32| {
            let at = processes.binary_search_by_key(&pid, |process| process.pid).ok()?;
            processes.get(at)?.comm.as_deref()
        };
        let groups = self.rows(pids).chunk_by(|a, b| comm(*a) == comm(*b));
        let groups = groups.map(|group| {
            let pids: Vec<String> = group.iter().map(u32::to_string).collect();
            let pids = pids.join(", ");
            let comm = group.first().and_then(|pid| comm(*pid));
            comm.map_or_else(
                || format!("process {pids}"),
                |it| format!("{} ({pids})", self.safe(it)),
            )
        });
        groups.collect::<Vec<_>>().join(", ")
    }

    fn environ(&mut self, process: &Process) -> io::Result<()> {
        let Some(all) = process.environ_names.as_ref().filter(|names| !names.is_empty()) else {
            return Ok(());
        };
        self.line("")?;
        let who = self.names(&[process.pid], std::slice::from_ref(process));
        self.heading(format!("  Environment of {who}, names only"))?;
        let names: Vec<String> = self.rows(all).iter().map(|name| self.safe(name)).collect();
        self.hanging("    ", "    ", &names.join(" "))?;
        self.omitted(all.len(), "more name", "more names")
    }

    fn maps(&mut self, process: &Process) -> io::Result<()> {
        self.line("")?;
        let who = self.names(&[process.pid], std::slice::from_ref(process));
        let total = bytes(process.memory_bytes);
        self.heading(format!("  Memory of {who}, {total} of it in the checkpoint"))?;
        if let Some(kinds) = kinds(&process.memory) {
            self.hanging("    ", "    ", &kinds)?;
        }
        let widest = self.rows(&process.vmas).iter().map(|vma| range(vma).len()).max();
        let widest = widest.unwrap_or_default();
        for vma in self.rows(&process.vmas) {
            let held = held(vma.dumped_bytes);
            let range = range(vma);
            let path = vma.path.as_deref().map(|path| self.safe(path)).unwrap_or_default();
            let (prot, offset, kind) = (&vma.prot, vma.offset, vma.kind);
            let line =
                format!("    {range:widest$} {prot} {offset:08x} {held:>11}  {kind:9}  {path}");
            self.line(line.trim_end())?;
        }
        self.omitted(process.vmas.len(), "more mapping", "more mappings")?;
        if process.unmapped_bytes > 0 {
            let rest = bytes(process.unmapped_bytes);
            self.line(format!(
                "    {:widest$}               {rest:>11}  in no mapping that is known",
                ""
            ))?;
        }
        Ok(())
    }
}

/// The memory of a checkpoint by kind; segments once, whoever maps them.
fn memory(checkpoint: &Checkpoint) -> Option<String> {
    let private = checkpoint.processes.iter().flat_map(|process| &process.vmas);
    let mut all = by_kind(private.filter(|vma| vma.kind != "shared"));
    let shared = checkpoint.shared.iter().map(|segment| segment.dumped_bytes);
    let dumped_bytes = shared.fold(0u64, u64::saturating_add);
    all.push(KindOfMemory { kind: "shared", mappings: 0, mapped_bytes: 0, dumped_bytes });
    all.sort_by_key(|kind| std::cmp::Reverse(kind.dumped_bytes));
    kinds(&all)
}

/// `12 files, 3 sockets (1 listening, 2 connected); 9 mounts (4 from outside)`; `None` where nothing
/// is known of them.
fn counts(checkpoint: &Checkpoint) -> Option<String> {
    let tables = checkpoint.processes.iter().filter_map(|process| process.files.as_ref());
    let files = tables.clone().map(Vec::len).sum::<usize>();
    if tables.count() == 0 && checkpoint.sockets.is_empty() && checkpoint.mounts.is_empty() {
        return None;
    }
    let of = |parts: [(usize, &str); 2]| {
        let parts = parts.into_iter().filter(|(count, _)| *count > 0);
        let parts: Vec<String> = parts.map(|(count, what)| format!("{count} {what}")).collect();
        if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
    };
    let sockets = &checkpoint.sockets;
    let listening = sockets.iter().filter(|socket| socket.listens()).count();
    let connected = sockets.iter().filter(|it| it.remote.is_some() && !it.listens()).count();
    let outside = checkpoint.mounts.iter().filter(|mount| mount.external).count();
    Some(format!(
        "{}, {}{}; {}{}",
        number(files as u64, "file", "files"),
        number(sockets.len() as u64, "socket", "sockets"),
        of([(listening, "listening"), (connected, "connected")]),
        number(checkpoint.mounts.len() as u64, "mount", "mounts"),
        of([(outside, "from outside"), (0, "")]),
    ))
}

/// `7f…-7f…`, as in `/proc/PID/maps`.
fn range(vma: &Vma) -> String {
    format!("{:08x}-{:08x}", vma.start.0, vma.end.0)
}

/// `anonymous 12.1 MiB, heap 1.0 MiB`: the kinds of which something is in the checkpoint.
fn kinds(memory: &[KindOfMemory]) -> Option<String> {
    let held = memory.iter().filter(|kind| kind.dumped_bytes > 0);
    let kinds: Vec<String> =
        held.map(|kind| format!("{} {}", kind.kind, bytes(kind.dumped_bytes))).collect();
    (!kinds.is_empty()).then(|| kinds.join(", "))
}

/// Bytes in the checkpoint; a dash is easier to skip than a zero.
fn held(count: u64) -> String {
    if count == 0 { "-".to_owned() } else { bytes(count) }
}

fn kind(kind: RegionKind) -> &'static str {
    match kind {
        RegionKind::Memfd => "memfd",
        RegionKind::SysvShm => "System V segment",
        RegionKind::Memory
        | RegionKind::SharedMemory
        | RegionKind::Argv
        | RegionKind::Environ
        | RegionKind::Pipe
        | RegionKind::Fifo
        | RegionKind::SocketQueue
        | RegionKind::TcpQueue
        | RegionKind::GhostFile
        | RegionKind::SysvMessage
        | RegionKind::Tty
        | RegionKind::TmpfsFile
        | RegionKind::File
        | RegionKind::VolumeFile
        | RegionKind::Log
        | RegionKind::Metadata
        | RegionKind::BpfMap
        | RegionKind::Registers
        | RegionKind::RawImage => "shared memory",
    }
}

#[cfg(test)]
mod tests {
    use super::super::SCHEMA;
    use super::*;
    use crate::report::Container;

    fn page(count: u32, style: &Style) -> String {
        let process = |pid| Process {
            pid,
            parent: Some(1).filter(|_| pid != 1),
            comm: Some("bomb".to_owned()),
            exe: None,
            uid: Some(0),
            cwd: None,
            root: None,
            state: "alive",
            threads: Some(1),
            cmdline: Some(vec!["long ".repeat(1000)]),
            environ_names: Some(vec!["NAME".to_owned(); 2000]),
            credentials: None,
            namespaces: Vec::new(),
            limits: Vec::new(),
            files: None,
            memory_bytes: 0,
            unmapped_bytes: 0,
            memory: Vec::new(),
            vmas: Vec::new(),
        };
        let checkpoint = Checkpoint {
            images: String::new(),
            producer: "criu".to_owned(),
            container: Container::default(),
            pod: None,
            host: None,
            created: None,
            started: None,
            restored: None,
            checkpointed: None,
            criu: None,
            node: None,
            kernel: None,
            addresses: Vec::new(),
            reference: None,
            annotations: std::collections::BTreeMap::new(),
            pre_dump: false,
            encrypted: false,
            memory_bytes: 0,
            descriptors: Vec::new(),
            processes: (1..=count).map(process).collect(),
            shared: Vec::new(),
            sockets: Vec::new(),
            mounts: Vec::new(),
            deleted: Vec::new(),
        };
        let diagnostics = Vec::new();
        let inspection = Inspection { schema: SCHEMA, checkpoints: vec![checkpoint], diagnostics };
        let parts = Parts { maps: true, environ: count == 1, ..Parts::default() };
        let mut out = Vec::new();
        text(&inspection, parts, style, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_page_is_short_unless_all_is_asked_for() {
        let short = page(3000, &Style::default());
        assert!(short.ends_with("  and 2000 more processes (-v shows all)\n"));
        assert_eq!(short.matches("bomb").count(), ROWS);
        assert!(short.len() < ROWS * 1000, "{}", short.len());
        let names = page(1, &Style::default());
        assert!(names.ends_with("  and 1000 more names (-v shows all)\n"));
        let whole = page(3000, &Style { verbose: true, ..Style::default() });
        assert_eq!(whole.matches("bomb").count(), 3000);
        assert!(!whole.contains("more"));
    }

    #[test]
    fn colours_are_for_terminals() {
        assert!(!page(1, &Style::default()).contains('\u{1b}'));
        assert!(page(1, &Style { color: true, ..Style::default() }).contains("\u{1b}[1mcriu"));
    }
}
