//! One scan: `walk` offers members and cuts windows, workers turn windows into partials, `fold`
//! merges them and makes records. The only user of threads.

mod buffer;
mod cache;
mod cell_hash;
mod chain;
mod collection;
mod content;
mod digest;
mod fold;
mod job;
mod kernel;
mod line;
mod memory;
mod omissions;
mod owners;
mod pages;
mod parents;
mod pieces;
mod pool;
mod prepared;
mod raw;
mod scope;
#[cfg(test)]
mod tests;
mod walk;
mod work;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub use self::cache::{Cache, CacheFault, Identity};
use self::collection::Collection;
pub use self::memory::LEAST_MEMORY;
use self::parents::Parents;
use self::prepared::Lazy;
pub use self::prepared::Prepared;
use crate::check::{Confidence, Severity};
use crate::checkpoint::{Checkpoint, Filter};
use crate::diagnostic::{Diagnostic, Level};
use crate::finding::Earlier;
use crate::indicator::{Indicators, Info};
use crate::limits::Limits;
use crate::matching::{Engine, Kernel, Statistics};
use crate::report::{DiagnosticRecord, List, Record, Rules, Run, SCHEMA, Tool};
use crate::rule::{RuleFileError, RuleSet};
use crate::secret::SecretBytes;
use crate::yara;

/// Bytes of a window, where there is memory for it: large enough that what lies around it does not count,
/// and small enough that it still lies in the cache when it is searched.
pub const DEFAULT_WINDOW: u64 = 2 << 20;

/// What a scan needs to know beside its targets.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Threads that match; at least 1.
    pub threads: usize,
    /// Bytes of anonymous memory that the whole process may take: fewer threads and smaller windows
    /// keep it. At least [`LEAST_MEMORY`]; less is taken for that.
    pub memory: u64,
    /// Bytes of a window, rounded up to whole cells, if there is memory for it.
    pub window: u64,
    /// For which processor the loops over every byte are taken; `None`: the fastest that this machine
    /// can run. The report does not depend on it.
    pub kernel: Option<Kernel>,
    /// Bounds against hostile input.
    pub limits: Limits,
    /// Whether records show values.
    pub show_secrets: bool,
    /// Places shown of one finding.
    pub max_places: usize,
    /// The rules, where they are not just those that come with the program.
    pub rules: Option<Arc<ChosenRules>>,
    /// Patterns of the user.
    pub grep: Vec<String>,
    /// YARA rules of the user.
    pub yara: Option<Arc<yara::Rules>>,
    /// Lists of indicators of the user.
    pub indicators: Option<Arc<ChosenLists>>,
    /// Key of fingerprints; `None`: the built-in one.
    pub fingerprint_key: Option<SecretBytes>,
    /// Whether the registers of threads are searched too.
    pub registers: bool,
    /// Whether the report may hold what differs from run to run.
    pub measured: bool,
    /// Whether what is no checkpoint is scanned too, as plain bytes; a folder is one target then.
    pub raw: bool,
    /// Which memory is scanned; empty: everything.
    pub filter: Filter,
    /// Where to count what each rule costs, if that is asked for.
    pub statistics: Option<Arc<Statistics>>,
    /// What was scanned before and had nothing in it; it learns what this scan sees. The report does not
    /// depend on it.
    pub cache: Option<Arc<Cache>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            threads: 1,
            memory: 512 << 20,
            window: DEFAULT_WINDOW,
            kernel: None,
            limits: Limits::default(),
            show_secrets: false,
            max_places: 32,
            rules: None,
            grep: Vec::new(),
            yara: None,
            indicators: None,
            fingerprint_key: None,
            registers: false,
            measured: false,
            raw: false,
            filter: Filter::default(),
            statistics: None,
            cache: None,
        }
    }
}

/// Rules that the user has chosen.
#[derive(Debug, Default)]
pub struct ChosenRules {
    /// The rules.
    pub set: RuleSet,
    /// What of the user's files was left out or ignored.
    pub notes: Vec<Diagnostic>,
    /// The user's rule files.
    pub files: Vec<String>,
    /// What was chosen; empty: everything.
    pub only: Vec<String>,
    /// What was excluded.
    pub without: Vec<String>,
}

/// Lists of indicators that the user has chosen.
#[derive(Debug)]
pub struct ChosenLists {
    /// What they hold.
    pub indicators: Arc<Indicators>,
    /// Lines that were left out.
    pub notes: Vec<Diagnostic>,
}

/// What the user names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A file or folder.
    Path(PathBuf),
    /// Standard input, read once.
    Stdin,
}

