//! The lines of a report (`cryoscan/1`). The order of the fields is the order of the keys.

use serde::Serialize;

use crate::check::Severity;
use crate::coverage::Coverage;
use crate::diagnostic::Diagnostic;
use crate::finding::Finding;

/// Name and version of what the records mean; it changes only when a reader must change.
pub const SCHEMA: &str = "cryoscan/1";

/// One line of a report: `run` first, then per checkpoint `checkpoint`, its findings, diagnostics
/// and `coverage`, `summary` last.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "dev", derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Record {
    /// What was run, on what.
    Run(Run),
    /// A container's frozen state.
    Checkpoint(CheckpointRecord),
    /// Something found in it.
    Finding(Finding),
    /// Something that could not be read or decoded.
    Diagnostic(DiagnosticRecord),
    /// What of it was scanned.
    Coverage(CoverageRecord),
    /// What came of it all.
    Summary(Summary),
}

/// What was run, on what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "dev", derive(schemars::JsonSchema))]
pub struct Run {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// The program.
    pub tool: Tool,
    /// Its rules.
    pub rules: Rules,
    /// The targets as the user named them.
    pub targets: Vec<String>,
}

/// The program that made the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "dev", derive(schemars::JsonSchema))]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// The rules that were looked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "dev", derive(schemars::JsonSchema))]
pub struct Rules {
    /// How many.
    pub count: u64,
    /// Hash over all of them: `blake3:<64 hex digits>`.
    pub hash: String,
    /// The rule files of the user; left out if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// What was chosen (`--rule`); left out if that is everything.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<String>,
    /// What was excluded (`--exclude-rule`); left out if that is nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub without: Vec<String>,
    /// The lists of indicators of the user (`--ioc`); left out if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lists: Vec<List>,
}

/// A list of indicators.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "dev", derive(schemars::JsonSchema))]
pub struct List {
    /// The file.
    pub name: String,
    /// Indicators in it.
    pub indicators: u64,
    /// Hash of its bytes: `blake3:<64 hex digits>`.
    pub hash: String,
}

/// A container's frozen state: who it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "dev", derive(schemars::JsonSchema))]
pub struct CheckpointRecord {
    /// Name within this report: `c1`.
    pub checkpoint: String,
    /// The target that holds it, with the path inside where it holds more than one.
    pub target: String,
    /// Who wrote it: `podman`, `cri-o`, `containerd-cri` …
    pub producer: String,
    /// How the archive is compressed: `none`, `gzip`, `zstd` …
    pub compression: String,
    /// The container; what is not known of it is `null`.
    pub container: Container,
    /// Its pod; `null` outside Kubernetes.
    pub pod: Option<Pod>,
    /// The machine it ran on.
    pub host: Option<String>,
    /// When the container was made, RFC 3339.
    pub created: Option<String>,
    /// When the checkpoint was made, RFC 3339.
    pub checkpointed: Option<String>,
    /// Version of CRIU that made it.
    pub criu: Option<String>,
    /// Number of processes.
    pub processes: u64,
    /// Bytes of memory pages it holds.
    pub memory_bytes: u64,
    /// Number of files it holds, images aside.
    pub files: u64,
}

/// What is known of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "dev", derive(schemars::JsonSchema))]
pub struct Container {
    /// Its id.
    pub id: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// The image it was made from.
    pub image: Option<String>,
    /// Id or digest of that image.
    pub image_id: Option<String>,
    /// The low-level runtime: `runc`, `crun`.
    pub runtime: Option<String>,
    /// Version of the container engine.
    pub engine_version: Option<String>,
}

/// What is known of a pod.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "dev", derive(schemars::JsonSchema))]
pub struct Pod {
    /// Its name.
    pub name: Option<String>,
    /// Its namespace.
    pub namespace: Option<String>,
    /// Its UID.
    pub uid: Option<String>,
    /// Id of its sandbox, by which the container runtime knows it.
    pub id: Option<String>,
}

/// A diagnostic and the checkpoint it is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "dev", derive(schemars::JsonSchema))]
pub struct DiagnosticRecord {
    /// The checkpoint; `null` where it is about a target that holds none.
    pub checkpoint: Option<String>,
    /// The problem.
    #[serde(flatten)]
    pub diagnostic: Diagnostic,
}

/// The ledger of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "dev", derive(schemars::JsonSchema))]
pub struct CoverageRecord {
    /// The checkpoint.
    pub checkpoint: String,
    /// Bytes by what became of them.
    #[serde(flatten)]
    pub coverage: Coverage,
    /// What else a reader must know of the figures.
    pub notes: Vec<String>,
}

/// What came of it all.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "dev", derive(schemars::JsonSchema))]
pub struct Summary {
    /// In one word.
    pub verdict: Verdict,
    /// Findings by severity.
    pub findings: SeverityCounts,
    /// Checkpoints scanned.
    pub checkpoints: u64,
    /// Whether every target and all of it was scanned.
    pub complete: bool,
    /// The exit code of the run.
    pub exit: u8,
    /// What differs from run to run (left out by `--no-measured`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub measured: Option<Measured>,
}

/// What came of it all, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "dev", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Scanned whole, nothing found.
    Clean,
    /// Something was found; see `complete` for whether there may be more.
    Findings,
    /// Nothing was found in what could be scanned; the rest is not known.
    Incomplete,
}

/// Findings by severity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "dev", derive(schemars::JsonSchema))]
#[expect(missing_docs, reason = "the names are the documentation")]
pub struct SeverityCounts {
    pub critical: u64,
    pub high: u64,
    pub medium: u64,
    pub low: u64,
    pub info: u64,
}

impl SeverityCounts {
    /// Counts findings.
    pub fn add(&mut self, severity: Severity, more: u64) {
        let count = self.of(severity);
        *count = count.saturating_add(more);
    }

    /// Takes one finding away.
    pub fn remove(&mut self, severity: Severity) {
        let count = self.of(severity);
        *count = count.saturating_sub(1);
    }

    fn of(&mut self, severity: Severity) -> &mut u64 {
        match severity {
            Severity::Critical => &mut self.critical,
            Severity::High => &mut self.high,
            Severity::Medium => &mut self.medium,
            Severity::Low => &mut self.low,
            Severity::Info => &mut self.info,
        }
    }

    /// The counts, worst first.
    pub fn by_severity(&self) -> [(Severity, u64); 5] {
        [
            (Severity::Critical, self.critical),
            (Severity::High, self.high),
            (Severity::Medium, self.medium),
            (Severity::Low, self.low),
            (Severity::Info, self.info),
        ]
    }

    /// All of them.
    pub fn total(&self) -> u64 {
        self.by_severity().iter().fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }
}

/// What differs from run to run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(feature = "dev", derive(schemars::JsonSchema))]
pub struct Measured {
    /// Wall time of the run.
    pub seconds: f64,
    /// Most anonymous memory at a time, in bytes.
    pub peak_memory_bytes: u64,
    /// Bytes that the rules have seen.
    pub scanned_bytes: u64,
    /// For which processor the loops over every byte were written: `scalar`, `avx2`, `avx512`.
    pub kernel: &'static str,
}
