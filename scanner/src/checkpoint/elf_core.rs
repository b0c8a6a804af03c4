//! ELF cores: the memory of one process as the kernel, `gcore` and others write it. Program headers
//! say which addresses lie at which offsets; notes say whose memory it was.
//!
//! Pure functions of bytes. Formats: `elf(5)`, `core(5)`, Linux `fs/binfmt_elf.c` and
//! `include/uapi/linux/elfcore.h`.

use std::ops::Range;

use super::process::text;
use super::{Process, VmaInfo, VmaKind};
use crate::region::{Form, Holder, Piece, RegionKind, Space};

/// Segments of notes that are read; real cores have one.
const MOST_NOTES: u32 = 16;

/// What the ELF header says of a core.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CoreHeader {
    /// Whether addresses have 64 bits.
    wide: bool,
    /// The architecture: `EM_X86_64` …
    machine: u16,
    /// Offset of the program headers.
    table: u64,
    /// How many of them.
    count: u64,
}

/// A program header of interest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Whether it holds notes; memory otherwise.
    pub is_note: bool,
    /// Protection: 4 read, 2 write, 1 execute.
    flags: u32,
    /// Where its bytes lie in the file.
    offset: u64,
    /// Its first address.
    vaddr: u64,
    /// Bytes in the file.
    stored: u64,
    /// Bytes in memory.
    len: u64,
}

impl Segment {
    /// Its bytes in the file.
    pub fn range(&self) -> Range<u64> {
        self.offset..self.offset.saturating_add(self.stored)
    }
}

/// Which addresses lie where in a core, and what else is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoreLayout {
    /// The memory.
    pub pieces: Vec<Piece>,
    /// All other bytes of the file but `padding`, in order.
    pub rest: Vec<Range<u64>>,
    /// Bytes between segments whose addresses touch.
    pub padding: u64,
    /// Bytes of memory that would lie beyond the end of the file.
    pub beyond: u64,
    /// Segments without addresses of their own: they overlap others, or are not in their order. Their
    /// bytes are in `rest`.
    pub refused: u64,
}

/// A core of a known shape, or in words why it cannot be laid out; `None`: no core. `head` is the
/// beginning of the file, 512 bytes of it or all.
pub fn recognise(head: &[u8]) -> Option<Result<CoreHeader, &'static str>> {
    const CORE: u16 = 4;
    const COUNTED_ELSEWHERE: u64 = 0xffff;
    let ident = head.get(..16)?.strip_prefix(b"\x7fELF")?;
    let [class, order, ..] = *ident else { return None };
    let kind = <[u8; 2]>::try_from(head.get(16..18)?).ok()?;
    match order {
        1 if u16::from_le_bytes(kind) == CORE => {}
        2 if u16::from_be_bytes(kind) == CORE => {
            return Some(Err("the core of a big-endian machine"));
        }
        _ => return None,
    }
    let wide = match class {
        1 => false,
        2 => true,
        _ => return Some(Err("an ELF core of no known class")),
    };
    let header = Words { bytes: head, wide };
    let (table, size, count) = if wide { (32, 54, 56) } else { (28, 42, 44) };
    let fields = (header.word(table), header.half(size), header.half(count), header.half(18));
    let (Some(table), Some(size), Some(count), Some(machine)) = fields else {
        return Some(Err("an ELF core without a whole header"));
    };
    let entry = entry_size(wide);
    if u64::from(size) != entry {
        return Some(Err("an ELF core with program headers of no known size"));
    }
    let mut count = u64::from(count);
    if count == COUNTED_ELSEWHERE {
        // The true number is at the end of the file. The first segment follows on the headers.
        let at = usize::try_from(table).unwrap_or(usize::MAX);
        let first = segment(head.get(at..).unwrap_or_default(), wide);
        let Some(first) = first.filter(|first| first.offset > table) else {
            return Some(Err("an ELF core whose program headers cannot be counted"));
        };
        count = first.offset.saturating_sub(table).checked_div(entry).unwrap_or_default();
    }
    Some(Ok(CoreHeader { wide, machine, table, count }))
}

impl CoreHeader {
    /// Where the program headers end in the file.
    pub fn end(&self) -> u64 {
        let len = self.count.saturating_mul(entry_size(self.wide));
        self.table.saturating_add(len)
    }

