//! The bar on the terminal, and the most memory that the run took.

use std::fs;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::scan::Progress;

/// How often memory is sampled and the bar moved.
const INTERVAL: Duration = Duration::from_millis(50);

const TEMPLATE: &str = "{bytes} of {total_bytes} {wide_bar} {bytes_per_sec}, {eta} left";

/// Lets the bar appear on standard error, if that is a terminal.
pub(super) fn show(bar: &ProgressBar) {
    if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
        bar.set_style(style);
    }
    bar.set_draw_target(ProgressDrawTarget::stderr());
}

/// A thread that watches a scan from outside.
pub(super) struct Watch {
    stop: Sender<()>,
    thread: JoinHandle<u64>,
}

impl Watch {
    /// Starts to sample memory, and to move the bar.
    pub(super) fn start(progress: Arc<Progress>, bar: ProgressBar) -> Self {
        let (stop, stopped) = mpsc::channel();
        let thread = thread::spawn(move || {
            loop {
                progress.sample_memory();
                bar.set_length(progress.total());
                bar.set_position(progress.scanned());
                if stopped.recv_timeout(INTERVAL) != Err(RecvTimeoutError::Timeout) {
                    bar.finish_and_clear();
                    progress.sample_memory();
                    return progress.peak_memory();
                }
            }
        });
        Self { stop, thread }
    }

    /// Takes the bar away and gives the peak of anonymous memory in bytes.
    pub(super) fn finish(self) -> u64 {
        drop(self.stop);
        self.thread.join().unwrap_or_default()
    }
}

/// Resident anonymous memory in bytes (`RssAnon`, proc(5)); 0 where the kernel does not say.
pub(super) fn anonymous_memory() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "the kernel writes it, some 2 KiB")]
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    parse(&status)
}

fn parse(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kib.unwrap_or_default().saturating_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anonymous_memory_is_read_in_bytes() {
        let status = "VmRSS:\t    9000 kB\nRssAnon:\t    1024 kB\nRssFile:\t  10 kB\n";
        assert_eq!(parse(status), 1 << 20);
        for broken in ["", "RssAnon:", "RssAnon: x kB", "RssAnon: 5"] {
            assert_eq!(parse(broken), 0, "{broken}");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_watch_sees_the_memory_of_this_process() {
        let progress = Arc::new(Progress::with_memory(anonymous_memory));
        let watch = Watch::start(progress, ProgressBar::hidden());
        assert!(watch.finish() > 0);
    }
}
