//! What the whole catalogue of rules costs over forty of them: the same bytes and an empty input, whole
//! processes, turn by turn, as a Markdown table.
//!
//! The lowest of all rounds counts: what else the machine does can only add to it.
#![expect(clippy::print_stdout, reason = "the table is the output")]

mod process;

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use process::{Run, proc_file};

const USAGE: &str = "usage: rule-cost CRYOSCAN TARGET [ROUNDS]";

/// Programs started on an empty input in one round: the kernel tells their time in ticks of 10 ms.
const STARTS: u32 = 20;

/// What users expect of any scanner of secrets: tokens of the large forges, clouds and vendors, keys,
/// passwords in URIs, environments and arguments. They are found in every way that rules have but
/// those that go over all bytes.
const FORTY: [&str; 40] = [
    "anthropic-key",
    "argv-password",
    "aws-access-key-id",
    "aws-secret-key",
    "aws-session-token",
    "azure-ad-client-secret",
    "azure-sas-token",
    "azure-storage-key",
    "docker-config-auth",
    "dockerhub-pat",
    "env-secret",
    "gcp-api-key",
    "gcp-oauth-access",
    "gcp-sa-key",
    "github-app-server-token",
    "github-pat-classic",
    "github-pat-fine",
    "gitlab-job-token",
    "gitlab-pat",
    "gitlab-pat-routable",
    "http-bearer",
    "huggingface-token",
    "jwt",
    "k8s-kubeconfig",
    "k8s-sa-jwt",
    "npm-token",
    "openai-key",
    "openshift-token",
    "openssh-private-key",
    "pem-ec-sec1",
    "pem-pkcs8",
    "pem-rsa-pkcs1",
    "pypi-token",
    "slack-bot-token",
    "stripe-secret-key",
    "uri-mongodb",
    "uri-mysql",
    "uri-postgres",
    "uri-redis",
    "vault-service-token",
];

/// What one choice of rules cost, the lowest of all rounds.
#[derive(Debug, PartialEq)]
struct Cost {
    /// CPU time of a scan of the target.
    cpu: Duration,
    /// The same on the clock.
    wall: Duration,
    /// CPU time of a scan of nothing.
    start: Duration,
    /// Anonymous memory of a scan of the target, in bytes; of this the highest.
    peak: u64,
    findings: u64,
}

fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (binary, target) = arguments.next().zip(arguments.next()).context(USAGE)?;
    let rounds = arguments.next().map_or(Some(5), |text| text.to_str()?.parse::<u32>().ok());
    let rounds = rounds.filter(|rounds| *rounds > 0).context(USAGE)?;
    let forty = ["--rule".to_owned(), FORTY.join(",")];
    let choices: [&[String]; 2] = [&[], &forty];
    let empty = std::env::temp_dir().join(format!("cryoscan-empty-{}", std::process::id()));
    File::create(&empty)?;
    let measured = measure(&binary, &target, &empty, choices, rounds);
    std::fs::remove_file(&empty)?;
    let [all, few] = measured?;
    let megabytes = to_f64(target.metadata()?.len()) / 1e6;
    println!("{rounds} rounds, {STARTS} starts each, {megabytes:.1} MB, one thread.\n");
    println!(
        "| rules | CPU s | wall s | MB/CPU-s | start-up, CPU ms | peak RssAnon MiB | findings |"
    );
    println!("|--:|--:|--:|--:|--:|--:|--:|");
    for (count, cost) in [(count(&binary)?, &all), (to_u64(FORTY.len()), &few)] {
        println!("{}", row(count, cost, megabytes));
    }
    println!("\n{}", ratio(&all, &few));
    Ok(())
}

/// Measures the choices of rules turn by turn.
fn measure(
    binary: &Path,
    target: &Path,
    empty: &Path,
    choices: [&[String]; 2],
    rounds: u32,
) -> Result<[Cost; 2]> {
    let mut best: [Option<Cost>; 2] = [None, None];
    for _ in 0..rounds {
        for (rules, best) in choices.iter().zip(&mut best) {
            let run = scan(binary, &[target.as_os_str()], rules)?;
            let before = children()?;
            for _ in 0..STARTS {
                scan(binary, &["--raw".as_ref(), empty.as_os_str()], rules)?;
            }
            let start = children()?.saturating_sub(before) / STARTS;
            *best = Some(better(best.take(), &run, start)?);
        }
    }
    let [Some(all), Some(few)] = best else { bail!("no round was made") };
    Ok([all, few])
}

/// One scan, on one thread: how work is shared out is not asked for.
fn scan(binary: &Path, target: &[&OsStr], rules: &[String]) -> Result<Run> {
    let mut command = Command::new(binary);
    command.args(["scan", "--no-config", "--format", "jsonl", "--threads", "1"]);
    process::run(command.args(target).args(rules), None)
}

