//! The bytes of a layout: read from its image, blocks of LZ4 expanded, holes filled.

use std::cell::RefCell;
use std::io::{self, Read};
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use super::job::Input;
use crate::archive::{Extent, Stream};
use crate::region::{Block, CELL, Form, Piece, REACH, Region, Space};

/// A block that does not expand to its pages. Its bytes are given as zeros.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bad {
    /// The addresses of its pages.
    pub range: Range<u64>,
    /// The dump that has it.
    pub layer: u16,
    /// Where it is stored in the image.
    pub offset: u64,
    /// What is wrong with it.
    pub found: String,
}

/// The parts of a region that windows are cut from: the cells of its grid in which anything is
/// stored. Before and behind each part lies a cell of zeros, or the end of the region.
pub(super) fn parts(space: &Space, region: &Region) -> Vec<Range<u64>> {
    let Range { start, end } = region.range;
    let mut parts: Vec<Range<u64>> = Vec::new();
    let pieces = space.pieces.get(region.pieces.clone()).unwrap_or_default();
    let stored = pieces.iter().filter(|piece| piece.form != Form::Zero);
    for own in stored.flat_map(|piece| space.own_of(&(piece.at..piece.end()))) {
        // A match that ends in what is to be scanned may begin before it, at most as far as it is long.
        let before = if space.only.is_some() { CELL } else { 0 };
        let first = own.start.saturating_sub(start).saturating_sub(before) / CELL * CELL;
        let last = own.end.saturating_sub(start);
        let last = last.checked_next_multiple_of(CELL).unwrap_or(u64::MAX);
        let part = start.saturating_add(first)..start.saturating_add(last).min(end);
        match parts.last_mut() {
            Some(before) if before.end >= part.start => before.end = before.end.max(part.end),
            _ => parts.push(part),
        }
    }
    parts
}

/// Expands a block.
///
/// # Errors
/// What is wrong with it.
fn expand(stored: &[u8], out: &mut [u8]) -> Result<(), String> {
    if stored.is_empty() {
        out.fill(0);
        return Ok(());
    }
    if stored.len() == out.len() {
        out.copy_from_slice(stored);
        return Ok(());
    }
    match lz4_flex::block::decompress_into(stored, out) {
        Ok(len) if len == out.len() => Ok(()),
        Ok(len) => Err(format!("{len} bytes")),
        Err(_) => Err("no block of LZ4".to_owned()),
    }
}

fn len_of(range: &Range<u64>) -> usize {
    usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(usize::MAX)
}

/// A block in memory.
#[derive(Debug, Default)]
pub(super) struct Expanded {
    range: Range<u64>,
    bytes: Vec<u8>,
    stored: Vec<u8>,
}

impl Expanded {
    /// Takes a block, of which `read` gives the stored bytes.
    ///
    /// # Errors
    /// From `read`.
    fn take(
        &mut self,
        block: &Block,
        piece: &Piece,
        read: impl FnOnce(&mut [u8]) -> io::Result<()>,
    ) -> io::Result<Result<(), Bad>> {
        self.range = 0..0;
        self.stored.resize(usize::try_from(block.stored).unwrap_or_default(), 0);
        read(&mut self.stored)?;
        self.bytes.resize(len_of(&block.range), 0);
        let done = expand(&self.stored, &mut self.bytes).map_err(|found| {
            self.bytes.fill(0);
            // Of a block that is in use in part the rest is other memory.
            let range = block.range.start.max(piece.at)..block.range.end.min(piece.end());
            Bad { range, layer: piece.layer, offset: block.offset, found }
        });
        self.range = block.range.clone();
        Ok(done)
    }

    /// Its bytes from an address on.
    fn at(&self, address: u64) -> &[u8] {
        if !self.range.contains(&address) {
            return &[];
        }
        let within = usize::try_from(address - self.range.start).unwrap_or(usize::MAX);
        self.bytes.get(within..).unwrap_or_default()
    }
}

/// Why bytes are missing: the layer, and what went wrong if its image did not just end.
pub(super) type Fault = (u16, io::Result<()>);

/// Fills `out` with the bytes from `base` on; gives how many there are, the blocks that are bad, and
/// what went wrong where there are fewer.
pub(super) fn read(
    space: &Space,
    input: &Input,
    base: u64,
    out: &mut [u8],
) -> (usize, Vec<Bad>, Option<Fault>) {
    let (mut filled, mut bad, mut expanded) = (0, Vec::new(), Expanded::default());
    let mut at = base;
    while let Some(rest @ [_, ..]) = out.get_mut(filled..) {
        let Some(piece) = space.piece_at(at) else { break };
        let within = at.saturating_sub(piece.at);
        let left = usize::try_from(piece.len.saturating_sub(within)).unwrap_or(usize::MAX);
        let len = left.min(rest.len());
        let rest = rest.get_mut(..len).unwrap_or_default();
        let Some(extent) = input.extent(piece.layer) else { break };
        let done = match piece.form {
            Form::Raw => match extent.read_at(piece.offset.saturating_add(within), rest) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Ok(0) => Err(None),
                Ok(read) => Ok(read),
                Err(error) => Err(Some(error)),
            },
            Form::Zero => {
                rest.fill(0);
                Ok(len)
            }
            Form::Lz4 { .. } => {
                blocks(space, extent, at, rest, &mut expanded, &mut bad).map_err(Some)
            }
        };
        match done {
            Ok(read) => {
                filled += read;
                at = at.saturating_add(read as u64);
            }
            Err(error) => return (filled, bad, Some((piece.layer, error.map_or(Ok(()), Err)))),
        }
    }
    (filled, bad, None)
}

