//! Where reports go: standard output and files.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::value::Output;
use crate::report::{Format, Record, Report, Style};

/// All reports of a run.
pub(super) struct Reports {
    /// `None` once the reader has gone away.
    stdout: Option<Box<dyn Report>>,
    files: Vec<(Box<dyn Report>, Pending)>,
}

impl Reports {
    /// Opens all of them before the scan starts, so that a wrong path costs no time.
    pub(super) fn open(format: &Format, style: &Style, outputs: &[Output]) -> anyhow::Result<Self> {
        let plain = Style { verbose: style.verbose, ..Style::default() };
        let mut files: Vec<(Box<dyn Report>, Pending)> = Vec::new();
        for Output { format, path } in outputs {
            if files.iter().any(|(_, other)| other.path == *path) {
                bail!("{}: two reports cannot go to one file", path.display());
            }
            let (file, pending) =
                Pending::create(path).with_context(|| path.display().to_string())?;
            files.push(((format.make)(Box::new(BufWriter::new(file)), &plain), pending));
        }
        Ok(Self { stdout: Some((format.make)(Box::new(io::stdout()), style)), files })
    }

    /// Gives a record to every report.
    ///
    /// # Errors
    /// When a file cannot be written, or nobody reads standard output and there is no file.
    pub(super) fn record(&mut self, record: &Record) -> io::Result<()> {
        for (report, file) in &mut self.files {
            report.record(record).map_err(|error| file.named(&error))?;
        }
        let written = self.stdout.as_mut().map_or(Ok(()), |stdout| stdout.record(record));
        self.unless_closed(written)
    }

    /// Whether nobody is left to read: the reader of standard output has gone away, no file is asked for.
    pub(super) fn nobody_reads(&self) -> bool {
        self.stdout.is_none() && self.files.is_empty()
    }

    /// Completes every report; files appear under their names.
    ///
    /// # Errors
    /// When a report cannot be written, or nobody reads standard output and there is no file.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        // Files first: quitting the pager must not cost them.
        for (report, file) in &mut self.files {
            let done = report.finish().and_then(|()| file.commit());
            done.map_err(|error| file.named(&error))?;
        }
        let written = self.stdout.as_mut().map_or(Ok(()), |stdout| stdout.finish());
        self.unless_closed(written)
    }

    fn unless_closed(&mut self, written: io::Result<()>) -> io::Result<()> {
        match written {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.stdout = None;
                if self.files.is_empty() { Err(error) } else { Ok(()) }
            }
            written => written,
        }
    }
}

/// A file that appears under its name when it is complete, readable by its owner only.
struct Pending {
    path: PathBuf,
    /// Where it is until then; `None` if it is written in place, or done.
    temporary: Option<PathBuf>,
}

impl Pending {
    fn create(path: &Path) -> io::Result<(File, Self)> {
        if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
            // A pipe or a device; opening a folder fails as it should.
            let file = OpenOptions::new().write(true).open(path)?;
            return Ok((file, Self { path: path.to_owned(), temporary: None }));
        }
        let name = path.file_name().ok_or(ErrorKind::InvalidInput)?;
        let mut attempt = 0u32;
        loop {
            let mut hidden = OsString::from(".");
            hidden.push(name);
            hidden.push(format!(".{}-{attempt}.tmp", std::process::id()));
            let temporary = path.with_file_name(hidden);
            match private().open(&temporary) {
                Ok(file) => {
                    return Ok((file, Self { path: path.to_owned(), temporary: Some(temporary) }));
                }
                // A run that was killed left it behind.
                Err(error) if error.kind() == ErrorKind::AlreadyExists && attempt < 100 => {
                    attempt += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn commit(&mut self) -> io::Result<()> {
        if let Some(temporary) = &self.temporary {
            fs::rename(temporary, &self.path)?;
            self.temporary = None;
        }
        Ok(())
    }

    /// The error with the path; never of the kind that standard output is known by.
    fn named(&self, error: &io::Error) -> io::Error {
        io::Error::other(format!("{}: {error}", self.path.display()))
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            // It may be gone; there is nobody to tell.
            fs::remove_file(temporary).unwrap_or_default();
        }
    }
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Writes a line to standard error; that it cannot be read is no reason to stop.
pub(super) fn complain(text: &str) {
    writeln!(io::stderr(), "cryoscan: {text}").unwrap_or_default();
}

/// Writes a line below another one to standard error.
pub(super) fn explain(text: &str) {
    writeln!(io::stderr(), "{text}").unwrap_or_default();
}
