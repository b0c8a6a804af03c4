//! What SQL puts into a column: the rows behind the list of columns in `INSERT INTO t (a, b) VALUES (1, 'x')`,
//! and in `COPY t (a, b) FROM stdin`, as logs, dumps and the buffers of drivers hold them.
//!
//! A name in parentheses is nearly never a column: what stands directly behind it is asked first, then what
//! stands before the list, and only then are rows read.
//!
//! Sources: `PostgreSQL`, "Lexical Structure", `INSERT` and `COPY`; `MySQL`, "String Literals" and `INSERT`.

use std::ops::Range;

/// Bytes of a list of columns, with the name of its table.
const LIST: usize = 1 << 10;

/// Bytes of the rows that are read, and how many rows.
const ROWS: usize = 4 << 10;
const MOST_ROWS: usize = 16;

/// Bytes of a name, of the tag of a string, and of the blanks between two words.
const NAME: usize = 64;

/// Words between the list and its rows.
const WORDS: usize = 8;

/// Bytes before and behind a name that are looked at, if [`may_stand_at`] says so.
pub(super) const BEFORE: usize = LIST + 4 * NAME;
pub(super) const BEHIND: usize = LIST + ROWS + (WORDS + 4) * 2 * NAME;

/// Which statement a list of columns belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Statement {
    Insert,
    Copy,
}

/// Whether the word at `at` may be part of the name of a column or a table, by what stands behind it.
pub(super) fn may_stand_at(text: &[u8], at: usize) -> bool {
    let rest = text.get(at..).unwrap_or_default().iter().take(2 * NAME);
    let end = at + rest.take_while(|byte| is_name(**byte)).count();
    matches!(byte(text, behind_name(text, end)), Some(b'(' | b',' | b')'))
}

/// The list of columns of the table that is named at `name`, if rows are put into it.
pub(super) fn columns(text: &[u8], name: &Range<usize>) -> Option<Range<usize>> {
    let open = behind_name(text, name.end);
    if byte(text, open) != Some(b'(') {
        return None;
    }
    statement(text, open)?;
    let list = text.get(open..)?;
    let len = list.iter().take(LIST).position(|byte| *byte == b')')?;
    Some(open..open + len)
}

/// What is put into the column that is named at `name`, row by row; `None` if that is no column.
pub(super) fn values(text: &[u8], name: &Range<usize>) -> Option<Vec<Range<usize>>> {
    let end = behind_name(text, name.end);
    if !matches!(byte(text, end), Some(b',' | b')')) {
        return None;
    }
    let (open, before) = list_before(text, name.start)?;
    let statement = statement(text, open)?;
    let (end, behind) = list_behind(text, end)?;
    let mut found = Vec::new();
    let is_read = match statement {
        Statement::Insert => insert(text, end, before, &mut found),
        Statement::Copy => copy(text, end, before, before + 1 + behind, &mut found),
    };
    is_read.map(|()| found)
}

/// The string that PostgreSQL quotes with `$tag$`, and where its notation ends.
pub(super) fn dollar_string(text: &[u8], at: usize, most: usize) -> Option<(Range<usize>, usize)> {
    let rest = text.get(at..)?.strip_prefix(b"$")?;
    let is_tag = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let len = rest.iter().take(NAME).take_while(|byte| is_tag(**byte)).count();
    // A tag begins as a name does: `$1` is a parameter, `$2y$` a hash.
    if rest.get(len) != Some(&b'$') || rest.first().is_some_and(u8::is_ascii_digit) {
        return None;
    }
    let tag = text.get(at..at + len + 2)?;
    let start = at + tag.len();
    let body = text.get(start..start.saturating_add(most + tag.len()).min(text.len()))?;
    let end = start + memchr::memmem::find(body, tag)?;
    Some((start..end, end + tag.len()))
}

fn byte(text: &[u8], at: usize) -> Option<u8> {
    text.get(at).copied()
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'$') || byte >= 0x80
}

/// Behind the blanks and line ends from `at` on.
fn skip(text: &[u8], at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default().iter().take(NAME);
    at + rest.take_while(|byte| byte.is_ascii_whitespace()).count()
}

/// Before the blanks and line ends that end at `end`.
fn skip_back(text: &[u8], end: usize) -> usize {
    let head = text.get(end.saturating_sub(NAME)..end).unwrap_or_default();
    end - head.iter().rev().take_while(|byte| byte.is_ascii_whitespace()).count()
}

/// Behind a name that ends at `end`: behind its quote and blanks.
fn behind_name(text: &[u8], end: usize) -> usize {
    let is_quoted = matches!(byte(text, end), Some(b'"' | b'`' | b']'));
    skip(text, end + usize::from(is_quoted))
}

