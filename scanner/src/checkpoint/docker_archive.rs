//! The tar of `docker save`: a list names images and the paths of their layers. It has no digests and
//! no annotations, so all that is told of it is a tag.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::oci::DESCRIPTORS;

/// An entry of its `manifest.json`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Image {
    repo_tags: Option<Vec<String>>,
    layers: Option<Vec<String>>,
}

/// The images of a target that `docker save` wrote.
#[derive(Debug, Default)]
pub(super) struct Saved {
    /// Tags by the path of a layer.
    tags: BTreeMap<String, String>,
    /// Symbolic links, which it makes of layers that images share, by where they lead; of several the
    /// first by name.
    symlinks: BTreeMap<String, String>,
    /// Layers that were named.
    pub layers: usize,
}

impl Saved {
    /// Remembers a symbolic link, whose target is never opened.
    pub(super) fn link(&mut self, path: &str, target: &str) {
        if path.ends_with("layer.tar") && self.symlinks.len() < DESCRIPTORS {
            let (folder, _) = path.rsplit_once('/').unwrap_or_default();
            if let Some(target) = join(folder, target) {
                let link = self.symlinks.entry(target).or_insert_with(|| path.to_owned());
                if path < link.as_str() {
                    path.clone_into(link);
                }
            }
        }
    }

    /// Takes the list that lies in a folder, which has its separator at its end.
    pub(super) fn take(&mut self, folder: &str, data: &[u8]) {
        let images: Vec<Image> = serde_json::from_slice(data).unwrap_or_default();
        for image in images {
            let Some(tag) = image.repo_tags.unwrap_or_default().into_iter().next() else {
                continue;
            };
            for layer in image.layers.unwrap_or_default() {
                self.layers = self.layers.saturating_add(1);
                if self.layers > DESCRIPTORS {
                    return;
                }
                self.tags.entry(format!("{folder}{layer}")).or_insert_with(|| tag.clone());
            }
        }
    }

    /// The tag of the image whose layer an image set lies in.
    pub(super) fn tag(&self, set: &str) -> Option<String> {
        for (at, _) in set.match_indices('!') {
            let layer = set.get(..at)?;
            let linked = || self.tags.get(self.symlinks.get(layer)?);
            if let Some(tag) = self.tags.get(layer).or_else(linked) {
                return Some(tag.clone());
            }
        }
        None
    }
}

/// Where a relative link in a folder leads; `None` for one that leaves the archive.
fn join(folder: &str, target: &str) -> Option<String> {
    if target.starts_with('/') {
        return None;
    }
    let (archive, folder) =
        folder.rfind('!').map_or(("", folder), |at| folder.split_at(at.saturating_add(1)));
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(format!("{archive}{}", parts.join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_that_images_share_are_found_through_their_links() {
        let mut saved = Saved::default();
        let id = "0f".repeat(32);
        let list = format!(
            r#"[{{"Config":"c.json","RepoTags":["ck:1","ck:2"],"Layers":["{id}/layer.tar"]}},
                {{"Config":"d.json","RepoTags":null,"Layers":["other/layer.tar"]}}]"#
        );
        saved.take("a.tar!", list.as_bytes());
        saved.link(&format!("a.tar!{id}/layer.tar"), "../x/layer.tar");
        let tag = |set: &str| saved.tag(set);
        assert_eq!(tag(&format!("a.tar!{id}/layer.tar!checkpoint")).as_deref(), Some("ck:1"));
        assert_eq!(tag("a.tar!x/layer.tar!checkpoint").as_deref(), Some("ck:1"));
        assert_eq!(tag("a.tar!other/layer.tar!checkpoint"), None);
        assert_eq!(tag("x/layer.tar!checkpoint"), None);
        for (folder, target) in [("a", "../../etc"), ("", ".."), ("a.tar!b", "../.."), ("", "/etc")]
        {
            assert_eq!(join(folder, target), None, "{folder} {target}");
        }
    }
}
