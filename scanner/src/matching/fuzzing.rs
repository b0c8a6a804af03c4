//! Entries for fuzz targets: the decoders of untrusted bytes, with what must hold of them.

use super::encoding::{ENCODINGS, Encoding};
use super::prefilter::Marks;
use crate::check::Notation;

/// Bytes that one run may give.
const MOST: usize = 2 << 20;

/// Finds and decodes every run of one encoding, and follows each decoded byte back.
///
/// # Panics
/// When an island is longer than allowed, or leads out of the bytes.
pub fn decode(bytes: &[u8], notation: Notation) {
    let of_it = |encoding: &&&Encoding| encoding.notations.contains(&notation);
    let Some(encoding) = ENCODINGS.iter().find(of_it) else { return };
    let mut runs = Vec::new();
    (encoding.find)(bytes, &Marks::of(bytes), &mut |run| runs.push(run));
    for run in &runs {
        (encoding.decode)(bytes, run, MOST, &mut |island| {
            let len = island.text.len();
            assert!(len <= MOST.max(bytes.len()), "{notation:?} gives {len} bytes");
            for at in 0..len {
                let span = island.map.span(at..at + 1);
                let is_inside = !span.is_empty() && span.end <= bytes.len();
                assert!(is_inside, "{notation:?} leads byte {at} back to {span:?}");
            }
        });
    }
}
