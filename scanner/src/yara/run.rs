//! Running the rules over one holder after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use yara_x::{ScanError, ScanResults, blocks};

use super::block::Blocks;
use super::facts::{self, EXTERNALS};
use super::load::{self, Loaded};
use super::model::{LoadError, RuleInfo, Subject, Yield};
use crate::diagnostic::{Code, Diagnostic, Level};
use crate::limits::Limits;
use crate::region::{Decoded, Form, HolderKind, Locus};
use crate::secret::SecretBytes;
use crate::tally::{Held, PLACES_KEPT};

/// Bytes of a holder for which YARA is given one second more.
const SECOND_BYTES: u64 = 4 << 20;
/// The longest part of a hit that `--show-secrets` shows.
const SHOWN: usize = 4 << 10;
/// Bytes of a sparse file that are filled whatever is stored of it.
const FREE_BYTES: u64 = 1 << 20;
/// How many times what is stored of a sparse file is filled beyond that.
const RATIO: u64 = 1000;
/// So many rules are named where YARA took too long.
const SLOWEST: usize = 3;
/// Kinds of strings that are named of one rule and holder.
const STRINGS: usize = 64;

/// The rules of a run.
pub struct Rules {
    loaded: Loaded,
    /// By namespace and identifier.
    index: BTreeMap<(String, String), u32>,
    /// Holders on which YARA took too long.
    timeouts: AtomicU64,
}

impl std::fmt::Debug for Rules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rules").field("infos", &self.loaded.infos).finish_non_exhaustive()
    }
}

impl Rules {
    /// Loads files and folders of rules; `builtin` stands for the rules that come with cryoscan.
    /// `includes` says whether files may include others.
    ///
    /// # Errors
    /// When a path cannot be read or has no rule that compiles. Other rules that do not compile are
    /// told by [`Rules::notes`].
    pub fn load(paths: &[PathBuf], includes: bool, limits: &Limits) -> Result<Self, LoadError> {
        let loaded = load::load(paths, includes, limits)?;
        let index = loaded
            .files
            .iter()
            .zip(0..)
            .map(|(rule, at)| ((rule.namespace().to_owned(), rule.identifier().to_owned()), at))
            .collect();
        Ok(Self { loaded, index, timeouts: AtomicU64::new(0) })
    }

    /// The rules, in the order of their index.
    pub fn infos(&self) -> &[RuleInfo] {
        &self.loaded.infos
    }

    /// `blake3:…` over all rule texts.
    pub fn hash(&self) -> &str {
        &self.loaded.hash
    }

    /// What is wrong with rules, and how they will be run.
    pub fn notes(&self) -> &[Diagnostic] {
        &self.loaded.notes
    }

    fn memory(&self) -> &yara_x::Rules {
        self.loaded.memory.as_ref().unwrap_or(&self.loaded.files)
    }

    fn runs_on_memory(&self) -> bool {
        self.loaded.infos.iter().any(|info| info.memory && !info.private)
    }
}

/// What becomes of the holder at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// A file whose bytes are being collected.
    Whole,
    /// Memory, or a file that is too long.
    Blocks,
    /// Nothing can be found there, or no more.
    Off,
}

/// Runs rules over holders, one at a time: begin, feed in the order of addresses, finish.
pub struct Scanner<'r> {
    rules: &'r Rules,
    limits: Limits,
    /// Whether hits keep their bytes.
    show: bool,
    files: Option<yara_x::Scanner<'r>>,
    memory: Option<blocks::Scanner<'r>>,
    mode: Mode,
    content: Vec<u8>,
    blocks: Blocks,
    /// Where blocks ended: a hit across such a place may have been cut there first.
    cuts: Vec<u64>,
    timed_out: bool,
    /// Names of the rules that had taken most of the time by then.
    slowest: Vec<String>,
    beyond: bool,
}

