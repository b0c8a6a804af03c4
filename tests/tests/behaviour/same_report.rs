//! The same input gives the same report, byte for byte, however the work is cut.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test that cannot run fails")]
#![expect(clippy::disallowed_methods, reason = "reads its own fixtures")]

use std::io::{Read, Write};
use std::path::Path;

use cryoscan::matching::Kernel;
use cryoscan::scan::Settings;
use cryoscan_tests::builder::{Archive, Checkpoint, Mapping, Order, Process, Producer};
use cryoscan_tests::fixtures;
use cryoscan_tests::random::Random;
use cryoscan_tests::samples::{self, CELL, HEAP};
use cryoscan_tests::scanned::{Files, Scanned, revealing, scan, scan_pipe};
use cryoscan_tests::values;
use data_encoding::{BASE64, HEXLOWER};

/// Threads and bytes of a window.
const CUTS: [(usize, u64); 4] = [(1, 64 << 10), (2, 128 << 10), (8, 64 << 10), (8, 4 << 20)];
const FIXTURES: [&str; 4] = ["gosrv", "kubelet-containerd", "matrix", "tree"];

/// With patterns of the user, of which one has no literal.
fn settings(threads: usize, window: u64) -> Settings {
    let grep = ["RANDOM_[0-9]+_KEY", "[0-9]{4}-[0-9]{4}"].map(str::to_owned).to_vec();
    Settings { threads, window, grep, ..revealing() }
}

/// Compares reports by lines, so that a failure shows one pair of lines and no more.
fn assert_same(found: &str, expected: &str, what: &str) {
    if found == expected {
        return;
    }
    let pair = found.lines().zip(expected.lines()).find(|(found, expected)| found != expected);
    let (found, expected) = pair.unwrap_or((found, expected));
    let cut = |line: &str| line.get(..3000.min(line.len())).unwrap_or(line).to_owned();
    panic!("{what}:\n  found    {}\n  expected {}", cut(found), cut(expected));
}

