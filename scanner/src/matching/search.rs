//! One rule over one text: where its candidates are, and what becomes of each.

use std::ops::Range;

use super::assignment::Sight;
use super::confirm::{self, Confirmed, Found, Judged, Refused, Run};
use super::encoding::SpanMap;
use super::engine::{Candidate, SURROUNDINGS, Scratch, Throttled, WIDEST};
use super::length_word::Layout;
use super::prefilter::Marks;
use super::{labels, length_word, number, record, text_run, words};
use crate::check::Notation;
use crate::region::{CELL, Cut, Decoded, LabelKind, RegionKind, Window};
use crate::rule::{Anchor, Rule, RuleId, View};
use crate::secret::SecretBytes;

/// Characters that the candidates of one rule may make the engine look at in one cell, about.
const CELL_BUDGET: usize = 4 << 20;

/// Candidates of one rule in one cell, whatever their length: a token every hundred bytes is data,
/// more is an attack.
const CELL_CANDIDATES: std::ops::RangeInclusive<usize> = 640..=1024;

/// Characters before what a rule sees, in which the string that holds it may begin.
const LONGEST_BEFORE: usize = 8 << 10;

/// Numbers in one cell that are kept until it is known whether they divide a modulus: the keys of twenty
/// certificates with all that may be taken for one. The longest counts as four of the shortest.
const CELL_NUMBERS: usize = 64;

/// Candidates in one cell of a rule whose checks calculate with elliptic curves, up to a millisecond each.
const CELL_KEYS: usize = 64;

/// Occurrences in one cell of the indicators of one kind that a list has.
const CELL_LISTED: usize = 256;

/// Keywords in one cell of a rule for assignments, one in 16 bytes: most of them are refused within a few.
const CELL_NAMES: usize = 4 << 10;

/// Candidates in one cell of a rule that looks for many values in each.
const CELL_HOLDERS: usize = 128;

/// Text that is matched: bytes of a window, or what was decoded from them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Haystack<'a> {
    pub text: &'a [u8],
    /// Address of the first byte; 0 of what was decoded.
    pub base: u64,
    /// Which ends are cut ends of memory.
    pub cut: Cut,
    /// Where it was decoded from.
    pub from: Option<From<'a>>,
    /// What stands out in it.
    pub marks: &'a Marks,
}

/// Where decoded text lies.
#[derive(Debug, Clone, Copy)]
pub(super) struct From<'a> {
    /// How it is written there.
    pub decoded: Decoded,
    /// The kind of region.
    pub kind: RegionKind,
    /// Number of the cell on whose account it was decoded.
    pub cell: u64,
    /// What it was decoded from, and the way back.
    pub bytes: &'a [u8],
    pub map: &'a SpanMap,
}

impl Haystack<'_> {
    /// The cell of the grid on whose account a place is looked at.
    pub(super) fn cell(&self, window: &Window<'_>, at: usize) -> u64 {
        let of_address = self.address(at).saturating_sub(window.region_start) / CELL;
        self.from.map_or(of_address, |from| from.cell)
    }

    pub(super) fn address(&self, at: usize) -> u64 {
        self.base.saturating_add(at as u64)
    }
}

/// A rule over a text of a window.
#[derive(Debug)]
pub(super) struct Search<'a> {
    pub window: &'a Window<'a>,
    pub id: RuleId,
    pub rule: &'a Rule,
    /// How many candidates the rule may have in a cell.
    pub budget: usize,
    pub haystack: &'a Haystack<'a>,
}

/// What kind of region a match lies in.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// This one, or what the address says.
    Of(Option<RegionKind>),
    /// What the address says; a rule for environments looks there too.
    Copy,
}

/// A text around a candidate: offsets in the haystack, and which ends are no true ends.
type Around = (Range<usize>, Cut);

pub(super) const WHOLE: Cut = Cut { start: false, end: false };

/// How many candidates a rule may have in a cell.
pub(super) fn budget(rule: &Rule) -> usize {
    if rule.anchor == Anchor::Number {
        CELL_NUMBERS
    } else if matches!(rule.anchor, Anchor::Assignment(_)) {
        CELL_NAMES
    } else if rule.anchor == Anchor::Listed {
        CELL_LISTED
    } else if rule.items.is_some() {
        CELL_HOLDERS
    } else if rule.checks.iter().any(|check| check.is_costly()) {
        CELL_KEYS
    } else {
        (CELL_BUDGET / (rule.before + rule.max_len))
            .clamp(*CELL_CANDIDATES.start(), *CELL_CANDIDATES.end())
    }
}

