//! Pagemap and address space make a [`Space`]: which addresses lie at which offsets.

use std::ops::Range;

use super::chain;
use crate::coverage::Reason;
use crate::criu::{Compressed, Mm, Pagemap, PagemapEntry};
use crate::diagnostic::{Code, Diagnostic, Level};
use crate::region::{CELL, Form, Holder, Label, LabelKind, Piece, RegionKind, Space};

/// Page sizes that exist, the commonest first.
const PAGE_SIZES: [u32; 3] = [4096, 16384, 65536];

/// Bytes of arguments or of the environment that are looked at, as the kernel allows.
const LABEL_BYTES: u64 = 6 << 20;

/// Bytes that a pagemap names and its pages image does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shortfall {
    /// Why.
    pub reason: Reason,
    /// How many.
    pub bytes: u64,
    /// Whether they are part of the image's stored size, or of what it grew by, so that the ledger has
    /// them already.
    pub stored: bool,
}

/// The layout that a pagemap gives, and what of it has no bytes.
#[derive(Debug)]
pub struct Layout {
    /// The layout.
    pub space: Space,
    /// What is named and not there, one entry a reason.
    pub shortfalls: Vec<Shortfall>,
    /// Bytes of the pages image that the pagemap explains.
    pub explained: u64,
    /// Bytes by which compressed pages are more than what is stored of them.
    pub grown: u64,
    /// What is wrong.
    pub notes: Vec<Diagnostic>,
    /// Addresses whose bytes are those of the parent dump.
    pub inherited: Vec<Range<u64>>,
    /// Addresses that the pagemap names in any way.
    pub named: Vec<Range<u64>>,
}

impl Layout {
    /// Adds to what is named and not there.
    fn short(&mut self, reason: Reason, bytes: u64, stored: bool) {
        let same = |short: &&mut Shortfall| (short.reason, short.stored) == (reason, stored);
        match self.shortfalls.iter_mut().find(same) {
            Some(short) => short.bytes = short.bytes.saturating_add(bytes),
            None if bytes > 0 => self.shortfalls.push(Shortfall { reason, bytes, stored }),
            None => {}
        }
    }

    /// Adds a problem; of each kind the first is told.
    fn note(&mut self, note: Diagnostic) {
        if self.notes.iter().all(|told| told.code != note.code) {
            self.notes.push(note);
        }
    }

    /// Bytes of memory that have to be decompressed.
    pub fn compressed(&self) -> u64 {
        let pieces = self.space.pieces.iter().filter(|piece| is_compressed(piece));
        pieces.fold(0, |sum, piece| sum.saturating_add(piece.len))
    }

    /// Leaves out what has to be decompressed, which is more than a limit allows.
    pub fn leave_compressed(&mut self) {
        self.short(Reason::Limit, self.compressed(), true);
        self.space.pieces.retain(|piece| !is_compressed(piece));
    }

    /// Bytes that the pagemap names beyond the end of its pages image.
    pub fn beyond_the_end(&self) -> u64 {
        let beyond = |short: &&Shortfall| short.reason == Reason::Unreadable && !short.stored;
        let short = self.shortfalls.iter().filter(beyond);
        short.fold(0, |sum, short| sum.saturating_add(short.bytes))
    }
}

fn is_compressed(piece: &Piece) -> bool {
    matches!(piece.form, Form::Lz4 { .. })
}

