//! What is assigned to a name: one reader for all the ways in which programs, shells, configurations and
//! protocols write it.
//!
//! It is made for being refused: of the places where a word like "token" stands, nearly all show within a
//! few bytes behind the name that nothing is assigned to it.

use std::ops::Range;

use super::reading::{Number, Reading};
use super::{sql, text_run};
use crate::rule::{Keyword, Keywords, is_of_word, keeps_meaning, says_open, says_secret};

/// Bytes of a name on each side of its keyword.
pub(super) const NAME: usize = 64;

/// Bytes from a keyword to a name that says secret.
const NEAR: usize = 64;

/// Blanks around a sign.
const BLANKS: usize = 16;

/// Bytes of stale text behind a value without an end.
const STALE: usize = 32;

/// Letters of a keyword from which on it may stand inside a word: `dbpassword`.
pub(super) const LONG: usize = 5;

/// Bytes before a keyword that are looked at.
const BEFORE: usize = NAME + 8;

/// Bytes behind a keyword that are looked at before the value begins.
const BEHIND: usize = 2 * NAME + NEAR + 4 * BLANKS;

/// Schemes of the header `Authorization`, and of headers like it.
const SCHEMES: [&[u8]; 9] =
    [b"bearer", b"token", b"apikey", b"api-key", b"geniekey", b"ssws", b"splunk", b"oauth", b"key"];

/// Something that is assigned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Value {
    /// Where it stands in the text.
    pub span: Range<usize>,
    /// Whether a sign tells where it ends, and not the end of the text alone.
    pub is_bounded: bool,
}

/// The values that `take` wants of those assigned to the first name to which one is, and that one of
/// `keywords`, whose literal stands at `at`, is a word of, or stands shortly before. Gives what `take` makes of
/// them, and the name. There is one, but for the rows of a table. `reading` is that of this place.
pub(super) fn find<T>(
    text: &[u8],
    at: usize,
    keywords: &Keywords,
    most: usize,
    reading: &mut Reading,
    mut take: impl FnMut(&Value) -> Option<T>,
) -> Option<(Vec<T>, Range<usize>)> {
    for keyword in keywords.at(text, at) {
        let Some(word) = keyword.find(text, at) else { continue };
        let Some((number, name)) = reading.name(text, &word) else { continue };
        if keyword.is_flag && !is_flag(text, &name) {
            continue;
        }
        if reading.is_named(number, text, keyword)
            && let Some(found) = taken(text, &name, number, most, reading, &mut take)
        {
            return Some((found, name));
        }
        if keyword.is_flag || !reading.begins_word(number, text) {
            continue;
        }
        let columns = sql::columns(text, &name);
        let is_of_secrets = || text.get(word.end..name.end).is_some_and(is_plural);
        if keyword.says_secret && !(columns.is_some() && is_of_secrets()) {
            continue;
        }
        let last = columns.map_or(word.end.saturating_add(NEAR), |columns| columns.end);
        for number in reading.followers(number, text, last) {
            if let Some(name) = reading.span(number)
                && let Some(found) = taken(text, &name, number, most, reading, &mut take)
            {
                return Some((found, name));
            }
        }
    }
    None
}

/// Where the row of letters, digits, `-` and `_` begins in which `at` stands, as far as it matters.
pub(super) fn row_start(text: &[u8], at: usize) -> usize {
    let before = text.get(at.saturating_sub(LONGEST + 1)..at).unwrap_or_default();
    at - before.iter().rev().take_while(|byte| is_of_word(**byte)).count()
}

/// Bytes of a name from the literal of a keyword to one of its ends.
const LONGEST: usize = NAME + Keyword::LONGEST;

/// Whether the row around a keyword's literal at `at` is too long to be of a name: [`find`] finds nothing
/// there, whatever the keyword.
pub(super) fn is_no_name(row: Range<usize>, at: usize) -> bool {
    at.saturating_sub(row.start) > LONGEST || row.end.saturating_sub(at) > LONGEST
}

