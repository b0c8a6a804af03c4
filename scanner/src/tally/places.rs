//! The lowest places of the matches of one value in one holder and kind of region.

use super::LineFeeds;
use crate::region::Locus;

/// How many places of one value are kept for one holder and kind of region.
pub const PLACES_KEPT: usize = 32;

/// The lowest places, in order. There is mostly one: a tree would take ten times the room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    all: Vec<Locus>,
    /// The line feeds before each of them in its window. Empty where none has any, as in memory.
    lines: Vec<Option<LineFeeds>>,
}

impl Places {
    pub(super) fn of(locus: Locus, lines: Option<LineFeeds>) -> Self {
        Self { all: vec![locus], lines: lines.map(|lines| vec![Some(lines)]).unwrap_or_default() }
    }

    /// How many are kept.
    #[expect(clippy::len_without_is_empty, reason = "there is always one")]
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// The places, with the line feeds before each in its window (files only).
    pub fn iter(&self) -> impl Iterator<Item = (Locus, Option<LineFeeds>)> {
        let lines = self.lines.iter().copied().chain(std::iter::repeat(None));
        self.all.iter().copied().zip(lines)
    }

    /// Keeps a place, if it is one of the lowest.
    pub(super) fn add(&mut self, locus: Locus, lines: Option<LineFeeds>) {
        // They come mostly in order: then only the end is looked at.
        if self.all.last().is_none_or(|last| *last < locus) {
            if self.all.len() < PLACES_KEPT {
                self.put(self.all.len(), locus, lines);
            }
            return;
        }
        match self.all.binary_search(&locus) {
            Ok(index) => {
                if lines.is_some() {
                    self.lines.resize(self.all.len(), None);
                }
                if let Some(known) = self.lines.get_mut(index) {
                    *known = lines;
                }
            }
            Err(index) => {
                self.all.truncate(PLACES_KEPT - 1);
                self.lines.truncate(PLACES_KEPT - 1);
                self.put(index, locus, lines);
            }
        }
    }

    fn put(&mut self, index: usize, locus: Locus, lines: Option<LineFeeds>) {
        if lines.is_some() || !self.lines.is_empty() {
            self.lines.resize(self.all.len(), None);
            self.lines.insert(index, lines);
        }
        self.all.insert(index, locus);
    }
}
