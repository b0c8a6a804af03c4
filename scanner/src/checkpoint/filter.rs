//! Filters: which memory is looked at. They choose mappings of processes; what lies in no mapping
//! that fits, and all that is no memory of a process, is left out.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::{Process, Shared, VmaInfo, VmaKind};

/// Which memory is looked at. Empty: everything, files and kernel buffers too.
///
/// Within a list one has to fit, except that pids and names are one list: both name processes. Of
/// the lists that are not empty, all have to fit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Pids inside the container.
    pub pids: Vec<u32>,
    /// Names of processes or of their programs, with `*` and `?`.
    pub names: Vec<String>,
    /// Kinds of mappings.
    pub kinds: Vec<VmaKind>,
    /// Letters of `/proc/PID/maps` (`rwxsp`) that a mapping must have, all of one of these.
    pub prots: Vec<String>,
    /// Addresses.
    pub addresses: Vec<Range<u64>>,
}

/// What of a holder is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// All of it.
    All,
    /// These addresses, sorted and without overlap or touch; perhaps none.
    Parts(Arc<[Range<u64>]>),
}

impl Filter {
    /// Whether nothing is left out.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether it asks for nothing but processes.
    pub fn is_of_processes(&self) -> bool {
        !self.asks_for_mappings() && self.addresses.is_empty()
    }

    /// Whether it asks for processes.
    fn asks_for_processes(&self) -> bool {
        !(self.pids.is_empty() && self.names.is_empty())
    }

    /// Whether it asks for kinds or protections of mappings.
    fn asks_for_mappings(&self) -> bool {
        !(self.kinds.is_empty() && self.prots.is_empty())
    }

    /// Whether a process fits.
    pub fn has_process(&self, pid: u32, comm: Option<&str>, exe: Option<&str>) -> bool {
        !self.asks_for_processes()
            || self.pids.contains(&pid)
            || self.names.iter().any(|name| is_named(comm, exe, name))
    }

    /// Whether a mapping fits by its kind and protection, whatever its addresses and process.
    pub fn has_mapping(&self, kind: VmaKind, prot: &str) -> bool {
        let has_all = |letters: &String| letters.chars().all(|letter| prot.contains(letter));
        (self.kinds.is_empty() || self.kinds.contains(&kind))
            && (self.prots.is_empty() || self.prots.iter().any(has_all))
    }

    /// Whether an address of a range fits.
    pub fn has_address(&self, range: &Range<u64>) -> bool {
        let touches = |it: &Range<u64>| it.start < range.end && range.start < it.end;
        self.addresses.is_empty() || self.addresses.iter().any(touches)
    }

    /// Whether some of a mapping of a process fits.
    fn has_vma(&self, process: &Process, vma: &VmaInfo) -> bool {
        self.fits(process)
            && self.has_mapping(vma.kind, &vma.prot)
            && self.has_address(&(vma.start..vma.end))
    }

    fn fits(&self, process: &Process) -> bool {
        let comm = Some(process.comm.as_str()).filter(|comm| !comm.is_empty());
        self.has_process(process.pid, comm, process.exe.as_deref())
    }

    /// What is left of a range between the addresses that fit.
    fn within(&self, range: Range<u64>) -> Vec<Range<u64>> {
        if self.addresses.is_empty() {
            return vec![range];
        }
        let parts = self.addresses.iter();
        parts.map(|it| it.start.max(range.start)..it.end.min(range.end)).collect()
    }

    /// What of the private memory of a process is looked at.
    pub fn of_memory(&self, process: &Process) -> Scope {
        if !self.fits(process) {
            return Scope::none();
        }
        if !self.asks_for_mappings() {
            if self.addresses.is_empty() {
                return Scope::All;
            }
            return Scope::of(self.addresses.clone());
        }
        let vmas = process.vmas.iter().filter(|vma| self.has_mapping(vma.kind, &vma.prot));
        Scope::of(vmas.flat_map(|vma| self.within(vma.start..vma.end)).collect())
    }

    /// What of a shared segment is looked at: where a mapping that fits shows it. One that no process
    /// maps fits if a process that has it open does, and no mapping is asked for.
    pub fn of_shared(&self, shared: &Shared, processes: &BTreeMap<u32, Process>) -> Scope {
        let mut parts = Vec::new();
        for mapping in &shared.mappings {
            let Some(process) = processes.get(&mapping.pid) else { continue };
            let Some(vma) = process.vma_at(mapping.start) else { continue };
            if !self.has_vma(process, vma) {
                continue;
            }
            let offset = |at: u64| mapping.offset.saturating_add(at.saturating_sub(mapping.start));
            let seen = self.within(mapping.start..mapping.end).into_iter();
            parts.extend(
                seen.filter(|part| part.start < part.end)
                    .map(|part| offset(part.start)..offset(part.end)),
            );
        }
        let opens =
            |(pid, _): &(u32, u32)| processes.get(pid).is_some_and(|process| self.fits(process));
        if self.is_of_processes() && shared.mappings.is_empty() && shared.open_by.iter().any(opens)
        {
            return Scope::All;
        }
        Scope::of(parts)
    }

