//! The engine: rules over one window.

use std::collections::BTreeMap;

use super::confirm::{self, Confirmed, Run};
use super::prefilter::Prefilter;
use super::{labels, overlap, runs, text_run, utf16};
use crate::check::{Confidence, Outcome};
use crate::region::{CELL, Cut, Locus, REACH, RegionKind, Window};
use crate::rule::{Anchor, Class, MAX_MATCH, Rule, RuleId, RuleSet};
use crate::secret::SecretBytes;
use crate::tally::{Evidence, Judgement, Match, ValueKey};

/// The widest match in bytes: UTF-16 takes two a character.
const WIDEST: u64 = 2 * MAX_MATCH as u64;

/// Text on each side of a candidate, beyond the longest match, that a rule may look at.
const SURROUNDINGS: usize = 64;

/// Characters that the candidates of one rule may make the engine look at in one cell, about.
const CELL_BUDGET: usize = 4 << 20;

/// Candidates of one rule in one cell, whatever their length: a token every hundred bytes is data,
/// more is an attack.
const CELL_CANDIDATES: std::ops::RangeInclusive<usize> = 640..=1024;

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
    pub utf16: bool,
    pub kind: RegionKind,
    pub confirmed: Confirmed,
    pub value: SecretBytes,
    pub lost: bool,
}

/// A cell of the grid in which a rule met more candidates than its budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Throttled {
    /// The rule.
    pub rule: RuleId,
    /// First address of the cell.
    pub cell: u64,
}

/// Buffers that are used again for every window.
#[derive(Debug, Default)]
pub struct Scratch {
    folded: Vec<u8>,
    candidates: Vec<Candidate>,
    counts: BTreeMap<(RuleId, bool, u64), usize>,
    throttled: Vec<Throttled>,
}

/// The rules, ready to be run.
#[derive(Debug)]
pub struct Engine {
    rules: RuleSet,
    prefilter: Prefilter,
    /// Rules whose candidates are runs, labels, files, or all text.
    others: Vec<RuleId>,
    key: [u8; 32],
}

/// Text that is matched: bytes of a window, or characters folded from them.
#[derive(Debug, Clone, Copy)]
struct Haystack<'a> {
    text: &'a [u8],
    /// Address of the first character.
    base: u64,
    /// Bytes of a character.
    unit: u64,
    /// Which ends are cut ends of memory.
    cut: Cut,
}

impl Haystack<'_> {
    fn address(&self, at: usize) -> u64 {
        self.base.saturating_add(self.unit.saturating_mul(at as u64))
    }
}

impl Engine {
    /// Rules whose values are hashed under `key`.
    pub fn new(rules: RuleSet, key: [u8; 32]) -> Self {
        let prefilter = Prefilter::new(&rules);
        let others = (0..)
            .map(RuleId)
            .zip(rules.rules())
            .filter(|(_, rule)| !matches!(rule.anchor, Anchor::Prefix | Anchor::Inside))
            .map(|(id, _)| id)
            .collect();
        Self { rules, prefilter, others, key }
    }

    /// The rules.
    pub fn rules(&self) -> &RuleSet {
        &self.rules
    }

