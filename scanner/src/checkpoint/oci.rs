//! OCI layouts: indexes and manifests name blobs by digest, and their annotations say what container
//! a checkpoint in a layer is of. Blobs may come before what names them, so all is joined at the end.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::container::Spec;
use super::docker_archive::Saved;
use crate::diagnostic::{Code, Diagnostic, Level};

/// Bytes of an index, manifest or configuration at most: what registries accept of a manifest (OCI
/// distribution specification, "Pushing Manifests").
pub(super) const DOCUMENT_BYTES: u64 = 4 << 20;
/// Descriptors of one target that are followed.
pub(super) const DESCRIPTORS: usize = 10_000;
/// Indexes over a manifest that are looked at.
const LEVELS: usize = 4;
/// Where manifests say that their layer is a checkpoint.
const ANNOTATIONS: [&str; 3] = [
    "io.podman.annotations.checkpoint.",
    "io.kubernetes.cri-o.annotations.checkpoint.",
    "org.criu.checkpoint.",
];
/// Media types of containerd's own blobs begin so.
const CONTAINERD: &str = "application/vnd.containerd.container.";
/// `type_url` of the OCI runtime specification, in containerd's protobuf `Any`.
const SPEC_TYPE: &[u8] = b"types.containerd.io/opencontainers/runtime-spec/";

/// An index or a manifest.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Document {
    manifests: Option<Vec<Descriptor>>,
    layers: Option<Vec<Descriptor>>,
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Descriptor {
    media_type: Option<String>,
    digest: String,
    size: Option<u64>,
    annotations: Option<BTreeMap<String, String>>,
}

/// A blob: the folder of its layout and its digest, as descriptors write it. `index.json` and the
/// manifest of a `dir:` have none.
type Blob = (String, String);

/// Who names a blob, as what.
#[derive(Debug)]
struct Link {
    by: String,
    media_type: String,
    size: Option<u64>,
    annotations: BTreeMap<String, String>,
}

/// A blob that the target has.
#[derive(Debug)]
struct Seen {
    path: String,
    /// Stored bytes, where the archive around it says so.
    size: Option<u64>,
}

/// The indexes and manifests of a target.
#[derive(Debug, Default)]
pub(super) struct Layouts {
    links: BTreeMap<Blob, Vec<Link>>,
    annotations: BTreeMap<Blob, BTreeMap<String, String>>,
    /// Containerd's container configurations.
    specs: BTreeMap<Blob, Spec>,
    /// What each document names, with its media type.
    named: BTreeMap<Blob, Vec<(String, String)>>,
    seen: BTreeMap<Blob, Seen>,
    saved: Saved,
    descriptors: usize,
}

/// What the layout says of a blob with a checkpoint.
#[derive(Debug, Clone, Default)]
pub(super) struct Origin {
    /// Annotations of its manifest and of the indexes above, the nearest first.
    pub annotations: BTreeMap<String, String>,
    /// Whether containerd's own index names it.
    pub containerd: bool,
    /// Annotations of that index alone.
    pub index: BTreeMap<String, String>,
    /// The name under which the layout has the checkpoint.
    pub reference: Option<String>,
    /// Paths of the blobs that hold what the container changed in its files.
    pub layers: Vec<String>,
    /// Paths of documents and blobs that belong to the checkpoint.
    pub parts: Vec<String>,
    /// The configuration of the container, from a blob beside it.
    pub spec: Option<Spec>,
}

impl Origin {
    /// What a checkpoint image says under one of these names, whoever wrote it.
    pub(super) fn get(&self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| {
            let of = |prefix: &&str| self.annotations.get(&format!("{prefix}{name}"));
            ANNOTATIONS.iter().find_map(of).filter(|value| !value.is_empty()).cloned()
        })
    }

    /// Which engine the annotations are of.
    pub(super) fn engine(&self) -> Option<&str> {
        let engine = self.annotations.get("org.criu.checkpoint.engine.name").map(String::as_str);
        let has = |prefix: &str| self.annotations.keys().any(|key| key.starts_with(prefix));
        engine
            .or_else(|| has("io.podman.annotations.checkpoint.").then_some("podman"))
            .or_else(|| has("io.kubernetes.cri-o.annotations.checkpoint.").then_some("cri-o"))
    }
}

