//! Work: one window into a partial.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::sync::{Mutex, PoisonError};

use super::buffer::Buffer;
use super::job::{Input, Job};
use super::pieces::{self, Bad};
use super::pool::Order;
use super::{Lazy, Progress, Settings, cache};
use crate::checkpoint::Scope;
use crate::coverage::Reason;
use crate::diagnostic::{Code, Diagnostic, Level};
use crate::finding;
use crate::matching::{Engine, Scratch};
use crate::region::{CELL, Cut, Form, HolderKind, REACH, Space, Window};
use crate::rule::{Class, Report};
use crate::secret::SecretBytes;
use crate::tally::{LineFeeds, Match, Partial, Sort};

/// Bytes of one label that are kept to describe the process.
const LABEL_KEPT: u64 = 64 << 10;

/// What all workers of a scan share.
pub(super) struct Work<'a> {
    pub rules: &'a Lazy<'a>,
    pub settings: &'a Settings,
    pub progress: &'a Progress,
    /// Bytes that a thread may take for what it has judged.
    pub remembered: u64,
}

impl Work<'_> {
    /// Works until no job is left; gives what it found.
    pub(super) fn run(&self, jobs: &Mutex<Receiver<Order>>) -> Partial {
        let mut partial = Partial::default();
        let mut scratch = self.scratch();
        let mut own_buffer = Buffer::default();
        let next = || jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Some(prepared) = self.rules.get() else {
            // Nothing will be reported.
            while next().is_ok() {}
            return partial;
        };
        loop {
            let job = next();
            let job = match job {
                Ok(Order::Scan(job)) => job,
                Ok(Order::Do(task)) => {
                    // Who waits for it sees that it was not done, and does it.
                    catch_unwind(AssertUnwindSafe(task)).unwrap_or_default();
                    continue;
                }
                Err(_) => return partial,
            };
            // A fault of ours costs one window, not the scan. What was found in it before is true all the same.
            let done = catch_unwind(AssertUnwindSafe(|| {
                let mut part = Partial::default();
                let all = (&mut part, &mut partial);
                self.window(&prepared.engine, &job, &mut own_buffer, &mut scratch, all);
                part
            }));
            if let Some(statistics) = &self.settings.statistics {
                statistics.take(&mut scratch);
            }
            let limits = &self.settings.limits;
            if let Ok(part) = done {
                partial.merge(part, limits);
            } else {
                scratch = self.scratch();
                let own = ledger_bytes(&job.space, &job.own);
                if !job.decoded {
                    let coverage = partial.coverage.entry(job.unit).or_default();
                    coverage.skip(Reason::Unreadable, own);
                }
                let text = format!("a fault in cryoscan; {own} bytes were not scanned to the end");
                let note = Diagnostic::new(Level::Error, Code::Internal, &job.name, text);
                partial.note(note.at(job.own.start), limits);
            }
        }
    }

    fn scratch(&self) -> Scratch {
        let statistics = self.settings.statistics.as_ref();
        let mut scratch =
            statistics.map_or_else(Scratch::default, |statistics| statistics.scratch());
        scratch.remember(self.remembered);
        scratch
    }

    fn window(
        &self,
        engine: &Engine,
        job: &Job,
        own_buffer: &mut Buffer,
        scratch: &mut Scratch,
        (part, matches): (&mut Partial, &mut Partial),
    ) {
        if job.is_excluded() {
            return self.excluded(job, part);
        }
        let (base, bytes, bad) = match &job.input {
            Input::Bytes(base, bytes, bad) => (*base, &**bytes, bad.clone()),
            Input::Extent(_) | Input::Layers(_) => {
                let base = job.own.start.saturating_sub(REACH).max(job.region.start);
                let end = job.own.end.saturating_add(REACH).min(job.region.end);
                let len = usize::try_from(end.saturating_sub(base)).unwrap_or(usize::MAX);
                let buffer = own_buffer.room(len);
                let (got, bad) = self.read(job, base, buffer, part);
                (base, buffer.get(..got).unwrap_or_default(), bad)
            }
        };
        let seen_end = base.saturating_add(bytes.len() as u64);
        let own = job.own.start..job.own.end.min(seen_end);
        let limits = &self.settings.limits;
        let is_file = matches!(job.space.holder.kind, HolderKind::File | HolderKind::Ghost);
        let own_bytes = slice(bytes, base, own.start, own.end);
        // Matches come in the order of their start, so that each line feed is counted once.
        let mut counted = (own.start, LineFeeds::default());
        let (mut throttled, mut lists, mut decoded) = (Vec::new(), Vec::new(), 0u64);
        for stretch in between(base..seen_end, &bad) {
            // Memory is cut where it ends, and where a block of it is lost.
            let ends = |at: u64, edge: u64, seen: u64| job.space.cut && (at == edge || at != seen);
            let window = Window {
                space: &job.space,
                name: &job.name,
                region_start: job.region.start,
                base: stretch.start,
                own: own.start.clamp(stretch.start, stretch.end)
                    ..own.end.clamp(stretch.start, stretch.end),
                bytes: slice(bytes, base, stretch.start, stretch.end),
                cut: Cut {
                    start: ends(stretch.start, job.region.start, base),
                    end: stretch.end >= job.region.end && job.space.cut
                        || ends(stretch.end, job.region.end, seen_end),
                },
            };
            let take = |mut found: Match| {
                let span = found.locus.at..found.locus.at.saturating_add(found.locus.len.into());
                if !job.scope.contains(found.locus.at)
                    || !job.space.is_own(&span)
                    || job.input.is_there_later(&span, bytes, &(base..seen_end))
                {
                    return;
                }
                if is_file {
                    let (at, before) = counted;
                    let between = line_feeds(slice(bytes, base, at, found.locus.at), at);
                    let feeds = LineFeeds {
                        count: before.count.saturating_add(between.count),
                        last: between.last.or(before.last),
                    };
                    counted = (found.locus.at, feeds);
                    found.lines = Some(feeds);
                }
                let rule = engine.rules().get(found.judgement.rule);
                let sort = match (rule.class, rule.report) {
                    (Class::Listed, _) => Sort::Listed,
                    (_, Report::Proven) => Sort::Unproven,
                    (_, Report::Always) => Sort::Found,
                };
                let is_public = matches!(rule.class, Class::Indicator | Class::Listed);
                let shown = self.settings.show_secrets || is_public;
                if let Some(shelf) = finding::shelf(rule, &found) {
                    matches.keep_for_proof(shelf, &found);
                }
                matches.add(found, &job.name, sort, shown, limits);
            };
            // What lies around a block that is lost is no neighbour of it.
            let cache = self.settings.cache.as_deref().filter(|_| bad.is_empty());
            let scanned = cache::scan(engine, cache, &window, job.region.end, scratch, take);
            throttled.extend(scanned.throttled);
            lists.extend(scanned.lists);
            decoded = decoded.saturating_add(scanned.decoded);
        }
        // A deleted file has a region for each of its chunks.
        let is_alone = job.own == job.region && job.space.holder.kind == HolderKind::File;
        if is_file && !is_alone {
            let key = (job.space.holder, own.start);
            part.line_feeds.insert(key, line_feeds(own_bytes, own.start));
        }
        let parts = job.scope.within(&own);
        let is_part = |range: &Range<u64>| {
            parts.iter().any(|part| part.start < range.end && range.start < part.end)
        };
        let is_told = |bad: &&Bad| {
            own.contains(&bad.range.start) && job.space.is_own(&bad.range) && is_part(&bad.range)
        };
        for bad in bad.iter().filter(is_told) {
            let len = bad.range.end.saturating_sub(bad.range.start);
            let text = "a block of compressed pages does not expand to them; it was not scanned";
            let member = job.member_of(bad.layer);
            let note = Diagnostic::new(Level::Error, Code::PagesMalformed, member, text);
            let expected = format!("{len} bytes for the pages at {:#x}", bad.range.start);
            part.note(note.at(bad.offset).expected(expected, bad.found.clone()), limits);
        }
        keep_labels(job, &own, own_bytes, part);
        let mut lost = std::collections::BTreeSet::new();
        throttled.retain(|it| is_part(&(it.cell..it.cell.saturating_add(CELL))));
        let holder = || {
            let name = job.space.holder.memory_name();
            name.unwrap_or_else(|| job.name.to_string())
        };
        lists.retain(|cell| is_part(&(*cell..cell.saturating_add(CELL))));
        for cell in lists {
            let text = format!("{}: a list of indicators stands in 64 KiB", holder());
            let note = Diagnostic::new(Level::Note, Code::ListHeld, &job.name, text);
            part.note(note.at(cell), limits);
        }
        for throttled in throttled {
            let holder = holder();
            let text = match throttled.rule.map(|rule| &engine.rules().get(rule).id) {
                Some(rule) => format!("{holder}: too many candidates of rule {rule} in 64 KiB"),
                None => format!("{holder}: too much encoded text in 64 KiB"),
            };
            let note = Diagnostic::new(Level::Error, Code::Throttled, &job.name, text);
            part.note(note.at(throttled.cell), limits);
            lost.insert(throttled.cell);
        }
        let lost_to_blocks = parts.iter().fold(0u64, |sum, part| {
            bad.iter().fold(sum, |sum, bad| {
                let start = bad.range.start.max(part.start);
                let lost = start..bad.range.end.min(part.end).max(start);
                sum.saturating_add(ledger_bytes(&job.space, &lost))
            })
        });
        // What is stored nowhere is counted where it was laid out, if at all.
        let (mut seen, mut zeros) = (0u64, 0u64);
        for part in &parts {
            let bytes = slice(bytes, base, part.start, part.end);
            let stored = stored(&job.space, part, bytes, &bad);
            seen = seen.saturating_add(stored.bytes);
            zeros = zeros.saturating_add(stored.zeros);
        }
        let excluded = match job.scope {
            Scope::All => 0,
            Scope::Parts(_) => stored(&job.space, &own, &[], &bad).bytes.saturating_sub(seen),
        };
        let scanned = seen.saturating_sub(lost_to_blocks);
        self.progress.scanned.fetch_add(scanned, Ordering::Relaxed);
        let coverage = part.coverage.entry(job.unit).or_default();
        coverage.decoded = coverage.decoded.saturating_add(decoded);
        if job.decoded {
            coverage.decoded = coverage.decoded.saturating_add(scanned);
            return;
        }
        coverage.skip(Reason::Excluded, excluded);
        coverage.skip(Reason::Unreadable, lost_to_blocks);
        let mut rest = scanned;
        let mut skip = |reason, bytes: u64| {
            let bytes = bytes.min(rest);
            rest = rest.saturating_sub(bytes);
            coverage.skip(reason, bytes);
        };
        for cell in lost {
            skip(Reason::Throttled, own.end.saturating_sub(cell).min(CELL));
        }
        skip(Reason::ZeroPage, zeros);
        coverage.scanned = coverage.scanned.saturating_add(rest);
    }

    /// Counts a window of which nothing is looked at.
    fn excluded(&self, job: &Job, part: &mut Partial) {
        let end = match &job.input {
            Input::Bytes(base, bytes, _) => base.saturating_add(bytes.len() as u64),
            Input::Extent(_) | Input::Layers(_) => u64::MAX,
        };
        let own = job.own.start..job.own.end.min(end);
        let bytes = stored(&job.space, &own, &[], &[]).bytes;
        self.progress.scanned.fetch_add(bytes, Ordering::Relaxed);
        if !job.decoded {
            part.coverage.entry(job.unit).or_default().skip(Reason::Excluded, bytes);
        }
    }

    /// Reads the window's bytes; gives how many there are, and which blocks of them are bad.
    fn read(
        &self,
        job: &Job,
        base: u64,
        buffer: &mut [u8],
        part: &mut Partial,
    ) -> (usize, Vec<Bad>) {
        let (filled, bad, fault) = pieces::read(&job.space, &job.input, base, buffer);
        if let Some((layer, fault)) = fault {
            let text = match fault {
                Err(error) => format!("failed to read: {error}"),
                Ok(()) => "ended early".to_owned(),
            };
            let at = base.saturating_add(filled as u64);
            let lost = at.max(job.own.start)..job.own.end.max(job.own.start);
            let lost = ledger_bytes(&job.space, &lost);
            if lost > 0 && !job.decoded {
                let coverage = part.coverage.entry(job.unit).or_default();
                coverage.skip(Reason::Unreadable, lost);
            }
            let member = job.member_of(layer);
            let note = Diagnostic::new(Level::Error, Code::MemberUnreadable, member, text);
            part.note(note.at(at), &self.settings.limits);
        }
        (filled, bad)
    }
}

