//! The order of the modules and what each of them may touch, checked on the text of the sources.
//!
//! Text is enough: a path that never stands in a file cannot be used there. It also means that
//! a documentation link to a later module counts; name such things in plain words.
#![expect(clippy::disallowed_methods, reason = "reads the sources of this repository, not input")]

use std::path::{Path, PathBuf};
use std::{fs, io};

/// Lowest first. A module may use any module before it and none after it.
const ORDER: &[&str] = &[
    "limits",
    "secret",
    "diagnostic",
    "coverage",
    "check",
    "archive",
    "criu",
    "region",
    "checkpoint",
    "indicator",
    "rule",
    "tally",
    "matching",
    "yara",
    "behaviour",
    "finding",
    "report",
    "scan",
    "cli",
];

/// Words that stand only in the code of some modules.
struct Fence {
    words: &'static [&'static str],
    /// The modules, or single files, that may use them.
    allowed: &'static [&'static str],
    because: &'static str,
}

/// The one file with unsafe code.
const KERNEL: &str = "matching/kernel.rs";

const FENCES: &[Fence] = &[
    Fence {
        words: &["unsafe", "unsafe_code"],
        allowed: &[KERNEL],
        because: "only matching/kernel.rs has unsafe code",
    },
    Fence {
        words: &["SystemTime", "Instant::now"],
        allowed: &["cli"],
        because: "only cli reads the clock",
    },
    Fence {
        words: &["env::var", "env::var_os", "env::vars", "env::args", "env::current_dir"],
        allowed: &["cli"],
        because: "only cli reads the environment",
    },
    Fence {
        words: &["print!", "println!", "eprint!", "eprintln!", "dbg!", "IsTerminal"],
        allowed: &["cli"],
        because: "only cli speaks to the terminal",
    },
    Fence {
        words: &["io::stdout", "io::stderr", "stdout()", "stderr()"],
        allowed: &["cli"],
        because: "only cli speaks to the terminal",
    },
    Fence {
        words: &["fs::write", "File::create", "File::create_new", "create_dir", "create_dir_all"],
        allowed: &["report", "cli"],
        because: "only report and cli write",
    },
    Fence {
        words: &["thread::spawn", "thread::scope", "thread::Builder", "thread::sleep"],
        allowed: &["scan", "cli"],
        because: "only scan uses threads, and cli one for the progress bar",
    },
    Fence {
        words: &["TcpStream", "TcpListener", "UdpSocket", "UnixStream", "process::Command"],
        allowed: &[],
        because: "the scanner opens no connection and starts no program",
    },
];

/// What only `criu` is forbidden: it decodes bytes that it is given.
const CRIU_IO: Fence = Fence {
    words: &["std::fs", "std::io", "fs::", "io::"],
    allowed: &[],
    because: "criu does no I/O",
};

/// Everything in `text`, the source file at `path` below `scanner/src`, that breaks a rule, each
/// as `criu/image.rs:2: criu uses finding`.
fn faults(path: &str, text: &str) -> Vec<String> {
    // The two crate roots join the modules; only unsafe code and the network are barred there.
    let is_root = path == "lib.rs" || path == "main.rs";
    let module = path.split('/').next().unwrap_or(path).trim_end_matches(".rs");
    let rank = ORDER.iter().position(|&name| name == module);
    let mut faults = Vec::new();
    if rank.is_none() && !is_root {
        faults.push(format!("{path}:1: module {module} has no place in the order"));
    }

    if let Some(rank) = rank {
        for (line, used) in used_modules(path, text) {
            match ORDER.iter().position(|&name| name == used) {
                Some(other) if other <= rank => {}
                Some(_) => faults.push(format!("{path}:{line}: {module} uses {used}")),
                None => {
                    faults.push(format!("{path}:{line}: {module} uses crate::{used}, no module"));
                }
            }
        }
    }

    let is_test = path.contains("/tests/") || path.ends_with("tests.rs");
    let code = if is_test { "" } else { without_tests(text) };
    for (line, code) in (1..).zip(code.lines()).filter(|(_, line)| !is_comment(line)) {
        let criu = (module == "criu").then_some(&CRIU_IO);
        for fence in FENCES.iter().chain(criu) {
            let is_allowed = fence.allowed.contains(&module) || fence.allowed.contains(&path);
            let is_barred_from_root = !fence.allowed.iter().any(|name| ORDER.contains(name));
            if is_allowed || (is_root && !is_barred_from_root) {
                continue;
            }
            if let Some(word) = fence.words.iter().find(|word| has_word(code, word)) {
                faults.push(format!("{path}:{line}: {word}: {}", fence.because));
            }
        }
    }
    faults
}

