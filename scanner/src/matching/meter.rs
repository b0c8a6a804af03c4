//! What each rule costs and comes to, for those who ask.
//!
//! The hooks are in `engine.rs` (times) and `search.rs` (counts). Nothing is kept, and no clock is read,
//! unless statistics are asked for.

use std::sync::{Mutex, PoisonError};

use super::confirm::Refused;
use super::engine::Scratch;
use crate::rule::RuleId;

/// Nanoseconds of CPU time of the thread that asks, since some moment. Whoever wants statistics brings the
/// clock: this part of the program has none.
pub type Clock = fn() -> u64;

/// What the work of one rule was, and what became of it.
///
/// What is counted is work: the bytes around the border of two windows are looked at twice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RuleCost {
    /// Places that the rule looked at: where one of its literals stands, or where its kind of anchor
    /// says so.
    pub candidates: u64,
    /// Texts that its pattern matched.
    pub matched: u64,
    /// Those that its checks refused: a checksum, the structure, randomness, placeholders.
    pub refused_by_check: u64,
    /// Those that are values of documentation.
    pub refused_as_known: u64,
    /// Those that are cut off, or part of something longer.
    pub refused_at_edge: u64,
    /// Those that are left. Another rule may still say better what they are.
    pub accepted: u64,
    /// CPU time in the pattern, the checks and all else that the rule did alone; for rules without
    /// literals also in looking for candidates.
    pub nanos: u64,
}

impl RuleCost {
    fn add(&mut self, other: &Self) {
        let pairs = [
            (&mut self.candidates, other.candidates),
            (&mut self.matched, other.matched),
            (&mut self.refused_by_check, other.refused_by_check),
            (&mut self.refused_as_known, other.refused_as_known),
            (&mut self.refused_at_edge, other.refused_at_edge),
            (&mut self.accepted, other.accepted),
            (&mut self.nanos, other.nanos),
        ];
        for (sum, more) in pairs {
            *sum = sum.saturating_add(more);
        }
    }
}

/// What all rules cost, over all threads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Costs {
    /// By rule, in the order of the rule set; rules behind the last one cost nothing.
    pub rules: Vec<RuleCost>,
    /// CPU time of all of matching: the rules, and what they share, which is finding the literals, text
    /// runs, and decoding.
    pub nanos: u64,
}

impl Costs {
    fn add(&mut self, other: &Self) {
        if self.rules.len() < other.rules.len() {
            self.rules.resize(other.rules.len(), RuleCost::default());
        }
        for (sum, more) in self.rules.iter_mut().zip(&other.rules) {
            sum.add(more);
        }
        self.nanos = self.nanos.saturating_add(other.nanos);
    }

    fn of(&mut self, id: RuleId) -> Option<&mut RuleCost> {
        let index = usize::try_from(id.0).ok()?;
        if self.rules.len() <= index {
            self.rules.resize(index.saturating_add(1), RuleCost::default());
        }
        self.rules.get_mut(index)
    }
}

/// A scan's request for statistics, and where they are summed up.
#[derive(Debug)]
pub struct Statistics {
    clock: Clock,
    sum: Mutex<Costs>,
}

impl Statistics {
    /// Statistics with times of `clock`.
    pub fn new(clock: Clock) -> Self {
        Self { clock, sum: Mutex::default() }
    }

    /// Buffers for a thread that counts.
    pub fn scratch(&self) -> Scratch {
        let running = Running { clock: self.clock, costs: Costs::default() };
        Scratch { meter: Meter(Some(Box::new(running))), ..Scratch::default() }
    }

    /// Adds what a thread has counted since the last time.
    pub fn take(&self, scratch: &mut Scratch) {
        if let Some(running) = &mut scratch.meter.0 {
            let costs = std::mem::take(&mut running.costs);
            self.sum.lock().unwrap_or_else(PoisonError::into_inner).add(&costs);
        }
    }

    /// The sums so far.
    pub fn costs(&self) -> Costs {
        self.sum.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Counts for one thread, if anybody asks.
#[derive(Debug, Default)]
pub(super) struct Meter(Option<Box<Running>>);

#[derive(Debug)]
struct Running {
    clock: Clock,
    costs: Costs,
}

impl Meter {
    /// The time now; 0 if nobody asks.
    pub(super) fn now(&self) -> u64 {
        self.0.as_ref().map_or(0, |running| (running.clock)())
    }

    /// Charges a rule, or all of them, with the time since `start`.
    pub(super) fn charge(&mut self, rule: Option<RuleId>, start: u64) {
        let Some(running) = &mut self.0 else { return };
        let spent = (running.clock)().saturating_sub(start);
        let sum = match rule {
            None => Some(&mut running.costs.nanos),
            Some(id) => running.costs.of(id).map(|cost| &mut cost.nanos),
        };
        if let Some(sum) = sum {
            *sum = sum.saturating_add(spent);
        }
    }

    /// Counts a place that a rule looks at.
    pub(super) fn candidate(&mut self, id: RuleId) {
        let cost = self.0.as_mut().and_then(|running| running.costs.of(id));
        if let Some(cost) = cost {
            cost.candidates = cost.candidates.saturating_add(1);
        }
    }

    /// Counts what a pattern matched, and what was made of it.
    pub(super) fn judged(&mut self, id: RuleId, judged: Result<(), Refused>) {
        let cost = self.0.as_mut().and_then(|running| running.costs.of(id));
        let Some(cost) = cost else { return };
        cost.matched = cost.matched.saturating_add(1);
        let count = match judged {
            Ok(()) => &mut cost.accepted,
            Err(Refused::Check) => &mut cost.refused_by_check,
            Err(Refused::Known) => &mut cost.refused_as_known,
            Err(Refused::Edge) => &mut cost.refused_at_edge,
        };
        *count = count.saturating_add(1);
    }
}
