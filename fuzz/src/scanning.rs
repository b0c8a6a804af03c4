//! Whole scans, with limits so small that an input cannot take long, and what every report must hold.

use std::path::PathBuf;
use std::sync::LazyLock;
use std::{fs, io};

use cryoscan::limits::Limits;
use cryoscan::report::Record;
use cryoscan::scan::{Outcome, Prepared, Progress, Settings, Target, scan_with};
use cryoscan_tests::builder::{Archive, Checkpoint, Process, Producer};
use cryoscan_tests::scanned::Part;
use serde_json::Value;

/// The built-in rules take longer to compile than an input takes to scan.
static PREPARED: LazyLock<Prepared> =
    LazyLock::new(|| Prepared::new(&settings()).expect("the built-in rules load"));

/// Bounds for one input.
pub(crate) fn limits() -> Limits {
    Limits {
        nesting: 5,
        members: 1_000,
        decoded_bytes: 4 << 20,
        expansion_floor: 1 << 20,
        kept_member_bytes: 1 << 20,
        kept_bytes: 4 << 20,
        record_bytes: 1 << 20,
        records: 10_000,
        late_pages_bytes: 64 << 10,
        findings: 50,
        holders_per_value: 4,
        unproven: 20,
        listed: 20,
        diagnostics_per_code: 5,
        ..Limits::default()
    }
}

/// What all scans of targets are made with.
pub(crate) fn settings() -> Settings {
    Settings { limits: limits(), memory: 8 << 20, ..Settings::default() }
}

/// A report: its records, also as they are in JSON Lines, and what came of it.
#[derive(Debug)]
pub(crate) struct Scanned {
    pub(crate) records: Vec<Record>,
    pub(crate) values: Vec<Value>,
    pub(crate) outcome: Outcome,
}

impl Scanned {
    /// Fails when something is wrong with the report itself: a ledger that does not add up, bytes
    /// that were lost in silence, a fault of the program.
    pub(crate) fn check(&self) {
        let error = self.outcome.failed.first().map(|(_, error)| error);
        let part = Part { error, records: self.values.get(1..).unwrap_or_default() };
        assert_eq!(part.faults(), Vec::<String>::new());
    }
}

fn scan(target: Target, settings: &Settings, mut stdin: &[u8]) -> Scanned {
    let (mut records, mut values) = (Vec::new(), Vec::new());
    let emit = &mut |record: Record| {
        values.push(serde_json::to_value(&record)?);
        records.push(record);
        Ok(())
    };
    let progress = Progress::default();
    let outcome = scan_with(&PREPARED, &[target], settings, &progress, &mut stdin, emit);
    Scanned { records, values, outcome: outcome.expect("nothing is written") }
}

/// Scans bytes that come through a pipe.
pub(crate) fn pipe(bytes: &[u8], settings: &Settings) -> Scanned {
    scan(Target::Stdin, settings, bytes)
}

/// Scans bytes in a file, the same one for every input of this thread.
pub(crate) fn file(bytes: &[u8], settings: &Settings) -> Scanned {
    let path = path();
    fs::write(&path, bytes).expect("a file for the target");
    let scanned = scan(Target::Path(path.clone()), settings, &[]);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => panic!("{error}"),
        _ => scanned,
    }
}

fn path() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    let folder = if memory.is_dir() { memory } else { std::env::temp_dir() };
    let thread = format!("{:?}", std::thread::current().id());
    let thread: String = thread.chars().filter(char::is_ascii_digit).collect();
    folder.join(format!("cryoscan-fuzz-{}-{thread}", std::process::id()))
}

/// A small checkpoint with these files in place of its own, at the top and beside the images.
pub(crate) fn checkpoint_with<'a>(
    producer: Producer,
    top: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    images: impl IntoIterator<Item = (&'a str, &'a [u8])>,
) -> Archive {
    let mut checkpoint = Checkpoint::new().process(Process::new(1, "a"));
    for (name, content) in images {
        checkpoint = checkpoint.file(name, content);
    }
    let mut archive = Archive::default();
    let top: Vec<_> = top.into_iter().collect();
    for (name, content) in Archive::of(producer, &checkpoint).files() {
        if top.iter().all(|(other, _)| *other != name) {
            archive = archive.member(name, content);
        }
    }
    top.into_iter().fold(archive, |archive, (name, content)| archive.member(name, content))
}
