//! How many instructions the scalar path takes for a byte, beside a plain loop: counts that no other load and no
//! faster machine changes. CI's guard against cliffs that the counts of `tests/work.rs` do not see.
//!
//! Instructions are counted by stepping over them one by one (ptrace), which needs no counters of the processor
//! and no tool. The program runs itself: one process scans, the other one steps it.
#![expect(clippy::print_stdout, reason = "the table is the output")]
#![expect(clippy::print_stderr, reason = "what could not be measured is told")]

mod cases;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use cryoscan::matching::{Engine, Kernel, Scratch};
use cryoscan::region::{Cut, Holder, HolderKind, RegionKind, Space, Window};
use cryoscan::rule::RuleSet;
use nix::sys::ptrace;
use nix::sys::signal::{Signal, raise};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

const USAGE: &str = "usage: instructions [--record] BOUNDS.json";

/// Compilers and registers differ a little, and what they change is no cliff.
const LEEWAY: f64 = 1.2;

/// The C library's own loops differ between processors, and some of its instructions count as one or as one for
/// each byte: it is asked for the simplest.
const PLAIN: &str = "glibc.cpu.x86_rep_movsb_threshold=0x7fffffffffff:glibc.cpu.x86_rep_stosb_threshold=0x7fffffffffff";

/// Bytes of each case, so that each takes a million instructions or so.
fn cases() -> Vec<(&'static str, Vec<u8>)> {
    let random = |length| cryoscan_tests::random::Random::new(13).bytes(length);
    vec![
        ("random bytes", random(16 << 10)),
        ("ordinary", cases::fill(16 << 10, |random| cases::lines(random) + &"\0".repeat(256))),
        ("text of a service", cases::fill(8 << 10, cases::lines)),
        ("dense", cases::fill(8 << 10, cases::tokens)),
        ("hostile: password", cases::fill(2 << 10, |_| "password".repeat(512))),
        ("hostile: a token every 8 bytes", {
            cases::fill(2 << 10, |random| format!("token={}", random.text(cases::BASE62, 2)))
        }),
    ]
}

