//! Runs the scanner as a library, and says what every report must hold.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use cryoscan::matching::Kernel;
use cryoscan::report::Record;
use cryoscan::scan::{self, Outcome, Prepared, Progress, ScanError, Settings, Target};
use serde_json::Value;

use crate::recall::canonical;

/// Where several reports can be written to and read from.
#[derive(Debug, Clone, Default)]
pub struct Sink(Arc<Mutex<Vec<u8>>>);

impl Sink {
    /// What was written.
    pub fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a scan has reported.
#[derive(Debug)]
pub struct Scanned {
    /// The records as JSON Lines, without the summary, which belongs to the command line.
    pub lines: Vec<String>,
    /// The records.
    pub records: Vec<Value>,
    /// What came of it.
    pub outcome: Outcome,
}

/// Settings that show values, so that a test can compare them.
pub fn revealing() -> Settings {
    Settings { show_secrets: true, ..Settings::default() }
}

/// Scans files and folders.
///
/// # Panics
/// When the scan cannot be made at all.
pub fn scan(paths: &[&Path], settings: &Settings) -> Scanned {
    let targets: Vec<Target> = paths.iter().map(|path| Target::Path(path.to_path_buf())).collect();
    collect(&targets, settings, &mut io::empty())
}

/// Scans the bytes of a pipe.
///
/// # Panics
/// When the scan cannot be made at all.
pub fn scan_pipe(bytes: &[u8], settings: &Settings) -> Scanned {
    collect(&[Target::Stdin], settings, &mut Trickle(bytes))
}

/// Scans an archive.
///
/// # Panics
/// When it cannot be written to the temporary folder, and as [`scan()`].
pub fn scan_bytes(bytes: &[u8], settings: &Settings) -> Scanned {
    let files = Files::new();
    let path = files.add("target", bytes);
    scan(&[&path], settings)
}

/// Scans an archive, and holds the report to what every report must hold.
///
/// # Panics
/// When a report has [`Part::faults`], and as [`scan_bytes`].
pub fn checked(bytes: &[u8]) -> Scanned {
    let scanned = scan_bytes(bytes, &revealing());
    assert_eq!(scanned.whole().faults(), Vec::<String>::new());
    assert_eq!(scanned.outcome.complete, !scanned.whole().is_incomplete());
    scanned
}

/// Patterns of the user, and the kernel that was forced.
type Compiled = (Vec<String>, Option<&'static str>);

/// The built-in rules, compiled once in a process for all scans that have the same patterns and kernel: without
/// optimization that takes longer than most scans of tests.
fn prepared(settings: &Settings) -> Option<Arc<Prepared>> {
    static PREPARED: Mutex<BTreeMap<Compiled, Arc<Prepared>>> = Mutex::new(BTreeMap::new());
    let Settings { rules, indicators, fingerprint_key, grep, kernel, .. } = settings;
    if rules.is_some() || indicators.is_some() || fingerprint_key.is_some() {
        return None;
    }
    let mut all = PREPARED.lock().unwrap_or_else(PoisonError::into_inner);
    match all.entry((grep.clone(), kernel.map(Kernel::name))) {
        Entry::Occupied(known) => Some(Arc::clone(known.get())),
        Entry::Vacant(free) => {
            Prepared::new(settings).ok().map(|made| Arc::clone(free.insert(Arc::new(made))))
        }
    }
}

#[expect(clippy::expect_used, reason = "a scan that cannot be made fails its test")]
fn collect(targets: &[Target], settings: &Settings, stdin: &mut dyn Read) -> Scanned {
    let (mut lines, mut records) = (Vec::new(), Vec::new());
    let mut emit = |record: Record| {
        let line = serde_json::to_string(&record)?;
        records.push(serde_json::from_str(&line)?);
        lines.push(line);
        Ok(())
    };
    let progress = Progress::default();
    let outcome = match prepared(settings) {
        Some(known) => scan::scan_with(&known, targets, settings, &progress, stdin, &mut emit),
        None => scan::scan_from(targets, settings, &progress, stdin, &mut emit),
    };
    Scanned { lines, records, outcome: outcome.expect("rules that load") }
}

/// Gives few bytes at a time, as a pipe does.
struct Trickle<'a>(&'a [u8]);

impl Read for Trickle<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let most = buf.len().min(4001);
        self.0.read(buf.get_mut(..most).unwrap_or_default())
    }
}

