//! What was not scanned, as notifications.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_sarif::sarif::{
    Invocation, Location, Notification, PhysicalLocation, ReportingDescriptor,
};

use super::super::{CoverageRecord, Summary, Verdict};
use super::Profile;
use super::artifacts::Artifacts;
use super::place::Current;
use super::rules::{descriptor, reference};
use super::words::{bag, clean, described, message, number, pascal};
use crate::coverage::Reason;
use crate::diagnostic::{Code, Diagnostic, Level};

/// Most notifications of a report; more are counted.
const KEPT: usize = 10_000;
/// A kind of notification: its name, and what it means.
type Kind = (&'static str, &'static str);
/// Kinds that no diagnostic has.
const COVERAGE: Kind =
    ("coverage", "How many bytes of a checkpoint were scanned, and why the others were not.");
const OMITTED: Kind = ("omitted", "The report leaves something out that was found.");

/// The notifications of a run.
#[derive(Debug, Default)]
pub(super) struct Notices {
    kinds: Vec<Kind>,
    all: Vec<Notification>,
    more: u64,
    failed: bool,
}

impl Notices {
    /// Takes a diagnostic about a member of `target`, or about a target as a whole.
    pub(super) fn diagnostic(
        &mut self,
        profile: Profile,
        diagnostic: &Diagnostic,
        target: Option<usize>,
        artifacts: &mut Artifacts,
    ) {
        let failed = diagnostic.code == Code::TargetFailed && diagnostic.level == Level::Error;
        self.failed |= failed;
        // An error would say that the run as a whole has failed.
        let level = match diagnostic.level {
            Level::Error if failed => "error",
            Level::Error | Level::Warning => "warning",
            Level::Note => "note",
        };
        let mut text = match diagnostic.member.as_str() {
            "" => diagnostic.message.clone(),
            member => format!("{member}: {}", diagnostic.message),
        };
        if let (Some(expected), Some(found)) = (&diagnostic.expected, &diagnostic.found) {
            text = format!("{text} (expected {expected}, found {found})");
        }
        let artifact = match target {
            Some(target) => artifacts.member(target, &diagnostic.member),
            None => artifacts.target(&diagnostic.member),
        };
        let properties = bag([
            ("level", serde_json::to_value(diagnostic.level).unwrap_or_default()),
            ("offset", number(diagnostic.offset)),
        ]);
        let kind = (diagnostic.code.name(), diagnostic.code.meaning());
        let mut notification = self.notification(kind, level, &text);
        notification.locations = locations(profile, artifact, artifacts);
        notification.properties = Some(properties);
        self.add(notification);
    }

    /// Takes the ledger of a checkpoint.
    pub(super) fn coverage(
        &mut self,
        profile: Profile,
        record: &CoverageRecord,
        current: &Current,
        artifacts: &Artifacts,
    ) {
        let coverage = &record.coverage;
        let reasons: BTreeMap<String, u64> =
            coverage.skipped.iter().map(|(reason, bytes)| (word(*reason), *bytes)).collect();
        let is_gap = coverage.skipped.iter().any(|(reason, bytes)| reason.is_gap() && *bytes > 0);
        let skipped: Vec<String> =
            reasons.iter().map(|(reason, bytes)| format!("{reason} {bytes}")).collect();
        let mut text = format!(
            "{}: {} of {} bytes scanned, and {} that decoding made",
            record.checkpoint, coverage.scanned, coverage.total, coverage.decoded
        );
        if !skipped.is_empty() {
            text = format!("{text}; skipped: {}", skipped.join(", "));
        }
        for note in &record.notes {
            text = format!("{text}. {note}");
        }
        let level = if is_gap { "warning" } else { "note" };
        let mut notification = self.notification(COVERAGE, level, &text);
        notification.locations = locations(profile, current.target, artifacts);
        let named = reasons.into_iter().map(|(reason, bytes)| (reason, number(bytes)));
        notification.properties = Some(bag([
            ("checkpoint", Value::from(record.checkpoint.clone())),
            ("total", number(coverage.total)),
            ("scanned", number(coverage.scanned)),
            ("skipped", Value::Object(named.collect())),
            ("decoded", number(coverage.decoded)),
        ]));
        self.add(notification);
    }

    /// Says that results were left out.
    pub(super) fn left_out(&mut self, text: &str) {
        let notification = self.notification(OMITTED, "warning", text);
        self.all.push(notification);
    }

    /// What the run was.
    pub(super) fn invocation(&mut self, summary: Option<&Summary>) -> Invocation {
        if self.more > 0 {
            let text = format!("{} more notifications are left out", self.more);
            self.left_out(&text);
            self.more = 0;
        }
        let mut invocation = Invocation::builder().execution_successful(!self.failed).build();
        invocation.tool_execution_notifications = Some(std::mem::take(&mut self.all));
        if let Some(summary) = summary {
            invocation.exit_code = Some(i64::from(summary.exit));
            let verdict = match summary.verdict {
                Verdict::Clean => "scanned whole, nothing found",
                Verdict::Findings if summary.complete => "something was found",
                Verdict::Findings => "something was found, and not everything could be scanned",
                Verdict::Incomplete => "nothing was found in what could be scanned",
            };
            invocation.exit_code_description = Some(verdict.to_owned());
        }
        invocation
    }

    /// The kinds of notification that there are, in the order they came.
    pub(super) fn table(&self) -> Vec<ReportingDescriptor> {
        let descriptor = |(id, meaning): &Kind| ReportingDescriptor {
            name: Some(pascal(id)),
            short_description: Some(described((*meaning).to_owned())),
            ..descriptor((*id).to_owned())
        };
        self.kinds.iter().map(descriptor).collect()
    }

    fn notification(&mut self, kind: Kind, level: &str, text: &str) -> Notification {
        let at = self.kinds.iter().position(|known| *known == kind).unwrap_or_else(|| {
            self.kinds.push(kind);
            self.kinds.len().saturating_sub(1)
        });
        let mut notification = Notification::builder().message(message(clean(text, 2000))).build();
        notification.descriptor = Some(reference(kind.0, at));
        notification.level = Some(Value::from(level));
        notification
    }

    fn add(&mut self, notification: Notification) {
        if self.all.len() < KEPT {
            self.all.push(notification);
        } else {
            self.more = self.more.saturating_add(1);
        }
    }
}

/// Only the full profile has a table of artifacts.
fn locations(profile: Profile, artifact: usize, artifacts: &Artifacts) -> Option<Vec<Location>> {
    let location = || Location {
        physical_location: Some(PhysicalLocation {
            artifact_location: Some(artifacts.location(artifact)),
            ..PhysicalLocation::default()
        }),
        ..Location::default()
    };
    (profile == Profile::Full).then(|| vec![location()])
}

fn word(reason: Reason) -> String {
    let word = serde_json::to_value(reason).unwrap_or_default();
    word.as_str().unwrap_or_default().to_owned()
}
