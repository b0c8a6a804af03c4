//! tar: v7, POSIX ustar and pax, GNU, as written by Go, GNU tar, libarchive.
//!
//! Where readers differ, this one does as Go's `archive/tar` does, which wrote and will restore
//! most checkpoints: links, folders and devices have no body whatever their size says.

mod header;
mod pax;
mod sparse;

use self::header::{BLOCK, Header};
use self::pax::Pax;
use super::ahead::read_some;
use super::error::{Cause, ContainerError, Problem};
use super::input::{Input, count};
use super::{Body, Consumed, Flow, Member, MemberKind, Opening, container_of};
use crate::diagnostic::{Code, Level};
use crate::limits::Limits;

const BLOCK_BYTES: u64 = 512;
/// Bytes of a long name or an extended header.
const EXTENDED: u64 = 1 << 20;
/// Headers that are looked at before each member.
const LOOKS: usize = 8;
/// How far behind a damaged header the next sound one is looked for.
const RESYNC: u64 = 256 << 20;

/// Whether bytes begin with a header.
pub(super) fn is(head: &[u8]) -> bool {
    head.first_chunk().is_some_and(|block| {
        let header = Header(*block);
        header.is_sound() && (header.is_ustar() || header.is_plausible())
    })
}

pub(super) fn open(body: Body<'_>, opening: &mut Opening<'_>) -> Result<Consumed, ContainerError> {
    let mut tar =
        Tar { input: Input::new(body), globals: Pax::default(), next: Next::default(), seen: 0 };
    match tar.walk(opening) {
        Ok(()) => Ok(Consumed { bytes: tar.input.pos() }),
        Err(cause) => {
            let offset = tar.input.pos();
            Err(ContainerError { container: "tar", offset, consumed: offset, cause })
        }
    }
}

struct Tar<'a> {
    input: Input<'a>,
    /// From global extended headers: for all members that follow.
    globals: Pax,
    next: Next,
    /// What is compressed before this offset is being decoded by others.
    seen: u64,
}

/// What headers in front of a header said about its member.
#[derive(Default)]
struct Next {
    pax: Option<Pax>,
    long_name: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
}

impl Next {
    fn is_some(&self) -> bool {
        self.pax.is_some() || self.long_name.is_some() || self.long_link.is_some()
    }
}

