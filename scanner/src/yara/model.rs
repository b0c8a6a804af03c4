//! What is known of a YARA rule, and what comes of running one.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::check::{Confidence, Severity};
use crate::diagnostic::Diagnostic;
use crate::region::Space;
use crate::tally::Held;

/// One rule that compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleInfo {
    /// `yara:NAMESPACE.RULE`: stable, for reports and gates.
    pub id: String,
    /// The file or pack it comes from.
    pub namespace: String,
    /// What it finds, in its author's words, or its identifier.
    pub name: String,
    /// From its meta, else medium.
    pub severity: Severity,
    /// From its meta, else high: the condition holds exactly as written.
    pub confidence: Confidence,
    /// The rest of what its meta says, in keys that begin with `yara.`.
    pub attributes: BTreeMap<String, String>,
    /// What to do.
    pub remediation: String,
    /// Pages that say more.
    pub references: Vec<String>,
    /// ATT&CK techniques that its meta names.
    pub attack: Vec<String>,
    /// Whether it runs on memory.
    pub memory: bool,
    /// Whether it runs on files.
    pub files: bool,
    /// Why it runs on files only, in a few words.
    pub files_only: Option<String>,
    /// Whether a condition may count more hits than are kept.
    pub counts: bool,
    /// Whether it makes no finding of its own.
    pub private: bool,
}

/// One holder, before its first byte.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Its layout.
    pub space: &'a Space,
    /// Path of the file, as in reports; empty for memory.
    pub name: &'a str,
    /// Bytes of the holder, as far as known.
    pub len: u64,
}

/// What came of one holder.
#[derive(Debug, Default)]
pub struct Yield {
    /// The rules that hold, by their index, and where.
    pub held: Vec<(u32, Held)>,
    /// What could not be answered.
    pub notes: Vec<Diagnostic>,
}

/// Why rules could not be loaded at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The program was built without it.
    #[error(
        "this cryoscan was built without YARA (the feature `yara`, which is in the default build)"
    )]
    Absent,
    /// A file or folder could not be read.
    #[error("{path}: failed to read YARA rules: {error}")]
    Unreadable {
        /// Which one.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// Rules that were compiled before.
    #[error(
        "{0}: these are compiled YARA rules; they are native code of another version and are not \
         read: give their source"
    )]
    Compiled(PathBuf),
    /// A bound on rules was reached.
    #[error("{path}: {what}: expected at most {limit}")]
    TooMuch {
        /// Where.
        path: PathBuf,
        /// What there is too much of.
        what: &'static str,
        /// The bound.
        limit: u64,
    },
    /// A file or folder has no rule that can be used.
    #[error("{path}: found no YARA rule that can be used{}", first(.refused))]
    Empty {
        /// Which one.
        path: PathBuf,
        /// The rules that were refused, and why.
        refused: Vec<String>,
    },
    /// The rules compiled and could not be made ready to run.
    #[error(
        "YARA could not make its rules ready to run: where memory may not be made executable \
         (systemd's MemoryDenyWriteExecute=), scan without --yara"
    )]
    NotExecutable,
}

/// The first refusals, on one line.
fn first(refused: &[String]) -> String {
    const SHOWN: usize = 5;
    if refused.is_empty() {
        return String::new();
    }
    let more = refused.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    let shown: Vec<&str> = refused.iter().take(SHOWN).map(String::as_str).collect();
    format!(": {}{more}", shown.join("; "))
}
