//! Who a process runs as and what it may do, in words.

use serde::Serialize;

use super::files::text;
use crate::criu::{Ids, Records};

/// Who a process runs as, and what it may do: those of its first thread.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(feature = "dev", derive(schemars::JsonSchema))]
#[expect(missing_docs, reason = "names of credentials(7)")]
pub struct Credentials {
    pub uid: u32,
    pub gid: u32,
    pub euid: u32,
    pub egid: u32,
    pub suid: u32,
    pub sgid: u32,
    pub fsuid: u32,
    pub fsgid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// The user who logged in, if audit knew one.
    pub login_uid: Option<u32>,
    pub capabilities: Capabilities,
    /// Bits of `prctl(PR_SET_SECUREBITS)`.
    pub securebits: u32,
    /// Whether exec can no longer give it more than it has.
    pub no_new_privs: bool,
    /// `disabled`, `strict`, `filter`, `unknown`.
    pub seccomp: &'static str,
    /// Profile of `AppArmor`, or context of `SELinux`.
    pub lsm_profile: Option<String>,
}

/// Sets of capabilities(7), each by name in the order of their numbers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(feature = "dev", derive(schemars::JsonSchema))]
#[expect(missing_docs, reason = "names of capabilities(7)")]
pub struct Capabilities {
    pub effective: Vec<String>,
    pub permitted: Vec<String>,
    pub inheritable: Vec<String>,
    pub bounding: Vec<String>,
    pub ambient: Vec<String>,
}

/// A namespace of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(feature = "dev", derive(schemars::JsonSchema))]
pub struct Namespace {
    /// `pid`, `net`, `ipc`, `uts`, `mnt`, `user`, `cgroup`, `time`.
    pub kind: &'static str,
    /// Its number in the checkpoint: equal numbers are the same namespace.
    pub id: u32,
    /// Whether it is the one that CRIU ran in: the host's. `null` if the checkpoint does not say.
    pub host: Option<bool>,
}

/// A limit of getrlimit(2).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(feature = "dev", derive(schemars::JsonSchema))]
pub struct ResourceLimit {
    /// `RLIMIT_NOFILE` and others.
    pub resource: String,
    /// What holds now; `null`: no limit.
    pub soft: Option<u64>,
    /// What it could be raised to; `null`: no limit.
    pub hard: Option<u64>,
}

/// linux/capability.h, by number.
const CAPABILITIES: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// How many capabilities Linux has: a set of as many is full.
pub(in crate::cli::inspect) const ALL_CAPABILITIES: usize = CAPABILITIES.len();

/// asm-generic/resource.h, by number.
const LIMITS: [&str; 16] = [
    "RLIMIT_CPU",
    "RLIMIT_FSIZE",
    "RLIMIT_DATA",
    "RLIMIT_STACK",
    "RLIMIT_CORE",
    "RLIMIT_RSS",
    "RLIMIT_NPROC",
    "RLIMIT_NOFILE",
    "RLIMIT_MEMLOCK",
    "RLIMIT_AS",
    "RLIMIT_LOCKS",
    "RLIMIT_SIGPENDING",
    "RLIMIT_MSGQUEUE",
    "RLIMIT_NICE",
    "RLIMIT_RTPRIO",
    "RLIMIT_RTTIME",
];

/// What the images say of the first thread of a process.
pub(super) fn credentials(records: &Records, pid: u32) -> Option<Credentials> {
    let core = records.cores.get(&pid)?;
    let creds = core.creds.as_ref()?;
    Some(Credentials {
        uid: creds.uid,
        gid: creds.gid,
        euid: creds.euid,
        egid: creds.egid,
        suid: creds.suid,
        sgid: creds.sgid,
        fsuid: creds.fsuid,
        fsgid: creds.fsgid,
        groups: creds.groups.clone(),
        login_uid: core.loginuid,
        capabilities: Capabilities {
            effective: names(creds.cap_effective),
            permitted: names(creds.cap_permitted),
            inheritable: names(creds.cap_inheritable),
            bounding: names(creds.cap_bounding),
            ambient: names(creds.cap_ambient),
        },
        securebits: creds.securebits,
        no_new_privs: creds.no_new_privs,
        seccomp: match core.seccomp {
            0 => "disabled",
            1 => "strict",
            2 => "filter",
            _ => "unknown",
        },
        lsm_profile: Some(text(&creds.lsm_profile)).filter(|profile| !profile.is_empty()),
    })
}