/// The blob that a path is, or the innermost that it lies in.
fn blob_of(path: &str) -> Option<Blob> {
    blob_at(path).map(|(blob, _)| blob)
}

/// The same, with the end of its path.
fn blob_at(path: &str) -> Option<(Blob, usize)> {
    let is_hex = |text: &str| text.len() >= 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let end = |text: &str| text.find(['/', '!']).unwrap_or(text.len());
    let stops = |text: &str| text.is_empty() || text.starts_with('!');
    for (at, _) in path.rmatch_indices("blobs/") {
        let (root, rest) = path.split_at(at);
        if !(root.is_empty() || root.ends_with(['/', '!'])) {
            continue;
        }
        let Some((algorithm, rest)) = rest.get(6..).and_then(|rest| rest.split_once('/')) else {
            continue;
        };
        let (hex, rest) = rest.split_at(end(rest));
        if is_hex(hex) && stops(rest) {
            let blob = (root.to_owned(), format!("{algorithm}:{hex}"));
            return Some((blob, path.len().saturating_sub(rest.len())));
        }
    }
    // The `dir:` of skopeo: files named by digest beside their manifest.
    let starts = path.rmatch_indices(['/', '!']).map(|(at, _)| at.saturating_add(1));
    for at in starts.chain([0]) {
        let (root, rest) = path.split_at(at);
        let (hex, rest) = rest.split_at(end(rest));
        if hex.len() == 64 && is_hex(hex) && stops(rest) {
            let blob = (root.to_owned(), format!("sha256:{hex}"));
            return Some((blob, path.len().saturating_sub(rest.len())));
        }
    }
    None
}

/// Whether a member is a blob that may say something of others: JSON, or containerd's configuration.
pub(super) fn is_document(path: &str, size: Option<u64>, head: &[u8]) -> bool {
    let json = head.first() == Some(&b'{');
    let spec = head.windows(SPEC_TYPE.len()).take(8).any(|window| window == SPEC_TYPE);
    (json || spec)
        && size.is_some_and(|size| size <= DOCUMENT_BYTES)
        && !path.ends_with('!')
        && blob_of(path).is_some_and(|(_, digest)| {
            let hex = digest.split_once(':').map_or("", |(_, hex)| hex);
            path.ends_with(hex)
        })
}

impl Layouts {
    /// Remembers that the target has the member at `path`, of that stored size.
    pub(super) fn see(&mut self, path: &str, size: Option<u64>) {
        if let Some((blob, end)) = blob_at(path) {
            let size = size.filter(|_| end == path.len());
            let path = path.get(..end).unwrap_or(path);
            let seen =
                self.seen.entry(blob).or_insert_with(|| Seen { path: path.to_owned(), size: None });
            seen.size = seen.size.or(size);
        }
    }

    /// Remembers a symbolic link, whose target is never opened.
    pub(super) fn link(&mut self, path: &str, target: &str) {
        self.saved.link(path, target);
    }

    /// The SHA-256 that the name of a blob promises; `None` for other members.
    pub(super) fn digest(path: &str) -> Option<&str> {
        let (blob, end) = blob_at(path)?;
        let hex = path.get(path.len().saturating_sub(64)..)?;
        (end == path.len() && blob.1.strip_prefix("sha256:") == Some(hex)).then_some(hex)
    }

    /// Takes `index.json`, the manifest of a `dir:`, or a blob of [`is_document`]; `false` when it is
    /// none of them. `folder` is where the first two lie, with the separator at its end.
    pub(super) fn take(&mut self, path: &str, folder: &str, data: &[u8]) -> bool {
        let blob = blob_of(path).unwrap_or_else(|| (folder.to_owned(), String::new()));
        if let Some(spec) = spec(data) {
            self.specs.insert(blob, spec);
            return true;
        }
        // The list of `docker save` names no digests and has no annotations.
        if data.first() == Some(&b'[') {
            self.saved.take(&blob.0, data);
            return true;
        }
        let Ok(document) = serde_json::from_slice::<Document>(data) else { return false };
        self.annotations.entry(blob.clone()).or_insert(document.annotations.unwrap_or_default());
        let (root, digest) = blob;
        let manifests = document.manifests.unwrap_or_default();
        for named in manifests.into_iter().chain(document.layers.unwrap_or_default()) {
            self.descriptors = self.descriptors.saturating_add(1);
            if self.descriptors > DESCRIPTORS {
                break;
            }
            let media_type = named.media_type.unwrap_or_default();
            let of = self.named.entry((root.clone(), digest.clone())).or_default();
            of.push((named.digest.clone(), media_type.clone()));
            let annotations = named.annotations.unwrap_or_default();
            let link = Link { by: digest.clone(), media_type, size: named.size, annotations };
            self.links.entry((root.clone(), named.digest)).or_default().push(link);
        }
        true
    }

