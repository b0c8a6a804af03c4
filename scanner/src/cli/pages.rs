//! `cryoscan completions` and `cryoscan man`: what is made from the command line's own definition.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;

use super::args::Cli;

pub(super) const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  cryoscan completions bash > ~/.local/share/bash-completion/completions/cryoscan
  cryoscan completions zsh > ~/.zfunc/_cryoscan
  cryoscan completions fish > ~/.config/fish/completions/cryoscan.fish";

pub(super) const MAN_EXAMPLES: &str = "\
Examples:
  cryoscan man | man -l -                                    read it
  mkdir -p ~/.local/share/man/man1
  cryoscan man ~/.local/share/man/man1                       keep a page for each command";

#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub(super) shell: Shell,
}

#[derive(Debug, Args)]
pub(super) struct ManArgs {
    /// Write a page for each command into this folder, as `cryoscan-COMMAND.1`
    #[arg(value_name = "FOLDER")]
    pub(super) folder: Option<PathBuf>,
}

/// Prints the completions, and gives the exit code.
pub(super) fn completions(args: &CompletionsArgs) -> anyhow::Result<u8> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "cryoscan", &mut script);
    show(&script)
}

/// Prints the manual page or writes all of them, and gives the exit code.
pub(super) fn man(args: &ManArgs) -> anyhow::Result<u8> {
    let mut cli = Cli::command().disable_help_subcommand(true);
    cli.build();
    let Some(folder) = &args.folder else {
        return show(page(&Man::new(cli))?.as_bytes());
    };
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let mut commands = vec![cli];
    while let Some(command) = commands.pop() {
        commands.extend(command.get_subcommands().filter(|below| !below.is_hide_set()).cloned());
        let man = Man::new(command);
        let path = folder.join(man.get_filename());
        fs::write(&path, page(&man)?).with_context(|| path.display().to_string())?;
    }
    Ok(0)
}

fn page(man: &Man) -> io::Result<String> {
    let mut page = Vec::new();
    man.render(&mut page)?;
    // Examples and exit codes keep their lines.
    Ok(String::from_utf8_lossy(&page).replace("\n.SH EXTRA\n", "\n.SH NOTES\n.nf\n"))
}

fn show(text: &[u8]) -> anyhow::Result<u8> {
    match io::stdout().write_all(text) {
        // A reader that has gone away has seen enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(0),
        written => Ok(written.map(|()| 0)?),
    }
}
