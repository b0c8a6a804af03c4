//! Against the schema, against the checks of the tests' own reader, and as snapshots.

use serde_json::Value;

use super::super::tests::written;
use super::super::{Format, Record, Style, sample};
use super::{FULL, GITHUB, GITLAB, SHOWN};
use crate::check::{Confidence, Severity};
use crate::finding::{Address, Class, Excerpt, Finding, Place};

/// The checks that stand in for the readers of other people; they know nothing of what writes.
#[path = "../../../../tests/src/sarif.rs"]
#[expect(unreachable_pub, reason = "public where it belongs, among the tests of the workspace")]
mod reader;

use reader::{Reader, faults};

const PROFILES: [(&Format, Reader); 3] =
    [(&FULL, Reader::Any), (&GITHUB, Reader::GitHub), (&GITLAB, Reader::GitLab)];

fn schema() -> jsonschema::Validator {
    let schema = include_str!("../../../../tests/schemas/sarif-schema-2.1.0.json");
    let schema = serde_json::from_str(schema).unwrap();
    jsonschema::options().should_validate_formats(true).build(&schema).unwrap()
}

fn log(format: &Format, records: &[Record]) -> Value {
    serde_json::from_str(&written(format, &Style::default(), records)).unwrap()
}

fn results(log: &Value) -> &[Value] {
    log["runs"][0]["results"].as_array().unwrap()
}

/// Records whose first finding is changed.
fn with(change: impl Fn(&mut Finding)) -> Vec<Record> {
    let mut records = sample::findings();
    for record in &mut records {
        if let Record::Finding(finding) = record {
            change(finding);
            break;
        }
    }
    records
}

#[test]
fn everything_that_is_known_of_findings_and_gaps() {
    insta::assert_snapshot!(written(&FULL, &Style::default(), &sample::findings()));
}

#[test]
fn what_github_reads() {
    insta::assert_snapshot!(written(&GITHUB, &Style::default(), &sample::findings()));
}

#[test]
fn what_gitlab_reads() {
    insta::assert_snapshot!(written(&GITLAB, &Style::default(), &sample::findings()));
}

#[test]
fn every_report_follows_the_schema_and_the_standard() {
    let schema = schema();
    let nothing_but_a_failed_target: Vec<Record> = sample::incomplete()
        .into_iter()
        .filter(|record| {
            !matches!(record, Record::Checkpoint(_) | Record::Coverage(_))
                && !matches!(record, Record::Diagnostic(it) if it.checkpoint.is_some())
        })
        .collect();
    let without_summary = sample::findings().split_last().unwrap().1.to_vec();
    let sets = [
        sample::findings(),
        sample::clean(),
        sample::incomplete(),
        sample::many(),
        sample::hostile(),
        nothing_but_a_failed_target,
        without_summary,
        with(|finding| finding.places.clear()),
        with(|finding| {
            // As of a rule of the user's own that says nothing.
            finding.secret = None;
            finding.remediation.clear();
            finding.references = vec!["no page".to_owned(), "https://x/ y".to_owned()];
            finding.cwe = vec!["798".to_owned(), "CWE-0x1".to_owned()];
            finding.rule.id = "a/b/c".to_owned();
            finding.rule.name = "{0} [a](b)".to_owned();
        }),
        Vec::new(),
    ];
    for records in &sets {
        for (format, reader) in PROFILES {
            let log = log(format, records);
            let wrong: Vec<String> = schema.iter_errors(&log).map(|it| it.to_string()).collect();
            assert_eq!(wrong, Vec::<String>::new(), "{}", format.name);
            let mut wrong = faults(&log, reader);
            if records.is_empty() {
                // Nobody has said who wrote it.
                wrong.retain(|fault| !fault.contains("ersion"));
            }
            assert_eq!(wrong, Vec::<String>::new(), "{}", format.name);
            let findings = records.iter().filter(|record| matches!(record, Record::Finding(_)));
            assert_eq!(results(&log).len(), findings.count(), "{}", format.name);
            // As serde-sarif reads it.
            let text = written(format, &Style::default(), records);
            let read: serde_sarif::sarif::Sarif = serde_json::from_str(&text).unwrap();
            assert_eq!(serde_json::to_value(&read).unwrap(), log, "{}", format.name);
        }
    }
}

#[test]
fn numbers_beyond_31_bits_are_strings() {
    let records = with(|finding| {
        finding.count = 1 << 31;
        let place = finding.places.first_mut().unwrap();
        place.address = Some(Address(0xffff_ffff_ff60_0010));
        place.offset = Some(1 << 40);
        let vma = place.vma.as_mut().unwrap();
        vma.start = Address(0x1000);
        vma.end = Address(u64::MAX);
        for place in &mut finding.places {
            place.line = place.line.map(|_| 1 << 33);
        }
    });
    for (format, reader) in PROFILES {
        let log = log(format, &records);
        assert_eq!(faults(&log, reader), Vec::<String>::new(), "{}", format.name);
        let result = &results(&log)[0];
        assert_eq!(result["occurrenceCount"], Value::Null);
        assert_eq!(result["properties"]["count"], "2147483648");
    }
    let log = log(&FULL, &records);
    let first = &results(&log)[0]["locations"][0];
    assert_eq!(first["properties"]["offset"], "1099511627776");
    assert_eq!(first["properties"]["address"], "0xffffffffff600010");
    assert_eq!(first["physicalLocation"]["region"], Value::Null);
}

