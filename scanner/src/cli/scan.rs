//! `cryoscan scan`.

use std::fs::File;
use std::io::{self, Read};
use std::panic;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use anyhow::{Context, bail};
use indicatif::ProgressBar;

use super::args::ScanArgs;
use super::output::{Reports, complain};
use super::progress::{Watch, anonymous_memory};
use super::{cache, lists, user_rules, value};
use crate::diagnostic::{Code, Diagnostic, Level};
use crate::limits::Limits;
use crate::matching::Kernel;
use crate::report::{
    DiagnosticRecord, Measured, Record, SeverityCounts, Style, Summary, Verdict, escape,
};
use crate::scan::{self, Outcome, Prepared, Progress, Settings, Target};
use crate::secret::SecretBytes;
use crate::yara;

/// Scans, writes the reports, and gives the exit code.
pub(super) fn run(args: ScanArgs, style: &Style, bar: &ProgressBar) -> anyhow::Result<u8> {
    let format = value::format(&args.format).context("no such format")?;
    let mut settings = settings(&args)?;
    let policy = args.policy;
    let started = Instant::now();
    let cached = match &args.cache {
        Some(path) => {
            let prepared = Prepared::new(&settings)?;
            let cache = cache::open(path, &prepared, &mut settings)?;
            Some((path.clone(), cache, prepared))
        }
        None => None,
    };
    let targets: Vec<Target> = args.targets.into_iter().map(super::target).collect();
    let mut reports = Reports::open(format, style, &args.output)?;

    let progress = Arc::new(Progress::with_memory(anonymous_memory));
    let watch = Watch::start(Arc::clone(&progress), bar.clone());
    let mut stdin = io::stdin().lock();
    let mut emit = |record| reports.record(&record);
    let outcome = match &cached {
        Some((_, _, prepared)) => {
            scan::scan_with(prepared, &targets, &settings, &progress, &mut stdin, &mut emit)
        }
        None => scan::scan_from(&targets, &settings, &progress, &mut stdin, &mut emit),
    };
    let peak_memory_bytes = watch.finish();
    if peak_memory_bytes > settings.memory {
        // Nothing of what was found is given up for it.
        let (peak, most) = (peak_memory_bytes >> 20, settings.memory >> 20);
        tracing::warn!(
            "the scan took {peak} MiB of memory, more than --memory {most}MiB: buffers and threads were as \
             few as it asks for, the rest are findings, YARA rules, and what must be kept of the target"
        );
    }
    let outcome = match outcome {
        Err(_) if reports.nobody_reads() => return Ok(0),
        outcome => outcome?,
    };
    if let Some((path, cache, _)) = &cached {
        cache::save(path, cache);
    }

    let code = policy.code(policy.judge(&outcome));
    let measured = settings.measured.then(|| Measured {
        seconds: started.elapsed().as_secs_f64(),
        peak_memory_bytes,
        scanned_bytes: outcome.scanned_bytes,
        kernel: settings.kernel.unwrap_or_else(Kernel::best).name(),
    });
    match conclude(&mut reports, &outcome, code, measured) {
        Err(_) if reports.nobody_reads() => Ok(0),
        done => Ok(done.map(|()| code)?),
    }
}

fn settings(args: &ScanArgs) -> anyhow::Result<Settings> {
    let limits = Limits::default();
    let yara = if args.yara.is_empty() {
        None
    } else {
        // Where memory may not be made executable yara-x panics; the error says it better.
        let hook = panic::take_hook();
        panic::set_hook(Box::new(|_| {}));
        let rules = yara::Rules::load(&args.yara, args.yara_includes, &limits);
        panic::set_hook(hook);
        Some(Arc::new(rules?))
    };
    Ok(Settings {
        threads: args
            .threads
            .map_or_else(|| thread::available_parallelism().map_or(1, usize::from), usize::from),
        memory: args.memory,
        window: args.window_size,
        kernel: args.kernel,
        limits,
        show_secrets: args.show_secrets,
        max_places: args.max_places,
        rules: user_rules::chosen(&args.rules, &args.select)?,
        grep: args.grep.clone(),
        yara,
        indicators: lists::chosen(&args.ioc, args.rules.rules_lenient)?,
        fingerprint_key: args.fingerprint_key.as_deref().map(key).transpose()?,
        registers: args.registers,
        measured: !args.no_measured,
        raw: args.raw,
        filter: args.filter.filter(),
        statistics: None,
        cache: None,
    })
}

