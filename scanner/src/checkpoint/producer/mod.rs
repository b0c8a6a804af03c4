//! Who wrote a checkpoint, told by its content.

mod containerd;
mod crio;
mod plain;
mod podman;

use super::container::{Container, Metadata, time};
use super::oci::Origin;
use super::{Checkpoint, Pod};

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
    checkpoint.descriptors = metadata.descriptors.clone().unwrap_or_default();
    if let Some(name) = metadata.spec.as_ref().and_then(|spec| spec.hostname.clone()) {
        checkpoint.host.get_or_insert(name);
    }
    let fits = |producer: &&Producer| (producer.detect)(metadata, location);
    if let Some(producer) = PRODUCERS.iter().find(fits) {
        checkpoint.producer = producer.name;
        (producer.read)(metadata, location, checkpoint);
    }
    annotate(&metadata.origin, checkpoint);
}

/// Takes what the annotations of a checkpoint image say and the metadata inside it do not.
fn annotate(origin: &Origin, checkpoint: &mut Checkpoint) {
    let container = &mut checkpoint.container;
    let fill = |field: &mut Option<String>, names: &[&str]| {
        *field = field.take().or_else(|| origin.get(names));
    };
    fill(&mut container.name, &["name", "container.name"]);
    fill(
        &mut container.image,
        &["rootfsImageName", "rootfsImageUserRequested", "rawImageName", "rootfsImageID"],
    );
    fill(&mut container.engine_version, &["podman.version", "cri-o.version", "engine.version"]);
    if container.runtime.is_none() {
        let path = origin.get(&["runtime.name"]);
        container.runtime = path.and_then(|path| path.rsplit('/').next().map(str::to_owned));
    }
    checkpoint.criu =
        checkpoint.criu.take().or_else(|| origin.get(&["criu.version"]).map(|it| version(&it)));
    let pod = Pod {
        name: origin.get(&["pod.name"]),
        namespace: origin.get(&["pod.namespace"]),
        uid: origin.get(&["pod.uid"]),
    };
    if checkpoint.pod.is_none() && pod != Pod::default() {
        checkpoint.pod = Some(pod);
    }
}

/// CRIU's version in words: engines write 4.2.1 as the number 40201.
fn version(number: &str) -> String {
    let Ok(parts) = number.parse::<u32>() else { return number.to_owned() };
    let (major, minor, patch) = (parts / 10_000, parts / 100 % 100, parts % 100);
    match (major, patch) {
        (0, _) => number.to_owned(),
        (_, 0) => format!("{major}.{minor}"),
        _ => format!("{major}.{minor}.{patch}"),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn versions_of_criu() {
        for (number, words) in [("40200", "4.2"), ("31701", "3.17.1"), ("4.2", "4.2"), ("7", "7")] {
            assert_eq!(super::version(number), words);
        }
    }
}
