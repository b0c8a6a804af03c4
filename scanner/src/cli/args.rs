//! The command line, as clap reads it. Every option has an environment name of the same word.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

use super::exit::{self, Gate};
use super::value::{Output, format_names, gate, memory, output, window};

const EXAMPLES: &str = "\
Examples:
  cryoscan checkpoint.tar                          what is in it, for people
  cryoscan checkpoint.tar -f jsonl | jq .          the same for programs
  cryoscan *.tar --fail-on high                    exit 1 if something bad is in one of them
  cryoscan checkpoint.tar --grep 'RANDOM_\\d+_KEY'  where is this text
  cryoscan checkpoint.tar -o jsonl=report.jsonl    a page on the screen and a file";

/// Finds secrets in container checkpoints.
///
/// A checkpoint holds every byte of a container's memory. cryoscan says which secrets are in it, in
/// which process and at which address or in which file, how sure that is, and what to do. It needs
/// no container engine, no root and no network.
#[derive(Debug, Parser)]
#[command(
    name = "cryoscan",
    version,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    arg_required_else_help = true,
    max_term_width = 100,
    after_help = exit::HELP,
    after_long_help = format!("{EXAMPLES}\n\n{}", exit::HELP),
    override_usage = "cryoscan [scan] [OPTIONS] TARGET...\n       cryoscan inspect [OPTIONS] TARGET"
)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Option<Command>,
    #[command(flatten)]
    pub(super) scan: Option<ScanArgs>,
    #[command(flatten)]
    pub(super) log: LogArgs,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Scan targets for secrets (also without the word `scan`)
    #[command(
        max_term_width = 100,
        after_help = exit::HELP,
        after_long_help = format!("{EXAMPLES}\n\n{}", exit::HELP),
    )]
    Scan(ScanArgs),
    /// Show what a checkpoint holds, without looking for secrets
    ///
    /// The container, the process tree and shared memory; with --maps and --environ (or -v) also the
    /// memory maps and the names of environment variables. JSON has all of it. Secrets in command
    /// lines are covered by stars; values of variables are never shown.
    #[command(max_term_width = 100)]
    Inspect(InspectArgs),
    /// For those who work on cryoscan
    #[cfg(feature = "dev")]
    #[command(hide = true, subcommand)]
    Dev(DevCommand),
}

#[cfg(feature = "dev")]
#[derive(Debug, Subcommand)]
pub(super) enum DevCommand {
    /// Write docs/generated
    Generate {
        /// The folder to write to
        #[arg(default_value = "docs/generated")]
        folder: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(super) struct ScanArgs {
    /// Checkpoint archives, folders, or `-` for standard input
    #[arg(value_name = "TARGET", required = true)]
    pub(super) targets: Vec<PathBuf>,

    /// What goes to standard output
    #[arg(
        short, long, value_name = "FORMAT", default_value = "text", value_parser = format_names(),
        env = "CRYOSCAN_FORMAT", hide_env_values = true
    )]
    pub(super) format: String,

    /// Write a report to a file as well; may be given more than once
    #[arg(
        short, long, value_name = "FORMAT=PATH", value_parser = output,
        env = "CRYOSCAN_OUTPUT", hide_env_values = true
    )]
    pub(super) output: Vec<Output>,

    /// Exit with 1 if a finding has at least this severity and confidence (medium if not given)
    #[arg(
        long, value_name = "SEVERITY[:CONFIDENCE]", value_parser = gate,
        env = "CRYOSCAN_FAIL_ON", hide_env_values = true
    )]
    pub(super) fail_on: Option<Gate>,

    /// Exit with 1 instead of 3 if not everything was scanned
    #[arg(
        long, value_parser = BoolishValueParser::new(),
        env = "CRYOSCAN_STRICT", hide_env_values = true
    )]
    pub(super) strict: bool,

    /// Exit with 0 instead of 3 if not everything was scanned, unless --strict
    #[arg(
        long, value_parser = BoolishValueParser::new(),
        env = "CRYOSCAN_ALLOW_INCOMPLETE", hide_env_values = true
    )]
    pub(super) allow_incomplete: bool,

    /// The code to exit with instead of 1
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1,
        env = "CRYOSCAN_FINDINGS_EXIT_CODE",
        hide_env_values = true
    )]
    pub(super) findings_exit_code: u8,

    /// Show the values themselves; every report of this run is then a secret
    #[arg(
        long, value_parser = BoolishValueParser::new(),
        env = "CRYOSCAN_SHOW_SECRETS", hide_env_values = true
    )]
    pub(super) show_secrets: bool,

    /// Report every text that matches this regular expression; may be given more than once
    #[arg(long, value_name = "REGEX", env = "CRYOSCAN_GREP", hide_env_values = true)]
    pub(super) grep: Vec<String>,

    /// Run the YARA rules of this file or folder, or those that come with cryoscan (`builtin`); may be
    /// given more than once
    #[arg(long, value_name = "FILE|DIR", env = "CRYOSCAN_YARA", hide_env_values = true)]
    pub(super) yara: Vec<PathBuf>,

    /// Let YARA files include others
    #[arg(
        long, value_parser = BoolishValueParser::new(), requires = "yara",
        env = "CRYOSCAN_YARA_INCLUDES", hide_env_values = true
    )]
    pub(super) yara_includes: bool,

    /// Worker threads [default: one a core]
    #[arg(
        short = 'j',
        long,
        alias = "jobs",
        value_name = "N",
        env = "CRYOSCAN_THREADS",
        hide_env_values = true
    )]
    pub(super) threads: Option<NonZeroUsize>,

    /// Memory for buffers
    #[arg(
        long, value_name = "SIZE", default_value = "512MiB", value_parser = memory,
        env = "CRYOSCAN_MEMORY", hide_env_values = true
    )]
    pub(super) memory: u64,

    /// Places shown of a finding; counts are exact whatever is shown
    #[arg(
        long,
        value_name = "N",
        default_value_t = 32,
        env = "CRYOSCAN_MAX_PLACES",
        hide_env_values = true
    )]
    pub(super) max_places: usize,

    /// Leave out what differs from run to run: times and memory
    #[arg(
        long, value_parser = BoolishValueParser::new(),
        env = "CRYOSCAN_NO_MEASURED", hide_env_values = true
    )]
    pub(super) no_measured: bool,

    /// Make fingerprints under the key in this file, at least 16 bytes
    #[arg(long, value_name = "FILE", env = "CRYOSCAN_FINGERPRINT_KEY", hide_env_values = true)]
    pub(super) fingerprint_key: Option<PathBuf>,

    /// No progress bar
    #[arg(
        long, value_parser = BoolishValueParser::new(),
        env = "CRYOSCAN_NO_PROGRESS", hide_env_values = true
    )]
    pub(super) no_progress: bool,

    /// Bytes of a window, for tests: the report must not depend on it
    #[arg(
        long, value_name = "SIZE", default_value = "4MiB", value_parser = window, hide = true,
        env = "CRYOSCAN_WINDOW_SIZE", hide_env_values = true
    )]
    pub(super) window_size: u64,
}

