//! What a run ends with.

use clap::Args;
use clap::builder::BoolishValueParser;

use super::value::gate;
use crate::check::{Confidence, Severity};
use crate::scan::{Outcome, ScanError};

/// The exit codes. Where more than one holds, the first of 2, 1, 3, 0 counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    /// Scanned whole, and the gate passed.
    Passed,
    /// The gate failed.
    GateFailed,
    /// It could not run: usage, a target, a pattern, an output.
    CouldNotRun,
    /// The gate passed, but not everything was scanned.
    Incomplete,
}

/// How `--help` explains them.
pub(super) const HELP: &str = "\
Exit codes:
  0  everything was scanned and the gate passed; without --fail-on findings do not fail a run
  1  the gate failed: findings at or above --fail-on (another number: --findings-exit-code)
  2  it could not run: usage, a target that cannot be read or is no checkpoint, an output
  3  the gate passed, but not everything was scanned (--strict makes it 1, --allow-incomplete 0)";

/// Which findings fail a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gate {
    pub(super) severity: Severity,
    pub(super) confidence: Confidence,
}

impl Gate {
    /// Whether findings of that severity and confidence fail a run.
    pub(super) fn fails(self, severity: Severity, confidence: Confidence) -> bool {
        severity >= self.severity && confidence >= self.confidence
    }
}

// What to make of what was found. (No doc comment: clap would print it.)
#[derive(Debug, Clone, Copy, PartialEq, Eq, Args)]
pub(super) struct Policy {
    /// Exit with 1 if a finding has at least this severity and confidence (medium if not given)
    #[arg(
        long = "fail-on", value_name = "SEVERITY[:CONFIDENCE]", value_parser = gate,
        env = "CRYOSCAN_FAIL_ON", hide_env_values = true
    )]
    pub(super) gate: Option<Gate>,

    /// Exit with 1 instead of 3 if not everything was scanned
    #[arg(
        long, value_parser = BoolishValueParser::new(),
        env = "CRYOSCAN_STRICT", hide_env_values = true
    )]
    pub(super) strict: bool,

    /// Exit with 0 instead of 3 if not everything was scanned, unless --strict
    #[arg(
        long, value_parser = BoolishValueParser::new(),
        env = "CRYOSCAN_ALLOW_INCOMPLETE", hide_env_values = true
    )]
    pub(super) allow_incomplete: bool,

    /// The code to exit with instead of 1
    #[arg(
        long = "findings-exit-code",
        value_name = "N",
        default_value_t = 1,
        env = "CRYOSCAN_FINDINGS_EXIT_CODE",
        hide_env_values = true
    )]
    pub(super) findings_code: u8,
}

impl Policy {
    /// Judges a scan.
    pub(super) fn judge(self, outcome: &Outcome) -> Exit {
        let fails = |gate: Gate| {
            let mut counts = outcome.findings.iter();
            counts.any(|((severity, confidence), count)| {
                gate.fails(*severity, *confidence) && *count > 0
            })
        };
        // A folder without checkpoints is no fault where a scan may be incomplete: on a node it is
        // the usual case.
        let may_be_incomplete = self.allow_incomplete && !self.strict;
        let failed =
            |error: &ScanError| !(may_be_incomplete && matches!(error, ScanError::NoneInFolder(_)));
        if outcome.failed.iter().any(|(_, error)| failed(error)) {
            Exit::CouldNotRun
        } else if self.gate.is_some_and(fails) || (self.strict && !outcome.complete) {
            Exit::GateFailed
        } else if !outcome.complete && !self.allow_incomplete {
            Exit::Incomplete
        } else {
            Exit::Passed
        }
    }

