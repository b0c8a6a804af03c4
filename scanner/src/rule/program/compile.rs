//! From a syntax tree to steps.

use std::sync::OnceLock;

use regex_syntax::hir::{Class, Hir, HirKind, Look, Repetition};

use super::{Program, Set, Step, Way};
use crate::rule::literals;

/// Most steps of a program: what repeats long parts often is left to the automaton.
const MOST_STEPS: usize = 4 << 10;

/// What may come next.
#[derive(Debug, Clone)]
struct Next {
    begins: Set,
    /// Whether the pattern may end here, whatever comes.
    may_end: bool,
    /// Whether it may go on here at the end of the text only.
    wants_end: bool,
}

impl Next {
    fn end() -> Self {
        Self { may_end: true, ..Self::nothing() }
    }

    /// No way on.
    fn nothing() -> Self {
        Self { begins: [false; 256], may_end: false, wants_end: false }
    }

    /// A byte of a set.
    fn one_of(begins: Set) -> Self {
        Self { begins, ..Self::nothing() }
    }

    /// Nothing is known.
    fn any() -> Self {
        Self { begins: [true; 256], may_end: false, wants_end: true }
    }

    fn or(mut self, other: &Self) -> Self {
        for (one, other) in self.begins.iter_mut().zip(&other.begins) {
            *one |= other;
        }
        self.may_end |= other.may_end;
        self.wants_end |= other.wants_end;
        self
    }

    /// What may come where `hir` does before it.
    fn after(&self, hir: &Hir) -> Self {
        match hir.kind() {
            HirKind::Empty => self.clone(),
            HirKind::Look(Look::End) => Self { wants_end: true, ..Self::nothing() },
            HirKind::Look(_) => Self::any(),
            HirKind::Literal(literal) => {
                let mut begins = [false; 256];
                if let Some(byte) = literal.0.first() {
                    begins[usize::from(*byte)] = true;
                }
                Self::one_of(begins)
            }
            HirKind::Class(class) => set_of(class).map_or_else(Self::any, Self::one_of),
            HirKind::Capture(capture) => self.after(&capture.sub),
            HirKind::Concat(parts) => {
                parts.iter().rev().fold(self.clone(), |next, part| next.after(part))
            }
            HirKind::Alternation(parts) => {
                parts.iter().fold(Self::nothing(), |all, part| all.or(&self.after(part)))
            }
            HirKind::Repetition(repetition) => {
                let again = if repetition.sub.properties().minimum_len() == Some(0) {
                    Self::any()
                } else {
                    self.after(&repetition.sub)
                };
                if repetition.min == 0 { again.or(self) } else { again }
            }
        }
    }

    /// A set for [`Way::begins`].
    fn set(&self) -> Option<&Set> {
        let is_known = !self.may_end && !self.wants_end && self.begins.contains(&false);
        is_known.then_some(&self.begins)
    }
}

/// The bytes of a class; `None` if it holds characters of several bytes.
pub(in crate::rule) fn set_of(class: &Class) -> Option<Set> {
    let mut set = [false; 256];
    let ranges: Vec<(u8, u8)> = match class {
        Class::Bytes(class) => class.iter().map(|it| (it.start(), it.end())).collect(),
        Class::Unicode(class) => {
            let of = |char: char| u8::try_from(char).ok().filter(u8::is_ascii);
            let ranges = class.iter().map(|it| Some((of(it.start())?, of(it.end())?)));
            ranges.collect::<Option<_>>()?
        }
    };
    for byte in ranges.into_iter().flat_map(|(start, end)| start..=end) {
        set[usize::from(byte)] = true;
    }
    Some(set)
}

#[derive(Default)]
struct Compiler {
    steps: Vec<Step>,
    sets: Vec<Set>,
    slots: usize,
}

impl Program {
    /// The program of a pattern; `None` where one of its parts has none.
    pub(in crate::rule) fn new(hir: &Hir) -> Option<Self> {
        let mut compiler = Compiler { slots: 2, ..Compiler::default() };
        compiler.part(hir, &Next::end())?;
        compiler.push(Step::Match)?;
        let first = literals::first_bytes(hir).map(Box::new);
        let Compiler { steps, sets, slots } = compiler;
        Some(Self { steps, sets, first, gate: OnceLock::new(), slots })
    }
}

impl Compiler {
    /// Adds a step, and says which it is.
    fn push(&mut self, step: Step) -> Option<usize> {
        let at = self.steps.len();
        (at < MOST_STEPS).then(|| self.steps.push(step))?;
        Some(at)
    }

    fn set(&mut self, set: &Set) -> usize {
        let known = self.sets.iter().position(|it| it == set);
        known.unwrap_or_else(|| {
            self.sets.push(*set);
            self.sets.len().saturating_sub(1)
        })
    }

    fn way(&mut self, target: usize, next: &Next) -> Way {
        Way { target, begins: next.set().map(|set| self.set(set)) }
    }