/// Whether text behind a keyword makes it the name of a table of such things: `api_keys`.
fn is_plural(tail: &[u8]) -> bool {
    keeps_meaning(tail.strip_prefix(b"s").or_else(|| tail.strip_prefix(b"S")).unwrap_or(tail))
}

/// What of the text around a place is looked at for names.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sight {
    /// Whether a flag ends at the end of the text run, so that the string behind it is its value.
    pub goes_on: bool,
    /// Whether the name may be that of a column or a table.
    is_of_table: bool,
}

impl Sight {
    /// That at `at`, in the text run that ends at `end`.
    pub(super) fn of(text: &[u8], at: usize, end: usize) -> Self {
        Self { goes_on: goes_on(text, at, end), is_of_table: sql::may_stand_at(text, at) }
    }

    /// Bytes before and behind a keyword that are looked at, for a value of so many at most.
    pub(super) fn reach(self, most: usize) -> (usize, usize) {
        let (before, behind) = (BEFORE, most.saturating_add(BEHIND));
        if self.is_of_table {
            (before + sql::BEFORE, behind.max(NAME + sql::BEHIND))
        } else {
            (before, behind)
        }
    }

    /// The end of the text that a rule sees: that of the text run, or where a flag ends there, that of the
    /// argument behind it.
    pub(super) fn end(self, text: &[u8], end: usize, most: usize) -> usize {
        if self.goes_on { text_run::end(text, end + 1, most).max(end) } else { end }
    }
}

/// Whether a flag ends at the end of a text run, so that the string behind it is its value.
fn goes_on(text: &[u8], at: usize, end: usize) -> bool {
    if end.saturating_sub(at) > NAME || text.get(end) != Some(&0) {
        return false;
    }
    let start = name_start(text, end);
    text.get(start) == Some(&b'-') && start <= at
}

/// What `take` makes of the values that are assigned to a name.
fn taken<T>(
    text: &[u8],
    name: &Range<usize>,
    number: Number,
    most: usize,
    reading: &mut Reading,
    take: &mut impl FnMut(&Value) -> Option<T>,
) -> Option<Vec<T>> {
    if let Some(rows) = sql::values(text, name) {
        let rows = rows.into_iter().map(|span| Value { span, is_bounded: true });
        let found: Vec<T> = rows.filter_map(|value| take(&value)).collect();
        return (!found.is_empty()).then_some(found);
    }
    let start = reading.value_at(number, text)?;
    values(text, name, &start, most, reading).iter().find_map(take).map(|found| vec![found])
}

pub(super) fn is_name(byte: u8) -> bool {
    is_one(byte, OF_NAME)
}

fn is_blank(byte: u8) -> bool {
    is_one(byte, BLANK)
}

fn is_quote(byte: u8) -> bool {
    matches!(byte, b'"' | b'\'' | b'`')
}

/// Where the characters of a name that end at `end` begin, as far as a name is long.
fn name_start(text: &[u8], end: usize) -> usize {
    let limit = end.saturating_sub(2 * NAME);
    let before = text.get(limit..end).unwrap_or_default();
    end - before.iter().rev().take_while(|byte| is_name(**byte)).count()
}

/// The name that a keyword stands in, without the escape and the dashes before it.
pub(super) fn name_around(text: &[u8], word: &Range<usize>) -> Option<Range<usize>> {
    let behind = text.get(word.end..)?.iter().take(NAME + 1);
    let behind = behind.take_while(|byte| is_name(**byte)).count();
    let head = text.get(word.start.saturating_sub(NAME + 1)..word.start)?;
    let before = head.iter().rev().take_while(|byte| is_name(**byte)).count();
    if before > NAME || behind > NAME {
        return None;
    }
    let mut start = word.start - before;
    let end = word.end + behind;
    match (start.checked_sub(1).and_then(|at| text.get(at)), text.get(start..word.start)?) {
        (Some(b'\\'), [b'n' | b'r' | b't', ..]) => start += 1,
        (Some(b'%'), [a, b, ..]) if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => start += 2,
        _ => {}
    }
    let signs = text.get(start..word.start)?.iter();
    start += signs.take_while(|byte| matches!(byte, b'-' | b'.')).count();
    Some(start..end)
}

