//! The text of a file of options, checked against the command line's own definition.

use std::fmt;
use std::ops::Range;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, Command};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::super::nearest::hint;
use super::{NO_KEYS, Values, commands, options};

/// What is wrong with a file, and where.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// From 1.
    line: usize,
    /// In characters, from 1.
    column: usize,
    problem: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.problem)
    }
}

/// A problem with bytes of the text.
type Found = (Range<usize>, String);

/// Reads a file for the options of `command` and of the commands below.
///
/// # Errors
/// At the first key that is no option, and at the first value that the option does not take.
pub(super) fn parse(text: &str, command: &Command) -> Result<Values, Fault> {
    let found = DeTable::parse(text)
        .map_err(|error| (error.span().unwrap_or_default(), error.message().to_owned()))
        .and_then(|table| Reader { top: command }.table(table.get_ref(), command, ""));
    found.map_err(|(at, problem)| {
        let before = text.get(..at.start).unwrap_or(text);
        let (line, from) = match before.rfind('\n') {
            None => (1, 0),
            Some(end) => (before.matches('\n').count() + 1, end + 1),
        };
        let column = before.get(from..).unwrap_or_default().chars().count() + 1;
        Fault { line, column, problem }
    })
}

struct Reader<'a> {
    top: &'a Command,
}

impl Reader<'_> {
    /// The values of one table; `path` is its name, empty at the top.
    fn table(&self, table: &DeTable<'_>, command: &Command, path: &str) -> Result<Values, Found> {
        let mut values = Values::default();
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            if let Some((_, arg)) = options(command).find(|(key, _)| *key == name) {
                let texts = texts(arg, value)
                    .map_err(|(at, problem)| (at, format!("{}: {problem}", full(path, name))))?;
                values.options.insert(arg.get_id().to_string(), texts);
            } else if let Some(below) = commands(command).find(|below| below.get_name() == name) {
                let path = full(path, name);
                let DeValue::Table(table) = value.get_ref() else {
                    let found = value.get_ref().type_str();
                    return Err((
                        value.span(),
                        format!("expected a table [{path}], found {found}"),
                    ));
                };
                values.commands.insert(name.to_owned(), self.table(table, below, &path)?);
            } else {
                return Err((key.span(), self.unknown(command, path, name)));
            }
        }
        Ok(values)
    }

    fn unknown(&self, command: &Command, path: &str, name: &str) -> String {
        let here = if path.is_empty() { "at the top".to_owned() } else { format!("in [{path}]") };
        if NO_KEYS.contains(&name) {
            return format!("{name} is no key of a file: it says which file to read");
        }
        let known = options(command).map(|(key, _)| key);
        let known = known.chain(commands(command).map(Command::get_name));
        let mut hint = hint(name, known);
        let mut tables = Vec::new();
        with_key(self.top, "", name, &mut tables);
        if !tables.is_empty() {
            hint = format!("; it is one {}", tables.join(" and "));
        }
        format!("no key {name} {here}{hint}")
    }
}

/// The tables that have a key, in words.
fn with_key(command: &Command, path: &str, name: &str, tables: &mut Vec<String>) {
    if options(command).any(|(key, _)| key == name) {
        let table = if path.is_empty() { "at the top".to_owned() } else { format!("in [{path}]") };
        tables.push(table);
    }
    for below in commands(command) {
        with_key(below, &full(path, below.get_name()), name, tables);
    }
}