/// Keeps the window's part of arguments and environment, to describe the process with.
fn keep_labels(job: &Job, own: &Range<u64>, bytes: &[u8], part: &mut Partial) {
    if job.space.only.is_some() {
        // What the process had before says nothing of it now.
        return;
    }
    for label in &job.space.labels {
        let kept = label.range.end.min(label.range.start.saturating_add(LABEL_KEPT));
        let start = label.range.start.max(own.start);
        let end = kept.min(own.end);
        if start < end {
            let bytes = slice(bytes, own.start, start, end);
            let key = (job.space.holder, label.kind, start);
            part.labels.insert(key, SecretBytes::new(bytes));
        }
    }
}

/// What is left of a range without the bad blocks.
fn between(range: Range<u64>, bad: &[Bad]) -> Vec<Range<u64>> {
    let mut rest = Vec::new();
    let mut from = range.start;
    for bad in bad {
        let start = bad.range.start.clamp(from, range.end);
        if from < start {
            rest.push(from..start);
        }
        from = bad.range.end.clamp(from, range.end);
    }
    if from < range.end || rest.is_empty() && bad.is_empty() {
        rest.push(from..range.end);
    }
    rest
}

/// Stored bytes in a range that count in the ledger of this checkpoint.
fn ledger_bytes(space: &Space, range: &Range<u64>) -> u64 {
    let parts = ledger_parts(space, range);
    parts.fold(0u64, |sum, part| sum.saturating_add(part.end.saturating_sub(part.start)))
}

