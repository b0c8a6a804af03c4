//! Work: one window into a partial.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::sync::{Mutex, PoisonError};

use super::job::{Input, Job};
use super::{Progress, Settings};
use crate::coverage::Reason;
use crate::diagnostic::{Code, Diagnostic, Level};
use crate::matching::{Engine, Scratch};
use crate::region::{CELL, Cut, HolderKind, REACH, Window};
use crate::rule::{Class, Report};
use crate::secret::SecretBytes;
use crate::tally::{LineFeeds, Partial};

/// Bytes of one label that are kept to describe the process.
const LABEL_KEPT: u64 = 64 << 10;

/// What all workers of a scan share.
pub(super) struct Work<'a> {
    pub engine: &'a Engine,
    pub settings: &'a Settings,
    pub progress: &'a Progress,
}

impl Work<'_> {
    /// Works until no job is left; gives what it found.
    pub(super) fn run(&self, jobs: &Mutex<Receiver<Job>>) -> Partial {
        let mut partial = Partial::default();
        let mut scratch = Scratch::default();
        let mut own_buffer = Vec::new();
        loop {
            let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(job) = job else { return partial };
            // A fault of ours costs one window, not the scan.
            let done = catch_unwind(AssertUnwindSafe(|| {
                let mut part = Partial::default();
                self.window(&job, &mut own_buffer, &mut scratch, &mut part);
                part
            }));
            let limits = &self.settings.limits;
            if let Ok(part) = done {
                partial.merge(part, limits);
            } else {
                scratch = Scratch::default();
                let own = job.own.end.saturating_sub(job.own.start);
                if !job.decoded {
                    let coverage = partial.coverage.entry(job.unit).or_default();
                    coverage.skip(Reason::Unreadable, own);
                }
                let text = format!("a fault in cryoscan; {own} bytes were not scanned");
                let note = Diagnostic::new(Level::Error, Code::Internal, &job.name, text);
                partial.note(note.at(job.own.start), limits);
            }
        }
    }

    fn window(
        &self,
        job: &Job,
        own_buffer: &mut Vec<u8>,
        scratch: &mut Scratch,
        part: &mut Partial,
    ) {
        let (base, bytes) = match &job.input {
            Input::Bytes(base, bytes) => (*base, bytes.as_slice()),
            Input::Extent(_) => {
                let base = job.own.start.saturating_sub(REACH).max(job.region.start);
                let end = job.own.end.saturating_add(REACH).min(job.region.end);
                let len = usize::try_from(end.saturating_sub(base)).unwrap_or(usize::MAX);
                if own_buffer.len() < len {
                    own_buffer.resize(len, 0);
                }
                let buffer = own_buffer.get_mut(..len).unwrap_or_default();
                let got = self.read(job, base, buffer, part);
                (base, own_buffer.get(..got).unwrap_or_default())
            }
        };
        let seen_end = base.saturating_add(bytes.len() as u64);
        let own = job.own.start..job.own.end.min(seen_end);
        let cut = Cut {
            start: job.space.cut && base == job.region.start,
            end: job.space.cut && seen_end >= job.region.end,
        };
        let window = Window {
            space: &job.space,
            name: &job.name,
            region_start: job.region.start,
            base,
            own: own.clone(),
            bytes,
            cut,
        };
        let limits = &self.settings.limits;
        let is_file = job.space.holder.kind == HolderKind::File;
        let own_bytes = slice(bytes, base, own.start, own.end);
        // Matches come in the order of their start, so that each line feed is counted once.
        let mut counted = (own.start, LineFeeds::default());
        let throttled = self.engine.scan(&window, scratch, |mut found| {
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
            let rule = self.engine.rules().get(found.judgement.rule);
            let proven = rule.report == Report::Proven;
            let shown = self.settings.show_secrets || rule.class == Class::Indicator;
            part.add(found, &job.name, proven, shown, limits);
        });
        if is_file && (job.own != job.region) {
            let key = (job.space.holder, own.start);
            part.line_feeds.insert(key, line_feeds(own_bytes, own.start));
        }
        keep_labels(&window, part);
        let mut lost = std::collections::BTreeSet::new();
        for throttled in throttled {
            let rule = &self.engine.rules().get(throttled.rule).id;
            let holder = match job.space.holder.kind {
                HolderKind::Memory => format!("memory of process {}", job.space.holder.id),
                HolderKind::Shared => format!("shared segment {}", job.space.holder.id),
                HolderKind::File | HolderKind::RawImage => job.name.to_string(),
            };
            let text = format!("{holder}: too many candidates of rule {rule} in 64 KiB");
            let note = Diagnostic::new(Level::Error, Code::Throttled, &job.name, text);
            part.note(note.at(throttled.cell), limits);
            lost.insert(throttled.cell);
        }
        let scanned = own_bytes.len() as u64;
        self.progress.scanned.fetch_add(scanned, Ordering::Relaxed);
        let coverage = part.coverage.entry(job.unit).or_default();
        if job.decoded {
            coverage.decoded = coverage.decoded.saturating_add(scanned);
            return;
        }
        let mut rest = scanned;
        let mut skip = |reason, bytes: u64| {
            let bytes = bytes.min(rest);
            rest = rest.saturating_sub(bytes);
            coverage.skip(reason, bytes);
        };
        for cell in lost {
            skip(Reason::Throttled, own.end.saturating_sub(cell).min(CELL));
        }
        skip(Reason::ZeroPage, zero_pages(own_bytes, job.space.page_size));
        coverage.scanned = coverage.scanned.saturating_add(rest);
    }

    /// Reads the window's bytes; gives how many there are.
    fn read(&self, job: &Job, base: u64, buffer: &mut [u8], part: &mut Partial) -> usize {
        let Input::Extent(extent) = &job.input else { return 0 };
        let mut at = base;
        let mut filled = 0;
        while filled < buffer.len() {
            let Some(piece) = job.space.piece_at(at) else { break };
            let within = at.saturating_sub(piece.at);
            let left = usize::try_from(piece.len.saturating_sub(within)).unwrap_or(usize::MAX);
            let end = filled.saturating_add(left).min(buffer.len());
            let target = buffer.get_mut(filled..end).unwrap_or_default();
            match extent.read_at(piece.offset.saturating_add(within), target) {
                Ok(read) if read > 0 => {
                    filled += read;
                    at = at.saturating_add(read as u64);
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                result => {
                    let text = match result {
                        Err(error) => format!("failed to read: {error}"),
                        Ok(_) => "ended early".to_owned(),
                    };
                    let lost = job.own.end.saturating_sub(at.max(job.own.start));
                    if lost > 0 && !job.decoded {
                        let coverage = part.coverage.entry(job.unit).or_default();
                        coverage.skip(Reason::Unreadable, lost);
                    }
                    let note =
                        Diagnostic::new(Level::Error, Code::MemberUnreadable, &job.name, text);
                    part.note(note.at(at), &self.settings.limits);
                    break;
                }
            }
        }
        filled
    }
}

/// Keeps the window's part of arguments and environment, to describe the process with.
fn keep_labels(window: &Window<'_>, part: &mut Partial) {
    for label in &window.space.labels {
        let kept = label.range.end.min(label.range.start.saturating_add(LABEL_KEPT));
        let start = label.range.start.max(window.own.start);
        let end = kept.min(window.own.end);
        if start < end {
            let bytes = slice(window.bytes, window.base, start, end);
            let key = (window.space.holder, label.kind, start);
            part.labels.insert(key, SecretBytes::new(bytes));
        }
    }
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
        page.iter().take(64).all(|byte| *byte == 0) && page.iter().all(|byte| *byte == 0)
    };
    bytes.chunks_exact(page_size).filter(zero).count() as u64 * page_size as u64
}
