//! The command line: the only part that reads the environment, the clock and the terminal.

use std::ffi::{OsStr, OsString};
use std::io::{self, IsTerminal, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anstream::{AutoStream, ColorChoice};
use clap::{CommandFactory, FromArgMatches};
use indicatif::ProgressBar;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;

use self::args::{Cli, Color, Command, LogArgs};
use crate::report::{Style, escape};
use crate::scan::Target;

mod args;
mod cache;
mod config;
#[cfg(feature = "dev")]
mod dev;
mod exit;
mod explain;
mod filter;
mod gate;
pub mod inspect;
mod lists;
mod nearest;
mod output;
mod pages;
mod progress;
mod rules;
mod scan;
mod user_rules;
mod value;

pub use gate::count_reports;

/// Runs the program with the arguments of the process, its name first.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let hardened = harden();
    // The message of a panic may quote the text at fault; where it happened is enough.
    std::panic::set_hook(Box::new(|fault| {
        let place = fault.location().map_or_else(String::new, |at| format!(" at {at}"));
        output::complain(&format!("a fault in the program{place}; please report it"));
    }));
    let args = args::with_command(args.into_iter().collect());
    let (cli, file) = match parse(&args) {
        Ok(parsed) => parsed,
        Err(error) => return refuse(&error),
    };
    let bar = ProgressBar::hidden();
    let style = start(cli.log, &bar);
    if let Err(error) = hardened {
        tracing::warn!("this process may be dumped while it holds secrets: {error}");
    }
    if let Some(file) = file {
        tracing::info!("options are read from {}", escape(&file.display().to_string()));
    }
    let code = match cli.command {
        Command::Scan(args) => {
            if !args.no_progress && !cli.log.quiet {
                progress::show(&bar);
            }
            scan::run(*args, &style, &bar)
        }
        Command::Inspect(args) => inspect::run(args, &style),
        Command::Explain(args) => explain::run(&args, &style),
        Command::Gate(args) => gate::run(&args, &style),
        Command::Rules(command) => rules::run(&command, &style),
        Command::Config => config::print(),
        Command::Completions(args) => pages::completions(&args),
        Command::Man(args) => pages::man(&args),
        #[cfg(feature = "dev")]
        Command::Dev(command) => dev::run(&command),
    };
    let code = code.unwrap_or_else(|error| {
        bar.finish_and_clear();
        output::complain(&escape(&format!("{error:#}")));
        2
    });
    ExitCode::from(code)
}

/// Reads the arguments, and the file of options that holds for them.
fn parse(args: &[OsString]) -> anyhow::Result<(Cli, Option<PathBuf>)> {
    let cli = Cli::from_arg_matches(&Cli::command().try_get_matches_from(args)?)?;
    if matches!(cli.command, Command::Config | Command::Completions(_) | Command::Man(_)) {
        return Ok((cli, None));
    }
    let Some((file, values)) = config::load(&cli.config, &Cli::command())? else {
        return Ok((cli, None));
    };
    // Once more, with other defaults.
    let command = values.defaults(Cli::command());
    Ok((Cli::from_arg_matches(&command.try_get_matches_from(args)?)?, Some(file)))
}

/// Says what is wrong with the command, or shows the page that was asked for.
fn refuse(error: &anyhow::Error) -> ExitCode {
    if let Some(message) = error.downcast_ref::<clap::Error>() {
        // A reader that has gone away has seen enough of the help page.
        message.print().unwrap_or_default();
        return u8::try_from(message.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from);
    }
    output::complain(&escape(&format!("{error:#}")));
    ExitCode::from(2)
}

/// What skopeo and podman write before the path of an image on disk; the content tells which it is.
const TRANSPORTS: [&[u8]; 4] = [b"oci:", b"oci-archive:", b"docker-archive:", b"dir:"];

