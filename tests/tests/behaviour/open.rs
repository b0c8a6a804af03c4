//! What checkpoints come wrapped in, beside plain archives: compressed pages, tars with holes, OCI
//! layouts, and the folders of docker and runc.
#![expect(clippy::unwrap_used, reason = "a test that cannot run fails")]

use std::path::{Path, PathBuf};

use cryoscan::scan::{self, Settings, Target};
use cryoscan_proto::PagemapEntry;
use cryoscan_tests::builder::{
    Archive, Checkpoint, Holes, Image, Mapping, Order, Process, Producer,
};
use cryoscan_tests::fixtures;
use cryoscan_tests::random::Random;
use cryoscan_tests::reader::Reader;
use cryoscan_tests::samples::{self, HEAP};
use cryoscan_tests::scanned::{Files, Part, Scanned, address, checked, revealing, scan, scan_pipe};
use cryoscan_tests::values;
use serde_json::Value;

const PAGE: u64 = 0x1000;

fn token(seed: u64) -> String {
    values::github_token(&mut Random::new(seed))
}

/// Findings, coverage and diagnostics: what must be the same however the bytes come.
fn essence_of(part: Part<'_>) -> Vec<String> {
    let name = part.of("checkpoint").next().map_or("", |it| it["checkpoint"].as_str().unwrap());
    let of = |kind| part.of(kind).map(ToString::to_string).collect::<Vec<_>>();
    let lines = ["finding", "coverage", "diagnostic"].into_iter().flat_map(of);
    let numbered = [(format!("\"{name}\""), "\"c\""), (format!("\"{name}-"), "\"c-")];
    // The archives of a run are the same checkpoint, of which each is told what the others held.
    let earlier = |line: String| {
        let mut record: Value = serde_json::from_str(&line).unwrap();
        if let Some(attributes) = record.get_mut("attributes").and_then(|it| it.as_object_mut()) {
            attributes.shift_remove("checkpoints.earlier");
        }
        record.to_string()
    };
    lines
        .map(earlier)
        .map(|line| numbered.iter().fold(line, |line, (from, to)| line.replace(from, to)))
        .collect()
}

fn essence(scanned: &Scanned) -> Vec<String> {
    essence_of(scanned.whole())
}

