//! zip (PKWARE APPNOTE.TXT 6.3): jar, war, wheels. Read from its first byte to its last, so that
//! it need not be at hand whole, and what its central directory hides is seen too.

use std::collections::VecDeque;
use std::io::{BufRead as _, Read as _};

use flate2::Decompress;

use super::bzip2::Bzip2;
use super::error::{Cause, ContainerError, Problem};
use super::inflate::Inflate;
use super::input::{Input, count};
use super::packed::{Again, Decoder, Metered};
use super::scout::Made;
use super::stream::Stream;
use super::xz::Xz;
use super::zstd::Zstd;
use super::{Body, Consumed, Flow, Member, MemberKind, Opening};
use crate::diagnostic::{Code, Level};

// APPNOTE 4.3: signatures of records.
const LOCAL: &[u8] = b"PK\x03\x04";
const EXTRA_DATA: &[u8] = b"PK\x06\x08";
const CENTRAL: &[u8] = b"PK\x01\x02";
const SIGNATURE: &[u8] = b"PK\x05\x05";
const END_64: &[u8] = b"PK\x06\x06";
const LOCATOR_64: &[u8] = b"PK\x06\x07";
const END: &[u8] = b"PK\x05\x06";
const DESCRIPTOR: &[u8] = b"PK\x07\x08";

pub(super) fn is(head: &[u8]) -> bool {
    head.starts_with(LOCAL) || head.starts_with(END)
}

pub(super) fn open(body: Body<'_>, opening: &mut Opening<'_>) -> Result<Consumed, ContainerError> {
    let made = match &body {
        Body::At(extent) => opening.made(extent),
        Body::Stream(_) => None,
    };
    let made = made.unwrap_or_default().into();
    let mut zip = Zip { input: Input::new(body), raw: Decompress::new(false), members: 0, made };
    match zip.walk(opening) {
        Ok(()) => Ok(Consumed { bytes: zip.input.pos() }),
        Err(cause) => {
            let offset = zip.input.pos();
            Err(ContainerError { container: "zip", offset, consumed: offset, cause })
        }
    }
}

struct Zip<'a> {
    input: Input<'a>,
    /// Kept between members for its tables.
    raw: Decompress,
    members: u64,
    /// What others have made of its compressed members: of all that follow, or of none.
    made: VecDeque<Made>,
}

/// A local file header (APPNOTE 4.3.7).
struct Local {
    encrypted: bool,
    method: u64,
    /// Bytes stored; `None` when they stand behind them.
    stored: Option<u64>,
    /// A data descriptor follows.
    described: bool,
    kind: MemberKind,
    name: Vec<u8>,
}

impl Local {
    /// What keeps it from being read.
    fn why(&self) -> String {
        if self.encrypted {
            return "encrypted".to_owned();
        }
        format!("compressed by method {}", self.method)
    }

    fn packed<'m>(&self, body: Body<'m>) -> Member<'m> {
        let (name, kind) = (self.name.clone(), self.kind.clone());
        Member { name, kind, size: None, mtime: None, body }
    }
}

/// Hands over what a decoder makes of a member; gives what ended it early.
fn hand_over(
    local: &Local,
    decoder: impl Decoder,
    opening: &mut Opening<'_>,
) -> Result<(Flow, Option<Cause>), Cause> {
    let mut body = Metered::new(decoder, opening.budget, true);
    let flow = opening.member(local.packed(Body::Stream(Stream::new(&mut body))))?;
    Ok((flow, body.fault))
}

/// Hands over what a decoder makes of a member, and decodes what was not read of it.
fn to_its_end(
    local: &Local,
    decoder: impl Decoder,
    opening: &mut Opening<'_>,
) -> Result<Flow, Cause> {
    let mut body = Metered::new(decoder, opening.budget, true);
    let flow = opening.member(local.packed(Body::Stream(Stream::new(&mut body))))?;
    if flow == Flow::Continue {
        body.drain();
        if let Some(cause) = body.fault {
            return Err(cause);
        }
    }
    Ok(flow)
}