/// Where a name that ends at `end` begins, with its quotes and with the schema before it.
fn name_start(text: &[u8], end: usize) -> Option<usize> {
    let mut start = end;
    loop {
        let close = byte(text, start.checked_sub(1)?)?;
        let open = match close {
            b'"' | b'`' => Some(close),
            b']' => Some(b'['),
            _ => None,
        };
        let head = text.get(start.saturating_sub(NAME + 2)..start)?;
        let len = if let Some(open) = open {
            let (_, inner) = head.split_last()?;
            inner.iter().rev().position(|byte| *byte == open)? + 2
        } else {
            head.iter().rev().take_while(|byte| is_name(**byte)).count()
        };
        if len == 0 {
            return (start < end).then_some(start);
        }
        start -= len;
        if end - start > 4 * NAME {
            return None;
        }
        // `"schema"."table"`: a dot joins two names in quotes.
        let joint = start.checked_sub(1).and_then(|at| byte(text, at));
        let is_joined = matches!(byte(text, start), Some(b'.')) || joint == Some(b'.');
        if !is_joined {
            return Some(start);
        }
    }
}

/// Where the list opens in which a name begins at `start`, and how many columns are before it.
fn list_before(text: &[u8], start: usize) -> Option<(usize, usize)> {
    let quote =
        start.checked_sub(1).filter(|at| matches!(byte(text, *at), Some(b'"' | b'`' | b'[')));
    let mut at = quote.unwrap_or(start);
    let mut before = 0;
    while start - at < LIST {
        at = skip_back(text, at).checked_sub(1)?;
        match byte(text, at)? {
            b'(' => return Some((at, before)),
            b',' => at = name_start(text, skip_back(text, at))?,
            _ => return None,
        }
        before += 1;
    }
    None
}

/// Behind the parenthesis that closes the list, and how many columns are behind the name that ends at `end`.
fn list_behind(text: &[u8], end: usize) -> Option<(usize, usize)> {
    let (mut at, mut behind) = (end, 0);
    while at - end < LIST {
        match byte(text, at)? {
            b')' => return Some((at + 1, behind)),
            b',' => at = skip(text, at + 1),
            _ => return None,
        }
        let close = match byte(text, at)? {
            b'[' => Some(b']'),
            quote @ (b'"' | b'`') => Some(quote),
            _ => None,
        };
        let rest = text.get(at..)?.iter().take(NAME + 2);
        let len = if let Some(close) = close {
            rest.skip(1).position(|byte| *byte == close)? + 2
        } else {
            rest.take_while(|byte| is_name(**byte)).count()
        };
        if len == 0 {
            return None;
        }
        at = skip(text, at + len);
        behind += 1;
    }
    None
}

/// The statement that puts rows into the table whose columns are listed from `open` on.
fn statement(text: &[u8], open: usize) -> Option<Statement> {
    let table = name_start(text, skip_back(text, open))?;
    let end = skip_back(text, table);
    let word = text.get(end.checked_sub(4)?..end)?;
    let is_whole = end.checked_sub(5).and_then(|at| byte(text, at)).is_none_or(|it| !is_name(it));
    if end == table || !is_whole {
        None
    } else if word.eq_ignore_ascii_case(b"into") {
        Some(Statement::Insert)
    } else {
        word.eq_ignore_ascii_case(b"copy").then_some(Statement::Copy)
    }
}

/// The next word from `at` on, and where it ends.
fn word(text: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let start = skip(text, at);
    let rest = text.get(start..)?;
    let len = rest.iter().take(NAME).take_while(|byte| is_name(**byte) || **byte == b',').count();
    (len > 0).then_some((rest.get(..len)?, start + len))
}

/// What the rows behind a list that ends at `at` put into the column of this number.
fn insert(text: &[u8], at: usize, column: usize, found: &mut Vec<Range<usize>>) -> Option<()> {
    let mut at = at;
    let mut words = 0;
    // Other words may stand between: `OVERRIDING SYSTEM VALUE`, `OUTPUT inserted.id`.
    loop {
        let (word, end) = word(text, at)?;
        at = skip(text, end);
        let is_values = [&b"values"[..], b"value"].iter().any(|it| it.eq_ignore_ascii_case(word));
        if is_values && byte(text, at) == Some(b'(') {
            break;
        }
        words += 1;
        if words == WORDS {
            return None;
        }
    }
    let text = text.get(..at.saturating_add(ROWS)).unwrap_or(text);
    for _ in 0..MOST_ROWS {
        // Of a row without an end the items that are whole count.
        let Some(end) = row(text, at, column, found) else { break };
        let next = skip(text, end);
        at = skip(text, next + 1);
        if byte(text, next) != Some(b',') || byte(text, at) != Some(b'(') {
            break;
        }
    }
    Some(())
}

