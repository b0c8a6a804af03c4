//! Decoded text: what the encodings find in a window or in other decoded text, matched by the same rules.
//!
//! Everything counts by cells of the grid. What is decoded for a cell depends only on the bytes from
//! [`CONTEXT`] before it to as many behind it, and what is found belongs to it if it starts in it: so a
//! run that is longer than that is decoded afresh for each cell, and windows can be cut in any way.

use std::collections::BTreeMap;
use std::ops::Range;

use super::encoding::{ENCODINGS, Encoding, Island, Run, SHORTEST};
use super::engine::{Candidate, Engine, Scratch, Throttled, WIDEST};
use super::overlap;
use super::search::{From, Haystack};
use crate::check::Notation;
use crate::region::{CELL, Cut, Decoded, REACH, RegionKind, Window};
use crate::rule::Class;

/// Bytes before and behind a cell that are decoded with it.
const CONTEXT: u64 = REACH / 2;

/// Bytes that are decoded for one cell, at every depth.
const CELL_DECODED: usize = 2 << 20;

/// What an island costs beside its bytes.
const ISLAND: usize = 64;

/// Matches in decoded text that one cell may have.
const CELL_MATCHES: usize = 4096;

/// Encodings inside each other: a check may find one more.
const DEPTH: usize = Decoded::MOST - 1;

/// Bytes of a run that is looked at together with others, and of the text of all of them, about.
const SHORT: usize = 1 << 10;
const TOGETHER: usize = 15 << 10;

/// What has been decoded for a cell.
#[derive(Debug)]
struct Account {
    /// Bytes it may still cost.
    left: usize,
    /// Matches it may still have.
    matches: usize,
    /// Islands it has.
    islands: u32,
    /// Bytes that were made.
    made: u64,
    /// Those of them that begin in the cell.
    decoded: u64,
    /// Matches, lost ones too, whether they start in the cell or not.
    found: Vec<Candidate>,
}

impl Account {
    /// Takes an island of so many bytes on, if there is room for it.
    fn takes(&mut self, len: usize) -> bool {
        self.left = self.left.saturating_sub(len.saturating_add(ISLAND));
        if self.left == 0 {
            return false;
        }
        self.islands += 1;
        self.made += len as u64;
        true
    }
}

impl Default for Account {
    fn default() -> Self {
        Self {
            left: CELL_DECODED,
            matches: CELL_MATCHES,
            islands: 0,
            made: 0,
            decoded: 0,
            found: Vec::new(),
        }
    }
}

/// On whose account something is decoded.
struct Pass<'a> {
    window: &'a Window<'a>,
    cell: u64,
    kind: RegionKind,
    account: &'a mut Account,
}

impl Engine {
    /// Adds what is decoded from a window to what stands in it; gives the bytes that were made.
    pub(super) fn cells(
        &self,
        window: &Window<'_>,
        haystack: Haystack<'_>,
        plain: &mut Vec<Candidate>,
        scratch: &mut Scratch,
    ) -> u64 {
        let mut accounts: BTreeMap<u64, Account> = BTreeMap::new();
        let shown = self.indicators(window, plain);
        for encoding in ENCODINGS {
            let mut runs = Vec::new();
            (encoding.find)(window.bytes, haystack.marks, &mut |run| {
                runs.push(run);
            });
            let quiet = self.quiet(window.bytes, encoding, &runs, scratch);
            for (index, run) in runs.iter().enumerate() {
                let quiet = quiet.get(index).copied().flatten();
                parts(window, encoding, run, &shown, |cell, part, cut| {
                    let account = accounts.entry(cell).or_default();
                    let begins = address(window, part.range.start) >= cell_start(window, cell);
                    let before = account.made;
                    if let Some(len) = quiet.filter(|_| part.range == run.range) {
                        account.takes(len);
                        account.decoded += if begins { account.made - before } else { 0 };
                        return;
                    }
                    let start = part.range.start as u64;
                    let kind = window.space.kind_at(window.base.saturating_add(start));
                    let mut found = std::mem::take(&mut account.found);
                    let mut pass = Pass { window, cell, kind, account };
                    self.decode(
                        encoding,
                        &part,
                        cut,
                        haystack,
                        Decoded::PLAIN,
                        &mut pass,
                        &mut found,
                        scratch,
                    );
                    account.found = found;
                    if begins {
                        account.decoded += account.made - before;
                    }
                });
            }
        }
        let mut decoded = 0u64;
        let mut all = Vec::new();
        for (cell, account) in accounts {
            let start = cell_start(window, cell);
            if account.left == 0 || account.matches == 0 {
                scratch.throttled.push(Throttled { rule: None, cell: start });
            }
            decoded = decoded.saturating_add(account.decoded);
            if account.decoded > 0 {
                scratch.decoded_cells.push((start, account.decoded));
            }
            overlap::settle_cell(&self.rules, plain, account.found, start, &mut all);
        }
        overlap::hide_secrets(&self.rules, plain);
        plain.append(&mut all);
        plain.sort_by_key(overlap::order);
        decoded
    }

