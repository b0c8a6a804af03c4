//! The engine: rules over one window.

use std::collections::BTreeMap;
use std::ops::Range;

use memchr::memmem::Finder;

use super::assignment::Sight;
use super::confirm::Confirmed;
use super::kernel::Kernel;
use super::memo::{Keys, MOST_ANSWERED, Memo};
use super::meter::Meter;
use super::prefilter::{Ends, Hit, Marks, Prefilter, is_zeros};
use super::reading::Reading;
use super::record::{self, Maps, Pair};
use super::repeats::{MOST_REPEATED, Repeats, Visit};
use super::runs::{Classes, Groups};
use super::search::{self, Haystack, Search, TextRun};
use super::{assignment, environment, overlap, runs};
use crate::check::{Check, Claims, Confidence};
use crate::region::{
    CELL, Cut, Decoded, Holder, HolderKind, Locus, REACH, RegionKind, Space, Window,
};
use crate::rule::{Anchor, Class, MAX_MATCH, Pattern, Rule, RuleId, RuleSet, is_of_word};
use crate::secret::SecretBytes;
use crate::tally::{Judgement, Match, ValueKey};

/// The widest match in bytes: UTF-16 takes two a character.
pub(super) const WIDEST: u64 = 2 * MAX_MATCH as u64;

/// Text on each side of a candidate, beyond the longest match, that a rule may look at.
pub(super) const SURROUNDINGS: usize = 64;

/// Candidates for which room is kept from one window to the next.
const ROOM: usize = 4 << 10;

/// Matches around one that are asked whether they are its partner.
const NEIGHBOURS: usize = 256;

const _: () = assert!(3 * WIDEST + 2 * (2 * SURROUNDINGS as u64) <= REACH, "matches stay in REACH");
const _: () = assert!(CELL == REACH, "one cell before a window is all that is counted there");

/// A match before it is known whether a stronger one stands on the same bytes.
#[derive(Debug)]
pub(super) struct Candidate {
    pub rule: RuleId,
    /// Address of the first byte.
    pub start: u64,
    /// Address behind the last byte.
    pub end: u64,
    /// How the value is written there.
    pub decoded: Decoded,
    /// What it was decoded from, among all that was decoded from this text; 0 for what lies plainly.
    pub island: u32,
    pub kind: RegionKind,
    pub confirmed: Confirmed,
    pub value: SecretBytes,
    pub lost: bool,
}

/// A cell of the grid in which a rule met more candidates than its budget, or whose decoded text is
/// more than may be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Throttled {
    /// The rule; none for decoded text.
    pub rule: Option<RuleId>,
    /// First address of the cell.
    pub cell: u64,
}

/// What there was beside matches.
#[derive(Debug, Default)]
pub struct Scanned {
    /// The cells that were not looked at in full.
    pub throttled: Vec<Throttled>,
    /// The first addresses of cells with more of the user's indicators than any use of them has: of those only
    /// the first are given.
    pub lists: Vec<u64>,
    /// Bytes made by decoding.
    pub decoded: u64,
    /// The same of each cell that has any: its first address, and how many.
    pub decoded_cells: Vec<(u64, u64)>,
}

/// Bytes that a thread remembers at most, about, of what was judged.
pub const MOST_REMEMBERED: u64 = MOST_ANSWERED + MOST_REPEATED;

/// Buffers that are used again for every window.
#[derive(Debug, Default)]
pub struct Scratch {
    pub(super) candidates: Vec<Candidate>,
    /// By rule, the cell of its last candidate, and how many it has had there; candidates come in order.
    pub(super) counts: Vec<(u64, usize)>,
    /// By literal, the cell in which all of its rules have had more candidates than they may.
    pub(super) spent: Vec<u64>,
    /// Candidates in decoded text, by rule and cell.
    pub(super) decoded_counts: BTreeMap<(RuleId, u64), usize>,
    pub(super) throttled: Vec<Throttled>,
    /// Cells in which lists of indicators stand.
    pub(super) lists: Vec<u64>,
    /// Cells for which something was decoded, and how many bytes of it begin there.
    pub(super) decoded_cells: Vec<(u64, u64)>,
    /// Offsets of the strings of environments that have no label.
    pub(super) variables: Vec<Range<usize>>,
    /// By rule: whether it looks into this window at all.
    pub(super) wanted: Vec<bool>,
    /// Marks of texts that are not looked at any more.
    pub(super) marks: Vec<Marks>,
    pub(super) meter: Meter,
    /// What binary records at the place that is looked at assign to a name there.
    pub(super) pairs: Vec<Pair>,
    /// What names and values at the place that is looked at are.
    pub(super) reading: Reading,
    /// What was judged before.
    pub(super) memo: Memo,
    /// Text that was met before.
    pub(super) repeats: Repeats,
    /// Tokens of the text that is looked at.
    pub(super) groups: Groups,
}