/// Reads the row whose parenthesis opens at `open`; gives where it ends.
fn row(text: &[u8], open: usize, column: usize, found: &mut Vec<Range<usize>>) -> Option<usize> {
    let mut at = open + 1;
    let mut item = 0;
    loop {
        let (literal, behind) = match string(text, skip(text, at)) {
            Some((literal, behind)) => (Some(literal), behind),
            None => (None, at),
        };
        let end = item_end(text, behind)?;
        if item == column
            && let Some(literal) = literal
            && is_cast(text.get(behind..end)?)
        {
            found.push(literal);
        }
        if byte(text, end) == Some(b')') {
            return Some(end + 1);
        }
        item += 1;
        at = end + 1;
    }
}

/// Whether what stands behind a string leaves it what it is: nothing, or `::text`.
fn is_cast(rest: &[u8]) -> bool {
    let rest = rest.trim_ascii();
    let is_type = |byte: &u8| is_name(*byte) || b" ()[]".contains(byte);
    rest.is_empty() || rest.strip_prefix(b"::").is_some_and(|name| name.iter().all(is_type))
}

/// The string at `at`, without quotes, and where its notation ends: `'x'`, `"x"`, `E'x'`, `N'x'`,
/// `_utf8mb4'x'`, `$tag$x$tag$`.
fn string(text: &[u8], at: usize) -> Option<(Range<usize>, usize)> {
    let quote = match byte(text, at)? {
        b'\'' | b'"' => at,
        b'E' | b'e' | b'N' | b'n' => at + 1,
        b'_' => {
            let rest = text.get(at..)?.iter().take(NAME);
            skip(text, at + rest.take_while(|byte| is_name(**byte)).count())
        }
        b'$' => return dollar_string(text, at, ROWS),
        _ => return None,
    };
    let end = string_end(text, quote)?;
    Some((quote + 1..end, end + 1))
}

/// Where the string ends whose quote is at `at`: a quote is doubled in it, or a backslash is before it.
fn string_end(text: &[u8], at: usize) -> Option<usize> {
    let quote = byte(text, at).filter(|byte| matches!(byte, b'\'' | b'"'))?;
    let mut at = at + 1;
    loop {
        at += memchr::memchr2(quote, b'\\', text.get(at..)?)?;
        if byte(text, at) == Some(quote) && byte(text, at + 1) != Some(quote) {
            return Some(at);
        }
        at += 2;
    }
}

/// The comma or the parenthesis that ends an item, of which what is from `at` on is left.
fn item_end(text: &[u8], at: usize) -> Option<usize> {
    let mut at = at;
    let mut depth = 0_usize;
    loop {
        match byte(text, at)? {
            b',' | b')' if depth == 0 => return Some(at),
            b'(' => depth += 1,
            b')' => depth -= 1,
            b'\'' | b'"' => at = string_end(text, at)?,
            b'$' if byte(text, at + 1).is_some_and(|it| !it.is_ascii_digit()) => {
                at = dollar_string(text, at, ROWS)?.1 - 1;
            }
            b';' => return None,
            _ => {}
        }
        at += 1;
    }
}

/// What the lines behind `COPY t (…)`, which ends at `at`, put into the column of this number of so many.
fn copy(
    text: &[u8],
    at: usize,
    column: usize,
    columns: usize,
    found: &mut Vec<Range<usize>>,
) -> Option<()> {
    let (from, at) = word(text, at)?;
    let (stdin, at) = word(text, at)?;
    if !from.eq_ignore_ascii_case(b"from") || !stdin.eq_ignore_ascii_case(b"stdin") {
        return None;
    }
    let options = text.get(at..)?.iter().take(NAME);
    let mut at = at + options.take_while(|byte| **byte != b'\n').count() + 1;
    let text = text.get(..at.saturating_add(ROWS)).unwrap_or(text);
    for _ in 0..MOST_ROWS {
        let Some(rest) = text.get(at..) else { break };
        let Some(len) = memchr::memchr(b'\n', rest) else { break };
        let Some(line) = rest.get(..len) else { break };
        let fields = || line.split(|byte| *byte == b'\t');
        if line == b"\\." || fields().count() != columns {
            break;
        }
        let start = at + fields().take(column).map(|field| field.len() + 1).sum::<usize>();
        if let Some(field) = fields().nth(column).filter(|field| *field != b"\\N") {
            found.push(start..start + field.len());
        }
        at += len + 1;
    }
    Some(())
}

#[cfg(test)]
#[path = "sql_tests.rs"]
mod tests;
