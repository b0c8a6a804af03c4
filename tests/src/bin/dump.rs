//! Dumps a live process and its children as a checkpoint.
//!
//! `dump PID --out FILE.tar` stops a process, dumps it and lets it run on.
//! `dump --out FILE.tar [--settle SECONDS] -- COMMAND…` starts a command, waits (2 s unless told), dumps
//! it with its children and ends them.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program of its own")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use cryoscan_tests::dumper::{self, Dumped};

fn main() -> ExitCode {
    match run() {
        Ok(dumped) => {
            let Dumped { pids, private, shared, unreadable } = dumped;
            println!(
                "{} processes, {private} bytes private, {shared} shared, {unreadable} unreadable",
                pids.len()
            );
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("dump: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<Dumped> {
    let (mut out, mut settle, mut pid, mut command) = (None, 2.0, None, Vec::new());
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--out" => out = Some(PathBuf::from(args.next().context("--out needs a path")?)),
            "--settle" => settle = args.next().context("--settle needs seconds")?.parse()?,
            "--" => command = args.by_ref().collect(),
            number => {
                let number =
                    number.parse::<u32>().with_context(|| format!("{number} is no pid"))?;
                pid = Some(number);
            }
        }
    }
    let out = out.context("usage: dump --out FILE.tar [--settle SECONDS] (PID | -- COMMAND…)")?;
    match (pid, command.split_first()) {
        (Some(pid), None) => {
            let pids = dumper::stop(pid)?;
            let dumped = dumper::dump(&pids, &out, &mut |_, _, _| {});
            dumper::signal("CONT", &pids)?;
            dumped
        }
        (None, Some((program, arguments))) => {
            let child = Command::new(program).args(arguments).stdin(Stdio::null()).spawn();
            let child = child.with_context(|| format!("cannot start {program}"))?;
            dump_command(child, Duration::try_from_secs_f64(settle)?, &out)
        }
        _ => bail!("a process or a command, please"),
    }
}

fn dump_command(mut child: Child, settle: Duration, out: &Path) -> Result<Dumped> {
    thread::sleep(settle);
    if let Some(status) = child.try_wait()? {
        bail!("the command has ended: {status}");
    }
    let pids = match dumper::stop(child.id()) {
        Ok(pids) => pids,
        Err(error) => {
            child.kill()?;
            return Err(error);
        }
    };
    let dumped = dumper::dump(&pids, out, &mut |_, _, _| {});
    dumper::signal("KILL", &pids)?;
    child.wait()?;
    dumped
}