/// Fills `out`, which lies in one compressed piece.
fn blocks(
    space: &Space,
    extent: &Extent,
    from: u64,
    out: &mut [u8],
    expanded: &mut Expanded,
    bad: &mut Vec<Bad>,
) -> io::Result<usize> {
    let mut filled = 0;
    let Some(piece) = space.piece_at(from) else { return Ok(0) };
    for block in space.blocks_of(piece).skip_while(|block| block.range.end <= from) {
        let Some(rest @ [_, ..]) = out.get_mut(filled..) else { break };
        let at = from.saturating_add(filled as u64);
        let taken = expanded.take(&block, piece, |stored| {
            let end = block.offset.saturating_add(block.stored.into());
            extent.sub(block.offset..end).reader().read_exact(stored)
        })?;
        bad.extend(taken.err());
        let bytes = expanded.at(at);
        let len = bytes.len().min(rest.len());
        if let (Some(to), Some(from)) = (rest.get_mut(..len), bytes.get(..len)) {
            to.copy_from_slice(from);
        }
        filled += len;
    }
    Ok(filled)
}

/// The bytes of a layout from a stream of the image they lie in, front to back.
pub(super) struct Pieces<'a> {
    space: Arc<Space>,
    stream: Stream<'a>,
    /// Offset in the image of the next byte of the stream.
    pub offset: u64,
    /// The next address, and where to end.
    todo: Range<u64>,
    expanded: Expanded,
    bad: Rc<RefCell<Vec<Bad>>>,
}

impl<'a> Pieces<'a> {
    /// Bad blocks are added to `bad`.
    pub(super) fn new(space: Arc<Space>, stream: Stream<'a>, bad: Rc<RefCell<Vec<Bad>>>) -> Self {
        let expanded = Expanded::default();
        Self { space, stream, offset: 0, todo: 0..0, expanded, bad }
    }

    /// Goes on with a part of a region and what surrounds it; gives the addresses of both.
    pub(super) fn go_to(&mut self, part: &Range<u64>, region: &Range<u64>) -> Range<u64> {
        let start = part.start.saturating_sub(REACH).max(region.start);
        self.todo = start..part.end.saturating_add(REACH).min(region.end);
        self.todo.clone()
    }

    /// What is left of the stream.
    pub(super) fn into_stream(self) -> Stream<'a> {
        self.stream
    }

    /// Goes to an offset of the image; `false` when it ends before.
    fn skip_to(&mut self, offset: u64) -> io::Result<bool> {
        self.offset =
            self.offset.saturating_add(self.stream.pass(offset.saturating_sub(self.offset))?);
        Ok(self.offset >= offset)
    }

    fn next_block(&mut self) -> io::Result<bool> {
        let at = self.todo.start;
        let space = Arc::clone(&self.space);
        let Some(piece) = space.piece_at(at) else { return Ok(false) };
        let Some(block) = space.blocks_of(piece).find(|block| block.range.contains(&at)) else {
            return Ok(false);
        };
        if !self.skip_to(block.offset)? {
            return Ok(false);
        }
        let mut read = 0;
        let stream = &mut self.stream;
        let taken = self.expanded.take(&block, piece, |stored| {
            while let Some(rest @ [_, ..]) = stored.get_mut(read..) {
                match stream.read(rest)? {
                    0 => break,
                    more => read += more,
                }
            }
            Ok(())
        })?;
        self.offset = self.offset.saturating_add(read as u64);
        if read < usize::try_from(block.stored).unwrap_or(usize::MAX) {
            self.expanded.range = 0..0;
            return Ok(false);
        }
        self.bad.borrow_mut().extend(taken.err());
        Ok(true)
    }
}

impl Read for Pieces<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let at = self.todo.start;
        let most = len_of(&self.todo).min(out.len());
        let Some(piece) = self.space.piece_at(at).copied().filter(|_| most > 0) else {
            return Ok(0);
        };
        let within = at.saturating_sub(piece.at);
        let left = usize::try_from(piece.len.saturating_sub(within)).unwrap_or(usize::MAX);
        let out = out.get_mut(..most.min(left)).unwrap_or_default();
        let read = match piece.form {
            Form::Zero => {
                out.fill(0);
                out.len()
            }
            Form::Raw => {
                if !self.skip_to(piece.offset.saturating_add(within))? {
                    return Ok(0);
                }
                let read = self.stream.read(out)?;
                self.offset = self.offset.saturating_add(read as u64);
                read
            }
            Form::Lz4 { .. } => {
                if self.expanded.at(at).is_empty() && !self.next_block()? {
                    return Ok(0);
                }
                let mut bytes = self.expanded.at(at);
                bytes.read(out)?
            }
        };
        self.todo.start = at.saturating_add(read as u64);
        Ok(read)
    }
}
