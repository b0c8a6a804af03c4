//! Plants fresh values of every kind in live processes, dumps and scans them, and prints what was found
//! as Markdown.
//!
//! `generated [--cryoscan PATH] [--seed N] [--kind WORD] [--native] [--misses]`: strings of Java, Node.js
//! and Python are tried where these are installed, unless `--native`. `--misses` lists each value that
//! was not found on standard error, with the rules that found something else there.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program of its own")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail, ensure};
use cryoscan_tests::generated::{self, Plant, Verdict};
use cryoscan_tests::kinds::Kind;
use cryoscan_tests::scanned::Files;
use cryoscan_tests::surroundings::Surrounding;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("generated: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<()> {
    let mut cryoscan = PathBuf::from("cryoscan");
    let (mut seed, mut word, mut native, mut misses) = (1, String::new(), false, false);
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "hold" => return generated::hold(),
            "--cryoscan" => cryoscan = args.next().context("--cryoscan needs a path")?.into(),
            "--seed" => seed = args.next().context("--seed needs a number")?.parse()?,
            "--kind" => word = args.next().context("--kind needs a word")?,
            "--native" => native = true,
            "--misses" => misses = true,
            other => bail!("unknown argument {other}"),
        }
    }
    let of = |kind: &Kind| kind.id.contains(&word);
    let own = std::env::current_exe()?;
    let mut all = Vec::new();
    let mut astray = BTreeMap::new();
    let mut batches: Vec<(Option<Surrounding>, Vec<Surrounding>)> =
        vec![(None, Surrounding::NATIVE.to_vec())];
    if !native {
        batches.extend(Surrounding::RUNTIMES.map(|runtime| (Some(runtime), vec![runtime])));
    }
    for (runtime, surroundings) in batches {
        let mut plants = generated::plan(&surroundings, seed, &of);
        match round(&own, &cryoscan, runtime, seed, &mut plants) {
            Ok(found) => {
                for (rule, count) in found {
                    *astray.entry(rule).or_default() += count;
                }
                all.append(&mut plants);
            }
            Err(error) if runtime.is_some() => eprintln!("left out: {error:#}"),
            Err(error) => return Err(error),
        }
    }
    if misses {
        for plant in all.iter().filter(|plant| !matches!(plant.verdict, Verdict::Exact(_))) {
            let Plant { kind, surrounding, made, at, verdict, .. } = plant;
            let text = made.text.escape_ascii();
            eprintln!("{} {surrounding:?} at {at:x?}: {verdict:?}: {text}", kind.id);
        }
    }
    print!("{}", generated::markdown(&all, &astray));
    Ok(())
}

/// Plants, dumps, scans and compares.
fn round(
    own: &Path,
    cryoscan: &Path,
    runtime: Option<Surrounding>,
    seed: u64,
    plants: &mut [Plant],
) -> Result<BTreeMap<String, usize>> {
    let files = Files::new();
    let archive = files.add("dump.tar", b"");
    let folder = archive.parent().context("a folder")?;
    let plot = generated::plot(plants, seed);
    let child = generated::start(own, runtime, &plot, folder)?;
    generated::dump(child, plants, &archive)?;
    if let Some(lost) = plants.iter().find(|plant| plant.at.is_empty()) {
        bail!("{} {:?} is nowhere in memory", lost.kind.id, lost.surrounding);
    }
    let report = scan(cryoscan, &archive)?;
    generated::compare(&report, plants)
}

fn scan(cryoscan: &Path, archive: &Path) -> Result<String> {
    let output = Command::new(cryoscan)
        .args(["scan", "--show-secrets", "--format", "jsonl"])
        .arg(archive)
        .output()
        .with_context(|| format!("cannot start {}", cryoscan.display()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(matches!(output.status.code(), Some(0 | 1)), "{}: {said}", output.status);
    String::from_utf8(output.stdout).context("the report is not UTF-8")
}
