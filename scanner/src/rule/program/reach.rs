//! What is known of a text from one place to the next.

use std::ops::Range;

use super::Set;

/// How far runs of bytes of one set go in one text, as was found at the last places that were looked at: of places
/// in one long run each would go along it again.
#[derive(Debug, Default)]
pub struct Reach {
    /// Where the text that is looked at begins in all of it.
    base: usize,
    /// Whose pattern is run.
    of: u32,
    runs: Vec<Known>,
    put: usize,
}

/// All bytes of `span` are of a set; if `is_whole`, the one behind it is not.
#[derive(Debug, Clone)]
struct Known {
    of: (u32, usize),
    span: Range<usize>,
    is_whole: bool,
}

impl Reach {
    /// Runs that are known at a time.
    const MOST: usize = 8;

    /// Bytes of a run that is worth to be known.
    pub(super) const LEAST: usize = 256;

    /// Forgets the text.
    pub fn clear(&mut self) {
        self.runs.clear();
    }

    /// Begins with a text that begins at `base` in all of it, and the pattern of a rule.
    pub fn begin(&mut self, base: usize, of: u32) {
        (self.base, self.of) = (base, of);
    }

    /// How many bytes of a set stand in a row at the start of `range`.
    pub(super) fn run_of(
        &mut self,
        number: usize,
        set: &Set,
        text: &[u8],
        range: Range<usize>,
    ) -> usize {
        let of = (self.of, number);
        let here = self.base.saturating_add(range.start);
        let last = self.base.saturating_add(range.end);
        let index = self.runs.iter().position(|run| run.of == of).unwrap_or_else(|| {
            let new = Known { of, span: 0..0, is_whole: false };
            let free = if self.runs.len() < Self::MOST { self.runs.len() } else { self.put };
            self.put = (free + 1) % Self::MOST;
            match self.runs.get_mut(free) {
                Some(run) => *run = new,
                None => self.runs.push(new),
            }
            free
        });
        let Some(run) = self.runs.get_mut(index) else { return 0 };
        if !(run.span.start..=run.span.end).contains(&here) {
            (run.span, run.is_whole) = (here..here, false);
        }
        if !run.is_whole && run.span.end < last {
            let rest = text.get(run.span.end - self.base..range.end).unwrap_or_default();
            let len = rest.iter().position(|byte| !set[usize::from(*byte)]);
            run.is_whole = len.is_some();
            run.span.end += len.unwrap_or(rest.len());
        }
        run.span.end.min(last) - here
    }
}
