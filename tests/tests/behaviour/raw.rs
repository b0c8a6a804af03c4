//! What is no checkpoint: files of any kind as plain bytes, ELF cores by their addresses.
#![expect(clippy::unwrap_used, reason = "a test that cannot run fails")]

use std::path::Path;

use cryoscan::scan::{ScanError, Settings};
use cryoscan_tests::builder::Archive;
use cryoscan_tests::cores::{Core, Segment};
use cryoscan_tests::random::Random;
use cryoscan_tests::samples;
use cryoscan_tests::scanned::{Files, Scanned, address, revealing, scan, scan_pipe};
use cryoscan_tests::values;
use serde_json::Value;

const HEAP: u64 = 0x7f00_0000_0000;
const PAGE: usize = 4096;

fn raw() -> Settings {
    Settings { raw: true, ..revealing() }
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

/// Pages of noise with a value at an offset.
fn pages(count: usize, at: usize, value: &str) -> Vec<u8> {
    let mut random = Random::new(at as u64 + 1);
    let mut bytes = random.bytes(count * PAGE);
    bytes[at] = 0;
    bytes[at + 1..=at + value.len()].copy_from_slice(value.as_bytes());
    bytes[at + value.len() + 1] = 0;
    bytes
}

fn token(seed: u64) -> String {
    values::github_token(&mut Random::new(seed))
}

/// Scans bytes as a file of that name, and holds the report to what every report must hold.
fn scanned(name: &str, bytes: &[u8]) -> Scanned {
    let files = Files::new();
    let scanned = scan(&[&files.add(name, bytes)], &raw());
    assert_eq!(scanned.whole().faults(), Vec::<String>::new(), "{name}");
    scanned
}

fn producers(scanned: &Scanned) -> Vec<&str> {
    scanned.whole().of("checkpoint").filter_map(|it| it["producer"].as_str()).collect()
}

#[test]
fn what_is_no_checkpoint_is_an_error_that_says_how_to_scan_it() {
    let files = Files::new();
    let path = files.add("notes.txt", token(1).as_bytes());
    let refused = scan(&[&path], &revealing());
    let error = refused.whole().error.unwrap();
    assert!(matches!(error, ScanError::NotACheckpoint(_)));
    assert!(error.to_string().contains("--raw"), "{error}");
}

#[test]
fn text_has_lines_and_other_bytes_have_offsets() {
    let value = token(2);
    let text = format!("first line\nkey = {value}\n");
    let found = scanned("notes.txt", text.as_bytes());
    let place = &found.whole().places(value.as_bytes())[0];
    assert_eq!((&place["region"], &place["path"]), (&"file".into(), &"notes.txt".into()));
    assert_eq!((&place["line"], &place["column"]), (&2.into(), &7.into()));
    assert_eq!(producers(&found), ["raw"]);

    let found = scanned("dump.bin", &pages(3, 5000, &value));
    let place = &found.whole().places(value.as_bytes())[0];
    assert_eq!((&place["region"], &place["image"]), (&"raw-image".into(), &"dump.bin".into()));
    assert_eq!((&place["offset"], &place["path"]), (&5001.into(), &Value::Null));
    let record = found.whole().of("checkpoint").next().unwrap().clone();
    assert_eq!((&record["processes"], &record["files"]), (&0.into(), &1.into()));
    assert!(record["container"]["id"].is_null() && record["criu"].is_null());
    let coverage = found.whole().of("coverage").next().unwrap().clone();
    assert_eq!((&coverage["total"], &coverage["scanned"]), (&12288.into(), &12288.into()));
}

#[test]
fn standard_input_and_compressed_files_are_as_good() {
    let value = token(3);
    let dump = pages(40, 70_000, &value);
    for found in [
        scan_pipe(&dump, &raw()),
        scan_pipe(&zstd(&dump), &raw()),
        scanned("dump.zst", &zstd(&dump)),
    ] {
        let places = found.whole().places(value.as_bytes());
        assert_eq!((places.len(), &places[0]["offset"]), (1, &70_001.into()));
        assert!(found.outcome.complete);
    }
    assert_eq!(scan_pipe(b"", &raw()).whole().faults(), Vec::<String>::new());
}

#[test]
fn a_folder_is_one_target_and_its_archives_are_opened() {
    let files = Files::new();
    let [plain, packed, core] = [4, 5, 6].map(token);
    files.add("in/notes.txt", plain.as_bytes());
    let inner = Archive::default().member("etc/app.env", format!("KEY={packed}\n"));
    files.add("in/backup.tar.gz", &inner.gzip());
    files.add("in/cores/core.7", &Core::new(7, "app").map(HEAP, pages(1, 9, &core)).bytes());
    let checkpoint = files.add("in/checkpoint.tar", &samples::small().archive.tar());
    let folder = checkpoint.parent().unwrap();
    let found = scan(&[folder], &raw());
    let whole = found.whole();
    assert_eq!(whole.faults(), Vec::<String>::new());
    let name = folder.to_str().unwrap();
    let records: Vec<_> =
        whole.of("checkpoint").map(|it| (&it["target"], &it["producer"])).collect();
    let expected = [
        (name.to_owned(), "raw"),
        (format!("{name}!checkpoint.tar"), "podman"),
        (format!("{name}!cores/core.7"), "elf-core"),
    ];
    let expected: Vec<(Value, Value)> =
        expected.map(|(target, producer)| (target.into(), producer.into())).into();
    assert_eq!(records, expected.iter().map(|(a, b)| (a, b)).collect::<Vec<_>>());
    for sown in &samples::small().sown {
        assert!(whole.holds(&sown.value), "{sown:?}");
    }
    let place = |value: &str| whole.places(value.as_bytes())[0].clone();
    assert_eq!(place(&plain)["path"], "notes.txt");
    assert_eq!(place(&packed)["path"], "backup.tar.gz!etc/app.env");
    assert_eq!((&place(&core)["pid"], &place(&core)["image"]), (&7.into(), &"cores/core.7".into()));
    // Nothing to scan is no clean folder.
    let empty = Files::new();
    let empty = empty.add("empty/x", b"");
    std::fs::remove_file(&empty).unwrap();
    assert!(scan(&[empty.parent().unwrap()], &raw()).whole().error.is_some());
}

#[test]
fn a_checkpoint_is_scanned_as_one() {
    let files = Files::new();
    let path = files.add("checkpoint.tar", &samples::rich().archive.tar());
    assert_eq!(scan(&[&path], &raw()).lines, scan(&[&path], &revealing()).lines);
}

/// A core with a value in each kind of memory, and the values.
fn core() -> (Core, [String; 3]) {
    let [heap, data, cut] = [10, 11, 12].map(token);
    let (first, second) = cut.split_at(17);
    let before = pages(2, 2 * PAGE - 2 - first.len(), first);
    // The value goes on in the next segment.
    let before = [&before[1..before.len() - 1], &[0][..], &[0]].concat();
    let mut before = before;
    let at = before.len() - first.len();
    before[at..].copy_from_slice(first.as_bytes());
    let mut after = pages(1, 1000, "x");
    after[..second.len()].copy_from_slice(second.as_bytes());
    after[second.len()] = 0;
    let core = Core::new(4711, "worker")
        .segment(Segment { start: 0x40_0000, bytes: Vec::new(), len: 0x3000, flags: 5, lie: None })
        .map(0x60_0000, pages(2, 4500, &data))
        .file(0x40_0000, 0x40_3000, "/usr/bin/worker")
        .file(0x60_0000, 0x60_2000, "/usr/bin/worker")
        .map(HEAP, pages(300, 700_001, &heap))
        .map(HEAP + 0x1000_0000, before)
        .map(HEAP + 0x1000_0000 + 2 * PAGE as u64, after);
    (core, [heap, data, cut])
}

#[test]
fn a_core_has_a_process_addresses_and_mappings() {
    let (core, [heap, data, cut]) = core();
    let bytes = core.bytes();
    let found = scanned("core.4711", &bytes);
    let whole = found.whole();
    assert_eq!(producers(&found), ["elf-core"]);
    assert!(found.outcome.complete && whole.of("diagnostic").next().is_none());
    let place = |value: &str| {
        let places = whole.places(value.as_bytes());
        assert_eq!(places.len(), 1);
        places[0].clone()
    };
    let at = place(&heap);
    assert_eq!((&at["region"], &at["pid"]), (&"memory".into(), &4711.into()));
    assert_eq!((&at["comm"], address(&at["address"])), (&"worker".into(), Some(HEAP + 700_002)));
    assert_eq!((&at["vma"]["kind"], &at["vma"]["prot"]), (&"anonymous".into(), &"rw-p".into()));
    assert_eq!(at["image"], "core.4711");
    for value in [&heap, &data] {
        let offset = usize::try_from(place(value)["offset"].as_u64().unwrap()).unwrap();
        assert_eq!(&bytes[offset..offset + value.len()], value.as_bytes());
    }
    let at = place(&data);
    assert_eq!(
        (&at["vma"]["path"], &at["vma"]["kind"]),
        (&"/usr/bin/worker".into(), &"file".into())
    );
    // Half of it in each of two segments whose addresses touch.
    assert_eq!(address(&place(&cut)["address"]), Some(HEAP + 0x1000_0000 + 2 * PAGE as u64 - 17));
    let coverage = whole.of("coverage").next().unwrap();
    assert_eq!(coverage["total"], bytes.len());
    assert!(coverage["notes"][0].as_str().unwrap().starts_with("12288 bytes of mapped memory"));
}

/// The findings, without the name of the file.
fn findings(scanned: &Scanned, name: &str) -> Vec<String> {
    let all = scanned.lines.iter().filter(|line| line.starts_with(r#"{"type":"finding""#));
    all.map(|line| line.replace(name, "CORE")).collect()
}

#[test]
fn a_core_gives_the_same_however_it_comes() {
    for (core, _) in [core(), (core().0.notes_last(), core().1)] {
        let bytes = core.bytes();
        let whole = scanned("core", &bytes);
        assert!(findings(&whole, "\"core\"").len() >= 3);
        let expected = findings(&whole, "\"core\"");
        let packed = scanned("core.zst", &zstd(&bytes));
        assert_eq!(findings(&packed, "\"core.zst\""), expected);
        for piped in [scan_pipe(&bytes, &raw()), scan_pipe(&zstd(&bytes), &raw())] {
            assert_eq!(findings(&piped, "\"-\""), expected);
            assert_eq!(piped.whole().faults(), Vec::<String>::new());
        }
        let files = Files::new();
        let path = files.add("core", &bytes);
        for (threads, window) in [(1, 64 << 10), (4, 128 << 10)] {
            assert_eq!(
                scan(&[&path], &Settings { threads, window, ..raw() }).lines[1..],
                whole_of(&path)[..]
            );
        }
    }
}

fn whole_of(path: &Path) -> Vec<String> {
    scan(&[path], &raw()).lines[1..].to_vec()
}

#[test]
fn no_value_crosses_a_gap_between_segments() {
    let value = token(20);
    let (first, second) = value.split_at(20);
    let mut before = vec![0; PAGE];
    before[PAGE - first.len()..].copy_from_slice(first.as_bytes());
    let mut after = vec![0; PAGE];
    after[..second.len()].copy_from_slice(second.as_bytes());
    let core = |gap: u64| {
        let core = Core::new(1, "app").map(HEAP, before.clone());
        core.map(HEAP + PAGE as u64 + gap, after.clone()).bytes()
    };
    assert!(scanned("core", &core(0)).whole().holds(&value));
    assert!(!scanned("core", &core(PAGE as u64)).whole().holds(&value));
}

#[test]
fn cores_of_other_machines() {
    let value = token(21);
    let narrow = Core::new(33, "old").narrow().map(0x1000_0000, pages(1, 99, &value)).bytes();
    let found = scanned("core", &narrow);
    let place = &found.whole().places(value.as_bytes())[0];
    assert_eq!((&place["pid"], &place["comm"]), (&33.into(), &"old".into()));
    assert_eq!(address(&place["address"]), Some(0x1000_0064));
    let mut big = Core::new(1, "app").map(HEAP, pages(1, 99, &value)).bytes();
    big[5] = 2;
    big[16..18].copy_from_slice(&[0, 4]);
    let found = scanned("core", &big);
    assert_eq!(found.whole().places(value.as_bytes())[0]["region"], "raw-image");
    assert_eq!(found.whole().notes("core-unmapped").count(), 1);
    assert!(found.outcome.complete);
}

#[test]
fn hostile_headers_cost_addresses_and_no_bytes() {
    let value = token(22);
    let other = token(23);
    let liar = |segment: Segment| {
        let core = Core::new(1, "app").map(HEAP, pages(2, 6000, &value));
        core.segment(segment).map(HEAP + 0x100_0000, pages(1, 50, &other)).bytes()
    };
    let bytes = || pages(1, 77, "x");
    let segment = |start, lie| Segment { start, bytes: bytes(), len: 4096, flags: 6, lie };
    for (name, file) in [
        ("the same addresses again", liar(segment(HEAP + 0x1000, None))),
        ("addresses before", liar(segment(0x1000, None))),
        ("addresses that wrap", liar(segment(u64::MAX - 10, None))),
        ("bytes of another", liar(segment(HEAP + 0x2000, Some(300)))),
        ("bytes of the headers", liar(segment(HEAP + 0x2000, Some(0)))),
        ("offsets that wrap", liar(segment(HEAP + 0x2000, Some(u64::MAX - 10)))),
    ] {
        let found = scanned("core", &file);
        assert!(found.whole().holds(&value) && found.whole().holds(&other), "{name}");
        assert_eq!(found.whole().notes("core-unmapped").count(), 1, "{name}");
        assert_eq!(found.whole().of("coverage").next().unwrap()["total"], file.len(), "{name}");
        assert_eq!(scan_pipe(&file, &raw()).whole().faults(), Vec::<String>::new(), "{name}");
    }
    let beyond = liar(segment(HEAP + 0x200_0000, Some(1 << 40)));
    let found = scanned("core", &beyond);
    assert!(found.whole().holds(&value) && !found.outcome.complete);
    assert_eq!(found.whole().notes("core-truncated").count(), 1);
}

#[test]
fn a_core_that_is_cut_or_damaged_anywhere_keeps_its_ledger() {
    let (core, _) = core();
    let whole = core.bytes();
    for keep in [0, 15, 63, 64, 100, 120, 200, 400, 500, 700, 5000, 100_000, whole.len() - 1] {
        let cut = &whole[..keep];
        let found = scanned("core", cut);
        let piped = scan_pipe(cut, &raw());
        assert_eq!(piped.whole().faults(), Vec::<String>::new(), "{keep}");
        let total = |it: &Scanned| it.whole().of("coverage").next().unwrap()["total"].clone();
        assert_eq!(total(&piped), total(&found), "{keep}");
        assert_eq!(piped.outcome.complete, found.outcome.complete, "{keep}");
    }
    for at in [16, 18, 32, 39, 54, 56, 57, 64, 72, 79, 96, 103, 120, 128, 143] {
        let mut damaged = whole.clone();
        damaged[at] = 0xff;
        scanned("core", &damaged);
        assert_eq!(scan_pipe(&damaged, &raw()).whole().faults(), Vec::<String>::new(), "{at}");
    }
}
