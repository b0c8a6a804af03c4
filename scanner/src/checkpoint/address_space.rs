//! Pagemap and address space make a [`Space`]: which addresses lie at which offsets.

use std::ops::Range;

use crate::coverage::Reason;
use crate::criu::{Mm, Pagemap};
use crate::diagnostic::{Code, Diagnostic, Level};
use crate::region::{Form, Holder, Label, LabelKind, Piece, RegionKind, Space};

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
    /// Whether they are part of the image's stored size (compressed pages), so that the ledger
    /// has them already.
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
    /// What is wrong.
    pub notes: Vec<Diagnostic>,
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

    /// Bytes that the pagemap names beyond the end of its pages image.
    pub fn beyond_the_end(&self) -> u64 {
        let beyond = |short: &&Shortfall| short.reason == Reason::Unreadable && !short.stored;
        let short = self.shortfalls.iter().filter(beyond);
        short.fold(0, |sum, short| sum.saturating_add(short.bytes))
    }
}

/// Lays out the memory that `map` describes.
///
/// `image_len` is the stored length of the pages image; `member` is the pagemap's path, for
/// diagnostics. Hostile entries (overlap, overflow, disorder) are left out with a diagnostic.
pub(super) fn lay_out(
    holder: Holder,
    map: &Pagemap,
    mm: Option<&Mm>,
    page_size: Option<u32>,
    image_len: u64,
    member: &str,
) -> Layout {
    let page_size = page_size.unwrap_or_else(|| guess_page_size(map, image_len));
    let page = u64::from(page_size);
    let mut layout = Layout {
        space: Space {
            holder,
            kind: RegionKind::Memory,
            page_size,
            pieces: Vec::new(),
            labels: mm.map(labels).unwrap_or_default(),
            cut: true,
        },
        shortfalls: Vec::new(),
        explained: 0,
        notes: Vec::new(),
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
        if entry.is_parent() {
            layout.short(Reason::ParentMissing, bytes, false);
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
            let stored = compressed
                .sizes
                .iter()
                .fold(0u64, |sum, size| sum.saturating_add(u64::from(*size)));
            let held = stored.min(image_len.saturating_sub(offset));
            layout.short(Reason::Unreadable, held, true);
            layout.short(Reason::Unreadable, stored.saturating_sub(held), false);
            layout.note(
                Diagnostic::new(
                    Level::Error,
                    Code::PagesCompressed,
                    member,
                    "LZ4-compressed pages are not read yet; they were not scanned",
                )
                .at(offset),
            );
            offset = offset.saturating_add(stored);
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

/// The page size with which the pages of a pagemap fill its image; the commonest if none does.
fn guess_page_size(map: &Pagemap, image_len: u64) -> u32 {
    let pages = map
        .entries
        .iter()
        .filter(|entry| entry.is_present())
        .fold(0u64, |sum, entry| sum.saturating_add(entry.pages));
    let fits = |size: &u32| pages.checked_mul(u64::from(*size)) == Some(image_len);
    PAGE_SIZES.into_iter().find(fits).unwrap_or(PAGE_SIZES[0])
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
