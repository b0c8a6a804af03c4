//! Patterns as programs for one thread of search: a few steps and byte sets, made from the syntax tree in
//! microseconds, where an automaton takes milliseconds.
//!
//! A program tries alternatives in their order and goes back where one fails, which finds what the automaton
//! finds. Most patterns of secrets are a prefix and runs of classes that what follows cannot begin with: in
//! those there is nothing to go back to. A search that goes back too often gives up, and the automaton,
//! linear whatever the text, answers instead.

mod compile;
mod gate;
mod reach;
#[cfg(test)]
mod tests;

use std::ops::Range;
use std::sync::OnceLock;

use regex_syntax::hir::Look;

pub(super) use compile::set_of;
use gate::Gate;
pub use reach::Reach;

/// A byte set.
type Set = [bool; 256];

/// Steps of a search on top of some per byte.
const FUEL: usize = 1 << 10;

/// Steps of a search for each byte that it may look at.
const FUEL_PER_BYTE: usize = 8;

/// A step; those without a target go on with the next one.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// These bytes.
    Literal(Box<[u8]>),
    /// One byte of the set with this number.
    One(usize),
    /// Bytes of a set, as many as there are.
    Run {
        set: usize,
        least: usize,
        most: usize,
        /// What must follow cannot begin with a byte of the set, or always matches: never shorter.
        is_sure: bool,
    },
    /// Bytes of a set, as few as will do.
    LazyRun {
        set: usize,
        least: usize,
        most: usize,
    },
    /// The first way, and if it fails the second; the sets say with what each may go on, if that is known.
    Split {
        first: Way,
        second: Way,
    },
    Jump(usize),
    /// The border of a group.
    Save(usize),
    Look(Look),
    Match,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Way {
    target: usize,
    begins: Option<usize>,
}

/// What to go back to.
#[derive(Debug)]
enum Back {
    To {
        step: usize,
        at: usize,
    },
    /// A run may be shorter, down to `least`.
    Shorter {
        step: usize,
        at: usize,
        least: usize,
    },
    /// A run may be longer, up to `most`.
    Longer {
        step: usize,
        at: usize,
        most: usize,
        set: usize,
    },
    /// A group's border was somewhere else.
    Border {
        slot: usize,
        was: usize,
    },
}

/// A search took too many steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct GaveUp;

/// Where a group of the pattern that took no part in a match begins and ends.
const NOWHERE: usize = usize::MAX;

/// The groups of a match; group 0 is all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Groups(Vec<usize>);

impl Groups {
    /// The group of that number, if it took part in the match.
    pub fn get(&self, group: usize) -> Option<Range<usize>> {
        let first = group.checked_mul(2)?;
        let (start, end) = (*self.0.get(first)?, *self.0.get(first.checked_add(1)?)?);
        (start != NOWHERE && end != NOWHERE).then_some(start..end)
    }

    /// All groups, with the match itself first.
    pub fn iter(&self) -> impl Iterator<Item = Option<Range<usize>>> {
        (0..self.0.len() / 2).map(|group| self.get(group))
    }

    /// Groups as another engine found them.
    pub(super) fn of(groups: impl Iterator<Item = Option<Range<usize>>>) -> Self {
        let borders = groups.map(|group| group.map_or([NOWHERE; 2], |it| [it.start, it.end]));
        Self(borders.flatten().collect())
    }
}

/// A pattern that is matched step by step.
#[derive(Debug)]
pub(super) struct Program {
    steps: Vec<Step>,
    sets: Vec<Set>,
    /// What a match begins with; `None` if it may be empty.
    first: Option<Box<Set>>,
    /// What every match runs through, found out when matches are first looked for.
    gate: OnceLock<Option<Box<Gate>>>,
    /// Borders of groups, two each; the first two are those of the match.
    slots: usize,
}

impl Program {
    /// How many groups there are, with the match itself.
    pub(super) fn groups(&self) -> usize {
        self.slots / 2
    }

    /// Where the match ends that begins at the start of `range`, if there is one. Borders of words and lines
    /// are told by all of `text`.
    pub(super) fn end_at(&self, text: &[u8], range: Range<usize>) -> Result<Option<usize>, GaveUp> {
        let mut fuel = fuel(&range);
        self.run(text, range, &mut [], &mut fuel, None)
    }

