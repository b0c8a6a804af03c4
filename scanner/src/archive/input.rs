//! A container's own reading: buffered, counted, and without errors in the middle of a visit.

use std::io::{self, BufRead, Read};
use std::sync::Arc;

use super::body::Body;
use super::error::Cause;
use super::source::Extent;
use super::sparse::Sparse;
use super::stream::Stream;
use super::{Flow, Member, Opening};

/// The stored bytes of a container. Reading never fails: after an error the input ends, and
/// [`Input::cut`] says whether it ended so.
pub(super) struct Input<'a> {
    body: Option<Body<'a>>,
    /// Stored bytes handed out or skipped.
    pos: u64,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    fault: Option<io::Error>,
}

/// Bytes of the buffer, which is always filled as far as the input goes: how far a decoder has
/// come does not depend on how a pipe cuts its bytes.
const BUFFER: usize = 64 << 10;

impl<'a> Input<'a> {
    pub(super) fn new(body: Body<'a>) -> Self {
        Self { body: Some(body), ..Self::empty() }
    }

    /// An input without bytes.
    pub(super) fn empty() -> Self {
        Self { body: None, pos: 0, buffer: Vec::new(), start: 0, end: 0, fault: None }
    }

    /// Stored bytes before the next one.
    pub(super) fn pos(&self) -> u64 {
        self.pos
    }

    /// The extent of all of it, where there is one.
    pub(super) fn extent(&self) -> Option<&Extent> {
        match &self.body {
            Some(Body::At(extent)) => Some(extent),
            Some(Body::Stream(_)) | None => None,
        }
    }

    /// Why the input ended where `expected` bytes should have been and `found` were.
    pub(super) fn cut(&mut self, expected: u64, found: u64) -> Cause {
        match self.fault.take() {
            Some(error) => Cause::Io(error),
            None => Cause::Truncated { expected, found },
        }
    }

    /// The error that ended it, if one did.
    pub(super) fn fault(&mut self) -> Option<Cause> {
        self.fault.take().map(Cause::Io)
    }

    /// Fills `out` as far as the input goes.
    pub(super) fn fill(&mut self, out: &mut [u8]) -> usize {
        let mut filled = 0_usize;
        while let Some(rest @ [_, ..]) = out.get_mut(filled..) {
            match self.pass(rest) {
                0 => break,
                n => filled = filled.saturating_add(n),
            }
        }
        filled
    }

    /// The next bytes, `want` of them (at most the buffer) or all that are left.
    pub(super) fn look(&mut self, want: usize) -> &[u8] {
        if self.buffered() < want {
            self.refill();
        }
        let next = self.buffer.get(self.start..self.end).unwrap_or_default();
        next.get(..want).unwrap_or(next)
    }

    /// Reads on as far as the buffer goes. Between frames and members a decoder asks for it, so that how
    /// it is given their bytes, and what it makes before it meets bad ones, does not depend on whether it
    /// has decoded what is before them.
    pub(super) fn top_up(&mut self) {
        if self.buffered() < BUFFER {
            self.refill();
        }
    }

