//! Who wrote a checkpoint, told by its content.

mod containerd;
mod crio;
mod plain;
mod podman;

use super::Checkpoint;
use super::container::{Container, Metadata, time};

/// A program that writes checkpoints.
#[derive(Debug, Clone, Copy)]
pub struct Producer {
    /// Its name in reports.
    pub name: &'static str,
    /// Whether a checkpoint with this metadata, in a folder of this path, is its.
    pub(super) detect: fn(&Metadata, &str) -> bool,
    /// Takes what it alone writes.
    pub(super) read: fn(&Metadata, &str, &mut Checkpoint),
}

/// Every producer; the first that fits wins.
pub static PRODUCERS: &[Producer] = &[
    podman::PODMAN,
    crio::CRIO,
    containerd::CRI,
    containerd::NATIVE,
    plain::DOCKER,
    plain::RUNC,
    plain::CRIU,
];

/// Fills in who made the checkpoint and what its metadata says; `location` is the path of the
/// folder with the images, as far as it is known.
pub(super) fn describe(metadata: &Metadata, location: &str, checkpoint: &mut Checkpoint) {
    if let Some(config) = &metadata.config {
        checkpoint.container = Container {
            id: config.id.clone(),
            name: config.name.clone(),
            image: config.rootfs_image_name.clone().or_else(|| config.rootfs_image.clone()),
            runtime: config.runtime.clone(),
            engine_version: None,
        };
        checkpoint.created = time(config.created_time.as_ref());
        let dumped = time(config.checkpointed_time.as_ref());
        checkpoint.checkpointed = dumped.or_else(|| checkpoint.checkpointed.take());
    }
    if let Some(name) = metadata.spec.as_ref().and_then(|spec| spec.hostname.clone()) {
        checkpoint.host.get_or_insert(name);
    }
    let fits = |producer: &&Producer| (producer.detect)(metadata, location);
    if let Some(producer) = PRODUCERS.iter().find(fits) {
        checkpoint.producer = producer.name;
        (producer.read)(metadata, location, checkpoint);
    }
}
