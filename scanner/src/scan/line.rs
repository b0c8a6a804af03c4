//! Lines: the windows of one holder in their order, for what must see it from its first byte to its
//! last (YARA). A line is one thread's work from its beginning to its end, as scanners cannot move.
//!
//! Windows of a holder are dispatched one after the other, so a line is open as long as they come.
//! Each waiting window holds a buffer, or the numbers to read it by: nothing grows without bound.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use super::Settings;
use super::job::{Input, Job};
use super::pieces;
use crate::checkpoint::Scope;
use crate::diagnostic::{Code, Diagnostic, Level};
use crate::region::{Holder, Space};
use crate::tally::Partial;
use crate::yara::{Rules, Scanner, Subject};

/// The windows of one holder.
pub(super) struct Line {
    space: Arc<Space>,
    scope: Scope,
    name: Arc<str>,
    jobs: Receiver<Arc<Job>>,
}

/// Windows that may wait in a line.
const WAITING: usize = 1024;

/// Puts windows into lines.
pub(super) struct Lines {
    lines: SyncSender<Line>,
    open: Option<(Holder, SyncSender<Arc<Job>>)>,
}

impl Lines {
    pub(super) fn new(lines: SyncSender<Line>) -> Self {
        Self { lines, open: None }
    }

    /// Takes the next window: of the holder at hand, or of the next one, whose line it opens.
    pub(super) fn send(&mut self, job: &Arc<Job>) {
        let holder = job.space.holder;
        if self.open.as_ref().is_none_or(|(open, _)| *open != holder) {
            // The line before ends here; a thread may be waiting for that.
            self.open = None;
            let (sender, jobs) = sync_channel(WAITING);
            let (space, name) = (Arc::clone(&job.space), Arc::clone(&job.name));
            let line = Line { space, scope: job.scope.clone(), name, jobs };
            self.lines.send(line).unwrap_or_default();
            self.open = Some((holder, sender));
        }
        if let Some((_, sender)) = &self.open {
            // A line whose thread has met a fault takes no more.
            sender.send(Arc::clone(job)).unwrap_or_default();
        }
    }
}

/// Works until no line is left; gives what it found.
pub(super) fn run(rules: &Rules, lines: &Mutex<Receiver<Line>>, settings: &Settings) -> Partial {
    let limits = &settings.limits;
    let mut partial = Partial::default();
    let mut scanner = Scanner::new(rules, limits, settings.show_secrets);
    let mut buffer = Vec::new();
    loop {
        let line = lines.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(line) = line else { return partial };
        let (space, name) = (Arc::clone(&line.space), Arc::clone(&line.name));
        // A fault of ours or of yara-x costs one holder, not the scan.
        let done = catch_unwind(AssertUnwindSafe(|| holder(line, &mut scanner, &mut buffer)));
        let Ok(found) = done else {
            scanner = Scanner::new(rules, limits, settings.show_secrets);
            let text = "a fault in cryoscan or yara-x; YARA has no answer for this holder";
            partial.note(Diagnostic::new(Level::Error, Code::Internal, &name, text), limits);
            continue;
        };
        for (rule, held) in found.held {
            partial.hold(rule, space.holder, held, &name, limits);
        }
        for note in found.notes {
            partial.note(note, limits);
        }
    }
}

/// Runs the rules over one holder.
fn holder(line: Line, scanner: &mut Scanner<'_>, buffer: &mut Vec<u8>) -> crate::yara::Yield {
    let Line { space, scope, name, jobs } = line;
    let len = space.pieces.iter().fold(0u64, |sum, piece| {
        let parts = scope.within(&(piece.at..piece.at.saturating_add(piece.len)));
        parts.iter().fold(sum, |sum, it| sum.saturating_add(it.end.saturating_sub(it.start)))
    });
    let subject = Subject { space: &space, name: &name, len };
    scanner.begin(subject);
    for job in jobs {
        let parts = job.scope.within(&job.own);
        for own in parts.iter().flat_map(|part| job.space.own_of(part)) {
            feed(&job, &own, scanner, subject, buffer);
        }
    }
    scanner.finish(subject)
}

/// Gives the rules a part of a window.
fn feed(
    job: &Job,
    own: &Range<u64>,
    scanner: &mut Scanner<'_>,
    subject: Subject<'_>,
    buffer: &mut Vec<u8>,
) {
    let bytes = match &job.input {
        Input::Bytes(base, bytes, _) => {
            let at =
                |address: u64| usize::try_from(address.saturating_sub(*base)).unwrap_or(usize::MAX);
            bytes.get(at(own.start)..at(own.end).min(bytes.len())).unwrap_or_default()
        }
        Input::Extent(_) | Input::Layers(_) => {
            let len = usize::try_from(own.end.saturating_sub(own.start)).unwrap_or(usize::MAX);
            if buffer.len() < len {
                buffer.resize(len, 0);
            }
            let target = buffer.get_mut(..len).unwrap_or_default();
            // What cannot be read is told by the worker that has the same window.
            let (got, ..) = pieces::read(&job.space, &job.input, own.start, target);
            buffer.get(..got).unwrap_or_default()
        }
    };
    scanner.feed(subject, job.region.start, own.start, bytes);
}