/// The parts of a range that are stored, to be scanned, and no part of another checkpoint.
fn ledger_parts<'a>(
    space: &'a Space,
    range: &'a Range<u64>,
) -> impl Iterator<Item = Range<u64>> + 'a {
    let first = space.pieces.partition_point(|piece| piece.end() <= range.start);
    let pieces = space.pieces.get(first..).unwrap_or_default().iter();
    let pieces = pieces.take_while(|piece| piece.at < range.end);
    let stored = pieces.filter(|piece| piece.form != Form::Zero && piece.layer < space.foreign);
    stored.flat_map(|piece| {
        let start = piece.at.max(range.start);
        space.own_of(&(start..piece.end().min(range.end).max(start)))
    })
}

/// Bytes that a window owns and that are stored.
struct Stored {
    bytes: u64,
    /// Those of them in whole pages of zeros, bad blocks aside.
    zeros: u64,
}

fn stored(space: &Space, own: &Range<u64>, bytes: &[u8], bad: &[Bad]) -> Stored {
    let mut stored = Stored { bytes: 0, zeros: 0 };
    for Range { start, end } in ledger_parts(space, own) {
        stored.bytes = stored.bytes.saturating_add(end.saturating_sub(start));
        let page = u64::from(space.page_size);
        let Some(first) = start.checked_next_multiple_of(page).filter(|_| page > 0) else {
            continue;
        };
        for good in between(first.min(end)..end, bad) {
            let first = good.start.checked_next_multiple_of(page).unwrap_or(u64::MAX);
            let good = slice(bytes, own.start, first.min(good.end), good.end);
            stored.zeros = stored.zeros.saturating_add(zero_pages(good, space.page_size));
        }
    }
    let at = space.pieces.last().map_or(own.start, |piece| piece.end().max(own.start));
    // A stream of no known length ends where its layout does not.
    stored.bytes = stored.bytes.saturating_add(own.end.saturating_sub(at));
    stored
}

fn slice(bytes: &[u8], base: u64, start: u64, end: u64) -> &[u8] {
    let offset = |address: u64| usize::try_from(address.saturating_sub(base)).unwrap_or(usize::MAX);
    bytes.get(offset(start)..offset(end).min(bytes.len())).unwrap_or_default()
}

fn line_feeds(bytes: &[u8], start: u64) -> LineFeeds {
    let count = memchr::memchr_iter(b'\n', bytes).count() as u64;
    let last = memchr::memrchr(b'\n', bytes).map(|at| start.saturating_add(at as u64));
    LineFeeds { count, last }
}

/// Bytes of whole pages of zeros.
fn zero_pages(bytes: &[u8], page_size: u32) -> u64 {
    let Ok(page_size) = usize::try_from(page_size) else { return 0 };
    if page_size == 0 {
        return 0;
    }
    let zero = |page: &&[u8]| {
        // The second is a fold without an early end, which compilers make vectors of.
        page.iter().take(64).all(|byte| *byte == 0)
            && page.iter().fold(0, |all, byte| all | byte) == 0
    };
    bytes.chunks_exact(page_size).filter(zero).count() as u64 * page_size as u64
}
