//! What the path of a member says: the folder it belongs to, and what kind of bytes it has.

use crate::criu;
use crate::region::RegionKind;

/// Metadata that engines put beside the images or the root file system.
pub(super) const METADATA: &[&str] = &[
    "config.dump",
    "spec.dump",
    "status.dump",
    "status",
    "network.status",
    "bind.mounts",
    "deleted.files",
    "descriptors.json",
    "config.v2.json",
    "hostconfig.json",
    "index.json",
    "oci-layout",
    "manifest.json",
    "pod.options",
    "checkpoint-manifest.json",
    "pod-config.json",
];

/// Folder and last component of a path chain. The folder of a member at the top of a nested
/// archive ends in `!`.
pub(super) fn split(path: &str) -> (&str, &str) {
    match path.rfind(['/', '!']) {
        None => ("", path),
        Some(at) => {
            let (folder, name) = path.split_at(at);
            if name.starts_with('!') {
                (path.get(..at.saturating_add(1)).unwrap_or_default(), name.get(1..).unwrap_or(""))
            } else {
                (folder, name.get(1..).unwrap_or(""))
            }
        }
    }
}

/// The path of a member of that name in a folder as [`split`] gives it.
pub(super) fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() || folder.ends_with('!') {
        format!("{folder}{name}")
    } else {
        format!("{folder}/{name}")
    }
}

/// The folder of a container's metadata, told from the folder of its images.
pub(super) fn root_of(set: &str) -> &str {
    let (parent, last) = split(set);
    if matches!(last, "checkpoint" | "pre-checkpoint") { parent } else { set }
}

/// The kind of region of a file that the container's processes wrote or could see; `None` for
/// files of the checkpoint itself. What the container wrote never counts as an image, whatever
/// its name.
pub(super) fn content(path: &str) -> Option<RegionKind> {
    let (archive, _) = path.rsplit_once('!')?;
    let inside = |name: &str| archive.split('!').any(|part| split(part).1 == name || part == name);
    let is_ghost = |part: &str| criu::is_ghost(split(part).1.as_bytes());
    if archive.split('!').any(is_ghost) {
        Some(RegionKind::GhostFile)
    } else if archive.split('!').any(|part| part.as_bytes().ends_with(b".tar.gz.img"))
        || inside("devshm-checkpoint.tar")
    {
        Some(RegionKind::TmpfsFile)
    } else if inside("rootfs-diff.tar") {
        Some(RegionKind::File)
    } else if archive.split('!').any(|part| split(part).0.split('/').next_back() == Some("volumes"))
    {
        Some(RegionKind::VolumeFile)
    } else {
        None
    }
}