    /// What is said of the blob that an image set lies in; `None` outside of a layout.
    pub(super) fn origin(&self, set: &str) -> Option<Origin> {
        let mut origin = Origin { reference: self.saved.tag(set), ..Origin::default() };
        let Some((root, digest)) = blob_of(set) else {
            return origin.reference.is_some().then_some(origin);
        };
        let mut above = vec![digest];
        let mut told = BTreeSet::new();
        for level in 0..LEVELS {
            let mut next = Vec::new();
            for digest in above {
                let links = self.links.get(&(root.clone(), digest));
                for link in links.into_iter().flatten() {
                    self.say(&root, link, level == 0, &mut origin);
                    if told.insert(link.by.clone()) {
                        next.push(link.by.clone());
                    }
                }
            }
            above = next;
        }
        Some(origin)
    }

    /// Adds what a document says of a blob that it names.
    fn say(&self, root: &str, link: &Link, is_nearest: bool, origin: &mut Origin) {
        let by = (root.to_owned(), link.by.clone());
        let own = self.annotations.get(&by);
        let is_native = link.media_type.starts_with(CONTAINERD);
        let path = |digest: &str| {
            let seen = self.seen.get(&(root.to_owned(), digest.to_owned()))?;
            Some(seen.path.clone())
        };
        origin.parts.extend(if link.by.is_empty() {
            vec![format!("{root}index.json"), format!("{root}manifest.json")]
        } else {
            path(&link.by).into_iter().collect()
        });
        if is_nearest {
            let beside = || self.named.get(&by).into_iter().flatten();
            origin.parts.extend(beside().filter_map(|(digest, _)| path(digest)));
            if is_native && !origin.containerd {
                let mut specs = beside()
                    .filter_map(|(digest, _)| self.specs.get(&(root.to_owned(), digest.clone())));
                origin.spec = specs.next().cloned();
                let layers = beside().filter(|(_, media_type)| media_type.contains(".layer."));
                origin.layers.extend(layers.filter_map(|(digest, _)| path(digest)));
                origin.index = own.cloned().unwrap_or_default();
                origin.containerd = true;
            }
        }
        for (key, value) in own.into_iter().flatten().chain(&link.annotations) {
            origin.annotations.entry(key.clone()).or_insert_with(|| value.clone());
        }
        if link.by.is_empty() {
            let name = |key: &str| link.annotations.get(key).filter(|name| !name.is_empty());
            let name = name("io.containerd.image.name")
                .or_else(|| name("org.opencontainers.image.ref.name"));
            origin.reference = origin.reference.take().or_else(|| name.cloned());
        }
    }

    /// Blobs that should hold a checkpoint and are not in the target.
    pub(super) fn missing(&self) -> Vec<Diagnostic> {
        let mut notes = Vec::new();
        for (document, named) in &self.named {
            let annotations = self.annotations.get(document);
            let is_checkpoint = annotations
                .into_iter()
                .flatten()
                .any(|(key, _)| ANNOTATIONS.iter().any(|prefix| key.starts_with(prefix)));
            let (root, digest) = document;
            for (blob, media_type) in named {
                let wanted = is_checkpoint
                    || media_type.starts_with("application/vnd.containerd.container.criu.");
                if wanted && !self.seen.contains_key(&(root.clone(), blob.clone())) {
                    let member = match digest.split_once(':') {
                        Some((algorithm, hex)) => format!("{root}blobs/{algorithm}/{hex}"),
                        None => format!("{root}index.json"),
                    };
                    let text = "a blob of the checkpoint is not in the layout; it was not scanned";
                    let note = Diagnostic::new(Level::Error, Code::BlobMissing, &member, text);
                    notes.push(
                        note.expected(crate::archive::name::display(blob.as_bytes()), "nothing"),
                    );
                }
            }
        }
        for (blob, seen) in &self.seen {
            let said = self.links.get(blob).into_iter().flatten().filter_map(|link| link.size);
            if let Some(size) = seen.size
                && let Some(said) = said.into_iter().find(|said| *said != size)
            {
                let text = "not as long as the manifest says: damaged, or replaced; it was scanned";
                let code = Code::DigestMismatch;
                let note = Diagnostic::new(Level::Warning, code, &seen.path, text);
                notes.push(note.expected(format!("{said} bytes"), format!("{size} bytes")));
            }
        }
        if self.descriptors.max(self.saved.layers) > DESCRIPTORS {
            let text = "more descriptors than are followed; names in the report may be missing";
            let note = Diagnostic::new(Level::Warning, Code::LimitReached, "", text);
            notes.push(note.expected(format!("at most {DESCRIPTORS}"), "more"));
        }
        notes
    }
}