    /// The steps of a part that `next` follows.
    fn part(&mut self, hir: &Hir, next: &Next) -> Option<()> {
        match hir.kind() {
            HirKind::Empty => {}
            HirKind::Literal(literal) => _ = self.push(Step::Literal(literal.0.clone()))?,
            HirKind::Class(class) => {
                let set = self.set(&set_of(class)?);
                self.push(Step::One(set))?;
            }
            HirKind::Look(look) => {
                let is_of_scripts = matches!(
                    look,
                    Look::WordUnicode
                        | Look::WordUnicodeNegate
                        | Look::WordStartUnicode
                        | Look::WordEndUnicode
                        | Look::WordStartHalfUnicode
                        | Look::WordEndHalfUnicode
                );
                (!is_of_scripts).then(|| self.push(Step::Look(*look)))??;
            }
            HirKind::Capture(capture) => {
                let slot = usize::try_from(capture.index).ok()?.checked_mul(2)?;
                self.slots = self.slots.max(slot.checked_add(2)?);
                self.push(Step::Save(slot))?;
                self.part(&capture.sub, next)?;
                self.push(Step::Save(slot.checked_add(1)?))?;
            }
            HirKind::Concat(parts) => {
                let mut nexts = vec![next.clone()];
                for part in parts.iter().skip(1).rev() {
                    nexts.push(nexts.last()?.after(part));
                }
                for (part, next) in parts.iter().zip(nexts.iter().rev()) {
                    self.part(part, next)?;
                }
            }
            HirKind::Alternation(parts) => self.alternatives(parts, next)?,
            HirKind::Repetition(repetition) => self.repetition(repetition, next)?,
        }
        Some(())
    }

    fn alternatives(&mut self, parts: &[Hir], next: &Next) -> Option<()> {
        let mut ends = Vec::new();
        self.one_of(parts, next, &mut ends)?;
        // Behind the last alternative there is nothing to leap over.
        ends.pop();
        self.steps.pop();
        let end = self.steps.len();
        for jump in ends {
            *self.steps.get_mut(jump)? = Step::Jump(end);
        }
        Some(())
    }

    /// The steps of alternatives, each with one behind it that leads out of them, of which `ends` keeps the places;
    /// halved again and again, so that of many the few that may match are found in few steps. Gives what may come.
    fn one_of(&mut self, parts: &[Hir], next: &Next, ends: &mut Vec<usize>) -> Option<Next> {
        debug_assert!(!parts.is_empty(), "a syntax tree has no alternation of nothing");
        if let [part] = parts {
            self.part(part, next)?;
            ends.push(self.push(Step::Match)?);
            return Some(next.after(part));
        }
        let (left, right) = parts.split_at_checked(parts.len().div_ceil(2))?;
        let split = self.push(Step::Match)?;
        let begins = self.one_of(left, next, ends)?;
        let target = self.steps.len();
        let others = self.one_of(right, next, ends)?;
        let first = self.way(split.checked_add(1)?, &begins);
        let second = self.way(target, &others);
        *self.steps.get_mut(split)? = Step::Split { first, second };
        Some(begins.or(&others))
    }

    fn repetition(&mut self, repetition: &Repetition, next: &Next) -> Option<()> {
        let Repetition { min, max, greedy, sub } = repetition;
        let least = usize::try_from(*min).ok()?;
        let most = max.map_or(Some(usize::MAX), |max| usize::try_from(max).ok())?;
        let is_byte =
            |hir: &Hir| matches!(hir.kind(), HirKind::Literal(literal) if literal.0.len() == 1);
        let one = if let HirKind::Class(class) = sub.kind() {
            Some(set_of(class)?)
        } else {
            is_byte(sub).then(|| Next::end().after(sub).begins)
        };
        if let Some(one) = one {
            let is_apart = one.iter().zip(&next.begins).all(|(one, next)| !(*one && *next));
            let set = self.set(&one);
            // Where what follows must be there and is none of the set, as few as will do are all there are.
            let step = if *greedy || (is_apart && !next.may_end) {
                Step::Run { set, least, most, is_sure: next.may_end || is_apart }
            } else {
                Step::LazyRun { set, least, most }
            };
            self.push(step)?;
            return Some(());
        }
        // A part that may be empty could be repeated without an end.
        if sub.properties().minimum_len().is_none_or(|len| len == 0) && most > 1 {
            return None;
        }
        let more = most > least;
        let again = if more { next.after(sub).or(next) } else { next.clone() };
        for time in 1..=least {
            let is_last = time == least;
            let follows = if is_last { again.clone() } else { next.after(sub) };
            self.part(sub, &follows)?;
        }
        let mut splits = Vec::new();
        let ways = |this: &mut Self, split: usize, out: usize| {
            let inner = this.way(split.checked_add(1)?, &again.after(sub));
            let outer = this.way(out, next);
            let (first, second) = if *greedy { (inner, outer) } else { (outer, inner) };
            *this.steps.get_mut(split)? = Step::Split { first, second };
            Some(())
        };
        if max.is_none() {
            let split = self.push(Step::Match)?;
            self.part(sub, &again)?;
            self.push(Step::Jump(split))?;
            splits.push(split);
        } else {
            for _ in least..most {
                splits.push(self.push(Step::Match)?);
                self.part(sub, &again)?;
            }
        }
        let out = self.steps.len();
        splits.into_iter().try_for_each(|split| ways(self, split, out))
    }
}
