//! What every match runs through: where the pattern of an assignment stands in the middle of other text, most
//! places that could begin a match by their byte never come to its `=`.

use std::ops::Range;

use super::{Program, Set, Step};

/// A byte that every match holds, and what may stand before it there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Gate {
    byte: u8,
    /// `byte` itself is never in it, even where it may stand there.
    before: Set,
}

impl Gate {
    /// The one with the fewest bytes before it, itself not among them if possible; `None` where there is none,
    /// or where all may stand before it.
    pub(super) fn of(program: &Program) -> Option<Self> {
        let only: Vec<_> = program.sets.iter().map(only).collect();
        let mut bytes = [false; 256];
        let literals = program
            .steps
            .iter()
            .filter_map(|step| if let Step::Literal(bytes) = step { Some(bytes) } else { None });
        for byte in literals.flatten().chain(only.iter().flatten()) {
            bytes[usize::from(*byte)] = true;
        }
        let ways = bytes.iter().zip(0..=u8::MAX).filter(|(may_be, _)| **may_be);
        let ways = ways.filter_map(|(_, byte)| {
            let mut before = before(program, &only, byte)?;
            let is_before = std::mem::replace(&mut before[usize::from(byte)], false);
            let count = before.iter().filter(|holds| **holds).count();
            Some(((is_before, count), Self { byte, before }))
        });
        let ((_, count), best) = ways.min_by_key(|(cost, _)| *cost)?;
        (count < usize::from(u8::MAX)).then_some(best)
    }

    /// The first places of `range` at which a match may begin, if one does so at `last` at the latest.
    pub(super) fn next(
        &self,
        text: &[u8],
        mut range: Range<usize>,
        last: usize,
    ) -> Option<Range<usize>> {
        while range.start <= last {
            let rest = text.get(range.clone())?;
            let len = rest.iter().position(|byte| !self.before[usize::from(*byte)])?;
            let end = range.start + len + 1;
            if rest.get(len) == Some(&self.byte) {
                return Some(range.start..end);
            }
            range.start = end;
        }
        None
    }
}

/// The byte of a set that holds one.
fn only(set: &Set) -> Option<u8> {
    let mut bytes = set.iter().zip(0..=u8::MAX).filter(|(holds, _)| **holds).map(|(_, byte)| byte);
    bytes.next().filter(|_| bytes.next().is_none())
}

/// The bytes that may stand in a match before the first step that takes `byte` and no other; `None` if a match
/// may do without such a step. `only` are the bytes of sets that hold one.
fn before(program: &Program, only: &[Option<u8>], byte: u8) -> Option<Set> {
    let is_it = |set: &usize| only.get(*set) == Some(&Some(byte));
    let mut before = [false; 256];
    let mut seen = vec![false; program.steps.len()];
    let mut sets = vec![false; program.sets.len()];
    let mut open = vec![0];
    while let Some(number) = open.pop() {
        let (step, seen) = program.steps.get(number).zip(seen.get_mut(number))?;
        if std::mem::replace(seen, true) {
            continue;
        }
        match step {
            Step::Match => return None,
            Step::Literal(bytes) => {
                let at = bytes.iter().position(|it| *it == byte);
                for other in bytes.iter().take(at.unwrap_or(bytes.len())) {
                    before[usize::from(*other)] = true;
                }
                if at.is_some() {
                    continue;
                }
            }
            Step::One(set) if is_it(set) => continue,
            Step::Run { set, least, .. } | Step::LazyRun { set, least, .. } if is_it(set) => {
                if *least > 0 {
                    continue;
                }
            }
            Step::One(set) | Step::Run { set, .. } | Step::LazyRun { set, .. } => {
                *sets.get_mut(*set)? = true;
            }
            Step::Split { first, second } => {
                open.extend([first.target, second.target]);
                continue;
            }
            Step::Jump(target) => {
                open.push(*target);
                continue;
            }
            Step::Save(_) | Step::Look(_) => {}
        }
        open.push(number + 1);
    }
    for (set, _) in program.sets.iter().zip(sets).filter(|(_, is_met)| *is_met) {
        before.iter_mut().zip(set).for_each(|(one, other)| *one |= other);
    }
    Some(before)
}
