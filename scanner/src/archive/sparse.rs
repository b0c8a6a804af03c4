//! Sparse files: which parts of them are stored, and reading them as they were, with zeros between.

use std::ops::Range;

use super::input::count;

/// Ranges that a map may have.
pub(super) const RANGES: usize = 1 << 20;

/// The parts of a file that are stored; all else of it is zeros.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sparse {
    size: u64,
    data: Vec<Range<u64>>,
    /// How many bytes are stored before each of `data`.
    before: Vec<u64>,
}

/// What lies at an offset.
pub(super) enum Spot {
    /// So many bytes that are stored behind as many others.
    Data { before: u64, len: u64 },
    /// So many zeros.
    Zeros(u64),
}

impl Sparse {
    /// A file of `size` bytes, of which the ranges `(offset, length)` are stored, one after the other,
    /// in `stored` bytes.
    ///
    /// # Errors
    /// What the map should be, and what it is.
    pub(super) fn new(
        size: u64,
        ranges: &[(u64, u64)],
        stored: u64,
    ) -> Result<Self, (String, String)> {
        let mut sparse = Self { size, data: Vec::new(), before: Vec::new() };
        let (mut end, mut sum) = (0_u64, 0_u64);
        for &(offset, len) in ranges {
            let next = offset.checked_add(len).filter(|next| *next <= size && offset >= end);
            let Some(next) = next else {
                let expected = format!("parts between {end} and {size}");
                return Err((expected, format!("{len} bytes at {offset}")));
            };
            if len > 0 {
                match sparse.data.last_mut() {
                    Some(last) if last.end == offset => last.end = next,
                    _ => {
                        sparse.data.push(offset..next);
                        sparse.before.push(sum);
                    }
                }
            }
            (end, sum) = (next, sum.saturating_add(len));
        }
        if sum != stored {
            return Err((format!("parts of {stored} bytes in all"), format!("{sum} bytes")));
        }
        Ok(sparse)
    }

    /// Bytes of the file.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// What is stored, in order; no two of the ranges touch.
    pub fn data(&self) -> &[Range<u64>] {
        &self.data
    }

    /// Bytes that are stored.
    pub fn stored(&self) -> u64 {
        self.stored_before(self.size)
    }

    /// Bytes that are stored of what lies before an offset.
    pub fn stored_before(&self, offset: u64) -> u64 {
        let after = self.data.partition_point(|range| range.start < offset);
        let Some(last) = after.checked_sub(1) else { return 0 };
        let (Some(range), Some(before)) = (self.data.get(last), self.before.get(last)) else {
            return 0;
        };
        before.saturating_add(range.end.min(offset).saturating_sub(range.start))
    }

    /// The file as far as `stored` bytes of it go.
    #[must_use]
    pub fn cut(&self, stored: u64) -> Self {
        if stored >= self.stored() {
            return self.clone();
        }
        let kept = self.before.partition_point(|before| *before < stored);
        let mut data = self.data.get(..kept).unwrap_or_default().to_vec();
        let before = self.before.get(..kept).unwrap_or_default().to_vec();
        // The zeros up to the next part are there.
        let mut size = self.data.get(kept).map_or(self.size, |next| next.start);
        if let (Some(last), Some(before)) = (data.last_mut(), before.last()) {
            let end = last.start.saturating_add(stored.saturating_sub(*before));
            if end < last.end {
                (last.end, size) = (end, end);
            }
        }
        Self { size, data, before }
    }

    pub(super) fn spot(&self, at: u64) -> Spot {
        let next = self.data.partition_point(|range| range.end <= at);
        let (Some(range), Some(before)) = (self.data.get(next), self.before.get(next)) else {
            return Spot::Zeros(self.size.saturating_sub(at));
        };
        match at.checked_sub(range.start) {
            None => Spot::Zeros(range.start.saturating_sub(at)),
            Some(within) => Spot::Data {
                before: before.saturating_add(within),
                len: range.end.saturating_sub(at),
            },
        }
    }
}

/// The first bytes of `out` as zeros, at most `most`; gives how many.
pub(super) fn zeros(out: &mut [u8], most: u64) -> usize {
    let len = usize::try_from(most).unwrap_or(usize::MAX).min(out.len());
    out.get_mut(..len).unwrap_or_default().fill(0);
    len
}

/// The first part of `out`, at most `most` bytes.
pub(super) fn first(out: &mut [u8], most: u64) -> &mut [u8] {
    let len = most.min(count(out.len()));
    out.get_mut(..usize::try_from(len).unwrap_or(usize::MAX)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::Sparse;

    #[test]
    fn maps_that_cannot_be_are_refused() {
        let of = |size, ranges: &[(u64, u64)], stored| Sparse::new(size, ranges, stored);
        let good = of(100, &[(0, 10), (10, 5), (50, 0), (60, 40)], 55).unwrap();
        assert_eq!((good.data(), good.stored(), good.size()), (&[0..15, 60..100][..], 55, 100));
        let huge = of(1 << 63, &[((1 << 63) - 1, 1)], 1).unwrap();
        assert_eq!((huge.stored(), huge.stored_before(u64::MAX)), (1, 1));
        assert!(of(100, &[(50, 10), (40, 5)], 15).is_err(), "disorder");
        assert!(of(100, &[(0, 10), (5, 10)], 20).is_err(), "overlap");
        assert!(of(100, &[(95, 10)], 10).is_err(), "beyond the end");
        assert!(of(u64::MAX, &[(u64::MAX, 2)], 2).is_err(), "overflow");
        assert!(of(100, &[(0, 10)], 11).is_err(), "fewer than stored");
    }

    #[test]
    fn a_file_that_is_cut_ends_where_its_bytes_end() {
        let whole = Sparse::new(100, &[(10, 10), (50, 20)], 30).unwrap();
        for (stored, size, ends) in [
            (0, 10, &[][..]),
            (4, 14, &[14]),
            (10, 50, &[20]),
            (11, 51, &[20, 51]),
            (30, 100, &[20, 70]),
        ] {
            let cut = whole.cut(stored);
            let found: Vec<u64> = cut.data().iter().map(|range| range.end).collect();
            assert_eq!((cut.size(), cut.stored(), found.as_slice()), (size, stored, ends));
            assert_eq!(whole.stored_before(size), stored);
        }
    }
}