/// Scans many archives in one run, as building the rules takes longer than any of them.
fn each(archives: &[Vec<u8>], settings: &Settings, mut check: impl FnMut(usize, Part<'_>)) {
    let files = Files::new();
    let add = |(index, bytes): (usize, &Vec<u8>)| files.add(&format!("{index:04}"), bytes);
    let paths: Vec<PathBuf> = archives.iter().enumerate().map(add).collect();
    let paths: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
    let scanned = scan(&paths, settings);
    for (index, part) in scanned.parts(&paths).into_iter().enumerate() {
        assert_eq!(part.faults(), Vec::<String>::new(), "{index}");
        check(index, part);
    }
}

/// The same report on an archive as a file and in a pipe, with its members in other orders,
/// compressed, in small windows and by many threads.
fn every_way(archive: &Archive) -> Scanned {
    let whole = checked(&archive.tar());
    let expected = essence(&whole);
    let small = Settings { threads: 4, window: 64 << 10, ..revealing() };
    let reversed = archive.clone().order(Order::Reversed);
    let shuffled = archive.clone().order(Order::Shuffled(3));
    let forms = [
        archive.tar(),
        archive.zstd(),
        reversed.tar(),
        reversed.gzip(),
        shuffled.tar(),
        shuffled.gzip(),
    ];
    each(&forms, &small, |index, part| assert_eq!(essence_of(part), expected, "form {index}"));
    assert_eq!(essence(&scan_pipe(&archive.tar(), &small)), expected, "pipe");
    assert_eq!(essence(&scan_pipe(&shuffled.tar(), &revealing())), expected, "shuffled pipe");
    whole
}

/// Findings without what tells where in which image they lie.
fn without_offsets(scanned: &Scanned) -> Vec<Value> {
    let mut findings: Vec<Value> = scanned.whole().of("finding").cloned().collect();
    for place in findings.iter_mut().flat_map(|it| it["places"].as_array_mut().unwrap()) {
        let place = place.as_object_mut().unwrap();
        place.remove("offset");
        place.remove("block_offset");
    }
    findings
}

fn total(part: Part<'_>) -> u64 {
    part.of("coverage").map(|it| it["total"].as_u64().unwrap()).sum()
}

/// Every place in memory leads to the value, by its address and by its image, offset and block.
fn assert_places(part: Part<'_>, reader: &Reader) -> usize {
    let mut compressed = 0;
    for finding in part.of("finding") {
        let value = finding["secret"]["value"].as_str().unwrap_or_default().as_bytes();
        for place in finding["places"].as_array().unwrap() {
            let (Some(pid), Some(at)) = (place["pid"].as_u64(), address(&place["address"])) else {
                continue;
            };
            let len = usize::try_from(place["length"].as_u64().unwrap()).unwrap();
            let Some(bytes) = reader.memory(u32::try_from(pid).unwrap(), at, len) else { continue };
            assert!(len != value.len() || bytes == value, "{place}");
            let image = place["image"].as_str().unwrap();
            let offset = place["offset"].as_u64().unwrap();
            let found = match place["block_offset"].as_u64() {
                Some(within) => {
                    compressed += 1;
                    let within = usize::try_from(within).unwrap();
                    let block = reader.block(image, offset).unwrap();
                    block[within..block.len().min(within + len)].to_vec()
                }
                None => reader.image(image, offset, len.min(8)).unwrap().to_vec(),
            };
            assert!(bytes.starts_with(&found[..found.len().min(8)]), "{place}");
        }
    }
    compressed
}

#[test]
fn compressed_pages_give_the_report_of_plain_ones() {
    let sample = samples::rich();
    let plain = checked(&Archive::of(Producer::Podman, &sample.checkpoint).tar());
    for block_pages in [1, 4, 64] {
        let checkpoint = sample.checkpoint.clone().compressed(block_pages);
        let archive = Archive::of(Producer::Podman, &checkpoint);
        let packed = every_way(&archive);
        assert_eq!(without_offsets(&packed), without_offsets(&plain), "blocks of {block_pages}");
        let reader = Reader::open(&archive.tar()).unwrap();
        let compressed = assert_places(packed.whole(), &reader);
        assert!(compressed > 5, "{compressed} places in compressed blocks of {block_pages}");
    }
}

#[test]
fn the_ledger_counts_compressed_pages_as_pages() {
    let heap = Mapping::zero(HEAP, 0x20_0000).put(HEAP + 0x1000, token(1));
    let checkpoint = Checkpoint::new().process(Process::new(1, "a").map(heap));
    let pages = |checkpoint: &Checkpoint| {
        let set = checkpoint.image_set();
        set.iter().find(|(name, _)| name == "pages-1.img").unwrap().1.len() as u64
    };
    let skipped = |scanned: &Scanned| scanned.whole().skipped("zero-page");
    let plain = checked(&Archive::of(Producer::Runc, &checkpoint).tar());
    for block_pages in [1, 64] {
        let packed = checkpoint.clone().compressed(block_pages);
        assert!(pages(&packed) < 0x4000);
        let scanned = every_way(&Archive::of(Producer::Runc, &packed));
        assert!(total(scanned.whole()) >= pages(&checkpoint));
        assert_eq!(skipped(&scanned), skipped(&plain));
    }
}

#[test]
fn a_value_across_two_blocks_is_found_and_one_across_a_gap_is_not() {
    let value = token(2);
    let (left, right) = value.split_at(17);
    for (block_pages, border) in [(1, PAGE), (2, 2 * PAGE), (64, 64 * PAGE), (1, 256 * PAGE)] {
        let joined = Mapping::zero(HEAP, 0x20_0000).put(HEAP + border - 17, &value);
        let checkpoint = Checkpoint::new().process(Process::new(1, "a").map(joined));
        let archive = Archive::of(Producer::Runc, &checkpoint.compressed(block_pages));
        let scanned = every_way(&archive);
        let places = scanned.whole().places(value.as_bytes());
        assert_eq!(places.len(), 1, "blocks of {block_pages}");
        assert_eq!(places[0]["address"], format!("{:#x}", HEAP + border - 17));
        let torn = Mapping::zero(HEAP, 0x20_0000)
            .put(HEAP + border - 17, left)
            .put(HEAP + border + PAGE, right)
            .absent(HEAP + border);
        let checkpoint = Checkpoint::new().process(Process::new(1, "a").map(torn));
        let archive = Archive::of(Producer::Runc, &checkpoint.compressed(block_pages));
        assert!(!every_way(&archive).whole().holds(&value), "blocks of {block_pages}");
    }
}

/// A page with a value in text, so that it compresses.
fn text_page(value: &str) -> Vec<u8> {
    let mut page = b"a word and a word and ".repeat(400);
    page.truncate(0x1000);
    page[0x800..0x800 + value.len()].copy_from_slice(value.as_bytes());
    page[0x800 - 1] = 0;
    page[0x800 + value.len()] = 0;
    page
}

#[test]
fn a_damaged_block_costs_its_pages_and_no_others() {
    let values: Vec<String> = (10..15).map(token).collect();
    let pages: Vec<u8> = values.iter().flat_map(|value| text_page(value)).collect();
    let heap = Mapping::zero(HEAP, pages.len()).put(HEAP, pages);
    let checkpoint = Checkpoint::new().process(Process::new(1, "a").map(heap)).compressed(1);
    let set = checkpoint.image_set();
    let (_, stored) = set.iter().find(|(name, _)| name == "pages-1.img").unwrap();
    let mut random = Random::new(4);
    let damaged = |case: usize| {
        let mut bytes = stored.clone();
        let at = random.below(bytes.len());
        bytes[at] = if case.is_multiple_of(2) { 0xff } else { random.bytes(1)[0] };
        Archive::of(Producer::Runc, &checkpoint.clone().file("pages-1.img", bytes))
    };
    let archives: Vec<Archive> = (0..60).map(damaged).collect();
    let tars: Vec<Vec<u8>> = archives.iter().map(Archive::tar).collect();
    let mut reports = Vec::new();
    let mut told = 0;
    each(&tars, &revealing(), |case, part| {
        let found = values.iter().filter(|value| part.holds(value)).count();
        assert!(found >= values.len() - 1, "{case}: {found} are left");
        for note in part.notes("pages-malformed") {
            told += 1;
            assert!(note["member"].as_str().unwrap().ends_with("pages-1.img"), "{note}");
            assert_eq!(part.skipped("unreadable"), PAGE);
        }
        reports.push(essence_of(part));
    });
    assert!(told > 5, "{told}");
    // A stream expands them elsewhere.
    let streams: Vec<Vec<u8>> = archives.iter().map(Archive::gzip).collect();
    let small = Settings { window: 64 << 10, ..revealing() };
    each(&streams, &small, |case, part| assert_eq!(essence_of(part), reports[case], "{case}"));
}

#[test]
fn impossible_lists_of_blocks_are_told_and_all_else_is_scanned() {
    let value = token(20);
    let heap = Mapping::noise(HEAP, 0x4000, 1).put(HEAP + 0x1800, &value);
    let plain = Checkpoint::new().process(Process::new(7, "a").map(heap));
    let entry = |pages: u64, sizes: Vec<u32>, region_pages: Option<u32>| PagemapEntry {
        vaddr: Some(0x0007_ffff_0000_0000),
        flags: Some(4),
        nr_pages: Some(pages),
        compressed_size: sizes,
        region_pages,
        ..PagemapEntry::default()
    };
    for (entry, code) in [
        (entry(3, vec![10, 10], None), "pagemap-inconsistent"),
        (entry(1, vec![10; 9], None), "pagemap-inconsistent"),
        (entry(1 << 40, vec![10], Some(u32::MAX)), "pagemap-inconsistent"),
        (entry(2048, vec![10], Some(2048)), "pagemap-inconsistent"),
        (entry(2, vec![10, 5000], None), "pages-malformed"),
        (entry(2, vec![100, u32::MAX], None), "pages-malformed"),
        (entry(2, vec![4096, 4096], None), "pages-truncated"),
    ] {
        let checkpoint = plain.clone().pagemap_entry(7, entry.clone());
        let archive = Archive::of(Producer::Runc, &checkpoint);
        for bytes in [archive.tar(), archive.gzip()] {
            let scanned = checked(&bytes);
            let part = scanned.whole();
            assert!(part.holds(&value), "{entry:?}");
            assert!(part.notes(code).count() > 0, "{code}: {:?}", scanned.lines);
            assert!(part.is_incomplete());
        }
    }
}

#[test]
fn a_bomb_of_zeros_is_passed_over() {
    // 64 TiB of memory in a list of some kilobytes.
    let zeros = |index: u64| PagemapEntry {
        vaddr: Some(0x1000_0000_0000 + (index << 40)),
        flags: Some(4),
        nr_pages: Some(1 << 28),
        compressed_size: vec![0; 1 << 18],
        region_pages: Some(1024),
        ..PagemapEntry::default()
    };
    let value = token(30);
    let heap = Mapping::noise(0x10_0000, 0x4000, 1).put(0x10_1800, &value);
    let mut checkpoint = Checkpoint::new().process(Process::new(7, "a").map(heap));
    checkpoint = (0..64).fold(checkpoint, |set, index| set.pagemap_entry(7, zeros(200 + index)));
    let archive = Archive::of(Producer::Runc, &checkpoint);
    for scanned in [checked(&archive.tar()), checked(&archive.gzip())] {
        let part = scanned.whole();
        assert!(part.holds(&value) && part.skipped("zero-page") >= 64 << 40);
    }
}

#[test]
fn compressed_pages_that_end_early_give_what_they_hold() {
    let values: Vec<String> = (40..44).map(token).collect();
    let pages: Vec<u8> = values.iter().flat_map(|value| text_page(value)).collect();
    let heap = Mapping::zero(HEAP, pages.len()).put(HEAP, pages);
    let checkpoint = Checkpoint::new().process(Process::new(1, "a").map(heap)).compressed(1);
    let set = checkpoint.image_set();
    let len = set.iter().find(|(name, _)| name == "pages-1.img").unwrap().1.len();
    let archive = Archive::of(Producer::Runc, &checkpoint);
    let name = format!("{}pages-1.img", Producer::Runc.images_at());
    let cuts: Vec<usize> = (0..len).step_by(11).collect();
    let inside = |keep: &usize| {
        Archive::of(Producer::Runc, &checkpoint.clone().truncated("pages-1.img", *keep)).tar()
    };
    let ends = |keep: &usize| archive.clone().cut_in(&name, *keep).tar();
    each(&cuts.iter().map(inside).collect::<Vec<_>>(), &revealing(), |index, part| {
        assert!(part.notes("pages-truncated").count() > 0, "cut at {}", cuts[index]);
    });
    let tars: Vec<Vec<u8>> = cuts.iter().map(ends).collect();
    let mut reports = Vec::new();
    each(&tars, &revealing(), |_, part| reports.push(essence_of(part)));
    for index in [0, 1, cuts.len() / 2, cuts.len() - 1] {
        let piped = scan_pipe(&tars[index], &revealing());
        assert_eq!(essence(&piped), reports[index], "cut at {}", cuts[index]);
        assert_eq!(piped.whole().faults(), Vec::<String>::new(), "cut at {}", cuts[index]);
    }
}

#[test]
fn holes_in_a_tar_change_neither_what_is_found_nor_where() {
    let value = token(50);
    let late = token(51);
    let heap = Mapping::zero(HEAP, 0x40_0000)
        .put(HEAP + PAGE - 10, &value)
        .put(HEAP + 0x30_0000 - 20, &late)
        .put(HEAP + 0x3f_f000, b"no secret");
    let checkpoint = Checkpoint::new().process(Process::new(1, "a").map(heap));
    let mut log = vec![0; 0x10_0000];
    let logged = token(52);
    log.splice(0x8_0100..0x8_0100 + logged.len(), logged.bytes());
    let archive = Archive::of(Producer::Podman, &checkpoint).member("ctr.log", log);
    let plain = checked(&archive.tar());
    for form in Holes::ALL {
        let sparse = archive.clone().sparse(form);
        assert!(sparse.tar().len() < 0x10_0000, "{form:?}");
        let scanned = every_way(&sparse);
        let findings = |it: &Scanned| it.whole().of("finding").cloned().collect::<Vec<_>>();
        assert_eq!(findings(&scanned), findings(&plain), "{form:?}");
        assert!(scanned.whole().holds(&logged));
        assert!(total(scanned.whole()) < 0x8_0000, "{form:?}: holes are stored nowhere");
        assert!(!scanned.whole().is_incomplete());
    }
}

#[test]
fn holes_in_compressed_pages_and_in_archives_inside_are_zeros() {
    let value = token(55);
    let heap = Mapping::zero(HEAP, 0x8_0000).put(HEAP + 0x4_1000, text_page(&value));
    let set = Checkpoint::new().process(Process::new(1, "a").map(heap));
    let filler = vec![0; 0x8000];
    let inner = token(56);
    let files: [(&str, &[u8]); 2] = [("var/empty", &filler), ("root/.netrc", inner.as_bytes())];
    for form in Holes::ALL {
        let archive = Archive::of(Producer::Podman, &set.clone().compressed(1));
        let scanned = every_way(&archive.rootfs_diff(&files, false).sparse(form));
        assert!(scanned.whole().holds(&value) && scanned.whole().holds(&inner), "{form:?}");
    }
}

#[test]
fn a_tar_with_holes_that_ends_early_gives_what_it_holds() {
    let heap = Mapping::zero(HEAP, 0x2_0000).put(HEAP + PAGE, token(57)).put(HEAP + 9 * PAGE, "x");
    let checkpoint = Checkpoint::new().process(Process::new(1, "a").map(heap));
    for form in Holes::ALL {
        let tar = Archive::of(Producer::Criu, &checkpoint).sparse(form).tar();
        let cuts: Vec<Vec<u8>> =
            (5..100).map(|percent| tar[..tar.len() * percent / 100].to_vec()).collect();
        let mut reports = Vec::new();
        each(&cuts, &revealing(), |_, part| reports.push(essence_of(part)));
        for index in [20, 40, 60, 80, 94] {
            let piped = scan_pipe(&cuts[index], &revealing());
            assert_eq!(piped.whole().faults(), Vec::<String>::new(), "{form:?}, cut {index}");
            assert_eq!(essence(&piped), reports[index], "{form:?}, cut {index}");
        }
    }
}

/// The archive with one more member, which has holes and six bytes at its start.
fn with_holes(archive: &Archive, name: &str, size: u64) -> Vec<u8> {
    let (size, map) = (size.to_string(), "0,6");
    let mut pax = Vec::new();
    for (key, value) in [("size", size.as_str()), ("name", name), ("map", map)] {
        let record = format!(" GNU.sparse.{key}={value}\n");
        let digits = if record.len() + 2 < 100 { 2 } else { 3 };
        pax.extend(format!("{}{record}", record.len() + digits).into_bytes());
    }
    let mut tar = archive.tar();
    tar.truncate(tar.len() - 1024);
    let mut builder = tar::Builder::new(tar);
    for (kind, body) in [(tar::EntryType::XHeader, &pax[..]), (tar::EntryType::Regular, b"secret")]
    {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_size(body.len() as u64);
        builder.append_data(&mut header, "member", body).unwrap();
    }
    builder.into_inner().unwrap()
}

#[test]
fn a_hole_at_the_end_costs_nothing_in_a_stream() {
    let heap = Mapping::zero(HEAP, 0x1000).put(HEAP, token(58));
    let set = Checkpoint::new().process(Process::new(1, "a").map(heap));
    let archive = Archive::of(Producer::Podman, &set);
    for name in ["ctr.log", "rootfs-diff.tar", "mm-7.img", "spec.dump", "pages-7.img"] {
        let tar = with_holes(&archive, name, u64::MAX >> 1);
        for scanned in [scan_pipe(&tar, &revealing()), checked_but(&tar)] {
            assert_eq!(scanned.whole().faults(), Vec::<String>::new(), "{name}");
            assert!(scanned.whole().holds(&token(58)), "{name}");
        }
    }
}

fn checked_but(tar: &[u8]) -> Scanned {
    let files = Files::new();
    let path = files.add("a.tar", tar);
    scan(&[&path], &revealing())
}

fn container(scanned: &Scanned) -> (&Value, &Value) {
    let record = scanned.whole().of("checkpoint").next().unwrap();
    (&record["container"], record)
}

#[test]
fn an_image_says_whose_checkpoint_its_layer_is() {
    let value = token(60);
    let heap = Mapping::noise(HEAP, 0x4000, 1).put(HEAP + 0x1800, &value);
    let checkpoint = Checkpoint::new().process(Process::new(1, "a").map(heap));
    let bare = Archive::default().images("checkpoint/", &checkpoint);
    for packed in [false, true] {
        for (kind, layer, producer, version, criu) in [
            (Image::Podman, &bare, "podman", "5.1.0", "4.2"),
            (Image::Podman, &Archive::of(Producer::Podman, &checkpoint), "podman", "5.1.0", "4.2"),
            (Image::Checkpointctl, &bare, "cri-o", "1.34.0", ""),
        ] {
            let layout = Archive::image(kind, layer, packed);
            // The index comes last, first, or in between.
            let scanned = every_way(&layout);
            let (container, record) = container(&scanned);
            assert_eq!(record["producer"], producer);
            assert_eq!(container["name"], "counter");
            assert_eq!(container["image"], "docker.io/library/counter:1");
            assert_eq!(container["engine_version"], version);
            assert_eq!(record["criu"].as_str().unwrap_or_default(), criu);
            if kind == Image::Checkpointctl {
                assert_eq!(record["pod"]["name"], "counters");
                assert_eq!(record["pod"]["namespace"], "default");
            }
            assert_eq!(scanned.whole().places(value.as_bytes()).len(), 1);
            assert!(!scanned.whole().is_incomplete(), "{:?}", scanned.lines);
            let folder = layout.folder();
            let unpacked = scan(&[folder.path()], &revealing());
            assert_eq!(essence(&unpacked), essence(&scanned));
        }
    }
}

#[test]
fn containerd_names_its_container_in_another_blob() {
    let checkpoint = Checkpoint::new().process(Process::new(1, "a"));
    let images = Archive::of(Producer::Criu, &checkpoint).member("descriptors.json", "[]");
    let scanned = every_way(&Archive::image(Image::Containerd, &images, false));
    let (container, record) = container(&scanned);
    assert_eq!(record["producer"], "containerd");
    assert_eq!((&container["id"], &container["name"]), (&Value::from("ck1"), &Value::Null));
    assert_eq!(container["image"], "docker.io/library/counter:1");
}

#[test]
fn images_in_one_folder_keep_their_names() {
    let one = |pid| Checkpoint::new().process(Process::new(pid, "a"));
    let first = Archive::default().images("checkpoint/", &one(1));
    let second = Archive::default().images("checkpoint/", &one(2));
    let layouts = [
        Archive::image(Image::Podman, &first, true),
        Archive::image(Image::Checkpointctl, &second, true),
    ];
    let files = Files::new();
    for (index, layout) in layouts.iter().enumerate() {
        files.add(&format!("images/{index}.tar"), &layout.tar());
    }
    let folder = files.add("images/readme", b"two").with_file_name("");
    let scanned = scan(&[&folder], &revealing());
    let producers: Vec<&Value> = scanned
        .records
        .iter()
        .filter(|it| it["type"] == "checkpoint")
        .map(|it| &it["producer"])
        .collect();
    assert_eq!(producers, ["podman", "cri-o"]);
}

#[test]
fn a_layer_that_is_not_there_is_told() {
    let checkpoint = Checkpoint::new().process(Process::new(1, "a"));
    let layer = Archive::default().images("checkpoint/", &checkpoint);
    let layout = Archive::image(Image::Podman, &layer, true).folder();
    let blobs = layout.path().join("blobs/sha256");
    let largest = std::fs::read_dir(&blobs).unwrap().map(|it| it.unwrap());
    let largest = largest.max_by_key(|it| it.metadata().unwrap().len()).unwrap();
    std::fs::remove_file(largest.path()).unwrap();
    let scanned = scan(&[layout.path()], &revealing());
    let error = scanned.whole().error.unwrap().to_string();
    assert!(error.contains("a blob of the checkpoint is not in the layout"), "{error}");
}

#[test]
fn layouts_with_strange_documents_never_make_it_fall() {
    let checkpoint = Checkpoint::new().process(Process::new(1, "a"));
    let layer = Archive::default().images("checkpoint/", &checkpoint);
    let whole = Archive::image(Image::Podman, &layer, false).tar();
    let mut random = Random::new(70);
    let mut damaged = || {
        let mut bytes = whole.clone();
        // The documents are at the end.
        for _ in 0..4 {
            let at = bytes.len() - 1 - random.below(6000);
            bytes[at] = random.bytes(1)[0];
        }
        bytes
    };
    let damaged: Vec<Vec<u8>> = (0..100).map(|_| damaged()).collect();
    each(&damaged, &revealing(), |_, _| ());
}

#[test]
fn the_folder_of_a_docker_container_names_all_its_checkpoints() {
    let one = |pid| Checkpoint::new().process(Process::new(pid, "a"));
    let archive = Archive::of(Producer::Docker, &one(1));
    let second = Producer::Docker.images_at().replace("cp1", "cp2");
    let archive = archive
        .images(&second, &one(2))
        .member(&format!("{second}descriptors.json"), r#"["/dev/pts/0"]"#);
    let folder = archive.folder();
    let inner = std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
    for path in [folder.path(), &inner] {
        let scanned = scan(&[path], &revealing());
        let records: Vec<&Value> =
            scanned.records.iter().filter(|it| it["type"] == "checkpoint").collect();
        assert_eq!(records.len(), 2);
        for record in records {
            assert_eq!(record["producer"], "docker");
            assert_eq!(record["container"]["name"], "counter");
            assert_eq!(record["container"]["image"], "counter:1");
            assert_eq!(record["container"]["id"].as_str().unwrap().len(), 64);
        }
        let inspected = scan::inspect(&Target::Path(path.to_owned()), &Settings::default());
        let descriptors: Vec<_> =
            inspected.unwrap().checkpoints.into_iter().map(|it| it.descriptors).collect();
        assert_eq!(descriptors[0], ["/dev/null", "pipe:[1001]", "pipe:[1002]"]);
        assert_eq!(descriptors[1], ["/dev/pts/0"]);
    }
}

#[test]
fn real_layouts_and_folders_say_who_they_are() {
    let record = |name: &str| {
        let path = fixtures::folder().join(name).join("checkpoint.tar.zst");
        let scanned = scan(&[&path], &revealing());
        assert_eq!(scanned.whole().faults(), Vec::<String>::new());
        scanned.whole().of("checkpoint").next().unwrap().clone()
    };
    let oci = record("oci-image");
    assert_eq!(oci["producer"], "podman");
    assert_eq!(oci["container"]["name"], "ck-oci-image");
    assert_eq!(
        (&oci["container"]["engine_version"], &oci["criu"]),
        (&"4.3.1".into(), &"4.2".into())
    );
    let containerd = record("containerd-ctr");
    assert_eq!(containerd["producer"], "containerd");
    assert_eq!(containerd["container"]["id"], "ck1");
    assert_eq!(containerd["container"]["image"], "docker.io/library/bb:1");
    let docker = record("docker");
    assert_eq!(docker["producer"], "docker");
    assert_eq!(docker["container"]["name"], "ck-docker");
    assert_eq!(record("runc")["producer"], "runc");
    let runc = Path::new("runc/checkpoint.tar.zst");
    let inspected =
        scan::inspect(&Target::Path(fixtures::folder().join(runc)), &Settings::default());
    assert_eq!(inspected.unwrap().checkpoints[0].descriptors, ["/dev/null"; 3]);
}
