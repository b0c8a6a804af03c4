//! Checkpoint builder and recall.