impl Scratch {
    /// Remembers what was judged in so many bytes at most, about.
    pub fn remember(&mut self, bytes: u64) {
        let bytes = bytes.min(MOST_REMEMBERED);
        let of_repeats = bytes * MOST_REPEATED / MOST_REMEMBERED;
        self.repeats = Repeats::of(of_repeats);
        self.memo = Memo::of(bytes.saturating_sub(of_repeats));
    }
}

/// A rule without literals.
#[derive(Debug)]
struct Other {
    id: RuleId,
    /// The bit of its class, if its candidates are parts of tokens.
    of_tokens: Option<u16>,
    /// Whether it is about a place in memory: nothing that is decoded is one.
    is_of_places: bool,
}

/// The rules, ready to be run.
#[derive(Debug)]
pub struct Engine {
    pub(super) rules: RuleSet,
    /// By rule, how many candidates it may have in a cell.
    budgets: Vec<usize>,
    /// By rule, whether the names that it looks for must be those of flags.
    flags: Vec<bool>,
    /// By rule, what stands in the claims of each token that it finds: one of these, if anything is said.
    claims: Vec<Vec<Finder<'static>>>,
    prefilter: Prefilter,
    /// Rules whose candidates are runs, labels, files, or all text.
    others: Vec<Other>,
    /// Of those whose candidates are parts of tokens.
    classes: Classes,
    /// Whether some rule could match nothing but zeros.
    finds_zeros: bool,
    key: [u8; 32],
    memo: Keys,
}

impl Engine {
    /// Rules whose values are hashed under `key`, on the fastest kernel of this machine.
    pub fn new(rules: RuleSet, key: [u8; 32]) -> Self {
        Self::on(Kernel::best(), rules, key)
    }

    /// The same on a kernel of choice.
    pub fn on(kernel: Kernel, rules: RuleSet, key: [u8; 32]) -> Self {
        let prefilter = Prefilter::new(&rules, kernel);
        let mut classes = Classes::default();
        let others = (0..)
            .map(RuleId)
            .zip(rules.rules())
            .filter(|(_, rule)| !rule.anchor.has_literals() && rule.anchor != Anchor::Listed)
            .map(|(id, rule)| Other {
                id,
                of_tokens: if let Anchor::Run { class, len, .. } = &rule.anchor
                    && runs::is_of_tokens(class, *len)
                {
                    classes.bit(class)
                } else {
                    None
                },
                is_of_places: matches!(rule.anchor, Anchor::Label | Anchor::Path | Anchor::Number),
            })
            .collect();
        let finds_zeros = rules.rules().iter().any(|rule| match &rule.anchor {
            Anchor::Prefix | Anchor::Inside | Anchor::Assignment(_) => {
                rule.literals.iter().any(|it| is_zeros(it))
            }
            Anchor::Run { class, .. } => class.first().is_some_and(|zero| *zero),
            // Labels and files are told by where they lie; zeros are no text, and no prime.
            Anchor::Label | Anchor::Path | Anchor::Text | Anchor::Number | Anchor::Words => false,
            Anchor::Listed => false,
        });
        let budgets = rules.rules().iter().map(search::budget).collect();
        let memo = Keys::default();
        let flags = rules.rules().iter().map(|rule| {
            matches!(&rule.anchor, Anchor::Assignment(all) if all.iter().all(|it| it.is_flag))
        });
        let flags = flags.collect();
        let claims = rules.rules().iter().map(|rule| {
            let begins_with_literal =
                rule.anchor == Anchor::Prefix && rule.group == 0 && rule.items.is_none();
            // Behind another check the value may begin somewhere else.
            let first = rule.checks.first().copied().filter(|_| begins_with_literal);
            let texts = first.and_then(Check::claims).unwrap_or_default();
            texts.iter().map(|text| Finder::new(*text)).collect()
        });
        let claims = claims.collect();
        Self { rules, budgets, flags, claims, prefilter, others, classes, finds_zeros, key, memo }
    }

