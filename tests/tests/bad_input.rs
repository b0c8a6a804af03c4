//! Truncated, damaged and hostile input: nothing panics, what can be read is scanned, and what
//! cannot is told.
#![expect(clippy::unwrap_used, reason = "a test that cannot run fails")]

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use cryoscan::scan::Settings;
use cryoscan_tests::builder::{Archive, Checkpoint, Mapping, Order, Process, Producer, hostile};
use cryoscan_tests::random::Random;
use cryoscan_tests::samples::{self, HEAP, Sample, Sown};
use cryoscan_tests::scanned::{Files, Part, Scanned, revealing, scan, scan_bytes, scan_pipe};
use cryoscan_tests::values;
use serde_json::Value;

/// Scans many targets in one run, as building the rules takes longer than any of them, and holds
/// each report to what every report must hold.
fn scan_all(paths: &[PathBuf]) -> Scanned {
    let paths: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
    let scanned = scan(&paths, &revealing());
    for (path, part) in paths.iter().zip(scanned.parts(&paths)) {
        assert_eq!(part.faults(), Vec::<String>::new(), "{}", path.display());
    }
    let incomplete = scanned.parts(&paths).iter().any(Part::is_incomplete);
    assert_eq!(scanned.outcome.complete, !incomplete, "the outcome is that of the targets");
    scanned
}

fn each(paths: &[PathBuf], mut check: impl FnMut(usize, Part<'_>)) {
    let scanned = scan_all(paths);
    let borrowed: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
    for (index, part) in scanned.parts(&borrowed).into_iter().enumerate() {
        check(index, part);
    }
}

/// Scans one archive, and holds the report to what every report must hold.
fn scanned(bytes: &[u8]) -> Scanned {
    let scanned = scan_bytes(bytes, &revealing());
    assert_eq!(scanned.whole().faults(), Vec::<String>::new());
    assert_eq!(scanned.outcome.complete, !scanned.whole().is_incomplete());
    scanned
}

fn holds(part: Part<'_>, sown: &Sown) -> bool {
    part.finding(sown.value.as_bytes()).is_some()
}

fn contains(bytes: &[u8], value: &str) -> bool {
    bytes.windows(value.len()).any(|window| window == value.as_bytes())
}

/// The first bytes of what a compressed stream holds, as far as it goes.
fn unpacked(mut stream: impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 512];
    while let Ok(read @ 1..) = stream.read(&mut buffer) {
        bytes.extend(&buffer[..read]);
    }
    bytes
}

/// Every value whose bytes come before the cut is found, and what is cut is told.
fn assert_truncations(name: &str, sample: &Sample, whole: &[u8], plain: fn(&[u8]) -> Vec<u8>) {
    let files = Files::new();
    let lengths: Vec<usize> = (0..100).map(|percent| whole.len() * percent / 100).collect();
    let add = |length: &usize| files.add(&format!("{name}-{length}"), &whole[..*length]);
    let paths: Vec<PathBuf> = lengths.iter().map(add).collect();
    let end = plain(whole).iter().rposition(|byte| *byte != 0).unwrap();
    let mut found = 0;
    each(&paths, |index, part| {
        let left = plain(&whole[..lengths[index]]);
        let cut = format!("{name} cut at {}, {} bytes left", lengths[index], left.len());
        if left.len() <= end {
            // At a border of members nothing but the end mark is known to be missing: a warning.
            let told = part.is_incomplete() || part.notes("container-truncated").count() > 0;
            assert!(told, "{cut}: nothing is said to be missing");
        }
        for sown in sample.sown.iter().filter(|sown| contains(&left, &sown.value)) {
            assert!(holds(part, sown), "{cut}: {sown:?} is not found");
            found += 1;
        }
    });
    assert!(found >= 50, "{name}: {found} values");
}