fn findings(scanned: &Scanned) -> String {
    let findings = scanned.lines.iter().filter(|line| line.starts_with(r#"{"type":"finding""#));
    findings.cloned().collect::<Vec<_>>().join("\n")
}

/// Scans one archive with every partition of the work.
fn assert_no_cut_matters(path: &Path, name: &str) -> Scanned {
    let whole = scan(&[path], &settings(1, 4 << 20));
    assert_eq!(whole.whole().faults(), Vec::<String>::new(), "{name}");
    let kernels = Kernel::available();
    for ((threads, window), kernel) in CUTS.into_iter().zip(kernels.into_iter().cycle()) {
        assert_no_difference(path, name, (threads, window, kernel), &whole);
    }
    whole
}

/// Scans one archive with so many threads, windows of so many bytes, and on that kernel.
fn assert_no_difference(path: &Path, name: &str, how: (usize, u64, Kernel), expected: &Scanned) {
    let (threads, window, kernel) = how;
    let other = scan(&[path], &Settings { kernel: Some(kernel), ..settings(threads, window) });
    let kernel = kernel.name();
    let what = format!("{name}, {threads} threads, windows of {window} bytes, {kernel}");
    assert_same(&other.lines.join("\n"), &expected.lines.join("\n"), &what);
}

/// Scans the members of an archive in other orders, compressed, unpacked and from a pipe.
fn assert_no_form_matters(archive: &Archive, orders: &[Order], name: &str) {
    let files = Files::new();
    let of = |bytes: &[u8]| {
        let path = files.add("target", bytes);
        let scanned = scan(&[&path], &settings(2, 128 << 10));
        (scanned.lines_of(&path), scanned)
    };
    let (lines, whole) = of(&archive.tar());
    assert!(whole.records.iter().any(|record| record["type"] == "finding"), "{name}");
    let expected = findings(&whole);
    let (gzip_lines, _) = of(&archive.gzip());
    for &order in orders {
        let ordered = archive.clone().order(order);
        let (other, _) = of(&ordered.tar());
        assert_same(&other, &lines, &format!("{name}, {order:?}"));
        let (other, _) = of(&ordered.gzip());
        assert_same(&other, &gzip_lines, &format!("{name}, {order:?}, gzip"));
        let (_, other) = of(&ordered.zstd());
        assert_same(&findings(&other), &expected, &format!("{name}, {order:?}, zstd"));
        let piped = scan_pipe(&ordered.tar(), &settings(2, 128 << 10));
        assert_same(&findings(&piped), &expected, &format!("{name}, {order:?}, pipe"));
        assert_eq!(piped.whole().faults(), Vec::<String>::new(), "{name}, {order:?}, pipe");
    }
    let folder = archive.folder();
    let unpacked = scan(&[folder.path()], &settings(2, 128 << 10));
    assert_same(&unpacked.lines_of(folder.path()), &lines, &format!("{name}, folder"));
}

#[test]
fn no_partition_of_the_work_changes_the_report() {
    let sample = samples::rich();
    let files = Files::new();
    let whole = assert_no_cut_matters(&files.add("rich.tar", &sample.archive.tar()), "tar");
    assert_no_cut_matters(&files.add("rich.tar.gz", &sample.archive.gzip()), "gzip");
    // On every kernel with every cut, not only on one with each.
    for kernel in Kernel::available() {
        for (threads, window) in CUTS {
            let how = (threads, window, kernel);
            assert_no_difference(&files.add("rich.tar", &sample.archive.tar()), "tar", how, &whole);
        }
    }
    for sown in &sample.sown {
        assert!(whole.whole().finding(sown.value.as_bytes()).is_some(), "{sown:?} is not found");
    }
}

#[test]
fn no_partition_changes_which_candidates_are_too_many() {
    let start = 0x6200_0000_0000;
    let mut random = Random::new(40);
    let mut token = || values::github_token(&mut random);
    // Every fifth byte of a cell begins a candidate; a token stands before, in, and after it.
    let many = b"ghp_0".repeat(usize::try_from(CELL / 5).unwrap());
    let (first, second) = (token(), token());
    let flooded = Mapping::zero(start, 0x3_0000)
        .put(start + CELL, many)
        .put(start + CELL - 20, &first)
        .put(start + 2 * CELL - 400, token())
        .put(start + 2 * CELL + 8, &second);
    let wide = Mapping::noise(HEAP, 0x4_0000, 1).put_utf16(HEAP + 3, &"ghp_0".repeat(16_000));
    let process = Process::new(1, "flood").map(flooded).map(wide);
    let archive = Archive::of(Producer::Runc, &Checkpoint::new().process(process));
    let files = Files::new();
    let whole = assert_no_cut_matters(&files.add("flood.tar", &archive.tar()), "flood");
    let whole = whole.whole();
    assert!(
        whole.finding(first.as_bytes()).is_some() && whole.finding(second.as_bytes()).is_some()
    );
    assert!(whole.notes("throttled").count() > 1 && whole.skipped("throttled") >= CELL);
}

#[test]
fn no_partition_changes_what_is_found_in_a_mix_without_borders() {
    let files = Files::new();
    for seed in 0..2 {
        let archive = samples::soup(seed);
        let name = format!("soup {seed}");
        let whole = assert_no_cut_matters(&files.add("soup.tar", &archive.tar()), &name);
        assert!(whole.whole().of("finding").count() > 200, "{name}");
        let streamed = scan(&[&files.add("soup.tar.gz", &archive.gzip())], &settings(1, 64 << 10));
        assert_same(&findings(&streamed), &findings(&whole), &format!("{name}, gzip"));
    }
}

/// Frames and blocks are decoded by several threads where there is memory for it, and in order where there
/// is not.
#[test]
fn no_frame_and_no_memory_budget_changes_the_report() {
    let files = Files::new();
    let archive = samples::soup(7);
    let tar = archive.tar();
    let parts: Vec<&[u8]> = tar.chunks(60_000).collect();
    assert!(parts.len() > 4, "{} bytes", tar.len());
    let frames: Vec<Vec<u8>> =
        parts.iter().map(|part| zstd::bulk::compress(part, 1).unwrap()).collect();
    let zstd = frames.concat();
    let plain = scan(&[&files.add("soup.tar", &tar)], &settings(1, 1 << 20));
    let mut cut = zstd.clone();
    cut.truncate(zstd.len() - frames.last().unwrap().len() / 2);
    let mut damaged = zstd.clone();
    let middle = frames[0].len() + frames[1].len() + frames[2].len() / 2;
    damaged[middle] ^= 0x55;
    let garbage = [frames[0].as_slice(), b"no frame", &frames[1..].concat()].concat();
    let one = zstd::bulk::compress(&tar, 1).unwrap();
    let gzip = bgzip(&tar);
    for (name, bytes) in [
        ("soup.tar.zst", &zstd),
        ("one.tar.zst", &one),
        ("soup.tar.gz", &gzip),
        ("cut.tar.zst", &cut),
        ("damaged.tar.zst", &damaged),
        ("garbage.tar.zst", &garbage),
    ] {
        let path = files.add(name, bytes);
        let scanned =
            |threads, memory| scan(&[&path], &Settings { memory, ..settings(threads, 1 << 20) });
        // So little memory that one thread does it all, in order.
        let serial = scanned(1, 48 << 20);
        for (threads, memory) in [(1, 512 << 20), (2, 64 << 20), (2, 512 << 20), (8, 4 << 30)] {
            let what = format!("{name}, {threads} threads, {memory} bytes");
            let other = scanned(threads, memory);
            assert_same(&other.lines.join("\n"), &serial.lines.join("\n"), &what);
        }
        if ["soup", "one"].iter().any(|it| name.starts_with(it)) {
            assert_same(&findings(&serial), &findings(&plain), name);
        } else {
            // Without a checksum, damage may be no more than another byte.
            let is_told = serial.whole().of("diagnostic").count() > 0;
            assert!(is_told || name.starts_with("damaged"), "{name}");
        }
    }
}

/// As bgzip writes it: members that tell their length.
fn bgzip(bytes: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    for block in bytes.chunks(0xff00) {
        let mut deflate =
            flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
        deflate.write_all(block).unwrap();
        let packed = deflate.finish().unwrap();
        let mut crc = flate2::Crc::new();
        crc.update(block);
        all.extend([0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff, 6, 0, b'B', b'C', 2, 0]);
        all.extend(u16::try_from(packed.len() + 25).unwrap().to_le_bytes());
        all.extend(packed);
        all.extend(crc.sum().to_le_bytes());
        all.extend(crc.amount().to_le_bytes());
    }
    all
}

#[test]
fn no_order_compression_or_form_of_the_archive_changes_the_findings() {
    let orders = [Order::AsWritten, Order::Reversed]
        .into_iter()
        .chain([1, 2, 3].map(Order::Shuffled))
        .collect::<Vec<_>>();
    assert_no_form_matters(&samples::rich().archive, &orders, "rich");
}

#[test]
fn real_checkpoints_give_the_same_report_too() {
    for fixture in fixtures::load(&fixtures::folder()).unwrap() {
        let name = fixture.truth.name.as_str();
        if !FIXTURES.contains(&name) {
            continue;
        }
        assert_no_cut_matters(&fixture.archive, name);
        let orders = [Order::AsWritten, Order::Reversed];
        assert_no_form_matters(&repacked(&fixture.archive), &orders, name);
    }
}

/// The members of an archive on disk, to be written anew.
fn repacked(path: &Path) -> Archive {
    let bytes = zstd::decode_all(std::fs::File::open(path).unwrap()).unwrap();
    let mut archive = Archive::default();
    for entry in tar::Archive::new(bytes.as_slice()).entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
        let name = name.trim_start_matches("./").to_owned();
        if entry.header().entry_type().is_symlink() {
            let target = entry.link_name().unwrap().unwrap().to_string_lossy().into_owned();
            archive = archive.link(&name, &target);
        } else if entry.header().entry_type().is_file() {
            let mut body = Vec::new();
            entry.by_ref().take(64 << 20).read_to_end(&mut body).unwrap();
            archive = archive.member(&name, body);
        }
    }
    archive
}

/// Encoded text of several cells: runs without an end, islands at every border, and more than a cell
/// may give.
#[test]
fn no_partition_changes_what_is_decoded() {
    let start = 0x6400_0000_0000;
    let mut random = Random::new(41);
    let filler = "a line of text that is no secret and says nothing at all, ".repeat(5);
    let mut line = || {
        let value = values::github_token(&mut random);
        (format!("{{\"user\":\"ci\",\"note\":\"{filler}\",\"token\":\"{value}\"}}\n"), value)
    };
    let cell = usize::try_from(CELL).unwrap();
    let mut tokens = Vec::new();
    let mut text = |len: usize| {
        let mut text = String::new();
        while text.len() < len {
            let (line, value) = line();
            text.push_str(&line);
            tokens.push(value);
        }
        text.into_bytes()
    };
    let base64 = BASE64.encode(&text(3 * cell));
    let wide: Vec<u8> = text(cell).into_iter().flat_map(|byte| [byte, 0]).collect();
    let twice = BASE64.encode(BASE64.encode(&text(cell)).as_bytes());
    let hex = HEXLOWER.encode(&text(cell));
    let json = serde_json::to_string(&String::from_utf8(text(2 * cell)).unwrap()).unwrap();
    let stream = |text: &[u8]| {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        packer.write_all(text).unwrap();
        packer.finish().unwrap()
    };
    let streams: Vec<Vec<u8>> = (0..6).map(|_| stream(&text(cell / 2))).collect();
    let bombs = stream(&vec![b'a'; 4 << 20]).repeat(40);
    let mut all = vec![0; cell - 100];
    for part in [base64.as_bytes(), &wide, twice.as_bytes(), hex.as_bytes(), json.as_bytes()] {
        all.extend_from_slice(part);
        all.extend([0; 333]);
    }
    for part in streams.iter().chain([&bombs]) {
        all.extend_from_slice(part);
        all.extend([0; 7]);
    }
    all.resize(all.len().next_multiple_of(0x1000), 0);
    let mapping = Mapping::zero(start, all.len()).put(start, all);
    let process = Process::new(1, "decode").map(mapping);
    let archive = Archive::of(Producer::Runc, &Checkpoint::new().process(process));
    let files = Files::new();
    let whole = assert_no_cut_matters(&files.add("encoded.tar", &archive.tar()), "encoded");
    let whole = whole.whole();
    let missing = tokens.iter().filter(|token| whole.finding(token.as_bytes()).is_none()).count();
    assert_eq!(missing, 0, "of {} tokens", tokens.len());
    assert!(whole.notes("throttled").count() > 0, "the bombs are told");
}
