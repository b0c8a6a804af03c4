//! The record sets that every format is tested on.

use std::collections::BTreeMap;

use super::record::{
    CheckpointRecord, Container, CoverageRecord, DiagnosticRecord, Measured, Pod, Record, Rules,
    Run, SCHEMA, SeverityCounts, Summary, Tool, Verdict,
};
use crate::check::{Confidence, Outcome, Severity};
use crate::coverage::{Coverage, Reason};
use crate::diagnostic::{Code, Diagnostic, Level};
use crate::finding::{
    Address, Class, Evidence, Excerpt, Finding, Indicator, PipeEnd, Place, RuleName, Vma,
};
use crate::region::RegionKind;

/// Two checkpoints with findings, gaps and diagnostics.
pub(crate) fn findings() -> Vec<Record> {
    let ledger = Coverage {
        total: 1_288_490_188,
        scanned: 1_000_000_000,
        skipped: BTreeMap::from([
            (Reason::ZeroPage, 180_000_000),
            (Reason::ParentMissing, 104_857_600),
            (Reason::NotContent, 3_632_588),
        ]),
        decoded: 4096,
    };
    let missing =
        Diagnostic::new(Level::Error, Code::ParentMissing, "checkpoint/pagemap-15.img", "skipped")
            .at(24);
    let cut = Diagnostic::new(
        Level::Error,
        Code::ImageTruncated,
        "checkpoint/files.img",
        "record cut short; the ones before it were used",
    )
    .at(8192)
    .expected("4096 bytes", "17 bytes");
    vec![
        run(&["jenkins.tar", "web.tar.zst"]),
        checkpoint(1, "jenkins.tar", "jenkins"),
        Record::Finding(token()),
        Record::Finding(password()),
        Record::Finding(grep()),
        diagnostic("c1", missing.clone()),
        diagnostic("c1", missing.at(48)),
        diagnostic("c1", cut),
        coverage("c1", ledger),
        checkpoint(2, "web.tar.zst", "web"),
        Record::Finding(address()),
        coverage("c2", whole(52_428_800)),
        Record::Summary(Summary {
            verdict: Verdict::Findings,
            findings: SeverityCounts { critical: 1, high: 1, medium: 1, low: 0, info: 1 },
            checkpoints: 2,
            complete: false,
            exit: 1,
            measured: Some(Measured {
                seconds: 1.25,
                peak_memory_bytes: 70_000_000,
                scanned_bytes: 1_052_428_800,
                kernel: "avx2",
            }),
        }),
    ]
}

/// One checkpoint, scanned whole, in which nothing was found.
pub(crate) fn clean() -> Vec<Record> {
    vec![
        run(&["web.tar.zst"]),
        checkpoint(1, "web.tar.zst", "web"),
        coverage("c1", whole(52_428_800)),
        summary(Verdict::Clean, SeverityCounts::default(), 0),
    ]
}

/// An encrypted checkpoint and a target that is none.
pub(crate) fn incomplete() -> Vec<Record> {
    let mut ledger = whole(1 << 20);
    ledger.skip(Reason::Encrypted, 1 << 30);
    ledger.total += 1 << 30;
    let encrypted =
        Diagnostic::new(Level::Error, Code::Encrypted, "checkpoint/cipher.img", "pages skipped");
    let failed = Diagnostic::new(Level::Error, Code::TargetFailed, "notes.txt", "not a checkpoint");
    vec![
        run(&["sealed.tar", "notes.txt"]),
        checkpoint(1, "sealed.tar", "sealed"),
        diagnostic("c1", encrypted),
        coverage("c1", ledger),
        Record::Diagnostic(DiagnosticRecord { checkpoint: None, diagnostic: failed }),
        summary(Verdict::Incomplete, SeverityCounts::default(), 2),
    ]
}

/// More findings than a screen holds, in checkpoints of which there are too many too.
pub(crate) fn many() -> Vec<Record> {
    let mut records = vec![run(&["checkpoints"])];
    let mut counts = SeverityCounts::default();
    for number in 1..=20 {
        records.push(checkpoint(number, &format!("checkpoints/{number}.tar"), "job"));
        for (index, finding) in [password(), token(), grep()].into_iter().enumerate() {
            let id = format!("c{number}-{:04}", index + 1);
            let checkpoint = format!("c{number}");
            counts.add(finding.severity, 1);
            records.push(Record::Finding(Finding { id, checkpoint, ..finding }));
        }
        for code in Code::ALL {
            let checkpoint = format!("c{number}");
            let problem = Diagnostic::new(Level::Warning, *code, "checkpoint/mm-1.img", "odd");
            records.push(diagnostic(&checkpoint, problem));
        }
        records.push(coverage(&format!("c{number}"), whole(1 << 30)));
    }
    records.push(summary(Verdict::Findings, counts, 0));
    records
}