    /// Gives every match that starts in the window's own part, and the cells where a rule's
    /// candidates were too many.
    pub fn scan(
        &self,
        window: &Window<'_>,
        scratch: &mut Scratch,
        mut found: impl FnMut(Match),
    ) -> Vec<Throttled> {
        scratch.candidates.clear();
        scratch.counts.clear();
        scratch.throttled.clear();
        let raw = Haystack { text: window.bytes, base: window.base, unit: 1, cut: window.cut };
        self.literals(window, raw, scratch);
        self.others(window, raw, scratch);
        let mut folded = std::mem::take(&mut scratch.folded);
        utf16::each(window.bytes, &mut folded, |at, text| {
            let ends = at + 2 * text.len();
            let cut = Cut {
                start: window.cut.start && at < 2,
                end: window.cut.end && ends + 2 > window.bytes.len(),
            };
            let base = window.base.saturating_add(at as u64);
            let haystack = Haystack { text, base, unit: 2, cut };
            // Most text is short and holds no literal.
            self.literals(window, haystack, scratch);
            for id in &self.others {
                let rule = self.rules.get(*id);
                if rule.utf16 && matches!(rule.anchor, Anchor::Run { .. } | Anchor::Text) {
                    self.other(window, *id, rule, haystack, scratch);
                }
            }
        });
        scratch.folded = folded;
        overlap::suppress(&self.rules, &mut scratch.candidates);
        let near = self.near(&scratch.candidates);
        for ((candidate, near), _) in
            scratch.candidates.drain(..).zip(near).zip(0..).filter(|((candidate, _), _)| {
                !candidate.lost && window.own.contains(&candidate.start)
            })
        {
            found(self.finish(window, candidate, near));
        }
        scratch.throttled.retain(|throttled| window.own.contains(&throttled.cell));
        std::mem::take(&mut scratch.throttled)
    }

    /// Candidates that arise from literals.
    fn literals(&self, window: &Window<'_>, haystack: Haystack<'_>, scratch: &mut Scratch) {
        let last = window.own.end.saturating_add(2 * WIDEST);
        let mut text = TextRun::default();
        self.prefilter.each(haystack.text, 0, |at, rules| {
            let address = haystack.address(at);
            if address >= last {
                return;
            }
            text.cover(haystack.text, at);
            for id in rules {
                let rule = self.rules.get(*id);
                if (haystack.unit == 2 && !rule.utf16)
                    || !self.allowed(window, *id, rule, haystack.unit == 2, address, scratch)
                {
                    continue;
                }
                let run = around(rule, haystack, at, &text);
                self.confirm(window, *id, rule, haystack, run, at, scratch);
            }
        });
    }

    /// Whether the rule's budget of the candidate's cell has room for one more, and whether its
    /// match could matter to this window. The grid counts all candidates of a cell, in order.
    fn allowed(
        &self,
        window: &Window<'_>,
        id: RuleId,
        rule: &Rule,
        utf16: bool,
        address: u64,
        scratch: &mut Scratch,
    ) -> bool {
        let cell = address.saturating_sub(window.region_start) / CELL;
        let count = scratch.counts.entry((id, utf16, cell)).or_default();
        *count += 1;
        let most = (CELL_BUDGET / (rule.before + rule.max_len))
            .clamp(*CELL_CANDIDATES.start(), *CELL_CANDIDATES.end());
        if *count > most {
            if *count == most + 1 {
                let cell = window.region_start.saturating_add(cell.saturating_mul(CELL));
                scratch.throttled.push(Throttled { rule: id, cell });
            }
            return false;
        }
        address.saturating_add(WIDEST) >= window.own.start
    }

    /// Candidates of rules without literals.
    fn others(&self, window: &Window<'_>, haystack: Haystack<'_>, scratch: &mut Scratch) {
        for id in &self.others {
            self.other(window, *id, self.rules.get(*id), haystack, scratch);
        }
    }

    fn other(
        &self,
        window: &Window<'_>,
        id: RuleId,
        rule: &Rule,
        haystack: Haystack<'_>,
        scratch: &mut Scratch,
    ) {
        match &rule.anchor {
            Anchor::Prefix | Anchor::Inside => {}
            Anchor::Run { class, len, word } => runs::each(haystack.text, class, *len, |at| {
                let address = haystack.address(at);
                if (!word || has_length_word(window, address, *len))
                    && address < window.own.end.saturating_add(WIDEST)
                    && self.allowed(window, id, rule, haystack.unit == 2, address, scratch)
                {
                    let mut text = TextRun::default();
                    text.cover_near(haystack.text, at, len + 2 * SURROUNDINGS);
                    let run = around(rule, haystack, at, &text);
                    self.confirm(window, id, rule, haystack, run, at, scratch);
                }
            }),
            Anchor::Label => labels::each(window, |kind, text| {
                let kind = match kind {
                    crate::region::LabelKind::Argv => RegionKind::Argv,
                    crate::region::LabelKind::Environ => RegionKind::Environ,
                };
                if rule.places.holds(kind) {
                    let end = text.end.min(text.start.saturating_add(rule.max_len));
                    let cut = Cut { start: false, end: end < text.end };
                    let (start, end) = (text.start, end);
                    self.confirm(window, id, rule, haystack, (start, end, cut), start, scratch);
                }
            }),
            Anchor::Path => {
                let named = rule.path.as_ref().and_then(|path| path.regex());
                if window.own.start == 0 && named.is_some_and(|path| path.is_match(window.name)) {
                    let end = haystack.text.len().min(rule.max_len + SURROUNDINGS);
                    let end = text_run::end(haystack.text, 0, end);
                    let cut = Cut { start: false, end: false };
                    self.confirm(window, id, rule, haystack, (0, end, cut), 0, scratch);
                }
            }
            Anchor::Text => self.every_text(window, id, rule, haystack, scratch),
        }
    }

