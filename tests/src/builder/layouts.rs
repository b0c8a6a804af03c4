//! What wraps checkpoints: OCI layouts and other transports of images, and the drafts of pods.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::metadata::{CONTAINER, text};
use super::{Archive, Checkpoint, Producer};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// How a checkpoint is handed over as an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Image {
    /// `podman container checkpoint --create-image`: a layer, with annotations on its manifest.
    Podman,
    /// The recipe for Kubernetes by hand: annotations that CRI-O restores by.
    CriO,
    /// `checkpointctl build`: the same with the annotations of CRIU.
    Checkpointctl,
    /// containerd's own index, whose blobs are the images and the configuration.
    Containerd,
}

impl Image {
    fn annotations(self) -> Value {
        let (prefix, says): (_, &[_]) = match self {
            Self::Podman => (
                "io.podman.annotations.checkpoint.",
                &[
                    ("name", "counter"),
                    ("podman.version", "5.1.0"),
                    ("criu.version", "40200"),
                    ("runtime.name", "/usr/bin/crun"),
                    ("host.kernel", "6.12.1"),
                ],
            ),
            Self::CriO => (
                "io.kubernetes.cri-o.annotations.checkpoint.",
                &[("name", "counter"), ("cri-o.version", "1.34.0")],
            ),
            Self::Checkpointctl | Self::Containerd => (
                "org.criu.checkpoint.",
                &[
                    ("container.name", "counter"),
                    ("engine.name", "cri-o"),
                    ("engine.version", "1.34.0"),
                    ("pod.name", "counters"),
                    ("pod.namespace", "default"),
                    ("pod.uid", "00000000-0000-4000-8000-000000000001"),
                ],
            ),
        };
        let image = ("rootfsImageName", "docker.io/library/counter:1");
        let says = says.iter().chain([&image]);
        says.map(|(key, value)| (format!("{prefix}{key}"), json!(value))).collect()
    }
}

/// Blobs by digest, as they come.
#[derive(Debug, Default)]
struct Blobs(Vec<(String, Vec<u8>)>);

impl Blobs {
    /// Adds one, and gives what names it.
    fn add(&mut self, media_type: &str, bytes: Vec<u8>) -> Value {
        let hex = data_encoding::HEXLOWER.encode(&Sha256::digest(&bytes));
        let size = bytes.len();
        self.0.push((hex.clone(), bytes));
        json!({"mediaType": media_type, "digest": format!("sha256:{hex}"), "size": size})
    }

    /// Adds an image of one layer.
    fn image(&mut self, kind: Image, layer: Vec<u8>) -> Value {
        let document = self.manifest(kind, layer);
        self.add(MANIFEST, text(&document))
    }

    fn manifest(&mut self, kind: Image, layer: Vec<u8>) -> Value {
        json!({
            "schemaVersion": 2,
            "config": self.add(CONFIG, text(&json!({"os": "linux"}))),
            "layers": [self.add(LAYER, layer)],
            "annotations": kind.annotations(),
        })
    }

    /// The layout whose index names these, sorted as in a tar of one.
    fn layout(mut self, entries: &[Value]) -> Archive {
        self.0.sort();
        self.0.dedup();
        let layout = self.0.into_iter().fold(Archive::default(), |layout, (hex, bytes)| {
            layout.member(&format!("blobs/sha256/{hex}"), bytes)
        });
        layout
            .member("index.json", text(&json!({"schemaVersion": 2, "manifests": entries})))
            .member("oci-layout", text(&json!({"imageLayoutVersion": "1.0.0"})))
    }
}

fn named(mut entry: Value, name: &str) -> Value {
    entry["annotations"] = json!({"org.opencontainers.image.ref.name": name});
    entry
}

impl Archive {
    /// An OCI layout of a layer (an archive as an engine writes it), blobs first as in a sorted tar.
    /// For [`Image::Containerd`] the layer is the tar of the images.
    pub fn image(kind: Image, layer: &Self, packed: bool) -> Self {
        if kind == Image::Containerd {
            return Self::containerd(layer, None);
        }
        let mut blobs = Blobs::default();
        let entry = blobs.image(kind, if packed { layer.gzip() } else { layer.tar() });
        blobs.layout(&[named(entry, "localhost/checkpoint:1")])
    }

    /// `ctr image export` of containerd's own index: the tar of the images, the configuration of the
    /// container, and the layer of its changed files.
    pub fn containerd(images: &Self, layer: Option<&Self>) -> Self {
        let mut blobs = Blobs::default();
        let prefix = "application/vnd.containerd.container.";
        let mut manifests = vec![
            blobs.add(&format!("{prefix}checkpoint.config.v1+proto"), containerd_any()),
            blobs.add(&format!("{prefix}criu.checkpoint.criu.tar"), images.tar()),
        ];
        manifests.extend(layer.map(|layer| blobs.add(&format!("{LAYER}+gzip"), layer.gzip())));
        let index = json!({
            "schemaVersion": 2,
            "manifests": manifests,
            "annotations": {
                "image.name": "docker.io/library/counter:1",
                "io.containerd.checkpoint.runtime": "io.containerd.runc.v2",
            },
        });
        let entry = blobs.add(INDEX, text(&index));
        blobs.layout(&[named(entry, "checkpoint-of-ck1")])
    }