/// The next name from `from` on that begins before `last`.
pub(super) fn next_name(text: &[u8], from: usize, last: usize) -> Option<Range<usize>> {
    let mut at = from;
    loop {
        let byte = *text.get(at).filter(|_| at < last)?;
        if byte == 0 {
            return None;
        }
        if byte.is_ascii_alphabetic() || byte == b'_' {
            break;
        }
        at += 1;
    }
    let len = text.get(at..)?.iter().take(NAME).take_while(|byte| is_name(**byte)).count();
    Some(at..at + len)
}

/// Whether a word begins at `at` in a name: at its start, behind a sign, at a capital behind a small letter
/// or before one.
pub(super) fn begins_word(text: &[u8], name: &Range<usize>, at: usize) -> bool {
    let byte = |at: usize| text.get(at).copied().unwrap_or_default();
    let Some(before) = at.checked_sub(1).filter(|_| at > name.start).map(byte) else { return true };
    let is_capital = byte(at).is_ascii_uppercase();
    !before.is_ascii_alphabetic()
        || (is_capital && (before.is_ascii_lowercase() || byte(at + 1).is_ascii_lowercase()))
}

/// Whether a name is that of a flag that takes a value: `--db-password`, `-Djks.password`, not `--no-password`,
/// and not `page\-token` of a manual's source.
fn is_flag(text: &[u8], name: &Range<usize>) -> bool {
    let head = text.get(..name.start).unwrap_or_default();
    let dashes = head.iter().rev().take(3).take_while(|byte| **byte == b'-').count();
    let before = head.len().checked_sub(dashes + 1).and_then(|at| head.get(at));
    let no = text.get(name.start..name.start + 3).unwrap_or_default();
    let is_denied = matches!(no, [b'n' | b'N', b'o' | b'O', b'-' | b'_']);
    matches!(dashes, 1 | 2) && before != Some(&b'\\') && !is_denied
}

/// Whether a name with a keyword in it, whose literal stands at `at`, may be that of a flag: the dashes are a part of
/// the row before it, in which a blank may stand for a sign.
pub(super) fn may_be_flag(text: &[u8], at: usize) -> bool {
    let before = text.get(at.saturating_sub(LONGEST)..at).unwrap_or_default();
    // Most places have no dash anywhere near.
    let dash = memchr::memrchr(b'-', before).and_then(|dash| before.get(dash..));
    dash.is_some_and(|row| row.iter().all(|byte| is_one(*byte, OF_NAME | BLANK)))
}

/// Whether a name with a keyword in it may be that of a secret.
pub(super) fn is_named(
    text: &[u8],
    keyword: &Keyword,
    word: &Range<usize>,
    name: &Range<usize>,
) -> bool {
    let (Some(name_text), Some(tail)) = (text.get(name.clone()), text.get(word.end..name.end))
    else {
        return false;
    };
    let says_it = if keyword.says_secret {
        keeps_meaning(tail) && !says_open(name_text)
    } else {
        keeps_meaning(tail) || says_secret(name_text)
    };
    says_it && (keyword.letters() >= LONG || begins_word(text, name, word.start))
}

/// How what is assigned is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Behind a sign.
    Assigned(u8),
    /// The next word of a command line.
    Flag,
    /// The next string of the arguments of a process.
    Argument,
    /// Between tags of XML.
    Element,
    /// A string and no other thing.
    String,
}

/// Where what is assigned begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Start {
    at: usize,
    form: Form,
}

