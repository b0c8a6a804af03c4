//! The metadata that engines put beside the images: `config.dump`, `spec.dump`, `status.dump`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::dump_log::DumpLog;
use super::oci::Origin;
use super::pod::{Member, PodFiles};

/// What is known of the container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Container {
    /// Its id.
    pub id: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// The OCI image it was made from.
    pub image: Option<String>,
    /// Id or digest of that image.
    pub image_id: Option<String>,
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
    /// Id of its sandbox, by which the container runtime knows it.
    pub id: Option<String>,
}

/// `config.dump`: checkpointctl's `ContainerConfig`, whose keys podman's own configuration shares.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Config {
    pub id: Option<String>,
    pub name: Option<String>,
    pub rootfs_image_name: Option<String>,
    pub rootfs_image: Option<String>,
    pub rootfs_image_ref: Option<String>,
    #[serde(rename = "rootfsImageID")]
    pub rootfs_image_id: Option<String>,
    pub runtime: Option<String>,
    pub created_time: Option<String>,
    pub checkpointed_time: Option<String>,
    pub restored_time: Option<String>,
}

/// `spec.dump`: the OCI runtime specification.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Spec {
    pub hostname: Option<String>,
    #[serde(deserialize_with = "or_default")]
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
    pub metadata: Named,
    pub image: StatusImage,
    pub image_ref: Option<String>,
    /// Nanoseconds since 1970, as those below.
    pub created_at: Option<i64>,
    pub started_at: Option<i64>,
    #[serde(deserialize_with = "or_default")]
    pub labels: BTreeMap<String, String>,
}

/// Metadata of the CRI's messages.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Named {
    pub name: Option<String>,
    pub namespace: Option<String>,
    pub uid: Option<String>,
}

/// The CRI's `ImageSpec`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct StatusImage {
    pub image: Option<String>,
    pub user_specified_image: Option<String>,
}

/// `config.v2.json`: docker's configuration of a container, in the folder above its checkpoints.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct Docker {
    #[serde(rename = "ID")]
    pub id: Option<String>,
    pub name: Option<String>,
    pub created: Option<String>,
    /// Id of the image.
    pub image: Option<String>,
    #[serde(deserialize_with = "or_default")]
    pub state: DockerState,
    #[serde(deserialize_with = "or_default")]
    pub config: DockerConfig,
}

/// How the container was before docker stopped it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct DockerState {
    pub started_at: Option<String>,
}

/// What the user asked docker for.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct DockerConfig {
    pub image: Option<String>,
    pub hostname: Option<String>,
}

/// `config.json` beside the images: docker 17's note on a checkpoint.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct DockerNote {
    created: Option<String>,
}

/// One network of podman's `network.status`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Network {
    #[serde(deserialize_with = "or_default")]
    interfaces: BTreeMap<String, Interface>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Interface {
    #[serde(deserialize_with = "or_default")]
    subnets: Vec<Subnet>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Subnet {
    ipnet: Option<String>,
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
    /// `deleted.files`: what of its image the container has removed.
    pub deleted: Vec<String>,
    /// Addresses of the container, with the length of their prefix.
    pub addresses: Vec<String>,
    /// When docker 17 says that it made the checkpoint.
    pub noted: Option<String>,
    /// What the log of CRIU says of the machine.
    pub log: DumpLog,
    /// What is said of a pod here, of which containers lie below.
    pub pod: PodFiles,
    /// What the files about the pod around it say.
    pub member: Option<Member>,
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
            // Go writes an empty list as null.
            "deleted.files" => {
                self.deleted = serde_json::from_slice::<Option<_>>(data)?.unwrap_or_default();
            }
            "network.status" => {
                let all: Option<BTreeMap<String, Network>> = serde_json::from_slice(data)?;
                let interfaces = all.into_iter().flatten().flat_map(|(_, it)| it.interfaces);
                let subnets = interfaces.flat_map(|(_, it)| it.subnets);
                self.addresses = subnets.filter_map(|it| it.ipnet).take(ADDRESSES).collect();
            }
            // A file of this name may be anything.
            "config.json" if is_spec(data) => self.spec = serde_json::from_slice(data).ok(),
            "config.json" => {
                let note = serde_json::from_slice::<DockerNote>(data).unwrap_or_default();
                self.noted = note.created;
            }
            _ => self.pod.take(name, data)?,
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

/// Addresses that are kept of one container.
const ADDRESSES: usize = 64;

/// Whether a `config.json` that begins so is the runtime specification of a bundle.
pub(super) fn is_spec(head: &[u8]) -> bool {
    head.first() == Some(&b'{') && memchr::memmem::find(head, b"\"ociVersion\"").is_some()
}

/// A time of Go's JSON, in UTC; the year 1 means that it is not set. What is no time is left out:
/// reports promise RFC 3339.
pub(super) fn time(value: Option<&String>) -> Option<String> {
    let time: jiff::Timestamp = value.filter(|value| !value.starts_with("0001-"))?.parse().ok()?;
    Some(time.to_string())
}

/// A time in nanoseconds since 1970; 0 means that it is not set.
pub(super) fn nanoseconds(value: Option<i64>) -> Option<String> {
    let time = value.filter(|value| *value > 0)?;
    jiff::Timestamp::from_nanosecond(time.into()).ok().map(|time| time.to_string())
}

/// Go writes empty maps and lists as `null`.
pub(super) fn or_default<'de, D, T>(from: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(from)?.unwrap_or_default())
}