/// Names that an attacker chose.
pub(crate) fn hostile() -> Vec<Record> {
    let evil = "\u{1b}[2J\r\n::error::\u{202e}gpj";
    let mut finding = token();
    finding.title = format!("GitHub personal access token in {evil}");
    for place in &mut finding.places {
        place.comm = place.comm.as_ref().map(|_| evil.to_owned());
        place.path = place.path.as_ref().map(|_| evil.repeat(100));
    }
    let problem = Diagnostic::new(Level::Warning, Code::DuplicateMember, evil, evil);
    let counts = SeverityCounts { critical: 1, ..SeverityCounts::default() };
    vec![
        run(&[evil]),
        checkpoint(1, evil, evil),
        Record::Finding(finding),
        diagnostic("c1", problem.expected(evil, evil)),
        coverage("c1", whole(1 << 20)),
        summary(Verdict::Findings, counts, 0),
    ]
}

fn run(targets: &[&str]) -> Record {
    Record::Run(Run {
        schema: SCHEMA.to_owned(),
        tool: Tool { name: "cryoscan".to_owned(), version: "0.1.0".to_owned() },
        rules: Rules { count: 240, hash: "blake3:00".to_owned(), ..Rules::default() },
        targets: strings(targets),
    })
}

fn checkpoint(number: u32, target: &str, name: &str) -> Record {
    Record::Checkpoint(CheckpointRecord {
        checkpoint: format!("c{number}"),
        target: target.to_owned(),
        producer: "cri-o".to_owned(),
        compression: "none".to_owned(),
        container: Container {
            id: Some("3f0c".to_owned()),
            name: Some(name.to_owned()),
            image: Some(format!("registry.example/{name}:2")),
            image_id: None,
            runtime: Some("runc".to_owned()),
            engine_version: None,
        },
        pod: (number == 1).then(|| Pod {
            name: Some(format!("{name}-0")),
            namespace: Some("prod".to_owned()),
            uid: None,
            id: None,
        }),
        host: Some("node-1".to_owned()),
        created: None,
        checkpointed: Some("2026-11-20T21:00:09Z".to_owned()),
        criu: Some("4.1".to_owned()),
        processes: 3,
        memory_bytes: 1_200_000_000,
        files: 17,
    })
}

/// A token on two heaps and in a file, proven.
fn token() -> Finding {
    let mut in_file = place(RegionKind::File, 40);
    in_file.path = Some("rootfs-diff.tar!root/.netrc".to_owned());
    in_file.offset = Some(37);
    in_file.line = Some(2);
    in_file.column = Some(18);
    Finding {
        count: 17,
        processes: 3,
        files: 1,
        places: vec![in_memory(15, "java"), in_memory(22, "git"), in_file],
        places_omitted: 14,
        evidence: vec![evidence("github-crc32", Outcome::Pass)],
        attributes: BTreeMap::from([("token.kind".to_owned(), "personal".to_owned())]),
        ..finding(
            "c1-0001",
            Severity::Critical,
            Confidence::Confirmed,
            ["github-pat-classic", "GitHub personal access token", "github"],
            "GitHub personal access token in java (15)",
        )
    }
}

/// A password in an environment.
fn password() -> Finding {
    let mut in_environ = in_memory(15, "java");
    in_environ.region = RegionKind::Environ;
    in_environ.decoded = Vec::new();
    Finding {
        secret: Some(Excerpt {
            preview: "…".to_owned(), length: 9, value: None, value_b64: None
        }),
        evidence: vec![
            evidence("variable-name", Outcome::Pass),
            evidence("not-a-placeholder", Outcome::Unavailable),
        ],
        places: vec![in_environ],
        ..finding(
            "c1-0002",
            Severity::High,
            Confidence::High,
            ["password-variable", "Password in a variable", "generic"],
            "Password in DB_PASSWORD of java (15)",
        )
    }
}