    /// By run, how long its text is if no rule finds anything in it. Heaps hold short texts by the thousand:
    /// what stands out in them is looked for in many at once.
    fn quiet(
        &self,
        bytes: &[u8],
        encoding: &Encoding,
        runs: &[Run],
        scratch: &mut Scratch,
    ) -> Vec<Option<usize>> {
        let Some(add_text) = encoding.add_text else { return Vec::new() };
        let mut quiet = vec![None; runs.len()];
        let (mut text, mut places) = (Vec::new(), Vec::new());
        let short = |(_, run): &(usize, &Run)| run.range.len() <= SHORT;
        let mut runs = runs.iter().enumerate().filter(short).peekable();
        while runs.peek().is_some() {
            text.clear();
            places.clear();
            while let Some((index, run)) = runs.next_if(|_| text.len() < TOGETHER) {
                let start = text.len();
                add_text(bytes, run, &mut text);
                places.push((index, start..text.len()));
                // Stands in none of them: nothing reaches from one into the next.
                text.push(0);
            }
            let marks = self.marks(&text, scratch);
            let mut is_quiet = vec![marks.is_all; places.len()];
            marks.each_place(|place| {
                let first = places.partition_point(|(_, of)| of.end <= place.start);
                let some = places.iter().zip(&mut is_quiet).skip(first);
                let touched = some.take_while(|((_, of), _)| of.start < place.end);
                touched.for_each(|(_, is_quiet)| *is_quiet = false);
            });
            // Where there is no text there is no island either.
            let some = places.iter().zip(is_quiet).filter(|((_, of), is)| *is && !of.is_empty());
            for ((index, of), _) in some {
                if let Some(len) = quiet.get_mut(*index) {
                    *len = Some(of.len());
                }
            }
            scratch.marks.push(marks);
        }
        quiet
    }

    /// By cell, where indicators end that start in it and end behind it: what is decoded there may have
    /// to be hidden in them.
    fn indicators(&self, window: &Window<'_>, plain: &[Candidate]) -> BTreeMap<u64, u64> {
        let mut shown = BTreeMap::new();
        for found in plain {
            if self.rules.get(found.rule).class == Class::Indicator {
                let cell = found.start.saturating_sub(window.region_start) / CELL;
                let end: &mut u64 = shown.entry(cell).or_default();
                *end = found.end.max(*end);
            }
        }
        shown
    }

    /// Decodes a run in `haystack`, which is written as `decoded` says, and adds what rules find in it.
    #[expect(clippy::too_many_arguments, reason = "each is a part of the place")]
    fn decode(
        &self,
        encoding: &Encoding,
        run: &Run,
        cut: Cut,
        haystack: Haystack<'_>,
        decoded: Decoded,
        pass: &mut Pass<'_>,
        found: &mut Vec<Candidate>,
        scratch: &mut Scratch,
    ) {
        let most = pass.account.left;
        if most == 0 {
            return;
        }
        let mut islands = Vec::new();
        (encoding.decode)(haystack.text, run, most, &mut |island| islands.push(island));
        for island in islands {
            if !pass.account.takes(island.text.len()) {
                return;
            }
            let number = pass.account.islands;
            for mut candidate in self.island(&island, run, cut, haystack, decoded, pass, scratch) {
                if pass.account.matches == 0 {
                    return;
                }
                pass.account.matches -= 1;
                if lead_back(&mut candidate, &island, haystack) {
                    candidate.island = number;
                    found.push(candidate);
                }
            }
        }
    }

