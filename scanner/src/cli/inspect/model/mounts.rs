//! Mounts in words.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::mask;
use super::files::text;
use super::table::Room;
use crate::checkpoint::SpecMount;
use crate::criu;

/// What was mounted where.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(feature = "dev", derive(schemars::JsonSchema))]
pub struct Mount {
    /// Id of the mount namespace.
    pub mount_ns: u32,
    /// Where, as the processes see it.
    pub mountpoint: String,
    /// Id of the mount.
    pub id: u32,
    /// Id of the mount it is mounted in.
    pub parent: u32,
    /// Name of the file system: `tmpfs`, `proc`, `overlay`; `null` if the checkpoint has none.
    pub fstype: Option<String>,
    /// Device, or what was given instead of one.
    pub source: String,
    /// Which directory of the file system is mounted.
    pub root: String,
    /// Flags of mount(8) by name: `ro` or `rw`, `nosuid`, `nodev` …
    pub flags: Vec<&'static str>,
    /// Options of the file system; stars cover values that are passwords by their names.
    pub options: String,
    /// Whether it was bound from outside: its content is not in the checkpoint.
    pub external: bool,
    /// Path on the host of what was bound, as the engine's configuration gives it.
    pub host_path: Option<String>,
}

/// Every mount, by namespace and mount point.
pub(super) fn mounts(from: &[criu::Mount], spec: &[SpecMount], room: &mut Room) -> Vec<Mount> {
    let is_bind = |mount: &&SpecMount| {
        let option = |it: &String| it == "bind" || it == "rbind";
        mount.kind.as_deref() == Some("bind") || mount.options.iter().flatten().any(option)
    };
    let binds: BTreeMap<&str, &str> = spec
        .iter()
        .filter(is_bind)
        .filter_map(|mount| Some((mount.destination.as_str(), mount.source.as_deref()?)))
        .collect();
    let mount = |mount: &criu::Mount| {
        let mountpoint = mountpoint(&mount.mountpoint);
        let host_path = binds.get(mountpoint.as_str()).map(|path| (*path).to_owned());
        Mount {
            mount_ns: mount.mnt_ns,
            id: mount.mnt_id,
            parent: mount.parent_id,
            fstype: Some(text(&mount.fstype)).filter(|name| !name.is_empty()),
            source: text(&mount.source),
            root: text(&mount.root),
            flags: flags(mount.flags),
            options: mask::options(&text(&mount.options)),
            external: mount.external,
            host_path,
            mountpoint,
        }
    };
    let strings = |it: &criu::Mount| {
        [&it.mountpoint, &it.source, &it.root, &it.options].map(Vec::len).iter().sum()
    };
    let fits = |it: &&criu::Mount| room.take::<Mount>(strings(it)).is_some();
    let mut mounts: Vec<Mount> = from.iter().take_while(fits).map(mount).collect();
    mounts.sort();
    mounts
}

/// CRIU writes mount points relative to the root, `./run` and `.`.
fn mountpoint(bytes: &[u8]) -> String {
    match bytes.strip_prefix(b".") {
        Some(b"") => "/".to_owned(),
        Some(rest @ [b'/', ..]) => text(rest),
        _ => text(bytes),
    }
}

/// Flags of mount(2), in the order in which mount(8) shows them.
const FLAGS: &[(u32, &str)] = &[
    (1 << 1, "nosuid"),
    (1 << 2, "nodev"),
    (1 << 3, "noexec"),
    (1 << 4, "sync"),
    (1 << 6, "mand"),
    (1 << 7, "dirsync"),
    (1 << 8, "nosymfollow"),
    (1 << 10, "noatime"),
    (1 << 11, "nodiratime"),
    (1 << 21, "relatime"),
    (1 << 25, "lazytime"),
];

fn flags(bits: u32) -> Vec<&'static str> {
    let access = if bits & 1 == 0 { "rw" } else { "ro" };
    let others = FLAGS.iter().filter(|(bit, _)| bits & bit != 0).map(|(_, name)| *name);
    std::iter::once(access).chain(others).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bind_has_its_path_on_the_host() {
        let mount = |mountpoint: &[u8], options: &[u8]| criu::Mount {
            mountpoint: mountpoint.to_vec(),
            options: options.to_vec(),
            flags: 1 << 21 | 1 << 1 | 1,
            ..criu::Mount::default()
        };
        let bind = |destination: &str, options: Option<Vec<String>>| SpecMount {
            destination: destination.to_owned(),
            source: Some("/host".to_owned()),
            kind: None,
            options,
        };
        let spec = [bind("/data", Some(vec!["rbind".to_owned()])), bind("/proc", None)];
        let from =
            [mount(b"./proc", b""), mount(b"/data", b"vers=3,password=abc"), mount(b".", b"")];
        let mounts = mounts(&from, &spec, &mut Room::new(1 << 20));
        let row = |mount: &Mount| (mount.mountpoint.clone(), mount.host_path.clone());
        assert_eq!(row(&mounts[0]), ("/".to_owned(), None));
        assert_eq!(row(&mounts[1]), ("/data".to_owned(), Some("/host".to_owned())));
        assert_eq!(row(&mounts[2]), ("/proc".to_owned(), None));
        assert_eq!(mounts[1].options, "vers=3,password=***");
        assert_eq!(mounts[1].flags, ["ro", "nosuid", "relatime"]);
    }
}
