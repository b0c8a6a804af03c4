//! mountpoints-NS.img: what was mounted where.

use cryoscan_proto::MntEntry;

use super::{Image, ImageError, Key, Records};

/// One mount.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mount {
    /// Id of the mount namespace.
    pub mnt_ns: u32,
    /// Id of the mount.
    pub mnt_id: u32,
    /// Id of the mount it is mounted in.
    pub parent_id: u32,
    /// Device as the kernel numbers it, major << 20 | minor: in decimal the number in
    /// tmpfs-dev-DEV.tar.gz.img.
    pub root_dev: u32,
    /// Flags of mount(2).
    pub flags: u32,
    /// Which directory of the file system is mounted.
    pub root: Vec<u8>,
    /// Where, as the container sees it.
    pub mountpoint: Vec<u8>,
    /// Device, or what was given instead of one.
    pub source: Vec<u8>,
    /// Options of the file system; may hold credentials.
    pub options: Vec<u8>,
    /// Name of the file system: `tmpfs`; empty when the image gives none.
    pub fstype: Vec<u8>,
    /// Whether it was bound from outside, so that its content is not in the checkpoint.
    pub external: bool,
    /// What CRIU was told to call it; engines give the mount point.
    pub external_key: Option<Vec<u8>>,
}

pub(super) fn decode(
    image: &mut Image<'_>,
    mnt_ns: Key,
    records: &mut Records,
) -> Result<(), ImageError> {
    image.each(|entry: MntEntry| {
        let fstype = match fstype(entry.fstype()) {
            "" => entry.fsname.clone().unwrap_or_default(),
            name => name.into(),
        };
        records.mounts.push(Mount {
            mnt_ns,
            mnt_id: entry.mnt_id(),
            parent_id: entry.parent_mnt_id(),
            root_dev: entry.root_dev(),
            flags: entry.flags(),
            fstype,
            external: entry.ext_mount() || entry.ext_key.is_some(),
            external_key: entry.ext_key,
            root: entry.root.unwrap_or_default(),
            mountpoint: entry.mountpoint.unwrap_or_default(),
            source: entry.source.unwrap_or_default(),
            options: entry.options.unwrap_or_default(),
        });
    })
}

/// Names of the numbers of criu/images/mnt.proto, `fstype`; empty for those that name none.
fn fstype(number: u32) -> &'static str {
    match number {
        1 => "proc",
        2 => "sysfs",
        3 => "devtmpfs",
        4 => "binfmt_misc",
        5 => "tmpfs",
        6 => "devpts",
        7 => "simfs",
        8 => "pstore",
        9 => "securityfs",
        10 => "fusectl",
        11 => "debugfs",
        12 => "cgroup",
        13 => "aufs",
        14 => "mqueue",
        15 => "fuse",
        17 => "overlay",
        18 => "autofs",
        19 => "tracefs",
        23 => "cgroup2",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::criu::sample::single;

    #[test]
    fn a_tmpfs_and_a_bind() {
        let entry = MntEntry {
            fstype: Some(5),
            mnt_id: Some(53),
            root_dev: Some(47),
            parent_mnt_id: Some(75),
            mountpoint: Some(b"/run".to_vec()),
            ..Default::default()
        };
        let mount = &single("mountpoints-13.img", &entry).mounts[0];
        assert_eq!((mount.mnt_ns, mount.mnt_id, mount.root_dev), (13, 53, 47));
        assert_eq!((mount.fstype.as_slice(), mount.external), (&b"tmpfs"[..], false));
        let entry = MntEntry {
            fsname: Some(b"ext4".to_vec()),
            ext_key: Some(b"/etc/hosts".to_vec()),
            ..Default::default()
        };
        let mount = &single("mountpoints-13.img", &entry).mounts[0];
        assert_eq!((mount.fstype.as_slice(), mount.external), (&b"ext4"[..], true));
    }
}
