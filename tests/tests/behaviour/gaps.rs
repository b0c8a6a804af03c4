//! What are neighbours in memory is joined, what are neighbours in an image only is not.

use std::path::{Path, PathBuf};

use cryoscan_tests::builder::{
    Archive, Checkpoint, Kind, Mapping, PageCount, Process, Producer, Segment,
};
use cryoscan_tests::random::Random;
use cryoscan_tests::samples::HEAP;
use cryoscan_tests::scanned::{Files, Part, Scanned, revealing, scan, scan_bytes, scan_pipe};
use cryoscan_tests::values;

const PAGE: u64 = 0x1000;

fn token(seed: u64) -> String {
    values::github_token(&mut Random::new(seed))
}

/// The report on a checkpoint, read as a file and as a stream.
fn each_form(checkpoint: &Checkpoint, check: impl Fn(Part<'_>, &Scanned)) {
    let archive = Archive::of(Producer::Runc, checkpoint);
    let forms = [
        scan_bytes(&archive.tar(), &revealing()),
        scan_bytes(&archive.zstd(), &revealing()),
        scan_pipe(&archive.tar(), &revealing()),
    ];
    for scanned in forms {
        assert_eq!(scanned.whole().faults(), Vec::<String>::new());
        check(scanned.whole(), &scanned);
    }
}

fn one(process: Process) -> Checkpoint {
    Checkpoint::new().process(process)
}

/// The only place of a value: process and address.
fn assert_at(part: Part<'_>, value: &str, pid: u32, address: u64) {
    let places = part.places(value.as_bytes());
    assert_eq!(places.len(), 1, "{value}: {places:?}");
    assert_eq!(places[0]["pid"], pid);
    assert_eq!(places[0]["address"], format!("{address:#x}"));
    assert_eq!(places[0]["length"], value.len());
}

fn assert_nothing(part: Part<'_>) {
    let findings: Vec<String> = part.of("finding").map(|it| it["rule"]["id"].to_string()).collect();
    assert_eq!(findings, Vec::<String>::new());
}

/// Values of which no part is a value of its own, at any cut but in the armour of the key: a checksum, three
/// parts, an end.
fn values() -> Vec<String> {
    let mut random = Random::new(1);
    let claims = r#"{"sub":"service","iss":"https://id.example"}"#;
    let (uri, _) = values::connection_string("postgres", &mut random);
    vec![
        values::github_token(&mut random),
        values::jwt(values::Algorithm::Rs256, b"", claims, &mut random),
        values::pem_private_key(&mut random).trim_end().to_owned(),
        values::aws_pair(123_456_789_012, &mut random).0,
        uri,
    ]
}

/// Where a value of that length is cut in two.
fn cuts(length: usize) -> [usize; 5] {
    [1, 5, length / 2, length - length / 4, length - 1]
}

#[test]
fn halves_around_a_page_that_was_never_touched_are_not_joined() {
    let files = Files::new();
    let (mut paths, mut torn) = (Vec::new(), Vec::new());
    for value in values() {
        for cut in cuts(value.len()) {
            let (left, right) = value.split_at(cut);
            let heap = Mapping::zero(HEAP, 0x4000)
                .put(HEAP + 2 * PAGE - left.len() as u64, left)
                .put(HEAP + 3 * PAGE, right)
                .absent(HEAP + 2 * PAGE);
            let checkpoint = one(Process::new(1, "a").map(heap));
            let tar = Archive::of(Producer::Runc, &checkpoint).tar();
            assert!(tar.windows(value.len()).any(|w| w == value.as_bytes()), "whole in the image");
            paths.push(files.add(&format!("{}.tar", paths.len()), &tar));
            // The armour of a key may be torn and its body whole: that is the key all the same.
            let is_body = |line: &&str| line.len() == 64;
            let body = value.lines().find(is_body).filter(|_| value.starts_with("-----BEGIN"));
            let has_body = |half: &str| body.is_some_and(|body| half.contains(body));
            torn.push((format!("{value} cut at {cut}"), has_body(left) || has_body(right)));
        }
    }
    let paths: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
    let scanned = scan(&paths, &revealing());
    for (part, (torn, has_body)) in scanned.parts(&paths).iter().zip(torn) {
        assert_eq!(part.faults(), Vec::<String>::new(), "{torn}");
        let is_of_body = |found: &&serde_json::Value| {
            let rule = found["rule"]["id"].as_str().unwrap_or_default();
            has_body && rule.starts_with("der-")
        };
        let others = part.of("finding").filter(|found| !is_of_body(found)).count();
        assert_eq!(others, 0, "{torn}: {:?}", part.records);
    }
}

#[test]
fn halves_in_mappings_that_do_not_touch_are_not_joined() {
    let value = token(2);
    let (left, right) = value.split_at(20);
    let first = Mapping::zero(HEAP, 0x2000).put(HEAP + 2 * PAGE - 20, left);
    let second = Mapping::zero(HEAP + 3 * PAGE, 0x1000).put(HEAP + 3 * PAGE, right);
    each_form(&one(Process::new(1, "a").map(first).map(second)), |part, _| assert_nothing(part));
}

#[test]
fn halves_in_the_pages_of_two_processes_are_not_joined() {
    // Both pages images are read one after the other.
    let value = token(3);
    let (left, right) = value.split_at(20);
    let last = 0x7fff_ffff_e000;
    let first = Mapping::zero(last, 0x1000).put(last + PAGE - 20, left);
    let second = Mapping::zero(HEAP, 0x1000).put(HEAP, right);
    let checkpoint = one(Process::new(1, "a").map(first));
    let checkpoint = checkpoint.process(Process::new(2, "b").parent(1).map(second));
    each_form(&checkpoint, |part, _| assert_nothing(part));
}

#[test]
fn halves_in_mappings_that_touch_are_joined() {
    for value in values() {
        let cut = value.len() / 2;
        let (left, right) = value.split_at(cut);
        let border = HEAP + 2 * PAGE;
        let at = border - cut as u64;
        let first = Mapping::zero(HEAP, 0x2000).kind(Kind::Heap).put(at, left);
        let library = Kind::File("/usr/lib/libapp.so".to_owned());
        let second = Mapping::zero(border, 0x1000).kind(library).prot(5).put(border, right);
        // Entries that end at the border, and one that goes on over it.
        let process = Process::new(1, "a").map(first).map(second);
        for pages in [2, 256] {
            each_form(&one(process.clone()).entry_pages(pages), |part, _| {
                assert_at(part, &value, 1, at);
                let place = &part.places(value.as_bytes())[0];
                assert_eq!(place["vma"]["kind"], "heap", "the mapping of its first byte");
            });
        }
    }
}

#[test]
fn pages_of_a_parent_that_is_not_there_are_gaps_and_told() {
    let value = token(4);
    let (left, right) = value.split_at(20);
    let (inside, before) = (token(5), token(6));
    let heap = Mapping::zero(HEAP, 0x6000)
        .put(HEAP + 0x100, &before)
        .put(HEAP + 2 * PAGE - 20, left)
        .put(HEAP + 2 * PAGE + 0x100, inside)
        .put(HEAP + 4 * PAGE, right)
        .in_parent(HEAP + 2 * PAGE)
        .in_parent(HEAP + 3 * PAGE);
    each_form(&one(Process::new(1, "a").map(heap)), |part, scanned| {
        assert_at(part, &before, 1, HEAP + 0x100);
        assert_eq!(part.of("finding").count(), 1);
        assert_eq!(part.skipped("parent-missing"), 2 * PAGE);
        let told = part.notes("parent-missing").next().unwrap();
        assert_eq!(
            (&told["level"], told["member"].as_str().unwrap_or_default().is_empty()),
            (&"error".into(), false)
        );
        assert!(!scanned.outcome.complete);
    });
}

#[test]
fn pages_left_on_a_page_server_are_gaps_and_told() {
    let value = token(7);
    let (left, right) = value.split_at(20);
    let heap = Mapping::zero(HEAP, 0x4000)
        .put(HEAP + PAGE - 20, left)
        .put(HEAP + 2 * PAGE, right)
        .lazy(HEAP + PAGE, false)
        .lazy(HEAP + 2 * PAGE, true);
    each_form(&one(Process::new(1, "a").map(heap)), |part, scanned| {
        assert_nothing(part);
        assert_eq!(part.skipped("lazy"), PAGE);
        assert!(part.notes("pages-missing").count() == 1 && !scanned.outcome.complete);
    });
    // The flag alone leaves nothing out: CRIU sets it on ordinary memory too.
    let heap = Mapping::zero(HEAP, 0x2000).put(HEAP + PAGE - 20, &value).lazy(HEAP + PAGE, true);
    each_form(&one(Process::new(1, "a").map(heap)), |part, scanned| {
        assert_at(part, &value, 1, HEAP + PAGE - 20);
        assert!(scanned.outcome.complete);
    });
}

#[test]
fn entries_of_a_pagemap_are_no_borders() {
    // An entry holds 256 pages; here also one and three.
    let value = token(8);
    for (pages, at) in [(256, 256 * PAGE - 7), (1, 9 * PAGE - 39), (3, 3 * PAGE - 1)] {
        let heap = Mapping::zero(HEAP, 0x14_0000).put(HEAP + at, &value);
        let checkpoint = one(Process::new(1, "a").map(heap)).entry_pages(pages);
        each_form(&checkpoint, |part, _| {
            assert_at(part, &value, 1, HEAP + at);
            let place = &part.places(value.as_bytes())[0];
            assert_eq!(place["image"], "checkpoint/pages-1.img");
            assert_eq!(place["offset"], at);
        });
    }
}

#[test]
fn offsets_in_the_image_know_of_the_gaps_before() {
    let value = token(9);
    let heap = Mapping::zero(HEAP, 0x8000)
        .put(HEAP + 6 * PAGE + 5, &value)
        .absent(HEAP + PAGE)
        .in_parent(HEAP + 3 * PAGE)
        .lazy(HEAP + 4 * PAGE, false);
    each_form(&one(Process::new(1, "a").map(heap)), |part, _| {
        assert_at(part, &value, 1, HEAP + 6 * PAGE + 5);
        assert_eq!(part.places(value.as_bytes())[0]["offset"], 3 * PAGE + 5);
    });
}

#[test]
fn counts_in_the_old_field_and_larger_pages_give_the_same_addresses() {
    let value = token(10);
    let at = HEAP + 0x1_0000 - 20;
    let heap = || Mapping::noise(HEAP, 0x4_0000, 1).put(at, &value);
    let absent = heap().absent(HEAP + 0x2_0000);
    let process = |heap| Process::new(1, "a").map(heap);
    let old = one(process(heap())).page_count(PageCount::Field2);
    let framed = old.clone().framed_v1();
    let large = [16384, 65536].map(|size| one(process(absent.clone())).page_size(size));
    for checkpoint in [old, framed].into_iter().chain(large) {
        each_form(&checkpoint, |part, scanned| {
            assert_at(part, &value, 1, at);
            assert!(scanned.outcome.complete, "{:?}", scanned.lines);
        });
    }
}

#[test]
fn private_and_shared_memory_that_touch_are_two_holders() {
    let (value, whole) = (token(11), token(12));
    let (left, right) = value.split_at(20);
    let border = HEAP + 2 * PAGE;
    let private = Mapping::zero(HEAP, 0x2000).put(border - 20, left);
    let content = Mapping::zero(0, 0x2000).put(0, right).put(0x1000 - 9, &whole);
    for segment in [
        Segment::memfd(9, "/dev/zero", content.clone()),
        Segment::anonymous(9, content.clone()),
        Segment::sysv(9, content),
    ] {
        let process = Process::new(1, "a").map(private.clone()).map_shared(border, 9, 0, 0x2000);
        let checkpoint = one(process).segment(segment);
        each_form(&checkpoint, |part, _| {
            assert_eq!(part.of("finding").count(), 1);
            assert_at(part, &whole, 1, border + 0x1000 - 9);
        });
    }
}

#[test]
fn shared_memory_is_counted_once_and_placed_in_every_process() {
    let value = token(13);
    let content = Mapping::zero(0, 0x4000).put(0x2000 - 9, &value);
    let map =
        |pid, at, offset, length| Process::new(pid, "worker").map_shared(at, 9, offset, length);
    // The third maps the first page only, the fourth cuts the value.
    let checkpoint = Checkpoint::new()
        .segment(Segment::memfd(9, "/dev/zero", content))
        .process(map(1, HEAP, 0, 0x4000))
        .process(map(2, HEAP + 0x10_0000, 0x1000, 0x2000))
        .process(map(3, HEAP, 0, 0x1000))
        .process(map(4, HEAP, 0, 0x2000));
    each_form(&checkpoint, |part, _| {
        let finding = part.finding(value.as_bytes()).unwrap();
        assert_eq!((finding["count"].as_u64(), finding["processes"].as_u64()), (Some(1), Some(2)));
        let places = part.places(value.as_bytes()).iter();
        let places: Vec<String> =
            places.map(|place| format!("{} {}", place["pid"], place["address"])).collect();
        let expected = [(1, HEAP + 0x2000 - 9), (2, HEAP + 0x10_0000 + 0x1000 - 9)];
        assert_eq!(places, expected.map(|(pid, at)| format!("{pid} \"{at:#x}\"")));
    });
}

#[test]
fn values_at_both_ends_of_a_region_are_found() {
    let (first, last) = (token(14), token(15));
    let id = values::aws_pair(123_456_789_012, &mut Random::new(16)).0;
    for length in [0x1000, 0x1_0000, 0x1_1000, 0x2_0000] {
        let end = HEAP + length as u64;
        let heap = Mapping::zero(HEAP, length).put(HEAP, &first).put(end - 40, &last);
        let other = Mapping::zero(2 * HEAP, length).put(2 * HEAP + length as u64 - 20, &id);
        let wide = Mapping::zero(3 * HEAP / 2, length)
            .put_utf16(3 * HEAP / 2 + length as u64 - 80, &first)
            .put_utf16(3 * HEAP / 2, &last);
        let checkpoint = one(Process::new(1, "a").map(heap).map(other));
        each_form(&checkpoint, |part, _| {
            assert_at(part, &first, 1, HEAP);
            assert_at(part, &last, 1, end - 40);
            assert_at(part, &id, 1, 2 * HEAP + length as u64 - 20);
        });
        let checkpoint = one(Process::new(1, "a").map(wide));
        each_form(&checkpoint, |part, _| {
            for (value, at) in [(&last, 0), (&first, length as u64 - 80)] {
                let places = part.places(value.as_bytes());
                assert_eq!(places.len(), 1, "{length:#x} {at:#x}");
                assert_eq!(places[0]["address"], format!("{:#x}", 3 * HEAP / 2 + at));
                assert_eq!(
                    (&places[0]["length"], &places[0]["decoded"][0]),
                    (&80.into(), &"utf-16le".into())
                );
            }
        });
    }
}

#[test]
fn pages_without_a_pagemap_are_searched_one_by_one() {
    let (torn, inside) = (token(17), token(18));
    let heap = Mapping::zero(HEAP, 0x4000)
        .put(HEAP + PAGE - 20, &torn)
        .put(HEAP + 2 * PAGE + 0x800, &inside);
    let checkpoint = one(Process::new(1, "a").map(heap)).without("pagemap-1.img");
    each_form(&checkpoint, |part, _| {
        assert_eq!(part.of("finding").count(), 1);
        let places = part.places(inside.as_bytes());
        assert_eq!((&places[0]["region"], &places[0]["pid"]), (&"raw-image".into(), &().into()));
        assert_eq!(places[0]["offset"], 2 * PAGE + 0x800);
    });
}
