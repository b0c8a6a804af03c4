//! The command line, as clap reads it. Every option has an environment name of the same word.

use std::ffi::{OsStr, OsString};
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args, CommandFactory, Parser, Subcommand, ValueEnum};

use super::exit::{self, Policy};
use super::explain::ExplainArgs;
use super::filter::FilterArgs;
use super::gate::{self, GateArgs};
use super::inspect::InspectArgs;
use super::pages::{CompletionsArgs, ManArgs};
use super::rules::RulesCommand;
use super::user_rules::{FilesArgs, SelectArgs};
use super::value::{Output, format_names, memory, output, window};
use crate::matching::Kernel;

const EXAMPLES: &str = "\
Examples:
  cryoscan checkpoint.tar                          what is in it, for people
  cryoscan checkpoint.tar -f jsonl | jq .          the same for programs
  cryoscan *.tar --fail-on high                    exit 1 if something bad is in one of them
  cryoscan checkpoint.tar --grep 'RANDOM_\\d+_KEY'  where is this text
  cryoscan checkpoint.tar --ioc feed.txt           which of these addresses, domains, hashes are in it
  cryoscan checkpoint.tar -o jsonl=report.jsonl    a page on the screen and a file
  cryoscan checkpoint.tar --process 'java*' --vma heap    only the heaps of these processes
  cryoscan --raw core.1234 disk.img logs/          what is no checkpoint: cores, dumps, files";

/// Where the options of every command stand on a help page.
const HEADING: &str = "Options of all commands";

/// Below the help page of the program.
const BARE: &str = "\
A target alone is scanned: `cryoscan x.tar` is `cryoscan scan x.tar`, and takes its options
(`cryoscan scan --help`). Where a file has the name of a command, write `./scan`.";