    /// The program headers of memory and notes; `prefix` is the file up to [`CoreHeader::end`].
    pub fn segments(&self, prefix: &[u8]) -> Vec<Segment> {
        let at = usize::try_from(self.table).unwrap_or(usize::MAX);
        let entry = usize::try_from(entry_size(self.wide)).unwrap_or(usize::MAX);
        let table = prefix.get(at..).unwrap_or_default();
        let count = usize::try_from(self.count).unwrap_or(usize::MAX);
        let mut notes = 0u32;
        let all = table.chunks_exact(entry).take(count).filter_map(|it| segment(it, self.wide));
        all.filter(|segment| {
            notes = notes.saturating_add(segment.is_note.into());
            !segment.is_note || notes <= MOST_NOTES
        })
        .collect()
    }

    /// Lays out the memory in a file of `len` bytes; `u64::MAX` where that is not known.
    pub fn lay_out(&self, segments: &[Segment], len: u64) -> CoreLayout {
        /// Alignment leaves less than this between segments.
        const PADDING: u64 = 4096;
        let mut loads: Vec<&Segment> =
            segments.iter().filter(|segment| !segment.is_note && segment.stored > 0).collect();
        loads.sort_by_key(|load| (load.offset, load.vaddr, load.stored));
        let (pieces, rest) = (Vec::new(), Vec::new());
        let mut layout = CoreLayout { pieces, rest, padding: 0, beyond: 0, refused: 0 };
        // What follows must do so in the file and in memory: a stream passes once.
        let (mut file_end, mut memory_end) = (self.end(), 0u64);
        let mut taken = 0u64;
        for load in loads {
            let ends =
                load.offset.checked_add(load.stored).zip(load.vaddr.checked_add(load.stored));
            let Some((next_file, next_memory)) = ends else {
                layout.refused = layout.refused.saturating_add(1);
                continue;
            };
            let gap = load.offset.saturating_sub(file_end);
            let touches = load.vaddr == memory_end && !layout.pieces.is_empty();
            if load.offset < file_end || load.vaddr < memory_end || (touches && gap >= PADDING) {
                layout.refused = layout.refused.saturating_add(1);
                continue;
            }
            (file_end, memory_end) = (next_file, next_memory);
            let held = load.stored.min(len.saturating_sub(load.offset));
            layout.beyond = layout.beyond.saturating_add(load.stored.saturating_sub(held));
            if held == 0 {
                continue;
            }
            if touches {
                layout.padding = layout.padding.saturating_add(gap);
            } else if taken < load.offset {
                layout.rest.push(taken..load.offset);
            }
            taken = load.offset.saturating_add(held);
            layout.pieces.push(Piece {
                at: load.vaddr,
                len: held,
                layer: 0,
                image: 0,
                offset: load.offset,
                form: Form::Raw,
            });
        }
        if taken < len {
            layout.rest.push(taken..len);
        }
        layout
    }

    /// The process, from the notes; what they do not say is not known.
    pub fn process(&self, segments: &[Segment], notes: &[Vec<u8>]) -> Process {
        let mut facts = Facts::default();
        for bytes in notes {
            self.notes(bytes, &mut facts);
        }
        facts.files.sort_by_key(|file| (file.start, file.end));
        let file_at = |address: u64| {
            let after = facts.files.partition_point(|file| file.start <= address);
            let file = after.checked_sub(1).and_then(|at| facts.files.get(at))?;
            (address < file.end).then_some(file)
        };
        let mut loads: Vec<&Segment> =
            segments.iter().filter(|segment| !segment.is_note && segment.len > 0).collect();
        loads.sort_by_key(|load| (load.vaddr, load.len));
        let mut vmas: Vec<VmaInfo> = Vec::new();
        for load in loads {
            let end = load.vaddr.saturating_add(load.len);
            if vmas.last().is_some_and(|last| load.vaddr < last.end) {
                continue;
            }
            let holds = |address: &u64| load.vaddr <= *address && *address < end;
            let file = file_at(load.vaddr);
            let kind = if file.is_some_and(|file| is_shared(&file.path)) {
                VmaKind::Shared
            } else if file.is_some() {
                VmaKind::File
            } else if facts.stacks.iter().any(holds) {
                VmaKind::Stack
            } else if facts.vdso.as_ref().is_some_and(holds) {
                VmaKind::Vdso
            } else {
                VmaKind::Anonymous
            };
            let bit = |bit: u32, letter| if load.flags & bit != 0 { letter } else { '-' };
            vmas.push(VmaInfo {
                start: load.vaddr,
                end,
                kind,
                // Whether it was shared is not told.
                prot: [bit(4, 'r'), bit(2, 'w'), bit(1, 'x'), 'p'].into_iter().collect(),
                offset: file.map_or(0, |file| {
                    file.offset.saturating_add(load.vaddr.saturating_sub(file.start))
                }),
                path: file.map(|file| file.path.clone()),
            });
        }
        let exe = facts.headers.and_then(file_at).map(|file| file.path.clone());
        Process {
            pid: facts.pid.or(facts.thread).unwrap_or_default(),
            parent: facts.parent.unwrap_or_default(),
            comm: facts.comm.unwrap_or_default(),
            exe,
            uid: facts.uid,
            state: "unknown",
            threads: facts.threads,
            vmas,
            argv: 0..0,
            environ: 0..0,
            cmdline: Vec::new(),
            environ_names: Vec::new(),
        }
    }

