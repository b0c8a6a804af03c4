//! `cryoscan inspect`: who was frozen, with which processes, files, sockets, mounts and memory.

use std::io::{self, Write};
use std::thread;

use anyhow::{Context, anyhow};

use self::args::InspectFormat;
use crate::report::{Style, is_harmful};
use crate::scan::{self, Settings};

mod args;
mod mask;
mod model;
mod text;
mod tree;

pub(super) use args::InspectArgs;
pub use model::{
    Address, Capabilities, Checkpoint, Credentials, Endpoint, Inspection, KindOfMemory, Missing,
    Mount, Namespace, OpenFile, Opener, Process, ResourceLimit, SCHEMA, Shared, SharedMapping,
    Socket, Vma,
};
pub use text::{Parts, text};

/// The exit code when something could not be read, as of a scan.
const INCOMPLETE: u8 = 3;

/// Shows what a checkpoint holds, and gives the exit code.
pub(super) fn run(args: InspectArgs, style: &Style) -> anyhow::Result<u8> {
    let parts = args.parts(style.verbose);
    let target = super::target(args.target);
    let settings = Settings {
        threads: thread::available_parallelism().map_or(1, usize::from),
        raw: args.raw,
        ..Settings::default()
    };
    let name = target.name();
    let described = scan::inspect(&target, &settings).with_context(|| name.clone())?;
    let mut inspection = Inspection::new(&described);
    drop(described);
    let filter = args.filter.filter();
    if !filter.is_empty() {
        let kept = inspection.keep(&filter);
        kept.map_err(|missing| anyhow!("{name}: {missing}"))?;
    }
    // What was read of the archive is as incomplete when one process of it is looked at.
    let code = if inspection.is_complete() || args.allow_incomplete { 0 } else { INCOMPLETE };
    let mut out = io::BufWriter::new(io::stdout().lock());
    let written = match args.format {
        InspectFormat::Json => json(&inspection, &mut out),
        InspectFormat::Text => text(&inspection, parts, style, &mut out),
    };
    match written.and_then(|()| out.flush()) {
        // A reader that has gone away has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(code),
        written => Ok(written.map(|()| code)?),
    }
}

/// Writes all of it as one JSON object, with a line end behind it. What could move the cursor of a
/// terminal is written as `\uXXXX`, which is the same string to every reader of JSON.
///
/// # Errors
/// When it cannot be written.
pub fn json(inspection: &Inspection, out: &mut dyn Write) -> io::Result<()> {
    let plain = serde_json::to_string_pretty(inspection)?;
    let mut from = 0;
    // Outside of strings only line feeds are control characters, and inside there are none.
    for (at, char) in plain.char_indices().filter(|(_, it)| *it != '\n' && is_harmful(*it)) {
        out.write_all(plain.as_bytes().get(from..at).unwrap_or_default())?;
        for unit in char.encode_utf16(&mut [0; 2]) {
            write!(out, "\\u{unit:04x}")?;
        }
        from = at + char.len_utf8();
    }
    out.write_all(plain.as_bytes().get(from..).unwrap_or_default())?;
    out.write_all(b"\n")
}

/// The JSON Schema of [`json`], as it is kept in `docs/generated/inspect.schema.json`.
///
/// # Errors
/// Never in practice: a schema is always valid JSON.
#[cfg(feature = "dev")]
pub fn schema() -> serde_json::Result<String> {
    let settings = schemars::generate::SchemaSettings::draft2020_12().for_serialize();
    let mut schema = settings.into_generator().into_root_schema_for::<Inspection>();
    crate::report::sort(&mut schema);
    Ok(serde_json::to_string_pretty(&schema)? + "\n")
}

#[cfg(test)]
mod tests {
    #[cfg(feature = "dev")]
    #[test]
    fn the_schema_file_is_fresh() {
        let kept = include_str!("../../../docs/generated/inspect.schema.json");
        assert!(kept == super::schema().unwrap(), "run `cryoscan dev generate`");
    }
}
