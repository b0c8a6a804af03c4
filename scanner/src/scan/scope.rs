//! What of a holder the user's filter lets through.

use super::job::Job;
use super::walk::Walk;
use crate::checkpoint::{Checkpoint, Filter, Scope};
use crate::region::{HolderKind, Space};

impl Walk<'_> {
    /// What of a space is looked at. All must be known by now that the filter asks for.
    pub(super) fn scope(&mut self, space: &Space) -> Scope {
        let filter = &self.settings.filter;
        let holder = space.holder;
        if filter.is_empty() {
            return Scope::All;
        }
        if !(holder.kind == HolderKind::Memory || holder.kind.is_segment()) {
            return Scope::none();
        }
        if let Some(known) = self.scopes.get(&holder) {
            return known.clone();
        }
        let scope = match self.core_process(holder) {
            Some(process) => filter.of_memory(process),
            None => self.builder.scope(holder, filter),
        };
        self.scopes.insert(holder, scope.clone());
        scope
    }
}

impl Job {
    /// Whether nothing of its own part is looked at.
    pub(super) fn is_excluded(&self) -> bool {
        self.scope != Scope::All && self.scope.within(&self.own).is_empty()
    }
}

/// Whether a checkpoint holds any memory that the filter lets through.
pub(super) fn fits(filter: &Filter, checkpoint: &Checkpoint) -> bool {
    checkpoint.spaces.iter().any(|(holder, space)| {
        let id = u32::try_from(holder.id).unwrap_or(u32::MAX);
        let scope = if holder.kind == HolderKind::Memory {
            checkpoint.processes.get(&id).map(|process| filter.of_memory(process))
        } else if holder.kind.is_segment() {
            let segment = checkpoint.shared.get(&id);
            segment.map(|segment| filter.of_shared(segment, &checkpoint.processes))
        } else {
            None
        };
        scope.is_some_and(|scope| {
            let mut pieces = space.pieces.iter();
            pieces.any(|piece| {
                !scope.within(&(piece.at..piece.at.saturating_add(piece.len))).is_empty()
            })
        })
    })
}

/// What a reader of the figures must know of a scan with a filter.
pub(super) fn note(filter: &Filter) -> Option<String> {
    (!filter.is_empty()).then(|| {
        format!(
            "only memory that fits {filter} was looked at: all other memory, files, metadata and \
             kernel buffers were excluded"
        )
    })
}
