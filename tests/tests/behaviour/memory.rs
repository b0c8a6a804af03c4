//! `--memory` is kept by the whole process, and the report is the same as with more.
//!
//! The test starts itself once more, as the program, as memory is counted by process.
#![expect(clippy::unwrap_used, reason = "a test that cannot run fails")]

use std::env;
use std::path::Path;
use std::process::{Command, Stdio};

use cryoscan::cli;
use cryoscan_tests::builder::{Archive, Checkpoint, Mapping, Process, Producer};
use cryoscan_tests::random::Random;
use cryoscan_tests::scanned::Files;
use cryoscan_tests::values;
use serde_json::Value;

/// Arguments for [`the_program`], one a line.
const ARGS: &str = "MEMORY_ARGS";

/// The program, if the test below has started it.
#[test]
fn the_program() {
    let Some(args) = env::var_os(ARGS) else { return };
    let args = args.into_string().unwrap();
    cli::run(["cryoscan"].into_iter().chain(args.lines()).map(Into::into));
}

/// The records of a scan, and the most memory that it took.
fn scan(target: &Path, memory: &str, threads: &str, more: &[&str]) -> (Vec<Value>, u64) {
    let report = target.with_extension(format!("{memory}-{threads}.jsonl"));
    let output = format!("-ojsonl={}", report.display());
    let target = target.to_str().unwrap();
    let args = ["scan", target, "--memory", memory, "--threads", threads, &output];
    let args = [&args, more].concat();
    let mut program = Command::new(env::current_exe().unwrap());
    program.args(["--exact", "memory::the_program", "--nocapture"]).stdin(Stdio::null());
    program.env_clear().env(ARGS, args.join("\n"));
    let said = program.output().unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    #[expect(clippy::disallowed_methods, reason = "its own report")]
    let lines = std::fs::read_to_string(report).unwrap();
    let mut records: Vec<Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let summary = records.last_mut().unwrap().as_object_mut().unwrap();
    let measured = summary.remove("measured").unwrap();
    (records, measured["peak_memory_bytes"].as_u64().unwrap())
}

#[test]
fn memory_is_kept_by_the_whole_process() {
    let files = Files::new();
    let start = 0x6200_0000_0000;
    let len = 24 << 20;
    let mut mapping = Mapping::noise(start, len, 5);
    let mut random = Random::new(6);
    for at in (0..len as u64).step_by(1 << 20) {
        mapping =
            mapping.put(start + at + 77, format!("\0{}\0", values::github_token(&mut random)));
    }
    let process = Process::new(1, "large").map(mapping);
    let tar = Archive::of(Producer::Runc, &Checkpoint::new().process(process)).tar();
    let frames = |len: usize| {
        let parts = tar.chunks(len).map(|part| zstd::bulk::compress(part, 1).unwrap());
        parts.collect::<Vec<_>>().concat()
    };
    for (name, bytes) in
        [("a.tar", &tar), ("one.tar.zst", &frames(tar.len())), ("many.tar.zst", &frames(2 << 20))]
    {
        let target = files.add(name, bytes);
        let (expected, _) = scan(&target, "1GiB", "1", &[]);
        let tokens = expected.iter().filter(|record| record["type"] == "finding").count();
        assert!(tokens >= 24, "{name}: {tokens} findings");
        for (memory, mib, threads) in [("48MiB", 48, "1"), ("64MiB", 64, "8"), ("96MiB", 96, "2")] {
            let (records, peak) = scan(&target, memory, threads, &[]);
            assert_eq!(records, expected, "{name}, {memory}, {threads} threads");
            assert!(peak > 0 && peak <= mib << 20, "{name}, {memory}, {threads} threads: {peak}");
        }
        // A cache takes its part of it.
        let cache = target.with_extension("cache");
        for _ in 0..2 {
            let (records, peak) =
                scan(&target, "64MiB", "2", &["--cache", cache.to_str().unwrap()]);
            assert_eq!(records, expected, "{name} with a cache");
            assert!(peak > 0 && peak <= 64 << 20, "{name} with a cache: {peak}");
        }
    }
}