    /// Runs a pattern without literals over every text run, afresh from each cell of the grid on.
    fn every_text(
        &self,
        window: &Window<'_>,
        id: RuleId,
        rule: &Rule,
        haystack: Haystack<'_>,
        scratch: &mut Scratch,
    ) {
        let cell_of = |at: usize| haystack.address(at).saturating_sub(window.region_start) / CELL;
        let mut at = 0;
        while at < haystack.text.len() {
            if haystack.address(at) >= window.own.end {
                return;
            }
            // The rest of this text run, within this cell: matches start here and may end beyond.
            let end = text_run::end(haystack.text, at, haystack.text.len());
            if end == at {
                at += 1;
                continue;
            }
            let mut from = at;
            while from < end {
                let cell = cell_of(from);
                let limit = end.min(from.saturating_add(CELL as usize + rule.max_len));
                let cut = Cut { start: false, end: false };
                let run = (from, limit, cut);
                let next = self.confirm(window, id, rule, haystack, run, from, scratch);
                let border = window
                    .region_start
                    .saturating_add(cell.saturating_add(1).saturating_mul(CELL))
                    .saturating_sub(haystack.base)
                    .div_ceil(haystack.unit);
                let border = usize::try_from(border).unwrap_or(usize::MAX);
                from = match next {
                    Some(next) if next < border => next.max(from + 1),
                    _ => border.max(from + 1),
                };
            }
            at = end + 1;
        }
    }

    /// Confirms one candidate in the text `run` (offsets in the haystack, and which ends are no
    /// true ends); gives the end of its match.
    #[expect(clippy::too_many_arguments, reason = "one call from each kind of anchor")]
    fn confirm(
        &self,
        window: &Window<'_>,
        id: RuleId,
        rule: &Rule,
        haystack: Haystack<'_>,
        run: (usize, usize, Cut),
        at: usize,
        scratch: &mut Scratch,
    ) -> Option<usize> {
        let (start, end, cut) = run;
        let text = haystack.text.get(start..end)?;
        let run = Run { text, cut };
        let found = confirm::find(rule, run, at - start)?;
        let confirmed = confirm::judge(rule, run, found)?;
        let value = SecretBytes::new(text.get(confirmed.span.clone())?);
        let ends = start + confirmed.span.end;
        let first = haystack.address(start + confirmed.span.start);
        let kind = window.space.kind_at(first);
        let near = first.saturating_add(WIDEST) >= window.own.start
            && first < window.own.end.saturating_add(WIDEST);
        if near && rule.places.holds(kind) && self.path_fits(rule, window) {
            let last = haystack.address(ends);
            scratch.candidates.push(Candidate {
                rule: id,
                start: first,
                end: last,
                utf16: haystack.unit == 2,
                kind,
                confirmed,
                value,
                lost: false,
            });
        }
        Some(ends)
    }

    #[expect(clippy::unused_self, reason = "reads as a question to the engine")]
    fn path_fits(&self, rule: &Rule, window: &Window<'_>) -> bool {
        rule.path
            .as_ref()
            .is_none_or(|path| path.regex().is_some_and(|regex| regex.is_match(window.name)))
    }