    /// The rules.
    pub fn rules(&self) -> &RuleSet {
        &self.rules
    }

    /// Scans bytes as if they were all of a file, for tests and measurements.
    pub fn scan_file(
        &self,
        name: &str,
        bytes: &[u8],
        scratch: &mut Scratch,
        found: impl FnMut(Match),
    ) -> Scanned {
        let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let holder = Holder { set: 1, kind: HolderKind::File, id: 1, ordinal: 0 };
        let space = Space::file(holder, RegionKind::File, len);
        let cut = Cut { start: false, end: false };
        let window =
            Window { space: &space, name, region_start: 0, base: 0, own: 0..len, bytes, cut };
        self.scan(&window, scratch, found)
    }

    /// Gives every match that starts in the window's own part, in order, and tells the cells that were
    /// too much.
    pub fn scan(
        &self,
        window: &Window<'_>,
        scratch: &mut Scratch,
        mut found: impl FnMut(Match),
    ) -> Scanned {
        let start = scratch.meter.now();
        scratch.counts.clear();
        scratch.counts.resize(self.rules.rules().len(), (u64::MAX, 0));
        scratch.decoded_counts.clear();
        scratch.spent.clear();
        scratch.spent.resize(self.prefilter.len(), u64::MAX);
        scratch.throttled.clear();
        scratch.lists.clear();
        scratch.decoded_cells.clear();
        if !self.finds_zeros && has_nothing(window) {
            return Scanned::default();
        }
        let kinds = kinds(window);
        scratch.wanted.clear();
        scratch
            .wanted
            .extend(self.rules.rules().iter().map(|rule| is_wanted(rule, &kinds, window.name)));
        let marks = self.marks(window.bytes, scratch);
        scratch.variables.clear();
        if !window.space.labels.is_empty() {
            let anchors = self.prefilter.environments(&marks);
            environment::each(window, anchors, |range| scratch.variables.push(range));
        }
        let raw = Haystack {
            text: window.bytes,
            base: window.base,
            cut: window.cut,
            from: None,
            marks: &marks,
        };
        let mut candidates = self.plain(window, raw, scratch);
        let decoded = self.cells(window, raw, &mut candidates, scratch);
        scratch.marks.push(marks);
        for candidate in candidates.drain(..) {
            if !candidate.lost && window.own.contains(&candidate.start) {
                found(self.finish(window, candidate));
            }
        }
        if candidates.capacity() <= ROOM {
            scratch.candidates = candidates;
        }
        scratch.throttled.retain(|throttled| window.own.contains(&throttled.cell));
        scratch.meter.charge(None, start);
        scratch.lists.retain(|cell| window.own.contains(cell));
        scratch.lists.sort_unstable();
        scratch.lists.dedup();
        let throttled = std::mem::take(&mut scratch.throttled);
        let decoded_cells = std::mem::take(&mut scratch.decoded_cells);
        Scanned { throttled, lists: std::mem::take(&mut scratch.lists), decoded, decoded_cells }
    }

    /// What stands out in a text.
    pub(super) fn marks(&self, text: &[u8], scratch: &mut Scratch) -> Marks {
        let mut marks = scratch.marks.pop().unwrap_or_default();
        self.prefilter.read(text, &mut marks);
        marks
    }

    /// The candidates of a text as it stands, sorted, and settled among each other.
    pub(super) fn plain(
        &self,
        window: &Window<'_>,
        haystack: Haystack<'_>,
        scratch: &mut Scratch,
    ) -> Vec<Candidate> {
        scratch.candidates.clear();
        scratch.memo.begin(&self.memo, window.name);
        scratch.reading.clear();
        self.literals(window, haystack, scratch);
        self.others(window, haystack, scratch);
        self.listed(window, haystack, scratch);
        let mut candidates = std::mem::take(&mut scratch.candidates);
        if candidates.is_empty() {
            return candidates;
        }
        overlap::suppress(&self.rules, &mut candidates);
        let near = self.near(&candidates);
        for (candidate, _) in candidates.iter_mut().zip(near).filter(|(_, near)| *near) {
            self.add_partner(candidate);
        }
        candidates
    }