/// `-` is standard input; the name of a transport before a path is left out, unless there is a file
/// of the whole name. So is a tag behind it: all images of a layout are scanned.
fn target(path: PathBuf) -> Target {
    if path.as_os_str() == "-" {
        return Target::Stdin;
    }
    let bytes = path.as_os_str().as_bytes();
    let rest = TRANSPORTS.iter().find_map(|transport| bytes.strip_prefix(*transport));
    match rest.filter(|rest| !rest.is_empty()) {
        Some(rest) if !path.exists() => Target::Path(without_tag(rest)),
        _ => Target::Path(path),
    }
}

/// The path in `PATH:TAG`, where there is nothing of the whole name.
fn without_tag(text: &[u8]) -> PathBuf {
    let path = |text: &[u8]| PathBuf::from(OsStr::from_bytes(text));
    let colons = memchr::memchr_iter(b':', text);
    let mut shorter = colons.filter_map(|at| text.get(..at)).map(path);
    let whole = path(text);
    if whole.exists() { whole } else { shorter.find(|path| path.exists()).unwrap_or(whole) }
}

/// Keeps secrets in the memory of this process from core dumps and debuggers of the same user.
#[cfg(target_os = "linux")]
fn harden() -> io::Result<()> {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}

#[cfg(not(target_os = "linux"))]
fn harden() -> io::Result<()> {
    Ok(())
}

/// Sets up colours and the log, and gives the style of what goes to standard output.
fn start(args: LogArgs, bar: &ProgressBar) -> Style {
    match args.color {
        Color::Auto => ColorChoice::Auto,
        Color::Always => ColorChoice::Always,
        Color::Never => ColorChoice::Never,
    }
    .write_global();
    let level = match (args.quiet, args.verbose) {
        (true, _) => LevelFilter::ERROR,
        (false, 0) => LevelFilter::WARN,
        (false, 1) => LevelFilter::INFO,
        (false, 2) => LevelFilter::DEBUG,
        (false, _) => LevelFilter::TRACE,
    };
    let filter = EnvFilter::builder().with_default_directive(level.into()).from_env_lossy();
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(Stderr(bar.clone()))
        .with_ansi(AutoStream::choice(&io::stderr()) != ColorChoice::Never)
        .with_target(false)
        .without_time();
    // A second subscriber in one process is refused; the first one goes on.
    log.try_init().unwrap_or_default();
    Style {
        verbose: args.verbose > 0,
        color: AutoStream::choice(&io::stdout()) != ColorChoice::Never,
        width: width().unwrap_or(Style::default().width),
    }
}

/// Columns of the terminal; a report for a file or a pipe does not depend on it.
fn width() -> Option<usize> {
    let stdout = io::stdout();
    if !stdout.is_terminal() {
        return None;
    }
    let size = rustix::termios::tcgetwinsize(&stdout).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

/// Standard error, with the progress bar out of the way.
struct Stderr(ProgressBar);

impl Write for &Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.suspend(|| io::stderr().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Stderr {
    type Writer = &'a Stderr;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::scan::Target;

    #[test]
    fn transports_and_tags_are_left_out_of_paths() {
        let target = |text: &str| super::target(text.into());
        let is = |path: &str| Target::Path(Path::new(path).to_owned());
        assert_eq!(target("-"), Target::Stdin);
        // Cargo runs tests in the folder of the package.
        for text in ["src", "oci:src", "dir:src", "oci:src:latest", "docker-archive:src:a/b:1"] {
            assert_eq!(target(text), is("src"), "{text}");
        }
        for (text, path) in [
            ("oci:no-such:1", "no-such:1"),
            ("src:latest", "src:latest"),
            ("oci:", "oci:"),
            ("other:src", "other:src"),
        ] {
            assert_eq!(target(text), is(path), "{text}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_process_leaves_no_core_dump() {
        use rustix::process::{DumpableBehavior, dumpable_behavior};
        super::harden().unwrap();
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
    }
}
