//! Dumps live processes of ours as CRIU would: stops them, reads their memory from `/proc/PID/mem` and
//! writes an image set. Needs no CRIU and no privilege beyond the kernel's for one's own children.
//!
//! Private memory is written page by page as it is read. What processes share (anonymous shared memory,
//! memfds, `/dev/shm`) is held in memory once. Left out: registers, and the content of shared files.

mod proc;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tar::EntryType;

use self::proc::{Line, PAGE, PAGE_BYTES};
use crate::builder::{
    self, Archive, Checkpoint, Kind, Mapping, Process, Producer, Segment, header, present,
};

/// Bytes read at once.
const CHUNK: u64 = 1 << 20;
/// Shared memory beyond this is left out.
const SHARED_MAX: u64 = 512 << 20;
/// How long a process may take to stop.
const STOP: Duration = Duration::from_secs(10);

/// What a dump holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dumped {
    /// Processes in it, the root first.
    pub pids: Vec<u32>,
    /// Bytes of their private memory.
    pub private: u64,
    /// Bytes of shared memory.
    pub shared: u64,
    /// Bytes that could not be read: they are zero in the dump.
    pub unreadable: u64,
}

/// A process and all that descend from it, the root first; what has ended is left out.
///
/// # Errors
/// When `/proc` cannot be read, or the root is no process.
pub fn tree(root: u32) -> Result<Vec<u32>> {
    let parents = proc::parents()?;
    ensure!(parents.contains_key(&root), "no process {root}");
    let mut pids = vec![root];
    let mut at = 0;
    while let Some(parent) = pids.get(at).copied() {
        pids.extend(parents.iter().filter(|(_, of)| **of == parent).map(|(pid, _)| *pid));
        at += 1;
    }
    pids.retain(|pid| proc::stat(*pid).is_ok_and(|stat| !matches!(stat.state, 'Z' | 'X')));
    Ok(pids)
}

/// Stops a process and all that descend from it, and gives their numbers, the root first.
///
/// # Errors
/// When a process cannot be signalled, or does not stop in ten seconds.
pub fn stop(root: u32) -> Result<Vec<u32>> {
    let mut stopped: Vec<u32> = Vec::new();
    loop {
        // Those that were started while we stopped the others.
        let pids = tree(root)?;
        let running: Vec<u32> = pids.iter().filter(|pid| !stopped.contains(pid)).copied().collect();
        if running.is_empty() {
            return Ok(pids);
        }
        signal("STOP", &running)?;
        let since = Instant::now();
        for pid in &running {
            while proc::stat(*pid).is_ok_and(|stat| !matches!(stat.state, 'T' | 't' | 'Z' | 'X')) {
                ensure!(since.elapsed() < STOP, "process {pid} does not stop");
                thread::sleep(Duration::from_millis(2));
            }
        }
        stopped.extend(running);
    }
}

/// Sends a signal (`STOP`, `CONT`, `KILL`) to processes; those that have ended are no error.
///
/// # Errors
/// When there is no shell to send it.
pub fn signal(name: &str, pids: &[u32]) -> Result<()> {
    let pids: Vec<String> = pids.iter().map(u32::to_string).collect();
    let command = format!("kill -{name} {} 2>/dev/null; true", pids.join(" "));
    let status =
        Command::new("/bin/sh").args(["-c", &command]).status().context("cannot start /bin/sh")?;
    ensure!(status.success(), "sh: {status}");
    Ok(())
}

