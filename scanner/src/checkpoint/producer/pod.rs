//! Drafts of pod checkpoints (KEP-5823), whose containers say nothing of themselves. Where they do,
//! the engine that wrote it is the producer.

use super::{Producer, add_pod};
use crate::checkpoint::Checkpoint;
use crate::checkpoint::pod::Member;

pub(super) const POD: Producer = Producer {
    name: "pod",
    detect: |metadata, _| {
        metadata.member.is_some() && metadata.spec.is_none() && metadata.origin.engine().is_none()
    },
    read: |_, _, _| {},
};

/// Takes what the pod says of its container and the container's own metadata do not.
pub(super) fn add(member: &Member, checkpoint: &mut Checkpoint) {
    let container = &mut checkpoint.container;
    container.id = container.id.take().or_else(|| member.id.clone());
    container.name = container.name.take().or_else(|| member.name.clone());
    add_pod(member.pod.clone(), checkpoint);
}