    /// The number that the process ends with.
    pub(super) fn code(self, exit: Exit) -> u8 {
        match exit {
            Exit::Passed => 0,
            Exit::GateFailed => self.findings_code,
            Exit::CouldNotRun => 2,
            Exit::Incomplete => 3,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: Policy =
        Policy { gate: None, strict: false, allow_incomplete: false, findings_code: 1 };

    fn failing_on(severity: Severity, confidence: Confidence) -> Policy {
        Policy { gate: Some(Gate { severity, confidence }), ..POLICY }
    }

    fn found(severity: Severity, confidence: Confidence) -> Outcome {
        Outcome {
            findings: [((severity, confidence), 1)].into(),
            complete: true,
            ..Outcome::default()
        }
    }

    fn incomplete() -> Outcome {
        Outcome { complete: false, ..Outcome::default() }
    }

    #[test]
    fn findings_without_a_gate_do_not_fail() {
        let outcome = found(Severity::Critical, Confidence::Confirmed);
        assert_eq!(POLICY.judge(&outcome), Exit::Passed);
    }

    #[test]
    fn the_gate_takes_severity_and_confidence() {
        let policy = failing_on(Severity::High, Confidence::Medium);
        let cases = [
            (Severity::High, Confidence::Medium, Exit::GateFailed),
            (Severity::Critical, Confidence::Confirmed, Exit::GateFailed),
            (Severity::Medium, Confidence::Confirmed, Exit::Passed),
            (Severity::Critical, Confidence::Low, Exit::Passed),
        ];
        for (severity, confidence, expected) in cases {
            let outcome = found(severity, confidence);
            assert_eq!(policy.judge(&outcome), expected, "{severity:?} {confidence:?}");
        }
    }

    #[test]
    fn severity_and_confidence_must_meet_in_one_finding() {
        let mut outcome = found(Severity::Critical, Confidence::Low);
        outcome.findings.insert((Severity::Low, Confidence::Confirmed), 5);
        assert_eq!(failing_on(Severity::High, Confidence::High).judge(&outcome), Exit::Passed);
    }

    #[test]
    fn an_incomplete_scan_is_neither_passed_nor_failed() {
        assert_eq!(POLICY.judge(&incomplete()), Exit::Incomplete);
        let strict = Policy { strict: true, ..POLICY };
        assert_eq!(strict.judge(&incomplete()), Exit::GateFailed);
        let lenient = Policy { allow_incomplete: true, ..POLICY };
        assert_eq!(lenient.judge(&incomplete()), Exit::Passed);
    }

    #[test]
    fn a_folder_without_checkpoints_is_a_fault_unless_a_scan_may_be_incomplete() {
        let mut outcome = incomplete();
        outcome.failed.push(("checkpoints".to_owned(), ScanError::NoneInFolder("it is empty")));
        assert_eq!(POLICY.judge(&outcome), Exit::CouldNotRun);
        let lenient = Policy { allow_incomplete: true, ..POLICY };
        assert_eq!(lenient.judge(&outcome), Exit::Passed);
        assert_eq!(Policy { strict: true, ..lenient }.judge(&outcome), Exit::CouldNotRun);
        let other = ScanError::NotACheckpoint("a text".to_owned());
        outcome.failed.push(("notes.txt".to_owned(), other));
        assert_eq!(lenient.judge(&outcome), Exit::CouldNotRun);
    }

    #[test]
    fn precedence_is_2_1_3_0() {
        let policy = failing_on(Severity::Low, Confidence::Low);
        let mut outcome = Outcome { complete: false, ..found(Severity::High, Confidence::High) };
        assert_eq!(policy.judge(&outcome), Exit::GateFailed);
        let error = ScanError::NotACheckpoint("a text".to_owned());
        outcome.failed.push(("notes.txt".to_owned(), error));
        assert_eq!(policy.judge(&outcome), Exit::CouldNotRun);
        assert_eq!(Policy { strict: true, ..policy }.judge(&outcome), Exit::CouldNotRun);
    }

    #[test]
    fn codes_are_those_of_the_help_page() {
        for exit in [Exit::Passed, Exit::GateFailed, Exit::CouldNotRun, Exit::Incomplete] {
            assert!(HELP.contains(&format!("\n  {}  ", POLICY.code(exit))), "{exit:?}");
        }
        let policy = Policy { findings_code: 42, ..POLICY };
        assert_eq!(policy.code(Exit::GateFailed), 42);
        assert_eq!(policy.code(Exit::Incomplete), 3);
    }
}