/// Where the value begins that is assigned to a name.
pub(super) fn value_at(text: &[u8], name: &Range<usize>) -> Option<Start> {
    let byte = |at: usize| text.get(at).copied();
    let before = |back: usize| name.start.checked_sub(back).and_then(byte);
    let is_flag = before(1) == Some(b'-');
    let mut at = name.end;
    if byte(at) == Some(0) {
        return is_flag.then_some(Start { at: at + 1, form: Form::Argument });
    }
    let is_quoted = byte(at).is_some_and(is_quote);
    at += usize::from(is_quoted);
    at += usize::from(byte(at) == Some(b']'));
    let sign = skip(text, at, is_blank);
    let start = |at, form| Some(Start { at, form });
    match byte(sign)? {
        b'=' => match byte(sign + 1)? {
            b'=' | b'~' => None,
            b'>' => start(sign + 2, Form::Assigned(b'=')),
            _ => start(sign + 1, Form::Assigned(b'=')),
        },
        b':' => match (byte(sign + 1)?, byte(sign + 2)) {
            (b':', _) | (b'/', Some(b'/')) => None,
            (b'=', _) => start(sign + 2, Form::Assigned(b'=')),
            _ => start(sign + 1, Form::Assigned(b':')),
        },
        b'>' if sign == at && (is_quoted || before(1) == Some(b'<')) => {
            start(at + 1, Form::Element)
        }
        b',' if is_quoted => {
            let next = skip(text, sign + 1, |byte| byte.is_ascii_whitespace());
            byte(next).filter(|byte| is_quote(*byte))?;
            let key = text.get(next + 1..next + 6).filter(|key| key.eq_ignore_ascii_case(b"value"));
            if key.is_none() || byte(next + 6) != byte(next) {
                return start(next, Form::String);
            }
            let sign = skip(text, next + 7, is_blank);
            if byte(sign)? == b':' { start(sign + 1, Form::String) } else { None }
        }
        b'v' | b'V' if is_quoted && sign > at => {
            let key = text.get(sign..sign + 6)?;
            if key.eq_ignore_ascii_case(b"value=") { start(sign + 6, Form::String) } else { None }
        }
        b'\n' | b'\r' => {
            let next = skip(text, sign, |byte| byte.is_ascii_whitespace());
            let key = text.get(next..next + 6)?;
            if key == b"value:" { start(next + 6, Form::Assigned(b':')) } else { None }
        }
        b'-' => None,
        _ if is_flag && !is_quoted && sign > at => start(sign, Form::Flag),
        _ => None,
    }
}

/// Behind the bytes of a class from `at` on, some of them at most.
fn skip(text: &[u8], at: usize, is: impl Fn(u8) -> bool) -> usize {
    let rest = text.get(at..).unwrap_or_default().iter().take(BLANKS);
    at + rest.take_while(|byte| is(**byte)).count()
}

/// The values that may begin there: a string has one, what stands bare may end at several signs.
fn values(
    text: &[u8],
    name: &Range<usize>,
    start: &Start,
    most: usize,
    reading: &mut Reading,
) -> Vec<Value> {
    let mut all = Vec::new();
    let mut at = start.at;
    if start.form == Form::Argument {
        let end = text_run::end(text, at, most + 1);
        add(text, at, end, true, most, &mut all);
        return all;
    }
    at = skip(text, at, is_blank);
    if start.form == Form::Element {
        at = skip(text, at, |byte| byte.is_ascii_whitespace());
        let inner = [&b"<![CDATA["[..], b"<value>", b"<string>"];
        let inner =
            inner.into_iter().find(|tag| text.get(at..).is_some_and(|it| it.starts_with(tag)));
        at += inner.map_or(0, <[u8]>::len);
        let end = reading.until(text, at, behind(most), MARKUP);
        if matches!(text.get(end), Some(b'<' | b']')) {
            add(text, at, end, true, most, &mut all);
        }
        return all;
    }
    let byte = |at: usize| text.get(at).copied().unwrap_or_default();
    // A list of strings, of which headers are made in some languages; strings of a kind.
    at += usize::from(byte(at) == b'[' && is_quote(byte(at + 1)));
    at += usize::from(
        matches!(byte(at), b'b' | b'r' | b'u' | b'f' | b'@' | b'L' | b'E' | b'N')
            && is_quote(byte(at + 1)),
    );
    if byte(at) == b'$'
        && let Some((inner, _)) = sql::dollar_string(text, at, most)
    {
        add(text, inner.start, inner.end, true, most, &mut all);
        return all;
    }
    if is_quote(byte(at)) {
        if let Some((end, is_bounded)) = string_end(text, at, byte(at), most, reading) {
            add(text, at + 1, end, is_bounded, most, &mut all);
        }
        return all;
    }
    if start.form == Form::String || (start.form == Form::Flag && byte(at) == b'-') {
        return all;
    }
    bare(text, name, at, start.form, most, reading, &mut all);
    all
}

