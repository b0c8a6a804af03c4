//! The arguments of `cryoscan inspect`, as clap reads them.

use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::{Args, ValueEnum};

use super::super::filter::FilterArgs;
use super::text::Parts;

const EXAMPLES: &str = "\
Examples:
  cryoscan inspect checkpoint.tar                 who was frozen: a page for people
  cryoscan inspect checkpoint.tar --sockets       who talked to whom
  cryoscan inspect checkpoint.tar --pid 15 -a     all of one process
  cryoscan inspect checkpoint.tar --prot wx       what can be written and run
  cryoscan inspect checkpoint.tar -f json | jq .  all of it, for programs";

const EXIT_CODES: &str = "\
Exit codes:
  0  all of it could be read
  2  it could not run: usage, a target that cannot be read or is no checkpoint, no such process
  3  something in it could not be read; the page and the JSON say what (--allow-incomplete: 0)";

/// Show what a checkpoint holds, without looking for secrets
///
/// The container, the process tree and shared memory; with --files, --sockets, --mounts, --caps,
/// --environ and --maps (or --all) also those. JSON has all of it. Secrets in command lines are
/// covered by stars; values of variables are never shown.
#[derive(Debug, Args)]
#[command(
    max_term_width = 100,
    after_help = EXIT_CODES,
    after_long_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"),
)]
pub(in crate::cli) struct InspectArgs {
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

    /// Show the open files of each process as well, with its working directory
    #[arg(
        long, value_parser = BoolishValueParser::new(),
        env = "CRYOSCAN_FILES", hide_env_values = true
    )]
    pub(super) files: bool,

    /// Show the sockets as well: addresses, states, unread bytes, and who has them open
    #[arg(
        long, value_parser = BoolishValueParser::new(),
        env = "CRYOSCAN_SOCKETS", hide_env_values = true
    )]
    pub(super) sockets: bool,

    /// Show what is mounted as well, and which of it came from outside
    #[arg(
        long, value_parser = BoolishValueParser::new(),
        env = "CRYOSCAN_MOUNTS", hide_env_values = true
    )]
    pub(super) mounts: bool,

    /// Show users, capabilities, seccomp, namespaces and limits of each process as well
    #[arg(
        long, value_parser = BoolishValueParser::new(),
        env = "CRYOSCAN_CAPS", hide_env_values = true
    )]
    pub(super) caps: bool,

    /// Show the names of environment variables as well, never their values
    #[arg(
        long, value_parser = BoolishValueParser::new(),
        env = "CRYOSCAN_ENVIRON", hide_env_values = true
    )]
    pub(super) environ: bool,

    /// Show the memory maps as well, with how much of each mapping the checkpoint holds
    #[arg(
        long, value_parser = BoolishValueParser::new(),
        env = "CRYOSCAN_MAPS", hide_env_values = true
    )]
    pub(super) maps: bool,

    /// Show all of these parts
    #[arg(
        short, long, value_parser = BoolishValueParser::new(),
        env = "CRYOSCAN_ALL", hide_env_values = true
    )]
    pub(super) all: bool,

    /// Show what is no checkpoint as well: the process and the memory of an ELF core
    #[arg(
        long, value_parser = BoolishValueParser::new(),
        env = "CRYOSCAN_RAW", hide_env_values = true
    )]
    pub(super) raw: bool,

    /// Exit with 0 instead of 3 if something could not be read
    #[arg(
        long, value_parser = BoolishValueParser::new(),
        env = "CRYOSCAN_ALLOW_INCOMPLETE", hide_env_values = true
    )]
    pub(super) allow_incomplete: bool,

    #[command(flatten)]
    pub(super) filter: FilterArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum InspectFormat {
    Text,
    Json,
}

impl InspectArgs {
    /// The parts of the page that were asked for; a verbose page has all of them.
    pub(super) fn parts(&self, verbose: bool) -> Parts {
        let all = self.all || verbose;
        let filter = self.filter.filter();
        Parts {
            files: all || self.files,
            sockets: all || self.sockets,
            mounts: all || self.mounts,
            caps: all || self.caps,
            environ: all || self.environ,
            // A filter of mappings asks for them.
            maps: all || self.maps || !filter.is_of_processes(),
        }
    }
}