impl std::fmt::Debug for Scanner<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scanner").field("mode", &self.mode).finish_non_exhaustive()
    }
}

impl<'r> Scanner<'r> {
    /// A scanner of one thread. `show` says whether hits keep their bytes.
    pub fn new(rules: &'r Rules, limits: &Limits, show: bool) -> Self {
        Self {
            rules,
            limits: limits.clone(),
            show,
            files: None,
            memory: None,
            mode: Mode::Off,
            content: Vec::new(),
            blocks: Blocks::default(),
            cuts: Vec::new(),
            timed_out: false,
            slowest: Vec::new(),
            beyond: false,
        }
    }

    /// Begins a holder.
    pub fn begin(&mut self, subject: Subject<'_>) {
        (self.blocks, self.timed_out, self.beyond) = (Blocks::default(), false, false);
        self.content.clear();
        self.cuts.clear();
        self.slowest.clear();
        let too_often = self.rules.timeouts.load(Ordering::Relaxed) >= self.limits.yara_timeouts;
        self.mode = match subject.space.holder.kind {
            _ if too_often => {
                self.timed_out = true;
                Mode::Off
            }
            HolderKind::File | HolderKind::Ghost if self.is_mostly_holes(subject) => {
                self.open_blocks(subject, facts::of_file(subject.name, &[], false));
                Mode::Blocks
            }
            HolderKind::File => Mode::Whole,
            HolderKind::Ghost => {
                // Between its chunks it may be as long as no file is.
                if is_contiguous(subject) {
                    Mode::Whole
                } else {
                    self.open_blocks(subject, facts::of_file(subject.name, &[], false));
                    Mode::Blocks
                }
            }
            HolderKind::Memory
            | HolderKind::Shared
            | HolderKind::Pipe
            | HolderKind::Fifo
            | HolderKind::UnixQueue
            | HolderKind::TcpReceived
            | HolderKind::TcpSent
            | HolderKind::Tty
            | HolderKind::SysvMessages
            | HolderKind::Segment
            | HolderKind::BpfMap
            | HolderKind::Registers
            | HolderKind::RawImage => Mode::Off,
        };
        if !too_often && self.mode == Mode::Off && self.rules.runs_on_memory() {
            self.open_blocks(subject, ["", "", "", "", "", ""].map(str::to_owned));
        }
    }

    /// Whether a sparse file is too long to be filled, or would cost far more than what is stored of it.
    fn is_mostly_holes(&self, subject: Subject<'_>) -> bool {
        let stored = stored(subject);
        let most = self
            .limits
            .yara_file_bytes
            .min(FREE_BYTES.saturating_add(stored.saturating_mul(RATIO)));
        stored < subject.len && subject.len > most
    }

    /// Takes bytes of the holder, in the order of their addresses. `region` is the first address of
    /// the neighbouring bytes they are a part of.
    pub fn feed(&mut self, subject: Subject<'_>, region: u64, at: u64, bytes: &[u8]) {
        match self.mode {
            Mode::Off => {}
            Mode::Blocks => self.feed_blocks(region, at, bytes),
            Mode::Whole => {
                // A hole reads as zeros; where it would be too long there are blocks from the start.
                let hole = at.saturating_sub(self.content.len() as u64);
                self.content.extend(std::iter::repeat_n(0, usize::try_from(hole).unwrap_or(0)));
                self.content.extend_from_slice(bytes);
                if self.content.len() as u64 > self.limits.yara_file_bytes {
                    let facts = facts::of_file(subject.name, &self.content, false);
                    self.open_blocks(subject, facts);
                    let content = std::mem::take(&mut self.content);
                    self.feed_blocks(region, 0, &content);
                }
            }
        }
    }

