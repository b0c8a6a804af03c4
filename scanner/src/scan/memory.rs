//! The promise of `--memory`: how many threads, and windows of which size, fit into it.
//!
//! What rules and findings take is what it is; buffers and threads are what can be fewer, and the
//! report does not depend on either. So the plan counts the first with what they were measured to take, and
//! gives the rest to the second. A scan that finds more than that goes on with the smallest windows.

use super::{Progress, Settings};
use crate::matching::MOST_REMEMBERED;
use crate::region::{CELL, REACH};

/// The least of [`Settings::memory`] that a scan of one thread keeps to.
pub const LEAST_MEMORY: u64 = 48 << 20;

/// Rules, the layout of a checkpoint, and what is found in an ordinary one: 4 to 16 MiB on checkpoints of all kinds,
/// with one thread and its windows.
const FIXED: u64 = 20 << 20;

/// What a thread takes beside windows and what it remembers: candidates, decoded text, the allocator's own.
const THREAD: u64 = 5 << 20;

/// The least that a thread remembers of what it has judged, with the tables that are always there.
const LEAST_REMEMBERED: u64 = 384 << 10;

/// What a thread decodes ahead: two frames of the size that `pzstd` makes.
const AHEAD: u64 = 16 << 20;

/// What a cache may take of [`Settings::memory`], in bytes.
pub(super) fn of_cache(memory: u64) -> u64 {
    memory.saturating_sub(LEAST_MEMORY) / 8
}

/// Less than this is not worth it.
const LEAST_AHEAD: u64 = 4 << 20;

/// How a scan keeps to its memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plan {
    /// Threads that match.
    pub threads: usize,
    /// Bytes that a thread takes for what it has judged.
    pub remembered: u64,
    /// Bytes of a window, whole cells.
    pub window: u64,
    /// Decoded bytes of a compressed target that may wait until they are read.
    pub ahead: u64,
    /// Beyond so many bytes windows are as small as they can be.
    tight: u64,
}

impl Plan {
    pub(super) fn of(settings: &Settings) -> Self {
        let memory = settings.memory.max(LEAST_MEMORY);
        // An eighth is left for findings.
        let tight = memory - memory / 8;
        let cache = settings.cache.as_ref().map_or(0, |_| of_cache(memory));
        let room = tight.saturating_sub(FIXED).saturating_sub(cache);
        // A buffer of its own, two in the pool, and one of the walk.
        let least = CELL.saturating_add(2 * REACH);
        let most = room / (THREAD + LEAST_REMEMBERED).saturating_add(3 * least);
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let threads = settings.threads.min(most).max(1);
        let count = u64::try_from(threads).unwrap_or(u64::MAX);
        let buffers = count.saturating_mul(3).saturating_add(1);
        let room = room.saturating_sub(count.saturating_mul(THREAD));
        // Of little a quarter: the same text comes again and again only where there are many tokens.
        let beside = room.saturating_sub(buffers.saturating_mul(least));
        let remembered = (beside / 4 / count).clamp(LEAST_REMEMBERED, MOST_REMEMBERED);
        let room = room.saturating_sub(count.saturating_mul(remembered));
        let most = ((room / buffers).saturating_sub(2 * REACH) / CELL * CELL).max(CELL);
        let window = settings.window.max(CELL).next_multiple_of(CELL).min(most);
        let taken = buffers.saturating_mul(window.saturating_add(2 * REACH));
        let left = room.saturating_sub(taken) / 2;
        // As much again is being read or is not decoded yet; few bytes are not worth it.
        let ahead = left.min(count.saturating_add(1).saturating_mul(AHEAD));
        let ahead = if ahead < LEAST_AHEAD { 0 } else { ahead };
        Self { threads, remembered, window, ahead, tight }
    }

    /// Bytes of the next window.
    pub(super) fn window(&self, progress: &Progress) -> u64 {
        if progress.now() > self.tight { CELL } else { self.window }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(threads: usize, memory: u64) -> Plan {
        Plan::of(&Settings { threads, memory: memory << 20, ..Settings::default() })
    }

    #[test]
    fn what_is_planned_fits() {
        for memory in [48, 64, 96, 128, 512, 4096] {
            for threads in [1, 2, 3, 8, 64, 512] {
                let plan = plan(threads, memory);
                assert!(plan.threads >= 1 && plan.threads <= threads);
                assert!(plan.window >= CELL && plan.window.is_multiple_of(CELL));
                let count = plan.threads as u64;
                let buffers = (3 * count + 1) * (plan.window + 2 * REACH);
                // With what is decoded goes what it is decoded from.
                let of_threads = count * (THREAD + plan.remembered);
                let all = FIXED + of_threads + buffers + 2 * plan.ahead;
                assert!(all <= memory << 20, "{threads} threads in {memory} MiB: {plan:?}");
            }
        }
    }

    #[test]
    fn more_memory_is_never_worse() {
        for threads in [1, 2, 8, 64] {
            let mut before = plan(threads, 48);
            for memory in 49..1024 {
                let more = plan(threads, memory);
                assert!(more.threads >= before.threads, "{threads} threads, {memory} MiB");
                let is_worse = more.threads == before.threads && more.window < before.window;
                assert!(!is_worse, "{threads} threads, {memory} MiB");
                before = more;
            }
        }
        assert_eq!(
            plan(2, 512),
            Plan {
                threads: 2,
                remembered: MOST_REMEMBERED,
                window: 2 << 20,
                ahead: 48 << 20,
                tight: 448 << 20
            }
        );
        assert_eq!(plan(1, 0).window, plan(1, 48).window);
    }

    #[test]
    fn windows_are_small_where_memory_is_nearly_used() {
        let plan = plan(2, 96);
        let of = |memory: fn() -> u64| {
            let progress = Progress::with_memory(memory);
            progress.sample_memory();
            plan.window(&progress)
        };
        assert_eq!(of(|| 50 << 20), plan.window);
        assert_eq!(of(|| 90 << 20), CELL);
        assert!(plan.window > CELL);
    }
}
