//! Producers: where they put the images, and which metadata they write beside them.

use serde_json::{Value, json};

use super::{Archive, Checkpoint};

/// Id of every container.
pub(super) const CONTAINER: &str =
    "5f0c0ffee0ddba11c0dedbad5eed0ace5f0c0ffee0ddba11c0dedbad5eed0ace";

/// Id of every pod's sandbox.
const SANDBOX: &str = "0b5e55ed0b5e55ed0b5e55ed0b5e55ed0b5e55ed0b5e55ed0b5e55ed0b5e55ed";

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

pub(super) fn text(value: &Value) -> Vec<u8> {
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
        "rootfsImageID": "11".repeat(32),
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
        "io.kubernetes.cri-o.SandboxID": SANDBOX,
        "io.kubernetes.cri-o.IP.0": "10.88.0.23",
    })
}

fn containerd_annotations() -> Value {
    json!({
        "io.kubernetes.cri.container-type": "container",
        "io.kubernetes.cri.container-name": "counter",
        "io.kubernetes.cri.image-name": "docker.io/library/counter:1",
        "io.kubernetes.cri.sandbox-id": SANDBOX,
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
        "started_at": 1_767_323_046_000_000_000_u64,
        "image": {"image": "docker.io/library/counter:1"},
        "labels": {"io.kubernetes.pod.name": "counters"},
    }))
}

fn docker_config(checkpoint: &Checkpoint) -> Vec<u8> {
    text(&json!({
        "ID": CONTAINER,
        "Name": "/counter",
        "Created": "2026-01-02T03:04:05.000000001Z",
        "State": {"StartedAt": "2026-01-02T03:04:06Z"},
        "Image": format!("sha256:{}", "11".repeat(32)),
        "Config": {"Env": checkpoint.environ(), "Cmd": checkpoint.argv(), "Image": "counter:1"},
    }))
}