    fn notes(&self, mut bytes: &[u8], facts: &mut Facts) {
        const PRSTATUS: u32 = 1;
        const PRPSINFO: u32 = 3;
        const AUXV: u32 = 6;
        const FILE: u32 = 0x4649_4c45;
        let align = |len: u32| usize::try_from(len).ok()?.checked_next_multiple_of(4);
        loop {
            let header = Words { bytes, wide: false };
            let fields = (header.int(0), header.int(4), header.int(8));
            let (Some(name_len), Some(len), Some(kind)) = fields else { return };
            let (Some(name_end), Some(end)) = (align(name_len), align(len)) else { return };
            let rest = bytes.get(12..).unwrap_or_default();
            let name = rest.get(..name_end.min(rest.len())).unwrap_or_default();
            let Some(rest) = rest.get(name_end..) else { return };
            let len = usize::try_from(len).unwrap_or(usize::MAX);
            let desc = Words { bytes: rest.get(..len).unwrap_or_default(), wide: self.wide };
            if name.starts_with(b"CORE") {
                match kind {
                    PRSTATUS => self.status(&desc, facts),
                    PRPSINFO => self.info(&desc, facts),
                    AUXV => auxiliary(&desc, facts),
                    FILE => files(&desc, facts),
                    _ => {}
                }
            }
            let Some(next) = rest.get(end..) else { return };
            bytes = next;
        }
    }

    /// `elf_prstatus`: one a thread, the one that was dumped first.
    fn status(&self, desc: &Words<'_>, facts: &mut Facts) {
        facts.threads = facts.threads.saturating_add(1);
        facts.thread = facts.thread.or_else(|| desc.int(if self.wide { 32 } else { 24 }));
        // Where the stack pointer stands among the registers: x86-64, AArch64, RISC-V, i386, Arm.
        let register = match (self.wide, self.machine) {
            (true, 62) => 112 + 19 * 8,
            (true, 183) => 112 + 31 * 8,
            (true, 243) => 112 + 2 * 8,
            (false, 3) => 72 + 15 * 4,
            (false, 40) => 72 + 13 * 4,
            _ => return,
        };
        facts.stacks.extend(desc.word(register));
    }

    /// `elf_prpsinfo`. Old 32-bit machines have users of 16 bits.
    fn info(&self, desc: &Words<'_>, facts: &mut Facts) {
        let is_short = desc.bytes.len() < 128;
        let (uid, pid, name): (_, usize, usize) = match (self.wide, is_short) {
            (true, _) => (desc.int(16), 24, 40),
            (false, true) => (desc.half(8).map(u32::from), 12, 28),
            (false, false) => (desc.int(8), 16, 32),
        };
        facts.uid = uid;
        facts.pid = desc.int(pid);
        facts.parent = desc.int(pid.saturating_add(4));
        let name = desc.bytes.get(name..name.saturating_add(16)).unwrap_or_default();
        let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
        facts.comm = Some(text(name));
    }
}

/// What the notes say.
#[derive(Debug, Default)]
struct Facts {
    pid: Option<u32>,
    /// The first thread.
    thread: Option<u32>,
    parent: Option<u32>,
    uid: Option<u32>,
    comm: Option<String>,
    threads: usize,
    /// Stack pointers.
    stacks: Vec<u64>,
    /// Address of the vdso.
    vdso: Option<u64>,
    /// Address of the program headers of the program.
    headers: Option<u64>,
    files: Vec<MappedFile>,
}

#[derive(Debug)]
struct MappedFile {
    start: u64,
    end: u64,
    /// Bytes in the file before it.
    offset: u64,
    path: String,
}

