//! The results on their way out, with the envelope around them.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;
use serde_sarif::sarif::Result;

use crate::check::{Confidence, Severity};

/// Identifies the schema that the report follows: the standard with its errata.
const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// Writes results as they come or, where a service takes so many only, the worst of them at the end.
pub(super) struct Stream {
    out: Box<dyn Write + Send>,
    begun: bool,
    written: u64,
    most: Option<usize>,
    held: BTreeMap<Rank, Vec<u8>>,
    met: u64,
}

/// Worst first, then as they came.
type Rank = (Reverse<Severity>, Reverse<Confidence>, u64);

impl Stream {
    /// `most`: results that the service takes; `None` if there is no limit.
    pub(super) fn new(out: Box<dyn Write + Send>, most: Option<usize>) -> Self {
        Self { out, begun: false, written: 0, most, held: BTreeMap::new(), met: 0 }
    }

    /// Takes a result.
    pub(super) fn result(
        &mut self,
        severity: Severity,
        confidence: Confidence,
        result: &Result,
    ) -> io::Result<()> {
        let line = serde_json::to_vec(result)?;
        self.met = self.met.saturating_add(1);
        let Some(most) = self.most else { return self.write(&line) };
        self.held.insert((Reverse(severity), Reverse(confidence), self.met), line);
        if self.held.len() > most {
            // Nothing is to be done with the mildest of them.
            drop(self.held.pop_last());
        }
        Ok(())
    }

    /// Writes what was held back, and says how many results were left out.
    pub(super) fn results_done(&mut self) -> io::Result<u64> {
        for line in std::mem::take(&mut self.held).values() {
            self.write(line)?;
        }
        self.begin()?;
        self.out.write_all(b"\n]")?;
        Ok(self.met.saturating_sub(self.written))
    }

    /// Writes another member of the run; only behind the results.
    pub(super) fn member(&mut self, name: &str, value: &impl Serialize) -> io::Result<()> {
        write!(self.out, ",\n\"{name}\":")?;
        serde_json::to_writer(&mut self.out, value)?;
        Ok(())
    }

    /// Writes a table, an entry a line.
    pub(super) fn table(
        &mut self,
        name: &str,
        entries: impl Iterator<Item = impl Serialize>,
    ) -> io::Result<()> {
        let mut separator = "";
        write!(self.out, ",\n\"{name}\":[")?;
        for entry in entries {
            writeln!(self.out, "{separator}")?;
            serde_json::to_writer(&mut self.out, &entry)?;
            separator = ",";
        }
        self.out.write_all(b"]")
    }

    /// Ends the file.
    pub(super) fn end(&mut self) -> io::Result<()> {
        self.out.write_all(b"}]}\n")?;
        self.out.flush()
    }

    fn begin(&mut self) -> io::Result<()> {
        if !self.begun {
            self.begun = true;
            let head = "\"version\":\"2.1.0\",\n\"runs\":[{\"results\":[";
            write!(self.out, "{{\"$schema\":\"{SCHEMA}\",{head}")?;
        }
        Ok(())
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        self.begin()?;
        self.out.write_all(if self.written == 0 { b"\n" } else { b",\n" })?;
        self.written = self.written.saturating_add(1);
        self.out.write_all(line)
    }
}