/// The runtime specification in containerd's `Any`: its bytes are the JSON, in field 2.
fn spec(data: &[u8]) -> Option<Spec> {
    let head = data.get(..64).unwrap_or(data);
    head.windows(SPEC_TYPE.len()).find(|window| *window == SPEC_TYPE)?;
    let start = memchr::memchr(b'{', data)?;
    let mut values = serde_json::Deserializer::from_slice(data.get(start..)?).into_iter();
    values.next()?.ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEX: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn blobs_are_told_by_their_path() {
        let sha = format!("sha256:{HEX}");
        for (path, root) in [
            (format!("blobs/sha256/{HEX}"), ""),
            (format!("blobs/sha256/{HEX}!checkpoint"), ""),
            (format!("image/blobs/sha256/{HEX}!"), "image/"),
            (format!("outer.tar!blobs/sha256/{HEX}!a/b"), "outer.tar!"),
            (format!("dir/{HEX}!checkpoint"), "dir/"),
            (HEX.to_owned(), ""),
        ] {
            assert_eq!(blob_of(&path), Some((root.to_owned(), sha.clone())), "{path}");
        }
        for path in [
            format!("containers/{HEX}/checkpoints/cp1"),
            format!("blobs/sha256/{HEX}/more"),
            format!("myblobs/sha256/{HEX}/x"),
            "blobs/sha256/".to_owned(),
            String::new(),
        ] {
            assert_eq!(blob_of(&path), None, "{path}");
        }
    }

    #[test]
    fn cycles_and_strange_documents_end() {
        let mut layouts = Layouts::default();
        let path = format!("blobs/sha256/{HEX}");
        let own = format!(
            r#"{{"manifests":[{{"digest":"sha256:{HEX}"}}],"layers":[{{"digest":"sha256:{HEX}"}}],
                "annotations":{{"org.criu.checkpoint.container.name":"loop"}}}}"#
        );
        assert!(layouts.take(&path, "", own.as_bytes()));
        let origin = layouts.origin(&format!("{path}!checkpoint")).unwrap();
        assert_eq!(origin.get(&["name", "container.name"]).as_deref(), Some("loop"));
        for strange in ["{}", "[]", r#"{"manifests":null,"annotations":null}"#] {
            assert!(layouts.take("index.json", "", strange.as_bytes()), "{strange}");
        }
        for other in ["", "{", "7", r#"{"layers":3}"#, r#"{"annotations":{"a":1}}"#] {
            assert!(!layouts.take("index.json", "", other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn names_of_blobs_are_digests() {
        let blob = format!("blobs/sha256/{HEX}");
        assert_eq!(Layouts::digest(&blob), Some(HEX));
        assert_eq!(Layouts::digest(HEX), Some(HEX));
        for other in [format!("{blob}!a"), format!("blobs/sha512/{HEX}{HEX}"), "index.json".into()]
        {
            assert_eq!(Layouts::digest(&other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(path in "[a-z/!0-9]{0,40}(blobs/)?[a-f0-9/!]{0,80}", data: Vec<u8>) {
            let mut layouts = Layouts::default();
            layouts.see(&path, Some(1));
            layouts.link(&format!("{path}/layer.tar"), &path);
            prop_assert!(Layouts::digest(&path).is_none_or(|hex| hex.len() == 64));
            layouts.take(&path, "", &data);
            let any = [b"\n\x36".as_slice(), SPEC_TYPE, b"1/Spec\x12", &data].concat();
            layouts.take(&path, "", &any);
            drop((layouts.origin(&path), layouts.missing(), is_document(&path, Some(1), &data)));
        }
    }
}