/// The lower of the costs so far and those of a round.
///
/// # Errors
/// When it found something else: a fast wrong answer is a failure.
fn better(best: Option<Cost>, run: &Run, start: Duration) -> Result<Cost> {
    let Run { cpu, wall, peak_anonymous: peak, findings } = *run;
    let this = Cost { cpu, wall, start, peak, findings };
    let Some(best) = best else { return Ok(this) };
    if best.findings != this.findings {
        bail!("the same input gave {} findings, then {}", best.findings, this.findings);
    }
    Ok(Cost {
        cpu: best.cpu.min(this.cpu),
        wall: best.wall.min(this.wall),
        start: best.start.min(this.start),
        peak: best.peak.max(this.peak),
        findings: this.findings,
    })
}

/// User and system time of all children that have ended: fields 16 and 17 of `/proc/self/stat`. The sum
/// is exact and rounded down to a tick once, not for each of them.
fn children() -> Result<Duration> {
    let stat = proc_file("/proc/self/stat")?;
    let (_, fields) = stat.rsplit_once(") ").context("/proc/self/stat")?;
    let ticks: Vec<u64> =
        fields.split_whitespace().skip(13).take(2).map(str::parse).collect::<Result<_, _>>()?;
    let per_second = rustix::param::clock_ticks_per_second().max(1);
    let ticks = ticks.iter().fold(0u64, |sum, more| sum.saturating_add(*more));
    Ok(Duration::from_millis(ticks.saturating_mul(1000) / per_second))
}

/// How many rules come with the program.
fn count(binary: &Path) -> Result<u64> {
    #[derive(Deserialize)]
    struct List {
        count: u64,
    }
    let output = Command::new(binary).args(["rules", "list", "-f", "json"]).output()?;
    let list: List = serde_json::from_slice(&output.stdout).context("`rules list` is no JSON")?;
    Ok(list.count)
}

fn row(rules: u64, cost: &Cost, megabytes: f64) -> String {
    let cpu = cost.cpu.as_secs_f64();
    format!(
        "| {rules} | {cpu:.2} | {:.2} | {:.0} | {:.1} | {:.1} | {} |",
        cost.wall.as_secs_f64(),
        megabytes / cpu.max(0.01),
        cost.start.as_secs_f64() * 1e3,
        to_f64(cost.peak) / f64::from(1 << 20),
        cost.findings,
    )
}

/// How much more all rules cost than the few.
fn ratio(all: &Cost, few: &Cost) -> String {
    let over = |all: Duration, few: Duration| all.as_secs_f64() / few.as_secs_f64().max(1e-4);
    let scan = |cost: &Cost| cost.cpu.saturating_sub(cost.start);
    format!(
        "All rules over {}: {:.2} of the CPU time, {:.2} of the start-up, {:.2} without it.",
        FORTY.len(),
        over(all.cpu, few.cpu),
        over(all.start, few.start),
        over(scan(all), scan(few)),
    )
}

fn to_u64(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// For the table only: exact up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "figures are rounded for print anyway")]
fn to_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::process::Command;
    use std::time::Duration;

    use super::process::Run;
    use super::{Cost, FORTY, better, children, ratio};

    fn cost(cpu: u64, start: u64) -> Cost {
        let (cpu, start) = (Duration::from_millis(cpu), Duration::from_millis(start));
        Cost { cpu, wall: cpu, start, peak: 1, findings: 5 }
    }

    #[test]
    fn the_forty_are_forty_rules_of_the_catalogue() {
        assert_eq!(BTreeSet::from(FORTY).len(), 40);
        let set = cryoscan::rule::RuleSet::builtin().unwrap();
        let known: BTreeSet<&str> = set.rules().iter().map(|rule| rule.id.as_str()).collect();
        for id in FORTY {
            assert!(known.contains(id), "{id}");
        }
    }

    #[test]
    fn the_lowest_counts_and_a_wrong_count_fails() {
        let run = |cpu, findings| {
            let cpu = Duration::from_millis(cpu);
            Run { wall: cpu, cpu, peak_anonymous: 1, findings }
        };
        let start = Duration::from_millis;
        let best = better(Some(cost(700, 30)), &run(800, 5), start(20)).unwrap();
        assert_eq!(best, cost(700, 20));
        assert!(better(Some(cost(700, 30)), &run(600, 4), start(20)).is_err());
    }

    #[test]
    fn ratios_are_of_all_over_few() {
        let text = ratio(&cost(840, 40), &cost(420, 20));
        assert_eq!(
            text,
            "All rules over 40: 2.00 of the CPU time, 2.00 of the start-up, 2.00 without it."
        );
    }

    #[test]
    fn children_that_have_ended_are_counted() {
        let before = children().unwrap();
        let script = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done";
        assert!(Command::new("/bin/sh").args(["-c", script]).status().unwrap().success());
        assert!(children().unwrap() > before);
    }
}
