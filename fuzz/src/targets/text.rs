//! What a report shows of a target: nothing in a name may move a cursor or break a format.

use std::io::Write;

use cryoscan::report::{FORMATS, Record, SeverityCounts, Style, Summary, Verdict, escape};
use cryoscan_tests::builder::{Archive, Checkpoint, Kind, Mapping, Process, Producer};
use cryoscan_tests::random::Random;
use cryoscan_tests::scanned::Sink;
use cryoscan_tests::values;
use serde_json::{Value, json};

use crate::Target;
use crate::files::name_of;
use crate::scanning::{Scanned, pipe, settings};

pub(crate) const TARGET: Target = Target {
    name: "text",
    about: "every format, with names and texts of the target's own choice",
    run,
    seeds,
    rounds: 250,
};

const AT: u64 = 0x5555_0000_0000;

/// Texts, each ended by a NUL, take their turns wherever a target can put one.
fn run(data: &[u8]) {
    let data = data.get(..data.len().min(4096)).unwrap_or_default();
    let texts: Vec<String> = data
        .split(|byte| *byte == 0)
        .map(|text| String::from_utf8_lossy(text).into_owned())
        .collect();
    for text in &texts {
        harmless(&escape(text), "escape");
    }
    let text = |index: usize| texts[index % texts.len()].as_str();
    let mut random = Random::new(1);
    let token = values::github_token(&mut random);
    let inside = values::npm_token(&mut random);
    let heap = Mapping::zero(AT, 0x2000).put(AT + 8, &token).kind(Kind::File(text(0).to_owned()));
    let process = Process::new(1, text(1))
        .argv(&[text(2), "--password", text(3)])
        .environ(&[&format!("{}={token}", text(4))])
        .exe(text(5))
        .map(heap)
        .open(3, text(6));
    let config = json!({
        "id": text(7), "name": text(8), "rootfsImageName": text(9),
        "checkpointedTime": text(10), "ociRuntimeName": text(11),
    });
    let annotations = json!({
        "io.kubernetes.pod.name": text(2), "io.kubernetes.pod.namespace": text(3),
        "io.kubernetes.container.name": text(4), (text(5)): text(6),
    });
    let spec = json!({"ociVersion": "1", "hostname": text(7), "annotations": annotations});
    let mut archive = Archive::of(Producer::Runc, &Checkpoint::new().process(process))
        .member("config.dump", config.to_string())
        .member("spec.dump", spec.to_string());
    for index in [0, 1, 2] {
        let name = format!("d/{}", name_of(text(index).as_bytes()));
        archive = archive.rootfs_diff(&[(&name, inside.as_bytes())], false);
    }
    let scanned = pipe(&archive.tar(), &settings());
    scanned.check();
    written(&scanned);
}

/// Writes every format, and reads again what is JSON.
fn written(scanned: &Scanned) {
    let mut findings = SeverityCounts::default();
    for ((severity, _), count) in &scanned.outcome.findings {
        findings.add(*severity, *count);
    }
    let summary = Record::Summary(Summary {
        verdict: Verdict::Findings,
        findings,
        checkpoints: scanned.outcome.checkpoints,
        complete: scanned.outcome.complete,
        exit: 0,
        measured: None,
    });
    for format in FORMATS {
        for verbose in [false, true] {
            let sink = Sink::default();
            let style = Style { verbose, ..Style::default() };
            let mut report = (format.make)(Box::new(sink.clone()), &style);
            for record in scanned.records.iter().chain([&summary]) {
                report.record(record).expect("writing to memory");
            }
            report.finish().expect("writing to memory");
            drop(report);
            let text = String::from_utf8(sink.bytes()).expect("UTF-8");
            match format.name {
                "text" => harmless(&text, format.name),
                "jsonl" => {
                    let read = cryoscan::cli::count_reports(&mut text.as_bytes());
                    assert_eq!(read.expect("a gate reads what was written"), 1);
                }
                _ => drop(serde_json::from_str::<Value>(&text).expect("JSON")),
            }
        }
    }
}

/// No byte below a blank but line feed and tab, no C1, nothing that changes direction or hides.
fn harmless(text: &str, what: &str) {
    for char in text.chars() {
        let code = u32::from(char);
        let bad = (code < 0x20 && !matches!(char, '\n' | '\t'))
            || (0x7f..=0x9f).contains(&code)
            || matches!(code, 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0x61c | 0xfeff)
            || (0xe0000..=0xe007f).contains(&code);
        assert!(!bad, "{what}: U+{code:04X}");
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = vec![
        b"plain\0/usr/bin/app\0--password\0web".to_vec(),
        b"\x1b[31mred\x1b]0;title\x07\0\r\nnext\0\x9b2J\0\xc2\x9b2J".to_vec(),
        "\u{202e}gpj.exe\0\u{2066}\u{200f}\u{feff}\u{e0041}".as_bytes().to_vec(),
        b"::error::no\0##vso[task]\0<script>&amp;\0\"quoted\"\\".to_vec(),
        "näme\0名前\0\u{1f600}\0a|b\0`c`\0%0A".as_bytes().to_vec(),
    ];
    let mut long = Vec::new();
    long.write_all(&b"x".repeat(3000)).expect("writing to memory");
    seeds.push(long);
    seeds
}
