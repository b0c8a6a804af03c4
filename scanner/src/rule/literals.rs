//! More about literals of a pattern than is known of every built-in rule.

use cryoscan_rules::facts::{follow, prefixes};
use regex_syntax::hir::{Hir, HirKind};

/// Most characters of a match before the literal that is searched for.
const MOST_BEFORE: usize = 1 << 10;

/// Literals of which one stands in every match, and the most characters before it: those with the
/// longest literals, of the parts of the pattern that stand in a row. `None` if there are none so
/// near to the start that a search can begin there.
pub(super) fn inside(hir: &Hir) -> Option<(Vec<Vec<u8>>, usize)> {
    let HirKind::Concat(parts) = hir.kind() else { return None };
    let mut before = 0_usize;
    let mut best: Option<(usize, Vec<Vec<u8>>, usize)> = None;
    for (index, part) in parts.iter().enumerate() {
        let rest = Hir::concat(parts.get(index..).unwrap_or_default().to_vec());
        if let Some(found) = prefixes(&rest) {
            let shortest = found.iter().map(Vec::len).min().unwrap_or_default();
            if best.as_ref().is_none_or(|(len, ..)| shortest > *len) {
                best = Some((shortest, found, before));
            }
        }
        let Some(longest) = part.properties().maximum_len() else { break };
        before = before.saturating_add(longest);
        if before > MOST_BEFORE {
            break;
        }
    }
    best.map(|(_, found, before)| (found, before))
}

/// With which bytes matches of `hir` may begin; `None` if a match may be empty.
pub(super) fn first_bytes(hir: &Hir) -> Option<[bool; 256]> {
    follow(hir, &[])
}