fn full(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// The value of an option as it would stand on the command line, once for each time.
fn texts(arg: &Arg, value: &Spanned<DeValue<'_>>) -> Result<Vec<String>, Found> {
    let wrong = |expected: &str| {
        let found = value.get_ref().type_str();
        (value.span(), format!("expected {expected}, found {found}"))
    };
    let action = arg.get_action();
    if matches!(action, ArgAction::SetTrue | ArgAction::SetFalse) {
        let set = value.get_ref().as_bool().ok_or_else(|| wrong("true or false"))?;
        Ok(vec![set.to_string()])
    } else if matches!(action, ArgAction::Append) {
        let list =
            value.get_ref().as_array().ok_or_else(|| wrong("a list, such as [\"a\", \"b\"]"))?;
        list.iter().map(|one| text(arg, one)).collect()
    } else if matches!(action, ArgAction::Count) && !value.get_ref().is_integer() {
        Err(wrong("a number"))
    } else {
        Ok(vec![text(arg, value)?])
    }
}

/// One value of an option, which takes it.
fn text(arg: &Arg, value: &Spanned<DeValue<'_>>) -> Result<String, Found> {
    let text = if let Some(text) = value.get_ref().as_str() {
        text.to_owned()
    } else if let Some(number) = value.get_ref().as_integer() {
        i64::from_str_radix(number.as_str(), number.radix())
            .map_err(|_| (value.span(), format!("the number {number} is too large")))?
            .to_string()
    } else {
        let found = value.get_ref().type_str();
        return Err((value.span(), format!("expected a string or a number, found {found}")));
    };
    // An argument that takes one such value, and knows nothing of others.
    let probe = Arg::new("value")
        .long("value")
        .value_parser(arg.get_value_parser().clone())
        .value_delimiter(arg.get_value_delimiter())
        .action(ArgAction::Set);
    let probe = Command::new("file").no_binary_name(true).disable_help_flag(true).arg(probe);
    match probe.try_get_matches_from([format!("--value={text}")]) {
        Ok(_) => Ok(text),
        Err(error) => Err((value.span(), problem(&error, &text))),
    }
}

/// Why an option does not take a value, as far as clap tells.
fn problem(error: &clap::Error, text: &str) -> String {
    if let Some(ContextValue::Strings(valid)) = error.get(ContextKind::ValidValue)
        && !valid.is_empty()
    {
        return format!("expected one of {}, found {text:?}", valid.join(", "));
    }
    match (error.kind(), std::error::Error::source(error)) {
        (ErrorKind::ValueValidation, Some(source)) => {
            let said = source.to_string();
            if said.contains(&format!("{text:?}")) {
                said
            } else {
                format!("{said}, found {text:?}")
            }
        }
        _ => format!("the option does not take {text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use clap::{CommandFactory, FromArgMatches};

    use super::*;
    use crate::check::Severity;
    use crate::cli::args::{self, Cli, Color, LogArgs, ScanArgs};

    fn fault(text: &str) -> String {
        parse(text, &Cli::command()).unwrap_err().to_string()
    }

    /// What comes of `cryoscan scan x.tar` and more words with this file.
    fn scan(text: &str, more: &[&str]) -> (LogArgs, ScanArgs) {
        let command = parse(text, &Cli::command()).unwrap().defaults(Cli::command());
        let args = [&["cryoscan", "scan", "x.tar"], more].concat();
        let cli = Cli::from_arg_matches(&command.try_get_matches_from(args).unwrap()).unwrap();
        let args::Command::Scan(args) = cli.command else { panic!("{cli:?}") };
        (cli.log, *args)
    }

    const FILE: &str = "\
color = 'never'
verbose = 2
[scan]
fail-on = 'high:low'
strict = true
findings-exit-code = 0x10
threads = 3
memory = '64MiB'
grep = ['a{9}', 'b,c']
[inspect]
pid = [1, 2]
";

    #[test]
    fn a_file_gives_defaults_of_every_kind() {
        let (log, args) = scan(FILE, &[]);
        assert_eq!((log.color, log.verbose), (Color::Never, 2));
        assert_eq!(args.policy.gate.unwrap().severity, Severity::High);
        assert!(args.policy.strict);
        assert_eq!(args.policy.findings_code, 16);
        assert_eq!(args.threads.map(usize::from), Some(3));
        assert_eq!(args.memory, 64 << 20);
        assert_eq!(args.grep, ["a{9}", "b,c"]);
        assert!(!args.no_progress);
    }

    #[test]
    fn the_command_line_wins_over_the_file() {
        let more = ["--fail-on=low", "--grep", "d", "--color=always", "-v", "--memory=96MiB"];
        let (log, args) = scan(FILE, &more);
        assert_eq!((log.color, log.verbose), (Color::Always, 1));
        assert_eq!(args.policy.gate.unwrap().severity, Severity::Low);
        assert_eq!(args.memory, 96 << 20);
        assert_eq!(args.grep, ["d"]);
        assert_eq!(args.threads.map(usize::from), Some(3));
    }

    #[test]
    fn every_option_has_a_key() {
        /// A file that gives every option of a command its own default, or something it takes.
        fn file(command: &Command, path: &str, text: &mut String) -> usize {
            let mut count = 0;
            for arg in command.get_arguments() {
                let Some(long) = arg.get_long() else { continue };
                if NO_KEYS.contains(&long) {
                    continue;
                }
                let defaults = arg.get_default_values().iter();
                let default: Vec<_> = defaults.map(|it| it.to_str().unwrap()).collect();
                let takes = |text: &&&str| {
                    let toml = format!("x = '{text}'");
                    let table = DeTable::parse(&toml).unwrap();
                    super::text(arg, table.get_ref().values().next().unwrap()).is_ok()
                };
                let value = match (arg.get_action(), default.as_slice()) {
                    (ArgAction::SetTrue, _) => "true".to_owned(),
                    (ArgAction::Count, _) => "1".to_owned(),
                    (ArgAction::Append, _) => "[]".to_owned(),
                    (_, [default]) => format!("'{default}'"),
                    _ => {
                        let some = ["high", "1", "/x", "scalar"].iter().find(takes);
                        format!("'{}'", some.unwrap_or_else(|| panic!("{long}: add a value")))
                    }
                };
                writeln!(text, "{path}{long} = {value}").unwrap();
                count += 1;
            }
            for below in command.get_subcommands() {
                count += file(below, &format!("{path}{}.", below.get_name()), text);
            }
            count
        }
        let mut text = String::new();
        assert!(file(&Cli::command(), "", &mut text) > 25, "{text}");
        let values = parse(&text, &Cli::command()).unwrap_or_else(|it| panic!("{it}\n{text}"));
        values.defaults(Cli::command()).debug_assert();
    }

    #[test]
    fn what_is_no_option_is_told_with_line_column_and_the_nearest() {
        let cases = [
            ("[scan]\nfailon = 'high'\n", "2:1: no key failon in [scan]; did you mean fail-on?"),
            ("\n  colour = 'never'", "2:3: no key colour at the top; did you mean color?"),
            ("[scann]\n", "1:2: no key scann at the top; did you mean scan?"),
            (
                "fail-on = 'high'",
                "1:1: no key fail-on at the top; it is one in [scan] and in [gate]",
            ),
            ("[scan]\nquiet = true", "2:1: no key quiet in [scan]; it is one at the top"),
            ("[scan]\nxyzzy = 1", "2:1: no key xyzzy in [scan]"),
            ("[man]\n", "1:2: no key man at the top"),
            ("config = 'x'", "1:1: config is no key of a file: it says which file to read"),
            ("[scan]\njobs = 1", "2:1: no key jobs in [scan]"),
        ];
        for (text, expected) in cases {
            assert_eq!(fault(text), expected, "{text}");
        }
    }

    #[test]
    fn what_an_option_does_not_take_is_told_with_line_and_column() {
        let cases = [
            ("color = 'blue'", "1:9: color: expected one of auto, always, never, found \"blue\""),
            ("scan = 3", "1:8: expected a table [scan], found integer"),
            ("[scan]\nstrict = 'yes'", "2:10: scan.strict: expected true or false, found string"),
            ("verbose = true", "1:11: verbose: expected a number, found boolean"),
            ("verbose = 256", "1:11: verbose: 256 is not in 0..=255, found \"256\""),
            (
                "[scan]\ngrep = 'é'",
                "2:8: scan.grep: expected a list, such as [\"a\", \"b\"], found string",
            ),
            (
                "[scan]\ngrep = ['é', 1.5]",
                "2:14: scan.grep: expected a string or a number, found float",
            ),
            (
                "[scan]\nmemory = 'lots'",
                "2:10: scan.memory: expected a size such as 512MiB, found \"lots\"",
            ),
            (
                "[scan]\nthreads = 99999999999999999999",
                "2:11: scan.threads: the number 99999999999999999999 is too large",
            ),
            ("[scan]\nthreads =", "2:10: string values must be quoted, expected literal string"),
            ("quiet = true\nquiet = true", "2:1: duplicate key"),
        ];
        for (text, expected) in cases {
            assert_eq!(fault(text), expected, "{text}");
        }
    }
}
