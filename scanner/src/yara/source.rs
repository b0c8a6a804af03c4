//! Where rules come from: files, folders and their `include`s, as text.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use yara_x_parser::ast::{AST, Item};

use super::BUILTIN;
use super::model::LoadError;
use crate::archive::name;

/// Bytes of one file of rules.
const FILE_BYTES: u64 = 32 << 20;
/// Bytes of all rules of a run.
const TOTAL_BYTES: u64 = 256 << 20;
/// Files of rules of a run.
const FILES: usize = 100_000;
/// Folders inside folders.
const FOLDERS: usize = 64;
/// How deep a condition may be nested: yara-x follows it on the stack.
const NESTING: usize = 64;

/// The text of one file.
#[derive(Debug)]
pub(super) struct Source {
    /// The file, for messages.
    pub origin: String,
    /// Which rules see each other.
    pub namespace: String,
    /// Which of the user's paths it belongs to.
    pub argument: usize,
    /// UTF-8; line numbers and offsets are those of the file, if that was UTF-8.
    pub text: String,
    /// What of it is refused before it is compiled: offset and reason.
    pub refused: Vec<(usize, String)>,
}

/// Reads all files behind the user's paths, in the order of the paths, folders by name.
///
/// # Errors
/// When one cannot be read, holds compiled rules, or a bound is reached.
pub(super) fn read(paths: &[PathBuf], includes: bool) -> Result<Vec<Source>, LoadError> {
    let mut reader = Reader { includes, sources: Vec::new(), bytes: 0 };
    for (argument, path) in paths.iter().enumerate() {
        if path.as_os_str() == BUILTIN {
            for (name, text) in cryoscan_rules::YARA {
                reader.sources.push(Source {
                    origin: format!("{BUILTIN}/{name}"),
                    namespace: "cryoscan".to_owned(),
                    argument,
                    text: (*text).to_owned(),
                    refused: Vec::new(),
                });
            }
            continue;
        }
        let unreadable = |error| LoadError::Unreadable { path: path.clone(), error };
        let files = if fs::metadata(path).map_err(unreadable)?.is_dir() {
            let mut files = Vec::new();
            list(path, FOLDERS, &mut files)?;
            files.sort();
            files
        } else {
            vec![path.clone()]
        };
        for file in files {
            let inside = file.strip_prefix(path).ok().filter(|inside| *inside != Path::new(""));
            let named = inside.or_else(|| file.file_name().map(Path::new)).unwrap_or(&file);
            let namespace = namespace(named);
            reader.file(&file, &namespace, argument, &mut BTreeSet::new())?;
        }
    }
    Ok(reader.sources)
}

/// `linux/miner.yar` → `linux.miner`: characters that an id cannot have become `_`.
fn namespace(path: &Path) -> String {
    let plain = path.with_extension("");
    let parts: Vec<String> = plain
        .components()
        .map(|part| {
            let text = part.as_os_str().to_string_lossy();
            let keep = |letter: char| letter.is_ascii_alphanumeric() || "_-".contains(letter);
            text.chars().map(|letter| if keep(letter) { letter } else { '_' }).collect()
        })
        .collect();
    parts.join(".")
}

/// Every `*.yar` and `*.yara` below a folder; symbolic links to folders are not followed.
fn list(folder: &Path, deep: usize, files: &mut Vec<PathBuf>) -> Result<(), LoadError> {
    let too_much = |what, limit| LoadError::TooMuch { path: folder.to_owned(), what, limit };
    let Some(deep) = deep.checked_sub(1) else {
        return Err(too_much("folders inside folders", FOLDERS as u64));
    };
    let unreadable = |error| LoadError::Unreadable { path: folder.to_owned(), error };
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let path = entry.path();
        let ending = path.extension().map(OsStr::to_ascii_lowercase);
        if entry.file_type().map_err(unreadable)?.is_dir() {
            list(&path, deep, files)?;
        } else if ending.is_some_and(|ending| ending == "yar" || ending == "yara") {
            files.push(path);
        }
        if files.len() > FILES {
            return Err(too_much("files of YARA rules", FILES as u64));
        }
    }
    Ok(())
}

struct Reader {
    includes: bool,
    sources: Vec<Source>,
    bytes: u64,
}

impl Reader {
    /// Reads a file, behind those it includes.
    fn file(
        &mut self,
        path: &Path,
        namespace: &str,
        argument: usize,
        seen: &mut BTreeSet<PathBuf>,
    ) -> Result<(), LoadError> {
        let too_much = |what, limit| LoadError::TooMuch { path: path.to_owned(), what, limit };
        let data = content(path)
            .map_err(|error| LoadError::Unreadable { path: path.to_owned(), error })?;
        if data.len() as u64 > FILE_BYTES {
            return Err(too_much("bytes of a file of YARA rules", FILE_BYTES));
        }
        self.bytes = self.bytes.saturating_add(data.len() as u64);
        if self.bytes > TOTAL_BYTES || self.sources.len() >= FILES {
            return Err(too_much("bytes of all YARA rules", TOTAL_BYTES));
        }
        if data.starts_with(b"YARA") && data.contains(&0) {
            return Err(LoadError::Compiled(path.to_owned()));
        }
        let mut text = utf8(data);
        let mut refused = Vec::new();
        if let Some(at) = too_deep(&text) {
            refused.push((at, format!("nested deeper than {NESTING}; the file was left out")));
            text.clear();
        }
        if self.includes {
            seen.insert(path.canonicalize().unwrap_or_else(|_| path.to_owned()));
            for (span, name) in includes(&text) {
                // Blanks keep every line where it is.
                blank(&mut text, span.clone());
                let included = path.parent().unwrap_or(Path::new("")).join(name);
                let full = included.canonicalize().unwrap_or_else(|_| included.clone());
                if seen.contains(&full) {
                    continue;
                }
                match self.file(&included, namespace, argument, seen) {
                    Ok(()) => {}
                    Err(LoadError::Unreadable { path, error }) => {
                        let path = name::display(path.as_os_str().as_encoded_bytes());
                        refused.push((span.start, format!("cannot include {path}: {error}")));
                    }
                    Err(other) => return Err(other),
                }
            }
        }
        let origin = name::display(path.as_os_str().as_encoded_bytes());
        let namespace = namespace.to_owned();
        self.sources.push(Source { origin, namespace, argument, text, refused });
        Ok(())
    }
}