#[test]
fn an_archive_that_ends_early_gives_what_it_still_holds() {
    let sample = samples::small();
    assert_truncations("tar", &sample, &sample.archive.tar(), <[u8]>::to_vec);
    let reversed = sample.archive.clone().order(Order::Reversed).tar();
    assert_truncations("reversed", &sample, &reversed, |bytes| {
        // Without the inventory and pagemaps at its end it is no checkpoint.
        if contains(bytes, "checkpoint/inventory.img") { bytes.to_vec() } else { Vec::new() }
    });
    let gzip = |bytes: &[u8]| unpacked(flate2::read::MultiGzDecoder::new(bytes));
    assert_truncations("gzip", &sample, &sample.archive.gzip(), gzip);
    // zstd gives nothing before the end of a block: 128 KiB, if there is as much.
    let noise = Random::new(40).bytes(400 << 10);
    let sample = Sample { archive: sample.archive.member("artifacts/noise", noise), ..sample };
    let zstd = |bytes: &[u8]| zstd::Decoder::new(bytes).map(unpacked).unwrap_or_default();
    assert_truncations("zstd", &sample, &sample.archive.zstd(), zstd);
}

#[test]
fn a_pipe_that_ends_early_gives_what_a_file_gives() {
    let sample = samples::small();
    let whole = sample.archive.tar();
    let mut told = 0;
    for percent in [1, 20, 40, 60, 80, 99] {
        let cut = &whole[..whole.len() * percent / 100];
        let (piped, stored) = (scan_pipe(cut, &revealing()), scanned(cut));
        assert_eq!(piped.whole().faults(), Vec::<String>::new());
        let of = |scanned: &Scanned, kind: &'static str| -> Vec<String> {
            scanned.whole().of(kind).map(ToString::to_string).collect()
        };
        for kind in ["finding", "diagnostic", "coverage"] {
            assert_eq!(of(&piped, kind), of(&stored, kind), "cut at {percent} %");
        }
        for note in stored.whole().notes("pages-truncated") {
            let lacking = |text: &Value| text.as_str().unwrap().replace(" bytes", "").parse();
            let lacking: [Result<u64, _>; 2] = [&note["expected"], &note["found"]].map(lacking);
            let [Ok(expected), Ok(found)] = lacking else { panic!("{note}") };
            assert!(stored.whole().skipped("unreadable") >= expected - found, "{note}");
            told += 1;
        }
    }
    assert!(told > 0);
}

#[test]
fn an_image_that_ends_early_costs_no_other_image() {
    let sample = samples::small();
    let files = Files::new();
    let (mut paths, mut cuts) = (Vec::new(), Vec::new());
    for (name, bytes) in sample.checkpoint.image_set() {
        for keep in [0, 3, 4, 9, bytes.len() / 2, bytes.len() - 1] {
            let cut = (name.clone(), keep, bytes.len());
            if keep >= bytes.len() || cuts.contains(&cut) {
                continue;
            }
            let checkpoint = sample.checkpoint.clone().truncated(&name, keep);
            let folder = format!("{name}-{keep}");
            for (image, bytes) in checkpoint.image_set() {
                files.add(&format!("{folder}/checkpoint/{image}"), &bytes);
            }
            paths.push(files.add(&format!("{folder}/ctr.log"), b"started"));
            paths.last_mut().unwrap().pop();
            cuts.push(cut);
        }
    }
    each(&paths, |index, part| {
        let (name, keep, length) = &cuts[index];
        let cut = format!("{name} cut at {keep} of {length}");
        let member = format!("checkpoint/{name}");
        let said = part
            .of("diagnostic")
            .any(|note| note["level"] != "note" && note["member"] == member.as_str());
        assert!(said, "{cut}: {:?}", part.of("diagnostic").collect::<Vec<_>>());
        for sown in &sample.sown {
            let [(pid, _), ..] = sown.memory[..] else { continue };
            let shared = sown.memory.iter().any(|(_, address)| *address >= samples::SHARED);
            let own = if shared { "shmem-9".to_owned() } else { pid.to_string() };
            let pages = if shared { 1 } else { pid + 1 };
            let touched =
                name == &format!("pagemap-{own}.img") || name == &format!("pages-{pages}.img");
            assert!(touched || holds(part, sown), "{cut}: {sown:?} is not found");
        }
    });
}

