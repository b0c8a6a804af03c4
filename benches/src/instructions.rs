//! The instructions that the scalar kernel's path takes for a byte, counted by valgrind: figures that load, clock and
//! cache do not change, and hardly the processor. A workload that takes more than its bound fails, and so does one in
//! which less is found than there is.
#![expect(clippy::print_stdout, reason = "the figures are the output")]

use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail, ensure};
use cryoscan::matching::{Engine, Kernel, Scratch};
use cryoscan::rule::RuleSet;
use cryoscan_tests::workloads;

const USAGE: &str = "usage: instructions VALGRIND";
/// What the counted process is called with, and then the name of the workload.
const SCAN: &str = "--scan";

/// Bytes of a workload.
const LENGTH: usize = 256 << 10;
const SEED: u64 = 13;

/// Workload, most instructions for a byte, and how many hits there are at least. A bound is a quarter more than what
/// was counted when it was set.
const BOUNDS: &[(&str, u64, u64)] = &[
    ("a heap", 42, 0),
    ("random bytes", 48, 0),
    ("digests", 213, 0),
    ("random base64", 99, 0),
    ("UTF-16", 149, 0),
    ("text of a service", 94, 0),
    ("tokens", 343, 1300),
    ("all A", 105, 0),
    ("eyJ", 340, 0),
    ("password", 490, 0),
    ("a token every 8 bytes", 596, 0),
    ("heads of PEM", 578, 0),
    ("near misses", 147, 0),
    ("URIs without an end", 399, 0),
];

fn main() -> Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [SCAN, name] => scan(name).map(|()| ExitCode::SUCCESS),
        [valgrind] => guard(valgrind),
        _ => bail!(USAGE),
    }
}

/// Holds every workload to its bounds.
fn guard(valgrind: &str) -> Result<ExitCode> {
    let mut holds = true;
    println!("{:24} {:>16} {:>6} {:>6}", "workload", "instructions/B", "bound", "hits");
    for &(name, most, least_hits) in BOUNDS {
        let (instructions, hits) = count(valgrind, name).with_context(|| name.to_owned())?;
        let each = instructions.div_ceil(LENGTH as u64);
        let verdict = match (each <= most, hits >= least_hits) {
            (true, true) => "",
            (false, _) => "  more than the bound",
            (_, false) => "  too few hits",
        };
        holds &= verdict.is_empty();
        println!("{name:24} {each:16} {most:6} {hits:6}{verdict}");
    }
    Ok(if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The instructions of [`counted`] in a process of its own, and how many hits it tells.
fn count(valgrind: &str, name: &str) -> Result<(u64, u64)> {
    let mut command = Command::new(valgrind);
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    command.args(["--collect-atstart=no", "--toggle-collect=instructions::counted*"]);
    let output = command.arg(std::env::current_exe()?).args([SCAN, name]).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{valgrind} failed: {said}");
    let collected = said.lines().find_map(|line| line.split_once("Collected : ")).map(|it| it.1);
    let instructions = collected.with_context(|| format!("no count in: {said}"))?.trim().parse()?;
    ensure!(instructions > 0, "the function that is counted did not run: {said}");
    Ok((instructions, String::from_utf8_lossy(&output.stdout).trim().parse()?))
}

/// Scans a workload in one thread, and tells the hits.
fn scan(name: &str) -> Result<()> {
    let engine = Engine::on(Kernel::named("scalar")?, RuleSet::builtin()?, [7; 32]);
    let mut scratch = Scratch::default();
    // What is built by the first use of it belongs to no byte.
    hits(&engine, &mut scratch, &workload(name, SEED + 1)?);
    println!("{}", counted(&engine, &mut scratch, &workload(name, SEED)?));
    Ok(())
}

/// What valgrind knows by its name.
#[inline(never)]
fn counted(engine: &Engine, scratch: &mut Scratch, bytes: &[u8]) -> u64 {
    hits(engine, scratch, bytes)
}

/// What the engine finds in one window.
fn hits(engine: &Engine, scratch: &mut Scratch, bytes: &[u8]) -> u64 {
    let mut hits = 0;
    engine.scan_file("dump", bytes, scratch, |_| hits += 1);
    hits
}

fn workload(name: &str, seed: u64) -> Result<Vec<u8>> {
    let tokens = workloads::tokens(LENGTH, seed);
    let all = workloads::ordinary(LENGTH, seed).into_iter().chain([tokens]);
    let mut all = all.chain(workloads::hostile(LENGTH, seed));
    let found = all.find(|(other, _)| *other == name);
    Ok(found.with_context(|| format!("no workload {name}"))?.1)
}
