//! What the kernel says of a live process under `/proc/PID` (proc(5)).

use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::builder::Layout;

/// Bytes of a page on every machine this runs on.
pub(super) const PAGE: u64 = 4096;
pub(super) const PAGE_BYTES: usize = 4096;

/// A line of `/proc/PID/maps`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) range: Range<u64>,
    /// 1 read, 2 write, 4 execute.
    pub(super) prot: u32,
    pub(super) shared: bool,
    pub(super) offset: u64,
    pub(super) inode: u64,
    pub(super) name: String,
}

impl Line {
    pub(super) fn len(&self) -> u64 {
        self.range.end - self.range.start
    }
}

pub(super) fn path(pid: u32, name: &str) -> PathBuf {
    format!("/proc/{pid}/{name}").into()
}

/// A file of the process, as text; bytes that are no UTF-8 are replaced.
#[expect(clippy::disallowed_methods, reason = "the kernel's own words about a child of ours")]
pub(super) fn text(pid: u32, name: &str) -> Result<String> {
    let path = path(pid, name);
    let bytes = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Strings that end with NUL: `cmdline`, `environ`.
pub(super) fn strings(pid: u32, name: &str) -> Result<Vec<String>> {
    let text = text(pid, name)?;
    let strings = text.strip_suffix('\0').unwrap_or(&text);
    let all = strings.split('\0').map(str::to_owned);
    Ok(if strings.is_empty() { Vec::new() } else { all.collect() })
}

/// Where a link leads to, without the kernel's mark of removed files.
pub(super) fn link(pid: u32, name: &str) -> Option<String> {
    let target = std::fs::read_link(path(pid, name)).ok()?;
    let target = target.to_string_lossy();
    Some(target.strip_suffix(" (deleted)").unwrap_or(&target).to_owned())
}

/// The mappings.
pub(super) fn maps(pid: u32) -> Result<Vec<Line>> {
    let text = text(pid, "maps")?;
    text.lines().map(|line| map(line).with_context(|| format!("maps of {pid}: {line}"))).collect()
}

fn map(line: &str) -> Option<Line> {
    let mut words = line.splitn(6, ' ');
    let (start, end) = words.next()?.split_once('-')?;
    let hex = |word: &str| u64::from_str_radix(word, 16).ok();
    let flags = words.next()?;
    let offset = hex(words.next()?)?;
    let _device = words.next()?;
    let inode = words.next()?.parse().ok()?;
    let bit = |flag: char, bit: u32| if flags.contains(flag) { bit } else { 0 };
    Some(Line {
        range: hex(start)?..hex(end)?,
        prot: bit('r', 1) | bit('w', 2) | bit('x', 4),
        shared: flags.ends_with('s'),
        offset,
        inode,
        name: words.next().unwrap_or_default().trim_start().to_owned(),
    })
}

/// What `/proc/PID/stat` says.
#[derive(Debug)]
pub(super) struct Stat {
    pub(super) comm: String,
    pub(super) state: char,
    pub(super) parent: u32,
    pub(super) layout: Layout,
}

pub(super) fn stat(pid: u32) -> Result<Stat> {
    let text = text(pid, "stat")?;
    parse_stat(&text).with_context(|| format!("stat of {pid}: {text}"))
}

fn parse_stat(text: &str) -> Option<Stat> {
    // The name stands in parentheses and may hold any character.
    let (head, rest) = text.rsplit_once(')')?;
    let comm = head.split_once('(')?.1.to_owned();
    // The first word of the rest is field 3.
    let words: Vec<&str> = rest.split_whitespace().collect();
    let field = |number: usize| words.get(number.checked_sub(3)?)?.parse::<u64>().ok();
    Some(Stat {
        comm,
        state: words.first()?.chars().next()?,
        parent: u32::try_from(field(4)?).ok()?,
        layout: Layout {
            code: field(26)?..field(27)?,
            data: field(45)?..field(46)?,
            brk: field(47)?..field(47)?,
            stack: field(28)?,
            arguments: field(48)?..field(49)?,
            environment: field(50)?..field(51)?,
        },
    })
}

/// Every process with its parent.
pub(super) fn parents() -> Result<BTreeMap<u32, u32>> {
    let mut parents = BTreeMap::new();
    for entry in std::fs::read_dir("/proc").context("cannot list /proc")? {
        let name = entry?.file_name();
        // A process may end while the list is made.
        if let Some(pid) = name.to_str().and_then(|name| name.parse().ok())
            && let Ok(stat) = stat(pid)
        {
            parents.insert(pid, stat.parent);
        }
    }
    Ok(parents)
}

/// The runs of pages of a private mapping that are the process's own: in memory or swapped out, and
/// no page of a file (`Documentation/admin-guide/mm/pagemap.rst`).
pub(super) fn own_pages(pagemap: &File, range: &Range<u64>) -> Result<Vec<Range<u64>>> {
    const PRESENT: u64 = 1 << 63;
    const SWAPPED: u64 = 1 << 62;
    const OF_FILE: u64 = 1 << 61;
    const WORDS: u64 = 8192;
    let mut runs: Vec<Range<u64>> = Vec::new();
    let mut at = range.start;
    while at < range.end {
        let count = WORDS.min((range.end - at) / PAGE);
        let mut words = vec![0; usize::try_from(count)? * 8];
        let read = pagemap.read_at(&mut words, at / PAGE * 8)?;
        if read == 0 {
            bail!("the page map ends before {at:#x}");
        }
        for word in words[..read].chunks_exact(8) {
            let word = u64::from_le_bytes(word.try_into()?);
            if word & (PRESENT | SWAPPED) != 0 && word & OF_FILE == 0 {
                match runs.last_mut() {
                    Some(run) if run.end == at => run.end = at + PAGE,
                    _ => runs.push(at..at + PAGE),
                }
            }
            at += PAGE;
        }
    }
    Ok(runs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_blanks_and_parentheses() {
        let numbers: Vec<String> = (4..=52).map(|field| (field * 10).to_string()).collect();
        let stat = parse_stat(&format!("7 (a) b) T {}", numbers.join(" "))).unwrap();
        assert_eq!((stat.comm.as_str(), stat.state, stat.parent), ("a) b", 'T', 40));
        assert_eq!(stat.layout.arguments, 480..490);
        assert_eq!(stat.layout.environment, 500..510);
        assert_eq!(stat.layout.stack, 280);
        assert!(parse_stat("7 (a) T 1 2").is_none());
    }

    #[test]
    fn lines_of_maps() {
        let heap = map("55d0-55e0 rw-p 00000000 00:00 0                          [heap]").unwrap();
        assert_eq!((heap.range, heap.prot, heap.shared), (0x55d0..0x55e0, 3, false));
        assert_eq!(heap.name, "[heap]");
        let file = map("7f00-7f10 r-xs 00002000 fe:00 247774   /usr/bin/with blank").unwrap();
        assert_eq!((file.prot, file.shared, file.offset), (5, true, 0x2000));
        assert_eq!((file.inode, file.name.as_str()), (247_774, "/usr/bin/with blank"));
        assert_eq!(map("7f00-7f10 ---p 00000000 00:00 0").unwrap().name, "");
        assert!(map("7f00 rw-p").is_none());
    }
}