/// Flips bits of one image or of the archive around it: what other images hold is found.
#[test]
fn damaged_bytes_cost_no_more_than_what_they_explain() {
    let sample = samples::small();
    let images = sample.checkpoint.image_set();
    let mut random = Random::new(50);
    let files = Files::new();
    let (mut paths, mut damaged) = (Vec::new(), Vec::new());
    for case in 0..400 {
        let (name, bytes) = &images[random.below(images.len())];
        let mut bytes = bytes.clone();
        for _ in 0..=random.below(3) {
            // The first bytes of an image say what it is and how long its records are.
            let reach = if random.below(2) == 0 { bytes.len().min(32) } else { bytes.len() };
            let at = random.below(reach);
            bytes[at] ^= 1 << random.below(8);
        }
        let checkpoint = sample.checkpoint.clone().file(name, bytes);
        let archive = Archive::of(Producer::Podman, &checkpoint);
        let archive = archive.order([Order::AsWritten, Order::Reversed][case / 2 % 2]);
        let bytes = if case % 2 == 0 { archive.tar() } else { archive.gzip() };
        paths.push(files.add(&format!("{case}"), &bytes));
        damaged.push(name.clone());
    }
    each(&paths, |index, part| {
        let name = &damaged[index];
        let explains = ["pagemap-", "pages-", "mm-"].iter().any(|head| name.starts_with(head));
        for sown in sample.sown.iter().filter(|sown| !sown.memory.is_empty()) {
            // A damaged pagemap can name any pages, a damaged mm-1 any size of a page.
            assert!(explains || holds(part, sown), "{index}: {name}: {sown:?} is not found");
        }
    });
}

#[test]
fn damaged_archives_never_make_it_fall() {
    let sample = samples::small();
    let mut random = Random::new(60);
    let files = Files::new();
    let mut paths = Vec::new();
    let forms = [sample.archive.tar(), sample.archive.gzip(), sample.archive.zstd()];
    for case in 0..300 {
        let mut bytes = forms[case % forms.len()].clone();
        for _ in 0..=random.below(4) {
            let mut at = random.below(bytes.len());
            if case % forms.len() == 0 && random.below(2) == 0 {
                // A header of the tar.
                at = at / 512 * 512 + random.below(160);
            }
            let end = bytes.len() - 1;
            bytes[at.min(end)] = random.bytes(1)[0];
        }
        paths.push(files.add(&format!("{case}"), &bytes));
    }
    each(&paths, |_, _| ());
}

#[test]
fn noise_is_no_checkpoint_and_says_so() {
    let mut random = Random::new(70);
    let files = Files::new();
    let magic = [&[0x1f, 0x8b, 8][..], &[0x28, 0xb5, 0x2f, 0xfd], b"PK\x03\x04", b"\x7fELF", b"{"];
    let mut paths = vec![files.add("empty", b""), files.add("text", b"no checkpoint\n")];
    for (index, magic) in magic.iter().enumerate() {
        let noise = [magic, random.bytes(5000).as_slice()].concat();
        paths.push(files.add(&format!("noise-{index}"), &noise));
    }
    let other = Archive::default().member("readme.txt", "not a checkpoint");
    paths.extend([files.add("other.tar", &other.tar()), files.add("other.gz", &other.gzip())]);
    paths.push(files.add("folder/readme.txt", b"no checkpoint").with_file_name(""));
    paths.push(PathBuf::from("/nonexistent/checkpoint.tar"));
    each(&paths, |index, part| {
        assert!(part.error.is_some() && part.records.is_empty(), "{}", paths[index].display());
    });
}