    /// Ends a holder: what holds there.
    pub fn finish(&mut self, subject: Subject<'_>) -> Yield {
        let mut found = Yield::default();
        let is_file = is_file(subject);
        match std::mem::replace(&mut self.mode, Mode::Off) {
            Mode::Off => {}
            Mode::Whole if self.content.is_empty() => {}
            Mode::Whole => {
                if stored(subject) < subject.len {
                    // The hole at its end.
                    let rest = subject.len.saturating_sub(self.content.len() as u64);
                    self.content.extend(std::iter::repeat_n(0, usize::try_from(rest).unwrap_or(0)));
                }
                self.finish_file(subject, &mut found);
            }
            Mode::Blocks => self.finish_blocks(subject, &mut found),
        }
        if self.timed_out {
            let why = match self.slowest.as_slice() {
                [] => {
                    "YARA took too long, or was given up after it had done so elsewhere".to_owned()
                }
                slowest => format!("YARA took too long, most of it for {}", slowest.join(", ")),
            };
            let text = format!("{}{why}", words(subject));
            found.notes.push(note(Level::Error, Code::YaraTimeout, subject, text));
        }
        if self.beyond {
            let text = format!("{}addresses beyond those of YARA were left out", words(subject));
            found.notes.push(note(Level::Error, Code::LimitReached, subject, text));
        }
        if is_file && self.content.capacity() as u64 > SECOND_BYTES {
            self.content = Vec::new();
        }
        found
    }

    fn open_blocks(&mut self, subject: Subject<'_>, facts: [String; EXTERNALS.len()]) {
        self.mode = Mode::Blocks;
        let rules = self.rules.memory();
        let timeout = self.timeout(subject.len);
        let scanner = self.memory.get_or_insert_with(|| blocks::Scanner::new(rules));
        scanner.set_timeout(timeout).max_matches_per_pattern(self.limits.yara_matches);
        for (name, fact) in EXTERNALS.into_iter().zip(facts) {
            // Each was defined as a text when the rules were compiled.
            scanner.set_global(name, fact).map(drop).unwrap_or_default();
        }
    }

    fn timeout(&self, len: u64) -> Duration {
        // What is not known yet is no longer than a file that is scanned at once.
        let len = if len == u64::MAX { self.limits.yara_file_bytes } else { len };
        Duration::from_secs(self.limits.yara_seconds.saturating_add(len / SECOND_BYTES))
    }

    fn feed_blocks(&mut self, region: u64, at: u64, bytes: &[u8]) {
        let mut blocks = std::mem::take(&mut self.blocks);
        blocks.feed(region, at, bytes, &mut |base, bytes| self.block(base, bytes));
        self.blocks = blocks;
    }

    fn block(&mut self, base: u64, bytes: &[u8]) {
        let end = base.saturating_add(bytes.len() as u64);
        // Offsets are signed in YARA, and no process has memory up there.
        let Some(at) = usize::try_from(base).ok().filter(|_| i64::try_from(end).is_ok()) else {
            self.beyond = true;
            return;
        };
        let Some(scanner) = self.memory.as_mut().filter(|_| !self.timed_out) else { return };
        if scanner.scan(at, bytes).is_err() {
            self.slowest = names(&scanner.slowest_rules(SLOWEST));
            self.give_up();
            self.memory = None;
        }
        if self.show {
            self.cuts.push(end);
        }
    }

    fn give_up(&mut self) {
        self.timed_out = true;
        self.rules.timeouts.fetch_add(1, Ordering::Relaxed);
    }

