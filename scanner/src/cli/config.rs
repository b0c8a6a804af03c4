//! `cryoscan.toml`: defaults for the options, from a file.
//!
//! The keys are the long names of the options, in a table for each command; options of all
//! commands stand at the top. They are read off the command line's own definition, so that a new
//! option has its key. What the file says becomes the default of the option: what is given by the
//! environment or on the command line wins, by clap's own order.

use std::collections::BTreeMap;
use std::env;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use clap::{Arg, ArgAction, Command};

use super::args::ConfigArgs;

mod file;
mod sample;

pub(super) use sample::print;

pub(super) const EXAMPLES: &str = "\
Examples:
  cryoscan config > ~/.config/cryoscan/cryoscan.toml    begin with all the defaults, as comments
  cryoscan --config ci.toml scan checkpoint.tar         the options of a pipeline in a file
  cryoscan --no-config scan checkpoint.tar              whatever the files say";

/// Name of the file in the folders of the user and the system.
const NAME: &str = "cryoscan/cryoscan.toml";

/// The folder of the system.
const SYSTEM: &str = "/etc";

/// Most bytes of a file.
const MOST: u64 = 1 << 20;

/// Options that say which file to read stand in none.
const NO_KEYS: [&str; 2] = ["config", "no-config"];

/// Values for options, as a file gives them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Values {
    /// By the id of the option.
    options: BTreeMap<String, Vec<String>>,
    /// By the name of the command below.
    commands: BTreeMap<String, Values>,
}

impl Values {
    /// The command with these values as defaults of its options.
    pub(super) fn defaults(self, mut command: Command) -> Command {
        for (id, values) in self.options {
            command = command.mut_arg(id, |arg| arg.default_values(values));
        }
        for (name, values) in self.commands {
            command = command.mut_subcommand(name, |below| values.defaults(below));
        }
        command
    }
}

/// The file that holds for this run, and what it says.
///
/// # Errors
/// When the file that is asked for is not there, or any of them cannot be read or is wrong.
pub(super) fn load(
    args: &ConfigArgs,
    command: &Command,
) -> anyhow::Result<Option<(PathBuf, Values)>> {
    let Some((path, text)) = find(args)? else { return Ok(None) };
    let name = path.display();
    let values = file::parse(&text, command).map_err(|fault| anyhow!("{name}:{fault}"))?;
    Ok(Some((path, values)))
}

fn find(args: &ConfigArgs) -> anyhow::Result<Option<(PathBuf, String)>> {
    if args.no_config {
        return Ok(None);
    }
    if let Some(path) = &args.config {
        let text = text(path).with_context(|| format!("{}: no options read", path.display()))?;
        return Ok(Some((path.clone(), text)));
    }
    for path in places(|name| env::var_os(name).map(PathBuf::from)) {
        match text(&path) {
            Ok(text) => return Ok(Some((path, text))),
            Err(error) if is_absent(&error) => {}
            Err(error) => {
                let name = path.display();
                let help = "--no-config goes on without it";
                return Err(error.context(format!("{name}: no options read ({help})")));
            }
        }
    }
    Ok(None)
}

/// Where files are looked for without `--config`. Relative folders are left out, as the XDG Base
/// Directory Specification asks for: what lies in the working folder may be the attacker's.
fn places(variable: impl Fn(&str) -> Option<PathBuf>) -> Vec<PathBuf> {
    let absolute = |name| variable(name).filter(|folder| folder.is_absolute());
    let user = absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")));
    user.into_iter().chain([PathBuf::from(SYSTEM)]).map(|folder| folder.join(NAME)).collect()
}

fn is_absent(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<io::Error>().map(io::Error::kind);
    matches!(error, Some(ErrorKind::NotFound | ErrorKind::NotADirectory))
}

fn text(path: &Path) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    #[expect(clippy::disallowed_methods, reason = "bounded by take")]
    File::open(path)?.take(MOST + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|len| len > MOST) {
        bail!("expected at most {MOST} bytes, found more");
    }
    String::from_utf8(bytes).map_err(|error| {
        anyhow!("expected UTF-8, found other bytes at offset {}", error.utf8_error().valid_up_to())
    })
}

/// The options of a command that have a key: those of its own, and at the top those of all.
fn options(command: &Command) -> impl Iterator<Item = (&str, &Arg)> {
    let keyed = command.get_arguments().filter_map(|arg| Some((arg.get_long()?, arg)));
    keyed.filter(|(long, arg)| {
        let asks = matches!(
            arg.get_action(),
            ArgAction::Help | ArgAction::HelpShort | ArgAction::HelpLong | ArgAction::Version
        );
        !asks && !NO_KEYS.contains(long)
    })
}

/// The commands below that have options with keys, at any depth.
fn commands(command: &Command) -> impl Iterator<Item = &Command> {
    fn has_keys(command: &Command) -> bool {
        options(command).next().is_some() || command.get_subcommands().any(has_keys)
    }
    command.get_subcommands().filter(|below| has_keys(below))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_users_file_comes_before_that_of_the_system() {
        let with = |xdg: Option<&str>, home: Option<&str>| {
            let value = |name: &str| match name {
                "XDG_CONFIG_HOME" => xdg.map(PathBuf::from),
                "HOME" => home.map(PathBuf::from),
                _ => None,
            };
            let places = places(value);
            places.iter().map(|path| path.display().to_string()).collect::<Vec<_>>()
        };
        let system = "/etc/cryoscan/cryoscan.toml";
        assert_eq!(with(Some("/x"), Some("/h")), ["/x/cryoscan/cryoscan.toml", system]);
        let home = "/h/.config/cryoscan/cryoscan.toml";
        assert_eq!(with(None, Some("/h")), [home, system]);
        // Never below the working folder.
        for relative in ["", ".", "x"] {
            assert_eq!(with(Some(relative), Some("/h")), [home, system]);
            assert_eq!(with(Some(relative), Some(relative)), [system]);
        }
        assert_eq!(with(None, None), [system]);
    }
}