/// The lines of `text` with the word `unsafe` that no comment on its safety stands before; between it and
/// the block there may be more lines of the comment, and attributes.
fn unexplained(text: &str) -> Vec<usize> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let is_explained = |at: usize| {
        let before = lines.get(..at).unwrap_or_default().iter().rev();
        let mut notes = before.take_while(|line| is_comment(line) || line.starts_with("#["));
        notes.any(|line| line.starts_with("// SAFETY: "))
    };
    let has_unsafe = |line: &str| !is_comment(line) && has_word(line, "unsafe");
    let all = lines.iter().enumerate().filter(|(at, line)| has_unsafe(line) && !is_explained(*at));
    all.map(|(at, _)| at + 1).collect()
}

/// The top-level modules that `text` names, with the line: after `crate::`, in the braces after
/// `crate::{`, and after as many `super::` as lead to the root from the file at `path`.
fn used_modules(path: &str, text: &str) -> Vec<(usize, String)> {
    let depth = path.trim_end_matches("/mod.rs").split('/').count();
    let to_root = "super::".repeat(depth);
    let mut used = Vec::new();
    for prefix in ["crate::", to_root.as_str()] {
        for (at, _) in text.match_indices(prefix) {
            let (before, after) = text.split_at(at);
            if before.ends_with("super::") || before.ends_with(is_name) {
                continue; // Part of a longer path or name.
            }
            let line = before.matches('\n').count() + 1;
            let after = after.strip_prefix(prefix).unwrap_or(after);
            let names = match after.strip_prefix('{') {
                Some(group) => first_names(group),
                None => vec![first_name(after)],
            };
            // In an inline `mod tests`, `super::` leads to the file itself and its own names.
            let counts = |name: &String| prefix == "crate::" || ORDER.contains(&name.as_str());
            used.extend(names.into_iter().filter(counts).map(|name| (line, name)));
        }
    }
    used
}

/// The first name of each path of a `use` group, up to its closing brace.
fn first_names(group: &str) -> Vec<String> {
    let mut names = vec![first_name(group)];
    let mut open = 1_usize;
    for (at, c) in group.char_indices() {
        match c {
            '{' => open += 1,
            '}' => open -= 1,
            ',' if open == 1 => names.push(first_name(group.split_at(at + 1).1)),
            _ => {}
        }
        if open == 0 {
            break;
        }
    }
    names.retain(|name| !name.is_empty()); // After a trailing comma.
    names
}

fn first_name(path: &str) -> String {
    path.trim_start().chars().take_while(|&c| is_name(c)).collect()
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// What stands before the unit tests, which come last in a file and may do as they like.
fn without_tests(text: &str) -> &str {
    text.split("\n#[cfg(test)]\nmod ").next().unwrap_or(text)
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("//")
}

/// Whether `word` stands in `line` and is no part of a longer name.
fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let (before, after) = line.split_at(at);
        let after = after.strip_prefix(word).unwrap_or(after);
        let goes_on = word.ends_with(is_name) && after.starts_with(is_name);
        !(goes_on || before.ends_with(is_name))
    })
}

/// Every Rust source below `folder`.
fn sources(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

#[test]
fn every_module_keeps_to_the_order() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = sources(&root).expect("a folder of sources");
    let mut all = Vec::new();
    for file in &files {
        let path = file.strip_prefix(&root).expect("below the root").to_str().expect("UTF-8");
        all.extend(faults(path, &fs::read_to_string(file).expect("a source file")));
    }
    assert!(files.iter().any(|file| file.ends_with("limits.rs")), "walked nothing: {files:?}");
    assert!(all.is_empty(), "{} faults:\n{}", all.len(), all.join("\n"));
}

