//! SARIF 2.1.0: for code scanning services, vulnerability management and editors.
//!
//! The objects are those of serde-sarif. The envelope is written by hand, so that results go out as
//! they come; what they refer to (rules, artifacts, logical locations) follows them, since the order
//! of members is free. The standard's sections are quoted as §3.30.
//!
//! - One run, whatever the number of checkpoints: logical locations keep them apart.
//! - No value of a finding ever stands in it, also where the user asked to see values.
//! - No number above 2³¹ − 1 (see [`words::MOST`]): what is larger is a string in `properties`.
//! - No times: a report is made from records only, and they have none of the run.
//! - What was not scanned is a notification. Errors of the scan are warnings there, since an error
//!   means that the whole run has failed (§3.20.21).

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use serde_json::Value;
use serde_sarif::sarif::{RunAutomationDetails, Tool};

use super::{CheckpointRecord, Format, Record, Report, Run, Style, Summary};

mod artifacts;
mod logical;
mod notice;
mod place;
mod result;
mod rules;
mod stream;
#[cfg(test)]
mod tests;
mod uri;
mod words;

use artifacts::Artifacts;
use logical::Logical;
use notice::Notices;
use place::Current;
use rules::Rules;
use stream::Stream;
use words::{bag, clean, guid, number};

/// All that is known.
pub(super) const FULL: Format = Format {
    name: "sarif",
    help: "SARIF 2.1.0, all that is known: for viewers and vulnerability management",
    make: |out, _: &Style| Box::new(Sarif::new(out, Profile::Full)),
};

/// What GitHub's code scanning reads.
pub(super) const GITHUB: Format = Format {
    name: "sarif-github",
    help: "SARIF 2.1.0 as GitHub code scanning takes it: alerts stay the same from dump to dump",
    make: |out, _: &Style| Box::new(Sarif::new(out, Profile::GitHub)),
};

/// What GitLab's security reports read.
pub(super) const GITLAB: Format = Format {
    name: "sarif-gitlab",
    help: "SARIF 2.1.0 as GitLab takes it: one path a finding",
    make: |out, _: &Style| Box::new(Sarif::new(out, Profile::GitLab)),
};

/// Whom the report is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Profile {
    Full,
    GitHub,
    GitLab,
}

/// Results that GitHub and GitLab show of a run.
const SHOWN: usize = 5_000;

struct Sarif {
    profile: Profile,
    stream: Stream,
    run: Option<Run>,
    rules: Rules,
    artifacts: Artifacts,
    logical: Logical,
    notices: Notices,
    current: Current,
    /// How often a rule met a place fingerprint in this checkpoint: values that could be guessed have
    /// that of their context.
    twins: BTreeMap<(usize, String), u64>,
    /// The workloads of the checkpoints.
    workloads: BTreeSet<String>,
    dumps: Vec<String>,
    /// Whether a region counts columns.
    has_columns: bool,
    summary: Option<Summary>,
}

impl Sarif {
    fn new(out: Box<dyn Write + Send>, profile: Profile) -> Self {
        Self {
            profile,
            stream: Stream::new(out, (profile != Profile::Full).then_some(SHOWN)),
            run: None,
            rules: Rules::default(),
            artifacts: Artifacts::default(),
            logical: Logical::default(),
            notices: Notices::default(),
            current: Current::default(),
            twins: BTreeMap::new(),
            workloads: BTreeSet::new(),
            dumps: Vec::new(),
            has_columns: false,
            summary: None,
        }
    }

    fn checkpoint(&mut self, record: &CheckpointRecord) {
        // A target with several checkpoints names them by the path inside.
        let targets = self.run.iter().flat_map(|run| &run.targets);
        let target = targets
            .filter(|target| {
                let inside = record.target.strip_prefix(target.as_str());
                inside.is_some_and(|inside| inside.is_empty() || inside.starts_with('!'))
            })
            .max_by_key(|target| target.len());
        let workload = place::workload_path(record);
        // No more than two are ever asked for.
        if self.workloads.len() < 2 {
            self.workloads.insert(workload.clone());
        }
        let id = record.container.id.as_deref().unwrap_or_default();
        let time = record.checkpointed.as_deref().unwrap_or_default();
        let dump = guid(&["cryoscan", "dump", &record.target, &record.checkpoint, id, time]);
        self.dumps.push(dump.clone());
        self.twins.clear();
        self.current = Current {
            target: self.artifacts.target(target.unwrap_or(&record.target)),
            container: self.logical.container(record),
            workload,
            dump,
        };
    }