    /// For each match, whether its partner stands near: sorted by start, as `suppress` leaves them.
    fn near(&self, matches: &[Candidate]) -> Vec<bool> {
        let partner = |found: &Candidate| {
            let near = self.rules.get(found.rule).near.as_ref()?;
            matches
                .iter()
                .filter(|other| !other.lost && self.rules.get(other.rule).id == near.rule)
                .find(|other| {
                    let gap = other.start.saturating_sub(found.end);
                    gap.max(found.start.saturating_sub(other.end)) <= near.within
                })
        };
        matches.iter().map(|found| partner(found).is_some()).collect()
    }

    fn finish(&self, window: &Window<'_>, candidate: Candidate, near: bool) -> Match {
        let Candidate { rule, start, end, utf16, kind, mut confirmed, value, .. } = candidate;
        if near {
            let partner = self.rules.get(rule).near.as_ref().map(|near| near.rule.as_str());
            confirmed.confidence = confirmed.confidence.max(Confidence::High);
            confirmed.evidence.push(Evidence {
                check: format!("near {}", partner.unwrap_or_default()),
                outcome: Outcome::Pass,
            });
        }
        let canonical = confirmed.canonical.as_ref().unwrap_or(&value);
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        if self.rules.get(rule).class == Class::Grep {
            // Text that the user looks for is a finding of its own beside a secret of a rule.
            hasher.update(self.rules.get(rule).id.as_bytes());
        }
        hasher.update(canonical.expose());
        let mut key = [0; 16];
        hasher.finalize_xof().fill(&mut key);
        Match {
            holder: window.space.holder,
            kind,
            locus: Locus {
                at: start,
                len: u32::try_from(end.saturating_sub(start)).unwrap_or(u32::MAX),
                utf16,
            },
            key: ValueKey(key),
            judgement: Judgement {
                confidence: confirmed.confidence,
                rank: confirmed.rank,
                rule,
                name: confirmed.name,
                evidence: confirmed.evidence,
                attributes: confirmed.attributes,
                length: u32::try_from(value.len()).unwrap_or(u32::MAX),
            },
            value,
            lines: None,
        }
    }
}

/// Whether the length of a string stands in the four bytes before it.
fn has_length_word(window: &Window<'_>, address: u64, len: usize) -> bool {
    let Some(at) = usize::try_from(address.saturating_sub(window.base)).ok() else { return false };
    let word = at.checked_sub(4).and_then(|from| window.bytes.get(from..at));
    word.and_then(|word| <[u8; 4]>::try_from(word).ok())
        .is_some_and(|word| usize::try_from(u32::from_le_bytes(word)) == Ok(len))
}

/// The last text run that a candidate stood in: many candidates stand in one.
#[derive(Debug, Default)]
struct TextRun(std::ops::Range<usize>);

impl TextRun {
    /// Finds the run that covers `at`, unless it is known; candidates come in order.
    fn cover(&mut self, text: &[u8], at: usize) {
        if !self.0.contains(&at) {
            let known = self.0.end;
            self.0 = text_run::start(text, at, at.saturating_sub(known))..text_run::end(text, at, text.len());
        }
    }

    /// Finds the run that covers `at`, as far as `reach` characters on both sides.
    fn cover_near(&mut self, text: &[u8], at: usize, reach: usize) {
        self.0 = text_run::start(text, at, reach)..text_run::end(text, at, reach);
    }
}

/// The text run around a candidate, clipped to what the rule can match.
fn around(rule: &Rule, haystack: Haystack<'_>, at: usize, run: &TextRun) -> (usize, usize, Cut) {
    let before = at.saturating_sub(rule.before + SURROUNDINGS);
    let after = at.saturating_add(rule.max_len + SURROUNDINGS);
    let (start, end) = (run.0.start.max(before), run.0.end.min(after));
    let cut = Cut {
        start: (start == 0 && haystack.cut.start) || start > run.0.start,
        end: (end == haystack.text.len() && haystack.cut.end) || end < run.0.end,
    };
    (start, end, cut)
}