impl Zip<'_> {
    fn walk(&mut self, opening: &mut Opening<'_>) -> Result<(), Cause> {
        loop {
            let next = self.input.look(LOCAL.len());
            if next != LOCAL {
                return self.directory(opening);
            }
            let local = self.local(opening)?;
            self.members = self.members.saturating_add(1);
            if self.member(&local, opening)? == Flow::Stop {
                return Ok(());
            }
        }
    }

    fn local(&mut self, opening: &Opening<'_>) -> Result<Local, Cause> {
        let header = self.record::<30>()?;
        let flags = little(&header, 6, 2);
        let mut stored = little(&header, 18, 4);
        let plain = little(&header, 22, 4);
        let raw_name = self.bytes(little(&header, 26, 2))?;
        let extra = self.bytes(little(&header, 28, 2))?;
        if stored == u64::from(u32::MAX) {
            // The field before it is there only if it is needed (APPNOTE 4.5.3).
            let skip = if plain == u64::from(u32::MAX) { 8 } else { 0 };
            stored = zip64(&extra).map_or(stored, |field| little(field, skip, 8));
        }
        let described = flags & 8 != 0;
        Ok(Local {
            encrypted: flags & 1 != 0,
            method: little(&header, 8, 2),
            stored: (!described || stored != 0).then_some(stored),
            described,
            kind: if raw_name.ends_with(b"/") { MemberKind::Folder } else { MemberKind::File },
            name: opening.name(&raw_name),
        })
    }

    fn member(&mut self, local: &Local, opening: &mut Opening<'_>) -> Result<Flow, Cause> {
        let Some(size) = local.stored else {
            return match (local.encrypted, local.method) {
                // Nothing, and then what describes it: checked below.
                (false, 0) => self.stored(local, 0, opening),
                (false, 8) => self.deflated_to_its_end(local, opening),
                _ => {
                    let expected = "a size in front of the member".to_owned();
                    Err(Cause::Malformed { expected, found: format!("none, {}", local.why()) })
                }
            };
        };
        if local.encrypted {
            let text = format!("member of a zip is encrypted, its {size} bytes were skipped");
            opening.problem(Problem::of(&local.name, Code::Encrypted, text).lost(size));
            self.input.skip_all(0, size)?;
            self.described(local, size, None)?;
            return Ok(Flow::Continue);
        }
        if local.method == 8 {
            let start = self.input.pos();
            let (flow, fault) = if let Some(made) = self.made(start) {
                hand_over(local, Again::new(&mut self.input, made), opening)?
            } else {
                let inflate = Inflate::new(&mut self.input, size, &mut self.raw, false);
                hand_over(local, inflate, opening)?
            };
            return self.behind(local, size, start, flow, fault, opening);
        }
        // APPNOTE 4.4.5.
        if !matches!(local.method, 12 | 93 | 95) {
            if local.method != 0 {
                let why = local.why();
                let text = format!("member of a zip is {why}, it was scanned as it is stored");
                opening.problem(Problem::of(&local.name, Code::MemberUnreadable, text));
            }
            return self.stored(local, size, opening);
        }
        let start = self.input.pos();
        // Those have an input of their own, which does not depend on how this one was read.
        self.made.pop_front();
        let mut stored = self.input.by_ref().take(size);
        let own = Input::new(Body::Stream(Stream::new(&mut stored)));
        let (flow, fault) = match local.method {
            12 => hand_over(local, Bzip2::new(own), opening)?,
            93 => hand_over(local, Zstd::new(own).map_err(Cause::Io)?, opening)?,
            _ => hand_over(local, Xz::new(own), opening)?,
        };
        self.behind(local, size, start, flow, fault, opening)
    }

    fn stored(
        &mut self,
        local: &Local,
        size: u64,
        opening: &mut Opening<'_>,
    ) -> Result<Flow, Cause> {
        let (name, kind) = (local.name.clone(), local.kind.clone());
        let flow = self.input.deliver(size, None, opening, |body| Member {
            name,
            kind,
            size: Some(size),
            mtime: None,
            body,
        })?;
        if flow == Flow::Continue {
            self.described(local, size, Some(size))?;
        }
        Ok(flow)
    }

    /// A member whose size stands behind it: only decoding it tells where it ends.
    fn deflated_to_its_end(
        &mut self,
        local: &Local,
        opening: &mut Opening<'_>,
    ) -> Result<Flow, Cause> {
        let start = self.input.pos();
        let (flow, plain) = if let Some(made) = self.made(start) {
            let plain = count(made.bytes().len());
            (to_its_end(local, Again::new(&mut self.input, made), opening)?, plain)
        } else {
            let inflate = Inflate::new(&mut self.input, u64::MAX, &mut self.raw, false);
            let flow = to_its_end(local, inflate, opening)?;
            (flow, self.raw.total_out())
        };
        if flow == Flow::Stop {
            return Ok(flow);
        }
        let stored = self.input.pos().saturating_sub(start);
        self.described(local, stored, Some(plain))?;
        Ok(flow)
    }

    /// What was made of the next member, whose bytes begin there.
    fn made(&mut self, start: u64) -> Option<Made> {
        self.made.pop_front().filter(|made| made.trail.start == start)
    }

    /// Goes behind a member that began at `start`, and says what was wrong with it.
    fn behind(
        &mut self,
        local: &Local,
        stored: u64,
        start: u64,
        flow: Flow,
        fault: Option<Cause>,
        opening: &mut Opening<'_>,
    ) -> Result<Flow, Cause> {
        if flow == Flow::Stop {
            return Ok(flow);
        }
        let code = match &fault {
            Some(Cause::Malformed { .. }) => Some(Code::ContainerMalformed),
            Some(Cause::Limit { .. }) => Some(Code::LimitReached),
            Some(Cause::Truncated { .. }) if !self.input.look(1).is_empty() => {
                Some(Code::ContainerTruncated)
            }
            Some(Cause::Truncated { .. } | Cause::Io(_) | Cause::Visitor(_)) | None => None,
        };
        match (code, fault) {
            (Some(code), Some(cause)) => {
                let text = format!("member of a zip ends early: {cause}");
                opening.problem(Problem::of(&local.name, code, text));
            }
            (None, Some(cause)) => return Err(cause),
            (_, None) => {}
        }
        self.input.skip_all(self.input.pos().saturating_sub(start), stored)?;
        self.described(local, stored, None)?;
        Ok(flow)
    }

    /// Goes over the data descriptor of a member, if it has one (APPNOTE 4.3.9): checksum and
    /// sizes, of four or eight bytes, with or without a signature in front. The sizes and the
    /// record behind it tell which of the four it is.
    fn described(&mut self, local: &Local, stored: u64, plain: Option<u64>) -> Result<(), Cause> {
        if !local.described {
            return Ok(());
        }
        let next = self.input.look(26);
        let fits = |&(signature, word): &(usize, usize)| {
            let sizes = signature.saturating_add(4);
            let second = sizes.saturating_add(word);
            let mask = if word == 4 { u64::from(u32::MAX) } else { u64::MAX };
            next.starts_with(DESCRIPTOR.get(..signature).unwrap_or_default())
                && little(next, sizes, word) == stored & mask
                && plain.is_none_or(|plain| little(next, second, word) == plain & mask)
                && next
                    .get(second.saturating_add(word)..)
                    .is_some_and(|rest| rest.starts_with(b"PK"))
        };
        match [(4, 4), (4, 8), (0, 4), (0, 8)].iter().find(|shape| fits(shape)) {
            Some((signature, word)) => {
                self.input
                    .consume(signature.saturating_add(4).saturating_add(word.saturating_mul(2)));
                Ok(())
            }
            None if next.len() < 26 => {
                let found = count(next.len());
                Err(self.input.cut(26, found))
            }
            None => Err(Cause::Malformed {
                expected: format!("a data descriptor of {stored} stored bytes"),
                found: "other bytes".to_owned(),
            }),
        }
    }

    /// The central directory: it holds nothing to scan, but should name what was found.
    fn directory(&mut self, opening: &mut Opening<'_>) -> Result<(), Cause> {
        let start = self.input.pos();
        let mut named = 0_u64;
        loop {
            let next = self.input.look(4).to_vec();
            let variable = match next.as_slice() {
                CENTRAL => {
                    named = named.saturating_add(1);
                    let record = self.record::<46>()?;
                    [28, 30, 32].map(|at| little(&record, at, 2)).into_iter().sum()
                }
                EXTRA_DATA => little(&self.record::<8>()?, 4, 4),
                SIGNATURE => little(&self.record::<6>()?, 4, 2),
                END_64 => little(&self.record::<12>()?, 4, 8),
                LOCATOR_64 => self.record::<20>().map(|_| 0)?,
                END => little(&self.record::<22>()?, 20, 2),
                short if short.len() < 4 => return Err(self.input.cut(4, count(short.len()))),
                other => {
                    return Err(Cause::Malformed {
                        expected: "the next record of a zip".to_owned(),
                        found: other.escape_ascii().to_string(),
                    });
                }
            };
            self.input.skip_all(0, variable)?;
            if next == END {
                break;
            }
        }
        if named != self.members {
            let text =
                "the central directory does not name what the zip holds, all of it was scanned";
            let problem = Problem::new(Level::Warning, Code::ContainerMalformed, start, text);
            let members = self.members;
            opening.problem(
                problem.expected(format!("{members} members"), format!("{named} members")),
            );
        }
        if let Some(at) = self.input.skip_zeros() {
            let lost = self.input.skip(u64::MAX);
            opening.problem(Problem::stale_tail(at, lost));
        }
        self.input.fault().map_or(Ok(()), Err)
    }

    /// The fixed part of a record.
    fn record<const N: usize>(&mut self) -> Result<[u8; N], Cause> {
        let mut record = [0; N];
        match self.input.fill(&mut record) {
            n if n < N => Err(self.input.cut(count(N), count(n))),
            _ => Ok(record),
        }
    }

    /// Up to 65,535 bytes behind it.
    fn bytes(&mut self, len: u64) -> Result<Vec<u8>, Cause> {
        let mut bytes = vec![0; usize::try_from(len).unwrap_or_default()];
        let found = count(self.input.fill(&mut bytes));
        if found < len { Err(self.input.cut(len, found)) } else { Ok(bytes) }
    }
}

/// The zip64 field among extra fields (APPNOTE 4.5.3): id 1.
fn zip64(mut extra: &[u8]) -> Option<&[u8]> {
    loop {
        let len = usize::try_from(little(extra, 2, 2)).ok()?;
        let (field, rest) = extra.get(4..)?.split_at_checked(len)?;
        if little(extra, 0, 2) == 1 {
            return Some(field);
        }
        extra = rest;
    }
}

/// A little-endian number; what is not there counts as zeros.
fn little(bytes: &[u8], at: usize, len: usize) -> u64 {
    let field = bytes.get(at..).unwrap_or_default();
    field.iter().take(len).rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}
