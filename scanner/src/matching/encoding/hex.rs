//! Text in hexadecimal digits of either case, in both phases.

use super::{BLOCK, Encoding, Island, Run, SpanMap, WHOLE};
use super::{begins_binary, digit, is_text_block, stretches};
use crate::check::Notation;
use crate::matching::prefilter::Marks;

pub(super) const ENCODING: Encoding =
    Encoding { notations: &[Notation::Hex], find, decode, add_text: None, is_whole: false };

/// Fewest digits of a run: as many as a text of twenty characters has.
const SHORTEST: usize = 40;

/// The longest runs of digits, each of which is a part of a token.
fn find(bytes: &[u8], marks: &Marks, found: &mut dyn FnMut(Run)) {
    for token in marks.tokens.iter().filter(|token| token.len() >= SHORTEST) {
        let text = bytes.get(token.clone()).unwrap_or_default();
        let mut at = 0;
        // A run covers a multiple of the shortest.
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            if !rest.first().is_some_and(u8::is_ascii_hexdigit) {
                at += SHORTEST;
                continue;
            }
            let before = text.get(..at).unwrap_or_default();
            let start = at - before.iter().rev().take_while(|it| it.is_ascii_hexdigit()).count();
            let end = at + rest.iter().take_while(|it| it.is_ascii_hexdigit()).count();
            if end - start >= SHORTEST {
                let range = token.start + start..token.start + end;
                found(Run { notation: Notation::Hex, range });
            }
            at = (end + 1).next_multiple_of(SHORTEST);
        }
    }
}

/// What is text; digests and keys are rejected by their first block.
fn decode(bytes: &[u8], run: &Run, _: usize, found: &mut dyn FnMut(Island)) {
    let digits = bytes.get(run.range.clone()).unwrap_or_default();
    for phase in 0..2 {
        let digits = digits.get(phase..).unwrap_or_default();
        let blocks = digits.len().div_ceil(2 * BLOCK);
        let bytes = |from: usize, to: usize| {
            let to = (to * 2 * BLOCK).min(digits.len());
            let pairs = digits.get(from * 2 * BLOCK..to).unwrap_or_default().chunks_exact(2);
            pairs.filter_map(|pair| Some(digit(*pair.first()?)? << 4 | digit(*pair.last()?)?))
        };
        let is_text = |block: usize| {
            (block + 1) * 2 * BLOCK <= digits.len() && is_text_block(bytes(block, block + 1))
        };
        let is_binary = phase == 0 && begins_binary(bytes(0, 48 / BLOCK));
        let whole = is_binary.then_some(0..blocks);
        for stretch in whole.map_or_else(|| stretches(blocks, is_text), |whole| vec![whole]) {
            let raw = run.range.start + phase + stretch.start * 2 * BLOCK;
            let (text, map) = (bytes(stretch.start, stretch.end).collect(), SpanMap::even(raw, 2));
            found(Island { notation: Notation::Hex, text, map, cut: WHOLE });
        }
    }
}