/// One process with a token in its heap.
fn heap_with(token: &str) -> Process {
    Process::new(7, "java").map(Mapping::noise(HEAP, 0x3000, 1).put(HEAP + 0x1800, token))
}

#[test]
fn impossible_pagemap_entries_are_left_out_and_told() {
    let token = values::github_token(&mut Random::new(80));
    for entry in [
        hostile::huge_count(HEAP + 0x10_0000),
        hostile::huge_count(0),
        hostile::address_overflow(),
        hostile::overlapping(HEAP + 0x1000),
        hostile::unaligned(HEAP + 0x10_0000),
    ] {
        let checkpoint = Checkpoint::new().process(heap_with(&token));
        let checkpoint = checkpoint.pagemap_entry(7, entry.clone());
        let archive = Archive::of(Producer::Runc, &checkpoint);
        for bytes in [archive.tar(), archive.gzip()] {
            let scanned = scanned(&bytes);
            let part = scanned.whole();
            let told = part.notes("pagemap-inconsistent").chain(part.notes("pages-truncated"));
            let member = told.map(|note| note["member"].as_str().unwrap_or_default());
            assert!(member.count() > 0 && part.is_incomplete(), "{entry:?}");
            let places = part.places(token.as_bytes());
            assert_eq!(places.len(), 1, "{entry:?}");
            assert_eq!(places[0]["address"], format!("{:#x}", HEAP + 0x1800), "{entry:?}");
        }
    }
}

#[test]
fn a_missing_image_is_told_and_what_it_does_not_explain_is_found() {
    let sample = samples::small();
    for (name, code, is_found) in [
        ("pages-2.img", "pages-missing", false),
        ("pagemap-1.img", "pages-unowned", true),
        ("mm-1.img", "process-incomplete", true),
        ("core-1.img", "process-incomplete", true),
        ("pstree.img", "process-incomplete", true),
    ] {
        let archive = Archive::of(Producer::Podman, &sample.checkpoint.clone().without(name));
        for bytes in [archive.tar(), archive.gzip()] {
            let scanned = scanned(&bytes);
            let part = scanned.whole();
            assert!(part.notes(code).count() > 0, "{name}: {:?}", scanned.lines);
            for sown in sample.sown.iter().filter(|sown| !sown.memory.is_empty()) {
                let own = sown.memory[0].0 == 1;
                assert_eq!(holds(part, sown), is_found || !own, "without {name}: {sown:?}");
            }
        }
    }
    let missing = Archive::of(Producer::Podman, &sample.checkpoint.without("pages-2.img"));
    let scanned = scanned(&missing.tar());
    assert!(scanned.whole().skipped("unreadable") >= 0x3000 && !scanned.outcome.complete);
}

#[test]
fn pages_of_an_encrypted_set_are_no_text_and_never_called_clean() {
    let sample = samples::small();
    let checkpoint = sample.checkpoint.clone().encrypted();
    let archive = Archive::of(Producer::Podman, &checkpoint).member("ctr.log", "started\n");
    let token = values::npm_token(&mut Random::new(90));
    let archive = archive.rootfs_diff(&[("etc/npmrc", token.as_bytes())], false);
    let pages: usize = checkpoint
        .image_set()
        .iter()
        .filter(|(name, _)| name.starts_with("pages-"))
        .map(|(_, bytes)| bytes.len())
        .sum();
    for order in [Order::AsWritten, Order::Reversed] {
        let archive = archive.clone().order(order);
        for (form, bytes) in [("tar", archive.tar()), ("gzip", archive.gzip())] {
            let scanned = scanned(&bytes);
            let part = scanned.whole();
            let form = format!("{form}, {order:?}");
            assert!(part.finding(token.as_bytes()).is_some(), "{form}: files are scanned");
            assert!(sample.sown.iter().all(|sown| !holds(part, sown)), "{form}");
            assert_eq!(part.skipped("encrypted"), pages as u64, "{form}");
            assert!(part.notes("encrypted").all(|note| note["level"] == "error"), "{form}");
            assert!(!scanned.outcome.complete, "{form}");
        }
    }
}

