//! Files of indicators.
//!
//! A reader of a format gives texts with their lines to [`Reading::take`]; there is one, of plain lists.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use super::parse::{Problem, parse};
use super::store::{Builder, Full, Indicators, Info};
use crate::archive::name;
use crate::diagnostic::{Code, Diagnostic, Level};

/// Longest line that is read.
const LINE: usize = 8 << 10;

/// Lines that are wrong of which more than a count is kept.
const FAULTS: usize = 100;

/// What a fault shows of a line.
const SHOWN: usize = 80;

/// Lists of indicators, and what is wrong with them.
#[derive(Debug)]
pub struct Lists {
    /// The indicators.
    pub indicators: Indicators,
    /// The first lines that are none.
    pub faults: Vec<Fault>,
    /// How many there are.
    pub wrong: u64,
}

/// A line that is no indicator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The file.
    pub file: String,
    /// The line of it, from 1.
    pub line: u32,
    /// Offset of the line.
    pub offset: u64,
    /// What was expected.
    pub expected: String,
    /// What was there, cut.
    pub found: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, expected, found, .. } = self;
        write!(f, "{file}:{line}: {expected}: {found}")
    }
}

impl Fault {
    /// What a report says of it.
    pub fn diagnostic(&self) -> Diagnostic {
        let text = format!("line {} is no indicator; it was left out", self.line);
        let note = Diagnostic::new(Level::Warning, Code::IndicatorLeftOut, &self.file, text);
        let expected = self.expected.strip_prefix("expected ").unwrap_or(&self.expected);
        note.at(self.offset).expected(expected, self.found.clone())
    }
}

/// Why lists cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListError {
    /// A file cannot be read.
    #[error("{path}: {error}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        error: io::Error,
    },
    /// A file without an indicator.
    #[error(
        "{path}: no indicator in this list: expected addresses, domains, URLs or hashes, one a line"
    )]
    Empty {
        /// The file.
        path: String,
    },
    /// More than can be kept.
    #[error("{path}: more lines or text than the lists of a scan may have: 4 GiB of either")]
    TooMuch {
        /// The file.
        path: String,
    },
}

impl Lists {
    /// Reads lists, each with an indicator a line.
    ///
    /// # Errors
    /// When a file cannot be read, or holds neither an indicator nor anything else. Lines that are wrong
    /// are faults.
    pub fn read(paths: &[PathBuf]) -> Result<Self, ListError> {
        let mut reading = Reading::default();
        for path in paths {
            let name = name::display(path.as_os_str().as_encoded_bytes());
            reading.list(path, name)?;
        }
        Ok(reading.end())
    }

    /// The list with this text.
    #[cfg(test)]
    pub(crate) fn of(text: &str) -> Self {
        let mut reading = Reading::default();
        let read = reading.lines(text.as_bytes(), "list".to_owned());
        assert!(read.is_ok() || text.trim().is_empty(), "{read:?}");
        reading.end()
    }

    /// The list that has no indicator but lines that are wrong.
    ///
    /// # Errors
    /// When there is one.
    pub fn check(&self) -> Result<(), ListError> {
        match self.indicators.lists().iter().find(|list| list.count == 0) {
            Some(list) => Err(ListError::Empty { path: list.name.clone() }),
            None => Ok(()),
        }
    }
}

/// Lists that are being read.
#[derive(Debug, Default)]
struct Reading {
    builder: Builder,
    lists: Vec<Info>,
    faults: Vec<Fault>,
    wrong: u64,
    /// Lines of all lists.
    lines: u32,
}

impl Reading {
    fn list(&mut self, path: &Path, name: String) -> Result<(), ListError> {
        let unreadable = |error| ListError::Unreadable { path: name.clone(), error };
        let file = File::open(path).map_err(unreadable)?;
        self.lines(BufReader::with_capacity(256 << 10, file), name)
    }

    fn end(self) -> Lists {
        let Self { builder, lists, faults, wrong, .. } = self;
        Lists { indicators: builder.build(lists), faults, wrong }
    }

