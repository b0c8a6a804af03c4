//! The bytes of a part of a region: the only thing that matching sees.

use std::ops::Range;

use super::Space;

/// How far around a match anything may be looked at, in bytes.
pub const REACH: u64 = 64 << 10;

/// The grid on which everything that counts is counted: offset in the region modulo this.
pub const CELL: u64 = 64 << 10;

/// Which ends of a window's bytes are ends of memory, beyond which the text may go on unseen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// The first byte is the first of a region that was cut there.
    pub start: bool,
    /// The last byte is the last of a region that was cut there.
    pub end: bool,
}

/// A part of a region with its bytes and up to [`REACH`] more on both sides.
#[derive(Debug, Clone)]
pub struct Window<'a> {
    /// The layout it is a part of.
    pub space: &'a Space,
    /// Path of the file, as in reports; empty for memory.
    pub name: &'a str,
    /// First address of the region: the grid starts here.
    pub region_start: u64,
    /// Address of the first byte of `bytes`.
    pub base: u64,
    /// What belongs to this window; matches that start here are its own.
    pub own: Range<u64>,
    /// The bytes, with the surroundings.
    pub bytes: &'a [u8],
    /// Which ends of `bytes` are cut ends of memory.
    pub cut: Cut,
}

impl Window<'_> {
    /// The same with a part of what it owns, and no more around that than has to be seen.
    #[must_use]
    pub fn part(&self, own: Range<u64>) -> Self {
        let len = u64::try_from(self.bytes.len()).unwrap_or(u64::MAX);
        let end = self.base.saturating_add(len);
        let from = own.start.saturating_sub(REACH).max(self.base);
        let to = own.end.saturating_add(REACH).min(end);
        let offset = |at: u64| usize::try_from(at.saturating_sub(self.base)).unwrap_or(usize::MAX);
        let bytes = self.bytes.get(offset(from)..offset(to)).unwrap_or_default();
        let cut =
            Cut { start: self.cut.start && from == self.base, end: self.cut.end && to == end };
        Self { base: from, own, bytes, cut, ..*self }
    }
}