/// Finds secrets in container checkpoints.
///
/// A checkpoint holds every byte of a container's memory. cryoscan says which secrets are in it, in
/// which process and at which address or in which file, how sure that is, and what to do. It needs
/// no container engine, no root and no network.
#[derive(Debug, Parser)]
#[command(
    name = "cryoscan",
    version,
    subcommand_required = true,
    arg_required_else_help = true,
    max_term_width = 100,
    after_help = BARE,
    after_long_help = format!("{BARE}\n\n{EXAMPLES}\n\n{}", exit::HELP),
    override_usage = "cryoscan [scan] [OPTIONS] TARGET...\n       cryoscan COMMAND [OPTIONS] ..."
)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
    #[command(flatten)]
    pub(super) log: LogArgs,
    #[command(flatten)]
    pub(super) config: ConfigArgs,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Scan targets for secrets (also without the word `scan`)
    #[command(
        max_term_width = 100,
        after_help = exit::HELP,
        after_long_help = format!("{EXAMPLES}\n\n{}", exit::HELP),
    )]
    Scan(Box<ScanArgs>),
    Inspect(InspectArgs),
    /// Say why a finding was reported, what to do, and how to see its bytes with other tools
    ///
    /// Takes a report made as JSON Lines, or scans the target again. Nothing of the value is shown; the
    /// commands it prints do show it, to whoever runs them.
    #[command(
        max_term_width = 100,
        after_help = super::explain::HELP,
        after_long_help = format!("{}\n\n{}", super::explain::EXAMPLES, super::explain::HELP),
    )]
    Explain(ExplainArgs),
    /// Judge reports made earlier, with the exit codes of a scan
    ///
    /// A pipeline scans once, keeps the report as JSON Lines, and decides later, or more than once,
    /// what it means. Findings that are suppressed do not count. A report that was cut short is
    /// none: the gate ends with 2.
    #[command(
        max_term_width = 100,
        after_help = gate::HELP,
        after_long_help = format!("{}\n\n{}", gate::EXAMPLES, gate::HELP),
    )]
    Gate(GateArgs),
    /// Show rules, built-in and own: what is looked for, and what to do about it; check and test them
    #[command(
        max_term_width = 100,
        subcommand,
        after_long_help = super::rules::EXAMPLES,
        arg_required_else_help = true
    )]
    Rules(RulesCommand),
    /// Print a file for the options: every key, what it means, and its default
    ///
    /// The keys of cryoscan.toml are the long names of the options, in a table for each command.
    /// cryoscan reads the file that --config names, else cryoscan/cryoscan.toml in
    /// $XDG_CONFIG_HOME (~/.config), else /etc/cryoscan/cryoscan.toml; never one in the working
    /// folder, and never one in a target. An option on the command line wins over the environment,
    /// the environment over the file.
    #[command(max_term_width = 100, after_long_help = super::config::EXAMPLES)]
    Config,
    /// Print the completions for a shell
    #[command(max_term_width = 100, after_long_help = super::pages::COMPLETIONS_EXAMPLES)]
    Completions(CompletionsArgs),
    /// Print the manual page, or write one for each command
    #[command(max_term_width = 100, after_long_help = super::pages::MAN_EXAMPLES)]
    Man(ManArgs),
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

    #[command(flatten)]
    pub(super) policy: Policy,

    /// Show the values themselves; every report of this run is then a secret
    #[arg(
        long, value_parser = BoolishValueParser::new(),
        env = "CRYOSCAN_SHOW_SECRETS", hide_env_values = true
    )]
    pub(super) show_secrets: bool,

    /// Report every text that matches this regular expression; may be given more than once
    #[arg(long, value_name = "REGEX", env = "CRYOSCAN_GREP", hide_env_values = true)]
    pub(super) grep: Vec<String>,

    /// Scan what is no checkpoint as well, as plain bytes: any file, a folder as one target, an ELF core
    /// by its addresses
    #[arg(
        long, value_parser = BoolishValueParser::new(),
        env = "CRYOSCAN_RAW", hide_env_values = true
    )]
    pub(super) raw: bool,

    /// Run the YARA rules of this file or folder, or those that come with cryoscan (`builtin`); may be
    /// given more than once
    #[arg(long, value_name = "FILE|DIR", env = "CRYOSCAN_YARA", hide_env_values = true)]
    pub(super) yara: Vec<PathBuf>,

    /// Let YARA files include others
    #[arg(
        long, value_parser = BoolishValueParser::new(),
        env = "CRYOSCAN_YARA_INCLUDES", hide_env_values = true
    )]
    pub(super) yara_includes: bool,

    /// Report every address, domain, URL and hash of this list, one a line, defanged or not; may be given
    /// more than once
    #[arg(long, value_name = "FILE", env = "CRYOSCAN_IOC", hide_env_values = true)]
    pub(super) ioc: Vec<PathBuf>,

    /// Search the registers of threads too: fragments of 64 bytes at most
    #[arg(
        long, value_parser = BoolishValueParser::new(),
        env = "CRYOSCAN_REGISTERS", hide_env_values = true
    )]
    pub(super) registers: bool,

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

    /// Anonymous memory of the whole program
    #[arg(
        long, value_name = "SIZE", default_value = "512MiB", value_parser = memory,
        env = "CRYOSCAN_MEMORY", hide_env_values = true
    )]
    pub(super) memory: u64,

    /// Remember in this file which memory had nothing in it, and do not scan the same again; the report does
    /// not depend on it
    #[arg(long, value_name = "FILE", env = "CRYOSCAN_CACHE", hide_env_values = true)]
    pub(super) cache: Option<PathBuf>,

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
        long, value_name = "SIZE", default_value = "2MiB", value_parser = window, hide = true,
        env = "CRYOSCAN_WINDOW_SIZE", hide_env_values = true
    )]
    pub(super) window_size: u64,

    /// For which processor the loops over every byte are taken, for tests: scalar, avx2, avx512
    #[arg(
        long, value_name = "NAME", value_parser = Kernel::named, hide = true,
        env = "CRYOSCAN_KERNEL", hide_env_values = true
    )]
    pub(super) kernel: Option<Kernel>,

    #[command(flatten)]
    pub(super) rules: FilesArgs,

    #[command(flatten)]
    pub(super) select: SelectArgs,

    #[command(flatten)]
    pub(super) filter: FilterArgs,
}

#[derive(Debug, Clone, Copy, Args)]
#[command(next_help_heading = HEADING)]
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
        global = true,
        env = "CRYOSCAN_COLOR",
        hide_env_values = true
    )]
    pub(super) color: Color,
}

#[derive(Debug, Args)]
#[command(next_help_heading = HEADING)]
pub(super) struct ConfigArgs {
    /// Read options from this file, not from those of the user and the system
    #[arg(
        long,
        value_name = "FILE",
        global = true,
        env = "CRYOSCAN_CONFIG",
        hide_env_values = true
    )]
    pub(super) config: Option<PathBuf>,

    /// Read options from no file
    #[arg(
        long, value_parser = BoolishValueParser::new(), global = true,
        env = "CRYOSCAN_NO_CONFIG", hide_env_values = true
    )]
    pub(super) no_config: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Color {
    Auto,
    Always,
    Never,
}

