//! The metadata that engines put beside the images: `config.dump`, `spec.dump`, `status.dump`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::oci::Origin;

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
    pub linux: Option<Linux>,
    pub mounts: Option<Vec<SpecMount>>,
}

/// The part of the specification that is about Linux.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Linux {
    pub cgroups_path: Option<String>,
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

/// `config.v2.json`: docker's configuration of a container, in the folder above its checkpoints.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct Docker {
    #[serde(rename = "ID")]
    pub id: Option<String>,
    pub name: Option<String>,
    pub created: Option<String>,
    pub config: DockerConfig,
}

/// What the user asked docker for.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct DockerConfig {
    pub image: Option<String>,
    pub hostname: Option<String>,
}

/// `hostconfig.json`: how docker runs it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct DockerHost {
    pub runtime: Option<String>,
}

/// The metadata files of one folder.
#[derive(Debug, Clone, Default)]
pub(super) struct Metadata {
    pub config: Option<Config>,
    pub spec: Option<Spec>,
    pub status: Option<Status>,
    pub docker: Option<Docker>,
    pub docker_host: Option<DockerHost>,
    /// `descriptors.json`, beside the images of docker, runc and crun: where the descriptors 0, 1
    /// and 2 led. Empty where it does not decode.
    pub descriptors: Option<Vec<String>>,
    /// What the OCI layout around it says.
    pub origin: Origin,
}

impl Metadata {
    /// Takes a file of that name; one of another name says nothing.
    pub(super) fn take(&mut self, name: &str, data: &[u8]) -> serde_json::Result<()> {
        match name {
            "config.dump" => self.config = Some(serde_json::from_slice(data)?),
            "spec.dump" => self.spec = Some(serde_json::from_slice(data)?),
            "status.dump" => self.status = Some(serde_json::from_slice(data)?),
            "config.v2.json" => self.docker = Some(serde_json::from_slice(data)?),
            "hostconfig.json" => self.docker_host = Some(serde_json::from_slice(data)?),
            "descriptors.json" => {
                self.descriptors.get_or_insert_default();
                self.descriptors = Some(serde_json::from_slice(data)?);
            }
            _ => {}
        }
        Ok(())
    }

    /// An annotation of the runtime specification.
    pub(super) fn annotation(&self, key: &str) -> Option<String> {
        self.spec.as_ref()?.annotations.get(key).filter(|value| !value.is_empty()).cloned()
    }

    /// Whether the container had this manager; where no specification tells, whether a checkpoint
    /// image of that engine says so.
    pub(super) fn is_managed(&self, manager: &str, engine: &str) -> bool {
        match &self.spec {
            Some(_) => self.annotation("io.container.manager").as_deref() == Some(manager),
            None => self.origin.engine() == Some(engine),
        }
    }
}

/// A time of Go's JSON; the year 1 means that it is not set. What is no time is left out: reports
/// promise RFC 3339.
pub(super) fn time(value: Option<&String>) -> Option<String> {
    let is_time = |value: &&String| value.parse::<jiff::Timestamp>().is_ok();
    value.filter(|value| !value.starts_with("0001-")).filter(is_time).cloned()
}
