//! Entries for fuzz targets: the decoders of untrusted bytes, with what must hold of them.
#![expect(clippy::panic, reason = "a broken promise is what a fuzz target looks for")]

use super::encoding::ENCODINGS;
use crate::check::Notation;

/// Bytes that one run may give.
const MOST: usize = 2 << 20;

/// Finds and decodes every run of one encoding, and follows each decoded byte back.
///
/// # Panics
/// When an island is longer than allowed, or leads out of the bytes.
pub fn decode(bytes: &[u8], notation: Notation) {
    let encoding = ENCODINGS.iter().find(|encoding| encoding.notations.contains(&notation));
    let mut runs = Vec::new();
    encoding.into_iter().for_each(|it| (it.find)(bytes, &mut |run| runs.push(run)));
    for run in &runs {
        encoding.into_iter().for_each(|it| {
            (it.decode)(bytes, run, MOST, &mut |island| {
                if island.text.len() > MOST.max(bytes.len()) {
                    panic!("{notation:?} gives {} bytes", island.text.len());
                }
                for at in 0..island.text.len() {
                    let span = island.map.span(at..at + 1);
                    if span.is_empty() || span.end > bytes.len() {
                        panic!("{notation:?} leads byte {at} back to {span:?}");
                    }
                }
            });
        });
    }
}
