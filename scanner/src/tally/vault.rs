//! Values that proofs look into at the fold.

use std::collections::{BTreeMap, BTreeSet};

use super::ValueKey;
use crate::secret::SecretBytes;

/// What a proof takes a value for. Each kind has bounds of its own, so that none crowds out the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shelf {
    /// A number of a key: a prime, a modulus, a public point.
    Number,
    /// Text that could be the key of a signature.
    Candidate,
    /// Text that carries a signature.
    Signed,
    /// A private key.
    PrivateKey,
    /// What a program encrypts, and the keys it does that with.
    Sealed,
}

impl Shelf {
    /// Values that are kept, of a target: those with the lowest hashes.
    pub fn most(self) -> usize {
        match self {
            Self::Number => 10_000,
            Self::Candidate => 4_000,
            Self::Signed | Self::PrivateKey | Self::Sealed => 1_000,
        }
    }

    /// Bytes of the longest value that is kept.
    pub fn longest(self) -> usize {
        match self {
            Self::Candidate => 512,
            Self::Number => 1 << 10,
            Self::Signed | Self::PrivateKey | Self::Sealed => 8 << 10,
        }
    }
}

/// Values that are kept for proofs until the fold, and wiped then.
#[derive(Debug, Clone, Default)]
pub struct Vault {
    shelves: BTreeMap<Shelf, BTreeMap<ValueKey, SecretBytes>>,
    overflow: BTreeSet<Shelf>,
}

impl Vault {
    /// Keeps a value; of two notations of one value the lower one.
    pub(super) fn keep(&mut self, shelf: Shelf, key: ValueKey, value: &SecretBytes) {
        if value.len() <= shelf.longest() {
            self.put(shelf, key, value);
        }
    }

    /// Adds what another part has kept. Associative and commutative.
    pub(super) fn merge(&mut self, other: Self) {
        if self.shelves.is_empty() {
            self.shelves = other.shelves;
            self.overflow.extend(other.overflow);
            return;
        }
        for (shelf, values) in other.shelves {
            for (key, value) in values {
                self.put(shelf, key, &value);
            }
        }
        self.overflow.extend(other.overflow);
    }

    fn put(&mut self, shelf: Shelf, key: ValueKey, value: &SecretBytes) {
        let values = self.shelves.entry(shelf).or_default();
        if values.len() >= shelf.most()
            && values.last_key_value().is_some_and(|(last, _)| *last < key)
        {
            self.overflow.insert(shelf);
            return;
        }
        match values.get_mut(&key) {
            Some(present) if *present <= *value => {}
            Some(present) => *present = value.clone(),
            None => {
                values.insert(key, value.clone());
            }
        }
        if values.len() > shelf.most() {
            values.pop_last();
            self.overflow.insert(shelf);
        }
    }

    /// A value, if it was kept as that.
    pub fn get(&self, shelf: Shelf, key: ValueKey) -> Option<&[u8]> {
        self.shelves.get(&shelf)?.get(&key).map(SecretBytes::expose)
    }

    /// The values that were kept as that, in order.
    pub fn of(&self, shelf: Shelf) -> impl Iterator<Item = (ValueKey, &[u8])> {
        let values = self.shelves.get(&shelf).into_iter().flatten();
        values.map(|(key, value)| (*key, value.expose()))
    }

    /// Whether there were no more values of that kind than are kept.
    pub fn holds_all(&self, shelf: Shelf) -> bool {
        !self.overflow.contains(&shelf)
    }

    /// Whether there were no more values of any kind than are kept.
    pub fn is_whole(&self) -> bool {
        self.overflow.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: usize) -> ValueKey {
        let mut key = [0; 16];
        key[8..].copy_from_slice(&(number as u64).to_be_bytes());
        ValueKey(key)
    }

    fn of(numbers: impl Iterator<Item = usize>) -> Vault {
        let mut vault = Vault::default();
        for number in numbers {
            vault.keep(Shelf::Signed, key(number), &SecretBytes::new(&number.to_be_bytes()));
        }
        vault
    }

    #[test]
    fn the_lowest_are_kept_in_whatever_order_and_parts() {
        let most = Shelf::Signed.most();
        let all = of((0..most + 50).rev());
        let mut parts = of((0..most + 50).filter(|it| it % 3 == 0));
        parts.merge(of((0..most + 50).filter(|it| it % 3 != 0)));
        for vault in [&all, &parts] {
            assert!(!vault.holds_all(Shelf::Signed) && !vault.is_whole());
            assert!(vault.holds_all(Shelf::Sealed));
            assert!(vault.get(Shelf::Signed, key(most - 1)).is_some());
            assert!(vault.get(Shelf::Signed, key(most)).is_none());
            assert!(vault.get(Shelf::Candidate, key(0)).is_none());
        }
        assert!(of(0..most).is_whole());
    }

    #[test]
    fn of_the_highest_of_a_full_shelf_the_lower_notation_is_kept() {
        let most = Shelf::Signed.most();
        let mut vault = of(0..most);
        let last = key(most - 1);
        vault.keep(Shelf::Signed, last, &SecretBytes::new(b"\0"));
        assert_eq!(vault.get(Shelf::Signed, last), Some(&b"\0"[..]));
        assert!(vault.is_whole());
    }

    #[test]
    fn what_is_too_long_is_not_kept() {
        let mut vault = Vault::default();
        vault.keep(Shelf::Candidate, key(1), &SecretBytes::new(&[b'x'; 513]));
        vault.keep(Shelf::Candidate, key(2), &SecretBytes::new(&[b'x'; 512]));
        assert!(vault.get(Shelf::Candidate, key(1)).is_none());
        assert!(vault.get(Shelf::Candidate, key(2)).is_some());
    }
}
