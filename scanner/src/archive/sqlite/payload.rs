//! A row that goes on in overflow pages (fileformat2.html §1.6, "Cell payload overflow pages").

use super::page::{Cell, Header, u32_at};
use super::read;
use super::tree::Pages;
use crate::archive::error::Cause;
use crate::archive::packed::Decoder;
use crate::archive::source::Extent;

/// The bytes of a row: those in its page, then those of its chain of pages.
pub(super) struct Payload<'d> {
    extent: &'d Extent,
    header: &'d Header,
    used: &'d mut Pages,
    pages: u64,
    /// What was read and not given.
    ready: Vec<u8>,
    given: usize,
    /// Bytes that are in neither.
    left: u64,
    next: u32,
}

impl<'d> Payload<'d> {
    pub(super) fn new(
        extent: &'d Extent,
        header: &'d Header,
        used: &'d mut Pages,
        local: Vec<u8>,
        cell: &Cell,
        pages: u64,
    ) -> Self {
        let here = u64::try_from(local.len()).unwrap_or(u64::MAX);
        let left = cell.len.saturating_sub(here);
        let next = cell.overflow.unwrap_or_default();
        Self { extent, header, used, pages, ready: local, given: 0, left, next }
    }

    /// Reads the next page of the chain: the number of the one behind it, then content.
    fn next_page(&mut self) -> Result<(), Cause> {
        let number = u64::from(self.next);
        let bad = |found: &str| Cause::Malformed {
            expected: "an overflow page of this row alone".to_owned(),
            found: found.to_owned(),
        };
        if number == 0 || number > self.pages {
            return Err(bad(&format!("page {number}")));
        }
        if !self.used.add(number) {
            return Err(bad(&format!("page {number} of another row")));
        }
        let most = self.header.usable.min(self.left.saturating_add(4));
        let mut page = vec![0; usize::try_from(most).unwrap_or_default()];
        let at = number.saturating_sub(1).saturating_mul(self.header.page_size);
        let found = read(self.extent, at, &mut page)?;
        page.truncate(found);
        self.next = u32_at(&page, 0).unwrap_or_default();
        page.drain(..found.min(4));
        let got = u64::try_from(page.len()).unwrap_or(u64::MAX);
        if got == 0 {
            return Err(Cause::Truncated { expected: self.left, found: 0 });
        }
        self.left = self.left.saturating_sub(got);
        self.ready = page;
        self.given = 0;
        Ok(())
    }
}

impl Decoder for Payload<'_> {
    fn decode(&mut self, out: &mut [u8]) -> Result<usize, Cause> {
        if self.given >= self.ready.len() {
            if self.left == 0 {
                return Ok(0);
            }
            self.next_page()?;
        }
        let ready = self.ready.get(self.given..).unwrap_or_default();
        let len = ready.len().min(out.len());
        if let (Some(to), Some(from)) = (out.get_mut(..len), ready.get(..len)) {
            to.copy_from_slice(from);
        }
        self.given = self.given.saturating_add(len);
        Ok(len)
    }

    fn pos(&self) -> u64 {
        0
    }
}
