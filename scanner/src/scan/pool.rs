//! The threads of a scan: one walks, the others work.

use std::io::Read;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};

use super::job::Job;
use super::walk::{Scanned, walk};
use super::work::Work;
use super::{Progress, ScanError, Settings, Target};
use crate::diagnostic::{Code, Diagnostic, Level};
use crate::limits::Limits;
use crate::matching::Engine;
use crate::tally::Partial;

/// Opens and scans one target.
pub(super) fn run(
    target: &Target,
    engine: &Engine,
    settings: &Settings,
    progress: &Progress,
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
    let work = Work { engine, settings, progress };
    let limits = &settings.limits;
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                let (work, jobs, spent) = (&work, &job_receiver, spent_sender.clone());
                scope.spawn(move || work.run(jobs, &spent))
            })
            .collect();
        let dispatcher = Dispatcher { jobs: job_sender, spent: spent_receiver };
        let mut walked = walk(target, settings, progress, dispatcher, stdin);
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

/// Where jobs go, and where empty buffers come from.
pub(super) struct Dispatcher {
    jobs: SyncSender<Job>,
    spent: Receiver<Vec<u8>>,
}

impl Dispatcher {
    pub(super) fn send(&self, job: Job) {
        // Workers take jobs until the sender is dropped.
        self.jobs.send(job).unwrap_or_default();
    }

    /// An empty buffer. Workers send every buffer back; this waits for one, and that is the
    /// back-pressure.
    pub(super) fn buffer(&self) -> Vec<u8> {
        self.spent.recv().unwrap_or_default()
    }
}