#[test]
fn a_value_is_not_carried_even_where_the_record_has_it() {
    let shown = "RANDOM_7_KEY";
    let records = with(|finding| {
        let value = Some(shown.to_owned());
        let excerpt =
            Excerpt {
                preview: "…".to_owned(), length: 12, value: value.clone(), value_b64: value
            };
        finding.secret = Some(excerpt.clone());
        finding.matched = Some(excerpt);
    });
    for (format, _) in PROFILES {
        assert!(!written(format, &Style::default(), &records).contains(shown), "{}", format.name);
    }
    let plain = FULL.name; // The records do carry it, or this would prove nothing.
    assert!(serde_json::to_string(&records).unwrap().contains(shown), "{plain}");
}

#[test]
fn services_that_show_some_get_the_worst() {
    let mut records = sample::findings();
    let summary = records.pop().unwrap();
    let pattern = records.iter().find(|it| matches!(it, Record::Finding(_))).cloned();
    let Some(Record::Finding(pattern)) = pattern else { panic!("no finding") };
    records.retain(|record| !matches!(record, Record::Finding(_)));
    for number in 0..SHOWN + 7 {
        let place = u128::try_from(number).unwrap();
        let (severity, confidence) = if number < 7 {
            (Severity::Low, Confidence::Confirmed)
        } else {
            (Severity::High, Confidence::Low)
        };
        records.push(Record::Finding(Finding {
            id: format!("c1-{number}"),
            place_fingerprint: format!("v1:builtin:{:032x}", place << 80),
            severity,
            confidence,
            ..pattern.clone()
        }));
    }
    records.push(summary);
    for (format, reader) in PROFILES {
        let log = log(format, &records);
        assert_eq!(faults(&log, reader), Vec::<String>::new(), "{}", format.name);
        let kept = results(&log);
        let mild = kept.iter().filter(|result| result["level"] == "note").count();
        let notes = log["runs"][0]["invocations"][0]["toolExecutionNotifications"].as_array();
        let told = notes.unwrap().iter().filter(|note| note["descriptor"]["id"] == "omitted");
        if reader == Reader::Any {
            assert_eq!((kept.len(), mild, told.count()), (SHOWN + 7, 7, 0));
        } else {
            let told: Vec<&Value> = told.collect();
            assert_eq!((kept.len(), mild, told.len()), (SHOWN, 0, 1), "{}", format.name);
            assert!(told[0]["message"]["text"].as_str().unwrap().starts_with("7 results"));
        }
    }
}

#[test]
fn an_alert_of_github_outlives_pid_and_address() {
    let moved = |place: &mut Place| {
        place.pid = place.pid.map(|pid| pid + 1000);
        place.address = place.address.map(|at| Address(at.0 + 0x10_0000));
        place.offset = place.offset.map(|offset| offset + 4096);
        if let Some(vma) = &mut place.vma {
            (vma.start.0, vma.end.0) = (vma.start.0 + 0x10_0000, vma.end.0 + 0x10_0000);
        }
        place.image = place.image.as_ref().map(|_| "checkpoint/pages-9.img".to_owned());
    };
    let identity = |records: &[Record]| {
        let log = log(&GITHUB, records);
        let result = results(&log)[0].clone();
        let uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].clone();
        let hash = result["partialFingerprints"]["primaryLocationLineHash"].clone();
        (uri, hash)
    };
    let mut later = with(|finding| finding.places.iter_mut().for_each(moved));
    for record in &mut later {
        if let Record::Checkpoint(checkpoint) = record {
            checkpoint.checkpointed = Some("2026-11-21T21:00:09Z".to_owned());
        }
    }
    assert_eq!(identity(&sample::findings()), identity(&later));
    let other = with(|finding| finding.places[0].comm = Some("git".to_owned()));
    assert_ne!(identity(&sample::findings()).0, identity(&other).0);
}

#[test]
fn names_cannot_lead_out_of_their_path() {
    let records = with(|finding| {
        finding.places[0].comm = Some("..".to_owned());
        finding.places[2].path = Some("a.tar!x:y/\\xff \\u{202e}#?.txt".to_owned());
        finding.class = Class::Grep;
    });
    let log = log(&GITHUB, &records);
    let uri = &results(&log)[0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
    assert_eq!(uri, "checkpoints/prod/jenkins/jenkins/_/heap");
    let text = written(&FULL, &Style::default(), &records);
    assert!(text.contains(r#""x%3Ay/%FF%20%E2%80%AE%23%3F.txt""#), "{text}");
}