impl Tar<'_> {
    fn walk(&mut self, opening: &mut Opening<'_>) -> Result<(), Cause> {
        let mut last_was_zero = false;
        loop {
            let at = self.input.pos();
            self.look_ahead(opening);
            let Some(header) = self.block()? else {
                if self.next.is_some() {
                    return Err(self.input.cut(BLOCK_BYTES, 0));
                }
                if !last_was_zero {
                    // A tar that was cut between two members looks just so.
                    let text = "tar has no end mark, what it holds was scanned, there may be more";
                    let problem = Problem::new(Level::Error, Code::ContainerTruncated, at, text);
                    opening.problem(problem.expected("two blocks of zeros", "the end"));
                }
                return Ok(());
            };
            if header.is_zero() {
                if last_was_zero {
                    return self.tail(opening);
                }
                last_was_zero = true;
                continue;
            }
            if last_was_zero {
                let text = "a single block of zeros is no end mark, the tar was read on";
                let at = at.saturating_sub(BLOCK_BYTES);
                let problem = Problem::new(Level::Warning, Code::ContainerMalformed, at, text);
                opening.problem(problem.expected("two blocks of zeros", "one"));
                last_was_zero = false;
            }
            let (at, header) = if header.is_sound() && header.size().is_some() {
                (at, header)
            } else {
                self.resync(at, &header, opening)?
            };
            if self.member(at, &header, opening)? == Flow::Stop {
                return Ok(());
            }
        }
    }

    /// Looks at some of the members that follow, and has those decoded that are compressed. What is read
    /// wrongly here is decoded in vain, and nothing else.
    fn look_ahead(&mut self, opening: &Opening<'_>) {
        let here = self.input.pos();
        let extent = self.input.extent().filter(|extent| !extent.has_holes());
        let (Some(helpers), Some(extent)) = (opening.helpers, extent) else { return };
        helpers.pass(extent, here);
        self.seen = self.seen.max(here);
        for _ in 0..LOOKS {
            let mut bytes = [0; 2 * BLOCK];
            if !helpers.can_scout() || read_some(extent, self.seen, &mut bytes) < bytes.len() {
                return;
            }
            let (header, head) = bytes.split_at(BLOCK);
            let Some(header) = header.first_chunk().map(|block| Header(*block)) else { return };
            let Some(size) = header.size().filter(|_| header.is_sound()) else { return };
            let has_body = !matches!(header.kind(), b'1'..=b'6');
            let size = if has_body { size } else { 0 };
            let start = self.seen.saturating_add(BLOCK_BYTES);
            let end = start.saturating_add(size);
            self.seen = end.saturating_add(padding(size));
            if size > BLOCK_BYTES
                && matches!(header.kind(), 0 | b'0' | b'7')
                && let Some(container) = container_of(head)
            {
                helpers.scout(container, extent.sub(start..end), opening.limit(Limits::clone));
            }
        }
    }

    /// The next block; `None` at the end.
    fn block(&mut self) -> Result<Option<Header>, Cause> {
        let mut block = [0_u8; BLOCK];
        match self.input.fill(&mut block) {
            BLOCK => Ok(Some(Header(block))),
            0 => self.input.fault().map_or(Ok(None), Err),
            n => Err(self.input.cut(BLOCK_BYTES, count(n))),
        }
    }

    /// What stands behind the end mark: nothing, or zeros that fill a record.
    fn tail(&mut self, opening: &mut Opening<'_>) -> Result<(), Cause> {
        if let Some(at) = self.input.skip_zeros() {
            let lost = self.input.skip(u64::MAX);
            opening.problem(Problem::stale_tail(at, lost));
        }
        self.input.fault().map_or(Ok(()), Err)
    }

    /// Finds the next sound header behind a damaged one: sizes are gone, so block by block.
    fn resync(
        &mut self,
        at: u64,
        damaged: &Header,
        opening: &mut Opening<'_>,
    ) -> Result<(u64, Header), Cause> {
        self.next = Next::default();
        let (expected, found) = if damaged.is_sound() {
            ("a size".to_owned(), "no number from 0 to 2^63".to_owned())
        } else {
            let (held, sum) = damaged.checksums();
            let held = held.map_or("no number".to_owned(), |held| held.to_string());
            (format!("header checksum {sum}"), held)
        };
        loop {
            let here = self.input.pos();
            let lost = here.saturating_sub(at);
            if lost > RESYNC {
                break;
            }
            // A rest of less than a block holds no header, and is what was cut already.
            let Ok(Some(header)) = self.block() else { break };
            if header.is_ustar() && header.is_sound() && header.size().is_some() {
                let text = format!("damaged header, {lost} bytes skipped up to the next sound one");
                let problem = Problem::new(Level::Error, Code::ContainerMalformed, at, text);
                opening.problem(problem.lost(lost).expected(expected, found));
                return Ok((here, header));
            }
        }
        match self.input.fault() {
            Some(cause) => Err(cause),
            None => Err(Cause::Malformed { expected, found: format!("{found} at byte {at:#x}") }),
        }
    }

    /// One header and what belongs to it.
    fn member(
        &mut self,
        at: u64,
        header: &Header,
        opening: &mut Opening<'_>,
    ) -> Result<Flow, Cause> {
        let size = header.size().unwrap_or_default();
        match header.kind() {
            b'x' | b'X' | b'g' => {
                let Some(records) = self.extended(at, size, opening)? else {
                    return Ok(Flow::Continue);
                };
                let mut pax = match header.kind() {
                    b'g' => std::mem::take(&mut self.globals),
                    _ => self.next.pax.take().unwrap_or_else(|| self.globals.clone()),
                };
                if let Err(bad) = pax.read(&records) {
                    let at = at.saturating_add(BLOCK_BYTES).saturating_add(count(bad));
                    let text =
                        "extended header does not parse, its records from here on were left out";
                    let problem = Problem::new(Level::Warning, Code::ContainerMalformed, at, text);
                    opening.problem(problem.expected("length, key and value", "other bytes"));
                }
                match header.kind() {
                    b'g' => self.globals = pax.global(),
                    _ => self.next.pax = Some(pax),
                }
                Ok(Flow::Continue)
            }
            b'L' => {
                let name = self.extended(at, size, opening)?;
                self.next.long_name = name.map(|name| header::text(&name).to_vec());
                Ok(Flow::Continue)
            }
            b'K' => {
                let link = self.extended(at, size, opening)?;
                self.next.long_link = link.map(|link| header::text(&link).to_vec());
                Ok(Flow::Continue)
            }
            _ => self.content(header, opening),
        }
    }

    /// The body of a header that describes the next one; nothing when it is too long.
    fn extended(
        &mut self,
        at: u64,
        size: u64,
        opening: &mut Opening<'_>,
    ) -> Result<Option<Vec<u8>>, Cause> {
        let mut bytes = None;
        if size <= EXTENDED {
            let bytes = bytes.insert(vec![0; usize::try_from(size).unwrap_or_default()]);
            let found = self.input.fill(bytes);
            if count(found) < size {
                return Err(self.input.cut(size, count(found)));
            }
        } else {
            let text = format!(
                "extended header of {size} bytes left out, its member may have another name or size"
            );
            let problem = Problem::new(Level::Error, Code::LimitReached, at, text).lost(size);
            opening
                .problem(problem.expected(format!("at most {EXTENDED} bytes"), size.to_string()));
            self.input.skip_all(0, size)?;
        }
        self.input.skip(padding(size));
        Ok(bytes)
    }

    /// A header with a body, as far as its type has one.
    fn content(&mut self, header: &Header, opening: &mut Opening<'_>) -> Result<Flow, Cause> {
        let Next { pax, long_name, long_link } = std::mem::take(&mut self.next);
        let pax = pax.unwrap_or_else(|| self.globals.clone());
        let raw = pax.name().map(<[u8]>::to_vec).or(long_name).unwrap_or_else(|| header.name());
        let link = || {
            let long = pax.link.clone().or_else(|| long_link.clone());
            long.unwrap_or_else(|| header.link().to_vec())
        };
        let mut size = pax.size.or_else(|| header.size()).unwrap_or_default();
        let mut kind = match header.kind() {
            b'S' => MemberKind::Sparse,
            b'1' => MemberKind::Hardlink(opening.name(&link())),
            b'2' => MemberKind::Symlink(link()),
            b'3' | b'4' | b'6' | b'V' => MemberKind::Other,
            b'5' => MemberKind::Folder,
            b'D' => MemberKind::Other, // GNU: a folder with a list of its names.
            // v7 has no type for folders.
            0 if raw.ends_with(b"/") => MemberKind::Folder,
            _ if pax.sparse => MemberKind::Sparse,
            // POSIX: an unknown type is a regular file.
            _ => MemberKind::File,
        };
        if matches!(header.kind(), b'1'..=b'6') {
            size = 0;
        }
        let name = opening.name(&raw);
        let mtime = pax.mtime.or_else(|| header.mtime());
        // What fills the last block counts from the header on, which a map in front is a part of.
        let padding = padding(size);
        let mut sparse = None;
        if kind == MemberKind::Sparse {
            let read = sparse::read(&mut self.input, header, &pax, size)?;
            size = size.saturating_sub(read.map_bytes);
            match read.map {
                Ok(map) => {
                    kind = MemberKind::File;
                    sparse = Some(map);
                }
                Err((expected, found)) => {
                    let text = "sparse file with an impossible map, what is stored of it was \
                                scanned as raw bytes";
                    let problem = Problem::of(&name, Code::SparseMember, text);
                    opening.problem(problem.expected(expected, found));
                }
            }
        }
        let flow = self.input.deliver(size, sparse.as_ref(), opening, |body| Member {
            name,
            kind,
            size: Some(size),
            mtime,
            body,
        })?;
        if flow == Flow::Continue {
            self.input.skip(padding);
        }
        Ok(flow)
    }
}

/// Bytes that fill the last block of a body.
fn padding(size: u64) -> u64 {
    (BLOCK_BYTES.saturating_sub(size & BLOCK_BYTES.saturating_sub(1)))
        & BLOCK_BYTES.saturating_sub(1)
}
