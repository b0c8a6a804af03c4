//! Who a process runs as and what it may do.

use std::collections::BTreeMap;
use std::io;

use super::super::model::{ALL_CAPABILITIES, Checkpoint, Credentials, Process, ResourceLimit};
use super::{NAMES, Page};

impl Page<'_> {
    /// Users, capabilities, namespaces and limits; processes that are equal in them are named together.
    pub(super) fn privileges(&mut self, checkpoint: &Checkpoint) -> io::Result<()> {
        let mut groups: Vec<(&Process, Vec<u32>)> = Vec::new();
        let mut known = BTreeMap::new();
        for process in self.rows(&checkpoint.processes) {
            if process.credentials.is_none() && process.namespaces.is_empty() {
                continue;
            }
            let key = (&process.credentials, &process.namespaces, &process.limits);
            let at = *known.entry(key).or_insert(groups.len());
            match groups.get_mut(at) {
                Some((_, pids)) => pids.push(process.pid),
                None => groups.push((process, vec![process.pid])),
            }
        }
        for (process, pids) in groups {
            self.line("")?;
            let who = self.names(&pids, &checkpoint.processes);
            self.hanging("  ", "    ", &format!("Privileges of {who}"))?;
            self.facts(process)?;
        }
        Ok(())
    }

    fn facts(&mut self, process: &Process) -> io::Result<()> {
        if let Some(credentials) = &process.credentials {
            self.credentials(credentials)?;
        }
        let of = |host: bool| {
            let list = process.namespaces.iter().filter(|it| it.host == Some(host));
            list.map(|it| it.kind).collect::<Vec<_>>().join(" ")
        };
        self.fact("namespaces", &of(false))?;
        self.fact("of the host", &of(true))?;
        let limit = |limit: &ResourceLimit| {
            let value =
                |it: Option<u64>| it.map_or_else(|| "unlimited".to_owned(), |it| it.to_string());
            let name = limit.resource.trim_start_matches("RLIMIT_").to_lowercase();
            let (soft, hard) = (value(limit.soft), value(limit.hard));
            if soft == hard { format!("{name} {soft}") } else { format!("{name} {soft}/{hard}") }
        };
        let limited = process.limits.iter().filter(|it| it.soft.is_some() || it.hard.is_some());
        self.fact("limits", &limited.map(limit).collect::<Vec<_>>().join(", "))
    }

    fn credentials(&mut self, credentials: &Credentials) -> io::Result<()> {
        let c = credentials;
        let ids = |name: &str, ids: [u32; 4]| {
            let [real, effective, saved, fs] = ids;
            if ids == [real; 4] {
                return format!("{name} {real}");
            }
            format!("{name} {real} (effective {effective}, saved {saved}, file system {fs})")
        };
        let user = ids("uid", [c.uid, c.euid, c.suid, c.fsuid]);
        let mut text = format!("{user}, {}", ids("gid", [c.gid, c.egid, c.sgid, c.fsgid]));
        let groups = self.rows(&c.groups).iter().map(u32::to_string).collect::<Vec<_>>();
        if !groups.is_empty() {
            text = format!("{text}, groups {}", groups.join(" "));
        }
        if let Some(login) = c.login_uid {
            text = format!("{text}, logged in as {login}");
        }
        self.fact("runs as", &text)?;
        self.fact("no_new_privs", if c.no_new_privs { "yes" } else { "no" })?;
        self.fact("seccomp", c.seccomp)?;
        let profile = c.lsm_profile.as_deref().map(|profile| self.safe(profile));
        self.fact("LSM profile", &profile.unwrap_or_default())?;
        let sets = &c.capabilities;
        for (name, set) in [
            ("effective", &sets.effective),
            ("permitted", &sets.permitted),
            ("inheritable", &sets.inheritable),
            ("bounding", &sets.bounding),
            ("ambient", &sets.ambient),
        ] {
            let text = match set.len() {
                0 => "none".to_owned(),
                ALL_CAPABILITIES.. => "all".to_owned(),
                _ if name != "effective" && *set == sets.effective => "as effective".to_owned(),
                _ => set.join(" "),
            };
            self.fact(name, &text)?;
        }
        Ok(())
    }

    /// A name and its text; nothing where there is no text.
    fn fact(&mut self, name: &str, text: &str) -> io::Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        let first = format!("    {name:NAMES$}");
        let next = " ".repeat(first.len());
        self.hanging(&first, &next, text)
    }
}
