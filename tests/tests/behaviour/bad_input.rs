//! Truncated and damaged input: nothing panics, what can be read is scanned, and what
//! cannot is told.
#![expect(clippy::unwrap_used, reason = "a test that cannot run fails")]

use std::io::Read;
use std::path::{Path, PathBuf};

use cryoscan_tests::builder::{Archive, Order, Producer};
use cryoscan_tests::fixtures;
use cryoscan_tests::random::Random;
use cryoscan_tests::samples::{self, Sample};
use cryoscan_tests::scanned::{Files, Part, Scanned, checked, revealing, scan, scan_pipe};
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
            assert!(part.holds(&sown.value), "{cut}: {sown:?} is not found");
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
        let (piped, stored) = (scan_pipe(cut, &revealing()), checked(cut));
        assert_eq!(piped.whole().faults(), Vec::<String>::new());
        let of = |scanned: &Scanned, kind: &'static str| -> Vec<String> {
            scanned.whole().of(kind).map(ToString::to_string).collect()
        };
        for kind in ["finding", "diagnostic", "coverage"] {
            assert_eq!(of(&piped, kind), of(&stored, kind), "cut at {percent} %");
        }
        let memory = |scanned: &Scanned| -> Vec<Value> {
            scanned.whole().of("checkpoint").map(|it| it["memory_bytes"].clone()).collect()
        };
        assert_eq!(memory(&piped), memory(&stored), "cut at {percent} %");
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
            assert!(touched || part.holds(&sown.value), "{cut}: {sown:?} is not found");
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
            assert!(explains || part.holds(&sown.value), "{index}: {name}: {sown:?} is not found");
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
fn damaged_real_checkpoints_never_make_it_fall() {
    let mut random = Random::new(65);
    for fixture in fixtures::load(&fixtures::folder()).unwrap() {
        if !["gosrv", "kubelet-containerd", "matrix", "oci-image"].contains(&&*fixture.truth.name) {
            continue;
        }
        let tar = zstd::decode_all(std::fs::File::open(&fixture.archive).unwrap()).unwrap();
        let is_header = |at: &usize| tar.get(at + 257..at + 262) == Some(b"ustar");
        let headers: Vec<usize> = (0..tar.len()).step_by(512).filter(is_header).collect();
        let files = Files::new();
        let mut paths = Vec::new();
        for case in 0..30 {
            let mut bytes = tar.clone();
            for _ in 0..=case {
                // Most of them behind the header, where images say what they are.
                let header = headers[random.below(headers.len())];
                let within = [0, 512, 512, 512][random.below(4)] + random.below(300);
                if let Some(byte) = bytes.get_mut(header + within) {
                    *byte ^= 1 << random.below(8);
                }
            }
            paths.push(files.add(&format!("{}-{case}", fixture.truth.name), &bytes));
        }
        each(&paths, |_, _| ());
    }
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
            let scanned = checked(&bytes);
            let part = scanned.whole();
            assert!(part.notes(code).count() > 0, "{name}: {:?}", scanned.lines);
            for sown in sample.sown.iter().filter(|sown| !sown.memory.is_empty()) {
                let own = sown.memory[0].0 == 1;
                assert_eq!(part.holds(&sown.value), is_found || !own, "without {name}: {sown:?}");
            }
        }
    }
    let missing = Archive::of(Producer::Podman, &sample.checkpoint.without("pages-2.img"));
    let scanned = checked(&missing.tar());
    assert!(scanned.whole().skipped("unreadable") >= 0x3000 && !scanned.outcome.complete);
}
