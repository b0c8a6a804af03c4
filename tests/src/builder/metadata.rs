//! Producers: where they put the images, and which metadata they write beside them.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{Archive, Checkpoint};

/// Id of every container.
const CONTAINER: &str = "5f0c0ffee0ddba11c0dedbad5eed0ace5f0c0ffee0ddba11c0dedbad5eed0ace";

/// Who writes the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Producer {
    /// `podman container checkpoint --export`.
    Podman,
    /// CRI-O through the kubelet.
    CriO,
    /// containerd's CRI plugin through the kubelet.
    ContainerdCri,
    /// `docker checkpoint create`: the container's folder.
    Docker,
    /// `runc checkpoint`.
    Runc,
    /// `criu dump -D`.
    Criu,
}

impl Producer {
    /// Every producer.
    pub const ALL: [Self; 6] =
        [Self::Podman, Self::CriO, Self::ContainerdCri, Self::Docker, Self::Runc, Self::Criu];

    /// Folder of the images in the archive, with a slash at its end unless empty.
    pub fn images_at(self) -> String {
        match self {
            Self::Podman | Self::CriO | Self::ContainerdCri | Self::Runc => "checkpoint/".into(),
            Self::Docker => format!("{CONTAINER}/checkpoints/cp1/"),
            Self::Criu => String::new(),
        }
    }
}

impl Archive {
    /// An image set as its producer hands it over, with that producer's metadata. The first
    /// process's arguments and environment are the container's.
    pub fn of(producer: Producer, checkpoint: &Checkpoint) -> Self {
        let archive = Self::default();
        let at = producer.images_at();
        match producer {
            Producer::Podman => archive
                .member("config.dump", podman_config(checkpoint))
                .member("spec.dump", spec(checkpoint, &json!({"io.container.manager": "libpod"})))
                .member("network.status", "null")
                .images(&at, checkpoint),
            Producer::CriO => archive
                .images(&at, checkpoint)
                .member("config.dump", cri_config("runc"))
                .member("spec.dump", spec(checkpoint, &crio_annotations())),
            Producer::ContainerdCri => archive
                .images(&at, checkpoint)
                .member("config.dump", cri_config("io.containerd.runc.v2"))
                .member("spec.dump", spec(checkpoint, &containerd_annotations()))
                .member("status.dump", containerd_status()),
            Producer::Docker => archive
                .member(&format!("{at}descriptors.json"), descriptors())
                .images(&at, checkpoint)
                .member(&format!("{CONTAINER}/config.v2.json"), docker_config(checkpoint)),
            Producer::Runc => archive
                .member(&format!("{at}descriptors.json"), descriptors())
                .images(&at, checkpoint),
            Producer::Criu => archive.images(&at, checkpoint),
        }
    }
}

/// How a checkpoint is handed over as an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Image {
    /// `podman container checkpoint --create-image`: a layer, with annotations on its manifest.
    Podman,
    /// `checkpointctl build`: the same with the annotations of CRIU.
    Checkpointctl,
    /// containerd's own index, whose blobs are the images and the configuration.
    Containerd,
}

impl Archive {
    /// An OCI layout of a layer (an archive as an engine writes it), blobs first as in a sorted tar.
    /// For [`Image::Containerd`] the layer is the tar of the images.
    pub fn image(kind: Image, layer: &Self, packed: bool) -> Self {
        let mut blobs: Vec<(String, Vec<u8>)> = Vec::new();
        let mut blob = |media_type: &str, bytes: Vec<u8>| {
            let hex = data_encoding::HEXLOWER.encode(&Sha256::digest(&bytes));
            let size = bytes.len();
            blobs.push((hex.clone(), bytes));
            json!({"mediaType": media_type, "digest": format!("sha256:{hex}"), "size": size})
        };
        let manifest = "application/vnd.oci.image.manifest.v1+json";
        let bytes = if packed { layer.gzip() } else { layer.tar() };
        let entry = if kind == Image::Containerd {
            let prefix = "application/vnd.containerd.container.";
            let images = blob(&format!("{prefix}criu.checkpoint.criu.tar"), bytes);
            let config = blob(&format!("{prefix}checkpoint.config.v1+proto"), containerd_any());
            let index = json!({
                "schemaVersion": 2,
                "manifests": [config, images],
                "annotations": {"image.name": "docker.io/library/counter:1"},
            });
            blob("application/vnd.oci.image.index.v1+json", text(&index))
        } else {
            let layer = blob("application/vnd.oci.image.layer.v1.tar", bytes);
            let config =
                blob("application/vnd.oci.image.config.v1+json", text(&json!({"os": "linux"})));
            let prefixes = ["io.podman.annotations.checkpoint.", "org.criu.checkpoint."];
            let (prefix, says) = match kind {
                Image::Podman => (
                    prefixes[0],
                    vec![
                        ("name", "counter"),
                        ("podman.version", "5.1.0"),
                        ("criu.version", "40200"),
                    ],
                ),
                Image::Checkpointctl | Image::Containerd => (
                    prefixes[1],
                    vec![
                        ("container.name", "counter"),
                        ("engine.name", "cri-o"),
                        ("engine.version", "1.34.0"),
                        ("pod.name", "counters"),
                        ("pod.namespace", "default"),
                    ],
                ),
            };
            let image = ("rootfsImageName", "docker.io/library/counter:1");
            let says = says.into_iter().chain([image]);
            let annotations: serde_json::Map<String, Value> =
                says.map(|(key, value)| (format!("{prefix}{key}"), json!(value))).collect();
            let document = json!({
                "schemaVersion": 2,
                "config": config,
                "layers": [layer],
                "annotations": annotations,
            });
            blob(manifest, text(&document))
        };
        blobs.sort();
        let layout = blobs.into_iter().fold(Self::default(), |layout, (hex, bytes)| {
            layout.member(&format!("blobs/sha256/{hex}"), bytes)
        });
        layout
            .member("index.json", text(&json!({"schemaVersion": 2, "manifests": [entry]})))
            .member("oci-layout", text(&json!({"imageLayoutVersion": "1.0.0"})))
    }
}

