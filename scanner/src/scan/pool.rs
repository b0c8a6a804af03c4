//! The threads of a scan: one walks, the others work.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::{self, Read};
use std::ops::Deref;
use std::rc::Rc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex};

use super::job::Job;
use super::line::{self, Lines};
use super::memory::Plan;
use super::parents::Parents;
use super::walk::{Scanned, Shared, walk};
use super::work::Work;
use super::{Lazy, Progress, ScanError, Settings, Target};
use crate::archive::{Helpers, Task};
use crate::diagnostic::{Code, Diagnostic, Level};
use crate::limits::Limits;
use crate::region::REACH;
use crate::tally::Partial;

/// Jobs that may wait for a worker: their bytes are read by it, or lie in a buffer, of which there are few. Where
/// the walk is far ahead, no thread waits for another.
const WAITING: usize = 1 << 10;

/// Opens and scans one target; of a folder without the files of those paths.
pub(super) fn run(
    target: &Target,
    without: &BTreeSet<String>,
    rules: &Lazy<'_>,
    settings: &Settings,
    progress: &Progress,
    parents: &Parents,
    stdin: &mut dyn Read,
) -> Result<Scanned, ScanError> {
    let plan = Plan::of(settings);
    let threads = plan.threads;
    let (job_sender, job_receiver) = sync_channel(WAITING);
    let tasks = job_sender.clone();
    let (spent_sender, spent_receiver) = channel();
    // Two buffers a thread and the one that is being filled.
    for _ in 0..=2 * threads {
        spent_sender.send(Vec::new()).unwrap_or_default();
    }
    let job_receiver = Mutex::new(job_receiver);
    let (line_sender, line_receiver) = sync_channel(2 * threads);
    let line_receiver = Mutex::new(line_receiver);
    let work = Work { rules, settings, progress, remembered: plan.remembered };
    let rules = settings.yara.as_deref();
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
        let helpers = (plan.ahead > 0).then(|| {
            Rc::new(Helpers::new(plan.ahead, threads, move |task| {
                // Where nobody has time for it the walk does it.
                drop(tasks.try_send(Order::Do(task)));
            }))
        });
        let shared = Shared { settings, progress, plan, helpers };
        let mut walked = walk((target, without), shared, dispatcher, parents, stdin);
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
    /// What was in it before is written over, so that it need not be filled with zeros again.
    bytes: Vec<u8>,
    len: usize,
    home: Option<Sender<Vec<u8>>>,
}

impl Buffer {
    /// Of nobody's pool.
    #[cfg(test)]
    pub(super) fn new() -> Self {
        Self { bytes: Vec::new(), len: 0, home: None }
    }

    /// Takes `first`, and of the stream what makes it `want` bytes; gives how many the stream had.
    pub(super) fn fill(
        &mut self,
        first: &[u8],
        stream: &mut dyn Read,
        want: usize,
    ) -> io::Result<usize> {
        let want = want.max(first.len());
        if self.bytes.len() < want {
            // All at once: what grows step by step is copied.
            self.bytes.reserve_exact(want - self.bytes.len());
            self.bytes.resize(want, 0);
        } else if want as u64 > 2 * REACH && want < self.bytes.len() / 2 {
            // Windows are smaller than they were, as memory is nearly used.
            self.bytes.truncate(want);
            self.bytes.shrink_to_fit();
        }
        if let Some(to) = self.bytes.get_mut(..first.len()) {
            to.copy_from_slice(first);
        }
        self.len = first.len();
        while let Some(rest @ [_, ..]) = self.bytes.get_mut(self.len..want) {
            match stream.read(rest) {
                Ok(0) => break,
                Ok(read) => self.len = self.len.saturating_add(read).min(want),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(self.len.saturating_sub(first.len()))
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // The walk may have ended already; nobody misses the buffer then.
        if let Some(home) = &self.home {
            home.send(std::mem::take(&mut self.bytes)).unwrap_or_default();
        }
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// What a worker is asked for.
pub(super) enum Order {
    /// To scan a window.
    Scan(Arc<Job>),
    /// To decode what is scanned later on.
    Do(Task),
}

/// Where jobs go, and where empty buffers come from.
pub(super) struct Dispatcher {
    jobs: SyncSender<Order>,
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
        self.jobs.send(Order::Scan(job)).unwrap_or_default();
    }

    /// An empty buffer. Workers send every buffer back; this waits for one, and that is the
    /// back-pressure. Until there is one it does what is to be done `meanwhile`, as long as that is anything.
    pub(super) fn buffer(&self, meanwhile: impl Fn() -> bool) -> Buffer {
        let bytes = loop {
            match self.spent.try_recv() {
                Ok(bytes) => break bytes,
                Err(_) if meanwhile() => {}
                Err(_) => break self.spent.recv().unwrap_or_default(),
            }
        };
        Buffer { bytes, len: 0, home: Some(self.home.clone()) }
    }
}
