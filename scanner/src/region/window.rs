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