impl Target {
    /// The name in reports.
    pub fn name(&self) -> String {
        match self {
            Self::Path(path) => crate::archive::name::display(path.as_os_str().as_encoded_bytes()),
            Self::Stdin => "-".to_owned(),
        }
    }

    /// Its path from a folder that was named; empty for that folder itself.
    fn within(&self, folder: &Self) -> String {
        let (Self::Path(path), Self::Path(folder)) = (self, folder) else { return String::new() };
        let inside = path.strip_prefix(folder).unwrap_or(path);
        crate::archive::name::display(inside.as_os_str().as_encoded_bytes())
    }
}

/// How far a scan has come, for whoever watches.
#[derive(Debug, Default)]
pub struct Progress {
    scanned: AtomicU64,
    total: AtomicU64,
    /// Gives the anonymous memory of the process, in bytes.
    memory: Option<fn() -> u64>,
    now: AtomicU64,
    peak: AtomicU64,
}

impl Progress {
    /// For who can tell how much anonymous memory the process has, in bytes: then buffers shrink where
    /// [`Settings::memory`] is nearly used, and [`Self::peak_memory`] knows the most there was.
    pub fn with_memory(memory: fn() -> u64) -> Self {
        Self { memory: Some(memory), ..Self::default() }
    }

    /// Looks how much memory there is now. A scan does so at the end of each stage, whoever watches
    /// does in between.
    pub fn sample_memory(&self) {
        if let Some(memory) = self.memory {
            let now = memory();
            self.now.store(now, Ordering::Relaxed);
            self.peak.fetch_max(now, Ordering::Relaxed);
        }
    }

    /// How much there was at the last sample.
    fn now(&self) -> u64 {
        self.now.load(Ordering::Relaxed)
    }

    /// The most anonymous memory at any sample, in bytes; 0 if nobody can tell.
    pub fn peak_memory(&self) -> u64 {
        self.peak.load(Ordering::Relaxed)
    }

    /// Bytes that the rules have seen.
    pub fn scanned(&self) -> u64 {
        self.scanned.load(Ordering::Relaxed)
    }

    /// Stored bytes of the targets so far; decoding can make more of them.
    pub fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }
}

/// Why nothing could be said of a target, or no scan be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScanError {
    /// The target could not be opened or read.
    #[error("{0}")]
    Unreadable(io::Error),
    /// The target holds no checkpoint; what it is instead.
    #[error("not a checkpoint: {0} (--raw scans it as plain bytes)")]
    NotACheckpoint(String),
    /// A folder that holds no checkpoint now, but is where checkpoints are kept: there is nothing in
    /// it, or archives none of which is one.
    #[error("no checkpoint in this folder: {0}")]
    NoneInFolder(&'static str),
    /// The filter lets nothing of any target through; the filter.
    #[error("nothing fits {0}: no memory was scanned")]
    NothingFits(String),
    /// A rule or a pattern is wrong.
    #[error(transparent)]
    Rules(#[from] RuleFileError),
    /// A record could not be written.
    #[error("failed to write the report: {0}")]
    Output(io::Error),
}

/// What came of a scan.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Findings, by severity and confidence.
    pub findings: BTreeMap<(Severity, Confidence), u64>,
    /// Checkpoints scanned.
    pub checkpoints: u64,
    /// Whether all of them was scanned.
    pub complete: bool,
    /// Targets of which nothing could be said, and why.
    pub failed: Vec<(String, ScanError)>,
    /// Bytes that the rules have seen.
    pub scanned_bytes: u64,
    /// Whether the filter, if there is one, has let any memory through.
    pub fits: bool,
    /// Values of the checkpoints so far.
    pub earlier: Earlier,
}

/// What a target holds, for [`inspect`].
#[derive(Debug)]
pub struct Described {
    /// Its checkpoints; values of arguments that rules call secret are masked.
    pub checkpoints: Vec<Checkpoint>,
    /// What could not be read, worst first.
    pub diagnostics: Vec<Diagnostic>,
}

/// Takes the records of a report.
pub type Emit<'a> = dyn FnMut(Record) -> io::Result<()> + 'a;

/// Scans all targets and gives every record but `summary` to `emit`, in the order of the report.
///
/// # Errors
/// When a rule or pattern is wrong, or `emit` fails. A target that cannot be read is no error
/// here: it is listed in [`Outcome::failed`] and the others are scanned. A folder of archives is
/// taken as if its archives had been named; one of them that cannot be read is a diagnostic.
pub fn scan(
    targets: &[Target],
    settings: &Settings,
    progress: &Progress,
    emit: &mut Emit<'_>,
) -> Result<Outcome, ScanError> {
    scan_from(targets, settings, progress, &mut io::stdin().lock(), emit)
}

