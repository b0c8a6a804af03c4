//! utsns-NS.img and cgroup.img: the host name, and where in the cgroup trees the processes are.

use cryoscan_proto::{CgSetEntry, CgroupEntry, UtsnsEntry};

use super::{Image, ImageError, Key, Records};

/// A place in one cgroup hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cgroup {
    /// Controller, or `name=…`; empty for the unified hierarchy.
    pub controller: Vec<u8>,
    /// Path from the root of the hierarchy; engines put ids of pod and container there.
    pub path: Vec<u8>,
}

pub(super) fn hostname(
    image: &mut Image<'_>,
    ns: Key,
    records: &mut Records,
) -> Result<(), ImageError> {
    let entry: UtsnsEntry = image.required()?;
    records.hostnames.entry(ns).or_insert(entry.nodename.unwrap_or_default());
    Ok(())
}

pub(super) fn cgroups(
    image: &mut Image<'_>,
    _: Key,
    records: &mut Records,
) -> Result<(), ImageError> {
    let at = image.offset();
    let entry: CgroupEntry = image.required()?;
    for set in &entry.sets {
        let set: CgSetEntry = image.message(at, set)?;
        let id = set.id();
        records.cgroups.entry(id).or_insert_with(|| {
            let places = set.ctls.into_iter().map(|place| Cgroup {
                controller: place.name.unwrap_or_default(),
                path: place.path.unwrap_or_default(),
            });
            places.collect()
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use cryoscan_proto::CgMemberEntry;
    use prost::Message;

    use super::*;
    use crate::criu::sample::single;

    #[test]
    fn a_host_name() {
        let entry = UtsnsEntry { nodename: Some(b"web-0".to_vec()), domainname: None };
        assert_eq!(single("utsns-12.img", &entry).hostname(), Some(&b"web-0"[..]));
    }

    #[test]
    fn cgroup_paths_by_set() {
        let member = CgMemberEntry { name: None, path: Some(b"/kubepods/pod1".to_vec()) };
        let set = CgSetEntry { id: Some(2), ctls: vec![member] };
        let records = single("cgroup.img", &CgroupEntry { sets: vec![set.encode_to_vec()] });
        let place = Cgroup { controller: Vec::new(), path: b"/kubepods/pod1".to_vec() };
        assert_eq!(records.cgroups[&2], [place]);
    }
}