#[expect(clippy::disallowed_methods, reason = "bounded by take")]
fn content(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    if file.metadata()?.is_dir() {
        return Err(io::Error::from(io::ErrorKind::IsADirectory));
    }
    let mut data = Vec::new();
    file.take(FILE_BYTES + 1).read_to_end(&mut data)?;
    Ok(data)
}

/// Old rule files are Latin-1; a byte order mark is no part of the text.
fn utf8(data: Vec<u8>) -> String {
    let text = String::from_utf8(data)
        .unwrap_or_else(|error| error.into_bytes().into_iter().map(char::from).collect());
    text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text)
}

/// The `include` statements of a file, with the path each names.
fn includes(text: &str) -> Vec<(std::ops::Range<usize>, String)> {
    use yara_x_parser::ast::WithSpan;
    let ast = AST::from(text);
    let include = |item: &Item<'_>| match item {
        Item::Include(it) => Some((it.span().range(), it.file_name.to_owned())),
        Item::Import(_) | Item::Rule(_) => None,
    };
    ast.items().filter_map(include).collect()
}

/// Puts blanks over a part of a text; line feeds stay.
pub(super) fn blank(text: &mut String, span: std::ops::Range<usize>) {
    let Some(old) = text.get(span.clone()) else { return };
    let new: String = old.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }).collect();
    text.replace_range(span, &new);
}

/// Where parentheses or operators before a value are nested too deep, strings, regular expressions
/// and comments aside.
fn too_deep(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 0;
    let (mut open, mut before) = (0usize, 0usize);
    while let Some(byte) = bytes.get(at) {
        let rest = bytes.get(at..).unwrap_or_default();
        let mut step = 1;
        match byte {
            b'"' => (step, before) = (quoted(rest, b'"'), 0),
            b'/' if rest.starts_with(b"//") => {
                step = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
            }
            b'/' if rest.starts_with(b"/*") => {
                step = memchr::memmem::find(rest, b"*/").map_or(rest.len(), |end| end + 2);
            }
            b'/' => (step, before) = (quoted(rest, b'/'), 0),
            b'(' => open += 1,
            b')' => (open, before) = (open.saturating_sub(1), 0),
            b'{' | b'}' => (open, before) = (0, 0),
            b'-' | b'~' => before += 1,
            byte if byte.is_ascii_alphabetic() => {
                let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
                step = rest.iter().position(|byte| !is_letter(byte)).unwrap_or(rest.len());
                let word = rest.get(..step).unwrap_or_default();
                before = if matches!(word, b"not" | b"defined") { before + 1 } else { 0 };
            }
            byte if byte.is_ascii_whitespace() => {}
            _ => before = 0,
        }
        if open + before > NESTING {
            return Some(at);
        }
        at += step.max(1);
    }
    None
}

/// Bytes of a text in quotes, with the quotes.
fn quoted(text: &[u8], quote: u8) -> usize {
    let mut escaped = false;
    for (at, byte) in text.iter().enumerate().skip(1) {
        match byte {
            b'\n' => return at,
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            byte if *byte == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_is_the_path_in_the_pack() {
        for (path, expected) in
            [("linux/miner.yar", "linux.miner"), ("a b/x.y.yara", "a_b.x_y"), ("one.yar", "one")]
        {
            assert_eq!(namespace(Path::new(path)), expected);
        }
    }

    #[test]
    fn text_that_is_no_utf_8_is_latin_1() {
        assert_eq!(utf8(b"\xef\xbb\xbfrule".to_vec()), "rule");
        assert_eq!(utf8(b"// caf\xe9".to_vec()), "// caf\u{e9}");
    }

    #[test]
    fn blanks_keep_lines_and_offsets() {
        let mut text = "a\ninclude \"x\"\nb".to_owned();
        blank(&mut text, 2..13);
        assert_eq!(text, "a\n           \nb");
    }

    #[test]
    fn nesting_is_counted_outside_of_strings_only() {
        let deep = "(".repeat(NESTING + 1);
        assert_eq!(too_deep(&format!("rule r {{ condition: {deep}")), Some(20 + NESTING));
        assert!(too_deep(&format!("condition: {}", "not ".repeat(NESTING + 1))).is_some());
        assert!(too_deep(&format!("condition: {}1", "-".repeat(NESTING + 1))).is_some());
        for shallow in [format!("\"{deep}\""), format!("/{deep}\\//"), format!("/*{deep}*/")] {
            assert_eq!(too_deep(&shallow), None, "{shallow}");
        }
        let rules = "rule r { condition: (true) and not false }\n".repeat(1000);
        assert_eq!(too_deep(&rules), None);
    }
}
