//! core-TID.img and ids-PID.img: what a thread is and may do, and which objects its process has.

use cryoscan_proto::{CoreEntry, CredsEntry, TaskKobjIdsEntry};

use super::{Image, ImageError, Key, Records};

/// Whether a process was alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskState {
    /// It ran or slept.
    Alive,
    /// It had ended and nobody had waited for it: it has no memory.
    Zombie,
    /// A signal had stopped it.
    Stopped,
    /// A number that CRIU does not write.
    Other(u32),
}

/// One thread. The fields that belong to the process are set in its leader only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Core {
    /// 1 x86_64, 2 arm, 3 aarch64, 4 ppc64, 5 s390, 6 mips, 7 loongarch64, 8 riscv64.
    pub machine: u32,
    /// Name of the process (leader) or thread, 15 bytes or less; the program may have chosen it.
    pub comm: Vec<u8>,
    /// State of the process; `None` in a thread that is no leader.
    pub state: Option<TaskState>,
    /// The user who logged in, if audit knew one.
    pub loginuid: Option<u32>,
    /// Who it runs as and what it may do.
    pub creds: Option<Creds>,
    /// 0 off, 1 strict, 2 filter.
    pub seccomp: u32,
    /// Key into [`Records::cgroups`].
    pub cgroup_set: Option<u32>,
    /// Soft and hard limits of the process, in the order of `RLIMIT_…`; all bits set: none.
    pub limits: Vec<(u64, u64)>,
    /// Saved stack pointer, on x86 and aarch64.
    pub stack_pointer: Option<u64>,
}

/// Credentials of a thread. A set of capabilities has the bit of each (1 << CAP_…).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "names of credentials(7) and capabilities(7)")]
pub struct Creds {
    pub uid: u32,
    pub gid: u32,
    pub euid: u32,
    pub egid: u32,
    pub suid: u32,
    pub sgid: u32,
    pub fsuid: u32,
    pub fsgid: u32,
    pub groups: Vec<u32>,
    pub cap_inheritable: u64,
    pub cap_permitted: u64,
    pub cap_effective: u64,
    pub cap_bounding: u64,
    pub cap_ambient: u64,
    pub securebits: u32,
    pub no_new_privs: bool,
    pub lsm_profile: Vec<u8>,
}

/// Kernel objects of a process: equal numbers are the same object. 0: not given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ids {
    /// Address space.
    pub vm_id: u32,
    /// Descriptor table: N of fdinfo-N.img.
    pub files_id: u32,
    /// Working directory and root.
    pub fs_id: u32,
    /// Pid namespace.
    pub pid_ns: u32,
    /// Network namespace.
    pub net_ns: u32,
    /// SysV IPC namespace.
    pub ipc_ns: u32,
    /// Host name namespace.
    pub uts_ns: u32,
    /// Mount namespace.
    pub mnt_ns: u32,
    /// User namespace.
    pub user_ns: u32,
    /// Cgroup namespace.
    pub cgroup_ns: u32,
    /// Clock namespace.
    pub time_ns: u32,
}

pub(super) fn decode(
    image: &mut Image<'_>,
    tid: Key,
    records: &mut Records,
) -> Result<(), ImageError> {
    let entry: CoreEntry = image.required()?;
    if let Some(ids) = &entry.ids {
        records.ids.entry(tid).or_insert_with(|| Ids::from(*ids));
    }
    records.cores.entry(tid).or_insert_with(|| Core::from(entry));
    Ok(())
}

pub(super) fn ids(
    image: &mut Image<'_>,
    pid: Key,
    records: &mut Records,
) -> Result<(), ImageError> {
    let entry: TaskKobjIdsEntry = image.required()?;
    records.ids.entry(pid).or_insert_with(|| entry.into());
    Ok(())
}

impl From<u32> for TaskState {
    /// The numbers of criu/include/pid.h: a zombie is 2 or 6.
    fn from(state: u32) -> Self {
        match state {
            1 => Self::Alive,
            2 | 6 => Self::Zombie,
            3 => Self::Stopped,
            other => Self::Other(other),
        }
    }
}

impl From<CoreEntry> for Core {
    fn from(entry: CoreEntry) -> Self {
        let x86 = entry.thread_info.and_then(|info| info.gpregs?.sp);
        let aarch64 = entry.ti_aarch64.and_then(|info| info.gpregs?.sp);
        let mut core = Self {
            machine: entry.mtype.unwrap_or(0),
            stack_pointer: x86.or(aarch64),
            ..Self::default()
        };
        if let Some(thread) = entry.thread_core {
            core.seccomp = thread.seccomp_mode();
            core.cgroup_set = thread.cg_set;
            core.creds = thread.creds.map(Creds::from);
            core.comm = thread.comm.unwrap_or_default();
        }
        if let Some(task) = entry.tc {
            core.state = task.task_state.map(TaskState::from);
            core.loginuid = task.loginuid.filter(|&uid| uid != u32::MAX);
            // Older images keep these in the process instead of the thread.
            if let Some(mode) = task.old_seccomp_mode {
                core.seccomp = core.seccomp.max(mode);
            }
            core.cgroup_set = core.cgroup_set.or(task.cg_set);
            let limits = task.rlimits.map(|list| list.rlimits).unwrap_or_default();
            core.limits = limits.iter().map(|limit| (limit.cur(), limit.max())).collect();
            if let Some(comm) = task.comm {
                core.comm = comm;
            }
        }
        core
    }
}