/// Writes the image set of stopped processes, the root first, as a tar. `watch` is shown all private
/// memory as it is read: process, address, and bytes, in rising order within a process.
///
/// # Errors
/// When a process cannot be read or the file cannot be written.
pub fn dump(pids: &[u32], out: &Path, watch: &mut dyn FnMut(u32, u64, &[u8])) -> Result<Dumped> {
    let mut dumped = Dumped { pids: pids.to_vec(), ..Dumped::default() };
    let mut segments = Segments::default();
    let mut checkpoint = Checkpoint::new();
    let mut memory = Vec::new();
    for pid in pids {
        let live = read(*pid, pids.contains(&proc::stat(*pid)?.parent), &mut segments)
            .with_context(|| format!("process {pid}"))?;
        for run in &live.runs {
            checkpoint =
                checkpoint.pagemap_entry(*pid, present(run.start, (run.end - run.start) / PAGE));
        }
        checkpoint = checkpoint.process(live.process);
        memory.push((*pid, live.runs));
    }
    let shared = segments.found.len();
    for (number, content) in segments.found.into_values() {
        dumped.shared += content.content().len() as u64;
        checkpoint = checkpoint.segment(Segment::memfd(number, "dumped", content));
    }
    let file = File::create(out).with_context(|| format!("cannot create {}", out.display()))?;
    let mut out = BufWriter::with_capacity(1 << 20, file);
    let archive = Archive::of(Producer::Criu, &checkpoint);
    for (name, bytes) in archive.files() {
        // Pages images are numbered: those of segments, then those of processes.
        let number = name.strip_prefix("pages-").and_then(|name| name.strip_suffix(".img"));
        let number: Option<usize> = number.and_then(|number| number.parse().ok());
        let streamed = number.and_then(|number| memory.get(number.checked_sub(shared + 1)?));
        let Some((pid, runs)) = streamed else {
            member(&mut out, name, bytes.len() as u64)?;
            out.write_all(bytes)?;
            pad(&mut out, bytes.len() as u64)?;
            continue;
        };
        let size = runs.iter().map(|run| run.end - run.start).sum();
        member(&mut out, name, size)?;
        dumped.private += size;
        let mem = open_memory(*pid)?;
        let mut buffer = vec![0; usize::try_from(CHUNK)?];
        for run in runs {
            let mut at = run.start;
            while at < run.end {
                let len = usize::try_from(CHUNK.min(run.end - at))?;
                let buffer = buffer.get_mut(..len).context("a chunk")?;
                dumped.unreadable += read_pages(&mem, at, buffer);
                watch(*pid, at, buffer);
                out.write_all(buffer)?;
                at += len as u64;
            }
        }
        pad(&mut out, size)?;
    }
    out.write_all(&[0; 2 * builder::BLOCK])?;
    out.flush().context("cannot write the dump")?;
    Ok(dumped)
}

fn member(out: &mut impl Write, name: &str, size: u64) -> Result<()> {
    Ok(out.write_all(header(name, EntryType::Regular, usize::try_from(size)?).as_bytes())?)
}

fn pad(out: &mut impl Write, size: u64) -> Result<()> {
    let rest = size.next_multiple_of(builder::BLOCK as u64) - size;
    Ok(out.write_all(&vec![0; usize::try_from(rest)?])?)
}

fn open_memory(pid: u32) -> Result<File> {
    let path = proc::path(pid, "mem");
    File::open(&path).with_context(|| format!("cannot open {}", path.display()))
}

/// Reads memory; gives how many bytes could not be read, which are zero then.
fn read_pages(mem: &File, at: u64, buffer: &mut [u8]) -> u64 {
    if mem.read_exact_at(buffer, at).is_ok() {
        return 0;
    }
    let pages = (at..).step_by(PAGE_BYTES).zip(buffer.chunks_mut(PAGE_BYTES));
    let mut unreadable = 0;
    for (at, page) in pages {
        if mem.read_exact_at(page, at).is_err() {
            page.fill(0);
            unreadable += PAGE;
        }
    }
    unreadable
}

/// Shared memory objects by what the kernel knows them by, with their numbers.
#[derive(Default)]
struct Segments {
    found: BTreeMap<(u64, String), (u32, Mapping)>,
}

