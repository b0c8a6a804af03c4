//! The threads of a scan: one walks, the others work.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::Read;
use std::ops::{Deref, DerefMut};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex};

use super::job::Job;
use super::line::{self, Lines};
use super::parents::Parents;
use super::walk::{Scanned, walk};
use super::work::Work;
use super::{Progress, ScanError, Settings, Target};
use crate::diagnostic::{Code, Diagnostic, Level};
use crate::limits::Limits;
use crate::matching::Engine;
use crate::tally::Partial;

/// Opens and scans one target; of a folder without the files of those paths.
pub(super) fn run(
    target: &Target,
    without: &BTreeSet<String>,
    engine: &Engine,
    settings: &Settings,
    progress: &Progress,
    parents: &Parents,
    stdin: &mut dyn Read,
) -> Result<Scanned, ScanError> {
    let threads = settings.threads.max(1);
    let (job_sender, job_receiver) = sync_channel(2 * threads);
    let (spent_sender, spent_receiver) = channel();
    // Two buffers a thread and the one that is being filled.
    for _ in 0..=2 * threads {
        spent_sender.send(Vec::new()).unwrap_or_default();
    }
    let job_receiver = Mutex::new(job_receiver);
    let (line_sender, line_receiver) = sync_channel(2 * threads);
    let line_receiver = Mutex::new(line_receiver);
    let rules = settings.yara.as_deref();
    let work = Work { engine, settings, progress };
    let limits = &settings.limits;
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                let (work, jobs) = (&work, &job_receiver);
                scope.spawn(move || work.run(jobs))
            })
            .chain(rules.into_iter().flat_map(|rules| {
                let lines = &line_receiver;
                (0..threads).map(move |_| scope.spawn(move || line::run(rules, lines, settings)))
            }))
            .collect();
        let lines = rules.map(|_| RefCell::new(Lines::new(line_sender)));
        let dispatcher =
            Dispatcher { jobs: job_sender, lines, spent: spent_receiver, home: spent_sender };
        let mut walked = walk((target, without), settings, progress, dispatcher, parents, stdin);
        for worker in workers {
            let found = worker.join().unwrap_or_else(|_| fallen(limits));
            if let Ok(scanned) = &mut walked {
                scanned.partial.merge(found, limits);
            }
        }
        walked
    })
}

/// What is left of a worker that ended by a fault of its own.
fn fallen(limits: &Limits) -> Partial {
    let mut partial = Partial::default();
    let text = "a worker of cryoscan ended early; what it had found is lost";
    partial.note(Diagnostic::new(Level::Error, Code::Internal, "", text), limits);
    partial
}

/// A buffer that goes back to where it came from when it is dropped, whoever drops it.
#[derive(Debug)]
pub(super) struct Buffer {
    bytes: Vec<u8>,
    home: Sender<Vec<u8>>,
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        // The walk may have ended already; nobody misses the buffer then.
        self.home.send(bytes).unwrap_or_default();
    }
}

impl Deref for Buffer {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.bytes
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }
}

/// Where jobs go, and where empty buffers come from.
pub(super) struct Dispatcher {
    jobs: SyncSender<Arc<Job>>,
    /// The same windows in the order of each holder, where a kind of rule needs that.
    lines: Option<RefCell<Lines>>,
    spent: Receiver<Vec<u8>>,
    home: Sender<Vec<u8>>,
}

impl Dispatcher {
    pub(super) fn send(&self, job: Job) {
        let job = Arc::new(job);
        if let Some(lines) = self.lines.as_ref().filter(|_| !job.is_excluded()) {
            lines.borrow_mut().send(&job);
        }
        // Workers take jobs until the sender is dropped.
        self.jobs.send(job).unwrap_or_default();
    }

    /// An empty buffer. Workers send every buffer back; this waits for one, and that is the
    /// back-pressure.
    pub(super) fn buffer(&self) -> Buffer {
        Buffer { bytes: self.spent.recv().unwrap_or_default(), home: self.home.clone() }
    }
}
