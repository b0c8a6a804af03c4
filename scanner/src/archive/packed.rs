//! Decompression within a budget: what gzip, zstd and the members of zip have in common.

use std::cell::RefCell;
use std::io::{self, Read};

use super::error::{Cause, ContainerError, Problem};
use super::input::{Input, count};
use super::scout::Made;
use super::{Consumed, Flow, Member, MemberKind, Opening};
use crate::limits::{Budget, Exceeded};

/// A decompressor over stored bytes.
pub(super) trait Decoder {
    /// Makes up to `out.len()` bytes; none at the end.
    fn decode(&mut self, out: &mut [u8]) -> Result<usize, Cause>;

    /// Offset of the stored byte that comes next.
    fn pos(&self) -> u64;
}

/// A decompressor that is charged for what it makes. As a stream it never fails, it ends; what
/// ended it is in `fault`.
pub(super) struct Metered<'b, D> {
    pub(super) decoder: D,
    pub(super) fault: Option<Cause>,
    budget: &'b RefCell<Budget>,
    ratio: Option<Ratio<'b>>,
    /// Decoded bytes that are not yet read. Always decoded in the same steps, so that a limit cuts
    /// at the same byte however the stream is read.
    chunk: Vec<u8>,
    read: usize,
    ended: bool,
}

/// A compressed member inside the target.
struct Ratio<'b> {
    budget: &'b RefCell<Budget>,
    /// It lies in no other.
    is_root: bool,
    decoded: u64,
    /// Where its stored bytes start.
    start: u64,
}

impl Drop for Ratio<'_> {
    fn drop(&mut self) {
        if self.is_root {
            self.budget.borrow_mut().end_tree();
        }
    }
}

const CHUNK: usize = 64 << 10;

impl<'b, D: Decoder> Metered<'b, D> {
    /// `nested` says that the stored bytes lie inside the target: only those are held to a ratio,
    /// as the memory of a real program may be gigabytes of zeros.
    pub(super) fn new(decoder: D, budget: &'b RefCell<Budget>, nested: bool) -> Self {
        let start = decoder.pos();
        budget.borrow_mut().begin_trail(start);
        let ratio = nested.then(|| {
            let is_root = budget.borrow_mut().begin_tree();
            Ratio { budget, is_root, decoded: 0, start }
        });
        Self { decoder, fault: None, budget, ratio, chunk: Vec::new(), read: 0, ended: false }
    }

    /// Whether everything was decoded (and, if so, read).
    pub(super) fn at_end(&mut self) -> bool {
        self.unread().is_empty() && !self.next_chunk() && self.fault.is_none()
    }

    /// Decodes to the end.
    pub(super) fn drain(&mut self) {
        self.read = self.chunk.len();
        while self.next_chunk() {}
    }

    fn unread(&self) -> &[u8] {
        self.chunk.get(self.read..).unwrap_or_default()
    }

    /// Decodes the next chunk; `false` at the end.
    fn next_chunk(&mut self) -> bool {
        if self.ended {
            return false;
        }
        let mut chunk = std::mem::take(&mut self.chunk);
        chunk.resize(CHUNK, 0);
        let made = self.decode_chunk(&mut chunk);
        chunk.truncate(made);
        self.chunk = chunk;
        self.read = 0;
        made > 0
    }

    /// Decodes the next chunk to where it is wanted; gives its bytes.
    fn decode_chunk(&mut self, chunk: &mut [u8]) -> usize {
        if self.ended {
            return 0;
        }
        let mut made = 0_usize;
        while let Some(rest @ [_, ..]) = chunk.get_mut(made..) {
            match self.decoder.decode(rest) {
                Ok(0) => {
                    self.ended = true;
                    break;
                }
                Ok(n) => made = made.saturating_add(n),
                Err(cause) => {
                    self.fault = Some(cause);
                    self.ended = true;
                    break;
                }
            }
        }
        if let Err(cause) = self.charge(count(made)) {
            self.fault = Some(cause);
            self.ended = true;
            made = 0;
        }
        made
    }

    fn charge(&mut self, made: u64) -> Result<(), Cause> {
        {
            let mut budget = self.budget.borrow_mut();
            budget.step(self.decoder.pos());
            budget.decoded(made)?;
        }
        if let Some(ratio) = &mut self.ratio {
            ratio.decoded = ratio.decoded.saturating_add(made);
            let stored = self.decoder.pos().saturating_sub(ratio.start).max(1);
            let found = ratio.decoded;
            self.budget
                .borrow_mut()
                .expanded(ratio.is_root, made, found, stored)
                .map_err(|Exceeded { what, limit }| Cause::Limit { what, limit, found })?;
        }
        Ok(())
    }
}

