//! CRI-O: what the kubelet's checkpoint API and `crictl checkpoint` write there.

use super::Producer;
use crate::checkpoint::Pod;

pub(super) const CRIO: Producer = Producer {
    name: "cri-o",
    detect: |metadata, _| metadata.is_managed("cri-o", "cri-o"),
    read: |metadata, _, checkpoint| {
        let name = |key: &str| metadata.annotation(key);
        let container = &mut checkpoint.container;
        if let Some(short) = name("io.kubernetes.container.name") {
            container.name = Some(short);
        }
        container.id = container.id.take().or_else(|| name("io.kubernetes.cri-o.ContainerID"));
        container.image = container.image.take().or_else(|| name("io.kubernetes.cri-o.ImageName"));
        container.image_id =
            container.image_id.take().or_else(|| name("io.kubernetes.cri-o.ImageRef"));
        if metadata.spec.is_none() {
            // Nothing but the annotations of a checkpoint image is known.
            return;
        }
        checkpoint.pod = Some(Pod {
            name: name("io.kubernetes.pod.name").or_else(|| name("io.kubernetes.cri-o.KubeName")),
            namespace: name("io.kubernetes.pod.namespace")
                .or_else(|| name("io.kubernetes.cri-o.Namespace")),
            uid: name("io.kubernetes.pod.uid"),
            id: name("io.kubernetes.cri-o.SandboxID"),
        });
        let addresses =
            (0..8).map_while(|number| name(&format!("io.kubernetes.cri-o.IP.{number}")));
        checkpoint.addresses.extend(addresses);
    },
};