    /// Leaves out the mappings of shared segments that do not fit, so that places name the others only.
    pub fn restrict(&self, shared: &mut BTreeMap<u32, Shared>, processes: &BTreeMap<u32, Process>) {
        if self.is_empty() {
            return;
        }
        for segment in shared.values_mut() {
            segment.mappings.retain(|mapping| {
                let process = processes.get(&mapping.pid);
                process
                    .and_then(|process| Some((process, process.vma_at(mapping.start)?)))
                    .is_some_and(|(process, vma)| self.has_vma(process, vma))
            });
            segment.open_by.retain(|(pid, _)| processes.get(pid).is_some_and(|it| self.fits(it)));
        }
    }
}

impl fmt::Display for Filter {
    /// As the options that make it: `--pid 15,16 --vma heap`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |all: Vec<String>| all.join(",");
        let addresses = self.addresses.iter();
        let options = [
            ("pid", list(self.pids.iter().map(u32::to_string).collect())),
            ("process", list(self.names.clone())),
            ("vma", list(self.kinds.iter().map(|kind| kind.name().to_owned()).collect())),
            ("prot", list(self.prots.clone())),
            (
                "address",
                list(addresses.map(|it| format!("{:#x}-{:#x}", it.start, it.end)).collect()),
            ),
        ];
        let given = options.iter().filter(|(_, value)| !value.is_empty());
        let words: Vec<String> = given.map(|(name, value)| format!("--{name} {value}")).collect();
        f.write_str(&words.join(" "))
    }
}

impl Scope {
    /// Nothing of it.
    pub fn none() -> Self {
        Self::Parts(Arc::from([]))
    }

    fn of(mut parts: Vec<Range<u64>>) -> Self {
        parts.retain(|part| part.start < part.end);
        parts.sort_by_key(|part| (part.start, part.end));
        parts.dedup_by(|next, last| {
            let joins = next.start <= last.end;
            if joins {
                last.end = last.end.max(next.end);
            }
            joins
        });
        Self::Parts(parts.into())
    }

    /// Whether an address is looked at.
    pub fn contains(&self, address: u64) -> bool {
        match self {
            Self::All => true,
            Self::Parts(parts) => {
                let after = parts.partition_point(|part| part.start <= address);
                let part = after.checked_sub(1).and_then(|at| parts.get(at));
                part.is_some_and(|part| address < part.end)
            }
        }
    }

    /// What of a range is looked at, in order.
    pub fn within(&self, range: &Range<u64>) -> Vec<Range<u64>> {
        match self {
            Self::All if range.start < range.end => vec![range.clone()],
            Self::All => Vec::new(),
            Self::Parts(parts) => {
                let first = parts.partition_point(|part| part.end <= range.start);
                let rest = parts.get(first..).unwrap_or_default().iter();
                rest.take_while(|part| part.start < range.end)
                    .map(|part| part.start.max(range.start)..part.end.min(range.end))
                    .collect()
            }
        }
    }
}

/// Whether a process or its program has a name, in which `*` stands for any characters and `?` for one.
pub fn is_named(comm: Option<&str>, exe: Option<&str>, pattern: &str) -> bool {
    let exe = exe.map(|exe| exe.strip_suffix(" (deleted)").unwrap_or(exe));
    let program = exe.and_then(|exe| exe.rsplit('/').next());
    [comm, program].into_iter().flatten().any(|name| is_like(name.as_bytes(), pattern.as_bytes()))
}

/// Whether a text is like a pattern: the last `*` takes more until the rest fits, so no time is lost.
fn is_like(text: &[u8], pattern: &[u8]) -> bool {
    let (mut text, mut pattern) = (text, pattern);
    let mut star: Option<(&[u8], &[u8])> = None;
    loop {
        match (pattern.split_first(), text.split_first()) {
            (Some((b'*', rest)), _) => {
                star = Some((rest, text));
                pattern = rest;
            }
            (Some((want, rest)), Some((have, left))) if *want == b'?' || want == have => {
                (pattern, text) = (rest, left);
            }
            (None, None) => return true,
            _ => {
                let Some((rest, left)) =
                    star.and_then(|(rest, from)| Some((rest, from.split_first()?.1)))
                else {
                    return false;
                };
                star = Some((rest, left));
                (pattern, text) = (rest, left);
            }
        }
    }
}

