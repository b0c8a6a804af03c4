//! The mounts.

use std::io;

use super::super::model::{Checkpoint, Mount};
use super::Page;
use super::table::Side::Left;

impl Page<'_> {
    /// A line for each mount.
    pub(super) fn mounts(&mut self, checkpoint: &Checkpoint) -> io::Result<()> {
        if checkpoint.mounts.is_empty() {
            return Ok(());
        }
        self.line("")?;
        self.heading("  Mounts".to_owned())?;
        let row = |mount: &Mount| {
            let fstype = mount.fstype.as_deref().unwrap_or("-");
            let (place, fstype) = (self.safe(&mount.mountpoint), self.safe(fstype));
            let from = if mount.external { "outside" } else { "-" };
            [place, fstype, mount.flags.join(","), from.to_owned(), self.source(mount)]
        };
        let rows: Vec<_> = self.rows(&checkpoint.mounts).iter().map(row).collect();
        let columns = [
            ("MOUNT POINT", Left),
            ("TYPE", Left),
            ("FLAGS", Left),
            ("FROM", Left),
            ("SOURCE", Left),
        ];
        self.table(columns, &rows)?;
        self.omitted(checkpoint.mounts.len(), "more mount", "more mounts")
    }

    /// What is mounted: a path on the host, or a device and the folder of its file system. Options of
    /// the file system are long, and few of them tell anything.
    fn source(&self, mount: &Mount) -> String {
        let options = Some(&mount.options).filter(|it| self.style.verbose && !it.is_empty());
        let options = options.map(|it| format!("; {}", self.safe(it))).unwrap_or_default();
        if let Some(path) = &mount.host_path {
            return self.safe(path) + &options;
        }
        let root = Some(&mount.root).filter(|root| *root != "/");
        let root = root.map(|root| format!("[{}]", self.safe(root))).unwrap_or_default();
        format!("{}{root}{options}", self.safe(&mount.source))
    }
}
