//! The arguments of the program.

use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context, Result, bail};

const USAGE: &str = "usage: end-to-end --binary CRYOSCAN [--runs N] [--most-memory MIB] \
    TARGET [--expect N] [--pipe] [TARGET …]… [-- ARGUMENTS FOR CRYOSCAN]";

/// What to run, on what.
#[derive(Debug, PartialEq)]
pub(crate) struct Options {
    /// The program to measure.
    pub(crate) binary: PathBuf,
    /// How often each target is scanned; 1 or more.
    pub(crate) runs: u32,
    /// Anonymous memory, in MiB, that no run may exceed.
    pub(crate) most_memory: Option<u64>,
    pub(crate) targets: Vec<Target>,
    /// Handed to the program as they are.
    pub(crate) arguments: Vec<OsString>,
}

/// One file or folder to scan.
#[derive(Debug, PartialEq)]
pub(crate) struct Target {
    pub(crate) path: PathBuf,
    /// The right count of findings.
    pub(crate) expect: Option<u64>,
    /// Whether the program reads it from a pipe.
    pub(crate) pipe: bool,
}

impl Options {
    /// Reads the arguments, without the name of the program.
    pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Self> {
        let mut arguments = arguments.into_iter();
        let (mut binary, mut runs, mut most_memory) = (None, 3, None);
        let mut targets = Vec::<Target>::new();
        while let Some(argument) = arguments.next() {
            match argument.to_str() {
                Some("--") => break,
                Some("--binary") => binary = arguments.next().map(PathBuf::from),
                Some("--runs") => runs = number("--runs", arguments.next())?,
                Some("--most-memory") => {
                    most_memory = Some(number("--most-memory", arguments.next())?);
                }
                Some("--pipe") => {
                    targets.last_mut().context("--pipe stands before its target")?.pipe = true;
                }
                Some("--expect") => {
                    let target = targets.last_mut().context("--expect stands before its target")?;
                    target.expect = Some(number("--expect", arguments.next())?);
                }
                Some(option) if option.starts_with('-') => {
                    bail!("unknown option {option}\n{USAGE}")
                }
                _ => targets.push(Target { path: argument.into(), expect: None, pipe: false }),
            }
        }
        if runs == 0 || targets.is_empty() {
            bail!("nothing to run\n{USAGE}");
        }
        let binary = binary.context(USAGE)?;
        Ok(Self { binary, runs, most_memory, targets, arguments: arguments.collect() })
    }
}

fn number<N: FromStr>(option: &str, value: Option<OsString>) -> Result<N> {
    let value = value.with_context(|| format!("{option} needs a number"))?;
    let number = value.to_string_lossy().parse().ok();
    number.with_context(|| format!("{option} needs a number"))
}

#[cfg(test)]
mod tests {
    use super::{Options, Target};

    fn parse(line: &str) -> anyhow::Result<Options> {
        Options::parse(line.split_whitespace().map(Into::into))
    }

    #[test]
    fn what_is_expected_belongs_to_the_target_before_it() {
        let options =
            parse("--binary b --runs 5 --most-memory 96 one --expect 7 --pipe two -- -j 1")
                .unwrap();
        let expected = Options {
            binary: "b".into(),
            runs: 5,
            most_memory: Some(96),
            targets: vec![
                Target { path: "one".into(), expect: Some(7), pipe: true },
                Target { path: "two".into(), expect: None, pipe: false },
            ],
            arguments: vec!["-j".into(), "1".into()],
        };
        assert_eq!(options, expected);
    }

    #[test]
    fn what_cannot_be_run_is_refused() {
        for line in ["", "target", "--binary b", "--binary b --expect 1 t", "--binary b --runs 0 t"]
        {
            assert!(parse(line).is_err(), "{line}");
        }
        for line in ["--binary b --most-memory t", "--binary b --pipe t"] {
            assert!(parse(line).is_err(), "{line}");
        }
        for line in ["--binary b --runs x t", "--binary b t --expect", "--binary b --fast t"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