/// The user's own pattern, in a pipe.
fn grep() -> Finding {
    let mut in_pipe = place(RegionKind::Pipe, 12);
    in_pipe.pid = Some(15);
    in_pipe.comm = Some("java".to_owned());
    (in_pipe.fd, in_pipe.end, in_pipe.object) = (Some(4), Some(PipeEnd::Read), Some(143_820));
    in_pipe.image = Some("checkpoint/pipes-data.img".to_owned());
    in_pipe.offset = Some(96);
    Finding {
        class: Class::Grep,
        secret: None,
        matched: Some(Excerpt {
            preview: "…".to_owned(),
            length: 12,
            value: Some("RANDOM_7_KEY".to_owned()),
            value_b64: None,
        }),
        places: vec![in_pipe],
        remediation: String::new(),
        cwe: Vec::new(),
        attack: Vec::new(),
        ..finding(
            "c1-0003",
            Severity::Info,
            Confidence::High,
            ["grep:0a1b2c3d", "RANDOM_\\d+_KEY", "grep"],
            "Text in pipe of java (15)",
        )
    }
}

/// An indicator in a second checkpoint.
fn address() -> Finding {
    Finding {
        checkpoint: "c2".to_owned(),
        class: Class::Indicator,
        secret: None,
        indicator: Some(Indicator { kind: "ipv4".to_owned(), value: "203.0.113.7".to_owned() }),
        places: vec![in_memory(1, "nginx")],
        remediation: "Find out what the process says to it.".to_owned(),
        ..finding(
            "c2-0001",
            Severity::Medium,
            Confidence::Medium,
            ["miner-pool", "Address of a mining pool", "miner"],
            "Address of a mining pool in nginx (1)",
        )
    }
}

fn finding(
    id: &str,
    severity: Severity,
    confidence: Confidence,
    [rule, name, family]: [&str; 3],
    title: &str,
) -> Finding {
    Finding {
        id: id.to_owned(),
        fingerprint: "v1:builtin:00".to_owned(),
        place_fingerprint: "v1:builtin:01".to_owned(),
        checkpoint: "c1".to_owned(),
        class: Class::Secret,
        rule: RuleName { id: rule.to_owned(), name: name.to_owned(), family: family.to_owned() },
        severity,
        confidence,
        title: title.to_owned(),
        secret: Some(Excerpt {
            preview: "ghp_…".to_owned(),
            length: 40,
            value: None,
            value_b64: None,
        }),
        matched: None,
        indicator: None,
        evidence: Vec::new(),
        attributes: BTreeMap::new(),
        count: 1,
        processes: 1,
        files: 0,
        places: Vec::new(),
        places_omitted: 0,
        remediation: "Revoke it where it was issued, then read the audit log for its use."
            .to_owned(),
        references: strings(&["https://example.com/revoke"]),
        cwe: strings(&["CWE-798"]),
        attack: strings(&["T1552.001"]),
        status: None,
        suppression: None,
    }
}

fn in_memory(pid: u32, comm: &str) -> Place {
    Place {
        pid: Some(pid),
        comm: Some(comm.to_owned()),
        address: Some(Address(0x7f21_a4b0_0010)),
        vma: Some(Vma {
            start: Address(0x7f21_a4b0_0000),
            end: Address(0x7f21_a4c0_0000),
            kind: "heap".into(),
            prot: "rw-p".to_owned(),
            path: None,
        }),
        image: Some("checkpoint/pages-1.img".to_owned()),
        offset: Some(123_456),
        decoded: vec!["utf-16le".into()],
        ..place(RegionKind::Memory, 80)
    }
}

fn place(region: RegionKind, length: u64) -> Place {
    Place {
        region,
        pid: None,
        comm: None,
        fd: None,
        end: None,
        object: None,
        socket: None,
        address: None,
        length,
        vma: None,
        path: None,
        container_path: None,
        image: None,
        offset: None,
        block_offset: None,
        line: None,
        column: None,
        decoded: Vec::new(),
        superseded: false,
    }
}

fn evidence(check: &'static str, result: Outcome) -> Evidence {
    Evidence { check: check.into(), result }
}

fn diagnostic(checkpoint: &str, diagnostic: Diagnostic) -> Record {
    Record::Diagnostic(DiagnosticRecord { checkpoint: Some(checkpoint.to_owned()), diagnostic })
}

fn whole(bytes: u64) -> Coverage {
    Coverage { total: bytes, scanned: bytes, ..Coverage::default() }
}

fn coverage(checkpoint: &str, coverage: Coverage) -> Record {
    let checkpoint = checkpoint.to_owned();
    Record::Coverage(CoverageRecord { checkpoint, coverage, notes: Vec::new() })
}

fn summary(verdict: Verdict, findings: SeverityCounts, exit: u8) -> Record {
    let complete = verdict != Verdict::Incomplete;
    Record::Summary(Summary { verdict, findings, checkpoints: 1, complete, exit, measured: None })
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}