/// Reads a key; the line end that editors and `echo` leave is no part of it.
fn key(path: &Path) -> anyhow::Result<SecretBytes> {
    const LEAST: usize = 16;
    const MOST: usize = 4096;
    let name = || path.display().to_string();
    // Room for all of it from the start: a buffer that grows leaves copies behind.
    let mut bytes = Vec::with_capacity(MOST + 1);
    let file = File::open(path).with_context(name)?;
    #[expect(clippy::disallowed_methods, reason = "bounded by take")]
    file.take(MOST as u64 + 1).read_to_end(&mut bytes).with_context(name)?;
    while bytes.last().is_some_and(|byte| matches!(byte, b'\r' | b'\n')) {
        bytes.pop();
    }
    let key = SecretBytes::from(bytes);
    if !(LEAST..=MOST).contains(&key.len()) {
        bail!("{}: expected a key of {LEAST} to {MOST} bytes, found {}", name(), key.len());
    }
    Ok(key)
}

/// The records behind the checkpoints: what could not be scanned at all, and the summary.
fn conclude(
    reports: &mut Reports,
    outcome: &Outcome,
    exit: u8,
    measured: Option<Measured>,
) -> io::Result<()> {
    for (target, error) in &outcome.failed {
        let message = error.to_string();
        complain(&escape(&format!("{target}: {message}")));
        let diagnostic = Diagnostic::new(Level::Error, Code::TargetFailed, target, message);
        reports.record(&Record::Diagnostic(DiagnosticRecord { checkpoint: None, diagnostic }))?;
    }
    reports.record(&Record::Summary(summary(outcome, exit, measured)))?;
    reports.finish()
}

fn summary(outcome: &Outcome, exit: u8, measured: Option<Measured>) -> Summary {
    let mut findings = SeverityCounts::default();
    for ((severity, _), count) in &outcome.findings {
        findings.add(*severity, *count);
    }
    let complete = outcome.complete && outcome.failed.is_empty();
    let verdict = match (findings.total(), complete) {
        (0, true) => Verdict::Clean,
        (0, false) => Verdict::Incomplete,
        _ => Verdict::Findings,
    };
    Summary { verdict, findings, checkpoints: outcome.checkpoints, complete, exit, measured }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{Confidence, Severity};
    use crate::scan::ScanError;

    #[test]
    fn clean_means_that_everything_was_scanned() {
        let whole = Outcome { complete: true, ..Outcome::default() };
        assert_eq!(summary(&whole, 0, None).verdict, Verdict::Clean);
        let part = Outcome::default();
        assert_eq!(summary(&part, 3, None).verdict, Verdict::Incomplete);
        let failed = vec![("x".to_owned(), ScanError::NotACheckpoint("a text".to_owned()))];
        let failed = Outcome { complete: true, failed, ..Outcome::default() };
        assert_eq!(summary(&failed, 2, None).verdict, Verdict::Incomplete);
        assert!(!summary(&failed, 2, None).complete);
    }

    #[test]
    fn findings_are_counted_over_all_confidences() {
        let findings = [
            ((Severity::High, Confidence::Low), 2),
            ((Severity::High, Confidence::Confirmed), 3),
            ((Severity::Info, Confidence::High), 1),
        ];
        let outcome = Outcome { findings: findings.into(), ..Outcome::default() };
        let summary = summary(&outcome, 3, None);
        assert_eq!(summary.verdict, Verdict::Findings);
        assert_eq!((summary.findings.high, summary.findings.info), (5, 1));
    }
}