/// The namespaces of a process, and which of them are the host's.
pub(super) fn namespaces(records: &Records, pid: u32) -> Vec<Namespace> {
    let Some(ids) = records.ids.get(&pid) else { return Vec::new() };
    let host = records.inventory.as_ref().and_then(|inventory| inventory.host);
    let list = |ids: &Ids| {
        [
            ("pid", ids.pid_ns),
            ("net", ids.net_ns),
            ("ipc", ids.ipc_ns),
            ("uts", ids.uts_ns),
            ("mnt", ids.mnt_ns),
            ("user", ids.user_ns),
            ("cgroup", ids.cgroup_ns),
            ("time", ids.time_ns),
        ]
    };
    let host = list(&host.unwrap_or_default());
    let pairs = list(ids).into_iter().zip(host).filter(|((_, id), _)| *id != 0);
    let namespace = |((kind, id), (_, host)): ((&'static str, u32), (&str, u32))| Namespace {
        kind,
        id,
        host: Some(host == id).filter(|_| host != 0),
    };
    pairs.map(namespace).collect()
}

/// The limits of a process. Those of numbers that no kernel has are left out.
pub(super) fn limits(records: &Records, pid: u32) -> Vec<ResourceLimit> {
    let limits = records.cores.get(&pid).map(|core| core.limits.as_slice()).unwrap_or_default();
    let value = |value: u64| Some(value).filter(|value| *value != u64::MAX);
    let limit = |(name, (soft, hard)): (&&str, &(u64, u64))| ResourceLimit {
        resource: (*name).to_owned(),
        soft: value(*soft),
        hard: value(*hard),
    };
    LIMITS.iter().zip(limits).map(limit).collect()
}

/// Names of a set of capabilities; one that is newer has its number: `CAP_41`.
fn names(set: u64) -> Vec<String> {
    let name = |number: u8| {
        let known = CAPABILITIES.get(usize::from(number));
        known.map_or_else(|| format!("CAP_{number}"), |name| (*name).to_owned())
    };
    (0..64).filter(|number| set >> number & 1 != 0).map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::criu::{Core, Inventory};

    #[test]
    fn capabilities_by_number() {
        assert_eq!(
            names(1 | 1 << 21 | 1 << 40),
            ["CAP_CHOWN", "CAP_SYS_ADMIN", "CAP_CHECKPOINT_RESTORE"]
        );
        assert_eq!(names(1 << 41 | 1 << 63), ["CAP_41", "CAP_63"]);
        assert_eq!(names((1 << ALL_CAPABILITIES) - 1).len(), ALL_CAPABILITIES);
    }

    #[test]
    fn namespaces_of_the_host_are_told() {
        let mut records = Records::default();
        let ids = Ids { pid_ns: 9, net_ns: 2, user_ns: 3, ..Ids::default() };
        records.ids.insert(1, ids);
        let host = |records: &Records| {
            let list = namespaces(records, 1);
            list.iter().map(|it| (it.kind, it.id, it.host)).collect::<Vec<_>>()
        };
        assert_eq!(host(&records), [("pid", 9, None), ("net", 2, None), ("user", 3, None)]);
        let host_ids = Ids { pid_ns: 1, net_ns: 2, ..Ids::default() };
        records.inventory = Some(Inventory { host: Some(host_ids), ..Inventory::default() });
        let expected = [("pid", 9, Some(false)), ("net", 2, Some(true)), ("user", 3, None)];
        assert_eq!(host(&records), expected);
    }

    #[test]
    fn limits_in_their_order() {
        let mut records = Records::default();
        let limits = vec![(u64::MAX, u64::MAX), (1, 2)];
        records.cores.insert(1, Core { limits, ..Core::default() });
        let limits = limits_of(&records);
        assert_eq!(limits, [("RLIMIT_CPU", None, None), ("RLIMIT_FSIZE", Some(1), Some(2))]);
        records.cores.insert(1, Core { limits: vec![(1, 1); 99], ..Core::default() });
        assert_eq!(limits_of(&records).len(), LIMITS.len());
    }

    fn limits_of(records: &Records) -> Vec<(&'static str, Option<u64>, Option<u64>)> {
        let name = |name: &str| *LIMITS.iter().find(|it| **it == name).unwrap();
        limits(records, 1).iter().map(|it| (name(&it.resource), it.soft, it.hard)).collect()
    }
}