/// The records of one target of a scan.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// Why nothing could be said of it.
    pub error: Option<&'a ScanError>,
    /// Its records.
    pub records: &'a [Value],
}

impl Scanned {
    /// All of the records, of a scan of one target.
    pub fn whole(&self) -> Part<'_> {
        let records = self.records.get(1..).unwrap_or_default();
        Part { error: self.outcome.failed.first().map(|(_, error)| error), records }
    }

    /// The part of each target, in the order they were given.
    pub fn parts(&self, paths: &[&Path]) -> Vec<Part<'_>> {
        let mut rest = self.records.get(1..).unwrap_or_default();
        let part = |path: &&Path| {
            let name = Target::Path(path.to_path_buf()).name();
            let failed = self.outcome.failed.iter().find(|(failed, _)| *failed == name);
            let inside = format!("{name}!");
            let foreign = |record: &Value| {
                let target = record["target"].as_str();
                target.is_some_and(|target| target != name && !target.starts_with(&inside))
            };
            let end = rest.iter().position(foreign).unwrap_or(rest.len());
            let (records, after) = rest.split_at(end);
            rest = after;
            Part { error: failed.map(|(_, error)| error), records }
        };
        paths.iter().map(part).collect()
    }

    /// The lines with `TARGET` for the name of the target.
    pub fn lines_of(&self, path: &Path) -> String {
        self.lines.join("\n").replace(&*path.to_string_lossy(), "TARGET")
    }
}

impl<'a> Part<'a> {
    /// The records of one type.
    pub fn of(&self, kind: &'static str) -> impl Iterator<Item = &'a Value> {
        self.records.iter().filter(move |record| record["type"] == kind)
    }

    /// The finding that shows a value, line ends of armoured keys aside.
    pub fn finding(&self, value: &[u8]) -> Option<&'a Value> {
        let value = canonical(value);
        self.of("finding").find(|it| shown(it).is_some_and(|shown| canonical(&shown) == value))
    }

    /// Whether a finding shows a value.
    pub fn holds(&self, value: &str) -> bool {
        self.finding(value.as_bytes()).is_some()
    }