    /// The same, with what is known of the text.
    pub(super) fn end_near(
        &self,
        text: &[u8],
        range: Range<usize>,
        reach: &mut Reach,
    ) -> Result<Option<usize>, GaveUp> {
        let mut fuel = fuel(&range);
        self.run(text, range, &mut [], &mut fuel, Some(reach))
    }

    /// The match that begins at the start of `range`, with its groups.
    pub(super) fn groups_at(
        &self,
        text: &[u8],
        range: Range<usize>,
    ) -> Result<Option<Groups>, GaveUp> {
        let mut fuel = fuel(&range);
        self.match_at(text, range, &mut fuel)
    }

    /// The leftmost match in `range`, with its groups, if it begins at `last` at the latest.
    pub(super) fn find(
        &self,
        text: &[u8],
        range: Range<usize>,
        last: usize,
    ) -> Result<Option<Groups>, GaveUp> {
        let mut fuel = fuel(&range);
        let may_begin = |at: usize| {
            self.first.as_ref().is_none_or(|first| {
                at < range.end && text.get(at).is_some_and(|byte| first[usize::from(*byte)])
            })
        };
        let range = range.start..range.end.min(text.len());
        let mut from = range.start;
        while let Some(starts) = self.starts(text, from..range.end, last) {
            from = starts.end;
            for at in starts.take_while(|at| *at <= last) {
                if may_begin(at)
                    && let Some(found) = self.match_at(text, at..range.end, &mut fuel)?
                {
                    return Ok(Some(found));
                }
            }
        }
        Ok(None)
    }

    /// The first places of `range`, its end among them, at which a match may begin that does so at `last` at the
    /// latest.
    fn starts(&self, text: &[u8], range: Range<usize>, last: usize) -> Option<Range<usize>> {
        match self.gate.get_or_init(|| Gate::of(self).map(Box::new)) {
            Some(gate) => gate.next(text, range, last),
            None => (range.start <= range.end.min(last)).then_some(range.start..range.end + 1),
        }
    }

    fn match_at(
        &self,
        text: &[u8],
        range: Range<usize>,
        fuel: &mut usize,
    ) -> Result<Option<Groups>, GaveUp> {
        let start = range.start;
        // Most places hold no match: no room is made for groups before there is one.
        let Some(end) = self.run(text, range.clone(), &mut [], fuel, None)? else {
            return Ok(None);
        };
        let mut slots = vec![NOWHERE; self.slots];
        if self.slots > 2 {
            self.run(text, range, &mut slots, fuel, None)?;
        }
        for (slot, at) in slots.iter_mut().zip([start, end]) {
            *slot = at;
        }
        Ok(Some(Groups(slots)))
    }