#[test]
fn a_set_that_is_told_late_to_be_encrypted_is_not_called_clean() {
    // In a stream the pages may be gone by then: noise was searched, nothing can be in it.
    let sample = samples::small();
    let cipher = sample.checkpoint.clone().encrypted().image_set();
    let (_, cipher) = cipher.into_iter().find(|(name, _)| name == "cipher.img").unwrap();
    let archive = Archive::of(Producer::Podman, &sample.checkpoint);
    let archive = archive.member("checkpoint/cipher.img", cipher);
    for bytes in [archive.tar(), archive.gzip()] {
        let scanned = scanned(&bytes);
        assert!(scanned.whole().notes("encrypted").any(|note| note["level"] == "error"));
        assert!(!scanned.outcome.complete);
    }
}

#[test]
fn too_many_pages_before_their_pagemap_on_a_pipe_are_searched_one_by_one() {
    let mut random = Random::new(140);
    let (torn, inside) = (values::github_token(&mut random), values::github_token(&mut random));
    let heap =
        Mapping::zero(HEAP, 0x4000).put(HEAP + 0x1000 - 20, &torn).put(HEAP + 0x2800, &inside);
    let checkpoint = Checkpoint::new().process(Process::new(1, "a").map(heap));
    let tar = Archive::of(Producer::Runc, &checkpoint).order(Order::Reversed).tar();
    let mut settings = revealing();
    settings.limits.late_pages_bytes = 0x1000;
    let piped = scan_pipe(&tar, &settings);
    let part = piped.whole();
    assert_eq!(part.faults(), Vec::<String>::new());
    assert!(part.notes("late-metadata").count() == 1 && !piped.outcome.complete);
    assert!(part.finding(torn.as_bytes()).is_none(), "neighbours in the image only, perhaps");
    let place = &part.places(inside.as_bytes())[0];
    assert_eq!((&place["region"], &place["offset"]), (&"raw-image".into(), &0x2800.into()));
    settings.limits.late_pages_bytes = 1 << 20;
    let held = scan_pipe(&tar, &settings);
    assert!(held.whole().finding(torn.as_bytes()).is_some() && held.outcome.complete);
}

#[test]
fn a_bomb_stops_at_the_limit_and_costs_nothing_else() {
    let sample = samples::small();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(&vec![0; 16 << 20]).unwrap();
    let bomb = gzip.finish().unwrap();
    let token = values::npm_token(&mut Random::new(100));
    let files = [("a/bomb.gz", bomb.as_slice()), ("b/npmrc", token.as_bytes())];
    let archive = sample.archive.rootfs_diff(&files, false);
    let mut settings = revealing();
    settings.limits.expansion_floor = 1 << 20;
    settings.limits.expansion_ratio = 100;
    let scanned = scan_bytes(&archive.tar(), &settings);
    let part = scanned.whole();
    assert_eq!(part.faults(), Vec::<String>::new());
    let told = part.notes("limit-reached").next().unwrap();
    assert_eq!(told["member"], "rootfs-diff.tar!a/bomb.gz");
    assert!(part.finding(token.as_bytes()).is_some() && !scanned.outcome.complete);
    assert!(part.of("coverage").all(|coverage| coverage["decoded"].as_u64() < Some(4 << 20)));
}

#[test]
fn archives_inside_of_archives_end_at_the_limit() {
    let mut random = Random::new(110);
    let mut tokens = Vec::new();
    let mut inner = Archive::default();
    for depth in (0..20).rev() {
        let token = values::npm_token(&mut random);
        let name = format!("token-{depth}");
        inner = inner.member(&name, token.as_bytes());
        tokens.push(token);
        inner = Archive::default().member("inner.tar", inner.tar());
    }
    tokens.reverse();
    let archive = samples::small().archive.member("rootfs-diff.tar", inner.tar());
    let scanned = scanned(&archive.tar());
    let part = scanned.whole();
    assert_eq!(part.notes("limit-reached").count(), 1, "{:?}", scanned.lines);
    assert!(part.finding(tokens[0].as_bytes()).is_some(), "the outer ones are scanned");
    assert!(part.is_incomplete());
}