    /// Candidates that arise from literals.
    fn literals(&self, window: &Window<'_>, haystack: Haystack<'_>, scratch: &mut Scratch) {
        let last = match haystack.from {
            Some(_) => u64::MAX,
            None => window.own.end.saturating_add(2 * WIDEST),
        };
        let mut text = TextRun::default();
        let mut rules = Vec::new();
        let mut row = 0..0;
        let mut visit = Visit::default();
        let mut done = 0;
        let mut maps = Maps::default();
        for hits in haystack.marks.hits.chunk_by(|one, other| one.at == other.at) {
            let Some(at) = hits.first().and_then(|hit| usize::try_from(hit.at).ok()) else {
                return;
            };
            if haystack.address(at) >= last {
                return;
            }
            let rest = haystack.marks.hits.get(done..).unwrap_or_default();
            done += hits.len();
            let cell = haystack.cell(window, at);
            let mut first = if visit.covers(at) { self.pass(&mut visit, hits) } else { 0 };
            let is_spent = |hit: &Hit| scratch.spent.get(hit.literal()) == Some(&cell);
            if haystack.from.is_none() && hits.iter().all(is_spent) {
                continue;
            }
            // A rule may have several literals of which one begins with another.
            rules.clear();
            let mut ends = || {
                text.cover(haystack.text, at);
                // Places come in order: one before the end stands in the same row.
                if row.end <= at {
                    row = assignment::row_start(haystack.text, at)..word_end(haystack.text, at);
                }
                Ends { run: text.range().end.max(at), row: row.end }
            };
            self.prefilter.rules(&self.rules, haystack.text, hits, &mut ends, &mut rules);
            if rules.is_empty() {
                continue;
            }
            ends();
            if !visit.covers(at) {
                let Scratch { memo, repeats, .. } = &mut *scratch;
                repeats.leave(std::mem::take(&mut visit));
                if text.range().contains(&at) {
                    visit = repeats.enter(memo, haystack.text, text.range(), haystack.cut, rest);
                    first = self.pass(&mut visit, hits);
                }
            }
            scratch.pairs.clear();
            let is_name = |id: &RuleId| matches!(self.rules.get(*id).anchor, Anchor::Assignment(_));
            let (mut is_no_name, mut sight) = (true, Sight::default());
            if rules.iter().any(is_name) {
                maps.see(haystack.text, at);
                record::pairs(haystack.text, at, row.start, &maps, &mut scratch.pairs);
                is_no_name = assignment::is_no_name(row.clone(), at) && scratch.pairs.is_empty();
                if !is_no_name {
                    sight = Sight::of(haystack.text, at, text.range().end);
                }
            }
            // What lies before a place is not the same in every window: it refuses what was counted, never before.
            let mut may_be_flag = None;
            let mut is_refused = |id: &RuleId| {
                is_name(id)
                    && (is_no_name
                        || (self.takes_flags_only(*id)
                            && !*may_be_flag
                                .get_or_insert_with(|| assignment::may_be_flag(haystack.text, at))))
            };
            // The check refuses a token that claims nothing of the kind in any case: this saves time, no more.
            let mut claims = None;
            let mut claims_other = |id: &RuleId| {
                let texts = self.claims(*id);
                !texts.is_empty() && {
                    let claims = claims.get_or_insert_with(|| {
                        let end = haystack.text.len().min(at + MAX_MATCH);
                        Claims::of(haystack.text.get(at..end).unwrap_or_default())
                    });
                    !claims.may_hold(|it| texts.iter().any(|text| text.find(it).is_some()))
                }
            };
            let mut are_spent = haystack.from.is_none();
            for (id, candidate) in rules.iter().zip(first..) {
                let search = self.search(window, *id, &haystack);
                if search.is_wanted(scratch) {
                    let start = scratch.meter.now();
                    let is_allowed = search.is_allowed(at, scratch);
                    are_spent &= self.is_spent(*id, cell, scratch);
                    if is_allowed && !is_refused(id) {
                        let is_of_run = visit.covers(at) && search.sees_run_only(sight);
                        if claims_other(id) {
                            scratch.meter.candidate(*id);
                        } else if is_of_run && visit.is_nothing(candidate) {
                            scratch.meter.candidate(*id);
                            search.record(at, None, scratch);
                        } else {
                            let around = search.around(at, &text, sight);
                            if !search.confirm(around, at, None, scratch) && is_of_run {
                                visit.note_nothing(candidate);
                            }
                        }
                    }
                    scratch.meter.charge(Some(*id), start);
                }
            }
            if are_spent {
                for hit in hits {
                    let mut of_literal = self.prefilter.rules_of(*hit).iter();
                    let is_left = of_literal.any(|id| !self.is_spent(*id, cell, scratch));
                    if let Some(spent) = scratch.spent.get_mut(hit.literal())
                        && !is_left
                    {
                        *spent = cell;
                    }
                }
            }
        }
        scratch.repeats.leave(visit);
    }