impl Search<'_> {
    /// Whether the rule looks into this text at all.
    pub(super) fn is_wanted(&self, scratch: &Scratch) -> bool {
        let index = usize::try_from(self.id.0).unwrap_or(usize::MAX);
        scratch.wanted.get(index).is_some_and(|wanted| *wanted)
            && self.haystack.from.is_none_or(|from| self.bears(from.decoded))
    }

    /// Whether the rule looks into text that is written so.
    fn bears(&self, decoded: Decoded) -> bool {
        let is_read = decoded.steps().all(|step| self.rule.encodings.holds(step));
        let holds_bytes = || decoded.steps().last().is_some_and(Notation::holds_bytes);
        let is_wide = || decoded == Notation::Utf16Le.into();
        is_read
            && (self.rule.view == View::Text || holds_bytes())
            && match self.rule.anchor {
                Anchor::Label | Anchor::Path | Anchor::Number => false,
                Anchor::Run { word, .. } => !word || is_wide(),
                Anchor::Prefix | Anchor::Inside | Anchor::Assignment(_) => true,
                Anchor::Text | Anchor::Words | Anchor::Listed => true,
            }
    }

    /// The addresses whose matches are asked for.
    fn own(&self) -> Range<u64> {
        if self.haystack.from.is_some() { 0..u64::MAX } else { self.window.own.clone() }
    }

    /// Where the grid starts.
    fn grid_start(&self) -> u64 {
        if self.haystack.from.is_some() { 0 } else { self.window.region_start }
    }

    /// Whether the rule's budget of the candidate's cell has room for one more, and whether its
    /// match could matter to this window. The grid counts all candidates of a cell, in order.
    pub(super) fn is_allowed(&self, at: usize, scratch: &mut Scratch) -> bool {
        self.affords(at, 1, scratch)
    }

    /// The same for a candidate that counts as so many.
    fn affords(&self, at: usize, cost: usize, scratch: &mut Scratch) -> bool {
        let address = self.haystack.address(at);
        let cell = self.haystack.cell(self.window, at);
        let count = if self.haystack.from.is_some() {
            scratch.decoded_counts.entry((self.id, cell)).or_default()
        } else {
            let index = usize::try_from(self.id.0).unwrap_or(usize::MAX);
            let Some((last, count)) = scratch.counts.get_mut(index) else { return false };
            if *last != cell {
                (*last, *count) = (cell, 0);
            }
            count
        };
        let before = *count;
        *count += cost;
        let most = self.budget;
        if *count > most {
            if before <= most {
                let cell = self.window.region_start.saturating_add(cell.saturating_mul(CELL));
                scratch.throttled.push(Throttled { rule: Some(self.id), cell });
            }
            return false;
        }
        address.saturating_add(WIDEST) >= self.own().start
    }

    /// What the rule sees around a candidate, clipped to what it can match: the text run, or bytes.
    ///
    /// `sight` is that of names at the place.
    pub(super) fn around(&self, at: usize, run: &TextRun, sight: Sight) -> Around {
        if self.rule.view == View::Bytes {
            return self.bytes_around(at);
        }
        let Haystack { text, cut, .. } = *self.haystack;
        let mut run = run.0.clone();
        let (mut before, mut after) = (self.rule.before, self.rule.max_len);
        if matches!(self.rule.anchor, Anchor::Assignment(_)) {
            run.end = sight.end(text, run.end, self.rule.max_len);
            (before, after) = sight.reach(self.rule.max_len);
        }
        let before = at.saturating_sub(before + SURROUNDINGS);
        let after = at.saturating_add(after + SURROUNDINGS);
        let (start, end) = (run.start.max(before), run.end.min(after));
        let cut = Cut {
            start: (start == 0 && cut.start) || start > run.start,
            end: (end == text.len() && cut.end) || end < run.end,
        };
        (start..end, cut)
    }

    fn bytes_around(&self, at: usize) -> Around {
        let Haystack { text, cut, .. } = *self.haystack;
        let start = at.saturating_sub(self.rule.before);
        let end = start.saturating_add(self.rule.max_len).min(text.len());
        (start..end, Cut { start: start == 0 && cut.start, end: end == text.len() && cut.end })
    }

    /// Runs of a class with an exact length, of which `each` gives the starts.
    pub(super) fn runs(
        &self,
        each: impl FnOnce(&mut dyn FnMut(usize)),
        len: usize,
        word: bool,
        scratch: &mut Scratch,
    ) {
        let last = self.own().end.saturating_add(WIDEST);
        each(&mut |at| {
            let address = self.haystack.address(at);
            if (word && !self.has_length_word(at, len))
                || address >= last
                || !self.is_allowed(at, scratch)
            {
                return;
            }
            let mut text = TextRun::default();
            text.cover_near(self.haystack.text, at, len + 2 * SURROUNDINGS);
            self.confirm(self.around(at, &text, Sight::default()), at, None, scratch);
        });
    }

    /// Numbers in words of the machine.
    pub(super) fn numbers(&self, scratch: &mut Scratch) {
        let last = self.window.own.end.saturating_add(WIDEST);
        let Haystack { text, base, marks, .. } = *self.haystack;
        number::each(text, base, &marks.numbers, |range| {
            let at = range.start;
            let cost = number::cost(range.len());
            if self.haystack.address(at) < last && self.affords(at, cost, scratch) {
                let bytes = text.get(range).unwrap_or_default();
                let whole = Found::of(0..bytes.len());
                self.judge(bytes, WHOLE, at, whole, None, scratch);
            }
        });
    }

    /// Seed phrases.
    pub(super) fn words(&self, scratch: &mut Scratch) {
        let last = self.own().end.saturating_add(WIDEST);
        let text = self.haystack.text;
        words::each(text, self.haystack.marks, |range| {
            let at = range.start;
            if self.haystack.address(at) < last && self.is_allowed(at, scratch) {
                let bytes = text.get(range).unwrap_or_default();
                let whole = Found::of(0..bytes.len());
                self.judge(bytes, WHOLE, at, whole, None, scratch);
            }
        });
    }

    /// Whether the length of a string stands in the four bytes before it: in bytes, as HotSpot
    /// keeps it, or in characters, as V8 does.
    fn has_length_word(&self, at: usize, len: usize) -> bool {
        let Haystack { text, from, .. } = *self.haystack;
        let (bytes, span) =
            from.map_or((text, at..at + len), |from| (from.bytes, from.map.span(at..at + len)));
        let word = span.start.checked_sub(4).and_then(|at| bytes.get(at..span.start));
        word.and_then(|word| <[u8; 4]>::try_from(word).ok())
            .and_then(|word| usize::try_from(u32::from_le_bytes(word)).ok())
            .is_some_and(|word| word == span.len() || word == len)
    }

    /// Strings of arguments and environments.
    pub(super) fn labels(&self, scratch: &mut Scratch) {
        labels::each(self.window, |kind, text| {
            let kind = match kind {
                LabelKind::Argv => RegionKind::Argv,
                LabelKind::Environ => RegionKind::Environ,
            };
            if self.rule.places.holds(kind) {
                let end = text.end.min(text.start.saturating_add(self.rule.max_len));
                let cut = Cut { start: false, end: end < text.end };
                self.confirm((text.start..end, cut), text.start, Some(kind), scratch);
            }
        });
        if self.rule.places.holds(RegionKind::Environ) {
            self.variables(scratch);
        }
    }

    /// Strings of environments that were copied to where no label is.
    fn variables(&self, scratch: &mut Scratch) {
        let variables = std::mem::take(&mut scratch.variables);
        for Range { start, end } in variables.iter().cloned() {
            let shown = end.min(start.saturating_add(self.rule.max_len));
            let text = self.haystack.text.get(start..shown).unwrap_or_default();
            let path = self.window.name;
            let run = Run { text, cut: Cut { start: false, end: shown < end }, path };
            scratch.meter.candidate(self.id);
            scratch.reading.begin(self.id, start, text, 0);
            for found in confirm::find_all(self.rule, run, 0, &mut scratch.reading) {
                let judged = confirm::judge(self.rule, run, found);
                scratch.meter.judged(self.id, said(&judged));
                let Ok(mut confirmed) = judged else { continue };
                confirmed.add_evidence("environment-copy");
                self.push(text, start, confirmed, Place::Copy, scratch);
            }
        }
        scratch.variables = variables;
    }

    /// The text at the start of a file.
    pub(super) fn start_of_file(&self, scratch: &mut Scratch) {
        if self.window.own.start == 0 {
            let longest = self.rule.max_len + SURROUNDINGS;
            let end = if self.rule.view == View::Bytes {
                longest.min(self.haystack.text.len())
            } else {
                text_run::end(self.haystack.text, 0, longest)
            };
            self.confirm((0..end, WHOLE), 0, None, scratch);
        }
    }

    /// Every text run, for a pattern without literals: afresh from each cell of the grid on, so
    /// that a match belongs to the cell it starts in.
    pub(super) fn every_text(&self, scratch: &mut Scratch) {
        let Some(regex) = self.rule.pattern.regex() else { return };
        let Haystack { text, base, .. } = *self.haystack;
        let (start, last) = (self.grid_start(), self.own().end);
        let mut at = 0;
        while at < text.len() && self.haystack.address(at) < last {
            let end = text_run::end(text, at, text.len());
            if end == at {
                at += 1;
                continue;
            }
            let mut from = at;
            while from < end {
                let cell = self.haystack.address(from).saturating_sub(start) / CELL;
                let border = start.saturating_add(cell.saturating_add(1).saturating_mul(CELL));
                let border = border.saturating_sub(base);
                let border = usize::try_from(border).unwrap_or(usize::MAX).max(from + 1);
                // What starts in the next cell is found from there.
                let limit = end.min(border.saturating_add(self.rule.max_len));
                let run = text.get(from..limit).unwrap_or_default();
                match regex.find(run).filter(|hit| from + hit.start() < border) {
                    None => from = border,
                    Some(hit) => {
                        let span = hit.start()..hit.end().min(hit.start() + self.rule.max_len);
                        self.judge(run, WHOLE, from, Found::of(span), None, scratch);
                        from = (from + hit.end()).max(from + 1);
                    }
                }
            }
            at = end + 1;
        }
    }

    /// Whether what the rule sees of a candidate is a part of the text run that it stands in.
    pub(super) fn sees_run_only(&self, sight: Sight) -> bool {
        let goes_on = matches!(self.rule.anchor, Anchor::Assignment(_)) && sight.goes_on;
        self.rule.view != View::Bytes && !goes_on
    }

    /// Confirms one candidate in the text around it; gives whether its pattern found anything there. `kind` is
    /// the kind of region, where it is not told by the address alone.
    pub(super) fn confirm(
        &self,
        around: Around,
        at: usize,
        kind: Option<RegionKind>,
        scratch: &mut Scratch,
    ) -> bool {
        let (range, cut) = around;
        let start = range.start;
        let Some(text) = self.haystack.text.get(range) else { return false };
        let run = Run { text, cut, path: self.window.name };
        scratch.meter.candidate(self.id);
        let all = self.judge_all(run, start, at - start, None, scratch);
        if all.is_empty() {
            self.record(at, kind, scratch);
            return false;
        }
        for judged in all {
            let bounded = self.by_length(run, start, at, &judged, scratch);
            let answer = bounded.map_or(judged.answer, Ok);
            scratch.meter.judged(self.id, said(&answer));
            if let Ok(confirmed) = answer {
                self.push(text, start, confirmed, Place::Of(kind), scratch);
            }
        }
        true
    }

    /// The values at a candidate in a text that starts at `start` in the haystack, judged; with `layout`,
    /// where the text is a string of it. What was judged before is not judged again.
    fn judge_all(
        &self,
        run: Run<'_>,
        start: usize,
        at: usize,
        layout: Option<Layout>,
        scratch: &mut Scratch,
    ) -> Vec<Judged> {
        if scratch.memo.may_hold(self.id, run.text, at)
            && let Some(known) = scratch.memo.get(self.id, run, start, at, layout)
        {
            return vec![known];
        }
        let mut all = match layout {
            None => {
                scratch.reading.begin(self.id, start, run.text, at);
                confirm::judge_all(self.rule, run, at, &mut scratch.reading)
            }
            Some(layout) => {
                let all = self.judge_all(run, start, at, None, scratch);
                all.into_iter().map(|judged| length_word::with_layout(judged, layout)).collect()
            }
        };
        if let [one] = all.as_mut_slice() {
            scratch.memo.put(self.id, run, start, at, layout, one);
        }
        all
    }

    /// Looks for a name and a value in a binary record, where no text assigns anything.
    pub(super) fn record(&self, at: usize, kind: Option<RegionKind>, scratch: &mut Scratch) {
        let Haystack { text, from, .. } = *self.haystack;
        let holds_bytes =
            |from: From<'_>| from.decoded.steps().last().is_some_and(Notation::holds_bytes);
        if from.is_none_or(holds_bytes)
            && !scratch.pairs.is_empty()
            && let Some(confirmed) =
                record::judge(self.rule, text, &scratch.pairs, at, self.window.name)
        {
            scratch.meter.judged(self.id, Ok(()));
            self.push(text, 0, confirmed, Place::Of(kind), scratch);
        }
    }

    /// Judges once more what stands in a string that says how long it is.
    fn by_length(
        &self,
        run: Run<'_>,
        start: usize,
        at: usize,
        judged: &Judged,
        scratch: &mut Scratch,
    ) -> Option<Confirmed> {
        let Search { window, haystack, rule, .. } = *self;
        let confirmed = judged.answer.as_ref().ok();
        let is_string = rule.anchor.has_literals() || matches!(rule.anchor, Anchor::Run { .. });
        if !window.space.cut || !is_string || length_word::is_settled(confirmed) {
            return None;
        }
        // Where the text stands in memory as it is, or in wide characters.
        let (start_in_memory, unit) = match haystack.from {
            None => (start, 1),
            Some(from) => {
                let unit = wide(from.decoded)?;
                let span = from.map.span(start..start + run.text.len());
                (span.start, (span.len() == unit * run.text.len()).then_some(unit)?)
            }
        };
        let place = length_word::Place {
            run,
            at: at - start,
            bytes: window.bytes,
            base: window.base,
            start: start_in_memory,
            unit,
            // Nearly all that is refused is no value at all: not worth a long look.
            before: confirmed
                .map(|_| start - text_run::start(haystack.text, start, LONGEST_BEFORE)),
        };
        length_word::judge(rule, &place, &judged.found, |run, from, at, layout| {
            self.judge_all(run, start + from, at, Some(layout), scratch)
        })
    }

    /// Judges what the pattern found in `text`, which starts at `start` in the haystack.
    fn judge(
        &self,
        text: &[u8],
        cut: Cut,
        start: usize,
        found: Found,
        kind: Option<RegionKind>,
        scratch: &mut Scratch,
    ) {
        let judged = confirm::judge(self.rule, Run { text, cut, path: self.window.name }, found);
        scratch.meter.candidate(self.id);
        scratch.meter.judged(self.id, said(&judged));
        if let Ok(confirmed) = judged {
            self.push(text, start, confirmed, Place::Of(kind), scratch);
        }
    }

    /// Keeps a match in `text`, which starts at `start` in the haystack.
    fn push(
        &self,
        text: &[u8],
        start: usize,
        confirmed: Confirmed,
        place: Place,
        scratch: &mut Scratch,
    ) {
        let Search { window, haystack, rule, .. } = *self;
        let Some(value) = text.get(confirmed.span.clone()) else { return };
        let first = haystack.address(start + confirmed.span.start);
        let here = || haystack.from.map_or_else(|| window.space.kind_at(first), |from| from.kind);
        let (kind, asked) = match place {
            Place::Of(Some(kind)) => (kind, kind),
            Place::Of(None) => (here(), here()),
            Place::Copy => (here(), RegionKind::Environ),
        };
        let own = self.own();
        let matters =
            first.saturating_add(WIDEST) >= own.start && first < own.end.saturating_add(WIDEST);
        if matters && rule.places.holds(asked) {
            scratch.candidates.push(Candidate {
                rule: self.id,
                start: first,
                end: haystack.address(start + confirmed.span.end),
                decoded: Decoded::PLAIN,
                island: 0,
                kind,
                value: SecretBytes::new(value),
                confirmed,
                lost: false,
            });
        }
    }
}

