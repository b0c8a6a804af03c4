//! One run of the program under measurement, watched through `/proc`.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use serde::Deserialize;

/// Time between two samples of the memory.
const SAMPLE: Duration = Duration::from_millis(20);

/// What one run cost and found.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) wall: Duration,
    /// User and system time of all threads, in whole clock ticks of the kernel (10 ms).
    pub(crate) cpu: Duration,
    /// The highest sample of `RssAnon`, in bytes.
    pub(crate) peak_anonymous: u64,
    /// Findings of every severity, as the summary says.
    pub(crate) findings: u64,
}

/// Runs `command`, which writes JSON Lines to its standard output, to the end; the file `piped` goes
/// into its standard input through a pipe.
///
/// # Errors
/// When it cannot start, or fails (0, 1 and 3 are verdicts, not failures), or ends without a
/// summary.
pub(crate) fn run(command: &mut Command, piped: Option<&Path>) -> Result<Run> {
    // A file in memory, so that the program never waits for a reader.
    let mut report = File::from(memfd_create("report", MemfdFlags::CLOEXEC)?);
    let input = if piped.is_some() { Stdio::piped() } else { Stdio::null() };
    command.stdin(input).stdout(report.try_clone()?);
    let mut piped = piped.map(File::open).transpose().context("cannot open the target")?;
    let start = Instant::now();
    let mut child = command.spawn().context("cannot start the program")?;
    let pid = child.id();

    let feeder = child.stdin.take().zip(piped.take()).map(|(mut pipe, mut file)| {
        // The program may have seen enough before the end of the file.
        thread::spawn(move || std::io::copy(&mut file, &mut pipe).unwrap_or_default())
    });

    let (stop, stopped) = channel();
    let sampler = thread::spawn(move || sample(pid, &stopped));
    // Waits without reaping: until it is reaped, /proc still knows the times of the dead process.
    let raw = i32::try_from(pid).ok().and_then(Pid::from_raw).context("pid out of range")?;
    waitid(WaitId::Pid(raw), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)?;
    let wall = start.elapsed();
    let ticks = ticks(&proc_file(&format!("/proc/{pid}/stat"))?).context("/proc/PID/stat")?;
    drop(stop);
    let peak_anonymous = sampler.join().unwrap_or_default();
    feeder.map(|feeder| feeder.join().unwrap_or_default());

    let status = child.wait()?;
    if !matches!(status.code(), Some(0 | 1 | 3)) {
        bail!("the program ended with {status}");
    }
    report.rewind()?;
    let last = BufReader::new(report).lines().last().context("the program printed nothing")??;
    let per_second = rustix::param::clock_ticks_per_second();
    let cpu = Duration::from_millis(ticks.saturating_mul(1000) / per_second.max(1));
    Ok(Run { wall, cpu, peak_anonymous, findings: findings(&last)? })
}

/// Looks at the memory of `pid` until the other end of `stopped` is gone; gives the highest value.
fn sample(pid: u32, stopped: &Receiver<()>) -> u64 {
    let path = format!("/proc/{pid}/status");
    let mut peak = 0;
    loop {
        let status = proc_file(&path).unwrap_or_default();
        peak = peak.max(anonymous(&status).unwrap_or_default());
        if stopped.recv_timeout(SAMPLE) != Err(RecvTimeoutError::Timeout) {
            return peak;
        }
    }
}

/// The text of a file that the kernel makes up; none that is read here is longer than 1 MiB.
pub(crate) fn proc_file(path: &str) -> std::io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(1 << 20).read_to_string(&mut text)?;
    Ok(text)
}

/// `RssAnon` of `/proc/PID/status`, in bytes; `None` for a process that has ended.
fn anonymous(status: &str) -> Option<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    value.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// Fields 14 and 15 of `/proc/PID/stat`, `utime` and `stime` of proc_pid_stat(5), added.
fn ticks(stat: &str) -> Option<u64> {
    // Field 2 is the name in brackets, which may hold blanks and brackets.
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    user.checked_add(fields.next()?.parse().ok()?)
}

/// The counts of the summary record, added up.
fn findings(line: &str) -> Result<u64> {
    #[derive(Deserialize)]
    struct Summary {
        #[serde(rename = "type")]
        kind: String,
        findings: std::collections::BTreeMap<String, u64>,
    }
    let summary: Summary = serde_json::from_str(line).context("the last line is no summary")?;
    if summary.kind != "summary" {
        bail!("the last line is a {}, no summary", summary.kind);
    }
    Ok(summary.findings.values().sum())
}

#[cfg(test)]
mod tests {
    use super::{Command, anonymous, findings, run, ticks};

    #[test]
    fn figures_of_the_kernel() {
        let status = "Name:\tcryoscan\nRssAnon:\t    1200 kB\nRssFile:\t 7 kB\n";
        assert_eq!(anonymous(status), Some(1_228_800));
        assert_eq!(anonymous("Name:\tcryoscan\nState:\tZ (zombie)\n"), None);
        let stat = "71 (a ) b) Z 1 71 71 0 -1 4194560 95 0 0 0 40 2 0 0 20 0 1 0";
        assert_eq!(ticks(stat), Some(42));
        assert_eq!(ticks("71 (a) Z 1 71"), None);
    }

    #[test]
    fn all_severities_count() {
        let line = r#"{"type":"summary","verdict":"x","findings":{"critical":1,"low":2},"exit":0}"#;
        assert_eq!(findings(line).unwrap(), 3);
        assert!(findings(r#"{"type":"coverage","findings":{}}"#).is_err());
        assert!(findings("cryoscan 0.1.0").is_err());
    }

    #[test]
    fn a_run_is_measured_to_its_end() {
        let script = r#"i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done
            echo '{"type":"run"}'; echo '{"type":"summary","findings":{"high":5}}'; exit 3"#;
        let run = run(Command::new("/bin/sh").args(["-c", script]), None).unwrap();
        assert_eq!(run.findings, 5);
        assert!(run.peak_anonymous > 0 && !run.cpu.is_zero(), "{run:?}");
    }

    #[test]
    fn a_file_comes_through_the_pipe() {
        let line = b"{\"type\":\"summary\",\"findings\":{\"low\":4}}\n";
        let path = std::env::temp_dir().join(format!("cryoscan-piped-{}", std::process::id()));
        std::fs::write(&path, line).unwrap();
        let run = run(&mut Command::new("/bin/cat"), Some(&path));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(run.unwrap().findings, 4);
    }

    #[test]
    fn a_failed_run_is_no_measurement() {
        let failed = run(Command::new("/bin/sh").args(["-c", "exit 2"]), None).unwrap_err();
        assert_eq!(failed.to_string(), "the program ended with exit status: 2");
        let silent = run(&mut Command::new("/bin/true"), None).unwrap_err();
        assert_eq!(silent.to_string(), "the program printed nothing");
    }
}
