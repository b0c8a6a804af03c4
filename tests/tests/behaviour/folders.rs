//! A folder of archives is scanned as if each of them had been named.
#![expect(clippy::unwrap_used, reason = "a test that cannot run fails")]

use std::fs;
use std::path::Path;

use cryoscan::scan::ScanError;
use cryoscan_tests::builder::Archive;
use cryoscan_tests::samples;
use cryoscan_tests::scanned::{Files, Scanned, revealing, scan};

fn archive() -> Archive {
    samples::small().archive
}

fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap()
}

/// Targets of the checkpoints, in the order of the report.
fn targets(scanned: &Scanned) -> Vec<&str> {
    scanned.whole().of("checkpoint").filter_map(|it| it["target"].as_str()).collect()
}

/// Code, level and member of the diagnostics that belong to no checkpoint.
fn notes(scanned: &Scanned) -> Vec<[&str; 3]> {
    let whole = scanned.whole();
    let alone = whole.of("diagnostic").filter(|note| note["checkpoint"].is_null());
    alone.map(|note| ["code", "level", "member"].map(|key| note[key].as_str().unwrap())).collect()
}

#[test]
fn every_archive_of_a_folder_gives_what_it_gives_alone() {
    let files = Files::new();
    let a = files.add("checkpoint-a_b-c-2026-11-21T02:34:15Z.tar", &archive().tar());
    let b = files.add("node-2/checkpoint.tar.gz", &archive().gzip());
    let c = files.add("z.tar.zst", &archive().zstd());
    let folder = scan(&[folder_of(&a)], &revealing());
    let named = scan(&[&a, &b, &c], &revealing());
    assert_eq!(targets(&folder), [&a, &b, &c].map(|path| path.to_str().unwrap()));
    // All but the first record, which holds the targets as the user named them.
    assert_eq!(folder.lines[1..], named.lines[1..]);
    assert!(folder.outcome.complete && folder.outcome.failed.is_empty());
    for sown in &samples::small().sown {
        assert!(folder.whole().holds(&sown.value), "{sown:?}");
    }
}

#[test]
fn what_is_no_checkpoint_is_told_and_costs_the_others_nothing() {
    let files = Files::new();
    let whole = files.add("m.tar", &archive().tar());
    let tar = archive().tar();
    let torso = files.add("a.tar", &tar[..700]);
    let other = Archive::default().member("readme.txt", "not a checkpoint");
    let other = files.add("b.tar", &other.tar());
    let text = files.add("notes.txt", b"no archive");
    let partial = files.add(".m.tar.part", &tar);
    files.add("m.tar.keep", b"");
    files.add("m.tar.keep.tmp", b"");
    std::os::unix::fs::symlink(&whole, whole.with_file_name("latest.tar")).unwrap();
    let scanned = scan(&[folder_of(&whole)], &revealing());
    assert_eq!(targets(&scanned), [whole.to_str().unwrap()]);
    assert_eq!(
        notes(&scanned),
        [
            ["left-out", "error", torso.to_str().unwrap()],
            ["left-out", "error", other.to_str().unwrap()],
            ["left-out", "warning", text.to_str().unwrap()],
            ["left-out", "note", partial.to_str().unwrap()],
        ]
    );
    assert!(!scanned.outcome.complete && scanned.outcome.failed.is_empty());
}

#[test]
fn diagnostics_of_a_folder_are_bounded_and_counted() {
    let files = Files::new();
    let whole = files.add("checkpoint.tar", &archive().tar());
    for number in 0..130 {
        files.add(&format!("{number:03}.txt"), b"no archive");
    }
    let scanned = scan(&[folder_of(&whole)], &revealing());
    let notes = notes(&scanned);
    assert_eq!(notes.len(), 101);
    assert!(notes[0][2].ends_with("/000.txt") && notes[99][2].ends_with("/099.txt"), "{notes:?}");
    assert!(scanned.lines.iter().any(|line| line.contains("30 more of these, 130 in all")));
}

#[test]
fn a_folder_without_checkpoints_is_a_failure_of_its_own_kind() {
    let files = Files::new();
    let keep = files.add("empty/gone.tar.keep", b"");
    let other = Archive::default().member("readme.txt", "not a checkpoint");
    let other = files.add("others/other.tar", &other.tar());
    for path in [keep, other] {
        let scanned = scan(&[folder_of(&path)], &revealing());
        let failed: Vec<_> = scanned.outcome.failed.iter().map(|(_, error)| error).collect();
        assert!(matches!(failed[..], [ScanError::NoneInFolder(_)]), "{failed:?}");
        assert!(!scanned.outcome.complete);
    }
}

#[test]
fn the_folder_of_a_checkpoint_stays_one_target() {
    // It holds archives as well: the changed files of the container.
    let unpacked = archive().folder();
    let scanned = scan(&[unpacked.path()], &revealing());
    assert!(fs::read_dir(unpacked.path()).unwrap().count() > 1);
    assert_eq!(targets(&scanned), [unpacked.path().to_str().unwrap()]);
    assert_eq!(scanned.whole().faults(), Vec::<String>::new());
}