/// `google.protobuf.Any` of an OCI runtime specification.
fn containerd_any() -> Vec<u8> {
    let spec = json!({
        "ociVersion": "1.0.2",
        "process": {"args": ["counter"], "env": []},
        "linux": {"cgroupsPath": "/default/ck1"},
    });
    let url = b"types.containerd.io/opencontainers/runtime-spec/1/Spec";
    let spec = serde_json::to_vec(&spec).expect("JSON in memory");
    let len = u8::try_from(spec.len()).expect("a short specification");
    let length = if len < 0x80 { vec![len] } else { vec![len & 0x7f | 0x80, len >> 7] };
    [&[0x0a, 54][..], url, &[0x12], &length, &spec].concat()
}

fn text(value: &Value) -> Vec<u8> {
    serde_json::to_vec_pretty(value).expect("JSON in memory")
}

fn descriptors() -> Vec<u8> {
    text(&json!(["/dev/null", "pipe:[1001]", "pipe:[1002]"]))
}

fn spec(checkpoint: &Checkpoint, annotations: &Value) -> Vec<u8> {
    text(&json!({
        "ociVersion": "1.1.0",
        "process": {"args": checkpoint.argv(), "env": checkpoint.environ(), "cwd": "/"},
        "root": {"path": "rootfs", "readonly": false},
        "hostname": "counter",
        "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}],
        "annotations": annotations,
        "linux": {"namespaces": [{"type": "pid"}, {"type": "mount"}]},
    }))
}

fn podman_config(checkpoint: &Checkpoint) -> Vec<u8> {
    let environ = checkpoint.environ();
    let options = environ.iter().flat_map(|variable| ["-e", variable.as_str()]);
    let command: Vec<&str> = ["podman", "run", "--name", "counter"]
        .into_iter()
        .chain(options)
        .chain(["docker.io/library/counter:1"])
        .collect();
    text(&json!({
        "id": CONTAINER,
        "name": "counter",
        "runtime": "runc",
        "createdTime": "2026-01-02T03:04:05Z",
        "rootfsImageName": "docker.io/library/counter:1",
        "CreateCommand": command,
        "spec": {"process": {"args": checkpoint.argv(), "env": environ}},
    }))
}

fn cri_config(runtime: &str) -> Vec<u8> {
    text(&json!({
        "id": CONTAINER,
        "name": "counter",
        "rootfsImage": "docker.io/library/counter:1",
        "rootfsImageRef": "docker.io/library/counter@sha256:00",
        "rootfsImageName": "docker.io/library/counter:1",
        "runtime": runtime,
        "createdTime": "2026-01-02T03:04:05Z",
        "checkpointedTime": "2026-01-02T04:05:06Z",
        "restoredTime": "0001-01-01T00:00:00Z",
        "restored": false,
    }))
}

fn crio_annotations() -> Value {
    json!({
        "io.container.manager": "cri-o",
        "io.kubernetes.container.name": "counter",
        "io.kubernetes.pod.name": "counters",
        "io.kubernetes.pod.namespace": "default",
        "io.kubernetes.pod.uid": "00000000-0000-4000-8000-000000000001",
        "io.kubernetes.cri-o.ContainerID": CONTAINER,
        "io.kubernetes.cri-o.ImageName": "docker.io/library/counter:1",
    })
}

fn containerd_annotations() -> Value {
    json!({
        "io.kubernetes.cri.container-type": "container",
        "io.kubernetes.cri.container-name": "counter",
        "io.kubernetes.cri.image-name": "docker.io/library/counter:1",
        "io.kubernetes.cri.sandbox-name": "counters",
        "io.kubernetes.cri.sandbox-namespace": "default",
        "io.kubernetes.cri.sandbox-uid": "00000000-0000-4000-8000-000000000001",
    })
}

fn containerd_status() -> Vec<u8> {
    text(&json!({
        "id": CONTAINER,
        "metadata": {"name": "counter"},
        "state": 1,
        "created_at": 1_767_323_045_000_000_000_u64,
        "image": {"image": "docker.io/library/counter:1"},
        "labels": {"io.kubernetes.pod.name": "counters"},
    }))
}

fn docker_config(checkpoint: &Checkpoint) -> Vec<u8> {
    text(&json!({
        "ID": CONTAINER,
        "Name": "/counter",
        "Config": {"Env": checkpoint.environ(), "Cmd": checkpoint.argv(), "Image": "counter:1"},
    }))
}