#[test]
fn every_unsafe_block_says_why_it_is_safe() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(KERNEL);
    let text = fs::read_to_string(file).expect("a source file");
    assert!(text.lines().any(|line| has_word(line, "unsafe")), "nothing to look at");
    assert_eq!(unexplained(&text), [0; 0], "{KERNEL}: lines without a note");

    let explained = "// SAFETY: there is room.\n// For two.\n#[inline]\nlet a = unsafe { f() };";
    assert_eq!(unexplained(explained), [0; 0]);
    let cases = [
        "let a = unsafe { f() };",
        "// room\nlet a = unsafe { f() };",
        "// SAFETY: room\n\nunsafe { f() };",
        "// SAFETY: room\nlet a = unsafe { f() };\nlet b = unsafe { f() };",
    ];
    for text in cases {
        assert_eq!(unexplained(text), [text.lines().count()], "{text}");
    }
}

#[test]
fn a_use_of_a_later_module_is_a_fault() {
    let cases = [
        ("criu/image.rs", "\nuse crate::finding::Place;", "criu/image.rs:2: criu uses finding"),
        (
            "limits.rs",
            "use crate::{\n    secret::SecretBytes,\n};",
            "limits.rs:1: limits uses secret",
        ),
        ("check/jwt.rs", "use crate::{limits::{A, B}, scan};", "check/jwt.rs:1: check uses scan"),
        (
            "check/jwt.rs",
            "fn f() { super::super::report::x() }",
            "check/jwt.rs:1: check uses report",
        ),
        ("check/mod.rs", "use super::criu;", "check/mod.rs:1: check uses criu"),
        ("region/space.rs", "/// See [`crate::tally`].", "region/space.rs:1: region uses tally"),
        (
            "report/mod.rs",
            "use crate::utils::x;",
            "report/mod.rs:1: report uses crate::utils, no module",
        ),
        ("utils.rs", "", "utils.rs:1: module utils has no place in the order"),
    ];
    for (path, text, fault) in cases {
        assert_eq!(faults(path, text), [fault], "{text}");
    }
}

#[test]
fn a_use_of_an_earlier_module_is_none() {
    let cases = [
        ("scan/work.rs", "use crate::{matching, report::Record};\nuse super::fold;"),
        ("check/jwt.rs", "use super::scan_digits;\nuse crate::check::Subject;"),
        ("checkpoint/producer/podman.rs", "use super::super::report;"), // A module of checkpoint.
        ("secret.rs", "mod tests { use super::SecretBytes; }"),
        ("lib.rs", "pub use crate::scan::scan;"),
    ];
    for (path, text) in cases {
        assert_eq!(faults(path, text), [""; 0], "{text}");
    }
}

#[test]
fn a_barred_word_is_a_fault_outside_its_module() {
    let cases = [
        ("archive/source.rs", "    unsafe { map() }"),
        ("main.rs", "unsafe fn f() {}"),
        ("matching/prefilter.rs", "let eight = unsafe { load(at) };"),
        ("matching/prefilter.rs", "#![expect(unsafe_code, reason = \"fast\")]"),
        ("check/kernel.rs", "unsafe { f() }"),
        ("scan/work.rs", "let now = std::time::SystemTime::now();"),
        ("scan/fold.rs", "let start = Instant::now();"),
        ("report/text.rs", "if env::var(\"NO_COLOR\").is_ok() {}"),
        ("finding/place.rs", "println!(\"x\");"),
        ("report/jsonl.rs", "let out = std::io::stdout();"),
        ("archive/zip.rs", "fs::write(path, bytes)?;"),
        ("matching/engine.rs", "std::thread::scope(|s| {});"),
        ("scan/walk.rs", "TcpStream::connect(address)"),
        ("criu/pages.rs", "use std::io::Read;"),
    ];
    for (path, text) in cases {
        assert_eq!(faults(path, text).len(), 1, "{path}: {text}");
    }
}

#[test]
fn a_barred_word_is_none_where_it_belongs() {
    let cases = [
        ("scan/work.rs", "std::thread::scope(|s| {});"),
        ("cli/scan.rs", "let started = Instant::now(); eprintln!();"),
        ("report/html.rs", "let file = File::create(path)?;"),
        ("archive/source.rs", "// unsafe would be faster\nlet unsafer = 1; use std::io::Read;"),
        ("matching/kernel.rs", "let eight = unsafe { load(at) };"),
        ("archive/dir.rs", "fn f() {}\n\n#[cfg(test)]\nmod tests { fn g() { fs::write(a, b); } }"),
        ("archive/tests/folders.rs", "fs::write(path, bytes)?;"),
        ("check/connection_tests.rs", "println!();"),
    ];
    for (path, text) in cases {
        assert_eq!(faults(path, text), [""; 0], "{text}");
    }
}
