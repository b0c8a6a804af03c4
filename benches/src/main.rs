//! Runs a cryoscan binary on whole targets and prints what it costs, as a Markdown table.
//!
//! The count of findings is part of each measurement: a fast wrong answer is a failure. Speed
//! also stands as a ratio to the cheapest pass over the same bytes, made in the same run.
#![expect(clippy::print_stdout, reason = "the table is the output")]

mod floor;
mod options;
mod process;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use options::{Options, Target};
use process::Run;

/// Below this much CPU time in all runs, the kernel's clock ticks are too coarse for a speed.
const MEASURABLE: Duration = Duration::from_millis(200);

fn main() -> Result<()> {
    let options = Options::parse(std::env::args_os().skip(1))?;
    println!("{} runs each, on {}.\n", options.runs, machine());
    println!(
        "| target | MB | wall s | CPU s | MB/CPU-s | sum of words, MB/CPU-s | ratio | peak RssAnon MiB | findings |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|");
    for target in &options.targets {
        println!("{}", row(&options, target)?);
    }
    println!(
        "\nMB are stored bytes / 10^6; wall is the median, CPU the mean, RssAnon the highest."
    );
    Ok(())
}

/// Measures one target: a line of the table.
fn row(options: &Options, target: &Target) -> Result<String> {
    let name = target.path.display();
    let floor = floor::measure(&target.path, options.runs)
        .with_context(|| format!("cannot read {name}"))?;
    let mut runs = Vec::new();
    for _ in 0..options.runs {
        let mut command = Command::new(&options.binary);
        command.args(["scan", "--format", "jsonl"]).args(&options.arguments);
        let piped = target.pipe.then_some(target.path.as_path());
        command.arg(if target.pipe { Path::new("-") } else { &target.path });
        let run = process::run(&mut command, piped).with_context(|| format!("scan of {name}"))?;
        within(&run, options.most_memory).with_context(|| format!("scan of {name}"))?;
        runs.push(run);
    }
    let findings = agreed_count(&runs, target.expect).with_context(|| name.to_string())?;

    let megabytes = to_f64(floor.bytes) / 1e6;
    let count = f64::from(options.runs);
    let cpu: Duration = runs.iter().map(|run| run.cpu).sum();
    let speed = (cpu >= MEASURABLE).then(|| megabytes * count / cpu.as_secs_f64());
    let floor_speed = megabytes / floor.cpu.as_secs_f64();
    let peak = runs.iter().map(|run| run.peak_anonymous).max().unwrap_or_default();
    Ok(format!(
        "| {}{} | {megabytes:.1} | {:.3} | {:.3} | {} | {floor_speed:.0} | {} | {:.1} | {findings} |",
        short_name(&target.path),
        if target.pipe { " (pipe)" } else { "" },
        median(runs.iter().map(|run| run.wall).collect()).as_secs_f64(),
        cpu.as_secs_f64() / count,
        speed.map_or("too short".to_owned(), |speed| format!("{speed:.0}")),
        speed.map_or("–".to_owned(), |speed| format!("{:.2}", speed / floor_speed)),
        to_f64(peak) / f64::from(1 << 20),
    ))
}

/// The last two parts of a path: the file is often just `checkpoint.tar`.
fn short_name(path: &Path) -> String {
    let folder = path.parent().and_then(Path::file_name).map(Path::new);
    let name = folder.unwrap_or(Path::new("")).join(path.file_name().unwrap_or_default());
    name.display().to_string()
}

/// The count of findings that all runs report.
///
/// # Errors
/// When two runs disagree, or the count is not the expected one.
fn agreed_count(runs: &[Run], expect: Option<u64>) -> Result<u64> {
    let first = runs.first().context("no run was made")?.findings;
    if let Some(other) = runs.iter().find(|run| run.findings != first) {
        bail!("the same input gave {first} findings, then {}", other.findings);
    }
    match expect {
        Some(expected) if expected != first => bail!("expected {expected} findings, found {first}"),
        _ => Ok(first),
    }
}

/// Whether a run took no more anonymous memory than it may.
fn within(run: &Run, most_memory: Option<u64>) -> Result<()> {
    match most_memory {
        Some(most) if run.peak_anonymous > most << 20 => {
            bail!("took {} bytes of anonymous memory, more than {most} MiB", run.peak_anonymous)
        }
        _ => Ok(()),
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// For the table only: exact up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "figures are rounded for print anyway")]
fn to_f64(count: u64) -> f64 {
    count as f64
}

/// Processor and count of cores, for the record.
fn machine() -> String {
    let info = process::proc_file("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{} ({cores} cores)", model.unwrap_or("an unnamed processor"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Run, agreed_count, median, within};

    fn run(findings: u64) -> Run {
        Run { wall: Duration::ZERO, cpu: Duration::ZERO, peak_anonymous: 0, findings }
    }

    #[test]
    fn a_wrong_count_fails() {
        assert_eq!(agreed_count(&[run(3), run(3)], Some(3)).unwrap(), 3);
        assert_eq!(agreed_count(&[run(3)], None).unwrap(), 3);
        let wrong = agreed_count(&[run(3)], Some(4)).unwrap_err();
        assert_eq!(wrong.to_string(), "expected 4 findings, found 3");
        let unstable = agreed_count(&[run(3), run(2)], None).unwrap_err();
        assert_eq!(unstable.to_string(), "the same input gave 3 findings, then 2");
    }

    #[test]
    fn too_much_memory_fails() {
        let run = Run { peak_anonymous: (96 << 20) + 1, ..run(0) };
        assert!(within(&run, Some(96)).is_err());
        within(&run, Some(97)).unwrap();
        within(&run, None).unwrap();
    }

    #[test]
    fn the_median_is_the_middle_one() {
        let times = [5, 1, 3].map(Duration::from_secs).to_vec();
        assert_eq!(median(times), Duration::from_secs(3));
    }
}
