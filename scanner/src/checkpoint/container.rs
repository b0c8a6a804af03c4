//! The metadata that engines put beside the images: `config.dump`, `spec.dump`, `status.dump`.

use std::collections::BTreeMap;

use serde::Deserialize;

/// What is known of the container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Container {
    /// Its id.
    pub id: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// The OCI image it was made from.
    pub image: Option<String>,
    /// The low-level runtime.
    pub runtime: Option<String>,
    /// Version of the container engine.
    pub engine_version: Option<String>,
}

/// What is known of the pod.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pod {
    /// Its name.
    pub name: Option<String>,
    /// Its namespace.
    pub namespace: Option<String>,
    /// Its UID.
    pub uid: Option<String>,
}

/// `config.dump`: checkpointctl's `ContainerConfig`, whose keys podman's own configuration shares.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Config {
    pub id: Option<String>,
    pub name: Option<String>,
    pub rootfs_image_name: Option<String>,
    pub rootfs_image: Option<String>,
    pub runtime: Option<String>,
    pub created_time: Option<String>,
    pub checkpointed_time: Option<String>,
}

/// `spec.dump`: the OCI runtime specification.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Spec {
    pub hostname: Option<String>,
    pub annotations: BTreeMap<String, String>,
    pub mounts: Option<Vec<SpecMount>>,
}

/// A mount of the runtime specification: what the engine was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct SpecMount {
    /// Where, as the container sees it.
    pub destination: String,
    /// Name of the file system, or `bind`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Path on the host, of a bind.
    pub source: Option<String>,
    /// Options of mount(8).
    pub options: Option<Vec<String>>,
}

/// `status.dump`: the CRI's `ContainerStatus`, written by containerd.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Status {
    pub id: Option<String>,
    pub labels: BTreeMap<String, String>,
    pub image_ref: Option<String>,
}

/// The metadata files of one container root.
#[derive(Debug, Clone, Default)]
pub(super) struct Metadata {
    pub config: Option<Config>,
    pub spec: Option<Spec>,
    pub status: Option<Status>,
    /// Whether `descriptors.json` stands beside the images (docker, runc, crun).
    pub descriptors: bool,
}

impl Metadata {
    /// An annotation of the runtime specification.
    pub(super) fn annotation(&self, key: &str) -> Option<String> {
        self.spec.as_ref()?.annotations.get(key).filter(|value| !value.is_empty()).cloned()
    }
}

/// A time of Go's JSON; the year 1 means that it is not set. What is no time is left out: reports
/// promise RFC 3339.
pub(super) fn time(value: Option<&String>) -> Option<String> {
    let is_time = |value: &&String| value.parse::<jiff::Timestamp>().is_ok();
    value.filter(|value| !value.starts_with("0001-")).filter(is_time).cloned()
}