    fn finish_file(&mut self, subject: Subject<'_>, found: &mut Yield) {
        let timeout = self.timeout(self.content.len() as u64);
        let rules = &self.rules.loaded.files;
        let scanner = self.files.get_or_insert_with(|| yara_x::Scanner::new(rules));
        scanner.set_timeout(timeout).max_matches_per_pattern(self.limits.yara_matches);
        let facts = facts::of_file(subject.name, &self.content, self.rules.loaded.hashed);
        for (name, fact) in EXTERNALS.into_iter().zip(facts) {
            // Each was defined as a text when the rules were compiled.
            scanner.set_global(name, fact).map(drop).unwrap_or_default();
        }
        let content = &self.content;
        let runs = |info: &RuleInfo| info.files;
        let result = scanner.scan(content);
        let Ok(results) = result else {
            self.slowest = names(&scanner.slowest_rules(SLOWEST));
            self.files = None;
            self.give_up();
            return;
        };
        let collect = Collect { rules: self.rules, limits: &self.limits, subject, show: self.show };
        collect.all(&results, runs, &[], found);
        for (_, held) in &mut found.held {
            for (locus, (_, position)) in &mut held.lowest {
                *position = Some(line_and_column(content, locus.at));
            }
        }
    }

    fn finish_blocks(&mut self, subject: Subject<'_>, found: &mut Yield) {
        let mut blocks = std::mem::take(&mut self.blocks);
        blocks.finish(&mut |base, bytes| self.block(base, bytes));
        let is_file = is_file(subject);
        if is_file {
            let text = "too long to be scanned by YARA at once, or little but holes; rules that run \
                        on files only were not tried";
            let limit = format!("at most {} bytes", self.limits.yara_file_bytes);
            let note = note(Level::Warning, Code::YaraLargeFile, subject, text.to_owned());
            let len = Some(subject.len).filter(|len| *len < u64::MAX);
            found.notes.push(
                note.expected(limit, len.map_or("more".to_owned(), |len| format!("{len} bytes"))),
            );
        }
        if self.timed_out {
            self.memory = None;
            return;
        }
        let Some(scanner) = self.memory.as_mut() else { return };
        let runs = |info: &RuleInfo| info.memory && (info.files || !is_file);
        let result: Result<ScanResults<'_, '_>, ScanError> = scanner.finish();
        let Ok(results) = result else {
            self.slowest = names(&scanner.slowest_rules(SLOWEST));
            self.memory = None;
            self.give_up();
            return;
        };
        let collect = Collect { rules: self.rules, limits: &self.limits, subject, show: self.show };
        collect.all(&results, runs, &self.cuts, found);
    }
}

/// Bytes of a holder that are stored: all but its holes.
fn stored(subject: Subject<'_>) -> u64 {
    let pieces = subject.space.pieces.iter().filter(|piece| piece.form != Form::Zero);
    pieces.fold(0u64, |sum, piece| sum.saturating_add(piece.len))
}

/// How rules are named in reports.
fn names(slowest: &[yara_x::ProfilingData<'_>]) -> Vec<String> {
    slowest.iter().map(|data| format!("{}.{}", data.namespace, data.rule)).collect()
}

/// Turns what yara-x found into what a tally keeps.
struct Collect<'a> {
    rules: &'a Rules,
    limits: &'a Limits,
    subject: Subject<'a>,
    show: bool,
}