impl Segments {
    /// The number of the segment of a mapping, whose bytes are read; `None` if it is too large.
    fn add(&mut self, line: &Line, mem: &File) -> Result<Option<u32>> {
        let end = line.offset + line.len();
        if end > SHARED_MAX {
            return Ok(None);
        }
        let next = u32::try_from(self.found.len())? + 1;
        let key = (line.inode, line.name.clone());
        let (number, content) =
            self.found.entry(key).or_insert_with(|| (next, Mapping::zero(0, 0)));
        let known = content.content().len() as u64;
        if known < end {
            // What another mapping of the same object has shown stays.
            let mut bytes = content.content().to_vec();
            bytes.resize(usize::try_from(end)?, 0);
            *content = Mapping::zero(0, bytes.len()).put(0, bytes);
        }
        let mut bytes = vec![0; usize::try_from(line.len())?];
        read_pages(mem, line.range.start, &mut bytes);
        let before = std::mem::replace(content, Mapping::zero(0, 0));
        *content = before.put(line.offset, bytes);
        Ok(Some(*number))
    }
}

/// A process without its memory, and the runs of addresses that are in its dump.
struct Live {
    process: Process,
    runs: Vec<std::ops::Range<u64>>,
}

fn read(pid: u32, has_parent: bool, segments: &mut Segments) -> Result<Live> {
    let stat = proc::stat(pid)?;
    let (argv, environ) = (proc::strings(pid, "cmdline")?, proc::strings(pid, "environ")?);
    let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
    let environ: Vec<&str> = environ.iter().map(String::as_str).collect();
    let mut process = Process::new(pid, &stat.comm).argv(&argv).environ(&environ);
    if has_parent {
        process = process.parent(stat.parent);
    }
    if let Some(exe) = proc::link(pid, "exe") {
        process = process.exe(&exe);
    }
    let mut layout = stat.layout;
    let pagemap = File::open(proc::path(pid, "pagemap")).context("cannot open its page map")?;
    let mem = open_memory(pid)?;
    let mut runs = Vec::new();
    for line in proc::maps(pid)? {
        // The kernel's own: pages of its clock, and an address of the kernel.
        if line.name.starts_with("[vvar") || line.name == "[vsyscall]" {
            continue;
        }
        let in_memory = ["/dev/zero", "/memfd:", "/SYSV", "/dev/shm/"];
        if line.shared {
            if in_memory.iter().any(|prefix| line.name.starts_with(prefix))
                && let Some(segment) = segments.add(&line, &mem)?
            {
                process = process.map_shared(line.range.start, segment, line.offset, line.len());
            }
            continue;
        }
        let kind = match line.name.as_str() {
            "[heap]" => {
                layout.brk.end = line.range.end;
                Kind::Heap
            }
            "[stack]" => Kind::Stack,
            name if name.starts_with('/') => Kind::File(name.to_owned()),
            _ => Kind::Anonymous,
        };
        let mapping = Mapping::zero(line.range.start, 0).reserve(line.len());
        process = process.map(mapping.kind(kind).prot(line.prot));
        runs.extend(proc::own_pages(&pagemap, &line.range)?);
    }
    if runs.is_empty() {
        bail!("it has no memory of its own");
    }
    for (descriptor, path) in files(pid)? {
        process = process.open(descriptor, &path);
    }
    Ok(Live { process: process.layout(layout), runs })
}

/// The regular files it has open.
fn files(pid: u32) -> Result<Vec<(u32, String)>> {
    let folder = std::fs::read_dir(proc::path(pid, "fd")).context("cannot list its files")?;
    let mut files = Vec::new();
    for entry in folder {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let is_file = std::fs::metadata(proc::path(pid, &format!("fd/{name}")));
        if is_file.is_ok_and(|metadata| metadata.is_file())
            && let (Ok(number), Some(path)) = (name.parse(), proc::link(pid, &format!("fd/{name}")))
        {
            files.push((number, path));
        }
    }
    files.sort_unstable();
    Ok(files)
}