    /// Reads a plain list.
    fn lines(&mut self, from: impl Read, name: String) -> Result<(), ListError> {
        let unreadable = |error| ListError::Unreadable { path: name.clone(), error };
        let too_much = || ListError::TooMuch { path: name.clone() };
        let from = Hashed { from, hasher: blake3::Hasher::new() };
        let mut reader = BufReader::with_capacity(256 << 10, from);
        let (wrong, lines_before) = (self.wrong, self.lines);
        let (mut count, mut offset) = (0u64, 0u64);
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = read_line(&mut reader, &mut line).map_err(unreadable)?;
            if read == 0 {
                break;
            }
            self.lines = self.lines.checked_add(1).ok_or_else(too_much)?;
            let start = offset;
            offset = offset.saturating_add(read);
            let is_whole = line.len() <= LINE;
            let text = Some(line.as_slice()).filter(|_| start == 0);
            let text = text.and_then(|text| text.strip_prefix(b"\xef\xbb\xbf")).unwrap_or(&line);
            let text = plain(text);
            if text.is_empty() {
                continue;
            }
            let parsed = match std::str::from_utf8(text) {
                _ if !is_whole => Err(Problem::Line(LINE)),
                Err(_) => Err(Problem::NotText),
                Ok(text) => parse(text),
            };
            match parsed {
                Ok(indicator) => {
                    self.builder.add(indicator, self.lines).map_err(|Full| too_much())?;
                    count = count.saturating_add(1);
                }
                Err(problem) => {
                    let line = self.lines.saturating_sub(lines_before);
                    self.fault(&name, line, start, &problem, text);
                }
            }
        }
        if count == 0 && self.wrong == wrong {
            return Err(ListError::Empty { path: name });
        }
        let hash = format!("blake3:{}", reader.get_ref().hasher.finalize().to_hex());
        self.lists.push(Info { name, count, hash, lines_before });
        Ok(())
    }

    fn fault(&mut self, file: &str, line: u32, offset: u64, problem: &Problem, text: &[u8]) {
        self.wrong = self.wrong.saturating_add(1);
        if self.faults.len() < FAULTS {
            let cut = text.get(..SHOWN);
            let found = cut.map_or_else(|| quoted(text), |cut| quoted(cut) + "…");
            let (file, expected) = (file.to_owned(), problem.to_string());
            self.faults.push(Fault { file, line, offset, expected, found });
        }
    }
}

/// Hashes what is read.
struct Hashed<R> {
    from: R,
    hasher: blake3::Hasher,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buffer)?;
        self.hasher.update(buffer.get(..read).unwrap_or_default());
        Ok(read)
    }
}

/// Reads a line with its end, of which no more than one byte beyond [`LINE`] is kept; gives how long it was.
fn read_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<u64> {
    let mut read = 0u64;
    loop {
        let part = reader.fill_buf()?;
        let end = memchr::memchr(b'\n', part).map(|at| at.saturating_add(1));
        let part = part.get(..end.unwrap_or(part.len())).unwrap_or_default();
        let room = LINE.saturating_add(1).saturating_sub(line.len());
        line.extend_from_slice(part.get(..room).unwrap_or(part));
        let len = part.len();
        read = read.saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
        reader.consume(len);
        if end.is_some() || len == 0 {
            return Ok(read);
        }
    }
}

/// What a line of a plain list says: nothing if it is a comment.
fn plain(line: &[u8]) -> &[u8] {
    let line = line.trim_ascii();
    if line.starts_with(b"#") || line.starts_with(b";") || line.starts_with(b"//") {
        return &[];
    }
    // In a URL the sign begins a fragment; a comment stands apart.
    let comment = memchr::memchr_iter(b'#', line).find(|at| {
        at.checked_sub(1).and_then(|at| line.get(at)).is_some_and(u8::is_ascii_whitespace)
    });
    comment.and_then(|at| line.get(..at)).unwrap_or(line).trim_ascii_end()
}

fn quoted(text: &[u8]) -> String {
    format!("\"{}\"", String::from_utf8_lossy(text).escape_default())
}