impl Collect<'_> {
    fn all(
        &self,
        results: &ScanResults<'_, '_>,
        runs: impl Fn(&RuleInfo) -> bool,
        cuts: &[u64],
        found: &mut Yield,
    ) {
        let find = |rule: &yara_x::Rule<'_, '_>| {
            let name = (rule.namespace().to_owned(), rule.identifier().to_owned());
            let at = *self.rules.index.get(&name)?;
            let info = self.rules.infos().get(usize::try_from(at).ok()?)?;
            runs(info).then_some((at, info))
        };
        let mut full = BTreeSet::new();
        for rule in results.matching_rules() {
            let Some((at, info)) = find(&rule) else { continue };
            full.extend(self.is_full(&rule).then_some(info.id.as_str()));
            found.held.push((at, self.held(&rule, cuts)));
        }
        if self.rules.infos().iter().any(|info| info.counts) {
            for rule in results.non_matching_rules() {
                let Some((_, info)) = find(&rule).filter(|(_, info)| info.counts) else { continue };
                full.extend(self.is_full(&rule).then_some(info.id.as_str()));
            }
        }
        for id in full {
            let text = format!("{}a string of rule {id}", words(self.subject));
            let note = note(Level::Warning, Code::YaraMatches, self.subject, text);
            let most = format!("at most {} hits", self.limits.yara_matches);
            found.notes.push(note.expected(most, "as many or more"));
        }
    }

    /// Whether a string of a rule was found as often as is counted.
    fn is_full(&self, rule: &yara_x::Rule<'_, '_>) -> bool {
        let mut patterns = rule.patterns().include_private(true);
        patterns.any(|pattern| pattern.matches().len() >= self.limits.yara_matches)
    }

    fn held(&self, rule: &yara_x::Rule<'_, '_>, cuts: &[u64]) -> Held {
        let space = self.subject.space;
        let mut held = Held::default();
        let mut spans: BTreeSet<Locus> = BTreeSet::new();
        let hit_patterns = || rule.patterns().filter(|pattern| pattern.matches().len() > 0);
        // Each string shows some of its hits, where all of them are too many.
        let share = (PLACES_KEPT / hit_patterns().count().max(1)).max(1);
        for pattern in hit_patterns() {
            let count = pattern.matches().len() as u64;
            if held.strings.len() < STRINGS {
                held.strings.insert(pattern.identifier().to_owned(), count);
            }
            for (index, hit) in pattern.matches().enumerate() {
                let range = hit.range();
                let at = range.start as u64;
                let len = u32::try_from(range.len()).unwrap_or(u32::MAX);
                let locus = Locus { at, len, decoded: Decoded::PLAIN };
                spans.insert(locus);
                if index >= share {
                    continue;
                }
                held.lowest.insert(locus, (space.kind_at(at), None));
                let end = range.end as u64;
                let is_cut = cuts.iter().any(|cut| at < *cut && *cut < end);
                let is_lower = held.value.as_ref().is_none_or(|(best, _)| locus < *best);
                if self.show && is_lower && !is_cut {
                    let data = hit.data();
                    let kept = data.get(..SHOWN).unwrap_or(data);
                    held.value = Some((locus, SecretBytes::new(kept)));
                }
            }
        }
        held.hits = spans.len() as u64;
        if held.lowest.is_empty() {
            // A condition without strings holds on all of it: its first byte stands for it.
            let at = space.pieces.first().map_or(0, |piece| piece.at);
            let locus = Locus { at, len: 0, decoded: Decoded::PLAIN };
            held.lowest.insert(locus, (space.kind_at(at), None));
            held.hits = 1;
        }
        held.trim();
        held
    }
}

/// Line and byte in the line, from 1.
fn line_and_column(content: &[u8], at: u64) -> (u64, u64) {
    let at = usize::try_from(at).unwrap_or(usize::MAX).min(content.len());
    let before = content.get(..at).unwrap_or_default();
    let line = memchr::memchr_iter(b'\n', before).count() as u64;
    let start = memchr::memrchr(b'\n', before).map_or(0, |feed| feed + 1);
    (line + 1, (at - start) as u64 + 1)
}

/// Whether it is a file, also a deleted one.
fn is_file(subject: Subject<'_>) -> bool {
    matches!(subject.space.holder.kind, HolderKind::File | HolderKind::Ghost)
}

/// Whether a file has all of its bytes from the first one on.
fn is_contiguous(subject: Subject<'_>) -> bool {
    let mut end = 0u64;
    subject.space.pieces.iter().all(|piece| {
        let follows = piece.at == end;
        end = piece.at.saturating_add(piece.len);
        follows
    })
}

/// Which memory it is; a file is named beside the message.
fn words(subject: Subject<'_>) -> String {
    let name = subject.space.holder.memory_name();
    name.map_or_else(String::new, |name| format!("{name}: "))
}

fn note(level: Level, code: Code, subject: Subject<'_>, text: String) -> Diagnostic {
    Diagnostic::new(level, code, subject.name, text)
}
