//! Bytes that pass once, of files with and without holes.

use std::io::{self, Read};
use std::sync::Arc;

use super::sparse::{Sparse, Spot, first, zeros};

/// A stream of the bytes of a file. Reading gives the holes of a sparse one as zeros.
pub struct Stream<'a> {
    inner: &'a mut dyn Read,
    /// Bytes of `inner` that were looked at and not read.
    ahead: Vec<u8>,
    /// How many of `ahead` are read again.
    again: usize,
    sparse: Option<Arc<Sparse>>,
    /// Offset in the file of the next byte.
    at: u64,
    /// Bytes taken of what is stored.
    stored: u64,
}

impl std::fmt::Debug for Stream<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stream").field("at", &self.at).finish_non_exhaustive()
    }
}

impl<'a> Stream<'a> {
    /// Bytes that are stored as they are.
    pub fn new(inner: &'a mut dyn Read) -> Self {
        Self { inner, ahead: Vec::new(), again: 0, sparse: None, at: 0, stored: 0 }
    }

    /// The stored parts of a sparse file.
    pub(super) fn sparse(inner: &'a mut dyn Read, sparse: Option<Arc<Sparse>>) -> Self {
        Self { sparse, ..Self::new(inner) }
    }

    /// What of the file is stored; `None` for all of it.
    pub fn map(&self) -> Option<&Arc<Sparse>> {
        self.sparse.as_ref()
    }

    /// Stored bytes that were taken so far.
    pub fn taken(&self) -> u64 {
        self.stored
    }

    /// Leaves out the next bytes of the file, holes at no cost; gives how many there were.
    ///
    /// # Errors
    /// From reading.
    pub fn pass(&mut self, bytes: u64) -> io::Result<u64> {
        let mut passed = 0u64;
        while passed < bytes {
            let left = bytes.saturating_sub(passed);
            let step = match self.spot() {
                Some(Spot::Zeros(len)) => {
                    let len = len.min(left);
                    self.at = self.at.saturating_add(len);
                    len
                }
                Some(Spot::Data { len, .. }) => self.drop_stored(len.min(left))?,
                None => self.drop_stored(left)?,
            };
            if step == 0 {
                break;
            }
            passed = passed.saturating_add(step);
        }
        Ok(passed)
    }

    /// Reads all that is stored and not read yet, without the holes between.
    ///
    /// # Errors
    /// From reading.
    pub fn stored_bytes(self) -> impl Read + use<'a> {
        let Self { inner, ahead, again, .. } = self;
        let again = ahead.get(again..).unwrap_or_default().to_vec();
        io::Cursor::new(again).chain(inner)
    }

    /// Looks at the first bytes of the file, at most `most`; nothing may have been read before.
    pub(super) fn look(&mut self, most: u64) -> io::Result<Vec<u8>> {
        let mut ahead = Vec::new();
        io::copy(&mut (&mut *self.inner).take(most), &mut ahead)?;
        let mut copy = ahead.as_slice();
        let mut again = Stream::sparse(&mut copy, self.sparse.clone());
        let mut head = Vec::new();
        io::copy(&mut (&mut again).take(most), &mut head)?;
        self.ahead = ahead;
        Ok(head)
    }

    /// Takes all that is left, if it is at most `most` bytes; `None` leaves the stream where it is.
    pub(super) fn whole(&mut self, most: u64) -> io::Result<Option<Vec<u8>>> {
        self.ahead.drain(..self.again.min(self.ahead.len()));
        self.again = 0;
        let have = u64::try_from(self.ahead.len()).unwrap_or(u64::MAX);
        let room = most.saturating_add(1).saturating_sub(have);
        io::copy(&mut (&mut *self.inner).take(room), &mut self.ahead)?;
        let len = u64::try_from(self.ahead.len()).unwrap_or(u64::MAX);
        if len > most {
            return Ok(None);
        }
        self.took(len);
        Ok(Some(std::mem::take(&mut self.ahead)))
    }

    /// The same stream, for a while; what is taken of it is taken of this one too.
    pub(super) fn lend(&mut self) -> Stream<'_> {
        Stream {
            inner: &mut *self.inner,
            ahead: self.ahead.clone(),
            again: self.again,
            sparse: self.sparse.clone(),
            at: self.at,
            stored: self.stored,
        }
    }

    fn spot(&self) -> Option<Spot> {
        self.sparse.as_ref().map(|sparse| sparse.spot(self.at))
    }

    fn drop_stored(&mut self, bytes: u64) -> io::Result<u64> {
        let ahead = self.ahead.get(self.again..).unwrap_or_default().len();
        let ahead = usize::try_from(bytes).unwrap_or(usize::MAX).min(ahead);
        self.again = self.again.saturating_add(ahead);
        let ahead = u64::try_from(ahead).unwrap_or_default();
        let mut rest = (&mut *self.inner).take(bytes.saturating_sub(ahead));
        let read = ahead.saturating_add(io::copy(&mut rest, &mut io::sink())?);
        self.took(read);
        Ok(read)
    }

    fn took(&mut self, bytes: u64) {
        self.at = self.at.saturating_add(bytes);
        self.stored = self.stored.saturating_add(bytes);
    }
}

impl Read for Stream<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let out = match self.spot() {
            Some(Spot::Zeros(len)) => {
                let made = zeros(out, len);
                self.at = self.at.saturating_add(u64::try_from(made).unwrap_or_default());
                return Ok(made);
            }
            Some(Spot::Data { len, .. }) => first(out, len),
            None => out,
        };
        let mut ahead = self.ahead.get(self.again..).unwrap_or_default();
        let read = if ahead.is_empty() { self.inner.read(out)? } else { ahead.read(out)? };
        if self.again < self.ahead.len() {
            self.again = self.again.saturating_add(read);
        }
        self.took(u64::try_from(read).unwrap_or_default());
        Ok(read)
    }
}