/// Whether a mapped file is one of the kernel's own, for memory that processes share.
fn is_shared(path: &str) -> bool {
    ["/dev/zero (deleted)", "/SYSV", "/memfd:"].iter().any(|start| path.starts_with(start))
}

/// The auxiliary vector: pairs of a kind and a value.
fn auxiliary(desc: &Words<'_>, facts: &mut Facts) {
    const HEADERS: u64 = 3;
    const VDSO: u64 = 33;
    let step = desc.width().saturating_mul(2);
    let mut at = 0usize;
    while let (Some(kind), Some(value)) =
        (desc.word(at), desc.word(at.saturating_add(desc.width())))
    {
        match kind {
            0 => return,
            HEADERS => facts.headers = Some(value),
            VDSO => facts.vdso = Some(value),
            _ => {}
        }
        at = at.saturating_add(step);
    }
}

/// `NT_FILE`: how many, the size of a page, start, end and page of each, and then their names.
fn files(desc: &Words<'_>, facts: &mut Facts) {
    let (Some(count), Some(page)) = (desc.word(0), desc.word(desc.width())) else { return };
    let head = desc.width().saturating_mul(2);
    let entry = desc.width().saturating_mul(3);
    let room = desc.bytes.len().saturating_sub(head).checked_div(entry).unwrap_or_default();
    let count = usize::try_from(count).unwrap_or(usize::MAX).min(room);
    let names = head.saturating_add(count.saturating_mul(entry));
    let names = desc.bytes.get(names..).unwrap_or_default().split(|byte| *byte == 0);
    for (index, name) in names.enumerate().take(count) {
        let at = head.saturating_add(index.saturating_mul(entry));
        let word = |index: usize| desc.word(at.saturating_add(desc.width().saturating_mul(index)));
        let (Some(start), Some(end), Some(pages)) = (word(0), word(1), word(2)) else { return };
        let (offset, path) = (pages.saturating_mul(page), text(name));
        facts.files.push(MappedFile { start, end, offset, path });
    }
}

/// The memory of a core as a space.
pub fn memory(holder: Holder, layout: &CoreLayout) -> Space {
    Space {
        pieces: layout.pieces.clone(),
        page_size: 4096,
        cut: true,
        ..Space::file(holder, RegionKind::Memory, 0)
    }
}

/// All else of a core as a space: addresses are offsets in the file.
pub fn rest(holder: Holder, layout: &CoreLayout) -> Space {
    let piece = |range: &Range<u64>| Piece {
        at: range.start,
        len: range.end.saturating_sub(range.start),
        layer: 0,
        image: 0,
        offset: range.start,
        form: Form::Raw,
    };
    let pieces = layout.rest.iter().map(piece).collect();
    Space { pieces, ..Space::file(holder, RegionKind::RawImage, 0) }
}

/// Bytes of a program header.
fn entry_size(wide: bool) -> u64 {
    if wide { 56 } else { 32 }
}

fn segment(bytes: &[u8], wide: bool) -> Option<Segment> {
    const LOAD: u32 = 1;
    const NOTE: u32 = 4;
    let entry = Words { bytes, wide };
    let kind = entry.int(0)?;
    let at: [usize; 5] = if wide { [4, 8, 16, 32, 40] } else { [24, 4, 8, 16, 20] };
    let [flags, offset, vaddr, stored, len] = at;
    let segment = Segment {
        is_note: kind == NOTE,
        flags: entry.int(flags)?,
        offset: entry.word(offset)?,
        vaddr: entry.word(vaddr)?,
        stored: entry.word(stored)?,
        len: entry.word(len)?,
    };
    matches!(kind, LOAD | NOTE).then_some(segment)
}

/// Little-endian numbers in bytes.
struct Words<'a> {
    bytes: &'a [u8],
    /// Whether a word has 64 bits.
    wide: bool,
}

impl Words<'_> {
    fn width(&self) -> usize {
        if self.wide { 8 } else { 4 }
    }

    fn half(&self, at: usize) -> Option<u16> {
        let bytes = self.bytes.get(at..at.checked_add(2)?)?;
        Some(u16::from_le_bytes(bytes.try_into().ok()?))
    }

    fn int(&self, at: usize) -> Option<u32> {
        let bytes = self.bytes.get(at..at.checked_add(4)?)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?))
    }

    fn word(&self, at: usize) -> Option<u64> {
        if !self.wide {
            return self.int(at).map(u64::from);
        }
        let bytes = self.bytes.get(at..at.checked_add(8)?)?;
        Some(u64::from_le_bytes(bytes.try_into().ok()?))
    }
}
