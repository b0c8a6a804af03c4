//! Numbers with something to each, sorted: a row of eight bytes for each, and an index by their upper bits.

/// Rows from which on an index pays.
const MANY: usize = 4096;

/// Numbers, each with another one.
#[derive(Debug, Default)]
pub(super) struct Table {
    rows: Vec<(u32, u32)>,
    /// By the upper sixteen bits, the first of its rows; one more at the end. Empty if there are few rows.
    starts: Vec<u32>,
}

impl Table {
    /// Sorts rows.
    pub(super) fn new(mut rows: Vec<(u32, u32)>) -> Self {
        rows.sort_unstable();
        rows.dedup();
        rows.shrink_to_fit();
        let mut starts = Vec::new();
        if rows.len() >= MANY {
            starts.reserve_exact((1 << 16) + 1);
            let mut row = 0;
            for upper in 0..=u32::from(u16::MAX) {
                while rows.get(row).is_some_and(|(number, _)| number >> 16 < upper) {
                    row += 1;
                }
                starts.push(u32::try_from(row).unwrap_or(u32::MAX));
            }
            starts.push(u32::try_from(rows.len()).unwrap_or(u32::MAX));
        }
        Self { rows, starts }
    }

    /// What stands with a number, the lowest first.
    pub(super) fn of(&self, number: u32) -> impl Iterator<Item = u32> + '_ {
        let start = |upper: u32| {
            let start = self.starts.get(usize::try_from(upper).unwrap_or(usize::MAX));
            start.and_then(|start| usize::try_from(*start).ok())
        };
        let upper = number >> 16;
        let near =
            start(upper).zip(start(upper + 1)).map_or(0..self.rows.len(), |(from, to)| from..to);
        let near = self.rows.get(near).unwrap_or_default();
        let first = near.partition_point(|(other, _)| *other < number);
        let rest = near.get(first..).unwrap_or_default();
        rest.iter().take_while(move |(other, _)| *other == number).map(|(_, with)| *with)
    }
}

/// Whether a number may be among others: never a wrong no.
#[derive(Debug, Default)]
pub(super) struct Bloom {
    bits: Vec<u64>,
}

impl Bloom {
    /// Most bits: 2 MB, what a processor keeps near.
    const MOST: usize = 1 << 24;

    /// One of so many numbers.
    pub(super) fn new(numbers: impl ExactSizeIterator<Item = u32>) -> Self {
        let bits = numbers.len().saturating_mul(16).next_power_of_two().clamp(64, Self::MOST);
        let mut this = Self { bits: vec![0; bits / 64] };
        for number in numbers {
            let (word, bit) = this.place(number);
            if let Some(word) = this.bits.get_mut(word) {
                *word |= bit;
            }
        }
        this
    }

    /// Whether a number may be among them.
    pub(super) fn may_have(&self, number: u32) -> bool {
        let (word, bit) = self.place(number);
        self.bits.get(word).is_some_and(|word| word & bit != 0)
    }

    /// Numbers are hashes already.
    fn place(&self, number: u32) -> (usize, u64) {
        let words = self.bits.len();
        let word = usize::try_from(number >> 6).unwrap_or_default() & words.wrapping_sub(1);
        (word, 1 << (number & 63))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_found_with_all_that_stands_with_it() {
        for count in [10u32, 5000] {
            let number = |n: u32| n.wrapping_mul(0x9e37_79b1);
            let rows =
                (0..count).flat_map(|n| [(number(n), n), (number(n), n + 1), (number(n), n)]);
            let table = Table::new(rows.collect());
            let bloom = Bloom::new((0..count).map(number).collect::<Vec<_>>().into_iter());
            for n in 0..count {
                assert_eq!(table.of(number(n)).collect::<Vec<_>>(), [n, n + 1]);
                assert!(bloom.may_have(number(n)));
            }
            assert_eq!(table.of(number(count)).count(), 0);
            let wrong = (count..2 * count).filter(|n| bloom.may_have(number(*n))).count();
            assert!(wrong < 600, "{wrong} of {count}");
            assert_eq!(table.of(0).chain(table.of(u32::MAX)).count(), 2);
        }
    }
}