/// The arguments with `scan` before a target that stands without a command.
///
/// Options of all commands may stand before: `cryoscan -q x.tar` is `cryoscan -q scan x.tar`.
pub(super) fn with_command(mut args: Vec<OsString>) -> Vec<OsString> {
    let cli = Cli::command();
    let mut at = 1;
    while let Some(arg) = args.get(at) {
        // The value of an option is no command either.
        if let Some(words) = global(&cli, arg) {
            at += words;
            continue;
        }
        let asks = ["-h", "--help", "-V", "--version", "help"].iter().any(|it| arg == it);
        if !asks && cli.find_subcommand(arg).is_none() {
            args.insert(at, "scan".into());
        }
        break;
    }
    args
}

/// The number of words that an option of all commands takes; `None` if `arg` is none.
fn global(cli: &clap::Command, arg: &OsStr) -> Option<usize> {
    let arg = arg.to_str()?;
    let options = || cli.get_arguments().filter(|it| it.is_global_set());
    let takes_value = |it: &clap::Arg| it.get_action().takes_values();
    if let Some(long) = arg.strip_prefix("--") {
        let (name, has_value) =
            long.split_once('=').map_or((long, false), |(name, _)| (name, true));
        let option = options().find(|it| it.get_long() == Some(name))?;
        return Some(if takes_value(option) && !has_value { 2 } else { 1 });
    }
    let flags = arg.strip_prefix('-').filter(|flags| !flags.is_empty())?;
    let is_flag = |c| options().any(|it| it.get_short() == Some(c) && !takes_value(it));
    flags.chars().all(is_flag).then_some(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{Confidence, Severity};
    use crate::cli::exit::Gate;

    fn scan(args: &[&str]) -> ScanArgs {
        let args = with_command(args.iter().map(OsString::from).collect());
        let command = Cli::try_parse_from(args).unwrap().command;
        let Command::Scan(args) = command else { panic!("{command:?}") };
        *args
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
            &["cryoscan", "-qv", "--color", "never", "x.tar", "-j3", "--fail-on=high:confirmed"],
            &[
                "cryoscan",
                "--color=never",
                "scan",
                "-q",
                "x.tar",
                "-j3",
                "--fail-on=high:confirmed",
            ],
        ] {
            let args = scan(args);
            assert_eq!(args.targets, [PathBuf::from("x.tar")]);
            assert_eq!(args.threads, NonZeroUsize::new(3));
            let gate = Gate { severity: Severity::High, confidence: Confidence::Confirmed };
            assert_eq!(args.policy.gate, Some(gate));
        }
    }

    #[test]
    fn a_command_is_no_path_unless_it_is_told() {
        let cases: [(&[&str], &[&str]); 5] = [
            (&["inspect", "x.tar"], &["inspect", "x.tar"]),
            (&["--config", "scan", "inspect", "x"], &["--config", "scan", "inspect", "x"]),
            (&["./inspect"], &["scan", "./inspect"]),
            (&["--", "inspect"], &["scan", "--", "inspect"]),
            (&["x.tar", "inspect"], &["scan", "x.tar", "inspect"]),
        ];
        for (args, expected) in cases {
            let words = |args: &[&str]| -> Vec<OsString> {
                ["cryoscan"].iter().chain(args).map(OsString::from).collect()
            };
            assert_eq!(with_command(words(args)), words(expected));
        }
        assert_eq!(scan(&["cryoscan", "scan", "inspect"]).targets, [PathBuf::from("inspect")]);
        assert_eq!(scan(&["cryoscan", "--", "inspect"]).targets, [PathBuf::from("inspect")]);
    }

    /// Every command with what stands below it.
    fn commands(command: &clap::Command) -> Vec<clap::Command> {
        let below = command.get_subcommands().flat_map(commands);
        std::iter::once(command.clone()).chain(below).collect()
    }

    #[test]
    fn every_option_has_an_environment_name_of_the_same_word() {
        let all = commands(&Cli::command());
        assert!(all.len() > 8, "{all:?}");
        for arg in all.iter().flat_map(clap::Command::get_arguments) {
            let Some(long) = arg.get_long() else { continue };
            let name = arg.get_env().unwrap_or_default().to_str().unwrap();
            let word = format!("_{}", long.replace('-', "_").to_uppercase());
            assert!(name.starts_with("CRYOSCAN_") && name.ends_with(&word), "{long}: {name}");
        }
    }

    #[test]
    fn every_command_has_a_page_with_examples() {
        for command in commands(&Cli::command()) {
            if command.is_hide_set() || command.get_name() == "generate" {
                continue;
            }
            let name = command.get_name();
            assert!(command.get_about().is_some(), "{name}");
            let page = command.get_after_long_help().map(ToString::to_string).unwrap_or_default();
            assert!(page.contains("Examples:\n  cryoscan "), "{name}: {page}");
        }
    }
}