impl From<CredsEntry> for Creds {
    fn from(entry: CredsEntry) -> Self {
        Self {
            uid: entry.uid(),
            gid: entry.gid(),
            euid: entry.euid(),
            egid: entry.egid(),
            suid: entry.suid(),
            sgid: entry.sgid(),
            fsuid: entry.fsuid(),
            fsgid: entry.fsgid(),
            cap_inheritable: bits(&entry.cap_inh),
            cap_permitted: bits(&entry.cap_prm),
            cap_effective: bits(&entry.cap_eff),
            cap_bounding: bits(&entry.cap_bnd),
            cap_ambient: bits(&entry.cap_amb),
            securebits: entry.secbits(),
            no_new_privs: entry.no_new_privs() != 0,
            groups: entry.groups,
            lsm_profile: entry.lsm_profile.unwrap_or_default(),
        }
    }
}

/// Two words, the low one first.
fn bits(words: &[u32]) -> u64 {
    let word = |index: usize| u64::from(words.get(index).copied().unwrap_or(0));
    word(0) | word(1) << 32
}

impl From<TaskKobjIdsEntry> for Ids {
    fn from(entry: TaskKobjIdsEntry) -> Self {
        Self {
            vm_id: entry.vm_id(),
            files_id: entry.files_id(),
            fs_id: entry.fs_id(),
            pid_ns: entry.pid_ns_id(),
            net_ns: entry.net_ns_id(),
            ipc_ns: entry.ipc_ns_id(),
            uts_ns: entry.uts_ns_id(),
            mnt_ns: entry.mnt_ns_id(),
            user_ns: entry.user_ns_id(),
            cgroup_ns: entry.cgroup_ns_id(),
            time_ns: entry.time_ns_id(),
        }
    }
}

#[cfg(test)]
mod tests {
    use cryoscan_proto::{TaskCoreEntry, ThreadCoreEntry, ThreadInfoX86, UserX86RegsEntry};

    use super::*;
    use crate::criu::sample::single;

    #[test]
    fn a_leader() {
        let creds = CredsEntry {
            uid: Some(33),
            cap_eff: vec![1 << 10, 1], // CAP_NET_BIND_SERVICE and, in the second word, capability 32
            no_new_privs: Some(1),
            ..Default::default()
        };
        let thread = ThreadCoreEntry {
            creds: Some(creds),
            seccomp_mode: Some(2),
            comm: Some(b"nginx".to_vec()),
            cg_set: Some(4),
            ..Default::default()
        };
        let task = TaskCoreEntry {
            task_state: Some(1),
            comm: Some(b"nginx".to_vec()),
            loginuid: Some(u32::MAX),
            ..Default::default()
        };
        let gpregs = UserX86RegsEntry { sp: Some(0x7ffc_0000_0000), ..Default::default() };
        let entry = CoreEntry {
            mtype: Some(1),
            thread_info: Some(ThreadInfoX86 { gpregs: Some(gpregs), fpregs: None }),
            tc: Some(task),
            thread_core: Some(thread),
            ..Default::default()
        };
        let core = &single("core-7.img", &entry).cores[&7];
        assert_eq!((core.comm.as_slice(), core.state), (&b"nginx"[..], Some(TaskState::Alive)));
        assert_eq!((core.seccomp, core.cgroup_set, core.loginuid), (2, Some(4), None));
        assert_eq!(core.stack_pointer, Some(0x7ffc_0000_0000));
        let creds = core.creds.as_ref().expect("the thread has credentials");
        assert_eq!((creds.uid, creds.cap_effective), (33, 1 << 32 | 1 << 10));
        assert!(creds.no_new_privs);
    }

    #[test]
    fn a_zombie_and_a_thread() {
        let task = TaskCoreEntry { task_state: Some(6), ..Default::default() };
        let zombie = CoreEntry { tc: Some(task), ..Default::default() };
        assert_eq!(single("core-8.img", &zombie).cores[&8].state, Some(TaskState::Zombie));
        let thread = ThreadCoreEntry { comm: Some(b"worker".to_vec()), ..Default::default() };
        let thread = CoreEntry { thread_core: Some(thread), ..Default::default() };
        let core = &single("core-9.img", &thread).cores[&9];
        assert_eq!((core.comm.as_slice(), core.state), (&b"worker"[..], None));
    }

    #[test]
    fn ids_come_from_their_image_or_from_an_old_core() {
        let ids = TaskKobjIdsEntry { files_id: Some(2), net_ns_id: Some(10), ..Default::default() };
        let expected = Ids { files_id: 2, net_ns: 10, ..Ids::default() };
        assert_eq!(single("ids-1.img", &ids).ids[&1], expected);
        let core = CoreEntry { ids: Some(ids), ..Default::default() };
        assert_eq!(single("core-1.img", &core).ids[&1], expected);
    }
}
