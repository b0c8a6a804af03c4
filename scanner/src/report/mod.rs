//! Records and the formats they are written in.
//!
//! A format sees records only, one after the other, and writes what it makes of them: what a
//! report shows can therefore be made again from its JSON Lines.

use std::io::{self, Write};

mod jsonl;
mod plain;
mod record;
#[cfg(test)]
pub(crate) mod sample;
mod sarif;
#[cfg(feature = "dev")]
mod schema;
mod text;

pub use plain::escape;
#[cfg(feature = "cli")]
pub(crate) use plain::{Line, bytes, is_harmful, number, paragraph, safe};

#[cfg(feature = "cli")]
pub(crate) use text::{describe_place, diagnostics};

pub use record::{
    CheckpointRecord, Container, CoverageRecord, DiagnosticRecord, List, Measured, Pod, Record,
    Rules, Run, SCHEMA, SeverityCounts, Summary, Tool, Verdict,
};
#[cfg(feature = "dev")]
pub use schema::schema;
#[cfg(feature = "dev")]
pub(crate) use schema::sort;

/// Writes records in one format.
pub trait Report {
    /// Takes the next record. The first one is `run`, the last one `summary`.
    ///
    /// # Errors
    /// When the output cannot be written.
    fn record(&mut self, record: &Record) -> io::Result<()>;

    /// Writes what is left; nothing more is recorded after it.
    ///
    /// # Errors
    /// When the output cannot be written.
    fn finish(&mut self) -> io::Result<()>;
}

/// What the reader of a report made for people wants to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Everything, not only what fits on a screen.
    pub verbose: bool,
    /// Terminal colours.
    pub color: bool,
    /// Columns of a line.
    pub width: usize,
}

impl Default for Style {
    fn default() -> Self {
        Self { verbose: false, color: false, width: 100 }
    }
}

/// A format that reports can be written in.
#[derive(Debug)]
pub struct Format {
    /// What the user calls it.
    pub name: &'static str,
    /// One line for the help page.
    pub help: &'static str,
    /// Starts a report.
    pub make: fn(Box<dyn Write + Send>, &Style) -> Box<dyn Report>,
}

/// Every format, in the order of the help page.
pub const FORMATS: &[Format] =
    &[text::FORMAT, jsonl::FORMAT, sarif::FULL, sarif::GITHUB, sarif::GITLAB];

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    pub(super) struct Shared(pub(super) Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What a format makes of records.
    pub(super) fn written(format: &Format, style: &Style, records: &[Record]) -> String {
        let out = Shared::default();
        let mut report = (format.make)(Box::new(out.clone()), style);
        for record in records {
            report.record(record).unwrap();
        }
        report.finish().unwrap();
        let bytes = out.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn formats_have_distinct_names_and_help() {
        for (index, format) in FORMATS.iter().enumerate() {
            assert!(!format.help.is_empty(), "{}", format.name);
            assert!(FORMATS[..index].iter().all(|other| other.name != format.name));
        }
    }
}
