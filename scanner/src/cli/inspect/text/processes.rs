//! The table of processes, drawn as a tree.

use std::io;

use super::super::model::{Checkpoint, Process};
use super::super::tree;
use super::{Page, held};

impl Page<'_> {
    /// A line for each process, its arguments below.
    pub(super) fn processes(&mut self, checkpoint: &Checkpoint) -> io::Result<()> {
        if checkpoint.processes.is_empty() {
            return Ok(());
        }
        self.line("")?;
        let parents: Vec<(u32, Option<u32>)> =
            checkpoint.processes.iter().map(|process| (process.pid, process.parent)).collect();
        let tree = tree::rows(&parents);
        let shown: Vec<(&tree::Row, &Process)> = self
            .rows(&tree)
            .iter()
            .filter_map(|place| Some((place, checkpoint.processes.get(place.index)?)))
            .collect();
        let cells: Vec<Cells> = shown.iter().map(|(_, process)| cells(process)).collect();
        let header = HEADER.map(str::to_owned);
        let widths = std::array::from_fn(|column| {
            let column = std::iter::once(&header).chain(&cells).filter_map(|row| row.get(column));
            column.map(String::len).max().unwrap_or_default()
        });
        self.heading(format!("{}PROCESS", row(&header, &widths)))?;
        let blank = row(&Cells::default(), &widths);
        for ((place, process), cells) in shown.iter().zip(&cells) {
            let comm = process.comm.as_deref().map_or_else(|| "?".to_owned(), |it| self.safe(it));
            let exe = process.exe.as_deref().map(|exe| format!("  {}", self.safe(exe)));
            let exe = exe.unwrap_or_default();
            self.line(format!("{}{}{comm}{exe}", row(cells, &widths), place.branch))?;
            let below = format!("{blank}{}", place.below);
            match &process.cmdline {
                Some(arguments) if arguments.is_empty() => {}
                Some(arguments) => {
                    let command = self.safe(&command(arguments));
                    self.hanging(&below, &below, &command)?;
                }
                None if process.vmas.is_empty() => {}
                None => self.line(format!("{below}(arguments are not in this checkpoint)"))?,
            }
        }
        self.omitted(tree.len(), "more process", "more processes")
    }
}

/// What a row of the table of processes has before the tree.
type Cells = [String; 5];

const HEADER: [&str; 5] = ["PID", "UID", "STATE", "THREADS", "MEMORY"];

fn cells(process: &Process) -> Cells {
    let number = |it: Option<u64>| it.map_or_else(|| "-".to_owned(), |it| it.to_string());
    [
        process.pid.to_string(),
        number(process.uid.map(u64::from)),
        process.state.to_owned(),
        number(process.threads),
        held(process.memory_bytes),
    ]
}

/// The cells at the width of their columns, and what parts them from the tree.
fn row(cells: &Cells, widths: &[usize; 5]) -> String {
    let columns = HEADER.iter().zip(cells).zip(widths);
    let columns = columns.map(|((name, text), &width)| match *name {
        "STATE" => format!("  {text:width$}"),
        _ => format!("  {text:>width$}"),
    });
    columns.collect::<Vec<_>>().concat() + "  "
}

/// The arguments as a shell would take them, as far as that makes them readable; a title, which has
/// no arguments, as it is.
fn command(arguments: &[String]) -> String {
    if let [title] = arguments {
        return title.clone();
    }
    let quoted = |argument: &String| {
        let special = |char: char| char.is_whitespace() || "'\"\\$`;&|<>()".contains(char);
        if !argument.is_empty() && !argument.contains(special) {
            argument.clone()
        } else if argument.contains('\'') && !argument.contains(['"', '\\', '$', '`']) {
            format!("\"{argument}\"")
        } else {
            format!("'{}'", argument.replace('\'', "'\\''"))
        }
    };
    arguments.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_told_apart_and_titles_left_alone() {
        let cases: [(&[&str], &str); 7] = [
            (&["ls", "-l"], "ls -l"),
            (&["nginx: worker process"], "nginx: worker process"),
            (&["sh", "-c", "a; b"], "sh -c 'a; b'"),
            (&["sh", "-c", "echo 'a'"], "sh -c \"echo 'a'\""),
            (&["sh", "-c", "echo '$a'"], r"sh -c 'echo '\''$a'\'''"),
            (&["x", ""], "x ''"),
            (&["login", "****"], "login ****"),
        ];
        for (arguments, expected) in cases {
            let arguments: Vec<String> = arguments.iter().map(|it| (*it).to_owned()).collect();
            assert_eq!(command(&arguments), expected);
        }
    }
}
