//! The process tree, drawn. Parents come from the checkpoint: they may be missing, or form a ring.

use std::collections::{BTreeMap, BTreeSet};

/// Levels that are drawn; what lies deeper stands at this level.
const DEEPEST: usize = 16;

/// Where a process stands in the drawing.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// Its number in the list.
    pub(super) index: usize,
    /// What is drawn before it.
    pub(super) branch: String,
    /// What is drawn before more lines about it.
    pub(super) below: String,
}

/// Every process once, each below its parent. A process without a parent in the list is a root, and
/// so is the first one of a ring. `processes` are (pid, parent), by pid.
pub(super) fn rows(processes: &[(u32, Option<u32>)]) -> Vec<Row> {
    let pids: BTreeSet<u32> = processes.iter().map(|(pid, _)| *pid).collect();
    let mut children: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    let mut roots = Vec::new();
    for (index, (pid, parent)) in processes.iter().enumerate() {
        match parent.filter(|parent| parent != pid && pids.contains(parent)) {
            Some(parent) => children.entry(parent).or_default().push(index),
            None => roots.push(index),
        }
    }
    let mut rows = Vec::with_capacity(processes.len());
    let mut drawn = BTreeSet::new();
    // What no root leads to is in a ring or below one.
    for root in roots.into_iter().chain(0..processes.len()) {
        if !drawn.insert(root) {
            continue;
        }
        let mut waiting = vec![(root, 0, String::new(), String::new())];
        while let Some((index, depth, branch, below)) = waiting.pop() {
            let pid = processes.get(index).map(|(pid, _)| *pid);
            let mut next = pid.and_then(|pid| children.remove(&pid)).unwrap_or_default();
            next.retain(|child| drawn.insert(*child));
            let stem = if depth < DEEPEST { below.as_str() } else { cut(&below) };
            let last = next.len().saturating_sub(1);
            let next: Vec<_> = next
                .into_iter()
                .enumerate()
                .map(|(place, child)| {
                    let (arm, under) =
                        if place == last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
                    (
                        child,
                        depth.saturating_add(1),
                        format!("{stem}{arm}"),
                        format!("{stem}{under}"),
                    )
                })
                .collect();
            let below =
                if next.is_empty() { format!("{below}   ") } else { format!("{below}│  ") };
            rows.push(Row { index, branch, below });
            waiting.extend(next.into_iter().rev());
        }
    }
    rows
}

/// A stem without its last level.
fn cut(stem: &str) -> &str {
    stem.char_indices().rev().nth(2).and_then(|(at, _)| stem.get(..at)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn drawn(processes: &[(u32, Option<u32>)]) -> String {
        let line = |row: &Row| format!("{}{}\n", row.branch, processes[row.index].0);
        rows(processes).iter().map(line).collect()
    }

    #[test]
    fn children_stand_below_their_parents() {
        let tree = [(1, None), (7, Some(1)), (9, Some(7)), (10, Some(7)), (20, Some(1))];
        assert_eq!(drawn(&tree), "1\n├─ 7\n│  ├─ 9\n│  └─ 10\n└─ 20\n");
    }

    #[test]
    fn lines_below_a_process_keep_the_stems() {
        let rows = rows(&[(1, None), (7, Some(1)), (9, Some(7)), (20, Some(1))]);
        let below: Vec<&str> = rows.iter().map(|row| row.below.as_str()).collect();
        assert_eq!(below, ["│  ", "│  │  ", "│        ", "      "]);
    }

    #[test]
    fn lost_parents_and_rings_hide_nobody() {
        assert_eq!(drawn(&[(5, Some(4)), (6, Some(6)), (7, Some(5))]), "5\n└─ 7\n6\n");
        let ring = [(1, None), (2, Some(4)), (3, Some(2)), (4, Some(3)), (5, Some(4))];
        assert_eq!(drawn(&ring), "1\n2\n└─ 3\n   └─ 4\n      └─ 5\n");
    }

    #[test]
    fn a_deep_chain_does_not_move_ever_further_to_the_right() {
        let chain: Vec<(u32, Option<u32>)> = (1..=10_000).map(|pid| (pid, Some(pid - 1))).collect();
        let rows = rows(&chain);
        assert_eq!(rows.len(), chain.len());
        assert!(rows.iter().all(|row| row.below.chars().count() <= 3 * (DEEPEST + 1)));
    }

    proptest! {
        #[test]
        fn everyone_is_drawn_once(parents in prop::collection::vec(prop::option::of(0u32..40), 0..40)) {
            let processes: Vec<_> = (0u32..).zip(parents).collect();
            let mut seen: Vec<usize> = rows(&processes).iter().map(|row| row.index).collect();
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..processes.len()).collect::<Vec<_>>());
        }
    }
}
