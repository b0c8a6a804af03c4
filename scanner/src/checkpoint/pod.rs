//! Drafts of pod checkpoints: a file at the top names the pod and where its containers lie below.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::container::{Named, Pod, or_default};
use super::member::split;

/// Folders and archives over a container's checkpoint that are looked at.
const LEVELS: usize = 8;

/// What the files about a pod in one folder say.
#[derive(Debug, Clone, Default)]
pub(super) struct PodFiles {
    options: Option<Options>,
    manifest: Option<Manifest>,
    config: Option<SandboxConfig>,
}

/// `pod.options`, CRI-O's draft (its pull request 9758).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Options {
    /// Folders by the short names of the containers.
    #[serde(deserialize_with = "or_default")]
    containers: BTreeMap<String, String>,
    #[serde(deserialize_with = "or_default")]
    annotations: BTreeMap<String, String>,
}

/// `checkpoint-manifest.json`, containerd's draft (its pull request 13822).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Manifest {
    sandbox_id: Option<String>,
    #[serde(deserialize_with = "or_default")]
    containers: Vec<Listed>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Listed {
    name: Option<String>,
    id: Option<String>,
    archive: Option<String>,
}

/// `pod-config.json`: the CRI's `PodSandboxConfig`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct SandboxConfig {
    #[serde(deserialize_with = "or_default")]
    metadata: Named,
}

/// What a pod's files say of one of its containers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Member {
    pub name: Option<String>,
    pub id: Option<String>,
    pub pod: Pod,
    /// Annotations of a checkpoint image, for all containers.
    pub annotations: BTreeMap<String, String>,
}

impl PodFiles {
    /// Takes a file of that name; one of another name says nothing.
    pub(super) fn take(&mut self, name: &str, data: &[u8]) -> serde_json::Result<()> {
        match name {
            "pod.options" => self.options = Some(serde_json::from_slice(data)?),
            "checkpoint-manifest.json" => self.manifest = Some(serde_json::from_slice(data)?),
            "pod-config.json" => self.config = Some(serde_json::from_slice(data)?),
            _ => {}
        }
        Ok(())
    }

    /// What is said of the container whose checkpoint lies at `inside`, from here.
    fn member(&self, inside: &str) -> Option<Member> {
        if self.options.is_none() && self.manifest.is_none() {
            return None;
        }
        let is_it = |place: &str| place.trim_start_matches("./").trim_matches('/') == inside;
        let mut member = Member::default();
        if let Some(options) = &self.options {
            let listed = options.containers.iter().find(|(_, folder)| is_it(folder));
            member.name = listed.map(|(name, _)| name.clone());
            // ID-NAME, of which the first has no hyphens.
            if let Some((id, name)) = split(inside).1.split_once('-')
                && id.len() == 64
                && id.bytes().all(|byte| byte.is_ascii_hexdigit())
            {
                member.id = Some(id.to_owned());
                member.name.get_or_insert_with(|| name.to_owned());
            }
            member.annotations.clone_from(&options.annotations);
        }
        if let Some(manifest) = &self.manifest {
            let all = manifest.containers.iter();
            let listed = all.clone().find(|it| it.archive.as_deref().is_some_and(is_it));
            if let Some(listed) = listed {
                member.name = member.name.or_else(|| listed.name.clone());
                member.id = member.id.or_else(|| listed.id.clone());
            }
            member.pod.id.clone_from(&manifest.sandbox_id);
        }
        if let Some(SandboxConfig { metadata }) = &self.config {
            member.pod.name.clone_from(&metadata.name);
            member.pod.namespace.clone_from(&metadata.namespace);
            member.pod.uid.clone_from(&metadata.uid);
        }
        Some(member)
    }
}

/// What the nearest pod around the checkpoint at `root` says of it; `files` gives those of a folder.
pub(super) fn around<'a>(
    root: &str,
    files: impl Fn(&str) -> Option<&'a PodFiles>,
) -> Option<Member> {
    let mut at = root;
    for _ in 0..LEVELS {
        let here = at.strip_suffix('!').unwrap_or(at);
        if here.is_empty() {
            return None;
        }
        let (above, _) = split(here);
        let inside = root.get(above.len()..)?.trim_matches(['/', '!']);
        if let Some(member) = files(above).and_then(|files| files.member(inside)) {
            return Some(member);
        }
        at = above;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(documents: &[(&str, &str)]) -> PodFiles {
        let mut files = PodFiles::default();
        for (name, text) in documents {
            files.take(name, text.as_bytes()).unwrap();
        }
        files
    }

    #[test]
    fn folders_are_named_by_the_options() {
        let id = "5f".repeat(32);
        let options = format!(
            r#"{{"version":1,"containers":{{"web":"{id}-web-1","db":"./dbs/x/"}},
                "annotations":{{"org.criu.checkpoint.pod.name":"shop"}}}}"#
        );
        let files = files(&[("pod.options", &options)]);
        let at = |folder: &str| (folder == "outer.tar!").then_some(&files);
        let web = around(&format!("outer.tar!{id}-web-1"), at).unwrap();
        assert_eq!((web.name.as_deref(), web.id.as_deref()), (Some("web"), Some(id.as_str())));
        assert_eq!(web.annotations.len(), 1);
        assert_eq!(around("outer.tar!dbs/x", at).unwrap().name.as_deref(), Some("db"));
        assert_eq!(around("outer.tar!other", at).unwrap().name, None);
        assert_eq!(around("other.tar!dbs/x", at), None);
        assert_eq!(around("", at), None);
    }

    #[test]
    fn archives_are_named_by_the_manifest() {
        let manifest = r#"{"version":2,"sandboxId":"s1","containers":[
            {"name":"web","id":"c1","archive":"container-00.tar","config":{},"status":{}},
            {"name":"db","id":"c2","archive":"container-01.tar"}]}"#;
        let config = r#"{"metadata":{"name":"shop","namespace":"prod","uid":"u1","attempt":1}}"#;
        let files = files(&[("checkpoint-manifest.json", manifest), ("pod-config.json", config)]);
        let at = |folder: &str| folder.is_empty().then_some(&files);
        let db = around("container-01.tar!", at).unwrap();
        assert_eq!((db.name.as_deref(), db.id.as_deref()), (Some("db"), Some("c2")));
        let pod = ["shop", "prod", "u1", "s1"].map(|it| Some(it.to_owned()));
        assert_eq!([db.pod.name, db.pod.namespace, db.pod.uid, db.pod.id], pod);
    }

    #[test]
    fn what_is_null_or_of_another_shape_is_no_pod() {
        for text in ["{}", r#"{"containers":null,"annotations":null}"#] {
            assert_eq!(files(&[("pod.options", text)]).member("a").unwrap(), Member::default());
        }
        let mut files = PodFiles::default();
        for text in ["", "[]", "7", r#"{"containers":7}"#] {
            assert!(files.take("pod.options", text.as_bytes()).is_err() || text == "[]", "{text}");
        }
        assert!(PodFiles::default().member("a").is_none());
    }
}