    /// What rules find in an island and in what is encoded in it, with offsets in its text.
    #[expect(clippy::too_many_arguments, reason = "each is a part of the place")]
    fn island(
        &self,
        island: &Island,
        run: &Run,
        cut: Cut,
        outer: Haystack<'_>,
        decoded: Decoded,
        pass: &mut Pass<'_>,
        scratch: &mut Scratch,
    ) -> Vec<Candidate> {
        let Some(decoded) = decoded.then(island.notation) else { return Vec::new() };
        let span = island.map.span(0..island.text.len());
        let touches = |at: usize, end: usize| at.abs_diff(end) < 8;
        let cut = Cut {
            start: island.cut.start || (cut.start && touches(span.start, run.range.start)),
            end: island.cut.end || (cut.end && touches(span.end, run.range.end)),
        };
        let from =
            From { decoded, kind: pass.kind, cell: pass.cell, bytes: outer.text, map: &island.map };
        let text = island.text.as_slice();
        let marks = self.marks(text, scratch);
        let haystack = Haystack { text, base: 0, cut, from: Some(from), marks: &marks };
        let mut found = self.plain(pass.window, haystack, scratch);
        let has_room = text.len() >= SHORTEST && decoded.steps().count() < DEPTH;
        if has_room {
            let mut inner = Vec::new();
            for encoding in ENCODINGS {
                let mut runs = Vec::new();
                (encoding.find)(text, &marks, &mut |run| runs.push(run));
                for run in runs {
                    let cut = Cut {
                        start: cut.start && run.range.start == 0,
                        end: cut.end && run.range.end == text.len(),
                    };
                    self.decode(encoding, &run, cut, haystack, decoded, pass, &mut inner, scratch);
                }
            }
            if !inner.is_empty() {
                found.append(&mut inner);
                found.sort_by_key(overlap::order);
                overlap::settle_islands(&self.rules, &mut found);
            }
        }
        scratch.marks.push(marks);
        overlap::hide_secrets(&self.rules, &mut found);
        found
    }
}

/// Leads a match back from its island to the text that the island was decoded from.
fn lead_back(candidate: &mut Candidate, island: &Island, outer: Haystack<'_>) -> bool {
    let offset = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
    let within = offset(candidate.start)..offset(candidate.end);
    let span = island.map.span(within.clone());
    let Some(encoded) = outer.text.get(span.clone()) else { return false };
    // Where only what stands around the value was to be undone, the value lies plainly.
    if island.text.get(within) != Some(encoded) {
        let is_for_urls = island.notation == Notation::Base64
            && encoded.iter().any(|byte| matches!(byte, b'-' | b'_'));
        let notation = if is_for_urls { Notation::Base64Url } else { island.notation };
        let Some(decoded) = candidate.decoded.inside(notation) else { return false };
        candidate.decoded = decoded;
    }
    candidate.start = outer.address(span.start);
    candidate.end = outer.address(span.end);
    true
}

fn address(window: &Window<'_>, at: usize) -> u64 {
    window.base.saturating_add(at as u64)
}

fn cell_start(window: &Window<'_>, cell: u64) -> u64 {
    window.region_start.saturating_add(cell.saturating_mul(CELL))
}

/// Gives the parts of a run to decode: one for each of the window's own cells that it touches, or that an
/// indicator leads from to it, and which of the part's ends are cut.
fn parts(
    window: &Window<'_>,
    encoding: &Encoding,
    run: &Run,
    shown: &BTreeMap<u64, u64>,
    mut give: impl FnMut(u64, Run, Cut),
) {
    let start = address(window, run.range.start);
    let end = if encoding.is_whole { start + 1 } else { address(window, run.range.end) };
    let cell_of = |at: u64| at.saturating_sub(window.region_start) / CELL;
    let first = cell_of(start.max(window.own.start)).saturating_sub(u64::from(!shown.is_empty()));
    let last = cell_of(end.min(window.own.end).saturating_sub(1));
    for cell in first..=last {
        let cell_start = cell_start(window, cell);
        let cell_end = cell_start.saturating_add(CELL);
        let reach = shown.get(&cell).copied().unwrap_or(cell_end).max(cell_end);
        let is_own = cell_start < window.own.end && cell_end > window.own.start;
        if !is_own || start >= reach || end <= cell_start {
            continue;
        }
        let offset =
            |at: u64| usize::try_from(at.saturating_sub(window.base)).unwrap_or(usize::MAX);
        let view = offset(cell_start.saturating_sub(CONTEXT))..offset(cell_end + CONTEXT);
        let range = if encoding.is_whole {
            run.range.clone()
        } else {
            run.range.start.max(view.start)..run.range.end.min(view.end)
        };
        let cut = cut(window, run, &range);
        give(cell, Run { notation: run.notation, range }, cut);
    }
}

/// Which ends of a part of a run are no ends of what is encoded there.
fn cut(window: &Window<'_>, run: &Run, part: &Range<usize>) -> Cut {
    Cut {
        start: part.start > run.range.start || (window.cut.start && part.start < 4),
        end: part.end < run.range.end
            || (window.cut.end && part.end.saturating_add(4) > window.bytes.len()),
    }
}

const _: () = assert!(WIDEST <= CONTEXT, "a match in UTF-16 is decoded with the cell it starts in");
