//! Values that an earlier checkpoint of the same run holds too: a secret that lives on in several
//! containers, or from dump to dump.

use std::collections::BTreeMap;

use crate::tally::ValueKey;

/// Values that are remembered, of all checkpoints of a run; the first ones in their order.
const VALUES: usize = 200_000;
/// Checkpoints of one value that are named.
const NAMED: usize = 8;

/// Which checkpoints of a run hold which values.
#[derive(Debug, Default)]
pub struct Earlier(BTreeMap<ValueKey, Held>);

/// The checkpoints that hold one value.
#[derive(Debug, Default)]
struct Held {
    /// Numbers of the first ones.
    first: Vec<u64>,
    count: u64,
}

impl Earlier {
    /// Remembers the values of a checkpoint by its number; each value once.
    pub fn add(&mut self, checkpoint: u64, values: impl Iterator<Item = ValueKey>) {
        for value in values {
            if self.0.len() >= VALUES && !self.0.contains_key(&value) {
                continue;
            }
            let held = self.0.entry(value).or_default();
            held.count = held.count.saturating_add(1);
            if held.first.len() < NAMED {
                held.first.push(checkpoint);
            }
        }
    }

    /// The names of those that hold a value, in words; `None` if none does.
    pub(super) fn names(&self, value: ValueKey) -> Option<String> {
        let held = self.0.get(&value)?;
        let names: Vec<String> = held.first.iter().map(|number| format!("c{number}")).collect();
        let rest = held.count.saturating_sub(u64::try_from(names.len()).unwrap_or(u64::MAX));
        let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
        Some(names.join(" ") + &more)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_checkpoints_are_named_and_all_are_counted() {
        let mut earlier = Earlier::default();
        let (one, many) = (ValueKey([1; 16]), ValueKey([2; 16]));
        assert_eq!(earlier.names(one), None);
        earlier.add(1, [one, many].into_iter());
        assert_eq!(earlier.names(one).unwrap(), "c1");
        for number in 2..=11 {
            earlier.add(number, [many].into_iter());
        }
        assert_eq!(earlier.names(many).unwrap(), "c1 c2 c3 c4 c5 c6 c7 c8 and 3 more");
    }
}