#[cfg(test)]
#[expect(clippy::single_range_in_vec_init, reason = "lists of ranges are meant")]
mod tests {
    use super::super::Mapping;
    use super::*;
    use crate::region::RegionKind;

    fn vma(start: u64, end: u64, kind: VmaKind, prot: &str) -> VmaInfo {
        VmaInfo { start, end, kind, prot: prot.to_owned(), offset: 0, path: None }
    }

    fn process() -> Process {
        Process {
            pid: 5,
            parent: 0,
            comm: "java".to_owned(),
            exe: Some("/usr/bin/openjdk (deleted)".to_owned()),
            uid: None,
            state: "alive",
            threads: 1,
            vmas: vec![
                vma(0x1000, 0x3000, VmaKind::Heap, "rw-p"),
                vma(0x3000, 0x4000, VmaKind::Anonymous, "rwxp"),
                vma(0x8000, 0x9000, VmaKind::Shared, "rw-s"),
            ],
            argv: 0..0,
            environ: 0..0,
            cmdline: Vec::new(),
            environ_names: Vec::new(),
        }
    }

    fn parts(scope: &Scope) -> Vec<Range<u64>> {
        scope.within(&(0..u64::MAX))
    }

    #[test]
    fn names_may_have_stars() {
        for (pattern, fits) in [
            ("java", true),
            ("openjdk", true),
            ("jav", false),
            ("j*a", true),
            ("*", true),
            ("?ava", true),
            ("*jd*", true),
            ("*a*b", false),
            ("", false),
        ] {
            let process = process();
            let found = is_named(Some(&process.comm), process.exe.as_deref(), pattern);
            assert_eq!(found, fits, "{pattern}");
        }
        assert!(!is_like(&[b'a'; 4096], &[b"a*".repeat(500), b"b".to_vec()].concat()));
    }

    #[test]
    fn mappings_fit_by_kind_protection_and_address() {
        let all = Filter { pids: vec![5], ..Filter::default() };
        assert_eq!(all.of_memory(&process()), Scope::All);
        let other = Filter { pids: vec![6], ..Filter::default() };
        assert_eq!(other.of_memory(&process()), Scope::none());
        let either = Filter { pids: vec![6], names: vec!["java".to_owned()], ..Filter::default() };
        assert_eq!(either.of_memory(&process()), Scope::All);
        let heap = Filter { kinds: vec![VmaKind::Heap], ..Filter::default() };
        assert_eq!(parts(&heap.of_memory(&process())), [0x1000..0x3000]);
        // Mappings that touch are one stretch.
        let write = Filter { prots: vec!["wp".to_owned()], ..Filter::default() };
        assert_eq!(parts(&write.of_memory(&process())), [0x1000..0x4000]);
        let both = Filter { prots: vec!["wx".to_owned()], ..heap.clone() };
        assert_eq!(both.of_memory(&process()), Scope::none());
        let cut = Filter { addresses: vec![0x2800..0x2900, 0x0..0x1800], ..heap };
        assert_eq!(parts(&cut.of_memory(&process())), [0x1000..0x1800, 0x2800..0x2900]);
    }

    #[test]
    fn a_segment_fits_where_a_mapping_that_fits_shows_it() {
        let mapping = |pid, start| Mapping { pid, start, end: start + 0x1000, offset: 0x4000 };
        let segment = Shared {
            kind: RegionKind::SharedMemory,
            name: None,
            mappings: vec![mapping(5, 0x8000), mapping(9, 0x7000)],
            open_by: vec![(5, 3), (9, 3)],
        };
        let processes = BTreeMap::from([(5, process())]);
        let filter = Filter { addresses: vec![0x8800..0x9000], ..Filter::default() };
        assert_eq!(parts(&filter.of_shared(&segment, &processes)), [0x4800..0x5000]);
        let filter = Filter { pids: vec![9], ..Filter::default() };
        assert_eq!(filter.of_shared(&segment, &processes), Scope::none());
        let filter = Filter { pids: vec![5], ..Filter::default() };
        let mut shared = BTreeMap::from([(1, segment.clone())]);
        filter.restrict(&mut shared, &processes);
        assert_eq!(shared[&1].mappings, [mapping(5, 0x8000)]);
        assert_eq!(shared[&1].open_by, [(5, 3)]);
        let open = Shared { mappings: Vec::new(), ..segment };
        assert_eq!(filter.of_shared(&open, &processes), Scope::All);
    }

    #[test]
    fn a_filter_reads_as_its_options() {
        let filter = Filter {
            pids: vec![5, 7],
            kinds: vec![VmaKind::Heap],
            addresses: vec![0x1000..0x2000],
            ..Filter::default()
        };
        assert_eq!(filter.to_string(), "--pid 5,7 --vma heap --address 0x1000-0x2000");
    }
}
