//! Who wrote a checkpoint, told by its content.

mod containerd;
mod crio;
mod kubelet;
mod plain;
mod pod;
mod podman;

use super::container::{Container, Metadata, nanoseconds, time};
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
    pod::POD,
    containerd::NATIVE,
    plain::DOCKER,
    plain::RUNC,
    plain::CRIU,
];

/// Fills in who made the checkpoint and what its metadata says; `location` is the path of the
/// folder with the images, as far as it is known.
pub(super) fn describe(metadata: &Metadata, location: &str, checkpoint: &mut Checkpoint) {
    if let Some(time) = kubelet::written(location) {
        // Of the archive's making; the times of its members are those of copies as well.
        checkpoint.checkpointed = Some(time);
    }
    if let Some(config) = &metadata.config {
        checkpoint.container = Container {
            id: config.id.clone(),
            name: config.name.clone(),
            image: config.rootfs_image_name.clone().or_else(|| config.rootfs_image.clone()),
            image_id: config.rootfs_image_id.clone().or_else(|| config.rootfs_image_ref.clone()),
            runtime: config.runtime.clone(),
            engine_version: None,
        };
        checkpoint.created = time(config.created_time.as_ref());
        checkpoint.restored = time(config.restored_time.as_ref());
        let dumped = time(config.checkpointed_time.as_ref());
        checkpoint.checkpointed = dumped.or_else(|| checkpoint.checkpointed.take());
    }
    if let Some(status) = &metadata.status {
        checkpoint.created = checkpoint.created.take().or_else(|| nanoseconds(status.created_at));
        checkpoint.started = nanoseconds(status.started_at);
    }
    checkpoint.addresses.clone_from(&metadata.addresses);
    let log = &metadata.log;
    checkpoint.criu.clone_from(&log.version);
    checkpoint.node.clone_from(&log.node);
    checkpoint.kernel.clone_from(&log.kernel);
    checkpoint.container.runtime =
        checkpoint.container.runtime.take().or_else(|| log.runtime.clone());
    checkpoint.descriptors = metadata.descriptors.clone().unwrap_or_default();
    if let Some(name) = metadata.spec.as_ref().and_then(|spec| spec.hostname.clone()) {
        checkpoint.host.get_or_insert(name);
    }
    let fits = |producer: &&Producer| (producer.detect)(metadata, location);
    if let Some(producer) = PRODUCERS.iter().find(fits) {
        checkpoint.producer = producer.name;
        (producer.read)(metadata, location, checkpoint);
    }
    if let Some(member) = &metadata.member {
        pod::add(member, checkpoint);
    }
    annotate(&metadata.origin, checkpoint);
}

/// The id in the path of a folder where engines keep a container: `…/ID/userdata`, `…/ID/checkpoints`.
fn id_in(path: &str) -> Option<&str> {
    let is_id = |part: &&str| part.len() == 64 && part.bytes().all(|it| it.is_ascii_hexdigit());
    // Blobs of images have such names as well.
    if path.contains("blobs/") { None } else { path.rsplit('/').find(is_id) }
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
    fill(&mut container.image_id, &["rootfsImageID", "rootfsImageSha"]);
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
        id: origin.get(&["pod.id"]),
    };
    add_pod(pod, checkpoint);
    checkpoint.kernel = checkpoint.kernel.take().or_else(|| origin.get(&["host.kernel"]));
    checkpoint.reference.clone_from(&origin.reference);
}

/// Adds what is not known of the pod yet.
fn add_pod(more: Pod, checkpoint: &mut Checkpoint) {
    let known = checkpoint.pod.take().unwrap_or_default();
    let pod = Pod {
        name: known.name.or(more.name),
        namespace: known.namespace.or(more.namespace),
        uid: known.uid.or(more.uid),
        id: known.id.or(more.id),
    };
    checkpoint.pod = (pod != Pod::default()).then_some(pod);
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