/// Lays out the memory that `map` describes.
///
/// The page size is the first of `page_sizes`; without it the one with which the pages fill their
/// image, or else the second, that of other dumps. `image_len` is the stored length of the pages image;
/// `member` is the pagemap's path, for diagnostics. Hostile entries (overlap, overflow, disorder) are left out with a diagnostic.
pub(super) fn lay_out(
    holder: Holder,
    map: &Pagemap,
    mm: Option<&Mm>,
    page_sizes: (Option<u32>, Option<u32>),
    image_len: u64,
    member: &str,
) -> Layout {
    let page_size = page_sizes.0.or_else(|| guess_page_size(map, image_len)).or(page_sizes.1);
    let page_size = page_size.unwrap_or(PAGE_SIZES[0]);
    let page = u64::from(page_size);
    let mut layout = Layout {
        space: Space {
            holder,
            kind: RegionKind::Memory,
            page_size,
            pieces: Vec::new(),
            blocks: Vec::new(),
            labels: mm.map(labels).unwrap_or_default(),
            cut: true,
            only: None,
            foreign: u16::MAX,
        },
        shortfalls: Vec::new(),
        explained: 0,
        grown: 0,
        notes: Vec::new(),
        inherited: Vec::new(),
        named: Vec::new(),
    };
    let mut offset = 0u64;
    let mut end = 0u64;
    for (index, entry) in map.entries.iter().enumerate() {
        let bytes = entry.pages.checked_mul(page);
        let last = bytes.and_then(|bytes| entry.vaddr.checked_add(bytes));
        let (Some(bytes), Some(last)) = (bytes, last) else {
            layout.note(
                Diagnostic::new(
                    Level::Error,
                    Code::PagemapInconsistent,
                    member,
                    format!("entry {index} is impossible; it and what follows it were left out"),
                )
                .expected(
                    "an end below 2^64",
                    format!("{} pages at {:#x}", entry.pages, entry.vaddr),
                ),
            );
            break;
        };
        if !entry.vaddr.is_multiple_of(page) || entry.vaddr < end {
            layout.note(
                Diagnostic::new(
                    Level::Error,
                    Code::PagemapInconsistent,
                    member,
                    format!("entry {index} does not follow the one before it; it was left out"),
                )
                .expected(
                    format!("a page border at {end:#x} or above"),
                    format!("{:#x}", entry.vaddr),
                ),
            );
            if entry.is_present() {
                let stored = bytes.min(image_len.saturating_sub(offset));
                layout.short(Reason::Unreadable, stored, true);
                offset = offset.saturating_add(bytes);
            }
            continue;
        }
        end = last;
        chain::push(&mut layout.named, entry.vaddr..last);
        if entry.is_parent() {
            chain::push(&mut layout.inherited, entry.vaddr..last);
            continue;
        }
        if !entry.is_present() {
            if entry.is_lazy() {
                layout.short(Reason::Lazy, bytes, false);
            }
            continue;
        }
        if entry.is_aligned() {
            let aligned = offset.checked_next_multiple_of(page).unwrap_or(u64::MAX);
            layout.short(Reason::NotContent, aligned.min(image_len).saturating_sub(offset), true);
            offset = aligned;
        }
        if let Some(compressed) = &entry.compressed {
            let blocks = Blocks { entry, index, compressed, page, image: map.pages_id, image_len };
            offset = blocks.lay_out(offset, &mut layout, member);
            continue;
        }
        let held = bytes.min(image_len.saturating_sub(offset));
        layout.short(Reason::Unreadable, bytes.saturating_sub(held), false);
        if held > 0 {
            layout.space.pieces.push(Piece {
                at: entry.vaddr,
                len: held,
                layer: 0,
                image: map.pages_id,
                offset,
                form: Form::Raw,
            });
        }
        offset = offset.saturating_add(bytes);
    }
    layout.explained = offset.min(image_len);
    layout
}

/// Bytes that a block expands to at most (CRIU's largest region).
const BLOCK_BYTES: u64 = 4 << 20;
/// Blocks of a piece, so that finding one of them stays cheap.
const PIECE_BLOCKS: u32 = 256;

/// The compressed pages of one entry.
struct Blocks<'a> {
    entry: &'a PagemapEntry,
    /// Which entry of the pagemap it is.
    index: usize,
    compressed: &'a Compressed,
    page: u64,
    image: u32,
    image_len: u64,
}