impl<D: Decoder> Read for Metered<'_, D> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.unread().is_empty()
            && let Some(chunk) = out.get_mut(..CHUNK)
        {
            return Ok(self.decode_chunk(chunk));
        }
        if out.is_empty() || (self.unread().is_empty() && !self.next_chunk()) {
            return Ok(0);
        }
        let n = self.unread().read(out)?;
        self.read = self.read.saturating_add(n);
        Ok(n)
    }
}

/// What another thread has decoded, given in the steps in which that was done.
pub(super) struct Again<'i, 'a> {
    input: &'i mut Input<'a>,
    made: Made,
    read: usize,
}

impl<'i, 'a> Again<'i, 'a> {
    pub(super) fn new(input: &'i mut Input<'a>, made: Made) -> Self {
        let mut again = Self { input, made, read: 0 };
        again.go_to(Some(again.made.trail.start));
        again
    }

    fn go_to(&mut self, at: Option<u64>) {
        let at = at.unwrap_or_default();
        self.input.skip(at.saturating_sub(self.input.pos()));
    }
}

impl Decoder for Again<'_, '_> {
    fn decode(&mut self, out: &mut [u8]) -> Result<usize, Cause> {
        let step = CHUNK.saturating_sub(self.read & CHUNK.saturating_sub(1)).min(out.len());
        let rest = self.made.bytes().get(self.read..).unwrap_or_default();
        let rest = rest.get(..step).unwrap_or(rest);
        if let Some(to) = out.get_mut(..rest.len()) {
            to.copy_from_slice(rest);
        }
        let len = rest.len();
        self.read = self.read.saturating_add(len);
        if len == 0 {
            self.go_to(self.made.trail.steps.last().copied());
        } else if self.read.is_multiple_of(CHUNK) {
            let step = (self.read / CHUNK).saturating_sub(1);
            self.go_to(self.made.trail.steps.get(step).copied());
        }
        Ok(len)
    }

    fn pos(&self) -> u64 {
        self.input.pos()
    }
}

impl<'a> Stream<'a> for Again<'_, 'a> {
    fn input(&mut self) -> &mut Input<'a> {
        self.input
    }
}

/// Opens a compressed file that another thread has decoded.
pub(super) fn again(
    container: &'static str,
    body: super::Body<'_>,
    made: Made,
    opening: &mut Opening<'_>,
) -> Result<Consumed, ContainerError> {
    let mtime = made.mtime;
    open(container, Again::new(&mut Input::new(body), made), mtime, opening)
}

/// A decompressor of a whole file.
pub(super) trait Stream<'a>: Decoder {
    /// The stored bytes behind what it decoded.
    fn input(&mut self) -> &mut Input<'a>;
}

/// Opens a compressed file: one member, which keeps the outer name.
pub(super) fn open<'a>(
    container: &'static str,
    decoder: impl Stream<'a>,
    mtime: Option<i64>,
    opening: &mut Opening<'_>,
) -> Result<Consumed, ContainerError> {
    let mut body = Metered::new(decoder, opening.budget, opening.depth > 1);
    let flow = opening.member(Member {
        name: Vec::new(),
        kind: MemberKind::File,
        size: None,
        mtime,
        body: super::Body::Stream(super::stream::Stream::new(&mut body)),
    });
    // Asking for the end makes the decoder check its checksum.
    let goes_on = matches!(flow, Ok(Flow::Continue));
    let ended = goes_on && body.at_end();
    let fault = flow.err().or(body.fault);
    let input = body.decoder.input();
    let offset = input.pos();
    if let Some(cause) = fault {
        return Err(ContainerError { container, offset, consumed: offset, cause });
    }
    if ended {
        if let Some(at) = input.skip_zeros() {
            let lost = input.skip(u64::MAX);
            opening.problem(Problem::stale_tail(at, lost));
        }
    } else if goes_on {
        input.skip(u64::MAX);
    }
    let consumed = input.pos();
    match input.fault() {
        Some(cause) => Err(ContainerError { container, offset: consumed, consumed, cause }),
        None => Ok(Consumed { bytes: consumed }),
    }
}