/// As [`scan`], with the bytes of [`Target::Stdin`] from `stdin`.
///
/// # Errors
/// As [`scan`].
pub fn scan_from(
    targets: &[Target],
    settings: &Settings,
    progress: &Progress,
    stdin: &mut dyn Read,
    emit: &mut Emit<'_>,
) -> Result<Outcome, ScanError> {
    if settings.rules.is_some() || !settings.grep.is_empty() {
        // What users wrote may be wrong, which is told before anything is read.
        return scan_with(&Prepared::new(settings)?, targets, settings, progress, stdin, emit);
    }
    let rules = Lazy::new(settings);
    let scanned = scan_all(&rules, targets, settings, progress, stdin, emit);
    match rules.error() {
        Some(error) => Err(error),
        None => scanned,
    }
}

/// As [`scan_from`], with what was prepared of settings that have the same patterns and key.
///
/// # Errors
/// As [`scan`].
pub fn scan_with(
    prepared: &Prepared,
    targets: &[Target],
    settings: &Settings,
    progress: &Progress,
    stdin: &mut dyn Read,
    emit: &mut Emit<'_>,
) -> Result<Outcome, ScanError> {
    scan_all(&Lazy::ready(settings, prepared), targets, settings, progress, stdin, emit)
}

/// As [`scan_with`]. The rules are compiled by the first thread that needs them: what the target is made of is
/// read and decoded meanwhile.
fn scan_all(
    rules: &Lazy<'_>,
    targets: &[Target],
    settings: &Settings,
    progress: &Progress,
    stdin: &mut dyn Read,
    out: &mut Emit<'_>,
) -> Result<Outcome, ScanError> {
    progress.sample_memory();
    let mut outcome = Outcome { complete: true, ..Outcome::default() };
    outcome.complete &= notes(settings).all(|note| note.level != Level::Error);
    let mut begun = false;
    let mut begin = |out: &mut Emit<'_>| -> io::Result<()> {
        if std::mem::replace(&mut begun, true) {
            return Ok(());
        }
        let Prepared { engine, .. } = rules.get().ok_or_else(|| io::Error::other("no rules"))?;
        out(Record::Run(Run {
            schema: SCHEMA.to_owned(),
            tool: Tool {
                name: env!("CARGO_PKG_NAME").to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
            },
            rules: rules_of(engine, settings),
            targets: targets.iter().map(Target::name).collect(),
        }))?;
        notes(settings).cloned().try_for_each(|diagnostic| {
            out(Record::Diagnostic(DiagnosticRecord { checkpoint: None, diagnostic }))
        })
    };
    let emit: &mut Emit<'_> = &mut |record| {
        begin(out)?;
        out(record)
    };
    let none = BTreeSet::new();
    let parents = Parents::of(targets);
    for target in targets {
        let before = outcome.checkpoints;
        let mut one = |target: &Target, without: &BTreeSet<String>| {
            let scanned = pool::run(target, without, rules, settings, progress, &parents, stdin);
            progress.sample_memory();
            match (scanned, rules.get()) {
                (Err(error), _) => Ok(Some(error)),
                (Ok(scanned), Some(Prepared { engine, key_name })) => {
                    fold::fold(scanned, engine, key_name, settings, &mut outcome, emit)
                        .map(|()| None)
                        .map_err(ScanError::Output)
                }
                // Why there are none is told for all targets at once.
                (Ok(_), None) => Err(ScanError::Output(io::Error::other("no rules"))),
            }
        };
        let collection = if settings.raw { None } else { Collection::of(target, settings) };
        let failed = match collection {
            None => one(target, &none)?,
            Some(collection) => {
                parents.add(&collection.targets());
                let why = collection.why_none();
                let mut notes = collection.each(&settings.limits, one)?;
                for diagnostic in fold::notes(&mut notes) {
                    outcome.complete &= diagnostic.level != Level::Error;
                    let note = DiagnosticRecord { checkpoint: None, diagnostic };
                    emit(Record::Diagnostic(note)).map_err(ScanError::Output)?;
                }
                (outcome.checkpoints == before).then_some(ScanError::NoneInFolder(why))
            }
        };
        if let Some(error) = failed {
            outcome.complete = false;
            outcome.failed.push((target.name(), error));
        }
    }
    if !settings.filter.is_empty() && !outcome.fits && outcome.failed.is_empty() {
        // Nobody should take a pid that is not there for a clean one.
        outcome.complete = false;
        let filter = settings.filter.to_string();
        let failed = |target: &Target| (target.name(), ScanError::NothingFits(filter.clone()));
        outcome.failed.extend(targets.iter().map(failed));
    }
    begin(out).map_err(ScanError::Output)?;
    Ok(outcome)
}