impl Blocks<'_> {
    /// Lays out the blocks, the first of which lies at `offset`; gives where the last one ends.
    fn lay_out(&self, offset: u64, layout: &mut Layout, member: &str) -> u64 {
        let Self { entry, index, compressed, page, .. } = *self;
        let sizes = &compressed.sizes;
        let stored = sizes.iter().fold(0u64, |sum, size| sum.saturating_add((*size).into()));
        let end = offset.saturating_add(stored);
        let note = |text: String, level| {
            Diagnostic::new(
                level,
                Code::PagemapInconsistent,
                member,
                format!("entry {index}: {text}"),
            )
        };
        if let Some(total) = compressed.total.filter(|total| *total != stored) {
            let text = "its blocks are not as long as it says; their own lengths were used";
            let note = note(text.to_owned(), Level::Warning);
            layout.note(note.expected(format!("{total} bytes"), format!("{stored} bytes")));
        }
        let pages = u64::from(compressed.block_pages);
        let block = pages.checked_mul(page).filter(|block| *block <= BLOCK_BYTES);
        let count = entry.pages.div_ceil(pages.max(1));
        let fits = u64::try_from(sizes.len()).is_ok_and(|len| len == count);
        let Some(block) = block.and_then(|it| u32::try_from(it).ok()).filter(|it| *it > 0 && fits)
        else {
            let text = "its blocks are no such pages; they were not scanned".to_owned();
            layout.note(note(text, Level::Error).expected(
                format!("{count} blocks of at most {BLOCK_BYTES} bytes"),
                format!("{} blocks of {pages} pages", sizes.len()),
            ));
            self.lost(offset..end, layout);
            return end;
        };
        let last = entry.vaddr.saturating_add(entry.pages.saturating_mul(page));
        let (mut at, mut offset) = (entry.vaddr, offset);
        let mut rest = sizes.as_slice();
        let mut joined = 0;
        while let Some((&size, others)) = rest.split_first() {
            let zeros = rest.iter().take_while(|size| **size == 0).count();
            let zeros = u64::try_from(zeros).unwrap_or(u64::MAX);
            let bytes = zeros.saturating_mul(block.into()).min(last.saturating_sub(at));
            if bytes >= CELL {
                // Zeros in bulk cost nothing to leave out.
                layout.space.pieces.push(self.piece(at, bytes, offset, Form::Zero));
                layout.short(Reason::ZeroPage, bytes, false);
                at = at.saturating_add(bytes);
                rest = rest.get(usize::try_from(zeros).unwrap_or(usize::MAX)..).unwrap_or_default();
                joined = 0;
                continue;
            }
            let len = u64::from(block).min(last.saturating_sub(at));
            let next = offset.saturating_add(size.into());
            if u64::from(size) > len {
                let text = "a block is longer than its pages; it was not scanned";
                let note = Diagnostic::new(Level::Error, Code::PagesMalformed, member, text);
                layout.note(note.at(offset).expected(
                    format!("at most {len} bytes"),
                    format!("{size} bytes for the pages at {at:#x}"),
                ));
            }
            if u64::from(size) > len || next > self.image_len {
                self.lost(offset..next, layout);
                joined = 0;
            } else {
                layout.grown = layout.grown.saturating_add(len.saturating_sub(size.into()));
                let first = u32::try_from(layout.space.blocks.len()).unwrap_or(u32::MAX);
                layout.space.blocks.push(size);
                match layout.space.pieces.last_mut() {
                    Some(piece) if joined > 0 && joined < PIECE_BLOCKS => {
                        piece.len = piece.len.saturating_add(len);
                    }
                    _ => {
                        joined = 0;
                        let form = Form::Lz4 { first, block, before: 0, after: 0 };
                        layout.space.pieces.push(self.piece(at, len, offset, form));
                    }
                }
                joined = joined.saturating_add(1);
            }
            (at, offset, rest) = (at.saturating_add(len), next, others);
        }
        end
    }

    fn piece(&self, at: u64, len: u64, offset: u64, form: Form) -> Piece {
        Piece { at, len, layer: 0, image: self.image, offset, form }
    }

    /// Counts stored bytes that say nothing.
    fn lost(&self, stored: Range<u64>, layout: &mut Layout) {
        let held = stored.end.min(self.image_len).saturating_sub(stored.start);
        layout.short(Reason::Unreadable, held, true);
        let bytes = stored.end.saturating_sub(stored.start);
        layout.short(Reason::Unreadable, bytes.saturating_sub(held), false);
    }
}

/// The page size with which the pages of a pagemap fill its image.
fn guess_page_size(map: &Pagemap, image_len: u64) -> Option<u32> {
    let pages = map
        .entries
        .iter()
        .filter(|entry| entry.is_present())
        .fold(0u64, |sum, entry| sum.saturating_add(entry.pages));
    let fits = |size: &u32| pages.checked_mul(u64::from(*size)) == Some(image_len);
    PAGE_SIZES.into_iter().find(fits).filter(|_| pages > 0)
}

fn labels(mm: &Mm) -> Vec<Label> {
    let label = |range: &Range<u64>, kind| {
        let end = range.end.min(range.start.saturating_add(LABEL_BYTES));
        (range.start < end).then_some(Label { range: range.start..end, kind })
    };
    [label(&mm.argv, LabelKind::Argv), label(&mm.environ, LabelKind::Environ)]
        .into_iter()
        .flatten()
        .collect()
}