    fn tool(&self, taxonomies: &[serde_sarif::sarif::ToolComponent]) -> Tool {
        let mut driver = rules::component("cryoscan");
        if let Some(run) = &self.run {
            driver.version = Some(run.tool.version.clone());
            driver.semantic_version = Some(run.tool.version.clone());
            driver.full_name = Some(format!("{} {}", run.tool.name, run.tool.version));
        }
        driver.organization = Some("cryoscan".to_owned());
        driver.rules = Some(self.rules.table().collect());
        driver.notifications = Some(self.notices.table());
        driver.supported_taxonomies =
            Some(rules::references(taxonomies)).filter(|list| !list.is_empty());
        Tool { driver, extensions: None, properties: None }
    }

    /// The same category, which is what stands before the last slash, for every dump of a workload.
    fn automation(&self) -> RunAutomationDetails {
        let id = match self.workloads.first() {
            Some(workload) if self.workloads.len() == 1 => {
                format!("cryoscan/{}/", clean(workload, 255))
            }
            _ => "cryoscan/".to_owned(),
        };
        let dumps: Vec<&str> = self.dumps.iter().map(String::as_str).collect();
        RunAutomationDetails {
            id: Some(id),
            guid: Some(guid(&dumps)),
            ..RunAutomationDetails::default()
        }
    }
}

impl Report for Sarif {
    fn record(&mut self, record: &Record) -> io::Result<()> {
        match record {
            Record::Run(run) => self.run = Some(run.clone()),
            Record::Checkpoint(record) => self.checkpoint(record),
            Record::Finding(finding) => {
                let result = result::result(self, finding);
                let locations = [&result.locations, &result.related_locations];
                let mut locations = locations.into_iter().flatten().flatten();
                self.has_columns |= locations.any(place::has_columns);
                self.stream.result(finding.severity, finding.confidence, &result)?;
            }
            Record::Diagnostic(record) => {
                let target = record.checkpoint.as_ref().map(|_| self.current.target);
                let (artifacts, diagnostic) = (&mut self.artifacts, &record.diagnostic);
                self.notices.diagnostic(self.profile, diagnostic, target, artifacts);
            }
            Record::Coverage(record) => {
                self.notices.coverage(self.profile, record, &self.current, &self.artifacts);
            }
            Record::Summary(summary) => self.summary = Some(summary.clone()),
        }
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        let left_out = self.stream.results_done()?;
        if left_out > 0 {
            self.notices.left_out(&format!(
                "{left_out} results of less severity are left out: the service shows {SHOWN}"
            ));
        }
        let taxonomies = self.rules.taxonomies();
        let invocation = self.notices.invocation(self.summary.as_ref());
        let tool = self.tool(&taxonomies);
        let automation = self.automation();
        let stream = &mut self.stream;
        stream.member("tool", &tool)?;
        if !taxonomies.is_empty() {
            stream.table("taxonomies", taxonomies.iter())?;
        }
        // GitHub takes the category that the upload names only where the file has none.
        if self.profile != Profile::GitHub {
            stream.member("automationDetails", &automation)?;
        }
        stream.table("invocations", std::iter::once(invocation))?;
        if self.profile == Profile::Full {
            stream.table("artifacts", self.artifacts.table())?;
            stream.table("logicalLocations", self.logical.table())?;
        }
        if self.has_columns {
            stream.member("columnKind", &"unicodeCodePoints")?;
        }
        if let Some(run) = &self.run {
            let properties = bag([
                ("schema", Value::from(run.schema.clone())),
                ("rules", number(run.rules.count)),
                ("rulesHash", Value::from(run.rules.hash.clone())),
            ]);
            stream.member("properties", &properties)?;
        }
        stream.end()
    }
}