    /// Some of the next bytes; none at the end.
    pub(super) fn next_bytes(&mut self) -> &[u8] {
        if self.buffered() == 0 {
            self.refill();
        }
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// Leaves out `bytes`, or all that are left; gives how many.
    pub(super) fn skip(&mut self, bytes: u64) -> u64 {
        let from_buffer = usize::try_from(bytes).unwrap_or(usize::MAX).min(self.buffered());
        self.consume(from_buffer);
        let mut skipped = count(from_buffer);
        if let Some(extent) = self.extent() {
            let left = extent.len().saturating_sub(self.pos);
            let rest = bytes.saturating_sub(skipped).min(left);
            self.pos = self.pos.saturating_add(rest);
            return skipped.saturating_add(rest);
        }
        while skipped < bytes {
            self.refill();
            let left = usize::try_from(bytes.saturating_sub(skipped)).unwrap_or(usize::MAX);
            let n = self.buffered().min(left);
            if n == 0 {
                break;
            }
            self.consume(n);
            skipped = skipped.saturating_add(count(n));
        }
        skipped
    }

    /// Goes over zeros; gives the offset of the first other byte, or `None` at the end.
    pub(super) fn skip_zeros(&mut self) -> Option<u64> {
        loop {
            let next = self.look(BUFFER);
            if next.is_empty() {
                return None;
            }
            let zeros = next.iter().position(|byte| *byte != 0);
            let all = next.len();
            self.consume(zeros.unwrap_or(all));
            if zeros.is_some() {
                return Some(self.pos);
            }
        }
    }

    /// Goes to the end of `bytes`, of which `read` are taken.
    pub(super) fn skip_all(&mut self, read: u64, bytes: u64) -> Result<(), Cause> {
        let found = read.saturating_add(self.skip(bytes.saturating_sub(read)));
        if found < bytes { Err(self.cut(bytes, found)) } else { Ok(()) }
    }

    /// Hands over the next `size` bytes as the body of a member, a range if these bytes are one,
    /// and goes to their end. Of a sparse file they are the stored parts.
    pub(super) fn deliver(
        &mut self,
        size: u64,
        sparse: Option<&Sparse>,
        opening: &mut Opening<'_>,
        member: impl for<'m> FnOnce(Body<'m>) -> Member<'m>,
    ) -> Result<Flow, Cause> {
        let start = self.pos;
        // Holes within holes are read as a stream.
        let extent = self.extent().filter(|extent| sparse.is_none() || !extent.has_holes());
        let flow = if let Some(extent) = extent {
            let extent = extent.sub(start..start.saturating_add(size));
            let extent = match sparse {
                Some(sparse) => extent.with_holes(sparse),
                None => extent,
            };
            opening.member(member(Body::At(extent)))?
        } else {
            let sparse = sparse.cloned().map(Arc::new);
            let mut stored = self.by_ref().take(size);
            opening.member(member(Body::Stream(Stream::sparse(&mut stored, sparse))))?
        };
        if flow == Flow::Continue {
            self.skip_all(self.pos.saturating_sub(start), size)?;
        }
        Ok(flow)
    }

    fn buffered(&self) -> usize {
        self.end.saturating_sub(self.start)
    }

    /// Takes what there is, past the buffer where that saves a copy.
    fn pass(&mut self, out: &mut [u8]) -> usize {
        if self.buffered() == 0 {
            if out.len() >= BUFFER {
                let n = self.pull(out, self.pos);
                self.pos = self.pos.saturating_add(count(n));
                return n;
            }
            self.refill();
        }
        let next = self.buffer.get(self.start..self.end).unwrap_or_default();
        let n = next.len().min(out.len());
        if let (Some(to), Some(from)) = (out.get_mut(..n), next.get(..n)) {
            to.copy_from_slice(from);
        }
        self.consume(n);
        n
    }

    /// Fills the buffer.
    fn refill(&mut self) {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.resize(BUFFER, 0);
        buffer.copy_within(self.start..self.end, 0);
        self.end = self.buffered();
        self.start = 0;
        while let Some(rest @ [_, ..]) = buffer.get_mut(self.end..) {
            match self.pull(rest, self.pos.saturating_add(count(self.end))) {
                0 => break,
                n => self.end = self.end.saturating_add(n),
            }
        }
        self.buffer = buffer;
    }

    /// Reads what lies at stored offset `at`, which is where a stream stands.
    fn pull(&mut self, out: &mut [u8], at: u64) -> usize {
        if self.fault.is_some() {
            return 0;
        }
        loop {
            let read = match &mut self.body {
                Some(Body::At(extent)) => extent.read_at(at, out),
                Some(Body::Stream(stream)) => stream.read(out),
                None => Ok(0),
            };
            match read {
                Ok(n) => return n.min(out.len()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.fault = Some(error);
                    return 0;
                }
            }
        }
    }
}

/// A number of bytes in memory as a number of bytes in a file.
pub(super) fn count(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

impl Read for Input<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        Ok(self.pass(out))
    }
}

impl BufRead for Input<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        Ok(self.next_bytes())
    }

    fn consume(&mut self, bytes: usize) {
        let bytes = bytes.min(self.buffered());
        self.start = self.start.saturating_add(bytes);
        self.pos = self.pos.saturating_add(count(bytes));
    }
}