#[test]
fn members_of_one_name_are_all_scanned() {
    let mut random = Random::new(120);
    let (old, new) = (values::npm_token(&mut random), values::npm_token(&mut random));
    let archive = samples::small().archive;
    let archive = archive.member("ctr.log", old.clone()).member("ctr.log", new.clone());
    for bytes in [archive.tar(), archive.gzip()] {
        let scanned = scanned(&bytes);
        let part = scanned.whole();
        assert!(part.finding(old.as_bytes()).is_some() && part.finding(new.as_bytes()).is_some());
        let told = part.notes("duplicate-member").next().map(|note| note["member"].as_str());
        assert_eq!(told, Some(Some("ctr.log")));
    }
}

#[test]
fn pages_of_one_name_are_all_accounted_for() {
    let sample = samples::small();
    let images = sample.checkpoint.image_set();
    for again in ["pages-2.img", "pagemap-1.img", "mm-1.img", "inventory.img"] {
        let (_, bytes) = images.iter().find(|(name, _)| name == again).unwrap();
        let archive = sample.archive.clone().member(&format!("checkpoint/{again}"), bytes.clone());
        for bytes in [archive.tar(), archive.gzip()] {
            let scanned = scanned(&bytes);
            assert!(sample.sown.iter().all(|sown| holds(scanned.whole(), sown)), "{again} twice");
        }
    }
}

#[test]
fn bytes_behind_the_end_mark_are_told() {
    let archive = samples::small().archive.stale_tail(&[b'x'; 3000]);
    for bytes in [archive.tar(), archive.gzip()] {
        let scanned = scanned(&bytes);
        let told = scanned.whole().notes("stale-tail").next().unwrap();
        assert_eq!(told["level"], "warning");
        assert!(told["offset"].as_u64().unwrap() > 0x6000, "{told}");
    }
}

#[test]
fn metadata_that_are_no_json_are_scanned_as_text() {
    let token = values::npm_token(&mut Random::new(130));
    let sample = samples::small();
    for (name, text) in [
        ("spec.dump", format!("{{\"process\": {{\"env\": [\"{token}\"")),
        ("config.dump", format!("\u{0}\u{1}{token}")),
        ("config.dump", format!("[{}{token}", "[".repeat(100_000))),
        ("status.dump", format!("{{\"id\": \"{token}")),
    ] {
        let archive = sample.archive.clone().member(name, text);
        let scanned = scanned(&archive.tar());
        let part = scanned.whole();
        assert!(part.finding(token.as_bytes()).is_some(), "{name}");
        let told = part.notes("metadata-malformed").next();
        assert_eq!(told.map(|note| note["member"].as_str()), Some(Some(name)), "{name}");
        assert!(sample.sown.iter().all(|sown| holds(part, sown)));
    }
}

#[test]
fn a_limit_of_the_findings_keeps_the_same_ones_whatever_the_threads() {
    let sample = samples::rich();
    let tar = sample.archive.tar();
    let files = Files::new();
    let path = files.add("rich.tar", &tar);
    let limited = |threads, window| {
        let mut settings = Settings { threads, window, ..revealing() };
        settings.limits.findings = 5;
        settings.limits.diagnostics_per_code = 1;
        scan(&[&path], &settings)
    };
    let one = limited(1, 4 << 20);
    assert_eq!(one.whole().faults(), Vec::<String>::new());
    assert!(one.whole().notes("limit-reached").count() == 1 && !one.outcome.complete);
    for (threads, window) in [(2, 64 << 10), (8, 128 << 10)] {
        assert_eq!(limited(threads, window).lines, one.lines);
    }
}
