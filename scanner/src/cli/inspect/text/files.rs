//! The open files of a process, in the manner of lsof(8).

use std::collections::BTreeMap;
use std::io;

use super::super::model::{Checkpoint, OpenFile, Opener, Process, Socket};
use super::Page;
use super::table::Side::{Left, Right};
use crate::report::bytes;

/// Sockets by the pid and descriptor of those who have them open.
pub(super) type Sockets<'a> = BTreeMap<(u32, u32), &'a Socket>;

/// The sockets of a checkpoint for [`Page::files`].
pub(super) fn sockets(checkpoint: &Checkpoint) -> Sockets<'_> {
    let each = |socket| move |opener: &Opener| ((opener.pid, opener.fd), socket);
    let sockets = checkpoint.sockets.iter();
    sockets.flat_map(|socket| socket.open_by.iter().map(each(socket))).collect()
}

impl Page<'_> {
    /// What the container has removed of its image.
    pub(super) fn deleted(&mut self, checkpoint: &Checkpoint) -> io::Result<()> {
        if checkpoint.deleted.is_empty() {
            return Ok(());
        }
        self.line("")?;
        self.heading("  Removed from the image".to_owned())?;
        for path in self.rows(&checkpoint.deleted) {
            let emptied = if path.ends_with('/') { " (all that it held)" } else { "" };
            let path = self.safe(path);
            self.line(format!("    {path}{emptied}"))?;
        }
        self.omitted(checkpoint.deleted.len(), "more path", "more paths")
    }

    /// A line for each descriptor.
    pub(super) fn files(&mut self, process: &Process, sockets: &Sockets<'_>) -> io::Result<()> {
        let Some(files) = &process.files else { return Ok(()) };
        self.line("")?;
        let who = self.names(&[process.pid], std::slice::from_ref(process));
        let folder = |path: &Option<String>, what| {
            path.as_deref().map(|path| format!(", {what} {}", self.safe(path))).unwrap_or_default()
        };
        let root = process.root.clone().filter(|root| root != "/");
        let (cwd, root) = (folder(&process.cwd, "in"), folder(&root, "root"));
        self.heading(format!("  Open files of {who}{cwd}{root}"))?;
        if files.is_empty() {
            return self.line("    none");
        }
        let row = |file: &OpenFile| {
            let size = file.size.map_or_else(|| "-".to_owned(), bytes);
            let mode = file.mode.clone().unwrap_or_else(|| "-".to_owned());
            let position = file.position.filter(|_| file.kind != "directory");
            let position = position.map_or_else(|| "-".to_owned(), |it| it.to_string());
            let number = format!("{}{}", file.fd, access(file));
            [
                number,
                file.kind.to_owned(),
                mode,
                size,
                position,
                self.file(process.pid, file, sockets),
            ]
        };
        let rows: Vec<_> = self.rows(files).iter().map(row).collect();
        let columns = [
            ("FD", Right),
            ("KIND", Left),
            ("MODE", Left),
            ("SIZE", Right),
            ("OFFSET", Right),
            ("FILE", Left),
        ];
        self.table(columns, &rows)?;
        self.omitted(files.len(), "more file", "more files")
    }

    /// Path, socket or number of an open file.
    fn file(&self, pid: u32, file: &OpenFile, sockets: &Sockets<'_>) -> String {
        let deleted = if file.deleted { " (deleted)" } else { "" };
        if let Some(path) = &file.path {
            return self.safe(path) + deleted;
        }
        if let Some(socket) = sockets.get(&(pid, file.fd)) {
            return self.socket(socket);
        }
        match file.inode {
            Some(inode) => format!("{}:[{inode}]", file.kind),
            None => "-".to_owned(),
        }
    }
}

/// The letter that lsof puts behind a descriptor.
fn access(file: &OpenFile) -> &'static str {
    match file.flags.first().copied() {
        Some("O_RDONLY") => "r",
        Some("O_WRONLY") => "w",
        Some("O_RDWR") => "u",
        // A column of numbers with some letters is easier to read when all stand below each other.
        _ => " ",
    }
}
