//! containerd: checkpoints of its CRI service, and its own OCI indexes (`ctr`, nerdctl).

use super::Producer;
use crate::checkpoint::Pod;

pub(super) const CRI: Producer = Producer {
    name: "containerd-cri",
    detect: |metadata, _| {
        metadata.annotation("io.kubernetes.cri.container-type").is_some()
            || metadata.status.is_some()
            || metadata.spec.is_none() && metadata.origin.engine() == Some("containerd")
    },
    read: |metadata, _, checkpoint| {
        let label = |key: &str| {
            let status = metadata.status.as_ref()?;
            status.labels.get(key).filter(|value| !value.is_empty()).cloned()
        };
        let name =
            |annotation: &str, key: &str| metadata.annotation(annotation).or_else(|| label(key));
        let container = &mut checkpoint.container;
        let short = name("io.kubernetes.cri.container-name", "io.kubernetes.container.name");
        let status = metadata.status.as_ref();
        let named = status.and_then(|status| status.metadata.name.clone());
        container.name = short.or(named).or_else(|| container.name.take());
        let image = metadata.annotation("io.kubernetes.cri.image-name");
        container.image = image
            .or_else(|| container.image.take())
            .or_else(|| status?.image.user_specified_image.clone())
            .or_else(|| status?.image.image.clone())
            .or_else(|| status?.image_ref.clone());
        container.image_id = container.image_id.take().or_else(|| status?.image_ref.clone());
        container.id = container.id.take().or_else(|| status?.id.clone());
        let pod = Pod {
            name: name("io.kubernetes.cri.sandbox-name", "io.kubernetes.pod.name"),
            namespace: name("io.kubernetes.cri.sandbox-namespace", "io.kubernetes.pod.namespace"),
            uid: name("io.kubernetes.cri.sandbox-uid", "io.kubernetes.pod.uid"),
            id: metadata.annotation("io.kubernetes.cri.sandbox-id"),
        };
        checkpoint.pod = (pod != Pod::default()).then_some(pod);
    },
};

pub(super) const NATIVE: Producer = Producer {
    name: "containerd",
    // A blob of the layout is the tar of the images; the metadata are other blobs, and where the
    // index that says so is lost, the path tells.
    detect: |metadata, path| {
        metadata.origin.containerd
            || metadata.config.is_none() && path.contains("blobs/sha256/") && path.ends_with('!')
    },
    read: |metadata, _, checkpoint| {
        let container = &mut checkpoint.container;
        // Its own cgroups are named /NAMESPACE/ID (containerd, oci.WithNamespacedCgroup).
        let linux = metadata.spec.as_ref().and_then(|spec| spec.linux.as_ref());
        let cgroups = linux.and_then(|linux| linux.cgroups_path.as_deref());
        container.id = cgroups.and_then(|path| match path.strip_prefix('/')?.split_once('/')? {
            (_, id) if !id.is_empty() && !id.contains('/') => Some(id.to_owned()),
            _ => None,
        });
        container.name = metadata.annotation("nerdctl/name");
        // Of its own index: one above names the checkpoint in the same way.
        let said = |key: &str| metadata.origin.index.get(key).cloned();
        container.image = said("image.name").or_else(|| said("org.opencontainers.image.ref.name"));
        container.runtime = said("io.containerd.checkpoint.runtime");
    },
};