/// What of the user's rules and lists was left out.
fn notes(settings: &Settings) -> impl Iterator<Item = &Diagnostic> {
    let of_files = settings.rules.iter().flat_map(|rules| &rules.notes);
    let of_lists = settings.indicators.iter().flat_map(|lists| &lists.notes);
    of_files.chain(of_lists).chain(settings.yara.iter().flat_map(|rules| rules.notes()))
}

/// Which rules run.
fn rules_of(engine: &Engine, settings: &Settings) -> Rules {
    let chosen = settings.rules.as_ref();
    Rules {
        count: rule_count(engine, settings),
        hash: rule_hash(engine, settings),
        files: chosen.map_or_else(Vec::new, |chosen| chosen.files.clone()),
        only: chosen.map_or_else(Vec::new, |chosen| chosen.only.clone()),
        without: chosen.map_or_else(Vec::new, |chosen| chosen.without.clone()),
        lists: lists(settings),
    }
}

/// The lists of indicators.
fn lists(settings: &Settings) -> Vec<List> {
    let lists = settings.indicators.iter().flat_map(|lists| lists.indicators.lists());
    let list = |list: &Info| List {
        name: list.name.clone(),
        indicators: list.count,
        hash: list.hash.clone(),
    };
    lists.map(list).collect()
}

/// Rules of all kinds.
fn rule_count(engine: &Engine, settings: &Settings) -> u64 {
    let yara = settings.yara.as_ref().map_or(0, |rules| rules.infos().len());
    u64::try_from(engine.rules().rules().len().saturating_add(yara)).unwrap_or(u64::MAX)
}

/// The hash over all of their texts.
fn rule_hash(engine: &Engine, settings: &Settings) -> String {
    let own = engine.rules().hash().to_owned();
    let yara = settings.yara.as_ref().map(|rules| rules.hash().to_owned());
    let lists = settings.indicators.as_ref().map(|lists| lists.indicators.hash());
    [yara, lists].into_iter().flatten().fold(own, |all, hash| {
        let both = blake3::hash(format!("{all} {hash}").as_bytes());
        format!("blake3:{}", both.to_hex())
    })
}

/// Opens a target and describes its checkpoints: processes, memory, metadata. Values of arguments
/// that rules call secret are masked, so all of it is scanned. A folder of archives is taken as if its
/// archives had been named; one of them that cannot be read is a diagnostic.
///
/// # Errors
/// When the target cannot be read or holds no checkpoint.
pub fn inspect(target: &Target, settings: &Settings) -> Result<Described, ScanError> {
    let prepared = Prepared::new(settings)?;
    let rules = Lazy::ready(settings, &prepared);
    let parents = Parents::default();
    let (progress, mut stdin) = (Progress::default(), io::stdin().lock());
    let mut run = |target: &Target, without: &BTreeSet<String>| {
        pool::run(target, without, &rules, settings, &progress, &parents, &mut stdin)
            .map(|scanned| fold::describe(scanned, prepared.engine.rules()))
    };
    let Some(collection) = Collection::of(target, settings) else {
        return run(target, &BTreeSet::new());
    };
    parents.add(&collection.targets());
    let why = collection.why_none();
    let mut all = Described { checkpoints: Vec::new(), diagnostics: Vec::new() };
    let mut notes = collection.each(&settings.limits, |archive, without| {
        let mut described = match run(archive, without) {
            Ok(described) => described,
            Err(error) => return Ok::<_, ScanError>(Some(error)),
        };
        let outer = archive.within(target);
        if !outer.is_empty() {
            for checkpoint in &mut described.checkpoints {
                checkpoint.outer.clone_from(&outer);
            }
            for note in &mut described.diagnostics {
                let inside = std::mem::take(&mut note.member);
                let place = if inside.is_empty() { "" } else { "!" };
                note.member = format!("{outer}{place}{inside}");
            }
        }
        all.checkpoints.append(&mut described.checkpoints);
        all.diagnostics.append(&mut described.diagnostics);
        Ok(None)
    })?;
    if all.checkpoints.is_empty() {
        return Err(ScanError::NoneInFolder(why));
    }
    all.diagnostics.extend(fold::notes(&mut notes));
    all.diagnostics.sort();
    Ok(all)
}