    /// Passes a place in a run: its candidates have the same numbers wherever the run is met.
    fn pass(&self, visit: &mut Visit, hits: &[Hit]) -> usize {
        if !visit.counts() {
            return 0;
        }
        visit.pass(hits.iter().map(|hit| self.prefilter.rules_of(*hit).len()).sum())
    }

    /// Whether the names that a rule looks for must be those of flags.
    fn takes_flags_only(&self, id: RuleId) -> bool {
        let index = usize::try_from(id.0).unwrap_or(usize::MAX);
        self.flags.get(index).is_some_and(|flags| *flags)
    }

    /// What stands in the claims of each token that a rule finds: one of these, if anything is said.
    fn claims(&self, id: RuleId) -> &[Finder<'static>] {
        let index = usize::try_from(id.0).unwrap_or(usize::MAX);
        self.claims.get(index).map_or(&[], Vec::as_slice)
    }

    /// Whether a rule looks at no more candidates of the cell that the last one stood in.
    fn is_spent(&self, id: RuleId, cell: u64, scratch: &Scratch) -> bool {
        let index = usize::try_from(id.0).unwrap_or(usize::MAX);
        let budget = self.budgets.get(index).copied().unwrap_or_default();
        let count = scratch.counts.get(index).filter(|(last, _)| *last == cell);
        let is_wanted = scratch.wanted.get(index).is_some_and(|wanted| *wanted);
        !is_wanted || count.is_some_and(|(_, count)| *count > budget)
    }

    /// Candidates of rules without literals.
    fn others(&self, window: &Window<'_>, haystack: Haystack<'_>, scratch: &mut Scratch) {
        let tokens = haystack.marks.tokens.as_slice();
        let mut groups = std::mem::take(&mut scratch.groups);
        groups.read(haystack.text, tokens, &self.classes);
        let may_match = |it: &&Other| {
            (!tokens.is_empty() || it.of_tokens.is_none())
                && (haystack.from.is_none() || !it.is_of_places)
        };
        for Other { id, of_tokens, .. } in self.others.iter().filter(may_match) {
            let search = self.search(window, *id, &haystack);
            if !search.is_wanted(scratch) {
                continue;
            }
            let start = scratch.meter.now();
            match &search.rule.anchor {
                Anchor::Prefix | Anchor::Inside | Anchor::Assignment(_) => {}
                Anchor::Run { class, len, word } => {
                    let text = haystack.text;
                    let each = |found: &mut dyn FnMut(usize)| match of_tokens {
                        Some(bit) => groups.each(text, tokens, (&self.classes, *bit), *len, found),
                        None => runs::each(text, class, *len, found),
                    };
                    search.runs(each, *len, *word, scratch);
                }
                Anchor::Label => search.labels(scratch),
                Anchor::Number => search.numbers(scratch),
                Anchor::Words => search.words(scratch),
                Anchor::Path => search.start_of_file(scratch),
                Anchor::Text => search.every_text(scratch),
                // All of them together, in `listed`.
                Anchor::Listed => {}
            }
            scratch.meter.charge(Some(*id), start);
        }
        scratch.groups = groups;
    }