    /// Runs the program from the start of `range`; borders are put into `slots` as far as it has room.
    fn run(
        &self,
        text: &[u8],
        range: Range<usize>,
        slots: &mut [usize],
        fuel: &mut usize,
        mut reach: Option<&mut Reach>,
    ) -> Result<Option<usize>, GaveUp> {
        let end = range.end.min(text.len());
        let (mut step, mut at) = (0, range.start);
        let mut back = Vec::new();
        loop {
            *fuel = fuel.checked_sub(1).ok_or(GaveUp)?;
            let goes_on = match self.steps.get(step) {
                None => return Ok(None),
                Some(Step::Match) => return Ok(Some(at)),
                Some(Step::Literal(bytes)) => {
                    let is_there = text.get(at..end).is_some_and(|rest| rest.starts_with(bytes));
                    at += bytes.len();
                    is_there
                }
                Some(Step::One(set)) => {
                    let is_there = at < end && self.holds(*set, text.get(at));
                    at += 1;
                    is_there
                }
                Some(Step::Run { set, least, most, is_sure }) => {
                    let last = at.saturating_add(*most).min(end);
                    let len = match (&mut reach, self.sets.get(*set)) {
                        (Some(reach), Some(bytes)) if last >= at.saturating_add(Reach::LEAST) => {
                            reach.run_of(*set, bytes, text, at..last)
                        }
                        _ => self.run_of(*set, text, at..end, *most),
                    };
                    *fuel = fuel.checked_sub(len / 8).ok_or(GaveUp)?;
                    if len > *least && !is_sure {
                        let (step, at) = (step + 1, at + len);
                        back.push(Back::Shorter { step, at, least: at - (len - least) });
                    }
                    at += len;
                    len >= *least
                }
                Some(Step::LazyRun { set, least, most }) => {
                    let len = self.run_of(*set, text, at..end, *least);
                    *fuel = fuel.checked_sub(len / 8).ok_or(GaveUp)?;
                    at += len;
                    if len == *least && most > least {
                        let most = at.saturating_add(most - least).min(end);
                        back.push(Back::Longer { step: step + 1, at, most, set: *set });
                    }
                    len >= *least
                }
                Some(Step::Split { first, second }) => {
                    let byte = text.get(at).filter(|_| at < end);
                    let may = |way: &Way| way.begins.is_none_or(|set| self.holds(set, byte));
                    match (may(first), may(second)) {
                        (true, true) => {
                            back.push(Back::To { step: second.target, at });
                            step = first.target;
                        }
                        (true, false) => step = first.target,
                        (false, true) => step = second.target,
                        (false, false) => {}
                    }
                    if may(first) || may(second) {
                        continue;
                    }
                    false
                }
                Some(Step::Jump(target)) => {
                    step = *target;
                    continue;
                }
                Some(Step::Save(slot)) => {
                    if let Some(border) = slots.get_mut(*slot) {
                        back.push(Back::Border { slot: *slot, was: *border });
                        *border = at;
                    }
                    true
                }
                Some(Step::Look(look)) => looks(*look, text, at),
            };
            if goes_on {
                step += 1;
                continue;
            }
            loop {
                *fuel = fuel.checked_sub(1).ok_or(GaveUp)?;
                match back.pop() {
                    None => return Ok(None),
                    Some(Back::Border { slot, was }) => {
                        if let Some(border) = slots.get_mut(slot) {
                            *border = was;
                        }
                        continue;
                    }
                    Some(Back::To { step: to, at: from }) => (step, at) = (to, from),
                    Some(Back::Shorter { step: to, at: from, least }) => {
                        (step, at) = (to, from - 1);
                        if at > least {
                            back.push(Back::Shorter { step, at, least });
                        }
                    }
                    Some(Back::Longer { step: to, at: from, most, set }) => {
                        if from >= most || !self.holds(set, text.get(from)) {
                            continue;
                        }
                        (step, at) = (to, from + 1);
                        back.push(Back::Longer { step, at, most, set });
                    }
                }
                break;
            }
        }
    }

    fn holds(&self, set: usize, byte: Option<&u8>) -> bool {
        let set = self.sets.get(set);
        set.zip(byte).is_some_and(|(set, byte)| set[usize::from(*byte)])
    }

    /// How many bytes of a set stand in a row.
    fn run_of(&self, set: usize, text: &[u8], range: Range<usize>, most: usize) -> usize {
        let range = range.start..range.end.min(range.start.saturating_add(most));
        let rest = text.get(range).unwrap_or_default();
        let Some(set) = self.sets.get(set) else { return 0 };
        rest.iter().position(|byte| !set[usize::from(*byte)]).unwrap_or(rest.len())
    }
}

/// Steps of a search in a text: in proportion to its length, whatever it holds.
fn fuel(range: &Range<usize>) -> usize {
    range.len().saturating_mul(FUEL_PER_BYTE).saturating_add(FUEL)
}

/// Whether a place is such a border. Those of words in other scripts are not compiled.
fn looks(look: Look, text: &[u8], at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|before| text.get(before)).copied();
    let after = text.get(at).copied();
    let is_word =
        |byte: Option<u8>| byte.is_some_and(|it| it.is_ascii_alphanumeric() || it == b'_');
    let (word_before, word_after) = (is_word(before), is_word(after));
    match look {
        Look::Start => before.is_none(),
        Look::End => after.is_none(),
        Look::StartLF => before.is_none_or(|byte| byte == b'\n'),
        Look::EndLF => after.is_none_or(|byte| byte == b'\n'),
        Look::StartCRLF => {
            before.is_none_or(|byte| byte == b'\n' || (byte == b'\r' && after != Some(b'\n')))
        }
        Look::EndCRLF => {
            after.is_none_or(|byte| byte == b'\r' || (byte == b'\n' && before != Some(b'\r')))
        }
        Look::WordAscii => word_before != word_after,
        Look::WordAsciiNegate => word_before == word_after,
        Look::WordStartAscii => !word_before && word_after,
        Look::WordEndAscii => word_before && !word_after,
        Look::WordStartHalfAscii => !word_before,
        Look::WordEndHalfAscii => !word_after,
        Look::WordUnicode
        | Look::WordUnicodeNegate
        | Look::WordStartUnicode
        | Look::WordEndUnicode
        | Look::WordStartHalfUnicode
        | Look::WordEndHalfUnicode => false,
    }
}