/// What statistics count of an answer.
fn said(answer: &Result<Confirmed, Refused>) -> Result<(), Refused> {
    answer.as_ref().map(|_| ()).map_err(|refused| *refused)
}

/// Bytes of a character of text that is written so and no other way.
fn wide(decoded: Decoded) -> Option<usize> {
    if decoded == Notation::Utf16Le.into() {
        Some(2)
    } else if decoded == Notation::Utf32Le.into() {
        Some(4)
    } else {
        None
    }
}

/// The last text run that a candidate stood in: many candidates stand in one.
#[derive(Debug, Default)]
pub(super) struct TextRun(Range<usize>);

impl TextRun {
    /// Where it is.
    pub(super) fn range(&self) -> Range<usize> {
        self.0.clone()
    }

    /// Finds the run that covers `at`, unless it is known; candidates come in order.
    pub(super) fn cover(&mut self, text: &[u8], at: usize) {
        if !self.0.contains(&at) {
            let start = text_run::start(text, at, at.saturating_sub(self.0.end));
            self.0 = start..text_run::end(text, at, text.len());
        }
    }

    /// Finds the run that covers `at`, as far as `reach` characters on both sides.
    fn cover_near(&mut self, text: &[u8], at: usize, reach: usize) {
        self.0 = text_run::start(text, at, reach)..text_run::end(text, at, reach);
    }
}
