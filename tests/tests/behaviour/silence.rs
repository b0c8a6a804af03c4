//! No report and no error shows a secret, in whatever encoding it lies in the checkpoint.
#![expect(clippy::unwrap_used, reason = "a test that cannot run fails")]

use std::io::Write;
use std::path::Path;

use cryoscan::report::{FORMATS, Record, Style};
use cryoscan::scan::{self, Progress, Settings, Target};
use cryoscan_tests::fixtures::{self, Fixture, Planted};
use cryoscan_tests::random::Random;
use cryoscan_tests::samples;
use cryoscan_tests::scanned::{Files, Sink};
use data_encoding::{BASE64, BASE64URL, HEXLOWER, HEXUPPER};

#[path = "silence/commands.rs"]
mod commands;

/// Fewest bytes of a needle: shorter ones occur in any text.
const NEEDLE_MIN: usize = 8;

/// The reports of a scan in every format, for people also with all details, and its errors.
fn reports(target: &Path, settings: &Settings) -> String {
    let out = Sink::default();
    let styles = [false, true].map(|verbose| Style { verbose, ..Style::default() });
    let formats = FORMATS.iter().flat_map(|format| styles.map(|style| (format, style)));
    let boxed = || Box::new(out.clone());
    let mut writers: Vec<_> =
        formats.map(|(format, style)| (format.make)(boxed(), &style)).collect();
    let targets = [Target::Path(target.to_owned())];
    let mut emit = |record: Record| writers.iter_mut().try_for_each(|it| it.record(&record));
    let outcome = scan::scan(&targets, settings, &Progress::default(), &mut emit).unwrap();
    for writer in &mut writers {
        writer.finish().unwrap();
    }
    for (target, error) in &outcome.failed {
        writeln!(out.clone(), "{target}: {error}\n{error:?}").unwrap();
    }
    writeln!(out.clone(), "{outcome:?}").unwrap();
    drop(writers);
    String::from_utf8_lossy(&out.bytes()).into_owned()
}

/// What of a value must not be seen: itself, and what its encodings have in common wherever it
/// stands in the encoded text.
fn needles(value: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let mut needles = vec![
        ("plain", value.to_vec()),
        ("utf-16le", value.iter().flat_map(|byte| [*byte, 0]).collect()),
        ("utf-16be", value.iter().flat_map(|byte| [0, *byte]).collect()),
        ("hex", HEXLOWER.encode(value).into_bytes()),
        ("hex", HEXUPPER.encode(value).into_bytes()),
        ("escaped", value.escape_ascii().to_string().into_bytes()),
        // The text of a line of an armoured key.
        ("line", value.split(|byte| *byte == b'\n').nth(1).unwrap_or_default().to_vec()),
    ];
    for phase in 0..3 {
        let shifted = [vec![0; phase], value.to_vec()].concat();
        let whole = shifted.len() / 3 * 3;
        // The first group has bits of what stands before, the last one of what follows.
        let from = if phase == 0 { 0 } else { 4 };
        for encoding in [&BASE64, &BASE64URL] {
            let text = encoding.encode(&shifted[..whole]).into_bytes();
            needles.push(("base64", text.get(from..).unwrap_or_default().to_vec()));
        }
    }
    needles.retain(|(_, needle)| needle.len() >= NEEDLE_MIN);
    needles
}

/// Signs of compromise are no secrets: a report has to show them.
fn is_secret(planted: &Planted) -> bool {
    !planted.kind.starts_with("ioc-")
}

fn assert_silent(report: impl AsRef<[u8]>, fixture: &Fixture, what: &str) {
    for planted in fixture.truth.values.iter().filter(|planted| is_secret(planted)) {
        let mut values = vec![planted.bytes().unwrap()];
        values.extend(planted.clear.iter().map(|clear| clear.clone().into_bytes()));
        values.extend(planted.alternatives.iter().map(|text| text.clone().into_bytes()));
        for (encoding, needle) in values.iter().flat_map(|value| needles(value)) {
            let found = memchr::memmem::find(report.as_ref(), &needle);
            assert!(found.is_none(), "{what}: {} is shown in {encoding}", planted.id);
        }
    }
}

#[test]
fn no_report_shows_a_planted_value() {
    let grep = ["[0-9A-Za-z_]{20,60}", "password.{0,40}", "eyJ[0-9A-Za-z_.-]+"].map(str::to_owned);
    for fixture in fixtures::load(&fixtures::folder()).unwrap() {
        let name = &fixture.truth.name;
        let plain = reports(&fixture.archive, &Settings { threads: 2, ..Settings::default() });
        assert!(plain.contains(r#"{"type":"finding""#), "{name}");
        assert_silent(&plain, &fixture, name);
        let settings = Settings { threads: 2, grep: grep.to_vec(), ..Settings::default() };
        let searched = reports(&fixture.archive, &settings);
        assert!(searched.contains(r#""class":"grep""#), "{name}");
        assert_silent(&searched, &fixture, &format!("{name} with patterns"));
    }
}

#[test]
fn a_report_that_shows_secrets_is_caught() {
    // Otherwise the tests here would prove nothing.
    let fixtures = fixtures::load(&fixtures::folder()).unwrap();
    let fixture = fixtures.iter().find(|fixture| fixture.truth.name == "runc").unwrap();
    let settings = Settings { show_secrets: true, ..Settings::default() };
    let report = reports(&fixture.archive, &settings);
    let caught = std::panic::catch_unwind(|| assert_silent(&report, fixture, "runc"));
    assert!(caught.is_err());
}

#[test]
fn no_error_shows_what_it_is_about() {
    let fixtures = fixtures::load(&fixtures::folder()).unwrap();
    let mut random = Random::new(1);
    let mut told = 0;
    let files = Files::new();
    for fixture in fixtures.iter().filter(|fixture| fixture.truth.name != "containerd-ctr") {
        let name = &fixture.truth.name;
        let tar = zstd::decode_all(std::fs::File::open(&fixture.archive).unwrap()).unwrap();
        let mut damaged = tar.clone();
        for block in damaged.chunks_mut(4096) {
            block[random.below(block.len())] ^= 1 << random.below(8);
        }
        for (what, bytes) in [("truncated", &tar[..tar.len() / 2 + 100]), ("damaged", &damaged)] {
            let report = reports(&files.add("target", bytes), &Settings::default());
            told += usize::from(report.contains(r#""level":"error""#));
            assert_silent(&report, fixture, &format!("{name} {what}"));
        }
    }
    assert!(told > 20, "{told} reports tell of an error");
}

#[test]
fn no_error_of_metadata_quotes_them() {
    // Where JSON stops making sense, a secret may stand; where a number should be, too.
    let sample = samples::small();
    let secret = &sample.sown[0].value;
    for text in [
        format!("{{\"id\": {secret}}}"),
        format!("{{\"id\": \"{secret}\n\"}}"),
        format!("{{\"process\": \"{secret}\"}}"),
        format!("{{\"process\": {{\"env\": {{\"{secret}\": 1}}}}}}"),
        format!("\"{secret}\""),
    ] {
        for name in ["config.dump", "spec.dump", "status.dump"] {
            let archive = sample.archive.clone().member(name, text.clone());
            let files = Files::new();
            let report = reports(&files.add("target", &archive.tar()), &Settings::default());
            for (encoding, needle) in needles(secret.as_bytes()) {
                let found = memchr::memmem::find(report.as_bytes(), &needle);
                assert!(found.is_none(), "{name}: {text:?} is shown in {encoding}");
            }
        }
    }
}
