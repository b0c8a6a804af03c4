//! Objects of a pack that deltas were applied to lately: the next one mostly changes one of them.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use super::object::Kind;

/// An object in memory.
#[derive(Debug, Clone)]
pub(super) struct Object {
    pub(super) kind: Kind,
    pub(super) bytes: Rc<Vec<u8>>,
}

/// The last ones, by their offset in the pack.
#[derive(Debug, Default)]
pub(super) struct Cache {
    objects: BTreeMap<u64, Object>,
    order: VecDeque<u64>,
    bytes: usize,
}

/// Bytes of all objects.
const BYTES: usize = 32 << 20;
/// Objects.
const OBJECTS: usize = 1 << 14;

impl Cache {
    pub(super) fn get(&self, at: u64) -> Option<Object> {
        self.objects.get(&at).cloned()
    }

    pub(super) fn put(&mut self, at: u64, object: Object) {
        let len = object.bytes.len();
        if len > BYTES || self.objects.contains_key(&at) {
            return;
        }
        self.bytes = self.bytes.saturating_add(len);
        self.objects.insert(at, object);
        self.order.push_back(at);
        while self.bytes > BYTES || self.order.len() > OBJECTS {
            let Some(oldest) = self.order.pop_front() else { break };
            let gone = self.objects.remove(&oldest).map_or(0, |object| object.bytes.len());
            self.bytes = self.bytes.saturating_sub(gone);
        }
    }
}