/// Values without quotes of their own.
fn bare(
    text: &[u8],
    name: &Range<usize>,
    at: usize,
    form: Form,
    most: usize,
    reading: &mut Reading,
    all: &mut Vec<Value>,
) {
    let dashes = text.get(..name.start).unwrap_or_default();
    let dashes = dashes.iter().rev().take(2).take_while(|byte| **byte == b'-').count();
    let lead = name.start.checked_sub(dashes + 1).and_then(|at| text.get(at)).copied();
    let mut end_at = |ends: u16| {
        let mut end = reading.until(text, at, behind(most), ends);
        let is_bounded = text.get(end).is_some_and(|byte| is_one(*byte, ends));
        // The end of a line that ends the string around it.
        while lead.is_some_and(is_quote)
            && matches!(text.get(at..end), Some([.., b'\\', b'n' | b'r' | b't']))
        {
            end -= 2;
        }
        let before = all.len();
        add(text, at, end, is_bounded, most, all);
        if all.len() > before && is_form(text, lead, at..end) {
            all.truncate(before);
        }
    };
    // The quote before the name is the one behind the value.
    if let Some(quote) = lead.filter(|byte| is_quote(*byte)) {
        let quote = ends_with(quote);
        end_at(quote | LINE_END);
        end_at(quote | WHITESPACE);
        end_at(SHARP);
        return;
    }
    let is_own_line =
        lead.is_none_or(|byte| byte == 0 || byte.is_ascii_whitespace() || byte >= 0x80);
    if is_own_line || form == Form::Flag {
        end_at(WHITESPACE | QUOTES | BACKSLASH);
    }
    end_at(SHARP);
    if is_own_line && form == Form::Assigned(b':') {
        end_at(LINE_END);
    }
}

/// Kinds of bytes, of which several may be meant at once: what may end a value, and what stands before one.
const QUOTE: u16 = 1;
const APOSTROPHE: u16 = 1 << 1;
const GRAVE: u16 = 1 << 2;
const QUOTES: u16 = QUOTE | APOSTROPHE | GRAVE;
const BACKSLASH: u16 = 1 << 3;
const WHITESPACE: u16 = 1 << 4;
const LINE_END: u16 = 1 << 5;
/// Whatever may stand behind a value in code, in a list or in a text.
const SHARP: u16 = 1 << 6;
/// What is no character of a text.
pub(super) const CONTROL: u16 = 1 << 7;
/// What ends the text of an element of XML.
const MARKUP: u16 = 1 << 8;
/// What is no ASCII.
pub(super) const FOREIGN: u16 = 1 << 9;
/// What names are made of.
const OF_NAME: u16 = 1 << 10;
const BLANK: u16 = 1 << 11;

const KINDS: [u16; 256] = {
    let mut kinds = [FOREIGN; 256];
    let mut byte = 0_u8;
    while byte < 0x80 {
        let mut kind = match byte {
            b'"' => QUOTE | SHARP,
            b'\'' => APOSTROPHE | SHARP,
            b'`' => GRAVE | SHARP,
            b'\\' => BACKSLASH | SHARP,
            b'\n' | b'\r' => LINE_END,
            b'<' | b']' => MARKUP | SHARP,
            b',' | b';' | b'&' | b')' | b'}' | b'>' | b'|' | b'#' | b'(' | b'{' | b'[' | b'$' => {
                SHARP
            }
            _ => 0,
        };
        if byte.is_ascii_whitespace() {
            kind |= WHITESPACE | SHARP;
        }
        if byte < 0x20 && byte != b'\t' {
            kind |= CONTROL;
        }
        if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.') {
            kind |= OF_NAME;
        }
        if matches!(byte, b' ' | b'\t') {
            kind |= BLANK;
        }
        kinds[byte as usize] = kind;
        byte += 1;
    }
    kinds
};