    /// A layout whose index leads through another to an image for each platform.
    pub fn platforms(images: &[(Image, &Self)]) -> Self {
        let mut blobs = Blobs::default();
        let manifests: Vec<Value> = images
            .iter()
            .zip(["amd64", "arm64"])
            .map(|((kind, layer), architecture)| {
                let mut entry = blobs.image(*kind, layer.gzip());
                entry["platform"] = json!({"architecture": architecture, "os": "linux"});
                entry
            })
            .collect();
        let index = json!({"schemaVersion": 2, "manifests": manifests});
        let entry = blobs.add(INDEX, text(&index));
        blobs.layout(&[named(entry, "localhost/checkpoint:all")])
    }

    /// skopeo's `dir:`: a manifest beside files that are named by digest.
    pub fn dir(kind: Image, layer: &Self) -> Self {
        let mut blobs = Blobs::default();
        let manifest = blobs.manifest(kind, layer.gzip());
        let files = blobs.0.into_iter();
        files
            .fold(Self::default(), |archive, (hex, bytes)| archive.member(&hex, bytes))
            .member("manifest.json", text(&manifest))
            .member("version", "Directory Transport Version: 1.1\n")
    }

    /// `docker save` of one image under that tag, with names of before its version 25. Where `linked`,
    /// the list names a link to the layer.
    pub fn docker_save(layer: &Self, tag: &str, linked: bool) -> Self {
        let [config, id] = ["22".repeat(32), "33".repeat(32)];
        let named = format!("{id}/layer.tar");
        let list = json!([
            {"Config": format!("{config}.json"), "RepoTags": [tag], "Layers": [named]},
        ]);
        let archive = if linked {
            let place = format!("{}.tar", "44".repeat(32));
            Self::default().member(&place, layer.tar()).link(&named, &format!("../{place}"))
        } else {
            Self::default().member(&named, layer.tar())
        };
        archive
            .member(&format!("{config}.json"), text(&json!({"os": "linux", "config": {}})))
            .member("manifest.json", text(&list))
    }

    /// CRI-O's draft of a pod: a folder for each container, and the names of the pod in annotations.
    pub fn pod_folders(containers: &[(&str, &Self)]) -> Self {
        let folder = |index: usize, name: &str| {
            format!("{index:02x}{}-{name}", CONTAINER.get(2..).unwrap_or_default())
        };
        let names = containers.iter().enumerate();
        let names: serde_json::Map<String, Value> = names
            .map(|(index, (name, _))| ((*name).to_owned(), json!(folder(index, name))))
            .collect();
        let options = json!({
            "version": 1,
            "containers": names,
            "annotations": {
                "org.criu.checkpoint.pod.name": "shop",
                "org.criu.checkpoint.pod.namespace": "prod",
                "org.criu.checkpoint.pod.id": "5a".repeat(32),
            },
        });
        let archive = Self::default().member("pod.options", text(&options));
        containers.iter().enumerate().fold(archive, |archive, (index, (name, container))| {
            container.files().fold(archive, |archive, (file, bytes)| {
                archive.member(&format!("{}/{file}", folder(index, name)), bytes)
            })
        })
    }

    /// containerd's draft of a pod: an archive for each container.
    pub fn pod_archives(containers: &[(&str, &Self)]) -> Self {
        let id = |name: &str| data_encoding::HEXLOWER.encode(&Sha256::digest(name));
        let archive = |name: &str| {
            let hex = data_encoding::HEXLOWER.encode(&Sha256::digest(id(name)));
            format!("container-{hex}.tar")
        };
        let listed: Vec<Value> = containers
            .iter()
            .map(|(name, _)| json!({"name": name, "id": id(name), "archive": archive(name)}))
            .collect();
        let manifest = json!({"version": 2, "sandboxId": "5a".repeat(32), "containers": listed});
        let config = json!({
            "metadata": {"name": "shop", "namespace": "prod", "uid": "u-1", "attempt": 1},
            "hostname": "shop",
        });
        let pod = Self::default()
            .member("checkpoint-manifest.json", text(&manifest))
            .member("pod-config.json", text(&config));
        containers
            .iter()
            .fold(pod, |pod, (name, container)| pod.member(&archive(name), container.tar()))
    }

    /// `podman container checkpoint --pre-checkpoint`: the memory alone.
    pub fn pre_checkpoint(checkpoint: &Checkpoint) -> Self {
        let whole = Self::of(Producer::Podman, checkpoint);
        let is_memory = |name: &str| {
            let file = name.strip_prefix("checkpoint/");
            file.is_none_or(|file| file.starts_with("page") || file == "inventory.img")
        };
        let files = whole.files().filter(|(name, _)| is_memory(name));
        files.fold(Self::default(), |archive, (name, bytes)| {
            archive.member(&name.replace("checkpoint/", "pre-checkpoint/"), bytes)
        })
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
