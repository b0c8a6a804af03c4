//! `cryoscan config`: a file with every key, as comments.

use std::fmt::Write as _;
use std::io::{self, Write};

use clap::{Arg, ArgAction, Command, CommandFactory};

use super::super::args::Cli;
use super::{commands, options};

const HEAD: &str = "\
# cryoscan.toml: defaults for the options of cryoscan. Each key is the long name of an option.
#
# The file is the one that --config names (or CRYOSCAN_CONFIG), else cryoscan/cryoscan.toml in
# $XDG_CONFIG_HOME (~/.config), else /etc/cryoscan/cryoscan.toml. The command line wins over the
# environment, the environment over the file. A key that is no option is an error.
";

/// Writes the file to standard output, and gives the exit code.
pub(in crate::cli) fn print() -> anyhow::Result<u8> {
    match io::stdout().write_all(text(&Cli::command()).as_bytes()) {
        // A reader that has gone away has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(0),
        written => Ok(written.map(|()| 0)?),
    }
}

fn text(command: &Command) -> String {
    let mut text = HEAD.to_owned();
    table(command, "", &mut text);
    text
}

fn table(command: &Command, path: &str, text: &mut String) {
    let mut shown = options(command).filter(|(_, arg)| !arg.is_hide_set()).peekable();
    if !path.is_empty() && shown.peek().is_some() {
        line(text, &format!("\n[{path}]"));
    }
    for (key, arg) in shown {
        line(text, &format!("\n# {}", meaning(arg)));
        line(text, &format!("#{key} = {}", value(arg)));
    }
    for below in commands(command) {
        let name = below.get_name();
        let path = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        table(below, &path, text);
    }
}

fn line(text: &mut String, line: &str) {
    // Writing to a `String` cannot fail.
    writeln!(text, "{line}").unwrap_or_default();
}

fn meaning(arg: &Arg) -> String {
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let words = arg.get_possible_values();
    let words: Vec<&str> = words.iter().map(clap::builder::PossibleValue::get_name).collect();
    // A flag takes words in the environment only.
    let takes = arg.get_action().takes_values() && !words.is_empty();
    let words = if takes { format!(": {}", words.join(", ")) } else { String::new() };
    let variable = arg.get_env().map(|name| name.to_string_lossy()).unwrap_or_default();
    format!("{help}{words} [{variable}]")
}

/// The default, or the shape of a value where there is none.
fn value(arg: &Arg) -> String {
    let text = |value: &str| match value.parse::<u64>() {
        Ok(number) => number.to_string(),
        Err(_) => format!("{value:?}"),
    };
    let defaults = arg.get_default_values().iter();
    let defaults: Vec<String> = defaults.map(|it| text(&it.to_string_lossy())).collect();
    let shape = || arg.get_value_names().unwrap_or_default().iter().map(|name| text(name));
    match (arg.get_action(), defaults.as_slice()) {
        (ArgAction::SetTrue, _) => "false".to_owned(),
        (ArgAction::Count, _) => "0".to_owned(),
        (ArgAction::Append, []) => format!("[{}]", shape().collect::<Vec<_>>().join(", ")),
        (ArgAction::Append, many) => format!("[{}]", many.join(", ")),
        (_, [one]) => one.clone(),
        _ => shape().next().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::config::{Values, file};

    #[test]
    fn every_key_of_the_sample_can_be_used_as_it_stands() {
        let sample = text(&Cli::command());
        let as_is = file::parse(&sample, &Cli::command()).unwrap();
        assert!(as_is.options.is_empty());
        assert!(as_is.commands.values().all(|it| it.options.is_empty()), "{as_is:?}");
        // Where there is a default. `…` of the others is a placeholder.
        let mut used = 0;
        let lines: Vec<String> = sample
            .lines()
            .map(|line| {
                let Some((key, value)) = line.strip_prefix('#').and_then(|it| it.split_once(" = "))
                else {
                    return line.to_owned();
                };
                let placeholder =
                    value.chars().all(|c| !c.is_ascii_lowercase() && !c.is_ascii_digit());
                if key.starts_with(' ') || placeholder {
                    return String::new();
                }
                used += 1;
                format!("{key} = {value}")
            })
            .collect();
        assert!(used > 15, "{sample}");
        let values = file::parse(&lines.join("\n"), &Cli::command());
        let values = values.unwrap_or_else(|fault| panic!("{fault}\n{sample}"));
        assert_ne!(values, Values::default());
    }
}