/// Whether a byte is of one of these kinds.
pub(super) fn is_one(byte: u8, kinds: u16) -> bool {
    KINDS[usize::from(byte)] & kinds != 0
}

/// The kind of a quote.
fn ends_with(quote: u8) -> u16 {
    KINDS[usize::from(quote)] & QUOTES
}

/// Whether this is more than one field of a form, or one with escapes: it is read where these are decoded.
fn is_form(text: &[u8], lead: Option<u8>, value: Range<usize>) -> bool {
    let bytes = text.get(value.clone()).unwrap_or_default();
    let is_between = matches!(lead, Some(b'&' | b'?')) || text.get(value.end) == Some(&b'&');
    let is_escape = |part: &[u8]| matches!(part, [b'%', a, b] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit());
    if is_between && bytes.windows(3).any(is_escape) {
        return true;
    }
    let is_url = memchr::memchr(b'?', bytes).is_some();
    !is_url
        && memchr::memchr_iter(b'&', bytes).any(|at| {
            let field = bytes.get(at + 1..).unwrap_or_default();
            let name = field.iter().take_while(|byte| is_name(**byte)).count();
            name >= 2 && field.get(name) == Some(&b'=')
        })
}

/// Bytes that are looked at for the end of a value of so many.
fn behind(most: usize) -> usize {
    most.saturating_add(STALE + 1)
}

/// Where the string that begins with the quote at `at` ends, and whether a quote does end it.
fn string_end(
    text: &[u8],
    at: usize,
    quote: u8,
    most: usize,
    reading: &mut Reading,
) -> Option<(usize, bool)> {
    let mut end = at + 1;
    loop {
        let most = most.checked_sub(end - at - 1)?;
        end = reading.until(text, end, behind(most), ends_with(quote) | BACKSLASH);
        match text.get(end) {
            Some(b'\\') => end += 2,
            Some(byte) if *byte == quote => return Some((end, true)),
            Some(b'\n' | b'\r') => return None,
            _ if end >= text.len() || end - at <= most => {
                return Some((end.min(text.len()), false));
            }
            _ => return None,
        }
    }
}

/// Adds a value, and before it what stands behind the scheme in it.
fn add(text: &[u8], start: usize, end: usize, is_bounded: bool, most: usize, all: &mut Vec<Value>) {
    let Some(value) = text.get(start..end) else { return };
    let trimmed = value.iter().rev().take_while(|byte| is_blank(**byte) || **byte == b'\r').count();
    let mut end = end - trimmed;
    if !is_quote(text.get(end).copied().unwrap_or_default()) {
        end -= usize::from(matches!(text.get(start..end), Some([.., b',' | b';'])));
    }
    let Some(value) = text.get(start..end) else { return };
    let blank = value.iter().take(12).position(|byte| *byte == b' ');
    let scheme = blank.filter(|len| {
        let word = value.get(..*len).unwrap_or_default();
        SCHEMES.iter().any(|scheme| scheme.eq_ignore_ascii_case(word))
    });
    let behind = scheme.map(|len| start + len + 1);
    for start in behind.into_iter().chain([start]) {
        // What goes on for long is no value with a little stale text behind it.
        let longest = if is_bounded { most } else { most + STALE };
        let value = Value { span: start..end, is_bounded };
        if end > start && end - start <= longest && !all.contains(&value) {
            all.push(value);
        }
    }
}

#[cfg(test)]
#[path = "assignment_tests.rs"]
mod tests;