    /// The places of the finding that shows a value.
    pub fn places(&self, value: &[u8]) -> &'a [Value] {
        let places = self.finding(value).and_then(|finding| finding["places"].as_array());
        places.map_or(&[], Vec::as_slice)
    }

    /// Diagnostics of a code.
    pub fn notes(&self, code: &'static str) -> impl Iterator<Item = &'a Value> {
        self.of("diagnostic").filter(move |note| note["code"] == code)
    }

    /// Bytes skipped for a reason.
    pub fn skipped(&self, reason: &str) -> u64 {
        self.of("coverage").filter_map(|coverage| coverage["skipped"][reason].as_u64()).sum()
    }

    /// Whether a diagnostic says that something was not scanned, or nothing could be said at all.
    pub fn is_incomplete(&self) -> bool {
        self.error.is_some() || self.of("diagnostic").any(|note| note["level"] == "error")
    }

    /// What is wrong with the report itself, whatever was scanned.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if let Some(error) = self.error {
            let text = error.to_string();
            if text.is_empty() || text.contains(['\n', '\r']) {
                faults.push(format!("the error is not one line: {text:?}"));
            }
            return faults;
        }
        let checkpoints: Vec<&Value> = self.of("checkpoint").collect();
        let coverage: Vec<&Value> = self.of("coverage").collect();
        if checkpoints.is_empty() || checkpoints.len() != coverage.len() {
            faults.push(format!("{} checkpoints, {}", checkpoints.len(), coverage.len()));
        }
        for coverage in coverage {
            self.check_ledger(coverage, &mut faults);
        }
        for note in self.of("diagnostic") {
            let message = note["message"].as_str().unwrap_or_default();
            if message.is_empty() || message.contains(['\n', '\r']) {
                faults.push(format!("a message is not one line: {message:?}"));
            }
            if note["member"].as_str().is_none() || note["offset"].as_u64().is_none() {
                faults.push(format!("a diagnostic without member and offset: {note}"));
            }
            if matches!(note["code"].as_str(), Some("internal" | "ledger-imbalance")) {
                faults.push(format!("a fault of our own: {note}"));
            }
        }
        self.check_findings(&mut faults);
        faults
    }

    fn check_ledger(&self, coverage: &Value, faults: &mut Vec<String>) {
        let skipped = coverage["skipped"].as_object();
        let of = |value: &Value| value.as_u64().unwrap_or(u64::MAX);
        let sum: u64 = skipped.into_iter().flatten().map(|(_, bytes)| of(bytes)).sum();
        if of(&coverage["total"]) != of(&coverage["scanned"]) + sum {
            faults.push(format!("the ledger does not add up: {coverage}"));
        }
        let harmless = ["zero-page", "not-content", "excluded"];
        let lost = skipped.into_iter().flatten().find(|(why, _)| !harmless.contains(&why.as_str()));
        if let Some((why, bytes)) = lost
            && !self.is_incomplete()
        {
            faults.push(format!("{bytes} bytes are {why}, and no diagnostic says so"));
        }
    }

    fn check_findings(&self, faults: &mut Vec<String>) {
        let mut ids = BTreeSet::new();
        for finding in self.of("finding") {
            let id = finding["id"].as_str().unwrap_or_default();
            if !ids.insert(id) {
                faults.push(format!("two findings are {id}"));
            }
            let places = finding["places"].as_array().map_or(0, Vec::len);
            let number = |key: &str| finding[key].as_u64().unwrap_or_default();
            if places == 0 || number("count") == 0 {
                faults.push(format!("{id} has {places} places, {} matches", number("count")));
            }
        }
    }
}

/// The value of a finding, where the report shows it.
pub fn shown(finding: &Value) -> Option<Vec<u8>> {
    if let Some(indicator) = finding["indicator"]["value"].as_str() {
        return Some(indicator.as_bytes().to_vec());
    }
    let excerpt = if finding["secret"].is_null() { &finding["match"] } else { &finding["secret"] };
    if let Some(text) = excerpt["value"].as_str() {
        return Some(text.as_bytes().to_vec());
    }
    data_encoding::BASE64.decode(excerpt["value_b64"].as_str()?.as_bytes()).ok()
}

/// An address in a report.
pub fn address(value: &Value) -> Option<u64> {
    u64::from_str_radix(value.as_str()?.strip_prefix("0x")?, 16).ok()
}

/// A folder for the targets of one test; it is removed on drop.
#[derive(Debug)]
pub struct Files {
    folder: PathBuf,
}

impl Files {
    /// An empty folder.
    ///
    /// # Panics
    /// When it cannot be made.
    #[expect(clippy::new_without_default, reason = "it writes to disk")]
    #[expect(clippy::expect_used, reason = "a test without its files fails")]
    pub fn new() -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("cryoscan-tests-{}-files-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir(&folder).expect("a new folder");
        Self { folder }
    }

    /// Writes a file, over one of the same name; folders in its name are made.
    ///
    /// # Panics
    /// When it cannot be written.
    #[expect(clippy::expect_used, reason = "a test without its files fails")]
    pub fn add(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.join(name);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).expect("a folder");
        }
        std::fs::write(&path, bytes).expect("a file");
        path
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        // What remains lies in the system's temporary folder.
        std::fs::remove_dir_all(&self.folder).unwrap_or_default();
    }
}