    pub(super) fn search<'a>(
        &'a self,
        window: &'a Window<'a>,
        id: RuleId,
        haystack: &'a Haystack<'a>,
    ) -> Search<'a> {
        let index = usize::try_from(id.0).unwrap_or(usize::MAX);
        let budget = self.budgets.get(index).copied().unwrap_or_default();
        Search { window, id, rule: self.rules.get(id), budget, haystack }
    }

    /// For each match, whether its partner stands near. Sorted by start, as `suppress` leaves them.
    fn near(&self, matches: &[Candidate]) -> Vec<bool> {
        let is_near = |index: usize, found: &Candidate| {
            let Some(near) = &self.rules.get(found.rule).near else { return false };
            let from = found.start.saturating_sub(near.within.saturating_add(WIDEST));
            let to = found.end.saturating_add(near.within);
            let (before, after) = matches.split_at(index);
            let before = before.iter().rev().take_while(|other| other.start >= from);
            let after = after.iter().take_while(|other| other.start <= to);
            before.chain(after).take(NEIGHBOURS).any(|other| {
                let gap = other.start.saturating_sub(found.end);
                let gap = gap.max(found.start.saturating_sub(other.end));
                !other.lost && gap <= near.within && self.rules.get(other.rule).id == near.rule
            })
        };
        matches.iter().enumerate().map(|(index, found)| is_near(index, found)).collect()
    }

    /// A partner that stands near raises the confidence.
    fn add_partner(&self, candidate: &mut Candidate) {
        let partner = self.rules.get(candidate.rule).near.as_ref().map(|near| near.rule.as_str());
        let confirmed = &mut candidate.confirmed;
        confirmed.confidence = confirmed.confidence.max(Confidence::High);
        confirmed.add_evidence(format!("near {}", partner.unwrap_or_default()));
    }

    fn finish(&self, window: &Window<'_>, candidate: Candidate) -> Match {
        let Candidate { rule, start, end, decoded, kind, mut confirmed, value, .. } = candidate;
        let plain = confirmed.plain.take();
        let by_check = plain.as_ref().and_then(|plain| decoded.then(plain.notation));
        let decoded = by_check.unwrap_or(decoded);
        let value = plain.map_or(value, |plain| plain.value);
        let canonical = confirmed.canonical.as_ref().unwrap_or(&value);
        let head = match self.rules.get(rule).class {
            Class::Secret => None,
            // An indicator is shown: never let it stand for a secret of the same text.
            Class::Indicator => Some("indicator:"),
            // Text that the user looks for is a finding of its own beside a secret of a rule.
            Class::Grep => Some(self.rules.get(rule).id.as_str()),
            // The same of what a list has.
            Class::Listed => Some("listed:"),
        };
        let hash = if let Some(head) = head {
            let mut hasher = blake3::Hasher::new_keyed(&self.key);
            hasher.update(head.as_bytes()).update(canonical.expose());
            hasher.finalize()
        } else {
            blake3::keyed_hash(&self.key, canonical.expose())
        };
        let mut key = [0; 16];
        key.iter_mut().zip(hash.as_bytes()).for_each(|(to, from)| *to = *from);
        Match {
            holder: window.space.holder,
            kind,
            locus: Locus {
                at: start,
                len: u32::try_from(end.saturating_sub(start)).unwrap_or(u32::MAX),
                decoded,
            },
            key: ValueKey(key),
            judgement: Judgement {
                confidence: confirmed.confidence,
                rank: confirmed.rank,
                rule,
                grounds: confirmed.grounds,
                length: u32::try_from(value.len()).unwrap_or(u32::MAX),
            },
            value,
            lines: None,
        }
    }
}

/// Where the row of letters, digits, `-` and `_` ends that begins at `at`.
fn word_end(text: &[u8], at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    at + rest.iter().take_while(|byte| is_of_word(**byte)).count()
}

/// Whether a window holds zeros only: pages that were freed or never filled. The empty text of a
/// label or of a file's beginning could be a match all the same.
fn has_nothing(window: &Window<'_>) -> bool {
    let end = window.base.saturating_add(window.bytes.len() as u64);
    let apart = |range: &Range<u64>| range.end <= window.base || range.start >= end;
    window.own.start != 0
        && window.space.labels.iter().all(|label| apart(&label.range))
        && is_zeros(window.bytes)
}

/// Whether a rule looks into regions of this kind, or at labels that the window may show, and at
/// files of this name.
fn is_wanted(rule: &Rule, kinds: &[RegionKind], path: &str) -> bool {
    // Memory has no path: no pattern is compiled for it.
    let is_path =
        |of: &Pattern| !path.is_empty() && of.find(path.as_bytes(), 0..path.len()).is_some();
    kinds.iter().any(|kind| rule.places.holds(*kind)) && rule.path.as_ref().is_none_or(is_path)
}

/// The kinds of region that a window may show.
fn kinds(window: &Window<'_>) -> Vec<RegionKind> {
    let mut kinds = vec![window.space.kind];
    if !window.space.labels.is_empty() {
        kinds.extend([RegionKind::Argv, RegionKind::Environ]);
    }
    kinds
}

#[cfg(test)]
#[path = "engine_tests.rs"]
mod tests;