#[derive(Debug, Args)]
pub(super) struct InspectArgs {
    /// A checkpoint archive, a folder, or `-` for standard input
    #[arg(value_name = "TARGET")]
    pub(super) target: PathBuf,

    /// What goes to standard output
    #[arg(
        short,
        long,
        value_name = "FORMAT",
        default_value = "text",
        env = "CRYOSCAN_INSPECT_FORMAT",
        hide_env_values = true
    )]
    pub(super) format: InspectFormat,

    /// Show the memory maps as well, with how much of each mapping the checkpoint holds
    #[arg(
        long, value_parser = BoolishValueParser::new(),
        env = "CRYOSCAN_MAPS", hide_env_values = true
    )]
    pub(super) maps: bool,

    /// Show the names of environment variables as well, never their values
    #[arg(
        long, value_parser = BoolishValueParser::new(),
        env = "CRYOSCAN_ENVIRON", hide_env_values = true
    )]
    pub(super) environ: bool,

    /// Show only this process; may be given more than once
    #[arg(
        short,
        long,
        value_name = "PID",
        value_delimiter = ',',
        env = "CRYOSCAN_PID",
        hide_env_values = true
    )]
    pub(super) pid: Vec<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum InspectFormat {
    Text,
    Json,
}

#[derive(Debug, Clone, Copy, Args)]
pub(super) struct LogArgs {
    /// No progress bar, and no messages but errors
    #[arg(
        short, long, value_parser = BoolishValueParser::new(), global = true,
        env = "CRYOSCAN_QUIET", hide_env_values = true
    )]
    pub(super) quiet: bool,

    /// Show all findings and more messages; twice for even more messages
    #[arg(
        short, long, action = ArgAction::Count, global = true, env = "CRYOSCAN_VERBOSE", hide_env_values = true
    )]
    pub(super) verbose: u8,

    /// Colours
    #[arg(
        long,
        value_name = "WHEN",
        default_value = "auto",
        env = "CRYOSCAN_COLOR",
        hide_env_values = true
    )]
    pub(super) color: Color,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Color {
    Auto,
    Always,
    Never,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::check::{Confidence, Severity};

    fn scan(args: &[&str]) -> ScanArgs {
        let cli = Cli::try_parse_from(args).unwrap();
        match cli.command {
            Some(Command::Scan(args)) => args,
            None => cli.scan.unwrap(),
            Some(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_bare_path_is_scan() {
        for args in [
            &["cryoscan", "x.tar", "-j", "3", "--fail-on=high:confirmed"][..],
            &["cryoscan", "-j3", "--fail-on", "high:confirmed", "x.tar"],
            &["cryoscan", "scan", "x.tar", "-j3", "--fail-on", "high:confirmed"],
        ] {
            let args = scan(args);
            assert_eq!(args.targets, [PathBuf::from("x.tar")]);
            assert_eq!(args.threads, NonZeroUsize::new(3));
            let gate = Gate { severity: Severity::High, confidence: Confidence::Confirmed };
            assert_eq!(args.fail_on, Some(gate));
        }
    }

    #[test]
    fn inspect_is_no_path() {
        let cli = Cli::try_parse_from(["cryoscan", "inspect", "x.tar"]).unwrap();
        assert!(matches!(cli.command, Some(Command::Inspect(_))));
    }

    #[test]
    fn every_option_has_an_environment_name_of_the_same_word() {
        for command in [Cli::command(), Cli::command().find_subcommand("inspect").unwrap().clone()]
        {
            for arg in command.get_arguments() {
                let Some(long) = arg.get_long().filter(|long| !["help", "version"].contains(long))
                else {
                    continue;
                };
                let name = arg.get_env().unwrap_or_default().to_str().unwrap();
                let word = format!("_{}", long.replace('-', "_").to_uppercase());
                assert!(name.starts_with("CRYOSCAN_") && name.ends_with(&word), "{long}: {name}");
            }
        }
    }
}
