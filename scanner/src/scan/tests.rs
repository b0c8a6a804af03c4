//! A fault of ours costs one window, and shows nothing of it.

use std::path::Path;
use std::sync::Mutex;

use super::prepared::fingerprint_key;
use super::*;
use crate::check::{Check, Subject, Verdict};
use crate::diagnostic::{Code, Level};

/// What the faulty check has seen.
static SEEN: Mutex<Vec<String>> = Mutex::new(Vec::new());

static FAULTY: Check = Check { name: "faulty", on_pass: Confidence::Low, run: faulty };

fn faulty(subject: &Subject<'_>) -> Verdict {
    let value = String::from_utf8_lossy(subject.value()).into_owned();
    SEEN.lock().unwrap().push(value.clone());
    panic!("a message that quotes {value} and {subject:?}");
}

#[test]
fn a_fault_is_a_diagnostic_that_quotes_nothing() {
    let mut rules = RuleSet::builtin().unwrap();
    let rule = rules.rules_mut().iter_mut().find(|rule| rule.id == "github-pat-classic").unwrap();
    rule.checks = vec![&FAULTY];
    let settings = Settings { threads: 2, ..Settings::default() };
    let (key, key_name) = fingerprint_key(&settings);
    let prepared = Prepared { engine: Engine::new(rules, key), key_name };
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/docker");
    let target = Target::Path(fixture.join("checkpoint.tar.zst"));
    let scanned = pool::run(
        &target,
        &BTreeSet::new(),
        &Lazy::ready(&settings, &prepared),
        &settings,
        &Progress::default(),
        &Parents::default(),
        &mut io::empty(),
    )
    .unwrap();

    let mut records = Vec::new();
    let mut outcome = Outcome { complete: true, ..Outcome::default() };
    let Prepared { engine, key_name } = &prepared;
    fold::fold(scanned, engine, key_name, &settings, &mut outcome, &mut |record| {
        records.push(record);
        Ok(())
    })
    .unwrap();

    let seen = SEEN.lock().unwrap();
    assert!(seen.iter().any(|value| value.len() == 40), "the check was never asked");
    assert!(!outcome.complete);
    let mut faults = Vec::new();
    for record in &records {
        if let Record::Diagnostic(it) = record
            && it.diagnostic.code == Code::Internal
        {
            faults.push(&it.diagnostic);
        }
    }
    assert!(!faults.is_empty());
    assert!(faults.iter().all(|it| it.level == Level::Error), "{faults:?}");
    // The rest was scanned, and the ledger still adds up.
    assert!(records.iter().any(|record| matches!(record, Record::Finding(_))));
    for record in &records {
        if let Record::Coverage(it) = record {
            let skipped: u64 = it.coverage.skipped.values().sum();
            assert_eq!(it.coverage.scanned + skipped, it.coverage.total);
        }
        let line = serde_json::to_string(record).unwrap() + &format!("{record:?}");
        assert!(seen.iter().all(|value| !line.contains(value.as_str())), "a value is shown");
    }
}