fn main() -> Result<ExitCode> {
    let mut arguments = std::env::args_os().skip(1).peekable();
    if arguments.next_if(|argument| argument == "--stepped").is_some() {
        stepped()?;
        return Ok(ExitCode::SUCCESS);
    }
    let records = arguments.next_if(|argument| argument == "--record").is_some();
    let bounds = arguments.next().context(USAGE)?;
    let bounds = Path::new(&bounds);
    let counts = match counted() {
        Ok(counts) => counts,
        Err(error) => {
            eprintln!("NOT MEASURED: instructions cannot be counted on this machine: {error:#}");
            eprintln!(
                "Only the counts of attempts (benches/tests/work.rs) guard against cliffs here."
            );
            return Ok(ExitCode::SUCCESS);
        }
    };
    let (plain, scans) = counts.split_first().context("nothing was counted")?;
    let cases = cases();
    let first = cases.first().map_or(1, |(_, bytes)| bytes.len());
    let plain = ratio(*plain, first);
    let mut found = BTreeMap::new();
    for ((name, bytes), count) in cases.iter().zip(scans) {
        found.insert(*name, (ratio(*count, bytes.len()) / plain * 100.0).round() / 100.0);
    }
    if records {
        std::fs::write(bounds, serde_json::to_string_pretty(&found)? + "\n")?;
    }
    let text = std::fs::read_to_string(bounds).context("cannot read the bounds")?;
    let known: BTreeMap<String, f64> = serde_json::from_str(&text)?;
    println!("instructions for a byte, of a plain loop: {plain:.2}; the scan, in such loops:\n");
    println!("| bytes | found | as it was | most |\n| --- | --: | --: | --: |");
    let mut is_good = known.len() == found.len();
    for (name, ratio) in &found {
        let Some(was) = known.get(*name) else {
            bail!("{}: no bound for {name}", bounds.display())
        };
        let most = was * LEEWAY;
        println!("| {name} | {ratio:.2} | {was:.2} | {most:.2} |");
        if *ratio > most {
            is_good = false;
            eprintln!("{name}: {ratio:.2} plain loops for a byte, expected at most {most:.2}");
        } else if *ratio < was / LEEWAY {
            println!("\n{name} takes less than it did: `instructions --record` keeps it so.");
        }
    }
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[expect(clippy::cast_precision_loss, clippy::as_conversions, reason = "some millions")]
fn ratio(count: u64, bytes: usize) -> f64 {
    count as f64 / bytes as f64
}

/// What is stepped: the plain loop over the first case, then a scan of each. Between two of them a signal.
fn stepped() -> Result<()> {
    let engine = Engine::on(Kernel::named("scalar")?, RuleSet::builtin()?, [0; 32]);
    let cases = cases();
    // What is made once is made now.
    for (_, bytes) in &cases {
        scan(&engine, bytes);
    }
    raise(Signal::SIGSTOP)?;
    raise(Signal::SIGUSR1)?;
    let first = cases.first().map(|(_, bytes)| bytes.as_slice()).unwrap_or_default();
    // FNV-1a: a byte depends on the one before, so that no compiler makes less of it.
    let sum = first.iter().fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    black_box(sum);
    raise(Signal::SIGUSR1)?;
    for (_, bytes) in &cases {
        scan(&engine, bytes);
        raise(Signal::SIGUSR1)?;
    }
    Ok(())
}

/// A window of its own, as of a file.
fn scan(engine: &Engine, bytes: &[u8]) {
    let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let holder = Holder { set: 0, kind: HolderKind::File, id: 0, ordinal: 0 };
    let space = Space::file(holder, RegionKind::File, len);
    let cut = Cut { start: false, end: false };
    let window =
        Window { space: &space, name: "", region_start: 0, base: 0, own: 0..len, bytes, cut };
    let mut scratch = Scratch::default();
    let mut found = 0_u64;
    engine.scan(&window, &mut scratch, |_| found += 1);
    black_box(found);
}

/// Instructions from each signal of the other process to the next one.
fn counted() -> Result<Vec<u64>> {
    let mut child = Command::new(std::env::current_exe()?)
        .arg("--stepped")
        .env("GLIBC_TUNABLES", PLAIN)
        .spawn()?;
    let counts = counts(Pid::from_raw(i32::try_from(child.id())?));
    if counts.is_err() {
        child.kill()?;
    }
    let status = child.wait();
    let counts = counts?;
    // Who was stepped to its end is known to have ended already.
    if status.is_ok_and(|status| !status.success()) {
        bail!("the process that was stepped failed");
    }
    Ok(counts)
}

fn counts(pid: Pid) -> Result<Vec<u64>> {
    match waitpid(pid, Some(WaitPidFlag::WUNTRACED))? {
        WaitStatus::Stopped(_, Signal::SIGSTOP) => {}
        other => bail!("expected it to stop, found {other:?}"),
    }
    ptrace::attach(pid).context("ptrace is forbidden")?;
    let wait = || waitpid(pid, None);
    let mut stop = wait()?;
    // To the first signal at full speed.
    while stop != WaitStatus::Stopped(pid, Signal::SIGUSR1) {
        let WaitStatus::Stopped(_, Signal::SIGSTOP | Signal::SIGCONT) = stop else {
            bail!("expected the first signal, found {stop:?}");
        };
        nix::sys::signal::kill(pid, Signal::SIGCONT)?;
        ptrace::cont(pid, None)?;
        stop = wait()?;
    }
    let (mut counts, mut steps) = (Vec::new(), 0_u64);
    loop {
        ptrace::step(pid, None)?;
        match wait()? {
            WaitStatus::Stopped(_, Signal::SIGTRAP) => steps += 1,
            WaitStatus::Stopped(_, Signal::SIGUSR1) => {
                eprintln!("{} of {}: {steps} instructions", counts.len(), cases().len());
                counts.push(steps);
                steps = 0;
                if counts.len() > cases().len() {
                    ptrace::cont(pid, None)?;
                    return Ok(counts);
                }
            }
            WaitStatus::Stopped(_, Signal::SIGCONT) => {}
            other => bail!("expected a step, found {other:?}"),
        }
    }
}
