//! Runs a cryoscan binary over checkpoints with known secrets and prints how it fares.
//!
//! `recall [--cryoscan PATH] FIXTURES_DIR`: exit 0 when every threshold is reached, 1 when not, 2
//! when a run failed.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program of its own")]

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail, ensure};
use cryoscan_tests::fixtures::{self, Fixture};
use cryoscan_tests::reader::Reader;
use cryoscan_tests::recall::{LEAST, Recall, WITHOUT_RULE, compare};

fn main() -> ExitCode {
    match run() {
        Ok(recall) => {
            print!("{}", recall.markdown());
            if recall.passes(&LEAST) { ExitCode::SUCCESS } else { ExitCode::from(1) }
        }
        Err(error) => {
            eprintln!("recall: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<Recall> {
    let mut cryoscan = PathBuf::from("cryoscan");
    let mut folder = None;
    let mut args = std::env::args_os().skip(1);
    while let Some(arg) = args.next() {
        if arg == "--cryoscan" {
            cryoscan = args.next().context("--cryoscan needs a path")?.into();
        } else if folder.replace(PathBuf::from(arg)).is_some() {
            bail!("one folder of fixtures, please");
        }
    }
    let folder = folder.context("usage: recall [--cryoscan PATH] FIXTURES_DIR")?;
    let fixtures = fixtures::load(&folder)?;
    ensure!(!fixtures.is_empty(), "no fixtures in {}", folder.display());
    let mut all = Recall::default();
    for Fixture { archive, truth } in fixtures {
        let report = scan(&cryoscan, &archive)?;
        let reader = Reader::open_file(&archive)?;
        all.merge(compare(&report, &truth, &reader, WITHOUT_RULE).context(truth.name.clone())?);
    }
    Ok(all)
}

fn scan(cryoscan: &Path, archive: &Path) -> Result<String> {
    let output = Command::new(cryoscan)
        .args(["scan", "--show-secrets", "--format", "jsonl"])
        .arg(archive)
        .output()
        .with_context(|| format!("cannot start {}", cryoscan.display()))?;
    // 0: nothing found, 1: findings, 3: not everything could be read.
    if !matches!(output.status.code(), Some(0 | 1 | 3)) {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{} on {}: {}: {said}", cryoscan.display(), archive.display(), output.status);
    }
    let report = String::from_utf8(output.stdout).context("the report is not UTF-8")?;
    let ended = report.lines().next_back().is_some_and(|line| line.contains("\"summary\""));
    ensure!(ended, "the report on {} has no summary at its end", archive.display());
    Ok(report)
}
